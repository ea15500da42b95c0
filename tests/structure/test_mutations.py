"""scripts/mutations.py: what it changes, and that a change is still Python."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("mutations", ROOT / "scripts" / "mutations.py")
mutations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutations)


def changed(text: str, folder: Path) -> dict[str, list[str]]:
    """All that becomes of a line of code, by kind."""
    (folder / "striate" / "ops").mkdir(parents=True)
    (folder / "striate" / "ops" / "a.py").write_text(text)
    found: dict[str, list[str]] = {}
    for mutation in mutations.mutations(folder, ("ops",)):
        found.setdefault(mutation.kind, []).append(mutation.after)
    return found


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("x = a < b", {"comparison": ["x = a <= b"]}),
        ("x = a is not b", {"comparison": ["x = a is b"]}),
        ("x = a - b", {"arithmetic": ["x = a + b"]}),
        ("x = -a", {"sign": ["x = a"]}),
        ("x = a and b and c", {"and/or": ["x = a or b and c"]}),
        ("x = not a", {"not": ["x = a"]}),
        ("x = 3", {"constant": ["x = 4"]}),
        ("x = True", {"constant": ["x = False"]}),
        ("x = a['k']", {"key": ["x = a['k_']"]}),
        ("x = a if c else b", {"branches": ["x = b if c else a"]}),
        ("x = f(a, b)", {"arguments": ["x = f(b, a)"]}),
        ("x = min(a, key=b)", {"min/max": ["x = max(a, key=b)"]}),
        ("x = np.floor(a)", {"min/max": ["x = np.ceil(a)"]}),
        ("a.b = c", {"no statement": ["pass"]}),
        ("f(a)", {"no statement": ["pass"]}),
        ("raise E(f'at least {1 + 1}, got {a[0]}')", {"no raise": ["pass"]}),
        ("while a: break", {"break/continue": ["while a: continue"]}),
        ("x: tuple[3, 4] = a", {}),
        ("def f(x: A[1] = None) -> B[2]: '''One.'''", {}),
        ("isinstance(a, b) or c", {"and/or": ["isinstance(a, b) and c"]}),
        ("x = 'größer' < b", {"comparison": ["x = 'größer' <= b"]}),
    ],
)
def test_what_is_changed(line: str, kinds: dict[str, list[str]], tmp_path: Path) -> None:
    assert changed(line + "\n", tmp_path) == kinds


def test_a_sample_is_the_same_for_the_same_seed_and_has_every_room_and_kind() -> None:
    every = [m for m in mutations.mutations(ROOT, ("graph", "training", "studio")) if m.path.count("/") == 2]
    first, again, other = (mutations.sample(every, 60, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [m.room for m in first] == ["graph"] * 20 + ["training"] * 20 + ["studio"] * 20
    assert len({m.kind for m in first}) >= 10
    for mutation in first:
        content, edit = (ROOT / mutation.path).read_bytes(), mutation.edit
        ast.parse(content[: edit.start] + edit.text + content[edit.end :])
