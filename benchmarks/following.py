"""Does training follow the definition? ``python -m benchmarks.following [--write]``.

Trains LeNet-5 and ResNet-20 for 100 steps on both executors from the same weights and compares the losses; and, to tell
chaos from mistakes, the reference with itself after a change of the weights' last bits. Then trains LeNet-5 on MNIST
from five seeds on both and compares the accuracies. --write puts the result into docs/following.md.
"""

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import striate
from benchmarks.machine import commit, describe
from benchmarks.networks import NETWORKS
from benchmarks.processes import ROOT
from striate.models import Model

STEPS, BATCH, SEEDS, EPOCHS = 100, 32, range(5), 1
CHANGE = 1e-7  # of the weights, relative: about the last bit
PAGE = ROOT / "docs" / "following.md"


def data(shape: tuple[int, ...], seed: int) -> tuple[Any, Any]:
    """Images that can be told apart: noise, brighter for higher labels."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 10, BATCH)
    x = generator.random((BATCH, *shape), np.float32) + y.reshape(-1, 1, 1, 1).astype(np.float32) / 10
    return x, y


def losses(
    make: Callable[[], Model], optimizer: Callable[[], Any], executor: str, change: float = 0.0
) -> NDArray[np.float64]:
    """The loss of each step; ``change``: of each weight beforehand, relative."""
    striate.set_executor(executor)
    striate.set_seed(1)
    model = make()
    model.compile(optimizer(), "sparse_categorical_crossentropy")
    noise = np.random.default_rng(0)
    model.set_weights([w * (1 + change * noise.standard_normal(w.shape, np.float32)) for w in model.get_weights()])
    shape = model.input_specs()[0][0]
    return np.array([float(model.train_on_batch(*data(shape, step))) for step in range(STEPS)])


def following() -> list[str]:
    """Rows of a table: network, what is compared, the largest relative difference so far at some steps."""
    optimizers: dict[str, Callable[[], Any]] = {
        "lenet5": lambda: striate.optimizers.Adam(0.001),
        "resnet20": lambda: striate.optimizers.SGD(0.002, momentum=0.9),
    }
    rows = []
    for name, optimizer in optimizers.items():
        net = NETWORKS[name]

        def make(net: Any = net) -> Model:
            model: Model = net.striate_model(net.input_shape, net.classes)
            return model

        reference = losses(make, optimizer, "reference")
        others = {
            "native executor": losses(make, optimizer, "native"),
            f"reference, weights changed by {CHANGE:g}": losses(make, optimizer, "reference", CHANGE),
        }
        for what, other in others.items():
            apart = np.maximum.accumulate(np.abs(other - reference) / np.abs(reference))
            shown = [f"{apart[step - 1]:.1e}" for step in (1, 5, 10, 20, 50, 100)]
            first = int(np.argmax(apart > 1e-3)) + 1 if (apart > 1e-3).any() else None
            losses_shown = f"{reference[0]:.3f} → {reference[-1]:.3f}"
            rows.append(f"| {name} | {losses_shown} | {what} | {' | '.join(shown)} | {first or 'not in 100'} |")
            print(rows[-1], flush=True)
    return rows


def accuracies() -> list[str]:
    """Rows of a table: executor, accuracies of all seeds after one epoch of MNIST."""
    (x, y), (x_test, y_test) = striate.datasets.mnist.load_data()
    x, x_test = (images[..., None].astype(np.float32) / 255 for images in (x, x_test))
    rows = []
    for executor in ("native", "reference"):
        striate.set_executor(executor)
        found = []
        for seed in SEEDS:
            striate.set_seed(seed)
            model = striate.architectures.lenet5()
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            model.fit(x, y, batch_size=128, epochs=EPOCHS, verbose=0)
            found.append(100 * float(model.evaluate(x_test, y_test, verbose=0, batch_size=500)[1]))
            print(executor, seed, found[-1], flush=True)
        shown = " · ".join(f"{value:.2f}" for value in found)
        rows.append(f"| {executor} | {shown} | {statistics.mean(found):.2f} ± {statistics.stdev(found):.2f} |")
    return rows


def page(steps: list[str], seeds: list[str]) -> str:
    """The result as a page."""
    return f"""# Training follows the definition

Measured on {describe()["processor"]}, version {commit()}, by `python -m benchmarks.following --write`.

The native executor computes the same formulas as the reference in another order, so single numbers differ in their last
bits. {STEPS} training steps, batch {BATCH}, from the same weights; the largest relative difference from the reference's
loss until a step:

| network | its loss | compared | step 1 | 5 | 10 | 20 | 50 | 100 | above 10⁻³ from step |
|---|---|---|--:|--:|--:|--:|--:|--:|--:|
{chr(10).join(steps)}

A deep network's training is chaotic: where a number lies close to ReLU's corner, its last bit decides whether a
gradient passes. So the reference does not follow itself either, once its weights are changed by less than float32 can
tell. For the same bits, fix the seed and the version; the number of threads does not matter.

LeNet-5 on MNIST, {EPOCHS} epoch of batches of 128: accuracy in per cent on the 10,000 test digits from seeds 0 to 4,
mean and standard deviation:

| executor | accuracies | mean |
|---|---|--:|
{chr(10).join(seeds)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text = page(following(), accuracies())
    if options.write:
        PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
