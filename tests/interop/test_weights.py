"""Weights of other libraries find their layers by name, or all reasons why not are said at once."""

import numpy as np
import pytest

import striate
from striate import Input, Model, layers
from striate.errors import FormatError
from striate.interop.weights import assign, read_weights, renamed


def network(classes=3):
    image = Input((4, 6, 2))
    x = layers.Conv2D(4, (3, 2), groups=2, name="conv")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.DepthwiseConv2D(1, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    x = layers.Dense(5, name="hidden")(x)
    return Model(image, layers.Dense(classes, activation="softmax", name="fc")(x), name="little")


def state(classes=3):
    generator = np.random.default_rng(0)
    shapes = {
        "conv.weight": (4, 1, 3, 2), "conv.bias": (4,),
        "bn.weight": (4,), "bn.bias": (4,), "bn.running_mean": (4,), "bn.running_var": (4,),
        "depthwise.weight": (8, 1, 1, 1),
        "hidden.weight": (5, 80), "hidden.bias": (5,), "fc.weight": (classes, 5), "fc.bias": (classes,),
    }  # fmt: skip
    return {name: generator.random(shape, np.float32) for name, shape in shapes.items()}


def test_A6_layouts_are_pytorchs():
    torch = pytest.importorskip("torch")
    from torch.nn import functional as f

    model, weights = network(), state()
    assert assign(model, weights) == []
    x = np.random.default_rng(1).random((3, 4, 6, 2), np.float32)
    w = {name: torch.from_numpy(array) for name, array in weights.items()}
    y = f.conv2d(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), w["conv.weight"], w["conv.bias"], groups=2)
    y = f.batch_norm(y, w["bn.running_mean"], w["bn.running_var"], w["bn.weight"], w["bn.bias"], eps=1e-3)
    y = f.conv2d(y, w["depthwise.weight"], groups=4).flatten(1)
    y = f.linear(f.linear(y, w["hidden.weight"], w["hidden.bias"]), w["fc.weight"], w["fc.bias"])
    logits = Model(model.input, model.get_layer("hidden").output)(x) @ weights["fc.weight"].T + weights["fc.bias"]
    assert np.abs(logits - y.numpy()).max() < 1e-5 * np.abs(logits).max()


@pytest.mark.parametrize("shape", [(7, 3), (2, 4, 5, 3)])
def test_flattened_series_and_volumes(shape):
    """Place (C, …) of PyTorch's flattening is place (…, C) of ours."""
    model = striate.Sequential([Input(shape), layers.Flatten(), layers.Dense(1, name="fc")])
    numbers = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    theirs = np.moveaxis(numbers, -1, 0).reshape(1, -1)
    assign(model, {"fc.weight": theirs, "fc.bias": np.zeros(1, np.float32)})
    assert model.get_layer("fc").kernel.value.ravel().tolist() == numbers.ravel().tolist()


def test_all_that_is_wrong_is_said_at_once():
    model, weights = network(), state()
    before = model.get_weights()
    del weights["bn.running_mean"]
    weights["conv.weight"] = np.zeros((4, 2, 3, 2), np.float32)
    weights["hidden.bias"] = np.zeros(5, np.int64)
    weights["head.weight"] = np.zeros(1, np.float32)
    with pytest.raises(FormatError) as caught:
        assign(model, weights, "little.pth")
    assert str(caught.value) == (
        "open_model: cannot open little.pth: bn.running_mean is missing; head.weight is not in little; "
        "conv.weight: expected shape (4, 1, 3, 2), got (4, 2, 3, 2); "
        "hidden.bias: expected floating-point numbers, got int64."
    )
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_what_no_result_depends_on_is_ignored():
    weights = state() | {"bn.num_batches_tracked": np.array(7), "aux.fc.weight": np.zeros(1, np.float32)}
    assert assign(network(), weights, ignored=("aux.",)) == []
    with pytest.raises(FormatError, match=r"aux\.fc.weight is not in little"):
        assign(network(), weights)


