"""Optimizers: numbers of Keras and PyTorch over many steps, clipping, decay, checkpoints, messages."""

import gc

import numpy as np
import pytest

from striate import ops
from striate.configurable import describe
from striate.errors import ArgumentError, FormatError, ModelError
from striate.graph import Variable
from striate.training import Step, optimizers
from striate.training.optimizers import SGD, Adagrad, Adam, AdamW, Lion, Optimizer, RMSprop
from striate.training.schedules import CosineDecay, ExponentialDecay
from tests.training import oracle

STEPS = 25
SHAPES = ((3, 4), (4,), (2, 2, 2))
SIZES = [12, 4, 8]

#: Optimizer and settings, the same for us and for Keras.
SETTINGS = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    ("SGD", {"learning_rate": 0.1, "weight_decay": 0.1}),
    ("SGD", {"learning_rate": 0.1, "clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.2}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "momentum": 0.5, "epsilon": 1e-3}),
    ("RMSprop", {"centered": True, "epsilon": 1e-2, "learning_rate": 0.01}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adagrad", {"learning_rate": 0.05, "initial_accumulator_value": 0.0, "epsilon": 1e-2}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.05, "beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-2}),
    ("Adam", {"learning_rate": 0.05, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.05, "weight_decay": 0.2, "clipnorm": 1.0}),
    ("AdamW", {}),
    ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.1, "amsgrad": True}),
    ("Lion", {"learning_rate": 0.01}),
    ("Lion", {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.7, "weight_decay": 0.1}),
]


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """First parameters (24,), and a gradient (24,) for each step, some of it large, some 0."""
    generator = np.random.default_rng(seed)
    gradients = generator.standard_normal((STEPS, sum(SIZES))) * generator.choice([0, 0.1, 1, 5], (STEPS, sum(SIZES)))
    return generator.standard_normal(sum(SIZES)).astype(np.float32), gradients.astype(np.float32)


def stepper(optimizer: Optimizer, *variables: Variable) -> Step:
    """A step whose loss has the arrays that it is called with as its gradients: Σ v·g."""

    def loss(*gradients):
        return sum(ops.sum(v * g) for v, g in zip(variables, gradients, strict=True))

    return Step(loss, variables, optimizer)


def variables_of(parameters: np.ndarray) -> list[Variable]:
    return [Variable(part) for part in parts(parameters)]


def values(variables: list[Variable]) -> np.ndarray:
    return np.concatenate([v.value.ravel() for v in variables])


def trained(optimizer: Optimizer, seed: int = 0) -> np.ndarray:
    parameters, gradients = problem(seed)
    variables = variables_of(parameters)
    step = stepper(optimizer, *variables)
    for gradient in gradients:
        step(*parts(gradient))
    return values(variables)


