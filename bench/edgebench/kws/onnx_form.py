"""The keyword spotting network in the form ONNX, as float32 and as int8.

The graph is written node by node, for three reasons: it needs neither
TensorFlow nor its version of the day, so that any host with weights can make
it; layouts and shapes are fixed, so that no transpose of a converter is left
in what is timed; and operator set and file version can stay as old as the
oldest ONNX Runtime in use (1.7, the first for opset 13) asks for.
"""

import importlib
import logging
import os
import tempfile

import numpy

from edgebench.data import files
from edgebench.errors import UnsupportedError
from edgebench.kws.inputs import LABELS, SHAPE
from edgebench.kws.network import LAYERS, VARIABLES

_OPSET = 13
_FILE_VERSION = 7
_NORM_EPSILON = 1e-3
_INPUT, _OUTPUT = "input", "probabilities"
# What "same" means for 49 x 10 values, a 10 x 4 kernel and strides of 2: top, left, bottom, right.
_FIRST_PADS = (4, 1, 5, 1)


def float32(arrays):
    """Return the bytes of the float32 model; arrays: weights in the order of ``network.VARIABLES``.

    It takes ``input`` float32 (1, 49, 10, 1) and gives ``probabilities``
    float32 (1, 12). Batch normalisation is folded into the convolutions. Raises
    UnsupportedError where the package onnx is not installed.
    """
    onnx = _imported("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    constants = [("to_planes", numpy.array((1, 1) + SHAPE[:2], numpy.int64))]
    # With one channel the planes of ONNX lie in memory as the rows of Keras do.
    nodes = [helper.make_node("Reshape", [_INPUT, "to_planes"], ["planes"], name="reshape")]
    last = "planes"
    for name, kernel, bias, options in _convolutions(arrays):
        constants += [(name + "_kernel", kernel), (name + "_bias", bias)]
        nodes += [
            helper.make_node("Conv", [last, name + "_kernel", name + "_bias"], [name], name=name, **options),
            helper.make_node("Relu", [name], [name + "_relu"], name=name + "_relu"),
        ]
        last = name + "_relu"
    kernel, bias = arrays[-2:]
    constants += [("dense_kernel", kernel), ("dense_bias", bias)]
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pool"], name="pool"),
        helper.make_node("Flatten", ["pool"], ["flatten"], name="flatten"),
        helper.make_node("Gemm", ["flatten", "dense_kernel", "dense_bias"], ["dense"], name="dense"),
        helper.make_node("Softmax", ["dense"], [_OUTPUT], name="softmax", axis=1),
    ]
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "keyword_spotting",
        [helper.make_tensor_value_info(_INPUT, number, (1,) + SHAPE)],
        [helper.make_tensor_value_info(_OUTPUT, number, (1, len(LABELS)))],
        [numpy_helper.from_array(numpy.ascontiguousarray(value), name) for name, value in constants],
    )
    model = helper.make_model(
        graph, producer_name="edgebench", opset_imports=[helper.make_opsetid("", _OPSET)]
    )
    model.ir_version = _FILE_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def int8(float32_model, calibration):
    """Return the bytes of the int8 model made of the float32 one.

    calibration: float32 (n, 49, 10, 1), MFCC values whose ranges decide the
    scales. Weights are int8 by channel, activations int8, between the operators
    QuantizeLinear and DequantizeLinear; input and output stay float32. Raises
    UnsupportedError where onnx or onnxruntime is not installed.
    """
    _imported("onnx")
    quantization = _imported("onnxruntime.quantization")

    class Inputs(quantization.CalibrationDataReader):  # type: ignore[name-defined, misc]
        def __init__(self):
            self._left = iter(calibration)

        def get_next(self):
            values = next(self._left, None)
            return None if values is None else {_INPUT: values[None]}

    with tempfile.TemporaryDirectory(prefix="edgebench-onnx-") as folder:
        source, target = (os.path.join(folder, name) for name in ("float32.onnx", "int8.onnx"))
        files.write_whole(source, [float32_model])
        # It advises a preparation that this graph has had, on the logger of everybody.
        logging.disable(logging.WARNING)
        try:
            quantization.quantize_static(
                source,
                target,
                Inputs(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
        finally:
            logging.disable(logging.NOTSET)
        with open(target, "rb") as handle:
            return handle.read()


def versions():
    """Return {package: version} of what writes this form."""
    return {name: _imported(name).__version__ for name in ("onnx", "onnxruntime")}


def _imported(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnsupportedError(
            "ONNX files cannot be written here: {}. Install the packages onnx and onnxruntime for this Python, or "
            "convert with --form tflite.".format(error)
        )


def _convolutions(arrays):
    """Yield name, kernel (out, in, rows, columns), bias (out,) and ONNX options of each convolution."""
    values = dict(zip((name for name, _ in VARIABLES), arrays))
    for layer in LAYERS:
        if layer.kind not in ("Conv2D", "DepthwiseConv2D"):
            continue
        apart = layer.kind == "DepthwiseConv2D"
        kernel = values[layer.name + ("/depthwise_kernel" if apart else "/kernel")].astype(numpy.float64)
        gamma, beta, mean, variance = (
            values["{}_norm/{}".format(layer.name, each)].astype(numpy.float64)
            for each in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factor = gamma / numpy.sqrt(variance + _NORM_EPSILON)
        order = (2, 3, 0, 1) if apart else (3, 2, 0, 1)
        kernel = kernel.transpose(order) * factor[:, None, None, None]
        bias = (values[layer.name + "/bias"] - mean) * factor + beta
        options = {"kernel_shape": kernel.shape[2:]}
        if layer.name == "conv":
            options.update(pads=_FIRST_PADS, strides=(2, 2))
        elif apart:
            options.update(pads=(1, 1, 1, 1), group=kernel.shape[0])
        yield layer.name, kernel.astype(numpy.float32), bias.astype(numpy.float32), options
