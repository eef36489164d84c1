"""What a deleted stack has kept is found, and described for CloudFormation's import."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from operations.faults import Refused
from tools import recover_stack
from tools.recover_stack import IDENTIFIERS, find_kept, kept_resources, reduce_template

TEMPLATE = recover_stack.read_template()
KEPT = kept_resources(TEMPLATE)
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/scones"
MAX_TEMPLATE_BYTES = 51_200
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html"""


class Account:
    """The clients of an account with some buckets, tables and model package groups."""

    def __init__(self, buckets: list[str], tables: list[str], groups: list[str]) -> None:
        self._buckets, self._tables, self._groups = buckets, tables, groups

    def client(self, _: str) -> "Account":
        return self

    def list_buckets(self) -> Any:
        return {"Buckets": [{"Name": name} for name in self._buckets]}

    def get_paginator(self, _: str) -> "Account":
        return self

    def paginate(self) -> Any:
        return [{"TableNames": [name]} for name in self._tables]

    def describe_model_package_group(self, **named: str) -> Any:
        name = named["ModelPackageGroupName"]
        if name not in self._groups:
            message = f"Model Package Group {name} does not exist."
            error = {"Error": {"Code": "ValidationException", "Message": message}}
            raise ClientError(error, "DescribeModelPackageGroup")  # type: ignore[arg-type]
        return {"ModelPackageGroupArn": ARN}


def account(**other: list[str]) -> Any:
    """An account with what a stack of the default name leaves, and what others have."""
    left = {
        "buckets": [
            "scones-photosbucket-1a",
            "scones-databucket-2b",
            "scones-staging-databucket-3",
        ],
        "tables": [
            *("scones-ResultsTable-4C", "scones-ResultsTable-4C-restored"),
            "scones-staging-ResultsTable-5",
        ],
        "groups": ["scones"],
    }
    return Account(**(left | other))


def test_each_kept_resource_can_be_identified() -> None:
    assert set(KEPT) == {"PhotosBucket", "DataBucket", "ResultsTable", "ModelPackages"}
    assert set(KEPT.values()) == set(IDENTIFIERS)


def test_the_template_of_what_is_kept_is_complete_in_itself() -> None:
    reduced = reduce_template(TEMPLATE, list(KEPT))

    assert set(reduced["Resources"]) == set(KEPT)
    assert all("DeletionPolicy" in one for one in reduced["Resources"].values())
    assert set(reduced["Parameters"]) == {
        *("AccessLogsBucket", "EndpointName", "KmsKeyArn", "PhotoRetentionDays"),
    }
    assert set(reduced["Conditions"]) == {"HasAccessLogs", "HasKey"}
    assert len(json.dumps(reduced)) < MAX_TEMPLATE_BYTES


def test_what_is_kept_is_found_by_the_stack_s_name() -> None:
    found = find_kept(account(), "scones", {}, {})

    assert {one.logical: one.physical for one in found} == {
        "PhotosBucket": "scones-photosbucket-1a",
        "DataBucket": "scones-databucket-2b",
        "ResultsTable": "scones-ResultsTable-4C",
        "ModelPackages": ARN,
    }


def test_an_existing_data_bucket_is_not_the_stack_s() -> None:
    found = find_kept(account(), "scones", {"ExistingDataBucket": "team-data"}, {})

    assert "DataBucket" not in {one.logical for one in found}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"tables": []},
            "no ResultsTable found. Give its name: `make recover-stack RESOURCE=ResultsTable=NAME`",
        ),
        ({"groups": []}, "no ModelPackages found"),
        (
            {"buckets": ["scones-photosbucket-1a", "scones-photosbucket-1b"]},
            "more than one may be PhotosBucket: scones-photosbucket-1a, scones-photosbucket-1b",
        ),
    ],
)
def test_what_is_not_clear_is_asked_for(other: dict[str, list[str]], message: str) -> None:
    with pytest.raises(Refused) as raised:
        find_kept(account(**other), "scones", {}, {})

    assert message in str(raised.value)


def test_a_resource_is_named_or_left_out() -> None:
    given = {"ResultsTable": "restored", "PhotosBucket": ""}
    found = find_kept(account(tables=[]), "scones", {}, given)

    assert {one.logical: one.physical for one in found} == {
        "DataBucket": "scones-databucket-2b",
        "ResultsTable": "restored",
        "ModelPackages": ARN,
    }


def test_only_what_is_kept_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        recover_stack.main(["--resource", "EventBus=scones"])

    assert "'EventBus=scones' is not LOGICAL_ID=NAME with one of" in capsys.readouterr().err


def test_missing_credentials_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    assert recover_stack.main([]) == 1
    assert "error: Unable to locate credentials. Check your AWS" in capsys.readouterr().err
