import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from scones.records import inference_id
from scones_local import samples
from scones_local.cloud.lifecycle import Cloud
from scones_local.run import end_to_end
from scones_local.run.application import Settings
from scones_local.run.classify import ResultRow
from scones_local.run.output import Output
from scones_local.run.photo_folder import Dataset, LabeledPhoto, PhotoFolder
from scones_local.run.train_and_promote import TrainedModel
from scones_operator.folder_files import FolderLayoutError
from scones_training.errors import InputError
from tests.unit.local.run.examples import result
from tests.unit.operator.captures.files import line
from tests.unit.operator.deployed import STACK, clients, session
from tests.unit.results_table import START, create_table, decided, put_record
from tests.unit.whole_photos import HTML, fill

__all__ = ["clients", "session"]

TRAIN = tuple(LabeledPhoto(Path(f"{number}.png"), "a") for number in range(40))
DATASET = Dataset(("a", "b"), TRAIN, TRAIN[:4])
INPUTS = end_to_end.Inputs(DATASET, PhotoFolder(Path(), TRAIN[:1]))


class Application:
    """Stands in for the cloud and for what is installed in it, and says how photos end."""

    def __init__(self, patch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.results: list[ResultRow] = []
        self.running = False
        self.started = False
        self.error: Exception | None = None
        self.folder = tmp_path
        self.console = Console(file=io.StringIO(), width=100)
        patch.setattr(end_to_end.lifecycle, "start", self._start)
        patch.setattr(end_to_end, "deploy_and_train", self._install)
        patch.setattr(end_to_end, "classify_photos", lambda *_: self.results)
        patch.setattr(end_to_end, "write_html_report", self._write_page)
        patch.setattr(Cloud, "stop", self._stop)

    def _start(self, state: Path) -> Cloud:
        self.running = self.started = True
        return Cloud(state, "http://127.0.0.1:1", "us-east-1", "123456789012", "key", "secret", 1)

    def _stop(self, *_: Any) -> None:
        self.running = False

    def _install(self, *_: Any) -> Any:
        if self.error:
            raise self.error
        return STACK, TrainedModel(1, 0.9, 1.0)

    def _write_page(self, _session: Any, _stack: Any, begun: datetime, report: Path) -> Path:
        # While what it is about can be asked for, and the results are there.
        assert self.running
        assert begun <= datetime.now(UTC)
        assert (report / "results.jsonl").exists()
        return report / "report.html"

    def run(self, inputs: end_to_end.Inputs = INPUTS, settings: Settings | None = None) -> int:
        return end_to_end.run(
            inputs,
            settings or Settings(),
            Output(self.console),
            self.folder / "work",
            self.folder / "report",
        )

    @property
    def shown(self) -> str:
        file: Any = self.console.file
        return str(file.getvalue())


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Application:
    return Application(monkeypatch, tmp_path)


def test_photos_that_end_as_they_should(application: Application) -> None:
    application.results = [result("classified", "a", "a"), result("needs_review", "a", "b")]

    assert application.run() == 0
    assert not application.running
    report = application.folder / "report"
    assert json.loads((report / "summary.json").read_text("utf-8"))["photos"] == 2
    assert len((report / "results.jsonl").read_text("utf-8").splitlines()) == 2
    assert f"a page that opens offline: {report / 'report.html'}" in application.shown.replace(
        "\n", ""
    )


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result("failed")], '"failed photo" has the unexpected status failed: m'),
        ([result(None)], '"photo" has no record'),
        (
            [replace(result("classified", "a", "a"), announced=False)],
            '"classified photo" has the status classified, but it was not announced in time',
        ),
    ],
)
def test_photo_that_does_not(
    application: Application, results: Sequence[ResultRow], said: str
) -> None:
    application.results = [result("classified", "a", "a"), *results]

    assert application.run() == 1
    assert said in application.shown


