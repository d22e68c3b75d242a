"""Where two schedules differ: the answer of looking at every step, with fewer looks."""

import itertools
from typing import Any

import numpy as np
import pytest

import lrkernel as lrk
from lrkernel import compare as module
from lrkernel.compare import Comparison, compare

N = 3000
KINDS = {
    "warmup_cosine": lrk.warmup_cosine(1e-3, 100, N, floor=1e-5),
    "longer warmup": lrk.warmup_cosine(1e-3, 200, N, floor=1e-5),
    "warmup_linear": lrk.warmup_linear(1e-3, 100, N),
    "wsd": lrk.wsd(1e-3, 100, 2000, 900),
    "wsd, shorter decay": lrk.wsd(1e-3, 100, 2400, 500, decay_shape="1-sqrt"),
    "scaled": 0.5 * lrk.wsd(1e-3, 100, 2000, 900),
    "inverse_sqrt": lrk.inverse_sqrt(1e-3, 300),
    "exponential": lrk.exponential(1e-3, 0.999),
    "growing": lrk.exponential(1e-5, 1.001).clip(hi=1e-3),
    "step": lrk.step(1e-3, 700, 0.5),
    "restarts": lrk.cosine_restarts(1e-3, 600),
    "polynomial": lrk.polynomial(1e-3, 0.0, N, 2.5),
    "across zero": lrk.linear(-1e-3, 1e-3, N) + 1e-9,
    "three cycles": lrk.cosine(1e-3, 0.0, N, cycles=3),
    "knots": lrk.piecewise_linear([0, 500, 501, N], [0.0, 1e-3, 5e-4, 0.0]),
    "fractional": lrk.warmup_cosine(1e-3, 100, N).stretch(2718.28),
    "epochs": lrk.polynomial(1e-3, 1e-5, 500, 2.0).by_epoch(6),
    "parts of epochs": lrk.warmup_constant(1e-3, 10.25).by_epoch(200),
    "skipped, cut": (lrk.cosine(1e-3, 0.0, 2 * N) * 2.0).skip(700).cut(999.5),
    "late": lrk.warmup_linear(1e-3, 100, 2000).shift(7.5) / 3,
    "array": lrk.from_values(np.linspace(1e-3, 1e-4, 80)),
    "product": lrk.cosine(1.0, 0.0, N) * lrk.inverse_sqrt(1e-3, 500),
    "constant": lrk.constant(1e-3),
}


def looked(one: lrk.Schedule, other: lrk.Schedule, steps: int) -> tuple[Any, ...]:
    """First difference, largest one and its step, by looking at every step."""
    a, b = one.values(steps), other.values(steps)
    differ = np.flatnonzero(a != b)
    if not differ.size:
        return None, None, 0.0
    gap = np.abs(a - b)
    return int(differ[0]), int(gap.argmax()), float(gap.max())


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges so short that a few thousand steps have many levels of them."""
    for name, value in (("BLOCK", 16), ("PARTS", 4), ("SCAN", 64)):
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", KINDS)
def test_the_answer_is_that_of_every_step(name: str) -> None:
    for other in (*KINDS.values(), KINDS[name] * 1.0000001, KINDS[name].cut(1234), KINDS[name].clip(1e-4, 5e-4)):
        for steps in (99, N + 50):
            found = compare(KINDS[name], other, steps)
            assert (found.first, found.at, found.largest) == looked(KINDS[name], other, steps), (other, steps)
            at = found.at or 0
            assert found.values == (KINDS[name](at), other(at))


@pytest.mark.usefixtures("small")
def test_ranges_beyond_memory_are_looked_at_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for one, other in itertools.combinations(KINDS.values(), 2):
        found = compare(one, other, N)
        assert (found.first, found.at, found.largest) == looked(one, other, N)


def test_equal_schedules() -> None:
    nothing = Comparison(None, None, (0.0, 0.0), 0.0, 0)
    assert compare(KINDS["wsd"], KINDS["wsd"].named("x"), 2**63) == nothing
    assert compare(lrk.linear(0.0, 1.0, 4), lrk.piecewise_linear([0, 2, 4], [0.0, 0.5, 1.0]), 9)[:4] == nothing[:4]
    held = lrk.wsd(1e-3, 100, 2000, 900).then(lrk.constant(0.0, 10**15))
    found = compare(held, KINDS["wsd"], 10**15)
    assert found[:4] == nothing[:4]
    assert found.looked_at < 100


@pytest.mark.parametrize(
    ("one", "other", "most"),
    [
        (lrk.warmup_cosine(1e-3, 10**9, 10**11), lrk.warmup_linear(1e-3, 10**9, 10**11), 300e6),
        (lrk.warmup_cosine(1e-3, 10**9, 10**11), 0.5 * lrk.warmup_cosine(1e-3, 10**9, 10**11), 1e6),
        (lrk.wsd(1e-3, 10**9, 10**11, 10**10), lrk.wsd(1e-3, 10**9, 10**11, 10**9, decay_shape="1-sqrt"), 1e6),
        (lrk.constant(1.0), lrk.constant(2.0), 10),
        (lrk.cosine_restarts(1e-3, 10**6).cut(10**10).then(lrk.linear(1.0, 0.0, 10**10)),) * 2 + (0,),
    ],
)
def test_long_schedules_take_few_looks(one: lrk.Schedule, other: lrk.Schedule, most: float) -> None:
    found = compare(one, other, 10**11)
    assert found.looked_at <= most


def test_the_largest_difference_of_a_cosine_and_its_half_is_at_the_peak() -> None:
    run = lrk.warmup_cosine(1e-3, 10**9, 10**11)
    assert compare(run, run * 0.5, 10**11)[:4] == (1, 10**9, (1e-3, 5e-4), 5e-4)


def test_values_beyond_all_bounds() -> None:
    grows = lrk.exponential(1.0, 10.0)
    found = compare(grows, grows * 2.0, 2000)
    assert (found.first, found.largest) == (0, np.inf)
    assert found.at == np.flatnonzero(np.isinf((grows * 2.0).values(2000)))[0]
    assert compare(grows, grows.cut(5000), 2000).first is None


def test_progress_ends_with_all() -> None:
    told: list[tuple[int, int]] = []
    found = compare(
        lrk.cosine_restarts(1e-3, 600), lrk.cosine_restarts(1e-3, 601), 3_000_000, progress=lambda *steps: told.append(steps)
    )
    assert found.first == 1
    assert told[-1] == (3_000_000, 3_000_000)
    assert len(told) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ((0.1, KINDS["wsd"], 5), TypeError, "one must be a schedule, got 0.1"),
        ((KINDS["wsd"], "x", 5), TypeError, "other must be a schedule, got 'x'"),
        ((KINDS["wsd"], KINDS["wsd"], 0), ValueError, "steps must be >= 1, got 0"),
        ((KINDS["wsd"], KINDS["wsd"], 2**63 + 1), ValueError, r"steps must be <= 2\^63, got 9223372036854775809"),
        ((KINDS["wsd"], KINDS["wsd"], 1.5), ValueError, "steps must be a whole number, got 1.5"),
    ],
)
def test_bad_input(arguments: Any, error: type[Exception], rule: str) -> None:
    with pytest.raises(error, match=rule):
        compare(*arguments)
