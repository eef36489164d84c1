import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scones_operator.aws.executions import ExecutionOutcome
from scones_operator.errors import OperationError, PreconditionError
from scones_operator.models import promotion
from scones_operator.models.promotion import ApprovalRequest
from tests.unit.operator.deployed import STACK
from tests.unit.operator.step_functions import PROMOTE, StepFunctions, asked, entered

PROMOTED = {"status": "SUCCEEDED", "output": json.dumps({"outcome": "promoted", "message": "m"})}


def event(arn: str) -> dict[str, Any]:
    return {"source": "aws.sagemaker", "detail": {"ModelPackageArn": arn}}


def package(version: int) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/scones/{version}"


def follow(session: Any, execution: str, after: int = 0) -> tuple[list[str], Any]:
    told: list[Any] = []
    pause = session.machines.pause
    end = promotion.follow_promotion(session, execution, told.append, after, pause)
    return [str(item) for item in told], end


def waiting(machines: StepFunctions, version: int = 3, token: str = "token") -> Any:
    machines.waiting.add(token)
    return machines.run(PROMOTE, event(package(version)), [asked(token, version)])


# ---- following


def test_it_is_followed_to_its_question_and_then_to_its_end(
    session: Any, machines: StepFunctions
) -> None:
    looks = [entered("Wait For Staging", "Wait"), entered("Look At Staging")] * 4
    machines.waiting.add("token")
    execution = machines.run(
        PROMOTE,
        event(package(3)),
        [[entered("Create Staging")], looks, [entered("Smoke Test")], asked("token")],
    )
    told, question = follow(session, execution.arn)
    assert list(dict.fromkeys(told)) == [
        "Creating a staging endpoint",
        "Smoke test in staging",
    ]
    assert isinstance(question, ApprovalRequest)
    assert (question.version, question.smoke_test) == (3, "50 of 50 photos right")
    assert question.execution == execution.arn

    promotion.send_approval(session, STACK, question, approved=True, comment="fine")
    assert machines.answers == [("token", {"approved": True, "by": "anna", "comment": "fine"})]

    execution.chunks, execution.end = [[entered("Update Endpoint")]], PROMOTED
    told, outcome = follow(session, execution.arn, question.event_id)
    assert told == ["Deploying to production"]
    assert isinstance(outcome, ExecutionOutcome)
    assert outcome.outcome == "promoted"


def test_a_question_that_was_just_answered_is_not_asked_again(
    session: Any, machines: StepFunctions
) -> None:
    execution = waiting(machines)
    _, question = follow(session, execution.arn)
    # The answer is not in the history yet.
    execution.chunks, execution.end = [[], [{"type": "TaskSucceeded"}]], PROMOTED
    _, end = follow(session, execution.arn, question.event_id)
    assert isinstance(end, ExecutionOutcome)


def test_a_second_question_is_put_as_well(session: Any, machines: StepFunctions) -> None:
    execution = waiting(machines)
    _, first = follow(session, execution.arn)
    execution.chunks = [[{"type": "TaskFailed"}, *asked("another")]]
    _, second = follow(session, execution.arn, first.event_id)
    assert second.token == "another"


# ---- what waits


def test_what_is_under_way(session: Any, machines: StepFunctions) -> None:
    machines.run(PROMOTE, {"rollback_to": package(1)}, [[]], **PROMOTED)
    waiting(machines, 3)
    machines.run(PROMOTE, {"rollback_to": package(2)}, [[entered("Update Endpoint")]])
    rollback, waits = promotion.list_running_promotions(session, STACK)
    assert rollback.title == "the rollback to version 2"
    assert str(rollback.step) == "Deploying to production"
    assert rollback.approval_request is None
    assert waits.title == "the promotion of version 3"
    assert waits.approval_request is not None
    assert waits.approval_request.version == 3


@pytest.mark.parametrize("later", ["TaskSucceeded", "TaskTimedOut", "TaskFailed"])
def test_an_answered_question_does_not_wait(
    session: Any, machines: StepFunctions, later: str
) -> None:
    waiting(machines).add([{"type": later}])
    (running,) = promotion.list_running_promotions(session, STACK)
    assert running.approval_request is None


