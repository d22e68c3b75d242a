"""The schedulers of torch and the WSD schedule of transformers, step by step beside the schedules that stand for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.optim import lr_scheduler as theirs
from transformers.optimization import get_wsd_schedule

import lrkernel as lrk

STEPS = 100_000
BASE = 0.1
NEAR = 1e-10 * BASE  # torch goes from step to step and adds up rounding; the schedules here do not


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)


def stepped(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> npt.NDArray[np.float64]:
    """The lr of the optimizer's group, step by step."""
    optimizer.step()  # torch warns of schedulers that come first
    group = optimizer.param_groups[0]
    values = np.empty(steps)
    for k in range(steps):
        values[k] = group["lr"]
        scheduler.step()
    return values


Theirs = Callable[[torch.optim.Optimizer], Any]
PAIRS: dict[str, tuple[Theirs, lrk.Schedule]] = {
    "StepLR": (lambda o: theirs.StepLR(o, 3000, 0.5), lrk.step(BASE, 3000, 0.5)),
    "MultiStepLR": (
        lambda o: theirs.MultiStepLR(o, [20_000, 60_000, 60_000, 80_001], 0.3),
        lrk.multistep(BASE, [20_000, 60_000, 60_000, 80_001], 0.3),
    ),
    "ConstantLR": (
        lambda o: theirs.ConstantLR(o, 1 / 3, 40_000),
        lrk.sequence(lrk.constant(BASE / 3), lrk.constant(BASE), at=[40_000]),
    ),
    "LinearLR": (lambda o: theirs.LinearLR(o, 1 / 3, 1.0, 70_000), lrk.linear(BASE / 3, BASE, 70_000)),
    "PolynomialLR": (lambda o: theirs.PolynomialLR(o, 90_000, 2.5), lrk.polynomial(BASE, 0.0, 90_000, 2.5)),
    "ExponentialLR": (lambda o: theirs.ExponentialLR(o, 0.9999), lrk.exponential(BASE, 0.9999)),
    "CosineAnnealingLR": (lambda o: theirs.CosineAnnealingLR(o, STEPS, 1e-4), lrk.cosine(BASE, 1e-4, STEPS)),
    "CosineAnnealingWarmRestarts": (
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 700, 1, 1e-4),
        lrk.cosine_restarts(BASE, 700, floor=1e-4),
    ),
    "CosineAnnealingWarmRestarts, T_mult": (
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 10, 2, 1e-4),
        lrk.cosine_restarts(BASE, 10, 2, floor=1e-4),
    ),
    "linear, cosine": (
        lambda o: theirs.SequentialLR(
            o, [theirs.LinearLR(o, 0.01, 1.0, 1000), theirs.CosineAnnealingLR(o, STEPS - 1000, 1e-4)], [1000]
        ),
        lrk.warmup_cosine(BASE, 1000, STEPS, 1e-4, init=0.01 * BASE),
    ),
    "linear, constant, polynomial": (
        lambda o: theirs.SequentialLR(
            o,
            [theirs.LinearLR(o, 0.01, 1.0, 1000), theirs.ConstantLR(o, 1.0, 1), theirs.PolynomialLR(o, 20_000, 1.0)],
            [1000, 80_000],
        ),
        lrk.wsd(BASE, 1000, 79_000, 20_000, init=0.01 * BASE),
    ),
    "linear, restarts, step": (
        lambda o: theirs.SequentialLR(
            o,
            [theirs.LinearLR(o, 0.5, 1.0, 500), theirs.CosineAnnealingWarmRestarts(o, 300, 2), theirs.StepLR(o, 900, 0.9)],
            [500, 50_000],
        ),
        lrk.sequence(
            lrk.linear(0.5 * BASE, BASE, 500), lrk.cosine_restarts(BASE, 300, 2), lrk.step(BASE, 900, 0.9), at=[500, 50_000]
        ),
    ),
}


def test_all_classic_schedulers_are_here() -> None:
    named = {name.partition(",")[0] for name in PAIRS}
    assert {
        "StepLR",
        "MultiStepLR",
        "ConstantLR",
        "LinearLR",
        "PolynomialLR",
        "ExponentialLR",
        "CosineAnnealingLR",
        "CosineAnnealingWarmRestarts",
    } <= named


@pytest.mark.parametrize("name", PAIRS)
def test_step_by_step(name: str) -> None:
    make, schedule = PAIRS[name]
    optimizer, other = sgd(), sgd()
    wanted = stepped(optimizer, make(optimizer), STEPS)
    got = stepped(other, lrk.Scheduler(schedule, other), STEPS)
    assert np.unique(wanted).size > 1
    assert np.abs(got - wanted).max() <= NEAR
    assert got.tobytes() == schedule.values(STEPS).tobytes()


@pytest.mark.parametrize("decay_type", ["linear", "cosine", "1-sqrt"])
def test_wsd_is_that_of_transformers(decay_type: str) -> None:
    optimizer, other = sgd(), sgd()
    scheduler = get_wsd_schedule(optimizer, 500, 300, num_stable_steps=1000, decay_type=decay_type, min_lr_ratio=0.1)
    wanted = stepped(optimizer, scheduler, 2000)
    got = stepped(other, lrk.WSDScheduler(other, 500, 1000, 300, BASE, 0.1 * BASE, decay_type), 2000)
    assert np.abs(got - wanted).max() <= 4e-15 * BASE


@pytest.mark.parametrize("last_epoch", [-1, 41])
def test_last_epoch_lands_where_torch_lands(last_epoch: int) -> None:
    optimizer, other = sgd(), sgd()
    for group in (*optimizer.param_groups, *other.param_groups):
        group["initial_lr"] = BASE
    cosine = theirs.CosineAnnealingLR(optimizer, 100, last_epoch=last_epoch)
    mine = lrk.CosinePlateauScheduler(other, 100, last_epoch=last_epoch)
    assert mine.current_step == cosine.last_epoch == last_epoch + 1
