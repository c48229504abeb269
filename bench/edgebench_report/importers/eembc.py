"""Logs of the EEMBC runner for MLPerf Tiny: its sessions, and the results it prints at their ends."""

import math
import re
from collections.abc import Callable

from edgebench_report import text
from edgebench_report.importers.measurement import (
    MIN_INFERENCES,
    MODEL,
    MOST,
    MOST_OF_ANY,
    Energy,
    Piece,
    Window,
)
from edgebench_report.importers.quality import LABELS, Answer
from edgebench_report.importers.source import Source, decimal, integer
from edgebench_report.load import Problem

FORM = "EEMBC runner log"

_SIGNS = re.compile(
    r"performance results for window|m-session-start-id|median throughput is|\btop-1\s*:|ulp-ml(?:perf)?:"
    r"|energy data for window|median energy cost is|m-infer-start-\d",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"\s*\d+[.,]\d+ \S+?: ?")
_CUT = "Get the whole log and rerun the import, or use the part that was read."


def is_log(source: Source) -> bool:
    """Say whether a file is a log of the runner, or what it printed."""
    return any(_SIGNS.search(each) for each in source.lines)


def read(source: Source, problems: list[Problem]) -> list[Piece]:
    """Return what a file says, a piece for each session in it."""
    return Reader(source, FORM, problems).read()


