"""What a deleted stack has kept is found, and described for CloudFormation's import."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from scones_operator.application import CHECKOUT
from scones_operator.errors import OperationError, PreconditionError
from tools import recover_stack
from tools.recover_stack import (
    IDENTIFIERS,
    find_retained,
    import_resources,
    reduce_template,
    retained_resources,
)

TEMPLATE = recover_stack.read_template()
KEPT = retained_resources(TEMPLATE)
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
    assert {one["DeletionPolicy"] for one in reduced["Resources"].values()} == {"Retain"}
    assert set(reduced["Parameters"]) == {
        *("AccessLogsBucket", "EndpointName", "KmsKeyArn", "PhotoRetentionDays"),
    }
    assert set(reduced["Conditions"]) == {"HasAccessLogs", "HasKey"}
    assert len(json.dumps(reduced)) < MAX_TEMPLATE_BYTES


def test_what_is_kept_is_found_by_the_stack_s_name() -> None:
    found = find_retained(account(), "scones", {}, {})

    assert {one.logical: one.physical for one in found} == {
        "PhotosBucket": "scones-photosbucket-1a",
        "DataBucket": "scones-databucket-2b",
        "ResultsTable": "scones-ResultsTable-4C",
        "ModelPackages": ARN,
    }


def test_an_existing_data_bucket_is_not_the_stack_s() -> None:
    found = find_retained(account(), "scones", {"ExistingDataBucket": "team-data"}, {})

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
    with pytest.raises(PreconditionError) as raised:
        find_retained(account(**other), "scones", {}, {})

    assert message in str(raised.value)


def test_a_resource_is_named_or_left_out() -> None:
    given = {"ResultsTable": "restored", "PhotosBucket": ""}
    found = find_retained(account(tables=[]), "scones", {}, given)

    assert {one.logical: one.physical for one in found} == {
        "DataBucket": "scones-databucket-2b",
        "ResultsTable": "restored",
        "ModelPackages": ARN,
    }


class CloudFormation:
    """A client with one stack, or none, whose change set or import fails."""

    def __init__(self, status: str | None = None, **failing: Any) -> None:
        self._status, self._failing = status, failing
        self._waiter = ""

    def client(self, _: str) -> "CloudFormation":
        return self

    def describe_stacks(self, **_: str) -> Any:
        if self._status is None:
            error = {"Error": {"Code": "ValidationError", "Message": "scones does not exist"}}
            raise ClientError(error, "DescribeStacks")  # type: ignore[arg-type]
        return {"Stacks": [{"StackStatus": self._status}]}

    def create_change_set(self, **_: Any) -> None:
        pass

    execute_change_set = create_change_set

    def get_waiter(self, name: str) -> "CloudFormation":
        self._waiter = name
        return self

    def wait(self, **_: Any) -> None:
        if self._waiter in self._failing:
            answer = self._failing[self._waiter]
            raise WaiterError(self._waiter, answer.get("reason", "terminal failure"), answer)


@pytest.mark.parametrize(
    ("status", "message", "deletes"),
    [
        ("UPDATE_COMPLETE", "exists (UPDATE_COMPLETE): deploy to it with `sam deploy`", False),
        ("UPDATE_ROLLBACK_FAILED", "exists (UPDATE_ROLLBACK_FAILED): deploy to it", False),
        ("DELETE_IN_PROGRESS", "recover it after its deletion has ended", False),
        ("ROLLBACK_COMPLETE", "an earlier attempt left the stack scones", True),
        ("REVIEW_IN_PROGRESS", "an earlier attempt left the stack scones", True),
    ],
)
def test_only_a_stack_of_a_failed_attempt_is_to_be_deleted(
    status: str, message: str, deletes: bool
) -> None:
    session: Any = CloudFormation(status)
    with pytest.raises(PreconditionError) as raised:
        import_resources(session, "scones", [], {})

    assert message in str(raised.value)
    assert ("delete-stack --stack-name scones" in str(raised.value)) == deletes


@pytest.mark.parametrize(
    ("waiter", "answer"),
    [
        ("change_set_create_complete", {"Status": "FAILED", "StatusReason": "of AWS"}),
        (
            "stack_import_complete",
            {"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE", "StackStatusReason": "of AWS"}]},
        ),
        ("stack_import_complete", {"Error": {"Code": "ValidationError"}}),
    ],
)
def test_a_failed_import_has_cloudformation_s_reason(waiter: str, answer: Any) -> None:
    session: Any = CloudFormation(**{waiter: answer})
    with pytest.raises(OperationError) as raised:
        import_resources(session, "scones", [], {})

    reason = "terminal failure" if "Error" in answer else "resources: of AWS. A stack"
    assert reason in str(raised.value)
    assert "delete-stack --stack-name scones" in str(raised.value)


def test_an_import_that_takes_long_is_not_deleted() -> None:
    slow = "Max attempts exceeded. Previously accepted state: Matched expected service error code"
    session: Any = CloudFormation(stack_import_complete={"reason": slow})
    with pytest.raises(OperationError, match=r"within 10 minutes\. It continues") as raised:
        import_resources(session, "scones", [], {})

    assert "delete-stack" not in str(raised.value)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("", ["--stack", "vans"]),
        (
            "ResultsTable=restored DataBucket=",
            ["--stack", "vans", "--resource", "ResultsTable=restored", "--resource", "DataBucket="],
        ),
    ],
)
def test_make_passes_several_resources(tmp_path: Path, resource: str, expected: list[str]) -> None:
    (tmp_path / "ready").touch()
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nshift 2\nprintf "%s\\n" "$@"\n', "utf-8")
    python.chmod(0o755)
    made = subprocess.run(
        ["make", "--silent", "recover-stack", f"VENV={tmp_path}", f"BIN={tmp_path}"],
        cwd=CHECKOUT,
        env={**os.environ, "RESOURCE": resource, "STACK": "vans"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert made.stdout.split("\n")[:-1] == expected


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
