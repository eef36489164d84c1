"""Looks up known vulnerabilities of all locked packages: `python -m tools.audit`.

Exits with 1 if there is one that `audit_exceptions.toml` does not accept, or an entry there has
expired or is no longer needed; with 2 if the check itself fails. If the advisories cannot be
reached, as on a machine without network, it prints that and exits with 0.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
from pydantic import BaseModel

from tools.locks import LOCKS, ROOT, read_pins

ADVISORIES = "https://api.osv.dev/v1/query"
EXCEPTIONS = Path(__file__).with_name("audit_exceptions.toml")


class AuditError(Exception):
    """The check could not be done."""


class AcceptedVulnerability(BaseModel, extra="forbid"):
    """A vulnerability that is accepted until a day.

    Attributes
    ----------
    id
        An identifier of it, such as ``CVE-2026-1``.
    package, reason
        The package's name, and why the vulnerability does not matter here.
    until
        The last day of the exception.
    """

    id: str
    package: str
    reason: str
    until: date


class Vulnerability(NamedTuple):
    """A vulnerability of a locked version.

    Attributes
    ----------
    package, version
        What is vulnerable.
    ids
        Its identifiers in the databases.
    fixed_in
        Versions without it.
    """

    package: str
    version: str
    ids: frozenset[str]
    fixed_in: tuple[str, ...]


def has_advisories(url: str) -> bool:
    """Return whether a service answers queries for advisories."""
    query = {"package": {"name": "pillow", "ecosystem": "PyPI"}, "version": "12.2.0"}
    try:
        httpx.post(url, json=query, timeout=15).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return False
    return True


def find_vulnerabilities(pins: Iterable[tuple[str, str]], url: str) -> list[Vulnerability]:
    """Look up the vulnerabilities of package versions.

    Parameters
    ----------
    pins
        Names and versions; a name may have several.
    url
        The service, with the interface of OSV.

    Raises
    ------
    AuditError
        If pip-audit fails.
    """
    versions: dict[str, list[str]] = defaultdict(list)
    for name, version in sorted(set(pins)):
        versions[name].append(version)
    found = []
    while versions:  # pip-audit takes one version of a package at a time
        found += _run_pip_audit(
            {name: remaining.pop() for name, remaining in versions.items()}, url
        )
        versions = {name: remaining for name, remaining in versions.items() if remaining}
    return found


def _run_pip_audit(versions: dict[str, str], url: str) -> list[Vulnerability]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.writelines(f"{name}=={version}\n" for name, version in versions.items())
        requirements.flush()
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        service = ["--vulnerability-service", "osv", "--osv-url", url]
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pip_audit", *options, *service, "-r", requirements.name],
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except ValueError:
        raise AuditError(f"pip-audit failed: {run.stderr.strip()[-1000:]}") from None
    if {package["name"] for package in packages} != set(versions):
        raise AuditError("pip-audit skipped packages: run it again, or update it")
    return [
        Vulnerability(
            package["name"],
            package["version"],
            frozenset({vulnerability["id"], *vulnerability["aliases"]}),
            tuple(vulnerability["fix_versions"]),
        )
        for package in packages
        for vulnerability in package["vulns"]
    ]


def read_exceptions(file: Path) -> list[AcceptedVulnerability]:
    """Read the accepted vulnerabilities."""
    entries = tomllib.loads(file.read_text("utf-8")).get("accepted", [])
    return [AcceptedVulnerability.model_validate(entry) for entry in entries]


def find_problems(
    vulnerabilities: Sequence[Vulnerability],
    accepted: Sequence[AcceptedVulnerability],
    today: date,
) -> list[str]:
    """Return what has to be done, a line each: about vulnerabilities and about exceptions."""
    problems = []
    for package, version, ids, fixed_in in vulnerabilities:
        if not any(entry.id in ids and entry.package == package for entry in accepted):
            fix = (
                f"fixed in {', '.join(fixed_in)}: run `make lock`" if fixed_in else "not fixed yet"
            )
            problems.append(f"{package} {version}: {', '.join(sorted(ids))}, {fix}")
    for entry in accepted:
        if entry.until < today:
            problems.append(
                f"the exception for {entry.id} of {entry.package} expired {entry.until}"
            )
        elif not any(
            entry.id in one.ids and entry.package == one.package for one in vulnerabilities
        ):
            problems.append(f"the exception for {entry.id} of {entry.package} is no longer needed")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the locks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--url", default=ADVISORIES, help="service with the interface of OSV")
    parser.add_argument("--exceptions", type=Path, default=EXCEPTIONS)
    parser.add_argument("locks", type=Path, nargs="*")
    options = parser.parse_args(arguments)
    paths = {lock for locks in LOCKS.values() for lock in locks}
    locks = options.locks or [ROOT / path for path in sorted(paths)]
    pins = {(pin.name, pin.version) for lock in locks for pin in read_pins(lock)}
    if not has_advisories(options.url):
        print(f"NOT CHECKED for known vulnerabilities: {options.url} cannot be reached from here")
        return 0
    try:
        vulnerabilities = find_vulnerabilities(pins, options.url)
    except AuditError as error:
        print(error, file=sys.stderr)
        return 2
    today = datetime.now(UTC).date()
    problems = find_problems(vulnerabilities, read_exceptions(options.exceptions), today)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(pins)} locked versions checked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
