import gzip
import json
from importlib.resources import files
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from scones_operator.doctor import account
from tests.unit.operator.doctor.stubbed import REGION, Stubbed, subject

IDENTITY = {"UserId": "u", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/anna"}


def test_credentials_that_are_accepted(session: Any) -> None:
    session.answer("sts", "get_caller_identity", IDENTITY)

    found = account.check_credentials(session)

    assert (found.status, found.message) == ("ok", "anna, account 123456789012, eu-central-1")


def test_credentials_that_are_expired(session: Any) -> None:
    session.refuse("sts", "get_caller_identity", "ExpiredToken", "The token has expired")

    found = account.check_credentials(session)

    assert found.status == "problem"
    assert "AWS rejected your credentials (ExpiredToken)" in found.message


def test_no_credentials(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise NoCredentialsError

    monkeypatch.setattr(session.client("sts"), "get_caller_identity", fail)

    assert "no credentials" in account.check_credentials(session).message


def test_no_region(session: Any) -> None:
    session.region_name = None

    assert "no AWS region is set" in account.check_credentials(session).message


def test_regions_that_the_template_knows(session: Any) -> None:
    assert account.check_region(subject(session)).status == "ok"
    session.region_name = "cn-north-1"

    found = account.check_region(subject(session))

    assert found.status == "problem"
    assert "eu-central-1" in found.advice


def services(session: Stubbed, *, without: str | None = None, region: str = REGION) -> None:
    """Answer with the services of eu-central-1, in the two requests that they take."""
    names = [
        f"/aws/service/global-infrastructure/regions/{REGION}/services/{service}"
        for service in account.SERVICES
    ]
    for asked in (names[:10], names[10:]):
        known = [name for name in asked if without is None or not name.endswith(without)]
        parameters = [{"Name": name, "Value": name.rpartition("/")[2]} for name in known]
        missing = sorted(set(asked) - set(known))
        answer = {"Parameters": parameters} | ({"InvalidParameters": missing} if missing else {})
        session.answer("ssm", "get_parameters", answer, {"Names": asked}, region)


def test_a_region_with_all_services(session: Stubbed) -> None:
    services(session)

    assert account.check_services(subject(session)).status == "ok"


def test_a_region_without_a_service(session: Stubbed) -> None:
    services(session, without="/scheduler")

    found = account.check_services(subject(session))

    assert (found.status, found.message) == ("problem", "eu-central-1 has no EventBridge Scheduler")


def test_a_region_whose_parameter_store_lacks_the_list(session: Stubbed) -> None:
    services(session, without="")
    services(session, region="us-east-1")

    assert account.check_services(subject(session)).status == "ok"


def test_a_list_that_is_nowhere(session: Stubbed) -> None:
    services(session, without="")
    services(session, without="", region="us-east-1")

    assert account.check_services(subject(session)).status == "unknown"


def test_the_services_are_named_as_aws_names_them() -> None:
    # moto keeps a copy of the list that AWS publishes.
    packed = files("moto").joinpath("ssm", "resources", "services.json.gz").read_bytes()
    known = json.loads(gzip.decompress(packed))
    known = known["aws"]["service"]["global-infrastructure"]["services"]

    assert account.SERVICES.keys() <= known.keys()
    assert "eu-central-1" in known["scheduler"]["regions"]


def offerings(session: Stubbed, *types: str) -> None:
    asked = {
        "LocationType": "region",
        "Filters": [{"Name": "instance-type", "Values": ["g4dn.xlarge", "m5.large"]}],
    }
    offered = [{"InstanceType": name, "Location": REGION} for name in types]
    answer = {"InstanceTypeOfferings": offered}
    session.answer("ec2", "describe_instance_type_offerings", answer, asked)


def test_instance_types_that_the_region_has(session: Stubbed) -> None:
    offerings(session, "g4dn.xlarge", "m5.large")

    assert account.check_instance_types(subject(session)).status == "ok"


def test_an_instance_type_that_the_region_lacks(session: Stubbed) -> None:
    offerings(session, "m5.large")

    found = account.check_instance_types(subject(session))

    assert (found.status, found.message) == (
        "warning",
        "EC2 does not offer g4dn.xlarge in eu-central-1",
    )
    assert found.advice.endswith("choose another TrainingInstanceType")
