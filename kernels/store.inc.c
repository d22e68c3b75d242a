/* store.inc.c - the loops that write values; included by fill.inc.c twice per SIMD level.

   LRK_VALUE is double or float, LRK_STORE(name) names the copy.

   All arithmetic is float64, a float32 is rounded from it once, in registers, unless float32 arithmetic proves to give
   the same (shape_math.h). Going through a block in the cache cost 1.2 to 1.9 times the float64 fill instead of 0.6 to
   0.8.

   Streaming stores, by way of a line of 256 values in the cache, for 80 MB with a last cache of 32 MB, times a fill:
   constant 0.7 instead of 1.0, cosine 0.9 to 1.1 instead of 1.2 to 1.35, geometric as before, linear 1.1 to 1.8 instead
   of 1.05. While others used the memory, a cosine took 1.4 to 2.4. They lose also where the buffer stays in the cache
   (2.4 times the time for 16 MB) and into memory that the system has just cleared (1.2 to 1.8 times): not used. For a
   cosine, prefetching the block ahead for writing won 3 percent, unrolling lost 20, and a block in the cache copied by
   memcpy 20. Fresh output costs what np.full does: NumPy asks for huge pages, without which a fill takes 5 times the
   time; MADV_POPULATE_WRITE before it won nothing.

   Sums of four terms are 9 operations per vector and 3 moves: 95 ns per block at the baseline if the processor began 4
   of these in each cycle. One vector after the other takes 140 ns, two in an unrolled loop 131, four 128, and four term
   by term (LRK_ABREAST), which gcc puts back in a row otherwise, 119. */

static void LRK_STORE(constant)(double value, int64_t n, void *to)
{
    LRK_VALUE *restrict out = to;
    for (int64_t j = 0; j < n; ++j) out[j] = (LRK_VALUE)value;
}

static void LRK_STORE(copy)(const double *restrict from, int64_t n, void *to)
{
    LRK_VALUE *restrict out = to;
    for (int64_t j = 0; j < n; ++j) out[j] = (LRK_VALUE)from[j];
}

static void LRK_STORE(join)(
    const lrk_blocks *b, int32_t block, const lrk_inside *restrict inside, int32_t r, int32_t sign, int32_t n, void *to)
{
    LRK_VALUE *restrict out = to;
    const lrk_anchor a = {{b->value[block], b->value_low[block]}, b->c[0][block], b->c[1][block]};
    const int32_t first = LRK_CENTRE + sign * r;
    const double *restrict b0 = inside->b0 + first, *restrict b1 = inside->b1 + first;
    for (int32_t j = 0; j < n; ++j) out[j] = (LRK_VALUE)lrk_join(&a, b0[j], b1[j]);
}

#define LRK_SUM(sum)                                                           \
    for (; n >= 8; n -= 8, out += 8, steps += 8)                               \
        for (int32_t j = 0; j < 8; ++j) out[j] = (LRK_VALUE)sum(&e, steps[j]); \
    for (int32_t j = 0; j < n; ++j) out[j] = (LRK_VALUE)sum(&e, steps[j]);

static LRK_ABREAST void LRK_STORE(sum)(const lrk_blocks *b, int32_t block, int32_t r, int32_t sign, int32_t n, void *to)
{
    LRK_VALUE *restrict out = to;
    const lrk_series e = lrk_series_of(b, block);
    const double *restrict steps = lrk_away + LRK_CENTRE + sign * r;
    if (b->terms[block] != 4.0) {
        LRK_SUM(lrk_sum8)
    } else if (e.c3 == 0.0 && e.c4 == 0.0) { /* a square: half of the sum adds zeros */
        LRK_SUM(lrk_sum2)
    } else {
        LRK_SUM(lrk_sum4)
    }
}
#undef LRK_SUM

#define LRK_LANE(id, name, ulp, call, formula)                                                                 \
    static void LRK_STORE(name##_lane)(const lrk_segment *segment, const lrk_steps *from, int32_t n, void *to) \
    {                                                                                                          \
        LRK_VALUE *restrict out = to;                                                                          \
        const lrk_segment s = *segment;                                                                        \
        const lrk_steps steps = *from;                                                                         \
        if (!LRK_FUSED || !lrk_is_whole(&s, &steps)) {                                                         \
            for (int32_t j = 0; j < n; ++j) out[j] = (LRK_VALUE)name##_lane(&s, lrk_near(&steps, j) / s.span); \
            return;                                                                                            \
        }                                                                                                      \
        const double per = 1.0 / s.span, *restrict away = lrk_away + LRK_CENTRE;                               \
        for (int32_t done = 0; done < n; done += LRK_CENTRE, out += LRK_CENTRE) {                              \
            const double first = lrk_near(&steps, done);                                                       \
            const int32_t run = n - done < LRK_CENTRE ? n - done : LRK_CENTRE;                                 \
            for (int32_t j = 0; j < run; ++j) {                                                                \
                const double u = lrk_whole_quotient(first + steps.sign * away[j], s.span, per);                \
                out[j] = (LRK_VALUE)name##_lane(&s, u);                                                        \
            }                                                                                                  \
        }                                                                                                      \
    }
#include "shapes.def"

#define LRK_LANE(id, name, ulp, call, formula) [id] = LRK_STORE(name##_lane),
static const lrk_stores LRK_STORE(stores) = {
    .constant = LRK_STORE(constant),
    .copy = LRK_STORE(copy),
    .join = LRK_STORE(join),
    .sum = LRK_STORE(sum),
    .lane =
        {
#include "shapes.def"
        },
};
