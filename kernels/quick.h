/* quick.h - one step of some shapes in less time, where that is proved to give the bits of the way through the anchor
   of its block.

   That way (shape_math.h) is one chain of two polynomials by Horner and of sums in double-double, 120 ns for a power.
   Here both polynomials go in parallel parts, the logarithm comes from a table, and the sums that lose nothing are
   left out. What differs from the other way is bounded; where the result rounds the same at both ends of the bound, it
   is the same (Ziv 1991). If it does not with the polynomial in parallel parts (one step of six, of 1 - sqrt one of
   three), the one by Horner is taken; one step of a hundred goes the other way. 66 to 72 ns for a power, of which the
   logarithm is 26, and 41 for growth, 60 the other way. Rows of 100,000 steps have blocks whose series adds more, and
   more steps go the other way.

   Tried besides: squares and roots by products (12 ns) leave a third of the steps for the other way; a logarithm that
   is off by 2^-62 changes the last bit of its fraction in one step of ten; the logarithm of the span kept, 2 ns.

   For levels with a fused multiply-add alone. */
#ifndef LRK_QUICK_H
#define LRK_QUICK_H

#include "shape_math.h"

/* An inverse of 8 bits and what the logarithm of a number between 1 + j / 64 and 1 + (j + 1) / 64 times it leaves:
   -log2(inverse), `hi` a multiple of 2^-42. */
typedef struct lrk_log2_entry {
    double inverse, hi, lo;
} lrk_log2_entry;

