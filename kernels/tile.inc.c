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
    const double first = ours->first, end = ours->end, value = ours->start;
    for (int32_t j = 0; j < n; ++j) out[j] = ((x[j] >= first) & (x[j] < end)) ? value : out[j];
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
        const lrk_steps one = {0.0, 0.0, part, sign};                                                       \
        if (LRK_FUSED && lrk_is_whole(&s, &one)) {                                                          \
            const double per = 1.0 / s.span;                                                                \
            for (int32_t j = 0; j < n; ++j) {                                                               \
                const double u = lrk_whole_quotient(sign * (x[j] - from), s.span, per);                     \
                out[j] = lrk_give(&o, x[j], name##_lane(&s, u), out[j]);                                    \
            }                                                                                               \
            return;                                                                                         \
        }                                                                                                   \
        for (int32_t j = 0; j < n; ++j) {                                                                   \
            const lrk_steps steps = {0.0, sign * (x[j] - from), part, sign};                                \
            out[j] = lrk_give(&o, x[j], name##_lane(&s, lrk_near(&steps, 0.0) / s.span), out[j]);           \
        }                                                                                                   \
    }
#include "shapes.def"

/* The `width` steps from `first` on, and their places. What is written behind them lies in the tile, too. With AVX2
   those of four move to the front at once, 5 instructions a step; one by one it takes 10 that wait for the count. */
static int32_t LRK_AT_LEVEL(own)(
    const int64_t *restrict steps, int32_t n, int64_t first, uint64_t width, int64_t *restrict at,
    int64_t *restrict own)
{
    int64_t count = 0, j = 0;
#if LRK_FUSED
    const __m256i from = _mm256_set1_epi64x(first), least = _mm256_set1_epi64x(INT64_MIN);
    const __m256i most = _mm256_xor_si256(_mm256_set1_epi64x((int64_t)width), least);
    __m256i place = _mm256_setr_epi64x(0, 1, 2, 3);
    for (; j + 4 <= n; j += 4) {
        const __m256i four = _mm256_loadu_si256((const __m256i *)(steps + j));
        const __m256i later = _mm256_xor_si256(_mm256_sub_epi64(four, from), least); /* compared without a sign */
        const int mine = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(most, later)));
        const __m256i order = _mm256_loadu_si256((const __m256i *)lrk_to_front[mine]);
        _mm256_storeu_si256((__m256i *)(own + count), _mm256_permutevar8x32_epi32(four, order));
        _mm256_storeu_si256((__m256i *)(at + count), _mm256_permutevar8x32_epi32(place, order));
        place = _mm256_add_epi64(place, _mm256_set1_epi64x(4));
        count += __builtin_popcount((unsigned)mine);
    }
#endif
    for (; j < n; ++j) {
        at[count] = j;
        own[count] = steps[j];
        count += (uint64_t)steps[j] - (uint64_t)first < width;
    }
    return (int32_t)count;
}

/* Where the steps lie in the records of a row and in its table, counted in doubles: an address takes one instruction
   then. Those of other rows lie in its first or its last record. */
static void LRK_AT_LEVEL(spots)(
    const lrk_memo_row *row, const int64_t *restrict steps, int32_t n, uint32_t *restrict block,
    uint32_t *restrict inside)
{
    const double from = row->from, sign = row->sign, last = row->last;
    const uint32_t size = (uint32_t)lrk_record_size[row->kind];
    const int bits = row->bits, pair = row->kind == LRK_JOINED;
    for (int32_t j = 0; j < n; ++j) {
        const double x = lrk_real(steps[j]);
        const uint32_t near = (uint32_t)(int32_t)lrk_clamp(sign * (x - from), 0.0, last);
        block[j] = size * (near >> bits);
        inside[j] = (near - (near >> bits << bits)) << pair;
    }
}

/* The same by records of the whole memo, for the steps of this row: the integers `least` to `most` from where it counts
   from. */
