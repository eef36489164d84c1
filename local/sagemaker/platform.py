"""What the embedded SageMaker stands on: account, images, other services, background work."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from local.sagemaker.protocol import invalid

log = logging.getLogger("local.sagemaker")

Client = Callable[[str, str | None], Any]
Emit = Callable[[str, dict[str, Any], list[str]], None]


@dataclass(frozen=True)
class Platform:
    """The surroundings of all jobs and endpoints.

    ``client(service, role)`` returns a boto3 client acting with the role's permissions, or with
    SageMaker's own where the role is None. ``images`` maps an image URI, or an fnmatch pattern,
    to the command that stands for the image's entry point.
    """

    state_dir: Path
    account: str
    region: str
    client: Client
    emit: Emit
    images: Mapping[str, Sequence[str]]
    stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a SageMaker resource; AWS writes the name in lower case."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"

    def command(self, image: str) -> list[str]:
        """Return the command that stands for an image; raise ServiceError if there is none."""
        if image in self.images:
            return list(self.images[image])
        for pattern, command in self.images.items():
            if fnmatchcase(image, pattern):
                return list(command)
        raise invalid(
            f"The repository of the image {image!r} isn't known here: the embedded SageMaker runs "
            f"no containers, and has code of its own for {', '.join(self.images)} only."
        )

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