static const lrk_log2_entry lrk_log2_table[64] = {
    {0x1.fc00000000000p-1, 0x1.72c7ba2100000p-7, -0x1.19b14945cf6bap-44},
    {0x1.f400000000000p-1, 0x1.184b8e4c58000p-5, -0x1.507d6dc1f27efp-45},
    {0x1.ec00000000000p-1, 0x1.d6ebd1f200000p-5, -0x1.401fbaaa67e3cp-45},
    {0x1.e400000000000p-1, 0x1.4c560fe68c000p-4, -0x1.077f1f5f0cc83p-44},
    {0x1.e000000000000p-1, 0x1.7d60496cfc000p-4, -0x1.2ce6312ebb81dp-46},
    {0x1.d800000000000p-1, 0x1.e0b1ae8f30000p-4, -0x1.54cda62d3926ep-47},
    {0x1.d000000000000p-1, 0x1.22dadc2ab4000p-3, -0x1.6d25a5b8a19b2p-44},
    {0x1.cc00000000000p-1, 0x1.3c6fb650ce000p-3, -0x1.af5e9bb5386c2p-47},
    {0x1.c400000000000p-1, 0x1.7046031c7a000p-3, -0x1.ed0798d1aa217p-49},
    {0x1.bc00000000000p-1, 0x1.a5094b54d2000p-3, 0x1.050809db75676p-44},
    {0x1.b800000000000p-1, 0x1.bfc67a8000000p-3, -0x1.667f21fa8423fp-44},
    {0x1.b400000000000p-1, 0x1.dac22d3e44000p-3, 0x1.d2fe4574e09b9p-47},
    {0x1.ac00000000000p-1, 0x1.08bce0d960000p-2, -0x1.7204f55bbf90dp-44},
    {0x1.a800000000000p-1, 0x1.169c05363f000p-2, 0x1.5872350f805d6p-46},
    {0x1.a000000000000p-1, 0x1.32bfee370f000p-2, -0x1.979a5db68721dp-46},
    {0x1.9c00000000000p-1, 0x1.4106017c3f000p-2, -0x1.aeb8cb1ac05cdp-45},
    {0x1.9800000000000p-1, 0x1.4f6fbb2cec000p-2, 0x1.661e393a16b95p-44},
    {0x1.9400000000000p-1, 0x1.5dfdcf1eeb000p-2, -0x1.f1bbd2926f164p-46},
    {0x1.8c00000000000p-1, 0x1.7b89f02cf3000p-2, -0x1.54b383b0e8a55p-44},
    {0x1.8800000000000p-1, 0x1.8a8980abfc000p-2, -0x1.66cccab240e90p-45},
    {0x1.8400000000000p-1, 0x1.99b072a96c000p-2, 0x1.ac9bca36fd02ep-44},
    {0x1.8000000000000p-1, 0x1.a8ff971811000p-2, -0x1.6879fa00b120ap-44},
    {0x1.7c00000000000p-1, 0x1.b877c57b1b000p-2, 0x1.bfbf899cf2b3cp-48},
    {0x1.7800000000000p-1, 0x1.c819dc2d46000p-2, -0x1.bc76a2753b99bp-50},
    {0x1.7400000000000p-1, 0x1.d7e6c0abc3000p-2, 0x1.5e30f52d6ae75p-44},
    {0x1.7000000000000p-1, 0x1.e7df5fe539000p-2, -0x1.532c412ba94dbp-44},
    {0x1.6c00000000000p-1, 0x1.f804ae8d0d000p-2, -0x1.7f33943464056p-45},
    {0x1.6800000000000p-1, 0x1.042bd4b9a8000p-1, -0x1.b3b3864c60011p-44},
    {0x1.6400000000000p-1, 0x1.0c6caaf0c5800p-1, -0x1.3483146784bd2p-44},
    {0x1.6000000000000p-1, 0x1.14c560fe68800p-1, 0x1.7c407050799bfp-44},
    {0x1.5c00000000000p-1, 0x1.1d368296b5000p-1, 0x1.2a606046ad444p-44},
    {0x1.5800000000000p-1, 0x1.25c0a0463c000p-1, -0x1.50520a377c7ecp-45},
    {0x1.5400000000000p-1, 0x1.2e644fac05000p-1, -0x1.4275f1035e5e8p-48},
    {0x1.5000000000000p-1, 0x1.37222bb707800p-1, -0x1.c22d2cad415aep-44},
    {0x1.4c00000000000p-1, 0x1.3ffad4e74f000p-1, 0x1.d5e6a8a4fb059p-45},
    {0x1.4800000000000p-1, 0x1.48eef19317800p-1, 0x1.90d43956fa5d8p-45},
    {0x1.4800000000000p-1, 0x1.48eef19317800p-1, 0x1.90d43956fa5d8p-45},
    {0x1.4400000000000p-1, 0x1.51ff2e3021800p-1, -0x1.a1e7e802c4828p-44},
    {0x1.4000000000000p-1, 0x1.5b2c3da197000p-1, 0x1.1d406db502403p-44},
    {0x1.3c00000000000p-1, 0x1.6476d98ad9800p-1, 0x1.0993376649b50p-45},
    {0x1.3800000000000p-1, 0x1.6ddfc2a790000p-1, -0x1.ce60916e52e91p-44},
    {0x1.3800000000000p-1, 0x1.6ddfc2a790000p-1, -0x1.ce60916e52e91p-44},
    {0x1.3400000000000p-1, 0x1.7767c12967800p-1, 0x1.228d3da3e961bp-44},
    {0x1.3000000000000p-1, 0x1.810fa51bf6800p-1, -0x1.0144751b3314fp-44},
    {0x1.3000000000000p-1, 0x1.810fa51bf6800p-1, -0x1.0144751b3314fp-44},
    {0x1.2c00000000000p-1, 0x1.8ad846cf36800p-1, 0x1.a40dc2d2a6bf7p-45},
    {0x1.2800000000000p-1, 0x1.94c287492c800p-1, -0x1.927dfc23d9780p-44},
    {0x1.2400000000000p-1, 0x1.9ecf50bf44000p-1, -0x1.d97ee9124773bp-46},
    {0x1.2400000000000p-1, 0x1.9ecf50bf44000p-1, -0x1.d97ee9124773bp-46},
    {0x1.2000000000000p-1, 0x1.a8ff971810800p-1, 0x1.2f0c0bfe9dbecp-44},
    {0x1.2000000000000p-1, 0x1.a8ff971810800p-1, 0x1.2f0c0bfe9dbecp-44},
    {0x1.1c00000000000p-1, 0x1.b35458761d800p-1, -0x1.c343ea3e580ebp-44},
    {0x1.1800000000000p-1, 0x1.bdce9dcc96000p-1, 0x1.871a7610e40bdp-45},
    {0x1.1800000000000p-1, 0x1.bdce9dcc96000p-1, 0x1.871a7610e40bdp-45},
    {0x1.1400000000000p-1, 0x1.c86f7b7ea4800p-1, 0x1.4459c4d3a591bp-44},
    {0x1.1400000000000p-1, 0x1.c86f7b7ea4800p-1, 0x1.4459c4d3a591bp-44},
    {0x1.1000000000000p-1, 0x1.d338120a6e000p-1, -0x1.3167ccc538261p-44},
    {0x1.0c00000000000p-1, 0x1.de298ec0bb000p-1, -0x1.f9ab3cf74babap-44},
    {0x1.0c00000000000p-1, 0x1.de298ec0bb000p-1, -0x1.f9ab3cf74babap-44},
    {0x1.0800000000000p-1, 0x1.e9452c8a71000p-1, 0x1.3c6764fc87b4ap-48},
    {0x1.0800000000000p-1, 0x1.e9452c8a71000p-1, 0x1.3c6764fc87b4ap-48},
    {0x1.0400000000000p-1, 0x1.f48c34bd1e800p-1, 0x1.6eb3ac8ec0ef7p-45},
    {0x1.0400000000000p-1, 0x1.f48c34bd1e800p-1, 0x1.6eb3ac8ec0ef7p-45},
    {0x1.0000000000000p-1, 0x1.0000000000000p+0, 0x0.0p+0},
};

