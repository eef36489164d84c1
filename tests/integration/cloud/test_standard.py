"""Standard machines: branches, iterations and waits, and what becomes of them when stopped."""

from typing import Any

import pytest

from tests.integration.cloud.test_machines import ECHOES, RAISES, invoke
from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

COUNTS = """
import boto3

def handler(event, context):
    answer = boto3.client("dynamodb").update_item(
        TableName=event["table"],
        Key={"id": {"S": event["id"]}},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    return {"id": event["id"], "n": int(answer["Attributes"]["n"]["N"])}
"""


def ended(app: TinyApp, machine: str, data: Any = None) -> dict[str, Any]:
    return app.ended(app.start(machine, data))


def wait(seconds: Any, **fields: Any) -> dict[str, Any]:
    following = {} if "Next" in fields else {"End": True}
    return {"Type": "Wait", "Seconds": seconds, **following, **fields}


def branch(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def test_a_machine_lists_its_own_running_executions(app: TinyApp) -> None:
    name = app.name("machine")
    arn = f"arn:aws:states:{app.region}:{app.account}:stateMachine:{name}"
    arguments = {
        "StateMachineArn": "{% $states.context.StateMachine.Id %}",
        "StatusFilter": "RUNNING",
        "MaxResults": 100,
    }
    look = app.task(
        "aws-sdk:sfn:listExecutions", arguments, Output="{% $states.result.Executions %}"
    )
    machine = app.machine(
        {"Which": wait("{% $states.input.seconds %}", Next="Look"), "Look": look},
        allow("states:ListExecutions", arn),
        kind="STANDARD",
        name=name,
    )
    assert machine == arn
    older = app.start(machine, {"seconds": 600}, name="older")
    done = app.start(machine, {"seconds": 0}, name="done")
    seen = {execution["ExecutionArn"]: execution for execution in app.ended(done)["output"]}
    assert set(seen) == {older, done}
    assert seen[older]["Status"] == "RUNNING"
    assert seen[older]["Name"] == "older"
    assert seen[older]["StateMachineArn"] == machine
    # As AWS's SDK integrations write times, which sort as text.
    assert seen[older]["StartDate"] < seen[done]["StartDate"]
    assert seen[older]["StartDate"].endswith("Z")
    app.client("stepfunctions").stop_execution(executionArn=older)
    (only,) = ended(app, machine, {"seconds": 0})["output"]
    assert only["ExecutionArn"] not in seen


def test_listing_executions_needs_the_permission(app: TinyApp) -> None:
    arguments = {"StateMachineArn": "{% $states.context.StateMachine.Id %}"}
    look = app.task("aws-sdk:sfn:listExecutions", arguments)
    other = allow("states:ListExecutions", "arn:aws:states:*:*:stateMachine:another")
    result = ended(app, app.machine({"Look": look}, other, kind="STANDARD"))
    assert result["error"] == "Sfn.SfnException"
    assert "states:ListExecutions on resource: arn:aws:states:" in result["cause"]


def test_a_branch_has_arguments_an_output_and_variables_of_its_own(app: TinyApp) -> None:
    add = {
        "Type": "Pass",
        "Assign": {"n": "{% $n + $states.input.more %}"},
        "Next": "Give",
    }
    give = {"Type": "Pass", "Output": "{% $n %}", "End": True}
    states = {
        "First": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Both"},
        "Both": {
            "Type": "Parallel",
            "Arguments": {"more": "{% $states.input.given %}"},
            "Branches": [branch(Add=add, Give=give), branch(Give=give)],
            "Assign": {"results": "{% $states.result %}"},
            "Output": {"sum": "{% $sum($states.result) %}"},
            "Next": "Last",
        },
        "Last": {
            "Type": "Pass",
            "Output": "{% {'n': $n, 'results': $results, 'input': $states.input} %}",
            "End": True,
        },
    }
    execution = app.start(app.machine(states, kind="STANDARD"), {"given": 5})
    assert app.ended(execution)["output"] == {"n": 1, "results": [6, 1], "input": {"sum": 7}}
    entered = [e["stateEnteredEventDetails"]["name"] for e in app.events(execution, "StateEntered")]
    assert sorted(entered) == ["Add", "Both", "First", "Give", "Give", "Last"]
    numbers = [event["id"] for event in app.events(execution)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_first_branch_to_fail_ends_the_others(app: TinyApp) -> None:
    fail = {"Type": "Fail", "Error": "Odd", "Cause": "{% 'as ' & $states.input.told %}"}
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [branch(Wait=wait(1, Next="Never"), Never=wait(0)), branch(Fail=fail)],
            "Catch": [
                {
                    "ErrorEquals": ["Odd"],
                    "Output": "{% $states.errorOutput %}",
                    "Next": "Caught",
                }
            ],
            "End": True,
        },
        "Caught": wait(2),
    }
    execution = app.start(app.machine(states, kind="STANDARD"), {"told": "told"})
    assert app.ended(execution, 20)["output"] == {"Error": "Odd", "Cause": "as told"}
    left = [event["stateExitedEventDetails"]["name"] for event in app.events(execution, "Exited")]
    assert left == ["Both", "Caught"]


