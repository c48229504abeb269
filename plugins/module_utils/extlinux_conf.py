# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: RUF005, UP001, UP008, UP010, UP031
"""Reads and edits extlinux.conf, which tells a boot loader what to boot. Pure functions of bytes; no file is touched.

What a file means is what the board's boot loader makes of it. There are two. U-Boot (cmd/pxe.c, later
boot/pxe_utils.c), class `Conf`:

- A keyword ends at white space and its case does not matter; its value is the rest of the line, trailing blanks and
  a carriage return included. A value cannot begin with '#'; a line that does is a comment.
- A keyword without its value makes U-Boot refuse the whole file, or even crash and begin again for ever (2023.01
  does), so `parse` refuses it (`ConfError`).
- A label ends at the first keyword that is no label's, an unknown one included: what follows it is lost.
- Of several LINUX or APPEND in a label the last holds, of several INITRD or FDT the first, and the second ends the
  label. Of several DEFAULT and ONTIMEOUT the last holds; MENU DEFAULT holds only where there are none of them.
- A menu (any MENU line outside a label) with a timeout of less than a second waits for a key for ever.
- A DEFAULT that is no label, be it by a blank at its end, leaves the first label.

L4TLauncher (NVIDIA/edk2-nvidia, Silicon/NVIDIA/Application/L4TLauncher), the UEFI application of L4T 34 and later,
class `LauncherConf`:

- Keywords are upper case and match by their first letters alone, so FDTDIR is an FDT called "DIR ...". Of all of them
  the last holds, in a label too. OVERLAYS names overlays for FDT, separated by commas.
- A '#' begins a comment anywhere. Blanks at both ends and all carriage returns go.
- It passes over what it does not know, and a label goes on until the next one. There is room for ten labels; the
  lines of the eleventh change the tenth.
- Of labels with one name the first holds. A DEFAULT that is no label leaves the first one.
- With a TIMEOUT of 0, none, or a single label it boots at once.
- ${cbootargs} is removed, and nothing comes in its place. If a file of the label is missing, no other label is tried.

`parse(data).data()` is `data` for every file that parses. An edit changes only the lines it must.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

BLANKS = b" \t"
# What U-Boot's isspace() takes for white space; a line feed never stands inside a line.
TOKEN = re.compile(b"[^ \t\n\x0b\x0c\r\xa0]*")
GAP = re.compile(b"[ \t]*")

# Keywords as U-Boot knows them, and the one name that stands for each meaning here.
KEYWORDS = {
    b"menu": "menu",
    b"timeout": "timeout",
    b"default": "default",
    b"ontimeout": "ontimeout",
    b"prompt": "prompt",
    b"include": "include",
    b"label": "label",
    b"kernel": "linux",
    b"linux": "linux",
    b"initrd": "initrd",
    b"append": "append",
    b"fdt": "fdt",
    b"devicetree": "fdt",
    b"fdtdir": "fdtdir",
    b"devicetreedir": "fdtdir",
    b"fdtoverlays": "fdtoverlays",
    b"devicetree-overlay": "fdtoverlays",
    b"localboot": "localboot",
    b"ipappend": "ipappend",
    b"kaslrseed": "kaslrseed",
    b"say": "say",
}
# The words after MENU, of the menu itself and of a label.
MENU_KEYWORDS = {b"title": "menu title", b"include": "menu include", b"background": "menu background"}
MENU_KEYWORDS_IN_LABEL = {b"default": "menu default", b"label": "menu label"}

# A label's own keywords, in the order in which a new label has them.
LABEL_KEYS = [
    "menu label",
    "menu default",
    "say",
    "localboot",
    "linux",
    "initrd",
    "fdt",
    "fdtdir",
    "fdtoverlays",
    "kaslrseed",
    "ipappend",
    "append",
]
# What a label copied from another has from it.
COPIED_KEYS = [
    "linux",
    "initrd",
    "fdt",
    "fdtdir",
    "fdtoverlays",
    "overlays",
    "kaslrseed",
    "ipappend",
    "append",
]
FIRST_HOLDS = ("initrd", "fdt", "fdtdir", "fdtoverlays")
WITHOUT_VALUE = ("", "unknown", "menu", "menu default", "menu label", "prompt", "kaslrseed", "say")
# Keywords that U-Boot learnt after the releases of JetPack 4, which end a label there.
NEW_KEYS = ("fdtoverlays", "kaslrseed", "say")

# What L4TLauncher looks for at the start of a line, in the order in which it does.
LAUNCHER_KEYWORDS = [
    (b"TIMEOUT", "timeout"),
    (b"DEFAULT", "default"),
    (b"MENU TITLE", "menu title"),
    (b"LABEL", "label"),
    (b"MENU LABEL", "menu label"),
    (b"LINUX", "linux"),
    (b"INITRD", "initrd"),
    (b"FDT", "fdt"),
    (b"OVERLAYS", "overlays"),
    (b"APPEND", "append"),
]
LAUNCHER_LABEL_KEYS = ["menu label", "linux", "initrd", "fdt", "overlays", "append"]
LAUNCHER_LABELS = 10
LOADERS = ("u-boot", "l4tlauncher")
# L4T 34 was the first release with L4TLauncher.
LAUNCHER_FROM = 34

# U-Boot's buffer for the kernel's command line on Tegra (CONFIG_SYS_CBSIZE), and that of the arm64 kernel.
APPEND_LIMIT = 2047
# A whole file is kilobytes; what is larger is something else.
SIZE_LIMIT = 1024 * 1024

WORD = re.compile(b'(?:"[^"]*(?:"|$)|[^ \t"])+')
# Control characters, those of Latin-1 among them, and what turns the direction of text: a terminal obeys them.
UNSEEN = re.compile(
    # Python 2 has no such escapes in plain strings, and `u` before one does not outlive the formatter.
    b"[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]".decode(
        "unicode_escape"
    )
)
CONTROL = re.compile(b"[\x00-\x08\x0a-\x1f\x7f]")
# A word that is nothing but a variable of U-Boot, such as ${cbootargs}, which stands for words of their own.
MACRO = re.compile(b"[$](?:[{][^}]*[}]|[(][^)]*[)])\\Z")


class ConfError(Exception):
    """The file cannot be read, or the edit not made: `message`, its `code`, and `line`, counted from 1, or None."""

    def __init__(self, line, code, message):
        super(ConfError, self).__init__("line %s: %s" % (line, message) if line else message)
        self.line = line
        self.code = code
        self.message = message


class Problem:
    """Something that keeps the board from booting as meant.

    `code` identifies the kind of problem; `message` states it and ends with the `remedy`. `label` is the label it
    concerns, None where it concerns the whole file; `certain` is false for a mere warning;
    `missing` is true where a file is not there, which the label's `key` names.
    """

    def __init__(self, line, code, problem, remedy, label=None, certain=True, missing=False, key=None):
        self.line = line
        self.code = code
        self.message = "%s. %s" % (problem, remedy)
        self.remedy = remedy
        self.label = label
        self.certain = certain
        self.missing = missing
        self.key = key


class Line:
    """One line: `head` (indentation, keyword, blanks), `value` and `end` are together its bytes.

    `key` says what it is: '' for a comment or an empty line, 'unknown', or one of the names above.
    """

    def __init__(self, head, key, value, end):
        self.head = head
        self.key = key
        self.value = value
        self.end = end

    def data(self):
        """Return the line's bytes."""
        return self.head + self.value + self.end

    def keyword(self):
        """Return the keyword as it is written."""
        return self.head.strip(BLANKS)


