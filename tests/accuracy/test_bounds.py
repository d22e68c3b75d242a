"""Every formula, at every SIMD level, within the bound that its row states."""

from functools import cache

import numpy as np
import oracle
import pytest
import ulp
from accuracy.cases import OWN, Case, cases, windows
from conftest import Errors
from mpmath import mpf

import lrkernel as lrk

CASES = cases()
ROWS = {row.id: row for row in lrk.SHAPES}

# Promised of any real power; everything else promises FINE.
POWERS = {"polynomial", "power_ramp"}


def build(case: Case) -> lrk.Schedule:
    schedule = eval(case.expression, vars(lrk).copy())
    assert isinstance(schedule, lrk.Schedule)
    return schedule


def rows_of(schedule: lrk.Schedule) -> set[int]:
    return {int(shape) for shape in schedule.segments["shape"]}


@cache
def exact(case: Case) -> list[tuple[range, list[mpf]]]:
    """What the formula gives at the steps to look at; the same for every level."""
    model = eval(case.expression, vars(oracle).copy())
    looks = windows(case, model.boundaries())
    return [(steps, [model(t) for t in steps]) for steps in looks]


def bound_of(name: str, schedule: lrk.Schedule) -> tuple[str, float]:
    """The row that the case is about and what it may lose: its own bound and those of nodes."""
    rows = [ROWS[shape] for shape in rows_of(schedule)]
    if name == "multistep":  # computed as stairs, stored as constants
        rows = [row for row in lrk.SHAPES if row.name == "step"]
    formula = max((row for row in rows if row.kind != "node"), key=lambda row: row.ulp)
    return formula.name, formula.ulp + sum(row.ulp for row in rows if row.kind == "node")


@pytest.mark.parametrize("name", CASES)
def test_error_stays_within_the_bound_of_the_row(name: str, level: str, errors: Errors) -> None:
    beyond: list[tuple[float, str]] = []
    for case in CASES[name]:
        schedule = build(case)
        row, stated = bound_of(name, schedule)
        bound = min(stated, case.bar)
        scale = None if case.scale is None else mpf(case.scale)
        for steps, values in exact(case):
            got = schedule.values(steps.start, steps.stop, steps.step).tolist()
            for t, value, wanted in zip(steps, got, values, strict=True):
                error = ulp.distance(value, wanted, scale)
                errors.saw(row, level, error, bound)
                if error > bound:
                    beyond.append((error, f"{error:.2f} ulp > {bound}: {case.expression} at {t}"))
    assert not beyond, f"{len(beyond)} beyond the bound, the worst: {max(beyond)[1]}"


def test_every_formula_is_measured() -> None:
    """A row of shapes.def without a case here is a bound that nobody checks."""
    measured = {shape for group in CASES.values() for case in group for shape in rows_of(build(case))}
    assert measured >= {row.id for row in lrk.SHAPES if row.kind != "node"}


@pytest.mark.parametrize("row", lrk.SHAPES, ids=lambda row: row.name)
def test_stated_bounds_keep_the_promise(row: lrk._core.Shape) -> None:
    assert 0.0 <= row.ulp <= (oracle.POWER if row.name in POWERS else oracle.FINE)


def test_every_step_of_small_spans(level: str) -> None:
    """No sampling: each step of spans up to 70, over every vector width and remainder."""
    for steps in (1, 2, 3, 5, 16, 31, 70):
        for expression in (
            f"linear(0.1, 0.0, {steps})",
            f"cosine(0.1, 0.0, {steps})",
            f"cosine(0.1, 0.0, {steps}, 1.5)",
            f"polynomial(0.1, 0.0, {steps}, 2.5)",
            f"power_ramp(0.1, 0.0, {steps}, 0.5)",
            f"geometric(0.1, 1e-7, {steps})",
            f"{OWN}(0.1, 0.0, {steps})",
        ):
            case = Case(expression)
            schedule = build(case)
            bound = max(ROWS[shape].ulp for shape in rows_of(schedule))
            model = eval(expression, vars(oracle).copy())
            got = schedule(np.arange(steps + 3)).tolist()
            for t, value in enumerate(got):
                assert ulp.distance(value, model(t)) <= bound, f"{expression} at {t}"


