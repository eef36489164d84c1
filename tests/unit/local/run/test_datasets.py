from pathlib import Path

from local.run.datasets import upload_dataset
from local.run.folders import Dataset, LabelledPhoto
from scones.lst import read
from tests.unit.local.run.test_photos import STACK


class Bucket:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def client(self, _: str) -> "Bucket":
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        assert Bucket == "data"
        self.objects[Key] = Body


def photo(folder: Path, name: str, label: str) -> LabelledPhoto:
    path = folder / label / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(f"{label}/{name}".encode())
    return LabelledPhoto(path, label)


def test_photos_and_lists_of_both_channels(tmp_path: Path) -> None:
    longest = "x" * 251 + ".PNG"
    train = (photo(tmp_path, longest, "b"), photo(tmp_path, "tab\there.jpg", "a"))
    dataset = Dataset(("b", "a"), train, (photo(tmp_path, "1.png", "a"),))
    bucket, uploaded = Bucket(), []

    uri = upload_dataset(bucket, STACK, "mine", dataset, lambda: uploaded.append(1))  # type: ignore[arg-type]

    assert uri == "s3://data/datasets/mine"
    assert len(uploaded) == 3
    lists = bucket.objects["datasets/mine/train_lst/train.lst"].decode().splitlines()
    entries = list(read(lists))
    assert [entry.class_index for entry in entries] == [0, 1]
    assert [bucket.objects[f"datasets/mine/train/{entry.path}"] for entry in entries] == [
        f"b/{longest}".encode(),
        b"a/tab\there.jpg",
    ]
    assert all(len(Path(entry.path).name) < 32 for entry in entries)
    assert bucket.objects["datasets/mine/validation/000000.png"] == b"a/1.png"
