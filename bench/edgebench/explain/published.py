"""What the 2019 report's own times say of its open question: why did the GPU help only in vision?

The report has one batch size, so a step cannot be taken apart by a sweep. But
its eight networks differ in what a step does, and a host's time is written as

    overhead + recurrent steps x time of one + bytes fed x time of one + FLOP x time of one

with four numbers for each host, none below 0, that fit its eight times best
(least squares of relative errors). Operations are counted (``roofline``), times
are ``files/published_2019.yml``; a training's steps are its samples over its
batch, but for the weather's 500 an epoch.
"""

import itertools

import numpy

from edgebench import facts, progress, workloads
from edgebench.errors import UsageError
from edgebench.roofline import survey

_FLOAT_BYTES = 4
_NAMES = ("overhead_s", "per_recurrence_s", "per_byte_s", "per_flop_s")
_LARGE_SHARE = 0.25
_PART_NAMES = ("overhead", "recurrence", "input", "arithmetic")


def explained(threads=None):
    """Return {"workloads": {name: what a step does}, "hosts": [what ``fitted`` gives]}; networks are built to count.

    threads: of the framework that builds them. Raises UsageError where there is none.
    """
    work = _work(threads)
    data = facts.read("published_2019")
    trainings_s = _trainings_s(data)
    hosts = []
    for host in data["hosts"]:
        steps_s = {
            name: each[host["id"]] / float(work[name]["steps"])
            for name, each in trainings_s.items()
            if each.get(host["id"]) is not None
        }
        about = {"id": host["id"], "name": host["name"], "gpu": host["gpu_cores"] > 0}
        hosts.append(dict(fitted(steps_s, work), **about))
    return {"workloads": work, "hosts": hosts}


def _trainings_s(data):
    """Return {workload: {host: seconds}} as measured: printed, but for misprints, where the raw logs count."""
    found = {each["id"]: dict(each["train_s"]) for each in data["workloads"]}
    for each in data["annotations"]:
        if each.get("field") == "train_s":
            found[each["workload"]][each["host"]] = each["raw"]
    return found


def _work(threads):
    wish = survey.Wish(
        names=workloads.NAMES,
        batch=None,
        precision="float32",
        threads=threads,
        device="cpu",
        measure=False,
        operators=False,
        peaks=None,
        peaks_budget_s=0,
        finder=None,
    )
    found = survey.make(wish, progress.display("auto"))
    if found["missing"]:
        raise UsageError(
            "Counting the operations of the networks failed: {}".format(
                "; ".join(sorted(found["missing"].values()))
            ),
            "networks-not-countable",
        )
    return {name: _work_of(name, found["networks"][name]) for name in workloads.NAMES}


