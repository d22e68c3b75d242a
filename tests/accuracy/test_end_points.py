"""End points and joins are the numbers that were asked for, bit for bit."""

import math
from fractions import Fraction

import pytest
from accuracy.cases import ACROSS_ZERO, NOT_ZERO, SAME_SIGN, SPANS
from ulp import bits

import lrkernel as lrk

ENDS = SAME_SIGN + ACROSS_ZERO
LAST = 2**63 - 1


def ends_exactly(schedule: lrk.Schedule, start: float, stop: float, steps: int) -> None:
    assert bits([schedule(0)]) == bits([start]), f"{schedule!r} at 0"
    for t in (steps, steps + 1, steps + 10**9, LAST):
        assert bits([schedule(t)]) == bits([stop]), f"{schedule!r} at {t}"
    assert bits(schedule.values(0, steps + 1, steps)) == bits([start, stop])
    assert bits(schedule.values(steps - 1, steps + 2)[1:]) == bits([stop, stop])


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("steps", SPANS)
def test_shapes_between_two_ends(ends: tuple[float, float], steps: int, level: str) -> None:
    start, stop = ends
    ends_exactly(lrk.linear(start, stop, steps), start, stop, steps)
    ends_exactly(lrk.cosine(start, stop, steps), start, stop, steps)
    ends_exactly(lrk.cosine(start, stop, steps, cycles=7.5), start, stop, steps)
    for power in (0.1, 0.5, 1.0, 2.2, 100.0):
        ends_exactly(lrk.polynomial(start, stop, steps, power), start, stop, steps)
        ends_exactly(lrk.power_ramp(start, stop, steps, power), start, stop, steps)


@pytest.mark.parametrize("ends", NOT_ZERO)
@pytest.mark.parametrize("steps", SPANS)
def test_geometric(ends: tuple[float, float], steps: int, level: str) -> None:
    ends_exactly(lrk.geometric(*ends, steps), *ends, steps)


