"""Clocks and governor of the CPUs, a policy for each group that shares a clock.

/sys/devices/system/cpu/cpufreq/policy*/: scaling_cur_freq, scaling_min_freq,
scaling_max_freq in kHz, scaling_governor, affected_cpus
(Documentation/admin-guide/pm/cpufreq.rst of the kernel).
"""

import os

from edgebench.telemetry.quantity import GAUGE, MEGAHERTZ, TEXT, quantity
from edgebench.telemetry.sources.source import of_files, scaled
from edgebench.telemetry.tree import read_text

NAME = "cpufreq"


def find(tree):
    """Return the Source; raises AbsentError."""
    entries = []
    policies = tree.glob("/sys/devices/system/cpu/cpufreq/policy[0-9]*")
    # Before Linux 4.3 the folders were the CPUs' own.
    for policy in policies or tree.glob("/sys/devices/system/cpu/cpu[0-9]*/cpufreq"):
        name = os.path.basename(policy if policies else os.path.dirname(policy))
        cpus = read_text(os.path.join(policy, "affected_cpus")) or name.lstrip("policyu")
        for kind, file in (("clock", "cur"), ("clock_min", "min"), ("clock_max", "max")):
            entries.append(
                (
                    quantity("{}.{}".format(kind, name), GAUGE, MEGAHERTZ, cpus=cpus),
                    os.path.join(policy, "scaling_{}_freq".format(file)),
                    scaled(1000.0),
                )
            )
        entries.append(
            (
                quantity("governor." + name, TEXT, None, cpus=cpus),
                os.path.join(policy, "scaling_governor"),
                str,
            )
        )
    return of_files(NAME, entries, "this kernel offers no frequency scaling (no cpufreq in sysfs)")
