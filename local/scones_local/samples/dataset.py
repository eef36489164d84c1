"""Write sample pictures as folders: a dataset to train on, photos to upload, and what they are."""

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from scones.classes import NONE_OF_THE_CLASSES
from scones_local.samples.bicycles import Bicycle
from scones_local.samples.encodings import ENCODINGS, plain_jpeg, plain_png
from scones_local.samples.invalid_files import INVALID_FILES
from scones_local.samples.motorcycles import Motorcycle
from scones_local.samples.other_subjects import OTHERS
from scones_local.samples.rendering import choose_size, render_photo
from scones_local.samples.subjects import Subject

CLASSES: dict[str, Callable[[random.Random], Subject]] = {
    "bicycle": Bicycle.design,
    "motorcycle": Motorcycle.design,
}
OTHER = "neither"
INVALID_FILE = "not-a-photo"

DECIDED_STATUSES = ("classified", "needs_review")
REVIEW_STATUSES = ("needs_review",)
REJECTED_STATUSES = ("rejected",)

# Longest side in pixels. A training picture need not be larger than what models look at.
_DATASET_PIXELS = (256, 384)
_PHOTO_PIXELS = (240, 1600)

_JPEG_SHARE = 0.7

# One photo in this many shows neither class, and as many are no photos.
_UNUSUAL_SHARE = 7

# Every name holds what an object key may hold and careless code trips over: spaces, signs
# that URLs give a meaning, brackets, other alphabets. None has letters that macOS would
# store differently (é as e and an accent), so that a name read back is the name written.
_NAMES = (
    "IMG_{:04}",
    "my ride {}",
    "lock+chain {}",
    "[new] photo ({})",
    "50% off {}",
    "%20%2F{}",
    "自転車 {}",
    "grønn sykkel {}",
    "a&b=c;d,e {}",
    "it's #{}",
    "two  spaces {}",
    "photo.of.bay.{}",
    "🛵{}",
    "~$at@{}!",
)


@dataclass(frozen=True)
class SamplePhoto:
    """One file among the sample photos, and what may rightly become of it.

    Parameters
    ----------
    path : str
        Where it lies, relative to the photos' folder, with forward slashes.
    content : str
        A class name, or `neither`, or `not-a-photo`.
    kind : str
        What is special about the file, in words.
    statuses : tuple of str
        Statuses in which it may rightly end.
    """

    path: str
    content: str
    kind: str
    statuses: tuple[str, ...]


