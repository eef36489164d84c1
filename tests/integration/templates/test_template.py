"""What the template promises: private storage, undelivered events kept, least privilege."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from scones.classes import parse_loading_bays
from scones.photos import ImageShape
from scones.settings import ClassifySettings, SerializeSettings, ThresholdSettings
from scones_operator.models.copy import CHECKSUM, SOURCE
from tools.scan_template import translate

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def source() -> Any:
    return yaml_parse((ROOT / "template.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def resources() -> Any:
    """The resources as SAM's own transform makes them for CloudFormation."""
    return translate(ROOT / "template.yaml")["Resources"]


def of_type(resources: Any, kind: str) -> dict[str, Any]:
    found = {name: item for name, item in resources.items() if item["Type"] == kind}
    assert found, f"there is no {kind}"
    return {name: item["Properties"] for name, item in found.items()}


def statements(resources: Any) -> list[tuple[str, Any]]:
    """Statements of all roles' own policies, and of the policies for people."""
    roles = of_type(resources, "AWS::IAM::Role")
    policies = [(name, policy) for name, role in roles.items() for policy in role["Policies"]]
    policies += of_type(resources, "AWS::IAM::ManagedPolicy").items()
    return [
        (name, statement)
        for name, policy in policies
        for item in policy["PolicyDocument"]["Statement"]
        for statement in alternatives(item)
    ]


def alternatives(item: Any) -> list[Any]:
    """A statement, or those that a condition chooses from."""
    return [one for one in item.get("Fn::If", [item]) if "Sid" in one]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_approvers_change_nothing_of_what_a_version_was_registered_with(resources: Any) -> None:
    definition = json.loads((ROOT / "statemachine" / "retrain.asl.json").read_text("utf-8"))
    registered = definition["States"]["Register"]["Arguments"]["CustomerMetadataProperties"]
    (statement,) = (one for _, one in statements(resources) if one["Sid"] == "ApproveVersions")

    absent = statement["Condition"]["Null"]
    # A copy of another account's version has more: operator/scones_operator/models/copy.py.
    names = {
        f"sagemaker:CustomerMetadataProperties/{name}" for name in {*registered, SOURCE, CHECKSUM}
    }
    assert set(absent) == names | {"sagemaker:CustomerMetadataPropertiesToRemove"}
    assert set(absent.values()) == {"true"}


def test_access_logs_are_written_if_a_bucket_is_named(resources: Any) -> None:
    prefixes = {}
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        condition, logging, nothing = bucket["LoggingConfiguration"]["Fn::If"]
        assert (condition, nothing) == ("HasAccessLogs", {"Ref": "AWS::NoValue"})
        assert logging["DestinationBucketName"] == {"Ref": "AccessLogsBucket"}
        prefixes[name] = json.dumps(logging["LogFilePrefix"])

    assert len(set(prefixes.values())) == len(prefixes) == 2


def test_every_parameter_is_grouped_and_labelled(source: Any) -> None:
    interface = source["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]

    assert sorted(grouped) == sorted(source["Parameters"])
    assert set(interface["ParameterLabels"]) == set(source["Parameters"])


def test_buckets_are_private_encrypted_and_take_tls_only(resources: Any) -> None:
    policies = of_type(resources, "AWS::S3::BucketPolicy").values()
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        assert bucket["BucketEncryption"]
        assert bucket["LifecycleConfiguration"]["Rules"]
        denied = [
            statement
            for policy in policies
            if policy["Bucket"] == {"Ref": name}
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        assert denied == [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [
                    {"Fn::GetAtt": [name, "Arn"]},
                    {"Fn::Sub": f"${{{name}.Arn}}/*"},
                ],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]


RULES = {
    "ClassifyStateMachinePhotoUploaded": {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [{"Ref": "PhotosBucket"}]},
            "object": {"key": [{"prefix": "incoming/"}, {"prefix": "simulated/"}]},
        },
    },
    "RetrainStateMachineRequested": {
        "source": ["scones"],
        "detail-type": ["Retraining Requested"],
    },
    "PromoteStateMachineApproved": {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [{"Ref": "EndpointName"}],
            "ModelApprovalStatus": ["Approved"],
        },
    },
}


def test_rules_start_machines_only_on_events_of_this_stack(resources: Any) -> None:
    assert {name: rule["EventPattern"] for name, rule in rules(resources).items()} == RULES


def rules(resources: Any) -> dict[str, Any]:
    """The rules that start machines."""
    found = of_type(resources, "AWS::Events::Rule")
    del found["ExecutionsCutOff"], found["EmitMetricsFunctionPublished"]
    del found["DiscardStateMachineFinished"]
    return found


