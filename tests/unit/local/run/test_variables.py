"""A variable that is misspelled or empty on make's command line is refused."""

import os
import subprocess
from pathlib import Path

import pytest

from scones_local.run.variables import check_variables

NAMES = {"DATASET", "PHOTOS", "CLASSES"}


@pytest.mark.parametrize(
    "makeflags",
    ["", "k", "s -j2 --jobserver-auth=3,4", " -- DATASET=a\\ b PHOTOS=c=d", "k -- PYTHON=python3"],
)
def test_good_variables(makeflags: str) -> None:
    assert check_variables(makeflags, NAMES) is None


@pytest.mark.parametrize(
    ("makeflags", "complaint"),
    [
        ("k -- DATASET=a DATSET=b", '"DATSET" has no effect here; did you mean DATASET?'),
        (" -- dataset=b", '"dataset" has no effect here; did you mean DATASET?'),
        (" -- X=DATASET", '"X" has no effect here. These variables have: CLASSES, DATASET, PHOTOS'),
        (" -- PHOTOS=", "PHOTOS is empty"),
    ],
)
def test_variables_that_would_be_ignored(makeflags: str, complaint: str) -> None:
    assert complaint in str(check_variables(makeflags, NAMES))


def test_variables_as_make_passes_them_on(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text('run:\n\t@printf %s "$$MAKEFLAGS"\n')
    given = ["PHOTOS=my photos", "DATSET=$x"]
    flags = subprocess.run(
        ["make", "--silent", *given],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout

    assert check_variables(flags, NAMES | {"DATSET"}) is None
    assert "did you mean DATASET?" in str(check_variables(flags, NAMES))
