"""A5: with the same weights, every architecture computes what PyTorch's version of it computes."""

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.architectures import ARCHITECTURES
from striate.architectures.lenet import TABLE
from striate.graph import Tensor, active_trace, gradients, trace
from striate.layers.layer import WEIGHT_SOURCE
from striate.runtime import ReferenceExecutor, executor
from striate.training.optimizers import SGD

torch = pytest.importorskip("torch")

from tests.architectures.oracles import SIZES, WITHOUT_A_TWIN, module, randomized, state  # noqa: E402

CLASSES = 10
#: Where gradients are compared with smaller images, because they take long in float64.
SMALLER = {
    "vgg16": (32, 36),
    "vgg19": (32, 36),
    "googlenet": (64, 64),
    "resnet34": (33, 32),
    "resnet101": (64, 57),
    "resnet152": (64, 57),
    "resnet20": (32, 27),
    "resnet32": (16, 20),
    "resnet44": (16, 16),
    "resnet56": (16, 13),
}
NATIVE = ("alexnet", "resnet20", "squeezenet1_0")


def images(size):
    return np.random.default_rng(0).standard_normal((2, *size, 3)).astype(np.float32)


def planes(x):
    """(N, H, W, C) → (N, C, H, W), for PyTorch."""
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def ours(name, size, weights, dtype=np.float32, **settings):
    """The architecture with somebody's weights, dropping nothing in training."""
    token = WEIGHT_SOURCE.set(lambda shape: np.zeros(shape, dtype))
    try:
        model = ARCHITECTURES[name].build(classes=CLASSES, input_shape=(*size, 3), **settings)
    finally:
        WEIGHT_SOURCE.reset(token)
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    return ARCHITECTURES[name].load(model, weights)


def trained(model, x, directions, run):
    """Logarithms of the outputs in training; gradients of Σ directions · these by every trainable variable."""
    symbol = Tensor(x.shape, x.dtype)

    def compute(*_):
        outputs = model(symbol, training=True)
        logarithms = ops.log(ops.stack(outputs if isinstance(outputs, list) else [outputs]))
        total = ops.sum(ops.multiply(logarithms, directions))
        return [logarithms, *gradients(total, [active_trace().symbol(v) for v in model.trainable_weights])]

    return run(trace(compute, [symbol], True)).run([x])


