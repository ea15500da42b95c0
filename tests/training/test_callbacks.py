"""Callbacks, on a stand-in for a model: Keras's decisions on the same numbers, files, progress, messages."""

import csv
import io
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.errors import ArgumentError, ModelError
from striate.training.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgbarLogger,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from striate.training.callbacks.callback import HOOKS
from striate.training.callbacks.progress import _clock, _duration, _number
from striate.training.optimizers import SGD
from striate.training.schedules import ExponentialDecay
from tests.training import oracle


class Model:
    """Weights that say which epoch they are from, and a record of what was saved."""

    def __init__(self, learning_rate: Any = 1.0):
        self.optimizer: Any = SGD(learning_rate)
        self.stop_training = False
        self.weights = np.zeros(1)
        self.saved: list[str] = []

    def get_weights(self) -> list[np.ndarray]:
        return [self.weights.copy()]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weights = weights[0]

    def save(self, filepath: str) -> None:
        Path(filepath).write_text("model")
        self.saved.append(filepath)

    def save_weights(self, filepath: str) -> None:
        Path(filepath).write_text("weights")
        self.saved.append(filepath)


def train(callback: Any, losses: Any, name: str = "val_loss", model: Any = None, batches: int = 0) -> Any:
    """Show a callback one epoch for each number, under this name in the logs; give back the model."""
    model = model or Model()
    callback.set_model(model)
    callback.on_train_begin({})
    for epoch, value in enumerate(losses):
        callback.on_epoch_begin(epoch, {})
        model.weights = np.array([epoch + 1.0])
        for batch in range(batches):
            callback.on_train_batch_end(batch, {"loss": value})
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    callback.on_train_end({})
    return model


# The list


def test_every_hook_reaches_every_callback_in_order() -> None:
    seen: list[str] = []
    hooks = {hook: lambda *arguments, name=hook: seen.append(f"{name} {arguments}") for hook in HOOKS}
    calls = CallbackList([LambdaCallback(**hooks), LambdaCallback(**hooks)])
    for hook in HOOKS:
        numbered = "epoch" in hook or "batch" in hook
        getattr(calls, hook)(*([3] if numbered else []), {"loss": 1})
        arguments = "(3, {'loss': 1})" if numbered else "({'loss': 1},)"
        assert seen == [f"{hook} {arguments}"] * 2
        seen.clear()
        getattr(calls, hook)(*([3] if numbered else []))
        assert seen == [f"{hook} {'(3, {})' if numbered else '({},)'}"] * 2
        seen.clear()


def test_hooks_are_those_of_keras() -> None:
    theirs = {name for name in dir(oracle.keras().callbacks.Callback) if name.startswith("on_")}
    assert set(HOOKS) == theirs


def test_model_and_params_reach_every_callback() -> None:
    model, params = Model(), {"epochs": 3}
    first, second = Callback(), Callback()
    CallbackList([first, second], model, params)
    assert first.model is second.model is model
    assert first.params == second.params == params
    assert len(CallbackList(first).callbacks) == 1
    assert CallbackList().callbacks == []


def test_a_list_of_something_else() -> None:
    with pytest.raises(ArgumentError, match=r"CallbackList: expected instances of Callback, got 'x'"):
        CallbackList(["x"])  # type: ignore[list-item]


def test_a_callback_without_a_model() -> None:
    with pytest.raises(ModelError, match=r"EarlyStopping: no model yet; give the callback to fit"):
        EarlyStopping().model  # noqa: B018


def test_lambda_callback() -> None:
    seen: list[int] = []
    callback = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch), on_train_end=None)
    train(callback, [1, 2])
    assert seen == [0, 1]
    with pytest.raises(ArgumentError, match=r"LambdaCallback: expected hooks among on_train_begin, .*; got 'on_end'"):
        LambdaCallback(on_end=print)
    with pytest.raises(ArgumentError, match=r"LambdaCallback: expected a function for on_epoch_end, got 3"):
        LambdaCallback(on_epoch_end=3)  # type: ignore[arg-type]


# Stopping


