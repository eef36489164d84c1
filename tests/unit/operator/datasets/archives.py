"""Archives in the true format of CIFAR-100 and of HAM10000, made of what is no photo of theirs."""

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from scones_operator.datasets.cifar100 import FINE_LABELS

COARSE_LABELS = [f"superclass {number}" for number in range(20)]


class Call:
    """A call that a pickle asks for: of a module's name, with arguments, then given a state."""

    def __init__(self, name: str, arguments: tuple[Any, ...], state: Any = None) -> None:
        self.name, self.arguments, self.state = name, arguments, state


class Name:
    """A module's name."""

    def __init__(self, name: str) -> None:
        self.name = name


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes what Python 2's pickle does, in whose protocol 2 strings are bytes."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, bytes):
            self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        elif isinstance(value, Name):
            module, _, name = value.name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        elif isinstance(value, Call):
            self.save(Name(value.name))
            self.save(value.arguments)
            self.write(pickle.REDUCE)
            if value.state is not None:
                self.save(value.state)
                self.write(pickle.BUILD)
        else:
            super().save(value, save_persistent_id)


def pickled(value: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file).dump(value)
    return file.getvalue()


def array(rows: Sequence[bytes], kind: bytes = b"u1") -> Call:
    """A numpy array of bytes, as Python 2 pickled it."""
    dtype = Call("numpy.dtype", (kind, 0, 1), (3, b"|", None, None, None, -1, -1, 0))
    made = (Name("numpy.ndarray"), (0,), b"b")
    state = (1, (len(rows), 3072), dtype, False, b"".join(rows))
    return Call("numpy.core.multiarray._reconstruct", made, state)


def pixels(red: int, green: int, blue: int) -> bytes:
    return bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


def batch(photos: Sequence[tuple[str, str, bytes]]) -> dict[bytes, Any]:
    """A batch of photos: label, file name, row of data."""
    return {
        b"filenames": [name.encode() for _, name, _ in photos],
        b"batch_label": b"training batch 1 of 1",
        b"fine_labels": [FINE_LABELS.index(label) for label, _, _ in photos],
        b"coarse_labels": [0 for _ in photos],
        b"data": array([row for _, _, row in photos]),
    }


def meta(labels: Sequence[str] = FINE_LABELS) -> dict[bytes, Any]:
    return {
        b"fine_label_names": [label.encode() for label in labels],
        b"coarse_label_names": [label.encode() for label in COARSE_LABELS],
    }


def write_cifar(path: Path, members: Mapping[str, Any]) -> Path:
    """Write an archive like ``cifar-100-python.tar.gz``."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"file.txt~": None, **members}.items():
            data = content if isinstance(content, bytes) else pickled(content)
            info = tarfile.TarInfo(f"cifar-100-python/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (12, 9)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()
