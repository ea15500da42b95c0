"""A training step of one's own: Siamese networks, distillation and a GAN in PyTorch's numbers; what it refuses."""

import numpy as np
import pytest

import striate
from striate import layers, losses, ops
from striate.errors import ArgumentError, DataError, ShapeError
from striate.graph import Variable
from striate.runtime.native import NativeExecutor
from striate.training import Step
from striate.training.optimizers import SGD, Adam

STEPS = 10


@pytest.fixture(params=["reference", "native"], autouse=True)
def executor(request):
    before = striate.runtime.settings().executor
    striate.set_executor(request.param)
    yield request.param
    striate.set_executor(before)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def dense(torch, layer):
    """PyTorch's layer with the weights of ours."""
    theirs = torch.nn.Linear(*layer.kernel.shape)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(layer.kernel.numpy().T))
        theirs.bias.copy_(torch.tensor(layer.bias.numpy()))
    return theirs


def weights(module):
    return [p.detach().numpy().T for p in module.parameters()]


def same(model, module):
    for ours, theirs in zip(model.trainable_weights, weights(module), strict=True):
        np.testing.assert_allclose(ours.value, theirs, rtol=2e-4, atol=2e-6)


def test_a_siamese_network_agrees_with_pytorch():
    """Shared weights and batch normalization, called twice in a step: moving statistics move twice."""
    torch = pytest.importorskip("torch")
    striate.set_seed(0)
    norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    tower = striate.Sequential([striate.Input((6,)), layers.Dense(5), norm, layers.ReLU(), layers.Dense(3)])

    def contrastive(a, b, alike):
        distance = ops.sum((tower(a) - tower(b)) ** 2.0, -1)
        return ops.mean(alike * distance + (1.0 - alike) * ops.maximum(1.0 - distance, 0.0))

    step = Step(contrastive, tower, SGD(0.05, momentum=0.9))

    first, last = (layer for layer in tower.layers if isinstance(layer, layers.Dense))
    theirs = torch.nn.Sequential(
        dense(torch, first), torch.nn.BatchNorm1d(5, 1e-5, 0.1), torch.nn.ReLU(), dense(torch, last)
    )
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    for number in range(STEPS):
        a, b = normal(8, 6, seed=number), normal(8, 6, seed=100 + number)
        alike = np.arange(8, dtype=np.float32) % 2
        got = step(a, b, alike)
        distance = ((theirs(torch.tensor(a)) - theirs(torch.tensor(b))) ** 2).sum(-1)
        t = torch.tensor(alike)
        loss = (t * distance + (1 - t) * torch.clamp(1 - distance, min=0)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert got == pytest.approx(loss.item(), rel=1e-4)
    same(tower, theirs)
    np.testing.assert_allclose(norm.moving_mean.value, theirs[1].running_mean.numpy(), rtol=1e-4, atol=1e-6)
    unbiased = theirs[1].running_var.numpy() - 0.9 ** (2 * STEPS)  # PyTorch divides by n − 1, and began with 1
    np.testing.assert_allclose((norm.moving_variance.value - 0.9 ** (2 * STEPS)) * 8 / 7, unbiased, rtol=1e-3)


def test_distillation_agrees_with_pytorch():
    """A student learns labels and its teacher's softened probabilities; the teacher stays as it is."""
    torch = pytest.importorskip("torch")
    striate.set_seed(1)
    teacher = striate.Sequential([striate.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(4)])
    student = striate.Sequential([striate.Input((6,)), layers.Dense(4)])

    def distill(x, labels):
        logits = student(x)
        hard = losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        soft = losses.categorical_crossentropy(ops.softmax(teacher(x) / 3.0), logits / 3.0, from_logits=True)
        return ops.mean(hard) + 9.0 * ops.mean(soft), logits

    step = Step(distill, student, Adam(0.01, epsilon=1e-8))

    wise = torch.nn.Sequential(dense(torch, teacher.layers[0]), torch.nn.ReLU(), dense(torch, teacher.layers[1]))
    young = dense(torch, student.layers[0])
    optimizer, before = torch.optim.Adam(young.parameters(), lr=0.01, eps=1e-8), teacher.get_weights()
    cross_entropy = torch.nn.functional.cross_entropy
    for number in range(STEPS):
        x, labels = normal(16, 6, seed=number), np.arange(16) % 4
        loss, logits = step(x, labels)
        theirs = young(torch.tensor(x))
        soft = torch.softmax(wise(torch.tensor(x)) / 3, -1).detach()
        total = cross_entropy(theirs, torch.tensor(labels)) + 9 * cross_entropy(theirs / 3, soft)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        assert loss == pytest.approx(total.item(), rel=1e-4)
        np.testing.assert_allclose(logits, theirs.detach().numpy(), rtol=1e-3, atol=1e-4)
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_gan_agrees_with_pytorch():
    """Two steps that train each other, each with its own variables and optimizer."""
    torch = pytest.importorskip("torch")
    striate.set_seed(2)
    generator = striate.Sequential([striate.Input((3,)), layers.Dense(8, activation="tanh"), layers.Dense(2)])
    critic = striate.Sequential([striate.Input((2,)), layers.Dense(8, activation="tanh"), layers.Dense(1)])

    def bce(label, x):
        return losses.BinaryCrossentropy(from_logits=True)(np.full(x.shape, label, np.float32), x)

    train_critic = Step(
        lambda x, z: bce(1, critic(x)) + bce(0, critic(generator(z))), critic, Adam(0.02, epsilon=1e-30)
    )
    train_generator = Step(lambda z: bce(1, critic(generator(z))), generator, Adam(0.01, epsilon=1e-30))

    g, c = (
        torch.nn.Sequential(dense(torch, model.layers[0]), torch.nn.Tanh(), dense(torch, model.layers[1]))
        for model in (generator, critic)
    )
    of_c, of_g = torch.optim.Adam(c.parameters(), 0.02, eps=1e-30), torch.optim.Adam(g.parameters(), 0.01, eps=1e-30)
    with_logits = torch.nn.functional.binary_cross_entropy_with_logits
    for number in range(STEPS):
        x, z = normal(8, 2, seed=number), normal(8, 3, seed=50 + number)
        got = train_critic(x, z), train_generator(z)
        ones, zeros, noise = torch.ones(8, 1), torch.zeros(8, 1), torch.tensor(z)
        of_c.zero_grad()
        critics = with_logits(c(torch.tensor(x)), ones) + with_logits(c(g(noise)), zeros)
        critics.backward()
        of_c.step()
        of_g.zero_grad()
        generators = with_logits(c(g(noise)), ones)
        generators.backward()
        of_g.step()
        assert got == pytest.approx((critics.item(), generators.item()), rel=1e-3)
    same(generator, g)
    same(critic, c)


def small():
    striate.set_seed(3)
    hidden = layers.Dense(5, activation="relu", kernel_regularizer="l2")
    return striate.Sequential([striate.Input((6,)), hidden, layers.Dropout(0.3), layers.Dense(2)])


def test_fit_is_made_of_such_steps():
    """The same bits by fit and by a step that says the same."""
    x, y = normal(12, 6), normal(12, 2, seed=1)
    model = small()
    step = Step(lambda x, y: losses.MeanSquaredError()(y, model(x)) + sum(model.losses), model, Adam(0.01))
    for begin in [0, 4, 8] * 5:
        step(x[begin : begin + 4], y[begin : begin + 4])
    fitted = small()
    fitted.compile(Adam(0.01), "mse")
    fitted.fit(x, y, batch_size=4, epochs=5, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), fitted.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_step_is_one_native_call(executor, monkeypatch):
    if executor == "reference":
        pytest.skip("the reference computes node by node")
    model = striate.Sequential([striate.Input((6,)), layers.Dense(5, activation="relu"), layers.Dense(2)])
    step = Step(lambda x, y: losses.MeanSquaredError()(y, model(x)), model, Adam(0.01, clipnorm=1.0))
    x, y = normal(8, 6), normal(8, 2)
    step(x, y)
    calls = []
    compute = NativeExecutor.compute
    monkeypatch.setattr(NativeExecutor, "compute", lambda self, part: calls.append(part) or compute(self, part))
    step(x, y)
    assert len(calls) == 1


def test_inputs_may_be_nested_and_of_any_size():
    scale = Variable([1.0], "scale")
    step = Step(lambda batch, pair: ops.sum(batch["x"] * scale) + ops.sum(pair[0] * pair[1]), scale, SGD(0.5))
    for size in (2, 5):
        ones = np.ones(size)
        before = scale.numpy()
        assert step({"x": ones}, (ones, 2 * ones)) == pytest.approx(float(size * before[0] + 2 * size))
        np.testing.assert_allclose(scale.value, before - 0.5 * size)


def test_an_unbuilt_model_is_built_by_the_first_step_and_frozen_layers_stay():
    class Mine(striate.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.Dense(4), layers.Dense(1)

        def call(self, x):
            return self.last(self.first(x))

    model = Mine()
    step = Step(lambda x: ops.mean(model(x) ** 2.0), model, SGD(0.1))
    x = normal(8, 3)
    first = step(x)
    assert step(x) < first
    model.first.trainable = False
    before = model.first.kernel.numpy(), model.last.kernel.numpy()
    step(x)
    np.testing.assert_array_equal(model.first.kernel.value, before[0])
    assert not np.array_equal(model.last.kernel.value, before[1])


def test_a_variable_assigned_while_it_is_trained():
    """Its gradient is that of both reads; the update begins at what was assigned, as in Keras."""
    w = Variable([2.0], "w")

    def loss(x):
        first = ops.sum(w * x)
        w.assign(ops.minimum(w, 1.0))
        return first + ops.sum(w * w)

    Step(loss, w, SGD(0.1))(np.array([3.0]))
    np.testing.assert_allclose(w.value, [1 - 0.1 * (3 + 2 * 1)], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda w: Step("mse", w), ArgumentError, "Step: expected loss as a function of symbols, got 'mse'"),
        (lambda w: Step(ops.sum, w, "adamm"), ArgumentError, "Did you mean 'Adam'"),
        (lambda w: Step(ops.sum, [3]), ArgumentError, "Step: expected layers and trainable variables to train, got 3"),
        (
            lambda w: Step(ops.sum, Variable([1.0], "fixed", trainable=False)),
            ArgumentError,
            "expected layers and trainable variables to train, got <Variable fixed",
        ),
        (lambda w: Step(lambda x: w * x, w)(np.ones(1)), ShapeError, r"the loss as a scalar, got shape \(1,\)"),
        (
            lambda w: Step(lambda x: 3.0, w)(np.ones(1)),
            ArgumentError,
            "computed from its inputs and variables, got 3.0",
        ),
        (
            lambda w: Step(lambda x: 2.0 * ops.sum(x), w)(np.ones(1)),
            ArgumentError,
            "does not depend on any of the .*: w",
        ),
        (
            lambda w: Step(lambda x: ops.sum(x * w), w)("a"),
            DataError,
            "expected arrays of numbers, got an array of <U1",
        ),
    ],
)
def test_R4_what_cannot_be_a_step(make, error, text):
    with pytest.raises(error, match=text):
        make(Variable([1.0], "w"))
