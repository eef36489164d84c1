"""CIFAR-100: photos of 32 x 32 pixels in a hundred classes, some of them vehicles.

https://www.cs.toronto.edu/~kriz/cifar.html describes the archive: a gzipped tar of the pickles
``train``, ``test`` and ``meta``. The first two are dictionaries with ``data``, an array of bytes
with a row of 3,072 for each photo (1,024 of red, of green and of blue, row by row),
``fine_labels``, the indices of the classes, and ``filenames``; ``meta`` has their names in
``fine_label_names``.
"""

import difflib
import pickle
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO, FileIO
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from scones.datasets.splits import Split
from scones.lst import is_valid_path
from scones.photos.names import has_photo_suffix, is_hidden
from scones_operator.datasets.download import RemoteFile
from scones_operator.datasets.staging import StagedPath, StagingResult, require_no_other_files
from scones_operator.errors import PreconditionError
from scones_operator.progress import ItemProgress, ProgressCallback

SOURCE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"
)
VEHICLES = ("bicycle", "motorcycle")

MAX_MEMBER_BYTES = 500_000_000
"""Bytes of one of the archive's pickles, of which the largest has 155 million."""

SIZE = (32, 32)
PIXELS = 32 * 32
SPLIT_OF: Mapping[str, Split] = {"train": "train", "test": "validation"}
"""Which side the photos of each of the archive's members are on."""

FINE_LABELS = (
    *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle"),
    *("bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle"),
    *("caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch"),
    *("crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox"),
    *("girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard"),
    *("lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse"),
    *("mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck"),
    *("pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray"),
    *("road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail"),
    *("snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank"),
    *("telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle"),
    *("wardrobe", "whale", "willow_tree", "wolf", "woman", "worm"),
)
"""The classes, in the order of their indices."""


def validate_labels(labels: Sequence[str]) -> None:
    """Make sure that these are two or more fine labels of CIFAR-100.

    Raises
    ------
    PreconditionError
        If one is not, which names the close ones, or there are too few.
    """
    for label in labels:
        if label not in FINE_LABELS:
            suggestions = difflib.get_close_matches(
                label.lower().replace(" ", "_"), FINE_LABELS, n=3, cutoff=0.5
            )
            advice = (
                f"did you mean {' or '.join(suggestions)}?"
                if suggestions
                else "docs/data.md lists them"
            )
            raise PreconditionError(f"CIFAR-100 has no class {label!r}: {advice}")
    if len(set(labels)) < 2:
        raise PreconditionError(
            f"only one class given, {labels[0]}: a classifier needs two or more, so add others"
        )


def stage(
    archive: Path, folder: Path, labels: Sequence[str], on_progress: ProgressCallback
) -> StagingResult:
    """Write the photos of chosen classes as PNG files, CIFAR's test photos to validate on.

    Parameters
    ----------
    archive
        ``cifar-100-python.tar.gz``.
    folder
        Where to; what is there and whole is left as it is.
    labels
        Fine labels, see `validate_labels`.
    on_progress
        Told how far it is.

    Returns
    -------
    Staged

    Raises
    ------
    PreconditionError
        If the archive is not what it should be, or the folder holds other photos.
    """
    labels = tuple(dict.fromkeys(labels))
    photos: dict[StagedPath, bytes] = {}
    try:
        for name, content in _unpickled(archive, on_progress):
            if name == "meta":
                _require_known_labels(content)
            else:
                _add(photos, _select_photos(content, SPLIT_OF[name], labels))
    except Exception as error:  # whatever an archive that was tampered with may cause
        raise PreconditionError(
            f"{archive} is not CIFAR-100 for Python: {type(error).__name__}: {error}"
        ) from error
    require_no_other_files(folder, photos)
    staged = StagingResult(folder, labels)
    for done, (staged_path, pixels) in enumerate(photos.items(), start=1):
        staged.write_photo(staged_path, _png(pixels))
        on_progress(ItemProgress("Writing photos", done, len(photos)))
    return staged


