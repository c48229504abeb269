"""The device's state machine: every command, mode and error to the byte, and what no host should send."""

import random
from collections.abc import Iterable

import pytest
from edgebench.kws.protocol import COMMAND_BYTES, READY, Protocol
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import properties
from tests.messages import codes
from tests.unit.runner.kws_engine import Clock, Engine, TimedEngine

INPUT = bytes((7 + 3 * i) % 256 for i in range(490))
RESULTS = b"m-results-[0.022,0.022,0.022,0.022,0.022,0.022,0.022,0.750,0.022,0.022,0.022,0.022]\r\n"
ZEROS = b"m-results-[" + b",".join([b"0.000"] * 12) + b"]\r\n"


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device(engine: Engine, clock: Clock) -> Protocol:
    return Protocol(engine, clock)


def said(pieces: Iterable[bytes]) -> bytes:
    return b"".join(pieces)


def ask(device: Protocol, command: bytes) -> bytes:
    """The reply to one command without the m-ready that it must end in."""
    reply = said(device.feed(command + b"%"))
    assert reply.endswith(READY)
    assert reply.count(READY) == 1
    return reply[: -len(READY)]


def load(device: Protocol, data: bytes = INPUT, chunk: int = 31) -> None:
    assert ask(device, b"db load %d" % len(data)) == b"m-[Expecting %d bytes]\r\n" % len(data)
    for start in range(0, len(data), chunk):
        reply = ask(device, b"db " + data[start : start + chunk].hex().encode())
        assert reply == (b"m-load-done\r\n" if start + chunk >= len(data) else b"")


def test_boot_says_mode_time_and_ready(device: Protocol, clock: Clock) -> None:
    clock.now_s += 1.5
    assert said(device.boot()) == (
        b"m-timestamp-mode-performance\r\nm-lap-us-1500000\r\nm-init-done\r\nm-ready\r\n"
    )


def test_accuracy_mode_is_that_of_performance_on_the_line(engine: Engine, clock: Clock) -> None:
    assert b"".join(Protocol(engine, clock, "accuracy").boot()).startswith(
        b"m-timestamp-mode-performance\r\n"
    )


def test_boot_in_energy_mode_makes_an_edge_and_says_no_time(engine: Engine, clock: Clock) -> None:
    edges: list[int] = []
    device = Protocol(engine, clock, "energy", lambda: edges.append(1))
    assert said(device.boot()) == b"m-timestamp-mode-energy\r\nm-init-done\r\nm-ready\r\n"
    assert len(edges) == 1


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"name", b"m-name-dut-[unspecified]\r\n"),
        (b"  name  ", b"m-name-dut-[unspecified]\r\n"),
        (b"name of yours", b"m-name-dut-[unspecified]\r\n"),
        (b"profile", b"m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[kws01]\r\n"),
        (b"timestamp", b"m-lap-us-0\r\n"),
        (b"results", ZEROS),
        (b"", b""),
        (b"   ", b""),
        (b"nam", b"e-[Unknown command: nam]\r\n"),
        (b"NAME", b"e-[Unknown command: NAME]\r\n"),
        (b"names please", b"e-[Unknown command: names]\r\n"),
        (b"\tname", b"e-[Unknown command: ?name]\r\n"),
        (b"\xff\xfe\x80", b"e-[Unknown command: ???]\r\n"),
        (b"db", b"e-[Command 'db' requires a subcommand]\r\n"),
        (b"db load", b"e-[Command 'db load' requires the # of bytes]\r\n"),
        (b"db load 0", b"e-[Command 'db load' must be >0 bytes]\r\n"),
        (b"db load -4", b"e-[Command 'db load' must be >0 bytes]\r\n"),
        (b"db load many", b"e-[Command 'db load' must be >0 bytes]\r\n"),
        (b"db load 27648", b"m-[Expecting 27648 bytes]\r\n"),
        (b"db load 27649", b"Supplied buffer size 27649 exceeds maximum of 27648\r\n"),
        (b"db load " + b"9" * 60, b"Supplied buffer size 2147483647 exceeds maximum of 27648\r\n"),
        (b"db load 12x", b"m-[Expecting 12 bytes]\r\n"),
        (b"db load +12", b"m-[Expecting 12 bytes]\r\n"),
        (b"db 0", b"e-[Insufficent number of hex digits]\r\n"),
        (b"db 00112", b"e-[Insufficent number of hex digits]\r\n"),
        (b"db 0g", b"e-[Invalid hex digit '0g']\r\n"),
        (b"db 00+1", b"e-[Invalid hex digit '+1']\r\n"),
        (b"db 0x", b"e-[Invalid hex digit '0x']\r\n"),
        (b"db \xc3\xa4", b"e-[Invalid hex digit '??']\r\n"),
        (b"db print", b""),
        (b"infer 0", b"e-[Inference iterations must be >0]\r\n"),
        (b"infer -1 5", b"e-[Inference iterations must be >0]\r\n"),
        (b"infer ten", b"e-[Inference iterations must be >0]\r\n"),
        (b"infer 1 -1", b"e-[Inference warmup must be >=0]\r\n"),
    ],
)
def test_replies_to_the_byte(device: Protocol, command: bytes, reply: bytes) -> None:
    assert ask(device, command) == reply


