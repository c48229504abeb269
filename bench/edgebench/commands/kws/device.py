"""``edgebench kws device``: this host as an MLPerf Tiny device under test."""

import functools
import os
import sys
import time

from edgebench.commands.common import INTERRUPTED, add_data_options, natural, positive, threads
from edgebench.commands.kws import shared
from edgebench.errors import UnsupportedError, UsageError, with_code
from edgebench.kws import engines

# Others come after these.
_PREFERRED_ENGINES = ("litert", "onnxruntime", "tensorflow")
_PREFERRED_PRECISIONS = ("int8", "dynamic", "float32")
# Between this program's own processes: engine and model do not go together here, others may.
_CANNOT = 69


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "device",
        help="be the device that an MLPerf Tiny host drives over a serial line",
        description="Answer the protocol of MLPerf Tiny's device under test on a serial line, a USB gadget's port or "
        "a pseudo-terminal, until ended by a signal. A port that disappears is opened again when it is back.",
    )
    command.add_argument("--port", required=True, help="such as /dev/ttyGS0, /dev/ttyUSB0 or /dev/pts/3")
    command.add_argument(
        "--mode",
        choices=("performance", "accuracy", "energy"),
        default="performance",
        help="energy: timestamps are edges on a GPIO line, see --gpio-chip (default: %(default)s)",
    )
    command.add_argument(
        "--baud", type=positive, metavar="N", help="rate of the line (default: 115200, in energy mode 9600)"
    )
    command.add_argument(
        "--engine", help="{} (default: the first that is there)".format(", ".join(engines.NAMES))
    )
    command.add_argument(
        "--model", metavar="ID", help="see kws models (default: an int8 model where there is one)"
    )
    command.add_argument("--threads", type=threads, default=1, metavar="N", help="(default: %(default)s)")
    command.add_argument("--gpio-chip", metavar="CHIP", help="in energy mode: gpiochip0, 0 or a path")
    command.add_argument(
        "--gpio-line", type=natural, metavar="N", help="in energy mode: the line of that chip"
    )
    command.add_argument(
        "--boot",
        choices=("auto", "always", "never"),
        default="auto",
        help="whether to say the boot text; auto leaves it out on a USB gadget's port, which keeps it until a host "
        "opens the port and takes it for a reply (default: %(default)s)",
    )
    command.add_argument(
        "--wait", action="store_true", help="wait for a port that is not there yet, in place of an error"
    )
    add_data_options(command)
    command.set_defaults(command=_device)


def _device(options):
    from edgebench.kws import guarded, plan

    _check_pin(options)
    choices = _choices(options)
    for name, model in choices:
        python = plan.python_of(name)
        if python and os.path.realpath(python) != os.path.realpath(sys.executable):
            return _go_on_in(python)
        try:
            code = guarded.run(functools.partial(_serve, options, name, model), name)
        except UnsupportedError as error:
            shared.tell(with_code(error, error.code))
            code = _CANNOT
        if code != _CANNOT:
            return code
    raise UnsupportedError(
        "None of these engines and models runs here: {}. To see what this host has, run: edgebench kws models".format(
            ", ".join("{} with {}".format(name, model.id) for name, model in choices)
        ),
        "no-engine-runs",
    )


def _choices(options):
    """Return the (engine, Model) that may be meant, the best first: int8 before float, LiteRT before the others."""
    from edgebench.kws import plan

    found = plan.combinations(
        shared.finder(options),
        [options.engine] if options.engine else None,
        [options.model] if options.model else None,
    )
    return sorted(
        ((name, model) for name, model, _ in found),
        key=lambda pair: (
            _place(_PREFERRED_PRECISIONS, pair[1].precision),
            _place(_PREFERRED_ENGINES, pair[0]),
        ),
    )


def _place(preferred, value):
    return preferred.index(value) if value in preferred else len(preferred)


def _check_pin(options):
    given = (options.gpio_chip is not None, options.gpio_line is not None)
    if options.mode == "energy" and given != (True, True):
        raise UsageError(
            "Energy mode needs a GPIO line for its timestamps. Name it with --gpio-chip CHIP --gpio-line N; gpioinfo "
            "(package gpiod) lists the lines.",
            "gpio-line-required",
        )
    if options.mode != "energy" and any(given):
        raise UsageError(
            "--gpio-chip and --gpio-line apply to energy mode only, this is {} mode. Remove them or add --mode "
            "energy.".format(options.mode),
            "gpio-line-unexpected",
        )


def _go_on_in(python):
    """Begin anew in the Python that has the engine, as the launcher has it run."""
    program = os.path.abspath(sys.argv[0])
    started = ["-m", "edgebench"] if os.path.basename(program) == "__main__.py" else [program]
    environment = {key: value for key, value in os.environ.items() if key != "EDGEBENCH_ENGINES_PYTHON"}
    os.execve(python, [python] + started + sys.argv[1:], environment)  # noqa: S606 - the same program


def _serve(options, name, model):
    from edgebench.kws import device, selfcheck
    from edgebench.kws.protocol import Protocol

    pin = None
    if options.mode == "energy":
        from edgebench.kws.gpio import TimestampLine

        pin = TimestampLine(options.gpio_chip, options.gpio_line)
    try:
        engine = engines.open_engine(name, model, options.threads)
        selfcheck.check(engine)
        protocol = Protocol(
            engine, time.perf_counter, options.mode, pin.edge if pin else None, say=shared.tell
        )
        protocol.warm()
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - frameworks refuse models in many ways; another engine may not
        shared.tell(
            with_code(
                "{} cannot run the model {}: {}".format(name, model.id, str(error).strip().split("\n")[0]),
                getattr(error, "code", None) or "model-not-runnable",
            )
        )
        return _CANNOT
    shared.tell(
        "{} {}, model {} ({}), threads {}".format(
            name, engine.version, model.id, model.precision, options.threads
        )
    )
    boot = device.says_boot(options.port) if options.boot == "auto" else options.boot == "always"
    baud = options.baud or device.default_baud(options.mode)
    try:
        device.serve(protocol, options.port, baud, boot, options.wait, shared.tell)
    except KeyboardInterrupt:
        shared.tell("{}: ended".format(options.port))
        return INTERRUPTED
    finally:
        if pin:
            pin.close()
        engine.close()