@pytest.mark.parametrize(
    "expression",
    [
        "cosine(0.1, 0.0, 3000)",
        "cosine(0.1, 0.0, 3000, 1.5)",
        "cosine(-0.1, 0.7, 3000, 1.5)",
        "polynomial(0.1, 0.0, 3000, 2.5)",
        "polynomial(0.0, 0.1, 3000, 7.0)",
        "power_ramp(0.1, 0.0, 3000, 0.5)",
        "power_ramp(0.1, -0.7, 3000, 3.0)",
        "geometric(0.1, 1e-7, 3000)",
        "exponential(0.1, 0.97)",
        "inverse_sqrt(0.1, 70)",
    ],
)
def test_every_step_across_blocks(expression: str, level: str, errors: Errors) -> None:
    """Steps of a series, steps by themselves and what lies between, none left out."""
    case = Case(expression)
    schedule = build(case)
    [row] = {ROWS[shape].name for shape in rows_of(schedule) if ROWS[shape].name != "hold"}
    bound = max(ROWS[shape].ulp for shape in rows_of(schedule))
    scale = mpf(0.7) if "-0." in expression else None
    for t, (value, wanted) in enumerate(zip(schedule.values(3000).tolist(), every_step(expression), strict=True)):
        error = ulp.distance(value, wanted, scale)
        errors.saw(row, level, error, bound)
        assert error <= bound, f"{expression} at {t}"


@cache
def every_step(expression: str) -> list[mpf]:
    model = eval(expression, vars(oracle).copy())
    return [model(t) for t in range(3000)]


BUILDERS = [
    "warmup_cosine(0.001, 1000, 10000000)",
    "warmup_cosine(0.001, 1000, 10000000, floor=1e-05, init=1e-07)",
    "warmup_cosine(0.3, 0, 100)",
    "warmup_cosine(0.3, 100, 100, floor=0.1)",
    "warmup_cosine(0.3, 27125.6, 33907.3, floor=0.1)",
    "warmup_cosine(0.3, 2000, 1e12)",
    "warmup_linear(0.001, 1000, 100000, floor=0.0001)",
    "warmup_linear(0.001, 0.06, 100000)",
    "warmup_constant(0.001, 4000)",
    "warmup_constant(0.001, 4000.5, init=0.0001)",
    "wsd(0.001, 1000, 50000, 10000, floor=1e-05, init=1e-05)",
    "wsd(0.001, 1000, 27125.6, 6781.4, decay_shape='cosine')",
    "wsd(0.001, 0, 0, 4, floor=1e-05, decay_shape='1-sqrt')",
    "wsd(0.001, 1000, None, 10000)",
    "wsd(0.001, 1000, float('inf'), 10000)",
    "cosine_restarts(0.001, 10000, 2.0, floor=1e-06, warmup=500)",
    "cosine_restarts(1.0, 100, floor=0.1)",
    "cosine_restarts(1.0, 100.9, floor=0.1, warmup=10, init=0.5)",
    "cosine_restarts(1.0, 5, 1.5)",
    "cosine_restarts(1.0, 3, 1.1)",
    "cosine_restarts(1.0, 1000, 1.01, warmup=7.5)",
    "cosine_plateau(0.001, 10000, 1000, [(50, 30), (85, 10)], 0.1)",
    "cosine_plateau(0.1, 1000, 100)",
    "cosine_plateau(1.0, 1000, plateaus=[(32.3, 10), (10, 0)])",
    "cosine_plateau(1.0, 10000000, 2000, [(69, 3), (0, 10), (10, 5)], 0.01)",
    "cosine_plateau(1.0, 1000, plateaus=[(0, 100)])",
    "cosine_plateau(1.0, 1000, 1000, floor_ratio=0.1)",
]


@pytest.mark.parametrize("expression", BUILDERS)
def test_builders_follow_their_formula(expression: str, level: str) -> None:
    schedule = build(Case(expression))
    model = eval(expression, vars(oracle).copy())
    near = [b for b in model.boundaries() if b < 2**63]
    for steps in windows(Case(expression), near[:8] + near[-4:]):
        got = schedule.values(steps.start, steps.stop, steps.step).tolist()
        for t, value in zip(steps, got, strict=True):
            wanted, error = model.at(t)
            assert abs(mpf(value) - wanted) <= error, f"{expression} at step {t}: {value!r}, exactly {float(wanted)!r}"
