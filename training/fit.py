"""The training itself: from pictures to weights.

What is kept is the exponential moving average of the weights over the steps, as it is after the
last epoch. No epoch is chosen by its validation accuracy, so the accuracy that is reported for
the last one is not the luckiest of many; the validation pictures only set the temperature, and
the end where ``early_stopping`` asks for that.
"""

import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from training import checkpoint
from training.augment import augment, erase, mirrors
from training.dataset import Pictures
from training.hyperparameters import Hyperparameters
from training.network import Classifier, ResidualNetwork

LABEL_SMOOTHING = 0.1
AVERAGING = 0.99
"""Share of the average that stays at a step; less in the first steps."""
WARM_UP = 0.2
"""Share of the steps in which a one-cycle schedule raises the learning rate."""
EVALUATION_BATCH = 256


def fit(
    train: Pictures,
    validation: Pictures,
    hyperparameters: Hyperparameters,
    *,
    start: Classifier | None = None,
    checkpoints: Path | None = None,
    seed: int = 0,
) -> Classifier:
    """Train a classifier, with a line for each metric of each epoch on standard output.

    Parameters
    ----------
    train, validation
        The pictures to train on and to measure with.
    hyperparameters
        How to train.
    start
        The model to start from; by default from random weights. Its normalization is kept, as
        its weights are made for that: pictures darker than before stay darker.
    checkpoints
        Folder to resume from and to save to, or None.
    seed
        Fixes every random choice.

    Returns
    -------
    Classifier
        On the CPU, in evaluation mode, with temperature 1.
    """
    training = _Training(train, validation, hyperparameters, start, seed)
    first = 0
    key = ""
    if checkpoints is not None:
        key = checkpoint.fingerprint(hyperparameters, train, start)
        first = training.resume(checkpoint.load(checkpoints, key))
    for epoch in range(first, hyperparameters.epochs):
        training.epoch(epoch)
        if checkpoints is not None and (epoch + 1) % hyperparameters.checkpoint_frequency == 0:
            checkpoint.save(checkpoints, training.state(epoch, key))
        if hyperparameters.early_stopping and training.stalled(epoch):
            print(f"Stopped early after epoch {epoch}: no better validation accuracy.", flush=True)
            break
    return training.classifier.cpu()


def logits(classifier: Classifier, pixels: npt.NDArray[np.uint8]) -> Tensor:
    """Map uint8 (n, height, width, 3) to log-probabilities (n, classes) on the CPU."""
    device = classifier.mean.device
    with torch.no_grad():
        parts = [
            classifier.logits(torch.from_numpy(pixels[at : at + EVALUATION_BATCH]).to(device)).cpu()
            for at in range(0, len(pixels), EVALUATION_BATCH)
        ]
    return torch.cat(parts)


def accuracy(classifier: Classifier, pictures: Pictures) -> float:
    """Share of the pictures whose most likely class is theirs."""
    chosen = logits(classifier, pictures.pixels).argmax(1).numpy()
    return float((chosen == pictures.labels).mean())


