"""Root file systems of the lab's hosts: built by mmdebstrap once, kept in the cache."""

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from edgebench import progress

from . import disks, interpreters, network, paths
from .commands import remove_tree, run, succeeds
from .declared import GATEWAY
from .errors import LabError
from .identity import ADMIN, ADMIN_ID

# What asks for credentials cannot be started under user-mode emulation; none are passed to it.
_WITH_CREDENTIALS = (
    "systemd-sysusers",
    "systemd-tmpfiles-setup",
    "systemd-tmpfiles-setup-dev",
    "systemd-sysctl",
)
# Written into every image's checksum: raise it where the code below makes something else of the same recipe.
_EDITION = 4
# Seconds of building on two cores, about.
_CONTAINER_S, _BOOTABLE_S, _EMULATED_S = 60.0, 120.0, 240.0
_DISK_MB = 10_000
_SD_MB = 4_000
_MASKED = ("systemd-firstboot.service", "systemd-networkd-wait-online.service")
# As L4T 32 has it, but for the disk's and the console's names. The APPEND line ends with a blank there, too.
_EXTLINUX = """\
TIMEOUT 30
DEFAULT primary

MENU TITLE L4T boot options

LABEL primary
      MENU LABEL primary kernel
      LINUX /boot/Image
      INITRD /boot/initrd
      APPEND ${cbootargs} quiet root=/dev/vda1 rw rootwait rootfstype=ext4 console=ttyAMA0,115200n8 net.ifnames=0\x20

# When testing a custom kernel, it is recommended that you create a backup of
# the original kernel and add a new entry to this file so that the device can
# fallback to the original kernel. To do this:
#
# 1, Make a backup of the original kernel
#      sudo cp /boot/Image /boot/Image.backup
#
# 2, Copy your custom kernel into /boot/Image
#
# 3, Uncomment below menu setting lines for the original kernel
#
# 4, Reboot

# LABEL backup
#    MENU LABEL backup kernel
#    LINUX /boot/Image.backup
#    INITRD /boot/initrd
#    APPEND ${cbootargs}
"""
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_EMULATORS = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}


@dataclass(frozen=True)
class Recipe:
    """One image of images.yml."""

    name: str
    summary: str
    suite: str
    architecture: str
    packages: tuple[str, ...]
    kernel: bool = False
    cpython: str | None = None


@dataclass(frozen=True)
class BoardRecipe(Recipe):
    """An image for boards: an SD card from which U-Boot reads extlinux.conf."""

    initramfs_modules: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """A built image: its tree, and for a machine the disk made of it, its kernel and first file system."""

    tree: Path
    disk: Path
    kernel: Path
    initrd: Path


@cache
def recipes() -> dict[str, Recipe]:
    """Return the recipes by name."""
    entries = yaml.safe_load(Path(__file__).with_name("images.yml").read_text())["images"]
    return {name: _recipe(name, entry) for name, entry in entries.items()}


def _recipe(name: str, entry: dict[str, Any]) -> Recipe:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    kind = BoardRecipe if "initramfs_modules" in values else Recipe
    return kind(name=name, **values)


def build(name: str) -> Image:
    """Return the image of that name, built now where the cache has it not. Raises LabError."""
    if name not in recipes():
        raise LabError(f"unknown image {name!r}; expected one of: {', '.join(recipes())}", "image-unknown")
    recipe = recipes()[name]
    source = _prefix(recipe.cpython) if recipe.cpython else None
    home = _home(recipe, source)
    if recipe.architecture in _EMULATORS:
        _emulate(recipe.architecture)
    with _locked(home.with_name(f"{name}.lock")):
        if not home.is_dir():
            display = progress.display("auto", sys.stdout)
            with display.during(f"lab: building {name} ({recipe.summary})", guess_s(name)):
                _build(recipe, source, home, display)
    return Image(home / "tree", home / "disk.raw", home / "tree/vmlinuz", home / "tree/initrd.img")


def _home(recipe: Recipe, source: Path | None) -> Path:
    key = json.dumps([_EDITION, network.APT_PROXY, network.PIP_INDEX, str(recipe), str(source)])
    return paths.cache() / f"{recipe.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def guess_s(name: str) -> float:
    """Return about how many seconds building an image takes on two cores; 0 where it is in the cache or unknown."""
    recipe = recipes().get(name)
    if recipe is None or _home(recipe, _prefix(recipe.cpython) if recipe.cpython else None).is_dir():
        return 0
    if recipe.architecture in _EMULATORS:
        return _EMULATED_S
    return _BOOTABLE_S if recipe.kernel or isinstance(recipe, BoardRecipe) else _CONTAINER_S


def lacking(name: str) -> str | None:
    """Return the CPython release that an image is built with and this machine lacks, or None."""
    recipe = recipes().get(name)
    if recipe is None or recipe.cpython is None or interpreters.own_prefix(recipe.cpython):
        return None
    return recipe.cpython


