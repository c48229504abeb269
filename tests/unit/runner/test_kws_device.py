"""The device on a real pty: a scripted host drives every command, and does what hosts should not."""

import faulthandler
import os
import random
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from edgebench import cli
from edgebench.errors import EdgebenchError, UnsupportedError, UsageError
from edgebench.kws import device, gpio, guarded
from edgebench.kws.protocol import READY
from edgebench.kws.serial_line import LineGoneError, LineStuckError, SerialLine

from tests.messages import codes
from tests.unit.runner.kws_line import Peer, running
from tests.unit.runner.test_kws_protocol import INPUT, RESULTS, ZEROS, fuzzed_line

PIN = "--gpio-chip CHIP --gpio-line N"
BOOT = rb"m-timestamp-mode-performance\r\nm-lap-us-\d+\r\nm-init-done\r\nm-ready\r\n"


@pytest.fixture
def device_and_peer(tmp_path: Path) -> "Iterator[tuple[subprocess.Popen[str], Peer]]":
    peer = Peer(tmp_path / "port")
    with running(str(peer.path), "performance", "boot", "now", "0") as process:
        assert re.fullmatch(BOOT, peer.receive())
        peer.device_has_opened()
        yield process, peer
    os.close(peer.master)


@pytest.fixture
def peer(device_and_peer: "tuple[subprocess.Popen[str], Peer]") -> Peer:
    return device_and_peer[1]


@pytest.fixture
def process(device_and_peer: "tuple[subprocess.Popen[str], Peer]") -> "subprocess.Popen[str]":
    return device_and_peer[0]


def sent_in(size: int, data: bytes) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def load(peer: Peer, data: bytes, chunk: int) -> bytes:
    assert peer.ask(b"db load %d%%" % len(data)) == b"m-[Expecting %d bytes]\r\n" % len(data) + READY
    for piece in sent_in(chunk, data):
        reply = peer.ask(b"db " + piece.hex().encode() + b"%")
    return reply


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"name%", b"m-name-dut-[unspecified]\r\n"),
        (b"profile%", b"m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[kws01]\r\n"),
        (b"results%", ZEROS),
        (b"%", b""),
        (b"db print%", b""),
        (b"db%", b"e-[Command 'db' requires a subcommand]\r\n"),
        (b"db load%", b"e-[Command 'db load' requires the # of bytes]\r\n"),
        (b"db load 0%", b"e-[Command 'db load' must be >0 bytes]\r\n"),
        (b"db load 27649%", b"Supplied buffer size 27649 exceeds maximum of 27648\r\n"),
        (b"db 012%", b"e-[Insufficent number of hex digits]\r\n"),
        (b"db 0g%", b"e-[Invalid hex digit '0g']\r\n"),
        (b"infer 0%", b"e-[Inference iterations must be >0]\r\n"),
        (b"infer 1 -1%", b"e-[Inference warmup must be >=0]\r\n"),
        (b"hello there%", b"e-[Unknown command: hello]\r\n"),
        (b"x" * 200 + b"%", b"e-[Unknown command: " + b"x" * 80 + b"]\r\n"),
    ],
)
def test_commands_and_errors_to_the_byte(peer: Peer, command: bytes, reply: bytes) -> None:
    assert peer.ask(command) == reply + READY


def test_help_and_timestamp(peer: Peer) -> None:
    assert b"infer N [W]" in peer.ask(b"help%")
    first, second = (int(re.fullmatch(rb"m-lap-us-(\d+)\r\n" + READY, peer.ask(b"timestamp%"))[1])  # type: ignore[index]
                     for _ in range(2))  # fmt: skip
    assert first < second


@pytest.mark.parametrize("chunk", [31, 26, 38])
def test_a_host_loads_and_infers(peer: Peer, chunk: int) -> None:
    assert load(peer, INPUT, chunk) == b"m-load-done\r\n" + READY
    rows = [INPUT[start : start + 8] for start in range(0, 490, 8)]
    assert (
        peer.ask(b"db print%") == b"".join(b"m-buffer-%s\r\n" % row.hex("-").encode() for row in rows) + READY
    )
    assert re.fullmatch(
        rb"m-warmup-start-10\r\nm-warmup-done\r\nm-infer-start-70\r\nm-lap-us-\d+\r\nm-lap-us-\d+\r\n"
        rb"m-infer-done\r\n" + re.escape(RESULTS) + READY,
        peer.ask(b"infer 70 10%"),
    )
    assert peer.ask(b"results%") == RESULTS + READY


@pytest.mark.parametrize("size", [1, 31, 64])
def test_the_line_may_cut_the_bytes_anywhere(peer: Peer, size: int) -> None:
    """USB hands a device packets of 64 bytes."""
    stream = b"db load 490%" + b"".join(b"db " + piece.hex().encode() + b"%" for piece in sent_in(31, INPUT))
    for piece in sent_in(size, stream):
        peer.send(piece)
    expected = b"m-[Expecting 490 bytes]\r\n" + READY * 16 + b"m-load-done\r\n" + READY
    assert peer.receive(until=b"m-load-done\r\n" + READY) == expected


