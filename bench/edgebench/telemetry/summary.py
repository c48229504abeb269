"""What a record holds of a series: statistics, energy, events, and whether the run was disturbed."""

import os

from edgebench.data import files
from edgebench.errors import RecordError
from edgebench.telemetry import judge, series
from edgebench.telemetry.counters import increase
from edgebench.telemetry.quantity import COUNTER, TEXT
from edgebench.telemetry.window import Window, distinct

VERSION = 1
WHOLE = "run"
# Clocks that are set right drift by less within a sample's interval (NTP slews by 0.5 ms a second).
CLOCK_JUMP_S = 0.1

_MOST_JUMPS = 20
_MOST_TEXTS = 10


def of_file(path, phases=None, judged=None):
    """Return (``telemetry``, reasons) of the series in a file; None and a reason where it cannot be read.

    phases, judged: as for ``summarise``.
    """
    try:
        read = series.read(path)
        sha256 = files.sha256_of(path)
    except (OSError, RecordError) as error:
        return None, {"telemetry": str(error)}
    telemetry, missing = summarise(read, phases, judged)
    if telemetry is not None:
        telemetry["series"].update(file=os.path.basename(path), sha256=sha256)
    return telemetry, missing


def summarise(read, phases=None, judged=None):
    """Return (the record's ``telemetry``, {dotted path of a null in it: why}).

    read: series.Series. phases: {name: (start, end)} in monotonic seconds, such
    as ``train``; ``run``, the whole series, is always among them. judged: name
    of the phase whose disturbances count, ``run`` where it is None or unknown.
    None in place of a telemetry of fewer than two samples.
    """
    samples = read.samples
    if len(samples) < 2:
        return None, {"telemetry": "the series has {} samples, at least 2 are needed".format(len(samples))}
    windows = {WHOLE: Window(read, samples[0].monotonic_s, samples[-1].monotonic_s)}
    for name, (start_s, end_s) in (phases or {}).items():
        windows[name] = Window(read, start_s, end_s)
    whole = windows[WHOLE]
    judged = judged if judged in windows else WHOLE
    missing = {}
    told = {}
    for name, window in windows.items():
        told[name], reasons = _phase(window)
        missing.update({"telemetry.phases.{}.{}".format(name, path): why for path, why in reasons.items()})
    disturbances = judge.disturbances(windows[judged])
    notes = judge.notes(windows[judged])
    jumps = clock_jumps(samples)
    notes += ["the wall clock jumped by {:+.1f} s".format(each["jump_s"]) for each in jumps]
    if read.end is None:
        notes.append("the sampler was killed before the run ended")
    gaps = [to_s - from_s for from_s, to_s in whole.gaps()]
    return {
        "version": VERSION,
        "interval_s": read.header.get("interval_s", 1.0),
        "samples": len(samples),
        "duration_s": whole.duration_s,
        "series": {"is_torn": read.is_torn, "unreadable_lines": read.unreadable},
        "sampler": _sampler(read),
        "sources": read.header.get("sources", []),
        "absent": read.header.get("absent", {}),
        "quantities": _quantities(whole),
        "phases": told,
        "gaps": {"count": len(gaps), "total_s": sum(gaps), "longest_s": max(gaps or [0.0])},
        "clock_jumps": jumps,
        "judged": judged,
        "warnings": [sentence for _, sentence in disturbances],
        "notes": notes,
        "is_disturbed": bool(disturbances),
        "disturbed": distinct([kind for kind, _ in disturbances]),
        "unknown": judge.unknown(windows[judged]),
    }, missing


def clock_jumps(samples):
    """Return [{"at_s", "jump_s"}]: where the wall's clock went another way than the monotonic one; at most twenty."""
    jumps = []
    for earlier, later in zip(samples, samples[1:]):
        jump_s = (later.utc_s - earlier.utc_s) - (later.monotonic_s - earlier.monotonic_s)
        if abs(jump_s) > CLOCK_JUMP_S:
            at_s = later.monotonic_s - samples[0].monotonic_s
            jumps.append({"at_s": round(at_s, 3), "jump_s": round(jump_s, 3)})
    return jumps[:_MOST_JUMPS]


