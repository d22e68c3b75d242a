/* tile.inc.c - loops over a tile of steps in any order; included by lrk.c once per SIMD level, as fill.inc.c is. */

/* Of integers: compilers leave a minimum of doubles in order. */
static void LRK_AT_LEVEL(extent)(const int64_t *restrict steps, int32_t n, int64_t *low, int64_t *high)
{
    int64_t least = steps[0], most = steps[0];
    for (int32_t j = 0; j < n; ++j) {
        least = steps[j] < least ? steps[j] : least;
        most = steps[j] > most ? steps[j] : most;
    }
    *low = least;
    *high = most;
}

static int LRK_AT_LEVEL(consecutive)(const int64_t *restrict steps, int32_t n)
{
    uint64_t off = 0;
    for (int32_t j = 0; j < n; ++j) off |= (uint64_t)steps[j] - (uint64_t)steps[0] - (uint64_t)j;
    return off == 0;
}

/* The bits of 2^52 + step are those of 2^52 and of the step: only AVX-512 converts int64. */
static void LRK_AT_LEVEL(reals)(const int64_t *restrict steps, int32_t n, double *restrict x)
{
    for (int32_t j = 0; j < n; ++j) x[j] = lrk_real(steps[j]);
}

/* What a row gives to the steps of a tile that are its own: no list of them is needed where it costs less to compute
   something for all of them. */
static void LRK_AT_LEVEL(hold)(const lrk_ours *ours, const double *restrict x, int32_t n, double *restrict out)
{
    const lrk_ours o = *ours;
    for (int32_t j = 0; j < n; ++j) out[j] = lrk_give(&o, x[j], o.start, out[j]);
}

static void LRK_AT_LEVEL(give)(
    const lrk_ours *ours, const double *restrict x, int32_t n, const double *restrict values, double *restrict out)
{
    const lrk_ours o = *ours;
    for (int32_t j = 0; j < n; ++j) out[j] = lrk_give(&o, x[j], values[j], out[j]);
}

