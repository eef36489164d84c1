"""State machines run as their role, within AWS's limits, and see AWS's error names."""

import json
from typing import Any

import pytest

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

RAISES = """
class Odd(Exception):
    pass

def handler(event, context):
    raise Odd("as told")
"""

ECHOES = "def handler(event, context): return event"

CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "End"}]
END = {"Type": "Succeed"}


def invoke(app: TinyApp, function: str, **fields: Any) -> dict[str, Any]:
    arguments = {"FunctionName": function, "Payload": "{% $states.input %}"}
    return app.task("lambda:invoke", arguments, **fields)


def put_item(app: TinyApp, table: str, **fields: Any) -> dict[str, Any]:
    arguments = {
        "TableName": table,
        "Item": {"id": {"S": "{% $states.input.id %}"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    return app.task("dynamodb:putItem", arguments, **fields)


def test_an_exception_reaches_a_catch_by_its_class_name(app: TinyApp) -> None:
    function = app.function(RAISES)
    catch = [
        {
            "ErrorEquals": ["Odd"],
            "Assign": {"caught": "{% $parse($states.errorOutput.Cause) %}"},
            "Next": "Handled",
        }
    ]
    states = {
        "Call": invoke(app, function, Catch=catch, Next="Handled"),
        "Handled": {"Type": "Pass", "Output": "{% $caught %}", "End": True},
    }
    machine = app.machine(states, allow("lambda:InvokeFunction", function))
    output = app.run(machine)["output"]
    assert output["errorType"] == "Odd"
    assert output["errorMessage"] == "as told"


@pytest.mark.parametrize("kind", ["EXPRESS", "STANDARD"])
def test_without_permission_a_function_is_not_called(app: TinyApp, kind: str) -> None:
    function = app.function(ECHOES)
    other = allow("lambda:InvokeFunction", function + "-other")
    machine = app.machine({"Call": invoke(app, function)}, other, kind=kind)
    stepfunctions = app.client("stepfunctions")
    execution = stepfunctions.start_execution(stateMachineArn=machine)["executionArn"]

    def ended() -> Any:
        described = stepfunctions.describe_execution(executionArn=execution)
        return described if described["status"] != "RUNNING" else None

    described = eventually(ended)
    assert described["status"] == "FAILED"
    assert described["error"] == "Lambda.AWSLambdaException"
    assert (
        f"is not authorized to perform: lambda:InvokeFunction on resource: {function} "
        in (described["cause"])
    )


def test_a_permission_taken_away_fails_the_next_execution(app: TinyApp) -> None:
    function = app.function(ECHOES)
    machine = app.machine({"Call": invoke(app, function)}, allow("lambda:*", function))
    assert app.run(machine)["status"] == "SUCCEEDED"
    described = app.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    role = described["roleArn"].rsplit("/", 1)[-1]
    app.client("iam").delete_role_policy(RoleName=role, PolicyName="policy")
    assert app.run(machine)["error"] == "Lambda.AWSLambdaException"


def test_a_role_that_does_not_trust_step_functions_is_not_assumed(app: TinyApp) -> None:
    function = app.function(ECHOES)
    machine = app.machine({"Call": invoke(app, function)}, allow("*"))
    role = app.role("lambda.amazonaws.com", allow("*"))
    app.client("stepfunctions").update_state_machine(stateMachineArn=machine, roleArn=role)
    result = app.run(machine)
    assert result["status"] == "FAILED"
    assert "sts:AssumeRole" in result["cause"]


@pytest.mark.parametrize(
    ("resource", "arguments", "error", "action"),
    [
        (
            "dynamodb:putItem",
            {"TableName": "t", "Item": {"id": {"S": "1"}}},
            "DynamoDB.AmazonDynamoDBException",
            "dynamodb:PutItem",
        ),
        (
            "sns:publish",
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m"},
            "SNS.AuthorizationErrorException",
            "sns:Publish",
        ),
        (
            "events:putEvents",
            {"Entries": [{"Source": "s", "DetailType": "t", "Detail": {}}]},
            "EventBridge.AmazonEventBridgeException",
            "events:PutEvents",
        ),
        (
            "sqs:sendMessage",
            {"QueueUrl": "http://127.0.0.1/123456789012/q", "MessageBody": "m"},
            "SQS.AmazonSQSException",
            "sqs:SendMessage",
        ),
        (
            "states:startExecution",
            {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"},
            "StepFunctions.AWSStepFunctionsException",
            "states:StartExecution",
        ),
        (
            "aws-sdk:ssm:getParameter",
            {"Name": "/p"},
            "Ssm.AccessDeniedException",
            "ssm:GetParameter",
        ),
        (
            "aws-sdk:secretsmanager:getSecretValue",
            {"SecretId": "s"},
            "SecretsManager.SecretsManagerException",
            "secretsmanager:GetSecretValue",
        ),
        (
            "aws-sdk:dynamodb:query",
            {"TableName": "t", "KeyConditionExpression": "id = :i"},
            "DynamoDb.DynamoDbException",
            "dynamodb:Query",
        ),
        (
            "sagemaker:createModel",
            {"ModelName": "m", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"},
            "SageMaker.AmazonSageMakerException",
            "sagemaker:CreateModel",
        ),
        (
            "aws-sdk:sagemaker:describeEndpoint",
            {"EndpointName": "e"},
            "SageMaker.SageMakerException",
            "sagemaker:DescribeEndpoint",
        ),
    ],
)
def test_without_permission_no_service_is_called(
    app: TinyApp, resource: str, arguments: dict[str, Any], error: str, action: str
) -> None:
    result = app.run(app.machine({"Call": app.task(resource, arguments)}))
    assert result["error"] == error
    assert f"is not authorized to perform: {action} on resource: " in result["cause"]


def test_a_failed_condition_is_caught_by_name(app: TinyApp) -> None:
    table = app.table()
    name = "DynamoDB.ConditionalCheckFailedException"
    catch = [{"ErrorEquals": [name], "Output": "second", "Next": "End"}]
    states = {"Put": put_item(app, table, Output="first", Catch=catch, Next="End"), "End": END}
    machine = app.machine(states, allow("dynamodb:PutItem"))
    assert app.run(machine, {"id": "1"})["output"] == "first"
    assert app.run(machine, {"id": "1"})["output"] == "second"


def test_an_item_is_read_and_updated(app: TinyApp) -> None:
    table = app.table()
    key = {"id": {"S": "1"}}
    update = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"N": "2"}},
    }
    get = {"TableName": table, "Key": key, "ConsistentRead": True}
    states = {
        "Update": app.task("dynamodb:updateItem", update, Next="Get"),
        "Get": app.task("dynamodb:getItem", get, Output="{% $states.result.Item %}"),
    }
    machine = app.machine(states, allow("dynamodb:*", f"arn:aws:dynamodb:*:*:table/{table}"))
    assert app.run(machine)["output"] == {**key, "n": {"N": "2"}}


def test_an_sdk_error_has_the_name_of_its_class(app: TinyApp) -> None:
    task = app.task("aws-sdk:ssm:getParameter", {"Name": "/absent"})
    result = app.run(app.machine({"Get": task}, allow("ssm:GetParameter")))
    assert result["error"] == "Ssm.ParameterNotFoundException"


def test_an_event_of_an_object_reaches_a_rule(app: TinyApp) -> None:
    queue = app.queue()
    app.rule({"source": ["tiny.events"]}, {"Arn": app.queue_arn(queue)})
    entry = {"Source": "tiny.events", "DetailType": "T", "Detail": {"n": "{% $states.input.n %}"}}
    task = app.task("events:putEvents", {"Entries": [entry]}, Output="{% $states.result %}")
    machine = app.machine({"Put": task}, allow("events:PutEvents"))
    assert app.run(machine, {"n": 7})["output"]["FailedEntryCount"] == 0
    (message,) = app.messages(queue)
    event = json.loads(message["Body"])
    assert event["detail"] == {"n": 7}
    assert event["detail-type"] == "T"
    assert machine in event["resources"]


def test_a_refused_event_fails_the_task(app: TinyApp) -> None:
    entry = {"Source": "aws.s3", "DetailType": "T", "Detail": {}}
    task = app.task("events:putEvents", {"Entries": [entry]})
    result = app.run(app.machine({"Put": task}, allow("events:PutEvents")))
    assert result["error"] == "EventBridge.FailedEntry"


@pytest.mark.parametrize(
    ("body", "written"),
    [
        ("{% {'fingerprint': $states.input.fingerprint} %}", '{"fingerprint":"é"}'),
        # Whatever it is, Step Functions writes it as JSON.
        ("text data", '"text data"'),
        ("{% [1, false] %}", "[1,false]"),
    ],
)
def test_an_object_is_written_as_json_and_read_as_text(
    app: TinyApp, body: str, written: str
) -> None:
    bucket = app.bucket()
    named = {"Bucket": bucket, "Key": "a b"}
    states = {
        "Put": app.task("aws-sdk:s3:putObject", {**named, "Body": body}, Next="Get"),
        "Get": app.task("aws-sdk:s3:getObject", named, Output="{% $states.result %}"),
    }
    machine = app.machine(states, allow("s3:*", f"arn:aws:s3:::{bucket}/*"))
    output = app.run(machine, {"fingerprint": "é"})["output"]
    assert output["Body"] == written
    assert output["LastModified"].endswith("Z")


def test_a_missing_object_is_caught_by_name(app: TinyApp) -> None:
    bucket = app.bucket()
    get = app.task("aws-sdk:s3:getObject", {"Bucket": bucket, "Key": "absent"})
    statements = (
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
    )
    assert app.run(app.machine({"Get": get}, *statements))["error"] == "S3.NoSuchKeyException"


def test_a_message_with_attributes_reaches_a_subscriber(app: TinyApp) -> None:
    sns, queue = app.client("sns"), app.queue()
    topic = sns.create_topic(Name=app.name("topic"))["TopicArn"]
    sqs_policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": app.queue_arn(queue),
            }
        ],
    }
    app.client("sqs").set_queue_attributes(
        QueueUrl=queue, Attributes={"Policy": json.dumps(sqs_policy)}
    )
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=app.queue_arn(queue),
        Attributes={"FilterPolicy": json.dumps({"status": ["unsure"]})},
    )
    arguments = {
        "TopicArn": topic,
        "MessageStructure": "json",
        "Message": "{% $string({'default': 'look: ' & $states.input.photo}) %}",
        "MessageAttributes": {"status": {"DataType": "String", "StringValue": "unsure"}},
    }
    machine = app.machine({"Tell": app.task("sns:publish", arguments)}, allow("sns:Publish", topic))
    assert app.run(machine, {"photo": "a"})["output"]["MessageId"]
    (message,) = app.messages(queue)
    assert json.loads(message["Body"])["Message"] == "look: a"


