/* fill.inc.c - span loops; included by lrk.c once per SIMD level, with LRK_AT_LEVEL(name) naming the level's copy.

   The loops are plain C over the inline functions of shape_math.h: one source for every level, vectorised by the
   compiler, in which each lane does what the scalar switch does. Copying the segment into a local lets its fields stay
   in registers, since `out` could otherwise alias them. */

static void LRK_AT_LEVEL(constant)(double value, int64_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] = value;
}

static void LRK_AT_LEVEL(scale)(double k, int64_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] *= k;
}

static void LRK_AT_LEVEL(divide)(double k, int64_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] /= k;
}

static void LRK_AT_LEVEL(offset)(double c, int64_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] += c;
}

static void LRK_AT_LEVEL(clip)(double low, double high, int64_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] = lrk_clamp(out[j], low, high);
}

static void LRK_AT_LEVEL(multiply)(const double *restrict by, int64_t n, double *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] *= by[j];
}

static void LRK_AT_LEVEL(narrow)(const double *restrict from, int64_t n, float *restrict out)
{
    for (int64_t j = 0; j < n; ++j) out[j] = (float)from[j];
}

/* Lane rows: `n` steps from index `i` of a run. */
#define LRK_LANE(id, name, ulp, call, formula)                                                       \
    static void LRK_AT_LEVEL(name)(                                                                  \
        const lrk_segment *segment, const lrk_lane *run, int32_t i, int32_t n, double *restrict out) \
    {                                                                                                \
        const lrk_segment s = *segment;                                                              \
        const lrk_lane lane = *run;                                                                  \
        for (int32_t j = 0; j < n; ++j) out[j] = name##_lane(&s, &lane, (double)(i + j));            \
    }
#include "shapes.def"

/* Block rows. `inside` fills the tables of one block, in the order in which the steps run through it; `anchors` the
   anchors at given distances from the near end; `join` part of one block. */
#define LRK_BLOCK(id, name, ulp, call, formula)                                                                       \
    static void LRK_AT_LEVEL(name##_inside)(const lrk_segment *segment, lrk_inside *restrict b)                       \
    {                                                                                                                 \
        const lrk_segment s = *segment;                                                                               \
        const int32_t last = s.falling ? LRK_BLOCK_STEPS - 1 : 0, sign = s.falling ? -1 : 1;                          \
        for (int32_t j = 0; j < LRK_BLOCK_STEPS; ++j)                                                                 \
            name##_inside(&s, (double)(last + sign * j), b->b0 + j, b->b1 + j, b->b2 + j);                            \
    }                                                                                                                 \
    static void LRK_AT_LEVEL(name##_anchors)(                                                                         \
        const lrk_segment *segment, const double *restrict steps, double part, int32_t n, lrk_anchors *restrict a)    \
    {                                                                                                                 \
        const lrk_segment s = *segment;                                                                               \
        for (int32_t j = 0; j < n; ++j) name##_anchor(&s, steps[j], part, a->a0 + j, a->a1 + j, a->a2 + j);           \
    }                                                                                                                 \
    static void LRK_AT_LEVEL(name##_join)(                                                                            \
        const lrk_segment *segment, const lrk_anchors *a, int32_t block, const lrk_inside *restrict b, int32_t first, \
        int32_t n, double *restrict out)                                                                              \
    {                                                                                                                 \
        const lrk_segment s = *segment;                                                                               \
        const double a0 = a->a0[block], a1 = a->a1[block], a2 = a->a2[block];                                         \
        const double *restrict b0 = b->b0 + first, *restrict b1 = b->b1 + first, *restrict b2 = b->b2 + first;        \
        for (int32_t j = 0; j < n; ++j) out[j] = name##_join(&s, a0, a1, a2, b0[j], b1[j], b2[j]);                    \
    }
#include "shapes.def"

#define LRK_LANE(id, name, ulp, call, formula) [id] = {.lane = LRK_AT_LEVEL(name)},
#define LRK_BLOCK(id, name, ulp, call, formula)  \
    [id] = {                                     \
        .inside = LRK_AT_LEVEL(name##_inside),   \
        .anchors = LRK_AT_LEVEL(name##_anchors), \
        .join = LRK_AT_LEVEL(name##_join)},
static const lrk_level_code LRK_AT_LEVEL(code) = {
    .constant = LRK_AT_LEVEL(constant),
    .scale = LRK_AT_LEVEL(scale),
    .divide = LRK_AT_LEVEL(divide),
    .offset = LRK_AT_LEVEL(offset),
    .clip = LRK_AT_LEVEL(clip),
    .multiply = LRK_AT_LEVEL(multiply),
    .narrow = LRK_AT_LEVEL(narrow),
    .shapes =
        {
#include "shapes.def"
        },
};
