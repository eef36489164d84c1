import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.datasets.split_folders import NAMES, AmbiguousFolders, find_split_folders, split_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Train", "train"),
        ("TRAINING", "train"),
        ("training_set", "train"),
        ("train2017", "train"),
        ("01 - Train", "train"),
        ("TrainImages", "train"),
        ("Val", "validation"),
        ("valid", "validation"),
        ("dev-set", "validation"),
        ("validation data", "validation"),
        ("Testing", "test"),
        ("images_test", "test"),
        ("evaluation", "test"),
        ("train station", None),
        ("trains", None),
        ("invalid", None),
        ("latest", None),
        ("test tube", None),
        ("device", None),
        ("trainval", None),
        ("", None),
    ],
)
def test_kind_of_a_folder_by_its_name(name: str, kind: str | None) -> None:
    assert split_kind(name) == kind


@given(st.sampled_from(sorted(NAMES["train"])), st.data())
def test_capitals_do_not_matter(train: str, data: st.DataObject) -> None:
    def capitalized(name: str) -> str:
        return "".join(data.draw(st.sampled_from([c.upper(), c])) for c in name)

    validation = data.draw(st.sampled_from(NAMES["validation"] + NAMES["test"]))
    names = capitalized(train), capitalized(validation)
    found = find_split_folders(names)

    assert found is not None
    assert (found.train, found.validation, found.unused) == (*names, None)


def test_photos_to_test_on_are_validated_on_only_if_no_others_are() -> None:
    both, one = (
        find_split_folders(names) for names in (["train", "val", "test"], ["test", "train"])
    )

    assert both is not None
    assert (both.validation, both.unused) == ("val", "test")
    assert one is not None
    assert (one.validation, one.unused) == ("test", None)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["bus", "train"], ["train", "bus", "tram"]),
        (["train", "test"], ["test", "train"]),
        (["bus", "train", "tram"], ["train", "bus"]),
        (["bus", "car"], []),
        (["left-test", "right"], []),
        (["cars_train", "cars_test"], ["cars_train", "cars_test"]),
        ([], []),
    ],
)
def test_folders_of_classes(names: list[str], classes: list[str]) -> None:
    assert find_split_folders(names, classes) is None


def test_a_class_named_like_a_split_may_be_next_to_splits() -> None:
    found = find_split_folders(["train", "val"], ["train", "bus"])

    assert found is not None
    assert (found.train, found.validation) == ("train", "val")


@pytest.mark.parametrize(
    ("names", "classes", "said"),
    [
        (["train", "bus", "car"], [], "has train, which is by its name for splits, .*: bus, car"),
        (["bus", "car", "test"], ["bus", "car"], "has test, .* next to other folders: bus, car"),
        (["train", "val", "Dev"], [], "Dev and val are both for validation"),
        (["train", "Train"], [], "Train and train are both for training"),
        (["train", "test", "eval", "val"], [], "eval and test are both for tests"),
        (["val", "test"], [], "no folder to train on, only test, val"),
        (["seg_train", "seg_test", "seg_pred"], [], "splits or classes: seg_test, seg_train"),
    ],
)
def test_ambiguous_folders_are_named(names: list[str], classes: list[str], said: str) -> None:
    with pytest.raises(AmbiguousFolders, match=said):
        find_split_folders(names, classes)
