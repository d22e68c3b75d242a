/* lrk.c - segment look-up, scalar evaluation, bulk fill, choice of the SIMD level. */
#include "cpu.h"
#include "shape_math.h"

#include <stddef.h>

#define LRK_CACHE_BLOCK 512 /* doubles: the one temporary of a product and of every converting store */

enum {
#define LRK_LANE(id, name, ulp, call, formula) SHAPE_##name = id,
#define LRK_BLOCK LRK_LANE
#define LRK_STAIR LRK_LANE
#define LRK_NODE LRK_LANE
#include "shapes.def"
    SHAPE_COUNT
};

static const lrk_shape_info shape_infos[] = {
#define LRK_LANE(id, name, ulp, call, formula) {id, #name, "lane", ulp, call, formula},
#define LRK_BLOCK(id, name, ulp, call, formula) {id, #name, "block", ulp, call, formula},
#define LRK_STAIR(id, name, ulp, call, formula) {id, #name, "stair", ulp, call, formula},
#define LRK_NODE(id, name, ulp, call, formula) {id, #name, "node", ulp, call, formula},
#include "shapes.def"
};

enum kind { LANE, BLOCK, STAIR, NODE };

static const enum kind kinds[] = {
#define LRK_LANE(id, name, ulp, call, formula) LANE,
#define LRK_BLOCK(id, name, ulp, call, formula) BLOCK,
#define LRK_STAIR(id, name, ulp, call, formula) STAIR,
#define LRK_NODE(id, name, ulp, call, formula) NODE,
#include "shapes.def"
};

int lrk_shape_count(void)
{
    return SHAPE_COUNT;
}

const lrk_shape_info *lrk_shape(int index)
{
    return &shape_infos[index];
}

/* ---- SIMD levels ---- */

/* What a block row knows at the anchors of some blocks, and at every step inside one. */
#define LRK_ANCHORS 64

typedef struct lrk_anchors {
    double a0[LRK_ANCHORS], a1[LRK_ANCHORS], a2[LRK_ANCHORS];
} lrk_anchors;

typedef struct lrk_inside {
    double b0[LRK_BLOCK_STEPS], b1[LRK_BLOCK_STEPS], b2[LRK_BLOCK_STEPS];
} lrk_inside;

typedef struct lrk_level_code {
    void (*constant)(double value, int64_t n, double *out);
    void (*scale)(double k, int64_t n, double *out);
    void (*divide)(double k, int64_t n, double *out);
    void (*offset)(double c, int64_t n, double *out);
    void (*clip)(double low, double high, int64_t n, double *out);
    void (*multiply)(const double *by, int64_t n, double *out);
    void (*narrow)(const double *from, int64_t n, float *out);
    struct {
        void (*lane)(const lrk_segment *segment, const lrk_lane *run, int32_t i, int32_t n, double *out);
        void (*inside)(const lrk_segment *segment, lrk_inside *b);
        void (*anchors)(const lrk_segment *segment, const double *steps, double part, int32_t n, lrk_anchors *a);
        void (*join)(
            const lrk_segment *segment, const lrk_anchors *a, int32_t block, const lrk_inside *b, int32_t first,
            int32_t n, double *out);
    } shapes[SHAPE_COUNT];
} lrk_level_code;

#define LRK_AT_LEVEL(name) baseline_##name
#include "fill.inc.c"
#undef LRK_AT_LEVEL

/* The same source again under wider targets. Function multi-versioning by attribute (target_clones) would need ifunc
   resolvers, which musl lacks, and could not be forced from a test. */
#ifdef LRK_X86_LEVELS

#define LRK_V3 "avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe"
#define LRK_V4 LRK_V3 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
#define LRK_PRAGMA(text) _Pragma(#text)
#define LRK_TARGET_CLANG(names) LRK_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define LRK_TARGET_GCC(names) LRK_PRAGMA(GCC target(names))

#define LRK_AT_LEVEL(name) v3_##name
#ifdef __clang__
LRK_TARGET_CLANG(LRK_V3)
#else
#pragma GCC push_options
LRK_TARGET_GCC(LRK_V3)
#endif
#include "fill.inc.c"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef LRK_AT_LEVEL

#define LRK_AT_LEVEL(name) v4_##name
#ifdef __clang__
LRK_TARGET_CLANG(LRK_V4)
#else
#pragma GCC push_options
LRK_TARGET_GCC(LRK_V4 ",prefer-vector-width=512")
#endif
#include "fill.inc.c"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef LRK_AT_LEVEL

#endif

static const struct {
    const char *name;
    const lrk_level_code *code;
} levels[] = {
    {"baseline", &baseline_code},
#ifdef LRK_X86_LEVELS
    {"x86-64-v3", &v3_code},
    {"x86-64-v4", &v4_code},
#endif
};

