"""Step Functions as the commands see it: executions that go on whenever somebody waits.

Requests are held against botocore's model of the API, and history events have the members that
AWS documents for HistoryEvent.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

MODEL = botocore.session.Session().get_service_model("stepfunctions")
START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
ARN = "arn:aws:states:us-east-1:123456789012"
RETRAIN, PROMOTE = f"{ARN}:stateMachine:scones-retrain", f"{ARN}:stateMachine:scones-promote"

Details = dict[str, Any]


def entered(state: str, kind: str = "Task") -> Details:
    return {
        "type": f"{kind}StateEntered",
        "stateEnteredEventDetails": {"name": state, "input": "{}"},
    }


def scheduled(resource: str, **parameters: Any) -> Details:
    kind, _, action = resource.partition(":")
    details = {"resourceType": kind, "resource": action, "region": "us-east-1"}
    return {
        "type": "TaskScheduled",
        "taskScheduledEventDetails": {**details, "parameters": json.dumps(parameters)},
    }


def asked(token: str, version: int = 3) -> list[Details]:
    """Give the events of a promotion that asks about a version."""
    texts = {"task_token": token, "version": str(version), "smoke_test": "50 of 50 photos right"}
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    sns = scheduled("sns:publish.waitForTaskToken", TopicArn="t", MessageAttributes=attributes)
    return [entered("Ask A Person"), sns, {"type": "TaskStarted"}, {"type": "TaskSubmitted"}]


@dataclass
class Execution:
    """One execution; each look that is waited for brings the next chunk of its history."""

    arn: str
    request: Any
    chunks: list[list[Details]]
    end: Details = field(default_factory=dict)
    events: list[Details] = field(default_factory=list)
    started_at: datetime = START
    redrives: int = 0

    def __post_init__(self) -> None:
        started = {"input": json.dumps(self.request)}
        self.add([{"type": "ExecutionStarted", "executionStartedEventDetails": started}])
        self.go_on()

    def add(self, chunk: list[Details]) -> None:
        for event in chunk:
            number = len(self.events) + 1
            moment = START + timedelta(seconds=10 * number)
            self.events.append({"id": number, "timestamp": moment, **event})

    def go_on(self) -> None:
        if self.chunks:
            self.add(self.chunks.pop(0))

    @property
    def status(self) -> str:
        return str(self.end.get("status", "RUNNING")) if not self.chunks else "RUNNING"


class StepFunctions:
    """The client."""

    PAGE = 3
    """So few events a page, that there are several."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        self.plan: list[tuple[list[list[Details]], Details]] = []
        self.answers: list[tuple[str, Any]] = []
        self.waiting: set[str] = set()
        self.names: set[str] = set()
        self.refusal = "TaskTimedOut"
        self.express: Callable[[Any], dict[str, str]] = lambda _: {"status": "SUCCEEDED"}

    def run(self, machine: str, request: Any, chunks: list[list[Details]], **end: Any) -> Execution:
        name = f"run-{len(self.executions) + 1}"
        arn = f"{machine.replace('stateMachine', 'execution')}:{name}"
        execution = Execution(arn, request, list(chunks), end)
        self.executions.insert(0, execution)
        return execution

    def pause(self) -> None:
        for execution in self.executions:
            execution.go_on()

    def start_execution(self, **given: Any) -> Any:
        _check("StartExecution", given)
        if "name" in given:
            # As for one that has ended: it takes no second one of its name for 90 days.
            if given["name"] in self.names:
                refusal = {"Error": {"Code": "ExecutionAlreadyExists", "Message": "no"}}
                raise ClientError(refusal, "StartExecution")
            self.names.add(given["name"])
        chunks, end = self.plan.pop(0) if self.plan else ([[]], {})
        request = json.loads(given["input"])
        return {"executionArn": self.run(given["stateMachineArn"], request, chunks, **end).arn}

    def start_sync_execution(self, **given: Any) -> Any:
        """Run an Express machine; `express` does what it does and gives its end."""
        _check("StartSyncExecution", given)
        return self.express(json.loads(given["input"]))

    def describe_execution(self, **given: Any) -> Any:
        _check("DescribeExecution", given)
        execution = self._find(given["executionArn"])
        status = execution.status
        end = {} if status == "RUNNING" else execution.end
        request = json.dumps(execution.request)
        answer = {"executionArn": execution.arn, "status": status, "input": request}
        return {**answer, "startDate": execution.started_at, **end}

    def list_executions(self, **given: Any) -> Any:
        _check("ListExecutions", given)
        machine = given["stateMachineArn"].replace("stateMachine", "execution")
        found = [
            {
                "executionArn": execution.arn,
                "startDate": execution.started_at,
                "status": execution.status,
                "redriveCount": execution.redrives,
            }
            for execution in self.executions
            if execution.arn.startswith(machine)
            and given.get("statusFilter") in (None, execution.status)
        ]
        return {"executions": found[: given.get("maxResults", 1000)]}

    def get_paginator(self, operation: str) -> Any:
        return _Pages(self, operation)

    def history(self, **given: Any) -> Iterator[Any]:
        _check("GetExecutionHistory", given)
        events = list(self._find(given["executionArn"]).events)
        if given.get("reverseOrder"):
            events.reverse()
        for start in range(0, len(events), self.PAGE):
            yield {"events": events[start : start + self.PAGE]}

    def send_task_success(self, **given: Any) -> Any:
        _check("SendTaskSuccess", given)
        if given["taskToken"] not in self.waiting:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "SendTaskSuccess")
        self.waiting.remove(given["taskToken"])
        told = json.loads(given["output"])
        by_whom = {name: told[name] for name in ("approved", "by", "comment") if name in told}
        self.answers.append((given["taskToken"], by_whom))
        for execution in self.executions:
            if given["taskToken"] in str(execution.events):
                details = {"resourceType": "sns", "output": given["output"]}
                execution.add([{"type": "TaskSucceeded", "taskSucceededEventDetails": details}])
        return {}

    def _find(self, arn: str) -> Execution:
        return next(execution for execution in self.executions if execution.arn == arn)


@dataclass
class _Pages:
    client: StepFunctions
    operation: str

    def paginate(self, **given: Any) -> Iterator[Any]:
        given.pop("PaginationConfig", None)
        if self.operation == "get_execution_history":
            yield from self.client.history(**given)
        else:
            yield self.client.list_executions(**given)


def _check(operation: str, given: Any) -> None:
    validate_parameters(given, MODEL.operation_model(operation).input_shape)
