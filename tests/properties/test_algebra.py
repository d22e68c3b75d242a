"""What the operations promise of each other, bit for bit, and the slow model of them all."""

import copy
import hashlib
import json
import math
import pickle
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import oracle
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from properties.expressions import (
    DEPTH,
    Drawn,
    constructors,
    expressions,
    leaf,
    library,
    model,
    operations,
    schedules,
)
from ulp import bits

import lrkernel as lrk

LAST = 2**63 - 1


def unsigned(values: object) -> list[int]:
    """The bits, but for the sign of zero: what a table holds past a jump is stored, and a stored zero is 0.0."""
    return bits(np.asarray(values, np.float64) + 0.0)


def some_steps(expression: str, more: int = 0) -> list[int]:
    """Around every boundary, inside the parts, past the end."""
    boundaries = [int(b) for b in model(expression).boundaries()]
    inside = [(a + b) // 2 for a, b in pairwise(boundaries)]
    chosen = {0, 1, 2, more, *inside[:8]}
    for b in boundaries[:8] + boundaries[-2:]:
        chosen.update(range(b - 2, b + 4))
    return sorted(t for t in chosen if 0 <= t <= LAST)


def test_a_row_of_more_steps_than_float64_counts() -> None:
    """What its end is past its beginning has more than 53 bits: taken as one float64, step 1281 came to -4.7e299."""
    curve = lrk.linear(0.0, 1.0, 10).then(lrk.power_ramp(1.0, 1e-300, 2**50, 0.5)).cut(2**45 + 5).stretch(2**52)
    begin, end = Fraction(curve.rows[1][1]), curve.rows[1][2]
    assert (math.ceil(begin), end) == (1280, 2**57 - 19200)
    for step in (1280, 1281, 1300, 2**40, 2**52 - 1):
        want = 1.0 - math.sqrt((step - begin) / (end - begin))
        assert abs(curve(step) - want) <= 2.0**-52
    assert curve(step) == curve.values(step, step + 1)[0]


def test_the_strategy_spreads() -> None:
    """Random tests that never draw a shape or an operation prove nothing about it."""
    names: Counter[str] = Counter()
    rows: Counter[int] = Counter()
    depths: Counter[int] = Counter()
    sizes: Counter[int] = Counter()

    @settings(max_examples=400)
    @given(schedules)
    def collect(drawn: Drawn) -> None:
        names.update(drawn.names)
        depths[drawn.depth] += 1
        segments = library(drawn.expression).segments
        sizes[len(segments)] += 1
        rows.update({int(shape) for shape in segments["shape"]})

    collect()
    assert {name for name, count in names.items() if count >= 5} == {*constructors, *operations}
    assert {shape for shape, count in rows.items() if count >= 5} == {row.id for row in lrk.SHAPES}
    assert max(depths) == DEPTH
    assert len(sizes) >= 10


@settings(max_examples=400)
@given(expressions, st.integers(0, 10**7))
@example("cosine(1.0, 0.1, 0.5).by_epoch(2)", 5)  # epochs past the end are read as any others
@example("warmup_cosine(1.0, 5, 90, floor=0.1).by_epoch(500)", 45000)
@example("cosine(1.0, 2.5, 0.5).repeat().cut(10.25)", 5)  # several periods inside one step
@example("linear(1.0, 2.5, 0.3).repeat().shift(2.75)", 5)
@example("from_values([1.0, 1.0, 1.0, 1.0, 1.0, 0.1]).clip(lo=0.0).skip(5).stretch(77.7).by_epoch(2.5)", 0)
@example("from_values([1.0, 1.0, 1.0, 1.0, 1.0, 0.1]).skip(5).clip(lo=0.0).stretch(77.7).by_epoch(2.5)", 0)
@example("cosine_restarts(1.0, 1, 1.5, 0.0, 0).shift(2.5)", 0)
@example("wsd(1.0, 1, 1000000, 33.3, 0.0, 1e-07, 'linear').repeat(5)", 0)
def test_values_follow_the_slow_model(expression: str, more: int) -> None:
    schedule, slow = library(expression), model(expression)
    steps = some_steps(expression, more)
    for t, value in zip(steps, schedule(steps).tolist(), strict=True):
        points = [slow.at(t)]
        if not slow.exact:  # a boundary that is rounded may be passed one rounding earlier or later
            slack = Fraction(max(t, 1), 2**46)
            points += [slow.at(max(t - slack, Fraction(0))), slow.at(t + slack)]
            ended = [b for b in slow.boundaries() if slack < b <= t][-1:]  # what holds came from just before
            points += [slow.at(b - slack, left=True) for b in ended]
            points += [slow.at(b, left=True) for b in slow.boundaries() if b > 0 and abs(b - t) <= slack]
        low = min(p.value - p.error for p in points)
        high = max(p.value + p.error for p in points)
        assert low <= mpf(value) <= high, f"step {t}: {value!r}, exactly {float(points[0].value)!r}"


@settings(max_examples=200)
@given(expressions)
def test_length_and_end(expression: str) -> None:
    schedule, slow = library(expression), model(expression)
    if slow.length is None:
        assert schedule.length is None
    else:
        assert schedule.length == pytest.approx(float(slow.length), rel=1e-13)
        if slow.exact:
            assert schedule.length == slow.length
            assert isinstance(schedule.length, int)
    end = schedule.end
    if end is None:
        return
    assert isinstance(end, int)
    assert end >= 0
    held = bits([schedule(end)])[0]
    later = [min(end + d, LAST) for d in (1, 2, 17, 1000, 10**6, 10**12, 2**53, LAST)]
    assert bits(schedule(later)) == [held] * len(later)


# ---- operations, bit for bit ----


@settings(max_examples=150)
@given(leaf(), leaf(), st.integers(0, 10**7))
def test_a_sequence_is_one_after_the_other_on_its_own_clock(a: Drawn, b: Drawn, more: int) -> None:
    first = model(a.expression)
    assume(first.length is not None and oracle.whole(first.length))
    assume(model(b.expression).exact)
    assert first.length is not None
    join = int(first.length)
    one, two = library(a.expression), library(b.expression)
    for both in (one.then(two), lrk.sequence(one, two), lrk.sequence(one, two, at=[join])):
        before = [t for t in some_steps(a.expression, more) if t < join]
        after = [t for t in some_steps(b.expression, more) if t <= LAST - join]
        assert unsigned(both(before)) == unsigned(one(before))
        assert unsigned(both([join + t for t in after])) == unsigned(two(after))


@settings(max_examples=150)
@given(leaf(), st.integers(1, 10**4))
def test_cut_shift_repeat_and_epochs_move_the_clock(drawn: Drawn, n: int) -> None:
    schedule, slow = library(drawn.expression), model(drawn.expression)
    assume(slow.exact)
    steps = [t for t in some_steps(drawn.expression, n) if t < 2**52]
    until = [t for t in steps if t < n]
    assert unsigned(schedule.cut(n)(until)) == unsigned(schedule(until))
    assert unsigned(schedule.shift(n)([t + n for t in steps])) == unsigned(schedule(steps))
    assert unsigned(schedule.shift(n)(until)) == unsigned([schedule(0)] * len(until))
    for every in (1, 7, n):
        assert unsigned(schedule.by_epoch(every)(steps)) == unsigned(schedule([t // every for t in steps]))
    if slow.length is not None:
        period = int(slow.length)
        cycled = unsigned(schedule([t % period for t in steps]))
        assert unsigned(schedule.repeat()(steps)) == cycled
        inside = [i for i, t in enumerate(steps) if t < 3 * period]
        assert unsigned(schedule.repeat(3)(steps))[: len(inside)] == cycled[: len(inside)]
        far = (LAST // period - 1) * period
        assert unsigned(schedule.repeat()([far, far + period - 1])) == unsigned(schedule([0, period - 1]))


@settings(max_examples=150)
@given(expressions, st.sampled_from([0.5, -1.0, 3.7, 1e-3, 2]), st.integers(0, 10**7))
def test_arithmetic_is_that_of_the_values(expression: str, k: float, more: int) -> None:
    schedule = library(expression)
    steps = some_steps(expression, more)
    values = schedule(steps)
    assert unsigned((schedule * k)(steps)) == unsigned((k * schedule)(steps)) == unsigned(values * k)
    assert unsigned((schedule / k)(steps)) == unsigned(values / k)
    assert unsigned((schedule + k)(steps)) == unsigned((k + schedule)(steps)) == unsigned(values + k)
    assert unsigned((schedule - k)(steps)) == unsigned(values - k)
    assert unsigned((-schedule)(steps)) == unsigned(-values)
    assert (schedule.clip(0.1, 0.5)(steps) == np.clip(values, 0.1, 0.5)).all()
    assert (schedule.clip(lo=0.1)(steps) == np.maximum(values, 0.1)).all()
    assert (schedule.clip(hi=0.1)(steps) == np.minimum(values, 0.1)).all()


@settings(max_examples=100)
@given(expressions, expressions, st.integers(0, 10**7))
@example("linear(-0.3, 0.0, 3).by_epoch(2)", "linear(1.0, 0.0, 2)", 7)
def test_a_product_is_pointwise(a: str, b: str, more: int) -> None:
    one, two = library(a), library(b)
    steps = sorted({*some_steps(a, more), *some_steps(b, more)})
    assert unsigned((one * two)(steps)) == unsigned(one(steps) * two(steps))


@settings(max_examples=100)
@given(leaf(), st.integers(1, 10**6))
def test_stretch_rescales_time(drawn: Drawn, factor: int) -> None:
    schedule, slow = library(drawn.expression), model(drawn.expression)
    assume(slow.length is not None and slow.exact)
    assert slow.length is not None
    total = int(slow.length) * factor
    stretched = schedule.stretch(total)
    assert stretched.length == total
    steps = [t for t in some_steps(drawn.expression) if t * factor < 2**62]
    got, wanted = stretched([t * factor for t in steps]), schedule(steps)
    assert got == pytest.approx(wanted, rel=1e-13, abs=1e-14)
    assert stretched([total, LAST]) == pytest.approx(schedule([LAST] * 2), rel=1e-15)


@settings(max_examples=200)
@given(expressions, st.integers(1, 10**4) | st.sampled_from([10**9, 2**53 - 1]), st.integers(0, LAST))
def test_a_skip_reads_the_steps_that_come_later(expression: str, n: int, more: int) -> None:
    schedule = library(expression)
    if schedule.length is not None:
        n = min(n, math.ceil(schedule.length) - 1)
    rest, steps = schedule.skip(n), some_steps(expression, more)
    assert unsigned(rest(steps)) == unsigned(schedule([min(t + n, LAST) for t in steps]))
    later = [t for t in steps if t >= n]
    assert unsigned(rest([t - n for t in later])) == unsigned(schedule(later))
    if n > 0:
        both = lrk.sequence(schedule, rest, at=[n])
        assert unsigned(both(steps)) == unsigned(schedule(steps))
        assert both.length == schedule.length


def test_a_skip_of_a_skip_is_one() -> None:
    for schedule in (lrk.warmup_cosine(1.0, 10, 100.5), lrk.inverse_sqrt(1.0, 10), lrk.linear(0, 1, 100).by_epoch(3)):
        both = schedule.skip(20).skip(30)
        assert both == schedule.skip(50)
        assert both.depth == schedule.depth + 1
        assert both.fingerprint == schedule.skip(50).fingerprint
        assert repr(both) == f"{schedule!r}.skip(50)"
        deep = schedule
        for _ in range(40):
            deep = deep.skip(1)
        assert deep == schedule.skip(40)
    curve = lrk.inverse_sqrt(1.0, 10)
    far = curve.skip(2**53 - 1)
    assert far.skip(1).depth == 2  # 2^53 is no skip
    assert bits(far.skip(1)([0, 5])) == bits(curve([2**53, 2**53 + 5]))
    assert curve.skip(2**53 - 2).skip(1) == far
    assert curve.skip(5).cut(10).skip(3).depth == 2  # what was cut stays cut
    assert bits([curve.skip(5).cut(10).skip(3)(LAST)]) == bits([curve.skip(5).cut(10)(LAST)])
    assert curve.skip(5).named("rest").skip(3).phases()[0].name == "rest"


def test_a_skip_goes_on_where_a_cut_ended() -> None:
    schedule = lrk.warmup_cosine(1.0, 10, 100, floor=0.1)
    paused = lrk.sequence(schedule, lrk.constant(schedule(40)), schedule.skip(40), at=[40, 55])
    assert bits(paused.values(40)) == bits(schedule.values(40))
    assert bits(paused.values(40, 55)) == bits([schedule(40)] * 15)
    assert bits(paused.values(55, 130)) == bits(schedule.values(40, 115))
    assert paused.length == 115
    assert [tuple(phase)[:3] for phase in schedule.skip(4).phases()] == [("warmup", 0, 6), ("decay", 6, 96)]
    assert [tuple(phase)[:3] for phase in schedule.skip(10).phases()] == [("decay", 0, 90)]
    assert [tuple(phase)[:3] for phase in paused.phases()] == [
        ("warmup", 0, 10),
        ("decay", 10, 40),
        ("constant", 40, 55),
        ("decay", 55, 115),
    ]
    assert [phase[:3] for phase in lrk.step(1.0, 10, 0.5).by_epoch(2).skip(7).phases()] == [("step", 0, None)]


def test_stretch_keeps_what_was_skipped_in_proportion() -> None:
    """n is a time: it scales with the others, and may then be a real number."""
    curve = lrk.linear(1.0, 0.0, 100)
    assert curve.skip(20).stretch(160) == curve.stretch(200).skip(40)
    assert curve.skip(20).stretch(40) == curve.stretch(50).skip(10)
    for total in (33, 7.7, 1000.5):
        stretched = curve.skip(20).stretch(total)
        assert stretched.length == total
        assert stretched([0, 10**6]).tolist() == [0.8, 0.0]
        for t in range(0, 8):
            assert stretched(t) == pytest.approx(0.8 * (1 - min(t / total, 1)), rel=1e-13, abs=1e-15)
    with pytest.raises(ValueError, match=r"n must be > 0 and < 2\^53") as caught:
        lrk.linear(1.0, 0.0, 2**52 + 1).skip(2**52).stretch(1000)
    assert "got 1000" in str(caught.value)


# ---- identity ----


def public() -> dict[str, object]:
    """What `from lrkernel import *` gives."""
    return {name: getattr(lrk, name) for name in lrk.__all__}


@settings(max_examples=200)
@given(expressions)
@example("sequence(constant(1.0, 1), cosine_restarts(1.0, 1, 1.5, 0.0, 0).clip(hi=0.5).cut(1), constant(1.0, 1)).stretch(1)")
@example("(linear(1, 0, 10).by_epoch(2) * -1.0)")  # holds a negative zero
@example("(-warmup_linear(2.0, 10, 10))")
@example("((linear(1, 0, 7.1) * 0.5).then(linear(0, 1, 10.25) * 0.5).stretch(77.7))")
@example("sequence(constant(1, 10**9), constant(2, 2**31), linear(0, 1, 512).stretch(1e-9), constant(3))")
@example("cosine_restarts(1.0, 1, 2.0).shift(1)")
@example("cosine_restarts(1.0, 1, 1.5).by_epoch(2)")
@example("cosine_restarts(1.0, 1, 1.5).cut(1).stretch(77.7)")
@example("constant(1.0, 2).by_epoch(2.5).stretch(1)")
@example("linear(1.0, 0.0, 10).skip(5).stretch(12)")
@example("linear(1.0, 0.0, 10).skip(5).stretch(7.7)")
@example("linear(1.0, 0.0, 10).skip(5).cut(3).skip(2)")
@example("linear(1.0, 0.0, 10).skip(5).stretch(7.7).skip(2)")
@example("linear(1.0, 0.0, 2**53 - 1).skip(2**53 - 2).stretch(0.3)")  # all of it rounds away
@example("(linear(1.0, 2.5, 10).by_epoch(2) * -1.0).skip(5)")
def test_every_form_gives_the_schedule_back(expression: str) -> None:
    schedule = library(expression)
    text = json.dumps(schedule.to_dict(), sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == schedule.fingerprint
    blob = schedule.to_bytes()
    back = {
        "dict": lrk.Schedule.from_dict(schedule.to_dict()),
        "json": lrk.Schedule.from_dict(json.loads(text)),
        "bytes": lrk.Schedule.from_bytes(blob),
        "repr": eval(repr(schedule), public()),
        "copy": copy.copy(schedule),
        "deepcopy": copy.deepcopy(schedule),
        **{f"pickle {p}": pickle.loads(pickle.dumps(schedule, p)) for p in range(2, 6)},
    }
    steps = some_steps(expression)
    wanted = bits(schedule(steps))
    for form, other in back.items():
        assert isinstance(other, lrk.Schedule), form
        assert other == schedule, form
        assert hash(other) == hash(schedule), form
        assert other.fingerprint == schedule.fingerprint, form
        assert other.length == schedule.length, form
        assert other.end == schedule.end, form
        assert bits(other(steps)) == wanted, form
        assert repr(other) == repr(schedule), form
    assert back["bytes"].to_bytes() == blob
    assert back["bytes"].phases() == schedule.phases()
    assert back["pickle 4"].phases() == schedule.phases()


@settings(max_examples=150)
@given(expressions)
def test_what_vanishes_from_the_canonical_form(expression: str) -> None:
    schedule = library(expression)
    same = [schedule * 1, 1.0 * schedule, schedule + 0, schedule.shift(0), schedule.skip(0), lrk.sequence(schedule)]
    if schedule.length is not None:
        same.append(schedule.repeat(1))
    for other in same:
        assert other == schedule
        assert other.fingerprint == schedule.fingerprint
    for other in (schedule * 2, schedule + 1, schedule.shift(1), schedule.by_epoch(2)):
        assert other != schedule
        assert other.fingerprint != schedule.fingerprint
    assert schedule * 2 / 2 != schedule


@settings(max_examples=100)
@given(leaf(), leaf(), leaf())
def test_sequences_are_flat(a: Drawn, b: Drawn, c: Drawn) -> None:
    for drawn in (a, b, c):
        slow = model(drawn.expression)
        assume(slow.exact and slow.length is not None)
    one, two, three = (library(drawn.expression) for drawn in (a, b, c))
    flat = lrk.sequence(one, two, three)
    nested = [
        one.then(two).then(three),
        one.then(two.then(three)),
        lrk.sequence(one, lrk.sequence(two, three)),
    ]
    for other in nested:
        assert other == flat
        assert other.fingerprint == flat.fingerprint


def test_equality_is_by_value() -> None:
    assert lrk.linear(0, 1, 10) == lrk.linear(0.0, 1.0, 10.0) == lrk.linear(-0.0, 1.0, 10)
    assert lrk.linear(0, 1, 10) != lrk.linear(0, 1, 10.5)
    assert lrk.linear(0, 1, 10) != lrk.linear(0, 1.0000000000000002, 10)
    assert lrk.linear(0, 1, 10) != "linear(0.0, 1.0, 10)"
    assert len({lrk.linear(0, 1, 10), lrk.linear(0.0, 1.0, 10), lrk.linear(0, 2, 10)}) == 2
    warmed = lrk.warmup_cosine(1e-3, 10, 100)
    assert warmed == lrk.linear(0, 1e-3, 10).then(lrk.cosine(1e-3, 0, 90))
    assert lrk.sequence(lrk.constant(1, 5), lrk.linear(0, 1, 5), at=[0]) == lrk.linear(0, 1, 5)


def test_a_schedule_cannot_be_changed() -> None:
    schedule = lrk.warmup_cosine(1e-3, 10, 100)
    with pytest.raises(AttributeError):
        schedule.length = 5  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        schedule.segments["start"][0] = 5.0
    schedule.to_dict().clear()
    assert schedule == lrk.warmup_cosine(1e-3, 10, 100)


# ---- shape of the curves ----

MONOTONE = [
    "linear({0!r}, {1!r}, {2})",
    "cosine({0!r}, {1!r}, {2})",
    "polynomial({0!r}, {1!r}, {2}, 2.2)",
    "power_ramp({0!r}, {1!r}, {2}, 0.5)",
    "power_ramp({0!r}, {1!r}, {2}, 3.0)",
    "geometric({0!r} + 1e-9, {1!r} + 1e-9, {2})",
]


@pytest.mark.parametrize("pattern", MONOTONE)
@pytest.mark.parametrize("ends", [(0.0, 0.1), (0.1, 0.0), (1e-5, 1e-3), (1e-3, 1e-5), (0.7, 0.9)])
@pytest.mark.parametrize("steps", [1, 2, 3, 39, 1000, 54321, 10**6])
def test_warmups_rise_and_decays_fall(pattern: str, ends: tuple[float, float], steps: int, level: str) -> None:
    curve = eval(pattern.format(*ends, steps), vars(lrk).copy())
    window = min(steps + 2, 20000)
    for start in (0, max(steps // 2 - window // 2, 0), steps + 2 - window):
        change = np.diff(curve.values(start, start + window))
        rising = ends[1] > ends[0]
        assert (change >= 0).all() if rising else (change <= 0).all()
    values = curve.values(0, steps + 1, max(steps // 100, 1))
    assert values.min() >= min(ends)
    assert values.max() <= max(ends) + 1e-9


@pytest.mark.parametrize(
    "expression",
    ["exponential(0.1, 0.9999)", "inverse_sqrt(0.1, 4000)", "step(0.1, 30, 0.9)"],
)
def test_open_decays_fall(expression: str, level: str) -> None:
    curve = eval(expression, vars(lrk).copy())
    for start in (0, 10**4, 2**31 - 5000, 2**53):
        values = curve.values(start, start + 10000)
        assert (np.diff(values) <= 0).all()
        assert (values >= 0).all()


def test_end_is_the_first_constant_step() -> None:
    for schedule, end in (
        (lrk.constant(0.1), 0),
        (lrk.linear(0, 1, 10), 10),
        (lrk.linear(0, 1, 10.5), 11),
        (lrk.cosine(1, 0, 10**12), 10**12),
        (lrk.warmup_constant(1, 10), 10),
        (lrk.warmup_cosine(1e-3, 10, 100), 100),
        (lrk.wsd(1e-3, 10, 50, 40), 100),
        (lrk.wsd(1e-3, 10, None, 40), 10),
        (lrk.multistep(0.1, [30, 60], 0.1), 60),
        (lrk.piecewise_constant([1, 2, 3], [5, 7]), 7),
        (lrk.linear(0, 1, 10).by_epoch(5), 50),
        (lrk.linear(0, 1, 10).shift(5), 15),
        (lrk.linear(0, 1, 10).repeat(3), 30),
        (lrk.linear(0, 1, 10).skip(3), 7),
        (lrk.linear(0, 1, 10.5).skip(3), 8),
        (lrk.multistep(0.1, [30, 60], 0.1).skip(45), 15),
        (lrk.multistep(0.1, [30, 60], 0.1).skip(75), 0),
        (lrk.exponential(1, 0.9).skip(5), None),
        (lrk.linear(0, 1, 10) * 2 + 1, 10),
        (lrk.exponential(1, 0.9), None),
        (lrk.step(1, 10, 0.9), None),
        (lrk.inverse_sqrt(1, 10), None),
        (lrk.linear(0, 1, 10).repeat(), None),
        (lrk.cosine_restarts(1, 10), None),
    ):
        assert schedule.end == end, repr(schedule)


def test_stairs_stand_on_exact_multiples() -> None:
    """The float64 0.1 is more than a tenth: step 3 is in stair 29, where a division says 30."""
    schedule = lrk.from_values([float(i) for i in range(200)])
    for size in (0.1, 0.7, 1 / 3, 2.5, 1.1):
        stairs = schedule.stretch(200 * size)
        each = 200 * size / 200
        for t in range(60):
            assert stairs(t) == min(Fraction(t) // Fraction(each), 199), (size, t)
    for n in (1.1, 2.5, 1e6 / 3, 7.000000000000001):
        epochs = schedule.by_epoch(n)
        for t in (0, 1, 2, 7, 10, 11, 12, 22, 33, 77, 110, 333333, 666666, 666667, 10**6):
            assert epochs(t) == min(Fraction(t) // Fraction(n), 199), (n, t)


def test_a_stretched_schedule_ends_where_it_was_told() -> None:
    s = lrk.linear(1.0, 0.0, 88.10000000000001).stretch(48768)
    assert s.length == 48768
    assert s(48768) == 0.0