@pytest.mark.parametrize("number", [None, 3])
def test_the_one_question_is_chosen(session: Any, machines: StepFunctions, number: Any) -> None:
    waiting(machines, 3)
    question = promotion.select_approval_request(
        promotion.list_running_promotions(session, STACK), number
    )
    assert question.token == "token"


def test_the_named_one_of_two_is_chosen(session: Any, machines: StepFunctions) -> None:
    waiting(machines, 3, "three")
    waiting(machines, 4, "four")
    found = promotion.list_running_promotions(session, STACK)
    assert promotion.select_approval_request(found, 3).token == "three"
    with pytest.raises(
        PreconditionError,
        match="several promotions wait for approval: choose one of the versions 4, 3",
    ):
        promotion.select_approval_request(found, None)


def test_another_version_than_the_waiting_one(session: Any, machines: StepFunctions) -> None:
    waiting(machines, 3)
    found = promotion.list_running_promotions(session, STACK)
    with pytest.raises(
        PreconditionError, match="version 2 does not wait for approval, but version 3 does"
    ):
        promotion.select_approval_request(found, 2)


def test_nothing_to_answer(session: Any, machines: StepFunctions) -> None:
    with pytest.raises(PreconditionError, match="no promotion is waiting for approval"):
        promotion.select_approval_request([], None)
    machines.run(PROMOTE, event(package(3)), [[entered("Smoke Test")]])
    found = promotion.list_running_promotions(session, STACK)
    with pytest.raises(PreconditionError, match=r"version 3 is running.*\(Smoke test in staging\)"):
        promotion.select_approval_request(found, None)


def test_an_answer_that_comes_too_late(session: Any, machines: StepFunctions) -> None:
    waiting(machines)
    question = promotion.select_approval_request(
        promotion.list_running_promotions(session, STACK), None
    )
    machines.waiting.clear()
    with pytest.raises(PreconditionError, match="version 3 no longer waits for approval"):
        promotion.send_approval(session, STACK, question, approved=False)
    machines.refusal = "AccessDeniedException"
    with pytest.raises(ClientError):
        promotion.send_approval(session, STACK, question, approved=False)


# ---- approval


def test_approval_starts_the_promotion_by_its_event(session: Any, machines: StepFunctions) -> None:
    arn = session.register()
    machines.run(PROMOTE, event(arn), [[]], **PROMOTED)  # of an approval before a rejection
    approval = promotion.approve_version(session, STACK, 1, "anna", "fine")
    assert approval.execution is None
    assert session.status(arn) == "Approved"

    started: list[str] = []

    def pause() -> None:
        # Events come late, and twice.
        if len(started) < 3:
            sent = [{"rollback_to": arn}, event(package(9)), event(arn)][len(started)]
            started.append(machines.run(PROMOTE, sent, [[]]).arn)
            if len(started) == 3:
                machines.run(PROMOTE, event(arn), [[]])

    assert promotion.wait_for_promotion(session, STACK, approval, pause) == started[-1]


def test_approval_whose_event_starts_nothing(session: Any, machines: StepFunctions) -> None:
    session.register()
    approval = promotion.approve_version(session, STACK, 1, "anna")
    with pytest.raises(
        OperationError, match="its promotion has not started: run the command again"
    ):
        promotion.wait_for_promotion(session, STACK, approval, lambda: None)


def test_an_approved_version_is_promoted_again(session: Any, machines: StepFunctions) -> None:
    arn = session.register("Approved")
    approval = promotion.approve_version(session, STACK, 1, "anna")
    (execution,) = machines.executions
    assert approval.execution == execution.arn
    assert execution.request == {"detail": {"ModelPackageArn": arn}, "requested_by": "anna"}
    assert promotion.wait_for_promotion(session, STACK, approval) == execution.arn
    # A third time finds it under way.
    assert promotion.approve_version(session, STACK, 1, "anna").execution == execution.arn
    assert len(machines.executions) == 1


def test_a_version_in_production_is_not_approved_again(
    session: Any, machines: StepFunctions
) -> None:
    session.put_into_production(ModelPackageName=session.register("Approved"))
    with pytest.raises(PreconditionError, match="version 1 is already approved and in production"):
        promotion.approve_version(session, STACK, 1, "anna")
    assert machines.executions == []