def test_other_classes_keep_the_last_layer():
    model = network(classes=4)
    last = model.get_layer("fc").get_weights()
    kept = assign(model, state(classes=3))
    assert [layer.name for layer in kept] == ["fc"]
    assert all((a == b).all() for a, b in zip(last, model.get_layer("fc").get_weights(), strict=True))
    assert (model.get_layer("hidden").bias.value == state()["hidden.bias"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": (4, 6)}, r"fc.weight: expected shape \(3, 5\), got \(4, 6\)"),
        ({"fc.weight": (4, 5), "fc.bias": (5,)}, r"fc.weight: expected shape \(3, 5\), got \(4, 5\); fc.bias"),
        ({"hidden.weight": (6, 80), "hidden.bias": (6,)}, r"hidden.weight: expected shape \(5, 80\), got \(6, 80\)"),
    ],
)
def test_other_shapes_are_not_other_classes(change, message):
    weights = state() | {name: np.zeros(shape, np.float32) for name, shape in change.items()}
    with pytest.raises(FormatError, match=message):
        assign(network(), weights)


def test_a_last_layer_that_the_file_lacks_is_missing():
    weights = {name: array for name, array in state().items() if not name.startswith("fc.")}
    with pytest.raises(FormatError, match=r"fc\.weight is missing; fc\.bias is missing"):
        assign(network(), weights)


def test_our_own_files_names_are_taken_as_they_are(tmp_path):
    from safetensors.numpy import load_file

    striate.set_seed(1)
    model = network()
    model.save(tmp_path / "m.safetensors")
    striate.set_seed(2)
    other = network()
    assign(other, load_file(tmp_path / "m.safetensors"))
    assert all((a == b).all() for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    wider = network(classes=5)
    assert [layer.name for layer in assign(wider, load_file(tmp_path / "m.safetensors"))] == ["fc"]


def test_published_names_become_ours():
    a, b = np.zeros(1), np.ones(2)
    names = {"block1_conv1": "features.0", "fire2__squeeze": "features.3.squeeze"}
    spellings = ("block1_conv1_W_1:0", "block1_conv1_b_1:0"), ("block1_conv1/kernel:0", "block1_conv1/bias:0")
    for kernel, bias in (*spellings, ("kernel", "bias")):
        found = renamed({f"block1_conv1/{kernel}": a, f"block1_conv1/{bias}": b}, names)
        assert found == {"features.0/kernel": a, "features.0/bias": b}
    assert renamed({"fire2__squeeze.weight": a}, names) == {"features.3.squeeze.weight": a}
    assert renamed({"fire2__squeeze.weight": a, "conv2.weight": b}, names) is None


@pytest.mark.parametrize("folder", ["", "model_weights/"])
def test_A6_kerass_weights_files(folder, tmp_path):
    """VGG's as they are published: a group for each layer, whose arrays are called block1_conv1_W_1:0."""
    h5py = pytest.importorskip("h5py")
    arrays = {"block1_conv1_W_1:0": np.ones((3, 3, 2, 4), np.float32), "block1_conv1_b_1:0": np.ones(4, np.float32)}
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        file.create_group(f"{folder}block1_pool")
        for name, array in arrays.items():
            file[f"{folder}block1_conv1/{name}"] = array
    found = renamed(read_weights(tmp_path / "vgg.h5"), {"block1_conv1": "features.0"})
    assert {name: array.shape for name, array in found.items()} == {
        "features.0/kernel": (3, 3, 2, 4),
        "features.0/bias": (4,),
    }


def test_other_weights_files_are_read_as_states(tmp_path):
    np.savez(tmp_path / "w.npz", **state())
    assert read_weights(tmp_path / "w.npz").keys() == state().keys()
    (tmp_path / "w.txt").write_text("no weights")
    with pytest.raises(FormatError, match="open_model: cannot open"):
        read_weights(tmp_path / "w.txt")
