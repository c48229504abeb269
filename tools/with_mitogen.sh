#!/bin/sh
# Runs a command of Ansible with the strategy mitogen_linear, which keeps a Python alive on each host instead of
# starting one for every task.
#
#   tools/with_mitogen.sh ansible-playbook provision.yml
#
# docs/fleet.md says how much faster that is and where it does not work (hosts without Python, rebooting tasks).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
plugins=$("$root/.venv/bin/python" -c '
import pathlib, ansible_mitogen
print(pathlib.Path(ansible_mitogen.__file__).parent / "plugins" / "strategy")
') || {
    echo "edgebench: mitogen is not installed in .venv. Run: make venv [mitogen-missing]" >&2
    exit 1
}
export ANSIBLE_STRATEGY_PLUGINS="$plugins"
export ANSIBLE_STRATEGY=mitogen_linear
exec "$@"
