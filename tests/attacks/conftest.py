"""Counts of attacks at the end of a run: how many cases of each kind were refused."""

from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent


def pytest_terminal_summary(terminalreporter):
    counts = {name: Counter() for name in ("passed", "failed")}
    for outcome, found in counts.items():
        for report in terminalreporter.getreports(outcome):
            if Path(report.nodeid.split("::")[0]).parent.name == HERE.name and report.when == "call":
                found[Path(report.nodeid.split("::")[0]).stem.removeprefix("test_")] += 1
    refused, others = counts["passed"], counts["failed"]
    if refused or others:
        kinds = ", ".join(f"{kind} {refused[kind]}" for kind in sorted(refused | others) if kind != "harness")
        total = sum(n for kind, n in refused.items() if kind != "harness")
        terminalreporter.write_line(f"attacks refused: {total} of {total + sum(others.values())} tests ({kinds})")
