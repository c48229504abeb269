"""The host that drives devices: ours on a real pty, and microcontrollers with habits of their own."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
from edgebench.kws import drive
from edgebench.kws.inputs import KWS01, QuantizedFeatures, Sample
from edgebench.kws.serial_line import SerialLine

from tests.messages import codes
from tests.unit.runner.kws_line import Peer, running

RESULTS = "m-results-[" + ",".join(["0.083"] * 12) + "]"


def samples(count: int) -> list[Sample]:
    """Inputs whose first byte the test engine answers with."""
    made = []
    for label in range(count):
        values = numpy.full((49, 10, 1), label, numpy.int8)
        made.append(Sample(f"{label}.bin", label % 12, QuantizedFeatures(values, KWS01)))
    return made


@pytest.fixture
def line(tmp_path: Path) -> Iterator[SerialLine]:
    """A line to our device, with a pump between two ptys as a cable has."""
    device, host = Peer(tmp_path / "device"), Peer(tmp_path / "host")
    stop = threading.Event()

    def pump(source: Peer, sink: Peer) -> None:
        while not stop.is_set():
            try:
                os.write(sink.master, os.read(source.master, 4096))
            except OSError:
                return

    with running(str(device.path), "performance", "boot", "now", "0.001"):
        device.receive()
        for pair in ((device, host), (host, device)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
        with SerialLine(str(host.path), 115200, read_s=0.05) as line:
            yield line
            stop.set()


class Scripted:
    """A microcontroller: answers what a function makes of a command, line by line, on a pty."""

    def __init__(self, path: Path, answer: Callable[[str], Iterator[str]]) -> None:
        self.peer = Peer(path)
        self.commands: list[str] = []
        self.answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        command = b""
        while True:
            byte = os.read(self.peer.master, 1)
            if byte != b"%":
                command += byte
                continue
            self.commands.append(command.decode())
            for line in self.answer(self.commands[-1]):
                os.write(self.peer.master, line.encode() + b"\r\n")
            os.write(self.peer.master, b"m-ready\r\n")
            command = b""


class Microcontroller:
    """Answers like the reference firmware. device_s: what its clock counts for each inference; wall_s: the truth."""

    def __init__(self, device_s: float, wall_s: float, start_us: int = 0) -> None:
        self.device_s, self.wall_s = device_s, wall_s
        self.now_us = float(start_us)
        self.loaded = 0

    def __call__(self, command: str) -> Iterator[str]:
        words = command.split()
        if words[0] == "name":
            yield "m-name-dut-[board]"
        elif words[0] == "profile":
            yield "m-profile-[ULPMark for tinyML Firmware V0.0.1]"
            yield "m-model-[kws01]"
        elif words[:2] == ["db", "load"]:
            self.loaded = 0
        elif words[0] == "db":
            self.loaded += len(words[1]) // 2
            if self.loaded == 490:
                yield "m-load-done"
        elif words[0] == "infer":
            yield "m-warmup-done"
            yield f"m-lap-us-{int(self.now_us) % 2**32}"
            time.sleep(int(words[1]) * self.wall_s)
            self.now_us += int(words[1]) * self.device_s * 1e6
            yield f"m-lap-us-{int(self.now_us) % 2**32}"
            yield RESULTS


def driven(tmp_path: Path, answer: Callable[[str], Iterator[str]]) -> tuple[drive.Driver, Scripted]:
    device = Scripted(tmp_path / "mcu", answer)
    return drive.Driver(SerialLine(str(device.peer.path), 115200, read_s=0.05)), device


def test_our_device_is_identified(line: SerialLine) -> None:
    said: list[str] = []
    driver = drive.Driver(line, lambda when_s, direction, text: said.append(direction + text))
    driver.identify()
    assert (driver.name, driver.model) == ("dut-[unspecified]", "kws01")
    assert said[:3] == [">name%", "<m-name-dut-[unspecified]", "<m-ready"]


def test_accuracy_of_our_device(line: SerialLine) -> None:
    driver = drive.Driver(line)
    driver.identify()
    seen: list[tuple[int, int]] = []
    probabilities = drive.accuracy(driver, samples(12), lambda done, of: seen.append((done, of)))
    assert [max(range(12), key=row.__getitem__) for row in probabilities] == list(range(12))
    assert probabilities[3][3] == 0.75
    assert seen[-1] == (12, 12)


def test_windows_are_calibrated_up_and_the_clocks_agree(
    line: SerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "_TRIAL_S", 0.2)
    driver = drive.Driver(line)
    driver.identify()
    result = drive.performance(driver, samples(2), windows=2, window_s=0.5)
    assert all(each.device_s >= 0.5 for each in result.windows)
    assert all(abs(each.device_s / each.host_s - 1) < 0.2 for each in result.windows)
    assert not drive.valid(result.windows)
    assert codes(" ".join(result.warnings)) == ["window-short"] * 2
    assert re.search(r"\b10 s\b.*\b10\b", result.warnings[0])


def test_given_inferences_are_raised_or_kept(line: SerialLine) -> None:
    driver = drive.Driver(line)
    driver.identify()
    raised = drive.performance(driver, samples(1), windows=1, window_s=0.5, inferences=10)
    assert raised.windows[0].inferences > 10
    assert raised.windows[0].device_s >= 0.5
    kept = drive.performance(driver, samples(1), windows=1, window_s=0.5, inferences=7, calibrate=False)
    assert kept.windows[0].inferences == 7
    assert codes(kept.warnings[0]) == ["window-invalid"]


def test_31_bytes_a_command(tmp_path: Path) -> None:
    driver, device = driven(tmp_path, Microcontroller(0.001, 0.001))
    driver.identify()
    driver.load(bytes(range(245)) * 2)
    digits = [command.split()[1] for command in device.commands if re.match("db [0-9a-f]+$", command)]
    assert {len(each) for each in digits[:-1]} == {62}
    assert bytes.fromhex("".join(digits)) == bytes(range(245)) * 2


def test_a_clock_of_32_bits_may_wrap(tmp_path: Path) -> None:
    driver, _ = driven(tmp_path, Microcontroller(0.01, 0.001, start_us=2**32 - 500_000))
    driver.identify()
    assert driver.infer(100, 0).device_s == pytest.approx(1.0)


def test_a_device_that_counts_cpu_time_is_found_out(tmp_path: Path) -> None:
    """The 2021 port timed with clock(), which stands still while a thread sleeps."""
    driver, _ = driven(tmp_path, Microcontroller(0.005, 0.01))
    result = drive.performance(driver, samples(1), windows=1, window_s=0.2)
    assert "device-clock-slow" in codes(" ".join(result.warnings))


def test_a_clock_that_stands_still_is_an_error(tmp_path: Path) -> None:
    driver, _ = driven(tmp_path, Microcontroller(0.0, 0.01))
    with pytest.raises(drive.DeviceError) as caught:
        drive.performance(driver, samples(1), windows=1, window_s=0.2)
    assert caught.value.code == "device-clock-stopped"


def test_a_slow_device_gets_ten_inferences_where_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "_TRIAL_S", 0.2)
    driver, _ = driven(tmp_path, Microcontroller(1.2, 0.03))
    result = drive.performance(driver, samples(1), windows=1, window_s=1.0)
    assert result.windows[0].inferences == 10
    assert drive.valid(result.windows)


def test_boot_text_before_the_first_command_is_no_reply(tmp_path: Path) -> None:
    driver, device = driven(tmp_path, Microcontroller(0.01, 0.01))
    os.write(device.peer.master, b"\xffm-init-done\r\nm-ready\r\n")
    driver.identify()
    assert driver.name == "dut-[board]"


def test_a_silent_device_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(tmp_path / "silent")
    monkeypatch.setattr(drive, "DETECT_S", 0.2)
    driver = drive.Driver(SerialLine(str(peer.path), 115200, read_s=0.05))
    with pytest.raises(drive.DeviceError, match=r"name% .*--port .*--baud") as caught:
        driver.identify()
    assert caught.value.code == "device-silent"


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        (["e-[Unknown command: infer]"], "device-error-reply", r"infer 1 0% .*e-\[Unknown command: infer\]"),
        (["m-lap-us-1", RESULTS], "device-timestamps-missing", r"\b1\b.*\b2\b"),
        (["m-lap-us-1", "m-lap-us-2"], "device-results-malformed", r"None.*\b12\b"),
        (["m-lap-us-1", "m-lap-us-2", "m-results-[0.1,x]"], "device-results-malformed", r"'0\.1,x'.*\b12\b"),
    ],
)
def test_odd_replies_are_errors(tmp_path: Path, lines: list[str], code: str, told: str) -> None:
    driver, _ = driven(tmp_path, lambda command: iter(lines))
    with pytest.raises(drive.DeviceError, match=told) as caught:
        driver.infer(1, 0)
    assert caught.value.code == code


def test_another_model_is_refused(tmp_path: Path) -> None:
    driver, _ = driven(tmp_path, lambda command: iter(["m-name-dut-[x]", "m-model-[ic01]"]))
    with pytest.raises(drive.DeviceError, match="'ic01'") as caught:
        driver.identify()
    assert caught.value.code == "device-model-wrong"


def test_an_input_that_does_not_arrive_whole_is_an_error(tmp_path: Path) -> None:
    driver, _ = driven(tmp_path, lambda command: iter(()))
    with pytest.raises(drive.DeviceError, match=r"\b490\b.*m-load-done") as caught:
        driver.load(bytes(490))
    assert caught.value.code == "device-load-incomplete"
