"""``edgebench list``: the workloads with their published figures."""

import json

from edgebench import facts, keyword_spotting, workloads
from edgebench.commands.common import OK
from edgebench.workloads.spec import as_json

_HEAD = ("workload", "train", "test", "epochs", "batch", "parameters")
_LINE = "{:<13} {:>7} {:>7} {:>6} {:>5} {:>10}"
_TIME = "{:>9} {:<1}"
_RESULTS = ("train_s", "test_s", "accuracy_percent")


def add(commands):
    """Declare the command."""
    command = commands.add_parser("list", help="show the workloads with their published figures")
    command.add_argument(
        "--json", action="store_true", help="as JSON, with all sizes, options, networks and published results"
    )
    command.set_defaults(command=_list)


def _list(options):
    published = facts.read("published_2019")
    if options.json:
        print(json.dumps(_as_json(published), indent=2))
    else:
        print("\n".join(line.rstrip() for line in _table(published) + _below(published)))
    return OK


def _as_json(published):
    """Return all workloads; ``published`` of each has its results by host, as printed; None is unpublished."""
    results = {each["id"]: {name: each[name] for name in _RESULTS} for each in published["workloads"]}
    listed = [
        dict(as_json(module.SPEC), kind="training", published=results.get(module.SPEC.name))
        for module in workloads.ALL
    ]
    return listed + [dict(keyword_spotting.as_json(), published=None)]


def _table(published):
    """Return one line for each workload: its sizes, then the training time that each published host needed."""
    hosts = published["hosts"]
    trained = {each["id"]: each for each in published["workloads"]}
    times = "".join(_TIME.format(each["name"], "") for each in hosts)
    lines = [
        "Workloads of the paper profile, with the training times [s] of the {} report:".format(
            str(published["source"]["date"])[:4]
        ),
        "",
        _LINE.format(*_HEAD) + times,
    ]
    for module in workloads.ALL:
        spec, sizes = module.SPEC, module.SPEC.paper
        counts = (sizes.train_samples, sizes.test_samples, sizes.epochs, sizes.batch, spec.parameters)
        lines.append(_line(spec.name, counts) + _times(published, trained[spec.name]))
    # Inference alone: it trains nothing and has no epochs.
    counts = (None, keyword_spotting.TEST_SAMPLES, None, 1, keyword_spotting.PARAMETERS)
    return lines + [_line(keyword_spotting.NAME, counts) + _TIME.format("-", "") * len(hosts)]


def _line(name, counts):
    return _LINE.format(name, *("-" if each is None else "{:,}".format(each) for each in counts))


def _times(published, workload):
    """Return the cells of one workload as printed; a mark leads to the note on a value."""
    marks = {note: mark for mark, note in _notes(published)}
    cells = []
    for host in published["hosts"]:
        value = workload["train_s"][host["id"]]
        mark = marks.get(_note(published, workload, host), "")
        cells.append(_TIME.format("-" if value is None else "{:.1f}".format(value), mark))
    return "".join(cells)


def _notes(published):
    """Return the footnotes on training times as (mark, text), each once."""
    found = []
    for workload in published["workloads"]:
        for host in published["hosts"]:
            note = _note(published, workload, host)
            if note is not None and note not in found:
                found.append(note)
    return list(zip("abcdefghijklmnopqrstuvwxyz", found))


def _note(published, workload, host):
    if workload["train_s"][host["id"]] is None:
        return workload["missing"]["train_s." + host["id"]]
    for each in published["annotations"]:
        if (each["field"], each.get("workload"), each.get("host")) == ("train_s", workload["id"], host["id"]):
            return each["note"]
    return None


def _below(published):
    """Return what explains the table: the footnotes, the hosts, the statistic and the next command."""
    source = published["source"]
    lines = ["{}  {}".format(*each) for each in _notes(published)] + [""]
    for host in published["hosts"]:
        lines.append("{:<8} {}, {}".format(host["name"], host["make"], host["processor"]))
    lines += [
        "",
        "Times: {} of {} runs, building the network included ({}, {}).".format(
            source["statistic"], source["repeats"], source["author"], source["date"]
        ),
        "To time all of them on this host, run: edgebench run --profile paper",
        "Networks and all published results: edgebench list --json",
    ]
    return lines
