"""What a board does by itself when it boots from its USB disk: in the first file system, and after it.

The scripts run on folders that stand for the SD card and the disk. In the first file system there are the programs of
klibc only, so the script finds no others here.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.messages import codes

CONF = """# A comment
TIMEOUT 30
DEFAULT edgebench-usb

MENU TITLE L4T boot options

LABEL primary
      MENU LABEL primary kernel
      LINUX /boot/Image
      INITRD /boot/initrd
      APPEND ${cbootargs} quiet root=/dev/mmcblk0p1 rw rootwait \\o/ %s\x20

LABEL edgebench-usb
\tLINUX /boot/Image
\tINITRD /boot/initrd-edgebench-usb.img
\tAPPEND quiet root=PARTUUID=usb rw
"""
CMDLINE = (
    "console=ttyS0 root=/dev/mmcblk0p1 quiet rootfstype=ext4 root=PARTUUID=usb panic=10 edgebench.trial=primary "
    "edgebench.sd=PARTUUID=sd edgebench.wait=3\n"
)
# Of klibc-utils. `sleep` only notes how long, the others of `FAKES` note that they were called.
PROGRAMS = ("cat", "ls", "mkdir", "mv", "sync")
MOUNT = """#!/bin/sh
for last; do :; done
for word; do device=$at; at=$word; done
[ -d "$device/" ] || exit 32
echo "mount $*" >> "$CALLS"
[ ! -e "$device/broken" ] || exit 32
/bin/rmdir "$last" && /bin/ln -s "$(/bin/readlink -f "$device")" "$last"
"""
UMOUNT = '#!/bin/sh\necho "umount $1" >> "$CALLS"; /bin/rm "$1" && /bin/mkdir "$1"\n'
NOTE = '#!/bin/sh\necho "{name} $*" >> "$CALLS"\n'


class Board:
    """A board in its first file system."""

    def __init__(self, top: Path, files: Path, shell: list[str]) -> None:
        self.top, self.shell = top, shell
        self.calls = top / "calls"
        self.calls.touch()
        for folder in ("proc/sys/kernel/random", "dev/disk/by-partuuid", "scripts/init-premount", "bin"):
            (top / folder).mkdir(parents=True)
        (top / "proc/cmdline").write_text(CMDLINE)
        (top / "proc/sys/kernel/random/boot_id").write_text("4f1d\n")
        shutil.copy(files / "scripts/edgebench-default", top / "scripts")
        shutil.copy(files / "scripts/init-premount/edgebench", top / "scripts/init-premount")
        self.sd, self.usb = top / "sd", top / "usb"
        (self.sd / "boot/extlinux").mkdir(parents=True)
        self.conf = self.sd / "boot/extlinux/extlinux.conf"
        self.conf.write_text(CONF)
        self.notes = self.sd / "boot/edgebench"
        (self.usb / "usr/lib/systemd").mkdir(parents=True)
        (self.usb / "usr/lib/systemd/systemd").touch(0o755)
        (self.usb / "etc").mkdir()
        (self.usb / "etc/fstab").touch()
        self.plug("sd")
        self.plug("usb")
        for name in PROGRAMS:
            os.symlink(shutil.which(name) or "", top / "bin" / name)
        for name, text in {"mount": MOUNT, "umount": UMOUNT}.items():
            self.program(name, text)
        for name in ("sleep", "dmesg", "reboot"):
            self.program(name, NOTE.format(name=name))

    def program(self, name: str, text: str) -> None:
        (self.top / "bin" / name).write_text(text)
        (self.top / "bin" / name).chmod(0o755)

    def plug(self, name: str) -> None:
        (self.top / "dev/disk/by-partuuid" / name).symlink_to(self.top / name)

    def pull(self, name: str) -> None:
        (self.top / "dev/disk/by-partuuid" / name).unlink()

    def boot(self) -> str:
        """Run the script; return `root` where it lets the root file system be mounted, `reboot` where not."""
        self.calls.write_text("")
        ended = subprocess.run(
            [*self.shell, str(self.top / "scripts/init-premount/edgebench")],
            env={
                "PATH": str(self.top / "bin"),
                "EDGEBENCH_TEST_ROOT": str(self.top),
                "CALLS": str(self.calls),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        # A program that the first file system does not have would be complained of.
        assert "not found" not in ended.stderr, ended.stderr
        for name in ("edgebench-sd", "edgebench-root"):
            assert not (self.top / name).is_symlink(), f"{name} is still mounted"
        rebooted = "reboot -f" in self.calls.read_text()
        assert rebooted == (ended.returncode != 0)
        return "reboot" if rebooted else "root"

    @property
    def default(self) -> str:
        return self.conf.read_text().split("DEFAULT ")[1].split("\n")[0]

    @property
    def log(self) -> str:
        return (self.notes / "log").read_text() if (self.notes / "log").exists() else ""


def shells() -> list[list[str]]:
    found = [["/bin/dash"], ["/bin/busybox", "sh"], ["/usr/lib/klibc/bin/sh"], ["/bin/bash", "--posix"]]
    return [words for words in found if Path(words[0]).exists()]


@pytest.fixture(params=shells(), ids=lambda words: "_".join(words).replace("/", ""))
def board(root: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Board:
    return Board(tmp_path, root / "roles/jetson_usb_root/files/initramfs", request.param)


def test_on_trial_the_next_boot_is_the_sd_cards_before_root_is_searched(board: Board) -> None:
    board.program(
        "mount",
        MOUNT.replace(
            "[ -d", f'case "$device" in *usb) /bin/cp {board.conf} {board.top}/seen ;; esac\n[ -d', 1
        ),
    )
    assert board.boot() == "root"
    assert board.default == "primary"
    assert "DEFAULT primary" in (board.top / "seen").read_text()
    # Nothing else is changed, not a byte.
    assert board.conf.read_text() == CONF.replace("DEFAULT edgebench-usb", "DEFAULT primary")
    assert codes(board.log) == ["usb-boot-on-trial"]
    assert "PARTUUID=usb" in board.log
    assert "primary" in board.log
    assert sorted(path.name for path in board.conf.parent.iterdir()) == ["extlinux.conf"]


def test_without_the_marker_nothing_is_touched(board: Board) -> None:
    (board.top / "proc/cmdline").write_text("root=/dev/mmcblk0p1 quiet\n")
    assert board.boot() == "root"
    assert board.conf.read_text() == CONF
    assert board.calls.read_text() == ""


@pytest.mark.parametrize("tries", [None, "0", "", "garbage", "1"])
def test_a_disk_that_is_missing_sends_the_board_back_at_once(board: Board, tries: str | None) -> None:
    if tries is not None:
        board.notes.mkdir()
        (board.notes / "tries").write_text(tries)
    board.pull("usb")
    assert board.boot() == "reboot"
    assert board.default == "primary"
    assert codes(board.log)[-1] == "root-missing"
    assert "PARTUUID=usb" in board.log
    assert " 3 s" in board.log
    assert board.calls.read_text().count("sleep 1\n") == 3
    assert (board.notes / "kernel.log").exists()


def test_a_confirmed_boot_has_its_attempts_and_then_it_is_the_sd_cards_turn(board: Board) -> None:
    board.notes.mkdir()
    (board.notes / "tries").write_text("1\n")
    assert board.boot() == "root"
    assert (board.default, (board.notes / "tries").read_text()) == ("edgebench-usb", "0\n")
    # Nobody said that it was good.
    assert board.boot() == "root"
    assert board.default == "primary"


@pytest.mark.parametrize("damage", ["broken", "no systemd", "no fstab"])
def test_a_root_that_cannot_be_started_sends_the_board_back(board: Board, damage: str) -> None:
    if damage == "broken":
        (board.usb / "broken").touch()
    elif damage == "no systemd":
        (board.usb / "usr/lib/systemd/systemd").unlink()
    else:
        (board.usb / "etc/fstab").unlink()
    assert board.boot() == "reboot"
    assert board.default == "primary"
    assert codes(board.log)[-1] == ("root-not-mounted" if damage == "broken" else "root-not-bootable")
    assert "PARTUUID=usb" in board.log


def test_an_sd_card_that_cannot_be_written_to_does_not_keep_the_board_from_booting(board: Board) -> None:
    board.pull("sd")
    assert board.boot() == "root"
    assert board.default == "edgebench-usb"
    told = (board.top / "dev/kmsg").read_text()
    assert codes(told) == ["sd-card-not-mounted"]
    assert "PARTUUID=sd" in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default  edgebench-usb  \nLABEL primary\n", "DEFAULT primary\nLABEL primary\n"),
        ("  DEFAULT\tedgebench-usb\nLABEL primary", "DEFAULT primary\nLABEL primary\n"),
        ("DEFAULT a\nDEFAULT edgebench-usb\n", "DEFAULT primary\nDEFAULT primary\n"),
        ("LABEL edgebench-usb\nMENU DEFAULT\n", "DEFAULT primary\nLABEL edgebench-usb\nMENU DEFAULT\n"),
        ("DEFAULT edgebench-usb\nONTIMEOUT edgebench-usb\n", "DEFAULT primary\nONTIMEOUT primary\n"),
        ("ontimeout\tedgebench-usb\nLABEL x\n", "ONTIMEOUT primary\nLABEL x\n"),
        ("DEFAULT primary \nLABEL x \n", "DEFAULT primary\nLABEL x \n"),
        ("#DEFAULT x\nDEFAULTY y\nDEFAULT u\n", "#DEFAULT x\nDEFAULTY y\nDEFAULT primary\n"),
        ("DEFAULT primary\n", "DEFAULT primary\n"),
    ],
)
def test_default_is_set_however_it_is_written(board: Board, text: str, expected: str) -> None:
    board.conf.write_text(text)
    board.boot()
    assert board.conf.read_text() == expected


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("My%20CAN%20Controller", "My CAN Controller"),
        ("100%25", "100%"),
        ("primary%20", "primary "),
        ("Gr%C3%B6%C3%9Fe", "Größe"),
        ("%2A%3F%20%5Ba%5D", "*? [a]"),
        ("it%27s%20%24HOME%20%22%5Cn", "it's $HOME \"\\n"),
        ("100%", "100%"),
    ],
)
def test_a_label_with_blanks_is_fallen_back_to(board: Board, word: str, name: str) -> None:
    """The command line holds words without blanks, the file the name."""
    (board.top / "proc/cmdline").write_text(CMDLINE.replace("trial=primary", f"trial={word}"))
    assert board.boot() == "root"
    assert board.default == name
    board.pull("usb")
    assert board.boot() == "reboot"
    assert board.default == name
    # The shells' `echo` reads backslashes.
    assert name.split("\\")[0] in board.log


class Host:
    """A board whose system is up: edgebench-usb-root on folders, with fakes of the system's programs."""

    def __init__(self, top: Path, files: Path) -> None:
        self.top, self.script = top, files / "edgebench-usb-root"
        for folder in ("proc/sys/kernel/random", "boot/extlinux", "boot/edgebench", "etc", "run", "bin"):
            (top / folder).mkdir(parents=True)
        (top / "proc/sys/kernel/random/boot_id").write_text("4f1d\n")
        (top / "boot/extlinux/extlinux.conf").write_text(
            CONF.replace("DEFAULT edgebench-usb", "DEFAULT primary")
        )
        library = top / "usr/local/lib/edgebench-usb-root/initramfs"
        shutil.copytree(files / "initramfs", library)
        (top / "etc/edgebench-usb-root.conf").write_text(
            f"usb_label=edgebench-usb\nsd_label=primary\nroot=PARTUUID=usb\ntries=1\ntrial_s=10\nreached_s=60\nPATH={top}/bin:$PATH\n"
        )
        self.notes = top / "boot/edgebench"
        (self.notes / "log").touch()
        self.calls = top / "calls"
        self.calls.touch()
        # is-enabled and is-active are asked of the SSH server.
        self.program("systemctl", f'echo "systemctl $*" >> {self.calls}; test ! -e {top}/$1-fails')
        for name in ("mountpoint", "sleep", "journalctl", "python3"):
            self.program(name, f'echo "{name} $*" >> {self.calls}')
        self.on_usb(True)

    def program(self, name: str, text: str) -> None:
        (self.top / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.top / "bin" / name).chmod(0o755)

    def on_usb(self, usb: bool) -> None:
        (self.top / "proc/cmdline").write_text(CMDLINE if usb else "root=/dev/mmcblk0p1\n")

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", str(self.script), *words],
            env={"EDGEBENCH_TEST_ROOT": str(self.top)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def default(self) -> str:
        return (self.top / "boot/extlinux/extlinux.conf").read_text().split("DEFAULT ")[1].split("\n")[0]


@pytest.fixture
def host(root: Path, tmp_path: Path) -> Host:
    return Host(tmp_path, root / "roles/jetson_usb_root/files")


def test_a_good_boot_makes_the_next_one_the_usb_disks(host: Host) -> None:
    (host.notes / "confirmed").write_text("PARTUUID=usb\n")
    (host.notes / "tries").write_text("0\n")
    assert host.call("watch").returncode == 0
    assert host.default == "edgebench-usb"
    assert (host.notes / "tries").read_text() == "1\n"


def test_a_boot_without_ssh_is_no_good_one(host: Host) -> None:
    (host.notes / "confirmed").write_text("PARTUUID=usb\n")
    (host.top / "is-active-fails").touch()
    told = host.call("watch")
    assert told.returncode == 1
    assert codes(told.stderr) == ["ssh-not-running"]
    assert "ssh.service" in told.stderr
    assert host.default == "primary"


def test_a_trial_that_nobody_confirms_ends_on_the_sd_card(host: Host) -> None:
    assert host.call("watch").returncode == 1
    assert host.calls.read_text().count("sleep 5") == 2
    assert "systemctl reboot" in host.calls.read_text()
    assert host.default == "primary"
    log = (host.notes / "log").read_text()
    assert codes(log) == ["boot-not-confirmed"]
    assert "10 s" in log


def test_a_board_that_the_play_has_reached_waits_longer_for_it(host: Host) -> None:
    assert host.call("reached").returncode == 0
    assert host.call("watch").returncode == 1
    assert host.calls.read_text().count("sleep 5") == 12
    log = (host.notes / "log").read_text()
    assert codes(log) == ["boot-not-confirmed"]
    assert "60 s" in log


def test_a_boot_without_home_is_no_good_one(host: Host) -> None:
    (host.notes / "confirmed").write_text("PARTUUID=usb\n")
    host.program("mountpoint", 'test "$2" != /home')
    told = host.call("watch")
    assert told.returncode == 1
    assert codes(told.stderr) == ["home-not-mounted"]
    assert host.default == "primary"
    assert host.calls.read_text().count("sleep 5") == 60


def test_a_home_that_comes_late_is_waited_for(host: Host) -> None:
    (host.notes / "confirmed").write_text("PARTUUID=usb\n")
    host.program("mountpoint", f'test "$2" != /home || test -e {host.top}/came')
    host.program("sleep", f"touch {host.top}/came")
    assert host.call("watch").returncode == 0
    assert host.default == "edgebench-usb"


def test_a_trial_that_is_confirmed_waits_no_longer_and_leaves_the_default_to_the_play(host: Host) -> None:
    host.program("sleep", f"echo PARTUUID=usb > {host.notes}/confirmed")
    assert host.call("watch").returncode == 0
    assert "reboot" not in host.calls.read_text()
    assert host.default == "primary"


def test_a_board_that_fell_back_says_so_and_how_to_go_on(host: Host) -> None:
    host.on_usb(False)
    assert host.call("watch").returncode == 0
    (host.notes / "used").write_text("PARTUUID=usb\n")
    (host.notes / "log").write_text("4f1d PARTUUID=usb did not appear [root-missing]\n")
    told = host.call("watch")
    assert told.returncode == 1
    for text in (told.stderr, (host.top / "run/edgebench-usb-root.fallback").read_text()):
        assert codes(text) == ["fell-back", "root-missing"]
        assert "sudo edgebench-usb-root again" in text
    assert host.default == "primary"


def test_a_copy_that_ends_while_it_is_asked_for_is_not_gone(host: Host) -> None:
    run = host.top / "run/edgebench-usb-root"
    run.mkdir()
    host.program("systemctl", f"echo 0 > {run}/copy.exit; exit 3")
    assert host.call("copy-poll").stdout == "exit-0\n"


def test_a_copy_that_was_killed_is_gone(host: Host) -> None:
    host.program("systemctl", "exit 3")
    assert host.call("copy-poll").stdout == "gone\n"


def test_again_tries_the_usb_disk_once_more(host: Host) -> None:
    host.on_usb(False)
    refused = host.call("again")
    assert refused.returncode == 1
    assert codes(refused.stderr) == ["usb-not-confirmed"]
    assert host.default == "primary"
    (host.notes / "used").write_text("PARTUUID=usb\n")
    assert host.call("again").returncode == 0
    assert (host.default, (host.notes / "tries").read_text()) == ("edgebench-usb", "0\n")


def test_a_trial_begins_only_with_a_copy_that_was_verified(host: Host) -> None:
    host.on_usb(False)
    assert codes(host.call("trial").stderr) == ["copy-not-verified"]
    (host.notes / "verified").touch()
    (host.notes / "confirmed").touch()
    (host.notes / "used").touch()
    assert host.call("trial").returncode == 0
    # However the trial ends, nothing is copied over what was in use.
    assert (host.notes / "used").exists()
    assert (host.notes / "tries").read_text() == "0\n"
    assert not (host.notes / "confirmed").exists()


def test_the_sd_cards_system_cannot_confirm(host: Host) -> None:
    host.on_usb(False)
    refused = host.call("confirm")
    assert refused.returncode == 1
    assert codes(refused.stderr) == ["not-on-usb"]
    assert not (host.notes / "confirmed").exists()
    host.on_usb(True)
    assert host.call("confirm").returncode == 0
    assert (host.notes / "confirmed").read_text() == "PARTUUID=usb\n"
    assert (host.notes / "used").read_text() == "PARTUUID=usb\n"


def test_emergency_mode_starts_anew_on_the_usb_disk_only(host: Host) -> None:
    host.program("reboot", f'echo "reboot $*" >> {host.calls}')
    host.on_usb(False)
    host.call("emergency")
    assert "reboot" not in host.calls.read_text()
    host.on_usb(True)
    host.call("emergency")
    assert "reboot -f" in host.calls.read_text()


def test_what_failed_on_the_sd_card_too_is_no_fault_of_the_usb_disk(host: Host) -> None:
    (host.notes / "failed_before").write_text("old.service\n")
    host.program(
        "systemctl",
        "case $1 in is-system-running) echo degraded; exit 1 ;; esac\n"
        'printf "%s loaded failed\\n" old.service new.mount',
    )
    host.program("mountpoint", 'test "$2" != /home')
    assert host.call("health").stdout.splitlines() == ["degraded", "new.mount", "/home.mount"]
    host.program("systemctl", "case $1 in is-system-running) echo running ;; esac")
    host.program("mountpoint", "true")
    assert host.call("health").stdout.splitlines() == ["running"]
