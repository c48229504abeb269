"""What goes wrong with the board of the scenarios jetson and jetson_faults, and what it does then.

Usage: python molecule/jetson/twin.py STEP. Each step leaves a board that boots, or fails with the
reason. docs/usb-root.md lists them.
"""

import contextlib
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import declared, disks, fleet, qemu
from lab.commands import run, succeeds

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = Path(__file__).with_name("hosts.yml")
NAME = os.environ.get("MOLECULE_SCENARIO_NAME", "jetson")
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
CONF = "/boot/extlinux/extlinux.conf"
SD_ROOT, USB_ROOT = "/dev/vda1", "/dev/sd"
# A copy has begun for certain when so much of the USB disk is in use.
COPYING_MB = 60
TORN_MOMENTS = 12
WRITING = f"""\
. /usr/local/lib/edgebench-usb-root/initramfs/scripts/edgebench-default
while :; do
    for label in edgebench-usb primary; do
        set_default {CONF} \\$label
        /usr/local/sbin/edgebench-usb-root flush
    done
done"""

LAB = fleet.Lab(NAME, tuple(declared.read(INVENTORY)))
(HOST,) = LAB.hosts
FOLDER = LAB.folder(HOST)
SD = FOLDER / "sd.raw"
USB = FOLDER / "usb-EB0001.raw"
CONSOLE = FOLDER / "console.log"
STARTED = time.monotonic()


class WrongError(Exception):
    """The board did otherwise than it should; the text says what."""


def say(text: str) -> None:
    """Print what was done or seen, with the seconds since this step began."""
    print(f"{time.monotonic() - STARTED:4.0f} s  {text}", flush=True)


def expect(condition: bool, otherwise: str) -> None:
    """Raise WrongError unless the condition holds."""
    if not condition:
        raise WrongError(otherwise)


# The board.


def on_board(command: str) -> str:
    """Run a command of sh on the board as root and return its output."""
    return run(*fleet.ssh(LAB, HOST, "sudo", "sh"), stdin=command)


def root() -> str:
    """Return the device that the board's root file system is on."""
    return on_board("findmnt -no SOURCE /").strip()


def expect_root(device: str) -> None:
    """Raise WrongError unless the board runs from this device, and wait until it is up."""
    succeeds(*fleet.ssh(LAB, HOST, "timeout", "120", "systemctl", "is-system-running", "--wait"))
    found = root()
    expect(found.startswith(device), f"root is on {found}, not on {device}")
    say(f"root is on {found}; systemd says {on_board('systemctl is-system-running || true').strip()}")


def power_off() -> None:
    """Cut the power."""
    fleet.power_off(LAB, HOST)
    say("power off")


def power_on() -> None:
    """Give power and wait for SSH."""
    fleet.power_on(LAB, HOST)
    say(f"power on; answers after {fleet.wait_for(LAB, HOST):.0f} s")


def usb(*, plugged: bool, serial: str = "EB0001") -> None:
    """Plug the USB disk in or pull it out."""
    fleet.usb(LAB, HOST, serial, plugged=plugged)
    say(f"USB disk {serial} {'plugged in' if plugged else 'pulled'}")


def fell_back_by(text: str) -> None:
    """Raise WrongError unless the board is on its SD card, boots from there next, and tells this of its attempt."""
    expect_root(SD_ROOT)
    told = on_board("edgebench-usb-root report")
    for line in told.splitlines():
        say(f"  {line}")
    expect(text in told, f"the board does not tell {text!r} of its attempt")
    expect("\nDEFAULT primary\n" in on_board(f"cat {CONF}"), "DEFAULT is not the SD card's label")


# The playbook.


