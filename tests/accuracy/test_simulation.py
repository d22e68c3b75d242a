"""What laws predict against the published formulas step by step in long double, and against what was measured."""

from collections.abc import Callable
from typing import Any

import direct
import numpy as np
import numpy.typing as npt
import pytest

import lrkernel as lrk
from lrkernel.simulation import Annealing, MultiPower, PowerLaw, kernel_sum, last_iterate_bound, optimal_peak, optimize, search
from lrkernel.simulation.functionals import functional

LAW = direct.LAWS[25]
CURVES = [curve for size in direct.LAWS for curve in direct.measured(size)]
VALUES = 3e-4 * np.random.default_rng(1).uniform(0.01, 1.0, 3000)

SCHEDULES = {
    "warmup_cosine": lrk.warmup_cosine(3e-4, 1000, 300_000),
    "warmup_cosine to a floor": lrk.warmup_cosine(3e-4, 1000, 300_000, floor=3e-5),
    "wsd": lrk.wsd(3e-4, 500, 200_000, 100_000),
    "wsd 1-sqrt": lrk.wsd(3e-4, 500, 200_000, 100_000, decay_shape="1-sqrt"),
    "wsd cosine": lrk.wsd(3e-4, 500, 200_000, 50_000, floor=1e-9, decay_shape="cosine"),
    "steep": lrk.sequence(lrk.constant(3e-4, 50_000), lrk.geometric(3e-4, 1e-12, 20_000)),
    "polynomial": lrk.power_ramp(0.0, 3e-4, 5000, 2.0).then(lrk.polynomial(3e-4, 0.0, 95_000, 3.0)),
    "restarts": lrk.cosine_restarts(3e-4, 7000, mult=1.5, floor=1e-6, warmup=100).cut(120_000),
    "to 0 and back": lrk.cosine_restarts(3e-4, 20_000).cut(120_000),
    "cliffs": lrk.piecewise_constant([3e-4, 1e-4, 1e-9], [50_000, 99_000]).cut(100_000),
    "stairs": lrk.step(3e-4, 777, 0.9).cut(60_000),
    "inverse_sqrt": lrk.inverse_sqrt(3e-4, 1000).cut(150_000),
    "product": (lrk.wsd(3e-4, 500, 60_000, 40_000) * lrk.cosine(1.0, 0.1, 80_000)).clip(1e-6, 2.5e-4),
    "epochs": lrk.linear(3e-4, 0.0, 100).by_epoch(700),
    "array": lrk.from_values(VALUES),
    "short": lrk.linear(3e-4, 0.0, 7),
}


def ends(schedule: lrk.Schedule) -> list[int]:
    assert schedule.length is not None
    last = int(schedule.length) - 1
    return sorted({last, last // 2, max(last - 1, 0), min(5, last), 1})


@pytest.mark.parametrize("name", SCHEDULES)
def test_multi_power(name: str) -> None:
    schedule = SCHEDULES[name]
    for step in ends(schedule):
        exact = direct.multi_power(LAW, schedule, step)
        assert abs(LAW.predict(schedule, step) - exact) <= 1e-13 * exact, step


def test_multi_power_after_ten_million_steps() -> None:
    for schedule in (lrk.warmup_cosine(3e-4, 10_000, 10_000_000), lrk.warmup_cosine(3e-4, 100_000, 10_000_000, floor=3e-5)):
        assert abs(LAW.predict(schedule, 9_999_999) - direct.multi_power(LAW, schedule, 9_999_999)) <= 1e-13


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 1.8])
@pytest.mark.parametrize("C", [1e-3, 2.0, 1e4])
def test_multi_power_of_other_parameters(C: float, gamma: float) -> None:  # noqa: N803
    for beta in (0.1, 0.6, 3.0):
        law = MultiPower(L0=2.0, A=0.5, alpha=0.7, B=300.0, C=C, beta=beta, gamma=gamma)
        for name in ("warmup_cosine", "wsd 1-sqrt", "steep", "to 0 and back"):
            last = ends(SCHEDULES[name])[-1]
            exact = direct.multi_power(law, SCHEDULES[name], last, 0.25)
            assert abs(law.predict(SCHEDULES[name], last, area_before=0.25) - exact) <= 1e-12, (beta, name)


