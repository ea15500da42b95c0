"""A process that is timed from its start: ``python -m benchmarks.first_result SIDE WORKLOAD THREADS``.

SIDE is "striate" or "torch". Prints the machine's monotonic clock after the first result, which the process that
started this one compares with its own, and how long the first and the second call took. It imports what its side needs
and nothing else.
"""

import json
import sys
import time

from benchmarks.workloads import WORKLOADS


def main() -> None:
    side, workload, threads = sys.argv[1], WORKLOADS[sys.argv[2]], int(sys.argv[3])
    if side == "striate":
        import striate
        from benchmarks.contenders import ours

        striate.set_threads(threads)
        call = ours.step(workload, ours.compiled(workload))
    else:
        import torch

        from benchmarks.contenders import pytorch

        torch.set_num_threads(threads)
        call = pytorch.inference(workload, pytorch.built(workload), "nchw")
    begun = time.perf_counter()
    call()
    clock = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = time.perf_counter()
    call()
    print(json.dumps({"clock": clock, "first": done - begun, "second": time.perf_counter() - done}))


if __name__ == "__main__":
    main()
