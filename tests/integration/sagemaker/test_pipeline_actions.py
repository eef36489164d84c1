from typing import Any

import pytest

from tests.integration.sagemaker.local_sagemaker import BUCKET, ROLE, Cloud, error_of, until
from tests.integration.sagemaker.pipeline_steps import (
    SLEEP,
    create,
    definition,
    described,
    ended,
    fail,
    got,
    processing,
    reaches,
    start,
    steps,
    upload,
)

TOKEN = "t" * 32
ONE_STEP = {"SelectedSteps": [{"StepName": "Fail"}]}
PARAMETERS = [
    {"Name": "Text", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
    {"Name": "Number", "Type": "Integer"},
]
TEXT = definition(fail("Fail", got("Parameters.Text")), parameters=PARAMETERS)


def test_describes_a_pipeline(cloud: Cloud) -> None:
    arn = create(
        cloud,
        TEXT,
        PipelineDisplayName="the-vehicles",
        PipelineDescription="all of it",
        Tags=[{"Key": "team", "Value": "scones"}],
        ParallelismConfiguration={"MaxParallelExecutionSteps": 3},
    )
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:pipeline/vehicles"
    for name in ("Vehicles", "vehicles", arn):
        found = cloud.sagemaker.describe_pipeline(PipelineName=name)
        assert found["PipelineArn"] == arn
    assert found["PipelineName"] == "Vehicles"
    assert found["PipelineDisplayName"] == "the-vehicles"
    assert found["PipelineDescription"] == "all of it"
    assert found["PipelineDefinition"] == TEXT
    assert found["PipelineStatus"] == "Active"
    assert found["RoleArn"] == ROLE
    assert found["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 3}
    assert "LastRunTime" not in found
    tags = cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "team", "Value": "scones"}]


def test_each_update_is_a_version(cloud: Cloud) -> None:
    arn = create(cloud, TEXT)
    other = definition(fail("Other", "no"))
    updated = cloud.sagemaker.update_pipeline(PipelineName="Vehicles", PipelineDefinition=other)
    assert updated == {**updated, "PipelineArn": arn, "PipelineVersionId": 2}
    assert cloud.sagemaker.describe_pipeline(PipelineName=arn)["PipelineDefinition"] == other
    cloud.sagemaker.update_pipeline(PipelineName="Vehicles", PipelineDescription="new")
    found = cloud.sagemaker.describe_pipeline(PipelineName=arn)
    assert (found["PipelineDefinition"], found["PipelineDescription"]) == (other, "new")
    first = cloud.sagemaker.describe_pipeline(PipelineName=arn, PipelineVersionId=1)
    assert first["PipelineDefinition"] == TEXT
    listed = cloud.sagemaker.list_pipeline_versions(PipelineName=arn)["PipelineVersionSummaries"]
    assert [version["PipelineVersionId"] for version in listed] == [3, 2, 1]
    execution = cloud.sagemaker.start_pipeline_execution(
        PipelineName=arn,
        PipelineVersionId=1,
        PipelineParameters=[{"Name": "Number", "Value": "1"}],
        ClientRequestToken=TOKEN,
    )["PipelineExecutionArn"]
    ended(cloud, execution)
    assert list(steps(cloud, execution)) == ["Fail"]
    assert described(cloud, execution)["PipelineVersionId"] == 1
    missing = error_of(
        lambda: cloud.sagemaker.describe_pipeline(PipelineName=arn, PipelineVersionId=9)
    )
    assert missing["Code"] == "ResourceNotFound"


def test_reads_a_definition_from_s3(cloud: Cloud) -> None:
    cloud.put("definition.json", TEXT)
    location = {"Bucket": BUCKET, "ObjectKey": "definition.json"}
    cloud.sagemaker.create_pipeline(
        PipelineName="p",
        PipelineDefinitionS3Location=location,
        RoleArn=ROLE,
        ClientRequestToken=TOKEN,
    )
    assert cloud.sagemaker.describe_pipeline(PipelineName="p")["PipelineDefinition"] == TEXT
    wrong = {**location, "ObjectKey": "none.json"}
    error = error_of(
        lambda: cloud.sagemaker.update_pipeline(
            PipelineName="p", PipelineDefinitionS3Location=wrong
        )
    )
    assert error["Message"].startswith("Could not read the pipeline definition: ")


def test_a_name_is_used_once(cloud: Cloud) -> None:
    create(cloud, TEXT)
    error = error_of(lambda: create(cloud, TEXT, "VEHICLES"))
    assert error["Code"] == "ValidationException"
    # The SDK updates the pipeline if the message has these words.
    assert "must be unique within an AWS account" in error["Message"]
    assert "already exists" in error["Message"]


