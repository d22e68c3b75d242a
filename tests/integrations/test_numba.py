"""The numba face: schedules in compiled functions give the bits and the errors of Python, and their code is kept on disk."""

import gc
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from numba.core.errors import NumbaWarning, TypingError
from numba.experimental import structref as numba_structref
from numba.experimental.jitclass.decorators import jitclass
from properties.expressions import expressions, library

import lrkernel as lrk
from lrkernel.jit import Cursor, cursor_type, schedule_type

structref: Any = numba_structref
typeof: Any = numba.typeof
LAST = 2**63 - 1
LEAST = -(2**63)
FOUR = lrk.sequence(
    lrk.linear(0.0, 1.0, 1000), lrk.constant(1.0, 700.5), lrk.cosine(1.0, 0.1, 5000.5), lrk.geometric(0.1, 1e-5, 3000)
)
STEPS = [0, 1, 999, 1000, 1001, 1700, 1701, 6700, 6701, 6702, 9701, 9702, 10**9, LAST]

# Functions that are compiled are plain Python too: each is compared with itself.


def at(schedule: Any, step: Any) -> Any:
    return schedule(step)


def by_name(schedule: Any, step: Any) -> Any:
    return schedule(step=step)


def loop(schedule: Any, start: int, stop: int, stride: int) -> Any:
    found = np.empty(len(range(start, stop, stride)))
    for k, step in enumerate(range(start, stop, stride)):
        found[k] = schedule(step)
    return found


def picked(schedule: Any, steps: Any) -> Any:
    found = np.empty(len(steps))
    for k in range(len(steps)):
        found[k] = schedule(steps[k])
    return found


def fill(schedule: Any, start: Any, out: Any, stride: Any) -> None:
    schedule.fill(start, out, stride)


def values(schedule: Any, start: Any, stop: Any, stride: Any) -> Any:
    return schedule.values(start, stop, stride)


compiled: dict[str, Any] = {f.__name__: numba.njit(f) for f in (at, by_name, loop, picked, fill, values)}


def bits(values: npt.ArrayLike) -> list[int]:
    return [int(bits) for bits in np.atleast_1d(np.asarray(values, np.float64)).view(np.uint64).ravel()]


# ---- the same bits ----


def test_one_step() -> None:
    for step in STEPS:
        assert bits(compiled["at"](FOUR, step)) == bits(FOUR(step))
    assert bits(compiled["by_name"](FOUR, 1701)) == bits(FOUR(1701))
    for kind in (np.int8, np.uint8, np.int32, np.uint32, np.uint64):
        assert bits(compiled["at"](FOUR, kind(100))) == bits(FOUR(100))


@pytest.mark.parametrize(("start", "stop", "stride"), [(0, 12_000, 1), (0, 12_000, 7), (9999, -1, -1), (1700, 1704, 1)])
def test_a_loop(start: int, stop: int, stride: int) -> None:
    assert bits(compiled["loop"](FOUR, start, stop, stride)) == bits(FOUR.values(start, stop, stride))


def test_a_loop_up_to_the_last_step() -> None:
    wave = lrk.cosine(1.0, 0.0, 333).repeat()
    steps = np.arange(LAST - 2000, LAST, dtype=np.int64)
    assert bits(compiled["picked"](wave, np.append(steps, LAST))) == bits(wave(np.append(steps, LAST)))


def test_steps_in_any_order() -> None:
    rng = np.random.default_rng(5)
    jumps = rng.integers(0, 10_000, 3000)
    runs = (rng.integers(0, 10_000, 60)[:, None] + np.arange(50)).ravel()  # blocks begin, and are left
    for steps in (jumps, runs, np.repeat(runs, 2)):
        assert bits(compiled["picked"](FOUR, steps)) == bits(FOUR(steps))


@settings(max_examples=60)
@given(expressions)
def test_every_schedule(expression: str) -> None:
    schedule = library(expression)
    assert bits(compiled["loop"](schedule, 0, 700, 1)) == bits(schedule.values(700))
    assert bits(compiled["at"](schedule, np.array(STEPS))) == bits(schedule(STEPS))


