"""Checks of the deployed stack: state, limits, schedules, rules, alarms and queues."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from scones.decisions import (
    InvalidFamiliarityLimit,
    InvalidThreshold,
    parse_familiarity_limit,
    parse_threshold,
    unknown_classes,
)
from scones_operator.aws.stack import Stack
from scones_operator.doctor.findings import Finding, not_checked, ok, problem, warning
from scones_operator.doctor.subject import Subject

AGE_PERIOD = timedelta(minutes=15)
"""Period in which the age of the oldest message is read; SQS writes it every minute.

Source:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-monitoring-using-cloudwatch.html
"""

_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

_UPDATED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}

_EVENTS = "aws cloudformation describe-stack-events --stack-name {name}"
_DELETE = Finding("problem", "", "read why, delete the stack, and deploy it again", _EVENTS)
_FAILED: Mapping[str, Finding] = {
    "CREATE_FAILED": _DELETE,
    "ROLLBACK_COMPLETE": _DELETE,
    "ROLLBACK_FAILED": _DELETE,
    "DELETE_FAILED": Finding("problem", "", "read why, and delete the stack again", _EVENTS),
    "UPDATE_FAILED": Finding("problem", "", "read why, and deploy again", _EVENTS),
    "UPDATE_ROLLBACK_FAILED": Finding(
        "problem",
        "",
        "read why in the events of the stack, fix it, and continue the rollback",
        "aws cloudformation continue-update-rollback --stack-name {name}",
    ),
    "UPDATE_ROLLBACK_COMPLETE": Finding(
        "warning", "", "the last update was undone: read why, and deploy again", _EVENTS
    ),
}
"""Findings by StackStatus.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
"""


def check_state(subject: Subject) -> Finding:
    """Check that the stack is deployed and that its last deployment succeeded."""
    name = subject.name
    if subject.deployment is None:
        return not_checked(
            f"{name} is not deployed: checked with {subject.source}; check again after `sam deploy`"
        )
    state = subject.deployment.description["StackStatus"]
    text = f"{name} is {state}"
    if state in _FAILED:
        failed = _FAILED[state]
        return replace(failed, message=text, command=failed.command.format(name=name))
    if state not in _UPDATED:
        return warning(text, "wait until it ends, and check again")
    if subject.deployment.stack is None:
        return problem(f"{text}, but lacks outputs", "deploy the current template")
    return ok(text)


def check_threshold(subject: Subject, stack: Stack) -> Finding:
    """Check that the confidence threshold is a number from 0 to 1, and those of classes apply."""
    if unknown := unknown_classes(stack.thresholds_by_class, stack.class_names):
        return problem(
            f"{unknown}; all photos fail", "correct ThresholdByClass, and deploy the stack again"
        )
    name, command = stack.threshold_parameter, "scones threshold"
    return _check_limit(subject, name, "Threshold", parse_threshold, command)


def check_familiarity_limit(subject: Subject, stack: Stack) -> Finding:
    """Check that the familiarity limit is a number from 0 to 1."""
    name, command = stack.familiarity_limit_parameter, "scones threshold --familiarity-limit"
    return _check_limit(subject, name, "FamiliarityLimit", parse_familiarity_limit, command)


def check_retraining_schedule(subject: Subject, stack: Stack) -> Finding:
    """Check that the schedule of retrainings is as deployed."""
    return _check_schedule(subject, "RetrainStateMachineSchedule", "RetrainScheduleState")


def check_drift_schedule(subject: Subject, stack: Stack) -> Finding:
    """Check that the schedule of drift checks is as deployed."""
    return _check_schedule(subject, "CheckDriftFunctionSchedule", "DriftScheduleState")


def check_rules(subject: Subject, stack: Stack) -> Finding:
    """Check that all rules of EventBridge are enabled."""
    rules = subject.deployed.resources_of("AWS::Events::Rule")
    described = {
        logical: _describe_rule(subject, physical, stack.event_bus)
        for logical, physical in rules.items()
    }
    if missing := [logical for logical, rule in described.items() if rule is None]:
        return problem(f"deleted: {', '.join(missing)}", "deploy the stack again to restore rules")
    off = [rule for rule in described.values() if rule and rule["State"] == "DISABLED"]
    if off:
        first = off[0]
        return problem(
            f"disabled: {', '.join(rule['Name'] for rule in off)}",
            "enable each, unless it was disabled on purpose",
            f"aws events enable-rule --name {first['Name']} --event-bus-name {_bus(first)}",
        )
    return ok(f"{len(described)} are enabled")


def check_alarms(subject: Subject, stack: Stack) -> Finding:
    """Check that no alarm is in ALARM, and that all of them notify."""
    alarm_names = subject.deployed.resources_of("AWS::CloudWatch::Alarm")
    pages = subject.session.client("cloudwatch").get_paginator("describe_alarms")
    described = pages.paginate(AlarmNames=sorted(alarm_names.values()), AlarmTypes=["MetricAlarm"])
    alarms = {item["AlarmName"]: item for page in described for item in page["MetricAlarms"]}
    logical = {physical: name for name, physical in alarm_names.items()}
    if firing := _alarm_names(alarms, logical, lambda alarm: alarm["StateValue"] == "ALARM"):
        return problem(f"in ALARM: {', '.join(firing)}", "see “Alarms” in docs/watching.md")
    if missing := [name for name, physical in alarm_names.items() if physical not in alarms]:
        return problem(f"deleted: {', '.join(missing)}", "deploy the stack again to restore alarms")
    if silent := _alarm_names(alarms, logical, lambda alarm: not alarm["ActionsEnabled"]):
        names = " ".join(alarm_names[name] for name in silent)
        return warning(
            f"notify nobody: {', '.join(silent)}",
            "enable their actions",
            f"aws cloudwatch enable-alarm-actions --alarm-names {names}",
        )
    return ok(f"none of {len(alarm_names)} is in ALARM")


def check_undelivered(subject: Subject, stack: Stack) -> Finding:
    """Check that no event waits because its state machine could not be started."""
    advice = "list them, then deliver them again without --dry-run"
    return _check_queue(subject, stack.dead_letter_queue, advice, "scones redrive --dry-run")


def check_unmeasured(subject: Subject, stack: Stack) -> Finding:
    """Check that no event waits because it could not be measured."""
    advice = "see “What was not measured” in docs/watching.md"
    return _check_queue(subject, stack.missed_metrics_queue, advice)


def _check_limit(
    subject: Subject, name: str, parameter: str, parse: Callable[[str], float], command: str
) -> Finding:
    deployed = subject.parameters[parameter]
    try:
        text = subject.session.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        value = parse(text)
    except (InvalidThreshold, InvalidFamiliarityLimit):
        return problem(
            f"{name} is {text!r}, not a number from 0 to 1", "set it", f"{command} {deployed}"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        # Operators have not set another one.
        return ok(f"{float(deployed):g}, as {parameter}")
    if value != float(deployed):
        return ok(f"{value:g}, set by an operator; {parameter} is {float(deployed):g}")
    return ok(f"{value:g}, as {parameter}")


def _check_schedule(subject: Subject, logical: str, parameter: str) -> Finding:
    name = subject.deployed.resources_of("AWS::Scheduler::Schedule").get(logical)
    if not name:
        return problem(f"the stack has no resource {logical}", "deploy the current template")
    client = subject.session.client("scheduler")
    try:
        schedule = client.get_schedule(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return problem(f"{name} does not exist", "deploy the stack again to restore it")
    state, expected = schedule["State"], subject.parameters[parameter]
    if state == expected:
        return ok(f"{name}: {state.lower()}, {schedule['ScheduleExpression']}")
    return problem(
        f"{name} is {state.lower()}, though {parameter} is {expected}",
        f"set it to {expected.lower()} in the EventBridge Scheduler console, or deploy with "
        f"{parameter}={state}",
    )


def _describe_rule(subject: Subject, physical: str, bus: str) -> Any:
    """Return the description of a rule, or None if it does not exist.

    The ID of a rule on another bus than the default one is ``BUS|RULE``, which AWS does not
    document: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1131.
    For a name alone, the stack's bus comes first: the policy allows all of its rules.
    """
    client = subject.session.client("events")
    named, _, rule = physical.rpartition("|")
    for candidate in [named] if named else [bus, "default"]:
        try:
            return client.describe_rule(Name=rule, EventBusName=candidate)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
    return None


def _bus(rule: Any) -> str:
    return str(rule.get("EventBusName", "default"))


def _alarm_names(
    alarms: dict[str, Any], logical: dict[str, str], matches: Callable[[Any], bool]
) -> list[str]:
    return sorted(logical[name] for name, alarm in alarms.items() if matches(alarm))


def _check_queue(subject: Subject, queue: str, advice: str, command: str = "") -> Finding:
    client: Any = subject.session.client("sqs")
    response = client.get_queue_attributes(QueueUrl=queue, AttributeNames=_COUNTS)
    count = sum(int(response["Attributes"][name]) for name in _COUNTS)
    if not count:
        return ok("empty")
    waiting = "1 message waits" if count == 1 else f"{count:,} messages wait"
    return problem(f"{waiting}, {_oldest(subject, queue)}", advice, command)


def _oldest(subject: Subject, queue: str) -> str:
    """Return how long the oldest message of a queue has waited, as far as it is known."""
    response = subject.session.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue.rpartition("/")[2]}],
        StartTime=subject.now - AGE_PERIOD,
        EndTime=subject.now,
        Period=60,
        Statistics=["Maximum"],
    )
    points = sorted(response["Datapoints"], key=lambda point: point["Timestamp"])
    if not points:
        return "for how long is not known yet"
    return f"the oldest for {format_duration(timedelta(seconds=points[-1]['Maximum']))}"


def format_duration(time: timedelta) -> str:
    """Return a duration in its largest whole unit.

    Examples
    --------
    >>> [format_duration(timedelta(hours=hours)) for hours in (51, 1, 0)]
    ['2 days', '1 hour', '0 minutes']
    """
    seconds = time.total_seconds()
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size or unit == "minute":
            number = int(seconds // size)
            break
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
