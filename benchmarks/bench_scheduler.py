"""One step of a scheduler beside torch's: `python -m pytest benchmarks`."""

from collections.abc import Callable
from typing import Any

import pytest
from baselines import STEPPERS, lrs, stepper
from works import Empty

Benchmark = Callable[..., Any]


@pytest.mark.parametrize("groups", [1, 64])
@pytest.mark.parametrize("name", STEPPERS)
def test_step(benchmark: Benchmark, name: str, groups: int) -> None:
    scheduler, optimizer = stepper(name, groups)
    benchmark(scheduler.step)
    assert optimizer.param_groups[-1]["lr"] < 0.1


def test_empty_method(benchmark: Benchmark) -> None:
    assert benchmark(Empty().step) is None


def test_get_lr(benchmark: Benchmark) -> None:
    scheduler, _ = stepper("Scheduler", 1)
    assert benchmark(scheduler.get_lr) == 0.1


@pytest.mark.parametrize("name", STEPPERS)
def test_steppers_give_the_same_values(name: str) -> None:
    scheduler, optimizer = stepper(name, 3)
    reference, its = stepper("CosineAnnealingLR", 3)
    for _ in range(1000):
        scheduler.step()
        reference.step()
        assert lrs(optimizer) == pytest.approx(lrs(its), rel=1e-9)
