"""Reading what people have: arrays, pictures, folders and drawings, all of it untrusted."""

from striate.data.cifar import read_cifar10, read_cifar100
from striate.data.coco import Coco, CocoImage, read_coco
from striate.data.download import download
from striate.data.drawing import Preprocessing, render
from striate.data.folder import ImageFolder, epoch_order, image_dataset_from_directory
from striate.data.idx import read_idx, write_idx
from striate.data.images import decode_image
from striate.data.npz import read_npy, read_npz
from striate.data.photo import PhotoPreprocessing
from striate.data.safetensors import read_safetensors
from striate.data.wav import Sound, read_wav

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