CURVES = {
    "falls then rises": [5, 4, 3, 3.5, 4, 5, 6, 7],
    "falls": [5, 4, 3, 2, 1],
    "flat": [1.0] * 8,
    "slowly": [1, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94],
    "ups and downs": [3, 4, 2, 5, 1, 6, 0.5, 7, 7, 7],
}
STOPPING = [
    {"patience": 2},
    {"patience": 0},
    {"patience": 2, "restore_best_weights": True},
    {"patience": 3, "min_delta": 0.05},
    {"patience": 2, "mode": "max", "restore_best_weights": True},
    {"patience": 2, "baseline": 3.2, "restore_best_weights": True},
    {"patience": 1, "start_from_epoch": 3, "restore_best_weights": True},
]


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
@pytest.mark.parametrize("settings", STOPPING, ids=str)
def test_early_stopping_decides_as_keras_does(settings: dict[str, Any], curve: list[float]) -> None:
    ours, theirs = EarlyStopping(**settings), oracle.keras().callbacks.EarlyStopping(**settings)
    our_model, their_model = train(ours, curve), train(theirs, curve)
    assert ours.stopped_epoch == theirs.stopped_epoch
    assert our_model.stop_training == their_model.stop_training
    assert our_model.weights == their_model.weights


def test_early_stopping_by_hand(capsys: Any) -> None:
    stop = EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model = train(stop, [3, 2, 2.5, 2.1, 1])
    assert stop.stopped_epoch == 3
    assert model.weights == [2]
    assert capsys.readouterr().out == "Epoch 4: early stopping\nRestoring the weights of the best epoch, 2\n"

    assert train(EarlyStopping("val_accuracy", patience=1), [0.5, 0.6, 0.6], "val_accuracy").stop_training
    assert not train(EarlyStopping("val_accuracy", patience=1), [0.5, 0.6, 0.7], "val_accuracy").stop_training


def test_a_first_nan_is_no_best() -> None:
    stop = EarlyStopping(patience=3)
    train(stop, [math.nan, 3, 2])
    assert stop.best == 2


def test_a_second_training_starts_anew() -> None:
    stop = EarlyStopping(patience=1)
    assert train(stop, [1, 2]).stop_training
    assert not train(stop, [5, 4]).stop_training


def test_a_missing_number_is_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"EarlyStopping: expected 'val_loss' in the logs, got loss"):
        train(EarlyStopping(), [1], "loss")
    with pytest.warns(UserWarning, match=r"EarlyStopping: expected 'val_loss' in the logs, got nothing"):
        EarlyStopping().on_epoch_end(0, {})


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val_loss", "min"), ("val_mean_squared_error", "min"), ("mae", "min"), ("head_loss", "min"), ("acc", "max"),
     ("val_sparse_top_k_categorical_accuracy", "max"), ("val_auc", "max"), ("f1_score", "max"), ("recall", "max")],
)  # fmt: skip
def test_which_way_is_better_is_told_by_the_name(name: str, mode: str) -> None:
    assert EarlyStopping(name).monitor.mode == mode


def test_a_name_or_mode_that_does_not_tell() -> None:
    with pytest.raises(ArgumentError, match=r"EarlyStopping: the name 'my_number' does not say which way is better"):
        EarlyStopping("my_number")
    with pytest.raises(ArgumentError, match=r"ReduceLROnPlateau: expected mode 'auto', 'min' or 'max', got 'up'"):
        ReduceLROnPlateau(mode="up")


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_terminate_on_nan(loss: float, capsys: Any) -> None:
    callback, model = TerminateOnNaN(), Model()
    callback.set_model(model)
    callback.on_train_batch_end(0, {"loss": 1.0})
    callback.on_train_batch_end(1, {})
    assert not model.stop_training
    callback.on_train_batch_end(2, {"loss": loss})
    assert model.stop_training
    assert capsys.readouterr().out == f"Batch 3: the loss is {loss}, training stops\n"


# Saving


def test_checkpoint_after_each_epoch_with_numbers_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "inside" / "{epoch:02d}-{val_loss:.2f}.safetensors"
    model = train(ModelCheckpoint(path), [1.234, 0.5])
    assert model.saved == [str(tmp_path / "inside" / n) for n in ("01-1.23.safetensors", "02-0.50.safetensors")]
    assert Path(model.saved[0]).read_text() == "model"