class Reader:
    """Reads lines of a runner, each by the first rule that knows it; what no rule knows is the runner's chatter."""

    def __init__(self, source: Source, form: str, problems: list[Problem]) -> None:
        self._source, self._form, self._problems = source, form, problems
        self._pieces = [Piece(source, form)]
        self._number = 0
        self._rules = [(re.compile(each, re.IGNORECASE), act) for each, act in self.rules()]
        self._forget()

    def _forget(self) -> None:
        # By number: a file may tell a window twice, the second time with more decimals, or each line several times.
        self._printed: dict[str, Window] = {}
        self._lapped: list[Window] = []
        self._inferences: int | None = None
        self._laps: list[int] = []
        self._label: int | None = None
        self._window: dict[str, float] | None = None
        self._window_number = ""
        self._window_line = 0
        self._energy: dict[str, float] | None = None

    @property
    def piece(self) -> Piece:
        """The session that is being read."""
        return self._pieces[-1]

    def rules(self) -> list[tuple[str, Callable[["re.Match[str]"], None]]]:
        """Return patterns of lines, without the runner's clock before them, and what each does."""
        return [
            (r".*m-session-start-id\[(\d{14})\]", self._session),
            (r".*(?:m-model-\[(\w+)\]|key\[model\]-val\[(\w+)\])", self._model),
            (r".*m-name-dut-\[?([^\]]*)\]?", self._name),
            (r".*File size is (\d+), loading", self._input_bytes),
            (r".*Command \"b?load .*?_(\d+)\.bin", self._truth),
            (r".*m-infer-start-(\d+)", self._infer),
            (r".*m-lap-us-(\d+)", self._lap),
            (r".*m-results-\[([^\]]*)\]", self._results),
            (r"performance results for window\s*(.*?):?$", self._performance),
            (r"# inferences\s*:(.*)", self._part("inferences")),
            (r"runtime\s*:(.*?)(?:sec\.?)?$", self._part("wall_s")),
            (r"throughput\s*:(.*?)(?:inf\./sec\.?)?$", self._part("throughput_per_s")),
            (r"median throughput is(.*?)(?:inf\./sec\.?)?$", self._median),
            (r"top[- ]?1%?\s*[:=](.*?)%?$", self._top1),
            (r"(?:\w+ )*AUC\s*[:=](.*)", self._auc),
            (r"energy data for window\b.*?\bfor (.*?) ?sec", self._energy_window),
            (r"energy\s*:(.*?)uJ$", self._energy_part("energy_uj")),
            (r"power\s*:(.*?)[uµμ]W\.?$", self._energy_part("power_uw")),
            (r"energy/inf\.?\s*:(.*?)uJ/inf\.?$", self._energy_part("uj_per_inference")),
            (r"median energy cost is(.*?)uJ/inf", self._median_energy),
            (r"(error\b.*)", self._warning),
            (r"e-\[(.*)\]", self._warning),
            (r".*key\[runMode\]-val\[multi\]", self._accuracy),
        ]

    def read(self) -> list[Piece]:
        """Read all lines and return the sessions that say something, at least one piece."""
        for number, line in enumerate(self._source.lines, 1):
            self._number = number
            content = _PREFIX.sub("", line, count=1).strip()
            for pattern, act in self._rules:
                match = pattern.match(content)
                if match:
                    act(match)
                    break
        self._close()
        return [each for each in self._pieces if each.says_something] or self._pieces[:1]

    def problem(self, what: str, code: str) -> None:
        """Note a problem of the line that is being read."""
        self._problems.append(self._source.problem(self._number, what, code))

    def invalid(self, name: str, expected: str) -> None:
        """Note that the line that is being read has an invalid value."""
        self.problem(f"invalid {name}, expected {expected}", "value-invalid")

    def number(self, written: str, name: str, scale: float = 1.0) -> float | None:
        """Return a number times ``scale``, or note the line as a problem."""
        return self.possible(decimal(written), name, scale)

    def possible(self, value: float | None, name: str, scale: float = 1.0) -> float | None:
        """Return ``value`` times ``scale`` if it is a number that a record may have, or note the line as a problem."""
        most = MOST.get(name, MOST_OF_ANY)
        if value is not None and 0 <= value * scale <= most:
            return value * scale
        self.invalid(name, f"a number from 0 to {most / scale:g}")
        return None

    def add_energy(self, **parts: float) -> None:
        """Begin another window of energy with what is known of it."""
        self._close_energy()
        self._energy = dict(parts)

    def _close(self) -> None:
        self._close_window()
        self._close_energy()
        if self._inferences is not None and self._inferences >= MIN_INFERENCES and len(self._laps) == 1:
            where = self._source.at(len(self._source.lines))
            self._problems.append(Problem(where, "the log ends within a window", _CUT, "log-truncated"))
        # The runner prints what it made of the laps; where it did not, the laps are all there is.
        agree = len(self._printed) == len(self._lapped)
        self.piece.is_printed = bool(self._printed)
        self.piece.windows = self._lapped if agree or not self._printed else list(self._printed.values())

    def _session(self, match: "re.Match[str]") -> None:
        self._next()
        year, rest = match[1][:4], re.findall("..", match[1][4:])
        self.piece.local_time = f"{year}-{rest[0]}-{rest[1]}T{rest[2]}:{rest[3]}:{rest[4]}"

    def _next(self) -> None:
        self._close()
        if self.piece.says_something:
            self._pieces.append(
                Piece(self._source, self._form, model=self.piece.model, device=self.piece.device)
            )
        self._forget()

    def _model(self, match: "re.Match[str]") -> None:
        self.piece.model = match[1] or match[2]

    def _name(self, match: "re.Match[str]") -> None:
        self.piece.device = self.piece.device or text.one_line(match[1]).strip("[] ")

    def _input_bytes(self, match: "re.Match[str]") -> None:
        self.piece.input_bytes = integer(match[1])

    def _truth(self, match: "re.Match[str]") -> None:
        self._label = integer(match[1])

    def _infer(self, match: "re.Match[str]") -> None:
        self._inferences, self._laps = integer(match[1]), []

    def _lap(self, match: "re.Match[str]") -> None:
        if self._inferences is None:
            return
        self._laps.append(int(match[1]))
        if len(self._laps) == 2:
            window = Window(self._inferences, (self._laps[1] - self._laps[0]) / 1e6)
            is_clock_wrong = not 0 < window.wall_s <= MOST["wall_s"]
            if is_clock_wrong and self._inferences >= MIN_INFERENCES:
                self.problem("the clock stopped, jumped or went backwards within a window", "clock-backwards")
            elif window.is_performance:
                self._lapped.append(window)

    def _results(self, match: "re.Match[str]") -> None:
        label, self._label, self._inferences = self._label, None, None
        self.answer(label, match[1])

    def answer(self, label: int | None, written: str) -> None:
        """Keep what the device said to an input of a known class."""
        if label is None or label >= len(LABELS):
            return
        outputs = [_float(each) for each in written.split(",") if each.strip()]
        if len(outputs) == len(LABELS) and None not in outputs:
            self.piece.answers.append(Answer(label, tuple(each or 0.0 for each in outputs)))
        elif self.piece.task in (None, MODEL):
            self.invalid("results", f"{len(LABELS)} numbers, one for each class")

    def _performance(self, match: "re.Match[str]") -> None:
        if self._window == {} and match[1] == self._window_number:
            return
        self._close_window()
        self._window, self._window_number, self._window_line = {}, match[1], self._number

    def _part(self, name: str) -> Callable[["re.Match[str]"], None]:
        def act(match: "re.Match[str]") -> None:
            # Old logs of other tools have such lines on their own; a window begins with its heading.
            if self._window is None:
                return
            value = self.possible(integer(match[1]) if name == "inferences" else decimal(match[1]), name)
            if value is None:
                # The window is left out, and this message is enough.
                self._window = None
            else:
                self._window[name] = value

        return act

    def _close_window(self) -> None:
        window, self._window = self._window, None
        if window is None:
            return
        inferences, wall_s = window.get("inferences"), window.get("wall_s")
        # A fast device takes 0.000 s for an inference of accuracy mode.
        if not inferences or wall_s is None:
            self._problems.append(
                self._source.problem(
                    self._window_line, "a window without inferences or runtime", "window-incomplete", _CUT
                )
            )
            return
        window_here = Window(int(inferences), wall_s)
        known = self._printed.get(self._window_number)
        if known is not None and not known.agrees(window_here):
            # Results of another run follow.
            self._next()
        self._printed[self._window_number] = window_here

    def _median(self, match: "re.Match[str]") -> None:
        self._close_window()
        self.piece.median_per_s = self.number(match[1], "median_per_s")

    def _top1(self, match: "re.Match[str]") -> None:
        percent = self.number(match[1], "top1")
        if percent is not None and percent > 100:
            self.invalid("top1", "at most 100 %")
        elif percent is not None:
            self.piece.top1 = round(percent / 100, 8)

    def _auc(self, match: "re.Match[str]") -> None:
        value = self.number(match[1], "auc")
        if value is not None and value > 1:
            self.invalid("auc", "at most 1")
        elif value is not None:
            self.piece.auc = value

    def _energy_window(self, match: "re.Match[str]") -> None:
        wall_s = self.number(match[1], "wall_s")
        self.add_energy(**({} if wall_s is None else {"wall_s": wall_s}))

    def _energy_part(self, name: str, scale: float = 1.0) -> Callable[["re.Match[str]"], None]:
        def act(match: "re.Match[str]") -> None:
            value = self.number(match[1], name, scale)
            if value is not None and self._energy is not None:
                self._energy[name] = value

        return act

    def _close_energy(self) -> None:
        energy, self._energy = self._energy, None
        if energy is not None:
            names = ("wall_s", "energy_uj", "power_uw", "uj_per_inference")
            self.piece.energy.append(Energy(*(energy.get(each) for each in names)))

    def _median_energy(self, match: "re.Match[str]") -> None:
        self._close_energy()
        self.piece.median_uj = self.number(match[1], "median_uj")

    def _accuracy(self, match: "re.Match[str]") -> None:
        # All inputs, each once, with single inferences for windows.
        self.piece.is_accuracy = True

    def _warning(self, match: "re.Match[str]") -> None:
        self.piece.said.append(text.shorten(text.one_line(match[1]), 200))


def _float(written: str) -> float | None:
    """Read an output, which may be negative; None where it is no finite number."""
    try:
        value = float(written)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
