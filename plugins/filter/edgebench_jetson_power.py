# Copyright the edgebench authors. Licensed under Apache-2.0.
"""What a Jetson's supply can feed: the power mode, the budget, and what went wrong since boot."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

DOCUMENTATION = r"""
name: edgebench_jetson_power
short_description: Decide on a Jetson's power mode and say how it is powered
description:
  - >-
    Reads what the script look.sh of the role jetson_power found on a board, holds the wanted power mode and all that
    draws power against the declared supply, and says what is to be set, what is refused and what a person should do.
  - >-
    The filter C(edgebench_jetson_power_problems) of the same file takes no findings and says what cannot be as it is
    declared, whatever the board.
  - Touches no host. Never fails by itself.
positional: declared, boards
options:
  _input:
    description: The lines of look.sh.
    type: list
    elements: str
    required: true
  declared:
    description: >-
      What the inventory says, with the keys host, supply, volts, amperes (or null), mode (or empty), override,
      usb_fed_elsewhere, fan; what the facts say, with the keys l4t and board; C(no_clocks), why jetson_clocks is not
      used (empty where it is), and C(pending), whether a mode that differs was tried to be set.
    type: dict
    required: true
  boards:
    description: The content of files/jetson_boards.yml.
    type: dict
    required: true
author: The edgebench authors
"""

EXAMPLES = r"""
power: "{{ look.stdout_lines | edgebench_jetson_power(declared, boards) }}"
"""

RETURN = r"""
_value:
  description: >-
    C(problems), why the mode is refused; C(change), whether C(wanted) is to be set, with its number in C(id);
    C(present), the present mode; C(modes), the board's; C(tools), paths by name; C(running), whether a benchmark runs;
    C(warnings), each with a remedy; C(needed_w) and C(supply_w), the budget; C(report), lines for a person. Each
    problem and each warning ends with its code in brackets.
  type: dict
"""

WIDTH = 108
WATTS = re.compile(r"(?:^|_)(\d+)W(?:_|$)")
MODULE = re.compile(r"p3448-000\d")


@dataclass
class Look:
    """What was found on the board."""

    compatible: list[str] = field(default_factory=list)
    tools: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    present: str = ""
    errors: list[str] = field(default_factory=list)
    running: bool = False
    usb: list[str] = field(default_factory=list)
    over_current: list[tuple[float, str]] = field(default_factory=list)
    throttled: list[tuple[float, str]] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    cooling: list[str] = field(default_factory=list)
    rails: list[tuple[str, int, int]] = field(default_factory=list)
    zones: dict[str, float] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The part number of the module, empty where it is not one that is known by it."""
        found = MODULE.search(" ".join(self.compatible))
        return found.group() if found else ""


def read_look(lines: Iterable[str]) -> Look:
    """Return what look.sh has written; lines that are not its own are passed over."""
    look = Look()
    for line in lines:
        key, *values = line.split(" ", 2)
        text = line.partition(" ")[2]
        try:
            if key == "compatible":
                look.compatible.append(text)
            elif key == "tool":
                look.tools[values[0]] = values[1]
            elif key == "mode":
                look.modes[values[1]] = int(values[0])
            elif key == "present":
                look.present = text
            elif key == "error":
                look.errors.append(text)
            elif key == "benchmark":
                look.running = True
            elif key == "usb":
                look.usb.append(values[1].strip() if len(values) > 1 else values[0])
            elif key == "over_current":
                look.over_current.append((float(values[0]), values[1]))
            elif key == "throttle":
                look.throttled.append((float(values[0]), values[1]))
            elif key == "counted":
                look.counted[values[1]] = int(values[0])
            elif key == "alarm":
                look.alarms.append(f"{values[1]} ({'critical' if values[0] == 'crit' else 'warning'})")
            elif key == "cooling":
                state, top, kind = text.split(" ", 2)
                look.cooling.append(f"{kind} at {state} of {top}")
            elif key == "rail":
                current, voltage, name = text.split(" ", 2)
                look.rails.append((name, int(current), int(voltage)))
            elif key == "zone":
                look.zones[values[1]] = int(values[0]) / 1000
        except (IndexError, ValueError):
            # What a board says in another way than those that are known must not end the play.
            continue
    look.over_current.sort()
    look.throttled.sort()
    return look


