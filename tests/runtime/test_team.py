"""The thread team: every item once, in order, whoever comes or comes late; and that it leaves a process in peace."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import ArgumentError, ShapeError
from striate.runtime import team as module
from striate.runtime.team import Program, Team, available_cores, set_threads, shared_team

binding = pytest.importorskip("llvmlite.binding")

ROOT = Path(__file__).parent.parent.parent

#: Kernels to test with. `count`: x[i] += 1. `chunk`: x[i] = (lo, hi). `step`: y[i] = 1 + the least of x. `own`: x[i] =
#: the address of the scratch, or 0 if somebody else wrote to its first or last word meanwhile. `meet`: adds the number
#: of its items to x[0], then waits until that is n; x[1] = 1 if it becomes so.
KERNELS = """
define void @count(ptr %x, i64 %lo, i64 %hi, ptr %scratch) {
entry:
  br label %item
item:
  %i = phi i64 [ %lo, %entry ], [ %i.after, %item ]
  %at = getelementptr i64, ptr %x, i64 %i
  %before = load i64, ptr %at
  %after = add i64 %before, 1
  store i64 %after, ptr %at
  %i.after = add i64 %i, 1
  %more = icmp slt i64 %i.after, %hi
  br i1 %more, label %item, label %return
return:
  ret void
}

define void @chunk(ptr %x, i64 %lo, i64 %hi, ptr %scratch) {
entry:
  br label %item
item:
  %i = phi i64 [ %lo, %entry ], [ %i.after, %item ]
  %lo.at = getelementptr [2 x i64], ptr %x, i64 %i
  store i64 %lo, ptr %lo.at
  %hi.at = getelementptr i64, ptr %lo.at, i64 1
  store i64 %hi, ptr %hi.at
  %i.after = add i64 %i, 1
  %more = icmp slt i64 %i.after, %hi
  br i1 %more, label %item, label %return
return:
  ret void
}

declare i64 @llvm.smin.i64(i64, i64)

define void @step(ptr %arguments, i64 %lo, i64 %hi, ptr %scratch) {   ; arguments: x, y, n
entry:
  %x = load ptr, ptr %arguments
  %y.at = getelementptr i64, ptr %arguments, i64 1
  %y = load ptr, ptr %y.at
  %n.at = getelementptr i64, ptr %arguments, i64 2
  %n = load i64, ptr %n.at
  br label %item
item:
  %i = phi i64 [ %lo, %entry ], [ %i.after, %store ]
  br label %look
look:
  %j = phi i64 [ 0, %item ], [ %j.after, %look ]
  %least = phi i64 [ 1000000, %item ], [ %least.after, %look ]
  %x.at = getelementptr i64, ptr %x, i64 %j
  %value = load i64, ptr %x.at
  %least.after = call i64 @llvm.smin.i64(i64 %least, i64 %value)
  %j.after = add i64 %j, 1
  %looking = icmp slt i64 %j.after, %n
  br i1 %looking, label %look, label %store
store:
  %up = add i64 %least.after, 1
  %out = getelementptr i64, ptr %y, i64 %i
  store i64 %up, ptr %out
  %i.after = add i64 %i, 1
  %more = icmp slt i64 %i.after, %hi
  br i1 %more, label %item, label %return
return:
  ret void
}

define void @own(ptr %arguments, i64 %lo, i64 %hi, ptr %scratch) {    ; arguments: x, words of scratch
entry:
  %x = load ptr, ptr %arguments
  %words.at = getelementptr i64, ptr %arguments, i64 1
  %words = load i64, ptr %words.at
  %end = getelementptr i64, ptr %scratch, i64 %words
  %last = getelementptr i64, ptr %end, i64 -1
  br label %item
item:
  %i = phi i64 [ %lo, %entry ], [ %i.after, %store ]
  store volatile i64 %i, ptr %scratch
  store volatile i64 %i, ptr %last
  br label %look
look:
  %looks = phi i64 [ 0, %item ], [ %looks.after, %look ]
  %wrong = phi i64 [ 0, %item ], [ %wrong.after, %look ]
  %first.now = load volatile i64, ptr %scratch
  %last.now = load volatile i64, ptr %last
  %first.differs = xor i64 %first.now, %i
  %last.differs = xor i64 %last.now, %i
  %differ = or i64 %first.differs, %last.differs
  %wrong.after = or i64 %wrong, %differ
  %looks.after = add i64 %looks, 1
  %looking = icmp slt i64 %looks.after, 5000
  br i1 %looking, label %look, label %store
store:
  %right = icmp eq i64 %wrong.after, 0
  %address = ptrtoint ptr %scratch to i64
  %answer = select i1 %right, i64 %address, i64 0
  %out = getelementptr i64, ptr %x, i64 %i
  store i64 %answer, ptr %out
  %i.after = add i64 %i, 1
  %more = icmp slt i64 %i.after, %hi
  br i1 %more, label %item, label %return
return:
  ret void
}

