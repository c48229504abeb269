#!/bin/sh
# Makes .venv hold exactly one lock file's packages and this project, or leaves it as it is when it does.
#
#   setup_venv.sh controller [bench]   what `make bench`, the playbooks and the report need
#   setup_venv.sh test                 the same and what tests and linters need
#
# What cannot work is refused before anything is made; with `bench` that includes the space that `make bench` needs.
#
# PYTHON names the interpreter to use; without it the first CPython 3.11 to 3.14 on PATH is taken.
# EDGEBENCH_ANSIBLE=newest takes the newest ansible-core for that Python, EDGEBENCH_ANSIBLE=2.16 the one of the lock, which
# still manages hosts with Python 3.6. The choice is kept in .edgebench/ansible-core for later runs.
# Safe to run twice at once, and after having been cut short: the stamp is written last.
set -eu

kind=${1:-} purpose=${2:-}
case $kind in
controller | test) ;;
*)
    echo "edgebench: setup_venv.sh: unknown kind '$kind', expected 'controller' or 'test' [kind-unknown]" >&2
    exit 2
    ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
# These lead Python and pip out of the venv.
unset PYTHONHOME PYTHONPATH PIP_PREFIX PIP_TARGET PIP_ROOT
PIP_USER=0
export PIP_USER
venv=.venv
stamp=$venv/edgebench-stamp
# Megabytes that are free for this: .venv with packages being unpacked, and what role preflight expects.
controller_mb=500
test_mb=900
bench_mb=3000
log=$venv/setup.log

# Prints an error with its code, and ends: fail MESSAGE CODE.
fail() {
    printf 'edgebench: %s [%s]\n' "$1" "$2" >&2
    exit 2
}

# The characters that Python's venv, the shebangs of its scripts, Ansible's search paths or make cannot cope with.
check_path() {
    case $root in
    *[:\"\$\`\\*?{}\<\>\|]* | *\[* | *\]* | *[[:cntrl:]]*)
        fail "the path of the checkout is $(printf '%s' "$root" | tr '[:cntrl:]' '?'), expected none of the characters \
: \" \$ \` \\ * ? [ ] { } < > | and no control characters in it. Move the checkout, for example to ~/edgebench" checkout-path
        ;;
    esac
}

# A folder of the checkout that this user cannot write, such as one that `sudo make` made.
check_writable() {
    for folder in . .venv .edgebench results build; do
        if [ -d "$folder" ] && [ ! -w "$folder" ]; then break; fi
        folder=
    done
    if [ -z "$folder" ] && [ -d "$venv" ]; then
        folder=$(find "$venv" -maxdepth 4 -type d ! -writable -print 2>/dev/null | head -n 1)
    fi
    if [ -n "$folder" ]; then
        fail "$root/$folder belongs to $(stat -c %U "$folder") and cannot be written by $(id -un), or its file system is \
read-only. Run: sudo chown -R $(id -u) '$root'; or clone into another folder" checkout-not-writable
    fi
    if [ -n "$(find . -maxdepth 0 -perm -o+w)" ]; then
        fail "every user may write to $root, so Ansible does not read the ansible.cfg in it. Run: chmod o-w '$root'; or \
clone into another folder" checkout-world-writable
    fi
    probe=.venv.probe.$$
    if ! written=$({ printf '#!/bin/sh\n' >"$probe" && chmod +x "$probe" && ln -s "$probe" "$probe.link"; } 2>&1); then
        rm -f "$probe" "$probe.link"
        fail "cannot write into $root: ${written##*: }. Free some space, or clone into another folder" checkout-not-writable
    fi
    "./$probe" 2>/dev/null || executed=no
    rm -f "$probe" "$probe.link"
    if [ "${executed:-}" = no ]; then
        fail "$root is on a file system that is mounted noexec, so no program or library in it can run. Clone into \
another folder, or remount it: sudo mount -o remount,exec $(stat -c %m .)" checkout-noexec
    fi
}

# Git makes text files of links where core.symlinks is false; Ansible then finds no plugin of the checkout.
check_links() {
    link=collections/ansible_collections/edgebench/edge/plugins
    if [ ! -d "$link" ]; then
        fail "$root/$link is missing or no link, expected one to plugins/. Run: git config core.symlinks true && \
git checkout -- collections; or clone into a file system that has links" links-missing
    fi
}

# check_space MB
check_space() {
    # Blocks that this user may have, and their size.
    blocks=$(stat -f -c %a .) size=$(stat -f -c %S .)
    free=$((blocks * size / 1000000))
    if [ "$free" -lt "$1" ]; then
        fail "the file system of $root has $free MB of free space, expected $1 MB. Free some space, or clone into a \
folder on a larger disk" disk-full
    fi
}

# A clock before the newest commit is wrong; TLS, and with it pip, would fail with messages about certificates.
check_clock() {
    commit=$(git log -1 --format=%ct 2>/dev/null) || return 0
    if [ "$(date +%s)" -lt $((${commit:-0} - 86400)) ]; then
        fail "the clock of this machine says $(date -u '+%Y-%m-%d %H:%M') UTC, expected $(date -u -d "@$commit" \
'+%Y-%m-%d') or later, the day of the newest commit. Set it: sudo date -u -s 'YYYY-MM-DD HH:MM'" clock-wrong
    fi
}

# The release of an interpreter ("3.12.1"), or nothing when it does not run or is not CPython 3.11 to 3.14.
supported_release() {
    "$1" -c '
import platform, sys
if platform.python_implementation() == "CPython" and (3, 11) <= sys.version_info[:2] <= (3, 14):
    print(platform.python_version())
' 2>/dev/null || true
}

find_python() {
    without_venv=
    # Its path may have blanks.
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11; fi
    for candidate in "$@"; do
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
        fail "PYTHON=$PYTHON is not CPython 3.11 to 3.14. Name another interpreter, or unset PYTHON." python-unsupported
    fi
    found=$(python3 --version 2>/dev/null || echo 'no python3')
    fail "no CPython 3.11 to 3.14 on PATH (found: $found). Run: sudo apt-get install python3 python3-venv; \
or name an interpreter: make PYTHON=/path/to/python3.12" python-missing
}

# Sets `overlay` to the lock of the chosen ansible-core, or to nothing for the one of the controller's lock.
choose_ansible() {
    kept=.edgebench/ansible-core overlay=
    choice=${EDGEBENCH_ANSIBLE:-$(cat "$kept" 2>/dev/null || echo 2.16)}
    case $choice in
    2.16) ;;
    newest) overlay=requirements/ansible-core-newest.txt ;;
    *) fail "EDGEBENCH_ANSIBLE is '$choice', expected 2.16 or newest. Run: make venv EDGEBENCH_ANSIBLE=newest" ansible-unknown ;;
    esac
}