def test_a_throttled_function_has_its_own_error(app: TinyApp) -> None:
    function = app.function(ECHOES)
    app.client("lambda").put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=0
    )
    machine = app.machine({"Call": invoke(app, function)}, allow("lambda:*"))
    assert app.run(machine)["error"] == "Lambda.TooManyRequestsException"


@pytest.mark.parametrize(("characters", "status"), [(262_142, "SUCCEEDED"), (262_143, "FAILED")])
def test_a_state_holds_262144_bytes(app: TinyApp, characters: int, status: str) -> None:
    # With its quotation marks, that many bytes of JSON.
    output = f"{{% $pad('', {characters}, 'x') %}}"
    result = app.run(app.machine({"Big": {"Type": "Pass", "Output": output, "End": True}}))
    assert result["status"] == status
    assert status == "SUCCEEDED" or result["error"] == "States.DataLimitExceeded"


def test_too_large_a_result_is_not_caught(app: TinyApp) -> None:
    function = app.function("def handler(event, context): return 'é' * 131_072")
    states = {"Call": invoke(app, function, Catch=CATCH_ALL, Next="End"), "End": END}
    result = app.run(app.machine(states, allow("lambda:*")))
    assert result["error"] == "States.DataLimitExceeded"


def test_assigned_variables_are_seen_by_the_next_state_only(app: TinyApp) -> None:
    states = {
        "First": {"Type": "Pass", "Assign": {"a": 1, "b": 1}, "Next": "Second"},
        "Second": {
            "Type": "Pass",
            "Assign": {"a": 2, "b": "{% $a %}"},
            "Output": "{% $a %}",
            "Next": "Third",
        },
        "Third": {"Type": "Pass", "Output": "{% [$a, $b, $states.input] %}", "End": True},
    }
    assert app.run(app.machine(states))["output"] == [2, 1, 1]