def _prefix(release: str) -> Path:
    prefix = interpreters.own_prefix(release)
    if prefix is None:
        raise LabError(
            f"CPython {release} in a prefix of its own, outside /usr, is missing on this machine; "
            f"install it, for example: pyenv install {release}",
            "python-missing",
        )
    return prefix


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(recipe: Recipe, source: Path | None, home: Path, display: progress.Silent) -> None:
    for left in home.parent.glob(f"building-{recipe.name}.*"):
        remove_tree(left)
    building = Path(tempfile.mkdtemp(prefix=f"building-{recipe.name}.", dir=home.parent))
    try:
        tree = building / "tree"
        display.phase("installing Debian packages")
        run(
            *(
                "mmdebstrap",
                "--variant=minbase",
                f"--architectures={recipe.architecture}",
                "--format=directory",
            ),
            f'--aptopt=Acquire::http::Proxy "{network.APT_PROXY}"',
            # Hosts of the lab are thrown away, so nobody waits for the disk; theirs keep the option.
            "--dpkgopt=force-unsafe-io",
            *_board_options(recipe),
            f"--include={','.join(recipe.packages)}",
            *(recipe.suite, tree),
        )
        display.phase("configuring")
        # mmdebstrap's own directory mode would keep others from the root.
        tree.chmod(0o755)
        if source:
            _install_cpython(tree, source, f"/opt/python{recipe.cpython}")
        _configure(tree)
        if recipe.architecture in _EMULATORS:
            for service in _WITH_CREDENTIALS:
                drop_in = tree / f"etc/systemd/system/{service}.service.d/emulated.conf"
                drop_in.parent.mkdir()
                drop_in.write_text("[Service]\nLoadCredential=\n")
        display.phase("writing disks")
        if recipe.kernel:
            run("systemctl", f"--root={tree}", "enable", "systemd-networkd.service")
            (tree / "etc/fstab").write_text("LABEL=root / ext4 errors=remount-ro 0 1\n")
            disks.make(tree, building / "disk.raw", _DISK_MB)
        if isinstance(recipe, BoardRecipe):
            run("systemctl", f"--root={tree}", "enable", "systemd-networkd.service")
            _make_bootable(tree)
            disks.make_partitioned(tree, building / "disk.raw", _SD_MB, "APP")
        building.chmod(0o755)
        building.rename(home)
    finally:
        remove_tree(building)


def _install_cpython(tree: Path, source: Path, prefix: str) -> None:
    shutil.copytree(source, tree / prefix.lstrip("/"), symlinks=True)
    (tree / "etc/ld.so.conf.d/opt-python.conf").write_text(f"{prefix}/lib\n")
    run("chroot", tree, "ldconfig")


def _configure(tree: Path) -> None:
    """Give the tree a user with sudo and SSH keys alone, a network by systemd, and the lab's package caches."""
    run("chroot", tree, "useradd", "--create-home", "--uid", str(ADMIN_ID), "--shell", "/bin/bash", ADMIN)
    keys = tree / "home" / ADMIN / ".ssh"
    keys.mkdir(mode=0o700)
    os.chown(keys, ADMIN_ID, ADMIN_ID)
    sudoers = tree / "etc/sudoers.d" / ADMIN
    sudoers.write_text(f"{ADMIN} ALL=(ALL) NOPASSWD: ALL\n")
    sudoers.chmod(0o440)
    (tree / "etc/pip.conf").write_text(
        f"[global]\nindex-url = {network.PIP_INDEX}\ntrusted-host = {GATEWAY}\ntimeout = 300\n"
    )
    # Facts would wait for name servers that nobody runs here.
    (tree / "etc/resolv.conf").write_text("")
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    run("systemctl", f"--root={tree}", "enable", "ssh.service")
    # The first asks questions, the second waits for a network that is there already.
    run("systemctl", f"--root={tree}", "mask", *_MASKED)


def _board_options(recipe: Recipe) -> list[str]:
    """Return what mmdebstrap is told so that the kernel's package takes seconds and not ten minutes to configure."""
    if not isinstance(recipe, BoardRecipe):
        return []
    settings = "etc/initramfs-tools/conf.d/edgebench"
    modules = "usr/share/initramfs-tools/modules.d/edgebench"
    written = (
        f'mkdir -p "$1/{Path(settings).parent}" "$1/{Path(modules).parent}"; '
        # Not all modules, and compressed by what every kernel can read.
        f"printf 'MODULES=list\\nCOMPRESS=gzip\\n' > \"$1/{settings}\"; "
        f"printf '%s\\n' {' '.join(recipe.initramfs_modules)} > \"$1/{modules}\""
    )
    return [
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.left_out),
        *(f"--dpkgopt=path-include={pattern}" for pattern in recipe.kept),
        f"--essential-hook={written}",
        # Else a package that merges / and /usr, and Perl for it.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    ]


def _make_bootable(tree: Path) -> None:
    """Put kernel, first file system and extlinux.conf where L4T has them, for U-Boot to find."""
    boot = tree / "boot"
    for name, package_file in (("Image", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        (there,) = boot.glob(package_file)
        there.rename(boot / name)
        there.symlink_to(name)
    (boot / "extlinux").mkdir()
    (boot / "extlinux/extlinux.conf").write_text(_EXTLINUX)
    (tree / "etc/fstab").write_text("/dev/root / ext4 defaults 0 1\n")


def _emulate(architecture: str) -> None:
    """Let the kernel run programs of a foreign architecture, inside containers too."""
    if not (_BINFMT / "register").exists() and not succeeds(
        "mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT
    ):
        raise LabError(
            f"cannot mount binfmt_misc at {_BINFMT}, so this kernel cannot run {architecture} programs; use a machine "
            "with CONFIG_BINFMT_MISC",
            "binfmt-missing",
        )
    entry = f"edgebench-{architecture}"
    if (_BINFMT / entry).exists():
        return
    description = Path(f"/usr/lib/binfmt.d/{_EMULATORS[architecture]}.conf")
    if not description.exists():
        raise LabError(
            f"{description} is missing; install its package: apt install qemu-user-static", "packages-missing"
        )
    _, _, rest = description.read_text().strip().lstrip(":").partition(":")
    pattern, _, flags = rest.rpartition(":")
    # C, which Debian leaves out: the rights of the program count, not those of its emulator; else there is no sudo.
    (_BINFMT / "register").write_text(f":{entry}:{pattern}:{flags}C")
