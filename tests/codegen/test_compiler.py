"""What a kernel's code depends on, and that it can be written for machines that are not this one."""

import ctypes
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

llvm = pytest.importorskip("llvmlite.binding")
from striate.codegen import Function, Pointer, Tile, compiler, host, kernel, most_rows, split  # noqa: E402
from striate.codegen import llvm as ours  # noqa: E402
from striate.codegen.values import FLOAT  # noqa: E402
from tests.codegen.machines import APPLE, FUSED, HASWELL, UNFUSED  # noqa: E402

OTHERS = [*UNFUSED, *FUSED, APPLE]


@kernel
def product(f: Function, a: Pointer, b: Pointer, c: Pointer, *, rows: int, columns: int, depth: int) -> None:
    """c = a · b."""
    for _ in f.items():
        tile = Tile(f, rows, columns, f.target.lanes_for(columns))
        tile.multiply(a, depth, 1, b, columns, depth)
        for row, column, count, value in tile.results():
            (c + row * columns + column).store(value, count=count)


def code(target, rows=3, columns=10, depth=7):
    settings = (("columns", columns), ("depth", depth), ("rows", rows))
    return product.code(target, (FLOAT,) * 3, settings)


@pytest.mark.parametrize("target", OTHERS, ids=lambda t: f"{t.triple.split('-')[0]} {t.cpu}")
def test_kernels_compile_for_other_machines(target):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    content = ours.emit_object(code(target).text, target)
    assert content[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    assert b"fma" not in content  # without an instruction for it, it would be a call


def test_what_takes_long_is_done_without_llvmlites_lock(monkeypatch):
    """The lock would let one thread at a time compile; it tells us whenever it is taken."""
    taken, called, without_lock = [], [], ours._without_lock

    def watched(name):
        def call(*arguments):
            before = len(taken)
            result = without_lock(name)(*arguments)
            called.append((name, len(taken) - before))
            return result

        return call

    def take():
        taken.append(True)

    def give():
        pass

    monkeypatch.setattr(ours, "_without_lock", watched)
    llvm.ffi.register_lock_callback(take, give)
    try:
        ours.emit_object(code(host()).text, host())
    finally:
        llvm.ffi.unregister_lock_callback(take, give)
    assert called == [("LLVMPY_RunNewModulePassManager", 0), ("LLVMPY_TargetMachineEmitToMemory", 0)]
    assert taken  # by all that is quick


def test_a_library_that_is_kept_elsewhere_compiles_under_its_lock(monkeypatch):
    class Elsewhere:
        def __getattr__(self, name, library=llvm.ffi.lib):
            if name in ("_name", "_handle"):
                raise AttributeError(name)
            return getattr(library, name)

    expected = ours.emit_object(code(host()).text, host())
    monkeypatch.setattr(llvm.ffi, "lib", Elsewhere())
    monkeypatch.setattr(ours, "_without_lock", ours._without_lock.__wrapped__)
    assert type(ours._without_lock("LLVMPY_TargetMachineEmitToMemory")).__name__ == "_lib_fn_wrapper"
    assert ours.emit_object(code(host()).text, host()) == expected


def test_many_threads_compile_at_once_to_the_same_bytes():
    texts = [code(host(), rows, columns).text for rows in range(1, 7) for columns in (1, 8, 10, 16, 33)]
    alone = [ours.emit_object(text, host()) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ours.emit_object, texts * 4, [host()] * (4 * len(texts))))
    assert together == alone * 4


def test_text_that_is_no_module_is_an_error_of_llvms():
    with pytest.raises(RuntimeError, match="expected top-level entity"):
        ours.emit_object("x", host())


def test_no_address_of_this_process_is_in_the_code():
    assert "inttoptr" not in code(host()).text
    assert code(host()).text == code(host()).text


def test_different_settings_have_different_symbols():
    symbols = {code(host(), *sizes).symbol for sizes in ((3, 10, 7), (3, 10, 8), (3, 11, 7), (4, 10, 7))}
    assert len(symbols) == 4
    assert code(OTHERS[0], 3, 16).symbol != code(HASWELL, 3, 16).symbol


@pytest.mark.parametrize(("rows", "columns", "depth"), [(1, 1, 1), (3, 10, 7), (6, 16, 5), (2, 33, 9), (5, 4, 0)])
def test_the_tile_multiplies_matrices(rows, columns, depth):
    written = code(host(), rows, columns, depth)
    loaded = compiler.addresses([written])
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)(
        loaded[written.symbol]
    )
    generator = np.random.default_rng(0)
    a = generator.integers(-5, 5, (rows, depth)).astype(np.float32)
    b = generator.integers(-5, 5, (depth, columns)).astype(np.float32)
    c = np.full((rows + 1, columns), 7, np.float32)
    table = np.array([array.ctypes.data for array in (a, b, c)], np.uint64)
    function(table.ctypes.data, 0, 1, None)
    np.testing.assert_array_equal(c[:rows], a @ b)
    np.testing.assert_array_equal(c[rows], 7)


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("most", [1, 5, 14])
def test_parts_are_nearly_equal_and_make_up_the_whole(size, most):
    parts = split(size, most)
    assert sum(part * count for part, count in parts) == size
    assert all(0 < part <= most and count > 0 for part, count in parts)
    assert max(part for part, _ in parts) - min(part for part, _ in parts) <= 1


@pytest.mark.parametrize("target", OTHERS, ids=lambda t: t.cpu)
@pytest.mark.parametrize("vectors", [1, 2, 3, 4])
def test_a_tile_fits_the_registers(target, vectors):
    rows = most_rows(target, vectors)
    assert rows >= 1
    assert rows == 1 or rows * vectors + vectors + 1 <= target.registers


def test_the_fewest_vectors_are_chosen_and_of_equals_the_narrowest():
    wide = next(target for target in FUSED if target.lanes == 16)
    assert [wide.lanes_for(n) for n in (1, 4, 5, 8, 9, 16, 17, 20, 24, 64)] == [4, 4, 8, 8, 16, 16, 16, 16, 16, 16]
    assert UNFUSED[0].lanes_for(64) == 4
