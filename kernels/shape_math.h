/* shape_math.h - the formula of every row of shapes.def: what lrk_prepare derives for it, and scalar functions, inlined
   into the scalar switch and, where they are branch-free, into the span loops.

   A row is measured from the end whose value is nearer to zero, so that its error is relative also where it goes to 0,
   and the distance to either end is counted in steps from that end, never as 1 - u (a linear decay to 0 over 1e9 steps
   is exact in its last ones). Trying `start + (stop - start) * u` instead left 1e8 ulp in the last step of such a
   decay.

   A curve is computed in double-double at the anchors of blocks of steps and continued from there. Anchors lie whole
   blocks away from where the row's clock reads 0 (or from its near end), so that a step belongs to the same block
   however it is reached. */
#ifndef LRK_SHAPE_MATH_H
#define LRK_SHAPE_MATH_H

#include "clock.h"
#include "doubledouble.h"
#include "lrkernel.h"
#include "shapes.h"
#include "waves.h"

#include <math.h> /* sqrt alone, which IEEE 754 rounds correctly everywhere */
#include <stddef.h>

/* ---- distances ---- */

/* high + low whole steps and `part` of one; the next step is `sign` further. high is a multiple of 2^32 and low is
   small, so that their sum is rounded once at most. */
typedef struct lrk_steps {
    double high, low, part, sign;
} lrk_steps;

LRK_INLINE lrk_dd lrk_distance(const lrk_steps *steps, double j)
{
    const lrk_dd whole = lrk_two_sum(steps->high, steps->low + steps->sign * j);
    return lrk_two_sum(whole.hi, whole.lo + steps->part);
}

/* The same without waiting for sums that lose nothing: nearly all distances are whole and below 2^32. */
LRK_INLINE lrk_dd lrk_step_distance(const lrk_steps *steps, double j)
{
    if (steps->high == 0.0 && steps->part == 0.0) return (lrk_dd){steps->low + j, 0.0};
    return lrk_distance(steps, j);
}

/* The same, rounded, for rows without blocks. */
LRK_INLINE double lrk_near(const lrk_steps *steps, double j)
{
    return (steps->high + (steps->low + steps->sign * j)) + steps->part;
}

/* (span + span_low) - distance, its low part not yet below half an ulp of the high one */
LRK_INLINE lrk_dd lrk_raw_remaining(double span, double span_low, lrk_dd distance)
{
    const lrk_dd left = lrk_two_sum(span, -distance.hi);
    return (lrk_dd){left.hi, left.lo + (span_low - distance.lo)};
}

LRK_INLINE lrk_dd lrk_remaining(double span, double span_low, lrk_dd distance)
{
    const lrk_dd left = lrk_raw_remaining(span, span_low, distance);
    return lrk_two_sum(left.hi, left.lo);
}

/* distance / (span + span_low) */
LRK_INLINE lrk_dd lrk_quotient(lrk_dd distance, double span, double span_low, int fused)
{
    const double x = distance.hi / span;
    const lrk_dd back = lrk_two_product(x, span, fused);
    return (lrk_dd){x, (((distance.hi - back.hi) - back.lo) + (distance.lo - x * span_low)) / span};
}

/* ---- what rows between two ends share ---- */

/* The choice keeps the sign of -0, for which compilers need three instructions instead of one. */
LRK_INLINE double lrk_magnitude(double x)
{
#if defined(__GNUC__)
    return __builtin_fabs(x);
#else
    return x < 0.0 ? -x : x;
#endif
}

LRK_INLINE int lrk_is_finite(double x)
{
    return x - x == 0.0;
}

LRK_INLINE int lrk_is_moderate(double x)
{
    const double size = lrk_magnitude(x);
    return size == 0.0 || (size >= 0x1p-64 && size <= 0x1p64) || size == INFINITY;
}

/* The steps from where a row with blocks counts from, up to which the products of its anchors may be fused; -1 where
   they may not. With moderate numbers distances are 0 or at least 2^-117, the last bit of a part; quotients by the span
   2^-181; what a wave of many cycles leaves of its turns 2^-349, squared and times the mantissa of a subnormal gap,
   2^-74, 2^-772; a rate of growth 2^-117, the last bits of its exponents 2^-400; the exponents of a power 2^-246.
   Behind its end, where only a table made by hand has steps, a power is whatever comes of it: that must be the same
   too. */
static double lrk_fused_steps(const lrk_segment *s)
{
    const double numbers[] = {s->begin_part, s->end_part, s->span, s->param, s->every};
    for (int j = 0; j < 5; ++j)
        if (!lrk_is_moderate(numbers[j])) return -1.0;
    return s->span == INFINITY || s->span < 0x1p52 ? s->span : -1.0;
}

LRK_INLINE int lrk_may_fuse(const lrk_segment *s, double part, double most)
{
    return most + (part > 0.0) <= s->high && lrk_is_moderate(part);
}

LRK_INLINE int lrk_crosses_zero(const lrk_segment *s)
{
    return (s->start < 0.0 && s->stop > 0.0) || (s->start > 0.0 && s->stop < 0.0);
}

/* Slots of k that rows share. */
enum {
    LRK_BASE_LOW = 5, /* what base and gap leave, so that base + gap is the end value to the bit */
    LRK_GAP_LOW = 6,
    LRK_WIDTH = 7 /* steps per block, a power of two */
};

/* Sets the end to count from. Across zero `base` is the middle and `gap` half the way: the whole way is up to twice the
   larger end value, which would double every error, and can overflow. A weight w then counts as 2 w - 1. */
static const char *lrk_between(lrk_segment *s, int falling)
{
    const int crosses = lrk_crosses_zero(s);
    const double half = crosses ? 0.5 : 1.0, from = half * (falling ? s->stop : s->start);
    const double to = half * (falling ? s->start : s->stop);
    const lrk_dd base = lrk_two_sum(from, crosses ? to : 0.0), gap = lrk_two_sum(to, -from);
    if (!(s->span > 0.0 && lrk_is_finite(s->span))) return "steps must be > 0";
    if (!lrk_is_finite(gap.hi)) return "stop - start must be finite";
    s->falling = falling;
    s->base = base.hi;
    s->gap = gap.hi;
    s->k[LRK_BASE_LOW] = base.lo;
    s->k[LRK_GAP_LOW] = gap.lo;
    return NULL;
}

