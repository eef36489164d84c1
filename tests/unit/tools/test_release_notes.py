"""Notes of a release, and when there is none."""

import pytest

from tools.release_notes import ReleaseError, check_tag, extract_notes, main, read_version

CHANGELOG = """# Changelog

## Unreleased

- Not yet.

## 1.10.0 - 2026-11-28

- Newer.

### Fixed

- A detail.

## 1.1.0

- Older.

## 1.0.0
"""


def test_the_section_of_a_version() -> None:
    assert extract_notes(CHANGELOG, "1.10.0") == "- Newer.\n\n### Fixed\n\n- A detail.\n"
    assert extract_notes(CHANGELOG, "1.1.0") == "- Older.\n"


@pytest.mark.parametrize(
    ("version", "reason"),
    [("1.1", "no section 1.1"), ("2.0.0", "no section 2.0.0"), ("1.0.0", "1.0.0 .* is empty")],
)
def test_no_notes(version: str, reason: str) -> None:
    with pytest.raises(ReleaseError, match=reason):
        extract_notes(CHANGELOG, version)


def test_the_tag_is_that_of_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    check_tag("v1.2.0", "1.2.0")
    for tag in ("1.2.0", "v1.2", "v1.2.0rc1"):
        with pytest.raises(ReleaseError, match=r"pyproject\.toml has version 1\.2\.0"):
            check_tag(tag, "1.2.0")
    assert main(["v99.0.0"]) == 1
    assert f"has version {read_version()}" in capsys.readouterr().err
