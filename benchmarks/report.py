"""report - measures curves beside the memory floor, what a user would pick instead and single calls, and writes README's tables.

python benchmarks/report.py [--write] [--only speed peers steps]
"""

import argparse
import math
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from baselines import BASELINES, STEPPERS, lrs, stepper
from works import (
    CONSTRUCTIONS,
    CURVES,
    STEPS,
    WAYS,
    Empty,
    bound,
    cosines,
    floor,
    floor_of_two,
    importing,
    parts,
    repeated,
    scalars,
)

import lrkernel as lrk
from lrkernel._core import runnable_levels

README = Path(__file__).parents[1] / "README.md"
PAIRS = 9
CALLS = 1000
GROUPS = (1, 64)
PATIENCE = 10.0  # seconds: what takes longer in nine runs gets three, each timed at once

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


def paired(work: Work, reference: Work) -> tuple[float, float, float]:
    """Median seconds of `work` and of `reference`, run in turn, and the median of the ratios of neighbours."""
    work()
    slow = PAIRS * seconds(work) > PATIENCE
    pairs = [(settled(work, slow), settled(reference, False)) for _ in range(3 if slow else PAIRS)]
    works, references = zip(*pairs, strict=True)
    return statistics.median(works), statistics.median(references), statistics.median(w / r for w, r in pairs)


