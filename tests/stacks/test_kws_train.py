"""Keyword spotting trained for real, on tones in place of words, laid out as Speech Commands is."""

import json
import os
import re
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.messages import codes
from tests.stacks import environments
from tests.stacks.conftest import stack_python

pytestmark = [pytest.mark.stacks, environments.needed("py36-tf1.5.0")]

WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
OTHERS = ("bed", "cat")
TRAIN, HELD_BACK = 24, 4


def _write(path: Path, sound: numpy.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as handle:
        handle.setnchannels(1)
        handle.setsampwidth(2)
        handle.setframerate(16000)
        handle.writeframes(sound.astype("<i2").tobytes())


@pytest.fixture(scope="module")
def speech_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each word is a tone of its own that swells and dies down, other words are chords; some last less than 1 s."""
    folder = tmp_path_factory.mktemp("data") / "speech_commands"
    random = numpy.random.default_rng(4)
    held_back: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for number, word in enumerate(WORDS + OTHERS):
        for index in range(TRAIN + 2 * HELD_BACK):
            samples = 16000 - 1500 * (index % 3)
            time_s = numpy.arange(samples) / 16000
            tones = [250 * 1.3**number] if word in WORDS else [400, 1300, 2900]
            tones = [tone * random.uniform(0.98, 1.02) for tone in tones]
            sound = sum(numpy.sin(2 * numpy.pi * tone * time_s) for tone in tones)
            sound = sound * numpy.sin(numpy.pi * time_s / time_s[-1]) + random.normal(0, 0.02, samples)
            name = f"{index:08x}_nohash_0.wav"
            _write(folder / word / name, sound * 5000)
            if index >= TRAIN:
                kind = "validation_list.txt" if index % 2 else "testing_list.txt"
                held_back[kind].append(f"{word}/{name}")
    for kind, names in held_back.items():
        (folder / kind).write_text("\n".join(names) + "\n")
    _write(folder / "_background_noise_" / "hiss.wav", random.normal(0, 600, 16000 * 15))
    (folder / "_background_noise_" / "README.md").write_text("noise\n")
    return folder


def _train(stack: str, zipapp: Path, home: Path, *arguments: str | Path) -> tuple[int, str, dict[str, Any]]:
    command: list[str | Path] = [stack_python(stack), zipapp, "kws", "train", "--json", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "EDGEBENCH_DATA_DIR"}
    environment.update(EDGEBENCH_HOME=str(home), TF_CPP_MIN_LOG_LEVEL="3")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200)
    return done.returncode, done.stderr, json.loads(done.stdout) if done.stdout else {}


@pytest.mark.parametrize("stack", ["py311-tf2.21.0", "py36-tf1.5.0"])
def test_a_network_learns_tones(stack: str, zipapp: Path, speech_commands: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.npz"
    code, errors, told = _train(
        stack,
        zipapp,
        tmp_path,
        "--data-dir",
        speech_commands,
        "--epochs",
        "12",
        "--batch",
        "8",
        "--out",
        weights,
    )
    assert told, errors
    # One in twelve is chance.
    assert told["top1"] > 0.5, errors
    assert code == (0 if told["top1"] >= 0.9 else 1)
    assert told["train_samples"] == TRAIN * (len(WORDS) + len(OTHERS) + 1)
    assert told["samples"] == HELD_BACK * (len(WORDS) + 1 + 1)
    losses = [epoch["loss"] for epoch in told["epochs"]]
    assert len(losses) == 12
    assert losses[-1] < losses[0] / 1.5
    with numpy.load(weights) as archive:
        assert sum(archive[name].size for name in archive.files) == 24908
    assert not (tmp_path / "weights.npz.part").exists()


def _epochs_in(said: str) -> list[int]:
    """The epochs whose loss a training has told."""
    return [int(number) for number in re.findall(r"epoch (\d+)\b.* loss \d", said)]


def test_a_training_that_was_stopped_goes_on_after_its_last_epoch(
    zipapp: Path, speech_commands: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.npz"
    command: list[str | Path] = [stack_python("py311-tf2.21.0"), zipapp, "kws", "train"]
    command += ["--data-dir", speech_commands.parent, "--epochs", "4", "--out", weights]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stderr is not None
    for line in process.stderr:
        if _epochs_in(line) == [2]:
            process.kill()
    process.wait(timeout=60)
    assert not weights.exists()
    code, errors, told = _train(
        "py311-tf2.21.0", zipapp, tmp_path, "--data-dir", speech_commands, "--epochs", "4", "--out", weights
    )
    assert code == 1, errors
    assert "training-resumed" in codes(errors)
    assert 2 not in _epochs_in(errors)
    assert 4 in _epochs_in(errors)
    assert len(told["epochs"]) == 4
    assert weights.exists()


def test_what_is_no_data_set_is_refused_before_anything_is_loaded(zipapp: Path, tmp_path: Path) -> None:
    code, errors, told = _train("py311-tf2.21.0", zipapp, tmp_path, "--data-dir", tmp_path)
    assert (code, told) == (2, {})
    assert codes(errors) == ["speech-noise-missing"]
    assert str(tmp_path) in errors


def test_a_trained_network_is_converted_when_that_is_asked_for(
    zipapp: Path, speech_commands: Path, data_dir: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "data"
    cache.mkdir()
    (cache / "kws01").symlink_to(data_dir / "kws01")
    out = tmp_path / "converted"
    code, errors, told = _train(
        "py311-tf2.21.0",
        zipapp,
        tmp_path,
        *(
            "--data-dir",
            speech_commands,
            "--epochs",
            "1",
            "--out",
            tmp_path / "weights.npz",
            "--convert",
            out,
        ),
    )
    assert code == 1, errors
    index = json.loads((out / "converted.json").read_text())
    assert index["weights"] == "trained"
    assert index["source_sha256"] == told["sha256"]
    assert "kws_int8.tflite" in index["files"]
