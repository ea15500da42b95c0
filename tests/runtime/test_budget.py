"""What compiled networks may keep between runs: who leaves when it is too much, what is shared, what is freed."""

import gc
import inspect
import itertools
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ArgumentError, MemoryLimitError
from striate.graph import Tensor, Variable, trace
from striate.runtime import ExecutorCache, ReferenceExecutor, budget, kept_bytes

MB = 2**20
FRESH = "STRIATE_TESTS_FRESH_PROCESS"


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Nobody else in this process keeps anything; and weights are the same in each run."""
    striate.set_seed(0)
    monkeypatch.setattr(budget, "_process", budget._Process())
    yield
    striate.set_exact(False)


def in_a_fresh_process(test):
    """Decorator: what other tests still keep would share machine code and packed weights with this one."""

    def run(request):
        if os.environ.get(FRESH):
            return test(*map(request.getfixturevalue, inspect.signature(test).parameters))
        command = [sys.executable, "-m", "pytest", "-q", request.node.nodeid]
        settings = {"cwd": request.config.rootpath, "env": os.environ | {FRESH: "1"}, "text": True}
        done = subprocess.run(command, capture_output=True, check=False, **settings)
        assert done.returncode == 0, done.stdout

    run.__name__ = test.__name__
    return run


class Thing:
    """Keeps so many bytes, and others together with other things."""

    def __init__(self, size, *shared):
        self.size, self.shared = size, shared
        budget.count(self)

    def kept(self):
        return {self: self.size, **dict(self.shared)}


def test_the_one_that_was_not_used_for_longest_leaves():
    striate.set_memory_budget(250)
    one, two = ExecutorCache(), ExecutorCache()  # of two models: the budget is the process's
    a = weakref.ref(one.get("a", lambda: Thing(100)))
    b = weakref.ref(two.get("b", lambda: Thing(100)))
    assert one.get("a", pytest.fail) is a()
    c = weakref.ref(one.get("c", lambda: Thing(100)))
    assert (a() is None, b() is None, c() is None) == (False, True, False)
    assert kept_bytes() == 200
    assert (len(one), len(two)) == (2, 0)
    assert two.get("b", lambda: Thing(50)).size == 50  # made again, and now there is room for all
    assert kept_bytes() == 250
    striate.set_memory_budget(60)
    assert (a(), c(), len(two)) == (None, None, 1)


def test_what_was_used_last_stays_whatever_it_needs():
    striate.set_memory_budget(0)
    cache = ExecutorCache()
    for name in "abc":
        cache.get(name, lambda: Thing(1000))
        assert kept_bytes() == 1000
    assert cache.get("c", pytest.fail).size == 1000


def test_what_is_shared_is_counted_once():
    shared = object()
    first, second = Thing(1, (shared, 10)), Thing(2, (shared, 10))
    assert kept_bytes() == 13
    del first
    assert kept_bytes() == 12
    del second
    assert kept_bytes() == 0


def test_what_somebody_still_runs_is_counted_until_he_is_done():
    striate.set_memory_budget(100)
    cache = ExecutorCache()
    running = cache.get("a", lambda: Thing(90))
    cache.get("b", lambda: Thing(90))
    assert kept_bytes() == 180
    assert len(cache) == 1
    del running
    assert kept_bytes() == 90


def test_two_threads_that_miss_the_same_get_the_same():
    cache, barrier = ExecutorCache(), threading.Barrier(2)

    def make():
        barrier.wait(10)
        return Thing(1)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: cache.get("a", make), range(2)))
    assert found[0] is found[1]


def test_the_budget_that_nobody_set_is_an_eighth_of_the_machine(monkeypatch):
    monkeypatch.setattr(budget, "_machine_memory", lambda: 16 * MB)
    assert (budget.memory_budget(), budget.memory_limit()) == (2 * MB, 16 * MB)
    striate.set_memory_budget(5e6)
    striate.set_memory_limit(np.int64(7))
    assert (budget.memory_budget(), budget.memory_limit()) == (5_000_000, 7)
    striate.set_memory_budget(None)
    striate.set_memory_limit(None)
    assert (budget.memory_budget(), budget.memory_limit()) == (2 * MB, 16 * MB)


def test_the_machine_has_memory():
    assert 2**26 < budget._machine_memory() < 2**50


@pytest.mark.parametrize("where", ["set_memory_budget", "set_memory_limit"])
@pytest.mark.parametrize("size", [-1, True, "1 GB", float("nan"), float("inf")])
def test_R4_no_number_of_bytes(where, size):
    with pytest.raises(
        ArgumentError, match=f"{where}: expected a number of bytes of at least 0, or None, got {size!r}"
    ):
        getattr(striate, where)(size)


# Networks


def network():
    return striate.Sequential(
        [
            striate.Input((12, 12, 16)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(8, 1),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def images(count):
    return np.random.default_rng(count).standard_normal((count, 12, 12, 16)).astype(np.float32)


def on_the_reference(model, x):
    striate.set_executor("reference")
    try:
        return model.predict_on_batch(x)
    finally:
        striate.set_executor("native")


@in_a_fresh_process
def test_networks_keep_to_the_budget():
    pytest.importorskip("llvmlite")
    model = network()
    model.predict_on_batch(images(1))
    one = kept_bytes()
    striate.set_memory_budget(3 * one)
    counts = []
    for size in range(1, 12):
        model.predict_on_batch(images(size))
        assert kept_bytes() <= 3 * one
        counts.append(len(model.executors))
    assert counts[-1] < 11
    striate.set_memory_budget(0)
    assert len(model.executors) == 1
    np.testing.assert_allclose(model.predict_on_batch(images(3)), on_the_reference(model, images(3)), atol=1e-5)


@in_a_fresh_process
def test_weights_are_packed_once_for_all_batches(monkeypatch):
    pytest.importorskip("llvmlite")
    from striate.runtime.prepared import Preparation

    packed = []
    follow = Preparation.follow

    def watched(self, team):
        class Watched:
            @staticmethod
            def run(program):
                packed.extend(row[0] for row in program._rows)
                team.run(program)

        follow(self, Watched)

    monkeypatch.setattr(Preparation, "follow", watched)
    striate.set_exact(True)  # Winograd's transforms, which suit some batches, are other numbers
    model = network()
    sizes = [1, 2, 3, 5]
    first = [model.predict_on_batch(images(size)) for size in sizes]
    assert len(packed) == 2  # two convolutions
    things = {}
    for keeper in list(budget._process.keepers):
        things.update(keeper.kept())
    prepared = [size for thing, size in things.items() if type(thing).__name__ == "Prepared"]
    assert sorted(prepared) == [4 * 32 * 8, 4 * 9 * 16 * 32]  # whole vectors of channels, so as many as the weights
    for factor in (2, 3):
        packed.clear()
        model.set_weights([factor * weight for weight in model.get_weights()])
        for size, before in zip(sizes, first, strict=True):
            after = model.predict_on_batch(images(size))
            expected = on_the_reference(model, images(size))
            np.testing.assert_allclose(after, expected, atol=1e-5 * np.abs(expected).max())
            assert np.abs(after - before).max() > 1e-3
        assert len(packed) == 2


def test_packed_weights_of_two_models_are_two():
    pytest.importorskip("llvmlite")
    one, two = network(), network()
    assert not np.allclose(one.predict_on_batch(images(2)), two.predict_on_batch(images(2)))
    np.testing.assert_allclose(one.predict_on_batch(images(2)), on_the_reference(one, images(2)), atol=1e-5)


def test_executors_are_freed_at_once_when_nobody_needs_them():
    pytest.importorskip("llvmlite")
    model = network()
    model.compile("sgd", "sparse_categorical_crossentropy")
    gc.collect()
    gc.disable()
    try:
        model.predict_on_batch(images(2))
        predict = weakref.ref(model.executors.values()[0])
        model.train_on_batch(images(2), np.zeros(2, np.int64))
        assert kept_bytes() > 0
        model.forget_compiled()
        assert predict() is None
        model.compile("sgd", "sparse_categorical_crossentropy")  # its optimizer had one too
        assert kept_bytes() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("executor", ["native", "reference"])
def test_dropped_models_keep_nothing(executor):
    if executor == "native":
        pytest.importorskip("llvmlite")
    striate.set_executor(executor)
    try:
        model = network()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(images(4), np.zeros(4, np.int64), verbose=0)
        weights = weakref.ref(model.weights[0])
        assert kept_bytes() > 0
        del model
        gc.collect()
        assert (kept_bytes(), weights()) == (0, None)
    finally:
        striate.set_executor("native")


def test_many_threads_with_hardly_any_budget():
    pytest.importorskip("llvmlite")
    striate.set_memory_budget(1)
    models = [network() for _ in range(2)]
    work = list(itertools.product(models, range(1, 6)))
    expected = [model.predict_on_batch(images(size)) for model, size in work]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            results = pool.map(lambda one: one[0].predict_on_batch(images(one[1])), work)
            for got, wanted in zip(results, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_machine_code_leaves_with_its_executors():
    pytest.importorskip("llvmlite")
    from striate.codegen import compiler, llvm

    def runner(size):
        from striate.runtime.native import NativeExecutor

        return NativeExecutor(trace(lambda x: ops.tanh(x * 2.0), [Tensor((size,))]))

    first = runner(776)  # with it comes the code of the team, which stays
    executor = runner(777)
    (symbol,) = set(executor._code).difference(first._code)
    library = weakref.ref(compiler._LIBRARIES[symbol])
    del executor
    assert library() is None
    assert symbol not in compiler._LIBRARIES
    assert llvm._UNUSED
    other = runner(778)
    assert not llvm._UNUSED
    del other
    x = np.ones(777, np.float32)
    np.testing.assert_allclose(runner(777).run([x])[0], np.tanh(2 * x), rtol=1e-6)


def test_arrays_that_results_are_put_into_are_not_kept():
    pytest.importorskip("llvmlite")
    from striate.runtime.native import NativeExecutor

    runner = NativeExecutor(trace(ops.tanh, [Tensor((5000,))]))
    array = np.empty(5000, np.float32)
    runner.run([np.ones(5000, np.float32)], into={0: array})
    gone = weakref.ref(array)
    del array
    assert gone() is None


# One run


def large():
    weights = Variable(np.ones((100, 1000), np.float32), "w")

    def function(x):
        return ops.sum(ops.softmax(ops.dense(ops.relu(x), weights)))  # 40,000 bytes, then 400,000 twice

    return trace(function, [Tensor((100, 100))])


@pytest.mark.parametrize("kind", ["native", "reference"])
def test_R4_a_network_that_needs_too_much(kind):
    if kind == "native":
        pytest.importorskip("llvmlite")
        from striate.runtime.native import NativeExecutor as Executor
    else:
        Executor = ReferenceExecutor
    x = np.ones((100, 100), np.float32)
    striate.set_memory_limit(900_000)
    (total,) = Executor(large()).run([x])
    np.testing.assert_allclose(total, 100, rtol=1e-5)
    striate.set_memory_limit(300_000)
    with pytest.raises(
        MemoryLimitError,
        match=r"run: expected a network that computes in at most 300,000 bytes, got one that needs [48]0\d,\d\d\d, "
        r"most of them at (dense|softmax), whose result is \(100, 1000\)\. Give it a smaller batch or smaller inputs, "
        r"or raise the limit with striate\.set_memory_limit\.",
    ):
        Executor(large())


def test_outputs_count_too():
    pytest.importorskip("llvmlite")
    striate.set_memory_limit(10**6)
    model = striate.Sequential([striate.Input((100,)), layers.Dense(1000)])
    with pytest.raises(MemoryError, match=r"computes in at most 1,000,000 bytes, got one that needs 4,000,000.*dense"):
        model.predict_on_batch(np.ones((1000, 100), np.float32))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_R7_hundreds_of_batch_sizes():
    """What a process holds levels off; these took 2.6 GB when each had an arena and packed weights of its own."""
    pytest.importorskip("llvmlite")
    code = """
    import numpy as np, striate
    from striate import layers
    def resident():
        line, = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
        return int(line.split()[1]) // 1024
    striate.set_memory_budget(2**24)
    model = striate.Sequential([
        striate.Input((28, 28, 1)), layers.Conv2D(32, 3), layers.Conv2D(64, 3), layers.MaxPooling2D(),
        layers.GlobalAveragePooling2D(), layers.Dense(10)])
    for size in [150, *range(1, 150, 2)]:
        model.predict_on_batch(np.zeros((size, 28, 28, 1), np.float32))
        if size == 19:
            before = resident()
    print(before, resident())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after < before + 60


def models_used_and_dropped(count):
    """Weak references to models, which are parts of cycles."""
    dropped = []
    for _ in range(count):
        model = network()
        model.cycle = [model]
        model.predict_on_batch(images(1))
        dropped.append(weakref.ref(model))
        del model
    return [one() is None for one in dropped]


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("share", [0.5, 1000])
def test_models_that_nobody_uses_are_freed_where_much_is_kept(collecting, share):
    model = network()
    model.predict_on_batch(images(1))
    weights = sum(array.nbytes for array in model.get_weights())
    striate.set_memory_budget(share * (weights + kept_bytes()))
    gc.collect()
    threshold = gc.get_threshold()
    gc.set_threshold(10**6)  # so that nothing else looks for garbage
    if not collecting:
        gc.disable()
    try:
        freed = models_used_and_dropped(5)
    finally:
        gc.set_threshold(*threshold)
        gc.enable()
    assert freed == [collecting and share < 1] * 4 + [False]
