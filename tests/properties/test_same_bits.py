"""One schedule, one set of bits: however and in whatever order its steps are asked for."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.expressions import expressions, library, model
from ulp import bits

import lrkernel as lrk

LAST = 2**63 - 1
STRIDES = (2, 3, 7, 64, -1, -2, -5)


def starts(expression: str, far: int, n: int) -> list[int]:
    """Where to look: over the boundaries, at 0, far out."""
    boundaries = [int(b) for b in model(expression).boundaries()]
    near = [max(b - n // 3, 0) for b in boundaries[:5] + boundaries[-3:]]
    return [start for start in dict.fromkeys([0, far, *near]) if start + n <= LAST]


def agree(schedule: lrk.Schedule, start: int, n: int) -> None:
    """Every way to ask for n steps from `start` on gives what one call per step gives."""
    scalar = [schedule(t) for t in range(start, start + n)]
    want = bits(scalar)
    steps = np.arange(start, start + n)
    rng = random.Random(n)

    assert bits(schedule.values(start, start + n)) == want
    assert [bits([schedule(np.int64(t))])[0] for t in steps[:3]] == want[:3]

    # arrays: any integer type, order, stride, shape
    assert bits(schedule(steps)) == want
    assert bits(schedule(steps[::-1])) == want[::-1]
    assert bits(schedule(np.repeat(steps, 2)[::2])) == want
    assert bits(schedule(steps.astype(np.uint64))) == want
    assert bits(schedule(steps.astype(">i8"))) == want
    assert bits(schedule(steps.tolist())) == want
    square = schedule(np.stack([steps, steps]).T)
    assert square.shape == (n, 2)
    assert bits(square.T) == want * 2
    if start + n < 2**31:
        assert bits(schedule(steps.astype(np.int32))) == want
    if start + n < 2**53:
        assert bits(schedule(steps.astype(np.float64))) == want
    shuffled = rng.sample(range(n), n)
    assert bits(schedule(steps[shuffled])) == [want[i] for i in shuffled]

    # values: strides, out in any layout, chunks, threads, precision
    for stride in STRIDES:
        begin, stop = (start, start + n) if stride > 0 else (start + n - 1, start - 1)
        assert bits(schedule.values(begin, stop, stride)) == want[::stride]
    holes = np.full(3 * n, np.nan)
    for out in (np.empty(n), holes[1::3], np.empty(n)[::-1], np.empty(n + 1)[1:]):
        assert schedule.values(start, start + n, out=out) is out
        assert bits(out) == want
    assert np.isnan(holes[::3]).all()
    assert np.isnan(holes[2::3]).all()
    cuts = sorted(rng.sample(range(n + 1), min(n, 3)))
    edges = zip([0, *cuts], [*cuts, n], strict=True)
    chunks = [schedule.values(start + a, start + b) for a, b in edges]
    assert bits(np.concatenate(chunks)) == want
    for threads in (1, 2):
        assert bits(schedule.values(start, start + n, threads=threads)) == want
    with np.errstate(over="ignore"):
        single = np.array(scalar).astype(np.float32)
    narrow = schedule.values(start, start + n, dtype=np.float32)
    assert narrow.dtype == np.float32
    assert narrow.tobytes() == single.tobytes()
    wide = np.zeros(2 * n, dtype=np.float32)
    schedule.values(start, start + n, out=wide[::2])
    assert wide[::2].tobytes() == single.tobytes()
    assert bits(schedule.values(start, start + n, 3, dtype=np.float32)) == bits(single[::3])

    for level in lrk._core.runnable_levels():
        lrk.use_level(level)
        assert bits(schedule.values(start, start + n)) == want, level
        assert bits(schedule(steps)) == want, level
        assert schedule.values(start, start + n, dtype="float32").tobytes() == single.tobytes()
    lrk.use_level(None)


@settings(max_examples=250)
@given(expressions, st.integers(0, 2**63 - 200), st.integers(1, 150))
def test_every_way_to_ask(expression: str, far: int, n: int) -> None:
    schedule = library(expression)
    for start in starts(expression, far, n):
        agree(schedule, start, n)


EXAMPLES = [
    "linear(0.1, 0.0, 47)",
    "linear(0.1, 0.0, 1234567)",
    "cosine(0.1, 0.003, 47)",
    "cosine(0.1, 0.0, 1234567)",
    "cosine(0.0, 0.1, 1000)",
    "cosine(0.1, 0.003, 1000, 7.25)",
    "polynomial(0.1, 0.0, 47, 2.2)",
    "power_ramp(0.1, 0.0, 1000, 0.5)",
    "geometric(1e-3, 1e-7, 47)",
    "exponential(0.1, 0.97)",
    "step(0.1, 5, 0.5)",
    "step(0.1, 2.5, 0.5)",
    "multistep(0.1, [3, 17, 18], 0.5)",
    "inverse_sqrt(0.1, 40)",
    "piecewise_constant([0.1, 0.2, 0.3], [7, 8])",
    "piecewise_linear([0, 7, 8, 30], [0.0, 1.0, 0.5, 0.0])",
    "from_values([i / 7 for i in range(33)])",
    "warmup_cosine(1e-3, 10, 40)",
    "wsd(1e-3, 7, 9, 20)",
    "cosine_restarts(1.0, 5, 1.5)",
    "cosine_restarts(1.0, 6, warmup=3)",
    "cosine_plateau(1.0, 40, 5, [(20, 30), (70, 10)], 0.1)",
    "(cosine(1.0, 0.1, 30) * linear(0.0, 1.0, 20))",
    "cosine(1.0, 0.1, 30.5).shift(2.5).clip(0.2, 0.8)",
    "linear(1.0, 0.1, 4).by_epoch(5)",
    "linear(1.0, 0.1, 7.3).repeat()",
    "warmup_cosine(1e-3, 10, 40.5).skip(7)",
    "cosine_restarts(1.0, 6, warmup=3).skip(9007199254740991)",
    "constant(0.5, 2.25).then(wsd(1e-3, 7, 9, 20).skip(4).stretch(33.3))",
    "(0.5 + cosine(1.0, 0.1, 300) / 3)",
]


@pytest.mark.parametrize("expression", EXAMPLES)
def test_every_count_at_every_offset(expression: str, level: str) -> None:
    """Counts 1 to 39 at offsets 0 to 8: every vector width and remainder, aligned or not."""
    schedule = eval(expression, vars(lrk).copy())
    want = bits([schedule(t) for t in range(9 + 40)])
    buffer = np.empty(60)
    for offset in range(9):
        for n in range(1, 40):
            buffer.fill(np.nan)
            schedule.values(offset, offset + n, out=buffer[offset : offset + n])
            assert bits(buffer[offset : offset + n]) == want[offset : offset + n]
            assert np.isnan(buffer[:offset]).all()
            assert np.isnan(buffer[offset + n :]).all()


LARGE = [
    "wsd(1e-3, 700, 900, 2000, decay_shape='1-sqrt')",
    "sequence(cosine(1, 0.5, 0.3), cosine(0.5, 0.25, 0.4), cosine(0.25, 0.1, 1000), cosine(0.1, 0, 999.5))",  # one between steps
    "sequence(linear(0, 1, 500), cosine(1, 0.5, 700), cosine(0.5, 0.2, 700), geometric(0.2, 0.1, 500), inverse_sqrt(0.1, 300))",
    "sequence(cosine(1, 0, 1100.5),polynomial(0.5, 0.1, 800, 2.7), cosine(0.2, 0.9, 2100), linear(0.9, 0, 300), cosine(0, 1, 400))",
    "sequence(*[cosine(1.0, 0.1, 150 + k) for k in range(20)])",
    # More rows than pass over one tile; near 0 each step of a power is an anchor of its own.
    "sequence(*[part for k in range(11) for part in (cosine(1.0, 0.1, 90 + k), linear(0.1, 0.5, 40.5),"
    " polynomial(0.5, 0.0, 300 + k, 2.2), geometric(1.0, 0.3, 30))])",
    "sequence(*[part.cut(70 + k) for k in range(14) for part in (step(1.0, 9, 0.9), step(1.0, 9, 0.9) * cosine(1.0, 0.2, 60),"
    " polynomial(1.0, 0.0, 20, 1.5).repeat(), linear(1.0, 0.0, 7).by_epoch(3), 0.5 * from_values([0.1, 0.3, 0.7]),"
    " inverse_sqrt(1.0, 9))])",
    "(cosine_restarts(1.0, 700) * step(1.0, 30, 0.99)).by_epoch(2).skip(5)",
    # Two to eight rows of lines and cosines, which go side by side.
    "sequence(*[part for k in range(2) for part in (cosine(1e-3, 1e-4, 1250), linear(1e-4, 1e-3, 1250))])",
    "sequence(*[part for k in range(4) for part in (cosine(0.2, 1.0, 600.5), linear(0.8 - 0.1 * k, 0.1, 649.5))])",
    "sequence(constant(-0.0, 1500), linear(-0.0, -1, 1300), linear(-1, -0.7, 200), cosine(-0.7, -0.1, 2000))",
    "sequence(cosine(1, 0.1, 1500), linear(0.1, 0.7, 1500.25), linear(0.7, 0.2, 500.5), cosine(0.2, 0.1, 1500))",  # between steps
    "sequence(linear(0.838, 0.334, 2000), cosine(0.3, 0.1, 1500), linear(0.423, 0.16, 1500))",  # base + gap is past the end
    # And its first step is as far from its end as its begin is, rounded.
    "sequence(piecewise_linear([0, 0.9999999999999999, 2000], [1, 0.838, 0.334]), cosine(0.3, 0.1, 3000))",
    "sequence(linear(-0.5, 1, 2000), cosine(1, 0.1, 2000), linear(0.1, 0.3, 7), linear(0.3, 0.1, 993))",  # one crosses zero
    "(wsd(1e-3, 100, 400, 500, decay_shape='cosine').repeat() * warmup_cosine(1.0, 90, 2501)).by_epoch(2)",
]


@pytest.mark.parametrize("expression", [*EXAMPLES, *LARGE])
def test_many_steps_in_any_order(expression: str, level: str) -> None:
    """Enough of them for a memo, and steps that it does not have; shuffled, clustered, sorted, repeated; both widths."""
    schedule = eval(expression, vars(lrk).copy())
    rng = np.random.default_rng(1)
    near = rng.permutation(5000)
    far = near.copy()
    far[[77, 4001]] = 3_000_000, 2**31 - 1  # between the steps that are looked at first
    for steps in (
        near,
        far,
        np.sort(near // 3),
        rng.integers(0, 2_000_000, 5000),
        np.repeat(rng.integers(0, 10**6, 500), 10) + near,
    ):
        want = bits([schedule(t) for t in steps.tolist()])
        assert bits(schedule(steps)) == want
        assert bits(schedule(steps.astype(np.int32))) == want


@pytest.mark.parametrize("expression", LARGE)
def test_every_number_of_steps_in_any_order(expression: str, level: str) -> None:
    """Around the lengths at which something changes: a few, a table, a tile, a memo."""
    schedule = eval(expression, vars(lrk).copy())
    steps = np.random.default_rng(2).permutation(4500)
    want = np.array([schedule(t) for t in steps.tolist()])
    for n in (*range(1, 40), *range(250, 262), 511, 512, 513, *range(4090, 4103), *range(4345, 4358)):
        assert bits(schedule(steps[:n])) == bits(want[:n])


@pytest.mark.parametrize("expression", LARGE)
def test_threads_in_any_order(expression: str) -> None:
    schedule = eval(expression, vars(lrk).copy())
    steps = np.random.default_rng(3).integers(0, 6000, 300_000)
    want, got = np.empty(steps.size), np.empty(steps.size)
    assert schedule._gather(steps, want, 1)
    for threads in (2, 3):
        assert schedule._gather(steps, got, threads)
        assert bits(got) == bits(want)
    assert bits(want[::997]) == bits([schedule(t) for t in steps[::997].tolist()])


@pytest.mark.parametrize("stride", [2, 3, 255, 257, 1000, -1, -2, -300])
@pytest.mark.parametrize("expression", LARGE)
def test_strides_of_many_steps(expression: str, stride: int, level: str) -> None:
    schedule = eval(expression, vars(lrk).copy())
    start = 0 if stride > 0 else 699 * -stride
    steps = range(start, start + 700 * stride, stride)
    want = np.array([schedule(t) for t in steps])
    assert bits(schedule.values(start, steps.stop, stride)) == bits(want)
    single = schedule.values(start, steps.stop, stride, dtype=np.float32)
    assert single.tobytes() == want.astype(np.float32).tobytes()


def test_arrays_of_steps_of_any_make() -> None:
    schedule = lrk.warmup_cosine(1.0, 50, 1000, 0.1)
    steps = np.random.default_rng(4).integers(0, 100, (60, 80))
    want = np.array([[schedule(t) for t in row] for row in steps.tolist()])
    for dtype in ("i1", "u1", "<i2", ">u2", "<i4", ">i4", "u4", "<i8", ">i8", "u8", "f4", ">f8", object):
        assert bits(schedule(steps.astype(dtype))) == bits(want)
    for dtype in ("i4", "i8"):
        given = steps.astype(dtype)
        fixed = given.copy()
        fixed.flags.writeable = False
        shifted = np.frombuffer(b"." + given.tobytes(), np.uint8)[1:].view(dtype).reshape(60, 80)  # not aligned
        assert bits(schedule(fixed)) == bits(schedule(shifted)) == bits(schedule(np.asfortranarray(given))) == bits(want)
        assert bits(schedule(given[::-2, 1::3])) == bits(want[::-2, 1::3])
        assert bits(schedule(given.T)) == bits(want.T)
        assert schedule(given[:0]).shape == (0, 80)
        assert schedule(given[3, 5]) == schedule(np.asarray(given[3, 5])) == want[3, 5]


@pytest.mark.parametrize("n", [3, 5000, 300_000])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_one_negative_step_among_many(dtype: type, n: int) -> None:
    steps: np.ndarray[Any, Any] = np.random.default_rng(5).integers(0, 1000, n).astype(dtype)
    steps[n // 2] = -7
    for schedule in (lrk.wsd(1.0, 100, 300, 200), lrk.warmup_cosine(1.0, 50, 1000, 0.1)):
        with pytest.raises(ValueError, match=r"^step must be >= 0, got -7$"):
            schedule(steps)


@pytest.mark.parametrize("expression", EXAMPLES)
@pytest.mark.parametrize("near", [2**30, 2**31, 2**32, 2**53, 2**62, 2**63 - 40])
def test_huge_steps(expression: str, near: int) -> None:
    schedule = eval(expression, vars(lrk).copy())
    agree(schedule, near - 25, 50)
    tail = schedule.values(LAST - 1, 2**63)
    assert bits(tail) == bits([schedule(LAST - 1), schedule(LAST)])
    assert bits(schedule.values(LAST, LAST - 2, -1)) == bits(tail[::-1])
    assert bits(schedule.values(0, 2**63, 2**62)) == bits([schedule(0), schedule(2**62)])


@pytest.mark.parametrize("n", [1, 20, 1000, 2**53 - 1])
@pytest.mark.parametrize(
    "expression",
    [
        "exponential(1.0, 0.999, 2**52)",
        "cosine_restarts(1.0, 1000)",
        "linear(1.0, 0.1, 7.3).repeat()",
        "cosine(1.0, 0.1, 1000).repeat().by_epoch(2.5)",
        "step(1.0, 2**52, 0.999) * linear(1.0, 0.5, 300).repeat()",
    ],
)
def test_a_skip_holds_what_lies_past_the_last_step(expression: str, n: int) -> None:
    child = library(expression)
    behind = lrk.sequence(lrk.constant(0.5), child, at=[2.5])
    for schedule, late in (
        (child.skip(n), n),
        (child.skip(n).shift(1), n - 1),
        (child.skip(n).skip(2**53 - 1), n + 2**53 - 1),
        (behind.skip(n) * 0.5, n),
    ):
        last = LAST - late  # reads the last step
        agree(schedule, min(last - 24, LAST - 49), 49)
        assert bits(schedule([last + late // 2, LAST])) == bits([schedule(last)]) * 2
    assert bits(child.skip(n)([0, 1, LAST - n])) == bits(child([n, n + 1, LAST]))


def test_a_skip_of_a_real_begin_saturates() -> None:
    """A clock that is not whole stands at its last step too."""
    child = lrk.linear(1.0, 0.1, 7.3).repeat()
    schedule = lrk.constant(0.5, 2.25).then(child.skip(2**53 - 1))
    agree(schedule, LAST - 2**53 - 22, 49)
    assert len(set(bits(schedule.values(LAST - 2**53 + 5, LAST - 2**53 + 30)))) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "linear(0.1, 0.0, 9007199254740991)",
        "cosine(0.1, 0.0, 9007199254740991)",
        "cosine(0.0, 0.1, 4611686018427387904 // 1024, 1.5)",
        "polynomial(0.1, 0.0, 9007199254740991, 2.2)",
        "power_ramp(0.1, 0.0, 9007199254740991, 0.5)",
        "geometric(1e-3, 1e-7, 9007199254740991)",
        "exponential(0.1, 0.9, 1e15)",
        "step(0.1, 1e15, 0.5)",
        "inverse_sqrt(0.1, 1e15)",
        "cosine_restarts(1.0, 3, 2.0)",
        "cosine_restarts(1.0, 9007199254740991)",
        "linear(1.0, 0.1, 2.0**52 + 0.5).repeat()",
        "cosine(1.0, 0.1, 1000).by_epoch(2**50)",
        "constant(0.5, 2**52).then(cosine(1.0, 0.0, 2**52))",
        "cosine(1.0, 0.1, 1000).shift(2**52)",
    ],
)
def test_huge_spans(expression: str) -> None:
    schedule = eval(expression, vars(lrk).copy())
    for start in (0, 2**30 - 20, 2**31 - 20, 2**40, 2**52 - 20, 2**53 - 20, 2**57, 2**62):
        agree(schedule, start, 40)


@pytest.mark.parametrize("expression", EXAMPLES)
def test_threads_share_long_runs(expression: str) -> None:
    """Long enough to be cut into pieces; None picks by itself."""
    schedule = eval(expression, vars(lrk).copy())
    n = 200_003
    want = schedule.values(7, 7 + n, threads=1).view(np.uint64)
    for threads in (None, 2, 3):
        assert (schedule.values(7, 7 + n, threads=threads).view(np.uint64) == want).all()
    strided = np.empty(2 * n)[::2]
    schedule.values(7, 7 + n, out=strided, threads=2)
    assert (np.ascontiguousarray(strided).view(np.uint64) == want).all()
    backwards = schedule.values(6 + n, 6, -1, threads=2)
    assert (np.ascontiguousarray(backwards[::-1]).view(np.uint64) == want).all()
    single = schedule.values(7, 7 + n, dtype=np.float32, threads=2)
    assert (single == want.view(np.float64).astype(np.float32)).all()
    sample = random.Random(expression).sample(range(n), 200)
    assert bits([schedule(7 + i) for i in sample]) == want[sample].tolist()
    chunks = [schedule.values(a, min(a + 70_001, 7 + n)) for a in range(7, 7 + n, 70_001)]
    assert (np.concatenate(chunks).view(np.uint64) == want).all()


FAR_APART = (
    "polynomial(1e-3, 0.0, {n}, 2.0)",
    "polynomial(1e-3, 1e-4, {n}, 2.7)",
    "polynomial(-3.0, 1.0, {n}, 1.3)",
    "polynomial(1e-5, 1.0, {n}.5, 3.0)",
    "power_ramp(1e-3, 0.0, {n}, 0.5)",
    "power_ramp(0.0, 2.0, {n}, 7.25)",
    "power_ramp(0.7, 0.1, {n}, 63.0)",
    "geometric(1e-3, 1e-5, {n})",
    "geometric(-1e-300, -1e300, {n})",
    "exponential(0.3, 0.9, {n})",
    "exponential(1.0, 1.7, 0.001 * {n})",
    "cosine(1e-3, 1e-4, {n}, cycles=3.5)",
    "cosine(1e-3, 0.0, {n}, cycles=1 / 3)",
    "cosine(-1.0, 1.0, {n}, cycles=2)",
)


@pytest.mark.parametrize("expression", FAR_APART)
@pytest.mark.parametrize("n", [700, 100_003, 10_000_000, 2**33])
def test_steps_far_apart(expression: str, n: int, level: str) -> None:
    """Those of some shapes go a way of their own where it is proved to give the same: each rounding counts."""
    schedule = eval(expression.format(n=n), vars(lrk).copy())
    rng = random.Random(n)
    steps = [rng.randrange(n) for _ in range(3000)] + [int(n ** rng.random()) for _ in range(500)]
    lrk.use_level("baseline")
    want = bits(schedule(np.array(steps)))
    lrk.use_level(level)
    assert bits([schedule(step) for step in steps]) == want


def hard_quotients(span: int) -> list[int]:
    """Steps t whose t / span is half a span-th of the last bit away from a middle between two float64: nearer ones do not exist."""
    found = []
    for shift in range(53, 53 + span.bit_length()):
        for rest in (span // 2, span // 2 + 1):  # t 2^shift modulo the span
            t = rest * pow(2, -shift, span) % span
            if ((t << shift) // span).bit_length() == 53:
                found.append(t)
    return found


@pytest.mark.parametrize("span", [3, 10_000_001, 2**31 - 1, 2**40 + 15, 3**30, 2**48 - 59, 2**48 - 1, 2**48 + 21, 5**22])
def test_a_line_is_a_correctly_rounded_quotient(span: int, level: str) -> None:
    """Python's own quotient of two integers is."""
    rng = random.Random(span)
    hard = hard_quotients(span)
    assert hard
    steps = [*hard, *(rng.randrange(span) for _ in range(300)), span - 1]
    up, down = lrk.linear(0.0, 1.0, span), lrk.linear(1.0, 0.0, span)
    assert [up.values(t, t + 1).item() for t in steps] == [t / span for t in steps]
    assert [down.values(t, t + 1).item() for t in steps] == [1.0 if t == 0 else (span - t) / span for t in steps]
    for run in (lrk.linear(-1.0, 1.0, span), lrk.linear(1.0, -3.0, span).shift(3), lrk.linear(0.1, 0.7, span + 0.5)):
        for t in steps[:40]:
            assert bits(run.values(t, t + 9)) == bits([run(t + j) for j in range(9)])


