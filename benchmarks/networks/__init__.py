"""The networks that are measured: each file has one in Striate, and beside it the same one in PyTorch."""

from benchmarks.networks.alexnet import ALEXNET
from benchmarks.networks.googlenet import GOOGLENET
from benchmarks.networks.inception_v3 import INCEPTION_V3
from benchmarks.networks.lenet5 import LENET5
from benchmarks.networks.mnist_convnet import MNIST_CONVNET
from benchmarks.networks.mobilenet_v2 import MOBILENET_V2
from benchmarks.networks.network import Network
from benchmarks.networks.resnet18 import RESNET18
from benchmarks.networks.resnet20 import RESNET20
from benchmarks.networks.resnet50 import RESNET50

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        LENET5,
        MNIST_CONVNET,
        RESNET20,
        ALEXNET,
        GOOGLENET,
        RESNET18,
        RESNET50,
        MOBILENET_V2,
        INCEPTION_V3,
    )
}

__all__ = ["NETWORKS", "Network"]
