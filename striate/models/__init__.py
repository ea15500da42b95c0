"""Networks: functional, sequential and subclassed models, their summaries and files."""

from striate.layers import Input, InputLayer
from striate.models.facts import Facts
from striate.models.formats import FORMATS, Format
from striate.models.model import Model
from striate.models.saving import load_model
from striate.models.sequential import Sequential
from striate.models.summary import Summary, summarize

__all__ = [
    "FORMATS",
    "Facts",
    "Format",
    "Input",
    "InputLayer",
    "Model",
    "Sequential",
    "Summary",
    "load_model",
    "summarize",
]
