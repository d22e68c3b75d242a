/* shape_math.h - the formula of every row of shapes.def: scalar functions, inlined into the scalar switch and, where
   they are branch-free, into the span loops.

   A row is measured from the end whose value is nearer to zero, so that its error is relative also where it goes to 0,
   and the distance to either end is counted in steps from that end, never as 1 - u (a linear decay to 0 over 1e9 steps
   is exact in its last ones). Trying `start + (stop - start) * u` instead left 1e8 ulp in the last step of such a
   decay. Division by the span is kept: a product with its reciprocal is neither correctly rounded nor exact at
   u = 1. */
#ifndef LRK_SHAPE_MATH_H
#define LRK_SHAPE_MATH_H

#include "doubledouble.h"
#include "lrkernel.h"

#include <math.h> /* sqrt alone, which IEEE 754 rounds correctly everywhere */

/* Steps of a row are counted from its first one in runs of 2^30, so that a lane's index is an int32: AVX2 has no
   int64 -> double. Distances at index i of a run, each rounded once: near + sign * i + near_part from the near end,
   far - sign * i + far_part. */
#define LRK_RUN_BITS 30
#define LRK_RUN_MASK ((INT64_C(1) << LRK_RUN_BITS) - 1)

typedef struct lrk_lane {
    double near, near_part, far, far_part, sign;
    lrk_dd exponent; /* geometric, exponential: log2 of the factor at i = 0 */
} lrk_lane;

LRK_INLINE double lrk_near(const lrk_lane *lane, double i)
{
    return (lane->near + lane->sign * i) + lane->near_part;
}

LRK_INLINE double lrk_far(const lrk_lane *lane, double i)
{
    return (lane->far - lane->sign * i) + lane->far_part;
}

/* The value at weight w of the far end, 0 <= w <= 1. Rounding is monotone, so a monotone w stays so; the clamp keeps
   the last ulp of base + gap * 1 from leaving the range of the end values. */
LRK_INLINE double lrk_blend(const lrk_segment *s, double w)
{
    return lrk_clamp(s->base + s->gap * w, s->low, s->high);
}

/* Across zero `base` is the middle and `gap` half the way: the whole way is up to twice the larger end value, which
   would double every error, and can overflow. A weight w then counts as 2 w - 1. */

/* ---- linear ----
   Across zero the lane's distance is near - far, and 2 w - 1 is that over the span. */

LRK_INLINE double linear_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    return lrk_blend(s, lrk_near(lane, i) / s->span);
}

/* ---- cosine ----
   (1 + cos(pi u)) / 2 is the squared sine of a quarter turn at x = distance from the near end / span, so nothing
   cancels. Blocks of LRK_BLOCK_STEPS are counted from the near end, too; inside one,
   sin(a + b) = sin a + (sin b - (sin a (1 - cos b) + sin b (1 - cos a))). Both corrections are small where the sum is
   large, so the error is about that of one sine; sin a cos b + cos a sin b gave 6.3 ulp instead. */

#define LRK_BLOCK_BITS 8
#define LRK_BLOCK_STEPS (1 << LRK_BLOCK_BITS)
#define LRK_IN_BLOCK ((uint64_t)LRK_BLOCK_STEPS - 1)

#define LRK_QUARTER_HI 0x1.921fb54442d18p+0 /* pi / 2 */
#define LRK_QUARTER_LO 0x1.1a62633145c07p-54

/* distance / (span + span_low) with its remainder. */
LRK_INLINE lrk_dd lrk_quotient(lrk_dd distance, double span, double span_low)
{
    const double x = distance.hi / span;
    const lrk_dd back = lrk_two_product(x, span);
    return (lrk_dd){x, (((distance.hi - back.hi) - back.lo) + (distance.lo - x * span_low)) / span};
}

/* sin(pi/2 x), x in [0, 1/2], relative; it carries the remainders of x and of its own sum, since squaring doubles every
   error. P: error 2^-57. */
LRK_INLINE lrk_dd lrk_sine(lrk_dd x)
{
    const lrk_dd lead = lrk_two_product(x.hi, LRK_QUARTER_HI);
    const double v = x.hi * x.hi;
    double p = -0x1.6cc52bef4fa10p-31;
    p = p * v + 0x1.e8f035ebfe7b1p-25;
    p = p * v - 0x1.e3074d253f118p-19;
    p = p * v + 0x1.50783486fa66fp-13;
    p = p * v - 0x1.32d2cce62b870p-8;
    p = p * v + 0x1.466bc6775aae1p-4;
    p = p * v - 0x1.4abbce625be53p-1;
    return lrk_quick_sum(lead.hi, x.hi * v * p + (lead.lo + (x.hi * LRK_QUARTER_LO + x.lo * LRK_QUARTER_HI)));
}

