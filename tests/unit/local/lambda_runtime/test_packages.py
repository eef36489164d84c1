from importlib import metadata
from pathlib import Path

import pytest

from scones_local.lambda_runtime import LayerMismatchError
from scones_local.lambda_runtime.packages import link_compiled

PILLOW = metadata.version("pillow")


def hold(layer: Path, name: str, version: str, *, pure: bool = False) -> None:
    described = layer / f"{name}-{version}.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (described / "WHEEL").write_text(f"Root-Is-Purelib: {str(pure).lower()}\n")


def linked(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "layer"
    folder.mkdir()
    return folder


def test_what_is_compiled_is_taken_from_this_machine(layer: Path, tmp_path: Path) -> None:
    hold(layer, "pillow", PILLOW)
    hold(layer, "pydantic", "0.0.1", pure=True)
    link_compiled([tmp_path / "absent", layer], tmp_path / "host")
    assert {"PIL", f"pillow-{PILLOW}.dist-info"} <= linked(tmp_path / "host")
    assert not {name for name in linked(tmp_path / "host") if name.startswith("pydantic")}
    assert (tmp_path / "host" / "PIL" / "__init__.py").exists()


@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("pillow", "0.0.1", f"has version {PILLOW}"),
        ("no-such-package", "1", "is not installed"),
    ],
)
def test_another_version_is_refused_each_time(
    layer: Path, tmp_path: Path, name: str, version: str, why: str
) -> None:
    hold(layer, name, version)
    for _ in range(2):
        with pytest.raises(LayerMismatchError, match=rf"{name} {version} compiled .*{why}"):
            link_compiled([layer], tmp_path / "host")
        assert not (tmp_path / "host").exists()


def test_a_layer_of_pure_packages_needs_nothing(layer: Path, tmp_path: Path) -> None:
    hold(layer, "pydantic", "0.0.1", pure=True)
    link_compiled([layer], tmp_path / "host")
    assert linked(tmp_path / "host") == set()