def test_checkpoint_of_the_best_only(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "{epoch}"
    model = train(ModelCheckpoint(path, save_best_only=True, save_weights_only=True, verbose=1), [3, 4, math.nan, 2])
    assert [Path(p).name for p in model.saved] == ["1", "4"]
    assert Path(model.saved[0]).read_text() == "weights"
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 1: saved {tmp_path / '1'}",
        "Epoch 2: val_loss is 4.00000, not better than 3.0",
        "Epoch 3: val_loss is nan, not better than 3.0",
        f"Epoch 4: saved {tmp_path / '4'}",
    ]


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
@pytest.mark.parametrize("settings", [{}, {"mode": "max"}, {"initial_value_threshold": 2.5}], ids=str)
def test_checkpoint_saves_the_epochs_that_keras_saves(settings: dict[str, Any], curve: Any, tmp_path: Path) -> None:
    ours = train(ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True, **settings), curve)
    theirs = oracle.keras().callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"), save_best_only=True, **settings)

    class Recorder:
        metrics: list[Any] = []  # noqa: RUF012
        saved: list[str] = []  # noqa: RUF012

        def save(self, path: str, overwrite: bool) -> None:
            self.saved.append(path)

    Recorder.saved = []
    theirs.set_model(Recorder())
    for epoch, value in enumerate(curve):
        theirs.on_epoch_begin(epoch)
        theirs.on_epoch_end(epoch, {"val_loss": value})
    assert ours.saved == Recorder.saved


def test_checkpoint_after_batches(tmp_path: Path) -> None:
    model = train(ModelCheckpoint(tmp_path / "{epoch}-{batch}", save_freq=3), [1, 1], batches=4)
    assert [Path(p).name for p in model.saved] == ["1-3", "2-2"]


def test_checkpoint_without_its_number_saves_and_warns(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"ModelCheckpoint: expected 'val_loss' in the logs, got loss"):
        model = train(ModelCheckpoint(tmp_path / "a", save_best_only=True), [1], "loss")
    assert len(model.saved) == 1


def test_checkpoint_that_cannot_be(tmp_path: Path) -> None:
    for save_freq in (0, "batch", True):
        with pytest.raises(ArgumentError, match=r"expected save_freq 'epoch' or a number of batches, got"):
            ModelCheckpoint("a", save_freq=save_freq)
    with pytest.raises(ArgumentError, match=r"asks for 'val_acc', but there is epoch, val_loss"):
        train(ModelCheckpoint(tmp_path / "{val_acc}"), [1])
    with pytest.raises(ArgumentError, match=r"ModelCheckpoint: the name 'number' does not say which way is better"):
        ModelCheckpoint("a", "number", save_best_only=True)
    ModelCheckpoint("a", "number")  # nothing is compared: no way needs to be better


# Learning rate


def test_learning_rate_scheduler(capsys: Any) -> None:
    model = train(LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate, verbose=1), [0, 0, 0])
    assert model.optimizer.learning_rate == 0.25
    assert capsys.readouterr().out.splitlines()[-1] == "Epoch 3: learning rate 0.25"
    assert train(LearningRateScheduler(lambda epoch: 10.0 - epoch), [0, 0]).optimizer.learning_rate == 9
    assert train(LearningRateScheduler(ExponentialDecay(1.0, 1, 0.5)), [0, 0, 0]).optimizer.learning_rate == 0.25


def test_learning_rate_scheduler_writes_to_the_logs() -> None:
    callback = LearningRateScheduler(lambda epoch: 0.5)
    callback.set_model(Model())
    logs = {"loss": 1.0}
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "learning_rate": 0.5}


def test_an_error_inside_the_schedule_is_not_hidden() -> None:
    def schedule(epoch: int, rate: float) -> float:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        train(LearningRateScheduler(schedule), [0])


PLATEAUS = [
    {"patience": 1},
    {"patience": 2, "factor": 0.5, "min_lr": 0.3},
    {"patience": 1, "cooldown": 2},
    {"patience": 2, "min_delta": 0.5},
    {"patience": 1, "mode": "max", "factor": 0.2},
]


