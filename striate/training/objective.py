"""What training minimises and what it reports: one loss and some metrics for each output of a network."""

from collections.abc import Mapping, Sequence
from typing import Any

from striate.configurable import free_name
from striate.errors import ArgumentError, ModelError
from striate.graph import Array, Tensor
from striate.training import losses as loss_functions
from striate.training import metrics as metric_classes


class Objective:
    """The losses and metrics of a compiled model.

    Arguments:
        loss: a loss, or a list or dictionary of one for each output; None: the model computes its own.
        metrics: a list of metrics, or a list or dictionary of lists, one for each output.
        loss_weights: a number for each output; default 1.
        output_names: the keys of dictionaries.

    Raises:
        ArgumentError: counts or names do not fit the outputs.
    """

    def __init__(self, loss: Any, metrics: Any, loss_weights: Any, output_names: Sequence[str]):
        self.names = list(output_names)
        given = [] if loss is None else self._for_outputs("loss", loss)
        self.losses = [loss_functions.get(one) for one in given]
        weights = [1.0] * len(self.names) if loss_weights is None else self._for_outputs("loss_weights", loss_weights)
        self.loss_weights = [float(weight) for weight in weights]
        if metrics is None:
            metrics = [[] for _ in self.names]
        elif len(self.names) == 1 and not _by_name(metrics):
            metrics = [metrics if isinstance(metrics, list | tuple) else [metrics]]
        elif _by_name(metrics):
            if unknown := [name for name in metrics if name not in self.names]:
                raise ArgumentError(
                    f"compile: metrics names {', '.join(map(repr, unknown))}, but the outputs are "
                    f"{', '.join(self.names)}."
                )
            metrics = [metrics.get(name, []) for name in self.names]
        self._wanted = [
            one if isinstance(one, list | tuple) else [one] for one in self._for_outputs("metrics", metrics)
        ]
        self._metrics: list[list[Any]] | None = None
        self._has_output_losses = False
        self.mean_loss = metric_classes.Mean(name="loss")
        self.output_losses = [metric_classes.Mean(name=f"{name}_loss") for name in self.names]

    def _for_outputs(self, what: str, value: Any) -> list[Any]:
        if isinstance(value, Mapping) and set(value) == set(self.names):
            return [value[name] for name in self.names]
        if not isinstance(value, list | tuple) and not _by_name(value):
            value = [value] * (len(self.names) if what == "loss" else 1)
        if isinstance(value, Mapping) or len(value) != len(self.names):
            raise ArgumentError(
                f"compile: expected {what} for the outputs {', '.join(self.names)}, one each; got {value!r}."
            )
        return list(value)

    def loss(self, targets: list[Tensor], predictions: list[Tensor], weights: list[Tensor]) -> list[Any]:
        """Each output's loss, a scalar in the graph; none where `compile` was given none.

        Raises:
            ModelError: there are not as many targets as outputs.
        """
        if not self.losses:
            return []
        if len(targets) != len(predictions):
            raise ModelError(f"fit: expected targets for {len(predictions)} outputs, got {len(targets)}.")
        each = weights if len(weights) == len(targets) else [weights[0] if weights else None] * len(targets)
        return [
            loss(target, prediction, weight)
            for loss, target, prediction, weight in zip(self.losses, targets, predictions, each, strict=True)
        ]

    def reset(self) -> None:
        """Reset all results, as at the beginning of an epoch."""
        for metric in (self.mean_loss, *self.output_losses, *self.all_metrics()):
            metric.reset_state()

    def update(self, loss: float, output_losses: Sequence[float], samples: int) -> None:
        """Take in the losses of one batch."""
        self.mean_loss.add(loss * samples, samples)
        self._has_output_losses = len(output_losses) == len(self.output_losses) > 1
        if self._has_output_losses:
            for mean, value in zip(self.output_losses, output_losses, strict=True):
                mean.add(value * samples, samples)

    def update_metrics(self, targets: list[Array], predictions: list[Array], weights: list[Array]) -> None:
        """Take in the targets and predictions of one batch."""
        if len(targets) != len(predictions):
            return
        if self._metrics is None:
            self._metrics = [
                [metric_classes.get(one, target.shape, prediction.shape) for one in wanted]
                for wanted, target, prediction in zip(self._wanted, targets, predictions, strict=True)
            ]
        for metrics, target, prediction in zip(self._metrics, targets, predictions, strict=True):
            for metric in metrics:
                metric.update_state(target, prediction)

    def logs(self) -> dict[str, float]:
        """All results so far by name, the loss first; a name that is taken gets a number: auc, auc_1."""
        results = {"loss": float(self.mean_loss.result())}
        if self._has_output_losses:
            results.update({mean.name: float(mean.result()) for mean in self.output_losses})
        for name, metrics in zip(self.names, self._metrics or [], strict=False):
            prefix = f"{name}_" if len(self.names) > 1 else ""
            for metric in metrics:
                results[free_name(f"{prefix}{metric.name}", results)] = metric.value()
        return results

    def all_metrics(self) -> list[Any]:
        """Those of all outputs, known once the first batch has been seen."""
        return [metric for metrics in self._metrics or [] for metric in metrics]


def _by_name(value: Any) -> bool:
    """Whether this says something for each output by its name, and is not the config of a single loss or metric."""
    return isinstance(value, Mapping) and "class_name" not in value
