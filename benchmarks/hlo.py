"""What a compiled program moves, read off its text (`as_text()` of the optimised module).

Sizes are those in memory: a TPU fills up the two innermost axes of an array to whole tiles, and
the text says which axes these are and how large the tiles. What lies in a chip's own fast memory
(`S(1)`) counts as nothing.
"""

import dataclasses
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)
_FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id",
    "replica-id", "iota", "opt-barrier",
}  # fmt: skip
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = (.*)$")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{\s*$")
_ARRAY = re.compile(r"(pred|token|[a-z]+\d+\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_TILE = re.compile(r"T\(([\d,*]+)\)")
_BITS = {"pred": 8, "token": 0}


class Instruction(NamedTuple):
    """One line of a computation.

    Attributes:
        name: of it.
        opcode: of it.
        shape: of its result, as written.
        operands: names of what it takes.
        rest: what stands behind the operands.
    """

    name: str
    opcode: str
    shape: str
    operands: tuple[str, ...]
    rest: str


class Moved(NamedTuple):
    """What an instruction moves.

    Attributes:
        instruction: which.
        read: bytes.
        written: bytes.
        times: that it runs.
    """

    instruction: Instruction
    read: int
    written: int
    times: int

    @property
    def bytes(self) -> int:
        """All of its runs."""
        return self.times * (self.read + self.written)


@dataclasses.dataclass(frozen=True)
class Module:
    """A compiled program.

    Attributes:
        computations: their instructions by name.
        entry: name of the computation that is run.
    """

    computations: Mapping[str, Mapping[str, Instruction]]
    entry: str

    def moved(self) -> list[Moved]:
        """What each instruction that runs by itself moves, loops as often as they run."""
        return list(self._moved(self.entry, 1))

    def collectives(self) -> dict[str, dict[str, int]]:
        """By kind: how many run in a step, and the bytes of their results on a chip."""
        found: dict[str, dict[str, int]] = defaultdict(lambda: {"count": 0, "bytes": 0})
        for times, instruction in self._communicating(self.entry, 1):
            kind = instruction.opcode.removesuffix("-start")
            found[kind]["count"] += times
            found[kind]["bytes"] += times * _payload(instruction)
        return dict(found)

    def _moved(self, name: str, times: int) -> Iterator[Moved]:
        inside = self.computations[name]
        for instruction in inside.values():
            opcode = instruction.opcode
            if opcode in _FREE or opcode.endswith("-done"):
                continue
            if opcode in ("while", "call", "conditional"):
                for called, runs in self._called(instruction):
                    yield from self._moved(called, times * runs)
                continue
            read, written = self._traffic(instruction, inside)
            yield Moved(instruction, read, written, times)

    def _traffic(
        self, instruction: Instruction, inside: Mapping[str, Instruction]
    ) -> tuple[int, int]:
        """Bytes read and written; of what a fusion takes only slices of, the slices."""
        if instruction.opcode in ("copy-start", "slice-start"):
            return _fetched(instruction)
        if instruction.opcode == "dynamic-update-slice":  # in place
            part = inside[instruction.operands[1]].shape
            written = min(size(instruction.shape), size(_in_main_memory(part) or ""))
            return size(part), written
        reads = [size(inside[name].shape) if name in inside else 0 for name in instruction.operands]
        written = size(instruction.shape)
        called = re.search(r"calls=%?([\w.\-]+)", instruction.rest)
        if instruction.opcode != "fusion" or not called:
            if instruction.opcode in ("dynamic-slice", "slice", "gather"):
                return written, written
            return sum(reads), written
        body = self.computations[called[1]]
        users: dict[str, list[Instruction]] = defaultdict(list)
        for inner in body.values():
            for operand in inner.operands:
                users[operand].append(inner)
        for inner in body.values():
            if inner.opcode != "parameter":
                continue
            number, by = int(inner.rest), users[inner.name]
            if by and all(user.opcode in ("dynamic-slice", "slice") for user in by):
                reads[number] = min(reads[number], sum(size(user.shape) for user in by))
            elif by and all(_updated(user, inner.name) for user in by):
                update = sum(size(body[user.operands[1]].shape) for user in by)
                reads[number], written = 0, min(written, update)
        return sum(reads), written

    def _communicating(self, name: str, times: int) -> Iterator[tuple[int, Instruction]]:
        for instruction in self.computations[name].values():
            if instruction.opcode.removesuffix("-start") in COLLECTIVES:
                yield times, instruction
            elif instruction.opcode in ("while", "call", "conditional", "fusion", "async-start"):
                for called, runs in self._called(instruction):
                    yield from self._communicating(called, times * runs)

    def _called(self, instruction: Instruction) -> Iterator[tuple[str, int]]:
        """The computations that an instruction runs, and how often."""
        if instruction.opcode == "while":
            body = re.search(r"body=%?([\w.\-]+)", instruction.rest)
            assert body, instruction
            yield body[1], self._turns(instruction)
            return
        for name in re.findall(r"(?:calls|to_apply)=%?([\w.\-]+)", instruction.rest):
            yield name, 1
        branches = re.search(r"branch_computations=\{([^}]*)\}", instruction.rest)
        if branches:
            yield re.findall(r"%?([\w.\-]+)", branches[1])[0], 1

    def _turns(self, loop: Instruction) -> int:
        """Of a loop as JAX writes them: what its counter is compared with; else one."""
        condition = re.search(r"condition=%?([\w.\-]+)", loop.rest)
        inside = self.computations.get(condition[1], {}) if condition else {}
        limits = [
            int(one.rest)
            for one in inside.values()
            if one.opcode == "constant" and one.shape.startswith("s32[]")
        ]
        return limits[0] if len(limits) == 1 else 1


def parse(text: str) -> Module:
    """The module of a compiled program's text."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry = current = ""
    for line in text.splitlines():
        if header := _COMPUTATION.match(line):
            current = header[1]
            computations[current] = {}
            if line.startswith("ENTRY"):
                entry = current
        elif current and (found := _INSTRUCTION.match(line)):
            instruction = _instruction(found[1], found[2])
            computations[current][instruction.name] = instruction
    return Module(computations, entry)


def size(shape: str) -> int:
    """Bytes in memory of an array, or a tuple of arrays, as the text writes it."""
    return sum(_array_size(*found.groups()) for found in _ARRAY.finditer(shape))


def _array_size(dtype: str, dims: str, layout: str | None) -> int:
    if layout and "S(" in layout:  # in the chip's own memory
        return 0
    lengths = [int(x) for x in dims.split(",") if x]
    bits = _BITS.get(dtype) or int((re.search(r"\d+", dtype) or ["0"])[0])
    if layout and lengths:
        order = [int(x) for x in layout.split(":")[0].split(",") if x]
        tile = _TILE.search(layout)
        if tile and order:
            steps = [int(x) for x in tile[1].split(",") if x.isdigit()]
            for axis, step in zip(order, reversed(steps), strict=False):
                lengths[axis] = -(-lengths[axis] // step) * step
    return math.prod(lengths) * bits // 8


def _instruction(name: str, text: str) -> Instruction:
    end = _end_of_shape(text)
    shape, rest = text[:end], text[end:].lstrip()
    opcode, _, rest = rest.partition("(")
    depth, place = 1, 0
    for place, letter in enumerate(rest):  # noqa: B007
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth:
            break
    inside, behind = rest[:place], rest[place + 1 :]
    operands = tuple(re.findall(r"%([\w.\-]+)", inside))
    rest = inside if opcode in ("parameter", "constant") else behind
    return Instruction(name, opcode, shape, operands, rest)


def _end_of_shape(text: str) -> int:
    if not text.startswith("("):
        return text.index(" ")
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if not depth:
            return place + 1
    raise ValueError(f"a shape without end: {text[:80]!r}")


def _fetched(instruction: Instruction) -> tuple[int, int]:
    """Bytes read and written by a copy that others do not wait for; its shape names both ends."""
    first, second = (found.groups() for found in list(_ARRAY.finditer(instruction.shape))[:2])
    source, target = (second, first) if instruction.opcode == "copy-start" else (first, second)
    read = _array_size(target[0], target[1], _in_main_memory(target[2]))
    return read if _array_size(*source) else 0, _array_size(*target)


def _in_main_memory(layout: str | None) -> str | None:
    return layout and re.sub(r"S\(\d+\)", "", layout)


def _updated(user: Instruction, name: str) -> bool:
    return user.opcode == "dynamic-update-slice" and user.operands[0] == name


def _payload(instruction: Instruction) -> int:
    """Bytes of a collective's result; an asynchronous one's shape has its operand first."""
    shape = _in_main_memory(instruction.shape) or ""  # wherever it is kept
    arrays = [_array_size(*found.groups()) for found in _ARRAY.finditer(shape)]
    if (
        instruction.opcode.endswith("-start")
        and len(arrays) > 1
        and "reduce" not in instruction.opcode
    ):
        return max(arrays)
    return sum(arrays)


def origin(instruction: Instruction) -> str:
    """What of our code an instruction stands for: the end of JAX's name for it."""
    found = re.search(r'op_name="([^"]*)"', instruction.rest)
    return found[1][-120:] if found else instruction.name