def _work_of(name, network):
    sizes = workloads.get(name).SPEC.paper
    training = next(run for run in network["runs"] if run["purpose"] == "training")
    recurrences, shape = 0, network["input_shape"]
    for layer in network["layers"]:
        if layer["kind"] == "GRU":
            recurrences += shape[0]
        shape = layer["output_shape"]
    return {
        "title": network["title"],
        "batch": sizes.batch,
        "steps": sizes.epochs * (sizes.steps_per_epoch or -(-sizes.train_samples // sizes.batch)),
        "recurrences": recurrences,
        "bytes_fed": sizes.batch * _FLOAT_BYTES * network["layers"][0]["input_values"],
        "flop": training["total"]["flop"],
    }


def fitted(steps_s, work):
    """Return a host's four numbers and what they make of each workload.

    steps_s: {workload: seconds of a step}. work: of ``explained``. Keys: those
    of _NAMES, and "workloads": {name: {"step_s", "parts" in seconds, "error"}}.
    """
    names = [name for name in workloads.NAMES if name in steps_s]
    rows = numpy.array([_row(work[name]) for name in names])
    seconds = numpy.array([steps_s[name] for name in names])
    numbers = _nonnegative(rows / seconds[:, None], numpy.ones(len(names)))
    told = {}
    for name, row in zip(names, rows):
        parts = numbers * row
        told[name] = {
            "step_s": steps_s[name],
            "parts": dict(zip(_PART_NAMES, (float(each) for each in parts))),
            "error": float(parts.sum() / steps_s[name] - 1),
        }
    return dict(zip(_NAMES, (float(each) for each in numbers)), workloads=told)


def _row(work):
    return [1.0, work["recurrences"], work["bytes_fed"], work["flop"]]


def _nonnegative(rows, wanted):
    """Return the x >= 0 with the least |rows x - wanted|, by trying which of its few numbers are 0."""
    best, best_error = numpy.zeros(rows.shape[1]), float("inf")
    # Columns differ by ten powers of ten.
    scale = numpy.abs(rows).max(axis=0)
    scale[scale == 0] = 1
    for count in range(1, rows.shape[1] + 1):
        for kept in itertools.combinations(range(rows.shape[1]), count):
            part = (rows / scale)[:, kept]
            found = numpy.linalg.lstsq(part, wanted, rcond=-1)[0]
            error = float(((part.dot(found) - wanted) ** 2).sum())
            if (found >= 0).all() and error < best_error:
                best = numpy.zeros(rows.shape[1])
                best[list(kept)] = found
                best_error = error
    return best / scale


def lines(told):
    """Return what ``explained`` gives as Markdown: the hosts' numbers, the share of each part, and the answer."""
    found = [
        "| host | overhead of a step | of a recurrent step | of a MB fed | arithmetic |",
        "|---|--:|--:|--:|--:|",
    ]
    for host in told["hosts"]:
        found.append(
            "| {} | {} | {} | {} | {} |".format(
                host["name"],
                _ms(host["overhead_s"]),
                _ms(host["per_recurrence_s"]),
                _ms(host["per_byte_s"] * 1e6),
                "{:.1f} GFLOP/s".format(1e-9 / host["per_flop_s"]) if host["per_flop_s"] else "-",
            )
        )
    names = [host["name"] for host in told["hosts"]]
    found += [
        "",
        "| workload | MFLOP a step | {} |".format(" | ".join(names)),
        "|---|--:|{}".format("--:|" * len(names)),
    ]
    for name in workloads.NAMES:
        work = told["workloads"][name]
        cells = [_cell(host["workloads"].get(name)) for host in told["hosts"]]
        found.append("| {} | {:.1f} | {} |".format(work["title"], work["flop"] / 1e6, " | ".join(cells)))
    return found + [""] + answer(told)


def _ms(seconds):
    value = 1e3 * seconds
    return "{:.0f} ms".format(value) if value >= 100 else "{:.3g} ms".format(value)


def _cell(entry):
    if entry is None:
        return "-"
    return "{}, {:.0f} % ({:+.0f} %)".format(
        _ms(entry["step_s"]),
        100 * entry["parts"]["arithmetic"] / sum(entry["parts"].values()),
        100 * entry["error"],
    )


def answer(told):
    """Return the lines that answer the report's question, from the numbers of ``explained`` alone."""
    found = []
    for gpu in [host for host in told["hosts"] if host["gpu"]]:
        others = [host for host in told["hosts"] if not host["gpu"]]
        rates = [1e-9 / host["per_flop_s"] for host in others]
        found.append(
            "On {}, the host with a GPU, arithmetic runs at {:.0f} GFLOP/s, where the others' CPUs reach {}. But every "
            "step costs {} before any arithmetic ({} on the others), every one of a GRU's recurrent steps {} ({}) and "
            "every MB that is fed {} ({}).".format(
                gpu["name"],
                1e-9 / gpu["per_flop_s"],
                _listed("{:.1f}".format(rate) for rate in rates),
                _ms(gpu["overhead_s"]),
                _listed(_ms(host["overhead_s"]) for host in others),
                _ms(gpu["per_recurrence_s"]),
                _listed(_ms(host["per_recurrence_s"]) for host in others),
                _ms(1e6 * gpu["per_byte_s"]),
                _listed(_ms(1e6 * host["per_byte_s"]) for host in others),
            )
        )
        shares = {name: _share(each) for name, each in gpu["workloads"].items()}
        large = [name for name in shares if shares[name] >= _LARGE_SHARE]
        small = [name for name in shares if shares[name] < _LARGE_SHARE]
        found.append(
            "So arithmetic is {} of its step: there a faster GPU helps. Of the other {} networks it is {:.0f} to "
            "{:.0f} %, and a GPU whose arithmetic took no time at all would train them only {:.2f} to {:.2f} times "
            "faster.".format(
                _listed(
                    "{:.0f} % ({})".format(100 * shares[name], told["workloads"][name]["title"])
                    for name in large
                ),
                len(small),
                100 * min(shares[name] for name in small),
                100 * max(shares[name] for name in small),
                min(1 / (1 - shares[name]) for name in small),
                max(1 / (1 - shares[name]) for name in small),
            )
        )
    errors = sorted(abs(each["error"]) for host in told["hosts"] for each in host["workloads"].values())
    found.append(
        "The {} published times are described by {} numbers, half of them within {:.0f} %, the worst within "
        "{:.0f} %.".format(
            len(errors), len(_NAMES) * len(told["hosts"]), 100 * errors[len(errors) // 2], 100 * errors[-1]
        )
    )
    return found


def _share(entry):
    return entry["parts"]["arithmetic"] / sum(entry["parts"].values())


def _listed(words):
    words = list(words)
    return words[0] if len(words) == 1 else "{} and {}".format(", ".join(words[:-1]), words[-1])
