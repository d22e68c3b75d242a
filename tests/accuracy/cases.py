"""The schedules on which every formula is measured, as expressions for library and oracle."""

import inspect
import random
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from math import log
from typing import NamedTuple

import oracle
import own

LAST = 2**63 - 1

# Both ends of one sign: the error is relative, down to the last subnormal.
SAME_SIGN = [
    (0.0, 1.0),
    (1.0, 0.0),
    (1e-3, 1e-5),
    (1e-5, 1e-3),
    (3e-4, 0.0),
    (0.1, 0.0999),
    (1e-300, 1e300),
    (1e300, 1e-300),
    (5e-324, 1.0),
    (1.0, 5e-324),
    (0.0, 5e-324),
    (2e-308, 1e-310),
    (-0.1, -0.7),
    (-2.0, 0.0),
    (1.0, 1.0000000000000002),
    (1.7e308, 1.6e308),
    (0.3, 0.3),
    (0.0, 0.0),
    (1.99, 0.0),
    (0.499, 1e-3),
]
ACROSS_ZERO = [
    (1.0, -1.0),
    (-0.1, 0.7),
    (1e300, -1e300),
    (1.7e308, -1.7e308),
    (-1e-300, 1.0),
    (1.99, -1.99),
    (-0.499, 0.2),
]
NOT_ZERO = [(start, stop) for start, stop in [*SAME_SIGN, (5e-324, 1.7e308), (1e-10, 3.0)] if start * stop]
SPANS: list[int | float] = [
    1,
    2,
    3,
    10,
    255,
    256,
    257,
    1000,
    33907,
    10**6 + 3,
    10**7,
    10**9,
    2**30 + 1,
    2**31 - 1,
    2**40 + 1,
    10**15 + 37,
    2**53 - 1,
]
# Begin and duration that are not whole: 0.8 * 33907 is where a last fifth of 33907 steps begins.
REAL_SPANS: list[tuple[float, float]] = [
    (27125.6, 6781.4),
    (0.9, 0.2),
    (0.5, 10.25),
    (1e6 / 3, 1e5 / 7),
    (3.0000000000000004, 99.99),
    (123456789.3, 1e9 + 0.7),
    (1e15 + 0.5, 1e14 + 0.25),
]
POWERS = [0.1, 0.25, 0.5, 0.9, 1.0, 1.5, 2.0, 2.2, 3.0, 4.0, 5.5, 10.0, 33.0, 100.0]
CYCLES = [0.5, 1.0, 1.5, 7.25, 0.3, 123.456]
STARTS = [1.0, 0.1, 1e300, 1e-300, -2.5, 5e-324, 0.0]
GAMMAS = [
    0.5,
    0.1,
    0.95,
    0.9999999,
    0.99999999999,
    0.9999999999999999,
    1.0000000000000002,
    1.0,
    1.1,
    2.0,
    1e-300,
    1e300,
]


class Case(NamedTuple):
    """One schedule and how it is to be measured."""

    expression: str
    marks: tuple[float, ...] = ()  # steps worth a look beside the general ones
    scale: float | None = None  # the value whose ulp counts, where the curve crosses zero
    bar: float = oracle.FINE  # what is promised, whatever the row says
    dense: bool = False  # many random steps instead of the general ones


def text(name: str, *arguments: object) -> str:
    return f"{name}({', '.join(map(repr, arguments))})"


def late(begin: float, expression: str) -> str:
    """`expression` from a begin that is not whole, so that its clock never reads a whole number."""
    return f"constant(0.5, {begin!r}).then({expression})"


def some(name: str, cases: Iterable[Case], count: int) -> list[Case]:
    """`count` of the cases, the same ones every time."""
    everything = list(cases)
    return random.Random(name).sample(everything, min(count, len(everything)))


def crossing(start: float, stop: float) -> float | None:
    return max(abs(start), abs(stop)) if min(start, stop) < 0 < max(start, stop) else None


