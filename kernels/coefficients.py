"""coefficients - prints the constants of the headers of kernels/, with the error of each polynomial.

    python kernels/coefficients.py

Each polynomial is the Chebyshev interpolant of the exact function on its interval (within a few percent of the minimax one at these
degrees), computed with 60 digits and rounded to float64 at the end; the printed error is that of the rounded polynomial, relative
to the function that the kernel multiplies it into.
"""

import mpmath as mp

mp.mp.dps = 60


def hexes(values):
    return [float(mp.mpf(value)) for value in values]


def double_double(value):
    """The nearest float64 and the float64 nearest to what it leaves."""
    high = float(value)
    return high, float(value - mp.mpf(high))


def show_pair(name, value, comment):
    high, low = double_double(value)
    print(f"#define {name}_HI {high.hex()} /* {comment} = {mp.nstr(value, 20)} */")
    print(f"#define {name}_LO {low.hex()}")


def show_polynomial(name, function, low, high, degree, error, comment):
    """Coefficients of `function` on [low, high], constant term first."""
    rising = hexes(reversed(mp.chebyfit(function, [low, high], degree + 1)))
    worst = max(abs(error(x, mp.polyval([mp.mpf(c) for c in reversed(rising)], x))) for x in mp.linspace(low, high, 2001))
    print(f"/* {comment}; degree {degree} on [{mp.nstr(low, 5)}, {mp.nstr(high, 5)}],")
    print(f"   relative error {mp.nstr(mp.log(worst, 2), 4)} bits */")
    print(f"static const double {name}[{degree + 1}] = {{")
    for index, coefficient in enumerate(rising):
        print(f"    {coefficient.hex()}, /* [{index}] {coefficient:.17g} */")
    print("};")


def gram_nodes():
    """Of each root > 0 of the 16th Gram polynomial the series in e = 1/n^2, by differences of roots."""

    def root(near, e):
        def p(z):
            before, last = mp.mpf(1), z
            for k in range(1, 16):
                before, last = last, z * last - mp.mpf(k * k) * (1 - k * k * e) / (4 * k * k - 1) * before
            return last

        return mp.findroot(p, (near, near + mp.mpf(10) ** -6))

    small = mp.mpf(10) ** -12
    for k in range(8, 0, -1):
        near = root(mp.cos(mp.pi * (k - 0.25) / 16.5), mp.mpf(0))
        later, earlier = root(near, small), root(near, -small)
        yield near, (later - earlier) / (2 * small), (later + earlier - 2 * near) / (2 * small**2)


def main():
    quarter = mp.pi / 2
    tiny = mp.mpf(10) ** -25

    def sine_tail(v):  # (sin(pi/2 x) - pi/2 x) / x^3 as a function of v = x^2
        x = mp.sqrt(max(v, tiny))
        return (mp.sin(quarter * x) - quarter * x) / x**3

    def exp2_tail(f):  # (2^f - 1) / f
        return mp.expm1(f * mp.log(2)) / f if f else mp.log(2)

    def atanh_tail(v):  # 2 / ln 2 (atanh(s) / s - 1 - s^2 / 3) / s^4, v = s^2
        s = mp.sqrt(max(v, tiny))
        terms = (s ** (2 * k - 4) / (2 * k + 1) for k in range(2, 60))
        return 2 / mp.log(2) * mp.fsum(terms)

    show_pair("QUARTER_TURN", quarter, "pi / 2")
    fold = mp.mpf("0.2501")  # x up to 1/2
    show_polynomial(
        "SINE_TAIL",
        sine_tail,
        0,
        fold,
        6,
        lambda v, p: (p - sine_tail(v)) * v / (mp.sin(quarter * mp.sqrt(max(v, tiny))) / mp.sqrt(max(v, tiny))),
        "sin(pi/2 x) = pi/2 x + x^3 P(x^2)",
    )
    half = mp.mpf(0.5) + mp.mpf(2) ** -10
    show_polynomial(
        "EXP2_TAIL",
        exp2_tail,
        -half,
        half,
        11,
        lambda f, p: (p - exp2_tail(f)) * f / 2**f,
        "2^f = 1 + f P(f)",
    )
    show_pair("LN_2", mp.log(2), "ln 2")
    show_pair("LOG2_S1", 2 / mp.log(2), "2 / ln 2")
    show_pair("LOG2_S3", 2 / mp.log(2) / 3, "2 / (3 ln 2)")
    edge = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.01")
    show_polynomial(
        "LOG2_TAIL",
        atanh_tail,
        0,
        edge,
        9,
        lambda v, p: (p - atanh_tail(v)) * v**2 / (2 / mp.log(2)),
        "log2((1+s)/(1-s)) = s (S1 + s^2 (S3 + s^2 P(s^2)))",
    )

    def log2_tail(r):  # (log2(1 + r) - r / ln 2 + r^2 / (2 ln 2)) / r^3
        terms = ((-r) ** (k - 3) / k for k in range(3, 40))
        return mp.fsum(terms) / mp.log(2)

    inverses = [mp.nint(128 / (1 + (j + mp.mpf("0.5")) / 64)) / 128 for j in range(64)]
    reach = max(abs((1 + mp.mpf(j + more) / 64) * inverse - 1) for j, inverse in enumerate(inverses) for more in (0, 1))
    show_polynomial(
        "QUICK_LOG2_TAIL",
        log2_tail,
        -reach,
        reach,
        6,
        lambda r, p: (p - log2_tail(r)) * r**3,
        "log2(1 + r) = r / ln 2 - r^2 / (2 ln 2) + r^3 P(r), its error absolute",
    )
    show_pair("LOG2_E", 1 / mp.log(2), "1 / ln 2")
    print("/* inverse of 1 + (j + 1/2) / 64 in 8 bits, and its -log2: a multiple of 2^-42 and the rest */")
    for inverse in inverses:
        high = mp.nint(-mp.log(inverse, 2) * 2**42) / 2**42
        print(f"    {{{', '.join(value.hex() for value in hexes([inverse, high, -mp.log(inverse, 2) - high]))}}},")
    print("/* nodes > 0 of 16 on n equidistant points: terms of 1, 1/n^2 and 1/n^4 */")
    for terms in gram_nodes():
        print(f"    {{{', '.join(term.hex() for term in hexes(terms))}}},")
    print("/* 1 / (2k+1), k = 0.. as double-doubles: the atanh series of lrk_dd_log2 */")
    for k in range(24):
        high, low = double_double(mp.mpf(1) / (2 * k + 1))
        print(f"    {{{high.hex()}, {low.hex()}}},")
    print("/* 1 / k!, k = 0.. as double-doubles: the series of lrk_dd_exp2 */")
    for k in range(22):
        high, low = double_double(1 / mp.factorial(k))
        print(f"    {{{high.hex()}, {low.hex()}}},")


if __name__ == "__main__":
    main()
