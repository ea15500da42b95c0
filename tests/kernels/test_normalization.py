"""Normalization where the case grid is too small, and what its kernels share, fuse and hoist."""

import numpy as np
import pytest

from striate.graph import Graph, Tensor, Variable
from striate.kernels.plan import Launch
from striate.ops import conv2d, local_response_normalization, mean, relu, standardize_with, variance
from striate.ops.elementwise import SUM_TO
from striate.ops.normalization import (
    LOCAL_RESPONSE_NORMALIZATION,
    LOCAL_RESPONSE_NORMALIZATION_GRAD,
    NORMALIZE,
    NORMALIZE_GRAD_GAMMA,
    NORMALIZE_GRAD_INPUT,
)
from striate.runtime.native import NativeExecutor
from tests.cases.case import Case
from tests.cases.normalization import lrn_cases, normalize_cases, normalize_with_case
from tests.kernels.agreement import assert_agrees, assert_same_bits_with_any_number_of_threads, native

FLOAT = np.dtype(np.float32)
BATCH = [  # (N, H, W, C), over all but C
    normalize_cases(shape, shape[-1:], (0, 1, 2), 1e-3)
    for shape in [
        (1, 3, 5, 5),
        (3, 31, 29, 17),
        (8, 33, 32, 16),
        (2, 9, 7, 40),
        (5, 7, 7, 300),
        (1, 2, 3, 1500),
        (9, 60, 60, 1),
    ]
]
OTHERS = [
    normalize_cases((33, 40), (40,), (1,), 1e-5),  # layer
    normalize_cases((3, 20000), (20000,), (1,), 1e-5),
    normalize_cases((2, 9, 5, 7), (9, 5, 7), (1, 2, 3), 1e-3),
    normalize_cases((3, 40, 50, 5), (5,), (1, 2), 1e-3),  # instance
    normalize_cases((2, 60, 50, 3, 4), (3, 4), (1, 2, 4), 1e-3),  # group
    normalize_cases((2, 5, 5, 4, 40), (4, 40), (1, 2, 4), 1e-3),
    normalize_cases((2, 5, 700, 3), (5, 1, 3), (0, 2), 1e-3),
]


def check(cases, tolerance=1e-5):
    executor, results = native(cases)
    assert not executor.without_kernel
    for case, result in zip(cases, results, strict=True):
        assert_agrees(result, case, tolerance)


def standard(shape, seed=0, scale=1.0, shift=0.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale + shift).astype(np.float32)


@pytest.mark.parametrize("cases", BATCH, ids=lambda cases: "x".join(map(str, cases[0].inputs[0])))
def test_batch_normalization(cases):
    check(cases)


@pytest.mark.parametrize("cases", OTHERS, ids=lambda cases: "x".join(map(str, cases[0].inputs[0])))
def test_layer_instance_and_group_normalization(cases):
    check(cases)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((40, 20, 20, 6), (0, 1, 2)),
        ((3, 9000), (1,)),
        ((3, 700, 16), (1,)),
        ((2, 300, 4, 8), (1, 3)),
        ((60000, 1), (0,)),
    ],
)
def test_a_mean_that_is_large_against_the_deviation(shape, axes):
    """1000 deviations from 0: what is lost is the rounding of the mean to float32, 3e-5 deviations, and no more."""

    def far(generator):
        return 1000 + generator.standard_normal(shape)

    def near(generator):
        return generator.standard_normal(shape)

    settings = {"axes": axes, "epsilon": 1e-3}
    check([Case(NORMALIZE, (far, (), ()), settings)])
    check([Case(NORMALIZE_GRAD_INPUT, (far, (), near), settings)], tolerance=2e-5)


def test_a_first_row_that_is_an_outlier():
    def one_far(generator):
        x = generator.standard_normal((5000, 20))
        x[0] = 1e4
        return x

    check([Case(NORMALIZE, (one_far, (20,), (20,)), {"axes": (0,), "epsilon": 1e-3})])


def test_nan_stays_in_its_channel():
    def one_nan(generator):
        x = generator.standard_normal((40, 20))
        x[7, 3] = np.nan
        return x

    check([Case(NORMALIZE, (one_nan, (20,), (20,)), {"axes": (0,), "epsilon": 1e-3})])


