"""Plans for the kernel machine: instructions as words, constants, and the pieces of memory that they speak of.

What each instruction says stands beside its kernel in core/machine; here it is written, and every place is checked to
lie inside its memory before the machine sees it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, chain
from typing import Any

import numpy as np

from chainrule.core.parts import PANEL_BYTES, Batch, Product, parts_for, ranges, side_by_side
from chainrule.core.place import Place, Range, steps_of
from chainrule.core.state import quietly

WORKSPACE, CONSTANTS, FIRST_INPUT = range(3)
"""The pieces of memory; inputs and outputs follow."""


class Code:
    """The words of instructions, as plan.h has them; no enumerations, which take as long to make as a plan."""

    CALL, CHAIN, PRODUCT, REDUCE, ROWS, TAKE, PUT, COPY, CONVOLVE, POOL = range(10)
    PAIRS, ADD_ROW, ADAM, TAPE, SWEEP, PARTS, TURNS = range(10, 17)


class Slot:
    """How an operand of a chain lies."""

    STREAM, ONE, STRIDED, RESULT = range(4)


class Reduction:
    """What becomes of all entries along an axis."""

    SUM, LARGEST, SMALLEST = range(3)


class Row:
    """What becomes of a row."""

    SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP = range(3)


class Convolution:
    """Which of the three that a convolution ties is computed of the other two."""

    RESULTS, IMAGES, WEIGHTS = range(3)


class Pool:
    """What is done at the largest entry of each window."""

    PICK_LARGEST, PUT_LARGEST = range(2)


APART = (Slot.STRIDED, Slot.RESULT)
"""Operands that do not go through a piece of memory from its first entry to its last."""

TYPES = {np.dtype(t): i for i, t in enumerate((np.float32, np.float64, np.bool_, np.int64, np.int32))}
"""The types of entries that kernels read."""
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
"""Those in which they compute."""

WORDS = """
    identity add sub mul div maximum minimum neg abs sqrt exp expm1 log log1p tanh sigmoid relu chosen where greater
    greater_equal less less_equal equal not_equal logical_and logical_or logical_not logical_xor sign square
    reciprocal logaddexp isnan isinf isfinite erf erfc mul_add mul_sub sub_mul mul_mul diff_mul gate bell
    sigmoid_mul share_mul share_bell_mul sqrt_add sub_div_mul mul_add_mul sin cos tan sinh cosh asin acos atan asinh
    acosh atanh exp2 log2 log10 cbrt floor ceil trunc rint pow atan2 hypot fmod load store_truth total
"""
OPERATION = {name: i for i, name in enumerate(WORDS.split())}
"""The operations in chains, in the order of plan.h."""

IN_ANY_ORDER = {
    ("add", "mul"): "mul_add",
    ("mul", "mul"): "mul_mul",
    ("mul", "sub"): "diff_mul",
    ("mul", "sigmoid"): "sigmoid_mul",
    ("add", "sqrt"): "sqrt_add",
}
JOINED = {
    **{(second, place, first): both for (second, first), both in IN_ANY_ORDER.items() for place in (0, 1)},
    ("sub", 0, "mul"): "mul_sub",
    ("sub", 1, "mul"): "sub_mul",
    ("sub_mul", 0, "div"): "sub_div_mul",
    ("mul_add", 2, "mul"): "mul_add_mul",
}
"""An operation, the place of an operand that nobody else reads and what that is: the two as one, which reads once.

