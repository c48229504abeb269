#!/bin/sh
# Resolves requirements/**/*.in into hash-locked *.txt (`make lock`).
#
# Versions already locked are kept where they still fit; UPGRADE=1 takes the newest of everything that no .in
# file pins. Nothing is replaced unless all files resolved.
#
# STACK=NAME makes the lock of one stack of files/tensorflow_stacks.yml only. It is the way to those with an `index`:
# their wheels are on an address of their own, which this machine must reach. All of a stack's wheels are downloaded.
#
# With LOCKS_DIR=FOLDER too, the lock is kept there, and requirements/ stays as it is. provision.yml keeps those that it
# makes in .edgebench/locks. A lock there that agrees with the .in is left alone. `make lock STACK=NAME` promotes it to
# requirements/runtime as it is. UPGRADE=1 resolves anew.
set -eu

# Code of this checkout is imported below, and its folders are for no caches.
export PYTHONDONTWRITEBYTECODE=1

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
uv=$root/.venv/bin/uv
[ -x "$uv" ] || {
    echo "edgebench: .venv/bin/uv is missing; run \`make venv\` [uv-missing]" >&2
    exit 1
}

work=$(mktemp -d)
cache='' new=''
trap 'rm -rf "$work" ${cache:+"$cache"} ${new:+"$new"}' EXIT
# Some shells skip the above at a signal.
trap 'exit 130' HUP INT TERM
cp -R requirements "$work/"

# agrees LOCK: whether a lock holds what the .in of STACK pins.
agrees() {
    [ -e "$1" ] && .venv/bin/python plugins/filter/edgebench_locks.py "requirements/runtime/$STACK.in" "$1"
}

kept=${LOCKS_DIR:-.edgebench/locks}/${STACK:-}.txt
if [ -n "${LOCKS_DIR:-}" ]; then
    if [ -z "${STACK:-}" ]; then
        echo "edgebench: LOCKS_DIR is set, but STACK is not; expected STACK=NAME with it [stack-missing]" >&2
        exit 2
    fi
    if ! mkdir -p "$LOCKS_DIR" 2>/dev/null || [ ! -w "$LOCKS_DIR" ]; then
        echo "edgebench: $LOCKS_DIR is not a folder that $(id -un) can write, but locks are kept there;" \
            "make it one [locks-unwritable]" >&2
        exit 1
    fi
    # Another playbook may be making the same lock.
    if command -v flock >/dev/null 2>&1; then
        exec 9<"$LOCKS_DIR"
        flock 9
    fi
    if [ -z "${UPGRADE:-}" ] && agrees "$kept" >/dev/null; then exit 0; fi
    # On the disk of the checkout: /tmp may be in memory, which the wheels could fill.
    if [ -z "${UV_CACHE_DIR:-}" ]; then
        export UV_CACHE_DIR="$LOCKS_DIR/.cache"
        cache=$UV_CACHE_DIR
    fi
fi

# One line a stack: name, index or -, architectures, packages that the system brings.
.venv/bin/python - >"$work/stacks" <<'PYTHON'
import yaml

with open("files/tensorflow_stacks.yml") as table:
    for stack in yaml.safe_load(table)["stacks"]:
        print(stack["name"], stack["index"] or "-", ",".join(stack["architectures"]), *stack["system_packages"])
PYTHON

# TensorFlow's release candidates ask for a nightly Keras, whose files would replace those of the one that a stack pins.
echo "keras-nightly ; python_version < '3'" >"$work/left-out.txt"

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
        "$uv" pip compile --quiet --no-config --generate-hashes --python-version "$minimum" \
            --fork-strategy fewest --custom-compile-command 'make lock' ${UPGRADE:+--upgrade} \
            --override "$work/left-out.txt" "$@" "$name.in" --output-file "$name.txt"
    )
}

