"""What became of a worker that did not say so itself: from how its process ended to a record's status and reason."""

import os
import re
import signal
from collections import namedtuple

from edgebench import host
from edgebench.errors import with_code

Exit = namedtuple("Exit", "code timed_out limit_s phase log_tail oom_kills")
Exit.__doc__ = """How a worker's process ended.

code: exit code, negative for the number of the signal. timed_out: this program
killed it at its limit of limit_s seconds. phase: the last one it told. log_tail:
the end of its log. oom_kills: processes the kernel killed for memory while it
ran, None where the kernel does not count (before 4.13).
"""

_NO_MEMORY = (
    "bad_alloc",
    "Cannot allocate memory",
    "MemoryError",
    "out of memory",
    "Memory allocation still failed",
)
# Some look at the CPU themselves and abort: TensorFlow when it is imported, engines by their first inference.
_FIRST_PHASES = ("import", "load", "accuracy", "warmup")
_PHASES_OF_ENGINES = ("load", "accuracy", "warmup", "windows")
# glibc's words, the older ones without the library's name.
_NO_STATIC_TLS = re.compile(
    r"(?:([^\s\"'(]+): )?(?:cannot allocate memory in|cannot load any more object with) static TLS"
)
# Some hypervisors hide that they are there, but not the name of their CPU.
_VIRTUAL_CPU = re.compile(r"\b(KVM|QEMU|Virtual)\b", re.IGNORECASE)
_NOT_MAPPED = re.compile(r"([^\s\"'(]+): failed to map segment from shared object")


def judge(ended):
    """Return (status, reason) for an ``Exit``."""
    if ended.timed_out:
        return "timeout", "stopped at its time limit of {:g} s, in the phase {}".format(
            ended.limit_s, ended.phase
        )
    last_words = _last_line(ended.log_tail)
    name = _signal_name(-ended.code) if ended.code < 0 else "exit code {}".format(ended.code)
    if -ended.code == signal.SIGKILL:
        if ended.oom_kills is None:
            return (
                "oom",
                "killed (SIGKILL) in the phase {}, probably by the kernel for lack of memory".format(
                    ended.phase
                ),
            )
        if ended.oom_kills > 0:
            return (
                "oom",
                "killed by the kernel for lack of memory (SIGKILL, oom_kill {}) in the phase {}".format(
                    ended.oom_kills, ended.phase
                ),
            )
        return "failed", "killed by another process (SIGKILL) in the phase {}".format(ended.phase)
    if no_memory_in(ended.log_tail):
        return "oom", "out of memory in the phase {} ({}): {}".format(ended.phase, name, last_words)
    if -ended.code == signal.SIGILL or (ended.phase in _FIRST_PHASES and -ended.code == signal.SIGABRT):
        return "unsupported", _instructions(ended.phase, name, last_words)
    reason = "ended with {} in the phase {}{}".format(
        name, ended.phase, ": " + last_words if last_words else ""
    )
    return "failed", with_advice(reason, ended.log_tail)


def no_memory_in(text):
    """Tell whether a traceback or log speaks of memory that could not be had."""
    return any(sign in text for sign in _NO_MEMORY)


def with_advice(reason, text):
    """Return the reason of a failure, with what to do if a traceback or log says that a library was not loaded."""
    found = _NO_STATIC_TLS.search(text)
    if found:
        library = found.group(1)
        if not library or library == "dlopen":
            library = "libgomp.so.1"
        advice = "Load the library before all others: LD_PRELOAD={} edgebench …".format(library)
        return with_code("{}. {}".format(reason, advice), "static-tls-exhausted")
    found = _NOT_MAPPED.search(text)
    if found:
        place = _mount_without_execution(found.group(1))
        advice = (
            "{} is mounted noexec. Run: sudo mount -o remount,exec {}".format(place, place)
            if place
            else "The system does not let this program be executed from there: see mount options (noexec) and SELinux"
        )
        return with_code(
            "{}. {}; or set edgebench_home to a directory elsewhere".format(reason, advice),
            "library-not-mapped",
        )
    return reason


def _mount_without_execution(path):
    """Return the mount point of the file system of ``path`` if it is mounted noexec, else None."""
    try:
        if not os.statvfs(path).f_flag & os.ST_NOEXEC:
            return None
    except OSError:
        return None
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _instructions(phase, name, last_words):
    """Return the reason of a worker that used an instruction the CPU does not have, with what helps on this CPU."""
    cpu = host.cpu()
    machine = cpu["architecture"]
    ended = "({} in the phase {}){}".format(name, phase, ": " + last_words if last_words else "")
    needed = "that the framework, the engine or NumPy needs"
    is_guest = "hypervisor" in cpu["flags"] or _VIRTUAL_CPU.search(cpu["model"] or "")
    if machine == "x86_64" and is_guest and "avx" not in cpu["flags"]:
        said = (
            "the hypervisor hides AVX from this CPU, or its machine has none: instructions {} are missing {}. Expose "
            "the CPU (QEMU: -cpu host; libvirt: host-passthrough; Proxmox: CPU type host; VMware: a newer EVC mode) "
            "and restart this machine"
        )
        return with_code(said.format(needed, ended), "cpu-flags-hidden")
    advice = []
    is_arm = machine.startswith(("aarch64", "arm"))
    if is_arm and phase == "import" and not os.environ.get("OPENBLAS_CORETYPE"):
        advice.append(
            "set OPENBLAS_CORETYPE=ARMV8, without which OpenBLAS of NumPy 1.19.5 crashes on Linux before 4.11"
        )
    if phase not in _PHASES_OF_ENGINES:
        other = (
            "another stack for {}".format(machine)
            if is_arm
            else "py36-tf1.5.0, which runs on every x86_64 CPU"
        )
        advice.append("run ansible-playbook provision.yml with runtime_stack set to {}".format(other))
    said = "this CPU lacks instructions {} {}".format(needed, ended)
    if advice:
        said += ". To run it here, {}".format("; or ".join(advice))
    return with_code(said, "cpu-instructions-missing")


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal {}".format(number)


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
