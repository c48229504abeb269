"""What a process inherits: Keras' settings are the runner's, all else that can change a number is in the record."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edgebench import environment, host, recording, records, schema, tasks
from edgebench.suite import Settings
from hypothesis import given
from hypothesis import strategies as st

from tests.messages import codes

BENCH = Path(environment.__file__).resolve().parents[1]
RECORDED = [
    "CUDA_VISIBLE_DEVICES",
    "EDGEBENCH_WORKER_PREFIX",
    "GLIBC_TUNABLES",
    "GOTO_NUM_THREADS",
    "KMP_AFFINITY",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "MALLOC_ARENA_MAX",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "PYTHONMALLOC",
    "TF2_BEHAVIOR",
    "TF_CPP_MAX_VLOG_LEVEL",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_LOG_XLA_ACTIVITY",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
]
DECIDED = [
    "KERAS_BACKEND",
    "KERAS_HOME",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "PYTHONHASHSEED",
    "TF_USE_LEGACY_KERAS",
]
# Secrets of Terraform among them.
OTHERS = [
    "EDGEBENCH_HOME",
    "HOME",
    "LANG",
    "LDFLAGS",
    "MKLROOT",
    "OMPI_COMM_WORLD_RANK",
    "PATH",
    "PYTHONPATH",
    "TF_CLI_CONFIG_FILE",
    "TF_CPP_MIN_LOG_LEVEL",
    "TF_ENCRYPTION",
    "TF_HTTP_PASSWORD",
    "TF_LOG",
    "TF_TOKEN_app_terraform_io",
    "TF_VAR_db_password",
    "TF_WORKSPACE",
    "TFSEC",
    "XLAUNCH",
]
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


def environments(*names: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from([*names, *OTHERS]), VALUES, max_size=6)


def circumstances(variables: dict[str, str]) -> dict[str, str]:
    """Return the circumstances of a process with these variables and no others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(variables))
        found: dict[str, str] = environment.circumstances()
    return found


@given(environments(*RECORDED), environments(*RECORDED))
def test_environments_have_the_same_circumstances_if_and_only_if_what_is_read_is_the_same(
    one: dict[str, str], other: dict[str, str]
) -> None:
    is_same = all(one.get(name) == other.get(name) for name in RECORDED)
    assert (circumstances(one) == circumstances(other)) is is_same


@given(environments(*RECORDED), st.dictionaries(st.sampled_from(DECIDED), VALUES))
def test_what_the_runner_decides_is_the_same_in_every_environment(
    variables: dict[str, str], keras: dict[str, str]
) -> None:
    worker = environment.decide({**variables, **keras})
    assert worker == environment.decide(dict(variables))
    assert (worker["KERAS_BACKEND"], worker["PYTHONHASHSEED"]) == ("tensorflow", "0")
    assert not Path(worker["KERAS_HOME"]).exists()
    assert circumstances({**variables, **keras}) == circumstances(variables)


@given(environments(*RECORDED, *DECIDED))
def test_circumstances_fit_the_schema_and_are_sorted(variables: dict[str, str]) -> None:
    found = circumstances(variables)
    assert list(found) == sorted(found)
    assert schema.problems(found, records.load_schema()["properties"]["environment"]) == []
    assert not set(found) & set(OTHERS)


def test_a_value_that_is_no_text_has_one_form_whatever_the_locale() -> None:
    script = "from edgebench import environment; import json; print(json.dumps(environment.circumstances()))"
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={b"PYTHONPATH": os.fsencode(BENCH), b"LC_ALL": locale, b"OMP_PLACES": b"\xff\xc3\xbc"},
            capture_output=True,
            check=True,
        ).stdout
        for locale in (b"C", b"C.UTF-8")
    ]
    assert [json.loads(each)["OMP_PLACES"] for each in told] == ["\\xffü"] * 2


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "EDGEBENCH_WORKER_PREFIX", "OMP_NUM_THREADS"])
def test_an_empty_variable_is_none(name: str) -> None:
    assert name not in circumstances({name: ""})


def test_an_empty_list_of_devices_hides_all_of_them() -> None:
    assert circumstances({"CUDA_VISIBLE_DEVICES": ""})["CUDA_VISIBLE_DEVICES"] == ""


def test_flags_in_a_file_are_told_apart_by_its_content(tmp_path: Path) -> None:
    flags = tmp_path / "flags"
    found = []
    for content in ("--xla_cpu_enable_fast_math=true", "--xla_cpu_enable_fast_math=false"):
        flags.write_text(content)
        found.append(circumstances({"XLA_FLAGS": str(flags)})["XLA_FLAGS"])
    assert all(each.startswith(str(flags)) for each in found)
    assert found[0] != found[1]
    assert circumstances({"XLA_FLAGS": "/no/such/file"})["XLA_FLAGS"] == "/no/such/file"


