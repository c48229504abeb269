# One look, with sysfs as $0, a unit's name, and files; nothing is changed. Lines `KEY VALUE`: the unit's states, the
# files' checksums and modes in their order, and each policy's governor.
unit=$1
shift
echo "unit $(systemctl is-enabled "$unit" 2> /dev/null) $(systemctl is-active "$unit" 2> /dev/null)"
for path in "$@"; do
    if [ -f "$path" ]; then echo "file $(sha256sum < "$path" | cut -d' ' -f1) $(stat -c '%U %G %a' "$path")"; fi
done
cat "$0"/devices/system/cpu/cpufreq/policy*/scaling_governor 2> /dev/null | sed 's/^/governor /'