static void LRK_AT_LEVEL(join_spots)(
    const lrk_memo *memo, const lrk_memo_row *row, double least, double most, const double *restrict x, int32_t n,
    uint32_t *restrict block, uint32_t *restrict inside)
{
    const double from = row->from, sign = row->sign, before = least - 1.0, after = most + 1.0;
    const uint32_t first = (uint32_t)(int32_t)least, last = (uint32_t)(int32_t)most - first;
    const uint32_t record = (uint32_t)(row->records - memo->data), table = (uint32_t)(row->inside - memo->data);
    const int bits = row->bits;
    for (int32_t j = 0; j < n; ++j) {
        const uint32_t near = (uint32_t)(int32_t)lrk_clamp(sign * (x[j] - from), before, after);
        const uint32_t mine = near - first <= last ? UINT32_MAX : 0;
        block[j] |= mine & (record + (near >> bits << 2));
        inside[j] |= mine & (table + ((near - (near >> bits << bits)) << 1));
    }
}

/* The exact value where a row begins, as row_at. */
static void LRK_AT_LEVEL(begin)(
    int64_t first, double start, const int64_t *restrict steps, int32_t n, double *restrict out)
{
    for (int32_t j = 0; j < n; ++j) out[j] = steps[j] == first ? start : out[j];
}

/* A record is half a line of the cache or one, loaded as it is: AVX2's gathers took twice the time. Those of 10^7
   shuffled steps are in the third cache, 2 to 5 MB: asking for them ahead took from 2.7 to 1.9 ns per step of a cosine,
   from 3.5 to 2.0 of four terms, from 6.6 to 3.3 of eight. Four are joined at once, in columns, by 12 instructions a
   step where one by one takes 17: compilers do not find that themselves. */
static void LRK_AT_LEVEL(join_records)(
    const double *restrict records, const double *restrict table, const uint32_t *restrict block,
    const uint32_t *restrict inside, int32_t n, double *restrict out)
{
    int64_t j = 0; /* 64 bits: an index past 32 would have to wrap */
#if LRK_FUSED
    for (; j + 4 <= n; j += 4) {
        __m256d r[4], product[4];
        for (int k = 0; k < 4; ++k) {
            LRK_PREFETCH(records + block[j + k + LRK_LOOKAHEAD]);
            r[k] = _mm256_loadu_pd(records + block[j + k]);
            product[k] = _mm256_mul_pd(r[k], _mm256_broadcast_pd((const __m128d *)(table + inside[j + k])));
        }
        const __m256d one =
            _mm256_add_pd(_mm256_unpacklo_pd(product[0], product[1]), _mm256_unpackhi_pd(product[0], product[1]));
        const __m256d other =
            _mm256_add_pd(_mm256_unpacklo_pd(product[2], product[3]), _mm256_unpackhi_pd(product[2], product[3]));
        const __m256d high =
            _mm256_permute2f128_pd(_mm256_unpacklo_pd(r[0], r[1]), _mm256_unpacklo_pd(r[2], r[3]), 0x20);
        const __m256d low =
            _mm256_permute2f128_pd(_mm256_unpackhi_pd(r[0], r[1]), _mm256_unpackhi_pd(r[2], r[3]), 0x20);
        const __m256d sum = _mm256_permute2f128_pd(one, other, 0x31);
        _mm256_storeu_pd(out + j, _mm256_add_pd(high, _mm256_add_pd(low, sum)));
    }
#endif
    for (; j < n; ++j) {
        LRK_PREFETCH(records + block[j + LRK_LOOKAHEAD]);
        out[j] = lrk_recorded(LRK_JOINED, records + block[j], table + inside[j], 0);
    }
}

static void LRK_AT_LEVEL(sum4_records)(
    const double *restrict records, const double *restrict table, const uint32_t *restrict block,
    const uint32_t *restrict inside, int32_t n, double *restrict out)
{
    (void)table;
    for (int64_t j = 0; j < n; ++j) {
        LRK_PREFETCH(records + block[j + LRK_LOOKAHEAD]);
        out[j] = lrk_recorded(LRK_SUMMED_4, records + block[j], NULL, inside[j]);
    }
}

static void LRK_AT_LEVEL(sum8_records)(
    const double *restrict records, const double *restrict table, const uint32_t *restrict block,
    const uint32_t *restrict inside, int32_t n, double *restrict out)
{
    (void)table;
    for (int64_t j = 0; j < n; ++j) {
        LRK_PREFETCH(records + block[j + LRK_LOOKAHEAD]);
        LRK_PREFETCH(records + block[j + LRK_LOOKAHEAD] + 9);
        out[j] = lrk_recorded(LRK_SUMMED_8, records + block[j], NULL, inside[j]);
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
    .join_spots = LRK_AT_LEVEL(join_spots),
    .begin = LRK_AT_LEVEL(begin),
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
