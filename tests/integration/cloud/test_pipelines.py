"""Pipelines over HTTP and under IAM: with the deployer's, the pipeline's and the job's role."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/scones-processing:1"
PASSED = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
SCRIPT = """
import sys

import boto3

boto3.client("s3").put_object(Bucket=sys.argv[2], Key="written/by-the-script", Body=b"")
with open(sys.argv[1] + "/report.json", "w") as report:
    report.write('{"accuracy": 0.9}')
"""
FUNCTION = "def handler(event, context):\n    return {'answer': event['accuracy'] * 2}\n"


def sagemaker_arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:us-east-1:123456789012:{kind}/{name}"


@dataclass
class Project:
    """A bucket, a function and the role of jobs, for pipelines of one step after another."""

    app: TinyApp
    bucket: str
    job_role: str
    function: str

    def permissions(self) -> list[dict[str, Any]]:
        """What the role of the pipeline needs."""
        return [
            allow("sagemaker:CreateProcessingJob", sagemaker_arn("processing-job", "pipelines-*")),
            allow(
                "sagemaker:DescribeProcessingJob", sagemaker_arn("processing-job", "pipelines-*")
            ),
            allow("sagemaker:AddTags", sagemaker_arn("processing-job", "pipelines-*")),
            {**allow("iam:PassRole", self.job_role), "Condition": PASSED},
            allow("s3:GetObject", f"arn:aws:s3:::{self.bucket}/*"),
            allow("lambda:InvokeFunction", self.function),
        ]

    def definition(self) -> str:
        code = {
            "InputName": "code",
            "S3Input": {
                "S3Uri": f"s3://{self.bucket}/code/run.py",
                "LocalPath": "/opt/ml/processing/code",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
            },
        }
        report = {
            "OutputName": "report",
            "S3Output": {
                "S3Uri": f"s3://{self.bucket}/report",
                "LocalPath": "/opt/ml/processing/report",
                "S3UploadMode": "EndOfJob",
            },
        }
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        process = {
            "Name": "Process",
            "Type": "Processing",
            "Arguments": {
                "AppSpecification": {
                    "ImageUri": IMAGE,
                    "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/run.py"],
                    "ContainerArguments": ["/opt/ml/processing/report", self.bucket],
                },
                "ProcessingResources": {"ClusterConfig": cluster},
                "RoleArn": self.job_role,
                "ProcessingInputs": [code],
                "ProcessingOutputConfig": {"Outputs": [report]},
                "Tags": [{"Key": "color", "Value": {"Get": "Parameters.Color"}}],
            },
            "PropertyFiles": [
                {"PropertyFileName": "R", "OutputName": "report", "FilePath": "report.json"}
            ],
        }
        accuracy = {
            "Std:JsonGet": {
                "PropertyFile": {"Get": "Steps.Process.PropertyFiles.R"},
                "Path": "accuracy",
            }
        }
        invoke = {
            "Name": "Invoke",
            "Type": "Lambda",
            "FunctionArn": self.function,
            "Arguments": {"accuracy": accuracy},
            "OutputParameters": [{"OutputName": "answer", "OutputType": "Float"}],
        }
        content = {
            "Version": "2020-12-01",
            "Parameters": [{"Name": "Color", "Type": "String", "DefaultValue": "red"}],
            "Steps": [process, invoke],
        }
        return json.dumps(content)

    def pipeline(self, *statements: dict[str, Any]) -> str:
        role = self.app.role("sagemaker.amazonaws.com", *statements)
        name = self.app.name("pipeline")
        self.app.client("sagemaker").create_pipeline(
            PipelineName=name, PipelineDefinition=self.definition(), RoleArn=role
        )
        return name

    def run(self, name: str) -> dict[str, dict[str, Any]]:
        client = self.app.client("sagemaker")
        started = client.start_pipeline_execution(PipelineName=name)
        return self.steps(started["PipelineExecutionArn"])

    def steps(self, execution: str) -> dict[str, dict[str, Any]]:
        """Wait for the end of an execution and return its steps."""
        client = self.app.client("sagemaker")

        def ended() -> bool:
            described = client.describe_pipeline_execution(PipelineExecutionArn=execution)
            return described["PipelineExecutionStatus"] != "Executing"

        assert eventually(ended, 60)
        listed = client.list_pipeline_execution_steps(PipelineExecutionArn=execution)
        return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}

    def executions(self, name: str) -> list[str]:
        client = self.app.client("sagemaker")
        listed = client.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
        return [execution["PipelineExecutionArn"] for execution in listed]


@pytest.fixture(scope="module")
def project(app: TinyApp) -> Project:
    bucket = app.bucket()
    app.client("s3").put_object(Bucket=bucket, Key="code/run.py", Body=SCRIPT.encode())
    job_role = app.role(
        "sagemaker.amazonaws.com",
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"),
        allow("s3:PutObject", [f"arn:aws:s3:::{bucket}/{key}/*" for key in ("report", "written")]),
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
        allow(["ecr:*", "logs:*"]),
    )
    return Project(app, bucket, job_role, app.function(FUNCTION))


def test_a_pipeline_runs_as_its_role(project: Project) -> None:
    found = project.run(project.pipeline(*project.permissions()))
    assert {step["StepStatus"] for step in found.values()} == {"Succeeded"}, found
    outputs = found["Invoke"]["Metadata"]["Lambda"]["OutputParameters"]
    assert outputs == [{"Name": "answer", "Value": "1.8"}]
    job = found["Process"]["Metadata"]["ProcessingJob"]["Arn"]
    tags = project.app.client("sagemaker").list_tags(ResourceArn=job)["Tags"]
    assert {"Key": "color", "Value": "red"} in tags


@pytest.mark.parametrize(
    ("missing", "step", "action"),
    [
        (0, "Process", "sagemaker:CreateProcessingJob"),
        (1, "Process", "sagemaker:DescribeProcessingJob"),
        (2, "Process", "sagemaker:AddTags"),
        (3, "Process", "iam:PassRole"),
        (4, "Invoke", "s3:GetObject"),
        (5, "Invoke", "lambda:InvokeFunction"),
    ],
)
def test_each_permission_is_needed(project: Project, missing: int, step: str, action: str) -> None:
    statements = project.permissions()
    del statements[missing]
    found = project.run(project.pipeline(*statements))
    assert found[step]["StepStatus"] == "Failed"
    assert action in found[step]["FailureReason"]


def test_a_script_acts_as_the_role_of_its_job(app: TinyApp, project: Project) -> None:
    other = app.bucket()
    text = project.definition().replace(
        f'"/opt/ml/processing/report", "{project.bucket}"',
        f'"/opt/ml/processing/report", "{other}"',
    )
    role = app.role("sagemaker.amazonaws.com", *project.permissions())
    name = app.name("pipeline")
    app.client("sagemaker").create_pipeline(
        PipelineName=name, PipelineDefinition=text, RoleArn=role
    )
    found = project.run(name)
    assert found["Process"]["StepStatus"] == "Failed"
    job = found["Process"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]

    def denied() -> bool:
        events = app.client("logs").filter_log_events(
            logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix=job
        )["events"]
        return any("not authorized to perform: s3:PutObject" in e["message"] for e in events)

    assert eventually(denied)


def test_a_deployer_passes_the_role_and_starts_its_own_pipelines(
    app: TinyApp, project: Project
) -> None:
    name = project.pipeline(*project.permissions())
    start = app.task("aws-sdk:sagemaker:startPipelineExecution", {
        "PipelineName": name, "ClientRequestToken": "0" * 32
    })  # fmt: skip
    for pipeline, error in ((name, None), ("other", "SageMaker.SageMakerException")):
        allowed = allow("sagemaker:StartPipelineExecution", sagemaker_arn("pipeline", pipeline))
        result = app.run(app.machine({"Start": start}, allowed))
        assert result.get("error") == error
    assert len(project.executions(name)) == 1
    create = app.task("aws-sdk:sagemaker:createPipeline", {
        "PipelineName": app.name("pipeline"),
        "PipelineDefinition": project.definition(),
        "RoleArn": project.job_role,
        "ClientRequestToken": "1" * 32,
    })  # fmt: skip
    result = app.run(app.machine({"Create": create}, allow("sagemaker:CreatePipeline")))
    assert "iam:PassRole" in result["cause"]


def test_an_upload_starts_a_pipeline_with_its_name(app: TinyApp, project: Project) -> None:
    name = project.pipeline(*project.permissions())
    arn = sagemaker_arn("pipeline", name)
    uploads = app.bucket()
    parameters = {"PipelineParameterList": [{"Name": "Color", "Value": "$.detail.object.key"}]}
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [uploads]}}}
    target = {"Arn": arn, "SageMakerPipelineParameters": parameters}
    may = allow("sagemaker:StartPipelineExecution", arn)
    app.rule(pattern, {**target, "RoleArn": app.role("events.amazonaws.com", may)})
    dead = app.queue()
    app.rule(
        pattern,
        {
            **target,
            "RoleArn": app.role("events.amazonaws.com"),
            "DeadLetterConfig": {"Arn": app.queue_arn(dead)},
        },
    )
    app.client("s3").put_object(Bucket=uploads, Key="green", Body=b"")
    (execution,) = eventually(lambda: project.executions(name), 15)
    client = app.client("sagemaker")
    given = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert given["PipelineParameters"] == [{"Name": "Color", "Value": "green"}]
    (message,) = app.messages(dead)
    attributes = message["MessageAttributes"]
    assert "sagemaker:StartPipelineExecution" in attributes["ERROR_MESSAGE"]["StringValue"]


def test_a_schedule_starts_a_pipeline(app: TinyApp, project: Project) -> None:
    name = project.pipeline(*project.permissions())
    arn = sagemaker_arn("pipeline", name)
    role = app.role("scheduler.amazonaws.com", allow("sagemaker:StartPipelineExecution", arn))
    schedule = app.name("schedule")
    scheduler = app.client("scheduler")
    scheduler.create_schedule(
        Name=schedule,
        ScheduleExpression="at(2026-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={"Arn": arn, "RoleArn": role, "SageMakerPipelineParameters": {}},
    )
    assert len(eventually(lambda: project.executions(name), 20)) == 1


def test_a_template_creates_updates_and_deletes_a_pipeline(app: TinyApp, project: Project) -> None:
    definition = project.definition()
    role = app.role("sagemaker.amazonaws.com", *project.permissions())
    properties: dict[str, Any] = {
        "PipelineDefinition": {"PipelineDefinitionBody": definition},
        "RoleArn": role,
        "ParallelismConfiguration": {"MaxParallelExecutionSteps": "2"},
        "Tags": [{"Key": "team", "Value": "scones"}],
    }
    template = {
        "Resources": {"Pipeline": {"Type": "AWS::SageMaker::Pipeline", "Properties": properties}},
        "Outputs": {"Name": {"Value": {"Ref": "Pipeline"}}},
    }
    formation, sagemaker = app.client("cloudformation"), app.client("sagemaker")
    stack = app.name("stack")

    def wait(event: str) -> None:
        waiter = formation.get_waiter(f"stack_{event}_complete")
        waiter.wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    wait("create")
    (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
    name = described["Outputs"][0]["OutputValue"]
    pipeline = sagemaker.describe_pipeline(PipelineName=name)
    assert (pipeline["PipelineName"], pipeline["PipelineDefinition"]) == (name, definition)
    assert pipeline["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 2}
    tags = sagemaker.list_tags(ResourceArn=pipeline["PipelineArn"])["Tags"]
    assert {"Key": "team", "Value": "scones"} in tags

    bucket, key = project.bucket, "definitions/pipeline.json"
    changed = definition.replace('"red"', '"blue"')
    app.client("s3").put_object(Bucket=bucket, Key=key, Body=changed.encode())
    location = {"Bucket": bucket, "Key": key}
    properties["PipelineDefinition"] = {"PipelineDefinitionS3Location": location}
    formation.update_stack(StackName=stack, TemplateBody=json.dumps(template))
    wait("update")
    assert sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"] == changed

    formation.delete_stack(StackName=stack)
    wait("delete")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_pipeline(PipelineName=name)
