"""Loads a function's code as Lambda does: its environment set, its layers on the path."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from moto import mock_aws

ROOT = Path(__file__).parents[3]


@dataclass
class Context:
    """The part of a Lambda context that Powertools reads."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, aws: None) -> Callable[..., ModuleType]:
    def load_function(name: str, **environment: str) -> ModuleType:
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        source = ROOT / "functions" / name / "app.py"
        spec = importlib.util.spec_from_file_location(f"functions.{name}.app", source)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_function


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def event() -> Callable[[str], Any]:
    return lambda name: json.loads((ROOT / "events" / f"{name}.json").read_text("utf-8"))
