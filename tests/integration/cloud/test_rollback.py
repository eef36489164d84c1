"""A canary that fails is noticed by alarms and rolled back, whoever asks meanwhile."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.cloud.test_endpoints import CANARY
from tests.integration.cloud.tiny_app import TinyApp, eventually
from tests.integration.cloud.tiny_model import TinyModels, photo

PERIOD = 10


@pytest.fixture(scope="module")
def models(app: TinyApp) -> TinyModels:
    return TinyModels.made(app)


def alarm(
    endpoint: str, metric: str, statistic: dict[str, str], threshold: float
) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": f"{endpoint}-{metric}",
            "Namespace": "AWS/SageMaker",
            "MetricName": metric,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            **statistic,
            "Period": PERIOD,
            "EvaluationPeriods": 1,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        },
    }


def deploy(app: TinyApp, resources: dict[str, Any]) -> None:
    formation, stack = app.client("cloudformation"), app.name("stack")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": resources}))
    formation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def state(app: TinyApp, name: str) -> str:
    (found,) = app.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


class Endpoint:
    def __init__(self, app: TinyApp, config: str) -> None:
        self.name = app.name("endpoint")
        self._sagemaker = app.client("sagemaker")
        self._runtime = app.client("sagemaker-runtime")
        self._sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config)
        assert eventually(lambda: self.status == "InService", 30)

    @property
    def status(self) -> str:
        return str(self.described()["EndpointStatus"])

    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self._sagemaker.describe_endpoint(EndpointName=self.name)
        return found

    def update(self, config: str, *alarms: str, wait: int) -> None:
        policy = CANARY["BlueGreenUpdatePolicy"]
        routing = {**policy["TrafficRoutingConfiguration"], "WaitIntervalInSeconds": wait}  # type: ignore[dict-item]
        self._sagemaker.update_endpoint(
            EndpointName=self.name,
            EndpointConfigName=config,
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {**policy, "TrafficRoutingConfiguration": routing},
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
            },
        )

    def fails(self) -> bool:
        """Ask once; tell whether the model failed."""
        try:
            answer = self._runtime.invoke_endpoint(
                EndpointName=self.name, Body=photo(255), ContentType="image/png"
            )
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ModelError"
            return True
        assert json.loads(answer["Body"].read()) == [1.0, 0.0]
        return False


def test_faults_of_a_canary_roll_the_update_back(app: TinyApp, models: TinyModels) -> None:
    good, broken = models.config(), models.config("broken")
    endpoint, other = Endpoint(app, good), Endpoint(app, good)
    faults, slow = (f"{endpoint.name}-{m}" for m in ("Invocation5XXErrors", "ModelLatency"))
    deploy(
        app,
        {
            "Faults": alarm(endpoint.name, "Invocation5XXErrors", {"Statistic": "Sum"}, 2),
            "Slow": alarm(endpoint.name, "ModelLatency", {"ExtendedStatistic": "p90"}, 50_000_000),
            "Other": alarm(other.name, "Invocation5XXErrors", {"Statistic": "Sum"}, 2),
        },
    )
    assert eventually(lambda: state(app, faults) == "OK")
    endpoint.update(broken, faults, slow, wait=120)
    failed = 0

    def rolled_back() -> bool:
        nonlocal failed
        failed += endpoint.fails()
        other.fails()
        return endpoint.status == "InService"

    assert eventually(rolled_back, 45)
    assert failed >= 2
    assert state(app, faults) == "ALARM"
    described = endpoint.described()
    assert described["EndpointConfigName"] == good
    assert faults in described["FailureReason"]
    assert slow not in described["FailureReason"]
    assert not endpoint.fails()
    # Another endpoint's alarm hears nothing of these faults.
    assert state(app, f"{other.name}-Invocation5XXErrors") == "OK"
    # And it calms down by itself.
    assert eventually(lambda: state(app, faults) == "OK", 2 * PERIOD)
    endpoint.update(models.config(), faults, slow, wait=1)
    assert eventually(lambda: endpoint.status == "InService", 30)
    assert endpoint.described()["EndpointConfigName"] != good


def test_a_state_set_by_hand_rolls_back_and_lasts_a_period(
    app: TinyApp, models: TinyModels
) -> None:
    good = models.config()
    endpoint = Endpoint(app, good)
    name = f"{endpoint.name}-Invocation5XXErrors"
    deploy(app, {"Faults": alarm(endpoint.name, "Invocation5XXErrors", {"Statistic": "Sum"}, 2)})
    endpoint.update(models.config(), name, wait=120)
    app.client("cloudwatch").set_alarm_state(
        AlarmName=name, StateValue="ALARM", StateReason="a drill"
    )
    assert eventually(lambda: endpoint.status == "InService", 30)
    assert endpoint.described()["EndpointConfigName"] == good
    assert name in endpoint.described()["FailureReason"]
    assert state(app, name) == "ALARM"
    assert eventually(lambda: state(app, name) == "OK", 2 * PERIOD)
