"""Do the tests notice when the code is wrong? Change one thing at a time, and run the tests of its room.

    python scripts/mutations.py run OUT [--count 300] [--seed 0] [--rooms ops,…] [--jobs 1] [--revision REV] [--like O]
    python scripts/mutations.py table OUT [OTHER …]

Each mutation is made in a copy of the tree: of the files here, or of ``REV``, with the tests of that revision. ``run``
first records which test of the room executes which lines (coverage.py), then, for each mutation, runs the tests that
reach its line, the fastest first, until one fails, for at most 20 seconds as recorded. A mutation is noticed if a test
fails, crashes or hangs. ``OUT`` gets one line of JSON for each; a run that was interrupted goes on where it ended,
with what it recorded in ``OUT.ROOM.json``.
``--like`` makes the mutations of another run again, wherever their lines are now: before and after can be compared.

What no test can notice, as it means the same or only costs time, is in ``mutations_equivalent.jsonl`` with reasons.
Needs the extras [test] and [dev], and ``os.fork``. With the oracles installed, their tests are used too.

Source: DeMillo, Lipton, Sayward, "Hints on test data selection" (1978).
"""

import argparse
import ast
import compileall
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
EQUIVALENT = Path(__file__).with_name("mutations_equivalent.jsonl")
ROOMS = ("graph", "ops", "kernels", "runtime", "layers", "training", "models", "explain", "interop", "data", "studio")
#: Folders of tests that a room has besides the one of its name.
ALSO = {
    **{"layers": ["contracts"], "interop": ["attacks", "fuzz"], "data": ["attacks"]},
    **{"models": ["training"], "training": ["models"]},  # a trainer is a model, and its batches are of training
}
SECONDS = 20.0  # of tests, as recorded, for one mutation
MEMORY = 6 << 30  # bytes of address space
PATIENCE = 20  # seconds of computing for a test, beside ten times what it takes
LONGEST = 300  # seconds for all

