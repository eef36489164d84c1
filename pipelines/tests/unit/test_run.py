"""`run-pipeline` against a SageMaker that is a few dictionaries."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from scones_pipelines.commands import run
from scones_pipelines.commands.follow import follow_execution

ARN = "arn:aws:sagemaker:eu-west-1:111122223333:pipeline/abalone/execution/abcdefghijkl"
ROLE = "arn:aws:iam::111122223333:role/PipelineRole"
START = datetime(2026, 11, 1, tzinfo=UTC)


def step(name: str, status: str, **members: Any) -> dict[str, Any]:
    return {"StepName": name, "StepStatus": status, "StartTime": START, **members}


class SageMaker:
    """Tells one moment of an execution after the other."""

    def __init__(
        self, *moments: tuple[str, list[dict[str, Any]]], reason: str | None = None
    ) -> None:
        self._moments = iter(moments)
        self._now: tuple[str, list[dict[str, Any]]] = ("Executing", [])
        self._reason = reason
        self.started: list[dict[str, Any]] = []

    def describe_pipeline(self, **_: Any) -> dict[str, Any]:
        return {"PipelineArn": ARN.partition("/execution")[0]}

    def start_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        self.started.append(request)
        return {"PipelineExecutionArn": ARN}

    def describe_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        assert request == {"PipelineExecutionArn": ARN}
        self._now = next(self._moments)
        reason = {"FailureReason": self._reason} if self._reason else {}
        return {"PipelineExecutionStatus": self._now[0], **reason}

    def list_pipeline_execution_steps(self, **request: Any) -> dict[str, Any]:
        steps, page = self._now[1], int(request.get("NextToken", 0))
        more = {"NextToken": str(page + 1)} if page + 1 < len(steps) else {}
        return {"PipelineExecutionSteps": steps[page : page + 1], **more}


def followed(sagemaker: SageMaker) -> tuple[Any, list[str]]:
    lines: list[str] = []
    return follow_execution(sagemaker, ARN, lines.append, sleep=lambda _: None), lines


def test_each_change_of_a_step_is_told_once() -> None:
    done = step("Train", "Succeeded", EndTime=START + timedelta(seconds=90))
    condition = step("Check", "Succeeded", Metadata={"Condition": {"Outcome": "True"}})
    outcome, lines = followed(
        SageMaker(
            ("Executing", []),
            ("Executing", [step("Train", "Executing")]),
            ("Executing", [step("Train", "Executing")]),
            ("Succeeded", [done, condition]),
        )
    )

    assert outcome.status == "Succeeded"
    assert [" ".join(line.split()) for line in lines] == [
        "Train Executing",
        "Train Succeeded (90 s)",
        "Check Succeeded (condition is true)",
    ]


def test_a_cached_result_and_a_second_attempt_are_told() -> None:
    steps = [
        step("A", "Succeeded", CacheHitResult={"SourcePipelineExecutionArn": ARN}),
        step("B", "Executing", AttemptCount=2),
    ]
    _, lines = followed(SageMaker(("Succeeded", steps)))

    assert lines[0].endswith("(result of an earlier execution)")
    assert lines[1].endswith("(attempt 2)")


@pytest.mark.parametrize("status", ["Stopped", "CompletedWithFailures", "Failed"])
def test_every_final_status_ends_the_wait(status: str) -> None:
    outcome, _ = followed(SageMaker((status, [])))

    assert outcome.status == status


def test_a_failed_step_is_told_with_its_reason_and_its_log() -> None:
    job = "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/pipelines-abc-Preprocess-x"
    failed = step(
        "Preprocess",
        "Failed",
        FailureReason="AlgorithmError: no rows, exit code: 1",
        Metadata={"ProcessingJob": {"Arn": job}},
    )
    outcome, _ = followed(SageMaker(("Failed", [failed]), reason="Step failure"))

    (failure,) = outcome.failures
    assert "Preprocess: AlgorithmError: no rows, exit code: 1" in failure
    assert (
        "/aws/sagemaker/ProcessingJobs --log-stream-name-prefix pipelines-abc-Preprocess-x/"
        in failure
    )


class Pipeline:
    """Remembers what it was asked for."""

    name = "abalone"

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}
        names = ("MaxMse", "InputBucket", "InputKey")
        self.parameters = [type("Parameter", (), {"name": name})() for name in names]

    def upsert(self, role: str, **options: Any) -> None:
        self.calls["upsert"] = (role, options)

    def put_triggers(self, **options: Any) -> None:
        self.calls["triggers"] = options


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    pipeline = Pipeline()
    monkeypatch.setattr(run, "build_pipeline", lambda *_: pipeline)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return pipeline


def called(monkeypatch: pytest.MonkeyPatch, sagemaker: Any, *options: str, aws: Any = None) -> int:
    session = type("Session", (), {"sagemaker_client": sagemaker, "boto_session": aws})()
    monkeypatch.setattr(run, "create_session", lambda region, bucket: session)
    return run.main(["-n", "abalone", "--role-arn", ROLE, "--poll-seconds", "0", *options])


def test_a_pipeline_is_updated_started_and_followed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker = SageMaker(("Succeeded", [step("Train", "Succeeded")]))
    options = ["--description", "weekly", "--tags", "{'a': 'b'}", "--parameters", "{'MaxMse': 5.5}"]

    assert called(monkeypatch, sagemaker, *options) == 0

    assert pipeline.calls["upsert"] == (
        ROLE,
        {"description": "weekly", "tags": [{"Key": "a", "Value": "b"}]},
    )
    assert sagemaker.started == [
        {
            "PipelineName": "abalone",
            "PipelineParameters": [{"Name": "MaxMse", "Value": "5.5"}],
            "PipelineExecutionDescription": "weekly",
        }
    ]
    assert "The execution ended: Succeeded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "text"),
    [("Failed", "failed: Check: too high"), ("Stopped", "reason: an operator")],
)
def test_an_execution_that_does_not_succeed_is_exit_code_1(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: str,
    text: str,
) -> None:
    steps = [step("Check", "Failed", Metadata={"Fail": {"ErrorMessage": "too high"}})]
    sagemaker = SageMaker((status, steps if status == "Failed" else []), reason="an operator")

    assert called(monkeypatch, sagemaker) == 1
    assert text in capsys.readouterr().err


def test_errors_of_aws_are_exit_code_3(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Denied(SageMaker):
        def start_pipeline_execution(self, **request: Any) -> dict[str, Any]:
            error = {"Error": {"Code": "AccessDeniedException", "Message": "not allowed"}}
            raise ClientError(error, "StartPipelineExecution")

    assert called(monkeypatch, Denied()) == 3
    assert "not allowed" in capsys.readouterr().err


def test_an_interruption_leaves_the_execution_running(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(SageMaker):
        def describe_pipeline_execution(self, **request: Any) -> dict[str, Any]:
            raise KeyboardInterrupt

    assert called(monkeypatch, Interrupted()) == 130
    assert f"stop-pipeline-execution --pipeline-execution-arn {ARN}" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--no-wait", "--no-start"])
def test_it_need_not_be_followed_or_started(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    sagemaker = SageMaker()

    assert called(monkeypatch, sagemaker, option) == 0
    assert len(sagemaker.started) == (option == "--no-wait")


@pytest.mark.parametrize(
    ("schedule", "expression"),
    [("cron(0 3 ? * SUN *)", "cron(0 3 ? * SUN *)"), ("rate(7 days)", "rate(7 days)")],
)
def test_a_schedule_starts_it_too(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, schedule: str, expression: str
) -> None:
    role = "arn:aws:iam::111122223333:role/SchedulerRole"
    options = ["--no-start", "--schedule", schedule, "--schedule-role-arn", role]

    assert called(monkeypatch, SageMaker(), *options) == 0

    (trigger,) = pipeline.calls["triggers"]["triggers"]
    assert trigger.resolve_schedule_expression() == expression
    assert pipeline.calls["triggers"]["role_arn"] == role


class Aws:
    """S3 and EventBridge, which remember what they were asked for."""

    def __init__(self, *, sends_events: bool = True, refused: str | None = None) -> None:
        self._sends_events = sends_events
        self._refused = refused
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Any:
        assert service in {"s3", "events"}
        return self

    def get_bucket_notification_configuration(self, **_: Any) -> dict[str, Any]:
        return {"EventBridgeConfiguration": {}} if self._sends_events else {}

    def put_rule(self, **request: Any) -> dict[str, Any]:
        self._check("PutRule", request)
        return {}

    def put_targets(self, **request: Any) -> dict[str, Any]:
        self._check("PutTargets", request)
        failed = [{"ErrorMessage": self._refused}] if self._refused else []
        return {"FailedEntryCount": len(failed), "FailedEntries": failed}

    def _check(self, operation: str, request: dict[str, Any]) -> None:
        model = botocore.session.get_session().get_service_model("events")
        shape = model.operation_model(operation).input_shape
        problems = ParamValidator().validate(request, shape)
        assert not problems.has_errors(), problems.generate_report()
        self.calls.append((operation, request))


UPLOAD = ["--no-start", "--on-upload", "s3://data/abalone/", "--on-upload-role-arn", ROLE]


@pytest.mark.parametrize(
    ("uri", "key"),
    [("s3://data/abalone/", {"prefix": "abalone/"}), ("s3://data/abalone/a.csv", "abalone/a.csv")],
)
def test_an_upload_starts_it_too(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uri: str,
    key: Any,
) -> None:
    aws = Aws()
    options = ["--no-start", "--on-upload", uri, "--on-upload-role-arn", ROLE]

    assert called(monkeypatch, SageMaker(), *options, aws=aws) == 0

    (_, rule), (_, targets) = aws.calls
    assert json.loads(rule["EventPattern"])["detail"]["object"]["key"] == [key]
    assert json.loads(rule["EventPattern"])["detail"]["bucket"]["name"] == ["data"]
    (target,) = targets["Targets"]
    assert (target["Arn"], target["RoleArn"]) == (ARN.partition("/execution")[0], ROLE)
    assert target["SageMakerPipelineParameters"]["PipelineParameterList"] == [
        {"Name": "InputBucket", "Value": "$.detail.bucket.name"},
        {"Name": "InputKey", "Value": "$.detail.object.key"},
    ]
    assert f"Uploads to {uri} start it: rule abalone-upload" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("aws", "message"),
    [
        (Aws(sends_events=False), "the bucket data sends no events to EventBridge"),
        (Aws(refused="no such role"), "the rule abalone-upload has no target: no such role"),
    ],
)
def test_a_rule_that_would_start_nothing_is_exit_code_3(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    aws: Aws,
    message: str,
) -> None:
    assert called(monkeypatch, SageMaker(), *UPLOAD, aws=aws) == 3
    assert message in capsys.readouterr().err


def test_a_pipeline_without_parameters_for_uploads_runs_with_its_defaults(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = Aws()

    assert called(monkeypatch, SageMaker(), *UPLOAD, "-n", "vehicles", aws=aws) == 0

    assert "SageMakerPipelineParameters" not in aws.calls[1][1]["Targets"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--on-upload", "s3://data/abalone/"], "--on-upload needs a role"),
        ([*UPLOAD, "--on-upload", "s3://data"], "is not the URI of an object or a prefix"),
        ([*UPLOAD, "--on-upload", "s3://data/pipelines/x/"], "would start the next one"),
        ([*UPLOAD, "-n", "skin_lesions"], "has no parameter ArchiveBucket, ArchiveKey"),
        (["--schedule", "weekly", "--schedule-role-arn", ROLE], "is not a schedule"),
        (["--schedule", "rate(0 days)", "--schedule-role-arn", ROLE], "is not a schedule"),
        (["--schedule", "rate(7 days)"], "--schedule needs a role"),
        (["--parameters", "{'MaxMsr': 1}"], "no parameter MaxMsr: its parameters are MaxMse, "),
        (["--parameters", "5"], "is not a dictionary"),
        (["--role-arn", "Admin"], "is not the ARN of a role"),
    ],
)
def test_usage_errors_are_exit_code_2(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    assert called(monkeypatch, SageMaker(), *options) == 2
    assert message in capsys.readouterr().err
    assert not pipeline.calls


def test_region_and_role_are_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    assert run.main(["-n", "abalone", "--role-arn", ROLE]) == 2
    assert "no AWS Region" in capsys.readouterr().err
    assert run.main(["-n", "abalone", "--region", "eu-west-1"]) == 2
    assert "no role" in capsys.readouterr().err
