import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scones.datasets.errors import (
    BadHyperparameters,
    ClassWithoutPhotos,
    DatasetEmpty,
    DatasetError,
    LastTrainedUnreadable,
    TooFewPhotos,
    UnknownClass,
    UnsupportedPhotos,
)
from scones.datasets.generate import Request
from scones.datasets.layout import discover_layout
from scones_local.run.photo_folder import read_dataset
from scones_local.sagemaker.objects import Objects
from scones_operator.folder_files import FolderLayoutError
from tests.unit.files_like_photos import JPEG
from tests.unit.scones.datasets.buckets import BUCKET, RUN, DataBucket

LISTS = f"s3://{BUCKET}/retraining/{RUN}/lists"
FIVE = "van,bicycle,scooter,motorcycle,cargo bike"


@pytest.fixture
def sided(bucket: DataBucket) -> DataBucket:
    bucket.fill("train/bicycle/1.jpg", "train/bicycle/2.jpg", "train/van/3.jpg")
    bucket.fill("validation/bicycle/4.jpg", "validation/van/5.jpg", "validation/van/6.jpg")
    return bucket


@pytest.fixture
def unsided(bucket: DataBucket) -> DataBucket:
    bucket.fill_class("bicycle", 40)
    bucket.fill_class("van", 40)
    return bucket


def test_five_classes_in_the_configured_order_whatever_the_photos_are_called(
    bucket: DataBucket,
) -> None:
    for side in ("train", "validation"):
        bucket.fill(f"{side}/.DS_Store", f"{side}/van/.DS_Store", f"{side}/cargo bike/Thumbs.db")
        bucket.fill(f"{side}/van/a photo (1).jpg", f"{side}/bicycle/[2].JPEG")
        bucket.fill(f"{side}/scooter/3 100% ü+&<é>.png", f"{side}/motorcycle/deep/er/4.bmp")
        bucket.fill(f"{side}/cargo bike/5 [front] {{x}}.Jpg")

    lists = bucket.generate(CLASS_NAMES=FIVE, IMAGE_SHAPE="3,300,200")

    assert lists.class_names == ("van", "bicycle", "scooter", "motorcycle", "cargo bike")
    for side in ("train", "validation"):
        assert bucket.classes(side) == {
            "van/a photo (1).jpg": 0,
            "bicycle/[2].JPEG": 1,
            "scooter/3 100% ü+&<é>.png": 2,
            "motorcycle/deep/er/4.bmp": 3,
            "cargo bike/5 [front] {x}.Jpg": 4,
        }
    assert lists.skipped == {"hidden": 4, "not_a_photo": 2}
    assert lists.hyperparameters["num_classes"] == "5"
    assert lists.hyperparameters["image_shape"] == "3,300,200"


@pytest.mark.usefixtures("sided")
def test_own_sides_are_kept(bucket: DataBucket) -> None:
    lists = bucket.generate()

    assert bucket.text("train.lst") == "0\t0\tvan/3.jpg\n1\t1\tbicycle/1.jpg\n2\t1\tbicycle/2.jpg\n"
    assert lists.counts == {
        "train": {"van": 1, "bicycle": 2},
        "validation": {"van": 2, "bicycle": 1},
    }
    assert lists.photos == f"s3://{BUCKET}/dataset/validation/"
    assert lists.model_dump()["channels"] == {
        "train": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/dataset/train/"},
        "validation": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/dataset/validation/"},
        "train_lst": {"S3DataType": "S3Prefix", "S3Uri": f"{LISTS}/train.lst"},
        "validation_lst": {"S3DataType": "S3Prefix", "S3Uri": f"{LISTS}/validation.lst"},
    }
    assert bucket.written() == {"train.lst", "validation.lst", "manifest.json"}


def test_validation_photos_may_be_in_a_folder_test(bucket: DataBucket) -> None:
    bucket.fill("train/bicycle/1.jpg", "train/van/2.jpg", "test/bicycle/3.jpg", "test/van/4.jpg")

    lists = bucket.generate()

    assert bucket.classes("validation") == {"van/4.jpg": 0, "bicycle/3.jpg": 1}
    assert lists.channels["validation"].S3Uri == f"s3://{BUCKET}/dataset/test/"


