import json
from pathlib import Path

import pytest

from scones_local.run.classify import to_json_line
from scones_operator.errors import PreconditionError
from scones_operator.report.ground_truth import GroundTruth, read_ground_truth, read_labels
from tests.unit.local.run.examples import result


def read(folder: Path, text: str) -> GroundTruth:
    file = folder / "truth"
    file.write_text(text, "utf-8")
    return read_ground_truth(file)


def test_results_of_a_run_name_versions(tmp_path: Path) -> None:
    rows = [result("classified", "van", "bicycle"), result(None, "van"), result("failed")]
    truth = read(tmp_path, "".join(to_json_line(row) + "\n" for row in rows))
    assert truth.label("b", "k", "v") == "van"
    assert truth.label("b", "k", "another version") is None
    assert truth.label("b", "incoming/run/photo", "v2") == "van"


def test_results_of_a_run_of_which_nothing_is_known(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text(to_json_line(result("classified", None, "bicycle")) + "\n", "utf-8")
    assert not read_labels(file)
    with pytest.raises(PreconditionError, match="names the class of no photo"):
        read_ground_truth(file)


@pytest.mark.parametrize("photo", ["photo", "Key", " name ", "file"])
@pytest.mark.parametrize("label", ["truth", "Label", "class"])
def test_tables(tmp_path: Path, photo: str, label: str) -> None:
    truth = read(tmp_path, f"id,{photo},{label}\n1,north gate/7.png,van\n2,8.png,\n")
    assert truth.label("photos", "incoming/north gate/7.png", "v1") == "van"
    assert truth.label("photos", "incoming/8.png", "v1") is None
    assert len(truth) == 1


@pytest.mark.parametrize(
    "name", ["7.png", "gate/7.png", "incoming/gate/7.png", "s3://photos/incoming/gate/7.png"]
)
def test_photos_by_their_key_or_the_end_of_it(tmp_path: Path, name: str) -> None:
    truth = read(tmp_path, json.dumps({"photo": name, "label": "van"}))
    assert truth.label("photos", "incoming/gate/7.png", None) == "van"
    assert truth.label("photos", "incoming/gate/17.png", None) is None


def test_the_longer_name_counts(tmp_path: Path) -> None:
    truth = read(tmp_path, 'photo,label\n7.png,van\n"a, b/7.png",bicycle\n')
    assert truth.label("photos", "incoming/a, b/7.png", None) == "bicycle"
    assert truth.label("photos", "incoming/c/7.png", None) == "van"


ODD = ("\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1e")
"""What Python takes for the end of a line, and JSON and tables do not."""


@pytest.mark.parametrize("odd", ODD)
def test_names_with_odd_characters(tmp_path: Path, odd: str) -> None:
    for text in (
        json.dumps({"photo": f"a{odd}b.png", "label": "van"}, ensure_ascii=False) + "\r\n",
        f"photo,label\r\na{odd}b.png,van\r\n",
    ):
        assert read(tmp_path, text).label("photos", f"incoming/a{odd}b.png", None) == "van"


def test_a_cell_of_several_lines(tmp_path: Path) -> None:
    truth = read(tmp_path, 'photo,note,label\n"a\nb.png","first\n\nlast",van\n8.png,,bicycle\n')
    assert truth.label("photos", "incoming/a\nb.png", None) == "van"
    assert truth.label("photos", "incoming/8.png", None) == "bicycle"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('photo,label\n7.png,van\n"8.png,van\n' + "9.png,van\n" * 20_000, "line .*: no table"),
        ("", "has no column of photos: call it photo or key"),
        ("photo;label\na;b", "has no column of photos"),
        ("photo,colour\na,b", "has no column of classes: call it truth or label"),
        ('{"photo": "a", "label": "b"}\n{oops', "line 2: not JSON"),
        ('{"photo": "a", "label": "b"}\n7', "line 2: not a JSON object"),
        ('{"picture": "a"}', "line 1: names no photo"),
        ("photo,label\na,\n", "names the class of no photo"),
    ],
)
def test_files_of_something_else(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PreconditionError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "truth").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PreconditionError, match="can't be read"):
        read_ground_truth(tmp_path / "truth")