ONE_STEP = lrk.polynomial(0.0, 0.1, 60, 1000.0)  # all of it in two steps


@pytest.mark.parametrize(
    ("schedule", "step"),
    [(ONE_STEP, 999), (ONE_STEP, 70), (lrk.piecewise_linear([3, 40, 900, 5000], [1.0, 2.5, 0.1, 1.0]), 5000)],
    ids=["a fall in the first step of a panel", "the same, near", "a rise to ten times the value"],
)
def test_panels_that_look_smooth(schedule: lrk.Schedule, step: int) -> None:
    exact = direct.multi_power(LAW, schedule, step)
    assert abs(LAW.predict(schedule, step) - exact) <= 1e-13 * LAW.B


def random_part(rng: np.random.Generator) -> lrk.Schedule:
    steps, cut = 10 ** rng.uniform(0.3, 3.6) + 1.0, int(10 ** rng.uniform(0.3, 3.6)) + 1
    a, b = 10 ** rng.uniform(-5.0, 0.5, 2)
    power = rng.choice([0.3, 0.5, 1.5, 2.0, 7.25, 1000.0])
    places = np.unique(rng.integers(0, cut + 4, 5))
    parts: list[Callable[[], lrk.Schedule]] = [
        lambda: lrk.linear(a, rng.choice([b, 0.0]), int(steps)),
        lambda: lrk.cosine(a, rng.choice([b, 0.0]), steps),
        lambda: lrk.cosine(max(a, b), min(a, b), steps, cycles=rng.uniform(0.3, 5.0)),
        lambda: lrk.polynomial(a, rng.choice([b, 0.0]), steps, power),
        lambda: lrk.power_ramp(rng.choice([a, 0.0]), b, steps, power),
        lambda: lrk.geometric(a, b, int(steps)),
        lambda: lrk.exponential(a, rng.uniform(0.01, 0.99999), 10 ** rng.uniform(0.0, 3.0)).cut(cut),
        lambda: lrk.inverse_sqrt(a, 10 ** rng.uniform(0.0, 3.0)).cut(cut),
        lambda: lrk.step(a, 10 ** rng.uniform(0.0, 2.5), rng.uniform(0.1, 1.0)).cut(cut),
        lambda: lrk.piecewise_linear(places.tolist(), (10 ** rng.uniform(-3.0, 0.5, places.size)).tolist()).cut(cut + 4),
        lambda: lrk.wsd(a, cut // 10, cut // 2, cut // 2 + 1, decay_shape=rng.choice(["1-sqrt", "cosine", "linear"])),
    ]
    return parts[rng.integers(len(parts))]()


def random_schedule(rng: np.random.Generator) -> lrk.Schedule:
    schedule = lrk.sequence(*[random_part(rng) for _ in range(rng.integers(1, 4))])
    changed: list[Callable[[], lrk.Schedule]] = [
        lambda: schedule * lrk.cosine(1.0, 0.1, 5000),
        lambda: schedule.clip(*np.sort(10 ** rng.uniform(-4.0, 0.3, 2)).tolist()),
        lambda: schedule + 10 ** rng.uniform(-6.0, 0.0),
    ]
    return changed[kind]() if (kind := rng.integers(8)) < len(changed) else schedule


def random_law(rng: np.random.Generator) -> MultiPower:
    if rng.random() < 0.5:
        return direct.LAWS[int(rng.choice(list(direct.LAWS)))]
    A, B, C, beta = 10 ** rng.uniform([-2.0, 0.0, -3.0, -1.0], [1.0, 3.0, 4.0, 0.5])  # noqa: N806
    return MultiPower(rng.uniform(0.0, 4.0), A, rng.uniform(0.1, 1.5), B, C, beta, rng.choice([0.0, rng.uniform(0.0, 2.0)]))


@pytest.mark.parametrize("seed", range(8))
def test_multi_power_of_random_schedules(seed: int) -> None:
    """Beside the terms and the largest value times B: rounding that value moves the loss by as much."""
    rng = np.random.default_rng(seed)
    for _ in range(300):
        schedule, law = random_schedule(rng), random_law(rng)
        assert schedule.length is not None
        step = max(1, int(schedule.length * rng.uniform(0.5, 1.5)))
        values = schedule.values(step + 1)
        exact = direct.multi_power(law, schedule, step)
        size = abs(exact) + law.B * (np.abs(np.diff(values)).sum() + values.max())
        assert abs(law.predict(schedule, step) - exact) <= 1e-13 * size, (schedule, step, law)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: f"{curve.name}-{curve.size}")
