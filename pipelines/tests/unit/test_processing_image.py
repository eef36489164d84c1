"""The processing image has all that its scripts import, and no PyTorch."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scones_pipelines.skin_lesions import preprocess

PACKAGES = Path(preprocess.__file__).parents[1]
PROJECT = PACKAGES.parent
ROOT = PROJECT.parent
SCRIPTS = [
    PACKAGES / "skin_lesions" / "preprocess.py",
    PACKAGES / "skin_lesions" / "evaluate.py",
    PACKAGES / "vehicles" / "preprocess.py",
    PACKAGES / "vehicles" / "champion.py",
    PACKAGES / "vehicles" / "evaluate.py",
]
COPIED = {
    "scones": ROOT / "layers/domain/python",
    "scones_operator": ROOT / "operator",
    "scones_training": ROOT / "training",
}
"""Folders that the packages in the image are copied from."""

DISTRIBUTIONS = {"PIL": "pillow", "pillow_heif": "pillow-heif", "pydantic_core": "pydantic-core"}
STUBS = re.compile("mypy_boto3_.*")
"""Imported for type checking only."""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def file_of(name: str) -> Path | None:
    path = COPIED[name.split(".", maxsplit=1)[0]].joinpath(*name.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def third_party() -> set[str]:
    """Names of the modules that the scripts import, directly or by way of this project's."""
    names: set[str] = set()
    seen: set[Path] = set()
    files = list(SCRIPTS)
    while files:
        file = files.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imported(file):
            top = name.split(".")[0]
            if top in COPIED:
                parents = [".".join(name.split(".")[:depth]) for depth in range(1, 9)]
                files += filter(None, map(file_of, parents))
            elif top not in sys.stdlib_module_names and not STUBS.fullmatch(top):
                names.add(top)
    assert any(file.name == "serve.py" for file in seen)
    return names


def locked() -> set[str]:
    lines = (PROJECT / "image.txt").read_text(encoding="utf-8").splitlines()
    return {line.split("==")[0] for line in lines if "==" in line and line[0].isalnum()}


def test_all_that_scripts_import_is_installed() -> None:
    needed = {DISTRIBUTIONS.get(name, name) for name in third_party()}

    assert {"boto3", "onnxruntime", "matplotlib", "pydantic"} <= needed
    assert needed <= locked()


def test_there_is_no_pytorch() -> None:
    assert "torch" not in third_party()
    assert "torch" not in locked()


def test_the_dockerfile_copies_what_scripts_import() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    ignored = (PROJECT / "Dockerfile.dockerignore").read_text(encoding="utf-8")

    for name, folder in COPIED.items():
        source = (folder / name).relative_to(ROOT).as_posix()
        assert f"COPY {source} ./{name}" in dockerfile
        assert f"!{source}" in ignored.splitlines()
