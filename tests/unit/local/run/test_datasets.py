from pathlib import Path, PurePosixPath

from local.run.datasets import upload_dataset
from local.run.folders import Dataset, LabelledPhoto


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


def test_photos_lie_by_side_and_class_under_names_that_lists_can_hold(tmp_path: Path) -> None:
    longest = "x" * 251 + ".PNG"
    train = (photo(tmp_path, longest, "b"), photo(tmp_path, "tab\there.jpg", "a"))
    dataset = Dataset(("b", "a"), train, (photo(tmp_path, "1.png", "a"),))
    bucket, uploaded = Bucket(), []

    upload_dataset(bucket, "data", dataset, lambda: uploaded.append(1))  # type: ignore[arg-type]

    assert len(uploaded) == 3
    assert {key.rpartition("/")[0]: body for key, body in bucket.objects.items()} == {
        "dataset/train/b": f"b/{longest}".encode(),
        "dataset/train/a": b"a/tab\there.jpg",
        "dataset/validation/a": b"a/1.png",
    }
    assert all(len(PurePosixPath(key).name) < 32 and "\t" not in key for key in bucket.objects)
    assert {PurePosixPath(key).suffix for key in bucket.objects} == {".png", ".jpg"}