def test_help_names_every_command(device: Protocol) -> None:
    text = ask(device, b"help")
    assert text.startswith(b"ULPMark for tinyML Firmware V0.0.1\r\n")
    for command in (b"name", b"profile", b"timestamp", b"db load", b"db print", b"infer N", b"results"):
        assert command in text


@pytest.mark.parametrize("chunk", [1, 31, 38])
def test_an_input_is_loaded_in_any_chunks(device: Protocol, engine: Engine, chunk: int) -> None:
    load(device, chunk=chunk)
    ask(device, b"infer 1 0")
    assert engine.inputs == [INPUT]


@pytest.mark.parametrize("piece", [1, 31, 64, 4096])
def test_how_the_line_cuts_the_bytes_does_not_matter(device: Protocol, piece: int) -> None:
    stream = b"name%db load 3%db 0102%db 03%db print%infer 1 0%"
    whole = said(device.feed(stream))
    fresh = Protocol(Engine(), Clock())
    pieces = [said(fresh.feed(stream[at : at + piece])) for at in range(0, len(stream), piece)]
    assert b"".join(pieces) == whole


def test_print_shows_eight_a_line(device: Protocol) -> None:
    load(device, bytes(range(10)))
    assert ask(device, b"db print") == b"m-buffer-00-01-02-03-04-05-06-07\r\nm-buffer-08-09\r\n"


def test_digits_beyond_the_last_byte_are_left(device: Protocol) -> None:
    ask(device, b"db load 2")
    assert ask(device, b"db 0102zz") == b"m-load-done\r\n"
    assert ask(device, b"db 07") == b""
    assert ask(device, b"db print") == b"m-buffer-01-02\r\n"


def test_what_came_before_a_bad_digit_counts(device: Protocol) -> None:
    ask(device, b"db load 3")
    assert ask(device, b"db 01zz") == b"e-[Invalid hex digit 'zz']\r\n"
    assert ask(device, b"db 0203") == b"m-load-done\r\n"
    assert ask(device, b"db print") == b"m-buffer-01-02-03\r\n"


def test_infer(clock: Clock) -> None:
    engine = TimedEngine(clock, 0.001)
    device = Protocol(engine, clock)
    load(device)
    assert ask(device, b"infer 70 10") == (
        b"m-warmup-start-10\r\nm-warmup-done\r\nm-infer-start-70\r\n"
        b"m-lap-us-10000\r\nm-lap-us-80000\r\nm-infer-done\r\n" + RESULTS
    ).replace(b"80000", str(int((clock.now_s - 100) * 1e6)).encode())
    assert engine.invoked == 80
    assert ask(device, b"results") == RESULTS


def test_warmup_is_ten_by_default_and_one_inference(device: Protocol, engine: Engine) -> None:
    load(device)
    reply = ask(device, b"infer")
    assert reply.startswith(b"m-warmup-start-10\r\nm-warmup-done\r\nm-infer-start-1\r\n")
    assert engine.invoked == 11


def test_infer_without_a_whole_input_says_so_and_runs_on_what_was_there(
    device: Protocol, engine: Engine
) -> None:
    device.warm()
    load(device, INPUT[:100])
    reply = ask(device, b"infer 1 0")
    assert reply.startswith(b"Input db has 100 elemented, expected 490\r\nm-warmup-start-0\r\n")
    assert reply.endswith(b"m-results-[0.750" + b",0.022" * 11 + b"]\r\n")
    assert engine.inputs == [bytes(490)]


