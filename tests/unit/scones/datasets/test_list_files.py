from pathlib import Path

import pytest

from scones.datasets.list_files import BATCH_LINES, MAX_BATCHES, split_into_ranges, write_list
from scones.datasets.listing import PhotoList
from scones.lst import LstError
from scones.runs import ListFile


def listed(folder: Path, count: int, name: ListFile = "validation.lst") -> Path:
    path = folder / name
    path.write_text("".join(f"{number}\t0\tä/{number}.jpg\n" for number in range(count)), "utf-8")
    return path


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000, 12_345])
def test_batches_are_whole_lines_and_together_the_whole_list(tmp_path: Path, count: int) -> None:
    path = listed(tmp_path, count)

    batches = split_into_ranges(tmp_path, {"validation.lst": count})

    content = path.read_bytes()
    pieces = [content[batch.start : batch.end] for batch in batches]
    assert b"".join(pieces) == content
    assert [piece.count(b"\n") for piece in pieces[:-1]] == [BATCH_LINES] * (len(pieces) - 1)
    assert 0 < pieces[-1].count(b"\n") <= BATCH_LINES
    assert all(piece.endswith(b"\n") for piece in pieces)


MOST = BATCH_LINES * MAX_BATCHES


@pytest.mark.parametrize(
    ("photos", "negatives"),
    [(MOST, 0), (MOST + 1, 0), (MOST - 1, 1), (MOST, 1), (MOST // 2, MOST // 2)],
)
def test_there_are_never_too_many_batches(tmp_path: Path, photos: int, negatives: int) -> None:
    counts: dict[ListFile, int] = {"validation.lst": photos}
    if negatives:
        counts["negatives.lst"] = negatives
    paths = {name: listed(tmp_path, count, name) for name, count in counts.items()}

    batches = split_into_ranges(tmp_path, counts)

    assert MAX_BATCHES // 2 < len(batches) <= MAX_BATCHES
    ends = {batch.list_file: batch.end for batch in batches}
    assert ends == {name: path.stat().st_size for name, path in paths.items()}


def test_a_path_that_a_list_cannot_hold_never_gets_into_one(tmp_path: Path) -> None:
    paths = tmp_path / "paths"
    paths.write_text("van/1\t.jpg\n", "utf-8")

    with pytest.raises(LstError, match="a tab"):
        write_list(tmp_path / "train.lst", [PhotoList(paths, 1)])