def test_measured_curves(curve: direct.Measured) -> None:
    law = direct.LAWS[curve.size]
    assert np.abs(curve.schedule(curve.steps) / curve.values - 1.0).max() < 1e-14
    predicted = law.predict(curve.schedule, curve.steps)
    assert np.abs(predicted - direct.multi_power_curve(law, curve.schedule, curve.steps)).max() <= 1e-12
    error = np.mean(np.abs(predicted - curve.losses) / curve.losses)  # PredE of Luo et al.
    assert 0.0004 <= error <= 0.0025
    assert not np.array_equal(predicted, curve.losses)


def test_slopes() -> None:
    schedule, steps = SCHEDULES["warmup_cosine to a floor"], np.array([2000, 100_000, 299_999])
    parameters = np.array([getattr(LAW, name) for name in ("L0", "A", "alpha", "B", "C", "beta", "gamma")])

    def found(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return functional("multi_power_slopes", schedule, steps, (*numbers, 0.0), None, 8)

    slopes = found(parameters)
    assert np.array_equal(slopes[:, 0], LAW.predict(schedule, steps))
    for k in range(7):
        width = 1e-5 * parameters[k] * np.eye(7)[k]
        change = (found(parameters + width)[:, 0] - found(parameters - width)[:, 0]) / (2.0 * width[k])
        assert np.allclose(slopes[:, k + 1], change, rtol=1e-6, atol=0.0), k


@pytest.mark.parametrize("name", SCHEDULES)
def test_annealing(name: str) -> None:
    law = Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999)
    for step in [step for step in ends(SCHEDULES[name]) if step < 60_000]:
        exact = direct.annealing(law, SCHEDULES[name], step)
        assert abs(law.predict(SCHEDULES[name], step) - exact) <= 1e-13 * exact, step


# ---- bounds ----


@pytest.mark.parametrize("name", SCHEDULES)
def test_last_iterate_bound(name: str) -> None:
    schedule = SCHEDULES[name]
    for step in [step for step in ends(schedule) if schedule(step) > 0]:
        number = np.arange(1, step + 2, dtype=direct.LONG)
        norms = np.random.default_rng(0).uniform(0.0, 2.0, step + 1)
        cases: list[tuple[object, object]] = [
            (1.5, 1.5),
            (PowerLaw(2.0, -0.3), 2 * number ** direct.LONG(-0.3)),
            (PowerLaw(1.0, 0.5), np.sqrt(number)),
            (norms, norms),
        ]
        for given, exact_norms in cases:
            exact = direct.last_iterate(schedule, step + 1, 3.0, exact_norms)  # type: ignore[arg-type]
            found = last_iterate_bound(schedule, step + 1, distance=3.0, gradient_norm=given)  # type: ignore[arg-type]
            assert abs(found / exact - 1) <= 1e-12, (step, given)


