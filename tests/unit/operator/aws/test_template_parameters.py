import pytest
from hypothesis import given
from hypothesis import strategies as st
from samcli.cli.types import CfnParameterOverridesType

from scones_operator.aws.template_parameters import constraint, is_allowed, parameter_overrides
from scones_operator.errors import PreconditionError

TEXTS = st.text(st.characters(exclude_characters="\\", exclude_categories=("C", "Z")), min_size=1)


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
        ("ClassNames", "none_of_the_classes,a", False),
        ("ClassNames", "a,none_of_the_classes,b", False),
        ("ClassNames", "a,none_of_the_classes", False),
        ("ClassNames", "a/b,c", False),
        ("ClassNames", "c,a/b", False),
        ("ClassNames", "/,c", False),
        ("ClassNames", "c,..", False),
        ("ClassNames", ".,c", False),
        ("ClassNames", "a\tb,c", False),
        ("ClassNames", "c,a\nb", False),
        ("ClassNames", ".c,a.b,...", True),
        ("ClassNames", "not none_of_the_classes,none_of_the_classes 2", True),
        ("ClassNames", f"{'a' * 1498},b", True),
        ("ClassNames", f"{'a' * 1499},b", False),
    ],
)
def test_values_that_the_template_takes(parameter: str, value: str, allowed: bool) -> None:
    assert is_allowed(parameter, value) is allowed


def test_rules_in_words() -> None:
    assert "from 16 to 512" in constraint("ImageShape")
    assert "separated by commas" in constraint("ClassNames")


def as_sam_reads(parameters: dict[str, str]) -> object:
    name, *values = parameter_overrides(parameters)
    assert name == "--parameter-overrides"
    return CfnParameterOverridesType().convert(tuple(values), None, None)


@given(st.dictionaries(st.from_regex("[A-Z][a-z]+", fullmatch=True), TEXTS, min_size=1))
def test_sam_reads_what_was_written(parameters: dict[str, str]) -> None:
    assert as_sam_reads(parameters) == parameters


@pytest.mark.parametrize(
    "value", ['12" wheel,"x"', '"a","b"', "it's,b", "two  words,b", "a=b,c", "yes,no", "", "🛵,自"]
)
def test_values_that_careless_quoting_trips_over(value: str) -> None:
    assert as_sam_reads({"ClassNames": value}) == {"ClassNames": value}


def test_backslash_is_refused() -> None:
    with pytest.raises(PreconditionError, match="cannot pass on a backslash"):
        parameter_overrides({"ClassNames": "a\\ b,c"})
