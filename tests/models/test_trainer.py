"""The training loop: compile, fit, evaluate, predict."""

import hashlib

import numpy as np
import pytest

import striate
from striate import layers
from striate.callbacks import Callback
from striate.errors import ArgumentError, DataError, ModelError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.random((120, 6, 6, 1), np.float32)
Y = (X.mean(axis=(1, 2, 3)) > 0.5).astype(int) + (X[:, 0, 0, 0] > 0.5)


def network(classes=3, seed=0):
    striate.set_seed(seed)
    return striate.Sequential(
        [
            striate.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def compiled(loss="sparse_categorical_crossentropy", **kwargs):
    model = network()
    model.compile("adam", loss, **kwargs)
    return model


def fingerprint(model):
    return hashlib.sha256(b"".join(v.value.tobytes() for v in model.weights)).hexdigest()


def test_fit_learns_and_reports():
    model = compiled(metrics=["accuracy"])
    history = model.fit(X, Y, epochs=15, batch_size=16, verbose=0, validation_data=(X[:20], Y[:20]))
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
    assert model.history is history


def test_R1_same_seed_same_bits():
    """Also with another batch size for evaluation, other callbacks, and validation in between."""
    prints = set()
    for validation in (None, (X[:7], Y[:7])):
        model = compiled()
        model.fit(X, Y, epochs=2, verbose=0, validation_data=validation)
        prints.add(fingerprint(model))
    assert len(prints) == 1
    other = network(seed=1)
    other.compile("adam", "sparse_categorical_crossentropy")
    other.fit(X, Y, epochs=2, verbose=0)
    assert fingerprint(other) not in prints


def test_shuffling_is_a_function_of_the_seed():
    class Order(Callback):
        seen = ()

        def on_train_batch_end(self, batch, logs=None):
            self.seen += (round(logs["loss"], 6),)

    losses = []
    for shuffle in (True, False):
        order = Order()
        model = network()
        model.compile(striate.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        model.fit(X, Y, epochs=2, batch_size=32, verbose=0, shuffle=shuffle, callbacks=[order])
        losses.append(order.seen)
    assert losses[0] != losses[1]


def test_every_epoch_takes_all_samples_in_an_order_of_its_own():
    """The losses tell the samples: nothing is learned, and sample i has the loss 2ⁱ."""
    orders = []

    class Order(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.sums = [0.0]

        def on_train_batch_end(self, batch, logs=None):
            self.sums.append((batch + 1) * logs["loss"])  # the log is the mean so far

        def on_epoch_end(self, epoch, logs=None):
            orders.append(np.log2(np.diff(self.sums)).round().astype(int).tolist())

    for shuffle in (True, False):
        model = striate.Sequential([striate.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
        model.compile(striate.optimizers.SGD(0.0), "mse")
        x, y = np.ones((8, 1), np.float32), np.sqrt(2.0 ** np.arange(8)).astype(np.float32)[:, None]
        striate.set_seed(3)
        model.fit(x, y, batch_size=1, epochs=3, verbose=0, shuffle=shuffle, callbacks=[Order()])
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert orders[3:] == [list(range(8))] * 3


def test_validation_comes_after_every_so_many_epochs():
    seen = []

    class Seen(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append("val_loss" in logs)

    settings = {"epochs": 7, "validation_data": (X[:9], Y[:9]), "verbose": 0, "callbacks": [Seen()]}
    history = compiled().fit(X[:30], Y[:30], validation_freq=3, initial_epoch=1, **settings).history
    assert seen == [False, True, False, False, True, False]  # after the third epoch and the sixth
    assert len(history["val_loss"]) == 2


def test_one_step_equals_the_formula():
    """One step of plain gradient descent on a linear model, worked out by hand."""
    model = striate.Sequential([striate.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(striate.optimizers.SGD(0.1), "mse")
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([[1.0], [2.0]], np.float32)
    loss = model.train_on_batch(x, y)
    error = np.array([2.0, 5.0])  # x @ (1, 1) − y
    assert loss == pytest.approx((error**2).mean())
    gradient = (2 * error[:, None] * x).mean(axis=0)
    np.testing.assert_allclose(model.layers[0].kernel.value[:, 0], 1 - 0.1 * gradient, rtol=1e-6)
    np.testing.assert_allclose(model.layers[0].bias.value, -0.1 * 2 * error.mean(), rtol=1e-6)


def test_weights_of_samples_and_classes():
    base = network()
    results = []
    for weights in (
        {"sample_weight": np.where(Y == 2, 3.0, 1.0)},
        {"class_weight": {0: 1.0, 1: 1.0, 2: 3.0}},
    ):
        model = network()
        model.set_weights(base.get_weights())
        model.compile(striate.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        model.fit(X, Y, epochs=1, verbose=0, **weights)
        results.append(fingerprint(model))
    assert results[0] == results[1]
    one_hot = network()
    one_hot.compile(striate.optimizers.SGD(0.1), "categorical_crossentropy")
    one_hot.fit(X, striate.utils.to_categorical(Y), epochs=1, verbose=0, class_weight={0: 1, 1: 1, 2: 3.0})
    np.testing.assert_allclose(one_hot.get_weights()[0], model.get_weights()[0], atol=1e-6)


H, W = 2, 3
LABELS = np.random.default_rng(4).integers(0, 3, (6, H, W))
#: Targets, the loss, and the shape of one sample's output.
TARGETS = {
    "(N,)": (LABELS[:, 0, 0], "sparse_categorical_crossentropy", (3,)),
    "(N, 1)": (LABELS[:, 0, :1], "sparse_categorical_crossentropy", (3,)),
    "(N, C)": (np.eye(3)[LABELS[:, 0, 0]], "categorical_crossentropy", (3,)),
    "(N, W)": (LABELS[:, 0], "sparse_categorical_crossentropy", (W, 3)),
    "(N, H, W)": (LABELS, "sparse_categorical_crossentropy", (H, W, 3)),
    "(N, H, W, 1)": (LABELS[..., None], "sparse_categorical_crossentropy", (H, W, 3)),
    "(N, H, W, C)": (np.eye(3)[LABELS], "categorical_crossentropy", (H, W, 3)),
    "0 and 1 (N, 1)": (LABELS[:, 0, :1] // 2, "binary_crossentropy", (1,)),
    "0 and 1 (N, H, W, 1)": (LABELS[..., None] // 2, "binary_crossentropy", (H, W, 1)),
}


@pytest.mark.parametrize(("targets", "loss", "shape"), TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("own", [False, True], ids=["", "and of samples"])
def test_weights_of_classes_are_keras(targets, loss, shape, own):
    """Keras takes class_weight for samples only; for pixels its oracle is the same weights as sample_weight."""
    keras = pytest.importorskip("keras")
    logits = np.random.default_rng(5).normal(size=(6, *shape)).astype(np.float32)
    end = "sigmoid" if shape[-1] == 1 else "softmax"
    class_weight = {0: 0.5, 1: 4.0, 7: 9.0}  # 2 is left out
    labels = targets.argmax(-1) if targets.dtype.kind == "f" else targets
    if labels.shape[-1] == 1 and labels.ndim == len(shape) + 1:
        labels = labels[..., 0]
    weights = np.array([0.5, 4.0, 1.0])[labels]
    samples = np.arange(1, 7) / 4
    if own:
        weights = weights * samples.reshape(-1, *(1,) * (weights.ndim - 1))

    def compiled_in(library):
        x = library.Input(shape)
        model = library.Model(x, library.layers.Dense(shape[-1], activation=end)(x))
        model.layers[-1].set_weights([np.eye(shape[-1], dtype=np.float32), np.zeros(shape[-1], np.float32)])
        model.compile("sgd", loss)
        return model

    theirs = float(compiled_in(keras).test_on_batch(logits, targets, sample_weight=weights))
    given = {"sample_weight": samples} if own else {}
    mine = compiled_in(striate).train_on_batch(logits, targets, class_weight=class_weight, **given)
    assert mine == pytest.approx(theirs, rel=1e-5)
    if labels.ndim == 1 and not own:
        by_class = compiled_in(keras).train_on_batch(logits, targets, class_weight=class_weight)
        assert float(by_class) == pytest.approx(theirs, rel=1e-6)


def test_weights_of_classes_where_the_structure_is_not_known():
    """Of a model that has seen nothing yet, labels and one number for each class are told apart as in Keras."""

    class Mine(striate.Model):
        def __init__(self):
            super().__init__()
            self.end = layers.Dense(3, activation="softmax")

        def call(self, inputs):
            return self.end(inputs)

    x = np.ones((6, 4), np.float32)
    for y, loss in ((LABELS[:, 0, 0], "sparse_categorical_crossentropy"), (np.eye(3), "categorical_crossentropy")):
        model = Mine()
        model.compile("sgd", loss)
        assert np.isfinite(model.train_on_batch(x[: len(y)], y, class_weight={0: 2.0}))
    model = Mine()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ArgumentError, match=r"got \(6, 2, 3\) for an output of unknown shape\. Give sample_weight"):
        model.train_on_batch(np.ones((6, 2, 3, 4), np.float32), LABELS, class_weight={0: 2.0})


def test_R4_weights_of_samples_must_fit_the_labels():
    x = striate.Input((H, W, 3))
    model = striate.Model(x, layers.Dense(3, activation="softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(
        ShapeError, match=r"sample_weight of shape \(6,\) or \(6, 2, 3\) beside class_weight, got \(6, 9\)"
    ):
        model.train_on_batch(np.ones((6, H, W, 3)), LABELS, sample_weight=np.ones((6, 9)), class_weight={0: 2.0})


def test_validation_split_takes_the_last_samples():
    model = compiled(metrics=["accuracy"])
    history = model.fit(X, Y, epochs=1, validation_split=0.25, verbose=0, batch_size=30)
    expected = model.evaluate(X[90:], Y[90:], verbose=0)
    np.testing.assert_allclose(
        [history.history["val_loss"][0], history.history["val_accuracy"][0]], expected, rtol=1e-5
    )


def test_regularizers_add_to_the_loss():
    striate.set_seed(0)
    plain = striate.Sequential([striate.Input((3,)), layers.Dense(2)])
    heavy = striate.Sequential([striate.Input((3,)), layers.Dense(2, kernel_regularizer=striate.regularizers.L2(0.5))])
    heavy.set_weights(plain.get_weights())
    x, y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    for model in (plain, heavy):
        model.compile("sgd", "mse")
    penalty = 0.5 * (plain.get_weights()[0] ** 2).sum()
    assert heavy.evaluate(x, y, verbose=0) == pytest.approx(plain.evaluate(x, y, verbose=0) + penalty, rel=1e-5)


def test_frozen_layers_do_not_move():
    model = network()
    model.layers[0].trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.layers[0].get_weights()
    model.fit(X, Y, epochs=1, verbose=0)
    for old, new in zip(before, model.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_two_models_that_share_layers_train_in_turns():
    """As generators and discriminators do: whoever trains takes the shared parameters as they are now."""
    shared = layers.Dense(4)
    a, b = striate.Input((3,)), striate.Input((3,))
    first, second = striate.Model(a, layers.Dense(1)(shared(a))), striate.Model(b, layers.Dense(1)(shared(b)))
    x, y = np.ones((8, 3), np.float32), np.ones((8, 1), np.float32)
    for model in (first, second):
        model.compile(striate.optimizers.SGD(0.01), "mse")
    for _ in range(3):
        for model in (first, second):
            before = shared.kernel.numpy()
            model.train_on_batch(x, y)
            assert not np.array_equal(before, shared.kernel.value)


def test_sharing_layers_does_not_disturb_an_optimizer():
    """Another model's steps in between change its momentum not at all."""
    results = []
    for other_trains in (False, True):
        striate.set_seed(0)
        shared = layers.Dense(4)
        a, b = striate.Input((3,)), striate.Input((3,))
        first, second = striate.Model(a, layers.Dense(1)(shared(a))), striate.Model(b, layers.Dense(1)(shared(b)))
        first.compile(striate.optimizers.Adam(0.01), "mse")
        second.compile(striate.optimizers.SGD(0.0), "mse")
        x, y = np.arange(24, dtype=np.float32).reshape(8, 3), np.ones((8, 1), np.float32)
        for _ in range(4):
            first.train_on_batch(x, y)
            if other_trains:
                second.train_on_batch(x, y)
        results.append(shared.kernel.numpy())
    np.testing.assert_array_equal(*results)


def test_a_changed_network_is_traced_anew():
    model = striate.Sequential([striate.Input((3,)), layers.Dense(2)])
    x = np.ones((4, 3), np.float32)
    assert model.predict(x).shape == (4, 2)
    assert len(model.activations(x)) == 1
    model.add(layers.Dense(5))
    assert model.predict(x).shape == (4, 5)
    assert len(model.activations(x)) == 2


def test_the_last_smaller_batch_counts_as_much_as_it_has_samples():
    model = compiled(metrics=["accuracy"])
    whole = model.evaluate(X, Y, batch_size=120, verbose=0)
    parts = model.evaluate(X, Y, batch_size=50, verbose=0)
    np.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_iterables_are_begun_anew_and_iterators_go_on():
    model = compiled()
    batches = [(X[:40], Y[:40]), (X[40:80], Y[40:80], np.ones(40))]
    assert len(model.fit(iter(batches * 2), epochs=2, steps_per_epoch=2, verbose=0).epoch) == 2

    class Twice:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(batches)

    data = Twice()
    model.fit(data, epochs=3, verbose=0)
    assert data.passes == 3


def test_train_test_and_predict_on_batch():
    model = compiled(metrics=["accuracy"])
    loss, accuracy = model.test_on_batch(X, Y)
    assert model.train_on_batch(X, Y, return_dict=True).keys() == {"loss", "accuracy"}
    assert model.evaluate(X, Y, verbose=0)[0] < loss
    assert 0 <= accuracy <= 1
    np.testing.assert_array_equal(model.predict_on_batch(X), model.predict(X, batch_size=120))


def test_a_predictor_predicts_what_the_model_does():
    model = compiled()
    predict = model.predictor(batch_size=3)
    np.testing.assert_array_equal(predict(X[:3]), model.predict_on_batch(X[:3]))
    before = predict(X[:3])
    model.train_on_batch(X, Y)
    assert not np.array_equal(predict(X[:3]), before)  # it follows when weights change, and its results stay
    np.testing.assert_array_equal(predict(X[:3].astype(np.float64)), model.predict_on_batch(X[:3]))
    with pytest.raises(ShapeError, match="this graph takes x"):
        predict(X[:2])
    with pytest.raises(ArgumentError, match="predictor: expected batch_size of at least 1, got 0"):
        model.predictor(0)


def test_a_predictor_needs_a_graph():
    class Mine(striate.Model):
        def call(self, x):
            return x

    with pytest.raises(ModelError, match="predictor: this model has no graph of layers that tells what its inputs are"):
        Mine().predictor()


def test_steps_end_what_data_give():
    """And what comes behind them in an iterable is left where it is."""
    model = compiled()
    for call in (model.fit, model.evaluate, model.predict):
        batches = iter([(X[:8], Y[:8])] * 9)
        result = call(batches, **{"steps_per_epoch" if call == model.fit else "steps": 2}, verbose=0)
        assert len(list(batches)) >= 6
    assert result.shape == (16, 3)
    assert model.predict(X, batch_size=8, steps=2).shape == (16, 3)


def test_a_list_of_rows_is_one_array():
    model = striate.Sequential([striate.Input((2,)), layers.Dense(1, kernel_initializer="ones")])
    for rows in ([[1, 2], [3, 5]], [np.array([1, 2]), [3, 5]]):
        np.testing.assert_array_equal(model.predict(rows), [[3], [8]])


def test_stop_training():
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = compiled()
    assert len(model.fit(X, Y, epochs=5, batch_size=10, verbose=0, callbacks=[Stop()]).epoch) == 1


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: network().fit(X, Y), ModelError, "fit: the model is not compiled. Call model.compile"),
        (lambda m: network().evaluate(X, Y), ModelError, "evaluate: the model is not compiled"),
        (lambda m: m.fit(X, Y, epochs=0), ArgumentError, "fit: expected epochs of at least 1, got 0"),
        (lambda m: m.fit(X, Y, batch_size=0), ArgumentError, "fit: expected batch_size of at least 1, got 0"),
        (lambda m: m.fit(X, Y, batch_size=-5), ArgumentError, "fit: expected batch_size of at least 1, got -5"),
        (lambda m: m.fit(X, Y[:50]), ShapeError, "x has 120, y has 50"),
        (lambda m: m.fit(X, Y, sample_weight=np.ones(3)), ShapeError, "x has 120, sample_weight has 3"),
        (lambda m: m.fit(X, Y, validation_split=1.0), ArgumentError, "validation_split from 0 to below 1, got 1.0"),
        (lambda m: m.fit(X[:1], Y[:1], validation_split=0.9), ArgumentError, "leaves none of 1 samples to train on"),
        (lambda m: m.fit([(X, Y)], validation_split=0.5), DataError, "x: expected numbers"),
        (lambda m: m.fit(iter([(X, Y)]), validation_split=0.5), ArgumentError, "validation_split needs arrays"),
        (lambda m: m.fit(iter([(X, Y)]), Y), ArgumentError, "an iterable brings its own targets"),
        (lambda m: m.fit(iter([])), DataError, "the iterable of batches gave none"),
        (lambda m: m.fit(X, np.where(Y == 2, 3, Y)), DataError, "3"),
        (lambda m: m.fit(X, Y - 1), DataError, "-1"),
        (lambda m: m.fit(X, np.full(120, np.nan)), DataError, r"fit: y holds NaN, first at index \(0,\)"),
        (lambda m: m.fit(X * np.nan, Y), DataError, r"fit: x holds NaN, first at index \(0, 0, 0, 0\)"),
        (lambda m: m.fit(X[:0], Y[:0]), DataError, "x is empty"),
        (lambda m: m.fit(X, Y, class_weight={"a": 2.0}), ArgumentError, "class_weight to have integer labels, got 'a'"),
        (
            lambda m: m.fit(X, np.zeros((120, 4, 5)), class_weight={0: 2.0}),
            ArgumentError,
            r"class_weight needs targets .*, got \(120, 4, 5\) for an output of \(None, 3\)\. Give sample_weight",
        ),
        (lambda m: m.fit(X), ModelError, "expected targets for 1 outputs, got 0"),
        (lambda m: m.compile("adamm", "mse"), ArgumentError, "Did you mean 'Adam'"),
        (lambda m: m.compile("adam", "mse", speed=3), ArgumentError, "compile: unknown argument 'speed'"),
        (lambda m: m.fit({"wrong": X}, Y), ArgumentError, "expected x for input_layer, got wrong"),
    ],
)  # fmt: skip
def test_bad_calls_are_named(call, error, text):
    with pytest.raises(error, match=text):
        call(compiled())


def test_O10_targets_never_broadcast():
    model = striate.Sequential([striate.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ShapeError, match=r"\(4,\).*\(4, 1\)"):
        model.fit(np.ones((4, 3)), np.ones(4), verbose=0)


def test_progress_is_printed_in_clean_lines_when_piped(capsys):
    compiled(metrics=["accuracy"]).fit(X, Y, epochs=2, verbose=2)
    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert "\r" not in out
    assert "\x1b" not in out
    assert "accuracy" in out


def test_A1_class_weights_do_not_weigh_the_validation():
    """In Keras neither: val_loss is the same number with and without them, for the same weights of the network."""
    results = []
    for class_weight in (None, {0: 1.0, 1: 9.0, 2: 3.0}):
        model = network()
        model.compile(striate.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        model.layers[1].trainable = False
        results.append(model.fit(X, Y, epochs=1, verbose=0, validation_split=0.25, class_weight=class_weight).history)
    assert results[0]["val_loss"] == results[1]["val_loss"]
    assert results[0]["loss"] != results[1]["loss"]


def test_A1_validation_data_in_a_list():
    histories = []
    for kind in (tuple, list):
        model = compiled()
        histories.append(model.fit(X, Y, epochs=1, verbose=0, validation_data=kind((X[:9], Y[:9]))).history)
    assert histories[0] == histories[1]


def test_metrics_of_the_same_name_are_told_apart():
    model = compiled(metrics=[striate.metrics.SparseTopKCategoricalAccuracy(k=k, name="top") for k in (1, 2, 3)])
    results = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert list(results) == ["loss", "top", "top_1", "top_2"]
    assert results["top"] < results["top_2"] == 1


def two_headed():
    striate.set_seed(0)
    begin = striate.Input((6, 6, 1))
    hidden = layers.Flatten()(begin)
    model = striate.Model(begin, [layers.Dense(1, name="a")(hidden), layers.Dense(1, name="b")(hidden)])
    model.compile("sgd", "mse")
    return model


def test_A1_sample_weights_for_each_output():
    model, targets = two_headed(), [np.zeros((120, 1)), np.zeros((120, 1))]
    plain = model.evaluate(X, targets, verbose=0, return_dict=True)
    weighted = [np.ones(120), np.full(120, 3.0)]
    for weights in (weighted, dict(zip("ab", weighted, strict=True))):
        results = model.evaluate(X, targets, verbose=0, sample_weight=weights, return_dict=True)
        assert results["a_loss"] == pytest.approx(plain["a_loss"])
        assert results["b_loss"] == pytest.approx(3 * plain["b_loss"])
    with pytest.raises(ArgumentError, match="expected one sample_weight, or one for each of 2 outputs; got 3"):
        model.fit(X, targets, sample_weight=[np.ones(120)] * 3, verbose=0)


def test_A1_a_layer_adds_to_the_loss():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(striate.ops.sum(inputs) * 0.0 + 2.0)
            return inputs

    x, y = np.ones((4, 3), np.float32), np.ones((4, 3), np.float32)
    model = striate.Sequential([striate.Input((3,)), Penalty()])
    model.compile("sgd", "mse")
    assert model.evaluate(x, y, verbose=0) == 2
    assert model.train_on_batch(x, y) == 2
    np.testing.assert_array_equal(model.layers[0](x), x)


def test_a_penalty_on_activations_is_trained_too():
    """Two steps by hand: loss (w − 1)² + w²/2 at x = 1, so w ← w − 0.1·(2·(w − 1) + w)."""

    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(striate.ops.sum(inputs * inputs) * 0.5)
            return inputs

    model = striate.Sequential([striate.Input((1,)), layers.Dense(1, use_bias=False), Penalty()])
    model.compile(striate.optimizers.SGD(0.1), "mse")
    model.set_weights([np.array([[2.0]])])
    one = np.ones((1, 1), np.float32)
    assert model.train_on_batch(one, one) == pytest.approx(1 + 2)
    np.testing.assert_allclose(model.get_weights()[0], [[1.6]], rtol=1e-6)
    assert model.train_on_batch(one, one) == pytest.approx(0.36 + 1.28)
    np.testing.assert_allclose(model.get_weights()[0], [[1.32]], rtol=1e-6)
    assert model.evaluate(one, one, verbose=0) == pytest.approx(0.32**2 + 1.32**2 / 2)


def test_metrics_of_some_outputs_only():
    model, targets = two_headed(), [np.zeros((120, 1)), np.zeros((120, 1))]
    model.compile("sgd", "mse", metrics={"b": ["mae"]})
    results = model.evaluate(X, targets, verbose=0, return_dict=True)
    assert list(results) == ["loss", "a_loss", "b_loss", "b_mae"]
    assert results["b_mae"] == pytest.approx(np.abs(model.predict(X)[1]).mean(), rel=1e-5)


def test_a_metric_as_plain_data():
    model = compiled(metrics={"class_name": "SparseTopKCategoricalAccuracy", "config": {"k": 3, "name": "top"}})
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["top"] == 1


def test_R4_metrics_of_an_output_that_is_none():
    model, targets = two_headed(), [np.zeros((120, 1)), np.zeros((120, 1))]
    model.compile("sgd", "mse", metrics={"bb": ["mae"]})
    with pytest.raises(ArgumentError, match="compile: metrics names 'bb', but the outputs are a, b"):
        model.evaluate(X, targets, verbose=0)


def test_training_ends_with_the_last_logs():
    class Last(Callback):
        def on_train_end(self, logs=None):
            self.logs = logs

    model, last = compiled(), Last()
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X[:9], Y[:9]), callbacks=last)
    assert last.logs == {name: values[-1] for name, values in history.history.items()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"verbose": "loud"}, "fit: expected verbose 'auto', 0, 1 or 2, got 'loud'"),
        ({"validation_freq": 0}, "fit: expected validation_freq of at least 1, got 0"),
        ({"steps_per_epoch": 0}, "fit: expected steps_per_epoch of at least 1, got 0"),
        ({"validation_steps": 1.5}, "fit: expected validation_steps of at least 1, got 1.5"),
        ({"validation_split": "a"}, "fit: expected validation_split from 0 to below 1, got 'a'"),
        ({"validation_data": (X, Y, None, None)}, "fit: expected validation_data of x, y and sample_weight, got 4"),
    ],
)
def test_R4_arguments_of_fit(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        compiled().fit(X, Y, **arguments)


def test_hooks_at_the_beginning_and_end_are_called_and_know_the_steps():
    called = []

    class Watch(Callback):
        def on_train_begin(self, logs=None):
            called.append(("begin", self.params["steps"], self.params["epochs"]))

        def on_epoch_begin(self, epoch, logs=None):
            called.append(epoch)

        def on_train_end(self, logs=None):
            called.append("end")

    compiled().fit(X[:33], Y[:33], batch_size=16, epochs=2, verbose=0, callbacks=[Watch()])
    assert called == [("begin", 3, 2), 0, 1, "end"]


def test_training_that_was_stopped_has_no_more_epochs():
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    history = compiled().fit(X, Y, epochs=5, verbose=0, callbacks=[Stop()])
    assert history.epoch == [0, 1]


def test_samples_are_shuffled_unless_the_program_says_otherwise():
    weights = {}
    for name, settings in {"default": {}, "shuffled": {"shuffle": True}, "in order": {"shuffle": False}}.items():
        model = compiled()
        model.fit(X, Y, epochs=1, verbose=0, **settings)
        weights[name] = fingerprint(model)
    assert weights["default"] == weights["shuffled"] != weights["in order"]


def test_a_list_of_numbers_is_one_array():
    """Numbers of NumPy have a shape, (); they are not several targets."""
    once, again = compiled(), compiled()
    labels = Y[:4].astype(np.int64)
    assert once.train_on_batch(X[:4], list(labels)) == again.train_on_batch(X[:4], labels)
