"""What a local cloud stores outlives it if it is kept, and else is gone."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from scones_local.cloud import lifecycle
from scones_local.cloud.lifecycle import Cloud, CloudError
from scones_local.cloud.state import StateFolder
from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

CODE = "import shared\ndef handler(event, context): return shared.WHO\n"


def port_of(running: Cloud) -> int:
    return int(running.endpoint.rpartition(":")[2])


def fill(app: TinyApp) -> dict[str, Any]:
    """Store something in each service that an application stores in."""
    s3 = app.client("s3")
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    put = {"Bucket": "photos", "Key": "incoming/a b (1) é.jpg"}
    versions = [
        s3.put_object(**put, Body=body, Metadata={"by": "driver"})["VersionId"]
        for body in (b"one", b"two")
    ]
    table = app.client("dynamodb")
    table.create_table(
        TableName="results",
        KeySchema=[{"AttributeName": "photo", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "photo", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(TableName="results", Item={"photo": {"S": "a"}, "label": {"S": "bicycle"}})
    queue = app.client("sqs").create_queue(QueueName="undelivered")["QueueUrl"]
    app.client("sqs").send_message(QueueUrl=queue, MessageBody="event")
    app.client("ssm").put_parameter(Name="/threshold", Value="0.9", Type="String")
    function = app.function(CODE, Layers=[app.layer(python__shared="WHO = 'layer'")])
    machine = app.machine({"Say": {"Type": "Pass", "Output": {"said": "x"}, "End": True}})
    return {"versions": versions, "queue": queue, "function": function, "machine": machine}


def test_what_is_kept_is_there_again_at_the_same_place(tmp_path: Path) -> None:
    with lifecycle.start(tmp_path, lasting=True) as before:
        stored = fill(TinyApp(before.session(), before.account, before.region))
        StateFolder(tmp_path).keep(port_of(before))

    with lifecycle.start(tmp_path, lasting=True) as running:
        app = TinyApp(running.session(), running.account, running.region)
        s3, key = app.client("s3"), {"Bucket": "photos", "Key": "incoming/a b (1) é.jpg"}
        bodies = [
            s3.get_object(**key, VersionId=version)["Body"].read() for version in stored["versions"]
        ]
        newest = s3.get_object(**key)
        new = s3.put_object(**key, Body=b"three")["VersionId"]
        item = app.client("dynamodb").get_item(TableName="results", Key={"photo": {"S": "a"}})
        messages = app.client("sqs").receive_message(QueueUrl=stored["queue"])["Messages"]
        parameter = app.client("ssm").get_parameter(Name="/threshold")["Parameter"]

        assert running.endpoint == before.endpoint
        assert running.secret_key != before.secret_key
        assert bodies == [b"one", b"two"]
        assert newest["VersionId"] == stored["versions"][1]
        assert newest["Metadata"] == {"by": "driver"}
        assert new not in stored["versions"]
        assert item["Item"]["label"] == {"S": "bicycle"}
        assert [message["Body"] for message in messages] == ["event"]
        assert parameter["Value"] == "0.9"
        assert app.invoke(stored["function"]).payload == "layer"
        assert app.run(stored["machine"])["output"] == {"said": "x"}


def test_the_port_that_is_needed_is_named_if_another_uses_it(tmp_path: Path) -> None:
    with lifecycle.start(tmp_path, lasting=True) as running:
        port = port_of(running)
        StateFolder(tmp_path).keep(port)

    with socket.create_server(("127.0.0.1", port)), pytest.raises(CloudError) as refused:
        lifecycle.start(tmp_path, lasting=True)

    said = f"port {port}: Address already in use. What is kept needs this port: stop what uses it"
    assert said in str(refused.value)
    assert StateFolder(tmp_path).saved_at() is not None


def test_what_can_t_be_read_is_said_and_stays(registry: Path) -> None:
    queues = registry / "ministack" / "sqs.json"
    queues.write_text("{")
    kept = {path: path.read_bytes() for path in registry.rglob("*.json")}

    with pytest.raises(CloudError, match="what is kept of sqs cannot be read"):
        lifecycle.start(registry, lasting=True)

    assert {path: path.read_bytes() for path in registry.rglob("*.json")} == kept


def test_what_is_not_kept_is_gone(tmp_path: Path) -> None:
    with lifecycle.start(tmp_path, lasting=True) as before:
        fill(TinyApp(before.session(), before.account, before.region))

    assert {path.name for path in tmp_path.iterdir()} == {"cloud.lock", "cloud.log"}
    with lifecycle.start(tmp_path, lasting=True) as running:
        assert running.session().client("s3").list_buckets()["Buckets"] == []


def test_what_is_kept_is_for_its_user_only(tmp_path: Path) -> None:
    with lifecycle.start(tmp_path, lasting=True) as running:
        fill(TinyApp(running.session(), running.account, running.region))
        StateFolder(tmp_path).keep(port_of(running))

    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in kept if path.stat().st_mode & 0o077] == []
    # Nobody who reads it later has the root user's keys.
    keys = (running.access_key.encode(), running.secret_key.encode())
    assert [path for path in kept if any(key in path.read_bytes() for key in keys)] == []


def test_what_a_service_can_t_write_is_said(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with lifecycle.start(tmp_path, lasting=True) as running:
        running.session().client("s3").create_bucket(Bucket="photos")
        folder.keep(port_of(running))
        # What the service writes can't replace a folder.
        (tmp_path / "ministack" / "s3.json" / "in the way").mkdir(parents=True)

    assert folder.saved_at() is None
    assert "not kept: s3" in folder.log.read_text()


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A folder with a kept model package group that has had two versions."""
    with lifecycle.start(tmp_path, lasting=True) as running:
        running.session().client("sqs").create_queue(QueueName="undelivered")
        client = running.session().client("sagemaker")
        client.create_model_package_group(ModelPackageGroupName="models")
        arns = [
            client.create_model_package(ModelPackageGroupName="models")["ModelPackageArn"]
            for _ in range(2)
        ]
        client.delete_model_package(ModelPackageName=arns[1])
        StateFolder(tmp_path).keep(port_of(running))
    return tmp_path


