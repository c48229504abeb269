#!/bin/sh
# Runs bench.yml for `make bench`. A run that was interrupted is resumed under its name by the same command.
#
#   bench.sh ANSIBLE_PLAYBOOK [ARGUMENT...]
set -u

note=.edgebench/interrupted
program=$1
shift

# A run id, and the arguments it was started with: under others it is another run.
run=$(date -u +%Y%m%d-%H%M%S)
if [ -r "$note" ] && { read -r noted && IFS= read -r arguments; } <"$note" && [ "$arguments" = "$*" ]; then
    run=$noted
    echo "Resuming the interrupted run $run. For a new one, run: rm $note"
else
    mkdir -p "$(dirname "$note")"
    # Before the start, so that it is there after a power cut as well.
    printf '%s\n' "$run" "$*" >"$note.new" && mv -f "$note.new" "$note"
fi

# Ctrl-C reaches the playbook as well, whose exit code is 99 then.
trap : INT
"$program" bench.yml -l local -e "bench_run_id=$run" "$@"
status=$?
if [ "$status" -ne 99 ] && [ "$status" -lt 128 ]; then rm -f "$note"; fi
exit "$status"
