"""What the parser makes of extlinux.conf: files as boards have them, broken ones, and any that can be thought of."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests import needs, properties

HERE = Path(__file__).resolve().parent
CORPUS = sorted((HERE / "extlinux").glob("*.conf"))

L4T = (HERE / "extlinux/l4t_32_7.conf").read_bytes()


@pytest.fixture(scope="session")
def conf(plugin: Callable[[str], ModuleType]) -> ModuleType:
    return plugin("module_utils/extlinux_conf")


def problems(conf: Any) -> list[tuple[int, str]]:
    return [(found.line, found.code) for found in conf.problems()]


# What the files of the corpus say: default, timeout, and the labels with some of what they have.
EXPECTED: dict[str, tuple[str, int | None, dict[str, dict[str, str | int | None]]]] = {
    "debian_u_boot_menu": (
        "l0",
        50,
        {
            "l0": {
                "menu_label": "Debian GNU/Linux 12 (bookworm) 6.1.0-18-arm64",
                "linux": "/vmlinuz-6.1.0-18-arm64",
                "fdtdir": "/dtb-6.1.0-18-arm64/",
                "root": "UUID=0f3a7c1e-2d44-4b8e-9c63-6a1d7be2f001",
            },
            "l0r": {"append": "root=UUID=0f3a7c1e-2d44-4b8e-9c63-6a1d7be2f001 ro single"},
        },
    ),
    # The kernel's words end at `--`.
    "fedora": (
        "Fedora (5.17.5-300.fc36.aarch64) 36 (Server)",
        50,
        {
            "Fedora (5.17.5-300.fc36.aarch64) 36 (Server)": {
                "linux": "/vmlinuz-5.17.5-300.fc36.aarch64",
                "root": "UUID=5b1f0a44-7e5e-4b5a-8b63-b6f3a0a8c9d1",
            }
        },
    ),
    "l4t_header_config": (
        "My SPI Header",
        30,
        {
            "primary": {"root": "/dev/mmcblk0p1", "line": 6},
            "My SPI Header": {
                "menu_label": "Custom Header Config: <My SPI Header>",
                "root": "/dev/mmcblk0p1",
            },
        },
    ),
    "l4t_32_1": ("primary", 30, {"primary": {"line": 6, "root": "/dev/mmcblk0p1", "initrd": "/boot/initrd"}}),
    # The label that is commented out is none.
    "l4t_32_7": ("primary", 30, {"primary": {"menu_label": "primary kernel", "linux": "/boot/Image"}}),
    "l4t_jetson_io": (
        "JetsonIO",
        30,
        {
            "primary": {"append": "${cbootargs} quiet ", "root": None},
            "JetsonIO": {"fdt": "/boot/kernel_tegra210-user-custom.dtb", "root": None},
        },
    ),
    # MENU DEFAULT, no DEFAULT; a word in quotes is one word.
    "raspberry_pi": (
        "quiet one",
        None,
        {
            "plain": {
                "linux": "../kernel8.img",
                "fdt": "../bcm2711-rpi-4-b.dtb",
                "root": "PARTUUID=2d8e5a01-02",
            },
            "quiet one": {"root": "PARTUUID=2d8e5a01-02"},
        },
    ),
    # For U-Boot the last of DEFAULT and ONTIMEOUT holds; APPEND may name the initrd.
    "syslinux": (
        "disk",
        100,
        {
            "linux": {"linux": "vmlinuz", "initrd": "initrd.img", "root": "/dev/sda2"},
            "disk": {"localboot": "0x80", "menu_label": "Boot from the ^disk"},
        },
    ),
}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_real_files(conf: ModuleType, path: Path) -> None:
    data = path.read_bytes()
    parsed = conf.parse(data)
    assert parsed.data() == data
    default, timeout, labels = EXPECTED[path.stem]
    assert parsed.default.decode() == default
    assert parsed.timeout == timeout
    assert [label.name.decode() for label in parsed.labels] == list(labels)
    for label in parsed.labels:
        described = parsed.describe(label)
        assert described | labels[label.name.decode()] == described
    assert problems(parsed) == []


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("change", ["crlf", "no final line end", "tabs", "upper case", "lower case"])
def test_variants_of_real_files(conf: ModuleType, path: Path, change: str) -> None:
    """Each reads as the original does, and comes back byte for byte."""
    plain = path.read_bytes()
    words = rb"(?mi)^[ \t]*(menu[ \t]+(label|title|default)|label|linux|kernel|append|default|timeout|ontimeout)\b"
    data = {
        "crlf": plain.replace(b"\n", b"\r\n"),
        "no final line end": plain.rstrip(b"\n"),
        "tabs": re.sub(rb"(?m)^ +", b"\t \t", plain),
        "upper case": re.sub(words, lambda found: found.group().upper(), plain),
        "lower case": re.sub(words, lambda found: found.group().lower(), plain),
    }[change]
    parsed, original = conf.parse(data), conf.parse(plain)
    assert parsed.data() == data
    assert (parsed.default, parsed.timeout) == (original.default, original.timeout)
    assert [parsed.describe(label) for label in parsed.labels] == [
        original.describe(label) for label in original.labels
    ]
    assert [code for _, code in problems(parsed)] == (["carriage-return"] if change == "crlf" else [])


LABEL = b"LABEL a\n  LINUX /Image\n  APPEND root=/dev/sda1\n"


@pytest.mark.parametrize(
    ("data", "line", "code", "named"),
    [
        (b"TIMEOUT 30\nLABEL\n  LINUX /Image\n", 2, "value-missing", "'LABEL'"),
        (b"DEFAULT \t\n" + LABEL, 1, "value-missing", "'DEFAULT'"),
        (b"TIMEOUT # 30\n" + LABEL, 1, "value-missing", "'TIMEOUT'"),
        (b"LABEL a\n  LINUX /Image\n  APPEND\n", 3, "value-missing", "'APPEND'"),
        (b"LABEL a\n  append # nothing\n  LINUX /Image\n", 2, "value-missing", "'append'"),
        (b"MENU TITLE\n" + LABEL, 1, "value-missing", "'MENU TITLE'"),
        (b"INCLUDE\r\n", 1, "value-missing", "'INCLUDE'"),
        (LABEL + b"\x7fELF\x02\x00\x00\n", 4, "nul-byte", ""),
        (b"\x00", 1, "nul-byte", ""),
        (b"#" * (1024 * 1024 + 1), None, "file-too-large", "1048577"),
    ],
)
def test_files_that_u_boot_refuses(
    conf: ModuleType, data: bytes, line: int | None, code: str, named: str
) -> None:
    with pytest.raises(conf.ConfError) as caught:
        conf.parse(data)
    assert (caught.value.line, caught.value.code) == (line, code)
    assert named in caught.value.message


@pytest.mark.parametrize(
    # For each problem its line, its code and words of its message.
    ("data", "expected"),
    [
        (b"", [(1, "labels-missing")]),
        (b"# nothing\n", [(1, "labels-missing")]),
        (b"DEFAULT b\n" + LABEL, [(1, "label-unknown", "DEFAULT", "'b'", "'a'")]),
        (
            b"DEFAULT A\n" + LABEL,
            [(1, "label-unknown", "DEFAULT", "'A'", "'a'?")],
        ),
        (b"DEFAULT a \n" + LABEL, [(1, "label-unknown", "DEFAULT", "'a '", "'a'?", "first label, 'a'")]),
        (
            b"DEFAULT b \n" + LABEL + LABEL.replace(b"LABEL a", b"LABEL b"),
            [(1, "label-unknown", "'b '", "'b'?")],
        ),
        (LABEL + b"ONTIMEOUT b\nDEFAULT a\n", []),
        (b"DEFAULT a\n" + LABEL + b"ONTIMEOUT b\n", [(5, "label-unknown", "DEFAULT", "'b'")]),
        (LABEL + LABEL, [(4, "label-duplicate", "'a'", "line 1")]),
        (LABEL + b"LABEL a\n  LOCALBOOT 0\n", [(4, "label-duplicate", "'a'", "line 1")]),
        (b"LABEL a\n  APPEND root=/dev/sda1\n", [(1, "kernel-not-set", "'a'")]),
        (b"LABEL a\n  LINUX /Image\n", [(1, "root-not-set", "'a'")]),
        (b"LABEL a\n  LINUX /Image\n  APPEND quiet -- root=/dev/sda1\n", [(3, "root-not-set", "'a'")]),
        (b"LABEL a\n  LINUX /Image\n  APPEND x=${root}\n", [(3, "root-not-set", "'a'")]),
        (b"LABEL a\n  LINUX /Image\n  APPEND ${cbootargs}\n", []),
        (b"LABEL a\n  LINUX /Image\n  APPEND $(bootargs) quiet\n", []),
        (
            b"LABEL a\n  LINUX /Image\n  APPEND root=/dev/sda1 ro root=/dev/sdb1\n",
            [(3, "root-duplicate", "'a'", "'root=/dev/sda1'", "'root=/dev/sdb1'")],
        ),
        (
            b"LABEL a\n  LINUX /Image\n  APPEND root=/dev/sda1 ${cbootargs}\n",
            [(3, "root-before-variable", "'a'", "'root=/dev/sda1'", "'${cbootargs}'")],
        ),
        (
            b"LABEL a\n  LINUX /Image\n  APPEND root=/dev/sda1 " + b"x" * 2050 + b"\n",
            [(3, "append-too-long", "'a'", "2065")],
        ),
        # U-Boot ends a label at a keyword that it does not know there.
        (
            b"LABEL a\n  LINUX /Image\n  SECURE yes\n  APPEND root=/dev/sda1\n",
            [(1, "root-not-set", "'a'"), (4, "keyword-unreachable", "'APPEND'", "'a'", "'SECURE'", "line 3")],
        ),
        (
            b"LABEL a\n  LINUX /Image\n  APPEND root=/dev/sda1\n  OVERLAYS /x.dtbo\n",
            [],
        ),
        (
            b"LABEL a\n  LINUX /Image\n  INITRD /one\n  INITRD /two\n  APPEND root=/dev/sda1\n",
            [
                (1, "root-not-set", "'a'"),
                (4, "keyword-repeated", "'INITRD'", "'a'"),
                (5, "keyword-unreachable", "'APPEND'", "'a'", "'INITRD'", "line 4"),
            ],
        ),
        (b"LINUX /Image\n" + LABEL, [(1, "keyword-outside-label", "'LINUX'")]),
        (LABEL + b"DEFAULT a\n  INITRD /initrd\n", [(5, "keyword-outside-label", "'INITRD'")]),
        # An empty line does not end a label, a comment neither.
        (b"LABEL a\n\n# x\n\n  LINUX /Image\n  APPEND root=/dev/sda1\n", []),
        (
            b"LABEL a\n  MENU LABEL\n  LINUX /Image\n  APPEND root=/dev/sda1\n",
            [(2, "menu-value-missing", "'MENU LABEL'")],
        ),
        (b"TIMEOUT 30\nMENU\nDEFAULT a\n" + LABEL, [(2, "menu-value-missing", "'MENU'")]),
        (b"MENU TITLE x\n" + LABEL, [(1, "menu-waits-forever", "TIMEOUT")]),
        (b"MENU TITLE x\nTIMEOUT 0\n" + LABEL, [(2, "menu-waits-forever", "'0'")]),
        (b"MENU TITLE x\nTIMEOUT 9\n" + LABEL, [(2, "menu-waits-forever", "'9'")]),
        (b"MENU TITLE x\nTIMEOUT soon\n" + LABEL, [(2, "menu-waits-forever", "'soon'")]),
        (b"MENU TITLE x\nTIMEOUT 10 # tenths\n" + LABEL, []),
        (b"\xef\xbb\xbfTIMEOUT 30\n" + LABEL, [(1, "byte-order-mark", "'timeout'")]),
        (b"\xef\xbb\xbf# a comment\n" + LABEL, []),
        (b"DEFAULT a\n" + LABEL + b"  APPEND root=/dev/sda2\r\n", [(5, "carriage-return")]),
        (b"# a comment\r\n" + LABEL, []),
        (
            b"DEFAULT a\nINCLUDE more.conf\n" + LABEL,
            [(2, "include-not-read", "'INCLUDE'", "'more.conf'")],
        ),
        (
            b"LABEL a\n  LINUX /Image\n  FDTOVERLAYS /x.dtbo\n  APPEND root=/dev/sda1\n",
            [(3, "keyword-too-new", "'FDTOVERLAYS'", "'a'", "2021")],
        ),
        (b"LABEL\x0ba\n  LINUX /Image\n", [(1, "root-not-set", "'\\x0ba'")]),
    ],
)
def test_files_that_would_not_boot_as_meant(
    conf: ModuleType, data: bytes, expected: list[tuple[Any, ...]]
) -> None:
    found = conf.parse(data).problems()
    assert [(each.line, each.code) for each in found] == [each[:2] for each in expected]
    for problem, (_, _, *named) in zip(found, expected, strict=True):
        for each in named:
            assert each in problem.message
        assert problem.remedy


def test_files_that_are_missing(conf: ModuleType) -> None:
    asked: list[bytes] = []

    def look(value: bytes) -> tuple[str, str]:
        asked.append(value)
        return "boot-file-missing", "is missing"

    data = (
        b"LABEL a\n KERNEL /fit.itb#conf-1\n INITRD /initrd\n FDT x.dtb\n FDTDIR /dtbs\n APPEND root=/dev/sda1\n"
        b"LABEL b\n LINUX vmlinuz\n APPEND initrd=i.img root=/dev/sda1\n"
    )
    found = conf.parse(data).problems(look)
    assert asked == [b"/fit.itb", b"/initrd", b"x.dtb", b"vmlinuz", b"i.img"]
    assert [(problem.line, problem.label) for problem in found] == [
        *[(line, b"a") for line in (2, 3, 4)],
        *[(line, b"b") for line in (8, 9)],
    ]
    assert {problem.code for problem in found} == {"boot-file-missing"}
    assert "INITRD '/initrd'" in found[1].message
    assert found[1].remedy in found[1].message


# Edits.


def changed_lines(old: bytes, new: bytes) -> tuple[list[bytes], list[bytes]]:
    """The lines that only the old has, and only the new."""
    left, right = old.split(b"\n"), new.split(b"\n")
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    return left[start : len(left) - end], right[start : len(right) - end]


def test_a_label_is_added_as_the_others_are_written(conf: ModuleType) -> None:
    parsed = conf.parse(L4T)
    append = conf.edit_append(
        parsed.value(parsed.labels[0], "append").strip(), [(b"root", [b"root=PARTUUID=1-2"])], [b"rootwait"]
    )
    values = {
        "menu label": b"USB",
        "linux": b"/boot/Image",
        "initrd": b"/boot/initrd-xusb.img",
        "append": append,
    }
    parsed.set_label(b"usb", values, b"primary")
    assert changed_lines(L4T, parsed.data()) == (
        [],
        [
            b"LABEL usb",
            b"      MENU LABEL USB",
            b"      LINUX /boot/Image",
            b"      INITRD /boot/initrd-xusb.img",
            b"      APPEND ${cbootargs} quiet root=PARTUUID=1-2 rw rootfstype=ext4 console=ttyS0,115200n8"
            b" console=tty0 fbcon=map:0 net.ifnames=0",
            b"",
        ],
    )
    parsed.set_default(b"usb")
    assert parsed.default == b"usb"
    parsed.set_default(b"primary")
    parsed.remove_label(b"usb")
    assert parsed.data() == L4T


def test_edits_change_single_lines(conf: ModuleType) -> None:
    parsed = conf.parse(L4T)
    parsed.set_label(b"primary", {"linux": b"/boot/Image.new", "fdt": None, "menu label": b"primary kernel"})
    assert changed_lines(L4T, parsed.data()) == (
        [b"      LINUX /boot/Image"],
        [b"      LINUX /boot/Image.new"],
    )
    parsed = conf.parse(L4T)
    parsed.set_label(b"primary", {"fdt": b"/boot/a.dtb"})
    assert changed_lines(L4T, parsed.data()) == ([], [b"      FDT /boot/a.dtb"])
    parsed.set_label(b"primary", {"fdt": None})
    assert parsed.data() == L4T
    parsed.set_timeout(50)
    assert changed_lines(L4T, parsed.data()) == ([b"TIMEOUT 30"], [b"TIMEOUT 50"])


def test_every_default_line_is_set(conf: ModuleType) -> None:
    """Other programs read the file, too, and may go by another of them than U-Boot."""
    data = b"default a\nontimeout a\n" + LABEL + b"label b\n  localboot 0\ndefault a"
    parsed = conf.parse(data)
    parsed.set_default(b"b")
    assert parsed.data() == data.replace(b"default a", b"default b").replace(b"ontimeout a", b"ontimeout b")


def test_a_default_line_is_added_where_there_is_none(conf: ModuleType) -> None:
    parsed = conf.parse(b"# top\ntimeout 5\n# first\n" + LABEL)
    parsed.set_default(b"a")
    assert parsed.data() == b"# top\ntimeout 5\ndefault a\n# first\n" + LABEL
    parsed = conf.parse(LABEL.replace(b"\n", b"\r\n"))
    parsed.set_default(b"a")
    assert parsed.data() == b"DEFAULT a\r\n" + LABEL.replace(b"\n", b"\r\n")


def test_a_line_is_ended_before_another_follows(conf: ModuleType) -> None:
    parsed = conf.parse(LABEL.rstrip(b"\n"))
    parsed.set_label(b"b", {"linux": b"/Image", "append": b"root=/dev/sdb1"})
    assert parsed.data() == LABEL + b"\n" + LABEL.replace(b"a\n", b"b\n").replace(b"sda", b"sdb")


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("linux", b"/a\nDEFAULT b", "value-control-character"),
        ("append", b"root=x\r", "value-control-character"),
        ("append", b"", "value-empty"),
        ("menu label", b"# x", "value-comment"),
        ("linux", b" /a", "value-outer-blank"),
    ],
)
def test_values_that_would_not_be_read_back(conf: ModuleType, key: str, value: bytes, code: str) -> None:
    with pytest.raises(conf.ConfError) as caught:
        conf.parse(LABEL).set_label(b"a", {key: value})
    assert caught.value.code == code
    assert caught.value.message.startswith(key.replace(" ", "_"))


@pytest.mark.parametrize(
    ("append", "set_words", "removed", "expected"),
    [
        ("${cbootargs} quiet", {"root": ["root=/dev/sda1"]}, [], "${cbootargs} quiet root=/dev/sda1"),
        ("", {"root": ["root=/dev/sda1"]}, [], "root=/dev/sda1"),
        ("root=a  quiet\tx", {"root": ["root=b"]}, [], "root=b  quiet\tx"),
        ("root=a ro root=b", {"root": ["root=c"]}, [], "root=c ro"),
        ("a rootwait b", {}, ["rootwait"], "a b"),
        ("a rootwait=5 rootwaits", {}, ["rootwait"], "a rootwaits"),
        ("console=tty0 console=ttyS0", {}, ["console=tty0"], "console=ttyS0"),
        ("rootwait", {}, ["rootwait"], ""),
        ('a="b root=c" root=d', {"root": ["root=e"]}, [], 'a="b root=c" root=e'),
        ('a="not closed root=c', {"root": ["root=e"]}, [], 'a="not closed root=c root=e'),
        ("quiet -- root=init", {"root": ["root=a"]}, [], "quiet root=a -- root=init"),
        ("-- 1", {"root": ["root=a"]}, [], "root=a -- 1"),
        ("console=a x console=b", {"console": ["console=a", "console=b"]}, [], "console=a x console=b"),
        ("console=a x", {"console": ["console=b", "console=c"]}, [], "console=b console=c x"),
        ("root=a ${cbootargs}", {"root": ["root=b"]}, ["root"], "${cbootargs} root=b"),
    ],
)
def test_words_of_the_command_line(
    conf: ModuleType, append: str, set_words: dict[str, list[str]], removed: list[str], expected: str
) -> None:
    changes = [(key.encode(), [word.encode() for word in words]) for key, words in set_words.items()]
    removals = [word.encode() for word in removed]
    once = conf.edit_append(append.encode(), changes, removals)
    assert once.decode() == expected
    if "not closed" not in append:
        assert conf.edit_append(once, changes, removals) == once


@pytest.mark.parametrize("word", ["a b", "", "--", 'a="b', "a\tb", 'a"b" "c'])
def test_what_is_no_word(conf: ModuleType, word: str) -> None:
    with pytest.raises(conf.ConfError) as caught:
        conf.edit_append(b"quiet", [(b"k", [word.encode()])], [])
    assert caught.value.code == "word-invalid"


def copied(conf: ModuleType, data: bytes, source: bytes, loader: str = "u-boot") -> Any:
    """The file with the label `usb`, a copy of another one but for its root, as the module makes it."""
    parsed = conf.parse(data, loader)
    for _ in range(2):
        label = parsed.label(source)
        values = {key: parsed.value(label, key) for key in conf.COPIED_KEYS}
        values = {key: value and value.strip(b" \t") for key, value in values.items()}
        values["append"] = conf.edit_append(
            values["append"], [(b"root", [b"root=PARTUUID=1-2"])], [b"rootwait"]
        )
        before = parsed.data()
        parsed.set_label(b"usb", values, source, [], parsed.unread(label))
    # Twice changes nothing.
    assert parsed.data() == before
    return parsed


@pytest.mark.parametrize(
    "data",
    [
        LABEL + b"  OVERLAYS /x.dtbo\n",
        LABEL + b"\tOVERLAYS\t/x.dtbo,/y.dtbo \n\tSECURE\n",
        LABEL + b"  DEVICETREE-OVERLAY /x.dtbo\n  OVERLAYS /a b\n",
    ],
)
def test_what_the_loader_does_not_know_is_copied_in_its_order_and_comes_last(
    conf: ModuleType, data: bytes
) -> None:
    parsed = copied(conf, data, b"a")
    assert parsed.data().startswith(data)
    source, copy = parsed.label(b"a"), parsed.label(b"usb")
    assert parsed.unread(copy) == parsed.unread(source) != []
    assert min(parsed.unknown(copy)) > copy.last
    assert parsed.describe(copy)["overlays"] == parsed.describe(source)["overlays"]
    assert parsed.describe(copy)["root"] == "PARTUUID=1-2"
    # A source that has lost its line takes it from the copy.
    without = conf.parse(b"".join(line for line in parsed.data().splitlines(True) if line != b"  SECURE\n"))
    without.set_label(b"usb", {}, b"a", [], [])
    assert without.unread(without.label(b"usb")) == []
    parsed.remove_label(b"usb")
    assert parsed.data() == data


@pytest.mark.parametrize("end", [b" ", b"\t", b"  \t "])
@pytest.mark.parametrize(
    "line", [b"net.ifnames=0", b"LINUX /boot/Image", b"INITRD /boot/initrd", b"primary kernel"]
)
def test_blanks_at_the_ends_of_copied_values_are_left_out(conf: ModuleType, line: bytes, end: bytes) -> None:
    data = L4T.replace(b"net.ifnames=0 \n", b"net.ifnames=0\n").replace(line + b"\n", line + end + b"\n", 1)
    parsed = copied(conf, data, b"primary")
    copy = parsed.label(b"usb")
    values = [parsed.lines[index].value for index in copy.keys.values()]
    assert [value for value in values if value != value.strip()] == []
    parsed.remove_label(b"usb")
    assert parsed.data() == data


def test_blanks_around_an_edited_value_stay(conf: ModuleType) -> None:
    parsed = conf.parse(L4T)
    append = conf.edit_append(parsed.value(parsed.labels[0], "append"), [(b"mem", [b"mem=2G"])], [b"quiet"])
    parsed.set_label(b"primary", {"append": append}, None, [])
    assert changed_lines(L4T, parsed.data())[1][0].endswith(b"net.ifnames=0 mem=2G ")


def test_a_label_whose_name_ends_with_a_blank_can_be_the_default(conf: ModuleType) -> None:
    data = LABEL + LABEL.replace(b"LABEL a", b"LABEL b ")
    parsed = conf.parse(data)
    parsed.set_default(b"b ")
    assert parsed.default == parsed.booted == b"b "
    assert parsed.data() == b"DEFAULT b \n" + data


@pytest.mark.parametrize(
    ("data", "booted"),
    [
        (b"DEFAULT a\n", b"a"),
        (b"DEFAULT b\n", b"b"),
        (b"", b"a"),
        (b"DEFAULT b \n", b"a"),
        (b"DEFAULT c\n", b"a"),
    ],
)
def test_the_label_that_is_booted(conf: ModuleType, data: bytes, booted: bytes) -> None:
    labels = LABEL + LABEL.replace(b"LABEL a", b"LABEL b")
    assert conf.parse(data + labels).booted == booted
    if not data.endswith(b" \n"):
        assert conf.parse(data + labels, "l4tlauncher").booted == booted


# L4TLauncher, the UEFI application of L4T 34 and later.

ORIN = b"""TIMEOUT 30
DEFAULT JetsonIO

