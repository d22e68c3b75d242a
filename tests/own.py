"""A shape of one's own for the tests: plain arithmetic, so that Python, compiled code and the slow model agree to the bit."""

import lrkernel as lrk


def g(u: float) -> float:
    return 1.0 - u * u * (3.0 - 2.0 * u)


own = lrk.shape(g, name="own")
