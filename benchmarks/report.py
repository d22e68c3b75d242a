"""report - measures curves beside the memory floor, what a user would pick instead and single calls, and writes README's tables.

python benchmarks/report.py [--write] [--only speed peers steps]
"""

import argparse
import os
import platform
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from baselines import BASELINES, STEPPERS
from pairs import (
    ASKED,
    CALLS,
    PAIRS,
    Pair,
    an_import,
    at_level,
    beside_floor,
    beside_torch,
    buffer,
    construction,
    float32,
    many_parts,
    of_scheduler,
    one_call,
    peer,
    rows_of_one,
    steps_in,
    through,
    two_threads,
    two_threads_or_one,
)
from works import CONSTRUCTIONS, CURVES, STEPS, bound, floor

from lrkernel._core import runnable_levels

README = Path(__file__).parents[1] / "README.md"
GROUPS = (1, 64)


def machine() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def number(x: float) -> str:
    return f"{x:.3g}" if x < 1000.0 else f"{x:,.0f}"


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield from (f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


# ---- ranges ----


def speed() -> Iterator[str]:
    fill, levels, rows = Pair("", partial(floor, buffer(STEPS)), "", partial(floor, buffer(STEPS))).timed(), runnable_levels(), []
    yield f"10M float64 steps into a warm buffer, one thread, {machine()}, NumPy {np.__version__}: milliseconds (times the"
    yield f"memory floor, `out.fill(1.0)`, {fill.work * 1e3:.1f} ms); float32, times float64. Medians of {PAIRS} paired runs."
    yield ""
    for name, build in CURVES.items():
        schedule, cells = build(STEPS), []
        for level in levels:
            with at_level(level):
                timed = beside_floor(name, schedule, STEPS).timed()
            cells.append(f"{timed.work * 1e3:.1f} ({timed.ratio:.2f} x)")
        rows.append([name, f"{bound(schedule):g}", *cells, f"{float32(name, schedule, STEPS).timed().ratio:.2f} x"])
    yield from table(["curve", "error bound, ulp", *levels, "float32"], rows)
    yield ""
    yield from table(["10M steps, the best level", "ms", "times", "beside"], [beside(pair, 1e3) for pair in ranges(STEPS)])


def ranges(n: int) -> Iterator[Pair]:
    yield two_threads(n)
    yield two_threads_or_one(n)
    yield two_threads_or_one(n // 100)
    for count in (64, 10_000):
        yield many_parts(count, n)
    for way in ("sorted steps", "clustered steps", "shuffled steps", "shuffled steps, 1 thread"):
        yield steps_in(way, n)
    for way in ("every 7th step", "backwards", "strided output", "fresh output"):
        yield through(way, n)
    for threads in (1, 2):
        yield rows_of_one(n, threads)


def beside(pair: Pair, unit: float) -> list[str]:
    timed = pair.timed()
    return [pair.name, number(timed.work * unit), f"{timed.ratio:.2f} x", f"{pair.beside}, {number(timed.reference * unit)}"]


# ---- peers ----


def peers() -> Iterator[str]:
    yield f"The same values by other means, {machine()}: nanoseconds per step, and how many times as long that is as one thread of"
    yield "this library needs for a warm buffer of the same type. 10M steps, 100,000 for loops in Python. The others are compiled,"
    yield "warm and compared first, and use what threads they like."
    yield ""
    rows = []
    for name, baseline in BASELINES.items():
        timed, n = peer(name, STEPS).timed(), min(STEPS, baseline.most)
        cells = [number(timed.work / n * 1e9), f"{timed.reference / n * 1e9:.2f}", f"{number(timed.ratio)} x"]
        rows.append([name, baseline.curve, *cells])
    yield from table(["by", "curve", "ns per step", "lrkernel", "times"], rows)


# ---- calls ----


def steps() -> Iterator[str]:
    reference = "CosineAnnealingLR"
    yield f"One `step()` for the groups of an SGD, {machine()}, Python {platform.python_version()}, torch {torch.__version__}:"
    yield f"microseconds (how many times as fast as torch's `{reference}`). Medians of {PAIRS} paired runs of {CALLS} steps; the"
    yield "values are compared first."
    yield ""
    rows = []
    for name in STEPPERS:
        cells = []
        for groups in GROUPS:
            timed = beside_torch(name, reference, groups).timed()
            cells.append(f"{timed.work * 1e6:.2f}" + (f" ({1 / timed.ratio:.1f} x)" if name != reference else ""))
        rows.append([f"`{name}`", *cells])
    yield from table(["scheduler", *(f"{groups} groups" if groups > 1 else "1 group" for groups in GROUPS)], rows)
    yield ""
    yield from table(["one call", "microseconds", "times", "beside"], [beside(pair, 1e6) for pair in calls(STEPS)])


def calls(n: int) -> Iterator[Pair]:
    for name in ("linear", "warmup_cosine", "64_parts", "real_power"):
        for asked in ASKED:
            yield one_call(name, n, asked)
    for method in ("step", "get_lr"):
        yield of_scheduler(method)
    for name in CONSTRUCTIONS:
        yield construction(name)
    yield an_import()


# ---- README ----

TABLES: dict[str, Callable[[], Iterator[str]]] = {"speed": speed, "peers": peers, "steps": steps}


def written(page: str, name: str, text: str) -> str:
    """The page with a text between its marks."""
    marked, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}{text}\n{m[2]}", page, flags=re.S)
    if not found:
        raise SystemExit(f"{README}: no lines <!-- {name} --> and <!-- /{name} --> to write between")
    return marked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="these tables")
    told = parser.parse_args()
    for name in told.only if told.write else ():
        written(README.read_text("utf-8"), name, "")
    for name in told.only:
        text = "\n".join(TABLES[name]())
        print(text, end="\n\n", flush=True)
        if told.write:
            README.write_text(written(README.read_text("utf-8"), name, text), "utf-8")


if __name__ == "__main__":
    main()