def test_binary_noise_and_then_a_command(peer: Peer) -> None:
    chance = random.Random(11)
    for _ in range(50):
        noise = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 300))).replace(b"%", b"")
        reply = peer.ask(noise + b"%")
        assert reply.endswith(READY)
        assert reply.isascii()
    assert peer.ask(b"name%") == b"m-name-dut-[unspecified]\r\n" + READY


def test_ten_thousand_fuzzed_command_lines_all_end_in_ready(peer: Peer) -> None:
    chance = random.Random(17)
    for number in range(10_000):
        line = fuzzed_line(chance)
        peer.send(line + b"%")
        reply = peer.receive(timeout_s=30)
        assert reply.endswith(READY), (number, line, reply)
    assert peer.ask(b"name%") == b"m-name-dut-[unspecified]\r\n" + READY


def test_a_peer_that_disappears_and_returns(peer: Peer) -> None:
    """As a USB cable that is pulled in the middle of a command: no boot text, no half of the old command."""
    load(peer, INPUT, 31)
    for _ in range(3):
        peer.send(b"infer 5")
        peer.disappear()
        peer.appear()
        assert peer.ask_until_answered(b"name%") == b"m-name-dut-[unspecified]\r\n" + READY
        peer.device_has_opened()
    assert RESULTS in peer.ask(b"infer 1 0%")


def test_a_peer_that_disappears_while_the_device_infers(peer: Peer) -> None:
    load(peer, INPUT, 31)
    peer.send(b"infer 2000000 0%")
    assert b"m-lap-us-" in peer.receive(until=b"never", timeout_s=0.3)
    peer.disappear()
    peer.appear()
    assert peer.ask_until_answered(b"name%") == b"m-name-dut-[unspecified]\r\n" + READY
    peer.device_has_opened()


def test_a_peer_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    """The kernel keeps about 20,000 bytes for it; the device drops the rest and answers the next command."""
    peer = Peer(tmp_path / "port")
    with running(str(peer.path), "performance", "boot", "now", "0", "0.3") as process:
        peer.receive()
        peer.send(b"db load 27648%db print%")
        assert process.stderr is not None
        assert any(codes(line) == ["serial-line-stuck"] for line in process.stderr)
        while select.select([peer.master], [], [], 0.2)[0]:
            os.read(peer.master, 65536)
        assert peer.ask(b"name%").endswith(b"m-name-dut-[unspecified]\r\n" + READY)


