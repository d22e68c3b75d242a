"""schedule - an immutable, hashable, compiled function of the step, and the algebra that builds one from others.

Everything here works on rows, the tuples that `Table` lowers to compiled segments; nothing here loops over steps.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt

from ._arguments import (
    LARGEST_STEP,
    LONGEST,
    Boundary,
    Number,
    boundary,
    duration,
    items,
    normal,
    plus,
    real,
    shown,
    steps_array,
    threads_of,
    whole,
)
from ._core import SEGMENT_BYTES, SHAPES, inherit_calls
from .buffers import DLPack, array_of
from .sums import Sums

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Buffer

MOST_VALUES = 2**59  # NumPy's own limit is 2^63 bytes
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
STEPS = (np.dtype(np.int64), np.dtype(np.int32))  # read as they are

ID = {shape.name: shape.id for shape in SHAPES}
NAME = {shape.id: shape.name for shape in SHAPES}
KIND = {shape.id: shape.kind for shape in SHAPES}
HOLD = ID["hold"]
CONSTANT = ID["constant"]
CUSTOM = ID["custom"]
SPANNING = {"called", "lane", "table", "series"}  # kinds whose formula is one of u, or open-ended
POINTWISE = {ID[name] for name in ("scale", "divide", "offset", "clip")}

# lrk_segment of lrkernel.h, field by field.
SEGMENT = np.dtype(
    [
        ("begin", "i8"),
        ("begin_part", "f8"),
        ("end", "u8"),
        ("end_part", "f8"),
        ("start", "f8"),
        ("stop", "f8"),
        ("param", "f8"),
        ("every", "f8"),
        ("child", "i8", 2),
        ("count", "i8", 2),
        ("shape", "i4"),
        ("falling", "i4"),
        ("first", "i8"),
        ("lead", "f8"),
        ("span", "f8"),
        ("base", "f8"),
        ("gap", "f8"),
        ("low", "f8"),
        ("high", "f8"),
        ("k", "f8", 8),
    ]
)
if SEGMENT.itemsize != SEGMENT_BYTES:
    raise ImportError(f"lrk_segment has {SEGMENT_BYTES} bytes, its NumPy dtype {SEGMENT.itemsize}: rebuild lrkernel")


class Row(NamedTuple):
    """One row of a table. Times are int or float, counted from the table's step 0."""

    shape: int
    begin: Boundary
    end: Boundary | None  # where the formula ends; None where it never does
    start: float | None  # None: the hold of the limit from the left
    stop: float = 0.0
    param: float = 0.0
    every: float = 0.0
    children: tuple[Any, ...] = ()
    label: str | None = None


Fields = tuple[Any, ...]  # of a row, in their order; what is made in numbers stays so, since a Row takes 0.4 microseconds more


class Phase(NamedTuple):
    """A labelled part of a schedule: steps from `start` to before `stop` (None: for ever), values at its first and last step."""

    name: str
    start: Boundary
    stop: Boundary | None
    first: float
    last: float


# What a shape's row says beside its times: key of the canonical form -> field of the row. The keys of a primitive are its Python
# parameters, those of a node are its operator's.
FIELDS: dict[str, dict[str, str]] = {
    "constant": {"value": "start"},
    "hold": {"value": "start"},
    "linear": {"start": "start", "stop": "stop"},
    "cosine": {"start": "start", "stop": "stop"},
    "cosine_cycles": {"start": "start", "stop": "stop", "cycles": "param"},
    "polynomial": {"start": "start", "stop": "stop", "power": "param"},
    "power_ramp": {"start": "start", "stop": "stop", "power": "param"},
    "geometric": {"start": "start", "stop": "stop"},
    "exponential": {"start": "start", "gamma": "param", "every": "every"},
    "inverse_sqrt": {"start": "start", "timescale": "param"},
    "step": {"start": "start", "step_size": "every", "gamma": "param"},
    "values": {"every": "every"},
    "scale": {"k": "stop"},
    "divide": {"k": "stop"},
    "offset": {"c": "stop"},
    "clip": {"lo": "start", "hi": "stop"},
    "product": {},
    "repeat": {"times": "param"},
    "epoch": {"steps_per_epoch": "every"},
    "skip": {"n": "every"},
    "custom": {"start": "start", "stop": "stop"},  # and the name
}
TIMES = {"every", "step_size", "timescale", "steps_per_epoch", "times", "n"}  # written as integers where whole


