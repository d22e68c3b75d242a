"""Ranges, single steps, construction and import: `python -m pytest benchmarks`."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from baselines import CURVES, floor, numpy_warmup_cosine

import lrkernel as lrk
from lrkernel._core import runnable_levels

N = 1_000_000
Benchmark = Callable[..., Any]


def test_every_formula_has_a_curve() -> None:
    assert {shape.name for shape in lrk.SHAPES if shape.kind != "node"} <= {*CURVES, "hold"}


def test_baselines_give_the_same_values() -> None:
    ours = lrk.warmup_cosine(1e-3, 1000, N).values(N + 10)
    np.testing.assert_allclose(numpy_warmup_cosine(1e-3, 1000, N, N + 10), ours, rtol=1e-9, atol=1e-18)


def test_floor(benchmark: Benchmark) -> None:
    out = np.zeros(N)
    benchmark(floor, out)
    assert out[-1] == 1.0


@pytest.mark.parametrize("level", runnable_levels())
@pytest.mark.parametrize("name", CURVES)
def test_values(benchmark: Benchmark, name: str, level: str) -> None:
    schedule, out = CURVES[name](N), np.zeros(N)
    lrk.use_level(level)
    try:
        benchmark(schedule.values, N, out=out, threads=1)
    finally:
        lrk.use_level(None)
    assert out[N // 2] == schedule(N // 2)


def test_numpy_expression(benchmark: Benchmark) -> None:
    assert benchmark(numpy_warmup_cosine, 1e-3, 1000, N, N).shape == (N,)


@pytest.mark.parametrize("name", CURVES)
def test_one_step(benchmark: Benchmark, name: str) -> None:
    schedule = CURVES[name](N)
    assert benchmark(schedule, N // 2) == schedule.values(N)[N // 2]


@pytest.mark.parametrize("total", [10**3, 10**12])
@pytest.mark.parametrize("name", ["warmup_cosine", "wsd", "cosine_restarts", "cosine_plateau"])
def test_construction(benchmark: Benchmark, name: str, total: int) -> None:
    assert benchmark(CURVES[name], total).segments.nbytes < 4096


def test_import(benchmark: Benchmark) -> None:
    code = "import time, numpy; t = time.perf_counter(); import lrkernel; print(time.perf_counter() - t)"

    def run() -> float:
        return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)

    assert benchmark.pedantic(run, rounds=3) > 0.0  # type: ignore[attr-defined]
