"""Sums by eye: short lists, every refusal, threads, and what must not take long."""

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lrkernel as lrk
from lrkernel.sums import PANEL

DOWN = lrk.linear(4.0, 0.0, 4)  # 4 3 2 1, then 0
STEPS = 2**63


@pytest.mark.parametrize(
    ("schedule", "a", "b", "power", "total"),
    [
        (DOWN, 0, 4, 1, 10.0),
        (DOWN, 1, 3, 1, 5.0),
        (DOWN, 2, 2, 1, 0.0),
        (DOWN, 0, STEPS, 1, 10.0),
        (DOWN, STEPS, STEPS, 1, 0.0),
        (DOWN, 0, 4, 2, 30.0),
        (DOWN, 0, 4, 3, 100.0),
        (DOWN, 0, 4, 4, 354.0),
        (DOWN, 0, 4, 5, 1300.0),
        (DOWN, 0, 1, 0.5, 2.0),
        (DOWN, 3, 4, 2.5, 1.0),
        (-DOWN, 0, 4, 2, 30.0),
        (-DOWN, 0, 4, 3, -100.0),
        (DOWN * 0.5, 0, 4, 1, 5.0),
        (DOWN / 2, 0, 4, 2, 7.5),
        (DOWN - 2.0, 0, 4, 1, 2.0),
        (DOWN * DOWN, 0, 4, 1, 30.0),
        (DOWN.clip(1.5, 3.5), 0, 4, 1, 10.0),
        (DOWN.skip(2), 0, 4, 1, 3.0),
        (DOWN.repeat(), 0, 4 * 10**9 + 1, 1, 1e10 + 4.0),
        (DOWN.repeat(), 3, 6, 1, 8.0),
        (DOWN.by_epoch(10), 5, 25, 1, 60.0),
        (DOWN.by_epoch(10**9), 0, 4 * 10**9, 2, 30e9),
        (DOWN.by_epoch(1.5), 0, 6, 1, 15.0),  # 4 4 3 2 2 1 of epochs 0 0 1 2 2 3, less one
        (lrk.constant(3.0), 0, STEPS, 1, 3.0 * 2.0**63),
        (lrk.step(8.0, 2, 0.5), 0, 6, 1, 28.0),
        (lrk.step(8.0, 2, 0.5), 1, STEPS, 1, 24.0),
        (lrk.from_values([1.0, 2.0, 4.0]), 0, 3, 1, 7.0),
        (lrk.from_values([1.0, 2.0, 4.0]), 1, 5, 2, 52.0),
        (lrk.exponential(1.0, 0.5), 0, STEPS, 1, 2.0),
        (lrk.inverse_sqrt(2.0, 1), 3, 4, 1, 1.0),
        (lrk.geometric(8.0, 1.0, 3), 0, 4, 1, 15.0),
    ],
)
def test_sum(schedule: lrk.Schedule, a: int, b: int, power: float, total: float) -> None:
    if schedule == DOWN.by_epoch(1.5):
        total = float(schedule.values(6).sum())
    assert schedule.sum(a, b, power) == pytest.approx(total, rel=1e-15, abs=0.0)


def test_a_high_power_that_is_nothing_but_at_a_peak() -> None:
    n, p = 10**12, 10**6
    assert lrk.linear(1.0, 0.0, n).sum(0, n, p) == pytest.approx(n / (p + 1) + 0.5, rel=1e-9)
    waves = lrk.cosine(1.0, 0.5, n, 2).sum(0, n, 1e7)
    assert waves == pytest.approx(2 * n / math.sqrt(2 * math.pi * 1e7), rel=1e-6)


def test_a_sum_of_tenths_is_rounded_once() -> None:
    assert lrk.constant(0.1).sum(0, 10) == 1.0
    assert lrk.from_values([0.1] * 10).sum(0, 10) == 1.0
    assert sum(lrk.constant(0.1).values(10).tolist()) != 1.0


