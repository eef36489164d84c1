import base64
import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scones_operator.captures import parser
from scones_operator.captures.parser import CorruptRecord, parse_file
from scones_operator.captures.records import CaptureRecord
from tests.unit.operator.captures.files import AT, PICTURE, REAL, line, record


def read(folder: Path, content: str | bytes) -> tuple[list[CaptureRecord], list[CorruptRecord]]:
    file = folder / "captured.jsonl"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    found = list(parse_file(file, "name", "scones", "AllTraffic"))
    captured = [item for item in found if isinstance(item, CaptureRecord)]
    return captured, [item for item in found if isinstance(item, CorruptRecord)]


def ids(captured: Sequence[CaptureRecord]) -> list[str]:
    return [item.event_id for item in captured]


def test_a_line_a_record(tmp_path: Path) -> None:
    captured, damage = read(tmp_path, f"{line(1)}\n{line(2)}\n")
    assert captured[0] == CaptureRecord(
        event_id="event-1",
        requested_at=AT,
        content_type="image/png",
        image=PICTURE + b"\x01",
        probabilities=(0.75, 0.25),
        endpoint="scones",
        variant="AllTraffic",
    )
    assert ids(captured) == ["event-1", "event-2"]
    assert damage == []


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the captures of a real endpoint")
def test_files_of_a_real_endpoint() -> None:
    found = [item for file in sorted(REAL.iterdir()) for item in parse_file(file)]
    captured = [item for item in found if isinstance(item, CaptureRecord)]
    assert len(found) == len(captured) == 5
    assert {item.content_type for item in captured} == {"image/png"}
    assert all((item.image or b"").startswith(b"\x89PNG") for item in captured)
    assert [item.top_class for item in captured][:2] == [(0, 0.938884), (1, 0.930783)]
    assert captured[0].requested_at.isoformat() == "2024-10-15T14:05:12+00:00"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the captures of a real endpoint")
def test_files_of_a_real_endpoint_joined_indented_and_compressed(tmp_path: Path) -> None:
    files = sorted(REAL.iterdir())
    lines = [text for file in files for text in file.read_text("utf-8").splitlines()]
    joined = "".join(json.dumps(json.loads(text), indent=2) for text in lines)
    expected = [item for file in files for item in parse_file(file, "name", "scones", "AllTraffic")]
    assert read(tmp_path, gzip.compress(joined.encode())) == (expected, [])


@pytest.mark.parametrize("between", ["", "\n", "\r\n", "\n\n  \n", " "])
@pytest.mark.parametrize("indent", [None, 4])
def test_records_over_several_lines_or_several_in_one(
    tmp_path: Path, between: str, indent: int | None
) -> None:
    text = between.join(json.dumps(record(number), indent=indent) for number in range(3))
    captured, damage = read(tmp_path, text)
    assert ids(captured) == ["event-0", "event-1", "event-2"]
    assert damage == []


RECORDS = [record(1), record(2), record(3)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=4),
        "\ufeff" + json.dumps(RECORDS, separators=(",", ":")),
        json.dumps(RECORDS[:2]) + json.dumps(RECORDS[2:]),
        json.dumps(RECORDS[:1]) + "\n" + line(2) + "\n[]\n" + json.dumps([[RECORDS[2]]]),
        f"[\n{line(1)},\n{line(2)},\n{line(3)}\n]\n",
        f"[{line(1)}, {line(2)}, {line(3)},]",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "gzip"])
def test_an_array_is_read_as_the_records_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, encoding: str
) -> None:
    monkeypatch.setattr(parser, "_CHUNK", 7)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    data = gzip.compress(text.encode()) if encoding == "gzip" else (mark + text).encode(encoding)
    captured, damage = read(tmp_path, data)
    assert (ids(captured), damage) == (["event-1", "event-2", "event-3"], [])


def test_what_is_no_record_in_an_array_is_counted(tmp_path: Path) -> None:
    captured, damage = read(tmp_path, f'[{line(1)},\n7, {{"a": 1}},\n{line(2)}]')
    assert ids(captured) == ["event-1", "event-2"]
    assert [item.line for item in damage] == [2, 2]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("", "the array of records is incomplete"),
        (",", "the array of records is incomplete"),
        ("," + line(2)[:40], "the record is incomplete"),
    ],
)
def test_an_array_that_breaks_off(tmp_path: Path, end: str, said: str) -> None:
    captured, damage = read(tmp_path, f"[{line(1)}{end}")
    assert ids(captured) == ["event-1"]
    assert [item.message for item in damage] == [said]


