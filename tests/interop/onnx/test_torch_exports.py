"""PyTorch's exports of every architecture, with random weights: opened here, the same outputs."""

import warnings

import numpy as np
import pytest

from striate.interop.onnx.reader import read_onnx
from tests.architectures.oracles import SIZES, module, torch

pytest.importorskip("onnx")

#: Where PyTorch writes adaptive pooling only for the published size.
PUBLISHED_SIZE = {
    **{"alexnet": (224, 224), "vgg16": (224, 224), "vgg19": (224, 224)},
    "efficientnet_lite0": (64, 64),  # its padding follows its input, and PyTorch writes down one number for both axes
}


def export(network, x, path, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "N"}}, **settings
        )


@pytest.mark.parametrize("name", SIZES)
def test_every_architecture(name, tmp_path):
    torch.manual_seed(0)
    network = module(name, 10).eval()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(part.running_mean, std=0.1)
            torch.nn.init.uniform_(part.running_var, 0.5, 1.5)
    size = PUBLISHED_SIZE.get(name, SIZES[name])
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = network(x).numpy()  # before it is exported: some layers first see here how large they are
    # With batch normalization as nodes of its own for one of them: elsewhere the exporter folds it.
    keep = name == "resnet18"
    training = torch.onnx.TrainingMode.PRESERVE if keep else torch.onnx.TrainingMode.EVAL
    export(network, x, tmp_path / "m.onnx", opset_version=17, training=training, do_constant_folding=not keep)
    opened = read_onnx(tmp_path / "m.onnx")
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(opened.run([x.numpy()])[0], expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(opened.predict(x.numpy().transpose(0, 2, 3, 1)), expected, rtol=0, atol=tolerance)
    assert opened.input_shape == (None, *size, 3)


class Modules(torch.nn.Module):
    """What exporters make long chains of nodes of."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.GroupNorm(4, 8)
        self.up, self.deconv = (
            torch.nn.Upsample(scale_factor=2, mode="bilinear"),
            torch.nn.ConvTranspose2d(8, 6, 4, 2, 1),
        )
        self.layer, self.gelu = torch.nn.LayerNorm(6), torch.nn.GELU()
        self.pool, self.head = torch.nn.AvgPool2d(16), torch.nn.Linear(24, 5)

    def forward(self, x):
        x = torch.nn.functional.silu(self.norm(self.conv(x)))
        x = torch.cat([self.up(x), torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")], 1)
        x = torch.nn.functional.hardswish(self.deconv(x[:, ::2]))
        x = self.gelu(self.layer(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = x.view(x.size(0), 2, 3, x.size(2), x.size(3)).transpose(1, 2).reshape(x.size(0), 6, x.size(2), x.size(3))
        x = torch.nn.functional.pad(x, (1, 2, 0, 1), mode="reflect").clamp(-1, 2)
        return torch.softmax(self.head(self.pool(x).flatten(1)) * 0.5 + 1, dim=-1), x.mean((2, 3)), x.argmax(1)


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_modules_of_every_kind(opset, tmp_path):
    torch.manual_seed(1)
    network, x = Modules().eval(), torch.randn(3, 3, 8, 8)
    export(network, x, tmp_path / "m.onnx", opset_version=opset)
    opened = read_onnx(tmp_path / "m.onnx")
    with torch.no_grad():
        expected = [y.numpy() for y in network(x)]
    for got, wanted in zip(opened.run([x.numpy()]), expected, strict=True):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    assert opened.input_shape == (None, 8, 8, 3)
