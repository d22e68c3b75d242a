"""builders - composed schedules that people know by name."""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ._arguments import (
    LARGEST_STEP,
    Boundary,
    Duration,
    Number,
    at_least,
    duration,
    duration_of,
    normal,
    one_of,
    plus,
    positive,
    real,
    shown,
)
from .schedule import HOLD, Fields, Row, Schedule, from_rows, repeated
from .shapes import flat, two_ended

# Name of a decay -> shape and power; "sqrt" is what some call 1-sqrt.
DECAYS = {"linear": ("linear", 0.0), "cosine": ("cosine", 0.0), "1-sqrt": ("power_ramp", 0.5), "sqrt": ("power_ramp", 0.5)}
FARTHEST = 2.0**200  # a cycle that ends there or later has the same values up to the last step
LEAST_GROWTH = 1.01  # a table of growing cycles then has at most 4,400 rows


def _below(name: str, value: object, top: float, peak: object) -> float:
    """A value in [0, peak], of which `top` is the float."""
    low = at_least(name, value, 0.0)
    if low > top:
        raise ValueError(f"{name} must be <= peak, got {value!r} > {peak!r}")
    return low


def _levels(peak: object, floor: object, init: object) -> tuple[float, float, float]:
    top = at_least("peak", peak, 0.0)
    return top, _below("floor", floor, top, peak), _below("init", init, top, peak)


def _warmup(init: float, peak: float, steps: Boundary) -> list[Fields]:
    return [two_ended("linear", init, peak, 0, steps, label="warmup")] if steps > 0 else []


def ramp_and_end(warmup: object, total: object, ramp_name: str = "warmup", name: str = "total") -> tuple[Boundary, Boundary]:
    """Steps of the warm-up, which may be a percentage, and in all."""
    end = duration(name, total)
    ramp = duration_of(ramp_name, warmup, end)
    if ramp > end:
        raise ValueError(f"{ramp_name} must be <= {name}, got {warmup!r} > {total!r}")
    return ramp, end


def _warmup_decay(shape: str, peak: object, warmup: object, total: object, floor: object, init: object) -> Schedule:
    top, low, first = _levels(peak, floor, init)
    ramp, end = ramp_and_end(warmup, total)
    rows = _warmup(first, top, ramp)
    if ramp == end:
        return _floored(rows, end, low)
    return from_rows(*rows, two_ended(shape, top, low, ramp, end, label="decay"), length=end)


def _floored(rows: list[Fields], end: Boundary, floor: float) -> Schedule:
    """Rows that end at the peak, then the floor at once."""
    value = None if Row(*rows[-1]).stop == floor else floor
    return Schedule((*rows, Row(HOLD, end, None, value, 0.0 if value is None else value)))


def warmup_cosine(peak: Number, warmup: Duration, total: Number, floor: Number = 0.0, init: Number = 0.0) -> Schedule:
    """Linear warm-up, then half a cosine down to the floor.

    ``init + (peak - init) t / warmup`` for t < warmup, then ``floor + (peak - floor) (1 + cos(pi u)) / 2``,
    u = (t - warmup) / (total - warmup)

    Parameters
    ----------
    peak : float
        Value at step `warmup`, exactly; >= 0.
    warmup : int, float or str
        Steps of the warm-up, 0 <= warmup <= total, or a percentage of the total such as "5%".
    total : int or float
        Steps in all, the warm-up included; from there on the value is `floor`, exactly.
    floor, init : float
        Last and first value, in [0, peak].

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    References
    ----------
    Loshchilov and Hutter 2017, arXiv:1608.03983, with the gradual warm-up of Goyal et al. 2017, arXiv:1706.02677.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.warmup_cosine(peak=1.0, warmup=2, total=6, floor=0.1).values(7)
    array([0.        , 0.5       , 1.        , 0.86819805, 0.55      ,
           0.23180195, 0.1       ])
    >>> lrk.warmup_cosine(peak=1.0, warmup="2.5%", total=10_000).phases()[0].stop
    250
    """
    return _warmup_decay("cosine", peak, warmup, total, floor, init)


