"""What the role jetson_usb_root decides: from tables of what is seen of boards and disks."""

import copy
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pytest
import yaml
from ansible.errors import AnsibleFilterError

from tests.messages import codes

GIVEN = "/dev/disk/by-id/usb-TOSHIBA_External_USB_3.0_20190801-0:0"
GB = 10**9
EMPTY: dict[str, Any] = {
    "exists": True,
    "is_link": True,
    "real": "/dev/sda",
    "names": ["usb-TOSHIBA_External_USB_3.0_20190801-0:0"],
    "kind": "disk",
    "device": "/dev/sda",
    "path": "/sys/devices/70090000.xusb/usb2/2-1/block/sda",
    "partitions": [],
    "serial": "20190801",
    "size": 1000 * GB,
    "is_root": False,
    "is_boot": False,
    "usb": True,
    "read_only": False,
    "links": [GIVEN, "/dev/disk/by-path/platform-70090000.xusb-usb-0:1:1.0-scsi-0:0:0:0"],
    "table": "",
    "signatures": [],
    "written": False,
    "mounted": [],
    "swaps": [],
    "holders": [],
}
WANTED: dict[str, Any] = {
    "given": GIVEN,
    "confirm_serial": "",
    "root": 64 * GB,
    "swap": 8 * GB,
    "home": GB,
    "marker": None,
}
NTFS = {
    "device": "/dev/sda1",
    "size": 999 * GB,
    "type": "ntfs",
    "label": "TOSHIBA EXT",
    "uuid": "",
    "name": "",
    "partuuid": "6c1f4c22-01",
}