static int lrk_nears_zero(const lrk_segment *s)
{
    return lrk_magnitude(s->stop) <= lrk_magnitude(s->start);
}

/* ---- linear ----
   The quotient by the span is correctly rounded, which a product with its reciprocal is not. Rounding is monotone, so a
   monotone weight stays so; the clamp keeps the last ulp of base + gap * 1 from leaving the range of the end values.
   Across zero the steps are those from the near end less those from the far one, exactly 0 in the middle. */

enum { LINEAR_CROSSES };

static const char *linear_prepare(lrk_segment *s, lrk_dd span)
{
    (void)span;
    s->k[LINEAR_CROSSES] = lrk_crosses_zero(s);
    s->low = s->start < s->stop ? s->start : s->stop;
    s->high = s->start < s->stop ? s->stop : s->start;
    return lrk_between(s, lrk_nears_zero(s));
}

LRK_INLINE double linear_lane(const lrk_segment *s, double u)
{
    return lrk_clamp(s->base + s->gap * u, s->low, s->high);
}

/* Steps and span in whole numbers, as lrk_whole_quotient needs them. */
LRK_INLINE int lrk_is_whole(const lrk_segment *s, const lrk_steps *steps)
{
    return steps->part == 0.0 && s->span < 0x1p48 && s->span == (double)(int64_t)s->span;
}

/* near / span by per = 1 / span, to the bit, for whole |near| <= span < 2^48, in 0.6 of a division's time (Markstein
   1990). The first quotient is within 2 ulp, so what it leaves is a multiple of its ulp and less than 2^50 of them:
   exact. The second one, before its rounding, is within 2^-52 ulp. No quotient of such numbers is that near to a middle
   between two float64, where rounding could differ: near - middle * span is a multiple of ulp / 2, and not 0, since a
   middle has 54 bits and `near` has not; so the quotient is ulp / 2^49 away from it at least. */
LRK_INLINE double lrk_whole_quotient(double near, double span, double per)
{
    const double q = near * per;
    return lrk_fused(lrk_fused(-q, span, near), per, q);
}

/* ---- waves ----
   (1 + cos) / 2 is the squared sine of half the angle, so nothing cancels where the wave touches its end. */

/* Of the angle pi x: (1 - cosine) / 2, relative, and cosine and sine themselves. */
typedef struct lrk_wave {
    lrk_dd weight;
    double cosine, sine;
} lrk_wave;

/* x in [0, 1/2], or 1 - x where `beyond`. */
LRK_INLINE lrk_wave lrk_wave_at(lrk_dd x, int beyond, int fused)
{
    const lrk_dd half = lrk_sine(x, fused);
    const lrk_dd square = lrk_two_product(half.hi, half.hi, fused);
    const lrk_dd w = lrk_quick_sum(square.hi, square.lo + 2.0 * (half.hi * half.lo));
    const lrk_dd rest = lrk_quick_sum(1.0, -w.hi);
    const double cosine = 1.0 - 2.0 * w.hi;
    return (lrk_wave){
        {beyond ? rest.hi : w.hi, beyond ? rest.lo - w.lo : w.lo},
        beyond ? -cosine : cosine,
        2.0 * (half.hi * sqrt(rest.hi))};
}

/* base + gap w, before its rounding. */
LRK_INLINE lrk_dd lrk_wave_value(const lrk_segment *s, lrk_dd w, int fused)
{
    const double unit = s->k[WAVE_UNIT], gap = s->gap / unit;
    const lrk_dd product = lrk_two_product(gap, w.hi, fused), value = lrk_two_sum(s->base, unit * product.hi);
    const double low = unit * (product.lo + gap * w.lo) + (s->k[LRK_BASE_LOW] + s->k[LRK_GAP_LOW] * w.hi);
    return (lrk_dd){value.hi, value.lo + low};
}

static void lrk_wave_prepare(lrk_segment *s, lrk_dd span)
{
    double exponent = 0.0;
    if (s->gap != 0.0) (void)lrk_mantissa(lrk_magnitude(s->gap), &exponent);
    s->k[WAVE_SPAN_LOW] = span.lo;
    s->k[WAVE_UNIT] = lrk_pow2(lrk_clamp(exponent, -1000.0, 1000.0));
}

/* ---- cosine ----
   From an anchor at angle a on, cos(a + b) = cos a - (cos a (1 - cos b) + sin a sin b): a table of 1 - cos b and sin b,
   the same for every block of every row of one span, and two products per step. Towards the near end all terms are
   positive, so this is relative down to zero. Angle addition of the half angle's sine, squared afterwards, took twice
   the operations and lost 4.3 ulp. */

#define LRK_TABLE_BITS 8
#define LRK_TABLE_STEPS (1 << LRK_TABLE_BITS)

/* value + low + a0 b0 + a1 b1, b from the table. */
typedef struct lrk_anchor {
    lrk_dd value;
    double a0, a1;
} lrk_anchor;

/* `far` is what remains of the span. */
LRK_INLINE lrk_wave lrk_half_wave(const lrk_segment *s, lrk_dd near, lrk_dd far, int fused)
{
    const int beyond = near.hi > far.hi;
    const lrk_dd distance = {beyond ? far.hi : near.hi, beyond ? far.lo : near.lo};
    return lrk_wave_at(lrk_quotient(distance, s->span, s->k[WAVE_SPAN_LOW], fused), beyond, fused);
}

