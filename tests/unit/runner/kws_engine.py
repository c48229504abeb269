"""An engine for tests of the line: as fast as it is told to be, with probabilities that show which input it had."""

import time

import numpy
from edgebench.kws.inputs import QuantizedFeatures


class Engine:
    def __init__(self, invoke_s: float = 0.0, error: Exception | None = None) -> None:
        self.invoke_s = invoke_s
        self.error = error
        self.invoked = 0
        self.inputs: list[bytes] = []

    def set_input(self, value: QuantizedFeatures) -> None:
        assert isinstance(value, QuantizedFeatures)
        self.inputs.append(value.values.tobytes())

    def invoke(self) -> None:
        if self.error:
            raise self.error
        self.invoked += 1
        if self.invoke_s:
            time.sleep(self.invoke_s)

    def output(self) -> "numpy.ndarray[tuple[int], numpy.dtype[numpy.float32]]":
        """The label is the first byte of the input, modulo 12, with a probability of 0.75."""
        values = numpy.full(12, 0.25 / 11, numpy.float32)
        values[self.inputs[-1][0] % 12] = 0.75
        return values


class Clock:
    """Seconds that pass only when told, or a given amount with every invocation of an engine."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class TimedEngine(Engine):
    """Takes exactly ``takes_s`` of a Clock for each inference."""

    def __init__(self, clock: Clock, takes_s: float) -> None:
        super().__init__()
        self.clock = clock
        self.takes_s = takes_s

    def invoke(self) -> None:
        super().invoke()
        self.clock.now_s += self.takes_s