@pytest.fixture(scope="module")
def rules(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("module_utils/edgebench_usb_root")


@pytest.fixture(scope="module")
def filters(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("filter/edgebench_usb_root")


def refusals(rules: ModuleType, disk: dict[str, Any], **wanted: Any) -> list[str]:
    told: list[str] = rules.refusals({**copy.deepcopy(EMPTY), **disk}, {**WANTED, **wanted})
    return told


def test_an_empty_usb_disk_may_be_written_on(rules: ModuleType) -> None:
    assert refusals(rules, {}) == []


@pytest.mark.parametrize(
    "given",
    ["/dev/sda", "/dev/disk/by-uuid/4a7c", "/dev/disk/by-id/", "/dev/disk/by-id/../../sda", "LABEL=usb", ""],
)
def test_only_names_below_by_id_are_taken(rules: ModuleType, given: str) -> None:
    (told,) = refusals(rules, {}, given=given)
    assert codes(told) == ["disk-name-unstable"]
    assert "/dev/disk/by-id/" in told


@pytest.mark.parametrize(
    ("disk", "code", "words"),
    [
        (
            {"exists": False, "is_link": False, "names": ["usb-Other_1-0:0"]},
            "disk-missing",
            ["usb-Other_1-0:0"],
        ),
        ({"exists": False, "real": "/dev/sdb"}, "disk-missing", ["/dev/sdb"]),
        (
            {"kind": "partition", "device": "/dev/sda1", "parent": "/dev/sda"},
            "disk-is-partition",
            ["/dev/sda1", "jetson_usb_root_disk", "-part1"],
        ),
        ({"kind": "none", "real": "/dev/null"}, "not-a-disk", ["/dev/null"]),
        (
            {"links": ["/dev/disk/by-id/usb-Other_1-0:0"]},
            "disk-link-wrong",
            ["/dev/sda", "usb-Other_1-0:0"],
        ),
        ({"is_boot": True, "device": "/dev/mmcblk0"}, "disk-is-sd-card", ["/dev/mmcblk0"]),
        ({"is_root": True}, "disk-is-root", ["/dev/sda"]),
        ({"usb": False, "path": "/sys/devices/pci0000:00/ata1"}, "disk-not-usb", ["/dev/sda", "ata1"]),
        ({"read_only": True}, "disk-read-only", ["/dev/sda"]),
        (
            {"mounted": [("/dev/sda1", "/media/nano/data")]},
            "disk-in-use",
            ["/dev/sda1 at /media/nano/data", "sudo umount /media/nano/data"],
        ),
        ({"swaps": ["/dev/sda2"]}, "disk-in-use", ["/dev/sda2 as swap"]),
        ({"holders": ["dm-0"]}, "disk-in-use", ["dm-0"]),
        ({"size": 32 * GB}, "disk-too-small", ["32.0 GB", "73.0 GB", "jetson_usb_root_size_gb"]),
        (
            {"partitions": [NTFS]},
            "disk-has-data",
            ['"TOSHIBA EXT"', "jetson_usb_root_confirm_serial: 20190801"],
        ),
        ({"signatures": ["crypto_LUKS"]}, "disk-has-data", ["crypto_LUKS", "confirm_serial: 20190801"]),
        ({"written": True}, "disk-has-data", ["confirm_serial: 20190801"]),
        ({"written": True, "serial": ""}, "disk-has-data", ["wipefs -a /dev/sda"]),
    ],
)
def test_a_wrong_disk_is_refused_with_the_value_and_the_remedy(
    rules: ModuleType, disk: dict[str, Any], code: str, words: list[str]
) -> None:
    (told,) = refusals(rules, disk)
    assert codes(told) == [code]
    for word in [GIVEN, *words]:
        assert word in told


@pytest.mark.parametrize(
    "disk",
    [
        {"mounted": [("/dev/sda1", "/media/x")]},
        {"swaps": ["/dev/sda2"]},
        {"holders": ["md0"]},
        {"is_boot": True},
        {"is_root": True},
        {"usb": False},
        {"size": GB},
        {"links": []},
        {"read_only": True},
    ],
)
@pytest.mark.parametrize("noted", [False, True])
def test_the_serial_number_confirms_that_data_may_go_and_nothing_else(
    rules: ModuleType, disk: dict[str, Any], noted: bool
) -> None:
    marker = {"serial": "20190801", "given": GIVEN} if noted else None
    assert refusals(rules, {"partitions": [NTFS]}, confirm_serial="20190801", marker=marker) == []
    assert len(refusals(rules, {"partitions": [NTFS], **disk}, confirm_serial="20190801", marker=marker)) == 1


def test_another_serial_number_confirms_nothing_even_for_an_empty_disk(rules: ModuleType) -> None:
    for disk in ({}, {"partitions": [NTFS]}):
        (told,) = refusals(rules, disk, confirm_serial="20190802")
        assert codes(told) == ["serial-mismatch"]
        for word in ("jetson_usb_root_confirm_serial", "20190802", "20190801"):
            assert word in told


def test_the_disk_that_was_begun_on_needs_no_word_and_another_one_is_refused(rules: ModuleType) -> None:
    marker = {"serial": "20190801", "given": GIVEN}
    assert refusals(rules, {"partitions": [NTFS]}, marker=marker) == []
    (told,) = refusals(rules, {"serial": "77"}, marker=marker)
    assert codes(told) == ["disk-not-the-noted"]
    for word in ("77", "20190801", "--tags rollback"):
        assert word in told


def test_all_reasons_are_told_at_once(rules: ModuleType) -> None:
    told = refusals(rules, {"usb": False, "size": GB, "partitions": [NTFS]})
    assert [codes(each) for each in told] == [["disk-not-usb"], ["disk-too-small"], ["disk-has-data"]]


@pytest.mark.parametrize(
    ("l4t", "builtin", "boot_is_usb", "path", "note"),
    [
        ("32.7.1", False, False, "initramfs", "initramfs-by-choice"),
        ("32.4.3", False, False, "initramfs", "initramfs"),
        ("32.2.1", False, False, "initramfs", "initramfs"),
        ("32.1", True, False, "kernel", "kernel"),
        ("32.7.6", True, False, "initramfs", "initramfs-by-choice"),
        ("32.7.1", False, True, "direct", "direct"),
    ],
)
def test_the_way_to_usb_by_release(
    rules: ModuleType, l4t: str, builtin: bool, boot_is_usb: bool, path: str, note: str
) -> None:
    assert rules.boot_path(l4t, builtin, boot_is_usb) == (path, None, rules.NOTES[note])


@pytest.mark.parametrize(
    ("l4t", "builtin", "code", "words"),
    [
        ("32.2", False, "usb-firmware-missing", ["32.2", "buildKernel.sh"]),
        ("32.1", False, "usb-firmware-missing", ["32.1", "tegra21x_xusb_firmware"]),
        ("28.2", True, "l4t-too-old", ["28.2", "32.1", "32.7"]),
        ("", False, "l4t-missing", ["/etc/nv_tegra_release"]),
        (None, False, "l4t-missing", ["/etc/nv_tegra_release"]),
        ("R32", False, "l4t-missing", ["R32"]),
    ],
)
def test_releases_without_a_way_to_usb(
    rules: ModuleType, l4t: str | None, builtin: bool, code: str, words: list[str]
) -> None:
    path, problem, note = rules.boot_path(l4t, builtin, False)
    assert (path, note) == (None, "")
    assert codes(problem) == [code]
    for word in words:
        assert word in problem


@pytest.mark.parametrize(
    ("l4t", "compatible", "efi", "loader"),
    [
        ("32.7.1", "nvidia,jetson-nano nvidia,tegra210", False, "u-boot"),
        ("32.6.1", "nvidia,quill nvidia,tegra186", False, "u-boot"),
        ("32.6.1", "nvidia,p3668-0000 nvidia,tegra194", False, "cboot"),
        ("32.7.1", "nvidia,tegra194", True, "uefi"),
        ("34.1", "nvidia,tegra194", False, "uefi"),
        ("35.4.1", "nvidia,tegra234", True, "uefi"),
        ("39.2", "", False, "uefi"),
        ("36.4.4", "linux,dummy-virt", False, "uefi"),
        (None, "", False, "u-boot"),
    ],
)
def test_boards_of_other_loaders_are_refused_with_the_tool_that_does_it(
    rules: ModuleType, l4t: str | None, compatible: str, efi: bool, loader: str
) -> None:
    assert rules.loader_of(l4t, compatible, efi) == loader
    if loader == "u-boot" or l4t is None:
        return
    path, problem, _ = rules.boot_path(l4t, False, False, loader)
    assert path is None
    assert codes(problem) == ["loader-unsupported"]
    for word in (l4t, rules.LOADERS[loader], "l4t_initrd_flash.sh --external-device", "jetson_usb_root_disk"):
        assert word in problem
    # A board whose loader reads the USB disk itself is left alone, whichever loader it is.
    assert rules.boot_path(l4t, False, True, loader)[0] == "direct"


@pytest.mark.parametrize(
    ("used", "home", "fits"),
    [(14 * GB, 0, True), (57 * GB, 0, True), (60 * GB, 0, False), (100 * GB, 90 * GB, True)],
)
def test_the_copy_must_fit(rules: ModuleType, used: int, home: int, fits: bool) -> None:
    root, swap, least_home, problem = rules.needed({"root_gb": 64.0, "swap_gb": 8.0}, used, home)
    assert (root, swap) == (64 * GB // 2**20 * 2**20, 8 * GB // 2**20 * 2**20)
    assert least_home >= home
    assert (problem is None) == fits
    if problem:
        assert codes(problem) == ["copy-too-large"]
        assert "jetson_usb_root_size_gb" in problem


def test_the_layout_is_what_is_found_again(rules: ModuleType) -> None:
    text = rules.script(2 * GB, GB)
    assert text.splitlines()[0] == "label: gpt"
    names = [line.rpartition("name=")[2] for line in text.splitlines()[1:]]
    assert names == ["edgebench-root", "edgebench-swap", "edgebench-home"]
    parts = [{"name": name, "type": "ext4", "label": name} for name in names]
    disk = {"table": "gpt", "partitions": parts}
    assert list(rules.parts_of(disk, GB)) == ["root", "swap", "home"]
    assert rules.parts_of(disk, 0) == {}
    assert rules.parts_of({**disk, "table": "dos"}, GB) == {}
    assert rules.parts_of({"table": "gpt", "partitions": parts[::2]}, 0).keys() == {"root", "home"}
    assert "swap" not in rules.script(GB, 0)


def test_a_file_system_is_whole_when_it_has_its_label(rules: ModuleType) -> None:
    assert rules.is_whole("root", {"type": "ext4", "label": "edgebench-root"})
    assert not rules.is_whole("root", {"type": "ext4", "label": "edgebench-new"})
    assert not rules.is_whole("swap", {"type": "ext4", "label": "edgebench-swap"})


def test_mounts_are_read_with_what_is_bound(rules: ModuleType) -> None:
    table = rules.mounts(
        "22 1 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 179:1 / /media/edgebench-sd rw shared:2 - ext4 /dev/mmcblk0p1 rw\n"
        "31 22 179:1 /boot /boot rw shared:2 - ext4 /dev/mmcblk0p1 rw\n"
        "40 22 0:5 / /with\\040space rw - tmpfs tmpfs rw\nnonsense\n"
    )
    assert [each["at"] for each in table] == ["/", "/media/edgebench-sd", "/boot", "/with space"]
    found = rules.mount_of(table, "/boot/extlinux/extlinux.conf")
    assert (found["number"], found["root"]) == ("179:1", "/boot")
    assert rules.mount_of(table, "/bootx")["at"] == "/"


NAMES = {"root": "PARTUUID=r", "swap": "PARTUUID=s", "home": "PARTUUID=h", "sd": "PARTUUID=sd"}
L4T_FSTAB = """# Copyright (c) 2019, NVIDIA CORPORATION. All rights reserved.

# <file system> <mount point>             <type>          <options>                               <dump> <pass>
/dev/root            /                     ext4           defaults                                     0 1
/swapfile none swap sw 0 0
/dev/zram9 none swap sw 0 0
nas:/data /srv/data nfs ro,nofail 0 0
/dev/mmcblk0p2 /home ext4 defaults 0 2
"""


def test_the_copys_fstab_mounts_the_usb_disk_and_the_sd_card_and_keeps_the_rest(filters: ModuleType) -> None:
    lines = filters.fstab(L4T_FSTAB, NAMES).splitlines()
    mounted = {line.split()[1]: line.split() for line in lines if line and not line.startswith("#")}
    assert mounted["/"][0] == "PARTUUID=r"
    assert mounted["/home"][0] == "PARTUUID=h"
    assert mounted["/media/edgebench-sd"][0] == "PARTUUID=sd"
    assert mounted["/boot"][:4][0] == "/media/edgebench-sd/boot"
    assert "bind" in mounted["/boot"][3]
    assert mounted["/srv/data"][0] == "nas:/data"
    assert [line.split()[0] for line in lines if " swap " in line] == ["/swapfile", "PARTUUID=s"]
    assert lines[0].startswith("# Copyright")


def test_nothing_but_root_can_keep_the_system_from_coming_up(filters: ModuleType) -> None:
    ours = filters.fstab("", NAMES).splitlines()
    for line in ours:
        if not line.startswith("#") and line.split()[1] != "/":
            assert "nofail" in line


@pytest.mark.parametrize("text", ["", "\n\n", L4T_FSTAB, "garbage\n"])
def test_the_fstab_stays_as_it_was_made(filters: ModuleType, text: str) -> None:
    once = filters.fstab(text, NAMES)
    assert filters.fstab(once, NAMES) == once
    assert filters.fstab(filters.fstab(once, {**NAMES, "root": "UUID=x"}), NAMES) == once


def test_an_fstab_without_a_name_is_refused(filters: ModuleType) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        filters.fstab("", {**NAMES, "home": ""})
    assert codes(str(refused.value)) == ["mount-name-missing"]
    assert "home" in str(refused.value)


SD = {"append": "${cbootargs} root=/dev/mmcblk0p1 rw rootwait", "root": "/dev/mmcblk0p1"}
OURS = {"append": "root=PARTUUID=r panic=10 edgebench.trial=primary edgebench.wait=30", "root": "PARTUUID=r"}


@pytest.mark.parametrize(
    ("conf", "label"),
    [
        ({"default": "primary", "order": ["primary"], "labels": {"primary": SD}}, "primary"),
        ({"default": "edgebench-usb", "order": [], "labels": {"x": SD, "edgebench-usb": OURS}}, "primary"),
        ({"default": "x", "order": [], "labels": {"x": SD, "primary": SD, "edgebench-usb": OURS}}, "primary"),
        ({"default": "edgebench-usb", "order": ["edgebench-usb", "y"], "labels": {"edgebench-usb": {}}}, "y"),
        (
            {
                "default": "edgebench-usb",
                "order": [],
                "labels": {"edgebench-usb": {"append": "root=x edgebench.trial=My%20CAN%20100%25"}},
            },
            "My CAN 100%",
        ),
    ],
)
def test_the_label_to_fall_back_to(filters: ModuleType, conf: dict[str, Any], label: str) -> None:
    assert filters.sd_label(conf, "edgebench-usb") == label


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("primary", "primary"),
        ("My CAN Controller", "My%20CAN%20Controller"),
        ("100%", "100%25"),
        ("a ", "a%20"),
        ("it's $HOME \"\\", "it%27s%20%24HOME%20%22%5C"),
        ("Größe", "Gr%C3%B6%C3%9Fe"),
        ("CSI <IMX219-C>:1", "CSI%20%3CIMX219-C%3E:1"),
        ("*?[a]", "%2A%3F%5Ba%5D"),
    ],
)
def test_a_labels_name_is_one_plain_word_of_the_command_line(
    filters: ModuleType, name: str, word: str
) -> None:
    assert filters.word(name) == word
    conf = {"default": "x", "order": [], "labels": {"x": {"append": f"quiet edgebench.trial={word}"}}}
    assert filters.sd_label(conf, "x") == name


def test_a_label_of_the_same_name_by_someone_else_is_refused(filters: ModuleType) -> None:
    conf = {"labels": {"primary": {**SD, "line": 6}, "edgebench-usb": {**OURS, "line": 12}}}
    assert filters.label_problems(conf, "edgebench-usb") == []
    assert filters.label_problems({"labels": {}}, "edgebench-usb") == []
    for append in (None, "", "root=/dev/sda1 quiet"):
        conf["labels"]["edgebench-usb"] = {"append": append, "line": 12}
        (told,) = filters.label_problems(conf, "edgebench-usb")
        assert codes(told) == ["label-not-ours"]
        assert "line 12" in told


BOOT = {
    "links": [],
    "not_writable": [],
    "free": {"/": 10**9, "/var/tmp": 10**9},
    "notes_is_file": False,
    "at": "/",
    "exists": True,
    "type": "ext4",
    "folder": "/boot",
    "partuuid": "AB",
    "uuid": "c-d",
    "device": "/dev/mmcblk0p1",
}
LOOK: dict[str, Any] = {
    "system": {
        "boot": BOOT,
        "root": {"disks": ["mmcblk0"]},
        "on_usb": False,
        "kernel": "4.9.253-tegra",
        "kernel_has_modules": True,
    },
    "disk": {"exists": True},
}


@pytest.mark.parametrize(
    ("root", "fine"),
    [
        ("/dev/mmcblk0p1", True),
        ("PARTUUID=ab", True),
        ("UUID=c-d", True),
        (None, True),
        ("/dev/sda1", False),
        ("PARTUUID=ef", False),
    ],
)
def test_the_label_to_fall_back_to_must_boot_from_the_sd_card(
    filters: ModuleType, root: str | None, fine: bool
) -> None:
    told = filters.layout_problems(LOOK, {"labels": {"primary": {"root": root}}}, "primary")
    assert [codes(each) for each in told] == ([] if fine else [["fallback-label-wrong"]])
    assert fine or f"root={root}" in told[0]


@pytest.mark.parametrize(
    ("boot", "root", "code", "word"),
    [
        ({"folder": "/"}, ["mmcblk0"], "boot-layout-unknown", "as /,"),
        ({"type": "vfat"}, ["mmcblk0"], "boot-layout-unknown", "vfat"),
        ({"partuuid": ""}, ["mmcblk0"], "boot-layout-unknown", "PARTUUID none"),
        ({"exists": False}, ["mmcblk0"], "extlinux-missing", "/boot/extlinux/extlinux.conf"),
        ({}, ["nvme0n1"], "root-on-other-disk", "nvme0n1"),
        ({"device": "/dev/vda1"}, ["vdb"], "root-on-other-disk", "vdb"),
        ({"links": ["/boot/extlinux"]}, ["mmcblk0"], "extlinux-is-link", "cp -aL /boot/extlinux "),
        ({"not_writable": ["/boot/extlinux"]}, ["mmcblk0"], "boot-not-writable", "chattr -i /boot/extlinux"),
        ({"notes_is_file": True}, ["mmcblk0"], "notes-not-folder", "/boot/edgebench"),
        ({"free": {"/": 10**9, "/var/tmp": 42 * 10**6}}, ["mmcblk0"], "boot-full", "/var/tmp has 42 MB"),
    ],
)
def test_a_board_that_is_laid_out_otherwise_is_refused(
    filters: ModuleType, boot: dict[str, Any], root: list[str], code: str, word: str
) -> None:
    look = {
        "system": {**LOOK["system"], "boot": {**BOOT, **boot}, "root": {"disks": root}},
        "disk": {"exists": True},
    }
    told = filters.layout_problems(look, {"labels": {"primary": {"root": None}}}, "primary")
    assert [codes(each) for each in told] == [[code]]
    assert word in told[0]


def test_a_kernel_without_its_modules_is_refused(filters: ModuleType) -> None:
    look = {**LOOK, "system": {**LOOK["system"], "kernel_has_modules": False}}
    (told,) = filters.layout_problems(look, {"labels": {"primary": {"root": None}}}, "primary")
    assert codes(told) == ["kernel-modules-missing"]
    assert "/lib/modules/4.9.253-tegra" in told


@pytest.mark.parametrize("name", ["primary", "My CAN Controller", "it's $HOME `id` ", 'a "b" \\'])
def test_the_boards_settings_hold_a_labels_name_as_it_is(root: Path, name: str) -> None:
    text = (root / "roles/jetson_usb_root/templates/edgebench-usb-root.conf.j2").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("sd_label=")]
    environment = jinja2.Environment(autoescape=False)
    environment.filters["quote"] = shlex.quote
    written = environment.from_string(line).render({"__jetson_usb_root_sd_label": name})
    read = subprocess.run(
        ["sh", "-c", f'{written}\nprintf %s "$sd_label"'], capture_output=True, text=True, check=True
    )
    assert read.stdout == name


