"""A session whose requests and answers are held against botocore's models, and what is examined."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from scones_operator.aws.template_parameters import defaults
from scones_operator.doctor.subject import Deployment, Once, Subject
from tests.unit.operator.deployed import STACK

REGION = "eu-central-1"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)

__all__ = ["ANY", "NOW", "REGION", "Denying", "Stubbed", "subject"]


class Stubbed:
    """A session whose clients answer as they were told, in the order of the requests."""

    region_name: str | None = REGION

    def __init__(self) -> None:
        self._stubs: dict[tuple[str, str], tuple[Any, Stubber]] = {}

    def client(self, service: str, region_name: str = REGION, **_: Any) -> Any:
        return self._stub(service, region_name)[0]

    def answer(
        self, service: str, operation: str, answer: Any, asked: Any = None, region: str = REGION
    ) -> None:
        """Answer the next request, of which the parameters can be given."""
        self._stub(service, region)[1].add_response(operation, answer, asked)

    def refuse(
        self, service: str, operation: str, code: str, message: str = "", region: str = REGION
    ) -> None:
        """Answer the next request with an error."""
        self._stub(service, region)[1].add_client_error(operation, code, message)

    def _stub(self, service: str, region: str) -> tuple[Any, Stubber]:
        if (service, region) not in self._stubs:
            client: Any = boto3.client(
                service,  # type: ignore[call-overload]
                region_name=region,
                aws_access_key_id="key",
                aws_secret_access_key="secret",
            )
            stubber = Stubber(client)
            stubber.activate()
            self._stubs[service, region] = client, stubber
        return self._stubs[service, region]

    def all_asked(self) -> None:
        """Check that all answers were asked for."""
        for _, stubber in self._stubs.values():
            stubber.assert_no_pending_responses()


PREFIXES = {"monitoring": "cloudwatch", "states": "states"}
"""IAM's prefixes of services by the names that requests are signed with, where they differ."""


class Denying(Stubbed):
    """A session whose credentials allow nothing; it keeps the actions that were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def client(self, service: str, region_name: str = REGION, **_: Any) -> Any:
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name=region_name,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        client.meta.events.register("before-call", self._deny)
        return client

    def _deny(self, model: Any, **_: Any) -> None:
        signed = model.service_model.signing_name
        action = f"{PREFIXES.get(signed, signed)}:{model.name}"
        self.asked.add(action)
        user = "arn:aws:iam::123456789012:user/anna"
        message = f"User: {user} is not authorized to perform: {action}"
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": message}}, model.name
        )


def subject(
    session: Any,
    resources: Mapping[str, Mapping[str, str]] | None = None,
    status: str = "UPDATE_COMPLETE",
    **parameters: str,
) -> Subject:
    """A stack with the given resources by type, deployed with the template's defaults."""
    description = {
        "StackName": "scones",
        "StackStatus": status,
        "Outputs": [{"OutputKey": "HostingRole", "OutputValue": "arn:aws:iam::1:role/hosting"}],
    }
    deployment = Deployment(description, STACK, Once(lambda: resources or {}))
    return Subject(
        session=session,
        name="scones",
        parameters=defaults() | parameters,
        source="the stack",
        deployment=deployment,
        quotas={"sagemaker": Once(dict), "lambda": Once(dict)},
        now=NOW,
    )