@pytest.mark.parametrize(
    ("prepare", "name", "value"),
    [
        ("os.nice(3)", "nice", str(min(19, os.nice(0) + 3))),
        ("os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})", "cpus", None),
        ("os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))", "scheduler", "batch"),
    ],
)
def test_what_the_kernel_was_told_of_the_process_is_a_circumstance(
    prepare: str, name: str, value: str | None
) -> None:
    script = f"import os, json\nfrom edgebench import environment as e\n{prepare}\nprint(json.dumps(e.circumstances()))"
    if name == "cpus":
        if os.sysconf("SC_NPROCESSORS_ONLN") < 2:
            pytest.skip("needs two processors")
        value = str(min(os.sched_getaffinity(0)))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(BENCH)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[name] == value


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        ({"boost": "1", "no_turbo": "0"}, {}),
        ({"boost": "0", "cpu0": "powersave\n"}, {"boost": "off", "governor": "powersave"}),
        ({"no_turbo": "1\n"}, {"boost": "off"}),
        ({"cpu0": "performance\n", "cpu1": "schedutil\n"}, {"governor": "performance,schedutil"}),
        ({"l4t": "32"}, {"power_mode": "5W"}),
    ],
)
def test_what_the_host_was_told_of_its_clocks_is_a_circumstance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: dict[str, str]
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(host, "_GOVERNORS", f"{tmp_path}/cpu[0-9]*")
    monkeypatch.setattr(host, "_NO_BOOST", {f"{tmp_path}/boost": "0", f"{tmp_path}/no_turbo": "1"})
    monkeypatch.setattr(host, "l4t_release", lambda: files.get("l4t"))
    # Asked on a Jetson alone.
    monkeypatch.setattr(host, "_power_mode", lambda: "5W")
    found = environment.circumstances()
    assert {name: value for name, value in found.items() if name in environment.CLOCKS} == expected


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/user.slice/a.scope\n", {"user.slice/cpu.max": "50000 100000\n"}, 0.5),
        (
            "0::/system.slice/b.service\n",
            {"system.slice/b.service/cpu.max": "200000 100000\n", "system.slice/cpu.max": "100000 50000\n"},
            2.0,
        ),
        (
            "12:cpuset:/\n4:cpu,cpuacct:/docker/c\n0::/\n",
            {
                "cpu,cpuacct/docker/c/cpu.cfs_quota_us": "25000\n",
                "cpu,cpuacct/docker/c/cpu.cfs_period_us": "100000\n",
            },
            0.25,
        ),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        # As Docker shows it: the group of the host, of which the container sees the content at the root.
        ("0::/../../other\n", {"cpu.max": "100000 100000\n"}, 1.0),
    ],
)
def test_a_quota_of_cpu_time_is_that_of_the_tightest_group(
    tmp_path: Path, groups: str, files: dict[str, str], expected: float | None
) -> None:
    for name, content in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(content)
    (tmp_path / "cgroup").write_text(groups)
    assert environment._cpu_quota(str(tmp_path / "cgroup"), str(tmp_path / "root")) == expected
    assert environment._cpu_quota(str(tmp_path / "none"), str(tmp_path / "root")) is None


@pytest.mark.parametrize(
    ("numbers", "expected"), [([0], "0"), ([0, 2, 3], "0,2-3"), ([1, 2, 3, 7], "1-3,7"), ([4, 6], "4,6")]
)
def test_processors_are_listed_as_the_kernel_lists_them(numbers: list[int], expected: str) -> None:
    assert environment._ranges(numbers) == expected


def test_what_keras_was_told_and_does_not_do_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DECIDED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment.overruled() == []
    config = tmp_path / ".keras/keras.json"
    config.parent.mkdir()
    ours = {
        "floatx": "float32",
        "epsilon": 1e-7,
        "backend": "tensorflow",
        "image_data_format": "channels_last",
    }
    config.write_text(json.dumps(ours))
    assert environment.overruled() == []
    config.write_text(json.dumps({**ours, "floatx": "float64"}))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    assert environment.overruled() == ["KERAS_BACKEND=jax", "KERAS_MAX_EPOCHS=1", f"{config}: floatx=float64"]
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config.rename(tmp_path / "keras.json")
    assert environment.overruled()[-1] == f"{tmp_path / 'keras.json'}: floatx=float64"


@pytest.mark.parametrize("content", ["", "[]", "{", '"x"', "\xff"])
def test_a_keras_json_that_is_none_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(content, "latin-1")
    assert environment.overruled() == []


def settings() -> Settings:
    values: dict[str, Any] = dict.fromkeys(Settings._fields)
    values.update(
        workloads=["mnist_1d"], profile="quick", repeats=1, data_mode="synthetic", precision="float32"
    )
    values.update(lookback_rows=1440, device="auto", input_mode="auto", seed=0, run_id="r1", host="h")
    return Settings(**values)