class Schedule(Sums):
    """A learning-rate schedule: a function of the integer step, compiled when it is built.

    Schedules are made by the functions of this package (``linear``, ``warmup_cosine``, ...) and combined by the methods below. They
    are immutable, hashable and compared by value; equality, hash and fingerprint ignore labels.

    Calling one with an integer gives a float; with an array of integers of any shape, a float64 array of that shape. Past the end
    the last value holds. Every way of asking (one step, arrays, ranges, threads, SIMD levels) gives the same bits.

    Raises
    ------
    ValueError
        For a step that is negative, at least 2^63, NaN or not whole.
    TypeError
        For a step that is no number, or a bool.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> schedule = lrk.warmup_cosine(peak=1e-3, warmup=1000, total=10_000, floor=1e-5)
    >>> schedule(1000)
    0.001
    >>> schedule([0, 500, 10_000])
    array([0.e+00, 5.e-04, 1.e-05])
    """

    __array_ufunc__ = None  # np.float64(2) * schedule is ours

    # ---- evaluation ----

    def _evaluate(self, step: object) -> Any:
        """The call for anything but a Python int in range."""
        steps = step if isinstance(step, np.ndarray) and step.dtype in STEPS else steps_array(step)
        if steps.ndim == 0:
            return self(int(steps))
        out = np.empty(steps.shape)
        flat = np.require(steps, None, ["C", "A"]).reshape(-1)
        if not self._gather(flat, out.reshape(-1), threads_of(None, out.size)):
            steps_array(step)  # says which step is negative
        return out

    def values(
        self,
        start: Number,
        stop: Number | None = None,
        stride: Number | None = None,
        *,
        dtype: npt.DTypeLike | None = None,
        out: "Buffer | DLPack | None" = None,
        threads: int | None = None,
    ) -> npt.NDArray[Any]:
        """The values of a range of steps: ``values(stop)``, ``values(start, stop)``, ``values(start, stop, stride)``, as ``range``.

        Parameters
        ----------
        start, stop, stride : int
            As for ``range``, negative strides included. The steps themselves must lie in 0 .. 2^63 - 1.
        dtype : float64 or float32, optional
            That of ``out``, else float64. A float32 value is the float64 one rounded once.
        out : array, buffer or DLPack tensor of shape (n,), optional
            Written in place and returned, as an array that shares its memory; may be strided. Plain bytes hold `dtype`.
        threads : int, optional
            At most this many, 1 to 1024, on ranges that share no step; one while another call has them. By default one for short
            ranges, else one per available core.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ValueError
            For a step outside 0 .. 2^63 - 1, a stride of 0, another dtype, or an ``out`` that is read-only or does not fit.
        TypeError
            For arguments that are no integers, or an ``out`` that has no memory to show.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(0.0, 1.0, 4).values(6)
        array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.  ])
        >>> lrk.linear(0.0, 1.0, 4).values(4, -1, -2)
        array([1. , 0.5, 0. ])
        """
        first, gap, count = range_of(start, stop, stride)
        buffer = buffer_of((count,), dtype, out)
        workers, target = threads_of(threads, count), plain(buffer)
        (self._fill_double if target.dtype == np.float64 else self._fill_single)(first, gap, target, workers)
        if target is not buffer:
            buffer[...] = target
        return buffer

    def fill(self, start: Number, out: "Buffer | DLPack", stride: Number = 1) -> None:
        """Write the values of the steps start, start + stride, ... to `out`; in compiled code (numba) under the same name.

        Parameters
        ----------
        start, stride : int
            The steps must lie in 0 .. 2^63 - 1; the stride is not 0.
        out : ndarray, buffer or DLPack tensor of shape (n,)
            As for ``values``.

        Raises
        ------
        ValueError, TypeError
            As for ``values``.

        Examples
        --------
        >>> import lrkernel as lrk, numpy as np
        >>> out = np.empty(3)
        >>> lrk.linear(0.0, 1.0, 4).fill(1, out)
        >>> out
        array([0.25, 0.5 , 0.75])
        """
        target = array_of(out, (0,), FLOATS[0])
        first, gap, count = whole("start", start), whole("stride", stride), target.size
        if count and not (0 <= first <= LARGEST_STEP and 0 <= first + gap * (count - 1) <= LARGEST_STEP):
            raise ValueError(f"start must keep every step >= 0 and < 2^63, got {shown(start)}")
        self.values(first, first + gap * count, gap, out=target)

    def blocks(
        self,
        start: Number,
        stop: Number,
        size: Number,
        *,
        dtype: npt.DTypeLike | None = None,
        out: "Buffer | DLPack | None" = None,
        threads: int | None = None,
    ) -> Iterator[npt.NDArray[Any]]:
        """The values of the steps from `start` to before `stop`, `size` at a time, for more of them than memory holds.

        Parameters
        ----------
        start, stop : int
            0 <= start, stop <= 2^63; no blocks where stop <= start.
        size : int
            Steps per block, at least 1; the last block has what is left.
        dtype, threads
            As for ``values``.
        out : array, buffer or DLPack tensor of shape (size,), optional
            Each block is then written to the front of it, over the one before. By default each block is an array of its own.

        Returns
        -------
        iterator of ndarrays

        Raises
        ------
        ValueError, TypeError
            As for ``values``, when called and not at the first block; for a `size` below 1.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> for block in lrk.linear(0.0, 1.0, 4).blocks(0, 5, 2):
        ...     print(block)
        [0.   0.25]
        [0.5  0.75]
        [1.]
        """
        return blocks_of(self.values, start, stop, size, (), dtype, out, threads)

    # ---- composition ----

    def then(self, other: "Schedule") -> "Schedule":
        """This schedule, then `other` on its own clock from where this one ends: ``sequence(self, other)``.

        Raises
        ------
        ValueError
            If this schedule is open-ended.
        TypeError
            If `other` is no schedule.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(0.0, 1.0, 10).then(lrk.cosine(1.0, 0.0, 90)).length
        100
        """
        if not isinstance(other, Schedule):
            raise TypeError(f"other must be a schedule, got {shown(other)}")
        return sequence(self, other)

    def cut(self, step: Number) -> "Schedule":
        """The first `step` steps, then the limit from the left; past the end it pads with the value that holds there.

        Parameters
        ----------
        step : int or float
            Where to cut, 0 < step < 2^63; the new length.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(1.0, 0.0, 100).cut(50)(1000)
        0.5
        """
        at = boundary("step", step)
        if at == 0:
            raise ValueError(f"step must be > 0, got {step!r}")
        return Schedule(_without_gone([*_placed(self, 0, at), _hold(at)]))

    def skip(self, n: Number) -> "Schedule":
        """The curve from step `n` on: ``t -> self(t + n)``, what ``cut(n)`` leaves.

        Past step 2^63 - 1 of this schedule its last value holds. A skip of a skip is one.

        Parameters
        ----------
        n : int
            Steps, 0 <= n < 2^53, and less than the length.

        Raises
        ------
        ValueError, TypeError
            For another `n`.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> curve = lrk.linear(1.0, 0.0, 10)
        >>> curve.skip(8).values(4)
        array([0.2, 0.1, 0. , 0. ])
        >>> pause = lrk.constant(curve(4), 3)
        >>> lrk.sequence(curve, pause, curve.skip(4), at=[4, 7])([3, 4, 6, 7, 8])
        array([0.7, 0.6, 0.6, 0.6, 0.5])
        """
        steps = whole("n", n, 0)
        if steps >= LONGEST:
            raise ValueError(f"n must be < 2^53, got {shown(n)}")
        if self.length is not None and steps >= self.length:
            raise ValueError(f"n must be < the length ({self.length}), got {n!r}")
        if steps == 0:
            return self
        row = Row(*self.rows[0])
        if row.shape == ID["skip"] and row.every.is_integer() and row.every + steps < LONGEST:
            child, done = cast("Schedule", row.children[0]), int(row.every)
            if self == child.skip(done):
                made = child.skip(done + steps)
                return made if row.label is None else made.named(row.label)
        return self._node("skip", None if self.length is None else normal(self.length - steps), every=float(steps))

    def shift(self, n: Number) -> "Schedule":
        """Delay by `n` steps, during which the first value holds.

        Parameters
        ----------
        n : int or float
            Steps, 0 <= n < 2^53.

        Raises
        ------
        ValueError, TypeError
            For another `n`.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(1.0, 0.0, 10).shift(5)([0, 5, 6])
        array([1. , 1. , 0.9])
        """
        delay = duration("n", n, zero=True)
        if delay == 0:
            return self
        first = self(0) + 0.0
        return sequence(Schedule((Row(CONSTANT, 0, None, first, first), _hold(delay))), self)

    def stretch(self, new_total: Number) -> "Schedule":
        """The same curve over another length: every duration times ``new_total / length``, staircases and milestones too.

        Parameters
        ----------
        new_total : int or float
            The new length in steps, 0 < new_total < 2^53.

        Raises
        ------
        ValueError
            If the schedule is open-ended or `new_total` is not in (0, 2^53).

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.warmup_linear(1.0, 10, 100).stretch(1000) == lrk.warmup_linear(1.0, 100, 1000)
        True
        """
        total = duration("new_total", new_total)
        length = self._finite("stretch")
        try:
            return _stretched(self, total, length)
        except ValueError as error:
            raise ValueError(f"new_total must keep every duration above 0, got {new_total!r}: {error}") from None

    def repeat(self, times: Number | None = None) -> "Schedule":
        """The schedule over and over: ``t -> self(t mod length)``.

        Parameters
        ----------
        times : int, optional
            At least 1; by default for ever.

        Raises
        ------
        ValueError, TypeError
            If the schedule is open-ended, or for another `times`.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(1.0, 0.0, 4).repeat().values(6)
        array([1.  , 0.75, 0.5 , 0.25, 1.  , 0.75])
        """
        period = self._finite("repeat")
        count = None if times is None else whole("times", times, 1)
        if period >= LONGEST:
            raise ValueError(f"length must be < 2^53 to repeat, got {period}")
        if count == 1:
            return self
        if count is None:
            return Schedule((repeated(self, period),))
        total = normal(count * period)
        if total > LARGEST_STEP:
            raise ValueError(f"times must keep the length below 2^63, got {shown(times)}")
        return Schedule((repeated(self, period)._replace(end=total, param=float(count)), _hold(total)))

    def by_epoch(self, steps_per_epoch: Number) -> "Schedule":
        """The schedule of epochs read in steps: ``t -> self(t // steps_per_epoch)``.

        An epoch that has begun counts whole: the new length is ``ceil(length) * steps_per_epoch``.

        Parameters
        ----------
        steps_per_epoch : int or float
            Steps, 1 <= steps_per_epoch < 2^53.

        Raises
        ------
        ValueError, TypeError
            For another `steps_per_epoch`.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.step(1.0, 1, 0.5).by_epoch(2).values(6)
        array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
        """
        every = duration("steps_per_epoch", steps_per_epoch)
        if every < 1:
            raise ValueError(f"steps_per_epoch must be >= 1, got {steps_per_epoch!r}")
        length = None if self.length is None else normal(math.ceil(self.length) * every)
        if length is not None and length > LARGEST_STEP:
            raise ValueError(f"steps_per_epoch must keep the length below 2^63, got {steps_per_epoch!r}")
        return self._node("epoch", length, every=float(every))

    def clip(self, lo: Number | None = None, hi: Number | None = None) -> "Schedule":
        """The values clamped: ``min(max(self(t), lo), hi)``.

        Parameters
        ----------
        lo, hi : float, optional
            Finite, lo <= hi; None leaves a side open, but not both.

        Raises
        ------
        ValueError, TypeError
            For other bounds.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(0.0, 1.0, 4).clip(lo=0.3, hi=0.6).values(5)
        array([0.3, 0.3, 0.5, 0.6, 0.6])
        """
        low = -math.inf if lo is None else real("lo", lo)
        high = math.inf if hi is None else real("hi", hi)
        if lo is None and hi is None:
            raise ValueError("clip needs lo or hi, got neither")
        if low > high:
            raise ValueError(f"lo must be <= hi, got {lo!r} > {hi!r}")
        return self._node("clip", self.length, start=low, stop=high)

    def named(self, label: str) -> "Schedule":
        """The same schedule with its parts labelled for ``phases()``; equality and fingerprint ignore labels.

        Parameters
        ----------
        label : str
            Not empty, without NUL.

        Raises
        ------
        ValueError, TypeError
            For another label.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.linear(0.0, 1.0, 10).named("warmup").phases()[0].name
        'warmup'
        """
        check_label("label", label)
        return Schedule(tuple(Row(*row)._replace(label=label) for row in self.rows))

    # ---- algebra ----

    def __mul__(self, other: object) -> "Schedule":
        if isinstance(other, Schedule):
            length = None if self.length is None or other.length is None else max(self.length, other.length)
            return self._node("product", length, other)
        return self._by_number("scale", "k", other, 1.0)

    def __rmul__(self, other: object) -> "Schedule":
        return self._by_number("scale", "k", other, 1.0)

    def __truediv__(self, other: object) -> "Schedule":
        if isinstance(other, Real) and other == 0:
            raise ValueError(f"k must not be 0, got {other!r}")
        return self._by_number("divide", "k", other, 1.0)

    def __add__(self, other: object) -> "Schedule":
        return self._by_number("offset", "c", other, 0.0)

    __radd__ = __add__

    def __sub__(self, other: object) -> "Schedule":
        return self._by_number("offset", "c", other, 0.0, sign=-1.0)

    def __rsub__(self, other: object) -> "Schedule":
        return (-self)._by_number("offset", "c", other, 0.0)

    def __neg__(self) -> "Schedule":
        return self._by_number("scale", "k", -1.0, 1.0)

    def __pos__(self) -> "Schedule":
        return self

    def _by_number(self, node: str, name: str, other: object, neutral: float, sign: float = 1.0) -> "Schedule":
        if not isinstance(other, Real | bool | np.bool_ | str | bytes | None | complex):
            return cast("Schedule", NotImplemented)
        value = sign * real(name, other)
        return self if value == neutral else self._node(node, self.length, stop=value)

    def _node(self, node: str, length: Boundary | None, *others: "Schedule", **fields: Any) -> "Schedule":
        """A row that refers to this schedule and `others`; `length` is its own."""
        row = Row(ID[node], 0, length, fields.pop("start", 0.0), children=(self, *others), **fields)
        return Schedule((row,) if length is None else (row, _hold(length, jump(row))))

    # ---- queries ----

    @cached_property
    def end(self) -> int | None:
        """First integer step from which the value no longer changes, from the table; None where there is none.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.warmup_cosine(1.0, 10, 100).end, lrk.constant(1.0).end, lrk.exponential(1.0, 0.9).end
        (100, 0, None)
        """
        last = Row(*self.rows[-1])
        settled = _settled(last)
        if settled is None:
            return None
        step, value = math.ceil(min(settled, LARGEST_STEP)), self(LARGEST_STEP)
        if settled > last.begin:
            return step
        for before in reversed(self.rows[:-1]):  # rows that have the last value already
            row = Row(*before)
            if row.shape == ID["values"]:
                differs = np.flatnonzero(row.children[0] != value)
                changed = row.begin + (int(differs[-1]) + 1) * row.every if differs.size else row.begin
                step = math.ceil(min(step, changed))
                if differs.size:
                    break
            elif step > math.ceil(row.begin) and not (_is_flat(row) and row.start == value):
                break
            step = min(step, math.ceil(row.begin))
        return step

    @property
    def segments(self) -> npt.NDArray[Any]:
        """The compiled table, sub-tables behind it, as a read-only structured array that shares the memory.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.warmup_cosine(1.0, 10, 100).segments["begin"]
        array([  0,  10, 100])
        """
        return np.frombuffer(memoryview(self._segment_bytes()), SEGMENT)

    def phases(self) -> tuple[Phase, ...]:
        """The labelled parts, in order: name, start, stop (None where open), value at the first and at the last step.

        A part that owns no integer step is left out.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> for phase in lrk.wsd(peak=1.0, warmup=10, stable=80, decay=10).phases():
        ...     print(phase.name, phase.start, phase.stop, phase.first, phase.last)
        warmup 0 10 0.0 0.9
        stable 10 90 1.0 1.0
        decay 90 100 1.0 0.1
        """
        found: list[Phase] = []
        for name, start, stop in _spans(self):
            first, last = math.ceil(start), LARGEST_STEP if stop is None else min(math.ceil(stop) - 1, LARGEST_STEP)
            if first <= last:
                found.append(Phase(name, start, stop, self(first), self(last)))
        return tuple(found)

    # ---- canonical form ----

    def to_dict(self, *, labels: bool = False) -> dict[str, Any]:
        """The canonical form: JSON-safe, versioned, the same on every machine.

        Floats are written by ``float.hex``, whole times as integers. ``from_dict`` gives the schedule back. Labels are kept on
        request; the fingerprint is that of the form without them.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.constant(0.5).to_dict()["segments"]
        [{'begin': 0, 'shape': 'constant', 'value': '0x1.0000000000000p-1'}]
        """
        from .canonical import to_dict

        return to_dict(self, labels)

    @staticmethod
    def from_dict(d: Mapping[str, Any]) -> "Schedule":
        """The schedule of a canonical form.

        Raises
        ------
        ValueError, TypeError
            For an unknown format, version, key or shape, a missing key, or a value that its shape refuses.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> schedule = lrk.linear(0.0, 1.0, 10)
        >>> lrk.Schedule.from_dict(schedule.to_dict()) == schedule
        True
        """
        from .canonical import from_dict

        return from_dict(d)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical form as JSON with sorted keys and no spaces; the same across machines and releases.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.constant(0.5).fingerprint[:16]
        '255869d296b385b2'
        """
        from .canonical import fingerprint

        return fingerprint(self.to_dict())

    def to_bytes(self) -> bytes:
        """The lowered table, little-endian: magic, version, length, rows, arrays, labels, CRC-32.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> schedule = lrk.linear(0.0, 1.0, 10)
        >>> lrk.Schedule.from_bytes(schedule.to_bytes()) == schedule
        True
        """
        from .canonical import to_bytes

        return to_bytes(self)

    @staticmethod
    def from_bytes(data: bytes | bytearray | memoryview) -> "Schedule":
        """The schedule of ``to_bytes``, labels included.

        Raises
        ------
        ValueError
            For bytes that are no table of this version, are cut short, changed, or describe no schedule.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.Schedule.from_bytes(b"")
        Traceback (most recent call last):
        ValueError: data must be what to_bytes gives (magic must be LRKTABLE), got b''
        """
        from .canonical import from_bytes

        return from_bytes(data)

    @cached_property
    def lowered(self) -> tuple[bytes, bytes]:
        """What the rows and arrays say, without labels and derived fields: equal bytes, equal schedules."""
        segments = self.segments
        stored = np.empty(segments.size, STORED)
        for name in STORED.names or ():
            stored[name] = segments[name]
        arrays = list(_arrays(self))
        return stored.tobytes(), b"".join(np.asarray(array, "<f8").tobytes() for array in arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return self is other or self.lowered == other.lowered

    def __hash__(self) -> int:
        return hash(self.lowered)

    def __repr__(self) -> str:
        from .canonical import expression

        return expression(self)

    def __reduce__(self) -> tuple[Any, ...]:
        from .canonical import packed

        return packed(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} must not be set: a schedule is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} must not be deleted: a schedule is immutable")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # ---- frameworks ----

    def to_jax(self) -> Callable[[Any], Any]:
        """The schedule as a function that JAX can trace, for ``optax.adamw(learning_rate=...)`` and the like (extra ``jax``).

        It takes an integer or an array of integers of any shape and gives a float32 array of that shape, float64 where
        ``jax_enable_x64`` is set. It may be jitted, mapped and scanned; its cost does not grow with the number of segments but for
        the look-up. Call it once and keep the function: each one is compiled anew.

        Every part and stair begins at exactly the step of the core. Measured on CPU, the relative error stays within 8 units of
        2^-24 (float64: 2^-53), also where the curve goes to 0; a power p adds p units, scaling and the like one, a product those of
        its factors. What is below the normal numbers may be 0. Past the end the last value holds. A traced step cannot be refused:
        one below 0 reads step 0, one above 2^31 - 1 in 32 bits reads that.

        Raises
        ------
        ImportError
            If JAX is missing.
        ValueError
            For what 32-bit integers or float32 cannot do exactly: repeats of more than 65536 rows whose period is not whole, stairs
            of less than one step, values outside the range of the float type. When called with a concrete step that is negative or
            above 2^31 - 1 without 64 bits.
        TypeError
            When called with a step that is no integer.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> learning_rate = lrk.warmup_cosine(peak=1.0, warmup=10, total=100).to_jax()
        >>> learning_rate(range(5))
        Array([0. , 0.1, 0.2, 0.3, 0.4], dtype=float32)
        """
        from .integrations.jax import to_jax

        return to_jax(self)

    # ---- pictures ----

    def plot(self, ax: "Axes | None" = None, **options: Any) -> "Axes":
        """Draw the curve with matplotlib (extra ``plot``); see ``lrkernel.plot.plot``."""
        from .plot import plot

        return plot(self, ax, **options)

    def _repr_svg_(self) -> str:
        from .plot import svg

        return svg(self)

    def _finite(self, verb: str) -> Boundary:
        if self.length is None:
            raise ValueError(f"length must be finite to {verb}, got an open-ended schedule")
        return self.length


inherit_calls(Schedule)


# ---- ranges and buffers ----


def range_of(start: object, stop: object, stride: object) -> tuple[int, int, int]:
    """First step, stride and number of steps."""
    if stop is None:
        if stride is not None:
            raise TypeError(f"stop must be an integer where a stride is given, got {stop!r}")
        start, stop = 0, start
    gap = 1 if stride is None else whole("stride", stride)
    if gap == 0:
        raise ValueError("stride must not be 0, got 0")
    steps = range(whole("start", start), whole("stop", stop), gap)
    if not steps:
        return 0, 1, 0
    first, last = steps[0], steps[-1]
    for name, step, given in (("start", first, start), ("stop", last, stop)):
        if not 0 <= step <= LARGEST_STEP:
            raise ValueError(f"{name} must keep every step {'>= 0' if step < 0 else '< 2^63'}, got {shown(given)}")
    count = (last - first) // gap + 1
    return first, gap if count > 1 else 1, count


def buffer_of(shape: tuple[int, ...], dtype: npt.DTypeLike | None, out: object) -> npt.NDArray[Any]:
    """The memory of `out`, or a new array where that is None."""
    try:
        wanted = None if dtype is None else np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype must be float64 or float32, got {shown(dtype)}") from None
    if wanted is not None and wanted not in FLOATS:
        raise ValueError(f"dtype must be float64 or float32, got {wanted}")
    if out is None:
        if math.prod(shape) > MOST_VALUES:
            raise ValueError(f"stop must leave at most 2^59 values for one array, got {math.prod(shape)}")
        return np.empty(shape, wanted or np.float64)
    out = array_of(out, shape, wanted or FLOATS[0])
    if out.dtype not in FLOATS:
        raise ValueError(f"out must have dtype float64 or float32, got {out.dtype}")
    if wanted is not None and out.dtype != wanted:
        raise ValueError(f"out must have dtype {wanted}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    extent = out.itemsize  # of what lies within one item of an axis
    for stride, count in sorted((abs(stride), count) for stride, count in zip(out.strides, shape, strict=True) if count > 1):
        if stride < extent and out.size:
            raise ValueError(f"out must not overlap itself, got a stride of {stride} bytes")
        extent += stride * (count - 1)
    return out


def plain(buffer: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What the core can write: the buffer itself, but for a field of a packed structure another one of its shape."""
    if buffer.flags.aligned and not any(stride % buffer.itemsize for stride in buffer.strides):
        return buffer
    return np.empty(buffer.shape, buffer.dtype)


