"""The commands of `make run`, `make up` and `make down`, without a cloud."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from scones_local import __main__ as commands
from scones_local.cloud.lifecycle import Cloud, CloudError
from scones_local.cloud.state import StateFolder
from scones_local.run import dev_environment, end_to_end
from scones_local.run.application import Settings
from scones_local.run.end_to_end import Inputs
from scones_local.run.holdings import Holdings
from scones_local.run.photo_folder import Dataset, LabeledPhoto
from scones_operator import presets
from scones_operator.errors import OperationError
from scones_operator.folder_files import FolderLayoutError

ROOT = Path(__file__).parents[4]
OPTIONS = (
    *("DATASET", "PHOTOS", "PRESET", "CLASSES", "IMAGE_SHAPE", "AUGMENTATION", "THRESHOLD"),
    *("MINIMUM_ACCURACY", "THRESHOLD_BY_CLASS", "KEEP", "WATCH"),
)


INPUTS: Any = SimpleNamespace(dataset=SimpleNamespace(class_names=("bicycle", "motorcycle")))


class Job:
    """Keeps what it is asked to do."""

    def __init__(self) -> None:
        self.collected: tuple[Any, ...] = ()
        self.settings: Settings | None = None

    def collect(self, *given: Any) -> Inputs:
        self.collected = given
        return INPUTS

    def run(self, _: Inputs, settings: Settings, *rest: Any) -> int:
        self.settings = settings
        return 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Job:
    for name in OPTIONS:
        monkeypatch.delenv(name, raising=False)
    asked = Job()
    monkeypatch.setattr(end_to_end, "collect_inputs", asked.collect)
    monkeypatch.setattr(end_to_end, "run", asked.run)
    return asked


def call(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(commands.app, arguments, env=environment)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (
            [
                *("--dataset", "d", "--photos", "p", "--classes", "b (2)'s, a"),
                *("--image-shape", "3, 300,200", "--augmentation", "none", "--threshold", "0.5"),
            ],
            {},
        ),
        (
            [],
            {
                **{"DATASET": "d", "PHOTOS": "p", "CLASSES": "b (2)'s, a", "THRESHOLD": "0.5"},
                **{"IMAGE_SHAPE": "3, 300,200", "AUGMENTATION": "none"},
            },
        ),
    ],
    ids=["options", "environment"],
)
def test_choices(asked: Job, arguments: list[str], environment: dict[str, str]) -> None:
    result = call("run", "--work", "w", *arguments, **environment)

    assert result.exit_code == 1
    assert asked.collected[:4] == (Path("d"), Path("p"), ("b (2)'s", "a"), Path("w"))
    assert asked.settings == Settings("3,300,200", "none", 0.5)


def test_thresholds_of_classes(asked: Job) -> None:
    given = "bicycle=0.9,motorcycle=review"
    assert call("run", THRESHOLD_BY_CLASS=given).exit_code == 1
    assert asked.settings == Settings(threshold_by_class=given)

    asked.settings = None
    result = call("run", THRESHOLD_BY_CLASS="van=0.9")
    assert result.exit_code == 2
    assert "thresholds are set for van, not among the classes" in result.output
    assert asked.settings is None


def test_nothing_chosen(asked: Job) -> None:
    call("run", **dict.fromkeys(OPTIONS, ""))

    assert asked.collected[:4] == (None, None, (), end_to_end.WORK_FOLDER)
    assert asked.settings == Settings()


@pytest.mark.parametrize("command", ["run", "up"])
@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("IMAGE_SHAPE", "3,8,8", "3,8,8 is not 3,height,width with sides from 16 to 512"),
        ("IMAGE_SHAPE", "3,600,32", "sides from 16 to 512"),
        ("IMAGE_SHAPE", "1,32,32", "has 1 channels"),
        ("IMAGE_SHAPE", "32x32", "write it like 3,224,224"),
        ("AUGMENTATION", "flip", "'flip' is not one of none, crop, crop_color"),
        ("THRESHOLD", "93%", "'93%' is not a number from 0 to 1"),
        ("THRESHOLD", "nan", "is not a number from 0 to 1"),
        ("THRESHOLD_BY_CLASS", "van", "'van' is not of the form class=threshold"),
        ("THRESHOLD_BY_CLASS", "van = 0.9", "'van = 0.9' is not pairs of the form"),
        ("CLASSES", "van", "a classifier needs two or more"),
        ("CLASSES", "a,,b", "hold an empty name"),
        ("CLASSES", 'a "1",b', "without spaces around them, quotation marks, slashes, backsl"),
        ("CLASSES", "a," + "b" * 1500, "1500 characters at most"),
    ],
)
def test_choices_that_are_none(
    asked: Job, tmp_path: Path, command: str, name: str, value: str, said: str
) -> None:
    result = call(command, "--work", str(tmp_path), **{name: value})

    assert result.exit_code == 2
    assert f"Invalid value for {name}: " in result.output
    assert said in result.output
    assert asked.collected == ()


def test_a_profile(asked: Job) -> None:
    call("run", PRESET="mammography-views", DATASET="d")

    views = presets.load_preset("mammography-views")
    assert asked.collected[2] == views.class_names
    assert asked.settings == Settings(
        "3,300,150",
        "none",
        minimum_accuracy=0.75,
        others={
            "use_pretrained_model": "0",
            "num_layers": "18",
            "epochs": "20",
            "learning_rate": "0.01",
        },
        loading_bays="",
    )


def test_what_is_chosen_overrides_the_profile(asked: Job) -> None:
    chosen = {"CLASSES": "motorcycle,bicycle,van", "IMAGE_SHAPE": "3,64,64", "DATASET": "d"}
    others = {"AUGMENTATION": "none", "MINIMUM_ACCURACY": "0.5", "THRESHOLD": "0.7"}
    call("run", PRESET="vehicles", **chosen, **others)

    assert asked.collected[2] == ("motorcycle", "bicycle", "van")
    assert asked.settings == Settings(
        "3,64,64", "none", 0.7, minimum_accuracy=0.5, loading_bays="bicycle=A,motorcycle=B"
    )


def test_the_source_of_each_setting(asked: Job) -> None:
    call("run")
    assert asked.settings is not None
    assert asked.settings.sources == {}

    call("run", PRESET="mammography-views", DATASET="d", IMAGE_SHAPE="3,64,64")
    views = dict.fromkeys(presets.load_preset("mammography-views").hyperparameters, "preset mammog")
    assert {name: source[:13] for name, source in asked.settings.sources.items()} == {
        **views,
        "image_shape": "IMAGE_SHAPE",
        "minimum_accuracy": "preset mammog",
    }


def test_the_drawn_samples_are_vehicles(asked: Job) -> None:
    assert call("run", PRESET="vehicles").exit_code == 1
    assert asked.collected[:3] == (None, None, ("bicycle", "motorcycle"))

    result = call("run", PRESET="skin-lesions")
    assert result.exit_code == 2
    assert "drawn samples of bicycle and motorcycle only" in words(result.output)
    assert "DATASET" in result.output


def test_a_profile_that_there_is_not(asked: Job) -> None:
    result = call("up", PRESET="vehicle")
    assert result.exit_code == 2
    assert "there is no preset vehicle (did you mean vehicles?)" in words(result.output)
    assert asked.collected == ()


def test_options_are_checked_before_the_folder_for_work(
    asked: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_environment.lifecycle, "attach", running)

    result = call("up", "--work", str(tmp_path), PRESET="vehicle")

    assert result.exit_code == 2
    assert "there is no preset vehicle" in words(result.output)


@pytest.mark.parametrize("name", presets.list_presets())
def test_the_trainer_takes_the_profiles(asked: Job, name: str) -> None:
    call("run", PRESET=name, DATASET="d")
    assert asked.settings is not None
    photos = tuple(LabeledPhoto(Path(f"{number}.png"), "a") for number in range(40))
    dataset = Dataset(asked.collected[2], photos, photos[:1])

    chosen = asked.settings.hyperparameters(dataset)

    given = presets.load_preset(name).hyperparameters
    assert {key: chosen[key] for key in given} == dict(given)


def words(text: str) -> str:
    return " ".join(text.split())


def running(state: Path) -> Cloud:
    return Cloud(state, "http://127.0.0.1:7", "us-east-1", "123456789012", "key", "secret", 1)


def test_up_where_it_is_up_already(
    asked: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_environment.lifecycle, "attach", running)

    result = call("up", "--work", str(tmp_path))

    assert isinstance(result.exception, CloudError)
    assert "running already, at http://127.0.0.1:7" in str(result.exception)
    assert "make down" in str(result.exception)
    assert asked.collected == ()


HELD = Holdings(photos=1, results=2, labels=1, models=0, executions=1)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateFolder:
    """The folder of a local cloud that saves when it is stopped."""
    folder = StateFolder(tmp_path / "up")
    folder.path.mkdir()

    def stop(_: Cloud) -> None:
        if folder.kept_port() is not None:
            folder.mark_saved()

    monkeypatch.setattr(dev_environment.lifecycle, "attach", running)
    monkeypatch.setattr(dev_environment.Stack, "read", lambda _: None)
    monkeypatch.setattr(dev_environment.holdings, "count_holdings", lambda *_: HELD)
    monkeypatch.setattr(Cloud, "stop", stop)
    return folder


@pytest.mark.parametrize(
    ("started", "given", "kept"),
    [(False, "", False), (True, "", True), (False, "1", True), (True, "0", False)],
)
def test_down_keeps_what_it_was_started_or_is_told_to_keep(
    state: StateFolder, started: bool, given: str, kept: bool
) -> None:
    if started:
        state.keep(7)

    result = call("down", "--work", str(state.path.parent), KEEP=given)

    assert result.exit_code == 0
    ended, said = result.output.splitlines()
    assert ended == "Ended while they ran: 1 of retrain, promote and pipelines."
    assert "1 photo, 2 results, 1 label, 0 models" in said
    assert said.startswith(f"Stopped. {'Kept in' if kept else 'Lost with it'}")
    assert "make up KEEP=1" in said
    assert dev_environment.has_kept_data(state.path.parent) is kept


def test_down_says_if_not_all_was_kept(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    state.keep(7)
    monkeypatch.setattr(Cloud, "stop", lambda _: None)

    result = call("down", "--work", str(state.path.parent))

    assert f"not everything was kept: see the end of {state.log}" in words(result.output)


def test_down_where_nothing_answers(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OperationError("there is no such stack")

    monkeypatch.setattr(dev_environment.Stack, "read", fail)

    assert call("down", "--work", str(state.path.parent)).output == ("Stopped. Nothing was kept.\n")


class Started:
    """Keeps how the application was started."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def up(self, *_: Any, keep: bool) -> None:
        self.calls.append(("up", keep))

    def resume(self, *_: Any) -> None:
        self.calls.append(("resume", True))

    def watch(self, *_: Any) -> None:
        self.calls.append(("watch", True))