class Label:
    """A label as U-Boot reads it: its name, the index of each key's line that holds, and the lines it covers."""

    def __init__(self, name, start):
        self.name = name
        self.start = start
        self.keys = {}
        # The last line that U-Boot reads as the label's, and the last that a person would call the label's.
        self.last = start
        self.end = start
        # (index, keyword) of the line that ended it before another label or the menu's own keywords did.
        self.closer = None
        self.append_initrd = None


def text(value):
    """Return bytes as text, for messages and results."""
    return value.decode("utf-8", "replace")


def show(value):
    """Return bytes as text in quotes, with what cannot be seen written out."""
    return "'%s'" % UNSEEN.sub(lambda found: "\\x%02x" % ord(found.group()), text(value))


def _line(raw, in_label):
    """Return the Line for the bytes of one line; in a label a MENU TITLE, say, means nothing."""
    body = raw.rstrip(b"\n")
    end = raw[len(body) :]
    if body.endswith(b"\r"):
        body, end = body[:-1], b"\r" + end
    start = GAP.match(body).end()
    if start == len(body) or body[start : start + 1] == b"#":
        return Line(body, "", b"", end)
    stop = TOKEN.match(body, start).end()
    key = KEYWORDS.get(body[start:stop].lower(), "unknown")
    value = GAP.match(body, stop).end()
    if key == "menu":
        stop = TOKEN.match(body, value).end()
        word = body[value:stop].lower()
        found = MENU_KEYWORDS_IN_LABEL.get(word) or (None if in_label else MENU_KEYWORDS.get(word))
        if found:
            key = found
            value = GAP.match(body, stop).end()
    return Line(body[:value], key, body[value:], end)


