"""plot - pictures of a schedule: on matplotlib axes, and as an SVG that needs nothing installed."""

# matplotlib's own stubs leave **kwargs without a type.
# pyright: reportUnknownMemberType=false

import importlib.util
import io
import math
import warnings
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._arguments import Number, missing, whole
from ._core import SHAPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .schedule import Schedule

__all__ = ["grouped", "horizon", "picture", "plot", "sample", "scaled", "shown_stop", "svg"]

_LAST_STEP = 2**63 - 1

# Columns of a curve, and how many steps of each column are looked at. Random access makes a look
# cheap (64 000 of them take a few ms), and what is kept of a column is its first, lowest, highest
# and last look, so that nothing is drawn that the schedule does not do.
_COLUMNS = 1000
_LOOKS = 64

_JUMP = 0.005  # of the height, between two looks: to be drawn upright, not across a column

_DRAWABLE = 1e307  # matplotlib lays out its axes with sums beyond the values

_CONSTANT_STEPS = 100
_ENDLESS = 2**53  # durations are shorter: a table that goes on behind this has growing cycles


def horizon(schedule: "Schedule") -> int:
    """How many steps show what a schedule does.

    The length, rounded up, where there is one. Else the longest of 1.25 times the last boundary and
    the natural scale of the open tail: 4 cycles of a repeat, or 4 times the steps in which the tail
    goes 2/3 of its way to its limit (or, growing without one, to 10 times its start). A table of
    growing cycles shows its first 5 parts, a constant 100 steps.

    Parameters
    ----------
    schedule : Schedule

    Examples
    --------
    >>> from lrkernel import constant, cosine_restarts, linear, warmup_constant
    >>> horizon(linear(1.0, 0.0, 27125.6))
    27126
    >>> horizon(warmup_constant(1e-3, 400))
    500
    >>> horizon(cosine_restarts(1e-3, 1000)), horizon(cosine_restarts(1e-3, 1000, mult=2.0))
    (4000, 31000)
    >>> horizon(constant(1.0))
    100
    """
    return _horizon(schedule) or _CONSTANT_STEPS


def shown_stop(schedule: "Schedule") -> int:
    """Where a picture of a schedule stops: at its horizon; one later for what it holds at its end.

    Parameters
    ----------
    schedule : Schedule

    Examples
    --------
    >>> from lrkernel import linear, warmup_constant
    >>> shown_stop(linear(1.0, 0.0, 100)), shown_stop(warmup_constant(1e-3, 400))
    (101, 500)
    """
    return horizon(schedule) + (schedule.length is not None)


def _horizon(schedule: "Schedule") -> int:
    """The horizon, 0 for a constant."""
    if schedule.length is not None:
        return math.ceil(schedule.length)
    last = schedule.rows[-1]
    shape, children = SHAPES[int(last[0])], last[7]
    begin, every = float(last[1]), float(last[6])
    if begin > _ENDLESS:
        return math.ceil(float(schedule.rows[min(5, len(schedule.rows) - 1)][1]))
    if shape.name == "repeat":
        tail = 4 * every
    elif shape.name == "skip":
        whole = _horizon(children[0])
        rest = whole - every
        tail = rest if 5 * rest > whole else 4 * _natural_scale(schedule, math.ceil(begin))
    elif shape.kind == "node":
        tail = max(_horizon(child) for child in children) * (every or 1)
    else:
        tail = 4 * _natural_scale(schedule, math.ceil(begin))
    return min(math.ceil(max(begin * 1.25, begin + tail)), _LAST_STEP)


def _natural_scale(schedule: "Schedule", begin: int) -> int:
    """The steps after `begin` in which an open-ended shape shows what it does."""
    ahead = np.append(0, np.unique(2.0 ** (np.arange(62 * 4) / 4))).astype(np.int64)
    values = np.asarray(schedule(ahead[ahead <= _LAST_STEP - begin] + begin))
    with np.errstate(over="ignore"):
        way = np.abs(values - values[0])
    goal = way[-1] * (2 / 3) if math.isfinite(way[-1]) else 9 * abs(values[0])
    return int(ahead[np.argmax(way >= goal)]) if goal > 0 else 0