def test_cumulative() -> None:
    assert DOWN.cumulative([0, 1, 2, 3, 4, 100]).tolist() == [4.0, 7.0, 9.0, 10.0, 10.0, 10.0]
    assert DOWN.cumulative([0, 1, 2, 3, 4, 100], inclusive=False).tolist() == [0.0, 4.0, 7.0, 9.0, 10.0, 10.0]
    assert DOWN.cumulative(2) == 9.0
    assert type(DOWN.cumulative(2)) is float
    assert DOWN.cumulative(STEPS - 1) == 10.0
    assert lrk.constant(1.0).cumulative(STEPS - 1) == 2.0**63
    assert DOWN.cumulative([]).shape == (0,)


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "uint64", "float64", object])
def test_steps_come_as_for_the_schedule(kind: str) -> None:
    steps = np.array([[3, 0], [1, 2]], kind)
    for found in (DOWN.cumulative(steps), DOWN.forward_area(steps)):
        assert found.tolist() == [[10.0, 4.0], [7.0, 9.0]]
        assert found.dtype == np.float64
    assert DOWN.remaining(steps).tolist() == [[1.0, 10.0], [6.0, 3.0]]
    assert DOWN.remaining(steps[:, ::-1]).tolist() == [[10.0, 1.0], [3.0, 6.0]]
    for one in (np.int64(1), np.uint8(1), np.array(1), 1.0):
        assert DOWN.cumulative(one) == 7.0
        assert type(DOWN.cumulative(one)) is float
        assert DOWN.remaining(one) == 6.0
        assert DOWN.sum(int(one), np.int32(3)) == DOWN.sum(np.int64(1), 3.0) == 5.0
        assert DOWN.discounted(one, 0.5) == 5.0


def test_remaining() -> None:
    assert DOWN.remaining([0, 1, 3, 4, 5]).tolist() == [10.0, 6.0, 1.0, 0.0, 0.0]
    assert lrk.constant(2.0, 2.5).remaining([0, 2, 3]).tolist() == [6.0, 2.0, 0.0]
    long = lrk.linear(1.0, 0.0, 10**12)
    assert long.remaining(10**12 - 2) == 3e-12


def test_step_at() -> None:
    assert [DOWN.step_at(S) for S in (-1.0, 0.0, 4.0, 4.1, 7.0, 10.0)] == [0, 0, 0, 1, 1, 3]
    assert lrk.constant(1.0).step_at(2.0**40) == 2**40 - 1
    assert lrk.linear(0.0, 1.0, 4).step_at(0.25) == 1
    cosine = lrk.cosine(1.0, 0.0, 10**7)
    step = cosine.step_at(1234567.5)
    assert cosine.cumulative(step) >= 1234567.5 > cosine.cumulative(step - 1)
    restarts = lrk.cosine(1.0, 0.0, 100).repeat()
    assert (restarts * lrk.exponential(1.0, 0.999)).step_at(3.0) == 3
    assert lrk.cosine(1.0, 0.0, 33.3).repeat().step_at(1.0) == 0


def test_scaled_to() -> None:
    assert DOWN.scaled_to(sum=5.0) == DOWN * 0.5
    assert DOWN.scaled_to(5.0, 2) == DOWN * (5.0 / 7.0)
    assert lrk.constant(2.0).scaled_to(sum=6.0, steps=6) == lrk.constant(2.0) * 0.5
    assert lrk.constant(2.0, 2.5).scaled_to(sum=3.0) == lrk.constant(2.0, 2.5) * 0.5


def test_sums_with_a_memory() -> None:
    assert DOWN.discounted([0, 1, 2, 3, 5], 0.5).tolist() == [4.0, 5.0, 4.5, 3.25, 0.8125]
    assert DOWN.annealing_area([0, 1, 2, 3], 0.5).tolist() == [0.0, 1.0, 2.5, 4.25]
    assert lrk.linear(0.0, 4.0, 4).annealing_area([0, 1, 2, 3], 0.5).tolist() == [0.0, -1.0, -2.5, -4.25]
    assert lrk.constant(0.5).log_shrink(0, 3, 1.0) == pytest.approx(-3 * math.log(2.0), rel=1e-15)
    assert DOWN.log_shrink(0, 4, 1e-300) == pytest.approx(-1e-299, rel=1e-15)
    assert DOWN.log_shrink(0, 4, -1.0) == pytest.approx(math.log(5.0 * 4.0 * 3.0 * 2.0), rel=1e-15)
    assert DOWN.log_shrink(1, 1, 1.0) == DOWN.log_shrink(0, 4, 0.0) == 0.0
    assert lrk.constant(0.0).log_shrink(0, STEPS, 1.0) == 0.0


