# Copyright the edgebench authors. Licensed under Apache-2.0.
"""What a Jetson's supply can feed: the power mode, the budget, and what went wrong since boot."""

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

WIDTH = 108
WATTS = re.compile(r"(?:^|_)(\d+)W(?:_|$)")
PART_NUMBER = re.compile(r"(p\d{4})(-\d{4})?")


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
    cooling: list[tuple[str, str, str]] = field(default_factory=list)
    rails: list[tuple[str, int, int]] = field(default_factory=list)
    zones: dict[str, float] = field(default_factory=dict)


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
                look.cooling.append((kind, state, top))
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
class Module:
    """The module of a board: its part number, empty if the board names none, and what files/jetson_boards.yml has."""

    number: str
    known: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self.known.get("name") or self.number or "board that names no module")

    def takes(self, volts: float) -> bool:
        """Whether its kit can be fed with a voltage; true if nobody knows."""
        low, high = self.known.get("volts") or (volts, volts)
        return bool(low <= volts <= high)


def description(number: str, boards: Mapping[str, Any]) -> dict[str, Any]:
    """Return what files/jetson_boards.yml has of a module, with that of the module it is like."""
    own: dict[str, Any] = boards["modules"][number]
    return {**(description(own["like"], boards) if "like" in own else {}), **own}


def module_of(compatible: Iterable[str], boards: Mapping[str, Any]) -> Module:
    """Return the module of a board, from the names in its device tree.

    A name holds the carrier's number first and then, but for a few kits, the module's.
    """
    found = [match for name in compatible for match in PART_NUMBER.finditer(name)]
    for match in found:
        for number in (match[0], match[1]):
            if number in boards["modules"]:
                return Module(match[0], description(number, boards))
    return Module(found[-1][0] if found else "", {})


@dataclass
class Supply:
    """The supply: what is declared of it, else what is assumed of such a socket; None if nothing is known."""

    kind: str
    volts: float | None
    amperes: float | None
    known: Mapping[str, Any]
    volts_5: tuple[float, float]
    # Variables that are not set, so that something else is assumed or unknown.
    undeclared: list[str]

    @property
    def watts(self) -> float | None:
        """What it gives."""
        return None if self.volts is None or self.amperes is None else self.volts * self.amperes

    @property
    def of_5_v(self) -> bool:
        """Whether it is one of 5 V, so that amperes can be compared."""
        return self.volts is not None and self.volts_5[0] <= self.volts <= self.volts_5[1]

    def feeds(self, watts: float) -> bool:
        """Whether it gives a power; true if nobody knows what it gives."""
        return self.watts is None or watts <= self.watts + 0.01

    def shown(self, watts: float) -> str:
        """Return a power as a person compares it with this supply: amperes at 5 V, else watts."""
        return f"{watts / 5:.1f} A" if self.of_5_v else f"{watts:.1f} W"

    @property
    def described(self) -> str:
        """The supply for the report, with what is assumed and the variables that declare it."""
        values = []
        for value, unit, words, variable in (
            (self.volts, "V", "volts", "jetson_power_supply_v"),
            (self.amperes, "A", "amperes", "jetson_power_supply_a"),
        ):
            assumed = " (assumed)" if variable in self.undeclared else ""
            values.append(f"{words} unknown" if value is None else f"{value:g} {unit}{assumed}")
        said = f"; not declared: {', '.join(self.undeclared)}" if self.undeclared else ", as declared"
        return ", ".join([str(self.known["name"]), *values]) + said


def supply_of(declared: Mapping[str, Any], boards: Mapping[str, Any], module: Module) -> Supply:
    """Return the supply of a board."""
    known = {**boards["supplies"][declared["supply"]], **_socket(module, declared["supply"])}
    numbers: dict[str, float | None] = {}
    undeclared = []
    for name, variable in (("volts", "jetson_power_supply_v"), ("amperes", "jetson_power_supply_a")):
        value = declared.get(name)
        if value in (None, ""):
            value = known.get(name)
            # A board that takes one voltage leaves nothing to assume.
            if name != "volts" or value is None or not _takes_one_voltage(module, boards):
                undeclared.append(variable)
        numbers[name] = None if value is None else float(value)
    low, high = boards["volts_5"]
    supply = Supply(declared["supply"], numbers["volts"], numbers["amperes"], known, (low, high), undeclared)
    # Only of sockets with 5 V it is known what usually feeds them.
    return (
        supply
        if supply.of_5_v or "jetson_power_supply_a" not in undeclared
        else replace(supply, amperes=None)
    )