def _phase(window):
    """Return (a phase's part of the record, {path: why})."""
    energy, missing = _energy(window)
    shares = window.shares()
    for name, value in shares.items():
        if value is None:
            missing["cpu.{}_share".format(name)] = (
                "the CPU time is not readable, or the phase is shorter than a tick"
            )
    events = [{name: value for name, value in each.items() if value is not None} for each in window.events()]
    return {
        "duration_s": window.duration_s,
        "samples": len(window.inside),
        "energy": energy,
        "cpu": {name + "_share": value for name, value in shares.items()},
        "events": events,
    }, missing


def _energy(window):
    rails = window.rails()
    missing = {}
    for name, rail in rails.items():
        if rail["energy_j"] is None:
            why = "{} of the phase is covered by readings of this rail, or fewer than three lie in it".format(
                judge.percent(rail["coverage"])
            )
            missing["energy.rails.{}.energy_j".format(name)] = why
            missing["energy.rails.{}.mean_w".format(name)] = why
    chosen, covers, why = total_of(rails)
    energy = {
        "rails": {
            name: {each: rail[each] for each in ("energy_j", "mean_w", "coverage", "covers")}
            for name, rail in rails.items()
        },
        "total_rails": chosen,
        "total_covers": covers,
        "total_j": sum(rails[name]["energy_j"] for name in chosen) if chosen else None,
        "mean_w": sum(rails[name]["mean_w"] for name in chosen) if chosen else None,
    }
    if not chosen:
        for path in ("total_covers", "total_j", "mean_w"):
            missing["energy." + path] = why
    return energy, missing


def total_of(rails):
    """Return (names of the rails whose sum stands for the machine, what they cover, why there are none).

    A rail of the whole board is believed before all, the external meter first;
    else the sum of CPU packages, memory and GPUs, which is less than the whole.
    """
    if not rails:
        return [], None, "this host measures no power; an external meter can (see docs/telemetry.md)"
    known = {name: rail for name, rail in rails.items() if rail["energy_j"] is not None}
    boards = sorted((-rail["rank"], name) for name, rail in known.items() if rail["covers"] == "board")
    if boards:
        return [boards[0][1]], "board", None
    parts = sorted(name for name, rail in known.items() if rail["covers"] in ("cpu", "memory", "gpu"))
    if parts:
        return parts, "+".join(sorted({known[name]["covers"] for name in parts})), None
    if known:
        return (
            [],
            None,
            "no rail measures the whole board, and these may overlap: " + ", ".join(sorted(known)),
        )
    return [], None, "too few power readings in this phase"


def _sampler(read):
    first, last = read.samples[0], read.samples[-1]
    elapsed_s = last.monotonic_s - first.monotonic_s
    end = read.end or {}
    told = {
        "start_cpu_s": first.cpu_s,
        "cpu_s": last.cpu_s - first.cpu_s,
        "share_of_core": (last.cpu_s - first.cpu_s) / elapsed_s if elapsed_s > 0 else 0.0,
        "longest_interval_s": max(each.interval_s for each in read.samples),
        "lost_samples": end.get("lost", 0),
    }
    # Known only where the sampler came to its end.
    if isinstance(end.get("peak_bytes"), int):
        told["peak_bytes"] = end["peak_bytes"]
    if end.get("end"):
        told["ended_early"] = end["end"]
    return told


def _quantities(window):
    """Return {name: statistics}; a quantity that never had a value is left out."""
    told = {}
    for index, quantity in enumerate(window.series.quantities):
        if quantity.kind == TEXT:
            values = [each.values[index] for each in window.inside if isinstance(each.values[index], str)]
            if values:
                told[quantity.name] = {
                    "kind": TEXT,
                    "values": distinct(values)[:_MOST_TEXTS],
                    "samples": len(values),
                }
            continue
        values = window.numbers(index)
        if not values:
            continue
        entry = {"kind": quantity.kind, "unit": quantity.unit, "samples": len(values)}
        if quantity.kind == COUNTER:
            rose, resets = increase(values)
            entry.update(first=values[0], last=values[-1], increase=rose or 0, resets=resets)
            if "rail" in quantity.detail:
                # A wrap is no reset; the rails tell the energy.
                del entry["increase"], entry["resets"]
        else:
            entry.update(
                min=min(values), median=_median(values), mean=sum(values) / len(values), max=max(values)
            )
        told[quantity.name] = entry
    return told


def _median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