def test_two_schedules_at_one_place() -> None:
    """What is remembered is one schedule's; another at the same place, or at the same address, is not mistaken for it."""

    @numba.njit
    def summed(schedules: Any, n: int) -> Any:
        total = 0.0
        for step in range(n):
            for schedule in schedules:
                total += schedule(step)
        return total

    three = (FOUR, FOUR * 2.0, lrk.constant(0.125))
    assert summed(three, 3000) == summed.py_func(three, 3000)
    assert summed(numba.typed.List(three), 3000) == summed.py_func(three, 3000)

    @numba.njit
    def made_anew(n: int) -> Any:
        found = np.empty(n)
        for k in range(n):
            with numba.objmode(schedule=schedule_type):
                gc.collect(0)
                schedule = lrk.linear(float(k), 0.0, 10)
            for step in range(8):
                found[k] = schedule(step)
        return found

    assert bits(made_anew(50)) == bits([lrk.linear(float(k), 0.0, 10)(7) for k in range(50)])


def test_arrays_of_steps() -> None:
    steps = np.array([[3, 5000, 7], [10**6, 0, 1]])
    for some in (steps, steps.T, steps[:, ::2], steps.astype(np.uint64), steps.astype(np.int32), steps[:0], np.array(7)):
        found = compiled["at"](FOUR, some)
        assert found.shape == some.shape
        assert bits(found) == bits(FOUR(some))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_fill(kind: type[Any]) -> None:
    for size, gap in ((0, 1), (1, 1), (7, 1), (3000, 1), (7, 2), (7, -3)):
        for start, stride in ((5, 1), (990, 7), (7000, -2)):
            wide, wanted = np.zeros(size * abs(gap), kind), np.empty(size, kind)
            compiled["fill"](FOUR, start, wide[::gap], stride)
            FOUR.fill(start, wanted, stride)
            assert bits(wide[::gap]) == bits(wanted)
            assert np.count_nonzero(wide) <= size


def test_fill_a_field_of_a_packed_structure() -> None:
    packed = np.zeros(5, [("tag", "i1"), ("lr", "f8")])
    compiled["fill"](FOUR, 998, packed["lr"], 1)
    assert bits(packed["lr"]) == bits(FOUR.values(998, 1003))
    assert not packed["tag"].any()


def test_fill_in_python() -> None:
    out = bytearray(24)
    FOUR.fill(998, out)
    assert out == FOUR.values(998, 1001).tobytes()
    FOUR.fill(7, np.empty(0), -5)
    with pytest.raises(ValueError, match=r"out must have shape \(4,\), got \(2, 2\)"):
        FOUR.fill(0, np.empty((2, 2)))
    with pytest.raises(TypeError, match="out must be an array, a buffer or a DLPack tensor, got 'x'"):
        FOUR.fill(0, "x")  # type: ignore[arg-type]


def test_values() -> None:
    for arguments in ((0, 10, 1), (5, 5, 1), (10, 0, 1), (999, 1003, 1), (7000, -1, -700)):
        assert bits(compiled["values"](FOUR, *arguments)) == bits(FOUR.values(*arguments))

    @numba.njit
    def others(schedule: Any, out: Any) -> Any:
        return schedule.values(4), schedule.values(1, 4), schedule.values(1, 4, dtype=np.float32), schedule.values(3, out=out)

    out = np.empty(6, np.float32)[::2]
    for found, wanted in zip(others(FOUR, out), others.py_func(FOUR, out.copy()), strict=True):
        assert found.dtype == wanted.dtype
        assert bits(found) == bits(wanted)
    assert bits(out) == bits(FOUR.values(3, dtype=np.float32))


