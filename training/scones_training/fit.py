"""The training itself: from images to weights.

What is kept is the exponential moving average of the weights over the steps, as it is after the
last epoch. No epoch is chosen by its validation accuracy, so the accuracy that is reported for
the last one is not the luckiest of many (docs/training.md#which-epoch-is-kept); the validation
images only set the temperature and calibrate the familiarity, and end the training if
``early_stopping`` asks for that.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from scones_training import checkpoint
from scones_training.classifier import Classifier, last_layers
from scones_training.dataset import Splits
from scones_training.hyperparameters import Hyperparameters
from scones_training.recipe import Start, choose_recipe, photo_weights
from scones_training.sources import Source

Embeddings = npt.NDArray[np.float32]

EMA_DECAY = 0.99
"""Share of the average that stays at a step; less in the first steps."""
WARMUP_SHARE = 0.2
"""Share of the steps in which a one-cycle schedule raises the learning rate."""


@dataclass(frozen=True)
class FittedModel:
    """A trained classifier, and its embeddings of the images that it was trained with.

    Attributes
    ----------
    classifier
        On the CPU, in evaluation mode, with temperature 1.
    train, validation, negatives
        float, (images, 2 * width): `Output.embedding` and `Output.reference` in one row;
        no rows for negatives that there are not.
    accuracies
        Validation accuracy of the averaged weights after each epoch, 0 to 1; the last ones are
        kept.
    """

    classifier: Classifier
    train: Embeddings
    validation: Embeddings
    negatives: Embeddings
    accuracies: tuple[float, ...]


def fit(
    start: Start,
    hyperparameters: Hyperparameters,
    *,
    checkpoints: Path | None = None,
    seed: int = 0,
) -> FittedModel:
    """Train a classifier, with a line for each metric of each epoch on standard output.

    Negatives are trained on as equally likely to be of each class (outlier exposure, Hendrycks
    et al. 2019, https://arxiv.org/abs/1812.04606).

    Parameters
    ----------
    start
        What to start from, which is left as it is.
    hyperparameters
        How to train.
    checkpoints
        Folder to resume from and to save to, or None.
    seed
        Fixes every random choice.
    """
    training = _Trainer(start, hyperparameters, seed)
    first = 0
    key = ""
    if checkpoints is not None:
        key = checkpoint.fingerprint(hyperparameters, start.splits, start.classifier)
        first = training.resume(checkpoint.load(checkpoints, key))
    for epoch in range(first, hyperparameters.epochs):
        # Before the epoch: a resumed training may have stopped early before it was interrupted.
        if hyperparameters.early_stopping and training.should_stop(epoch - 1):
            last = epoch - 1
            print(f"Stopped early after epoch {last}: no better validation accuracy.", flush=True)
            break
        training.epoch(epoch)
        if checkpoints is not None and (epoch + 1) % hyperparameters.checkpoint_frequency == 0:
            checkpoint.save(checkpoints, training.state(epoch, key))
    return training.finish()


class TrainedLayers(nn.Module):
    """The layers of a classifier that are trained: the last of its features, and its head.

    Parameters
    ----------
    classifier
        The classifier, which shares its weights with this module.
    frozen
        Number of its first feature layers that are not trained.
    """

    def __init__(self, classifier: Classifier, frozen: int) -> None:
        super().__init__()
        self.features = last_layers(classifier.features, frozen)
        self.head = classifier.head

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (n, channels, h, w) to logits (n, classes)."""
        logits: Tensor = self.head(self.features(x).mean((2, 3)))
        return logits


class _Trainer:
    """Weights, their average and the optimizer's state between two epochs."""

    def __init__(self, start: Start, hyperparameters: Hyperparameters, seed: int) -> None:
        self.start, self.seed = start, seed
        self.hyperparameters = hyperparameters
        self.recipe = choose_recipe(hyperparameters)
        self.classifier = copy.deepcopy(start.classifier)
        self.device = self.classifier.mean.device
        torch.manual_seed(seed)
        self.layers = TrainedLayers(self.classifier, start.frozen)
        self.average = copy.deepcopy(self.layers)
        self.targets = _targets(start.splits, hyperparameters.num_classes).to(self.device)
        self.weights = photo_weights(start.splits, hyperparameters).to(self.device)
        self.optimizer, rates = _optimizer(self.layers, hyperparameters, self.recipe.head_rate)
        self.batches = len(self.targets) // hyperparameters.mini_batch_size
        self.schedule = _schedule(self.optimizer, hyperparameters, self.batches, rates)
        is_gpu = self.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=is_gpu)
        self.steps = 0
        self.accuracies: list[float] = []

    def epoch(self, epoch: int) -> None:
        """Train on every image once and print the epoch's metrics."""
        started = time.monotonic()
        seed = self.seed * 100_003 + epoch
        generator = torch.Generator(self.device).manual_seed(seed)
        # On the CPU, where choosing the photos of a batch does not wait for the GPU.
        order_generator = torch.Generator().manual_seed(-1 - seed)
        order = torch.randperm(len(self.targets), generator=order_generator)
        size = self.hyperparameters.mini_batch_size
        # The normalizations of a pretrained network are folded away: nothing else has a mode.
        self.layers.train()
        correct = torch.zeros((), dtype=torch.long, device=self.device)
        for batch in range(self.batches):
            correct += self._step(order[batch * size : (batch + 1) * size], generator)
        known = int((order[: self.batches * size] < len(self.start.train)).sum())
        self._print(epoch, f"Train-accuracy={int(correct) / max(known, 1):.6f}")
        self._print(epoch, f"Time cost={time.monotonic() - started:.3f}")
        self.accuracies.append(self._accuracy())
        self._print(epoch, f"Validation-accuracy={self.accuracies[-1]:.6f}")

    def _step(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        x, targets = self._batch(indices, generator), self.targets[indices.to(self.device)]
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            logits = self.layers(x)
            losses = functional.cross_entropy(
                logits, targets, reduction="none", label_smoothing=self.recipe.label_smoothing
            )
            loss = (losses * self.weights[indices.to(self.device)]).mean()
        self.optimizer.zero_grad()
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self._update_ema()
        # A negative has no class to be right about.
        known = (indices < len(self.start.train)).to(self.device)
        correct: Tensor = ((logits.argmax(1) == targets.argmax(1)) & known).sum()
        return correct

    def _batch(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return inputs in the order of the indices: those after the photos are negatives."""
        count = len(self.start.train)
        if self.start.negatives is None:
            return self.start.train.batch(indices, generator)
        is_negative = indices >= count
        order = torch.argsort(is_negative.to(torch.int8), stable=True)
        known, others = indices[~is_negative], indices[is_negative] - count
        parts = [self.start.train.batch(known, generator)] if len(known) else []
        parts += [self.start.negatives.batch(others, generator)] if len(others) else []
        return torch.cat(parts)[torch.argsort(order).to(self.device)]

    @torch.no_grad()
    def _update_ema(self) -> None:
        self.steps += 1
        share = 1 - min(EMA_DECAY, self.steps / (9 + self.steps))
        average = self.average.state_dict()
        for name, value in self.layers.state_dict().items():
            if value.dtype.is_floating_point:
                average[name].lerp_(value, share)

    def _accuracy(self) -> float:
        """Return the share of the validation images whose most likely class is theirs."""
        self.average.eval()
        embeddings = _embeddings(self.average.features, self.start.validation)
        with torch.no_grad():
            head = self.average.head.cpu()
            chosen = head(torch.from_numpy(embeddings)).argmax(1).numpy()
            self.average.head.to(self.device)
        return float((chosen == self.start.splits.validation.labels).mean())

    def finish(self) -> FittedModel:
        """Return the classifier with the averaged weights, and its embeddings."""
        self.layers.load_state_dict(self.average.state_dict())
        _round_weights(self.classifier)
        self.classifier.eval()
        start = self.start
        train, validation = (
            embeddings(self.classifier, start.frozen, source)
            for source in (start.train, start.validation)
        )
        negatives = train[:0]
        if start.negatives:
            negatives = embeddings(self.classifier, start.frozen, start.negatives)
        accuracies = tuple(self.accuracies)
        return FittedModel(self.classifier.cpu(), train, validation, negatives, accuracies)

    def should_stop(self, epoch: int) -> bool:
        """Return True if the validation accuracy has stopped rising.

        Parameters
        ----------
        epoch
            The last epoch that was run; -1 if none was.
        """
        options = self.hyperparameters
        if epoch + 1 < options.early_stopping_min_epochs:
            return False
        best, best_epoch = 0.0, 0
        for number, value in enumerate(self.accuracies):
            if value > best * (1 + options.early_stopping_tolerance):
                best, best_epoch = value, number
        return epoch - best_epoch >= options.early_stopping_patience

    def state(self, epoch: int, fingerprint: str) -> checkpoint.State:
        """Return all that `resume` needs."""
        return {
            "fingerprint": fingerprint,
            "epoch": epoch,
            "steps": self.steps,
            "accuracies": self.accuracies,
            "layers": self.layers.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def resume(self, state: checkpoint.State | None) -> int:
        """Continue from a state, if there is one, and return the epoch to run next."""
        if state is None:
            return 0
        self.steps = state["steps"]
        self.accuracies = state["accuracies"]
        self.layers.load_state_dict(state["layers"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        print(f"Resumed after epoch {state['epoch']}.", flush=True)
        return int(state["epoch"]) + 1

    @staticmethod
    def _print(epoch: int, metric: str) -> None:
        print(f"Epoch[{epoch}] {metric}", flush=True)


def _targets(splits: Splits, classes: int) -> Tensor:
    """Return the probabilities to learn, (images, classes): equal ones for negatives."""
    rows = [np.eye(classes, dtype=np.float32)[splits.train.labels]]
    if splits.negatives:
        rows.append(np.full((len(splits.negatives), classes), 1 / classes, np.float32))
    return torch.from_numpy(np.concatenate(rows))


def head_logits(classifier: Classifier, embeddings: Embeddings) -> npt.NDArray[np.float64]:
    """Return the head's logits (n, classes) for rows of `FittedModel`."""
    weight = classifier.head.weight.detach().numpy().astype(np.float64)
    bias = classifier.head.bias.detach().numpy().astype(np.float64)
    return np.asarray(embeddings[:, : weight.shape[1]] @ weight.T + bias)


def embeddings(classifier: Classifier, frozen: int, source: Source) -> Embeddings:
    """Return the trained and the reference embeddings of a source's images, in one row each.

    Parameters
    ----------
    classifier
        The classifier.
    frozen
        Number of its first feature layers that the source's inputs have passed.
    source
        The images.
    """
    trained = _embeddings(last_layers(classifier.features, frozen), source)
    if classifier.reference is None:
        return np.concatenate([trained, trained], axis=1)
    skipped = frozen - len(classifier.features) + len(classifier.reference)
    reference = _embeddings(last_layers(classifier.reference, skipped), source)
    return np.concatenate([trained, reference], axis=1)


@torch.inference_mode()
def _embeddings(layers: nn.Sequential, source: Source) -> Embeddings:
    """Return the mean embedding of each image's views, float (images, width)."""
    parts = []
    for views in source.views():
        embeddings = [layers(view).mean((2, 3)).cpu() for view in views]
        parts.append(torch.stack(embeddings).mean(0).numpy())
    return np.concatenate(parts)


@torch.no_grad()
def _round_weights(classifier: Classifier) -> None:
    """Round the weights to half precision, so that the compressed model is half the size."""
    for parameter in classifier.parameters():
        parameter.copy_(parameter.half())


def _optimizer(
    layers: TrainedLayers, options: Hyperparameters, head_rate: float
) -> tuple[torch.optim.Optimizer, list[float]]:
    """Return the optimizer, and the highest learning rate of each of its parameter groups."""
    rates = [options.learning_rate, options.learning_rate * head_rate]
    groups = [
        {"params": list(part.parameters()), "lr": rate}
        for part, rate in zip((layers.features, layers.head), rates, strict=True)
    ]
    if not groups[0]["params"]:
        groups, rates = groups[1:], rates[1:]
    adam, eps = (options.beta_1, options.beta_2), options.eps
    decay, momentum = options.weight_decay, options.momentum
    # A fused optimizer takes the gradients' scale on the GPU; others wait for it on the CPU.
    fused = layers.head.weight.device.type == "cuda"
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(groups, momentum=momentum, weight_decay=decay, fused=fused),
        "nag": lambda: torch.optim.SGD(
            groups, momentum=momentum, weight_decay=decay, nesterov=momentum > 0, fused=fused
        ),
        "adam": lambda: torch.optim.Adam(groups, betas=adam, eps=eps, fused=fused),
        "rmsprop": lambda: torch.optim.RMSprop(groups, alpha=options.gamma, eps=eps),
    }
    return made[options.optimizer](), rates


def _schedule(
    optimizer: torch.optim.Optimizer, options: Hyperparameters, batches: int, rates: list[float]
) -> torch.optim.lr_scheduler.LRScheduler:
    if options.lr_scheduler_step:
        return torch.optim.lr_scheduler.MultiStepLR(
            optimizer,
            [epoch * batches for epoch in options.lr_scheduler_step],
            options.lr_scheduler_factor,
        )
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        rates,
        total_steps=options.epochs * batches,
        pct_start=WARMUP_SHARE,
        cycle_momentum=False,
    )
