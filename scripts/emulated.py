"""Try Striate on machines that one does not have, under QEMU: x86 without FMA, and AArch64. On Debian, as root, hours.

    python scripts/emulated.py FOLDER [TESTS …]

FOLDER gets what is needed for that, some 700 MB: an older NumPy, a Debian tree and wheels for AArch64, compiled
kernels. TESTS are what pytest is given, by default ``tests/kernels tests/ops``. For each machine a small network is
trained and a line says what its weights are, as a hash; then the tests run. Programs that tests start are no part of
the emulation.

The result of a run is in docs/machines.md.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEBIAN, PYTHON = "bookworm", "3.11"
WHEELS = ("numpy", "llvmlite", "pillow", "pytest", "pytest-xdist", "hypothesis")

#: QEMU's name for each x86, and whether its NumPy is the last one for CPUs before x86-64-v2 (2009).
X86 = {"core2duo": True, "Penryn": True, "Nehalem": False, "Westmere": False, "SandyBridge": False, "Haswell": False}
OLD_NUMPY = "numpy==2.3.5"
#: Those that run the tests, too: the oldest that today's NumPy takes, and the last without FMA.
TESTED = ("Nehalem", "SandyBridge")

PROGRAM = """
import hashlib
import numpy as np
import striate
from striate import layers
from striate.codegen import host

striate.set_seed(0)
model = striate.Sequential([
    striate.Input((12, 12, 3)),
    layers.Conv2D(16, 3, activation="gelu"),
    layers.Conv2D(16, 3),
    layers.BatchNormalization(),
    layers.MaxPooling2D(),
    layers.Dropout(0.2),
    layers.Flatten(),
    layers.Dense(5, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy")
x = np.random.default_rng(0).standard_normal((32, 12, 12, 3)).astype(np.float32)
history = model.fit(x, np.arange(32) % 5, epochs=2, verbose=0)
weights = hashlib.sha256(b"".join(array.tobytes() for array in model.get_weights())).hexdigest()[:16]
fused = "fused" if host().fused else "separate"
print(f"{host().cpu}, NumPy {np.__version__}, {host().lanes} lanes, multiply-adds {fused}: "
      f"loss {history.history['loss'][-1]:.6f}, weights {weights}", flush=True)
"""


def run(*command: object, **environment: str) -> int:
    done = subprocess.run(list(map(str, command)), env=os.environ | environment, check=False, cwd=ROOT)  # noqa: S603
    return done.returncode


def need(*command: object) -> None:
    """Run what the rest depends on."""
    if code := run(*command):
        sys.exit(f"{command[0]} ended with {code}.")


def install(program: str, package: str) -> None:
    """Install a Debian package unless its program is there."""
    if shutil.which(program) is None:
        need("apt-get", "update", "-qq")
        need("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)


def pip(target: Path, *arguments: str) -> None:
    if not target.exists():
        need(sys.executable, "-m", "pip", "install", "-q", "--target", target, *arguments)


def arm(folder: Path) -> tuple[Path, Path]:
    """A tree of Debian for AArch64 with Python in it, unpacked only, and the folder of its packages."""
    tree, wheels = folder / "arm64", folder / "arm64-wheels"
    if not tree.exists():
        how = ("--foreign", "--arch=arm64", "--variant=minbase", f"--include=python{PYTHON}")
        need("debootstrap", *how, DEBIAN, tree)
        for package in sorted((tree / "var/cache/apt/archives").glob("*.deb")):
            need("dpkg-deb", "-x", package, tree)
    platforms = [f"--platform=manylinux{version}_aarch64" for version in ("2014", "_2_27", "_2_28")]
    pip(wheels, *platforms, f"--python-version={PYTHON}", "--implementation=cp", "--only-binary=:all:", *WHEELS)
    return tree, wheels


def main(folder: Path, *tests: str) -> int:
    """Run everything; the number of machines on which something failed."""
    install("qemu-x86_64-static", "qemu-user-static")
    install("debootstrap", "debootstrap")
    folder.mkdir(parents=True, exist_ok=True)
    folder, tests = folder.resolve(), tests or ("tests/kernels", "tests/ops")
    pip(folder / "old-numpy", "--no-deps", OLD_NUMPY)
    tree, wheels = arm(folder)
    failed = 0

    def on(name: str, emulator: list[object], path: list[Path], tested: bool) -> int:
        print(f"== {name}", flush=True)
        settings = {"PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT])), "STRIATE_CACHE": str(folder / "kernels")}
        if emulator[-1] == sys.executable:
            settings["OPENBLAS_CORETYPE"] = "Prescott" if path else "Nehalem"  # kernels that all of them can run
        code = run(*emulator, "-c", PROGRAM, **settings)
        if tested and not code:
            code = run(*emulator, "-m", "pytest", "-n", "0", *tests, **settings)  # its workers would not be emulated
        return int(code != 0)

    for cpu, is_old in X86.items():
        path = [folder / "old-numpy"] if is_old else []
        failed += on(cpu, ["qemu-x86_64-static", "-cpu", cpu, sys.executable], path, cpu in TESTED)
    python = tree / "usr/bin" / f"python{PYTHON}"
    failed += on("AArch64", ["qemu-aarch64-static", "-L", tree, python], [wheels], True)
    print(f"{failed} machines failed." if failed else "All machines passed.")
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
