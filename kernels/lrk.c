/* lrk.c - segment look-up, scalar evaluation, bulk fill, choice of the SIMD level. */
#include "atomic.h"
#include "clock.h"
#include "cpu.h"
#include "custom.h"
#include "gather.h"
#include "quick.h"
#include "shape_math.h"
#include "shapes.h"

#include <stddef.h>
#ifdef LRK_X86_LEVELS
#include <immintrin.h>
#endif

#define LRK_CACHE_BLOCK 1024 /* doubles: the one temporary of products, of float32 nodes and of strided stores */

static const lrk_shape_info shape_infos[] = {
#define LRK_LANE(id, name, ulp, call, formula) {id, #name, "lane", ulp, call, formula},
#define LRK_TABLE(id, name, ulp, call, formula) {id, #name, "table", ulp, call, formula},
#define LRK_SERIES(id, name, ulp, call, formula) {id, #name, "series", ulp, call, formula},
#define LRK_CALLED(id, name, ulp, call, formula) {id, #name, "called", ulp, call, formula},
#define LRK_STAIR(id, name, ulp, call, formula) {id, #name, "stair", ulp, call, formula},
#define LRK_NODE(id, name, ulp, call, formula) {id, #name, "node", ulp, call, formula},
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

/* What a node makes of a, the value of its sub-table, and b, that of the second one. */
LRK_INLINE double lrk_node(int32_t shape, double start, double stop, double a, double b)
{
    switch (shape) {
    case SHAPE_scale:
        return a * stop;
    case SHAPE_divide:
        return a / stop;
    case SHAPE_offset:
        return a + stop;
    case SHAPE_clip:
        return lrk_clamp(a, start, stop);
    case SHAPE_product:
        return a * b;
    default: /* repeat, epoch, skip */
        return a;
    }
}

/* The blocks of a row that are prepared at one time: where they begin, and what is known there. */
#define LRK_BLOCKS 64

typedef struct lrk_blocks {
    double high[LRK_BLOCKS], low[LRK_BLOCKS], part;
    double value[LRK_BLOCKS], value_low[LRK_BLOCKS], c[8][LRK_BLOCKS];
    double terms[LRK_BLOCKS];
} lrk_blocks;

/* The same for float32. */
typedef struct lrk_quicks {
    double large[LRK_BLOCKS], small[LRK_BLOCKS], c1[LRK_BLOCKS], c2[LRK_BLOCKS], most[LRK_BLOCKS];
} lrk_quicks;

LRK_INLINE lrk_series lrk_series_of(const lrk_blocks *b, int32_t block)
{
    return (lrk_series){
        {b->value[block], b->value_low[block]},
        b->c[0][block],
        b->c[1][block],
        b->c[2][block],
        b->c[3][block],
        b->c[4][block],
        b->c[5][block],
        b->c[6][block],
        b->c[7][block]};
}

/* Steps away from the beginning of a block, 256 255 ... 1 0 1 ... 255: read from the centre on where they rise, from
   before it where they fall. Converting the loop's index instead took a quarter of its time. */
#define LRK_CENTRE LRK_TABLE_STEPS
#define LRK_4(f, n) f(n), f(n + 1), f(n + 2), f(n + 3)
#define LRK_16(f, n) LRK_4(f, n), LRK_4(f, n + 4), LRK_4(f, n + 8), LRK_4(f, n + 12)
#define LRK_64(f, n) LRK_16(f, n), LRK_16(f, n + 16), LRK_16(f, n + 32), LRK_16(f, n + 48)
#define LRK_256(f, n) LRK_64(f, n), LRK_64(f, n + 64), LRK_64(f, n + 128), LRK_64(f, n + 192)
#define LRK_FALLING(n) LRK_CENTRE - (n)
#define LRK_RISING(n) n
#define LRK_BEFORE(n) LRK_CENTRE / 2 - (n)
#define LRK_BEHIND(n) (n) - LRK_CENTRE / 2

static const double lrk_away[2 * LRK_CENTRE] = {LRK_256(LRK_FALLING, 0), LRK_256(LRK_RISING, 0)};
static const float lrk_off_middle[2 * LRK_CENTRE] = {LRK_256(LRK_BEFORE, 0), LRK_256(LRK_BEHIND, 0)};

/* The table of the rows of a span, in the same order. */
typedef struct lrk_inside {
    double span, span_low;
    double b0[2 * LRK_CENTRE], b1[2 * LRK_CENTRE];
} lrk_inside;

typedef struct lrk_stores {
    void (*constant)(double value, int64_t n, void *out);
    void (*copy)(const double *from, int64_t n, void *out);
    void (*join)(
        const lrk_blocks *b, int32_t block, const lrk_inside *inside, int32_t r, int32_t sign, int32_t n, void *out);
    void (*sum)(const lrk_blocks *b, int32_t block, int32_t r, int32_t sign, int32_t n, void *out);
    void (*lane[SHAPE_COUNT])(const lrk_segment *segment, const lrk_steps *steps, int32_t n, void *out);
} lrk_stores;

typedef struct lrk_level_code {
    const lrk_stores *stores[2]; /* of float64, of float32 */
    void (*quicken)(int32_t eighths, const lrk_blocks *b, lrk_quicks *q);
    int32_t (*quick)(const lrk_quicks *q, int32_t block, int32_t r, int32_t sign, int32_t n, float *out);
    struct {
        void (*node)(const lrk_segment *segment, const double *by, int64_t n, double *values);
        void (*anchors)(const lrk_segment *segment, int32_t eighths, lrk_blocks *b);
        void (*quicken)(const lrk_segment *segment, int32_t eighths, const lrk_blocks *b, lrk_quicks *q);
        void (*each)(const lrk_segment *segment, const lrk_steps *steps, int32_t eighths, double *out);
        void (*inside)(const lrk_segment *segment, lrk_inside *inside);
        double (*one)(const lrk_segment *segment, const lrk_steps *block, double r);
    } shapes[SHAPE_COUNT];
} lrk_level_code;

/* Records of blocks: in a table value, remainder, a0 and a1; of a series value, remainder and its terms, 4 where
   that is enough for all blocks of the row. Adding terms of 0 changes no bit. Where each step is an anchor of its
   own the value is NaN. That of a line: base, -0, gap and -0. Of stairs they are the values. Sizes in doubles; with 8 a
   record of 4 terms is one line of the cache. */
enum { LRK_JOINED, LRK_SUMMED_4, LRK_SUMMED_8, LRK_STRAIGHT, LRK_STAIRS, LRK_RECORDS };
static const int lrk_record_size[LRK_RECORDS] = {4, 8, 10, 4, 1};

/* An entry of the table of a row in its memo: 1, 1, b0 and b1, which one product joins to a record. */
#define LRK_ENTRY 4

/* What a memo has of a row: the records of the blocks, or the values of the stairs, that hold its steps `low` to
   `high`, low > high where there are none. Steps count from the first of the blocks, or with sign -1 towards it, and
   from the near end of a line. */
typedef struct lrk_memo_row {
    int64_t low, high;
    double *records, *inside; /* the table of the row; of a line one entry of ones */
    double from, sign, last;
    int kind, bits, alone; /* log2 of the steps of a block; 1 where there are NaN */
} lrk_memo_row;

/* Where a step has its record and its entry, counted in doubles: an address takes one instruction then. Of a series
   the entry is how many steps further it is. */
typedef struct lrk_spot {
    uint32_t record, entry;
} lrk_spot;

/* A record joined with an entry; the weight of a line is its u, else 1. */
LRK_INLINE double lrk_join_entry(const double *record, const double *entry, double weight)
{
    const lrk_anchor a = {{record[0], record[1]}, record[2] * entry[2], record[3]};
    return lrk_join(&a, weight, entry[3]);
}

/* A value by its record, `j` steps further. */
LRK_INLINE double lrk_recorded(int kind, const double *r, const double *inside, uint32_t j)
{
    if (kind == LRK_JOINED) return lrk_join_entry(r, inside + (size_t)LRK_ENTRY * j, 1.0);
    const double none[4] = {0.0}, *far = kind == LRK_SUMMED_8 ? r + 6 : none;
    const lrk_series e = {{r[0], r[1]}, r[2], r[3], r[4], r[5], far[0], far[1], far[2], far[3]};
    return kind == LRK_SUMMED_8 ? lrk_sum8(&e, (double)(int32_t)j) : lrk_sum4(&e, (double)(int32_t)j);
}

/* `data` is what the records and tables of all rows lie in. It begins with a record of zeros, for the steps of other
   rows and its own entry, and an entry of ones. */
struct lrk_memo {
    int64_t count;
    double *data;
    lrk_memo_row rows[];
};

/* Lines and rows of blocks in a table, side by side in vectors from which each step picks what is its row's. `whole` is
   1 for blocks and 0 for lines, `begin` the step whose value is the start itself. */
#define LRK_SIDES 8
typedef struct lrk_sides {
    double first[LRK_SIDES], from[LRK_SIDES], span[LRK_SIDES], whole[LRK_SIDES], begin[LRK_SIDES];
    lrk_spot spot[LRK_SIDES];
} lrk_sides;

#define LRK_TILE 256                 /* steps in any order that go through at one time */
#define LRK_EXACT (INT64_C(1) << 51) /* steps below it are doubles, and so are their differences */
#define LRK_LOOKAHEAD 24             /* steps */
#if defined(__GNUC__)
#define LRK_PREFETCH(address) __builtin_prefetch(address)
#else
#define LRK_PREFETCH(address) ((void)(address))
#endif

/* Which steps of a tile are a row's own, from `first` to before `end`, and its value at `begin`. */
typedef struct lrk_ours {
    double first, end, begin, start;
} lrk_ours;

LRK_INLINE double lrk_give(const lrk_ours *ours, double x, double value, double had)
{
    return ((x >= ours->first) & (x < ours->end)) ? (x == ours->begin ? ours->start : value) : had;
}

#define LRK_TWO_52 UINT64_C(0x4330000000000000) /* the bits of 2^52 */

LRK_INLINE double lrk_real(int64_t step)
{
    return lrk_from_bits((uint64_t)step | LRK_TWO_52) - 0x1p52;
}

/* And back; any double gives some integer. */
LRK_INLINE int64_t lrk_integer(double step)
{
    return (int64_t)(lrk_bits(step + 0x1p52) ^ LRK_TWO_52);
}

typedef struct lrk_tile_code {
    int (*consecutive)(const int64_t *steps, int32_t n);
    int64_t (*reals)(const int64_t *steps, int32_t n, double *x, int64_t *low, int64_t *high);
    void (*hold)(const lrk_ours *ours, const double *x, int32_t n, double *out);
    void (*give)(const lrk_ours *ours, const double *x, int32_t n, const double *values, double *out);
    void (*lanes[SHAPE_COUNT])(
        const lrk_segment *segment, const lrk_ours *ours, const double *x, int32_t n, double from, double sign,
        double part, double *out);
    void (*spots)(const lrk_memo *memo, const lrk_memo_row *row, const int64_t *steps, int32_t n, lrk_spot *spots);
    void (*join_spots)(
        const lrk_memo *memo, const lrk_memo_row *row, double least, double most, const double *x, int32_t n,
        lrk_spot *spots);
    int (*sides[2])( /* of half of them, of all; NULL where they do not pay */
        const lrk_sides *sides, const double *data, double *x, int32_t n, double *out);
    void (*begin)(int64_t first, double start, const int64_t *steps, int32_t n, double *out);
    void (*records[LRK_RECORDS])(const double *data, const lrk_spot *spots, int32_t n, double *out);
    int32_t (*own)(const int64_t *steps, int32_t n, int64_t first, uint64_t width, int64_t *at, int64_t *own);
} lrk_tile_code;

#ifdef LRK_X86_LEVELS
/* For each set of four lanes of 64 bits, the order in which they come first, in lanes of 32 bits. */
#define LRK_FRONT(a, b, c, d) {2 * a, 2 * a + 1, 2 * b, 2 * b + 1, 2 * c, 2 * c + 1, 2 * d, 2 * d + 1}
static const int32_t lrk_to_front[16][8] = {
    LRK_FRONT(0, 0, 0, 0), LRK_FRONT(0, 0, 0, 0), LRK_FRONT(1, 0, 0, 0), LRK_FRONT(0, 1, 0, 0),
    LRK_FRONT(2, 0, 0, 0), LRK_FRONT(0, 2, 0, 0), LRK_FRONT(1, 2, 0, 0), LRK_FRONT(0, 1, 2, 0),
    LRK_FRONT(3, 0, 0, 0), LRK_FRONT(0, 3, 0, 0), LRK_FRONT(1, 3, 0, 0), LRK_FRONT(0, 1, 3, 0),
    LRK_FRONT(2, 3, 0, 0), LRK_FRONT(0, 2, 3, 0), LRK_FRONT(1, 2, 3, 0), LRK_FRONT(0, 1, 2, 3)};
#endif

#define LRK_AT_LEVEL(name) baseline_##name
#define LRK_FUSED 0
#define LRK_NARROW float
#if defined(LRK_X86_LEVELS) && !defined(__clang__) /* nothing to fuse, whatever the attribute does to other options */
#define LRK_ABREAST __attribute__((optimize("schedule-insns")))
#else
#define LRK_ABREAST
#endif
#include "fill.inc.c"
#include "tile.inc.c"
#undef LRK_AT_LEVEL
#undef LRK_FUSED
#undef LRK_ABREAST
#define LRK_ABREAST /* wider vectors won nothing by it */

/* The same source again under wider targets. Function multi-versioning by attribute (target_clones) would need ifunc
   resolvers, which musl lacks, and could not be forced from a test. */
#ifdef LRK_X86_LEVELS

#define LRK_FUSED 1
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
#include "tile.inc.c"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef LRK_AT_LEVEL

#undef LRK_NARROW
#define LRK_NARROW double /* the eight anchors of a loop are one vector here */
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
    const lrk_tile_code *tile;
} levels[] = {
    {"baseline", &baseline_code, &baseline_tile_code},
#ifdef LRK_X86_LEVELS
    {"x86-64-v3", &v3_code, &v3_tile_code},
    {"x86-64-v4", &v4_code, &v3_tile_code}, /* tiles go by loads and permutations of four: a copy was 5 KB of a wheel */
#endif
};

