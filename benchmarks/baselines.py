"""baselines - the work that is measured, by name, and what it is measured against."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import lrkernel as lrk

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
