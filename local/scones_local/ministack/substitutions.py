"""The substitutions that CloudFormation made in the definitions of state machines.

AWS keeps them to itself. Whoever changes a definition in place, as `make up` does, needs them.
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.services.cloudformation import provisioners

from scones_local.ministack.patching import IncompatibleMiniStackError

_TYPE = "AWS::StepFunctions::StateMachine"


def install(file: Path) -> None:
    """Write the substitutions of each deployed state machine to `file`, by its ARN.

    Raises
    ------
    IncompatibleMiniStackError
        If MiniStack does not make state machines as expected.
    """
    handlers = provisioners._RESOURCE_HANDLERS.get(_TYPE, {})
    lock = threading.Lock()
    for name, position in (("create", 1), ("update", 2)):
        if name not in handlers:
            raise IncompatibleMiniStackError(f"MiniStack has no handler to {name} a {_TYPE}")
        handlers[name] = _recording_handler(handlers[name], position, file, lock)


def _recording_handler(
    handle: Callable[..., Any], position: int, file: Path, lock: threading.Lock
) -> Callable[..., Any]:
    """Wrap a handler whose argument at `position` is the resource's properties."""

    def run(*arguments: Any, **options: Any) -> Any:
        result = handle(*arguments, **options)
        with lock:
            _record(file, result[0], arguments[position].get("DefinitionSubstitutions") or {})
        return result

    return run


def _record(file: Path, arn: str, substitutions: dict[str, Any]) -> None:
    substitutions_by_arn = json.loads(file.read_text("utf-8")) if file.exists() else {}
    substitutions_by_arn[arn] = {name: str(value) for name, value in substitutions.items()}
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(substitutions_by_arn, indent=2) + "\n", encoding="utf-8")
    temporary.rename(file)
