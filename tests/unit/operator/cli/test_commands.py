"""The commands from the outside: what they do, what they show, and their exit codes."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from scones_operator.aws import executions
from scones_operator.aws.stack import DEFAULT_STACK_NAME as DEFAULT_STACK
from scones_operator.cli import __main__ as scones
from scones_operator.cli import context
from tests.unit.operator.cli.terminal import Terminal, words
from tests.unit.operator.deployed import STACK
from tests.unit.operator.step_functions import PROMOTE, RETRAIN, StepFunctions, asked, entered


def succeeded(outcome: str, message: str = "so it is", **details: Any) -> dict[str, str]:
    output = {"outcome": outcome, "message": message, **details}
    return {"status": "SUCCEEDED", "output": json.dumps(output)}


# ---- retrain


def test_retrain(terminal: Terminal, machines: StepFunctions) -> None:
    result = terminal.type("retrain", "--force")
    assert result.exit_code == 0
    assert machines.executions[0].arn in words(result.stdout)
    assert machines.executions[0].request == {"force": True, "requested_by": "moto"}


def test_retrain_that_registers(terminal: Terminal, machines: StepFunctions) -> None:
    message = "version 3 is registered and waits for approval: accuracy 0.950"
    figures = {"version": 3, "accuracy": 0.95, "champion_accuracy": 0.9, "run": "scones-1"}
    machines.plan = [
        ([[entered("Train")], [entered("Evaluate")]], succeeded("registered", message, **figures))
    ]
    result = terminal.type("retrain", "--wait")
    assert result.exit_code == 0
    assert f"registered: {message}" in words(result.stdout)
    assert "accuracy 0.950 (in production: 0.900)" in words(result.stdout)
    assert "scones approve 3" in result.stdout
    assert "✓ Training 10.0 s" in result.stderr
    assert "✓ Evaluating" in result.stderr
    assert "Training" not in result.stdout


@pytest.mark.parametrize("outcome", ["unchanged", "not_good_enough", "busy"])
def test_retrain_that_comes_out_otherwise(
    terminal: Terminal, machines: StepFunctions, outcome: str
) -> None:
    machines.plan = [([[]], succeeded(outcome, "this is why", version=None, accuracy=None))]
    result = terminal.type("retrain", "--wait")
    assert result.exit_code == 1
    assert f"{outcome.replace('_', ' ')}: this is why" in words(result.stdout)
    assert "approve" not in result.stdout


def test_retrain_that_fails(terminal: Terminal, machines: StepFunctions) -> None:
    end = {"status": "FAILED", "error": "TrainingFailed", "cause": "out of memory"}
    machines.plan = [([[entered("Train")], []], end)]
    result = terminal.type("retrain", "--wait")
    assert result.exit_code == 3
    assert "✗ Training" in result.stderr
    assert "error: scones-retrain failed: TrainingFailed: out of memory" in result.stderr
    assert result.stdout == ""


def test_an_outcome_as_json(terminal: Terminal, machines: StepFunctions) -> None:
    machines.plan = [([[entered("Train")]], succeeded("registered", version=3))]
    result = terminal.type("--json", "retrain", "--wait")
    assert json.loads(result.stdout) == {
        "outcome": "registered",
        "message": "so it is",
        "version": 3,
        "execution": machines.executions[0].arn,
    }
    assert "Training" in result.stderr


def test_who_stops_following_is_told_that_it_goes_on(
    terminal: Terminal, machines: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(executions, "time", SimpleNamespace(sleep=interrupt))
    result = terminal.type("retrain", "--wait")
    assert result.exit_code == 130
    assert f"the execution continues: {machines.executions[0].arn}" in words(result.stderr)


# ---- models, approve, reject


def test_models(terminal: Terminal, session: Any) -> None:
    session.put_into_production(
        ModelPackageName=session.register(
            "Approved", accuracy="0.91", threshold="0.9", run="scones-20261113030000-ab12cd"
        )
    )
    session.register(accuracy="0.95", threshold="none", run="scones-20261120030000-ab12cd")
    result = terminal.type("models")
    assert result.exit_code == 0
    above, header, newest, oldest = result.stdout.splitlines()[:4]
    assert [*above.split(), *header.split()[3:]] == [
        *("suggested", "accuracy", "threshold", "training", "run"),
    ]
    assert newest.split() == [
        "2",
        newest.split()[1],
        *("pending", "0.950", "-", "scones-20261120030000-ab12cd"),
    ]
    assert oldest.startswith("1 ●")
    assert "approved" in oldest
    assert "● 1 is in production (scones: InService)." in result.stdout
    assert "scones approve 2" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_models_as_json(terminal: Terminal, session: Any) -> None:
    arn = session.register(accuracy="0.95", threshold="none")
    told = json.loads(terminal.type("models", "--json").stdout)
    (version,) = told["versions"]
    assert version.pop("registered_at").startswith("20")
    assert version == {
        "version": 1,
        "arn": arn,
        "status": "PendingManualApproval",
        "comment": None,
        "accuracy": 0.95,
        "threshold": None,
        "run": None,
        "in_production": False,
        "metadata": {"accuracy": "0.95", "threshold": "none"},
    }
    assert (told["group"], told["production"]) == ("scones", None)


def test_models_where_there_are_none(terminal: Terminal) -> None:
    result = terminal.type("models")
    assert result.exit_code == 0
    assert "scones has no versions yet. To train one: scones retrain --wait" in result.stdout
    assert "there is no endpoint scones" in result.stdout


def test_models_where_production_is_in_no_registry(terminal: Terminal, session: Any) -> None:
    session.put_into_production(Image="image", ModelDataUrl="s3://data/mine.tar.gz")
    result = terminal.type("models")
    assert "is s3://data/mine.tar.gz, which is not a registered version" in words(result.stdout)


def test_approve(terminal: Terminal, session: Any) -> None:
    arn = session.register()
    result = terminal.type("approve", "1", "--comment", "fine")
    assert result.exit_code == 0
    assert session.status(arn) == "Approved"
    assert "scones promote --approve 1" in result.stdout


def test_approve_again(terminal: Terminal, session: Any, machines: StepFunctions) -> None:
    session.register("Approved")
    machines.plan = [([[entered("Smoke Test")], asked("token", 1)], {})]
    result = terminal.type("approve", "1", "--wait")
    assert result.exit_code == 0
    assert "was approved before" in result.stderr
    assert "Version 1 is in staging. Promote it to production?" in result.stdout
    assert "smoke test 50 of 50 photos right" in words(result.stdout)
    assert "scones promote --approve 1, or scones promote --reject 1" in result.stdout


def test_approve_as_json_until_it_asks(
    terminal: Terminal, session: Any, machines: StepFunctions
) -> None:
    session.register("Approved")
    machines.plan = [([asked("token", 1)], {})]
    told = json.loads(terminal.type("approve", "1", "--wait", "--json").stdout)
    assert (told["outcome"], told["version"]) == ("approval_required", 1)
    assert "token" not in told


def test_approve_whose_smoke_test_fails(
    terminal: Terminal, session: Any, machines: StepFunctions
) -> None:
    session.register("Approved")
    machines.plan = [([[entered("Smoke Test")]], succeeded("smoke_test_failed", "0.4 is too low"))]
    result = terminal.type("approve", "1", "--wait")
    assert result.exit_code == 1
    assert "smoke test failed: 0.4 is too low" in result.stdout


def test_reject(terminal: Terminal, session: Any) -> None:
    arn = session.register("Approved")
    session.put_into_production(ModelPackageName=arn)
    asked = terminal.type("reject", "1", "--comment", "confuses vans")
    assert asked.exit_code == 1
    assert "Version 1 is in production. Reject it anyway?" in asked.stderr
    assert "version 1 was not rejected: confirm it, or give --force" in words(asked.stderr)
    assert session.status(arn) == "Approved"
    result = terminal.type("reject", "1", "--comment", "confuses vans", "--force")
    assert result.exit_code == 0
    assert session.status(arn) == "Rejected"
    said = words(result.stdout)
    assert "It stays in production until another one is promoted or rolled back to." in said
    assert "The next retraining cannot compare with it: only the minimum accuracy counts." in said
    again = terminal.type("reject", "1")
    assert "Reject it anyway?" not in again.stderr
    assert again.exit_code == 1
    assert "version 1 is already rejected" in again.stderr


def test_reject_of_a_version_that_is_not_in_production(terminal: Terminal, session: Any) -> None:
    session.put_into_production(ModelPackageName=session.register("Approved"))
    session.register("Approved")
    assert terminal.type("reject", "2").stdout == "Version 2 is rejected.\n"


# ---- promote, rollback, host


def wait_for_answer(machines: StepFunctions) -> Any:
    machines.waiting.add("token")
    request = {"detail": {"ModelPackageArn": "arn:x:model-package/scones/3"}}
    return machines.run(PROMOTE, request, [asked("token", 3)])


def test_promote_shows_what_waits(terminal: Terminal, machines: StepFunctions) -> None:
    nothing = terminal.type("promote")
    assert "No promotion is running" in nothing.stdout
    assert "There has been no promotion yet" in nothing.stderr
    wait_for_answer(machines)
    machines.run(PROMOTE, {"artifacts": "s3://data/m.tar.gz"}, [[entered("Update Endpoint")]])
    result = terminal.type("promote")
    assert result.exit_code == 0
    assert "Version 3 is in staging" in result.stdout
    assert "the hosting of s3://data/m.tar.gz: Deploying to production" in words(result.stdout)
    hosting, waits = json.loads(terminal.type("promote", "--json").stdout)["promotions"]
    assert hosting["approval_request"] is None
    assert waits["approval_request"]["smoke_test"] == "50 of 50 photos right"
    assert machines.answers == []


@pytest.mark.parametrize(
    ("option", "approved", "then"),
    [
        ("--approve", True, "is approved and goes to production"),
        ("--reject", False, "production is unchanged"),
    ],
)
def test_promote_answers(
    terminal: Terminal, machines: StepFunctions, option: str, approved: bool, then: str
) -> None:
    wait_for_answer(machines)
    result = terminal.type("promote", option, "3", "--comment", "why not")
    assert result.exit_code == 0
    given = {"approved": approved, "by": "anna", "comment": "why not"}
    assert machines.answers == [("token", given)]
    assert "50 of 50 photos right" in result.stderr
    assert then in words(result.stdout)


@pytest.mark.parametrize(
    ("option", "outcome", "code"),
    [
        ("--approve", "promoted", 0),
        ("--approve", "rolled_back", 1),
        ("--reject", "rejected", 0),
        ("--reject", "promoted", 1),
    ],
)
def test_promote_and_what_comes_of_it(
    terminal: Terminal, machines: StepFunctions, option: str, outcome: str, code: int
) -> None:
    execution = wait_for_answer(machines)
    execution.chunks = [[entered("Update Endpoint")]]
    execution.end = succeeded(outcome, "so it is", endpoint_config="scones-v3")
    result = terminal.type("promote", option, "--wait")
    assert result.exit_code == code
    assert f"{outcome.replace('_', ' ')}: so it is" in result.stdout
    assert "configuration  scones-v3" in result.stdout


def test_promote_after_the_last_promotion_ended(
    terminal: Terminal, machines: StepFunctions
) -> None:
    execution = wait_for_answer(machines)
    execution.end = succeeded("rolled_back", "alarms went off", kind="promotion")
    assert terminal.type("promote", "--approve", "--wait").exit_code == 1
    for answer in ((), ("--approve",)):
        result = terminal.type("promote", *answer)
        assert "rolled back by alarms: alarms went off" in words(result.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--approve", "--reject"], "not both"),
        (["--wait"], "give --approve or --reject as well"),
        (["3"], "give --approve or --reject as well"),
        (["--comment", "why"], "give --approve or --reject as well"),
        (["--approve", "three"], "valid integer"),
        (["--approve", "--comment", "x" * 1025], "1025 characters, at most 1024 are allowed"),
    ],
)
def test_promote_used_wrongly(
    terminal: Terminal, machines: StepFunctions, arguments: list[str], said: str
) -> None:
    wait_for_answer(machines)
    result = terminal.type("promote", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert machines.answers == []


def test_promote_with_nothing_to_answer(terminal: Terminal) -> None:
    result = terminal.type("promote", "--approve")
    assert result.exit_code == 1
    assert result.stderr == (
        "There has been no promotion yet.\n"
        "error: no promotion is waiting for approval: start one with `scones approve VERSION`\n"
    )


def test_rollback(terminal: Terminal, session: Any, machines: StepFunctions) -> None:
    arn = session.register("Approved")
    machines.plan = [([[entered("Update Endpoint")]], succeeded("promoted", version=1))]
    result = terminal.type("rollback", "1", "--wait")
    assert result.exit_code == 0
    assert machines.executions[0].request["rollback_to"] == arn
    assert "promoted: so it is" in result.stdout


@pytest.mark.parametrize("uri", ["model.tar.gz", "s3://data", "s3://data/model.zip"])
def test_host_used_wrongly(terminal: Terminal, machines: StepFunctions, uri: str) -> None:
    result = terminal.type("host", uri)
    assert result.exit_code == 2
    assert "is not an S3 URI such as s3://BUCKET/PATH/model.tar.gz" in words(result.stderr)
    assert machines.executions == []


def test_host(terminal: Terminal, session: Any, machines: StepFunctions) -> None:
    session.client("s3").create_bucket(Bucket="data")
    session.client("s3").put_object(Bucket="data", Key="models/m.tar.gz", Body=b"x")
    result = terminal.type("host", "s3://data/models/m.tar.gz", "--json")
    assert result.exit_code == 0
    started = json.loads(result.stdout)
    assert started == {"outcome": "started", "execution": machines.executions[0].arn}


# ---- options and faults


@pytest.mark.parametrize(
    ("before", "after", "environment", "stack"),
    [
        ([], [], {}, DEFAULT_STACK),
        (["--stack", "a"], [], {"SCONES_STACK": "b"}, "a"),
        ([], ["--stack", "a"], {"SCONES_STACK": "b"}, "a"),
        (["--stack", "b"], ["--stack", "a"], {}, "a"),
        ([], [], {"SCONES_STACK": "b"}, "b"),
    ],
)
def test_the_stack_is_named_before_the_command_or_after(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    before: list[str],
    after: list[str],
    environment: dict[str, str],
    stack: str,
) -> None:
    read: list[str] = []
    monkeypatch.setattr(context.Stack, "read", lambda _, name: read.append(name) or STACK)
    result = terminal.type(
        *before, "--region", "eu-west-1", "models", "--profile", "p", *after, **environment
    )
    assert result.exit_code == 0
    assert read == [stack]
    assert terminal.connected == [("p", "eu-west-1")]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--local", "models"], {}),
        (["models", "--local"], {}),
        (["models"], {"SCONES_LOCAL": "1"}),
        (["models"], {"SCONES_LOCAL": "another/folder"}),
    ],
)
def test_the_embedded_cloud(
    terminal: Terminal,
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    environment: dict[str, str],
) -> None:
    monkeypatch.setattr(context, "local_session", lambda: session)
    assert terminal.type(*arguments, **environment).exit_code == 0
    assert terminal.connected == []


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--no-local", "models"], {"SCONES_LOCAL": "1"}),
        (["models", "--no-local"], {"SCONES_LOCAL": "1"}),
        (["models", "--no-local", "--profile", "p"], {"SCONES_LOCAL": "1"}),
        (["--local", "models", "--no-local"], {}),
        (["models"], {"SCONES_LOCAL": "0"}),
        (["models", "--no-local"], {"SCONES_LOCAL": "another/folder"}),
    ],
)
def test_aws_although_the_embedded_cloud_is_chosen(
    terminal: Terminal, arguments: list[str], environment: dict[str, str]
) -> None:
    assert terminal.type(*arguments, **environment).exit_code == 0
    assert len(terminal.connected) == 1


def test_the_embedded_cloud_that_is_not_there(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    result = terminal.type("models", "--local")
    assert result.exit_code == 3
    assert "no local cloud is running in" in result.stderr
    assert "start it with `make up`" in result.stderr


@pytest.mark.parametrize(
    ("value", "folder"), [("1", ".local/up"), ("True", ".local/up"), ("another/up", "another/up")]
)
def test_the_state_of_the_local_cloud(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = terminal.type("models", SCONES_LOCAL=value)
    assert result.exit_code == 3
    assert f"no local cloud is running in {tmp_path / folder}:" in result.stderr.replace("\n", " ")


def test_the_embedded_cloud_has_no_profiles(terminal: Terminal) -> None:
    result = terminal.type("models", "--local", "--profile", "p")
    assert result.exit_code == 2
    assert "--local cannot be combined with --profile" in result.stderr
    result = terminal.type("models", "--region", "eu-west-1", SCONES_LOCAL="1")
    assert result.exit_code == 2
    assert "--no-local" in result.stderr


@pytest.mark.parametrize(
    "error",
    [
        exceptions.NoCredentialsError(),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks"),
    ],
)
def test_faults_of_aws_are_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(context.Stack, "read", fail)
    result = terminal.type("models")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x.html"), "/etc/x.html: Perm"),
        (OSError("no room left"), "no room left"),
    ],
)
def test_what_the_disk_refuses_is_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(context.Stack, "read", fail)
    result = terminal.type("models")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {said}")
    assert result.stderr.count("\n") == 1


def test_faults_of_ours_show_where(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(context.Stack, "read", fail)
    monkeypatch.setattr("sys.argv", ["scones", "models"])
    with pytest.raises(SystemExit) as left:
        scones.main()
    assert left.value.code == 3
    assert "a fault of ours" in capsys.readouterr().err


def test_what_a_command_writes_is_for_its_user_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photo = tmp_path / "captures" / "photo.png"

    def write() -> None:
        photo.parent.mkdir()
        photo.touch()

    monkeypatch.setattr(scones, "app", write)
    scones.main()

    assert photo.parent.stat().st_mode & 0o777 == 0o700
    assert photo.stat().st_mode & 0o777 == 0o600


def test_each_command_has_help_with_an_example() -> None:
    groups = {"": scones.app, "data": scones.data_app}
    names = [
        [*filter(None, [group]), command.callback.__name__]  # type: ignore[union-attr]
        for group, app in groups.items()
        for command in app.registered_commands
    ]
    assert ["retrain"] in names
    assert ["data", "folder"] in names
    for name in names:
        result = CliRunner().invoke(scones.app, [*name, "--help"])
        assert f"Example: scones {' '.join(name)}" in words(result.stdout)
        assert "--json" in result.stdout


def test_the_machines_are_told_apart(terminal: Terminal, machines: StepFunctions) -> None:
    machines.run(RETRAIN, {}, [[entered("Train")]])
    assert "No promotion is running" in terminal.type("promote").stdout
