"""New processes, because threads and memory allocators are settled when a process starts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

#: PyTorch's big outputs come fresh from the kernel, page by page, unless glibc is told to keep what was freed.
TUNED_MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 33),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 28),
}


def environment(threads: int, tuned: bool, cache: str | None = None) -> dict[str, str]:
    """The variables of a process that is to use so many threads.

    Arguments:
        threads: of every library that asks the environment.
        tuned: whether glibc keeps memory that was freed, instead of giving it back.
        cache: folder of our compiled kernels; None: where they always are.
    """
    count = str(threads)
    changed = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    changed |= {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if threads == 1:
        changed["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    if tuned:
        changed |= TUNED_MALLOC
    if cache is not None:
        changed["STRIATE_CACHE"] = cache
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # a checkout is to have its bytecode, as installed packages have
    return kept | changed


def ask(module: str, *arguments: Any, env: dict[str, str]) -> dict[str, Any]:
    """The last line that ``python -m module arguments`` printed, which is JSON.

    Raises:
        RuntimeError: it failed; the message has the end of what it said.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed: {done.stderr.strip()[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
