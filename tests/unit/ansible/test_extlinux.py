"""The module extlinux as hosts run it, on old Pythons and new ones; killed at every step, and without power."""

import fcntl
import itertools
import json
import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest
import yaml

from tests import ansible_core, needs
from tests.messages import codes

HERE = Path(__file__).resolve().parent
L4T = (HERE / "extlinux/l4t_32_7.conf").read_bytes()
STEPPING = HERE / "extlinux/stepping.py"

USB: dict[str, Any] = {
    "label": "usb",
    "menu_label": "root on USB",
    "copy_from": "primary",
    "initrd": "/boot/initrd-xusb.img",
    "append_remove": ["rootwait"],
    "append_set": {"root": "PARTUUID=1-2", "rootdelay": 15, "panic": 10, "nomodeset": None},
}
USB_LINES = """
LABEL usb
      MENU LABEL root on USB
      LINUX /boot/Image
      INITRD /boot/initrd-xusb.img
      APPEND ${cbootargs} quiet root=PARTUUID=1-2 rw rootfstype=ext4 console=ttyS0,115200n8 console=tty0 \
fbcon=map:0 net.ifnames=0 nomodeset panic=10 rootdelay=15
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a host gets of Ansible, the project's own part included, importable by old Pythons."""
    made = tmp_path_factory.mktemp("library")
    ansible_core.make_library(made)
    return made