def test_infer_in_energy_mode_has_edges_in_place_of_times(engine: Engine, clock: Clock) -> None:
    edges: list[int] = []
    device = Protocol(engine, clock, "energy", lambda: edges.append(engine.invoked))
    load(device)
    assert ask(device, b"infer 5 2") == (
        b"m-warmup-start-2\r\nm-warmup-done\r\nm-infer-start-5\r\nm-infer-done\r\n" + RESULTS
    )
    assert edges == [2, 7]
    assert ask(device, b"timestamp") == b""
    assert edges == [2, 7, 7]


def test_a_pin_that_fails_is_an_error_on_the_line(engine: Engine, clock: Clock) -> None:
    def fail() -> None:
        raise OSError("the chip has gone")

    device = Protocol(engine, clock, "energy", fail)
    assert ask(device, b"timestamp") == b"e-[OSError: the chip has gone]\r\n"
    assert said(device.boot()).endswith(b"m-init-done\r\nm-ready\r\n")


def test_an_engine_that_fails_is_an_error_on_the_line(clock: Clock) -> None:
    device = Protocol(Engine(error=RuntimeError("no m\xe4mory\r\nleft")), clock)
    load(device)
    assert ask(device, b"infer 1 0").endswith(b"e-[RuntimeError: no m??mory??left]\r\n")
    assert ask(device, b"name") == b"m-name-dut-[unspecified]\r\n"


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0.000"), (0.99609375, "0.996"), (0.00390625, "0.003"), (1.0, "0.999"), (1.5, "0.999"),
     (-0.5, "0.000"), (float("nan"), "0.000"), (float("inf"), "0.999")],
)  # fmt: skip
def test_probabilities_have_three_digits(
    device: Protocol, engine: Engine, probability: float, text: str
) -> None:
    load(device)
    engine.output = lambda: [probability] * 12  # type: ignore[method-assign, assignment, return-value]
    assert ask(device, b"infer 1 0").endswith("m-results-[{}]\r\n".format(",".join([text] * 12)).encode())


def test_the_first_eighty_characters_are_the_command(device: Protocol) -> None:
    assert ask(device, b"x" * 81) == b"e-[Unknown command: " + b"x" * COMMAND_BYTES + b"]\r\n"
    assert ask(device, b"y" * 5000) == b"e-[Unknown command: " + b"y" * COMMAND_BYTES + b"]\r\n"
    ask(device, b"db load 100")
    # Three characters of command and 77 digits are an odd number of digits.
    assert ask(device, b"db " + b"ab" * 39) == b"e-[Insufficent number of hex digits]\r\n"
    assert ask(device, b"name" + b" " * 76) == b"m-name-dut-[unspecified]\r\n"


def test_line_ends_and_nul_are_no_part_of_a_command(device: Protocol) -> None:
    assert said(device.feed(b"\r\n\0name%\r\nname\r\n%\r\n")) == 2 * (b"m-name-dut-[unspecified]\r\n" + READY)


def test_half_a_command_is_forgotten_with_its_peer(device: Protocol) -> None:
    ask(device, b"db load 2")
    assert said(device.feed(b"db 01")) == b""
    device.forget()
    assert ask(device, b"db 0203") == b"m-load-done\r\n"


def test_what_would_be_silent_for_too_long_is_refused(clock: Clock) -> None:
    engine = TimedEngine(clock, 2**-7)
    device = Protocol(engine, clock)
    device.warm()
    warmed = engine.invoked
    load(device)
    for command in (b"infer 3226", b"infer 2147483647 0", b"infer " + b"9" * 70):
        assert ask(device, command) == (
            b"e-[Inference iterations must be <=3225, more take longer than the 28 s that hosts wait]\r\n"
        )
    assert ask(device, b"infer 1 3226").startswith(b"e-[Inference warmup must be <=3225, ")
    assert engine.invoked == warmed
    assert b"m-infer-done" in ask(device, b"infer 3225 0")


