"""Where the time of an inference goes, operator by operator, and what finding that out costs.

TensorFlow tells it by itself: a session run with full tracing returns
RunMetadata with the start and end of every kernel. LiteRT's Python
interpreters have no profiler (it exists in C++ only), so its operators are
timed by difference: the same model, cut off after each operator in turn.
"""

import os
import struct
import tempfile
import time

import numpy

_RUNS = 50
_WARMUP = 5


def tensorflow(framework, run):
    """Return {"operators", "without_us", "with_us", "overhead"} of a graph.

    framework: a compat.Framework. run(options, metadata): runs one inference
    in a session with the RunOptions and RunMetadata it is given, both may be
    None. operators: [{"name", "kind", "calls", "total_us"}], means of an
    inference, the longest first. overhead: added time over the time without.
    """
    v1 = framework.v1
    for _ in range(_WARMUP):
        run(None, None)
    options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE)
    run(options, v1.RunMetadata())
    plain, traced = [], []
    sums = {}  # type: ignore[var-annotated]
    for _ in range(_RUNS):
        started = time.perf_counter()
        run(None, None)
        middle = time.perf_counter()
        metadata = v1.RunMetadata()
        run(options, metadata)
        traced.append(time.perf_counter() - middle)
        plain.append(middle - started)
        for name, kind, took_us in _traced(metadata):
            entry = sums.setdefault(name, {"name": name, "kind": kind, "calls": 0, "total_us": 0.0})
            entry["calls"] += 1
            entry["total_us"] += took_us
    operators = [
        dict(entry, calls=entry["calls"] / float(_RUNS), total_us=entry["total_us"] / _RUNS)
        for entry in sums.values()
    ]
    without_us, with_us = (1e6 * float(numpy.median(each)) for each in (plain, traced))
    return {
        "method": "trace",
        "operators": sorted(operators, key=lambda each: -each["total_us"]),
        "without_us": without_us,
        "with_us": with_us,
        "overhead": with_us / without_us - 1,
    }


def _traced(metadata):
    """Yield (name, kind, microseconds) of every kernel in a RunMetadata; a GPU's streams count, its launches do not."""
    devices = list(metadata.step_stats.dev_stats)
    streams = [each for each in devices if "stream:all" in each.device]
    for device in streams or [each for each in devices if "stream" not in each.device]:
        for node in device.node_stats:
            name = node.node_name.split(":")[0]
            kind = node.timeline_label.rpartition(" = ")[2].partition("(")[0] or name
            if kind.startswith("id="):
                # TensorFlow 1.15 lists some kernels a second time, with their scheduling for a label.
                continue
            yield name, kind, float(node.op_end_rel_micros - node.op_start_rel_micros)


def litert(interpreter_of, path, fill):
    """Return {"operators", "without_us", "with_us", "overhead"} of a .tflite model, by its prefixes.

    interpreter_of(path): opens a .tflite file. path: of the model.
    fill(interpreter): sets its input. An operator's time is that of the model up to it less that
    of the model before it, medians of runs in turns; it is an estimate, for
    where a model ends changes how it is planned, and it may come out below 0.
    with_us is the sum of all, so overhead tells how far the estimate is off.
    """
    with open(path, "rb") as handle:
        content = handle.read()
    count = len(_Model(content).operators)
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        prefixes = []
        for length in range(1, count + 1):
            cut_path = os.path.join(folder, "{}.tflite".format(length))
            with open(cut_path, "wb") as handle:
                handle.write(_Model(content).cut(length))
            prefixes.append(_ready(interpreter_of(cut_path), fill))
    whole = _ready(interpreter_of(path), fill)
    taken = _medians_us([each.invoke for each in prefixes + [whole]])
    names = (
        [each["op_name"] for each in whole._get_ops_details()][:count] if _tells(whole) else [None] * count
    )
    operators = []
    for index in range(count):
        before = taken[index - 1] if index else 0.0
        kind = names[index] or "operator"
        operators.append(
            {
                "name": "{} {}".format(index, kind),
                "kind": kind,
                "calls": 1.0,
                "total_us": taken[index] - before,
            }
        )
    return {
        "method": "prefixes",
        "operators": sorted(operators, key=lambda each: -each["total_us"]),
        "without_us": taken[-1],
        "with_us": taken[-2],
        "overhead": taken[-2] / taken[-1] - 1,
    }


def _ready(interpreter, fill):
    interpreter.allocate_tensors()
    fill(interpreter)
    return interpreter


def _tells(interpreter):
    return hasattr(interpreter, "_get_ops_details")


def _medians_us(functions):
    """Return the median time of each function in microseconds, taken in turns so that drift hits all alike."""
    for function in functions:
        for _ in range(_WARMUP):
            function()
    samples = [[] for _ in functions]  # type: ignore[var-annotated]
    for _ in range(4 * _RUNS):
        for function, taken in zip(functions, samples):
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    return [1e6 * float(numpy.median(taken)) for taken in samples]


class _Model:
    """The bytes of a .tflite file, a FlatBuffer, as far as it takes to end it early.

    Layout: TensorFlow's schema.fbs, version 3. Field 2 of a model is its
    subgraphs; of a subgraph, field 2 is its outputs and field 3 its operators;
    of an operator, field 2 is its outputs.
    """

    def __init__(self, content):
        self._bytes = bytearray(content)
        subgraph = self._elements(self._field(self._table(0), 2))[0]
        self._outputs = self._vector(self._field(self._follow(subgraph), 2))
        self._operators = self._vector(self._field(self._follow(subgraph), 3))
        self.operators = [self._follow(each) for each in self._elements_of(self._operators)]

    def cut(self, length):
        """Return the bytes of a model that ends after ``length`` operators and gives what the last of them gives."""
        last = self._vector(self._field(self.operators[length - 1], 2))
        self._put(self._operators, length)
        self._put(self._outputs + 4, self._get(last + 4))
        return bytes(self._bytes)

    def _get(self, at):
        return struct.unpack_from("<I", self._bytes, at)[0]

    def _put(self, at, value):
        struct.pack_into("<I", self._bytes, at, value)

    def _follow(self, at):
        return at + self._get(at)

    def _table(self, at):
        return self._follow(at)

    def _field(self, table, number):
        """Return where field ``number`` of a table lies, by way of its vtable."""
        vtable = table - struct.unpack_from("<i", self._bytes, table)[0]
        offset = struct.unpack_from("<H", self._bytes, vtable + 4 + 2 * number)[0]
        return table + offset

    def _vector(self, field):
        """Return where a vector begins: its length, then its elements."""
        return self._follow(field)

    def _elements(self, field):
        return self._elements_of(self._vector(field))

    def _elements_of(self, vector):
        return [vector + 4 + 4 * index for index in range(self._get(vector))]