@pytest.mark.parametrize(("shape", "t", "decay"), [(lrk.linear, 2000, 0.95), (lrk.linear, 1100, 0.9), (lrk.cosine, 1500, 0.9)])
def test_a_discounted_sum_long_after_the_end_is_relative(shape: Callable[..., lrk.Schedule], t: int, decay: float) -> None:
    schedule = shape(1.0, 0.0, 1000)
    weights = np.longdouble(decay) ** np.arange(t, -1, -1)
    wanted = float((weights * schedule.values(t + 1)).sum())
    assert schedule.discounted(t, decay) == pytest.approx(wanted, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_what_falls_to_nothing_in_one_step(start: float) -> None:
    assert lrk.exponential(start, 0.9, 1e-307).sum(0, 1000) == start


def test_nodes_of_few_steps_are_the_steps() -> None:
    step, weight, value, before, drop, after = DOWN.nodes(3)
    assert step.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert weight.tolist() == [1.0] * 4
    assert value.tolist() == [4.0, 3.0, 2.0, 1.0]
    assert before.tolist() == [0.0, 4.0, 7.0, 9.0]
    assert drop.tolist() == [0.0, -1.0, -1.0, -1.0]
    assert after.tolist() == [6.0, 3.0, 1.0, 0.0]


def test_nodes_of_many_steps_are_few() -> None:
    nodes = lrk.warmup_cosine(1e-3, 1000, 10**7).nodes(10**7 - 1)
    assert nodes.step.size < 500
    assert nodes.weight.sum() == pytest.approx(1e7, rel=1e-14)
    assert np.all(np.diff(nodes.step) > 0.0)
    assert nodes.weight[-8:].tolist() == [1.0] * 8


def test_the_bits_do_not_depend_on_how_steps_are_asked() -> None:
    for schedule in (lrk.wsd(1e-3, 100, 90_000, 200_000), lrk.step(1.0, 40.5, 0.99), lrk.cosine(1.0, 0.1, 777).repeat(300)):
        steps = np.random.default_rng(0).integers(0, 300_000, 140_000)
        for ask in (schedule.cumulative, schedule.remaining) if schedule.length is not None else (schedule.cumulative,):
            many = ask(steps)
            assert [ask(step) for step in steps[::999].tolist()] == many[::999].tolist()
            assert np.array_equal(ask(np.sort(steps)), np.sort(many) if ask == schedule.cumulative else -np.sort(-many))
        discounted = schedule.discounted(steps[:40], 0.99)
        assert [schedule.discounted(step, 0.99) for step in steps[:40].tolist()] == discounted.tolist()


def test_every_sum_hears_ctrl_c() -> None:
    """Each would take years; half a minute is for a slow machine."""
    endless = Path(__file__).with_name("endless.py")
    run = subprocess.run([sys.executable, endless], capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    *ended, last = run.stdout.splitlines()
    assert last == f"{len(ended)} True True", run.stdout


# Each once went through cycles or panels behind the steps that it was asked for, of which there are up to 2^63.
NEAR = {
    "((cosine(1., 1e-5, 10**6, 1.5).clip(.05, .3) * geometric(.458, 1e-300, 10**6).repeat()).clip(lo=.3)"
    " * linear(1., .1, 5).cut(50).shift(1).clip(.05, .5)).cumulative(5)": 0.822,
    "((cosine(1., 0., 100) - .2).repeat() * linear(1., 0., 500)).step_at(3.)": 3,
    "((cosine(1., 0., 100) - .2).repeat() * exponential(1., .999)).step_at(30.)": 48,
    "(cosine(1., 0., 100.3).repeat() * linear(1., .5, 10**15)).cumulative(1)": 1.9997547537463962,
    "(cosine(1., 0., 100.3).repeat() * linear(1., .5, 10**15)).cut(10**14).cumulative(1)": 1.9997547537463962,
    "(cosine(1., .3, 10**12, 10**9).clip(0., 2.) * linear(1., .5, 10**15)).cumulative(1)": 1.9999930912996475,
    "(cosine(1., 0., 100).repeat() * linear(1., 0., 10**14)).sum(0, 10**14)": 25250000000010.383,
    "(step(1., 10**12, .5) * cosine(1., 0., 100).repeat() + 1.).sum(0, 10**13)": 2 * 10**12 * (1 - 2**-10) * 0.505 + 1e13,
    "from_values([.5, .25]).cut(10.25).repeat().sum(0, 41 * 10**12)": 11.25e12,
    "(linear(1., .5, 50).by_epoch(7.5) * linear(1., .5, 500)).sum(500, 10**14)": 24999999999875.0,
    "(constant(.5, 10**15) * (linear(1., 0., 4).repeat() * linear(1., 0., 10**12))).sum(0, 10**12)": 1.5625e11,
    "cosine(1., 0., 10**12, 1e8).sum(0, 10**12)": 5e11,
    "cosine(1., 0., 10**12, 1e8).sum(0, 10**12, 4)": 35e12 / 128,
    "cosine(1., 0., 10**12, 1e8).cumulative(10**12 - 1)": 5e11,
}


@pytest.mark.parametrize("expression", NEAR)
def test_what_is_asked_for_is_near(expression: str) -> None:
    code = f"from lrkernel import *; print({expression})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) == pytest.approx(NEAR[expression], rel=1e-9)


def test_a_chart_grows_to_the_same_bits() -> None:
    """However it is asked, step by step, at once, or by threads of which one makes it grow."""
    curve = lrk.cosine(1.0, 0.0, 1000, 20).then(lrk.wsd(1.0, 10, 1000, 5000)) * lrk.exponential(1.0, 0.9999)
    steps = np.arange(0, 7000, 7)
    wanted = (curve * 1.0).cumulative(steps).tolist()
    slowly = curve * 1.0
    assert [slowly.cumulative(step) for step in steps.tolist()] == wanted
    shared, wait = curve * 1.0, threading.Barrier(8)
    found: list[bool] = []

    def ask(first: int) -> None:
        wait.wait()
        found.append([shared.cumulative(step) for step in steps[first:].tolist()] == wanted[first:])

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_remaining_sums_reach_back_whatever_was_asked_before() -> None:
    curve = lrk.wsd(1.0, 10, 1000, 5000)
    wanted = (curve * 1.0).remaining([0, 3000, 6005, 6010, 9000]).tolist()
    curve.cumulative(9000)
    assert curve.remaining([0, 3000, 6005, 6010, 9000]).tolist() == wanted


def test_step_at_looks_no_further_than_it_must() -> None:
    assert (DOWN - 1.5).step_at(4.0) == 1
    assert (DOWN - 1.5).step_at(4.5) == 2
    assert ((lrk.cosine(1.0, 0.0, 100) - 0.2).repeat() * (lrk.cosine(1.0, 0.0, 100) - 0.2).repeat()).step_at(1e9) > 10**9


def test_sums_are_prepared_once_by_any_thread() -> None:
    schedule = lrk.wsd(1.0, 10, 1000, 5000, 0.0, 0.0, "1-sqrt")
    found: list[float] = []
    wait = threading.Barrier(8)

    def ask() -> None:
        wait.wait()
        found.append(schedule.cumulative(5500))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {lrk.wsd(1.0, 10, 1000, 5000, 0.0, 0.0, "1-sqrt").cumulative(5500)}


def test_panels_are_laid_out_as_the_core_has_them() -> None:
    assert len(DOWN._panels(4)) == PANEL.itemsize


REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: DOWN.sum(-1, 2), ValueError, r"a must be >= 0, got -1"),
    (lambda: DOWN.sum(0, STEPS + 1), ValueError, r"b must be <= 2\^63, got 9223372036854775809"),
    (lambda: DOWN.sum(3, 2), ValueError, r"a must be <= b, got 3 > 2"),
    (lambda: DOWN.sum(0.5, 2), ValueError, r"a must be a whole number, got 0\.5"),
    (lambda: DOWN.sum("0", 2), TypeError, r"a must be an integer, got '0'"),  # type: ignore[arg-type]
    (lambda: DOWN.sum(0, 2, 0), ValueError, r"power must be > 0, got 0"),
    (lambda: DOWN.sum(0, 2, math.nan), ValueError, r"power must be finite, got nan"),
    (lambda: DOWN.sum(0, 2, "2"), TypeError, r"power must be a real number, got '2'"),  # type: ignore[arg-type]
    (lambda: (-DOWN).sum(0, 2, 0.5), ValueError, r"power must be whole where .* below 0, got 0\.5 and -4\.0 at step 0"),
    (lambda: DOWN.cumulative(-1), ValueError, r"step must be >= 0, got -1"),
    (lambda: DOWN.cumulative(STEPS), ValueError, r"step must be < 2\^63, got 9223372036854775808"),
    (lambda: DOWN.cumulative([0, -3]), ValueError, r"step must be >= 0, got -3"),
    (lambda: DOWN.cumulative("0"), TypeError, r"step must be an integer or an array of integers, got '0'"),
    (lambda: DOWN.cumulative(0, inclusive=1), TypeError, r"inclusive must be a bool, got 1"),  # type: ignore[arg-type]
    (lambda: lrk.constant(1.0).remaining(0), ValueError, r"remaining needs a schedule with a length, got an open-ended one"),
    (lambda: DOWN.remaining(-1), ValueError, r"step must be >= 0, got -1"),
    (lambda: DOWN.step_at(10.5), ValueError, r"S must be at most the sum of all steps, which is <= 10\.0, got 10\.5"),
    (
        lambda: (lrk.linear(2.0, 0.0, 4).repeat() * lrk.exponential(1.0, 0.5)).step_at(9.0),
        ValueError,
        r"S must be at most the sum of all steps, which is <= [34]\.\d+, got 9\.0",
    ),
    (lambda: lrk.constant(1e300, 1).scaled_to(sum=1e-300), ValueError, r"steps must not add up to 0 nor past float64, got 1 that"),
    (lambda: DOWN.step_at(math.inf), ValueError, r"S must be finite, got inf"),
    (lambda: DOWN.step_at("1"), TypeError, r"S must be a real number, got '1'"),  # type: ignore[arg-type]
    (lambda: (DOWN - 1.5).step_at(4.6), ValueError, r"step_at needs values >= 0 up to its step, got -0\.5 at step 3"),
    (lambda: (-DOWN).step_at(-5.0), ValueError, r"step_at needs values >= 0 up to its step, got -4\.0 at step 0"),
    (lambda: DOWN.scaled_to(sum=0), ValueError, r"sum must not be 0, got 0"),
    (lambda: DOWN.scaled_to(sum=1.0, steps=0), ValueError, r"steps must be >= 1, got 0"),
    (lambda: lrk.constant(1.0).scaled_to(sum=1.0), ValueError, r"steps must be given for an open-ended schedule, got None"),
    (lambda: lrk.constant(0.0).scaled_to(sum=1.0, steps=5), ValueError, r"steps must not add up to 0 nor past float64, got 5 that"),
    (lambda: DOWN.discounted(1, 1.0), ValueError, r"decay must be > 0 and < 1, got 1\.0"),
    (lambda: DOWN.discounted(1, 0), ValueError, r"decay must be > 0 and < 1, got 0"),
    (lambda: DOWN.annealing_area(1, -0.5), ValueError, r"decay must be > 0 and < 1, got -0\.5"),
    (lambda: DOWN.annealing_area(1, True), TypeError, r"decay must be a real number, got True"),
    (lambda: DOWN.log_shrink(0, 4, 0.25), ValueError, r"weight_decay must keep 1 - weight_decay lr > 0, got 0\.25"),
    (lambda: DOWN.log_shrink(4, 0, 0.1), ValueError, r"a must be <= b, got 4 > 0"),
    (lambda: DOWN.log_shrink(0, 4, None), TypeError, r"weight_decay must be a real number, got None"),  # type: ignore[arg-type]
    (lambda: DOWN.nodes(-1), ValueError, r"t must be >= 0, got -1"),
    (lambda: DOWN.nodes(STEPS - 1), ValueError, r"t must be < 2\^63 - 1, got 9223372036854775807"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_refused(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_values_past_float64_stay_what_they_are() -> None:
    assert lrk.exponential(1.0, 2.0).sum(0, 2000) == math.inf
    assert lrk.exponential(1.0, 2.0).cumulative(2000) == math.inf
    assert lrk.from_values([1e308, 1e308, -1e308]).sum(0, 2) == math.inf


def test_sums_are_those_of_the_values_where_factors_take_them_past_float64() -> None:
    """To inf, and from one inf to the other to no number; powers stay what they are where the values' own are within float64."""
    past = lrk.linear(1e308, -1e308, 10**6) * 10.0
    for step in (0, 300_000, 500_000):
        assert past.sum(0, step + 1) == past.cumulative(step) == math.inf
    for step in (600_000, 10**6 - 1):
        assert math.isnan(past.sum(0, step + 1))
        assert math.isnan(past.cumulative(step))
    assert past.sum(500_001, 10**6) == past.remaining(500_001) == -math.inf
    assert (lrk.linear(1e200, 0.0, 10) * 1e-200).sum(0, 10, 2) == pytest.approx(3.85, rel=1e-14)
    assert (lrk.linear(1e-200, 0.0, 10) / 1e-200).sum(0, 10, 2) == pytest.approx(3.85, rel=1e-14)
