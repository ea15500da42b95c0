"""Striate, through its public doors alone."""

from collections.abc import Callable
from typing import Any

from benchmarks.contenders.contender import Contender
from benchmarks.workloads import Workload, data
from striate.layers import Dropout
from striate.models import Model
from striate.runtime import ReferenceExecutor
from striate.training.optimizers import SGD, Adam, Optimizer


def optimizer(workload: Workload) -> Optimizer:
    """The workload's optimizer with PyTorch's settings."""
    if workload.optimizer == "adam":
        return Adam(workload.learning_rate, epsilon=1e-8)
    return SGD(workload.learning_rate, momentum=0.9)


def compiled(workload: Workload) -> Model:
    """The workload's network, ready to train if that is what it does."""
    net = workload.net
    model = net.striate_model(net.input_shape, net.classes)
    if workload.kind == "train":
        model.compile(optimizer(workload), "sparse_categorical_crossentropy")
    return model


def step(workload: Workload, model: Model) -> Callable[[], Any]:
    """The workload done once."""
    x, y = data(workload)
    if workload.kind == "train":
        return lambda: model.train_on_batch(x, y)
    return lambda: model.predict_on_batch(x)


def contenders(workload: Workload, model: Model) -> list[Contender]:
    """The ways to do it: predictions with and without the checks of `predict_on_batch`."""
    found = [Contender("striate", "", step(workload, model))]
    if workload.kind == "infer":
        x, _ = data(workload)
        predict = model.predictor(workload.batch)
        found.append(Contender("striate", "predictor", lambda: predict(x)))
    return found


def without_kernel(model: Model) -> list[str]:
    """The operations that ran on the reference executor, in all that the model has done."""
    executors = [*model.executors.values(), *(model.training_step.executors if model.optimizer else [])]
    return sorted(
        node.name
        for executor in executors
        for node in (executor.graph.nodes if isinstance(executor, ReferenceExecutor) else executor.without_kernel)
    )


def drop_nothing(model: Model) -> None:
    """Switch dropout off: two libraries draw different numbers, and losses could not be compared."""
    for layer in model.layers:
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    model.forget_compiled()