def training_step(shape):
    """What a training step computes of a batch normalization, and the statistics that it follows."""
    axes, channels = tuple(range(len(shape) - 1)), shape[-1:]
    x, gamma, beta, g = (Tensor(each, FLOAT) for each in (shape, channels, channels, shape))
    settings = {"axes": axes, "epsilon": 1e-3}
    results = [
        NORMALIZE(x, gamma, beta, **settings),
        mean(x, axes),
        variance(x, axes),
        NORMALIZE_GRAD_INPUT(x, gamma, g, **settings),
        NORMALIZE_GRAD_GAMMA(x, g, shape=channels, **settings),
        SUM_TO(g, shape=channels),
    ]
    return Graph([x, gamma, beta, g], results)


def test_a_training_step_passes_over_memory_four_times():
    executor = NativeExecutor(training_step((16, 20, 20, 32)))
    large = [
        step for step in executor.plan.schedule if any(buffer.size == 16 * 20 * 20 * 32 for buffer in step.buffers)
    ]
    names = [step.kernel.name for step in large if isinstance(step, Launch)]
    assert names == ["moments_down", "mapped", "down", "mapped"]


def test_batch_normalization_as_pytorch_has_it():
    torch = pytest.importorskip("torch")
    graph = training_step((6, 9, 7, 20))
    x, gamma, beta, g = arrays = [standard(tensor.shape, seed) for seed, tensor in enumerate(graph.inputs)]
    y, average, spread, grad_x, grad_gamma, grad_beta = NativeExecutor(graph).run(arrays)
    tensors = [torch.from_numpy(array).requires_grad_() for array in (x, gamma, beta)]
    expected = torch.nn.functional.batch_norm(
        tensors[0].permute(0, 3, 1, 2), None, None, tensors[1], tensors[2], training=True, eps=1e-3
    ).permute(0, 2, 3, 1)
    expected.backward(torch.from_numpy(g))
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(y, expected.detach().numpy(), **close)
    for result, tensor in zip((grad_x, grad_gamma, grad_beta), tensors, strict=True):
        np.testing.assert_allclose(result, tensor.grad.numpy(), **close)
    np.testing.assert_allclose(average, x.mean((0, 1, 2)), **close)
    np.testing.assert_allclose(spread, x.var((0, 1, 2)), **close)


def test_R1_bits_do_not_depend_on_the_number_of_threads():
    graph = training_step((9, 30, 31, 20))
    arrays = [standard(tensor.shape, seed) for seed, tensor in enumerate(graph.inputs)]
    assert_same_bits_with_any_number_of_threads(lambda: NativeExecutor(graph).run(arrays))


def test_what_follows_a_normalization_is_part_of_it():
    x, gamma, beta, skip = (Tensor(shape, FLOAT) for shape in [(4, 9, 9, 24), (24,), (24,), (4, 9, 9, 24)])
    settings = {"axes": (0, 1, 2), "epsilon": 1e-3}
    graph = Graph([x, gamma, beta, skip], [relu(NORMALIZE(x, gamma, beta, **settings) + skip)])
    arrays = [standard(tensor.shape, seed) for seed, tensor in enumerate(graph.inputs)]
    fused, apart = NativeExecutor(graph), NativeExecutor(graph, fuse=False)
    assert len(fused.plan.schedule) == len(apart.plan.schedule) - 2
    np.testing.assert_array_equal(fused.run(arrays)[0], apart.run(arrays)[0])


def inference(parameters):
    """relu(normalize(conv(x)) + skip) with a mean and a variance that are known."""
    x, w, skip = (Tensor(shape, FLOAT) for shape in [(2, 9, 9, 3), (3, 3, 3, 20), (2, 7, 7, 20)])
    y = relu(standardize_with(conv2d(x, w), *parameters, epsilon=1e-3) + skip)
    return [x, w, skip], y


