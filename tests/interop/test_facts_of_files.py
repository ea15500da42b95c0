"""What is read from files of others of their numbers: the range of pixels, the scale of outputs; the answers agree."""

import io

import numpy as np
import pytest

import striate

keras = pytest.importorskip("keras", reason="Keras is the oracle of these tests")
onnx = pytest.importorskip("onnx", reason="ONNX is the oracle of these tests")
torch = pytest.importorskip("torch", reason="PyTorch is the oracle of these tests")

from onnx import helper  # noqa: E402

from tests.interop.onnx.making import onnx_model, runtime  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's variables on NumPy 2
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.onnx", "ignore:The feature will be removed"),
    pytest.mark.filterwarnings("ignore:You are using the legacy:DeprecationWarning"),
]

BYTES, UNIT = (0, 255), (0, 1)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        ("mse", "numbers"),
        (keras.losses.MeanAbsoluteError(), "numbers"),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "logits"),
        (keras.losses.BinaryCrossentropy(from_logits=True), "independent-logits"),
        ("hinge", "unknown"),
        (None, "unknown"),
    ],
)
def test_scale_by_the_loss_of_kerass_files(tmp_path, suffix, loss, scale):
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    if loss is not None:
        model.compile("adam", loss)
    path = tmp_path / f"m.{suffix}"
    model.save(path)
    assert striate.open_model(path).facts.outputs == scale


def test_network_of_keras_applications_takes_whole_pixels(tmp_path):
    theirs = keras.applications.MobileNetV3Small(weights=None, classes=3, input_shape=(32, 32, 3))
    theirs.save(tmp_path / "m.keras")
    ours = striate.open_model(tmp_path / "m.keras")
    assert (ours.facts.pixels, ours.facts.outputs, ours.facts.file) == (BYTES, "probabilities", "Keras")
    x = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-6)


class Net(torch.nn.Module):
    def __init__(self, begin, end):
        super().__init__()
        self.begin, self.end, self.body = begin, end, torch.nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))

    def forward(self, x):
        return self.end(self.body(self.begin(self, x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("begin", "pixels"),
    [
        (lambda net, x: x, None),
        (lambda net, x: x / 255, BYTES),
        (lambda net, x: x * 2 - 1, UNIT),
        (lambda net, x: (x - net.mean) / net.std, UNIT),
        (lambda net, x: (x / 255 - net.mean) / net.std, BYTES),
        (lambda net, x: x[:, [2, 1, 0]] - 255 * net.mean, BYTES),
    ],
)
@pytest.mark.parametrize(
    ("end", "scale"),
    [
        (lambda y: y, "unknown"),
        (lambda y: y.softmax(1), "probabilities"),
        (lambda y: y.log_softmax(1), "log-probabilities"),
        (torch.sigmoid, "independent"),
    ],
)
def test_exports_of_pytorch(tmp_path, begin, pixels, end, scale):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 6, 6)
    net = Net(begin, end).eval()
    file = io.BytesIO()
    torch.onnx.export(net, (x,), file, dynamo=False, opset_version=17)
    (tmp_path / "m.onnx").write_bytes(file.getvalue())
    model = striate.open_model(tmp_path / "m.onnx")
    assert (model.facts.pixels, model.facts.outputs, model.facts.file) == (pixels, scale, "ONNX")
    np.testing.assert_allclose(model.run([x.numpy()])[0], net(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_bytes_as_input_are_whole_pixels(tmp_path):
    """As TensorFlow's exporters write it: pixels of one byte, channels last, cast and transposed."""
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=1),
        helper.make_node("Transpose", ["real"], ["maps"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["maps", "w"], ["y"]),
        helper.make_node("GlobalAveragePool", ["y"], ["out"]),
    ]
    weight = np.random.default_rng(0).standard_normal((2, 3, 3, 3)).astype(np.float32)
    proto = onnx_model(nodes, {"x": (np.uint8, ["N", 6, 6, 3])}, ["out"], {"w": weight})
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    model = striate.open_model(tmp_path / "m.onnx")
    assert model.facts.pixels == BYTES
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3)).astype(np.uint8)
    np.testing.assert_allclose(model.run([x])[0], runtime(proto, {"x": x})[0], rtol=1e-4)