static const char *cosine_prepare(lrk_segment *s, lrk_dd span)
{
    const char *broken = lrk_between(s, lrk_nears_zero(s));
    if (broken != NULL) return broken;
    if (lrk_crosses_zero(s)) return "start and stop must not differ in sign; cosine_cycles with cycles 0.5 may";
    lrk_wave_prepare(s, span);
    s->k[LRK_WIDTH] = LRK_TABLE_STEPS;
    return NULL;
}

LRK_INLINE lrk_anchor lrk_anchor_of(const lrk_segment *s, lrk_wave wave, int fused)
{
    const double half = 0.5 * s->gap;
    return (lrk_anchor){lrk_wave_value(s, wave.weight, fused), half * wave.cosine, half * wave.sine};
}

LRK_INLINE lrk_anchor cosine_anchor(const lrk_segment *s, lrk_dd near, int fused)
{
    return lrk_anchor_of(s, lrk_half_wave(s, near, lrk_remaining(s->span, s->k[WAVE_SPAN_LOW], near), fused), fused);
}

/* The table's entry of r steps. */
LRK_INLINE void cosine_inside(const lrk_segment *s, double r, double *b0, double *b1, int fused)
{
    const lrk_dd near = {r, 0.0};
    const lrk_wave wave = lrk_half_wave(s, near, lrk_remaining(s->span, s->k[WAVE_SPAN_LOW], near), fused);
    *b0 = 2.0 * wave.weight.hi;
    *b1 = wave.sine;
}

LRK_INLINE double lrk_join(const lrk_anchor *a, double b0, double b1)
{
    return a->value.hi + (a->value.lo + (a->a0 * b0 + a->a1 * b1));
}

/* The value r steps after the anchor at `near`. The anchor's wave and the entry's in two lanes take hardly longer than
   one of them, and where nothing is left to renormalise (all distances whole) the branch saves waiting for that: 56 ns
   together, 96 one after the other. */
LRK_INLINE double cosine_at(const lrk_segment *segment, lrk_dd anchor, double r, int fused)
{
    const lrk_segment s = *segment;
    const double near[2] = {anchor.hi, r}, near_low[2] = {anchor.lo, 0.0};
    double far[2], far_low[2], weight[2], weight_low[2], cosine[2], sine[2];
    for (int j = 0; j < 2; ++j) {
        const lrk_dd left = lrk_raw_remaining(s.span, s.k[WAVE_SPAN_LOW], (lrk_dd){near[j], near_low[j]});
        far[j] = left.hi;
        far_low[j] = left.lo;
    }
    if (far_low[0] != 0.0 || far_low[1] != 0.0) {
        for (int j = 0; j < 2; ++j) {
            const lrk_dd left = lrk_two_sum(far[j], far_low[j]);
            far[j] = left.hi;
            far_low[j] = left.lo;
        }
    }
    for (int j = 0; j < 2; ++j) {
        const lrk_wave wave = lrk_half_wave(&s, (lrk_dd){near[j], near_low[j]}, (lrk_dd){far[j], far_low[j]}, fused);
        weight[j] = wave.weight.hi;
        weight_low[j] = wave.weight.lo;
        cosine[j] = wave.cosine;
        sine[j] = wave.sine;
    }
    const lrk_anchor a = lrk_anchor_of(&s, (lrk_wave){{weight[0], weight_low[0]}, cosine[0], sine[0]}, fused);
    return lrk_join(&a, 2.0 * weight[1], sine[1]);
}

/* ---- curves by their series ----
   At an anchor a row gives its value and the coefficients c of the series value + c1 j + c2 j^2 + ..., j steps further.
   Where the series settles within the block, a step costs a polynomial, whose rounding errors weigh little beside a
   value that changes little. Where it does not (near a zero, near the singular end of a power, at subnormals), every
   step of the block is an anchor of its own.

   What depends on the row alone must not be a condition in here (a clamp, a choice by sign): gcc 12 does not vectorise
   a loop with one, which made power anchors five times slower. name##_prepare derives it. */

typedef struct lrk_series {
    lrk_dd value;
    double c1, c2, c3, c4, c5, c6, c7, c8;
} lrk_series;

/* As wide as lets the series settle, for a curve that changes by about itself within `steps` steps. Below 8 steps an
   anchor costs as much as its block. */
static void lrk_choose_width(lrk_segment *s, double steps)
{
    s->k[LRK_WIDTH] = 8.0;
    while (s->k[LRK_WIDTH] < 256.0 && steps >= 64.0 * s->k[LRK_WIDTH]) s->k[LRK_WIDTH] *= 2.0;
}

/* How many terms the block of `width` steps needs: 4, 8, or 0 where the series does not settle. It does where its last
   two terms are a quarter of the two before (all further ratios are no larger for these curves), what follows them is
   below 2^-58 of the value, and the terms together are a quarter of the value at most, so that their rounding errors
   add little. NaN and inf settle nowhere. */
LRK_INLINE double lrk_settles(const lrk_series *e, double width)
{
    const double value = lrk_magnitude(e->value.hi), square = width * width, fourth = square * square;
    const double t1 = lrk_magnitude(e->c1) + width * lrk_magnitude(e->c2);
    const double t3 = lrk_magnitude(e->c3) + width * lrk_magnitude(e->c4);
    const double t5 = lrk_magnitude(e->c5) + width * lrk_magnitude(e->c6);
    const double t7 = lrk_magnitude(e->c7) + width * lrk_magnitude(e->c8);
    const double last = width * (fourth * square * t7), next = width * (fourth * t5);
    const double all = (width * (t1 + square * t3) + next) + last, ratio = last / (next + 0x1p-1000);
    const int settles =
        (4.0 * all <= value) & (ratio <= 0.25) & (last * ratio <= 0x1p-58 * value) & (value >= 0x1p-900);
    return settles ? (next + last <= 0x1p-58 * value ? 4.0 : 8.0) : 0.0;
}

/* Where every step is an anchor; inf - inf is no remainder. */
LRK_INLINE double lrk_rounded(lrk_dd value)
{
    return lrk_is_finite(value.hi) ? value.hi + value.lo : value.hi;
}