def sample(schedule: "Schedule", start: int, stop: int, columns: int = _COLUMNS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The points that draw a schedule from `start` up to `stop`, without evaluating every step.

    Every boundary is there with the step before it, so a jump is drawn as a jump, and a part that
    is shorter than a column is still looked into.

    Parameters
    ----------
    schedule : Schedule
    start, stop : int
        0 <= start < stop.
    columns : int
        Columns of the picture; each holds at most 4 points, jumps and boundaries not counted.

    Examples
    --------
    >>> from lrkernel import step
    >>> steps, values = sample(step(1.0, 5_000_000, 0.5), 0, 10_000_000, columns=2)
    >>> steps.tolist(), values.tolist()
    ([0, 4960629, 5039369, 9999999], [1.0, 1.0, 0.5, 0.5])
    """
    count = stop - start
    if count <= 4 * columns:
        steps = np.arange(start, stop, dtype=np.int64)
        return steps, np.asarray(schedule(steps))
    looks = np.linspace(0, count - 1, min(count, _LOOKS * columns)).astype(np.uint64)
    looks = np.minimum(looks + np.uint64(start), np.uint64(stop - 1))
    edges, inside = _landmarks(schedule, start, stop)
    steps = np.unique(np.concatenate((looks, edges, inside))).astype(np.int64)
    values = np.asarray(schedule(steps))
    column = ((steps - start) / count * columns).astype(np.int64)
    keep = _outline(column, values, columns)
    if len(edges) <= columns:
        keep = np.union1d(keep, np.searchsorted(steps, edges.astype(np.int64)))
    return steps[keep], values[keep]


def _landmarks(schedule: "Schedule", start: int, stop: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Both sides of every boundary between start and stop, and eight looks into every part."""
    phases = schedule.phases()
    ends = [phase.stop for phase in phases[-1:] if phase.stop is not None]
    first = np.array([math.ceil(edge) for edge in (*(phase.start for phase in phases), *ends)], np.uint64)
    first = first[(first > start) & (first < stop)]
    begin = np.append(np.uint64(start), first).astype(np.uint64)
    end = np.append(first, np.uint64(stop)).astype(np.uint64)
    inside = [begin + (end - begin) // np.uint64(9) * np.uint64(k) for k in range(1, 9)]
    return np.concatenate((first - np.uint64(1), first)), np.concatenate(inside)


def _outline(column: NDArray[np.int64], values: NDArray[np.float64], columns: int) -> NDArray[np.int64]:
    """The first, lowest, highest and last index of every column, and both sides of each jump."""
    first = np.flatnonzero(np.diff(column, prepend=-1))
    last = np.append(first[1:], len(column)) - 1
    by_value = np.lexsort((values, column))
    keep = [first, last, by_value[first], by_value[last]]
    heights, _, _ = scaled(values)
    jumps = np.flatnonzero(np.abs(np.diff(heights)) > _JUMP)
    if len(jumps) <= columns:  # else it is a hatching, which needs none of them
        keep += [jumps, jumps + 1]
    return np.unique(np.concatenate(keep))


def scaled(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """Heights from 0 to 1 (NaN for what is not finite), and the lowest and highest finite value.

    Parameters
    ----------
    values : array of float64

    Examples
    --------
    >>> scaled(np.array([1.0, 3.0, 2.0]))
    (array([0. , 1. , 0.5]), 1.0, 3.0)
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.full(len(values), np.nan), math.nan, math.nan
    low, high = float(finite.min()), float(finite.max())
    shown = np.where(np.isfinite(values), values, np.nan)
    if low == high:
        return np.where(np.isnan(shown), shown, 0.5), low, high
    if math.isinf(high - low):
        return (shown / 2 - low / 2) / (high / 2 - low / 2), low, high
    return (shown - low) / (high - low), low, high


def grouped(value: float) -> str:
    """A number of steps as people write it; from 10^12 on, in powers of ten.

    Parameters
    ----------
    value : int or float

    Examples
    --------
    >>> grouped(10_000_000), grouped(27125.6), grouped(2**63)
    ('10,000,000', '27,125.6', '9.22337e+18')
    """
    if value >= 10**12:
        return f"{value:.6g}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


# ---- matplotlib ----


def _need_matplotlib() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(missing("a plot", "matplotlib", "plot"))


def plot(
    schedule: "Schedule",
    ax: "Axes | None" = None,
    *,
    start: Number = 0,
    stop: Number | None = None,
    label: str | None = None,
) -> "Axes":
    """Draw a schedule on matplotlib axes.

    About a thousand columns are drawn however long the schedule is; jumps and short spikes are
    drawn where they are (see `sample`).

    Parameters
    ----------
    schedule : Schedule
    ax : matplotlib axes, optional
        None draws on pyplot's current axes.
    start, stop : int
        The steps to draw, as in `range`; without stop, up to `horizon(schedule)`, and one more
        where the schedule ends, for the value that it then holds.
    label : str, optional
        The name of the curve in a legend.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ImportError
        matplotlib is missing; it comes with the extra `plot`.
    ValueError, TypeError
        start and stop are not two steps in order.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lrkernel import warmup_cosine
    >>> axes = plot(warmup_cosine(1e-3, 100, 1000), Figure().add_subplot(), label="run")
    >>> axes.get_xlabel(), len(axes.lines)
    ('step', 1)
    """
    first = whole("start", start, 0)
    end = shown_stop(schedule) if stop is None else whole("stop", stop, 0)
    if end > _LAST_STEP + 1:
        raise ValueError(f"stop must be <= 2^63, got {end}")
    if not first < end:
        raise ValueError(f"start must be < stop, got start={first} and stop={end}")
    steps, values = sample(schedule, first, end)
    _, low, high = scaled(values)
    if max(-low, high) > _DRAWABLE:
        raise ValueError(f"values must be within 1e307 to be drawn, got {low:.6g} to {high:.6g}")
    _need_matplotlib()
    from matplotlib.ticker import EngFormatter

    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.gca()
    ax.plot(steps, values, label=label)
    ax.set_xlabel("step")
    ax.set_ylabel("value")
    if end > 10_000:
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    return ax


def picture(curves: "list[tuple[str, Schedule, int]]", kind: str = "png", title: str | None = None) -> bytes:
    """An image file with one curve for each (label, schedule, stop), touching no pyplot state.

    Parameters
    ----------
    curves : list of (str, Schedule, int)
    kind : str
        What matplotlib can write: png, svg, pdf, ...
    title : str, optional

    Raises
    ------
    ImportError
        matplotlib is missing; it comes with the extra `plot`.
    ValueError
        matplotlib does not write this kind.

    Examples
    --------
    >>> from lrkernel import linear
    >>> picture([("decay", linear(1.0, 0.0, 100), 100)])[1:4]
    b'PNG'
    """
    _need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=150, layout="constrained")
    known = FigureCanvasAgg(figure).get_supported_filetypes()
    if kind not in known:
        raise ValueError(f"a picture must be one of {', '.join(sorted(known))}, got {kind!r}")
    axes = figure.add_subplot()
    for _, schedule, stop in curves:
        plot(schedule, axes, stop=stop)
    axes.grid(alpha=0.3)
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    # Names are text as it stands: no mathematics between dollars, no meaning in a leading "_".
    if len(curves) > 1:
        labels = [f" {label}" if label.startswith("_") else label for label, _, _ in curves]
        for text in axes.legend(axes.lines, labels, frameon=False).get_texts():
            text.set_parse_math(False)
    if title:
        axes.set_title(title, parse_math=False)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box
        figure.savefig(file, format=kind)
    return file.getvalue()


# ---- SVG ----

_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 624, 28, 196
_LETTER = 6.2  # advance of one letter at 11 px, for what has room where
_SVG_COLUMNS = 267  # two units each

# Where the picture is a document of its own (an <img>), there is no text colour to take over: mid
# grey reads on light and dark. In a page, `svg:root` matches nothing and the page's colour holds.
_STYLE = "svg:root{color:#808080}"


def svg(schedule: "Schedule") -> str:
    """A small picture of a schedule as SVG, for notebooks; it needs no other package.

    It is drawn in `currentColor`, on nothing, so it reads on light and on dark pages.

    Parameters
    ----------
    schedule : Schedule

    Examples
    --------
    >>> from lrkernel import linear
    >>> svg(linear(1.0, 0.0, 100)).startswith("<svg ")
    True
    """
    stop = horizon(schedule)
    steps, values = sample(schedule, 0, shown_stop(schedule), _SVG_COLUMNS)
    heights, low, high = scaled(values)
    curve = _path(_LEFT + (_RIGHT - _LEFT) * (steps / stop), _BOTTOM - (_BOTTOM - _TOP) * heights)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' width="{_WIDTH}" height="{_HEIGHT}"'
        ' fill="currentColor" font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(f'a schedule from {low:.6g} to {high:.6g} over {grouped(stop)} steps')}</title>",
        f"<style>{_STYLE}</style>",
        f'<path d="M{_LEFT} {_TOP - 6}V{_BOTTOM + 6}H{_RIGHT}" fill="none" stroke="currentColor" stroke-opacity=".5"/>',
        *_marks(schedule, stop),
        f'<path d="{curve}" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round"/>',
        *_scale(low, high),
        _text((_LEFT + _RIGHT) / 2, _HEIGHT - 6, "step"),
        f'<text transform="translate(12 {(_TOP + _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">value</text>',
        "</svg>",
    ]
    return "\n".join(parts)


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """The curve to a tenth of a unit, without points that change nothing, broken at NaN."""
    points: list[str] = []
    last = ""
    for a, b, gap in zip(x.round(1).tolist(), y.round(1).tolist(), np.isnan(y), strict=True):
        here = "" if gap else f"{a:g} {b:g}"
        if here and here != last:
            points.append(f"{'L' if last else 'M'}{here}")
        last = here
    # A lone point is drawn as a dot, which takes a line of length 0.
    return "".join(points) if len(points) != 1 else f"{points[0]}h0"


def _marks(schedule: "Schedule", stop: int) -> Iterator[str]:
    """A dashed line at every boundary; its step and the names of the parts where there is room."""
    phases = [phase for phase in schedule.phases() if phase.start < stop]
    edges = [*(float(phase.start) for phase in phases), float(stop)]
    at = [_LEFT + (_RIGHT - _LEFT) * (edge / stop) for edge in edges]
    yield _text(_LEFT, _BOTTOM + 20, "0")
    yield _text(_RIGHT, _BOTTOM + 20, grouped(stop), "end")
    used, limit = _LEFT + 12.0, _RIGHT - _LETTER * len(grouped(stop)) - 8
    drawn = float(_LEFT)
    for phase, (left, right) in zip(phases, pairwise(at), strict=True):
        if left > drawn + 8:
            drawn = left
            yield (
                f'<path d="M{left:.1f} {_TOP - 6}V{_BOTTOM + 6}" stroke="currentColor"'
                ' stroke-opacity=".35" stroke-dasharray="3 3"/>'
            )
            half = _LETTER * len(grouped(phase.start)) / 2
            if used < left - half and left + half < limit:
                used = left + half + 8
                yield _text(left, _BOTTOM + 20, grouped(phase.start))
        if right - left > _LETTER * len(phase.name) + 6:
            yield _text((left + right) / 2, _TOP - 12, phase.name)


def _scale(low: float, high: float) -> Iterator[str]:
    if low < high:
        yield _text(_LEFT - 6, _TOP + 4, f"{high:.5g}", "end")
        yield _text(_LEFT - 6, _BOTTOM + 4, f"{low:.5g}", "end")
    elif low == high:
        yield _text(_LEFT - 6, (_TOP + _BOTTOM) / 2 + 4, f"{low:.5g}", "end")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(shown)}</text>'
