"""The choice of a TensorFlow stack, by the real table."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests import ansible_core, needs
from tests.messages import codes

AVX = ["sse2", "sse4_1", "sse4_2", "avx"]
PHENOM = ["sse2", "sse4a"]


def host(**changes: Any) -> dict[str, Any]:
    """Facts of a host; `pythons` may be given as versions."""
    facts: dict[str, Any] = {
        "architecture": "x86_64",
        "cpu_flags": AVX,
        "cpu_model": "Some CPU",
        "gpu": None,
        "l4t": None,
        "runtime": None,
        "pythons": ["3.11.2"],
    }
    facts.update(changes)
    facts["pythons"] = [
        {"path": f"/usr/bin/python{each}", "real": f"/usr/bin/python{each}", "version": each, "venv": True}
        if isinstance(each, str)
        else each
        for each in facts["pythons"]
    ]
    return facts


def jetson(l4t: str | None, *pythons: str) -> dict[str, Any]:
    return host(architecture="aarch64", gpu="tegra", l4t=l4t, pythons=list(pythons), cpu_flags=["asimd"])


@pytest.fixture(scope="module")
def stacks(root: Path) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = yaml.safe_load((root / "files/tensorflow_stacks.yml").read_text())["stacks"]
    return table


Choose = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def choose(plugin: Callable[[str], ModuleType], stacks: list[dict[str, Any]]) -> Choose:
    """The choice, with the lock files of the stacks that need none of a vendor's; `vendors` adds theirs."""
    module = plugin("filter/edgebench_stack")

    def call(facts: dict[str, Any], *, vendors: bool = False, **named: str) -> dict[str, Any]:
        locks = [stack["lock"] for stack in stacks if vendors or not stack["index"]]
        result: dict[str, Any] = module.choose(facts, stacks, locks, **named)
        return result

    return call


def releases(text: str) -> list[str]:
    """Return the releases of Python that a text names without a third number: ["3.8", "3.9"]."""
    return re.findall(r"(?<![\d.a-z])3\.\d+\b(?!\.\d)", text)


def headline(choice: dict[str, Any], code: str) -> str:
    """Return the first line of a refusal with this code, which holds the verdict and what helps most."""
    first = str(choice["problem"]).splitlines()[0]
    assert codes(first) == [code]
    assert first.endswith(f" [{code}]")
    # Three lines of a terminal, with the host's name.
    assert len(first) < 360
    return first


def remedy(choice: dict[str, Any]) -> str:
    """Return what a refusal of a host that no stack fits says of the ways out."""
    first, *rest = str(choice["problem"]).splitlines()
    assert headline(choice, "no-stack-fits")
    return " ".join([first, *[line for line in rest if line.startswith("What helps: ")]])


def line_of(stack: str, choice: dict[str, Any]) -> str:
    """Return the line of a refusal that says why a stack was passed over."""
    (line,) = [each for each in choice["problem"].splitlines() if each.startswith(f"- {stack} ")]
    return str(line)


