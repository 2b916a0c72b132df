"""Whether a processor has what int8 convolutions gain by."""

import pathlib
import platform

_CPU = pathlib.Path("/proc/cpuinfo")
_INSTRUCTIONS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def lacks_int8(information: pathlib.Path = _CPU, machine: str | None = None) -> bool:
    """Whether it adds products of 8 bits in 16, which overflow unless weights keep to 7 bits.

    That is so of x86 processors without VNNI; int8 gains little on them. Of one that does not tell
    it is assumed.

    Args:
        information: what Linux tells of the processor.
        machine: of `platform.machine()`.
    """
    if (machine or platform.machine()).lower() not in ("x86_64", "amd64", "i686"):
        return False
    try:
        text = information.read_text()
    except OSError:
        return True
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not _INSTRUCTIONS & set(flags.split())
