"""The scripts of the pipeline `abalone`, as plain functions and as programs."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost

from scones_pipelines.abalone import evaluate, preprocess

HEADER = "Sex,Length,Diameter,Height,Whole_weight,Shucked_weight,Viscera_weight,Shell_weight,Rings"
SCRIPTS = Path(preprocess.__file__).parent


def rows(count: int = 60) -> list[str]:
    generator = np.random.default_rng(0)
    lines = []
    for number in range(count):
        length = generator.uniform(0.1, 0.8)
        sizes = [length, length * 0.8, length * 0.3]
        weights = [length**3 * factor for factor in (4, 2, 1, 1.2)]
        rings = round(3 + 15 * length)
        values = ",".join(f"{value:.4f}" for value in [*sizes, *weights])
        lines.append(f"{'FIM'[number % 3]},{values},{rings}")
    return lines


def write(folder: Path, lines: list[str], name: str = "abalone.csv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("header", [[HEADER], []])
def test_a_table_is_read_with_and_without_a_header(tmp_path: Path, header: list[str]) -> None:
    table = preprocess.read_table(write(tmp_path, header + rows(30)))

    assert list(table.columns) == preprocess.COLUMNS
    assert len(table) == 30
    assert table["rings"].dtype.kind in "if"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line.rpartition(",")[0] for line in rows()], "has 8 columns, expected 9"),
        (rows(5), "has 5 rows, expected at least 20"),
        ([*rows(), rows()[0].replace("F", "X", 1)], "has the sex 'X'"),
        ([*rows(), "M,long,0.3,0.1,0.5,0.2,0.1,0.15,15"], "length 'long', not a number"),
        ([*rows(), "M,0.4,0.3,0.1,0.5,0.2,0.1,0.15,"], "1 rows without rings"),
    ],
)
def test_a_table_that_is_not_the_dataset_is_refused(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(preprocess.TableError, match=message):
        preprocess.read_table(write(tmp_path, lines))


def test_exactly_one_file_is_expected(tmp_path: Path) -> None:
    with pytest.raises(preprocess.TableError, match="found none"):
        preprocess.read_table(tmp_path)
    write(tmp_path, rows(), "a.csv")
    write(tmp_path, rows(), "b.csv")
    with pytest.raises(preprocess.TableError, match=r"found a\.csv, b\.csv"):
        preprocess.read_table(tmp_path)


def test_splits_share_no_row_and_lose_none(tmp_path: Path) -> None:
    table = preprocess.read_table(write(tmp_path, rows(100)))

    splits = preprocess.split(table, 0.15, 0.15, seed=0)

    indices = [index for part in splits.values() for index in part.index]
    assert sorted(indices) == list(range(100))
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 70,
        "validation": 15,
        "test": 15,
    }
    again = preprocess.split(table, 0.15, 0.15, seed=0)
    assert all(splits[name].equals(again[name]) for name in splits)


def test_features_are_scaled_by_the_training_rows_only(tmp_path: Path) -> None:
    table = preprocess.read_table(write(tmp_path, rows(100)))
    splits = preprocess.split(table, 0.15, 0.15, seed=0)
    shifted = dict(splits, test=splits["test"].assign(length=splits["test"]["length"] + 100))

    train = preprocess.features(splits)["train"]

    assert train.shape[1] == 1 + 7 + 3
    assert np.allclose(train.iloc[:, 1:8].mean(), 0)
    assert np.allclose(train.iloc[:, 1:8].std(ddof=0), 1)
    assert train.equals(preprocess.features(shifted)["train"])
    assert (preprocess.features(shifted)["test"][0] > 100).all()


def test_missing_measurements_become_the_median(tmp_path: Path) -> None:
    lines = rows(40)
    lines[0] = ",".join(["M", "", *lines[0].split(",")[2:]])
    table = preprocess.read_table(write(tmp_path, lines))

    train = preprocess.features({"train": table})["train"]

    assert not train.isna().any().any()
    assert train.iloc[0, 1] == pytest.approx(train.iloc[1:, 1].median())


def test_errors_of_predictions_are_measured() -> None:
    metrics = evaluate.report(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0]))

    values = metrics["regression_metrics"]
    assert values["mse"]["value"] == pytest.approx(3.0)
    assert values["mse"]["standard_deviation"] == pytest.approx(np.std([0, 0, 9]))
    assert values["rmse"]["value"] == pytest.approx(3**0.5)
    assert values["mae"]["value"] == pytest.approx(1.0)
    assert values["r2"]["value"] == pytest.approx(1 - 3 / (2 / 3))


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )


def preprocessed(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    options: list[str | Path] = []
    for name in ("train", "validation", "test"):
        (tmp_path / name).mkdir()
        options += [f"--output-{name}", tmp_path / name]
    message = ["--exit-message", tmp_path / "message"]
    return run("preprocess.py", "--input-raw", tmp_path / "raw", *options, *message)


def trained(folder: Path, model: Path) -> None:
    part = pd.read_csv(folder / "train.csv", header=None).to_numpy()
    booster = xgboost.train({}, xgboost.DMatrix(part[:, 1:], part[:, 0]), 30)
    booster.save_model(model.with_name("xgboost-model"))
    with tarfile.open(model, "w:gz") as tar:
        tar.add(model.with_name("xgboost-model"), "xgboost-model")


def test_the_scripts_work_together_as_programs(tmp_path: Path) -> None:
    write(tmp_path / "raw", [HEADER, *rows(300)])

    assert preprocessed(tmp_path).returncode == 0
    trained(tmp_path / "train", tmp_path / "model.tar.gz")
    inputs = ["--input-model", tmp_path, "--input-test", tmp_path / "test"]
    message = ["--exit-message", tmp_path / "message"]
    done = run("evaluate.py", *inputs, "--output-evaluation", tmp_path, *message)

    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "evaluation.json").read_text())["regression_metrics"]
    # The rings of the rows follow from the length: the model must have learned that.
    assert metrics["mse"]["value"] < 1
    assert not (tmp_path / "message").exists()


def test_a_script_says_why_it_failed(tmp_path: Path) -> None:
    write(tmp_path / "raw", ["a,b"])

    done = preprocessed(tmp_path)

    assert done.returncode == 1
    assert (tmp_path / "message").read_text() == (
        "abalone.csv has 2 columns, expected 9: sex, length, diameter, height, whole_weight, "
        "shucked_weight, viscera_weight, shell_weight, rings"
    )
    assert "Traceback" not in done.stderr


def test_a_model_that_is_not_one_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with pytest.raises(evaluate.ModelError, match="cannot read xgboost-model"):
        evaluate.load_model(archive)
    (tmp_path / "xgboost-model").write_bytes(b"pickle")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "xgboost-model", "xgboost-model")
    with pytest.raises(evaluate.ModelError, match="is not a model of XGBoost"):
        evaluate.load_model(archive)


def test_test_rows_must_exist(tmp_path: Path) -> None:
    with pytest.raises(evaluate.ModelError, match=r"cannot read test\.csv"):
        evaluate.read_rows(tmp_path)
