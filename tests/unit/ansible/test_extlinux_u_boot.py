"""Real U-Boot, in an emulated board, reads files: does it boot what the parser says it will?"""

import os
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import needs

U_BOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
LABELS = (
    b"LABEL a\n LINUX /boot/Image\n APPEND root=/dev/a\nLABEL b\n LINUX /boot/Image2\n APPEND root=/dev/b x\n"
)

# One file a partition. None of them has a menu, which would wait.
FILES = {
    "default below": LABELS + b"DEFAULT b\n",
    "no default": LABELS,
    "trailing blank in the default": b"DEFAULT b \n" + LABELS,
    "a blank at the end of the command line": LABELS.replace(
        b"root=/dev/a\n", b"root=/dev/a net.ifnames=0 \n"
    ),
    "a blank at the end of a kernel's name": LABELS.replace(b"/boot/Image\n", b"/boot/Image \n"),
    "a blank at the end of a label's name": b"DEFAULT b \n" + LABELS.replace(b"LABEL b", b"LABEL b "),
    "a copied label with what the loader does not know": LABELS
    + b"\tOVERLAYS /x.dtbo\n\tSECURE\n\nLABEL usb\n LINUX /boot/Image\n APPEND root=/dev/c\n\tOVERLAYS /x.dtbo\n",
    "other case of the default": b"DEFAULT B\n" + LABELS,
    "ontimeout after default": b"default a\nontimeout b\n" + LABELS,
    "menu default": LABELS + b"  MENU DEFAULT\n",
    "menu default and default": LABELS + b"  MENU DEFAULT\nDEFAULT a\n",
    "tabs, case, kernel, comments": b"\tDefault\tb\n# x\n"
    + LABELS.replace(b" LINUX ", b"\t# y\n\n\tKernel\t \t"),
    "no line end": LABELS.rstrip(b"\n"),
    "carriage returns": LABELS.replace(b"\n", b"\r\n"),
    "no value": b"TIMEOUT\n" + LABELS,
    "a comment for a value": b"TIMEOUT # 30\n" + LABELS,
    "unknown keyword in a label": b"DEFAULT b\n"
    + LABELS.replace(b" APPEND root=/dev/b", b" SECURE\n APPEND root=/dev/b"),
    "unknown keyword at a label's end": LABELS.replace(b"/dev/a\n", b"/dev/a\n OVERLAYS x\n"),
    "two of linux and append": LABELS + b" LINUX /boot/Image\n APPEND root=/dev/c\n",
    "two of initrd": b"DEFAULT b\n"
    + LABELS
    + b" INITRD /boot/initrd\n INITRD /boot/Image\n APPEND root=/dev/c\n",
    "initrd in append": LABELS + b" APPEND quiet initrd=/boot/initrd root=/dev/b\n",
    "a variable": LABELS.replace(b"APPEND ", b"APPEND ${cbootargs} "),
    "names with blanks": LABELS.replace(b"LABEL b", b"LABEL b c # d") + b"DEFAULT b c # d\n",
    "an empty menu label": LABELS.replace(b" LINUX /boot/Image2", b" MENU LABEL\n LINUX /boot/Image2"),
    "a configuration in a FIT": LABELS.replace(b"/boot/Image\n", b"/boot/Image#conf-1\n"),
    "relative paths": LABELS.replace(b"/boot/Image2", b"../Image2"),
}


# U-Boot 2023.01 boots nothing of these; at the first it crashes, and begins again for ever.
REFUSED = {
    "no default's name": b"DEFAULT\n" + LABELS,
    "no command line": LABELS.replace(b"root=/dev/a", b""),
    "a command line commented out": LABELS.replace(b"root=/dev/a", b"# root=/dev/a"),
    "cut off": b"DEFAULT b\n" + LABELS[:-15],
}


# U-Boot under emulation: QEMU, and what lays out the disk that it reads.
pytestmark = [pytest.mark.thorough, pytest.mark.needs("qemu-system-aarch64", "u-boot", "sfdisk", "mke2fs")]