@pytest.mark.parametrize(("n", "chosen"), [(1, "rule"), (2, "default")])
def test_a_choice_and_a_succeed_state_have_an_output(app: TinyApp, n: int, chosen: str) -> None:
    rule = {"Condition": "{% $states.input.n = 1 %}", "Output": ["rule"], "Next": "Done"}
    states = {
        "Which": {
            "Type": "Choice",
            "Choices": [rule],
            "Default": "Done",
            "Output": ["default"],
            "Assign": {"seen": "{% $states.input.n %}"},
        },
        "Done": {"Type": "Succeed", "Output": {"chosen": "{% $states.input[0] %}"}},
    }
    assert app.run(app.machine(states), {"n": n})["output"] == {"chosen": chosen}


def test_the_context_tells_of_the_execution(app: TinyApp) -> None:
    output = "{% $states.context.Execution %}"
    machine = app.machine({"Pass": {"Type": "Pass", "Output": output, "End": True}})
    result = app.run(machine, {"n": 1})
    assert result["output"]["Id"] == result["executionArn"]
    assert result["output"]["Input"] == {"n": 1}
    assert result["output"]["Name"] == result["name"]
    assert result["output"]["StartTime"]


# Without MaxDelaySeconds it would wait for minutes.
@pytest.mark.timeout(45)
def test_a_fault_is_retried_with_jitter_until_it_passes(app: TinyApp) -> None:
    table = app.table()
    code = (
        "import boto3\ndef handler(event, context):\n"
        " n = boto3.client('dynamodb').update_item(TableName=event['table'],"
        " Key={'id': {'S': 'n'}}, UpdateExpression='ADD n :one',"
        " ExpressionAttributeValues={':one': {'N': '1'}}, ReturnValues='UPDATED_NEW')\n"
        " if int(n['Attributes']['n']['N']) < 3: raise RuntimeError('not yet')\n"
        " return int(n['Attributes']['n']['N'])"
    )
    function = app.function(code, [allow("dynamodb:UpdateItem")])
    retry = [
        {
            "ErrorEquals": ["RuntimeError"],
            "IntervalSeconds": 100,
            "MaxDelaySeconds": 1,
            "MaxAttempts": 2,
            "JitterStrategy": "FULL",
        }
    ]
    call = invoke(app, function, Retry=retry, Output="{% $states.result.Payload %}")
    machine = app.machine({"Call": call}, allow("lambda:*"))
    assert app.run(machine, {"table": table})["output"] == 3


