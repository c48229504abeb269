"""Dogs vs Cats: Kaggle's folder of JPEG files, and a synthetic stand-in.

As in the 2019 report the classes are equal in number, and the images with the
lowest numbers train, the next ones test. An image that cannot be decoded is
named in a warning and the next one of its class takes its place.
"""

import hashlib
import io
import re

import numpy

from edgebench.data import bounded
from edgebench.errors import DataError

SIDE = 150
_CAT, _DOG = 0, 1
# The largest of Kaggle's has a megapixel and half a megabyte.
_MOST_PIXELS = 50 * 10**6
_MOST_BYTES = 64 << 20
# JPEG, and what else lies among PetImages under the name of one. Pillow knows a hundred forms more.
_BEGINNINGS = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM")


def load(found, train_samples, test_samples, warnings):
    """Return ((x, y), (x, y)): x uint8 (n, 150, 150, 3), y uint8 (n,), 1 is a dog. Raises DataError."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "Pillow, which reads the images, is not installed for this Python. Provision the host again, or run "
            "pip install pillow.",
            "pillow-missing",
        )
    hashes = {}
    classes = []
    for word in ("cat", "dog"):
        wanted = (train_samples + test_samples) // 2
        names = sorted((n for n in found.paths if _class_of(n) == word), key=_number)
        images = []  # type: ignore[var-annotated]
        for name in names:
            if len(images) == wanted:
                break
            content, image = _read(Image, found.paths[name])
            if image is None:
                warnings.append("{} is not a readable image and was skipped".format(found.paths[name]))
                continue
            images.append(image)
            hashes[name] = hashlib.sha256(content).hexdigest()
        if len(images) < wanted:
            raise DataError(
                "{} of {} {} images are readable, the run needs {}. {}".format(
                    len(images),
                    len(names),
                    word,
                    wanted,
                    "; ".join(warnings[:3]) or "Download the data set again: it lacks files.",
                ),
                "images-too-few",
            )
        classes.append(images)
    found.used(hashes)
    split = train_samples // 2
    return _both(classes, slice(0, split)), _both(classes, slice(split, None))


def _class_of(name):
    return "cat" if re.search(r"(^|/)cat[./]", name, re.IGNORECASE) else "dog"


def _number(name):
    return int(re.sub(r"\D", "", name.rsplit("/", 1)[-1]) or 0)


def _read(image_module, path):
    """Return (content, image), both None where there is none to be had."""
    try:
        with bounded.refusing(path):
            content = bounded.read_file(path, _MOST_BYTES)
            return content, _decoded(image_module, content)
    except DataError:
        return None, None


def _decoded(image_module, content):
    if not content.startswith(_BEGINNINGS):
        return None
    with image_module.open(io.BytesIO(content)) as image:
        # Known before anything is unpacked.
        if image.size[0] * image.size[1] > _MOST_PIXELS:
            return None
        # Nearest neighbour is what Keras' flow_from_directory used when the report was made.
        return numpy.asarray(image.convert("RGB").resize((SIDE, SIDE), image_module.NEAREST))


def _both(classes, part):
    cats, dogs = classes[_CAT][part], classes[_DOG][part]
    labels = numpy.array([_CAT] * len(cats) + [_DOG] * len(dogs), numpy.uint8)
    return numpy.stack(cats + dogs), labels


def synthetic(random, train_samples, test_samples):
    """Return stand-ins shaped like ``load``: coloured noise, coarse for one class and fine for the other."""
    return _textures(random, train_samples), _textures(random, test_samples)


def _textures(random, samples):
    labels = (numpy.arange(samples) % 2).astype(numpy.uint8)
    images = numpy.empty((samples, SIDE, SIDE, 3), numpy.uint8)
    for row, label in enumerate(labels):
        grain = 10 if label == _CAT else 6
        coarse = random.randint(0, 256, (SIDE // grain, SIDE // grain, 3)).astype(numpy.uint8)
        images[row] = numpy.repeat(numpy.repeat(coarse, grain, 0), grain, 1)
    return images, labels
