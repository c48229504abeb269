"""The only place that knows Keras and TensorFlow versions: from Keras 2.1.6 on TensorFlow 1.5 to Keras 3 on 2.21.

Workloads and the worker speak to a ``Framework`` and never import the
framework themselves. What differs between versions is listed in the
documentation of each method.
"""

import contextlib
import os
import sys

from edgebench import environment
from edgebench.errors import UnsupportedError, UsageError

_OF_COMPILE = ("steps_per_execution", "jit_compile")


def load(threads=None, use_gpu=True, need_gpu=False):
    """Import TensorFlow and Keras and return a Framework.

    threads: number of threads for both thread pools, or None for the
    framework's choice. use_gpu: False hides every GPU. Raises UsageError when
    the framework is not installed, or finds no GPU although need_gpu is true;
    any other failure of the import passes through, and a CPU without the
    instructions kills the process.
    """
    environment.decide(os.environ)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if not use_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        import tensorflow
    except ImportError as error:
        if getattr(error, "name", None) == "tensorflow":
            raise UsageError(
                "TensorFlow is not installed for {}. Provision this host (ansible-playbook provision.yml -l "
                "HOST), or start edgebench with the Python that has it.".format(sys.executable),
                "tensorflow-missing",
            )
        raise
    framework = Framework(tensorflow, threads)
    if need_gpu and framework.devices()[0]["kind"] != "gpu":
        raise UsageError(
            "--device is gpu, but TensorFlow {} finds none. Check NVIDIA's driver and libraries (ansible-playbook "
            "provision.yml -l HOST), or set --device cpu to measure the CPU".format(tensorflow.__version__),
            "gpu-not-seen",
        )
    return framework


def _version(text):
    return tuple(int(part) for part in text.split(".")[:2])


