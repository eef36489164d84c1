"""Changing MiniStack's functions in place, and noticing when an upgrade took them away."""

from collections.abc import Callable
from importlib import metadata
from types import ModuleType
from typing import Any

from ministack.services.cloudformation import provisioners

VERSION = "1.5.33"
"""The release that everything in this package was written against."""


class IncompatibleMiniStackError(RuntimeError):
    """The installed MiniStack is not the one that this package knows."""


def check_version() -> None:
    """Refuse any release but the known one.

    Raises
    ------
    IncompatibleMiniStackError
        If another release is installed.
    """
    installed = metadata.version("ministack")
    if installed != VERSION:
        raise IncompatibleMiniStackError(
            f"ministack {installed} is installed, but its patches were checked against {VERSION}. "
            "Install requirements.lock, or check every patch in scones_local.ministack and then "
            "change VERSION in its patching.py."
        )


def wrap(
    module: ModuleType, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    """Replace the function `name` of `module` by what `make` gives for it.

    Raises
    ------
    IncompatibleMiniStackError
        If the module has no such function.
    """
    original = getattr(module, name, None)
    if not callable(original):
        raise IncompatibleMiniStackError(
            f"{module.__name__}.{name}, which local/scones_local/ministack replaces, does not exist"
        )
    setattr(module, name, make(original))


def after_provisioning(kind: str, apply: Callable[[str, dict[str, Any]], None]) -> None:
    """Apply properties that MiniStack's CloudFormation drops, after each creation and update.

    Parameters
    ----------
    kind
        Type of the resource, such as ``AWS::SNS::Topic``.
    apply
        Called with the physical ID and the properties.
    """
    handlers = provisioners._RESOURCE_HANDLERS[kind]
    create, update = handlers["create"], handlers["update"]

    def create_and_apply(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        provisioned = create(logical_id, properties, stack)
        apply(provisioned[0], properties)
        return provisioned

    # MiniStack passes the logical ID to a function that has a parameter of that name.
    def update_and_apply(
        physical_id: str,
        before: dict[str, Any],
        after: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
    ) -> Any:
        provisioned = update(physical_id, before, after, stack, logical_id)
        apply(provisioned[0], after)
        return provisioned

    handlers["create"], handlers["update"] = create_and_apply, update_and_apply