def blocks_of(
    values: Callable[..., npt.NDArray[Any]],
    start: object,
    stop: object,
    size: object,
    rows: tuple[int, ...],
    dtype: npt.DTypeLike | None,
    out: object,
    threads: object,
) -> Iterator[npt.NDArray[Any]]:
    """What `values` gives of the steps from `start` to before `stop`, `size` at a time; checked before the first block is made."""
    first, _, count = range_of(start, whole("stop", stop), None)
    most = whole("size", size, 1)
    buffer = None if out is None else buffer_of((*rows, most), dtype, out)
    kind = buffer_of((*rows, 0), dtype, None).dtype if buffer is None else buffer.dtype
    threads_of(threads, most)

    def made() -> Iterator[npt.NDArray[Any]]:
        for low in range(first, first + count, most):
            high = min(low + most, first + count)
            target = None if buffer is None else buffer[..., : high - low]
            yield values(low, high, dtype=kind, out=target, threads=threads)

    return made()


# ---- rows ----


def _hold(at: Boundary, value: float | None = None) -> Fields:
    return HOLD, at, None, value, 0.0, 0.0, 0.0, (), None


def jump(row: Row) -> float | None:
    """What a node holds past its end where that is not its limit from the left: its child jumps there, or its last epoch ends."""
    if row.end is None or (row.shape != ID["epoch"] and all(c.length is None or c.rows[-1][3] is None for c in row.children)):
        return None
    end = normal(row.end - row.begin)
    alone = row._replace(begin=0, end=end)
    value, limit = Schedule((alone,))(LARGEST_STEP), Schedule((alone, _hold(end)))(LARGEST_STEP)
    held = value + 0.0  # where -0.0 is another value than 0.0
    return None if limit.hex() in (value.hex(), held.hex()) else held


