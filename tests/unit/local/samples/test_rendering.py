import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scones_local.samples.dataset import CLASSES
from scones_local.samples.drawing import Pen, View
from scones_local.samples.other_subjects import OTHERS
from scones_local.samples.rendering import choose_size, render_photo

SUBJECTS = {**CLASSES, **OTHERS}


@given(seed=st.integers(), low=st.integers(64, 400), span=st.integers(0, 1200))
def test_the_longest_side_is_within_bounds(seed: int, low: int, span: int) -> None:
    size = choose_size(random.Random(seed), (low, low + span))

    assert low <= max(size) <= low + span
    assert min(size) >= low * 0.5


def test_sizes_are_landscape_portrait_and_square() -> None:
    sizes = [choose_size(random.Random(seed), (240, 1600)) for seed in range(60)]

    assert {(w > h) - (w < h) for w, h in sizes} == {-1, 0, 1}
    assert min(max(size) for size in sizes) < 350
    assert max(max(size) for size in sizes) > 1200


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_picture_has_the_size_asked_for_and_depends_on_the_seed_only(name: str) -> None:
    def take(seed: int) -> Image.Image:
        rng = random.Random(seed)
        return render_photo(rng, SUBJECTS[name](rng), (120, 90))

    first, again, another = take(1), take(1), take(2)

    assert (first.mode, first.size) == ("RGB", (120, 90))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != another.tobytes()


@pytest.mark.parametrize("name", sorted(set(SUBJECTS) - {"empty place"}))
@pytest.mark.parametrize("seed", range(25))
def test_a_subject_fills_the_room_it_says_it_takes(name: str, seed: int) -> None:
    subject = SUBJECTS[name](random.Random(seed))
    extent, scale, margin = subject.extent, 60.0, 60
    width, height = round(extent.width * scale), round(extent.top * scale)
    image = Image.new("RGBA", (width + 2 * margin, height + 2 * margin))
    ground = (image.width / 2, float(height + margin))
    subject.draw(Pen(image, View(ground, scale, extent.middle)))

    left, top, right, bottom = image.getbbox()

    slack = 0.16 * max(width, height)
    assert left == pytest.approx(margin, abs=slack)
    assert right == pytest.approx(margin + width, abs=slack)
    assert bottom == pytest.approx(margin + height, abs=0.04 * height + 2)
    assert margin - slack <= top <= margin + 0.35 * height


@pytest.mark.parametrize("name", CLASSES)
def test_pictures_of_a_class_vary(name: str) -> None:
    pictures = []
    for seed in range(30):
        rng = random.Random(seed)
        pictures.append(np.asarray(render_photo(rng, CLASSES[name](rng), (96, 96)), dtype=float))
    means = [picture.mean() for picture in pictures]

    assert max(means) - min(means) > 60
    assert np.std(pictures, axis=0).mean() > 25