def test_a_refused_infer_is_logged_on_the_device(tmp_path: Path) -> None:
    """The user at the driving host sees "e-[...]" at best; the device's log has the command and the reason."""
    peer = Peer(tmp_path / "port")
    with running(str(peer.path), "performance", "boot", "now", "0.01") as process:
        peer.receive()
        load(peer, INPUT, 31)
        assert peer.ask(b"infer 1000000 0%").startswith(b"e-[")
        assert b"m-infer-done" in peer.ask(b"infer 1 0%")
        assert peer.ask(b"infer 0%").startswith(b"e-[")
        process.terminate()
        assert process.stderr is not None
        said = [line for line in process.stderr if codes(line)]
    assert [codes(line) for line in said] == [["infer-refused"], ["infer-refused"]]
    assert "infer 1000000 0:" in said[0]
    assert "infer 0 10:" in said[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_port_is_free(
    peer: Peer, process: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    process.send_signal(number)
    assert process.wait(timeout=60) == 130
    peer.appear()
    with SerialLine(str(peer.path), 115200):
        pass


def test_a_signal_ends_it_while_it_infers(peer: Peer, process: "subprocess.Popen[str]") -> None:
    load(peer, INPUT, 31)
    peer.send(b"infer 2000000000 0%")
    time.sleep(0.5)
    process.terminate()
    assert process.wait(timeout=60) == 130


def test_a_killed_parent_takes_the_device_with_it(peer: Peer, process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        try:
            with SerialLine(os.readlink(peer.path), 115200):
                return
        except (LineGoneError, UsageError):
            time.sleep(0.1)
    raise AssertionError("the port is still held")


def test_a_port_in_use_is_refused(peer: Peer) -> None:
    with pytest.raises(UsageError, match="systemctl stop serial-getty@port") as caught:
        SerialLine(str(peer.path), 115200)
    assert caught.value.code == "serial-port-busy"


def test_the_line_is_raw_at_the_rate_of_the_mode(peer: Peer) -> None:
    attributes = termios.tcgetattr(peer.master)
    assert attributes[4] == attributes[5] == termios.B115200
    assert not attributes[3] & (termios.ECHO | termios.ICANON)


def test_energy_mode_runs_at_9600_without_a_time(tmp_path: Path) -> None:
    peer = Peer(tmp_path / "energy")
    with running(str(peer.path), "energy", "boot", "now", "0"):
        assert peer.receive() == b"m-timestamp-mode-energy\r\nm-init-done\r\nm-ready\r\n"
        assert termios.tcgetattr(peer.master)[4] == termios.B9600
        assert peer.ask(b"timestamp%") == READY
        assert b"m-lap-us" not in peer.ask(b"infer 3 0%")


def test_a_port_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "later"
    with running(str(path), "performance", "boot", "wait", "0") as process:
        assert process.stderr is not None
        assert codes(process.stderr.readline()) == ["serial-port-missing"]
        assert process.poll() is None
        peer = Peer(path)
        assert re.search(BOOT, peer.receive())


def test_a_port_that_is_not_there_is_an_error_unless_waited_for(tmp_path: Path) -> None:
    with running(str(tmp_path / "none"), "performance", "boot", "now", "0") as process:
        assert process.wait(timeout=60) == 2
        assert process.stderr is not None
        said = process.stderr.read()
    assert codes(said) == ["serial-port-missing"]
    assert str(tmp_path / "none") in said


def test_what_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (str(tmp_path / "file"), "/dev/null"):
        with pytest.raises(UsageError, match=f"{path} .*--port") as caught:
            SerialLine(path, 115200)
        assert caught.value.code == "not-a-serial-port"
    with pytest.raises(UsageError, match="-3 baud") as caught:
        SerialLine("/dev/null", -3)
    assert caught.value.code == "baud-rate-unsupported"
    with pytest.raises(LineGoneError, match=str(tmp_path / "none")) as gone:
        SerialLine(str(tmp_path / "none"), 115200)
    assert gone.value.code == "serial-port-missing"


def test_a_line_that_nobody_reads_is_stuck(tmp_path: Path) -> None:
    peer = Peer(tmp_path / "stuck")
    with SerialLine(str(peer.path), 115200, write_s=0.2) as line, pytest.raises(LineStuckError):
        line.write(bytes(100_000))


def test_without_pyserial_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(UsageError, match=f"{sys.executable}.*pip install pyserial") as caught:
        SerialLine("/dev/ttyS0", 9600)
    assert caught.value.code == "pyserial-missing"


def _die(number: int) -> int:
    # Its report of the death would stand in the output of the tests.
    faulthandler.disable()
    os.kill(os.getpid(), number)
    return 0


@pytest.mark.parametrize("number", [signal.SIGILL, signal.SIGABRT])
def test_death_by_an_unknown_instruction_is_unsupported(number: signal.Signals) -> None:
    with pytest.raises(UnsupportedError, match=rf"(?i)signal {number:d}\b.*--engine") as caught:
        guarded.run(lambda: _die(number), "it")
    assert caught.value.code == "cpu-unsupported"


def test_a_child_that_is_killed_otherwise_is_no_unsupported_engine() -> None:
    with pytest.raises(EdgebenchError, match=r"(?i)signal 9\b") as caught:
        guarded.run(lambda: _die(signal.SIGKILL), "it")
    assert caught.value.code == "child-killed"
    assert not isinstance(caught.value, UnsupportedError)


def test_the_boot_text_is_left_out_on_a_gadget() -> None:
    assert device.says_boot("/dev/ttyS0")
    assert device.says_boot("/dev/pts/3")
    assert not device.says_boot("/dev/ttyGS0")


def test_rates_of_the_modes() -> None:
    assert [device.default_baud(mode) for mode in ("performance", "accuracy", "energy")] == [
        115200,
        115200,
        9600,
    ]


def test_an_edge_falls_is_held_and_rises() -> None:
    seen: list[tuple[int, float]] = []
    gpio.make_edge(lambda value: seen.append((value, time.perf_counter())))
    assert [value for value, _ in seen] == [0, 1]
    assert seen[1][1] - seen[0][1] >= 1e-6


def test_a_chip_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"/dev/gpiochip99 .*--gpio-chip") as caught:
        gpio.TimestampLine("99", 3)
    assert caught.value.code == "gpio-chip-missing"


@pytest.mark.parametrize(
    ("options", "code", "remedy"),
    [
        (["--mode", "energy"], "gpio-line-required", PIN),
        (["--mode", "energy", "--gpio-chip", "0"], "gpio-line-required", PIN),
        (["--gpio-line", "3"], "gpio-line-unexpected", "--mode energy"),
    ],
)
def test_a_pin_belongs_to_energy_mode(
    options: list[str], code: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kws", "device", "--port", "/dev/ttyS9", *options]) == 2
    said = capsys.readouterr().err
    assert codes(said) == [code]
    assert remedy in said


def test_a_child_that_raises_shows_where(capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded.run(lambda: 1 // 0, "it") == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_signals_are_the_callers_again_after_a_child() -> None:
    """A second child would inherit what passes signals on to the first."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    assert guarded.run(lambda: 69, "it") == 69
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before