# ---- errors ----


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("at", (-3,), "step must be >= 0, got -3"),
        ("at", (np.int8(-3),), "step must be >= 0, got -3"),
        ("at", (np.uint64(2**63 + 5),), "step must be < 2^63, got 9223372036854775813"),
        ("at", (np.array([[1, -7]]),), "step must be >= 0, got -7"),
        ("at", (np.array([2**63], np.uint64),), "step must be < 2^63, got 9223372036854775808"),
        ("loop", (3, -4, -1), "step must be >= 0, got -1"),
        ("fill", (0, np.empty(3), 0), "stride must not be 0, got 0"),
        ("fill", (-1, np.empty(3), 1), "start must keep every step >= 0 and < 2^63, got -1"),
        ("fill", (3, np.empty(3), -2), "start must keep every step >= 0 and < 2^63, got 3"),
        ("fill", (LAST - 1, np.empty(3), 1), f"start must keep every step >= 0 and < 2^63, got {LAST - 1}"),
        ("values", (-3, 4, 1), "start must keep every step >= 0, got -3"),
        ("values", (3, -4, -1), "stop must keep every step >= 0, got -4"),
        ("values", (3, 4, 0), "stride must not be 0, got 0"),
        ("fill", (5, np.empty(2), LEAST), "start must keep every step >= 0 and < 2^63, got 5"),
        ("fill", (LEAST, np.empty(2), LEAST), f"start must keep every step >= 0 and < 2^63, got {LEAST}"),
        ("values", (LEAST, LAST, 1), f"start must keep every step >= 0, got {LEAST}"),
        ("values", (LAST, LEAST, LEAST), f"stop must keep every step >= 0, got {LEAST}"),
        ("values", (LAST, LEAST, -1), f"stop must keep every step >= 0, got {LEAST}"),
    ],
)
def test_a_wrong_value(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$") as caught:
        compiled[name](FOUR, *arguments)
    assert type(caught.value) is ValueError
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        compiled[name].py_func(FOUR, *arguments)


def test_an_out_that_overlaps_itself() -> None:
    out = np.lib.stride_tricks.as_strided(np.zeros(8), (3,), (4,))
    with pytest.raises(ValueError, match=r"^out must not overlap itself, stride in bytes, got 4$"):
        compiled["fill"](FOUR, 0, out, 1)


@pytest.mark.parametrize(
    ("name", "arguments", "wrong"),
    [
        ("values", (1, np.uint64(2**63 + 5), 1), "stop must be < 2^63, got 9223372036854775813"),
        ("values", (np.uint64(2**63 + 5), LAST, -1), "start must be < 2^63, got 9223372036854775813"),
        ("values", (1, 5, np.uint64(2**64 - 1)), "stride must be < 2^63, got 18446744073709551615"),
        ("fill", (np.uint64(2**63 + 5), np.empty(3), 1), "start must be < 2^63, got 9223372036854775813"),
        ("fill", (5, np.empty(3), np.uint64(2**64 - 1)), "stride must be < 2^63, got 18446744073709551615"),
    ],
)
def test_numbers_past_int64(name: str, arguments: tuple[Any, ...], wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        compiled[name](FOUR, *arguments)


@pytest.mark.parametrize("arguments", [(5, 0, LEAST), (0, LAST, 2**62), (LAST, 0, -(2**62)), (LAST, -1, -LAST), (LEAST, LEAST, -1)])
def test_the_farthest_strides(arguments: tuple[int, int, int]) -> None:
    first, _, gap = arguments
    wanted = FOUR.values(*arguments)
    assert bits(compiled["values"](FOUR, *arguments)) == bits(wanted)
    out = np.empty(wanted.size)
    if wanted.size:
        compiled["fill"](FOUR, first, out, gap)
        assert bits(out) == bits(wanted)


def test_an_out_of_another_size() -> None:
    def into(schedule: Any, out: Any) -> Any:
        return schedule.values(3, out=out)

    with pytest.raises(ValueError, match="out must have as many values as there are steps, got 4"):
        numba.njit(into)(FOUR, np.empty(4))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (lambda s, x: s(x), (3.0,), "step must be an integer or an array of integers, got float64"),
        (lambda s, x: s(x), (True,), "step must be an integer or an array of integers, got bool"),
        (lambda s, x: s(x), (np.empty(3),), r"step must be an integer or an array of integers, got array\(float64, 1d, C\)"),
        (lambda s, x: s(x, x), (1,), "a schedule takes one argument, step, got 2"),
        (lambda s, x: s.fill(x, np.empty(3)), (1.5,), "start must be an integer, got float64"),
        (lambda s, x: s.fill(0, np.empty(3), x), (1.5,), "stride must be an integer, got float64"),
        (lambda s, x: s.fill(0, x), (np.empty((2, 2)),), "out must be a writeable array of float64 or float32 of one dimension"),
        (lambda s, x: s.fill(0, x), (np.empty(2, np.int64),), "out must be a writeable array of float64 or float32"),
        (lambda s, x: s.fill(0, x), (np.frombuffer(bytes(16)),), "out must be a writeable array of float64 or float32"),
        (lambda s, x: s.values(x), (1.5,), "start must be an integer, got float64"),
        (lambda s, x: s.values(0, x), (1.5,), "stop must be an integer, got float64"),
        (lambda s, x: s.values(0, 9, x), (1.5,), "stride must be an integer, got float64"),
        (lambda s, x: s.values(9, stride=x), (2,), "stop must be an integer where a stride is given, got none"),
        (lambda s, x: s.values(x, dtype=np.int32), (9,), r"dtype must be float64 or float32, got class\(int32\)"),
        (lambda s, x: s.values(9, dtype=np.float64, out=x), (np.empty(9, np.float32),), "out must have dtype float64, got float32"),
        (lambda s, x: s.length, (0,), "Unknown attribute 'length' of type lrkernel.Schedule"),
        (lambda s, x: Cursor(x), (0,), "schedule must be a schedule, got int64"),
        (lambda s, x: Cursor(s, x), (0.5,), "step must be an integer, got float64"),
        (lambda s, x: Cursor(s).seek(x), (0.5,), "step must be an integer, got float64"),
    ],
)
def test_a_wrong_type(function: Callable[..., Any], arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypingError, match=message):
        numba.njit(function)(FOUR, *arguments)


