"""The other libraries' networks are translations, and translations are checked."""

import os

import numpy as np
import pytest

from tests.benchmarks.small import SIZES, workload

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from benchmarks.contenders import keras_jax, onnx_runtime, ours, pytorch  # noqa: E402
from benchmarks.layers import cases, measure_case, prepared  # noqa: E402
from benchmarks.measure import difference  # noqa: E402
from benchmarks.networks.weights import copy_weights  # noqa: E402
from benchmarks.timing import BLOCKS  # noqa: E402
from benchmarks.torch_layers import twin  # noqa: E402
from benchmarks.workloads import data  # noqa: E402
from striate.layers import Flatten  # noqa: E402


@pytest.mark.parametrize("name", SIZES)
def test_onnx_runtime_computes_the_same(name: str) -> None:
    task = workload(name, "infer")
    base = pytorch.module(task)
    (contender,) = onnx_runtime.contenders(task, base.eval(), threads=1)
    assert difference(task, contender.call(), next(pytorch.contenders(task, base)).call()) <= 1


def test_onnx_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="no translation for GELU"):
        onnx_runtime.as_onnx(torch.nn.Sequential(torch.nn.GELU()), (4, 4, 1), 1)


@pytest.mark.parametrize("name", SIZES)
def test_keras_computes_the_same(name: str) -> None:
    pytest.importorskip("keras")
    assert os.environ["KERAS_BACKEND"] == "torch"  # the translation does not depend on the backend
    task = workload(name, "infer")
    model = ours.compiled(task)
    copy_weights(pytorch.module(task), model)
    x, _ = data(task)
    theirs = keras_jax.as_keras(model)(x, training=False).detach().cpu().numpy()
    assert difference(task, model.predict_on_batch(x), theirs) <= 1


@pytest.mark.parametrize("name", ["lenet5", "googlenet", "mobilenet_v2"])
@pytest.mark.parametrize("kind", ["train", "infer"])
def test_layers_alone_compute_the_same(name: str, kind: str) -> None:
    found = cases(workload(name, kind, "sgd"))
    assert {case.operation for case in found} == (
        {"forward", "grad weight", "grad input", "forward and backward"} if kind == "train" else {"forward"}
    )
    for case in found:
        assert prepared(case)[1] <= 1, case.label


def test_layers_say_what_they_are() -> None:
    first = next(iter(cases(workload("mobilenet_v2", "infer"))))
    assert first.label == "Conv2D filters 32, kernel_size 3, strides 2, padding [1, 1] on 2×64×64×3"
    row = measure_case(first, 0.0)
    assert (row["layer"], row["operation"]) == (first.label, "forward")
    assert all(row[side]["n"] >= BLOCKS[0] for side in ("striate", "torch nchw", "torch channels_last"))


def test_a_layer_without_a_twin_is_refused() -> None:
    with pytest.raises(TypeError, match="no translation for Flatten"):
        twin(Flatten(), (1, 4, 4, 2))


def test_a_difference_is_found() -> None:
    train, infer = workload("lenet5", "train", "adam"), workload("lenet5", "infer")
    assert difference(train, [2.0, 1.0], [2.0, 1.0005]) < 1 < difference(train, [2.0, 1.0], [2.0, 1.002])
    assert difference(train, [2.0, float("nan")], [2.0, 1.0]) == float("inf")
    p = np.array([[0.1, 0.9]])
    assert difference(infer, p, p) == 0
    assert difference(infer, p, p[:, ::-1]) > 1
    assert difference(infer, p * np.nan, p) == float("inf")
