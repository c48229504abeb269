# Copyright the edgebench authors. Licensed under Apache-2.0.
"""How a Jetson's fan does, and what it is to do."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

WIDTH = 108


def point(entry: Mapping[str, Any]) -> str:
    """Return a point of a curve as the daemon reads it."""
    return f"{int(entry['temp_c'])}:{int(entry['percent'])}"


def declared_problems(declared: Mapping[str, Any]) -> list[str]:
    """Return what cannot be as it is declared; see edgebench_jetson_fan_problems.yml."""
    host, problems = declared["host"], []
    try:
        points = [(int(each["temp_c"]), int(each["percent"])) for each in declared["curve"]]
    except (KeyError, TypeError, ValueError):
        # Values of a wrong type are refused by the check of all variables, in its words.
        points = [(0, 0)]
    shown = ", ".join(f"{percent} % at {temp} °C" for temp, percent in points) or "empty"
    rule = f"jetson_fan_curve is {shown}: "
    if not points:
        problems.append(
            f"{rule}expected at least one point, such as {{temp_c: 60, percent: 100}} [fan-curve-empty]"
        )
    elif any(not (0 <= temp <= 100 and 0 <= percent <= 100) for temp, percent in points):
        problems.append(f"{rule}expected temperatures and percentages from 0 to 100 [fan-curve-out-of-range]")
    elif any(later[0] <= earlier[0] for earlier, later in itertools.pairwise(points)):
        problems.append(f"{rule}expected ascending temperatures; sort the points [fan-curve-unsorted]")
    elif any(later[1] < earlier[1] for earlier, later in itertools.pairwise(points)):
        problems.append(
            f"{rule}expected percentages that do not fall as the temperature rises; correct them [fan-curve-falls]"
        )
    if declared.get("profile") and declared["mode"] != "vendor" and declared["fitted"]:
        problems.append(
            f"jetson_fan_profile is {declared['profile']!r}, but only the vendor's service has profiles and "
            f"jetson_fan_mode is {declared['mode']!r}. Set jetson_fan_mode to vendor, or remove jetson_fan_profile "
            "[fan-profile-unused]"
        )
    return [f"{host}: {problem}" for problem in problems]


def fan(lines: Iterable[str], declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the fan does; see edgebench_jetson_fan.yml."""
    found, zones, profiles, daemon = _read(lines)
    control, unit = found.get("control", ""), found.get("unit", "")
    vendor = found.get("vendor", "")
    rpm = _number(daemon.get("rpm") or found.get("turns"))
    percent = _number(daemon.get("percent"))
    if percent is None and (value := _number(found.get("set"))) is not None:
        percent = round(value / 255 * 100)
    hottest = max(zones.items(), key=lambda each: each[1]) if zones else None
    ours = declared["mode"] != "vendor" and declared["fitted"] and bool(control)
    facts = {
        "control": control,
        "vendor": bool(vendor),
        "percent": percent,
        "rpm": rpm,
        "temp_c": round(hottest[1]) if hottest else None,
    }
    warnings = _warnings(declared, facts, daemon, unit, ours, vendor)
    drives = (
        f"edgebench-fan.service ({declared['mode']})"
        if unit == "active"
        else f"NVIDIA's nvfancontrol (profile {found.get('default_profile', 'unknown')})"
        if vendor.startswith("active")
        else "the kernel"
        if control
        else "nothing"
    )
    rows = [
        ("driven by", drives),
        (
            "speed",
            "not known" if percent is None else f"{percent} %" + ("" if rpm is None else f", {rpm} rpm"),
        ),
        ("hottest", f"{hottest[0]} {hottest[1]:.0f} °C" if hottest else "not known"),
    ]
    report = [f"Fan of {declared['host']}"]
    for name, text in rows:
        report += _wrapped(f"  {name:<11}", text)
    for warning in warnings:
        report += _wrapped("  Warning: ", warning)
    return {
        **facts,
        "problems": _profile_problems(declared, vendor, profiles),
        "warnings": warnings,
        "report": report,
    }


