"""direct - laws and bounds as they were published, step by step in long double, and the curves measured for one of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import lrkernel as lrk
from lrkernel.simulation import MultiPower

LONG = np.longdouble
CHUNK = 1 << 20
MEASURED = Path(__file__).parent / "measured"
PEAK, FLOOR, WARMUP = 3e-4, 3e-5, 2160

# By millions of parameters: what Luo et al. fitted, and where their search for the best 24000 steps ended.
LAWS = {
    25: MultiPower(3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257),
    100: MultiPower(2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199, 0.65523644),
}
SEARCHED = {25: 3.14968, 100: 2.79414}


def multi_power(law: MultiPower, schedule: lrk.Schedule, step: int, area_before: float = 0.0) -> Any:
    """The loss after one step, from the last step back in chunks."""
    total, drops, end = LONG(0), LONG(0), step + 1
    while end > 0:
        start = max(0, end - CHUNK)
        values = schedule.values(max(0, start - 1), end).astype(LONG)
        before = values[:-1] if start else np.concatenate([values[:1], values[:-1]])
        here = values[1:] if start else values
        sums = here[::-1].cumsum()[::-1] + total
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = 1 - (1 + LONG(law.C) * here ** -LONG(law.gamma) * sums) ** -LONG(law.beta)
        if law.gamma > 0:
            factors[here == 0] = 1
        drops += ((here - before) * factors).sum()
        total, end = sums[0], start
    return law.L0 + law.A * (total + LONG(area_before)) ** -LONG(law.alpha) + law.B * drops


def multi_power_curve(law: MultiPower, schedule: lrk.Schedule, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The losses after many steps, each a sum over all steps up to there; differences of sums in long double."""
    values = schedule.values(int(steps.max()) + 1)
    sums = values.astype(LONG).cumsum()
    drops, powers = np.diff(values), np.maximum(values[1:], 1e-300) ** -law.gamma
    falls = np.flatnonzero(drops)
    found = np.empty(steps.size)
    for k, step in enumerate(steps.tolist()):
        at = falls[falls < step]
        behind = (sums[step] - sums[at]).astype(np.float64)  # S(t) - S(k - 1), as at counts from k = 1
        factors = -np.expm1(-law.beta * np.log1p(law.C * powers[at] * behind))
        found[k] = law.L0 + law.A * float(sums[step]) ** -law.alpha + law.B * (drops[at] @ factors)
    return found


def annealing(law: Any, schedule: lrk.Schedule, step: int) -> Any:
    """By the recursion of its annealing area."""
    values = schedule.values(step + 1).astype(LONG)
    momentum, area = LONG(0), LONG(0)
    for drop in values[:-1] - values[1:]:
        momentum = LONG(law.decay) * momentum + drop
        area += momentum
    return law.L0 + law.A * values.sum() ** -LONG(law.alpha) - law.C * area


def last_iterate(schedule: lrk.Schedule, steps: int, distance: float, norms: npt.NDArray[Any] | float) -> Any:
    """The published form: sums of lr and of lr^2 G^2 from each step on, and their quotients."""
    values = schedule.values(steps).astype(LONG)
    squares = (values * norms) ** 2
    sums, quotas = values[::-1].cumsum()[::-1], squares[::-1].cumsum()[::-1]
    inner = (values[:-1] / sums[1:] * (quotas[:-1] / sums[:-1])).sum()
    return LONG(distance) ** 2 / (2 * sums[0]) + quotas[0] / (2 * sums[0]) + inner / 2


class Measured(NamedTuple):
    """A curve: its schedule, and the losses after some of its steps."""

    size: int
    name: str
    schedule: lrk.Schedule
    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]


def schedule_of(name: str) -> lrk.Schedule:
    """The schedule of a file: 2160 values from 0 to the peak, both included, and what follows."""
    kind, *numbers = name.split("_")
    first = int(numbers[0])
    warmup = lrk.linear(0.0, PEAK, WARMUP - 1)
    if kind == "constant":
        return warmup.then(lrk.constant(PEAK))
    if kind == "cosine":
        return lrk.sequence(warmup, lrk.constant(PEAK, 1), lrk.cosine(PEAK, FLOOR, first - WARMUP))
    if kind == "wsdcon":
        return lrk.sequence(warmup, lrk.constant(PEAK, 8001 - WARMUP), lrk.constant(first * 1e-5))
    decay = {"wsd": lrk.geometric, "wsdld": lrk.linear}[kind](PEAK, FLOOR, int(numbers[1]) - first)
    return lrk.sequence(warmup, lrk.constant(PEAK, first + 1 - WARMUP), decay)


def measured(size: int) -> Iterator[Measured]:
    for path in sorted((MEASURED / str(size)).glob("*.csv")):
        steps, values, losses = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
        yield Measured(size, path.stem, schedule_of(path.stem), steps.astype(np.int64), values, losses)
