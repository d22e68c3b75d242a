"""Pictures: what they show of a schedule, and what they do with numbers that are hard to draw."""

import math
import os
import re
import subprocess
import sys
import warnings
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import lrkernel as lrk
from lrkernel import plot

Sampled = tuple[npt.NDArray[Any], npt.NDArray[np.float64]]

RUN = lrk.warmup_cosine(1e-3, 1000, 10_000_000, floor=1e-5)
STAIRS = lrk.step(1.0, 1_000_000, 0.5).cut(10_000_000)
SPIKE = lrk.sequence(lrk.constant(1.0, 1_234_567), lrk.cosine(1.0, 9.0, 20, cycles=1), lrk.constant(1.0, 9_000_000))
HARD = {
    "huge": lrk.linear(-1.7e308, 1.7e308, 1000),
    "tiny": lrk.linear(5e-324, 1e-323, 1000),
    "infinite": lrk.exponential(1.0, 2.0),
    "negative": lrk.linear(0.0, -1.0, 1000),
    "one step": lrk.linear(1.0, 0.0, 1),
    "less than a step": lrk.linear(1.0, 0.0, 0.25),
    "constant": lrk.constant(0.0),
    "long": lrk.linear(1.0, 0.0, 2**53 - 1).repeat(1000),
    "longest": lrk.linear(1.0, 0.0, 2**52).cut(2**63 - 1),
    "repeat": lrk.linear(1.0, 0.0, 3).repeat(),
    "growing": lrk.cosine_restarts(1.0, 10, 1.01),
    "many rows": lrk.piecewise_linear(range(0, 30_000, 3), np.arange(10_000) % 7),
    "values": lrk.from_values(np.arange(100_000) % 11),
    "product": lrk.inverse_sqrt(1.0, 100) * lrk.step(1.0, 7, 0.99),
}

every_hard_one = pytest.mark.parametrize("schedule", HARD.values(), ids=HARD.keys())


# ---- how much is shown ----


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (RUN, 10_000_000),
        (lrk.linear(1.0, 0.0, 27125.6), 27126),
        (lrk.linear(1.0, 0.0, 0.25), 1),
        (lrk.constant(1.0), 100),
        (lrk.constant(1.0, 7), 7),
        (lrk.warmup_constant(1.0, 400), 500),
        (lrk.warmup_constant(1.0, 0), 100),
        (lrk.multistep(1.0, [30, 60, 80], 0.1), 100),
        (lrk.piecewise_constant([1.0, 0.1], [1000]), 1250),
        (lrk.linear(1.0, 0.0, 10).repeat(), 40),
        (lrk.linear(1.0, 0.0, 10).repeat() * 0.5, 40),
        (lrk.linear(1.0, 0.0, 10).repeat().by_epoch(100), 4000),
        (lrk.linear(1.0, 0.0, 10).repeat().shift(1000), 1250),
        (lrk.warmup_constant(1.0, 400).skip(100), 400),
        (lrk.warmup_constant(1.0, 400).skip(400), 100),
        (lrk.linear(1.0, 0.0, 10).skip(3), 7),
        (lrk.linear(1.0, 0.0, 10).repeat() * lrk.linear(1.0, 0.0, 500), 500),
        (lrk.cosine_restarts(1.0, 1000), 4000),
        (lrk.cosine_restarts(1.0, 1000, 2.0), 31_000),
    ],
)
def test_the_horizon_of(schedule: lrk.Schedule, steps: int) -> None:
    assert plot.horizon(schedule) == steps
    assert plot.shown_stop(schedule) == steps + (schedule.length is not None)


@pytest.mark.parametrize(
    ("schedule", "low", "high"),
    [
        (lrk.inverse_sqrt(1.0, 4000), 0.1, 0.25),
        (lrk.exponential(1.0, 0.999), 1e-4, 0.1),
        (lrk.step(1.0, 5000, 0.5), 1e-3, 0.1),
        (lrk.step(1.0, 5000, 0.1), 1e-5, 0.1),
        (lrk.exponential(1.0, 1.001), 10.0, 1e6),
        (lrk.inverse_sqrt(1.0, 4000).skip(10**6), 0.005, 0.015),
    ],
)
def test_an_open_tail_is_shown_until_it_has_gone_its_way(schedule: lrk.Schedule, low: float, high: float) -> None:
    for scale in (1, 10**6):
        slow = schedule.by_epoch(scale)
        assert low <= slow(plot.horizon(slow)) <= high


