"""bars - what this library has to reach, measured: python benchmarks/bars.py

One line per bar: medians of paired runs, the middle half of their ratios, and whether the bar holds. The exit status is 1 where
one does not. On a busy machine look at the middle half, and trust instructions.py more. All works are of one thread but those that
say otherwise, optax too, which takes two thirds of that time where it has two (report.py lets it).
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from pairs import (
    ASKED,
    PAIRS,
    Pair,
    at_level,
    beside_floor,
    construction,
    float32,
    many_parts,
    of_scheduler,
    one_call,
    peer,
    rows_of_one,
    steps_in,
    two_threads,
    two_threads_or_one,
)
from report import machine, number, table
from works import CURVES, STEPS

import lrkernel as lrk
from lrkernel._core import runnable_levels

# Times the memory floor. A power of 1/2 down to 0 is "1-sqrt"; `polynomial` is of power 2.
FLOORS = {
    "constant": 1.05,
    **dict.fromkeys(("linear", "cosine", "geometric", "exponential", "step", "cosine_restarts", "cosine_plateau"), 1.3),
    **dict.fromkeys(("inverse_sqrt", "power_ramp", "polynomial"), 2.0),
}
POWERS = (0.3, 0.9, 1.5, 2.7, 7.25)
# Times our one thread.
PEERS = {
    "numba": 8.0,
    "numba, parallel, fastmath": 8.0,
    "optax under jit, x64": 9.0,
    "optax under jit, float32": 9.0,
    "optax `join_schedules`, x64": 400.0,
    "optax `join_schedules`, float32": 400.0,
}


@dataclass(frozen=True)
class Bar:
    pair: Pair
    limit: float
    least: bool = False  # else it is the most
    microseconds: bool = False  # of the best run, else the ratio

    def row(self, where: str) -> tuple[bool, list[str]]:
        timed = self.pair.timed()
        value = timed.best * 1e6 if self.microseconds else timed.ratio
        holds = value >= self.limit if self.least else value <= self.limit
        asked = f"{'>=' if self.least else '<='} {self.limit:g} {'us' if self.microseconds else f'x {self.pair.beside}'}"
        spread = f"{number(timed.low)} .. {number(timed.high)} x"
        return holds, [self.pair.name, where, asked, number(value), spread, "yes" if holds else "NO"]


def at_each_level(level: str, n: int) -> Iterator[Bar]:
    for name, limit in FLOORS.items():
        yield Bar(beside_floor(name, CURVES[name](n), n), 2.5 if limit == 1.3 and level == "baseline" else limit)
    for power in POWERS:
        yield Bar(beside_floor(f"polynomial, power {power}", lrk.polynomial(1e-3, 0.0, n, power), n), 5.0)
        yield Bar(beside_floor(f"power_ramp, power {power}", lrk.power_ramp(0.0, 1e-3, n, power), n), 5.0)


def at_the_best(n: int) -> Iterator[Bar]:
    for name in (*FLOORS, "real_power"):
        yield Bar(float32(name, CURVES[name](n), n), 0.7)
    yield Bar(many_parts(10_000, n), 1.2)
    yield Bar(two_threads(n), 1.3)
    for steps in (n // 100, n // 30, n // 10, n // 3, n):
        yield Bar(two_threads_or_one(steps), 1.05)  # where it does not pay both do the same
    yield Bar(steps_in("shuffled steps, 1 thread", n), 3.0)
    for name in CURVES:
        for asked in ASKED:
            yield Bar(one_call(name, n, asked), 3.0)
    yield Bar(of_scheduler("step"), 4.0)
    yield Bar(construction("wsd"), 5.0, microseconds=True)
    for threads in (1, 2):
        yield Bar(rows_of_one(n, threads), 1.2)
    for name, limit in PEERS.items():
        yield Bar(peer(name, n), limit, least=True)


def measured(n: int) -> Iterator[tuple[bool, list[str]]]:
    """Each bar of runs of n steps: whether it holds, and its cells."""
    for level in runnable_levels():
        with at_level(level):
            for bar in at_each_level(level, n):
                yield bar.row(level)
    for bar in at_the_best(n):
        yield bar.row("best")


def main(n: int = STEPS) -> None:
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")  # read once, when JAX begins
    absent = [level for level in lrk.LEVELS if level not in runnable_levels()]
    print(f"{n:,} steps, {machine()}, {PAIRS} pairs; no {', '.join(absent) or 'level missing'} here\n")
    print(*table(["work", "level", "bar", "measured", "middle half", "holds"], []), sep="\n", flush=True)
    missed = 0
    for holds, cells in measured(n):
        missed += not holds
        print(f"| {' | '.join(cells)} |", flush=True)
    sys.exit(missed and f"{missed} missed")


if __name__ == "__main__":
    main()