/* -1: not chosen yet. Choosing is idempotent, so a race only does it twice. */
#if defined(__GNUC__)
static int chosen_level = -1;
#define LRK_LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define LRK_STORE(x, value) __atomic_store_n(&(x), (value), __ATOMIC_RELAXED)
#else
static volatile int chosen_level = -1;
#define LRK_LOAD(x) (x)
#define LRK_STORE(x, value) ((x) = (value))
#endif

int lrk_level_count(void)
{
    return (int)(sizeof levels / sizeof levels[0]);
}

const char *lrk_level_name(int level)
{
    return levels[level].name;
}

int lrk_level_runs(int level)
{
    return level <= lrk_cpu_level();
}

int lrk_use_level(int level)
{
    if (level < 0) {
        level = lrk_level_count() - 1;
        while (!lrk_level_runs(level)) --level;
    } else if (!lrk_level_runs(level)) {
        return -1;
    }
    LRK_STORE(chosen_level, level);
    return 0;
}

int lrk_level(void)
{
    if (LRK_LOAD(chosen_level) < 0) lrk_use_level(-1);
    return LRK_LOAD(chosen_level);
}

/* ---- deriving the fields of a row ---- */

static int is_finite(double x)
{
    return x - x == 0.0;
}

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* x without all but its 23 leading bits */
static double leading_bits(double x)
{
    return lrk_from_bits(lrk_bits(x) & ~((UINT64_C(1) << 30) - 1));
}

/* Rates beyond this give 0 or inf after one step; cut off so that no product overflows. */
static double within(double x, double limit)
{
    return lrk_clamp(x, -limit, limit);
}

static lrk_dd growth_rate(lrk_dd log2_gamma, double every)
{
    if (every >= 0x1p-100 || log2_gamma.hi == 0.0) return lrk_dd_divide(log2_gamma, (lrk_dd){every, 0.0});
    return (lrk_dd){log2_gamma.hi < 0.0 ? -0x1p100 : 0x1p100, 0.0}; /* and the quotient may overflow */
}

static void prepare_growth(lrk_segment *s, lrk_dd rate)
{
    if (magnitude(rate.hi) > 0x1p100) rate = (lrk_dd){within(rate.hi, 0x1p100), 0.0};
    double exponent = 0.0;
    s->k[0] = leading_bits(rate.hi);
    const double rest = rate.hi - s->k[0];
    s->k[1] = leading_bits(rest);
    s->k[2] = (rest - s->k[1]) + rate.lo;
    s->k[3] = s->start == 0.0 ? 0.0 : lrk_mantissa(magnitude(s->start), &exponent);
    if (s->start < 0.0) s->k[3] = -s->k[3];
    s->k[4] = exponent;
    s->k[5] = rate.hi;
    s->k[6] = rate.lo;
}

