"""Ranges, baselines, single steps, construction and import: `python -m pytest benchmarks`.

With --benchmark-disable each runs once, on few steps. LRKERNEL_BENCH_HUGE=1 adds 10^8 steps.
"""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import works
from baselines import BASELINES
from works import CONSTRUCTIONS, CURVES, WAYS, batch, bound, floor, floor_of_two, importing, parts, row_by_row, without_a_curve

import lrkernel as lrk
from lrkernel._core import runnable_levels

Benchmark = Callable[..., Any]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "n" in metafunc.fixturenames:
        huge = [100_000_000] if os.environ.get("LRKERNEL_BENCH_HUGE") else []
        quick = metafunc.config.getoption("benchmark_disable")
        metafunc.parametrize("n", [10_000] if quick else [1000, 100_000, 10_000_000, *huge])


@pytest.fixture(params=runnable_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    lrk.use_level(request.param)
    yield request.param
    lrk.use_level(None)


# ---- what is compared is the same ----


def test_every_shape_has_a_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_a_curve() == []
    fewer = {name: build for name, build in CURVES.items() if name != "product"}
    monkeypatch.setattr(works, "CURVES", {**fewer, "linear": CURVES["cosine"]})
    assert without_a_curve() == ["linear", "product"]


def test_bounds_add_up() -> None:
    cosine, linear, product = (shape.ulp for shape in lrk.SHAPES if shape.name in {"cosine", "linear", "product"})
    cosine, linear = max(cosine, linear), min(cosine, linear)
    assert bound(CURVES["constant"](10)) == 0.0
    assert bound(CURVES["warmup_cosine"](1000)) == cosine
    assert bound(CURVES["product"](1000)) == cosine + linear + product


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_gives_the_same_values(name: str) -> None:
    baseline, n = BASELINES[name], 6500
    got = baseline.make(n)()
    assert got.dtype == baseline.dtype
    baseline.check(got, n)
    got = got.copy()
    got[n // 3] *= 1.001
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 6500"):
        baseline.check(got, n)


# ---- ranges ----


def check(got: Any, schedule: lrk.Schedule, steps: Any) -> None:
    """The first, a middle and the last value are those of single calls."""
    for k in (0, len(steps) // 2, -1):
        assert got[k] == got.dtype.type(schedule(int(steps[k])))


def test_floor(benchmark: Benchmark, n: int) -> None:
    out = np.zeros(n)
    benchmark(floor, out)
    assert out[-1] == 1.0


def test_floor_of_two_threads(benchmark: Benchmark, n: int) -> None:
    out = np.zeros(n)
    with ThreadPoolExecutor(1) as pool:
        benchmark(floor_of_two, out, pool)
    assert out.min() == 1.0


def test_copy(benchmark: Benchmark, n: int) -> None:
    steps, out = np.arange(n), np.zeros(n, np.int64)
    benchmark(np.copyto, out, steps)
    assert out[-1] == n - 1


@pytest.mark.parametrize("name", CURVES)
def test_levels(benchmark: Benchmark, name: str, level: str, n: int) -> None:
    schedule, way = CURVES[name](n), WAYS["contiguous"]
    check(benchmark(way.prepared(schedule, n)), schedule, way.steps(n))


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("way", [name for name in WAYS if name != "contiguous"])
def test_ways(benchmark: Benchmark, name: str, way: str, n: int) -> None:
    schedule = CURVES[name](n)
    check(benchmark(WAYS[way].prepared(schedule, n)), schedule, WAYS[way].steps(n))


@pytest.mark.parametrize("way", ["contiguous", "shuffled steps"])
@pytest.mark.parametrize("count", [1, 2, 10, 100, 1000, 10_000])
def test_parts(benchmark: Benchmark, way: str, count: int, n: int) -> None:
    schedule = parts(min(count, n), n)
    check(benchmark(WAYS[way].prepared(schedule, n)), schedule, WAYS[way].steps(n))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [10, 1000])
def test_batch(benchmark: Benchmark, rows: int, threads: int, n: int) -> None:
    many, out = batch(rows, n // rows), np.zeros((rows, n // rows))
    benchmark(many.values, n // rows, out=out, threads=threads)
    assert out[-1, -1] == many[-1](n // rows - 1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [10, 1000])
def test_one_schedule_row_by_row(benchmark: Benchmark, rows: int, threads: int, n: int) -> None:
    one, out = CURVES["warmup_cosine"](n), np.zeros((rows, n // rows))
    benchmark(row_by_row, one, out, threads)
    assert out.tolist() == one.values(n).reshape(out.shape).tolist()


@pytest.mark.parametrize("name", BASELINES)
def test_baseline(benchmark: Benchmark, name: str, n: int) -> None:
    steps = min(n, BASELINES[name].most)
    assert benchmark(BASELINES[name].make(steps)).shape == (steps,)


# ---- calls ----


def test_cosine_of_c(benchmark: Benchmark) -> None:
    assert benchmark(math.cos, 0.0) == 1.0


@pytest.mark.parametrize("name", CURVES)
def test_one_step(benchmark: Benchmark, name: str) -> None:
    schedule = CURVES[name](10_000)
    assert benchmark(schedule, 5000) == schedule.values(10_000)[5000]


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_construction(benchmark: Benchmark, name: str) -> None:
    assert benchmark(CONSTRUCTIONS[name]).segments.nbytes < 4096


@pytest.mark.parametrize("count", [1, 10, 100, 1000, 10_000])
def test_construction_of_parts(benchmark: Benchmark, count: int) -> None:
    assert len(benchmark(parts, count, 1_000_000).segments) == count + 1


@pytest.mark.parametrize("rows", [1, 1000])
def test_construction_of_a_batch(benchmark: Benchmark, rows: int) -> None:
    assert benchmark(batch, rows, 1000).shape == (rows,)


@pytest.mark.parametrize("module", ["numpy", "lrkernel"])
def test_import(benchmark: Benchmark, module: str) -> None:
    benchmark(importing, module)