def tasks(root: Path, name: str) -> dict[str, Any]:
    """The tasks of a file of the role by name, those in blocks too."""
    found: dict[str, Any] = {}
    left = yaml.safe_load((root / f"roles/jetson_usb_root/tasks/{name}.yml").read_text())
    while left:
        task = left.pop()
        left += task.get("block", []) + task.get("rescue", [])
        found[task["name"]] = task
    return found


def test_the_first_stage_adds_the_label_as_a_later_one_will(root: Path) -> None:
    """In check mode whatever the run's mode is, with the SD card's initramfs, because the new one is built later."""
    rehearsed = tasks(root, "identify")["Add the label in check mode"]
    assert rehearsed["check_mode"] is True
    later = tasks(root, "extlinux")["Add the label"]["edgebench.edge.extlinux"]
    assert set(later) - set(rehearsed["edgebench.edge.extlinux"]) == {"initrd", "backup"}
    assert rehearsed["edgebench.edge.extlinux"].items() <= later.items()


def test_the_first_stage_writes_nothing(root: Path) -> None:
    reads = {
        "edgebench.edge.edgebench_usb_disk",
        "ansible.builtin.assert",
        "ansible.builtin.debug",
        "ansible.builtin.include_tasks",
    }
    for name in ("identify", "look"):
        for task in tasks(root, name).values():
            if "block" in task or reads & set(task):
                assert task.get("edgebench.edge.edgebench_usb_disk", {}).get("state", "read") == "read"
            elif "edgebench.edge.extlinux" in task:
                assert task.get("check_mode") is True or task["edgebench.edge.extlinux"]["state"] == "read"
            else:
                assert "--simulate" in task["ansible.builtin.command"]["argv"]


def test_rollback_runs_only_where_it_is_asked_for(root: Any) -> None:
    """The tag that the playbook gives to the role asks for what is tagged `never`, too."""
    text = (root / "roles/jetson_usb_root/tasks/main.yml").read_text()
    before, after = text.split("tags: [never, rollback]")
    assert "'rollback' in ansible_run_tags" in after
    assert "'rollback' not in ansible_run_tags" in before  # not prose
