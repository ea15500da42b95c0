"""Reading what people have: arrays, pictures, folders and drawings, all of it untrusted."""

from striate.data.drawing import Preprocessing, render
from striate.data.folder import ImageFolder, epoch_order, image_dataset_from_directory
from striate.data.idx import read_idx, write_idx
from striate.data.images import decode_image
from striate.data.npz import read_npy, read_npz
from striate.data.photo import PhotoPreprocessing
from striate.data.safetensors import read_safetensors

__all__ = [
    "ImageFolder",
    "PhotoPreprocessing",
    "Preprocessing",
    "decode_image",
    "epoch_order",
    "image_dataset_from_directory",
    "read_idx",
    "read_npy",
    "read_npz",
    "read_safetensors",
    "render",
    "write_idx",
]
