"""integrations.jax - a schedule as a function that JAX traces.

A program compiled for an accelerator cannot call the C core, so this module is the one place where the formulas of shape_math.h
stand a second time: a line each, in `FORMULAS`. Which row and which stair a step reads is decided in integers, so in 32 bits too
every part begins at the core's step. What a formula takes from the clock (u, the phase of a wave, an exponent) is an integer
times a constant, carried in `LIMBS` half words and then rounded once, whatever the number of steps; the same in float32 ends a
cosine over 10^7 steps 777 steps early.
"""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from lrkernel import SHAPES, Schedule

from .._arguments import LARGEST_STEP, missing, shown, steps_array

if TYPE_CHECKING:
    from types import ModuleType

NAME = {shape.id: shape.name for shape in SHAPES}
ID = {shape.name: shape.id for shape in SHAPES}
TWO_ENDED = {"linear", "cosine", "cosine_cycles", "polynomial", "power_ramp"}
GROWING = {"geometric", "exponential", "step"}
STAIRS = {"step", "values", "repeat", "epoch"}

LIMBS = 6
WORD = 27  # bits of each of the two words of a long division
MOST_ROWS = 1 << 16  # of a repeat that is written out
FAR = 8000.0  # 2^FAR is inf and 2^-FAR is 0


def _power(r: Any, jnp: Any) -> Any:
    # `param` alone, of 24 bits, loses 13 units of 10^-7 ^ 1.7. XLA's log1p in float64 is good to 2 units for u < 0.35, then to 240.
    log = jnp.where(r.u < 0.25, jnp.log1p(-r.u), jnp.log(r.far))
    return r.blend(jnp.where(r.direct, r.u**r.param * r.u**r.rest, -jnp.expm1(r.param * log)))


# The formula of every shape, given its row and jax.numpy.
FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "constant": lambda r, jnp: r.start,
    "hold": lambda r, jnp: r.start,
    "linear": lambda r, jnp: r.blend(r.u),
    "cosine": lambda r, jnp: r.blend(jnp.sin(math.pi / 2 * r.u) ** 2),
    "cosine_cycles": lambda r, jnp: r.blend(jnp.sin(math.pi * r.turn) ** 2),
    "polynomial": _power,
    "power_ramp": _power,
    "geometric": lambda r, jnp: jnp.clip(r.growth, r.low, r.high),
    "exponential": lambda r, jnp: r.growth,
    "inverse_sqrt": lambda r, jnp: r.start * (r.param / jnp.sqrt(r.n.astype(r.late.dtype) + r.late)),
    "step": lambda r, jnp: r.growth,
    "values": lambda r, jnp: jnp.asarray(r.group.values)[r.index + jnp.minimum(r.count, r.after)],
    "scale": lambda r, jnp: r.a * r.stop,
    "divide": lambda r, jnp: r.a / r.stop,
    "offset": lambda r, jnp: r.a + r.stop,
    "clip": lambda r, jnp: jnp.clip(r.a, r.start, r.stop),
    "product": lambda r, jnp: r.a * r.b,
    "repeat": lambda r, jnp: r.a,
    "epoch": lambda r, jnp: r.a,
    "skip": lambda r, jnp: r.a,
}


# ---- on the host: rows on an integer clock ----


class Clock(NamedTuple):
    """A row's own clock, t - origin + part, and its division by a period, exactly as divide_clock of lrk.c has it."""

    origin: int
    part: float
    every: float

    @property
    def ticks(self) -> tuple[int, int, int]:
        """Period and `part` in units of 2^-bits steps, and bits."""
        period, one = self.every.as_integer_ratio()
        # The core adds two floats below 1 and asks whether they make a whole step: they do from 1 - 2^-54 on.
        late = math.floor((Fraction(self.part) + Fraction(1, 2**54)) * one) if self.part and one > 1 else 0
        return period, late, one.bit_length() - 1

    def count(self, t: int) -> int:
        """How many periods have passed."""
        period, late, bits = self.ticks
        return ((t - self.origin << bits) + late) // period

    def begins(self, count: int) -> int:
        """The first step by which so many have."""
        period, late, bits = self.ticks
        return self.origin - (late - count * period >> bits)

    def rest(self, t: int) -> tuple[int, float]:
        """What is left of the clock, as whole + part."""
        period, _, bits = self.ticks
        whole, ticks = divmod((t - self.origin << bits) - self.count(t) * period, 1 << bits)
        part = self.part + ticks / (1 << bits)
        return (whole + 1, part - 1.0) if part >= 1.0 else (whole, part)


