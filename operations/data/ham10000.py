"""HAM10000: photos of pigmented skin lesions in seven classes.

https://doi.org/10.7910/DVN/DBW86T. Dataverse gives its files in one zip: the photos in
``HAM10000_images_part_1.zip`` and ``…_part_2.zip``, named after their ``image_id``, and the table
``HAM10000_metadata``, which it writes with commas or, as ``.tab``, with tabs. A lesion may have
several photos.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from operations.data.amounts import Amount, Tell
from operations.data.layout import Place, Staged, require_nothing_else
from operations.faults import Refused
from operations.folder_files import require_inside, some
from scones.datasets.sides import Side, digest, is_held_back

LESIONS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
"""The classes, as in the table's column ``dx``."""

COLUMNS = ("lesion_id", "image_id", "dx")
TABLE = re.compile(r"HAM10000_metadata(\.csv|\.tab|\.tsv|\.txt)?")
PART = re.compile(r"HAM10000_images_part_?\d+\.zip")
IMAGE_ID = re.compile(r"[\w-]+", re.ASCII)
PHOTO = re.compile(r"(?:.*/)?(?P<image_id>[\w-]+)\.jpe?g", re.ASCII | re.IGNORECASE)

LARGEST = 50_000_000
"""More bytes than any photo has."""

MAX_TABLE_BYTES = 10_000_000
"""Bytes of the table, which has 0.6 million."""

MAX_UNPACKED_BYTES = 10_000_000_000
"""Bytes of all photos together, unpacked, which have 2.8 billion."""

ADVICE = (
    "take all files of doi:10.7910/DVN/DBW86T, as the one zip that Dataverse gives or in a folder"
)

_File = Path | zipfile.Path


def stage(source: Path, folder: Path, share: float, tell: Tell) -> Staged:
    """Write the photos, each lesion's on one side.

    Parameters
    ----------
    source
        The zip that Dataverse gives, or a folder with the files that are in it.
    folder
        Where to; what is there and whole is left as it is.
    share
        Which share of the lesions is held back to validate on, 0 to 1. Which ones they are is
        decided by a hash of their ids.
    tell
        Told how far it is.

    Returns
    -------
    Staged

    Raises
    ------
    Refused
        If the source is not what it should be, or the folder holds other photos.
    """
    try:
        files = _files(source)
        places = _read_table(files, share)
        require_nothing_else(folder, places.values())
        staged, missing, unpacked = Staged(folder, LESIONS), set(places), 0
        for name in sorted(filter(PART.fullmatch, files)):
            for image_id, info, part in _photos(files[name]):
                unpacked += info.file_size
                _require_size(name, unpacked, MAX_UNPACKED_BYTES)
                _stage_photo(staged, places, missing, (image_id, info, part))
                tell(Amount("Writing photos", len(places) - len(missing), len(places)))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise Refused(f"{source} is damaged or no zip ({error}): get it again") from error
    staged.left_out["rows of the table without a photo"] += len(missing)
    return staged


def read_places(source: Path, share: float) -> dict[str, Place]:
    """Return the place of each photo of the table by its ``image_id``, without writing photos.

    Parameters
    ----------
    source, share
        As for `stage`. A lesion that a smaller share holds out is also held out by a larger one.

    Raises
    ------
    Refused
        If the source does not have the files of the dataset, or the table cannot be used.
    """
    try:
        return _read_table(_files(source), share)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise Refused(f"{source} is damaged or not a zip ({error}): get it again") from error


def _files(source: Path) -> dict[str, _File]:
    """Return the files by name, the table and the parts among them."""
    if not source.exists():
        raise Refused(f"there is no file {source}")
    root: _File = source if source.is_dir() else zipfile.Path(source)
    files = {entry.name: entry for entry in root.iterdir() if entry.is_file()}
    if source.is_dir():
        require_inside((source / name for name in files if _is_used(name)), source)
    for wanted, what in ((TABLE, "table HAM10000_metadata"), (PART, "HAM10000_images_part_1.zip")):
        if not any(map(wanted.fullmatch, files)):
            holds = some(sorted(files)) or "nothing"
            raise Refused(f"{source} has no {what} (it has {holds}): {ADVICE}")
    return files


def _is_used(name: str) -> bool:
    return bool(TABLE.fullmatch(name) or PART.fullmatch(name))


def _read_table(files: dict[str, _File], share: float) -> dict[str, Place]:
    """Return where each photo belongs, by its image_id."""
    name = min(filter(TABLE.fullmatch, files))
    with files[name].open("rb") as file:
        content = file.read(MAX_TABLE_BYTES + 1)
    _require_size(name, len(content), MAX_TABLE_BYTES)
    text = content.decode("utf-8-sig")
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if lacking := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
        raise Refused(f"the table {name} has no column {', '.join(lacking)}: {ADVICE}")
    places: dict[str, Place] = {}
    for row in rows:
        lesion, image_id, label = (str(row[column]) for column in COLUMNS)
        if label not in LESIONS or not IMAGE_ID.fullmatch(image_id):
            raise Refused(
                f"the table {name} has image_id {image_id!r} and dx {label!r} in line "
                f"{rows.line_num}: dx is one of {', '.join(LESIONS)}"
            )
        side: Side = "validation" if is_held_back(digest(lesion), share) else "train"
        place = Place(side, label, f"{image_id}.jpg")
        if places.setdefault(image_id, place) != place:
            raise Refused(
                f"the table {name} names {image_id} twice, as another lesion (line "
                f"{rows.line_num}): {ADVICE}"
            )
    return places


def _photos(file: _File) -> Iterator[tuple[str, zipfile.ZipInfo, zipfile.ZipFile]]:
    """Yield the photos of a part, in the order of the file: going back unpacks it anew."""
    with file.open("rb") as stream, zipfile.ZipFile(stream) as part:
        for info in sorted(part.infolist(), key=lambda info: info.header_offset):
            if found := PHOTO.fullmatch(info.filename):
                yield found["image_id"], info, part


def _stage_photo(
    staged: Staged,
    places: dict[str, Place],
    missing: set[str],
    photo: tuple[str, zipfile.ZipInfo, zipfile.ZipFile],
) -> None:
    image_id, info, part = photo
    if image_id not in places:
        staged.left_out["photos without a row in the table"] += 1
    elif image_id in missing:
        missing.remove(image_id)
        place = places[image_id]
        if _is_there(staged.folder / place.path, info):
            staged.keep(place)
        else:
            staged.put(place, _unpack(part, info))


def _unpack(part: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    _require_size(info.filename, info.file_size, LARGEST)
    return part.read(info)


def _require_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise Refused(f"{name} has more than {limit:,} bytes, unpacked: not HAM10000. {ADVICE}")


def _is_there(path: Path, info: zipfile.ZipInfo) -> bool:
    """Tell by its size and checksum whether a photo was written before, whole."""
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    return zlib.crc32(path.read_bytes()) == info.CRC
