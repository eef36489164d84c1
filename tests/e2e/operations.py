"""What people do with a running application, as end-to-end tests do it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scones_operator.aws.executions import ExecutionOutcome, start_execution
from scones_operator.models import promotion, registry
from scones_operator.models.promotion import ApprovalRequest
from scones_operator.models.retraining import follow_retraining, start_retraining
from scones_operator.models.threshold import read_threshold, write_threshold
from scones_operator.review import queue
from tests.e2e.harness import Application, eventually


class Operator:
    """Retrains, reviews, approves, promotes; as `scones` does it, and with nobody's permissions
    but those of operators, reviewers and approvers for what is theirs.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._session, self._stack = application.operator.session(), application.stack
        self._reviewer = application.reviewer.session()
        self._approver = application.approver.session()

    def retrain(self, *, force: bool = False) -> ExecutionOutcome:
        execution = start_retraining(self._session, self._stack, "tests", force=force)
        return self.follow_retraining(execution)

    def follow_retraining(self, execution: str) -> ExecutionOutcome:
        return follow_retraining(self._session, execution, lambda _: None, sleep_briefly)

    def label(self, photo: tuple[str, str], name: str | None) -> str:
        """Label a photo, with None as none of the classes, and return its key in the dataset."""
        record = queue.get_pending(self._reviewer, self._stack, *photo)
        if name is None:
            said = queue.label_as_none(self._reviewer, self._stack, record).review
        else:
            said = queue.label(self._reviewer, self._stack, record, name).review
        assert said is not None
        assert said.dataset_key is not None
        return said.dataset_key

    def undo(self, photo: str) -> None:
        record = queue.get_reviewed(self._reviewer, self._stack, photo)
        queue.undo(self._reviewer, self._stack, record)

    @contextmanager
    def unsure_of_everything(self) -> Iterator[None]:
        """A threshold for a while that no photo reaches."""
        before = read_threshold(self._session, self._stack)
        assert before is not None
        self._decide_by(1)
        yield
        self._decide_by(before)

    def _decide_by(self, threshold: float) -> None:
        write_threshold(self._session, self._stack, threshold)
        # It keeps what it has read for a minute.
        self._application.restart("ThresholdFunction")

    def register(self) -> int:
        """Retrain, though nothing is new, to a registered version."""
        outcome = self.retrain(force=True)
        assert outcome.outcome == "registered", outcome.message
        return int(outcome.details["version"])

    def approve(self, version: int) -> ApprovalRequest | ExecutionOutcome:
        """Approve a version; gives the promotion's question, or how it ended without one."""
        approval = promotion.approve_version(self._approver, self._stack, version, "tests")
        execution = promotion.wait_for_promotion(
            self._approver, self._stack, approval, sleep_briefly
        )
        return self.follow(execution)

    def reject(self, version: int) -> str:
        """Reject a version; gives its ARN."""
        return registry.reject_version(self._approver, self._stack, version, "").arn

    def ask(self, version: int) -> ApprovalRequest:
        asked = self.approve(version)
        assert isinstance(asked, ApprovalRequest), asked
        return asked

    def answer(self, asked: ApprovalRequest, *, approved: bool, comment: str = "") -> None:
        promotion.send_approval(
            self._approver, self._stack, asked, approved=approved, comment=comment
        )

    def end_of(self, asked: ApprovalRequest) -> ExecutionOutcome:
        """How a promotion ends after its question was answered."""
        ended = self.follow(asked.execution, asked.event_id)
        assert isinstance(ended, ExecutionOutcome)
        return ended

    def follow(self, execution: str, after: int = 0) -> ApprovalRequest | ExecutionOutcome:
        return promotion.follow_promotion(
            self._approver, execution, lambda _: None, after, sleep_briefly
        )

    def promote(self, version: int) -> ExecutionOutcome:
        asked = self.ask(version)
        self.answer(asked, approved=True)
        return self.end_of(asked)

    def roll_back(self, version: int) -> ExecutionOutcome:
        ended = self.follow(promotion.start_rollback(self._approver, self._stack, version, "tests"))
        assert isinstance(ended, ExecutionOutcome)
        return ended

    def host(self, artifacts: str) -> ExecutionOutcome:
        ended = self.follow(
            promotion.start_hosting(self._approver, self._stack, artifacts, "tests")
        )
        assert isinstance(ended, ExecutionOutcome)
        return ended

    def start_promotion(self, request: dict[str, Any]) -> ExecutionOutcome:
        """Start the machine itself with any input, to its end."""
        execution = start_execution(self._approver, self._stack.promote_state_machine, request)
        ended = self.follow(execution)
        assert isinstance(ended, ExecutionOutcome)
        return ended

    def versions(self) -> list[int]:
        return [version.number for version in registry.list_versions(self._session, self._stack)]

    def version(self, number: int) -> registry.ModelVersion:
        return registry.get_version(self._session, self._stack, number)

    def version_in_production(self) -> int | None:
        found = registry.get_production_model(self._session, self._stack)
        if not found or not found.model_package_arn:
            return None
        return int(found.model_package_arn.rpartition("/")[2])

    def endpoints(self) -> set[str]:
        """Names of the endpoints; deleting one takes a moment, here and on AWS."""
        listed = self._application.client("sagemaker").list_endpoints()["Endpoints"]
        return {one["EndpointName"] for one in listed if one["EndpointStatus"] != "Deleting"}

    def configuration(self) -> str:
        """Name of the configuration that the production endpoint runs."""
        described = self._application.client("sagemaker").describe_endpoint(
            EndpointName=self._stack.endpoint
        )
        assert described["EndpointStatus"] == "InService"
        return str(described["EndpointConfigName"])

    def wait_for_update(self) -> None:
        """Wait until the production endpoint is being updated."""
        client = self._application.client("sagemaker")

        def look() -> bool | None:
            described = client.describe_endpoint(EndpointName=self._stack.endpoint)
            return True if described["EndpointStatus"] == "Updating" else None

        eventually(look)

    @contextmanager
    def configured(self, function: str, **variables: str) -> Iterator[None]:
        """Give a function other environment variables for a while."""
        client, name = self._application.client("lambda"), self._application.resource(function)
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        changed = {"Variables": before | variables}
        client.update_function_configuration(FunctionName=name, Environment=changed)
        try:
            yield
        finally:
            client.update_function_configuration(
                FunctionName=name, Environment={"Variables": before}
            )

    @contextmanager
    def with_definition(self, machine: str, old: str, new: str) -> Iterator[None]:
        """Change the text of a machine's definition for a while."""
        client = self._application.client("stepfunctions")
        text = client.describe_state_machine(stateMachineArn=machine)["definition"]
        assert old in text
        client.update_state_machine(stateMachineArn=machine, definition=text.replace(old, new))
        try:
            yield
        finally:
            client.update_state_machine(stateMachineArn=machine, definition=text)


def sleep_briefly() -> None:
    time.sleep(0.2)


def message_about(told: list[Any], words: str) -> str:
    """The only message among those that holds some words."""
    found = [one["Message"] for one in told if words in one["Message"]]
    assert len(found) == 1, told
    return str(found[0])
