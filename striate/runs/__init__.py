"""Training on a folder of photographs, as ``striate train FOLDER`` does it: settings, run folder, scores, report."""

from striate.runs.folder import RunFolder, is_run
from striate.runs.report import write_report
from striate.runs.scores import Scores, score
from striate.runs.training import PhotoSettings, PhotoTraining, TrainedPhotos
from striate.runs.transfer import freeze_layers, set_depth_rates, transfer_weights

__all__ = [
    "PhotoSettings",
    "PhotoTraining",
    "RunFolder",
    "Scores",
    "TrainedPhotos",
    "freeze_layers",
    "is_run",
    "score",
    "set_depth_rates",
    "transfer_weights",
    "write_report",
]
