"""What a host sees through a device's timestamps, against what `edgebench kws performance` measures in the device.

The two alternate, so that a machine whose clock changes treats them alike: the device on a pseudo-terminal, driven by
`edgebench kws drive`, and `edgebench kws performance`, the same engine and model, one thread. Required: medians of the
rounds' ratios within 5 %.

    python tests/perf/kws_device.py --python VENV/bin/python --zipapp build/edgebench.pyz --data-dir DIR
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALLOWED_SHARE = 0.05
ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def cable(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two ends of a serial line."""
    masters, ends = [], []
    for name in ("device", "host"):
        master, slave = os.openpty()
        tty.setraw(slave)
        path = folder / name
        path.symlink_to(os.ttyname(slave))
        masters.append(master)
        ends.append(path)

    def pump(source: int, sink: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                os.write(sink, os.read(source, 65536))

    for source, sink in (masters, masters[::-1]):
        threading.Thread(target=pump, args=(source, sink), daemon=True).start()
    yield ends[0], ends[1]


@contextlib.contextmanager
def device(command: list[str], port: Path, options: list[str]) -> Iterator[None]:
    """The device's program, ready."""
    process = subprocess.Popen(
        [*command, "kws", "device", "--port", str(port), *options], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = ""
        for line in process.stderr:
            said += line
            if line.rstrip().endswith("ready"):
                break
        else:
            raise SystemExit(f"the device did not start:\n{said}")
        yield
    finally:
        process.terminate()
        process.communicate()


def driven_per_s(command: list[str], port: Path, inputs: Path, window_s: float, windows: int) -> float:
    """Inferences a second by the device's timestamps."""
    arguments = ["--mode", "performance", "--window-s", str(window_s), "--windows", str(windows), "--json"]
    done = subprocess.run(
        [*command, "kws", "drive", "--port", str(port), "--inputs", str(inputs), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not done.stdout:
        raise SystemExit(f"edgebench kws drive failed with exit code {done.returncode}")
    told = json.loads(done.stdout)["performance"]
    for warning in told["warnings"]:
        if "[device-clock-" in warning:
            print(f"warning: {warning}")
    return float(told["throughput_per_s"])


def measured_per_s(command: list[str], options: list[str], folder: Path) -> float:
    """Inferences a second by `edgebench kws performance`, windows of 1 s."""
    out = folder / f"{time.time_ns()}.jsonl"
    arguments = ["--quick", "--json", "--out", str(out)]
    done = subprocess.run(
        [*command, "kws", "performance", *options, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        raise SystemExit(f"edgebench kws performance failed with exit code {done.returncode}: {done.stderr}")
    records: list[dict[str, Any]] = json.loads(done.stdout)
    return float(next(each["throughput_per_s"] for each in records if each["record"] == "inference"))


def compare(
    command: list[str], data: Path, engine: str, model: str, rounds: int, window_s: float, windows: int
) -> tuple[float, list[tuple[float, float]]]:
    """Return the median ratio of what is driven to what is measured, and the pairs of inferences a second."""
    chosen = ["--engine", engine, "--model", model, "--data-dir", str(data), "--offline"]
    pairs = []
    with tempfile.TemporaryDirectory() as name, cable(Path(name)) as (near, far):
        for turn in range(rounds):
            values = {}
            for which in (("driven", "measured"), ("measured", "driven"))[turn % 2]:
                if which == "driven":
                    with device(command, near, chosen):
                        values[which] = driven_per_s(command, far, data / "kws01", window_s, windows)
                else:
                    values[which] = measured_per_s(command, chosen, Path(name))
            pairs.append((values["driven"], values["measured"]))
    return statistics.median(driven / measured for driven, measured in pairs), pairs


def main() -> int:
    """Compare, print a table, return 1 where the two are further apart than allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="the Python with engine and pyserial")
    parser.add_argument("--zipapp", type=Path, default=Path("build/edgebench.pyz"))
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("EDGEBENCH_DATA_DIR") or ROOT.parent / "shared" / "data"),
        help="folder with kws01 and the reference models (EDGEBENCH_DATA_DIR)",
    )
    parser.add_argument("--engine", default="litert")
    parser.add_argument("--model", default="reference_int8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window-s", type=float, default=1.0)
    parser.add_argument("--windows", type=int, default=5)
    options = parser.parse_args()
    ratio, pairs = compare(
        [options.python, str(options.zipapp)],
        Path(options.data_dir).resolve(),
        options.engine,
        options.model,
        options.rounds,
        options.window_s,
        options.windows,
    )
    print(f"{'round':>5} {'driven per s':>14} {'measured per s':>14} {'ratio':>7}")
    for number, (driven, measured) in enumerate(pairs, 1):
        print(f"{number:>5} {driven:>14.1f} {measured:>14.1f} {driven / measured:>7.3f}")
    fine = abs(ratio - 1) <= ALLOWED_SHARE
    print(f"median ratio {ratio:.3f}, allowed 1 ± {ALLOWED_SHARE:g}: {'ok' if fine else 'NOT OK'}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
