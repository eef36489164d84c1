"""The changes between the policies of two templates."""

import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import iam_diff
from tools.iam_diff import RevisionError, StatementLocation, compare, render, render_since
from tools.scan_template import translate

ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ]
        },
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"],
        "Policies": [
            {
                "PolicyName": "Own",
                "PolicyDocument": {
                    "Statement": [
                        {
                            "Sid": "Read",
                            "Effect": "Allow",
                            "Action": ["s3:GetObject"],
                            "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
                        },
                        {
                            "Fn::If": [
                                "HasBus",
                                {
                                    "Sid": "Publish",
                                    "Effect": "Allow",
                                    "Action": "events:PutEvents",
                                    "Resource": "*",
                                },
                                {"Ref": "AWS::NoValue"},
                            ]
                        },
                    ]
                },
            }
        ],
    },
}
READ = StatementLocation("Worker", "Own", "Read")


@pytest.fixture
def old() -> dict[str, Any]:
    return {"Worker": copy.deepcopy(ROLE)}


@pytest.fixture
def new(old: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(old)


def own_statements(resources: Any) -> Any:
    return resources["Worker"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]


def test_nothing_changed(old: dict[str, Any], new: dict[str, Any]) -> None:
    changes = compare(old, new)
    assert not changes
    assert render(changes) == "No changes.\n"


def test_another_action(old: dict[str, Any], new: dict[str, Any]) -> None:
    own_statements(new)[0]["Action"] = ["s3:PutObject"]
    changes = compare(old, new)
    assert list(changes.changed) == [READ]
    assert render(changes) == (
        "- changed `Worker` Own, `Read`: Action without `s3:GetObject` with `s3:PutObject`\n"
    )


def test_a_condition_that_was_removed(old: dict[str, Any], new: dict[str, Any]) -> None:
    own_statements(old)[0]["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}
    text = render(compare(old, new))
    assert text == (
        "- changed `Worker` Own, `Read`: Condition without "
        '`{"Bool": {"aws:SecureTransport": "true"}}`\n'
    )


def test_a_statement_more_and_one_less(old: dict[str, Any], new: dict[str, Any]) -> None:
    own_statements(new)[0] = {
        "Sid": "Write",
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]},
    }
    assert render(compare(old, new)) == (
        "- added `Worker` Own, `Write`: Allow `s3:PutObject` on `Bucket`\n"
        "- removed `Worker` Own, `Read`: Allow `s3:GetObject` on `Bucket/*`\n"
    )


def test_a_statement_with_another_condition_of_the_template(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    own_statements(new)[1]["Fn::If"][0] = "Always"
    text = render(compare(old, new))
    assert "added `Worker` Own, `Publish (if Always)`" in text
    assert "removed `Worker` Own, `Publish (if HasBus)`" in text


@pytest.mark.parametrize(("position", "when"), [(1, "if"), (2, "unless")])
def test_a_policy_with_a_condition_of_the_template(
    old: dict[str, Any], new: dict[str, Any], position: int, when: str
) -> None:
    policies = new["Worker"]["Properties"]["Policies"]
    statement = {"Sid": "Start", "Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}
    choice: list[Any] = ["HasRole", {"Ref": "AWS::NoValue"}, {"Ref": "AWS::NoValue"}]
    choice[position] = {"PolicyName": "More", "PolicyDocument": {"Statement": [statement]}}
    policies.append({"Fn::If": choice})
    assert render(compare(old, new)) == (
        f"- added `Worker` More ({when} HasRole), `Start`: Allow `sagemaker:*` on `*`\n"
    )


def test_trust(old: dict[str, Any], new: dict[str, Any]) -> None:
    document = new["Worker"]["Properties"]["AssumeRolePolicyDocument"]
    document["Statement"][0]["Principal"] = {"AWS": "*"}
    assert render(compare(old, new)) == (
        "- changed `Worker` trust, `statement 1`: Principal without "
        '`{"Service": "lambda.amazonaws.com"}` with `{"AWS": "*"}`\n'
    )


def test_attached_policies_and_boundaries(old: dict[str, Any], new: dict[str, Any]) -> None:
    new["Worker"]["Properties"]["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/PowerUserAccess"]
    old["Worker"]["Properties"]["PermissionsBoundary"] = "arn:aws:iam::123456789012:policy/limit"
    text = render(compare(old, new))
    assert "added `Worker` attached policy, `arn:aws:iam::aws:policy/PowerUserAccess`" in text
    assert "removed `Worker` attached policy, `arn:aws:iam::aws:policy/AWSXray" in text
    assert "removed `Worker` boundary, `arn:aws:iam::123456789012:policy/limit`" in text


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("AWS::KMS::Key", "KeyPolicy"),
        ("AWS::S3::BucketPolicy", "PolicyDocument"),
        ("AWS::SNS::TopicPolicy", "PolicyDocument"),
        ("AWS::SQS::QueuePolicy", "PolicyDocument"),
        ("AWS::IAM::ManagedPolicy", "PolicyDocument"),
    ],
)
def test_policies_of_resources(kind: str, member: str) -> None:
    statement = {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}
    new = {"It": {"Type": kind, "Properties": {member: {"Statement": statement}}}}
    (place,) = compare({}, new).added
    assert (place.holder, place.label) == ("It", "All")


def test_permissions_of_functions() -> None:
    new = {"May": {"Type": "AWS::Lambda::Permission", "Properties": {"Principal": "*"}}}
    assert '`{"Principal": "*"}`' in render(compare({}, new))


def test_names_cannot_leave_their_code_span(old: dict[str, Any], new: dict[str, Any]) -> None:
    own_statements(new)[0]["Sid"] = "x`\n# @everybody `"
    assert "`x' # @everybody '`" in render(compare(old, new))


def test_a_policy_that_sam_writes() -> None:
    """A function's event source: the file itself does not contain the statement."""
    resources = translate(iam_diff.ROOT / "template.yaml")["Resources"]
    places = iam_diff.list_grants(resources)
    assert any(place.holder == "RetrainStateMachineScheduleRole" for place in places)
    assert any(place.policy == "permission" for place in places)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a template that a later change widens."""
    monkeypatch.setattr(iam_diff, "ROOT", tmp_path)
    monkeypatch.setattr(iam_diff, "TEMPLATES", ("template.yaml",))
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "First")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


TEMPLATE = """
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement: [{ Sid: Read, Effect: Allow, Action: "s3:GetObject", Resource: "*" }]
"""


def test_changes_since_a_revision(repository: Path) -> None:
    assert render_since("HEAD") == "IAM in `template.yaml`:\n\nNo changes.\n"
    template = repository / "template.yaml"
    template.write_text(TEMPLATE.replace("s3:GetObject", "s3:*"))
    assert "with `s3:*`" in render_since("HEAD")


def test_a_template_that_is_new(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iam_diff, "TEMPLATES", ("new.yaml",))
    (repository / "new.yaml").write_text(TEMPLATE)
    assert "added `Policy` policy, `Read`: Allow `s3:GetObject` on `*`" in render_since("HEAD")


@pytest.mark.parametrize("revision", ["missing", "--output=file"])
def test_a_revision_that_does_not_exist(
    repository: Path, revision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RevisionError):
        render_since(revision)
    assert iam_diff.main(["missing"]) == 2
    assert "error: " in capsys.readouterr().err
    assert not (repository / "file").exists()
