"""Every Python snippet of the documentation runs, in the order it stands on its page."""

import re
from pathlib import Path

import pytest

from striate.runtime import set_exact, set_executor, set_threads, set_tuning, settings
from striate.runtime.team import available_cores

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SNIPPETS = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def _settings_as_before():
    """What a page sets is set for that page alone."""
    before = settings()
    yield
    set_executor(before.executor)
    set_exact(before.exact)
    set_tuning(before.tuning)
    set_threads(available_cores())


@pytest.mark.parametrize("page", SNIPPETS, ids=lambda p: str(p.relative_to(ROOT)))
def test_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for snippet in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(snippet, str(page), "exec"), names)  # noqa: S102 (our own pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