def _read(
    lines: Iterable[str],
) -> tuple[dict[str, str], dict[str, float], list[str], dict[str, str]]:
    """Return the findings by key, the temperatures, the vendor's profiles, and what the daemon has noted."""
    found: dict[str, str] = {}
    zones: dict[str, float] = {}
    profiles: list[str] = []
    daemon: dict[str, str] = {}
    for line in lines:
        key, _, text = line.partition(" ")
        if key == "zone":
            temp, _, kind = text.partition(" ")
            if (value := _number(temp)) is not None:
                zones[kind] = value / 1000
        elif key == "profile":
            profiles.append(text)
        elif key == "daemon":
            name, _, value_text = text.partition(" ")
            daemon[name] = value_text
        else:
            found[key] = text
    return found, zones, profiles, daemon


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _profile_problems(declared: Mapping[str, Any], vendor: str, profiles: list[str]) -> list[str]:
    wanted = declared.get("profile")
    if not wanted or wanted in profiles:
        return []
    problem = f"{declared['host']}: jetson_fan_profile is {wanted!r}, "
    if vendor:
        offered = ", ".join(profiles) or "none"
        return [
            f"{problem}expected a profile of /etc/nvfancontrol.conf: {offered}. Correct it, or remove it "
            "[fan-profile-unknown]"
        ]
    return [
        f"{problem}but the board has no service nvfancontrol (JetPack 5 and later have it). Remove it "
        "[fan-service-missing]"
    ]


def _warnings(
    declared: Mapping[str, Any],
    facts: Mapping[str, Any],
    daemon: Mapping[str, str],
    unit: str,
    ours: bool,
    vendor: str,
) -> list[str]:
    status, temp = daemon.get("status", ""), facts["temp_c"]
    found = []
    if declared["fitted"] and not facts["control"]:
        found.append(
            "the board has no fan control (neither /sys/devices/pwm-fan nor a hwmon device pwmfan), so the role cannot "
            "drive or see a fan. A fan on the 5 V pins turns without it. If the board has no fan, set "
            "jetson_fan_fitted: false [fan-control-missing]"
        )
    if status == "stalled" or (unit == "active" and daemon.get("tried") == "0" and facts["rpm"] == 0):
        found.append(
            "the fan does not turn: its tachometer reads 0 rpm at full speed. Check that its connector is pushed fully "
            "onto the 4-pin header J15 beside the heat sink and that its blades are free. If the board has no fan, set "
            "jetson_fan_fitted: false. A fan without a tachometer wire reads 0 rpm, too [fan-stalled]"
        )
    if status == "blind":
        found.append(
            "no thermal zone can be read, so the fan is at full speed. Check /sys/class/thermal on the board "
            "[temperature-unreadable]"
        )
    if status == "hot" or (temp is not None and temp >= int(declared["hot_c"])):
        advice = "The board will slow down; check that the fan sits on the heat sink and turns"
        found.append(
            f"{temp} °C although the fan is at full speed: it does not blow onto the heat sink, is missing, or the air "
            f"is too warm. {advice} [hot-at-full-speed]"
            if status == "hot" or ours
            else f"{temp} °C without a fan that this role drives. {advice} [hot-without-fan]"
        )
    if ours and unit == "failed":
        found.append(
            f"edgebench-fan.service failed. Read its log on {declared['host']}: sudo journalctl -u edgebench-fan "
            "[fan-unit-failed]"
        )
    if ours and unit == "active" and facts["rpm"] is None:
        found.append(
            "the fan has no tachometer, so a stalled fan shows only in the temperature. Check once that it turns "
            "[tachometer-missing]"
        )
    if not ours and not vendor.startswith("active") and vendor:
        found.append(
            f"NVIDIA's service nvfancontrol is not running, so nothing drives the fan. Start it on {declared['host']}: "
            "sudo systemctl enable --now nvfancontrol [fan-service-stopped]"
        )
    return found


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
        return {
            "edgebench_jetson_fan": fan,
            "edgebench_jetson_fan_problems": declared_problems,
            "edgebench_jetson_point": point,
        }
