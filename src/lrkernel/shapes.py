"""shapes - one constructor per shape: the segments that every schedule is made of."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ._arguments import Boundary, Number, boundary, duration, items, plus, positive, real, shown
from .schedule import CONSTANT, ID, Fields, Row, Schedule, from_rows, frozen

MOST_CYCLES = 2.0**48


def two_ended(
    shape: str, start: float, stop: float, begin: Boundary, end: Boundary, param: float = 0.0, label: str | None = None
) -> Fields:
    """The row of a shape that runs from one value to another; checked by the callers."""
    return ID[shape], begin, end, start, stop, param, 0.0, (), label


def flat(value: float, begin: Boundary, label: str | None = None) -> Fields:
    """The row of a constant."""
    return CONSTANT, begin, None, value, value, 0.0, 0.0, (), label


def _single(shape: str, start: object, stop: object, steps: object, param: float = 0.0) -> Schedule:
    first, last, length = real("start", start), real("stop", stop), duration("steps", steps)
    return from_rows(two_ended(shape, first, last, 0, length, param), length=length)


def constant(value: Number, steps: Number | None = None) -> Schedule:
    """One value.

    ``value``

    Parameters
    ----------
    value : float
        Any finite number.
    steps : int or float, optional
        Duration in steps, > 0. Open-ended by default.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.constant(0.1)(10**18)
    0.1
    """
    level = real("value", value)
    return from_rows(flat(level, 0), length=None if steps is None else duration("steps", steps))


def linear(start: Number, stop: Number, steps: Number) -> Schedule:
    """A straight line from `start` to `stop`.

    ``start + (stop - start) u``, u = t / steps

    Parameters
    ----------
    start, stop : float
        Values at the first step and from step `steps` on; any finite numbers.
    steps : int or float
        Duration in steps, 0 < steps < 2^53.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.linear(0.0, 1.0, 4).values(5)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return _single("linear", start, stop, steps)


def cosine(start: Number, stop: Number, steps: Number, cycles: Number = 0.5) -> Schedule:
    """A cosine from `start` to `stop`, half a wave by default.

    ``stop + (start - stop) (1 + cos(2 pi cycles u)) / 2``, u = t / steps

    Parameters
    ----------
    start, stop : float
        The two ends of the wave; any finite numbers. With whole `cycles` the curve comes back to `start`.
    steps : int or float
        Duration in steps, 0 < steps < 2^53.
    cycles : float
        Number of waves, > 0 and < 2^48; it ends at the formula's value at u = 1.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    References
    ----------
    Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983, equation 5.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.cosine(1.0, 0.0, 4).values(5)
    array([1.        , 0.85355339, 0.5       , 0.14644661, 0.        ])
    """
    waves = positive("cycles", cycles)
    if waves >= MOST_CYCLES:
        raise ValueError(f"cycles must be < 2^48, got {cycles!r}")
    crosses_zero = min(real("start", start), real("stop", stop)) < 0.0 < max(start, stop)
    if waves == 0.5 and not crosses_zero:  # across zero the squared sine of a block would cost more than its bound
        return _single("cosine", start, stop, steps)
    return _single("cosine_cycles", start, stop, steps, waves)


def polynomial(start: Number, stop: Number, steps: Number, power: Number) -> Schedule:
    """A power of the time that is left.

    ``stop + (start - stop) (1 - u)^power``, u = t / steps

    Parameters
    ----------
    start, stop : float
        Values at the first step and from step `steps` on; any finite numbers.
    steps : int or float
        Duration in steps, 0 < steps < 2^53.
    power : float
        Exponent, > 0. 1 is ``linear``.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.polynomial(1.0, 0.0, 4, power=2).values(5)
    array([1.    , 0.5625, 0.25  , 0.0625, 0.    ])
    """
    return _power("polynomial", start, stop, steps, power)


def power_ramp(start: Number, stop: Number, steps: Number, power: Number) -> Schedule:
    """A power of the time that has passed.

    ``start + (stop - start) u^power``, u = t / steps

    Power 2 from 0 is the quadratic warm-up; power 1/2 from a peak to 0 is the "1-sqrt" cooldown.

    Parameters
    ----------
    start, stop : float
        Values at the first step and from step `steps` on; any finite numbers.
    steps : int or float
        Duration in steps, 0 < steps < 2^53.
    power : float
        Exponent, > 0. 1 is ``linear``.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    References
    ----------
    Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", arXiv:2405.18392 (1-sqrt).

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.power_ramp(1.0, 0.0, 4, power=0.5).values(5)
    array([1.        , 0.5       , 0.29289322, 0.1339746 , 0.        ])
    """
    return _power("power_ramp", start, stop, steps, power)


