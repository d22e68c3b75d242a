/* fill.inc.c - span loops; included by lrk.c once per SIMD level.

   LRK_AT_LEVEL(name) names the level's copy, LRK_FUSED is 1 where lrk_fused is one instruction, LRK_NARROW is what a
   loop over anchors writes besides float64: as a float, with which gcc takes two vectors of float64 in turn, statement
   by statement. So their chains overlap; those of one iteration and the next do not, being longer than a processor
   looks ahead. An anchor of a power takes 46 ns instead of 80 at the baseline, and 21 instead of 37 at x86-64-v3. With
   an int16_t it is four vectors in turn: no faster, since most of the registers go through the stack.

   The loops are plain C over the inline functions of shape_math.h: one source for every level, vectorised by the
   compiler, in which each lane does what the scalar switch does. Copying the segment into a local lets its fields stay
   in registers, since `out` could otherwise alias them. */

/* For float32: blocks made ready, and steps of one of them written, up to the first piece that is not proved right. */
LRK_INLINE void LRK_AT_LEVEL(keep)(lrk_quicks *restrict q, int32_t j, const lrk_series *e, int settles)
{
    const lrk_quick quick = lrk_quick_of(e, LRK_FUSED);
    q->large[j] = quick.large;
    q->small[j] = quick.small;
    q->c1[j] = quick.c1;
    q->c2[j] = quick.c2;
    q->most[j] = settles ? quick.most : -1.0;
}

static void LRK_AT_LEVEL(quicken)(int32_t eighths, const lrk_blocks *restrict b, lrk_quicks *restrict q)
{
    for (int32_t k = 0; k < eighths; ++k)
        for (int32_t j = 8 * k; j < 8 * k + 8; ++j) {
            const lrk_series e = lrk_series_of(b, j);
            LRK_AT_LEVEL(keep)(q, j, &e, b->terms[j] > 0.0);
        }
}

/* Up to LRK_QUICK_STEPS of them, and what rounding changed by at most. */
LRK_INLINE int32_t LRK_AT_LEVEL(piece)(
    float large, float constant, float c1, float c2, const float *restrict steps, int32_t n, float *restrict out)
{
    int32_t off = 0;
    for (int32_t j = 0; j < n; ++j) {
#if LRK_FUSED /* its bits do not matter, and it rounds less */
        const float small = lrk_fused_float(steps[j], lrk_fused_float(steps[j], c2, c1), constant);
#else
        const float small = constant + steps[j] * (c1 + steps[j] * c2);
#endif
        const float value = large + small;
        const int32_t left = lrk_magnitude_bits(small - (value - large));
        off = left > off ? left : off;
        out[j] = value;
    }
    return off;
}

static int32_t LRK_AT_LEVEL(quick)(
    const lrk_quicks *q, int32_t block, int32_t r, int32_t sign, int32_t n, float *restrict out)
{
    const float large = (float)q->large[block], constant = (float)q->small[block];
    const float c1 = (float)q->c1[block], c2 = (float)q->c2[block], most = (float)q->most[block];
    const float *restrict steps = lrk_off_middle + LRK_CENTRE + sign * r;
    if (most < 0.0f) return 0;
    for (int32_t done = 0; done < n; done += LRK_QUICK_STEPS) {
        const int32_t off =
            n - done >= LRK_QUICK_STEPS /* nearly always; the loop of a number is one of vectors alone */
                ? LRK_AT_LEVEL(piece)(large, constant, c1, c2, steps + done, LRK_QUICK_STEPS, out + done)
                : LRK_AT_LEVEL(piece)(large, constant, c1, c2, steps + done, n - done, out + done);
        if (off > lrk_magnitude_bits(most)) return done;
    }
    return n;
}

#define LRK_VALUE double
#define LRK_STORE(name) LRK_AT_LEVEL(double_##name)
#include "store.inc.c"
#undef LRK_VALUE
#undef LRK_STORE

#define LRK_VALUE float
#define LRK_STORE(name) LRK_AT_LEVEL(float_##name)
#include "store.inc.c"
#undef LRK_VALUE
#undef LRK_STORE

LRK_INLINE double LRK_AT_LEVEL(most)(const lrk_blocks *b, int32_t eighths)
{
    double most = 0.0;
    for (int32_t j = 0; j < 8 * eighths; ++j) most = b->high[j] + b->low[j] > most ? b->high[j] + b->low[j] : most;
    return most;
}

/* `anchors`: what is known at the beginnings of blocks. `each`: the values of steps that are anchors of their own. Both
   go 8 at a time, in whole vectors, since the rest loops of so much code doubled the binary. `inside`: the table of a
   row, in both directions. `one`: a step, r after the beginning of its block. All are the baseline's where the products
   of the row are not for fusing. `node`: the values of a node in place of its sub-table's; `by` are those of the second
   one, where there is one. */