def test_inference_is_part_of_the_convolution():
    parameters = [Tensor((20,), FLOAT) for _ in range(4)]
    given, y = inference(parameters)
    graph = Graph([*given, *parameters], [y])
    arrays = [standard(tensor.shape, seed, 0.5, 2.0) for seed, tensor in enumerate(graph.inputs)]
    fused, apart = NativeExecutor(graph), NativeExecutor(graph, fuse=False)
    last = fused.plan.schedule[-1]
    assert isinstance(last, Launch)
    assert last.node is not None
    assert last.node.name == "conv"
    assert [step.operation for step in dict(last.settings)["epilogue"].operations] == ["scale_shift", "add", "relu"]
    (result,), (expected,) = fused.run(arrays), apart.run(arrays)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    x, w, skip, *rest = (array.astype(np.float64) for array in arrays)
    definition = np.maximum(standardize_with(conv2d(x, w), *rest, epsilon=1e-3) + skip, 0)
    np.testing.assert_allclose(result, definition, rtol=1e-5, atol=1e-4)


def test_scale_and_shift_are_computed_once_for_all_runs():
    variables = [Variable(standard((20,), seed, 0.3, 1.0)) for seed in range(4)]
    symbols = {variable: Tensor((20,), FLOAT) for variable in variables}
    given, y = inference(list(symbols.values()))
    executor = NativeExecutor(Graph(given, [y], symbols), hoist=True)
    assert [launch.kernel.name for launch in executor.plan.preparation][:2] == ["mapped", "mapped"]
    arrays = [standard(tensor.shape, seed) for seed, tensor in enumerate(given)]
    before = executor.run(arrays)[0]
    np.testing.assert_array_equal(executor.run(arrays)[0], before)
    variables[3].assign(variables[3].value + 10)
    assert executor.run(arrays)[0].mean() > before.mean() + 5


def test_given_statistics_of_any_shape():
    check([normalize_with_case((3, 9, 5, 40), shape, 1e-3) for shape in [(40,), (), (5, 1), (9, 1, 40), (3, 1, 1, 1)]])


def test_a_result_that_is_its_own_mean_is_not_fused():
    x, w = Tensor((2, 5, 5, 3), FLOAT), Tensor((3, 3, 3, 20), FLOAT)
    y = conv2d(x, w)
    graph = Graph([x, w], [standardize_with(y, y, y * y, epsilon=1e-3)])
    (result,) = NativeExecutor(graph).run([standard(x.shape), standard(w.shape)])
    np.testing.assert_allclose(result, np.zeros((2, 3, 3, 20)), atol=1e-6)


@pytest.mark.parametrize("beta", [0.25, 0.5, 0.75, 1.0, 0.6, 2.0])
@pytest.mark.parametrize("shape", [(3, 64), (2, 5, 17), (90, 192), (1, 1, 1)])
def test_local_response_normalization(shape, beta):
    check(lrn_cases(shape, 2, 2.0, 0.5, beta) + lrn_cases(shape, 12, 1.0, 0.1, beta))


def test_local_response_normalization_as_pytorch_has_it():
    torch = pytest.importorskip("torch")
    x = standard((2, 6, 5, 40))
    symbol = Tensor(x.shape, FLOAT)
    y = local_response_normalization(symbol, depth_radius=2, bias=2.0, alpha=0.3, beta=0.75)
    (result,) = NativeExecutor(Graph([symbol], [y])).run([x])
    expected = torch.nn.functional.local_response_norm(
        torch.from_numpy(x).permute(0, 3, 1, 2), size=5, alpha=5 * 0.3, beta=0.75, k=2.0
    )
    np.testing.assert_allclose(result, expected.permute(0, 2, 3, 1).numpy(), rtol=1e-5, atol=1e-6)


def test_empty_batches():
    settings = {"depth_radius": 2, "bias": 1.0, "alpha": 1.0, "beta": 0.5}
    check(
        [
            Case(LOCAL_RESPONSE_NORMALIZATION, ((0, 3, 5),), settings),
            Case(LOCAL_RESPONSE_NORMALIZATION_GRAD, ((0, 5), (0, 5)), settings),
            Case(NORMALIZE, ((0, 5), (5,), (5,)), {"axes": (1,), "epsilon": 1e-3}),
            Case(NORMALIZE_GRAD_GAMMA, ((0, 5), (0, 5)), {"shape": (5,), "axes": (1,), "epsilon": 1e-3}),
        ]
    )
