import time
from typing import Any

import pytest

from scones_operator.models.training_log import TrainingLog, parse_line
from scones_operator.progress import Epoch, LogLine


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Epoch[2] Validation-accuracy=0.666667", Epoch(3, 30, 0.666667)),
        ("Epoch[29] Validation-accuracy=1.000000\n", Epoch(30, 30, 1.0)),
        (
            "[11/20/2026 14:02:11 INFO 139869] Epoch[0] Validation-accuracy=0.5",
            Epoch(1, 30, 0.5),
        ),
        ("Epoch[2] Train-accuracy=0.5", None),
        ("Epoch[2] Time cost=0.123", None),
        ("[11/20/2026 14:02:11 INFO 139869] Epoch[0] Batch [20]\tSpeed: 112 samples/sec", None),
        ('#metrics {"StartTime": 1.5}', None),
        ("  \n", None),
        ("Prepared 90 training photos.", LogLine("Prepared 90 training photos.")),
    ],
)
def test_what_a_line_tells(line: str, told: Any) -> None:
    assert parse_line(line, 30) == told


def test_a_log_is_read_as_it_is_written(session: Any) -> None:
    logs, names = session.client("logs"), {"logGroupName": TrainingLog.GROUP}
    log, now = TrainingLog(session, "job"), int(time.time() * 1000)
    assert list(log.new_lines()) == []

    logs.create_log_group(**names)
    assert list(log.new_lines()) == []

    for stream, text in (("jobs-other/algo-1", "not ours"), ("job/algo-1", "first")):
        logs.create_log_stream(**names, logStreamName=stream)
        event = {"timestamp": now, "message": text}
        logs.put_log_events(**names, logStreamName=stream, logEvents=[event])
    assert list(log.new_lines()) == ["first"]
    assert list(log.new_lines()) == []

    event = {"timestamp": now + 1, "message": "second"}
    logs.put_log_events(**names, logStreamName="job/algo-1", logEvents=[event])
    assert list(log.new_lines()) == ["second"]