class Placed(NamedTuple):
    """A row on the clock of the steps that a table is asked for."""

    name: str
    row: tuple[Any, ...]  # what the schedule was built of
    segment: Any  # what the core made of it
    first: int  # the first step that reads it; below 0 where some of it was skipped
    until: int  # the last one
    lead: float  # what its own clock reads at `first`
    end: Fraction  # where its formula ends; meaningless where it does not

    @property
    def clock(self) -> Clock:
        carry = self.lead >= 1.0  # 1 - tiny
        return Clock(self.first - carry, 0.0 if carry else self.lead, float(self.segment["every"]))


def placed(schedule: Schedule, last: int, shift: int = 0, part: float = 0.0) -> Iterator[Placed]:
    """The rows that steps 0 to `last` read, where step t is the schedule's own t - shift + part: place_row of lrk.c."""
    found: list[Placed] = []
    for row, segment in zip(schedule.rows, schedule.segments, strict=False):  # segments of sub-tables come behind
        late = float(segment["begin_part"]) - part
        first = int(segment["begin"]) + (late > 0.0) + shift
        if first > last:
            break
        left = float(segment["end_part"]) - part
        end = Fraction(0 if left == math.inf else left) + int(segment["end"]) + shift
        found.append(Placed(NAME[row[0]], row, segment, first, last, (late > 0.0) - late, end))
    for item, after in zip(found, [*found[1:], None], strict=True):
        if after is None:
            yield from _cycles(item)
        elif after.first > max(item.first, 0):
            yield from _cycles(item._replace(until=after.first - 1))


def _cycles(item: Placed) -> Iterator[Placed]:
    """The row itself; of a repeat whose cycles do not begin at whole steps, or hardly ever begin, the rows of each cycle."""
    clock, first = item.clock, max(item.first, 0)
    if item.name != "repeat" or (clock.every.is_integer() and clock.every <= item.until):
        yield item
        return
    child = item.row[7][0]
    cycles = math.ceil((item.until - first) / clock.every)
    if clock.every < 1.0 or cycles * len(child.rows) > MOST_ROWS:
        raise ValueError(
            f"repeat must have a period of whole steps, or at most {MOST_ROWS} rows in all its cycles, to run in JAX;"
            f" got {cycles} cycles of {clock.every!r} steps"
        )
    while first <= item.until:
        whole, part = clock.rest(first)
        following = clock.begins(clock.count(first) + 1)
        yield from placed(child, min(item.until, following - 1), first - whole, part)
        first = following


# ---- on the host: rows as columns ----


class Kind(NamedTuple):
    """The types that JAX computes with: of 32 bits, or of 64 where they are enabled."""

    real: np.dtype[Any]
    whole: np.dtype[Any]
    word: np.dtype[Any]

    @property
    def last(self) -> int:
        return int(np.iinfo(self.whole).max)

    @property
    def half(self) -> int:
        """Bits of a limb."""
        return self.word.itemsize * 4

    def column(self, name: str, values: list[Any]) -> npt.NDArray[Any]:
        return np.array(
            values, self.real if name in REAL else self.word if name in WORDS else bool if name == "direct" else self.whole
        )

    def check(self, name: str, *values: float, small: bool = False) -> None:
        """Refuse finite values that would become inf, and what is to be multiplied that would become 0."""
        with np.errstate(over="ignore", under="ignore"):
            for value in values:
                got = self.real.type(value)
                if (np.isinf(got) and math.isfinite(value)) or (small and value != 0.0 == got):
                    raise ValueError(f"{name} must have values within {self.real} to run in JAX, got {value!r}")

    def limbs(self, x: Fraction) -> list[int]:
        """The fraction of x, lowest limb first."""
        bits = round(x * 2 ** (self.half * LIMBS))
        return [bits >> self.half * j & 2**self.half - 1 for j in range(LIMBS)]


