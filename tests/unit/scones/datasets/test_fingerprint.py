"""When two datasets are the same to learn from, and when they are not."""

import random
from collections.abc import Callable
from threading import Event

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scones.datasets.generate import generate_lists
from scones.datasets.manifest import GeneratedLists
from tests.unit.scones.datasets.buckets import RUN, settings
from tests.unit.scones.datasets.fake_s3 import FakeS3

Dataset = dict[str, bytes]

PLACES = [f"{side}/{name}" for side in ("train", "validation") for name in ("van", "bicycle")]
FIRST = f"dataset/{PLACES[0]}/"
BASE: Dataset = {
    f"dataset/{place}/{number}.jpg": f"{place} {number}".encode()
    for place in PLACES
    for number in range(3)
}

datasets = st.dictionaries(
    st.tuples(st.sampled_from(PLACES), st.integers(0, 9)).map(
        lambda where: f"dataset/{where[0]}/more-{where[1]}.jpg"
    ),
    st.binary(min_size=1, max_size=2),
    max_size=8,
).map(lambda more: {**BASE, **more})


def generate(objects: Dataset, **changes: str) -> GeneratedLists:
    return generate_lists(FakeS3(objects), RUN, settings(**changes))  # type: ignore[arg-type]


def fingerprint(objects: Dataset, **changes: str) -> str:
    return generate(objects, **changes).fingerprint


@examples(max_examples=15, deadline=None)
@given(datasets, st.randoms())
def test_the_order_of_the_listing_makes_no_difference(
    objects: Dataset, chance: random.Random
) -> None:
    shuffled = list(objects.items())
    chance.shuffle(shuffled)

    assert fingerprint(dict(shuffled)) == fingerprint(objects)


@examples(max_examples=15, deadline=None)
@given(datasets, st.data())
def test_a_photo_more_or_less_makes_another(objects: Dataset, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(objects)))
    copy = {**objects, key.replace(".jpg", " copy.jpg"): objects[key]}

    assert fingerprint(copy) != fingerprint(objects)


@examples(max_examples=15, deadline=None)
@given(datasets, st.data())
def test_a_changed_photo_makes_another(objects: Dataset, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(objects)))

    assert fingerprint({**objects, key: objects[key] + b"!"}) != fingerprint(objects)


@examples(max_examples=15, deadline=None)
@given(datasets, st.data())
def test_a_photo_in_another_class_or_side_makes_another(
    objects: Dataset, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(objects)))
    here = key.removeprefix("dataset/").rpartition("/")[0]
    there = data.draw(st.sampled_from([place for place in PLACES if place != here]))
    moved = dict(objects)
    moved[f"dataset/{there}/moved.jpg"] = moved.pop(key)

    assert fingerprint(moved) != fingerprint(objects)


@examples(max_examples=15, deadline=None)
@given(datasets, st.data())
def test_a_name_makes_no_difference(objects: Dataset, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(objects)))
    renamed = dict(objects)
    renamed[key.replace(".jpg", " renamed.png")] = renamed.pop(key)

    assert fingerprint(renamed) == fingerprint(objects)


def test_two_photos_that_change_classes_with_each_other_make_another() -> None:
    one, other = "dataset/train/van/0.jpg", "dataset/train/bicycle/0.jpg"

    assert fingerprint({**BASE, one: BASE[other], other: BASE[one]}) != fingerprint(BASE)


def test_two_copies_of_one_photo_are_not_two_of_another() -> None:
    one, other = ({f"dataset/train/van/{n}.jpg": body for n in (7, 8)} for body in (b"1", b"2"))

    assert fingerprint({**BASE, **one}) != fingerprint({**BASE, **other})


def test_what_is_no_photo_makes_no_difference() -> None:
    assert fingerprint({**BASE, "dataset/train/van/.DS_Store": b"x"}) == fingerprint(BASE)


@pytest.mark.parametrize(
    "changes",
    [
        {"CLASS_NAMES": "bicycle,van"},
        {"IMAGE_SHAPE": "3,32,33"},
        {"IMAGE_SHAPE": "3,33,32"},
        {"HYPERPARAMETERS": "mini_batch_size=3"},
        {"HYPERPARAMETERS": "mini_batch_size=2,epochs=3"},
    ],
)
def test_how_it_is_trained_makes_another(changes: dict[str, str]) -> None:
    assert fingerprint(BASE, **changes) != fingerprint(BASE)


def test_the_names_of_the_classes_make_another() -> None:
    renamed = {key.replace("/van/", "/lorry/"): content for key, content in BASE.items()}

    assert fingerprint(renamed, CLASS_NAMES="lorry,bicycle") != fingerprint(BASE)


def test_it_is_64_hexadecimal_digits() -> None:
    assert len(bytes.fromhex(fingerprint(BASE))) == 32


def first_page_after(prefix: str) -> Callable[[str], None]:
    """Hold back the first class's pages until another prefix was asked for."""
    reached = Event()

    def before_page(asked: str) -> None:
        if asked == prefix:
            reached.set()
        elif asked == FIRST:
            assert reached.wait(20)

    return before_page


def test_whichever_class_is_listed_first_the_lists_are_the_same() -> None:
    written = []
    for place in PLACES:
        client = FakeS3(BASE, before_page=first_page_after(f"dataset/{place}/"))
        generate_lists(client, RUN, settings())  # type: ignore[arg-type]
        written.append(client.uploaded)

    assert all(files == written[0] for files in written)
    assert written[0]["train.lst"].startswith("0\t0\tvan/0.jpg\n1\t0\tvan/1.jpg\n")