const char *lrk_prepare(lrk_segment *s)
{
    const int open = s->end_part == INFINITY;
    int two_ended = 0;

    if (s->shape < 0 || s->shape >= SHAPE_COUNT) return "shape must be a known id";
    if (s->begin < 0 || !(s->begin_part >= 0.0 && s->begin_part < 1.0)) return "begin must be >= 0";
    if (!(s->end_part >= 0.0)) return "end must be >= begin";
    if (!open && (s->end < (uint64_t)s->begin || (s->end == (uint64_t)s->begin && s->end_part < s->begin_part)))
        return "end must be >= begin";
    if (s->shape == SHAPE_clip) { /* one-sided: the other side is infinite */
        if (!(s->start <= s->stop)) return "lo must be <= hi";
    } else if (s->shape == SHAPE_hold) { /* growth may have passed float64 */
        if (s->start != s->start) return "values must be numbers";
    } else if (!is_finite(s->start) || !is_finite(s->stop)) {
        return "values must be finite";
    }
    if (!is_finite(s->param)) return "param must be finite";

    if (kinds[s->shape] == NODE && (s->count[0] < 1 || (s->shape == SHAPE_product && s->count[1] < 1)))
        return "a node must have its sub-tables";

    for (int j = 0; j < 8; ++j) s->k[j] = 0.0;
    s->first = s->begin + (s->begin_part > 0.0 && s->begin < INT64_MAX);
    s->lead = (double)(s->first - s->begin) - s->begin_part;
    const lrk_dd parts = lrk_two_sum(s->end_part, -s->begin_part);
    const lrk_dd span = lrk_two_sum(open ? 0.0 : (double)(s->end - (uint64_t)s->begin), parts.hi);
    s->span = open ? INFINITY : span.hi;

    const double across = (s->start < 0.0 && s->stop > 0.0) || (s->start > 0.0 && s->stop < 0.0);
    s->falling = magnitude(s->stop) <= magnitude(s->start);
    s->base = s->falling ? s->stop : s->start;
    s->gap = s->falling ? s->start - s->stop : s->stop - s->start;
    if (across != 0.0 && s->shape != SHAPE_cosine) {
        s->base = 0.5 * s->start + 0.5 * s->stop;
        s->gap = s->falling ? 0.5 * s->start - 0.5 * s->stop : 0.5 * s->stop - 0.5 * s->start;
    }
    s->low = s->start < s->stop ? s->start : s->stop;
    s->high = s->start < s->stop ? s->stop : s->start;

    switch (s->shape) {
    case SHAPE_linear:
        two_ended = 1;
        s->k[0] = across;
        break;
    case SHAPE_cosine:
        two_ended = 1;
        if (across != 0.0) return "start and stop must not differ in sign; cosine_cycles with cycles 0.5 may";
        s->k[0] = span.lo + parts.lo;
        break;
    case SHAPE_cosine_cycles:
        two_ended = 1;
        if (!(s->param > 0.0 && s->param < 0x1p48)) return "cycles must be > 0 and < 2^48";
        s->k[0] = 2.0 * s->param;
        s->k[1] = span.lo + parts.lo;
        s->k[2] = s->falling;
        s->k[3] = across;
        s->falling = 0; /* the phase is counted from the beginning */
        break;
    case SHAPE_polynomial:
    case SHAPE_power_ramp:
        two_ended = 1;
        if (!(s->param > 0.0)) return "power must be > 0";
        s->k[0] = within(s->param, 0x1p100);
        s->k[1] = lrk_mantissa(s->span > 0.0 ? s->span : 1.0, &s->k[2]);
        s->k[6] = (span.lo + parts.lo) * lrk_pow2(-within(s->k[2], 1000.0));
        s->k[3] = s->falling == (s->shape == SHAPE_polynomial);
        s->k[7] = across;
        s->k[4] = 1.0;
        if (across == 0.0 && s->k[3] != 0.0) { /* w is the product with the gap */
            s->k[4] = s->gap == 0.0 ? 0.0 : lrk_mantissa(magnitude(s->gap), &s->k[5]);
            if (s->gap < 0.0) s->k[4] = -s->k[4];
            s->gap = 1.0;
        }
        break;
    case SHAPE_geometric: {
        two_ended = 1;
        if (!(s->start > 0.0 ? s->stop > 0.0 : s->start < 0.0 && s->stop < 0.0))
            return "start and stop must be both > 0 or both < 0";
        const lrk_dd from = lrk_dd_log2(magnitude(s->start)), to = lrk_dd_log2(magnitude(s->stop));
        const lrk_dd change = lrk_dd_add(to, (lrk_dd){-from.hi, -from.lo});
        prepare_growth(s, lrk_dd_divide(change, (lrk_dd){s->span, span.lo + parts.lo}));
        break;
    }
    case SHAPE_exponential:
        if (!(s->param > 0.0)) return "gamma must be > 0";
        if (!(s->every > 0.0 && is_finite(s->every))) return "every must be > 0";
        prepare_growth(s, growth_rate(lrk_dd_log2(s->param), s->every));
        break;
    case SHAPE_inverse_sqrt:
        if (!(s->param > 0.0)) return "timescale must be > 0";
        s->k[0] = sqrt(s->param);
        break;
    case SHAPE_step: {
        if (!(s->param > 0.0)) return "gamma must be > 0";
        if (!(s->every > 0.0 && is_finite(s->every))) return "step_size must be > 0";
        const lrk_dd rate = lrk_dd_log2(s->param);
        s->k[0] = rate.hi;
        s->k[1] = rate.lo;
        break;
    }
    case SHAPE_values:
        if (s->count[0] < 1) return "array must have at least one value";
        if (!(s->every > 0.0 && is_finite(s->every))) return "every must be > 0";
        break;
    case SHAPE_divide:
        if (s->stop == 0.0) return "divisor must not be 0";
        break;
    case SHAPE_repeat:
        if (!(s->every > 0.0 && is_finite(s->every))) return "period must be > 0";
        break;
    case SHAPE_epoch:
        if (!(s->every > 0.0 && is_finite(s->every))) return "steps_per_epoch must be > 0";
        break;
    case SHAPE_skip:
        if (!(s->every > 0.0 && s->every < 0x1p53)) return "n must be > 0 and < 2^53";
        break;
    default:
        break;
    }
    if (two_ended) {
        if (open || !(s->span > 0.0)) return "steps must be > 0";
        if (!is_finite(s->gap)) return "stop - start must be finite";
    } else {
        s->falling = 0;
    }
    return NULL;
}

/* ---- clocks ----
   A sub-table reads a clock that may have a real offset: the step minus a real boundary. It is kept as `whole + part`,
   part in [0, 1), and never as one double, so that huge steps keep their last digit and neighbours share their part. */

typedef struct lrk_clock {
    int64_t whole;
    double part;
} lrk_clock;

/* A row's place in such a clock: the first whole step it owns, how far past its beginning that is, and its end. */
typedef struct lrk_place {
    int64_t first;
    double lead;
    uint64_t end;
    double end_part;
} lrk_place;

