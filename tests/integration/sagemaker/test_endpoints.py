import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from scones_local.sagemaker import deployment, runtime
from scones_local.sagemaker.fleet import Variant
from tests.integration.sagemaker.local_sagemaker import (
    ACCOUNT,
    BUCKET,
    IMAGE,
    POWERLESS,
    ROLE,
    Cloud,
    error_of,
    until,
)


@pytest.fixture
def served(cloud: Cloud) -> Cloud:
    cloud.model("one")
    cloud.config("one")
    assert cloud.endpoint("live", "one")["EndpointStatus"] == "InService"
    return cloud


class Load:
    """Requests without a pause until told to stop; keeps what they were answered."""

    def __init__(self, cloud: Cloud, threads: int = 4) -> None:
        self.models: list[str] = []
        self.errors: list[Exception] = []
        self._cloud = cloud
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._done.is_set():
            try:
                self.models.append(self._cloud.invoke("live", "sleep 0.01")["model"])
            except Exception as error:
                self.errors.append(error)


def update(cloud: Cloud, config: str, deployment_config: dict[str, Any] | None = None) -> None:
    more = {"DeploymentConfig": deployment_config} if deployment_config else {}
    cloud.sagemaker.update_endpoint(EndpointName="live", EndpointConfigName=config, **more)


def canary(wait: int, alarm: str | None = None) -> dict[str, Any]:
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": wait,
    }
    config: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": 0,
        }
    }
    if alarm:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm}]}
    return config


def test_serves_the_model_of_its_archive(served: Cloud) -> None:
    described = served.sagemaker.describe_endpoint(EndpointName="live")
    assert described["EndpointArn"].endswith(f":{ACCOUNT}:endpoint/live")
    (variant,) = described["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("AllTraffic", 1)
    answer = served.runtime.invoke_endpoint(
        EndpointName="live", Body=b"hello", ContentType="image/png", Accept="application/json"
    )
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ContentType"] == "application/json"
    told = json.loads(answer["Body"].read())
    assert (told["model"], told["size"]) == ("one", 5)
    assert told["headers"]["Content-Type"] == "image/png"
    assert told["headers"]["Accept"] == "application/json"


def test_passes_on_custom_attributes_and_the_inference_id(served: Cloud) -> None:
    told = served.invoke("live", CustomAttributes="a=1", InferenceId="photo-7")
    headers = {name.lower(): value for name, value in told["headers"].items()}
    assert headers["x-amzn-sagemaker-custom-attributes"] == "a=1"
    assert headers["x-amzn-sagemaker-inference-id"] == "photo-7"


def test_tells_of_every_status(served: Cloud) -> None:
    events = served.sent("SageMaker Endpoint State Change")
    assert [event["EndpointStatus"] for event in events] == ["CREATING", "IN_SERVICE"]
    assert events[-1]["EndpointConfigName"] == "one"
    assert events[-1]["ProductionVariants"][0]["DesiredWeight"] == 1.0
    assert isinstance(events[-1]["LastModifiedTime"], int)
    (config,) = served.sent("SageMaker Endpoint Config State Change")
    assert config["EndpointConfigArn"].endswith("endpoint-config/one")
    (model,) = served.sent("SageMaker Model State Change")
    assert model["ModelArn"].endswith("model/one")


def test_an_archive_the_container_cannot_serve_fails_with_the_logs_end(cloud: Cloud) -> None:
    cloud.model("broken", other_txt="nothing to serve")
    cloud.config("broken")
    described = cloud.endpoint("live", "broken")
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "there is no name.txt in the model" in described["FailureReason"]
    assert cloud.sent("SageMaker Endpoint State Change")[-1]["EndpointStatus"] == "FAILED"
    assert error_of(lambda: cloud.invoke("live"))["Code"] == "ValidationError"
    cloud.sagemaker.delete_endpoint(EndpointName="live")


def test_an_archive_that_vanished_fails(cloud: Cloud) -> None:
    cloud.model("one")
    cloud.config("one")
    cloud.s3.delete_object(Bucket=BUCKET, Key="models/one/model.tar.gz")
    described = cloud.endpoint("live", "one")
    assert described["EndpointStatus"] == "Failed"
    assert "Failed to download model data" in described["FailureReason"]


def test_an_archive_that_is_none_fails(cloud: Cloud) -> None:
    cloud.model("one")
    cloud.config("one")
    cloud.put("models/one/model.tar.gz", "not an archive")
    assert "is not a gzipped tar file" in cloud.endpoint("live", "one")["FailureReason"]


def test_a_model_needs_its_data(cloud: Cloud) -> None:
    def create(role: str) -> None:
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/nowhere/model.tar.gz"}
        cloud.sagemaker.create_model(
            ModelName="none", ExecutionRoleArn=role, PrimaryContainer=container
        )

    assert "Could not find model data at" in error_of(lambda: create(ROLE))["Message"]
    assert "Could not access model data at" in error_of(lambda: create(POWERLESS))["Message"]


def test_names_are_taken_once(served: Cloud) -> None:
    for again in (
        lambda: served.model("one"),
        lambda: served.config("one"),
        lambda: served.endpoint("live", "one"),
    ):
        assert "Cannot create already existing" in error_of(again)["Message"]


def test_names_are_compared_without_case_but_not_by_the_runtime(served: Cloud) -> None:
    assert served.sagemaker.describe_endpoint(EndpointName="LIVE")["EndpointName"] == "live"
    assert "already existing" in error_of(lambda: served.endpoint("Live", "one"))["Message"]
    assert error_of(lambda: served.invoke("LIVE"))["Code"] == "ValidationError"
    served.sagemaker.delete_endpoint(EndpointName="LIVE")
    until(lambda: not served.sagemaker.list_endpoints()["Endpoints"])


def test_deleting_models_and_configurations_is_told(served: Cloud) -> None:
    served.sagemaker.delete_endpoint_config(EndpointConfigName="one")
    served.sagemaker.delete_model(ModelName="one")
    assert served.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert served.sagemaker.list_models()["Models"] == []
    assert len(served.sent("SageMaker Endpoint Config State Change")) == 2
    assert len(served.sent("SageMaker Model State Change")) == 2
    assert "Could not find model" in error_of(lambda: served.config("one"))["Message"]


def test_models_are_listed_by_name_in_pages(cloud: Cloud) -> None:
    for name in ("one", "two", "three"):
        cloud.model(name)

    def names(**asked: Any) -> list[str]:
        pages = cloud.sagemaker.get_paginator("list_models").paginate(**asked)
        return [model["ModelName"] for page in pages for model in page["Models"]]

    assert names() == ["three", "two", "one"]
    assert names(NameContains="T", SortOrder="Ascending") == ["two", "three"]
    assert names(SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 1}) == [
        "one",
        "three",
        "two",
    ]
    assert names(CreationTimeBefore=time.time() - 60) == []
    assert len(cloud.sagemaker.list_models(MaxResults=2)["Models"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, "no serverless"),
        ({"ModelName": None}, "are required for variant"),
        ({"VariantName": "B"}, "Duplicate VariantName"),
    ],
)
def test_variants_that_cannot_be_hosted(
    cloud: Cloud, changes: dict[str, Any], message: str
) -> None:
    cloud.model("one")
    variants = [{"VariantName": name, "ModelName": "one"} for name in ("A", "B")]
    error = error_of(lambda: cloud.config("one", {**variants[0], **changes}, variants[1]))
    assert message in error["Message"]


