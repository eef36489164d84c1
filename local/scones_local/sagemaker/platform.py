"""What the embedded SageMaker stands on: account, images, other services, background work."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scones_local.sagemaker.images import ContainerImage, entrypoint, find_image

log = logging.getLogger("scones_local.sagemaker")

Client = Callable[[str, str | None], Any]
Emit = Callable[[str, dict[str, Any], list[str]], None]
Variables = Callable[[str], Mapping[str, str]]


def no_variables(role: str) -> Mapping[str, str]:
    """Return no variables: programs in containers cannot act as a role."""
    del role
    return {}


@dataclass(frozen=True)
class Platform:
    """The surroundings of all jobs and endpoints.

    ``client(service, role)`` returns a boto3 client acting with the role's permissions, or with
    SageMaker's own where the role is None. ``images`` maps an image URI, or an fnmatch pattern,
    to the program that replaces the image. ``variables(role)`` returns the environment variables
    by which the programs in a job's container act with the role's permissions.
    """

    state_dir: Path
    account: str
    region: str
    client: Client
    emit: Emit
    images: Mapping[str, ContainerImage]
    variables: Variables = no_variables
    stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a SageMaker resource; AWS writes the name in lower case."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def image(self, uri: str) -> ContainerImage:
        """Return the program for an image; raise ServiceError if there is none."""
        return find_image(self.images, uri)

    def command(self, uri: str) -> list[str]:
        """Return the entry point of an image; raise ServiceError if it has none."""
        return entrypoint(self.image(uri), uri)

    def background(self, name: str, work: Callable[[], None]) -> None:
        """Do work on a thread of its own; a fault in it is logged."""

        def run() -> None:
            try:
                work()
            except Exception:
                log.exception("%s failed", name)

        thread = threading.Thread(target=run, name=f"sagemaker-{name}", daemon=True)
        thread.start()
        with self._lock:
            self._threads[:] = [t for t in self._threads if t.is_alive()] + [thread]

    def join(self, timeout: float) -> None:
        """Wait for the background work to end, at most ``timeout`` seconds in all."""
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
