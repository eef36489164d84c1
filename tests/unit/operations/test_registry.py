from typing import Any

import pytest

from operations import registry
from operations.faults import Refused
from tests.unit.operations.deployed import STACK


def test_versions_newest_first_with_their_figures(session: Any) -> None:
    session.register("Approved", accuracy="0.91", threshold="none", run="scones-1")
    session.register(accuracy="0.95", threshold="0.87", run="scones-2")
    newest, oldest = registry.versions(session, STACK)
    assert (newest.number, newest.status) == (2, registry.PENDING)
    assert (newest.figure("accuracy"), newest.figure("threshold")) == (0.95, 0.87)
    assert newest.metadata["run"] == "scones-2"
    assert (oldest.number, oldest.status) == (1, registry.APPROVED)
    assert oldest.figure("threshold") is None
    assert oldest.figure("photos") is None
    assert len(registry.versions(session, STACK, limit=1)) == 1


def test_one_version(session: Any) -> None:
    arn = session.register()
    session.register()
    assert registry.find_version(session, STACK, 1).arn == arn


def test_a_version_that_is_not_there(session: Any) -> None:
    with pytest.raises(Refused, match="scones has none yet"):
        registry.find_version(session, STACK, 1)
    session.register()
    session.register()
    with pytest.raises(Refused, match="no version 7 of scones: the latest is 2"):
        registry.find_version(session, STACK, 7)


def test_approval_is_kept_with_its_comment(session: Any) -> None:
    session.register()
    version = registry.find_version(session, STACK, 1)
    registry.set_approval(session, version, registry.APPROVED, "well done")
    approved = registry.find_version(session, STACK, 1)
    assert (approved.status, approved.comment) == ("Approved", "well done")


def test_production_runs_a_version(session: Any) -> None:
    arn = session.register()
    session.put_into_production(ModelPackageName=arn)
    production = registry.find_production(session, STACK)
    assert production is not None
    assert (production.endpoint, production.status) == ("scones", "InService")
    assert production.runs(registry.find_version(session, STACK, 1))


def test_production_runs_what_is_in_no_registry(session: Any) -> None:
    session.register()
    session.put_into_production(Image="image", ModelDataUrl="s3://data/mine.tar.gz")
    production = registry.find_production(session, STACK)
    assert production is not None
    assert production.model_package_arn is None
    assert production.artifacts == "s3://data/mine.tar.gz"
    assert not production.runs(registry.find_version(session, STACK, 1))


def test_nothing_is_in_production(session: Any) -> None:
    assert registry.find_production(session, STACK) is None
