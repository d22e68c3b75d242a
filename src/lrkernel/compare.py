"""compare - where two schedules differ first, and where most: exact, mostly without a look at every step."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._arguments import LARGEST_STEP, LONGEST, Boundary, Number, shown, whole
from .schedule import CONSTANT, HOLD, NAME, Row, Schedule

__all__ = ["Comparison", "compare"]

# Shapes that only rise or only fall, and nodes that keep that.
MONOTONE = {"linear", "cosine", "polynomial", "power_ramp", "geometric", "exponential", "inverse_sqrt", "step"}
KEEPING = {"scale", "divide", "offset", "clip", "epoch", "skip"}

# Computed values follow a monotone formula to 8 ulp at most, and some for every node above it: 2^-46 is 64 ulp.
NOISE = 2.0**-46

BLOCK = 1 << 16  # steps that are looked at rather than bounded
PARTS = 16  # into which a range is cut that may have the largest difference
MOST = 1 << 14  # ranges in hand; where more are needed the difference is nearly the same all along, and all steps are looked at
SCAN = 1 << 20  # steps of a block of those


class Comparison(NamedTuple):
    """How two schedules differ: `first` is the first step at which they do, `at` the first of the largest difference."""

    first: int | None
    at: int | None
    values: tuple[float, float]
    """Of both at the step `at`; at step 0 where there is no difference."""
    largest: float
    """The absolute difference of them."""
    looked_at: int
    """How many steps were evaluated to know that."""


def compare(one: Schedule, other: Schedule, steps: Number, *, progress: Callable[[int, int], object] | None = None) -> Comparison:
    """The first step at which two schedules differ and the first of their largest difference, over the first `steps` steps.

    The answer is that of looking at every step, to the bit. Where both only rise or fall, the values at the ends of a range bound
    the difference inside, and what cannot hold the largest is left out: a cosine against a line over 10^12 steps takes some
    hundred million looks. Where the difference is nearly the same all along, and for cycles, arrays and products, every step is
    looked at, in blocks of bounded size.

    Parameters
    ----------
    one, other : Schedule
    steps : int
        1 <= steps <= 2^63.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of steps while they are looked at one by one.

    Raises
    ------
    ValueError, TypeError
        For other arguments.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.compare import compare
    >>> found = compare(lrk.linear(1.0, 0.0, 8), lrk.linear(1.0, 0.0, 4), 9)
    >>> found.first, found.at, found.values
    (1, 4, (0.5, 0.0))
    """
    for name, schedule in (("one", one), ("other", other)):
        if not isinstance(schedule, Schedule):
            raise TypeError(f"{name} must be a schedule, got {shown(schedule)}")
    count = whole("steps", steps, 1)
    if count > LARGEST_STEP + 1:
        raise ValueError(f"steps must be <= 2^63, got {shown(steps)}")
    work = _Work(one, other, count, progress)
    first = work.first()
    if first is None:
        value = one(0)
        return Comparison(None, None, (value, value), 0.0, work.looked_at)
    work.find_largest(first)
    at = int(work.at)
    return Comparison(first, at, (one(at), other(at)), float(work.largest), work.looked_at)


class _Part(NamedTuple):
    """Steps of a table from `begin` on: `magnitude` bounds what errors are relative to, inf where the values may go up and down."""

    begin: Boundary
    magnitude: float
    flat: bool


def _parts(schedule: Schedule) -> Iterator[_Part]:
    ends = [row[1] for row in schedule.rows[1:]]
    for values, end in zip(schedule.rows, [*ends, math.inf], strict=True):
        row = Row(*values)
        name = NAME[row.shape]
        if row.shape in (HOLD, CONSTANT):
            yield _Part(row.begin, 0.0, True)
        elif name in MONOTONE:
            yield _Part(row.begin, max(abs(row.start or 0.0), abs(row.stop)), False)
        elif name in KEEPING:
            yield from (part for part in _parts_of_node(row, name) if part.begin < end)
        else:
            yield _Part(row.begin, math.inf, False)


def _parts_of_node(row: Row, name: str) -> Iterator[_Part]:
    for index, part in enumerate(_parts(row.children[0])):
        begin, magnitude = part.begin, part.magnitude
        if name == "scale":
            magnitude *= abs(row.stop)
        elif name == "divide":
            magnitude /= abs(row.stop)
        elif name == "offset":
            magnitude += abs(row.stop)
        elif name == "epoch":
            begin = math.ceil(begin) * row.every  # an epoch that has begun counts whole
        elif name == "skip":
            begin = max(begin - row.every, 0)
        yield _Part(row.begin + begin if index else row.begin, magnitude, part.flat)


class _Cuts:
    """The parts of a schedule as arrays: `at` the first step of each. Around a boundary, which is rounded, nothing is assumed."""

    def __init__(self, schedule: Schedule, steps: int) -> None:
        at, magnitude, flat = [0], [math.inf], [False]
        for part in _parts(schedule):
            if part.begin >= steps:
                break
            begin = math.ceil(part.begin)
            margin = 2 + begin // LONGEST if begin else 0
            at += [min(max(begin - margin, at[-1]), steps - 1), min(begin + margin, steps - 1)]
            magnitude += [math.inf, part.magnitude]
            flat += [False, part.flat]
        self.at = np.array(at, np.uint64)
        self.magnitude, self.flat = np.array(magnitude), np.array(flat)
        self.begins = [row[1] for row in schedule.rows]
        self.rows = schedule.rows

    def of(self, step: int) -> tuple[float, bool]:
        """Magnitude and flatness of the part that begins at or before a step."""
        index = int(np.searchsorted(self.at, np.uint64(step), "right")) - 1
        return float(self.magnitude[index]), bool(self.flat[index])

    def row_of(self, step: int) -> int:
        return bisect_right(self.begins, step) - 1


class _Piece(NamedTuple):
    """Steps from `low` to before `high` in which neither table has a boundary."""

    low: int
    high: int
    magnitude: float
    flat: bool


class _Work:
    def __init__(self, one: Schedule, other: Schedule, steps: int, progress: Callable[[int, int], object] | None) -> None:
        self.pair, self.steps, self.progress = (one, other), steps, progress
        self.largest, self.at, self.looked_at = 0.0, 0, 0

    # ---- pieces ----

    def pieces(self) -> Iterator[_Piece]:
        """Those in which the tables do not say the same."""
        tables = [_Cuts(schedule, self.steps) for schedule in self.pair]
        lows = np.union1d(*(table.at for table in tables)).tolist()
        same: dict[tuple[int, int], bool] = {}
        for low, high in pairwise([*lows, self.steps]):
            first, last = ((tables[0].row_of(step), tables[1].row_of(step)) for step in (low, high - 1))
            if first == last:
                if first not in same:
                    same[first] = _same(tables[0].rows[first[0]], tables[1].rows[first[1]])
                if same[first]:
                    continue
            (magnitude, flat), (more, flat_too) = (table.of(low) for table in tables)
            yield _Piece(low, high, magnitude + more, flat and flat_too)

    def first(self) -> int | None:
        """The first step at which the values differ."""
        one, other = self.pair
        if one == other:
            return None
        for piece in self.pieces():
            low, size = piece.low, 256
            high = low + 1 if piece.flat else piece.high
            while low < high:
                stop = min(low + size, high)
                found = np.flatnonzero(self.values(low, stop)[0] != self.values(low, stop)[1])
                if found.size:
                    return low + int(found[0])
                low, size = stop, min(2 * size, SCAN)
                self.told(low, self.steps)
        return None

    # ---- the largest difference ----

    def find_largest(self, first: int) -> None:
        self.see(np.array([first], np.uint64))
        pieces = [piece for piece in self.pieces() if piece.high > first]
        if flat := [piece.low for piece in pieces if piece.flat]:
            self.see(np.array(flat, np.uint64))
        bounded = [piece for piece in pieces if not piece.flat and piece.magnitude < math.inf and piece.high - piece.low > BLOCK]
        others = [
            (math.inf, p.low, p.high) for p in pieces if not p.flat and not (p.magnitude < math.inf and p.high - p.low > BLOCK)
        ]
        self.scan(sorted(self.candidates(bounded) + others, key=lambda found: -found[0]))

    def candidates(self, pieces: list[_Piece]) -> list[tuple[float, int, int]]:
        """The ranges that may have the largest difference, with a bound of it."""
        low, high = (np.array([getattr(piece, name) for piece in pieces], np.uint64) for name in ("low", "high"))
        magnitude = np.array([piece.magnitude for piece in pieces])
        found: list[tuple[float, int, int]] = []
        while len(low):
            ends = [self.see(low), self.see(high - np.uint64(1))]
            values = np.array([pair[0] for pair in ends]), np.array([pair[1] for pair in ends])
            with np.errstate(invalid="ignore"):
                reach = np.maximum(values[0].max(0) - values[1].min(0), values[1].max(0) - values[0].min(0))
                noise = NOISE * (magnitude + np.abs(values[0]).max(0) + np.abs(values[1]).max(0))
                bound = np.where(np.isnan(reach), math.inf, reach + noise)
            kept = (bound > self.largest) | ((bound == self.largest) & (low < self.at))
            low, high, magnitude, bound = low[kept], high[kept], magnitude[kept], bound[kept]
            done = high - low <= BLOCK if len(low) < MOST else np.ones(len(low), bool)
            found += zip(bound[done].tolist(), low[done].tolist(), high[done].tolist(), strict=True)
            size = (high[~done] - low[~done] + np.uint64(PARTS - 1)) // np.uint64(PARTS)
            starts = low[~done] + size * np.arange(PARTS, dtype=np.uint64)[:, None]
            stops = np.minimum(starts + size, high[~done])
            real = starts < stops
            low, high, magnitude = starts[real], stops[real], np.broadcast_to(magnitude[~done], real.shape)[real]
        return found

    def scan(self, ranges: list[tuple[float, int, int]]) -> None:
        """Look at every step of the ranges that may still have the largest difference."""
        total, done = sum(high - low for _, low, high in ranges), 0
        for bound, low, high in ranges:
            if bound > self.largest or (bound == self.largest and low < self.at):
                for start in range(low, high, SCAN):
                    stop = min(start + SCAN, high)
                    self.note(start, *self.values(start, stop))
                    self.told(done + stop - low, total)
            done += high - low

    # ---- looks ----

    def values(self, start: int, stop: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        self.looked_at += stop - start
        return self.pair[0].values(start, stop), self.pair[1].values(start, stop)

    def see(self, steps: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The values at some steps, noted."""
        self.looked_at += len(steps)
        values = self.pair[0](steps), self.pair[1](steps)
        difference = _difference(*values)
        if len(steps) and difference.max() >= self.largest:
            step = int(steps[difference == difference.max()].min())
            self.take(float(difference.max()), step)
        return values

    def note(self, start: int, one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> None:
        difference = _difference(one, other)
        index = int(difference.argmax())
        self.take(float(difference[index]), start + index)

    def take(self, difference: float, step: int) -> None:
        if difference > self.largest or (difference == self.largest and step < self.at):
            self.largest, self.at = difference, step

    def told(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether two rows are one formula of the step; a hold may be that of what is before it."""
    return HOLD not in (one[0], other[0]) and Schedule((one,)) == Schedule((other,))


def _difference(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(one == other, 0.0, np.abs(one - other))
