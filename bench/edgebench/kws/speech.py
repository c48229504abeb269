"""Google's Speech Commands, version 2, as training and test data of keyword spotting.

Twelve classes: ten words, silence, and everything else as "unknown". The split
is the data set's own (validation_list.txt, testing_list.txt).

Source: P. Warden, "Speech Commands" (arXiv:1804.03209) for the data and its
split; the reference training of MLPerf Tiny for noise and normalisation.
"""

import os
import wave
from collections import namedtuple

import numpy

from edgebench.errors import DataError, UsageError
from edgebench.kws import mfcc
from edgebench.kws.inputs import LABELS

HOMEPAGE = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
NOISE_FOLDER = "_background_noise_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
WORDS = LABELS[:10]
SILENCE, UNKNOWN = LABELS.index("silence"), LABELS.index("unknown")

_NOISE_SHARE = 0.8
_LOUDEST_NOISE = 0.1
_LONGEST_SHIFT_SAMPLES = 1600
# Where a noise file is cut: what trains is never what tests.
_NOISE_PARTS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
_HEADER_BYTES = 44

Clip = namedtuple("Clip", "path label")
Clip.__doc__ = (
    """One recording: its file, None for silence, which is cut out of the noise; the index of its label."""
)


class Speech:
    """The data set in ``folder``: the official archive, unpacked.

    clips: {"train", "validation", "test": list of Clip}. Training takes every
    other word as unknown, as the reference does; validation and test take as
    many of unknown, and of silence, as there are of a word on average, as the
    official test set does. Raises UsageError for a folder that does not exist,
    DataError for one whose content is not the data set or not whole.
    """

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self._noise = self._read_noise()
        listed = {part: self._read_list(name) for part, name in LISTS.items()}
        self.clips = {part: [] for part in _NOISE_PARTS}  # type: ignore[var-annotated]
        for word, names in sorted(self._find_words().items()):
            label = WORDS.index(word) if word in WORDS else UNKNOWN
            for name in names:
                clip = Clip(os.path.join(self.folder, word, name), label)
                key = word + "/" + name
                part = next((part for part in LISTS if key in listed[part]), "train")
                listed.get(part, set()).discard(key)
                self.clips[part].append(clip)
        for part, left in sorted(listed.items()):
            if left:
                raise DataError(
                    "{} lists {} files that are missing in {}, the first is {}. Unpack the whole archive again.".format(
                        LISTS[part], len(left), self.folder, min(left)
                    ),
                    "speech-files-missing",
                )
        self._balance()

    def _entries(self):
        try:
            return sorted(os.listdir(self.folder))
        except (IOError, OSError) as error:
            raise UsageError(
                "{} is unreadable ({}). Name the folder of the unpacked Speech Commands archive ({}) with "
                "--data-dir.".format(self.folder, error.strerror, HOMEPAGE),
                "speech-folder-unreadable",
            )

    def _find_words(self):
        found = {}
        for word in self._entries():
            folder = os.path.join(self.folder, word)
            if word[0] in "._" or not os.path.isdir(folder):
                continue
            names = sorted(name for name in os.listdir(folder) if name.endswith(".wav"))
            for name in names:
                path = os.path.join(folder, name)
                if os.path.getsize(path) <= _HEADER_BYTES:
                    raise _no_sound(path)
            if names:
                found[word] = names
        missing = [word for word in WORDS if word not in found]
        if missing:
            raise self._not_the_set("speech-words-missing", "no recordings of " + ", ".join(missing))
        if len(found) == len(WORDS):
            raise self._not_the_set(
                "speech-other-words-missing", "no words but the ten; others are needed to train unknown words"
            )
        return found

    def _not_the_set(self, code, what):
        return DataError(
            "{} is not Speech Commands version 2: it has {}. Name the folder of the unpacked archive ({}), which "
            "has a folder of .wav files for each word.".format(self.folder, what, HOMEPAGE),
            code,
        )

    def _read_list(self, name):
        try:
            with open(os.path.join(self.folder, name)) as handle:
                return {line.strip() for line in handle if line.strip()}
        except (IOError, OSError, ValueError):
            raise self._not_the_set("speech-list-missing", "no readable " + name)

    def _read_noise(self):
        self._entries()
        folder = os.path.join(self.folder, NOISE_FOLDER)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        sounds = [read_wav(os.path.join(folder, name)) for name in names if name.endswith(".wav")]
        # The shortest part is a tenth, and a second has to fit into it.
        long_enough = [sound for sound in sounds if len(sound) >= 11 * mfcc.SAMPLES]
        if not long_enough:
            raise self._not_the_set(
                "speech-noise-missing",
                "no noise of 11 s or more in {}, which is needed to train silence".format(NOISE_FOLDER),
            )
        return long_enough

    def _balance(self):
        random = numpy.random.RandomState(0)
        for part, clips in self.clips.items():
            words = [clip for clip in clips if clip.label != UNKNOWN]
            others = [clip for clip in clips if clip.label == UNKNOWN]
            for label, word in enumerate(WORDS):
                if not any(clip.label == label for clip in words):
                    raise self._not_the_set("speech-part-empty", "no {} recordings of {}".format(part, word))
            if not others:
                raise self._not_the_set("speech-part-empty", "no {} recordings of other words".format(part))
            each = -(-len(words) // len(WORDS))
            if part != "train" and len(others) > each:
                others = [others[row] for row in sorted(random.permutation(len(others))[:each])]
            self.clips[part] = words + others + [Clip(None, SILENCE)] * each

    def features(self, part, random=None):
        """Return (x, y) of a whole part, float32 (n, 49, 10, 1) and int labels (n,), as it is, without distortion."""
        clips = self.clips[part]
        random = random or numpy.random.RandomState(1)
        x = numpy.empty((len(clips), mfcc.FRAMES, mfcc.COEFFICIENTS, 1), numpy.float32)
        for start in range(0, len(clips), 256):
            rows = clips[start : start + 256]
            x[start : start + 256] = mfcc.features([self._sound(clip, part, random) for clip in rows])
        return x, numpy.array([clip.label for clip in clips])

    def distorted(self, rows, random):
        """Return (x, y) of these rows of the training clips, each moved in time and mixed with noise by chance.

        Moved by up to 100 ms either way, with zeros for what is missing; noise of
        up to a tenth of full volume is added to four in five. random: a
        numpy.random.RandomState.
        """
        clips = [self.clips["train"][row] for row in rows]
        sounds = []
        for clip in clips:
            sound = shifted(
                self._sound(clip, "train", random),
                random.randint(-_LONGEST_SHIFT_SAMPLES, _LONGEST_SHIFT_SAMPLES + 1),
            )
            if random.uniform() < _NOISE_SHARE:
                noise = self._noise_second("train", random) / numpy.float32(32768)
                sound = numpy.clip(sound + noise * random.uniform(0, _LOUDEST_NOISE), -1, 1)
            sounds.append(sound)
        return mfcc.features(sounds), numpy.array([clip.label for clip in clips])

    def _sound(self, clip, part, random):
        return mfcc.normalized(self._noise_second(part, random) if clip.path is None else read_wav(clip.path))

    def _noise_second(self, part, random):
        noise = self._noise[random.randint(len(self._noise))]
        first, last = (int(share * len(noise)) for share in _NOISE_PARTS[part])
        start = random.randint(first, last - mfcc.SAMPLES + 1)
        return noise[start : start + mfcc.SAMPLES]


def shifted(sound, samples):
    """Return the sound moved later by ``samples`` (earlier where below 0), zeros where nothing is left."""
    moved = numpy.zeros_like(sound)
    if samples >= 0:
        moved[samples:] = sound[: len(sound) - samples]
    else:
        moved[:samples] = sound[-samples:]
    return moved


def read_wav(path):
    """Return the int16 samples (n,) of a .wav file of one channel, 16 bits and 16 kHz. Raises DataError."""
    try:
        with wave.open(path, "rb") as sound:
            form = sound.getnchannels(), 8 * sound.getsampwidth(), sound.getframerate()
            content = sound.readframes(sound.getnframes())
    # RuntimeError: a chunk that says it ends before it begins.
    except (IOError, OSError, EOFError, RuntimeError, wave.Error) as error:
        raise DataError(
            "{} is not a readable .wav file ({}). Unpack the archive again.".format(
                path, str(error) or "it is truncated"
            ),
            "recording-unreadable",
        )
    if form != (1, 16, mfcc.RATE_HZ):
        raise DataError(
            "{} has {} channels of {} bits at {} Hz, expected 1 channel of 16 bits at {} Hz. Unpack the archive "
            "again.".format(path, form[0], form[1], form[2], mfcc.RATE_HZ),
            "recording-format-wrong",
        )
    # A file that is cut short may end in the middle of a sample.
    samples = numpy.frombuffer(content[: len(content) // 2 * 2], "<i2")
    if not len(samples):
        raise _no_sound(path)
    return samples


def _no_sound(path):
    return DataError("{} holds no sound. Unpack the archive again.".format(path), "recording-empty")