def from_rows(*rows: Fields, length: Boundary | None) -> Schedule:
    """The schedule of rows that follow each other; ended at `length` unless that is None."""
    return Schedule(rows if length is None else (*rows, _hold(length)))


def repeated(part: Schedule, period: Boundary, begin: Boundary = 0, label: str | None = None) -> Row:
    """The row that repeats a part for ever."""
    return Row(ID["repeat"], begin, None, 0.0, 0.0, 0.0, float(period), (part,), label)


def _placed(part: Schedule, offset: Boundary, limit: Boundary | None) -> Iterator[Row]:
    """The rows of a part that begins at `offset`, up to `limit`; a part that ended earlier holds until there."""
    for values in part.rows:
        row = Row(*values)
        begin = plus(offset, row.begin)
        if (limit is not None and begin >= limit) or (begin > LARGEST_STEP and row.shape != HOLD):
            return
        if row.shape == HOLD and limit is not None:
            value = part(LARGEST_STEP) + 0.0
            yield Row(CONSTANT, begin, None, value, value)
        else:
            yield row._replace(begin=begin, end=None if row.end is None else plus(offset, row.end))


def _without_gone(rows: Sequence[Fields]) -> tuple[Fields, ...]:
    """Without the rows that a rounded boundary left no time."""
    kept = [row for row, after in pairwise(rows) if row[1] < after[1]]
    kept.append(rows[-1])
    if kept[0][0] == HOLD:
        raise ValueError("no part is longer than the rounding of its boundaries")
    return tuple(kept)


