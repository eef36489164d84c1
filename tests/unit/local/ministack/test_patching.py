from types import ModuleType

import pytest

from scones_local.ministack import patching
from scones_local.ministack.patching import IncompatibleMiniStackError, check_version, wrap


def test_the_installed_release_is_known() -> None:
    check_version()


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patching, "VERSION", "0.0.1")
    with pytest.raises(IncompatibleMiniStackError, match=r"checked against 0\.0\.1"):
        check_version()


def test_a_function_is_replaced() -> None:
    module = ModuleType("somewhere")
    module.double = lambda n: 2 * n  # type: ignore[attr-defined]
    wrap(module, "double", lambda double: lambda n: double(n) + 1)
    assert module.double(2) == 5


@pytest.mark.parametrize("value", [None, "text"])
def test_a_missing_function_is_told(value: object) -> None:
    module = ModuleType("somewhere")
    if value is not None:
        module.lost = value  # type: ignore[attr-defined]
    with pytest.raises(IncompatibleMiniStackError, match=r"somewhere\.lost"):
        wrap(module, "lost", lambda function: function)
