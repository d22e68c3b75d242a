"""baselines - what a user would pick instead, by name, each with the curve it computes; tested equal before it is timed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR
from works import CURVES, STEPS, Values

import lrkernel as lrk
from lrkernel.integrations.torch import TorchScheduler


@dataclass(frozen=True)
class Baseline:
    """One way to the values of a curve of works.CURVES."""

    curve: str
    make: Callable[[int], Callable[[], Values]]  # for a run of n steps: built, compiled and warm
    tolerance: float  # of the peak, 1e-3
    dtype: type[np.floating[Any]] = np.float64
    most: int = STEPS  # a Python loop is timed over fewer

    def check(self, got: Values, n: int) -> None:
        wanted = self.schedule(n).values(n, dtype=self.dtype)
        np.testing.assert_allclose(got, wanted, rtol=0.0, atol=1e-3 * self.tolerance)

    def schedule(self, n: int) -> lrk.Schedule:
        return CURVES[self.curve](n)


# ---- NumPy ----


def numpy_expression(n: int) -> Callable[[], Values]:
    """The warm-up and half cosine as people write it."""
    peak, warmup = 1e-3, n // 100

    def run() -> Values:
        t = np.arange(n, dtype=np.float64)
        decay = 0.5 * peak * (1.0 + np.cos(np.pi * np.minimum((t - warmup) / (n - warmup), 1.0)))
        return np.where(t < warmup, peak * t / warmup, decay)

    return run


def numpy_piecewise(n: int) -> Callable[[], Values]:
    peak, warmup, decay = 1e-3, n // 100, n // 5

    def run() -> Values:
        t = np.arange(n, dtype=np.float64)
        cases = [t < warmup, t >= n - decay]
        return np.piecewise(t, cases, [lambda t: peak * t / warmup, lambda t: peak * (n - t) / decay, peak])

    return run


# ---- numba ----


def numba_loop(n: int, **options: Any) -> Callable[[], Values]:
    """The same loop for one thread and for all; `prange` is `range` where nothing is parallel."""
    import numba

    def loop(peak: float, warmup: int, total: int, out: Values) -> None:
        for t in numba.prange(len(out)):
            if t < warmup:
                out[t] = peak * t / warmup
            else:
                out[t] = 0.5 * peak * (1.0 + math.cos(math.pi * (t - warmup) / (total - warmup)))

    compiled, out = numba.njit(loop, **options), np.zeros(n)

    def run() -> Values:
        compiled(1e-3, n // 100, n, out)
        return out

    run()
    return run


# ---- torch ----


def torch_vectorised(n: int) -> Callable[[], Values]:
    peak, warmup = 1e-3, n // 100

    def run() -> Values:
        t = torch.arange(n, dtype=torch.float64)
        decay = 0.5 * peak * (1.0 + torch.cos(math.pi * (t - warmup) / (n - warmup)))
        return np.asarray(torch.where(t < warmup, peak * t / warmup, decay))

    return run


def torch_loop(n: int) -> Callable[[], Values]:
    def run() -> Values:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
        scheduler, values = CosineAnnealingLR(optimizer, n), np.empty(n)
        optimizer.step()
        for step in range(n):
            values[step] = optimizer.param_groups[0]["lr"]
            scheduler.step()
        return values

    return run


# ---- optax ----


def optax_jit(n: int, build: Callable[[Any, int], Any], x64: bool) -> Callable[[], Values]:
    import jax
    import optax

    with jax.enable_x64(x64):
        steps, compiled = jax.numpy.arange(n), jax.jit(build(optax, n))

    def run() -> Values:
        with jax.enable_x64(x64):
            return np.asarray(compiled(steps).block_until_ready())

    run()
    return run


def optax_warmup_cosine(optax: Any, n: int) -> Any:
    return optax.warmup_cosine_decay_schedule(0.0, 1e-3, n // 100, n)


def optax_parts(optax: Any, n: int) -> Any:
    """64 parts by join_schedules."""
    count = 64
    pair = (optax.cosine_decay_schedule(1e-3, n // count, alpha=0.1), optax.linear_schedule(1e-4, 1e-3, n // count))
    return optax.join_schedules([pair[k % 2] for k in range(count)], [k * (n // count) for k in range(1, count)])


# ---- plain Python ----


def python_plateaus(n: int) -> Callable[[], Values]:
    """A cosine with plateaus, one `math.cos` per step: segments in a list, the first that holds the step is taken."""
    peak, floor, warmup, plateaus = 1e-3, 1e-4, n // 10, [(50, 30), (85, 10)]
    total = n - warmup

    def half_cosine(start: float, stop: float, u: float) -> float:
        return stop + (start - stop) * 0.5 * (1.0 + math.cos(math.pi * u))

    def run() -> Values:
        pauses = sorted((int(total * at / 100), int(total * length / 100)) for at, length in plateaus)
        moving = total - sum(length for _, length in pauses)
        segments: list[tuple[int, int, float, float]] = []
        place, level, paused = 0, peak, 0
        for begin, length in pauses:
            after = half_cosine(peak, floor, min(max((begin - paused) / moving, 0.0), 1.0))
            segments += [(place, begin, level, after), (begin, begin + length, after, after)]
            place, level, paused = begin + length, after, paused + length
        segments.append((place, total, level, floor))
        values = np.empty(n)
        for step in range(n):
            t = step - warmup
            if t < 0:
                values[step] = peak * (step / warmup)
                continue
            for begin, end, start, stop in segments:
                if begin <= t < end:
                    values[step] = start if start == stop else half_cosine(start, stop, (t - begin) / (end - begin))
                    break
        return values

    return run


BASELINES: dict[str, Baseline] = {
    "NumPy expression": Baseline("warmup_cosine", numpy_expression, 1e-15),
    "`numpy.piecewise`": Baseline("wsd", numpy_piecewise, 1e-15),
    "numba": Baseline("warmup_cosine", numba_loop, 1e-15),
    "numba, parallel, fastmath": Baseline("warmup_cosine", lambda n: numba_loop(n, parallel=True, fastmath=True), 1e-15),
    "torch, vectorised": Baseline("warmup_cosine", torch_vectorised, 1e-15),
    "torch, `scheduler.step()`": Baseline("cosine", torch_loop, 1e-12, most=100_000),
    "optax under jit, x64": Baseline("warmup_cosine", lambda n: optax_jit(n, optax_warmup_cosine, True), 1e-15),
    "optax under jit, float32": Baseline("warmup_cosine", lambda n: optax_jit(n, optax_warmup_cosine, False), 5e-7, np.float32),
    "optax `join_schedules`, x64": Baseline("64_parts", lambda n: optax_jit(n, optax_parts, True), 1e-15),
    "optax `join_schedules`, float32": Baseline("64_parts", lambda n: optax_jit(n, optax_parts, False), 5e-7, np.float32),
    "Python formula": Baseline("cosine_plateau", python_plateaus, 1e-15, most=100_000),
}


# ---- schedulers ----

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
