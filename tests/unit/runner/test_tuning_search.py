"""The search for settings: what wins, what is refused, and when it ends."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from edgebench.tuning import earlier, in_words, outcome, settings_in_words
from edgebench.tuning.search import Found, Measured, RefusedError, Search

Settings = dict[str, Any]

CHOICES = [("input", ["dense_uint8"]), ("steps_per_execution", [10, 50]), ("jit_compile", [True])]


class Host:
    """A machine whose clock the measurements move, and on which each setting costs what the test says."""

    def __init__(self, seconds: Callable[[Settings], float], noise: tuple[float, ...] = (0.0,)) -> None:
        self.now_s = 100.0
        self.calls: list[Settings] = []
        self.once_s: Callable[[Settings], float] = lambda settings: 0.0
        self.loss: Callable[[Settings, int], float] = lambda settings, turn: 0.5 + 0.001 * turn
        self._seconds = seconds
        self._noise = noise

    def clock(self) -> float:
        return self.now_s

    def measure(self, settings: Settings, turn: int) -> Measured:
        noise = self._noise[len(self.calls) % len(self._noise)]
        self.calls.append(dict(settings))
        seconds = self._seconds(settings) * (1 + noise)
        self.now_s += seconds
        return Measured(seconds, self.once_s(settings), self.loss(settings, turn))

    def search(self, limit_s: float = 1000.0, stretches: float = 10.0) -> Found:
        found: Found = Search(CHOICES, self.measure, stretches, 500, self.clock, limit_s).run()
        return found


def _seconds(settings: Settings) -> float:
    """Steps per execution help by two, compiling by a half more, but only with them; bytes hurt."""
    seconds = 1.0 / {1: 1, 10: 1.5, 50: 2}[settings.get("steps_per_execution", 1)]
    if "input" in settings:
        seconds *= 1.3
    if "jit_compile" in settings:
        seconds *= 0.67 if "steps_per_execution" in settings else 1.5
    return seconds


def _tried(found: Found, settings: Settings) -> dict[str, Any]:
    entry: dict[str, Any]
    [entry] = [each for each in found.tried if each["settings"] == settings]
    return entry


def test_each_setting_is_kept_that_makes_the_best_better() -> None:
    found = Host(_seconds).search()
    assert found.settings == {"steps_per_execution": 50, "jit_compile": True}
    assert (found.ratio, found.code) == (pytest.approx(2 / 0.67), "all-tried")
    assert _tried(found, {"input": "dense_uint8"})["verdict"] == "not faster"
    assert _tried(found, {"steps_per_execution": 10})["ratio"] == pytest.approx(1.5)
    assert _tried(found, {})["samples_per_s"] == pytest.approx(500)


def test_nothing_faster_leaves_the_framework_alone() -> None:
    found = Host(lambda settings: 1.0 + 0.1 * len(settings)).search()
    assert (found.settings, found.ratio) == ({}, 1.0)
    assert found.code == "none-faster"
    assert {each["verdict"] for each in found.tried} == {"default", "not faster"}


def test_noise_is_no_win() -> None:
    # Every setting costs the same; the machine does not.
    noise = (0.0, 0.3, 0.1, 0.0, 0.25, 0.05, 0.4, 0.0, 0.15, 0.02, 0.31)
    found = Host(lambda settings: 1.0, noise).search()
    assert (found.settings, found.code) == ({}, "none-faster")


def test_a_win_is_found_beneath_disturbances() -> None:
    # What else runs doubles some turns of either; the undisturbed ones tell.
    noise = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.9)
    found = Host(lambda settings: 0.4 if settings == {"jit_compile": True} else 1.0, noise).search()
    assert found.settings == {"jit_compile": True}


def test_another_loss_refuses_a_setting_that_is_faster() -> None:
    host = Host(_seconds)
    host.loss = lambda settings, turn: 0.5 + 0.001 * turn + (0.05 if "jit_compile" in settings else 0.0)
    found = host.search()
    assert found.settings == {"steps_per_execution": 50}
    refused = _tried(found, {"steps_per_execution": 50, "jit_compile": True})
    assert refused["verdict"] == "refused"
    assert re.findall(r"\d[\d.]*", refused["reason"])[:2] == ["0.55", "0.5"]


def test_a_loss_within_the_noise_of_the_order_is_none() -> None:
    host = Host(_seconds)
    host.loss = lambda settings, turn: 0.5 + 0.05 * turn + (0.05 if "jit_compile" in settings else 0.0)
    assert host.search().settings == {"steps_per_execution": 50, "jit_compile": True}


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_refused(loss: float) -> None:
    host = Host(_seconds)
    host.loss = lambda settings, turn: loss if settings else 0.5
    assert host.search().settings == {}


def test_what_is_paid_once_counts() -> None:
    host = Host(_seconds)
    # Compiling for the last batch takes longer than a training of ten stretches gains by it.
    host.once_s = lambda settings: 4.0 if "jit_compile" in settings else 0.0
    assert host.search(stretches=10).settings == {"steps_per_execution": 50}
    longer = Host(_seconds)
    longer.once_s = host.once_s
    assert longer.search(stretches=200).settings == {"steps_per_execution": 50, "jit_compile": True}


def test_what_cannot_be_had_is_refused_with_its_reason() -> None:
    def seconds(settings: Settings) -> float:
        if "jit_compile" in settings:
            raise RefusedError("no compiler here")
        return _seconds(settings)

    found = Host(seconds).search()
    assert found.settings == {"steps_per_execution": 50}
    entry = _tried(found, {"steps_per_execution": 50, "jit_compile": True})
    assert (entry["verdict"], entry["reason"]) == ("refused", "no compiler here")


def test_the_time_ends_the_search_with_what_was_proven() -> None:
    host = Host(_seconds)
    found = host.search(limit_s=16)
    assert found.settings == {"steps_per_execution": 10}
    assert found.code == "time-up"
    assert "16 s" in found.reason
    # The proof is all that may follow.
    assert found.search_s < 16 + 9


def test_clearly_slower_settings_take_two_turns() -> None:
    found = Host(_seconds).search()
    assert len(_tried(found, {"input": "dense_uint8"})["seconds"]) == 2
    assert len(_tried(found, {"steps_per_execution": 10})["seconds"]) >= 3


class _Task:
    workload = "imdb"

    def __init__(self, profile: str = "tuned") -> None:
        self._profile = profile

    def is_asked_for(self, record: dict[str, Any]) -> bool:
        return bool(record["profile"] == self._profile)


def _record(**changes: Any) -> dict[str, Any]:
    record = {
        "record": "run",
        "workload": "imdb",
        "profile": "tuned",
        "status": "ok",
        "session": "0123456789ab",
        "repeat": 1,
        "attempt": 2,
        "tuning": {"settings": {"jit_compile": True}, "reason": "every choice was tried"},
    }
    return {**record, **changes}


def test_repeats_take_what_was_found_for_the_first() -> None:
    origin = {"session": "0123456789ab", "repeat": 1, "attempt": 2}
    taken = earlier(_Task(), [_record()])
    assert taken == {"settings": {"jit_compile": True}, "reason": taken["reason"], "from": origin}
    assert "repeat 1" in taken["reason"]
    assert earlier(_Task(), [_record(repeat=2, tuning=taken)])["from"] == origin


@pytest.mark.parametrize(
    "changes", [{"status": "oom"}, {"workload": "reuters"}, {"profile": "paper"}, {"record": "host"}]
)
def test_only_a_good_record_of_the_same_is_taken(changes: dict[str, Any]) -> None:
    assert earlier(_Task(), [_record(**changes)]) is None


def test_a_search_that_dies_leaves_the_frameworks_own() -> None:
    class End:
        status, reason = "oom", "killed by the kernel for memory, in the phase tune"

    told = outcome({}, End, 12.0)
    assert (told["settings"], told["search_s"]) == ({}, 12.0)
    assert in_words(told).startswith(f"{settings_in_words({})} (")
    assert f"oom: {End.reason})" in in_words(told)


def test_a_search_without_time_tries_one_setting() -> None:
    found = Host(_seconds).search(limit_s=0)
    assert [each["settings"] for each in found.tried] == [{}, {"input": "dense_uint8"}]
    assert found.settings == {}