def torch_trained(network, x, directions):
    """The same of PyTorch, the gradients as a state."""
    outputs = network.train()(x)
    if isinstance(outputs, tuple):  # (logits, those of the last head, …)
        outputs = (outputs[0], *reversed(outputs[1:]))
    logarithms = torch.stack(outputs if isinstance(outputs, tuple) else (outputs,)).log_softmax(2)
    (torch.from_numpy(directions) * logarithms).sum().backward()
    found = state(network) | {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
    return logarithms.detach().numpy(), found


def test_every_architecture_is_compared():
    left = ARCHITECTURES.keys() - SIZES.keys() - WITHOUT_A_TWIN
    assert not left, f"without a size in SIZES, and a twin in TWINS if torchvision has none, in oracles.py: {left}"
    assert set(SIZES) == ARCHITECTURES.keys() - WITHOUT_A_TWIN


@pytest.mark.parametrize("name", SIZES)
def test_A5_outputs_are_pytorchs(name):
    x = images(SIZES[name])
    network = randomized(module(name, CLASSES), planes(x)).eval()
    with torch.no_grad():
        theirs = network(planes(x)).log_softmax(1).numpy()
    mine = np.log(ours(name, SIZES[name], state(network)).predict_on_batch(x))
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3  # what the network says depends on the image
    assert np.abs(mine - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ["resnet18", "resnet20", "squeezenet1_1", "mobilenet_v2"])
def test_A5_a_single_output_is_pytorchs_number(name, tmp_path):
    """No softmax, which would always give 1: checkpoints with one output measure something, or tell two classes."""
    x = images(SIZES[name])
    network = module(name, 1).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
        theirs = network(planes(x)).numpy()
    torch.save(network.state_dict(), tmp_path / "one.pth")
    model = striate.open_model(tmp_path / "one.pth", input_shape=(*SIZES[name], 3))
    assert (model.name, model.output_shape) == (name, (None, 1))
    assert model.facts.outputs == "unknown"
    assert np.abs(theirs).max() > 1e-3
    assert np.abs(model.predict_on_batch(x) - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_A5_only_several_outputs_have_a_softmax(name):
    token = WEIGHT_SOURCE.set(lambda shape: np.zeros(shape, np.float32))
    try:
        scales = [ARCHITECTURES[name].build(classes=count).facts.outputs for count in (1, 2)]
    finally:
        WEIGHT_SOURCE.reset(token)
    assert scales == ["unknown", "probabilities"]


@pytest.mark.parametrize("name", SIZES)
def test_A5_training_is_pytorchs(name):
    """In float64: in float32 rounding switches a ReLU here and there, and deep networks' gradients jump by percents."""
    size, heads = SMALLER.get(name, SIZES[name]), name == "googlenet"
    x = images(size)
    network = randomized(module(name, CLASSES, **({"aux_logits": True} if heads else {})), planes(x)).double()
    settings = {"dtype": np.float64} | ({"auxiliary": True} if heads else {})
    model = ours(name, size, state(network), **settings)
    directions = np.random.default_rng(1).standard_normal((len(model.outputs), 2, CLASSES))
    theirs, found = torch_trained(network, planes(x).double(), directions)
    mine, *differentiated = trained(model, x.astype(np.float64), directions, ReferenceExecutor)
    assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(theirs).max()
    expected = [variable.value for variable in ours(name, size, found, **settings).trainable_weights]
    largest = max(np.abs(array).max() for array in expected)
    for gradient, array in zip(differentiated, expected, strict=True):
        assert np.abs(gradient - array).max() <= 1e-6 * np.abs(array).max() + 1e-10 * largest


def test_A5_inception_v3s_head_is_pytorchs():
    """It needs a whole image."""
    x = images((299, 299))
    network = randomized(module("inception_v3", CLASSES, aux_logits=True), planes(x))
    mine = ours("inception_v3", (299, 299), state(network), auxiliary=True)(x, training=True)
    with torch.no_grad():
        theirs = [logits.log_softmax(1).numpy() for logits in network.train()(planes(x))]
    for output, expected in zip(mine, theirs, strict=True):
        assert np.abs(np.log(output) - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", NATIVE)
def test_A5_native_training_is_pytorchs(name):
    """In float32, where one ReLU that rounding switches changes gradients by some 1e-3."""
    x = images(SIZES[name])
    network = randomized(module(name, CLASSES), planes(x))
    model = ours(name, SIZES[name], state(network))
    directions = np.random.default_rng(1).standard_normal((1, 2, CLASSES)).astype(np.float32)
    theirs, found = torch_trained(network, planes(x), directions)
    mine, *differentiated = trained(model, x, directions, lambda graph: executor(graph, training=True))
    assert np.abs(mine - theirs).max() <= 1e-4 * np.abs(theirs).max()
    for gradient, variable in zip(differentiated, ours(name, SIZES[name], found).trainable_weights, strict=True):
        assert np.linalg.norm(gradient - variable.value) <= 5e-3 * np.linalg.norm(variable.value)


def test_A5_lenet_follows_the_papers_table():
    """PyTorch's full convolution with zeros where the table has no connection; the table's rows as printed."""
    table = [  # column k: map k of the second convolution; row: map of the first
        "X   XXX  XXXX XX",
        "XX   XXX  XXXX X",
        "XXX   XXX  X XXX",
        " XXX  XXXX  X XX",
        "  XXX  XXXX XX X",
        "   XXX  XXXX XXX",
    ]
    connected = np.array([[cell == "X" for cell in row] for row in table])
    assert connected.sum() == 60
    striate.set_seed(0)
    model = striate.architectures.lenet5(partial_connections=True)
    pooling, _ = [layer for layer in model.layers if isinstance(layer, layers.AveragePooling2D)]
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert sum(layer.count_params() for layer in convolutions[1:]) == 1516  # the paper's figure
    assert model.count_params() == 60_806

    x = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
    seen = {one.name: one.values for one in model.activations(x)}
    kernel = np.zeros((16, 6, 5, 5), np.float32)
    rows, place = [list(row) for part in TABLE for row in part], 0
    for layer in convolutions[1:]:
        for number in range(layer.filters):
            kernel[place, rows[place]] = layer.kernel.value[..., number].transpose(2, 0, 1)
            place += 1
    assert [np.flatnonzero(maps.any((1, 2))).tolist() for maps in kernel] == [
        np.flatnonzero(column).tolist() for column in connected.T
    ]
    before = torch.from_numpy(seen[pooling.name].transpose(0, 3, 1, 2).copy())
    theirs = torch.nn.functional.conv2d(before, torch.from_numpy(kernel)).tanh().numpy().transpose(0, 2, 3, 1)
    (joined,) = [layer.name for layer in model.layers if isinstance(layer, layers.Concatenate)]
    assert np.abs(seen[joined] - theirs).max() < 1e-5


def test_a_network_with_heads_trains():
    model = striate.architectures.googlenet(classes=3, input_shape=(64, 64, 3), auxiliary=True)
    model.compile(SGD(0.01), ["sparse_categorical_crossentropy"] * 3, loss_weights=[1, 0.3, 0.3])
    x, y = images((64, 64)), np.array([0, 2])
    first = model.train_on_batch(x, [y, y, y])[0]
    assert first != model.train_on_batch(x, [y, y, y])[0]
