"""A Jetson's root on its USB disk: where it was asked for it is there, with the SD card to fall back to."""

from urllib.parse import unquote

import pytest

from tests.host.found import Found

pytestmark = [pytest.mark.managed, pytest.mark.jetson]

LABEL = "edgebench-usb"


@pytest.fixture
def moved(found: Found) -> Found:
    """A host whose root is to be on a USB disk."""
    if not found.declared["jetson_usb_root_disk"]:
        pytest.skip("jetson_usb_root_disk is not set")
    return found


def labels(host: Found) -> tuple[str, dict[str, dict[str, str]]]:
    """Return DEFAULT and label → keyword → value, as they stand in extlinux.conf."""
    section = host["extlinux"]
    host.check(
        section.ok,
        f"/boot/extlinux/extlinux.conf cannot be read: {section.why}",
        host.there("findmnt /boot; sudo ls -l /boot"),
    )
    default, found, label = "", dict[str, dict[str, str]](), ""
    for line in section.lines:
        key, _, value = line.strip().partition(" ")
        key, value = key.upper(), value.strip()
        if key == "DEFAULT":
            default = value
        elif key == "LABEL":
            label = value
            found[label] = {}
        elif label and not key.startswith("#"):
            found[label][key] = value
    return default, found


def root_of(label: dict[str, str]) -> str:
    return next(
        (word[5:] for word in reversed(label.get("APPEND", "").split()) if word.startswith("root=")), ""
    )


def test_root_is_on_usb(moved: Found) -> None:
    disk, root = moved["usb_disk"].out, moved["root_disk"].out
    moved.check(
        disk, f"{moved.declared['jetson_usb_root_disk']} is not there", moved.there("ls -l /dev/disk/by-id")
    )
    moved.check(
        root == disk,
        f"its root is on {root}, and jetson_usb_root_disk is {disk}",
        f"{moved.there('sudo edgebench-usb-root status; sudo cat /boot/edgebench/log')}, then "
        + moved.provision("jetson_usb_root"),
    )


def test_swap_is_on(moved: Found) -> None:
    if float(moved.declared["jetson_usb_root_swap_gb"]) == 0:
        return
    disk = moved["usb_disk"].out
    swaps = moved["swaps"].lines
    moved.check(
        any(line.split()[0].startswith(disk) for line in swaps),
        f"there is no swap on {disk} (there is: {', '.join(line.split()[0] for line in swaps) or 'none'})",
        moved.provision("jetson_usb_root"),
    )


def test_extlinux_conf_is_sane(moved: Found) -> None:
    default, found = labels(moved)
    remedy = moved.provision("jetson_usb_root")
    moved.check(
        default == LABEL, f"extlinux.conf's DEFAULT is {default or 'missing'}, expected {LABEL}", remedy
    )
    moved.check(LABEL in found, f"extlinux.conf has no label {LABEL}", remedy)
    words = found[LABEL].get("APPEND", "").split()
    moved.check("rootwait" not in words, f"the label {LABEL} has rootwait, which waits for ever", remedy)
    for word in ("panic=", "edgebench.trial=", "edgebench.sd="):
        moved.check(any(each.startswith(word) for each in words), f"the label {LABEL} has no {word}", remedy)
    missing = moved["boot_missing"].lines
    moved.check(not missing, f"extlinux.conf names files that are not there: {', '.join(missing)}", remedy)


def test_sd_card_can_be_fallen_back_to(moved: Found) -> None:
    _, found = labels(moved)
    words = found.get(LABEL, {}).get("APPEND", "").split()
    back = unquote(
        next((word.partition("=")[2] for word in words if word.startswith("edgebench.trial=")), "")
    )
    moved.check(
        back in found,
        f"extlinux.conf has no label {back!r} that boots from the SD card",
        moved.there("sudo ls -l /boot/extlinux"),
    )
    moved.check(
        root_of(found[back]) != root_of(found[LABEL]),
        f"the label {back} boots the USB disk, too (root={root_of(found[back])})",
        moved.there("sudo nano /boot/extlinux/extlinux.conf"),
    )
    boot = moved["boot_source"].out
    moved.check(
        boot and not boot.startswith(moved["usb_disk"].out),
        f"/boot is {boot or 'no mount'}, not the SD card's: updates of the kernel would not reach the board",
        f"{moved.there('sudo mount -a')}, then {moved.provision('jetson_usb_root')}",
    )


def test_every_boot_is_confirmed(moved: Found) -> None:
    unit = moved.unit("edgebench-usb-root.service")
    moved.check(
        unit["UnitFileState"] == "enabled",
        f"edgebench-usb-root.service is {unit['UnitFileState'] or 'missing'}, expected enabled",
        moved.provision("jetson_usb_root"),
    )
    moved.check(
        unit["ActiveState"] == "active",
        f"edgebench-usb-root.service is {unit['ActiveState']}: this boot was not confirmed",
        moved.there("sudo journalctl -b -u edgebench-usb-root; sudo edgebench-usb-root status"),
    )
