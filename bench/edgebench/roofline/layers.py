"""Counts what each layer of a built Keras model computes and moves, by the layer's kind.

The formulas are those of the 2021 report, section 7, and its sources: a
multiply-accumulate (MACC) is a product that is added to a sum, zeros that pad
an image included, and is two floating point operations. What is not part of
such a sum (adding a bias, activation, normalisation, pooling) is counted apart,
one operation a value each, for it says little about time.
"""

from collections import namedtuple

from edgebench.errors import UnsupportedError

Layer = namedtuple(
    "Layer",
    "name kind output_shape parameters maccs other_ops input_values output_values lookup_values fused",
)
Layer.__doc__ = """One layer, for one sample.

name, kind: of Keras. output_shape: without the batch. parameters: all, trained
or not. maccs, other_ops: operations. input_values, output_values: activations
read and written. lookup_values: how many of its weights an embedding reads for
a sample, None for layers that read all of them. fused: whether an engine does
it on the values of the layer before while they are at hand, so that it moves
nothing (normalisation folds into the weights).
"""

_FUSED = ("BatchNormalization", "Activation", "ReLU", "Softmax", "Dropout", "Flatten", "Reshape")
_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
_POOLS = ("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
_GLOBAL_POOLS = (
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
)
_KNOWN = (
    ("Dense", "DepthwiseConv2D", "SeparableConv2D", "GRU", "Embedding", "InputLayer")
    + _CONVOLUTIONS
    + _POOLS
    + _GLOBAL_POOLS
    + _FUSED
)


def count(model, input_shape):
    """Return the Layers of ``model``, a chain of layers such as a Sequential, in its order.

    model: built by Keras 2.1.6 to 3. input_shape: of one sample; a number for
    every dimension, also for one that the model leaves open. Raises
    UnsupportedError that names the layer whose kind is not known, or where the
    model is no chain.
    """
    shape = tuple(input_shape)
    if any(size is None for size in shape):
        raise UnsupportedError(
            "The input {} has an open dimension. Give the size of every dimension.".format(shape),
            "input-shape-open",
        )
    counted = []
    for layer in model.layers:
        kind = _kind(layer)
        if kind == "InputLayer":
            continue
        if kind not in _KNOWN:
            raise UnsupportedError(
                "Layer {} has the unsupported kind {}. Supported are {}.".format(
                    layer.name, kind, ", ".join(sorted(_KNOWN))
                ),
                "layer-kind-unsupported",
            )
        _check_in_chain(layer)
        output = tuple(int(size) for size in tuple(layer.compute_output_shape((1,) + shape))[1:])
        counted.append(_counted(layer, kind, shape, output))
        shape = output
    return counted


def maccs(layers):
    """Return the multiply-accumulates of all ``layers`` for one sample."""
    return sum(layer.maccs for layer in layers)


def parameters(layers):
    """Return the parameters of all ``layers``."""
    return sum(layer.parameters for layer in layers)


def _kind(layer):
    name = type(layer).__name__
    # tf.keras of 1.x and early 2.x calls its classes BatchNormalizationV1, GRUV2 and so on.
    return name[:-2] if name.endswith(("V1", "V2")) else name


def _check_in_chain(layer):
    try:
        source = layer.input
    # A layer that is called twice, or not at all, raises in every Keras, each in its own way.
    except (AttributeError, ValueError, RuntimeError):
        source = []
    if isinstance(source, (list, tuple)):
        raise UnsupportedError(
            "Layer {} does not have exactly one input. Only chains of layers are supported.".format(
                layer.name
            ),
            "layer-inputs-unsupported",
        )


def _counted(layer, kind, source, output):
    inputs, outputs = _product(source), _product(output)
    parameters = int(layer.count_params())
    maccs = other = 0
    lookup_values = None
    if kind == "Dense":
        maccs = inputs * layer.units
        other = _bias_and_activation(layer, outputs)
    elif kind in _CONVOLUTIONS:
        channels = _channels(layer, source) // (getattr(layer, "groups", 1) or 1)
        maccs = _product(layer.kernel_size) * channels * outputs
        other = _bias_and_activation(layer, outputs)
    elif kind == "DepthwiseConv2D":
        maccs = _product(layer.kernel_size) * outputs
        other = _bias_and_activation(layer, outputs)
    elif kind == "SeparableConv2D":
        channels = _channels(layer, source) * layer.depth_multiplier
        places = outputs // layer.filters
        maccs = places * channels * (_product(layer.kernel_size) + layer.filters)
        other = _bias_and_activation(layer, outputs)
    elif kind == "GRU":
        maccs, other = _gru(layer, source)
    elif kind == "Embedding":
        lookup_values = outputs
    elif kind in _POOLS:
        other = _product(_as_tuple(layer.pool_size)) * outputs
    elif kind in _GLOBAL_POOLS:
        other = inputs
    elif kind == "BatchNormalization":
        other = 2 * outputs
    elif kind in ("Activation", "ReLU", "Softmax"):
        other = _activation_ops(layer, kind) * outputs
    return Layer(
        name=layer.name,
        kind=kind,
        output_shape=output,
        parameters=parameters,
        maccs=maccs,
        other_ops=other,
        input_values=inputs,
        output_values=outputs,
        lookup_values=lookup_values,
        fused=kind in _FUSED,
    )


def _gru(layer, source):
    """Return (MACCs, other operations): three gates at each of the steps.

    Other operations of a unit and step: three sums of the input's and the
    state's part, three biases (six with reset_after), three activations, the
    reset of the state, and four to mix the old state with the new.
    """
    steps, width = source
    maccs = steps * 3 * layer.units * (width + layer.units)
    biases = (6 if getattr(layer, "reset_after", False) else 3) if layer.use_bias else 0
    return maccs, steps * layer.units * (3 + biases + 3 + 1 + 4)


def _bias_and_activation(layer, outputs):
    return outputs * ((1 if layer.use_bias else 0) + _activation_ops(layer, "Activation"))


def _activation_ops(layer, kind):
    """Return the operations a value: 0 for the identity, 3 for softmax (exponential, sum, quotient), else 1."""
    if kind != "Activation":
        name = kind.lower()
    else:
        name = getattr(layer.activation, "__name__", "")
    return {"linear": 0, "softmax": 3}.get(name, 1)


def _channels(layer, shape):
    return shape[0] if getattr(layer, "data_format", None) == "channels_first" else shape[-1]


def _as_tuple(value):
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _product(numbers):
    result = 1
    for number in numbers:
        result *= int(number)
    return result