/* -1: not chosen yet. Choosing is idempotent, so a race only does it twice. */
static volatile int chosen_level = -1;

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
    LRK_RELEASE(chosen_level, level);
    return 0;
}

LRK_INLINE int the_level(void)
{
    const int level = LRK_ACQUIRE(chosen_level);
    if (level >= 0) return level;
    lrk_use_level(-1);
    return LRK_ACQUIRE(chosen_level);
}

int lrk_level(void)
{
    return the_level();
}

static const lrk_level_code *level_code(void)
{
    return levels[the_level()].code;
}

/* ---- deriving the fields of a row ---- */

const char *lrk_prepare(lrk_segment *s)
{
    const int open = s->end_part == INFINITY;

    if (s->shape < 0 || s->shape >= SHAPE_COUNT) return "shape must be a known id";
    if (s->begin < 0 || !(s->begin_part >= 0.0 && s->begin_part < 1.0)) return "begin must be >= 0";
    if (!(s->end_part >= 0.0)) return "end must be >= begin";
    if (!open && (s->end < (uint64_t)s->begin || (s->end == (uint64_t)s->begin && s->end_part < s->begin_part)))
        return "end must be >= begin";
    if (s->shape == SHAPE_clip) { /* one-sided: the other side is infinite */
        if (!(s->start <= s->stop)) return "lo must be <= hi";
        if (!lrk_is_finite(s->start) && !lrk_is_finite(s->stop)) return "lo or hi must be finite";
    } else if (s->shape == SHAPE_hold) { /* growth may have passed float64 */
        if (s->start != s->start) return "values must be numbers";
    } else if (!lrk_is_finite(s->start) || !lrk_is_finite(s->stop)) {
        return "values must be finite";
    }
    if (!lrk_is_finite(s->param)) return "param must be finite";

    if (kinds[s->shape] == NODE && (s->count[0] < 1 || (s->shape == SHAPE_product && s->count[1] < 1)))
        return "a node must have its sub-tables";

    for (int j = 0; j < 8; ++j) s->k[j] = 0.0;
    s->falling = 0;
    s->base = s->gap = s->low = s->high = 0.0;
    s->first = s->begin + (s->begin_part > 0.0 && s->begin < INT64_MAX);
    s->lead = (double)(s->first - s->begin) - s->begin_part;
    const uint64_t steps = open ? 0 : s->end - (uint64_t)s->begin;
    const lrk_dd whole = lrk_two_sum((double)(steps >> 32) * 0x1p32, (double)(steps & 0xffffffffu));
    const lrk_dd parts = lrk_two_sum(s->end_part, -s->begin_part);
    lrk_dd span = lrk_two_sum(whole.hi, parts.hi);
    span = (lrk_dd){open ? INFINITY : span.hi, span.lo + parts.lo};
    if (whole.lo != 0.0) span = lrk_two_sum(span.hi, span.lo + whole.lo); /* of more than 2^53 steps */
    s->span = span.hi;

    const char *broken = NULL;
    if (kinds[s->shape] == TABLE || kinds[s->shape] == SERIES) s->high = lrk_fused_steps(s);
    switch (s->shape) {
#define LRK_LANE(id, name, ulp, call, formula) \
    case id:                                   \
        broken = name##_prepare(s, span);      \
        break;
#define LRK_TABLE LRK_LANE
#define LRK_SERIES LRK_LANE
#define LRK_CALLED LRK_LANE
#define LRK_STAIR LRK_LANE
#include "shapes.def"
    case SHAPE_divide:
        if (s->stop == 0.0) return "divisor must not be 0";
        break;
    case SHAPE_repeat:
        if (!(s->every > 0.0 && lrk_is_finite(s->every))) return "period must be > 0";
        if (!(s->param >= 0.0 && lrk_is_finite(s->param * s->every))) return "times must be >= 0, and their end finite";
        break;
    case SHAPE_epoch:
        if (!(s->every > 0.0 && lrk_is_finite(s->every))) return "steps_per_epoch must be > 0";
        break;
    case SHAPE_skip:
        if (!(s->every > 0.0 && s->every < 0x1p53)) return "n must be > 0 and < 2^53";
        break;
    default:
        break;
    }
    return broken;
}