def test_a_test_folder_beside_validation_is_counted_only(sided: DataBucket) -> None:
    sided.fill("test/van/9.jpg", "test/no class/10.jpg")

    lists = sided.generate()

    assert lists.counts["validation"] == {"van": 2, "bicycle": 1}
    assert lists.skipped == {"unused_split": 2}


LAYOUTS: dict[tuple[str, ...], tuple[str, str] | None] = {
    ("train", "val"): ("train", "val"),
    ("train", "valid"): ("train", "valid"),
    ("train", "dev", "test"): ("train", "dev"),
    ("Training", "Testing"): ("Training", "Testing"),
    ("Train", "Validation"): ("Train", "Validation"),
    ("TRAIN", "Eval"): ("TRAIN", "Eval"),
    ("training_set", "test_set"): ("training_set", "test_set"),
    ("train",): ("train", "train"),
    ("val", "test"): None,
    ("train", "val", "valid"): None,
    ("train", "Train", "val"): None,
    ("cars_train", "cars_test"): None,
    ("train", "val", "more"): None,
}


@pytest.mark.parametrize(("folders", "roots"), LAYOUTS.items())
def test_splits_are_the_same_here_and_on_a_laptop(
    bucket: DataBucket, tmp_path: Path, folders: tuple[str, ...], roots: tuple[str, str] | None
) -> None:
    photos = 1 if len(folders) > 1 else 40  # a split alone has some held out
    for name in (f"{folder}/{label}/" for folder in folders for label in ("van", "bicycle")):
        bucket.fill_class(name.rstrip("/"), photos)
        (tmp_path / name).mkdir(parents=True)
        for number in range(photos):
            content = f"{name}{number}.jpg".encode()
            (tmp_path / name / f"{number}.jpg").write_bytes(JPEG + content)

    if roots is None:
        with pytest.raises(UnknownClass, match=f"{folders[1]}.*deploy with ClassNames"):
            bucket.generate()
        with pytest.raises(FolderLayoutError, match=folders[1]):
            read_dataset(tmp_path, ["van", "bicycle"])
        return
    layout = discover_layout(bucket.client, BUCKET, ["van", "bicycle"], 0.1)
    here = read_dataset(tmp_path, ["van", "bicycle"])
    assert tuple(layout.roots.values()) == tuple(f"dataset/{name}/" for name in roots)
    own = {side: tmp_path / name for side, name in zip(layout.roots, roots, strict=True)}
    assert here.splits == (own if layout.has_splits else {})
    if layout.has_splits:
        lists = bucket.generate(HYPERPARAMETERS="mini_batch_size=1")
        assert lists.counts["train"] == {"van": 1, "bicycle": 1}


def test_a_dataset_without_sides_is_split_and_each_photo_is_on_one_side(
    unsided: DataBucket,
) -> None:
    lists = unsided.generate(VALIDATION_SHARE="0.3")

    train, validation = unsided.classes("train"), unsided.classes("validation")
    assert not set(train) & set(validation)
    assert len(train) + len(validation) == 80
    assert 10 <= len(validation) <= 40
    assert lists.photos == f"s3://{BUCKET}/dataset/"
    assert lists.channels["train"].model_dump() == {
        "S3DataType": "ManifestFile",
        "S3Uri": f"{LISTS}/train.manifest",
    }
    for side, paths in (("train", train), ("validation", validation)):
        head, *keys = json.loads(unsided.text(f"{side}.manifest"))
        assert head == {"prefix": f"s3://{BUCKET}/dataset/"}
        assert keys == list(paths)


def test_a_train_folder_alone_is_split(bucket: DataBucket) -> None:
    bucket.fill_class("train/bicycle", 40)
    bucket.fill_class("train/van", 40)

    lists = bucket.generate(VALIDATION_SHARE="0.3")

    assert lists.photos == f"s3://{BUCKET}/dataset/train/"
    assert json.loads(bucket.text("train.manifest"))[0]["prefix"] == lists.photos
    assert all(path.startswith(("van/", "bicycle/")) for path in bucket.classes("train"))


