"""simulation.fitting - the parameters of a law from measured losses, by SciPy."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import fields
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from lrkernel._arguments import items, shown
from lrkernel.schedule import Schedule
from lrkernel.shapes import from_values
from lrkernel.simulation.functionals import Floats, functional, scipy_optimize, steps_of
from lrkernel.simulation.laws import Annealing, Curve, Law, MultiPower

LEAST = 1e-300  # of a parameter under a logarithm
LOGARITHMS = (-600.0, 600.0)
POINTS = 48  # per curve, while guesses are tried


class Measured(NamedTuple):
    """One curve: the schedule, steps and losses."""

    schedule: Schedule
    steps: Any
    losses: Floats

    def thinned(self) -> "Measured":
        """At most so many of its points that a guess can be told from a better one."""
        kept = np.unique(np.linspace(0, self.steps.size - 1, min(self.steps.size, POINTS)).astype(np.int64))
        return self._replace(steps=self.steps[kept], losses=self.losses[kept])


def measured(curves: object) -> list[Measured]:
    """The curves that a user gave, checked."""
    found: list[Measured] = []
    for k, curve in enumerate(items("curves", curves, "curves")):
        name = f"curves[{k}]"
        if not isinstance(curve, tuple | list) or len(curve) != 3:
            raise TypeError(f"{name} must be a schedule or array, steps and losses, got {shown(curve)}")
        schedule = curve[0] if isinstance(curve[0], Schedule) else from_values(curve[0])
        steps, losses = steps_of(curve[1], 0), np.asarray(curve[2])
        if losses.dtype.kind not in "iuf":
            raise TypeError(f"{name} must have real numbers as losses, got {shown(curve[2])}")
        if steps.ndim != 1 or losses.shape != steps.shape:
            raise ValueError(f"{name} must have one loss for each step, got the shapes {steps.shape} and {losses.shape}")
        wrong = losses[~(np.isfinite(losses) & (losses > 0))]
        if wrong.size:
            raise ValueError(f"{name} must have losses > 0, got {wrong.tolist()[0]!r}")
        found.append(Measured(schedule, steps, losses.astype(np.float64)))
    return found


class Model(NamedTuple):
    """How a law is fitted: limits of its parameters, None for those > 0; values and derivatives; where to start."""

    limits: list[tuple[float, float] | None]
    evaluate: Callable[[Floats, Measured], tuple[Floats, Floats]]
    guesses: Callable[[list[Measured]], list[tuple[float, ...]]]


def _multi_power(parameters: Floats, curve: Measured) -> tuple[Floats, Floats]:
    found = functional("multi_power_slopes", curve.schedule, curve.steps, (*parameters, 0.0), None, 8)
    return found[:, 0], found[:, 1:]


def _annealing(parameters: Floats, curve: Measured) -> tuple[Floats, Floats]:
    least, factor, alpha, rate, decay = parameters.tolist()
    area = curve.schedule.forward_area(curve.steps)
    near, here, far = (curve.schedule.annealing_area(curve.steps, d) for d in _decays(decay))
    power = area**-alpha
    slopes = np.stack([np.ones_like(area), power, -factor * power * np.log(area), -here], axis=1)
    by_decay = -rate * (far - near) / (_decays(decay)[2] - _decays(decay)[0])
    return least + factor * power - rate * here, np.column_stack([slopes, by_decay])


def _decays(decay: float) -> tuple[float, float, float]:
    """Three decays to take a derivative by: the area is a function of the number of steps 1 / (1 - decay)."""
    width = 1e-4 * min(decay, 1.0 - decay)
    return decay - width, decay, decay + width


def _areas(curves: list[Measured]) -> tuple[float, float, float, float]:
    """The least loss, the first one, the sum of the schedule up to there, and the largest value."""
    first = [(curve.losses[0], curve.schedule.cumulative(curve.steps[0])) for curve in curves]
    loss, area = max(first)
    peak = max(float(curve.schedule(curve.steps).max()) for curve in curves)
    return min(float(curve.losses.min()) for curve in curves), float(loss), float(area), peak


def _guesses_multi_power(curves: list[Measured]) -> list[tuple[float, ...]]:
    least, loss, area, peak = _areas(curves)
    return [
        (share * least, (loss - share * least) * area**alpha, alpha, 0.1 / peak, 2.0, beta, gamma)
        for share, alpha, beta, gamma in ((0.95, 0.5, 0.6, 0.65), (0.85, 0.3, 0.4, 0.5), (0.97, 0.7, 0.5, 0.6))
    ]


def _guesses_annealing(curves: list[Measured]) -> list[tuple[float, ...]]:
    least, loss, area, peak = _areas(curves)
    return [
        (share * least, (loss - share * least) * area**alpha, alpha, 0.1 * (1.0 - decay) / peak, decay)
        for share, alpha, decay in ((0.95, 0.5, 0.999), (0.85, 0.3, 0.99), (0.97, 0.7, 0.9995))
    ]


ANY = (-np.inf, np.inf)
MODELS: dict[type[Law], Model] = {
    MultiPower: Model([ANY, *[None] * 6], _multi_power, _guesses_multi_power),
    Annealing: Model([ANY, None, None, None, (1e-6, 1.0 - 1e-9)], _annealing, _guesses_annealing),
}


def fitted(law: type[Law], curves: Iterable[Curve], start: Law | None, huber: float, progress: bool) -> Law:
    """The law of this class that fits best."""
    least_squares = scipy_optimize("fitting a law").least_squares
    found, model = measured(curves), MODELS[law]
    names = [field.name for field in fields(cast("Any", law))]
    points = sum(curve.losses.size for curve in found)
    if points < len(names):
        raise ValueError(f"curves must have at least {len(names)} points, got {points}")
    if start is not None and type(start) is not law:
        raise TypeError(f"start must be {law.__name__}, got {shown(start)}")
    scale = Scale(np.array([limits is None for limits in model.limits]))
    low, high = np.array([limits or LOGARITHMS for limits in model.limits]).T

    def search(place: Floats, among: list[Measured], tolerance: float, advance: Callable[[], object]) -> Any:
        place = np.clip(place, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
        misses = Misses(model, scale, among, advance)
        return least_squares(
            misses.values,
            place,
            misses.slopes,
            bounds=(low, high),
            loss="huber",
            f_scale=huber,
            x_scale="jac",
            ftol=tolerance,
            xtol=tolerance,
            gtol=1e-12,
            max_nfev=300,
        )

    with _bar(progress) as advance:
        some = [curve.thinned() for curve in found]
        guesses = model.guesses(found) if start is None else [tuple(getattr(start, name) for name in names)]
        tried = [search(scale.place(np.array(guess)), some, 1e-6, advance) for guess in guesses]
        best = search(min(tried, key=lambda one: one.cost).x, found, 1e-9, advance)
    return law(*scale.parameters(best.x).tolist())


class Scale(NamedTuple):
    """Parameters > 0 are searched by their logarithms."""

    logarithmic: npt.NDArray[np.bool_]

    def parameters(self, place: Floats) -> Floats:
        return np.where(self.logarithmic, np.exp(np.where(self.logarithmic, place, 0.0)), place)

    def place(self, parameters: Floats) -> Floats:
        return np.where(self.logarithmic, np.log(np.maximum(np.where(self.logarithmic, parameters, 1.0), LEAST)), parameters)


class Misses:
    """log(predicted) - log(measured) at all points, and their derivatives, which come from one evaluation but are asked for one
    after the other."""

    def __init__(self, model: Model, scale: Scale, curves: list[Measured], advance: Callable[[], object]) -> None:
        self._model, self._scale, self._curves, self._advance = model, scale, curves, advance
        self._logs = np.concatenate([np.log(curve.losses) for curve in curves])
        self._place = np.array([])
        self._found = self._place, self._place

    def _at(self, place: Floats) -> tuple[Floats, Floats]:
        if not np.array_equal(self._place, place):
            self._place, self._found = place.copy(), self._evaluate(place)
            self._advance()
        return self._found

    def _evaluate(self, place: Floats) -> tuple[Floats, Floats]:
        parameters = self._scale.parameters(place)
        with np.errstate(over="ignore", invalid="ignore"):  # of parameters on the way
            parts = [self._model.evaluate(parameters, curve) for curve in self._curves]
            losses, slopes = (np.concatenate(part) for part in zip(*parts, strict=True))
            known = np.clip(losses, 1e-3 * np.exp(self._logs), 1e300)
            slopes = slopes * np.where(self._scale.logarithmic, parameters, 1.0) / known[:, None]
        usable = (losses == known)[:, None] & np.isfinite(slopes)
        return np.log(known) - self._logs, np.where(usable, slopes, 0.0)

    def values(self, place: Floats) -> Floats:
        return self._at(place)[0]

    def slopes(self, place: Floats) -> Floats:
        return self._at(place)[1]


@contextmanager
def _bar(progress: bool) -> Generator[Callable[[], object], None, None]:
    """Counts evaluations on standard error, where that is wanted and rich is installed."""
    if not progress or find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fitting", total=None)
        yield lambda: bar.advance(task)
