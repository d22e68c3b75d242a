"""report - measures each curve beside the memory floor and each scheduler beside torch's, in pairs, and writes README's tables.

python benchmarks/report.py [--write]
"""

import argparse
import platform
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from baselines import CURVES, STEPPERS, STEPS, floor, lrs, numpy_warmup_cosine, stepper

import lrkernel as lrk
from lrkernel._core import runnable_levels

README = Path(__file__).parents[1] / "README.md"
PAIRS = 9
CALLS = 1000
GROUPS = (1, 64)


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def paired(work: Callable[[], object], reference: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of `work`, and the median of its ratios to `reference` run right before it."""
    work()
    pairs = [(seconds(reference), seconds(work)) for _ in range(PAIRS)]
    return statistics.median(w for _, w in pairs), statistics.median(w / r for r, w in pairs)


def processor() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return names[0] if names else platform.processor()


def table() -> str:
    out = np.zeros(STEPS)
    bounds = {shape.name: f"{shape.ulp:g}" for shape in lrk.SHAPES}
    levels = runnable_levels()
    base = statistics.median(seconds(lambda: floor(out)) for _ in range(PAIRS))
    lines = [
        f"10M float64 steps into a warm buffer, one thread, {processor()}, NumPy {np.__version__}: milliseconds (times the memory",
        f"floor, `out.fill(1.0)`, {base * 1e3:.1f} ms). Medians of {PAIRS} paired runs.",
        "",
        f"| curve | error bound, ulp | {' | '.join(levels)} |",
        f"|---|---|{'---|' * len(levels)}",
    ]
    for name, build in CURVES.items():
        schedule, cells = build(STEPS), []
        for level in levels:
            lrk.use_level(level)
            elapsed, ratio = paired(lambda s=schedule: s.values(STEPS, out=out, threads=1), lambda: floor(out))  # type: ignore[misc]
            cells.append(f"{elapsed * 1e3:.1f} ({ratio:.2f} x)")
        lines.append(f"| {name} | {bounds.get(name, '')} | {' | '.join(cells)} |")
    lrk.use_level(None)
    elapsed, ratio = paired(lambda: numpy_warmup_cosine(1e-3, STEPS // 100, STEPS, STEPS), lambda: floor(out))
    cells = [""] * (len(levels) - 1) + [f"{elapsed * 1e3:.0f} ({ratio:.0f} x)"]
    lines.append(f"| the warm-up and cosine as a NumPy expression | | {' | '.join(cells)} |")
    return "\n".join(lines)


def repeated(step: Callable[[], object]) -> Callable[[], None]:
    def work() -> None:
        for _ in range(CALLS):
            step()

    return work


def steps_table() -> str:
    reference = "CosineAnnealingLR"
    lines = [
        f"One `step()` for the groups of an SGD, {processor()}, Python {platform.python_version()}, torch {torch.__version__}:",
        f"microseconds (how many times as fast as torch's `{reference}`). Medians of {PAIRS} paired runs of {CALLS} steps; the",
        "values are compared first.",
        "",
        f"| scheduler | {' | '.join(f'{groups} groups' if groups > 1 else '1 group' for groups in GROUPS)} |",
        f"|---|{'---|' * len(GROUPS)}",
    ]
    for name in STEPPERS:
        cells = []
        for groups in GROUPS:
            (ours, optimizer), (theirs, other) = stepper(name, groups), stepper(reference, groups)
            repeated(ours.step)()
            repeated(theirs.step)()
            np.testing.assert_allclose(lrs(optimizer), lrs(other), rtol=1e-9)
            elapsed, ratio = paired(repeated(ours.step), repeated(theirs.step))
            cells.append(f"{elapsed / CALLS * 1e6:.2f} ({1 / ratio:.1f} x)")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def written(page: str, name: str, text: str) -> str:
    """The page with a table between its marks."""
    marked, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}{text}\n{m[2]}", page, flags=re.S)
    if not found:
        raise SystemExit(f"{README}: no lines <!-- {name} --> and <!-- /{name} --> to write between")
    return marked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    write = parser.parse_args().write
    page = README.read_text("utf-8")
    for name, made in (("steps", steps_table), ("speed", table)):
        text = made()
        print(text, end="\n\n")
        page = written(page, name, text) if write else page
    if write:
        README.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