def machine() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def number(x: float) -> str:
    return f"{x:.3g}" if x < 1000.0 else f"{x:,.0f}"


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield from (f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


# ---- ranges ----


def speed() -> Iterator[str]:
    out, single, levels = np.zeros(STEPS), np.zeros(STEPS, np.float32), runnable_levels()
    fill = partial(floor, out)
    base = statistics.median(seconds(fill) for _ in range(PAIRS))
    yield f"10M float64 steps into a warm buffer, one thread, {machine()}, NumPy {np.__version__}: milliseconds (times the"
    yield f"memory floor, `out.fill(1.0)`, {base * 1e3:.1f} ms); float32, times float64. Medians of {PAIRS} paired runs."
    yield ""
    rows = []
    for name, build in CURVES.items():
        schedule, cells = build(STEPS), []
        ours = partial(schedule.values, STEPS, out=out, threads=1)
        for level in levels:
            lrk.use_level(level)
            elapsed, _, ratio = paired(ours, fill)
            cells.append(f"{elapsed * 1e3:.1f} ({ratio:.2f} x)")
        _, _, ratio = paired(partial(schedule.values, STEPS, out=single, threads=1), ours)
        rows.append([name, f"{bound(schedule):g}", *cells, f"{ratio:.2f} x"])
    lrk.use_level(None)
    yield from table(["curve", "error bound, ulp", *levels, "float32"], rows)
    yield ""
    yield from table(["10M steps, the best level", "ms", "times", "beside"], [ranges_row(*row) for row in ranges(out)])


def ranges(out: np.ndarray) -> Iterator[tuple[str, Work, str, Work]]:
    """Works and what each is held against."""
    cosine, few, short = CURVES["warmup_cosine"](STEPS), parts(4, STEPS), STEPS // 100
    pool = ThreadPoolExecutor(1)
    two = partial(cosine.values, STEPS, out=out, threads=2)
    yield "warmup_cosine, 2 threads", two, "a fill by 2 threads", partial(floor_of_two, out, pool)
    brief = CURVES["warmup_cosine"](short)
    for n, schedule in ((STEPS, cosine), (short, brief)):
        yield (
            f"warmup_cosine, 2 threads, {n:,} steps",
            partial(schedule.values, n, out=out[:n], threads=2),
            "1 thread",
            partial(schedule.values, n, out=out[:n], threads=1),
        )
    pair = parts(2, STEPS)
    for count in (64, 10_000):
        many = parts(count, STEPS)
        yield (
            f"{count:,} parts",
            partial(many.values, STEPS, out=out, threads=1),
            "2 parts",
            partial(pair.values, STEPS, out=out, threads=1),
        )
    for way in ("sorted steps", "clustered steps", "shuffled steps", "shuffled steps, int32"):
        steps = WAYS[way].steps(STEPS)
        yield f"{way}, 4 parts", partial(few, steps), "`np.copyto`", partial(np.copyto, out, steps.astype(np.float64))
    for way, limit in (("every 7th step", out[: -(-STEPS // 7)]), ("backwards", out), ("strided output", np.zeros(2 * STEPS)[::2])):
        yield f"warmup_cosine, {way}", WAYS[way].prepared(cosine, STEPS), "a fill of that output", partial(floor, limit)
    yield "warmup_cosine, fresh output", partial(cosine.values, STEPS), "`np.full`", partial(np.full, STEPS, 1.0)
    pool.shutdown()


def ranges_row(name: str, work: Work, beside: str, reference: Work) -> list[str]:
    elapsed, limit, ratio = paired(work, reference)
    return [name, f"{elapsed * 1e3:.2f}", f"{ratio:.2f} x", f"{beside}, {limit * 1e3:.2f} ms"]


# ---- baselines ----


def peers() -> Iterator[str]:
    yield f"The same values by other means, {machine()}: nanoseconds per step, and how many times as long that is as one thread of"
    yield "this library needs for a warm buffer of the same type. 10M steps, 100,000 for loops in Python. The others are compiled,"
    yield "warm and compared first, and use what threads they like."
    yield ""
    rows = []
    for name, baseline in BASELINES.items():
        n = min(STEPS, baseline.most)
        theirs, schedule = baseline.make(n), baseline.schedule(n)
        baseline.check(theirs(), n)
        ours = partial(schedule.values, n, out=np.zeros(n, baseline.dtype), threads=1)
        elapsed, mine, ratio = paired(theirs, ours)
        cells = [number(elapsed / n * 1e9), f"{mine / n * 1e9:.2f}", f"{number(ratio)} x"]
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
            (ours, optimizer), (theirs, other) = stepper(name, groups), stepper(reference, groups)
            repeated(ours.step, CALLS)
            repeated(theirs.step, CALLS)
            np.testing.assert_allclose(lrs(optimizer), lrs(other), rtol=1e-9)
            elapsed, _, ratio = paired(partial(repeated, ours.step, CALLS), partial(repeated, theirs.step, CALLS))
            cells.append(f"{elapsed / CALLS * 1e6:.2f}" + (f" ({1 / ratio:.1f} x)" if name != reference else ""))
        rows.append([f"`{name}`", *cells])
    yield from table(["scheduler", *(f"{groups} groups" if groups > 1 else "1 group" for groups in GROUPS)], rows)
    yield ""
    yield from table(["one call", "microseconds", "times", "beside"], [calls_row(*row) for row in calls()])


def calls() -> Iterator[tuple[str, Work, str, Work, int]]:
    """Works, what each is held against, and how often both run in one measurement."""
    inside = [STEPS // CALLS * k for k in range(CALLS)]
    cosine = partial(cosines, [math.pi * step / STEPS for step in inside])
    for name in ("linear", "warmup_cosine", "64_parts", "real_power"):
        yield f"`schedule(step)`, {name}", partial(scalars, CURVES[name](STEPS), inside), "`math.cos(x)`", cosine, CALLS
    (ours, _), (_, optimizer) = stepper("Scheduler", 1), stepper("CosineAnnealingLR", 1)
    yield (
        "`Scheduler.step()`, one group",
        partial(repeated, ours.step, CALLS),
        "an empty method",
        partial(repeated, Empty().step, CALLS),
        CALLS,
    )
    theirs = partial(repeated, partial(STEPPERS["CosineAnnealingLR"], optimizer), CALLS)
    for name, build in CONSTRUCTIONS.items():
        yield f"`{name}(...)`", partial(repeated, build, CALLS), "torch's `CosineAnnealingLR(...)`", theirs, CALLS
    yield "a process that imports lrkernel", partial(importing, "lrkernel"), "NumPy alone", partial(importing, "numpy"), 1


def calls_row(name: str, work: Work, beside: str, reference: Work, times: int) -> list[str]:
    elapsed, limit, ratio = paired(work, reference)
    return [name, f"{number(elapsed / times * 1e6)}", f"{ratio:.1f} x", f"{beside}, {number(limit / times * 1e6)}"]


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
