"""Changed sources of a deployed stack are live at once, and broken ones are not."""

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scones_local.cloud import lifecycle
from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.state import StateFolder
from scones_local.lambda_runtime import RUNTIME
from scones_local.run.output import Output
from scones_local.run.reload import Reloader, ReloadError
from scones_local.run.sources import Source, archive, read_sources
from scones_local.run.watch import Watcher
from tests.integration.cloud.tiny_app import eventually

SOURCES = """
Resources:
  AskFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/ask}}
  LaterFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions/later}}
  SharedLayer:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: makefile}
    Properties: {ContentUri: layers/shared}
  OtherLayer:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.13}
    Properties: {ContentUri: layers/other}
  AnswerStateMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: statemachine/answer.asl.json
      DefinitionSubstitutions: {Answer: !Ref Answer}
"""

MAKEFILE = """build-SharedLayer:
\tmkdir -p "$(ARTIFACTS_DIR)/python"
\tcp -R python/shared "$(ARTIFACTS_DIR)/python/"
"""

CODE = "import shared\ndef handler(event, context): return ['first', shared.WHO]\n"
SLOW = """
import pathlib, time
def handler(event, context):
    if "folder" in event:
        folder = pathlib.Path(event["folder"])
        (folder / "begun").touch()
        while not (folder / "end").exists():
            time.sleep(0.05)
    return "old"
"""


def definition(answer: str) -> str:
    state = {"Type": "Pass", "Output": {"answer": answer}, "End": True}
    return json.dumps(
        {"QueryLanguage": "JSONata", "StartAt": "Answer", "States": {"Answer": state}}, indent=2
    )


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    properties = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def deployed(bucket: str) -> dict[str, Any]:
    """What SAM makes of the template."""
    function = {
        **{"Runtime": RUNTIME, "Handler": "app.handler", "Timeout": 10},
        **{"Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]}, "Layers": [{"Ref": "SharedLayer1a2b"}]},
        "Code": {"S3Bucket": bucket, "S3Key": "ask.zip"},
    }
    layer = {"LayerName": "SharedLayer", "Content": {"S3Bucket": bucket, "S3Key": "shared.zip"}}
    machine = {
        **{"StateMachineName": "answer", "StateMachineType": "EXPRESS"},
        "RoleArn": {"Fn::GetAtt": ["MachineRole", "Arn"]},
        "DefinitionString": definition("${Answer}"),
        "DefinitionSubstitutions": {"Answer": {"Ref": "Answer"}},
    }
    return {
        "Parameters": {"Answer": {"Type": "String", "Default": "forty-two"}},
        "Resources": {
            "FunctionRole": trust("lambda.amazonaws.com"),
            "MachineRole": trust("states.amazonaws.com"),
            "AskFunction": {"Type": "AWS::Lambda::Function", "Properties": function},
            "SharedLayer1a2b": {"Type": "AWS::Lambda::LayerVersion", "Properties": layer},
            "AnswerStateMachine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": machine,
            },
        },
    }


