"""The machine that code is written for, as a value."""

import functools
from collections.abc import Mapping
from typing import NamedTuple

#: Features by which a CPU's vector registers are known, widest first: name, bits of a register, number of registers.
VECTORS = (("avx512vl", 512, 32), ("avx2", 256, 16), ("neon", 128, 32), ("sse2", 128, 16))
#: Where none of them is known: LLVM makes do with what there is.
UNKNOWN = (128, 16)
#: Features of x86 that multiply and add in one instruction; AArch64 always does.
FUSED = ("fma", "fma4")


class Target(NamedTuple):
    """A CPU: what LLVM calls it, its vector registers, and how it multiplies and adds.

    Arguments:
        triple: LLVM's name for architecture, system and object format.
        cpu: LLVM's name for the CPU.
        features: LLVM's feature string, such as ``+avx2,+fma``.
        vector_bits: size of one vector register.
        registers: how many of them.
        fused: whether a·b + c is one instruction, which rounds once. Where the CPU has none, LLVM would call C's
            ``fma`` for each number.
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    fused: bool

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
    return _target(llvm.get_process_triple(), llvm.get_host_cpu_name(), features, features.flatten())


def _target(triple: str, cpu: str, known: Mapping[str, bool], features: str) -> Target:
    """A target of which these features are known."""
    architecture = triple.split("-", maxsplit=1)[0]
    is_arm = architecture in ("aarch64", "arm64")
    known = dict(known) | {"neon": is_arm, "sse2": architecture == "x86_64"}
    bits, registers = next(((bits, number) for name, bits, number in VECTORS if known.get(name)), UNKNOWN)
    return Target(triple, cpu, features, bits, registers, is_arm or any(known.get(name) for name in FUSED))