def test_operators_are_told_of_executions_that_can_not_tell_themselves(resources: Any) -> None:
    rule = of_type(resources, "AWS::Events::Rule")["ExecutionsCutOff"]
    (policy,) = of_type(resources, "AWS::SNS::TopicPolicy").values()
    by_service = {
        statement["Principal"]["Service"]: statement
        for statement in policy["PolicyDocument"]["Statement"]
    }

    # AWS's schema of this event has no error: alarms on the metrics ring for what failed.
    assert rule["EventPattern"]["detail"] == {
        "stateMachineArn": [{"Ref": "RetrainStateMachine"}, {"Ref": "PromoteStateMachine"}],
        "status": ["ABORTED", "TIMED_OUT"],
    }
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    for machine in ("Retrain", "Promote"):
        for end in ("Failed", "TimedOut", "Aborted"):
            alarm = alarms[f"{machine}{end}Alarm"]
            assert alarm["MetricName"] == f"Executions{end}"
            assert alarm["Dimensions"][0]["Value"] == {"Ref": f"{machine}StateMachine"}
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": "OperatorsTopic"}]
    assert by_service["events.amazonaws.com"]["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ExecutionsCutOff", "Arn"]}}
    }


def test_originals_are_deleted_only_without_keep_originals(source: Any, resources: Any) -> None:
    made = {
        name for name, item in resources.items() if item.get("Condition") == "DiscardsOriginals"
    }
    capture = source["Resources"]["PromoteStateMachine"]["Properties"]["DefinitionSubstitutions"]
    (target,) = of_type(resources, "AWS::Events::Rule")["DiscardStateMachineFinished"]["Targets"]

    assert {name for name in resources if "Discard" in name} == made
    assert source["Conditions"]["DiscardsOriginals"] == {
        "Fn::Equals": [{"Ref": "KeepOriginals"}, "false"]
    }
    assert source["Parameters"]["KeepOriginals"]["Default"] == "true"
    assert capture["CapturePercent"] == {
        "Fn::If": ["DiscardsOriginals", "0", {"Ref": "CapturePercent"}]
    }
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["MissedMeasurements", "Arn"]}}
    assert target["InputPath"] == "$.detail"


def test_schedule_starts_retrain(resources: Any) -> None:
    schedule = of_type(resources, "AWS::Scheduler::Schedule")["RetrainStateMachineSchedule"]

    assert schedule["Target"]["Arn"] == {"Ref": "RetrainStateMachine"}
    assert schedule["ScheduleExpression"] == {"Ref": "RetrainSchedule"}
    assert schedule["State"] == {"Ref": "RetrainScheduleState"}


