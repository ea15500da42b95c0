"""Callbacks: what else happens between the steps of training, such as at the end of an epoch."""

from striate.training.callbacks.callback import Callback, CallbackList, LambdaCallback
from striate.training.callbacks.checkpoint import ModelCheckpoint
from striate.training.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from striate.training.callbacks.progress import ProgbarLogger
from striate.training.callbacks.records import CSVLogger, History
from striate.training.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