@dataclass
class Supply:
    """The declared supply."""

    kind: str
    volts: float
    amperes: float
    known: Mapping[str, Any]
    volts_5: tuple[float, float]

    @property
    def watts(self) -> float:
        """What it gives."""
        return self.volts * self.amperes

    @property
    def of_5_v(self) -> bool:
        """Whether it is one of 5 V, so that amperes can be compared."""
        return self.volts_5[0] <= self.volts <= self.volts_5[1]

    def shown(self, watts: float) -> str:
        """Return a power as a person compares it with this supply: amperes at 5 V, else watts."""
        return f"{watts / 5:.1f} A" if self.of_5_v else f"{watts:.1f} W"


def supply_of(declared: Mapping[str, Any], boards: Mapping[str, Any]) -> Supply:
    """Return the declared supply; where no amperes are said, what such a socket is usually fed by."""
    known = boards["supplies"][declared["supply"]]
    amperes = declared.get("amperes")
    low, high = boards["volts_5"]
    return Supply(
        kind=declared["supply"],
        volts=float(declared["volts"]),
        amperes=float(known["amperes"] if amperes in (None, "") else amperes),
        known=known,
        volts_5=(low, high),
    )


def sentence(mode: str, supply: Supply) -> str:
    """Return what a person must write to have a mode that the supply cannot feed."""
    return f"I know that {mode} on {supply.known['of_name']} shuts the board down"


def mode_watts(mode: str, module: str, boards: Mapping[str, Any]) -> float | None:
    """Return what a mode draws under load, None where nobody knows."""
    modes = boards["modules"].get(module, {}).get("modes", {})
    if mode in modes:
        return float(modes[mode]) * 5
    named = WATTS.search(mode)
    return float(named.group(1)) if named else None


def least_watts(mode: str, boards: Mapping[str, Any]) -> float | None:
    """Return the least that a mode draws on any module, None where nobody knows."""
    known = [mode_watts(mode, module, boards) for module in boards["modules"]]
    return min((watts for watts in known if watts is not None), default=None)


def refusal(
    mode: str, watts: float | None, supply: Supply, override: str, boards: Mapping[str, Any]
) -> str | None:
    """Return why a mode is refused, or None."""
    # MAXN has no limit of its own: whatever the module, micro-USB is not what it is for.
    without_limit = supply.kind == "micro_usb" and mode.startswith("MAXN")
    too_much = watts is not None and watts > supply.watts + 0.01
    if not (without_limit or too_much) or override.strip().rstrip(".") == sentence(mode, supply):
        return None
    draws = f"draws about {supply.shown(watts)} under load" if watts is not None else "has no limit"
    remedy = (
        boards["j48"]
        if supply.kind == "micro_usb"
        else (
            f"What to do: feed the barrel jack with at least {supply.shown(watts or 0)} and declare that in "
            "jetson_power_supply_a, or set jetson_power_mode to a smaller mode. Otherwise the board shuts down during "
            "a run, without a message."
        )
    )
    given = f" (it is {override!r} now)" if override else ""
    return (
        f"the power mode {mode} {draws}, but the declared supply at {supply.known['of_name']} gives only "
        f"{supply.amperes:g} A at {supply.volts:g} V. {remedy.strip()} To override, set jetson_power_override to this "
        f'exact sentence{given}: "{sentence(mode, supply)}" [supply-too-weak]'
    )


