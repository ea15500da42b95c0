"""Train the digit reader that ships with Striate: ``python scripts/train_digits.py [--epochs 16] [--out PATH]``.

The network is ``striate.architectures.simple``, the engine is ours, the data are MNIST's 60,000 training digits. For
other people's pens, every digit is distorted anew in every epoch: turned, sheared, scaled, moved, made thicker or
thinner. For "not sure", one sample in ten is a scribble, or two digits on top of each other, with the target "each
digit equally likely" (outlier exposure: Hendrycks, Mazeika, Dietterich, 2019).

Everything drawn at random is a function of the seed: the same seed gives the same file, byte for byte, as long as
NumPy's matrix product rounds alike. The file in the package was made with OPENBLAS_NUM_THREADS=1.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import striate
from striate.callbacks import LambdaCallback
from striate.data.drawing import Preprocessing, render
from striate.models import Model
from striate.optimizers import Adam
from striate.optimizers.schedules import OneCycle
from striate.random import permutation, uniform

Images = NDArray[np.float32]

BATCH = 128
OUTLIERS = 13  # of each batch, about one in ten
SEED = 5


def distort(images: Images, step: int) -> Images:
    """Each image (N, 28, 28, 1) under its own small affine map, and with strokes a little thicker or thinner."""
    n, side = len(images), images.shape[1]
    draws = uniform((8, n), seed=SEED, purpose="distort", step=step) * 2 - 1  # each from −1 to 1
    turn, shear = draws[0] * 0.26, draws[1] * 0.25  # radians; 15 degrees
    scale_x, scale_y = np.exp(draws[2] * 0.16), np.exp(draws[3] * 0.16)
    cos, sin = np.cos(turn), np.sin(turn)
    middle = (side - 1) / 2
    rows, columns = np.meshgrid(np.arange(side) - middle, np.arange(side) - middle, indexing="ij")
    # Where each output pixel comes from: (N, side, side).
    across = (cos / scale_x)[:, None, None] * columns + ((sin + shear) / scale_x)[:, None, None] * rows
    down = (-sin / scale_y)[:, None, None] * columns + (cos / scale_y)[:, None, None] * rows
    x = across + middle + (draws[4] * 1.6)[:, None, None]
    y = down + middle + (draws[5] * 1.6)[:, None, None]
    result = bilinear(images[..., 0], y, x)

    thickness = draws[6][:, None, None]
    thicker, thinner = neighbours(result, np.maximum), neighbours(result, np.minimum)
    result += np.clip(thickness - 0.2, 0, 1) * 0.9 * (thicker - result)
    result += np.clip(-thickness - 0.3, 0, 1) * 0.7 * (thinner - result)
    contrast = 1 + 0.35 * draws[7][:, None, None]
    return np.clip(result * contrast, 0, 1).astype(np.float32)[..., None]


def bilinear(images: Images, y: Images, x: Images) -> Images:
    """Values of images (N, H, W) between their pixels, at y and x (N, H, W); outside is 0."""
    n, height, width = images.shape
    padded = np.zeros((n, height + 2, width + 2), np.float32)
    padded[:, 1:-1, 1:-1] = images
    y, x = np.clip(y + 1, 0, height + 0.999), np.clip(x + 1, 0, width + 0.999)
    top, left = y.astype(np.intp), x.astype(np.intp)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    flat = padded.reshape(-1)
    corner = (np.arange(n)[:, None, None] * (height + 2) + top) * (width + 2) + left
    above = flat[corner] * (1 - right) + flat[corner + 1] * right
    below = flat[corner + width + 2] * (1 - right) + flat[corner + width + 3] * right
    return above * (1 - down) + below * down


def neighbours(images: Images, choose: np.ufunc) -> Images:
    """The largest or smallest of each pixel and its four neighbours."""
    result = images.copy()
    for axis in (1, 2):
        for shift in (1, -1):
            result = choose(result, np.roll(images, shift, axis))
    return result


def scribbles(count: int, purpose: str) -> Images:
    """Pictures of what is no digit, drawn with a pen and prepared as every drawing is: (count, 28, 28, 1)."""
    prepare = Preprocessing().prepare
    drawn = []
    for number in range(count):
        u = uniform((400,), seed=SEED, purpose=purpose, step=number).astype(float)
        width = 0.04 + 0.06 * u[0]
        strokes: list[list[tuple[float, float]]] = []
        kind = int(u[1] * 4)
        if kind == 0:  # a pen that wanders
            points = np.cumsum((u[10:130].reshape(-1, 2) - 0.5) * 0.3, axis=0) + 0.5
            strokes = [[tuple(p) for p in 0.5 + 0.4 * np.sin(points * 3)]]
        elif kind == 1:  # many straight strokes
            ends = u[10 : 10 + 4 * (4 + int(u[2] * 9))].reshape(-1, 2, 2) * 0.8 + 0.1
            strokes = [[tuple(a), tuple(b)] for a, b in ends]
        elif kind == 2:  # zigzag and hatching
            turns = 5 + int(u[3] * 9)
            along = np.linspace(0.1, 0.9, turns)
            side = np.where(np.arange(turns) % 2, 0.15 + 0.2 * u[4], 0.85 - 0.2 * u[5])
            points = np.stack([along, side] if u[6] < 0.5 else [side, along], axis=1)
            strokes = [[tuple(p) for p in points + (u[20 : 20 + 2 * turns].reshape(-1, 2) - 0.5) * 0.1]]
        else:  # knots of loops, and spirals
            t = np.linspace(0, 2 * np.pi * (2.5 + 4 * u[3]), 160)
            radius = 0.1 + 0.32 * np.abs(np.sin(t * (0.15 + u[4]) + 6 * u[5]))
            centre = 0.5 + 0.12 * np.sin(t * (0.1 + 0.5 * u[6]) + u[7])
            strokes = [[tuple(p) for p in np.stack([centre + radius * np.cos(t), centre + radius * np.sin(t)], axis=1)]]
        drawn.append(prepare(render(strokes, width=width)))
    return np.stack(drawn)


class Batches:
    """Endless distorted digits and outliers: each pass is one epoch of `fit`, and no two are alike."""

    def __init__(self, images: Images, labels: NDArray[np.uint8], outliers: Images):
        self.images, self.targets, self.outliers = images, np.eye(10, dtype=np.float32)[labels], outliers
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.images) // (BATCH - OUTLIERS)

    def __iter__(self) -> Iterator[tuple[Images, Images]]:
        order = permutation(len(self.images), seed=SEED, purpose="order", step=self.epoch)
        for number in range(len(self)):
            step = self.epoch * len(self) + number
            chosen = order[number * (BATCH - OUTLIERS) : (number + 1) * (BATCH - OUTLIERS)]
            x = np.concatenate([self.images[chosen], self.no_digits(chosen, step)])
            y = np.concatenate([self.targets[chosen], np.full((OUTLIERS, 10), 0.1, np.float32)])
            yield distort(x, step), y
        self.epoch += 1

    def no_digits(self, chosen: NDArray[np.intp], step: int) -> Images:
        """Scribbles, and two digits of different kinds on top of each other."""
        picks = (uniform((OUTLIERS,), seed=SEED, purpose="outliers", step=step) * len(self.outliers)).astype(int)
        result = self.outliers[picks]
        for i in range(0, OUTLIERS, 4):
            a, b = chosen[i], chosen[-1 - i]
            if self.targets[a].argmax() != self.targets[b].argmax():
                result[i] = np.maximum(np.roll(self.images[a], 3, axis=1), np.roll(self.images[b], -3, axis=1))
        return result


def calibrate(model: Model, digits: Images, labels: NDArray[np.uint8], outliers: Images) -> float:
    """The top probability below which the model is not sure: where as many digits are doubted as scribbles believed."""
    right = model.predict(digits)
    right = right[right.argmax(axis=1) == labels].max(axis=1)
    wrong = model.predict(outliers).max(axis=1)
    grid = np.linspace(0.3, 0.95, 66)
    doubted = np.array([(right < t).mean() for t in grid])
    believed = np.array([(wrong >= t).mean() for t in grid])
    best = int(np.abs(doubted - believed).argmin())
    print(
        f"threshold {grid[best]:.2f}: doubts {doubted[best]:.2%} of digits, believes {believed[best]:.2%} of scribbles"
    )
    return float(grid[best])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path(striate.__file__).parent / "pretrained" / "digits.safetensors")
    options = parser.parse_args()

    (x_train, y_train), (x_test, y_test) = striate.datasets.mnist.load_data()
    x_train = x_train[..., None].astype(np.float32) / 255
    x_test = x_test[..., None].astype(np.float32) / 255
    striate.set_seed(SEED)
    model = striate.architectures.simple()
    model.name = "digits"
    batches = Batches(x_train, y_train, scribbles(4000, "scribbles"))
    model.compile(
        Adam(OneCycle(max_learning_rate=3e-3, total_steps=options.epochs * len(batches))), "categorical_crossentropy"
    )
    started = time.perf_counter()

    def report(epoch: int, logs: dict[str, float]) -> None:
        accuracy = (model.predict(x_test, batch_size=500).argmax(axis=1) == y_test).mean()
        spent = time.perf_counter() - started
        print(f"epoch {epoch + 1}: loss {logs['loss']:.4f}, MNIST test {accuracy:.4f}, {spent:.0f} s", flush=True)

    model.fit(batches, epochs=options.epochs, verbose=0, callbacks=[LambdaCallback(on_epoch_end=report)])
    model.preprocessing = Preprocessing()
    model.classes = tuple("0123456789")
    model.threshold = calibrate(model, distort(x_train[:10000], 10**6), y_train[:10000], scribbles(1000, "held out"))
    options.out.parent.mkdir(exist_ok=True)
    model.save(options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes, {model.count_params():,} parameters")


if __name__ == "__main__":
    main()
