"""What the codes in the names of tests mean: each is in a table of docs/promises.md or docs/facts.md."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "docs" / name for name in ("promises.md", "facts.md")]
CODE = re.compile(r"test_([A-Z]\d+)_")


def named_tests() -> list[tuple[str, str]]:
    """The codes in the names of tests, each with the file that uses it."""
    used = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (found := CODE.match(node.name)):
                used.append((found[1], path.name))
    return used


def promised() -> list[str]:
    return [code for page in PAGES for code in re.findall(r"^\| ([A-Z]\d+) \|", page.read_text("utf-8"), re.MULTILINE)]


def test_every_code_in_the_name_of_a_test_is_explained() -> None:
    used = named_tests()
    assert len(used) > 500
    assert [(code, file) for code, file in used if code not in promised()] == []


def test_no_code_is_explained_twice() -> None:
    assert len(set(promised())) == len(promised())
