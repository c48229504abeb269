"""From how a process ended to a status a person can trust."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench import host, suite, verdict
from edgebench.verdict import Exit, judge

from tests.messages import codes


def _ended(
    code: int, phase: str = "train", log: str = "", kills: int | None = 0, timed_out: bool = False
) -> Exit:
    return Exit(code, timed_out, 30.0, phase, log, kills)


@pytest.mark.parametrize(
    ("ended", "status", "told"),
    [
        (_ended(-9, kills=1), "oom", r"\bSIGKILL\b.*\boom_kill 1\b.*\btrain\b"),
        (_ended(-9, kills=0), "failed", r"^(?!.*oom_kill).*\bSIGKILL\b.*\btrain\b"),
        # The kernel does not count here, so that it is only likely.
        (_ended(-9, kills=None), "oom", r"^(?!.*oom_kill).*\bSIGKILL\b.*\btrain\b"),
        (_ended(-9, timed_out=True), "timeout", r"\b30 s\b.*\btrain\b"),
        (_ended(-signal.SIGILL, "import"), "unsupported", r"\bCPU\b.*\bSIGILL\b.*\bimport\b"),
        (_ended(-signal.SIGILL, "build"), "unsupported", r"\bCPU\b.*\bSIGILL\b.*\bbuild\b"),
        (
            _ended(-signal.SIGABRT, "import", "F compiled to use SSE4.1"),
            "unsupported",
            r"\bCPU\b.*\bSIGABRT\b.*\bimport\b.*: F compiled to use SSE4\.1\b",
        ),
        (
            _ended(-signal.SIGABRT, "train", "terminate: std::bad_alloc"),
            "oom",
            r"\bSIGABRT\b.*: terminate: std::bad_alloc$",
        ),
        (
            _ended(1, "import", "ImportError: /a/b.so: failed to map segment from shared object"),
            "failed",
            r"\bimport\b.*: ImportError: /a/b\.so: failed to map segment from shared object\b",
        ),
        (
            _ended(1, "import", "b.so: failed to map segment from shared object: Cannot allocate memory"),
            "oom",
            r"\bimport\b",
        ),
        (_ended(1, "import", "OpenBLAS error: Memory allocation still failed after 10 retries"), "oom", "1"),
        (
            _ended(-signal.SIGABRT, "train", "Check failed: x"),
            "failed",
            r"\bSIGABRT\b.*\btrain: Check failed: x$",
        ),
        (_ended(-signal.SIGABRT, "warmup"), "unsupported", r"\bCPU\b.*\bSIGABRT\b.*\bwarmup\b"),
        (_ended(-signal.SIGABRT, "windows"), "failed", r"\bSIGABRT\b.*\bwindows\b"),
        (_ended(-signal.SIGSEGV), "failed", r"\bSIGSEGV\b"),
        (_ended(3), "failed", r"\b3\b"),
    ],
)
def test_judge(ended: Exit, status: str, told: str) -> None:
    found, reason = judge(ended)
    assert found == status
    assert re.search(told, reason), reason


X86 = ["fpu", "sse2", "sse4_1", "sse4_2", "avx", "avx2"]
KVM = ["fpu", "sse2", "cx16", "x2apic", "hypervisor"]
QEMU = ["fpu", "sse2", "cx16"]
PHENOM = ["fpu", "sse2", "sse4a", "popcnt"]
CORTEX_A57 = ["fp", "asimd", "evtstrm", "aes", "crc32"]


@pytest.mark.parametrize(
    ("machine", "flags", "coretype", "phase", "code", "named", "not_named"),
    [
        ("x86_64", X86, None, "import", "cpu-instructions-missing", ["py36-tf1.5.0"], ["ARMV8"]),
        ("x86_64", PHENOM, None, "train", "cpu-instructions-missing", ["py36-tf1.5.0"], ["hypervisor"]),
        ("x86_64", PHENOM, None, "warmup", "cpu-instructions-missing", [], ["py36-tf1.5.0"]),
        ("x86_64", [*X86, "hypervisor"], None, "import", "cpu-instructions-missing", ["py36"], ["-cpu host"]),
        ("x86_64", KVM, None, "import", "cpu-flags-hidden", ["AVX", "-cpu host"], ["py36"]),
        ("x86_64", QEMU, None, "import", "cpu-flags-hidden", ["AVX", "-cpu host"], ["py36"]),
        ("x86_64", KVM, None, "accuracy", "cpu-flags-hidden", ["AVX", "-cpu host"], ["py36"]),
        (
            *("aarch64", CORTEX_A57, None, "import", "cpu-instructions-missing"),
            *(["OPENBLAS_CORETYPE=ARMV8", "runtime_stack", "aarch64"], ["x86", "py36"]),
        ),
        (
            "aarch64",
            CORTEX_A57,
            "ARMV8",
            "import",
            "cpu-instructions-missing",
            ["aarch64"],
            ["OPENBLAS", "py36"],
        ),
        ("aarch64", CORTEX_A57, None, "train", "cpu-instructions-missing", ["aarch64"], ["OPENBLAS", "py36"]),
        ("armv7l", ["half", "neon"], None, "import", "cpu-instructions-missing", ["armv7l"], ["x86", "py36"]),
    ],
)
def test_what_helps_against_an_illegal_instruction_depends_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    flags: list[str],
    coretype: str | None,
    phase: str,
    code: str,
    named: list[str],
    not_named: list[str],
) -> None:
    model = "QEMU Virtual CPU version 2.5+" if flags == QEMU else "Some CPU"
    monkeypatch.setattr(host, "cpu", lambda: {"architecture": machine, "flags": flags, "model": model})
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if coretype:
        monkeypatch.setenv("OPENBLAS_CORETYPE", coretype)
    status, reason = judge(_ended(-signal.SIGILL, phase))
    assert (status, codes(reason)) == ("unsupported", [code])
    assert [each for each in named if each not in reason] == []
    assert [each for each in not_named if each in reason] == []
    assert reason.startswith("the hypervisor") is (code == "cpu-flags-hidden")


GOMP = "/h/venv/lib/python3.8/site-packages/tensorflow_cpu_aws.libs/libgomp-d22c30c5.so.1.0.0"


@pytest.mark.parametrize(
    ("said", "library"),
    [
        (f"ImportError: {GOMP}: cannot allocate memory in static TLS block", GOMP),
        (
            "ImportError: /lib/libgomp.so.1: cannot allocate memory in static TLS block\r\n",
            "/lib/libgomp.so.1",
        ),
        ("OSError: libGLdispatch.so.0: cannot allocate memory in static TLS block", "libGLdispatch.so.0"),
        ("ImportError: dlopen: cannot load any more object with static TLS", "libgomp.so.1"),
    ],
)
def test_a_library_without_static_tls_is_to_be_preloaded(said: str, library: str) -> None:
    source = f"Traceback (most recent call last):\n  raise ImportError('{said}')\n{said}\n"
    for log in (said, source):
        status, reason = judge(_ended(1, "import", log))
        assert (status, codes(reason)) == ("failed", ["static-tls-exhausted"])
        assert f"LD_PRELOAD={library} " in reason


def test_a_worker_that_tells_of_its_end_gets_the_advice_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = f"ImportError: {GOMP}: cannot allocate memory in static TLS block"

    def run(job: object, log: str, limit_s: float, on_event: object, tick: object, python: object) -> None:
        assert callable(on_event)
        on_event({"event": "end", "status": "failed", "reason": said, "traceback": f"Traceback\n{said}\n"})

    monkeypatch.setattr(suite.child, "run", run)
    monkeypatch.setattr(suite.progress.Silent, "phase", lambda *_: None)
    end = suite.run_child({}, {}, 1, str(tmp_path / "log"), suite.progress.Silent(None))
    assert (end.status, codes(end.reason)) == ("failed", ["static-tls-exhausted"])
    assert f"LD_PRELOAD={GOMP} " in end.reason


@pytest.fixture
def noexec(tmp_path: Path) -> Iterator[Path]:
    """A file system that is mounted noexec."""
    folder = tmp_path / "noexec"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,size=16m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.needs("mounts")
def test_a_library_on_a_file_system_without_execution_is_not_out_of_memory(noexec: Path) -> None:
    mapped = Path("/proc/self/maps").read_text().splitlines()
    loaded = next(line.split()[-1] for line in mapped if re.search(r"/libc\b.*\.so", line))
    library = noexec / "deep/libother.so"
    library.parent.mkdir()
    library.write_bytes(Path(loaded).read_bytes())
    script = f"import ctypes; ctypes.CDLL({str(library)!r})"
    done = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=False)
    status, reason = judge(_ended(done.returncode, "import", done.stderr))
    assert (status, codes(reason)) == ("failed", ["library-not-mapped"])
    assert f"remount,exec {noexec};" in reason


@pytest.mark.parametrize(
    "said",
    [
        "libtensorflow_framework.so.2: failed to map segment from shared object",
        "/h/a.so: failed to map segment from shared object: Operation not permitted",
        "/h/a.so: failed to map segment from shared object: Permission denied",
    ],
)
def test_a_library_that_is_not_mapped_for_another_reason(said: str) -> None:
    status, reason = judge(_ended(1, "import", f"ImportError: {said}\n"))
    assert (status, codes(reason)) == ("failed", ["library-not-mapped"])
    assert "noexec" in reason


def test_what_is_said_of_loading_is_no_advice_for_other_failures() -> None:
    assert verdict.with_advice("why", "ValueError: x") == "why"
