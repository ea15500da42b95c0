"""Networks with a name and a paper: ``striate.architectures.lenet5()`` and its like; `ARCHITECTURES` lists them."""

from striate.architectures.architecture import Architecture
from striate.architectures.lenet import LENET5, lenet5
from striate.architectures.ocr import OCR, ocr
from striate.architectures.simple import SIMPLE, simple

ARCHITECTURES: dict[str, Architecture] = {one.name: one for one in (LENET5, OCR, SIMPLE)}

__all__ = ["ARCHITECTURES", "Architecture", "lenet5", "ocr", "simple"]
