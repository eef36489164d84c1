import pytest

from operations.parameters import allows, rule


@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("ImageShape", "3,16,512", True),
        ("ImageShape", "3,15,512", False),
        ("ImageShape", "3,16,513", False),
        ("ImageShape", "3,32,32,", False),
        ("ClassNames", "a,b", True),
        ("ClassNames", "a", False),
        ("ClassNames", "a, b", False),
        ("ClassNames", f"{'a' * 1498},b", True),
        ("ClassNames", f"{'a' * 1499},b", False),
    ],
)
def test_values_that_the_template_takes(parameter: str, value: str, allowed: bool) -> None:
    assert allows(parameter, value) is allowed


def test_rules_in_words() -> None:
    assert "from 16 to 512" in rule("ImageShape")
    assert "separated by commas" in rule("ClassNames")
