"""The readable slow model: every primitive, builder and operation in 60-digit arithmetic.

It shares no code and no idea of speed with the library: a schedule is a list of pieces, a piece is
a formula of an exact rational clock, and a value comes with a rigorous bound of the error that
float64 evaluation may show. The names are the library's, so one expression is evaluated against
either. Boundaries are fl(start + duration), whole numbers exact; a span is boundary minus boundary;
past the end the limit from the left holds.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import mpmath
import ulp as ulps
from mpmath import mpf

mpmath.mp.dps = 60

Real = int | float | Fraction
LAST = 2**63 - 1
ZERO, HALF, ONE = Fraction(0), Fraction(1, 2), Fraction(1)

# What the formulas may lose, in ulp of the result: the bars that the library promises.
FINE = 4.5
POWER = 8.0


class Point(NamedTuple):
    """An exact value and a bound of the absolute error of its float64 evaluation."""

    value: mpf
    error: mpf


# Of the steps since the piece began, its span (None: open) and whether the left limit is meant.
Formula = Callable[[Fraction, Fraction | None, bool], Point]


class Piece(NamedTuple):
    """`formula` over `span` steps, owning `owned` steps (None: all the rest).

    It is read up to `limit` and held from there on, at its limit from the left; None where it knows
    by itself, as what is computed from another schedule does.
    """

    owned: Fraction | None
    limit: Fraction | None
    span: Fraction | None
    formula: Formula
    exact: bool = True


def whole(x: Fraction) -> bool:
    return x.denominator == 1


def rounded(x: Fraction) -> Fraction:
    """A boundary: whole numbers stay exact, the rest is rounded to float64."""
    return x if whole(x) else Fraction(float(x))


def real(x: Fraction) -> mpf:
    return mpf(x.numerator) / x.denominator


def point(value: mpf, bound: float, scale: mpf | None = None) -> Point:
    return Point(value, bound * ulps.ulp(value if scale is None else scale))


class Model:
    """A schedule as pieces that follow one another from step 0 on."""

    def __init__(self, pieces: Sequence[Piece], length: Fraction | None):
        self.pieces = tuple(pieces)
        self.length = length

    # ---- evaluation ----

    @cached_property
    def rows(self) -> list[tuple[Fraction, Fraction | None, Piece]]:
        """The pieces between their boundaries."""
        rows: list[tuple[Fraction, Fraction | None, Piece]] = []
        begin = ZERO
        for piece in self.pieces:
            if piece.owned is None:
                rows.append((begin, None, piece))
                break
            end = rounded(begin + piece.owned)
            rows.append((begin, end, piece))
            begin = end
        return rows

    @property
    def exact(self) -> bool:
        """Whether all boundaries are whole, so that no step may be read as its neighbour."""
        return all(whole(begin) and (end is None or whole(end)) and piece.exact for begin, end, piece in self.rows)

    def at(self, clock: Real, left: bool = False) -> Point:
        """The value at `clock`, or its limit from the left."""
        t = Fraction(clock)
        begins = [row[0] for row in self.rows]
        index = bisect_left(begins, t) if left else bisect_right(begins, t)
        begin, end, piece = self.rows[max(index - 1, 0)]
        span, limit = piece.span, piece.limit
        if end is not None:  # a span is boundary minus boundary, here and where the piece was cut
            if span == piece.owned:
                span = end - begin
            if limit == piece.owned:
                limit = end - begin
        inside = t - begin
        if limit is not None and inside >= limit:
            return piece.formula(limit, span, True)
        return piece.formula(inside, span, left)

    def __call__(self, clock: Real) -> mpf:
        return self.at(clock).value

    def boundaries(self) -> list[Fraction]:
        return [begin for begin, _, _ in self.rows] + [end for _, end, _ in self.rows[-1:] if end is not None]

    # ---- algebra ----

    def then(self, other: "Model") -> "Model":
        return sequence(self, other)

    def __mul__(self, k: "float | Model") -> "Model":
        if isinstance(k, Model):
            return product(self, k)
        factor = mpf(k)
        return self._mapped(lambda p: _rounded_once(p.value * factor, p.error * abs(factor)))

    __rmul__ = __mul__

    def __truediv__(self, k: float) -> "Model":
        divisor = mpf(k)
        return self._mapped(lambda p: _rounded_once(p.value / divisor, p.error / abs(divisor)))

    def __neg__(self) -> "Model":
        return self * -1.0

    def __add__(self, c: float) -> "Model":
        term = mpf(c)

        def formula(p: Point) -> Point:
            total = p.value + term
            return Point(total, p.error + ulps.ulp(max(abs(p.value), abs(term), abs(total))) / 2)

        return self._mapped(formula)

    __radd__ = __add__

    def __sub__(self, c: float) -> "Model":
        return self + -c

    def clip(self, lo: float | None = None, hi: float | None = None) -> "Model":
        def formula(p: Point) -> Point:
            value = p.value
            if lo is not None:
                value = max(value, mpf(lo))
            if hi is not None:
                value = min(value, mpf(hi))
            return Point(value, p.error)

        return self._mapped(formula)

    def shift(self, n: Real) -> "Model":
        first = self.at(0)
        delay = Fraction(n)
        held = Piece(delay, delay, delay, lambda clock, span, left: first)
        length = None if self.length is None else rounded(delay + self.length)
        return Model([*([held] if delay else []), *self.pieces], length)

    def cut(self, step: Real) -> "Model":
        stop = Fraction(step)
        kept = [(begin, piece) for begin, _, piece in self.rows if begin < stop]
        begin, last = kept.pop()
        return Model([*(piece for _, piece in kept), _ended(last, stop - begin)], stop)

    def skip(self, n: int) -> "Model":
        child = self

        def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
            later = clock + n
            later -= max(math.floor(later) - LAST, 0)
            if child.exact and whole(later) and not stretching:
                return child.at(later, left)
            slack = later / 2**46  # what is rounded is this clock, of which the caller's may be a small part
            points = [child.at(clock, left) for clock in (later, later - slack, later + slack)]
            low = min(p.value - p.error for p in points)
            high = max(p.value + p.error for p in points)
            return Point((low + high) / 2, (high - low) / 2)

        length = None if self.length is None else rounded(self.length - n)
        return Model([Piece(length, None, length, formula, self.exact)], length)

    def stretch(self, new_total: Real) -> "Model":
        assert self.length is not None
        total = Fraction(new_total)
        ratio = total / self.length
        return Model([_stretched(piece, ratio) for piece in self.pieces], total)

    def repeat(self, times: int | None = None) -> "Model":
        period = self.length
        assert period is not None
        if times == 1:
            return self
        child = self

        def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
            cycle = clock // period
            inside = clock - cycle * period
            if left and ((inside == 0 and cycle > 0) or clock == length):  # which is rounded
                return child.at(period, left=True)
            if times is not None and cycle >= times:
                return child.at(period, left=True)
            return child.at(inside, left)

        length = None if times is None else rounded(period * times)
        exact = self.exact and whole(period)
        return Model([Piece(length, length, length, formula, exact)], length)

    def by_epoch(self, steps_per_epoch: Real) -> "Model":
        n = Fraction(steps_per_epoch)
        child = self

        def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
            epoch = clock // n
            if left and epoch * n == clock and epoch > 0:
                epoch -= 1
            return child.at(epoch)

        length = None if self.length is None else rounded(math.ceil(self.length) * n)
        exact = self.exact and whole(n)
        return Model([Piece(length, None, length, formula, exact)], length)

    def _mapped(self, function: Callable[[Point], Point]) -> "Model":
        child = self

        def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
            return function(child.at(clock, left))

        return Model([Piece(self.length, None, self.length, formula, self.exact)], self.length)


def _rounded_once(value: mpf, error: mpf) -> Point:
    return Point(value, error + ulps.ulp(value) / 2)


def _ended(piece: Piece, owned: Fraction) -> Piece:
    """`piece` made to own `owned` steps: cut short, or padded with the value it ended on."""
    limit = owned if piece.limit is None else min(piece.limit, owned)
    return piece._replace(owned=owned, limit=limit)


stretching: list[Fraction] = []  # the ratios of the stretches that are being read through; they round the n of a skip


def _stretched(piece: Piece, ratio: Fraction) -> Piece:
    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        stretching.append(ratio)
        try:
            return piece.formula(clock / ratio, None if span is None else span / ratio, left)
        finally:
            stretching.pop()

    def scaled(x: Fraction | None) -> Fraction | None:
        return None if x is None else x * ratio

    return Piece(scaled(piece.owned), scaled(piece.limit), scaled(piece.span), formula, False)


def product(a: Model, b: Model) -> Model:
    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        x, y = a.at(clock, left), b.at(clock, left)
        error = abs(x.value) * y.error + abs(y.value) * x.error + x.error * y.error
        return _rounded_once(x.value * y.value, error)

    length = None if a.length is None or b.length is None else max(a.length, b.length)
    return Model([Piece(length, None, length, formula, a.exact and b.exact)], length)


def sequence(*parts: Model, at: Sequence[Real] | None = None) -> Model:
    pieces: list[Piece] = []
    begin = ZERO
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if at is not None and not last:
            stop = Fraction(at[index])
            if stop > begin:
                pieces.extend(part.cut(stop - begin).pieces)
        else:
            assert last or part.length is not None
            stop = begin if part.length is None else rounded(begin + part.length)
            pieces.extend(part.pieces)
        begin = stop
    return Model(pieces, None if parts[-1].length is None else begin)


# ---- primitives ----


def _one(formula: Formula, steps: Real | None) -> Model:
    span = None if steps is None else Fraction(steps)
    return Model([Piece(span, span, span, formula)], span)


def _end_scale(start: float, stop: float, value: mpf) -> mpf:
    """What an ulp is counted of: the value, or the larger end where the curve crosses zero."""
    return mpf(max(abs(start), abs(stop))) if min(start, stop) < 0 < max(start, stop) else value


def _between(start: float, stop: float, weight: Callable[[Fraction], mpf], bound: float) -> Formula:
    """start + (stop - start) weight(u), u = clock / span clamped to [0, 1]."""

    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        assert span is not None
        u = min(max(clock / span, ZERO), ONE)
        w = weight(u)
        value = mpf(start) * (1 - w) + mpf(stop) * w
        return point(value, bound, _end_scale(start, stop, value))

    return formula


def constant(value: float, steps: Real | None = None) -> Model:
    return _one(lambda clock, span, left: Point(mpf(value), mpf(0)), steps)


def linear(start: float, stop: float, steps: Real) -> Model:
    return _one(_between(start, stop, real, FINE), steps)


def cosine(start: float, stop: float, steps: Real, cycles: float = 0.5) -> Model:
    turns = Fraction(cycles)

    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        assert span is not None
        u = min(max(clock / span, ZERO), ONE)
        # (1 +- cos(2 pi c u)) / 2 are squares; with the turn reduced exactly both are relative
        # near their zeros.
        turn = turns * u % 1
        near = mpmath.sinpi(real(abs(turn - HALF))) ** 2
        far = mpmath.sinpi(real(min(turn, 1 - turn))) ** 2
        value = mpf(start) * near + mpf(stop) * far
        return point(value, FINE, _end_scale(start, stop, value))

    return _one(formula, steps)


def _power(u: Fraction, power: float) -> mpf:
    return mpf(0) if u == 0 else mpmath.power(real(u), mpf(power))


def power_bound(power: float) -> float:
    """What is promised of x^power: the finer bar for whole powers and the square root."""
    return FINE if power == int(power) or power == 0.5 else POWER


def polynomial(start: float, stop: float, steps: Real, power: float) -> Model:
    return _one(_between(stop, start, lambda u: _power(1 - u, power), power_bound(power)), steps)


def power_ramp(start: float, stop: float, steps: Real, power: float) -> Model:
    return _one(_between(start, stop, lambda u: _power(u, power), power_bound(power)), steps)


def geometric(start: float, stop: float, steps: Real) -> Model:
    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        assert span is not None
        u = min(max(clock / span, ZERO), ONE)
        if u == 1:
            return point(mpf(stop), FINE)
        return point(mpf(start) * mpmath.power(mpf(stop) / mpf(start), real(u)), FINE)

    return _one(formula, steps)


def exponential(start: float, gamma: float, every: Real = 1) -> Model:
    return _one(
        lambda clock, span, left: point(mpf(start) * mpmath.power(mpf(gamma), real(clock / Fraction(every))), FINE),
        None,
    )


def _count(clock: Fraction, unit: Fraction, left: bool) -> int:
    """floor(clock / unit), or one less exactly on a stair when the limit from the left is meant."""
    k = clock // unit
    return k - 1 if left and k > 0 and k * unit == clock else k


def step(start: float, step_size: Real, gamma: float) -> Model:
    return _one(
        lambda clock, span, left: point(mpf(start) * mpmath.power(mpf(gamma), _count(clock, Fraction(step_size), left)), FINE),
        None,
    )


def _passed(marks: Sequence[Fraction], clock: Fraction, left: bool) -> int:
    return sum(mark < clock or (mark == clock and not left) for mark in marks)


def multistep(start: float, milestones: Sequence[Real], gamma: float) -> Model:
    marks = [Fraction(m) for m in milestones]
    return _one(
        lambda clock, span, left: point(mpf(start) * mpmath.power(mpf(gamma), _passed(marks, clock, left)), FINE),
        None,
    )


def inverse_sqrt(start: float, timescale: Real) -> Model:
    scale = Fraction(timescale)
    return _one(
        lambda clock, span, left: point(mpf(start) * mpmath.sqrt(real(scale / (clock + scale))), FINE),
        None,
    )


def piecewise_constant(values: Sequence[float], boundaries: Sequence[Real]) -> Model:
    marks = [Fraction(b) for b in boundaries]
    return _one(lambda clock, span, left: Point(mpf(values[_passed(marks, clock, left)]), mpf(0)), None)


def piecewise_linear(steps: Sequence[Real], values: Sequence[float]) -> Model:
    knots = [Fraction(s) for s in steps]
    parts = [constant(values[0], knots[0])] if knots[0] > 0 else []
    for i in range(len(knots) - 1):
        parts.append(linear(values[i], values[i + 1], knots[i + 1] - knots[i]))
    return sequence(*parts)


def from_values(array: Sequence[float]) -> Model:
    values = [float(v) for v in array]

    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        index = min(_count(clock, ONE, left), len(values) - 1)
        return Point(mpf(values[index]), mpf(0))

    return _one(formula, len(values))


def shape(name: str) -> Callable[[float, float, Real], Model]:
    """The one shape of its own that tests register (own.py): what its function gives for the rounded u is exact by definition."""
    assert name == "own"

    def own(start: float, stop: float, steps: Real) -> Model:
        def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
            assert span is not None
            u = min(max(float(clock) / float(span), 0.0), 1.0)
            w = mpf(1.0 - u * u * (3.0 - 2.0 * u))
            # u may be a few roundings off in a clock that is no whole number, and the slope is 3/2 at most
            return point(mpf(start) * w + mpf(stop) * (1 - w), 16.0, mpf(max(abs(start), abs(stop))))

        return _one(formula, steps)

    return own


# ---- builders ----


def _warmed(init: float, peak: float, warmup: Real) -> list[Model]:
    return [linear(init, peak, warmup)] if warmup > 0 else []


def _decayed(shape: str, peak: float, floor: float, steps: Fraction) -> Model:
    if steps == 0:  # nothing but the value held from here on
        return constant(floor, 0)
    if shape == "linear":
        return linear(peak, floor, steps)
    if shape == "cosine":
        return cosine(peak, floor, steps)
    assert shape == "1-sqrt"
    return power_ramp(peak, floor, steps, 0.5)


def _until(shape: str, peak: float, warmup: Real, total: Real, floor: float, init: float) -> Model:
    rest = Fraction(total) - Fraction(warmup)
    model = sequence(*_warmed(init, peak, warmup), _decayed(shape, peak, floor, rest))
    return Model(model.pieces, Fraction(total))


def warmup_cosine(peak: float, warmup: Real, total: Real, floor: float = 0.0, init: float = 0.0) -> Model:
    return _until("cosine", peak, warmup, total, floor, init)


def warmup_linear(peak: float, warmup: Real, total: Real, floor: float = 0.0, init: float = 0.0) -> Model:
    return _until("linear", peak, warmup, total, floor, init)


def warmup_constant(peak: float, warmup: Real, init: float = 0.0) -> Model:
    return sequence(*_warmed(init, peak, warmup), constant(peak))


def wsd(
    peak: float,
    warmup: Real,
    stable: Real | None,
    decay: Real,
    floor: float = 0.0,
    init: float = 0.0,
    decay_shape: str = "linear",
) -> Model:
    parts = _warmed(init, peak, warmup)
    if stable is None or stable == math.inf:
        return sequence(*parts, constant(peak))
    if stable > 0:
        parts.append(constant(peak, stable))
    return sequence(*parts, _decayed(decay_shape, peak, floor, Fraction(decay)))


def cycle_lengths(period: Real, mult: float, upto: int) -> list[int]:
    """int(period * mult**i) up to `upto` steps: the power correctly rounded, the product once."""
    lengths: list[int] = []
    total, index = 0, 0
    while total <= upto:
        with mpmath.workdps(400):
            power = Fraction(float(mpf(mult) ** index))
        steps = int(float(Fraction(period) * power))
        lengths.append(steps)
        total += steps
        index += 1
    return lengths


def cosine_restarts(
    peak: float,
    period: Real,
    mult: float = 1.0,
    floor: float = 0.0,
    warmup: Real = 0,
    init: float | None = None,
) -> Model:
    parts = _warmed(floor if init is None else init, peak, warmup)
    if mult == 1.0:
        return sequence(*parts, cosine(peak, floor, int(period)).repeat())
    begin, done = Fraction(warmup), 0
    for steps in cycle_lengths(period, mult, 2**63):  # boundaries from a table of exact integers
        done += steps
        end = rounded(Fraction(warmup) + done)
        parts.append(cosine(peak, floor, end - begin))
        begin = end
    return Model(sequence(*parts).pieces, None)


def cosine_plateau(
    peak: float,
    total: Real,
    warmup: Real = 0,
    plateaus: Sequence[tuple[float, float]] = (),
    floor_ratio: float = 0.0,
) -> Model:
    """Half cosines between plateaus, whose levels lie on the cosine without plateau time."""
    parts = _warmed(0.0, peak, warmup)
    rest = Fraction(total) - Fraction(warmup)
    floor = peak * floor_ratio
    n = int(rest) if whole(rest) else float(rest)
    spans = [(int(n * pos / 100), int(n * dur / 100)) for pos, dur in plateaus]
    spans.sort(key=lambda span: span[0])
    effective = rest - sum(steps for _, steps in spans)
    level, clock, spent = peak, ZERO, 0
    for begin, steps in spans:
        target = peak  # where plateaus leave no time at all
        if effective > 0:
            target = float(cosine(peak, floor, 1).at((begin - spent) / effective).value)
        if begin > clock:
            parts.append(_loosened(cosine(level, target, begin - clock)))
        parts.append(_loosened(constant(target, steps)))
        level, clock, spent = target, Fraction(begin + steps), spent + steps
    if rest > clock:
        parts.append(_loosened(cosine(level, floor, rest - clock)))
    elif not plateaus:
        parts.append(constant(floor, 0))
    model = sequence(*parts)
    return Model(model.pieces, Fraction(total))


def _loosened(model: Model) -> Model:
    """Plateau levels are computed: one more cosine's worth of error, and the floor's rounding."""
    (piece,) = model.pieces

    def formula(clock: Fraction, span: Fraction | None, left: bool) -> Point:
        p = piece.formula(clock, span, left)
        return Point(p.value, p.error + (FINE + 1) * ulps.ulp(p.value))

    return Model([piece._replace(formula=formula)], model.length)
