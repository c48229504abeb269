"""Boards: what is declared of them, their disks and QEMU's control, without a board that runs."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml

from lab import boards, declared, disks, fleet, images, network, paths, qemu
from lab.__main__ import missing
from lab.declared import Host, UsbDisk
from lab.identity import File
from tests.unit.lab.refusals import refused

BOARD = {"ansible_host": "10.77.1.14", "lab_kind": "board", "lab_image": "l4t-twin"}
DISK = UsbDisk("EB0001", 8)
# The fixture `folder` makes an SD card.
MAKES_DISKS = pytest.mark.needs("sfdisk", "mke2fs")


def host(**changed: object) -> Host:
    values: dict[str, object] = {
        "name": "Boromir",
        "address": IPv4Address("10.77.1.14"),
        "kind": "board",
        "image": "l4t-twin",
        "cpu": "cortex-a57",
        "cores": 2,
        "memory_mb": 1024,
        "usb_disks": (DISK,),
    }
    return Host(**{**values, **changed})  # type: ignore[arg-type]


def inventory(folder: Path, **variables: object) -> Path:
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"jetson": {"hosts": {"Boromir": {**BOARD, **variables}}}}))
    return path


def test_a_declared_board_has_its_usb_disks_and_a_jetsons_cpu(tmp_path: Path) -> None:
    entries = [{"serial": "EB0001", "size_mb": 3000}, {"serial": "EB0002"}]
    (board,) = declared.read(inventory(tmp_path, lab_usb_disks=entries))
    assert (board.kind, board.cpu) == ("board", "cortex-a57")
    assert board.usb_disks == (UsbDisk("EB0001", 3000), UsbDisk("EB0002", 4000))


@pytest.mark.parametrize(
    ("variables", "code", "named"),
    [
        ({"lab_usb_disks": "EB0001"}, "usb-disks-invalid", ["lab_usb_disks", "'EB0001'", "size_mb"]),
        ({"lab_usb_disks": ["EB0001"]}, "usb-disks-invalid", ["lab_usb_disks", "['EB0001']"]),
        ({"lab_usb_disks": [{"size_mb": 5}]}, "serial-invalid", ["lab_usb_disks", "''"]),
        ({"lab_usb_disks": [{"serial": "../disk"}]}, "serial-invalid", ["lab_usb_disks", "'../disk'"]),
        ({"lab_usb_disks": [{"serial": "A", "size_mb": "big"}]}, "number-invalid", ["size_mb", "'big'"]),
        ({"lab_usb_disks": [{"serial": "A"}, {"serial": "A"}]}, "serial-duplicate", ["lab_usb_disks"]),
        ({"lab_kind": "machine", "lab_usb_disks": [{"serial": "A"}]}, "board-required", ["machine"]),
    ],
)
def test_wrong_usb_disks_are_refused_by_name(
    tmp_path: Path, variables: dict[str, object], code: str, named: list[str]
) -> None:
    with refused(code, "Boromir: ", *named):
        declared.read(inventory(tmp_path, **variables))


def test_the_image_of_boards_is_a_recipe_for_boards() -> None:
    recipe = images.recipes()["l4t-twin"]
    assert isinstance(recipe, images.BoardRecipe)
    assert {"usb_storage", "sd_mod", "xhci_pci", "ext4"} <= set(recipe.initramfs_modules)
    others = [each for each in images.recipes().values() if each is not recipe]
    assert not any(isinstance(each, images.BoardRecipe) for each in others)


def test_a_board_needs_packages_that_other_hosts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.__main__.shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(Path, "exists", lambda _: False)
    assert {"qemu-system-arm", "u-boot-qemu", "qemu-user-static"} <= set(missing(["board"]))
    assert not {"qemu-system-arm", "u-boot-qemu"} & set(missing(["container", "machine"]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a board as `up` makes it, with an SD card that holds one file."""
    tree = tmp_path / "tree"
    (tree / "boot").mkdir(parents=True)
    (tree / "boot/extlinux.conf").write_text("DEFAULT primary\n")
    image = images.Image(tree, tmp_path / "disk.raw", tree, tree)
    disks.make_partitioned(tree, image.disk, 16, "APP")
    made = tmp_path / "Boromir"
    made.mkdir()
    boards.create(made, host(), image, [File("/boot/hostname", b"Boromir\n")])
    return made


def read(disk: Path, path: str) -> str:
    file_system = f"{disk}?offset={disks.PARTITION_OFFSET}"
    return subprocess.run(
        ["debugfs", "-R", f"cat {path}", file_system], check=True, capture_output=True, text=True
    ).stdout