class Project:
    """Sources on disk and the stack that they were deployed as."""

    def __init__(self, running: Cloud, root: Path) -> None:
        self.running = running
        self.root = root
        self.write("template.yaml", SOURCES)
        self.write("functions/ask/app.py", CODE)
        self.write("functions/later/app.py", CODE)
        self.write("layers/shared/Makefile", MAKEFILE)
        self.write("layers/shared/python/shared/__init__.py", "WHO = 'layer one'\n")
        self.write("statemachine/answer.asl.json", definition("${Answer}"))
        self._deploy()
        self.sources = read_sources(root / "template.yaml")
        substitutions = StateFolder(running.state).substitutions
        self.reloader = Reloader(running.session(), self.sources, substitutions)

    def client(self, service: str) -> Any:
        return self.running.session().client(service)

    def _deploy(self) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket="artifacts")
        function, layer = self.root / "functions/ask", self.root / "layers/shared"
        s3.put_object(Bucket="artifacts", Key="ask.zip", Body=archive(function))
        s3.put_object(Bucket="artifacts", Key="shared.zip", Body=archive(layer))
        template = json.dumps(deployed("artifacts"))
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName="scones", TemplateBody=template, Capabilities=["CAPABILITY_IAM"]
        )
        formation.get_waiter("stack_create_complete").wait(
            StackName="scones", WaiterConfig={"Delay": 1}
        )
        StateFolder(self.running.state).deployed.touch()

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def source(self, name: str) -> Source:
        every = (*self.sources.functions, *self.sources.layers, *self.sources.machines)
        (found,) = (source for source in every if source.name == name)
        return found

    def reload(self, name: str) -> bool:
        return self.reloader.reload(self.source(name))

    def physical(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(
            StackName="scones", LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def ask(self, event: Any = None) -> Any:
        answer = self.client("lambda").invoke(
            FunctionName=self.physical("AskFunction"), Payload=json.dumps(event or {})
        )
        return json.loads(answer["Payload"].read())

    def answer(self) -> Any:
        ended = self.client("stepfunctions").start_sync_execution(
            stateMachineArn=self.physical("AnswerStateMachine"), input="{}"
        )
        return json.loads(ended["output"])["answer"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with lifecycle.start(tmp_path_factory.mktemp("own cloud")) as running:
        yield Project(running, tmp_path_factory.mktemp("project"))


def test_a_changed_function_is_live_and_reloaded_once(project: Project) -> None:
    assert project.ask() == ["first", "layer one"]
    project.write("functions/ask/app.py", CODE.replace("first", "second"))

    assert project.reload("ask")
    assert project.ask() == ["second", "layer one"]
    assert not project.reload("ask")


def test_a_syntax_error_is_named_and_the_old_code_stays(project: Project) -> None:
    before = project.ask()
    path = project.write("functions/ask/app.py", "import shared\ndef handler(event, context:\n")

    with pytest.raises(ReloadError, match=rf"^{path}, line 2: '\(' was never closed$"):
        project.reload("ask")

    assert project.ask() == before


def test_what_is_in_progress_ends_with_the_old_code(project: Project, tmp_path: Path) -> None:
    project.write("functions/ask/app.py", SLOW)
    project.reload("ask")
    answers: list[Any] = []
    waits = {"folder": str(tmp_path)}
    thread = threading.Thread(target=lambda: answers.append(project.ask(waits)))
    thread.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)

    project.write("functions/ask/app.py", SLOW.replace("old", "new"))
    project.reload("ask")

    assert project.ask() == "new"
    assert answers == []
    (tmp_path / "end").touch()
    thread.join()
    assert answers == ["old"]


def test_a_changed_layer_is_live_in_its_functions(project: Project) -> None:
    project.write("functions/ask/app.py", CODE)
    project.reload("ask")
    for who in ("layer two", "layer three"):
        project.write("layers/shared/python/shared/__init__.py", f"WHO = {who!r}\n")

        assert project.reload("shared")
        assert project.ask() == ["first", who]
    assert not project.reload("shared")
    versions = project.client("lambda").list_layer_versions(LayerName="SharedLayer")
    # That of the stack, and the latest.
    assert [version["Version"] for version in versions["LayerVersions"]] == [3, 1]


def test_a_syntax_error_in_a_layer_is_named_where_its_source_is(project: Project) -> None:
    path = project.write("layers/shared/python/shared/broken.py", "x = (\n")

    with pytest.raises(ReloadError, match=rf"^{path}, line 1: "):
        project.reload("shared")

    path.unlink()
    assert project.ask()[1].startswith("layer")


def test_a_changed_machine_is_live_with_the_substitutions_of_the_stack(project: Project) -> None:
    assert project.answer() == "forty-two"
    project.write("statemachine/answer.asl.json", definition("It is ${Answer}"))

    assert project.reload("answer")
    assert project.answer() == "It is forty-two"
    assert not project.reload("answer")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "StartAt": }', "not JSON: .*line 2"),
        ("[]", "not a JSON object"),
        (definition("${Other}"), r"\$\{Other\} is not substituted"),
        (definition("x").replace('"End": true', '"Next": "Gone"'), "no state 'Gone' to go to"),
        (definition("{% $states. %}"), "not JSONata"),
    ],
)
def test_a_broken_machine_is_named_and_the_old_one_stays(
    project: Project, text: str, said: str
) -> None:
    before = project.answer()
    project.write("statemachine/answer.asl.json", text)

    with pytest.raises(ReloadError, match=rf"answer\.asl\.json: .*{said}"):
        project.reload("answer")

    assert project.answer() == before
    project.write("statemachine/answer.asl.json", definition("It is ${Answer}"))


