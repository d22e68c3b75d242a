"""batch - many schedules evaluated at once, as one array."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ._arguments import Number, missing, shown, steps_array, threads_of
from ._core import Rows
from .buffers import DLPack
from .schedule import CONSTANT, Row, Schedule, blocks_of, buffer_of, from_rows, plain, range_of
from .sums import ANNEALING, BEFORE, DISCOUNTED, FROM, TO, WORK, _range

if TYPE_CHECKING:
    from typing_extensions import Buffer
    from xarray import DataArray

# What is nested in a value of that name; None where it is a leaf.
Items = Callable[[str, object], Iterable[object] | None]

ZERO = from_rows(Row(CONSTANT, 0, None, 0.0), length=1)  # refuses no argument that another schedule takes


class ScheduleBatch:
    """Schedules in an array of any shape, evaluated together: rows and steps in parallel, equal schedules once.

    A batch is immutable, hashable and compared by value, as schedules are. Indexing and iteration follow NumPy: an integer for
    every axis gives a schedule, a slice, a mask or fewer integers a batch. Its memory does not grow with the number of steps.

    Calling it with one step gives a float64 array of the batch's shape; with an array of steps, one of the batch's shape followed
    by that of the steps. The bits are those of the single schedules.

    A batch that ``lrk.sweep`` made knows its ``parameters``: a mapping from names to arrays of the shape of the batch, of those
    that had axes. They are labels, which indexing keeps and equality, hash and repr ignore.

    Parameters
    ----------
    schedules : Schedule, or nested sequence or array of them
        At least one; the nesting gives the shape.

    Raises
    ------
    ValueError
        If there is no schedule, or the nesting is ragged.
    TypeError
        For what is no schedule, named by its index.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> batch = lrk.ScheduleBatch([lrk.linear(1.0, 0.0, 4), lrk.cosine(1.0, 0.0, 4)])
    >>> batch(2)
    array([0.5, 0.5])
    >>> batch([0, 4])
    array([[1., 0.],
           [1., 0.]])
    >>> batch[1]
    cosine(1.0, 0.0, 4)
    """

    __array_ufunc__ = None

    _array: npt.NDArray[Any]
    _rows: Rows
    parameters: Mapping[str, npt.NDArray[Any]]

    def __init__(self, schedules: object) -> None:
        given = schedules.tolist() if isinstance(schedules, np.ndarray) else schedules
        shape, flat = _nested("schedules", given, _schedules)
        array = np.empty(shape, object)
        array.reshape(-1)[:] = flat
        array.flags.writeable = False
        self.__dict__.update(_array=array, _rows=Rows(tuple(flat)), parameters=MappingProxyType({}))

    # ---- evaluation ----

    def __call__(self, step: npt.ArrayLike) -> npt.NDArray[np.float64]:
        steps = steps_array(step)
        out = np.empty((self._array.size, steps.size))
        self._rows.gather(steps.reshape(-1), out, threads_of(None, out.size))
        return out.reshape(self.shape + steps.shape)

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
        """The values of a range of steps of every schedule: ``values(stop)``, ``values(start, stop[, stride])``, as ``range``.

        Parameters
        ----------
        start, stop, stride : int
            As for ``range``, negative strides included. The steps themselves must lie in 0 .. 2^63 - 1.
        dtype : float64 or float32, optional
            That of ``out``, else float64. A float32 value is the float64 one rounded once.
        out : array, buffer or DLPack tensor of shape batch.shape + (n,), optional
            As for ``Schedule.values``; plain bytes hold the values row by row.
        threads : int, optional
            At most this many, 1 to 1024, on rows and ranges that share no value; one while another call has them. By default
            one for few values, else one per available core.

        Returns
        -------
        ndarray of shape batch.shape + (n,)

        Raises
        ------
        ValueError, TypeError
            As for ``Schedule.values``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[1.0, 2.0], stop=0.0, steps=4).values(6)
        array([[1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ],
               [2.  , 1.5 , 1.  , 0.5 , 0.  , 0.  ]])
        """
        first, gap, count = range_of(start, stop, stride)
        buffer = buffer_of((*self.shape, count), dtype, out)
        workers, target = threads_of(threads, buffer.size), plain(buffer)
        rows = target.reshape(self._array.size, count)  # a copy where no one distance leads from row to row
        (self._rows.fill_double if rows.dtype == np.float64 else self._rows.fill_single)(first, gap, rows, workers)
        if not np.may_share_memory(rows, buffer):
            buffer[...] = rows.reshape(buffer.shape)
        return buffer

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
        """The values of the steps from `start` to before `stop`, `size` steps of every schedule at a time.

        As ``Schedule.blocks``; each block has the shape batch.shape + (n,), and `out` the shape batch.shape + (size,).

        Examples
        --------
        >>> import lrkernel as lrk
        >>> for block in lrk.sweep(lrk.linear, start=[1.0, 2.0], stop=0.0, steps=4).blocks(0, 3, 2):
        ...     print(block.tolist())
        [[1.0, 0.75], [2.0, 1.5]]
        [[0.5], [1.0]]
        """
        return blocks_of(self.values, start, stop, size, self.shape, dtype, out, threads)

    # ---- sums ----

    def sum(self, a: Number, b: Number, power: Number = 1, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """The sum of the values from step `a` to before step `b` of every schedule, with the bits of ``Schedule.sum``.

        This and the sums below run on several threads at once, on rows that share nothing, and make no curve.

        Parameters
        ----------
        a, b, power
            As for ``Schedule.sum``.
        threads : int, optional
            As for ``values``.

        Returns
        -------
        ndarray of the shape of the batch

        Raises
        ------
        ValueError, TypeError
            What ``Schedule.sum`` raises, behind the index of the schedule.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[4.0, 8.0], stop=0.0, steps=4).sum(0, 4)
        array([10., 20.])
        """
        return self._over_range("sum", (a, b, power), False, threads)

    def log_shrink(self, a: Number, b: Number, weight_decay: Number, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """The logarithm of what decoupled weight decay leaves, as ``Schedule.log_shrink``; else as ``sum``.

        Examples
        --------
        >>> import lrkernel as lrk, numpy as np
        >>> np.exp(lrk.sweep(lrk.constant, value=[0.5, 0.75]).log_shrink(0, 2, weight_decay=1.0))
        array([0.25  , 0.0625])
        """
        return self._over_range("log_shrink", (a, b, weight_decay), True, threads)

    def cumulative(self, steps: npt.ArrayLike, inclusive: bool = True, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """The sum from step 0 on up to each step, that step included or not, as ``Schedule.cumulative``.

        Parameters
        ----------
        steps : int or array of ints
        inclusive : bool
        threads : int, optional
            As for ``values``.

        Returns
        -------
        ndarray of shape batch.shape + steps.shape

        Raises
        ------
        ValueError, TypeError
            What the method of ``Schedule`` raises, behind the index of the schedule.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[4.0, 8.0], stop=0.0, steps=4).cumulative([0, 3])
        array([[ 4., 10.],
               [ 8., 20.]])
        """
        return self._at_steps("cumulative", steps, (inclusive,), TO if inclusive else BEFORE, threads)

    def remaining(self, steps: npt.ArrayLike, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """The sum from each step on up to the length, as ``Schedule.remaining``; else as ``cumulative``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[4.0, 8.0], stop=0.0, steps=4).remaining(2)
        array([3., 6.])
        """
        return self._at_steps("remaining", steps, (), FROM, threads)

    def discounted(self, steps: npt.ArrayLike, decay: Number, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """The sum up to each step with older values counting less, as ``Schedule.discounted``; else as ``cumulative``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.constant, value=[1.0, 2.0]).discounted(2, decay=0.5)
        array([1.75, 3.5 ])
        """
        return self._at_steps("discounted", steps, (decay,), DISCOUNTED, threads)

    def forward_area(self, steps: npt.ArrayLike, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """S1 of the law with annealing, as ``Schedule.forward_area``; else as ``cumulative``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.constant, value=[1.0, 2.0]).forward_area(2)
        array([3., 6.])
        """
        return self._at_steps("forward_area", steps, (), TO, threads)

    def annealing_area(self, steps: npt.ArrayLike, decay: Number, *, threads: int | None = None) -> npt.NDArray[np.float64]:
        """S2 of the law with annealing, as ``Schedule.annealing_area``; else as ``cumulative``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[4.0, 8.0], stop=0.0, steps=4).annealing_area(2, decay=0.5)
        array([2.5, 5. ])
        """
        return self._at_steps("annealing_area", steps, (decay,), ANNEALING, threads)

    def _at_steps(self, name: str, steps: object, more: tuple[Any, ...], what: int, threads: int | None) -> npt.NDArray[np.float64]:
        """The method `name` of every schedule, by the core."""
        array = steps_array(steps)
        getattr(ZERO, name)(array.reshape(-1)[:1], *more)  # an argument that any schedule refuses
        for index, schedule in enumerate(self.schedules if what == FROM else ()):
            if schedule.length is None:
                self._one(name, index, (0,))  # says why
        out = np.empty((self._array.size, array.size))
        decay = float(more[0]) if what in (DISCOUNTED, ANNEALING) else 0.0
        workers = threads_of(threads, self._array.size * WORK)
        self._rows.sums_at(what, decay, np.ascontiguousarray(array.reshape(-1)), out, workers)
        return out.reshape(self.shape + array.shape)

    def _over_range(self, name: str, arguments: tuple[Any, ...], shrink: bool, threads: int | None) -> npt.NDArray[np.float64]:
        """The same for a range of steps."""
        getattr(ZERO, name)(*arguments)
        parts = _range(*arguments[:2])
        out = np.full(self._array.size, np.nan if len(parts) > 1 else 0.0)
        if len(parts) == 1:
            self._rows.sums_over(shrink, float(arguments[2]), *parts[0], out, threads_of(threads, self._array.size * WORK))
        for index in np.flatnonzero(np.isnan(out)).tolist():  # what the core leaves to the schedule, errors among them
            out[index] = self._one(name, index, arguments)
        return out.reshape(self.shape) + 0.0  # no -0.0, as there

    def _one(self, name: str, index: int, arguments: tuple[Any, ...]) -> Any:
        try:
            return getattr(self._array.reshape(-1)[index], name)(*arguments)
        except (ValueError, TypeError) as error:
            where = f" (schedule {[int(k) for k in np.unravel_index(index, self.shape)]})" if self.shape else ""
            raise type(error)(f"{error}{where}") from None

    # ---- the array of schedules ----

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[[1.0], [2.0]], stop=0.0, steps=[10, 20, 30]).shape
        (2, 3)
        """
        return self._array.shape

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """All schedules, the last axis first.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.constant, value=[0.5, 0.25]).schedules
        (constant(0.5), constant(0.25))
        """
        return tuple(self._array.reshape(-1).tolist())

    @property
    def dims(self) -> tuple[str, ...]:
        """A name for every axis: that of the one parameter that varies along it, and along no other; else ``axis_0``, ...

        Examples
        --------
        >>> import lrkernel as lrk
        >>> lrk.sweep(lrk.linear, start=[[1.0], [2.0]], stop=0.0, steps=[10, 20, 30]).dims
        ('start', 'steps')
        """
        along = {name: _varies(values) for name, values in self.parameters.items()}
        found = [[name for name, axes in along.items() if k in axes] for k in range(len(self.shape))]
        return tuple(
            column_name(names[0]) if len(names) == 1 and len(along[names[0]]) == 1 else f"axis_{k}" for k, names in enumerate(found)
        )

    def to_xarray(self, values: npt.ArrayLike, steps: npt.ArrayLike | None = None) -> "DataArray":
        """What a method of the batch returned, with names: an ``xarray.DataArray`` whose dimensions are ``dims`` and ``step``.

        The parameters that vary are its coordinates, each along its own axes; a parameter called ``step`` or ``value`` is
        ``schedule_step`` or ``schedule_value`` here.

        Parameters
        ----------
        values : array of the shape batch.shape, or batch.shape followed by that of `steps`
        steps : array of int, optional
            The steps that were asked for, of one axis: the coordinate of the last dimension.

        Raises
        ------
        ImportError
            Without xarray, which the extra ``xarray`` brings.
        ValueError
            For values of another shape.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> batch = lrk.sweep(lrk.linear, start=[[1.0], [2.0]], stop=0.0, steps=[10, 20])
        >>> found = batch.to_xarray(batch([0, 5]), [0, 5])
        >>> found.sel(start=2.0, steps=10, step=5).item()
        1.0
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError(missing("to_xarray", (error.name or "xarray").partition(".")[0], "xarray")) from None
        array = np.asarray(values)
        asked = None if steps is None else steps_array(steps)
        if asked is not None and asked.ndim != 1:
            raise ValueError(f"steps must have shape (n,), got {asked.shape}")
        shape = self.shape if asked is None else (*self.shape, asked.size)
        if array.shape != shape:
            raise ValueError(f"values must have shape {shape}, got {array.shape}")
        dims, coords = self.dims, dict[str, Any]()
        for name, given in self.parameters.items():
            if axes := _varies(given):
                along = given[tuple(slice(None) if k in axes else 0 for k in range(given.ndim))]
                coords[column_name(name)] = [dims[k] for k in axes], _typed(along)
        if asked is None:
            return xarray.DataArray(array, coords, dims)
        return xarray.DataArray(array, {**coords, "step": asked}, (*dims, "step"))

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: Any) -> Any:
        found = self._array[index]
        if isinstance(found, Schedule):
            return found
        return labelled(found, {name: values[index] for name, values in self.parameters.items()})

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScheduleBatch):
            return NotImplemented
        return self.shape == other.shape and self.schedules == other.schedules

    def __hash__(self) -> int:
        return hash((self.shape, self.schedules))

    def __repr__(self) -> str:
        return f"ScheduleBatch({self._array.tolist()!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return labelled, (self._array.tolist(), dict(self.parameters))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} must not be set: a batch is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} must not be deleted: a batch is immutable")

    def __copy__(self) -> "ScheduleBatch":
        return self

    def __deepcopy__(self, memo: object) -> "ScheduleBatch":
        return self


def sweep(builder: Callable[..., Schedule], /, **params: Any) -> ScheduleBatch:
    """The schedules that a function of this package makes of every combination of its arguments, broadcast as NumPy does.

    A list, a range or an array holds the values of a parameter along its axes; anything else (a number, a string, None, a tuple)
    is one value for all. Nested lists have several axes, and axes of length 1 stretch: ``peak=[[1], [2]]`` with
    ``decay=[10, 20, 30]`` gives a batch of the shape (2, 3).

    Parameters
    ----------
    builder : callable
        ``lrk.wsd``, ``lrk.cosine``, ... or a function of your own that returns a schedule.
    **params
        Its arguments by name.

    Raises
    ------
    ValueError
        If the axes do not fit together, are ragged or empty.
    ValueError, TypeError
        What the builder raises, behind the index of the schedule.
    TypeError
        If the builder is not callable or returns no schedule.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> batch = lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=100, stable=800, decay=[[50], [100], [200]], decay_shape="1-sqrt")
    >>> batch.shape
    (3, 2)
    >>> batch[2, 1] == lrk.wsd(peak=0.2, warmup=100, stable=800, decay=200, decay_shape="1-sqrt")
    True
    >>> lrk.sweep(lrk.multistep, start=1.0, milestones=(30, 60), gamma=[0.1, 0.5])(70)
    array([0.01, 0.25])
    """
    if not callable(builder):
        raise TypeError(f"builder must be callable, got {shown(builder)}")
    axes: dict[str, npt.NDArray[Any]] = {}
    for name, value in params.items():
        shape, flat = _nested(name, value, _axis)
        axes[name] = np.empty(shape, object)
        for k, item in enumerate(flat):  # one by one: an item may be a sequence
            axes[name].reshape(-1)[k] = np.asarray(item).item() if _is_array(item) else item
    try:
        shape = np.broadcast_shapes(*(axis.shape for axis in axes.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {axis.shape}" for name, axis in axes.items() if axis.ndim)
        raise ValueError(f"shapes of the parameters must broadcast, got {shapes}") from None
    made = np.empty(shape, object)
    columns = [np.broadcast_to(axis, shape).ravel().tolist() for axis in axes.values()]
    for k, index in enumerate(np.ndindex(shape)):
        made[index] = _made(builder, dict(zip(axes, (column[k] for column in columns), strict=True)), index)
    return labelled(made, {name: np.broadcast_to(axis, shape) for name, axis in axes.items() if axis.ndim})


def labelled(schedules: object, parameters: Mapping[str, npt.NDArray[Any]]) -> ScheduleBatch:
    """A batch with its parameters."""
    batch = ScheduleBatch(schedules)
    for values in parameters.values():
        values.flags.writeable = False
    batch.__dict__["parameters"] = MappingProxyType(dict(parameters))
    return batch


def column_name(parameter: str) -> str:
    """What a parameter is called beside the steps and the values."""
    return f"schedule_{parameter}" if parameter in ("step", "value") else parameter


def _varies(values: npt.NDArray[Any]) -> tuple[int, ...]:
    """The axes along which values differ."""
    return tuple(k for k in range(values.ndim) if (values != values.take([0], k)).any())


def _typed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers as numbers and text as text; a mixture stays objects."""
    kinds = {type(value) for value in values.flat}
    return np.array(values.tolist()) if kinds <= {int, float} or kinds <= {bool} or kinds <= {str} else values


