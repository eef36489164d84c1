from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scones_local.samples.drawing import Pen, View, arc_points, curve_points, interpolate

VIEW = View(ground=(100.0, 80.0), scale=40.0, middle=0.5)

coordinates = st.floats(-2, 2)


@pytest.mark.parametrize("tilt", [0.0, 12.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_middle_of_the_subject_stands_on_the_ground_point(tilt: float, mirrored: bool) -> None:
    view = replace(VIEW, tilt=tilt, mirrored=mirrored, squash=0.8, depth=0.1)

    assert view.pixel((0.5, 0.0)) == pytest.approx((100.0, 80.0))


def test_a_metre_is_scale_pixels_to_the_right_and_upwards() -> None:
    assert VIEW.pixel((1.5, 0.5)) == pytest.approx((140.0, 60.0))


def test_squash_narrows_and_leaves_the_height() -> None:
    assert replace(VIEW, squash=0.5).pixel((1.5, 0.5)) == pytest.approx((120.0, 60.0))


def test_depth_makes_the_far_end_smaller_than_the_near_end() -> None:
    view = replace(VIEW, depth=0.2)
    near, far = view.pixel((-0.5, 1.0)), view.pixel((1.5, 1.0))

    assert 80 - far[1] < 40 < 80 - near[1]
    assert far[0] - 100 < 40 < 100 - near[0]


@given(x=coordinates, y=coordinates)
def test_mirrored_is_the_same_height_on_the_other_side(x: float, y: float) -> None:
    straight, mirrored = VIEW.pixel((x, y)), replace(VIEW, mirrored=True).pixel((x, y))

    assert mirrored[1] == pytest.approx(straight[1])
    assert mirrored[0] - 100 == pytest.approx(100 - straight[0])


@given(x=coordinates, y=coordinates, factor=st.floats(0.1, 4))
def test_an_enlarged_view_scales_every_pixel(x: float, y: float, factor: float) -> None:
    view = replace(VIEW, tilt=5.0, depth=0.1)
    plain, enlarged = view.pixel((x, y)), view.enlarged(factor).pixel((x, y))

    assert enlarged == pytest.approx((plain[0] * factor, plain[1] * factor), abs=1e-6)


def test_curves_begin_and_end_where_they_should() -> None:
    points = curve_points((0, 0), (1, 2), (2, 0))

    assert points[0] == (0, 0)
    assert points[-1] == (2, 0)
    assert max(y for _, y in points) == pytest.approx(1.0)
    assert arc_points((1, 1), 2, 0, 90)[-1] == pytest.approx((1, 3))
    assert interpolate((0, 0), (2, 4), 0.25) == (0.5, 1.0)


def test_a_disc_is_filled_and_a_ring_is_hollow() -> None:
    image = Image.new("RGB", (200, 100))
    pen = Pen(image, VIEW)
    pen.disc((0.0, 1.0), 0.5, (255, 0, 0))
    pen.ring((1.5, 1.0), 0.5, 0.2, (0, 255, 0))

    assert image.getpixel((80, 40)) == (255, 0, 0)
    assert image.getpixel((140, 40)) == (0, 0, 0)
    assert image.getpixel((140, 24)) == (0, 255, 0)
    assert image.getpixel((140, 16)) == (0, 0, 0)