@pytest.mark.parametrize("steps", [10, 1000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("shape", ["wsd", "cosine"])
def test_last_iterate_bound_of_any_length(shape: str, steps: int) -> None:
    schedule = lrk.wsd(0.01, 0, 0.8 * steps, 0.2 * steps) if shape == "wsd" else lrk.cosine(0.01, 0.0, steps)
    exact = direct.last_iterate(schedule, steps, 1.0, 1.0)
    assert abs(last_iterate_bound(schedule, steps) / exact - 1) <= 1e-12


def test_bound_is_infinite_where_the_last_step_is_0() -> None:
    schedule, inf = lrk.linear(1.0, 0.0, 4), np.inf
    for norm in (1.0, PowerLaw(1.0, -0.5), np.ones(10)):
        assert last_iterate_bound(schedule, [5, 6, 10], gradient_norm=norm).tolist() == [inf, inf, inf]
    assert last_iterate_bound(lrk.constant(0.0), 3) == inf


def test_optimal_peak() -> None:
    schedule, steps = lrk.wsd(1.0, 0, 8000, 2000), np.array([100, 9000, 10_000])
    best = optimal_peak(schedule, steps, distance=2.0, gradient_norm=0.5)
    for peak, bound, count in zip(best.peak, best.bound, steps, strict=True):
        around = [
            last_iterate_bound(schedule * (peak * near), count, distance=2.0, gradient_norm=0.5) for near in (0.999, 1.0, 1.001)
        ]
        assert abs(around[1] / bound - 1) < 1e-13
        assert around[1] < min(around[0], around[2])


KERNELS: list[Callable[..., object]] = [lambda s: np.exp(-300.0 * s), lambda s: (1.0 + 1e4 * s) ** -0.6, lambda s: 1.0 / (1e-7 + s)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_sum(kernel: Callable[..., object]) -> None:
    for name in ("warmup_cosine", "wsd", "cliffs", "restarts", "array"):
        last = ends(SCHEDULES[name])[-1]
        values = SCHEDULES[name].values(last + 1).astype(direct.LONG)
        after = np.append(values[::-1].cumsum()[::-1][1:], 0)
        exact = (values**2 * kernel(after)).sum()  # type: ignore[operator]
        assert abs(kernel_sum(SCHEDULES[name], last, lambda lr: lr**2, kernel) / exact - 1) <= 1e-11, name


def test_kernel_sum_ends_with_its_step() -> None:
    schedule = lrk.constant(1.0)  # goes on behind it
    assert kernel_sum(schedule, 3, lambda lr: lr, lambda s: 1.0 + s) == 1.0 + 2.0 + 3.0 + 4.0


# ---- search ----


@pytest.mark.parametrize("size", direct.LAWS)
def test_optimize_is_as_good_as_all_values_free(size: int) -> None:
    law = direct.LAWS[size]
    best = optimize(law, peak=3e-4, steps=24_000, warmup=2160, warmup_counts="area", floor=1e-10)
    curve = lrk.from_values(best.schedule.values(2160, 24_000))
    assert abs(best.loss - direct.multi_power(law, curve, 24_000 - 2161, 0.5 * 3e-4 * 2160)) < 1e-12
    assert best.loss <= direct.SEARCHED[size] + 1e-5
    values = curve.values(24_000 - 2160)
    assert values[0] == 3e-4
    assert (np.diff(values) <= 0.0).all()
    assert values.min() >= 1e-10


@pytest.mark.parametrize("law", [LAW, Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.8, decay=0.999)], ids=lambda law: law.name)
def test_slopes_of_free_curves(law: MultiPower | Annealing) -> None:
    lines = search.Lines(search._places(20_000, 24, jumps=True))
    values = np.sort(np.random.default_rng(2).uniform(1e-6, 3e-4, lines.spans.size + 1))[::-1].copy()
    of_law: Any = search._multi_power if isinstance(law, MultiPower) else search._annealing
    loss, slopes = of_law(law, lines, values, 0.3)
    places = search._places(20_000, 24, jumps=True).tolist()
    curve = lrk.piecewise_linear(places, values.tolist())
    assert abs(loss - law.predict(curve, 19_999, area_before=0.3)) < 1e-12
    for k in range(values.size):
        width = 1e-5 * values[k] * np.eye(values.size)[k]
        up, down = (of_law(law, lines, values + sign * width, 0.3)[0] for sign in (1, -1))
        assert abs((up - down) / (2.0 * width[k]) - slopes[k]) <= 1e-4 * abs(slopes[k]) + 1e-3, k


@pytest.mark.parametrize("size", direct.LAWS)
@pytest.mark.parametrize("kind", [MultiPower, Annealing])
def test_fit_of_measured_curves(kind: type[MultiPower] | type[Annealing], size: int) -> None:
    curves = [curve for curve in CURVES if curve.size == size]
    known = [curve for curve in curves if curve.name in {"constant_24000", "cosine_24000", "wsdcon_9"}]
    law = kind.fit([(curve.schedule, curve.steps[::4], curve.losses[::4]) for curve in known])
    for curve in curves:
        error = np.mean(np.abs(law.predict(curve.schedule, curve.steps) - curve.losses) / curve.losses)
        assert error < (0.002 if curve in known else 0.006), curve.name
