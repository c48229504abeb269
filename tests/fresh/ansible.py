"""The first command of the README, and the tests of roles, plugins and two PCs, with another ansible-core or Python.

    sudo .venv/bin/python -m tests.fresh.ansible --python 3.13 --ansible newest --core 2.21

They run in a clone of HEAD without caches of its own; uncommitted changes are not included. The exit code is 1 if a
command failed or another ansible-core was installed, and 2 if nothing was run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import needs
from tests.fresh.program import Outcome, execute, parser

# Data of this machine would make another benchmark.
COMMANDS = (
    "env -u EDGEBENCH_DATA_DIR make bench",
    "make unit PYTEST_ARGS=tests/unit/ansible",
    "make scenario-x86",
)
VERSION = "import ansible.release; print(ansible.release.__version__)"


def trials(interpreter: Path, ansible: str, core: str) -> list[Outcome]:
    """Run the commands in a new clone, up to the first that fails, and return how they ended."""
    folder = Path(tempfile.mkdtemp(prefix="edgebench-ansible-", dir="/var/tmp"))
    checkout = folder / "edgebench"
    environment = {
        **os.environ,
        "PYTHON": str(interpreter),
        "EDGEBENCH_ANSIBLE": ansible,
        # The tests look beside their own checkout otherwise.
        "EDGEBENCH_DATA_DIR": str(needs.data_folder()),
        "EDGEBENCH_CASES_DIR": str(needs.cases_folder()),
    }
    # The clone logs its own tests.
    for name in ("EDGEBENCH_TEST_LOG", "PYTHONPATH"):
        environment.pop(name, None)
    outcomes = []
    try:
        subprocess.run(["git", "clone", "--quiet", str(needs.REPOSITORY), str(checkout)], check=True)
        for command in COMMANDS:
            print(f"ansible-core {core}: {command}", flush=True)
            begun = time.monotonic()
            code = subprocess.run(
                ["sh", "-c", command], cwd=checkout, env=environment, check=False
            ).returncode
            problem = f"exit code {code}" if code else _other(checkout, core)
            outcomes.append(Outcome(f"ansible-core {core}: {command}", time.monotonic() - begun, problem))
            if problem:
                break
    finally:
        shutil.rmtree(folder)
    return outcomes


def _other(checkout: Path, core: str) -> str:
    found = subprocess.run(
        [checkout / ".venv/bin/python", "-c", VERSION], capture_output=True, text=True, check=True
    ).stdout.strip()
    return "" if found.startswith(f"{core}.") else f"ansible-core is {found}, expected {core}"


def main() -> int:
    """Run the commands and return the exit code."""
    options = parser("tests.fresh.ansible", __doc__)
    options.add_argument("--python", required=True, metavar="RELEASE", help="CPython of the controller")
    options.add_argument("--ansible", required=True, metavar="CHOICE", help="value of EDGEBENCH_ANSIBLE")
    options.add_argument("--core", required=True, metavar="RELEASE", help="ansible-core that is expected")
    given = options.parse_args()
    interpreter = needs.interpreter(given.python)
    refusal = None
    if interpreter is None:
        remedy = f"pyenv install {given.python}"
        refusal = f"CPython {given.python} is missing, expected one; run: {remedy} [fresh-no-python]"
    elif os.geteuid() != 0:
        command = "sudo .venv/bin/python -m tests.fresh.ansible"
        refusal = f"user id is {os.geteuid()}, expected 0; run: {command} [fresh-needs-root]"
    return execute(refusal, lambda: trials(interpreter or Path(), given.ansible, given.core))


if __name__ == "__main__":
    sys.exit(main())
