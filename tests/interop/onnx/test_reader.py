"""Opening ONNX files: what is said of them, what travels along, and damaged ones."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import striate
from striate.errors import FormatError, ModelError, ShapeError
from striate.interop.onnx.messages import AttributeProto
from striate.interop.onnx.reader import read_onnx
from striate.interop.onnx.tensors import as_tensor
from tests.attacks.test_onnx import branch, branching, info, integer, ints, model, node


def written(tmp_path, proto):
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.encode())
    return path


def small():
    """Convolution, normalization, pooling, a shortcut, and a dense layer."""
    random = np.random.default_rng(0)
    arrays = {
        "w": random.standard_normal((4, 3, 3, 3)),
        "b": random.standard_normal(4),
        "g": random.uniform(0.5, 1, 4),
        "v": random.uniform(0.5, 1, 4),
        "d": random.standard_normal((4, 5)),
    }
    return model(
        node("Conv", ("x", "w", "b"), ("a",), name="/stem/conv/Conv", attribute=[ints("pads", 1, 1, 1, 1)]),
        node("BatchNormalization", ("a", "g", "b", "b", "v"), ("n",), name="norm"),
        node("Relu", ("n",), ("r",)),
        node(
            "MaxPool",
            ("r",),
            ("p",),
            attribute=[ints("kernel_shape", 3, 3), ints("strides", 1, 1), ints("pads", 1, 1, 1, 1)],
        ),
        node("Add", ("r", "p"), ("s",), name="shortcut"),
        node("GlobalAveragePool", ("s",), ("m",)),
        node("Flatten", ("m",), ("f",)),
        node("Gemm", ("f", "d"), ("y",), name="head"),
        arrays=[as_tensor(array.astype(np.float32), name) for name, array in arrays.items()],
        shape=("N", 3, 8, 8),
    )


def test_the_network_has_the_files_names_and_our_layers(tmp_path):
    network = read_onnx(written(tmp_path, small()))
    kinds = {layer.name: type(layer).__name__ for layer in network.layers if layer.name != "x"}
    assert kinds == {
        "stem/conv": "Conv2D",
        "norm": "BatchNormalization",
        "r": "ReLU",
        "p": "MaxPooling2D",
        "shortcut": "Add",
        "m": "GlobalAveragePooling2D",
        "f": "Flatten",
        "head": "Dense",
    }
    assert network.output_shape == (None, 5)
    assert network.input_shape == (None, 8, 8, 3)


def test_it_is_a_model_like_any_other(tmp_path, capsys):
    """Predicted, summed up, looked into, traced, saved, opened again, and trained."""
    network = read_onnx(written(tmp_path, small()))
    x = np.random.default_rng(1).standard_normal((3, 8, 8, 3)).astype(np.float32)
    y = network.predict(x)
    np.testing.assert_allclose(network.run([x.transpose(0, 3, 1, 2)])[0], y, rtol=1e-6)
    network.summary()
    assert "stem/conv (Conv2D)" in capsys.readouterr().out
    assert [output.name for output in network.activations(x)][:2] == ["stem/conv", "norm"]
    assert network.receptive_field("stem/conv", 4, 4) == ((3, 6), (3, 6))
    assert len(network.explain(x, "stem/conv", (0, 4, 4, 1)).sums[-1].parts) == 27
    network.save(tmp_path / "again.safetensors")
    again = striate.load_model(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.predict(x), y)
    network.compile("adam", "mse")
    network.fit(x, np.zeros((3, 5)), epochs=1, verbose=0)
    changed = network.predict(x)
    assert np.abs(changed - y).max() > 1e-4
    np.testing.assert_allclose(network.run([x.transpose(0, 3, 1, 2)])[0], changed, rtol=1e-6)


def test_nodes_that_share_weights_share_a_layer(tmp_path):
    weight = as_tensor(np.ones((3, 3, 1, 1), np.float32), "w")
    proto = model(node("Conv", ("x", "w"), ("a",)), node("Conv", ("a", "w")), arrays=[weight])
    network = read_onnx(written(tmp_path, proto))
    assert sum(type(layer).__name__ == "Conv2D" for layer in network.layers) == 1
    np.testing.assert_allclose(network.run([np.ones((1, 3, 8, 8), np.float32)])[0], np.full((1, 3, 8, 8), 9.0))


def test_everything_that_cannot_be_done_is_listed_at_once(tmp_path):
    proto = model(
        node("Foo", ("x",), ("a",), name="first"),
        node("Relu", ("missing",), ("b",)),
        node("Bar", ("x",), ("c",), domain="org.x", name="third"),
        node("Relu"),
    )
    with pytest.raises(FormatError) as caught:
        read_onnx(written(tmp_path, proto))
    for reason in (
        "node 'first' (Foo): this operator is not supported",
        "node 1 (Relu): it uses 'missing', which nothing computes",
        "node 'third' (Bar): operators of 'org.x' are not supported",
    ):
        assert reason in str(caught.value)


def test_nodes_may_stand_in_any_order(tmp_path):
    proto = model(node("Add", ("b", "x")), node("Tanh", ("a",), ("b",)), node("Relu", ("x",), ("a",)))
    x = np.random.default_rng(2).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(read_onnx(written(tmp_path, proto)).run([x])[0], x + np.tanh(np.maximum(x, 0)), 1e-5)


def test_nodes_of_a_branch_may_stand_in_any_order_and_use_what_the_file_has_later(tmp_path):
    branches = [
        branch(node("Add", ("w", "late"), ("z",)), node("Relu", ("x",), ("w",))),
        branch(node("Relu", ("late",), ("z",))),
    ]
    proto = branching(*branches)
    proto.graph.node.append(node("Tanh", ("x",), ("late",)))
    x = np.random.default_rng(2).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(read_onnx(written(tmp_path, proto)).run([x])[0], np.maximum(x, 0) + np.tanh(x), 1e-5)


@pytest.mark.parametrize("batch", [-1, 0])
def test_a_batch_of_minus_one_or_0_is_any_batch(tmp_path, batch):
    network = read_onnx(written(tmp_path, model(node("Relu"), shape=(batch, 3, 8, 8))))
    assert network.input_shape == (None, 3, 8, 8)
    for count in (1, 4):
        x = np.random.default_rng(3).standard_normal((count, 3, 8, 8)).astype(np.float32)
        np.testing.assert_array_equal(network.run([x])[0], np.maximum(x, 0))


def test_another_size_of_minus_one_has_to_be_given(tmp_path):
    path = written(tmp_path, model(node("Relu"), shape=(-1, 3, -1, -1)))
    with pytest.raises(FormatError, match=r"does not say the sizes of its input 'x' \(None, 3, None, None\); give"):
        read_onnx(path)
    assert read_onnx(path, input_shape=(3, 5, 6)).input_shape == (None, 3, 5, 6)
    x = np.full((2, 3, 4, 9), -1, np.float32)
    np.testing.assert_array_equal(read_onnx(path, input_shape=(3, 5, 6)).run([x])[0], np.zeros_like(x))


def test_settings_that_no_function_knows_are_refused(tmp_path):
    proto = model(node("Relu", attribute=[integer("turbo", 1)]))
    with pytest.raises(FormatError, match=r"node 0 \(Relu\): its setting turbo is not supported"):
        read_onnx(written(tmp_path, proto))


def test_other_counts_of_inputs_are_refused(tmp_path):
    with pytest.raises(FormatError, match=r"node 0 \(Relu\): 3 inputs, which the operator does not take"):
        read_onnx(written(tmp_path, model(node("Relu", ("x", "x", "x")))))


def test_a_file_that_does_not_say_its_sizes_needs_them(tmp_path):
    proto = small()
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = None
    path = written(tmp_path, proto)
    with pytest.raises(FormatError, match=r"it does not say the sizes of its input 'x' .* input_shape=\(224, 224, 3\)"):
        read_onnx(path)
    assert read_onnx(path, input_shape=(12, 10, 3)).input_shape == (None, 12, 10, 3)
    with pytest.raises(FormatError, match=r"expected input_shape of 3 sizes, got \(12, 10\)"):
        read_onnx(path, input_shape=(12, 10))


def test_a_network_whose_layers_depend_on_its_inputs_values_runs_and_says_so(tmp_path):
    proto = model(node("Reshape", ("x", "sizes")), shape=(2, 3, 4, 5))
    sizes = info("sizes", (2,))
    sizes.type.tensor_type.elem_type = 7
    proto.graph.input.append(sizes)
    network = read_onnx(written(tmp_path, proto))
    x = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(network.run([x, np.array([6, 20])])[0], x.reshape(6, 20))
    np.testing.assert_array_equal(network.run([x, np.array([-1, 8])])[0], x.reshape(15, 8))
    with pytest.raises(ModelError, match=r"net: its layers depend on the values of its inputs\. Call run\(\[…\]\)"):
        read_onnx(written(tmp_path, proto)).predict(x)


@pytest.mark.parametrize("size", [4, 5])
def test_of_two_branches_the_one_whose_condition_holds_is_taken(tmp_path, size):
    """As PyTorch writes what depends on an array's size; it is known, whatever the batch."""
    then, otherwise = (
        branch(node("Relu", ("x",), ("z",))),
        branch(node("Neg", ("x",), ("a",)), node("Exp", ("a",), ("z",))),
    )
    proto = branching(then, otherwise, "even")
    proto.graph.node[:0] = [
        node("Shape", ("x",), ("shape",)),
        node("Gather", ("shape", "three"), ("size",)),
        node("Equal", ("size", "four"), ("even",)),
    ]
    proto.graph.initializer[:] = [as_tensor(np.array(n), name) for n, name in ((3, "three"), (4, "four"))]
    proto.graph.input[0] = info("x", ("N", 3, 4, size))
    network = read_onnx(written(tmp_path, proto))
    x = np.random.default_rng(0).standard_normal((2, 3, 4, size)).astype(np.float32)
    np.testing.assert_allclose(network.run([x])[0], np.maximum(x, 0) if size == 4 else np.exp(-x), rtol=1e-6)
    assert network.output_shape[0] is None


