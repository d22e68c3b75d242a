"""report - measures each curve beside the memory floor, in pairs in one process, and writes the table of README.md.

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
from baselines import CURVES, STEPS, floor, numpy_warmup_cosine

import lrkernel as lrk
from lrkernel._core import runnable_levels

README = Path(__file__).parents[1] / "README.md"
PAIRS = 9


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    text = table()
    print(text)
    if parser.parse_args().write:
        page = README.read_text("utf-8")
        marked, found = re.subn(r"(<!-- speed -->\n).*?(<!-- /speed -->)", lambda m: f"{m[1]}{text}\n{m[2]}", page, flags=re.S)
        if not found:
            raise SystemExit(f"{README}: no lines <!-- speed --> and <!-- /speed --> to write between")
        README.write_text(marked, "utf-8")


if __name__ == "__main__":
    main()
