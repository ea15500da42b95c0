"""Networks with a name and a paper: ``striate.architectures.resnet18()`` and its like; `ARCHITECTURES` lists them."""

from striate.architectures.alexnet import ALEXNET, ALEXNET_2012, alexnet, alexnet_2012
from striate.architectures.architecture import Architecture
from striate.architectures.efficientnet_lite import EFFICIENTNET_LITE0, efficientnet_lite0
from striate.architectures.googlenet import GOOGLENET, googlenet
from striate.architectures.inception_v3 import INCEPTION_V3, inception_v3
from striate.architectures.lenet import LENET5, lenet5
from striate.architectures.mobilenet_v2 import MOBILENET_V2, mobilenet_v2
from striate.architectures.ocr import OCR, ocr
from striate.architectures.resnet import (
    RESNET18,
    RESNET34,
    RESNET50,
    RESNET101,
    RESNET152,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from striate.architectures.resnet_cifar import (
    RESNET20,
    RESNET32,
    RESNET44,
    RESNET56,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
)
from striate.architectures.simple import SIMPLE, simple
from striate.architectures.squeezenet import (
    SQUEEZENET1_0,
    SQUEEZENET1_0_CAFFE,
    SQUEEZENET1_1,
    squeezenet1_0,
    squeezenet1_0_caffe,
    squeezenet1_1,
)
from striate.architectures.vgg import VGG16, VGG19, vgg16, vgg19

#: Every architecture by name: small ones first, then by year.
ARCHITECTURES: dict[str, Architecture] = {
    one.name: one
    for one in (
        LENET5,
        OCR,
        SIMPLE,
        RESNET20,
        RESNET32,
        RESNET44,
        RESNET56,
        ALEXNET_2012,
        ALEXNET,
        VGG16,
        VGG19,
        GOOGLENET,
        INCEPTION_V3,
        RESNET18,
        RESNET34,
        RESNET50,
        RESNET101,
        RESNET152,
        SQUEEZENET1_0,
        SQUEEZENET1_0_CAFFE,
        SQUEEZENET1_1,
        MOBILENET_V2,
        EFFICIENTNET_LITE0,
    )
}

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "alexnet",
    "alexnet_2012",
    "efficientnet_lite0",
    "googlenet",
    "inception_v3",
    "lenet5",
    "mobilenet_v2",
    "ocr",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet152",
    "simple",
    "squeezenet1_0",
    "squeezenet1_0_caffe",
    "squeezenet1_1",
    "vgg16",
    "vgg19",
]
