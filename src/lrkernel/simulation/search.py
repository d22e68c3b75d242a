"""simulation.search - the schedule of which a law predicts the least loss, by SciPy."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from lrkernel import builders, shapes
from lrkernel._arguments import Number, at_least, one_of, positive, real, shown, whole, whole_duration
from lrkernel.schedule import Schedule, sequence
from lrkernel.simulation.functionals import Floats, scipy_optimize
from lrkernel.simulation.laws import Annealing, Law, MultiPower

KNOTS = 48
GRID = 8  # values of each parameter of a family that the search begins with
FAMILIES = ("free", "wsd")


class Optimum(NamedTuple):
    """The best schedule, the loss that the law predicts after its last step, and the parameters of its family."""

    schedule: Schedule
    loss: float
    parameters: dict[str, Any]


class Run(NamedTuple):
    """What every candidate has in common; the curve proper begins at the peak, at step `warmup`."""

    law: Law
    peak: float
    steps: int
    warmup: int
    counts: str
    floor: float

    def whole_schedule(self, curve: Schedule) -> Schedule:
        return sequence(shapes.linear(0.0, self.peak, self.warmup), curve) if self.warmup else curve

    def loss(self, curve: Schedule) -> float:
        if self.counts == "area":
            area = 0.5 * self.peak * self.warmup
            return cast("float", self.law.predict(curve, self.steps - 1 - self.warmup, area_before=area))
        return cast("float", self.law.predict(self.whole_schedule(curve), self.steps - 1))


def optimize(
    law: Law,
    *,
    peak: Number,
    steps: Number,
    family: str | Callable[..., Schedule] = "free",
    warmup: Number = 0,
    warmup_counts: str = "fully",
    floor: Number = 0.0,
    knots: Number = KNOTS,
    jumps: bool = True,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Optimum:
    """The schedule of which a law predicts the least loss after its last step.

    Parameters
    ----------
    law : Law
        ``MultiPower`` or ``Annealing``.
    peak : float
        > 0: where the curve starts, which it never exceeds.
    steps : int
        Of the whole run, the warm-up included.
    family : "free", "wsd" or callable
        What is searched. "free": piecewise-linear curves that never rise. "wsd": the peak, then a cooldown to the floor, by its
        length and its shape, (1 - u)^power, "cosine" or "1-sqrt". A function: its schedules of the whole run, by the arguments that
        `bounds` names.
    warmup : int
        Steps of a linear warm-up from 0 before the curve, fewer than `steps`.
    warmup_counts : "fully" or "area"
        Whether the law sees all of the warm-up, or only its area, peak warmup / 2, before a run that begins at the peak, as
        Luo et al. have it.
    floor : float
        What the curve never goes below, 0 <= floor < peak.
    knots : int
        Of a free curve, >= 4; closer and closer together towards the end.
    jumps : bool
        Whether the knots of a free curve come in pairs of neighbouring steps, so that it can also fall at once. The multi-power law
        prefers that: it credits a fall by the value behind it.
    bounds : mapping of str to (low, high)
        Of each argument of a function, low < high; searched by their logarithms where low > 0.

    Returns
    -------
    Optimum

    Raises
    ------
    ImportError
        If SciPy is not installed.
    ValueError, TypeError
        If an argument is out of its range.

    Examples
    --------
    >>> import lrkernel as lrk
    >>> from lrkernel.simulation import MultiPower, optimize
    >>> law = MultiPower(L0=2.65, A=0.6, alpha=0.45, B=438.0, C=2.13, beta=0.6, gamma=0.66)
    >>> cosine = law.predict(lrk.warmup_cosine(3e-4, 2000, 24_000), 23_999)
    >>> wsd = optimize(law, peak=3e-4, steps=24_000, warmup=2000, family="wsd")
    >>> free = optimize(law, peak=3e-4, steps=24_000, warmup=2000)
    >>> free.loss < wsd.loss < cosine
    True
    >>> free.loss == law.predict(free.schedule, 23_999)
    True
    """
    if not isinstance(law, Law):
        raise TypeError(f"law must be a loss law, got {shown(law)}")
    top, total = positive("peak", peak), whole_duration("steps", steps)
    before, low = whole("warmup", warmup, 0), at_least("floor", floor, 0.0)
    if before >= total - 1:
        raise ValueError(f"warmup must be < steps - 1, got {shown(warmup)}")
    if low >= top:
        raise ValueError(f"floor must be < peak, got {floor!r}")
    run = Run(law, top, total, before, one_of("warmup_counts", warmup_counts, ("fully", "area")), low)
    count = whole("knots", knots, 4)
    if callable(family):
        if not bounds:
            raise ValueError(f"bounds must name the arguments of family, got {bounds!r}")
        return _of_family(run, family, {name: _limits(name, pair) for name, pair in bounds.items()})
    if bounds is not None:
        raise ValueError(f"bounds must be left out where family is a name, got {shown(bounds)}")
    return (_free if one_of("family", family, FAMILIES) == "free" else _wsd)(run, count, jumps)


# ---- families ----


def _limits(name: str, pair: Any) -> tuple[float, float]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"bounds[{name!r}] must be (low, high), got {shown(pair)}")
    low, high = real(f"bounds[{name!r}]", pair[0]), real(f"bounds[{name!r}]", pair[1])
    if low >= high:
        raise ValueError(f"bounds[{name!r}] must rise, got {shown(pair)}")
    return low, high


class Axis(NamedTuple):
    """A parameter as a number from 0 to 1: in proportion to its logarithm where it is positive."""

    low: float
    high: float

    def at(self, x: float) -> float:
        x = min(max(x, 0.0), 1.0)
        if self.low > 0.0:
            return float(min(max(self.low * (self.high / self.low) ** x, self.low), self.high))
        return self.low + (self.high - self.low) * x


def _least(loss: Callable[[list[float]], float], axes: list[Axis]) -> tuple[list[float], float]:
    """The least of a grid, and from there downhill by Nelder and Mead: the losses of families have kinks at whole steps."""

    def of_places(places: Any) -> float:
        return loss([axis.at(float(x)) for axis, x in zip(axes, places, strict=True)])

    minimize = scipy_optimize("optimize").minimize
    grid = np.linspace(0.0, 1.0, GRID)
    places = np.stack(np.meshgrid(*[grid] * len(axes), indexing="ij"), axis=-1).reshape(-1, len(axes))
    first = min(places, key=of_places)
    corners = np.clip(np.vstack([first, first + (0.5 / GRID) * np.where(first > 0.5, -1.0, 1.0) * np.eye(len(axes))]), 0.0, 1.0)
    options = {"initial_simplex": corners, "xatol": 1e-7, "fatol": 1e-12, "maxiter": 400 * len(axes)}
    found = minimize(of_places, first, method="Nelder-Mead", bounds=[(0.0, 1.0)] * len(axes), options=options)
    return [axis.at(float(x)) for axis, x in zip(axes, found.x, strict=True)], float(found.fun)


def _of_family(run: Run, family: Callable[..., Schedule], bounds: dict[str, tuple[float, float]]) -> Optimum:
    def made(values: list[float]) -> Schedule:
        schedule = family(**dict(zip(bounds, values, strict=True)))
        if not isinstance(schedule, Schedule):
            raise TypeError(f"family must return a schedule, got {shown(schedule)}")
        return schedule

    values, loss = _least(
        lambda values: run.law.predict(made(values), run.steps - 1), [Axis(low, high) for low, high in bounds.values()]
    )
    return Optimum(made(values), loss, dict(zip(bounds, values, strict=True)))


def _wsd(run: Run, knots: int, jumps: bool) -> Optimum:
    length = run.steps - run.warmup
    axes = [Axis(1.0, float(length)), Axis(0.25, 16.0)]  # of the length, and of the power

    def curve(values: list[float], shape: str) -> Schedule:
        stable = length - values[0]
        if shape != "power":
            return builders.wsd(run.peak, 0, stable, values[0], run.floor, decay_shape=shape)
        decay = shapes.polynomial(run.peak, run.floor, *values)
        return sequence(shapes.constant(run.peak, stable), decay) if stable else decay

    best: Optimum | None = None
    for shape, count in {"power": 2, "cosine": 1, "1-sqrt": 1}.items():
        values, loss = _least(lambda values, shape=shape: run.loss(curve(values, shape)), axes[:count])  # type: ignore[misc]
        if best is None or loss < best.loss:
            parameters = {"decay": values[0], "shape": shape} | dict(zip(["power"], values[1:], strict=False))
            best = Optimum(run.whole_schedule(curve(values, shape)), loss, parameters)
    return cast("Optimum", best)


# ---- free curves ----
# Between knots at fixed steps a step's value, its drop and the sum from it to the end are linear in the values at the knots, and
# the sum over all steps goes over nodes at fixed places. An evaluation with its exact derivative takes a quarter of a millisecond,
# whatever the number of steps. As products with dense matrices it took 30 microseconds, or 10 milliseconds where the threads of
# BLAS had to share their cores.


def _places(length: int, knots: int, jumps: bool) -> npt.NDArray[np.int64]:
    """Steps of the knots of a curve of `length` steps, the distances from its end in proportion."""
    count = max(2, knots // 2 - 1) if jumps else knots - 1
    away = np.unique(np.round(np.geomspace(1.0, float(length - 1), count)).astype(np.int64))
    places = length - 1 - away
    inner = np.concatenate([places, places + 1]) if jumps else places
    return np.unique(np.concatenate([[0, length - 1], inner]))


class Lines:
    """The nodes of the steps behind the first knot: with the values at the knots, what the laws ask of each."""

    def __init__(self, knots: npt.NDArray[np.int64]) -> None:
        spans = np.diff(knots)
        # Of steps 1 .. span behind a knot; they come closer to the next one, where the schedule may be near 0.
        nodes = [shapes.linear(2.0, 1.0, span).nodes(span - 1) for span in spans.tolist()]
        self.spans = spans.astype(np.float64)
        self.line = np.repeat(np.arange(spans.size), [one.step.size for one in nodes])
        self.weight = np.concatenate([one.weight for one in nodes])
        at, span = np.concatenate([one.step for one in nodes]) + 1.0, self.spans[self.line]
        self.share = at / span
        self.away = (knots[-1] - knots[:-1])[self.line] - at  # from the last step
        mean, count = 0.5 * (at + span) / span, span - at + 1.0
        self.rest_here, self.rest_next = count * (1.0 - mean), count * mean  # of the sum to the next knot

    def at_nodes(self, values: Floats) -> tuple[Floats, Floats, Floats, float]:
        """Values, drops and sums to the end at the nodes, and the sum of all steps."""
        here, following = values[self.line], values[self.line + 1]
        sums = 0.5 * ((self.spans - 1.0) * values[:-1] + (self.spans + 1.0) * values[1:])
        behind = np.append(np.add.accumulate(sums[::-1])[::-1], 0.0)
        rest = self.rest_here * here + self.rest_next * following + behind[self.line + 1]
        drop = self.weight * (following - here) / self.spans[self.line]
        return here + self.share * (following - here), drop, rest, float(values[0] + behind[0])

    def by_values(self, by_value: Floats, by_drop: Floats, by_rest: Floats, by_total: float) -> Floats:
        """The derivative by the values at the knots of what has these by what `at_nodes` gives."""
        rise = self.weight * by_drop / self.spans[self.line]
        found = self._by_line(by_value * (1.0 - self.share) + by_rest * self.rest_here - rise)
        found = np.append(found, 0.0)
        found[1:] += self._by_line(by_value * self.share + by_rest * self.rest_next + rise)
        before = np.add.accumulate(self._by_line(by_rest))
        by_sums = by_total + np.concatenate([[0.0], before[:-1]])
        found[:-1] += 0.5 * (self.spans - 1.0) * by_sums
        found[1:] += 0.5 * (self.spans + 1.0) * by_sums
        found[0] += by_total
        return found

    def _by_line(self, numbers: Floats) -> Floats:
        return np.asarray(np.bincount(self.line, numbers), np.float64)


def _multi_power(law: MultiPower, lines: Lines, values: Floats, area: float) -> tuple[Floats, Floats]:
    """The loss, and its derivatives by the values at the knots."""
    value, drop, rest, total = lines.at_nodes(values)
    value, total = np.maximum(value, 1e-300), total + area
    power = law.C * value**-law.gamma
    x = power * rest
    left = (1.0 + x) ** -law.beta
    by_x = law.B * law.beta * drop * left / (1.0 + x)
    by_total = -law.alpha * law.A * total ** (-law.alpha - 1.0)
    loss = law.L0 + law.A * total**-law.alpha + law.B * np.sum(drop * (1.0 - left))
    return loss, lines.by_values(-law.gamma * by_x * x / value, law.B * (1.0 - left), by_x * power, by_total)


def _annealing(law: Annealing, lines: Lines, values: Floats, area: float) -> tuple[Floats, Floats]:
    value, _, _, total = lines.at_nodes(values)
    total = total + area
    weight = lines.weight * np.exp(np.log(law.decay) * lines.away)
    nothing = np.zeros_like(value)
    by_total = -law.alpha * law.A * total ** (-law.alpha - 1.0)
    loss = law.L0 + law.A * total**-law.alpha - law.C * np.sum(weight * (values[0] - value))
    slope = lines.by_values(law.C * weight, nothing, nothing, by_total)
    slope[0] -= law.C * weight.sum()
    return loss, slope


def _free(run: Run, knots: int, jumps: bool) -> Optimum:
    places = _places(run.steps - run.warmup, knots, jumps)
    fully = run.warmup > 0 and run.counts == "fully"
    lines = Lines(np.concatenate([[0], places + run.warmup]) if fully else places)
    fixed = [0.0, run.peak] if fully else [run.peak]
    area = 0.5 * run.peak * run.warmup if run.counts == "area" else 0.0
    of_law: Any = _multi_power if isinstance(run.law, MultiPower) else _annealing
    reach = run.peak - run.floor

    def values_of(falls: Floats) -> Floats:
        """Above the floor, each knot is exp(-fall) times the one before: rising or going below it cannot be said."""
        return np.concatenate([fixed, run.floor + reach * np.exp(-np.add.accumulate(falls))])

    def loss(falls: Floats) -> tuple[float, Floats]:
        values = values_of(falls)
        found, slope = of_law(run.law, lines, values, area)
        by_logarithm = slope[len(fixed) :] * (run.floor - values[len(fixed) :])
        return SCALE * float(found), SCALE * np.add.accumulate(by_logarithm[::-1])[::-1]

    minimize, count = scipy_optimize("optimize").minimize, places.size - 1
    starts = [np.full(count, 6.0 / count), np.where(places[1:] > 0.8 * places[-1], 0.2, 1e-3)]
    # Without BLAS: the small matrices of L-BFGS-B are shared between its threads, which takes seconds on a busy machine, for curves
    # that are no better.
    options = {"maxfun": 5000, "ftol": 1e-15, "gtol": 1e-9, "xtol": 0.0}
    found = [minimize(loss, start, jac=True, method="TNC", bounds=[(0.0, 30.0)] * count, options=options) for start in starts]
    best = reduce(lambda a, b: a if a.fun <= b.fun else b, found)
    values = values_of(best.x)[len(fixed) - 1 :]
    curve = shapes.piecewise_linear(places.tolist(), values.tolist())
    return Optimum(run.whole_schedule(curve), run.loss(curve), {"steps": (places + run.warmup).tolist(), "values": values.tolist()})


SCALE = 1e3  # of losses, so that the stopping rules see differences of 1e-12 of one
