"""MFCC values against a computation of another kind: sums written out for one frame, no FFT and no matrices."""

import math

import numpy
import pytest
from edgebench.kws import mfcc


def _mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700) * 1127 * math.log(10) / 2595


def _frame_by_sums(sound: numpy.ndarray, frame: int, coefficient: int) -> float:
    """One MFCC value by the definitions of its steps."""
    part = [float(sound[frame * 320 + i]) * math.sin(math.pi * i / 480) ** 2 for i in range(480)]
    lowest, highest = _mel(20), _mel(4000)
    width = (highest - lowest) / 41
    total = 0.0
    logs = []
    magnitudes = []
    for line in range(1, 257):
        turn = -2 * math.pi * line / 512
        real = sum(value * math.cos(turn * i) for i, value in enumerate(part))
        imaginary = sum(value * math.sin(turn * i) for i, value in enumerate(part))
        magnitudes.append((_mel(line * 16000 / 512), math.hypot(real, imaginary)))
    for band in range(40):
        centre = lowest + (band + 1) * width
        energy = sum(max(0.0, 1 - abs(mel - centre) / width) * size for mel, size in magnitudes)
        logs.append(math.log(energy + 1e-6))
    for band, value in enumerate(logs):
        total += 2 * value * math.cos(math.pi * coefficient * (2 * band + 1) / 80)
    return total / math.sqrt(80)


def _sound() -> numpy.ndarray:
    random = numpy.random.default_rng(5)
    time_s = numpy.arange(16000) / 16000
    chirp = numpy.sin(2 * math.pi * (300 + 900 * time_s) * time_s)
    return (9000 * chirp + 500 * random.standard_normal(16000)).astype(numpy.int16)


@pytest.mark.parametrize(("frame", "coefficient"), [(0, 0), (0, 9), (20, 1), (48, 0), (48, 5)])
def test_values_are_those_of_the_definitions(frame: int, coefficient: int) -> None:
    sound = mfcc.normalized(_sound())
    values = mfcc.features(sound[None])
    assert values.shape == (1, 49, 10, 1)
    assert values.dtype == numpy.float32
    assert values[0, frame, coefficient, 0] == pytest.approx(
        _frame_by_sums(sound, frame, coefficient), rel=1e-5, abs=1e-4
    )


def test_sounds_do_not_touch_each_other() -> None:
    sounds = numpy.stack([mfcc.normalized(_sound()), mfcc.normalized(-_sound()[::-1])])
    together = mfcc.features(sounds)
    for number in range(2):
        assert numpy.array_equal(together[number], mfcc.features(sounds[number : number + 1])[0])


def test_silence_is_the_logarithm_of_the_floor() -> None:
    values = mfcc.features(numpy.zeros((1, 16000)))[0, :, :, 0]
    assert values[:, 0] == pytest.approx(2 * 40 * math.log(1e-6) / math.sqrt(80), rel=1e-5)
    assert values[:, 1:] == pytest.approx(0, abs=1e-3)


def test_a_sound_is_divided_by_its_greatest_value_not_its_greatest_magnitude() -> None:
    sound = mfcc.normalized(numpy.array([100, -400, 50], numpy.int16))
    assert sound[:3].tolist() == [1, -4, 0.5]
    assert sound.shape == (16000,)
    assert not sound[3:].any()


@pytest.mark.parametrize(
    ("samples", "first"), [([0, 0], 0), ([0, -7], 0), ([], 0), ([-32768, 32767] * 10000, -32768 / 32767)]
)
def test_any_sound_is_one_second_of_finite_values(samples: list[int], first: float) -> None:
    sound = mfcc.normalized(numpy.array(samples, numpy.int16))
    assert sound.shape == (16000,)
    assert numpy.isfinite(sound).all()
    assert sound[0] == pytest.approx(first)
