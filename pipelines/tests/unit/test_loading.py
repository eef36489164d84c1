"""What the commands read from their command lines."""

import sys
from pathlib import Path
from typing import Any

import pytest

from scones_pipelines.commands.pipeline_modules import (
    Target,
    UsageError,
    build_pipeline,
    load_module,
    parse_mapping,
    parse_tags,
)

TARGET = Target("eu-west-1", "arn:aws:iam::111122223333:role/R", "bucket")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("{'region': 'eu-west-1', 'spot': True, 'none': None}", None),
        ('{"region": "eu-west-1", "spot": true, "none": null}', None),
    ],
)
def test_a_dictionary_is_python_or_json(text: str, value: Any) -> None:
    expected = {"region": "eu-west-1", "spot": True, "none": None} if value is None else value

    assert parse_mapping(text, "--kwargs") == expected


@pytest.mark.parametrize("text", ["[1]", "region=x", "__import__('os')", "{1: 2}", "{", "(" * 9999])
def test_what_is_not_a_dictionary_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--kwargs .* is not a dictionary"):
        parse_mapping(text, "--kwargs")


@pytest.mark.parametrize(
    "text",
    ["{'team': 'ml', 'cost': 7}", '[{"Key":"team","Value":"ml"},{"Key":"cost","Value":"7"}]'],
)
def test_tags_are_a_dictionary_or_a_list(text: str) -> None:
    assert parse_tags(text) == [{"Key": "team", "Value": "ml"}, {"Key": "cost", "Value": "7"}]


@pytest.mark.parametrize("text", ['[{"Key":"team"}]', '["team"]'])
def test_tags_need_key_and_value(text: str) -> None:
    with pytest.raises(UsageError, match="a Key and a Value"):
        parse_tags(text)


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    name = f"pipeline_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_only_arguments_that_the_function_takes_are_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "def get_pipeline(region, role, depth=1): return region, role, depth"
    name = module(tmp_path, monkeypatch, text)

    pipeline = build_pipeline(name, None, TARGET, {"depth": 3, "sagemaker_project_name": "p"})

    assert pipeline == ("eu-west-1", TARGET.role, 3)
    assert "takes no sagemaker_project_name: ignored" in capsys.readouterr().err


def test_a_function_that_takes_everything_gets_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(tmp_path, monkeypatch, "def get_pipeline(**kwargs): return kwargs")

    assert build_pipeline(name, "session", TARGET, {"x": 1}) == {
        "session": "session",
        "role": TARGET.role,
        "region": "eu-west-1",
        "default_bucket": "bucket",
        "x": 1,
    }


def test_a_missing_argument_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, monkeypatch, "def get_pipeline(session, team): ...")

    with pytest.raises(UsageError, match="get_pipeline needs team: give it with --kwargs"):
        build_pipeline(name, None, TARGET, {})


def test_a_module_without_the_function_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(tmp_path, monkeypatch, "x = 1")

    with pytest.raises(UsageError, match="does not define get_pipeline"):
        load_module(name)


def test_a_module_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no module scones_pipelines\.abalon\.pipeline or abalon"):
        load_module("abalon")


def test_what_a_module_lacks_itself_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(tmp_path, monkeypatch, "import a_package_that_is_not_installed")

    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_installed"):
        load_module(name)
