"""The serving processes behind an endpoint: started, watched, restarted, drained."""

import http.client
import random
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from scones_local.sagemaker.container import Container, Sink
from scones_local.sagemaker.logs import LogStream
from scones_local.sagemaker.models import Models, ServableModel
from scones_local.sagemaker.objects import DataError
from scones_local.sagemaker.platform import Platform, log

_STARTUP_SECONDS = 600
_PING_SECONDS = 0.05
_STOP_GRACE_SECONDS = 10.0
_MIN_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 10.0
_MAX_CONNECTIONS = 64

DRAIN_SECONDS = 65.0
"""How long a stopping instance waits for its requests: longer than the longest one."""


class StartError(Exception):
    """A fleet that can't serve; the message becomes the endpoint's FailureReason."""


class NoInstanceError(Exception):
    """No instance of a variant is healthy."""


@dataclass(frozen=True)
class InstancePaths:
    """Where an instance runs: its root folder, and where its lines go."""

    root: Path
    log_group: str
    log_stream: str


class _Process:
    """One run of a serving container and the connections to it."""

    def __init__(
        self, model: ServableModel, root: Path, environment: dict[str, str], sink: Sink
    ) -> None:
        self.port = _free_port()
        address = ["--port", str(self.port), "--host", "127.0.0.1"]
        command = [*model.command, "serve", "--root", str(root), *address]
        self.container = Container(command, root, environment, sink)
        self.pool = urllib3.HTTPConnectionPool("127.0.0.1", self.port, maxsize=_MAX_CONNECTIONS)


