"""Unpack a model.tar.gz without trusting it."""

import gzip
from pathlib import Path

from backports import tarfile

MAX_UNPACKED_BYTES = 4 << 30
"""Bytes of all files of an archive together. On AWS the instance's volume is the limit;
our largest model has half a gigabyte."""

MAX_MEMBERS = 10_000

_BLOCK = 1 << 20


class ArchiveError(Exception):
    """An archive that is not a gzipped tar file of files and folders, or is too large."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a gzipped tar file into a folder.

    Raises
    ------
    ArchiveError
        If it is not one, is too large unpacked, or has links, devices, sparse files or paths out
        of the folder. Nothing is written if its members are too many or too large.
    """
    try:
        _validate_size(archive)
        with tarfile.open(archive, "r:gz") as tar:
            _validate_members(tar)
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ArchiveError(f"it is not a gzipped tar file: {error}") from error


def _validate_size(archive: Path) -> None:
    """Decompress without keeping anything: headers of a tar file can be as large as its files."""
    size = 0
    with gzip.open(archive) as stream:
        while block := stream.read(_BLOCK):
            size += len(block)
            _require_within_limit(size)


def _validate_members(tar: tarfile.TarFile) -> None:
    size = 0
    for count, member in enumerate(tar, start=1):
        if count > MAX_MEMBERS:
            raise ArchiveError(f"it has more than {MAX_MEMBERS:,} files and folders")
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise ArchiveError(f"{member.name!r} is not a plain file or a folder")
        size += member.size
        _require_within_limit(size)


def _require_within_limit(size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise ArchiveError(f"unpacked it has more than {MAX_UNPACKED_BYTES:,} bytes")
