"""Initializers: Keras's distributions, fans and settings; seeds; shapes that cannot be filled."""

from typing import Any

import numpy as np
import pytest

from striate import random
from striate.configurable import describe
from striate.errors import ArgumentError, ShapeError
from striate.layers import initializers
from striate.layers.initializers import (
    TRUNCATED_STDDEV,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    PresetFilters,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
    fans,
)
from tests.training import oracle

KERNEL = (3, 5, 40, 60)  # fan_in 600, fan_out 900; 36,000 numbers

RANDOM = [
    RandomUniform(),
    RandomUniform(-2.0, 3.0),
    RandomNormal(),
    RandomNormal(1.0, 0.5),
    TruncatedNormal(),
    TruncatedNormal(-1.0, 2.0),
    VarianceScaling(),
    VarianceScaling(3.0, "fan_out", "uniform"),
    VarianceScaling(0.5, "fan_avg", "untruncated_normal"),
    GlorotNormal(),
    GlorotUniform(),
    HeNormal(),
    HeUniform(),
    LecunNormal(),
    LecunUniform(),
]


def seeded(initializer: Any, seed: int) -> Any:
    return type(initializer).from_config(initializer.get_config() | {"seed": seed})


@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
@pytest.mark.parametrize("shape", [KERNEL, (200, 150), (30_000,)], ids=str)
def test_distribution_is_that_of_keras(initializer: Any, shape: Any) -> None:
    stats = pytest.importorskip("scipy.stats")
    keras = oracle.keras()
    theirs = getattr(keras.initializers, type(initializer).__name__)(**initializer.get_config() | {"seed": 7})
    # Kolmogorov and Smirnov: the chance that two samples of one distribution lie this far apart.
    chance = stats.ks_2samp(seeded(initializer, 3)(shape).ravel(), oracle.numbers(theirs(shape)).ravel()).pvalue
    assert chance > 1e-3


@pytest.mark.parametrize(
    ("initializer", "stddev"),
    [
        (GlorotUniform(1), np.sqrt(2 / 1500)),
        (GlorotNormal(1), np.sqrt(2 / 1500)),
        (HeUniform(1), np.sqrt(2 / 600)),
        (HeNormal(1), np.sqrt(2 / 600)),
        (LecunUniform(1), np.sqrt(1 / 600)),
        (LecunNormal(1), np.sqrt(1 / 600)),
        (VarianceScaling(3.0, "fan_out", seed=1), np.sqrt(3 / 900)),
        (RandomNormal(stddev=0.3, seed=1), 0.3),
        (TruncatedNormal(stddev=0.3, seed=1), 0.3 * TRUNCATED_STDDEV),
        (RandomUniform(-0.6, 0.6, seed=1), 0.6 / np.sqrt(3)),
    ],
    ids=repr,
)
def test_mean_and_spread(initializer: Any, stddev: float) -> None:
    drawn = initializer(KERNEL).astype(np.float64)
    assert abs(drawn.mean()) < 4 * stddev / np.sqrt(drawn.size)
    assert drawn.std() == pytest.approx(stddev, rel=0.02)


def test_truncated_numbers_lie_within_two_standard_deviations() -> None:
    drawn = TruncatedNormal(1.0, 0.5, seed=0)((100_000,))
    assert 0 <= drawn.min() < 0.01
    assert 1.99 < drawn.max() <= 2
    assert pytest.approx(0.87962566103423978, rel=1e-12) == TRUNCATED_STDDEV  # the value known from the literature


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (5, 3, 4), (3, 3, 2, 8), (2, 3, 4, 5, 6)], ids=str)
def test_fans_are_those_of_keras(shape: Any) -> None:
    oracle.keras()
    from keras.src.initializers.random_initializers import compute_fans

    assert fans(shape) == tuple(compute_fans(shape))


@pytest.mark.parametrize("shape", [(8, 8), (20, 5), (5, 20), (3, 3, 4, 10), (2, 2, 1, 30)], ids=str)
def test_orthogonal(shape: Any) -> None:
    matrix = Orthogonal(gain=2.0, seed=0)(shape).reshape(-1, shape[-1]).astype(np.float64) / 2
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-6)


def test_orthogonal_has_no_favourite_direction() -> None:
    first = np.array([Orthogonal(seed=seed)((3, 3))[:, 0] for seed in range(500)])
    np.testing.assert_allclose(first.mean(0), 0, atol=0.1)
    np.testing.assert_allclose((first**2).mean(0), 1 / 3, atol=0.05)


