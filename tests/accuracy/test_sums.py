"""Sums against exact ones: closed forms in 100 digits, over ranges of up to 10^12 steps and at the very end of decays.

The references are made of power sums (Hurwitz' zeta function), geometric series and Dirichlet's kernel, of the exact float64
inputs, in digits enough for their own cancellation; the oracle sums step by step what has no closed form.
"""

import random
from collections.abc import Callable

import mpmath
import oracle
import pytest
from mpmath import mpf

import lrkernel as lrk

DIGITS = 100
BOUND, DECAYED = 1e-14, 1e-12
LONG = 10**12

Sum = Callable[[int, int], mpf]  # of the steps a .. b - 1


def powers(p: float, first: mpf, n: int) -> mpf:
    """first^p + (first + 1)^p + ..., n terms, first > 0, by Euler and Maclaurin from 60 on."""
    total, p = mpf(0), mpf(p)
    while n > 0 and first < 60:
        total += first**p
        first, n = first + 1, n - 1
    if n == 0:
        return total

    def tail(x: mpf) -> mpf:
        value, factor = (x ** (p + 1)) / (p + 1) - x**p / 2, p * x ** (p - 1)
        for k in range(1, 60):
            value += mpmath.bernoulli(2 * k) / mpmath.factorial(2 * k) * factor
            factor *= (p - 2 * k + 1) * (p - 2 * k) / x**2
        return value

    return total + tail(first + n) - tail(first)


def from_end(p: float, left: int, n: int) -> mpf:
    """(left)^p + (left - 1)^p + ..., n terms, down to 0 at the earliest."""
    last = left - n + 1
    return powers(p, mpf(last), n) if last > 0 else powers(p, mpf(1), n - 1)


def cosines(theta: mpf, a: int, b: int) -> mpf:
    """cos(theta a) + ... + cos(theta (b - 1))."""
    n = b - a
    return mpmath.sin(theta * n / 2) / mpmath.sin(theta / 2) * mpmath.cos(theta * (2 * a + n - 1) / 2)


def linear(start: float, stop: float, n: int) -> Sum:
    return lambda a, b: (b - a) * (mpf(start) + (mpf(stop) - mpf(start)) * (a + b - 1) / (2 * mpf(n)))


def cosine(start: float, stop: float, n: float, cycles: float = 0.5) -> Sum:
    def total(a: int, b: int) -> mpf:
        weight = ((b - a) + cosines(2 * mpmath.pi * mpf(cycles) / n, a, b)) / 2
        return (b - a) * mpf(stop) + (mpf(start) - mpf(stop)) * weight

    return total


def polynomial(start: float, stop: float, n: int, power: float) -> Sum:
    gap = mpf(start) - mpf(stop)
    return lambda a, b: (b - a) * mpf(stop) + gap * from_end(power, n - a, b - a) / mpf(n) ** mpf(power)


def power_ramp(start: float, stop: float, n: int, power: float) -> Sum:
    gap = mpf(stop) - mpf(start)
    return lambda a, b: (
        (b - a) * mpf(start) + gap * (powers(power, mpf(a), b - a) if a else powers(power, mpf(1), b - 1)) / mpf(n) ** mpf(power)
    )


def growth(first: mpf, ratio: mpf, a: int, b: int) -> mpf:
    return first * (ratio**a - ratio**b) / (1 - ratio)


def geometric(start: float, stop: float, n: int) -> Sum:
    return lambda a, b: growth(mpf(start), mpmath.root(mpf(stop) / mpf(start), n), a, b)


def exponential(start: float, gamma: float, every: float = 1) -> Sum:
    return lambda a, b: growth(mpf(start), mpf(gamma) ** (1 / mpf(every)), a, b)


def inverse_sqrt(start: float, timescale: float) -> Sum:
    return lambda a, b: mpf(start) * mpmath.sqrt(mpf(timescale)) * powers(-0.5, mpf(timescale) + a, b - a)


def step(start: float, size: int, gamma: float) -> Sum:
    def up_to(b: int) -> mpf:
        k, rest = divmod(b, size)
        return size * growth(mpf(start), mpf(gamma), 0, k) + rest * mpf(start) * mpf(gamma) ** k

    return lambda a, b: up_to(b) - up_to(a)


def after(first: Sum, n: int, second: Sum) -> Sum:
    """One row and then another one."""
    return lambda a, b: (first(a, min(b, n)) if a < n else mpf(0)) + (second(max(a, n) - n, b - n) if b > n else mpf(0))