def test_a_class_may_be_called_train(bucket: DataBucket) -> None:
    bucket.fill_class("bus", 40)
    bucket.fill_class("train", 40)

    lists = bucket.generate(CLASS_NAMES="train,bus", VALIDATION_SHARE="0.3")

    assert sum(counts["train"] for counts in lists.counts.values()) == 40


def test_a_class_called_train_that_may_be_the_split(bucket: DataBucket) -> None:
    for folder in ("train", "train/bus", "train/train", "bus"):
        bucket.fill_class(folder, 1)

    with pytest.raises(UnknownClass, match="has train, which is a class, and holds a folder for"):
        bucket.generate(CLASS_NAMES="train,bus")


def test_a_photo_keeps_its_side_whatever_its_name_and_company(unsided: DataBucket) -> None:
    share = {"VALIDATION_SHARE": "0.3"}
    unsided.generate(**share)
    before = set(unsided.classes("validation"))
    number = 0
    for page in unsided.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page["Contents"]:
            key = entry["Key"].removeprefix("dataset/")
            if key.startswith(("van/", "bicycle/")):
                number += 1
                unsided.put(f"{key.split('/')[0]}/renamed {key.replace('/', '-')}", key.encode())
                unsided.client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    unsided.fill_class("van/more", 40)

    unsided.generate(**share)

    assert number == 80
    after = set(unsided.classes("validation"))
    assert {path for path in after if "renamed" in path} == {
        f"{path.split('/')[0]}/renamed {path.replace('/', '-')}" for path in before
    }


def test_photos_are_on_the_side_that_the_same_folder_on_disk_has_them_on(
    unsided: DataBucket, tmp_path: Path
) -> None:
    for name in ("van", "bicycle"):
        (tmp_path / name).mkdir()
        for number in range(40):
            # A folder on disk has to have photos, which begin so.
            body = b"\xff\xd8\xff" + f"{name}/{number}.jpg".encode()
            (tmp_path / name / f"{number}.jpg").write_bytes(body)
            unsided.put(f"{name}/{number}.jpg", body)

    unsided.generate()

    held_back = read_dataset(tmp_path, ["van", "bicycle"]).validation
    on_disk = {photo.path.relative_to(tmp_path).as_posix() for photo in held_back}
    assert set(unsided.classes("validation")) == on_disk


def test_indices_are_unique_and_lists_are_in_the_order_of_classes_and_keys(
    unsided: DataBucket,
) -> None:
    unsided.generate(VALIDATION_SHARE="0.3")

    for side in ("train", "validation"):
        entries = unsided.entries(side)
        assert [entry.index for entry in entries] == list(range(len(entries)))
        assert entries == sorted(entries, key=lambda entry: (entry.class_index, entry.path))


def test_what_is_no_photo_is_counted_by_why(sided: DataBucket) -> None:
    sided.put("train/van/", b"")
    sided.put("train/van/empty.jpg", b"")
    sided.fill("train/van/with\ttab.jpg", "train/van/two\nlines.jpg", "train/van/notes.txt")
    sided.fill("train/van/.thumbnails/1.jpg", "train/van/__MACOSX/1.jpg", "train/.cache/x/1.jpg")
    sided.fill("train/loose.jpg", "readme.md", "loose.png", ".git/config")

    lists = sided.generate()

    assert lists.counts["train"] == {"van": 1, "bicycle": 2}
    assert lists.skipped == {
        "folder_marker": 1,
        "empty": 1,
        "unlistable_name": 2,
        "not_a_photo": 2,
        "hidden": 4,
        "outside_a_class": 2,
    }


def test_pages_beyond_the_first_are_listed_too(
    sided: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "1")

    lists = sided.generate()

    assert lists.counts["train"] == {"van": 1, "bicycle": 2}
    assert lists.counts["validation"] == {"van": 2, "bicycle": 1}