#define LRK_TABLE(id, name, ulp, call, formula)                                                                   \
    static void LRK_AT_LEVEL(name##_anchors)(const lrk_segment *segment, int32_t eighths, lrk_blocks *restrict b) \
    {                                                                                                             \
        const lrk_segment s = *segment;                                                                           \
        if (LRK_FUSED && !lrk_may_fuse(&s, b->part, LRK_AT_LEVEL(most)(b, eighths))) {                            \
            baseline_##name##_anchors(segment, eighths, b);                                                       \
            return;                                                                                               \
        }                                                                                                         \
        for (int32_t k = 0; k < eighths; ++k)                                                                     \
            for (int32_t j = 8 * k; j < 8 * k + 8; ++j) {                                                         \
                const lrk_steps steps = {b->high[j], b->low[j], b->part, 0.0};                                    \
                const lrk_anchor a = name##_anchor(&s, lrk_distance(&steps, 0.0), LRK_FUSED);                     \
                b->value[j] = a.value.hi;                                                                         \
                b->value_low[j] = a.value.lo;                                                                     \
                b->c[0][j] = a.a0;                                                                                \
                b->c[1][j] = a.a1;                                                                                \
            }                                                                                                     \
    }                                                                                                             \
    static void LRK_AT_LEVEL(name##_quicken)(                                                                     \
        const lrk_segment *segment, int32_t eighths, const lrk_blocks *restrict b, lrk_quicks *restrict q)        \
    {                                                                                                             \
        const lrk_segment s = *segment;                                                                           \
        for (int32_t k = 0; k < eighths; ++k)                                                                     \
            for (int32_t j = 8 * k; j < 8 * k + 8; ++j) {                                                         \
                const lrk_anchor a = {{b->value[j], b->value_low[j]}, b->c[0][j], b->c[1][j]};                    \
                const lrk_series e = name##_terms(&s, &a);                                                        \
                LRK_AT_LEVEL(keep)(q, j, &e, 1);                                                                  \
            }                                                                                                     \
    }                                                                                                             \
    static void LRK_AT_LEVEL(name##_inside)(const lrk_segment *segment, lrk_inside *restrict inside)              \
    {                                                                                                             \
        const lrk_segment s = *segment;                                                                           \
        if (LRK_FUSED && !lrk_may_fuse(&s, 0.0, 0.0)) {                                                           \
            baseline_##name##_inside(segment, inside);                                                            \
            return;                                                                                               \
        }                                                                                                         \
        for (int32_t j = 0; j < LRK_CENTRE; ++j)                                                                  \
            name##_inside(&s, (double)j, inside->b0 + LRK_CENTRE + j, inside->b1 + LRK_CENTRE + j, LRK_FUSED);    \
        for (int32_t j = 0; j < LRK_CENTRE; ++j) {                                                                \
            inside->b0[LRK_CENTRE - j] = inside->b0[LRK_CENTRE + j];                                              \
            inside->b1[LRK_CENTRE - j] = inside->b1[LRK_CENTRE + j];                                              \
        }                                                                                                         \
    }                                                                                                             \
    static double LRK_AT_LEVEL(name##_one)(const lrk_segment *s, const lrk_steps *block, double r)                \
    {                                                                                                             \
        if (LRK_FUSED && !lrk_may_fuse(s, block->part, block->high + block->low + r))                             \
            return baseline_##name##_one(s, block, r);                                                            \
        return name##_at(s, lrk_step_distance(block, 0.0), r, LRK_FUSED);                                         \
    }
#define LRK_SERIES(id, name, ulp, call, formula)                                                                  \
    static void LRK_AT_LEVEL(name##_anchors)(const lrk_segment *segment, int32_t eighths, lrk_blocks *restrict b) \
    {                                                                                                             \
        const lrk_segment s = *segment;                                                                           \
        if (LRK_FUSED && !lrk_may_fuse(&s, b->part, LRK_AT_LEVEL(most)(b, eighths))) {                            \
            baseline_##name##_anchors(segment, eighths, b);                                                       \
            return;                                                                                               \
        }                                                                                                         \
        for (int32_t k = 0; k < eighths; ++k) {                                                                   \
            LRK_NARROW terms[8];                                                                                  \
            for (int32_t r = 0; r < 8; ++r) {                                                                     \
                const int64_t j = 8 * (int64_t)k + r;                                                             \
                const lrk_steps steps = {b->high[j], b->low[j], b->part, 0.0};                                    \
                const lrk_series e = name##_series(&s, lrk_distance(&steps, 0.0), LRK_FUSED);                     \
                b->value[j] = e.value.hi;                                                                         \
                b->value_low[j] = e.value.lo;                                                                     \
                b->c[0][j] = e.c1;                                                                                \
                b->c[1][j] = e.c2;                                                                                \
                b->c[2][j] = e.c3;                                                                                \
                b->c[3][j] = e.c4;                                                                                \
                b->c[4][j] = e.c5;                                                                                \
                b->c[5][j] = e.c6;                                                                                \
                b->c[6][j] = e.c7;                                                                                \
                b->c[7][j] = e.c8;                                                                                \
                terms[r] = (LRK_NARROW)lrk_settles(&e, s.k[LRK_WIDTH]);                                           \
            }                                                                                                     \
            for (int32_t r = 0; r < 8; ++r) b->terms[8 * k + r] = terms[r];                                       \
        }                                                                                                         \
    }                                                                                                             \
    static void LRK_AT_LEVEL(name##_each)(                                                                        \
        const lrk_segment *segment, const lrk_steps *from, int32_t eighths, double *restrict out)                 \
    {                                                                                                             \
        const lrk_segment s = *segment;                                                                           \
        const lrk_steps steps = *from;                                                                            \
        const double last = steps.sign > 0.0 ? 8.0 * eighths : 0.0;                                               \
        if (LRK_FUSED && !lrk_may_fuse(&s, steps.part, steps.high + steps.low + last)) {                          \
            baseline_##name##_each(segment, from, eighths, out);                                                  \
            return;                                                                                               \
        }                                                                                                         \
        for (int32_t k = 0; k < eighths; ++k)                                                                     \
            for (int32_t j = 8 * k; j < 8 * k + 8; ++j)                                                           \
                out[j] = lrk_rounded(name##_series(&s, lrk_distance(&steps, (double)j), LRK_FUSED).value);        \
    }                                                                                                             \
    static LRK_APART double LRK_AT_LEVEL(name##_anchored)(const lrk_segment *s, const lrk_steps *block, double r) \
    {                                                                                                             \
        const lrk_series e = name##_series(s, lrk_step_distance(block, 0.0), LRK_FUSED);                          \
        const double terms = lrk_settles(&e, s->k[LRK_WIDTH]);                                                    \
        if (terms == 0.0) return lrk_rounded(name##_series(s, lrk_step_distance(block, r), LRK_FUSED).value);     \
        return terms == 4.0 ? lrk_sum4(&e, r) : lrk_sum8(&e, r);                                                  \
    }                                                                                                             \
    static double LRK_AT_LEVEL(name##_one)(const lrk_segment *s, const lrk_steps *block, double r)                \
    {                                                                                                             \
        double value;                                                                                             \
        if (LRK_FUSED && !lrk_may_fuse(s, block->part, block->high + block->low + r))                             \
            return baseline_##name##_one(s, block, r);                                                            \
        if (LRK_FUSED && name##_quick(s, block, r, &value)) return value;                                         \
        return LRK_AT_LEVEL(name##_anchored)(s, block, r);                                                        \
    }
#define LRK_NODE(id, name, ulp, call, formula)                                                     \
    static void LRK_AT_LEVEL(name##_node)(                                                         \
        const lrk_segment *segment, const double *restrict by, int64_t n, double *restrict values) \
    {                                                                                              \
        const double start = segment->start, stop = segment->stop;                                 \
        for (int64_t j = 0; j < n; ++j)                                                            \
            values[j] = lrk_node(id, start, stop, values[j], id == SHAPE_product ? by[j] : 0.0);   \
    }
#include "shapes.def"

#define LRK_NODE(id, name, ulp, call, formula) [id] = {.node = LRK_AT_LEVEL(name##_node)},
#define LRK_TABLE(id, name, ulp, call, formula)  \
    [id] = {                                     \
        .anchors = LRK_AT_LEVEL(name##_anchors), \
        .quicken = LRK_AT_LEVEL(name##_quicken), \
        .inside = LRK_AT_LEVEL(name##_inside),   \
        .one = LRK_AT_LEVEL(name##_one)},
#define LRK_SERIES(id, name, ulp, call, formula) \
    [id] = {                                     \
        .anchors = LRK_AT_LEVEL(name##_anchors), .each = LRK_AT_LEVEL(name##_each), .one = LRK_AT_LEVEL(name##_one)},
static const lrk_level_code LRK_AT_LEVEL(code) = {
    .stores = {&LRK_AT_LEVEL(double_stores), &LRK_AT_LEVEL(float_stores)},
    .quicken = LRK_AT_LEVEL(quicken),
    .quick = LRK_AT_LEVEL(quick),
    .shapes =
        {
#include "shapes.def"
        },
};
