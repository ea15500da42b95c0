"""Fuzz a reader, guided by which of its lines a file reaches; needs atheris.

    python -m tests.fuzz onnx --seconds 600 [--findings FOLDER]

Ends with code 0 if every file was opened or refused with our error; else the file that was not lies in the folder of
findings.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

from tests.fuzz.seeds import SEEDS

MAX_LENGTH = 1 << 16  # bytes
SECONDS_A_FILE = 5
MEMORY = 4 << 30  # bytes of addresses: zeros that nobody touches count, too
FOUND_WITH = ["striate.interop", "striate.data", "striate.models.saving", "striate.opening"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=sorted(SEEDS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--files", type=int, default=-1, help="end after so many files, too")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()

    with atheris.instrument_imports(include=FOUND_WITH):
        from striate.errors import FormatError
        from striate.interop.onnx import reader as _  # noqa: F401
        from striate.opening import open_model
    folder = Path(tempfile.mkdtemp())
    path = folder / "file"
    subprocess.run([sys.executable, "-m", "tests.fuzz.seeds", options.reader, folder], check=True)

    def open_one(content: bytes) -> None:
        path.write_bytes(content)
        try:
            open_model(path)
        except FormatError:
            return

    settings = {
        "max_total_time": options.seconds,
        "runs": options.files,
        "seed": options.seed,
        "max_len": MAX_LENGTH,
        "timeout": SECONDS_A_FILE,
        "rss_limit_mb": 0,  # it would count what the process that started this one once held
        "artifact_prefix": f"{options.findings}/striate-{options.reader}-",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in settings.items()), str(folder / "corpus")], open_one
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
