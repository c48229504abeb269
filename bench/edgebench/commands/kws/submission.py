"""``edgebench kws submission``: write the folder of an MLPerf Tiny submission."""

import json
import os

from edgebench.commands.common import OK
from edgebench.errors import UsageError


def add(commands):
    """Declare the command."""
    command = commands.add_parser(
        "submission",
        help="write the folder of an MLPerf Tiny submission",
        description="Write results of keyword spotting and the description of a system in the form of an MLPerf Tiny "
        "submission, checked as the submission checker does. What is submitted officially has to be measured by the "
        "MLCommons runner; --results takes its folders, too.",
    )
    command.add_argument(
        "--results",
        nargs="+",
        metavar="DIR",
        help="folder with accuracy/ and performance/, as kws drive --out writes them; or sessions of the MLCommons "
        "runner, one in each mode, or the folder that contains both",
    )
    command.add_argument("--system", metavar="FILE", help="description of the system, JSON; see --template")
    command.add_argument("--submitter", metavar="NAME", help="organisation")
    command.add_argument("--name", metavar="NAME", help="the system's name, which its folder gets")
    command.add_argument(
        "--division", choices=("closed", "open"), default="closed", help="(default: %(default)s)"
    )
    command.add_argument("--out", metavar="DIR", help="folder to write below")
    command.add_argument(
        "--template",
        metavar="FILE",
        help="write a description to be filled in, with what this host tells about itself, and do nothing else; "
        "run it on the device",
    )
    command.set_defaults(command=_submission)


def _submission(options):
    from edgebench.kws import submission

    if options.template:
        return _template(options)
    for option in ("results", "system", "submitter", "name", "out"):
        if not getattr(options, option):
            raise UsageError(
                "--{} is missing. A submission needs it; only --template works without.".format(option),
                "option-missing",
            )
    system = submission.read_system(options.system)
    submission.check_system(system, options.system)
    results = submission.read_results(*options.results)
    top1, median_per_s, notes = submission.check_results(results, options.division)
    written = submission.write(
        options.out, options.submitter, options.name, system, results, options.division
    )
    for note in notes:
        print("note: " + note)
    for path in written:
        print(path)
    print("top-1 {:g} %, {:.3f} inferences a second".format(top1, median_per_s))
    print("A submission also holds its code and a README, which are yours to add.")
    return OK


def _template(options):
    from edgebench import host
    from edgebench.data.files import write_whole
    from edgebench.kws import submission

    if os.path.exists(options.template):
        raise UsageError(
            "{} exists and is not overwritten. Name a new file with --template.".format(options.template),
            "template-exists",
        )
    known = submission.known_of_host(host.facts())
    known["Division"] = options.division.capitalize()
    if options.submitter:
        known["Submitter"] = options.submitter
    filled = submission.template(known)
    write_whole(options.template, [(json.dumps(filled, indent=2) + "\n").encode("utf-8")])
    print(
        "{}: fill in the {} fields that are null; an empty text says that one does not apply".format(
            options.template, sum(value is None for value in filled.values())
        )
    )
    return OK
