"""Dask: lazy curves and sweeps, on threads and on a cluster of processes one of which is killed; the bits of one process."""

import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster

import lrkernel as lrk
from lrkernel.integrations.dask import apply, to_dask
from lrkernel.simulation import Annealing

RUN = lrk.warmup_cosine(1e-3, 1000, 100_000, floor=1e-5)
BATCH = lrk.sweep(lrk.wsd, peak=[0.1, 0.2, 0.3], warmup=10, stable=[[20], [30], [40], [50]], decay=15)
SUM = lrk.ScheduleBatch.sum


def same(one: Any, other: Any) -> bool:
    return bool(one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes())


# ---- curves ----


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps", [range(0), range(1), range(100_000), range(5, 99_000, 7), range(90_000, 80_000, -3)])
def test_a_curve_has_the_values(steps: range, dtype: str) -> None:
    curve = to_dask(RUN, steps, chunks=7_000, dtype=dtype)
    assert curve.shape == (len(steps),)
    assert curve.dtype == dtype
    assert same(curve.compute(), RUN.values(steps.start, steps.stop, steps.step, dtype=dtype))


def test_a_curve_of_a_batch() -> None:
    curve = to_dask(BATCH, 100, chunks=(3, 2, 40))
    assert curve.chunks == ((3, 1), (2, 1), (40, 40, 20))
    assert same(curve.compute(), BATCH.values(100))
    assert same(curve[1:, 2, ::-3].compute(), BATCH.values(100)[1:, 2, ::-3])
    assert same(curve[[0, 2]][:, 1, [5, 3, 99]].compute(), BATCH.values(100)[[0, 2]][:, 1, [5, 3, 99]])
    assert same(curve[2, 1, 50].compute(), BATCH.values(100)[2, 1, 50])
    assert same(to_dask(lrk.ScheduleBatch(RUN), 10).compute(), RUN.values(10))


def test_a_slice_of_a_curve_makes_its_own_values() -> None:
    curve = to_dask(lrk.linear(1.0, 0.0, 10**12), 10**12, chunks=10**10)
    assert curve[:: 25 * 10**10].compute().tolist() == [1.0, 0.75, 0.5, 0.25]
    assert curve[10**12 - 1].compute() == 1e-12


def test_equal_curves_have_one_name() -> None:
    assert to_dask(RUN, 100).name == to_dask(lrk.Schedule.from_bytes(RUN.to_bytes()), range(100)).name
    assert len({to_dask(RUN, 100).name, to_dask(RUN, 101).name, to_dask(RUN * 2, 100).name}) == 3
    assert apply(SUM, BATCH, 0, 9).name == apply(SUM, BATCH[...], 0, 9).name
    assert len({apply(SUM, BATCH, 0, 9).name, apply(SUM, BATCH, 0, 8).name, apply(SUM, BATCH[1:], 0, 9).name}) == 3


def test_schedules_travel_as_bytes() -> None:
    curve = to_dask(RUN, 10**9, chunks=10**8)  # 8 GB of values
    assert len(pickle.dumps(dict(curve.dask))) < 3_000
    many = lrk.sweep(
        lrk.wsd, peak=np.linspace(1e-4, 1e-2, 50), warmup=1000, stable=[[n] for n in range(10_000, 30_000, 1000)], decay=500
    )
    swept = apply(lrk.ScheduleBatch.__call__, many, range(1000), chunks=10)
    assert swept.nbytes == 8 * 1000 * 1000
    assert len(pickle.dumps(dict(swept.dask))) < 1000 * 250


# ---- functions of a batch ----


@pytest.mark.parametrize("chunks", [None, 1, 2, (3, 1), ((1, 3), (3,)), -1])
def test_functions_of_a_batch(chunks: Any) -> None:
    lazy = apply(lrk.ScheduleBatch.__call__, BATCH, [[0, 5, 60], [1, 2, 3]], chunks=chunks)
    assert lazy.shape == (4, 3, 2, 3)
    assert same(lazy.compute(), BATCH([[0, 5, 60], [1, 2, 3]]))
    assert same(apply(SUM, BATCH, 3, 60, power=2, chunks=chunks).compute(), BATCH.sum(3, 60, power=2))


def test_what_a_function_takes_is_not_taken_for_a_task() -> None:
    def told(batch: lrk.ScheduleBatch, *args: Any, **kwargs: Any) -> Any:
        assert args == ((str.upper, "x"), ["a", {"b": 1}])
        assert kwargs == {"name": "lrkernel"}
        return np.zeros(batch.shape)

    assert apply(told, BATCH, (str.upper, "x"), ["a", {"b": 1}], name="lrkernel", chunks=2).compute().shape == (4, 3)


