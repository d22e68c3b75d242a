"""jit - schedules inside numba's compiled functions: their type, the calls into the core, a position that moves.

numba finds this module by itself, through the entry point ``numba_extensions``. No formula stands here: compiled code calls the
core by the names of its symbols, so numba can keep that code on disk. ``schedule(step)`` remembers the values ahead of the last
step in the caller's frame, one memory for each place where it is written: a call of the core takes 30 to 90 ns, and a step of a
fill 1 to 3.

Each error that compiled code raises costs some bytes for good: numba (0.68) keeps a reference to what the message is made of.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownLambdaType=false

import inspect
import math
from types import FunctionType
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import cfunc, njit, typeof
from numba.core import cgutils, extending
from numba.core import types as numba_types
from numba.core.cgutils import is_nonelike
from numba.core.datamodel import models
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError, TypingError
from numba.core.extending import NativeValue, box, lower_builtin, overload, overload_method, register_model, typeof_impl, unbox
from numba.core.imputils import lower_constant
from numba.core.typing.npydecl import parse_dtype
from numba.core.typing.templates import AttributeTemplate, bound_function, infer_getattr, signature
from numba.experimental import structref as numba_structref
from numba.np.numpy_support import as_dtype

from ._arguments import LARGEST_STEP, position, shown
from ._core import CURSOR_VALUES, SYMBOLS
from .custom import LOOKS
from .schedule import Schedule

# What numba says of their types is for its users, not for what extends it.
intrinsic: Any = extending.intrinsic
structref: Any = numba_structref
types: Any = numba_types

# Raised whenever what is compiled relies on other things: the fields below, lrk_table, lrk_cursor, the symbols. It is part of the
# type's name, so that numba does not take code from the disk that relied on the former ones.
FACE = 1

for _name, _address in SYMBOLS.items():
    llvmlite.binding.add_symbol(_name, _address)


def register() -> None:
    """What numba calls before it compiles anything; importing this module has done it all."""


# ---- the type ----


class ScheduleType(types.Type):
    """The numba type of every schedule."""

    def __init__(self) -> None:
        super().__init__(name=f"lrkernel.Schedule[{FACE}]")


schedule_type = ScheduleType()
_VOIDPTR = types.voidptr
_I64 = ir.IntType(64)
_TABLE = ir.LiteralStructType([cgutils.voidptr_t, cgutils.voidptr_t, _I64])  # lrk_table
_LOAN = ir.LiteralStructType([_TABLE, _I64])
_CURSOR = ir.LiteralStructType([_TABLE, _I64, _I64, cgutils.voidptr_t, ir.ArrayType(ir.DoubleType(), CURSOR_VALUES)])  # lrk_cursor
_MEMORY = ir.LiteralStructType([_I64, _CURSOR])  # the number of the loan that it is for, 0 for none, and a cursor


@typeof_impl.register(Schedule)
def _typeof(value: Schedule, context: Any) -> ScheduleType:
    return schedule_type


@register_model(ScheduleType)
class _Model(models.StructModel):
    def __init__(self, manager: Any, face: Any) -> None:
        members = [
            ("meminfo", types.MemInfoPointer(_VOIDPTR)),  # holds the Python object; NULL for a constant
            ("parent", types.pyobject),
            ("segments", _VOIDPTR),
            ("values", _VOIDPTR),
            ("root", types.int64),
            ("loan", types.int64),
        ]
        super().__init__(manager, face, members)


@unbox(ScheduleType)
def _unbox(typ: Any, obj: Any, c: Any) -> NativeValue:
    loan = cgutils.alloca_once(c.builder, _LOAN)
    lend = _function(c.builder, "lrkernel_lend", ir.IntType(32), c.pyapi.pyobj, loan.type)
    refused = c.builder.icmp_signed("!=", c.builder.call(lend, [obj, loan]), ir.Constant(ir.IntType(32), 0))
    made = cgutils.create_struct_proxy(typ)(c.context, c.builder)
    with cgutils.if_likely(c.builder, c.builder.not_(refused)):
        made.meminfo = c.pyapi.nrt_meminfo_new_from_pyobject(obj, obj)
        made.parent = obj
        _take(c.builder, made, c.builder.load(loan))
    return NativeValue(made._getvalue(), is_error=refused)


def _take(builder: Any, made: Any, loan: Any) -> None:
    for name, *place in (("segments", 0, 0), ("values", 0, 1), ("root", 0, 2), ("loan", 1)):
        setattr(made, name, builder.extract_value(loan, place))


@box(ScheduleType)
def _box(typ: Any, value: Any, c: Any) -> Any:
    parent = cgutils.create_struct_proxy(typ)(c.context, c.builder, value=value).parent
    c.pyapi.incref(parent)
    c.context.nrt.decref(c.builder, typ, value)
    return parent


_frozen: dict[int, Schedule] = {}  # schedules that are constants of compiled functions, which know only their address


@lower_constant(ScheduleType)
def _constant(context: Any, builder: Any, typ: Any, schedule: Schedule) -> Any:
    _frozen[id(schedule)] = schedule
    made = cgutils.create_struct_proxy(typ)(context, builder)
    made.parent = context.add_dynamic_addr(builder, id(schedule), info="schedule")
    loan = cgutils.alloca_once(builder, _LOAN)
    pyapi = context.get_python_api(builder)
    lend = _function(builder, "lrkernel_lend", ir.IntType(32), pyapi.pyobj, loan.type)
    builder.call(lend, [made.parent, loan])
    _take(builder, made, builder.load(loan))
    return made._getvalue()


def _function(builder: Any, name: str, returns: Any, *arguments: Any) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(returns, arguments), name)


def _lrk_table(builder: Any, schedule: Any) -> Any:
    """A pointer to the lrk_table of a schedule, in the frame of the function."""
    table = cgutils.alloca_once(builder, _TABLE)
    for index, name in enumerate(("segments", "values", "root")):
        builder.store(getattr(schedule, name), cgutils.gep_inbounds(builder, table, 0, index))
    return table


# ---- what is refused ----


class _Refused(ValueError):
    """What compiled code raises: a plain ValueError, whose message is put together when it is raised."""

    def __new__(cls, rule: str, value: int) -> ValueError:  # type: ignore[misc]
        return ValueError(f"{rule}, got {value}")


def _raise(context: Any, builder: Any, rule: str, typ: Any, value: Any) -> None:
    context.call_conv.return_dynamic_user_exc(builder, _Refused, (rule, value), (typ,))


def _refuse_step(context: Any, builder: Any, typ: Any, step: Any, whole: Any) -> None:
    """A step whose int64 `whole` is below 0; one of 2^63 and more is that too."""
    with cgutils.if_unlikely(builder, builder.icmp_signed("<", whole, _I64(0))):
        _raise(context, builder, "step must be >= 0" if typ.signed else "step must be < 2^63", typ, step)


@intrinsic(prefer_literal=True)
def _require(typingctx: Any, holds: Any, rule: Any, value: Any) -> Any:
    """Raise a ValueError with the rule and the value unless it holds."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        with cgutils.if_unlikely(builder, builder.not_(args[0])):
            _raise(context, builder, rule.literal_value, sig.args[2], args[2])
        return context.get_dummy_value()

    return types.none(types.boolean, rule, types.unliteral(value)), codegen


