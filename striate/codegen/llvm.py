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
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from striate.codegen.target import Target

#: Memory to registers, then what that leaves over. Loops, vectors and registers' use are ours: no pass touches them.
PASSES = ("sroa", "instruction_combine", "simplify_cfg", "instruction_combine", "dead_code_elimination")
#: Approximate bytes of memory for each object file that is loaded: a rough figure, found once by hand.
LOADED_BYTES = 2**16


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


class Library:
    """Object files in this process, loaded together; they are unloaded some time after this is no longer in use.

    LLVM frees the memory of object files only together with the loader that they were given to, so each library has a
    loader of its own: JITLink, which keeps the parts of an object side by side. LLVM's older loader asks for memory for
    each part, and ends the process where two of them come to lie more than 2 GB apart. For the objects of Windows it is
    the one that LLVM itself prefers.

    Arguments:
        objects: object files, each with the symbols in it that others call.
    """

    def __init__(self, objects: Iterable[tuple[bytes, Sequence[str]]]):
        #: The address of each function.
        self.addresses: dict[str, int] = {}
        loader = binding().create_lljit_compiler(use_jit_link=sys.platform != "win32")  # lives as long as its objects
        loaded: list[Any] = []
        for content, symbols in objects:
            builder = binding().JITLibraryBuilder().add_object_img(content)
            for symbol in symbols:
                builder = builder.export_symbol(symbol)
            loaded.append(builder.link(loader, symbols[0]))
            self.addresses.update((symbol, int(loaded[-1][symbol])) for symbol in symbols)
        #: Approximate bytes of memory that this takes.
        self.bytes = LOADED_BYTES * len(loaded)
        # not at once: this may run in any thread, even one that must not wait for LLVM
        weakref.finalize(self, _UNUSED.append, loaded).atexit = False


def unload() -> None:
    """Free the memory of libraries that are no longer in use."""
    while _UNUSED:
        for loaded in _UNUSED.pop():
            loaded.close()


def versions() -> str:
    """The versions of llvmlite and of LLVM, on which machine code depends."""
    import llvmlite

    return f"{llvmlite.__version__} {binding().llvm_version_info}"


@functools.cache
def binding() -> Any:
    """llvmlite's module, ready for this machine; imported only when something is compiled or loaded."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


_UNUSED: list[list[Any]] = []  # what libraries that are gone had loaded
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
def _without_lock(name: str) -> Any:
    """A function of llvmlite's library; calling it here bypasses the lock.

    Where llvmlite keeps its library is not documented. If it is elsewhere one day, modules are compiled one at a time.
    """
    library = binding().ffi.lib
    locked = getattr(library, name)
    try:
        function = getattr(ctypes.CDLL(library._name, handle=library._handle), name)
    except AttributeError:
        return locked
    function.argtypes, function.restype = locked.argtypes, locked.restype
    return function