@every_hard_one
def test_every_horizon_is_a_number_of_steps(schedule: lrk.Schedule) -> None:
    steps = plot.horizon(schedule)
    assert type(steps) is int
    assert 1 <= steps <= 2**63 - 1


# ---- what is sampled ----


def assert_sampled(schedule: lrk.Schedule, start: int, stop: int, columns: int) -> Sampled:
    steps, values = plot.sample(schedule, start, stop, columns)
    assert steps.dtype == np.int64
    assert steps[0] == start
    assert steps[-1] == stop - 1
    assert (np.diff(steps) > 0).all()
    assert np.array_equal(values, schedule(steps))
    assert len(steps) <= (4 + 2 + 1) * columns
    return steps, values


@pytest.mark.parametrize("columns", [60, 1000])
def test_a_long_run_is_sampled_with_its_boundaries(columns: int) -> None:
    steps, values = assert_sampled(RUN, 0, 10_000_001, columns)
    assert values[-1] == 1e-5
    assert values.max() == 1e-3
    assert {0, 999, 1000, 9_999_999, 10_000_000} <= set(steps.tolist())


def test_a_jump_is_a_jump() -> None:
    steps, _ = assert_sampled(STAIRS, 0, 10_000_000, 1000)
    for edge in range(1_000_000, 5_000_000, 1_000_000):
        around = steps[np.searchsorted(steps, edge) - 1 :][:2]
        assert around[0] < edge <= around[1]
        assert around[1] - around[0] <= 10_000_000 / 1000 / 32
    drops = lrk.multistep(1.0, [1_234_567, 7_654_321], 0.1)
    steps = assert_sampled(drops, 0, 10_000_000, 1000)[0].tolist()
    assert {1_234_566, 1_234_567, 7_654_320, 7_654_321} <= set(steps)


def test_a_short_spike_is_seen() -> None:
    for columns in (60, 300, 1000):
        steps, values = assert_sampled(SPIKE, 0, 10_234_587, columns)
        assert values.max() > 8.5
        inside = steps[values > 1.0]
        assert inside[0] >= 1_234_567
        assert inside[-1] < 1_234_587
        assert {1_234_566, 1_234_567} <= set(steps.tolist())


def test_few_steps_are_all_there() -> None:
    steps, _ = assert_sampled(RUN, 990, 1010, 1000)
    assert steps.tolist() == list(range(990, 1010))


@every_hard_one
@pytest.mark.parametrize("columns", [10, 1000])
def test_hard_ones_are_sampled(schedule: lrk.Schedule, columns: int) -> None:
    for start, stop in [(0, 1), (0, 10**6), (2**62, 2**63), (2**63 - 3, 2**63), (0, 2**63)]:
        assert_sampled(schedule, start, stop, columns)


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=8),
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=9, max_size=9),
    st.integers(20, 200),
)
def test_no_level_is_missed_however_short(spans: list[int], levels: list[float], columns: int) -> None:
    parts = [lrk.constant(level, span) for level, span in zip(levels, spans, strict=False)]
    schedule = lrk.sequence(*parts)
    _, values = plot.sample(schedule, 0, sum(spans), columns)
    assert set(values.tolist()) == set(levels[: len(spans)])