@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
@pytest.mark.parametrize("settings", PLATEAUS, ids=str)
def test_reduce_on_plateau_decides_as_keras_does(settings: dict[str, Any], curve: list[float]) -> None:
    ours, theirs = ReduceLROnPlateau(**settings), oracle.keras().callbacks.ReduceLROnPlateau(**settings)
    for epochs in range(1, len(curve) + 1):
        expected = train(theirs, curve[:epochs]).optimizer.learning_rate
        assert train(ours, curve[:epochs]).optimizer.learning_rate == pytest.approx(expected, rel=1e-12), epochs


def test_reduce_on_plateau_waits_after_each_change() -> None:
    """By hand: epoch 1 is no better, so the rate is halved; the next two epochs do not count, the third does."""
    callback, rates = ReduceLROnPlateau(patience=1, factor=0.5, cooldown=2), []
    for epochs in range(1, 8):
        rates.append(train(callback, [1.0] * epochs).optimizer.learning_rate)
    assert rates == [1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    curve = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]  # what gets better meanwhile is remembered
    assert train(callback, curve).optimizer.learning_rate == 0.25


def test_reduce_on_plateau_says_so(capsys: Any) -> None:
    train(ReduceLROnPlateau(patience=1, verbose=1), [1, 1])
    assert capsys.readouterr().out == "Epoch 2: learning rate reduced to 0.1\n"
    with pytest.warns(
        UserWarning, match=r"ReduceLROnPlateau: expected 'val_loss' in the logs, got loss, learning_rate"
    ):
        train(ReduceLROnPlateau(), [1], "loss")
    for factor in (0, 1, -0.5):
        with pytest.raises(ArgumentError, match=r"ReduceLROnPlateau: expected factor above 0 and below 1, got"):
            ReduceLROnPlateau(factor=factor)


# Records


def test_history() -> None:
    history = History()
    train(history, [3, 2], "loss")
    assert history.epoch == [0, 1]
    assert history.history == {"loss": [3, 2]}


def rows(path: Path, separator: str = ",") -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_csv_logger(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 0.1, "accuracy": 1 / 3})
    assert rows(path) == [["epoch", "accuracy", "loss"], ["0", str(1 / 3), "0.1"]]  # readable while training goes on
    logger.on_epoch_end(1, {"loss": 0.05})
    logger.on_train_end()
    assert rows(path)[2] == ["1", "NA", "0.05"]
    logger.on_epoch_end(2, {"loss": 0.0})  # outside of a training: nothing
    assert len(rows(path)) == 3


def test_csv_logger_appends_or_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    train(CSVLogger(path, separator=";"), [3, 2], "loss")
    train(CSVLogger(path, separator=";", append=True), [1], "loss")
    assert rows(path, ";") == [["epoch", "loss"], ["0", "3"], ["1", "2"], ["0", "1"]]
    train(CSVLogger(path), [9], "loss")
    assert rows(path) == [["epoch", "loss"], ["0", "9"]]
    train(CSVLogger(tmp_path / "new.csv", append=True), [9], "loss")
    assert rows(tmp_path / "new.csv") == [["epoch", "loss"], ["0", "9"]]


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(monkeypatch: Any, stream: io.StringIO, verbose: int, steps: int | None = 3, seconds: float = 2.0) -> str:
    """What is printed for two epochs of three batches, ``seconds`` each, with an evaluation inside."""
    now = iter(np.arange(0, 10_000, seconds))
    monkeypatch.setattr("striate.training.callbacks.progress.time.perf_counter", lambda: float(next(now)))
    monkeypatch.setattr("sys.stdout", stream)
    bar = CallbackList(ProgbarLogger(), params={"verbose": verbose, "epochs": 2, "steps": steps})
    bar.on_train_begin()
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        for batch in range(3):
            bar.on_train_batch_end(batch, {"loss": 0.5})
        bar.on_test_begin()
        bar.on_test_batch_end(0, {"loss": 9.0})
        bar.on_test_end({"loss": 9.0})
        bar.on_epoch_end(epoch, {"loss": 0.5, "val_accuracy": 0.00001})
    bar.on_train_end()
    return stream.getvalue()


@pytest.mark.parametrize("verbose", [1, 2])
def test_one_clean_line_per_epoch_when_piped(monkeypatch: Any, verbose: int) -> None:
    out = show(monkeypatch, io.StringIO(), verbose)
    numbers = "loss: 0.5000 - val_accuracy: 1.0000e-05"
    assert out.splitlines() == [
        f"Epoch 1/2 - 3/3 - 8s - 3s/step - {numbers}",
        f"Epoch 2/2 - 3/3 - 8s - 3s/step - {numbers}",
    ]
    assert "\r" not in out


