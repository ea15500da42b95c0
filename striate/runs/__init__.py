"""Training on a folder of photographs, as ``striate train FOLDER`` does it: settings, run folder, scores, report."""

from striate.runs.fine_tuning import freeze_layers, set_depth_rates
from striate.runs.folder import RunFolder, is_run
from striate.runs.report import write_report
from striate.runs.scores import Scores, score
from striate.runs.training import PhotoSettings, PhotoTraining, TrainedPhotos

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
    "write_report",
]
