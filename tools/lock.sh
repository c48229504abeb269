#!/bin/sh
# Resolves requirements/**/*.in into hash-locked *.txt (`make lock`).
#
# Versions already locked are kept where they still fit; UPGRADE=1 takes the newest of everything that no .in
# file pins. Nothing is replaced unless all files resolved.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
python=${PYTHON:-.venv/bin/python}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/edgebench
tools_lock=requirements/lock-tools.txt

uv_home=$cache/lock-tools/$(sha256sum "$tools_lock" | cut -c1-16)
if [ ! -x "$uv_home/bin/uv" ]; then
    mkdir -p "$cache/lock-tools"
    building=$(mktemp -d "$cache/lock-tools/building.XXXXXX")
    tools/step.sh -q "$building/setup.log" "Installing uv" sh -c '
        "$1" -m venv --clear "$2/venv" &&
        "$2/venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$3"
    ' sh "$python" "$building" "$tools_lock"
    rm -rf "$uv_home"
    mv "$building/venv" "$uv_home"
    rm -rf "$building"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R requirements "$work/"

# compile NAME PYTHON [OPTION...]: NAME.in -> NAME.txt, seen from requirements/ so that its comments hold no
# machine's paths.
compile() {
    name=$1
    minimum=$2
    shift 2
    printf '==> requirements/%s.txt\n' "$name"
    (
        cd "$work/requirements"
        # --fork-strategy fewest: one version for all Pythons where there is one.
        "$uv_home/bin/uv" pip compile --quiet --no-config --generate-hashes --python-version "$minimum" \
            --fork-strategy fewest --custom-compile-command 'make lock' ${UPGRADE:+--upgrade} \
            "$@" "$name.in" --output-file "$name.txt"
    )
}

# complete NAME PYTHON...: what the lock leaves out for one of these releases or architectures is an error here
# and not on the host. A resolution reads one wheel's requirements, and TensorFlow's differ by architecture.
complete() {
    name=$1
    shift
    for release in "$@"; do
        for machine in x86_64 aarch64; do
            "$uv_home/bin/uv" pip install --quiet --no-config --dry-run --target "$work/none" \
                --python "$python" --python-version "$release" --python-platform "$machine-manylinux_2_28" \
                --only-binary :all: --require-hashes -r "$work/requirements/$name.txt" || {
                echo "edgebench: requirements/$name.txt cannot be installed on Python $release, $machine" >&2
                exit 1
            }
        done
    done
}

compile lock-tools 3.11 --universal
compile controller 3.11 --universal
compile test 3.11 --universal
complete controller 3.11 3.12 3.13
complete test 3.11 3.12 3.13
compile bootstrap-py36 3.6
for input in requirements/runtime/*.in; do
    stack=runtime/$(basename "$input" .in)
    digits=$(basename "$input" | sed -n 's/^py3\([0-9]*\)-.*/\1/p')
    [ -n "$digits" ] || {
        echo "edgebench: $input: a stack is named py3N-tfVERSION, for example py311-tf2.21.0" >&2
        exit 2
    }
    if [ "$digits" -lt 9 ]; then
        # TensorFlow 1 was only ever built for this platform.
        compile "$stack" "3.$digits" --python-platform x86_64-manylinux2014
    else
        compile "$stack" "3.$digits" --universal
        # The newest stack serves all of today's Pythons.
        if [ "$digits" -eq 11 ]; then complete "$stack" 3.11 3.12 3.13; else complete "$stack" "3.$digits"; fi
    fi
done

# A lock that names a registry would send everybody there, and a path would send them nowhere.
if grep -nE '(https?|file)://|--(extra-)?index-url|--find-links' -r "$work/requirements" --include='*.txt'; then
    echo "edgebench: the lines above name a registry or a path; locks must not" >&2
    exit 1
fi
for lock in requirements/*.txt requirements/runtime/*.txt; do
    [ -e "${lock%.txt}.in" ] || echo "edgebench: $lock has no .in file any more; remove it" >&2
done
(cd "$work" && find requirements -name '*.txt') | while read -r lock; do
    cmp -s "$work/$lock" "$lock" || {
        cp "$work/$lock" "$lock.new"
        mv "$lock.new" "$lock"
        echo "edgebench: $lock changed"
    }
done
