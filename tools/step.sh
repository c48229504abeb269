#!/bin/sh
# Runs one command as a named step and says how long it took.
#
#   step.sh [-q LOG] TITLE COMMAND [ARGUMENT...]
#
# With -q the command's output goes to the file LOG and is shown only when it fails; meanwhile the step shows its
# seconds: on a terminal in its own line, elsewhere as a line every ten seconds.
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

# Runs in the background until this script ends, however it ends. Its `sleep` holds no output, so that no reader of a
# pipe waits for it.
heartbeat() {
    passed=0
    while sleep 1 >/dev/null 2>&1 && kill -0 "$1" 2>/dev/null; do
        passed=$((passed + 1))
        if [ -t 1 ]; then
            # Written behind the cursor, which stays (DECSC, DECRC), so that a narrow terminal is not filled.
            printf '\0337%d s \0338' "$passed"
        elif [ $((passed % 10)) -eq 0 ]; then
            printf '==> %s … %d s\n' "$title" "$passed"
        fi
    done
}

start=$(seconds)
if [ -n "$log" ]; then
    if [ -t 1 ]; then printf '==> %s … ' "$title"; else printf '==> %s\n' "$title"; fi
    # Without the lock that setup_venv.sh holds as descriptor 9: the last `sleep` outlives the step.
    heartbeat $$ 9>&- &
    beat=$!
    # Ctrl-C reaches the command as well; the shell waits for it and then runs this.
    trap 'kill "$beat" 2>/dev/null; exit 130' INT
    "$@" >"$log" 2>&1
    status=$?
    kill "$beat" 2>/dev/null
    wait "$beat" 2>/dev/null
    trap - INT
else
    printf '==> %s\n' "$title"
    "$@"
    status=$?
fi
elapsed=$(($(seconds) - start))

# The line of a quiet step still stands on a terminal without its end.
again="==> $title: "
if [ -n "$log" ] && [ -t 1 ]; then again=$(printf '\033[K'); fi

if [ "$status" -eq 0 ]; then
    printf '%sdone in %d s\n' "$again" "$elapsed"
    exit 0
fi

if [ -n "$log" ]; then
    printf '%sfailed\n' "$again"
    tail -n 40 "$log" >&2
    printf 'edgebench: these are the last lines of %s\n' "$log" >&2
    # The line that counts: the last that says it is an error, else the last with a word, without pip's advice.
    reason=$(grep -iE '^ *[a-z]*(error|fatal) *:' "$log" | tail -n 1)
    [ -n "$reason" ] || reason=$(grep '[[:alnum:]]' "$log" | grep -v '^\[notice\]' | tail -n 1)
fi
printf 'edgebench: %s failed after %d s with exit status %d: %s [step-failed]\n' "$title" "$elapsed" "$status" \
    "${reason:+$reason; command: }$*" >&2
exit "$status"
