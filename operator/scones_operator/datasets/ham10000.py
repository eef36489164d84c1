"""HAM10000: photos of pigmented skin lesions in seven classes.

https://doi.org/10.7910/DVN/DBW86T. Dataverse gives its files in one zip: the photos in
``HAM10000_images_part_1.zip`` and ``…_part_2.zip``, named after their ``image_id``, and the table
``HAM10000_metadata``, which it writes with commas or, as ``.tab``, with tabs. A lesion may have
several photos. Kaggle has the same photos in folders instead of zips, and some of them twice:
https://www.kaggle.com/datasets/kmader/skin-cancer-mnist-ham10000
"""

import codecs
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scones.datasets.splits import Split, digest, is_validation
from scones.photos import UnusablePhoto, require_decodable
from scones.photos.names import is_hidden
from scones_operator.datasets.staging import StagedPath, StagingResult, require_no_other_files
from scones_operator.errors import PreconditionError
from scones_operator.folder_files import abbreviate, list_files, require_inside
from scones_operator.progress import ItemProgress, ProgressCallback

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
"""The classes, as in the table's column ``dx``."""

COLUMNS = ("lesion_id", "image_id", "dx")
DELIMITERS = ",\t;|"
TABLE = re.compile(r"HAM10000_metadata(\.csv|\.tab|\.tsv|\.txt)?", re.IGNORECASE)
PART = re.compile(r"HAM10000_images(_part_?\d+)?(?P<zip>\.zip)?", re.IGNORECASE)
IMAGE_ID = re.compile(r"[\w-]+", re.ASCII)
PHOTO = re.compile(r"(?:.*/)?(?P<image_id>[\w-]+)\.jpe?g", re.ASCII | re.IGNORECASE)

MAX_PHOTO_BYTES = 50_000_000
"""More bytes than any photo has."""

MAX_TABLE_BYTES = 10_000_000
"""Bytes of the table, which has 0.6 million."""

MAX_UNPACKED_BYTES = 10_000_000_000
"""Bytes of all photos together, unpacked, which have 2.8 billion."""

ADVICE = (
    "take all files of doi:10.7910/DVN/DBW86T, as the one zip that Dataverse gives or in a folder, "
    "or those of Kaggle"
)

_ENCRYPTED = 0x1
"""Bit of the flags of a zip's entry, see 4.4.4 of
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_Entry = Path | zipfile.Path


@dataclass(frozen=True)
class _Photo:
    """A photo of a part.

    Attributes
    ----------
    image_id
        The name of its file, without ``.jpg``.
    name
        Its path, for messages.
    size
        In bytes, unpacked.
    checksum
        Its CRC-32, or None if only reading it tells.
    read
        Returns its content.
    """

    image_id: str
    name: str
    size: int
    checksum: int | None
    read: Callable[[], bytes]


def stage(source: Path, folder: Path, share: float, on_progress: ProgressCallback) -> StagingResult:
    """Write the photos, each lesion's on one side.

    Parameters
    ----------
    source
        The zip that Dataverse or Kaggle gives, or a folder with what is in it. Parts may be
        unpacked.
    folder
        Where to; what is there and whole is left as it is.
    share
        Which share of the lesions is held back to validate on, 0 to 1. Which ones they are is
        decided by a hash of their ids.
    on_progress
        Told how far it is.

    Returns
    -------
    Staged

    Raises
    ------
    PreconditionError
        If the source is not what it should be, or the folder holds other photos.
    """
    with _readable(source):
        entries = _entries(source)
        staged_paths = _read_table(entries, share)
        require_no_other_files(folder, staged_paths.values())
        staged, missing, unpacked = StagingResult(folder, CLASSES), set(staged_paths), 0
        for name in sorted(filter(PART.fullmatch, entries)):
            for photo in _photos(entries[name], source):
                unpacked += photo.size
                _require_size(name, unpacked, MAX_UNPACKED_BYTES)
                _stage_photo(staged, staged_paths, missing, photo)
                on_progress(
                    ItemProgress(
                        "Writing photos", len(staged_paths) - len(missing), len(staged_paths)
                    )
                )
    if len(missing) == len(staged_paths):
        raise PreconditionError(f"{source} has none of the photos in the table: {ADVICE}")
    staged.excluded["rows of the table without a photo"] += len(missing)
    return staged


def read_staged_paths(source: Path, share: float) -> dict[str, StagedPath]:
    """Return the place of each photo of the table by its ``image_id``, without writing photos.

    Parameters
    ----------
    source, share
        As for `stage`. A lesion that a smaller share holds out is also held out by a larger one.

    Raises
    ------
    PreconditionError
        If the source does not have the files of the dataset, or the table cannot be used.
    """
    with _readable(source):
        return _read_table(_entries(source), share)


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Raise `PreconditionError` for zips that can't be read."""
    try:
        yield
    except NotImplementedError as error:
        raise PreconditionError(
            f"{source} uses a compression that is not supported ({error}): unpack it with another "
            "program, and give the folder"
        ) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise PreconditionError(
            f"{source} is corrupt or not a zip file ({error}): download it again"
        ) from error


