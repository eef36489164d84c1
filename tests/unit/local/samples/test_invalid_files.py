import io
import random
import warnings

import pytest
from PIL import Image

from scones.photos import ImageShape, UnusablePhoto, prepare
from scones_local.samples.invalid_files import INVALID_FILES

BY_NAME = {kind.name: kind for kind in INVALID_FILES}


@pytest.mark.parametrize("name", BY_NAME)
def test_none_can_be_read_as_a_picture(name: str) -> None:
    data = BY_NAME[name].write(random.Random(1))

    assert data
    with pytest.raises((OSError, Image.DecompressionBombError)):  # noqa: SIM117
        with Image.open(io.BytesIO(data)) as image:
            image.load()


@pytest.mark.parametrize("name", BY_NAME)
def test_each_is_an_unusable_photo(name: str) -> None:
    data = BY_NAME[name].write(random.Random(1))

    with pytest.raises(UnusablePhoto):
        prepare(data, ImageShape(height=32, width=32))


@pytest.mark.parametrize("name", ["truncated JPEG", "truncated PNG"])
def test_truncated_files_begin_as_real_ones(name: str) -> None:
    with Image.open(io.BytesIO(BY_NAME[name].write(random.Random(1)))) as image:
        assert image.format == name.removeprefix("truncated ")


def test_the_bomb_is_small_and_announces_far_too_many_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = BY_NAME["decompression bomb"].write(random.Random(1))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)

    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        assert image.width * image.height > 1_000_000_000
    assert len(data) < 1000