@pytest.fixture
def begun(asked: Job, monkeypatch: pytest.MonkeyPatch) -> Started:
    begun = Started()
    for name in ("up", "resume", "watch"):
        monkeypatch.setattr(dev_environment, name, getattr(begun, name))
    monkeypatch.setattr(end_to_end, "collect_inputs", lambda *_: INPUTS)
    return begun


def test_up_refuses_to_lose_what_is_kept(begun: Started, tmp_path: Path) -> None:
    kept = StateFolder(tmp_path / "up")
    kept.path.mkdir()
    kept.keep(7)
    kept.mark_saved()

    result = call("up", "--work", str(tmp_path))

    assert isinstance(result.exception, CloudError)
    assert "`make up KEEP=1` continues with them" in str(result.exception)
    assert "`make up KEEP=0` deletes them" in str(result.exception)
    assert begun.calls == []


@pytest.mark.parametrize(
    ("saved", "keep", "calls"),
    [
        (True, "1", [("resume", True)]),
        (True, "0", [("up", False)]),
        (False, "1", [("up", True)]),
        (False, "", [("up", False)]),
    ],
)
def test_up_continues_only_with_what_is_kept(
    begun: Started, tmp_path: Path, saved: bool, keep: str, calls: list[Any]
) -> None:
    kept = StateFolder(tmp_path / "up")
    kept.path.mkdir()
    if saved:
        kept.keep(7)
        kept.mark_saved()

    result = call("up", "--work", str(tmp_path), KEEP=keep)

    assert result.exit_code == 0
    assert begun.calls == calls
    assert result.output == ""


