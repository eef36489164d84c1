import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.aws.stack import _OUTPUTS
from scones_operator.doctor import examination
from scones_operator.doctor.examination import CHECKS, Check, applies_locally, examine, run_checks
from scones_operator.doctor.findings import Finding, ok
from scones_operator.doctor.subject import Once, Subject, _quotas, _read_resources, read_subject
from scones_operator.errors import OperationError
from tests.unit.operator.deployed import STACK
from tests.unit.operator.doctor.stubbed import Denying, Stubbed, subject
from tools.scan_template import ROOT, translate

IDENTITY = {"UserId": "u", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/anna"}
ABSENT = ("ValidationError", "Stack with id scones does not exist")


def quiet() -> None:
    """Show no progress."""


def run(checks: dict[str, Callable[[], Finding]], limit: float = 5) -> dict[str, Finding]:
    return run_checks(checks, quiet, limit)


def denied() -> Finding:
    message = "User: anna is not authorized to perform: sqs:GetQueueAttributes on resource: q"
    error: Any = {"Error": {"Code": "AccessDenied", "Message": message}}
    raise ClientError(error, "GetQueueAttributes")


def broken() -> Finding:
    raise OperationError("S3 is away")


def buggy() -> Finding:
    raise KeyError("a bug")


# ---- running


def test_a_missing_permission_is_named_and_the_others_go_on() -> None:
    found = run({"queue": denied, "files": broken, "good": lambda: ok("well")})

    assert list(found) == ["queue", "files", "good"]
    assert found["queue"].status == found["files"].status == "unknown"
    assert found["queue"].message == "not permitted: sqs:GetQueueAttributes"
    assert found["queue"].advice.startswith("get the permission sqs:GetQueueAttributes: ")
    assert found["files"].message == "S3 is away"
    assert found["good"] == ok("well")


def test_a_check_that_takes_too_long_is_not_waited_for() -> None:
    never = threading.Event()

    def hang() -> Finding:
        never.wait(30)
        return ok("late")

    started = time.monotonic()
    found = run({"slow": hang, "good": lambda: ok("well")}, limit=0.3)

    assert time.monotonic() - started < 5
    assert (found["slow"].status, found["slow"].message) == ("unknown", "no answer within 0.3 s")
    assert found["good"].status == "ok"
    never.set()


def test_checks_run_at_the_same_time_but_not_too_many() -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def busy() -> Finding:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1
        return ok("")

    run({str(number): busy for number in range(40)})

    assert 2 <= most[0] <= examination.WORKERS


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(KeyError, match="a bug"):
        run({"buggy": buggy})


def test_a_value_is_read_once_by_many_threads() -> None:
    calls = []

    def read() -> int:
        calls.append(1)
        time.sleep(0.02)
        return 7

    once = Once(read)

    found = run({str(number): lambda: ok(str(once.get())) for number in range(16)})

    assert {finding.message for finding in found.values()} == {"7"}
    assert len(calls) == 1


def test_a_value_that_was_not_readable_is_read_again() -> None:
    answers: list[Any] = [OperationError("away"), 7]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    once = Once(read)
    with pytest.raises(OperationError):
        once.get()

    assert once.get() == 7


# ---- what is examined


def described(**changes: Any) -> dict[str, Any]:
    outputs = [
        {"OutputKey": key, "OutputValue": getattr(STACK, name)} for name, key in _OUTPUTS.items()
    ]
    parameters = [{"ParameterKey": "Threshold", "ParameterValue": "0.8"}]
    stack = {
        "StackName": "scones",
        "StackStatus": "CREATE_COMPLETE",
        "CreationTime": "2026-11-28T12:00:00Z",
        "Outputs": outputs,
        "Parameters": parameters,
    }
    return {"Stacks": [{**stack, **changes}]}


def test_a_deployed_stack_has_its_own_parameters(session: Any) -> None:
    session.answer("cloudformation", "describe_stacks", described(), {"StackName": "scones"})
    summary = {"LastUpdatedTimestamp": "2026-11-28T12:00:00Z", "ResourceStatus": "CREATE_COMPLETE"}
    pages: list[Any] = [
        {"LogicalResourceId": "A", "PhysicalResourceId": "a-1", "ResourceType": "AWS::SQS::Queue"},
        {"LogicalResourceId": "B", "PhysicalResourceId": "b-2", "ResourceType": "AWS::SQS::Queue"},
    ]
    for number, item in enumerate(pages):
        more = {"NextToken": "1"} if number == 0 else {}
        answer = {"StackResourceSummaries": [{**item, **summary}], **more}
        session.answer("cloudformation", "list_stack_resources", answer)

    examined = read_subject(session, "scones")

    assert examined.source == "the stack"
    assert examined.parameters["Threshold"] == "0.8"
    # What a stack of an earlier version lacks has the template's default.
    assert examined.parameters["TrainingInstanceType"] == "ml.g4dn.xlarge"
    assert examined.stack == STACK
    assert examined.deployment
    assert examined.deployment.resources_of("AWS::SQS::Queue") == {"A": "a-1", "B": "b-2"}
    assert examined.deployment.resources_of("AWS::SNS::Topic") == {}


@pytest.mark.parametrize(
    ("name", "source", "count"),
    [
        ("scones-dev", "samconfig.toml (dev)", "1"),
        ("scones", "samconfig.toml (default)", "2"),
        ("vans", "the defaults of template.yaml", "2"),
    ],
)
def test_a_stack_to_be_has_the_parameters_of_its_deployment(
    session: Any, name: str, source: str, count: str
) -> None:
    session.refuse("cloudformation", "describe_stacks", *ABSENT)

    examined = read_subject(session, name)

    assert examined.deployment is None
    assert examined.source == source
    assert examined.parameters["HostingInstanceCount"] == count


def test_a_stack_that_failed_to_be_created(session: Any) -> None:
    failed = described(StackStatus="ROLLBACK_COMPLETE", Outputs=[])
    session.answer("cloudformation", "describe_stacks", failed)

    examined = read_subject(session, "scones")

    assert examined.deployment is not None
    assert examined.stack is None


# ---- all checks


def test_names_of_checks_are_unique_and_short() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 20


def test_without_credentials_nothing_else_is_checked(session: Any) -> None:
    session.refuse("sts", "get_caller_identity", "InvalidClientTokenId")

    result = examine(session, "scones")

    statuses = [finding.status for finding in result.findings.values()]
    assert statuses == ["problem", *["not_checked"] * (len(CHECKS) + 1)]
    assert result.findings["alarms"].message == "needs credentials"


def test_without_the_stack_nothing_else_is_checked(session: Any) -> None:
    session.answer("sts", "get_caller_identity", IDENTITY)
    session.refuse("cloudformation", "describe_stacks", "AccessDenied", "perform: x:Describe")

    result = examine(session, "scones")

    assert result.findings["stack"].message == "not permitted: x:Describe"
    assert result.findings["alarms"].message == "needs the stack"


def test_the_local_cloud_has_fewer_checks(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check("here", lambda _: ok("well")), Check("quota", denied, on_local_cloud=False))  # type: ignore[arg-type]
    monkeypatch.setattr(examination, "CHECKS", checks)
    session.answer("sts", "get_caller_identity", IDENTITY)
    session.refuse("cloudformation", "describe_stacks", *ABSENT)

    result = examine(session, "scones", applies_locally)

    assert result.findings["here"].message == "well"
    assert result.findings["quota"].message == "not on the local cloud"
    assert list(result.findings) == ["credentials", "stack", "here", "quota"]


RESOURCES = {
    "AWS::Events::Rule": {"R": "r"},
    "AWS::Scheduler::Schedule": {
        "RetrainStateMachineSchedule": "scones-retrain",
        "CheckDriftFunctionSchedule": "scones-check-drift",
    },
    "AWS::CloudWatch::Alarm": {"A": "a"},
    "AWS::SageMaker::ModelPackageGroup": {"M": "scones"},
}

OWN_IMAGE = {
    "Algorithm": "own",
    "TrainingImage": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/scones:1",
}

WITHOUT_REQUESTS = {"region", "runtime", "event bus", "model group"}
"""Checks that ask AWS nothing once the stack and its resources are known."""

OF_RESOURCES = {"model group", "rules", "alarms", "retrain schedule", "drift schedule"}
"""Checks that need the stack's resources."""


def examined_by(denying: Denying, **changes: Any) -> Subject:
    """A deployed stack with all that the checks look at, and credentials that allow nothing."""
    made: Any = denying
    examined = subject(denying, RESOURCES, NotificationPhone="+12065550100", **OWN_IMAGE)
    quotas = {name: _quotas(made, name) for name in examined.quotas}
    assert examined.deployment
    deployment = replace(examined.deployment, **changes)
    return replace(examined, quotas=quotas, deployment=deployment)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_that_may_not_read_says_which_permission_it_lacks(check: Check) -> None:
    denying = Denying()
    examined = examined_by(denying)

    found = run({check.name: lambda: check.run(examined)})[check.name]

    if check.name in WITHOUT_REQUESTS:
        assert not denying.asked
        assert found.status in ("ok", "not_checked")
    else:
        (action,) = denying.asked
        assert (found.status, found.message) == ("unknown", f"not permitted: {action}")


@pytest.mark.parametrize("name", sorted(OF_RESOURCES))
def test_resources_that_may_not_be_listed(name: str) -> None:
    denying: Any = Denying()
    unread = Once(lambda: _read_resources(denying, "scones"))
    examined = examined_by(denying, resources=unread)
    (check,) = (check for check in CHECKS if check.name == name)

    found = run({name: lambda: check.run(examined)})[name]

    assert found.message == "not permitted: cloudformation:ListStackResources"


def test_the_policy_of_doctors_allows_what_is_asked() -> None:
    denying = Denying()
    examined = examined_by(denying)
    run({check.name: partial(check.run, examined) for check in CHECKS})
    policy = translate(ROOT / "template.yaml")["Resources"]["DoctorPolicy"]
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    allowed = {action for statement in statements for action in actions(statement)}

    assert len(denying.asked) > 12
    assert denying.asked <= allowed


def actions(statement: Any) -> list[str]:
    """The actions of a statement, which may have a condition of the template."""
    listed = statement.get("Fn::If", [None, statement, statement])
    named = next(item for item in listed[1:] if "Action" in item)["Action"]
    return [named] if isinstance(named, str) else named


def test_stubs_are_needed() -> None:
    """A stub that is not asked for is an error: else a check could leave out a request."""
    stubbed = Stubbed()
    stubbed.answer("sts", "get_caller_identity", IDENTITY)
    with pytest.raises(AssertionError):
        stubbed.all_asked()
