"""IMDB and Reuters: texts as lists of word ranks, kept flat; reading Keras' npz files; synthetic stand-ins.

Conventions of Keras' loaders: rank 1 starts each text, 2 stands for a word
beyond the vocabulary, words count from 4 on, the texts are shuffled with seed
113, and Reuters keeps the first 80 % for training.
"""

import numpy

from edgebench.data import bounded, npz
from edgebench.errors import DataError

VOCABULARY = 10000
IMDB_SAMPLES = 25000
REUTERS_TRAIN_SAMPLES = 8982
REUTERS_TEST_SAMPLES = 2246
REUTERS_CLASSES = 46
_START, _UNKNOWN, _FIRST_WORD = 1, 2, 3
_SHUFFLE_SEED = 113

# Wires per class in the training split, as the loader of Keras deals them out.
_REUTERS_CLASS_SIZES = (
    55,
    432,
    74,
    3159,
    1949,
    17,
    48,
    16,
    139,
    101,
    124,
    390,
    49,
    172,
    26,
    20,
    444,
    39,
    66,
    549,
    269,
    100,
    15,
) + (41, 62, 92, 24, 15, 48, 19, 45, 39, 32, 11, 50, 10, 49, 19, 19, 24, 36, 30, 13, 21, 12, 18)


class Texts:
    """Texts laid end to end: ``words`` uint16 (all,), ``starts`` int64 (n + 1,).

    Text i is words[starts[i] : starts[i + 1]].
    """

    def __init__(self, words, starts):
        self.words = words
        self.starts = starts

    def __len__(self):
        return len(self.starts) - 1

    @classmethod
    def of(cls, ranked):
        """Lay out sequences of word ranks (1 is the most frequent word) as Keras counts them."""
        lengths = [len(each) + 1 for each in ranked]
        starts = numpy.concatenate([[0], numpy.cumsum(lengths)]).astype(numpy.int64)
        words = numpy.full(starts[-1], _START, numpy.uint16)
        for start, each in zip(starts, ranked):
            ranks = numpy.asarray(each, numpy.int64) + _FIRST_WORD
            words[start + 1 : start + 1 + len(ranks)] = numpy.where(ranks < VOCABULARY, ranks, _UNKNOWN)
        return cls(words, starts)

    def head(self, count):
        """Return the first ``count`` texts."""
        return Texts(self.words[: self.starts[count]], self.starts[: count + 1])

    def multi_hot(self, rows, out):
        """Set ``out`` (len(rows), VOCABULARY), any number type, to 1 where text ``rows[i]`` holds word j, else 0."""
        out[...] = 0
        lengths = self.starts[rows + 1] - self.starts[rows]
        ends = numpy.cumsum(lengths)
        positions = numpy.arange(ends[-1]) + numpy.repeat(self.starts[rows] - ends + lengths, lengths)
        out[numpy.repeat(numpy.arange(len(rows)), lengths), self.words[positions]] = 1
        return out

    def last_words(self, length):
        """Return int32 (n, length): the last ``length`` words of each text, zeros before shorter ones."""
        out = numpy.zeros((len(self), length), numpy.int32)
        for row in range(len(self)):
            tail = self.words[max(self.starts[row], self.starts[row + 1] - length) : self.starts[row + 1]]
            out[row, length - len(tail) :] = tail
        return out


def load_imdb(found):
    """Return ((texts, labels), (texts, labels)): Texts of 25,000 reviews each, labels uint8 (25000,), 1 is positive."""
    path = found.paths["imdb.npz"]
    shuffle = numpy.random.RandomState(_SHUFFLE_SEED)
    with bounded.refusing(path):
        return tuple(_imdb_half(half, path, shuffle) for half in ("train", "test"))


def _imdb_half(half, path, shuffle):
    texts, labels = npz.read(path, ["x_" + half, "y_" + half])
    if len(texts) != len(labels):
        raise DataError(
            "{}: x_{} has {} texts, but y_{} has {} labels. Download it again.".format(
                path, half, len(texts), half, len(labels)
            ),
            "imdb-labels-wrong",
        )
    order = numpy.arange(len(texts))
    shuffle.shuffle(order)
    return Texts.of(texts[order]), labels[order].astype(numpy.uint8)


def load_reuters(found):
    """Return ((texts, labels), (texts, labels)) of 8,982 and 2,246 wires; labels uint8, 0 to 45. Raises DataError."""
    path = found.paths["reuters.npz"]
    texts, labels = npz.read(path, ["x", "y"])
    if len(texts) != REUTERS_TRAIN_SAMPLES + REUTERS_TEST_SAMPLES:
        raise DataError(
            "{} has {} wires, expected 11228. Download it again.".format(path, len(texts)),
            "reuters-size-wrong",
        )
    order = numpy.arange(len(texts))
    numpy.random.RandomState(_SHUFFLE_SEED).shuffle(order)
    train, test = order[:REUTERS_TRAIN_SAMPLES], order[REUTERS_TRAIN_SAMPLES:]
    with bounded.refusing(path):
        return tuple((Texts.of(texts[rows]), labels[rows].astype(numpy.uint8)) for rows in (train, test))


def synthetic_imdb(random, train_samples, test_samples):
    """Return stand-ins like ``load_imdb``: lengths log-normal (median 178, mean 238), words by Zipf's law."""
    draw = _Writer(random, median_words=178, sigma=0.76, longest=2494, topics=2, topic_share=0.035)
    return tuple(
        draw.texts(random.randint(0, 2, n).astype(numpy.uint8)) for n in (train_samples, test_samples)
    )


def synthetic_reuters(random, train_samples, test_samples):
    """Return stand-ins shaped like ``load_reuters``: lengths log-normal (median 95, mean 146), the real class sizes."""
    draw = _Writer(
        random, median_words=95, sigma=0.93, longest=2376, topics=REUTERS_CLASSES, topic_share=0.04
    )
    shares = numpy.array(_REUTERS_CLASS_SIZES, numpy.float64) / sum(_REUTERS_CLASS_SIZES)
    return tuple(
        draw.texts(random.choice(REUTERS_CLASSES, n, p=shares).astype(numpy.uint8))
        for n in (train_samples, test_samples)
    )


class _Writer:
    """Writes texts of random words; ``topic_share`` of the words come from the topic's own 150 words."""

    _TOPIC_WORDS = 150

    def __init__(self, random, median_words, sigma, longest, topics, topic_share):
        self._random = random
        self._length = (numpy.log(median_words), sigma, longest)
        ranks = numpy.arange(1, VOCABULARY - _FIRST_WORD)
        self._cumulative = numpy.cumsum(1.0 / ranks)
        self._topic_words = random.randint(_FIRST_WORD + 200, VOCABULARY, (topics, self._TOPIC_WORDS))
        self._topic_share = topic_share

    def texts(self, labels):
        mean, sigma, longest = self._length
        lengths = (
            numpy.exp(self._random.normal(mean, sigma, len(labels))).clip(11, longest).astype(numpy.int64)
        )
        starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
        total = starts[-1]
        uniform = self._random.random_sample(total) * self._cumulative[-1]
        words = (numpy.searchsorted(self._cumulative, uniform) + _FIRST_WORD + 1).clip(0, VOCABULARY - 1)
        on_topic = self._random.random_sample(total) < self._topic_share
        topics = numpy.repeat(labels, lengths)[on_topic]
        words[on_topic] = self._topic_words[topics, self._random.randint(0, self._TOPIC_WORDS, topics.size)]
        words[starts[:-1]] = _START
        return Texts(words.astype(numpy.uint16), starts), labels