class Board:
    """A folder with a board's boot files, and the module run on it."""

    def __init__(self, top: Path, python: Path | str, library: Path, module: Path) -> None:
        self.top, self.python, self.library, self.module = top, python, library, module
        self.folder = top / "boot/extlinux"
        self.folder.mkdir(parents=True)
        self.conf = self.folder / "extlinux.conf"
        self.conf.write_bytes(L4T)
        for name in ("Image", "initrd", "initrd-xusb.img"):
            (top / "boot" / name).write_text(name)

    def command(self, options: dict[str, Any], *, check: bool = False) -> list[str]:
        self.arguments = self.top / "arguments.json"
        own = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": str(self.top)}
        options = {"path": str(self.conf), "boot_root": str(self.top)} | options | own
        self.arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        return [str(self.python), "-B", str(self.module), str(self.arguments)]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.library), "PATH": os.environ["PATH"], "HOME": str(self.top)}

    def run(self, *, check: bool = False, limit: int | None = None, **options: Any) -> dict[str, Any]:
        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        done = subprocess.run(
            self.command(options, check=check),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            preexec_fn=limited,
        )
        assert done.stderr == ""
        answer: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (1 if answer.get("failed") else 0)
        return answer

    def step(self, how: str, which: int | Path, **options: Any) -> int:
        """Run the module with every step watched; return the exit status."""
        command = self.command(options)
        command[2:3] = [str(STEPPING), str(self.module)]
        done = subprocess.run(
            [*command, str(self.folder), how, str(which)],
            env=self.environment(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        return done.returncode

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture(
    params=[
        pytest.param(each, marks=pytest.mark.needs(f"python{each}")) if each else pytest.param(each, id="own")
        for each in (*ansible_core.OLDEST_PYTHONS, None)
    ]
)
def board(request: pytest.FixtureRequest, tmp_path: Path, library: Path, root: Path) -> Board:
    """A board whose Python is each of these in turn: the oldest ones, and the one that runs the tests."""
    python = str(needs.interpreter(request.param)) if request.param else sys.executable
    return Board(tmp_path, python, library, root / "plugins/modules/extlinux.py")


@pytest.fixture
def own_board(tmp_path: Path, library: Path, root: Path) -> Board:
    """A board with the Python of the tests."""
    return Board(tmp_path, sys.executable, library, root / "plugins/modules/extlinux.py")


def test_the_file_is_read(board: Board) -> None:
    answer = board.run(state="read")
    assert answer["changed"] is False
    assert answer["default"] == "primary"
    assert answer["timeout"] == 30
    assert answer["order"] == ["primary"]
    assert answer["labels"]["primary"]["root"] == "/dev/mmcblk0p1"
    assert answer["problems"] == []
    assert board.conf.read_bytes() == L4T


def test_a_label_is_added_made_the_default_and_removed_again(board: Board) -> None:
    foreseen = board.run(check=True, **USB)
    assert foreseen["changed"] is True
    assert board.conf.read_bytes() == L4T
    assert board.files() == ["extlinux.conf"]
    added = board.run(**USB)
    assert added["diff"] == foreseen["diff"]
    assert added["diff"]["before"].encode() == L4T
    new = board.conf.read_bytes()
    assert added["diff"]["after"].encode() == new
    assert new.replace(USB_LINES.encode(), b"", 1) == L4T
    assert added["default"] == "primary"
    assert added["order"] == ["primary", "usb"]
    assert added["labels"]["usb"]["root"] == "PARTUUID=1-2"
    # Twice changes nothing, in check mode neither.
    assert board.run(**USB)["changed"] is False
    assert board.run(check=True, **USB)["changed"] is False
    assert board.conf.read_bytes() == new
    chosen = board.run(default="usb")
    assert (chosen["changed"], chosen["default"]) == (True, "usb")
    assert board.conf.read_bytes() == new.replace(b"DEFAULT primary", b"DEFAULT usb")
    assert board.run(default="usb")["changed"] is False
    gone = board.run(label="usb", state="absent", default="primary")
    assert (gone["changed"], gone["order"]) == (True, ["primary"])
    assert board.conf.read_bytes() == L4T
    assert board.run(label="usb", state="absent", default="primary")["changed"] is False


def test_a_backup_is_kept_beside_it(own_board: Board) -> None:
    answer = own_board.run(backup=True, timeout=50)
    assert Path(answer["backup_file"]).read_bytes() == L4T
    assert Path(answer["backup_file"]).parent == own_board.folder
    assert "backup_file" not in own_board.run(backup=True, timeout=50)
    again = own_board.run(backup=True, timeout=60)
    assert again["backup_file"] != answer["backup_file"]
    assert len(own_board.files()) == 3
    assert "backup_file" not in own_board.run(backup=True, timeout=70, check=True)


def test_owner_mode_and_link_stay(board: Board) -> None:
    board.conf.chmod(0o640)
    if os.getuid() == 0:
        os.chown(board.conf, 12, 34)
    old = board.conf.stat()
    link = board.top / "boot/link.conf"
    link.symlink_to("extlinux/extlinux.conf")
    answer = board.run(path=str(link), timeout=50)
    assert answer["path"] == str(board.conf)
    new = board.conf.stat()
    assert new.st_ino != old.st_ino
    assert (new.st_mode, new.st_uid, new.st_gid) == (old.st_mode, old.st_uid, old.st_gid)
    assert link.is_symlink()
    assert b"TIMEOUT 50\n" in board.conf.read_bytes()


def test_a_word_with_several_values(own_board: Board) -> None:
    answer = own_board.run(
        label="primary", append_set={"console": ["tty0", "ttyS1"], "quiet": True}, append_remove=["fbcon"]
    )
    assert answer["labels"]["primary"]["append"] == (
        "${cbootargs} quiet root=/dev/mmcblk0p1 rw rootwait rootfstype=ext4 "  # not prose
        "console=tty0 console=ttyS1 net.ifnames=0 "
    )


def test_a_copy_follows_its_source(own_board: Board) -> None:
    (own_board.top / "boot/a.dtb").write_text("x")
    own_board.run(**USB)
    own_board.run(label="primary", append_set={"mem": "2G"}, fdt="/boot/a.dtb")
    answer = own_board.run(**USB)
    assert answer["changed"] is True
    assert " mem=2G " in answer["labels"]["usb"]["append"]
    assert answer["labels"]["usb"]["fdt"] == "/boot/a.dtb"
    own_board.run(label="primary", fdt="")
    assert "fdt" not in own_board.run(**USB)["labels"]["usb"]


@pytest.mark.parametrize("option", [{}, {"append_set": {"quiet": None}}, {"append_remove": ["fbcon"]}])
@pytest.mark.parametrize(
    "data",
    [
        L4T,
        L4T.replace(b"net.ifnames=0 \n", b"net.ifnames=0 \t \n"),
        L4T.replace(b"primary kernel\n", b"primary kernel  \n").replace(b"TIMEOUT 30\n", b"TIMEOUT 30 \n"),
        re.sub(rb"(?m)^ +(?=[A-Z])", b"\t", L4T),
    ],
)
def test_blanks_in_the_file_are_no_reason_to_refuse(
    own_board: Board, data: bytes, option: dict[str, Any]
) -> None:
    """NVIDIA's own file ends its APPEND with a blank."""
    own_board.conf.write_bytes(data)
    options: dict[str, Any] = {"label": "usb", "copy_from": "primary", **option}
    assert own_board.run(check=True, **options)["changed"] is True
    added = own_board.run(**options)
    new = own_board.conf.read_bytes()
    left, _, right = new.partition(b"LABEL usb\n")
    assert left + right.partition(b"\n\n")[2] == data
    assert not re.search(rb"[ \t]$", right.partition(b"\n\n")[0], re.MULTILINE)
    assert added["labels"]["usb"]["root"] == "/dev/mmcblk0p1"
    assert own_board.run(**options)["changed"] is False
    # And the label itself can be edited.
    assert own_board.run(label="primary", append_set={"mem": "2G"})["changed"] is True
    assert own_board.run(label="primary", append_set={"mem": "2G"})["changed"] is False


def test_a_default_that_only_ends_with_a_blank_is_a_warning(own_board: Board) -> None:
    """U-Boot finds no such label and boots the first one, which is the one that is meant."""
    own_board.conf.write_bytes(L4T.replace(b"DEFAULT primary\n", b"DEFAULT primary \n"))
    answer = own_board.run(**USB)
    assert (answer["changed"], answer["default"]) == (True, "primary")
    assert [codes(str(each)) for each in answer["warnings"]] == [["label-unknown"]]
    assert own_board.run(default="usb")["default"] == "usb"
    assert own_board.run(default="primary")["default"] == "primary"
    assert b"\nDEFAULT primary\n" in own_board.conf.read_bytes()


@pytest.mark.parametrize("name", ["My CAN Controller", "Tier 4 <ISX021> overlay", "a # b", " x".strip()])
def test_labels_with_blanks(own_board: Board, name: str) -> None:
    data = L4T.replace(b"DEFAULT primary", b"DEFAULT " + name.encode()).replace(
        b"LABEL primary", b"LABEL " + name.encode()
    )
    own_board.conf.write_bytes(data)
    answer = own_board.run(**USB | {"copy_from": name})
    assert (answer["changed"], answer["default"], answer["order"]) == (True, name, [name, "usb"])
    assert own_board.run(default="usb")["default"] == "usb"
    assert own_board.run(default=name, label="usb", state="absent")["order"] == [name]
    assert own_board.conf.read_bytes() == data


OVERLAYS = L4T.replace(
    b"      INITRD", b"      FDT /boot/a.dtb\n      OVERLAYS /boot/a.dtbo,/boot/b.dtbo\n      INITRD"
)


def test_overlays_are_kept_copied_and_looked_for(own_board: Board) -> None:
    own_board.conf.write_bytes(OVERLAYS.replace(b"TIMEOUT 30", b"TIMEOUT 0"))
    for name in ("a.dtb", "a.dtbo"):
        (own_board.top / "boot" / name).write_text(name)
    refused = own_board.run(**USB)["msg"]
    assert codes(refused) == ["boot-file-missing"] * 2
    assert "OVERLAYS '/boot/b.dtbo'" in refused
    (own_board.top / "boot/b.dtbo").write_text("x")
    answer = own_board.run(**USB)
    assert (answer["loader"], answer["problems"]) == ("l4tlauncher", [])
    assert answer["labels"]["usb"]["overlays"] == "/boot/a.dtbo,/boot/b.dtbo"
    assert own_board.run(**USB)["changed"] is False
    # U-Boot would end the label there.
    assert "keyword-unreachable" in codes(own_board.run(loader="u-boot", timeout=50)["msg"])
    own_board.conf.write_bytes(L4T.replace(b"TIMEOUT 30", b"TIMEOUT 0"))
    assert codes(own_board.run(**USB)["msg"]) == ["menu-waits-forever"]
    assert "loader: l4tlauncher" in own_board.run(**USB)["msg"]
    assert own_board.run(loader="l4tlauncher", **USB)["changed"] is True


@pytest.mark.parametrize(
    ("release", "loader"),
    [
        ("# R32 (release), REVISION: 7.1, GCID: 27863751", "u-boot"),
        ("# R34 (release), REVISION: 1.1, GCID: 1", "l4tlauncher"),
        ("# R36 (release), REVISION: 4.4, GCID: 1", "l4tlauncher"),
        ("", "l4tlauncher"),
        (None, "l4tlauncher"),
    ],
)
def test_the_boards_own_release_says_which_loader_reads_its_file(
    plugin: Callable[[str], ModuleType],
    library: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    release: str | None,
    loader: str,
) -> None:
    module = plugin("modules/extlinux")
    monkeypatch.setattr(module, "RELEASE", str(tmp_path / "release"))
    if release is not None:
        (tmp_path / "release").write_text(release)
    assert module.loader(OVERLAYS, {"loader": "auto", "boot_root": "/"}) == loader
    # A card in a reader is another system's.
    assert module.loader(OVERLAYS, {"loader": "auto", "boot_root": "/media/sd"}) == "l4tlauncher"
    assert module.loader(L4T, {"loader": "auto", "boot_root": "/media/sd"}) == "u-boot"
    assert module.loader(L4T, {"loader": "l4tlauncher", "boot_root": "/"}) == "l4tlauncher"


@pytest.mark.needs("cases")
def test_the_cases_from_the_field(own_board: Board) -> None:
    cases = needs.cases_folder()
    for name in (
        "extlinux-trailing-blank/extlinux.conf",
        "extlinux-label-with-blank/extlinux.conf",
        "extlinux-overlays/orin_overlay_after_fdt.conf",
        "extlinux-overlays/orin_overlay_last.conf",
    ):
        data = (cases / name).read_bytes()
        own_board.conf.write_bytes(data)
        for file in re.findall(rb"(/boot/\S+)", data):
            place = own_board.top / file.decode().lstrip("/")
            place.parent.mkdir(exist_ok=True)
            place.write_text("x")
        source = own_board.run(state="read")["default"]
        added = own_board.run(**USB | {"copy_from": source})
        assert added["changed"] is True, added["msg"]
        old, new = data.splitlines(), own_board.conf.read_bytes().splitlines()
        start = new.index(b"LABEL usb")
        end = start + len(new) - len(old) - 1
        assert new[: start - 1] + new[end:] == old
        assert own_board.run(label="usb", state="absent")["changed"] is True
        assert own_board.conf.read_bytes() == data
    own_board.conf.write_bytes((cases / "extlinux-overlays/orin_timeout0.conf").read_bytes())
    assert own_board.run(loader="l4tlauncher", **USB)["changed"] is True


# Options, the code of the refusal, and words of its message.
REFUSED: list[tuple[dict[str, Any], str, list[str]]] = [
    (
        USB | {"linux": "/boot/Imgae"},
        "boot-file-missing",
        ["line 14 (new)", "LINUX '/boot/Imgae'", "label 'usb'"],
    ),
    (USB | {"initrd": "/boot/none"}, "boot-file-missing", ["INITRD '/boot/none'", "label 'usb'"]),
    (USB | {"fdt": "/boot/none"}, "boot-file-missing", ["FDT '/boot/none'", "label 'usb'"]),
    (USB | {"linux": "/boot"}, "boot-file-not-regular", ["LINUX '/boot'", "label 'usb'"]),
    (USB | {"linux": "/boot/empty"}, "boot-file-empty", ["LINUX '/boot/empty'", "label 'usb'"]),
    (
        USB | {"append": "root=/dev/sda1 root=/dev/sdb1", "append_set": {}},
        "root-duplicate",
        ["'root=/dev/sda1'", "'root=/dev/sdb1'"],
    ),
    (USB | {"append": "quiet", "append_set": {}}, "root-not-set", ["label 'usb'", "root="]),
    (
        USB | {"append": "root=/dev/sda1 ${cbootargs}", "append_set": {}},
        "root-before-variable",
        ["'root=/dev/sda1'", "'${cbootargs}'"],
    ),
    (USB | {"copy_from": "secondary"}, "label-unknown", ["copy_from", "'secondary'", "'primary'"]),
    ({"label": "new"}, "kernel-not-set", ["label 'new'", "linux", "copy_from"]),
    ({"label": "primary", "linux": ""}, "kernel-not-set", ["label 'primary'"]),
    ({"default": "usb"}, "label-unknown", ["DEFAULT", "'usb'", "'primary'"]),
    ({"default": "Primary"}, "label-unknown", ["DEFAULT", "'Primary'", "'primary'?"]),
    ({"label": "primary", "state": "absent"}, "label-is-default", ["label 'primary'"]),
    (
        {"label": "primary", "state": "absent", "default": "primary"},
        "label-is-default",
        ["label 'primary'"],
    ),
    ({"label": "usb", "state": "absent", "linux": "/x"}, "option-not-applicable", ["state absent", "linux"]),
    ({"state": "absent"}, "label-required", ["state absent"]),
    ({"state": "read", "timeout": 5}, "option-not-applicable", ["state read", "timeout"]),
    ({}, "options-missing", ["label", "default", "timeout"]),
    ({"linux": "/boot/Image"}, "label-required", ["linux"]),
    ({"timeout": 5}, "menu-waits-forever", ["line 1 (new)", "'5'", "10"]),
    ({"timeout": -1}, "timeout-out-of-range", ["-1", "35996"]),
    (
        {"label": "primary", "menu_label": "a\nDEFAULT b"},
        "value-control-character",
        ["menu_label: 'a\\x0aDEFAULT b'"],
    ),
    ({"label": "a\nb", "linux": "/boot/Image"}, "value-control-character", ["label: 'a\\x0ab'"]),
    ({"label": "primary", "append_set": {"a": "b c"}}, "word-invalid", ["APPEND: 'a=b c'"]),
    ({"label": "primary", "append_set": {"a": "b\nc"}}, "value-control-character", ["append: 'a=b\\x0ac'"]),
    (USB | {"initrd": "/boot/initrd "}, "value-outer-blank", ["initrd: '/boot/initrd '"]),
    (USB | {"append": "quiet ", "append_set": {}}, "value-outer-blank", ["append: 'quiet '"]),
    (USB | {"append": " quiet"}, "value-outer-blank", ["append: ' quiet'"]),
    ({"label": "primary", "menu_label": "x "}, "value-outer-blank", ["menu_label: 'x '"]),
    ({"label": "new ", "copy_from": "primary"}, "value-outer-blank", ["label: 'new '"]),
    (
        {"label": "primary", "append_set": {"a": False}},
        "append-value-invalid",
        ["append_set: 'a'", "False", "append_remove"],
    ),
    (
        {"label": "primary", "append_set": {"a": []}},
        "append-value-empty",
        ["append_set: 'a'", "append_remove"],
    ),
    ({"label": "primary", "append_set": {"root=a": None}}, "append-key-invalid", ["append_set", "'root=a'"]),
]


@pytest.mark.parametrize(("options", "code", "named"), REFUSED)
def test_what_is_refused(own_board: Board, options: dict[str, Any], code: str, named: list[str]) -> None:
    (own_board.top / "boot/empty").touch()
    answer = own_board.run(**options)
    assert answer["failed"] is True
    assert answer["changed"] is False
    assert codes(answer["msg"]) == [code]
    for each in [str(own_board.conf), *named]:
        assert each in answer["msg"]
    assert own_board.conf.read_bytes() == L4T
    assert own_board.files() == ["extlinux.conf"]


def test_all_problems_are_named(own_board: Board) -> None:
    options = USB | {"linux": "/boot/none", "initrd": "/boot/none", "append": "quiet", "append_set": {}}
    answer = own_board.run(**options)
    expected = ["boot-file-missing", "boot-file-missing", "root-not-set"]
    assert codes(answer["msg"]) == expected
    assert [each["code"] for each in answer["problems"]] == expected
    assert own_board.conf.read_bytes() == L4T


@pytest.mark.parametrize("options", [{"timeout": 50}, USB])
@pytest.mark.parametrize(
    ("data", "code", "named"),
    [
        (L4T.replace(b"DEFAULT primary", b"DEFAULT"), "value-missing", ["line 2", "'DEFAULT'"]),
        (
            L4T + b"LABEL primary\n  LINUX /boot/Image\n",
            "label-duplicate",
            ["label 'primary'", "line 6"],
        ),
        (L4T.replace(b"\n", b"\r\n"), "carriage-return", ["sed -i 's/\\r$//'"]),
        (
            L4T.replace(b"/boot/Image\n", b"/boot/none\n"),
            "boot-file-missing",
            ["LINUX '/boot/none'", "label 'primary'"],
        ),
        (L4T + b"\x00", "nul-byte", ["line 21"]),
    ],
)
def test_files_that_are_not_touched(
    own_board: Board, data: bytes, code: str, named: list[str], options: dict[str, Any]
) -> None:
    own_board.conf.write_bytes(data)
    answer = own_board.run(**options)
    assert answer["failed"] is True
    assert code in codes(answer["msg"])
    for each in [str(own_board.conf), *named]:
        assert each in answer["msg"]
    assert own_board.conf.read_bytes() == data


def test_a_missing_default_can_be_put_right(own_board: Board) -> None:
    """What the file was like before matters to no one: only what is written must boot."""
    own_board.conf.write_bytes(L4T.replace(b"DEFAULT primary", b"DEFAULT backup"))
    refused = own_board.run(timeout=50)["msg"]
    assert codes(refused) == ["label-unknown"]
    assert "'backup'" in refused
    (problem,) = own_board.run(state="read")["problems"]
    assert problem["code"] == "label-unknown"
    assert (problem["line"], problem["label"], problem["certain"]) == (2, None, True)
    assert own_board.run(default="primary")["changed"] is True
    assert own_board.conf.read_bytes() == L4T


def test_another_label_that_would_not_boot_is_a_warning(own_board: Board) -> None:
    """So that a rollback goes through when the other label's kernel is gone."""
    own_board.run(**USB, default="usb")
    (own_board.top / "boot/initrd-xusb.img").unlink()
    answer = own_board.run(default="primary")
    assert answer["changed"] is True
    (warning,) = answer["warnings"]
    refused = own_board.run(default="usb")["msg"]
    for message in (str(warning), refused):
        assert codes(message) == ["boot-file-missing"]
        assert "INITRD '/boot/initrd-xusb.img'" in message
        assert "label 'usb'" in message


@pytest.mark.parametrize("name", ["Image", "initrd"])
def test_what_the_file_names_already_is_refused_in_check_mode_too(own_board: Board, name: str) -> None:
    (own_board.top / "boot" / name).unlink()
    for options in (USB, {"label": "usb", "copy_from": "primary"}):
        told = own_board.run(check=True, **options)
        assert told["failed"] is True
        assert set(codes(told["msg"])) == {"boot-file-missing"}
        assert f"/boot/{name}'" in told["msg"]
        assert "label 'primary'" in told["msg"]


def test_a_label_that_is_copied_must_boot_itself(own_board: Board) -> None:
    own_board.run(**USB, default="usb")
    own_board.conf.write_bytes(
        own_board.conf.read_bytes().replace(b"quiet root=", b"root=/dev/sdb1 root=", 1)
    )
    refused = own_board.run(**USB)["msg"]
    assert codes(refused) == ["root-duplicate"]
    assert "label 'primary'" in refused


def test_what_a_task_before_may_make_is_a_warning_in_check_mode(own_board: Board) -> None:
    answer = own_board.run(check=True, **USB | {"initrd": "/boot/not-yet"})
    assert answer["changed"] is True
    assert codes(str(answer["warnings"][0])) == ["boot-file-missing"]
    assert "INITRD '/boot/not-yet'" in str(answer["warnings"][0])
    assert "label 'usb'" in str(answer["warnings"][0])


def test_files_are_looked_for_where_u_boot_looks(own_board: Board) -> None:
    """Links are followed within the file system that U-Boot sees; a relative path starts at the file's folder."""
    (own_board.top / "boot/linked").symlink_to("/boot/Image")
    (own_board.top / "boot/up").symlink_to("../../../boot/Image")
    (own_board.top / "boot/loop").symlink_to("loop")
    (own_board.top / "boot/dangling").symlink_to("/nowhere")
    for good in ("/boot/linked", "/boot/up", "../Image", "/boot/../boot/Image", "/boot/Image#conf-1"):
        assert own_board.run(**USB | {"linux": good})["labels"]["usb"]["linux"] == good
    for bad in ("/boot/loop", "/boot/dangling", "Image", "/etc/passwd"):
        assert own_board.run(**USB | {"linux": bad})["failed"] is True


def test_bytes_that_are_no_text_stay(board: Board) -> None:
    data = b"# Gr\xfc\xdfe, \xe2\x98\xba\n" + L4T
    board.conf.write_bytes(data)
    assert board.run(**USB)["changed"] is True
    assert board.conf.read_bytes().replace(USB_LINES.encode(), b"", 1) == data
    answer = board.run(label="grün", copy_from="primary", menu_label="Größe ☺")
    assert answer["labels"]["grün"]["menu_label"] == "Größe ☺"
    assert "LABEL grün\n      MENU LABEL Größe ☺\n".encode() in board.conf.read_bytes()  # not prose
    refused = board.run(default="schön")["msg"]
    assert codes(refused) == ["label-unknown"]
    assert "'schön'" in refused
    assert "'primary', 'usb', 'grün'" in refused


def test_any_bytes_give_an_answer(board: Board) -> None:
    source = random.Random(4)
    pieces = [
        b"LABEL ",
        b"APPEND ",
        b"MENU ",
        b"DEFAULT ",
        b"\n",
        b"\r\n",
        b"\x00",
        b"\xff",
        b" a",
        b"\t",
        b"#",
    ]
    for _ in range(3):
        data = b"".join(source.choices(pieces, k=30)) + source.randbytes(20)
        board.conf.write_bytes(data)
        both: list[dict[str, Any]] = [{"state": "read"}, {"default": "a"}]
        for options in both:
            answer = board.run(**options)
            assert "msg" in answer or answer["labels"] is not None
            assert "exception" not in answer
        assert board.conf.read_bytes() == data or not answer.get("failed")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("none/extlinux.conf", "file-missing"),
        ("boot", "file-not-regular"),
        ("pipe", "file-not-regular"),
        ("huge", "file-too-large"),
    ],
)
def test_what_is_no_such_file(own_board: Board, path: str, code: str) -> None:
    os.mkfifo(own_board.top / "pipe")
    (own_board.top / "huge").write_bytes(b"#" * 2_000_000)
    both: list[dict[str, Any]] = [{"state": "read"}, {"default": "primary"}]
    for options in both:
        answer = own_board.run(path=str(own_board.top / path), **options)
        assert answer["failed"] is True
        assert codes(answer["msg"]) == [code]
        assert str(own_board.top / path) in answer["msg"]