def warmup_linear(peak: Number, warmup: Duration, total: Number, floor: Number = 0.0, init: Number = 0.0) -> Schedule:
    """Linear warm-up, then a straight line down to the floor.

    ``init + (peak - init) t / warmup`` for t < warmup, then ``floor + (peak - floor) (1 - u)``,
    u = (t - warmup) / (total - warmup)

    Parameters
    ----------
    peak : float
        Value at step `warmup`, exactly; >= 0.
    warmup : int, float or str
        Steps of the warm-up, 0 <= warmup <= total, or a percentage of the total such as "5%".
    total : int or float
        Steps in all, the warm-up included; from there on the value is `floor`, exactly.
    floor, init : float
        Last and first value, in [0, peak].

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    References
    ----------
    Devlin et al. 2019, "BERT", arXiv:1810.04805, appendix A.2.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.warmup_linear(peak=1.0, warmup=2, total=6).values(7)
    array([0.  , 0.5 , 1.  , 0.75, 0.5 , 0.25, 0.  ])
    """
    return _warmup_decay("linear", peak, warmup, total, floor, init)


def warmup_constant(peak: Number, warmup: Number, init: Number = 0.0) -> Schedule:
    """Linear warm-up, then the peak for ever; open-ended.

    ``init + (peak - init) t / warmup`` for t < warmup, then ``peak``

    Parameters
    ----------
    peak : float
        Value from step `warmup` on; >= 0.
    warmup : int or float
        Steps of the warm-up, >= 0.
    init : float
        First value, in [0, peak].

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.warmup_constant(peak=1.0, warmup=2).values(4)
    array([0. , 0.5, 1. , 1. ])
    """
    top = at_least("peak", peak, 0.0)
    first = _below("init", init, top, peak)
    ramp = duration("warmup", warmup, zero=True)
    return from_rows(*_warmup(first, top, ramp), flat(top, ramp, "constant"), length=None)


def wsd(
    peak: Number,
    warmup: Number,
    stable: Number | None,
    decay: Number,
    floor: Number = 0.0,
    init: Number = 0.0,
    decay_shape: str = "linear",
) -> Schedule:
    """Warm-up, stable, decay: linear up, the peak, then down to the floor.

    ``floor + (peak - floor) f(u)`` in the decay, u from 0 to 1: f = 1 - u | (1 + cos(pi u)) / 2 | 1 - sqrt(u)

    Parameters
    ----------
    peak : float
        Value of the stable phase, and of the decay's first step; >= 0.
    warmup : int or float
        Steps of the warm-up, >= 0.
    stable : int, float or None
        Steps of the stable phase, >= 0; None or inf: for ever, the decay never starts.
    decay : int or float
        Steps of the decay, > 0.
    floor, init : float
        Last and first value, in [0, peak].
    decay_shape : str
        "linear", "cosine" or "1-sqrt" (also "sqrt"). The last falls fastest at its start.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers, out of range, or an unknown shape.

    References
    ----------
    Hu et al. 2024, "MiniCPM", arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392 (1-sqrt).

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.wsd(peak=1.0, warmup=2, stable=2, decay=4).values(9)
    array([0.  , 0.5 , 1.  , 1.  , 1.  , 0.75, 0.5 , 0.25, 0.  ])
    """
    top, low, first = _levels(peak, floor, init)
    ramp, fall = duration("warmup", warmup, zero=True), duration("decay", decay)
    shape, power = DECAYS[one_of("decay_shape", decay_shape, DECAYS)]
    rows = _warmup(first, top, ramp)
    if stable is None or (isinstance(stable, float | np.floating) and stable == math.inf):
        return from_rows(*rows, flat(top, ramp, "stable"), length=None)
    begin = plus(ramp, duration("stable", stable, zero=True))
    end = plus(begin, fall)
    if end == begin:
        raise ValueError(f"decay must be more than a rounding of warmup + stable ({begin}), got {decay!r}")
    if begin > ramp:
        rows.append(flat(top, ramp, "stable"))
    return from_rows(*rows, two_ended(shape, top, low, begin, end, power, label="decay"), length=end)


