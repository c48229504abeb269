"""Speech Commands as it should be, and all the ways in which a folder is not that."""

import wave
from collections import Counter
from pathlib import Path

import numpy
import pytest
from edgebench.errors import DataError, UsageError
from edgebench.kws import speech

WORDS = (*speech.WORDS, "bed", "cat", "dog")


def _wav(path: Path, samples: int = 800, rate: int = 16000, channels: int = 1, width: int = 2) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as handle:
        handle.setnchannels(channels)
        handle.setsampwidth(width)
        handle.setframerate(rate)
        handle.writeframes(bytes(range(1, 101)) * (samples * channels * width // 100 + 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three training, one validation and one test recording of each of 13 words, and 16 s of noise."""
    for word in WORDS:
        for name in "abcde":
            _wav(tmp_path / word / f"{name}.wav")
    (tmp_path / "validation_list.txt").write_text("".join(f"{word}/d.wav\n" for word in WORDS))
    (tmp_path / "testing_list.txt").write_text("".join(f"{word}/e.wav\n" for word in WORDS))
    _wav(tmp_path / "_background_noise_" / "hum.wav", samples=16 * 16000)
    return tmp_path


def test_the_split_is_the_data_sets_own(folder: Path) -> None:
    found = speech.Speech(folder)
    for part, names, each, unknown in (
        ("train", "abc", 3, 9),
        ("validation", "d", 1, 1),
        ("test", "e", 1, 1),
    ):
        clips = found.clips[part]
        counts = Counter(clip.label for clip in clips)
        assert counts == {**dict.fromkeys(range(10), each), speech.UNKNOWN: unknown, speech.SILENCE: each}
        assert {Path(clip.path).stem for clip in clips if clip.path} == set(names)


def test_features_of_a_part_are_the_same_each_time(folder: Path) -> None:
    found = speech.Speech(folder)
    x, y = found.features("test")
    assert x.shape == (12, 49, 10, 1)
    assert numpy.isfinite(x).all()
    assert sorted(y.tolist()) == list(range(12))
    assert numpy.array_equal(x, found.features("test")[0])


def test_training_sounds_differ_each_time_and_by_seed_alone(folder: Path) -> None:
    found = speech.Speech(folder)
    rows = range(len(found.clips["train"]))
    one, again, other = (found.distorted(rows, numpy.random.RandomState(seed))[0] for seed in (1, 1, 2))
    assert numpy.array_equal(one, again)
    assert not numpy.array_equal(one, other)
    assert numpy.isfinite(one).all()


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"/none .*speech_commands_v0\.02\.tar\.gz.*--data-dir") as caught:
        speech.Speech(tmp_path / "none")
    assert caught.value.code == "speech-folder-unreadable"


def _without_word(folder: Path) -> None:
    (folder / "stop").rename(folder / "halt")


def _without_others(folder: Path) -> None:
    for word in WORDS[10:]:
        (folder / word).rename(folder / f"_{word}")
    for name in ("validation_list.txt", "testing_list.txt"):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join(lines[:10]))


def _without_list(folder: Path) -> None:
    (folder / "testing_list.txt").unlink()


def _without_noise(folder: Path) -> None:
    (folder / "_background_noise_" / "hum.wav").unlink()


def _with_short_noise(folder: Path) -> None:
    _wav(folder / "_background_noise_" / "hum.wav", samples=16000)


def _with_a_listed_file_missing(folder: Path) -> None:
    (folder / "yes" / "e.wav").unlink()


def _with_an_empty_file(folder: Path) -> None:
    (folder / "go" / "a.wav").write_bytes(b"")


def _without_training_files(folder: Path) -> None:
    for name in "abc":
        (folder / "up" / f"{name}.wav").unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "told"),
    [
        (_without_word, "speech-words-missing", r"\bstop\b"),
        (_without_others, "speech-other-words-missing", "speech_commands_v0"),
        (_without_list, "speech-list-missing", r"\btesting_list\.txt"),
        (_without_noise, "speech-noise-missing", "11 s.*_background_noise_"),
        (_with_short_noise, "speech-noise-missing", "11 s.*_background_noise_"),
        (_with_a_listed_file_missing, "speech-files-missing", r"testing_list\.txt .*\b1\b.*yes/e\.wav"),
        (_with_an_empty_file, "recording-empty", r"go/a\.wav"),
        (_without_training_files, "speech-part-empty", r"\btrain\b.*\bup\b"),
    ],
)
def test_what_is_not_the_data_set_is_refused(folder: Path, spoil, code: str, told: str) -> None:  # type: ignore[no-untyped-def]
    spoil(folder)
    with pytest.raises(DataError, match=told) as caught:
        speech.Speech(folder)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"rate": 8000}, r"\b1\b.*\b16\b.*\b8000 Hz"),
        ({"channels": 2}, r"\b2\b.*\b16\b.*\b16000 Hz"),
        ({"width": 1}, r"\b1\b.*\b8\b.*\b16000 Hz"),
    ],
)
def test_a_recording_of_another_form_is_refused(tmp_path: Path, options: dict[str, int], told: str) -> None:
    _wav(tmp_path / "a" / "x.wav", **options)
    with pytest.raises(DataError, match=rf"x\.wav .*{told}") as caught:
        speech.read_wav(str(tmp_path / "a" / "x.wav"))
    assert caught.value.code == "recording-format-wrong"


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all, but long enough to be one", bytes(100)])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.wav") as caught:
        speech.read_wav(str(tmp_path / "x.wav"))
    assert caught.value.code == "recording-unreadable"


def test_a_recording_cut_in_a_sample_is_read_to_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.wav"
    _wav(path)
    path.write_bytes(path.read_bytes()[:-3])
    assert len(speech.read_wav(str(path))) > 700
