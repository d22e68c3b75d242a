/* tile.inc.c - loops over a tile of steps in any order; included by lrk.c once per SIMD level but the last, which takes
   those of the one before. */

/* Steps as doubles, and the lowest and the highest where these are exact; returns the bits that any has. The bits of
   2^52 + step are those of 2^52 and of the step: only AVX-512 converts int64. Compilers leave a minimum of doubles in
   order; one of integers takes twice the instructions. */
static int64_t LRK_AT_LEVEL(reals)(
    const int64_t *restrict steps, int32_t n, double *restrict x, int64_t *low, int64_t *high)
{
    int64_t bits = 0, least = steps[0], most = steps[0];
    int32_t j = 0;
#if LRK_FUSED
    const __m256d two_52 = _mm256_set1_pd(0x1p52);
    __m256d any = _mm256_setzero_pd(), lows = _mm256_set1_pd(INFINITY), highs = any;
    for (; j + 8 <= n; j += 8)
        for (int k = 0; k < 8; k += 4) {
            const __m256d four = _mm256_loadu_pd((const double *)(steps + j + k));
            const __m256d reals = _mm256_sub_pd(_mm256_or_pd(four, two_52), two_52);
            _mm256_storeu_pd(x + j + k, reals);
            any = _mm256_or_pd(any, four);
            lows = _mm256_min_pd(lows, reals);
            highs = _mm256_max_pd(highs, reals);
        }
    double all[3][4];
    _mm256_storeu_pd(all[0], any);
    _mm256_storeu_pd(all[1], lows);
    _mm256_storeu_pd(all[2], highs);
    for (int k = 0; k < 4 && j > 0; ++k) {
        const int64_t lane_low = lrk_integer(all[1][k]), lane_high = lrk_integer(all[2][k]);
        bits |= (int64_t)lrk_bits(all[0][k]);
        least = lane_low < least ? lane_low : least;
        most = lane_high > most ? lane_high : most;
    }
#endif
    for (int32_t k = j; k < n; ++k) {
        bits |= steps[k];
        x[k] = lrk_real(steps[k]);
    }
    for (; j < n; ++j) {
        least = steps[j] < least ? steps[j] : least;
        most = steps[j] > most ? steps[j] : most;
    }
    *low = least;
    *high = most;
    return bits;
}

