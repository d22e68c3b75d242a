"""Many Python threads and processes on one schedule: equal values, no lock held while the core works."""

import _thread
import multiprocessing
import pickle
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk

CURVE = lrk.warmup_cosine(1e-3, 100, 20_000, floor=1e-5) * lrk.step(1.0, 700, 0.9).clip(lo=0.3)
N = 3000
WANT = CURVE.values(N)
MIXED = np.random.default_rng(1).permutation(N)
ROUNDS = 30


def scheduler(k: int) -> bool:
    group = {"lr": 0.0}
    mine = lrk.Scheduler(CURVE, type("Optimizer", (), {"param_groups": [group]})(), step=k)
    return all(mine.step() == group["lr"] == WANT[k + t] for t in range(1, 300))


def levels(k: int) -> bool:
    names = lrk._core.runnable_levels()
    lrk.use_level(names[k % len(names)])
    return CURVE.values(N).tobytes() == WANT.tobytes()


def identity(_: int) -> bool:
    fresh = pickle.loads(pickle.dumps(CURVE))
    return fresh == CURVE and hash(fresh) == hash(CURVE) and fresh.fingerprint == CURVE.fingerprint


# Each is called with a number and says whether all is as it has to be.
USES: list[Callable[[int], bool]] = [
    lambda k: all(CURVE(t) == WANT[t] for t in range(k, N, 7)),
    lambda k: CURVE(MIXED).tobytes() == WANT[MIXED].tobytes(),
    lambda k: CURVE.values(k, N, 3).tobytes() == WANT[k::3].tobytes(),
    lambda k: CURVE.values(N, dtype=np.float32, threads=2).tobytes() == WANT.astype(np.float32).tobytes(),
    lambda k: lrk.ScheduleBatch([CURVE, CURVE * 2.0]).values(N).tobytes() == np.stack([WANT, WANT * 2.0]).tobytes(),
    lambda k: lrk.Schedule.from_bytes(CURVE.to_bytes()) == CURVE,
    lambda k: CURVE.skip(k)(5) == WANT[k + 5],
    identity,
    levels,
    scheduler,
]


@pytest.fixture
def best_level() -> Iterator[None]:
    yield
    lrk.use_level(None)


def in_threads(work: Callable[[int], None], count: int) -> list[BaseException]:
    """What the threads raised, which all begin at once."""
    raised: list[BaseException] = []
    start = threading.Barrier(count)

    def begin(k: int) -> None:
        try:
            start.wait()
            work(k)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=begin, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.usefixtures("best_level")
def test_everything_at_once_from_many_threads() -> None:
    done: list[int] = []

    def work(k: int) -> None:
        for round in range(ROUNDS):
            number = (k + round) % len(USES)
            assert USES[number](k), number
            done.append(number)

    assert in_threads(work, 8) == []
    assert len(done) == 8 * ROUNDS
    assert set(done) == set(range(len(USES)))


def test_threads_that_look_first_at_once() -> None:
    """What a schedule works out once, when it is first asked."""
    for steps in range(1000, 1020):
        fresh, other = (lrk.cosine(1.0, 0.1, steps).then(lrk.linear(0.1, 0.0, 50)) for _ in range(2))
        seen: list[tuple[str, int, float, int | None]] = []

        def look(_: int, schedule: lrk.Schedule = fresh, seen: list[tuple[str, int, float, int | None]] = seen) -> None:
            seen.append((schedule.fingerprint, hash(schedule), schedule(7), schedule.end))

        assert in_threads(look, 6) == []
        assert seen == [(other.fingerprint, hash(other), other(7), other.end)] * 6


def test_one_scheduler_for_many_threads_gives_no_garbage() -> None:
    """Whose step is whose is for them to settle; every value is one of the curve."""
    known = set(CURVE.values(20_001).tolist())
    shared = lrk.Scheduler(CURVE)

    def work(k: int) -> None:
        for _ in range(300):
            assert shared.step() in known
            assert shared.get_lr() in known
        for t in range(300):
            shared.seek((k + t) * 57)
            assert shared.step() in known

    assert in_threads(work, 6) == []


# ---- signals ----


class Stopped(Exception):
    """What a handler raises, as that of Ctrl-C does."""


