"""Sums beside NumPy's cumsum and the published formulas as loops: `python -m pytest benchmarks/bench_sums.py`.

What is compared is the same to the digits that the plain way keeps.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk

Benchmark = Callable[..., Any]
STEPS = 10_000_000
DECAY = 0.999
FIVE = lrk.sequence(
    lrk.linear(0.0, 1e-3, STEPS // 100),
    lrk.constant(1e-3, STEPS // 5),
    lrk.cosine(1e-3, 4e-4, STEPS // 5),
    lrk.polynomial(4e-4, 1e-4, STEPS // 5, 2.5),
    lrk.geometric(1e-4, 1e-6, STEPS // 5),
    lrk.linear(1e-6, 0.0, STEPS // 5 - STEPS // 100),
)
COSINE = lrk.warmup_cosine(1e-3, 2000, STEPS)
TWO_POINT = STEPS * 2 // 3


@pytest.fixture
def n(request: pytest.FixtureRequest) -> int:
    return 20_000 if request.config.getoption("benchmark_disable") else STEPS


def plain_annealing_area(values: np.ndarray[Any, Any], decay: float) -> float:
    """S2 as the paper has it: one momentum, step by step."""
    total = momentum = 0.0
    for before, now in zip(values[:-1].tolist(), values[1:].tolist(), strict=True):
        momentum = decay * momentum + before - now
        total += momentum
    return total


def plain_discounted(values: np.ndarray[Any, Any], decay: float) -> float:
    total = 0.0
    for value in values.tolist():
        total = decay * total + value
    return total


def test_the_plain_ways_agree() -> None:
    values = FIVE.values(400_000)
    assert FIVE.cumulative(399_999) == pytest.approx(float(values.cumsum()[-1]), rel=1e-10)
    assert COSINE.annealing_area(49_999, DECAY) == pytest.approx(plain_annealing_area(COSINE.values(50_000), DECAY), rel=1e-9)
    assert COSINE.discounted(49_999, DECAY) == pytest.approx(plain_discounted(COSINE.values(50_000), DECAY), rel=1e-12)


def test_cumulative_at_one_step(benchmark: Benchmark) -> None:
    FIVE.cumulative(0)
    assert benchmark(FIVE.cumulative, TWO_POINT) > 0.0


def test_cumulative_at_sorted_steps(benchmark: Benchmark, n: int) -> None:
    steps = np.linspace(0, STEPS, n // 10, dtype=np.int64)
    FIVE.cumulative(0)
    assert benchmark(FIVE.cumulative, steps).size == n // 10


def test_cumulative_of_a_new_schedule(benchmark: Benchmark) -> None:
    data = FIVE.to_bytes()
    benchmark.pedantic(  # type: ignore[attr-defined]
        lambda schedule: schedule.cumulative(TWO_POINT), setup=lambda: ((lrk.Schedule.from_bytes(data),), {}), rounds=50
    )


def test_numpy_cumsum(benchmark: Benchmark, n: int) -> None:
    benchmark(lambda: FIVE.values(n).cumsum())


@pytest.mark.parametrize("power", [1, 2, 0.5])
def test_sum(benchmark: Benchmark, power: float) -> None:
    benchmark(COSINE.sum, 1, TWO_POINT, power)


@pytest.mark.parametrize("power", [1, 2, 0.5])
def test_numpy_sum(benchmark: Benchmark, n: int, power: float) -> None:
    benchmark(lambda: (COSINE.values(n) ** power).sum())


def test_remaining(benchmark: Benchmark) -> None:
    FIVE.cumulative(0)
    benchmark(FIVE.remaining, TWO_POINT)


@pytest.mark.parametrize("name", ["discounted", "annealing_area"])
def test_with_a_decay(benchmark: Benchmark, name: str) -> None:
    benchmark(getattr(COSINE, name), TWO_POINT, DECAY)


def test_log_shrink(benchmark: Benchmark) -> None:
    benchmark(COSINE.log_shrink, 0, TWO_POINT, 0.1)


@pytest.mark.parametrize("plain", [plain_discounted, plain_annealing_area])
def test_plain_loops(benchmark: Benchmark, n: int, plain: Callable[[np.ndarray[Any, Any], float], float]) -> None:
    values = COSINE.values(n // 100)
    benchmark(plain, values, DECAY)


def test_nodes(benchmark: Benchmark) -> None:
    benchmark(COSINE.nodes, TWO_POINT)