def test_undelivered_events_are_retried_and_kept(resources: Any) -> None:
    queue = of_type(resources, "AWS::SQS::Queue")["UndeliveredEvents"]
    policy = of_type(resources, "AWS::SQS::QueuePolicy")["UndeliveredEventsPolicy"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    schedule = of_type(resources, "AWS::Scheduler::Schedule")["RetrainStateMachineSchedule"]
    by_rules = [target for rule in rules(resources).values() for target in rule["Targets"]]
    targets = [schedule["Target"], *by_rules]

    for target in targets:
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sources == [{"Fn::GetAtt": [name, "Arn"]} for name in RULES]


def test_functions_log_to_groups_that_forget(resources: Any) -> None:
    groups = of_type(resources, "AWS::Logs::LogGroup")
    for name, function in of_type(resources, "AWS::Lambda::Function").items():
        # Metrics are lines of level INFO.
        level = "INFO" if name == "EmitMetricsFunction" else {"Ref": "LogLevel"}
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
        assert function["LoggingConfig"]["ApplicationLogLevel"] == level
        assert function["TracingConfig"] == {"Mode": "Active"}
    assert all(group["RetentionInDays"] for group in groups.values())


def test_machines_are_logged_and_traced(resources: Any) -> None:
    machines = of_type(resources, "AWS::StepFunctions::StateMachine")

    kinds = {name: machine["StateMachineType"] for name, machine in machines.items()}
    assert kinds == {
        "ClassifyStateMachine": "EXPRESS",
        "RetrainStateMachine": "STANDARD",
        "PromoteStateMachine": "STANDARD",
        "DiscardStateMachine": "EXPRESS",
    }
    for machine in machines.values():
        assert machine["LoggingConfiguration"]["Level"] == "ALL"
        assert machine["TracingConfiguration"] == {"Enabled": True}


def test_what_is_personal_or_secret_is_not_logged(resources: Any) -> None:
    machines = of_type(resources, "AWS::StepFunctions::StateMachine")

    logged = {
        name: machine["LoggingConfiguration"]["IncludeExecutionData"]
        for name, machine in machines.items()
    }
    assert logged["ClassifyStateMachine"] == {"Ref": "LogExecutionData"}
    assert logged["PromoteStateMachine"] is False
    assert logged["DiscardStateMachine"] is False


WITHOUT_RESOURCES = {
    "ReadTheAccount",
    "DeliverLogs",
    "WriteMetrics",
    "LogInToTheRegistry",
    "FindEndpoints",
    "WatchAlarms",
    "AnswerQuestions",
    "ListVersions",
    "FindTheVpc",
}
"""Statements on actions that AWS gives no resource-level permissions for."""


def test_no_permission_on_everything(resources: Any) -> None:
    for name, statement in statements(resources):
        assert not [action for action in listed(statement["Action"]) if "*" in action], name
        if "*" in listed(statement["Resource"]):
            assert statement["Sid"] in WITHOUT_RESOURCES


MACHINES = ["classify", "retrain", "promote", "discard"]


@pytest.mark.parametrize("machine", MACHINES)
def test_machines_may_do_exactly_what_their_states_do(resources: Any, machine: str) -> None:
    definition = json.loads((ROOT / "statemachine" / f"{machine}.asl.json").read_text("utf-8"))
    allowed = {
        action
        for name, statement in statements(resources)
        if name == f"{machine.title()}StateMachineRole" and statement["Sid"] != "DeliverLogs"
        for action in listed(statement["Action"])
    }

    assert allowed == set().union(*(actions(state) for state in tasks(definition)))


def tasks(machine: Any) -> list[Any]:
    """All Task states of a machine, those within Map states too."""
    states = list(machine["States"].values())
    inner = [task for s in states if s["Type"] == "Map" for task in tasks(s["ItemProcessor"])]
    return [state for state in states if state["Type"] == "Task"] + inner


def actions(state: Any) -> set[str]:
    """The IAM actions that a Task state needs.

    Those of jobs it waits for are of
    https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html.
    """
    resource = state["Resource"].removeprefix("arn:aws:states:::").removeprefix("aws-sdk:")
    if resource == "s3:deleteObject":
        assert "VersionId" in state["Arguments"]
        return {"s3:DeleteObjectVersion"}
    service, name = resource.removesuffix(".waitForTaskToken").removesuffix(".sync").split(":")
    api = name[0].upper() + name[1:]
    needed = {f"{'states' if service == 'sfn' else service}:{api}"}
    if resource == "lambda:invoke":
        needed = {"lambda:InvokeFunction"}
    if resource == "s3:headObject":
        needed = {"s3:GetObject"}
    if resource == "sns:publish":
        needed |= {"kms:Decrypt", "kms:GenerateDataKey"}
    if "AutoRollbackConfiguration" in json.dumps(state):
        needed.add("cloudwatch:DescribeAlarms")
    if resource in ("sagemaker:createModel", "sagemaker:createTrainingJob.sync"):
        needed.add("iam:PassRole")
    if resource.endswith(".sync"):
        job = api.removeprefix("Create")
        needed |= {f"sagemaker:{verb}" for verb in (f"Describe{job}", f"Stop{job}")}
        needed |= {"sagemaker:ListTags", "sagemaker:AddTags"}
        needed |= {"events:PutTargets", "events:PutRule", "events:DescribeRule"}
    return needed


def test_layers_and_functions_fit_the_settings(source: Any) -> None:
    defaults = {name: item.get("Default") for name, item in source["Parameters"].items()}

    def environment(function: str) -> dict[str, str]:
        variables = source["Resources"][function]["Properties"]["Environment"]["Variables"]
        return {
            name: str(defaults.get(value["Ref"], value["Ref"]))
            if "Ref" in value
            else value["Fn::Sub"]
            for name, value in variables.items()
        }

    serialize = SerializeSettings.read(environment("SerializeFunction"))
    assert serialize.max_photo_bytes == 20 * 1024 * 1024
    assert serialize.image_shape == ImageShape.parse(defaults["ImageShape"])
    classify = ClassifySettings.read(environment("ClassifyFunction"))
    threshold = ThresholdSettings.read(environment("ThresholdFunction"))
    assert ",".join(classify.class_names) == defaults["ClassNames"]
    assert threshold.class_names == classify.class_names
    assert threshold.loading_bays == parse_loading_bays(defaults["LoadingBays"])


def test_deployments_keep_the_limits_that_operators_set(source: Any, resources: Any) -> None:
    """CloudFormation sets what it owns again when tags or other properties change."""
    parameters = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::SSM::Parameter"]
    owned = re.compile("/(threshold|familiarity-limit)")
    assert not [one for one in parameters if owned.search(str(one["Name"]))]
    variables = source["Resources"]["ThresholdFunction"]["Properties"]["Environment"]["Variables"]
    for limit, parameter in (("Threshold", "threshold"), ("FamiliarityLimit", "familiarity-limit")):
        name = {"Fn::Sub": f"/scones/${{AWS::StackName}}/{parameter}/${{{limit}}}"}
        assert variables[f"{parameter.upper().replace('-', '_')}_PARAMETER"] == name
        assert source["Outputs"][f"{limit}Parameter"]["Value"] == name


def test_roles_of_sagemaker_write_metrics_of_their_instances(resources: Any) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html#cloudwatch-metrics-jobs"""
    written = {
        role: statement["Condition"]["StringEquals"]["cloudwatch:namespace"]
        for role, statement in statements(resources)
        if statement["Sid"] == "WriteMetrics"
    }

    assert set(written) == {"TrainingRole", "EvaluationRole", "HostingRole"}
    for kind, role in (("Training", "TrainingRole"), ("Transform", "EvaluationRole")):
        assert f"/aws/sagemaker/{kind}Jobs" in written[role]
    assert "/aws/sagemaker/Endpoints" in written["HostingRole"]


def test_retention_is_stated_with_the_days_of_earlier_versions(source: Any) -> None:
    buckets = (source["Resources"][name]["Properties"] for name in ("PhotosBucket", "DataBucket"))
    days = {
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for bucket in buckets
        for rule in bucket["LifecycleConfiguration"]["Rules"]
        if "NoncurrentVersionExpiration" in rule
    }

    (kept,) = days
    description = source["Parameters"]["PhotoRetentionDays"]["Description"]
    assert f"for {kept} more days" in description


def test_endpoints_of_a_stack_are_not_those_of_another(source: Any) -> None:
    """A stack with EndpointName ``x-staging`` may be in the account of one with ``x``."""
    machine = (ROOT / "statemachine" / "promote.asl.json").read_text("utf-8")
    suffixes = set(re.findall(r'"\$\{EndpointName\}([^"]*)"', machine))
    allowed = source["Parameters"]["EndpointName"]["AllowedPattern"]

    assert suffixes == {"", "--staging"}
    assert re.fullmatch(allowed, "x-staging")
    assert not re.fullmatch(allowed, "x--staging")


def test_names_of_two_stacks_differ(resources: Any) -> None:
    """One that is the same in all stacks would be refused in the second; so would a long one."""
    named = {
        f"{name}.{key}": json.dumps(value)
        for name, resource in resources.items()
        for key, value in resource.get("Properties", {}).items()
        if key in NAMES.get(resource["Type"], ())
    }
    endpoint = named.pop("ModelPackages.ModelPackageGroupName")
    schedules = of_type(resources, "AWS::Scheduler::Schedule").values()

    # CloudFormation refuses a second stack with the same EndpointName for its group.
    assert endpoint == json.dumps({"Ref": "EndpointName"})
    assert len(named) > 10
    assert [name for name, value in named.items() if "AWS::StackName" not in value] == []
    # It makes names that fit from a stack's name of up to 128 characters.
    assert not [schedule for schedule in schedules if "Name" in schedule]


NAMES = {
    "AWS::CloudWatch::Alarm": ["AlarmName"],
    "AWS::CloudWatch::Dashboard": ["DashboardName"],
    "AWS::DynamoDB::Table": ["TableName"],
    "AWS::Events::EventBus": ["Name"],
    "AWS::Events::Rule": ["Name"],
    "AWS::IAM::ManagedPolicy": ["ManagedPolicyName"],
    "AWS::IAM::Role": ["RoleName"],
    "AWS::Lambda::Function": ["FunctionName"],
    "AWS::Logs::LogGroup": ["LogGroupName"],
    "AWS::S3::Bucket": ["BucketName"],
    "AWS::SNS::Topic": ["TopicName"],
    "AWS::SQS::Queue": ["QueueName"],
    "AWS::SageMaker::ModelPackageGroup": ["ModelPackageGroupName"],
    "AWS::Scheduler::Schedule": ["Name"],
    "AWS::StepFunctions::StateMachine": ["StateMachineName"],
}
"""Properties that name a resource in its account and region."""


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("ImageShape", ["3,32,32", "3,300,200", "3,512,512"], ["1,32,32", "3,8,32", "3,513,32"]),
        ("EndpointName", ["scones", "a-b"], ["Scones", "-a", "a_b", "a--staging", ""]),
        (
            "ClassNames",
            ["a,b", "new bike,driver's van"],
            ["a", "a,", "", "a, ,b", "a, b", 'a "1",b'],
        ),
        ("LoadingBays", ["", "a=1", "a=1,b c=2"], ["a", "a=", "a=1,", "a= ", "a =1"]),
        (
            "ThresholdByClass",
            ["", "a=1", "a=review,b c=.5", "a=0.9,b=1.0"],
            ["a", "a=2", "a=1.5", "a=-1", "a=.", "a=0.9,", "a= 0.9", "a =0.9", "a=Review", "=1"],
        ),
        ("MaxPhotoBytes", ["1", "20971520"], ["0", "2e7", "1.5", "", "100000000"]),
        ("MaximumLatencyMs", ["1", "1000", "9999", "17999"], ["0", "18000", "99999", "1.5", ""]),
        ("NotificationPhone", ["", "+12065550100"], ["0123", "+0123"]),
        ("FailureRateLimit", ["0", "0.1", "1", "1.0"], [".1", "1.1", "", "2", "0."]),
        ("DriftLimit", ["0.25", "0.1", "1", "10.5"], ["0", "0.0", ".25", "-1", "1.", ""]),
    ],
)
def test_parameters_take_what_makes_sense(
    source: Any, parameter: str, good: list[str], bad: list[str]
) -> None:
    pattern = re.compile(source["Parameters"][parameter]["AllowedPattern"])

    assert [value for value in good if not pattern.fullmatch(value)] == []
    assert [value for value in bad if pattern.fullmatch(value)] == []


