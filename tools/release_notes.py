"""Write the notes of a release from CHANGELOG.md: `python -m tools.release_notes TAG`.

The tag must be that of the version in pyproject.toml, and the changelog must have a section for it.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence

from tools.locks import ROOT

CHANGELOG = ROOT / "CHANGELOG.md"
OUTPUT = ROOT / "build" / "release-notes.md"


class ReleaseError(Exception):
    """The tree is not ready for a release; the message contains the reason."""


def read_version() -> str:
    """Return the version in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def extract_notes(changelog: str, version: str) -> str:
    """Return the section of a version.

    Parameters
    ----------
    changelog
        Markdown with a heading ``## VERSION`` per version, optionally followed by a date.
    version
        Version, such as ``1.2.0``.

    Raises
    ------
    ReleaseError
        If the section is missing or empty.
    """
    sections = re.split(r"^## +", changelog, flags=re.MULTILINE)
    for section in sections[1:]:
        heading, _, body = section.partition("\n")
        if heading.split()[:1] == [version]:
            if not body.strip():
                raise ReleaseError(f"the section {version} of CHANGELOG.md is empty")
            return f"{body.strip()}\n"
    raise ReleaseError(f"CHANGELOG.md has no section {version}: add one")


def check_tag(tag: str, version: str) -> None:
    """Raise `ReleaseError` unless a tag is that of a version: ``v`` and the version."""
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, but pyproject.toml has version {version}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the notes and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.release_notes", description=__doc__)
    parser.add_argument("tag", help="tag of the release, such as v1.2.0")
    options = parser.parse_args(arguments)
    version = read_version()
    try:
        check_tag(options.tag, version)
        notes = extract_notes(CHANGELOG.read_text("utf-8"), version)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(notes, "utf-8")
    print(f"Written: {OUTPUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
