"""The keyword spotting network in the form ONNX, as float32 and as int8.

The graph is written node by node, for three reasons: it needs neither
TensorFlow nor its version of the day, so that any host with weights can make
it; layouts and shapes are fixed, so that no transpose of a converter is left
in what is timed; and operator set and file version can stay as old as the
oldest ONNX Runtime in use (1.7, the first for opset 13) asks for.

The int8 model is quantised here, too, in the scheme of TensorFlow Lite
(Jacob et al., arXiv:1712.05877, weights by channel), but with weights of 7
bits: ONNX Runtime multiplies weights of 8 bits wrongly on x86 CPUs without
VNNI, where the sum of two products does not fit into 16 bits. ONNX Runtime's
own quantiser would make another model of each of its versions: that of 1.10
loses nine points of accuracy.
"""

import importlib

import numpy

from edgebench.errors import UnsupportedError
from edgebench.kws.engines.onnxruntime_engine import BITS_THAT_FIT, WEIGHT_BITS
from edgebench.kws.inputs import LABELS, SHAPE, Quantization
from edgebench.kws.network import LAYERS, VARIABLES

_OPSET = 13
_FILE_VERSION = 7
_NORM_EPSILON = 1e-3
_INPUT, _OUTPUT = "input", "probabilities"
_GREATEST_WEIGHT = 2 ** (BITS_THAT_FIT - 1) - 1
# What "same" means for 49 x 10 values, a 10 x 4 kernel and strides of 2: top, left, bottom, right.
_FIRST_PADS = (4, 1, 5, 1)


def float32(arrays):
    """Return the bytes of the float32 model; arrays: weights in the order of ``network.VARIABLES``.

    It takes ``input`` float32 (1, 49, 10, 1) and gives ``probabilities``
    float32 (1, 12). Batch normalisation is folded into the convolutions. Raises
    UnsupportedError where the package onnx is not installed.
    """
    return _written(_FloatGraph(), arrays)


def int8(arrays, calibration):
    """Return the bytes of the int8 model; arrays as for ``float32``.

    calibration: float32 (n, 49, 10, 1), MFCC values whose ranges decide the
    scales. All that ``float32`` computes is computed between QuantizeLinear and
    DequantizeLinear; input and output stay float32. Raises UnsupportedError
    where onnx or onnxruntime is not installed.
    """
    return _written(_IntegerGraph(_ranges(arrays, calibration)), arrays)


def versions():
    """Return {package: version} of what writes this form."""
    return {name: _imported(name).__version__ for name in ("onnx", "onnxruntime")}


def _imported(name):
    try:
        return importlib.import_module(name)
    # An onnx that is too new for the ml_dtypes of an older TensorFlow ends in the second.
    except (ImportError, AttributeError) as error:
        raise UnsupportedError(
            "ONNX files need the packages onnx and onnxruntime: {}. Install both for this Python, or convert with "
            "--form tflite.".format(error),
            "onnx-packages-missing",
        )


class _FloatGraph:
    """Nodes, constants and metadata of the network as it is."""

    metadata = {}  # type: dict[str, str]

    def __init__(self):
        self._helper = _imported("onnx.helper")
        self.nodes = []
        self.constants = []
        self.activations = []

    def node(self, operator, inputs, name, **options):
        """Add a node whose output has its own name; return that."""
        self.nodes.append(self._helper.make_node(operator, inputs, [name], name=name, **options))
        return name

    def constant(self, name, value):
        """Add a constant array; return its name."""
        self.constants.append((name, value))
        return name

    def weights(self, value, kernel, bias, by_channel, name):
        """Add kernel and bias of a layer on the tensor ``value``; return the layer's inputs.

        by_channel: whether each output, the kernel's first axis, has a scale of
        its own where it is quantised.
        """
        return [value, self.constant(name + "_kernel", kernel), self.constant(name + "_bias", bias)]

    def activation(self, value):
        """Note a tensor whose values are what is quantised in an int8 model; return what to go on with."""
        self.activations.append(value)
        return value

    def like(self, source, value):
        """Note a tensor whose values have the range of ``source``; return what to go on with."""
        return value

    def relu(self, value):
        """Add the rectifier of the tensor ``value``."""
        return self.activation(self.node("Relu", [value], value + "_relu"))


