"""Downloads an archive, going on where an earlier attempt stopped, and checks it by its MD5."""

import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scones_operator.errors import OperationError, PreconditionError
from scones_operator.progress import ItemProgress, ProgressCallback

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 5
"""How often in a row a connection may break off without having brought anything."""

TIMEOUT_SECONDS = 30
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web.

    Attributes
    ----------
    url
        Where it is.
    md5
        Its MD5, in hexadecimal digits.
    """

    url: str
    md5: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.url.rpartition("/")[2]


def cache_folder() -> Path:
    """Return where downloads are kept: ``~/.cache/scones``, or below XDG_CACHE_HOME."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "scones"


def download(
    source: RemoteFile,
    folder: Path,
    on_progress: ProgressCallback,
    sleep: Callable[[], None] = lambda: time.sleep(1),
) -> Path:
    """Download a file, unless it is there.

    Parameters
    ----------
    source
        Which.
    folder
        Where to. What a broken attempt brought is kept there, as ``NAME.part``.
    on_progress
        Told how far it is.
    sleep
        Called after a connection broke off, before the next attempt; waits a second by default.

    Returns
    -------
    pathlib.Path
        The file, its MD5 checked.

    Raises
    ------
    OperationError
        If the server can't be reached or gives something else; says what to do.
    """
    target = folder / source.name
    if target.exists():
        return verify(target, source, on_progress)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{source.name}.part"
    _load(source, part, on_progress, sleep)
    checksum = md5_of(part, "Checking the archive", on_progress)
    if checksum != source.md5:
        aside = part.replace(folder / f"{source.name}.wrong-{checksum[:8]}")
        raise OperationError(
            f"checksum mismatch for {source.url}: expected MD5 {source.md5}, got {checksum}. The "
            f"file is kept as {aside}. Run the command again to download it again, or get the file "
            "elsewhere and give it with --archive"
        )
    return part.replace(target)


def verify(archive: Path, source: RemoteFile, on_progress: ProgressCallback) -> Path:
    """Make sure that an archive is the published one, by its MD5.

    Raises
    ------
    PreconditionError
        If it is not there, or another; says what to do.
    """
    if not archive.is_file():
        raise PreconditionError(f"file {archive} does not exist")
    checksum = md5_of(archive, "Checking the archive", on_progress)
    if checksum != source.md5:
        raise PreconditionError(
            f"{archive} is not the published {source.name}: expected MD5 {source.md5}, got "
            f"{checksum}. The file is unchanged. Run the command without --archive to download "
            f"{source.url}"
        )
    return archive


def md5_of(path: Path, title: str, on_progress: ProgressCallback) -> str:
    """Return the MD5 of a file, in hexadecimal digits."""
    sum_, done, total = hashlib.md5(usedforsecurity=False), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            sum_.update(block)
            done += len(block)
            on_progress(ItemProgress(title, done, total, "bytes"))
    return sum_.hexdigest()


def _load(
    source: RemoteFile, part: Path, on_progress: ProgressCallback, sleep: Callable[[], None]
) -> None:
    """Load a file, however often the connection breaks off, as long as each brings something."""
    import httpx  # noqa: PLC0415  (commands that load nothing have no need of it)

    left = ATTEMPTS
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS) as client:
        while True:
            before = _size(part)
            try:
                _load_rest(client, source, part, on_progress)
            except httpx.TransportError as error:
                left = ATTEMPTS if _size(part) > before else left - 1
                if not left:
                    raise OperationError(
                        f"{source.url} cannot be downloaded: {error or type(error).__name__}. "
                        f"{_size(part):,} bytes are downloaded. Run the command again to resume, "
                        "or get the file elsewhere and give it with --archive"
                    ) from None
                sleep()
            else:
                return


def _load_rest(
    client: "httpx.Client", source: RemoteFile, part: Path, on_progress: ProgressCallback
) -> None:
    """Load what is missing of a file; all of it from a server that knows no ranges."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", source.url, headers=headers) as answer:
        if have and answer.status_code == 416:
            if answer.headers.get("Content-Range") != f"bytes */{have}":
                part.unlink()  # it is longer than the file, so of another one
                _load_rest(client, source, part, on_progress)
        elif answer.status_code in (200, 206):
            _append(answer, source, part, on_progress)
        else:
            raise OperationError(
                f"{source.url} returned HTTP {answer.status_code} {answer.reason_phrase}: get "
                f"{source.name} elsewhere and give it with --archive"
            )


def _append(
    answer: "httpx.Response", source: RemoteFile, part: Path, on_progress: ProgressCallback
) -> None:
    """Write what a server sends behind what is there, or over it if it sends all."""
    begin = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    done = int(begin[1]) if begin and answer.status_code == 206 else 0
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length else None
    with part.open("r+b" if part.exists() else "wb") as file:
        file.seek(done)
        file.truncate()
        for block in answer.iter_raw():
            file.write(block)
            done += len(block)
            on_progress(ItemProgress("Downloading the archive", done, total, "bytes"))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