def test_fixed_values() -> None:
    np.testing.assert_array_equal(Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(Ones()((2,)), [1, 1])
    np.testing.assert_array_equal(Constant(0.5)((2,)), [0.5, 0.5])
    np.testing.assert_array_equal(Constant([1, 2])((2, 2)), [[1, 2], [1, 2]])
    np.testing.assert_array_equal(Identity(3.0)((2, 3)), [[3, 0, 0], [0, 3, 0]])


EVERY = [*RANDOM, Zeros(), Ones(), Constant(2.0), Orthogonal()]


@pytest.mark.parametrize("initializer", [*EVERY, PresetFilters(["random"] * 5)], ids=repr)
def test_shape_dtype_and_own_memory(initializer: Any) -> None:
    for dtype in (np.float32, np.float64, "float32"):
        drawn = initializer((3, 3, 2, 5), dtype)
        assert drawn.shape == (3, 3, 2, 5)
        assert drawn.dtype == np.dtype(dtype)
        assert drawn.flags.writeable
    assert initializer((3, 3, 2, 5)).dtype == np.float32


@pytest.mark.parametrize("initializer", [*RANDOM, Orthogonal()], ids=repr)
def test_R1_seeds(initializer: Any) -> None:
    own = seeded(initializer, 5)
    first = own((4, 6))
    random.set_seed(99)
    np.testing.assert_array_equal(own((4, 6)), first)  # whatever was drawn before
    assert not np.array_equal(seeded(initializer, 6)((4, 6)), first)

    random.set_seed(1)
    a, b = initializer((4, 6)), initializer((4, 6))
    random.set_seed(1)
    np.testing.assert_array_equal(initializer((4, 6)), a)
    assert not np.array_equal(a, b)  # one initializer may serve several layers


@pytest.mark.parametrize("initializer", [*EVERY, Identity(2.0), PresetFilters(["sobel_x"])], ids=repr)
def test_config_makes_an_equal_initializer(initializer: Any) -> None:
    assert initializers.get(describe(initializer)) == initializer


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("zeros", Zeros),
        ("ones", Ones),
        ("he_normal", HeNormal),
        ("HeNormal", HeNormal),
        ("glorot_uniform", GlorotUniform),
        ("lecun_uniform", LecunUniform),
        ("orthogonal", Orthogonal),
        ("random_normal", RandomNormal),
        ("normal", RandomNormal),
        ("uniform", RandomUniform),
        ("zero", Zeros),
        ("one", Ones),
        (HeUniform, HeUniform),
    ],
)
def test_get(name: Any, cls: type) -> None:
    assert type(initializers.get(name)) is cls


def test_get_takes_a_function_as_it_is() -> None:
    def checkers(shape: Any, dtype: Any = None) -> Any:
        return np.indices(shape).sum(0) % 2

    assert initializers.get(checkers) is checkers


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Identity()((2, 2, 2)), ShapeError, r"Identity: expected the shape of a matrix, got \(2, 2, 2\)"),
        (lambda: Orthogonal()((3,)), ShapeError, r"Orthogonal: expected a shape of at least 2 axes, got \(3,\)"),
        (lambda: VarianceScaling(0), ArgumentError, r"VarianceScaling: expected scale above 0, got 0"),
        (lambda: VarianceScaling(mode="fan"), ArgumentError, r"expected mode 'fan_in', 'fan_out' or .*, got 'fan'"),
        (
            lambda: VarianceScaling(distribution="x"),
            ArgumentError,
            r"expected distribution 'truncated_normal', .* got 'x'",
        ),
        (
            lambda: initializers.get("he_norml"),
            ArgumentError,
            r"initializers.get: .*got 'he_norml'\. Did you mean 'HeNormal'",
        ),
        (lambda: initializers.get(None), ArgumentError, r"initializers.get: expected a name, a config or an object"),
        (lambda: PresetFilters(["edge"]), ArgumentError, r"preset_filter: expected one of sobel_x, .*; got 'edge'"),
        (lambda: PresetFilters([]), ArgumentError, r"preset_filters: expected at least one of .*; got none"),
        (
            lambda: PresetFilters(["sobel_x"])((3, 5, 1, 1)),
            ShapeError,
            r"PresetFilters: expected a shape \(k, k, C, 1\) for 1 filters, got \(3, 5, 1, 1\)",
        ),
    ],
)
def test_what_cannot_be(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_an_initializer_without_a_rule() -> None:
    with pytest.raises(NotImplementedError, match=r"Initializer: define __call__\(self, shape, dtype\)"):
        initializers.Initializer()((2,))


def test_initializers_are_compared_by_their_arguments_and_never_change() -> None:
    """Also by large arrays, of which only a few numbers are shown."""
    numbers = np.zeros(5000)
    others = numbers.copy()
    others[2500] = 1
    assert Constant(numbers) == Constant(numbers.copy()) != Constant(others)
    assert HeNormal(seed=1) == HeNormal(seed=1) != HeNormal(seed=2)
    assert Constant(0) != GlorotNormal()
    assert len({Constant(1), Constant(1.0)}) == 1
    with pytest.raises(AttributeError, match="Constant: value cannot be changed; make a new one"):
        Constant(1).value = 2


def test_the_numbers_of_a_seed_stay_the_same():
    """Weights of published experiments depend on them."""
    drawn = TruncatedNormal(seed=1)((4,))
    np.testing.assert_allclose(drawn, [-0.01869083, -0.003, 0.01538711, -0.00457129], atol=1e-7)
