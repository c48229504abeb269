"""The network of keyword spotting in MLPerf Tiny: a depthwise separable CNN, built in Keras, and its weights.

Source: the reference training of MLPerf Tiny (mlcommons/tiny, keyword
spotting) for what follows the convolutions and how they pad; "Hello Edge"
(Zhang et al., arXiv:1711.07128) for the family of networks.
"""

import io
import os
import zipfile
import zlib
from collections import namedtuple

import numpy

from edgebench.data import files
from edgebench.errors import DataError, UsageError
from edgebench.kws.inputs import LABELS, SHAPE

Layer = namedtuple("Layer", "name kind output_shape parameters maccs")
Layer.__doc__ = """One layer as published. name: of the Keras layer. kind: its Keras class. output_shape: without the
batch. parameters: trained and moving ones. maccs: multiply-accumulates of one inference; pooling, activation and
normalisation, which folds into the convolution before it, have none."""

_BLOCKS = 4
_FILTERS = 64
_MAP = (25, 5, _FILTERS)


def _block(number):
    return (
        Layer("depthwise_{}".format(number), "DepthwiseConv2D", _MAP, 640, 72000),
        Layer("depthwise_{}_norm".format(number), "BatchNormalization", _MAP, 256, 0),
        Layer("depthwise_{}_relu".format(number), "Activation", _MAP, 0, 0),
        Layer("pointwise_{}".format(number), "Conv2D", _MAP, 4160, 512000),
        Layer("pointwise_{}_norm".format(number), "BatchNormalization", _MAP, 256, 0),
        Layer("pointwise_{}_relu".format(number), "Activation", _MAP, 0, 0),
    )


LAYERS = (
    (
        Layer("conv", "Conv2D", _MAP, 2624, 320000),
        Layer("conv_norm", "BatchNormalization", _MAP, 256, 0),
        Layer("conv_relu", "Activation", _MAP, 0, 0),
        Layer("conv_dropout", "Dropout", _MAP, 0, 0),
    )
    + sum((_block(1 + index) for index in range(_BLOCKS)), ())
    + (
        Layer("dropout", "Dropout", _MAP, 0, 0),
        Layer("pool", "AveragePooling2D", (1, 1, 64), 0, 0),
        Layer("flatten", "Flatten", (64,), 0, 0),
        Layer("dense", "Dense", (12,), 780, 768),
    )
)
PARAMETERS = 24908
MACCS = 2656768

_NORM = (("gamma", (64,)), ("beta", (64,)), ("moving_mean", (64,)), ("moving_variance", (64,)))
_VARIABLES = {
    "conv": (("kernel", (10, 4, 1, 64)), ("bias", (64,))),
    "depthwise": (("depthwise_kernel", (3, 3, 64, 1)), ("bias", (64,))),
    "pointwise": (("kernel", (1, 1, 64, 64)), ("bias", (64,))),
    "dense": (("kernel", (64, 12)), ("bias", (12,))),
}


def _variables_of(layer):
    if layer.kind == "BatchNormalization":
        return _NORM
    return _VARIABLES[layer.name.split("_")[0]] if layer.parameters else ()


# Keras lists a model's weights layer by layer, each layer's in this order, on every version.
VARIABLES = tuple(
    (layer.name + "/" + name, shape) for layer in LAYERS for name, shape in _variables_of(layer)
)
"""((name, shape)) of all weights, in the order of ``get_weights`` and ``set_weights``."""


def network(framework):
    """Return the uncompiled model: MFCC values (49, 10, 1) to the probabilities of the 12 LABELS.

    framework: a compat.Framework. The depthwise kernels are not regularised,
    as in the reference training.
    """
    layers, decay = framework.layers, framework.keras.regularizers.l2

    def normalised(name, layer):
        return [
            layer,
            layers.BatchNormalization(name=name + "_norm"),
            layers.Activation("relu", name=name + "_relu"),
        ]

    def convolution(name, kernel, **options):
        return normalised(
            name,
            layers.Conv2D(
                _FILTERS, kernel, padding="same", kernel_regularizer=decay(1e-4), name=name, **options
            ),
        )

    stack = convolution("conv", (10, 4), strides=(2, 2))
    stack.append(layers.Dropout(0.2, name="conv_dropout"))
    for number in range(1, 1 + _BLOCKS):
        depthwise = "depthwise_{}".format(number)
        stack += normalised(depthwise, layers.DepthwiseConv2D((3, 3), padding="same", name=depthwise))
        stack += convolution("pointwise_{}".format(number), (1, 1))
    stack += [
        layers.Dropout(0.4, name="dropout"),
        layers.AveragePooling2D(_MAP[:2], name="pool"),
        layers.Flatten(name="flatten"),
        layers.Dense(len(LABELS), activation="softmax", name="dense"),
    ]
    return framework.sequential(SHAPE, stack)


