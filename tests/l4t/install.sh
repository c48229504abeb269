#!/bin/sh
# Makes a test host look like a Jetson to the roles; README.md beside this lists the options. As root on the host, or for one
# that does not run: `install.sh ROOT [OPTION=VALUE…]`, where ROOT is the folder of its files.
# The same options again change nothing; others change what differs, and the tree in sysfs is made anew.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
release=32.7.1 board=p3448-0000 sysfs=/run/l4t/sys kernel=jetpack4 mode=MAXN ask=no fan=yes
root=''
case ${1:-} in
    /*)
        root=${1%/}
        shift
        ;;
esac
device_tree=$root/var/lib/l4t/device-tree

for option in "$@"; do
    case $option in
        release=* | board=* | sysfs=* | kernel=* | mode=* | ask=* | fan=*) eval "${option%%=*}=\${option#*=}" ;;
        *)
            echo "install.sh: unknown option $option; see README.md" >&2
            exit 2
            ;;
    esac
done

# Who it is.
major=${release%%.*}
cat > "$root/etc/nv_tegra_release" << END
# R$major (release), REVISION: ${release#*.}, GCID: 27863751, BOARD: t210ref, EABI: aarch64, DATE: Mon Nov 29 19:26:54 UTC 2021
END
mkdir -p "$device_tree"
printf 'NVIDIA Jetson Nano Developer Kit\0' > "$device_tree/model"
printf 'nvidia,p3449-0000-b00+%s-b00\0nvidia,jetson-nano\0nvidia,tegra210\0' "$board" > "$device_tree/compatible"

# Its power modes, as NVIDIA's file for the Nano has them.
cat > "$root/etc/nvpmodel.conf" << 'END'
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online
CORE_1 /sys/devices/system/cpu/cpu1/online
CORE_2 /sys/devices/system/cpu/cpu2/online
CORE_3 /sys/devices/system/cpu/cpu3/online

< PARAM TYPE=CLOCK NAME=CPU_A57 >
MIN_FREQ /sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq
MAX_FREQ /sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq

# MAXN is the NONE power model to release all constraints
< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1
CPU_ONLINE CORE_1 1
CPU_ONLINE CORE_2 1
CPU_ONLINE CORE_3 1
CPU_A57 MAX_FREQ -1

< POWER_MODEL ID=1 NAME=5W >
CPU_ONLINE CORE_0 1
CPU_ONLINE CORE_1 1
CPU_ONLINE CORE_2 0
CPU_ONLINE CORE_3 0
CPU_A57 MAX_FREQ 918000

# mandatory section to configure the default mode
< PM_CONFIG DEFAULT=0 >
END
if [ ! -e "$root/var/lib/nvpmodel/status" ]; then
    mkdir -p "$root/var/lib/nvpmodel"
    case $mode in 5W) id=1 ;; *) id=0 ;; esac
    printf 'pmode:%04d fmode:quiet\n' "$id" > "$root/var/lib/nvpmodel/status"
fi

# The tools, at NVIDIA's places.
install -m 755 "$here/bin/nvpmodel" "$root/usr/sbin/nvpmodel"
install -m 755 "$here/bin/jetson_clocks" "$root/usr/bin/jetson_clocks"
install -m 755 "$here/bin/dmesg" "$root/usr/local/bin/dmesg"
install -D -m 755 "$here/l4t-kernel" "$root/usr/local/lib/l4t/l4t-kernel"
printf 'sysfs=%s\nkernel=%s\nask=%s\nfan=%s\n' "$sysfs" "$kernel" "$ask" "$fan" > "$root/etc/l4t-fakes.conf"

# NVIDIA's service for the fan, which came with JetPack 5.
if [ "$kernel" = jetpack5 ]; then
    cat > "$root/etc/nvfancontrol.conf" << 'END'
POLLING_INTERVAL=2

<FAN 1>
	TMARGIN ENABLED
	FAN_PROFILE cool {
		#TEMP	HYST	PWM	RPM
		0	0	255	2900
		105	0	66	0
	}
	FAN_PROFILE quiet {
		#TEMP	HYST	PWM	RPM
		0	0	202	2940
		105	0	0	0
	}
	FAN_DEFAULT_CONTROL close_loop
	FAN_DEFAULT_PROFILE quiet
END
    mkdir -p "$root/var/lib/nvfancontrol"
    cat > "$root/etc/systemd/system/nvfancontrol.service" << END
[Unit]
Description=Stands for NVIDIA's fan control service
After=l4t-kernel.service

[Service]
ExecStart=/bin/sh -c 'sed -n "s/.*FAN_DEFAULT_PROFILE //p" /etc/nvfancontrol.conf > /var/lib/nvfancontrol/status; while :; do echo 100 > $sysfs/class/hwmon/hwmon0/pwm1; sleep 1; done'

[Install]
WantedBy=multi-user.target
END
fi

# The kernel is there before everything else; the service that sets the power mode of the last boot comes after it.
cat > "$root/etc/systemd/system/l4t-kernel.service" << 'END'
[Unit]
Description=Stands for a Jetson's kernel
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target

[Service]
ExecStartPre=/usr/local/lib/l4t/l4t-kernel make
ExecStart=/usr/local/lib/l4t/l4t-kernel run
# A kernel does not give up because the machine is slow.
TimeoutStartSec=infinity

[Install]
WantedBy=sysinit.target
END
cat > "$root/etc/systemd/system/nvpmodel.service" << 'END'
[Unit]
Description=Stands for NVIDIA's service that sets the power mode at boot
After=l4t-kernel.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nvpmodel --apply-at-boot

[Install]
WantedBy=multi-user.target
END
units='l4t-kernel.service nvpmodel.service'
if [ "$kernel" = jetpack5 ]; then units="$units nvfancontrol.service"; fi
# shellcheck disable=SC2086
if [ -n "$root" ]; then
    systemctl -q --root="$root" enable $units
else
    systemctl daemon-reload
    systemctl enable -q $units
    systemctl restart $units
fi
