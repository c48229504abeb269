"""``edgebench kws convert``: write the network as .tflite and ONNX files and say how accurate each is."""

import json
import os
import sys

from edgebench.commands.common import OK, add_data_options, cache_dir, data_dir

FOLDER = "kws_converted"


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "convert",
        help="write the network as .tflite and ONNX files",
        description="Write the network of keyword spotting as .tflite and ONNX files, in float32 and int8 each, with "
        "the weights of MLPerf Tiny's reference model or of your own training. The int8 ones are calibrated on the "
        "inputs kws01.",
    )
    command.add_argument(
        "--out",
        metavar="DIR",
        help="folder to write, replaced as a whole where it holds an earlier conversion (default: {} in the cache, "
        "where the other commands look for it)".format(FOLDER),
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="weights of your own training, .npz (default: the reference model's)",
    )
    command.add_argument(
        "--form",
        nargs="+",
        choices=("tflite", "onnx"),
        default=["tflite", "onnx"],
        help="what to write; onnx needs no TensorFlow where --weights is given (default: both)",
    )
    add_data_options(command)
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(command=_convert)


def default_out(options):
    """Return the folder that converted models are kept in."""
    return os.path.join(cache_dir(options), FOLDER)


def write(options, source, out, framework=None, stream=None):
    """Convert a convert.Source on the inputs that the data options lead to; print the summary to ``stream``."""
    from edgebench.kws import convert, products
    from edgebench.kws.quiet import quiet

    samples = products.samples(products.finder(data_dir(options), cache_dir(options), options.offline))
    told = convert.convert(out, source, samples, getattr(options, "form", convert.FORMS), framework, _tell)
    # Their log would stand in the middle of the table.
    with quiet():
        measured = products.accuracies(out, told, samples, framework)
    if options.json:
        print(
            json.dumps(dict(told, folder=os.path.abspath(out), accuracies=measured), indent=2, sort_keys=True)
        )
        return OK
    print("{:<20} {:>12}  {:<12} {:>7}".format("file", "size_bytes", "engine", "top-1"), file=stream)
    for name, entry in sorted(told["files"].items()):
        rows = [each for each in measured if each["file"] == name] or [
            {"engine": "", "top1": None, "reason": ""}
        ]
        for row in rows:
            top1 = row["reason"] if row["top1"] is None else "{:.1%}".format(row["top1"])
            print(
                "{:<20} {:>12}  {:<12} {:>7}".format(name, entry["size_bytes"], row["engine"], top1).rstrip()
            )
    print(
        "{} inputs each; weights: {}; folder: {}".format(len(samples), told["weights"], os.path.abspath(out))
    )
    return OK


def _convert(options):
    from edgebench import compat
    from edgebench.kws import convert, products

    out = options.out or default_out(options)
    if options.weights:
        return write(options, convert.from_file(options.weights), out)
    finder = products.finder(data_dir(options), cache_dir(options), options.offline)
    framework = compat.load(use_gpu=False)
    return write(
        options, convert.from_reference(framework, products.reference_folder(finder)), out, framework
    )


def _tell(line):
    print("edgebench: " + line, file=sys.stderr)
