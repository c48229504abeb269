"""The module edgebench_usb_disk on loop devices of image files: what it refuses and writes, what a kill leaves.

The kernel's own view of a disk (sysfs, blkid, wipefs) is real; that a loop device hangs on a USB bus, its serial number
and its name below /dev/disk/by-id are supplied.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import ansible_core
from tests.messages import codes

MB = 10**6


pytestmark = pytest.mark.needs("loop-devices", "sfdisk", "mke2fs", "wipefs")


class EndError(Exception):
    """How the module ended."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self.answer = answer


class Disk:
    """An image file as a USB disk."""

    def __init__(self, top: Path, module: ModuleType, size: int) -> None:
        self.top, self.module = top, module
        self.image = top / "disk.img"
        with self.image.open("wb") as handle:
            handle.truncate(size)
        self.notes = top / "notes"
        self.by_id = top / "by-id"
        self.by_id.mkdir()
        self.device = self._run("losetup", "-f", "--show", "-P", str(self.image)).strip()
        self.name = "usb-Test_EB1-0:0"
        self.link = self.by_id / self.name
        self.link.symlink_to(self.device)

    def _run(self, *argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def detach(self) -> None:
        subprocess.run(["umount", "-q", f"{self.device}p1"], capture_output=True, check=False)
        subprocess.run(["losetup", "-d", self.device], check=True)

    def call(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Run the module in this process; return its answer."""
        module = self.module

        class Fake:
            def __init__(fake, argument_spec: dict[str, Any], supports_check_mode: bool) -> None:  # noqa: N805
                assert supports_check_mode
                fake.check_mode = check
                fake.params = {name: spec.get("default") for name, spec in argument_spec.items()}
                fake.params.update(
                    disk=str(self.link), root_gb=0.1, swap_gb=0.02, notes=str(self.notes), l4t="32.7.1"
                )
                fake.params.update(options)

            def exit_json(fake, **answer: Any) -> None:  # noqa: N805
                raise EndError({"failed": False, **answer})

            def fail_json(fake, **answer: Any) -> None:  # noqa: N805
                raise EndError({"failed": True, **answer})

        self.patch.setattr(module, "AnsibleModule", Fake)
        with pytest.raises(EndError) as ended:
            module.main()
        answer = ended.value.answer
        json.dumps(answer)
        return answer

    patch: pytest.MonkeyPatch

    @property
    def hash(self) -> str:
        subprocess.run(["sync", self.device], check=True)
        return hashlib.sha256(self.image.read_bytes()).hexdigest()


@pytest.fixture
def module(plugin: Any) -> ModuleType:
    loaded: ModuleType = plugin("modules/edgebench_usb_disk")
    return loaded


@pytest.fixture
def disk(tmp_path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk(tmp_path, module, 250 * MB)
    made.patch = monkeypatch
    prefix = f"{made.by_id}/"
    monkeypatch.setattr(module, "BY_ID", prefix)
    monkeypatch.setattr(sys.modules[f"{ansible_core.UTILS}.edgebench_usb_root"], "BY_ID", prefix)
    monkeypatch.setattr(module, "is_usb", lambda folder: "/loop" in folder)
    monkeypatch.setattr(module, "serial_of", lambda folder, udev: "EB1")
    # What this machine's own root holds is not to be copied.
    monkeypatch.setattr(module, "used", lambda path: 50 * MB)
    actual = module.run

    def run(argv: list[str], stdin: str | None = None, may_fail: bool = False) -> str:
        if argv[0] == "du":
            return "1000000 /home\n"
        if argv[0] == "udevadm":
            return ""
        return str(actual(argv, stdin, may_fail))

    monkeypatch.setattr(module, "run", run)
    yield made
    made.detach()


def test_an_empty_disk_is_made_ready_and_a_second_time_nothing_is_done(disk: Disk) -> None:
    before = disk.hash
    planned = disk.call(state="present", check=True)
    assert planned["changed"]
    assert disk.hash == before
    assert not disk.notes.exists()
    made = disk.call(state="present")
    assert not made["failed"], made.get("msg")
    assert made["changed"]
    assert list(made["parts"]) == ["root", "swap", "home"]
    assert all(part["whole"] and part["partuuid"] and part["uuid"] for part in made["parts"].values())
    assert made["parts"]["root"]["size"] == 100 * MB // 2**20 * 2**20
    after = disk.hash
    again = disk.call(state="present")
    assert not again["changed"]
    assert again["refused"] == []
    assert disk.hash == after


def fill(disk: Disk, what: str) -> None:
    if what == "ext4":
        subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
    elif what == "table":
        subprocess.run(["sfdisk", "-q", disk.device], input="label: dos\n,,7\n", text=True, check=True)
    elif what == "ours":
        disk.call(state="present")
        (disk.notes / "disk").unlink()
    elif what == "bytes":
        with open(disk.device, "r+b") as handle:
            handle.seek(4096)
            handle.write(b"only copy")


@pytest.mark.parametrize("what", ["ext4", "table", "ours", "bytes"])
def test_a_disk_with_data_is_refused_before_any_write_and_taken_when_its_serial_number_is_repeated(
    disk: Disk, what: str
) -> None:
    fill(disk, what)
    before = disk.hash
    for word, code in (("", "disk-has-data"), ("EB2", "serial-mismatch")):
        told = disk.call(state="present", confirm_serial=word)
        assert told["failed"]
        assert codes(told["msg"]) == [code]
        assert "EB1" in told["msg"]
    assert disk.hash == before
    assert not (disk.notes / "disk").exists()
    assert not disk.call(state="present", confirm_serial="EB1")["failed"]
    assert disk.hash != before


def test_a_disk_that_is_mounted_is_refused_whatever_was_confirmed(disk: Disk, tmp_path: Path) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
    at = tmp_path / "at"
    at.mkdir()
    subprocess.run(["mount", "-o", "ro", disk.device, at], check=True)
    try:
        before = disk.hash
        told = disk.call(state="present", confirm_serial="EB1")
        assert told["failed"]
        assert codes(told["msg"]) == ["disk-in-use"]
        assert f"{disk.device} at {at}" in told["msg"]
        assert disk.hash == before
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.mark.parametrize(
    ("change", "options", "code", "word"),
    [
        ("", {"root_gb": 2.0}, "disk-too-small", "2.0 GB"),
        ("gone", {}, "disk-missing", ""),
        ("dangling", {}, "disk-missing", "/nonexistent"),
        ("no device", {}, "not-a-disk", "/dev/null"),
        ("partition", {"confirm_serial": "EB1"}, "disk-is-partition", "-part1"),
        ("internal", {}, "disk-not-usb", ""),
        ("elsewhere", {}, "disk-link-wrong", "/dev/disk/by-id/other"),
        ("device name", {}, "disk-name-unstable", "/dev/loop"),
        ("full", {}, "copy-too-large", "jetson_usb_root_size_gb"),
    ],
)
def test_a_wrong_disk_is_refused_before_any_write(
    disk: Disk, change: str, options: dict[str, Any], code: str, word: str
) -> None:
    if change == "gone":
        disk.link.unlink()
    elif change in ("dangling", "no device"):
        disk.link.unlink()
        disk.link.symlink_to("/nonexistent" if change == "dangling" else "/dev/null")
    elif change == "partition":
        fill(disk, "ours")
        disk.link.unlink()
        disk.link.symlink_to(f"{disk.device}p1")
    elif change == "internal":
        disk.patch.setattr(disk.module, "is_usb", lambda folder: False)
    elif change == "elsewhere":
        inner = disk.module.run
        disk.patch.setattr(
            disk.module,
            "run",
            lambda argv, stdin=None, may_fail=False: (
                "DEVLINKS=/dev/disk/by-id/other\n"
                if argv[:2] == ["udevadm", "info"]
                else inner(argv, stdin, may_fail)
            ),
        )
    elif change == "device name":
        options = {**options, "disk": disk.device}
    elif change == "full":
        disk.patch.setattr(disk.module, "used", lambda path: 10**12)
    before = disk.hash
    told = disk.call(state="present", **options)
    assert told["failed"]
    assert codes(told["msg"]) == [code]
    assert word in told["msg"]
    assert disk.hash == before


@pytest.mark.parametrize("place", ["is_root", "is_boot"])
def test_the_disk_that_runs_is_refused(disk: Disk, place: str) -> None:
    number = disk.module.number_of(disk.device)
    actual = disk.module.mount_of

    def mount_of(table: Any, path: str) -> Any:
        found = actual(table, path)
        return {**found, "number": number} if (path == "/") == (place == "is_root") else found

    disk.patch.setattr(disk.module, "mount_of", mount_of)
    before = disk.hash
    told = disk.call(state="present")
    assert told["failed"]
    assert codes(told["msg"]) == [{"is_root": "disk-is-root", "is_boot": "disk-is-sd-card"}[place]]
    assert disk.hash == before


class KilledError(Exception):
    """The power went."""


def test_killed_before_or_after_any_step_it_goes_on_where_it_was(disk: Disk) -> None:
    """Each program that writes is the last one that ran, once before and once after it did its work."""
    inner = disk.module.run
    writers = ("sfdisk", "mkfs.ext4", "mkswap", "swaplabel", "e2label")
    steps = 0

    def cut(at: int, after: bool) -> Any:
        done = [0]

        def run(argv: list[str], stdin: str | None = None, may_fail: bool = False) -> str:
            if argv[0] not in writers:
                return str(inner(argv, stdin, may_fail))
            done[0] += 1
            if done[0] == at and not after:
                raise KilledError
            told = str(inner(argv, stdin, may_fail))
            if done[0] == at:
                raise KilledError
            return told

        return run

    for at in range(1, 20):
        for after in (False, True):
            subprocess.run(["wipefs", "-qa", disk.device], check=True)
            subprocess.run(["partx", "-d", disk.device], capture_output=True, check=False)
            with open(disk.device, "r+b") as handle:
                handle.write(bytes(4 * MB))
            for note in disk.notes.glob("*") if disk.notes.exists() else []:
                note.unlink()
            disk.patch.setattr(disk.module, "run", cut(at, after))
            try:
                disk.call(state="present")
            except KilledError:
                steps += 1
            else:
                assert steps >= 12
                return
            disk.patch.setattr(disk.module, "run", inner)
            told = disk.call(state="present")
            assert not told["failed"], told.get("msg")
            assert [part["whole"] for part in told["parts"].values()] == [True] * 3
            assert not disk.call(state="present")["changed"]
    pytest.fail("the module never ends")


def test_a_disk_that_was_in_use_is_never_laid_out_again(disk: Disk) -> None:
    disk.call(state="present")
    (disk.notes / "used").write_text("PARTUUID=x\n")
    assert not disk.call(state="present")["changed"]
    subprocess.run(["wipefs", "-qa", f"{disk.device}p1"], check=True)
    before = disk.hash
    # The look says so, too, before any stage.
    assert [codes(each) for each in disk.call()["refused"]] == [["disk-damaged"]]
    told = disk.call(state="present", confirm_serial="EB1")
    assert told["failed"]
    assert codes(told["msg"]) == ["disk-damaged"]
    assert disk.device in told["msg"]
    assert disk.hash == before


def test_other_sizes_than_those_it_was_laid_out_with_are_refused(disk: Disk) -> None:
    disk.call(state="present")
    before = disk.hash
    assert [codes(each) for each in disk.call(root_gb=0.08)["refused"]] == [["layout-differs"]]
    told = disk.call(state="present", root_gb=0.08)
    assert told["failed"]
    assert codes(told["msg"]) == ["layout-differs"]
    for word in ("root 0.1 GB", "root 0.08 GB", "jetson_usb_root_size_gb"):
        assert word in told["msg"]
    assert disk.hash == before


def test_without_swap_there_are_two_parts(disk: Disk) -> None:
    assert list(disk.call(state="present", swap_gb=0.0)["parts"]) == ["root", "home"]


CONF = """TIMEOUT 30
DEFAULT new one

LABEL old
      LINUX {top}/Image.old
      APPEND ${{cbootargs}} quiet\x20

LABEL new one
      LINUX {top}/Image
      APPEND ${{cbootargs}} quiet\x20
"""


@pytest.mark.parametrize(
    ("default", "kernel"), [("new one", "4.9.253-tegra"), ("old", "4.9.140-tegra"), ("none", "4.9.140-tegra")]
)
def test_the_kernel_is_that_of_the_label_that_is_booted(
    disk: Disk, tmp_path: Path, default: str, kernel: str
) -> None:
    for name, release in (("Image", "4.9.253-tegra"), ("Image.old", "4.9.140-tegra")):
        (tmp_path / name).write_bytes(b"\0\0Linux version " + release.encode() + b" (buildbrain@mobile) #1\0")
    conf = tmp_path / "extlinux.conf"
    conf.write_text(CONF.format(top=tmp_path).replace("DEFAULT new one", f"DEFAULT {default}"))
    disk.patch.setattr(disk.module, "has_modules", lambda release: True)
    assert disk.module.kernel_of(str(conf)) == kernel
    disk.patch.setattr(disk.module, "has_modules", lambda release: False)
    seen = disk.call(conf=str(conf))["system"]
    assert (seen["kernel"], seen["kernel_has_modules"]) == (os.uname().release, False)


def test_what_keeps_later_stages_from_writing_is_seen(disk: Disk, tmp_path: Path) -> None:
    conf = tmp_path / "boot/extlinux/extlinux.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(CONF.format(top=tmp_path))
    boot = disk.call(conf=str(conf))["system"]["boot"]
    assert (boot["links"], boot["not_writable"], boot["notes_is_file"]) == ([], [], False)
    assert boot["free"][boot["at"]] > 0
    disk.notes.touch()
    link = tmp_path / "link"
    link.symlink_to("boot")
    boot = disk.call(conf=str(link / "extlinux/extlinux.conf"))["system"]["boot"]
    assert (boot["links"], boot["notes_is_file"]) == ([str(link)], True)


@pytest.mark.parametrize("how", ["read-only mount", "immutable file", "immutable folder"])
def test_what_root_cannot_write_is_seen(disk: Disk, tmp_path: Path, how: str) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", disk.device], check=True)
    at = tmp_path / "at"
    at.mkdir()
    subprocess.run(["mount", disk.device, at], check=True)
    conf = at / "boot/extlinux/extlinux.conf"
    try:
        conf.parent.mkdir(parents=True)
        conf.write_text(CONF.format(top=tmp_path))
        conf.chmod(0o444)
        assert disk.module.not_writable([str(conf), str(conf.parent), str(at / "none")]) == []
        wrong = {"immutable file": conf, "immutable folder": conf.parent}.get(how)
        if wrong:
            subprocess.run(["chattr", "+i", wrong], check=True)
        else:
            subprocess.run(["mount", "-o", "remount,ro", at], check=True)
        seen = disk.module.not_writable([str(conf), str(conf.parent)])
        assert seen == ([str(wrong)] if wrong else [str(conf), str(conf.parent)])
        if wrong:
            subprocess.run(["chattr", "-i", wrong], check=True)
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.mark.parametrize(
    ("l4t", "compatible", "efi", "code"),
    [
        ("32.7.1", "nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210", False, None),
        ("35.4.1", "nvidia,p3768-0000+p3767-0003\0nvidia,tegra234", True, "loader-unsupported"),
        ("32.7.1", "nvidia,p3509-0000+p3668-0000\0nvidia,tegra194", False, "loader-unsupported"),
        ("32.7.1", "nvidia,tegra210", True, "loader-unsupported"),
    ],
)
def test_the_loader_is_looked_for(
    disk: Disk, tmp_path: Path, l4t: str, compatible: str, efi: bool, code: str | None
) -> None:
    actual, present = disk.module.read_text, os.path.isdir
    disk.patch.setattr(
        disk.module,
        "read_text",
        lambda path, default="": (
            compatible if path == "/proc/device-tree/compatible" else actual(path, default)
        ),
    )
    disk.patch.setattr(
        disk.module.os.path,
        "isdir",
        lambda path: efi if str(path).endswith("/firmware/efi") else present(path),
    )
    before = disk.hash
    plan = disk.call(l4t=l4t)["plan"]
    assert codes(plan["problem"]) == ([code] if code else [])
    assert disk.hash == before
