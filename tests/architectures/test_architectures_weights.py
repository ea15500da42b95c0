"""A6: ``weights=`` takes files under published names, and says what is wrong with others."""

import os
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.architectures import ARCHITECTURES
from striate.errors import FormatError


def npz(path, model, change=()):
    """A file of a model's weights as PyTorch has them; ``change``: entries instead of some, None: without it."""
    names = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    arrays = {}
    for layer in model.layers:
        for v in layer.weights:
            array = v.value
            if v.name == "kernel":
                array = array.T if array.ndim == 2 else array.transpose(3, 2, 0, 1)
            arrays[f"{layer.name}.{names.get(v.name, 'weight' if v.name == 'kernel' else v.name)}"] = array
    arrays |= dict(change)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.fixture
def resnet20():
    striate.set_seed(3)
    return striate.architectures.resnet20()


def test_A5_a_file_gives_the_same_network(resnet20, tmp_path):
    x = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    expected = resnet20.predict_on_batch(x)
    again = striate.architectures.resnet20(weights=npz(tmp_path / "w.npz", resnet20))
    assert (again.predict_on_batch(x) == expected).all()
    assert again.classes == resnet20.classes
    resnet20.save_weights(tmp_path / "own.safetensors")
    own = striate.architectures.resnet20(weights=tmp_path / "own.safetensors")
    assert (own.predict_on_batch(x) == expected).all()


def test_A5_files_of_pytorch(resnet20, tmp_path):
    torch = pytest.importorskip("torch")
    with np.load(npz(tmp_path / "w.npz", resnet20)) as file:
        arrays = dict(file)
    torch.save(
        {"state_dict": {f"module.{name}": torch.from_numpy(array) for name, array in arrays.items()}, "epoch": 164},
        tmp_path / "w.th",
    )
    again = striate.architectures.resnet20(weights=tmp_path / "w.th")
    assert all((a == b).all() for a, b in zip(again.get_weights(), resnet20.get_weights(), strict=True))


def test_A5_for_other_classes_the_last_layer_is_drawn(resnet20, tmp_path):
    path = npz(tmp_path / "w.npz", resnet20)
    striate.set_seed(1)
    model = striate.architectures.resnet20(weights=path, classes=4)
    assert model.get_layer("linear").kernel.value.std() > 0.01
    assert (model.get_layer("conv1").kernel.value == resnet20.get_layer("conv1").kernel.value).all()
    assert model.classes == ()
    assert model.preprocessing == resnet20.preprocessing


def test_other_files_are_refused(resnet20, tmp_path):
    path = npz(tmp_path / "w.npz", resnet20, {"bn1.bias": None, "linear.weight": np.zeros((9, 63), np.float32)})
    with pytest.raises(FormatError) as caught:
        striate.architectures.resnet20(weights=path)
    assert str(caught.value) == (
        f"open_model: cannot open {path}: bn1.bias is missing; "
        "linear.weight: expected shape (10, 64), got (9, 63)."
    )  # fmt: skip
    with pytest.raises(FormatError, match=r"features\.0\.weight is missing; .*; and \d+ more\.$"):
        striate.architectures.squeezenet1_1(weights=npz(tmp_path / "w.npz", resnet20))


@pytest.mark.parametrize(("name", "part"), [("googlenet", "aux2.fc2.bias"), ("inception_v3", "AuxLogits.fc.bias")])
def test_published_files_have_heads_that_a_network_need_not_have(name, part):
    plain, whole = ARCHITECTURES[name].outline(), ARCHITECTURES[name].build(auxiliary=True)
    state = {f"{layer.name}/{v.name}": v.value for layer in whole.layers for v in layer.weights}
    assert part.replace(".bias", "/bias") in state
    ARCHITECTURES[name].load(plain, state)
    assert (plain.get_layer("fc").kernel.value == whole.get_layer("fc").kernel.value).all()


def test_A5_the_authors_squeezenet(tmp_path):
    data = os.environ.get("STRIATE_DATA")
    if data is None:
        pytest.skip("STRIATE_DATA names no folder with real data")
    path = Path(data) / "weights" / "squeezenet_v1.0_imagenet" / "squeezenet_v1.0_decoded_f32.npz"
    model = striate.architectures.squeezenet1_0_caffe(weights=path)
    with np.load(path) as file:
        expected = file["fire9__conv3x3_2.weight"]
    kernel = model.get_layer("features.12.expand3x3").kernel.value
    assert (kernel.transpose(3, 2, 0, 1) == expected).all()
    model.save(tmp_path / "squeezenet.safetensors")
    again = striate.load_model(tmp_path / "squeezenet.safetensors")
    assert again.preprocessing.colours == "BGR"
    assert again.classes[8] == "hen"


def test_A5_efficientnet_lite0_by_its_ports_names(tmp_path):
    """The names of a file that a port to PyTorch publishes, which numbers all blocks through."""
    model = striate.architectures.efficientnet_lite0(classes=10)
    (published,) = ARCHITECTURES["efficientnet_lite0"].published
    there = {ours: theirs for theirs, ours in published.layers.items()}
    assert there.keys() == {layer.name for layer in model.layers if layer.weights}
    for ours, theirs in {
        "conv_stem": "_conv_stem",
        "bn1": "_bn0",
        "blocks.0.0.conv_dw": "_blocks.0._depthwise_conv",
        "blocks.0.0.bn1": "_blocks.0._bn1",
        "blocks.0.0.conv_pw": "_blocks.0._project_conv",
        "blocks.1.1.conv_pw": "_blocks.2._expand_conv",
        "blocks.1.1.bn1": "_blocks.2._bn0",
        "blocks.6.0.conv_pwl": "_blocks.15._project_conv",
        "blocks.6.0.bn3": "_blocks.15._bn2",
        "classifier": "_fc",
    }.items():
        assert there[ours] == theirs
    state = {}
    for layer in model.layers:
        state |= {f"{there[layer.name]}/{variable.name}": variable.value for variable in layer.weights}
    np.savez(tmp_path / "w.npz", **state)
    opened = striate.open_model(tmp_path / "w.npz")
    x = np.random.default_rng(0).standard_normal((1, 224, 224, 3)).astype(np.float32)
    np.testing.assert_array_equal(opened.predict(x), model.predict(x))
    assert (opened.name, opened.preprocessing.mean, opened.preprocessing.std) == ("efficientnet_lite0", (127,), (128,))