/* The same bits as the next where c3 and c4 are 0: adding 0 changes nothing but the sign of a 0, and the value of a
   block that settles is none. */
LRK_INLINE double lrk_sum2(const lrk_series *e, double j)
{
    return e->value.hi + (e->value.lo + j * (e->c1 + j * e->c2));
}

LRK_INLINE double lrk_sum4(const lrk_series *e, double j)
{
    return e->value.hi + (e->value.lo + j * (e->c1 + j * (e->c2 + j * (e->c3 + j * e->c4))));
}

LRK_INLINE double lrk_sum8(const lrk_series *e, double j)
{
    double p = e->c7 + j * e->c8;
    p = e->c5 + j * (e->c6 + j * p);
    p = e->c3 + j * (e->c4 + j * p);
    return e->value.hi + (e->value.lo + j * (e->c1 + j * (e->c2 + j * p)));
}

/* ---- float32 in float32 ----
   The float32 of a step is its float64 value V rounded, V being linear_lane, lrk_join, lrk_sum4 or lrk_sum8. Where a
   curve changes little within a block, V = large + small with a float32 `large` and a small part, counted from the
   middle of the block, that float32 arithmetic gives to 1/256 ulp of the result. Their sum rounds as V does, unless it
   is that near to a middle between two float32: then the LRK_QUICK_STEPS around are done in full. Without conversions a
   step takes 0.4 to 0.6 of the time. Tried instead: fewer terms in float64, which the check of each lane made as slow
   as all of them; a middle for each piece, which lets shorter curves in, but took a sixth of a fill more. 64 parts of
   156,250 steps are too short: they take 3.7 ms in full where a fill of their bytes takes 2.5. */

#define LRK_QUICK_STEPS 64