def zeros(begin: float, steps: float, *more: float) -> tuple[float, ...]:
    """Where a cosine with `cycles` touches its ends: the first four times and the last four."""
    if not more:
        return ()
    count = int(2 * more[0])
    touches = {*range(1, min(count, 4) + 1), *range(max(count - 4, 1), count + 1)}
    return tuple(begin + steps * k / (2 * more[0]) for k in sorted(touches))


def case(name: str, ends: tuple[float, float], begin: float, steps: float, *more: float) -> Case:
    """A shape that goes from start to stop, behind a constant part if it begins later."""
    expression = text(name, *ends, steps, *more)
    return Case(
        late(begin, expression) if begin else expression,
        marks=zeros(begin, steps, *more) if name == "cosine" else (),
        scale=crossing(*ends),
        bar=oracle.power_bound(*more) if "power" in inspect.signature(getattr(oracle, name)).parameters else oracle.FINE,
    )


def between(name: str, ends: list[tuple[float, float]], count: int, extra: Sequence[float] = ()) -> list[Case]:
    """Spans from step 0, spans from a begin that is not whole, and where an ulp is smallest."""
    more: list[tuple[float, ...]] = [(x,) for x in extra] or [()]
    plain = (case(name, pair, 0.0, steps, *x) for pair, steps, x in product(ends, SPANS, more))
    delayed = (case(name, pair, begin, steps, *x) for pair, (begin, steps), x in product(ends, REAL_SPANS, more))
    return [
        *some(name, plain, count),
        *some(name, delayed, count // 3),
        *(dense(name, seed, more) for seed in range(60)),
    ]


def dense(name: str, seed: int, more: list[tuple[float, ...]]) -> Case:
    """Ends just below a power of two, where an ulp is smallest beside them: many steps of a span."""
    rng = random.Random(f"{name} {seed}")
    start = rng.uniform(1.9, 2.0)
    near = start * 2.0 ** rng.uniform(-20.0, 0.0)
    stop = rng.choice([near, -near if name != "geometric" else near, 0.0 if name != "geometric" else near])
    ends = (start, stop) if rng.random() < 0.5 else (stop, start)
    steps: float = int(2.0 ** rng.uniform(6.0, 53.0))
    begin = 0.0
    if rng.random() < 0.5:
        begin, steps = 2.0 ** rng.uniform(0.0, 30.0), 2.0 ** rng.uniform(6.0, 50.0)
    found = case(name, ends, begin, steps, *rng.choice(more))
    return found._replace(dense=True)


def exponentials() -> Iterator[Case]:
    for start, gamma, every in product(STARTS, GAMMAS, [1, 10, 0.1, 1e6 / 3, 2.0**52]):
        rate = abs(log(gamma)) / every
        marks = tuple(x / rate for x in (1e-3, 0.3, 10.0, 690.0, 740.0)) if rate else ()
        yield Case(text("exponential", start, gamma, every), marks)


def stairs() -> Iterator[Case]:
    for start, size, gamma in product(STARTS, [1, 3, 30, 0.1, 0.7, 1e9 + 0.5, 2**53 - 1], GAMMAS):
        marks = tuple(float(size * k) for k in (1, 2, 3, 10, 100, 300, 12345, 10**8))
        yield Case(text("step", start, size, gamma), marks)


def multisteps() -> list[Case]:
    milestones: list[list[float]] = [
        [30, 60],
        [5, 5, 1],
        [0, 10.5, 20.25],
        [2**52, 2**52 + 1, 100],
    ]
    return [
        Case(text("multistep", start, marks, gamma), tuple(marks))
        for start in (0.1, 1e300, -2.5)
        for marks in milestones
        for gamma in (0.1, 0.5, 1e-300, 1.1)
    ]


OWN = repr(own.own)


def shapes_of_your_own() -> Iterator[Case]:
    """From a begin that is not whole only where nothing goes to 0: there every rounding of u counts, which is not the row's."""
    for start, stop in SAME_SIGN + ACROSS_ZERO:
        for steps in SPANS:
            yield Case(f"{OWN}({start!r}, {stop!r}, {steps!r})", scale=crossing(start, stop))
    for begin, steps in REAL_SPANS:
        yield Case(late(begin, f"{OWN}(0.3, 0.1, {steps!r})"))


def cases() -> dict[str, list[Case]]:
    """What to measure, per constructor."""
    ends = SAME_SIGN + ACROSS_ZERO
    begins = [begin for begin, _ in REAL_SPANS]
    return {
        "constant": [
            Case("constant(0.1)"),
            Case("constant(-3e-5, 10)"),
            Case("constant(1e300, 0.5)"),
        ],
        "linear": [Case("linear(1.0, 0.0, 1000000000)"), *between("linear", ends, 200)],
        "cosine": [
            Case("cosine(1.0, 0.0, 10000000)"),
            Case("cosine(0.001, 0.0, 10000000)"),
            *between("cosine", ends, 150),
            *between("cosine", ends, 200, CYCLES),
        ],
        "polynomial": [
            Case("polynomial(1.0, 0.0, 1000000000, 2.0)"),
            *between("polynomial", ends, 250, POWERS),
        ],
        "power_ramp": [
            Case("power_ramp(1.0, 0.0, 1000000000, 0.5)"),
            *between("power_ramp", ends, 250, POWERS),
        ],
        "geometric": between("geometric", NOT_ZERO, 150),
        "exponential": [
            *some("exponential", exponentials(), 150),
            *(Case(late(begin, "exponential(0.1, 0.99)")) for begin in begins),
        ],
        "step": [
            *some("step", stairs(), 200),
            *(Case(late(begin, f"step(0.1, {size}, 0.9999)")) for begin in begins for size in (7.3, 0.3)),
        ],
        "multistep": multisteps(),
        "inverse_sqrt": [
            *(
                Case(text("inverse_sqrt", start, timescale), (float(timescale),))
                for start, timescale in product(STARTS, [1, 4000, 0.5, 1e-3, 1e15, 1e-300, 1e-310, 1e6 / 3])
            ),
            *(Case(late(begin, "inverse_sqrt(0.1, 3.7)")) for begin in begins),
        ],
        "shape": list(shapes_of_your_own()),
        "piecewise_constant": [
            Case("piecewise_constant([1.0, 0.5, -0.25], [10, 20.5])", (10.0, 20.5)),
            Case("piecewise_constant([1e-300, 1e300], [4503599627370497])", (2.0**52,)),
        ],
        "piecewise_linear": [
            Case("piecewise_linear([0, 10, 20.5, 1000000], [0.0, 1.0, 0.25, 0.0])"),
            Case("piecewise_linear([5, 100, 4503599627370496], [0.1, 3.0, 0.0])"),
        ],
        "from_values": [
            Case("from_values([0.1, 0.25, -3.0, 1e300, 5e-324])"),
            Case(late(2.5, "from_values([0.1, 0.25, -3.0])")),
        ],
    }


def windows(case: Case, boundaries: list[Fraction]) -> list[range]:
    """Around boundaries and marks; linear, log-spaced from both ends, random; the very last."""
    rng = random.Random(case.expression)
    chosen = [range(LAST - 2, LAST + 1)]
    chosen += [range(max(int(b) - 6, 0), int(b) + 8) for b in boundaries]
    chosen += [range(int(m) - 2, int(m) + 4) for m in case.marks if 2 <= m < 2.0**62]
    ends = [int(b) for b in boundaries]
    for begin, stop in zip(ends, [*ends[1:], LAST], strict=True):
        width = stop - begin
        if width <= 1:
            continue
        if not case.dense:
            chosen.append(range(begin, stop, max(width // 17, 1)))
        for _ in range(40 if case.dense else 12):
            distance = int(2.0 ** rng.uniform(0.0, width.bit_length() - 1))
            chosen.append(range(begin + distance, begin + distance + 1))
            chosen.append(range(stop - distance, stop - distance + 1))
        for _ in range(20 if case.dense else 3):
            t = rng.randrange(begin, stop)
            chosen.append(range(t, min(t + 4, LAST)))
    return chosen
