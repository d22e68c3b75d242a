"""custom - shapes of your own: functions of the process, registered under a name, and the constructors they give.

Rows, bytes and pickles have the name or its key and never an address.
"""

import ctypes
import dis
import threading
from _ctypes import CFuncPtr
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _core
from ._arguments import Number, duration, missing, real, scalar, shown, whole
from .schedule import CUSTOM, Row, Schedule, check_label, from_rows

UNREGISTERED = "shape must be registered in this process"  # what the core says
CLOSE = 2.0**-50  # how near g must come to 1 at 0 and to 0 at 1: the ends of a row are exact by themselves
LOOKS = 1025  # where g is looked at before it is registered
MOST_SAMPLES = 2**24

_capsule_name = ctypes.pythonapi.PyCapsule_GetName
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_context = ctypes.pythonapi.PyCapsule_GetContext
_capsule_name.restype, _capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_capsule_context.restype, _capsule_context.argtypes = ctypes.c_void_p, [ctypes.py_object]


class Code(NamedTuple):
    """Addresses of a function's compiled code, 0 for none, and what keeps it alive."""

    plain: int = 0
    with_data: int = 0
    data: int = 0
    many: int = 0
    owner: Any = None

    def __call__(self, u: float) -> float:
        if self.plain:
            return float(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(self.plain)(u))
        return float(ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_void_p)(self.with_data)(u, self.data))

    def at_once(self, u: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The values by `many`."""
        found = np.empty_like(u)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(self.many)
        call(u.ctypes.data, u.size, found.ctypes.data)
        return found


class Registered(NamedTuple):
    name: str
    identity: Any
    code: Code


_registered: dict[float, Registered] = {}
_registering = threading.RLock()  # a function that is sampled may register one itself


class CustomShape:
    """What ``shape`` returns: the constructor ``(start, stop, steps)`` of a registered shape."""

    __slots__ = ("_key", "name")

    def __init__(self, name: str):
        self._key = key_of("name", name)
        self.name = str(name)  # which may be one of NumPy's

    def __call__(self, start: Number, stop: Number, steps: Number) -> Schedule:
        """A schedule of this shape from `start` to `stop`.

        ``stop + (start - stop) g(u)``, u = t / steps, with the g that is registered under the name

        Parameters
        ----------
        start, stop : float
            Any finite numbers.
        steps : int or float
            Duration, 0 < steps < 2^53.

        Raises
        ------
        ValueError, TypeError
            For arguments that are no finite numbers or out of range.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> square = lrk.shape(lambda u: (1.0 - u) * (1.0 - u), name="square of what is left")
        >>> square(start=1.0, stop=0.5, steps=4).values(5)
        array([1.     , 0.78125, 0.625  , 0.53125, 0.5    ])
        """
        first, last, length = real("start", start), real("stop", stop), duration("steps", steps)
        return from_rows(Row(CUSTOM, 0, length, first, last, self._key), length=length)

    def __repr__(self) -> str:
        return f"shape(name={self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CustomShape) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return CustomShape, (self.name,)


def shape(fn: Any = None, *, name: str, samples: int | None = None) -> CustomShape:
    """A shape of your own: the constructor ``(start, stop, steps)`` of a curve that g(u) describes, at compiled speed.

    ``stop + (start - stop) g(u)``, u = t / steps, with g(0) = 1 and g(1) = 0

    The name stands for g in ``to_dict``, bytes, pickles, ``repr`` and the fingerprint: register it before you load what has it.
    Values have the same bits by one step, arrays, ranges, strides and threads, but not on every machine: g may call its C library.

    Parameters
    ----------
    fn : callable, or a pointer to a C function ``double (double)``, optional
        g: a Python function that numba compiles, or what it has compiled (extra ``numba``); a ``ctypes`` function, a capsule of
        Cython's ``__pyx_capi__`` or a ``scipy.LowLevelCallable`` (``double (double, void *)`` too), which must need no GIL. It has
        no state. Where a compiled Python function raises after all, that step's value is NaN. Without it, the constructor of a name
        that is registered.
    name : str
        Not empty, without NUL.
    samples : int, optional
        Do not compile `fn`, but join its values at 0, 1/samples, ... 1 by straight lines.

    Raises
    ------
    ValueError
        If g is not 1 at 0 and 0 at 1, up to 2^-50, or not finite between; if the name stands for another function, or for none
        where `fn` is not given.
    TypeError
        For a function that is none of these, or that numba cannot compile.
    ImportError
        For a Python function where numba is missing.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> smooth = lrk.shape(lambda u: (1.0 - u) ** 2 * (1.0 + 2.0 * u), name="smoothstep")
    >>> schedule = lrk.linear(0.0, 1.0, 10).then(smooth(1.0, 0.5, 40))
    >>> schedule(10), schedule(20), schedule(50)
    (1.0, 0.921875, 0.5)
    >>> lrk.shape(name="smoothstep")
    shape(name='smoothstep')
    """
    check_label("name", name)
    if fn is None:
        if samples is not None:
            raise ValueError(f"samples must not be given without fn, got {shown(samples)}")
        return CustomShape(name)
    name = str(name)
    count = None if samples is None else whole("samples", samples, 1)
    if count is not None and count > MOST_SAMPLES:
        raise ValueError(f"samples must be <= 2^24, got {shown(samples)}")
    with _registering:
        key, identity = _core.key_of(name), (count, _identity(fn))
        known = _registered.get(key)
        if known is None:
            code = _checked(_compiled(fn) if count is None else _sampled(fn, count))
            _core.register_shape(name, code.plain, code.with_data, code.data, code.many)
            _registered[key] = Registered(name, identity, code)
        elif known.name != name:
            raise ValueError(f"name must have another key than {known.name!r}, which is registered, got {name!r}")
        elif not _same(known.identity, identity):
            raise ValueError(f"name must not be registered for another function, got {name!r}")
    return CustomShape(name)


def name_of(key: float) -> str:
    """The name that a row's key stands for."""
    return _registered[key].name


def key_of(path: str, name: object) -> float:
    """The key of a registered name, which `path` has."""
    check_label(path, name)
    key = _core.key_of(str(name))
    if key not in _registered and _core.is_registered(key):  # by an extension module
        _registered.setdefault(key, Registered(str(name), None, Code()))
    if key not in _registered or _registered[key].name != name:
        raise ValueError(f"{path} must be registered: call lrkernel.shape(fn, name={name!r}) with its function first")
    return key


# ---- functions ----


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _identity(fn: Any, seen: list[FunctionType] | None = None) -> Any:
    """What two functions of the same code have in common: a cell of a notebook that runs again makes another object."""
    seen = [] if seen is None else seen
    if isinstance(fn, partial):
        return partial, _identity(fn.func, seen), _meaning(fn.args, seen), _meaning(tuple(fn.keywords.items()), seen)
    function = getattr(fn, "py_func", fn)
    if not isinstance(function, FunctionType):  # a bound method too: what it is bound to counts
        return _pointers(fn)[:3] if _is_pointer(fn) else fn
    if function in seen:  # which may call itself, and is looked into once however many call it
        return seen.index(function)
    seen.append(function)
    cells = dict(zip(function.__code__.co_freevars, map(_content, function.__closure__ or ()), strict=True))
    defaults = (function.__defaults__, tuple((function.__kwdefaults__ or {}).items()), tuple(cells.values()))
    return (
        _code(function.__code__, {**function.__globals__, **cells}, seen),
        _meaning(defaults, seen),
        getattr(fn, "targetoptions", None),
    )


def _code(code: CodeType, known: dict[str, Any], seen: list[FunctionType]) -> Any:
    """What code says wherever its lines are, and what the names stand for that it takes from outside, as far as attributes lead."""
    used: list[Any] = []
    held: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_DEREF"):
            held = known.get(instruction.argval)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            held = getattr(held, instruction.argval, None) if isinstance(held, ModuleType | type) else None
        else:
            held = None
            continue
        used.append(_meaning(held, seen))
    inside = [_code(constant, known, seen) for constant in code.co_consts if isinstance(constant, CodeType)]
    constants = tuple(constant for constant in code.co_consts if not isinstance(constant, CodeType))
    return code.co_code, _meaning(constants, seen), code.co_names, used, inside


def _meaning(value: Any, seen: list[FunctionType]) -> Any:
    """A value by its content: u**3 and u**3.0, 0.0 and -0.0 have other bits, and the same function may come as another object."""
    if isinstance(value, partial) or isinstance(getattr(value, "py_func", value), FunctionType):
        return _identity(value, seen)
    if isinstance(value, tuple):
        return tuple(_meaning(item, seen) for item in value)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return type(value), value.hex() if isinstance(value, float) else value


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (RuntimeError, ValueError):  # of torch's tensors, and of arrays in lists
        return False


def _is_pointer(fn: Any) -> bool:
    return isinstance(fn, CFuncPtr) or type(fn).__name__ in ("PyCapsule", "LowLevelCallable", "CFunc")


def _pointers(fn: Any) -> Code:
    """The code behind a function pointer of another library."""
    if type(fn).__name__ == "CFunc":  # numba's
        return _pointers(fn.ctypes)._replace(owner=fn)
    if isinstance(fn, CFuncPtr):
        if fn.restype is not ctypes.c_double or list(fn.argtypes or ()) != [ctypes.c_double]:
            raise TypeError(f"fn must have restype c_double and argtypes [c_double], got {fn.restype} and {fn.argtypes}")
        address = ctypes.cast(fn, ctypes.c_void_p).value
        if address is None:
            raise ValueError("fn must point to a function, got NULL")
        return Code(plain=address, owner=fn)
    capsule = tuple.__getitem__(fn, 0) if isinstance(fn, tuple) else fn
    name = _capsule_name(capsule)
    if name == b"double (double)":
        return Code(plain=_capsule_pointer(capsule, name), owner=fn)
    if name == b"double (double, void *)" and isinstance(fn, tuple):
        return Code(with_data=_capsule_pointer(capsule, name), data=_capsule_context(capsule) or 0, owner=fn)
    raise TypeError(f"fn must be a function double (double), got {(name or b'?').decode()}")


def _compiled(fn: Any) -> Code:
    if _is_pointer(fn):
        return _pointers(fn)
    if not callable(fn):
        raise TypeError(f"fn must be a function, got {shown(fn)}")
    try:
        from .jit import compiled
    except ImportError as error:
        if error.name not in ("numba", "llvmlite"):
            raise
        raise ImportError(f"{missing('shape of a Python function', 'numba', 'numba')}, or sample it: samples=4096") from None
    return Code(*compiled(fn))


def _sampled(fn: Any, count: int) -> Code:
    if not callable(fn):
        raise TypeError(f"fn must be a function to be sampled, got {shown(fn)}")
    data = np.array([count, *(scalar("fn", fn(k / count)) for k in range(count + 1))], np.float64)
    return Code(with_data=_core.SYMBOLS["lrk_sampled"], data=data.ctypes.data, owner=(fn, data))


def _checked(code: Code) -> Code:
    """The code of a g that can be a shape; without `many` where that has other bits."""
    u = np.arange(LOOKS) / (LOOKS - 1)
    g = np.array([code(x) for x in u.tolist()])
    for at, wanted in ((0, 1.0), (-1, 0.0)):
        if not abs(g[at] - wanted) <= CLOSE:
            raise ValueError(f"fn must be {wanted:g} at {u[at]:g}, got {float(g[at])!r}")
    if not np.isfinite(g).all():
        at = int(np.flatnonzero(~np.isfinite(g))[0])
        raise ValueError(f"fn must be finite from 0 to 1, got {float(g[at])!r} at {float(u[at])!r}")
    if code.many and any(code.at_once(u[n:]).tobytes() != g[n:].tobytes() for n in range(9)):
        return code._replace(many=0)
    return code


__all__ = ["shape"]