def test_a_command_that_trains_in_its_own_process_names_them_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgebench", "kws", "train", "--data-dir", tmp_path],
        env={**os.environ, "PYTHONPATH": str(BENCH), "KERAS_BACKEND": "jax", "EDGEBENCH_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    (line, _) = done.stderr.splitlines()
    assert codes(line) == ["keras-setting-ignored"]
    assert "KERAS_BACKEND=jax" in line


def test_a_record_holds_its_circumstances_and_a_suite_is_not_resumed_under_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in RECORDED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    task = tasks.Training(settings(), "mnist_1d", 1)
    record = task.template("0123456789ab", 1)
    assert record["environment"]["OMP_NUM_THREADS"] == "1"
    assert "KERAS_BACKEND" not in record["environment"]
    assert recording.heading("host", settings(), "0" * 12)["environment"] == record["environment"]
    assert task.differences(record, environment.circumstances()) == []

    monkeypatch.delenv("KERAS_BACKEND")
    assert task.differences(record, environment.circumstances()) == []
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("XLA_FLAGS", "--xla_x")
    assert task.differences(record, environment.circumstances()) == [
        ("OMP_NUM_THREADS", "1", "2"),
        ("XLA_FLAGS", None, "--xla_x"),
    ]
    # Of an older record the environment is unknown.
    del record["environment"]
    assert task.differences(record, environment.circumstances()) == []


def test_circumstances_of_the_process_are_named_where_they_differ_too() -> None:
    then, now = {"OMP_NUM_THREADS": "1", "nice": "5"}, {"OMP_NUM_THREADS": "1", "cpus": "0"}
    assert environment.differences(then, now) == [("cpus", None, "0"), ("nice", "5", None)]


# /etc/nv_tegra_release of JetPack 4.6 and 5.1.
L4T_32 = (
    "# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, DATE: Sat Feb 19 2022\n"
)
L4T_35 = (
    "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: Tue Aug  1 2023\n"
)
# A board as every Python process on it sees it, where NumPy dies as 1.19.5 does on Linux 4.9: its OpenBLAS asks the
# CPU, unless the environment of the process, not that of Python, names it.
BOARD = """
import builtins, ctypes, io, os, signal, sys
RELEASE = {release!r}
opened = builtins.open
def open_on_board(path, *rest, **named):
    if path == "/etc/nv_tegra_release" and RELEASE:
        return io.StringIO(RELEASE)
    return opened(path, *rest, **named)
builtins.open = open_on_board
class OpenBlas:
    def find_spec(name, path=None, target=None):
        named = ctypes.CDLL(None).getenv(b"OPENBLAS_CORETYPE")
        if name == "numpy" and not named:
            os.kill(os.getpid(), signal.SIGILL)
sys.meta_path.insert(0, OpenBlas)
"""


def on_board(
    folder: Path, release: str, *command: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    (folder / "sitecustomize.py").write_text(BOARD.format(release=release))
    inherited = {
        name: value for name, value in os.environ.items() if not environment.is_recorded(name, value)
    }
    return subprocess.run(
        [sys.executable, *command],
        env={**inherited, "PYTHONPATH": f"{folder}:{BENCH}", "EDGEBENCH_HOME": str(folder), **variables},
        input='{"kind": "probe"}\n',
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("release", "variables", "dies"),
    [
        (L4T_32, {}, False),
        (L4T_32.replace("7.1", "4.4"), {}, False),
        (L4T_32, {"OPENBLAS_CORETYPE": "CORTEXA57"}, False),
        (L4T_35, {}, True),
        ("", {}, True),
    ],
)
@pytest.mark.parametrize("command", [("-m", "edgebench", "list"), ("-m", "edgebench", "worker")])
def test_openblas_is_told_the_cpu_on_l4t_32(
    tmp_path: Path, release: str, variables: dict[str, str], dies: bool, command: tuple[str, ...]
) -> None:
    assert on_board(tmp_path, release, "-c", "import numpy").returncode == -signal.SIGILL
    done = on_board(tmp_path, release, *command, **variables)
    assert (done.returncode == -signal.SIGILL) is dies, done.stderr


def test_what_openblas_is_told_is_inherited_and_recorded(tmp_path: Path) -> None:
    script = (
        "import json, subprocess, sys; from edgebench import environment as e; "
        "subprocess.run([sys.executable, '-c', 'import numpy'], env=e.of_worker(), check=True); "
        "print(json.dumps(e.circumstances()))"
    )
    told = json.loads(on_board(tmp_path, L4T_32, "-c", script).stdout)
    assert told["OPENBLAS_CORETYPE"] == "ARMV8"
    mine = json.loads(on_board(tmp_path, L4T_32, "-c", script, OPENBLAS_CORETYPE="CORTEXA57").stdout)
    assert mine["OPENBLAS_CORETYPE"] == "CORTEXA57"
