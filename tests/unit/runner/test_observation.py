"""A run's series: taken beside a real process, named, and told in the record."""

import functools
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from edgebench import observation, recording, records
from edgebench.data import files
from edgebench.telemetry import sampling

from tests.unit.runner.builders import inference_record, run_record

METER = "#!/bin/sh\nwhile echo '{\"power_w\": 4}'; do sleep 0.05; done\n"


def observed(folder: Path, record: dict[str, Any], seconds: float = 0.3, **options: Any) -> dict[str, Any]:
    """Return the record of a process that did nothing for a while, with what was seen meanwhile."""
    seen = observation.Observation(str(folder), "mnist_1d.1.1", **options)
    with seen:
        began_s = time.monotonic()
        subprocess.run([sys.executable, "-c", f"import time; time.sleep({seconds})"], check=True)
        ended_s = time.monotonic()
        seen.spans[observation.JUDGED[record["record"]]] = (began_s, ended_s)
    seen.put_into(record)
    if record["telemetry"]:
        phase = record["telemetry"]["phases"][record["telemetry"]["judged"]]
        assert phase["duration_s"] == pytest.approx(ended_s - began_s)
    records.validate(recording.explained(record), "here")
    return record


def test_a_run_has_its_series_and_a_summary(tmp_path: Path) -> None:
    folder = Path(observation.folder_of(str(tmp_path / "frodo.jsonl")))
    assert folder == tmp_path / "frodo.telemetry"
    told = observed(folder, run_record(schema=2))["telemetry"]
    assert told["judged"] == "train"
    assert told["series"]["file"] == "mnist_1d.1.1.jsonl"
    assert told["series"]["sha256"] == files.sha256_of(str(folder / told["series"]["file"]))
    assert told["sampler"]["share_of_core"] >= 0
    assert "energy_per_inference_j" not in told


def test_energy_of_an_inference_is_that_of_its_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = functools.partial(sampling.Sampling, interval_s=0.1)
    monkeypatch.setattr(observation.sampling, "Sampling", often)
    meter = tmp_path / "meter.sh"
    meter.write_text(METER)
    meter.chmod(0o755)
    windows = [{"inferences": 50, "wall_s": 1.0, "throughput_per_s": 50.0}] * 2
    record = observed(tmp_path / "t", inference_record(windows=windows), 1.2, meters=[str(meter)])
    told = record["telemetry"]
    # 4 W for about a second, a hundred inferences.
    assert told["phases"]["windows"]["energy"]["mean_w"] == pytest.approx(4.0)
    assert told["energy_per_inference_j"] == pytest.approx(
        4.0 * told["phases"]["windows"]["duration_s"] / 100
    )


def test_without_a_meter_the_energy_of_an_inference_is_explained(tmp_path: Path) -> None:
    record = observed(tmp_path, inference_record())
    if record["telemetry"]["energy_per_inference_j"] is None:
        assert record["missing"]["telemetry.energy_per_inference_j"]


def test_a_run_that_was_killed_is_judged_as_a_whole(tmp_path: Path) -> None:
    record = run_record(schema=2, status="oom", reason="killed")
    with observation.Observation(str(tmp_path), "x.1.1") as seen:
        pass
    seen.put_into(record)
    assert record["telemetry"]["judged"] == "run"


def test_the_series_of_a_run_without_a_record_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "mnist_1d.1.1.jsonl").write_text("unrecorded")
    told = observed(tmp_path, run_record(schema=2))["telemetry"]
    assert told["series"]["file"] == "mnist_1d.1.1.jsonl"
    assert (tmp_path / "mnist_1d.1.1.unrecorded.jsonl").read_text() == "unrecorded"


def test_what_cannot_be_written_is_a_reason_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    record = observed(tmp_path / "taken", run_record(schema=2))
    assert record["telemetry"] is None
    assert str(tmp_path / "taken") in record["missing"]["telemetry"]


def test_a_series_that_is_spoilt_is_a_reason_and_no_error(tmp_path: Path) -> None:
    record = run_record(schema=2)
    with observation.Observation(str(tmp_path), "x.1.1") as seen:
        pass
    (tmp_path / "x.1.1.jsonl").write_text("{}\n")
    seen.put_into(record)
    assert record["telemetry"] is None
    assert re.match(rf"{tmp_path}/x\.1\.1\.jsonl .*\"telemetry\": 1$", record["missing"]["telemetry"])


def test_off_is_said(tmp_path: Path) -> None:
    record = run_record(schema=2)
    with observation.Observation(None, "x.1.1") as seen:
        pass
    seen.put_into(record)
    assert record["telemetry"] is None
    assert "--no-telemetry" in record["missing"]["telemetry"]


@pytest.mark.parametrize(
    ("telemetry", "kinds", "words"),
    [
        (None, [], ""),
        ({}, [], ""),
        ({"disturbed": ["load"], "warnings": ["a", "b"]}, ["load"], "a; b"),
    ],
)
def test_disturbances_of_a_record(telemetry: Any, kinds: list[str], words: str) -> None:
    record = run_record(telemetry=telemetry)
    assert (observation.disturbances(record), observation.words(record)) == (kinds, words)


@pytest.mark.parametrize(
    "wrong",
    [
        {"disturbed": ["<b>"]},
        {"warnings": "x"},
        {"phases": {"train": {"energy": {"total_j": 1e300}}}},
        {"series": {"file": "../../etc/passwd"}},
        {"series": {"file": "a/b"}},
    ],
)
def test_telemetry_that_is_none_is_no_record(wrong: dict[str, Any]) -> None:
    with pytest.raises(records.RecordError, match=r"record\.telemetry"):
        records.validate(json.loads(json.dumps(run_record(schema=2, telemetry=wrong))), "here")
