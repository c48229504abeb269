"""Scores a model behind the guard of the types, as the 2021 port fed it; run by test_kws.py in a stack's Python.

usage: kws_raw_bytes.py ZIPAPP DATA_DIR
"""

import json
import sys
from collections.abc import Callable
from typing import Any

sys.path.insert(0, sys.argv[1])

import numpy
from edgebench.kws import engines, inputs, scoring
from edgebench.kws.models import Model

folder = sys.argv[2] + "/models/kws_ref_model"
model = Model("reference_saved_model", "saved_model", "float32", "reference", folder, None, None)
engine = engines.open_engine("tensorflow", model)
samples = inputs.read_set(sys.argv[2] + "/kws01")
labels = [sample.label for sample in samples]


def score(put: Callable[[Any], None]) -> dict[str, Any]:
    answers = []
    for sample in samples:
        put(sample.quantized)
        engine.invoke()
        answers.append(engine.output())
    told = numpy.argmax(answers, axis=1)
    return {
        "top1": scoring.score(answers, labels).top1,
        "told": sorted({inputs.LABELS[each] for each in told}),
    }


def raw(kind: type) -> Callable[[Any], None]:
    def put(quantized: Any) -> None:
        engine._input[...] = quantized.values.view(kind).astype(numpy.float32)

    return put


refused = []
for value in (samples[0].quantized.values, samples[0].quantized.values.tobytes()):
    try:
        engine.set_input(value)
    except TypeError as error:
        refused.append(str(error))
results = {"uint8": score(raw(numpy.uint8)), "int8": score(raw(numpy.int8)), "right": score(engine.set_input)}
print(json.dumps(dict(results, refused=refused)))