def declared_problems(declared: Mapping[str, Any], boards: Mapping[str, Any]) -> list[str]:
    """Return what cannot be as it is declared, whatever the board; see DOCUMENTATION."""
    if declared.get("supply") not in boards["supplies"]:
        # Missing and misspelt ones are refused by the check of all variables, in its words.
        return []
    host, supply = declared["host"], supply_of(declared, boards)
    problems = []
    limit = supply.known.get("limit_a")
    if limit is not None and supply.amperes > limit:
        problems.append(
            f"jetson_power_supply_a is {supply.amperes:g}, but micro-USB gives at most {limit:g} A from any supply. "
            f"{boards['j48'].strip()} [supply-current-wrong]"
        )
    if supply.kind == "micro_usb" and not supply.of_5_v:
        problems.append(
            f"jetson_power_supply_v is {supply.volts:g}, but micro-USB has 5 V. Correct it, or declare the socket "
            "that is used in jetson_power_supply [supply-voltage-wrong]"
        )
    mode = str(declared.get("mode") or "")
    if mode and not problems:
        why = refusal(mode, least_watts(mode, boards), supply, str(declared.get("override") or ""), boards)
        problems += [why] if why else []
    return [f"{host}: {problem}" for problem in problems]


def power(lines: Iterable[str], declared: Mapping[str, Any], boards: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be done and said; see DOCUMENTATION."""
    look, supply = read_look(lines), supply_of(declared, boards)
    wanted, problems = _wanted(look, declared, supply)
    if look.module and not supply.of_5_v:
        problems.append(
            f"jetson_power_supply_v is {supply.volts:g}, but this board, a {boards['modules'][look.module]['name']}, "
            "takes 5 V: a higher voltage destroys it. If the supply is wrong, unplug it; if the variable is wrong, "
            "correct it [supply-voltage-wrong]"
        )
    in_use = wanted or look.present
    watts = mode_watts(in_use, look.module, boards) if in_use else None
    if wanted and not problems:
        why = refusal(wanted, watts, supply, str(declared.get("override") or ""), boards)
        problems += [why] if why else []
    budget = _budget(in_use, watts, look, declared, boards)
    needed = sum(part for _, part in budget)
    change = bool(wanted) and wanted != look.present
    pending = (
        [
            f"the board is in the power mode {look.present} and must reboot to change to {wanted}. Allow the reboot: "
            f"ansible-playbook provision.yml -l {declared['host']} --tags jetson_power -e jetson_power_reboot=true "
            "[power-mode-needs-reboot]"
        ]
        if change and declared.get("pending")
        else []
    )
    warnings = [
        *pending,
        *_mode_warnings(look, in_use, watts),
        *_budget_warnings(budget, needed, look, declared, supply, boards),
        *_event_warnings(look, supply, boards),
    ]
    return {
        "problems": [f"{declared['host']}: {problem}" for problem in problems],
        "change": change,
        "wanted": wanted,
        "id": look.modes.get(wanted, -1),
        "present": look.present,
        "modes": list(look.modes),
        "tools": look.tools,
        "running": look.running,
        "warnings": warnings,
        "needed_w": round(needed, 2),
        "supply_w": round(supply.watts, 2),
        "report": _report(look, declared, supply, boards, budget, needed, wanted, warnings),
    }


def _wanted(look: Look, declared: Mapping[str, Any], supply: Supply) -> tuple[str, list[str]]:
    """Return the mode to set, empty for leaving it, and why it cannot be."""
    asked = str(declared.get("mode") or "")
    offered = ", ".join(look.modes)
    if "nvpmodel" not in look.tools:
        if asked:
            return "", [
                f"jetson_power_mode is {asked!r}, but the board has no nvpmodel to set it. Install NVIDIA's package "
                "nvidia-l4t-nvpmodel, or remove jetson_power_mode [nvpmodel-missing]"
            ]
        return "", []
    if not look.modes:
        output = f" Its output: {'; '.join(look.errors)}." if look.errors else ""
        return "", [
            f"nvpmodel -p --verbose lists no power mode.{output} Check /etc/nvpmodel.conf; to restore it, run on the "
            "board: sudo apt-get install --reinstall nvidia-l4t-nvpmodel [power-modes-unreadable]"
        ]
    if asked and asked not in look.modes:
        return "", [
            f"jetson_power_mode is {asked!r}, expected one of the board's modes: {offered}. Correct it, or remove it "
            "for the mode that fits the supply [power-mode-unknown]"
        ]
    if asked:
        return asked, []
    usual = str(supply.known["mode"])
    return (usual if usual in look.modes else ""), []


def _budget(
    mode: str, watts: float | None, look: Look, declared: Mapping[str, Any], boards: Mapping[str, Any]
) -> list[tuple[str, float]]:
    """Return what draws power, in words and watts; what nobody knows counts nothing and is said elsewhere."""
    parts = [(f"mode {mode}", watts)] if watts is not None else []
    devices = max(0, len(look.usb) - int(declared.get("usb_fed_elsewhere") or 0))
    if devices:
        each = float(boards["usb_device_a"]) * 5
        parts.append((f"{devices} USB device{'s' if devices > 1 else ''}", devices * each))
    if declared.get("fan"):
        parts.append(("fan", float(boards["fan_a"]) * 5))
    return parts


def _mode_warnings(look: Look, mode: str, watts: float | None) -> list[str]:
    if not look.tools.get("nvpmodel"):
        return [
            "the board has no nvpmodel, so its power mode is unknown and stays as it is. To change it, install "
            "NVIDIA's package nvidia-l4t-nvpmodel [nvpmodel-missing]"
        ]
    if watts is None and mode:
        return [
            f"the draw of the mode {mode} on this board is unknown, so the budget lacks the module. Add the module "
            "and its modes to files/jetson_boards.yml [power-draw-unknown]"
        ]
    return []


def _budget_warnings(
    budget: list[tuple[str, float]],
    needed: float,
    look: Look,
    declared: Mapping[str, Any],
    supply: Supply,
    boards: Mapping[str, Any],
) -> list[str]:
    if needed <= supply.watts + 0.01:
        return []
    beside = needed - sum(watts for name, watts in budget if name.startswith("mode "))
    fitting = [
        mode
        for mode in look.modes
        if (draws := mode_watts(mode, look.module, boards)) is not None
        and draws + beside <= supply.watts + 0.01
    ]
    ways = []
    if supply.kind == "micro_usb":
        ways.append("feed the board through the barrel jack (with a jumper on J48, 5 V, 4 A or more)")
    ways.append(
        f"use a supply of {supply.shown(needed)} or more at the barrel jack and declare it in jetson_power_supply_a"
    )
    if any("USB" in name for name, _ in budget):
        ways.append(
            "give USB devices a supply of their own, such as a powered hub, and declare their number in "
            "jetson_power_usb_fed_elsewhere"
        )
    if fitting:
        ways.append(f"set jetson_power_mode to {' or '.join(fitting)}, which fits")
    return [
        f"over the budget: {_sum(budget, supply)} = {supply.shown(needed)}, but the declared supply gives "
        f"{supply.shown(supply.watts)}. Under load the board may shut down. Do one of these: {'; '.join(ways)} "
        "[power-budget-exceeded]"
    ]


def _event_warnings(look: Look, supply: Supply, boards: Mapping[str, Any]) -> list[str]:
    found = []
    weak = (
        f"The supply, its cable or its plug is too weak for the load. {boards['j48'].strip()}"
        if supply.kind == "micro_usb"
        else "The supply, its cable or its plug is too weak for the load. Try a stronger supply, a shorter and thicker "
        "cable, fewer USB devices, or a smaller mode in jetson_power_mode"
    )
    counted = sum(look.counted.values())
    if look.over_current or counted:
        number = max(len(look.over_current), counted)
        last = (
            f", the last {look.over_current[-1][0]:.0f} s after boot ({look.over_current[-1][1]})"
            if look.over_current
            else f" ({', '.join(f'{name}: {count}' for name, count in look.counted.items())})"
        )
        found.append(f"{_times(number, 'over-current event')} since boot{last}. {weak} [over-current-events]")
    if look.alarms:
        found.append(f"the current is over a limit now: {'; '.join(look.alarms)}. {weak} [over-current-now]")
    cooler = (
        "The board is too hot or draws too much. Check that the fan turns (role jetson_fan), that the heat sink is "
        "clean and that air reaches it"
    )
    if look.throttled:
        time, text = look.throttled[-1]
        found.append(
            f"throttled {_times(len(look.throttled), 'time')} since boot, the last {time:.0f} s after boot ({text}). "
            f"{cooler} [throttle-events]"
        )
    if look.cooling:
        found.append(f"throttled now: {', '.join(look.cooling)}. {cooler} [throttled-now]")
    return found


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _sum(budget: list[tuple[str, float]], supply: Supply) -> str:
    return " + ".join(f"{name} {supply.shown(watts)}" for name, watts in budget) or "nothing that is known"


def jetpack(l4t: str | None, boards: Mapping[str, Any]) -> str:
    """Return the release of JetPack for one of L4T (32.5.0 is 32.5), empty where it is not known."""
    release = l4t or ""
    return str(boards["jetpack"].get(release) or boards["jetpack"].get(release.removesuffix(".0")) or "")


def _report(
    look: Look,
    declared: Mapping[str, Any],
    supply: Supply,
    boards: Mapping[str, Any],
    budget: list[tuple[str, float]],
    needed: float,
    wanted: str,
    warnings: list[str],
) -> list[str]:
    module = boards["modules"].get(look.module, {}).get("name")
    release = jetpack(declared.get("l4t"), boards)
    board = [
        str(declared.get("board") or ("" if module else "a board without a name")),
        f"module {look.module} ({module})" if module else "",
        f"L4T {declared.get('l4t')}" + (f" (JetPack {release})" if release else ""),
    ]
    mode = look.present or "unknown"
    if wanted and wanted != look.present:
        mode += f", {wanted} is wanted"
    events = [
        _times(max(len(look.over_current), sum(look.counted.values())), "over-current event"),
        _times(len(look.throttled), "throttle event"),
    ]
    rows = [
        ("board", ", ".join(part for part in board if part)),
        ("supply", f"{supply.known['name']}, {supply.volts:g} V, {supply.amperes:g} A, as declared"),
        *_jumper(look, supply, boards),
        ("mode", mode + (f" (the board has {', '.join(look.modes)})" if look.modes else "")),
        (
            "budget",
            f"{_sum(budget, supply)} = {supply.shown(needed)} of {supply.shown(supply.watts)}"
            + (f"; USB: {', '.join(look.usb)}" if look.usb else ""),
        ),
        (
            "drawn now",
            ", ".join(f"{name} {ma / 1000:.1f} A at {mv / 1000:.1f} V" for name, ma, mv in look.rails),
        ),
        (
            "hottest",
            "{} {:.0f} °C".format(*max(look.zones.items(), key=lambda each: each[1])) if look.zones else "",
        ),
        ("since boot", ", ".join(events)),
        (
            "clocks",
            f"unchanged: {declared['no_clocks']}"
            if declared.get("no_clocks")
            else "held at their highest by jetson_clocks while a benchmark runs",
        ),
    ]
    lines = [f"Power of {declared['host']}"]
    for name, text in rows:
        lines += _wrapped(f"  {name:<11}", text or "not known")
    for warning in warnings:
        lines += _wrapped("  Warning: ", warning)
    return lines


def _jumper(look: Look, supply: Supply, boards: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is to be known of J48, for boards that have it."""
    if not boards["modules"].get(look.module, {}).get("j48"):
        return []
    if supply.kind == "micro_usb":
        return [("J48", f"MAXN and USB disks need the barrel jack. {boards['j48'].strip()}")]
    return [
        (
            "J48",
            "assumed to be fitted: a supply at the barrel jack feeds the board only through that jumper. Software "
            "cannot detect it",
        )
    ]


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"edgebench_jetson_power": power, "edgebench_jetson_power_problems": declared_problems}