def test_a_condition_among_the_inputs_is_asked_for(tmp_path):
    proto = branching(branch(node("Relu", ("x",), ("z",))), branch(node("Neg", ("x",), ("z",))))
    proto.graph.initializer[:] = []
    condition = info("c", (1,))
    condition.type.tensor_type.elem_type = 9
    proto.graph.input.append(condition)
    network = read_onnx(written(tmp_path, proto))
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(network.run([x, np.array([True])])[0], np.maximum(x, 0))
    np.testing.assert_array_equal(network.run([x, np.array([False])])[0], -x)


def test_large_constants_between_layers_are_saved(tmp_path):
    table = np.random.default_rng(0).standard_normal((1, 3, 60, 60)).astype(np.float32)
    proto = model(node("Mul", ("x", "t")), arrays=[as_tensor(table, "t")], shape=("N", 3, 60, 60))
    network = read_onnx(written(tmp_path, proto))
    network.save(tmp_path / "m.safetensors")
    x = np.random.default_rng(1).standard_normal((2, 3, 60, 60)).astype(np.float32)
    again = striate.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x), x * table)


def test_run_takes_the_files_inputs_and_no_others(tmp_path):
    network = read_onnx(written(tmp_path, small()))
    with pytest.raises(ShapeError, match=r"run: expected 1 inputs \(x\), got 2"):
        network.run([np.zeros((1, 3, 8, 8)), np.zeros(1)])
    with pytest.raises(ShapeError, match=r"run: expected 'x' of shape \(None, 3, 8, 8\), got \(8, 8\)"):
        network.run([np.zeros((8, 8))])
    with pytest.raises(ModelError, match=r"run: cannot build .*model\.onnx for these inputs"):
        network.run([np.zeros((1, 2, 8, 8))])