/* 1 - cos(pi/2 x) = 2 sin^2(pi/4 x), likewise. */
LRK_INLINE lrk_dd lrk_versine(lrk_dd x)
{
    const lrk_dd sine = lrk_sine((lrk_dd){0.5 * x.hi, 0.5 * x.lo});
    const lrk_dd square = lrk_two_product(sine.hi, sine.hi);
    return lrk_quick_sum(2.0 * square.hi, 2.0 * square.lo + 4.0 * (sine.hi * sine.lo));
}

/* a: sine, what it leaves, and 1 - cosine at the block's anchor, `steps` and a fraction of one from the near end.
   Beyond the middle both come from the other end, where sine = 1 - versine: at x = 1 the polynomial would lose an ulp.
   k[0]: what span leaves of end - begin. */
LRK_INLINE void cosine_anchor(const lrk_segment *s, double steps, double part, double *a0, double *a1, double *a2)
{
    const lrk_dd near = lrk_two_sum(steps, part);
    const lrk_dd far = lrk_two_sum(s->span - near.hi, s->k[0] - near.lo);
    const int beyond = near.hi > far.hi;
    const lrk_dd distance = {beyond ? far.hi : near.hi, beyond ? far.lo : near.lo};
    const lrk_dd x = lrk_quotient(distance, s->span, s->k[0]);
    const lrk_dd sine = lrk_sine(x), versine = lrk_versine(x);
    const lrk_dd rest = lrk_quick_sum(1.0, -versine.hi);
    *a0 = beyond ? rest.hi : sine.hi;
    *a1 = beyond ? rest.lo - versine.lo : sine.lo;
    *a2 = beyond ? 1.0 - sine.hi : versine.hi;
}

/* b: the same of r steps. */
LRK_INLINE void cosine_inside(const lrk_segment *s, double r, double *b0, double *b1, double *b2)
{
    cosine_anchor(s, r, 0.0, b0, b1, b2);
}

/* The larger sine comes last, so that one rounding counts in full; the other order reached 5.2 ulp. */
LRK_INLINE double cosine_join(const lrk_segment *s, double a0, double a1, double a2, double b0, double b1, double b2)
{
    const double small = a0 < b0 ? a0 : b0, large = a0 < b0 ? b0 : a0;
    const double sine = large + (small + ((a1 + b1) - (a0 * b2 + a2 * b0)));
    return lrk_blend(s, sine * sine);
}

/* ---- cosine with any number of cycles ----
   With c = 2 cycles, the distance of c u = c t / n to the nearest integer K is (c t - K n) / n: products and difference
   are carried exactly, so the value is relative also at the inner zeros of the wave. The parity of K says on which side
   of the wave t is. k[0]: c, k[1]: what span leaves of end - begin, k[2]: parity of the integers at which the value is
   `base`. */
LRK_INLINE double cosine_cycles_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    const double whole = lane->near + i;
    const double t = whole + lane->near_part;
    const double t_low = (whole - t) + lane->near_part;
    const lrk_dd turns = lrk_two_product(s->k[0], t);
    const double nearest = lrk_round(turns.hi / s->span);
    const lrk_dd back = lrk_two_product(nearest, s->span);
    const lrk_dd low = lrk_two_sum(turns.lo, -back.lo);
    const double rest = ((turns.hi - back.hi) + low.hi) + (low.lo + (s->k[0] * t_low - nearest * s->k[1]));
    const double sine = lrk_sine(lrk_quotient((lrk_dd){rest < 0.0 ? -rest : rest, 0.0}, s->span, s->k[1])).hi;
    const double w = sine * sine;
    const double half = nearest * 0.5 - lrk_round(nearest * 0.5); /* 0 or +-1/2 */
    const double odd = half * half * 4.0;
    return lrk_blend(s, (odd == s->k[2] ? w : 1.0 - w) * (1.0 + s->k[3]) - s->k[3]);
}

/* ---- powers ---- */

/* 2^f - 1 for |f| <= 0.501, f = hi + lo; relative. */
LRK_INLINE double lrk_exp2_minus_1(double hi, double lo)
{
    double p = 0x1.c4a378c357fb5p-36;
    p = p * hi + 0x1.e9ed41bc2f328p-32;
    p = p * hi + 0x1.e4cf105d577ffp-28;
    p = p * hi + 0x1.b524eb2dd1f12p-24;
    p = p * hi + 0x1.62c02242d1b01p-20;
    p = p * hi + 0x1.ffcbfc6de698bp-17;
    p = p * hi + 0x1.430912f86b79cp-13;
    p = p * hi + 0x1.5d87fe78a3efcp-10;
    p = p * hi + 0x1.3b2ab6fba4e79p-7;
    p = p * hi + 0x1.c6b08d704a0c6p-5;
    p = p * hi + 0x1.ebfbdff82c58fp-3;
    return hi * LRK_LN2_HI + (hi * hi * p + lo * LRK_LN2_HI);
}

