"""What presets hold, and that the template takes it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samcli.cli.types import CfnParameterOverridesType

from scones.classes import parse_loading_bays
from scones.datasets.hyperparameters import parse_hyperparameters
from scones_operator import presets
from scones_operator.aws import template_parameters
from scones_operator.aws.template_parameters import parameter_overrides
from scones_operator.datasets.ham10000 import CLASSES
from scones_operator.errors import PreconditionError
from scones_operator.presets import Preset

GOOD = """
class_names = ["left", "right", "none"]
image_shape = "3,64,48"
minimum_accuracy = 0.7

[hyperparameters]
learning_rate = 0.01
epochs = 20
lr_scheduler_step = [10, 15]

[loading_bays]
left = "A 1"

[mirrored]
left = "right"
right = "left"
"""


def written(folder: Path, text: str = GOOD) -> str:
    path = folder / "views.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", presets.list_presets())
def test_our_presets_are_what_the_template_takes(name: str) -> None:
    preset = presets.load_preset(name)
    given = preset.parameters()

    for parameter in ("ClassNames", "LoadingBays", "ImageShape", "Hyperparameters"):
        assert template_parameters.is_allowed(parameter, given[parameter])
    assert 0 < float(given["MinimumAccuracy"]) < 1
    assert preset.description
    assert dict(parse_hyperparameters(given["Hyperparameters"])) == dict(preset.hyperparameters)
    assert dict(parse_loading_bays(given["LoadingBays"])) == dict(preset.loading_bays)


def test_our_presets() -> None:
    assert {"mammography-views", "skin-lesions", "vehicles"} <= set(presets.list_presets())
    assert presets.load_preset("vehicles").class_names == ("bicycle", "motorcycle")
    lesions = presets.load_preset("skin-lesions")
    assert lesions.class_names == CLASSES
    assert lesions.minimum_accuracy == 0.6
    views = presets.load_preset("mammography-views")
    assert views.mirrored["CC-Left"] == "CC-Right"
    assert views.hyperparameters["augmentation_type"] == "none"


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    preset = presets.load_preset(written(tmp_path))

    assert preset.name == "views"
    assert preset.class_names == ("left", "right", "none")
    assert preset.parameters() == {
        "ClassNames": "left,right,none",
        "LoadingBays": "left=A 1",
        "ImageShape": "3,64,48",
        "Hyperparameters": "learning_rate=0.01,epochs=20,lr_scheduler_step=10,15",
        "MinimumAccuracy": "0.7",
    }


def test_sam_takes_the_parameters_as_they_are(tmp_path: Path) -> None:
    for name in (*presets.list_presets(), written(tmp_path)):
        wanted = presets.load_preset(name).parameters()
        _, *words = parameter_overrides(wanted)
        assert CfnParameterOverridesType().convert(tuple(words), None, None) == wanted


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("image_shape", "image_shap", "there is no key image_shap (did you mean image_shape?)"),
        ("image_shape", "image_shap", "image_shape is missing"),
        ('"3,64,48"', '"3,64,4800"', "sides from 16 to 512"),
        ("0.7", "1.7", "minimum_accuracy: it should be less than or equal to 1"),
        ('"none"]', '"no,ne"]', "'no,ne' contains a comma"),
        ('"none"]', '" none"]', "without spaces around them"),
        ('"none"]', "'\"']", "quotation marks, slashes, backslashes"),
        ('"none"]', '""]', "hold an empty name"),
        ('"none"]', '"left"]', "name left more than once"),
        ('["left", "right", "none"]', '["left"]', "a classifier needs two or more"),
        ("epochs = 20", "num_classes = 3", "num_classes can't be set: it is the number of"),
        (
            "epochs = 20",
            "epoch = 20",
            "there is no hyperparameter epoch (did you mean epochs?): use one of augmentation_type",
        ),
        ("epochs = 20", 'optimizer = "s g d"', "without spaces"),
        ("epochs = 20", "epochs = { a = 1 }", "hyperparameters.epochs: it should be a valid"),
        ("epochs = 20", 'augmentation_type = "crop"', "crop mirrors photos"),
        ('left = "A 1"', 'lefd = "A"', "names lefd, which is no class: did you mean left?"),
        ('left = "A 1"', 'left = "A,B"', "pairs of the form class=bay"),
        ('left = "A 1"', "left = 'A\\1'", "pairs of the form class=bay"),
        ('left = "right"', 'lest = "right"', "mirrored names lest, which is no class"),
        ('left = "right"', 'left = "write"', "mirrored names write, which is no class"),
        ('right = "left"', 'none = "none"', "must say too that the one of right is left"),
    ],
)
def test_what_is_wrong_with_a_preset_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(PreconditionError) as raised:
        presets.load_preset(written(tmp_path, GOOD.replace(old, new)))
    assert "views.toml" in str(raised.value)
    assert said in str(raised.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = 'class_names = ["a"]\nimage_shape = "x"\ncolour = 1\n'
    with pytest.raises(PreconditionError) as raised:
        presets.load_preset(written(tmp_path, text))
    for said in ("class_names: ", "image_shape: ", "minimum_accuracy is missing", "key colour"):
        assert said in str(raised.value)


def test_mirrored_photos_whose_label_stays_may_be_augmented(tmp_path: Path) -> None:
    text = GOOD.partition("[mirrored]")[0].replace(
        "epochs = 20", 'augmentation_type = "crop"\nepochs = 20'
    )
    preset = presets.load_preset(written(tmp_path, text + '[mirrored]\nnone = "none"\n'))
    assert preset.mirrored == {"none": "none"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vehicle", "there is no preset vehicle (did you mean vehicles?)"),
        ("x.toml", f"there are {', '.join(presets.list_presets())}, or give the path"),
        ("./", "there is no preset ./"),
    ],
)
def test_presets_that_there_are_not(name: str, said: str) -> None:
    with pytest.raises(PreconditionError) as raised:
        presets.load_preset(name)
    assert said in str(raised.value)


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="is not valid TOML"):
        presets.load_preset(written(tmp_path, "classes: [a, b]"))


NAMES = st.lists(st.text(st.sampled_from('ab ,"\\é'), max_size=3), min_size=1, max_size=3)


@given(NAMES)
def test_class_names_are_refused_just_where_the_template_refuses_them(names: list[str]) -> None:
    def taken() -> bool:
        values: dict[str, Any] = {
            "name": "x",
            "class_names": names,
            "image_shape": "3,32,32",
            "minimum_accuracy": 0.5,
        }
        try:
            Preset.model_validate(values)
        except ValueError:
            return False
        return True

    # What the template's pattern can't tell: a comma inside a name, and names that repeat.
    listable = not any("," in name for name in names) and len(set(names)) == len(names)
    assert taken() == (listable and template_parameters.is_allowed("ClassNames", ",".join(names)))