# The Pythons of the distributions, and what each gets on an x86 CPU with AVX, on one without, and on aarch64.
INSTALL_36 = ["3.6"]
DISTRIBUTIONS: dict[str, tuple[str, str, str | list[str], str | None]] = {
    "Ubuntu 18.04": ("3.6.9", "py36-tf1.13.2", "py36-tf1.5.0", None),
    "Ubuntu 20.04": ("3.8.10", "py38-tf2.13.1", INSTALL_36, "py38-tf2.13.1"),
    "Ubuntu 22.04": ("3.10.12", "py310-tf2.21.0", INSTALL_36, "py310-tf2.21.0"),
    "Ubuntu 24.04": ("3.12.3", "py311-tf2.21.0", INSTALL_36, "py311-tf2.21.0"),
    "Debian 11": ("3.9.2", "py39-tf2.15.1", INSTALL_36, "py39-tf2.15.1"),
    "Debian 12": ("3.11.2", "py311-tf2.21.0", INSTALL_36, "py311-tf2.21.0"),
    "Debian 13": ("3.13.5", "py311-tf2.21.0", INSTALL_36, "py311-tf2.21.0"),
    "Python 3.7": ("3.7.3", "py37-tf1.15.5", INSTALL_36, None),
}
WITH_CUDA = {"py311-tf2.21.0": "py311-cuda-tf2.21.0", "py310-tf2.21.0": "py310-cuda-tf2.21.0"}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("gpu", [None, "cuda"])
def test_x86_with_avx(choose: Choose, distribution: str, gpu: str | None) -> None:
    python, stack, _, _ = DISTRIBUTIONS[distribution]
    choice = choose(host(pythons=[python], gpu=gpu, nvidia_driver="535.129.03"))
    assert choice["problem"] is None
    assert choice["stack"]["name"] == (WITH_CUDA.get(stack, stack) if gpu else stack)
    assert choice["reason"].startswith(f"{choice['stack']['name']} (TensorFlow")
    unused = gpu is not None and stack not in WITH_CUDA
    assert bool(choice["gpu_unused"]) is unused
    assert ("GPU (cuda)" in choice["headline"]) is unused


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("gpu", [None, "cuda"])
def test_x86_without_avx(choose: Choose, distribution: str, gpu: str | None) -> None:
    python, _, expected, _ = DISTRIBUTIONS[distribution]
    choice = choose(host(pythons=[python], cpu_flags=PHENOM, gpu=gpu, nvidia_driver="535.129.03"))
    if isinstance(expected, str):
        assert choice["stack"]["name"] == expected
        assert "cpu-flags-missing" in choice["misfits"]["py36-tf1.13.2"]
        assert "sse4_1, sse4_2, avx" in choice["reason"]
    else:
        assert choice["stack"] is None
        assert releases(remedy(choice)) == expected
        assert "sse4_1 no, sse4_2 no, avx no" in choice["problem"]  # not prose
        assert "cpu-flags-missing" in codes(line_of("py311-tf2.21.0", choice))
        assert "sse4_1, sse4_2, avx" in line_of("py311-tf2.21.0", choice)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_aarch64_without_a_jetpack(choose: Choose, distribution: str) -> None:
    """Such as a Raspberry Pi with 64-bit Debian."""
    python, _, _, stack = DISTRIBUTIONS[distribution]
    choice = choose(host(architecture="aarch64", pythons=[python], cpu_flags=["asimd"]))
    if stack:
        assert choice["stack"]["name"] == stack
    else:
        assert releases(remedy(choice)) == ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


JETPACKS = {
    "4.2": ("32.1", "3.6.9", "py36-jetpack42-tf1.13.1"),
    "4.2.1": ("32.2", "3.6.9", "py36-jetpack42-tf1.13.1"),
    "4.2.3": ("32.2.3", "3.6.9", "py36-jetpack42-tf1.13.1"),
    "4.3": ("32.3.1", "3.6.9", "py36-jetpack42-tf1.13.1"),
    "4.4": ("32.4.3", "3.6.9", "py36-jetpack44-tf1.15.5"),
    "4.5": ("32.5", "3.6.9", "py36-jetpack44-tf1.15.5"),
    "4.6": ("32.6.1", "3.6.9", "py36-jetpack46-tf2.7.0"),
    "4.6.1": ("32.7.1", "3.6.9", "py36-jetpack46-tf2.7.0"),
    "4.6.6": ("32.7.6", "3.6.9", "py36-jetpack46-tf2.7.0"),
    "5.0.2": ("35.1.0", "3.8.10", "py38-jetpack502-tf2.10.0"),
    "6.0 DP": ("36.2.0", "3.10.12", "py310-jetpack60-tf2.15.0"),
    "6.0": ("36.3.0", "3.10.12", "py310-jetpack60-tf2.15.0"),
    "5.1.2": ("35.4.1", "3.8.10", "py38-jetpack51-tf2.12.0"),
    "6.1": ("36.4.0", "3.10.12", "py310-jetpack61-tf2.16.1"),
    "5.1.5": ("35.6.1", "3.8.10", "py38-jetpack51-tf2.12.0"),
    "6.2.1": ("36.4.7", "3.10.12", "py310-jetpack61-tf2.16.1"),
    "6.2.2": ("36.5.0", "3.10.12", "py310-jetpack61-tf2.16.1"),
}