def test_what_the_local_cloud_refuses_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(project.reloader._resources, "AskFunction", "deleted")

    with pytest.raises(ReloadError, match=r"ask: ResourceNotFoundException: .*deleted"):
        project.reload("ask")


def test_what_is_not_deployed_is_named(project: Project) -> None:
    with pytest.raises(ReloadError, match="LaterFunction is not deployed yet: run `make redeploy`"):
        project.reload("later")


def test_requirements_are_left_to_a_deployment(project: Project) -> None:
    path = project.write("functions/ask/requirements.txt", "requests")

    with pytest.raises(ReloadError, match="only `make redeploy` installs"):
        project.reload("ask")

    path.unlink()


class Watching:
    """A watcher on a thread, and what it shows."""

    def __init__(self, project: Project, work: Path) -> None:
        self._file = io.StringIO()
        screen = Output(Console(file=self._file, width=300))
        self.watcher = Watcher(project.running, work, screen, project.root / "template.yaml")
        self._thread = threading.Thread(target=self.watcher.watch, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert eventually(lambda: "Watching" in self.shown)
        # The watch itself begins a moment later.
        time.sleep(0.5)

    @property
    def shown(self) -> str:
        return self._file.getvalue()

    def shows(self, text: str) -> bool:
        return bool(eventually(lambda: text in self.shown))

    def ended(self) -> bool:
        self._thread.join(10)
        return not self._thread.is_alive()


def test_what_was_saved_since_the_deployment_is_caught_up_with(
    project: Project, tmp_path: Path
) -> None:
    project.write("functions/ask/app.py", CODE.replace("first", "since"))
    watching = Watching(project, tmp_path)

    watching.watcher.catch_up()

    assert project.ask()[0] == "since"
    assert "✓ Reloaded ask" in watching.shown


def test_after_a_deployment_what_the_stack_does_not_have_is_left_out(
    project: Project, tmp_path: Path
) -> None:
    project.write("functions/later/app.py", CODE)
    project.write("functions/ask/app.py", CODE.replace("first", "again"))
    watching = Watching(project, tmp_path)

    watching.watcher.reload_all()

    assert project.ask()[0] == "again"
    assert "✓ Reloaded ask" in watching.shown
    assert "✗" not in watching.shown


# The last one: it stops the cloud.
def test_a_saved_change_is_live_while_it_is_watched(project: Project, tmp_path: Path) -> None:
    watching = Watching(project, tmp_path)
    watching.start()

    project.write("functions/ask/app.py", CODE.replace("first", "saved"))
    assert watching.shows("✓ Reloaded ask")
    assert project.ask()[0] == "saved"
    project.write("functions/ask/app.py", "x = (")
    assert watching.shows("'(' was never closed. The previous ask stays live.")
    assert project.ask()[0] == "saved"
    project.write("functions/ask/app.py", CODE.replace("first", "saved"))
    assert watching.shows("✓ Back to what is live: ask")
    project.write("functions/new.py", "")
    assert watching.shows("belongs to no resource of template.yaml")
    # As editors do it.
    (project.root / "new.yaml").write_text(SOURCES)
    for _ in range(2):
        (project.root / "new.yaml").rename(project.root / "template.yaml")
        assert watching.shows("template.yaml changed: `make redeploy` deploys it")
        (project.root / "new.yaml").write_text(SOURCES)
    assert eventually(lambda: watching.shown.count("template.yaml changed") == 2)

    project.running.stop()
    assert watching.shows("The local cloud was stopped.")
    assert watching.ended()
