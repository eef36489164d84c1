import pytest
from pydantic import ValidationError

from scones.settings import (
    ClassifySettings,
    EvaluateSettings,
    GenerateListsSettings,
    PrepareImagesSettings,
    SerializeSettings,
    SmokeTestSettings,
    ThresholdSettings,
)


def test_serialize() -> None:
    settings = SerializeSettings.read({"IMAGE_SHAPE": "3,300,200", "MAX_PHOTO_BYTES": "20971520"})

    assert str(settings.image_shape) == "3,300,200"
    assert settings.max_photo_bytes == 20 * 1024 * 1024


def test_classify_ignores_the_rest_of_the_environment() -> None:
    settings = ClassifySettings.read({"ENDPOINT_NAME": "e", "CLASS_NAMES": "a,b", "HOME": "/"})

    assert settings.class_names == ("a", "b")


THRESHOLD = {
    "CLASS_NAMES": "a,b",
    "LOADING_BAYS": "a=1",
    "THRESHOLD": "0.93",
    "THRESHOLD_PARAMETER": "/s/threshold",
    "THRESHOLD_BY_CLASS": "b=0.8",
    "FAMILIARITY_LIMIT": "0.05",
    "FAMILIARITY_LIMIT_PARAMETER": "/s/familiarity-limit",
}


def test_threshold() -> None:
    settings = ThresholdSettings.read(THRESHOLD)

    assert settings.loading_bays == {"a": "1"}
    assert settings.thresholds_by_class == {"b": 0.8}


@pytest.mark.parametrize("by_class", ["c=0.8", "b=2"])
def test_threshold_refuses_thresholds_that_do_not_apply(by_class: str) -> None:
    with pytest.raises(ValidationError, match="THRESHOLD_BY_CLASS"):
        ThresholdSettings.read({**THRESHOLD, "THRESHOLD_BY_CLASS": by_class})


def test_error_names_the_variable() -> None:
    with pytest.raises(ValidationError, match="IMAGE_SHAPE") as caught:
        SerializeSettings.read({"IMAGE_SHAPE": "3,300", "MAX_PHOTO_BYTES": "0"})

    assert "MAX_PHOTO_BYTES" in str(caught.value)


GENERATE_LISTS = {
    "DATA_BUCKET": "data",
    "CLASS_NAMES": "b,a",
    "IMAGE_SHAPE": "3,32,32",
    "ALGORITHM": "own",
    "HYPERPARAMETERS": "epochs=3",
    "VALIDATION_SHARE": "0.1",
}


def test_generate_lists() -> None:
    settings = GenerateListsSettings.read(GENERATE_LISTS)

    assert settings.class_names == ("b", "a")
    assert settings.hyperparameters == {"epochs": "3"}
    assert settings.validation_share == 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VALIDATION_SHARE", "0"),
        ("VALIDATION_SHARE", "1"),
        ("HYPERPARAMETERS", "num_classes=3"),
        ("DATA_BUCKET", ""),
    ],
)
def test_generate_lists_refuses_what_no_run_could_use(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        GenerateListsSettings.read({**GENERATE_LISTS, name: value})


def test_prepare_pictures() -> None:
    settings = PrepareImagesSettings.read({"DATA_BUCKET": "data", "IMAGE_SHAPE": "3,32,32"})

    assert (settings.data_bucket, settings.image_shape.height) == ("data", 32)


def test_limits_are_fractions() -> None:
    with pytest.raises(ValidationError) as caught:
        EvaluateSettings.read(
            {
                "DATA_BUCKET": "data",
                "CLASS_NAMES": "a,b",
                "MINIMUM_ACCURACY": "85",
                "ACCURACY_MARGIN": "-0.01",
                "WANTED_PRECISION": "nan",
                "FAMILIARITY_LIMIT": "5",
            }
        )

    for name in ("MINIMUM_ACCURACY", "ACCURACY_MARGIN", "WANTED_PRECISION", "FAMILIARITY_LIMIT"):
        assert name in str(caught.value)


def test_a_smoke_test_asks_about_a_photo_at_least() -> None:
    with pytest.raises(ValidationError, match="SMOKE_PHOTOS"):
        SmokeTestSettings.read(
            {
                "DATA_BUCKET": "data",
                "CLASS_NAMES": "a,b",
                "MINIMUM_ACCURACY": "0.85",
                "MAXIMUM_LATENCY_MS": "1000",
                "SMOKE_PHOTOS": "0",
            }
        )
