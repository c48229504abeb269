# One look at a Jetson's power: any POSIX shell, as root, nothing changed.
# Arguments: the folders of sysfs and of the device tree, and the lock that a benchmark holds.
# One line a finding, `KEY VALUE`; a key comes once for each finding.
sysfs=$1 tree=$2 lock=$3
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

read_file() { cat "$1" 2> /dev/null; }

# The parts the board is made of, such as nvidia,p3449-0000-b00+p3448-0000-b00.
tr '\0' '\n' < "$tree/compatible" 2> /dev/null | sed 's/^/compatible /'

# The tools: which are there, the modes the board has, the present one. `nvpmodel -p --verbose` tells all it would do.
for tool in nvpmodel jetson_clocks; do
    if path=$(command -v "$tool"); then echo "tool $tool $path"; fi
done
if command -v nvpmodel > /dev/null; then
    nvpmodel -p --verbose < /dev/null 2>&1 | sed -n 's/.*POWER_MODEL: ID=\([0-9][0-9]*\) NAME=\([^ ]*\).*/mode \1 \2/p'
    # The warnings beside the answer are of no interest, the errors are.
    asked=$(nvpmodel -q < /dev/null 2>&1)
    printf '%s\n' "$asked" | sed -n 's/.*NV Power Mode: *\([^ ]*\).*/present \1/p'
    printf '%s\n' "$asked" | sed -n 's/^\(NVPM ERROR.*\)/error \1/p'
fi
if [ -e "$lock" ] && ! flock -n "$lock" true; then echo 'benchmark runs'; fi

# USB devices that draw power, hubs (class 09) left out: the board's own is one.
for device in "$sysfs"/bus/usb/devices/*; do
    class=$(read_file "$device/bDeviceClass") || continue
    if [ "$class" != 09 ]; then
        product=$(read_file "$device/product") || product=$(read_file "$device/idVendor"):$(read_file "$device/idProduct")
        echo "usb ${device##*/} $product"
    fi
done

# What the kernel noted since boot. The ring that dmesg reads forgets, and the journal may not be kept: both, each once.
# At its start it tells from which temperature on it would throttle; that is no event. Of JetPack 5's throttle alerts, each
# rise from 0 is one; hot-surface-alert slows nothing.
{
    dmesg 2> /dev/null
    journalctl -k -b -q --no-pager -o short-monotonic 2> /dev/null
} | sed -n '/throttrip\|throttle-cfg\|will throttle/d
s/^\[ *\([0-9.]*\)\].*\(soctherm: OC ALARM.*\)/over_current \1 \2/p
/-throttle-alert/{
s/^\[ *\([0-9.]*\)\].*[^a-z0-9]\([a-z0-9]*-throttle-alert cooling state: 0 -> [1-9].*\)/throttle \1 \2/p
d
}
/[Tt]herm.*[Tt]hrottl\|[Tt]hrottl.*[Tt]emp/s/^\[ *\([0-9.]*\)\] \(.*kernel: \)\{0,1\}\(.*\)/throttle \1 \3/p' | sort -u -k 2 | head -n 200

# INA3221: over IIO on JetPack 4 (limits to compare with), over hwmon later (alarms). mA, mV.
for chip in "$sysfs"/bus/i2c/drivers/ina3221*/*/iio:device* "$sysfs"/bus/i2c/drivers/ina3221*/*/iio_device; do
    for label in "$chip"/rail_name_*; do
        [ -e "$label" ] || continue
        n=${label##*_}
        current=$(read_file "$chip/in_current${n}_input") || continue
        echo "rail $current $(read_file "$chip/in_voltage${n}_input" || echo 0) $(read_file "$label")"
        for kind in crit warn; do
            limit=$(read_file "$chip/${kind}_current_limit_$n") || continue
            if [ "$limit" -gt 0 ] && [ "$current" -gt "$limit" ]; then
                echo "alarm $kind $(read_file "$label"): $current mA, over its limit of $limit mA"
            fi
        done
    done
done
for chip in "$sysfs"/class/hwmon/hwmon*; do
    name=$(read_file "$chip/name") || continue
    for alarm in "$chip"/curr*_crit_alarm "$chip"/curr*_max_alarm; do
        [ -e "$alarm" ] && [ "$name" = ina3221 ] || continue
        part=${alarm##*/}
        n=${part#curr}
        n=${n%%_*}
        kind=${part#curr"$n"_}
        if [ "$(read_file "$alarm")" = 1 ]; then
            limit=$(read_file "$chip/curr${n}_${kind%_alarm}") || limit=unknown
            echo "alarm ${kind%_alarm} $(read_file "$chip/in${n}_label"): over its limit of $limit mA"
        fi
    done
    if [ "$name" = ina3221 ]; then
        for current in "$chip"/curr[0-9]_input; do
            [ -e "$current" ] || continue
            n=${current##*/curr}
            n=${n%_input}
            echo "rail $(read_file "$current") $(read_file "$chip/in${n}_input" || echo 0) $(read_file "$chip/in${n}_label")"
        done
    fi
    # JetPack 5 and later count the over-current events.
    for count in "$chip"/oc*_event_cnt; do
        if events=$(read_file "$count") && [ "$events" -gt 0 ]; then
            name=${count##*/}
            echo "counted $events ${name%_event_cnt}"
        fi
    done
done

# Cooling devices that cool at this moment; the filter knows which of them slow the board down.
for device in "$sysfs"/class/thermal/cooling_device*; do
    state=$(read_file "$device/cur_state") || continue
    kind=$(read_file "$device/type")
    if [ "$state" -gt 0 ] 2> /dev/null; then echo "cooling $state $(read_file "$device/max_state") $kind"; fi
done
# Millidegrees. PMIC-Die says 100 °C (50 °C on some releases) whatever its temperature is.
for zone in "$sysfs"/class/thermal/thermal_zone*; do
    kind=$(read_file "$zone/type") || continue
    case $kind in PMIC*) continue ;; esac
    if temp=$(read_file "$zone/temp") && [ -n "$temp" ]; then echo "zone $temp $kind"; fi
done
true