def test_versions_of_models_are_kept_and_counted_on(registry: Path) -> None:
    with lifecycle.start(registry, lasting=True) as running:
        client = running.session().client("sagemaker")
        listed = client.list_model_packages(ModelPackageGroupName="models")
        new = client.create_model_package(ModelPackageGroupName="models")

    kept = [one["ModelPackageArn"].rpartition("/")[2] for one in listed["ModelPackageSummaryList"]]
    assert kept == ["1"]
    assert json.dumps(new["ModelPackageArn"]).endswith('/3"')


def test_a_pipeline_and_what_starts_it_are_kept(tmp_path: Path) -> None:
    with lifecycle.start(tmp_path, lasting=True) as running:
        app = TinyApp(running.session(), running.account, running.region)
        step = {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "no data"}}
        pipeline = app.client("sagemaker").create_pipeline(
            PipelineName="kept",
            PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [step]}),
            RoleArn=app.role("sagemaker.amazonaws.com"),
        )["PipelineArn"]
        bucket = app.bucket()
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
        role = app.role("events.amazonaws.com", allow("sagemaker:StartPipelineExecution", pipeline))
        app.rule(pattern, {"Arn": pipeline, "RoleArn": role})
        started = app.client("sagemaker").start_pipeline_execution(PipelineName="kept")
        StateFolder(tmp_path).keep(port_of(running))

    with lifecycle.start(tmp_path, lasting=True) as running:
        app = TinyApp(running.session(), running.account, running.region)
        client = app.client("sagemaker")
        before = client.list_pipeline_executions(PipelineName="kept")["PipelineExecutionSummaries"]
        app.client("s3").put_object(Bucket=bucket, Key="data.csv", Body=b"")

        def second() -> bool:
            listed = client.list_pipeline_executions(PipelineName="kept")
            return len(listed["PipelineExecutionSummaries"]) == 2

        assert [one["PipelineExecutionArn"] for one in before] == [started["PipelineExecutionArn"]]
        assert before[0]["PipelineExecutionStatus"] == "Failed"
        assert eventually(second, 15)