def boot(top: Path, files: list[bytes]) -> list[str]:
    """What U-Boot prints about each of the files, one a partition, until it has tried all, or crashes."""
    size, room = 4 * 2**20, 64 * 512
    rows = [
        f"start={number * size // 512}, size={(size - room) // 512}, attrs=LegacyBIOSBootable"
        for number in range(1, len(files) + 1)
    ]
    with (top / "disk").open("wb") as disk:
        disk.truncate((len(files) + 1) * size)
    table = "\n".join(["label: gpt", *rows]) + "\n"
    subprocess.run(
        [str(needs.program("sfdisk")), "--quiet", top / "disk"], input=table, text=True, check=True
    )
    for number, data in enumerate(files, 1):
        tree = top / f"tree{number}"
        (tree / "boot/extlinux").mkdir(parents=True)
        (tree / "boot/extlinux/extlinux.conf").write_bytes(data)
        for name in ("Image", "Image ", "Image2", "initrd"):
            (tree / "boot" / name).write_bytes(b"no kernel" * 500)
        with (top / "image").open("wb") as image:
            image.truncate(size - room)
        make = [
            str(needs.program("mke2fs")),
            "-t",
            "ext4",
            "-q",
            "-O",
            "^metadata_csum,^64bit",
            "-d",
            str(tree),
            str(top / "image"),
        ]
        subprocess.run(make, check=True)
        with (top / "disk").open("r+b") as disk:
            disk.seek(number * size)
            disk.write((top / "image").read_bytes())
    command = [
        "qemu-system-aarch64",
        "-M",
        "virt",
        "-cpu",
        "cortex-a53",
        "-m",
        "512",
        "-nographic",
        "-net",
        "none",
    ]
    command += ["-bios", str(U_BOOT), "-drive", f"file={top / 'disk'},format=raw,if=none,id=disk"]
    command += ["-device", "virtio-blk-device,drive=disk"]
    text = ""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as emulator:
        late = threading.Timer(300, emulator.kill)
        late.start()
        assert emulator.stdout is not None
        for raw in emulator.stdout:
            text += raw.decode("latin-1").replace("\r\n", "\n")
            if "Resetting CPU" in text or text.count("FAILED: continuing") == len(files):
                emulator.kill()
        late.cancel()
    parts = text.split("Found /boot/extlinux/extlinux.conf\n")[1:]
    assert len(parts) == len(files), text[-3000:]
    return parts


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for disks."""
    return tmp_path_factory.mktemp("u-boot")


@pytest.fixture(scope="module")
def said(top: Path) -> dict[str, str]:
    """What U-Boot prints about each of the files."""
    return dict(zip(FILES, boot(top, list(FILES.values())), strict=True))


def booted(text: str) -> list[dict[str, Any]] | None:
    """The labels that U-Boot tried, with the files it looked for and the command line; None where it read none."""
    if "Error parsing config file" in text:
        return None
    found: list[dict[str, Any]] = []
    for line in text.split("\n"):
        if named := re.fullmatch(r"\d+:\t(.*)", line):
            found.append({"name": named[1], "files": [], "append": None})
        elif found and line.startswith("Retrieving file: "):
            found[-1]["files"].append(line.removeprefix("Retrieving file: "))
        elif found and line.startswith("append: "):
            found[-1]["append"] = line.removeprefix("append: ")
    return found


@pytest.mark.parametrize("name", FILES)
def test_u_boot_boots_what_the_parser_says(
    plugin: Callable[[str], ModuleType], said: dict[str, str], name: str
) -> None:
    conf = plugin("module_utils/extlinux_conf")
    tried = booted(said[name])
    try:
        parsed = conf.parse(FILES[name])
    except conf.ConfError:
        assert tried is None
        return
    assert tried is not None
    problems = parsed.problems()
    if name in ("carriage returns", "an empty menu label"):
        # The parser reads them as they are meant, and says that U-Boot does not.
        assert problems
        assert tried != expected(parsed)
        return
    assert tried == expected(parsed), said[name]


@pytest.mark.parametrize("name", REFUSED)
def test_u_boot_boots_nothing_of_what_the_parser_refuses(
    plugin: Callable[[str], ModuleType], top: Path, tmp_path: Path, name: str
) -> None:
    conf = plugin("module_utils/extlinux_conf")
    with pytest.raises(conf.ConfError) as caught:
        conf.parse(REFUSED[name])
    assert caught.value.code == "value-missing"
    (text,) = boot(tmp_path, [REFUSED[name]])
    assert "Error parsing config file" in text or "Synchronous Abort" in text, text  # not prose


def expected(parsed: Any) -> list[dict[str, Any]]:
    first = [label for label in parsed.labels if label.name == parsed.default]
    found = []
    for label in first + [label for label in parsed.labels if label not in first]:
        linux, append = parsed.value(label, "linux"), parsed.value(label, "append")
        files = [parsed.initrd(label), linux.split(b"#")[0]]
        found.append(
            {
                "name": label.name.decode(),
                "files": [
                    os.path.join("/boot/extlinux", path.decode()) for path in files if path is not None
                ],
                "append": None if append is None else append.decode().replace("${cbootargs}", ""),
            }
        )
    return found
