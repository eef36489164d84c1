"""The control plane's records, kept by moto; the one module that knows moto.

moto gives the API's surface, ARNs, listing and paging. Its resources are plain objects whose
attributes become the members of the Describe calls, so what it only pretends (a job that is
Completed at once) is overwritten here with what really happened.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from moto.core.request import Request as MotoRequest
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from scones_local.sagemaker.protocol import JSON_1_1, ServiceError, unsupported_error

_TABLES = {
    "model": "_models",
    "endpoint": "endpoints",
    "endpoint-config": "endpoint_configs",
    "training-job": "training_jobs",
    "transform-job": "transform_jobs",
    "processing-job": "processing_jobs",
    "pipeline": "pipelines",
    "model-package-group": "model_package_groups",
    "model-package": "model_packages",
}

_NAME_MEMBERS = {
    "ModelName": "model",
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "TrainingJobName": "training-job",
    "TransformJobName": "transform-job",
    "ProcessingJobName": "processing-job",
    "ModelPackageGroupName": "model-package-group",
}

_MOTO_FAKED = {
    "CreateAutoMLJobV2",
    "CreateCluster",
    "CreateCompilationJob",
    "CreateHyperParameterTuningJob",
    "CreateNotebookInstance",
    "StartNotebookInstance",
}
"""What moto answers as done although nothing ran: refused, since a pretence would mislead."""


class Record:
    """One resource; members go by the names of the API."""

    def __init__(self, resource: Any, lock: threading.RLock) -> None:
        self._resource = resource
        self._lock = lock

    def __getitem__(self, member: str) -> Any:
        return self.describe()[member]

    @property
    def arn(self) -> str:
        """The resource's ARN."""
        return str(self._resource.arn)

    @property
    def tags(self) -> dict[str, str]:
        """The resource's tags by key."""
        with self._lock:
            return {tag["Key"]: tag["Value"] for tag in self._resource.tags or []}

    @tags.setter
    def tags(self, tags: Mapping[str, str]) -> None:
        with self._lock:
            self._resource.tags = [{"Key": key, "Value": tags[key]} for key in tags]

    def describe(self) -> dict[str, Any]:
        """Return the members that have a value."""
        with self._lock:
            members: dict[str, Any] = self._resource.gen_response_object()
            return {name: value for name, value in members.items() if value is not None}

    def get(self, member: str, default: Any = None) -> Any:
        """Return a member, or the default where it has no value."""
        return self.describe().get(member, default)

    def update(self, **members: Any) -> None:
        """Set members; None takes one away."""
        with self._lock:
            for member, value in members.items():
                setattr(self._resource, _attribute(member), value)

    def rename(self, arn: str) -> None:
        """Give the resource another ARN."""
        with self._lock:
            self._resource.arn = arn
            if hasattr(self._resource, "endpoint_config_arn"):
                self._resource.endpoint_config_arn = arn


class ControlPlane:
    """moto's SageMaker of one account and region, emptied at the start."""

    def __init__(self, account: str, region: str) -> None:
        self._account = account
        self._host = f"api.sagemaker.{region}.amazonaws.com"
        self._backend = sagemaker_backends[account][region]
        self._backend.reset()
        self._lock = threading.RLock()

    def call(self, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Have moto answer a request; its refusals are raised as ServiceError."""
        if action in _MOTO_FAKED:
            raise unsupported_error(action)
        headers = {
            "X-Amz-Target": f"SageMaker.{action}",
            "Content-Type": JSON_1_1,
            "Host": self._host,
            "x-moto-account-id": self._account,
        }
        request = MotoRequest.from_primitives(
            "POST", f"https://{self._host}/", headers, json.dumps(parameters).encode()
        )
        with self._lock:
            try:
                status, _, body = SageMakerResponse.dispatch(request)
            except NotImplementedError:
                raise unsupported_error(action) from None
        result: dict[str, Any] = json.loads(body or "{}")
        if status >= 300:
            message = result.get("message") or result.get("Message", "")
            raise ServiceError(result["__type"], message, status)
        return result

    def with_stored_names(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Spell the names of existing resources as they were created.

        The control plane compares names without regard to case; InvokeEndpoint does not.
        """
        spelled = dict(parameters)
        for member, kind in _NAME_MEMBERS.items():
            name = parameters.get(member)
            if isinstance(name, str):
                known = {key.lower(): key for key in list(self._table(kind))}
                spelled[member] = known.get(name.lower(), name)
        return spelled

    def find(self, kind: str, name: str) -> Record | None:
        """Return a resource by its name (a model package by its ARN), or None."""
        resource = self._table(kind).get(name)
        return None if resource is None else Record(resource, self._lock)

    def get_existing(self, kind: str, name: str, title: str) -> Record:
        """Return a resource by its name, or raise the error AWS has for a missing one."""
        record = self.find(kind, name)
        if record is None:
            arn = f"arn:aws:sagemaker:{self._backend.region_name}:{self._account}:{kind}/{name}"
            raise ServiceError("ValidationException", f'Could not find {title} "{arn.lower()}".')
        return record

    def remove(self, kind: str, name: str) -> None:
        """Take a resource away."""
        with self._lock:
            self._table(kind).pop(name, None)

    def insert(self, kind: str, name: str, record: Record) -> None:
        """Keep a resource under a name."""
        with self._lock:
            self._table(kind)[name] = record._resource

    def records(self, kind: str) -> list[Record]:
        """Return all resources of a kind."""
        with self._lock:
            return [Record(resource, self._lock) for resource in self._table(kind).values()]

    def find_by_arn(self, arn: str) -> Record | None:
        """Return the resource of an ARN among the kinds kept here, or None."""
        return next((r for r in self._all() if r.arn.lower() == arn.lower()), None)

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return all resources, by kind and name, as moto keeps them."""
        with self._lock:
            return {kind: dict(self._table(kind)) for kind in _TABLES}

    def restore(self, tables: Mapping[str, dict[str, Any]]) -> None:
        """Put back what `tables` returned."""
        with self._lock:
            for kind, resources in tables.items():
                self._table(kind).update(resources)

    @property
    def lock(self) -> threading.RLock:
        """Held while several steps must not be seen apart."""
        return self._lock

    def _all(self) -> Iterator[Record]:
        for kind in _TABLES:
            yield from self.records(kind)

    def _table(self, kind: str) -> dict[str, Any]:
        table: dict[str, Any] = getattr(self._backend, _TABLES[kind])
        return table


def _attribute(member: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member).lower()
