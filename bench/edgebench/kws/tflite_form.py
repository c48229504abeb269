"""The keyword spotting network in the form of TensorFlow Lite, as float32 and as int8."""

from edgebench.errors import UnsupportedError
from edgebench.kws.inputs import SHAPE

# The first whose converter gives int8 inputs and outputs to a function as well as to a Keras model.
OLDEST_TENSORFLOW = (2, 4)


def float32(framework, model):
    """Return the bytes of the float32 model; model: the built Keras network with its weights.

    Input float32 (1, 49, 10, 1), output float32 (1, 12). Raises
    UnsupportedError where the installed TensorFlow cannot convert.
    """
    return _converter(framework, model).convert()


def int8(framework, model, calibration):
    """Return the bytes of the int8 model, all integers from input to output.

    calibration: float32 (n, 49, 10, 1), MFCC values whose ranges decide the
    scales. The weights of the dense layer have one scale: TensorFlow Lite
    before 2.10 takes the first of several scales for all channels.
    Raises UnsupportedError as ``float32`` does, and if the converter writes
    several scales all the same.
    """
    converter = _converter(framework, model)
    tensorflow = framework.tensorflow
    # Without it, TensorFlow 2.18 and later write one for each channel. Older ones ignore the attribute and write one.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([values[None]] for values in calibration)
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    content = converter.convert()
    _check_dense_scales(framework, content)
    return content


def check(framework):
    """Raise UnsupportedError where the installed TensorFlow cannot convert."""
    version = tuple(int(part) for part in framework.tensorflow_version.split(".")[:2])
    if version < OLDEST_TENSORFLOW or not hasattr(framework.tensorflow, "lite"):
        raise UnsupportedError(
            "TensorFlow {} cannot write int8 .tflite files with int8 inputs; TensorFlow {}.{} or newer can. Convert on "
            "a host that has it and copy the folder, or write ONNX files only: --form onnx".format(
                framework.tensorflow_version, *OLDEST_TENSORFLOW
            ),
            "tensorflow-too-old",
        )


def _check_dense_scales(framework, content):
    interpreter = framework.tensorflow.lite.Interpreter(model_content=content)
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        # Weights of dense layers are the only quantised tensors of two axes with several scales.
        if len(tensor["shape"]) == 2 and len(scales) > 1:
            raise UnsupportedError(
                "TensorFlow {} writes {} scales for the dense weights {}; TensorFlow Lite before 2.10 reads only the "
                "first and computes wrong results. Convert on a host with TensorFlow 2.4 to 2.21 and copy the folder, "
                "or write ONNX files only: --form onnx".format(
                    framework.tensorflow_version, len(scales), tensor["name"]
                ),
                "dense-scales-per-channel",
            )


def _converter(framework, model):
    check(framework)
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tensorflow = framework.tensorflow
    # A batch of one, fixed, and constants for weights: of a Keras model the converter leaves the batch open, and a
    # reshape in the graph that costs a fifth of the int8 model's time.
    signature = tensorflow.TensorSpec((1,) + SHAPE, tensorflow.float32, name="input")
    function = tensorflow.function(lambda values: model(values, training=False))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(signature))
    return tensorflow.lite.TFLiteConverter.from_concrete_functions([frozen])
