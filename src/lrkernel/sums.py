"""sums - sums of a schedule's values over steps, and the functionals that are such sums."""

from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from ._arguments import Number, shown, steps_array, whole
from ._core import Table

ALL_STEPS = 2**63

# lrk_panel of sums.h, field by field.
PANEL = np.dtype(
    [
        ("first", "i8"),
        ("count", "i8"),
        ("nodes", "i4"),
        ("at", "f8", 16),
        ("weight", "f8", 16),
        ("value", "f8", 16),
        ("before", "f8", 16),
        ("drop", "f8", 16),
        ("sum", "f8"),
    ],
    align=True,
)


class Nodes(NamedTuple):
    """What stands for the steps of a range in a sum over them: `step` (real), `weight`, `value`, the sum of the values of all
    steps `before` it, and `drop`, the value less that of the step before."""

    step: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    before: npt.NDArray[np.float64]
    drop: npt.NDArray[np.float64]


class Sums(Table):
    """The sums of a schedule."""

    def sum(self, a: Number, b: Number) -> float:
        """The sum of the values of the steps from `a` to before `b`."""
        start, stop = _range(a, b)
        if stop < ALL_STEPS:
            return self._sum(start, stop)
        return self._sum(start, stop - 1) + cast("float", self(stop - 1)) if start < stop else 0.0

    def cumulative(self, steps: Any, inclusive: bool = True) -> Any:
        """The sum of all values up to each step, that step included or not."""
        array = steps_array(steps)
        flat = [self.sum(0, step + inclusive) for step in array.reshape(-1).tolist()]
        return flat[0] if array.ndim == 0 else np.array(flat, np.float64).reshape(array.shape)

    def nodes(self, t: Number) -> Nodes:
        """The nodes of the steps before `t`."""
        panels = np.frombuffer(self._panels(0, whole("t", t, 0), True), PANEL)
        used = np.arange(16) < panels["nodes"][:, None]
        sums = panels["sum"].cumsum() - panels["sum"]
        return Nodes(
            (panels["first"][:, None] + panels["at"])[used],
            panels["weight"][used],
            panels["value"][used],
            (sums[:, None] + panels["before"])[used],
            panels["drop"][used],
        )


def _range(a: Number, b: Number) -> tuple[int, int]:
    start, stop = whole("a", a, 0), whole("b", b, 0)
    if stop > ALL_STEPS:
        raise ValueError(f"b must be <= 2^63, got {shown(b)}")
    if start > stop:
        raise ValueError(f"a must be <= b, got {shown(a)} > {shown(b)}")
    return start, stop
