"""Threads, blocks and files: how a long run is divided, and that nothing but time depends on it."""

import os
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk
from lrkernel import _arguments as module

CURVE = lrk.warmup_cosine(1e-3, 1000, 300_000) * lrk.polynomial(1.0, 0.5, 350_000, power=2.7)  # a millisecond: worth sharing
N = 400_003
WANT = CURVE.values(N, threads=1).tobytes()


def said(code: str) -> str:
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("threads", [2, 3, 7, 1024])
def test_any_number_of_threads(threads: int) -> None:
    assert CURVE.values(N, threads=threads).tobytes() == WANT


def test_calls_from_many_threads_at_once() -> None:
    found: list[bytes] = []

    def call(threads: int | None) -> None:
        for _ in range(20):
            found.append(CURVE.values(N, threads=threads).tobytes())

    callers = [threading.Thread(target=call, args=(threads,)) for threads in (None, 2, 3, 4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 80
    assert set(found) == {WANT}


# ---- steps in a row, for which values are filled in ahead ----

IN_A_ROW = [
    lrk.warmup_cosine(1e-3, 100, 1500),
    lrk.wsd(1e-3, 10, 900, 500, decay_shape="1-sqrt"),
    lrk.step(1e-3, 7, 0.99),
    lrk.cosine(1.0, 0.0, 77.7).repeat() * lrk.linear(1.0, 0.5, 1000) + 0.1,
    lrk.from_values(np.linspace(1.0, 0.0, 1700)).by_epoch(1.5),
]


@pytest.mark.parametrize("curve", IN_A_ROW)
def test_steps_in_a_row(curve: lrk.Schedule) -> None:
    want = curve.values(2000).tolist()
    assert [curve(step) for step in range(2000)] == want
    for start in (0, 255, 256, 257, 1999, 3, 700):  # of blocks that are there, end, or are not
        assert [curve(step) for step in range(start, 2000)] == want[start:]
    assert [curve(step) for step in range(2000) for _ in range(2)] == [value for value in want for _ in range(2)]
    again = [2**63 - 1, 1500, 0, 300, 2**63 - 1]
    assert [{curve(step) for _ in range(400)} for step in again] == [{value} for value in curve(again).tolist()]
    assert [curve(step) for step in range(1999, -1, -1)] == want[::-1]
    two = [step for pair in zip(range(1000), range(900, 1900), strict=True) for step in pair]
    assert [curve(step) for step in two] == [want[step] for step in two]
    assert [curve(step) for step in range(2**63 - 600, 2**63)] == curve.values(2**63 - 600, 2**63).tolist()


@pytest.mark.parametrize("curve", IN_A_ROW)
def test_what_was_asked_is_no_part_of_a_schedule(curve: lrk.Schedule) -> None:
    fresh = pickle.loads(pickle.dumps(curve))
    before = pickle.dumps(fresh), hash(fresh), repr(fresh), fresh.to_bytes(), sys.getsizeof(fresh), fresh.segments.nbytes
    for step in range(1000):
        fresh(step)
    assert before == (pickle.dumps(fresh), hash(fresh), repr(fresh), fresh.to_bytes(), sys.getsizeof(fresh), fresh.segments.nbytes)
    assert fresh == curve


def test_one_schedule_called_step_by_step_from_many_threads() -> None:
    curve = lrk.warmup_cosine(1e-3, 1000, 20_000)
    want = curve.values(21_000).tolist()
    wrong: list[int] = []
    switch = sys.getswitchinterval()

    def call(number: int) -> None:
        order = random.Random(number)
        for _ in range(20):
            start = order.randrange(20_000)
            steps = [order.randrange(21_000) for _ in range(300)] if number % 3 == 0 else range(start, start + 1000)
            wrong.extend(step for step in steps if curve(step) != want[step])

    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    sys.setswitchinterval(1e-6)
    try:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    finally:
        sys.setswitchinterval(switch)
    assert not wrong


def test_schedulers_of_one_schedule_at_different_steps() -> None:
    curve = lrk.warmup_cosine(1e-3, 100, 1500)
    want = curve.values(2000).tolist()
    near, far = lrk.Scheduler(curve), lrk.Scheduler(curve, step=700)
    for step in range(1, 1200):
        assert near.step() == want[step] == near.get_lr()
        assert far.step() == want[700 + step] == far.get_lr()


def test_a_forked_child_has_threads_of_its_own() -> None:
    code = """
import os, lrkernel as lrk
curve = lrk.cosine(1.0, 0.0, 4_000_000)
want = curve.values(4_000_000, threads=3).tobytes()
child = os.fork()
same = curve.values(4_000_000, threads=2).tobytes() == want
if child == 0:
    os._exit(0 if same else 7)
print(same, os.waitpid(child, 0)[1])
"""
    assert said(code).split() == ["True", "0"]


def test_a_process_ends_while_threads_sleep_or_work() -> None:
    code = """
import threading, lrkernel as lrk
def work():
    while True:
        lrk.linear(1.0, 0.0, 4_000_000).values(4_000_000, threads=2)
lrk.linear(1.0, 0.0, 4_000_000).values(4_000_000, threads=3)
threading.Thread(target=work, daemon=True).start()
print("end")
"""
    for _ in range(5):
        assert said(code).strip() == "end"


def test_sleeping_threads_cost_nothing() -> None:
    code = """
import time, lrkernel as lrk
lrk.linear(1.0, 0.0, 4_000_000).values(4_000_000, threads=4)
before = time.process_time()
time.sleep(0.5)
print(time.process_time() - before < 0.05)
"""
    assert said(code).strip() == "True"


def test_none_picks_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cores", lambda: 6)
    assert module.threads_of(None, module.THREADS_FROM - 1) == 1
    assert module.threads_of(None, module.THREADS_FROM) == 6
    assert module.threads_of(3, 10) == 3


def test_none_picks_the_cores_of_this_process() -> None:
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(cores)})
            assert module.threads_of(None, 10**9) == 1
        finally:
            os.sched_setaffinity(0, cores)
    assert module.threads_of(None, 10**9) == module._cores() >= 1


