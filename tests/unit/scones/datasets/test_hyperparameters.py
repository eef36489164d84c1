import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.datasets.errors import BadHyperparameters, TooFewPhotos
from scones.datasets.hyperparameters import add_defaults, default_resize, parse_hyperparameters
from scones.photos import ImageShape
from scones_training import hyperparameters as trainer

SMALL = ImageShape.parse("3,32,32")

shapes = st.builds(ImageShape, height=st.integers(16, 512), width=st.integers(16, 512))
choices = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(10, 300).map(str),
        "learning_rate": st.floats(0.0001, 1).map(str),
        "optimizer": st.sampled_from(["sgd", "adam", "rmsprop", "nag"]),
        "num_layers": st.sampled_from(["18", "50", "152"]),
        "augmentation_type": st.sampled_from(["crop", "crop_color_transform"]),
        "lr_scheduler_step": st.sampled_from(["10", "10,20", "5,6,7"]),
        "beta_1": st.just("0.9"),
        "mini_batch_size": st.just("2"),
    },
)


def written(choice: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in choice.items())


@given(choices)
def test_what_is_written_is_read(choice: dict[str, str]) -> None:
    assert parse_hyperparameters(written(choice)) == choice


def test_space_around_names_and_values_is_dropped() -> None:
    assert parse_hyperparameters(" epochs = 3 , optimizer=adam,") == {
        "epochs": "3",
        "optimizer": "adam",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("epochs", "'epochs' is not of the form name=value"),
        ("epochs=", "'epochs=' is not of the form"),
        ("=3", "'=3' is not of the form"),
        ("epochs=3,adam", "'adam' is not of the form"),
        ("20,epochs=3", "'20' is not of the form"),
        ("epochs=3,epochs=4", "name epochs more than once"),
        ("num_classes=2", "num_classes can't be set: it is the number of the stack's ClassNames"),
        ("num_training_samples=2", "can't be set: it is counted"),
        ("epochs=1,image_shape=3,32,32", "can't be set: it is the stack's ImageShape"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_hyperparameters(text)


@given(choices, shapes, st.integers(2, 300), st.integers(2, 10**7))
def test_our_trainer_takes_them(
    choice: dict[str, str], shape: ImageShape, classes: int, photos: int
) -> None:
    parsed = trainer.parse_hyperparameters(add_defaults("own", choice, shape, classes, photos))

    assert parsed.num_classes == classes
    assert parsed.num_training_samples == photos
    assert parsed.image_shape == shape
    assert parsed.mini_batch_size <= photos


@given(shapes)
def test_resize_is_larger_than_both_sides_but_not_by_much(shape: ImageShape) -> None:
    longest = max(shape.height, shape.width)

    assert longest < default_resize(shape) <= longest * 1.0625 + 1


@pytest.mark.parametrize(("photos", "batch"), [(2, "2"), (31, "31"), (32, "32"), (33, "32")])
def test_the_default_batch_is_no_more_than_there_are_photos(photos: int, batch: str) -> None:
    assert add_defaults("own", {}, SMALL, 2, photos)["mini_batch_size"] == batch


def test_a_chosen_batch_is_kept() -> None:
    assert add_defaults("own", {"mini_batch_size": "64"}, SMALL, 2, 64)["mini_batch_size"] == "64"


def test_a_chosen_batch_of_more_than_there_are_photos_is_refused() -> None:
    with pytest.raises(TooFewPhotos, match=r"63 photos to train on, fewer than .* of 64"):
        add_defaults("own", {"mini_batch_size": "64"}, SMALL, 2, 63)


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ({"mini_batch_size": "many"}, "mini_batch_size is 'many'"),
        ({"mini_batch_size": "0"}, "mini_batch_size is '0'"),
        ({"resize": "2.5"}, "resize is '2.5'"),
        ({"resize": "31"}, "resize is 31, less than the longest side .* 3,32,32"),
    ],
)
def test_what_training_would_fail_on_is_refused(choice: dict[str, str], problem: str) -> None:
    with pytest.raises(BadHyperparameters, match=problem):
        add_defaults("own", choice, SMALL, 2, 100)


@pytest.mark.parametrize(("shape", "layers"), [("3,28,28", "20"), ("3,32,32", "18")])
def test_the_built_in_algorithm_has_defaults_that_fit_the_shape(shape: str, layers: str) -> None:
    found = add_defaults("builtin", {}, ImageShape.parse(shape), 2, 100)

    assert (found["num_layers"], found["learning_rate"]) == (layers, "0.01")
    assert int(found["resize"]) > 28
    chosen = {"num_layers": "50", "learning_rate": "0.1"}
    assert (
        add_defaults("builtin", chosen, ImageShape.parse(shape), 2, 100).items() >= chosen.items()
    )


def test_our_algorithm_has_defaults_of_its_own() -> None:
    assert (
        not {"num_layers", "learning_rate", "resize"}
        & add_defaults("own", {}, SMALL, 2, 100).keys()
    )


def test_the_built_in_algorithm_gets_what_it_documents_only() -> None:
    found = add_defaults("builtin", {"augmentation_type": "none"}, SMALL, 2, 100)
    assert "augmentation_type" not in found
    crop = add_defaults("builtin", {"augmentation_type": "crop"}, SMALL, 2, 100)
    assert crop["augmentation_type"] == "crop"
    with pytest.raises(BadHyperparameters, match="no hyperparameter label_smoothing: use one"):
        add_defaults("builtin", {"label_smoothing": "0.1"}, SMALL, 2, 100)


def test_pretrained_weights_of_the_built_in_algorithm_need_their_shape() -> None:
    choice = {"use_pretrained_model": "1"}
    large = ImageShape.parse("3,224,224")
    assert add_defaults("builtin", choice, large, 2, 100)["use_pretrained_model"] == "1"
    with pytest.raises(BadHyperparameters, match="needs the image shape 3,224,224"):
        add_defaults("builtin", choice, SMALL, 2, 100)