COMPARISONS = {
    **{ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="},
    **{ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"},
}
ARITHMETIC = {
    **{ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "//"},
    **{ast.LShift: ">>", ast.RShift: "<<", ast.BitAnd: "|", ast.BitOr: "&"},
}
PAIRS = [("min", "max"), ("minimum", "maximum"), ("any", "all"), ("floor", "ceil"), ("smin", "smax"), ("fmin", "fmax")]
TWINS = {**dict(PAIRS), **{b: a for a, b in PAIRS}}
#: Functions whose first two arguments can be exchanged: no test could notice.
COMMUTATIVE = {*TWINS, "add", "multiply", "mul", "fadd", "fmul", "equal", "not_equal"}


class Edit(NamedTuple):
    """Bytes ``start`` to ``end`` of a file become ``text``."""

    kind: str
    start: int
    end: int
    text: bytes


class Mutation(NamedTuple):
    """One change. Where it is, in words that survive other changes of the file, and what it does to its lines."""

    room: str
    path: str
    function: str
    kind: str
    before: str
    after: str
    line: int
    edit: Edit

    @property
    def key(self) -> tuple[str, ...]:
        return self.function, self.kind, self.before, self.after


class Source:
    """A file, and where its syntax tree's nodes are in it."""

    def __init__(self, content: bytes):
        self.content = content
        self.tree = ast.parse(content)
        self.starts = [0]
        for line in content.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def begin(self, node: Any) -> int:
        return self.starts[node.lineno - 1] + int(node.col_offset)

    def end(self, node: Any) -> int:
        return self.starts[node.end_lineno - 1] + int(node.end_col_offset)

    def text(self, node: ast.AST) -> bytes:
        return self.content[self.begin(node) : self.end(node)]

    def between(self, kind: str, left: ast.AST, right: ast.AST, old: bytes, new: str) -> Iterator[Edit]:
        """Exchange an operator that stands between two nodes."""
        start = self.content.find(old, self.end(left), self.begin(right))
        if start >= 0:
            yield Edit(kind, start, start + len(old), new.encode())

    def replace(self, kind: str, node: ast.AST, new: bytes | str) -> Iterator[Edit]:
        yield Edit(kind, self.begin(node), self.end(node), new.encode() if isinstance(new, str) else new)


SYMBOLS = {
    **{ast.Lt: b"<", ast.LtE: b"<=", ast.Gt: b">", ast.GtE: b">=", ast.Eq: b"==", ast.NotEq: b"!="},
    **{ast.Is: b"is", ast.IsNot: b"is not", ast.In: b"in", ast.NotIn: b"not in", ast.Add: b"+", ast.Sub: b"-"},
    **{ast.Mult: b"*", ast.Div: b"/", ast.FloorDiv: b"//", ast.Mod: b"%", ast.LShift: b"<<", ast.RShift: b">>"},
    **{ast.BitAnd: b"&", ast.BitOr: b"|"},
}


def edits(source: Source, node: ast.AST) -> Iterator[Edit]:  # noqa: PLR0912 (one branch for each kind of node)
    """What can be changed at a node itself."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from source.between("comparison", left, right, SYMBOLS[type(op)], COMPARISONS[type(op)])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            if not isinstance(left, ast.Constant) or not isinstance(left.value, str):
                yield from source.between("arithmetic", left, right, SYMBOLS[type(op)], ARITHMETIC[type(op)])
        case ast.BoolOp(op=op, values=[first, second, *_]):
            old, new = (b"and", "or") if isinstance(op, ast.And) else (b"or", "and")
            yield from source.between("and/or", first, second, old, new)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from source.replace("not", node, source.text(operand))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield from source.replace("sign", node, source.text(operand))
        case ast.Constant(value=bool() as value):
            yield from source.replace("constant", node, str(not value))
        case ast.Constant(value=int() as value):
            yield from source.replace("constant", node, str(value + 1))
        case ast.Constant(value=float() as value):
            yield from source.replace("constant", node, repr(value * 2 if value else 1.0))
        case ast.Subscript(slice=ast.Constant(value=str() as key) as where):
            yield from source.replace("key", where, repr(key + "_"))
        case ast.IfExp(body=body, test=test, orelse=orelse):
            parts = [source.text(orelse), b" if ", source.text(test), b" else ", source.text(body)]
            yield from source.replace("branches", node, b"".join(parts))
        case ast.Break():
            yield from source.replace("break/continue", node, "continue")
        case ast.Continue():
            yield from source.replace("break/continue", node, "break")
        case ast.Raise():
            yield from source.replace("no raise", node, "pass")
        case ast.AugAssign() | ast.Delete() | ast.Expr(value=ast.Call()):
            yield from source.replace("no statement", node, "pass")
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield from source.replace("no statement", node, "pass")
        case ast.Call(func=function, args=[first, second, *_]) if ast.unparse(function) != "isinstance":
            commutes = bool(COMMUTATIVE & set(re.findall(r"\w+", ast.unparse(function))[-1:]))
            if not commutes and not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
                middle = source.content[source.end(first) : source.begin(second)]
                swapped = source.text(second) + middle + source.text(first)
                if source.text(first) != source.text(second):
                    yield Edit("arguments", source.begin(first), source.end(second), swapped)
    match node:
        case ast.Call(func=ast.Name(id=name) as function) if name in TWINS:
            yield from source.replace("min/max", function, TWINS[name])
        case ast.Call(func=ast.Attribute(attr=name) as function) if name in TWINS:
            yield Edit("min/max", source.end(function) - len(name), source.end(function), TWINS[name].encode())


def children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The parts of a node that mean something when the program runs: no annotations, docstrings, words of errors.

    Nor ``strict=True``, which says that two lists are of one length: a right program does the same without it.
    """
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or (isinstance(node, ast.Raise) and name == "exc"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr | ast.Import | ast.ImportFrom):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            yield name, child


def mutations(tree: Path, rooms: tuple[str, ...]) -> Iterator[Mutation]:
    """All that can be changed, in the order of the files."""
    for room in rooms:
        for path in sorted((tree / "striate" / room).rglob("*.py")):
            source = Source(path.read_bytes())

            def walk(node: ast.AST, function: str, source: Source = source, path: Path = path, room: str = room) -> Any:
                for edit in edits(source, node):
                    line = source.content.count(b"\n", 0, edit.start) + 1
                    first = source.starts[line - 1]
                    last = source.content.find(b"\n", edit.end)
                    before = source.content[first:last].decode()
                    after = (source.content[first : edit.start] + edit.text + source.content[edit.end : last]).decode()
                    where = path.relative_to(tree).as_posix()
                    yield Mutation(room, where, function, edit.kind, before.strip(), after.strip(), line, edit)
                for _, child in children(node):
                    named = isinstance(child, ast.FunctionDef | ast.ClassDef)
                    inner = ".".join(filter(None, [function, child.name])) if named else function
                    yield from walk(child, inner)

            yield from walk(source.tree, "")


def sample(every: list[Mutation], count: int, seed: int) -> list[Mutation]:
    """As many of each room, and in a room as many of each kind, as there are; the same for the same seed."""
    queues: dict[str, list[Mutation]] = {}
    for room in dict.fromkeys(m.room for m in every):
        shuffle = random.Random(f"{seed} {room}")
        kinds: dict[str, list[Mutation]] = defaultdict(list)
        for mutation in every:
            if mutation.room == room:
                kinds[mutation.kind].append(mutation)
        for some in kinds.values():
            shuffle.shuffle(some)
        queue: list[Mutation] = []
        while any(kinds.values()) and len(queue) < count:
            queue += [some.pop() for some in kinds.values() if some]
        queues[room] = queue
    chosen: list[Mutation] = []
    for turn in range(count):
        chosen += [queue[turn] for queue in queues.values() if turn < len(queue)]
    return sorted(chosen[:count], key=lambda m: list(queues).index(m.room))


def output(*command: str) -> bytes:
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603 (our own)


def copy_tree(revision: str | None, where: Path) -> None:
    """The files of a revision, or those here that git knows or would."""
    if revision:
        packed = output("git", "archive", revision)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(where, filter="data")
        return
    for name in output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0"):
        if name and (ROOT / name).is_file():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, where / name)


class Watcher:
    """A plugin of pytest: which tests to run and in which order, how long they took, which failed."""

    def __init__(self, order: dict[str, float] | None = None, coverage: Any = None):
        self.order, self.coverage = order, coverage
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: list[str] = []
        self.skipped: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.order is not None:
            place = {name: number for number, name in enumerate(self.order)}
            items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.order:
            signal.setitimer(signal.ITIMER_PROF, PATIENCE + 10 * self.order[nodeid])  # which ends the process: it hangs
        if self.coverage:
            self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)
        if report.skipped:
            self.skipped.add(report.nodeid)