class Conf:
    """A parsed file, as U-Boot reads it.

    `lines`; `labels` in their order; `default`, the label that the file names as its default (bytes, or None
    without any label); `booted`, the label that is booted by itself; `default_lines`, indexes of DEFAULT and
    ONTIMEOUT; `timeout` in tenths of a second, None where none is set; `includes`, indexes of lines that include
    another file.
    """

    reader = "U-Boot"
    label_keys = LABEL_KEYS

    def __init__(self, data):
        if b"\x00" in data:
            raise ConfError(
                data.count(b"\n", 0, data.index(b"\x00")) + 1,
                "nul-byte",
                "the file is not text: it contains a NUL byte, at which %s stops reading. Restore it from a backup"
                % self.reader,
            )
        if len(data) > SIZE_LIMIT:
            raise ConfError(
                None,
                "file-too-large",
                "the file has %d bytes or more; an extlinux.conf has at most %d. Set `path` to the board's "
                "extlinux.conf" % (len(data), SIZE_LIMIT),
            )
        self.lines = []
        self._read(data)

    def data(self):
        """Return the file's bytes."""
        return b"".join(line.data() for line in self.lines)

    def label(self, name):
        """Return the label of this name (of several the last, as U-Boot), or None."""
        for label in reversed(self.labels):
            if label.name == name:
                return label
        return None

    @property
    def booted(self):
        """The name of the label that is booted by itself: without one of the default's name the first, or None."""
        if self.default is not None and self.label(self.default) is not None:
            return self.default
        return self.labels[0].name if self.labels else None

    def unknown(self, label):
        """Return the indexes of a label's lines with keywords that its loader does not know."""
        return [i for i in range(label.start + 1, label.end + 1) if self.lines[i].key == "unknown"]

    def value(self, label, key):
        """Return the value of a label's key, or None."""
        index = label.keys.get(key)
        return None if index is None else self.lines[index].value

    def initrd(self, label):
        """Return the initrd that U-Boot loads for a label, which APPEND may name, or None."""
        return label.append_initrd if label.append_initrd is not None else self.value(label, "initrd")

    def _read(self, data):
        self.labels, self.default_lines, self.timeout_lines, self.includes = [], [], [], []
        self._lost, self._swallowing, self._repeated = [], [], []
        self._menu = None
        menu_default = None
        label = None  # the label that U-Boot is reading
        whole = None  # the label that a person would say the line is in
        gap = False  # whether an empty line stands above
        for index, raw in enumerate(_split(data)):
            line = _line(raw, label is not None)
            self.lines.append(line)
            key = line.key
            if key == "":
                gap = gap or not line.head.strip(BLANKS)
                continue
            if label is None or key == "unknown":
                # What nobody reads belongs to the label that it is indented for or follows at once.
                whole = whole if line.head[:1] in (b" ", b"\t") or not gap else None
            gap = False
            if key in LABEL_KEYS and label is None:
                # U-Boot passes over it, with its value or without.
                self._lost.append((index, whole))
                if key.startswith("menu"):
                    self._menu = index if self._menu is None else self._menu
                if whole is not None:
                    whole.end = index
                continue
            if key not in WITHOUT_VALUE and (not line.value or line.value.startswith(b"#")):
                raise ConfError(
                    index + 1,
                    "value-missing",
                    "%s has no value, so U-Boot rejects the whole file or crashes. Add a value or delete the line"
                    % show(line.keyword()),
                )
            if key == "label":
                label = whole = Label(line.value, index)
                self.labels.append(label)
            elif key in LABEL_KEYS:
                if not self._read_in_label(index, line, label):
                    label.closer = index
                    label = None
                    whole.end = index
                    continue
                label.last = label.end = index
                if key == "menu default" and menu_default is None:
                    menu_default = label.name
            elif key.startswith("menu"):
                if not line.value or line.value.startswith(b"#"):
                    self._swallowing.append(index)
                if label is not None:
                    label.last = label.end = index
                    continue
                whole = None
                if self._menu is None:
                    self._menu = index
                if key == "menu include":
                    self.includes.append(index)
            elif key == "unknown":
                if label is not None:
                    label.closer = index
                    label = None
                if whole is not None:
                    whole.end = index
            else:
                label = whole = None
                if key in ("default", "ontimeout"):
                    self.default_lines.append(index)
                elif key == "timeout":
                    self.timeout_lines.append(index)
                elif key == "include":
                    self.includes.append(index)
        if self.default_lines:
            self.default = self.lines[self.default_lines[-1]].value
        elif menu_default is not None:
            self.default = menu_default
        else:
            self.default = self.labels[0].name if self.labels else None

    def _read_in_label(self, index, line, label):
        """Take a label's line in; return false where U-Boot ends the label at it."""
        key = line.key
        if key == "menu label" and (not line.value or line.value.startswith(b"#")):
            self._swallowing.append(index)
            return True
        if key in FIRST_HOLDS and (
            key in label.keys or (key == "initrd" and label.append_initrd is not None)
        ):
            self._repeated.append((index, label))
            return False
        label.keys[key] = index
        if key == "append" and "initrd" not in label.keys and label.append_initrd is None:
            found = line.value.find(b"initrd=")
            if found >= 0:
                label.append_initrd = line.value[found + len(b"initrd=") :].split(b" ")[0]
        return True

    @property
    def timeout(self):
        """The menu's timeout in tenths of a second, None where none is set."""
        if not self.timeout_lines:
            return None
        found = re.match(b"[0-9]+", self.lines[self.timeout_lines[-1]].value)
        return int(found.group()) if found else 0

    # Edits. Each leaves a file that was read anew.

    def _again(self, raws):
        data = b"".join(raws)
        self.lines = []
        self._read(data)

    def _newline(self):
        return b"\r\n" if self.lines and self.lines[0].end == b"\r\n" else b"\n"

    def _replace(self, changes):
        """Give the lines of these indexes new values."""
        raws = [line.data() for line in self.lines]
        for index, value in changes.items():
            line = self.lines[index]
            raws[index] = line.head + value + line.end
            if line.head[-1:] not in (b" ", b"\t") and value:
                raws[index] = line.head + b" " + value + line.end
        self._again(raws)

    def _insert(self, index, raws):
        """Put lines before the line of this index, and end the line above if nothing does."""
        before = [line.data() for line in self.lines[:index]]
        after = [line.data() for line in self.lines[index:]]
        raws = list(raws)
        if before and not before[-1].endswith(b"\n"):
            before[-1] = before[-1].rstrip(b"\r") + self._newline()
        self._again(before + raws + after)

    def _top(self):
        """Return the index where a line of the menu's own belongs: below the last such line above the labels."""
        first = self.labels[0].start if self.labels else len(self.lines)
        own = [index for index in range(first) if self.lines[index].key not in ("", "unknown")]
        return own[-1] + 1 if own else 0

    def _case(self, keyword):
        """Return a keyword in the case that the file uses."""
        for line in self.lines:
            if line.key not in ("", "unknown"):
                return keyword.upper() if line.keyword()[:1].isupper() else keyword.lower()
        return keyword.upper()

    def check_value(self, key, value):
        """Raise ConfError where the loader would not read back what is to be written."""
        check_value(key, value)

    def set_default(self, name):
        """Make a label the one that is booted by itself; every DEFAULT and ONTIMEOUT names it."""
        if self.label(name) is None:
            self.check_value("default", name)
            raise ConfError(None, "label-unknown", ". ".join(_unknown_label(self, "default", name)))
        self._replace({index: name for index in self.default_lines if self.lines[index].value != name})
        # Others read the file, too, and go by the line itself.
        if not any(self.lines[index].key == "default" for index in self.default_lines):
            self._insert(self._top(), [self._case(b"default") + b" " + name + self._newline()])

    def set_timeout(self, tenths):
        """Set the menu's timeout, in tenths of a second."""
        if self.timeout_lines:
            if self.timeout != tenths:
                self._replace({self.timeout_lines[-1]: b"%d" % tenths})
        else:
            self._insert(self._top(), [self._case(b"timeout") + b" %d" % tenths + self._newline()])

    def set_label(self, name, values, like=None, given=None, unread=None):
        """Make a label have these values: a dict of key and bytes, or None to take the key away.

        A label that is not there is added below the others, written as the label `like` or the first one is. `given`:
        the keys of `values` that a person gave, which must be such that the loader reads them back; None for all.
        `unread`: what the label is to have besides, as (keyword, value); None leaves what it has.
        """
        for key, value in sorted(values.items()):
            if value is not None and key != "kaslrseed" and (given is None or key in given):
                self.check_value(key, value)
        others = self._others(name)
        label = self.label(name)
        if label is None:
            self.check_value("label", name)
            self._check_room()
            self._add(name, values, like, unread or [])
            self._check_others(name, others)
            return
        for key in self.label_keys:
            if key not in values:
                continue
            label = self.label(name)
            old, new = self.value(label, key), values[key]
            if old == new:
                continue
            if new is None:
                self._drop([i for i in range(label.start, label.last + 1) if self.lines[i].key == key])
            elif old is not None:
                self._replace({label.keys[key]: new})
            else:
                above = [
                    label.keys[other]
                    for other in self.label_keys[: self.label_keys.index(key)]
                    if other in label.keys
                ]
                raw = self._head(label, key) + new
                self._insert(max([label.start] + above) + 1, [raw.rstrip(BLANKS) + self._newline()])
        label = self.label(name)
        if unread is not None and self.unread(label) != unread:
            self._drop(self.unknown(label))
            label = self.label(name)
            self._insert(label.last + 1, self._unread_lines(label, unread))
        self._check_others(name, others)

    def unread(self, label):
        """Return what a label has that its loader does not know: a list of (keyword, value), without outer blanks."""
        found = [self.lines[index] for index in self.unknown(label)]
        return [(line.keyword(), line.value.strip(BLANKS)) for line in found]

    def _unread_lines(self, template, unread):
        """Return the lines for what the loader does not know. They come last: U-Boot ends a label at the first."""
        indent = b"    "
        if template is not None and template.keys:
            head = self.lines[min(template.keys.values())].head
            indent = head[: GAP.match(head).end()]
        return [
            (indent + keyword + b" " + value).rstrip(BLANKS) + self._newline() for keyword, value in unread
        ]

    def _check_room(self):
        """Raise ConfError if the loader reads no more labels."""

    def _add(self, name, values, like, unread):
        template = self.label(like) if like is not None else None
        if template is None and self.labels:
            template = self.labels[0]
        raws = [
            self._head(template, key) + values[key] for key in self.label_keys if values.get(key) is not None
        ]
        raws.insert(0, self._head(template, "label") + name)
        raws = [raw.rstrip(BLANKS) + self._newline() for raw in raws]
        raws += self._unread_lines(template, unread)
        # Nothing below may become a part of the new label.
        own = [
            index
            for index, line in enumerate(self.lines)
            if line.key == "unknown" or line.key.startswith("menu")
        ]
        own += [index for index, _ in self._lost] + [one.end for one in self.labels]
        place = max(own) + 1 if self.labels else len(self.lines)
        if place and self.lines[place - 1].data().strip(b" \t\r\n"):
            raws.insert(0, self._newline())
        self._insert(place, raws)

    def remove_label(self, name):
        """Take a label away, with the comments between its lines and one empty line above."""
        others = self._others(name)
        label = self.label(name)
        start = label.start
        if start and not self.lines[start - 1].data().strip(b" \t\r\n"):
            start -= 1
        self._drop(range(start, label.end + 1))
        self._check_others(name, others)

    def _others(self, name):
        """Return what all but this label says."""
        labels = [
            (label.name, sorted((key, self.lines[index].value) for key, index in label.keys.items()))
            for label in self.labels
            if label.name != name
        ]
        return labels, self.timeout, self._menu is None, len(self._lost)

    def _check_others(self, name, others):
        """Raise ConfError where an edit of one label has changed what another line means."""
        if self._others(name) != others:
            raise ConfError(
                None,
                "label-not-editable",
                "label %s cannot be changed: nearby lines would then belong to another label. Edit the file by hand: "
                "move the menu's own lines above the labels" % show(name),
            )

    def _drop(self, indexes):
        gone = set(indexes)
        self._again([line.data() for index, line in enumerate(self.lines) if index not in gone])

    def _head(self, template, key):
        """Return what stands before a value in a new line, as a label writes it."""
        if template is not None and (key == "label" or key in template.keys):
            head = self.lines[template.start if key == "label" else template.keys[key]].head
            return head if head[-1:] in (b" ", b"\t") else head + b" "
        indent = b"" if key == "label" else b"    "
        if template is not None and template.keys:
            head = self.lines[min(template.keys.values())].head
            indent = head[: GAP.match(head).end()]
        return indent + self._case(key.encode("ascii")) + b" "

    def problems(self, look=None):
        """Return what a boot would stumble over, in the order of the lines.

        `look` is a function that gets the value of a LINUX, INITRD or FDT and returns None, or a code and the reason
        why U-Boot cannot load such a file ("is missing"); without it no file is checked.
        """
        found = []
        for index, line in enumerate(self.lines):
            if b"\r" in line.data() and not (line.key == "" and line.head.strip(BLANKS)):
                found.append(
                    Problem(
                        index + 1,
                        "carriage-return",
                        "the line contains a carriage return, which U-Boot reads as part of the value",
                        "Convert the file to Unix line ends: sed -i 's/\\r$//' FILE",
                    )
                )
                break
        if self.lines and self.lines[0].head.startswith(b"\xef\xbb\xbf"):
            word = self.lines[0].head[3:].strip(BLANKS).lower()
            if word in KEYWORDS:
                found.append(
                    Problem(
                        1,
                        "byte-order-mark",
                        "the file begins with a byte order mark, so U-Boot does not recognize %s"
                        % show(word),
                        "Delete the first three bytes: sed -i '1s/^\\xef\\xbb\\xbf//' FILE",
                    )
                )
        for index in self._swallowing:
            found.append(
                Problem(
                    index + 1,
                    "menu-value-missing",
                    "%s has no value, so U-Boot skips the next line" % show(self.lines[index].keyword()),
                    "Add a value or delete the line",
                )
            )
        found.extend(self._duplicates())
        for index, label in self._repeated:
            found.append(
                Problem(
                    index + 1,
                    "keyword-repeated",
                    "label %s has a second %s, at which U-Boot ends the label"
                    % (show(label.name), show(self.lines[index].keyword())),
                    "Delete one of them",
                    label.name,
                )
            )
        for index, label in self._lost:
            keyword = show(self.lines[index].keyword())
            if label is None:
                found.append(
                    Problem(
                        index + 1,
                        "keyword-outside-label",
                        "%s is outside of a label, so U-Boot ignores it" % keyword,
                        "Move it below its LABEL",
                    )
                )
                continue
            message = "%s is ignored: U-Boot ends label %s at %s in line %d" % (
                keyword,
                show(label.name),
                show(self.lines[label.closer].keyword()),
                label.closer + 1,
            )
            remedy = "Move line %d below this one" % (label.closer + 1)
            found.append(Problem(index + 1, "keyword-unreachable", message, remedy, label.name))
        found.extend(self._menu_problems())
        for label in self.labels:
            found.extend(self._label_problems(label, look))
        return sorted(found, key=lambda problem: problem.line)

    def _duplicates(self, effect="", certain=True):
        first = {}
        for label in self.labels:
            if label.name in first:
                yield Problem(
                    label.start + 1,
                    "label-duplicate",
                    "label %s is already defined in line %d%s"
                    % (show(label.name), first[label.name], effect),
                    "Rename or delete one of them",
                    certain=certain,
                )
            first.setdefault(label.name, label.start + 1)

    def _menu_problems(self):
        if not self.labels and not self.includes:
            yield Problem(
                1,
                "labels-missing",
                "the file has no LABEL, so %s has nothing to boot" % self.reader,
                "Restore it from a backup",
            )
            return
        last_default = self.default_lines[-1] if self.default_lines else -1
        if self.default_lines and self.label(self.default) is None:
            yield self._default_problem()
        if self.includes:
            line = self.includes[-1]
            certain = last_default < line
            yield Problem(
                line + 1,
                "include-not-read",
                "%s includes %s, which this module does not read%s"
                % (
                    show(self.lines[line].keyword()),
                    show(self.lines[line].value),
                    " and which may set another default" if certain else "",
                ),
                "Move DEFAULT below this line" if certain else "Check the labels of that file by hand",
                certain=certain,
            )
        if self._menu is not None and (self.timeout or 0) < 10:
            line = self.timeout_lines[-1] if self.timeout_lines else self._menu
            yield Problem(
                line + 1,
                "menu-waits-forever",
                "%s, so U-Boot shows its menu and waits for a key forever"
                % (
                    "TIMEOUT is %s" % show(self.lines[line].value)
                    if self.timeout_lines
                    else "the file has a menu but no TIMEOUT"
                ),
                "Set a timeout of 10 or more (tenths of a second). If the board has L4T 34 or later, set "
                "`loader: l4tlauncher` instead",
            )

    def _default_problem(self):
        """Return the problem that the default is no label: a mere warning if the label that is meant boots anyway."""
        what, remedy = _unknown_label(self, "default", self.default)
        meant = self.booted is not None and self.booted.strip(BLANKS) == self.default.strip(BLANKS)
        if meant:
            remedy = "Delete the blanks at the end of the line. Until then %s boots the first label, %s" % (
                self.reader,
                show(self.booted),
            )
        return Problem(self.default_lines[-1] + 1, "label-unknown", what, remedy, certain=not meant)

    def _label_problems(self, label, look):
        name = show(label.name)

        def problem(key, code, message, remedy, certain=True, missing=False):
            line = label.keys.get(key, label.start) + 1
            return Problem(line, code, message, remedy, label.name, certain, missing, key)

        late = [key for key in NEW_KEYS if key in label.keys and label.keys[key] < label.last]
        if late:
            yield problem(
                late[0],
                "keyword-too-new",
                "%s in label %s: a U-Boot older than 2021 does not know this keyword and ends the label there"
                % (show(self.lines[label.keys[late[0]]].keyword()), name),
                "Move it to the end of the label",
                certain=False,
            )
        if "localboot" in label.keys:
            return
        linux = self.value(label, "linux")
        if linux is None:
            yield problem("label", "kernel-not-set", "label %s has no kernel" % name, "Add LINUX")
        files = [("linux", linux.split(b"#")[0] if linux else linux), ("initrd", self.initrd(label))]
        files.append(("fdt", self.value(label, "fdt")))
        for key, value in files:
            why = look(value) if look is not None and value is not None else None
            if why:
                code, why = why
                yield problem(
                    key if key in label.keys else "append",
                    code,
                    "%s %s of label %s %s" % (key.upper(), show(value), name, why),
                    "Install the file, or set %s to another one" % key,
                    missing=True,
                )
        append = self.value(label, "append") or b""
        if len(append) > APPEND_LIMIT:
            yield problem(
                "append",
                "append-too-long",
                "APPEND of label %s has %d bytes; U-Boot boots labels with at most %d"
                % (name, len(append), APPEND_LIMIT),
                "Shorten it",
            )
        words = kernel_words(append)
        roots = [position for position, word in enumerate(words) if word.startswith(b"root=")]
        macros = [position for position, word in enumerate(words) if MACRO.match(word)]
        if len(roots) > 1:
            yield problem(
                "append",
                "root-duplicate",
                "APPEND of label %s has %d roots, %s"
                % (name, len(roots), " and ".join(show(words[position]) for position in roots)),
                "Keep one of them",
            )
        elif roots and macros and macros[-1] > roots[0]:
            yield problem(
                "append",
                "root-before-variable",
                "in APPEND of label %s, %s is before %s, which may contain another root; the kernel uses the last one"
                % (name, show(words[roots[0]]), show(words[macros[-1]])),
                "Move %s to the end" % show(words[roots[0]]),
            )
        elif not roots and not macros and linux is not None:
            yield problem(
                "append",
                "root-not-set",
                "APPEND of label %s has no root" % name,
                "Add one, for example root=PARTUUID=1234abcd-01",
            )

    def describe(self, label):
        """Return a label as text: its keys, the line it begins in, and its root (None where APPEND has none)."""
        known = {
            key.replace(" ", "_"): text(self.lines[index].value)
            for key, index in label.keys.items()
            if key not in ("menu default", "kaslrseed")
        }
        for keyword, value in self.unread(label):
            known.setdefault(text(keyword).lower(), text(value))
        if label.append_initrd is not None:
            known["initrd"] = text(label.append_initrd)
        roots = [
            word for word in kernel_words(self.value(label, "append") or b"") if word.startswith(b"root=")
        ]
        known["root"] = text(roots[-1][len(b"root=") :]) if roots else None
        known["line"] = label.start + 1
        return known