def test_a_missing_endpoint(cloud: Cloud) -> None:
    error = error_of(lambda: cloud.invoke("nobody"))
    assert (error["status"], error["Code"]) == (400, "ValidationError")
    assert error["Message"] == f"Endpoint nobody of account {ACCOUNT} not found."


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (500, "server")])
def test_a_containers_error_is_a_model_error(served: Cloud, status: int, side: str) -> None:
    error = error_of(lambda: served.invoke("live", f"status {status}"))
    assert (error["status"], error["Code"]) == (424, "ModelError")
    beginning = (
        f'Received {side} error ({status}) from primary with message "no good". See https://'
    )
    assert error["Message"].startswith(beginning)
    assert error["OriginalStatusCode"] == status
    assert error["OriginalMessage"] == "no good"
    assert error["LogStreamArn"].endswith("log-group:/aws/sagemaker/Endpoints/live")


def test_a_slow_container_is_a_model_error(served: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "REQUEST_SECONDS", 0.2)
    error = error_of(lambda: served.invoke("live", "sleep 5"))
    assert (error["Code"], error["OriginalStatusCode"]) == ("ModelError", 0)
    assert "timed out" in error["Message"]


def test_a_body_has_a_limit(served: Cloud) -> None:
    assert served.invoke("live", "x" * 6_291_456)["size"] == 6_291_456
    error = error_of(lambda: served.invoke("live", "x" * 6_291_457))
    assert error["status"] == 413


def test_a_crashed_container_is_started_again(served: Cloud) -> None:
    first = served.invoke("live")["pid"]
    assert error_of(lambda: served.invoke("live", "crash"))["Code"] == "ModelError"

    def answered() -> int | None:
        try:
            return int(served.invoke("live")["pid"])
        except Exception:
            return None

    assert until(answered) != first