@pytest.mark.parametrize("jetpack", JETPACKS)
def test_a_jetson_gets_nvidias_wheels(choose: Choose, jetpack: str) -> None:
    l4t, python, stack = JETPACKS[jetpack]
    choice = choose(jetson(l4t, python), vendors=True)
    assert choice["stack"]["name"] == stack
    assert choice["gpu_unused"] is None
    assert choice["gpu_required"]
    assert "(tegra)" not in choice["reason"]


@pytest.mark.parametrize("jetpack", JETPACKS)
def test_a_jetson_without_the_lock_gets_the_stack_that_is_to_be_locked(choose: Choose, jetpack: str) -> None:
    l4t, python, stack = JETPACKS[jetpack]
    choice = choose(jetson(l4t, python))
    assert choice["problem"] is None
    assert choice["stack"]["name"] == stack
    assert choice["lock_pending"]
    assert not choose(jetson(l4t, python), vendors=True)["lock_pending"]


def test_a_stack_without_a_lock_and_an_index_is_never_chosen(
    plugin: Callable[[str], ModuleType], stacks: list[dict[str, Any]]
) -> None:
    locks = {
        stack["lock"]: f"/locks/{stack['lock']}" for stack in stacks if stack["name"] != "py311-tf2.21.0"
    }
    choose = plugin("filter/edgebench_stack").choose
    choice = choose(host(pythons=["3.11.2"]), stacks, locks)
    assert choice["stack"] is None
    assert choice["misfits"]["py311-tf2.21.0"] == ["lock-missing"]
    assert codes(line_of("py311-tf2.21.0", choice)) == ["lock-missing"]
    ways_out = headline(choice, "lock-missing")
    assert ways_out.startswith("py311-tf2.21.0")
    assert "make lock STACK=py311-tf2.21.0`" in ways_out
    chosen = choose(host(pythons=["3.9.2"]), stacks, locks)
    assert chosen["lock"] == "/locks/py39-tf2.15.1.txt"
    assert not chosen["lock_pending"]


# Releases without a stack for their GPU: the Python that they have, the stack that would compute on the CPU, the series
# to flash.
WITHOUT_A_STACK = {
    "4.6.6, with another Python": ("32.7.6", "3.9.18", "py39-tf2.15.1", None),
    "5.0 DP": ("34.1.0", "3.8.10", "py38-tf2.13.1", "35"),
    "7.0": ("38.2.0", "3.12.3", "py311-tf2.21.0", "36"),
    "7.2": ("39.2.0", "3.12.3", "py311-tf2.21.0", "36"),
    "of a series to come": ("47.1", "3.12.3", "py311-tf2.21.0", "36"),
    "without a release": (None, "3.12.3", "py311-tf2.21.0", "36"),
}


@pytest.mark.parametrize("jetpack", WITHOUT_A_STACK)
def test_a_jetson_never_computes_on_the_cpu_unless_asked_for(choose: Choose, jetpack: str) -> None:
    l4t, python, stack, flash = WITHOUT_A_STACK[jetpack]
    choice = choose(jetson(l4t, python), vendors=True, next="ansible-playbook provision.yml -l orin")
    assert choice["stack"] is None
    assert choice["misfits"][stack] == ["gpu-idle"]
    (line,) = [each for each in choice["problem"].splitlines() if codes(each) == ["gpu-idle"]]
    assert stack in line
    ways_out = headline(choice, "gpu-would-be-idle")
    assert "ansible-playbook provision.yml -l orin -e runtime_gpu=never [" in ways_out  # not prose
    assert re.findall(r"JetPack with L4T (\d+)", ways_out) == ([flash] if flash else [])  # not prose
    assert "make lock" not in ways_out
    for asked, why in (({"name": stack}, "runtime_stack"), ({"gpu": "never"}, "runtime_gpu")):
        choice = choose(jetson(l4t, python), vendors=True, **asked)
        assert choice["stack"]["name"] == stack
        assert why in choice["gpu_unused"]
        assert "(tegra)" in choice["headline"]
        assert not choice["gpu_required"]