#define LRK_LOG2_E_HI 0x1.71547652b82fep+0 /* 1 / ln 2 */
#define LRK_LOG2_E_LO 0x1.777d0ffda0d24p-56

/* log2(x) is hi + lo + r / ln 2 + square + rest, hi, r and square exact. */
typedef struct lrk_log2_parts {
    double hi, lo, r, square, rest;
} lrk_log2_parts;

/* log2(1 + r) = r / ln 2 - r^2 / (2 ln 2) + r^3 P: |r| <= 0.01124, error 2^-69; x > 0, finite and normal. */
LRK_INLINE lrk_log2_parts lrk_quick_log2(double x)
{
    const uint64_t bits = lrk_bits(x);
    const lrk_log2_entry *entry = lrk_log2_table + (bits >> 46 & 63);
    const double z = lrk_from_bits((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
    const double r = lrk_fused(z, entry->inverse, -1.0), v = r * r, square = v * (-0.5 * LRK_LOG2_E_HI);
    const double p1 = lrk_fused(r, -0x1.71547652b8538p-2, 0x1.ec709dc3a03fdp-2);
    const double p3 = lrk_fused(r, -0x1.ec709d7e9e40fp-3, 0x1.2776c50ef9e05p-2);
    const double p5 = lrk_fused(r, -0x1.716528b976db1p-3, 0x1.a6176268f1e3dp-3);
    const double p = lrk_fused(v, lrk_fused(v, lrk_fused(v, 0x1.485a41ab87892p-3, p5), p3), p1);
    const double left = lrk_fused(r, r, -v) * (-0.5 * LRK_LOG2_E_HI) + v * (-0.5 * LRK_LOG2_E_LO);
    const double rest = lrk_fused(v, r * p, lrk_fused(v, -0.5 * LRK_LOG2_E_HI, -square) + left);
    return (lrk_log2_parts){(double)((int32_t)(bits >> 52) - 1023) + entry->hi, entry->lo, r, square, rest};
}

/* lrk_exp2_tail(f) but for its roundings: 2^-54.8 for f > 0, 2^-55.6 for f < 0. */
LRK_INLINE double lrk_quick_exp2_tail(double f)
{
    const double v = f * f, w = v * v;
    const double p1 = lrk_fused(f, 0x1.3b2ab6fba4e79p-7, 0x1.c6b08d704a0c6p-5);
    const double p3 = lrk_fused(f, 0x1.430912f86b79cp-13, 0x1.5d87fe78a3efcp-10);
    const double p5 = lrk_fused(f, 0x1.62c02242d1b01p-20, 0x1.ffcbfc6de698bp-17);
    const double p7 = lrk_fused(f, 0x1.e4cf105d577ffp-28, 0x1.b524eb2dd1f12p-24);
    const double p9 = lrk_fused(f, 0x1.c4a378c357fb5p-36, 0x1.e9ed41bc2f328p-32);
    const double p = lrk_fused(w, lrk_fused(w, p9, lrk_fused(v, p7, p5)), lrk_fused(v, p3, p1));
    return lrk_fused(f, p, 0x1.ebfbdff82c58fp-3);
}

/* base + size w, w further and rounded, with `off` and without; whether that is the same. */
LRK_INLINE int lrk_rounds(lrk_dd base, lrk_dd size, lrk_dd w, double further, double off, double *value)
{
    const double product = size.hi * w.hi;
    const double product_low = lrk_fused(size.hi, w.hi, -product) + (size.hi * w.lo + size.lo * w.hi);
    const lrk_dd sum = lrk_two_sum(base.hi, product);
    const double rest = (sum.lo + (product_low + base.lo)) + product * further;
    *value = sum.hi + (rest + off);
    return *value == sum.hi + (rest - off);
}

/* The series of a block, y steps on in that of (1 + y)^p, or of e^y with p = 1 and no `fall`; `most` is y at the
   block's end. A term is (p - j fall) / (j + 1) y of the one before, half of that at most. */
typedef struct lrk_further {
    double p, fall, y, most;
} lrk_further;

/* What it adds to its first value, relative to that, by `terms` terms. */
LRK_INLINE double lrk_further_by(const lrk_further *m, int terms)
{
    double sum = 1.0;
    for (int j = terms - 1; j > 0; --j) sum = 1.0 + m->y * ((m->p - j * m->fall) * (1.0 / (j + 1.0))) * sum;
    return m->p * m->y * sum;
}

/* base + size 2^f (1 + further), where f is within `off` of that of the other way, `same` says that f.hi is the same,
   and base is within `lost`. 0 where its bits are not proved.

   u = 2^-53. Both ways have the same leading product of 2^f - 1, and what it leaves. The other way rounds its tail
   times f^2 (0.271 f^2 for f > 0 and 0.241 for f < 0 at most) once, and two sums of that size, by u of that each; its
   tail itself is off by 0.29 u for f > 0 and 0.16 u for f < 0, the one in parallel parts by 0.28 and 0.16: 1.39 f^2 u
   and 1.05 f^2 u together. All else in it is double-double, so as good as exact, but for its series: 20 u of
   that, with what the products here lose.

   Both ways take the tail times f^2, which is 2^f - 1 - f ln 2, at f.hi instead of f. Where the two f.hi differ, in one
   step of twenty, it is by an ulp, 2 u |f| at most, and `off`. That changes the tail by ln 2 (2^f - 1) of it, which is
   0.575 |f| at most for f > 0 and 0.481 |f| for f < 0: 1.15 f^2 u and 0.97 f^2 u more, and 0.29 of `off`, which with
   the 0.69 of f ln 2 is the 0.98 by which 2^f itself differs. Each way then rounds a square of its own: 0.55 f^2 u and
   0.49 f^2 u more, 3.09 and 2.51 together. Of neighbouring f.hi around the same f 2.61 and 1.67 were the most seen. */
LRK_INLINE int lrk_prove(
    lrk_dd base, lrk_dd size, lrk_dd f, double off, int same, double lost, const lrk_further *m, double *value)
{
    const double lead = f.hi * LRK_LN2_HI, lead_low = lrk_fused(f.hi, LRK_LN2_HI, -lead);
    const double low = f.lo * LRK_LN2_HI + f.hi * LRK_LN2_LO, square = f.hi * f.hi;
    const lrk_dd one = lrk_quick_sum(1.0, lead);
    const double tail = lrk_quick_exp2_tail(f.hi), part = square * tail;
    const double w_low = one.lo + (lrk_fused(square, tail, -part) + (lead_low + low));
    const lrk_dd w = lrk_quick_sum(one.hi, part);

    const double most = lrk_magnitude(size.hi), start = lrk_magnitude(base.hi + size.hi * w.hi), anchor = most * w.hi;
    if (!(most > 0x1p-400 && most < 0x1p400 && start > 0x1p-400)) return 0;
    /* As lrk_settles, where it is certain: all terms are the double of the first at most, those from the fifth on that
       of the fifth, and the terms two further by one are `ratio` of it at most. */
    const double p = m->p, fall = m->fall, square2 = m->most * m->most,
                 ratio = 0.04 * (p + 8.0 * fall) * (p + 8.0 * fall) * square2;
    const double product = (p - fall) * (p - 2.0 * fall) * (p - 3.0 * fall) * (p - 4.0 * fall) * (1.0 / 120.0);
    const double least = lrk_magnitude(p * product) * (square2 * square2 * m->most) * anchor, limit = 0x1p-58 * start;
    if (!(8.02 * p * m->most * anchor <= start && 2.0 * least * ratio * ratio <= limit)) return 0;
    if (least > 0.49 * limit && least < 1.01 * limit) return 0;
    const double further = least < limit ? lrk_further_by(m, 4) : lrk_further_by(m, 8);
    const double sure = lost + most * (off + 20.0 * 0x1p-53 * lrk_magnitude(further) * w.hi);
    const double times = f.hi > 0.0 ? (same ? 1.4 : 3.1) : (same ? 1.06 : 2.53),
                 unsure = most * (times * 0x1p-53) * square;
    if (lrk_rounds(base, size, (lrk_dd){w.hi, w.lo + w_low}, further, sure + unsure, value)) return 1;
    if (!same) return 0;
    const double by_horner = square * lrk_exp2_tail(f.hi), sum = by_horner + (low + off);
    if (sum != by_horner + (low - off)) return 0;
    const lrk_dd other = lrk_quick_sum(one.hi, lead_low + sum);
    return lrk_rounds(base, size, (lrk_dd){other.hi, other.lo + one.lo}, further, sure, value);
}

/* Of whole distances. Their log2 is off by 2^-64 there (2^-64.4 was seen), and here by four sums of 2^-67 each; power
   times it by two of power times 2^-66.4 besides: 2^-63.1. Where its fraction rounds the same at both ends of all that,
   it is the same. */
LRK_INLINE int lrk_power_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    const double power = s->k[POWER_EXPONENT], from = s->k[POWER_FROM], near = block->low, far = s->span - near;
    const double x = from <= 0.0 ? near : far, off = power * 0x1p-63;
    if (!(block->high == 0.0 && block->part == 0.0 && s->k[POWER_SPAN_LOW] == 0.0)) return 0;
    if (!(s->span - far == near && x >= 1.0 && power < 64.0)) return 0;

    const lrk_log2_parts a = lrk_quick_log2(x), n = lrk_quick_log2(s->span);
    const lrk_dd difference = lrk_two_sum(a.r, -n.r);
    const double lead = difference.hi * LRK_LOG2_E_HI;
    const double lead_low = lrk_fused(difference.hi, LRK_LOG2_E_HI, -lead) +
                            (difference.hi * LRK_LOG2_E_LO + difference.lo * LRK_LOG2_E_HI);
    const lrk_dd log2 = lrk_two_sum(a.hi - n.hi, lead);
    const double log2_low = log2.lo + (lead_low + ((a.square - n.square) + ((a.rest - n.rest) + (a.lo - n.lo))));
    const double high = power * log2.hi, low = lrk_fused(power, log2.hi, -high) + power * log2_low;
    const double k = lrk_round(high);
    const lrk_dd f = lrk_two_sum(high - k, low);
    if (!(high > -300.0 && lrk_magnitude(f.hi) < 0.5 - 0x1p-30)) return 0;
    const int same = f.hi + (f.lo + off) == f.hi + (f.lo - off);

    const double unit = lrk_pow2(k) * (from == 0.0 ? 1.0 : from < 0.0 ? 2.0 : -1.0);
    const lrk_dd base = lrk_two_sum(s->base, from * s->gap);
    const double base_low = base.lo + (s->k[LRK_BASE_LOW] + from * s->k[LRK_GAP_LOW]);
    const lrk_dd size = {s->gap * unit, s->k[LRK_GAP_LOW] * unit};
    const double lost = 0x1p-98 * (lrk_magnitude(s->base) + lrk_magnitude(s->gap));

    const double step = 1.0 / x, most = s->k[LRK_WIDTH] * step;
    const lrk_further more = {power, 1.0, from <= 0.0 ? r * step : -r * step, most};
    if (!((power + 8.0) * most <= 0.5)) return 0;
    return lrk_prove((lrk_dd){base.hi, base_low}, size, f, off, same, lost, &more, value);
}

/* Its exponent is the other way's, to the bit. */
LRK_INLINE int lrk_growth_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    const lrk_dd exponent =
        lrk_dd_multiply((lrk_dd){s->k[GROWTH_RATE], s->k[GROWTH_RATE_LOW]}, lrk_step_distance(block, 0.0), 1);
    const double k = lrk_round(exponent.hi);
    if (!(lrk_magnitude(exponent.hi) < 300.0 && lrk_magnitude(s->k[GROWTH_EXPONENT]) < 300.0)) return 0;
    const lrk_dd size = {s->k[GROWTH_START] * lrk_pow2(k + s->k[GROWTH_EXPONENT]), 0.0};
    const double g = s->k[GROWTH_RATE] * LRK_LN2_HI, most = lrk_magnitude(g) * s->k[LRK_WIDTH];
    const lrk_further more = {1.0, 0.0, g * r, most};
    const lrk_dd f = lrk_two_sum(exponent.hi - k, exponent.lo);
    if (!(most <= 0.125)) return 0;
    return lrk_prove((lrk_dd){0.0, 0.0}, size, f, 0.0, 1, 0x1p-98 * lrk_magnitude(size.hi), &more, value);
}