@dataclass(frozen=True)
class Samples:
    """Where generated samples are."""

    dataset: Path
    photos: Path
    manifest: Path

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return where samples are inside a folder."""
        return cls(folder / "dataset", folder / "photos", folder / "photos.json")

    def read_manifest(self) -> tuple[SamplePhoto, ...]:
        """Return what every sample photo is, in the order of their paths."""
        entries = json.loads(self.manifest.read_text(encoding="utf-8"))
        return tuple(
            SamplePhoto(**{**entry, "statuses": tuple(entry["statuses"])}) for entry in entries
        )


def generate(
    folder: Path,
    *,
    per_class: int = 100,
    validation_per_class: int = 40,
    negatives: int = 40,
    photos: int = 40,
    seed: int = 1,
) -> Samples:
    """Write a dataset and sample photos, the same ones for the same seed.

    The dataset is `dataset/train/<class>/*`, `dataset/validation/<class>/*` and
    `dataset/none_of_the_classes/*`. The photos are `photos/<class>/*`, `photos/neither/*` and
    `photos/not-a-photo/*`; `photos.json` tells what each is. All show drawings of the same
    distribution, no drawing twice.

    Parameters
    ----------
    folder : Path
        Where to write; made where missing. It is complete as soon as there is anything in it.
    per_class, validation_per_class : int
        Pictures of each class in the two parts of the dataset.
    negatives : int
        Pictures of none of the classes in the dataset, as reviewers would have labeled them.
    photos : int
        Sample photos in all.
    seed : int
        Where every choice comes from. A picture depends on the seed and its own number only,
        so more pictures leave the first ones as they were.

    Raises
    ------
    FileExistsError
        If the folder is not empty.
    ValueError
        If a count is negative.
    """
    if min(per_class, validation_per_class, negatives, photos) < 0:
        raise ValueError("The numbers of pictures and photos must be 0 or more.")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists already: delete it, or choose another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside it and renamed when complete, so that an interruption leaves no half of it.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        generated = Path(scratch) / folder.name
        samples = Samples.at(generated)
        _write_dataset_part(samples.dataset / "train", per_class, seed)
        _write_dataset_part(samples.dataset / "validation", validation_per_class, seed)
        _write_negatives(samples.dataset / NONE_OF_THE_CLASSES, negatives, seed)
        _write_photos(samples, photos, seed)
        generated.replace(folder)
    return Samples.at(folder)


def _write_dataset_part(folder: Path, per_class: int, seed: int) -> None:
    for name, design in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            rng = _generator(seed, folder.name, name, number)
            _write_image(folder / name / f"{name}-{number:04}", design, rng)


def _write_negatives(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    kinds = list(OTHERS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        rng = _generator(seed, folder.name, kind, number)
        _write_image(folder / f"{kind.replace(' ', '-')}-{number:04}", OTHERS[kind], rng)


def _write_image(
    stem: Path, design: Callable[[random.Random], Subject], rng: random.Random
) -> None:
    """Draw a picture of the dataset and save it as JPEG or PNG."""
    image = render_photo(rng, design(rng), choose_size(rng, _DATASET_PIXELS))
    is_jpeg = rng.random() < _JPEG_SHARE
    suffix, encode = (".jpg", plain_jpeg) if is_jpeg else (".png", plain_png)
    stem.with_name(stem.name + suffix).write_bytes(encode(image, rng))


def _write_photos(samples: Samples, count: int, seed: int) -> None:
    samples.photos.mkdir(parents=True)
    entries = []
    for photo, data in _make_photos(count, seed):
        file = samples.photos / photo.path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        entries.append(asdict(photo))
    entries.sort(key=lambda entry: str(entry["path"]))
    manifest = json.dumps(entries, ensure_ascii=False, indent=1)
    samples.manifest.write_text(manifest + "\n", encoding="utf-8")


def _make_photos(count: int, seed: int) -> Iterator[tuple[SamplePhoto, bytes]]:
    """Yield every sample photo with its bytes."""
    unusual = count // _UNUSUAL_SHARE
    vehicles = count - 2 * unusual
    names = list(CLASSES)
    for number in range(vehicles):
        content = names[number % len(names)]
        yield _make_photo(content, CLASSES[content], number, seed)
    others = list(OTHERS.values())
    for number in range(unusual):
        yield _make_photo(OTHER, others[number % len(others)], number, seed)
    for number in range(unusual):
        yield _make_invalid_file(number, seed)


def _make_photo(
    content: str, design: Callable[[random.Random], Subject], number: int, seed: int
) -> tuple[SamplePhoto, bytes]:
    rng = _generator(seed, "photos", content, number)
    image = render_photo(rng, design(rng), choose_size(rng, _PHOTO_PIXELS))
    encoding = ENCODINGS[number % len(ENCODINGS)]
    path = f"{content}/{_file_stem(number)}{encoding.suffix}"
    statuses = REVIEW_STATUSES if content == OTHER else DECIDED_STATUSES
    return SamplePhoto(path, content, encoding.name, statuses), encoding.encode(image, rng)


def _make_invalid_file(number: int, seed: int) -> tuple[SamplePhoto, bytes]:
    kind = INVALID_FILES[number % len(INVALID_FILES)]
    data = kind.write(_generator(seed, "photos", INVALID_FILE, number))
    path = f"{INVALID_FILE}/{_file_stem(number)}{kind.suffix}"
    return SamplePhoto(path, INVALID_FILE, kind.name, REJECTED_STATUSES), data


def _file_stem(number: int) -> str:
    return _NAMES[number % len(_NAMES)].format(number)


def _generator(seed: int, *path: str | int) -> random.Random:
    """Return the random numbers of one picture.

    A text seeds `random.Random` by its SHA-512, the same in every version of Python.
    """
    return random.Random("/".join(map(str, (seed, *path))))  # noqa: S311