def logging_to(group: str, level: str, *, data: bool) -> dict[str, Any]:
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}:*"
    return {
        "level": level,
        "includeExecutionData": data,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
    }


def history(app: TinyApp, group: str) -> list[dict[str, Any]]:
    events = app.client("logs").filter_log_events(logGroupName=group)["events"]
    return [json.loads(event["message"]) for event in events]


@pytest.mark.parametrize("data", [True, False])
def test_an_express_execution_writes_its_history(app: TinyApp, data: bool) -> None:
    group = app.name("/executions")
    app.client("logs").create_log_group(logGroupName=group)
    states = {"Pass": {"Type": "Pass", "Output": "{% $states.input.n + 1 %}", "End": True}}
    machine = app.machine(
        states,
        allow("logs:CreateLogDelivery"),
        loggingConfiguration=logging_to(group, "ALL", data=data),
    )
    execution = app.run(machine, {"n": 1})["executionArn"]
    written = history(app, group)
    assert [event["type"] for event in written] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert {event["execution_arn"] for event in written} == {execution}
    assert written[-1]["details"] == ({"output": "2"} if data else {})


@pytest.mark.parametrize("data", [True, False])
def test_a_tasks_arguments_are_logged_with_the_data_only(app: TinyApp, data: bool) -> None:
    group, table = app.name("/executions"), app.table()
    app.client("logs").create_log_group(logGroupName=group)
    machine = app.machine(
        {"Put": put_item(app, table)},
        allow("logs:CreateLogDelivery"),
        allow("dynamodb:PutItem"),
        loggingConfiguration=logging_to(group, "ALL", data=data),
    )
    app.run(machine, {"id": "a photo"})
    (scheduled,) = (event for event in history(app, group) if event["type"] == "TaskScheduled")
    assert scheduled["details"]["resourceType"] == "dynamodb"
    assert scheduled["details"]["resource"] == "putItem"
    assert ("parameters" in scheduled["details"]) is data
    assert any("a photo" in json.dumps(event) for event in history(app, group)) is data


def test_the_log_level_and_the_roles_permission_count(app: TinyApp) -> None:
    group = app.name("/executions")
    app.client("logs").create_log_group(logGroupName=group)
    states = {"Fail": {"Type": "Fail", "Error": "Odd", "Cause": "as told"}}
    settings = logging_to(group, "ERROR", data=True)
    app.run(app.machine(states, loggingConfiguration=settings))
    assert history(app, group) == []
    app.run(app.machine(states, allow("logs:CreateLogDelivery"), loggingConfiguration=settings))
    (event,) = history(app, group)
    assert event["details"] == {"error": "Odd", "cause": "as told"}