static lrk_place place_row(const lrk_segment *s, double part)
{
    lrk_place place = {s->first, s->lead, s->end, s->end_part};
    if (part != 0.0) {
        const double late = s->begin_part - part;
        const int up = late > 0.0 && s->begin < INT64_MAX;
        place.first = s->begin + up;
        place.lead = up - late;
        place.end_part -= part;
        if (place.end_part < 0.0 && place.end > 0) {
            place.end -= 1;
            place.end_part += 1.0;
        }
    }
    return place;
}

/* The row's own clock at a whole step that it owns. */
static lrk_clock local_clock(const lrk_place *place, int64_t whole)
{
    const int carry = place->lead >= 1.0; /* 1 - tiny */
    return (lrk_clock){whole - place->first + carry, carry ? 0.0 : place->lead};
}

/* left 2^-shift + part as a clock; whole < 0 where that is negative. */
static lrk_clock clock_of(int64_t left, int shift, double part)
{
    if (shift > 62) return (lrk_clock){0, lrk_scale((double)left, -(double)shift) + part};
    const int64_t one = INT64_C(1) << shift;
    int64_t whole = left / one;
    if (whole * one > left) --whole;
    part += lrk_scale((double)(left - whole * one), -(double)shift);
    return part >= 1.0 ? (lrk_clock){whole + 1, part - 1.0} : (lrk_clock){whole, part};
}

/* floor(clock / every) and what is left of the clock; exact for every int64 step and every period, by long division
   where the period is no integer (x * (1 / period) and floor(x / period) miss exact multiples). What is left comes from
   the integers of that division, so that all steps of a stair or cycle agree on its part to the bit. */
static lrk_stair divide_clock(lrk_clock clock, double every, lrk_clock *rest)
{
    if (every >= 0x1p53) { /* more than any duration, and still in whole numbers */
        *rest = clock;
        return (lrk_stair){0, 0.0};
    }
    const int64_t period = (int64_t)every;
    if ((double)period == every) {
        const int64_t k = clock.whole / period;
        *rest = (lrk_clock){clock.whole - k * period, clock.part};
        return (lrk_stair){k, 0.0};
    }

    /* every = q 2^-shift with q < 2^53 */
    const int64_t low_bits = (INT64_C(1) << 62) - 1;
    double exponent;
    const double mantissa = lrk_mantissa(every, &exponent);
    const int64_t q = (int64_t)(mantissa * 0x1p52);
    const int shift = 52 - (int)exponent;
    int64_t left = clock.whole % q;
    lrk_stair k = {(clock.whole / q) & low_bits, (double)((clock.whole / q) >> 62)};
    for (int done = 0; done < shift;) {
        const int bits = shift - done < 10 ? shift - done : 10;
        left <<= bits;
        k.high = k.high * (double)(1 << bits) + (double)(k.low >> (62 - bits));
        k.low = (int64_t)((uint64_t)k.low << bits & (uint64_t)low_bits) + left / q;
        left %= q;
        done += bits;
    }

    /* the part may complete further periods */
    double more = 0.0;
    if (clock.part != 0.0) {
        more = (double)(int64_t)within((lrk_scale((double)left, -(double)shift) + clock.part) / every, 0x1p62);
        if (shift <= 60) {
            int64_t count = (int64_t)more;
            while (count > 0 && clock_of(left - count * q, shift, clock.part).whole < 0) --count;
            while (clock_of(left - (count + 1) * q, shift, clock.part).whole >= 0) ++count;
            left -= count * q;
            more = (double)count;
            *rest = clock_of(left, shift, clock.part);
        } else { /* stairs of less than 1/256 of a step, each with its own step */
            const double over = lrk_scale((double)left, -(double)shift) + clock.part - more * every;
            *rest = (lrk_clock){0, lrk_clamp(over, 0.0, every)};
        }
    } else {
        *rest = clock_of(left, shift, 0.0);
    }
    k.low += (int64_t)more;
    if (k.low > low_bits) {
        k.low -= low_bits + 1;
        k.high += 1.0;
    }
    return k;
}

/* The clock of epochs; those of less than one step can number more than int64 holds. */
static lrk_clock epoch_clock(lrk_stair k)
{
    return (lrk_clock){k.high > 1.0 ? INT64_MAX : (int64_t)k.high * (INT64_C(1) << 62) + k.low, 0.0};
}

/* The clock `n` steps later, a real number of them in a schedule that was stretched; the last int64 step holds. */
static lrk_clock later_clock(lrk_clock clock, double n)
{
    int64_t steps = (int64_t)n;
    clock.part += n - (double)steps;
    if (clock.part >= 1.0) {
        clock.part -= 1.0;
        steps += 1;
    }
    clock.whole = clock.whole > INT64_MAX - steps ? INT64_MAX : clock.whole + steps;
    return clock;
}