def sequence(*parts: Schedule, at: Iterable[Number] | None = None) -> Schedule:
    """One schedule after the other, each on its own clock.

    Parameters
    ----------
    *parts : Schedule
        At least one.
    at : sequence of real numbers, optional
        The boundaries between the parts, one fewer than parts, not decreasing. A part that ended earlier holds until its
        boundary; a part between equal boundaries is dropped. By default each part begins where the one before ends.

    Raises
    ------
    ValueError
        Without parts; for a part before the last that is open-ended, without `at`; for boundaries that do not fit.
    TypeError
        For a part that is no schedule.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> lrk.sequence(lrk.linear(0.0, 1.0, 2), lrk.constant(1.0), lrk.linear(1.0, 0.0, 2), at=[2, 4]).values(7)
    array([0. , 0.5, 1. , 1. , 1. , 0.5, 0. ])
    """
    if not parts:
        raise ValueError("parts must not be empty, got ()")
    for part in parts:
        if not isinstance(part, Schedule):
            raise TypeError(f"parts must be schedules, got {shown(part)}")
    limits = _limits(parts, at)
    rows: list[Row] = []
    offset: Boundary = 0
    for part, limit in zip(parts, limits, strict=True):
        if limit is None:
            rows.extend(_placed(part, offset, None))
        elif limit > offset:
            rows.extend(_placed(part, offset, limit))
            offset = limit
    return Schedule(_without_gone(rows))