class _IntegerGraph(_FloatGraph):
    """The same with every tensor quantised and dequantised, which ONNX Runtime fuses into integer operators.

    ranges: {tensor: (least, greatest)} of the float graph's activations.
    """

    metadata = {WEIGHT_BITS: str(BITS_THAT_FIT)}

    def __init__(self, ranges):
        super().__init__()
        self._ranges = ranges
        self._scales = {}

    def activation(self, value):
        return self._through(value, value, _activation_quantization(*self._ranges[value]))

    def relu(self, value):
        # No node: the range begins with 0, and what lies below is clipped by the quantisation.
        name = value + "_relu"
        return self._through(value, name, _activation_quantization(*self._ranges[name]))

    def like(self, source, value):
        return self._through(value, value, self._scales[source])

    def weights(self, value, kernel, bias, by_channel, name):
        # By channel: kernel (out, ...) has a scale for each output, which is its first axis.
        sizes = (
            numpy.abs(kernel).reshape(len(kernel), -1).max(axis=1) if by_channel else numpy.abs(kernel).max()
        )
        scales = numpy.where(sizes > 0, sizes / _GREATEST_WEIGHT, 1.0).astype(numpy.float32)
        columns = scales.reshape((-1,) + (1,) * (kernel.ndim - 1)) if by_channel else scales
        numbers = numpy.rint(kernel / columns).clip(-_GREATEST_WEIGHT, _GREATEST_WEIGHT).astype(numpy.int8)
        bias_scales = (scales * numpy.float32(self._scales[value].scale)).astype(numpy.float32)
        bias_numbers = numpy.rint(bias.astype(numpy.float64) / bias_scales).astype(numpy.int32)
        return [
            value,
            self._dequantized(name + "_kernel", numbers, scales),
            self._dequantized(name + "_bias", bias_numbers, bias_scales),
        ]

    def _through(self, value, name, quantization):
        scale = self.constant(name + "_scale", numpy.array(quantization.scale, numpy.float32))
        zero = self.constant(name + "_zero", numpy.array(quantization.zero_point, numpy.int8))
        numbers = self.node("QuantizeLinear", [value, scale, zero], name + "_int8")
        out = self.node("DequantizeLinear", [numbers, scale, zero], name + "_float")
        self._scales[out] = quantization
        return out

    def _dequantized(self, name, numbers, scales):
        inputs = [
            self.constant(name, numbers),
            self.constant(name + "_scale", scales),
            self.constant(name + "_zero", numpy.zeros(scales.shape, numbers.dtype)),
        ]
        options = {"axis": 0} if scales.ndim else {}
        return self.node("DequantizeLinear", inputs, name + "_float", **options)


def _activation_quantization(least, greatest):
    """Return the int8 Quantization of a range; 0 is always exactly a number, for zeros are what is padded with."""
    least, greatest = min(least, 0.0), max(greatest, 0.0)
    scale = (greatest - least) / 255.0 or 1.0
    return Quantization(scale, int(numpy.rint(-128 - least / scale)))


def _draw(graph, arrays):
    """Put the network into ``graph``, from ``input`` to ``probabilities``."""
    shape = graph.constant("planes_shape", numpy.array((1, 1) + SHAPE[:2], numpy.int64))
    # With one channel the planes of ONNX lie in memory as the rows of Keras do.
    last = graph.activation(graph.node("Reshape", [_INPUT, shape], "planes"))
    for name, kernel, bias, options in convolutions(arrays):
        last = graph.relu(graph.node("Conv", graph.weights(last, kernel, bias, True, name), name, **options))
    pool = graph.like(last, graph.node("GlobalAveragePool", [last], "pool"))
    flat = graph.like(pool, graph.node("Flatten", [pool], "flatten"))
    kernel, bias = (numpy.asarray(each, numpy.float32) for each in arrays[-2:])
    dense = graph.activation(graph.node("Gemm", graph.weights(flat, kernel, bias, False, "dense"), "dense"))
    graph.node("Softmax", [dense], _OUTPUT, axis=1)


def _written(graph, arrays, with_activations=False):
    """Return the bytes of the model; with_activations: it gives the activations, too, after the probabilities."""
    _draw(graph, arrays)
    # Older versions have each of these only once it is imported.
    checker, helper, numpy_helper = (
        _imported("onnx." + name) for name in ("checker", "helper", "numpy_helper")
    )
    number = _imported("onnx").TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(_OUTPUT, number, (1, len(LABELS)))]
    if with_activations:
        # The checker wants the number of axes; what they measure it finds out itself.
        outputs += [
            helper.make_tensor_value_info(name, number, [None] * (2 if name == "dense" else 4))
            for name in graph.activations
        ]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "keyword_spotting",
            [helper.make_tensor_value_info(_INPUT, number, (1,) + SHAPE)],
            outputs,
            [numpy_helper.from_array(numpy.array(value, order="C"), name) for name, value in graph.constants],
        ),
        producer_name="edgebench",
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    model.ir_version = _FILE_VERSION
    helper.set_model_props(model, graph.metadata)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _ranges(arrays, calibration):
    """Return {activation: (least, greatest)} over all calibration inputs."""
    onnxruntime = _imported("onnxruntime")
    graph = _FloatGraph()
    content = _written(graph, arrays, with_activations=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    ranges = dict.fromkeys(graph.activations, (numpy.inf, -numpy.inf))
    for values in calibration:
        for name, found in zip(graph.activations, session.run(graph.activations, {_INPUT: values[None]})):
            least, greatest = ranges[name]
            ranges[name] = min(least, float(found.min())), max(greatest, float(found.max()))
    return ranges


def convolutions(arrays):
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
        kernel = kernel.transpose((2, 3, 0, 1) if apart else (3, 2, 0, 1)) * factor[:, None, None, None]
        bias = (values[layer.name + "/bias"] - mean) * factor + beta
        options = {"kernel_shape": kernel.shape[2:]}
        if layer.name == "conv":
            options.update(pads=_FIRST_PADS, strides=(2, 2))
        elif apart:
            options.update(pads=(1, 1, 1, 1), group=kernel.shape[0])
        yield layer.name, kernel.astype(numpy.float32), bias.astype(numpy.float32), options