def test_an_event_for_every_function_and_machine(source: Any) -> None:
    kinds = {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}
    names = {name for name, item in source["Resources"].items() if item["Type"] in kinds}
    event_of = {
        "SerializeFunction": "serialize",
        "ClassifyFunction": "classify",
        "ThresholdFunction": "threshold",
        "GenerateListsFunction": "generate-lists",
        "PrepareImagesFunction": "prepare-images",
        "EvaluateFunction": "evaluate",
        "SmokeTestFunction": "smoke-test",
        "EmitMetricsFunction": "emit-metrics",
        "CheckDriftFunction": "check-drift",
        "ReviewFunction": "review",
        "JoinReviewsFunction": "join-reviews",
        "AnswerPromotionFunction": "answer-promotion",
        "ClassifyStateMachine": "photo-uploaded",
        "RetrainStateMachine": "retraining-requested",
        "PromoteStateMachine": "model-approved",
        "DiscardStateMachine": "photo-decided",
    }

    assert names == set(event_of)
    for name in event_of.values():
        assert json.loads((ROOT / "events" / f"{name}.json").read_text("utf-8"))


def test_an_execution_ends_in_time_however_often_it_retries(source: Any) -> None:
    """Express executions end after 5 minutes; one cut off there would leave no record."""
    definition = json.loads((ROOT / "statemachine" / "classify.asl.json").read_text("utf-8"))
    timeout = source["Globals"]["Function"]["Timeout"]
    longest = 0.0
    for name in ("Serialize", "Classify", "Threshold"):
        function = source["Resources"][f"{name}Function"]["Properties"]
        longest += slowest(definition["States"][name], function.get("Timeout", timeout))
    longest += slowest(definition["States"]["Join Reviews"], timeout)
    for name in (
        "Record Decision",
        "Publish Event",
        "Mark Announced",
        "Keep Event",
        "Notify Reviewers",
    ):
        longest += slowest(definition["States"][name], 1)

    assert longest < definition["TimeoutSeconds"] <= 300


def slowest(state: Any, timeout: float) -> float:
    """Seconds of a state whose every attempt and every wait takes as long as it can.

    A throttled attempt takes no time, only the wait after it. Another failure may take all of it.
    """
    throttled = {"Lambda.TooManyRequestsException", "EndpointBusy"}
    seconds = timeout
    for retrier in state["Retry"]:
        waits = [
            min(
                retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2) ** attempt,
                retrier.get("MaxDelaySeconds", 300),
            )
            for attempt in range(retrier["MaxAttempts"])
        ]
        attempt_costs = not throttled.issuperset(retrier["ErrorEquals"])
        seconds += sum(waits) + attempt_costs * timeout * len(waits)
    return seconds
