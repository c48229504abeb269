"""``edgebench kws train``: train the network on Speech Commands and say whether it reaches what is required."""

import argparse
import json
import os
import sys

from edgebench.commands.common import NOT_ALL_OK, OK, batch, cache_dir, positive, seed, threads
from edgebench.commands.kws import convert as converting
from edgebench.errors import UsageError


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "train",
        help="train the network on Speech Commands",
        description="Train the network of keyword spotting on Google's Speech Commands, version 2, as the reference "
        "of MLPerf Tiny does, and test it: 90 % of the test sounds have to be right. Exit code 1 where they are not. "
        "The same command again goes on after the last whole epoch.",
    )
    command.add_argument(
        "--data-dir",
        default=os.environ.get("EDGEBENCH_DATA_DIR"),
        metavar="DIR",
        help="folder of the unpacked archive speech_commands_v0.02, or one that has it as speech_commands "
        "(EDGEBENCH_DATA_DIR)",
    )
    command.add_argument(
        "--cache-dir", metavar="DIR", help="where data is kept (default: data in EDGEBENCH_HOME)"
    )
    command.add_argument(
        "--out", metavar="FILE", help="weights to write (default: kws_trained/kws_weights.npz in the cache)"
    )
    command.add_argument(
        "--epochs", type=positive, default=36, metavar="N", help="passes over the data (default: %(default)s)"
    )
    command.add_argument(
        "--batch", type=batch, default=100, metavar="N", help="sounds a step (default: %(default)s)"
    )
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of all chance (default: 0)")
    command.add_argument("--threads", type=threads, metavar="N", help="of the framework (default: its own)")
    command.add_argument(
        "--convert",
        metavar="DIR",
        help="afterwards, write the trained network as .tflite and ONNX files into this folder, as kws convert does",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(command=_train, offline=False)


def _train(options):
    from edgebench import compat, environment
    from edgebench.kws import convert, train
    from edgebench.kws.speech import HOMEPAGE, Speech

    if not options.data_dir:
        raise UsageError(
            "No folder of Speech Commands is given. Unpack the archive ({}, 2.3 GB) and name its folder with "
            "--data-dir.".format(HOMEPAGE),
            "speech-folder-required",
        )
    environment.tell_overruled(_tell)
    folder = os.path.join(options.data_dir, "speech_commands")
    speech = Speech(folder if os.path.isdir(folder) else options.data_dir)
    out = os.path.abspath(options.out or os.path.join(cache_dir(options), "kws_trained", "kws_weights.npz"))
    framework = compat.load(threads=options.threads)
    if options.convert:
        # Before hours of training, not after them.
        convert.check(options.convert, framework=framework)
    told = train.Training(framework, speech, options.epochs, options.batch, options.seed, out, _tell).run()
    enough = told["top1"] >= told["required_top1"]
    if options.json:
        print(json.dumps(told, indent=2, sort_keys=True))
    else:
        print(
            "top-1 {:.1%} of {} test sounds after {} epochs: {} (required: {:.0%}); weights: {}".format(
                told["top1"],
                told["samples"],
                options.epochs,
                "enough" if enough else "not enough",
                told["required_top1"],
                out,
            )
        )
    if options.convert:
        converting.write(
            argparse.Namespace(**dict(vars(options), json=False)),
            convert.from_file(out),
            options.convert,
            framework,
            sys.stderr if options.json else sys.stdout,
        )
    return OK if enough else NOT_ALL_OK


def _tell(line):
    print("edgebench: " + line, file=sys.stderr)