class Instance:
    """One serving container, restarted whenever it ends by itself."""

    def __init__(
        self,
        platform: Platform,
        models: Models,
        model: ServableModel,
        paths: InstancePaths,
        environment: Mapping[str, str],
    ) -> None:
        self._platform = platform
        self._models = models
        self._model = model
        self._paths = paths
        self._environment = {"AWS_REGION": platform.region, **model.environment, **environment}
        self._logs = LogStream(platform, model.role, paths.log_group, paths.log_stream)
        self._process: _Process | None = None
        self._stopped = threading.Event()
        self._draining = False
        self._lock = threading.Condition()
        self.in_flight = 0
        self.healthy = False

    def start(self, seconds: float) -> None:
        """Install the model, start the container and wait until it answers ``/ping``.

        Raises
        ------
        DataError
            If the model's data can't be had.
        StartError
            With the last lines of the log, if the container ends or doesn't answer in time.
        """
        self._models.install(self._model, self._paths.root / "model")
        process = self._launch()
        self._wait_for_ping(process, seconds)
        self._platform.background(f"watch {self._paths.log_stream}", lambda: self._watch(process))

    def stop(self, drain_seconds: float = 0) -> None:
        """Let the requests in flight end, then end the container and remove its files."""
        with self._lock:
            self._draining = True
            self._lock.wait_for(lambda: self.in_flight == 0, drain_seconds)
            self._stopped.set()
        self.healthy = False
        if self._process is not None:
            self._process.container.stop(_STOP_GRACE_SECONDS if drain_seconds else 1)
            self._process.pool.close()
        self._logs.close()
        shutil.rmtree(self._paths.root, ignore_errors=True)

    def acquire(self) -> bool:
        """Count a request that is about to come, unless the instance is being stopped."""
        with self._lock:
            if self._draining:
                return False
            self.in_flight += 1
            return True

    def release(self) -> None:
        """Count an acquired request as ended."""
        with self._lock:
            self.in_flight -= 1
            self._lock.notify_all()

    def invoke(
        self, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> urllib3.BaseHTTPResponse:
        """Send one request to ``/invocations``.

        Raises
        ------
        urllib3.exceptions.HTTPError
            If no answer comes within ``seconds``.
        """
        if self._process is None:
            raise NoInstanceError(self._paths.log_stream)
        return self._process.pool.urlopen(
            "POST",
            "/invocations",
            body=body,
            headers=headers,
            timeout=seconds,
            retries=False,
            redirect=False,
        )

    def log(self, line: str) -> None:
        """Write a line of SageMaker's own into the instance's log."""
        self._logs.write(line)

    def _launch(self) -> _Process:
        with self._lock:
            if self._stopped.is_set():
                raise StartError("It was stopped.")
            self._process = _Process(
                self._model, self._paths.root, self._environment, self._logs.write
            )
            return self._process

    def _wait_for_ping(self, process: _Process, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopped.is_set():
            if not process.container.running:
                status = process.container.wait()
                raise StartError(f"It ended with exit code {status}: {process.container.tail}")
            # Another process may have taken the port, and answer.
            if _is_healthy(process.port) and process.container.running:
                self.healthy = True
                return
            time.sleep(_PING_SECONDS)
        process.container.stop(0)
        raise StartError(f"It did not answer /ping in {seconds:g} s: {process.container.tail}")

    def _watch(self, process: _Process) -> None:
        backoff = _MIN_BACKOFF_SECONDS
        while True:
            status = process.container.wait()
            self.healthy = False
            if self._stopped.wait(backoff):
                return
            log.warning("%s ended with %s: restarting", self._paths.log_stream, status)
            try:
                process = self._launch()
                self._wait_for_ping(process, _STARTUP_SECONDS)
                backoff = _MIN_BACKOFF_SECONDS
            except StartError as error:
                log.warning("%s does not start: %s", self._paths.log_stream, error)
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)


class Variant:
    """The instances of one production variant."""

    def __init__(self, name: str, weight: float, model: ServableModel, startup: float) -> None:
        self.name = name
        self.weight = weight
        self.model = model
        self.startup = startup
        self.instances: list[Instance] = []

    def acquire(self) -> Instance:
        """Choose the least busy healthy instance and count a request on it."""
        healthy = [instance for instance in list(self.instances) if instance.healthy]
        random.shuffle(healthy)
        for instance in sorted(healthy, key=lambda instance: instance.in_flight):
            if instance.acquire():
                return instance
        raise NoInstanceError(self.name)


class Fleet:
    """All variants of one endpoint configuration, ready for one endpoint."""

    def __init__(
        self, platform: Platform, models: Models, endpoint: str, config: dict[str, Any]
    ) -> None:
        self._platform = platform
        self._models = models
        self._endpoint = endpoint
        self._sequence = 0
        self.config = config
        self.config_name: str = config["EndpointConfigName"]
        self._folder = platform.state_dir / "endpoints" / endpoint / f"{time.time_ns():x}"
        self.variants = [
            Variant(
                variant["VariantName"],
                variant.get("InitialVariantWeight", 1.0),
                models.servable(variant["ModelName"]),
                variant.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP_SECONDS),
            )
            for variant in config["ProductionVariants"]
        ]

    @property
    def size(self) -> int:
        """The number of instances."""
        return sum(len(variant.instances) for variant in self.variants)

    def start(self) -> None:
        """Start all instances; raise StartError, with none left, if one can't serve."""
        try:
            for variant, instance_count in zip(
                self.variants, self.config["ProductionVariants"], strict=True
            ):
                self.scale(variant, instance_count["InitialInstanceCount"])
        except StartError:
            self.stop()
            raise

    def scale(self, variant: Variant, count: int) -> None:
        """Start or stop instances of a variant until there are ``count``."""
        while len(variant.instances) < count:
            self._start_instance(variant)
        surplus, variant.instances = variant.instances[count:], variant.instances[:count]
        for instance in surplus:
            instance.stop(DRAIN_SECONDS)

    def choose(self, name: str | None) -> Variant:
        """Choose the variant for one request: the one named, or by the weights.

        Raises
        ------
        KeyError
            If there is no variant of that name.
        """
        if name is not None:
            return self.variant(name)
        weights = [variant.weight for variant in self.variants]
        if sum(weights) <= 0:
            raise NoInstanceError(self._endpoint)
        return random.choices(self.variants, weights)[0]  # noqa: S311  not for secrets

    def variant(self, name: str) -> Variant:
        """Return the variant of a name; raise KeyError where there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)

    def stop(self, drain_seconds: float = 0) -> None:
        """Stop all instances after the requests in flight have ended."""
        for variant in self.variants:
            for instance in list(variant.instances):
                instance.stop(drain_seconds)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_instance(self, variant: Variant) -> None:
        self._sequence += 1
        paths = InstancePaths(
            self._folder / variant.name / str(self._sequence),
            f"/aws/sagemaker/Endpoints/{self._endpoint}",
            f"{variant.name}/i-{self._folder.name}{self._sequence:x}",
        )
        instance = Instance(self._platform, self._models, variant.model, paths, {})
        variant.instances.append(instance)
        try:
            instance.start(variant.startup)
        except Exception as error:
            variant.instances.remove(instance)
            instance.stop()
            raise StartError(_start_error_message(variant, error)) from error


def _start_error_message(variant: Variant, error: Exception) -> str:
    if isinstance(error, DataError):
        return (
            f'Failed to download model data for container "container_1" from URL: '
            f'"{variant.model.data_url}". Please ensure that there is an object located at the '
            "URL and that the role passed to CreateModel has permissions to download the object. "
            f"{error}"
        )
    if not isinstance(error, StartError):
        return f"Production variant {variant.name} could not be started: {error!r}"
    return (
        f"The primary container for production variant {variant.name} did not pass the ping "
        f"health check. Please check CloudWatch logs for this endpoint. {error}"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