def _limits(parts: tuple[Schedule, ...], at: Iterable[Number] | None) -> list[Boundary | None]:
    """Where each part but the last ends; None for the last."""
    limits: list[Boundary | None] = []
    if at is None:
        offset: Boundary = 0
        for part in parts[:-1]:
            if part.length is None:
                raise ValueError("parts before the last must have a length where at is not given, got an open-ended one")
            offset = plus(offset, part.length)
            limits.append(offset)
    else:
        given = [boundary("at", value) for value in items("at", at)]
        if len(given) != len(parts) - 1:
            raise ValueError(f"at must have one boundary between parts ({len(parts) - 1}), got {len(given)}")
        for low, high in pairwise(given):
            if high < low:
                raise ValueError(f"at must not decrease, got {low!r} before {high!r}")
        limits.extend(given)
    return [*limits, None]


def _stretched(schedule: Schedule, total: Boundary, length: Boundary) -> Schedule:
    def stretched(time: Boundary) -> Boundary:
        if time == length:
            return total  # which a quotient can miss by an ulp
        if type(time) is int and type(total) is int and type(length) is int and time * total % length == 0:
            return time * total // length
        return normal(time * total / length)

    rows: list[Row] = []
    for values in schedule.rows:
        row = Row(*values)
        if rows and stretched(row.begin) > LARGEST_STEP:  # of a sub-table that was cut: out of reach now
            break
        fields: dict[str, Any] = {"begin": stretched(row.begin), "end": None if row.end is None else stretched(row.end)}
        if row.every:
            fields["every"] = float(stretched(normal(row.every)))
        if row.shape == ID["inverse_sqrt"]:
            fields["param"] = float(stretched(normal(row.param)))
        if row.shape != ID["epoch"]:  # epochs stay what they are; they get longer
            fields["children"] = tuple(
                _stretched(child, total, length) if isinstance(child, Schedule) else child for child in row.children
            )
        rows.append(row._replace(**fields))
    return Schedule(_without_gone(rows))


