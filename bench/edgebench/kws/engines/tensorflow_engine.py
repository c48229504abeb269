"""TensorFlow 1.5 to 2.21: the reference SavedModel in a session, and our own network built in Keras."""

import platform

import numpy

from edgebench import compat
from edgebench.errors import UnsupportedError, UsageError
from edgebench.kws import network
from edgebench.kws.engines import engine
from edgebench.kws.inputs import LABELS

_SIGNATURE = "serving_default"


def open_library(threads, use_gpu):
    """Return TensorFlow; see ``engines.open_library``."""
    try:
        framework = compat.load(threads, use_gpu)
    except UsageError as error:
        raise UnsupportedError(str(error), "engine-not-installed")
    return TensorflowLibrary(framework, threads)


class TensorflowLibrary(engine.Library):
    """The imported TensorFlow. The attribute ``tensorflow`` is a compat.Framework."""

    def __init__(self, framework, threads):
        engine.Library.__init__(self, "tensorflow", framework.tensorflow_version, threads)
        self.tensorflow = framework

    def open(self, model):
        """Return an engine for a model of the form saved_model or keras."""
        if model.form == "saved_model":
            return SavedModelEngine(model, self)
        keras_model = _built(self.tensorflow, model)
        if self.tensorflow.is_eager:
            return FunctionEngine(model, self, keras_model)
        return SessionEngine(model, self, keras_model)

    def set_seed(self, seed):
        """Seed Python, NumPy and TensorFlow."""
        self.tensorflow.set_seed(seed)

    def device(self):
        """Return the first GPU, or the CPU."""
        return self.tensorflow.devices()[0]

    def framework(self):
        """Return the versions of TensorFlow and Keras."""
        return {
            "name": "tensorflow",
            "version": self.version,
            "keras": self.tensorflow.keras_version,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        }


class _TensorflowEngine(engine.Engine):
    """What both ways have in common: input float32 (1, 49, 10, 1), output float32 (1, 12), a callable between them."""

    name = "tensorflow"

    def __init__(self, model, library, call):
        self._input = numpy.zeros(engine.BATCH_SHAPE, numpy.float32)
        self._result = numpy.zeros((1, len(LABELS)), numpy.float32)

        def invoke():
            self._result = call(self._input)

        engine.Engine.__init__(self, model, library, None, invoke)

    def _put(self, value):
        self._input[...] = engine.floats(value)

    def output(self):
        """Return the probabilities."""
        return numpy.array(self._result[0], numpy.float32)


class SavedModelEngine(_TensorflowEngine):
    """A SavedModel, loaded by the one loader that all versions have for it.

    ``tf.saved_model.load`` of TensorFlow 2.21 and Keras 3 both refuse the
    reference model; the loader of TensorFlow 1 needs no Keras objects.
    """

    def __init__(self, model, library):
        framework = library.tensorflow
        tensorflow, v1 = framework.tensorflow, framework.v1
        graph = v1.Graph()
        session = framework.session(graph)
        try:
            with graph.as_default():
                meta_graph = v1.saved_model.loader.load(session, ["serve"], model.path)
            signature = meta_graph.signature_def[_SIGNATURE]
            (taken,), (given,) = signature.inputs.values(), signature.outputs.values()
            engine.check_shapes(model.id, _shape(taken), _shape(given))
            call = session.make_callable(given.name, [taken.name])
            # TensorFlow 1.13 loads functions with operators that it does not know, and says so when they run.
            call(numpy.zeros(engine.BATCH_SHAPE, numpy.float32))
        except (tensorflow.errors.OpError, ValueError, KeyError, IOError) as error:
            # Older versions do not know newer operators, and each says so by another class of error.
            raise UnsupportedError(
                "TensorFlow {} cannot load the SavedModel {}: {}".format(
                    library.version, model.path, str(error).strip().splitlines()[0]
                ),
                "model-not-loadable",
            )
        _TensorflowEngine.__init__(self, model, library, call)


class SessionEngine(_TensorflowEngine):
    """Our network on TensorFlow 1: its graph in Keras' session."""

    def __init__(self, model, library, keras_model):
        session = library.tensorflow.keras_session()
        call = session.make_callable(keras_model.output, [keras_model.input])
        _TensorflowEngine.__init__(self, model, library, call)


class FunctionEngine(_TensorflowEngine):
    """Our network on TensorFlow 2, as a graph function: ``predict`` costs some sixty times as much a call."""

    def __init__(self, model, library, keras_model):
        tensorflow = library.tensorflow.tensorflow
        specification = tensorflow.TensorSpec(engine.BATCH_SHAPE, tensorflow.float32)
        function = tensorflow.function(lambda values: keras_model(values, training=False))
        graph_function = function.get_concrete_function(specification)
        self._constant = tensorflow.constant
        self._tensor = None

        def call(_):
            # With a GPU the call returns before the result is there; reading it waits.
            return graph_function(self._tensor).numpy()

        _TensorflowEngine.__init__(self, model, library, call)

    def _put(self, value):
        self._tensor = self._constant(engine.floats(value))


def _built(framework, model):
    framework.use_for_inference()
    keras_model = network.network(framework)
    if model.weights == "random":
        return keras_model
    if model.path.endswith(".npz"):
        weights = network.load_weights(model.path)
    else:
        weights = network.reference_weights(framework, model.path)
    keras_model.set_weights(weights)
    return keras_model


def _shape(info):
    return tuple(int(each.size) for each in info.tensor_shape.dim)