# A full disk, others at work, a sudden end.


def test_a_full_disk_leaves_the_old_file(board: Board) -> None:
    answer = board.run(limit=100, **USB)
    assert answer["failed"] is True
    assert codes(answer["msg"]) == ["write-failed"]
    assert "[Errno 27]" in answer["msg"]
    assert str(board.conf) in answer["msg"]
    assert board.conf.read_bytes() == L4T
    assert board.files() == ["extlinux.conf"]


def test_two_tasks_wait_for_each_other(own_board: Board) -> None:
    folder = os.open(own_board.folder, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    command = own_board.command({"timeout": 50})
    with subprocess.Popen(command, env=own_board.environment(), stdout=subprocess.PIPE) as other:
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(3)
        assert own_board.conf.read_bytes() == L4T
        # Who only reads does not wait.
        assert own_board.run(state="read")["timeout"] == 30
        os.close(folder)
        assert other.wait(30) == 0
    assert own_board.run(state="read")["timeout"] == 50


CHANGE: dict[str, Any] = USB | {"default": "usb", "backup": True}


def noted(board: Board) -> list[list[Any]]:
    """The module's system calls in the folder."""
    out = board.top / "notes.json"
    assert board.step("note", out, **CHANGE) == 0
    notes: list[list[Any]] = json.loads(out.read_text())
    return notes


def restored(board: Board) -> None:
    for path in board.folder.iterdir():
        path.unlink()
    board.conf.write_bytes(L4T)


def test_data_is_synced_before_it_gets_its_name_and_the_folder_after(board: Board) -> None:
    board.conf.chmod(0o640)
    notes = noted(board)
    new, conf, folder = str(board.folder / ".extlinux.conf.new"), str(board.conf), str(board.folder)
    # After the backup, which is made in the same way.
    after_backup = [note for note in notes if note[0] in ("rename", "fsync")][-3:]
    assert after_backup == [["fsync", new], ["rename", new, conf], ["fsync", folder]]
    names = [note[0] for note in notes if note[1] == new][-7:]
    assert names == ["unlink", "open", "write", "fchmod", "fsync", "close", "rename"]
    assert [note[0] for note in notes if note[0] == "flock"] == ["flock"]
    # What is written is written in full, and nothing is ever written to the file itself.
    assert [note for note in notes if note[0] == "write" and note[1] != new] == []
    assert not [note for note in notes if note[:2] == ["open", conf] and note[2]]
    # Nothing at all is written where nothing changes.
    written = [note[0] for note in noted(board) if note[0] in ("write", "rename", "fsync")]
    assert written == []


def steps_to_die_at(notes: list[list[Any]]) -> Iterator[tuple[str, int]]:
    for number, note in enumerate(notes, 1):
        yield "before", number
        if note[0] == "write":
            yield "half", number
    yield "after", len(notes)


def test_killed_at_every_step_the_file_is_the_old_or_the_new_one(own_board: Board) -> None:
    notes = noted(own_board)
    new = own_board.conf.read_bytes()
    assert new != L4T
    seen = set()
    steps = list(steps_to_die_at(notes))
    assert len(steps) > 20
    for how, number in steps:
        restored(own_board)
        assert own_board.step(how, number, **CHANGE) == -9, (how, number)
        found = own_board.conf.read_bytes()
        assert found in (L4T, new), (how, number)
        seen.add(found)
        for backup in own_board.folder.glob("*~"):
            assert backup.read_bytes() == L4T
        # The next run goes on, and leaves nothing behind.
        answer = own_board.run(**CHANGE | {"backup": False})
        assert answer["changed"] is (found == L4T)
        assert own_board.conf.read_bytes() == new
        assert [name for name in own_board.files() if not name.endswith("~")] == ["extlinux.conf"]
    assert seen == {L4T, new}


def left_by_power_cuts(notes: list[list[Any]], folder: str, old: bytes) -> Iterator[dict[str, bytes]]:
    """The folder as any power cut may leave it, at any step: of what was not synced, any part may be lost.

    Of the entries of the folder that changed since it was last synced any may have reached the disk; of a file that was
    not synced, nothing, half or all.
    """
    contents = [(old, True)]
    names = {f"{folder}/extlinux.conf": 0}
    durable = dict(names)
    pending: list[tuple[str, str, int]] = []
    for note in [*notes, ["end", folder]]:
        for kept in itertools.product([False, True], repeat=len(pending)):
            entries = dict(durable)
            for (kind, path, inode), here in zip(pending, kept, strict=True):
                if here and kind == "set":
                    entries[path] = inode
                elif here:
                    entries.pop(path, None)
            choices = [
                [data] if synced else [b"", data[: len(data) // 2], data]
                for data, synced in (contents[inode] for inode in entries.values())
            ]
            for chosen in itertools.product(*choices):
                yield dict(zip(entries, chosen, strict=True))
        if note[-1] == "failed":
            continue
        kind, path = note[:2]
        if kind == "open" and note[2]:
            contents.append((b"", False))
            names[path] = len(contents) - 1
            pending.append(("set", path, names[path]))
        elif kind == "write":
            contents[names[path]] = (contents[names[path]][0] + note[2].encode("latin-1"), False)
        elif kind == "fsync" and path == folder:
            durable, pending = dict(names), []
        elif kind == "fsync":
            contents[names[path]] = (contents[names[path]][0], True)
        elif kind == "rename":
            names[note[2]] = names.pop(path)
            pending += [("set", note[2], names[note[2]]), ("drop", path, 0)]
        elif kind == "unlink":
            names.pop(path)
            pending.append(("drop", path, 0))


def test_without_power_at_any_step_the_file_is_the_old_or_the_new_one(own_board: Board) -> None:
    notes = noted(own_board)
    folder, new = str(own_board.folder), own_board.conf.read_bytes()

    def outcomes(notes: list[list[Any]]) -> list[dict[str, bytes]]:
        return list(left_by_power_cuts(notes, folder, L4T))

    def good(left: dict[str, bytes]) -> bool:
        backups = [data for path, data in left.items() if path.endswith("~")]
        return left.get(str(own_board.conf)) in (L4T, new) and all(data == L4T for data in backups)

    left = outcomes(notes)
    assert len(left) > 50
    assert all(good(each) for each in left)
    assert {each[str(own_board.conf)] for each in left} == {L4T, new}
    # When the module has returned, nothing is left to chance.
    assert {each[str(own_board.conf)] for each in outcomes(notes)[-1:]} == {new}
    # The same without syncing the data first would not do, so the check would notice.
    careless = [note for note in notes if not (note[0] == "fsync" and note[1] != folder)]
    assert not all(good(each) for each in outcomes(careless))
    unsynced = [note for note in notes if note[0] != "fsync" or note[1] != folder]
    assert outcomes(unsynced)[-1][str(own_board.conf)] in (L4T, new)


def test_what_a_power_cut_left_is_removed(own_board: Board) -> None:
    leftover = own_board.folder / ".extlinux.conf.new"
    leftover.write_bytes(L4T[:20])
    own_board.run(state="read")
    own_board.run(check=True, timeout=50)
    assert leftover.exists()
    assert own_board.run(timeout=30)["changed"] is False
    assert not leftover.exists()
    # A link with this name is not followed.
    leftover.symlink_to(own_board.top / "boot/Image")
    assert own_board.run(timeout=50)["changed"] is True
    assert (own_board.top / "boot/Image").read_text() == "Image"
    assert own_board.files() == ["extlinux.conf"]


# Documentation.


def test_the_documentation_is_that_of_the_options(
    plugin: Callable[[str], ModuleType],
    root: Path,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = plugin("modules/extlinux")
    specs: dict[str, Any] = {}

    def stop(argument_spec: dict[str, Any], **_: Any) -> NoReturn:
        specs.update(argument_spec)
        raise SystemExit

    monkeypatch.setattr(module, "AnsibleModule", stop)
    with pytest.raises(SystemExit):
        module.main()
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    facts = ("type", "default", "choices", "aliases", "elements")
    assert {
        name: {key: option[key] for key in facts if key in option} for name, option in documented.items()
    } == {name: {key: option[key] for key in facts if key in option} for name, option in specs.items()}
    for task in yaml.safe_load(module.EXAMPLES):
        assert set(task["edgebench.edge.extlinux"]) <= set(specs)
    shown = subprocess.run(
        [Path(sys.executable).parent / "ansible-doc", "-t", "module", "--json", "edgebench.edge.extlinux"],
        cwd=root,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        json.loads(shown.stdout)["edgebench.edge.extlinux"]["return"].keys()
        == yaml.safe_load(module.RETURN).keys()
    )