/* The bits of |x|: as whole numbers they are in the order of the magnitudes. */
LRK_INLINE int32_t lrk_magnitude_bits(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

typedef struct lrk_quick {
    double large, small, c1, c2; /* at step LRK_TABLE_STEPS / 2 of the block */
    double most;                 /* that rounding large + small may change, in magnitude; -1 where it does not do */
} lrk_quick;

/* What separates large + small from V: with e = 2^-24, roundings count 2 e of the constant of `small`, at most 4 e of
   c1 j, 6 e of c2 j^2, and 3 e of both where multiply-adds are fused; V, 3.5 ulp of a line at most, the value in the
   middle and `most` as a float32 2^-47 of the value; what the third and fourth term leave at the middle, their third
   derivative at most, times j^3 / 6; and all further terms. Underflow adds nothing at such values. `ulp` is that of the
   smallest value in the block, so that one which passes a power of two, above which ulps double, is done in full. */
LRK_INLINE lrk_quick lrk_quick_of(const lrk_series *e, int fused)
{
    const double m = 0.5 * LRK_TABLE_STEPS, width = LRK_TABLE_STEPS;
    const double middle = lrk_sum4(e, m), value = lrk_magnitude(middle);
    const double large = (double)(float)lrk_clamp(middle, -0x1p100, 0x1p100), small = middle - large;
    const double c1 = e->c1 + m * (2.0 * e->c2 + m * (3.0 * e->c3 + m * (4.0 * e->c4)));
    const double c2 = e->c2 + m * (3.0 * e->c3 + m * (6.0 * e->c4));
    double tail = lrk_magnitude(e->c7) + width * lrk_magnitude(e->c8);
    tail = lrk_magnitude(e->c5) + width * (lrk_magnitude(e->c6) + width * tail);
    tail = m * m * m * (lrk_magnitude(e->c3) + width * (4.0 * lrk_magnitude(e->c4) + 8.0 * width * tail));
    const double reach = lrk_magnitude(small) + m * (lrk_magnitude(c1) + 2.0 * m * lrk_magnitude(c2));
    const double rounding = fused ? 0x1.801p-23 : 0x1.001p-22;
    const double off = rounding * reach + 0x1p-47 * value + tail, least = value - reach - off;
    const double ulp = lrk_from_bits(lrk_bits(least) & 0x7ff0000000000000u) * 0x1p-23;
    const int does = (off <= 0x1p-8 * ulp) & (value > 0x1p-40) & (value < 0x1p99);
    return (lrk_quick){large, small, c1, c2, does ? 0.5 * ulp - off : -1.0};
}

/* Spans from which on a line or cosine may change so little in a block, and a cosine's further terms are nothing. */
#define LRK_LONG 0x1p20

/* The series of a cosine's anchor, which lrk_join gives to an ulp. */
LRK_INLINE lrk_series cosine_terms(const lrk_segment *s, const lrk_anchor *a)
{
    const double angle = 2.0 * LRK_QUARTER_HI / s->span, square = angle * angle;
    lrk_series e = {a->value, 0, 0, 0, 0, 0, 0, 0, 0};
    e.c1 = a->a1 * angle;
    e.c2 = a->a0 * square * (1.0 / 2.0);
    e.c3 = e.c1 * square * (-1.0 / 6.0);
    e.c4 = e.c2 * square * (-1.0 / 12.0);
    return e;
}

/* ---- cosine with any number of cycles ----
   With c = 2 cycles, the distance of c u = c t / n to the nearest integer K is (c t - K n) / n: products and difference
   are carried in double-double, so the value is relative also at the inner zeros of the wave. The parity of K says on
   which side of the wave t is. */

static const char *cosine_cycles_prepare(lrk_segment *s, lrk_dd span)
{
    const char *broken = lrk_between(s, lrk_nears_zero(s));
    if (broken != NULL) return broken;
    if (!(s->param > 0.0 && s->param < 0x1p48)) return "cycles must be > 0 and < 2^48";
    lrk_wave_prepare(s, span);
    s->k[WAVE_TURNS] = 2.0 * s->param;
    s->k[WAVE_PARITY] = s->falling;
    s->k[WAVE_CROSSES] = lrk_crosses_zero(s);
    s->falling = 0; /* the phase is counted from the beginning */
    lrk_choose_width(s, s->span / (s->k[WAVE_TURNS] * (2.0 * LRK_QUARTER_HI)));
    return NULL;
}

/* Of `turns` and `back`, c t and K n. `plain`: nothing is left of these products, all distances are whole and the row
   does not cross zero; the sums left out then change nothing, and are 11 of 73 ns of one step. */
LRK_INLINE lrk_series
lrk_cycles(const lrk_segment *s, lrk_dd t, lrk_dd turns, double nearest, lrk_dd back, int fused, int plain)
{
    lrk_dd rest = {turns.hi - back.hi, 0.0};
    if (!plain) {
        const lrk_dd low = lrk_two_sum(turns.lo, -back.lo), high = lrk_two_sum(turns.hi - back.hi, low.hi);
        const double lost = s->k[WAVE_TURNS] * t.lo - nearest * s->k[WAVE_SPAN_LOW];
        rest = lrk_two_sum(high.hi, high.lo + (low.lo + lost));
    }
    const double side = rest.hi < 0.0 ? -1.0 : 1.0;
    const lrk_dd x = lrk_quotient((lrk_dd){side * rest.hi, side * rest.lo}, s->span, s->k[WAVE_SPAN_LOW], fused);
    const double half = nearest * 0.5 - lrk_round(nearest * 0.5); /* 0 or +-1/2 */
    const int turned = half * half * 4.0 != s->k[WAVE_PARITY];
    const lrk_wave wave = lrk_wave_at(x, turned, fused);

    const double scale = 1.0 + s->k[WAVE_CROSSES];
    lrk_dd w = wave.weight;
    if (!plain) {
        w = lrk_two_sum(scale * wave.weight.hi, -s->k[WAVE_CROSSES]);
        w.lo += scale * wave.weight.lo;
    }
    const double step = s->k[WAVE_TURNS] * (2.0 * LRK_QUARTER_HI) / s->span, square = step * step;
    const double size = 0.5 * s->gap * scale;
    lrk_series e = {lrk_wave_value(s, w, fused), 0, 0, 0, 0, 0, 0, 0, 0};
    e.c1 = size * step * (turned ? -side : side) * wave.sine;
    e.c2 = size * square * wave.cosine * (1.0 / 2.0);
    e.c3 = e.c1 * square * (-1.0 / 6.0);
    e.c4 = e.c2 * square * (-1.0 / 12.0);
    e.c5 = e.c3 * square * (-1.0 / 20.0);
    e.c6 = e.c4 * square * (-1.0 / 30.0);
    e.c7 = e.c5 * square * (-1.0 / 42.0);
    e.c8 = e.c6 * square * (-1.0 / 56.0);
    return e;
}

LRK_INLINE double lrk_nearest_turn(const lrk_segment *s, lrk_dd turns)
{
    return lrk_round(turns.hi / s->span);
}

LRK_INLINE lrk_series cosine_cycles_series(const lrk_segment *s, lrk_dd t, int fused)
{
    const lrk_dd turns = lrk_two_product(s->k[WAVE_TURNS], t.hi, fused);
    const double nearest = lrk_nearest_turn(s, turns);
    return lrk_cycles(s, t, turns, nearest, lrk_two_product(nearest, s->span, fused), fused, 0);
}

/* ---- powers ---- */

/* log2((1 + s) / (1 - s)) = s (S1 + v (S3 + v P(v))), v = s^2: P for |s| <= 0.172, error 2^-57 of the whole. */
LRK_INLINE double lrk_log2_tail(double v)
{
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
    return p;
}

/* The series of a (1 + q j)^p; a binomial one. */
LRK_INLINE lrk_series lrk_binomial(lrk_dd value, double a, double q, double p)
{
    lrk_series e = {value, 0, 0, 0, 0, 0, 0, 0, 0};
    e.c1 = a * p * q;
    e.c2 = e.c1 * q * ((p - 1.0) * (1.0 / 2.0));
    e.c3 = e.c2 * q * ((p - 2.0) * (1.0 / 3.0));
    e.c4 = e.c3 * q * ((p - 3.0) * (1.0 / 4.0));
    e.c5 = e.c4 * q * ((p - 4.0) * (1.0 / 5.0));
    e.c6 = e.c5 * q * ((p - 5.0) * (1.0 / 6.0));
    e.c7 = e.c6 * q * ((p - 6.0) * (1.0 / 7.0));
    e.c8 = e.c7 * q * ((p - 7.0) * (1.0 / 8.0));
    return e;
}

enum {
    POWER_EXPONENT,
    POWER_SPAN_LOW,      /* what span leaves of end - begin */
    POWER_SPAN_EXPONENT, /* floor(log2 span) */
    POWER_GAP_EXPONENT,  /* near that of gap */
    POWER_FROM           /* 0 where the weight is x^p, 1 where it is 1 - x^p, -1 where it is 2 x^p - 1 */
};

/* `rising`: the zero of x^p is at the beginning. Across zero the error counts against the larger end value alone, so
   any end can be the near one. */
static const char *lrk_power_prepare(lrk_segment *s, lrk_dd span, int rising)
{
    const int crosses = lrk_crosses_zero(s);
    const char *broken = lrk_between(s, crosses ? !rising : lrk_nears_zero(s));
    if (broken != NULL) return broken;
    if (!(s->param > 0.0)) return "power must be > 0";
    s->k[POWER_EXPONENT] = lrk_clamp(s->param, 0.0, 0x1p100);
    s->k[POWER_SPAN_LOW] = span.lo;
    (void)lrk_mantissa(s->span, &s->k[POWER_SPAN_EXPONENT]);
    if (s->gap != 0.0) (void)lrk_mantissa(lrk_magnitude(s->gap), &s->k[POWER_GAP_EXPONENT]);
    s->k[POWER_GAP_EXPONENT] = lrk_clamp(s->k[POWER_GAP_EXPONENT], -1000.0, 1000.0);
    s->k[POWER_FROM] = crosses ? -1.0 : s->falling == rising;
    lrk_choose_width(s, s->span / (32.0 * (s->param < 1.0 ? 1.0 : s->param)));
    return NULL;
}

/* base + gap w, w = x^p where x = 0 is the near end and 1 - x^p where it is the far one; x is the distance from the end
   with x = 0, y that from the other. x^p = 2^(p log2 x) with the logarithm in double-double: x = 2^e z, and s = (z - 1)
   / (z + 1) from the distances themselves, where z - 1 is -y / n for e = 0: that keeps 1 - x^p relative at x -> 1 as
   well. 1 - 2^f comes from 2^f - 1, never by subtraction. The product with the gap is put together from mantissas and
   exponents, since x^p alone may underflow.

   One step takes 117 ns, 130 without fused products, and is one chain: two quotients, the two polynomials one after the
   other, coefficients, sum take 71 ns with nothing double-double left, where a math.cos(x) with its call takes 35.
   Another way to squares and roots would give other low parts, hence other bits in one step of a thousand. Tried
   besides: branches instead of choices by sign, no second sum for what remains where it is whole. Neither was faster.
   In blocks two vectors go in turn (fill.inc.c): 46 ns per block at the baseline beside 120 of lrk_sum4. As fast: loops
   over nine parts of the chain, at x86-64-v3 slower; a copy for whole steps without low parts and clamps, of 4 percent
   fewer instructions. Neither an early schedule by the compiler nor one without -ftree-ter won anything. */
LRK_INLINE lrk_series lrk_power(const lrk_segment *s, lrk_dd near, int fused)
{
    const lrk_dd far = lrk_remaining(s->span, s->k[POWER_SPAN_LOW], near);
    const double from = s->k[POWER_FROM];
    const int direct = from <= 0.0;
    const double x = direct ? near.hi : far.hi, x_low = direct ? near.lo : far.lo;
    const double y = direct ? far.hi : near.hi, y_low = direct ? far.lo : near.lo;
    const double unit = lrk_pow2(-s->k[POWER_SPAN_EXPONENT]), n = s->span * unit, n_low = s->k[POWER_SPAN_LOW] * unit;

    /* x is 0 or at least 2^-1021 times a step, so never subnormal here; 1.5 * 2^52 again does int -> double. */
    const uint64_t bits = lrk_bits(x);
    double mantissa = lrk_from_bits((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
    double e = (lrk_from_bits((bits >> 52) | 0x4338000000000000u) - LRK_ROUNDER) - (1023.0 + s->k[POWER_SPAN_EXPONENT]);
    const double ratio = mantissa / n;
    const double up = ratio < 0x1.6a09e667f3bcdp-1 ? 1.0 : 0.0, down = ratio > 0x1.6a09e667f3bcdp+0 ? 1.0 : 0.0;
    mantissa *= 1.0 + up - 0.5 * down;
    e = e - up + down;

    const int at_one = e == 0.0;
    const double x_unit = unit * lrk_pow2(-e);
    const double numerator = at_one ? -y * unit : mantissa - n;
    const double numerator_low = at_one ? -y_low * unit : x_low * x_unit - n_low;
    const lrk_dd sum = lrk_two_sum(mantissa, n);
    const double sum_low = sum.lo + (x_low * x_unit + n_low);
    const double sh = numerator / sum.hi;
    const lrk_dd back = lrk_two_product(sh, sum.hi, fused);
    const double sl = (((numerator - back.hi) - back.lo) + (numerator_low - sh * sum_low)) / sum.hi;
    const lrk_dd square = lrk_two_product(sh, sh, fused);
    const double square_low = square.lo + 2.0 * (sh * sl);
    const double v = square.hi;
    const double p = lrk_log2_tail(v);
    const lrk_dd cubic = lrk_quick_sum(0x1.ec709dc3a03fdp-1, v * p); /* 2 / (3 ln 2) */
    const lrk_dd inner =
        lrk_dd_multiply((lrk_dd){v, square_low}, (lrk_dd){cubic.hi, cubic.lo + 0x1.d27f05548af0cp-55}, fused);
    const lrk_dd outer = lrk_quick_sum(LRK_LOG2_S1_HI, inner.hi);
    const lrk_dd log2_z =
        lrk_dd_multiply((lrk_dd){sh, sl}, (lrk_dd){outer.hi, outer.lo + (LRK_LOG2_S1_LO + inner.lo)}, fused);
    const lrk_dd total = lrk_two_sum(e, log2_z.hi);
    const lrk_dd power = lrk_two_product(s->k[POWER_EXPONENT], total.hi, fused);
    const double power_low = lrk_clamp(power.lo + s->k[POWER_EXPONENT] * (total.lo + log2_z.lo), -1.0, 1.0);

    /* w = from + sign t (1 + r) with t = 2^k; where w is x^p itself, k joins the exponent of the gap instead. */
    const double cut = power.hi < -4000.0 ? -4000.0 : power.hi;
    const double k = lrk_round(cut);
    const lrk_dd r = lrk_exp2_minus_1(lrk_two_sum(cut - k, power_low), fused);
    const double t = from == 0.0 ? 1.0 : lrk_pow2(k < -1000.0 ? -1000.0 : k) * (from < 0.0 ? 2.0 : -1.0);
    const lrk_dd lead = lrk_two_sum(from, t), w = lrk_two_sum(lead.hi, t * r.hi);
    const double w_low = w.lo + (lead.lo + t * r.lo);
    const double gap_unit = lrk_pow2(-s->k[POWER_GAP_EXPONENT]);
    const double gap = s->gap * gap_unit, gap_low = s->k[LRK_GAP_LOW] * gap_unit;
    const lrk_dd product = lrk_two_product(gap, w.hi, fused);
    const lrk_factors size = lrk_factors_of(s->k[POWER_GAP_EXPONENT] + (from == 0.0 ? k : 0.0));
    const double low = (product.lo + (gap * w_low + gap_low * w.hi)) * size.first * size.second + s->k[LRK_BASE_LOW];
    const lrk_dd value = lrk_two_sum(s->base, product.hi * size.first * size.second);
    const double a = gap * (t + t * r.hi) * size.first * size.second;
    return lrk_binomial((lrk_dd){value.hi, value.lo + low}, a, (direct ? 1.0 : -1.0) / x, s->k[POWER_EXPONENT]);
}

static const char *polynomial_prepare(lrk_segment *s, lrk_dd span)
{
    return lrk_power_prepare(s, span, 0);
}

LRK_INLINE lrk_series polynomial_series(const lrk_segment *s, lrk_dd near, int fused)
{
    return lrk_power(s, near, fused);
}

static const char *power_ramp_prepare(lrk_segment *s, lrk_dd span)
{
    return lrk_power_prepare(s, span, 1);
}

LRK_INLINE lrk_series power_ramp_series(const lrk_segment *s, lrk_dd near, int fused)
{
    return lrk_power(s, near, fused);
}

/* ---- inverse_sqrt ----
   sqrt(timescale) / sqrt(t + timescale): two roots rather than one of the quotient, which is subnormal for a tiny
   timescale. */

enum {
    ROOT_HI, /* start sqrt(timescale) is (hi + lo) first second, the latter powers of two */
    ROOT_LO,
    ROOT_FIRST,
    ROOT_SECOND
};

/* What `root`, the rounded square root of x, leaves. */
LRK_INLINE double lrk_root_low(double root, lrk_dd x, int fused)
{
    const lrk_dd back = lrk_two_product(root, root, fused);
    return (((x.hi - back.hi) - back.lo) + x.lo) / (2.0 * root);
}

static const char *inverse_sqrt_prepare(lrk_segment *s, lrk_dd span)
{
    (void)span;
    double exponent, scale = 0.0;
    if (!(s->param > 0.0)) return "timescale must be > 0";
    double m = lrk_mantissa(s->param, &exponent);
    if (exponent != 2.0 * lrk_round(0.5 * exponent)) {
        m *= 2.0;
        exponent -= 1.0;
    }
    double start = s->start == 0.0 ? 0.0 : lrk_mantissa(lrk_magnitude(s->start), &scale);
    if (s->start < 0.0) start = -start;
    const double root = sqrt(m);
    const lrk_dd product =
        lrk_dd_multiply((lrk_dd){root, lrk_root_low(root, (lrk_dd){m, 0.0}, 0)}, (lrk_dd){start, 0.0}, 0);
    s->k[ROOT_HI] = product.hi;
    s->k[ROOT_LO] = product.lo;
    const lrk_factors size = lrk_factors_of(0.5 * exponent + scale);
    s->k[ROOT_FIRST] = size.first;
    s->k[ROOT_SECOND] = size.second;
    lrk_choose_width(s, 4.0 * s->param);
    return NULL;
}

LRK_INLINE lrk_series inverse_sqrt_series(const lrk_segment *s, lrk_dd t, int fused)
{
    const lrk_dd sum = lrk_two_sum(t.hi, s->param);
    const lrk_dd x = {sum.hi, sum.lo + t.lo};
    const double root = sqrt(x.hi), root_low = lrk_root_low(root, x, fused);
    const double ratio = s->k[ROOT_HI] / root;
    const lrk_dd back = lrk_two_product(ratio, root, fused);
    const double ratio_low = (((s->k[ROOT_HI] - back.hi) - back.lo) + (s->k[ROOT_LO] - ratio * root_low)) / root;
    const double value = ratio * s->k[ROOT_FIRST] * s->k[ROOT_SECOND];
    const double low = ratio_low * s->k[ROOT_FIRST] * s->k[ROOT_SECOND];
    return lrk_binomial((lrk_dd){value, low}, value, 1.0 / x.hi, -0.5);
}

/* ---- geometric, exponential: start 2^(rate t) ---- */

/* Rates beyond 2^100 give 0 or inf after one step; cut off so that no product overflows. */
static void lrk_growth_prepare(lrk_segment *s, lrk_dd rate)
{
    if (lrk_magnitude(rate.hi) > 0x1p100) rate = (lrk_dd){lrk_clamp(rate.hi, -0x1p100, 0x1p100), 0.0};
    s->k[GROWTH_START] = s->start == 0.0 ? 0.0 : lrk_mantissa(lrk_magnitude(s->start), &s->k[GROWTH_EXPONENT]);
    if (s->start < 0.0) s->k[GROWTH_START] = -s->k[GROWTH_START];
    s->k[GROWTH_RATE] = rate.hi;
    s->k[GROWTH_RATE_LOW] = rate.lo;
    lrk_choose_width(s, 1.0 / lrk_magnitude(rate.hi * LRK_LN2_HI));
}

/* The series of a e^(g j); an exponential one. */
LRK_INLINE lrk_series lrk_growth_terms(lrk_dd a, double g)
{
    lrk_series e = {a, 0, 0, 0, 0, 0, 0, 0, 0};
    e.c1 = a.hi * g;
    e.c2 = e.c1 * g * (1.0 / 2.0);
    e.c3 = e.c2 * g * (1.0 / 3.0);
    e.c4 = e.c3 * g * (1.0 / 4.0);
    e.c5 = e.c4 * g * (1.0 / 5.0);
    e.c6 = e.c5 * g * (1.0 / 6.0);
    e.c7 = e.c6 * g * (1.0 / 7.0);
    e.c8 = e.c7 * g * (1.0 / 8.0);
    return e;
}

LRK_INLINE lrk_series lrk_grow(const lrk_segment *s, lrk_dd t, int fused)
{
    const lrk_dd exponent = lrk_dd_multiply((lrk_dd){s->k[GROWTH_RATE], s->k[GROWTH_RATE_LOW]}, t, fused);
    const double cut = lrk_clamp(exponent.hi, -4000.0, 4000.0); /* 0 or inf lie far inside; beyond it lo is noise */
    const double k = lrk_round(cut);
    const lrk_factors size = lrk_factors_of(k + s->k[GROWTH_EXPONENT]);
    const lrk_dd r = lrk_exp2_minus_1(lrk_two_sum(cut - k, lrk_clamp(exponent.lo, -1.0, 1.0)), fused);
    const lrk_dd factor = lrk_quick_sum(1.0, r.hi), product = lrk_two_product(s->k[GROWTH_START], factor.hi, fused);
    const double value = product.hi * size.first * size.second;
    const double low = (product.lo + s->k[GROWTH_START] * (factor.lo + r.lo)) * size.first * size.second;
    const double g = s->k[GROWTH_RATE] * LRK_LN2_HI;
    return lrk_growth_terms((lrk_dd){value, low}, g);
}

static const char *geometric_prepare(lrk_segment *s, lrk_dd span)
{
    const char *broken = lrk_between(s, 0);
    if (broken != NULL) return broken;
    if (!(s->start > 0.0 ? s->stop > 0.0 : s->start < 0.0 && s->stop < 0.0))
        return "start and stop must be both > 0 or both < 0";
    const lrk_dd from = lrk_dd_log2(lrk_magnitude(s->start)), to = lrk_dd_log2(lrk_magnitude(s->stop));
    lrk_growth_prepare(s, lrk_dd_divide(lrk_dd_add(to, (lrk_dd){-from.hi, -from.lo}), span));
    return NULL;
}

LRK_INLINE lrk_series geometric_series(const lrk_segment *s, lrk_dd t, int fused)
{
    return lrk_grow(s, t, fused);
}

/* The quotient, or its products, may be beyond float64: 2^100 is past all values after one step, and 0 does nothing to
   them in 2^63. */
static const char *exponential_prepare(lrk_segment *s, lrk_dd span)
{
    (void)span;
    if (!(s->param > 0.0)) return "gamma must be > 0";
    if (!(s->every > 0.0 && lrk_is_finite(s->every))) return "every must be > 0";
    lrk_dd rate = lrk_dd_log2(s->param);
    if (s->every > 0x1p900) {
        rate = (lrk_dd){0.0, 0.0};
    } else if (s->every >= 0x1p-100 || rate.hi == 0.0) {
        rate = lrk_dd_divide(rate, (lrk_dd){s->every, 0.0});
    } else {
        rate = (lrk_dd){rate.hi < 0.0 ? -0x1p100 : 0x1p100, 0.0};
    }
    lrk_growth_prepare(s, rate);
    return NULL;
}

LRK_INLINE lrk_series exponential_series(const lrk_segment *s, lrk_dd t, int fused)
{
    return lrk_grow(s, t, fused);
}

/* ---- stairs: one value for `every` steps ---- */

static const char *constant_prepare(lrk_segment *s, lrk_dd span)
{
    (void)s;
    (void)span;
    return NULL;
}

LRK_INLINE double constant_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    (void)values;
    (void)k;
    return s->start;
}

static const char *hold_prepare(lrk_segment *s, lrk_dd span)
{
    return constant_prepare(s, span);
}

LRK_INLINE double hold_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    return constant_stair(s, values, k);
}

static const char *values_prepare(lrk_segment *s, lrk_dd span)
{
    (void)span;
    if (s->count[0] < 1) return "array must have at least one value";
    return s->every > 0.0 && lrk_is_finite(s->every) ? NULL : "every must be > 0";
}

LRK_INLINE double values_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    return values[s->child[0] + (k.high == 0.0 && k.low < s->count[0] ? k.low : s->count[0] - 1)];
}

