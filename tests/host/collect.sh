#!/bin/sh
# One look at a provisioned host, for the checks in this folder: asks the system, changes nothing.
#
# Arguments: edgebench_home, the user who owns it ('' for whoever runs this), the mount point of the data share ('' for
# none), the host's name, where sysfs is, and the USB disk of a Jetson's root ('' for none). Where a user is given this runs as root. Any POSIX shell will do; what is missing on the
# host is a finding. Writes a block for each question:
#   @@ NAME
#   what came to standard output
#   @! NAME
#   the end of what came to standard error
#   @@ NAME = exit status
home=$1 owner=$2 mount=$3 name=$4 sysfs=$5 usb_disk=$6
limit_s=600
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
cd / || exit 1

# As with Ansible, `~` is the home of whoever connects.
case $home in
    '~') home=$HOME ;;
    '~/'*) home=$HOME/${home#\~/} ;;
esac
errors=$(mktemp) || exit 1
trap 'rm -f "$errors"' EXIT

ask() {
    question=$1
    shift
    echo "@@ $question"
    timeout -k 10 "$limit_s" "$@" < /dev/null 2> "$errors"
    status=$?
    printf '\n@! %s\n' "$question"
    tail -n 12 "$errors"
    printf '\n@@ %s = %s\n' "$question" "$status"
}

# The environment is the user's own, nothing of root's.
as_owner() {
    question=$1
    shift
    if [ -z "$owner" ]; then
        ask "$question" env -u EDGEBENCH_DATA_DIR "$@"
    elif owner_home=$(getent passwd "$owner" | cut -d: -f6) && [ -n "$owner_home" ]; then
        ask "$question" runuser -u "$owner" -- env -i HOME="$owner_home" PATH="$PATH" LC_ALL=C "$@"
    else
        ask "$question" sh -c 'echo "there is no user $1" >&2; exit 125' - "$owner"
    fi
}

ask me id -un
ask path printf '%s\n' "$home"
ask os cat /etc/os-release
ask clock date +%s

# The home. Links have no modes, and in a folder with the sticky bit (none is needed here) strangers' files are safe.
ask home stat -c '%U %G %a %F' "$home"
ask writable sh -c 'find "$1" -xdev ! -type l -perm -0002 | head -n 20' - "$home"
ask venv stat -c '%U %G %a %F' "$home/venv"
ask record cat "$home/venv/edgebench-runtime.json"
# A run holds its lock; there is no such file before the first one.
ask running sh -c 'test ! -e "$1" || flock -n "$1" true' - "$home/$name.lock"
as_owner python "$home/venv/bin/python" -c 'import json, sys
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "venv": sys.prefix != sys.base_prefix}))'
# These two tell the workloads and the data; the next imports TensorFlow, once for all checks, in a child process.
as_owner list "$home/bin/edgebench" list --json
as_owner data "$home/bin/edgebench" data status --json
as_owner host "$home/bin/edgebench" host --json
[ -n "$owner" ] || exit 0

# The user.
ask passwd getent passwd "$owner"
ask password passwd -S "$owner"
ask groups id -nG "$owner"
ask sudo sudo -n -l -U "$owner"
ask keys sh -c 'test ! -e "$1" && test ! -L "$1" || { stat -c "%U %a %F" "$1"; cat "$1"; }' - "$home/.ssh/authorized_keys"
# The programs and what TensorFlow is made of must not be changed by anybody but the user and root.
ask foreign sh -c 'find "$1" -xdev ! -user "$2" ! -user root | head -n 20' - "$home" "$owner"

ask packages dpkg-query --show '--showformat=${Package} ${db:Status-Abbrev}\n'
# Every Python of the system, for none but the venv's should have a TensorFlow.
as_owner pythons sh -c 'for python in /usr/bin/python3 /usr/bin/python3.* /usr/local/bin/python3*; do
    case $python in *-config | *"*"*) continue ;; esac
    "$python" -c "import importlib.util, sys
