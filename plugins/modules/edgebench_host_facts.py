#!/usr/bin/python
# Copyright the edgebench authors. Licensed under Apache-2.0.
# Runs on the managed host under Python 2.7 or 3.5 and newer: no f-strings, no annotations.
# ruff: noqa: PTH100, PTH110, PTH111, PTH112, PTH116, PTH118, PTH120, PTH123, PTH207, UP001, UP010, UP024, UP031, E402, B905
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: edgebench_host_facts
short_description: Tell what edgebench must know about a host
description:
  - Reads operating system, architecture, CPU flags, GPU, board, Pythons, free disk space and the state of the
    edgebench home, as the user that it runs as sees them.
  - Changes nothing, in check mode or out of it.
options:
  home:
    description: The directory on the host that holds everything of edgebench. C(~) is the connecting user's home.
    type: str
    required: true
  python:
    description: An interpreter to look at first, as a path or a command name.
    type: str
  owner:
    description:
      - The user that is to own the home, who need not exist yet. Where the module runs as another user, the folders
        above the home are judged by what every user may do there.
    type: str
  measure:
    description: Whether to add up what the home takes, which takes seconds on a slow disk.
    type: bool
    default: false
  pythons:
    description: The interpreters that an earlier look found, as it returned them. They are then not asked again.
    type: list
    elements: dict
author: The edgebench authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Look at the host
  edgebench.edge.edgebench_host_facts:
    home: ~/edgebench
"""

RETURN = r"""
ansible_facts:
  description: One fact, C(edgebench_host), with the keys below.
  returned: always
  type: dict
  contains:
    edgebench_host:
      description: The facts.
      type: dict
      returned: always
      contains:
        architecture: {description: "What C(uname -m) says, corrected by the word size of this Python.", type: str}
        cpu_flags: {description: "CPU flags or features, sorted.", type: list}
        cpu_model: {description: "The CPU's name, or null.", type: str}
        disk_free_bytes: {description: "Space free for this user where the home is or will be.", type: int}
        gpu: {description: "C(cuda), C(tegra) or null.", type: str}
        board: {description: "The device tree's model, or null.", type: str}
        l4t: {description: "The release of NVIDIA's Linux for Tegra, such as 32.7.1, or null.", type: str}
        home: {description: "Absolute path of the edgebench home.", type: str}
        home_problem: {description: "Why the home cannot be written, with a code at the end, or null.", type: str}
        apt: {description: "Whether the system has apt-get.", type: bool}
        apt_lists: {description: "Whether apt has any list of packages.", type: bool}
        gpu_name: {description: "Name of the GPU, of a board without one that of the board, or null.", type: str}
        home_bytes: {description: "What the home takes on the disk, null unless asked for by O(measure).", type: int}
        governor: {description: "The frequency governor of the CPUs, several joined by commas, or null.", type: str}
        os: {description: "Name and version of the operating system.", type: str}
        os_codename: {description: "Its release's name, such as bionic; may be empty.", type: str}
        os_id: {description: "Its name in one word, such as debian, ubuntu or raspbian.", type: str}
        os_version: {description: "Its version, such as 12 or 18.04; may be empty.", type: str}
        pythons:
          description: The CPython interpreters that answered, with path, version and whether they can make a venv.
          type: list
        python_apt: {description: "Whether one of the system's Pythons can import apt.", type: bool}
        runner: {description: "Whether the runner and its launcher are in the home.", type: bool}
        runtime: {description: "What the role runtime recorded in the home's venv, or null.", type: dict}
        systemd: {description: "Whether systemd runs the system.", type: bool}
        user: {description: "The user that the module runs as.", type: str}
        user_exists: {description: "Whether the user named by C(owner) exists; without a name, true.", type: bool}
"""

import glob
import json
import os
import platform
import pwd
import re
import stat
import struct
import subprocess
import sys
import threading

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.edgebench.edge.plugins.module_utils import edgebench_host_texts as host_texts

PROBE = (
    "import json, os, platform, sys\n"
    "from importlib.util import find_spec\n"
    "print(json.dumps({'real': os.path.realpath(sys.executable), 'version': '.'.join(map(str, sys.version_info[:3])),"
    " 'implementation': platform.python_implementation(),"
    " 'venv': bool(find_spec('venv') and find_spec('ensurepip'))}))\n"
)
ANSWER_LIMIT_S = 20
GOVERNORS = "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"
# Python 2 makes no venv with the standard library; 3.1 to 3.4 run no version of the runner.
NAMES = ["python3"] + ["python3.%d" % minor for minor in range(5, 20)]
USUAL_FOLDERS = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "~/.local/bin",
    "/opt/python*/bin",
    "~/.pyenv/versions/*/bin",
]
# The flag of statvfs; Python 2.7 has no name for it.
NOEXEC = 8


def read_text(path):
    """Return the text of a file, or None when it cannot be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8", "replace")
    except (IOError, OSError):
        return None