Its operands are those of what was read, and then the others.
"""

AS_ONE = {
    (OPERATION[second], place, OPERATION[first]): OPERATION[both] for (second, place, first), both in JOINED.items()
}
FIRST_OF_TWO = {first for _, _, first in AS_ONE}
OPERANDS = {
    OPERATION[name]: count
    for count, names in {1: "sigmoid sqrt", 3: "mul_add sub_mul"}.items()
    for name in names.split()
}
"""How many operands those of the operations have that have not two."""

ONCE = 0x100
"""Added to an operation on numbers, before the first block."""

IN_ORDER = 0x200
"""The operation of a run of a tape whose entries, products and what is added to them, may read each other."""

LANES, TAPE_BLOCK = 8, 256
"""Entries of the widest vector, whole ones of which a tape works on; and of a block."""

REGISTERS, MOST_SLOTS, MOST_OPERANDS = 16, 64, 4
ALIGNED = 64
NEAR_BYTES = 3 << 19
"""What a plan may have in its workspace before its examples take turns; and what a turn may have."""
TOGETHER_BYTES = 1 << 18
"""Of the planes that a convolution's weights meet at a time: they stay in the second cache."""


def bits(x: float) -> int:
    """A number as a word."""
    return struct.unpack("q", struct.pack("d", x))[0]


def ways_of(operands: Any, lengths: Any) -> Any:
    """For each run of a tape which of its operands lie in a row, are one for all or the first: two bits for each."""
    ends = np.cumsum(lengths)
    found = np.zeros(len(lengths), np.int64)

    def throughout(holds: Any, entries: Any) -> Any:
        """In which runs something holds for so many of the entries, those up to the last."""
        kept = np.cumsum(np.append(0, holds))
        return kept[ends] - kept[ends - entries] == entries

    for i, row in enumerate(operands):
        steps, long = np.append(0, np.diff(row)), lengths > LANES
        ways = (throughout(steps == 1, lengths - 1) & long, throughout(steps == 0, lengths - 1) & long)
        also = throughout(row == operands[0], lengths) & (i > 0)
        found |= np.select([*ways, also], [1, 2, 3], 0) << 2 * i + 2
    return found