@pytest.mark.parametrize(
    ("facts", "gpu", "stack", "code"),
    [
        (host(), "required", None, "gpu-missing"),
        (host(), "never", "py311-tf2.21.0", None),
        (host(gpu="cuda", nvidia_driver="535.1"), "auto", "py311-cuda-tf2.21.0", None),
        (host(gpu="cuda", nvidia_driver="535.1"), "required", "py311-cuda-tf2.21.0", None),
        (host(gpu="cuda", nvidia_driver="535.1"), "never", "py311-tf2.21.0", None),
        (host(gpu="cuda", nvidia_driver="535.1", pythons=["3.9.2"]), "auto", "py39-tf2.15.1", None),
        (host(gpu="cuda", nvidia_driver="535.1", pythons=["3.9.2"]), "required", None, "gpu-would-be-idle"),
        (jetson("35.4.1", "3.8.10"), "auto", "py38-jetpack51-tf2.12.0", None),
        (jetson("35.4.1", "3.8.10"), "required", "py38-jetpack51-tf2.12.0", None),
        (jetson("35.4.1", "3.8.10"), "never", "py38-tf2.13.1", None),
        (jetson("38.4", "3.12.3"), "required", None, "gpu-would-be-idle"),
    ],
)
def test_what_is_asked_of_the_gpu(
    choose: Choose, facts: dict[str, Any], gpu: str, stack: str | None, code: str | None
) -> None:
    choice = choose(facts, vendors=True, gpu=gpu)
    assert (choice["stack"] or {}).get("name") == stack
    if code:
        headline(choice, code)
        return
    assert bool(choice["gpu_unused"]) is (facts["gpu"] is not None and choice["stack"]["gpu"] is None)
    assert choice["gpu_required"] is (
        choice["stack"]["gpu"] == "tegra" or (gpu == "required" and choice["stack"]["gpu"] == "cuda")
    )


@pytest.mark.parametrize(
    ("name", "gpu", "code"),
    [
        ("py38-tf2.13.1", "required", "gpu-would-be-idle"),
        ("py38-jetpack51-tf2.12.0", "never", "no-stack-fits"),
    ],
)
def test_a_stack_and_a_wish_that_exclude_each_other_are_refused(
    choose: Choose, name: str, gpu: str, code: str
) -> None:
    choice = choose(jetson("35.4.1", "3.8.10"), vendors=True, name=name, gpu=gpu)
    assert choice["stack"] is None
    assert name in headline(choice, code)
    named = choose(jetson("35.4.1", "3.8.10"), vendors=True, name="py38-jetpack51-tf2.12.0")
    assert named["gpu_required"]


def test_a_jetson_is_not_told_to_install_a_python_for_the_cpu(choose: Choose) -> None:
    choice = choose(jetson("38.2.0", "3.14.0"), vendors=True)
    assert releases(headline(choice, "gpu-would-be-idle")) == []


@pytest.mark.parametrize(
    ("l4t", "python", "stack", "known"),
    [
        ("36.5.0", "3.10.12", "py310-jetpack61-tf2.16.1", True),
        ("36.6.0", "3.10.12", "py310-jetpack61-tf2.16.1", False),
        ("36.10", "3.10.12", "py310-jetpack61-tf2.16.1", False),
        ("35.6.4", "3.8.10", "py38-jetpack51-tf2.12.0", True),
        ("35.7.1", "3.8.10", "py38-jetpack51-tf2.12.0", False),
        ("32.7.9", "3.6.9", "py36-jetpack46-tf2.7.0", True),
        ("32.10", "3.6.9", "py36-jetpack46-tf2.7.0", False),
    ],
)
def test_a_later_release_is_matched_to_its_series_and_reported(
    choose: Choose, l4t: str, python: str, stack: str, known: bool
) -> None:
    choice = choose(jetson(l4t, python), vendors=True)
    assert choice["stack"]["name"] == stack
    assert (f"L4T {l4t} " in choice["reason"]) is not known


def test_raspbian_9(choose: Choose) -> None:
    facts = host(architecture="armv7l", pythons=["3.5.3"], cpu_flags=["neon"])
    assert choose(facts, vendors=True)["stack"]["name"] == "py35-armv7-tf1.13.1"
    pending = choose(facts)
    assert pending["stack"]["name"] == "py35-armv7-tf1.13.1"
    assert pending["lock_pending"]


