from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scones.lst import LstEntry, LstError, is_valid_path, read, write

paths = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0")).filter(
    lambda path: path.strip() and not path.startswith("/") and ".." not in path.split("/")
)
entries = st.lists(
    st.builds(LstEntry, st.integers(0, 10**9), st.integers(0, 1000), paths),
    unique_by=lambda entry: entry.index,
)


@given(entries)
def test_what_is_written_is_read_again(listed: list[LstEntry]) -> None:
    assert list(read(write(listed))) == listed


@given(entries)
def test_a_line_end_of_windows_or_none_reads_the_same(listed: list[LstEntry]) -> None:
    lines = [line.removesuffix("\n") for line in write(listed)]

    assert list(read(lines)) == listed
    assert list(read(f"{line}\r\n" for line in lines)) == listed


def test_a_line_is_the_index_the_class_and_the_path() -> None:
    entry = LstEntry(5, 1, "bicycle/my photo [1] ü.jpg")

    assert list(write([entry])) == ["5\t1\tbicycle/my photo [1] ü.jpg\n"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1\t0", "2 tab-separated fields"),
        ("1 0.000000 a/1.png", "Put tabs between the fields"),
        ("1\t0.000000\t1.000000\ta.png", "A photo has one class here"),
        ("1\t0\ta.png\tb", "4 tab-separated fields"),
        ("x\t0\ta.png", "the index 'x' is not a whole number"),
        ("1\t-1\ta.png", "the class index '-1' is not a whole number"),
        ("1\t0.5\ta.png", "the class index '0.5'"),
        ("1\t-0.000000\ta.png", "the class index '-0.000000'"),
        ("1\t1_0\ta.png", "the class index '1_0'"),
        ("1\tnan\ta.png", "the class index 'nan'"),
        ("1\t1e99\ta.png", "the class index '1e99'"),
        ("1\t1e-1\ta.png", "the class index '1e-1'"),
        (f"1\t{'9' * 5000}\ta.png", "is not a whole number"),
        ("1.5\t0\ta.png", "the index '1.5'"),
        ("1\t²\ta.png", "the class index '²'"),
        ("1\t0\t", "the path is empty"),
        ("1\t0\t/etc/a.png", "leaves its channel"),
        ("1\t0\ta/../../b.png", "leaves its channel"),
        ("7\t0\tb.png", "the index 7 is that of line 1 too"),
    ],
)
def test_a_broken_line_is_named(line: str, problem: str) -> None:
    with pytest.raises(LstError) as raised:
        list(read(["7\t0\tfirst.png\n", line]))

    assert str(raised.value).startswith("line 2: ")
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "0\t0.000000\ta/1.png\n1\t1.000000\tb/2.png\n",
        "0\t0.000000\ta/1.png\n1\t1.000000\tb/2.png\n\n",
        "0\t0\ta/1.png\r\n\r\n1\t1.0\tb/2.png\r\n \t\r\n",
        "\ufeff0\t0\ta/1.png\n1\t1\tb/2.png",
        "0.0\t0.\ta/1.png\n1\t1e0\tb/2.png\n",
        " 0 \t 0\ta/1.png\n1\t1.000000000000000000e+00\tb/2.png\n",
    ],
)
def test_lists_of_other_programs(text: str) -> None:
    """Of MXNet's im2rec, of Windows, of spreadsheets and of NumPy."""
    assert list(read(text.split("\n"))) == [LstEntry(0, 0, "a/1.png"), LstEntry(1, 1, "b/2.png")]


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\0"])
def test_a_path_that_a_line_cannot_hold_is_refused(character: str) -> None:
    with pytest.raises(LstError, match="rename the photo"):
        LstEntry(0, 0, f"a{character}b.png")


@pytest.mark.parametrize(("index", "class_index"), [(-1, 0), (0, -1)])
def test_a_negative_number_is_refused(index: int, class_index: int) -> None:
    with pytest.raises(LstError, match="0 or more"):
        LstEntry(index, class_index, "a.png")


@given(st.text(st.sampled_from("ab./ \t\n\r\0\u2028\xa0"), max_size=6))
def test_a_path_can_be_listed_exactly_if_an_entry_takes_it(path: str) -> None:
    parts = path.split("/")
    forbidden = set(path) & set("\t\n\r\0") or path.startswith("/") or ".." in parts

    assert is_valid_path(path) == bool(path.strip() and not forbidden)
    if is_valid_path(path):
        assert list(read(write([LstEntry(0, 0, path)]))) == [LstEntry(0, 0, path)]
    else:
        with pytest.raises(LstError):
            LstEntry(0, 0, path)


def test_lists_longer_than_memory_stream() -> None:
    def endless() -> Iterator[LstEntry]:
        index = 0
        while True:
            yield LstEntry(index, 0, f"{index}.png")
            index += 1

    listed = read(write(endless()))

    assert [next(listed).index for _ in range(3)] == [0, 1, 2]