LRK_INLINE int polynomial_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    return lrk_power_quick(s, block, r, value);
}

LRK_INLINE int power_ramp_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    return lrk_power_quick(s, block, r, value);
}

LRK_INLINE int geometric_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    return lrk_growth_quick(s, block, r, value);
}

LRK_INLINE int exponential_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    return lrk_growth_quick(s, block, r, value);
}

/* The same way in whole numbers, without the sums that add nothing there. */
LRK_INLINE int cosine_cycles_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    const lrk_dd t = {block->low, 0.0}, turns = lrk_two_product(s->k[WAVE_TURNS], t.hi, 1);
    const double nearest = lrk_nearest_turn(s, turns);
    const lrk_dd back = lrk_two_product(nearest, s->span, 1);
    if (block->high != 0.0 || block->part != 0.0 || s->k[WAVE_SPAN_LOW] != 0.0 || s->k[WAVE_CROSSES] != 0.0) return 0;
    if (turns.lo != 0.0 || back.lo != 0.0) return 0;
    const lrk_series e = lrk_cycles(s, t, turns, nearest, back, 1, 1);
    const double terms = lrk_settles(&e, s->k[LRK_WIDTH]);
    *value = terms == 4.0 ? lrk_sum4(&e, r) : lrk_sum8(&e, r);
    return terms != 0.0;
}

/* One chain of two roots and two quotients. */
LRK_INLINE int inverse_sqrt_quick(const lrk_segment *s, const lrk_steps *block, double r, double *value)
{
    (void)s;
    (void)block;
    (void)r;
    (void)value;
    return 0;
}

#endif