def test_inputs_of_other_sizes_are_run_where_the_graph_allows(tmp_path):
    proto = small()
    network = read_onnx(written(tmp_path, proto))
    assert network.run([np.ones((2, 3, 11, 7), np.float32)])[0].shape == (2, 5)


def test_a_graph_whose_structure_depends_on_numbers_runs_and_says_so(tmp_path):
    proto = model(node("Reshape", ("x", "s")), shape=(2, 6))
    proto.graph.input.append(info("s", (2,)))
    proto.graph.input[1].type.tensor_type.elem_type = 7
    network = read_onnx(written(tmp_path, proto))
    assert not network.is_graph
    assert network.run([np.arange(12).reshape(2, 6), np.array([3, 4])])[0].shape == (3, 4)
    assert network.run([np.arange(12).reshape(2, 6), np.array([-1, 2])])[0].shape == (6, 2)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_a_network_or_refused(data, tmp_path):
    content = bytearray(small().encode())
    for _ in range(data.draw(st.integers(1, 5))):
        kind = data.draw(st.sampled_from(["flip", "cut", "repeat", "insert"]))
        place = data.draw(st.integers(0, max(0, len(content) - 1)))
        if kind == "flip" and content:
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[place : place + data.draw(st.integers(1, 20))]
        elif kind == "repeat":
            content[place:place] = content[place : place + data.draw(st.integers(1, 40))]
        else:
            content[place:place] = data.draw(st.binary(max_size=8))
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(content))
    with contextlib.suppress(FormatError):
        read_onnx(path)


SETTINGS = (
    "kernel_shape",
    "strides",
    "pads",
    "dilations",
    "group",
    "axis",
    "axes",
    "perm",
    "auto_pad",
    "ceil_mode",
    "to",
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_settings_of_any_operator_are_a_network_or_refused(data, tmp_path):
    from striate.interop.onnx.operators import OPERATORS

    numbers = st.sampled_from([0, 1, 2, 3, -1, -2, 7, 2**31, -(2**63)])
    arrays = [
        as_tensor(np.ones((4, 3, 3, 3), np.float32), "w"),
        as_tensor(np.array(data.draw(st.lists(numbers, max_size=4)), np.int64), "i"),
        as_tensor(np.array(data.draw(st.sampled_from([0.0, 2.0, -1.0, np.inf, np.nan])), np.float32), "f"),
    ]
    attributes = []
    for name in data.draw(st.lists(st.sampled_from(SETTINGS), max_size=3, unique=True)):
        if data.draw(st.booleans()):
            attributes.append(ints(name, *data.draw(st.lists(numbers, max_size=4))))
        elif data.draw(st.booleans()):
            attributes.append(integer(name, data.draw(numbers)))
        else:
            word = data.draw(st.sampled_from([b"SAME_UPPER", b"VALID", b"x", b"\xff"]))
            attributes.append(AttributeProto(name=name, s=word, type=AttributeProto.STRING))
    inputs = data.draw(st.lists(st.sampled_from(["x", "w", "i", "f", ""]), max_size=5))
    op = data.draw(st.sampled_from(sorted(OPERATORS)))
    path = written(tmp_path, model(node(op, inputs, attribute=attributes), arrays=arrays))
    with contextlib.suppress(FormatError):
        read_onnx(path)