static int in_stair(lrk_clock clock, int64_t later, double every, lrk_stair k)
{
    lrk_clock rest;
    clock.whole += later;
    const lrk_stair other = divide_clock(clock, every, &rest);
    return other.low == k.low && other.high == k.high;
}

/* How many of the next n >= 1 steps fall into the stair `k` that the clock is in. */
static int64_t stair_run(lrk_clock clock, double every, lrk_stair k, lrk_clock rest, int64_t n)
{
    const double real = every - ((double)rest.whole + rest.part);
    if (!(real < 0x1p53)) return n;
    int64_t run = (int64_t)real + ((double)(int64_t)real < real);
    if (run < 1) run = 1;
    if (run > n) run = n;
    if (every == (double)(int64_t)every) return run;
    /* a fractional period may round to one step too many or too few */
    while (run > 1 && !in_stair(clock, run - 1, every, k)) --run;
    while (run < n && in_stair(clock, run, every, k)) ++run;
    return run;
}

/* ---- one step ---- */

static void begin_run(const lrk_segment *s, const lrk_place *place, int64_t run, lrk_lane *lane)
{
    const uint64_t base = (uint64_t)place->first + ((uint64_t)run << LRK_RUN_BITS);
    const double head = (double)(run << LRK_RUN_BITS);
    const double left = place->end >= base ? (double)(place->end - base) : -(double)(base - place->end);
    if (s->falling) {
        *lane = (lrk_lane){left, place->end_part, head, place->lead, -1.0, {0.0, 0.0}};
    } else {
        *lane = (lrk_lane){head, place->lead, left, place->end_part, 1.0, {0.0, 0.0}};
    }
    if (s->shape == SHAPE_linear && s->k[0] != 0.0) {
        lane->near -= lane->far;
        lane->near_part -= lane->far_part;
        lane->sign *= 2.0;
    }
    if ((s->shape == SHAPE_exponential || s->shape == SHAPE_geometric) && (run != 0 || place->lead != 0.0)) {
        const lrk_dd rate = {s->k[5], s->k[6]};
        lane->exponent =
            lrk_dd_add(lrk_dd_multiply(rate, (lrk_dd){head, 0.0}), lrk_dd_multiply(rate, (lrk_dd){place->lead, 0.0}));
    }
}

/* Steps from the near end, and the fraction of a step beside them. */
static uint64_t near_steps(const lrk_segment *s, const lrk_place *place, int64_t whole, double *part)
{
    *part = s->falling ? place->end_part : place->lead;
    return s->falling ? place->end - (uint64_t)whole : (uint64_t)(whole - place->first);
}

static double range_at(const lrk_table *t, int64_t first, int64_t rows, lrk_clock clock);

static double node_value(const lrk_segment *s, double a, double b)
{
    switch (s->shape) {
    case SHAPE_scale:
        return a * s->stop;
    case SHAPE_divide:
        return a / s->stop;
    case SHAPE_offset:
        return a + s->stop;
    case SHAPE_clip:
        return lrk_clamp(a, s->start, s->stop);
    case SHAPE_product:
        return a * b;
    default: /* repeat, epoch, skip */
        return a;
    }
}

static double row_at(const lrk_table *t, const lrk_segment *s, const lrk_place *place, int64_t whole)
{
    const int64_t z = whole - place->first;
    const int at_begin = z == 0 && place->lead == 0.0; /* u = 0: the start itself, bit for bit */
    lrk_clock clock, rest;
    lrk_lane lane;

    switch (s->shape) {
#define LRK_LANE(id, name, ulp, call, formula)         \
    case id:                                           \
        if (at_begin) return s->start;                 \
        begin_run(s, place, z >> LRK_RUN_BITS, &lane); \
        return name##_lane(s, &lane, (double)(z & LRK_RUN_MASK));
#define LRK_BLOCK(id, name, ulp, call, formula)                                 \
    case id: {                                                                  \
        double part, a0, a1, a2, b0, b1, b2;                                    \
        if (at_begin) return s->start;                                          \
        const uint64_t steps = near_steps(s, place, whole, &part);              \
        name##_anchor(s, (double)(steps & ~LRK_IN_BLOCK), part, &a0, &a1, &a2); \
        name##_inside(s, (double)(steps & LRK_IN_BLOCK), &b0, &b1, &b2);        \
        return name##_join(s, a0, a1, a2, b0, b1, b2);                          \
    }
#define LRK_STAIR(id, name, ulp, call, formula) \
    case id:                                    \
        if (id <= SHAPE_hold) return s->start;  \
        return name##_stair(s, t->values, divide_clock(local_clock(place, whole), s->every, &rest));
#include "shapes.def"
    default:
        break;
    }

    clock = local_clock(place, whole);
    if (s->shape == SHAPE_epoch) {
        clock = epoch_clock(divide_clock(clock, s->every, &rest));
    } else if (s->shape == SHAPE_repeat) {
        divide_clock(clock, s->every, &rest);
        clock = rest;
    } else if (s->shape == SHAPE_skip) {
        clock = later_clock(clock, s->every);
    }
    const double a = range_at(t, s->child[0], s->count[0], clock);
    const double b = s->shape == SHAPE_product ? range_at(t, s->child[1], s->count[1], clock) : 0.0;
    return node_value(s, a, b);
}