def test_a_map_invokes_a_function_for_each_item(app: TinyApp) -> None:
    function, table = app.function(COUNTS, [allow("dynamodb:UpdateItem")]), app.table()
    iteration = invoke(app, function, Output="{% $states.result.Payload %}")
    states = {
        "Each": {
            "Type": "Map",
            "Items": "{% $map($states.input.ids, function($i) { {'id': $i} }) %}",
            "ItemSelector": {
                "table": "{% $states.input.table %}",
                "id": "{% $states.context.Map.Item.Value.id & $states.context.Map.Item.Index %}",
            },
            "MaxConcurrency": 2,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                **branch(Count=iteration),
            },
            "Output": "{% $states.result %}",
            "End": True,
        }
    }
    machine = app.machine(states, allow("lambda:InvokeFunction", function), kind="STANDARD")
    execution = app.start(machine, {"table": table, "ids": ["a", "b", "c"]})
    assert app.ended(execution)["output"] == [
        {"id": "a0", "n": 1},
        {"id": "b1", "n": 1},
        {"id": "c2", "n": 1},
    ]
    assert len(app.events(execution, "MapIterationSucceeded")) == 3


def test_a_failing_iteration_ends_the_map_before_the_rest_begins(app: TinyApp) -> None:
    function = app.function(RAISES)
    states = {
        "Each": {
            "Type": "Map",
            "Items": "{% [1..30] %}",
            "MaxConcurrency": 1,
            "ItemProcessor": branch(Call=invoke(app, function)),
            "End": True,
        }
    }
    execution = app.start(app.machine(states, allow("lambda:*"), kind="STANDARD"))
    assert app.ended(execution)["error"] == "Odd"
    assert len(app.events(execution, "MapIterationStarted")) < 5


def test_a_stopped_execution_ends_in_its_wait_and_its_branches(app: TinyApp) -> None:
    function = app.function(ECHOES)
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                branch(Wait=wait(2, Next="Call"), Call=invoke(app, function)),
                branch(Wait=wait("{% 300 * 2 %}")),
            ],
            "End": True,
        }
    }
    execution = app.start(app.machine(states, allow("lambda:*"), kind="STANDARD"))
    assert eventually(lambda: len(app.events(execution, "WaitStateEntered")) == 2)
    app.client("stepfunctions").stop_execution(executionArn=execution, cause="enough")
    described = app.ended(execution)
    assert described["status"] == "ABORTED"
    assert described["cause"] == "enough"
    # The branch that would have called the function by now never did.
    follow = app.ended(app.start(app.machine({"Wait": wait(3)}, kind="STANDARD")))
    assert follow["status"] == "SUCCEEDED"
    assert app.events(execution)[-1]["type"] == "ExecutionAborted"
    assert app.events(execution, "TaskScheduled") == []


def test_what_follows_a_function_is_not_done_after_the_stop(app: TinyApp) -> None:
    function = app.function("import time\ndef handler(event, context): time.sleep(1)")
    table = app.table()
    put = app.task("dynamodb:putItem", {"TableName": table, "Item": {"id": {"S": "1"}}})
    way = branch(Call=invoke(app, function, Next="Put"), Put=put)
    states = {"Both": {"Type": "Parallel", "Branches": [way], "End": True}}
    statements = (allow("lambda:*"), allow("dynamodb:PutItem"))
    execution = app.start(app.machine(states, *statements, kind="STANDARD"))
    assert eventually(lambda: app.events(execution, "TaskStarted"))
    app.client("stepfunctions").stop_execution(executionArn=execution)
    # The function is over by then.
    ended(app, app.machine({"Wait": wait(3)}, kind="STANDARD"))
    assert app.client("dynamodb").scan(TableName=table)["Items"] == []


def test_a_fault_after_the_stop_changes_nothing(app: TinyApp) -> None:
    function = app.function("import time\ndef handler(event, context):\n time.sleep(1)\n 1 / 0")
    states = {"Call": invoke(app, function)}
    execution = app.start(app.machine(states, allow("lambda:*"), kind="STANDARD"))
    assert eventually(lambda: app.events(execution, "TaskStarted"))
    app.client("stepfunctions").stop_execution(executionArn=execution)
    group = f"/aws/lambda/{function.rpartition(':')[2]}"

    def failed() -> list[Any]:
        logs = app.client("logs")
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        found = logs.filter_log_events(logGroupName=group)["events"]
        return [event for event in found if "ZeroDivisionError" in event["message"]]

    assert eventually(failed)
    # The execution has heard of it by the time that another one is over.
    assert ended(app, app.machine({"Wait": wait(1)}, kind="STANDARD"))["status"] == "SUCCEEDED"
    assert app.ended(execution)["status"] == "ABORTED"
    assert app.events(execution)[-1]["type"] == "ExecutionAborted"


def test_an_execution_has_the_name_it_was_given_once(app: TinyApp) -> None:
    client = app.client("stepfunctions")
    machine = app.machine(
        {"Pass": {"Type": "Pass", "Output": "{% $states.context.Execution.Name %}", "End": True}},
        kind="STANDARD",
    )
    execution = app.start(machine, name="weekly")
    assert execution.endswith(":weekly")
    assert app.ended(execution)["output"] == "weekly"
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        app.start(machine, {"other": True}, name="weekly")
