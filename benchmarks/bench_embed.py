"""Loops over the steps of a schedule of four segments in C and in Cython, one value after the other.

Each also prints nanoseconds per step, the least of many runs: pytest -s benchmarks/bench_embed.py
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk

STEPS = 100_000
CURVE = lrk.sequence(
    lrk.linear(0.0, 1e-3, STEPS // 10),
    lrk.cosine(1e-3, 1e-4, STEPS * 4 // 10),
    lrk.constant(1e-4, STEPS // 10),
    lrk.polynomial(1e-4, 1e-5, STEPS * 4 // 10, 2.5),
)
PROJECT = Path(__file__).parents[1] / "examples" / "embed" / "cython"

LOOPS = """
#include <lrkernel.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned char data[4096];
static lrk_segment segments[16];

int main(void)
{
    int64_t rows, values;
    lrk_table table;
    lrk_cursor cursor;
    const size_t size = fread(data, 1, sizeof data, stdin);
    if (lrk_table_measure(data, size, &rows, &values) || lrk_table_load(data, size, segments, 16, NULL, 0, &table)) return 1;
    double best[2] = {1e9, 1e9}, sum[2];
    for (int k = 0; k < 400; ++k) {
        struct timespec from, to;
        lrk_cursor_begin(&cursor, &table);
        sum[k % 2] = 0.0;
        timespec_get(&from, TIME_UTC);
        for (int64_t step = 0; step < STEPS; ++step)
            sum[k % 2] += k % 2 ? lrk_cursor_at(&cursor, step) : lrk_at(&table, step);
        timespec_get(&to, TIME_UTC);
        const double ns = (1e9 * (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec)) / STEPS;
        if (ns < best[k % 2]) best[k % 2] = ns;
    }
    printf("%.2f %.2f %a %a\\n", best[0], best[1], sum[0], sum[1]);
    return 0;
}
"""


def summed(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def test_c(tmp_path: Path) -> None:
    (tmp_path / "loops.c").write_text(LOOPS)
    flags = [
        "-std=c11",
        "-O3",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-ffp-contract=off",
        f"-DSTEPS={STEPS}",
        f"-I{lrk.get_include()}",
    ]
    subprocess.run(["cc", *flags, "loops.c", f"{lrk.get_include()}/lrkernel.c", "-lm", "-o", "loops"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "loops"], input=CURVE.to_bytes(), capture_output=True, check=True).stdout.decode().split()
    print(f"\nC, ns per step: lrk_at {said[0]}, lrk_cursor_at {said[1]}")
    wanted = summed(CURVE.values(STEPS).tolist())
    assert [float.fromhex(text) for text in said[2:]] == [wanted, wanted]
    assert float(said[1]) < float(said[0])


@pytest.fixture(scope="module")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = copytree(PROJECT, tmp_path_factory.mktemp("embed") / "cython")
    subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=folder, capture_output=True, check=True)
    sys.path.insert(0, str(folder))
    try:
        import simulate  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    return simulate


@pytest.mark.parametrize("way", ["Cursor.at", "Table.at", "Table.at, threads", "Table.fill"])
def test_cython(simulate: Any, benchmark: Callable[..., Any], way: str) -> None:
    steps, out = np.arange(STEPS), np.empty(STEPS)
    if way == "Cursor.at":
        benchmark(simulate.descend, CURVE, 1.0, 0.5, STEPS)
    elif way == "Table.at":
        assert benchmark(simulate.total, CURVE, STEPS) == summed(CURVE.values(STEPS).tolist())
    elif way == "Table.at, threads":
        benchmark(simulate.look_up, CURVE, steps, out)
        assert (out == CURVE.values(STEPS)).all()
    else:
        benchmark(simulate.descend_all, CURVE, np.array([0.5]), STEPS, out[:1])
        assert out[0] == simulate.descend(CURVE, 1.0, 0.5, STEPS)
