"""integrations.dask - curves and sweeps of schedules on Dask: on a cluster of many processes, with the bits of one.

What travels is the bytes of the schedules, a few hundred each, never their values: a worker makes those where they are needed, and
again what a lost worker had.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from lrkernel import Schedule, ScheduleBatch

from .._arguments import missing, shown, whole

if TYPE_CHECKING:
    from dask.array import Array

__all__ = ["apply", "to_dask"]

CHUNK = 1000  # schedules of one call: some ten milliseconds of work, some hundred kilobytes to send


def to_dask(
    schedule: Schedule | ScheduleBatch, steps: int | range, chunks: Any = "auto", *, dtype: npt.DTypeLike | None = None
) -> "Array":
    """The values of a range of steps as a lazy ``dask.array`` of shape (n,) or batch.shape + (n,), with the bits of ``values``.

    A slice of it makes no values but its own.

    Parameters
    ----------
    schedule : Schedule or ScheduleBatch
        A shape of your own (``lrk.shape``) must be registered on the workers too.
    steps : int or range
        The first n steps, or those of the range, in its order.
    chunks
        As for ``dask.array.from_array``. Each chunk is made on one thread.
    dtype : float64 or float32, optional
        float64 by default.

    Raises
    ------
    ImportError
        Without Dask, which the extra ``dask`` brings.
    ValueError, TypeError
        As for ``values``, and for chunks that do not fit: now, not when it is computed.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.integrations.dask import to_dask
    >>> curve = to_dask(lrk.linear(1.0, 0.0, 10**12), 10**12, chunks=10**9)
    >>> curve[::250_000_000_000].compute()
    array([1.  , 0.75, 0.5 , 0.25])
    """
    if not isinstance(schedule, Schedule | ScheduleBatch):
        raise TypeError(f"schedule must be a schedule or a batch, got {shown(schedule)}")
    curve = _Curve(schedule, steps if isinstance(steps, range) else range(whole("steps", steps, 0)), dtype)
    array = _dask_array("to_dask")
    # No name of its own: equal curves have equal bytes, from which Dask makes one.
    lazy: Array = array.from_array(curve, chunks=chunks, asarray=False, meta=np.empty((0,) * curve.ndim, curve.dtype))
    return lazy


class _Curve:
    """What Dask takes for an array: indexing it makes the values."""

    def __init__(self, schedule: Schedule | ScheduleBatch, steps: range, dtype: npt.DTypeLike | None) -> None:
        self.schedule, self.steps = schedule, steps
        for end in (steps[:1], steps[-1:]):
            self.dtype = schedule.values(end.start, end.stop, end.step, dtype=dtype).dtype
        self.shape = (*(schedule.shape if isinstance(schedule, ScheduleBatch) else ()), len(steps))
        self.ndim = len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> npt.NDArray[Any]:
        *rows, last = index
        schedule = self.schedule[tuple(rows)] if isinstance(self.schedule, ScheduleBatch) else self.schedule
        if isinstance(last, slice):
            part = self.steps[cast("slice[int, int, int]", last)]
            return schedule.values(part.start, part.stop, part.step, dtype=self.dtype, threads=1)
        asked = np.array([self.steps[k] for k in np.atleast_1d(last).tolist()], np.int64).reshape(np.shape(last))
        return np.asarray(schedule(asked), self.dtype)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return pickle.dumps(self.schedule), repr(self.steps), str(self.dtype)


def apply(function: Callable[..., Any], batch: ScheduleBatch, /, *args: Any, chunks: Any = None, **kwargs: Any) -> "Array":
    """``function(batch, *args, **kwargs)`` as a lazy ``dask.array``: a method of batches, ``law.predict``, a function of your own.

    Parameters
    ----------
    function : callable
        Takes a batch and gives a value, or an array of them, for each of its schedules: the result has the shape
        batch.shape + (one's own). Called once now, for the first schedule alone, which tells that shape.
    batch : ScheduleBatch
    *args, **kwargs
        Passed on. Where a worker has several threads, ``threads=1`` leaves them to Dask.
    chunks
        As for ``dask.array.from_array``, over the axes of the batch: a chunk is one call. By default 1000 schedules or fewer.

    Raises
    ------
    ImportError
        Without Dask.
    ValueError, TypeError
        For other arguments, and what the function raises for the first schedule: now, not when it is computed.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.integrations.dask import apply
    >>> batch = lrk.sweep(lrk.linear, start=[1.0, 2.0, 3.0], stop=0.0, steps=4)
    >>> apply(lrk.ScheduleBatch.__call__, batch, [0, 1], chunks=2).compute()
    array([[1.  , 0.75],
           [2.  , 1.5 ],
           [3.  , 2.25]])
    """
    if not callable(function):
        raise TypeError(f"function must be callable, got {shown(function)}")
    if not isinstance(batch, ScheduleBatch):
        raise TypeError(f"batch must be a batch, got {shown(batch)}")
    array = _dask_array("apply")
    from dask.base import tokenize

    call = _Call(function, args, kwargs, None)
    first = call(batch[(..., *(slice(1) for _ in batch.shape))])
    own = first.shape[len(batch.shape) :]
    limits: dict[str, Any] = {"limit": 8 * CHUNK, "dtype": np.float64} if chunks is None else {}
    cuts = array.core.normalize_chunks("auto" if chunks is None else chunks, batch.shape, **limits)
    call = _Call(function, args, kwargs, own)
    name = f"lrkernel-{tokenize(call, pickle.dumps(batch))}"  # the batch itself takes ten times as long
    graph: dict[Any, Any] = {}
    for where in product(*(range(len(cut)) for cut in cuts)):
        part = tuple(slice(sum(cut[:k]), sum(cut[: k + 1])) for cut, k in zip(cuts, where, strict=True))
        graph[(name, *where, *(0,) * len(own))] = (call, batch[(..., *part)])
    lazy: Array = array.Array(graph, name, (*cuts, *((n,) for n in own)), dtype=first.dtype)
    return lazy


@dataclass(frozen=True)
class _Call:
    """A function of a batch and what else it takes; `own` is the shape of one schedule's result, None where that is not known."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    own: tuple[int, ...] | None

    def __call__(self, batch: ScheduleBatch) -> npt.NDArray[Any]:
        found = np.asarray(self.function(batch, *self.args, **self.kwargs))
        rows = len(batch.shape)
        if found.shape[:rows] != batch.shape or (self.own is not None and found.shape[rows:] != self.own):
            raise ValueError(f"function must return an array of shape {(*batch.shape, *(self.own or ('...',)))}, got {found.shape}")
        return found


def _dask_array(what: str) -> Any:
    try:
        import dask.array
    except ImportError as error:
        raise ImportError(missing(what, (error.name or "dask").partition(".")[0], "dask")) from None
    return dask.array
