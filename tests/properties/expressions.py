"""Random schedules, as expressions that the library and the oracle both understand.

An expression is drawn together with what later operations must know, and with what it is made of.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import oracle
import own
from hypothesis import strategies as st

import lrkernel as lrk

DEPTH = 4


class Drawn(NamedTuple):
    expression: str
    ended: bool  # has a length
    names: frozenset[str]  # the constructors and operations in it
    depth: int = 0  # of nodes inside nodes


def library(expression: str) -> lrk.Schedule:
    schedule = eval(expression, vars(lrk).copy())
    assert isinstance(schedule, lrk.Schedule)
    return schedule


def model(expression: str) -> oracle.Model:
    drawn = eval(expression, vars(oracle).copy())
    assert isinstance(drawn, oracle.Model)
    return drawn


positive = st.sampled_from([1.0, 0.1, 3e-4, 1e-5, 0.25, 2.5]) | st.floats(1e-6, 10.0)
values = positive | st.sampled_from([0.0, -0.3, -1.0])
lengths = st.integers(1, 60) | st.sampled_from([0.5, 2.75, 10.25, 33.3, 7.1]) | st.sampled_from([512, 10**6, 2**31 + 7])
whole_lengths = st.integers(1, 60) | st.sampled_from([512, 10**6, 10**9])
gammas = st.sampled_from([0.1, 0.5, 0.9, 0.999, 1.0])  # above 1 they end in inf, and 0 inf is no number
powers = st.sampled_from([0.5, 1.0, 2.0, 3.0, 0.3, 2.7, 10.0])


@st.composite
def call(draw: st.DrawFn, name: str, *arguments: st.SearchStrategy[object]) -> str:
    return f"{name}({', '.join(repr(draw(argument)) for argument in arguments)})"


increasing: st.SearchStrategy[list[int]] = st.lists(st.integers(1, 10**4), min_size=1, max_size=5, unique=True).map(sorted)


@st.composite
def knots(draw: st.DrawFn) -> str:
    steps = draw(increasing)
    numbers = draw(st.lists(positive, min_size=len(steps), max_size=len(steps)))
    return f"piecewise_linear({steps}, {numbers})"


@st.composite
def stairs(draw: st.DrawFn) -> str:
    boundaries = draw(increasing)
    numbers = draw(st.lists(values, min_size=len(boundaries) + 1, max_size=len(boundaries) + 1))
    return f"piecewise_constant({numbers}, {boundaries})"


# Of each constructor: whether its schedules have a length, and how to call it.
Constructors = dict[str, tuple[bool, st.SearchStrategy[str]]]

primitives: Constructors = {
    "constant": (True, call("constant", values, lengths)),
    "constant for ever": (False, call("constant", values)),
    "linear": (True, call("linear", values, values, lengths)),
    "cosine": (True, call("cosine", values, values, lengths)),
    "cosine with cycles": (
        True,
        call("cosine", positive, positive, lengths, st.sampled_from([1, 1.5, 7.25, 0.3])),
    ),
    "polynomial": (True, call("polynomial", values, values, lengths, powers)),
    "power_ramp": (True, call("power_ramp", values, values, lengths, powers)),
    "geometric": (True, call("geometric", positive, positive, lengths)),
    "exponential": (
        False,
        call("exponential", values, gammas, st.sampled_from([1, 7, 100, 0.5, 12.34])),
    ),
    "step": (False, call("step", values, st.sampled_from([1, 3, 30, 2.5, 0.7]), gammas)),
    "multistep": (
        False,
        call("multistep", values, st.lists(st.integers(0, 99), max_size=4), gammas),
    ),
    "inverse_sqrt": (False, call("inverse_sqrt", values, lengths)),
    "piecewise_constant": (False, stairs()),
    "piecewise_linear": (True, knots()),
    "from_values": (True, call("from_values", st.lists(values, min_size=1, max_size=9))),
    "shape": (True, call(repr(own.own), values, values, lengths)),
}


@st.composite
def to_total(draw: st.DrawFn, name: str) -> str:
    warmup, rest, peak = draw(whole_lengths), draw(whole_lengths), draw(positive)
    floor, init = draw(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
    total = warmup + draw(st.sampled_from([0, rest]))
    return f"{name}({peak!r}, {warmup}, {total}, floor={peak * floor!r}, init={peak * init!r})"


@st.composite
def plateaus(draw: st.DrawFn) -> str:
    marks = sorted(draw(st.lists(st.integers(0, 99), max_size=6, unique=True)))
    spans = [(a, b - a) for a, b in zip(marks[::2], marks[1::2], strict=False)]
    warmup, ratio = draw(st.integers(0, 50)), draw(st.sampled_from([0.0, 0.1, 0.5]))
    total = warmup + draw(whole_lengths)
    return f"cosine_plateau({draw(positive)!r}, {total}, {warmup}, {spans}, {ratio})"


decay_shapes = st.sampled_from(["linear", "cosine", "1-sqrt"])
stable = st.integers(0, 60) | st.just(10**6)

builders: Constructors = {
    "warmup_cosine": (True, to_total("warmup_cosine")),
    "warmup_linear": (True, to_total("warmup_linear")),
    "warmup_constant": (False, call("warmup_constant", positive, lengths)),
    "wsd": (
        True,
        call("wsd", positive, lengths, stable, lengths, st.just(0.0), st.just(1e-7), decay_shapes),
    ),
    "cosine_restarts": (
        False,
        call(
            "cosine_restarts",
            positive,
            st.integers(1, 60),
            st.sampled_from([1.0, 1.5, 2.0]),
            st.just(0.0),
            st.integers(0, 20),
        ),
    ),
    "cosine_plateau": (True, plateaus()),
}

constructors: Constructors = {**primitives, **builders}


@st.composite
def leaf(draw: st.DrawFn) -> Drawn:
    name = draw(st.sampled_from(sorted(constructors)))
    ended, strategy = constructors[name]
    return Drawn(draw(strategy), ended, frozenset([name]))


def finite(drawn: Drawn, draw: st.DrawFn) -> Drawn:
    """The same with a length, as operations that need one demand."""
    if drawn.ended:
        return drawn
    return drawn._replace(expression=f"{drawn.expression}.cut({draw(lengths)!r})", ended=True)


Operation = Callable[[st.DrawFn, st.SearchStrategy[Drawn]], Drawn]


def joined(text: str, ended: bool, parts: list[Drawn], deeper: int = 0) -> Drawn:
    names = frozenset().union(*(part.names for part in parts))
    return Drawn(text, ended, names, max(part.depth for part in parts) + deeper)


def in_a_row(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    *first, last = draw(st.lists(parts, min_size=2, max_size=4))
    everything = [*(finite(part, draw) for part in first), last]
    inner = ", ".join(part.expression for part in everything)
    return joined(f"sequence({inner})", last.ended, everything)


def at_steps(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    drawn = draw(st.lists(parts, min_size=2, max_size=4))
    marks = sorted(draw(st.lists(lengths, min_size=len(drawn) - 1, max_size=len(drawn) - 1)))
    inner = ", ".join(part.expression for part in drawn)
    return joined(f"sequence({inner}, at={marks})", drawn[-1].ended, drawn)


def then(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    a, b = finite(draw(parts), draw), draw(parts)
    return joined(f"{a.expression}.then({b.expression})", b.ended, [a, b])


def times(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    a, b = draw(parts), draw(parts)
    return joined(f"({a.expression} * {b.expression})", a.ended and b.ended, [a, b], deeper=1)


def cut(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    part = draw(parts)
    return joined(f"{part.expression}.cut({draw(lengths)!r})", True, [part])


def skip(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    part = draw(parts)
    n, length = draw(st.integers(0, 60) | st.just(10**6)), library(part.expression).length
    if length is not None:
        n = min(n, math.ceil(length) - 1)
    return joined(f"{part.expression}.skip({n})", part.ended, [part], deeper=1)


def for_ever(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
    part = finite(draw(parts), draw)
    return joined(f"{part.expression}.repeat()", False, [part], deeper=1)


def on_one(
    pattern: str,
    *arguments: st.SearchStrategy[object],
    needs_length: bool = False,
    deeper: int = 1,
) -> Operation:
    """An operation on one schedule, as a pattern with a place for it and for what is drawn."""

    def operation(draw: st.DrawFn, parts: st.SearchStrategy[Drawn]) -> Drawn:
        part = draw(parts)
        if needs_length:
            part = finite(part, draw)
        text = pattern.format(part.expression, *(repr(draw(a)) for a in arguments))
        return joined(text, part.ended, [part], deeper)

    return operation


factors = st.sampled_from([0.5, 2.0, -1.0, 0.1, 3.7, 1e-3])
bounds = st.tuples(st.floats(-0.5, 0.2), st.floats(0.3, 2.0))

operations: dict[str, Operation] = {
    "sequence": in_a_row,
    "sequence at": at_steps,
    "then": then,
    "product": times,
    "scale": on_one("({} * {})", factors),
    "scale from the left": on_one("({1} * {0})", factors),
    "divide": on_one("({} / {})", factors),
    "negate": on_one("(-{})"),
    "offset": on_one("({} + {})", factors),
    "offset from the left": on_one("({1} + {0})", factors),
    "subtract": on_one("({} - {})", factors),
    "clip": on_one("{}.clip(*{})", bounds),
    "clip below": on_one("{}.clip(lo={})", st.floats(-0.5, 0.5)),
    "clip above": on_one("{}.clip(hi={})", st.floats(-0.5, 0.5)),
    "shift": on_one("{}.shift({})", st.integers(0, 50) | st.just(2.5), deeper=0),
    "cut": cut,
    "skip": skip,
    "stretch": on_one("{}.stretch({})", st.integers(1, 2000) | st.just(77.7), needs_length=True, deeper=0),
    "repeat": on_one("{}.repeat({})", st.integers(1, 5), needs_length=True),
    "repeat for ever": for_ever,
    "by_epoch": on_one("{}.by_epoch({})", st.integers(1, 20) | st.just(2.5)),
}


@st.composite
def composed(draw: st.DrawFn, depth: int) -> Drawn:
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(leaf())
    name = draw(st.sampled_from(sorted(operations)))
    drawn = operations[name](draw, composed(depth - 1))
    return drawn._replace(names=drawn.names | {name})


schedules: st.SearchStrategy[Drawn] = composed(DEPTH)
expressions: st.SearchStrategy[str] = schedules.map(lambda drawn: drawn.expression)