def _is_flat(row: Row) -> bool:
    """The value is `start` all along."""
    return row.shape == CONSTANT or (KIND[row.shape] in SPANNING and row.end is not None and row.start == row.stop)


def _settled(row: Row) -> Boundary | None:
    """Where a last row stops changing; None where it does not."""
    ends = [child.end for child in row.children if isinstance(child, Schedule)]
    if row.shape in (HOLD, CONSTANT) or (row.end is None and row.start == 0.0 and not ends):
        return row.begin
    if row.shape in (ID["step"], ID["exponential"]) and row.param == 1.0:
        return row.begin
    known = [end for end in ends if end is not None]
    if not ends or len(known) < len(ends):
        return None
    last = max(known)
    if row.shape == ID["repeat"]:
        return row.begin if last == 0 else None
    if row.shape == ID["skip"]:
        return row.begin + max(last - normal(row.every), 0)
    return row.begin + (last * row.every if row.shape == ID["epoch"] else last)


def _spans(schedule: Schedule) -> Iterator[tuple[str, Boundary, Boundary | None]]:
    """Name, start and stop of every part; those of a node that reads its child in order are the child's."""
    stops = [row[1] for row in schedule.rows[1:]]
    for values, stop in zip(schedule.rows, [*stops, None], strict=True):
        row = Row(*values)
        if row.shape == HOLD:
            return
        if row.label is None and (row.shape in POINTWISE or row.shape in (ID["epoch"], ID["skip"])):
            every = normal(row.every) if row.shape == ID["epoch"] else 1
            skipped = normal(row.every) if row.shape == ID["skip"] else 0
            for name, low, high in _spans(row.children[0]):
                begin = plus(row.begin, max(normal(low - skipped), 0) * every)
                end = stop if high is None else plus(row.begin, normal(high - skipped) * every)
                if (high is None or high > skipped) and (stop is None or begin < stop):
                    yield name, begin, end if stop is None or (end is not None and end < stop) else stop
        else:
            yield row.label or _constructor(row), row.begin, stop


