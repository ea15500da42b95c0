"""LLVM as we use it: the text of a module becomes an object file, and an object file becomes addresses.

llvmlite holds a lock around every call, so that one thread at a time is in LLVM. LLVM itself asks only that threads
share no context and no target machine; ours do not. So the two functions that take nearly all the time are called
without that lock, and as many modules are compiled at once as there are threads.

Source: LLVM Programmer's Manual, "Threads and LLVM".
"""

import ctypes
import functools
import sys
import threading
from collections.abc import Iterable
from typing import Any

from striate.codegen.target import Target

#: Memory to registers, then what that leaves over. Loops, vectors and registers' use are ours: no pass touches them.
PASSES = ("sroa", "instruction_combine", "simplify_cfg", "instruction_combine", "dead_code_elimination")


def emit_object(text: str, target: Target) -> bytes:
    """Compile a module for any target. Threads may do this at the same time."""
    llvm, machine = binding(), _machine(target)
    module = llvm.parse_assembly(text, llvm.create_context())
    module.triple = target.triple
    passes = llvm.create_new_module_pass_manager()
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    _without_lock("LLVMPY_RunNewModulePassManager")(passes, module, builder)
    with llvm.ffi.OutputString() as error:
        memory = _without_lock("LLVMPY_TargetMachineEmitToMemory")(machine, module, True, error)
        if not memory:
            raise RuntimeError(str(error))
    library = llvm.ffi.lib
    try:
        return ctypes.string_at(library.LLVMPY_GetBufferStart(memory), library.LLVMPY_GetBufferSize(memory))
    finally:
        library.LLVMPY_DisposeMemoryBuffer(memory)


def load(content: bytes, symbols: Iterable[str]) -> dict[str, int]:
    """Load an object file into this process, for good: a worker thread may be in it until the process ends."""
    builder = binding().JITLibraryBuilder().add_object_img(content)
    for symbol in symbols:
        builder = builder.export_symbol(symbol)
    library = builder.link(_jit(), next(iter(symbols)))
    _LIBRARIES.append(library)
    return {symbol: int(library[symbol]) for symbol in symbols}


def versions() -> str:
    """Whose machine code this is."""
    import llvmlite

    return f"{llvmlite.__version__} {binding().llvm_version_info}"


@functools.cache
def binding() -> Any:
    """llvmlite's module, ready for this machine; imported only when something is compiled or loaded."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


_LIBRARIES: list[Any] = []  # keeps what owns the machine code
_PER_THREAD = threading.local()  # a target machine serves one thread at a time


def _machine(target: Target) -> Any:
    machines = _PER_THREAD.__dict__.setdefault("machines", {})
    if target not in machines:
        found = binding().Target.from_triple(target.triple)
        machines[target] = found.create_target_machine(
            cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
        )
    return machines[target]


@functools.cache
def _jit() -> Any:
    """What loads object files: JITLink, which keeps the parts of one side by side.

    LLVM's older loader asks for memory for each part, and ends the process where two of them come to lie more than
    2 GB apart. For the objects of Windows it is the one that LLVM itself prefers.
    """
    return binding().create_lljit_compiler(use_jit_link=sys.platform != "win32")


@functools.cache
def _without_lock(name: str) -> Any:
    """A function of llvmlite's library; calling it here passes by the lock.

    Where llvmlite keeps its library is not documented. If it is elsewhere one day, modules are compiled in turns.
    """
    library = binding().ffi.lib
    locked = getattr(library, name)
    try:
        function = getattr(ctypes.CDLL(library._name, handle=library._handle), name)
    except AttributeError:
        return locked
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function