@contextlib.contextmanager
def playbook(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run ansible-playbook beside the body; in the end it and what it has started is gone."""
    with tempfile.TemporaryDirectory(prefix="eb-") as scratch:
        log = Path(scratch) / "log"
        # Connections of its own, so that none outlives a board that lost its power.
        environment = {**os.environ, "ANSIBLE_SSH_CONTROL_PATH_DIR": scratch, "ANSIBLE_FORCE_COLOR": "0"}
        process = subprocess.Popen(
            [PLAYBOOK, "-i", INVENTORY, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process, log
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def provision(*arguments: str) -> tuple[int, str]:
    """Run the role by provision.yml to its end; return the exit code and what was printed."""
    with playbook(*(arguments or ["--tags=jetson_usb_root"]), "provision.yml") as (process, log):
        code = process.wait(timeout=900)
        return code, log.read_text(errors="replace")


def wait_while(process: subprocess.Popen[bytes], log: Path, until: Callable[[], bool], what: str) -> None:
    """Wait until something is so while the playbook runs; WrongError where it ends before."""
    end = time.monotonic() + 900
    while not until():
        if process.poll() is not None or time.monotonic() > end:
            raise WrongError(f"no {what} while the playbook ran; it said:\n{log.read_text(errors='replace')}")
        time.sleep(0.2)


# The disks, seen from here.


def read_offline(disk: Path, path: str, offset: int = disks.PARTITION_OFFSET) -> bytes:
    """Return a file of a file system as U-Boot sees it: without looking at the journal."""
    return subprocess.run(
        ["debugfs", "-R", f"cat {path}", f"{disk}?offset={offset}"],
        check=True,
        capture_output=True,
    ).stdout


def edit_offline(disk: Path, *commands: str) -> None:
    """Give debugfs commands to change the disk's first partition."""
    file_system = f"{disk}?offset={disks.PARTITION_OFFSET}"
    run("debugfs", "-w", "-f", "/dev/stdin", file_system, stdin="\n".join(commands) + "\n")


def checksum(disk: Path) -> str:
    """Return the checksum of all of a disk."""
    with disk.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# The steps.


def wrong_disks() -> None:
    """Ask for disks that must not be written on. They keep every byte, and the SD card its partition table."""
    usb(plugged=False, serial="FULL")
    full = FOLDER / "usb-FULL.raw"
    with tempfile.TemporaryDirectory() as tree:
        (Path(tree) / "thesis.tex").write_text("the only copy\n")
        disks.make_partitioned(Path(tree), full, 1600, "data")
    usb(plugged=True, serial="FULL")

    wait_for_disk("FULL")
    expect_refused("wrong_disks.yml")


def impossible() -> None:
    """Make a later stage impossible, in one way after the other. The role stops before its first write."""
    expect_refused("impossible.yml")


def expect_refused(name: str) -> None:
    """Run a playbook in which the role must refuse everything; no disk is changed."""

    def state() -> dict[str, str]:
        with SD.open("rb") as handle:
            table = hashlib.sha256(handle.read(disks.PARTITION_OFFSET)).hexdigest()
        return {"SD card's table": table, **{disk.name: checksum(disk) for disk in FOLDER.glob("usb-*.raw")}}

    before = state()
    with playbook(Path(__file__).with_name(name)) as (process, log):
        code = process.wait(timeout=1800)
        told = log.read_text(errors="replace")
    expect(code == 0, told)
    for reason in re.findall(r"for another reason\].*?msg: (.*?)\n\n", told, re.DOTALL):
        say("refused: " + " ".join(reason.split()).strip("'"))
    after = state()
    changed = [name for name in before if before[name] != after[name]]
    expect(not changed, f"these were written on: {', '.join(changed)}")
    say(f"unchanged: {', '.join(before)}")


def wait_for_disk(serial: str) -> None:
    """Wait until the board has seen a disk that was plugged in."""
    on_board(
        f'timeout 30 sh -c "until ls /dev/disk/by-id/*_{serial}-0:0; do sleep 0.5; done"; udevadm settle'
    )


def interrupted() -> None:
    """Cut the power while the system is copied."""

    def copied_mb() -> float:
        return USB.stat().st_blocks * 512 / 1e6

    with playbook("--tags=jetson_usb_root", "provision.yml") as (process, log):
        wait_while(process, log, lambda: copied_mb() > COPYING_MB, "copying")
        say(f"{copied_mb():.0f} MB are on the USB disk")
        power_off()
    power_on()
    expect_root(SD_ROOT)
    expect(
        on_board("ls /boot/edgebench").find("copying") >= 0, "nothing notes that the copying was cut short"
    )


def no_disk() -> None:
    """Go on from the interrupted copy; the disk is pulled as the board starts from it for the first time."""
    began = CONSOLE.stat().st_size

    def restarted() -> bool:
        with CONSOLE.open("rb") as handle:
            handle.seek(began)
            return b"U-Boot 20" in handle.read()

    with playbook("--tags=jetson_usb_root", "provision.yml") as (process, log):
        wait_while(process, log, restarted, "restart")
        # What the other faults begin with.
        fleet.keep(LAB, HOST, "trial")
        usb(plugged=False)
        code = process.wait(timeout=900)
        told = log.read_text(errors="replace")
    say("the playbook: " + " ".join(told.partition("fatal: ")[2][:1500].split()))
    expect(code != 0, f"the playbook did not fail:\n{told}")
    expect("[fell-back]" in told, f"the playbook does not report it:\n{told}")
    fell_back_by("[root-missing]")
    usb(plugged=True)


def power_cycle() -> None:
    """Cut the power of a board that runs from its USB disk."""
    expect_root(USB_ROOT)
    power_off()
    power_on()
    expect_root(USB_ROOT)


def pulled() -> None:
    """Pull the disk of a board that was found good long ago, and plug it in again."""
    power_off()
    usb(plugged=False)
    power_on()
    expect_root(SD_ROOT)
    told = on_board("cat /run/edgebench-usb-root.fallback")
    say(told)
    expect("[fell-back]" in told, "the board does not report that it fell back")
    usb(plugged=True)
    wait_for_disk("EB0001")
    on_board("touch /home/admin/on-sd")
    code, log = provision()
    expect(code == 0, log)
    expect_root(USB_ROOT)
    expect("on-sd" not in on_board("ls /home/admin"), "the system was copied over the one that was in use")


def rollback() -> None:
    """Go back to the SD card for good."""
    code, log = provision("--tags=rollback")
    expect(code == 0, log)
    expect_root(SD_ROOT)
    expect("edgebench" not in on_board(f"cat {CONF}; ls /boot"), "something of the role is left in /boot")


def trial_with(change: Callable[[], None]) -> None:
    """Start a board from its USB disk for the first time, on disks to which something has happened."""
    power_off()
    fleet.restore(LAB, HOST, "trial")
    change()
    power_on()


def broken_superblock() -> None:
    """The USB disk's root file system cannot be mounted."""

    def change() -> None:
        with USB.open("r+b") as disk:
            disk.seek(disks.PARTITION_OFFSET)
            disk.write(os.urandom(1 << 16))

    trial_with(change)
    fell_back_by("[root-not-mounted]")


def no_init() -> None:
    """The USB disk's root file system has no system in it."""
    trial_with(lambda: edit_offline(USB, "rm /sbin/init", "rm /usr/lib/systemd/systemd"))
    fell_back_by("[root-not-bootable]")


def no_initrd() -> None:
    """The file that the label's INITRD names is missing."""

    def change() -> None:
        ours = read_offline(SD, CONF).decode().partition("LABEL edgebench-usb")[2]
        (initrd,) = re.findall(r"^\s*INITRD\s+(\S+)", ours, re.MULTILINE)[:1]
        edit_offline(SD, f"rm {initrd}")

    trial_with(change)
    expect_passed_over("initrd")


def no_kernel() -> None:
    """The file that the label's LINUX names is missing."""

    def change() -> None:
        head, label, ours = read_offline(SD, CONF).decode().partition("LABEL edgebench-usb")
        text = head + label + ours.replace("LINUX /boot/Image", "LINUX /boot/Image-gone", 1)
        expect("Image-gone" in text, f"the label has no kernel:\n{text}")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(text)
            file.flush()
            edit_offline(SD, f"rm {CONF}", f"write {file.name} {CONF}")

    trial_with(change)
    expect_passed_over("kernel")


def expect_passed_over(what: str) -> None:
    """Raise WrongError unless U-Boot has said what is missing and taken the next label."""
    expect_root(SD_ROOT)
    passed = f"Skipping edgebench-usb for failure retrieving {what}"
    expect(passed in CONSOLE.read_text(errors="replace"), f"U-Boot does not say {passed!r}")
    say(f"U-Boot: {passed}")


def torn() -> None:
    """Cut the power at any moment while extlinux.conf is written: the old file or the new one, never a half."""
    on_board(
        f"cat > /run/torn.sh << END\n{WRITING}\nEND\nsetsid sh /run/torn.sh < /dev/null > /dev/null 2>&1 &"
    )
    text = on_board(f"cat {CONF}").encode()
    old = text.replace(b"DEFAULT edgebench-usb", b"DEFAULT primary")
    new = old.replace(b"DEFAULT primary", b"DEFAULT edgebench-usb")
    seen: dict[str, list[bytes]] = {"U-Boot": [], "Linux": []}
    copy, partition = FOLDER / "torn.raw", FOLDER / "torn-partition.raw"
    for _ in range(TORN_MOMENTS):
        time.sleep(random.uniform(0.1, 0.6))
        qemu.control(FOLDER, "stop")
        disks.clone(SD, copy)
        qemu.control(FOLDER, "cont")
        # A file of its own, for e2fsck forgets the offset once it has replayed the journal.
        run("dd", f"if={copy}", f"of={partition}", "bs=1M", "skip=1", "conv=sparse")
        for reader in ("U-Boot", "Linux"):
            if reader == "Linux":
                # Replays the journal, as mounting does; 1: errors were corrected.
                repaired = subprocess.run(["e2fsck", "-fy", partition], capture_output=True, check=False)
                expect(repaired.returncode in (0, 1), f"e2fsck: {repaired.stdout.decode()}")
            found = read_offline(partition, CONF, 0)
            expect(
                found in (old, new), f"{reader} would read neither the old nor the new file, but {found!r}"
            )
            seen[reader].append(found)
    copy.unlink()
    partition.unlink()
    for reader, files in seen.items():
        say(f"{reader}: the old file {files.count(old)} times, the new one {files.count(new)} times")
    power_off()
    power_on()
    say(f"root is on {root()}")


STEPS = (
    *(wrong_disks, impossible, interrupted, no_disk, power_cycle, pulled, rollback),
    *(broken_superblock, no_init, no_initrd, no_kernel, torn),
)


def main() -> int:
    """Run the step that is named and return the exit code."""
    steps = {step.__name__: step for step in STEPS}
    if sys.argv[1:2] == [] or sys.argv[1] not in steps:
        print(f"usage: twin.py STEP, which is one of {', '.join(steps)}", file=sys.stderr)
        return 2
    try:
        steps[sys.argv[1]]()
    except WrongError as wrong:
        print(f"twin: {sys.argv[1]}: {wrong}", file=sys.stderr)
        print(CONSOLE.read_text(errors="replace")[-3000:], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