def test_variants_share_by_weight_and_can_be_targeted(cloud: Cloud) -> None:
    cloud.model("one")
    cloud.model("two")
    cloud.config(
        "both",
        {"VariantName": "A", "ModelName": "one", "InitialVariantWeight": 1},
        {"VariantName": "B", "ModelName": "two", "InitialVariantWeight": 0},
    )
    cloud.endpoint("live", "both")
    assert {cloud.invoke("live")["model"] for _ in range(20)} == {"one"}
    assert cloud.invoke("live", TargetVariant="B")["model"] == "two"
    assert error_of(lambda: cloud.invoke("live", TargetVariant="C"))["Code"] == "ValidationError"
    changes = [
        {"VariantName": "A", "DesiredWeight": 0},
        {"VariantName": "B", "DesiredWeight": 3, "DesiredInstanceCount": 2},
    ]
    cloud.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="live", DesiredWeightsAndCapacities=changes
    )
    described = cloud.settled("live")
    assert [v["CurrentWeight"] for v in described["ProductionVariants"]] == [0, 3]
    assert [v["CurrentInstanceCount"] for v in described["ProductionVariants"]] == [1, 2]
    told = [cloud.invoke("live") for _ in range(30)]
    assert {answer["model"] for answer in told} == {"two"}
    assert len({answer["pid"] for answer in told}) == 2


def test_an_update_under_load_loses_no_request(served: Cloud) -> None:
    served.model("two")
    served.config("two")
    with Load(served) as load:
        until(lambda: len(load.models) > 20)
        update(served, "two")
        assert served.settled("live")["EndpointConfigName"] == "two"
        seen = len(load.models)
        until(lambda: len(load.models) > seen + 20)
    assert load.errors == []
    assert load.models[0] == "one"
    assert set(load.models[-10:]) == {"two"}
    statuses = [e["EndpointStatus"] for e in served.sent("SageMaker Endpoint State Change")]
    assert statuses == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE"]
    folders = served.folder / "endpoints" / "live"
    assert until(lambda: len(list(folders.iterdir())) == 1)


def test_a_request_that_meets_a_switch_takes_the_new_fleet(served: Cloud) -> None:
    served.model("two")
    served.config("two")
    served.endpoint("other", "two")
    endpoint, other = (served.service._endpoints.in_service(name) for name in ("live", "other"))
    assert endpoint is not None
    assert other is not None
    assert endpoint.current is not None
    assert other.current is not None
    old, new = endpoint.current, other.current
    endpoint.begin(new)
    choose = old.fleet.choose

    def choose_while_switching(name: str | None) -> Variant:
        chosen = choose(name)
        endpoint.switch()
        old.stop()
        return chosen

    old.fleet.choose = choose_while_switching  # type: ignore[method-assign]
    turn = endpoint.acquire_slot(None)
    assert turn.serving is new
    turn.instance.release()


def test_an_instance_that_is_being_stopped_takes_no_request(served: Cloud) -> None:
    endpoint = served.service._endpoints.in_service("live")
    assert endpoint is not None
    instance = endpoint.acquire_slot(None).instance
    stopping = threading.Thread(target=instance.stop, args=(30,))
    stopping.start()
    until(lambda: not instance.acquire() or instance.release())
    assert stopping.is_alive()  # waits for the request that has its turn
    instance.release()
    stopping.join()


def test_an_update_that_cannot_start_stays_on_the_old_configuration(served: Cloud) -> None:
    served.model("broken", other_txt="")
    served.config("broken")
    update(served, "broken")
    described = served.settled("live")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "one")
    assert "did not pass the ping health check" in described["FailureReason"]
    assert served.invoke("live")["model"] == "one"


def test_an_endpoint_in_progress_takes_no_change(served: Cloud) -> None:
    served.model("two")
    served.config("two")
    update(served, "two", canary(wait=5))
    for change in (
        lambda: update(served, "two"),
        lambda: served.sagemaker.delete_endpoint(EndpointName="live"),
    ):
        assert "Cannot update in-progress endpoint" in error_of(change)["Message"]