def cosine_restarts(
    peak: Number,
    period: Number,
    mult: Number = 1.0,
    floor: Number = 0.0,
    warmup: Number = 0,
    init: Number | None = None,
) -> Schedule:
    """Half cosines from the peak, restarted for ever (SGDR); open-ended.

    ``floor + (peak - floor) (1 + cos(pi t_i / L_i)) / 2`` in cycle i, of L_i = int(period mult^i) steps

    The boundaries come from an exact table of integers (mult^i is rounded to float64 once, the product once, then cut off); equal
    cycles need one row. Within a cycle the floor is approached and not reached: the next step is the restart.

    Parameters
    ----------
    peak : float
        Value at every restart; >= 0.
    period : int or float
        Steps of the first cycle, >= 1.
    mult : float
        Growth from cycle to cycle: 1, or at least 1.01.
    floor : float
        Lower end of every cycle, in [0, peak].
    warmup : int or float
        Steps of a linear warm-up before the first cycle, >= 0.
    init : float, optional
        First value of the warm-up, in [0, peak]; the floor by default.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.cosine_restarts(peak=1.0, period=10, mult=2)([0, 9, 10, 30, 70])
    array([1.        , 0.02447174, 1.        , 1.        , 1.        ])
    """
    top = at_least("peak", peak, 0.0)
    low = _below("floor", floor, top, peak)
    first = low if init is None else _below("init", init, top, peak)
    steps, growth = period_and_growth(period, mult)
    ramp = duration("warmup", warmup, zero=True)
    rows = _warmup(first, top, ramp)
    if growth == 1.0:
        length = int(steps)
        cycle = from_rows(two_ended("cosine", top, low, 0, length, label="cycle"), length=length)
        return from_rows(*rows, repeated(cycle, length, ramp, "cycles"), length=None)
    begin: Boundary = ramp
    done = 0
    for index, power in enumerate(_powers(growth)):
        product = float(steps) * power
        done += int(min(product, FARTHEST))
        end = plus(ramp, done)
        rows.append(two_ended("cosine", top, low, begin, end, label=f"cycle {index + 1}"))
        begin = end
        if begin > LARGEST_STEP:
            break
    return from_rows(*rows, length=None)


def period_and_growth(period: object, mult: object, name: str = "period", growth_name: str = "mult") -> tuple[Boundary, float]:
    """Steps of the first cycle, and the growth from one to the next."""
    steps, growth = duration(name, period), positive(growth_name, mult)
    if steps < 1:
        raise ValueError(f"{name} must be >= 1, got {period!r}")
    if growth != 1.0 and growth < LEAST_GROWTH:
        raise ValueError(f"{growth_name} must be 1 or >= {LEAST_GROWTH}, got {mult!r}")
    return steps, growth


def _powers(base: float) -> Iterator[float]:
    """base^0, base^1, ..., each correctly rounded.

    Kept as an interval of 320-bit integers; where both of its ends do not round to one float64, the exact power decides.
    """
    numerator, denominator = base.as_integer_ratio()
    low, width, exponent = 1, 0, 0
    index = 0
    while True:
        power = float(low)
        if power != float(low + width):
            from fractions import Fraction

            exact = Fraction(base) ** index
            yield exact.numerator / exact.denominator
        else:
            yield math.ldexp(power, exponent)
        low, width = low * numerator, width * numerator
        exponent -= denominator.bit_length() - 1
        spare = low.bit_length() - 320
        if spare > 0:
            inexact = low & ((1 << spare) - 1) or width
            low, width = low >> spare, (width >> spare) + (2 if inexact else 0)
            exponent += spare
        index += 1


