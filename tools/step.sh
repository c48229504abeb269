#!/bin/sh
# Runs one command as a named step and says how long it took.
#
#   step.sh [-q LOG] TITLE COMMAND [ARGUMENT...]
#
# With -q the command's output goes to the file LOG and is shown only when it fails.
# Exits with the command's own status.
set -u

log=
if [ "$1" = -q ]; then
    log=$2
    shift 2
fi
title=$1
shift

seconds() { date +%s; }

start=$(seconds)
if [ -n "$log" ]; then
    printf '==> %s … ' "$title"
    "$@" >"$log" 2>&1
else
    printf '==> %s\n' "$title"
    "$@"
fi
status=$?
elapsed=$(($(seconds) - start))

if [ "$status" -eq 0 ]; then
    if [ -n "$log" ]; then
        printf 'done in %d s\n' "$elapsed"
    else
        printf '==> %s: done in %d s\n' "$title" "$elapsed"
    fi
    exit 0
fi

if [ -n "$log" ]; then
    printf 'failed\n'
    tail -n 40 "$log" >&2
    printf 'edgebench: these are the last lines of %s\n' "$log" >&2
fi
printf 'edgebench: %s failed after %d s with exit status %d: %s [step-failed]\n' "$title" "$elapsed" "$status" "$*" >&2
exit "$status"
