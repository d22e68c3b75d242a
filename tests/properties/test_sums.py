"""Sums of random schedules: against the values themselves, and what they promise of each other."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from properties.expressions import expressions, library

import lrkernel as lrk

LAST = 2**63 - 1
STEPS = 3000
TINY = 1e-290  # what is lost where values or their powers are subnormal
Wide = npt.NDArray[np.longdouble]

ranges = st.tuples(st.integers(0, STEPS), st.integers(0, STEPS)).map(sorted)
some_steps = st.lists(st.integers(0, STEPS - 1), min_size=1, max_size=30)


def values_of(expression: str) -> tuple[lrk.Schedule, Wide, np.longdouble]:
    """The first steps of a schedule, their values, what one of these may be off by: differences have the errors of larger values.

    Cut, since `cumulative` prepares all of a schedule: one without end may take as long as it has cycles.
    """
    schedule = library(expression).cut(STEPS)
    values = schedule.values(STEPS).astype(np.longdouble)
    rows = schedule.segments
    assume(bool(np.isfinite(values).all()))
    largest = np.longdouble(np.abs(values).max())
    offsets = np.abs(rows["stop"][rows["shape"] == lrk.schedule.ID["offset"]])
    factors = np.abs(rows["stop"][rows["shape"] == lrk.schedule.ID["scale"]])
    if offsets.size:
        largest = (largest + offsets.sum()) * max(1.0, float(factors.prod(initial=1.0, where=factors > 1.0)))
    return schedule, values, largest * bool(offsets.size)


def close(got: float, terms: Wide, off: np.longdouble, tolerance: float = 1e-14) -> bool:
    return bool(abs(got - terms.sum()) <= tolerance * (np.abs(terms).sum() + terms.size * off) + TINY)


@settings(max_examples=300)
@given(expressions, ranges)
@example("cosine(1.0, 0.0, 3000)", [2997, 3000])
@example("exponential(1.0, 0.1)", [0, 3000])
@example("(linear(0.0, 1.0, 40).then(cosine(1.0, 0.0, 60)).repeat() * exponential(1.0, 0.999)).clip(hi=0.3)", [3, 2000])
def test_a_sum_is_that_of_the_values(expression: str, span: list[int]) -> None:
    schedule, values, off = values_of(expression)
    start, stop = span
    assert close(schedule.sum(start, stop), values[start:stop], off)
    assert close(schedule.sum(start, stop, 2), values[start:stop] ** 2, off * (np.abs(values).max() + off), 3e-14)
    if values.min() >= 0.0 and not off:
        assert close(schedule.sum(start, stop, 0.5), np.sqrt(values[start:stop]), off)


@settings(max_examples=200)
@given(expressions, some_steps)
def test_cumulative_is_the_sum_up_to_each_step(expression: str, steps: list[int]) -> None:
    schedule, values, off = values_of(expression)
    for step, found in zip(steps, schedule.cumulative(steps).tolist(), strict=True):
        assert close(found, values[: step + 1], off)
        assert found == schedule.cumulative(step)
        assert schedule.cumulative(step, inclusive=False) == (schedule.cumulative(step - 1) if step else 0.0)
        assert close(found, np.array([schedule.sum(0, step + 1)], np.longdouble), np.abs(values[: step + 1]).sum() + step * off)


@settings(max_examples=150)
@given(expressions, some_steps)
def test_remaining_is_the_sum_from_each_step_on(expression: str, steps: list[int]) -> None:
    schedule, values, off = values_of(expression)
    for step, found in zip(steps, schedule.remaining(steps).tolist(), strict=True):
        assert close(found, values[step:], off)
        assert found == schedule.remaining(step)


@settings(max_examples=100)
@given(expressions, st.integers(0, STEPS - 1), st.sampled_from([0.5, 0.9, 0.999, 0.999999]))
def test_sums_with_a_memory(expression: str, t: int, decay: float) -> None:
    schedule, values, off = values_of(expression)
    weights = np.longdouble(decay) ** np.arange(t, -1, -1)
    assert close(schedule.discounted(t, decay), weights * values[: t + 1], off, 1e-12)
    falls = weights * (values[0] - values[: t + 1])
    assert close(schedule.annealing_area(t, decay), falls, np.abs(values).max() + off, 1e-12)
    assert schedule.forward_area(t) == schedule.cumulative(t)
    rate = 0.5 / max(1.0, float(np.abs(values).max()))
    assert close(schedule.log_shrink(0, t + 1, rate), np.log1p(-np.longdouble(rate) * values[: t + 1]), off)


@settings(max_examples=100)
@given(expressions, st.integers(0, STEPS - 1))
def test_nodes_stand_for_the_steps(expression: str, t: int) -> None:
    schedule, values, off = values_of(expression)
    nodes = schedule.nodes(t)
    assert abs(nodes.weight.sum() - (t + 1)) <= 1e-12 * (t + 1)
    assert close(float(nodes.weight @ nodes.value), values[: t + 1], off)
    size = np.abs(values).max() + off
    assert abs(nodes.weight @ nodes.drop - (values[t] - values[0])) <= 1e-11 * size
    whole = nodes.step == np.floor(nodes.step)
    sums = np.concatenate([[0.0], np.add.accumulate(values)])[nodes.step[whole].astype(np.int64)]
    assert np.abs(nodes.before[whole] - sums).max() <= 1e-13 * (t + 1) * size


@settings(max_examples=100)
@given(expressions, st.lists(st.integers(0, LAST), min_size=3, max_size=3).map(sorted))
def test_sums_add_up(expression: str, marks: list[int]) -> None:
    schedule = library(expression).cut(10**7) * 1.0
    a, b, c = (mark % (10**7 + 1) for mark in marks)
    a, b, c = sorted((a, b, c))
    parts, whole = schedule.sum(a, b) + schedule.sum(b, c), schedule.sum(a, c)
    assert abs(parts - whole) <= 1e-13 * max(1.0, abs(parts)) * max(1, (c - a) / max(1, abs(whole)))


@pytest.mark.parametrize("times", [2, 1000, 10**9])
def test_cycles_are_multiplied(times: int) -> None:
    cycle = lrk.linear(0.0, 1.0, 7).then(lrk.cosine(1.0, 0.0, 93))
    assert cycle.repeat(times).sum(0, 100 * times) == pytest.approx(times * cycle.sum(0, 100), rel=1e-15)
    assert (3.0 * cycle.repeat() + 1.0).sum(50, 50 + 100 * times) == pytest.approx(
        times * (3.0 * cycle.sum(0, 100) + 100.0), rel=1e-15
    )


@pytest.mark.parametrize(
    "cycles",
    [
        lrk.cosine(1.0, 0.0, 100).repeat().clip(0.2, 0.7),
        lrk.cosine(1.0, 0.0, 100).repeat() * lrk.linear(1.0, 0.0, 25).repeat(),
        (lrk.cosine(1.0, 0.0, 100).repeat() + 1.0).skip(3).clip(hi=1.5) * 2.0,
    ],
)
@pytest.mark.parametrize("power", [1, 2, 0.5])
def test_cycles_below_other_operations_are_multiplied(cycles: lrk.Schedule, power: float) -> None:
    one, part = cycles.sum(7, 107, power), cycles.sum(7, 50, power)
    assert cycles.sum(7, 10**12 + 50, power) == pytest.approx(10**10 * one + part, rel=1e-14)


@pytest.mark.parametrize("k", [0.1, -2.5, 1e-300])
def test_factors_come_out(k: float) -> None:
    schedule = lrk.wsd(1.0, 10, 80, 33, 0.0, 0.0, "1-sqrt")
    assert (schedule * k).sum(3, 120) == pytest.approx(schedule.sum(3, 120) * k, rel=1e-15)
    assert (schedule / k).sum(3, 120) == pytest.approx(schedule.sum(3, 120) / k, rel=1e-15)
    assert (schedule * k).sum(3, 120, 2) == pytest.approx(schedule.sum(3, 120, 2) * k**2, rel=1e-15, abs=1e-320)