def _power(shape: str, start: Number, stop: Number, steps: Number, power: Number) -> Schedule:
    exponent = positive("power", power)
    if exponent == 1.0:
        return _single("linear", start, stop, steps)
    return _single(shape, start, stop, steps, exponent)


def geometric(start: Number, stop: Number, steps: Number) -> Schedule:
    """Equal ratios from `start` to `stop`, as ``numpy.geomspace``.

    ``start (stop / start)^u``, u = t / steps

    Parameters
    ----------
    start, stop : float
        Values at the first step and from step `steps` on; both > 0 or both < 0.
    steps : int or float
        Duration in steps, 0 < steps < 2^53.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.geometric(1e-3, 1.0, 3).values(4)
    array([0.001, 0.01 , 0.1  , 1.   ])
    """
    first, last = real("start", start), real("stop", stop)
    if not (first > 0.0 < last or first < 0.0 > last):
        raise ValueError(f"start and stop must be both > 0 or both < 0, got start={start!r}, stop={stop!r}")
    length = duration("steps", steps)
    return from_rows(two_ended("geometric", first, last, 0, length), length=length)


def exponential(start: Number, gamma: Number, every: Number = 1) -> Schedule:
    """Exponential decay (gamma < 1) or growth, open-ended.

    ``start gamma^(t / every)``

    Parameters
    ----------
    start : float
        Value at the first step; any finite number.
    gamma : float
        Factor per `every` steps, > 0.
    every : int or float
        Steps, > 0.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.exponential(1.0, gamma=0.5, every=2)([0, 2, 4])
    array([1.  , 0.5 , 0.25])
    """
    row = Row(ID["exponential"], 0, None, real("start", start), 0.0, positive("gamma", gamma), float(duration("every", every)))
    return from_rows(row, length=None)


def step(start: Number, step_size: Number, gamma: Number) -> Schedule:
    """A staircase: times `gamma` every `step_size` steps, open-ended.

    ``start gamma^floor(t / step_size)``

    Parameters
    ----------
    start : float
        Value of the first stair; any finite number.
    step_size : int or float
        Steps per stair, > 0.
    gamma : float
        Factor per stair, > 0.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.step(1.0, step_size=30, gamma=0.1)([0, 29, 30, 60])
    array([1.  , 1.  , 0.1 , 0.01])
    """
    row = Row(ID["step"], 0, None, real("start", start), 0.0, positive("gamma", gamma), float(duration("step_size", step_size)))
    return from_rows(row, length=None)


def multistep(start: Number, milestones: Iterable[Number], gamma: Number) -> Schedule:
    """Times `gamma` at every milestone, open-ended.

    ``start gamma^(number of milestones <= t)``

    Parameters
    ----------
    start : float
        Value before the first milestone; any finite number.
    milestones : sequence of real numbers
        Steps >= 0 in any order; one that occurs twice counts twice.
    gamma : float
        Factor per milestone, > 0.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.multistep(1.0, [30, 60], gamma=0.1)([29, 30, 60])
    array([1.  , 0.1 , 0.01])
    """
    times = sorted(boundary("milestones", time) for time in items("milestones", milestones))
    drops = step(start, 1, gamma)(range(len(times) + 1))
    return piecewise_constant(drops, times)


def inverse_sqrt(start: Number, timescale: Number) -> Schedule:
    """Decay with the inverse square root of the time, open-ended.

    ``start sqrt(timescale / (t + timescale))``

    After a warm-up of w steps to `start`, ``inverse_sqrt(start, w)`` is the schedule of the Transformer.

    Parameters
    ----------
    start : float
        Value at the first step; any finite number.
    timescale : int or float
        Steps, > 0.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers or out of range.

    References
    ----------
    Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 5.3.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.inverse_sqrt(1.0, timescale=100)([0, 300])
    array([1. , 0.5])
    """
    row = Row(ID["inverse_sqrt"], 0, None, real("start", start), 0.0, float(duration("timescale", timescale)))
    return from_rows(row, length=None)