# The part of pyproject.toml about the project is in the checksum because the editable install takes the commands
# from it; the settings of linters, which follow it, are not.
checksum() { { cat "requirements/$1.txt" ${overlay:+"$overlay"} && sed '/^\[tool\.ruff\]/,$d' pyproject.toml; } | sha256sum | cut -d' ' -f1; }

current() {
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null && grep -qsxF "$1 $(checksum "$1") $root" "$stamp"
}

choose_ansible
check_path
check_writable
check_links
# All of it before the minutes that the first part takes.
case $kind in
controller) venv_mb=$controller_mb ;;
test) venv_mb=$test_mb ;;
esac
space=20
if [ "$purpose" = bench ] && [ ! -e .edgebench/venv/edgebench-runtime.json ]; then space=$bench_mb; fi
if [ -e "$stamp" ]; then check_space "$space"; else check_space $((space + venv_mb)); fi

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

check_space $((space + venv_mb))
check_clock
python=$(find_python) || exit
said=$("$python" roles/runtime/files/reach_index.py) || {
    echo "edgebench: $said" >&2
    exit 2
}
# pip unpacks here: the usual folder may be small, in memory, or mounted noexec.
TMPDIR=$root/.venv.tmp
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
rm -rf "$TMPDIR"
mkdir "$TMPDIR"

if [ "$kind" = test ] && current controller; then
    : # the test lock is the controller's and more, so it goes on top
else
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
tools/step.sh -q "$log" "Installing $count packages of requirements/$kind.txt into $venv (about a minute)" \
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: -r "requirements/$kind.txt"
if [ -n "$overlay" ]; then
    tools/step.sh -q "$log" "Installing the newest ansible-core into $venv" \
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        --no-deps --require-hashes --only-binary :all: -r "$overlay"
fi
tools/step.sh -q "$log" "Installing edgebench from this checkout" \
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
    --no-deps --no-build-isolation --editable .
printf '%s %s %s\n' "$kind" "$sum" "$root" >>"$stamp"
mkdir -p .edgebench
echo "$choice" >"$kept"
