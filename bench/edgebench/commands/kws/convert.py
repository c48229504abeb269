"""``edgebench kws convert``: write the network as .tflite and ONNX files and say how accurate each is."""

import json
import os
import sys

from edgebench.commands.common import NOT_ALL_OK, OK, add_data_options, cache_dir, data_dir
from edgebench.errors import with_code

FOLDER = "kws_converted"


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "convert",
        help="write the network as .tflite and ONNX files",
        description="Write the network of keyword spotting as .tflite and ONNX files, in float32 and int8 each, with "
        "the weights of MLPerf Tiny's reference model or of your own training. The int8 ones are calibrated on the "
        "inputs kws01. Exit code 1 if an engine of this host scores less than MLPerf Tiny requires (90 %) with one of "
        "the files.",
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
    """Convert a convert.Source, calibrated on the inputs that the data options lead to; tell ``stream`` of it."""
    from edgebench.keyword_spotting import REQUIRED_TOP1
    from edgebench.kws import convert, products
    from edgebench.kws.quiet import quiet

    samples = products.samples(products.finder(data_dir(options), cache_dir(options), options.offline))
    told = convert.convert(out, source, samples, getattr(options, "form", convert.FORMS), framework, _tell)
    # Their log would stand in the middle of the table.
    with quiet():
        measured = products.accuracies(out, told, samples, framework)
    folder = os.path.abspath(out)
    if options.json:
        print(
            json.dumps(dict(told, folder=folder, accuracies=measured), indent=2, sort_keys=True), file=stream
        )
    else:
        print("\n".join(_table(told, measured)), file=stream)
        print(
            "{} inputs each; weights: {}; folder: {}".format(len(samples), told["weights"], folder),
            file=stream,
        )
    below = [each for each in measured if each["top1"] is not None and each["top1"] < REQUIRED_TOP1]
    for each in below:
        told_ = "{file} with {engine}: top-1 is {top1:.1%} of {samples:,} inputs; kws01 requires {required:.0%}".format(
            samples=len(samples), required=REQUIRED_TOP1, **each
        )
        _tell(with_code(told_, "accuracy-below-required"))
    return NOT_ALL_OK if below else OK


def _table(told, measured):
    row = "{:<20} {:>12}  {:<12} {:>7}"
    yield row.format("file", "size_bytes", "engine", "top-1")
    for name, entry in sorted(told["files"].items()):
        found = [each for each in measured if each["file"] == name]
        for each in found or [{"engine": "", "top1": None, "reason": "not measured"}]:
            top1 = each["reason"] if each["top1"] is None else "{:.1%}".format(each["top1"])
            yield row.format(name, entry["size_bytes"], each["engine"], top1)


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
