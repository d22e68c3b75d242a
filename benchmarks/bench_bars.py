"""The bars are all measured, here of few steps, and each can be missed."""

from collections.abc import Callable

import bars
import pairs
import pytest

import lrkernel as lrk


@pytest.mark.parametrize(
    ("make", "value", "asked", "holds"),
    [
        (lambda pair: bars.Bar(pair, 1.3), "1.3", "<= 1.3 x a fill", True),
        (lambda pair: bars.Bar(pair, 1.29), "1.3", "<= 1.29 x a fill", False),
        (lambda pair: bars.Bar(pair, 1.3, least=True), "1.3", ">= 1.3 x a fill", True),
        (lambda pair: bars.Bar(pair, 1.31, least=True), "1.3", ">= 1.31 x a fill", False),
        (lambda pair: bars.Bar(pair, 5.0, microseconds=True), "5", "<= 5 us", True),
        (lambda pair: bars.Bar(pair, 4.9, microseconds=True), "5", "<= 4.9 us", False),
    ],
)
def test_a_bar(
    make: Callable[[pairs.Pair], bars.Bar], value: str, asked: str, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs.Pair, "timed", lambda self: pairs.Timed(5e-6, 9e-6, 7e-6, 1.3, 1.25, 1.5))
    row = ["linear", "baseline", asked, value, "1.25 .. 1.5 x", "yes" if holds else "NO"]
    assert make(pairs.Pair("linear", list, "a fill", list)).row("baseline") == (holds, row)


def test_ratios_are_those_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PAIRS", 5)
    # Each runs twice in turn and the second counts; the work has run twice before, to judge how slow it is.
    works = iter([1.0, 1.0, 99.0, 2.0, 99.0, 4.0, 99.0, 6.0, 99.0, 8.0, 99.0, 10.0])
    references = iter([99.0, 2.0] * 5)
    monkeypatch.setattr(pairs, "seconds", lambda work: work())
    timed = pairs.Pair("", lambda: next(works), "", lambda: next(references), calls=2).timed()
    assert timed == pairs.Timed(best=1.0, work=3.0, reference=1.0, ratio=3.0, low=2.0, high=4.0)


def test_every_bar_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(pairs, "PAIRS", 1)
    monkeypatch.setattr(pairs, "CALLS", 10)
    monkeypatch.setattr(bars, "PEERS", {"NumPy expression": 1e9})
    with pytest.raises(SystemExit, match=r"\d+ missed"):
        bars.main(20_000)
    head, *rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[-1][:3] == ["NumPy expression", "best", ">= 1e+09 x lrkernel"]
    assert rows[-1][-1] == "NO"
    assert {len(row) for row in rows} == {len(head)}
    assert {row[1] for row in rows[1:]} == {"best", *lrk._core.runnable_levels()}
