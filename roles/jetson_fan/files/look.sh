# One look at a Jetson's fan: any POSIX shell, as root, nothing changed.
# Arguments: the folder of sysfs, that of the daemon's state, and how many seconds to wait for a daemon that has just begun.
# One line a finding, `KEY VALUE`.
sysfs=$1 state=$2 patience=$3
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

read_file() { cat "$1" 2> /dev/null; }

if [ -e "$sysfs/devices/pwm-fan/target_pwm" ]; then
    echo 'control pwm-fan'
    echo "set $(read_file "$sysfs/devices/pwm-fan/target_pwm")"
    if turns=$(read_file "$sysfs/devices/pwm-fan/rpm_measured"); then echo "turns $turns"; fi
else
    for chip in "$sysfs"/class/hwmon/hwmon*; do
        case $(read_file "$chip/name") in
            pwmfan | pwm-fan | pwm_fan)
                if [ -e "$chip/pwm1" ]; then
                    echo 'control hwmon'
                    echo "set $(read_file "$chip/pwm1")"
                fi
                if turns=$(read_file "$chip/fan1_input"); then echo "turns $turns"; fi
                ;;
            *tach*) if turns=$(read_file "$chip/rpm"); then echo "turns $turns"; fi ;;
        esac
    done
fi
for zone in "$sysfs"/class/thermal/thermal_zone*; do
    kind=$(read_file "$zone/type") || continue
    case $kind in PMIC*) continue ;; esac
    if temp=$(read_file "$zone/temp") && [ -n "$temp" ]; then echo "zone $temp $kind"; fi
done
if [ "$(systemctl show -p LoadState --value nvfancontrol.service 2> /dev/null)" = loaded ]; then
    echo "vendor $(systemctl is-active nvfancontrol.service) $(systemctl is-enabled nvfancontrol.service 2> /dev/null)"
    sed -n 's/^[[:space:]]*FAN_PROFILE[[:space:]][[:space:]]*\([^ {]*\).*/profile \1/p
s/^[[:space:]]*FAN_DEFAULT_PROFILE[[:space:]][[:space:]]*\([^ ]*\).*/default_profile \1/p' /etc/nvfancontrol.conf 2> /dev/null
fi
active=$(systemctl is-active edgebench-fan.service 2> /dev/null)
echo "unit $active"
# The first thing the daemon does is to try the fan.
while [ "$active" = active ] && [ "$patience" -gt 0 ] && [ ! -e "$state/state" ]; do
    sleep 1
    patience=$((patience - 1))
done
if [ "$active" = active ]; then sed 's/^/daemon /' "$state/state" 2> /dev/null; fi
true
