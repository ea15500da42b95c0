"""ONNX's own one-operator models, run here: which operators are claimed, and which cases pass.

python -m tests.interop.onnx.conformance      writes the table of docs/onnx.md; STRIATE_DATA says where the cases are
"""

import io
import json
import os
import tempfile
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.errors import FormatError, ModelError
from striate.interop.onnx.operators import OPERATORS
from striate.interop.onnx.reader import read_onnx

PAGE = Path(__file__).parents[3] / "docs" / "onnx.md"
BEGIN, END = "<!-- cases: begin -->\n", "<!-- cases: end -->\n"
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}  # rtol as in ONNX's own runner


class Case(NamedTuple):
    """A model of one operator."""

    name: str
    operator: str


def archive() -> zipfile.ZipFile:
    """The cases."""
    return zipfile.ZipFile(Path(os.environ["STRIATE_DATA"]) / "golden_onnx_node_tests" / "onnx_node_tests.zip")


@cache
def cases() -> tuple[Case, ...]:
    """All cases, by name."""
    with archive() as files:
        names = sorted({name.split("/")[0] for name in files.namelist()})
        return tuple(Case(name, json.loads(files.read(f"{name}/node.json"))["nodes"][0]["op"]) for name in names)


def check(case: Case) -> None:
    """Run a case.

    Raises:
        FormatError, ModelError: it is refused.
        AssertionError: the outputs are other than expected.
    """
    with archive() as files, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(files.read(f"{case.name}/model.onnx"))
        model = read_onnx(path)
        arrays = np.load(io.BytesIO(files.read(f"{case.name}/data.npz")))
        outputs = model.run(_numbered(arrays, "in"))
        expected = _numbered(arrays, "out")
    assert len(outputs) == len(expected)
    for got, wanted in zip(outputs, expected, strict=True):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, **TOLERANCE)


def _numbered(arrays: Any, prefix: str) -> list[Any]:
    names = sorted(
        (name for name in arrays.files if name.startswith(prefix)), key=lambda name: int(name[len(prefix) :])
    )
    return [arrays[name] for name in names]


def outcome(case: Case) -> str:
    """ "passed", "refused" or "failed"."""
    if case.operator not in OPERATORS:
        return "not claimed"
    try:
        check(case)
    except (FormatError, ModelError):
        return "refused"
    except AssertionError:
        return "failed"
    return "passed"


def table() -> str:
    """How many cases of each operator pass, as a table of docs/onnx.md."""
    counts: dict[str, Counter[str]] = {}
    for case in cases():
        counts.setdefault(case.operator, Counter())[outcome(case)] += 1
    claimed = {operator: found for operator, found in counts.items() if operator in OPERATORS}
    others = {operator: found["not claimed"] for operator, found in counts.items() if operator not in OPERATORS}
    total = sum(claimed.values(), Counter())
    lines = [
        f"{total.total()} of the {len(cases())} cases are of operators that are claimed: {total['passed']} pass, "
        f"{total['refused']} are refused (numbers of 8-bit floating types), {total['failed']} fail.",
        "",
        "| operator | cases | passed | refused | failed |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {operator} | {found.total()} | {found['passed']} | {found['refused']} | {found['failed']} |"
            for operator, found in sorted(claimed.items())
        ),
        "",
        "Claimed, without a case among these: " + ", ".join(sorted(OPERATORS.keys() - counts.keys())) + ".",
        "",
        "Not claimed: " + ", ".join(f"{operator} ({count})" for operator, count in sorted(others.items())) + ".",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.split(END)[1])
