"""Learning-rate schedules: Keras's and PyTorch's numbers, and messages."""

import math

import pytest

from striate.configurable import describe
from striate.errors import ArgumentError
from striate.training import schedules
from striate.training.schedules import (
    ConstantRate,
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from tests.training import oracle

#: The same in Keras.
SCHEDULES = [
    ExponentialDecay(0.1, 10, 0.5),
    ExponentialDecay(0.1, 10, 0.5, staircase=True),
    InverseTimeDecay(0.1, 7, 0.5),
    InverseTimeDecay(0.1, 7, 0.5, staircase=True),
    PiecewiseConstantDecay([5, 9], [1.0, 0.5, 0.1]),
    PolynomialDecay(0.1, 20),
    PolynomialDecay(0.1, 20, 0.01, power=2.0),
    PolynomialDecay(0.1, 8, 0.01, power=0.5, cycle=True),
    CosineDecay(0.1, 30),
    CosineDecay(0.1, 30, alpha=0.2),
    CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=10),
    CosineDecay(0.01, 20, alpha=0.1, warmup_target=0.1, warmup_steps=3),
    CosineDecayRestarts(0.1, 9.5),
    CosineDecayRestarts(0.1, 6.5, t_mul=1.5, m_mul=0.8, alpha=0.1),
    CosineDecayRestarts(0.1, 6.5, t_mul=1.0, m_mul=0.9),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_numbers_are_those_of_keras(schedule) -> None:
    keras = oracle.keras()
    theirs = getattr(keras.optimizers.schedules, type(schedule).__name__)(**schedule.get_config())
    for step in range(50):
        assert schedule(step) == pytest.approx(float(theirs(step)), rel=1e-5, abs=1e-8), step


@pytest.mark.parametrize(("total", "warmup"), [(50, 0.3), (20, 0.5), (11, 0.25), (2, 0.3), (4, 0.25)])
def test_one_cycle_numbers_are_those_of_pytorch(total, warmup) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    if warmup * total > 1:  # PyTorch divides by 0 where its first phase has no length
        theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=total, pct_start=warmup)
    schedule = OneCycle(0.2, total, warmup)
    for step in range(total):
        if warmup * total > 1:
            assert schedule(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6), step
            optimizer.step()
            if step + 1 < total:
                theirs.step()
        assert 0 < schedule(step) <= 0.2
    assert schedule(total - 1) == pytest.approx(0.2 / 25 / 1e4)
    assert schedule(10 * total) == schedule(total - 1)


def test_by_hand() -> None:
    assert ConstantRate(0.3)(0) == ConstantRate(0.3)(10**9) == 0.3
    assert ExponentialDecay(1.0, 10, 0.5)(20) == 0.25
    assert ExponentialDecay(1.0, 10, 0.5, staircase=True)(19) == 0.5
    assert InverseTimeDecay(1.0, 10, 1.0)(10) == 0.5
    step = PiecewiseConstantDecay([2, 4], [3, 2, 1])
    assert [step(t) for t in range(6)] == [3, 3, 3, 2, 2, 1]
    assert PolynomialDecay(1.0, 10, 0.0)(5) == 0.5
    assert PolynomialDecay(1.0, 10, 0.25)(99) == 0.25
    assert CosineDecay(1.0, 10)(5) == pytest.approx(0.5)
    assert CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4)(2) == 0.5
    restarts = CosineDecayRestarts(1.0, 10)  # lengths 10, 20, 40 …
    assert [restarts(t) for t in (0, 10, 30)] == [1, 1, 1]
    assert restarts(20) == pytest.approx(0.5)


def test_one_cycle_rises_then_falls() -> None:
    rates = [OneCycle(1.0, 100)(t) for t in range(100)]
    peak = rates.index(max(rates))
    assert peak == 29
    assert math.isclose(rates[0], 1 / 25)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize("schedule", [*SCHEDULES, OneCycle(0.1, 10), ConstantRate(0.1)], ids=str)
def test_config_makes_an_equal_schedule(schedule) -> None:
    assert schedules.get(describe(schedule)) == schedule


def test_get() -> None:
    schedule = OneCycle(0.1, 10)
    assert schedules.get(schedule) is schedule
    assert schedules.get(0.5)(7) == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialDecay(1, 0, 1), r"ExponentialDecay: expected decay_steps above 0, got 0"),
        (lambda: InverseTimeDecay(1, -1, 1), r"InverseTimeDecay: expected decay_steps above 0, got -1"),
        (lambda: PolynomialDecay(1, 0), r"PolynomialDecay: expected decay_steps above 0, got 0"),
        (lambda: CosineDecay(1, 0), r"CosineDecay: expected decay_steps above 0, got 0"),
        (lambda: CosineDecay(1, 1, warmup_steps=-1), r"CosineDecay: expected warmup_steps of at least 0, got -1"),
        (lambda: CosineDecayRestarts(1, 0), r"CosineDecayRestarts: expected first_decay_steps above 0, got 0"),
        (lambda: CosineDecayRestarts(1, 1, 0.5), r"CosineDecayRestarts: expected t_mul of at least 1, got 0.5"),
        (
            lambda: PiecewiseConstantDecay([1], [1]),
            r"expected one more value than boundaries, got 1 values and 1 bound",
        ),
        (lambda: PiecewiseConstantDecay([2, 1], [1, 1, 1]), r"expected increasing boundaries, got \[2, 1\]"),
        (lambda: OneCycle(1, 1), r"OneCycle: expected total_steps of at least 2, got 1"),
        (lambda: OneCycle(1, 9, 1.0), r"OneCycle: expected warmup_share between 0 and 1, got 1.0"),
        (lambda: OneCycle(1, 9, start_divisor=0), r"OneCycle: expected start_divisor above 0, got 0"),
        (
            lambda: schedules.get("CosineDecay"),
            r"CosineDecay.from_config: expected the arguments initial_learning_rate",
        ),
        (lambda: schedules.get("cosine"), r"schedules.get: expected one of .*CosineDecay.*; got 'cosine'"),
    ],
)
def test_settings_out_of_range(make, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_schedule_without_a_rule() -> None:
    with pytest.raises(NotImplementedError, match=r"LearningRateSchedule: define __call__\(self, step\)"):
        schedules.LearningRateSchedule()(0)
