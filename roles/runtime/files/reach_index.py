# Runs on hosts under Python 3.5 and newer.
# ruff: noqa: BLE001, PTH120, PTH207, RUF005, T201, UP032
"""Tell within seconds whether pip reaches its package indexes, where pip itself would retry for minutes.

    python reach_index.py [ARGUMENT OF pip install ...]

Reads pip's own configuration: files, variables and the arguments. Asks every index for the page of pip, and if that is
refused, of TensorFlow. Prints one line and exits with 1 if an index does not answer. Prints nothing and exits with 0 if
all do, if pip has other sources (--no-index, --find-links), or if this pip cannot be asked.

Needs Python 3.5, and pip, which may be the wheel that comes with ensurepip.
"""

import glob
import logging
import os
import sys
import sysconfig
import threading
import time

LIMIT_S = 10
# Answers of a proxy or an index that let nothing through. 404 is an index without this project.
REFUSALS = (401, 403, 407)
# Some indexes refuse projects that they do not have. Vendors' have one of the others.
PROJECTS = ("pip", "tensorflow", "tensorflow-gpu")


def find_pip():
    """Make pip importable: the installed one, else the wheel that venv would install."""
    try:
        import pip  # noqa: F401
    except ImportError:
        import ensurepip

        # Debian keeps the wheels in a folder of its own.
        folders = (
            sysconfig.get_config_var("WHEEL_PKG_DIR"),
            os.path.dirname(ensurepip.__file__) + "/_bundled",
        )
        found = [glob.glob(glob.escape(folder) + "/pip-*.whl") for folder in folders if folder]
        sys.path.insert(0, next(wheels[0] for wheels in found if wheels))


def reason(error):
    """Return the innermost error behind an exception of pip's HTTP library, one of the system if there is any."""
    found, seen = None, []
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, OSError) and error.errno is not None:
            found = error
        inside = [
            each for each in (getattr(error, "reason", None),) + error.args if isinstance(each, Exception)
        ]
        error = inside[0] if inside else error.__cause__ or error.__context__
    found = found or seen[-1]
    return str(found).strip() or type(found).__name__


def problem(arguments):
    """Return why an index cannot be used, as (address, reason); None if all answer."""
    from pip._internal.commands import create_command
    from pip._internal.utils.misc import redact_auth_from_url

    command = create_command("install")
    options, _ = command.parse_args(arguments)
    if options.no_index or options.find_links:
        return None
    # A page from the cache would hide that the network is gone.
    options.cache_dir = None
    session = command._build_session(options, retries=1, timeout=LIMIT_S // 2)
    for index in [options.index_url] + options.extra_index_urls:
        address = redact_auth_from_url(index)
        for project in PROJECTS:
            try:
                status = session.get("{}/{}/".format(index.rstrip("/"), project), stream=True).status_code
            except Exception as error:
                return address, reason(error)
            if status not in REFUSALS:
                break
        if status in REFUSALS or status >= 500:
            return address, "it answers with HTTP status {}".format(status)
    return None


def first_problem(arguments):
    """Return `problem` of the arguments, also for an index that never answers. None if this pip cannot be asked."""
    logging.disable(logging.CRITICAL)
    told = []

    def look():
        try:
            find_pip()
            told.append(problem(arguments))
        except Exception:
            # An older or a newer pip, which will say by itself what it lacks.
            told.append(None)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(2 * LIMIT_S)
    return told[0] if told else ("of pip", "no answer within {} s".format(2 * LIMIT_S))


def message(address, why):
    """Return the line for a person."""
    clock = ""
    if "certificate" in why.lower():
        clock = " The clock of this machine says {} UTC; if that is wrong, set it first.".format(
            time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        )
    return (
        "the package index {} cannot be reached: {}.{} Connect this machine, or name an index or a proxy that it "
        "reaches, as for pip: export PIP_INDEX_URL=URL or PIP_PROXY=URL [index-unreachable]"
    ).format(address, why, clock)


def main(arguments):
    """Print the line and end this process."""
    found = first_problem(arguments)
    if found:
        print(message(*found), flush=True)
    # A thread that still waits for a name server would hold up the end.
    os._exit(1 if found else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