def _entries(source: Path) -> dict[str, _Entry]:
    """Return files and folders by name, the table and the parts among them."""
    if not source.exists():
        raise PreconditionError(f"file {source} does not exist")
    found = _listed(source if source.is_dir() else zipfile.Path(source))
    # An archive may have one folder around the files.
    while not any(map(_is_used, found)):
        folders = [entry for entry in found.values() if not entry.is_file()]
        if len(folders) != 1:
            break
        found = _listed(folders[0])
    if source.is_dir():
        require_inside((Path(str(found[name])) for name in found if _is_used(name)), source)
    for wanted, what in ((TABLE, "table HAM10000_metadata"), (PART, "HAM10000_images_part_1.zip")):
        if not any(map(wanted.fullmatch, found)):
            holds = abbreviate(sorted(found)) or "nothing"
            raise PreconditionError(f"{source} has no {what} (it contains {holds}): {ADVICE}")
    return found


def _listed(folder: _Entry) -> dict[str, _Entry]:
    """Return what is in a folder by name, without hidden files and folders named as the table."""
    return {
        entry.name: entry
        for entry in folder.iterdir()
        if not is_hidden(entry.name) and (entry.is_file() or not TABLE.fullmatch(entry.name))
    }


def _is_used(name: str) -> bool:
    return bool(TABLE.fullmatch(name) or PART.fullmatch(name))


def _read_table(entries: dict[str, _Entry], share: float) -> dict[str, StagedPath]:
    """Return where each photo belongs, by its image_id."""
    name = min(filter(TABLE.fullmatch, entries))
    _require_no_password(entries[name])
    with entries[name].open("rb") as file:
        content = file.read(MAX_TABLE_BYTES + 1)
    _require_size(name, len(content), MAX_TABLE_BYTES)
    try:
        lesions = _lesions(name, _rows(name, _decoded(content)))
    except UnicodeDecodeError as error:
        raise PreconditionError(f"the table {name} is corrupt ({error}): {ADVICE}") from None
    except csv.Error as error:
        raise PreconditionError(f"the table {name} cannot be read ({error}): {ADVICE}") from None
    if not lesions:
        raise PreconditionError(f"the table {name} has no rows: {ADVICE}")
    staged_paths = {}
    for image_id, (lesion, label) in lesions.items():
        split: Split = "validation" if is_validation(digest(lesion), share) else "train"
        staged_paths[image_id] = StagedPath(split, label, f"{image_id}.jpg")
    return staged_paths


def _decoded(content: bytes) -> str:
    """Decode a table, which programs save in the encoding of their system.

    Windows-1252 is only tried for what is nothing else, since it takes nearly everything. What is
    read of the table is ASCII.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    if b"\0" in content[:2]:
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _rows(name: str, text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the number of each row's line and its `COLUMNS`, without empty rows.

    Raises
    ------
    PreconditionError
        If a column is missing.
    csv.Error
        If a quotation mark has no other.
    """
    lines = io.StringIO(text, newline="").readlines()
    # Excel writes a first line such as ``sep=;``.
    skipped = next((n for n, line in enumerate(lines) if not _is_preamble(line)), len(lines))
    header = "".join(lines[skipped : skipped + 1])
    delimiter = max(DELIMITERS, key=header.count)
    rows = csv.reader(lines[skipped:], delimiter=delimiter, strict=True)
    columns = [column.strip().casefold() for column in next(rows, [])]
    if missing_columns := [column for column in COLUMNS if column not in columns]:
        raise PreconditionError(
            f"the table {name} has no column {', '.join(missing_columns)}: {ADVICE}"
        )
    staged_paths = [columns.index(column) for column in COLUMNS]
    for row in rows:
        if any(map(str.strip, row)):
            values = (
                row[staged_path].strip() if staged_path < len(row) else ""
                for staged_path in staged_paths
            )
            yield rows.line_num + skipped, tuple(values)


