"""Training: losses, metrics, optimizers, schedules, callbacks, and the loop that brings them together."""
