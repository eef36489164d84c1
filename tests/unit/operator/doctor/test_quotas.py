from dataclasses import replace
from typing import Any

import pytest

from scones_operator.doctor import quotas
from scones_operator.doctor.subject import Subject, _quotas
from tests.unit.operator.doctor.stubbed import Stubbed, subject

GPU = "ml.g4dn.xlarge"


def quota(name: str, value: float, service: str = "sagemaker") -> dict[str, Any]:
    return {"ServiceCode": service, "QuotaName": name, "QuotaCode": "L-1A2B", "Value": value}


def with_quotas(session: Stubbed, *pages: list[Any], service: str = "sagemaker") -> Subject:
    """Quotas as Service Quotas lists them, page by page."""
    for number, page in enumerate(pages):
        asked = {"ServiceCode": service, "MaxResults": 100}
        if number:
            asked["NextToken"] = str(number)
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        session.answer("service-quotas", "list_service_quotas", {"Quotas": page, **more}, asked)
    made: Any = session
    return replace(subject(session), quotas={service: _quotas(made, service)})


def configured(examined: Subject, **parameters: str) -> Subject:
    return replace(examined, parameters={**examined.parameters, **parameters})


def test_quotas_are_read_once_and_found_by_name(session: Stubbed) -> None:
    examined = with_quotas(
        session,
        [
            quota(f"{GPU} for spot training job usage", 0),
            quota("ml.m5.large for endpoint usage", 5),
        ],
        [
            quota(f"{GPU} for training job usage", 2),
            quota("ml.m5.large for transform job usage", 0),
        ],
    )

    training, hosting = quotas.check_training(examined), quotas.check_hosting(examined)
    transform = quotas.check_transform(examined)

    assert (training.status, training.message) == (
        "ok",
        f"{GPU} for training job usage: 2, needed: 1",
    )
    assert hosting.status == "ok"
    assert hosting.message == "ml.m5.large for endpoint usage: 5, needed: 5"
    assert transform.status == "problem"
    assert transform.command == (
        "aws service-quotas request-service-quota-increase "
        "--service-code sagemaker --quota-code L-1A2B --desired-value 1"
    )


def test_spot_training_has_a_quota_of_its_own(session: Stubbed) -> None:
    examined = with_quotas(
        session,
        [quota(f"{GPU} for spot training job usage", 0), quota(f"{GPU} for training job usage", 9)],
    )

    found = quotas.check_training(configured(examined, SpotTraining="true"))

    assert found.status == "problem"
    assert found.message == f"{GPU} for spot training job usage: 0, needed: 1"


@pytest.mark.parametrize(("count", "needed"), [("1", 3), ("2", 5), ("10", 21)])
def test_a_promotion_needs_old_and_new_instances_and_staging(
    session: Stubbed, count: str, needed: int
) -> None:
    examined = with_quotas(
        session, [quota("ml.m5.large for endpoint usage", 9), quota(quotas.ALL_ENDPOINTS, 4)]
    )
    examined = configured(examined, HostingInstanceCount=count)

    hosting, endpoints = quotas.check_hosting(examined), quotas.check_endpoints(examined)

    assert hosting.status == ("ok" if needed <= 9 else "problem")
    assert endpoints.status == ("ok" if needed <= 4 else "problem")
    assert f"needed: {needed}" in endpoints.message


def test_a_quota_that_is_not_listed_is_not_guessed(session: Stubbed) -> None:
    examined = with_quotas(session, [quota("ml.m5.large for endpoint usage", 9)])

    found = quotas.check_training(configured(examined, TrainingInstanceType="ml.g6.xlarge"))

    assert found.status == "warning"
    assert (
        "no applied value of “ml.g6.xlarge for training job usage” in eu-central-1" in found.message
    )


@pytest.mark.parametrize(("value", "status"), [(10, "warning"), (99, "warning"), (100, "ok")])
def test_the_concurrency_of_functions(session: Stubbed, value: float, status: str) -> None:
    examined = with_quotas(
        session, [quota("Concurrent executions", value, "lambda")], service="lambda"
    )

    found = quotas.check_concurrency(examined)

    assert found.status == status
    assert found.message.startswith(f"Concurrent executions: {value}")


def test_a_concurrency_that_is_not_listed(session: Stubbed) -> None:
    examined = with_quotas(session, [], service="lambda")

    assert quotas.check_concurrency(examined).status == "warning"