/* The last row that owns or precedes a whole step; the first row begins at 0. */
static int64_t locate(const lrk_segment *rows, int64_t count, lrk_clock clock)
{
    int64_t low = 0, high = count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (place_row(rows + middle, clock.part).first <= clock.whole) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static double range_at(const lrk_table *t, int64_t first, int64_t rows, lrk_clock clock)
{
    const lrk_segment *s = t->segments + first + locate(t->segments + first, rows, clock);
    const lrk_place place = place_row(s, clock.part);
    return row_at(t, s, &place, clock.whole);
}

double lrk_at(const lrk_table *table, int64_t step)
{
    return range_at(table, 0, table->root, (lrk_clock){step, 0.0});
}

void lrk_gather(const lrk_table *table, const int64_t *steps, int64_t count, double *out)
{
    for (int64_t j = 0; j < count; ++j) out[j] = lrk_at(table, steps[j]);
}

/* ---- limits from the left ---- */

/* The limit of a node's sub-table. At the node's own end it is the one at the sub-table's own end, which the node's
   boundary may miss by a rounding; but the shorter factor of a product ended before. */
static double child_limit(const lrk_table *t, const lrk_segment *s, int k, int at_end, lrk_clock clock)
{
    const lrk_segment *last = t->segments + s->child[k] + s->count[k] - 1;
    const int later = last->begin > clock.whole || (last->begin == clock.whole && last->begin_part > clock.part);
    if (at_end && last->shape == SHAPE_hold && (later || s->shape != SHAPE_product))
        clock = (lrk_clock){last->begin, last->begin_part};
    return lrk_limit(t, s->child[k], s->count[k], clock.whole, clock.part);
}

/* The limit of a row of stairs or cycles, `clock` after its beginning. */
static double stair_limit(const lrk_table *t, const lrk_segment *s, int at_end, lrk_clock clock)
{
    lrk_clock rest;
    lrk_stair k = divide_clock(clock, s->every, &rest);
    const int on_edge = rest.whole == 0 && rest.part == 0.0 && (k.low > 0 || k.high > 0.0);
    if (s->shape == SHAPE_repeat) {
        const int64_t period = (int64_t)s->every;
        if (at_end || on_edge) return lrk_limit(t, s->child[0], s->count[0], period, s->every - (double)period);
        return lrk_limit(t, s->child[0], s->count[0], rest.whole, rest.part);
    }
    if (on_edge) {
        k.high -= k.low == 0;
        k.low = k.low == 0 ? (INT64_C(1) << 62) - 1 : k.low - 1;
    }
    if (s->shape == SHAPE_epoch) {
        const lrk_segment *last = t->segments + s->child[0] + s->count[0] - 1;
        if (at_end && last->shape == SHAPE_hold) k = (lrk_stair){last->first - 1, 0.0};
        return range_at(t, s->child[0], s->count[0], epoch_clock(k));
    }
    if (s->shape == SHAPE_values) {
        return values_stair(s, t->values, at_end ? (lrk_stair){s->count[0] - 1, 0.0} : k);
    }
    return step_stair(s, t->values, k);
}

/* The limit of a row with a formula of u, `steps + lead` after its beginning and before its end. */
static double span_limit(
    const lrk_table *t, const lrk_segment *s, int64_t whole, double part, int64_t steps, double lead)
{
    lrk_place place = {0, lead, 0, INFINITY};
    if (s->end_part != INFINITY) {
        uint64_t left = s->end - (uint64_t)whole;
        double left_part = s->end_part - part;
        if (left_part < 0.0) {
            left -= 1;
            left_part += 1.0;
        }
        place.end = left + (uint64_t)steps;
        place.end_part = left_part;
    }
    return row_at(t, s, &place, steps);
}

double lrk_limit(const lrk_table *t, int64_t first, int64_t rows, int64_t whole, double part)
{
    int64_t low = first, high = first + rows;
    while (high - low > 1) { /* the last row that begins before the boundary */
        const int64_t middle = low + (high - low) / 2;
        const lrk_segment *m = t->segments + middle;
        if (m->begin < whole || (m->begin == whole && m->begin_part < part)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const lrk_segment *s = t->segments + low;

    int64_t steps = whole - s->begin;
    double lead = part - s->begin_part;
    if (lead < 0.0) {
        steps -= 1;
        lead += 1.0;
    }
    const int at_end = s->end == (uint64_t)whole && s->end_part == part;
    const enum kind kind = kinds[s->shape];

    if (s->shape <= SHAPE_hold) return s->start;
    if (kind == LANE || kind == BLOCK) {
        if (at_end && s->shape != SHAPE_cosine_cycles) return s->stop;
        return span_limit(t, s, whole, part, steps, lead);
    }
    if (kind == STAIR || s->shape == SHAPE_epoch || s->shape == SHAPE_repeat) {
        return stair_limit(t, s, at_end, (lrk_clock){steps, lead});
    }
    lrk_clock clock = {steps, lead};
    if (s->shape == SHAPE_skip) clock = later_clock(clock, s->every);
    const double a = child_limit(t, s, 0, at_end, clock);
    const double b = s->shape == SHAPE_product ? child_limit(t, s, 1, at_end, clock) : 0.0;
    return node_value(s, a, b);
}

/* ---- runs of steps ---- */

/* What a fill carries along: the tables of the block row that it saw last, so that short cycles share them. */
typedef struct lrk_fill_state {
    const lrk_table *table;
    const lrk_level_code *code;
    const lrk_segment *inside_of;
    lrk_inside inside;
} lrk_fill_state;

static void fill_range(lrk_fill_state *f, int64_t first, int64_t rows, lrk_clock clock, int64_t n, double *out);

static void fill_lane(
    lrk_fill_state *f, const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n, double *out)
{
    lrk_lane lane;
    for (int64_t z = whole - place->first; n > 0;) {
        const int64_t i = z & LRK_RUN_MASK, room = (INT64_C(1) << LRK_RUN_BITS) - i, run = n < room ? n : room;
        begin_run(s, place, z >> LRK_RUN_BITS, &lane);
        f->code->shapes[s->shape].lane(s, &lane, (int32_t)i, (int32_t)run, out);
        n -= run;
        if (n == 0) return;
        z += run;
        out += run;
    }
}

static void fill_block(
    lrk_fill_state *f, const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n, double *out)
{
    const int64_t last_in_block = LRK_BLOCK_STEPS - 1;
    double part, start[LRK_ANCHORS];
    lrk_anchors a;
    if (n < 16) { /* not worth the tables; measured break-even between 10 and 20 steps */
        for (int64_t j = 0; j < n; ++j) out[j] = row_at(f->table, s, place, whole + j);
        return;
    }
    if (f->inside_of != s) {
        f->code->shapes[s->shape].inside(s, &f->inside);
        f->inside_of = s;
    }
    while (n > 0) {
        const uint64_t steps = near_steps(s, place, whole, &part);
        const uint64_t block = steps >> LRK_BLOCK_BITS;
        int64_t inside = (int64_t)(steps & LRK_IN_BLOCK);
        if (s->falling) inside = last_in_block - inside; /* the tables run as the steps do */
        const int64_t blocks = (inside + n + last_in_block) >> LRK_BLOCK_BITS;
        const int32_t anchors = blocks < LRK_ANCHORS ? (int32_t)blocks : LRK_ANCHORS;
        for (int32_t j = 0; j < anchors; ++j)
            start[j] = (double)((s->falling ? block - (uint64_t)j : block + (uint64_t)j) << LRK_BLOCK_BITS);
        f->code->shapes[s->shape].anchors(s, start, part, anchors, &a);
        for (int32_t j = 0; j < anchors; ++j) {
            const int64_t room = LRK_BLOCK_STEPS - inside, run = n < room ? n : room;
            f->code->shapes[s->shape].join(s, &a, j, &f->inside, (int32_t)inside, (int32_t)run, out);
            n -= run;
            if (n == 0) return;
            whole += run;
            out += run;
            inside = 0;
        }
    }
}

static void fill_stairs(lrk_fill_state *f, const lrk_segment *s, lrk_clock clock, int64_t n, double *out)
{
    const lrk_table *t = f->table;
    lrk_clock rest;
    if (s->shape <= SHAPE_hold) {
        f->code->constant(s->start, n, out);
        return;
    }
    if (s->shape == SHAPE_values && s->every == 1.0) {
        const int64_t left = s->count[0] > clock.whole ? s->count[0] - clock.whole : 0, run = n < left ? n : left;
        if (run > 0) memcpy(out, t->values + s->child[0] + clock.whole, (size_t)run * sizeof *out);
        if (run < n)
            f->code->constant(values_stair(s, t->values, (lrk_stair){s->count[0] - 1, 0.0}), n - run, out + run);
        return;
    }
    while (n > 0) {
        const lrk_stair k = divide_clock(clock, s->every, &rest);
        const int64_t run = stair_run(clock, s->every, k, rest, n);
        const double value = s->shape == SHAPE_epoch    ? range_at(t, s->child[0], s->count[0], epoch_clock(k))
                             : s->shape == SHAPE_values ? values_stair(s, t->values, k)
                                                        : step_stair(s, t->values, k);
        f->code->constant(value, run, out);
        n -= run;
        if (n == 0) return; /* the clock may stand at the last int64 step */
        clock.whole += run;
        out += run;
    }
}

static void fill_node(lrk_fill_state *f, const lrk_segment *s, lrk_clock clock, int64_t n, double *out)
{
    const lrk_level_code *code = f->code;
    if (s->shape == SHAPE_epoch) {
        fill_stairs(f, s, clock, n, out);
        return;
    }
    if (s->shape == SHAPE_skip) {
        clock = later_clock(clock, s->every);
        const int64_t after = INT64_MAX - clock.whole, run = n - 1 < after ? n : after + 1;
        fill_range(f, s->child[0], s->count[0], clock, run, out);
        code->constant(out[run - 1], n - run, out + run);
        return;
    }
    while (n > 0) {
        int64_t run = n < LRK_CACHE_BLOCK ? n : LRK_CACHE_BLOCK;
        if (s->shape == SHAPE_repeat) {
            lrk_clock rest;
            const lrk_stair k = divide_clock(clock, s->every, &rest);
            run = stair_run(clock, s->every, k, rest, n);
            fill_range(f, s->child[0], s->count[0], rest, run, out);
        } else {
            fill_range(f, s->child[0], s->count[0], clock, run, out);
        }
        if (s->shape == SHAPE_scale) {
            code->scale(s->stop, run, out);
        } else if (s->shape == SHAPE_divide) {
            code->divide(s->stop, run, out);
        } else if (s->shape == SHAPE_offset) {
            code->offset(s->stop, run, out);
        } else if (s->shape == SHAPE_clip) {
            code->clip(s->start, s->stop, run, out);
        } else if (s->shape == SHAPE_product) {
            double by[LRK_CACHE_BLOCK];
            fill_range(f, s->child[1], s->count[1], clock, run, by);
            code->multiply(by, run, out);
        }
        n -= run;
        if (n == 0) return; /* the clock may stand at the last int64 step */
        clock.whole += run;
        out += run;
    }
}

static void fill_range(lrk_fill_state *f, int64_t first, int64_t rows, lrk_clock clock, int64_t n, double *out)
{
    const lrk_segment *s = f->table->segments + first, *end = s + rows;
    for (s += locate(s, rows, clock); n > 0; ++s) {
        int64_t run = n;
        if (s + 1 < end) {
            const int64_t left = place_row(s + 1, clock.part).first - clock.whole;
            if (left <= 0) continue;
            run = n < left ? n : left;
        }
        const lrk_place place = place_row(s, clock.part);
        const enum kind kind = kinds[s->shape];
        if (kind == LANE || kind == BLOCK) {
            (kind == LANE ? fill_lane : fill_block)(f, s, &place, clock.whole, run, out);
            if (clock.whole == place.first && place.lead == 0.0) out[0] = s->start; /* as row_at: u = 0 is exact */
        } else {
            (kind == STAIR ? fill_stairs : fill_node)(f, s, local_clock(&place, clock.whole), run, out);
        }
        n -= run;
        if (n == 0) return; /* the clock may stand at the last int64 step */
        clock.whole += run;
        out += run;
    }
}

/* `count` values of start, start + stride, ... to a contiguous block. */
static void fill_steps(lrk_fill_state *f, int64_t start, int64_t stride, int64_t count, double *out)
{
    if (stride == 1) {
        fill_range(f, 0, f->table->root, (lrk_clock){start, 0.0}, count, out);
        return;
    }
    for (int64_t j = 0; j < count; ++j) out[j] = lrk_at(f->table, start + j * stride);
}

void lrk_fill(const lrk_table *table, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap)
{
    lrk_fill_state f = {.table = table, .code = levels[lrk_level()].code};
    if (gap == 1) {
        fill_steps(&f, start, stride, count, out);
        return;
    }
    double block[LRK_CACHE_BLOCK];
    for (int64_t done = 0; done < count; done += LRK_CACHE_BLOCK) {
        const int64_t n = count - done < LRK_CACHE_BLOCK ? count - done : LRK_CACHE_BLOCK;
        fill_steps(&f, start + done * stride, stride, n, block);
        for (int64_t j = 0; j < n; ++j) out[(done + j) * gap] = block[j];
    }
}

void lrk_fill_float(const lrk_table *table, int64_t start, int64_t stride, int64_t count, float *out, int64_t gap)
{
    lrk_fill_state f = {.table = table, .code = levels[lrk_level()].code};
    double block[LRK_CACHE_BLOCK];
    for (int64_t done = 0; done < count; done += LRK_CACHE_BLOCK) {
        const int64_t n = count - done < LRK_CACHE_BLOCK ? count - done : LRK_CACHE_BLOCK;
        fill_steps(&f, start + done * stride, stride, n, block);
        if (gap == 1) {
            f.code->narrow(block, n, out + done);
        } else {
            for (int64_t j = 0; j < n; ++j) out[(done + j) * gap] = (float)block[j];
        }
    }
}