/* base + gap w, w = x^p where x = 0 is the near end and 1 - x^p where it is the far one; x is the distance from the end
   with x = 0, y that from the other. x^p = 2^(p log2 x) with the logarithm in double-double: x = 2^e z, and
   s = (z - 1) / (z + 1) from the distances themselves, where z - 1 is -y / n for e = 0: that keeps 1 - x^p relative at
   x -> 1 as well. 1 - 2^f comes from 2^f - 1, never by subtraction. The product with the gap is put together from
   mantissas and exponents, since x^p alone may underflow; w is then that product and the field gap 1.
   k[0]: p, k[1]: mantissa of the span, k[2]: its exponent, k[3]: 1 where x = 0 is the near end, k[4], k[5]: mantissa
   and exponent of what x^p is multiplied by, k[6]: what the mantissa of the span leaves, k[7]: 1 where the row
   crosses zero. */
LRK_INLINE double lrk_power(const lrk_segment *s, const lrk_lane *lane, double i)
{
    const lrk_dd near = lrk_two_sum(lane->near + lane->sign * i, lane->near_part);
    const lrk_dd far = lrk_two_sum(lane->far - lane->sign * i, lane->far_part);
    const int direct = s->k[3] != 0.0;
    const double x = direct ? near.hi : far.hi, x_low = direct ? near.lo : far.lo;
    const double y = direct ? far.hi : near.hi, y_low = direct ? far.lo : near.lo;
    const double n = s->k[1], n_low = s->k[6];

    /* x is 0 or at least 2^-1021 times a step, so never subnormal here; 1.5 * 2^52 again does int -> double. */
    const uint64_t bits = lrk_bits(x);
    double mantissa = lrk_from_bits((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
    double e = (lrk_from_bits((bits >> 52) | 0x4338000000000000u) - LRK_ROUNDER) - (1023.0 + s->k[2]);
    const double ratio = mantissa / n;
    const double up = ratio < 0x1.6a09e667f3bcdp-1 ? 1.0 : 0.0, down = ratio > 0x1.6a09e667f3bcdp+0 ? 1.0 : 0.0;
    mantissa *= 1.0 + up - 0.5 * down;
    e = e - up + down;

    const int at_one = e == 0.0;
    const double unit = lrk_pow2(-s->k[2]), x_unit = unit * lrk_pow2(-e);
    const double numerator = at_one ? -y * unit : mantissa - n;
    const double numerator_low = at_one ? -y_low * unit : x_low * x_unit - n_low;
    const lrk_dd sum = lrk_two_sum(mantissa, n);
    const double sum_low = sum.lo + (x_low * x_unit + n_low);
    const double sh = numerator / sum.hi;
    const lrk_dd back = lrk_two_product(sh, sum.hi);
    const double sl = (((numerator - back.hi) - back.lo) + (numerator_low - sh * sum_low)) / sum.hi;
    const lrk_dd square = lrk_two_product(sh, sh);
    const double square_low = square.lo + 2.0 * (sh * sl);
    const double v = square.hi;
    double p = 0x1.270561dba0f27p-3;
    p = p * v + 0x1.16ec807a65242p-3;
    p = p * v + 0x1.371a29ab1fac2p-3;
    p = p * v + 0x1.5b9a4f92db051p-3;
    p = p * v + 0x1.89f3b3044a7bfp-3;
    p = p * v + 0x1.c68f5689e8ed2p-3;
    p = p * v + 0x1.0c9a849942100p-2;
    p = p * v + 0x1.484b13d7c0297p-2;
    p = p * v + 0x1.a61762a7aded9p-2;
    p = p * v + 0x1.2776c50ef9bfep-1;
    const lrk_dd cubic = lrk_quick_sum(0x1.ec709dc3a03fdp-1, v * p); /* 2 / (3 ln 2) */
    const lrk_dd inner = lrk_dd_multiply((lrk_dd){v, square_low}, (lrk_dd){cubic.hi, cubic.lo + 0x1.d27f05548af0cp-55});
    const lrk_dd outer = lrk_quick_sum(LRK_LOG2_S1_HI, inner.hi);
    const lrk_dd log2_z = lrk_dd_multiply((lrk_dd){sh, sl}, (lrk_dd){outer.hi, outer.lo + (LRK_LOG2_S1_LO + inner.lo)});
    const lrk_dd total = lrk_two_sum(e, log2_z.hi);
    const lrk_dd power = lrk_two_product(s->k[0], total.hi);
    const double power_low = lrk_clamp(power.lo + s->k[0] * (total.lo + log2_z.lo), -1.0, 1.0);

    const double cut = power.hi < -4000.0 ? -4000.0 : power.hi;
    const double k = lrk_round(cut);
    const lrk_dd f = lrk_two_sum(cut - k, power_low);
    const double r = lrk_exp2_minus_1(f.hi, f.lo);
    const double t = lrk_pow2(k < -1000.0 ? -1000.0 : k);
    const double rising = lrk_scale(s->k[4] + s->k[4] * r, k + s->k[5]);
    const double w = direct ? rising : (1.0 - t) - t * r;
    return lrk_blend(s, w * (1.0 + s->k[7]) - s->k[7]);
}

LRK_INLINE double polynomial_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    return lrk_power(s, lane, i);
}

LRK_INLINE double power_ramp_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    return lrk_power(s, lane, i);
}