def _is_preamble(line: str) -> bool:
    return not line.strip() or line.startswith("sep=")


def _lesions(name: str, rows: Iterator[tuple[int, Sequence[str]]]) -> dict[str, tuple[str, str]]:
    """Return lesion and class by image_id."""
    lesions: dict[str, tuple[str, str]] = {}
    for line, (lesion, image_id, label) in rows:
        if label not in CLASSES or not IMAGE_ID.fullmatch(image_id):
            raise PreconditionError(
                f"the table {name} has image_id {image_id!r} and dx {label!r} in line "
                f"{line}: dx is one of {', '.join(CLASSES)}"
            )
        if not lesion:
            raise PreconditionError(f"the table {name} has no lesion_id in line {line}: {ADVICE}")
        if lesions.setdefault(image_id, (lesion, label)) != (lesion, label):
            raise PreconditionError(
                f"the table {name} has {image_id} again, for another lesion (line {line}): {ADVICE}"
            )
    return lesions


def _photos(part: _Entry, source: Path) -> Iterator[_Photo]:
    """Yield the photos of a part, which is a zip or a folder, in a folder or in a zip."""
    if part.is_file():
        _require_no_password(part)
        with part.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            yield from _zipped_photos(archive, "")
    elif isinstance(part, Path):
        for path in list_files(part, source):
            name = path.relative_to(part).as_posix()
            if (found := PHOTO.fullmatch(name)) and not is_hidden(name):
                size = path.stat().st_size
                yield _Photo(found["image_id"], str(path), size, None, path.read_bytes)
    else:
        yield from _zipped_photos(part.root, part.at)


def _zipped_photos(archive: zipfile.ZipFile, folder: str) -> Iterator[_Photo]:
    """Yield the photos of an archive in the order of its file: going back unpacks it anew."""
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if not info.filename.startswith(folder):
            continue
        if found := PHOTO.fullmatch(info.filename.removeprefix(folder)):
            _require_no_password_of(info)
            read = partial(archive.read, info)
            yield _Photo(found["image_id"], info.filename, info.file_size, info.CRC, read)


def _require_no_password(entry: _Entry) -> None:
    if isinstance(entry, zipfile.Path):
        _require_no_password_of(entry.root.getinfo(entry.at))


def _require_no_password_of(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise PreconditionError(
            f"{info.filename} is protected by a password: unpack the archive with the password, "
            "and give the folder"
        )


def _stage_photo(
    staged: StagingResult, staged_paths: dict[str, StagedPath], missing: set[str], photo: _Photo
) -> None:
    if photo.image_id not in staged_paths:
        staged.excluded["photos without a row in the table"] += 1
        return
    if photo.image_id not in missing:
        staged.excluded["copies of photos that are there"] += 1
        return
    missing.remove(photo.image_id)
    staged_path = staged_paths[photo.image_id]
    if _is_staged(staged.folder / staged_path.path, photo):
        staged.count_photo(staged_path)
        return
    _require_size(photo.name, photo.size, MAX_PHOTO_BYTES)
    content = photo.read()
    try:
        require_decodable(content)
    except UnusablePhoto as error:
        staged.leave_out_unusable(photo.name, error.problem)
    else:
        staged.write_photo(staged_path, content)


def _require_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise PreconditionError(
            f"{name} has more than {limit:,} bytes, unpacked: not HAM10000. {ADVICE}"
        )


def _is_staged(path: Path, photo: _Photo) -> bool:
    """Return True if a photo of this size and checksum was written before, whole."""
    if photo.checksum is None or not path.is_file() or path.stat().st_size != photo.size:
        return False
    return zlib.crc32(path.read_bytes()) == photo.checksum