class LauncherConf(Conf):
    """A parsed file, as L4TLauncher reads it; the attributes are those of `Conf`."""

    reader = "L4TLauncher"
    label_keys = LAUNCHER_LABEL_KEYS

    def label(self, name):
        """Return the label of this name (of several the first), or None."""
        for label in self.labels:
            if label.name == name:
                return label
        return None

    def _read(self, data):
        self.labels, self.default_lines, self.timeout_lines, self.includes = [], [], [], []
        self._lost, self._swallowing, self._repeated = [], [], []
        self._menu = None
        self._misread, self._surplus = [], []
        label = whole = None
        gap = False
        for index, raw in enumerate(_split(data)):
            line = _launcher_line(raw)
            self.lines.append(line)
            key = line.key
            if key == "":
                gap = gap or not line.data().strip(b" \t\r\n")
                continue
            if key == "unknown":
                if line.keyword().startswith(b"FDT"):
                    self._misread.append((index, label))
                # What nobody reads belongs to the label that it is indented for or follows at once.
                whole = whole if line.head[:1] in (b" ", b"\t") or not gap else None
                if whole is not None:
                    whole.end = index
            elif key == "label" and len(self.labels) < LAUNCHER_LABELS:
                label = whole = Label(line.value, index)
                self.labels.append(label)
            elif key == "label":
                self._surplus.append(index)
                whole = None
            elif key in LAUNCHER_LABEL_KEYS:
                if label is None:
                    self._lost.append((index, None))
                    continue
                label.keys[key] = index
                label.last = label.end = index
                whole = label
            elif key == "default":
                self.default_lines.append(index)
            elif key == "timeout":
                self.timeout_lines.append(index)
            gap = False
        if self.default_lines:
            self.default = self.lines[self.default_lines[-1]].value
        else:
            self.default = self.labels[0].name if self.labels else None

    def _case(self, keyword):
        return keyword.upper()

    def _check_room(self):
        if len(self.labels) >= LAUNCHER_LABELS:
            raise ConfError(
                None,
                "labels-too-many",
                "the file has %d labels, and L4TLauncher reads no more. Remove one of them"
                % len(self.labels),
            )

    def check_value(self, key, value):
        """Raise ConfError where L4TLauncher would not read back what is to be written."""
        Conf.check_value(self, key, value)
        if b"#" in value:
            raise ConfError(
                None,
                "value-comment",
                "%s: %s contains '#', at which L4TLauncher ends the line. Set it to text without '#'"
                % (key.replace(" ", "_"), show(value)),
            )

    def problems(self, look=None):
        """Return what a boot would stumble over; see `Conf.problems`."""
        found = list(self._menu_problems())
        found.extend(self._duplicates(", which L4TLauncher boots", certain=False))
        for index in self._surplus:
            found.append(
                Problem(
                    index + 1,
                    "labels-too-many",
                    "L4TLauncher reads %d labels; the lines of label %s change label %s"
                    % (LAUNCHER_LABELS, show(self.lines[index].value), show(self.labels[-1].name)),
                    "Remove a label",
                )
            )
        for index, _ in self._lost:
            found.append(
                Problem(
                    index + 1,
                    "keyword-outside-label",
                    "%s is above the first label, so L4TLauncher ignores it"
                    % show(self.lines[index].keyword()),
                    "Move it below its LABEL",
                )
            )
        for index, label in self._misread:
            found.append(
                Problem(
                    index + 1,
                    "keyword-misread",
                    "L4TLauncher does not know %s and reads it as FDT" % show(self.lines[index].keyword()),
                    "Use FDT and OVERLAYS",
                    None if label is None else label.name,
                    certain=False,
                )
            )
        for label in self.labels:
            found.extend(self._label_problems(label, look))
        return sorted(found, key=lambda problem: problem.line)

    def _label_problems(self, label, look):
        name = show(label.name)

        def problem(key, code, message, remedy, certain=True, missing=False):
            line = label.keys.get(key, label.start) + 1
            return Problem(line, code, message, remedy, label.name, certain, missing, key)

        if not self.value(label, "linux"):
            yield problem("label", "kernel-not-set", "label %s has no kernel" % name, "Add LINUX")
        files = [(key, self.value(label, key)) for key in ("linux", "initrd", "fdt")]
        overlays = self.value(label, "overlays")
        if overlays and self.value(label, "fdt"):
            files += [("overlays", each) for each in overlays.split(b",")]
        elif overlays:
            yield problem(
                "overlays",
                "overlays-without-fdt",
                "label %s has OVERLAYS but no FDT, so L4TLauncher ignores them" % name,
                "Add FDT, the device tree that the overlays change",
                certain=False,
            )
        for key, value in files:
            why = look(value) if look is not None and value else None
            if why:
                code, why = why
                yield problem(
                    key,
                    code,
                    "%s %s of label %s %s" % (key.upper(), show(value), name, why),
                    "Install the file, or set %s to another one" % key,
                    missing=True,
                )
        roots = [
            word for word in kernel_words(self.value(label, "append") or b"") if word.startswith(b"root=")
        ]
        if len(roots) > 1:
            yield problem(
                "append",
                "root-duplicate",
                "APPEND of label %s has %d roots, %s" % (name, len(roots), " and ".join(map(show, roots))),
                "Keep one of them",
            )
        elif not roots and self.value(label, "linux"):
            yield problem(
                "append",
                "root-not-set",
                "APPEND of label %s has no root, and L4TLauncher puts nothing in place of ${cbootargs}"
                % name,
                "Add one, for example root=PARTUUID=1234abcd-01",
                certain=False,
            )


