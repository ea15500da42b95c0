"""Direct convolution and its gradient by the input: every way in which the work is cut, and what the phases are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate import ops
from striate.codegen import host, most_rows
from striate.graph import Graph, Tensor
from striate.kernels import Launch
from striate.kernels.conv import depthwise, fourier, geometry, winograd
from striate.kernels.conv.blocking import cut
from striate.kernels.conv.geometry import Axis, Correlation
from striate.ops.conv import CONV
from striate.runtime.checked import CheckedExecutor
from striate.runtime.native import NativeExecutor
from tests.cases import short_and_whole_grid
from tests.cases.case import Case
from tests.cases.conv import FORWARD, case, gradient_cases
from tests.codegen.machines import lesser, name, pretend
from tests.kernels.agreement import as_float32, assert_agrees, assert_same_bits_with_any_number_of_threads, native


def square(n, size, channels, outputs, kernel, stride=1, pad=0, dilation=1, groups=1):
    settings = ((stride, stride), ((pad, pad),) * 2, (dilation, dilation), groups)
    return case((n, size, size, channels), (kernel, kernel, channels // groups, outputs), *settings)


#: What the small cases of the grid do not reach.
LARGER = [
    square(2, 9, 5, 17, 3, pad=1),
    square(1, 14, 17, 40, 3, stride=2, pad=1),
    square(3, 11, 40, 5, 5, pad=2),
    square(2, 7, 8, 40, 5, pad=2),  # a tile is a whole row, and leaves out what lies beside the image
    square(2, 13, 9, 20, 3, stride=2, pad=2, dilation=2),
    square(1, 31, 3, 20, 7, stride=2, pad=3),  # a first layer
    square(1, 43, 1, 6, 11, stride=4),
    square(2, 7, 24, 100, 1),  # images joined to one long row
    square(1, 70, 64, 136, 1),  # rows cut into several items
    square(1, 7, 1024, 40, 1),  # pixels so far apart that tiles have fewer of them
    square(4, 72, 128, 72, 1),  # so large that input is fetched while a tile is computed
    square(1, 9, 512, 33, 1, stride=2),
    square(1, 6, 512, 48, 3, pad=1),
    square(2, 4, 300, 520, 3, pad=1),  # more weights than the cache holds: parts, the last one narrower
    square(2, 9, 96, 528, 5, pad=2, groups=2),
    square(1, 16, 48, 72, 3, pad=1, groups=3),
    square(5, 5, 16, 40, 5),  # the kernel covers the image
    square(1, 20, 6, 10, 3, pad=4, dilation=4),
    square(1, 20, 6, 10, 3, stride=2, pad=3, dilation=3),
    case((1, 3000, 3), (80, 3, 40), (4,), ((79, 0),), (1,)),  # a long row with padding, in several items
    case((1, 9, 40, 5), (7, 1, 5, 17), (1, 1), ((3, 3), (0, 0)), (1, 1)),
    case((2, 5, 6, 7, 9), (3, 3, 3, 9, 18), (1, 2, 2), ((1, 1), (1, 0), (0, 1)), (1, 1, 1)),
]


@pytest.fixture(autouse=True)
def _always_direct(monkeypatch):
    monkeypatch.setattr(depthwise, "suits", lambda *_: False)
    monkeypatch.setattr(winograd, "choose", lambda *_: None)
    monkeypatch.setattr(fourier, "choose", lambda *_: None)


def both(forward):
    return [each for c in forward for each in (c, gradient_cases(c)[0])]


def assert_all_agree(cases):
    executor, results = native(cases)
    assert not executor.without_kernel
    for each, result in zip(cases, results, strict=True):
        assert_agrees(result, each)


@short_and_whole_grid
def test_agrees_with_the_definition_on_the_grid(grid):
    assert_all_agree([*grid(FORWARD), *(gradient_cases(c)[0] for c in grid(FORWARD[:120]))])


@pytest.mark.parametrize(
    "forward", [pytest.param(LARGER[1::4], id="some"), pytest.param(LARGER, id="all", marks=pytest.mark.exhaustive)]
)
def test_agrees_with_the_definition_on_larger_shapes(forward):
    assert_all_agree(both(forward))


@pytest.mark.exhaustive
@pytest.mark.parametrize("target", lesser(), ids=name)
def test_agrees_with_the_definition_on_lesser_machines(target, monkeypatch):
    pretend(monkeypatch, target)
    assert_all_agree(both(LARGER[::3]))


def test_stays_within_its_buffers():
    for each in both(LARGER):
        arrays = [as_float32(array) for array in each.arrays()]
        symbols = [Tensor(array.shape, array.dtype) for array in arrays]
        executor = CheckedExecutor(Graph(symbols, [each.operation(*symbols, **each.attributes)]))
        assert_agrees(executor.run(arrays)[0], each)


def test_bits_do_not_depend_on_the_number_of_threads():
    assert_same_bits_with_any_number_of_threads(lambda: native(both(LARGER))[1])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("operation", [ops.conv2d, ops.conv2d_transpose])
def test_what_follows_is_computed_before_outputs_are_stored(operation, stride):
    generator = np.random.default_rng(1)
    transposed = operation is ops.conv2d_transpose
    shapes = [(2, 6, 5, 5), (3, 3, 17, 5) if transposed else (3, 3, 5, 17), (17,)]
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]

    def block(x, w, bias, shortcut):
        return ops.relu(ops.add(operation(x, w, bias, strides=stride, padding="same"), shortcut))

    shape = operation(*arrays, strides=stride, padding="same").shape
    arrays.append(generator.standard_normal(shape).astype(np.float32))
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    executor = NativeExecutor(Graph(symbols, [block(*symbols)]))
    assert {step.kernel.name for step in executor.plan.schedule} == {"pack", "correlate"}
    expected = block(*[array.astype(np.float64) for array in arrays])
    np.testing.assert_allclose(executor.run(arrays)[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("with_bias", [False, True])
def test_the_first_layer_of_a_generator_is_one_product_unless_channels_matter(with_bias):
    generator = np.random.default_rng(2)
    arrays = [generator.standard_normal(shape).astype(np.float32) for shape in [(3, 1, 1, 7), (4, 4, 5, 7), (5,)]]
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    bias = 2 + with_bias
    executor = NativeExecutor(Graph(symbols, [ops.conv2d_transpose(*symbols[:bias])]))
    settings = dict(executor.plan.schedule[-1].settings)
    assert settings["correlation"].outputs == (5 if with_bias else 80)
    expected = ops.conv2d_transpose(*[array.astype(np.float64) for array in arrays[:bias]])
    np.testing.assert_allclose(executor.run(arrays)[0], expected, rtol=1e-5, atol=1e-5)


def test_nan_reaches_the_windows_that_contain_it_and_no_others():
    x, w = np.ones((2, 9, 8, 17), np.float32), np.ones((3, 3, 17, 5), np.float32)
    x[1, 6, 6, 3] = np.nan
    symbols = [Tensor(array.shape, array.dtype) for array in (x, w)]
    (result,) = NativeExecutor(Graph(symbols, [ops.conv2d(*symbols, padding="same")])).run([x, w])
    expected = np.zeros(result.shape, bool)
    expected[1, 5:8, 5:8] = True
    np.testing.assert_array_equal(np.isnan(result), expected)


def test_float64_is_left_to_the_reference(monkeypatch):
    monkeypatch.undo()  # the choice between kernels asks for the type
    each = Case(CONV, ((1, 4, 4, 2), (3, 3, 2, 3)), FORWARD[0].attributes)
    symbols = [Tensor(array.shape, array.dtype) for array in each.arrays()]
    executor = NativeExecutor(Graph(symbols, [CONV(*symbols, **each.attributes)]))
    assert [node.name for node in executor.without_kernel] == ["conv"]
    np.testing.assert_array_equal(executor.run(each.arrays())[0], CONV.forward(*each.arrays(), **each.attributes))


def test_the_batch_is_not_part_of_a_kernel():
    def code(images):
        each = square(images, 20, 16, 16, 3, pad=1)
        launch = native([each])[0].plan.schedule[-1]
        assert isinstance(launch, Launch)
        return launch.kernel, launch.settings

    assert code(1) == code(3)


@given(
    length=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 5),
    dilation=st.integers(1, 4),
    before=st.integers(0, 5),
    after=st.integers(0, 5),
)
def test_phases_fill_each_place_once_and_use_each_entry_at_most_once(length, kernel, stride, dilation, before, after):
    size = (before + length + after - dilation * (kernel - 1) - 1) // stride + 1
    if size < 1:
        return
    phases = list(geometry._phases(size, length, kernel, stride, dilation, (before, after)))
    places = sorted(axis.start + i * axis.step for axis, _ in phases for i in range(axis.count))
    entries = [entry for _, taken in phases for entry in taken]
    assert places == list(range(length))
    assert len(entries) == len(set(entries))
    for axis, taken in phases:
        assert len(taken) == axis.taps
        for i in range(axis.count):
            for tap, entry in enumerate(taken):
                window = i + tap * axis.dilation - axis.before  # what the definition calls i, at place p
                assert window * stride + entry * dilation - before == axis.start + i * axis.step


def test_what_lies_in_memory_is_fetched_early_and_what_lies_in_a_cache_is_not():
    near, far = square(1, 72, 128, 72, 1), square(4, 72, 128, 72, 1)
    assert [dict(native([each])[0].plan.schedule[-1].settings)["blocks"].fetch for each in (near, far)] == [False, True]


@pytest.mark.skipif(host().lanes < 16, reason="tiles of whole rows are smaller here")
def test_a_tile_that_is_a_whole_row_leaves_out_what_lies_beside_the_image():
    for pixels, inside in ((7, True), (6, True), (5, False), (2, False), (14, False), (30, False)):
        launch = native([square(2, pixels, 8, 32, 5, pad=2)])[0].plan.schedule[-1]
        assert dict(launch.settings)["blocks"].inside == inside


@pytest.mark.parametrize("target", [host(), *lesser()], ids=name)
@pytest.mark.parametrize("outputs", [1, 5, 6, 10, 16, 20, 24, 40, 64, 100])
def test_tiles_fit_the_registers_and_waste_little(target, outputs):
    for pixels in (1, 7, 13, 28, 112):
        width = Axis(size=pixels, count=pixels, length=pixels)
        blocks = cut(Correlation(1, (Axis(), Axis(), width), 1, 8, outputs), target)
        vectors = blocks.panels.columns // blocks.panels.lanes
        assert sum(size * count for size, count in blocks.tiles) == pixels
        assert max(size for size, _ in blocks.tiles) <= most_rows(target, vectors)
        padded = blocks.panels.group_size // blocks.panels.depth
        assert padded >= outputs
        assert padded <= max(4, 1.6 * outputs)