def _socket(module: Module, kind: str) -> Mapping[str, Any]:
    socket: Mapping[str, Any] = module.known.get("supplies", {}).get(kind) or {}
    return socket


def _takes_one_voltage(module: Module, boards: Mapping[str, Any]) -> bool:
    return module.known.get("volts") == boards["volts_5"]


def sentence(mode: str, supply: Supply) -> str:
    """Return what a person must write to have a mode that the supply cannot feed."""
    return f"I know that {mode} on {supply.known['of_name']} shuts the board down"


def mode_watts(mode: str, module: Mapping[str, Any]) -> float | None:
    """Return what a mode draws under load on a module of files/jetson_boards.yml, None where nobody knows."""
    modes = module.get("modes", {})
    if mode in modes:
        return float(modes[mode]) * 5
    if mode in module.get("watts", {}):
        return float(module["watts"][mode])
    named = WATTS.search(mode)
    return float(named.group(1)) if named else None


def least_watts(mode: str, boards: Mapping[str, Any]) -> float | None:
    """Return the least that a mode draws on any module, None where nobody knows."""
    known = [mode_watts(mode, description(number, boards)) for number in boards["modules"]]
    return min((watts for watts in known if watts is not None), default=None)


def refusal(
    mode: str, watts: float | None, supply: Supply, override: str, boards: Mapping[str, Any]
) -> str | None:
    """Return why a mode is refused, or None."""
    # MAXN has no limit of its own: whatever the module, micro-USB is not what it is for.
    without_limit = supply.kind == "micro_usb" and mode.startswith("MAXN")
    too_much = watts is not None and not supply.feeds(watts)
    if not (without_limit or too_much) or override.strip().rstrip(".") == sentence(mode, supply):
        return None
    draws = f"draws about {supply.shown(watts)} under load" if watts is not None else "has no limit"
    way_out = (
        boards["j48_remedy"].strip()
        if supply.kind == "micro_usb"
        else f"feed {supply.known['of_name']} with at least {supply.shown(watts or 0)} and declare its amperes in "
        "jetson_power_supply_a"
    )
    wish = f'To override, set jetson_power_override to this exact sentence: "{sentence(mode, supply)}"'
    # Who has tried to override knows the rest.
    remedy = (
        f"jetson_power_override is {override!r}. {wish}"
        if override
        else f"Set jetson_power_mode to a smaller mode, or {way_out}"
    )
    details = [boards["j48"].strip()] if supply.kind == "micro_usb" else []
    details += [] if override else [wish]
    return "\n".join(
        [
            f"the power mode {mode} {draws}, but the supply at {supply.known['of_name']} gives only "
            f"{supply.amperes:g} A at {supply.volts:g} V. {remedy} [supply-too-weak]",
            *details,
        ]
    )


def declared_problems(declared: Mapping[str, Any], boards: Mapping[str, Any]) -> list[str]:
    """Return what cannot be as it is declared, whatever the board; see edgebench_jetson_power_problems.yml."""
    if declared.get("supply") not in boards["supplies"]:
        # Missing and misspelt ones are refused by the check of all variables, in its words.
        return []
    host, supply = declared["host"], supply_of(declared, boards, Module("", {}))
    problems = []
    limit = supply.known.get("limit_a")
    if limit is not None and supply.amperes is not None and supply.amperes > limit:
        problems.append(
            f"jetson_power_supply_a is {supply.amperes:g}, but micro-USB gives at most {limit:g} A from any supply. "
            f"Correct it, or {boards['j48_remedy'].strip()} [supply-current-wrong]\n{boards['j48'].strip()}"
        )
    problems += _micro_usb_problems(supply)
    mode = str(declared.get("mode") or "")
    if mode and not problems:
        why = refusal(mode, least_watts(mode, boards), supply, str(declared.get("override") or ""), boards)
        problems += [why] if why else []
    return [f"{host}: {problem}" for problem in problems]


