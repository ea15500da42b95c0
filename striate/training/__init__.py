"""Training: losses, metrics, optimizers, schedules, callbacks, and the step that brings them together."""

from striate.training.step import Step

__all__ = ["Step"]