class _Training:
    """Weights, their average and the optimizer's state between two epochs."""

    def __init__(
        self,
        train: Pictures,
        validation: Pictures,
        hyperparameters: Hyperparameters,
        start: Classifier | None,
        seed: int,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.hyperparameters = hyperparameters
        self.train, self.validation = train, validation
        self.seed = seed
        torch.manual_seed(seed)
        begin = start or _random_classifier(train, hyperparameters)
        self.network = copy.deepcopy(begin.network).to(self.device)
        # The layout in which convolutions are fastest.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.classifier = Classifier(
            copy.deepcopy(self.network),
            begin.mean.clone(),
            begin.std.clone(),
            mirrored=mirrors(hyperparameters.augmentation_type),
        )
        self.classifier.to(self.device).eval()
        self.optimizer = _optimizer(self.network, hyperparameters)
        self.batches = len(train) // hyperparameters.mini_batch_size
        self.schedule = _schedule(self.optimizer, hyperparameters, self.batches)
        self.steps = 0
        self.accuracies: list[float] = []

    def epoch(self, epoch: int) -> None:
        """Train on every picture once and print the epoch's metrics."""
        began = time.monotonic()
        generator = torch.Generator(self.device).manual_seed(self.seed * 100_003 + epoch)
        order = torch.randperm(len(self.train), generator=generator, device=self.device).cpu()
        size = self.hyperparameters.mini_batch_size
        self.network.train()
        correct = sum(
            self._step(order[at * size : (at + 1) * size], generator) for at in range(self.batches)
        )
        self._print(epoch, f"Train-accuracy={correct / (self.batches * size):.6f}")
        self._print(epoch, f"Time cost={time.monotonic() - began:.3f}")
        self.accuracies.append(accuracy(self.classifier, self.validation))
        self._print(epoch, f"Validation-accuracy={self.accuracies[-1]:.6f}")

    def _step(self, indices: Tensor, generator: torch.Generator) -> int:
        which = indices.numpy()
        pictures = torch.from_numpy(self.train.pixels[which]).to(self.device)
        labels = torch.from_numpy(self.train.labels[which]).to(self.device)
        pictures = augment(pictures, self.hyperparameters.augmentation_type, generator)
        x = erase(self.classifier.normalized(pictures), generator)
        scores = self.network(x.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(scores, labels, label_smoothing=LABEL_SMOOTHING)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self._average()
        return int((scores.argmax(1) == labels).sum())

    @torch.no_grad()
    def _average(self) -> None:
        self.steps += 1
        share = 1 - min(AVERAGING, self.steps / (9 + self.steps))
        average = self.classifier.network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                average[name].lerp_(value, share)

    def stalled(self, epoch: int) -> bool:
        """Say whether the validation accuracy has stopped rising."""
        wanted = self.hyperparameters
        if epoch + 1 < wanted.early_stopping_min_epochs:
            return False
        best, at = 0.0, 0
        for number, value in enumerate(self.accuracies):
            if value > best * (1 + wanted.early_stopping_tolerance):
                best, at = value, number
        return epoch - at >= wanted.early_stopping_patience

    def state(self, epoch: int, fingerprint: str) -> checkpoint.State:
        """Return all that `resume` needs."""
        return {
            "fingerprint": fingerprint,
            "epoch": epoch,
            "steps": self.steps,
            "accuracies": self.accuracies,
            "network": self.network.state_dict(),
            "average": self.classifier.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def resume(self, state: checkpoint.State | None) -> int:
        """Go on from a state, if there is one, and return the epoch to run next."""
        if state is None:
            return 0
        self.steps = state["steps"]
        self.accuracies = state["accuracies"]
        self.network.load_state_dict(state["network"])
        self.classifier.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        print(f"Resumed after epoch {state['epoch']}.", flush=True)
        return int(state["epoch"]) + 1

    @staticmethod
    def _print(epoch: int, metric: str) -> None:
        print(f"Epoch[{epoch}] {metric}", flush=True)


def _random_classifier(train: Pictures, wanted: Hyperparameters) -> Classifier:
    network = ResidualNetwork(wanted.image_shape, wanted.num_classes, wanted.num_layers)
    mean, std = _channel_statistics(train)
    return Classifier(network, mean, std, mirrored=mirrors(wanted.augmentation_type))


def _channel_statistics(train: Pictures) -> tuple[Tensor, Tensor]:
    sums = np.zeros((2, 3))
    for picture in train.pixels:
        scaled = picture.reshape(-1, 3) / 255
        sums += [scaled.mean(0), (scaled**2).mean(0)]
    mean, square = sums / len(train)
    # A spread of 0, of pictures all of one colour, would divide by 0.
    std = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)


def _optimizer(network: nn.Module, wanted: Hyperparameters) -> torch.optim.Optimizer:
    parameters, rate = network.parameters(), wanted.learning_rate
    adam, eps = (wanted.beta_1, wanted.beta_2), wanted.eps
    decay, momentum = wanted.weight_decay, wanted.momentum
    made: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(parameters, rate, momentum, weight_decay=decay),
        "nag": lambda: torch.optim.SGD(
            parameters, rate, momentum, weight_decay=decay, nesterov=momentum > 0
        ),
        "adam": lambda: torch.optim.Adam(parameters, rate, betas=adam, eps=eps),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, rate, alpha=wanted.gamma, eps=eps),
    }
    return made[wanted.optimizer]()


def _schedule(
    optimizer: torch.optim.Optimizer, wanted: Hyperparameters, batches: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if wanted.lr_scheduler_step:
        return torch.optim.lr_scheduler.MultiStepLR(
            optimizer,
            [epoch * batches for epoch in wanted.lr_scheduler_step],
            wanted.lr_scheduler_factor,
        )
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        wanted.learning_rate,
        total_steps=wanted.epochs * batches,
        pct_start=WARM_UP,
        cycle_momentum=False,
    )
