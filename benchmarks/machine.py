"""What the figures were measured on, and with."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("striate", "numpy", "llvmlite", "torch", "onnxruntime", "keras", "jax")


def describe() -> dict[str, str]:
    """Processor, memory, system and versions, by name."""
    found = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}",
        "CPython": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str:
    """The version of this repository, with a "+" where files differ from it."""
    git = shutil.which("git")
    if git is None:
        return "an unknown version"
    command = [git, "describe", "--always", "--dirty=+"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "an unknown version"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    vectors = [name for name in ("avx2", "avx512f", "asimd") if name in fields.get("flags", "").split()]
    return ", ".join([fields.get("model name", platform.machine()), *vectors])