/* ---- one step ---- */

static lrk_steps split_steps(uint64_t steps, double part, double sign)
{
    return (lrk_steps){(double)(steps >> 32) * 0x1p32, (double)(steps & 0xffffffffu), part, sign};
}

/* Steps from the near end, and the fraction of a step beside them. Beyond the end they wrap, but by whole blocks. */
static uint64_t near_steps(const lrk_segment *s, const lrk_place *place, int64_t whole, double *part)
{
    *part = s->falling ? place->end_part : place->lead;
    return s->falling ? place->end - (uint64_t)whole : (uint64_t)(whole - place->first);
}

/* later - earlier, of either sign */
static lrk_steps steps_between(uint64_t earlier, uint64_t later, double part, double sign)
{
    if (earlier <= later) return split_steps(later - earlier, part, sign);
    const lrk_steps before = split_steps(earlier - later, part, sign);
    return (lrk_steps){-before.high, -before.low, part, sign};
}

static lrk_steps past_steps(const lrk_place *place, int64_t whole)
{
    return steps_between((uint64_t)place->first, (uint64_t)whole, place->lead, 1.0);
}

/* The same for a row without blocks: linear. */
static lrk_steps lane_steps(const lrk_segment *s, const lrk_place *place, int64_t whole)
{
    if (s->k[LINEAR_CROSSES] == 0.0) {
        if (s->falling) return steps_between((uint64_t)whole, place->end, place->end_part, -1.0);
        return past_steps(place, whole);
    }
    const lrk_steps past = past_steps(place, whole);
    const lrk_steps left = steps_between((uint64_t)whole, place->end, place->end_part, -1.0);
    const lrk_steps near = s->falling ? left : past, far = s->falling ? past : left;
    return (lrk_steps){near.high - far.high, near.low - far.low, near.part - far.part, 2.0 * near.sign};
}