def ask(commands):
    """Return what the interpreters say of themselves, in their order; None for one that does not answer in time."""
    processes = []
    for command in commands:
        try:
            processes.append(
                subprocess.Popen(
                    [command, "-S", "-c", PROBE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
        except OSError:
            processes.append(None)
    started = [process for process in processes if process]
    timer = threading.Timer(ANSWER_LIMIT_S, lambda: [process.kill() for process in started])
    timer.start()
    answers = []
    try:
        for process in processes:
            try:
                answers.append(json.loads(process.communicate(b"")[0].decode("utf-8")) if process else None)
            except ValueError:
                answers.append(None)
    finally:
        timer.cancel()
    return answers


def find_pythons(first, own):
    """Return the CPython 3 interpreters found: `first` (a path or a name, or None), `own`, then the usual places.

    Each is a dict: path (as it would be called), real (with links resolved), version, venv. One entry a real path.
    """
    folders = os.environ.get("PATH", "").split(os.pathsep)
    for pattern in USUAL_FOLDERS:
        folders.extend(sorted(glob.glob(os.path.expanduser(pattern)), reverse=True))
    paths = []
    if first:
        expanded = os.path.expanduser(first)
        paths.extend(
            [expanded] if os.sep in expanded else [os.path.join(folder, expanded) for folder in folders]
        )
    paths.append(own)
    paths.extend(os.path.join(folder, name) for folder in folders if folder for name in NAMES)
    commands, targets = [], set()
    for path in paths:
        target = os.path.realpath(path)
        # A program with several names answers the same under each; a script may go by the name it is called by.
        key = path if read_start(target) == b"#!" else target
        if key not in targets and os.access(path, os.X_OK) and not os.path.isdir(path):
            targets.add(key)
            commands.append(path)
    found, seen = [], set()
    for path, answer in zip(commands, ask(commands)):
        if not answer or answer["implementation"] != "CPython" or answer["real"] in seen:
            continue
        seen.add(answer["real"])
        found.append(
            {"path": path, "real": answer["real"], "version": answer["version"], "venv": answer["venv"]}
        )
    return found


def read_start(path):
    """Return the first two bytes of a file, empty when it cannot be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read(2)
    except (IOError, OSError):
        return b""


def nearest_existing(path):
    """Return the deepest directory on the way to `path` that exists."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def mount_point(path):
    """Return the folder at which the file system of an existing path is mounted."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def home_problem(home, owner=None):
    """Return why the home cannot be used by the user this runs as, or None.

    Where it is to be another one's, `owner`, that one must be able to reach it: root will make it, and can write.
    """
    # Units and exports have the path of a managed home.
    if owner and re.search(r"\s", home):
        return "the path contains white space [home-white-space]"
    existing = nearest_existing(home)
    if not os.path.isdir(existing):
        return "%s is not a directory [home-not-directory]" % existing
    if os.statvfs(existing).f_flag & NOEXEC:
        return (
            "%s is on a file system that is mounted noexec, so no program or library in it can run; remount it "
            "with exec (as root: mount -o remount,exec %s) and correct /etc/fstab [home-noexec]"
        ) % (existing, mount_point(existing))
    if owner and owner != user_name():
        folder = os.path.dirname(home)
        while folder != os.path.dirname(folder):
            if os.path.exists(folder) and not os.stat(folder).st_mode & stat.S_IXOTH:
                return "%s is not accessible to other users, such as %s [home-not-reachable]" % (
                    folder,
                    owner,
                )
            folder = os.path.dirname(folder)
        return None
    if not os.access(existing, os.W_OK | os.X_OK):
        return "%s is not writable by this user [home-not-writable]" % existing
    return None


def gpu_kind():
    """Return 'tegra' for NVIDIA's boards, 'cuda' where NVIDIA's driver is loaded, else None."""
    if os.path.exists("/etc/nv_tegra_release") or os.path.exists("/dev/nvhost-gpu"):
        return "tegra"
    if os.path.exists("/proc/driver/nvidia/version"):
        return "cuda"
    return None


def gpu_name(board):
    """Return the name of the first GPU that NVIDIA's driver lists, on its boards that of the board; None without."""
    for path in sorted(glob.glob("/proc/driver/nvidia/gpus/*/information")):
        named = re.search(r"^Model:\s*(\S.*?)\s*$", read_text(path) or "", re.MULTILINE)
        if named:
            return named.group(1)
    if gpu_kind() != "tegra" or not board:
        return None
    return re.sub(r"\s*(Engineering Reference )?Developer Kit.*", "", board)


def disk_usage(folder):
    """Return the bytes that a folder takes on its disk; a file with several names counts once."""
    total, seen = 0, set()
    for path, _, names in os.walk(folder):
        for name in names + [""]:  # noqa: RUF005
            try:
                status = os.lstat(os.path.join(path, name))
            except (IOError, OSError):
                continue
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total


def read_os_release():
    """Return the fields of the system's os-release."""
    return host_texts.os_release(read_text("/etc/os-release") or read_text("/usr/lib/os-release"))


def os_names(fields):
    """Return (name for a person, id, version, codename) of os-release's fields; unknown ones are empty."""
    # Raspbian 9 has its codename in the version only: 9 (stretch).
    in_brackets = re.search(r"\((\w+)", fields.get("VERSION", ""))
    codename = fields.get("VERSION_CODENAME") or (in_brackets.group(1).lower() if in_brackets else "")
    return (
        fields.get("PRETTY_NAME") or platform.system(),
        fields.get("ID", "").lower(),
        fields.get("VERSION_ID", ""),
        codename,
    )


def has_program(name):
    """Return whether a system-wide program is there, whatever the PATH of this user."""
    folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders)


def imports_apt():
    """Return whether one of the interpreters that Ansible's module apt tries has its library."""
    for python in ["/usr/bin/python3", "/usr/bin/python2", "/usr/bin/python"]:
        if os.access(python, os.X_OK):
            process = subprocess.Popen(
                [python, "-c", "import apt"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            process.communicate()
            if process.returncode == 0:
                return True
    return False


def user_exists(name):
    """Return whether the system knows a user of this name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def runtime_record(home):
    """Return what stands in the venv's record, or None when there is none or it cannot be read."""
    try:
        return json.loads(read_text(os.path.join(home, "venv", "edgebench-runtime.json")) or "")
    except ValueError:
        return None


def user_name():
    """Return the name of the user this module runs as, or the number where it has no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def main():
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "str", "required": True},
            "measure": {"type": "bool", "default": False},
            "owner": {"type": "str"},
            "python": {"type": "str"},
            "pythons": {"type": "list", "elements": "dict"},
        },
        supports_check_mode=True,
    )
    home = os.path.abspath(os.path.expanduser(module.params["home"]))
    owner = module.params["owner"]
    cpuinfo = read_text("/proc/cpuinfo")
    board = host_texts.board_model(read_text("/proc/device-tree/model"), cpuinfo)
    disk = os.statvfs(nearest_existing(home))
    name, os_id, version, codename = os_names(read_os_release())
    pythons = module.params["pythons"]
    if pythons is None:
        pythons = find_pythons(module.params["python"], sys.executable)
    facts = {
        "apt": has_program("apt-get"),
        "apt_lists": bool(glob.glob("/var/lib/apt/lists/*_Packages*")),
        "architecture": host_texts.architecture(platform.machine(), struct.calcsize("P") * 8),
        "board": board,
        "cpu_flags": host_texts.cpuinfo(cpuinfo)[1],
        "cpu_model": host_texts.cpu_model(cpuinfo, read_text("/proc/device-tree/compatible")),
        "disk_free_bytes": disk.f_bavail * disk.f_frsize,
        "governor": host_texts.governors(map(read_text, glob.glob(GOVERNORS))),
        "gpu": gpu_kind(),
        "gpu_name": gpu_name(board),
        "home_bytes": disk_usage(home) if module.params["measure"] else None,
        "home": home,
        "home_problem": home_problem(home, owner),
        "l4t": host_texts.l4t_release(read_text("/etc/nv_tegra_release")),
        "os": name,
        "os_codename": codename,
        "os_id": os_id,
        "os_version": version,
        "python_apt": imports_apt(),
        "pythons": pythons,
        "runner": all(
            os.path.exists(os.path.join(home, part)) for part in ("edgebench.pyz", "bin/edgebench")
        ),
        "runtime": runtime_record(home),
        "systemd": os.path.isdir("/run/systemd/system"),
        "user": user_name(),
        "user_exists": user_exists(owner) if owner else True,
    }
    module.exit_json(changed=False, ansible_facts={"edgebench_host": facts})


if __name__ == "__main__":
    main()
