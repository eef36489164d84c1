import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones_operator.escaping import MAX_QUOTED_LENGTH, escape, escape_json, escape_lines, quote

ATTACKS = {
    "title": "\x1b]0;pwned\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "colors": "\x1b[31m",
    "new line": "a\nerror: sign in again",
    "carriage return": "a\rok",
    "C1": "\x9b31m\x85",
    "delete": "\x7f",
    "bidi": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\u200e",
    "no width": "\u200b\u200d\ufeff\u00ad",
    "separators": "\u2028\u2029",
    "not UTF-8": "\udc9b",
    "tags": "\U000e0041",
}
TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("".join(ATTACKS.values()) + "\\xuU0[]:"),
        st.characters(categories=["Cs", "Cf", "Cc", "Zl", "Zp"]),
    )
)


def shows(text: str) -> bool:
    return all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


def unescape(text: str) -> str:
    return re.sub(
        r"\\(?:\\|x(?P<x>..)|u(?P<u>....)|U(?P<U>.{8}))",
        lambda found: chr(int(found[found.lastgroup], 16)) if found.lastgroup else "\\",
        text,
    )


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_nothing_steers_the_terminal(attack: str) -> None:
    assert shows(escape(attack))


def test_names_of_people_and_gates_stay_as_they_are() -> None:
    for name in ("north-gate/7.jpg", "Été à l'œuvre (1).png", "大門/😀.heic", "שער.jpg"):
        assert escape(name) == name


@given(TEXT)
def test_what_is_shown_has_no_controls_and_decodes_to_the_same(text: str) -> None:
    shown = escape(text)
    assert shows(shown)
    assert unescape(shown) == text
    assert escape_lines(text).count("\n") == text.count("\n")
    assert shows(escape_lines(text).replace("\n", ""))


@given(TEXT)
def test_a_name_in_a_message_stays_in_its_quotes(name: str) -> None:
    quoted = quote(name)
    assert quoted[0] == quoted[-1] == '"'
    assert '"' not in quoted[1:-1]
    assert len(quoted) <= MAX_QUOTED_LENGTH + 5


def test_a_long_name_is_shortened_in_its_middle() -> None:
    assert quote("a" * 500 + "b" * 500) == f'"{"a" * 60} … {"b" * 60}"'


@given(TEXT)
def test_json_keeps_the_exact_name_without_controls(text: str) -> None:
    shown = escape_json(json.dumps({"key": text}, ensure_ascii=False, indent=2))
    assert shows(shown.replace("\n", ""))
    assert json.loads(shown) == {"key": text}