/* The beginning of the block that a step is in, and how many steps further it is. */
static double block_steps(const lrk_segment *s, const lrk_place *place, int64_t whole, lrk_steps *steps)
{
    double part;
    const uint64_t near = near_steps(s, place, whole, &part), in_block = (uint64_t)(int64_t)s->k[LRK_WIDTH] - 1;
    *steps = split_steps(near & ~in_block, part, 1.0);
    return (double)(near & in_block);
}

static double range_at(const lrk_table *t, int64_t first, int64_t rows, lrk_clock clock);

/* Kept out of row_at: what it takes to call the function of others cost each step of any shape 20 instructions. */
#define LRK_CALLED(id, name, ulp, call, formula)                                                     \
    static LRK_APART double name##_call(const lrk_segment *s, const lrk_place *place, int64_t whole) \
    {                                                                                                \
        const lrk_steps past = past_steps(place, whole);                                             \
        return name##_called(s, &past);                                                              \
    }
#include "shapes.def"

static double row_at(const lrk_table *t, const lrk_segment *s, const lrk_place *place, int64_t whole)
{
    const int at_begin = whole == place->first && place->lead == 0.0; /* u = 0: the start itself, bit for bit */
    lrk_clock clock, rest;
    lrk_steps steps;

    switch (s->shape) {
#define LRK_LANE(id, name, ulp, call, formula) \
    case id:                                   \
        if (at_begin) return s->start;         \
        steps = lane_steps(s, place, whole);   \
        return name##_lane(s, lrk_near(&steps, 0.0) / s->span);
#define LRK_TABLE(id, name, ulp, call, formula)                \
    case id: {                                                 \
        if (at_begin) return s->start;                         \
        const double r = block_steps(s, place, whole, &steps); \
        return level_code()->shapes[id].one(s, &steps, r);     \
    }
#define LRK_SERIES LRK_TABLE
#define LRK_CALLED(id, name, ulp, call, formula) \
    case id:                                     \
        return at_begin ? s->start : name##_call(s, place, whole);
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
    return lrk_node(s->shape, s->start, s->stop, a, b);
}

static double range_at(const lrk_table *t, int64_t first, int64_t rows, lrk_clock clock)
{
    const lrk_segment *s = t->segments + first + locate(t->segments + first, rows, clock);
    if (s->shape <= SHAPE_hold) return s->start;
    const lrk_place place = place_row(s, clock.part);
    return row_at(t, s, &place, clock.whole);
}

double lrk_at(const lrk_table *table, int64_t step)
{
    return range_at(table, 0, table->root, (lrk_clock){step, 0.0});
}

double lrk_range_at(const lrk_table *table, int64_t first, int64_t rows, lrk_clock clock)
{
    return range_at(table, first, rows, clock);
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
        const double every = lrk_clamp(s->every, 0.0, 0x1p62); /* no part lasts as long */
        const int64_t period = (int64_t)every;
        if (at_end || on_edge) return lrk_limit(t, s->child[0], s->count[0], period, every - (double)period);
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
    if (kind <= SERIES) {
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
    return lrk_node(s->shape, s->start, s->stop, a, b);
}

/* ---- runs of steps ---- */

/* What a fill carries along: what it writes. */
typedef struct lrk_fill_state {
    const lrk_table *table;
    const lrk_level_code *code;
    const lrk_stores *to;
    size_t size; /* of one value */
} lrk_fill_state;

static void write_doubles(lrk_fill_state *f)
{
    f->to = f->code->stores[0];
    f->size = sizeof(double);
}

static void write_floats(lrk_fill_state *f)
{
    f->to = f->code->stores[1];
    f->size = sizeof(float);
}

static void *behind(const lrk_fill_state *f, void *out, int64_t n)
{
    return (char *)out + (size_t)n * f->size;
}

static void fill_range(lrk_fill_state *f, int64_t first, int64_t rows, lrk_clock clock, int64_t n, void *out);

/* Whether float32 arithmetic pays for a line or a cosine. Only a table made by hand has steps past a row's end, where
   these hold their last value and no series goes on. */
static int is_long(const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n)
{
    return s->span >= LRK_LONG && (uint64_t)whole + (uint64_t)n <= place->end;
}

/* How many steps are done in full where float32 arithmetic did not do for the first of them. */
static int32_t slow_run(const lrk_quicks *q, int32_t block, int32_t n)
{
    return n < LRK_QUICK_STEPS || q->most[block] < 0.0 ? n : LRK_QUICK_STEPS;
}

/* A line as float32: blocks of a series with one term, anywhere. */
static void fill_quickly(
    lrk_fill_state *f, const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n, float *out)
{
    lrk_blocks b;
    lrk_quicks q;
    memset(&b, 0, sizeof b);
    while (n > 0) {
        const int64_t blocks = (n + LRK_CENTRE - 1) / LRK_CENTRE;
        const int32_t eighths = blocks < LRK_BLOCKS ? ((int32_t)blocks + 7) / 8 : LRK_BLOCKS / 8, count = 8 * eighths;
        lrk_steps steps = lane_steps(s, place, whole);
        const double slope = s->gap * steps.sign / s->span;
        steps.sign *= LRK_CENTRE;
        f->code->stores[0]->lane[s->shape](s, &steps, count, b.value);
        for (int32_t j = 0; j < count; ++j) {
            b.c[0][j] = slope;
            b.terms[j] = 1.0;
        }
        f->code->quicken(eighths, &b, &q);
        for (int32_t j = 0; j < count; ++j) {
            const int32_t run = n < LRK_CENTRE ? (int32_t)n : LRK_CENTRE;
            for (int32_t done = 0; done < run;) {
                done += f->code->quick(&q, j, done, 1, run - done, out + done);
                const int32_t rest = slow_run(&q, j, run - done);
                if (rest == 0) break;
                steps = lane_steps(s, place, whole + done);
                f->to->lane[s->shape](s, &steps, rest, out + done);
                done += rest;
            }
            n -= run;
            if (n == 0) return; /* the clock may stand at the last int64 step */
            whole += run;
            out += run;
        }
    }
}

static void fill_lane(
    lrk_fill_state *f, const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n, void *out)
{
    if (f->size == sizeof(float) && n >= LRK_CENTRE && is_long(s, place, whole, n) && s->k[LINEAR_CROSSES] == 0.0) {
        fill_quickly(f, s, place, whole, n, out);
        return;
    }
    const int64_t most = 1 << 30; /* a lane's index is an int32: AVX2 has no int64 -> double */
    for (int64_t done = 0; done < n; done += most) {
        const lrk_steps steps = lane_steps(s, place, whole + done);
        f->to->lane[s->shape](s, &steps, (int32_t)(n - done < most ? n - done : most), behind(f, out, done));
    }
}

static void fill_called(
    lrk_fill_state *f, const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n, void *out)
{
    double block[LRK_CUSTOM_RUN];
    for (int64_t done = 0; done < n; done += LRK_CUSTOM_RUN) {
        const int32_t run = (int32_t)(n - done < LRK_CUSTOM_RUN ? n - done : LRK_CUSTOM_RUN);
        const lrk_steps past = past_steps(place, whole + done);
        switch (s->shape) {
#define LRK_CALLED(id, name, ulp, call, formula) \
    case id:                                     \
        name##_run(s, &past, run, block);        \
        break;
#include "shapes.def"
        default:
            break;
        }
        f->to->copy(block, run, behind(f, out, done));
    }
}

/* A thread keeps its last table, which takes as long as 4,000 values: cut into pieces, a row of one span would be given
   it again and again, which made two threads that found one free core 4 percent slower than one. */
static const lrk_inside *table_of(const lrk_fill_state *f, const lrk_segment *s)
{
    static LRK_THREAD lrk_inside inside;
    if (inside.span != s->span || inside.span_low != s->k[WAVE_SPAN_LOW]) {
        f->code->shapes[s->shape].inside(s, &inside);
        inside.span = s->span;
        inside.span_low = s->k[WAVE_SPAN_LOW];
    }
    return &inside;
}

/* Whether it is worth a look if float32 arithmetic does for a block of a series. */
static int changes_little(const lrk_blocks *b, int32_t block)
{
    return lrk_magnitude(b->c[0][block]) * LRK_CENTRE <= 0x1p-9 * lrk_magnitude(b->value[block]);
}

/* n steps of a block in full, in whole vectors where each is an anchor of its own; gives n. */
LRK_INLINE int32_t write_block(
    const lrk_fill_state *f, const lrk_segment *s, const lrk_blocks *b, int32_t block, const lrk_inside *inside,
    int64_t r, int32_t sign, int32_t n, void *out)
{
    if (kinds[s->shape] == TABLE) {
        f->to->join(b, block, inside, (int32_t)r, sign, n, out);
    } else if (b->terms[block] > 0.0) {
        f->to->sum(b, block, (int32_t)r, sign, n, out);
    } else {
        const lrk_steps steps = {b->high[block], b->low[block] + (double)r, b->part, sign};
        double values[LRK_CENTRE];
        f->code->shapes[s->shape].each(s, &steps, (n + 7) / 8, values);
        f->to->copy(values, n, out);
    }
    return n;
}

static void fill_blocks(
    lrk_fill_state *f, const lrk_segment *s, const lrk_place *place, int64_t whole, int64_t n, void *out)
{
    const int in_table = kinds[s->shape] == TABLE;
    const int64_t width = (int64_t)s->k[LRK_WIDTH];
    const int may_be_quick =
        f->size == sizeof(float) && width == LRK_CENTRE && (!in_table || is_long(s, place, whole, n));
    const int32_t sign = s->falling ? -1 : 1;
    lrk_blocks b;
    lrk_quicks q;
    if (in_table && n < 16) { /* not worth the table; measured break-even between 10 and 20 steps */
        for (int64_t j = 0; j < n; ++j) f->to->constant(row_at(f->table, s, place, whole + j), 1, behind(f, out, j));
        return;
    }
    const lrk_inside *inside = in_table ? table_of(f, s) : NULL;
    while (n > 0) {
        const uint64_t near = near_steps(s, place, whole, &b.part), first = near & ~((uint64_t)width - 1);
        int64_t r = (int64_t)(near - first); /* steps from the block's beginning, which for a falling row comes last */
        const int64_t passed = s->falling ? width - 1 - r : r, blocks = (passed + n + width - 1) / width;
        const int32_t eighths = blocks < LRK_BLOCKS ? ((int32_t)blocks + 7) / 8 : LRK_BLOCKS / 8, count = 8 * eighths;
        for (int32_t j = 0; j < count; ++j) { /* what fills up the last eight is none behind the row's end */
            const int64_t block = j < blocks ? j : 0;
            const lrk_steps steps = split_steps(first + (uint64_t)(sign * block * width), b.part, 1.0);
            b.high[j] = steps.high;
            b.low[j] = steps.low;
        }
        f->code->shapes[s->shape].anchors(s, eighths, &b);
        const int quick = may_be_quick && (in_table || changes_little(&b, 0) || changes_little(&b, count - 1));
        if (quick && in_table) f->code->shapes[s->shape].quicken(s, eighths, &b, &q);
        if (quick && !in_table) f->code->quicken(eighths, &b, &q);
        for (int32_t j = 0; j < count; ++j) {
            const int64_t room = s->falling ? r + 1 : width - r, run = n < room ? n : room;
            int32_t done = 0;
            if (!quick) done = write_block(f, s, &b, j, inside, r, sign, (int32_t)run, out);
            while (done < run) {
                done +=
                    f->code->quick(&q, j, (int32_t)r + sign * done, sign, (int32_t)run - done, behind(f, out, done));
                if (done == run) break;
                const int32_t rest = slow_run(&q, j, (int32_t)run - done);
                done += write_block(f, s, &b, j, inside, r + sign * done, sign, rest, behind(f, out, done));
            }
            n -= run;
            if (n == 0) return;
            whole += run;
            out = behind(f, out, run);
            r = s->falling ? width - 1 : 0;
        }
    }
}

static void fill_stairs(lrk_fill_state *f, const lrk_segment *s, lrk_clock clock, int64_t n, void *out)
{
    const lrk_table *t = f->table;
    lrk_clock rest;
    if (s->shape <= SHAPE_hold) {
        f->to->constant(s->start, n, out);
        return;
    }
    if (s->shape == SHAPE_values && s->every == 1.0) {
        const int64_t left = s->count[0] > clock.whole ? s->count[0] - clock.whole : 0, run = n < left ? n : left;
        const double last = values_stair(s, t->values, (lrk_stair){s->count[0] - 1, 0.0});
        if (run > 0) f->to->copy(t->values + s->child[0] + clock.whole, run, out);
        if (run < n) f->to->constant(last, n - run, behind(f, out, run));
        return;
    }
    while (n > 0) {
        const lrk_stair k = divide_clock(clock, s->every, &rest);
        const int64_t run = stair_run(clock, s->every, k, rest, n);
        const double value = s->shape == SHAPE_epoch    ? range_at(t, s->child[0], s->count[0], epoch_clock(k))
                             : s->shape == SHAPE_values ? values_stair(s, t->values, k)
                                                        : step_stair(s, t->values, k);
        f->to->constant(value, run, out);
        n -= run;
        if (n == 0) return; /* the clock may stand at the last int64 step */
        clock.whole += run;
        out = behind(f, out, run);
    }
}

static void fill_node(lrk_fill_state *f, const lrk_segment *s, lrk_clock clock, int64_t n, void *out)
{
    if (s->shape == SHAPE_epoch) {
        fill_stairs(f, s, clock, n, out);
        return;
    }
    if (s->shape == SHAPE_skip) {
        clock = later_clock(clock, s->every);
        const int64_t after = INT64_MAX - clock.whole, run = n - 1 < after ? n : after + 1;
        fill_range(f, s->child[0], s->count[0], clock, run, out);
        if (run == n) return;
        clock.whole += run - 1;
        f->to->constant(range_at(f->table, s->child[0], s->count[0], clock), n - run, behind(f, out, run));
        return;
    }
    while (n > 0) {
        int64_t run = n < LRK_CACHE_BLOCK ? n : LRK_CACHE_BLOCK;
        if (s->shape == SHAPE_repeat) {
            lrk_clock rest;
            const lrk_stair k = divide_clock(clock, s->every, &rest);
            run = stair_run(clock, s->every, k, rest, n);
            fill_range(f, s->child[0], s->count[0], rest, run, out);
        } else if (f->size == sizeof(double)) {
            double by[LRK_CACHE_BLOCK];
            fill_range(f, s->child[0], s->count[0], clock, run, out);
            if (s->shape == SHAPE_product) fill_range(f, s->child[1], s->count[1], clock, run, by);
            f->code->shapes[s->shape].node(s, by, run, out);
        } else { /* one rounding, of the result */
            double block[LRK_CACHE_BLOCK];
            write_doubles(f);
            fill_node(f, s, clock, run, block);
            write_floats(f);
            f->to->copy(block, run, out);
        }
        n -= run;
        if (n == 0) return; /* the clock may stand at the last int64 step */
        clock.whole += run;
        out = behind(f, out, run);
    }
}

static void fill_range(lrk_fill_state *f, int64_t first, int64_t rows, lrk_clock clock, int64_t n, void *out)
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
        if (kind <= SERIES) {
            (kind == LANE     ? fill_lane
             : kind == CALLED ? fill_called
                              : fill_blocks)(f, s, &place, clock.whole, run, out);
            if (clock.whole == place.first && place.lead == 0.0)
                f->to->constant(s->start, 1, out); /* as row_at: exact */
        } else {
            (kind == STAIR ? fill_stairs : fill_node)(f, s, local_clock(&place, clock.whole), run, out);
        }
        n -= run;
        if (n == 0) return; /* the clock may stand at the last int64 step */
        clock.whole += run;
        out = behind(f, out, run);
    }
}

#include "gather.inc.c"

/* `count` values of start, start + stride, ... to a contiguous block. */
static void fill_steps(lrk_fill_state *f, int64_t start, int64_t stride, int64_t count, void *out)
{
    if (stride == 1) {
        fill_range(f, 0, f->table->root, (lrk_clock){start, 0.0}, count, out);
    } else {
        gather_strided(f, start, stride, count, out);
    }
}

void lrk_fill(const lrk_table *table, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap)
{
    lrk_fill_state f = {.table = table, .code = level_code()};
    write_doubles(&f);
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
    lrk_fill_state f = {.table = table, .code = level_code()};
    write_floats(&f);
    if (gap == 1) {
        fill_steps(&f, start, stride, count, out);
        return;
    }
    float block[LRK_CACHE_BLOCK];
    for (int64_t done = 0; done < count; done += LRK_CACHE_BLOCK) {
        const int64_t n = count - done < LRK_CACHE_BLOCK ? count - done : LRK_CACHE_BLOCK;
        fill_steps(&f, start + done * stride, stride, n, block);
        for (int64_t j = 0; j < n; ++j) out[(done + j) * gap] = block[j];
    }
}
