"""Whether what production decides is still like the model's own evaluation."""

from scones.drift.check import Clients, Request, check_drift
from scones.drift.publishing import publish

__all__ = ["Clients", "Request", "check_drift", "publish"]
