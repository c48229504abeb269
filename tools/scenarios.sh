#!/bin/sh
# Runs molecule's scenarios, one after the other, on hosts of the lab.
#
#   scenarios.sh SCENARIO...
#
# Without root or the lab's packages they are skipped, and the reason is kept for the last line of `make test`; with
# CI=true that is a failure.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
export NO_COLOR=1
PATH="$root/.venv/bin:$PATH"
export PATH

reason=
if [ "$(id -u)" -ne 0 ]; then
    reason='needs root for containers and a network of their own; run sudo make test'
elif missing=$(python -m lab check | xargs) && [ -n "$missing" ]; then
    reason="needs Debian packages: $missing"
fi
if [ -n "$reason" ]; then
    echo "edgebench: molecule's scenarios skipped: $reason" >&2
    [ "${CI:-}" != true ] || exit 1
    [ -z "${EDGEBENCH_SKIPPED:-}" ] || echo "molecule's scenarios: $reason" >>"$EDGEBENCH_SKIPPED"
    exit 0
fi

# For the scenarios that use mitogen.
ANSIBLE_STRATEGY_PLUGINS=$(tools/with_mitogen.sh printenv ANSIBLE_STRATEGY_PLUGINS)
export ANSIBLE_STRATEGY_PLUGINS
failed=
for scenario in "$@"; do
    tools/step.sh "Scenario $scenario" molecule test --no-command-borders --scenario-name "$scenario" || failed="$failed $scenario"
    # A scenario that was cut short leaves its hosts behind.
    python -m lab down --name "$scenario" >/dev/null
done
if [ -n "$failed" ]; then
    echo "edgebench: these scenarios failed:$failed" >&2
    exit 1
fi