def test_heights() -> None:
    heights, low, high = plot.scaled(np.array([1.0, math.inf, 3.0, 2.0, -math.inf, math.nan]))
    assert (low, high) == (1.0, 3.0)
    assert np.array_equal(heights, [0.0, math.nan, 1.0, 0.5, math.nan, math.nan], equal_nan=True)
    assert plot.scaled(np.array([-1.7e308, 0.0, 1.7e308]))[0].tolist() == [0.0, 0.5, 1.0]
    assert plot.scaled(np.array([7.0, 7.0]))[0].tolist() == [0.5, 0.5]
    assert np.isnan(plot.scaled(np.array([math.inf]))[0]).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (10_000_000, "10,000,000"),
        (10_000_000.0, "10,000,000"),
        (27125.6, "27,125.6"),
        (781.9622802734375, "781.962"),
        (999_999_999_999, "999,999,999,999"),
        (10**12, "1e+12"),
        (2**63, "9.22337e+18"),
    ],
)
def test_steps_are_grouped(value: float, text: str) -> None:
    assert plot.grouped(value) == text


# ---- matplotlib ----


def drawn(axes: Axes) -> Sampled:
    """x and y of the only line."""
    [line] = axes.lines
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_plot_draws_one_labelled_line() -> None:
    axes = Figure().add_subplot()
    assert plot.plot(RUN, axes, label="run") is axes
    assert axes.lines[0].get_label() == "run"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "value")
    x, y = drawn(axes)
    assert (x[0], x[-1]) == (0, 10_000_000)
    assert (y.max(), y[-1]) == (1e-3, 1e-5)


def test_plot_draws_the_steps_asked_for() -> None:
    axes = Figure().add_subplot()
    plot.plot(RUN, axes, start=990, stop=1010.0)
    x, y = drawn(axes)
    assert x.tolist() == list(range(990, 1010))
    assert y.tolist() == RUN.values(990, 1010).tolist()


def test_schedules_have_the_method() -> None:
    axes = Figure().add_subplot()
    assert RUN.plot(axes, label="a", stop=500) is axes
    assert RUN.plot(ax=axes, label="b") is axes
    assert [line.get_label() for line in axes.lines] == ["a", "b"]


def test_without_axes_it_draws_on_the_current_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = Figure().add_subplot()
    monkeypatch.setattr(pyplot, "gca", lambda: axes)
    assert plot.plot(RUN) is axes
    assert len(axes.lines) == 1


@pytest.mark.parametrize(
    ("options", "error", "rule"),
    [
        ({"start": -1}, ValueError, "start must be >= 0, got -1"),
        ({"stop": 3.5}, ValueError, "stop must be a whole number, got 3.5"),
        ({"stop": math.nan}, ValueError, "stop must be a whole number, got nan"),
        ({"stop": math.inf}, ValueError, "stop must be a whole number, got inf"),
        ({"stop": 2**63 + 1}, ValueError, "stop must be <= 2^63, got 9223372036854775809"),
        ({"start": True}, TypeError, "start must be an integer, got True"),
        ({"stop": "9"}, TypeError, "stop must be an integer, got '9'"),
        ({"stop": 0}, ValueError, "start must be < stop, got start=0 and stop=0"),
        ({"start": 9, "stop": 3}, ValueError, "start must be < stop, got start=9 and stop=3"),
        ({"start": 10**8}, ValueError, "start must be < stop, got start=100000000 and"),
    ],
)
def test_bad_ranges_are_refused_before_anything_is_drawn(options: dict[str, Any], error: type[Exception], rule: str) -> None:
    axes = Figure().add_subplot()
    with pytest.raises(error, match=re.escape(rule)):
        plot.plot(RUN, axes, **options)
    assert not axes.lines


@every_hard_one
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_hard_ones_are_drawn(schedule: lrk.Schedule, kind: str) -> None:
    stop = plot.shown_stop(schedule)
    drawn = schedule * (0.01 if schedule is HARD["huge"] else 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = plot.picture([("a", drawn, stop), ("b", drawn * 0.5, stop)], kind)
    assert len(image) > 5000


def test_what_matplotlib_cannot_lay_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"values must be within 1e307 to be drawn, got -1\.7e"):
        plot.plot(HARD["huge"], Figure().add_subplot())


