"""What a program's subclass overrides is called, or refused with a sentence; numbers of Keras where it has them."""

import warnings

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ModelError
from tests.training import oracle

X = np.random.default_rng(0).random((24, 5)).astype(np.float32)
Y = np.random.default_rng(1).random((24, 2)).astype(np.float32)


def head(library):
    return library.layers.Dense(2, kernel_initializer="ones", kernel_regularizer=library.regularizers.L2(0.1))


def robust(library, with_penalties):
    class Robust(library.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True, **kwargs):
            loss = library.ops.mean(library.ops.log(1.0 + library.ops.square(y - y_pred)))
            return loss + sum(self.losses) if with_penalties else loss

    model = Robust([library.Input((5,)), head(library)])
    model.compile(library.optimizers.SGD(0.1), metrics=["mae"])
    return model


@pytest.mark.parametrize("with_penalties", [True, False])
def test_A10_compute_loss_is_what_fit_and_evaluate_minimise(with_penalties):
    keras = oracle.keras()
    ours, theirs = robust(striate, with_penalties), robust(keras, with_penalties)
    for model in (ours, theirs):
        model.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one.value, oracle.numbers(other.value), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.evaluate(X, Y, verbose=0), theirs.evaluate(X, Y, verbose=0), rtol=1e-5)


