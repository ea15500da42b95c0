"""From calls to times, from times to verdicts, and from verdicts to a page."""

import itertools
import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.plot import Panel, svg
from benchmarks.processes import ROOT, ask, environment
from benchmarks.timing import BLOCKS, Timing, interleaved
from benchmarks.workloads import WORKLOADS, Goal


def test_median_and_quartiles() -> None:
    assert Timing.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Timing(5, 3.0, 2.0, 4.0, 1.0)
    assert Timing.of([7.0]) == Timing(1, 7.0, 7.0, 7.0, 7.0)


def test_contenders_take_turns() -> None:
    seen: list[str] = []

    def sleeper(name: str, seconds: float) -> None:
        seen.append(name)
        time.sleep(seconds)

    calls = {"slow": lambda: sleeper("slow", 0.03), "slower": lambda: sleeper("slower", 0.06)}
    timings = interleaved(calls, seconds=0.0, rest=0.0)
    assert 0.03 <= timings["slow"].least <= timings["slow"].median < 0.06 <= timings["slower"].least
    assert timings["slow"].n >= BLOCKS[0] <= timings["slower"].n
    changes = sum(a != b for a, b in itertools.pairwise(seen))
    assert changes >= BLOCKS[0]  # nobody was timed in one go


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.99, "BELOW"), (2.0, "PASS"), (2.9, "PASS"), (3.0, "PASS, aim reached"), (None, "DIFFERS")],
)
def test_verdicts(ratio: float | None, expected: str) -> None:
    assert report.verdict(ratio, Goal(2, 3)) == expected
    assert report.verdict(ratio, None) == ""


def contender(side: str, median: float, apart: float = 0.0, variant: str = "") -> dict[str, object]:
    return {"side": side, "variant": variant, "apart": apart, "n": 9, "median": median, "q1": median, "q3": median}


def page_of(*contenders: dict[str, object]) -> str:
    part = {"contenders": list(contenders), "without_kernel": ["conv", "conv"], "quick": False, "commit": "abc"}
    return report.page({"machine": {}, "parts": {"workload:lenet5-train-b64:2:tuned": part}})


def test_the_best_variant_of_a_peer_counts() -> None:
    page = page_of(
        contender("striate", 0.001), contender("torch", 0.009, 0, "nchw"), contender("torch", 0.003, 0, "cl")
    )
    assert "| 2 | torch cl | 3 ms (3 … 3, n 9) | 3.00× | 2.5× | 4× | PASS |" in page


def test_a_wrong_result_has_no_ratio() -> None:
    page = page_of(contender("striate", 0.001, apart=1.5), contender("torch", 0.003))
    assert "| differs | 2 | torch | 3 ms (3 … 3, n 9) | – | 2.5× | 4× | DIFFERS |" in page
    fast_and_wrong = page_of(
        contender("striate", 0.001), contender("torch", 0.0001, 2.0, "bad"), contender("torch", 0.003)
    )
    assert "3.00×" in fast_and_wrong


def test_every_section_of_the_page() -> None:
    time_: dict[str, object] = {"n": 3, "median": 0.5, "q1": 0.4, "q3": 0.6}
    sizes = {"baseline": 50_000_000, "peak": 100_000_000}
    layer = {
        "layer": "Conv2D a|b",
        "operation": "forward",
        "apart": 0,
        "count": 1,
        "striate": time_,
        "torch nchw": time_,
    }
    parts: dict[str, dict[str, object]] = {
        "startup:lenet5:1": {"striate cold": time_, "striate cached": time_, "torch": time_ | {"median": 5.0}},
        "compile:1": {
            name: {"cold": time_, "cached": time_ | {"median": -1e-5}}
            for name in ("lenet5-train-b64", "resnet18-infer-b1")
        },
        "memory:lenet5-train-b64:1": {
            "striate cold": sizes | {"peak": 300_000_000},
            "striate cached": sizes,
            "torch nchw": sizes | {"peak": 250_000_000},
        },
        "layers:lenet5-train-b64:1": {"layers": [layer]},
        "workload:resnet50-infer-b1:1:tuned": {"error": "Traceback\nValueError: no"},
    }
    known = {name: part | {"quick": name == "compile:1", "commit": "abc"} for name, part in parts.items()}
    page = report.page({"machine": {"cores": "2"}, "parts": known})
    assert "quick run" in page
    assert (
        "| cached | 1 | 500 ms (400 … 600, n 3) | 5 s (0.4 … 0.6, n 3) | 10.00× | 5× | 8× | PASS, aim reached |" in page
    )
    sizes_cached = "100 / 50 MB | 250 / 200 MB | 2.50× / 4.00× | 1× | 2× | PASS, aim reached |"
    assert f"| lenet5-train-b64 | 1 | cached | {sizes_cached}" in page
    assert "| lenet5-train-b64 | 1 | cold | 300 / 250 MB | 250 / 200 MB | 0.83× / 0.80× | 1× | 2× | BELOW |" in page
    assert "| lenet5-train-b64 | 1 | 500 ms (400 … 600, n 3) | -10 µs (4e+05 … 6e+05, n 3) | 1.5 s | PASS |" in page
    assert "1 operations; median ratio 1.00×; 0 below the floor" in page
    assert "Conv2D a¦b" in page
    assert "| workload:resnet50-infer-b1:1:tuned | ValueError: no |" in page


def test_goals_are_those_that_were_set() -> None:
    goals = {name: {peer: (g.floor, g.aim) for peer, g in w.goals.items()} for name, w in WORKLOADS.items()}
    assert goals["resnet18-infer-b8"] == {"torch": (2, 2.5), "onnxruntime": (1.8, 2.2)}
    assert goals["lenet5-infer-b1"] == {"torch": (10, 20)}
    assert len(goals) == 13
    assert all("torch" in peers for peers in goals.values())


def test_a_plot_is_well_formed() -> None:
    drawn = ET.fromstring(svg([Panel("a < b", "ms", {"x": [(1, 0.5), (10, 40)], "y": [(1, 3), (10, 3)]})]))  # noqa: S314
    circles = [e for e in drawn.iter() if e.tag.endswith("circle")]
    assert [e.get("cx") for e in circles] == ["52.0", "308.0"] * 2
    assert float(circles[0].get("cy", "0")) > float(circles[1].get("cy", "0"))
    assert "a < b" in [e.text for e in drawn.iter()]


def test_environment_is_that_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    plain, tuned = environment(2, tuned=False), environment(1, tuned=True, cache="/somewhere")
    assert plain["OMP_NUM_THREADS"] == "2"
    assert not [name for name in plain if name.startswith("MALLOC_")]
    assert tuned["STRIATE_CACHE"] == "/somewhere"
    assert int(tuned["MALLOC_TRIM_THRESHOLD_"]) > 10**9


def test_a_part_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)benchmarks\.memory nothing failed: .*not enough values"):
        ask("benchmarks.memory", "nothing", env=environment(1, tuned=False))


@pytest.mark.parametrize(("side", "other"), [("ours", "torch"), ("pytorch", "striate")])
def test_one_side_does_not_load_the_other(side: str, other: str) -> None:
    if side == "pytorch":
        pytest.importorskip("torch")
    code = f"import sys, benchmarks.contenders.{side}; print({other!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_page_can_be_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "results.json", tmp_path / "page.md"
    source.write_text(json.dumps({"machine": {"cores": "2"}, "parts": {}}))
    monkeypatch.setattr(sys, "argv", ["report", str(source), str(target)])
    report.main()
    assert target.read_text().startswith("# Benchmarks")
