"""Small folders of photographs for tests."""

import numpy as np
from PIL import Image


def photo(path, seed, size=(24, 20)):
    """Write a picture of noise; its suffix says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def stripes(root, count, classes=("down", "across"), first=0):
    """Pictures of upright ("down") and lying ("across") stripes in noise, PNG: anyone can learn them."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(first, first + count):
            random = np.random.default_rng([label, i])
            wave = 100 * np.sin(2 * np.pi * (np.arange(20) / 6 + random.random()))[None, :, None]
            pixels = 128 + np.broadcast_to(wave, (20, 20, 3)) + random.normal(0, 30, (20, 20, 3))
            upright = pixels if label == 0 else pixels.swapaxes(0, 1)
            Image.fromarray(upright.clip(0, 255).astype(np.uint8)).save(root / name / f"{i:03d}.png")
    return root