@pytest.mark.parametrize("ends", ENDS)
def test_no_curve_leaves_the_range_of_its_ends(ends: tuple[float, float], level: str) -> None:
    """Where it touches an end, inside or at it, the last rounding must not go beyond."""
    start, stop = ends
    for steps in (3, 255, 1000, 33907, 10**6 + 3, 10**15 + 37):
        curves = [lrk.linear(start, stop, steps), *(lrk.cosine(start, stop, steps, cycles=c) for c in (0.5, 1.5, 20.0))]
        for power in (0.3, 1.0, 2.0, 7.3):
            curves += [lrk.polynomial(start, stop, steps, power), lrk.power_ramp(start, stop, steps, power)]
        if start * stop > 0.0:
            curves.append(lrk.geometric(start, stop, steps))
        touches = {min(max(steps * k // 40 - 300, 0), steps) for k in range(41)}
        for curve in curves:
            for first in touches:
                values = curve.values(first, first + 600)
                assert min(ends) <= values.min(), f"{curve!r} after {first}"
                assert values.max() <= max(ends), f"{curve!r} after {first}"


def test_whole_cycles_end_where_they_began(level: str) -> None:
    for cycles in (1, 2.0, 17):
        ends_exactly(lrk.cosine(0.1, 0.003, 1000, cycles=cycles), 0.1, 0.1, 1000)


def test_open_shapes_begin_exactly(level: str) -> None:
    for schedule in (
        lrk.exponential(0.1, 0.95),
        lrk.step(0.1, 30, 0.1),
        lrk.multistep(0.1, [30, 60], 0.1),
        lrk.inverse_sqrt(0.1, 4000),
        lrk.piecewise_constant([0.1, 0.01], [10]),
        lrk.from_values([0.1, 0.01]),
        lrk.constant(0.1),
    ):
        assert bits([schedule(0), *schedule.values(1)]) == bits([0.1, 0.1])


def test_inverse_sqrt_halves_exactly(level: str) -> None:
    assert bits(lrk.inverse_sqrt(0.1, 4000)([12000, 60000])) == bits([0.05, 0.025])


def test_stairs_are_the_product_rounded_once(level: str) -> None:
    """The exact 0.1 * 0.1 is nearest to 0.010000000000000002, as gamma^1 is gamma itself."""
    stairs = lrk.step(0.1, 30, 0.1)
    assert bits(stairs([29, 30, 59])) == bits([0.1, 0.1 * 0.1, 0.1 * 0.1])
    assert bits(lrk.multistep(0.1, [30], 0.1)([29, 30])) == bits([0.1, 0.1 * 0.1])
    assert bits(lrk.step(3.0, 1, 0.5).values(4)) == bits([3.0, 1.5, 0.75, 0.375])


@pytest.mark.parametrize("total", [1002, 10**7, 10**12, 33907.3])
@pytest.mark.parametrize("name", ["warmup_cosine", "warmup_linear"])
def test_warmup_then_decay(name: str, total: float, level: str) -> None:
    for peak, warmup, floor, init in (
        (1e-3, 1000, 0.0, 0.0),
        (1e-3, 1000, 1e-5, 1e-7),
        (0.3, 0, 0.1, 0.2),
        (5e-324, 1000, 0.0, 5e-324),
    ):
        schedule = getattr(lrk, name)(peak, warmup, total, floor=floor, init=init)
        first = init if warmup else peak
        steps = [0, warmup, math.ceil(total), math.ceil(total) + 1, LAST]
        assert bits(schedule(steps)) == bits([first, peak, floor, floor, floor])
        assert schedule.end == math.ceil(total) or floor == peak
        assert schedule.length == total


def test_warmup_that_takes_all() -> None:
    """warmup == total: no decay part, the floor from `total` on."""
    for schedule in (
        lrk.warmup_cosine(0.5, 100, 100, floor=0.1),
        lrk.warmup_linear(0.5, 100, 100, floor=0.1),
        lrk.cosine_plateau(0.5, 100, 100, floor_ratio=0.2),
    ):
        assert schedule.length == 100
        assert schedule(99) < 0.5
        assert bits(schedule([50, 100, 101])) == bits([0.25, 0.1, 0.1])


@pytest.mark.parametrize("decay_shape", ["linear", "cosine", "1-sqrt"])
def test_wsd_phases(decay_shape: str, level: str) -> None:
    schedule = lrk.wsd(1e-3, 1000, 50000, 10000, floor=1e-5, init=1e-6, decay_shape=decay_shape)
    steps = [0, 1000, 30000, 50999, 51000, 61000, 61001, LAST]
    wanted = [1e-6, 1e-3, 1e-3, 1e-3, 1e-3, 1e-5, 1e-5, 1e-5]
    assert bits(schedule(steps)) == bits(wanted)
    assert schedule(51001) < 1e-3
    assert schedule(60999) > 1e-5


def test_wsd_for_ever() -> None:
    for stable in (None, math.inf):
        schedule = lrk.wsd(1e-3, 10, stable, 100)
        assert schedule.length is None
        assert bits(schedule([10, 1000, LAST])) == bits([1e-3] * 3)


def test_restarts_jump_to_the_peak(level: str) -> None:
    """Each cycle has int(period * mult^i) steps and starts at the peak, never at the floor."""
    for period, mult, lengths in (
        (10000, 2.0, [10000, 20000, 40000]),
        (100, 1.0, [100] * 5),
        (5, 1.5, [5, 7, 11, 16, 25]),
        (3, 1.1, [3, 3, 3, 3, 4, 4, 5]),
        (100, 1.15, [100, 114, 132, 152, 174]),
        (100.9, 1.0, [100] * 3),
    ):
        schedule = lrk.cosine_restarts(0.5, period, mult, floor=0.001, warmup=500)
        t = 500
        assert schedule(0) == 0.001
        for steps in lengths:
            assert bits([schedule(t)]) == bits([0.5])
            assert 0.001 < schedule(t + steps - 1) < schedule(t + 1) < 0.5 or steps < 3
            t += steps
        assert schedule.length is None
        assert schedule.end is None


def test_restarts_reach_the_last_step() -> None:
    for mult in (1.0, 1.01, 1.5, 2.0, 3.0):
        schedule = lrk.cosine_restarts(1.0, 10, mult)
        assert 0.0 <= schedule(LAST) <= 1.0
        assert schedule(LAST) != schedule(LAST - 2**61)


def test_plateau_levels_join() -> None:
    schedule = lrk.cosine_plateau(1e-3, 10000, 1000, [(50, 30), (85, 10)], 0.1)
    assert bits(schedule([0, 1000, 10000, LAST])) == bits([0.0, 1e-3, 1e-4, 1e-4])
    level, lower = schedule(5500), schedule(8650)
    assert bits(schedule([5501, 8199, 8200, 9549, 9550])) == bits([level] * 3 + [lower] * 2)
    assert schedule(5499) > level > schedule(8201) > lower > schedule(9551) > 1e-4


def test_knots_are_exact(level: str) -> None:
    steps, values = [0, 10, 1000, 10**7, 2**52], [0.0, 0.7, 0.1, 0.3, 0.0]
    schedule = lrk.piecewise_linear(steps, values)
    assert bits(schedule(steps)) == bits(values)
    assert bits(lrk.piecewise_linear([5, 10], [0.1, 0.7]).values(12)[:6]) == bits([0.1] * 6)
    array = [0.1, 1e300, -5e-324, 0.0]
    assert bits(lrk.from_values(array).values(6)) == bits([*array, 0.0, 0.0])
    knots = lrk.piecewise_constant(array, [3, 4.5, 2**52])
    assert bits(knots([0, 2, 3, 4, 5, 2**52 - 1, 2**52, LAST])) == bits([0.1, 0.1, 1e300, 1e300, -5e-324, -5e-324, 0.0, 0.0])


def test_joins_of_a_sequence(level: str) -> None:
    schedule = lrk.sequence(lrk.linear(0.0, 0.7, 10), lrk.cosine(0.7, 0.1, 20), lrk.geometric(0.1, 0.001, 5)).then(
        lrk.polynomial(0.001, 0.0, 7, 3.0)
    )
    assert bits(schedule([0, 10, 30, 35, 42, 43])) == bits([0.0, 0.7, 0.1, 0.001, 0.0, 0.0])


def test_the_left_limit_holds_past_the_end(level: str) -> None:
    assert bits(lrk.linear(1.0, 0.0, 100).cut(50)([49, 50, 51, LAST])) == bits([0.51, 0.5, 0.5, 0.5])
    assert bits(lrk.step(1.0, 10, 0.1).cut(10)([9, 10, LAST])) == bits([1.0, 1.0, 1.0])
    assert bits(lrk.step(1.0, 10, 0.5).cut(10.5)([9, 10, 11, LAST])) == bits([1.0, 0.5, 0.5, 0.5])
    assert bits(lrk.from_values([3.0, 2.0, 1.0]).cut(2)([0, 1, 2, 9])) == bits([3.0, 2.0, 2.0, 2.0])
    repeated = lrk.linear(1.0, 0.0, 4).repeat(2)
    assert bits(repeated.values(10)) == bits([1.0, 0.75, 0.5, 0.25] * 2 + [0.0, 0.0])
    restarts = lrk.cosine_restarts(1.0, 10, floor=0.25).cut(20)
    assert bits(restarts([10, 20, 21, LAST])) == bits([1.0, 0.25, 0.25, 0.25])


def test_the_limit_at_the_end_of_a_node_is_that_of_its_child(level: str) -> None:
    """The boundary of a node that begins at a real step is rounded, up or down; the limit before it is not."""

    def before_the_end(schedule: lrk.Schedule) -> list[int]:
        assert schedule.length is not None
        return bits([schedule.cut(schedule.length)(LAST)])

    for child in (lrk.linear(1.0, 0.25, 10.3), lrk.linear(0.75, 0.25, 4).by_epoch(2.6)):
        assert before_the_end(child.skip(5)) == before_the_end(child)
        for node in (child.skip(5), child * 1.5, child.skip(5) / 0.5):
            for begin in (0.1, 0.7, 1 / 3, 2.6, 1e6 / 7):
                assert before_the_end(lrk.constant(1.0, begin).then(node)) == before_the_end(node)
    stairs = lrk.step(1.0, 10, 0.5).cut(30)
    assert bits(stairs.skip(15)([14, 15, LAST])) == bits([0.25] * 3)
    assert bits(stairs.skip(15).cut(5)([4, 5, LAST])) == bits([0.5] * 3)
    assert stairs.skip(15).length == 15
    assert lrk.linear(1.0, 0.25, 10.3).skip(5).length == 10.3 - 5


def test_epochs_of_a_real_number_of_steps_are_counted_to_the_last_step(level: str) -> None:
    """From 2^62 on the count of the division needs its second word."""
    schedule = lrk.from_values([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).repeat().by_epoch(1.0000000001)
    steps = [2**62 - 1, 2**62, 4720721261117928062, 2**63 - 2, LAST]
    exact = [float(step // Fraction(1.0000000001) % 7) for step in steps]
    assert schedule(steps).tolist() == exact
    assert [schedule.values(step, step + 1)[0] for step in steps] == exact


def test_a_part_too_short_to_be_seen_vanishes() -> None:
    """2^52 + 0.25 rounds to 2^52: the part has no length left."""
    schedule = lrk.sequence(lrk.constant(1.0, 2**52), lrk.linear(0.0, 1.0, 0.25), lrk.constant(2.0))
    assert bits(schedule([2**52 - 1, 2**52])) == bits([1.0, 2.0])
    assert lrk.Schedule.from_dict(schedule.to_dict()) == schedule
    assert lrk.Schedule.from_bytes(schedule.to_bytes()) == schedule


def test_real_boundaries_are_rounded_sums() -> None:
    """0.1 + 0.2 rounds to 0.30000000000000004, and that is where the second part ends."""
    schedule = lrk.linear(1.0, 0.5, 0.1).then(lrk.linear(0.5, 0.0, 0.2))
    assert schedule.length == 0.1 + 0.2
    late = lrk.constant(1.0, 0.8 * 33907).then(lrk.linear(1.0, 0.0, 33907 - 0.8 * 33907))
    assert bits([late(27125), late(33907)]) == bits([1.0, 0.0])
    assert late(27126) == pytest.approx(1 - (27126 - 27125.6) / (33907 - 27125.6), rel=1e-15)
