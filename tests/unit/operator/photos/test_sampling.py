from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.errors import OperationError, PreconditionError
from scones_operator.photos.sampling import sample_dataset, sample_folder
from tests.unit.operator.deployed import STACK as DEPLOYED

STACK = replace(DEPLOYED, parameters={**DEPLOYED.parameters, "ValidationShare": "0.5"})
CLASSES = ("bicycle", "motorcycle")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("bicycle/1.png", "bicycle/2.png", "motorcycle/new/1.png", "others/1.png", "9.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff" + name.encode())
    return tmp_path / "photos"


@pytest.fixture
def put(session: Any) -> Callable[..., None]:
    session.client("s3").create_bucket(Bucket=STACK.data_bucket)

    def run(*keys: str) -> None:
        for key in keys:
            session.client("s3").put_object(
                Bucket=STACK.data_bucket, Key=f"dataset/{key}", Body=key.encode()
            )

    return run


def names(folder: Path, **options: Any) -> list[str]:
    picked = sample_folder(folder, CLASSES, **options)
    return [one.path.relative_to(folder).as_posix() for one in picked]


def test_photos_of_a_folder_with_the_classes_of_their_folders(folder: Path) -> None:
    picked = sample_folder(folder, CLASSES, count=5, seed=1)
    labels = {one.path.relative_to(folder).as_posix(): one.label for one in picked}
    assert labels == {
        "bicycle/1.png": "bicycle",
        "bicycle/2.png": "bicycle",
        "motorcycle/new/1.png": "motorcycle",
        "others/1.png": None,
        "9.png": None,
    }


def test_a_seed_picks_the_same_again_and_others_something_else(folder: Path) -> None:
    first = names(folder, count=4, seed=1)
    assert names(folder, count=4, seed=1) == first
    assert any(names(folder, count=4, seed=seed) != first for seed in range(2, 6))


def test_none_is_picked_twice_before_all_are_picked_once(folder: Path) -> None:
    counts = Counter(names(folder, count=12, seed=3))
    assert sorted(counts.values()) == [2, 2, 2, 3, 3]


def test_a_folder_without_photos(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="contains no photos"):
        sample_folder(tmp_path, CLASSES, count=1, seed=1)
    with pytest.raises(PreconditionError, match="there is no folder"):
        sample_folder(tmp_path / "none", CLASSES, count=1, seed=1)


@pytest.mark.parametrize("side", ["validation", "test"])
def test_validation_photos_of_the_dataset(
    session: Any, put: Callable[..., None], tmp_path: Path, side: str
) -> None:
    put("train/bicycle/1.png", "train/motorcycle/1.png")
    wanted = {f"{side}/bicycle/1.png": "bicycle", f"{side}/motorcycle/1.png": "motorcycle"}
    put(*wanted, f"{side}/bicycle/notes.txt", f"{side}/bicycle/.hidden.png")
    picked = sample_dataset(session, STACK, 5, 1, tmp_path)
    assert {one.path.read_text(): one.label for one in picked} == wanted
    assert len(picked) == 5
    assert {one.path.name for one in picked} == {"1.png"}


def test_photos_held_back_of_a_dataset_without_sides(
    session: Any, put: Callable[..., None], tmp_path: Path
) -> None:
    put(*(f"{name}/{number}.png" for name in CLASSES for number in range(10)))
    every = replace(STACK, parameters={**STACK.parameters, "ValidationShare": "0.999999"})
    half = {one.path.read_text() for one in sample_dataset(session, STACK, 20, 1, tmp_path)}
    other = tmp_path / "other"
    other.mkdir()
    all_ = {one.path.read_text() for one in sample_dataset(session, every, 20, 1, other)}
    assert len(all_) == 20
    assert 3 < len(half) < 17


def test_a_dataset_that_is_not_there_or_not_as_it_must_be(
    session: Any, put: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(PreconditionError, match="or give your own photos with --photos"):
        sample_dataset(session, STACK, 1, 1, tmp_path)
    put("tram/1.png")
    with pytest.raises(PreconditionError, match="tram"):
        sample_dataset(session, STACK, 1, 1, tmp_path)


def test_a_dataset_with_nothing_to_validate_on(
    session: Any, put: Callable[..., None], tmp_path: Path
) -> None:
    put(*(f"{side}/{name}/notes.txt" for side in ("train", "validation") for name in CLASSES))
    with pytest.raises(PreconditionError, match="there are no photos to choose from"):
        sample_dataset(session, STACK, 1, 1, tmp_path)


def test_a_bucket_that_is_not_ours(session: Any, tmp_path: Path) -> None:
    with pytest.raises((OperationError, ClientError), match="NoSuchBucket"):
        sample_dataset(session, STACK, 1, 1, tmp_path)