class Framework:
    """One installed TensorFlow with its Keras.

    tensorflow, keras: the modules. tensorflow_version, keras_version: texts.
    layers, models: of Keras. All methods work alike on every version.
    """

    def __init__(self, tensorflow, threads=None):
        self.tensorflow = tensorflow
        self.tensorflow_version = tensorflow.__version__
        self._tf = _version(tensorflow.__version__)
        self.threads = threads
        self._configure_devices()
        if self._tf >= (2, 0):
            self.keras = tensorflow.keras
        else:
            import keras

            self.keras = keras
        self._decide_keras()
        self.keras_version = self._find_keras_version()
        self._keras = _version(self.keras_version)
        if self._tf < (2, 0):
            self._open_session()
        self.layers = self.keras.layers
        self.models = self.keras.models
        self.precision = "float32"
        self.execution = {}
        self._has_plain_gru = False

    def _decide_keras(self):
        """Have Keras compute as records say; raise UsageError if it was imported with another backend."""
        backend = self.keras.backend
        name = backend.backend()
        if name != environment.BACKEND:
            raise UsageError(
                "Keras was imported with the backend {} before edgebench chose {}. Find the file that imports it when "
                "Python starts, such as sitecustomize.py or a .pth file: {} -v -c pass 2>&1 | grep keras".format(
                    name, environment.BACKEND, sys.executable
                ),
                "keras-backend-differs",
            )
        # Before 2.2.0 Keras knows no KERAS_HOME, and reads ~/.keras/keras.json.
        backend.set_floatx(environment.FLOATX)
        backend.set_image_data_format(environment.IMAGE_DATA_FORMAT)
        backend.set_epsilon(1e-7)

    def _find_keras_version(self):
        # tf.keras has no __version__ in 2.15 and an own one (2.2.4-tf) in 2.0 to 2.3.
        version = getattr(self.keras, "__version__", None)
        if version is None:
            import keras

            version = keras.__version__
        return version

    @property
    def v1(self):
        """TensorFlow's 1.x interface, which is the module itself before 1.13."""
        return getattr(getattr(self.tensorflow, "compat", None), "v1", self.tensorflow)

    def _configure_devices(self):
        if self._tf < (2, 0):
            return
        config = self.tensorflow.config
        for gpu in config.experimental.list_physical_devices("GPU"):
            config.experimental.set_memory_growth(gpu, True)
        if self.threads:
            config.threading.set_intra_op_parallelism_threads(self.threads)
            config.threading.set_inter_op_parallelism_threads(self.threads)

    def session_options(self):
        """Return the ConfigProto of a TensorFlow 1 session: this Framework's threads, no more of a GPU than needed."""
        options = self.v1.ConfigProto()
        options.gpu_options.allow_growth = True
        if self.threads:
            options.intra_op_parallelism_threads = self.threads
            options.inter_op_parallelism_threads = self.threads
        return options

    def _open_session(self):
        self._session_backend().set_session(self.session())

    def _session_backend(self):
        # Keras 2.3 moved sessions behind its TensorFlow backend; keras.backend keeps them to 2.2.
        backend = self.keras.backend
        return backend if hasattr(backend, "set_session") else backend.tensorflow_backend

    def session(self, graph=None):
        """Return a new TensorFlow 1 session with this framework's threads; graph: None is the default graph."""
        return self.v1.Session(graph=graph, config=self.session_options())

    def keras_session(self):
        """Return the session that Keras computes in; TensorFlow 1 only."""
        return self._session_backend().get_session()

    @property
    def is_eager(self):
        """Whether operations compute at once (TensorFlow 2) or become part of a session's graph."""
        return self._tf >= (2, 0)

    def use_for_inference(self):
        """Build the networks that follow for inference: without it TensorFlow 1 asks at each call which it is."""
        if not self.is_eager:
            self.keras.backend.set_learning_phase(0)

    def devices(self):
        """Return what the framework computes on, GPUs first: dicts of kind ("gpu", "cpu"), name, memory_bytes."""
        found = [self._gpu(device) for device in self._list_gpus()]
        return found + [{"kind": "cpu", "name": None, "memory_bytes": None}]

    def _list_gpus(self):
        if self._tf >= (2, 0):
            return self.tensorflow.config.experimental.list_physical_devices("GPU")
        from tensorflow.python.client import device_lib

        return [device for device in device_lib.list_local_devices() if device.device_type == "GPU"]

    def _gpu(self, device):
        if self._tf >= (2, 3):
            details = self.tensorflow.config.experimental.get_device_details(device)
            return {"kind": "gpu", "name": details.get("device_name", device.name), "memory_bytes": None}
        if self._tf >= (2, 0):
            return {"kind": "gpu", "name": device.name, "memory_bytes": None}
        return {"kind": "gpu", "name": device.physical_device_desc, "memory_bytes": int(device.memory_limit)}

    def gpu_peak_bytes(self):
        """Return the most memory the first GPU held, in bytes; None where the framework cannot tell (before 2.5)."""
        if self._tf < (2, 5) or not self._list_gpus():
            return None
        return int(self.tensorflow.config.experimental.get_memory_info("GPU:0")["peak"])

    def build_flags(self):
        """Return what TensorFlow says of its own build: CUDA, ROCm, compiler flags, MKL/oneDNN."""
        test, sysconfig = self.tensorflow.test, self.tensorflow.sysconfig
        flags = {
            "cuda": bool(test.is_built_with_cuda()),
            "compile_flags": [flag for flag in sysconfig.get_compile_flags() if not flag.startswith("-I")],
        }
        if hasattr(sysconfig, "get_build_info"):
            flags["build_info"] = {str(k): str(v) for k, v in dict(sysconfig.get_build_info()).items()}
        return flags

    def set_seed(self, seed):
        """Seed Python, NumPy and TensorFlow."""
        import random

        import numpy

        random.seed(seed)
        numpy.random.seed(seed % 2**32)
        if self._tf >= (2, 0):
            self.tensorflow.random.set_seed(seed)
        else:
            self.v1.set_random_seed(seed)

    @property
    def steps_at_once(self):
        """How many training steps one call of the framework takes: the fewest that a stream can be trained by."""
        return self.execution.get("steps_per_execution", 1)

    def set_precision(self, precision):
        """Compute in float32, or really in float16.

        float16 is mixed precision from TensorFlow 2.4 on (float32 weights,
        loss scaling); before, Keras' floatx, with an epsilon that float16 can
        hold. Raises UnsupportedError between them (2.0 to 2.3).
        """
        self.precision = precision
        if precision == "float32":
            return
        if self._tf >= (2, 4):
            self.keras.mixed_precision.set_global_policy("mixed_float16")
        elif self._tf < (2, 0):
            self.keras.backend.set_floatx("float16")
            # The default 1e-7 is zero in float16, and a division by it fills the weights with NaN.
            self.keras.backend.set_epsilon(1e-4)
        else:
            raise UnsupportedError(
                "TensorFlow {} does not support float16. Use TensorFlow 2.4 or newer (mixed precision), TensorFlow 1.x "
                "(floatx), or --precision float32.".format(self.tensorflow_version),
                "float16-unsupported",
            )

    def execute_with(self, settings):
        """Build, compile and train what follows with other settings than the framework's own.

        settings: {name: value} of ``execution_choices``; one that is not named
        is the framework's own. None of them changes what is computed.
        """
        self.execution = dict(settings)

    def execution_choices(self):
        """Return ({setting: its other values}, {setting: why it is none here}); call it after a network was built.

        Steps per execution are left to who knows the input. Compiled
        arithmetic (XLA) is the framework's own choice on a GPU from Keras 3
        on. A GRU has its gates' products in one (implementation 2) only
        without recurrent dropout, which that would draw once for all gates;
        cuDNN's GRU has another reset gate and activation than the published one.
        """
        choices, without = (
            {},
            {"cudnn_gru": "the published GRU (reset_after=False, hard sigmoid) is not cuDNN's"},
        )
        accepted = self._compile_arguments()
        for name, since in (("steps_per_execution", "2.4"), ("jit_compile", "2.7")):
            if name not in accepted:
                without[name] = "TensorFlow {} has none, it came with {}".format(
                    self.tensorflow_version, since
                )
        if "steps_per_execution" in accepted:
            choices["steps_per_execution"] = [10, 50, 250]
        if "jit_compile" in accepted:
            choices["jit_compile"] = [True, False] if self._list_gpus() else [True]
        if self._tf >= (2, 4) and self._has_plain_gru:
            choices["gru_implementation"] = [2]
        else:
            without["gru_implementation"] = "no GRU without recurrent dropout, or TensorFlow before 2.4"
        return choices, without

    def _compile_arguments(self):
        if self._tf < (2, 4):
            return ()
        import inspect

        return tuple(inspect.signature(self.models.Model.compile).parameters)

    def sequential(self, input_shape, layers, input_dtype="float32"):
        """Return a Sequential model of ``layers`` on inputs of ``input_shape`` (without the batch; None is any)."""
        if self._keras >= (3, 0):
            first = self.keras.Input(shape=input_shape, dtype=input_dtype)
        elif self.precision == "float16" and self._tf < (2, 0) and input_dtype == "float32":
            first = self.layers.InputLayer(input_shape=input_shape, dtype="float16")
        else:
            first = self.layers.InputLayer(input_shape=input_shape, dtype=input_dtype)
        return self.models.Sequential([first] + list(layers))

    def gru(self, units, **options):
        """Return a GRU layer as it was when the report was made, whatever the defaults are now.

        reset_after=False (True from TF 2 on, which adds 96 weights),
        recurrent_activation hard sigmoid (sigmoid from Keras 2.3 on) and
        implementation 1 (2 from Keras 2.3 on, which lets the recurrent dropout
        scale the state that is carried on: over 80 steps it overflows).
        Without recurrent dropout both implementations compute the same.
        """
        is_plain = not options.get("recurrent_dropout")
        self._has_plain_gru = self._has_plain_gru or is_plain
        implementation = self.execution.get("gru_implementation", 1) if is_plain else 1
        return self.layers.GRU(
            units,
            reset_after=False,
            recurrent_activation="hard_sigmoid",
            implementation=implementation,
            **options,
        )

    def output(self, units, activation=None):
        """Return a Dense output layer that answers in float32 also under mixed precision, so that the loss is exact."""
        options = {"dtype": "float32"} if self.precision == "float16" and self._tf >= (2, 4) else {}
        return self.layers.Dense(units, activation=activation, **options)

    def optimizer(self, name, learning_rate):
        """Return the optimiser of that name; its argument was called lr up to 2.2.4, and 2.15 ignores that name."""
        argument = "lr" if self._keras < (2, 3) else "learning_rate"
        return getattr(self.keras.optimizers, name)(**{argument: learning_rate})

    def set_learning_rate(self, model, learning_rate):
        """Set the rate of a compiled model's optimiser."""
        if self._tf >= (2, 11):
            model.optimizer.learning_rate = learning_rate
        else:
            name = "lr" if self._keras < (2, 3) else "learning_rate"
            self.keras.backend.set_value(getattr(model.optimizer, name), learning_rate)

    def compile(self, model, learning_rate, loss, accuracy, optimizer="RMSprop"):
        """Compile ``model``; accuracy: whether to measure it; optimizer: the name of Keras' class."""
        model.compile(
            optimizer=self.optimizer(optimizer, learning_rate),
            loss=loss,
            metrics=["accuracy"] if accuracy else None,
            **{name: self.execution[name] for name in _OF_COMPILE if name in self.execution},
        )

    def fit(self, model, inputs, epochs, on_epoch=None):
        """Train and return the loss of each epoch.

        inputs: an ``Arrays`` or ``Stream`` of edgebench.inputs. on_epoch: called with the
        number of finished epochs; the only hook there is, so that nothing is
        added to a training step.
        """
        callbacks = [self._epoch_callback(on_epoch)] if on_epoch else []
        common = {"epochs": epochs, "verbose": 0, "callbacks": callbacks}
        if inputs.streamed:
            method = model.fit_generator if self._tf < (2, 1) else model.fit
            # A stream brings its own order, and Keras 3 warns of shuffling, the default, that it will not do.
            options = dict(common, shuffle=False, **self._queue_options())
            with self._whole_executions(model, inputs.steps):
                history = method(inputs.batches(), steps_per_epoch=inputs.steps, **options)
        else:
            history = model.fit(inputs.x, inputs.y, batch_size=inputs.batch, shuffle=True, **common)
        return [float(loss) for loss in history.history["loss"]]

    @contextlib.contextmanager
    def _whole_executions(self, model, steps):
        """Let ``steps`` of an endless stream be what is taken: Keras 3 rounds them up to whole executions."""
        at_once = self.execution.get("steps_per_execution", 1)
        fitting = max(each for each in range(1, at_once + 1) if steps % each == 0)
        if fitting == at_once or self._keras < (3, 0):
            yield
            return
        self._compile_for(model, fitting)
        try:
            yield
        finally:
            self._compile_for(model, at_once)

    def _compile_for(self, model, steps_per_execution):
        # The loop of steps is part of what was compiled, which must be made again.
        model.steps_per_execution = steps_per_execution
        model.train_function = model.test_function = None

    def _epoch_callback(self, on_epoch):
        # LambdaCallback takes (epoch, logs) on every version.
        return self.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1))

    def _queue_options(self):
        # The old generators' methods hold ten batches ready, 200 MB of multi-hot rows; two keep them as busy.
        return {"max_queue_size": 2} if self._tf < (2, 1) else {}

    def held_training(self, model, x, y):
        """Return train(steps, epochs, on_epoch), which trains ``model`` on the one batch (x, y) again and again.

        The batch is at hand in the form that the framework computes on, so that
        nothing is spent on input: a tensor in a tf.data set in TensorFlow 2. Before,
        all input goes through the session's feed, and train_on_batch takes it there.
        """
        if self._tf < (2, 0):
            return lambda steps, epochs, on_epoch: self._train_on_batch(model, x, y, steps, epochs, on_epoch)
        held = self.tensorflow.data.Dataset.from_tensors((x, y)).repeat()

        def train(steps, epochs, on_epoch):
            callbacks = [self._epoch_callback(on_epoch)]
            model.fit(held, steps_per_epoch=steps, epochs=epochs, verbose=0, callbacks=callbacks)

        return train

    def _train_on_batch(self, model, x, y, steps, epochs, on_epoch):
        for epoch in range(epochs):
            for _ in range(steps):
                model.train_on_batch(x, y)
            on_epoch(epoch + 1)

    def evaluate(self, model, inputs):
        """Return [loss] or [loss, accuracy] of ``model`` over ``inputs``."""
        if inputs.streamed:
            method = model.evaluate_generator if self._tf < (2, 1) else model.evaluate
            options = self._queue_options() or {"verbose": 0}
            with self._whole_executions(model, inputs.steps):
                values = method(inputs.batches(), steps=inputs.steps, **options)
        else:
            values = model.evaluate(inputs.x, inputs.y, batch_size=inputs.batch, verbose=0)
        return [float(each) for each in (values if isinstance(values, (list, tuple)) else [values])]

    def traced_inference(self, model, x):
        """Return run(options, metadata), which computes ``model`` for ``x`` in a session that can be traced.

        options, metadata: RunOptions and RunMetadata of TensorFlow 1's
        interface, or None. From 2.0 on the model's function is frozen into a
        graph of its own, for an eager program has no session.
        """
        if self._tf < (2, 0):
            backend = self.keras.backend
            getter = getattr(backend, "get_session", None) or backend.tensorflow_backend.get_session
            session, feed = getter(), {model.input: x}
            # Evaluating the variables first lets Keras initialise them.
            model.get_weights()
            feed[backend.learning_phase()] = 0
            target = model.output
        else:
            from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

            tensorflow = self.tensorflow
            function = tensorflow.function(lambda values: model(values, training=False))
            spec = tensorflow.TensorSpec(x.shape, x.dtype)
            frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec))
            graph = tensorflow.Graph()
            with graph.as_default():
                self.v1.import_graph_def(frozen.graph.as_graph_def(), name="")
            session = self.v1.Session(graph=graph, config=self.session_options())
            target = graph.get_tensor_by_name(frozen.outputs[0].name)
            feed = {graph.get_tensor_by_name(frozen.inputs[0].name): x}
        return lambda options, metadata: session.run(
            target, feed_dict=feed, options=options, run_metadata=metadata
        )

    def reset_optimizer(self, model):
        """Set the optimiser's moments and step counter back to zero, as before the first step."""
        optimizer = model.optimizer
        if self._tf < (2, 11):
            weights = optimizer.get_weights()
            optimizer.set_weights([each * 0 for each in weights])
            return
        for variable in optimizer.variables if not callable(optimizer.variables) else optimizer.variables():
            name = getattr(variable, "path", variable.name)
            # The rate, and the scale of mixed precision's loss, are settings, not moments.
            if "learning_rate" not in name and "scale" not in name:
                variable.assign(variable * 0)