/* ---- geometric, exponential: start 2^(rate t) ----
   The rate is cut into k[0] + k[1] + k[2] of 23 bits each but for the last: with an index below 2^30 the first two
   products are exact, and the exponent keeps about 2^-60 absolute up to the last int64 step. k[3]: mantissa of start,
   k[4]: its exponent; k[5], k[6]: the rate as a double-double. */
LRK_INLINE double lrk_grow(const lrk_segment *s, const lrk_lane *lane, double i)
{
    const lrk_dd sum = lrk_two_sum(lane->exponent.hi, s->k[0] * i);
    const double low = lrk_clamp(sum.lo + (lane->exponent.lo + (s->k[1] * i + s->k[2] * i)), -1.0, 1.0);
    const double cut = lrk_clamp(sum.hi, -4000.0, 4000.0); /* 0 or inf lie far inside; beyond it `low` is noise */
    const double k = lrk_round(cut);
    const lrk_dd f = lrk_two_sum(cut - k, low);
    const double r = lrk_exp2_minus_1(f.hi, f.lo);
    return lrk_scale(s->k[3] + s->k[3] * r, k + s->k[4]);
}

LRK_INLINE double geometric_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    return lrk_clamp(lrk_grow(s, lane, i), s->low, s->high);
}

LRK_INLINE double exponential_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    return lrk_grow(s, lane, i);
}

/* ---- inverse_sqrt ----
   Two roots rather than one of the quotient, which is subnormal for a tiny timescale. k[0]: sqrt(timescale). */

LRK_INLINE double inverse_sqrt_lane(const lrk_segment *s, const lrk_lane *lane, double i)
{
    return s->start * (s->k[0] / sqrt(lrk_near(lane, i) + s->param));
}

/* ---- stairs: one value for `every` steps ---- */

/* The stair's number, low + 2^62 high; beyond int64 only for stairs of less than one step. */
typedef struct lrk_stair {
    int64_t low;
    double high;
} lrk_stair;

LRK_INLINE double constant_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    (void)values;
    (void)k;
    return s->start;
}

LRK_INLINE double hold_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    return constant_stair(s, values, k);
}

LRK_INLINE double values_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    return values[s->child[0] + (k.high == 0.0 && k.low < s->count[0] ? k.low : s->count[0] - 1)];
}

/* start gamma^k in double-double, rounded once: gamma^1 is gamma. k[0], k[1]: log2 gamma. */
static double step_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    (void)values;
    if (s->start == 0.0 || (k.low == 0 && k.high == 0.0)) return s->start;
    const double low = (double)(k.low & 0xffffffff), high = (double)(k.low >> 32) * 0x1p32;
    const lrk_dd count = lrk_dd_add(lrk_quick_sum(high, low), (lrk_dd){lrk_clamp(k.high, 0.0, 0x1p100) * 0x1p62, 0.0});
    double exponent, scale;
    const lrk_dd log2_power = lrk_dd_multiply((lrk_dd){s->k[0], s->k[1]}, count);
    const lrk_dd power = lrk_dd_exp2(log2_power, &exponent);
    const double mantissa = lrk_mantissa(s->start < 0.0 ? -s->start : s->start, &scale);
    const double value = lrk_scale(lrk_dd_multiply(power, (lrk_dd){mantissa, 0.0}).hi, exponent + scale);
    return s->start < 0.0 ? -value : value;
}

#endif