@lru_cache(256)
def _log2(x: float) -> Fraction:
    with localcontext(prec=80):
        return Fraction(Decimal(x).ln() / Decimal(2).ln())


REAL = ("start", "stop", "base", "gap", "low", "high", "across", "param", "rest", "late", "sign")
WORDS = ("slope", "phase", "add", "period")

# Of every column, what does no harm in a row of another shape.
NOTHING: dict[str, Any] = {
    **{"start": 0.0, "stop": 1.0, "base": 0.0, "gap": 0.0, "low": -math.inf, "high": math.inf, "across": 0.0},
    **{"param": 1.0, "rest": 0.0, "late": 1.0, "sign": 1.0, "direct": True},
    **{"slope": [0] * LIMBS, "phase": [0] * LIMBS},  # times n, plus: what a formula takes from the clock
    "begin": -1,  # n where the value is `start`
    **{"add": 0, "period": 1, "bits": 0, "ticks": [0, 0], "divisor": [0, 1]},
    **{"index": 0, "after": -1, "low0": 0, "high0": 1, "low1": 0, "high1": 1},
}


def _two_ended(item: Placed, kind: Kind) -> dict[str, Any]:
    start, stop, param = (float(item.segment[field]) for field in ("start", "stop", "param"))
    anchor, falling = max(item.first, 0), abs(stop) <= abs(start)
    lead = Fraction(item.lead) + (anchor - item.first)
    slope = 1 / (item.end - item.first + Fraction(item.lead))
    phase, begin = lead * slope, anchor
    if item.name == "cosine_cycles":
        slope *= Fraction(param)
        # Half of what `turn` drops: an inner zero of the wave that falls on a step is then 0 in float64 too, not 10^-112.
        phase = lead * slope + Fraction(int(falling), 2) + Fraction(1, 2 ** (kind.half * (LIMBS - 1) + 1))
    elif falling:
        anchor = min(math.floor(item.end), kind.last)
        phase = (item.end - anchor) * slope
    across = min(start, stop) < 0.0 < max(start, stop)
    near, far = (stop, start) if falling else (start, stop)
    return {
        "anchor": anchor,
        "base": 0.5 * near + 0.5 * far if across else near,
        "gap": 0.5 * far - 0.5 * near if across else far - near,
        "low": min(start, stop),
        "high": max(start, stop),
        "across": float(across),
        "param": param or 1.0,
        "rest": param - float(kind.real.type(param)),
        "direct": falling == (item.name == "polynomial"),
        "slope": kind.limbs(slope),
        "phase": kind.limbs(phase),
        "begin": abs(anchor - begin) if lead == 0 else -1,
    }


def _growing(item: Placed, kind: Kind) -> dict[str, Any]:
    """start 2^(rate n + phase), in units that leave the whole part of the exponent in the last limb."""
    start, stop, gamma = (float(item.segment[field]) for field in ("start", "stop", "param"))
    anchor = max(item.first, 0)
    lead = Fraction(item.lead) + (anchor - item.first)
    if item.name == "step":
        rate, lead = _log2(gamma), Fraction(item.clock.count(anchor))
    elif item.name == "exponential":
        rate = _log2(gamma) / Fraction(item.clock.every)
    else:
        rate = (_log2(abs(stop)) - _log2(abs(start))) / (item.end - item.first + Fraction(item.lead))
    column = {"begin": 0 if lead == 0 else -1, "low": min(start, stop), "high": max(start, stop), "sign": math.copysign(1.0, start)}
    if start == 0.0:
        return {**column, "sign": 0.0}
    far, unit = Fraction(FAR), 2**kind.half
    rate = min(max(rate, -far), far)
    phase = min(max(_log2(abs(start)) + lead * rate, -far), far)
    most = kind.last if rate == 0 else min(math.ceil((far + abs(_log2(abs(start)))) / abs(rate)), kind.last)
    return {**column, "most": most, "slope": kind.limbs(rate / unit), "phase": kind.limbs(phase / unit)}


