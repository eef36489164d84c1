"""A trail of what IAM was asked, as CloudTrail keeps one: which role did what, and might it.

Each entry has all that the evaluator knew of the request, so that it can decide once more, by other
policies (`tools.prove_iam`). Requests of the root user leave no trail.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import sts

from scones_local.ministack.patching import wrap

_request: ContextVar[tuple[str, Mapping[str, Any]] | None] = ContextVar("request", default=None)

# What the evaluator is asked on behalf of one request.
_current_evaluation: ContextVar[dict[str, Any] | None] = ContextVar("asked", default=None)


def install(path: Path) -> None:
    """Write a line of JSON into `path` for each question that IAM is asked."""
    # Open as long as the cloud runs; a line is written at once.
    trail = path.open("a", buffering=1, encoding="utf-8")
    turn = threading.Lock()

    def write(entry: dict[str, Any]) -> None:
        line = json.dumps(entry, default=str) + "\n"
        with turn:
            trail.write(line)

    wrap(iam_evaluator, "enforce", lambda enforce: _with_audit(enforce, write))
    wrap(iam_evaluator, "evaluate", _recording_context)
    wrap(iam_evaluator, "combine_resource_policy", _recording_resource)


@contextmanager
def request(action: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Let the trail tell of a SageMaker request's parameters where IAM is asked about it in here.

    Parameters
    ----------
    action
        As policies name it, such as ``sagemaker:CreateTrainingJob``.
    parameters
        Of the request.
    """
    token = _request.set((action, parameters))
    try:
        yield
    finally:
        _request.reset(token)


def _with_audit(
    enforce: Callable[..., Any], write: Callable[[dict[str, Any]], None]
) -> Callable[..., Any]:
    def run(access_key: str, action: str, *rest: Any, resource_arn: str = "*", **more: Any) -> Any:
        evaluation: dict[str, Any] = {}
        token = _current_evaluation.set(evaluation)
        try:
            denied = enforce(access_key, action, *rest, resource_arn=resource_arn, **more)
        finally:
            _current_evaluation.reset(token)
        role = _role(access_key)
        if role or evaluation:
            entry = {
                "role": role,
                "action": action,
                "resource": resource_arn,
                "allowed": denied is None,
                "at": time.time(),
                **evaluation,
            }
            write(entry | _parameters(action))
        return denied

    return run


def _recording_context(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    def run(context: Any, *layers: Any) -> Any:
        evaluation = _current_evaluation.get()
        # First by the policies of the principal, then by that of the resource.
        if evaluation is not None and not evaluation:
            evaluation.update(asked=asdict(context), allowed_by_resource=False)
        return evaluate(context, *layers)

    return run


def _recording_resource(combine: Callable[..., Any]) -> Callable[..., Any]:
    def run(identity: Any, *rest: Any, **more: Any) -> Any:
        evaluation = _current_evaluation.get()
        if evaluation is not None:
            alone = combine(iam_evaluator.EvalResult("ImplicitDeny"), *rest, **more)
            evaluation["allowed_by_resource"] = alone.decision == "Allow"
        return combine(identity, *rest, **more)

    return run


def _role(access_key: str) -> str | None:
    session = sts._sessions.get(access_key)
    arn = str(session["Arn"]) if session else ""
    return arn.split("/")[1] if ":assumed-role/" in arn else None


def _parameters(action: str) -> dict[str, Any]:
    parameters = _request.get()
    # Only of one service: other requests' hold photos.
    if parameters is None or parameters[0] != action or not action.startswith("sagemaker:"):
        return {}
    return {"parameters": parameters[1]}