def test_a_large_array_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "_MAX_RECORD_LENGTH", 2 * len(line(1)))
    monkeypatch.setattr(parser, "_CHUNK", 100)
    captured, damage = read(tmp_path, json.dumps([record(number) for number in range(50)]))
    assert (len(captured), damage) == (50, [])


def test_files_with_marks_of_the_byte_order_that_were_joined(tmp_path: Path) -> None:
    captured, damage = read(tmp_path, f"\ufeff{line(1)}\n\ufeff{line(2)}\n")
    assert (ids(captured), damage) == (["event-1", "event-2"], [])


def test_compressed_whatever_the_name_says(tmp_path: Path) -> None:
    captured, _ = read(tmp_path, gzip.compress(line().encode()))
    assert ids(captured) == ["event-0"]


def test_two_compressed_files_in_one(tmp_path: Path) -> None:
    captured, damage = read(tmp_path, b"".join(gzip.compress(line(n).encode()) for n in range(2)))
    assert ids(captured) == ["event-0", "event-1"]
    assert damage == []


def test_a_compressed_file_that_breaks_off(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(line(number) for number in range(500)).encode())
    captured, damage = read(tmp_path, whole[: len(whole) * 3 // 4])
    assert 100 < len(captured) < 500
    assert ids(captured) == [f"event-{number}" for number in range(len(captured))]
    assert "the compressed file is corrupt or incomplete" in damage[-1].message


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path: Path) -> None:
    captured, damage = read(tmp_path, b"\xef\xbb\xbf" + line().encode())
    assert (len(captured), damage) == (1, [])


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == ([], [])
    assert read(tmp_path, " \n\n") == ([], [])


@pytest.mark.parametrize("cut", [1, 30, 150, 250, -1])
def test_a_half_written_end(tmp_path: Path, cut: int) -> None:
    captured, damage = read(tmp_path, f"{line(1)}\n{line(2)[:cut]}")
    assert ids(captured) == ["event-1"]
    assert [str(item) for item in damage] == ["name, line 2: the record is incomplete"]


@pytest.mark.parametrize("between", ["", "\n"])
@pytest.mark.parametrize("cut", [1, 30, 150, 250, -1])
def test_a_half_written_record_in_the_middle(tmp_path: Path, cut: int, between: str) -> None:
    captured, damage = read(tmp_path, f"{line(1)}\n{line(2)[:cut]}{between}{line(3)}\n{line(4)}")
    assert ids(captured) == ["event-1", "event-3", "event-4"]
    assert [item.line for item in damage] == [2]


def test_lines_of_something_else(tmp_path: Path) -> None:
    captured, damage = read(tmp_path, f"{line(1)}\n\n<html>oops\n{{}} 7\n{line(2)}\n")
    assert ids(captured) == ["event-1", "event-2"]
    assert damage[0].line == 3


def test_the_line_of_damage_among_records_of_several_lines(tmp_path: Path) -> None:
    text = json.dumps(record(1), indent=2)
    captured, damage = read(tmp_path, f"{text}\n{text[:200]}\n{text}")
    assert len(captured) == 2
    assert [item.line for item in damage] == [len(text.splitlines()) + 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "not a record of data capture: it has no captureData"),
        ("[1]", "not a record of data capture"),
        (line().replace("event-0", "../../etc"), "its eventId '../../etc' is not valid"),
        (line().replace("2026-11-20T", "yesterday "), "is not a time"),
        (line().replace("2026-11-20T09:30:00Z", "0001-01-01T00:00:00+14:00"), "is not a time"),
        (line(endpointInput=7), "its payload is not a JSON object"),
        (line(endpointInput={"encoding": "BASE64", "data": "%%%"}), "its payload is not base64"),
        (line(endpointInput={"encoding": "BASE64"}), "it has no data"),
        ('{"a":' * 100_000, "corrupt"),
        (f'{{"captureData":{"1" * 5000}}}', "corrupt"),
    ],
)
def test_what_is_no_record_is_told(tmp_path: Path, text: str, said: str) -> None:
    captured, damage = read(tmp_path, text + "\n" + line(7))
    assert ids(captured) == ["event-7"]
    assert said in damage[0].message


