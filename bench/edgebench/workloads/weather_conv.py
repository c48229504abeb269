"""MPI Weather Conv.: the weather series through two convolutions, then a GRU (the report's section 2.4.8).

The GRU drops 10 % of its inputs and half of its state, as the report's code did.
"""

from edgebench.data import weather as series
from edgebench.workloads import weather
from edgebench.workloads.spec import Sizes, Spec

SPEC = Spec(
    name="weather_conv",
    title="MPI Weather Conv.",
    dataset="weather",
    input_shape=(None, series.COLUMNS),
    architecture="32, 32, 32, 1",
    parameters=14817,
    loss="mae",
    learning_rate=1e-3,
    metric="mae",
    paper=Sizes(200001, 120407, 10, 128, 128, 500),
    quick=Sizes(12000, 4000, 2, 128, 128, 16),
    options={"lookback_rows": weather.LOOKBACK_ROWS},
)


def network(framework, options):
    """Return the uncompiled model: (time, 21) to the temperature a day ahead, in standard deviations."""
    layers = framework.layers
    return framework.sequential(
        SPEC.input_shape,
        [
            layers.Conv1D(32, 5, activation="relu"),
            layers.MaxPooling1D(3),
            layers.Conv1D(32, 5, activation="relu"),
            framework.gru(32, dropout=0.1, recurrent_dropout=0.5),
            framework.output(1),
        ],
    )


def inputs(job):
    """Return (train, test, extra) as for the other weather workload."""
    return weather.inputs(job)