def _made(builder: Callable[..., object], arguments: dict[str, Any], index: tuple[int, ...]) -> Schedule:
    where = f" (schedule {list(index)})" if index else ""
    try:
        schedule = builder(**arguments)
    except TypeError as error:
        raise TypeError(f"{error}{where}") from error
    except ValueError as error:
        raise ValueError(f"{error}{where}") from error
    except Exception as error:
        error.add_note(f"in {shown(builder)}{where}")
        raise
    if not isinstance(schedule, Schedule):
        raise TypeError(f"builder must return a schedule, got {shown(schedule)}{where}")
    return schedule


def _schedules(name: str, value: object) -> Iterable[object] | None:
    if isinstance(value, Schedule):
        return None
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a schedule, got {shown(value)}")
    return value


def _axis(name: str, value: object) -> Iterable[object] | None:
    if isinstance(value, list | range):
        return value
    array = np.asarray(value) if _is_array(value) else np.empty(())
    numbers: Any = array.tolist() if array.ndim else None  # Python's own
    return cast("list[object] | None", numbers)


def _is_array(value: object) -> bool:
    """Tensors and the like too; one without an axis is a number."""
    return hasattr(value, "__array__") and not isinstance(value, np.generic)


def _nested(name: str, value: object, items: Items) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and leaves of nested sequences."""
    inside = items(name, value)
    if inside is None:
        return (), [value]
    parts = [_nested(f"{name}[{k}]", item, items) for k, item in enumerate(inside)]
    if not parts:
        raise ValueError(f"{name} must not be empty, got {shown(value)}")
    for k, (shape, _) in enumerate(parts):
        if shape != parts[0][0]:
            raise ValueError(f"{name} must not be ragged, got shape {parts[0][0]} at index 0 and {shape} at index {k}")
    return (len(parts), *parts[0][0]), [leaf for _, leaves in parts for leaf in leaves]