@pytest.mark.parametrize("status", ["PendingManualApproval", "Approved"])
def test_one_promotion_at_a_time(session: Any, machines: StepFunctions, status: str) -> None:
    arn = session.register(status)
    waiting(machines, 3)
    with pytest.raises(
        PreconditionError, match=r"version 3 waits for approval.*promote --approve 3"
    ):
        promotion.approve_version(session, STACK, 1, "anna")
    assert session.status(arn) == status
    assert len(machines.executions) == 1


# ---- the way back


def test_rollback(session: Any, machines: StepFunctions) -> None:
    arn = session.register("Approved")
    session.put_into_production(ModelPackageName=session.register("Approved"))
    execution = promotion.start_rollback(session, STACK, 1, "anna")
    assert machines.executions[0].arn == execution
    assert machines.executions[0].request == {"rollback_to": arn, "requested_by": "anna"}


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, r"version 1 is not approved \(its status is Rejected\).*scones approve 1"),
        (2, "version 2 is already in production"),
        (3, "version 3 of scones does not exist"),
    ],
)
def test_rollback_to_what_can_not_be(
    session: Any, machines: StepFunctions, number: int, said: str
) -> None:
    session.register("Rejected")
    session.put_into_production(ModelPackageName=session.register("Approved"))
    with pytest.raises(PreconditionError, match=said):
        promotion.start_rollback(session, STACK, number, "anna")
    assert machines.executions == []


def test_rollback_while_another_one_is_under_way(session: Any, machines: StepFunctions) -> None:
    session.register("Approved")
    machines.run(PROMOTE, {"artifacts": "s3://data/m.tar.gz"}, [[entered("Update Endpoint")]])
    with pytest.raises(
        PreconditionError, match=r"hosting of s3://data/m.tar.gz is running \(Deploying"
    ):
        promotion.start_rollback(session, STACK, 1, "anna")


def test_hosting_a_saved_model(session: Any, machines: StepFunctions) -> None:
    s3 = session.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="models/m.tar.gz", Body=b"model")
    promotion.start_hosting(session, STACK, "s3://data/models/m.tar.gz", "anna")
    request = {"artifacts": "s3://data/models/m.tar.gz", "requested_by": "anna"}
    assert machines.executions[0].request == request


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("s3://data/models/none.tar.gz", "object s3://data/models/none.tar.gz does not exist"),
        (
            "s3://other/a/m.tar.gz",
            "aws s3 cp s3://other/a/m.tar.gz s3://data/models/m.tar.gz",
        ),
    ],
)
def test_hosting_what_can_not_be_read(
    session: Any, machines: StepFunctions, uri: str, said: str
) -> None:
    session.client("s3").create_bucket(Bucket="data")
    with pytest.raises(PreconditionError, match=said):
        promotion.start_hosting(session, STACK, uri, "anna")
    assert machines.executions == []


@pytest.mark.parametrize("request_", [[], "x", None, {"detail": []}, {"rollback_to": 7}])
def test_an_execution_with_an_input_of_another_kind_does_not_hide_the_others(
    session: Any, machines: StepFunctions, request_: Any
) -> None:
    waiting(machines, 3)
    machines.run(PROMOTE, request_, [])

    other, promoted = promotion.list_running_promotions(session, STACK)

    assert other.approval_request is None
    assert promoted.title == "the promotion of version 3"


def test_an_answer_that_arrives_twice_is_given(
    session: Any, machines: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(machines)
    question = promotion.select_approval_request(
        promotion.list_running_promotions(session, STACK), 3
    )
    send = machines.send_task_success

    def arrive_twice(**given: Any) -> Any:
        send(**given)
        return send(**given)

    monkeypatch.setattr(machines, "send_task_success", arrive_twice)

    promotion.send_approval(session, STACK, question, approved=True)

    assert machines.answers == [("token", {"approved": True, "by": "anna"})]


def test_an_answer_after_another_one_is_refused(session: Any, machines: StepFunctions) -> None:
    waiting(machines)
    question = promotion.select_approval_request(
        promotion.list_running_promotions(session, STACK), 3
    )
    promotion.send_approval(session, STACK, question, approved=True)

    with pytest.raises(
        PreconditionError, match="no longer waits for approval: it was approved or rejected"
    ):
        promotion.send_approval(session, STACK, question, approved=True)
