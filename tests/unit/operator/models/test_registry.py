from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import Mock, patch

import pytest
from botocore.exceptions import ClientError

from scones_operator.errors import PreconditionError
from scones_operator.models import registry
from tests.unit.operator.deployed import STACK


def test_versions_newest_first_with_their_figures(session: Any) -> None:
    session.register("Approved", accuracy="0.91", threshold="none", run="scones-1")
    session.register(accuracy="0.95", threshold="0.87", run="scones-2")
    newest, oldest = registry.list_versions(session, STACK)
    assert (newest.number, newest.status) == (2, registry.PENDING)
    assert (newest.metric("accuracy"), newest.metric("threshold")) == (0.95, 0.87)
    assert newest.metadata["run"] == "scones-2"
    assert (oldest.number, oldest.status) == (1, registry.APPROVED)
    assert oldest.metric("threshold") is None
    assert oldest.metric("photos") is None
    assert len(registry.list_versions(session, STACK, limit=1)) == 1


def test_one_version(session: Any) -> None:
    arn = session.register()
    session.register()
    assert registry.get_version(session, STACK, 1).arn == arn


def test_a_version_that_is_not_there(session: Any) -> None:
    with pytest.raises(PreconditionError, match="scones has no versions; train one"):
        registry.get_version(session, STACK, 1)
    session.register()
    session.register()
    with pytest.raises(
        PreconditionError, match="version 7 of scones does not exist: the latest is 2"
    ):
        registry.get_version(session, STACK, 7)


def test_approval_is_kept_with_its_comment(session: Any) -> None:
    session.register()
    version = registry.get_version(session, STACK, 1)
    registry.set_approval_status(session, version, registry.APPROVED, "well done")
    approved = registry.get_version(session, STACK, 1)
    assert (approved.status, approved.comment) == ("Approved", "well done")


def test_production_runs_a_version(session: Any) -> None:
    arn = session.register()
    session.put_into_production(ModelPackageName=arn)
    production = registry.get_production_model(session, STACK)
    assert production is not None
    assert (production.endpoint, production.status) == ("scones", "InService")
    version = registry.get_version(session, STACK, 1)
    assert production.runs(version)
    assert not replace(production, status="Deleting").runs(version)


def test_production_runs_what_is_in_no_registry(session: Any) -> None:
    session.register()
    session.put_into_production(Image="image", ModelDataUrl="s3://data/mine.tar.gz")
    production = registry.get_production_model(session, STACK)
    assert production is not None
    assert production.model_package_arn is None
    assert production.artifacts == "s3://data/mine.tar.gz"
    assert not production.runs(registry.get_version(session, STACK, 1))


@pytest.mark.parametrize(
    "delete",
    [
        lambda client: client.delete_model(ModelName="m"),
        lambda client: client.delete_endpoint_config(EndpointConfigName="c"),
    ],
)
def test_production_goes_on_though_its_model_is_not_known_any_more(
    session: Any, delete: Callable[[Any], None]
) -> None:
    session.put_into_production(ModelPackageName=session.register("Approved"))
    delete(session.client("sagemaker"))
    production = registry.get_production_model(session, STACK)
    assert production == registry.ProductionModel("scones", "InService", missing_config="c")
    assert not production.runs(registry.get_version(session, STACK, 1))
    assert registry.get_production_version(session, STACK, production) is None


def test_the_version_in_production_is_read_alone(session: Any) -> None:
    session.register(accuracy="0.9")
    session.put_into_production(ModelPackageName=session.register(accuracy="0.95"))
    session.register()
    production = registry.get_production_model(session, STACK)
    described = Mock(wraps=session.client("sagemaker").describe_model_package)
    with patch.object(session.client("sagemaker"), "describe_model_package", described):
        found = registry.get_production_version(session, STACK, production)
    assert found is not None
    assert (found.number, found.metadata["accuracy"]) == (2, "0.95")
    assert described.call_count == 1


def test_a_version_in_production_that_left_the_registry(session: Any) -> None:
    arn = session.register().removesuffix("1") + "7"
    session.put_into_production(ModelPackageName=arn)
    production = registry.get_production_model(session, STACK)
    assert production is not None
    assert production.model_package_arn == arn
    assert registry.get_production_version(session, STACK, production) is None


def test_what_may_not_be_described_is_no_missing_model(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.put_into_production(ModelPackageName=session.register())

    def denied(**_: str) -> None:
        error = {"Code": "AccessDeniedException", "Message": "no"}
        raise ClientError({"Error": error}, "DescribeModel")  # type: ignore[typeddict-item]

    monkeypatch.setattr(session.client("sagemaker"), "describe_model", denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        registry.get_production_model(session, STACK)


def test_nothing_is_in_production(session: Any) -> None:
    assert registry.get_production_model(session, STACK) is None
