import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scones_operator.datasets.download import ATTEMPTS, RemoteFile, cache_folder, download, verify
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.progress import ItemProgress, ignore_progress

CONTENT = bytes(range(256)) * 4096


class Server:
    """Serves one file, and breaks off when told to."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.ranges = True
        self.status: int | None = None
        self.break_after: list[int] = []
        """For each of the next requests, after how many bytes the connection breaks off."""
        self.asked: list[str | None] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if self.status:
            request.send_error(self.status)
            return
        if begin and begin >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = self.content[begin:]
        request.send_response(206 if asked and self.ranges else 200)
        request.send_header("Content-Length", str(len(body)))
        if asked and self.ranges:
            whole = len(self.content)
            request.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
        request.end_headers()
        broken = self.break_after.pop(0) if self.break_after else len(body)
        request.wfile.write(body[:broken])
        request.close_connection = True


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[str, dict[str, Server]]]:
    """A listening server for all tests of the file, and what answers there now."""
    now: dict[str, Server] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            now["server"].answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/photos.tar.gz", now
        http.shutdown()


@pytest.fixture
def server(
    listening: tuple[str, dict[str, Server]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    listening[1]["server"] = Server()
    return listening[1]["server"]


@pytest.fixture
def source(listening: tuple[str, dict[str, Server]]) -> RemoteFile:
    return RemoteFile(listening[0], hashlib.md5(CONTENT).hexdigest())


def load(source: RemoteFile, folder: Path, tell: Any = ignore_progress) -> Path:
    return download(source, folder, tell, sleep=lambda: None)


def test_a_download(server: Server, source: RemoteFile, tmp_path: Path) -> None:
    told: list[ItemProgress] = []
    path = load(source, tmp_path / "cache", told.append)

    assert path == tmp_path / "cache/photos.tar.gz"
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["photos.tar.gz"]
    assert ItemProgress("Downloading the archive", len(CONTENT), len(CONTENT), "bytes") in told
    assert server.asked == [None]


def test_what_is_there_is_not_loaded_again(
    server: Server, source: RemoteFile, tmp_path: Path
) -> None:
    load(source, tmp_path)
    load(source, tmp_path)
    assert len(server.asked) == 1


def test_a_connection_that_breaks_off_goes_on_where_it_stopped(
    server: Server, source: RemoteFile, tmp_path: Path
) -> None:
    server.break_after = [300_000, 200_000]
    path = load(source, tmp_path)

    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_run_goes_on_where_an_earlier_one_stopped(
    server: Server, source: RemoteFile, tmp_path: Path
) -> None:
    server.break_after = [300_000] + [0] * ATTEMPTS
    with pytest.raises(
        OperationError, match=r"300,000 bytes are downloaded. Run the command again to resume"
    ):
        load(source, tmp_path)
    assert len(server.asked) == 1 + ATTEMPTS

    assert load(source, tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def test_a_server_that_ignores_ranges_starts_anew(
    server: Server, source: RemoteFile, tmp_path: Path
) -> None:
    server.ranges = False
    server.break_after = [300_000]
    assert load(source, tmp_path).read_bytes() == CONTENT


def test_a_download_that_was_whole_but_not_checked(
    server: Server, source: RemoteFile, tmp_path: Path
) -> None:
    (tmp_path / "photos.tar.gz.part").write_bytes(CONTENT)
    assert load(source, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_longer_than_the_file(
    server: Server, source: RemoteFile, tmp_path: Path
) -> None:
    (tmp_path / "photos.tar.gz.part").write_bytes(CONTENT + b"more")
    assert load(source, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 4}-", None]


def test_another_file_is_kept_aside(server: Server, source: RemoteFile, tmp_path: Path) -> None:
    server.content = b"another"
    found = hashlib.md5(b"another").hexdigest()

    with pytest.raises(OperationError) as raised:
        load(source, tmp_path)

    aside = tmp_path / f"photos.tar.gz.wrong-{found[:8]}"
    for said in (found, source.md5, str(aside), "--archive"):
        assert said in str(raised.value)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"another"]
    server.content = CONTENT
    assert load(source, tmp_path).read_bytes() == CONTENT
    assert aside.exists()


def test_a_server_that_has_it_not(server: Server, source: RemoteFile, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(OperationError, match=r"returned HTTP 404 Not Found.*--archive"):
        load(source, tmp_path)


def test_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(OperationError, match=r"cannot be downloaded: .*refused"):
        load(RemoteFile("http://127.0.0.1:9/x.tar.gz", ""), tmp_path)


def test_a_given_archive(source: RemoteFile, tmp_path: Path) -> None:
    given = tmp_path / "mine.tar.gz"
    with pytest.raises(PreconditionError, match=r"file .*mine\.tar\.gz does not exist"):
        verify(given, source, ignore_progress)
    given.write_bytes(CONTENT)
    assert verify(given, source, ignore_progress) == given
    given.write_bytes(b"another")
    with pytest.raises(PreconditionError) as raised:
        verify(given, source, ignore_progress)
    for said in (hashlib.md5(b"another").hexdigest(), source.md5, source.url):
        assert said in str(raised.value)
    assert given.read_bytes() == b"another"


def test_where_downloads_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/scones")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_folder() == Path("/home/x/.cache/scones")
