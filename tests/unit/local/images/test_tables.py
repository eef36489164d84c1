import csv
import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.images.xgboost.errors import UserError
from scones_local.images.xgboost.tables import parse_rows, read_channel


def channel(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_reads_all_files_of_a_channel(tmp_path: Path) -> None:
    table = read_channel(channel(tmp_path, b="3,4,5\n", a__part="1,2, 3\n\n2,,1e-3\n"))
    assert table.labels == [1, 2, 3]
    assert table.weights == []
    assert table.features[0] == [2, 3]
    assert math.isnan(table.features[1][0])
    assert table.features[1:][0][1] == 0.001


def test_reads_weights(tmp_path: Path) -> None:
    table = read_channel(channel(tmp_path, a="1,0.5,2\n"), has_weights=True)
    assert (table.labels, table.weights, table.features) == ([1], [0.5], [[2]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("rings,length\n1,2\n", "a.csv, line 1: 'rings' is not a number"),
        ("1,2\n1,2,3\n", "differ in their number of columns"),
        ("1\n", "has a label, but no features"),
    ],
)
def test_refuses_other_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_channel(channel(tmp_path, a=text))


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(FINITE, min_size=1, max_size=5), max_size=10))
def test_rows_are_read_as_they_were_written(rows: list[list[float]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    assert list(parse_rows(io.StringIO(text.getvalue(), newline=""), "t")) == rows