def test_verbose_2_draws_no_bar_on_a_terminal(monkeypatch: Any) -> None:
    out = show(monkeypatch, Terminal(), verbose=2)
    assert len(out.splitlines()) == 2
    assert "\r" not in out


def test_a_terminal_sees_the_line_redrawn(monkeypatch: Any) -> None:
    out = show(monkeypatch, Terminal(), verbose=1)
    first, *redrawn = out.split("\n")[1].split("\r")
    assert out.split("\n")[0] == "Epoch 1/2"
    assert first == ""
    assert redrawn[0] == "1/3 ━━━━━━────────────── - 4s - 2s/step - loss: 0.5000"
    assert redrawn[1] == "2/3 ━━━━━━━━━━━━━─────── - 2s - 2s/step - loss: 0.5000"
    assert redrawn[-1].rstrip() == "3/3 ━━━━━━━━━━━━━━━━━━━━ - 8s - 3s/step - loss: 0.5000 - val_accuracy: 1.0000e-05"
    assert out.endswith("\n")


def test_a_shorter_line_hides_the_longer_one_under_it(monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    bar = CallbackList(ProgbarLogger(), params={"verbose": 1, "steps": 2})
    bar.on_test_begin()
    bar.on_test_batch_end(0, {"a_long_name": 1.0})
    bar.on_test_end({"b": 1.0})
    longer, shorter = sys.stdout.getvalue().rstrip("\n").split("\r")[1:]  # type: ignore[attr-defined]
    assert len(shorter) >= len(longer)


def test_redraws_are_rare(monkeypatch: Any) -> None:
    out = show(monkeypatch, Terminal(), verbose=1, seconds=0.03)
    assert out.count("\r") == 2 * 2  # the first batch and the end of each epoch


def test_a_line_is_cut_to_the_terminal(monkeypatch: Any) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((20, 24)))
    lines = show(monkeypatch, Terminal(), verbose=1).split("\n")[1].split("\r")
    assert lines[1] == "1/3 ━━━━━━─────────"


def test_the_count_of_batches_may_be_unknown(monkeypatch: Any) -> None:
    out = show(monkeypatch, Terminal(), verbose=1, steps=None)
    redrawn = out.split("\n")[1].split("\r")
    assert redrawn[1] == "1 - 2s - 2s/step - loss: 0.5000"
    assert redrawn[-1].startswith("3/3 ━━━")


def test_evaluation_and_prediction_show_progress_too(monkeypatch: Any, capsys: Any) -> None:
    bar = CallbackList(ProgbarLogger(), params={"verbose": 1, "steps": 2})
    bar.on_test_begin()
    bar.on_test_batch_end(0, {"loss": 1.0})
    bar.on_test_batch_end(1, {"loss": 2.0})
    bar.on_test_end({"loss": 2.0})
    bar.on_predict_begin()
    bar.on_predict_batch_end(0, {"outputs": np.zeros(3)})
    bar.on_predict_end({"outputs": np.zeros(3)})
    evaluation, prediction = capsys.readouterr().out.splitlines()
    assert evaluation.startswith("2/2 - 0s - ")
    assert evaluation.endswith("/step - loss: 2.0000")
    assert prediction.startswith("1/1 - 0s - ")
    assert "outputs" not in prediction


def test_silence(monkeypatch: Any) -> None:
    assert show(monkeypatch, Terminal(), verbose=0) == ""


def test_how_numbers_are_written() -> None:
    assert [_clock(s) for s in (0, 59.4, 61, 3600, 3725)] == ["0s", "59s", "1:01", "1:00:00", "1:02:05"]
    assert [_duration(s) for s in (2, 0.0154, 0.00008)] == ["2s", "15ms", "80us"]
    assert [_number(v) for v in (0.0, 0.5, 12, 1e-4, -3e-5, math.nan)] == [
        "0.0000", "0.5000", "12.0000", "1.0000e-04", "-3.0000e-05", "nan",
    ]  # fmt: skip
    assert _number(np.array([1, 2])) == "[1 2]"
    assert _number(np.float32(0.25)) == "0.2500"