enum {
    STEP_RATE, /* log2 gamma */
    STEP_RATE_LOW,
    STEP_STAIRS /* the values of stairs 1, 2, ... as far as there are slots: 165 ns each that a call saves */
};
#define LRK_STEP_STAIRS 6

/* start gamma^k in double-double, rounded once: gamma^1 is gamma. */
static double lrk_step_value(const lrk_segment *s, lrk_stair k)
{
    if (s->start == 0.0 || (k.low == 0 && k.high == 0.0)) return s->start;
    const double low = (double)(k.low & 0xffffffff), high = (double)(k.low >> 32) * 0x1p32;
    const lrk_dd count = lrk_dd_add(lrk_quick_sum(high, low), (lrk_dd){lrk_clamp(k.high, 0.0, 0x1p100) * 0x1p62, 0.0});
    double exponent, scale;
    const lrk_dd log2_power = lrk_dd_multiply((lrk_dd){s->k[STEP_RATE], s->k[STEP_RATE_LOW]}, count, 0);
    const lrk_dd power = lrk_dd_exp2(log2_power, &exponent);
    const double mantissa = lrk_mantissa(s->start < 0.0 ? -s->start : s->start, &scale);
    const double value = lrk_scale(lrk_dd_multiply(power, (lrk_dd){mantissa, 0.0}, 0).hi, exponent + scale);
    return s->start < 0.0 ? -value : value;
}

static const char *step_prepare(lrk_segment *s, lrk_dd span)
{
    (void)span;
    if (!(s->param > 0.0)) return "gamma must be > 0";
    if (!(s->every > 0.0 && lrk_is_finite(s->every))) return "step_size must be > 0";
    const lrk_dd rate = lrk_dd_log2(s->param);
    s->k[STEP_RATE] = rate.hi;
    s->k[STEP_RATE_LOW] = rate.lo;
    for (int j = 0; j < LRK_STEP_STAIRS; ++j) s->k[STEP_STAIRS + j] = lrk_step_value(s, (lrk_stair){j + 1, 0.0});
    return NULL;
}

LRK_INLINE double step_stair(const lrk_segment *s, const double *values, lrk_stair k)
{
    (void)values;
    if (k.high == 0.0 && k.low > 0 && k.low <= LRK_STEP_STAIRS) return s->k[STEP_STAIRS + k.low - 1];
    return lrk_step_value(s, k);
}

#endif
