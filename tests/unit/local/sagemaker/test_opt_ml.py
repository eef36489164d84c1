from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_local.sagemaker.opt_ml import relocate, relocate_scripts

ROOT = Path("/jobs/one")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/opt/ml", "/jobs/one"),
        ("/opt/ml/processing/input", "/jobs/one/processing/input"),
        ("--model=/opt/ml/model", "--model=/jobs/one/model"),
        ("a:/opt/ml/code:/opt/ml/lib", "a:/jobs/one/code:/jobs/one/lib"),
        ("chmod +x /opt/ml/a.sh && /opt/ml/a.sh", "chmod +x /jobs/one/a.sh && /jobs/one/a.sh"),
        ("Path('/opt/ml/model')", "Path('/jobs/one/model')"),
        ("file:///opt/ml/model", "file:///jobs/one/model"),
        # Other paths that contain the same letters.
        ("s3://bucket/opt/ml/model", "s3://bucket/opt/ml/model"),
        ("/data/opt/ml", "/data/opt/ml"),
        ("/opt/mlflow", "/opt/mlflow"),
        ("/opt/ml-old", "/opt/ml-old"),
        ("../opt/ml", "../opt/ml"),
    ],
)
def test_paths_below_opt_ml_are_replaced(text: str, expected: str) -> None:
    assert relocate(text, ROOT) == expected


@given(st.text())
def test_nothing_else_is_changed(text: str) -> None:
    if "/opt/ml" not in text:
        assert relocate(text, ROOT) == text


def test_the_scripts_of_a_command_line_are_changed(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    text = "open('/opt/ml/model/a')"
    names = ("main.py", "run.sh", "helper.py", "table.csv")
    for name in names:
        (code / name).write_text(text)
    words = ["bash", "-c", "/opt/ml/code/run.sh && python3 /opt/ml/code/main.py /opt/ml/code/table.csv"]  # fmt: skip  # noqa: E501
    relocate_scripts(words, tmp_path)
    changed = [name for name in names if (code / name).read_text() != text]
    assert changed == ["main.py", "run.sh"]
    assert (code / "main.py").read_text() == f"open('{tmp_path}/model/a')"


def test_what_is_not_a_text_in_the_job_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outside = tmp_path / "outside.py"
    outside.write_text("/opt/ml")
    (root / "binary.py").write_bytes(b"\xff/opt/ml")
    relocate_scripts(["/opt/ml/../outside.py", "/opt/ml/binary.py", "/opt/ml/absent.py"], root)
    assert outside.read_text() == "/opt/ml"
    assert (root / "binary.py").read_bytes() == b"\xff/opt/ml"
