"""How much Striate takes: ``python -m benchmarks.footprint [RUNS]``.

Installs the package into a new virtual environment, and prints its size with all dependencies, package by package, and
the time of ``import striate`` in a new process (median and spread, beside that of ``import numpy``).
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def import_seconds(python: Path, module: str, runs: int) -> list[float]:
    """Wall time of whole processes; the first, which writes byte code, is not counted."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        subprocess.run([python, "-c", f"import {module}"], check=True)
        times.append(time.perf_counter() - started)
    return times[1:]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        python = environment / "bin" / "python"
        packages = next((environment / "lib").glob("python3*")) / "site-packages"
        before = {path.name: size_of(path) for path in packages.iterdir()}
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(ROOT)], check=True)
        rows = {
            path.name: size_of(path)
            for path in packages.iterdir()
            if path.is_dir() and path.name not in before and not path.name.endswith(".dist-info")
        }
        for name, size in sorted(rows.items(), key=lambda row: -row[1]):
            print(f"{size / 1e6:8.1f} MB  {name}")
        print(f"{sum(rows.values()) / 1e6:8.1f} MB  in all")
        for module in ("numpy", "striate"):
            times = import_seconds(python, module, runs)
            print(
                f"import {module}: median {statistics.median(times):.3f} s, "
                f"{min(times):.3f} to {max(times):.3f} s, n={runs}"
            )


if __name__ == "__main__":
    main()