# ---- where schedules may be ----


def test_boxing_gives_the_same_object() -> None:
    @numba.njit
    def passed_on(schedule: Any, pair: Any) -> Any:
        return schedule, (pair[0], 3), [pair[1]]

    pair = (FOUR, lrk.constant(2.0))
    same, (first, _), [second] = passed_on(FOUR, pair)
    assert same is first is FOUR
    assert second is pair[1]


def test_references_are_counted() -> None:
    schedule = lrk.linear(0.0, 1.0, 10)

    @numba.njit
    def through_all(schedule: Any, step: int) -> Any:
        pair = (schedule, schedule)
        many = [pair[1], schedule]
        return many[0](step) + pair[0].values(3)[1], many[1]

    def use() -> None:
        through_all(schedule, 3)  # where compiled code raises, numba itself counts wrongly
        Cursor(schedule).step()

    use()
    gc.collect()
    before = sys.getrefcount(schedule)
    for _ in range(100):
        use()
    gc.collect()
    assert sys.getrefcount(schedule) == before


def test_a_table_outlives_its_python_object() -> None:
    @numba.njit
    def held(n: int) -> Any:
        with numba.objmode(schedule=schedule_type):
            schedule = lrk.from_values(np.arange(1000.0))
        with numba.objmode():
            gc.collect()
        return schedule(n)

    assert held(700) == 700.0


def test_what_is_no_schedule_is_refused_where_the_type_is_declared() -> None:
    @numba.njit
    def declared() -> Any:
        with numba.objmode(schedule=schedule_type):
            schedule: Any = "linear"
        return schedule(0)

    with pytest.raises(TypeError, match="schedule must be a Schedule, got str"):
        declared()


def test_containers() -> None:
    assert typeof(FOUR) is schedule_type
    known = numba.typed.Dict.empty(numba.types.unicode_type, schedule_type)
    known["lr"] = FOUR

    @numba.njit
    def looked_up(known: Any, step: int) -> Any:
        return known["lr"](step)

    assert looked_up(known, 1800) == FOUR(1800)
    assert known["lr"] is FOUR


