"""Batches and sweeps: shapes, indexing, broadcasting, identity, what is refused and how."""

import copy
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import lrkernel as lrk

DOWN, UP, FLAT = lrk.linear(1.0, 0.0, 4), lrk.linear(0.0, 1.0, 4), lrk.constant(0.5)
BATCH = lrk.ScheduleBatch([DOWN, UP, FLAT])
SQUARE = lrk.ScheduleBatch([[DOWN, UP], [FLAT, DOWN]])


def test_values() -> None:
    assert BATCH.values(3).tolist() == [[1.0, 0.75, 0.5], [0.0, 0.25, 0.5], [0.5, 0.5, 0.5]]
    assert BATCH.values(4, 0, -2).tolist() == [[0.0, 0.5], [1.0, 0.5], [0.5, 0.5]]
    assert SQUARE.values(1, 3).tolist() == [[[0.75, 0.5], [0.25, 0.5]], [[0.5, 0.5], [0.75, 0.5]]]
    assert BATCH.values(0).shape == (3, 0)
    assert BATCH.values(2, dtype=np.float32).dtype == np.float32


def test_calls() -> None:
    assert BATCH(1).tolist() == [0.75, 0.25, 0.5]
    assert BATCH([[0, 1], [4, 9]]).tolist() == [[[1.0, 0.75], [0.0, 0.0]], [[0.0, 0.25], [1.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]]
    assert SQUARE(np.int8(4)).tolist() == [[0.0, 1.0], [0.5, 0.0]]
    assert SQUARE([]).shape == (2, 2, 0)
    assert SQUARE(range(3)).shape == (2, 2, 3)


OUT: dict[str, Callable[[], Any]] = {
    "plain": lambda: np.zeros((2, 2, 3)),
    "columns first": lambda: np.zeros((2, 2, 3), order="F"),
    "axes swapped": lambda: np.zeros((2, 2, 3)).swapaxes(0, 1),
    "holes": lambda: np.zeros((4, 6, 9))[::2, 1::3, ::-3],
    "float32": lambda: np.zeros((2, 2, 3), np.float32),
    "records": lambda: np.zeros((2, 2, 3), [("a", "f8"), ("b", "f4")])["a"],
}


@pytest.mark.parametrize("name", OUT)
def test_out(name: str) -> None:
    out = OUT[name]()
    assert SQUARE.values(1, 4, out=out) is out
    assert out.tolist() == SQUARE.values(1, 4).tolist()


def test_out_writes_nothing_beside() -> None:
    whole = np.full((4, 9), 7.0)
    BATCH.values(4, out=whole[:3, 1:9:2])
    assert (whole[:, ::2] == 7.0).all()
    assert (whole[3] == 7.0).all()
    assert whole[1, 1::2].tolist() == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("out", "rule"),
    [
        (np.zeros((3, 5)), r"out must have shape \(3, 4\), got \(3, 5\)"),
        (np.zeros(12), r"out must have shape \(3, 4\), got \(12,\)"),
        (np.zeros((3, 4), int), "out must have dtype float64 or float32, got int64"),
        (np.broadcast_to(np.zeros(4), (3, 4)), "out must be writeable"),
        (as_strided(np.zeros(4), (3, 4), (0, 8)), "out must not overlap itself, got a stride of 0 bytes"),
        (as_strided(np.zeros(9), (3, 4), (8, 16)), "out must not overlap itself, got a stride of 16 bytes"),
    ],
)
def test_out_that_does_not_fit(out: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        BATCH.values(4, out=out)
    assert not out.any()


def test_arguments_are_those_of_a_schedule() -> None:
    out = np.full((3, 4), 7.0)
    for arguments, rule in (
        (((-1, 3),), "start must keep every step >= 0, got -1"),
        (((0, 4, 0),), "stride must not be 0, got 0"),
    ):
        with pytest.raises(ValueError, match=rule):
            BATCH.values(*arguments[0], out=out)
    for name, value in (("threads", 0), ("threads", 1025), ("dtype", np.float16)):
        with pytest.raises(ValueError, match=name):
            BATCH.values(4, out=out, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="step must be >= 0, got -1"):
        BATCH(-1)
    with pytest.raises(ValueError, match=r"stop must leave at most 2\^59 values for one array"):
        BATCH.values(2**59)
    assert (out == 7.0).all()


def test_indices_follow_numpy() -> None:
    assert BATCH[1] == UP
    assert BATCH[-1] == FLAT
    assert BATCH[1:] == lrk.ScheduleBatch([UP, FLAT])
    assert BATCH[[True, False, True]] == lrk.ScheduleBatch([DOWN, FLAT])
    assert SQUARE[1, 0] == FLAT
    assert SQUARE[0] == lrk.ScheduleBatch([DOWN, UP])
    assert SQUARE[:, 0] == lrk.ScheduleBatch([DOWN, FLAT])
    assert SQUARE[..., None].shape == (2, 2, 1)
    assert list(BATCH) == [DOWN, UP, FLAT]
    assert list(SQUARE) == [SQUARE[0], SQUARE[1]]
    assert (len(BATCH), len(SQUARE)) == (3, 2)
    assert SQUARE.schedules == (DOWN, UP, FLAT, DOWN)
    assert (BATCH.shape, SQUARE.shape) == ((3,), (2, 2))
    with pytest.raises(IndexError, match="out of bounds"):
        BATCH[3]


def test_one_schedule_is_a_batch_without_axes() -> None:
    for one in (lrk.ScheduleBatch(DOWN), lrk.sweep(lrk.linear, start=1.0, stop=0.0, steps=4)):
        assert one.shape == ()
        assert one.values(2).tolist() == [1.0, 0.75]
        assert one(2).shape == ()
        assert one[()] == DOWN
        assert one[...] == one


def test_any_nesting() -> None:
    for schedules in ((DOWN, UP, FLAT), iter([DOWN, UP, FLAT]), np.array([DOWN, UP, FLAT]), BATCH):
        assert lrk.ScheduleBatch(schedules) == BATCH
    assert lrk.ScheduleBatch([BATCH, BATCH]).shape == (2, 3)


def test_identity() -> None:
    again = lrk.ScheduleBatch([lrk.linear(1.0, 0.0, 4), lrk.linear(0.0, 1.0, 4).named("x"), lrk.constant(0.5)])
    assert again == BATCH
    assert hash(again) == hash(BATCH)
    assert lrk.ScheduleBatch([DOWN, FLAT, UP]) != BATCH
    assert lrk.ScheduleBatch([DOWN, UP, FLAT, DOWN]) != SQUARE
    assert (BATCH == 3) is False
    for batch in (BATCH, SQUARE, lrk.ScheduleBatch(DOWN)):
        assert pickle.loads(pickle.dumps(batch)) == batch
        assert copy.copy(batch) is copy.deepcopy(batch) is batch
        assert eval(repr(batch), vars(lrk).copy()) == batch
    assert pickle.loads(pickle.dumps(again))[1].phases()[0].name == "x"


def test_nothing_changes_a_batch() -> None:
    with pytest.raises(AttributeError, match="shape must not be set"):
        BATCH.shape = (3, 1)  # type: ignore[misc]
    with pytest.raises(AttributeError, match="_array must not be deleted"):
        del BATCH._array
    with pytest.raises(ValueError, match="read-only"):
        BATCH._array[0] = UP


def test_equal_schedules_are_evaluated_once() -> None:
    assert SQUARE._rows.distinct == 3
    array = lrk.from_values([0.3, 0.2, 0.1])
    others = [array, lrk.from_values([0.3, 0.2, 0.1]).named("x"), lrk.from_values([0.3, 0.2, 0.2]), array]
    batch = lrk.ScheduleBatch(others)
    assert batch._rows.distinct == 2
    assert batch.values(5).tolist() == [schedule.values(5).tolist() for schedule in others]
    alike = [lrk.cosine(1.0, 0.0, 150_000), lrk.linear(1.0, 0.0, 150_000)] * 3
    for threads in (1, 2):
        many = lrk.ScheduleBatch(alike).values(150_001, threads=threads)
        assert [row.tobytes() for row in many] == [schedule.values(150_001).tobytes() for schedule in alike]


def test_many_rows_in_any_order() -> None:
    """Enough steps for memos, which equal rows share, of more tables than have theirs at one time."""
    cosines = [lrk.warmup_cosine(1e-3 * k, 100 + k, 9000 + 7 * k) for k in range(1, 71)]
    powers = [lrk.polynomial(1e-3, 0.0, 9000, power=0.5 + k) for k in range(3)]
    rows = [*cosines, *powers, *cosines[:3], *powers, lrk.linear(1.0, 0.0, 9000)]
    steps = np.random.default_rng(4).integers(0, 10_000, 5000)
    for batch in (lrk.ScheduleBatch(rows), lrk.ScheduleBatch(cosines)):
        want = np.stack([schedule.values(10_000) for schedule in batch])
        assert batch(steps).tobytes() == np.ascontiguousarray(want[:, steps]).tobytes()


def test_memory_does_not_grow_with_the_steps() -> None:
    small, large = (lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=n, stable=n, decay=n) for n in (10, 10**12))
    assert [s.segments.nbytes for s in small] == [s.segments.nbytes for s in large]
    assert len(pickle.dumps(large)) < 2000
    assert sys.getsizeof(large) < 500