def _stairs(item: Placed, kind: Kind) -> dict[str, Any]:
    """What the division by the period takes: ((n + add) 2^bits + ticks) / divisor."""
    clock, anchor = item.clock, max(item.first, 0)
    if clock.every < 1.0:
        raise ValueError(f"{item.name} must have stairs of at least one step to run in JAX, got stairs of {clock.every!r} steps")
    period, late, bits = clock.ticks
    if period >> bits > kind.last:
        if clock.count(item.until) == clock.count(anchor):
            return {"period": 2 * kind.last + 1}  # which no n reaches
        raise ValueError(
            f"{item.name} must have stairs of at most {kind.last} steps to run in JAX, got stairs of {clock.every!r} steps"
        )
    add, ticks = divmod(((anchor - clock.origin << bits) + late) % period, 1 << bits)
    return {
        "add": add,
        "period": min(period, 2 * kind.last + 1),  # more than n + add, as `period` is then
        "bits": bits,
        "ticks": divmod(ticks, 1 << WORD),
        "divisor": divmod(period, 1 << WORD),
    }


class Group:
    """The rows of tables that are read at the same depth, as columns, and behind them the groups that their nodes refer to."""

    def __init__(self, tables: list[list[Placed]], kind: Kind):
        rows = [item for table in tables for item in table]
        self.kind = kind
        self.names = {item.name for item in rows}
        self.longest = max(map(len, tables))
        self.bounds = np.cumsum([0, *map(len, tables)]).tolist()
        self.children: list[Group] = []
        inner: tuple[list[list[Placed]], ...] = ([], [])
        arrays: list[npt.NDArray[np.float64]] = [np.zeros(1)]
        found: list[dict[str, Any]] = []
        for item in rows:
            column = self.column(item)
            if item.name == "values":
                arrays.append(self.array(item, column))
            for k, table in enumerate(self.sub_tables(item, column)):
                column[f"low{k}"] = len(inner[k])  # a number of a table, until all are known
                inner[k].append(table)
            found.append(column)
        for k, group in enumerate(Group(lists, kind) for lists in inner if lists):
            self.children.append(group)
            for column in found:
                column[f"low{k}"], column[f"high{k}"] = group.bounds[column[f"low{k}"] : column[f"low{k}"] + 2]
        starts = np.cumsum([len(array) for array in arrays])
        for start, column in zip(starts, (column for column in found if column["after"] >= 0), strict=False):
            column["index"] = start
        self.values = np.concatenate(arrays).astype(kind.real)
        self.columns = {name: kind.column(name, [column[name] for column in found]) for name in found[0]}
        self.bits = int(self.columns["bits"].max())

    def column(self, item: Placed) -> dict[str, Any]:
        """The columns of one row."""
        name, kind, first = item.name, self.kind, max(item.first, 0)
        column = {**NOTHING, "shape": ID[name], "first": first, "anchor": first}
        column.update(most=kind.last, until=kind.last)  # the largest n that counts; the last step that a sub-table reads
        column.update(start=float(item.segment["start"]), stop=float(item.segment["stop"]))
        if name in STAIRS and not (name == "values" and item.clock.every < 1.0):
            column.update(_stairs(item, kind))
        if name in TWO_ENDED:
            column.update(_two_ended(item, kind))
        if name in GROWING:
            column.update(_growing(item, kind))
        if name == "inverse_sqrt":
            timescale = float(item.segment["param"])
            lead = Fraction(item.lead) + (first - item.first)
            column.update(param=math.sqrt(timescale), late=float(lead + Fraction(timescale)), begin=0 if lead == 0 else -1)
        for field in REAL:
            kind.check(name, column[field], small=name in ("scale", "divide"))
        return column

    def array(self, item: Placed, column: dict[str, Any]) -> npt.NDArray[np.float64]:
        """The values that a row of them reads, one for every stair."""
        (array,), clock, first = item.row[7], item.clock, max(item.first, 0)
        self.kind.check(item.name, float(array.min()), float(array.max()))
        last = len(array) - 1
        if clock.every < 1.0:  # several to a step
            passed = takewhile(lambda count: count < last, map(clock.count, range(first, item.until + 1)))
            array = array[[*passed, last]]
        else:
            array = array[min(clock.count(first), last) :]
        column["after"] = len(array) - 1
        return np.asarray(array)

    def sub_tables(self, item: Placed, column: dict[str, Any]) -> Iterator[list[Placed]]:
        """The tables that a node reads, on the clocks that it reads them with."""
        clock, kind = item.clock, self.kind
        shift, part, last = clock.origin, clock.part, item.until
        if item.name == "epoch":
            passed = clock.count(max(item.first, 0))
            shift, part, last = -passed, 0.0, clock.count(last) - passed
        elif item.name == "repeat":
            shift, last = 0, int(clock.every) - 1
        elif item.name == "skip":
            part += clock.every % 1.0
            shift, part = shift - int(clock.every) - (part >= 1.0), part - (part >= 1.0)
            column["until"] = min(kind.last, LARGEST_STEP + shift)
        for child in item.row[7] if SHAPES[item.row[0]].kind == "node" else ():
            yield list(placed(child, last, shift, part))


