"""The preprocessing of keyword spotting: one second of sound to 49 x 10 MFCC values.

Source: the reference training of MLPerf Tiny (mlcommons/tiny, keyword
spotting, feature type mfcc). It uses the operators of tf.signal; here they are
written with NumPy alone, so that a host without TensorFlow has them too.
"""

import numpy

RATE_HZ = 16000
SAMPLES = 16000
FRAMES = 49
COEFFICIENTS = 10

_FRAME_SAMPLES = 480
_STEP_SAMPLES = 320
_FFT_POINTS = 512
_MEL_BANDS = 40
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 4000.0
_FLOOR = 1e-6


def normalized(sound):
    """Return int16 samples (n,) as float32 (16000,): divided by their greatest value, then filled up with zeros.

    By the greatest value, not by the greatest magnitude, as the reference does;
    the inputs kws01 were made so. Where that is 0 nothing is divided. What goes
    beyond one second is cut off.
    """
    sound = numpy.asarray(sound)[:SAMPLES].astype(numpy.float32)
    greatest = sound.max() if len(sound) else 0
    filled = numpy.zeros(SAMPLES, numpy.float32)
    filled[: len(sound)] = sound / greatest if greatest else sound
    return filled


def features(sounds):
    """Return the MFCC values, float32 (n, 49, 10, 1), of ``normalized`` sounds (n, 16000)."""
    sounds = numpy.asarray(sounds, numpy.float64)
    frames = sounds[:, _FRAME_ROWS] * _WINDOW
    magnitudes = numpy.abs(numpy.fft.rfft(frames, _FFT_POINTS))
    logarithms = numpy.log(numpy.dot(magnitudes, _MEL) + _FLOOR)
    return numpy.dot(logarithms, _COSINES).astype(numpy.float32)[..., None]


def _mel_of(frequency_hz):
    # The HTK formula, natural logarithm.
    return 1127.0 * numpy.log1p(numpy.asarray(frequency_hz, numpy.float64) / 700.0)


def _mel_weights():
    """Return (257, 40): triangles that are straight on the mel scale; the constant part of a frame counts nothing."""
    lines = _mel_of(numpy.arange(_FFT_POINTS // 2 + 1) * (float(RATE_HZ) / _FFT_POINTS))[:, None]
    edges = numpy.linspace(_mel_of(_LOWEST_HZ), _mel_of(_HIGHEST_HZ), _MEL_BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = numpy.minimum((lines - lower) / (centre - lower), (upper - lines) / (upper - centre)).clip(0)
    weights[0] = 0
    return weights


def _cosines():
    """Return (40, 10): the discrete cosine transform of type II, scaled as tf.signal's MFCC are."""
    bands = numpy.arange(_MEL_BANDS)[:, None] + 0.5
    angles = numpy.pi / _MEL_BANDS * bands * numpy.arange(COEFFICIENTS)
    return 2 * numpy.cos(angles) / numpy.sqrt(2.0 * _MEL_BANDS)


_FRAME_ROWS = numpy.arange(FRAMES)[:, None] * _STEP_SAMPLES + numpy.arange(_FRAME_SAMPLES)
# Periodic: the window that begins again with its first value right after its last.
_WINDOW = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(_FRAME_SAMPLES) / _FRAME_SAMPLES)
_MEL = _mel_weights()
_COSINES = _cosines()
