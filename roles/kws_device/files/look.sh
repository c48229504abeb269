# One look, with the port as $0, a unit's name, what is noted of a console, and files; nothing is changed. Lines
# `KEY VALUE`: the port's terminal, its login console, the unit, the notes, the files in their order.
unit=$1 notes=$2 home=$3
shift 3
tty=$(readlink -f "$0" 2> /dev/null)
tty=$(systemd-escape "$(echo "${tty:-$0}" | sed 's|^/dev/||')")
echo "tty $tty"
for each in $(cat /sys/class/tty/console/active 2> /dev/null); do
    if [ "$each" = "$tty" ]; then echo "console $tty"; fi
done
echo "getty $(systemctl is-enabled "serial-getty@$tty.service" 2> /dev/null) $(systemctl is-active "serial-getty@$tty.service")"
if [ -f "$notes" ]; then sed 's/^/noted /' "$notes"; fi
echo "unit $(systemctl is-enabled "$unit" 2> /dev/null) $(systemctl is-active "$unit")"
for path in "$@"; do
    if [ -f "$path" ]; then echo "file $(sha256sum < "$path" | cut -d' ' -f1) $(stat -c '%U %G %a' "$path")"; fi
done
# The groups that serial ports and GPIO chips belong to, as far as this system has them.
echo "groups $(for each in dialout uucp gpio; do getent group "$each" > /dev/null && printf '%s ' "$each"; done)"
started=$(systemctl show -p ExecMainStartTimestamp "$unit" 2> /dev/null | cut -d= -f2)
if [ -n "$started" ] && [ "$(stat -c %Y "$home/edgebench.pyz" 2> /dev/null || echo 0)" -gt "$(date -d "$started" +%s)" ]; then
    echo "older than the runner"
fi
for each in libgpiod3 libgpiod2 libgpiod1; do
    if dpkg-query --show --showformat='${db:Status-Abbrev}' "$each" 2> /dev/null | grep -q '^.i'; then echo "gpiod $each"; fi
done
exit 0