def test_chunks_are_a_thousand_schedules_by_default() -> None:
    many = lrk.sweep(lrk.constant, value=np.arange(3000.0))
    assert apply(SUM, many, 0, 2).chunks == ((1000, 1000, 1000),)
    assert same(apply(SUM, lrk.ScheduleBatch(RUN), 0, 2).compute(), np.array(RUN.sum(0, 2)))


# ---- a cluster ----


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes of one thread."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def pids(client: Client) -> set[int]:
    return set(client.run(os.getpid).values())


def test_a_cluster_of_processes_gives_the_bits_of_one(client: Client) -> None:
    assert len(pids(client) - {os.getpid()}) == 2
    assert same(to_dask(RUN, 100_000, chunks=9_999).compute(), RUN.values(100_000))
    assert same(to_dask(BATCH, 100, chunks=(2, 2, 40)).compute(), BATCH.values(100))
    assert same(apply(SUM, BATCH, 3, 60, chunks=2).compute(), BATCH.sum(3, 60))
    assert same(apply(lrk.ScheduleBatch.cumulative, BATCH, [5, 60], chunks=2).compute(), BATCH.cumulative([5, 60]))
    law = Annealing(L0=2.6, A=0.6, alpha=0.5, C=0.4, decay=0.999)
    assert same(apply(law.predict, BATCH, [5, 60], threads=1, chunks=2).compute(), law.predict(BATCH, [5, 60]))


def test_a_killed_worker_is_survived(client: Client) -> None:
    def slow(batch: lrk.ScheduleBatch, steps: int) -> Any:
        time.sleep(0.2)
        return batch.values(steps)

    before = pids(client)
    future = client.compute(apply(slow, BATCH, 500, chunks=1))
    time.sleep(0.5)  # some of the twelve are done, some are not
    assert not future.done()
    os.kill(min(before), signal.SIGKILL)
    assert same(future.result(timeout=60), BATCH.values(500))
    assert min(before) not in pids(client)


# ---- bad input ----


@pytest.mark.parametrize(
    ("call", "error", "rule"),
    [
        (lambda: to_dask(0.1, 5), TypeError, "schedule must be a schedule or a batch, got 0.1"),  # type: ignore[arg-type]
        (lambda: to_dask(RUN, -1), ValueError, "steps must be >= 0, got -1"),
        (lambda: to_dask(RUN, 2.5), ValueError, "steps must be a whole number, got 2.5"),  # type: ignore[arg-type]
        (lambda: to_dask(RUN, range(-1, 5)), ValueError, "start must keep every step >= 0, got -1"),
        (lambda: to_dask(RUN, range(5, -2, -1)), ValueError, "must keep every step >= 0, got -1"),
        (lambda: to_dask(RUN, range(2**63 + 1)), ValueError, r"must keep every step < 2\^63"),
        (lambda: to_dask(RUN, 5, dtype="int64"), ValueError, "dtype must be float64 or float32, got int64"),
        (lambda: to_dask(RUN, 5, chunks=((3, 3),)), ValueError, "Chunks do not add up to shape"),
        (lambda: apply("sum", BATCH), TypeError, "function must be callable, got 'sum'"),  # type: ignore[arg-type]
        (lambda: apply(SUM, RUN, 0, 5), TypeError, "batch must be a batch, got "),  # type: ignore[arg-type]
        (lambda: apply(SUM, BATCH, 5, 0), ValueError, "a must be <= b, got 5 > 0"),
        (lambda: apply(SUM, BATCH, 0, 5, chunks=((3, 3), 3)), ValueError, "Chunks do not add up to shape"),
        (
            lambda: apply(lambda batch: [1.0, 2.0], BATCH),
            ValueError,
            r"function must return an array of shape \(1, 1, .*got \(2,\)",
        ),
    ],
)
def test_bad_input_is_told_at_once(call: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        call()


def test_a_function_that_changes_its_mind_is_told() -> None:
    lazy = apply(lambda batch: np.zeros((*batch.shape, batch.schedules[0].end)), BATCH, chunks=1)
    with pytest.raises(ValueError, match=r"function must return an array of shape \(1, 1, 45\), got \(1, 1, [567]5\)"):
        lazy.compute(scheduler="synchronous")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(ImportError, match=r'to_dask needs dask: pip install "lrkernel\[dask\]"'):
        to_dask(RUN, 5)
    with pytest.raises(ImportError, match=r'apply needs dask: pip install "lrkernel\[dask\]"'):
        apply(lrk.ScheduleBatch.__call__, BATCH, 5)
