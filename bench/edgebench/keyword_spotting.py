"""The ninth workload, which is inference alone: what a suite and a person have to know of it.

Source: MLPerf Tiny, benchmark kws01.
"""

from edgebench.errors import UsageError

NAME = "kws"
TITLE = "Keyword Spotting"
ARCHITECTURE = "conv (25,5,64), 4 x (depthwise, pointwise (25,5,64)), 12"
INPUT_SHAPE = (49, 10, 1)
PARAMETERS = 24908
TEST_SAMPLES = 1000
# Inputs, and models: of either kind a host may have none.
INPUTS = "kws01"
MODELS = "kws_models"
DATASETS = (INPUTS, MODELS)

# Top-1 that MLPerf Tiny requires in its closed division.
REQUIRED_TOP1 = 0.9

WINDOWS = 5
MIN_INFERENCES = 10
# A window of MLPerf Tiny lasts 10 s or more; the quick profile's is too short to count, and says so.
WINDOWS_S = {"quick": 0.5, "paper": 10.0, "tuned": 10.0}


_WITHOUT = {
    INPUTS: "the inputs of keyword spotting ({}) are not available: its latency is measured, not its accuracy",
    MODELS: "the reference models of keyword spotting ({}) are not available: networks of random weights replace "
    "them, with the same latency. For details, run: edgebench data status",
}


def needed(data_mode):
    """Return the data sets to look for: with synthetic data, which has no labels, the models alone."""
    return [name for name in DATASETS if data_mode == "auto" or name != INPUTS]


def without(dataset):
    """Return what it means for a run that one of ``DATASETS`` is not available, for people."""
    return _WITHOUT[dataset].format(dataset)


def options_for(profile):
    """Return the options of a measurement as its record has them."""
    return {"window_s": WINDOWS_S[profile], "windows": WINDOWS, "min_inferences": MIN_INFERENCES}


def as_json():
    """Return the facts as plain values, as ``edgebench list --json`` prints them."""
    return {
        "name": NAME,
        "kind": "inference",
        "title": TITLE,
        "datasets": list(DATASETS),
        "input_shape": list(INPUT_SHAPE),
        "architecture": ARCHITECTURE,
        "parameters": PARAMETERS,
        "metric": "top1",
        "paper": dict(options_for("paper"), test_samples=TEST_SAMPLES, batch=1),
        "quick": dict(options_for("quick"), test_samples=TEST_SAMPLES, batch=1),
    }


def names(trainings, asked):
    """Return the names of ``asked``, of ``trainings`` and this workload, in the order of the tables; all for none.

    Raises UsageError with the known names for another one.
    """
    known = tuple(trainings) + (NAME,)
    for name in sorted(asked):
        if name not in known:
            raise UsageError(
                "Unknown workload {!r}. Choose from: {}.".format(name, ", ".join(known)), "workload-unknown"
            )
    return [name for name in known if name in asked or not asked]
