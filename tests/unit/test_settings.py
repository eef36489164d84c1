import pytest
from pydantic import ValidationError

from scones.settings import ClassifySettings, SerializeSettings, ThresholdSettings


def test_serialize() -> None:
    settings = SerializeSettings.read({"IMAGE_SHAPE": "3,300,200", "MAX_PHOTO_BYTES": "20971520"})

    assert str(settings.image_shape) == "3,300,200"
    assert settings.max_photo_bytes == 20 * 1024 * 1024


def test_classify_ignores_the_rest_of_the_environment() -> None:
    settings = ClassifySettings.read({"ENDPOINT_NAME": "e", "CLASS_NAMES": "a,b", "HOME": "/"})

    assert settings.class_names == ("a", "b")


def test_threshold() -> None:
    settings = ThresholdSettings.read(
        {"CLASS_NAMES": "a,b", "LOADING_BAYS": "a=1", "THRESHOLD_PARAMETER": "/s/threshold"}
    )

    assert settings.loading_bays == {"a": "1"}


def test_error_names_the_variable() -> None:
    with pytest.raises(ValidationError, match="IMAGE_SHAPE") as caught:
        SerializeSettings.read({"IMAGE_SHAPE": "3,300", "MAX_PHOTO_BYTES": "0"})

    assert "MAX_PHOTO_BYTES" in str(caught.value)
