#!/bin/sh
# Makes .venv hold exactly one lock file's packages and this project, or leaves it as it is when it does.
#
#   setup_venv.sh controller    what `make bench`, the playbooks and the report need
#   setup_venv.sh test          the same and what tests and linters need
#
# PYTHON names the interpreter to use; without it the first CPython 3.11 to 3.13 on PATH is taken.
# Safe to run twice at once, and after having been cut short: the stamp is written last.
set -eu

kind=${1:-}
case $kind in
controller | test) ;;
*)
    echo "edgebench: setup_venv.sh: unknown kind '$kind', expected 'controller' or 'test' [kind-unknown]" >&2
    exit 2
    ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv=.venv
stamp=$venv/edgebench-stamp
log=$venv/setup.log

# Prints an error with its code, and ends: fail MESSAGE CODE.
fail() {
    printf 'edgebench: %s [%s]\n' "$1" "$2" >&2
    exit 1
}

# The release of an interpreter ("3.12.1"), or nothing when it does not run or is not CPython 3.11 to 3.13.
supported_release() {
    "$1" -c '
import platform, sys
if platform.python_implementation() == "CPython" and (3, 11) <= sys.version_info[:2] <= (3, 13):
    print(platform.python_version())
' 2>/dev/null || true
}

find_python() {
    without_venv=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        [ -n "$(supported_release "$candidate")" ] || continue
        # Debian splits ensurepip off into a package of its own; without it venv makes no pip.
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$candidate"
            return
        fi
        without_venv=$candidate
    done
    if [ -n "$without_venv" ]; then
        minor=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        fail "$without_venv cannot make virtual environments. Run: sudo apt-get install python$minor-venv" venv-missing
    fi
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is not CPython 3.11 to 3.13. Name another interpreter, or unset PYTHON." python-unsupported
    fi
    found=$(python3 --version 2>/dev/null || echo 'no python3')
    fail "no CPython 3.11 to 3.13 on PATH (found: $found). Run: sudo apt-get install python3 python3-venv; \
or name an interpreter: make PYTHON=/path/to/python3.12" python-missing
}

# The part of pyproject.toml about the project is in the checksum because the editable install takes the commands
# from it; the settings of linters, which follow it, are not.
checksum() { { cat "requirements/$1.txt" && sed '/^\[tool\.ruff\]/,$d' pyproject.toml; } | sha256sum | cut -d' ' -f1; }

current() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null && grep -qsx "$1 $(checksum "$1") $root" "$stamp"
}

if command -v flock >/dev/null 2>&1; then
    exec 9>.venv.lock
    flock --nonblock 9 || {
        echo "==> Waiting for another set-up of $venv to end"
        flock 9
    }
fi

if current test || current "$kind"; then
    exit 0
fi

if [ "$kind" = test ] && current controller; then
    : # the test lock is the controller's and more, so it goes on top
else
    python=$(find_python)
    # An old stamp must not outlive the packages it speaks of.
    rm -f "$stamp"
    mkdir -p "$venv"
    tools/step.sh -q .venv.log "Making $venv with Python $(supported_release "$python") ($(command -v "$python"))" \
        "$python" -m venv --clear "$venv"
    mv .venv.log "$log"
fi

# Taken before the lock is read: one that changes meanwhile is installed the next time.
sum=$(checksum "$kind")
count=$(grep -c '^[A-Za-z0-9]' "requirements/$kind.txt")
tools/step.sh -q "$log" "Installing $count packages of requirements/$kind.txt into $venv" \
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: -r "requirements/$kind.txt"
tools/step.sh -q "$log" "Installing edgebench from this checkout" \
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
    --no-deps --no-build-isolation --editable .
printf '%s %s %s\n' "$kind" "$sum" "$root" >>"$stamp"