SLOW = [
    "linear(1e-3, 0.0, 10_000_000)",
    "linear(0.1, 0.7, 10_000_000.5)",
    "linear(-1e-3, -2e-3, 5_000_001).shift(7)",
    "linear(-1.0, 1.0, 10_000_000)",
    "cosine(1e-3, 0.0, 10_000_000)",
    "cosine(0.2, 1.0, 10_000_000.25)",
    "cosine(0.5, 0.5 + 1e-9, 2**20)",
    "warmup_cosine(1e-3, 5_000_000, 10_000_000)",
    "cosine(1e-3, 0.0, 10_000_000, 1.5)",
    "cosine(-1e-3, 1e-3, 40_000_000, 0.5)",
    "polynomial(1e-3, 0.0, 10_000_000, 2)",
    "polynomial(-1e-3, -2e-3, 10_000_000, 2.7)",
    "power_ramp(0.0, 1.0, 10_000_000.5, 0.5)",
    "power_ramp(1e-3, 1e-4, 10_000_000, 0.5)",
    "geometric(1e-3, 1e-5, 10_000_000)",
    "geometric(0.25, 0.25, 1000)",
    "exponential(1.0, 1 + 2**-30)",
    "exponential(-0.7, 0.9999999)",
    "inverse_sqrt(1e-3, 4000)",
    "inverse_sqrt(1e-39, 4000)",
    "inverse_sqrt(1e33, 4000)",
]


