import copy

import pytest
import torch
from torch import Tensor

from scones.photos import ImageShape
from scones_training.classifier import Classifier, Network, Output, first_layers, last_layers
from scones_training.residual import ResidualNetwork
from tests.unit.training.small import SHAPE, WIDTH, SmallNetwork

SKIPPED = 5


def classifier(network: Network, *, average_flips: bool) -> Classifier:
    """Return a classifier of three classes with a random head."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        network.head.weight.copy_(torch.randn(network.head.weight.shape, generator=generator))
        network.head.bias.copy_(torch.randn(network.head.bias.shape, generator=generator))
    mean, std = torch.full((3,), 0.4), torch.full((3,), 0.2)
    return Classifier(network, mean, std, average_flips=average_flips).eval()


@pytest.fixture(params=["small", "residual"])
def network(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    if request.param == "small":
        return SmallNetwork(3)
    return ResidualNetwork(SHAPE, num_classes=3, num_layers=8)


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    size = (4, SHAPE.height, SHAPE.width, 3)
    return torch.randint(256, size, generator=generator, dtype=torch.uint8)


def outputs(model: Classifier, images: Tensor) -> Output:
    with torch.no_grad():
        result: Output = model(images)
    return result


def logits(model: Classifier, output: Output) -> Tensor:
    with torch.no_grad():
        return output.embedding @ model.head.weight.T + model.head.bias


@pytest.mark.parametrize("average_flips", [False, True])
def test_the_probabilities_are_the_softmax_of_logits_linear_in_the_embedding(
    network: Network, images: Tensor, average_flips: bool
) -> None:
    model = classifier(network, average_flips=average_flips)

    output = outputs(model, images)

    torch.testing.assert_close(output.probabilities, logits(model, output).softmax(1))
    torch.testing.assert_close(output.probabilities.sum(1), torch.ones(4))
    assert output.probabilities.std(0).max() > 0.001


@pytest.mark.parametrize("average_flips", [False, True])
def test_the_mean_of_the_class_map_is_the_logit_of_the_predicted_class(
    network: Network, images: Tensor, average_flips: bool
) -> None:
    model = classifier(network, average_flips=average_flips)

    output = outputs(model, images)

    highest = logits(model, output).max(1).values
    torch.testing.assert_close(output.class_map.mean((1, 2)), highest, atol=1e-5, rtol=1e-5)
    assert output.class_map.std((1, 2)).min() > 0.001


def test_the_class_map_has_the_resolution_of_the_last_feature_map(images: Tensor) -> None:
    model = classifier(SmallNetwork(3), average_flips=True)

    assert outputs(model, images).class_map.shape == (4, SHAPE.height // 4, SHAPE.width // 4)


def test_a_mirrored_classifier_makes_no_difference_between_left_and_right(
    network: Network, images: Tensor
) -> None:
    model = classifier(network, average_flips=True)

    one, other = outputs(model, images), outputs(model, images.flip(2))

    torch.testing.assert_close(one.probabilities, other.probabilities)
    torch.testing.assert_close(one.embedding, other.embedding)
    torch.testing.assert_close(one.reference, other.reference)
    torch.testing.assert_close(one.class_map, other.class_map.flip(2))


def test_another_classifier_makes_a_difference(network: Network, images: Tensor) -> None:
    model = classifier(network, average_flips=False)

    one, other = outputs(model, images), outputs(model, images.flip(2))

    assert not torch.allclose(one.probabilities, other.probabilities, atol=1e-5)
    assert not torch.allclose(one.embedding, other.embedding, atol=1e-5)


def test_the_temperature_flattens_the_probabilities_and_nothing_else(
    network: Network, images: Tensor
) -> None:
    model = classifier(network, average_flips=False)
    before = outputs(model, images)

    model.temperature.fill_(3.0)
    after = outputs(model, images)

    torch.testing.assert_close(after.probabilities, (before.probabilities.log() / 3).softmax(1))
    assert all(torch.equal(a, b) for a, b in zip(before[1:], after[1:], strict=True))


@pytest.mark.parametrize("average_flips", [False, True])
def test_the_reference_is_the_embedding_before_training(
    images: Tensor, average_flips: bool
) -> None:
    untrained = SmallNetwork(3)
    trained = copy.deepcopy(untrained)
    with torch.no_grad():
        for parameter in last_layers(trained.features, SKIPPED).parameters():
            parameter.add_(0.1)
    model = classifier(trained, average_flips=average_flips)
    model.reference = copy.deepcopy(last_layers(untrained.features, SKIPPED))

    output = outputs(model, images)

    before = outputs(classifier(untrained, average_flips=average_flips), images)
    torch.testing.assert_close(output.reference, before.embedding)
    assert not torch.allclose(output.embedding, before.embedding, atol=1e-3)
    assert before.reference.shape == (4, WIDTH)


def test_the_first_and_the_last_layers_are_all_and_share_their_weights() -> None:
    layers = SmallNetwork(3).features

    parts = [*first_layers(layers, SKIPPED), *last_layers(layers, SKIPPED)]

    assert all(one is other for one, other in zip(parts, layers, strict=True))


def test_images_are_normalized_by_channel() -> None:
    network = ResidualNetwork(ImageShape.parse("3,2,2"), num_classes=2, num_layers=8)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 1.0, 2.0])
    model = Classifier(network, mean, std, average_flips=False)
    images = torch.tensor([255, 51, 0], dtype=torch.uint8).expand(1, 2, 2, 3)

    normalized = model.normalized(images)

    assert normalized.shape == (1, 3, 2, 2)
    torch.testing.assert_close(normalized[0, :, 1, 0], torch.tensor([1.8, 0.0, -0.15]))
