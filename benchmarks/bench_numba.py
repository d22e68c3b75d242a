"""Schedules in compiled functions, and a shape of one's own beside a loop written for it: `python -m pytest benchmarks`."""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

import lrkernel as lrk
from lrkernel.jit import Cursor

Benchmark = Callable[..., Any]
STEPS = 1_000_000
FOUR = lrk.sequence(
    lrk.linear(0.0, 1e-3, STEPS // 10),
    lrk.constant(1e-3, STEPS // 10),
    lrk.cosine(1e-3, 1e-4, STEPS // 2),
    lrk.polynomial(1e-4, 1e-5, STEPS, 2.5),
)


@numba.njit
def called(schedule: Any, n: int) -> Any:
    total = 0.0
    for step in range(n):
        total += schedule(step)
    return total


@numba.njit
def moved(cursor: Any, n: int) -> Any:
    total = cursor.seek(0)
    for _ in range(n - 1):
        total += cursor.step()
    return total


@pytest.mark.parametrize(("function", "given"), [(called, FOUR), (moved, Cursor(FOUR))], ids=["schedule(step)", "cursor.step()"])
def test_a_million_steps_one_by_one(benchmark: Benchmark, function: Any, given: Any) -> None:
    total = 0.0
    for value in FOUR.values(STEPS).tolist():
        total += value
    assert benchmark(function, given, STEPS) == total


def raised(u: float) -> float:
    return (1.0 + math.cos(math.pi * u)) / 2.0


compiled: Any = numba.njit(raised)
OWN = lrk.shape(raised, name="raised cosine of the benchmarks")(1e-3, 1e-4, STEPS)


@numba.njit
def by_hand(start: float, stop: float, out: Any) -> None:
    for step in range(len(out)):
        out[step] = stop + (start - stop) * compiled(step / len(out))


def test_a_loop_by_hand(benchmark: Benchmark) -> None:
    out = np.empty(STEPS)
    benchmark(by_hand, 1e-3, 1e-4, out)
    assert OWN.values(STEPS) == pytest.approx(out, rel=1e-12)


def test_a_shape_of_ones_own(benchmark: Benchmark) -> None:
    out = np.empty(STEPS)
    assert benchmark(OWN.values, STEPS, out=out, threads=1) is out


@pytest.mark.parametrize("name", ["own", "built in"])
def test_one_step(benchmark: Any, name: str) -> None:
    schedule = {"own": OWN, "built in": lrk.cosine(1e-3, 1e-4, STEPS)}[name]
    # As many calls in a round for both: what one call takes by itself is mostly the clock.
    assert 1e-4 < benchmark.pedantic(schedule, (777_777,), iterations=1000, rounds=100, warmup_rounds=1) < 1e-3