def test_fields_of_classes() -> None:
    @jitclass([("schedule", schedule_type), ("done", numba.int64)])
    class Trainer:
        def __init__(self, schedule: Any) -> None:
            self.schedule = schedule
            self.done = 0

        def step(self) -> Any:
            self.done += 1
            return self.schedule(self.done)

    trainer = Trainer(FOUR)
    assert [trainer.step(), trainer.step()] == FOUR([1, 2]).tolist()
    assert trainer.schedule is FOUR


def test_fields_of_structures() -> None:
    @structref.register
    class StateType(numba.types.StructRef):
        pass

    make: Any = StateType
    state_type = make([("schedule", schedule_type)])

    @numba.njit
    def use(schedule: Any, other: Any) -> Any:
        state = structref.new(state_type)
        state.schedule = schedule
        before = state.schedule(7)
        state.schedule = other
        return before, state.schedule(7), state.schedule

    assert use(FOUR, lrk.constant(0.5)) == (FOUR(7), 0.5, lrk.constant(0.5))


def test_signatures_name_the_type() -> None:
    @numba.njit(numba.float64(schedule_type, numba.int64))
    def declared(schedule: Any, step: int) -> Any:
        return schedule(step)

    assert declared(FOUR, 1800) == FOUR(1800)
    with pytest.raises(TypeError, match="No matching definition"):
        declared("linear", 0)
    assert pickle.loads(pickle.dumps(schedule_type)) is schedule_type


def test_globals_and_closures_are_frozen_and_kept_alive(tmp_path: Path) -> None:
    def made(schedule: lrk.Schedule) -> Any:
        return numba.njit(lambda step: (schedule(step), schedule))

    first, second = made(lrk.constant(0.25)), made(lrk.linear(1.0, 0.0, 4))
    gc.collect()
    assert first(3) == (0.25, lrk.constant(0.25))
    assert second(3) == (0.25, lrk.linear(1.0, 0.0, 4))
    with pytest.raises(ValueError, match="step must be >= 0, got -3"):
        second(-3)


def test_what_is_frozen_is_not_kept_on_disk(tmp_path: Path) -> None:
    source = "import lrkernel as lrk\nimport numba\ns = lrk.constant(0.5)\n\n@numba.njit(cache=True)\ndef f():\n    return s(3)\n"
    (tmp_path / "frozen_schedule.py").write_text(source)
    namespace: dict[str, Any] = {}
    exec(compile(source, str(tmp_path / "frozen_schedule.py"), "exec"), namespace)
    with pytest.warns(NumbaWarning, match="Cannot cache compiled function"):
        assert namespace["f"]() == 0.5


# ---- threads ----


def test_prange() -> None:
    @numba.njit(parallel=True)
    def curve(schedule: Any, start: int, n: int) -> Any:
        found = np.empty(n)
        for k in numba.prange(n):
            found[k] = schedule(start + k)
        return found

    assert bits(curve(FOUR, 0, 20_000)) == bits(FOUR.values(20_000))


def test_many_threads_without_the_gil() -> None:
    from concurrent.futures import ThreadPoolExecutor

    free = numba.njit(loop, nogil=True)
    wanted = bits(FOUR.values(20_000))
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: free(FOUR, 0, 20_000, 1), range(12)):
            assert bits(found) == wanted


# ---- the cursor ----


