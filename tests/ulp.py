"""Error of a float64 in ulp of the exact value; the bits of float64 values."""

import math

import numpy as np
from mpmath import frexp, ldexp, mpf

SMALLEST = ldexp(mpf(1), -1074)
# From here on round-to-nearest gives inf: half an ulp above the largest float64.
OVERFLOW = ldexp(mpf(2**54 - 1), 970)


def ulp(x: mpf) -> mpf:
    """Spacing of float64 in the binade of `x`; 2^-1074 for zero and subnormals, 2^971 at most."""
    if x == 0:
        return SMALLEST
    exponent = int(frexp(x)[1]) - 1
    return ldexp(mpf(1), min(max(exponent - 52, -1074), 971))


def distance(got: float, exact: mpf, scale: mpf | None = None) -> float:
    """`|got - exact|` in ulp of `exact`, or of `scale` where a curve crosses zero."""
    if math.isnan(got):
        return math.inf
    if abs(exact) >= OVERFLOW:
        if math.isinf(got) and (got > 0) == (exact > 0):
            return 0.0
        nearest = ldexp(mpf(1 if exact > 0 else -1), 1024)
        return float(abs(mpf(got) - nearest) / ulp(OVERFLOW))
    if math.isinf(got):
        beyond = ldexp(mpf(1 if got > 0 else -1), 1024)
        return float(abs(beyond - exact) / ulp(OVERFLOW))
    return float(abs(mpf(got) - exact) / ulp(exact if scale is None else scale))


def bits(values: object) -> list[int]:
    """The float64 bit patterns, flat: these are equal where values are, -0.0 and NaN included."""
    patterns: list[int] = np.ascontiguousarray(values, dtype=np.float64).view(np.uint64).ravel().tolist()
    return patterns
