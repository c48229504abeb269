#!/bin/sh
# Makes the Debian packages be there that the tests need: as root on Debian or Ubuntu they are installed. Elsewhere they
# are named, and the tests that need them are skipped; with CI=true the lack is an error.
set -eu

# Command (on PATH or in /usr/sbin) and the package that has it, for the tests without hosts of their own.
needed='chromium:chromium sshd:openssh-server qemu-x86_64-static:qemu-user-static pdflatex:texlive-latex-recommended'

missing=$(
    for pair in $needed; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done
    .venv/bin/python -m lab check || true
)
missing=$(printf '%s\n' "$missing" | sort -u | xargs)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "edgebench: for all tests these Debian packages are missing: $missing" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
fi

# RUNLEVEL=1 keeps the packages from starting their services.
# shellcheck disable=SC2086
tools/step.sh -q .venv/packages.log "Installing Debian packages: $missing" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' install $missing