def in_a_child(tree: Path, work: Callable[[], Any]) -> tuple[str, Any]:
    """Run ``work`` in a fork, in the tree, with limits: how it ended ("done", "crash" or "hang"), and its result."""
    answer = tree.parent / f"{tree.name}.answer"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            log = os.open(tree.parent / f"{tree.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            os.chdir(tree)
            sys.path[0] = str(tree)
            answer.write_text(json.dumps(work()))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    _, status = os.waitpid(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not answer.exists():
        hangs = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGPROF)
        return "hang" if hangs else "crash", None
    return "done", json.loads(answer.read_text())


def run_tests(arguments: list[str], watcher: Watcher) -> int:
    """Run pytest here; its exit status."""
    import pytest
    from hypothesis import Phase, settings

    settings.register_profile("mutations", phases=(Phase.explicit, Phase.generate), derandomize=True, database=None)
    settings.load_profile("mutations")
    loaded = "ignore::pytest.PytestAssertRewriteWarning"  # hypothesis, by `preload`
    return int(pytest.main(["--tb=short", "-W", loaded, *arguments], plugins=[watcher]))


class Room:
    """Which tests of a room execute which lines, and how long each takes."""

    def __init__(self, name: str, tree: Path, notes: Path):
        folders = [tree / "tests" / folder for folder in (name, *ALSO.get(name, ()))]
        self.folders = [folder.relative_to(tree).as_posix() for folder in folders if folder.is_dir()]
        self.tree = tree
        if not notes.exists():
            ended, found = in_a_child(tree, self._record)
            if ended != "done":
                raise SystemExit(f"{name}: the tests do not run even without a mutation; see {tree}.log")
            notes.write_text(json.dumps(found))
        found = json.loads(notes.read_text())
        self.seconds: dict[str, float] = found["seconds"]
        self.lines: dict[str, dict[str, list[str]]] = found["lines"]

    def _record(self) -> Any:
        import coverage

        sys.dont_write_bytecode = False  # keep what pytest makes of the tests
        measured = coverage.Coverage(data_file=None, include=[f"{self.tree}/striate/*"], config_file=False)
        measured.start()
        watcher = Watcher(coverage=measured)
        run_tests(self.folders, watcher)
        measured.stop()
        data = measured.get_data()
        good = {t: s for t, s in watcher.seconds.items() if t not in watcher.failed and t not in watcher.skipped}
        lines = {}
        for file in data.measured_files():
            tests = data.contexts_by_lineno(file)
            known = {str(line): [t for t in names if t in good] for line, names in tests.items()}
            lines[Path(file).relative_to(self.tree).as_posix()] = known
        return {"seconds": good, "lines": lines}

    def tests(self, mutation: Mutation) -> list[str]:
        """The tests that reach a mutation, the fastest first; a line that runs on import, through its file."""
        lines = self.lines.get(mutation.path, {})
        reached = lines.get(str(mutation.line)) or [test for tests in lines.values() for test in tests]
        spent, chosen = 0.0, []
        for test in sorted(set(reached), key=lambda t: (self.seconds[t], t)):
            spent += self.seconds[test]
            if chosen and spent > SECONDS:
                break
            chosen.append(test)
        return chosen


def attempt(mutation: Mutation, room: Room) -> dict[str, Any]:
    """Make a mutation, run the tests that reach it, and undo it."""
    tests = room.tests(mutation)
    result: dict[str, Any] = {**mutation._asdict(), "tests": len(tests), "noticed": None}
    del result["edit"]
    if not tests:
        return result
    path = room.tree / mutation.path
    original = path.read_bytes()
    edit = mutation.edit
    started = time.monotonic()

    def work() -> dict[str, Any]:
        signal.alarm(LONGEST)
        signal.setitimer(signal.ITIMER_PROF, 2 * PATIENCE)  # for importing
        watcher = Watcher({test: room.seconds[test] for test in tests})
        status = run_tests(["-x", *sorted({test.split("::")[0] for test in tests})], watcher)
        return {"status": status, "failed": watcher.failed[:1]}

    try:
        path.write_bytes(original[: edit.start] + edit.text + original[edit.end :])
        for stale in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            stale.unlink()
        ended, answer = in_a_child(room.tree, work)
    finally:
        path.write_bytes(original)
    if ended != "done":
        result["noticed"] = ended
    elif answer["failed"]:
        result["noticed"] = answer["failed"][0]
    elif answer["status"] not in (0, 5):
        result["noticed"] = "import"
    return result | {"seconds": round(time.monotonic() - started, 1)}


def preload() -> None:
    """Import what tests need and mutations do not change, once for all forks."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    for name in ("pytest", "hypothesis", "coverage", "numpy", "llvmlite.binding", "PIL.Image", "uvicorn", "starlette"):
        __import__(name)
    for name in ("torch", "keras", "onnx", "onnxruntime", "h5py", "scipy.signal"):
        with suppress(ImportError):
            __import__(name)


def run(options: argparse.Namespace) -> None:
    """Make the mutations that ``options.out`` does not have yet."""
    work = Path(tempfile.mkdtemp(prefix="mutations"))
    os.environ["STRIATE_CACHE"] = str(work / "kernels")
    sys.dont_write_bytecode = True
    tree = work / "0"
    copy_tree(options.revision, tree)
    every = list(mutations(tree, options.rooms))
    if options.like:
        wanted = {key(line) for line in read(options.like)}
        chosen = list({m.key: m for m in reversed(every) if m.key in wanted}.values())
    else:
        chosen = sample(list({m.key: m for m in every}.values()), options.count, options.seed)
    done = {key(line) for line in read(options.out)} if options.out.exists() else set()
    chosen = sorted((m for m in chosen if m.key not in done), key=lambda m: options.rooms.index(m.room))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    compileall.compile_dir(tree / "striate", quiet=2)
    trees = [tree, *(work / str(number) for number in range(1, options.jobs))]
    for other in trees[1:]:
        shutil.copytree(tree, other)
    preload()
    rooms = list(dict.fromkeys(m.room for m in chosen))
    workers = []
    for number, tree in enumerate(trees):
        workers.append(os.fork())
        if workers[-1] == 0:
            os.environ["PYTHONPATH"] = str(tree)
            for name in rooms[number :: len(trees)]:
                room = Room(name, tree, options.out.with_suffix(f".{name}.json"))
                for mutation in (m for m in chosen if m.room == name):
                    with options.out.open("a") as out:
                        out.write(json.dumps(attempt(mutation, room)) + "\n")
            os._exit(0)
    for worker in workers:
        os.waitpid(worker, 0)
    shutil.rmtree(work)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def key(line: dict[str, Any]) -> tuple[str, ...]:
    return line["function"], line["kind"], line["before"], line["after"]


def table(paths: list[Path]) -> None:
    """How many mutations of each room were made, noticed, are no fault, and survive."""
    excused = {key(line) for line in read(EQUIVALENT)} if EQUIVALENT.exists() else set()
    for path in paths:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for line in read(path):
            verdict = "noticed" if line["noticed"] else "equivalent" if key(line) in excused else "survived"
            for room in (line["room"], "all"):
                counts[room].update(["made", verdict])
        print(f"\n{path.stem}\n\n| room | made | noticed | equivalent | survived |\n|---|---|---|---|---|")
        for room in (*(r for r in ROOMS if r in counts), "all"):
            count = counts[room]
            share = count["survived"] / max(1, count["made"] - count["equivalent"])
            numbers = f"{count['made']} | {count['noticed']} | {count['equivalent']}"
            print(f"| {room} | {numbers} | {count['survived']} ({share:.0%}) |")


def main() -> None:
    """The command line; see above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(required=True, dest="command")
    runs = commands.add_parser("run")
    runs.add_argument("out", type=Path)
    runs.add_argument("--count", type=int, default=300)
    runs.add_argument("--seed", type=int, default=0)
    runs.add_argument("--jobs", type=int, default=1)
    runs.add_argument("--revision")
    runs.add_argument("--like", type=Path)
    runs.add_argument("--rooms", type=lambda text: tuple(text.split(",")), default=ROOMS)
    shows = commands.add_parser("table")
    shows.add_argument("paths", nargs="+", type=Path)
    options = parser.parse_args()
    run(options) if options.command == "run" else table(options.paths)


if __name__ == "__main__":
    main()