@pytest.mark.parametrize(
    ("schedules", "error", "rule"),
    [
        ([], ValueError, r"schedules must not be empty, got \[\]"),
        ([[DOWN], []], ValueError, r"schedules\[1\] must not be empty, got \[\]"),
        ([[DOWN, UP], [FLAT]], ValueError, r"schedules must not be ragged, got shape \(2,\) at index 0 and \(1,\) at index 1"),
        ([DOWN, [UP]], ValueError, r"schedules must not be ragged, got shape \(\) at index 0 and \(1,\) at index 1"),
        ([DOWN, 0.1], TypeError, r"schedules\[1\] must be a schedule, got 0.1"),
        ([[DOWN, UP], [FLAT, None]], TypeError, r"schedules\[1\]\[1\] must be a schedule, got None"),
        ("constant", TypeError, "schedules must be a schedule, got 'constant'"),
        (["constant"], TypeError, r"schedules\[0\] must be a schedule, got 'constant'"),
        (np.zeros(2), TypeError, r"schedules\[0\] must be a schedule, got 0.0"),
    ],
)
def test_what_is_no_batch(schedules: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        lrk.ScheduleBatch(schedules)


def test_a_slice_of_nothing() -> None:
    with pytest.raises(ValueError, match="schedules must not be empty"):
        BATCH[3:]


# ---- sums ----

MIXED = lrk.ScheduleBatch(
    [
        [lrk.linear(1.0, 0.0, 9), lrk.from_values(np.linspace(1.0, 2.0, 500)), lrk.cosine(1.0, 0.0, 10_000)],
        [lrk.cosine_restarts(1.0, 50), lrk.linear(1.0, 0.0, 9).named("x"), lrk.wsd(0.1, 5, 100, 50).repeat(3)],
    ]
)
FINITE = lrk.sweep(lrk.wsd, peak=[0.1, 0.2, 0.1], warmup=10, stable=[[20], [30], [40], [20]], decay=15)


@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sum", (3, 60)),
        ("sum", (0, 777, 2)),
        ("sum", (0, 777, 2.5)),
        ("sum", (5, 5)),
        ("sum", (2**62, 2**63)),
        ("log_shrink", (0, 40, 0.1)),
        ("log_shrink", (0, 40, -0.1)),
        ("log_shrink", (7, 2**63, 0.1)),
        ("log_shrink", (7, 2**63, 0)),
        ("cumulative", ([5, 7, 60, 900, 0],)),
        ("cumulative", ([[5, 2**63 - 1]], False)),
        ("cumulative", ([],)),
        ("discounted", ([5, 60], 0.99)),
        ("forward_area", (5,)),
        ("annealing_area", (np.arange(60).reshape(2, 30), 0.9)),
    ],
)
def test_sums_are_those_of_the_schedules(name: str, arguments: tuple[Any, ...], threads: int | None) -> None:
    for batch in (MIXED, FINITE, lrk.ScheduleBatch(DOWN)):
        found = getattr(batch, name)(*arguments, threads=threads)
        wanted = np.array([getattr(schedule, name)(*arguments) for schedule in batch.schedules])
        assert found.dtype == np.float64
        assert found.shape == batch.shape + wanted.shape[1:]
        assert found.tobytes() == wanted.tobytes()


