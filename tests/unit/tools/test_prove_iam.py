"""Statements are proven by what was asked, and what is idle, missing or wrongly excused is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.prove_iam import exceptions
from tools.prove_iam.deployed import Policy
from tools.prove_iam.exceptions import Exceptions, NotProvable, ProvenElsewhere
from tools.prove_iam.proof import Proof, prove
from tools.prove_iam.recording import INSTALLATION_TEST, Recording, Request, parse_audit_trail

ROLE = "role/stack-Reader"
READ = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
WRITE = READ | {"Sid": "Write", "Action": "s3:PutObject"}


def policy(*statements: dict[str, Any], name: str = "inline", holder: str = "Reader") -> Policy:
    return Policy(holder, name, {"Version": "2012-10-17", "Statement": list(statements)}, (ROLE,))


def request(
    action: str, *, allowed: bool = True, by_resource: bool = False, test: str = "test_reads"
) -> Request:
    asked = {
        "principal_arn": "arn:aws:sts::123456789012:assumed-role/stack-Reader/session",
        "principal_type": "AssumedRole",
        "principal_account": "123456789012",
        "action": action,
        "resource_arn": "arn:aws:s3:::b/key",
        "region": "us-east-1",
    }
    return Request(ROLE, allowed, by_resource, asked, test)


def proof(
    policies: list[Policy], requests: list[Request], *not_provable: NotProvable, **template: Any
) -> Proof:
    return prove([Recording(policies, requests)], template, Exceptions(list(not_provable)))


def excuse(statement: str, *values: str) -> NotProvable:
    return NotProvable(statement, values, "not emulated", "a page of AWS")


def test_a_statement_is_needed_by_what_only_it_allows() -> None:
    found = proof([policy(READ)], [request("s3:GetObject")])

    assert found.problems == []
    assert list(found.table()) == ["Reader  Read  test_reads: s3:GetObject on b/key is denied"]


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [request("s3:PutObject", allowed=False)],
        [request("s3:GetObject", by_resource=True)],
    ],
)
def test_a_statement_that_nothing_needs_is_idle(requests: list[Request]) -> None:
    (complaint,) = proof([policy(READ)], requests).problems

    assert complaint.startswith("Reader/Read is idle: nothing fails without it")


def test_two_statements_that_allow_the_same_are_both_idle() -> None:
    again = policy(READ | {"Sid": "Again"}, name="other")

    found = proof([policy(READ), again], [request("s3:GetObject")])

    assert len(found.problems) == 2


def test_an_action_that_nothing_needs_is_idle() -> None:
    both = READ | {"Action": ["s3:GetObject", "s3:PutObject"]}

    (complaint,) = proof([policy(both)], [request("s3:GetObject")]).problems

    assert complaint.startswith("s3:PutObject of Reader/Read is idle")


def test_a_resource_that_nothing_needs_is_idle() -> None:
    both = READ | {"Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::c/*"]}

    (complaint,) = proof([policy(both)], [request("s3:GetObject")]).problems

    assert complaint.startswith("arn:aws:s3:::c/* of Reader/Read is idle")


def test_a_resource_is_the_same_in_local_clouds_that_name_it_differently() -> None:
    def of(cloud: str, key: str) -> Recording:
        resources = [f"arn:aws:s3:::{cloud}/a/*", f"arn:aws:s3:::{cloud}/b/*"]
        asked = request("s3:GetObject")
        resource = {"resource_arn": f"arn:aws:s3:::{cloud}/{key}"}
        return Recording(
            [policy(READ | {"Resource": resources})],
            [replace(asked, asked={**asked.asked, **resource})],
        )

    recordings = [of("first", "a/1"), of("second", "b/1")]

    assert prove(recordings, {}, Exceptions()).problems == []
    assert len(prove(recordings[:1], {}, Exceptions()).problems) == 1


def test_an_idle_statement_is_told_once() -> None:
    both = READ | {"Action": ["s3:GetObject", "s3:PutObject"]}

    assert len(proof([policy(both)], []).problems) == 1


def test_a_denial_is_needed_by_what_only_it_denies() -> None:
    everything = READ | {"Action": "s3:*"}
    denial = WRITE | {"Sid": "NoWriting", "Effect": "Deny"}
    requests = [request("s3:GetObject"), request("s3:PutObject", allowed=False)]

    assert proof([policy(everything, denial)], requests).problems == []
    (complaint,) = proof([policy(everything, denial)], requests[:1]).problems
    assert complaint.startswith("Reader/NoWriting is idle")


def test_a_policy_that_aws_owns_is_one_part() -> None:
    owned = policy(READ, WRITE, name="arn:aws:iam::aws:policy/AWSOwned")

    (complaint,) = proof([owned], []).problems

    assert complaint.startswith("Reader/AWSOwned is idle")
    assert proof([owned], [request("s3:PutObject")]).problems == []


def test_what_is_not_provable_may_be_idle() -> None:
    found = proof([policy(READ)], [], excuse("*/Read"))

    assert found.problems == []
    assert list(found.table()) == ["Reader  Read  not provable here: not emulated"]


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (excuse("*/Read"), "*/Read is not_provable, and Reader/Read was proven"),
        (excuse("*/Gone"), "*/Gone is not_provable, and no such statement exists"),
        (excuse("*/Read", "s3:List*"), "*/Read is not_provable, and no such statement exists"),
    ],
)
def test_an_outdated_entry_is_told(entry: NotProvable, complaint: str) -> None:
    assert proof([policy(READ)], [request("s3:GetObject")], entry).problems == [complaint]


def test_every_entry_has_its_reason_and_aws_as_its_source() -> None:
    for entry in exceptions.load_exceptions().not_provable:
        assert len(entry.reason) > 20
        assert entry.source.startswith("https://docs.aws.amazon.com/")


def test_a_statement_that_was_not_deployed_is_missing() -> None:
    document = {"Statement": [READ, WRITE]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": document}]}}

    (complaint,) = proof([policy(READ)], [request("s3:GetObject")], Reader=role).problems

    assert complaint == "Reader/Write is in the template and not in the recording"


def test_a_statement_that_another_test_proves_may_be_missing() -> None:
    document = {"Statement": [READ]}
    role = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": document}]}}
    entry = ProvenElsewhere("Other/*", "tests/other.py::test_it")
    recording = Recording([policy(READ)], [request("s3:GetObject")])
    excepted = Exceptions(proven_elsewhere=[entry])

    assert prove([recording], {"Reader": role, "Other": role}, excepted).problems == []
    (complaint,) = prove([recording], {"Reader": role}, excepted).problems
    assert complaint == "Other/* is proven_elsewhere, and no such statement is missing"


def test_the_tests_that_prove_elsewhere_exist() -> None:
    for entry in exceptions.load_exceptions().proven_elsewhere:
        file, _, name = entry.test.partition("::")
        assert f"def {name}(" in Path(file).read_text("utf-8")


def test_requests_that_other_policies_decided_prove_nothing() -> None:
    found = proof([policy(READ)], [request("s3:GetObject", allowed=False)])

    assert found.ignored == 1
    assert len(found.problems) == 1


def test_a_test_is_named_before_the_installation() -> None:
    requests = [request("s3:GetObject", test=INSTALLATION_TEST), request("s3:GetObject")]

    (statement,) = proof([policy(READ)], requests).as_json()["statements"]

    assert statement["tests"] == ["test_reads", INSTALLATION_TEST]
    assert statement["requests"] == 2


def test_a_request_belongs_to_the_test_that_ran_then() -> None:
    entry = {
        "asked": request("s3:GetObject").asked,
        "allowed": True,
        "allowed_by_resource": False,
        "at": 25.0,
    }

    (found,) = parse_audit_trail(
        [entry, {"role": "r"}], [(10, "first"), (20, "second"), (30, "third")]
    )

    assert (found.principal, found.test) == (ROLE, "second")


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording = Recording([policy(READ)], [request("s3:GetObject")])

    recording.save(tmp_path / "iam" / "main.json")

    assert Recording.load(tmp_path / "iam" / "main.json") == recording
