import gzip
import io
from pathlib import Path

import pytest
from backports import tarfile

from scones_local.sagemaker import archives
from scones_local.sagemaker.archives import ArchiveError, unpack


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def packed(folder: Path, *members: tarfile.TarInfo, content: bytes = b"") -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for info in members:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_and_folders(tmp_path: Path) -> None:
    archive = packed(tmp_path, member("code", tarfile.DIRTYPE), member("code/a"), content=b"x")
    unpack(archive, tmp_path / "to")
    assert (tmp_path / "to/code/a").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (member("model.onnx", tarfile.SYMTYPE, "/etc/passwd"), "not a plain file"),
        (member("model.onnx", tarfile.SYMTYPE, "other"), "not a plain file"),
        (member("model.onnx", tarfile.LNKTYPE, "../x"), "not a plain file"),
        (member("pipe", tarfile.FIFOTYPE), "not a plain file"),
        (member("../out"), "outside the destination"),
    ],
)
def test_links_devices_and_paths_out_of_the_folder(
    tmp_path: Path, info: tarfile.TarInfo, said: str
) -> None:
    with pytest.raises(ArchiveError, match=said):
        unpack(packed(tmp_path, info), tmp_path / "to")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model.tar.gz"]


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1 << 20)
    bomb = packed(tmp_path, member("model.onnx"), content=bytes(2 << 20))
    assert bomb.stat().st_size < 10_000
    with pytest.raises(ArchiveError, match="unpacked it has more than 1,048,576 bytes"):
        unpack(bomb, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_header_that_claims_more_than_there_is(tmp_path: Path) -> None:
    """A header alone, of a member of 8 GB, without its content."""
    huge = member("model.onnx")
    huge.size = 8 << 30
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(huge.tobuf(tarfile.PAX_FORMAT)))
    with pytest.raises(ArchiveError, match=r"more than|not a gzipped tar"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_sparse_file(tmp_path: Path) -> None:
    sparse = member("model.onnx")
    sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 45)}
    sparse.pax_headers |= {"GNU.sparse.numblocks": "1"}
    with pytest.raises(ArchiveError, match=r"not a plain file|more than"):
        unpack(packed(tmp_path, sparse, content=b"x"), tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ArchiveError, match="more than 2 files and folders"):
        unpack(packed(tmp_path, *(member(str(n)) for n in range(3))), tmp_path / "to")
    assert not (tmp_path / "to").exists()