def times(k: float, inner: Sum) -> Sum:
    return lambda a, b: mpf(k) * inner(a, b)


def cycles_of(inner: Sum, period: int) -> Sum:
    def up_to(b: int) -> mpf:
        k, rest = divmod(b, period)
        return k * inner(0, period) + (inner(0, rest) if rest else mpf(0))

    return lambda a, b: up_to(b) - up_to(a)


def falling_cycles(values: Callable[[int], mpf], period: int, n: int) -> Sum:
    """Cycles times linear(1.0, 0.0, n): what each of their steps adds in k cycles is an arithmetic series."""

    def up_to(b: int) -> mpf:
        k, rest = divmod(b, period)
        whole = mpmath.fsum(values(j) * (n - j - mpf(period) * (k - 1) / 2) for j in range(period))
        return (k * whole + mpmath.fsum(values(j) * (n - k * period - j) for j in range(rest))) / n

    return lambda a, b: up_to(b) - up_to(a)


MILLION = 10**6
EXACT: dict[str, tuple[Sum, int]] = {
    "linear(1.0, 0.0, 10**12)": (linear(1.0, 0.0, LONG), LONG),
    "linear(0.0, 3e-4, 12345)": (linear(0.0, 3e-4, 12345), 12345),
    "cosine(1.0, 0.0, 10**12)": (cosine(1.0, 0.0, LONG), LONG),
    "cosine(3e-4, 3e-5, 10**7)": (cosine(3e-4, 3e-5, 10**7), 10**7),
    "cosine(0.0, 0.1, 999983)": (cosine(0.0, 0.1, 999983), 999983),
    "cosine(1.0, 0.0, 10**6, 3.3)": (cosine(1.0, 0.0, MILLION, 3.3), MILLION),
    "cosine(1.0, 0.0, 10**12, 1e7)": (cosine(1.0, 0.0, LONG, 1e7), LONG),
    "cosine(1e-5, 3e-4, 99_999.123, 77.7)": (cosine(1e-5, 3e-4, 99_999.123, 77.7), 99_999),
    "polynomial(1.0, 0.0, 10**12, 2)": (polynomial(1.0, 0.0, LONG, 2), LONG),
    "polynomial(1.0, 0.0, 10**9, 0.3)": (polynomial(1.0, 0.0, 10**9, 0.3), 10**9),
    "polynomial(1.0, 1e-5, 10**6, 7.25)": (polynomial(1.0, 1e-5, MILLION, 7.25), MILLION),
    "polynomial(0.0, 1.0, 10**6, 2.7)": (polynomial(0.0, 1.0, MILLION, 2.7), MILLION),
    "power_ramp(1.0, 0.0, 10**12, 0.5)": (power_ramp(1.0, 0.0, LONG, 0.5), LONG),
    "power_ramp(0.0, 1.0, 10**6, 3)": (power_ramp(0.0, 1.0, MILLION, 3), MILLION),
    "power_ramp(0.0, 1.0, 10**6, 0.7)": (power_ramp(0.0, 1.0, MILLION, 0.7), MILLION),
    "geometric(1.0, 1e-9, 10**12)": (geometric(1.0, 1e-9, LONG), LONG),
    "geometric(1e-6, 1.0, 10**4)": (geometric(1e-6, 1.0, 10**4), 10**4),
    "exponential(1.0, 0.999)": (exponential(1.0, 0.999), 10**5),
    "exponential(1.0, 0.9, 1e9)": (exponential(1.0, 0.9, 1e9), LONG),
    "inverse_sqrt(1.0, 4000)": (inverse_sqrt(1.0, 4000), LONG),
    "inverse_sqrt(1.0, 0.25)": (inverse_sqrt(1.0, 0.25), MILLION),
    "step(1.0, 30, 0.9)": (step(1.0, 30, 0.9), 10**4),
    "step(1.0, 10**9, 0.5)": (step(1.0, 10**9, 0.5), 10**10),
    "step(1.0, 7, 0.9999999)": (step(1.0, 7, 0.9999999), 10**8),
    "wsd(1.0, 2000, 10**11, 10**9)": (
        after(after(linear(0.0, 1.0, 2000), 2000, linear(1.0, 1.0, 10**11)), 2000 + 10**11, linear(1.0, 0.0, 10**9)),
        2000 + 10**11 + 10**9,
    ),
    "(0.3 * warmup_cosine(1.0, 1000, 10**8)) / 7.0": (
        times(float(mpf(0.3)), lambda a, b: after(linear(0.0, 1.0, 1000), 1000, cosine(1.0, 0.0, 10**8 - 1000))(a, b) / 7),
        10**8,
    ),
    "cosine(1.0, 0.0, 1000).repeat()": (cycles_of(cosine(1.0, 0.0, 1000), 1000), LONG),
    "cosine(1.0, 0.0, 50).repeat() * linear(1.0, 0.0, 10**12)": (
        falling_cycles(lambda j: (1 + mpmath.cospi(mpf(j) / 50)) / 2, 50, LONG),
        LONG,
    ),
    "linear(1.0, 0.0, 10**7) * linear(0.5, 0.125, 3).repeat()": (
        falling_cycles(lambda j: mpf(0.5) - mpf(j) / 8, 3, 10**7),
        10**7,
    ),
    "linear(1.0, 0.5, 50).by_epoch(10**6)": (lambda a, b: MILLION * linear(1.0, 0.5, 50)(a // MILLION, b // MILLION), 0),
}


def spans(expression: str, end: int, only: int = 1) -> list[tuple[int, int]]:
    rng = random.Random(expression)
    if end == 0:
        return [(a * MILLION, b * MILLION) for a, b in ((0, 50), (3, 17), (49, 50))]
    found = [(0, end), (0, 1), (0, 2), (0, 17), (0, 49), (end - 1, end), (end - 2, end), (end - 3, end), (end - 40, end)]
    for _ in range(25):
        a, b = sorted(rng.randrange(end) for _ in range(2))
        n = int(2 ** rng.uniform(0, end.bit_length() - 1))
        found += [(a, b), (end - n, end), (0, n), (a, min(a + n, end))]
    return [(a, b) for a, b in found if 0 <= a < b <= end]


def off(got: float, wanted: mpf) -> float:
    return float(abs(mpf(got) - wanted) / abs(wanted)) if abs(wanted) > 1e-60 else abs(got)


@pytest.mark.parametrize("expression", EXACT)
def test_sums_are_the_exact_ones(expression: str) -> None:
    exact, end = EXACT[expression]
    schedule = eval(expression, vars(lrk).copy())
    with mpmath.workdps(DIGITS):
        for a, b in spans(expression, end):
            wanted = exact(a, b)
            assert off(schedule.sum(a, b), wanted) <= BOUND, (a, b)
            if a == 0:
                assert off(schedule.cumulative(b - 1), wanted) <= BOUND, b
                assert off(schedule.cumulative(b, inclusive=False), wanted) <= BOUND, b
            if schedule.length == b:
                assert off(schedule.remaining(a), wanted) <= BOUND, a


@pytest.mark.parametrize("power", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("start", "stop", "n", "cycles"),
    [(1.0, 0.0, 10**4, 30.3), (0.0, 3e-4, 10**12, 1e7), (1.0, -0.3, 10**9, 12345.6), (2.5, 2.0, 10_000.7, 1e3)],
)
def test_sums_of_many_waves_are_those_of_multiples_of_their_angle(
    power: int, start: float, stop: float, n: float, cycles: float
) -> None:
    """(M + A cos)^p by the binomial theorem and cos^k by e^ix + e^-ix, one by one."""
    schedule = lrk.cosine(start, stop, n, cycles)
    with mpmath.workdps(DIGITS):
        mean, half = (mpf(start) + mpf(stop)) / 2, (mpf(start) - mpf(stop)) / 2
        for a, b in spans(f"{n} {cycles}", int(n)):
            wanted = mpf(0)
            for k in range(power + 1):
                factor = mpmath.binomial(power, k) * mean ** (power - k) * half**k / 2**k
                for j in range(k + 1):
                    angle = 2 * mpmath.pi * mpf(cycles) / mpf(n) * (k - 2 * j)
                    wanted += factor * mpmath.binomial(k, j) * (cosines(angle, a, b) if angle else b - a)
            size = max(abs(wanted), mpf(0) if stop >= 0.0 else (b - a) * mpf(0.3) ** power)
            assert abs(schedule.sum(a, b, power) - wanted) <= BOUND * size, (a, b)


STEP_BY_STEP = [
    "cosine(1.0, 0.0, 300.7, 2.25)",
    "wsd(1.0, 10.5, 80, 33.25, 0.0, 1e-7, '1-sqrt')",
    "cosine_restarts(1.0, 20, 1.5, 0.01, 5)",
    "cosine(1.0, 0.1, 30.3).repeat()",
    "cosine(1.0, 0.0, 100, 4.5).clip(0.2, 0.7)",
    "linear(0.0, 1.0, 77).then(cosine(1.0, 0.1, 400)) * exponential(1.0, 0.99)",
    "(power_ramp(0.0, 1.0, 200, 0.3) + 0.25) * 3.0",
    "step(1.0, 2.5, 0.9)",
    "cosine(1.0, 0.0, 50).by_epoch(7.5)",
    "from_values([0.1, 0.25, 3.0, 1e10, 5e-5])",
    "piecewise_linear([5, 100, 250], [0.1, 3.0, 0.0])",
]


@pytest.mark.parametrize("expression", STEP_BY_STEP)
def test_sums_are_those_of_the_slow_model(expression: str) -> None:
    schedule, model = (eval(expression, vars(module).copy()) for module in (lrk, oracle))
    rng = random.Random(expression)
    steps = 420
    with mpmath.workdps(60):
        values = [model(t) for t in range(steps)]
        for _ in range(60):
            a, b = sorted(rng.sample(range(steps + 1), 2))
            for power in (1, 2, 3, 4, 0.5, 5, 2.5):
                wanted = mpmath.fsum(value ** mpf(power) for value in values[a:b])
                assert off(schedule.sum(a, b, power), wanted) <= BOUND, (a, b, power)
            wanted = mpmath.fsum(mpmath.log1p(-mpf(1e-12) * value) for value in values[a:b])
            assert off(schedule.log_shrink(a, b, 1e-12), wanted) <= BOUND, (a, b)
            if schedule.length is not None and schedule.length <= steps:
                assert off(schedule.remaining(a), mpmath.fsum(values[a : -(-schedule.length // 1).__trunc__()])) <= BOUND


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999, 0.9999999])
def test_discounted_sums_are_the_exact_ones(decay: float) -> None:
    """Lines and waves times powers of the decay are geometric series of numbers with a cosine and a sine."""
    n = LONG
    rng = random.Random(decay)
    with mpmath.workdps(DIGITS):
        factor = mpf(decay)
        for t in (0, 1, 20, 1000, 10**6, 10**9, n - 1, *(rng.randrange(n) for _ in range(10))):
            full = (1 - factor ** (t + 1)) / (1 - factor)
            # sum of j factor^j, j = t - k
            moment = factor * (1 - (t + 1) * factor**t + t * factor ** (t + 1)) / (1 - factor) ** 2
            wanted = full * (n - t) / mpf(n) + moment / n
            assert off(lrk.linear(1.0, 0.0, n).discounted(t, decay), wanted) <= DECAYED, t
            turn = mpmath.expjpi(-mpf(1) / n) * factor
            wave = mpmath.expjpi(mpf(t) / n) * (1 - turn ** (t + 1)) / (1 - turn)
            wanted = (full + wave.real) / 2
            assert off(lrk.cosine(1.0, 0.0, n).discounted(t, decay), wanted) <= DECAYED, t
            constant = lrk.constant(0.3).discounted(t, decay)
            assert off(constant, mpf(0.3) * full) <= DECAYED, t
            fallen = lrk.linear(1.0, 0.0, n).annealing_area(t, decay)
            assert off(fallen, (full * t - moment) / n) <= DECAYED, t
            fallen = lrk.cosine(1.0, 0.0, n).annealing_area(t, decay)
            wanted = (full - wave.real) / 2
            steepest = mpmath.pi / (2 * n)  # what each of the falls is relative to
            assert abs(fallen - wanted) <= DECAYED * (wanted + steepest * (t + 1) * full), t


@pytest.mark.parametrize("t", [99, 300, 1000, 4000])
def test_annealing_areas_are_relative_where_the_curve_has_hardly_fallen(t: int) -> None:
    with mpmath.workdps(DIGITS):
        wanted = mpmath.fsum(mpf(0.999) ** (t - k) * mpmath.sin(mpmath.pi * k / 10_000) ** 2 for k in range(t + 1))
        assert off(lrk.cosine(1.0, 0.0, 5000).annealing_area(t, 0.999), wanted) <= DECAYED