def test_a_long_fill_hears_signals() -> None:
    """After a piece of 2^24 values; the rest is not written."""
    count, busy = 4 * 2**24, threading.Event()
    out, steps = np.zeros(count, np.float32), np.zeros(count // 2, np.int32)

    def stop(*_: object) -> None:
        if busy.is_set():
            raise Stopped

    def stopped(call: Callable[[], object]) -> bool:
        out[0] = out[-1] = np.nan
        timer = threading.Timer(0.001, _thread.interrupt_main)
        timer.start()
        busy.set()
        try:
            call()
        except Stopped:
            return True
        finally:
            busy.clear()
            timer.join()
        return False

    def stopped_midway(call: Callable[[], object]) -> bool:
        return stopped(call) and not np.isnan(out[0]) and bool(np.isnan(out[-1]))

    before = signal.signal(signal.SIGINT, stop)
    try:
        for call in (
            lambda: CURVE.values(count, out=out),
            lambda: CURVE.values(2 * count, 0, -2, out=out),
            lambda: lrk.ScheduleBatch([CURVE, CURVE]).values(count // 2, out=out.reshape(2, -1)),
        ):
            assert any(stopped_midway(call) for _ in range(50))
        assert any(stopped(lambda: CURVE(steps)) for _ in range(50))
    finally:
        signal.signal(signal.SIGINT, before)


# ---- the GIL ----


def gil() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


LONG = 400_000
STEPS = np.random.default_rng(2).integers(0, 30_000, 20_000)
DOUBLES, SINGLES, TABLE = np.empty(LONG), np.empty(LONG, np.float32), np.empty((2, LONG))
BATCH = lrk.ScheduleBatch([CURVE, CURVE * 2.0])
BATCH_CALLS: dict[str, Callable[[], object]] = {
    "_fill_double": lambda: CURVE.values(LONG, out=DOUBLES, threads=1),
    "_fill_double, threads": lambda: CURVE.values(LONG, out=DOUBLES, threads=2),
    "_fill_double, strides": lambda: CURVE.values(0, 60_000, 3, out=DOUBLES[:40_000:2]),
    "_fill_single": lambda: CURVE.values(LONG, out=SINGLES, threads=1),
    "_gather": lambda: CURVE(STEPS),
    "Rows.fill_double": lambda: BATCH.values(LONG, out=TABLE, threads=1),
    "Rows.gather": lambda: BATCH(STEPS),
}


class Others:
    """A thread that counts whenever it may, and whether it did during any of the watched calls."""

    def __init__(self) -> None:
        self.count = 0
        self.ran = False
        self.stop = False

    def watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: Any) -> Any:
            before = self.count
            result = call(*arguments)
            self.ran = self.ran or self.count != before
            return result

        return watch

    def tick(self) -> None:
        while not self.stop:
            self.count += 1
            time.sleep(0)


@pytest.fixture
def others() -> Iterator[Others]:
    """With a switch interval of hours: whoever runs goes on until it lets the others by itself."""
    found, interval = Others(), sys.getswitchinterval()
    thread = threading.Thread(target=found.tick)
    thread.start()
    while not found.count:
        time.sleep(0.001)
    sys.setswitchinterval(1e4)
    yield found
    sys.setswitchinterval(interval)
    found.stop = True
    thread.join()


class WatchedRows:
    """The core's ``Rows``, watched: NumPy, too, lets others run, so that the whole of a call proves nothing."""

    def __init__(self, rows: lrk._core.Rows, others: Others):
        self.rows, self.others = rows, others

    def __getattr__(self, name: str) -> Any:
        return self.others.watched(getattr(self.rows, name))


@pytest.mark.parametrize("name", BATCH_CALLS)
def test_other_threads_run_during_a_batch(name: str, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    method = name.partition(",")[0]
    if method.startswith("Rows"):
        monkeypatch.setitem(vars(BATCH), "_rows", WatchedRows(BATCH._rows, others))
    else:
        core = others.watched(getattr(lrk._core.Table, method))
        monkeypatch.setattr(lrk.Schedule, method, lambda self, *arguments: core(self, *arguments), raising=False)
    calls = 0
    while not others.ran and calls < 500:
        BATCH_CALLS[name]()
        calls += 1
    assert others.ran


def test_a_call_that_keeps_the_gil_is_noticed(others: Others) -> None:
    for _ in range(20):
        others.watched(sum)(range(100_000))
    assert others.ran is not gil()


def test_a_free_threaded_interpreter_stays_so() -> None:
    """Importing a module that does not say it can do without the GIL brings it back."""
    code = "import sys, lrkernel; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(not sysconfig.get_config_var("Py_GIL_DISABLED"))


# ---- processes ----

PROCESSES = """
import multiprocessing, os, sys, warnings
import lrkernel as lrk

CURVE = lrk.warmup_cosine(1e-3, 1000, 300_000)


def work(task):
    curve, start, threads = task
    return os.getpid(), curve == CURVE, curve.values(start, start + 200_000, threads=threads).tobytes(), lrk.Scheduler(curve).step()


if __name__ == "__main__":
    # CPython 3.12 and later warn whenever a process with threads forks; that this goes well is what is tested.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    CURVE.values(4_000_000, threads=3)
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        tasks = [(CURVE, start, threads) for start in (0, 70_000) for threads in (1, 2, 3)]
        for task, (pid, same, values, lr) in zip(tasks, pool.map(work, tasks, chunksize=1), strict=True):
            assert pid != os.getpid() and same and lr == CURVE(1)
            assert values == CURVE.values(task[1], task[1] + 200_000).tobytes()
    print("done")
"""


@pytest.mark.parametrize("context", multiprocessing.get_all_start_methods())
def test_processes(context: str, tmp_path: Path) -> None:
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script), context], capture_output=True, text=True, check=False, timeout=300
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr


def test_steps_that_change_while_they_are_read() -> None:
    """What is computed once for many steps is laid out for those that were seen first, whatever the array holds later."""
    curve = lrk.warmup_cosine(1.0, 100, 10**7)
    random = np.random.default_rng(0)
    narrow, wide = random.integers(5000, 6000, 50_000), random.integers(0, 10**7, 50_000)
    steps, enough = wide.copy(), threading.Event()

    def change() -> None:
        while not enough.is_set():
            steps[:] = narrow
            steps[:] = wide

    other = threading.Thread(target=change)
    other.start()
    try:
        for _ in range(300):
            values = curve(steps)
            assert ((values >= 0.0) & (values <= 1.0)).all()
    finally:
        enough.set()
        other.join()
