"""``striate export``."""

import numpy as np
import pytest

import striate

onnx = pytest.importorskip("onnx", reason="ONNX is the oracle of these tests")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is the oracle of these tests")


def outputs(path, images):
    session = onnxruntime.InferenceSession(path.read_bytes())
    (given,) = session.get_inputs()
    return session.run(None, {given.name: images})[0]


def test_A7_export_writes_what_other_programs_run(striate_cli, model_file, tmp_path):
    out = tmp_path / "out.onnx"
    result = striate_cli("export", model_file, out)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{out} (")
    onnx.checker.check_model(onnx.load(out), full_check=True)
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    expected = striate.load_model(model_file)(images)
    np.testing.assert_allclose(outputs(out, np.moveaxis(images, -1, 1)), expected, rtol=1e-5, atol=1e-5)


def test_A7_export_can_keep_channels_last(striate_cli, model_file, tmp_path):
    out = tmp_path / "out.onnx"
    assert striate_cli("export", model_file, out, "--channels-last").code == 0
    images = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
    np.testing.assert_allclose(outputs(out, images), striate.load_model(model_file)(images), rtol=1e-5, atol=1e-5)


def test_A7_export_takes_models_that_ship(striate_cli, tmp_path):
    assert striate_cli("export", "digits", tmp_path / "digits.onnx").code == 0


def test_A7_export_refuses_other_formats_before_reading(refused, tmp_path):
    line = refused(1, "export", tmp_path / "none.safetensors", tmp_path / "out.pt")
    assert line.endswith("out.pt'.")
    assert "export: expected a file name that ends in .keras, .h5, .hdf5 or .onnx" in line
    assert "--channels-last is for ONNX" in refused(1, "export", "digits", tmp_path / "m.keras", "--channels-last")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's variables on NumPy 2
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_A7_export_writes_what_keras_opens(striate_cli, model_file, tmp_path, name):
    keras = pytest.importorskip("keras", reason="Keras is the oracle of this test")
    out = tmp_path / name
    result = striate_cli("export", model_file, out)
    assert (result.code, result.err) == (0, "")
    images = np.random.default_rng(0).random((3, 28, 28, 1), np.float32)
    expected = striate.load_model(model_file)(images)
    np.testing.assert_allclose(keras.models.load_model(out).predict(images, verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_A7_export_refuses_a_model_that_is_not_there(refused, tmp_path):
    assert "no file" in refused(1, "export", tmp_path / "none.safetensors", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
