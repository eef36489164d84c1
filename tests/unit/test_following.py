"""A page is followed: what differs from the application is found."""

import os
from pathlib import Path

import pytest

from tests.doc_pages import Block, Follower, PageError, apply_diff, read_sections, require_output

PAGE = """# Page

## First

```sh
echo one
```

```text
o…
```

## Second

The file, `a/b.json`:

```json
{}
```
"""


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    for name in ("work", "notes"):
        (tmp_path / name).mkdir()
    return Follower(tmp_path / "work", tmp_path / "notes", os.environ)


def test_blocks_are_read_with_their_files(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)

    sections = read_sections(tmp_path / "page.md")

    assert sections == {
        "First": [Block("sh", "echo one\n", None), Block("text", "o…\n", None)],
        "Second": [Block("json", "{}\n", "a/b.json")],
    }


def test_a_block_without_a_kind_is_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE.replace("```sh", "```"))

    with pytest.raises(AssertionError):
        read_sections(tmp_path / "page.md")


def test_folder_and_variables_last_from_block_to_block(follower: Follower) -> None:
    follower.follow(Block("sh", "mkdir inner\ncd inner\nexport A='1 \n2'\n", None))
    follower.follow(Block("json", "{}\n", "new/a.json"))
    follower.follow(Block("sh", 'cat new/a.json\necho "$A"\n', None))
    follower.follow(Block("text", "{}\n1…\n2\n", None))

    assert follower.folder.name == "inner"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Block("sh", "false\ntrue\n", None), "exit code 1 of"),
        (Block("sh", "false | cat\n", None), "exit code 1 of"),
        (Block("sh", "echo $UNSET_HERE\n", None), "unbound variable"),
        (Block("text", "never printed\n", None), "no line 'never printed'"),
        (Block("json", "{}\n", None), "no line before this block names its file"),
        (Block("json", "{}\n", "there.json"), "exists already"),
        (Block("diff", " a\n+b\n", "there.json"), "0 places, not one"),
    ],
)
def test_what_a_page_gets_wrong_is_an_error(follower: Follower, block: Block, message: str) -> None:
    (follower.folder / "there.json").write_text("{}")

    with pytest.raises(PageError, match=message):
        follower.follow(block)


def test_output_is_compared_in_its_order() -> None:
    require_output("a\nb … d\n", "x\na\n\n  b  c   d\n")
    with pytest.raises(PageError):
        require_output("b\na\n", "a\nb\n")


def test_each_hunk_changes_one_place() -> None:
    assert apply_diff("a\nb\nc\nd\n", " a\n-b\n+x\n@@\n c\n+y\n") == "a\nx\nc\ny\nd\n"
    with pytest.raises(PageError, match="2 places"):
        apply_diff("a\nb\na\n", " a\n+x\n")