def cosine_plateau(
    peak: Number,
    total: Number,
    warmup: Duration = 0,
    plateaus: Iterable[tuple[Number, Number]] = (),
    floor_ratio: Number = 0.0,
) -> Schedule:
    """Linear warm-up, then a cosine that pauses on plateaus.

    The steps after the warm-up, N = total - warmup, are a half cosine from the peak to ``peak * floor_ratio`` with the plateaus cut
    out: a plateau's value is that cosine at its own beginning. Between plateaus each stretch is a half cosine of its own, flat at
    both ends. A plateau (p, d) covers ``int(N * p / 100)`` and the ``int(N * d / 100)`` steps from there.

    Parameters
    ----------
    peak : float
        Value after the warm-up; >= 0.
    total : int or float
        Steps in all, the warm-up included.
    warmup : int, float or str
        Steps of the linear warm-up from 0, 0 <= warmup <= total, or a percentage of the total such as "5%".
    plateaus : sequence of (position, duration)
        In percent of N, in any order; they may touch but not overlap or run past the end. If they leave no time, the peak holds.
    floor_ratio : float
        Last value as a fraction of the peak, in [0, 1].

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range, and for plateaus that overlap.

    References
    ----------
    The "Cosine Plateau" scheduler 0.2.0 (its code, in which each stretch is its own half cosine).

    Examples
    --------
    >>> import lrkernel as lrk
    >>> schedule = lrk.cosine_plateau(peak=1e-3, total=10_000, warmup=1000, plateaus=[(50, 30), (85, 10)], floor_ratio=0.1)
    >>> [(phase.start, phase.stop) for phase in schedule.phases() if phase.name == "plateau"]
    [(5500, 8200), (8650, 9550)]
    """
    top = at_least("peak", peak, 0.0)
    ratio = at_least("floor_ratio", floor_ratio, 0.0)
    if ratio > 1.0:
        raise ValueError(f"floor_ratio must be <= 1, got {floor_ratio!r}")
    ramp, end = ramp_and_end(warmup, total)
    return paused_cosine(top, end, ramp, plateau_spans("plateaus", plateaus, normal(end - ramp)), ratio)


def paused_cosine(top: float, end: Boundary, ramp: Boundary, spans: list[tuple[int, int]], ratio: float) -> Schedule:
    """``cosine_plateau`` of checked values."""
    floor = top * ratio
    steps = normal(end - ramp)
    rows = _warmup(0.0, top, ramp)
    if steps == 0:
        return _floored(rows, end, floor)
    active = normal(steps - sum(length for _, length in spans))
    if active <= 0:
        return from_rows(*rows, flat(top, ramp, "plateau"), length=end)

    curve = Schedule((two_ended("cosine", top, floor, 0, active),))
    level, begin, paused = top, ramp, 0
    for start, length in spans:
        value = curve(start - paused)
        stop = plus(ramp, start)
        if stop > begin:
            rows.append(two_ended("cosine", level, value, begin, stop, label="cosine"))
        begin = plus(stop, length)
        if length:
            rows.append(flat(value, stop, "plateau"))
        level, paused = value, paused + length
    if begin < end:
        rows.append(two_ended("cosine", level, floor, begin, end, label="cosine"))
    return from_rows(*rows, length=end)


def _percent(name: str, percent: Any, steps: Boundary) -> int:
    """Percent of the steps as the source counts them: the product first, then the quotient, then cut off."""
    number = real(name, percent)
    if not 0.0 <= number <= 100.0:
        raise ValueError(f"{name} must be in [0, 100] percent, got {percent!r}")
    return int(steps * normal(number) / 100)


def plateau_spans(name: str, plateaus: object, steps: Boundary) -> list[tuple[int, int]]:
    """First step and length of every plateau, sorted."""
    if isinstance(plateaus, str | bytes) or not isinstance(plateaus, Iterable):
        raise TypeError(f"{name} must be a sequence of (position, duration), got {shown(plateaus)}")
    spans: list[tuple[int, int]] = []
    for pair in plateaus:
        if isinstance(pair, str | bytes) or not isinstance(pair, Iterable) or len(both := tuple(pair)) != 2:
            raise TypeError(f"{name} must be pairs (position, duration), got {shown(pair)}")
        spans.append((_percent(f"{name} position", both[0], steps), _percent(f"{name} duration", both[1], steps)))
    spans.sort(key=lambda span: span[0])
    for (start, length), (following, _) in pairwise(spans):
        if following < start + length:
            raise ValueError(f"{name} must not overlap, got steps {start} to {start + length} and one from {following}")
    if spans and spans[-1][0] + spans[-1][1] > steps:
        raise ValueError(f"{name} must end by {steps} steps after the warm-up, got {spans[-1][0] + spans[-1][1]}")
    return spans


__all__ = ["cosine_plateau", "cosine_restarts", "warmup_constant", "warmup_cosine", "warmup_linear", "wsd"]
