"""Loopback counts as TLS, so that policies which demand TLS can be enforced here as on AWS.

The local cloud speaks plain HTTP, and only on the loopback interface, where nobody listens in.
"""

from collections.abc import Callable
from typing import Any

from ministack import app

from scones_local.ministack.patching import wrap


def install() -> None:
    """Let every request pass for one that came over TLS."""
    wrap(app, "pin_request_origin", _as_secure)


def _as_secure(pin: Callable[..., Any]) -> Callable[..., Any]:
    def pin_as_secure(source_ip: str, secure_transport: bool) -> Any:
        return pin(source_ip, True)

    return pin_as_secure