spec = importlib.util.find_spec(\"tensorflow\")
if spec is not None:
    print(sys.executable, spec.origin)"
done; true'

# systemd and our units.
ask systemd systemctl is-system-running
ask failed systemctl list-units --failed --no-legend --plain --no-pager
ask target systemctl get-default
ask ours sh -c 'grep -ls "^# Written by the role" /etc/systemd/system/*.service /etc/systemd/system/*.path \
    /etc/systemd/system/*.mount /etc/systemd/system/*.automount; true'
# shellcheck disable=SC2016
ask verify sh -c 'set -- $(grep -ls "^# Written by the role" /etc/systemd/system/*.service \
    /etc/systemd/system/*.path /etc/systemd/system/*.mount /etc/systemd/system/*.automount)
    test $# -eq 0 || systemd-analyze verify "$@"'
for unit in edgebench-performance.path edgebench-performance.service xrdp.service xrdp-sesman.service \
    nfs-server.service edgebench-fan.service nvfancontrol.service edgebench-usb-root.service \
    edgebench-kws-device.service edgebench-resume.service; do
    ask "unit $unit" systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState "$unit"
done
ask kws_device_console sh -c 'test ! -e /etc/edgebench-kws-device.getty || while read -r unit _; do
    echo "$unit $(systemctl is-enabled "$unit") $(systemctl is-active "$unit")"
done < /etc/edgebench-kws-device.getty'
ask governors sh -c 'for policy in /sys/devices/system/cpu/cpufreq/policy*; do
    test ! -e "$policy/scaling_governor" || echo "${policy##*/} $(cat "$policy/scaling_governor")"
done'
ask noted sh -c 'for file in /run/edgebench-performance.governors /run/edgebench-performance.governors.new; do
    test ! -e "$file" || sed "s|^|$file |" "$file"
done'
ask listening ss -lntpe
ask chains sh -c 'iptables -w -S | grep EDGEBENCH-XRDP'
ask chains6 sh -c 'test ! -e /proc/net/if_inet6 || { ip6tables -w -S | grep EDGEBENCH-XRDP; }'

# A Jetson's power and fan; elsewhere there is nothing of it.
ask l4t cat /etc/nv_tegra_release
if [ -e /etc/nv_tegra_release ]; then
    ask power nvpmodel -q
    ask power_modes nvpmodel -p --verbose
    ask over_current sh -c '{ dmesg; journalctl -k -b -q --no-pager -o short-monotonic; } | grep "soctherm: OC ALARM"; true'
    ask clocks sh -c 'test ! -e /run/edgebench-jetson-clocks.notes'
    ask clocks_drop_in cat /etc/systemd/system/edgebench-performance.service.d/jetson_clocks.conf
    ask fan cat /run/edgebench-fan/state
    ask zones sh -c 'for zone in "$1"/class/thermal/thermal_zone*; do
        case $(cat "$zone/type" 2> /dev/null) in "" | PMIC*) ;; *) echo "$(cat "$zone/temp" 2> /dev/null) $(cat "$zone/type")" ;; esac
    done' - "$sysfs"
fi
if [ -n "$usb_disk" ]; then
    ask usb_disk readlink -f "$usb_disk"
    # The disk that root lies on, and what /boot is.
    ask root_disk sh -c 'source=$(findmnt -no SOURCE /); echo "/dev/$(lsblk -no PKNAME "$source" | head -n 1)"'
    ask boot_source findmnt -no SOURCE /boot
    ask swaps swapon --show --noheadings
    ask extlinux cat /boot/extlinux/extlinux.conf
    ask boot_missing sh -c 'grep -iE "^[[:space:]]*(linux|kernel|initrd|fdt)[[:space:]]" /boot/extlinux/extlinux.conf \
        | while read -r _ file; do test -s "$file" || echo "$file"; done'
fi

# The data share. What the kernel exports counts, and what it would after the next start of the server.
# Older releases know no -s.
ask exports sh -c 'exportfs -s 2> /dev/null || exportfs -v'
ask kernel_exports sh -c 'test ! -e /proc/fs/nfs/exports || grep -v "^#" /proc/fs/nfs/exports || true'
ask fstab sh -c 'grep -v "^[[:space:]]*#" /etc/fstab | grep -E "[[:space:]]nfs4?[[:space:]]|edgebench" | grep -v edgebench-sd; true'
if [ -n "$mount" ]; then
    unit=$(systemd-escape --path "$mount")
    ask automount systemctl show -p LoadState -p ActiveState -p SubState -p UnitFileState "$unit.automount"
    ask needed_by systemctl show -p RequiredBy "$unit.automount" "$unit.mount"
    # Nothing but KILL gets a process out of waiting for a dead server. The dot makes it mount.
    limit_s=60
    ask answers timeout -s KILL 45 stat -f -c %T "$mount/."
    ask mounted sh -c 'grep " $1 nfs" /proc/self/mounts' - "$mount"
fi
