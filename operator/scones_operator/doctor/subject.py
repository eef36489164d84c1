"""Subject of the checks: an account, a region, and the stack if it is deployed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from scones_operator.aws import samconfig, template_parameters
from scones_operator.aws.stack import Stack, StackError, describe_stack, read_parameters

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")


class Once(Generic[T]):
    """A value that several checks need and the first of them reads.

    Parameters
    ----------
    read
        Reads the value; called again if it raised an error.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = Lock()
        self._values: list[T] = []

    def get(self) -> T:
        """Return the value; the caller waits while another thread reads it."""
        with self._lock:
            if not self._values:
                self._values.append(self._read())
            return self._values[0]


class SharedSession:
    """A session whose clients several threads may create, unlike those of `boto3.Session`.

    Parameters
    ----------
    session
        Session that creates the clients.
    """

    def __init__(self, session: "boto3.Session") -> None:
        self._session: Any = session
        self._lock = Lock()

    @property
    def region_name(self) -> str:
        """The region."""
        return str(self._session.region_name)

    def client(self, service: str, **options: Any) -> Any:
        """Return a new client, as `boto3.Session.client`."""
        with self._lock:
            return self._session.client(service, **options)


@dataclass(frozen=True)
class Deployment:
    """A stack that exists.

    Attributes
    ----------
    description
        An item of CloudFormation's DescribeStacks.
    stack
        Outputs and parameters of the stack, or None if it lacks outputs: its creation failed, or
        it is of another version.
    resources
        Physical resource IDs by logical ID, by resource type.
    """

    description: Mapping[str, Any]
    stack: Stack | None
    resources: Once[Mapping[str, Mapping[str, str]]]

    def output(self, name: str) -> str | None:
        """Return an output of the template, or None if the stack lacks it."""
        outputs = self.description.get("Outputs", [])
        return next((item["OutputValue"] for item in outputs if item["OutputKey"] == name), None)

    def resources_of(self, kind: str) -> Mapping[str, str]:
        """Return the physical resource IDs by logical ID.

        Parameters
        ----------
        kind
            Resource type, such as ``AWS::Events::Rule``.
        """
        return self.resources.get().get(kind, {})


@dataclass(frozen=True)
class Subject:
    """Subject of the checks.

    Attributes
    ----------
    session
        Session for the account and region, which several threads may use.
    name
        Name of the stack, whether it is deployed or not.
    parameters
        Parameters of the template: those of the stack, or those that a deployment would use.
    source
        Where the parameters are from, such as ``the stack``.
    deployment
        The stack, or None if it does not exist.
    quotas
        Quotas by name, by the code of a service.
    now
        Time of the examination (UTC).
    """

    session: "boto3.Session"
    name: str
    parameters: Mapping[str, str]
    source: str
    deployment: Deployment | None = None
    quotas: Mapping[str, Once[Mapping[str, Any]]] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def region(self) -> str:
        """The region."""
        return self.session.region_name

    @property
    def deployed(self) -> Deployment:
        """The stack, for checks that are made after the deployment only."""
        assert self.deployment is not None  # noqa: S101
        return self.deployment

    @property
    def stack(self) -> Stack | None:
        """Outputs and parameters of the stack, or None if it is not deployed."""
        return self.deployment.stack if self.deployment else None


SERVICES_WITH_QUOTAS = ("sagemaker", "lambda")
"""Codes of the services whose quotas are read, as in Service Quotas."""


def read_subject(session: "boto3.Session", name: str) -> Subject:
    """Return the subject of the checks.

    Parameters
    ----------
    session
        Session for the account and region.
    name
        Name of the stack.

    Raises
    ------
    botocore.exceptions.ClientError
        If CloudFormation does not describe the stack.
    """
    shared = cast("boto3.Session", SharedSession(session))
    description = describe_stack(shared, name)
    values, source = _parameters(name, description)
    return Subject(
        session=shared,
        name=name,
        parameters=values,
        source=source,
        deployment=None if description is None else _deployment(shared, description),
        quotas={code: _quotas(shared, code) for code in SERVICES_WITH_QUOTAS},
    )


def _parameters(name: str, description: Mapping[str, Any] | None) -> tuple[Mapping[str, str], str]:
    if description is not None:
        return template_parameters.defaults() | read_parameters(description), "the stack"
    environment = samconfig.find_environment(name)
    if environment is None:
        return template_parameters.defaults(), "the defaults of template.yaml"
    overrides = samconfig.read_overrides(environment)
    return template_parameters.defaults() | overrides, f"samconfig.toml ({environment})"


def _deployment(session: "boto3.Session", description: Mapping[str, Any]) -> Deployment:
    try:
        stack = Stack.of(description)
    except StackError:
        stack = None
    name = description["StackName"]
    return Deployment(description, stack, Once(lambda: _read_resources(session, name)))


def _read_resources(session: "boto3.Session", name: str) -> Mapping[str, Mapping[str, str]]:
    pages = session.client("cloudformation").get_paginator("list_stack_resources")
    found: dict[str, dict[str, str]] = {}
    for page in pages.paginate(StackName=name):
        for item in page["StackResourceSummaries"]:
            physical = item.get("PhysicalResourceId", "")
            found.setdefault(item["ResourceType"], {})[item["LogicalResourceId"]] = physical
    return found


def _quotas(session: "boto3.Session", service: str) -> Once[Mapping[str, Any]]:
    return Once(lambda: _read_quotas(session, service))


def _read_quotas(session: "boto3.Session", service: str) -> Mapping[str, Any]:
    pages = session.client("service-quotas").get_paginator("list_service_quotas")
    found = pages.paginate(ServiceCode=service, PaginationConfig={"PageSize": 100})
    return {quota["QuotaName"]: quota for page in found for quota in page["Quotas"]}
