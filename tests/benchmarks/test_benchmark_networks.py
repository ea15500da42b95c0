"""What is compared is the same: every benchmarked network and its twin compute the same numbers."""

import math

import numpy as np
import pytest

import striate
from tests.benchmarks.small import SIZES, small, workload

torch = pytest.importorskip("torch")

from benchmarks.contenders import ours, pytorch  # noqa: E402
from benchmarks.measure import difference  # noqa: E402
from benchmarks.networks import NETWORKS  # noqa: E402
from benchmarks.networks.weights import copy_weights  # noqa: E402
from benchmarks.processes import ask, environment  # noqa: E402
from benchmarks.workloads import WORKLOADS, data  # noqa: E402
from striate.errors import ModelError  # noqa: E402

#: From the papers' tables or from the published weights of these networks.
PARAMETERS = {
    "lenet5": 61_706,
    "mnist_convnet": 34_826,
    "resnet20": 272_474,
    "alexnet": 60_965_224,
    "googlenet": 6_998_552,
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "mobilenet_v2": 3_504_872,
    "inception_v3": 23_834_568,
}
TRAINED = sorted({(w.net.name, w.optimizer) for w in WORKLOADS.values() if w.kind == "train"})


def test_every_network_is_checked() -> None:
    assert set(SIZES) == set(PARAMETERS) == set(NETWORKS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_are_the_published_ones(name: str) -> None:
    net = NETWORKS[name]
    model = net.striate_model(net.input_shape, net.classes)
    assert sum(math.prod(v.shape) for v in model.trainable_weights) == PARAMETERS[name]


@pytest.mark.parametrize("name", SIZES)
def test_probabilities_agree(name: str) -> None:
    task = workload(name, "infer")
    base = pytorch.module(task)
    model = ours.compiled(task)
    copy_weights(base, model)
    mine = model.predict_on_batch(data(task)[0])
    theirs = [contender.call() for contender in pytorch.contenders(task, base)]
    assert np.log(theirs[0]).std(axis=1).min() > 0.01  # the network says something
    assert np.abs(theirs[0][0] - theirs[0][1]).max() > 1e-4  # that depends on its image
    for probabilities in theirs:
        assert difference(task, mine, probabilities) <= 1


@pytest.mark.parametrize(("name", "optimizer"), TRAINED)
def test_losses_agree_before_and_after_updates(name: str, optimizer: str) -> None:
    task = workload(name, "train", optimizer, batch=4)
    base = pytorch.module(task)
    pytorch.drop_nothing(base)
    model = ours.compiled(task)
    copy_weights(base, model)
    ours.drop_nothing(model)
    step = ours.step(task, model)
    mine = [step() for _ in range(3)]
    assert abs(mine[2] - mine[0]) > 1e-3 * mine[0]  # the updates matter
    for contender in pytorch.contenders(task, base):
        theirs = [contender.call() for _ in range(3)]
        assert mine[0] == pytest.approx(theirs[0], rel=1e-4)
        assert difference(task, mine, theirs) <= 1, contender.name


def test_other_networks_are_refused() -> None:
    model = small("lenet5").striate_model((28, 28, 1), 10)
    other = small("mnist_convnet").torch_model((28, 28, 1), 10)
    with pytest.raises(ModelError, match="expected 5 layers with weights as lenet5 has, got 3"):
        copy_weights(other, model)


def test_what_ran_on_the_reference_is_counted() -> None:
    task = workload("lenet5", "infer")
    model = ours.compiled(task)
    assert ours.without_kernel(model) == []
    before = striate.runtime.settings().executor
    striate.set_executor("reference")
    try:
        ours.step(task, model)()
    finally:
        striate.set_executor(before)
    found = ours.without_kernel(model)
    assert (found.count("conv"), found.count("dense"), found.count("average_pool")) == (2, 3, 2)


@pytest.mark.parametrize("name", ["lenet5-train-b64", "lenet5-infer-b1"])
def test_a_measurement(name: str) -> None:
    found = ask("benchmarks.measure", name, 1, 0.0, False, env=environment(1, tuned=True))
    sides = [one["side"] for one in found["contenders"]]
    assert sides[0] == "striate"
    assert sides.count("torch") == (4 if "train" in name else 2)
    assert all(one["apart"] <= 1 and one["least"] <= one["median"] for one in found["contenders"])