@intrinsic
def _checked(typingctx: Any, step: Any) -> Any:
    """A step as an int64."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = context.cast(builder, args[0], step, types.int64)
        _refuse_step(context, builder, step, args[0], whole)
        return whole

    return types.int64(step), codegen


def _given(typ: Any) -> Any:
    """The type of an argument; of one that was left out that of its default."""
    return typeof(typ.value) if isinstance(typ, types.Omitted) else typ if isinstance(typ, types.Type) else typeof(typ)


def _integer(name: str, typ: Any) -> None:
    if not isinstance(typ, types.Integer):
        raise TypingError(f"{name} must be an integer, got {typ}")


# ---- schedule(step) ----


def _at(context: Any, builder: Any, memory: Any, schedule: Any, typ: Any, step: Any) -> Any:
    """The value at a step: lrk_cursor_at, for a place at which the schedule may change."""

    def place(*path: Any) -> Any:
        return cgutils.gep_inbounds(builder, memory, 0, *path)

    loan, first, count = builder.load(place(0)), builder.load(place(1, 1)), builder.load(place(1, 2))
    offset, mine = builder.sub(step, first), builder.icmp_signed("==", loan, schedule.loan)
    result = cgutils.alloca_once(builder, ir.DoubleType())
    with builder.if_else(builder.and_(mine, builder.icmp_unsigned("<", offset, count)), likely=True) as (here, elsewhere):
        with here:
            builder.store(builder.load(place(1, 4, offset)), result)
        with elsewhere:
            _refuse_step(context, builder, typ, step, step)
            with builder.if_then(builder.not_(mine)):
                table = _lrk_table(builder, schedule)
                begin = _function(builder, "lrk_cursor_begin", ir.VoidType(), _CURSOR.as_pointer(), table.type)
                builder.call(begin, [place(1), table])
                builder.store(schedule.loan, place(0))
            move = builder.bitcast(builder.load(place(1, 3)), _MOVE.as_pointer())
            builder.store(builder.call(move, [place(1), step]), result)
    return builder.load(result)


_MOVE = ir.FunctionType(ir.DoubleType(), [_CURSOR.as_pointer(), _I64])


def _call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    schedule = cgutils.create_struct_proxy(sig.args[0])(context, builder, value=args[0])
    with builder.goto_entry_block():
        memory = builder.alloca(_MEMORY)
        for path in ((0,), (1, 1), (1, 2)):
            builder.store(_I64(0), cgutils.gep_inbounds(builder, memory, 0, *path))
    return _at(context, builder, memory, schedule, sig.args[1], args[1])


def _call_array(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    gathered = context.typing_context.resolve_value_type(_gathered)
    return context.get_function(gathered, sig)(builder, args)


@njit
def _gathered(schedule: Any, steps: Any) -> Any:
    found = np.empty(steps.shape, np.float64)
    checked = np.empty(steps.size, np.int64)
    for k, step in enumerate(steps.flat):
        checked[k] = _checked(step)
    _lrk_gather(_table(schedule), checked.ctypes.data, checked.size, found.ctypes.data)
    return found


for _type in (types.int64, types.uint64):
    lower_builtin(ScheduleType, ScheduleType, _type)(_call)
lower_builtin(ScheduleType, ScheduleType, types.Array)(_call_array)

_PARAMETERS = inspect.signature(lambda step: None)


@infer_getattr
class _Attributes(AttributeTemplate):
    key = ScheduleType

    @bound_function("lrkernel.Schedule.__call__")
    def resolve___call__(self, schedule: Any, args: Any, kws: Any) -> Any:
        given = (*args, *kws.values())
        if len(given) != 1 or not set(kws) <= {"step"}:
            raise TypingError(f"a schedule takes one argument, step, got {len(given)}")
        step = types.unliteral(given[0])
        item = step.dtype if isinstance(step, types.Array) else step
        if not isinstance(item, types.Integer):
            raise TypingError(f"step must be an integer or an array of integers, got {step}")
        if isinstance(step, types.Array):
            gathered = self.context.resolve_value_type(_gathered)
            found = signature(gathered.get_call_type(self.context, (schedule, step), {}).return_type, step)
        else:
            found = signature(types.float64, types.int64 if step.signed or step.bitwidth < 64 else types.uint64)
        return found.replace(pysig=_PARAMETERS)


# ---- ranges ----

_lrk_fill = types.ExternalFunction(
    "lrk_fill", types.void(_VOIDPTR, types.int64, types.int64, types.int64, types.uintp, types.int64)
)
_lrk_fill_float = types.ExternalFunction("lrk_fill_float", _lrk_fill.sig)
_lrk_gather = types.ExternalFunction("lrk_gather", types.void(_VOIDPTR, types.uintp, types.int64, types.uintp))


@intrinsic
def _table(typingctx: Any, schedule: Any) -> Any:
    """The lrk_table of a schedule, as long as the function runs."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = cgutils.create_struct_proxy(schedule)(context, builder, value=args[0])
        return builder.bitcast(_lrk_table(builder, made), cgutils.voidptr_t)

    return _VOIDPTR(schedule), codegen