def test_the_log_has_each_infer_that_is_refused_or_fails(clock: Clock) -> None:
    logged: list[str] = []
    engine = TimedEngine(clock, 2**-7)
    device = Protocol(engine, clock, say=logged.append)
    device.warm()
    load(device)
    for command in (b"infer 0", b"infer 1 -1", b"infer 3226", b"infer 1 3226"):
        ask(device, command)
    engine.takes_s = 1.0
    ask(device, b"infer 100 0")
    ask(device, b"infer 1 100")
    engine.error = RuntimeError("no memory left")
    ask(device, b"infer 1 0")
    expected = 4 * ["infer-refused"] + 2 * ["infer-stopped"] + ["device-error"]
    assert [codes(line) for line in logged] == [[code] for code in expected]
    assert [line.split(":")[0] for line in logged[2:6]] == [
        "infer 3226 10",
        "infer 1 3226",
        "infer 100 0",
        "infer 1 100",
    ]
    assert "<=3225" in logged[2]
    assert "no memory left" in logged[6]
    ask(device, b"infer")
    engine.error = None
    ask(device, b"infer 1 0")
    ask(device, b"nonsense")
    assert len(logged) == 8


@pytest.mark.parametrize("slower", [2, 100, 20_000])
def test_what_turns_out_to_be_silent_for_too_long_is_broken_off(clock: Clock, slower: int) -> None:
    engine = TimedEngine(clock, 2**-10)
    device = Protocol(engine, clock)
    device.warm()
    load(device)
    engine.takes_s *= slower
    for command, stopped in ((b"infer 25800 0", b"25800"), (b"infer 1 25800", b"25800")):
        began_s = clock.now_s
        reply = ask(device, command)
        assert b"e-[Inference stopped after " in reply
        assert b" of " + stopped + b", more take longer than the 28 s that hosts wait]\r\n" in reply
        assert b"m-results" not in reply
        assert 28 < clock.now_s - began_s < 30 + engine.takes_s


def test_one_hiccup_does_not_make_long_windows_too_long(clock: Clock) -> None:
    engine = TimedEngine(clock, 0.001)
    device = Protocol(engine, clock)
    device.warm()
    load(device)
    engine.takes_s = 1.0
    ask(device, b"infer 1 0")
    engine.takes_s = 0.001
    assert b"m-infer-done" in ask(device, b"infer 20000 0")


def test_modes_and_edges_belong_together(engine: Engine, clock: Clock) -> None:
    with pytest.raises(ValueError, match="energy"):
        Protocol(engine, clock, "energy")
    with pytest.raises(ValueError, match="performance"):
        Protocol(engine, clock, "performance", lambda: None)


WORDS = [b"name", b"timestamp", b"profile", b"help", b"db", b"load", b"print", b"infer", b"results", b"0", b"-1",
         b"1", b"10", b"490", b"27648", b"99999999999999999999", b"00", b"ff" * 31, b"0g", b"", b" ", b"\r\n", b"\0",
         b"\xff", b"m-ready", b"e-[", b"x" * 90, b"\x1b[A"]  # fmt: skip


def fuzzed_line(chance: random.Random) -> bytes:
    """A command as hosts send them, one near it, or noise; without the percent sign that ends it."""
    kind = chance.random()
    if kind < 0.2:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(120))).replace(b"%", b"")
    return b" ".join(chance.choice(WORDS) for _ in range(chance.randrange(6)))


def test_ten_thousand_fuzzed_command_lines_all_end_in_ready() -> None:
    chance = random.Random(5)
    clock = Clock()
    device = Protocol(TimedEngine(clock, 0.001), clock)
    device.warm()
    for number in range(10_000):
        line = fuzzed_line(chance)
        reply = said(device.feed(line + b"%"))
        assert reply.endswith(READY), (number, line)
        assert all(byte in b"\r\n" or 0x20 <= byte < 0x7F for byte in reply), (number, line)
    assert ask(device, b"name") == b"m-name-dut-[unspecified]\r\n"


@settings(max_examples=properties.examples(300))
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_bytes_get_one_ready_for_each_percent_sign(pieces: list[bytes]) -> None:
    clock = Clock()
    device = Protocol(TimedEngine(clock, 0.001), clock)
    reply = b"".join(said(device.feed(piece)) for piece in pieces)
    ready = [line for line in reply.split(b"\r\n") if line == b"m-ready"]
    assert len(ready) == b"".join(pieces).count(b"%")