# ---- blocks ----


def test_blocks() -> None:
    blocks = list(CURVE.blocks(3, 1003, 300))
    assert [len(block) for block in blocks] == [300, 300, 300, 100]
    assert np.concatenate(blocks).tobytes() == CURVE.values(3, 1003).tobytes()
    assert not any(np.may_share_memory(blocks[0], block) for block in blocks[1:])
    assert list(CURVE.blocks(5, 5, 2)) == list(CURVE.blocks(5, 3, 2)) == []
    assert [block.dtype for block in CURVE.blocks(0, 3, 2, dtype=np.float32)] == [np.float32] * 2
    [last] = CURVE.blocks(2**63 - 2, 2**63, 10)
    assert last.tolist() == [0.0, 0.0]


def test_blocks_through_one_buffer() -> None:
    buffer = np.full(300, np.nan, np.float32)
    wanted = CURVE.values(1000, dtype=np.float32)
    for k, block in enumerate(CURVE.blocks(0, 1000, 300, out=buffer)):
        assert np.shares_memory(block, buffer)
        assert block.tobytes() == wanted[300 * k : 300 * k + 300].tobytes()
    assert buffer[:100].tobytes() == wanted[900:].tobytes()


def test_blocks_of_a_batch() -> None:
    batch = lrk.sweep(lrk.linear, start=[[1.0], [2.0]], stop=[0.0, 0.1, 0.2], steps=50)
    blocks = list(batch.blocks(0, 70, 32))
    assert [block.shape for block in blocks] == [(2, 3, 32), (2, 3, 32), (2, 3, 6)]
    assert np.concatenate(blocks, axis=-1).tobytes() == batch.values(70).tobytes()
    buffer = np.empty((2, 3, 32))
    assert [block.copy().tobytes() for block in batch.blocks(0, 70, 32, out=buffer)] == [block.tobytes() for block in blocks]


def test_blocks_take_the_memory_of_one() -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        for _ in CURVE.blocks(0, 2_000_000, 10_000):
            pass
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "rule"),
    [
        ((0, 10, 0), {}, ValueError, "size must be >= 1, got 0"),
        ((0, 10, 2.5), {}, ValueError, "size must be a whole number, got 2.5"),
        ((0, 10, None), {}, TypeError, "size must be an integer, got None"),
        ((0, None, 10), {}, TypeError, "stop must be an integer, got None"),
        ((-1, 10, 10), {}, ValueError, "start must keep every step >= 0, got -1"),
        ((0, 2**63 + 1, 10), {}, ValueError, r"stop must keep every step < 2\^63"),
        ((0, 10, 4), {"threads": 0}, ValueError, "threads must be >= 1, got 0"),
        ((0, 10, 4), {"dtype": "f2"}, ValueError, "dtype must be float64 or float32, got float16"),
        ((0, 10, 4), {"out": np.zeros(3)}, ValueError, r"out must have shape \(4,\), got \(3,\)"),
        ((0, 10, 4), {"out": np.zeros(4), "dtype": "f4"}, ValueError, "out must have dtype float32, got float64"),
    ],
)
def test_blocks_are_refused_when_asked_for(arguments: Any, options: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        CURVE.blocks(*arguments, **options)


# ---- files ----


@pytest.mark.parametrize("threads", [1, 2])
def test_values_into_slices_of_a_file(tmp_path: Path, threads: int) -> None:
    path = tmp_path / "curve.npy"
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(N,))
    for start in range(0, N, 150_000):
        stop = min(start + 150_000, N)
        CURVE.values(start, stop, out=file[start:stop], threads=threads)
    file.flush()
    del file
    assert np.load(path).tobytes() == WANT


def test_a_batch_into_a_file(tmp_path: Path) -> None:
    batch = lrk.sweep(lrk.cosine, start=[1.0, 2.0, 1.0], stop=0.0, steps=300_000)
    path = tmp_path / "curves.npy"
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(3, 200_000))
    for start in range(0, 200_000, 50_000):
        batch.values(start, start + 50_000, out=file[:, start : start + 50_000])
    file.flush()
    del file
    assert np.load(path).tobytes() == batch.values(200_000, dtype=np.float32).tobytes()
