import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scones_training.augment import augment, cutout, uses_flips

TYPES = ["none", "crop", "crop_color", "crop_color_transform"]


def batch(height: int, width: int, count: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 1000 + width)
    return torch.randint(256, (count, height, width, 3), generator=generator, dtype=torch.uint8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_none_changes_nothing(height: int, width: int, seed: int) -> None:
    pictures = batch(height, width)

    assert torch.equal(augment(pictures, "none", seeded(seed)), pictures)


def test_only_none_keeps_left_and_right() -> None:
    assert [uses_flips(kind) for kind in TYPES] == [False, True, True, True]


@pytest.mark.parametrize("kind", TYPES[1:])
def test_half_of_the_pictures_are_mirrored(kind: str) -> None:
    left = torch.zeros(400, 16, 16, 3, dtype=torch.uint8)
    left[:, :, :5] = 200

    changed = augment(left, kind, seeded(1)).float()
    mirrored = changed[:, :, 8:].mean((1, 2, 3)) > changed[:, :, :8].mean((1, 2, 3))

    assert 150 < int(mirrored.sum()) < 250


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_crop_moves_by_an_eighth_at_most(height: int, width: int, seed: int) -> None:
    rows = torch.arange(height, dtype=torch.uint8)[None, :, None, None]
    pictures = rows.expand(4, height, width, 3).clone()

    moved = augment(pictures, "crop", seeded(seed)).int()

    assert int((moved - pictures.int()).abs().max()) <= 2 * (height // 8)
    center = height // 2
    assert int((moved[:, center] - center).abs().max()) <= height // 8


@given(st.sampled_from(TYPES), st.integers(1, 30), st.integers(1, 30))
def test_shape_and_type_stay(kind: str, height: int, width: int) -> None:
    pictures = batch(height, width)

    changed = augment(pictures, kind, seeded(0))

    assert changed.shape == pictures.shape
    assert changed.dtype == torch.uint8


@pytest.mark.parametrize("kind", TYPES[1:])
def test_the_same_seed_gives_the_same(kind: str) -> None:
    pictures = batch(16, 24)

    assert torch.equal(augment(pictures, kind, seeded(3)), augment(pictures, kind, seeded(3)))
    assert not torch.equal(augment(pictures, kind, seeded(3)), augment(pictures, kind, seeded(4)))


def test_crop_keeps_colors_and_crop_color_changes_them() -> None:
    orange = torch.tensor([230, 120, 20], dtype=torch.uint8).expand(50, 8, 8, 3).clone()

    assert torch.equal(augment(orange, "crop", seeded(0)), orange)
    recolored = augment(orange, "crop_color", seeded(0)).float()
    assert recolored.std(dim=0).min() > 5
    assert (recolored.mean(dim=0) - orange[0].float()).abs().max() < 25


def test_a_transform_turns_a_line_by_ten_degrees_at_most() -> None:
    pictures = torch.zeros(200, 64, 64, 3, dtype=torch.uint8)
    pictures[:, 30:34] = 255

    changed = augment(pictures, "crop_color_transform", seeded(0)).float().mean(3)
    heights = torch.arange(64.0)[:, None]
    # The line's height near both ends, weighted by brightness over the background.
    bright = (changed - changed.amin((1, 2), keepdim=True)).pow(4)
    centers = (bright * heights).sum(1) / bright.sum(1)
    slopes = (centers[:, 52:].mean(1) - centers[:, :12].mean(1)).abs() / 52

    assert float(slopes.max()) < 0.25
    assert float(slopes.max()) > 0.1


def test_erasing_sets_one_square_to_the_mean() -> None:
    pictures = torch.ones(100, 3, 16, 24)

    erased = cutout(pictures, seeded(0)) == 0

    assert torch.equal(erased[:, 0], erased[:, 1])
    shares = erased[:, 0].float().mean((1, 2))
    assert float(shares.min()) > 0.05
    assert float(shares.max()) < 0.35
