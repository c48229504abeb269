"""What the trials of faults found: files of which docs/reliability.md is written (table.py)."""

import datetime
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(os.environ.get("EDGEBENCH_FAULTS_RESULTS") or Path(__file__).with_name("results"))


@dataclass
class Trials:
    """One row of the table.

    fault: what happens to the user. injected: how the trials made it happen. trials: how often. reported: records that
    were said to be written, or were on disk, before the fault. lost: how many of these are missing or changed
    afterwards. seen: what the user is told, word for word. notes: what the trials do not show.
    """

    fault: str
    injected: str
    trials: int
    reported: int
    lost: int
    seen: str
    notes: str = ""
    counts: dict[str, int] = field(default_factory=dict)


def keep(slug: str, order: int, trials: Trials) -> None:
    """Write the row, with its place in the table and the day."""
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    entry = {"order": order, "day": day, **asdict(trials)}
    RESULTS.mkdir(exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=RESULTS, prefix=f".{slug}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(json.dumps(entry, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    Path(partial).chmod(0o644)
    Path(partial).replace(RESULTS / f"{slug}.json")
    print(
        f"{trials.fault}: {trials.trials} trial(s), {trials.reported} record(s), {trials.lost} lost",
        flush=True,
    )
