"""From LLVM IR to the address of machine code: compile or find on disk, then load.

Machine code is never freed: a worker thread may be in it until the process ends.
"""

import functools
import hashlib
import os
import threading
from collections.abc import Iterable
from typing import Any

from striate.codegen import cache
from striate.codegen.kernel import Code
from striate.codegen.target import Target, host

_ADDRESSES: dict[str, int] = {}
_LIBRARIES: list[Any] = []  # keeps what owns the machine code
_LOCK = threading.Lock()


def addresses(codes: Iterable[Code]) -> dict[str, int]:
    """The address on this CPU of each function, by symbol.

    Modules that are neither loaded nor on disk are compiled, several at a time.
    """
    with _LOCK:
        codes = list(codes)
        missing = list({code.symbols: code for code in codes if code.symbols[0] not in _ADDRESSES}.values())
        objects = {code: content for code in missing if (content := cache.load(_key(code))) is not None}
        if new := [code for code in missing if code not in objects]:
            from concurrent.futures import ThreadPoolExecutor  # here: a start with a full cache needs no pool

            new.sort(key=lambda code: len(code.text), reverse=True)  # so that no long one is left for the end
            pool = ThreadPoolExecutor(os.cpu_count())
            try:
                objects.update(zip(new, pool.map(_compile, new), strict=True))
            finally:
                pool.shutdown(cancel_futures=True)  # who interrupts this does not wait for the others
        for code, content in objects.items():
            _load(code, content)
        return {symbol: _ADDRESSES[symbol] for code in codes for symbol in code.symbols}


def compile_object(code: Code, target: Target) -> bytes:
    """The object file of one kernel for any target."""
    llvm, machine = _llvm(), _machine(target)
    module = llvm.parse_assembly(code.text)
    module.triple = target.triple
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    for add in ("sroa", "instruction_combine", "simplify_cfg", "instruction_combine", "dead_code_elimination"):
        getattr(passes, f"add_{add}_pass")()
    passes.run(module, builder)
    return bytes(machine.emit_object(module))


def _key(code: Code) -> str:
    return hashlib.sha256(f"{_versions()}\n{host()}\n{code.text}".encode()).hexdigest()


def _compile(code: Code) -> bytes:
    content = compile_object(code, host())
    cache.save(_key(code), content)
    return content


def _load(code: Code, content: bytes) -> None:
    builder = _llvm().JITLibraryBuilder().add_object_img(content)
    for symbol in code.symbols:
        builder = builder.export_symbol(symbol)
    library = builder.link(_jit(), code.symbols[0])
    _LIBRARIES.append(library)
    _ADDRESSES.update((symbol, int(library[symbol])) for symbol in code.symbols)


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def _versions() -> str:
    import llvmlite

    return f"{llvmlite.__version__} {_llvm().llvm_version_info}"


_PER_THREAD = threading.local()  # a target machine serves one thread at a time


def _machine(target: Target) -> Any:
    machines = _PER_THREAD.__dict__.setdefault("machines", {})
    if target not in machines:
        found = _llvm().Target.from_triple(target.triple)
        machines[target] = found.create_target_machine(
            cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
        )
    return machines[target]


@functools.cache
def _jit() -> Any:
    return _llvm().create_lljit_compiler()