def test_page_about_the_run_with_what_is_known_of_its_photos(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scones_operator.report.render.get_plotlyjs", lambda: "var Plotly;")
    client = session.client("dynamodb")
    create_table(client, STACK.results_table)
    for bucket in (STACK.data_bucket, STACK.photos_bucket):
        session.client("s3").create_bucket(Bucket=bucket)
    now = datetime.now(UTC)
    minutes = (now - START).total_seconds() / 60
    events = [decided(f"{number}.png", minutes=minutes - 1) for number in range(2)]
    for event in events:
        put_record(client, STACK.results_table, event)
    put_record(client, STACK.results_table, decided("earlier.png", minutes=minutes - 60))
    results = [ResultRow(event.photo.key, "motorcycle", event, True, 1.0) for event in events]
    end_to_end.write_summary(tmp_path, results, {})
    looks: list[int] = []

    def capture() -> None:
        """Write captured data at the second look, as if it took a while."""
        looks.append(1)
        if len(looks) == 2:
            at = now - timedelta(seconds=30)
            first = json.loads(line(1, at))
            uri = f"s3://{STACK.photos_bucket}/{events[0].photo.key}"
            version = events[0].photo.version_id or ""
            first["eventMetadata"]["inferenceId"] = inference_id(uri, version)
            session.client("s3").put_object(
                Bucket=STACK.data_bucket,
                Key=f"captures/scones/AllTraffic/{at:%Y/%m/%d/%H/%M-%S}-000-id.jsonl",
                Body=f"{json.dumps(first)}\n{line(2, at)}\n",
            )

    begun = now - timedelta(minutes=5)
    page = end_to_end.write_html_report(session, STACK, begun, tmp_path, capture)
    text = page.read_text("utf-8")
    assert page == tmp_path / "report.html"
    assert "<h1>Results for 2 photos</h1>" in text
    assert "of 2 known photos" in text
    assert text.count('alt="Captured image, predicted bicycle"') == 2
    assert "2 are incorrect" in text
    captured = text[text.index('id="captured"') :]
    assert captured.count("truth: <b>motorcycle</b>") == 1
    assert len(looks) == 2


def test_drawn_photo_that_is_not_rejected_as_it_should(application: Application) -> None:
    application.results = [result("classified", "a", "a")]
    expected = {"classified photo": frozenset({"rejected"})}

    assert application.run(replace(INPUTS, expected_statuses=expected)) == 1
    assert "has the unexpected status classified" in application.shown


@pytest.mark.parametrize(("right", "status"), [(8, 0), (7, 1), (0, 1)])
def test_useless_model_of_the_drawn_photos(
    application: Application, right: int, status: int
) -> None:
    application.results = [result("classified", "a", "a")] * right
    application.results += [result("classified", "a", "b")] * (10 - right)

    assert application.run(replace(INPUTS, minimum_accuracy=0.8)) == status
    assert ("The accuracy on the test photos" in application.shown) is bool(status)
    assert application.run(INPUTS) == 0


def test_settings_that_the_trainer_refuses_start_nothing(application: Application) -> None:
    with pytest.raises(InputError, match="augmentation_type"):
        application.run(settings=Settings(augmentation="flip"))

    assert not application.started


def test_refusal_of_the_cloud_names_its_log(application: Application) -> None:
    refusal = {"Error": {"Code": "AccessDenied", "Message": "not you"}}
    application.error = ClientError(refusal, "PutObject")  # type: ignore[arg-type]

    with pytest.raises(end_to_end.RunError, match=r"not you.*its log: .*cloud\.log"):
        application.run()

    assert not application.running


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw once: that takes longer than these tests."""
    folder = tmp_path_factory.mktemp("drawings")
    samples.generate(folder, per_class=2, validation_per_class=1, negatives=0, photos=8)
    return folder


@pytest.fixture
def drawn(drawings: Path, tmp_path: Path) -> samples.Samples:
    """Copy the drawings into the test's work folder."""
    shutil.copytree(drawings, tmp_path / "samples")
    return samples.Samples.at(tmp_path / "samples")


@pytest.fixture
def screen() -> Output:
    return Output(Console(file=io.StringIO(), width=100))


def test_drawn_samples_are_in_the_folder_for_work(
    drawn: samples.Samples, tmp_path: Path, screen: Output
) -> None:
    inputs = end_to_end.collect_inputs(None, None, (), tmp_path, screen)

    assert inputs.photos.folder == drawn.photos
    assert len(inputs.photos.photos) == len(inputs.expected_statuses) == 8
    assert inputs.minimum_accuracy == end_to_end.MINIMUM_ACCURACY


def test_users_own_photos_may_end_in_any_way(
    drawn: samples.Samples, tmp_path: Path, screen: Output
) -> None:
    inputs = end_to_end.collect_inputs(drawn.dataset, drawn.photos, (), tmp_path, screen)

    assert inputs.expected_statuses == {}
    assert inputs.minimum_accuracy is None


def test_files_passed_over_are_told(drawn: samples.Samples, tmp_path: Path, screen: Output) -> None:
    for name in ("Thumbs.db", "notes.txt"):
        (drawn.dataset / "train" / "bicycle" / name).write_text("no photo")

    inputs = end_to_end.collect_inputs(drawn.dataset, None, (), tmp_path, screen)

    assert len(inputs.photos.photos) == 2
    text: Any = screen._console.file
    assert f"Skipped 2 files that are not photos in {drawn.dataset}" in text.getvalue()


def test_damaged_photos_are_left_out_before_the_photos_are_counted(
    tmp_path: Path, screen: Output
) -> None:
    places = [f"{split}/{name}" for split in ("train", "validation") for name in ("bus", "car")]
    folder = fill(tmp_path / "from", *(f"{place}/{n}.jpg" for place in places for n in range(3)))
    for number in range(12):
        (folder / f"train/bus/page {number:02}.jpg").write_bytes(HTML)
    (folder / "validation/car/0.jpg").write_bytes(HTML)

    inputs = end_to_end.collect_inputs(folder, None, (), tmp_path / "work", screen)

    assert (len(inputs.dataset.train), len(inputs.photos.photos)) == (6, 5)
    text: Any = screen._console.file
    shown = text.getvalue()
    assert "2 classes: bus, car; photos: 6 to train, 5 to validate\n" in shown
    assert "Few photos of bus (6), car (5): a model learns little from less than 20.\n" in shown
    assert "Only 5 validation photos: the familiarity limit needs at least 20" in shown
    assert "Skipped: photos that cannot be decoded (13)\n" in shown
    assert "\n  train/bus/page 09.jpg: this is an HTML file\n  and 3 more\n" in shown
    written = tmp_path / "work" / end_to_end.UNUSABLE_PHOTOS_FILE
    assert f"All of them: {written}" in shown
    lines = written.read_text().splitlines()
    assert len(lines) == 13
    assert lines[-1] == "validation/car/0.jpg: this is an HTML file"

    for path in folder.rglob("*.jpg"):
        if path.read_bytes() == HTML:
            path.unlink()
    end_to_end.collect_inputs(folder, None, (), tmp_path / "work", screen)
    assert not written.exists()


def test_damaged_photos_are_listed_if_too_few_are_left(tmp_path: Path, screen: Output) -> None:
    places = [f"{split}/{name}" for split in ("train", "validation") for name in ("bus", "car")]
    folder = fill(tmp_path / "from", *(f"{place}/0.jpg" for place in places))
    (folder / "train/bus/0.jpg").write_bytes(HTML)

    with pytest.raises(
        FolderLayoutError, match=r"too few photos of bus \(0 to train on, 1 to validate"
    ):
        end_to_end.collect_inputs(folder, None, (), tmp_path / "work", screen)

    assert (tmp_path / "work" / end_to_end.UNUSABLE_PHOTOS_FILE).read_text() == (
        "train/bus/0.jpg: this is an HTML file\n"
    )


def test_splits_and_photos_left_out_are_told(
    drawn: samples.Samples, tmp_path: Path, screen: Output
) -> None:
    (drawn.dataset / "validation").rename(drawn.dataset / "Val")
    shutil.copytree(drawn.dataset / "Val", drawn.dataset / "Test")

    end_to_end.collect_inputs(drawn.dataset, None, (), tmp_path, screen)

    text: Any = screen._console.file
    told = " ".join(text.getvalue().split())
    folder = drawn.dataset
    assert f"Training on {folder / 'train'}, validating on {folder / 'Val'}" in told
    assert "Skipped: photos of a test split that is not used (2)" in told


def test_folder_in_the_way_of_the_samples(tmp_path: Path, screen: Output) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mine.txt").touch()

    with pytest.raises(FolderLayoutError, match="delete it, or choose another folder"):
        end_to_end.collect_inputs(None, None, (), tmp_path, screen)
