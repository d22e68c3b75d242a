"""simulation.functionals - functionals of many schedules after many steps, computed in the core."""

from importlib import import_module
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from lrkernel import _core
from lrkernel._arguments import LARGEST_STEP, missing, shown, steps_array, threads_of
from lrkernel.batch import ScheduleBatch
from lrkernel.schedule import Schedule

Floats = npt.NDArray[np.float64]

# A functional costs about as much as this many values, for the choice of threads.
VALUES = 10_000


def steps_of(steps: object, least: int) -> npt.NDArray[np.int64]:
    """Steps, or numbers of steps, from `least` to 2^63 - 2."""
    if type(steps) is int and least <= steps < LARGEST_STEP:
        return np.array(steps)
    array = steps_array(steps)
    for step in (array.min(initial=least), array.max(initial=least)):
        if not least <= step < LARGEST_STEP:
            raise ValueError(f"steps must be >= {least} and < 2^63 - 1, got {step}")
    return array


def functional(
    name: str, schedule: object, steps: npt.NDArray[np.int64], parameters: npt.ArrayLike, threads: object, width: int = 1
) -> Floats:
    """`width` numbers for every schedule and every step, an array of the shape batch.shape + steps.shape + (width,)."""
    if isinstance(schedule, ScheduleBatch):
        tables, shape = schedule.schedules, schedule.shape
    elif isinstance(schedule, Schedule):
        tables, shape = (schedule,), ()
    else:
        raise TypeError(f"schedule must be a schedule or a batch of schedules, got {shown(schedule)}")
    workers = threads_of(threads, VALUES * len(tables) * steps.size)
    numbers = np.ascontiguousarray(parameters, np.float64)
    found = np.frombuffer(_core.predicted(name, tables, steps.reshape(-1), numbers, workers), np.float64)
    found = found.reshape(len(tables), steps.size, width)
    wrong = np.isnan(found)
    if wrong.any():
        row, column, _ = np.argwhere(wrong)[0]
        raise _refused(tables[row], int(steps.reshape(-1)[column]))
    return found.reshape(*shape, *steps.shape, width)


def functional_at(name: str, schedule: Schedule, step: int, parameters: tuple[float, ...]) -> list[float]:
    """The same numbers of one schedule after one step: what takes an array there took a fifth of a prediction."""
    if not 0 <= step < LARGEST_STEP:
        steps_of(step, 0)
    found = _core.predicted_at(name, schedule, step, parameters)
    if any(map(isnan, found)):
        raise _refused(schedule, step)
    return found


def _refused(schedule: Schedule, step: int) -> ValueError:
    """Why there is no number."""
    negative = schedule._first_negative(0, step + 1) >= 0
    rule = "be >= 0 at every step" if negative else "have sums within float64"
    return ValueError(f"schedule must {rule}, got {shown(schedule)}")


def plain(numbers: Floats) -> Any:
    """An array, or the float of one without axes."""
    return numbers if numbers.ndim else float(numbers)


def scipy_optimize(what: str) -> Any:
    """The module scipy.optimize, for what needs it."""
    try:
        return import_module("scipy.optimize")
    except ImportError as error:
        raise ImportError(missing(what, "SciPy", "simulation")) from error