def _unpickled(
    archive: Path, on_progress: ProgressCallback
) -> Iterator[tuple[str, dict[bytes, Any]]]:
    """Yield the archive's pickles and their names; in one pass, as going back unpacks it anew."""
    selected = {*SPLIT_OF, "meta"}
    with (
        _ProgressFile(archive, on_progress) as file,
        tarfile.open(fileobj=file, mode="r|gz") as members,
    ):
        for member in members:
            name = member.name.rpartition("/")[2]
            content = members.extractfile(member) if name in selected else None
            if content:
                if member.size > MAX_MEMBER_BYTES:
                    raise ValueError(f"{name} has more than {MAX_MEMBER_BYTES:,} bytes")
                selected.remove(name)
                yield name, _Unpickler(content, encoding="bytes").load()
    if selected:
        raise ValueError(f"it has no {', '.join(sorted(selected))}")


class _ProgressFile(FileIO):
    """An archive that tells how much of it was read."""

    def __init__(self, archive: Path, on_progress: ProgressCallback) -> None:
        super().__init__(archive)
        self._tell, self._total = on_progress, archive.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._tell(ItemProgress("Reading the archive", self.tell(), self._total, "bytes"))
        return block


class _DType:
    """Stands in for numpy's dtype."""

    def __init__(self, name: bytes, *_: object) -> None:
        self.name = name

    def __setstate__(self, _: object) -> None:
        """Take the byte order, of which single bytes have none."""


class _Array:
    """Stands in for numpy's array: what was pickled of it, and nothing done with it."""

    rows: tuple[bytes, ...]

    def __setstate__(self, state: tuple[object, tuple[int, int], _DType, bool, bytes]) -> None:
        _, (count, width), dtype, by_column, data = state
        if (dtype.name, by_column, width, len(data)) != (b"u1", False, 3 * PIXELS, count * width):
            raise ValueError(f"its data is not an array of rows of {3 * PIXELS:,} bytes")
        self.rows = tuple(data[at : at + width] for at in range(0, len(data), width))


class _Unpickler(pickle.Unpickler):
    """Reads what Python 2 pickled of plain values and arrays, and runs nothing for it.

    Pickles name functions to call. Of those of numpy, which CIFAR's name, harmless ones stand in;
    any other is refused: https://docs.python.org/3/library/pickle.html#restricting-globals.
    """

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
            "numpy.ndarray": _Array,
            "numpy.dtype": _DType,
        }
        try:
            return known[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"it would call {module}.{name}") from None


def _require_known_labels(meta: dict[bytes, Any]) -> None:
    names = tuple(name.decode() for name in meta[b"fine_label_names"])
    if names != FINE_LABELS:
        raise ValueError(f"its classes are {', '.join(names)}")


def _select_photos(
    batch: dict[bytes, Any], split: Split, labels: Sequence[str]
) -> Iterator[tuple[StagedPath, bytes]]:
    """Yield the photos of the chosen classes: where they belong, and their pixels."""
    selected = {FINE_LABELS.index(label): label for label in labels}
    photos = zip(batch[b"fine_labels"], batch[b"filenames"], batch[b"data"].rows, strict=True)
    for label, name, pixels in photos:
        if label in selected:
            yield StagedPath(split, selected[label], _safe_name(name)), pixels


def _add(photos: dict[StagedPath, bytes], more: Iterator[tuple[StagedPath, bytes]]) -> None:
    """Add photos; a name that a class has already gets a number behind it."""
    for staged_path, pixels in more:
        stem = staged_path.name.removesuffix(".png")
        names = (f"{stem}-{number}.png" for number in count(2))
        free = staged_path
        while free in photos:
            free = replace(staged_path, name=next(names))
        photos[free] = pixels


def _safe_name(name: bytes) -> str:
    """Return a name of the archive, if it is one that can do no harm.

    There are apostrophes in names, and perhaps letters of an encoding that nobody tells.
    """
    text = name.decode("latin-1")
    if "/" in text or is_hidden(text) or not has_photo_suffix(text) or not is_valid_path(text):
        raise ValueError(f"invalid photo name {text!r}")
    return text


def _png(pixels: bytes) -> bytes:
    """Return a PNG file of a row of CIFAR's data: the red of each pixel, the green, the blue."""
    channels = (pixels[at : at + PIXELS] for at in range(0, 3 * PIXELS, PIXELS))
    image = Image.merge("RGB", [Image.frombytes("L", SIZE, channel) for channel in channels])
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
