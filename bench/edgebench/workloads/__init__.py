"""The eight trainings, in the order of the report's tables.

Each module offers ``SPEC`` (a spec.Spec), ``network(framework, options)`` that
returns the uncompiled model, and ``inputs(job)`` that returns the inputs.Arrays
or inputs.Stream to train on, those to test on, and what else is worth
recording (a dict), where ``job`` is a ``data.access.Job``.
"""

from edgebench.errors import UsageError
from edgebench.workloads import (
    dogs_vs_cats,
    imdb,
    imdb_embedded,
    mnist_1d,
    mnist_2d,
    reuters,
    weather,
    weather_conv,
)

ALL = (mnist_1d, imdb, reuters, mnist_2d, dogs_vs_cats, imdb_embedded, weather, weather_conv)
NAMES = tuple(module.SPEC.name for module in ALL)


def get(name):
    """Return the module of a workload; raise UsageError with the known names."""
    for module in ALL:
        if module.SPEC.name == name:
            return module
    raise UsageError(
        "Unknown workload {!r}. Choose from: {}.".format(name, ", ".join(NAMES)), "workload-unknown"
    )
