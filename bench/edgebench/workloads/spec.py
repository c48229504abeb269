"""What describes a workload: its published figures, its sizes by profile, and what its module must offer."""

from collections import namedtuple

Sizes = namedtuple("Sizes", "train_samples test_samples epochs batch test_batch steps_per_epoch")
Sizes.__doc__ = """How much a profile trains and tests.

train_samples, test_samples: for the weather series rows of the series, as the
report counts them. steps_per_epoch: None means all samples.
"""

Spec = namedtuple(
    "Spec",
    "name title dataset input_shape architecture parameters loss learning_rate metric paper quick options",
)
Spec.__doc__ = """One workload as published in the 2019 report, tables 2 and 3.

name: its id. title: the report's name. dataset: entry of the data manifest.
input_shape: without the batch. architecture: the report's text.
parameters: published count; a network with another one refuses to run.
learning_rate: of RMSprop. metric: "accuracy" or "mae". paper, quick: Sizes.
options: {name: (default, other allowed values)}.
"""


def sizes_for(spec, profile):
    """Return the Sizes of a profile: quick, paper, or tuned, which runs the published sizes."""
    return spec.quick if profile == "quick" else spec.paper


def as_json(spec):
    """Return the spec as plain values, as ``edgebench list --json`` prints it."""
    plain = dict(spec._asdict())
    plain["input_shape"] = list(spec.input_shape)
    plain["paper"] = dict(spec.paper._asdict())
    plain["quick"] = dict(spec.quick._asdict())
    plain["options"] = {
        name: {"default": v[0], "choices": list(v)} for name, v in sorted(spec.options.items())
    }
    return plain