MENU TITLE L4T boot options

LABEL primary
      MENU LABEL primary kernel
      LINUX /boot/Image
      INITRD /boot/initrd
      APPEND ${cbootargs} root=PARTUUID=1111 rw rootwait rootfstype=ext4 console=ttyTCU0,115200\x20

LABEL JetsonIO
\tMENU LABEL Custom Header Config: <CSI Camera>
\tLINUX /boot/Image
\tFDT /boot/dtb/kernel_tegra234.dtb
\tINITRD /boot/initrd
\tAPPEND ${cbootargs} root=PARTUUID=1111 rw rootwait
\tOVERLAYS /boot/one.dtbo,/boot/two.dtbo
"""


def test_overlays_are_a_key_wherever_they_stand(conf: ModuleType) -> None:
    above = ORIN.replace(b"\tOVERLAYS /boot/one.dtbo,/boot/two.dtbo\n", b"").replace(
        b"\tINITRD /boot/initrd\n\tA", b"\tOVERLAYS /boot/one.dtbo,/boot/two.dtbo\n\tINITRD /boot/initrd\n\tA"
    )
    for data in (ORIN, above):
        parsed = conf.parse(data, conf.loader_of(data))
        assert parsed.reader == "L4TLauncher"
        assert problems(parsed) == []
        asked: list[bytes] = []
        list(parsed.problems(asked.append))
        assert asked[-2:] == [b"/boot/one.dtbo", b"/boot/two.dtbo"]
        made = copied(conf, data, b"JetsonIO", "l4tlauncher")
        copy = made.describe(made.label(b"usb"))
        assert (copy["overlays"], copy["root"]) == ("/boot/one.dtbo,/boot/two.dtbo", "PARTUUID=1-2")
        assert problems(made) == []
        made.remove_label(b"usb")
        assert made.data() == data


@pytest.mark.parametrize(
    ("l4t", "data", "loader"),
    [
        ("32.7.1", ORIN, "u-boot"),
        ("34.1", L4T, "l4tlauncher"),
        ("39.2", L4T, "l4tlauncher"),
        ("36", L4T, "l4tlauncher"),
        (None, ORIN, "l4tlauncher"),
        (None, L4T, "u-boot"),
        ("", b"# OVERLAYS x\n", "u-boot"),
    ],
)
def test_the_loader_is_known_by_the_release_or_by_the_file(
    conf: ModuleType, l4t: str | None, data: bytes, loader: str
) -> None:
    assert conf.loader_of(data, l4t) == loader


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", [(1, "labels-missing")]),
        (b"TIMEOUT 0\nMENU TITLE x\n" + LABEL, []),
        (b"MENU TITLE x\n" + LABEL, []),
        (b"DEFAULT b\n" + LABEL, [(1, "label-unknown")]),
        (b"DEFAULT a \t\n" + LABEL, []),
        (LABEL.replace(b"\n", b"\r\n"), []),
        (LABEL + LABEL, [(4, "label-duplicate")]),
        (b"LINUX /Image\n" + LABEL, [(1, "keyword-outside-label")]),
        (LABEL + b"  FDTDIR /boot/dtb\n", [(4, "keyword-misread")]),
        (LABEL + b"  OVERLAYS /x.dtbo\n", [(4, "overlays-without-fdt")]),
        (LABEL + b"  FDT /x.dtb\n  OVERLAYS /x.dtbo\n", []),
        (LABEL + b"  INITRD /one\n  SECURE\n  INITRD /two\n", []),
        (LABEL.replace(b"root=", b"# root="), [(3, "root-not-set")]),
        (LABEL.replace(b"root=", b"${cbootargs} quiet x="), [(3, "root-not-set")]),
        (LABEL.replace(b"root=", b"root=x root="), [(3, "root-duplicate")]),
        (b"label a\n" + LABEL.lower(), [(1, "labels-missing")]),
        (b"LABEL a\n  APPEND root=/dev/sda1\n", [(1, "kernel-not-set")]),
        (b"LABEL a\n  LINUX\n  APPEND root=/dev/sda1\n", [(1, "kernel-not-set")]),
        (
            b"".join(LABEL.replace(b"LABEL a", b"LABEL %d" % number) for number in range(11)),
            [(31, "labels-too-many")],
        ),
    ],
)
def test_what_l4tlauncher_stumbles_over(
    conf: ModuleType, data: bytes, expected: list[tuple[int, str]]
) -> None:
    parsed = conf.parse(data, "l4tlauncher")
    assert parsed.data() == data
    assert problems(parsed) == expected
    assert all(each.remedy in each.message for each in parsed.problems())


@pytest.mark.parametrize("value", [b"a#b", b"#a", b" a", b"a\nb", b""])
def test_values_that_l4tlauncher_would_not_read_back(conf: ModuleType, value: bytes) -> None:
    with pytest.raises(conf.ConfError):
        conf.parse(LABEL, "l4tlauncher").set_label(b"a", {"linux": value})


def test_an_eleventh_label_is_refused(conf: ModuleType) -> None:
    data = b"".join(LABEL.replace(b"LABEL a", b"LABEL %d" % number) for number in range(10))
    with pytest.raises(conf.ConfError) as caught:
        conf.parse(data, "l4tlauncher").set_label(b"a", {"linux": b"/Image"})
    assert caught.value.code == "labels-too-many"


def launched(data: bytes) -> tuple[bytes | None, int, list[dict[str, bytes]]]:
    """Default, timeout and labels as L4TLauncher's loop over the lines finds them, as another check on the parser."""

    def clean(line: bytes) -> bytes:
        return line.partition(b"#")[0].strip(b" \t")

    default, timeout, labels = None, 0, list[dict[str, bytes]]()
    for raw in data.replace(b"\r", b"").split(b"\n"):
        line = clean(raw)
        for key in ("TIMEOUT", "DEFAULT", "MENU TITLE", "LABEL"):
            if line.startswith(key.encode()) and (key != "LABEL" or len(labels) < 10):
                value = clean(line[len(key) :])
                if key == "TIMEOUT":
                    timeout = int((re.match(rb"0*(\d+)", value) or [b"0", b"0"])[1])
                elif key == "DEFAULT":
                    default = value
                elif key == "LABEL":
                    labels.append({"name": value})
                break
        else:
            for key in ("MENU LABEL", "LINUX", "INITRD", "FDT", "OVERLAYS", "APPEND"):
                if labels and line.startswith(key.encode()):
                    labels[-1][key.lower()] = clean(line[len(key) :])
                    break
    if default not in [label["name"] for label in labels]:
        default = labels[0]["name"] if labels else None
    return default, timeout, labels


