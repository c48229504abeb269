"""MPI Weather: tomorrow's temperature from ten days of 21 measurements by a GRU (the report's section 2.4.7).

The report's text says five days of look-back (720 rows), its code used 1440;
the code's value is the default, since it reproduces the published times.
"""

import numpy

from edgebench import inputs as feeding
from edgebench.data import weather as series
from edgebench.errors import DataError
from edgebench.workloads.spec import Sizes, Spec

STEP_ROWS = 6
_DELAY_ROWS = 144
LOOKBACK_ROWS = (1440, 720)

SPEC = Spec(
    name="weather",
    title="MPI Weather",
    dataset="weather",
    input_shape=(None, series.COLUMNS),
    architecture="32, 1",
    parameters=5217,
    loss="mae",
    learning_rate=1e-3,
    metric="mae",
    paper=Sizes(200000, 120406, 10, 128, 128, 500),
    quick=Sizes(12000, 4000, 2, 128, 128, 16),
    options={"lookback_rows": LOOKBACK_ROWS},
)


def network(framework, options):
    """Return the uncompiled model: (time, 21) to the temperature a day ahead, in standard deviations."""
    return framework.sequential(SPEC.input_shape, [framework.gru(32), framework.output(1)])


def inputs(job):
    """Return (train, test, extra): windows of the normalised series; extra holds the temperature's deviation in °C."""
    rows_needed = job.sizes.train_samples + job.sizes.test_samples + _DELAY_ROWS + 1
    rows = job.read(
        lambda found: series.load(found, job.warnings),
        lambda random: series.synthetic(random, rows_needed),
    )
    if len(rows) < rows_needed:
        raise DataError(
            "The weather series has {} rows, the {} profile needs {}. Get the 16 half-year files "
            "mpi_roof_2009a.zip to mpi_roof_2016b.zip (420,551 rows).".format(
                len(rows), job.profile, rows_needed
            ),
            "weather-rows-too-few",
        )
    training = rows[: job.sizes.train_samples]
    mean, deviation = training.mean(axis=0, dtype=numpy.float64), training.std(axis=0, dtype=numpy.float64)
    deviation[deviation == 0] = 1
    normal = ((rows - mean) / deviation).astype("float32")
    lookback = job.options["lookback_rows"]
    split, last = job.sizes.train_samples, job.sizes.train_samples + job.sizes.test_samples
    train = feeding.Stream(
        lambda: _random_windows(normal, lookback, lookback, split, job.sizes.batch), job.sizes.steps_per_epoch
    )
    test_steps = (job.sizes.test_samples - lookback) // job.sizes.test_batch
    test = feeding.Stream(
        lambda: _windows_in_order(normal, lookback, split + lookback, last, job.sizes.test_batch), test_steps
    )
    return train, test, {"celsius_per_unit": float(deviation[series.TEMPERATURE])}


def _windows(normal, lookback, rows):
    offsets = numpy.arange(-lookback, 0, STEP_ROWS)
    return normal[rows[:, None] + offsets], normal[rows + _DELAY_ROWS, series.TEMPERATURE]


def _random_windows(normal, lookback, first, last, batch):
    while True:
        yield _windows(normal, lookback, numpy.random.randint(first, last, batch))


def _windows_in_order(normal, lookback, first, last, batch):
    while True:
        for start in range(first, last - batch + 1, batch):
            yield _windows(normal, lookback, numpy.arange(start, start + batch))