RASPBIAN = host(architecture="armv7l", pythons=["3.11.2"], cpu_flags=["neon"])


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        # A 32-bit Raspbian of today.
        (RASPBIAN, "64-bit"),
        (RASPBIAN, "(aarch64)"),
        (host(architecture="i686", pythons=["3.11.2"]), "(x86_64)"),
        (host(architecture="riscv64", cpu_flags=[]), "files/tensorflow_stacks.yml"),
    ],
)
def test_a_refusal_ends_with_the_remedy(choose: Choose, facts: dict[str, Any], told: str) -> None:
    choice = choose(facts)
    assert choice["stack"] is None
    assert told in remedy(choice)
    assert f"architecture {facts['architecture']}" in choice["problem"]


@pytest.mark.parametrize(
    ("facts", "stack", "code", "wanted"),
    [
        (RASPBIAN, "py35-armv7-tf1.13.1", "python-missing", ["3.5"]),
        (host(pythons=["3.15.0"]), "py311-tf2.21.0", "python-missing", ["3.11", "3.12", "3.13"]),
    ],
)
def test_a_refusal_says_what_each_stack_lacks(
    choose: Choose, facts: dict[str, Any], stack: str, code: str, wanted: list[str]
) -> None:
    choice = choose(facts)
    assert code in choice["misfits"][stack]
    assert code in codes(line_of(stack, choice))
    assert releases(line_of(stack, choice)) == wanted


def test_a_remedy_names_what_a_stack_without_a_lock_lacks_too(choose: Choose) -> None:
    assert releases(remedy(choose(RASPBIAN))) == ["3.5"]


def test_stacks_for_other_machines_share_a_line(choose: Choose) -> None:
    choice = choose(host(architecture="riscv64", cpu_flags=[]))
    (line,) = [each for each in choice["problem"].splitlines() if "py310-jetpack61" in each]
    assert set(choice["misfits"]) == {each for each in choice["misfits"] if each in line}


def test_a_host_without_python_is_told_every_release(choose: Choose) -> None:
    choice = choose(host(pythons=[]))
    assert choice["stack"] is None
    assert "Pythons none" in choice["problem"]
    assert releases(remedy(choice)) == ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


@pytest.mark.parametrize(
    ("driver", "code"),
    [("470.82.01", "driver-too-old"), ("525.60", "driver-too-old"), ("", "driver-unknown")],
)
def test_an_old_driver_leaves_the_cpu(choose: Choose, driver: str, code: str) -> None:
    facts = host(gpu="cuda", nvidia_driver=driver)
    choice = choose(facts)
    assert choice["stack"]["name"] == "py311-tf2.21.0"
    assert choice["misfits"]["py311-cuda-tf2.21.0"] == [code]
    for part in ("py311-cuda-tf2.21.0", "525.60.13", driver):
        assert part in choice["reason"]
    forced = choose(facts, name="py311-cuda-tf2.21.0")
    assert codes(line_of("py311-cuda-tf2.21.0", forced)) == [code]
    for part in ("525.60.13", driver):
        assert part in line_of("py311-cuda-tf2.21.0", forced)
        assert part in choice["gpu_unused"]
    assert "525.60.13 " in headline(choose(facts, gpu="required"), "gpu-would-be-idle")
    assert f"driver {driver or 'unknown'};" in forced["problem"]


@pytest.mark.parametrize("driver", ["525.60.13", "525.105.17", "1000.1"])
def test_a_driver_that_is_new_enough_is_used(choose: Choose, driver: str) -> None:
    choice = choose(host(gpu="cuda", nvidia_driver=driver))
    assert choice["stack"]["name"] == "py311-cuda-tf2.21.0"


@pytest.mark.parametrize(
    ("line", "release"),
    [
        ("NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 18:56:32 UTC 2023", "535.129.03"),
        ("NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (x@y)", "550.54.14"),
        ("", ""),
    ],
)
def test_the_release_of_the_driver_is_read_from_the_kernel(root: Path, line: str, release: str) -> None:
    role = yaml.safe_load((root / "roles/runtime/vars/main.yml").read_text())
    content = base64.b64encode(f"NVRM version: {line}\nGCC version:  12.2.0\n".encode()).decode()
    variables = {**role, "__runtime_driver": {"content": content}}
    assert ansible_core.evaluate("{{ __runtime_driver_release }}", variables).strip() == release


