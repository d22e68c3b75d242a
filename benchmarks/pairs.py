"""pairs - works and what each is held against, run in turn: README's tables and the bars are made of these."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from baselines import BASELINES, STEPPERS, lrs, stepper
from works import (
    CONSTRUCTIONS,
    CURVES,
    WAYS,
    Empty,
    Values,
    batch,
    cosines,
    floor,
    floor_of_two,
    importing,
    parts,
    repeated,
    row_by_row,
    scalars,
)

import lrkernel as lrk

PAIRS = 15
CALLS = 1000
PATIENCE = 10.0  # seconds: what takes longer in as many runs gets three, each timed at once

Work = Callable[[], object]


def seconds(work: Work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def settled(work: Work, slow: bool) -> float:
    """Seconds of a second run: the first finds the caches as the other work left them, and its threads still spinning."""
    if not slow:
        work()
    return seconds(work)


@dataclass(frozen=True)
class Timed:
    """Seconds of one call, the best and medians, of paired runs; the ratio of neighbours and its middle half."""

    best: float
    work: float
    reference: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    name: str
    work: Work
    beside: str
    reference: Work
    calls: int = 1  # in one run of either

    def timed(self) -> Timed:
        self.work()
        slow = PAIRS * seconds(self.work) > PATIENCE
        runs = [(settled(self.work, slow), settled(self.reference, False)) for _ in range(3 if slow else PAIRS)]
        works, references = zip(*runs, strict=True)
        ratios = [work / reference for work, reference in runs]
        low, _, high = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
        work, reference = (statistics.median(times) / self.calls for times in (works, references))
        return Timed(min(works) / self.calls, work, reference, statistics.median(ratios), low, high)


@contextmanager
def at_level(name: str) -> Iterator[None]:
    lrk.use_level(name)
    try:
        yield
    finally:
        lrk.use_level(None)


@cache
def buffer(n: int, dtype: type = np.float64) -> Values:
    """Warm, and the same for all."""
    return np.ones(n, dtype)


def filling(schedule: lrk.Schedule, n: int, threads: int = 1, dtype: type = np.float64) -> Work:
    return partial(schedule.values, n, out=buffer(n, dtype), threads=threads)


# ---- ranges ----


def beside_floor(name: str, schedule: lrk.Schedule, n: int) -> Pair:
    return Pair(name, filling(schedule, n), "a fill", partial(floor, buffer(n)))


def float32(name: str, schedule: lrk.Schedule, n: int) -> Pair:
    return Pair(f"{name}, float32", filling(schedule, n, dtype=np.float32), "float64", filling(schedule, n))


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def two_threads(n: int) -> Pair:
    reference = partial(floor_of_two, buffer(n), pool())
    return Pair("warmup_cosine, 2 threads", filling(CURVES["warmup_cosine"](n), n, threads=2), "a fill by 2 threads", reference)


def two_threads_or_one(n: int) -> Pair:
    schedule = CURVES["warmup_cosine"](n)
    return Pair(f"warmup_cosine, 2 threads, {n:,} steps", filling(schedule, n, threads=2), "1 thread", filling(schedule, n))


def many_parts(count: int, n: int) -> Pair:
    return Pair(f"{count:,} parts", filling(parts(count, n), n), "2 parts", filling(parts(2, n), n))


def steps_in(way: str, n: int) -> Pair:
    """Steps in some order; what is copied has as many bytes as the result, and as the steps where they are int64."""
    reference = partial(np.copyto, buffer(n), np.ones(n))
    return Pair(f"{way}, 4 parts", WAYS[way].prepared(parts(4, n), n), "`np.copyto`", reference)


def through(way: str, n: int) -> Pair:
    limit = WAYS[way].out(n)
    reference = partial(np.full, n, 1.0) if limit is None else partial(floor, limit)
    beside = "`np.full`" if limit is None else "a fill of that output"
    return Pair(f"warmup_cosine, {way}", WAYS[way].prepared(CURVES["warmup_cosine"](n), n), beside, reference)


def rows_of_one(n: int, threads: int) -> Pair:
    """1,000 schedules of n / 100 steps, and a single one of as many steps in all."""
    steps = n // 100
    many, out = batch(1000, steps), buffer(1000 * steps).reshape(1000, steps)
    name = f"1,000 schedules x {steps:,} steps, {threads} thread" + "s" * (threads > 1)
    single = partial(row_by_row, CURVES["warmup_cosine"](1000 * steps), out, threads)
    return Pair(name, partial(many.values, steps, out=out, threads=threads), "one of as many steps in chunks", single)


# ---- peers ----


def peer(name: str, n: int) -> Pair:
    """Compared first; theirs is the work."""
    baseline = BASELINES[name]
    n = min(n, baseline.most)
    theirs, ours = baseline.make(n), filling(baseline.schedule(n), n, dtype=baseline.dtype)
    baseline.check(theirs(), n)
    return Pair(name, theirs, "lrkernel", ours)


# ---- calls ----


# Steps of calls: as a training loop asks for them, from the middle on; far apart; and one again and again, as timeit does.
ASKED: dict[str, Callable[[int], list[int]]] = {
    "in a row": lambda n: [n // 2 + k for k in range(CALLS)],
    "far apart": lambda n: [n // CALLS * k for k in range(CALLS)],
    "the same step": lambda n: [n // 2] * CALLS,
}


def one_call(name: str, n: int, asked: str) -> Pair:
    steps = ASKED[asked](n)
    cosine = partial(cosines, [math.pi * step / n for step in steps])
    said = f"`schedule(step)`, {name}, {asked}"
    return Pair(said, partial(scalars, CURVES[name](n), steps), "`math.cos(x)`", cosine, CALLS)


def of_scheduler(method: str) -> Pair:
    scheduler, _ = stepper("Scheduler", 1)
    work, empty = (partial(repeated, call, CALLS) for call in (getattr(scheduler, method), Empty().step))
    return Pair(f"`Scheduler.{method}()`, one group", work, "an empty method", empty, CALLS)


def beside_torch(name: str, reference: str, groups: int) -> Pair:
    """Steps of a scheduler, compared first."""
    (ours, optimizer), (theirs, other) = stepper(name, groups), stepper(reference, groups)
    repeated(ours.step, CALLS)
    repeated(theirs.step, CALLS)
    np.testing.assert_allclose(lrs(optimizer), lrs(other), rtol=1e-9)
    return Pair(name, partial(repeated, ours.step, CALLS), reference, partial(repeated, theirs.step, CALLS), CALLS)


def construction(name: str) -> Pair:
    _, optimizer = stepper("CosineAnnealingLR", 1)
    work, theirs = (
        partial(repeated, call, CALLS) for call in (CONSTRUCTIONS[name], partial(STEPPERS["CosineAnnealingLR"], optimizer))
    )
    return Pair(f"`{name}(...)`", work, "torch's `CosineAnnealingLR(...)`", theirs, CALLS)


def an_import() -> Pair:
    return Pair("a process that imports lrkernel", partial(importing, "lrkernel"), "NumPy alone", partial(importing, "numpy"))
