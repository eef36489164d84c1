"""The way of a request through an endpoint: to a fleet, a variant, an instance."""

import random
import threading
from dataclasses import dataclass
from typing import Any

from scones_local.sagemaker.capture import Capture
from scones_local.sagemaker.control import Record
from scones_local.sagemaker.fleet import Fleet, Instance, NoInstanceError, Variant


@dataclass(frozen=True)
class ActiveFleet:
    """A fleet in service and what captures its traffic."""

    fleet: Fleet
    capture: Capture | None

    def stop(self, drain_seconds: float = 0) -> None:
        """Stop the fleet after its requests, then write what was captured."""
        self.fleet.stop(drain_seconds)
        if self.capture is not None:
            self.capture.close()


@dataclass(frozen=True)
class RequestSlot:
    """One request's place: released when it is answered."""

    serving: ActiveFleet
    variant: Variant
    instance: Instance


class Endpoint:
    """The fleets behind one endpoint name and how the traffic is split between them."""

    def __init__(self, name: str, record: Record) -> None:
        self.name = name
        self.record = record
        self.cancelled = threading.Event()
        self.deployment: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._current: ActiveFleet | None = None
        self._next: ActiveFleet | None = None
        self._share = 0.0
        self._changes = 0

    @property
    def current(self) -> ActiveFleet | None:
        """What serves; None before the first fleet is healthy."""
        return self._current

    def acquire_slot(self, variant: str | None) -> RequestSlot:
        """Choose fleet, variant and instance for a request.

        Raises
        ------
        NoInstanceError
            If nothing healthy can take it.
        KeyError
            If there is no variant of that name.
        """
        while True:
            seen = self._changes
            active = self._choose()
            chosen = active.fleet.choose(variant)
            try:
                return RequestSlot(active, chosen, chosen.acquire())
            except NoInstanceError:
                if self._changes == seen:  # else the fleet was just switched away from
                    raise

    def begin(self, active: ActiveFleet) -> None:
        """Keep a new fleet beside the one that serves, without traffic."""
        with self._lock:
            self._next, self._share = active, 0.0
            self._changes += 1

    def set_traffic_share(self, share: float) -> None:
        """Send a share of the traffic to the new fleet."""
        with self._lock:
            self._share = share
            self._changes += 1

    def switch(self) -> ActiveFleet | None:
        """Make the new fleet the only one; return the old one, to be stopped."""
        with self._lock:
            old, self._current = self._current, self._next
            self._next, self._share = None, 0.0
            self._changes += 1
            return old

    def roll_back(self) -> ActiveFleet | None:
        """Take the traffic from the new fleet; return it, to be stopped."""
        with self._lock:
            new, self._next, self._share = self._next, None, 0.0
            self._changes += 1
            return new

    def stop(self, drain_seconds: float = 0) -> None:
        """Stop everything behind the endpoint."""
        self.cancelled.set()
        for active in (self._next, self._current):
            if active is not None:
                active.stop(drain_seconds)

    def _choose(self) -> ActiveFleet:
        with self._lock:
            if self._next is not None and random.random() < self._share:  # noqa: S311
                return self._next
            if self._current is None:
                raise NoInstanceError(self.name)
            return self._current
