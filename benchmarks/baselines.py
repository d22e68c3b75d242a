"""baselines - the work that is measured, by name, and what it is measured against."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler

Values = npt.NDArray[np.float64]
STEPS = 10_000_000

# One curve over `n` steps for every row of shapes.def that has a formula, and the schedules that people run.
CURVES: dict[str, Callable[[int], lrk.Schedule]] = {
    "constant": lambda n: lrk.constant(1e-3),
    "linear": lambda n: lrk.linear(1e-3, 0.0, n),
    "cosine": lambda n: lrk.cosine(1e-3, 0.0, n),
    "cosine_cycles": lambda n: lrk.cosine(1e-3, 0.0, n, cycles=3.5),
    "polynomial": lambda n: lrk.polynomial(1e-3, 0.0, n, power=2),
    "power_ramp": lambda n: lrk.power_ramp(1e-3, 0.0, n, power=0.5),
    "geometric": lambda n: lrk.geometric(1e-3, 1e-5, n),
    "exponential": lambda n: lrk.exponential(1e-3, 0.1, every=n),
    "inverse_sqrt": lambda n: lrk.inverse_sqrt(1e-3, 4000),
    "step": lambda n: lrk.step(1e-3, max(1, n // 3), 0.1),
    "values": lambda n: lrk.from_values(np.linspace(1e-3, 0.0, 1000)),
    "warmup_cosine": lambda n: lrk.warmup_cosine(1e-3, n // 100, n),
    "wsd": lambda n: lrk.wsd(1e-3, n // 100, n - n // 100 - n // 5, n // 5),
    "cosine_restarts": lambda n: lrk.cosine_restarts(1e-3, n // 100),
    "cosine_plateau": lambda n: lrk.cosine_plateau(1e-3, n, n // 10, [(50, 30), (85, 10)], 0.1),
    "scaled": lambda n: lrk.warmup_cosine(1e-3, n // 100, n) * 0.5,
    "product": lambda n: lrk.warmup_cosine(1e-3, n // 100, n) * lrk.linear(1.0, 0.5, n),
}


def floor(out: Values) -> None:
    """The physical limit of a batch: its output written once."""
    out.fill(1.0)


def numpy_warmup_cosine(peak: float, warmup: int, total: int, n: int) -> Values:
    """What people write by hand: the warm-up and half cosine as NumPy expressions."""
    t = np.arange(n, dtype=np.float64)
    decay = 0.5 * peak * (1.0 + np.cos(np.pi * np.minimum((t - warmup) / (total - warmup), 1.0)))
    return np.where(t < warmup, peak * t / warmup, decay)


# One curve for the schedulers, half a cosine down from the groups' own lr.
HALF_COSINE = lrk.cosine(1.0, 0.0, STEPS)
STEPPERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "Scheduler": lambda optimizer: lrk.Scheduler(HALF_COSINE * 0.1, optimizer),
    "Scheduler, relative": lambda optimizer: lrk.Scheduler(HALF_COSINE, optimizer, relative=True),
    "TorchScheduler": lambda optimizer: TorchScheduler(optimizer, HALF_COSINE * 0.1),
    "TorchScheduler, relative": lambda optimizer: TorchScheduler(optimizer, HALF_COSINE, relative=True),
    "CosineAnnealingLR": lambda optimizer: CosineAnnealingLR(optimizer, STEPS),
}


def stepper(name: str, groups: int) -> tuple[Any, torch.optim.Optimizer]:
    """A scheduler by name and its optimizer, which has made an update: torch's warn where that is missing."""
    parameters = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(groups)]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    scheduler = STEPPERS[name](optimizer)
    optimizer.step()
    return scheduler, optimizer


def lrs(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]
