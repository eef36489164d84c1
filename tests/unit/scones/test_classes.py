import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.classes import parse_class_names, parse_loading_bays

names = st.lists(
    st.text(st.characters(exclude_characters=",=/", exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: name == name.strip()
    ),
    min_size=2,
    unique=True,
)


@given(names)
def test_class_names_keep_their_order(given_names: list[str]) -> None:
    assert parse_class_names(" , ".join(given_names)) == tuple(given_names)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty name"),
        ("bicycle", "two or more"),
        ("bicycle,,van", "empty name"),
        ("van,bicycle,van", "van more than once"),
        ("van,bus/coach", "have a slash in bus/coach"),
        ("van, none_of_the_classes", "reserved for photos of none of the classes"),
    ],
)
def test_class_names_that_make_no_sense(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_class_names(text)


@given(names, names)
def test_loading_bays_by_class(classes: list[str], bays: list[str]) -> None:
    expected = dict(zip(classes, bays, strict=False))

    text = ", ".join(f"{name} = {bay}" for name, bay in expected.items())

    assert parse_loading_bays(text) == expected


def test_no_loading_bays() -> None:
    assert parse_loading_bays("") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bicycle", "'bicycle' is not of the form class=bay"),
        ("bicycle=", "'bicycle=' is not of the form"),
        ("=A", "'=A' is not of the form"),
        ("bicycle=A,bicycle=B", "bicycle more than once"),
    ],
)
def test_loading_bays_that_make_no_sense(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_loading_bays(text)