define void @meet(ptr %arguments, i64 %lo, i64 %hi, ptr %scratch) {   ; arguments: x, n
entry:
  %x = load ptr, ptr %arguments
  %n.at = getelementptr i64, ptr %arguments, i64 1
  %n = load i64, ptr %n.at
  %items = sub i64 %hi, %lo
  %before = atomicrmw add ptr %x, i64 %items seq_cst, align 8
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %looks.after, %next ]
  %now = load atomic i64, ptr %x seq_cst, align 8
  %met = icmp eq i64 %now, %n
  br i1 %met, label %together, label %next
next:
  %looks.after = add i64 %looks, 1
  %given.up = icmp sgt i64 %looks.after, 10000000000
  br i1 %given.up, label %return, label %look
together:
  %out = getelementptr i64, ptr %x, i64 1
  store atomic i64 1, ptr %out seq_cst, align 8
  br label %return
return:
  ret void
}
"""


def compiled() -> dict[str, int]:
    """The address of each kernel."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(KERNELS), machine)
    engine.finalize_object()
    addresses = {name: engine.get_function_address(name) for name in re.findall(r"define void @(\w+)", KERNELS)}
    engine.detach()  # kept to the end of the process
    return addresses


CODE = compiled()


def counting(arrays: list[np.ndarray], grains: list[int]) -> Program:
    """A program that adds 1 to every number of each array."""
    return Program([(CODE["count"], x.ctypes.data, x.size, grain) for x, grain in zip(arrays, grains, strict=True)])


def words(*values: int | np.ndarray) -> np.ndarray:
    """A kernel's arguments."""
    return np.array([v.ctypes.data if isinstance(v, np.ndarray) else v for v in values], np.int64)


def wait_until_asleep(team: Team, workers: int) -> None:
    give_up = time.monotonic() + 20
    while len(team._asleep) < workers:
        assert time.monotonic() < give_up, "the workers do not fall asleep"
        time.sleep(0.001)


@pytest.fixture(scope="module")
def teams():
    """A team of each size from 1 to 8."""
    made = {threads: Team(threads) for threads in range(1, 9)}
    yield made
    for team in made.values():
        team.stop()


@pytest.fixture
def team_of():
    """Makes teams, and stops them when the test is over."""
    made = []

    def make(threads: int) -> Team:
        made.append(Team(threads))
        return made[-1]

    yield make
    for team in made:
        team.stop()


# --- what is computed -------------------------------------------------------------------------------------------------

SIZES = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 60)), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(sizes=SIZES, threads=st.integers(1, 8), runs=st.integers(1, 4))
def test_every_item_exactly_once(teams, sizes, threads, runs):
    arrays = [np.zeros(items, np.int64) for items, _ in sizes]
    program = counting(arrays, [grain for _, grain in sizes])
    for _ in range(runs):
        teams[threads].run(program)
    for x in arrays:
        np.testing.assert_array_equal(x, runs)


@settings(max_examples=200, deadline=None)
@given(
    items=st.integers(1, 60), grains=st.lists(st.integers(1, 60), min_size=1, max_size=30), threads=st.integers(1, 8)
)
def test_an_instruction_begins_when_the_one_before_is_finished(teams, items, grains, threads):
    """Each adds 1 to the least number that the one before it has left: one early item, and the end is too low."""
    x, y = np.zeros((2, items), np.int64)
    tables = [words(x, y, items) if number % 2 == 0 else words(y, x, items) for number in range(len(grains))]
    program = Program(
        [(CODE["step"], table.ctypes.data, items, grain) for table, grain in zip(tables, grains, strict=True)]
    )
    teams[threads].run(program)
    np.testing.assert_array_equal(y if len(grains) % 2 else x, len(grains))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("items", "grain"), [(1, 1), (64, 1), (100, 7), (1000, 3), (10, 10), (11, 10)])