def test_the_manifest_says_what_the_answer_says(unsided: DataBucket) -> None:
    lists = unsided.generate(HYPERPARAMETERS="epochs=3", VALIDATION_SHARE="0.3")

    answer = lists.model_dump(mode="json")
    assert unsided.manifest() == {
        name: value for name, value in answer.items() if name not in ("last_trained", "batches")
    }
    assert json.loads(json.dumps(answer)) == answer


def test_batches_are_the_lines_of_the_validation_list(sided: DataBucket) -> None:
    lists = sided.generate()

    size = len(sided.text("validation.lst").encode())
    assert [batch.model_dump() for batch in lists.batches] == [
        {"start": 0, "end": size, "list_file": "validation.lst"}
    ]


def test_what_was_trained_last_is_told(sided: DataBucket) -> None:
    first = sided.generate()
    sided.client.put_object(
        Bucket=BUCKET,
        Key="retraining/last-trained.json",
        Body=json.dumps({"fingerprint": first.fingerprint, "run": RUN}),
    )

    assert first.last_trained is None
    assert sided.generate().last_trained == first.fingerprint


def test_a_broken_record_of_what_was_trained_last_is_named(sided: DataBucket) -> None:
    sided.client.put_object(Bucket=BUCKET, Key="retraining/last-trained.json", Body=b"[]")

    with pytest.raises(LastTrainedUnreadable, match=r"last-trained\.json .* delete it"):
        sided.generate()


