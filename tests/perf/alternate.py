"""One process that trains the same network in turns: once by the runner's own code, once by bare Keras calls.

``python alternate.py ZIPAPP WORKLOAD TURNS`` prints one line a turn: seconds of
the runner's training, seconds of bare ``fit``. Turn by turn both find the
machine in the same state, which whole processes minutes apart do not.
"""

import sys
import threading
import time

zipapp, workload, turns = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, zipapp)

import bare_keras  # type: ignore[import-not-found]  # noqa: E402
from edgebench import compat, worker, workloads  # noqa: E402
from edgebench.data.access import Job  # noqa: E402


def main() -> None:
    threading.Thread(target=worker._end_with_parent, daemon=True).start()
    module = workloads.get(workload)
    spec = module.SPEC
    framework = compat.load()
    options = {name: values[0] for name, values in spec.options.items()}
    job = Job(spec.dataset, "quick", spec.quick, options, "synthetic", "dense_float32", None)
    train, _, _ = module.inputs(job)
    model = worker._built(framework, module, options)
    worker._first_steps(framework, model, train)
    bare = bare_keras.Bare(workload)

    def ours_s() -> float:
        told = []
        worker._train(framework, model, train, spec.quick.epochs, lambda event, **values: told.append(values))
        return float(told[-1]["record"]["times"]["train_s"])

    def bare_s() -> float:
        started = time.monotonic()
        bare.fit()
        return time.monotonic() - started

    for turn in range(turns):
        if turn % 2:
            theirs, ours = bare_s(), ours_s()
        else:
            ours, theirs = ours_s(), bare_s()
        print(ours, theirs, flush=True)


main()