# Any file.

BLANK = st.sampled_from([b"", b" ", b"\t", b"    ", b" \t"])
WORDS = [
    *(
        b"LABEL",
        b"MENU LABEL",
        b"MENU DEFAULT",
        b"MENU TITLE",
        b"LINUX",
        b"KERNEL",
        b"INITRD",
        b"FDT",
        b"FDTDIR",
    ),
    *(
        b"APPEND",
        b"LOCALBOOT",
        b"IPAPPEND",
        b"DEFAULT",
        b"ONTIMEOUT",
        b"TIMEOUT",
        b"PROMPT",
        b"INCLUDE",
        b"SAY",
    ),
    *(b"UI", b"SERIAL", b"OVERLAYS", b"KASLRSEED", b"FDTOVERLAYS", b"MENU HIDDEN"),
]
NAMES = [
    b"a",
    b"b",
    b"primary",
    b"a b",
    b"30",
    b"/boot/Image",
    b"${cbootargs} root=/dev/sda1 quiet",
    b"x initrd=i y",
]


@st.composite
def some_line(draw: st.DrawFn) -> bytes:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from([b"", b"  ", b"# note", b"\t#LABEL z", b"#"]))
    if kind == 1:
        return draw(st.binary(max_size=12)).replace(b"\n", b"").replace(b"\x00", b"")
    word = draw(st.sampled_from(WORDS))
    word = draw(st.sampled_from([word, word.lower(), word.title()]))
    value = draw(st.sampled_from(NAMES))
    if kind == 2:
        value = draw(st.sampled_from([b"", b"# x", b"a ", b"a#b", b"\x0ba", b"\xc3\xa9", b"\xff"]))
    gap = draw(st.sampled_from([b" ", b"\t", b"  "]))
    return draw(BLANK) + word + gap + value