def test_the_newest_of_several_pythons_with_a_stack_counts(choose: Choose) -> None:
    assert choose(host(pythons=["3.6.9", "3.9.2"]))["stack"]["name"] == "py39-tf2.15.1"
    assert choose(host(pythons=["3.12.3", "3.6.9"], cpu_flags=PHENOM))["stack"]["name"] == "py36-tf1.5.0"


def test_a_jetpack_is_matched_by_whole_parts(choose: Choose) -> None:
    stack = "py36-jetpack42-tf1.13.1"
    line = line_of(stack, choose(jetson("32.10", "3.6.9"), name=stack))
    assert codes(line)[0] == "l4t-differs"
    assert "32.1, 32.2, 32.3" in line
    assert "32.10" in line


def test_the_user_may_name_an_older_stack(choose: Choose) -> None:
    choice = choose(host(pythons=["3.11.2", "3.6.9"]), name="py36-tf1.5.0")
    assert choice["stack"]["name"] == "py36-tf1.5.0"
    assert "runtime_stack" in choice["reason"]


def test_a_stack_the_cpu_cannot_run_is_refused_although_named(choose: Choose) -> None:
    choice = choose(host(cpu_flags=PHENOM, pythons=["3.11.2", "3.6.9"]), name="py311-tf2.21.0")
    assert choice["stack"] is None
    assert codes(line_of("py311-tf2.21.0", choice)) == ["cpu-flags-missing"]
    assert "runtime_stack" in remedy(choice)


def test_an_unknown_stack_is_refused_with_the_known_ones(choose: Choose) -> None:
    problem = choose(host(), name="py311-tf9")["problem"]
    assert codes(problem) == ["stack-unknown"]
    assert len(problem.splitlines()[0]) < 240
    assert "'py311-tf9'" in problem
    assert "py311-tf2.21.0" in problem


def test_no_other_python_is_taken_than_the_one_named(choose: Choose) -> None:
    both = host(pythons=["3.11.2", "3.9.2"])
    assert choose(both, python="/usr/bin/python3.9.2")["stack"]["name"] == "py39-tf2.15.1"
    assert choose(both, python="python3.9.2")["stack"]["name"] == "py39-tf2.15.1"
    problem = choose(both, python="/opt/python")["problem"]
    assert codes(problem) == ["python-unknown"]
    assert "'/opt/python'" in problem


def test_a_python_without_venv_is_passed_over_and_told(choose: Choose) -> None:
    bare = {"path": "/usr/bin/python3", "real": "/usr/bin/python3.11", "version": "3.11.2", "venv": False}
    refused = choose(host(pythons=[bare]))
    assert "venv-missing" in codes(line_of("py311-tf2.21.0", refused))
    assert "apt install python3.11-venv" in line_of("py311-tf2.21.0", refused)
    assert choose(host(pythons=[bare, "3.12.1"]))["python"]["version"] == "3.12.1"


def test_the_python_of_the_existing_venv_is_kept(choose: Choose) -> None:
    facts = host(pythons=["3.11.2", "3.12.1"], runtime={"python": "/usr/bin/python3.12.1"})
    assert choose(facts)["python"]["version"] == "3.12.1"


KEYS = (
    "name tensorflow keras python architectures cpu_flags gpu l4t needs system_packages lock index bootstrap "
    "engines source tried note"
)


