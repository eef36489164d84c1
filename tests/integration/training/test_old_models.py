"""Models made before there were pretrained weights: they still serve, and can be trained on."""

import json
import shutil
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from scones_training import export, hyperparameters, serve
from tests.integration.training.old_models import OldClassifier, write_old_model
from tests.unit.training.jobs import SHAPE, Job, picture
from tests.unit.training.small import use_small_network


@pytest.fixture(scope="module", params=["0", "1"])
def old(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, OldClassifier]:
    folder = tmp_path_factory.mktemp("old") / "model"
    return folder, write_old_model(folder, SHAPE, request.param)


def photo(class_index: int = 0) -> bytes:
    buffer = BytesIO()
    picture(class_index, 5).save(buffer, "PNG")
    return buffer.getvalue()


def expected(old: tuple[Path, OldClassifier]) -> list[float]:
    pixels = torch.from_numpy(np.asarray(picture(0, 5)).copy())[None]
    with torch.no_grad():
        probabilities: list[float] = old[1](pixels)[0].tolist()
    return probabilities


@pytest.mark.parametrize("accept", ["application/json", "application/json; include=class_map"])
def test_it_replies_with_a_bare_list(old: tuple[Path, OldClassifier], accept: str) -> None:
    reply = serve.invoke(serve.Model(old[0]), photo(), "image/png", accept)

    assert reply.status == HTTPStatus.OK
    assert json.loads(reply.body) == pytest.approx(expected(old), abs=1e-5)


def test_it_replies_with_an_object_in_a_batch(
    old: tuple[Path, OldClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")

    reply = serve.invoke(serve.Model(old[0]), photo(), "image/png", "")

    document = json.loads(reply.body)
    assert document.keys() == {"prediction"}
    assert document["prediction"] == pytest.approx(expected(old), abs=1e-5)


def test_it_replies_with_an_object_in_json_lines(old: tuple[Path, OldClassifier]) -> None:
    reply = serve.invoke(serve.Model(old[0]), photo(), "image/png", "application/jsonlines")

    assert json.loads(reply.body).keys() == {"prediction"}


def test_it_can_be_trained_on_from(old: tuple[Path, OldClassifier], small_job: Job) -> None:
    shutil.copytree(old[0], small_job.paths.data / "model")
    small_job.hyperparameters |= {"augmentation_type": "crop", "epochs": "1"}

    assert small_job.run() == 0

    facts = json.loads((small_job.paths.model / export.FACTS).read_text())
    assert facts["mean"] == pytest.approx([0.4] * 3)
    assert facts["reference_layers"] == 0
    reply = serve.invoke(serve.Model(small_job.paths.model), photo(), "image/png", "")
    assert json.loads(reply.body).keys() == {"prediction", "familiarity"}


def test_its_weights_are_those_trained_on(old: tuple[Path, OldClassifier]) -> None:
    given = {"num_classes": "3", "num_training_samples": "36", "image_shape": SHAPE}
    options = hyperparameters.parse_hyperparameters(given | {"use_pretrained_model": "0"})

    model = export.load_model(old[0], options)

    for name, value in old[1].network.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert float(model.temperature) == pytest.approx(0.8)


def test_a_job_with_the_default_of_pretrained_weights_starts_afresh(
    old: tuple[Path, OldClassifier],
    small_job: Job,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_small_network(monkeypatch)
    shutil.copytree(old[0], small_job.paths.data / "model")
    del small_job.hyperparameters["use_pretrained_model"]

    assert small_job.run() == 0

    assert (
        "Not trained on from the earlier model. "
        "The model of the channel model has use_pretrained_model 0, this job 1"
        in capsys.readouterr().out
    )
    facts = json.loads((small_job.paths.model / "model.json").read_text())
    assert facts["hyperparameters"]["use_pretrained_model"] == "1"
