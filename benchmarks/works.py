"""works - what is measured: the curves, the ways to ask for them, the physical limits beside them, one call."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import lrkernel as lrk

Values = npt.NDArray[Any]
STEPS = 10_000_000


def parts(count: int, n: int) -> lrk.Schedule:
    """`count` parts over `n` steps: a cosine down, a line up, and so on; what is left of `n` holds."""
    length = n // count
    pair = (lrk.cosine(1e-3, 1e-4, length), lrk.linear(1e-4, 1e-3, length))
    return lrk.sequence(*(pair[k % 2] for k in range(count)))


def warm_cosine(n: int) -> lrk.Schedule:
    return lrk.warmup_cosine(1e-3, n // 100, n)


# One curve over `n` steps for every row of shapes.def, by its name, and the schedules that people run.
CURVES: dict[str, Callable[[int], lrk.Schedule]] = {
    "constant": lambda n: lrk.constant(1e-3),
    "hold": lambda n: lrk.linear(1e-3, 1e-4, 1),
    "linear": lambda n: lrk.linear(1e-3, 0.0, n),
    "cosine": lambda n: lrk.cosine(1e-3, 0.0, n),
    "cosine_cycles": lambda n: lrk.cosine(1e-3, 0.0, n, cycles=3.5),
    "polynomial": lambda n: lrk.polynomial(1e-3, 0.0, n, power=2),
    "power_ramp": lambda n: lrk.power_ramp(1e-3, 0.0, n, power=0.5),
    "geometric": lambda n: lrk.geometric(1e-3, 1e-5, n),
    "exponential": lambda n: lrk.exponential(1e-3, 0.1, every=n),
    "inverse_sqrt": lambda n: lrk.inverse_sqrt(1e-3, 4000),
    "step": lambda n: lrk.step(1e-3, max(1, n // 3), 0.1),
    "values": lambda n: lrk.from_values(np.linspace(1e-3, 0.0, n)),
    "scale": lambda n: warm_cosine(n) * 0.3,
    "divide": lambda n: warm_cosine(n) / 3.0,
    "offset": lambda n: warm_cosine(n) + 1e-5,
    "clip": lambda n: warm_cosine(n).clip(1e-4, 9e-4),
    "product": lambda n: warm_cosine(n) * lrk.linear(1.0, 0.5, n),
    "repeat": lambda n: warm_cosine(max(100, n // 100)).repeat(),
    "epoch": lambda n: warm_cosine(max(100, n // 100)).by_epoch(100),
    "skip": lambda n: warm_cosine(2 * n).skip(n // 2),
    "warmup_cosine": warm_cosine,
    "wsd": lambda n: lrk.wsd(1e-3, n // 100, n - n // 100 - n // 5, n // 5),
    "real_power": lambda n: lrk.polynomial(1e-3, 0.0, n, power=2.7),
    "cosine_restarts": lambda n: lrk.cosine_restarts(1e-3, n // 100),
    "cosine_plateau": lambda n: lrk.cosine_plateau(1e-3, n, n // 10, [(50, 30), (85, 10)], 0.1),
    "64_parts": lambda n: parts(64, n),
}


def batch(count: int, n: int) -> lrk.ScheduleBatch:
    """`count` different schedules of `n` steps."""
    return lrk.sweep(lrk.warmup_cosine, peak=np.linspace(1e-3, 2e-3, count), warmup=n // 100, total=n)


def without_a_curve() -> list[str]:
    """The rows of shapes.def whose curve is missing, or has no such row."""

    def names(table: Any) -> Iterator[str]:
        for row in table.rows:
            yield lrk.SHAPES[row[0]].name
            for child in row[7]:
                yield from names(child) if isinstance(child, lrk.Schedule) else ()

    ours = [shape.name for shape in lrk.SHAPES if shape.kind != "called"]  # bench_numba.py has the functions of others
    return [name for name in ours if name not in CURVES or name not in names(CURVES[name](1000))]


def bound(table: lrk.Schedule) -> float:
    """The stated error of a schedule, in ulp: a node's comes on top of its children's."""
    nodes = {shape.id for shape in lrk.SHAPES if shape.kind == "node"}
    ulp = [shape.ulp for shape in lrk.SHAPES]
    return max((ulp[row[0]] + (sum(map(bound, row[7])) if row[0] in nodes else 0.0) for row in table.rows), default=0.0)


# Steps in some order, for random access: 0 .. n - 1 each once.
def shuffled(n: int) -> Values:
    return np.random.default_rng(0).permutation(n)


def clustered(n: int) -> Values:
    """Runs of 100 neighbours in random order."""
    runs = np.random.default_rng(0).permutation(n // 100) * 100
    return np.asarray(runs[:, None] + np.arange(100)).ravel()


@dataclass(frozen=True)
class Way:
    """One way to ask for the steps of a run: which, what they are written to (where the call does not make it), the call."""

    steps: Callable[[int], Values]
    out: Callable[[int], Values | None]
    ask: Callable[[lrk.Schedule, int, Any, Any], Values]

    def prepared(self, schedule: lrk.Schedule, n: int) -> Callable[[], Values]:
        return partial(self.ask, schedule, n, self.steps(n), self.out(n))


def single(n: int) -> Values:
    return np.zeros(n, np.float32)


def one_thread(schedule: lrk.Schedule, n: int, steps: Values, out: Values) -> Values:
    """What a call with steps does, into a warm buffer: the call itself makes a new array and takes what threads there are."""
    assert schedule._gather(steps, out, 1)
    return out


WAYS: dict[str, Way] = {
    "contiguous": Way(np.arange, np.zeros, lambda s, n, steps, out: s.values(n, out=out, threads=1)),
    "float32": Way(np.arange, single, lambda s, n, steps, out: s.values(n, out=out, threads=1)),
    "2 threads": Way(np.arange, np.zeros, lambda s, n, steps, out: s.values(n, out=out, threads=2)),
    "2 threads, float32": Way(np.arange, single, lambda s, n, steps, out: s.values(n, out=out, threads=2)),
    "fresh output": Way(np.arange, lambda n: None, lambda s, n, steps, out: s.values(n)),
    "strided output": Way(np.arange, lambda n: np.zeros(2 * n)[::2], lambda s, n, steps, out: s.values(n, out=out, threads=1)),
    "every 7th step": Way(
        lambda n: np.arange(0, n, 7), lambda n: np.zeros(-(-n // 7)), lambda s, n, steps, out: s.values(0, n, 7, out=out, threads=1)
    ),
    "backwards": Way(lambda n: np.arange(n)[::-1], np.zeros, lambda s, n, steps, out: s.values(n - 1, -1, -1, out=out, threads=1)),
    "sorted steps": Way(np.arange, lambda n: None, lambda s, n, steps, out: s(steps)),
    "clustered steps": Way(clustered, lambda n: None, lambda s, n, steps, out: s(steps)),
    "shuffled steps": Way(shuffled, lambda n: None, lambda s, n, steps, out: s(steps)),
    "shuffled steps, 1 thread": Way(shuffled, np.zeros, one_thread),
    "shuffled steps, int32": Way(lambda n: shuffled(n).astype(np.int32), lambda n: None, lambda s, n, steps, out: s(steps)),
}


# ---- physical limits ----


def floor(out: Values) -> None:
    """The limit of a batch: its output written once."""
    out.fill(1.0)


def floor_of_two(out: Values, pool: ThreadPoolExecutor) -> None:
    """The limit of two threads: each writes its half."""
    half = len(out) // 2
    other = pool.submit(out[:half].fill, 1.0)
    out[half:].fill(1.0)
    other.result()


class Empty:
    """The limit of a scheduler's step: a Python method that does nothing."""

    def step(self) -> None:
        pass


def cosines(arguments: list[float]) -> None:
    """The limit of a scalar call."""
    cos = math.cos
    for x in arguments:
        cos(x)


def scalars(schedule: lrk.Schedule, steps: list[int]) -> None:
    for step in steps:
        schedule(step)


def row_by_row(schedule: lrk.Schedule, out: Values, threads: int) -> None:
    """The limit of a batch of schedules: one that goes through the same matrix."""
    rows, n = out.shape
    for k in range(rows):
        schedule.values(k * n, (k + 1) * n, out=out[k], threads=threads)


def repeated(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


# ---- calls ----

CONSTRUCTIONS = {name: partial(CURVES[name], STEPS) for name in ("warmup_cosine", "wsd", "cosine_restarts", "cosine_plateau")}


def importing(module: str) -> None:
    """A new process that imports a module."""
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
