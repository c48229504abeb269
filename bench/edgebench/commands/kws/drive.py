"""``edgebench kws drive``: drive a device over a serial line, as the runners of MLPerf Tiny do."""

import json
import os
import sys
import time

from edgebench.commands.common import NOT_ALL_OK, OK, positive
from edgebench.errors import UsageError
from edgebench.keyword_spotting import REQUIRED_TOP1


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "drive",
        help="drive a device over a serial line: its accuracy and speed",
        description="Drive a device of MLPerf Tiny, this program's or a microcontroller, over a serial line, and judge "
        "what it answers. Exit code 1: accuracy below 90 %, or windows that are not valid.",
    )
    command.add_argument("--port", required=True, help="such as /dev/ttyACM0")
    command.add_argument("--baud", type=positive, default=115200, metavar="N", help="(default: %(default)s)")
    command.add_argument(
        "--inputs", required=True, metavar="DIR", help="folder of the set kws01, with its y_labels.csv"
    )
    command.add_argument(
        "--mode", choices=("accuracy", "performance", "both"), default="both", help="(default: %(default)s)"
    )
    command.add_argument(
        "--limit", type=positive, metavar="N", help="only the first N inputs, for a look at accuracy"
    )
    command.add_argument(
        "--inferences",
        type=positive,
        metavar="N",
        help="inferences of a window, raised where they do not fill it (default: found out)",
    )
    command.add_argument(
        "--no-calibrate",
        dest="calibrate",
        action="store_false",
        help="keep windows that --inferences do not fill, which are not valid",
    )
    command.add_argument("--windows", type=positive, default=5, metavar="N", help="(default: %(default)s)")
    command.add_argument(
        "--window-s", type=float, default=10.0, metavar="S", help="seconds of a window (default: %(default)s)"
    )
    command.add_argument(
        "--out",
        metavar="DIR",
        help="folder for accuracy/ and performance/, each log.txt, results.txt, results.json",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(command=_drive)


def _drive(options):
    from edgebench.kws import drive
    from edgebench.kws.inputs import read_set
    from edgebench.kws.serial_line import SerialLine

    if not options.calibrate and not options.inferences:
        raise UsageError(
            "--no-calibrate keeps the number of inferences, and none is given. Add --inferences N.",
            "inferences-required",
        )
    if not 0 < options.window_s <= 86400:
        raise UsageError(
            "--window-s {:g} is not above 0 and up to 86400. Give the seconds of a window, such as 10.".format(
                options.window_s
            ),
            "window-length-invalid",
        )
    samples = read_set(options.inputs)[: options.limit]
    result = {}  # type: dict
    with SerialLine(options.port, options.baud) as line:
        dialogue = _Dialogue()
        driver = drive.Driver(line, dialogue.say)
        driver.identify()
        result["device"] = {"name": driver.name, "profile": driver.profile, "model": driver.model}
        if options.mode in ("accuracy", "both"):
            result["accuracy"] = _accuracy(options, driver, samples, dialogue)
        if options.mode in ("performance", "both"):
            result["performance"] = _performance(options, driver, samples, dialogue)
    if options.json:
        print(json.dumps(result, indent=2, sort_keys=True))
    else:
        _show(result)
    accurate = options.limit or result.get("accuracy", {}).get("top1", 1.0) >= REQUIRED_TOP1
    return OK if accurate and result.get("performance", {}).get("valid_windows", True) else NOT_ALL_OK


def _accuracy(options, driver, samples, dialogue):
    from edgebench.kws import drive, logform, scoring

    answers = drive.accuracy(driver, samples, _progress("inputs"))
    score = scoring.score(answers, [sample.label for sample in samples])
    if options.out:
        entries = [
            _entry(sample, {"results": answer, "iterations": 1, "warmups": 0}, "a")
            for sample, answer in zip(samples, answers)
        ]
        _write(options.out, "accuracy", dialogue, logform.accuracy_log(score.top1, score.auc), entries)
    return {"top1": score.top1, "auc": score.auc, "samples": score.samples, "confusion": score.confusion}


def _performance(options, driver, samples, dialogue):
    from edgebench.kws import drive, logform

    dialogue.forget()
    done = drive.performance(
        driver,
        samples,
        options.windows,
        options.window_s,
        options.inferences,
        options.calibrate,
        _progress("windows"),
    )
    windows = [(each.inferences, each.device_s) for each in done.windows]
    if options.out:
        entries = [
            _entry(samples[index % len(samples)], _infer(each), "p")
            for index, each in enumerate(done.windows)
        ]
        _write(options.out, "performance", dialogue, logform.performance_log(windows), entries)
    return {
        "windows": [
            {
                "inferences": each.inferences,
                "device_s": each.device_s,
                "host_s": each.host_s,
                "throughput_per_s": each.inferences / each.device_s,
            }
            for each in done.windows
        ],
        "throughput_per_s": logform.median_throughput_per_s(windows),
        "valid_windows": drive.valid(done.windows),
        "warnings": done.warnings,
    }


def _infer(inference):
    from edgebench.kws import drive

    return {
        "results": inference.results,
        "iterations": inference.inferences,
        "warmups": drive.WARMUP,
        "elapsed_time": round(inference.device_s * 1e6),
        "throughput": inference.inferences / inference.device_s,
    }


def _entry(sample, infer, mode):
    from edgebench.kws.inputs import LABELS

    return {
        "file": sample.name,
        "classes": str(len(LABELS)),
        "class": str(sample.label),
        "infer": infer,
        "mode": mode,
    }


def _write(out, run, dialogue, text, entries):
    from edgebench.data.files import write_whole

    folder = os.path.join(out, run)
    contents = {
        "log.txt": "".join(dialogue.lines) + text,
        "results.txt": text,
        "results.json": json.dumps(entries) + "\n",
    }
    for name, content in sorted(contents.items()):
        write_whole(os.path.join(folder, name), [content.encode("utf-8")])


class _Dialogue:
    """What both sides say, as lines of a log."""

    def __init__(self):
        self.lines = []

    def say(self, when_s, direction, text):
        stamp = time.strftime("%m%d.%H%M%S", time.localtime(when_s))
        self.lines.append("{} {}: {}\n".format(stamp, "host" if direction == ">" else "dut", text))

    def forget(self):
        self.lines = []


def _progress(what):
    if not sys.stderr.isatty():
        return None

    def tell(done, of):
        sys.stderr.write("\r{} of {} {}".format(done, of, what) + ("\n" if done == of else ""))
        sys.stderr.flush()

    return tell


def _show(result):
    from edgebench.kws.inputs import LABELS

    print("device       {name}, {profile}, model {model}".format(**result["device"]))
    accuracy = result.get("accuracy")
    if accuracy:
        print(
            "accuracy     top-1 {:.1f} % of {} inputs, AUC {}{}".format(
                100 * accuracy["top1"],
                accuracy["samples"],
                "undefined, a class has no inputs"
                if accuracy["auc"] is None
                else "{:.4f}".format(accuracy["auc"]),
                "" if accuracy["top1"] >= REQUIRED_TOP1 else "; MLPerf Tiny asks for 90 %",
            )
        )
        for label, row in zip(LABELS, accuracy["confusion"]):
            if sum(row):
                right = row[LABELS.index(label)]
                print("  {:<10} {:>4} of {:>4} right".format(label, right, sum(row)))
    performance = result.get("performance")
    if performance:
        print(
            "{:<8} {:>12} {:>12} {:>12} {:>14}".format(
                "window", "inferences", "device_s", "host_s", "per second"
            )
        )
        for number, each in enumerate(performance["windows"], 1):
            print(
                "{:<8} {:>12} {:>12.3f} {:>12.3f} {:>14.3f}".format(
                    number, each["inferences"], each["device_s"], each["host_s"], each["throughput_per_s"]
                )
            )
        print("median       {:.3f} inferences a second".format(performance["throughput_per_s"]))
        for warning in performance["warnings"]:
            print("warning: " + warning)