def test_A10_compute_loss_may_begin_with_what_compile_was_given():
    class Weighed(striate.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 2.0 * super().compute_loss(x, y, y_pred, sample_weight, training)

    losses = []
    for kind in (striate.Sequential, Weighed):
        model = kind([striate.Input((5,)), layers.Dense(2, kernel_initializer="ones")])
        model.compile("sgd", "mse")
        losses.append(model.evaluate(X, Y, verbose=0))
    assert losses[1] == pytest.approx(2 * losses[0])


def test_A10_compute_loss_with_several_outputs_and_weights():
    class Two(striate.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            assert [list(y), list(y_pred)] == [["a", "b"]] * 2
            return ops.mean(y_pred["b"]) + 0.0 * ops.mean(sample_weight) * (1.0 if training else 2.0)

    begin = striate.Input((5,))
    ends = {"a": layers.Dense(1, name="a")(begin), "b": layers.Dense(1, kernel_initializer="ones", name="b")(begin)}
    model = Two(begin, ends)
    model.compile("sgd", {"a": "mse", "b": "mse"})
    loss = model.evaluate(X, {"a": Y[:, :1], "b": Y[:, :1]}, sample_weight=np.ones(24), verbose=0)
    assert loss == pytest.approx(X.sum(-1).mean(), rel=1e-5)


def test_A10_a_loss_of_layers_alone():
    """As a variational autoencoder has it: no targets, no loss in compile."""

    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.mean(inputs**2.0))
            return inputs

    model = striate.Sequential([striate.Input((5,)), layers.Dense(2, kernel_initializer="ones"), Penalty()])
    model.compile("sgd")
    first = model.evaluate(X, verbose=0)
    assert first == pytest.approx(((X.sum(-1)) ** 2).mean(), rel=1e-5)
    model.fit(X, epochs=3, verbose=0)
    assert model.evaluate(X, verbose=0) < first
    plain = striate.Sequential([striate.Input((5,)), layers.Dense(2)])
    plain.compile("sgd")
    with pytest.raises(ModelError, match="fit: the model was compiled without a loss, and no layer adds one"):
        plain.fit(X, Y)


def penalty(library):
    class Penalty(library.layers.Layer):
        def call(self, inputs):
            self.add_loss(0.5 * library.ops.sum(library.ops.square(inputs)))
            return inputs

    return Penalty()


def test_A10_losses_outside_of_training():
    """Those of the last call."""
    found = []
    for library in (striate, oracle.keras()):
        layer = penalty(library)
        layer(X)
        layer(X)
        found.append([float(loss) for loss in layer.losses])
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("train_step", lambda m: m.fit(X, Y, verbose=0)),
        ("train_step", lambda m: m.train_on_batch(X, Y)),
        ("make_train_function", lambda m: m.fit(X, Y, verbose=0)),
        ("test_step", lambda m: m.evaluate(X, Y, verbose=0)),
        ("test_step", lambda m: m.test_on_batch(X, Y)),
        ("make_test_function", lambda m: m.evaluate(X, Y, verbose=0)),
        ("make_predict_function", lambda m: m.predict(X)),
        ("make_predict_function", lambda m: m.predict_on_batch(X)),
    ],
)
def test_A10_steps_that_would_never_run_are_refused(name, call):
    kind = type("Mine", (striate.Sequential,), {name: lambda self, data: None})
    model = kind([striate.Input((5,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ModelError, match=rf"Mine defines {name}, which is not supported and would never run"):
        call(model)


def test_A10_predict_step_makes_the_predictions():
    class Doubled(striate.Sequential):
        def predict_step(self, data):
            (x,) = data
            return 2.0 * self(x, training=False)

    model = Doubled([striate.Input((5,)), layers.Dense(2)])
    np.testing.assert_allclose(model.predict(X), 2 * np.asarray(model(X)), rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(X), 2 * np.asarray(model(X)), rtol=1e-5)


def test_A10_compute_metrics_and_metrics_among_attributes():
    class Counting(striate.Sequential):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.largest = striate.metrics.Mean(name="largest")

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            self.largest.update_state(np.max(y_pred))
            return super().compute_metrics(x, y, y_pred, sample_weight) | {"largest": self.largest.result()}

    model = Counting([striate.Input((5,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=12, epochs=2, verbose=0).history
    assert list(history) == ["loss", "mae", "largest"]
    assert model.largest in model.metrics
    found = model.evaluate(X, Y, batch_size=12, verbose=0, return_dict=True)["largest"]
    assert found == pytest.approx(np.mean([model.predict(X[:12]).max(), model.predict(X[12:]).max()]))


def test_A10_older_names_of_hooks_and_outputs_of_predictions():
    seen = []

    class Old(striate.callbacks.Callback):
        def on_batch_begin(self, batch, logs=None):
            seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            seen.append(("end", batch, *logs))

        def on_predict_batch_end(self, batch, logs=None):
            seen.append(logs["outputs"])

    model = striate.Sequential([striate.Input((5,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=12, verbose=0, callbacks=[Old()])
    assert seen == [("begin", 0), ("end", 0, "loss"), ("begin", 1), ("end", 1, "loss")]
    seen.clear()
    predictions = model.predict(X, batch_size=12, callbacks=[Old()])
    np.testing.assert_array_equal(np.concatenate(seen), predictions)


@pytest.mark.parametrize("executor", ["reference", "native"])
def test_A10_statistics_of_a_layer_that_is_called_twice(executor):
    """A Siamese network: both calls move the statistics, one after the other, as in Keras."""
    keras, before = oracle.keras(), striate.runtime.settings().executor
    striate.set_executor(executor)
    found = []
    for library in (striate, keras):
        norm = library.layers.BatchNormalization(momentum=0.9)

        class Count(library.layers.Layer):
            def build(self, shape):
                self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

            def call(self, inputs):
                self.count.assign(self.count + 1.0)
                return inputs

        count, a, b = Count(), library.Input((5,)), library.Input((5,))
        model = library.Model([a, b], library.layers.Add()([count(norm(count(a))), norm(count(b))]))
        model.compile(library.optimizers.SGD(0.1), "mse")
        model.fit([X, 3 * X + 1], np.zeros((24, 5)), batch_size=12, epochs=1, shuffle=False, verbose=0)
        moving = [np.asarray(v) if library is striate else oracle.numbers(v.value) for v in norm.weights]
        found.append([*moving, float(np.asarray(count.count) if library is striate else count.count.value.item())])
    striate.set_executor(before)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert found[0][-1] == 6


def test_dropout_that_is_always_on_draws_anew_at_each_prediction():
    def predictions():
        striate.set_seed(5)
        begin = striate.Input((50,))
        model = striate.Model(begin, layers.Dropout(0.5)(begin, training=True))
        ones, predict = np.ones((4, 50), np.float32), model.predictor(4)
        model.compile("sgd", "mse")
        losses = [model.evaluate(ones, np.zeros((4, 50)), verbose=0) for _ in range(2)]
        return [
            model.predict(ones),
            model.predict(ones),
            model.predict_on_batch(ones),
            predict(ones),
            predict(ones),
        ], losses

    first, losses = predictions()
    assert len({array.tobytes() for array in first}) == len(first)
    assert losses[0] != losses[1]
    again, _ = predictions()
    np.testing.assert_array_equal(first, again)


def test_the_batches_of_one_prediction_draw_different_numbers():
    begin = striate.Input((50,))
    model = striate.Model(begin, layers.Dropout(0.5)(begin, training=True))
    found = model.predict(np.ones((8, 50), np.float32), batch_size=4)
    assert not np.array_equal(found[:4], found[4:])


@pytest.mark.parametrize(("steps", "epochs", "short"), [(2, 4, 2), (5, 2, 2), (1, 3, 0), (3, 2, 0)])
def test_A10_epochs_of_so_many_steps_go_on_where_the_last_one_ended(steps, epochs, short):
    """And end where the data does, with a warning."""
    keras = oracle.keras()
    found = []
    for library in (striate, keras):
        model = library.Sequential([library.Input((5,)), library.layers.Dense(2, kernel_initializer="ones")])
        model.compile(library.optimizers.SGD(0.1), "mse")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            history = model.fit(X, Y, batch_size=8, epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=0)
        found.append(history.history["loss"])
        if library is striate:
            assert len([one for one in told if "fit: the data ended after" in str(one.message)]) == short
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_sharing_a_layer_with_a_second_model_renames_it_in_neither(tmp_path):
    """Names belong to a model: a file of weights fits the model that wrote it, whatever was built since."""
    shared = layers.Dense(3)
    first = striate.Sequential([striate.Input((5,)), layers.Dense(4), shared])
    names = [layer.name for layer in first.layers]
    first.save_weights(tmp_path / "first.safetensors")
    second = striate.Sequential([striate.Input((4,)), shared, layers.Dense(3, name="dense_1")])
    assert [layer.name for layer in first.layers] == names == list(first.names.values()) == ["dense", "dense_1"]
    assert sorted(second.names.values()) == ["dense", "dense_1"]
    assert second.get_layer("dense_1") is second.layers[1]
    first.load_weights(tmp_path / "first.safetensors")
    second.save(tmp_path / "second.safetensors")
    x = np.ones((2, 4), np.float32)
    again = striate.load_model(tmp_path / "second.safetensors")
    np.testing.assert_array_equal(again.predict(x), second.predict(x))
    assert [output.name for output in second.activations(x)] == list(second.names.values())
    assert "dense_1" in str(second.explain(x, "dense_1", (0, 0)))
