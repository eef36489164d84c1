"""The training of the last layers of a pretrained network, which a small one stands in for."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scones_training import checkpoint, fit, recipe
from scones_training.classifier import Classifier
from scones_training.dataset import ImageSet, Splits
from scones_training.hyperparameters import Hyperparameters
from scones_training.recipe import Start
from tests.unit.training.small import LAYERS, WIDTH, images, options, splits, use_small_network

FROZEN = LAYERS - recipe.TRAINED_LAYERS


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_network(monkeypatch)


def train(
    given_splits: Splits, given_options: Hyperparameters, model: Classifier | None = None
) -> fit.FittedModel:
    return fit.fit(recipe.prepare_start(given_splits, given_options, model=model), given_options)


learning = functools.partial(options, learning_rate="0.01", epochs="30")


def accuracy(fitted: fit.FittedModel, held_out: ImageSet) -> float:
    probabilities = probabilities_of(fitted, held_out).argmax(1).numpy()
    return float((probabilities == held_out.labels).mean())


def probabilities_of(fitted: fit.FittedModel, given_images: ImageSet) -> Tensor:
    with torch.no_grad():
        result: Tensor = fitted.classifier(torch.from_numpy(given_images.pixels)).probabilities
    return result


def layer_weights(classifier: Classifier) -> list[list[Tensor]]:
    return [[value.detach().clone() for value in one.parameters()] for one in classifier.features]


def changed(before: list[list[Tensor]], after: list[list[Tensor]]) -> list[bool]:
    """Say of each layer whether it changed by more than the rounding to half precision."""
    return [
        any(not torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(x, y, strict=True))
        for x, y in zip(before, after, strict=True)
    ]


@pytest.mark.parametrize("trained", [0, 9, LAYERS])
def test_only_the_last_layers_are_trained(monkeypatch: pytest.MonkeyPatch, trained: int) -> None:
    """Of 0 only the head is trained, as of few photos; of all the whole network, as on a GPU."""
    monkeypatch.setattr(recipe, "TRAINED_LAYERS", trained)
    frozen = LAYERS - trained
    # The head alone learns more slowly.
    given_options = learning() if trained else learning(epochs="60")
    start = recipe.prepare_start(splits(), given_options)
    before = layer_weights(start.classifier)

    fitted = fit.fit(start, given_options)

    after = layer_weights(fitted.classifier)
    assert changed(before, after) == [False] * frozen + [True] * trained
    assert accuracy(fitted, images(90, 5)) > 0.9
    reference = fitted.classifier.reference
    assert reference is not None
    kept = [[value.detach() for value in one.parameters()] for one in reference]
    assert changed(before[frozen:], kept) == [False] * trained


def test_a_training_leaves_alone_what_it_starts_from() -> None:
    start = recipe.prepare_start(splits(negatives=6), options())
    before = {name: value.clone() for name, value in start.classifier.state_dict().items()}

    fit.fit(start, options())

    after = start.classifier.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_all_weights_are_rounded_to_half_precision() -> None:
    weights = train(splits(), options()).classifier.parameters()

    assert all(torch.equal(value, value.half().float()) for value in weights)


@pytest.mark.parametrize(
    ("before", "trained", "kind"),
    [
        (None, 0, "crop_color"),
        (None, 9, "none"),
        (None, LAYERS, "crop_color"),
        (0, 9, "crop_color"),
        (9, 0, "none"),
        (9, 9, "crop_color"),
        (9, LAYERS, "none"),
        (LAYERS, 9, "crop_color"),
        (0, 0, "none"),
        (LAYERS, LAYERS, "none"),
    ],
)
def test_the_embeddings_are_those_that_the_model_returns(
    monkeypatch: pytest.MonkeyPatch, before: int | None, trained: int, kind: str
) -> None:
    model = None
    if before is not None:
        monkeypatch.setattr(recipe, "TRAINED_LAYERS", before)
        rates = {"learning_rate": "0.01", "augmentation_type": "crop"}
        model = train(splits(), options(**rates)).classifier
        model.temperature.fill_(1.7)
    monkeypatch.setattr(recipe, "TRAINED_LAYERS", trained)
    given_splits = splits(negatives=5)
    given_options = options(augmentation_type=kind, learning_rate="0.01")

    fitted = train(given_splits, given_options, model)

    assert given_splits.negatives is not None
    assert float(fitted.classifier.temperature) == 1.0
    parts = [
        (given_splits.train, fitted.train),
        (given_splits.validation, fitted.validation),
        (given_splits.negatives, fitted.negatives),
    ]
    for part, rows in parts:
        with torch.no_grad():
            output = fitted.classifier(torch.from_numpy(part.pixels))
        served = torch.cat([output.embedding, output.reference], 1)
        assert rows.shape == (len(part), 2 * WIDTH)
        np.testing.assert_allclose(rows, served, rtol=5e-3, atol=5e-3)
    assert np.abs(fitted.train[:, :WIDTH] - fitted.train[:, WIDTH:]).max() > 0.01 or not trained


def test_the_average_of_the_weights_over_the_steps_is_kept() -> None:
    given_options = options(learning_rate="0.01")
    training = fit._Trainer(recipe.prepare_start(splits(), given_options), given_options, seed=0)
    training.epoch(0)
    average = {name: value.half().float() for name, value in training.average.state_dict().items()}
    last = {name: value.clone() for name, value in training.layers.state_dict().items()}

    classifier = training.finish().classifier

    kept = fit.TrainedLayers(classifier, FROZEN).state_dict()
    assert all(torch.equal(value, average[name]) for name, value in kept.items())
    assert not torch.allclose(kept["head.weight"], last["head.weight"], rtol=0.01)


def test_there_are_no_embeddings_of_negatives_that_there_are_not() -> None:
    assert train(splits(), options()).negatives.shape == (0, 2 * WIDTH)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("trained", [9, LAYERS])
def test_a_resumed_training_ends_as_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: int
) -> None:
    monkeypatch.setattr(recipe, "TRAINED_LAYERS", trained)
    given_options = options(epochs="3", augmentation_type="crop_color", learning_rate="0.01")
    start = recipe.prepare_start(splits(negatives=9), given_options)
    whole = fit.fit(start, given_options)
    saved = checkpoint.save

    def save(folder: Path, state: checkpoint.State) -> None:
        saved(folder, state)
        if state["epoch"] == 1:
            raise Interrupted

    with monkeypatch.context() as context:
        context.setattr(checkpoint, "save", save)
        with pytest.raises(Interrupted):
            fit.fit(start, given_options, checkpoints=tmp_path)

    # As the job that goes on does: prepared anew.
    start = recipe.prepare_start(splits(negatives=9), given_options)
    resumed = fit.fit(start, given_options, checkpoints=tmp_path)

    one, other = whole.classifier.state_dict(), resumed.classifier.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    np.testing.assert_array_equal(whole.train, resumed.train)


def test_a_checkpoint_of_other_negatives_is_not_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit.fit(recipe.prepare_start(splits(negatives=8), options()), options(), checkpoints=tmp_path)
    capsys.readouterr()

    fit.fit(recipe.prepare_start(splits(negatives=9), options()), options(), checkpoints=tmp_path)

    assert "Ignored a checkpoint of other data" in capsys.readouterr().out


def test_negatives_are_learned_as_equally_likely_to_be_of_each_class() -> None:
    reddish = np.random.default_rng(3).integers(0, 60, (24, 16, 24, 3), np.uint8)
    others = ImageSet(reddish + np.array([80, 0, 0], np.uint8), np.full(24, 3))
    known = splits()

    without = train(known, learning())
    with_them = train(Splits(known.train, known.validation, others), learning())

    assert float(probabilities_of(without, others).max(1).values.mean()) > 0.6
    assert float(probabilities_of(with_them, others).max(1).values.mean()) < 0.45
    assert accuracy(with_them, images(90, 5)) > 0.9


def test_the_targets_of_negatives_are_equal_probabilities() -> None:
    targets = fit._targets(splits(negatives=2), 3)

    assert targets.shape == (26, 3)
    assert targets[:24].argmax(1).tolist() == images(24).labels.tolist()
    assert torch.equal(targets[:24].sum(1), torch.ones(24))
    torch.testing.assert_close(targets[24:], torch.full((2, 3), 1 / 3))


class Numbers:
    """Inputs that are their own indices, counted from an offset."""

    def __init__(self, count: int, offset: int) -> None:
        self.count, self.offset = count, offset

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Tensor, _: torch.Generator) -> Tensor:
        assert len(indices)
        assert 0 <= int(indices.min()) <= int(indices.max()) < self.count
        return (indices + self.offset).float()

    def views(self) -> Iterator[list[Tensor]]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def numbers() -> fit._Trainer:
    with pytest.MonkeyPatch.context() as context:
        use_small_network(context)
        start = recipe.prepare_start(splits(negatives=8), options())
    counted = Start(
        start.classifier, FROZEN, Numbers(24, 0), start.validation, Numbers(8, 24), start.splits
    )
    return fit._Trainer(counted, options(), seed=0)


@given(st.lists(st.integers(0, 31), min_size=1, max_size=40))
def test_a_batch_has_photos_and_negatives_in_the_order_of_the_indices(
    numbers: fit._Trainer, indices: list[int]
) -> None:
    given_indices = torch.tensor(indices)

    batch = numbers._batch(given_indices, torch.Generator())

    assert batch.tolist() == [float(index) for index in indices]


def test_a_step_leaves_the_count_of_correct_ones_on_the_device() -> None:
    given_options = options()
    training = fit._Trainer(recipe.prepare_start(splits(), given_options), given_options, seed=0)

    correct = training._step(torch.arange(8), torch.Generator().manual_seed(0))

    # A number would wait for the GPU at each step.
    assert isinstance(correct, Tensor)
    assert correct.shape == ()


@pytest.mark.parametrize("weighted", ["0", "1"])
def test_the_weights_of_the_classes_enter_the_loss(weighted: str) -> None:
    """The gradient of the head's bias is known while it finds all classes equally likely."""
    counts = np.array([12, 9, 3])
    given_splits = imbalanced(counts)
    given_options = options(use_weighted_loss=weighted, mini_batch_size="24")
    training = fit._Trainer(
        recipe.prepare_start(given_splits, given_options), given_options, seed=0
    )

    training._step(torch.arange(24), torch.Generator().manual_seed(0))

    weights = 24 / (3 * counts) if weighted == "1" else np.ones(3)
    share = (weights * counts).sum() / 3
    gradient = training.layers.head.bias.grad
    assert gradient is not None
    np.testing.assert_allclose(gradient, (share - weights * counts) / 24, atol=1e-6)


def imbalanced(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Splits:
    """Return photos that all look the same, so that only their numbers can be learned."""
    labels = np.repeat(np.arange(len(counts)), counts)
    alike = ImageSet(np.full((len(labels), 16, 24, 3), 90, np.uint8), labels)
    return Splits(alike, alike)


@pytest.mark.parametrize(("weighted", "likely"), [("0", [0.5, 0.375, 0.125]), ("1", [1 / 3] * 3)])
def test_a_weighted_loss_makes_rare_classes_as_likely_as_others(
    weighted: str, likely: list[float]
) -> None:
    given_splits = imbalanced(np.array([12, 9, 3]))
    given_options = learning(use_weighted_loss=weighted, mini_batch_size="24", epochs="50")

    fitted = train(given_splits, given_options)

    np.testing.assert_allclose(
        probabilities_of(fitted, given_splits.validation)[0], likely, atol=0.03
    )


def test_the_log_has_the_accuracy_of_the_model_that_is_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fitted = train(splits(), learning(epochs="12"))

    last = [line for line in capsys.readouterr().out.splitlines() if "Validation" in line][-1]
    assert last == f"Epoch[11] Validation-accuracy={accuracy(fitted, splits().validation):.6f}"
