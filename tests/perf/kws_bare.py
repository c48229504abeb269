"""``make perf-kws``: what `kws performance` reports over a bare loop around the same library's interpreter.

Runs in the Python of `.edgebench/venv`, one thread, the int8 reference model, the fastest there is, so that any
overhead shows most. By turns, a window of the runner's timing (every inference stamped, garbage collection off) and a
loop as anybody would write it; a ratio is the median over the turns. Exits with 1 when the runner's throughput is
more than 5 % below or above the loop's.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOUND = 0.05


def main() -> int:
    """Measure, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=21, help="turns (default: %(default)s)")
    parser.add_argument("--window", type=float, default=1.0, metavar="S", help="(default: %(default)s)")
    parser.add_argument("--zipapp", type=Path, default=ROOT / ".edgebench/edgebench.pyz", help="the runner")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("EDGEBENCH_DATA_DIR") or ROOT.parent / "shared" / "data"),
        help="folder with the reference models (EDGEBENCH_DATA_DIR)",
    )
    options = parser.parse_args()
    path = options.data_dir / "models" / "kws_ref_model.tflite"
    if not options.zipapp.exists() or not path.exists():
        print(
            f"{options.zipapp} or {path} is missing: run `make bench`, set EDGEBENCH_DATA_DIR",
            file=sys.stderr,
        )
        return 2
    sys.path.insert(0, str(options.zipapp))

    import numpy
    from ai_edge_litert.interpreter import Interpreter
    from edgebench.kws import engines, timing
    from edgebench.kws.inputs import SHAPE, Features
    from edgebench.kws.models import Model

    model = Model("reference_int8", "tflite", "int8", "reference", str(path), None, None)
    engine = engines.open_engine("litert", model, threads=1)
    engine.set_input(Features(numpy.zeros(SHAPE, numpy.float32)))
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    interpreter.set_tensor(given["index"], numpy.zeros(given["shape"], given["dtype"]))
    count = timing.calibrated(interpreter.invoke, options.window, 10)

    ours, bare = [], []
    for turn in range(options.turns + 1):
        (window,) = timing.measure(engine, 1, options.window).windows
        started = time.perf_counter()
        for _ in range(count):
            interpreter.invoke()
        bare_s = time.perf_counter() - started
        if turn:
            ours.append(window.inferences / window.wall_s)
            bare.append(count / bare_s)
    ratios = sorted(one / other for one, other in zip(ours, bare, strict=True))
    quarter, middle = len(ratios) // 4, statistics.median(ratios)
    print(f"{engine.library} {engine.version}, one thread, {options.turns} turns of {options.window:g} s")
    print(
        f"kws performance {statistics.median(ours):>9.0f} inf./s, bare loop {statistics.median(bare):>9.0f} inf./s"
    )
    print(
        f"ratio {middle:.3f}  middle half {ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f}"
        f"  (within {BOUND:.0%} of 1)"
    )
    return 0 if abs(middle - 1) <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
