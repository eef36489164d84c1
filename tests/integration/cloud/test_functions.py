"""Lambda functions run as on AWS: their own packages, their own role, AWS's error names."""

import os

import pytest
from botocore.config import Config

from scones_local.cloud.lifecycle import Cloud
from tests.integration.cloud.tiny_app import TinyApp, allow, eventually

RAISES = """
class ConfidenceTooLow(Exception):
    pass

def handler(event, context):
    raise ConfidenceTooLow("0.5")
"""

REPORTS = """
import os, sys
import boto3

def handler(event, context):
    return {
        "environment": dict(os.environ),
        "path": sys.path,
        "caller": boto3.client("sts").get_caller_identity()["Arn"],
        "remaining": context.get_remaining_time_in_millis(),
    }
"""

IMPORTS = """
import importlib

def handler(event, context):
    return importlib.import_module(event["module"]).__name__
"""

SLEEPS = """
import os, subprocess, time

def handler(event, context):
    if not event.get("sleep"):
        return "awake"
    child = subprocess.Popen(["sleep", "60"])
    print("processes", os.getpid(), child.pid)
    time.sleep(60)
"""


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def logged(app: TinyApp, function: str) -> list[str]:
    name = function.rsplit(":", 1)[-1]
    found = app.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
    return [event["message"] for event in found["events"]]


def test_an_exception_keeps_its_class_name(app: TinyApp) -> None:
    invocation = app.invoke(app.function(RAISES))
    assert invocation.failed
    assert invocation.payload["errorType"] == "ConfidenceTooLow"
    assert invocation.payload["errorMessage"] == "0.5"
    assert "in handler" in invocation.payload["stackTrace"][0]


def test_a_package_of_the_layer_is_found(app: TinyApp) -> None:
    layer = app.layer(python__only_in_layer="")
    function = app.function(IMPORTS, Layers=[layer])
    assert app.invoke(function, {"module": "only_in_layer"}).payload == "only_in_layer"


@pytest.mark.parametrize("module", ["ministack", "numpy", "pydantic", "scones", "local", "pip"])
def test_a_package_outside_the_layer_is_not_found(app: TinyApp, module: str) -> None:
    __import__(module) if module != "pip" else None
    invocation = app.invoke(app.function(IMPORTS), {"module": module})
    assert invocation.payload["errorType"] == "ModuleNotFoundError"


@pytest.mark.parametrize("module", ["boto3", "botocore", "urllib3", "dateutil", "jmespath"])
def test_what_the_runtime_brings_is_found(app: TinyApp, module: str) -> None:
    assert app.invoke(app.function(IMPORTS), {"module": module}).payload == module


def test_a_later_layer_and_then_the_function_come_first(app: TinyApp) -> None:
    first = app.layer(python__shared="WHO = 'first'", python__app="not even Python")
    second = app.layer(python__shared="WHO = 'second'")
    code = "import shared\ndef handler(event, context): return shared.WHO"
    assert app.invoke(app.function(code, Layers=[first, second])).payload == "second"


def test_a_function_sees_what_aws_sets_and_nothing_of_the_host(app: TinyApp) -> None:
    function = app.function(REPORTS, MemorySize=512, Environment={"Variables": {"OWN": "1"}})
    report = app.invoke(function).payload
    name = function.rsplit(":", 1)[-1]
    environment = report["environment"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["_HANDLER"] == "app.handler"
    assert environment["OWN"] == "1"
    assert environment["AWS_SESSION_TOKEN"]
    assert report["path"][0] == environment["LAMBDA_TASK_ROOT"]
    assert not [
        folder for folder in report["path"] if "site-packages" in folder and ".venv" in folder
    ]
    assert "VIRTUAL_ENV" not in environment
    assert environment["HOME"] != os.environ["HOME"]
    assert ":assumed-role/role-" in report["caller"]
    assert 0 < report["remaining"] <= 10_000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import numpy", "Runtime.ImportModuleError"),
        ("def other(): pass", "Runtime.HandlerNotFound"),
        ("def handler(:", "Runtime.UserCodeSyntaxError"),
        ("raise ValueError('no')", "ValueError"),
        ("import os; os._exit(3)", "Runtime.ExitError"),
    ],
)
def test_a_function_that_cannot_start_says_why(app: TinyApp, code: str, error: str) -> None:
    function = app.function(code)
    for _ in range(2):
        assert app.invoke(function).payload["errorType"] == error


def test_a_function_is_killed_with_its_children_at_its_timeout(app: TinyApp) -> None:
    function = app.function(SLEEPS, Timeout=1)
    invocation = app.invoke(function, {"sleep": True})
    assert invocation.payload["errorType"] == "Sandbox.Timedout"
    (line,) = [line for line in logged(app, function) if line.startswith("processes")]
    pids = [int(pid) for pid in line.split()[1:]]
    assert eventually(lambda: not any(exists(pid) for pid in pids))
    assert app.invoke(function).payload == "awake"


def test_a_process_is_used_again(app: TinyApp) -> None:
    function = app.function("import os\ndef handler(event, context): return os.getpid()")
    assert app.invoke(function).payload == app.invoke(function).payload


def test_what_it_prints_reaches_the_logs(app: TinyApp) -> None:
    function = app.function("def handler(event, context): print('seen', event['n'])")
    app.invoke(function, {"n": 1})
    assert "seen 1" in logged(app, function)


def test_a_line_without_an_end_is_logged_with_its_own_invocation(app: TinyApp) -> None:
    function = app.function("def handler(event, context): print('seen', event['n'], end='')")
    for n in range(3):
        app.invoke(function, {"n": n})
    lines = [line for line in logged(app, function) if line.startswith("seen")]
    assert sorted(lines) == ["seen 0", "seen 1", "seen 2"]


def test_a_function_may_do_only_what_its_role_may(app: TinyApp) -> None:
    bucket = app.bucket()
    app.client("s3").put_object(Bucket=bucket, Key="a", Body=b"x")
    code = (
        "import boto3\ndef handler(event, context):\n"
        " return boto3.client('s3').get_object(Bucket=event['bucket'], Key='a')['ContentLength']"
    )
    allowed = app.function(code, [allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")])
    assert app.invoke(allowed, {"bucket": bucket}).payload == 1
    denied = app.invoke(app.function(code), {"bucket": bucket})
    assert denied.payload["errorType"] == "AccessDenied"


def test_another_runtime_is_refused_by_name(app: TinyApp) -> None:
    other = "python3.10"
    invocation = app.invoke(app.function(RAISES, Runtime=other))
    assert other in invocation.payload["errorMessage"]


def test_more_invocations_than_reserved_are_throttled(app: TinyApp) -> None:
    once = Config(retries={"total_max_attempts": 1})
    client = app.session.client("lambda", config=once)
    function = app.function(RAISES)
    client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException):
        client.invoke(FunctionName=function)


def test_temporary_files_of_a_function_stay_in_the_state_folder(
    app: TinyApp, running: Cloud
) -> None:
    code = "import tempfile\ndef handler(event, context): return tempfile.mkdtemp()"
    assert app.invoke(app.function(code)).payload.startswith(str(running.state))
