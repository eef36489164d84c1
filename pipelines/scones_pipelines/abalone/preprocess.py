"""Split the abalone table and prepare its features for XGBoost.

Runs in AWS's scikit-learn container, so it imports nothing of this project. The table is the UCI
one (https://doi.org/10.24432/C55C7W): sex, seven measurements and the number of rings, with or
without a header. The outputs have no header and the label first, as the built-in XGBoost wants
CSV: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SEX = "sex"
MEASUREMENTS = [
    "length",
    "diameter",
    "height",
    "whole_weight",
    "shucked_weight",
    "viscera_weight",
    "shell_weight",
]
LABEL = "rings"
COLUMNS = [SEX, *MEASUREMENTS, LABEL]
SEXES = ["F", "I", "M"]

MIN_ROWS = 20
"""Least number of rows: fewer cannot be split three ways."""


class TableError(Exception):
    """The table cannot be used; the message states the reason."""


def read_table(folder: Path) -> pd.DataFrame:
    """Read the one CSV file of a folder.

    Parameters
    ----------
    folder
        Folder with one ``*.csv`` file.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; missing measurements are NaN.

    Raises
    ------
    TableError
        If there is not exactly one file, its columns are not those of the table, a label is
        missing, a sex is unknown, a value is not a number, or there are too few rows.
    """
    files = sorted(folder.glob("*.csv"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise TableError(f"expected one CSV file in the input, found {found}")
    table = pd.read_csv(files[0], header=None, dtype=str, skipinitialspace=True)
    if table.shape[1] != len(COLUMNS):
        raise TableError(
            f"{files[0].name} has {table.shape[1]} columns, expected {len(COLUMNS)}: "
            f"{', '.join(COLUMNS)}"
        )
    table.columns = pd.Index(COLUMNS)
    if _is_header(table.iloc[0]):
        table = table.iloc[1:]
    return _checked(table.reset_index(drop=True), files[0].name)


def _is_header(row: pd.Series) -> bool:
    names = [str(value).strip().lower().replace(" ", "_") for value in row]
    if names == COLUMNS:
        return True
    return bool(pd.to_numeric(row[MEASUREMENTS], errors="coerce").isna().all())


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if len(table) < MIN_ROWS:
        raise TableError(f"{name} has {len(table)} rows, expected at least {MIN_ROWS}")
    unknown = sorted(set(table[SEX].dropna()) - set(SEXES))
    if unknown:
        raise TableError(f"{name} has the sex {unknown[0]!r}, expected one of {', '.join(SEXES)}")
    for column in [*MEASUREMENTS, LABEL]:
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = numbers.isna() & table[column].notna()
        if wrong.any():
            raise TableError(f"{name} has {column} {table[column][wrong].iloc[0]!r}, not a number")
        table[column] = numbers
    if table[LABEL].isna().any():
        raise TableError(f"{name} has {int(table[LABEL].isna().sum())} rows without {LABEL}")
    return table


def split(
    table: pd.DataFrame, validation_share: float, test_share: float, seed: int
) -> dict[str, pd.DataFrame]:
    """Split a table by rows, at random.

    Parameters
    ----------
    table
        From `read_table`.
    validation_share, test_share
        Shares of the rows, above 0; their sum is below 1.
    seed
        Seed of the random numbers: the same seed gives the same split.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``train``, ``validation`` and ``test``.
    """
    held_out = [max(1, round(share * len(table))) for share in (validation_share, test_share)]
    rest, test = train_test_split(table, test_size=held_out[1], random_state=seed)
    train, validation = train_test_split(rest, test_size=held_out[0], random_state=seed)
    return {"train": train, "validation": validation, "test": test}


def features(splits: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return label and prepared features of each split.

    Medians, means and deviations are those of ``train``: the other splits must not leak into it.

    Parameters
    ----------
    splits
        From `split`.

    Returns
    -------
    dict of str to pandas.DataFrame
        First column the label, then seven scaled measurements and three columns for the sex.
    """
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    sexes = OneHotEncoder(categories=[SEXES], handle_unknown="ignore", sparse_output=False)
    transformer = ColumnTransformer([("numbers", numbers, MEASUREMENTS), ("sex", sexes, [SEX])])
    transformer.fit(splits["train"])
    prepared = {}
    for name, part in splits.items():
        frame = pd.DataFrame(transformer.transform(part), index=part.index)
        frame.insert(0, LABEL, part[LABEL])
        prepared[name] = frame
    return prepared


def main() -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input-raw", type=Path, required=True)
    parser.add_argument("--output-train", type=Path, required=True)
    parser.add_argument("--output-validation", type=Path, required=True)
    parser.add_argument("--output-test", type=Path, required=True)
    parser.add_argument("--validation-share", type=float, default=0.15)
    parser.add_argument("--test-share", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exit-message", type=Path, required=True)
    options = parser.parse_args()
    try:
        table = read_table(options.input_raw)
    except TableError as error:
        print(error, file=sys.stderr)
        options.exit_message.write_text(str(error), encoding="utf-8")
        return 1
    splits = split(table, options.validation_share, options.test_share, options.seed)
    for name, part in features(splits).items():
        folder = getattr(options, f"output_{name}")
        part.to_csv(folder / f"{name}.csv", header=False, index=False)
        print(f"{name}: {len(part)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