static int LRK_AT_LEVEL(consecutive)(const int64_t *restrict steps, int32_t n)
{
    uint64_t off = 0;
    for (int32_t j = 0; j < n; ++j) off |= (uint64_t)steps[j] - (uint64_t)steps[0] - (uint64_t)j;
    return off == 0;
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

#if LRK_FUSED
/* The spots of four steps of blocks in a table, so many whole steps away from where these begin. */
LRK_INLINE __m256i LRK_AT_LEVEL(four_spots)(__m256d away, __m256i from)
{
    const __m256i whole = _mm256_castpd_si256(_mm256_add_pd(away, _mm256_set1_pd(0x1p52)));
    const __m256i record = _mm256_srli_epi64(whole, LRK_TABLE_BITS - 2);
    const __m256i entry = _mm256_slli_epi64(whole, 32 + 2);
    const int64_t bits = (int64_t)(LRK_TABLE_STEPS - 1) * LRK_ENTRY << 32 | (UINT32_MAX - 3);
    const __m256i both = _mm256_and_si256(_mm256_blend_epi32(record, entry, 0xAA), _mm256_set1_epi64x(bits));
    return _mm256_add_epi64(from, both);
}
#endif

/* Where steps of a row have their records; those of other rows get its first or its last one. */
static void LRK_AT_LEVEL(spots)(
    const lrk_memo *memo, const lrk_memo_row *row, const int64_t *restrict steps, int32_t n, lrk_spot *restrict spots)
{
    const double from = row->from, sign = row->sign, last = row->last;
    const uint32_t size = (uint32_t)lrk_record_size[row->kind], joined = row->kind == LRK_JOINED;
    const uint32_t record = (uint32_t)(row->records - memo->data);
    const uint32_t table = joined ? (uint32_t)(row->inside - memo->data) : 0, entry = joined ? LRK_ENTRY : 1;
    const int bits = row->bits;
    int64_t j = 0;
#if LRK_FUSED
    const __m256d begin = _mm256_set1_pd(from), end = _mm256_set1_pd(last), zero = _mm256_setzero_pd();
    const __m256d along = _mm256_set1_pd(sign), two_52 = _mm256_set1_pd(0x1p52);
    const __m256i at = _mm256_set1_epi64x((int64_t)((uint64_t)table << 32 | record));
    for (; joined && j + 4 <= n; j += 4) {
        const __m256d four = _mm256_loadu_pd((const double *)(steps + j));
        const __m256d x = _mm256_sub_pd(_mm256_or_pd(four, two_52), two_52);
        const __m256d away = _mm256_mul_pd(_mm256_sub_pd(x, begin), along);
        const __m256d clamped = _mm256_min_pd(_mm256_max_pd(away, zero), end);
        _mm256_storeu_si256((__m256i *)(spots + j), LRK_AT_LEVEL(four_spots)(clamped, at));
    }
#endif
    for (; j < n; ++j) {
        const double x = lrk_real(steps[j]);
        const uint32_t near = (uint32_t)(int32_t)lrk_clamp(sign * (x - from), 0.0, last);
        spots[j] = (lrk_spot){record + size * (near >> bits), table + entry * (near - (near >> bits << bits))};
    }
}

/* The same for the steps of this row alone: the integers `least` to `most` from where it counts from. */
static void LRK_AT_LEVEL(join_spots)(
    const lrk_memo *memo, const lrk_memo_row *row, double least, double most, const double *restrict x, int32_t n,
    lrk_spot *restrict spots)
{
    const double from = row->from, sign = row->sign, before = least - 1.0, after = most + 1.0;
    const uint32_t first = (uint32_t)(int32_t)least, last = (uint32_t)(int32_t)most - first;
    const uint32_t record = (uint32_t)(row->records - memo->data), table = (uint32_t)(row->inside - memo->data);
    const int bits = row->bits;
    int64_t j = 0;
#if LRK_FUSED
    const __m256d begin = _mm256_set1_pd(from), along = _mm256_set1_pd(sign);
    const __m256i at = _mm256_set1_epi64x((int64_t)((uint64_t)table << 32 | record));
    for (; j + 4 <= n; j += 4) {
        const __m256d away = _mm256_mul_pd(_mm256_sub_pd(_mm256_loadu_pd(x + j), begin), along);
        const __m256d behind = _mm256_cmp_pd(away, _mm256_set1_pd(least), _CMP_GE_OQ);
        const __m256d mine = _mm256_and_pd(behind, _mm256_cmp_pd(away, _mm256_set1_pd(most), _CMP_LE_OQ));
        const __m256i spot = _mm256_and_si256(LRK_AT_LEVEL(four_spots)(away, at), _mm256_castpd_si256(mine));
        __m256i *to = (__m256i *)(spots + j);
        _mm256_storeu_si256(to, _mm256_or_si256(_mm256_loadu_si256(to), spot));
    }
#endif
    for (; j < n; ++j) {
        const uint32_t near = (uint32_t)(int32_t)lrk_clamp(sign * (x[j] - from), before, after);
        const uint32_t mine = near - first <= last ? UINT32_MAX : 0;
        spots[j].record |= mine & (record + (near >> bits) * 4);
        spots[j].entry |= mine & (table + (near - (near >> bits << bits)) * LRK_ENTRY);
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
   from 3.5 to 2.0 of four terms, from 6.6 to 3.3 of eight. */
#if LRK_FUSED
LRK_INLINE void LRK_AT_LEVEL(ask_four)(const double *data, const lrk_spot *spots)
{
    for (int k = 0; k < 4; ++k) LRK_PREFETCH(data + spots[k].record);
}

/* Four are joined at once, in columns, by 7 instructions a step where one by one takes 17: compilers do not find that
   themselves. Weights or NULL. */
LRK_INLINE void LRK_AT_LEVEL(join_four)(
    const double *restrict data, const lrk_spot *restrict spots, const double *restrict weights, double *restrict out)
{
    __m256d r[4];
    for (int k = 0; k < 4; ++k)
        r[k] = _mm256_mul_pd(_mm256_loadu_pd(data + spots[k].record), _mm256_loadu_pd(data + spots[k].entry));
    const __m256d even = _mm256_unpacklo_pd(r[0], r[1]), odd = _mm256_unpackhi_pd(r[0], r[1]);
    const __m256d next = _mm256_unpacklo_pd(r[2], r[3]), last = _mm256_unpackhi_pd(r[2], r[3]);
    const __m256d high = _mm256_permute2f128_pd(even, next, 0x20), low = _mm256_permute2f128_pd(odd, last, 0x20);
    const __m256d first = _mm256_permute2f128_pd(even, next, 0x31), other = _mm256_permute2f128_pd(odd, last, 0x31);
    const __m256d one = weights != NULL ? _mm256_mul_pd(first, _mm256_loadu_pd(weights)) : first;
    _mm256_storeu_pd(out, _mm256_add_pd(high, _mm256_add_pd(low, _mm256_add_pd(one, other))));
}
#endif

static void LRK_AT_LEVEL(join_records)(
    const double *restrict data, const lrk_spot *restrict spots, int32_t n, double *restrict out)
{
    int64_t j = 0; /* 64 bits: an index past 32 would have to wrap */
#if LRK_FUSED
    for (; j < LRK_LOOKAHEAD; j += 4) LRK_AT_LEVEL(ask_four)(data, spots + j);
    for (j = 0; j + 4 <= n; j += 4) {
        LRK_AT_LEVEL(ask_four)(data, spots + j + LRK_LOOKAHEAD);
        LRK_AT_LEVEL(join_four)(data, spots + j, NULL, out + j);
    }
#endif
    for (; j < n; ++j) {
        LRK_PREFETCH(data + spots[j + LRK_LOOKAHEAD].record);
        out[j] = lrk_join_entry(data + spots[j].record, data + spots[j].entry, 1.0);
    }
}

#if LRK_FUSED
#define LRK_LANES_OF(lanes) _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(_mm256_loadu_pd(lanes)), which))
#define LRK_PICK(lanes) \
    (wide ? _mm256_blendv_pd(LRK_LANES_OF(lanes), LRK_LANES_OF((lanes) + LRK_SIDES / 2), above) : LRK_LANES_OF(lanes))

/* Where four steps of rows side by side have their records, and their weights. Returns which begin a row. */
LRK_INLINE __m256d LRK_AT_LEVEL(find_four)(
    const lrk_sides *restrict sides, int wide, const double *restrict x, lrk_spot *restrict spots,
    double *restrict weights)
{
    const __m256d steps = _mm256_loadu_pd(x), magnitude = _mm256_castsi256_pd(_mm256_set1_epi64x(INT64_MAX));
    /* Minus its number, of which permutations read two bits; `above` is the third. */
    __m256i row = _mm256_setzero_si256();
    __m256d above = _mm256_setzero_pd();
    for (int k = 1; k < (wide ? LRK_SIDES : LRK_SIDES / 2); ++k) {
        const __m256d behind = _mm256_cmp_pd(steps, _mm256_set1_pd(sides->first[k]), _CMP_GE_OQ);
        row = _mm256_add_epi32(row, _mm256_castpd_si256(behind));
        if (k == LRK_SIDES / 2) above = behind;
    }
    const __m256i which = _mm256_sub_epi32(_mm256_sub_epi32(_mm256_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1), row), row);
    const __m256d near = _mm256_and_pd(_mm256_sub_pd(steps, LRK_PICK(sides->from)), magnitude);
    const __m256d whole = LRK_PICK(sides->whole);
    const __m256i from = _mm256_castpd_si256(LRK_PICK((const double *)sides->spot));
    const __m256i spot = LRK_AT_LEVEL(four_spots)(_mm256_mul_pd(near, whole), from);
    _mm256_storeu_si256((__m256i *)spots, spot);
    _mm256_storeu_pd(weights, _mm256_max_pd(_mm256_div_pd(near, LRK_PICK(sides->span)), whole));
    return _mm256_cmp_pd(steps, LRK_PICK(sides->begin), _CMP_EQ_OQ);
}

/* The steps of rows side by side, all of them: lines are joined as records by the weight u, blocks by a weight of 1.
   Returns whether one is where a row begins. What is written behind the last step lies in the tile. Finding takes
   arithmetic and joining takes loads: one after the other they took 7 percent longer. */
LRK_INLINE int LRK_AT_LEVEL(side_by_side)(
    const lrk_sides *sides, int wide, const double *restrict data, double *restrict x, int32_t n, double *restrict out)
{
    const lrk_sides own = *sides; /* which nothing that is stored can change */
    lrk_spot spots[LRK_TILE];
    double weights[LRK_TILE];
    __m256d begins = _mm256_setzero_pd();
    int64_t j = 0, i = 0;
    for (int32_t k = n; k % 4 != 0; ++k) x[k] = x[0];
    for (; j < n && j < LRK_LOOKAHEAD; j += 4) {
        begins = _mm256_or_pd(begins, LRK_AT_LEVEL(find_four)(&own, wide, x + j, spots + j, weights + j));
        LRK_AT_LEVEL(ask_four)(data, spots + j);
    }
    for (; j < n; j += 4, i += 4) {
        begins = _mm256_or_pd(begins, LRK_AT_LEVEL(find_four)(&own, wide, x + j, spots + j, weights + j));
        LRK_AT_LEVEL(ask_four)(data, spots + j);
        LRK_AT_LEVEL(join_four)(data, spots + i, weights + i, out + i);
    }
    for (; i + 4 <= n; i += 4) LRK_AT_LEVEL(join_four)(data, spots + i, weights + i, out + i);
    for (; i < n; ++i) out[i] = lrk_join_entry(data + spots[i].record, data + spots[i].entry, weights[i]);
    return _mm256_movemask_pd(begins) != 0;
}

static int LRK_AT_LEVEL(few_sides)(
    const lrk_sides *sides, const double *data, double *x, int32_t n, double *restrict out)
{
    return LRK_AT_LEVEL(side_by_side)(sides, 0, data, x, n, out);
}

static int LRK_AT_LEVEL(all_sides)(
    const lrk_sides *sides, const double *data, double *x, int32_t n, double *restrict out)
{
    return LRK_AT_LEVEL(side_by_side)(sides, 1, data, x, n, out);
}
#undef LRK_PICK
#undef LRK_LANES_OF
#endif

static void LRK_AT_LEVEL(sum4_records)(
    const double *restrict data, const lrk_spot *restrict spots, int32_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) {
        LRK_PREFETCH(data + spots[j + LRK_LOOKAHEAD].record);
        out[j] = lrk_recorded(LRK_SUMMED_4, data + spots[j].record, NULL, spots[j].entry);
    }
}

static void LRK_AT_LEVEL(sum8_records)(
    const double *restrict data, const lrk_spot *restrict spots, int32_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) {
        LRK_PREFETCH(data + spots[j + LRK_LOOKAHEAD].record);
        LRK_PREFETCH(data + spots[j + LRK_LOOKAHEAD].record + 9);
        out[j] = lrk_recorded(LRK_SUMMED_8, data + spots[j].record, NULL, spots[j].entry);
    }
}

#define LRK_LANE(id, name, ulp, call, formula) [id] = LRK_AT_LEVEL(name##_tile),
static const lrk_tile_code LRK_AT_LEVEL(tile_code) = {
    .consecutive = LRK_AT_LEVEL(consecutive),
    .reals = LRK_AT_LEVEL(reals),
    .hold = LRK_AT_LEVEL(hold),
    .give = LRK_AT_LEVEL(give),
    .spots = LRK_AT_LEVEL(spots),
    .join_spots = LRK_AT_LEVEL(join_spots),
#if LRK_FUSED
    .sides = {LRK_AT_LEVEL(few_sides), LRK_AT_LEVEL(all_sides)},
#endif
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
