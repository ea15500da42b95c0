"""What the same bits with any number of threads cost: ``python -m benchmarks.determinism``.

Weight gradients are summed in shards whose number follows from the shapes, so that many threads may share the work and
the sums are the same for all of them. One thread alone would need no shards. This times training steps on one thread
as they are, and with a single shard everywhere.
"""

import striate
from benchmarks.contenders import ours
from benchmarks.machine import commit, describe
from benchmarks.timing import interleaved
from benchmarks.workloads import WORKLOADS
from striate.kernels.conv import depthwise, grad_weight
from striate.kernels.conv.winograd import grad_weight as winograd_grad_weight

SECONDS = 8.0
STEPS = ("lenet5-train-b128", "mnist_convnet-train-b128", "resnet20-train-b128", "googlenet-train-b16")


def main() -> None:
    striate.set_threads(1)
    print(f"{describe()['processor']}, version {commit()}")
    for name in STEPS:
        workload = WORKLOADS[name]
        sharded = ours.step(workload, ours.compiled(workload))
        sharded()  # plans are made at the first step
        many = grad_weight.ITEMS, winograd_grad_weight.MOST_SHARDS, depthwise.ENOUGH
        grad_weight.ITEMS = winograd_grad_weight.MOST_SHARDS = depthwise.ENOUGH = 1
        whole = ours.step(workload, ours.compiled(workload))
        whole()
        grad_weight.ITEMS, winograd_grad_weight.MOST_SHARDS, depthwise.ENOUGH = many
        found = interleaved({"shards": sharded, "one": whole}, SECONDS)
        a, b = found["shards"], found["one"]
        print(
            f"{name}: {1e3 * a.median:.2f} ms ({1e3 * a.q1:.2f} to {1e3 * a.q3:.2f}, n = {a.n}), in one shard "
            f"{1e3 * b.median:.2f} ms ({1e3 * b.q1:.2f} to {1e3 * b.q3:.2f}, n = {b.n}): {a.median / b.median - 1:+.1%}"
        )


if __name__ == "__main__":
    main()