def _micro_usb_problems(supply: Supply) -> list[str]:
    if supply.kind != "micro_usb" or supply.of_5_v:
        return []
    return [
        f"jetson_power_supply_v is {supply.volts:g}, but micro-USB has 5 V. Correct it, or declare the socket "
        "that is used in jetson_power_supply [supply-voltage-wrong]"
    ]


def power(lines: Iterable[str], declared: Mapping[str, Any], boards: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be done and said; see edgebench_jetson_power.yml."""
    look = read_look(lines)
    module = module_of(look.compatible, boards)
    supply = supply_of(declared, boards, module)
    wanted, problems = _wanted(look, declared, supply)
    problems += _supply_problems(supply, module, boards)
    in_use = wanted or look.present
    watts = mode_watts(in_use, module.known) if in_use else None
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
        *_budget_warnings(budget, needed, look, module, supply, boards),
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
        "supply_w": None if supply.watts is None else round(supply.watts, 2),
        "report": _report(look, declared, module, supply, boards, budget, needed, wanted, warnings),
    }


def _supply_problems(supply: Supply, module: Module, boards: Mapping[str, Any]) -> list[str]:
    """Return why the board cannot be fed as it is declared."""
    sockets = module.known.get("supplies", {})
    if sockets and supply.kind not in sockets:
        named = " or ".join(
            f"{kind} ({_socket(module, kind).get('name', boards['supplies'][kind]['name'])})"
            for kind in sockets
        )
        return [
            f"jetson_power_supply is {supply.kind}, but this board, a {module.name}, is not powered by "
            f"{supply.known['of_name']}. Declare jetson_power_supply: {named} [supply-socket-wrong]"
        ]
    if supply.volts is None or module.takes(supply.volts):
        return _micro_usb_problems(supply)
    low, high = module.known["volts"]
    takes = "5 V" if _takes_one_voltage(module, boards) else f"{low:g} to {high:g} V"
    return [
        f"jetson_power_supply_v is {supply.volts:g}, but this board, a {module.name}, takes {takes}: a higher voltage "
        "destroys it. If the supply is wrong, unplug it; if the variable is wrong, correct it [supply-voltage-wrong]"
    ]


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
    usual = str(supply.known.get("mode", ""))
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
    module: Module,
    supply: Supply,
    boards: Mapping[str, Any],
) -> list[str]:
    if supply.watts is None or supply.feeds(needed):
        return []
    beside = needed - sum(watts for name, watts in budget if name.startswith("mode "))
    fitting = [
        mode
        for mode in look.modes
        if (draws := mode_watts(mode, module.known)) is not None and supply.feeds(draws + beside)
    ]
    ways = []
    if supply.kind == "micro_usb":
        ways.append(boards["j48_remedy"].strip())
    ways.append(
        f"use a supply of {supply.shown(needed)} or more at "
        f"{'the barrel jack' if supply.kind == 'micro_usb' else supply.known['of_name']} and declare it in "
        "jetson_power_supply_a"
    )
    if any("USB" in name for name, _ in budget):
        ways.append(
            "give USB devices a supply of their own, such as a powered hub, and declare their number in "
            "jetson_power_usb_fed_elsewhere"
        )
    if fitting:
        ways.append(f"set jetson_power_mode to {' or '.join(fitting)}, which fits")
    return [
        f"over the budget: {_sum(budget, supply)} = {supply.shown(needed)}, but the supply gives "
        f"{supply.shown(supply.watts)}. Under load the board may shut down. Do one of these: {'; '.join(ways)} "
        "[power-budget-exceeded]"
    ]


def _event_warnings(look: Look, supply: Supply, boards: Mapping[str, Any]) -> list[str]:
    found = []
    weak = (
        f"The supply, its cable or its plug is too weak for the load: {boards['j48_remedy'].strip()}"
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
    slowed = [
        f"{kind} at {state} of {top}"
        for kind, state, top in look.cooling
        if any(re.fullmatch(pattern, kind) for pattern in boards["slows"])
    ]
    if slowed:
        found.append(f"throttled now: {', '.join(slowed)}. {cooler} [throttled-now]")
    return found


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _sum(budget: list[tuple[str, float]], supply: Supply) -> str:
    return " + ".join(f"{name} {supply.shown(watts)}" for name, watts in budget) or "nothing that is known"


def jetpack(l4t: str | None, boards: Mapping[str, Any]) -> str:
    """Return the release of JetPack for one of L4T (32.5.0 is 32.5), empty if even its series is not known.

    A release that is not listed takes the newest before it of its series, and that is said.
    """
    release = _numbers(l4t or "")
    series = {
        _numbers(each): str(name)
        for each, name in boards["jetpack"].get((l4t or "").split(".")[0], {}).items()
    }
    if not series or release in series:
        return series.get(release, "")
    earlier = [each for each in series if each < release]
    nearest = f"{series[max(earlier)]} or later" if earlier else f"before {series[min(series)]}"
    return f"{nearest}; L4T {l4t} is not in files/l4t_releases.yml"


def loader(l4t: str | None, module: Module, boards: Mapping[str, Any]) -> str:
    """Return the key of the module's boot loader in ``loaders`` of the boards, empty if it is unknown."""
    chip = boards["chips"].get(module.known.get("chip"), {})
    series = (l4t or "").split(".")[0]
    earlier = [each for each in chip.get("loaders", {}) if series.isdigit() and int(each) <= int(series)]
    return str(chip["loaders"][max(earlier, key=int)]) if earlier else ""


def _boot(l4t: str | None, module: Module, boards: Mapping[str, Any]) -> str:
    """Return the boot loader and how root gets to USB, in words; empty if it is unknown."""
    known = boards["loaders"].get(loader(l4t, module, boards))
    if not known:
        return ""
    by = (
        "NVIDIA's flashing tool (docs/usb-root.md)"
        if "flash" in known["usb_root"]
        else "role jetson_usb_root"
    )
    return f"{known['name']}; root to USB: {by}"


def _numbers(release: str) -> tuple[int, ...]:
    """Return (32, 5) for 32.5 and 32.5.0, to be compared; () for what is no release."""
    parts = release.split(".")
    if not all(part.isdigit() for part in parts):
        return ()
    numbers = [int(part) for part in parts]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _report(
    look: Look,
    declared: Mapping[str, Any],
    module: Module,
    supply: Supply,
    boards: Mapping[str, Any],
    budget: list[tuple[str, float]],
    needed: float,
    wanted: str,
    warnings: list[str],
) -> list[str]:
    release = jetpack(declared.get("l4t"), boards)
    board = [
        str(declared.get("board") or ("" if module.number else "a board without a name")),
        f"module {module.number} ({module.known.get('name', 'not in files/jetson_boards.yml')})"
        if module.number
        else "",
        f"L4T {declared.get('l4t')}" + (f" (JetPack {release})" if release else ""),
    ]
    mode = look.present or "unknown"
    if wanted and wanted != look.present:
        mode += f", {wanted} is wanted"
    events = [
        _times(max(len(look.over_current), sum(look.counted.values())), "over-current event"),
        _times(len(look.throttled), "throttle event"),
    ]
    boot = _boot(declared.get("l4t"), module, boards)
    rows = [
        ("board", ", ".join(part for part in board if part)),
        *([("boot", boot)] if boot else []),
        ("supply", supply.described),
        *_jumper(module, supply, boards),
        *_fan(module, declared),
        ("mode", mode + (f" (the board has {', '.join(look.modes)})" if look.modes else "")),
        (
            "budget",
            f"{_sum(budget, supply)} = {supply.shown(needed)}"
            + ("" if supply.watts is None else f" of {supply.shown(supply.watts)}")
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


def _fan(module: Module, declared: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return whether a fan is counted, if it is known whether the kit comes with one."""
    if "fan" not in module.known:
        return []
    kit = f"the developer kit comes {'with one' if module.known['fan'] else 'without'}"
    counted = "counted" if declared.get("fan") else "not counted (jetson_fan_fitted is false)"
    return [("fan", f"{counted}; {kit}")]


def _jumper(module: Module, supply: Supply, boards: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is to be known of J48, for boards that have it."""
    if not module.known.get("j48"):
        return []
    if supply.kind == "micro_usb":
        return [("J48", f"for MAXN and USB disks, {boards['j48_remedy'].strip()}")]
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
