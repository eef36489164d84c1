"""Build pipelines from the names of modules and from text given on the command line."""

import ast
import contextlib
import importlib
import inspect
import json
import logging
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

PACKAGE = "scones_pipelines"


class UsageError(Exception):
    """The command line cannot be used; the message states the reason and what to do."""


@dataclass(frozen=True)
class Target:
    """Region, role and bucket of a pipeline.

    Attributes
    ----------
    region
        AWS Region.
    role
        ARN of the role of the pipeline and its jobs.
    bucket
        Bucket for scripts and outputs.
    """

    region: str
    role: str
    bucket: str


def parse_mapping(text: str, option: str) -> dict[str, Any]:
    """Parse a Python or JSON dictionary.

    Parameters
    ----------
    text
        Such as ``{'region': 'eu-central-1'}`` or ``{"region": "eu-central-1"}``; empty for none.
    option
        Name of the option, for the error message.

    Raises
    ------
    UsageError
        If it is neither, or its keys are not strings.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise UsageError(
                f"{option} {text!r} is not a dictionary: use for example {{'key': 'value'}} in "
                "quotation marks"
            ) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UsageError(f"{option} {text!r} is not a dictionary with strings as keys")
    return value


def parse_tags(text: str) -> list[dict[str, str]]:
    """Parse tags.

    Parameters
    ----------
    text
        A dictionary, or a list of ``{"Key": …, "Value": …}`` as AWS writes tags; empty for none.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if text.lstrip().startswith("["):
        pairs = parse_mapping(f'{{"tags": {text}}}', "--tags")["tags"]
        if not all(isinstance(pair, dict) and set(pair) == {"Key", "Value"} for pair in pairs):
            raise UsageError(f"--tags {text!r}: each tag has a Key and a Value")
        return [{"Key": str(pair["Key"]), "Value": str(pair["Value"])} for pair in pairs]
    return [
        {"Key": key, "Value": str(value)} for key, value in parse_mapping(text, "--tags").items()
    ]


def load_module(name: str) -> ModuleType:
    """Import the module of a pipeline.

    Parameters
    ----------
    name
        Name of a module that defines ``get_pipeline``, or of one of the folders of this project,
        such as ``abalone``.

    Raises
    ------
    UsageError
        If there is no such module, or it does not define ``get_pipeline``.
    """
    candidates = [name] if "." in name else [f"{PACKAGE}.{name}.pipeline", name]
    for candidate in candidates:
        try:
            module = importlib.import_module(candidate)
        except ModuleNotFoundError as error:
            # Another module that this one imports is missing: not a wrong name.
            if error.name is None or not f"{candidate}.".startswith(f"{error.name}."):
                raise
            continue
        if not callable(getattr(module, "get_pipeline", None)):
            raise UsageError(f"the module {candidate} does not define get_pipeline")
        return module
    raise UsageError(
        f"there is no module {' or '.join(candidates)}: name a folder with a pipeline.py, such as "
        "abalone, or a module"
    )


def build_pipeline(name: str, session: Any, target: Target, kwargs: Mapping[str, Any]) -> Any:
    """Return the pipeline that ``get_pipeline`` of a module returns.

    Parameters
    ----------
    name
        As for `load_module`.
    session
        Session of the SDK.
    target
        Region, role and bucket; passed as ``region``, ``role`` and ``default_bucket``.
    kwargs
        Further arguments. Those that the function does not take are dropped with a warning on
        standard error, so that one command line fits all pipelines.

    Raises
    ------
    UsageError
        If the function needs an argument that is not given.
    """
    module = load_module(name)
    accepted = {
        "session": session,
        "role": target.role,
        "region": target.region,
        "default_bucket": target.bucket,
        **kwargs,
    }
    parameters = inspect.signature(module.get_pipeline).parameters
    takes_any = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
    arguments = {key: value for key, value in accepted.items() if takes_any or key in parameters}
    for key in sorted(set(kwargs) - set(arguments)):
        print(f"warning: get_pipeline takes no {key}: ignored", file=sys.stderr)
    missing = [
        item.name
        for item in parameters.values()
        if item.default is item.empty
        and item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)
        and item.name not in arguments
    ]
    if missing:
        raise UsageError(f"get_pipeline needs {', '.join(missing)}: give it with --kwargs")
    return module.get_pipeline(**arguments)


def upload_parameters(name: str) -> dict[str, str]:
    """Return the parameters with which an upload starts the pipeline of a module.

    Parameters
    ----------
    name
        As for `load_module`. The module may define ``UPLOAD_PARAMETERS``: paths into the event of
        the upload by name of the parameter, such as ``{"InputKey": "$.detail.object.key"}``.
    """
    return dict(getattr(load_module(name), "UPLOAD_PARAMETERS", {}))


@contextlib.contextmanager
def quiet_sdk() -> Any:
    """Keep what the SDK prints away from standard output, and its notes from standard error."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
