"""_arguments - one check per kind of argument; each error names the argument, the value and the rule."""

import math
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from numbers import Integral, Real
from typing import Any, cast

import numpy as np

LARGEST_STEP = 2**63 - 1
MAX_THREADS = 1024
THREADS_FROM = 1 << 15  # values; below, hardly any takes as long as pool.c finds worth sharing
LONGEST = 2**53  # durations stay below: every whole one is then exact in float64

Boundary = int | float
Number = float | int | np.floating[Any] | np.integer[Any]
Duration = Number | str  # a string is a percentage of a total: "5%"


def _is_bool(value: object) -> bool:
    """bool, and what NumPy registers as a number besides: a time span."""
    return isinstance(value, bool | np.bool_ | np.timedelta64)


def real(name: str, value: object) -> float:
    """A finite float64; -0.0 becomes 0.0."""
    if type(value) is not float:
        if type(value) is not int and (_is_bool(value) or not isinstance(value, Real)):
            raise TypeError(f"{name} must be a real number, got {value!r}")
        try:
            value = float(value)
        except OverflowError:
            raise ValueError(f"{name} must be within the range of float64, got {shown(value)}") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return value + 0.0


def shown(value: object) -> str:
    """The value for a message, cut to a readable length."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python prints
        return "an integer of more than 4300 digits"
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def missing(what: str, package: str, extra: str) -> str:
    """What an ImportError says of a package that comes with an extra."""
    return f'{what} needs {package}: pip install "lrkernel[{extra}]"'


def one_of(name: str, value: object, known: Iterable[str]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {shown(value)}")
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    return value


def scalar(name: str, value: Any) -> float:
    """A finite number; of a 0-d tensor its value."""
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (RuntimeError, ValueError):  # of more values than one, or of a tensor without any
            raise TypeError(f"{name} must be a real number, got {shown(value)}") from None
    return real(name, value)


def positive(name: str, value: object) -> float:
    number = real(name, value)
    if number <= 0.0:
        raise ValueError(f"{name} must be > 0, got {value!r}")
    return number


def at_least(name: str, value: object, low: float) -> float:
    number = real(name, value)
    if number < low:
        raise ValueError(f"{name} must be >= {low:g}, got {value!r}")
    return number


def whole(name: str, value: object, low: int | None = None) -> int:
    """A Python int; a float is taken when it is whole."""
    if type(value) is int:
        number = value
    elif _is_bool(value) or not isinstance(value, Integral | Real):
        raise TypeError(f"{name} must be an integer, got {shown(value)}")
    elif isinstance(value, Integral):
        number = int(value)
    elif math.isfinite(value) and value == math.floor(value):
        number = cast("int", math.floor(value))
    else:
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    if low is not None and number < low:
        raise ValueError(f"{name} must be >= {low}, got {shown(value)}")
    return number


def normal(boundary: Boundary) -> Boundary:
    """Whole numbers as int, so that equal schedules have equal rows."""
    if type(boundary) is float and boundary.is_integer():
        return int(boundary)
    return boundary


def boundary(name: str, value: object) -> Boundary:
    """A point in time: int or float, 0 <= value < 2^63."""
    number = value if type(value) is int else _time(name, value)
    if not 0 <= number <= LARGEST_STEP:
        rule = ">= 0" if number < 0 else "< 2^63"
        raise ValueError(f"{name} must be {rule}, got {shown(value)}")
    return number


def duration(name: str, value: object, *, zero: bool = False) -> Boundary:
    """A length of time: int or float, 0 < value < 2^53, 0 too where `zero`."""
    number = value if type(value) is int else _time(name, value)
    if number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be {'>= 0' if zero else '> 0'}, got {shown(value)}")
    if number >= LONGEST:
        raise ValueError(f"{name} must be < 2^53, got {shown(value)}")
    return number


def whole_duration(name: str, value: object) -> int:
    """A whole number of steps, 1 <= value < 2^53."""
    number = whole(name, value, 1)
    duration(name, number)
    return number


def duration_of(name: str, value: object, total: Boundary) -> Boundary:
    """A length of time, 0 <= value < 2^53, or a percentage of the total: exact in its decimal digits, rounded to float64 once."""
    if not isinstance(value, str):
        return duration(name, value, zero=True)
    from fractions import Fraction  # 2 ms that few need

    percent = Fraction(-1)
    if value.isascii() and value.endswith("%") and value[:-1].replace(".", "0", 1).isdigit():
        with suppress(ValueError):  # of "." alone, or of more digits than Python reads
            percent = Fraction(value[:-1])
    if not 0 <= percent <= 100:
        raise ValueError(f'{name} must be steps or a percentage of total from "0%" to "100%", got {shown(value)}')
    return normal(float(percent * Fraction(total) / 100))


def _time(name: str, value: object) -> Boundary:
    if isinstance(value, Integral) and not _is_bool(value):
        return int(value)
    if isinstance(value, str):
        raise TypeError(f"{name} must be a real number, for a percentage needs a total, got {shown(value)}")
    return normal(real(name, value))


def position(name: str, step: object) -> int:
    """A step, 0 to 2^63 - 1."""
    number = whole(name, step, 0)
    if number > LARGEST_STEP:
        raise ValueError(f"{name} must be < 2^63, got {shown(step)}")
    return number


def plus(start: Boundary, length: Boundary) -> Boundary:
    """fl(start + length), exact for integers."""
    if type(start) is not type(length) and max(start, length) > LONGEST:  # an int that float64 would round first
        from fractions import Fraction

        return normal(float(Fraction(start) + Fraction(length)))
    return normal(start + length)


def items(name: str, values: object, of: str = "real numbers") -> list[Any]:
    """The items of a sequence; a string is none, an array must have one dimension."""
    if type(values) is list or type(values) is tuple:
        return list(cast("list[Any]", values))
    if isinstance(values, np.ndarray):
        if values.ndim != 1:
            raise ValueError(f"{name} must have shape (n,), got {values.shape}")
    elif isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of {of}, got {shown(values)}")
    return list(values)


def steps_array(value: object) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Steps as an int64 array of the same shape."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(f"step must be an integer or an array of integers, got {shown(value)}") from None
    kind = array.dtype.kind
    if kind == "O":
        flat = [whole("step", item, 0) for item in array.ravel().tolist()]
        _refuse(array, lambda: np.asarray([item > LARGEST_STEP for item in flat]).reshape(array.shape), "< 2^63")
        return np.asarray(flat, np.int64).reshape(array.shape)
    if kind not in "iuf":
        raise TypeError(f"step must be an integer or an array of integers, got {shown(value)}")
    if kind == "f":
        _refuse(array, lambda: ~np.isfinite(array) | (array != np.floor(array)), "a whole number")
    if kind != "u":
        _refuse(array, lambda: array < 0, ">= 0")
    if kind == "u" and array.dtype.itemsize == 8:
        _refuse(array, lambda: array > np.uint64(LARGEST_STEP), "< 2^63")
    if kind == "f":
        _refuse(array, lambda: array >= 2.0**63, "< 2^63")
    return np.ascontiguousarray(array, np.int64).reshape(array.shape)


def _refuse(array: np.ndarray[Any, Any], breaks: Callable[[], Any], rule: str) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        wrong = breaks()
    if wrong.any():
        raise ValueError(f"step must be {rule}, got {shown(array[wrong].tolist()[0])}")


def fraction(name: str, value: object) -> float:
    number = real(name, value)
    if not 0.0 < number < 1.0:
        raise ValueError(f"{name} must be > 0 and < 1, got {value!r}")
    return number


def threads_of(threads: object, count: int) -> int:
    """How many threads write `count` values."""
    if threads is None:
        return 1 if count < THREADS_FROM else min(_cores(), MAX_THREADS)
    number = whole("threads", threads, 1)
    if number > MAX_THREADS:
        raise ValueError(f"threads must be <= {MAX_THREADS}, got {shown(threads)}")
    return number


def _cores() -> int:
    """Those that this process may use."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