@pytest.mark.parametrize("text", ["$x^", "_hidden", "日本", "a & <b>", "\\frac{", ""])
def test_names_are_text_as_they_stand(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = plot.picture([(text, RUN, 100), ("b", RUN, 50)], "svg", title=text)
    ElementTree.fromstring(image)


def test_a_picture_leaves_pyplot_alone() -> None:
    before = pyplot.get_fignums()
    plot.picture([("a", RUN, 100)])
    assert pyplot.get_fignums() == before


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a picture must be one of .*png.*, got 'npy'"):
        plot.picture([("a", RUN, 100)], "npy")


def test_a_missing_matplotlib_is_named() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import lrkernel\n"
        "s = lrkernel.linear(1.0, 0.0, 100)\n"
        "assert s._repr_svg_().startswith('<svg ')\n"
        "try:\n    s.plot()\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert (done.stdout, done.stderr) == (
        'a plot needs matplotlib: pip install "lrkernel[plot]"\n',
        "",
    )


# ---- SVG ----

SVG = "{http://www.w3.org/2000/svg}"


def parsed(schedule: lrk.Schedule) -> ElementTree.Element:
    return ElementTree.fromstring(schedule._repr_svg_())


def texts(schedule: lrk.Schedule) -> list[str | None]:
    return [text.text for text in parsed(schedule).iter(f"{SVG}text")]


def curve(schedule: lrk.Schedule) -> Sampled:
    """x and y of the curve, which is the last path."""
    path = list(parsed(schedule).iter(f"{SVG}path"))[-1].get("d") or ""
    points = np.array([point.split() for point in re.findall(r"[ML]([\d.]+ [\d.]+)", path)], np.float64)
    return points[:, 0], points[:, 1]


def test_the_svg_says_what_it_shows() -> None:
    assert set(texts(RUN)) == {"0", "0.001", "10,000,000", "step", "value", "decay"}
    assert set(texts(lrk.constant(0.25))) == {"0", "100", "0.25", "step", "value", "constant"}
    assert parsed(RUN).findtext(f"{SVG}title") == "a schedule from 0 to 0.001 over 10,000,000 steps"


def test_the_svg_is_the_curve() -> None:
    x, y = curve(lrk.linear(0.0, 1.0, 100).then(lrk.constant(1.0, 100)))
    assert (x[0], y[0]) == (plot._LEFT, plot._BOTTOM)
    assert (x[-1], y[-1]) == (plot._RIGHT, plot._TOP)
    assert (np.diff(x) >= 0).all()
    middle = (plot._LEFT + plot._RIGHT) / 2
    assert np.allclose(y, np.interp(x, [plot._LEFT, middle], [plot._BOTTOM, plot._TOP]), atol=0.2)


def test_jumps_are_upright_in_the_svg() -> None:
    x, y = curve(lrk.multistep(1.0, [1_234_567, 7_654_321], 0.1).cut(10**7))
    falls = np.abs(np.diff(y)) > 10
    assert falls.sum() == 2
    assert (np.diff(x)[falls] <= 0.1).all()


def test_the_svg_takes_the_colour_of_its_page() -> None:
    for schedule in (RUN, STAIRS):
        picture = schedule._repr_svg_()
        assert 'fill="currentColor"' in picture
        assert 'stroke="currentColor"' in picture
        assert re.findall(r"#[0-9a-f]{3,6}|rgb|black|white", picture) == ["#808080"]


@every_hard_one
def test_hard_ones_have_an_svg(schedule: lrk.Schedule) -> None:
    picture = schedule._repr_svg_()
    ElementTree.fromstring(picture)
    assert len(picture) < 60_000
    assert "nan" not in picture
    x, y = curve(schedule)
    assert plot._LEFT <= x.min() <= x.max() <= plot._RIGHT
    assert plot._TOP <= y.min() <= y.max() <= plot._BOTTOM


def test_labels_cannot_break_the_svg() -> None:
    schedule = lrk.linear(1.0, 0.0, 100).named('</text><script>"&\x1b')
    ElementTree.fromstring(schedule._repr_svg_())
    assert "<script>" not in schedule._repr_svg_()
    assert '</text><script>"&\ufffd' in texts(schedule)