def test_a_cursor_moves_in_compiled_code_and_in_python() -> None:
    @numba.njit
    def moved(cursor: Any, n: int) -> Any:
        found = np.empty(n)
        for k in range(n):
            found[k] = cursor.get_lr()
            cursor.step()
        return found

    cursor = Cursor(FOUR)
    assert bits(moved(cursor, 2500)) == bits(FOUR.values(2500))
    assert cursor.current_step == 2500
    assert bits([cursor.get_lr(), cursor.step(), cursor.seek(9), cursor.step()]) == bits(FOUR([2500, 2501, 9, 10]))
    assert bits(moved(cursor, 2500)) == bits(FOUR.values(10, 2510))

    @numba.njit
    def made(schedule: Any) -> Any:
        cursor = Cursor(schedule, step=1700)
        return cursor.step(), cursor.current_step, cursor.seek(3), cursor

    value, step, again, back = made(FOUR)
    assert (value, step, again, back.current_step, back.step()) == (FOUR(1701), 1701, FOUR(3), 3, FOUR(4))
    assert typeof(back) == cursor_type


def test_a_cursor_refuses_what_a_schedule_refuses() -> None:
    cursor = Cursor(FOUR, 7)
    for call in (
        lambda: Cursor(FOUR, -1),
        lambda: cursor.seek(-1),
        numba.njit(lambda: Cursor(FOUR, -1)),
        lambda: sought(cursor, -1),
    ):
        with pytest.raises(ValueError, match="step must be >= 0, got -1"):
            call()
    assert cursor.current_step == 7
    assert cursor.seek(LAST) == FOUR(LAST)
    with pytest.raises(ValueError, match=r"step must be < 2\^63, got 9223372036854775808"):
        cursor.step()
    assert cursor.current_step == LAST
    with pytest.raises(TypeError, match="schedule must be a schedule, got 3"):
        Cursor(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"step must be a whole number, got 0\.5"):
        Cursor(FOUR, 0.5)  # type: ignore[arg-type]


@numba.njit
def sought(cursor: Any, step: int) -> Any:
    return cursor.seek(step)


# ---- other processes ----

TOTALS = """
import lrkernel as lrk
import numba
import numpy as np


@numba.njit(cache=True)
def total(schedule, cursor, n):
    found = schedule.values(n).sum() + schedule(np.arange(n)).sum()
    for step in range(n):
        found += schedule(step) + cursor.step()
    return found


@numba.njit(cache=True, parallel=True)
def curve(schedule, n):
    found = np.empty(n)
    for step in numba.prange(n):
        found[step] = schedule(step)
    return found


if __name__ == "__main__":
    from lrkernel.jit import Cursor

    schedule = lrk.warmup_cosine(1.0, 100, 3000)
    print(total(schedule, Cursor(schedule), 3000).hex(), np.dot(curve(schedule, 3000), np.arange(3000.0)).hex())
    for function in (total, curve):
        stats = function.stats
        print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
    try:
        total(schedule, Cursor(schedule), -1), total(schedule, Cursor(schedule, 2**63 - 1), 1)
    except ValueError as error:
        print(error)
"""


def test_a_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    script = tmp_path / "totals.py"
    script.write_text(TOTALS)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run = [sys.executable, str(script)]
    first, second = (
        subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout.splitlines() for _ in range(2)
    )
    assert first[0] == second[0]
    assert first[1:3] == ["0 1", "0 1"]
    assert second[1:3] == ["1 0", "1 0"]
    assert first[3] == second[3] == "step must be < 2^63, got 9223372036854775808"


def test_the_same_code_runs_uncompiled() -> None:
    code = (
        "import lrkernel as lrk, numba, numpy as np\n"
        "@numba.njit\ndef f(s):\n    out = np.empty(3)\n    s.fill(1, out)\n    return out.sum() + s(2) + s.values(2, 4)[1]\n"
        "print(f(lrk.linear(0.0, 1.0, 4)))\n"
    )
    for disabled in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert run.stdout == "2.75\n"


def test_numba_finds_the_face_by_itself() -> None:
    from importlib.metadata import entry_points

    [entry] = [entry for entry in entry_points(group="numba_extensions") if entry.module == "lrkernel.jit"]
    assert (entry.name, entry.attr) == ("init", "register")
    code = "import lrkernel as lrk, numba, sys\nassert 'lrkernel.jit' not in sys.modules\n"
    code += "print(numba.njit(lambda s: s(3))(lrk.constant(0.5)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "0.5\n"
