"""Write the golden files of the pipelines' definitions: `python -m tests.golden_files`."""

import contextlib
import functools
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from scones_pipelines.commands import definition

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("abalone", "skin_lesions", "vehicles")

_HASH = re.compile(r"/code/[0-9a-f]{64}/")


def define(name: str, *options: str) -> dict[str, Any]:
    """Return a definition as the command prints it, without credentials and without a region."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (
        mock.patch.dict(os.environ, kept, clear=True),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        code = definition.main(["--module-name", name, "--bucket", "data-bucket", *options])
    assert code == 0, f"get-pipeline-definition --module-name {name} exited with {code}"
    document: dict[str, Any] = json.loads(printed.getvalue())
    return document


@functools.cache
def define_once(name: str) -> dict[str, Any]:
    """Return `define` of a name, remembered: building a pipeline takes a second."""
    return define(name)


def without_hashes(document: dict[str, Any]) -> str:
    """Return a definition as text in which a change of a script changes nothing."""
    return _HASH.sub("/code/SHA256/", json.dumps(document, indent=2)) + "\n"


def main() -> int:
    """Write all golden files."""
    for name in NAMES:
        target = GOLDEN / f"{name}.json"
        target.write_text(without_hashes(define(name)), encoding="utf-8")
        print(f"Wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
