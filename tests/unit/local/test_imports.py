import subprocess
import sys

import pytest

LOADED = "import jsonschema, sys; print('lark' in sys.modules)"


@pytest.mark.parametrize(
    ("before", "loaded"),
    [
        ("", "True"),
        ("from scones_local.imports import skip_iri_formats; skip_iri_formats(); ", "False"),
    ],
)
def test_grammars_of_iris_are_not_built(before: str, loaded: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", before + LOADED], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == loaded