# ---- what is traced ----


class Row:
    """The row that each of an array of steps reads, and what its formula takes; only what some formula asks for is computed."""

    def __init__(self, group: Group, low: Any, high: Any, t: Any, jnp: "ModuleType"):
        self.group, self.t, self.jnp = group, t, jnp
        first = jnp.asarray(group.columns["first"])
        for _ in range((group.longest - 1).bit_length()):
            middle = (low + high) // 2
            owns = first[middle] <= t
            low, high = jnp.where(owns, middle, low), jnp.where(owns, high, middle)
        self.index_of_row = low

    def __getattr__(self, name: str) -> Any:
        """A column of the group, at this row."""
        return self.jnp.asarray(self.group.columns[name])[self.index_of_row]

    @property
    def value(self) -> Any:
        jnp, names = self.jnp, sorted(self.group.names)
        found = FORMULAS[names[0]](self, jnp)
        for name in names[1:]:
            found = jnp.where(self.shape == ID[name], FORMULAS[name](self, jnp), found)
        return jnp.where(self.n == self.begin, self.start, found)

    @cached_property
    def n(self) -> Any:
        """Steps from the end that the formula counts from, or stairs."""
        jnp, steps = self.jnp, abs(self.t - self.anchor)
        if "step" in self.group.names:
            steps = jnp.where(self.shape == ID["step"], self.count, steps)
        return jnp.minimum(steps, self.most)

    @cached_property
    def division(self) -> tuple[Any, Any]:
        """floor and rest of the row's clock over its period; the rest only where the period is whole.

        Long division, a bit at a time: 33.3 steps are 2343402150966067 / 2^46, and no product with a reciprocal is exact.
        """
        jnp, kind = self.jnp, self.group.kind
        total = abs(self.t - self.anchor).astype(kind.word) + self.add
        count, rest = (total // self.period).astype(kind.whole), total % self.period
        mask = (1 << WORD) - 1
        high, low = (rest >> WORD).astype(kind.whole), (rest & mask).astype(kind.whole)
        for bit in reversed(range(self.group.bits)):
            twice = 2 * low + (self.ticks[..., 1 - bit // WORD] >> bit % WORD & 1)
            high_after, low_after = 2 * high + (twice >> WORD), twice & mask
            low_less = low_after - self.divisor[..., 1]
            high_less = high_after - self.divisor[..., 0] + (low_less >> 2 * kind.half - 1)  # the borrow
            on, fits = bit < self.bits, high_less >= 0
            low = jnp.where(on, jnp.where(fits, low_less & mask, low_after), low)
            high = jnp.where(on, jnp.where(fits, high_less, high_after), high)
            count = jnp.where(on, 2 * count + fits, count)
        return count, rest.astype(kind.whole)

    @property
    def count(self) -> Any:
        return self.division[0]

    @cached_property
    def limbs(self) -> list[Any]:
        """slope n + phase, lowest limb first, without what exceeds the highest."""
        half, n = self.group.kind.half, self.n.astype(self.group.kind.word)
        mask = (1 << half) - 1
        slope, phase, found = self.slope, self.phase, list[Any]()
        carry: Any = 0
        products: list[Any] = []
        for j in range(LIMBS):
            above = sum(product >> half for product in products)
            products = [(n & mask) * slope[..., j], *([(n >> half) * slope[..., j - 1]] if j else [])]
            column = phase[..., j] + carry + above + sum(product & mask for product in products)
            found.append(column & mask)
            carry = column >> half
        return found

    def fraction(self, limbs: list[Any]) -> Any:
        """The limbs behind the point, as a float in [0, 1]."""
        kind, sum_ = self.group.kind, 0.0
        for limb in limbs:
            sum_ = (sum_ + limb.astype(kind.real)) * kind.real.type(2.0**-kind.half)
        return sum_

    @cached_property
    def u(self) -> Any:
        return self.fraction(self.limbs)

    @property
    def far(self) -> Any:
        """1 - u, rounded once."""
        return self.fraction([limb ^ (1 << self.group.kind.half) - 1 for limb in self.limbs])

    @property
    def turn(self) -> Any:
        """Turns of a wave from the nearest one at which it is `base`; 0 to 1/2, folded before rounding."""
        half = self.group.kind.half
        late = self.limbs[-1] >> half - 1
        return self.fraction([limb ^ (late << half) - late for limb in self.limbs[1:]])

    @cached_property
    def growth(self) -> Any:
        jnp, kind = self.jnp, self.group.kind
        *limbs, top = self.limbs
        exponent = top.astype(kind.whole) - ((top >> kind.half - 1).astype(kind.whole) << kind.half)
        return self.sign * jnp.ldexp(jnp.exp2(self.fraction(limbs)), exponent.astype(np.int32))

    def blend(self, w: Any) -> Any:
        """The value at weight w of the end that is farther from zero; across zero `base` is the middle."""
        return self.jnp.clip(self.base + self.gap * (w * (1.0 + self.across) - self.across), self.low, self.high)

    def child(self, k: int) -> Any:
        jnp, names = self.jnp, self.group.names
        t = jnp.minimum(self.t, self.until)
        if "repeat" in names:
            t = jnp.where(self.shape == ID["repeat"], self.division[1], t)
        if "epoch" in names:
            t = jnp.where(self.shape == ID["epoch"], self.count, t)
        return Row(self.group.children[k], getattr(self, f"low{k}"), getattr(self, f"high{k}"), t, jnp).value

    @cached_property
    def a(self) -> Any:
        return self.child(0)

    @property
    def b(self) -> Any:
        return self.child(1)


def to_jax(schedule: Schedule) -> Callable[[Any], Any]:
    """The schedule as a function of the step that JAX can trace; ``Schedule.to_jax`` says more."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError as error:
        raise ImportError(missing("to_jax", error.name or "jax", "jax")) from None

    if ID["custom"] in schedule.segments["shape"]:
        raise ValueError("to_jax must have formulas to trace, got a shape of your own: use jax.pure_callback(schedule, ...)")
    groups: dict[Kind, Group] = {}

    def kind() -> Kind:
        real, whole = (np.dtype(jnp.result_type(python)) for python in (float, int))
        return Kind(real, whole, np.dtype(f"u{whole.itemsize}"))

    def group(kind: Kind) -> Group:
        if kind not in groups:
            groups[kind] = Group([list(placed(schedule, kind.last))], kind)
        return groups[kind]

    def traced(step: Any) -> Any:
        rows = group(kind())
        last = min(rows.kind.last, int(np.iinfo(np.dtype(step.dtype)).max))
        steps = jnp.clip(step, 0, np.asarray(last, step.dtype)).astype(rows.kind.whole)
        low = jnp.zeros_like(steps)
        return Row(rows, low, low + rows.longest, steps, jnp).value

    evaluate = cast("Callable[[Any], Any]", jax.jit(traced))

    def function_of_step(step: Any) -> Any:
        if isinstance(step, jax.Array):
            if not jnp.issubdtype(step.dtype, jnp.integer):
                raise TypeError(f"step must be an integer or an array of integers, got {shown(step)}")
            return evaluate(step)
        steps = steps_array(step)
        if steps.size and steps.max() > kind().last:
            raise ValueError(f"step must be <= {kind().last} where JAX has no 64 bits, got {shown(step)}")
        return evaluate(jnp.asarray(steps, kind().whole))

    group(kind())  # so that what cannot be exact is refused here
    return function_of_step