def _split(data):
    """Return the lines of a file, with their ends."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _launcher_line(raw):
    """Return the Line that L4TLauncher sees in the bytes of one line; a comment behind the value is in its `end`."""
    content = raw.rstrip(b"\n").split(b"#")[0].rstrip(b"\r" + BLANKS)
    start = GAP.match(content).end()
    if start == len(content):
        bare = raw.rstrip(b"\r\n")
        return Line(bare, "", b"", raw[len(bare) :])
    for keyword, key in LAUNCHER_KEYWORDS:
        stop = start + len(keyword)
        # FDTDIR would be an FDT called "DIR ..."; it stays what it is.
        if content[start:stop] == keyword and not (key == "fdt" and content[stop : stop + 1].isalnum()):
            break
    else:
        key, stop = "unknown", TOKEN.match(content, start).end()
    value = GAP.match(content, stop).end()
    return Line(content[:value], key, content[value:], raw[len(content) :])


def parse(data, loader="u-boot"):
    """Return the Conf for a file's bytes as one of LOADERS reads them.

    Raises ConfError, with the line, if U-Boot would reject the file.
    """
    return (LauncherConf if loader == "l4tlauncher" else Conf)(data)


def loader_of(data, l4t=None):
    """Return which of LOADERS reads a file: by the board's release of L4T ("32.7.1"), else by the file itself.

    U-Boot knows no OVERLAYS, and NVIDIA's tools write it for L4TLauncher only.
    """
    release = re.match("[0-9]+", l4t or "")
    if release:
        return LOADERS[int(release.group()) >= LAUNCHER_FROM]
    return LOADERS[re.search(b"(?m)^[ \t]*OVERLAYS[ \t]", data) is not None]


def check_value(key, value):
    """Raise ConfError where U-Boot would not read back what is to be written."""
    found = None
    if not value:
        found = "value-empty", "is empty"
    elif CONTROL.search(value):
        found = "value-control-character", "contains a line end or another control character"
    elif value.strip(BLANKS) != value:
        found = "value-outer-blank", "begins or ends with a blank"
    elif value.startswith(b"#"):
        found = "value-comment", "begins with '#', so U-Boot reads it as a comment"
    if found:
        code, why = found
        message = "%s: %s %s. Set it to one line of text" % (key.replace(" ", "_"), show(value), why)
        raise ConfError(None, code, message)


def _unknown_label(conf, what, name):
    """Return problem and remedy for a label that does not exist, with the one that was probably meant."""
    near = [label.name for label in conf.labels if label.name.strip().lower() == name.strip().lower()]
    if near:
        hint = "; did you mean %s? %s compares every letter and blank" % (show(near[0]), conf.reader)
    elif conf.labels:
        hint = "; the file has %s" % ", ".join(show(label.name) for label in conf.labels)
    else:
        hint = ""
    return "%s: unknown label %s%s" % (
        what.upper(),
        show(name),
        hint,
    ), "Use one of the file's labels, or add this one"


def _words(append):
    """Return (start, end) of the kernel's words in an APPEND: those before a word that is `--`."""
    spans = []
    for found in WORD.finditer(append):
        if found.group() == b"--":
            break
        spans.append(found.span())
    return spans