def test_chunks_are_whole_blocks(teams, threads, items, grain):
    chunks = np.full((items, 2), -1)
    teams[threads].run(Program([(CODE["chunk"], chunks.ctypes.data, items, grain)]))
    lo, hi = chunks[chunks[:, 0] == np.arange(items)].T
    assert lo[0] == 0
    assert hi[-1] == items
    np.testing.assert_array_equal(lo[1:], hi[:-1])
    assert not np.any(lo % grain)
    if threads == 1:
        assert len(lo) == 1
    if items == 1000:  # 334 blocks: about four chunks to a share
        assert len(lo) <= 4 * threads


def test_each_thread_begins_with_its_own_share(team_of):
    team, items = team_of(2), 64
    flags, owners = np.zeros(2, np.int64), np.zeros(items, np.int64)
    met, x = words(flags, 2), words(owners, 8)
    program = Program([(CODE["meet"], met.ctypes.data, 2, 1), (CODE["own"], x.ctypes.data, items, 1)], 64)
    caller = team._scratch.ctypes.data
    for _ in range(500):  # a thread that the system stops for a while is helped, so once has to be enough
        flags[:] = 0
        team.run(program)
        assert flags[1] == 1
        if owners[0] == caller and np.all(owners[items // 2 :] != caller):
            return
        time.sleep(0.01)
    pytest.fail("the caller always took from the worker's share")


def test_scratch_belongs_to_one_thread(team_of):
    team = team_of(3)
    for size in (64, 5000, 100_000, 64):  # grows, and does not shrink
        owners = np.zeros(300, np.int64)
        x = words(owners, size // 8)
        team.run(Program([(CODE["own"], x.ctypes.data, owners.size, 1)], size))
        assert np.all(owners != 0)
        assert not np.any(owners % 4096)
        places = np.unique(owners)
        assert np.all(np.diff(places) >= size)
    assert team._scratch_bytes >= 100_000


def test_a_late_worker_joins_and_skips_what_is_finished(team_of):
    team = team_of(2)
    arrays = [np.zeros(9, np.int64) for _ in range(20)]
    team.run(counting(arrays, [1] * 20))
    flags = np.zeros(2, np.int64)
    met = words(flags, 2)
    rows = [(CODE["count"], x.ctypes.data, x.size, 2) for x in arrays]
    program = Program([*rows, (CODE["meet"], met.ctypes.data, 2, 1), *rows])
    for runs in range(1, 4):
        wait_until_asleep(team, 1)
        flags[:] = 0
        program.nanoseconds = module._WAKE_COST  # the caller is at `meet` long before the worker is awake
        team.run(program)
        np.testing.assert_array_equal(flags, [2, 1])
        np.testing.assert_array_equal(arrays, 1 + 2 * runs)


def test_nobody_waits_for_workers_that_do_not_come(team_of, monkeypatch):
    monkeypatch.setattr(Team, "_start", lambda self: None)
    x = np.zeros(1000, np.int64)
    team_of(8).run(counting([x] * 10, [1] * 10))
    np.testing.assert_array_equal(x, 10)


def test_more_threads_than_cores_finish(team_of):
    team, x = team_of(4 * available_cores()), np.zeros(100, np.int64)
    program = counting([x] * 30, [1] * 30)
    for _ in range(100):
        team.run(program)
    np.testing.assert_array_equal(x, 3000)


def test_several_callers_take_turns(team_of):
    team, wrong = team_of(2), []

    def call():
        x = np.zeros(50, np.int64)
        program = counting([x] * 5, [1, 7, 50, 50, 3])
        for runs in range(1, 200):
            team.run(program)
            if not np.all(x == 5 * runs):
                wrong.append(x)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_a_program_may_be_empty_or_nested_lists(team_of):
    team_of(2).run(Program(np.empty((0, 4), np.int64)))
    x = np.zeros(3, np.int64)
    team_of(2).run(Program([[CODE["count"], x.ctypes.data, 3, 2]]))
    np.testing.assert_array_equal(x, 1)


# --- sleeping and waking ----------------------------------------------------------------------------------------------


def test_an_idle_team_uses_no_processor_time(team_of):
    team, x = team_of(4), np.zeros(100, np.int64)
    team.run(counting([x], [1]))
    wait_until_asleep(team, 3)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.03


@pytest.fixture
def sleeping(team_of, monkeypatch):
    """A team of four whose workers sleep for ever, and the list of those it has tried to wake."""
    monkeypatch.setattr(Team, "_start", lambda self: None)
    team, woken = team_of(4), []
    team._asleep = {module._Worker(index, team._work, 0, set()) for index in (1, 2, 3)}
    monkeypatch.setattr(module, "_wake", woken.extend)
    return team, woken


def test_short_runs_wake_workers_when_they_add_up(sleeping):
    team, woken = sleeping
    x = np.zeros(10, np.int64)
    short = counting([x], [1])
    for wakes in (0, 0, 1, 1, 1, 2):
        short.nanoseconds = module._WAKE_COST * 2 // 5  # as if the last run had taken that long
        team.run(short)
        assert len(woken) == 3 * wakes
        assert 0 < short.nanoseconds != module._WAKE_COST * 2 // 5, "the run was measured"
    np.testing.assert_array_equal(x, 6)


def test_workers_without_work_are_not_woken(sleeping):
    team, woken = sleeping
    x = np.zeros(10, np.int64)
    team.run(counting([x], [10]))
    assert not woken
    team.run(counting([x], [4]))
    assert {worker.index for worker in woken} == {1, 2}
    np.testing.assert_array_equal(x, 2)


@pytest.mark.parametrize(("call", "sleeps"), [(5 << 16, 1), (5 << 16 | 2, 0), (5 << 16 | 1, 1), (-1, 0)])
def test_a_worker_that_missed_the_beginning_of_a_run_does_not_sleep_through_it(monkeypatch, call, sleeps):
    """Its caller did not wake it, as it was not asleep yet: it waited for Python's lock to say so."""
    slept = []
    returns = iter([1, 0])
    team = Team(2)
    team._native = module._Native(team._native.run, lambda *_: next(returns))
    worker = module._Worker(1, team._work, 0, set())
    monkeypatch.setattr(worker, "sleep", lambda: slept.append(worker) or [])
    team._memory[module._CALL] = call
    team._work(worker, 0)
    assert len(slept) == sleeps
    assert not team._asleep


@pytest.mark.parametrize("many", [0, 1, 2, 3, 10, 63])
def test_waking_many_is_shared(many):
    woken, ringing = [], []

    class Sleeper:
        def wake(self, others):
            woken.append(self)
            ringing[-1] += 1
            ringing.append(0)
            module._wake(others)
            assert ringing.pop() <= 2

    ringing.append(0)
    sleepers = [Sleeper() for _ in range(many)]
    module._wake(sleepers)
    assert ringing.pop() <= 2
    assert len(woken) == many
    assert set(woken) == set(sleepers)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not let a thread choose its core")
def test_workers_may_use_every_core_again_after_waking(team_of):
    team, x = team_of(2), np.zeros(1000, np.int64)
    program = counting([x] * 50, [1] * 50)
    all_cores = module._own_cores()
    for _ in range(20):
        team.run(program)
        wait_until_asleep(team, 1)
        program.nanoseconds = module._WAKE_COST
    team.run(program)
    give_up = time.monotonic() + 20
    while os.sched_getaffinity(team._workers[0].thread.native_id) != all_cores:  # it may not be awake yet
        assert time.monotonic() < give_up
        time.sleep(0.001)


# --- beginning and end ------------------------------------------------------------------------------------------------


def test_1000_teams_start_and_stop():
    x = np.zeros(8, np.int64)
    program = counting([x], [1])
    threads = threading.active_count()
    for _ in range(1000):
        team = Team(3)
        team.run(program)
        team.stop()
    assert threading.active_count() == threads
    np.testing.assert_array_equal(x, 1000)


def test_a_stopped_team_goes_on_alone():
    team, x = Team(3), np.zeros(100, np.int64)
    program = counting([x], [1])
    team.run(program)
    team.stop()
    team.stop()
    team.run(program)
    assert not any(worker.thread.is_alive() for worker in team._workers)
    np.testing.assert_array_equal(x, 2)


def test_stopping_wakes_sleepers(team_of):
    team, x = team_of(4), np.zeros(100, np.int64)
    team.run(counting([x], [1]))
    wait_until_asleep(team, 3)
    team.stop()
    assert not any(worker.thread.is_alive() for worker in team._workers)


@pytest.fixture
def own_process(monkeypatch):
    """What there is once in a process, for one test."""
    monkeypatch.setattr(module, "_process", module._Process())
    yield
    if module._process.team is not None:
        module._process.team.stop()


@pytest.mark.usefixtures("own_process")
def test_set_threads_replaces_the_shared_team():
    first = shared_team()
    assert first.threads == available_cores()
    assert shared_team() is first
    x = np.zeros(100, np.int64)
    first.run(counting([x], [1]))
    set_threads(3)
    assert shared_team().threads == 3
    assert not any(worker.thread.is_alive() for worker in first._workers)
    shared_team().run(counting([x], [1]))
    first.run(counting([x], [1]))  # whoever still holds the first one gets right results, too
    np.testing.assert_array_equal(x, 3)


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("threads", [0, -1, 65536, 2.5, None])
def test_numbers_of_threads_that_mean_nothing(threads):
    before = shared_team()
    expected = f"threads: expected an integer from 1 to 65535, got {threads}."
    with pytest.raises(ArgumentError, match=re.escape(expected)):
        set_threads(threads)
    assert shared_team() is before


@pytest.mark.parametrize(
    ("instructions", "scratch", "error", "message"),
    [
        ([1, 2, 3, 4], 0, ShapeError, "Program: expected instructions of shape (n, 4), got (4,)."),
        ([[1, 2, 3]], 0, ShapeError, "Program: expected instructions of shape (n, 4), got (1, 3)."),
        ([[0, 0, 5, 1], [0, 0, 0, 1]], 0, ArgumentError, "Program: instruction 1 has 0 items and grain 1, expected at"),
        (
            [[0, 0, 5, 0]],
            0,
            ArgumentError,
            "Program: instruction 0 has 5 items and grain 0, expected at least 1 of each",
        ),
        ([[0, 0, 5, 1]], -1, ArgumentError, "Program: expected scratch ≥ 0 bytes, got -1."),
    ],
)
def test_programs_that_mean_nothing(instructions, scratch, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Program(instructions, scratch)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000\n", 8), ("150000 100000\n", 2), ("50000 100000\n", 1), ("9900000 100000", 8), ("strange", 8)],
)
def test_available_cores_know_of_quotas(monkeypatch, quota, cores):
    monkeypatch.setattr(module, "_own_cores", lambda: set(range(8)))
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: quota)
    assert available_cores() == cores


def test_available_cores_without_quotas(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "Path", lambda name: tmp_path / "missing")
    assert available_cores() == len(module._own_cores()) or not module._own_cores()


# --- the process around it --------------------------------------------------------------------------------------------

PREAMBLE = """
import os, sys, threading, time
import numpy as np
from tests.runtime.test_team import counting, wait_until_asleep
from striate.runtime.team import Program, Team, set_threads, shared_team
set_threads(3)
x = np.zeros(100, np.int64)
program = counting([x] * 5, [1] * 5)
"""


def start_python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PREAMBLE + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def assert_ends_well(process: subprocess.Popen[str], expected: str = "") -> None:
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out.strip(), err) == (0, expected, "")


@pytest.mark.parametrize(
    "code",
    [
        "shared_team().run(program)",  # the workers are still watching
        "shared_team().run(program); wait_until_asleep(shared_team(), 2)",
        "teams = [Team(3) for _ in range(5)]; [team.run(program) for team in teams]",
        "shared_team().run(program); raise SystemExit",
        # after our own handler: those registered first come last
        "class Late:\n  def __del__(self): self.team.run(self.program)\n"
        "late = Late(); late.team = shared_team(); late.program = program; late.team.run(program); late.me = late",
        # a thread that goes on computing while the interpreter goes away
        "def work():\n  while True: shared_team().run(program)\n"
        "threading.Thread(target=work, daemon=True).start(); time.sleep(0.1)",
    ],
    ids=["watching", "asleep", "several", "SystemExit", "run at the very end", "daemon"],
)
def test_the_interpreter_exits(code):
    for _ in range(3):
        assert_ends_well(start_python(code))


def test_a_run_after_the_end_is_done_alone():
    code = "import atexit\natexit.unregister(module._stop_all)\n"  # put ours first, so that it comes last
    code = f"from striate.runtime import team as module\n{code}"
    code += "atexit.register(lambda: (shared_team().run(program), print(x.sum())))\natexit.register(module._stop_all)\n"
    assert_ends_well(start_python(code + "shared_team().run(program)"), "1000")


FORK = """
child = os.fork()
if child == 0:
    x[:] = 0
    shared_team().run(program)
    print(shared_team().threads > 0, set(x.tolist()), flush=True)
    sys.exit(0)
_, status = os.waitpid(child, 0)
before = x.copy()
shared_team().run(program)
print(status, set((x - before).tolist()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    "before",
    [
        "",
        "shared_team().run(program)",
        "shared_team().run(program); wait_until_asleep(shared_team(), 2)",
    ],
    ids=["unused", "watching", "asleep"],
)
def test_fork_while_idle(before):
    assert_ends_well(start_python(before + FORK), "True {5}\n0 {5}")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_while_another_thread_computes():
    code = """
y = np.zeros(10000, np.int64)
other = counting([y] * 50, [1] * 50)
def work():
    while not over: shared_team().run(other)
over = False
thread = threading.Thread(target=work)
thread.start()
for _ in range(5):
    child = os.fork()
    if child == 0:
        x[:] = 0
        shared_team().run(program)
        sys.stdout.write("." if np.all(x == 5) else "wrong")
        sys.exit(0)
    if os.waitpid(child, 0)[1]: sys.stdout.write("died")
over = True
thread.join()
"""
    assert_ends_well(start_python(code), "." * 5)


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_while_another_thread_compiles():
    code = """
os.environ["STRIATE_CACHE"] = "/proc/none"  # nothing is found there, and nothing kept
from striate.codegen import compiler, kernel
from striate.codegen import host
from striate.codegen.values import FLOAT
@kernel
def add(f, x, *, amount):
    for item in f.items(): (x + item).store((x + item).load() + float(amount))
def compile_one(amount):
    code = add.code(host(), (FLOAT,), (("amount", amount),))
    return compiler.addresses([code])[code.symbol]
compiled, over = 0, False
def work():
    global compiled
    while not over: compile_one(compiled); compiled += 1
thread = threading.Thread(target=work)
thread.start()
for number in range(20):
    reached = compiled
    while compiled < reached + 2: time.sleep(0.0005)
    child = os.fork()
    if child == 0:
        os._exit(0 if compile_one(10_000 + number) else 1)
    if os.waitpid(child, 0)[1]: sys.stdout.write("died")
over = True
thread.join()
"""
    assert_ends_well(start_python(code))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C arrives differently")
def test_ctrl_c_leaves_a_team_that_works():
    code = """
shared_team().run(program)  # compiles: Python loses an interrupt that comes while it finalizes some object
interrupts = 0
while interrupts < 20:
    try:
        print(interrupts, flush=True)  # the next interrupt comes when this has been read
        while True: shared_team().run(program)
    except KeyboardInterrupt:
        interrupts += 1
x[:] = 0
shared_team().run(program)
print(set(x.tolist()))
"""
    process = start_python(code)
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    for number in range(20):
        assert process.stdout.readline() == f"{number}\n"
        time.sleep(0.002 * number)
        process.send_signal(signal.SIGINT)
    assert_ends_well(process, "{5}")
    watchdog.cancel()


def test_A3_importing_it_does_not_import_llvmlite():
    code = "import sys, striate.runtime.team; print('llvmlite' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "False"


# --- other machines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "waiting"),
    [
        ("x86_64-unknown-linux-gnu", r"\bpause\b"),
        ("x86_64-apple-darwin", r"\bpause\b"),
        ("x86_64-pc-windows-msvc", r"\bpause\b"),
        ("aarch64-unknown-linux-gnu", r"\byield\b"),
        ("arm64-apple-darwin", r"\byield\b"),
        ("riscv64-unknown-linux-gnu", ""),
    ],
)
def test_compiles_for_other_machines_and_needs_no_library(triple, waiting):
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    parsed = binding.parse_assembly(module._text(triple))
    parsed.verify()
    target = binding.Target.from_triple(triple)
    features = "+m,+a,+d" if triple.startswith("riscv") else ""
    assembly = target.create_target_machine(features=features, codemodel="small").emit_assembly(parsed)
    assert re.search(waiting, assembly)
    called = set(re.findall(r"^\s+(?:callq?|bl)\s+_?([a-zA-Z]\w*)", assembly, re.MULTILINE))
    assert "take_part" in called
    assert called <= {"take_part", "perform", "await"}


@pytest.mark.parametrize("size", [1, 4096, 4097, 8192, 8193, 100 * 4096 + 1])
def test_each_thread_has_the_scratch_that_a_program_asks_for(size):
    team = Team(2)
    team._reserve_scratch(size)
    assert team._scratch_bytes >= size
    assert team._scratch.nbytes >= 2 * team._scratch_bytes


@pytest.mark.parametrize("size", [8, 64, 4096, 4104])
@pytest.mark.parametrize("alignment", [64, 4096])
def test_memory_of_a_team_begins_where_it_is_asked_to(size, alignment):
    memory = module._aligned(size, alignment)
    assert memory.nbytes == size
    assert memory.ctypes.data % alignment == 0
    assert not memory.any()
