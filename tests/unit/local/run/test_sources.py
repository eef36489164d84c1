import io
import zipfile
from pathlib import Path

import pytest

from scones_local.run import deploy
from scones_local.run.sources import archive, read_sources


def test_sources_of_the_template() -> None:
    sources = read_sources(deploy.template())

    names = {source.name for source in sources.functions}
    assert names == {path.name for path in (deploy.ROOT / "functions").iterdir() if path.is_dir()}
    assert [(layer.resource, layer.name) for layer in sources.layers] == [("DomainLayer", "domain")]
    assert {machine.path for machine in sources.machines} == set(
        (deploy.ROOT / "statemachine").glob("*.asl.json")
    )
    assert sources.folders() == [
        deploy.ROOT / name for name in ("functions", "layers/domain", "statemachine")
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "function"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "package" / "__pycache__" / "module.pyc").write_bytes(b"compiled")
    (folder / "package" / "module.py").write_text("A = 1")
    (folder / "app.py").write_text("import package.module")
    return folder


def test_an_archive_has_all_but_what_is_compiled(folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(archive(folder))) as contents:
        assert contents.namelist() == ["app.py", "package/module.py"]
        assert contents.read("app.py") == b"import package.module"


def test_the_same_content_makes_the_same_archive(folder: Path) -> None:
    before = archive(folder)
    (folder / "app.py").touch()
    assert archive(folder) == before
    (folder / "app.py").write_text("A = 2")
    assert archive(folder) != before
