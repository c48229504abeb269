#!/bin/sh
# Runs molecule's scenarios on hosts of the lab, one after the other. Needs root and the packages of `python -m lab check`.
#
#   scenarios.sh SCENARIO...
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1
export NO_COLOR=1
PATH="$root/.venv/bin:$PATH"
export PATH
# For the scenarios that use mitogen.
ANSIBLE_STRATEGY_PLUGINS=$(tools/with_mitogen.sh printenv ANSIBLE_STRATEGY_PLUGINS) || exit 1
export ANSIBLE_STRATEGY_PLUGINS

failed=
for scenario in "$@"; do
    molecule test --no-command-borders --scenario-name "$scenario" || failed="$failed $scenario"
    # A scenario that was cut short leaves its hosts behind.
    python -m lab down --name "$scenario" >/dev/null
done
if [ -n "$failed" ]; then
    echo "edgebench: these scenarios failed:$failed [scenario-failed]" >&2
    exit 1
fi
