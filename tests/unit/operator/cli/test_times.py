import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import typer

from scones_operator.cli.times import parse_time, validate_time_range

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def east_of_greenwich() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Etc/GMT-3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30s", "2026-11-20T08:59:30+00:00"),
        ("90m", "2026-11-20T07:30:00+00:00"),
        (" 24h ", "2026-11-19T09:00:00+00:00"),
        ("7d", "2026-11-13T09:00:00+00:00"),
        ("2w", "2026-11-06T09:00:00+00:00"),
        ("2026-11-02", "2026-11-01T21:00:00+00:00"),
        ("2026-11-02T09:30", "2026-11-02T06:30:00+00:00"),
        ("2026-11-02 09:30:15", "2026-11-02T06:30:15+00:00"),
        ("2026-11-02T09:30Z", "2026-11-02T09:30:00+00:00"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert parse_time(text, NOW).astimezone(UTC).isoformat() == moment


@pytest.mark.parametrize("text", ["", "yesterday", "24", "h", "24 hours", "1.5h", "9" * 30 + "w"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a valid time: use one such as 24h"):
        parse_time(text, NOW)


def test_a_range_begins_before_it_ends() -> None:
    validate_time_range(NOW, datetime(2026, 11, 20, 9, 1, tzinfo=UTC))
    with pytest.raises(typer.BadParameter, match=r"the time range from .* is empty"):
        validate_time_range(NOW, NOW)
