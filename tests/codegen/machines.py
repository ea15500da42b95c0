"""Machines that code is written for in tests, whatever machine they run on."""

import struct

import pytest

from striate.codegen import Target, host

LINUX = "x86_64-unknown-linux-gnu"
ARM = "aarch64-unknown-linux-gnu"

#: Without fused multiply-add: the oldest CPU that LLVM has a name for, those NumPy still runs on, and one with AVX.
UNFUSED = [
    Target(LINUX, "core2", "", 128, 16, fused=False),
    Target(LINUX, "nehalem", "", 128, 16, fused=False),
    Target(LINUX, "sandybridge", "", 128, 16, fused=False),
]
HASWELL = Target(LINUX, "haswell", "+avx2,+fma", 256, 16, fused=True)
FUSED = [
    Target(LINUX, "bdver1", "", 128, 16, fused=True),  # it has FMA4
    HASWELL,
    Target(LINUX, "skylake-avx512", "+avx512f,+avx512vl", 512, 32, fused=True),
    Target(ARM, "generic", "+neon", 128, 32, fused=True),
    Target(ARM, "neoverse-n1", "+neon", 128, 32, fused=True),
]
APPLE = Target("arm64-apple-darwin", "apple-m1", "+neon", 128, 32, fused=True)


def lesser() -> list[Target]:
    """This machine as if it lacked vectors, and then fused multiply-add, too; it can run the code for these."""
    here = host()
    if not here.triple.startswith("x86_64"):
        return [here._replace(fused=False)]
    older = here._replace(cpu="x86-64", features="", vector_bits=128, registers=16, fused=False)
    if here.lanes < 8 or not here.fused:
        return [older]
    return [HASWELL._replace(triple=here.triple), older]


def name(target: Target) -> str:
    """For a test's name."""
    return f"{target.cpu} {target.lanes} lanes{'' if target.fused else ', not fused'}"


def pretend(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    """Write code for this machine from now on."""
    for module in ("striate.codegen.compiler", "striate.runtime.native", "striate.runtime.checked"):
        monkeypatch.setattr(f"{module}.host", lambda: target)
    monkeypatch.setattr("tests.codegen.native.host", lambda: target)


def undefined_symbols(content: bytes) -> set[str]:
    """What an object file (ELF, 64 bits, little-endian) expects others to define: the functions that it calls."""
    assert content[:6] == b"\x7fELF\x02\x01"
    (sections,) = struct.unpack_from("<Q", content, 40)
    (count,) = struct.unpack_from("<H", content, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", content, sections + 64 * number) for number in range(count)]
    found = set()
    for _, kind, _, _, table, size, names, *_ in headers:
        if kind == 2:  # SHT_SYMTAB
            for place in range(table + 24, table + size, 24):
                name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", content, place)
                start = headers[names][4] + name
                if section == 0:  # SHN_UNDEF
                    found.add(content[start : content.index(b"\0", start)].decode())
    return found
