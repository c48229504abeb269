#!/bin/sh
# Runs molecule's scenarios on hosts of the lab, one after the other, but side by side those that a comma joins.
#
#   scenarios.sh SCENARIO[,SCENARIO...]...
#
# Each line says whose it is. Without root or the lab's packages they are skipped, and the reason is kept for the last
# line of `make test`; with CI=true that is a failure.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
export NO_COLOR=1
PATH="$root/.venv/bin:$PATH"
export PATH

reason=
if [ "$(id -u)" -ne 0 ]; then
    reason='root is needed for containers and their network. Run: sudo make test [root-missing]'
elif missing=$(python -m lab check | xargs) && [ -n "$missing" ]; then
    reason="Debian packages are missing. Run: sudo apt-get install $missing [packages-missing]"
fi
if [ -n "$reason" ]; then
    echo "edgebench: molecule scenarios skipped: $reason" >&2
    [ "${CI:-}" != true ] || exit 1
    [ -z "${EDGEBENCH_SKIPPED:-}" ] || echo "molecule scenarios: $reason" >>"$EDGEBENCH_SKIPPED"
    exit 0
fi

# For the scenarios that use mitogen.
ANSIBLE_STRATEGY_PLUGINS=$(tools/with_mitogen.sh printenv ANSIBLE_STRATEGY_PLUGINS)
export ANSIBLE_STRATEGY_PLUGINS
FAILED=$(mktemp)
export FAILED
trap 'rm -f "$FAILED"' EXIT
for together in "$@"; do
    # Not by the shell's own &, which would keep an interrupt from them. Those cut short leave hosts behind.
    echo "$together" | tr , '\n' | xargs -P 9 -I '{}' sh -c '
        {
            tools/step.sh "Scenario $1" molecule test --no-command-borders --scenario-name "$1" || echo "$1" >>"$FAILED"
            python -m lab down --name "$1" >/dev/null
        } 2>&1 | sed -u "s/^/$1 | /"
    ' sh '{}'
done
if [ -s "$FAILED" ]; then
    echo "edgebench: failed scenarios: $(xargs <"$FAILED") [scenarios-failed]" >&2
    exit 1
fi