def piecewise_constant(values: Iterable[Number], boundaries: Iterable[Number]) -> Schedule:
    """One value up to each boundary, the last one for ever.

    ``values[number of boundaries <= t]``

    Parameters
    ----------
    values : sequence of float
        One more than boundaries.
    boundaries : sequence of real numbers
        Steps >= 0, not decreasing.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers, out of range or of the wrong number.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.piecewise_constant([1.0, 0.5, 0.1], [10, 20])([9, 10, 20])
    array([1. , 0.5, 0.1])
    """
    levels = [real("values", value) for value in items("values", values)]
    times = [boundary("boundaries", time) for time in items("boundaries", boundaries)]
    if len(levels) != len(times) + 1:
        raise ValueError(f"values must be one more than boundaries ({len(times)}), got {len(levels)}")
    rows: list[Fields] = []
    begin: Boundary = 0
    for level, stop in zip(levels, [*times, None], strict=True):
        if stop is not None and stop < begin:
            raise ValueError(f"boundaries must not decrease, got {begin!r} before {stop!r}")
        if stop is None or stop > begin:
            rows.append(flat(level, begin))
        begin = begin if stop is None else stop
    return from_rows(*rows, length=None)


def piecewise_linear(steps: Iterable[Number], values: Iterable[Number]) -> Schedule:
    """Straight lines through knots.

    ``values[0]`` before the first knot, the last value from the last one on.

    Parameters
    ----------
    steps : sequence of real numbers
        Where the knots are: >= 0, strictly increasing, the last one > 0.
    values : sequence of float
        One per knot.

    Raises
    ------
    ValueError, TypeError
        For arguments that are no finite numbers, out of range or of the wrong number.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.piecewise_linear([0, 2, 4], [0.0, 1.0, 0.0]).values(5)
    array([0. , 0.5, 1. , 0.5, 0. ])
    """
    times = [boundary("steps", time) for time in items("steps", steps)]
    levels = [real("values", value) for value in items("values", values)]
    if not times:
        raise ValueError("steps must not be empty, got []")
    if len(levels) != len(times):
        raise ValueError(f"values must be as many as steps ({len(times)}), got {len(levels)}")
    for low, high in pairwise(times):
        if high <= low:
            raise ValueError(f"steps must increase strictly, got {low!r} before {high!r}")
    if times[-1] == 0:
        raise ValueError(f"steps must end after 0, got {times[-1]!r}")
    rows = [flat(levels[0], 0)] if times[0] > 0 else []
    for k in range(len(times) - 1):
        rows.append(two_ended("linear", levels[k], levels[k + 1], times[k], times[k + 1]))
    return from_rows(*rows, length=times[-1])


def from_values(array: npt.ArrayLike) -> Schedule:
    """One value per step, then hold the last.

    ``array[min(t, n - 1)]``

    Parameters
    ----------
    array : array_like of shape (n,)
        Finite real numbers, n >= 1; copied.

    Raises
    ------
    ValueError, TypeError
        For an array that is empty, not one-dimensional, not real or not finite.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.from_values([0.3, 0.2, 0.1])([0, 1, 2, 3])
    array([0.3, 0.2, 0.1, 0.1])
    """
    try:
        given = np.asarray(array)
    except ValueError:
        raise TypeError(f"array must be one-dimensional, got {shown(array)}") from None
    if given.dtype.kind not in "iuf":
        if given.dtype.kind == "O" and given.ndim == 1:
            given = np.asarray([real("array", value) for value in given.tolist()])
        else:
            raise TypeError(f"array must hold real numbers, got {shown(array)}")
    if given.ndim != 1:
        raise ValueError(f"array must have shape (n,), got {given.shape}")
    if given.size == 0:
        raise ValueError("array must not be empty, got []")
    values: npt.NDArray[Any] = frozen(given)
    if not np.isfinite(values).all():
        raise ValueError(f"array must be finite, got {values[~np.isfinite(values)][0]}")
    row = Row(ID["values"], 0, plus(0, given.size), 0.0, every=1.0, children=(values,))
    return from_rows(row, length=given.size)


__all__ = [
    "constant",
    "cosine",
    "exponential",
    "from_values",
    "geometric",
    "inverse_sqrt",
    "linear",
    "multistep",
    "piecewise_constant",
    "piecewise_linear",
    "polynomial",
    "power_ramp",
    "step",
]
