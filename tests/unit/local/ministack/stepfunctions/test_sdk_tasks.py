from datetime import UTC, datetime, timedelta, timezone

import pytest

from scones_local.ministack.stepfunctions.sdk_tasks import _to_json


@pytest.mark.parametrize("hours", [-5, 0, 1])
def test_a_time_is_given_in_utc_whatever_the_zone_it_came_in(hours: int) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    here = moment.astimezone(timezone(timedelta(hours=hours)))
    assert _to_json({"CreationTime": here}) == {"CreationTime": "2026-01-02T03:04:05.678Z"}