def _constructor(row: Row) -> str:
    """The public name of what made a row: `cosine` for cosine_cycles, `from_values`, the name of a shape of your own, ..."""
    if row.shape == CUSTOM:
        from .custom import name_of

        return name_of(row.param)
    call = SHAPES[row.shape].call
    return call.partition("(")[0] if KIND[row.shape] != "node" else NAME[row.shape]


def check_label(name: str, label: object) -> None:
    if not isinstance(label, str):
        raise TypeError(f"{name} must be a string, got {shown(label)}")
    try:
        wrong = not label or "\0" in label or not label.encode()
    except UnicodeEncodeError:
        wrong = True
    if wrong:
        raise ValueError(f"{name} must be text without NUL and not empty, got {label!r}")


def frozen(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """A private, read-only, contiguous float64 copy without -0.0."""
    array = np.array(values, np.float64) + 0.0
    return np.frombuffer(array.tobytes())


STORED = np.dtype([(name, SEGMENT[name].base.newbyteorder("<"), SEGMENT[name].shape) for name in (SEGMENT.names or ())[:11]])


def _arrays(schedule: Schedule) -> Iterator[npt.NDArray[np.float64]]:
    """The arrays in the order in which the core joins them."""
    for row in schedule.rows:
        for child in row[7]:
            if isinstance(child, Schedule):
                yield from _arrays(child)
            else:
                yield child