def reference_weights(framework, saved_model_folder):
    """Return the weights of MLPerf Tiny's reference SavedModel, float32, in the order of ``set_weights``.

    They are read from its checkpoint, which every TensorFlow from 1.5 on can;
    the SavedModel itself is refused by TensorFlow 2.21. Raises DataError where
    the folder holds another network or none.
    """
    prefix = os.path.join(saved_model_folder, "variables", "variables")
    if not os.path.isfile(prefix + ".index"):
        raise DataError(
            "{} is not the reference SavedModel: it has no variables/variables.index. Get the set again: edgebench "
            "data fetch -w kws".format(saved_model_folder),
            "saved-model-incomplete",
        )
    try:
        reader = framework.tensorflow.train.load_checkpoint(prefix)
        arrays = [reader.get_tensor(key) for key in _checkpoint_keys()]
    # What is raised for an unreadable file or a missing name is another class in each version.
    except (framework.tensorflow.errors.OpError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(
            "{} is not the checkpoint of the reference model: {}. Get the set again: edgebench data fetch "
            "-w kws".format(prefix, str(error).strip().split("\n")[0]),
            "network-different",
        )
    return checked_weights(arrays, prefix)


def _checkpoint_keys():
    number = -1
    for layer in LAYERS:
        variables = _variables_of(layer)
        number += bool(variables)
        for name, _ in variables:
            yield "layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE".format(number, name)


def checked_weights(arrays, source):
    """Return the arrays as float32; raise DataError naming ``source`` where they are not this network's weights."""
    arrays = [numpy.asarray(each, numpy.float32) for each in arrays]
    if len(arrays) != len(VARIABLES):
        raise DataError(
            "{} holds {} arrays, expected {}: these weights belong to another network".format(
                source, len(arrays), len(VARIABLES)
            ),
            "network-different",
        )
    for (name, shape), array in zip(VARIABLES, arrays):
        if array.shape != shape:
            raise DataError(
                "{}: {} has the shape {}, expected {}: these weights belong to another network".format(
                    source, name, array.shape, shape
                ),
                "network-different",
            )
        if not numpy.isfinite(array).all():
            raise DataError(
                "{}: {} has NaN or infinite values. Train or convert again.".format(source, name),
                "weights-not-finite",
            )
    return arrays


def save_weights(path, arrays):
    """Write weights in the order of ``set_weights`` as an npz file of named arrays; return its SHA-256."""
    content = io.BytesIO()
    names = [name for name, _ in VARIABLES]
    numpy.savez(content, **dict(zip(names, checked_weights(arrays, path))))
    return files.write_whole(path, [content.getvalue()])


def load_weights(path):
    """Return the weights of an npz file in the order of ``set_weights``. Raises UsageError and DataError."""
    if not os.path.isfile(path):
        raise UsageError(
            "The file of weights {} does not exist. Make one: edgebench kws convert, or edgebench kws train".format(
                path
            ),
            "weights-file-missing",
        )
    try:
        if not zipfile.is_zipfile(path):
            # NumPy would take it for a pickle, and advise to load it as one.
            raise zipfile.BadZipFile("it is not a zip archive")
        with numpy.load(path, allow_pickle=False) as archive:
            arrays = [archive[name] for name, _ in VARIABLES]
    # A broken zip, a broken array in it, an array alone and a missing name each have an error of their own.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        IOError,
        OSError,
        IndexError,
        KeyError,
        ValueError,
    ) as error:
        raise DataError(
            "{} is not an .npz file with the weights of this network: {}. Make one: edgebench kws convert, or "
            "edgebench kws train".format(path, error),
            "weights-unreadable",
        )
    return checked_weights(arrays, path)