def test_the_table_is_whole(root: Path, stacks: list[dict[str, Any]]) -> None:
    for stack in stacks:
        assert " ".join(stack) == KEYS, stack["name"]
        assert stack["lock"] == f"{stack['name']}.txt"
        lock = root / "requirements/runtime" / stack["lock"]
        source = lock.with_suffix(".in").read_text()
        assert re.search(
            # A release candidate calls itself 2.22.0-rc0.
            rf"^(tensorflow|tensorflow-gpu)=={re.escape(stack['tensorflow'].replace('-', ''))}[ +\n]",
            source,
            re.MULTILINE,
        )
        assert f"keras=={stack['keras']}\n" in source
        # Only what is on an index of its own may go without a lock, as PyPI's stacks are locked for everybody.
        assert lock.is_file() or stack["index"]
        assert stack["bootstrap"] is None or (root / "requirements" / stack["bootstrap"]).is_file()
        if stack["needs"]:
            assert " ".join(stack["needs"]) == "driver libraries optional remedy"  # not prose
    locked = {stack["lock"] for stack in stacks}
    assert {path.name for path in (root / "requirements/runtime").glob("*.txt")} <= locked


def test_the_gate_knows_the_stacks_names(root: Path, stacks: list[dict[str, Any]]) -> None:
    bounds = yaml.safe_load((root / "roles/runtime/meta/ranges.yml").read_text())["runtime_stack"]
    names = [stack["name"] for stack in stacks]
    assert all(re.fullmatch(bounds["pattern"], name) for name in names)
    assert not re.fullmatch(bounds["pattern"], "py36-tf1x5.0")
    assert bounds["expected"] == f"one of {', '.join(names)}"


def test_a_python_that_lacks_only_its_venv_package_is_told_the_package(
    choose: Choose, stacks: list[dict[str, Any]]
) -> None:
    bare = host(
        pythons=[
            {"path": "/usr/bin/python3", "real": "/usr/bin/python3.11", "version": "3.11.2", "venv": False}
        ]
    )
    refused = choose(bare)
    assert refused["stack"] is None
    assert "apt install python3.11-venv" in remedy(refused)
    assert releases(remedy(refused)) == []
    # In check mode the package would have been installed by now.
    assert choose(bare, venv_pending=True)["stack"]["name"] == "py311-tf2.21.0"
    own = {"path": "/opt/python3", "real": "/opt/python3.11", "version": "3.11.2", "venv": False}
    assert choose(host(pythons=[own]), venv_pending=True)["stack"] is None


@pytest.mark.parametrize(
    ("pythons", "version"),
    [
        (["3.6.15", "3.9.18", "3.11.2"], "3.11.2"),
        (["3.6.15", "3.9.18"], "3.9.18"),
        (["3.6.15", "3.12.1"], None),
    ],
)
def test_engines_get_a_venv_of_a_newer_python_beside_an_old_stack(
    choose: Choose, pythons: list[str], version: str | None
) -> None:
    choice = choose(host(pythons=pythons, cpu_flags=PHENOM))
    assert (choice["stack"]["name"], choice["python"]["version"]) == ("py36-tf1.5.0", "3.6.15")
    if version:
        assert choice["engines"]["python"]["version"] == version
        assert choice["engines"]["lock"] == "engines-py39.txt"
        assert f"CPython {version} (" in choice["reason"]
    else:
        assert choice["engines"] is None
        assert releases(choice["reason"].splitlines()[0])[-3:] == ["3.11", "3.10", "3.9"]


def test_engines_of_a_stack_that_holds_them_get_none(choose: Choose) -> None:
    choice = choose(host(pythons=["3.11.2", "3.9.18"]))
    assert choice["engines"] is None
    assert "keyword spotting" not in choice["reason"].lower()


def test_the_engines_python_is_looked_for_also_where_the_user_names_the_stacks(choose: Choose) -> None:
    choice = choose(host(pythons=["3.6.15", "3.10.2"], cpu_flags=PHENOM), python="python3.6.15")
    assert choice["engines"]["python"]["version"] == "3.10.2"


def test_the_engines_locks_are_there(stacks: list[dict[str, Any]], root: Path) -> None:
    for stack in stacks:
        if stack["engines"]:
            assert (root / "requirements" / stack["engines"]["lock"]).exists()


KVM = ["sse2", "cx16", "x2apic", "hypervisor"]