def test_a_canary_takes_its_share_then_all(served: Cloud) -> None:
    served.model("two")
    served.config("two")
    update(served, "two", canary(wait=2))

    def pending() -> dict[str, Any] | None:
        described = served.sagemaker.describe_endpoint(EndpointName="live")
        summary: dict[str, Any] | None = described.get("PendingDeploymentSummary")
        return summary

    summary = until(pending)
    assert summary["EndpointConfigName"] == "two"
    assert summary["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Baking"
    assert {served.invoke("live")["model"] for _ in range(40)} == {"one", "two"}
    described = served.settled("live")
    assert described["EndpointConfigName"] == "two"
    assert described["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert "PendingDeploymentSummary" not in described
    assert {served.invoke("live")["model"] for _ in range(20)} == {"two"}
    first = served.sent("SageMaker Endpoint Deployment State Change")[0]
    assert first["PendingDeploymentSummary"]["EndpointConfigName"] == "two"


def test_a_canary_rolls_back_on_an_alarm(served: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "ALARM_SECONDS", 0.1)
    cloudwatch = served.client("cloudwatch", None)
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )
    served.model("two")
    served.config("two")
    update(served, "two", canary(wait=60, alarm="errors"))
    until(lambda: "two" in {served.invoke("live")["model"] for _ in range(10)})
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    described = served.settled("live")
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "one")
    assert "errors" in described["FailureReason"]
    assert until(lambda: len(list((served.folder / "endpoints" / "live").iterdir())) == 1)
    assert {served.invoke("live")["model"] for _ in range(20)} == {"one"}
    statuses = [e["EndpointStatus"] for e in served.sent("SageMaker Endpoint State Change")]
    assert statuses[2:] == ["UPDATING", "ROLLING_BACK", "IN_SERVICE"]


def test_an_update_can_keep_the_deployment_and_the_variants(served: Cloud) -> None:
    served.model("two")
    served.config("two")
    served.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="live",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 7}],
    )
    served.settled("live")
    update(served, "two", canary(wait=0))
    served.settled("live")
    served.sagemaker.update_endpoint(
        EndpointName="live",
        EndpointConfigName="one",
        RetainAllVariantProperties=True,
        RetainDeploymentConfig=True,
    )
    described = served.settled("live")
    assert described["EndpointConfigName"] == "one"
    assert described["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert described["ProductionVariants"][0]["CurrentWeight"] == 1.0


def test_a_deleted_endpoint_is_gone_with_its_process(served: Cloud) -> None:
    pid = served.invoke("live")["pid"]
    served.sagemaker.delete_endpoint(EndpointName="live")
    until(lambda: not served.sagemaker.list_endpoints()["Endpoints"])
    until(lambda: not alive(pid))
    error = error_of(lambda: served.sagemaker.describe_endpoint(EndpointName="live"))
    assert error["Code"] == "ValidationException"
    assert error_of(lambda: served.invoke("live"))["Code"] == "ValidationError"


def test_a_model_may_come_from_a_package(cloud: Cloud) -> None:
    url = cloud.model("one")
    cloud.sagemaker.create_model_package_group(ModelPackageGroupName="group")
    container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": {"COLOUR": "green"}}
    arn = cloud.sagemaker.create_model_package(
        ModelPackageGroupName="group",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        ModelApprovalStatus="Approved",
    )["ModelPackageArn"]
    cloud.sagemaker.create_model(
        ModelName="packaged", ExecutionRoleArn=ROLE, Containers=[{"ModelPackageName": arn}]
    )
    cloud.config("packaged")
    cloud.endpoint("live", "packaged")
    told = cloud.invoke("live")
    assert told["model"] == "one"
    assert told["environment"]["COLOUR"] == "green"


def test_counts_invocations_in_cloudwatch(served: Cloud) -> None:
    for body in ("hello", "hello", "status 400", "status 500"):
        if body == "hello":
            served.invoke("live", body)
        else:
            error_of(lambda body=body: served.invoke("live", body))  # type: ignore[misc]

    def total(metric: str) -> float:
        found = served.client("cloudwatch", None).get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": "live"},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=time.time() - 600,
            EndTime=time.time() + 600,
            Period=3600,
            Statistics=["Sum"],
        )
        return sum(point["Sum"] for point in found["Datapoints"])

    until(lambda: total("Invocations") == 4)
    assert total("Invocation4XXErrors") == total("Invocation5XXErrors") == 1
    assert total("ModelLatency") > 0


def test_shutdown_leaves_no_process(served: Cloud) -> None:
    pid = served.invoke("live")["pid"]
    assert alive(pid)
    served.service.shutdown()
    assert not alive(pid)


def test_no_container_outlives_a_killed_cloud(tmp_path: Path) -> None:
    host = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from scones_local.sagemaker.container import Container
        root = Path(sys.argv[1])
        (root / "model").mkdir()
        (root / "model" / "name.txt").write_text("one")
        Container([*sys.argv[2:], "serve", "--root", str(root), "--port", "0"], root, {}, print)
        time.sleep(60)
        """
    )
    program = textwrap.dedent(
        """
        import os, sys, time
        print(os.getpid(), flush=True)
        time.sleep(60)
        """
    )
    cloud = subprocess.Popen(
        [sys.executable, "-c", host, str(tmp_path), sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert cloud.stdout is not None
    with cloud.stdout:
        pid = int(cloud.stdout.readline())
    assert alive(pid)
    cloud.send_signal(signal.SIGKILL)
    cloud.wait()
    assert until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
