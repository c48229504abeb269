"""``edgebench kws accuracy``: how right each engine with each model is on MLPerf Tiny's 1,000 inputs."""

import json
import os
import tempfile
import time

from edgebench.commands.common import NOT_ALL_OK, OK
from edgebench.commands.kws import shared
from edgebench.errors import with_code

# Of an engine on a PC, before any was timed.
_GUESS_S = 8.0


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "accuracy",
        help="top-1, AUC and confusion of each engine with each model",
        description="Run the 1,000 inputs of kws01 through each engine and model, each in a process of its own, and "
        "score them as MLPerf Tiny does. Exit code 1 if one could not be scored or scores less "
        "than MLPerf Tiny requires (90 %).",
    )
    shared.add_choice(command)
    command.add_argument(
        "--details",
        action="store_true",
        help="show each class and the confusion, which is done anyway where there is one line only",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(command=_accuracy)


def _accuracy(options):
    from edgebench import environment, progress, tasks
    from edgebench.kws import plan, tables

    finder = shared.finder(options)
    inputs = finder.find("kws01")
    found = plan.combinations(finder, options.engine, options.model, options.threads)
    # There is nothing right or wrong about what random weights answer.
    scored = [each for each in found if each[1].weights != "random"]
    for warning in finder.warnings:
        shared.tell(warning)
    steps = [
        progress.Step(tasks.inference_label(name, model.id, model.form, threads), name, _GUESS_S)
        for name, model, threads in scored
    ]
    display = progress.display("auto")
    environment.tell_overruled(display.say)
    display.plan(steps, noun="measurement")
    try:
        results = [
            _one(options, inputs, combination, step, display) for combination, step in zip(scored, steps)
        ]
    finally:
        display.done()
    if not results:
        shared.tell(
            with_code(
                "this host has random weights only, which have no accuracy. For reference models, run: edgebench "
                "data fetch -w kws",
                "weights-random",
            )
        )
        return NOT_ALL_OK
    if options.json:
        print(json.dumps(results, indent=2, sort_keys=True))
    else:
        print(tables.accuracy(results, inputs))
        for result in results:
            if result["quality"] and (options.details or len(results) == 1):
                print("\n" + tables.confusion(result))
    return OK if all(result["status"] == "ok" for result in results) else NOT_ALL_OK


def _one(options, inputs, combination, step, display):
    from edgebench import suite
    from edgebench.kws import plan

    name, model, threads = combination
    display.start(step)
    told = {}  # type: ignore[var-annotated]
    job = {
        "kind": "inference",
        "engine": name,
        "model": dict(model._asdict()),
        "threads": threads,
        "device": options.device,
        "windows": 0,
        "inputs_folder": inputs.folder,
    }
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        end = suite.run_child(
            job,
            told,
            options.time_limit,
            os.path.join(folder, "worker.log"),
            display,
            plan.python_of(name),
        )
    quality = told.get("quality")
    scored = "top-1 {:.1%}".format(quality["value"]) if quality else "{}, {}".format(end.status, end.reason)
    display.end("{}: {}".format(step.label, scored))
    return {
        "engine": dict(
            {"name": name, "library": None, "version": None, "delegate": None}, **told.get("engine", {})
        ),
        "model": dict(model._asdict()),
        "threads": threads,
        "status": end.status,
        "reason": end.reason,
        "quality": quality,
        "times": dict(told.get("times", {}), wall_s=time.monotonic() - started),
        "framework": told.get("framework"),
    }