def test_a_repeated_request_changes_nothing(cloud: Cloud) -> None:
    create(cloud, TEXT)
    request = {
        "PipelineName": "Vehicles",
        "PipelineParameters": [{"Name": "Number", "Value": "1"}],
        "ClientRequestToken": TOKEN,
    }
    arns = [
        cloud.sagemaker.start_pipeline_execution(**request)["PipelineExecutionArn"]
        for _ in range(2)
    ]
    assert arns[0] == arns[1]
    listed = cloud.sagemaker.list_pipeline_executions(PipelineName="Vehicles")
    assert len(listed["PipelineExecutionSummaries"]) == 1


def test_lists_pipelines(cloud: Cloud) -> None:
    for name in ("b", "a", "ab"):
        create(cloud, TEXT, name)

    def names(**filters: Any) -> list[str]:
        listed = cloud.sagemaker.list_pipelines(**filters)["PipelineSummaries"]
        return [pipeline["PipelineName"] for pipeline in listed]

    assert names() == ["ab", "a", "b"]
    assert names(PipelineNamePrefix="a", SortBy="Name", SortOrder="Ascending") == ["a", "ab"]
    first = cloud.sagemaker.list_pipelines(MaxResults=2)
    assert names(NextToken=first["NextToken"]) == ["b"]


def test_describes_executions(cloud: Cloud) -> None:
    arn = create(cloud, TEXT)
    first, second = start(cloud, Number="1"), start(cloud, Number="2", Text="b")
    for execution in (first, second):
        assert ended(cloud, execution)["PipelineArn"] == arn
    assert described(cloud, first)["PipelineExecutionDisplayName"].startswith("execution-")
    listed = cloud.sagemaker.list_pipeline_executions(PipelineName=arn)
    summaries = listed["PipelineExecutionSummaries"]
    assert [summary["PipelineExecutionArn"] for summary in summaries] == [second, first]
    assert summaries[0]["PipelineExecutionStatus"] == "Failed"
    assert summaries[0]["PipelineExecutionFailureReason"].startswith("Step failure")
    given = cloud.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=second)
    assert given["PipelineParameters"] == [
        {"Name": "Text", "Value": "b"},
        {"Name": "Number", "Value": "2"},
    ]
    used = cloud.sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=first)
    assert used["PipelineDefinition"] == TEXT
    assert "LastRunTime" in cloud.sagemaker.describe_pipeline(PipelineName=arn)
    cloud.sagemaker.update_pipeline_execution(
        PipelineExecutionArn=first, PipelineExecutionDescription="the first"
    )
    assert described(cloud, first)["PipelineExecutionDescription"] == "the first"


def test_deletes_a_pipeline_without_running_executions(cloud: Cloud) -> None:
    upload(cloud, sleep=SLEEP)
    create(cloud, definition(processing("Sleep", "sleep")))
    arn = start(cloud)
    until(reaches(cloud, arn, "Sleep", "Executing"))

    def delete() -> None:
        cloud.sagemaker.delete_pipeline(PipelineName="Vehicles", ClientRequestToken=TOKEN)

    assert error_of(delete)["Code"] == "ConflictException"
    cloud.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken=TOKEN)
    ended(cloud, arn)
    delete()
    assert cloud.sagemaker.list_pipelines()["PipelineSummaries"] == []
    for call in (lambda: described(cloud, arn), delete):
        assert error_of(call)["Code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "A value is required for the parameters without a default: ['Number']."),
        ({"Number": "1", "Other": "1"}, "no parameter Other: it has Number, Text"),
        ({"Number": "1.5"}, "'1.5' for the parameter Number: it must be of type Integer"),
        ({"Number": "1", "Text": "c"}, "'c' for the parameter Text: it must be one of a, b"),
    ],
)
def test_checks_the_parameters(cloud: Cloud, given: dict[str, str], message: str) -> None:
    create(cloud, TEXT)
    error = error_of(lambda: start(cloud, **given))
    assert error["Code"] == "ValidationException"
    assert message in error["Message"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"SelectiveExecutionConfig": ONE_STEP},
            "selective execution",
        ),
        ({"MlflowExperimentName": "vehicles"}, "MLflow"),
    ],
)
def test_says_what_it_cannot_do(cloud: Cloud, more: dict[str, Any], message: str) -> None:
    create(cloud, TEXT)
    error = error_of(
        lambda: cloud.sagemaker.start_pipeline_execution(
            PipelineName="Vehicles", ClientRequestToken=TOKEN, **more
        )
    )
    assert error["Code"] == "UnsupportedOperation"
    assert message in error["Message"]
    callback = error_of(
        lambda: cloud.sagemaker.send_pipeline_execution_step_success(CallbackToken="abcdefghij")
    )
    assert callback["Code"] == "UnsupportedOperation"
