"""The models of keyword spotting that a host has: references, our own conversions, a network of random weights."""

from collections import namedtuple

Model = namedtuple("Model", "id form precision weights path sha256 size_bytes")
Model.__doc__ = """One model.

id: see the documentation; form: tflite, saved_model, keras or onnx; precision: float32, dynamic (int8 weights, float
activations) or int8; weights: reference, trained or random; path: file or folder, None for random weights; sha256: of
the file, or of the set of a folder's files; size_bytes: of all its files.
"""
