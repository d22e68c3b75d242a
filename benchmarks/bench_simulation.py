"""Laws, bounds and searches, beside the loops of the published formulas written plainly with NumPy.

    python -m pytest benchmarks/bench_simulation.py

The peers are tested equal first, at fewer steps.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk
from lrkernel.simulation import MultiPower, last_iterate_bound, optimize

STEPS = 10_000_000
LAW = MultiPower(3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257)


def run_of(steps: int) -> lrk.Schedule:
    return lrk.warmup_cosine(3e-4, steps // 1000, steps, floor=3e-5)


def plain_multi_power(schedule: lrk.Schedule, steps: int) -> float:
    """The formula with arrays of all steps."""
    lr = schedule.values(steps)
    total = lr.cumsum()
    behind = total[-1] - total[:-1]
    factors = 1.0 - (1.0 + LAW.C * lr[1:] ** -LAW.gamma * behind) ** -LAW.beta
    return float(LAW.L0 + LAW.A * total[-1] ** -LAW.alpha + LAW.B * (np.diff(lr) * factors).sum())


def plain_bound(schedule: lrk.Schedule, steps: int) -> float:
    """The published form, by differences of prefix sums."""
    lr = schedule.values(steps)
    total, squares = lr.cumsum(), (lr * lr).cumsum()
    after = total[-1] - total[:-1]
    inner = lr[:-1] / after * (squares[-1] - squares[:-1] + lr[:-1] ** 2) / (after + lr[:-1])
    return float((1.0 + squares[-1]) / (2.0 * total[-1]) + 0.5 * inner.sum())


PEERS: list[tuple[str, Callable[[lrk.Schedule, int], Any], Callable[[lrk.Schedule, int], float]]] = [
    ("multi-power loss", lambda s, n: LAW.predict(s, n - 1), plain_multi_power),
    ("last-iterate bound", last_iterate_bound, plain_bound),
]


@pytest.mark.parametrize(("name", "ours", "plain"), PEERS, ids=[name for name, _, _ in PEERS])
def test_peers_are_equal(name: str, ours: Any, plain: Any) -> None:
    assert ours(run_of(10_000), 10_000) == pytest.approx(plain(run_of(10_000), 10_000), rel=1e-9)


@pytest.mark.parametrize("plainly", [False, True], ids=["lrkernel", "numpy"])
@pytest.mark.parametrize(("name", "ours", "plain"), PEERS, ids=[name for name, _, _ in PEERS])
def test_at_the_end_of_ten_million_steps(benchmark: Any, name: str, ours: Any, plain: Any, plainly: bool) -> None:
    if plainly:
        benchmark.pedantic(plain, (run_of(STEPS), STEPS), rounds=2)
    else:
        benchmark(ours, run_of(STEPS), STEPS)


def test_a_curve_of_1000_points(benchmark: Any) -> None:
    points = np.linspace(1, STEPS - 1, 1000).astype(np.int64)
    benchmark.pedantic(lambda: LAW.predict(run_of(STEPS), points), rounds=10)


def test_a_sweep_of_10000_schedules(benchmark: Any) -> None:
    decays = np.arange(1, 10_001) * 20
    batch = lrk.sweep(lambda decay: lrk.wsd(3e-4, 2000, 998_000 - decay, decay), decay=decays)
    benchmark.pedantic(LAW.predict, (batch, 999_999), rounds=2)


def test_a_search(benchmark: Any) -> None:
    found = benchmark.pedantic(
        lambda: optimize(LAW, peak=3e-4, steps=24_000, warmup=2160, warmup_counts="area", floor=1e-10), rounds=3
    )
    assert found.loss <= 3.14969
