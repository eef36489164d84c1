import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools import audit
from tools.audit import AcceptedVulnerability, Vulnerability, find_problems
from tools.locks import LOCKS, ROOT, TORCH, read_pins

ADVISORY = {
    "id": "PYSEC-2026-7",
    "aliases": ["CVE-2026-7"],
    "summary": "writes out of bounds",
    "affected": [
        {
            "package": {"name": "pillow", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "12.3.0"}]}],
        }
    ],
}


class Advisories(HTTPServer):
    """OSV's query interface, with one advisory; its answers can be broken after some."""

    url = ""
    breaks_after = 1000
    queries: list[dict[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.queries.append(query)
        broken = len(self.server.queries) > self.server.breaks_after
        vulnerable = (query["package"]["name"], query["version"]) == ("pillow", "12.2.0")
        self.send_response(500 if broken else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"vulns": [ADVISORY]} if vulnerable else {}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    server = Advisories(("127.0.0.1", 0), _Handler)
    server.queries = []
    server.url = f"http://127.0.0.1:{server.server_port}/v1/query"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path: Path, advisories: Advisories) -> Any:
    def audited(pillow: str, exceptions: str = "", url: str = "") -> int:
        lock, accepted = tmp_path / "requirements.txt", tmp_path / "exceptions.toml"
        lines = f"pillow=={pillow} ; python_version < '3.12' \\\n    --hash=sha256:{'0' * 64}\n"
        lock.write_text(lines + "pillow==13.0.0 ; python_version >= '3.12'\nhttpx==0.28.1\n")
        accepted.write_text(exceptions)
        options = ["--url", url or advisories.url, "--exceptions", str(accepted), str(lock)]
        return audit.main(options)

    return audited


def exception(until: date) -> str:
    return (
        '[[accepted]]\nid = "CVE-2026-7"\npackage = "pillow"\n'
        f'reason = "never called"\nuntil = {until}\n'
    )


def test_a_known_vulnerability_fails(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("12.2.0") == 1
    error = "pillow 12.2.0: CVE-2026-7, PYSEC-2026-7, fixed in 12.3.0: run `make lock`"
    assert error in capfd.readouterr().err


def test_all_locked_versions_are_looked_up(run: Any, advisories: Advisories) -> None:
    assert run("12.3.0") == 0
    queries = {(query["package"]["name"], query["version"]) for query in advisories.queries[1:]}
    assert queries == {("pillow", "12.3.0"), ("pillow", "13.0.0"), ("httpx", "0.28.1")}


def test_an_accepted_vulnerability_passes(run: Any) -> None:
    assert run("12.2.0", exception(datetime.now(UTC).date() + timedelta(days=30))) == 0


def test_without_advisories_nothing_is_checked_and_that_is_printed(
    run: Any, advisories: Advisories, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("12.2.0", url="http://127.0.0.1:1/v1/query") == 0
    assert capfd.readouterr().out.startswith("NOT CHECKED for known vulnerabilities")
    advisories.breaks_after = 0
    assert run("12.2.0") == 0
    assert capfd.readouterr().out.startswith("NOT CHECKED for known vulnerabilities")


def test_a_check_that_breaks_off_does_not_pass(
    run: Any, advisories: Advisories, capfd: pytest.CaptureFixture[str]
) -> None:
    advisories.breaks_after = 1
    assert run("12.3.0") == 2
    assert "pip-audit failed" in capfd.readouterr().err


FOUND = Vulnerability("pillow", "12.2.0", frozenset({"CVE-1", "PYSEC-1"}), ())
TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("package", "until", "found", "problems"),
    [
        ("pillow", TODAY, [FOUND], []),
        ("pillow", date(2026, 11, 27), [FOUND], ["CVE-1 of pillow expired 2026-11-27"]),
        ("pillow", TODAY, [], ["CVE-1 of pillow is no longer needed"]),
        ("numpy", TODAY, [FOUND], ["not fixed yet", "CVE-1 of numpy is no longer needed"]),
    ],
)
def test_exceptions_are_for_one_package_and_some_time(
    package: str, until: date, found: list[Vulnerability], problems: list[str]
) -> None:
    accepted = AcceptedVulnerability(id="CVE-1", package=package, reason="x", until=until)

    lines = find_problems(found, [accepted], TODAY)

    assert len(lines) == len(problems)
    assert all(problem in line for problem, line in zip(problems, lines, strict=True))


def test_the_exceptions_of_this_repository_are_valid() -> None:
    audit.read_exceptions(audit.EXCEPTIONS)


@pytest.mark.parametrize("lock", sorted({lock for locks in LOCKS.values() for lock in locks}))
def test_each_lock_has_hashes(lock: str) -> None:
    pins = list(read_pins(ROOT / lock))

    assert pins
    assert [pin.name for pin in pins if not pin.hashes] == (["torch"] if lock == TORCH else [])


def test_a_requirement_without_a_version_is_no_pin(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("# comment\npillow>=12\n")
    with pytest.raises(ValueError, match="no exact version in the line: pillow>=12"):
        list(read_pins(lock))