def test_remaining() -> None:
    assert lrk.ScheduleBatch([DOWN, UP]).remaining([0, 2, 9]).tolist() == [[2.5, 0.75, 0.0], [1.5, 1.25, 0.0]]
    assert FINITE.remaining(3).tolist() == [[s.remaining(3) for s in row] for row in FINITE]


@pytest.mark.parametrize(
    ("call", "error", "rule"),
    [
        (lambda: MIXED.sum(5, 3), ValueError, "^a must be <= b, got 5 > 3$"),
        (lambda: MIXED.sum(0, 3, 0), ValueError, "^power must be > 0, got 0$"),
        (lambda: MIXED.sum(0, 2**63 + 1), ValueError, r"^b must be <= 2\^63, got "),
        (lambda: MIXED.sum(0, 3, threads=0), ValueError, "^threads must be >= 1, got 0$"),
        (lambda: lrk.ScheduleBatch([UP, -UP]).sum(0, 3, 0.5), ValueError, r"^power must be whole where .* \(schedule \[1\]\)$"),
        (lambda: FINITE.log_shrink(0, 30, 6.0), ValueError, r"^weight_decay must keep .* got 6.0 \(schedule \[0, 1\]\)$"),
        (lambda: FINITE.log_shrink(0, 2**63, 6.0), ValueError, r"^weight_decay must keep .* got 6.0 \(schedule \[0, 1\]\)$"),
        (lambda: MIXED.cumulative(-1), ValueError, "^step must be >= 0, got -1$"),
        (lambda: MIXED.cumulative(1, inclusive=2), TypeError, "^inclusive must be a bool, got 2$"),  # type: ignore[arg-type]
        (lambda: MIXED.discounted(1, 1.0), ValueError, "^decay must be > 0 and < 1, got 1.0$"),
        (lambda: MIXED.annealing_area(1, 0.0), ValueError, "^decay must be > 0 and < 1, got 0.0$"),
        (lambda: MIXED.remaining(1), ValueError, r"^remaining needs a schedule with a length, .* \(schedule \[1, 0\]\)$"),
    ],
)
def test_sums_that_are_refused(call: Callable[[], Any], error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        call()


def test_sums_of_many_schedules_keep_nothing() -> None:
    many = lrk.sweep(lrk.wsd, peak=np.linspace(0.1, 1.0, 300), warmup=10**6, stable=10**9, decay=10**8)
    many.cumulative(10**9)
    assert many[7].cumulative(10**9) == many.cumulative(10**9)[7]


# ---- names ----

NAMED = lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=10, stable=[[20], [30], [40]], decay=[[1], [2], [3]])


