"""The machine that code is written for, as a value."""

import functools
from typing import NamedTuple

#: Features by which a CPU's vector registers are known, widest first: name, bits of a register, number of registers.
VECTORS = (("avx512vl", 512, 32), ("avx2", 256, 16), ("neon", 128, 32), ("sse2", 128, 16))


class Target(NamedTuple):
    """A CPU: what LLVM calls it, and its vector registers.

    Arguments:
        triple: LLVM's name for architecture, system and object format.
        cpu: LLVM's name for the CPU.
        features: LLVM's feature string, such as ``+avx2,+fma``.
        vector_bits: size of one vector register.
        registers: how many of them.
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int

    @property
    def lanes(self) -> int:
        """Float32 numbers in one vector register."""
        return self.vector_bits // 32

    def lanes_for(self, count: int) -> int:
        """The vector width that covers ``count`` numbers with the fewest vectors; of equals, the narrowest."""
        widths = [width for width in (self.lanes >> shift for shift in range(3)) if width >= 4]
        return min(widths, key=lambda width: (-(-count // width), width))


@functools.cache
def host() -> Target:
    """The CPU this process runs on."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    architecture = llvm.get_process_triple().split("-")[0]
    known = dict(features) | {"neon": architecture in ("aarch64", "arm64"), "sse2": architecture == "x86_64"}
    _, bits, registers = next(vector for vector in VECTORS if known.get(vector[0]))
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), features.flatten(), bits, registers)
