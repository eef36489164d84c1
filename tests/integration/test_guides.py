"""The pages of docs/guides: their diffs fit the application, and what they make passes its checks.

What a page runs in a local cloud is followed by hand; docs/getting-started.md is followed by
tests/docs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse

from scones_operator.application import CHECKOUT
from tests.doc_pages import Block, Follower, apply_diff, read_sections
from tools.lint_asl import find_errors
from tools.lint_tasks import find_forbidden, find_uncaught

GUIDES = CHECKOUT / "docs" / "guides"
ROOTS = (".", "layers/domain/python", "operator", "training", "local")
"""Folders of the packages."""
PAGES = sorted(page.stem for page in GUIDES.glob("*.md") if page.stem != "README")
EXERCISE = read_sections(CHECKOUT / "docs" / "getting-started.md")["Add a function"]
"""The step `Bay`, of which the guide of a step shows what the linter finds."""

pytestmark = pytest.mark.skipif(
    (CHECKOUT / "project.mk").exists(),
    reason="the diffs are for the application, not for a project made from it",
)


def blocks(page: str) -> list[Block]:
    """Return the blocks of a guide that make or change a file."""
    sections = read_sections(GUIDES / f"{page}.md").values()
    found = [block for section in sections for block in section]
    assert [block for block in found if block.kind in {"diff", "python"} and not block.path] == []
    return [block for block in found if block.path]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the state machines, functions, and tests of the guides are made of."""
    folder = tmp_path / "copy"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(CHECKOUT / name)
    return folder


def follow(made: list[Block], folder: Path) -> list[str]:
    """Make and change the files, and return the paths of the new tests."""
    follower = Follower(folder, folder, os.environ)
    for block in made:
        path = folder / str(block.path)
        if block.kind == "diff":
            # Never through the link.
            text = path.read_text("utf-8")
            path.unlink()
            path.write_text(apply_diff(text, block.text), "utf-8")
        else:
            follower.follow(block)
    paths = {str(block.path) for block in made if block.kind == "python"}
    return sorted(path for path in paths if path.startswith("tests/"))


@pytest.mark.parametrize("page", PAGES)
def test_a_guide_fits_the_application(page: str, copy: Path) -> None:
    tests = follow(blocks(page), copy)

    parameters = yaml_parse((copy / "template.yaml").read_text("utf-8"))["Parameters"]
    wrong = [
        name
        for name, rules in parameters.items()
        if not re.fullmatch(rules.get("AllowedPattern", ".*"), str(rules["Default"]))
    ]
    assert wrong == []
    if tests:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": ":".join(f"{copy}/{root}" for root in ROOTS)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("page", PAGES)
def test_what_a_guide_names_exists(page: str, copy: Path) -> None:
    follow(blocks(page), copy)

    text = (GUIDES / f"{page}.md").read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#:]+)", text) if not link.startswith("#")]
    assert [link for link in links if not (copy / "docs" / "guides" / link).exists()] == []
    commands = "\n".join(
        block.text
        for section in read_sections(GUIDES / f"{page}.md").values()
        for block in section
        if block.kind == "sh"
    )
    files = re.findall(r"(?<![\w./-])(?:tests|docs|layers)/[\w./-]+\.\w+", commands)
    assert [file for file in files if not (copy / file).exists()] == []
    made = set(re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE))
    assert made <= set(re.findall(r"^([a-z-]+):", (copy / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("file", "forgotten", "instead"),
    [
        ("template.yaml", "                - !GetAtt BayFunction.Arn\n", ""),
        ("template.yaml", "        BayFunction: !GetAtt BayFunction.Arn\n", ""),
        (
            "statemachine/classify.asl.json",
            r'(?s)("Bay": \{(?:(?!"Catch").)*)"Catch": \[.*?\n      \],',
            r"\1",
        ),
        ("statemachine/classify.asl.json", '"Next": "Bay"', '"Next": "Compose Event"'),
        ("statemachine/classify.asl.json", r"(\$merge\(\[\$outcome)(, \$states)", r"\1s\2"),
    ],
    ids=["role", "substitution", "catch", "transition", "variable"],
)
def test_the_guide_of_a_step_has_what_the_linter_says(
    copy: Path, file: str, forgotten: str, instead: str
) -> None:
    follow([block for block in EXERCISE if block.path], copy)
    assert findings(copy) == []
    text = (copy / file).read_text("utf-8")
    # The last place: others are those of the steps before.
    place = list(re.finditer(forgotten, text))[-1]
    changed_text = text[: place.start()] + place.expand(instead) + text[place.end() :]
    (copy / file).write_text(changed_text, "utf-8")

    (found,) = findings(copy)

    parts = found.split(": ")
    page = (GUIDES / "another-step.md").read_text("utf-8")
    # The page leaves out the place that precedes a message.
    assert any(f"`{': '.join(parts[start:])}`" in page for start in range(len(parts)))


def findings(folder: Path) -> list[str]:
    """Return what the linter finds in `classify`, without cfn-lint, which takes seconds."""
    resources = yaml_parse((folder / "template.yaml").read_text("utf-8"))["Resources"]
    machine = resources["ClassifyStateMachine"]["Properties"]
    text = (folder / machine["DefinitionUri"]).read_text("utf-8")
    return [
        *find_errors(text, machine["DefinitionSubstitutions"].keys()),
        *find_uncaught(json.loads(text)),
        *find_forbidden(json.loads(text), machine),
    ]
