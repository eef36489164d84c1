"""Photos and classes of a job's channels, as arrays of prepared images."""

import errno
import math
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from scones import lst, photos
from scones.photos.names import has_photo_suffix
from scones_training.errors import InputError
from scones_training.hyperparameters import Hyperparameters

Number = TypeVar("Number", bound=np.generic)

NEGATIVES = "negatives"
"""Optional channel of photos that show none of the classes; it needs no list."""

MIN_NEGATIVES = 10
"""Least number of them to use: fewer do not represent other photos."""

MAX_UNUSABLE_SHARE = 0.5
"""Share of a class's photos that may be unusable, 0 to 1. With more the class is not what its list
says, and a model of the rest would be a surprise."""

MAX_SHOWN_IN_FAILURE = 3
"""Maximum number of photos that a failure names: SageMaker keeps 1,024 characters of it."""


@dataclass(frozen=True)
class ImageSet:
    """Prepared photos of one split.

    Parameters
    ----------
    pixels
        uint8, (photos, height, width, 3), RGB from 0 to 255.
    labels
        int64, (photos,), class indices.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """What a job trains with.

    Attributes
    ----------
    train, validation
        The usable photos of the classes, in the order of their lists.
    negatives
        Photos of none of the classes, with the number of classes as their label, at most as many
        as there are training photos; None if there are too few.
    skipped_negatives
        Number of files among them that are not usable photos.
    too_few_negatives
        Number of usable ones if they are fewer than `MIN_NEGATIVES`, else 0.
    unusable_train, unusable_validation
        Photos that cannot be decoded and are left out: the reason by path below the channel, in
        the order of the list.
    """

    train: ImageSet
    validation: ImageSet
    negatives: ImageSet | None = None
    skipped_negatives: int = 0
    too_few_negatives: int = 0
    unusable_train: Mapping[str, str] = field(default_factory=dict)
    unusable_validation: Mapping[str, str] = field(default_factory=dict)


def load_dataset(data: Path, hyperparameters: Hyperparameters) -> Splits:
    """Read and prepare what a job trains on.

    The lists are checked whole before the first photo is opened. Photos that cannot be decoded are
    left out. The images lie in temporary files mapped into memory, so that a set larger than the
    memory still trains.

    Parameters
    ----------
    data
        The folder with the channels ``train``, ``train_lst``, ``validation`` and
        ``validation_lst``, and perhaps `NEGATIVES`.
    hyperparameters
        The shape, and the numbers that the lists must agree with.

    Raises
    ------
    InputError
        If a channel, a list or a photo is missing, a list is broken, a number disagrees, or too
        many photos cannot be decoded: more than `MAX_UNUSABLE_SHARE` of a class.
    """
    train = _read_list_file(data, "train")
    validation = _read_list_file(data, "validation")
    _check_classes("train", train, hyperparameters.num_classes)
    _check_classes("validation", validation, hyperparameters.num_classes)
    _check_counts(train, hyperparameters)
    shape = hyperparameters.image_shape
    train_images, unusable_train = _prepare_images(data / "train", train, shape)
    validation_images, unusable_validation = _prepare_images(data / "validation", validation, shape)
    _check_usable("train", train, unusable_train)
    _check_usable("validation", validation, unusable_validation)
    return Splits(
        train_images,
        validation_images,
        *_load_negatives(data / NEGATIVES, hyperparameters, len(train_images)),
        unusable_train,
        unusable_validation,
    )


def _read_list_file(data: Path, part: str) -> list[lst.LstEntry]:
    channel = data / f"{part}_lst"
    for required in (data / part, channel):
        if not required.is_dir():
            raise InputError(
                f"The job has no channel {required.name}: add it to its InputDataConfig."
            )
    lists = sorted(path for path in channel.glob("*.lst") if not path.name.startswith("."))
    if len(lists) != 1:
        paths = ", ".join(path.name for path in lists) or "none"
        raise InputError(f"The channel {part}_lst must have one *.lst file; it has {paths}.")
    return _parse_list_file(lists[0], f"{part}_lst/{lists[0].name}")


def _parse_list_file(path: Path, name: str) -> list[lst.LstEntry]:
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            entries = list(lst.read(lines))
    except lst.LstError as error:
        raise InputError(f"{name}, {error}.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text: {error}.") from None
    if not entries:
        raise InputError(f"{name} lists no photo.")
    return entries


def _check_classes(part: str, entries: list[lst.LstEntry], num_classes: int) -> None:
    for entry in entries:
        if entry.class_index >= num_classes:
            raise InputError(
                f"The photo {entry.path!r} of {part}_lst has the class index "
                f"{entry.class_index}, but num_classes is {num_classes}, so the highest is "
                f"{num_classes - 1}: correct the list or raise num_classes."
            )


def _check_counts(train: list[lst.LstEntry], hyperparameters: Hyperparameters) -> None:
    if len(train) != hyperparameters.num_training_samples:
        raise InputError(
            f"num_training_samples is {hyperparameters.num_training_samples}, but train_lst "
            f"lists {len(train)} photos: set it to {len(train)}."
        )
    if len(train) < hyperparameters.mini_batch_size:
        raise InputError(
            f"train_lst lists {len(train)} photos, fewer than mini_batch_size "
            f"{hyperparameters.mini_batch_size}: add photos or lower mini_batch_size."
        )
    absent = set(range(hyperparameters.num_classes)) - {entry.class_index for entry in train}
    if absent:
        raise InputError(
            f"num_classes is {hyperparameters.num_classes}, but train_lst has no photo of class "
            f"{', '.join(map(str, sorted(absent)))}: add photos or lower num_classes."
        )


def _check_usable(part: str, entries: list[lst.LstEntry], unusable: Mapping[str, str]) -> None:
    listed = Counter(entry.class_index for entry in entries)
    reasons: dict[int, dict[str, str]] = {}
    for entry in entries:
        if entry.path in unusable:
            reasons.setdefault(entry.class_index, {})[entry.path] = unusable[entry.path]
    is_unusable = {
        class_index: paths
        for class_index, paths in sorted(reasons.items())
        if len(paths) > MAX_UNUSABLE_SHARE * listed[class_index]
    }
    if is_unusable:
        classes = ", ".join(
            f"{len(paths)} of {listed[class_index]} photos of class {class_index}"
            for class_index, paths in is_unusable.items()
        )
        examples = _format_reasons(
            {path: reason for paths in is_unusable.values() for path, reason in paths.items()}
        )
        raise InputError(
            f"Too many photos of {part}_lst cannot be decoded: {classes}, such as {examples}. "
            f"At most {MAX_UNUSABLE_SHARE:.0%} of a class is left out: replace these photos."
        )


def _format_reasons(reasons: Mapping[str, str]) -> str:
    shown = list(islice(reasons.items(), MAX_SHOWN_IN_FAILURE))
    remaining = len(reasons) - len(shown)
    text = ", ".join(f"{path!r} ({reason})" for path, reason in shown)
    return f"{text} and {remaining} more" if remaining else text


def _load_negatives(
    channel: Path, hyperparameters: Hyperparameters, maximum: int
) -> tuple[ImageSet | None, int, int]:
    """Read what is usable below a channel: at most `maximum` photos, drawn evenly from all.

    Returns
    -------
    tuple[Images or None, int, int]
        The images, and the last two attributes of `Splits`.
    """
    paths = sorted(path for path in channel.rglob("*") if has_photo_suffix(path.name))
    files = [path for path in paths if path.is_file()]
    drawn = np.linspace(0, len(files) - 1, min(len(files), maximum)).round().astype(int)
    usable, skipped = [], 0
    for path in (files[index] for index in drawn):
        try:
            image = photos.prepare(path.read_bytes(), hyperparameters.image_shape)
        except photos.UnusablePhoto:
            skipped += 1
        else:
            usable.append(np.asarray(image))
    if len(usable) < MIN_NEGATIVES:
        return None, skipped, len(usable)
    labels = np.full(len(usable), hyperparameters.num_classes, np.int64)
    return ImageSet(np.stack(usable), labels), skipped, 0


def _prepare_images(
    channel: Path, entries: list[lst.LstEntry], shape: photos.ImageShape
) -> tuple[ImageSet, dict[str, str]]:
    """Return the usable photos, and the reason by path of the others."""
    size = (len(entries), shape.height, shape.width, 3)
    pixels = temporary_array(size, np.uint8, "prepared photos")
    labels: list[int] = []
    reasons: dict[str, str] = {}
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        images = pool.map(lambda entry: _prepare_image(channel, entry.path, shape), entries)
        for entry, image in zip(entries, images, strict=True):
            if isinstance(image, photos.UnusablePhoto):
                reasons[entry.path] = image.problem
            else:
                pixels[len(labels)] = image
                labels.append(entry.class_index)
    return ImageSet(pixels[: len(labels)], np.array(labels, np.int64)), reasons


def temporary_array(
    shape: tuple[int, ...], dtype: type[Number], content: str
) -> npt.NDArray[Number]:
    """Return an array in a temporary file mapped into memory, so that it may exceed the memory.

    Parameters
    ----------
    shape, dtype
        Of the array.
    content
        What it is for, in the plural, for the error message.

    Raises
    ------
    InputError
        If the disk has no room for it.
    """
    with tempfile.TemporaryFile() as file:
        _allocate(file, math.prod(shape) * np.dtype(dtype).itemsize, content)
        return np.memmap(file, dtype, "w+", shape=shape)


def _allocate(file: IO[bytes], size: int, content: str) -> None:
    """Take the file's room now: when a disk fills up under mapped memory, SIGBUS kills."""
    try:
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            _write_zeros(file, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise InputError(
            f"The {content} need {size / 1e9:.3g} GB in {tempfile.gettempdir()}, which has "
            f"no room for them ({error.strerror}): raise VolumeSizeInGB or lower image_shape."
        ) from None


def _write_zeros(file: IO[bytes], size: int) -> None:
    block = bytes(1 << 20)
    for offset in range(0, size, len(block)):
        file.write(block[: size - offset])
    file.flush()


def _prepare_image(
    channel: Path, path: str, shape: photos.ImageShape
) -> npt.NDArray[np.uint8] | photos.UnusablePhoto:
    """Prepare one photo; return the error if it cannot be decoded."""
    try:
        data = (channel / path).read_bytes()
    except OSError as error:
        raise InputError(
            f"The photo {path!r} is in {channel.name}_lst but can't be read from the channel "
            f"{channel.name}: {error.strerror}."
        ) from None
    try:
        return np.asarray(photos.prepare(data, shape))
    except photos.UnusablePhoto as error:
        return error