/* Steps from `from`, or before it where `sign` is -1. */
#define LRK_LANE(id, name, ulp, call, formula)                                                              \
    static void LRK_AT_LEVEL(name##_tile)(                                                                  \
        const lrk_segment *segment, const lrk_ours *ours, const double *restrict x, int32_t n, double from, \
        double sign, double part, double *restrict out)                                                     \
    {                                                                                                       \
        const lrk_segment s = *segment;                                                                     \
        const lrk_ours o = *ours;                                                                           \
        for (int32_t j = 0; j < n; ++j) {                                                                   \
            const lrk_steps steps = {0.0, sign * (x[j] - from), part, sign};                                \
            out[j] = lrk_give(&o, x[j], name##_lane(&s, lrk_near(&steps, 0.0) / s.span), out[j]);           \
        }                                                                                                   \
    }
#include "shapes.def"

static int32_t LRK_AT_LEVEL(count)(const lrk_ours *ours, const double *restrict x, int32_t n)
{
    const lrk_ours o = *ours;
    int64_t count = 0;
    for (int32_t j = 0; j < n; ++j) count += (x[j] >= o.first) & (x[j] < o.end);
    return (int32_t)count;
}

/* The `width` steps from `first` on, and their places. */
static int32_t LRK_AT_LEVEL(own)(
    const int64_t *restrict steps, int32_t n, int64_t first, uint64_t width, int32_t *restrict at,
    int64_t *restrict own)
{
    int32_t count = 0;
    for (int32_t j = 0; j < n; ++j) {
        at[count] = j;
        own[count] = steps[j];
        count += (uint64_t)steps[j] - (uint64_t)first < width;
    }
    return count;
}

/* Where the steps lie in the records of a row; those of other rows in its first or its last one. */
static void LRK_AT_LEVEL(spots)(
    const lrk_memo_row *row, const int64_t *restrict steps, int32_t n, uint32_t *restrict block,
    uint32_t *restrict inside)
{
    const double from = row->from, sign = row->sign, last = row->last;
    const int bits = row->bits;
    for (int32_t j = 0; j < n; ++j) {
        const double x = lrk_real(steps[j]);
        const uint32_t near = (uint32_t)(int32_t)lrk_clamp(sign * (x - from), 0.0, last);
        block[j] = near >> bits;
        inside[j] = near - (near >> bits << bits);
    }
}

/* Scalar on purpose: a record is half a line of the cache or one, loaded as it is; AVX2's gathers took twice the
   time. Those of 10^7 shuffled steps are in the third cache, 2 to 5 MB: asking for them ahead took from 2.7 to 1.9
   ns per step of a cosine, from 3.5 to 2.0 of four terms, from 6.6 to 3.3 of eight. */
static void LRK_AT_LEVEL(join_records)(
    const lrk_memo_row *row, const uint32_t *restrict block, const uint32_t *restrict inside, int32_t n,
    double *restrict out)
{
    const double *restrict records = row->records, *restrict table = row->inside;
    for (int32_t j = 0; j < n; ++j) {
        LRK_PREFETCH(records + lrk_record_size[LRK_JOINED] * (size_t)block[j + LRK_LOOKAHEAD]);
        const double *r = records + lrk_record_size[LRK_JOINED] * (size_t)block[j], *b = table + 2 * (size_t)inside[j];
        const lrk_anchor a = {{r[0], r[1]}, r[2], r[3]};
        out[j] = lrk_join(&a, b[0], b[1]);
    }
}

static void LRK_AT_LEVEL(sum4_records)(
    const lrk_memo_row *row, const uint32_t *restrict block, const uint32_t *restrict inside, int32_t n,
    double *restrict out)
{
    const double *restrict records = row->records;
    for (int32_t j = 0; j < n; ++j) {
        LRK_PREFETCH(records + lrk_record_size[LRK_SUMMED_4] * (size_t)block[j + LRK_LOOKAHEAD]);
        const double *r = records + lrk_record_size[LRK_SUMMED_4] * (size_t)block[j];
        const lrk_series e = {{r[0], r[1]}, r[2], r[3], r[4], r[5], 0.0, 0.0, 0.0, 0.0};
        out[j] = lrk_sum4(&e, (double)(int32_t)inside[j]);
    }
}

static void LRK_AT_LEVEL(sum8_records)(
    const lrk_memo_row *row, const uint32_t *restrict block, const uint32_t *restrict inside, int32_t n,
    double *restrict out)
{
    const double *restrict records = row->records;
    for (int32_t j = 0; j < n; ++j) {
        LRK_PREFETCH(records + lrk_record_size[LRK_SUMMED_8] * (size_t)block[j + LRK_LOOKAHEAD]);
        LRK_PREFETCH(records + lrk_record_size[LRK_SUMMED_8] * (size_t)block[j + LRK_LOOKAHEAD] + 9);
        const double *r = records + lrk_record_size[LRK_SUMMED_8] * (size_t)block[j];
        const lrk_series e = {{r[0], r[1]}, r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9]};
        out[j] = lrk_sum8(&e, (double)(int32_t)inside[j]);
    }
}

#define LRK_LANE(id, name, ulp, call, formula) [id] = LRK_AT_LEVEL(name##_tile),
static const lrk_tile_code LRK_AT_LEVEL(tile_code) = {
    .extent = LRK_AT_LEVEL(extent),
    .consecutive = LRK_AT_LEVEL(consecutive),
    .reals = LRK_AT_LEVEL(reals),
    .hold = LRK_AT_LEVEL(hold),
    .give = LRK_AT_LEVEL(give),
    .spots = LRK_AT_LEVEL(spots),
    .count = LRK_AT_LEVEL(count),
    .own = LRK_AT_LEVEL(own),
    .records =
        {[LRK_JOINED] = LRK_AT_LEVEL(join_records),
         [LRK_SUMMED_4] = LRK_AT_LEVEL(sum4_records),
         [LRK_SUMMED_8] = LRK_AT_LEVEL(sum8_records)},
    .lanes =
        {
#include "shapes.def"
        },
};
