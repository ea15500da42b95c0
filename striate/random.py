"""Random numbers as a pure function of (seed, purpose, step, stream, position).

The only state is the seed that `set_seed` sets, and how many arrays of weights and runs outside of training have drawn
since. So a dropout mask, a shuffle or an augmentation can be computed again, later, elsewhere, in any order.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), whose Philox-4x64-10 NumPy implements.
"""

import hashlib
import os

import numpy as np
from numpy.typing import NDArray

from striate.errors import ArgumentError


class _State:
    seed = int.from_bytes(os.urandom(4), "little")
    weights_drawn = 0
    runs = 0


#: Runs that belong to no training draw from steps beyond those of any training.
OTHER_RUNS = 2**62


def set_seed(seed: int) -> None:
    """Set the seed of all random choices that follow: weights, shuffles, dropout, augmentation.

    Arguments:
        seed: an integer from 0 to 2**63 − 1.

    Raises:
        ArgumentError: it is not such an integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise ArgumentError(f"set_seed: expected an integer from 0 to 2**63 − 1, got {seed!r}.")
    _State.seed = int(seed)
    _State.weights_drawn = _State.runs = 0


def get_seed() -> int:
    """The current seed: the one that was set, or one drawn from the operating system at import."""
    return _State.seed


def next_weights() -> int:
    """A number for the next array of weights to be drawn, counted from the last `set_seed`."""
    _State.weights_drawn += 1
    return _State.weights_drawn - 1


def next_run() -> int:
    """A step for the next run of a network that draws outside of training, counted from the last `set_seed`."""
    _State.runs += 1
    return OTHER_RUNS + _State.runs - 1


def purpose_number(purpose: str) -> int:
    """The second word of the generator's key: a number for each purpose."""
    return int.from_bytes(hashlib.blake2s(purpose.encode(), digest_size=8).digest(), "little")


def bits(count: int, *, seed: int, purpose: str, step: int = 0, stream: int = 0) -> NDArray[np.uint32]:
    """``count`` random 32-bit numbers.

    Arguments:
        count: how many.
        seed: see `set_seed`.
        purpose: a word, such as "dropout": different purposes never share numbers.
        step: such as the training step or the epoch.
        stream: such as the layer.
    """
    generator = np.random.Philox(key=[seed, purpose_number(purpose)], counter=np.array([0, 0, stream, step], np.uint64))
    raw: NDArray[np.uint64] = generator.random_raw((count + 1) // 2).astype("<u8")
    return raw.view("<u4")[:count]


def uniform(shape: tuple[int, ...], *, seed: int, purpose: str, step: int = 0, stream: int = 0) -> NDArray[np.float32]:
    """Numbers from [0, 1), multiples of 2⁻²⁴, float32. Arguments as in `bits`."""
    count = int(np.prod(shape))
    drawn = bits(count, seed=seed, purpose=purpose, step=step, stream=stream) >> np.uint32(8)
    return (drawn.astype(np.float32) * np.float32(2**-24)).reshape(shape)


def normal(shape: tuple[int, ...], *, seed: int, purpose: str, step: int = 0, stream: int = 0) -> NDArray[np.float64]:
    """Numbers from the standard normal distribution, float64. Arguments as in `bits`.

    √(−2 ln u) · cos(2π v) for uniform u, v. Source: Box, Muller (1958).
    """
    count = int(np.prod(shape))
    drawn = bits(2 * count, seed=seed, purpose=purpose, step=step, stream=stream).astype(np.float64)
    u, v = (drawn[:count] + 0.5) * 2**-32, drawn[count:] * 2**-32
    return np.asarray(np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)).reshape(shape)


def permutation(count: int, *, seed: int, purpose: str, step: int = 0, stream: int = 0) -> NDArray[np.intp]:
    """The numbers 0 … count − 1 in random order. Arguments as in `bits`."""
    return np.argsort(bits(count, seed=seed, purpose=purpose, step=step, stream=stream), kind="stable")
