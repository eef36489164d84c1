import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.datasets.splits import digest, is_validation


def content_ids(count: int) -> list[str]:
    return [hashlib.md5(str(number).encode()).hexdigest() for number in range(count)]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_about_the_share_is_held_back(share: float) -> None:
    held = sum(is_validation(digest(content_id), share) for content_id in content_ids(10_000))

    assert abs(held / 10_000 - share) < 0.02


@given(st.text(st.characters(codec="utf-8")))
def test_none_and_all_are_shares_too(content_id: str) -> None:
    assert not is_validation(digest(content_id), 0.0)
    assert is_validation(digest(content_id), 1.0)


@given(st.text(st.characters(codec="utf-8")), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_back_what_a_smaller_one_did(
    content_id: str, one: float, other: float
) -> None:
    number = digest(content_id)

    assert is_validation(number, min(one, other)) <= is_validation(number, max(one, other))


@pytest.mark.parametrize(
    ("content_id", "number"),
    [
        # From `printf ID | sha256sum`. Another hash would move photos to the other side.
        (
            "d41d8cd98f00b204e9800998ecf8427e",
            "f215faf9d88b7f0a881632ee22459ee452a296c808d261b6cc993d3a1fd0600e",
        ),
        (
            "900150983cd24fb0d6963f7d28e17f72-3",
            "4f6f67b2dc741d473fe3b9393f03ce946dabe8067d9f71a8a5309cd6580af4d4",
        ),
    ],
)
def test_photos_stay_on_their_sides_from_release_to_release(content_id: str, number: str) -> None:
    assert digest(content_id) == int(number, 16)