def parts(vector: np.ndarray) -> list[np.ndarray]:
    return [p.reshape(s) for p, s in zip(np.split(vector, np.cumsum(SIZES)[:-1]), SHAPES, strict=True)]


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_numbers_are_those_of_keras(name, settings) -> None:
    keras = oracle.keras()
    parameters, gradients = problem()
    variables = [keras.Variable(p) for p in parts(parameters)]
    theirs = getattr(keras.optimizers, name)(**settings)
    theirs.build(variables)
    for gradient in gradients:
        theirs.apply([keras.ops.convert_to_tensor(g) for g in parts(gradient.copy())], variables)
    expected = np.concatenate([oracle.numbers(v.value).ravel() for v in variables])

    got = trained(getattr(optimizers, name)(**settings))
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("ours", "name", "settings"),
    [
        (SGD(0.1), "SGD", {"lr": 0.1}),
        (SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
        (SGD(0.1, momentum=0.9, nesterov=True), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (RMSprop(0.01, rho=0.99, epsilon=0), "RMSprop", {"lr": 0.01, "alpha": 0.99, "eps": 0}),
        (RMSprop(0.01, 0.9, 0.5, 0), "RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.5, "eps": 0}),
        (Adagrad(0.1, 0.3, 0), "Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.3, "eps": 0}),
        (Adam(0.01, epsilon=1e-30), "Adam", {"lr": 0.01, "eps": 1e-30}),
        (Adam(0.01, amsgrad=True, epsilon=1e-30), "Adam", {"lr": 0.01, "amsgrad": True, "eps": 1e-30}),
        (AdamW(0.01, 0.1, epsilon=1e-30), "AdamW", {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-30}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Optimizer) else str(value),
)
def test_numbers_are_those_of_pytorch_where_epsilon_does_not_matter(ours, name, settings) -> None:
    torch = pytest.importorskip("torch")
    parameters, gradients = problem()
    gradients[gradients == 0] = 0.01  # PyTorch's 0/0 at epsilon 0 is not ours to match
    theirs = torch.tensor(parameters.copy(), requires_grad=True)
    optimizer = getattr(torch.optim, name)([theirs], **settings)
    variable = Variable(parameters)
    step = stepper(ours, variable)
    for gradient in gradients:
        theirs.grad = torch.tensor(gradient.copy())
        optimizer.step()
        step(gradient)
    np.testing.assert_allclose(variable.value, theirs.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_first_steps_by_hand() -> None:
    def two_steps(optimizer: Optimizer) -> float:
        variable = Variable([1.0])
        step = stepper(optimizer, variable)
        for _ in range(2):
            step(np.array([0.5]))
        return float(variable.value[0])

    assert two_steps(SGD(0.1)) == pytest.approx(1 - 0.05 - 0.05)
    assert two_steps(SGD(0.1, momentum=0.9)) == pytest.approx(1 - 0.05 - (0.9 * 0.05 + 0.05))
    # Equal gradients: Adam's corrected mean over its corrected root mean square is 1.
    assert two_steps(Adam(0.1, epsilon=0)) == pytest.approx(1 - 0.1 - 0.1)
    assert two_steps(Lion(0.1)) == pytest.approx(1 - 0.1 - 0.1)
    assert two_steps(Adagrad(0.1, 0.0, 0)) == pytest.approx(1 - 0.1 - 0.1 / 2**0.5)


def test_decoupled_weight_decay_by_hand() -> None:
    """The weights shrink by η·λ = 0.05 of what they are, then comes the step; the gradient knows nothing of it."""

    def steps(optimizer: Optimizer, gradient: float) -> list[float]:
        variable, seen = Variable([1.0]), []
        step = stepper(optimizer, variable)
        for _ in range(2):
            step(np.array([gradient]))
            seen.append(float(variable.value[0]))
        return seen

    assert steps(SGD(0.1, weight_decay=0.5), 0.0) == pytest.approx([0.95, 0.9025])
    assert steps(SGD(0.1, weight_decay=0.5), 2.0) == pytest.approx([0.95 - 0.2, 0.75 * 0.95 - 0.2])
    assert steps(AdamW(0.1, weight_decay=0.5, epsilon=0), 7.0) == pytest.approx([0.95 - 0.1, 0.85 * 0.95 - 0.1])
    assert steps(Adam(0.1, weight_decay=0.5, epsilon=0), 7.0) == pytest.approx([0.95 - 0.1, 0.85 * 0.95 - 0.1])
    assert steps(Lion(0.1, weight_decay=0.5), -3.0) == pytest.approx([0.95 + 0.1, 1.05 * 0.95 + 0.1])


def clipped(optimizer: Optimizer, *gradients: list[float]) -> list[list[float]]:
    """What is left of gradients: what one step of size 1 takes away from zeros."""
    variables = [Variable(np.zeros(len(gradient))) for gradient in gradients]
    stepper(optimizer, *variables)(*map(np.array, gradients))
    return [list(-v.value) for v in variables]


def test_clipnorm_is_per_variable_and_global_clipnorm_over_all() -> None:
    gradients = [3, 4], [0.3, 0.4]
    np.testing.assert_allclose(clipped(SGD(1.0, clipnorm=1.0), *gradients), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    scale = 1 / np.sqrt(25 + 0.25)
    shortened = np.array(gradients) * scale
    np.testing.assert_allclose(clipped(SGD(1.0, global_clipnorm=1.0), *gradients), shortened, rtol=1e-6)
    np.testing.assert_allclose(clipped(SGD(1.0, clipvalue=0.35), *gradients), [[0.35, 0.35], [0.3, 0.35]], rtol=1e-6)


def test_clipping_survives_squares_that_overflow_and_gradients_of_0() -> None:
    for how in ("clipnorm", "global_clipnorm"):
        np.testing.assert_allclose(clipped(SGD(1.0, **{how: 5.0}), [3e30, 4e30]), [[3, 4]], rtol=1e-6)
        np.testing.assert_array_equal(clipped(SGD(1.0, **{how: 5.0}), [0, 0]), [[0, 0]])


def test_learning_rate_can_be_set_at_any_time() -> None:
    optimizer, variable = SGD(1.0), Variable([0.0])
    step = stepper(optimizer, variable)
    step(np.ones(1))
    optimizer.learning_rate = 0.25
    step(np.ones(1))
    assert variable.value[0] == -1.25
    assert optimizer.learning_rate == 0.25


def test_a_schedule_is_evaluated_at_the_number_of_updates_made() -> None:
    optimizer, variable = SGD(ExponentialDecay(1.0, 1, 0.5)), Variable([0.0])
    step = stepper(optimizer, variable)
    for _ in range(3):
        step(np.ones(1))
    assert variable.value[0] == -(1 + 0.5 + 0.25)
    assert optimizer.iterations == 3
    assert optimizer.learning_rate == 0.125


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.1, momentum=0.9),
        lambda: RMSprop(centered=True, momentum=0.5),
        Adagrad,
        lambda: Adam(amsgrad=True),
        AdamW,
        Lion,
        lambda: SGD(CosineDecay(0.1, 20), momentum=0.5),
    ],
)
def test_R2_a_checkpoint_goes_on_with_the_same_bits(make) -> None:
    parameters, gradients = problem()
    whole = trained(make())

    first, variables = make(), variables_of(parameters)
    step = stepper(first, *variables)
    for gradient in gradients[:10]:
        step(*parts(gradient))
    state, half = first.state(), values(variables)
    step(*parts(gradients[0]))  # the state is a copy: this does not change it

    second, variables = make(), variables_of(half)
    second.build(variables)
    second.load_state(state)
    assert second.iterations == 10
    step = stepper(second, *variables)
    for gradient in gradients[10:]:
        step(*parts(gradient))
    np.testing.assert_array_equal(values(variables), whole)


def test_a_checkpoint_keeps_the_learning_rate_that_was_set() -> None:
    first, second = SGD(1.0), SGD(1.0)
    first.build([Variable([0.0])])
    second.build([Variable([0.0])])
    first.learning_rate = 0.125
    second.load_state(first.state())
    assert second.learning_rate == 0.125


def test_other_variables_begin_anew() -> None:
    optimizer = Adam(0.05)
    first = trained(optimizer)
    np.testing.assert_array_equal(trained(optimizer), first)


def test_what_is_kept_belongs_to_each_variable() -> None:
    """Two steps that share an optimizer do what two optimizers do; freezing changes nothing for the others."""
    (parameters, gradients), shared = problem(), Adam(0.05)
    results = []
    for choose in (lambda: shared, lambda: Adam(0.05)):
        variables = variables_of(parameters)
        steps = [stepper(choose(), variables[0], variables[1]), stepper(choose(), variables[2])]
        for gradient in gradients:
            a, b, c = parts(gradient)
            steps[0](a, b)
            steps[1](c)
        results.append(values(variables))
    np.testing.assert_array_equal(*results)

    a, b = Variable([1.0]), Variable([1.0])
    optimizer = SGD(0.1, momentum=0.5)
    for variables in ([a, b], [a], [a, b]):
        stepper(optimizer, *variables)(*[np.ones(1)] * len(variables))
    assert a.value[0] == pytest.approx(1 - 0.1 - 0.15 - 0.175)
    assert b.value[0] == pytest.approx(1 - 0.1 - 0.15)
    assert optimizer.iterations == 3


def test_nothing_is_kept_for_variables_that_are_gone() -> None:
    optimizer = Adam()
    for _ in range(3):
        stepper(optimizer, Variable(np.zeros(5)))(np.ones(5))
        gc.collect()
    assert len(optimizer._aside) <= 1


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_config_makes_an_equal_optimizer(name, settings) -> None:
    optimizer = getattr(optimizers, name)(**settings)
    again = optimizers.get(describe(optimizer))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


def test_config_with_a_schedule() -> None:
    optimizer = Adam(ExponentialDecay(0.1, 10, 0.5, staircase=True))
    again = Adam.from_config(optimizer.get_config())
    again.iterations = optimizer.iterations = 25
    assert again.learning_rate == optimizer.learning_rate == 0.025


@pytest.mark.parametrize("name", ["adam", "Adam", "sgd", "SGD", "rmsprop", "RMSprop", "adamw", "lion", "adagrad"])
def test_get_by_name(name) -> None:
    optimizer = optimizers.get(name)
    assert type(optimizer).__name__.lower() == name.lower()
    assert optimizer.name == name.lower()


def test_get_gives_back_an_optimizer_and_makes_one_of_a_class() -> None:
    optimizer = Adam()
    assert optimizers.get(optimizer) is optimizer
    assert isinstance(optimizers.get(RMSprop), RMSprop)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("adm", r"optimizers.get: expected one of Adagrad, Adam, .*SGD; got 'adm'\. Did you mean 'Adam'\?"),
        ("zzz", r"got 'zzz'\.$"),
        (3, r"optimizers.get: expected a name, a config or an object, got 3"),
        ({"class_name": "Adam"}, r"expected a config with class_name and config, got \{'class_name': 'Adam'\}"),
        (
            {"class_name": "Adam", "config": {"rho": 1}},
            r"Adam.from_config: expected the arguments learning_rate, .*'rho'",
        ),
    ],
)
def test_get_of_something_unknown(identifier, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        optimizers.get(identifier)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(momentum=1.5), r"SGD: expected momentum from 0 to 1, got 1.5"),
        (lambda: RMSprop(rho=-1), r"RMSprop: expected rho from 0 to 1, got -1"),
        (lambda: RMSprop(momentum=2), r"RMSprop: expected momentum from 0 to 1, got 2"),
        (lambda: RMSprop(epsilon=-1e-7), r"RMSprop: expected epsilon of at least 0"),
        (lambda: Adagrad(initial_accumulator_value=-1), r"Adagrad: expected initial_accumulator_value of at least 0"),
        (lambda: Adagrad(epsilon=-1), r"Adagrad: expected epsilon of at least 0"),
        (lambda: Adam(beta_1=1), r"Adam: expected beta_1 from 0 to below 1, got 1"),
        (lambda: Adam(beta_2=1), r"Adam: expected beta_2 from 0 to below 1, got 1"),
        (lambda: Adam(epsilon=-1), r"Adam: expected epsilon of at least 0"),
        (lambda: Lion(beta_1=0), r"Lion: expected beta_1 above 0 and up to 1, got 0"),
        (lambda: Lion(beta_2=2), r"Lion: expected beta_2 from 0 to 1, got 2"),
        (lambda: SGD(-1), r"SGD: expected learning_rate of at least 0, got -1.0"),
        (lambda: SGD(float("nan")), r"SGD: expected learning_rate of at least 0, got nan"),
        (lambda: SGD("fast"), r"SGD: expected learning_rate as a number or a schedule, got 'fast'"),
        (lambda: SGD(weight_decay=-1), r"SGD: expected weight_decay of at least 0, or None, got -1"),
        (lambda: SGD(clipnorm=-1), r"SGD: expected clipnorm of at least 0, or None, got -1"),
        (lambda: SGD(clipnorm=1, clipvalue=1), r"SGD: expected one way of clipping, got clipnorm and clipvalue"),
    ],
)
def test_settings_out_of_range(make, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_scheduled_learning_rate_cannot_be_set() -> None:
    optimizer = SGD(ExponentialDecay(1.0, 1, 0.5))
    with pytest.raises(ArgumentError, match=r"the learning rate follows ExponentialDecay and cannot be set to 0.1"):
        optimizer.learning_rate = 0.1


def test_state_before_build() -> None:
    with pytest.raises(ModelError, match=r"SGD: build\(variables\) must come before state"):
        SGD().state()


def test_a_checkpoint_of_another_optimizer() -> None:
    adam, sgd = Adam(), SGD()
    adam.build([Variable(np.zeros(3))])
    sgd.build([Variable(np.zeros(3))])
    with pytest.raises(FormatError, match=r"SGD.load_state: expected .*, got .*velocity"):
        sgd.load_state(adam.state())


def test_an_optimizer_without_a_rule() -> None:
    step = stepper(Optimizer(0.1), Variable([0.0]))
    with pytest.raises(NotImplementedError, match=r"Optimizer: define update\(self, p, g, rate, \*\*kept\)"):
        step(np.ones(1))