def rounded_up(size: int) -> int:
    """Bytes to the next line of the cache."""
    return -(-size // ALIGNED) * ALIGNED


def aligned(size: int) -> np.ndarray[Any, Any]:
    """So many bytes of new memory that begin with a line of the cache; what stands there is not said."""
    found = np.empty(size + ALIGNED, np.uint8)
    start = -found.ctypes.data % ALIGNED
    return found[start : start + size]


class Workspace:
    """Which bytes of a workspace are in use; first fit."""

    def __init__(self) -> None:
        self.free: list[tuple[int, int]] = []
        self.size = self.held = self.most = 0
        """Bytes of all, those in use, and the most that were but for the room that single instructions need."""

    @property
    def state(self) -> tuple[list[tuple[int, int]], int, int]:
        """What is in use, to come back to."""
        return list(self.free), self.size, self.held

    @state.setter
    def state(self, state: tuple[list[tuple[int, int]], int, int]) -> None:
        self.free, self.size, self.held = state

    def take(self, wanted: int) -> int:
        """Where so many bytes may lie."""
        wanted = rounded_up(wanted)
        self.held += wanted
        self.most = max(self.most, self.held)
        for i, (start, length) in enumerate(self.free):
            if length >= wanted:
                self.free[i : i + 1] = [(start + wanted, length - wanted)] * (length > wanted)
                return start
        self.size += wanted
        return self.size - wanted

    def give_back(self, start: int, size: int) -> None:
        """These bytes are free again."""
        self.held -= rounded_up(size)
        joined: list[tuple[int, int]] = []
        for a, n in sorted([*self.free, (start, rounded_up(size))]):
            if joined and sum(joined[-1]) == a:
                joined[-1] = (joined[-1][0], joined[-1][1] + n)
            else:
                joined.append((a, n))
        self.free = joined


class Plan:
    """Instructions as they are written, one after the other.

    `sizes` are the bytes of every input and output, by its piece of memory; `work` counts entries and products.
    """

    def __init__(self, sizes: dict[int, int]) -> None:
        self.words: list[int] = []
        self.constants = bytearray()
        self.numbers: dict[Any, Place] = {}
        self.workspace = Workspace()
        self.calls: list[Callable[..., Any]] = []
        self.sizes = sizes
        self.moving: list[tuple[int, int, int]] = []
        """What moves on from one turn to the next: the piece of memory in which it lies, bytes into it, and those of a
        turn; they are pieces of memory themselves, behind all others."""
        self.times = 1
        """How many turns the examples take."""
        self.used: list[Place] = []
        self.touched: dict[int, list[int]] = {}
        """The instructions that read or write a piece of memory, by their number."""
        self.entries: dict[tuple[int, int], tuple[int, int]] = {}
        """For a piece of memory and an instruction that goes through it entry by entry: its last operation that reads
        there, and its first that writes."""
        self.may_fail = -1
        """The last instruction that may find a place which there is not, or runs a line of NumPy."""
        self.work = 0.0
        self.instructions = 0
        self.shared = 0
        """How many of them threads share out."""

    def constant(self, array: Any) -> Place:
        """Numbers of the plan's own."""
        array = np.asarray(array, order="C")
        self.constants += bytes(-len(self.constants) % ALIGNED)
        offset = len(self.constants)
        self.constants += array.tobytes()
        return Place(CONSTANTS, offset, array.shape, steps_of(array.shape), array.dtype)

    def number(self, x: float, dtype: np.dtype[Any]) -> Place:
        """One number of the plan's own, once for all that are equal."""
        array = quietly(np.asarray, x, dtype)  # what single precision does not hold is infinite
        key = (dtype, array.tobytes())
        if key not in self.numbers:
            self.numbers[key] = self.constant(array)
        return self.numbers[key]

    def emit(self, code: int, words: Sequence[int], places: Sequence[Place], work: float) -> None:
        """An instruction, and the places that it reads and writes."""
        self.emit_parts(code, [words], places, work)

    def emit_parts(self, code: int, parts: Sequence[Sequence[int]], places: Sequence[Place], work: float) -> None:
        """The parts of an instruction, which threads share out, and the places that they read and write."""
        written = [[int(code), len(words) + 2, *[int(w) for w in words]] for words in parts]
        if len(parts) > 1:
            starts = list(accumulate([len(words) for words in written], initial=3 + len(parts)))
            self.words += [int(Code.PARTS), starts.pop(), len(parts), *starts]
            self.shared += 1
        self.words += chain.from_iterable(written)
        self.used += places
        if code in (Code.CALL, Code.TAKE, Code.PUT):
            self.may_fail = self.instructions
        for place in places:
            if place.memory >= FIRST_INPUT:
                self.touched.setdefault(place.memory, []).append(self.instructions)
        self.work += work
        self.instructions += 1

    def turn_of(self, whole: Place, axis: int, times: int) -> Place:
        """Where the entries lie that have their turn, of so many; before `axis` all axes have length 1."""
        shape = (*whole.shape[:axis], whole.shape[axis] // times, *whole.shape[axis + 1 :])
        self.moving.append((*whole.at, whole.size * whole.dtype.itemsize // times))
        self.used.append(whole)
        return Place(FIRST_INPUT + len(self.sizes) + len(self.moving) - 1, 0, shape, steps_of(shape), whole.dtype)

    @contextmanager
    def in_turns(self, times: int) -> Iterator[None]:
        """What is emitted meanwhile runs so many times, each time on the next entries of all that moves on."""
        start, first, work, self.times = len(self.words), self.instructions, self.work, times
        self.emit(Code.TURNS, [times, FIRST_INPUT + len(self.sizes), len(self.moving), *chain(*self.moving)], [], 0)
        yield
        last = self.instructions - 1
        self.words[start + 1] = len(self.words) - start
        self.work = work + (self.work - work) * times
        if self.may_fail > first:
            self.may_fail = last
        self.entries = {place: ways for place, ways in self.entries.items() if place[1] <= first}
        moving = {memory for memory, _, _ in self.moving if memory >= FIRST_INPUT}
        for memory in moving | {memory for memory, found in self.touched.items() if max(found) > first}:
            self.touched.setdefault(memory, []).extend([first, last])

    def room(self, *sizes: int) -> list[int]:
        """Where in the workspace so many bytes each are free while one instruction runs."""
        most = self.workspace.most
        starts = [self.workspace.take(size) for size in sizes]
        for start, size in zip(starts, sizes, strict=True):
            self.workspace.give_back(start, size)
        self.workspace.most = most
        return starts

    def check(self) -> None:
        """Refuse a place outside its memory: it would be a fault of the planner, and is found before the plan runs."""
        sizes = {**self.sizes, WORKSPACE: self.workspace.size, CONSTANTS: len(self.constants)}
        sizes |= {FIRST_INPUT + len(self.sizes) + k: size for k, (_, _, size) in enumerate(self.moving)}
        for place in self.used:
            reach = [(n - 1) * s for n, s in zip(place.shape, place.strides, strict=True)]
            low = place.offset + sum([r for r in reach if r < 0]) * place.dtype.itemsize
            high = place.offset + (sum([r for r in reach if r > 0]) + 1) * place.dtype.itemsize
            if low < 0 or high > sizes[place.memory]:
                raise AssertionError(f"{place} does not lie in the {sizes[place.memory]} bytes of its memory")

    def in_place(self, given: int, out: int) -> bool:
        """Whether a result may lie in the memory of an input: nothing reads that one once its entry was written.

        Both are pieces of memory, of the same size and type. A chain may do both, block after block, and a product that
        is added to one.
        """
        read, written = self.touched.get(given, []), self.touched.get(out, [])
        if not read or not written or max(read) < min(written):
            return True
        reads, writes = [self.entries.get((x, max(read))) for x in (given, out)]
        return max(read) == min(written) and reads is not None and writes is not None and reads[0] <= writes[1]

    def copy(self, x: Place, out: Place) -> None:
        """Entries in their order, one after the other."""
        size = x.dtype.itemsize
        long = [(n, s) for n, s in zip(x.shape, x.strides, strict=True) if n != 1]
        shape, strides = zip(*long, *[(1, 0)] * (2 - len(long)), strict=True)
        strided = Place(*x.at, shape, strides, x.dtype)
        words = [
            [size, len(shape), *a.at, *b.at, *a.shape, *[s * size for s in strides]]
            for a, b in side_by_side((strided, out.rows(shape[0])), parts_for(x.size))
        ]
        self.emit_parts(Code.COPY, words, [x, out], x.size)

    def product(
        self,
        x: Place,
        y: Place,
        out: Place,
        *,
        added: Place | None = None,
        scale: Place | None = None,
        minus: bool = False,
        relu: bool = False,
        mask: Place | None = None,
        batch: Sequence[tuple[int, int, int, int]] = (),
    ) -> None:
        """A product of matrices, times a number, added to a row or a matrix or taken from it, and the positive part.

        Where `mask` is not above 0 the result is 0. `batch` has how many products there are and the strides of both
        factors and the result, innermost first.
        """
        inner = x.shape[1]
        batches = tuple([Batch(*b) for b in batch])
        whole = Product(x, y, out, added, mask, batches + (Batch(),) * (2 - len(batches)))
        counts = tuple([b.count for b in whole.batches])
        work = whole.size * inner / 8
        parts = whole.parts(parts_for(work))
        panels = self.room(*[inner * PANEL_BYTES] * len(parts))
        words = [self.product_words(p, scale, 2 * minus + relu, room) for p, room in zip(parts, panels, strict=True)]
        spread = [
            Place(p.memory, p.offset, (*counts, *p.shape), (*[b[k + 1] for b in whole.batches], *p.strides), p.dtype)
            for k, p in enumerate((x, y, out))
        ]
        beside = [p for p in (added, scale, mask) if p is not None]
        if added is not None and self.is_piece(added) and self.is_piece(out) and not batch:
            # Every entry of what is added is read where the result's is written, just before.
            if [p.memory for p in (x, y, *beside)].count(added.memory) == 1:
                self.entries[added.memory, self.instructions] = 0, 1
                self.entries[out.memory, self.instructions] = -1, 0
        self.emit_parts(Code.PRODUCT, words, [*spread, *beside], work)

    def product_words(self, p: Product, scale: Place | None, what_else: int, panel: int) -> list[int]:
        """A product, or a part of one, as words."""
        down = 0 if p.added is None or len(p.added.shape) == 1 else p.added.strides[0]
        return [
            *(TYPES[p.out.dtype], *p.out.shape, p.x.shape[1]),
            *(*p.x.at, *p.x.strides, *p.y.at, *p.y.strides, *p.out.at, p.out.strides[0]),
            *((-1, 0) if p.added is None else p.added.at),
            down,
            *((-1, 0) if scale is None else scale.at),
            what_else,
            *(*p.batches[0], *p.batches[1], WORKSPACE, panel),
            *((-1, 0, 0) if p.mask is None else (*p.mask.at, p.mask.strides[0])),
        ]

    def is_piece(self, place: Place) -> bool:
        """Whether a matrix is all of an input or output, entry after entry."""
        whole = place.contiguous and not place.offset and len(place.shape) == 2
        return whole and self.sizes.get(place.memory) == place.size * place.dtype.itemsize

    def reduce(self, kind: int, x: Place, out: Place, extents: tuple[int, int, int], divisor: float) -> None:
        """The middle one of three axes, reduced."""
        before, along, after = extents
        parts = parts_for(x.size)
        if before > 1:
            some = [(*sides, after) for sides in side_by_side((x.rows(before), out.rows(before)), parts)]
        else:
            columns = ranges(after, parts, ALIGNED // x.dtype.itemsize)
            some = [(x.rows(1).after(a), out.rows(1).after(a), b - a) for a, b in columns]
        words = [[TYPES[x.dtype], kind, a.shape[0], along, n, *a.at, *b.at, bits(divisor), after] for a, b, n in some]
        self.emit_parts(Code.REDUCE, words, [x, out], x.size)

    def rows(self, kind: int, x: Place, out: Place) -> None:
        """Something done with the last axis."""
        rows = x.size // x.shape[-1]
        words = [
            [TYPES[x.dtype], kind, *a.shape, *a.at, *b.at]
            for a, b in side_by_side((x.rows(rows), out.rows(rows)), parts_for(8 * x.size))
        ]
        self.emit_parts(Code.ROWS, words, [x, out], 8 * x.size)

    def places(self, code: int, x: Place, out: Place, run: int, indices: Sequence[tuple[Place, int, int, int]]) -> None:
        """Runs of bytes picked by indices, or added there; an index has its axis, that one's extent and stride."""
        words = [TYPES.get(x.dtype, 0), run, max([p.size for p, *_ in indices]), len(indices), *x.at, *out.at, out.size]
        for place, axis, extent, stride in indices:
            words += [*place.at, TYPES[place.dtype], int(place.size > 1), extent, stride, axis]
        self.emit(code, words, [x, out, *[p for p, *_ in indices]], out.size + x.size * (code == Code.PUT))

    def convolve(
        self,
        what: int,
        images: Place,
        weights: Place,
        results: Place,
        groups: int,
        slide: Sequence[Any],
        added: Place | None = None,
    ) -> None:
        """A convolution (what windows see, times weights) or an adjoint of it: one of the three places is written.

        To the results of a convolution a number for each channel may be `added`. `slide` has the window's size, steps,
        padding, spread, and how often it fits, as rules.image_kernels says.
        """
        size, steps, around, spread, fits = slide
        (count, channels, *length), outputs = images.shape, weights.shape[0] // groups
        channels //= groups
        axes = list(zip(length, size, steps, around, spread, strict=True))
        down, across = [-(-(n + 2 * edge) // step) for n, _, step, edge, _ in axes]
        below, beside = [(k - 1) * gap // step for _, k, step, _, gap in axes]
        entry = images.dtype.itemsize
        lanes = ALIGNED // entry
        stretch = rounded_up(((fits[0] - 1) * across + fits[1]) * entry) // entry
        back = rounded_up(down * (across + beside) * entry) // entry
        laid = channels * steps[0] * steps[1] * down * across
        together = min(count, max(1, TOGETHER_BYTES // (entry * (laid + outputs * stretch))))
        came = outputs * (down + below) * (across + beside)
        planes, sums = {
            Convolution.RESULTS: (laid, outputs * stretch),
            Convolution.IMAGES: (came, channels * back),
            Convolution.WEIGHTS: (laid * together, outputs * stretch * together),
        }[what]
        turned = weights.size if what == Convolution.IMAGES else 0
        most_met = max(channels, outputs) * size[0] * size[1]
        # A vector may read past the last plane.
        laid_out = planes + across + beside + 2 * lanes
        work = results.size * channels * size[0] * size[1] / 8
        if what is not Convolution.WEIGHTS:
            some = side_by_side((images, results), parts_for(work))
            parts = [(a.shape[0], outputs, a.at, weights.at, b.at) for a, b in some]
        else:
            several = ranges(outputs, parts_for(work) if groups == 1 else 1)
            parts = [
                (count, stop - start, images.at, weights.part(0, (start, stop)).at, results.part(1, (start, stop)).at)
                for start, stop in several
            ]
        rooms = self.room(*[laid_out * entry, sums * entry, turned * entry, 8 * most_met] * len(parts))
        slides = [*length, *size, *steps, *around, *spread, *fits, down, across, below, beside, stretch, back, together]
        words = [
            [
                *(TYPES[images.dtype], what, n, groups, channels, filters, groups * outputs, *slides),
                *(*a, *w, *b, WORKSPACE, *rooms[4 * k : 4 * k + 4], *((-1, 0) if added is None else added.at)),
            ]
            for k, (n, filters, a, w, b) in enumerate(parts)
        ]
        places = [p for p in (images, weights, results, added) if p is not None]
        self.emit_parts(Code.CONVOLVE, words, places, work)

    def pool(self, what: int, given: Place, x: Place, out: Place, slide: Sequence[Any]) -> None:
        """Entries picked where each window of x has its largest, or put there."""
        size, steps, around, spread, fits = [pair[1] for pair in slide]
        lanes = ALIGNED // x.dtype.itemsize
        # Vectors are read of windows behind the last, too, and written behind the last column.
        columns = max(x.shape[3] + 2 * around, (fits + 2 * lanes) * steps + size * spread) + lanes
        planes, shape = x.shape[0] * x.shape[1], [*x.shape[2:], *[n for pair in slide for n in pair]]
        parts = side_by_side([p.rows(planes) for p in (given, x, out)], parts_for(2 * x.size))
        rooms = self.room(*[4 * columns * x.dtype.itemsize] * len(parts))
        words = [
            [TYPES[x.dtype], what, a.shape[0], *shape, *a.at, *b.at, *c.at, WORKSPACE, room, columns]
            for (a, b, c), room in zip(parts, rooms, strict=True)
        ]
        self.emit_parts(Code.POOL, words, [given, x, out], 2 * x.size)

    def tape(self, row: Place, first: int, runs: Any, operands: Any) -> None:
        """Numbers of a row from the place `first` on, each computed from three before it.

        A run has an operation, how many operands that reads, and a length; `operands` are places, three rows of them.
        Raises AssertionError for one that is not computed before it is read.
        """
        if not len(runs):
            return
        lengths = runs[:, 2]
        own = first + np.arange(operands.shape[1])
        if np.any(lengths < 1) or np.sum(lengths) != len(own) or first + len(own) + LANES > row.size:
            raise AssertionError("the runs of a tape are not as long as what they compute, or its row is too short")
        starts = np.repeat(first + np.cumsum(lengths) - lengths, lengths)
        before = np.where(np.repeat(runs[:, 0], lengths) == IN_ORDER, own, starts)
        if np.any(operands < 0) or np.any(operands >= before):
            raise AssertionError("a tape reads what is not computed yet")
        runs = np.stack([runs[:, 0], runs[:, 1] | ways_of(operands, lengths), lengths], axis=1)
        padded = np.append(operands.astype(np.int32), np.zeros(LANES, np.int32))
        places = [self.constant(x) for x in (runs.astype(np.int32), padded)]
        (blocks,) = self.room(3 * 8 * TAPE_BLOCK)
        words = [first, len(own), len(runs), *row.at, *places[0].at, *places[1].at, WORKSPACE, blocks]
        self.emit(Code.TAPE, words, [row, *places], 4 * len(own))

    def sweep(self, row: Place, shares: Place, seed: int, edges: Any, selects: Any = None) -> None:
        """Shares of a gradient that is 1 at the place `seed`, passed on along edges in their order.

        An edge has the share that it adds to, the one that it takes, and the place in the row of what that is times.
        """
        most = np.array([shares.size, shares.size, row.size])
        if np.any(edges < 0) or np.any(edges >= most[:, None]) or not 0 <= seed < shares.size:
            raise AssertionError("an edge leads out of its rows")
        place = self.constant(np.append(edges, 0).astype(np.int32))
        flags = None if selects is None else self.constant(selects.astype(np.bool_))
        words = [edges.shape[1], shares.size, seed, *row.at, *shares.at, *place.at]
        words += (-1, 0) if flags is None else flags.at
        self.emit(Code.SWEEP, words, [row, shares, place], 2 * edges.shape[1])

    def call(self, function: Callable[..., Any], inputs: Sequence[Place], out: Place) -> None:
        """A line that NumPy computes."""
        words = [len(self.calls), len(inputs), *out.at, out.dtype.num, len(out.shape), *out.shape]
        for x in inputs:
            strides = [s * x.dtype.itemsize for s in x.strides]
            words += [*x.at, x.dtype.num, len(x.shape), *x.shape, *strides]
        self.calls.append(function)
        self.emit(Code.CALL, words, [*inputs, out], out.size)


class Chain:
    """Elementwise operations on entries of one type, in one order, as they are written.

    `shape` is that of the entries without axes of length 1. Raises `Full` where registers or slots run out.
    """

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self.slots: list[tuple[int, Place]] = []
        self.slot_of: dict[Any, int] = {}
        self.operations: list[tuple[int, ...]] = []
        self.free = list(reversed(range(REGISTERS)))

    def slot(self, kind: int, place: Place) -> int:
        key = (kind, place)
        if key not in self.slot_of:
            if len(self.slots) == MOST_SLOTS:
                raise Full
            self.slots.append((kind, place))
            self.slot_of[key] = REGISTERS + len(self.slots) - 1
        return self.slot_of[key]

    def register(self) -> int:
        """A register that nothing lies in."""
        if not self.free:
            raise Full
        return self.free.pop()

    def operate(self, name: str, into: int, *operands: int, once: bool = False) -> None:
        """One operation on all entries, or once on numbers."""
        rest = (operands[0],) * (MOST_OPERANDS - len(operands))
        self.operations.append((OPERATION[name] + ONCE * once, into, *operands, *rest))

    def written(self, plan: Plan) -> None:
        self.join()
        size = math.prod(self.shape)
        shape, strides = joined_axes(self.shape, [p.strides for kind, p in self.slots if kind == Slot.STRIDED])
        work = size * len(self.operations)
        alone = any([which == OPERATION["total"] for which, *_ in self.operations])
        line = ALIGNED // self.dtype.itemsize if len(shape) == 1 else 1
        words = [
            self.part(shape, strides, within) for within in ranges(shape[0], 1 if alone else parts_for(work), line)
        ]
        for memory, ways in self.entries().items():
            plan.entries[memory, plan.instructions] = ways
        plan.emit_parts(Code.CHAIN, words, [p for _, p in self.slots], work)

    def join(self) -> None:
        """Do two operations as one where the machine has that and only the second reads what the first leaves."""
        k = 0
        while k < len(self.operations):
            joined = self.joined(k)
            if joined is None:
                k += 1
            else:
                i, operation = joined
                self.operations[i] = operation
                del self.operations[k]
                k = 0  # one before it may have another reader now

    def joined(self, k: int) -> tuple[int, tuple[int, ...]] | None:
        """The place of the one operation that reads what operation k leaves in a register, and what both are as one."""
        first, register, *given = self.operations[k]
        reader = None
        if first not in FIRST_OF_TWO or register >= REGISTERS:
            return None
        for i, (_, into, *read) in enumerate(self.operations[k + 1 :], k + 1):
            if register in read:
                if reader is not None:
                    return None
                reader = i
            if into == register:
                break
            if into in given and reader is None:
                return None
        if reader is None:
            return None
        second, into, *read = self.operations[reader]
        place = read.index(register)
        both, others = AS_ONE.get((second, place, first)), read[: OPERANDS.get(second, 2)]
        if both is None or others.count(register) > 1:
            return None
        others.pop(place)
        operands = [*given[: OPERANDS.get(first, 2)], *others]
        return reader, (both, into, *operands, *operands[:1] * (MOST_OPERANDS - len(operands)))

    def part(self, shape: tuple[int, ...], strides: Sequence[tuple[int, ...]], within: Range) -> list[int]:
        """As words, the chain on a range of the first axis."""
        start, stop = within
        inner = math.prod(shape[1:])
        words = [TYPES[self.dtype], (stop - start) * inner, len(shape), len(self.slots), len(self.operations)]
        words += [stop - start, *shape[1:]]
        apart = iter(strides)
        steps = {Slot.STREAM: inner, Slot.RESULT: inner, Slot.ONE: 0}
        for kind, place in self.slots:
            row = next(apart) if kind == Slot.STRIDED else (0,) * len(shape)
            words += [kind, *place.after(start * steps.get(kind, row[0])).at, TYPES[place.dtype], *row]
        return [*words, *chain.from_iterable(self.operations)]

    def entries(self) -> dict[int, tuple[int, int]]:
        """The last operation that reads a piece of memory and the first that writes there, entry by entry."""
        found: dict[int, tuple[int, int]] = {}
        size = math.prod(self.shape)
        apart = {p.memory for kind, p in self.slots if kind in APART or p.offset or not p.contiguous or p.size != size}
        for i, (_, place) in enumerate(self.slots, REGISTERS):
            if place.memory in apart:
                continue
            reads = [k for k, (_, _, *given) in enumerate(self.operations) if i in given]
            writes = [k for k, (_, into, *_) in enumerate(self.operations) if into == i]
            last, first = found.get(place.memory, (-1, len(self.operations)))
            found[place.memory] = max([last, *reads]), min([first, *writes])
        return found


class Full(Exception):
    """A chain has no register or slot left."""


def joined_axes(shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], list[Any]]:
    """Neighbouring axes as one wherever every array goes through them in one step."""
    shape = shape or (1,)
    rows = [row or (0,) for row in strides]
    kept = [0]
    for axis in range(1, len(shape)):
        if all([row[axis - 1] == row[axis] * shape[axis] for row in rows]):
            kept[-1] = axis
        else:
            kept.append(axis)
    starts = [0, *[k + 1 for k in kept[:-1]]]
    extents = tuple([math.prod(shape[a : b + 1]) for a, b in zip(starts, kept, strict=True)])
    return extents, [tuple([row[k] for k in kept]) for row in rows]
