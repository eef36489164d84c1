"""Step caching: which steps can be cached, by which of their arguments, and for how long.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-default-keys.html
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scones_local.sagemaker.pipelines.parsing import parse_error, parse_object, parse_type
from scones_local.sagemaker.protocol import unsupported_error

_KEYS = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
}
"""Arguments that have to be equal, by the type of the step."""

_ISO_8601 = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_SHORT_FORM = re.compile(r"(?P<days>\d+)d|(?P<hours>\d+)h|(?P<minutes>\d+)m")
_DAYS = {"years": 365, "months": 30}


@dataclass(frozen=True)
class CachePolicy:
    """How long the result of a step can be used again; None if there is no limit."""

    expire_after: timedelta | None


def parse_cache_policy(specification: Any, step: str, kind: str) -> CachePolicy | None:
    """Return the cache policy of a step, or None if its results are not used again.

    Parameters
    ----------
    specification
        ``CacheConfig`` of the step.
    step, kind
        Name and type of the step.

    Raises
    ------
    ServiceError
        If the configuration is invalid, or steps of the type cannot be cached.
    """
    members = parse_object(specification, f"CacheConfig of {step}", ["Enabled"], ["ExpireAfter"])
    enabled = parse_type(members["Enabled"], "boolean", f"'Enabled' in CacheConfig of {step}")
    after = members.get("ExpireAfter")
    limit = None if after is None else parse_duration(after, step)
    if not enabled:
        return None
    if kind not in _KEYS:
        raise unsupported_error(f"caching of {kind} steps ({step})")
    return CachePolicy(limit)


def parse_duration(text: Any, step: str) -> timedelta:
    """Return a duration such as ``P30D``, ``PT1H`` (ISO 8601) or ``30d``.

    Raises
    ------
    ServiceError
        If the text is not a duration.
    """
    specification = str(text)
    found = _ISO_8601.fullmatch(specification) or _SHORT_FORM.fullmatch(specification)
    parts = {k: int(v) for k, v in (found.groupdict() if found else {}).items() if v}
    if not parts:
        raise parse_error(
            f"'ExpireAfter' of {step} must be a duration such as P30D or PT1H, not {text!r}."
        )
    days = sum(count * parts.pop(name, 0) for name, count in _DAYS.items())
    return timedelta(days=days) + timedelta(**parts)


def cache_key(kind: str, arguments: dict[str, Any]) -> str:
    """Return a text that is equal for two runs of a step if one can replace the other.

    Parameters
    ----------
    kind
        Type of the step.
    arguments
        Its arguments with all references replaced. S3 URIs are compared, not their contents.
    """
    compared = {name: arguments.get(name) or None for name in _KEYS[kind]}
    return json.dumps({"Type": kind, **compared}, sort_keys=True)
