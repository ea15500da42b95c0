"""ImageNet's 1,000 classes, and how photographs of them are prepared.

Source: Russakovsky et al., "ImageNet large scale visual recognition challenge" (2015); the names are WordNet's, as in
the file imagenet_labels.txt of google-coral/test_data (Apache-2.0).
"""

import functools
from pathlib import Path

from striate.data.photo import PhotoPreprocessing

#: What photographs are normalized by for weights trained with PyTorch: mean and deviation of ImageNet's channels.
PYTORCH = PhotoPreprocessing((224, 224), shorter_side=256, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))

#: The same for weights trained with TensorFlow: pixels from −1 to 1.
TENSORFLOW = PhotoPreprocessing((224, 224), shorter_side=256, mean=(127.5,), std=(127.5,))


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of the 1,000 classes of the challenge, in the order of their WordNet numbers."""
    return tuple((Path(__file__).parent / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines())