@pytest.mark.parametrize("layout", ["sided", "unsided"])
def test_the_embedded_sagemaker_finds_every_listed_photo_in_its_channel(
    layout: str, bucket: DataBucket, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    request.getfixturevalue(layout)
    folder = "train/van" if layout == "sided" else "van"
    bucket.fill(f'{folder}/ü "quoted" [1] + \\ 100%.jpg')
    lists = bucket.generate(VALIDATION_SHARE="0.3")
    objects = Objects(bucket.client, "us-east-1", "role")

    for name, channel in lists.channels.items():
        objects.download(channel.model_dump(), tmp_path / name)

    held = []
    for side in ("train", "validation"):
        assert (tmp_path / f"{side}_lst/{side}.lst").is_file()
        for entry in bucket.entries(side):
            held.append((tmp_path / side / entry.path).read_bytes())
        files = [path for path in (tmp_path / side).rglob("*") if path.is_file()]
        assert len(files) == len(bucket.entries(side))
    assert len(held) == len(set(held))


@pytest.fixture(params=["sides", "no sides"])
def refused(request: pytest.FixtureRequest, bucket: DataBucket) -> Iterator[Any]:
    """Fill a dataset and return the error it is refused with."""
    prefixes = ["train/", "validation/"] if request.param == "sides" else [""]

    def refuse(*keys: str, **changes: str) -> DatasetError:
        for prefix in prefixes:
            bucket.fill(*(f"{prefix}{key}" for key in keys))
        with pytest.raises(DatasetError) as caught:
            bucket.generate(**changes)
        assert bucket.written() == set()
        return caught.value

    return refuse


def test_nothing_is_refused(bucket: DataBucket) -> None:
    with pytest.raises(DatasetEmpty, match=r"s3://data/dataset/ holds no folder .* 2 classes"):
        bucket.generate()


def test_loose_photos_alone_are_refused(bucket: DataBucket) -> None:
    bucket.fill("1.jpg", "2.jpg", "3.jpg")

    with pytest.raises(DatasetEmpty, match="3 objects beside"):
        bucket.generate()


def test_an_unknown_class_is_refused(refused: Any) -> None:
    error = refused("van/1.jpg", "bicycle/1.jpg", "bus/1.jpg", "tram/1.jpg")

    assert isinstance(error, UnknownClass)
    assert "holds 4 folders, of which 2 are no class: bus, tram" in str(error)
    assert "The 2 classes are van, bicycle" in str(error)


@pytest.mark.parametrize("folder", ["Van", "van ", "VAN"])
def test_a_folder_that_looks_like_a_class_is_pointed_out(refused: Any, folder: str) -> None:
    error = refused(f"{folder}/1.jpg", "bicycle/1.jpg")

    assert isinstance(error, UnknownClass)
    assert f"{folder!r} looks like 'van'" in str(error)


def test_a_folder_in_another_unicode_form_is_pointed_out(bucket: DataBucket) -> None:
    bucket.fill("ve\u0301lo/1.jpg", "van/1.jpg")

    with pytest.raises(UnknownClass, match="looks like 'v\u00e9lo'"):
        bucket.generate(CLASS_NAMES="van,v\u00e9lo")


def test_a_class_without_a_folder_is_refused(refused: Any) -> None:
    error = refused("van/1.jpg")

    assert isinstance(error, ClassWithoutPhotos)
    assert "1 of 2 classes has no folder" in str(error)
    assert "bicycle" in str(error)


def test_a_class_without_photos_is_refused_with_what_its_folder_holds(refused: Any) -> None:
    error = refused("van/1.jpg", "bicycle/notes.txt", "bicycle/more.txt", "bicycle/.hidden.jpg")

    assert isinstance(error, ClassWithoutPhotos)
    assert "bicycle/ (1 hidden, 2 not_a_photo)" in str(error)


def test_a_class_without_validation_photos_is_refused(bucket: DataBucket) -> None:
    bucket.fill_class("train/van", 3)
    bucket.fill_class("train/bicycle", 3)
    bucket.fill("validation/van/1.jpg")

    with pytest.raises(ClassWithoutPhotos, match="in s3://data/dataset/validation/: bicycle"):
        bucket.generate()


def test_a_class_with_nothing_to_hold_back_is_refused_with_its_numbers(bucket: DataBucket) -> None:
    bucket.fill_class("van", 60)
    bucket.fill("bicycle/1.jpg")

    with pytest.raises(
        TooFewPhotos, match=r"1 of 2 .* bicycle \(1 to train on, 0 to validate on\)"
    ):
        bucket.generate()


def test_folders_beside_train_are_refused(sided: DataBucket) -> None:
    sided.fill("van/1.jpg")

    with pytest.raises(UnknownClass, match=r"s3://data/dataset/ has train, .* next to .*: van\."):
        sided.generate()


def test_fewer_photos_than_the_batch_are_refused(sided: DataBucket) -> None:
    with pytest.raises(TooFewPhotos, match=r"3 photos to train on, fewer than .* of 4"):
        sided.generate(HYPERPARAMETERS="mini_batch_size=4")


def test_the_built_in_algorithm_gets_jpeg_and_png_only(sided: DataBucket) -> None:
    sided.fill("train/van/9.JPEG", "train/van/9.png")
    sided.generate(ALGORITHM="builtin")
    others = [f"validation/van/{number}.webp" for number in range(6)]
    sided.fill("train/bicycle/9.heic", *others)

    assert sided.generate(ALGORITHM="own").counts["train"]["bicycle"] > 1
    with pytest.raises(
        UnsupportedPhotos, match=r"7 photos .* bicycle/9.heic, .* and 2 more\. Save"
    ):
        sided.generate(ALGORITHM="builtin")


def test_a_resize_below_the_shape_is_refused(sided: DataBucket) -> None:
    with pytest.raises(BadHyperparameters, match="resize is 31"):
        sided.generate(HYPERPARAMETERS="mini_batch_size=2,resize=31")


def test_hidden_folders_are_no_unknown_classes(sided: DataBucket) -> None:
    sided.fill(".ipynb_checkpoints/1.jpg", "train/__MACOSX/van/1.jpg")

    assert sided.generate().skipped == {"hidden": 2}


@pytest.mark.parametrize("run", ["", "../other", "a/b", "a\n"])
def test_a_run_that_would_leave_its_folder_is_refused(run: str) -> None:
    with pytest.raises(ValidationError, match="run"):
        Request.model_validate({"run": run})
