"""The application left running for development: changed, deployed again, stopped and continued."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from scones import lst
from scones_local import samples
from scones_local.cloud import lifecycle
from scones_local.run import deploy, dev_environment, end_to_end
from scones_local.run.application import Settings
from scones_local.run.debugging import debugging
from scones_local.run.output import Output
from scones_local.run.photo_folder import read_dataset
from scones_local.run.watch import Watcher
from scones_operator.aws.stack import Stack
from tests.e2e.harness import Application, eventually
from tests.e2e.operations import Operator
from tests.integration.cloud.dap import Debugger

pytestmark = pytest.mark.e2e

SOURCES = ("template.yaml", "functions", "layers", "statemachine")


class Development:
    """What a developer does with `make up` and the others."""

    def __init__(self, work: Path, sources: Path) -> None:
        self.work = work
        self.sources = sources
        self._file = io.StringIO()
        self.screen = Output(Console(file=self._file, width=300))
        self._found: Application | None = None

    @property
    def application(self) -> Application:
        if self._found is None:
            running = lifecycle.attach(self.work / dev_environment.FOLDER)
            self._found = Application(running, Stack.read(running.session()))
        return self._found

    def find_again(self) -> Application:
        """Find the application after it was stopped and continued; its users are kept."""
        before, self._found = self.application, None
        users = ("uploader", "reviewer", "operator", "approver")
        known = {name: before.__dict__[name] for name in users if name in before.__dict__}
        self.application.__dict__.update(known)
        return self.application

    def shown(self) -> str:
        """What was shown since the last time this was asked."""
        shown = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return shown

    def change(self, name: str, old: str, new: str) -> Path:
        path = self.sources / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
        return path


@pytest.fixture(scope="module")
def developed(
    drawn: samples.Samples, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Development]:
    """The application of a copy of the sources, started as with `make up KEEP=1`."""
    work, sources = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        copy = shutil.copytree if (deploy.ROOT / name).is_dir() else shutil.copy2
        copy(deploy.ROOT / name, sources / name)
    if (end_to_end.WORK_FOLDER / "cache").exists():
        shutil.copytree(end_to_end.WORK_FOLDER / "cache", work / "cache")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deploy, "ROOT", sources)
        developed = Development(work, sources)
        settings = Settings("3,32,32", threshold=0.6)
        dev_environment.up(read_dataset(drawn.dataset), settings, developed.screen, work, keep=True)
        yield developed
        dev_environment.down(developed.screen, work, keep=False)


def test_a_saved_change_decides_the_next_photo(developed: Development, bicycle: bytes) -> None:
    application = developed.application
    path = developed.change("layers/domain/python/scones/classes.py", '"""', '"""Reloaded. ')
    function = developed.change("functions/threshold/app.py", "\n\n\n", "\n\nprint('reloaded')\n\n")
    watcher = Watcher(application.cloud, developed.work, developed.screen)
    developed.shown()

    watcher.apply_changes({path, function})

    shown = developed.shown()
    assert "✓ Reloaded domain" in shown
    assert "✓ Reloaded threshold" in shown
    photo = application.upload("reloaded.jpg", bicycle)
    assert application.decided(photo).status == "classified"

    def printed() -> list[str] | None:
        found = application.client("logs").filter_log_events(
            logGroupName="/aws/lambda/scones-threshold", filterPattern="reloaded"
        )
        return [event["message"] for event in found["events"]] or None

    assert "reloaded" in eventually(printed)[0]


def test_a_photo_waits_at_a_breakpoint(developed: Development, bicycle: bytes) -> None:
    application, port = developed.application, 5679
    source = developed.sources / "functions" / "serialize" / "app.py"
    (line,) = (
        number
        for number, text in enumerate(source.read_text("utf-8").splitlines(), 1)
        if text.startswith("def handler")
    )
    inside = next(
        number
        for number, text in enumerate(source.read_text("utf-8").splitlines(), 1)
        if number > line and text.strip().startswith("return")
    )
    with debugging(application.cloud, "serialize", port):
        photo = application.upload("debugged.jpg", bicycle)
        with Debugger(port) as debugger:
            debugger.attach(source, inside)
            thread = debugger.event("stopped")["threadId"]
            undecided = application.record(photo)
            debugger.request("continue", threadId=thread)
            decided = application.decided(photo)

    assert undecided is None
    assert decided.status == "classified"


def test_what_a_person_said_is_trained_on_after_down_and_up(
    developed: Development, drawn: samples.Samples, bicycle: bytes
) -> None:
    before = developed.application
    operator = Operator(before)
    motorcycle = sorted((drawn.photos / "motorcycle").iterdir())[0].read_bytes()
    with operator.unsure_of_everything():
        photo = before.upload("labeled.jpg", motorcycle)
        before.decided(photo, status="needs_review")
    key = operator.label(photo, "motorcycle")
    role = before.client("iam").get_role(RoleName=before.resource("TrainingRole"))["Role"]["Arn"]
    end = {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "no data"}}
    before.client("sagemaker").create_pipeline(
        PipelineName="kept",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [end]}),
        RoleArn=role,
    )
    developed.shown()

    dev_environment.down(developed.screen, developed.work)
    stopped = developed.shown()
    dev_environment.resume(developed.screen, developed.work)
    continued = developed.shown()

    assert "Stopped. Kept in" in stopped
    assert ", 1 label, 1 model, 1 pipeline." in stopped
    assert ", 1 label, 1 model, 1 pipeline" in continued
    application = developed.find_again()
    assert application.cloud.endpoint == before.cloud.endpoint
    record = application.record(photo)
    assert json.loads(record["review"]["S"])["label"] == "motorcycle"
    again = application.upload("afterwards.jpg", bicycle)
    assert application.decided(again).status == "classified"

    outcome = Operator(application).retrain()
    assert outcome.outcome == "registered", outcome.message
    assert outcome.details["version"] == 2
    side = key.split("/")[1]
    found = application.client("s3").get_object(
        Bucket=application.stack.data_bucket,
        Key=f"retraining/{outcome.details['run']}/lists/{side}.lst",
    )
    entries = lst.read(found["Body"].read().decode().splitlines())
    (labeled,) = (entry for entry in entries if key.endswith(f"/{entry.path}"))
    assert labeled.class_index == application.stack.class_names.index("motorcycle")


def test_a_changed_template_is_live_without_training_again(
    developed: Development, bicycle: bytes
) -> None:
    application = developed.application
    models = application.client("sagemaker").list_model_packages(
        ModelPackageGroupName=application.stack.model_package_group
    )["ModelPackageSummaryList"]
    developed.change("template.yaml", "Accepts the", "Deployed again, accepts the")
    # Taken back after it was reloaded: to the deployment nothing changed.
    function = developed.change("functions/threshold/app.py", "print('reloaded')\n\n", "\n")
    developed.shown()

    dev_environment.redeploy(developed.screen, developed.work)

    shown = developed.shown()
    assert "Deploying template.yaml (sam deploy)" in shown
    assert ", 1 label, 2 models" in shown
    described = application.client("lambda").get_function_configuration(
        FunctionName=application.resource("ThresholdFunction")
    )
    assert described["Description"].startswith("Deployed again, accepts")
    assert "reloaded" not in function.read_text("utf-8")
    after = application.client("sagemaker").list_model_packages(
        ModelPackageGroupName=application.stack.model_package_group
    )["ModelPackageSummaryList"]
    assert after == models
    photo = application.upload("redeployed.jpg", bicycle)
    assert application.decided(photo).status == "classified"