@pytest.mark.parametrize("expression", SLOW)
def test_a_slow_curve_is_rounded_once_to_float32(expression: str, level: str) -> None:
    """Where float32 arithmetic does for most blocks, over many steps: some of them lie next to a middle between two float32."""
    schedule = eval(expression, vars(lrk).copy())
    for start in (0, 300_001, 4_999_900, 9_800_000):
        wide = schedule.values(start, start + 200_000)
        with np.errstate(under="ignore"):
            want = wide.astype(np.float32)
        assert schedule.values(start, start + 200_000, dtype="float32", threads=1).tobytes() == want.tobytes()
        for n in range(1, 40):
            for offset in range(9):
                one = schedule.values(start + 250 + offset, start + 250 + offset + n, dtype="float32")
                assert one.tobytes() == want[250 + offset : 250 + offset + n].tobytes()


def test_slow_curves_come_next_to_a_middle() -> None:
    wide = lrk.geometric(1e-3, 1e-5, 10_000_000).values(300_001, 500_001)
    left = np.abs((wide.view(np.int64) & (2**29 - 1)) - 2**28)  # of 2^29 to the next float32
    assert (left < 2**13).sum() > 3


@settings(max_examples=100)
@given(st.lists(expressions, min_size=1, max_size=6), st.integers(0, 2**63 - 200), st.integers(1, 150), st.sampled_from(STRIDES))
def test_a_batch_has_the_bits_of_its_schedules(chosen: list[str], far: int, n: int, stride: int) -> None:
    """In any order, with some twice, by every route and level."""
    schedules = [library(expression) for expression in [*chosen, *chosen[::2]]]
    batch = lrk.ScheduleBatch(schedules)
    for start in starts(chosen[0], far, n):
        steps = np.arange(start, start + n)
        want = [bits(schedule.values(start, start + n)) for schedule in schedules]
        begin, stop = (start, start + n) if stride > 0 else (start + n - 1, start - 1)
        for level in lrk._core.runnable_levels():
            lrk.use_level(level)
            for threads in (None, 1, 2, 3):
                assert [bits(row) for row in batch.values(start, start + n, threads=threads)] == want
        lrk.use_level(None)
        assert [bits(row) for row in batch(steps)] == want
        assert [bits(row) for row in batch(steps[::-1])] == [row[::-1] for row in want]
        assert bits(batch(start)) == [row[0] for row in want]
        assert [bits(row) for row in batch.values(begin, stop, stride)] == [row[::stride] for row in want]
        blocks = list(batch.blocks(start, start + n, n // 3 + 1))
        assert [bits(row) for row in np.concatenate(blocks, axis=-1)] == want
        holes = np.full((n, 2 * len(batch)), np.nan, np.float32)
        narrow = batch.values(start, start + n, out=holes[:, ::2].T)
        assert [row.tobytes() for row in narrow] == [s.values(start, start + n, dtype="f4").tobytes() for s in schedules]
        assert np.isnan(holes[:, 1::2]).all()


@pytest.mark.parametrize("expression", EXAMPLES)
def test_a_batch_shares_long_runs(expression: str) -> None:
    """Long enough that rows are cut; equal ones are copied piece by piece."""
    schedule, other = eval(expression, vars(lrk).copy()), lrk.cosine(1.0, 0.0, 100_003)
    batch = lrk.ScheduleBatch([[schedule, other], [schedule, schedule]])
    n = 100_003
    for dtype in (np.float64, np.float32):
        want = [[row.values(9, 9 + n, dtype=dtype, threads=1).tobytes() for row in rows] for rows in batch]
        for threads in (1, 2, 5):
            odd = np.empty((2, 2, n + 1), dtype)[..., 1:]
            found = batch.values(9, 9 + n, out=odd, threads=threads)
            assert [[row.tobytes() for row in rows] for rows in found] == want
        steps = np.arange(9, 9 + n)[::-1]
        assert batch(steps)[1, 0].tobytes() == schedule(steps).tobytes()


def test_slices_are_ranges() -> None:
    schedule = lrk.warmup_cosine(1e-3, 10, 100)
    everything = bits(schedule.values(120))
    for arguments in ((7,), (0,), (3, 40), (40, 3), (3, 40, 7), (40, 3, -7), (9, -1, -1), (5, 5)):
        wanted = [everything[t] for t in range(*arguments)]
        assert bits(schedule.values(*arguments)) == wanted