@st.composite
def some_file(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"]))
    lines = draw(st.lists(some_line(), max_size=25))
    return end.join(lines) + draw(st.sampled_from([b"", end]))


def parse_or_none(conf: ModuleType, data: bytes) -> Any:
    try:
        return conf.parse(data)
    except conf.ConfError as refused:
        if refused.line is not None and 1 <= refused.line <= data.count(b"\n") + 1 and refused.message:
            return None
        raise


@settings(max_examples=properties.examples(500))
@given(data=st.one_of(st.binary(max_size=300), some_file()))
def test_any_bytes_parse_to_themselves_or_give_a_message(conf: ModuleType, data: bytes) -> None:
    parsed = parse_or_none(conf, data)
    if parsed is None:
        return
    assert parsed.data() == data
    for found in parsed.problems(lambda value: ("boot-file-missing", "is missing")):
        assert 1 <= found.line <= max(1, len(parsed.lines))
        assert found.code
        assert found.remedy
    for label in parsed.labels:
        parsed.describe(label)


SPACE = b" \t\n\x0b\x0c\r\xa0"


class Reader:
    """U-Boot's way through a file, cursor and all, as another check on the parser's line by line."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.default: bytes | None = None
        self.labels: list[dict[str, bytes]] = []
        self.has_idle_word = False

    def token(self, literal: bool) -> bytes:
        """The next token; a line feed or nothing at the end of a line or of the file."""
        while self.data[self.at : self.at + 1] in (b" ", b"\t"):
            self.at += 1
        if self.data[self.at : self.at + 1] == b"#":
            self.skip()
        if self.data[self.at : self.at + 1] in (b"\n", b""):
            self.at += 1
            return self.data[self.at - 1 : self.at]
        start = self.at
        while self.at < len(self.data) and self.data[self.at] not in (b"\n" if literal else SPACE):
            self.at += 1
        found = self.data[start : self.at]
        return found if literal else b":" + found.lower()

    def skip(self) -> None:
        while self.data[self.at : self.at + 1] not in (b"\n", b""):
            self.at += 1

    def literal(self) -> bytes:
        found = self.token(literal=True)
        if found in (b"\n", b""):
            raise ValueError(self.at)
        return found

    def read(self) -> None:
        while True:
            word = self.token(literal=False)
            if word == b"":
                break
            if word == b":label":
                self.read_label()
            elif word in (b":default", b":ontimeout"):
                self.default = self.literal()
            elif word in (b":timeout", b":include"):
                self.literal()
            elif word == b":menu":
                if self.token(literal=False) in (b":title", b":include", b":background"):
                    self.literal()
                self.skip()
            elif word != b"\n":
                self.skip()

    def read_label(self) -> None:
        label = {"name": self.literal()}
        self.labels.append(label)
        names = {b":kernel": "linux", b":linux": "linux", b":append": "append", b":localboot": "localboot"}
        names |= {b":ipappend": "ipappend", b":say": "say"}
        once = {b":initrd": "initrd", b":fdt": "fdt", b":fdtdir": "fdtdir", b":fdtoverlays": "fdtoverlays"}
        while True:
            before = self.at
            word = self.token(literal=False)
            if word in names:
                label[names[word]] = self.literal()
                if word == b":append" and "initrd" not in label and b"initrd=" in label["append"]:
                    label["initrd"] = label["append"].split(b"initrd=", 1)[1].split(b" ")[0]
            elif word in once:
                if once[word] not in label:
                    label[once[word]] = self.literal()
                elif re.match(rb"[ \t]*(#.*)?(\n|$)", self.data[self.at :]):
                    self.has_idle_word = True
            elif word == b":menu":
                inner = self.token(literal=False)
                if inner == b":default" and self.default is None:
                    self.default = label["name"]
                elif inner == b":label":
                    label["menu_label"] = self.token(literal=True)
                self.skip()
            elif word not in (b"\n", b":kaslrseed"):
                self.at = before
                return


@settings(max_examples=properties.examples(500))
@given(data=some_file())
@example(data=b"LABEL a\nINITRD a\nINITRD ")
def test_it_reads_what_u_boot_reads(conf: ModuleType, data: bytes) -> None:
    # The parser leaves out carriage returns, and reports them; KASLRSEED with something behind it and an empty
    # MENU LABEL or SAY mean something to no one.
    assume(b"\r" not in data)
    assume(
        not re.search(
            rb"(?mi)^[ \t]*(kaslrseed|say|menu|menu[ \t]+label)[ \t]*(#.*)?$|kaslrseed[ \t]+[^ \t\n]", data
        )
    )
    reader = Reader(data)
    try:
        reader.read()
    except ValueError:
        assert parse_or_none(conf, data) is None
        return
    parsed = parse_or_none(conf, data)
    # A second INITRD without a value is passed over by U-Boot; the parser refuses it as it does the first.
    if b"\x00" in data or reader.has_idle_word:
        assert parsed is None
        return
    assert parsed is not None
    if parsed.default_lines or any("menu default" in label.keys for label in parsed.labels):
        assert parsed.default == reader.default
    assert [label.name for label in parsed.labels] == [label["name"] for label in reader.labels]
    for label, read in zip(parsed.labels, reader.labels, strict=True):
        known = {key.replace(" ", "_"): parsed.lines[index].value for key, index in label.keys.items()}
        known.pop("menu_default", None)
        known.pop("kaslrseed", None)
        if parsed.initrd(label) is not None:
            known["initrd"] = parsed.initrd(label)
        assert {"name": label.name, **known} == read


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "menu label": st.sampled_from([b"one", b"two words", None]),
        "linux": st.sampled_from([b"/boot/Image", b"/boot/Image.new"]),
        "initrd": st.sampled_from([b"/boot/initrd", None]),
        "fdt": st.sampled_from([b"/boot/a.dtb", None]),
        "append": st.sampled_from([b"${cbootargs} root=PARTUUID=1-2 quiet", b"root=/dev/sda1", None]),
    },
)


@st.composite
def valid_file(draw: st.DrawFn) -> bytes:
    """A file that nothing is wrong with, but for files that are not there."""
    case = draw(st.sampled_from([bytes.upper, bytes.lower, bytes.title]))
    indent = draw(st.sampled_from([b"", b"  ", b"\t", b"      "]))
    noise = st.sampled_from([b"", b"# note", b"\t# LINUX /x"])
    names = draw(st.lists(st.sampled_from([b"a", b"b", b"a b", b"l0", b"primary"]), min_size=1, unique=True))
    head = [case(b"timeout") + b" 30"]
    head += draw(
        st.lists(st.sampled_from([b"prompt 1", b"menu title x", b"# top", b"", b"ui x"]), max_size=4)
    )
    default = case(b"default") + b" " + draw(st.sampled_from(names))
    where = draw(st.integers(0, 2))
    lines = [*head, default] if where == 0 else list(head)
    for name in names:
        keys = [case(b"linux") + b" /boot/Image", case(b"append") + b" root=/dev/sda1 quiet"]
        keys += draw(
            st.lists(
                st.sampled_from([b"initrd /boot/initrd", b"fdt /a.dtb", b"menu label x", b"IPAPPEND 2"]),
                unique=True,
            )
        )
        lines += [b"", case(b"label") + b" " + name]
        for key in draw(st.permutations(keys)):
            lines += draw(st.lists(noise, max_size=1))
            lines.append(indent + key)
        if draw(st.booleans()):
            lines.append(indent + b"OVERLAYS /x.dtbo")
    lines += draw(st.lists(noise, max_size=2))
    if where == 1:
        lines.append(default)
    return draw(st.sampled_from([b"\n", b"\n", b"\r\n"])).join(lines) + draw(st.sampled_from([b"", b"\n"]))


def rest(parsed: Any, name: bytes, keys: list[str]) -> list[bytes]:
    """All lines but those of these keys in a label, and empty ones."""
    label = parsed.label(name)
    lines = [
        line.data().rstrip(b"\r\n")
        for index, line in enumerate(parsed.lines)
        if label is None or not label.start <= index <= label.end or line.key not in keys
    ]
    return [line for line in lines if line.strip()]


@settings(max_examples=properties.examples(300))
@given(data=valid_file(), name=st.sampled_from([b"a", b"usb", b"a b"]), values=VALUES, like=st.booleans())
def test_a_label_is_set_once_and_all_else_stays(
    conf: ModuleType, data: bytes, name: bytes, values: dict[str, bytes | None], like: bool
) -> None:
    parsed = conf.parse(data)
    assert [code for _, code in problems(parsed) if code != "carriage-return"] == []
    others = {
        label.name: parsed.describe(label) | {"line": 0} for label in parsed.labels if label.name != name
    }
    default, order = parsed.default, [label.name for label in parsed.labels]
    new = name not in order
    keys = [*values, *(["label"] if new else [])]
    before = rest(parsed, name, keys)
    template = parsed.labels[0].name if like else None
    parsed.set_label(name, values, template)
    once = parsed.data()
    label = parsed.label(name)
    for key, value in values.items():
        assert parsed.value(label, key) == value
    assert rest(parsed, name, keys) == before
    assert {
        label.name: parsed.describe(label) | {"line": 0} for label in parsed.labels if label.name != name
    } == others
    assert [label.name for label in parsed.labels] == order + [name] * new
    assert parsed.default == default
    # Twice changes nothing.
    parsed.set_label(name, values, template)
    assert parsed.data() == once


@settings(max_examples=properties.examples(300))
@given(data=valid_file(), pick=st.integers(0, 4))
def test_a_label_is_removed_and_all_else_stays(conf: ModuleType, data: bytes, pick: int) -> None:
    parsed = conf.parse(data)
    name = parsed.labels[pick % len(parsed.labels)].name
    label = parsed.label(name)
    left = parsed.lines[: label.start] + parsed.lines[label.end + 1 :]
    before = [line.data().rstrip(b"\r\n") for line in left if line.data().strip()]
    parsed.remove_label(name)
    assert parsed.label(name) is None
    assert rest(parsed, name, []) == before


@settings(max_examples=properties.examples(300))
@given(data=st.one_of(valid_file(), some_file()), pick=st.integers(0, 5), tenths=st.integers(0, 600))
def test_the_default_is_a_label_after_every_write(
    conf: ModuleType, data: bytes, pick: int, tenths: int
) -> None:
    parsed = parse_or_none(conf, data)
    if parsed is None or not parsed.labels:
        return
    name = parsed.labels[pick % len(parsed.labels)].name
    if name != name.strip(b" \t") or re.search(rb"[\x00-\x1f]", name):
        return
    labels = [(label.name, parsed.describe(label) | {"line": 0}) for label in parsed.labels]
    lines = parsed.lines
    parsed.set_default(name)
    assert parsed.default == name
    assert parsed.label(parsed.default) is not None
    removed, added = changed_lines(data, parsed.data())
    parsed.set_timeout(tenths)
    assert parsed.timeout == tenths
    assert parsed.default == name
    assert [(label.name, parsed.describe(label) | {"line": 0}) for label in parsed.labels] == labels
    kept = [line.data() for line in lines if line.key not in ("default", "ontimeout", "timeout")]
    assert [
        line.data() for line in parsed.lines if line.key not in ("default", "ontimeout", "timeout")
    ] == kept or not data.endswith(b"\n")
    once = parsed.data()
    parsed.set_default(name)
    parsed.set_timeout(tenths)
    assert parsed.data() == once
    assert len(added) <= len(removed) + 1


@settings(max_examples=properties.examples(300))
@given(data=st.one_of(valid_file(), some_file()))
def test_a_label_added_and_removed_leaves_the_file_as_it_was(conf: ModuleType, data: bytes) -> None:
    parsed = parse_or_none(conf, data)
    if parsed is None or not parsed.labels:
        return
    parsed.set_label(b"new", {"linux": b"/boot/Image", "append": b"root=/dev/sda1"})
    assert parsed.data() != data
    parsed.remove_label(b"new")
    assert parsed.data().rstrip(b"\r\n") == data.rstrip(b"\r\n")
    assert parsed.data() == data or not data.endswith(b"\n")


@settings(max_examples=properties.examples(500))
@given(data=some_file())
def test_it_reads_what_l4tlauncher_reads(conf: ModuleType, data: bytes) -> None:
    # A NUL byte ends the text there; of carriage returns only those at line ends are modelled, and FDTDIR is reported.
    assume(b"\x00" not in data and not re.search(rb"\r(?!\n)|FDT[0-9A-Za-z]", data))
    parsed = conf.parse(data, "l4tlauncher")
    assert parsed.data() == data
    default, timeout, labels = launched(data)
    assert (parsed.booted, parsed.timeout or 0) == (default, timeout)
    assert [
        {"name": label.name, **{key: parsed.value(label, key) for key in label.keys}}
        for label in parsed.labels
    ] == labels
    for found in parsed.problems(lambda value: ("boot-file-missing", "is missing")):
        assert 1 <= found.line <= max(1, len(parsed.lines))
        assert found.code
        assert found.remedy


@settings(max_examples=properties.examples(200))
@given(data=some_file())
def test_a_label_added_for_l4tlauncher_and_removed_leaves_the_file_as_it_was(
    conf: ModuleType, data: bytes
) -> None:
    assume(b"\x00" not in data)
    parsed = conf.parse(data, "l4tlauncher")
    if not parsed.labels or len(parsed.labels) >= 10 or not data.endswith(b"\n"):
        return
    parsed.set_label(b"new", {"linux": b"/boot/Image", "append": b"root=/dev/sda1"})
    assert parsed.describe(parsed.label(b"new"))["linux"] == "/boot/Image"
    parsed.remove_label(b"new")
    assert parsed.data() == data


# Cases from the field.


@pytest.mark.needs("cases")
def test_the_cases_from_the_field(conf: ModuleType) -> None:
    cases = needs.cases_folder()
    found = {
        path.relative_to(cases): (path.read_bytes(), conf.parse(path.read_bytes(), loader))
        for folder, loader in (
            ("extlinux-trailing-blank", "u-boot"),
            ("extlinux-label-with-blank", "u-boot"),
            ("extlinux-overlays", "l4tlauncher"),
        )
        for path in sorted((cases / folder).glob("*.conf"))
    }
    assert len(found) >= 5
    for data, parsed in found.values():
        assert problems(parsed) == []
        loader = "l4tlauncher" if parsed.reader == "L4TLauncher" else "u-boot"
        if b"OVERLAYS" in data:
            assert conf.loader_of(data) == loader
        made = copied(conf, data, parsed.booted, loader)
        source, copy = made.describe(made.label(parsed.booted)), made.describe(made.label(b"usb"))
        assert copy.get("overlays") == source.get("overlays")
        assert (copy["root"], copy.get("fdt")) == ("PARTUUID=1-2", source.get("fdt"))
        assert problems(made) == []
        made.remove_label(b"usb")
        assert made.data() == data
