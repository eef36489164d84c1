"""Names, bays and the preset of a new project."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_operator.errors import PreconditionError
from scones_operator.project.choices import (
    Choices,
    augmentation_type,
    letter_bays,
    make_preset,
    name_problems,
    parse_bays,
    preset_values,
    write_toml,
)

CLASSES = ("cargo bike", "van")


@pytest.mark.parametrize("name", ["a", "test-project", "x2", "a" * 13])
def test_names_that_a_project_can_have(name: str) -> None:
    assert name_problems(name) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My Photos", "'My Photos' cannot be the project's name"),
        ("My Photos", "such as --name my-photos"),
        ("2-wheels", "digits and hyphens, such as --name wheels"),
        ("", "begin with a letter"),
        ("a" * 14, "up to 13 lower-case letters"),
        ("a" * 14, "its stack NAME-production may have 24"),
        ("loading-dock-cams", "such as --name loading-dock;"),
        ("P_3", "--name p-3"),
        ("van ", "--name van"),
        ("gate_cam", "--name gate-cam"),
        ("été", "--name t"),
        ("vehicles", "a preset that comes with the application"),
        ("Vehicles", "'Vehicles' cannot be"),
    ],
)
def test_names_that_a_project_cannot_have(name: str, message: str) -> None:
    (problem,) = name_problems(name)
    assert message in problem


def test_a_taken_name_is_not_suggested() -> None:
    assert "--name" not in name_problems("Vehicles")[0]


def test_bays_are_read() -> None:
    assert parse_bays(["van=A", "cargo bike=B=2"]) == {"van": "A", "cargo bike": "B=2"}
    with pytest.raises(ValueError, match="'van' is not a loading bay: use for example --bay"):
        parse_bays(["van"])
    with pytest.raises(ValueError, match="class van has two loading bays: A and B"):
        parse_bays(["van=A", "van=B"])


def test_each_class_gets_a_letter() -> None:
    bays = letter_bays([str(number) for number in range(28)])
    assert (bays["0"], bays["25"], bays["26"], bays["27"]) == ("A", "Z", "AA", "AB")
    assert letter_bays(["a=b", "c"]) == {"c": "A"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["bicycle", "van"], "crop"),
        (["door-left", "door-right"], "none"),
        (["CC-Right", "x"], "none"),
        (["bright", "leftover"], "crop"),
    ],
)
def test_sided_classes_are_not_mirrored(names: list[str], expected: str) -> None:
    assert augmentation_type(names) == expected


def test_the_preset_of_a_project() -> None:
    preset = make_preset(Choices("test-project"), CLASSES)

    assert preset.name == "test-project"
    assert preset.parameters() == {
        "ClassNames": "cargo bike,van",
        "LoadingBays": "cargo bike=A,van=B",
        "ImageShape": "3,96,96",
        "Hyperparameters": "augmentation_type=crop",
        "MinimumAccuracy": "0.6",
    }
    assert make_preset(Choices("test-project", {}), CLASSES).loading_bays == {}


def test_all_that_the_template_does_not_accept_is_named() -> None:
    with pytest.raises(PreconditionError) as raised:
        make_preset(Choices("x", {"vam": "A"}, image_shape="3,9,9"), CLASSES)
    assert "sides from 16 to 512" in str(raised.value)
    with pytest.raises(PreconditionError, match="names vans, which is no class: did you mean van"):
        make_preset(Choices("x", {"vans": "A"}), CLASSES)


NAMES = st.text(st.characters(exclude_characters=",", exclude_categories=("Cs",)), min_size=1)


@given(st.dictionaries(NAMES, NAMES, min_size=2))
def test_toml_reads_as_it_was_written(bays: dict[str, str]) -> None:
    values = preset_values(Choices("x", bays, minimum_accuracy=0.75), list(bays))
    assert tomllib.loads(write_toml(values)) == values
