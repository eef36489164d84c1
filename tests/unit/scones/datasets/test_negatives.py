"""Photos of none of the classes: apart from the classes, and in no list of theirs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scones.datasets.errors import DatasetEmpty, UnknownClass
from scones.datasets.generate import generate_lists
from scones.datasets.layout import split_roots
from scones.runs import Run, read_validation_set
from scones_local.sagemaker.objects import Objects
from tests.unit.scones.datasets.buckets import BUCKET, RUN, DataBucket, settings
from tests.unit.scones.datasets.fake_s3 import FakeS3, etag
from tests.unit.scones.datasets.test_fingerprint import BASE, Dataset, fingerprint

NAMES = ("van", "bicycle")
ROOT = f"s3://{BUCKET}/dataset/none_of_the_classes/"
SPLIT = {"VALIDATION_SHARE": "0.3"}

negatives = st.dictionaries(
    st.integers(0, 9).map(lambda number: f"dataset/none_of_the_classes/reviewed/{number}.jpg"),
    st.binary(min_size=1, max_size=2),
    min_size=1,
    max_size=8,
)


@pytest.fixture(params=["sides", "no sides"])
def dataset(request: pytest.FixtureRequest, bucket: DataBucket) -> DataBucket:
    for root in ("train/", "validation/") if request.param == "sides" else ("",):
        bucket.fill_class(f"{root}van", 10)
        bucket.fill_class(f"{root}bicycle", 10)
    return bucket


def add_negatives(bucket: DataBucket, count: int) -> None:
    bucket.fill_class("none_of_the_classes/reviewed", count)


def test_lists_and_fingerprint_without_negatives_are_what_they_were(dataset: DataBucket) -> None:
    before = dataset.generate(**SPLIT)
    files = {name: dataset.text(name) for name in dataset.written()}
    dataset.put("none_of_the_classes/", b"")
    dataset.fill("none_of_the_classes/notes.txt")

    after = dataset.generate(**SPLIT)

    assert before.negatives is after.negatives is None
    assert after.fingerprint == before.fingerprint
    assert after.skipped == {"folder_marker": 1, "not_a_photo": 1}
    assert "negatives" not in after.channels
    for name in files.keys() - {"manifest.json"}:
        assert dataset.text(name) == files[name]
    assert dataset.written() == files.keys()


def test_negatives_are_split_and_in_no_list_of_the_classes(dataset: DataBucket) -> None:
    before = dataset.generate(**SPLIT)
    listed = dataset.classes("train"), dataset.classes("validation")
    add_negatives(dataset, 20)

    lists = dataset.generate(**SPLIT)

    assert lists.negatives is not None
    assert lists.negatives.photos == ROOT
    counts = lists.negatives.counts
    assert sum(counts.values()) == 20
    assert min(counts.values()) > 2
    assert lists.counts == before.counts
    assert (dataset.classes("train"), dataset.classes("validation")) == listed
    assert lists.channels["negatives"].model_dump() == {
        "S3DataType": "ManifestFile",
        "S3Uri": f"s3://{BUCKET}/retraining/{RUN}/lists/negatives.manifest",
    }
    head, *to_train_on = json.loads(dataset.text("negatives.manifest"))
    assert head == {"prefix": ROOT}
    held_out = [entry.path for entry in dataset.entries("negatives")]
    assert len(to_train_on) == counts["train"]
    assert len(held_out) == counts["validation"]
    assert {*to_train_on, *held_out} == {f"reviewed/{number}.jpg" for number in range(20)}


def test_the_list_of_negatives_goes_on_where_the_validation_list_ends(dataset: DataBucket) -> None:
    add_negatives(dataset, 20)

    dataset.generate(**SPLIT)

    photos = dataset.entries("validation")
    entries = dataset.entries("negatives")
    assert [entry.index for entry in entries] == list(
        range(len(photos), len(photos) + len(entries))
    )
    assert {entry.class_index for entry in entries} == {len(NAMES)}


def test_the_evaluation_reads_back_which_photos_are_of_none_of_the_classes(
    dataset: DataBucket,
) -> None:
    run = Run(BUCKET, RUN)
    dataset.generate(**SPLIT)
    assert read_validation_set(dataset.client, run, NAMES).negatives == frozenset()
    add_negatives(dataset, 20)
    dataset.generate(**SPLIT)

    found = read_validation_set(dataset.client, run, NAMES)

    assert found.negatives == {entry.index for entry in dataset.entries("negatives")}
    assert found.classes.keys() == {entry.index for entry in dataset.entries("validation")}


@pytest.mark.parametrize(
    ("share", "files"), [("0.999", {"negatives.lst"}), ("0.001", {"negatives.manifest"})]
)
def test_negatives_on_one_side_only_have_one_file(
    bucket: DataBucket, share: str, files: set[str]
) -> None:
    for side in ("train", "validation"):
        bucket.fill(f"{side}/van/1.jpg", f"{side}/bicycle/2.jpg")
    add_negatives(bucket, 1)

    lists = bucket.generate(VALIDATION_SHARE=share)

    assert {name for name in bucket.written() if name.startswith("negatives")} == files
    assert ("negatives" in lists.channels) == ("negatives.manifest" in files)


def test_batches_are_of_both_lists(dataset: DataBucket) -> None:
    add_negatives(dataset, 20)

    lists = dataset.generate(**SPLIT)

    assert [batch.model_dump() for batch in lists.batches] == [
        {"list_file": name, "start": 0, "end": len(dataset.text(name).encode())}
        for name in ("validation.lst", "negatives.lst")
    ]


def test_the_channel_brings_the_negatives_to_train_on_and_no_other(
    dataset: DataBucket, tmp_path: Path
) -> None:
    add_negatives(dataset, 20)
    lists = dataset.generate(**SPLIT)

    channel = lists.channels["negatives"].model_dump()
    Objects(dataset.client, "us-east-1", "role").download(channel, tmp_path)

    _, *to_train_on = json.loads(dataset.text("negatives.manifest"))
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in found} == set(to_train_on)


@examples(max_examples=15, deadline=None)
@given(negatives, st.data())
def test_the_fingerprint_changes_with_the_negatives(photos: Dataset, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(photos)))
    dataset = {**BASE, **photos}
    renamed = {**dataset, key.replace(".jpg", " renamed.png"): photos[key]}
    del renamed[key]

    assert fingerprint(dataset) != fingerprint(BASE)
    assert fingerprint({**dataset, key: photos[key] + b"!"}) != fingerprint(dataset)
    assert fingerprint(renamed) == fingerprint(dataset)


def test_the_fingerprint_tells_a_negative_from_a_photo_of_a_class() -> None:
    photo = {"dataset/none_of_the_classes/1.jpg": b"photo"}
    moved = {"dataset/train/van/1.jpg": b"photo"}

    assert fingerprint({**BASE, **photo}) != fingerprint({**BASE, **moved})


@examples(max_examples=15, deadline=None)
@given(negatives)
def test_copies_of_a_negative_are_on_one_side(photos: Dataset) -> None:
    copies = {key.replace("reviewed", "uploaded"): content for key, content in photos.items()}
    client = FakeS3({**BASE, **photos, **copies})

    generate_lists(client, RUN, settings(VALIDATION_SHARE="0.5"))  # type: ignore[arg-type]

    _, *to_train_on = json.loads(client.uploaded.get("negatives.manifest", "[0]"))
    held_out = [
        line.split("\t")[2] for line in client.uploaded.get("negatives.lst", "").splitlines()
    ]
    everything = {**photos, **copies}
    train, validation = (
        {etag(everything[f"dataset/none_of_the_classes/{path}"]) for path in paths}
        for paths in (to_train_on, held_out)
    )
    assert not train & validation
    assert len(to_train_on) + len(held_out) == len(everything)


def test_negatives_alone_are_no_dataset(bucket: DataBucket) -> None:
    add_negatives(bucket, 3)

    with pytest.raises(DatasetEmpty, match="holds no folder with photos"):
        bucket.generate()


def test_a_place_for_labels_is_found_beside_negatives(bucket: DataBucket) -> None:
    add_negatives(bucket, 1)
    assert set(split_roots(bucket.client, BUCKET, NAMES).values()) == {"dataset/"}
    bucket.fill("train/van/1.jpg")
    assert split_roots(bucket.client, BUCKET, NAMES)["train"] == "dataset/train/"


def test_negatives_below_a_side_are_refused_with_the_right_place(bucket: DataBucket) -> None:
    for side in ("train", "validation"):
        bucket.fill(f"{side}/van/1.jpg", f"{side}/bicycle/2.jpg")
    bucket.fill("train/none_of_the_classes/3.jpg")

    with pytest.raises(UnknownClass, match=r"to dataset/none_of_the_classes/, beside train/"):
        bucket.generate()
