import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from samcli.lib.package.utils import make_zip_with_lambda_permissions

from scones_local.run import sam_cli


def test_what_stays_on_this_machine_is_compressed_quickly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Path(__file__).read_bytes() * 50
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_bytes(content)
    made: list[Any] = []

    def package(**_: object) -> None:
        made.append(make_zip_with_lambda_permissions(str(tmp_path / "code"), tmp_path / "code"))

    # `main` changes it for its whole process.
    monkeypatch.setattr(zipfile.ZipFile, "writestr", zipfile.ZipFile.writestr)
    monkeypatch.setattr(sam_cli, "skip_iri_formats", lambda: None)
    monkeypatch.setattr(sam_cli, "cli", package)

    sam_cli.main()

    with zipfile.ZipFile(made[0]) as archive:
        (member,) = archive.infolist()
        assert archive.read(member) == content
    assert member.compress_size == size(content, 1) != size(content, 6)


def size(content: bytes, level: int) -> int:
    """Bytes of a raw deflate stream, as zip archives hold it."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(packer.compress(content) + packer.flush())