def test_a_sweep_knows_its_parameters() -> None:
    batch = lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=10, stable=[[20], [30], [40]], decay=15)
    assert {name: values.tolist() for name, values in batch.parameters.items()} == {
        "peak": [[0.1, 0.2], [0.1, 0.2], [0.1, 0.2]],
        "stable": [[20, 20], [30, 30], [40, 40]],
    }
    assert batch.dims == ("stable", "peak")
    assert NAMED.dims == ("axis_0", "peak")  # two parameters along the first
    assert batch[1:].dims == ("stable", "peak")
    assert batch[0].dims == ("peak",)
    assert batch[0].parameters["stable"].tolist() == [20, 20]
    assert batch[:, 0].dims == ("stable",)
    assert batch[:, ::-1].parameters["peak"].tolist()[0] == [0.2, 0.1]
    assert batch.shape == (3, 2)
    assert pickle.loads(pickle.dumps(batch)).dims == batch.dims
    assert lrk.sweep(lrk.constant, value=[1.0, 2.0]).dims == ("schedule_value",)
    assert lrk.sweep(lrk.constant, value=[1.0]).dims == ("axis_0",)
    assert lrk.sweep(lrk.constant, value=1.0).dims == ()
    assert lrk.ScheduleBatch(batch).parameters == {}
    assert lrk.ScheduleBatch(batch).dims == ("axis_0", "axis_1")
    assert lrk.ScheduleBatch(batch) == batch
    steps = lrk.sweep(lrk.multistep, start=0.1, milestones=[(30, 60), (45,)], gamma=0.1)
    assert steps.dims == ("milestones",)
    assert pickle.loads(pickle.dumps(steps)).parameters["milestones"].tolist() == [(30, 60), (45,)]


def test_parameters_do_not_change() -> None:
    with pytest.raises(ValueError, match="read-only"):
        NAMED.parameters["peak"][0, 0] = 3.0
    with pytest.raises(TypeError, match="does not support item assignment"):
        NAMED.parameters["peak"] = np.zeros(2)  # type: ignore[index]


# ---- sweep ----