def kernel_words(append):
    """Return the kernel's words in an APPEND; what stands behind `--` is for init, and left out."""
    return [append[start:end] for start, end in _words(append)]


def edit_append(append, settings, removals):
    """Return APPEND without the words `removals` and with the words `settings`; all else stays as it is.

    `settings`: list of (key, list of words); the words take the place of the first word of this key, and are added at
    the end where there is none. `removals`: a word with '=' means exactly this word, one without also every value.
    """
    for word in [word for _, words in settings for word in words] + list(removals):
        if CONTROL.search(word):
            check_value("append", word)
        if word == b"--" or not WORD.match(word) or WORD.match(word).group() != word or word.count(b'"') % 2:
            raise ConfError(
                None,
                "word-invalid",
                "APPEND: %s is not one word. Put words with blanks into double quotes" % show(word),
            )

    def is_of(word, key):
        return word == key or word.startswith(key + b"=")

    for removal in removals:
        for start, end in reversed(_words(append)):
            word = append[start:end]
            if word == removal or (b"=" not in removal and is_of(word, removal)):
                rest = append[end:].lstrip(BLANKS)
                kept = append[:start].rstrip(BLANKS) if not rest else append[:start]
                append = kept + rest
    for key, words in settings:
        spans = [span for span in _words(append) if is_of(append[span[0] : span[1]], key)]
        if [append[start:end] for start, end in spans] == words:
            continue
        for start, end in reversed(spans[1:]):
            rest = append[end:].lstrip(BLANKS)
            append = (append[:start].rstrip(BLANKS) if not rest else append[:start]) + rest
        new = b" ".join(words)
        if spans:
            start, end = spans[0]
            append = append[:start] + new + append[end:]
        else:
            spans = _words(append)
            end = spans[-1][1] if spans else 0
            rest = append[end:]
            append = append[:end] + (b" " if end else b"") + new + (b" " if rest and not end else b"") + rest
    return append
