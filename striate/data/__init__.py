"""Reading what people have: arrays, pictures, folders and drawings, all of it untrusted."""

from striate.data.augmentation import Augmentation
from striate.data.checks import check_photos
from striate.data.drawing import Preprocessing, render
from striate.data.folder import ImageFolder, epoch_order, image_dataset_from_directory
from striate.data.idx import read_idx, write_idx
from striate.data.images import decode_image
from striate.data.npz import read_npy, read_npz
from striate.data.photo import PhotoPreprocessing
from striate.data.photo_batches import PhotoBatches
from striate.data.photo_folder import find_photos

__all__ = [
    "Augmentation",
    "ImageFolder",
    "PhotoBatches",
    "PhotoPreprocessing",
    "Preprocessing",
    "check_photos",
    "decode_image",
    "epoch_order",
    "find_photos",
    "image_dataset_from_directory",
    "read_idx",
    "read_npy",
    "read_npz",
    "render",
    "write_idx",
]