def test_sweep_broadcasts() -> None:
    batch = lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=100, stable=800, decay=[[50], [100], [200]])
    assert batch.shape == (3, 2)
    for i, decay in enumerate((50, 100, 200)):
        for j, peak in enumerate((0.1, 0.2)):
            assert batch[i, j] == lrk.wsd(peak, 100, 800, decay)


def test_what_is_swept_and_what_is_one_value() -> None:
    assert lrk.sweep(lrk.linear, start=np.array([1.0, 2.0]), stop=0, steps=4)[1] == lrk.linear(2.0, 0.0, 4)
    assert lrk.sweep(lrk.linear, start=np.array([1, 2], np.uint8), stop=0, steps=4)[1] == lrk.linear(2, 0, 4)
    assert lrk.sweep(lrk.linear, start=1, stop=np.array(0.5), steps=range(3, 9, 3)).schedules == (
        lrk.linear(1, 0.5, 3),
        lrk.linear(1, 0.5, 6),
    )
    assert lrk.sweep(lrk.warmup_cosine, peak=0.1, warmup=["1%", 10], total=200)[0] == lrk.warmup_cosine(0.1, 2, 200)
    assert lrk.sweep(lrk.wsd, peak=0.1, warmup=5, stable=[None, 3], decay=4)[0] == lrk.wsd(0.1, 5, None, 4)
    steps = lrk.sweep(lrk.multistep, start=0.1, milestones=[(30, 60), (45,)], gamma=0.1)
    assert steps.schedules == (lrk.multistep(0.1, [30, 60], 0.1), lrk.multistep(0.1, [45], 0.1))
    ramps = lrk.sweep(lambda shape, n: getattr(lrk, shape)(1.0, 0.0, n), shape=["linear", "cosine"], n=[[5], [6]])
    assert ramps.shape == (2, 2)
    assert ramps[1, 1] == lrk.cosine(1.0, 0.0, 6)
    assert lrk.sweep(lrk.linear, start=1.0, stop=0.0, steps=[4])._rows.distinct == 1


def test_numbers_in_arrays_without_axes() -> None:
    import torch

    for one in (np.array(2.0), torch.tensor(2.0), np.float64(2.0)):
        assert lrk.sweep(lrk.constant, value=one)[()] == lrk.constant(2.0)
        assert lrk.sweep(lrk.constant, value=[1.0, one]).schedules == (lrk.constant(1.0), lrk.constant(2.0))
    assert lrk.sweep(lrk.constant, value=torch.tensor([[1.0], [2.0]])).shape == (2, 1)


def test_what_a_builder_of_ones_own_raises_says_where() -> None:
    with pytest.raises(KeyError) as caught:
        lrk.sweep(lambda key: {1: lrk.constant(1.0)}[key], key=[1, 2])
    assert caught.value.__notes__[0].endswith("(schedule [1])")


@pytest.mark.parametrize(
    ("params", "error", "rule"),
    [
        ({"value": []}, ValueError, r"value must not be empty, got \[\]"),
        ({"value": np.zeros((2, 0))}, ValueError, r"value\[0\] must not be empty, got \[\]"),
        (
            {"value": [[1.0], [1.0, 2.0]]},
            ValueError,
            r"value must not be ragged, got shape \(1,\) at index 0 and \(2,\) at index 1",
        ),
        ({"value": [1, 2], "steps": [1, 2, 3]}, ValueError, r"the parameters must broadcast, got value \(2,\), steps \(3,\)"),
        ({"value": [[0.1, 0.2], [0.3, np.nan]]}, ValueError, r"value must be finite, got nan \(schedule \[1, 1\]\)"),
        ({"value": [0.1, "x"]}, TypeError, r"value must be a real number, got 'x' \(schedule \[1\]\)"),
        ({"value": "x"}, TypeError, r"value must be a real number, got 'x'$"),
        ({"values": [0.1]}, TypeError, r"unexpected keyword argument 'values'.* \(schedule \[0\]\)"),
    ],
)
def test_sweeps_that_are_refused(params: dict[str, Any], error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        lrk.sweep(lrk.constant, **params)


def test_builders_that_are_none() -> None:
    with pytest.raises(TypeError, match="builder must be callable, got 'wsd'"):
        lrk.sweep("wsd", peak=[1.0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"builder must return a schedule, got {'x': 1.0} \(schedule \[0\]\)"):
        lrk.sweep(dict, x=[1.0])  # type: ignore[arg-type]
