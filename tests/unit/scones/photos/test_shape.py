import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.photos import ImageShape

sides = st.integers(1, 4096)


@given(sides, sides)
def test_a_shape_reads_as_it_is_written(height: int, width: int) -> None:
    shape = ImageShape(height=height, width=width)

    assert ImageShape.parse(str(shape)) == shape
    assert str(shape) == f"3,{height},{width}"
    assert shape.size == (width, height)


def test_spaces_do_not_matter() -> None:
    assert ImageShape.parse(" 3, 300 ,200\n") == ImageShape(height=300, width=200)


@pytest.mark.parametrize(
    "text", ["", "224", "3,224", "3,224,224,1", "3x224x224", "3,-1,5", "3,1e2,5", "3,٣,5", "3,,5"]
)
def test_what_is_not_three_numbers_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 3,224,224"):
        ImageShape.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,224,224", "has 1 channels: it must be 3"),
        ("3,0,224", "has a height of 0: it must be 1 to 4096"),
        ("3,4097,224", "has a height of 4097"),
        ("3,224,0", "has a width of 0"),
        ("3,224,4097", "has a width of 4097"),
    ],
)
def test_a_number_out_of_range_is_named(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        ImageShape.parse(text)
    assert text in str(raised.value)