# complete NAME MACHINES PYTHON...: what the lock leaves out for one of these releases or architectures is an error
# here and not on the host. A resolution reads one wheel's requirements, and TensorFlow's differ by architecture.
complete() {
    name=$1
    machines=$2
    shift 2
    for release in "$@"; do
        for machine in $(echo "$machines" | tr ',' ' '); do
            "$uv" pip install --quiet --no-config --dry-run --target "$work/none" \
                --python .venv/bin/python --python-version "$release" --python-platform "$machine-manylinux_2_28" \
                --only-binary :all: --override "$work/left-out.txt" --require-hashes \
                -r "$work/requirements/$name.txt" || {
                echo "edgebench: requirements/$name.txt cannot be installed on Python $release, $machine;" \
                    "change the pins in $name.in [lock-not-installable]" >&2
                exit 1
            }
        done
    done
}

# compile_vendor STACK PYTHON INDEX ARCHITECTURE [SYSTEM PACKAGE...]: a lock for wheels that PyPI does not have.
# What the .in pins holds even where a wheel asks for another version: the vendors' wheels are used with other
# packages than their metadata say. The lock is installed without looking at what its packages ask for.
compile_vendor() {
    name=$1
    minimum=$2
    index=$3
    machine=$4
    shift 4
    printf '==> requirements/%s.txt, with the wheels of %s\n' "$name" "$index"
    {
        cat "$work/requirements/$name.in"
        for package in "$@"; do echo "$package ; python_version < '3'"; done
    } >"$work/overrides.txt"
    case $machine in
    armv7l) resolve=resolve_by_pip ;;
    *) resolve=resolve_by_uv ;;
    esac
    # uv reads no setting of pip, and a setting of either names the index of whoever runs this.
    if [ -z "${UV_DEFAULT_INDEX:-}" ]; then
        UV_DEFAULT_INDEX=${UV_INDEX_URL:-${PIP_INDEX_URL:-}}
        [ -n "$UV_DEFAULT_INDEX" ] ||
            UV_DEFAULT_INDEX=$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)
        export UV_DEFAULT_INDEX
    fi
    within_reach "$resolve" || exit 1
    # The versions of a kept lock that no longer agrees with the .in are kept where they fit.
    [ -e "$work/requirements/$name.txt" ] || [ ! -e "$kept" ] || cp "$kept" "$work/requirements/$name.txt"
    code=0
    "$resolve" 2>"$work/errors" || code=$?
    cat "$work/errors" >&2
    [ "$code" -ne 3 ] || exit 1
    [ "$code" -eq 0 ] || {
        echo "edgebench: locking ${name#*/} failed: $(telling). Correct requirements/$name.in, or try later:" \
            "its wheels come from $index [lock-failed]" >&2
        exit 1
    }
}

# within_reach RESOLVER: ask the indexes for a page, which takes seconds. uv and pip try for minutes.
within_reach() {
    told=$(env -u PIP_NO_INDEX -u PIP_FIND_LINKS .venv/bin/python - "$1" "$index" <<'PYTHON'
import os
import sys

sys.path.insert(0, "roles/runtime/files")
import reach_index

resolver, index = sys.argv[1:]
# A name may come before the address.
named = os.environ["UV_DEFAULT_INDEX"]
named = named[named.index("=") + 1 :] if "=" in named.partition(":")[0] else named
default = ["--index-url", named] if named and resolver == "resolve_by_uv" else []
found = reach_index.first_problem([*default, "--extra-index-url", index])
if found:
    print("%s (%.80s)" % found, flush=True)
os._exit(bool(found))
PYTHON
    ) || {
        echo "edgebench: the controller cannot reach ${told:-$index}, but needs it to lock ${name#*/}. Give it access, or" \
            "copy a lock made elsewhere (make lock STACK=${name#*/}) to ${kept#"$root/"} [lock-index-unreachable]" >&2
        return 1
    }
}

# Print the line of what a resolver said that counts.
telling() {
    .venv/bin/python - "$work/errors" <<'PYTHON'
import re
import sys

sys.path.insert(0, "plugins/filter")
import edgebench_hash_mismatch

with open(sys.argv[1], encoding="utf-8", errors="replace") as handle:
    output = handle.read()
refused = edgebench_hash_mismatch.REFUSED.search(output)
if refused:
    # Of the wheel and of the link to it.
    print("the hashes of %(package)s differ, SHA-256 expected %(expected)s, received %(received)s" % refused)
    sys.exit()
lines = [re.sub(r"^(error|cause): ", "", line.strip()) for line in output.splitlines()]
marked = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
# uv wraps its explanation, and advice comes after a blank line.
first = "\n".join(lines).strip().partition("\n\n")[0].splitlines()
told = [line for line in first if not line.startswith(("warning:", "No solution found"))]
text = (marked[-1] if marked else " ".join(told)).strip(" .:").removeprefix("Because ")
print(text if len(text) < 140 else text[:137] + "...")
PYTHON
}