@MAKES_DISKS
def test_a_board_has_an_sd_card_of_its_own_and_empty_usb_disks(folder: Path) -> None:
    assert read(folder / "sd.raw", "/boot/extlinux.conf") == "DEFAULT primary\n"
    assert read(folder / "sd.raw", "/boot/hostname") == "Boromir\n"
    table = subprocess.run(["sfdisk", "--json", folder / "sd.raw"], check=True, capture_output=True).stdout
    (partition,) = json.loads(table)["partitiontable"]["partitions"]
    assert partition["name"] == "APP"
    usb = (folder / "usb-EB0001.raw").stat()
    assert (usb.st_size, usb.st_blocks) == (8_000_000, 0)


def started(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    commands: list[str] = []

    def run(*command: str | Path) -> str:
        commands.append(" ".join(map(str, command)))
        (folder / "qemu.pid").write_text("1")
        return ""

    monkeypatch.setattr(qemu, "run", run)
    monkeypatch.setattr(network, "connect_tap", lambda host: host.link)
    boards.start(folder, host())
    return commands[0]


@MAKES_DISKS
def test_a_disk_that_was_pulled_is_not_there_at_the_next_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged = '"driver": "usb-storage"'
    assert plugged in started(monkeypatch, folder)
    boards.unplug(folder, DISK, running=False)
    assert plugged not in started(monkeypatch, folder)
    with refused("already-unplugged", "EB0001", "Boromir"):
        boards.unplug(folder, DISK, running=False)
    boards.plug(folder, DISK, running=False)
    assert plugged in started(monkeypatch, folder)
    with refused("already-plugged", "EB0001", "Boromir"):
        boards.plug(folder, DISK, running=False)


@MAKES_DISKS
def test_a_board_may_reboot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "-no-reboot" not in started(monkeypatch, folder)


@MAKES_DISKS
def test_disks_kept_come_back(folder: Path) -> None:
    boards.unplug(folder, DISK, running=False)
    boards.keep(folder, "before", running=False)
    boards.plug(folder, DISK, running=False)
    with (folder / "usb-EB0001.raw").open("r+b") as disk:
        disk.write(b"written later")
    boards.restore(folder, "before")
    with (folder / "usb-EB0001.raw").open("rb") as disk:
        assert disk.read(13) == bytes(13)
    assert json.loads((folder / "usb.json").read_text()) == {"EB0001": False}
    with refused("disks-unknown", "Boromir", "'after'", ": before"):
        boards.restore(folder, "after")


@pytest.fixture
def monitor(folder: Path) -> Iterator[list[dict[str, object]]]:
    """A QEMU that answers by QMP and notes what it was asked; it knows every command but `nonsense`."""
    asked: list[dict[str, object]] = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "qmp"))
    listening.listen()
    listening.settimeout(10)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as stream:
                stream.write('{"QMP": {}}\n')
                stream.flush()
                for line in stream:
                    asked.append(json.loads(line))
                    stream.write('{"event": "DEVICE_DELETED"}\n')
                    wrong = asked[-1]["execute"] == "nonsense"
                    stream.write('{"error": {"desc": "unknown"}}\n' if wrong else '{"return": {}}\n')
                    stream.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    yield asked
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@MAKES_DISKS
def test_a_running_board_is_told_of_its_disks(folder: Path, monitor: list[dict[str, object]]) -> None:
    boards.unplug(folder, DISK, running=True)
    boards.plug(folder, DISK, running=True)
    boards.keep(folder, "now", running=True)
    commands = [each["execute"] for each in monitor if each["execute"] != "qmp_capabilities"]
    assert commands == ["device_del", "device_add", "stop", "cont"]
    with refused("qemu-command-rejected", "nonsense: unknown"):
        qemu.control(folder, "nonsense")


@MAKES_DISKS
def test_only_boards_have_usb_disks_and_only_those_declared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "STATE", folder.parent.parent)
    board = host()
    lab = fleet.Lab(folder.parent.name, (board,))
    with refused("usb-disk-unknown", "'EB0002'", "lab_usb_disks", ": EB0001"):
        fleet.usb(lab, board, "EB0002", plugged=False)
    with refused("board-required", "Boromir", "container"):
        fleet.usb(lab, host(kind="container"), "EB0001", plugged=False)
    with refused("host-not-started", "Faramir", f"python -m lab up --name {lab.name}"):
        fleet.keep(lab, host(name="Faramir"), "now")
    monkeypatch.setattr(fleet, "is_running", lambda *_: True)
    with refused("host-running", f"python -m lab off --name {lab.name} Boromir"):
        fleet.restore(lab, board, "now")