_LAST = np.uint64(LARGEST_STEP)
_REALS = {types.float64: _lrk_fill, types.float32: _lrk_fill_float}


def _target(out: Any) -> Any:
    """The function that writes an array of this type."""
    if not isinstance(out, types.Array) or out.ndim != 1 or not out.mutable or out.dtype not in _REALS:
        raise TypingError(f"out must be a writeable array of float64 or float32 of one dimension, got {out}")
    return _REALS[out.dtype]


@njit
def _negated(gap: Any) -> Any:
    """-gap > 0, of the lowest int64 as well."""
    return np.uint64(0) - np.uint64(gap)


@njit
def _stride(stride: Any) -> Any:
    """A stride as an int64."""
    gap = np.int64(stride)
    _require(gap != 0, "stride must not be 0", stride)
    _require(gap > 0 or stride < 0, "stride must be < 2^63", stride)
    return gap


@overload_method(ScheduleType, "fill")
def _fill(schedule: Any, start: Any, out: Any, stride: Any = 1) -> Any:
    """``Schedule.fill``."""
    _integer("start", start)
    _integer("stride", _given(stride))
    fill, size = _target(out), out.dtype.bitwidth // 8

    def impl(schedule: Any, start: Any, out: Any, stride: Any = 1) -> Any:
        first, gap, count = np.int64(start), _stride(stride), out.size
        _require(first >= 0 or start < 0, "start must be < 2^63", start)
        if count > 0:
            near = np.uint64(first)
            room = (_LAST - near) // np.uint64(gap) if gap > 0 else near // _negated(gap)
            _require(first >= 0 and np.uint64(count - 1) <= room, "start must keep every step >= 0 and < 2^63", start)
        _require(count < 2 or abs(out.strides[0]) >= size, "out must not overlap itself, stride in bytes", out.strides[0])
        if out.strides[0] % size == 0:
            fill(_table(schedule), first, gap, count, out.ctypes.data, out.strides[0] // size)
        else:  # a field of a packed structure
            plain = np.empty(count, out.dtype)
            fill(_table(schedule), first, gap, count, plain.ctypes.data, 1)
            out[:] = plain

    return impl


@overload_method(ScheduleType, "values")
def _values(schedule: Any, start: Any, stop: Any = None, stride: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """``Schedule.values``, on one thread."""
    _integer("start", start)
    if not is_nonelike(stop):
        _integer("stop", stop)
    if not is_nonelike(stride):
        _integer("stride", stride)
        if is_nonelike(stop):
            raise TypingError("stop must be an integer where a stride is given, got none")
    if not is_nonelike(out):
        _target(out)
    real: Any = parse_dtype(dtype) if not is_nonelike(dtype) else types.float64 if is_nonelike(out) else out.dtype
    if real not in _REALS:
        raise TypingError(f"dtype must be float64 or float32, got {dtype}")
    if not is_nonelike(out) and out.dtype != real:
        raise TypingError(f"out must have dtype {real}, got {out.dtype}")
    kind = as_dtype(real)

    def impl(schedule: Any, start: Any, stop: Any = None, stride: Any = None, dtype: Any = None, out: Any = None) -> Any:
        if stop is None:
            first, last = np.int64(0), np.int64(start)
            _require(last >= 0 or start < 0, "stop must be < 2^63", start)
        else:
            first, last = np.int64(start), np.int64(stop)
            _require(first >= 0 or start < 0, "start must be < 2^63", start)
            _require(last >= 0 or stop < 0, "stop must be < 2^63", stop)
        gap = np.int64(1) if stride is None else _stride(stride)
        count = np.int64(0)
        if (gap > 0 and first < last) or (gap < 0 and first > last):
            _require(first >= 0, "start must keep every step >= 0", first)
            across = np.uint64(last) - np.uint64(first) if gap > 0 else np.uint64(first) - np.uint64(last)
            every = np.uint64(gap) if gap > 0 else _negated(gap)
            more = (across - np.uint64(1)) // every  # steps after the first
            _require(gap > 0 or more * every <= np.uint64(first), "stop must keep every step >= 0", last)
            count = np.int64(more) + 1
        if out is None:
            made = np.empty(count, kind)
        else:
            _require(out.size == count, "out must have as many values as there are steps", out.size)
            made = out
        schedule.fill(first, made, gap)
        return made

    return impl


# ---- a position that moves ----


@structref.register
class CursorType(types.StructRef):
    """The numba type of ``Cursor``."""


class Cursor(structref.StructRefProxy):
    """A schedule and a position, made and moved in compiled code or in Python; as ``Scheduler`` without an optimizer.

    Where ``schedule(step)`` stands in a loop it is as fast. A cursor is for a position that outlives the function: it may be passed
    to one after the other, returned, and kept. Two threads must not move one cursor at a time.

    Parameters
    ----------
    schedule : Schedule
        What is evaluated.
    step : int, optional
        The first position, 0 <= step < 2^63.

    Raises
    ------
    ValueError, TypeError
        For another step, and for arguments of another type.

    Examples
    --------
    >>> import lrkernel as lrk, numba
    >>> from lrkernel.jit import Cursor
    >>> @numba.njit
    ... def total(cursor, n):
    ...     found = cursor.get_lr()
    ...     for _ in range(n - 1):
    ...         found += cursor.step()
    ...     return found
    >>> cursor = Cursor(lrk.linear(1.0, 0.0, 4))
    >>> total(cursor, 3), cursor.current_step, cursor.step()
    (2.25, 2, 0.25)
    """

    def __new__(cls, schedule: Schedule, step: int = 0) -> Any:
        if not isinstance(schedule, Schedule):
            raise TypeError(f"schedule must be a schedule, got {shown(schedule)}")
        return _new_cursor(schedule, position("step", step))

    @property
    def current_step(self) -> int:
        """The position."""
        return int(_current_step(self))

    def step(self) -> float:
        """Advance by one step and return the value there: ``schedule(current_step + 1)``.

        One thread at a time.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> from lrkernel.jit import Cursor
        >>> cursor = Cursor(lrk.linear(1.0, 0.0, 4))
        >>> cursor.step(), cursor.step(), cursor.current_step
        (0.75, 0.5, 2)
        """
        return float(_step(self))

    def seek(self, step: int) -> float:
        """Go to a step and return the value there: ``schedule(step)``.

        Parameters
        ----------
        step : int
            0 <= step < 2^63.

        Raises
        ------
        ValueError, TypeError
            For another step; the position stays.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> from lrkernel.jit import Cursor
        >>> cursor = Cursor(lrk.linear(1.0, 0.0, 4))
        >>> cursor.seek(3), cursor.seek(1)
        (0.25, 0.75)
        """
        return float(_seek(self, position("step", step)))

    def get_lr(self) -> float:
        """The value at the position, which stays: ``schedule(current_step)``.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> from lrkernel.jit import Cursor
        >>> Cursor(lrk.linear(1.0, 0.0, 4), step=1).get_lr()
        0.75
        """
        return float(_get_lr(self))


cursor_type = CursorType([("schedule", schedule_type), ("current_step", types.int64), ("memory", types.int64[::1])])
structref.define_boxing(CursorType, Cursor)


# The methods are put into the caller and read the fields in place: functions, which count references, took five times as long.


@infer_getattr
class _Methods(AttributeTemplate):
    key = CursorType

    @bound_function("lrkernel.Cursor.step")
    def resolve_step(self, cursor: Any, args: Any, kws: Any) -> Any:
        return None if args or kws else signature(types.float64)

    @bound_function("lrkernel.Cursor.get_lr")
    def resolve_get_lr(self, cursor: Any, args: Any, kws: Any) -> Any:
        return None if args or kws else signature(types.float64)

    @bound_function("lrkernel.Cursor.seek")
    def resolve_seek(self, cursor: Any, args: Any, kws: Any) -> Any:
        if len(args) != 1 or kws:
            return None
        _integer("step", args[0])
        return signature(types.float64, types.unliteral(args[0]))


def _fields(context: Any, builder: Any, typ: Any, cursor: Any) -> Any:
    return structref._Utils(context, builder, typ).get_data_struct(cursor)


def _value(context: Any, builder: Any, fields: Any, step: Any) -> Any:
    schedule = cgutils.create_struct_proxy(schedule_type)(context, builder, value=fields.schedule)
    memory = context.make_array(types.int64[::1])(context, builder, value=fields.memory).data
    return _at(context, builder, builder.bitcast(memory, _MEMORY.as_pointer()), schedule, types.uint64, step)


@lower_builtin("lrkernel.Cursor.get_lr", CursorType)
def _lower_get_lr(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    fields = _fields(context, builder, sig.args[0], args[0])
    return _value(context, builder, fields, fields.current_step)


@lower_builtin("lrkernel.Cursor.step", CursorType)
def _lower_step(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    fields = _fields(context, builder, sig.args[0], args[0])
    step = builder.add(fields.current_step, _I64(1))
    value = _value(context, builder, fields, step)
    fields.current_step = step
    return value


@lower_builtin("lrkernel.Cursor.seek", CursorType, types.Integer)
def _lower_seek(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    fields = _fields(context, builder, sig.args[0], args[0])
    step = context.cast(builder, args[1], sig.args[1], types.int64)
    _refuse_step(context, builder, sig.args[1], args[1], step)
    value = _value(context, builder, fields, step)
    fields.current_step = step
    return value


@overload(Cursor)
def _make(schedule: Any, step: Any = 0) -> Any:
    if not isinstance(schedule, ScheduleType):
        raise TypingError(f"schedule must be a schedule, got {schedule}")
    _integer("step", _given(step))

    def impl(schedule: Any, step: Any = 0) -> Any:
        cursor = structref.new(cursor_type)
        cursor.schedule = schedule
        cursor.current_step = _checked(step)
        cursor.memory = np.zeros(_MEMORY_WORDS, np.int64)
        return cursor

    return impl


_MEMORY_WORDS = 7 + CURSOR_VALUES


_new_cursor = njit(lambda schedule, step: Cursor(schedule, step))
_current_step = njit(lambda cursor: cursor.current_step)
_step = njit(lambda cursor: cursor.step())
_seek = njit(lambda cursor, step: cursor.seek(step))
_get_lr = njit(lambda cursor: cursor.get_lr())


# ---- shapes of your own ----


def compiled(fn: Any) -> tuple[int, int, int, int, Any]:
    """The addresses of g(u), no data, of g for many u at once, and what keeps them alive; ``custom.Code``."""
    if not isinstance(fn, Dispatcher | FunctionType):
        raise TypeError(f"fn must be a function that numba compiles, or be sampled (samples=4096), got {fn!r}")
    inner = fn if isinstance(fn, Dispatcher) else njit(error_model="numpy")(fn)

    @njit(error_model="numpy")
    def one(u: Any) -> Any:
        try:  # costs nothing that could be measured, and is dropped where g cannot raise
            return inner(u)
        except Exception:  # numba knows no other kinds
            return math.nan

    def many(u: Any, n: Any, g: Any) -> Any:
        for k in range(n):
            g[k] = one(u[k])

    try:
        single: Any = cfunc(types.float64(types.float64), error_model="numpy")(lambda u: one(u))
        pointer = types.CPointer(types.float64)
        several: Any = cfunc(types.void(pointer, types.int64, pointer), error_model="numpy")(many)
    except NumbaError as error:
        raise TypeError(f"fn must be a function that numba compiles, or be sampled (samples=4096), got {fn!r}") from error
    for k in range(LOOKS):
        inner(k / (LOOKS - 1))  # raises what it raises; called by address it only prints that
    # Where a loop may be put together otherwise than a single step, its bits are not those of single steps.
    loose = bool(inner.targetoptions.get("fastmath")) or "svml" in several._library.get_asm_str()
    return single.address, 0, 0, 0 if loose else several.address, (inner, single, several)