@pytest.mark.parametrize(
    "changes",
    [
        {"cpu_flags": KVM},
        {"cpu_flags": [*KVM, "sse4_1", "sse4_2"]},
        {"cpu_flags": KVM, "pythons": ["3.10.12", "3.13.5"]},
        {"cpu_flags": KVM, "gpu": "cuda", "nvidia_driver": "535.129.03"},
        {"cpu_flags": ["sse2"], "cpu_model": "Common KVM processor"},
        {"cpu_flags": ["sse2"], "cpu_model": "QEMU Virtual CPU version 2.5+"},
    ],
)
def test_a_hypervisor_that_hides_avx_is_named_before_all_else(
    choose: Choose, changes: dict[str, Any]
) -> None:
    choice = choose(host(**changes))
    assert choice["stack"] is None
    first, *rest = choice["problem"].splitlines()
    assert first == headline(choice, "cpu-flags-hidden")
    assert [flag for flag in ("sse4_1", "sse4_2", "avx") if flag in first] == [
        flag for flag in ("sse4_1", "sse4_2", "avx") if flag not in changes["cpu_flags"]
    ]
    for way in ("-cpu host", "host-passthrough", "Proxmox", "EVC"):
        assert way in first
    assert "hypervisor" not in "".join(rest)
    assert releases(rest[-1]) == ["3.6"]


def test_a_guest_that_gets_the_oldest_stack_is_warned(choose: Choose) -> None:
    choice = choose(host(cpu_flags=KVM, pythons=["3.6.9"]))
    assert choice["stack"]["name"] == "py36-tf1.5.0"
    assert "-cpu host" in choice["hidden_flags"]
    assert "-cpu host" in choice["reason"].split("py36-tf1.5.0")[0]


@pytest.mark.parametrize(
    "facts",
    [
        host(cpu_flags=[*AVX, "hypervisor"]),
        host(cpu_flags=PHENOM, pythons=["3.6.9"]),
        host(cpu_flags=PHENOM, cpu_model="AMD Phenom(tm) II X4 945 Processor", pythons=["3.6.9"]),
        host(architecture="aarch64", cpu_flags=["asimd"], cpu_model="QEMU Virtual CPU"),
    ],
)
def test_no_hypervisor_is_blamed_without_need(choose: Choose, facts: dict[str, Any]) -> None:
    choice = choose(facts)
    assert choice["problem"] is None
    assert choice["hidden_flags"] is None
    assert "hypervisor" not in choice["reason"] + choice["crash_remedy"]


@pytest.mark.parametrize(
    ("facts", "named", "not_named"),
    [
        (host(pythons=["3.11.2"]), ["py36-tf1.5.0", "py310-tf2.21.0"], ["aarch64", "ARMV8", "jetpack"]),
        (host(cpu_flags=PHENOM, pythons=["3.6.9"]), ["another host"], ["py36", "ARMV8"]),
        (host(cpu_flags=KVM, pythons=["3.6.9"]), ["-cpu host"], ["py36", "ARMV8"]),
        (
            host(architecture="aarch64", cpu_flags=["asimd"]),
            ["OPENBLAS_CORETYPE=ARMV8", "py39-tf2.15.1"],
            ["py36", "x86"],
        ),
        (jetson("35.4.1", "3.8.10"), ["OPENBLAS_CORETYPE=ARMV8", "py38-tf2.13.1"], ["py36", "jetpack61"]),
        # There the role itself names the CPU to OpenBLAS.
        (jetson("32.7.1", "3.6.9"), ["py38-tf2.13.1"], ["OPENBLAS", "py36"]),
    ],
)
def test_what_helps_against_a_crash_is_for_the_architecture(
    choose: Choose, facts: dict[str, Any], named: list[str], not_named: list[str]
) -> None:
    told = choose(facts, vendors=True)["crash_remedy"]
    assert [each for each in named if each not in told] == []
    assert [each for each in not_named if each in told] == []


@pytest.mark.needs("cases")
def test_the_case_of_a_guest_without_avx(choose: Choose, plugin: Callable[[str], ModuleType]) -> None:
    text = (needs.cases_folder() / "vm-masked-avx/cpuinfo").read_text()
    texts = plugin("module_utils/edgebench_host_texts")
    choice = choose(
        host(cpu_model=texts.cpu_model(text), cpu_flags=texts.cpuinfo(text)[1], pythons=["3.13.5"])
    )
    assert headline(choice, "cpu-flags-hidden")