resolve_by_uv() {
    (
        cd "$work/requirements"
        "$uv" pip compile --quiet --no-config --generate-hashes --python-version "$minimum" \
            --python-platform "$machine-manylinux2014" --index "$index" --index-strategy unsafe-best-match \
            --override "$work/overrides.txt" --no-annotate --custom-compile-command "make lock STACK=${name#*/}" \
            ${UPGRADE:+--upgrade} "$name.in" --output-file "$name.txt"
    )
}

# uv knows no armv7l and no Python 3.5. pip knows both, but reads environment markers for the Python that runs it,
# so it is told what the host would say.
resolve_by_pip() {
    .venv/bin/python - "$work/requirements/$name" "$minimum" "$machine" "$index" "${name#*/}" "$work" <<'PYTHON'
import json
import os
import re
import sys

from pip._internal.cli.main import main
from pip._vendor.packaging import markers

path, release, machine, index, stack, work = sys.argv[1:]
digits = release.replace(".", "")
here = markers.default_environment()
there = {"python_version": release, "python_full_version": release + ".3", "implementation_version": release + ".3",
         "platform_machine": machine, "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
markers.default_environment = lambda: {**here, **there}
report = os.path.join(work, "report.json")
arguments = ["install", "--quiet", "--disable-pip-version-check", "--dry-run", "--ignore-installed", "--report", report,
             "--target", os.path.join(work, "none"), "--only-binary", ":all:", "--extra-index-url", index,
             "--python-version", release, "--implementation", "cp", "-r", path + ".in"]
for abi in ("cp" + digits + "m", "abi3", "none"):
    arguments += ["--abi", abi]
for platform in ("linux_" + machine, "manylinux2014_" + machine, "any"):
    arguments += ["--platform", platform]
if main(arguments):
    sys.exit(1)
with open(report) as handle:
    installs = json.load(handle)["install"]
# A file that changed under its name is to be noticed, as uv and the hosts do.
locked = {}
if os.path.exists(path + ".txt") and not os.environ.get("UPGRADE"):
    with open(path + ".txt") as handle:
        locked = dict(re.findall(r"^(\S+==\S+) \\\n\s+--hash=sha256:(\w+)", handle.read(), re.MULTILINE))
lines = ["# This file was made by the following command:", "#    make lock STACK=" + stack]
for each in sorted(installs, key=lambda each: each["metadata"]["name"].lower()):
    archive = each["download_info"]["archive_info"]["hashes"]["sha256"]
    pin = "%s==%s" % (each["metadata"]["name"].lower().replace("_", "-"), each["metadata"]["version"])
    if locked.get(pin, archive) != archive:
        print("edgebench: %s differs from its lock: SHA-256 expected %s, received %s. If its publisher explains that, "
              "make lock STACK=%s UPGRADE=1 [hash-differs]" % (pin, locked[pin], archive, stack), file=sys.stderr)
        sys.exit(3)
    lines += [pin + " \\", "    --hash=sha256:" + archive]
with open(path + ".txt", "w") as handle:
    handle.write("\n".join(lines) + "\n")
PYTHON
}

# lock_stack NAME: by what the table says of it.
lock_stack() {
    stack=$1
    digits=$(echo "$stack" | sed -n 's/^py3\([0-9]*\)-.*/\1/p')
    line=$(grep "^$stack " "$work/stacks") || {
        echo "edgebench: unknown stack $stack; files/tensorflow_stacks.yml has these [stack-unknown]:" >&2
        cut -d' ' -f1 "$work/stacks" | sed 's/^/  /' >&2
        exit 2
    }
    [ -n "$digits" ] || {
        echo "edgebench: invalid stack name $stack; expected py3N-tfVERSION, for example py311-tf2.21.0" \
            "[stack-name-invalid]" >&2
        exit 2
    }
    # shellcheck disable=SC2086 # the table's words
    set -- $line
    index=$2
    machines=$3
    shift 3
    if [ "$index" != - ] && [ -z "${LOCKS_DIR:-}${UPGRADE:-}" ] && [ -n "${STACK:-}" ] &&
        [ ! -e "requirements/runtime/$stack.txt" ] && agrees "$kept" >/dev/null; then
        printf '==> requirements/runtime/%s.txt, from %s\n' "$stack" "$kept"
        cp "$kept" "$work/requirements/runtime/$stack.txt"
    elif [ "$index" != - ]; then
        # Without STACK, for everybody who cannot reach the vendors: a lock that is there stays.
        [ -z "${STACK:-}" ] || compile_vendor "runtime/$stack" "3.$digits" "$index" "$machines" "$@"
    elif [ "$digits" -lt 8 ]; then
        # TensorFlow 1 was only ever built for this platform.
        compile "runtime/$stack" "3.$digits" --python-platform x86_64-manylinux2014
    else
        compile "runtime/$stack" "3.$digits" --universal
        # The newest stacks serve all of today's Pythons.
        if [ "$digits" -eq 11 ]; then
            complete "runtime/$stack" "$machines" 3.11 3.12 3.13
        else
            complete "runtime/$stack" "$machines" "3.$digits"
        fi
    fi
}

if [ -n "${STACK:-}" ]; then
    [ -e "requirements/runtime/$STACK.in" ] || {
        echo "edgebench: unknown stack $STACK: requirements/runtime/$STACK.in is missing;" \
            "set STACK to one of these [stack-unknown]:" >&2
        cut -d' ' -f1 "$work/stacks" | sed 's/^/  /' >&2
        exit 2
    }
    lock_stack "$STACK"
else
    compile controller 3.11 --universal
    compile test 3.11 --universal
    compile execution-environment 3.11 --universal
    compile ansible-core-newest 3.11 --universal --no-deps
    complete controller x86_64,aarch64 3.11 3.12 3.13 3.14
    complete test x86_64,aarch64 3.11 3.12 3.13 3.14
    complete ansible-core-newest x86_64,aarch64 3.11 3.12 3.13 3.14
    complete execution-environment x86_64,aarch64 3.12
    # Nothing in it depends on the Python, and uv knows none before 3.6.
    compile bootstrap-py35 3.6
    compile bootstrap-py36 3.6
    compile bootstrap-py38 3.8
    # Its wheels are for this platform only.
    compile engines-py39 3.9 --python-platform x86_64-manylinux_2_28
    complete engines-py39 x86_64 3.9 3.10 3.11
    compile fuzz 3.11 --python-platform x86_64-manylinux_2_28
    complete fuzz x86_64 3.11 3.12 3.13
    compile axe 3.11 --universal --no-deps
    compile mlflow 3.11 --universal
    complete mlflow x86_64,aarch64 3.11 3.12 3.13
    for input in requirements/runtime/*.in; do
        lock_stack "$(basename "$input" .in)"
    done
fi

# A lock that names a registry would send everybody there, and a path would send them nowhere.
if grep -nE '(https?|file)://|--(extra-)?index-url|--find-links' -r "$work/requirements" --include='*.txt'; then
    echo "edgebench: the locks name a registry or a path in the lines above; remove it from the .in file" \
        "[lock-names-registry]" >&2
    exit 1
fi
if [ -n "${LOCKS_DIR:-}" ]; then
    new=$(mktemp "$LOCKS_DIR/.new.XXXXXX")
    cp "$work/requirements/runtime/$STACK.txt" "$new"
    chmod 644 "$new"
    mv "$new" "$kept"
    new=''
    echo "edgebench: ${kept#"$root/"} changed"
    exit 0
fi
for lock in requirements/*.txt requirements/runtime/*.txt; do
    [ -e "${lock%.txt}.in" ] || echo "edgebench: $lock has no .in file; run \`git rm $lock\` [lock-orphaned]" >&2
done
(cd "$work" && find requirements -name '*.txt') | while read -r lock; do
    cmp -s "$work/$lock" "$lock" || {
        cp "$work/$lock" "$lock.new"
        mv "$lock.new" "$lock"
        echo "edgebench: $lock changed"
    }
done