@pytest.mark.parametrize(
    ("answer", "probabilities"),
    [
        ("[0.9, 0.1]", (0.9, 0.1)),
        ('{"prediction": [0.9, 0.1]}', (0.9, 0.1)),
        ("0.9,0.1\n", (0.9, 0.1)),
        (" [1, 0]", (1.0, 0.0)),
        ('{"error": "busy"}', None),
        ("busy", None),
        ("[]", None),
        ("[2, 0]", None),
        ("[1, -1]", None),
        ("[NaN, 1]", None),
        ('["0.9"]', None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
@pytest.mark.parametrize("encoding", ["JSON", "CSV", "BASE64"])
def test_answers_in_any_encoding(
    tmp_path: Path, answer: str, probabilities: tuple[float, ...] | None, encoding: str
) -> None:
    data = base64.b64encode(answer.encode()).decode() if encoding == "BASE64" else answer
    (captured,), damage = read(
        tmp_path, line(endpointOutput={"data": data, "encoding": encoding, "mode": "OUTPUT"})
    )
    assert captured.probabilities == probabilities
    assert damage == []


def test_requests_or_answers_alone(tmp_path: Path) -> None:
    asked, answered = record(1), record(2)
    del asked["captureData"]["endpointOutput"], answered["captureData"]["endpointInput"]
    (first, second), damage = read(tmp_path, json.dumps(asked) + json.dumps(answered))
    assert (first.image, first.probabilities) == (PICTURE + b"\x01", None)
    assert (second.image, second.probabilities) == (None, (0.75, 0.25))
    assert second.content_type is None
    assert damage == []


@given(
    numbers=st.lists(st.integers(0, 255), max_size=6),
    indent=st.sampled_from([None, 0, 3]),
    between=st.sampled_from(["", "\n", " \n"]),
    chunk=st.integers(1, 400),
    noise=st.text(st.characters(exclude_characters="{", codec="utf-8"), min_size=1, max_size=30),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_whole_records_are_read_whatever_lies_between_and_however_little_is_read_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    numbers: list[int],
    indent: int | None,
    between: str,
    chunk: int,
    noise: str,
    data: st.DataObject,
) -> None:
    monkeypatch.setattr(parser, "_CHUNK", chunk)
    texts = [json.dumps(record(number), indent=indent) for number in numbers]
    place = data.draw(st.integers(0, len(texts)))
    clean, damage = read(tmp_path, between.join(texts))
    assert (ids(clean), damage) == ([f"event-{number}" for number in numbers], [])
    damaged, damage = read(tmp_path, between.join([*texts[:place], noise, *texts[place:]]))
    assert damaged == clean
    assert bool(damage) == bool(noise.strip())


@pytest.mark.parametrize("chunk", range(1, 24))
def test_words_and_escapes_that_are_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(parser, "_CHUNK", chunk)
    words = '"more":[true,false,null,-1.5e30,"\\u00e9\\n"],' * 12
    text = "".join(
        line(number).replace('"eventVersion"', f'{words}"eventVersion"') for number in (1, 2)
    )
    captured, damage = read(tmp_path, text)
    assert (ids(captured), damage) == (["event-1", "event-2"], [])


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_records_behind_a_stretch_of_nonsense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(parser, "_CHUNK", chunk)
    for length in range(1, 140):
        captured, damage = read(tmp_path, "x" * length + line(1))
        assert (ids(captured), len(damage)) == (["event-1"], 1)


def test_no_more_than_some_records_of_a_large_file_are_held(tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    payload = base64.b64encode(random.Random(1).randbytes(30_000)).decode()
    text = line(endpointInput={"data": payload, "encoding": "BASE64", "mode": "INPUT"})
    with file.open("w") as lines:
        lines.writelines(f"{text}\n" for _ in range(200))
    with file.open("rb") as stream:
        held = parser._Reader(stream)
        most = 0
        for found in parser._values(held):
            assert found.error is None
            most = max(most, len(held.text))
    assert most < 4 * max(parser._CHUNK, len(text))
    assert file.stat().st_size > 20 * most
