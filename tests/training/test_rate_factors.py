"""Variables that learn more slowly than others: numbers of PyTorch's parameter groups, on both executors."""

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import FormatError, ModelError
from striate.training.optimizers import SGD, Adagrad, Adam, AdamW, Lion, RMSprop


def network():
    striate.set_seed(0)
    return striate.Sequential(
        [striate.Input((6,)), layers.Dense(5, activation="tanh"), layers.Dense(3, activation="softmax")]
    )


def data():
    random = np.random.default_rng(1)
    return random.normal(size=(64, 6)).astype(np.float32), random.integers(0, 3, 64)


@pytest.fixture(params=["reference", "native"])
def executor(request):
    before = striate.runtime.settings().executor
    striate.set_executor(request.param)
    yield request.param
    striate.set_executor(before)


def trained(optimizer, factors):
    model = network()
    for variable, factor in zip(model.trainable_weights, factors, strict=True):
        variable.rate_factor = factor
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(*data(), batch_size=16, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: SGD(0.1, momentum=0.9), lambda torch, groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9)),
        (
            lambda: AdamW(0.02, weight_decay=0.3, epsilon=1e-8),
            lambda torch, groups: torch.optim.AdamW(groups, lr=0.02, weight_decay=0.3, eps=1e-8),
        ),
    ],
    ids=["SGD", "AdamW"],
)
def test_P7_same_numbers_as_parameter_groups(executor, ours, theirs):
    torch = pytest.importorskip("torch")
    factors = (0.1, 0.1, 1.0, 0.5)
    weights = [torch.tensor(w, requires_grad=True) for w in network().get_weights()]
    base = ours().learning_rate
    optimizer = theirs(torch, [{"params": [w], "lr": base * f} for w, f in zip(weights, factors, strict=True)])
    x, y = (torch.tensor(array) for array in data())
    for start in [*range(0, 64, 16)] * 3:
        optimizer.zero_grad()
        hidden = torch.tanh(x[start : start + 16] @ weights[0] + weights[1])
        loss = torch.nn.functional.cross_entropy(hidden @ weights[2] + weights[3], y[start : start + 16])
        loss.backward()
        optimizer.step()
    for got, expected in zip(trained(ours(), factors), weights, strict=True):
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("make", [SGD, Adagrad, Adam, AdamW, Lion, RMSprop])
def test_a_factor_of_0_keeps_a_variable_and_1_changes_nothing(executor, make):
    before, plain = network().get_weights(), trained(make(0.01), (1, 1, 1, 1))
    kept = trained(make(0.01), (0, 0, 1, 1))
    for place in (0, 1):
        np.testing.assert_array_equal(kept[place], before[place])
    assert not np.array_equal(kept[2], before[2])
    assert not np.array_equal(plain[0], before[0])


def test_optimizer_state_can_be_loaded_before_the_first_step():
    def model():
        made = network()
        made.compile(Adam(0.01), "sparse_categorical_crossentropy")
        return made

    whole = model()
    whole.fit(*data(), epochs=4, shuffle=False, verbose=0)
    half = model()
    half.fit(*data(), epochs=2, shuffle=False, verbose=0)
    later = model()
    later.set_weights(half.get_weights())
    later.load_optimizer_state(half.optimizer.state())
    later.fit(*data(), epochs=4, initial_epoch=2, shuffle=False, verbose=0)
    for got, expected in zip(later.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_R4_optimizer_state_of_others():
    with pytest.raises(ModelError, match="load_optimizer_state: the model is not compiled"):
        network().load_optimizer_state({})
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(FormatError, match=r"Adam\.load_state: expected \{'iterations'"):
        model.load_optimizer_state({})
