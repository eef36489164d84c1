"""`scones data …` and `scones presets` from the outside."""

import hashlib
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from scones_operator.cli.output import Output
from scones_operator.datasets import cifar100
from scones_operator.datasets.download import RemoteFile
from scones_operator.progress import ItemProgress
from tests.unit.operator.cli.terminal import Terminal
from tests.unit.operator.datasets.archives import batch, meta, pixels, write_cifar
from tests.unit.operator.deployed import STACK
from tests.unit.whole_photos import HTML, cut, fill, jpeg


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive that passes for the published one."""
    photos = [("bicycle", "a.png", pixels(1, 2, 3)), ("motorcycle", "b.png", pixels(4, 5, 6))]
    members = {"train": batch(photos), "test": batch(photos), "meta": meta()}
    path = write_cifar(tmp_path / "cifar-100-python.tar.gz", members)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar100, "SOURCE", RemoteFile("http://127.0.0.1:9/x.tar.gz", md5))
    return path


@pytest.fixture
def bucket(session: Any) -> Any:
    session.client("s3").create_bucket(Bucket="data")
    return session.client("s3")


def keys(client: Any) -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket="data").get("Contents", [])]


def stage(terminal: Terminal, archive: Path, *words: str) -> Any:
    to = str(archive.parent / "to")
    return terminal.type("data", "cifar100", to, "--archive", str(archive), *words)


def test_staging_works_without_a_stack(terminal: Terminal, archive: Path) -> None:
    result = stage(terminal, archive)

    assert result.exit_code == 0
    assert terminal.connected == []
    assert ["bicycle", "1", "1"] in [line.split() for line in result.stdout.splitlines()]
    assert f"4 photos in {archive.parent / 'to'}." in result.stdout
    assert f"scones data upload {archive.parent / 'to'}" in result.stdout
    again = stage(terminal, archive)
    assert "4 photos" in again.stdout
    assert "4 of them already present" in again.stdout


def test_staging_as_json(terminal: Terminal, archive: Path) -> None:
    result = stage(terminal, archive, "--json")
    sides = {"train": 1, "validation": 1}
    assert json.loads(result.stdout) == {
        "folder": str(archive.parent / "to"),
        "classes": {"bicycle": sides, "motorcycle": sides},
        "none_of_the_classes": 0,
        "splits": {},
        "written": 4,
        "already_present": 0,
        "excluded": {},
        "unusable": {},
        "upload": None,
    }
    assert result.stderr == ""


def test_staging_and_uploading(terminal: Terminal, archive: Path, bucket: Any) -> None:
    result = stage(terminal, archive, "--upload")
    assert result.exit_code == 0
    assert "4 photos uploaded to s3://data/dataset/, 0 already there." in result.stdout
    assert "scones retrain --wait" in result.stdout
    assert keys(bucket) == [
        f"dataset/{side}/{place}"
        for side in ("train", "validation")
        for place in ("bicycle/a.png", "motorcycle/b.png")
    ]
    again = terminal.type("data", "upload", str(archive.parent / "to"), "--json")
    assert json.loads(again.stdout)["upload"] == {
        "bucket": "data",
        "sent": 0,
        "already_present": 4,
        "failed": {},
        "not_attempted": 0,
        "unusable": {},
    }


def test_who_wants_to_upload_needs_a_stack_before_anything_is_done(
    terminal: Terminal, archive: Path
) -> None:
    result = stage(terminal, archive, "--upload", "--stack", "nowhere")
    assert result.exit_code == 3
    assert "stack nowhere does not exist" in result.stderr
    assert not (archive.parent / "to").exists()


def test_failed_uploads_are_named_and_a_fault(
    terminal: Terminal, archive: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise OSError("no more room")

    monkeypatch.setattr(bucket, "put_object", fail)
    result = stage(terminal, archive, "--upload")
    assert result.exit_code == 3
    assert "train/bicycle/a.png: no more room" in result.stdout
    assert "Fix the cause and run the command again." in result.stdout


def test_classes_that_the_stack_does_not_know(
    terminal: Terminal, bucket: Any, tmp_path: Path
) -> None:
    for place in ("train/bicycle", "train/tank", "validation/bicycle"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.jpg").write_bytes(jpeg(place))
    result = terminal.type("data", "upload", str(tmp_path))
    assert result.exit_code == 1
    assert "unknown class tank: the stack has bicycle, motorcycle" in result.stderr
    assert "Contents" not in bucket.list_objects_v2(Bucket=STACK.data_bucket)
    result = terminal.type("data", "upload", str(tmp_path), "--force")
    assert result.exit_code == 0
    assert "Before you retrain, deploy the stack with the classes tank." in result.stdout
    assert bucket.list_objects_v2(Bucket=STACK.data_bucket)["KeyCount"] == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["cifar100", "--class", "bicycle", "--class", "motorbike"], 1, "did you mean motorcycle"),
        (["cifar100", "--archive", "nowhere.tar.gz"], 2, "'nowhere.tar.gz' does not exist"),
        (["ham10000", "nowhere.zip"], 2, "'nowhere.zip' does not exist"),
        (["ham10000", ".", "--validation-share", "0.9"], 2, "less than or equal to 0.5"),
        (["folder", "nowhere"], 2, "'nowhere' does not exist"),
        (["folder", ".", "--mirror"], 2, "--mirror needs --like"),
        (["folder", ".", "--like", "vehicles", "--mirror"], 1, "no table [mirrored]"),
        (["folder", ".", "--like", "vans"], 1, "there is no preset vans"),
        (["upload", "nowhere"], 2, "'nowhere' does not exist"),
    ],
)
def test_what_is_asked_wrongly(terminal: Terminal, words: list[str], code: int, said: str) -> None:
    result = terminal.type("data", *words)
    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_folder_with_the_classes_of_a_profile(terminal: Terminal, tmp_path: Path) -> None:
    profile = tmp_path / "sides.toml"
    profile.write_text(
        'class_names = ["right", "left"]\nimage_shape = "3,32,32"\nminimum_accuracy = 0.5\n'
        '[mirrored]\nleft = "right"\nright = "left"\n'
    )
    for number, place in enumerate(("train/left", "train/right", "test/left", "test/right")):
        (tmp_path / "from" / place).mkdir(parents=True)
        photo = cifar100._png(pixels(number, 0, 0))
        (tmp_path / "from" / place / "1.png").write_bytes(photo)
    options = ["--like", str(profile), "--mirror"]
    (tmp_path / "from/train/left/notes.txt").write_text("x")
    folders = [str(tmp_path / "from"), str(tmp_path / "to")]
    told = json.loads(terminal.type("--json", "data", "folder", *folders, *options).stdout)
    assert told["classes"] == {
        "right": {"train": 2, "validation": 1},
        "left": {"train": 2, "validation": 1},
    }
    assert told["excluded"] == {"files_that_are_no_photos": 1}
    shown = terminal.type("data", "folder", *folders, *options).stdout
    assert "Skipped: files that are no photos (1)." in shown


def test_a_folder_with_splits_of_other_names(terminal: Terminal, tmp_path: Path) -> None:
    places = [f"{split}/{label}" for split in ("Training", "Val", "Testing") for label in "ab"]
    for number, place in enumerate(places):
        (tmp_path / "from" / place).mkdir(parents=True)
        photo = cifar100._png(pixels(number, 0, 0))
        (tmp_path / "from" / place / "1.png").write_bytes(photo)
    folders = [str(tmp_path / "from"), str(tmp_path / "to")]
    shown = " ".join(terminal.type("data", "folder", *folders).stdout.split())
    assert "For training: Training. For validation: Val." in shown
    assert "Skipped: photos of a test split that is not used (2)." in shown
    told = json.loads(terminal.type("--json", "data", "folder", *folders).stdout)
    assert told["splits"] == {"train": "Training", "validation": "Val"}
    assert told["excluded"] == {"photos_of_a_test_split_that_is_not_used": 2}


def test_a_split_that_may_be_a_class(terminal: Terminal, tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "c"):
        (tmp_path / "from" / place).mkdir(parents=True)
    result = terminal.type("data", "folder", str(tmp_path / "from"), str(tmp_path / "to"))
    assert result.exit_code == 1
    assert "next to other folders: c." in " ".join(result.stderr.split())
    assert not (tmp_path / "to").exists()


def test_photos_of_none_of_the_classes_are_shown_apart(
    terminal: Terminal, bucket: Any, tmp_path: Path
) -> None:
    classes = ("bicycle", "motorcycle")
    sides = [f"{side}/{name}" for side in ("train", "test") for name in classes]
    for place in (*sides, "none_of_the_classes"):
        (tmp_path / "from" / place).mkdir(parents=True)
        (tmp_path / "from" / place / "1.jpg").write_bytes(jpeg(place))
    words = ("data", "folder", str(tmp_path / "from"), str(tmp_path / "to"))

    told = json.loads(terminal.type(*words, "--json").stdout)
    shown = terminal.type(*words, "--upload").stdout

    assert told["none_of_the_classes"] == 1
    assert list(told["classes"]) == ["bicycle", "motorcycle"]
    assert "5 photos in" in shown
    assert shown.count("1 of them show none of the classes.") == 2
    assert sum(key.startswith("dataset/none_of_the_classes/") for key in keys(bucket)) == 1


def damaged_folder(tmp_path: Path, damaged: int) -> Path:
    """Write two classes with splits, with 12 whole photos and some that are HTML pages."""
    places = [f"{split}/{name}" for split in ("train", "val") for name in ("bicycle", "motorcycle")]
    folder = fill(tmp_path / "from", *(f"{place}/{n}.jpg" for place in places for n in range(3)))
    for number in range(damaged):
        (folder / f"train/bicycle/page {number:02}.jpg").write_bytes(HTML)
    return folder


def test_damaged_photos_are_listed_and_the_rest_is_staged(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = damaged_folder(tmp_path, 12)
    fill(folder / "train/bicycle", "copy.jpg")
    (folder / "train/bicycle/copy of the copy.jpg").write_bytes(jpeg("copy.jpg"))
    words = ("data", "folder", str(folder), str(tmp_path / "to"))

    shown = terminal.type(*words)
    told = json.loads(terminal.type(*words, "--json").stdout)

    assert shown.exit_code == 0
    assert "13 photos in" in shown.stdout
    assert "Skipped: copies of photos that are there (1)." in shown.stdout
    first = "train/bicycle/page 00.jpg: this is an HTML file"
    assert f"Skipped: photos that cannot be decoded (12).\n  {first}\n" in shown.stdout
    assert "\n  train/bicycle/page 09.jpg: this is an HTML file\n" in shown.stdout
    assert "page 10.jpg" not in shown.stdout
    assert "\n  and 2 more (--json lists all)\n" in shown.stdout
    assert told["classes"]["bicycle"] == {"train": 4, "validation": 3}
    assert told["excluded"] == {
        "copies_of_photos_that_are_there": 1,
        "photos_that_cannot_be_decoded": 12,
    }
    assert told["unusable"] == {
        f"train/bicycle/page {number:02}.jpg": "this is an HTML file" for number in range(12)
    }


def test_a_class_of_damaged_photos_only_is_not_staged(terminal: Terminal, tmp_path: Path) -> None:
    folder = damaged_folder(tmp_path, 0)
    for path in (folder / "val/motorcycle").iterdir():
        path.write_bytes(cut(path.read_bytes()))

    result = terminal.type("data", "folder", str(folder), str(tmp_path / "to"))

    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    assert "too few photos of motorcycle (3 to train on, 0 to validate on: 1 missing" in said
    assert "val/motorcycle/0.jpg: the JPEG photo is damaged or incomplete" in said
    assert not (tmp_path / "to").exists()


def test_damaged_photos_are_not_uploaded(terminal: Terminal, bucket: Any, tmp_path: Path) -> None:
    folder = damaged_folder(tmp_path, 2)

    shown = terminal.type("data", "upload", str(folder))
    told = json.loads(terminal.type("data", "upload", str(folder), "--json").stdout)["upload"]

    assert shown.exit_code == 0
    assert "12 photos uploaded" in shown.stdout
    assert "Not uploaded: photos that cannot be decoded (2)." in shown.stdout
    assert "\n  train/bicycle/page 01.jpg: this is an HTML file\n" in shown.stdout
    assert told["unusable"] == {
        f"train/bicycle/page {number:02}.jpg": "this is an HTML file" for number in range(2)
    }
    assert (told["sent"], told["already_present"]) == (0, 12)
    assert len(keys(bucket)) == 12
    assert not any("page" in key for key in keys(bucket))


def test_a_folder_of_damaged_photos_only_is_not_uploaded(
    terminal: Terminal, bucket: Any, tmp_path: Path
) -> None:
    folder = damaged_folder(tmp_path, 0)
    for path in folder.rglob("*.jpg"):
        path.write_bytes(HTML)

    result = terminal.type("data", "upload", str(folder))

    assert result.exit_code == 1
    assert "has no photo that can be decoded: train/bicycle/0.jpg: this is" in result.stderr
    assert keys(bucket) == []


def test_profiles(terminal: Terminal) -> None:
    result = terminal.type("presets")
    assert result.exit_code == 0
    assert "vehicles" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    told = json.loads(terminal.type("presets", "--json").stdout)
    assert "vehicles" in [profile["name"] for profile in told["presets"]]


def test_a_profile(terminal: Terminal) -> None:
    result = terminal.type("presets", "mammography-views")
    assert "CC-Right → CC-Left" in result.stdout
    assert "--parameter-overrides 'ParameterKey=ClassNames," in result.stdout
    assert "make run PRESET=mammography-views" in result.stdout
    told = json.loads(terminal.type("presets", "vehicles", "--json").stdout)
    assert told["parameters"]["LoadingBays"] == "bicycle=A,motorcycle=B"
    assert terminal.type("presets", "vans").exit_code == 1


def test_amounts_on_a_terminal() -> None:
    err = StringIO()
    shown = Output(Console(), Console(file=err, force_terminal=True, width=60))
    with shown.progress_bars() as tell:
        tell(ItemProgress("Loading x", 500_000, 2_000_000, "bytes"))
        tell(ItemProgress("Loading x", 2_000_000, 2_000_000, "bytes"))
        tell(ItemProgress("Reading [y]", 3, None))
    assert "Loading x" in err.getvalue()
    assert "2.0 of 2.0 MB" in err.getvalue()
    assert "Reading [y]" in err.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_amounts_without_a_terminal_or_for_programs(as_json: bool) -> None:
    err = StringIO()
    console = Console(file=err, force_terminal=as_json)
    with Output(Console(), console, as_json=as_json).progress_bars() as tell:
        tell(ItemProgress("Loading x", 1, 2))
    assert err.getvalue().strip() == ""