def test_up_says_that_options_have_no_effect_on_what_is_kept(
    begun: Started, tmp_path: Path
) -> None:
    kept = StateFolder(tmp_path / "up")
    kept.path.mkdir()
    kept.keep(7)
    kept.mark_saved()

    result = call("up", "--work", str(tmp_path), KEEP="1", AUGMENTATION="none")

    assert "options for training have no effect" in result.output


@pytest.mark.parametrize(("given", "watches"), [("1", True), ("0", False), ("", False)])
def test_up_watches_if_it_is_told_to(
    begun: Started, tmp_path: Path, given: str, watches: bool
) -> None:
    call("up", "--work", str(tmp_path), WATCH=given)

    assert (("watch", True) in begun.calls) is watches


def test_down_with_nothing_running(tmp_path: Path) -> None:
    result = call("down", "--work", str(tmp_path))

    assert result.exit_code == 0
    assert "Nothing to stop: no local cloud is running" in result.output


def test_what_the_user_got_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", "run", "--dataset", str(tmp_path / "nowhere")])

    with pytest.raises(SystemExit) as left:
        commands.main()

    assert left.value.code == f"error: there is no folder {tmp_path / 'nowhere'}"
    assert FolderLayoutError in commands.USER_ERRORS


def test_faults_of_ours_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(end_to_end, "collect_inputs", fail)
    monkeypatch.setattr(sys, "argv", ["local", "run"])

    with pytest.raises(ValueError, match="a fault"):
        commands.main()


def test_what_a_command_writes_is_for_its_user_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "app", lambda: end_to_end.write_summary(tmp_path / "run", [], {}))

    commands.main()

    written = [tmp_path / "run", *(tmp_path / "run").iterdir()]
    assert len(written) == 3
    assert [path for path in written if path.stat().st_mode & 0o077] == []


WAITING = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # however these tests were started
signal.signal(signal.SIGINT, signal.default_int_handler)
from scones_local import __main__ as commands
from scones_local.run import dev_environment

def wait(*_, **__):
    try:
        print("waiting", flush=True)
        time.sleep(60)
    finally:
        print("tidied", flush=True)

dev_environment.down = wait
sys.argv = ["scones_local", "down"]
commands.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_leave_time_to_tidy_up(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)

    assert said.startswith("tidied")
    assert process.returncode in (128 + number, 130)
