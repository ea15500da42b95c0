"""Readers of arrays, pictures, folders and drawings, all of them untrusted."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.data.cifar import read_cifar10, read_cifar100
    from striate.data.coco import Coco, CocoImage, read_coco
    from striate.data.downloads import download
    from striate.data.drawing import Preprocessing, render
    from striate.data.folder import ImageFolder, epoch_order, image_dataset_from_directory
    from striate.data.idx import read_idx, write_idx
    from striate.data.images import decode_image
    from striate.data.npz import read_npy, read_npz
    from striate.data.photo import PhotoPreprocessing
    from striate.data.safetensors import read_safetensors
    from striate.data.wav import Sound, read_wav

#: The module of each name; a reader is imported on first use, so that importing this package stays fast.
_HOMES = {
    "read_cifar10": "cifar",
    "read_cifar100": "cifar",
    "Coco": "coco",
    "CocoImage": "coco",
    "read_coco": "coco",
    "download": "downloads",
    "Preprocessing": "drawing",
    "render": "drawing",
    "ImageFolder": "folder",
    "epoch_order": "folder",
    "image_dataset_from_directory": "folder",
    "read_idx": "idx",
    "write_idx": "idx",
    "decode_image": "images",
    "read_npy": "npz",
    "read_npz": "npz",
    "PhotoPreprocessing": "photo",
    "read_safetensors": "safetensors",
    "Sound": "wav",
    "read_wav": "wav",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"striate.data.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Coco",
    "CocoImage",
    "ImageFolder",
    "PhotoPreprocessing",
    "Preprocessing",
    "Sound",
    "decode_image",
    "download",
    "epoch_order",
    "image_dataset_from_directory",
    "read_cifar10",
    "read_cifar100",
    "read_coco",
    "read_idx",
    "read_npy",
    "read_npz",
    "read_safetensors",
    "read_wav",
    "render",
    "write_idx",
]
