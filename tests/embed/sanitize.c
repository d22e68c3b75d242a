/* sanitize.c - every shape, level, length, stride and gap of the C core, for a build with address and undefined-behaviour sanitisers.

   A table is filled in many ways into blocks of exactly the right size; each value must have the bits of lrk_at. Exit status 1 and one
   line on the first difference. Usage: sanitize [number of random tables] */
#include "gather.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 512
#define MAX_VALUES 256
#define LAST INT64_MAX

typedef struct table_builder {
    lrk_segment rows[MAX_ROWS];
    double values[MAX_VALUES];
    int64_t row_count, value_count, root;
} table_builder;

static char what[200];
static const lrk_segment *shown;
static int64_t shown_rows;

static void fail(const char *how, int64_t step, double got, double wanted)
{
    printf(
        "%s: %s at step %lld gives %a, lrk_at %a (level %s)\n", what, how, (long long)step, got, wanted,
        lrk_level_name(lrk_level()));
    for (int64_t row = 0; row < shown_rows && row < 16; ++row) {
        const lrk_segment *s = shown + row;
        printf(
            "  row %lld: %s from %lld + %a to %llu + %a, start %a, stop %a, param %a, every %a, child %lld (%lld) %lld "
            "(%lld)\n",
            (long long)row, lrk_shape(s->shape)->name, (long long)s->begin, s->begin_part, (unsigned long long)s->end,
            s->end_part, s->start, s->stop, s->param, s->every, (long long)s->child[0], (long long)s->count[0],
            (long long)s->child[1], (long long)s->count[1]);
    }
    exit(1);
}

static void require(int holds, const char *rule)
{
    if (!holds) {
        printf("%s: %s\n", what, rule);
        exit(1);
    }
}

/* ---- pseudo-random numbers: the same tables everywhere ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int64_t below(int64_t n)
{
    return (int64_t)(random_bits() % (uint64_t)n);
}

static double pick(const double *from, size_t count)
{
    return from[below((int64_t)count)];
}

#define PICK(array) pick(array, sizeof(array) / sizeof(array)[0])

static const double ends[] = {0.0, 1e-3, 1e-5, 0.3, -0.25, 1.0, -1.0, 5e-324, 1e300, -3e-310};
static const double parts[] = {0.0, 0.0, 0.5, 0.25, 0x1p-52, 0x1.fffffffffffffp-1, 0x1.999999999999ap-4};
static const double params[] = {0.5, 2.0, 3.0, 3.7, 7.25, 1.0, 0.9, 1e9, 1e-9, 0.1, 1.0000001};
static const double periods[] = {1.0, 2.0, 3.0, 2.5, 1.0 / 3.0, 7.1, 300.0, 1e-3, 1e15, 0x1p52 + 1.0, 999.75, 4096.0};
static const int64_t times[] = {
    0,
    1,
    2,
    7,
    40,
    255,
    256,
    300,
    4097,
    1000000,
    INT64_C(1) << 30,
    (INT64_C(1) << 31) + 5,
    (INT64_C(1) << 53) - 1,
    INT64_C(1) << 60,
    LAST - 300,
    LAST - 3};

static int64_t random_time(void)
{
    return times[below((int64_t)(sizeof times / sizeof times[0]))];
}

/* ---- a shape of one's own ---- */

static double smoothstep(double u)
{
    return 1.0 - u * u * (3.0 - 2.0 * u);
}

static double shaken(double u, void *data)
{
    return smoothstep(u) + *(const double *)data * u * (1.0 - u);
}

static void many_smoothsteps(const double *u, int64_t n, double *g)
{
    for (int64_t j = 0; j < n; ++j) g[j] = smoothstep(u[j]);
}

static double keys[3];

static void register_shapes(void)
{
    static double how_far = 0.5, samples[4] = {2.0, 1.0, 0.25, 0.0};
    const lrk_function functions[] = {
        {smoothstep, NULL, NULL, many_smoothsteps},
        {NULL, shaken, &how_far, NULL},
        {NULL, lrk_sampled, samples, NULL},
    };
    const char *names[] = {"smoothstep", "shaken", "sampled"};
    lrk_function neither = {NULL, NULL, NULL, NULL};
    snprintf(what, sizeof what, "lrk_register");
    require(lrk_register("neither", &neither) != NULL, "a function must be given");
    for (int k = 0; k < 3; ++k) {
        require(lrk_register(names[k], &functions[k]) == NULL, "a new name is taken");
        require(lrk_register(names[k], &functions[k]) != NULL, "a name is taken once");
        keys[k] = lrk_key(names[k]);
    }
}

/* ---- random tables ---- */

static int64_t make_rows(table_builder *b, int32_t only, int depth);

static int is_kind(int32_t shape, const char *kind)
{
    return strcmp(lrk_shape(shape)->kind, kind) == 0;
}

static int is_named(int32_t shape, const char *name)
{
    return strcmp(lrk_shape(shape)->name, name) == 0;
}

/* One prepared row of a shape from `begin` on; 1, or 0 where the drawn numbers break one of its rules. */
static int make_row(table_builder *b, lrk_segment *row, int32_t shape, int64_t begin, double begin_part, int depth)
{
    lrk_segment s = {.begin = begin, .begin_part = begin_part, .shape = shape};
    const int open = below(3) == 0;
    s.start = PICK(ends);
    s.stop = PICK(ends);
    s.param = PICK(params);
    s.every = PICK(periods);
    if (is_kind(shape, "called")) s.param = PICK(keys);
    if (open) {
        s.end_part = INFINITY;
    } else {
        s.end = (uint64_t)begin + (uint64_t)random_time() + (uint64_t)below(2);
        s.end_part = PICK(parts);
        if (below(20) == 0) s.end = UINT64_MAX - (uint64_t)below(2), s.end_part = below(2) ? 0.0 : 1e20;
    }
    if (is_named(shape, "clip") && s.start > s.stop) {
        const double low = s.stop;
        s.stop = s.start;
        s.start = low;
    }
    if (is_kind(shape, "node")) {
        const int children = is_named(shape, "product") ? 2 : 1;
        if (depth >= LRK_MAX_DEPTH - 1) return 0;
        for (int k = 0; k < children; ++k) {
            const int64_t first = b->row_count;
            const int64_t rows = make_rows(b, -1, depth + 1);
            if (rows == 0) return 0;
            s.child[k] = first;
            s.count[k] = rows;
        }
    } else if (is_named(shape, "values")) {
        s.child[0] = b->value_count;
        s.count[0] = 1 + below(9);
        if (b->value_count + s.count[0] > MAX_VALUES) return 0;
        for (int64_t j = 0; j < s.count[0]; ++j) b->values[b->value_count++] = PICK(ends);
    }
    if (lrk_prepare(&s) != NULL) return 0;
    *row = s;
    return 1;
}

/* Appends 1 to 4 rows, perhaps ended by a hold; the first one has the shape `only` where that is >= 0. Returns how many. */
static int64_t make_rows(table_builder *b, int32_t only, int depth)
{
    const int64_t first = b->row_count, wanted = 1 + below(4);
    int64_t begin = 0, count = 0;
    double begin_part = 0.0;
    if (first + 5 > MAX_ROWS) return 0;
    b->row_count += wanted + 1; /* sub-tables come behind */
    while (count < wanted) {
        lrk_segment *row = &b->rows[first + count];
        int made = 0;
        for (int attempt = 0; attempt < 60 && !made; ++attempt) {
            const int32_t shape = only >= 0 && count == 0 ? only : (int32_t)below(lrk_shape_count());
            if (is_named(shape, "hold") && count == 0) continue;
            if (is_kind(shape, "node") && only < 0 && below(3) != 0) continue;
            made = make_row(b, row, shape, begin, begin_part, depth);
        }
        if (!made) break;
        ++count;
        const int64_t step = random_time();
        if (begin > LAST - 10 - step) break;
        begin += step + 1;
        begin_part = PICK(parts);
        if (below(2) && row->end_part < 1.0 && row->end > (uint64_t)row->begin && row->end < (uint64_t)LAST) {
            begin = (int64_t)row->end;
            begin_part = row->end_part;
        }
    }
    if (count > 0 && count < wanted + 1 && below(2) && (begin > b->rows[first + count - 1].begin)) {
        const lrk_table table = {b->rows, b->values, count};
        const double held = lrk_limit(&table, first, count, begin, begin_part);
        lrk_segment hold = {
            .begin = begin, .begin_part = begin_part, .end_part = INFINITY, .start = held, .stop = held};
        for (int32_t shape = 0; shape < lrk_shape_count(); ++shape)
            if (is_named(shape, "hold")) hold.shape = shape;
        if (lrk_prepare(&hold) == NULL) b->rows[first + count++] = hold;
    }
    return count;
}

/* ---- fills against single steps ---- */

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return x == x ? bits : 1; /* a NaN's payload is nobody's promise */
}

static void check_fill(const lrk_table *table, int64_t start, int64_t stride, int64_t n, int64_t gap)
{
    const double untouched = -123.25;
    const int64_t width = gap < 0 ? -gap : gap, size = n == 0 ? 0 : (n - 1) * width + 1;
    double *block = malloc((size_t)size * sizeof *block + (size == 0));
    float *narrow = malloc((size_t)size * sizeof *narrow + (size == 0));
    require(block != NULL && narrow != NULL, "memory");
    for (int64_t j = 0; j < size; ++j) block[j] = narrow[j] = (float)untouched;
    const int64_t zero = gap < 0 && n > 0 ? size - 1 : 0;
    lrk_fill(table, start, stride, n, block + zero, gap);
    lrk_fill_float(table, start, stride, n, narrow + zero, gap);
    for (int64_t j = 0; j < size; ++j) {
        const int64_t index = gap < 0 ? (n - 1) - j / width : j / width;
        if (j % width != 0) {
            if (block[j] != untouched || narrow[j] != (float)untouched)
                fail("a fill between the gaps", start, block[j], untouched);
            continue;
        }
        const int64_t step = start + index * stride;
        const double wanted = lrk_at(table, step);
        if (bits_of(block[j]) != bits_of(wanted)) fail("fill", step, block[j], wanted);
        const double single = narrow[j];
        if (fabs(wanted) <= 1e38 && bits_of(single) != bits_of((double)(float)wanted))
            fail("float fill", step, single, wanted);
    }
    free(block);
    free(narrow);
}

static void check_order(const lrk_table *table, const lrk_memo *memo, const void *steps, int size, int64_t n)
{
    double *out = malloc((size_t)n * sizeof *out);
    const lrk_order order = {steps, n, size};
    require(out != NULL, "memory");
    require(lrk_gather_with(table, memo, &order, out), "no step is negative");
    for (int64_t j = 0; j < n; ++j) {
        const int64_t step = size == 4 ? ((const int32_t *)steps)[j] : ((const int64_t *)steps)[j];
        const double wanted = lrk_at(table, step);
        if (bits_of(out[j]) != bits_of(wanted)) fail(memo == NULL ? "gather" : "gather by memo", step, out[j], wanted);
    }
    free(out);
}

/* Some steps of any size, or all close together, without a memo and with one where they gain by it: of steps in other
   places, too. */
static void check_gather(const lrk_table *table, int64_t n)
{
    int64_t *steps = malloc((size_t)n * sizeof *steps);
    int32_t *narrow = malloc((size_t)n * sizeof *narrow);
    double *out = malloc((size_t)n * sizeof *out);
    require(steps != NULL && narrow != NULL && out != NULL, "memory");
    const int64_t near = random_time(), far = below(5);
    for (int64_t j = 0; j < n; ++j) {
        steps[j] = below(2) ? random_time() : (int64_t)(random_bits() >> (1 + below(63)));
        if (below(5) >= far && near < LAST - 5000) steps[j] = near + below(5000);
        narrow[j] = (int32_t)(steps[j] & INT32_MAX);
    }
    lrk_gather(table, steps, n, out);
    for (int64_t j = 0; j < n; ++j) require(bits_of(out[j]) == bits_of(lrk_at(table, steps[j])), "the plain gather");
    check_order(table, NULL, steps, 8, n);
    check_order(table, NULL, narrow, 4, n);
    for (int size = 4; size <= 8; size += 4) {
        const lrk_order order = {size == 4 ? (const void *)narrow : steps, n, size};
        lrk_extent extent;
        const int64_t bytes = lrk_extent_of(&order, &extent) ? lrk_memo_bytes(table, n, extent) : 0;
        if (bytes == 0) continue;
        void *memory = malloc((size_t)bytes);
        require(memory != NULL, "memory");
        const lrk_memo *memo = lrk_memo_make(table, n, extent, memory);
        check_order(table, memo, steps, 8, n);
        check_order(table, memo, narrow, 4, n);
        free(memory);
    }
    const lrk_order order = {steps, n, 8};
    steps[below(n)] = below(2) ? -1 : INT64_MIN;
    require(!lrk_gather_with(table, NULL, &order, out), "a negative step is found");
    lrk_extent extent;
    require(!lrk_extent_of(&order, &extent) || lrk_memo_bytes(table, n, extent) >= 0, "a negative step does no harm");
    free(steps);
    free(narrow);
    free(out);
}

/* Around a step: every length up to 40 at some offsets, gaps and strides in both directions. */
static void check_around(const lrk_table *table, int64_t near, int offsets)
{
    for (int64_t offset = 0; offset < offsets; ++offset) {
        const int64_t before = 4 + offset * 5;
        const int64_t start = near < before ? (near < offset ? near : offset) : near - before;
        for (int64_t n = 0; n <= 40; ++n) {
            if (n > 0 && start > LAST - (n - 1)) {
                check_fill(table, LAST - (n - 1), 1, n, 1); /* up to the very last step */
                continue;
            }
            check_fill(table, start, 1, n, 1);
        }
    }
    const int64_t start = near < 100 ? near : near - 100;
    const int64_t strides[] = {2, 7, 300, 1000003}, gaps[] = {2, 3, -1, -2};
    for (int k = 0; k < 4; ++k) {
        if (start <= LAST - 20 * strides[k]) {
            check_fill(table, start, strides[k], 21, 1);
            check_fill(table, start + 20 * strides[k], -strides[k], 21, gaps[k]);
        }
        check_fill(table, start <= LAST - 24 ? start : LAST - 24, 1, 25, gaps[k]);
    }
}

static void check_table(const table_builder *built, int64_t rows)
{
    /* blocks of exactly the right size, so that the sanitiser sees a read beyond them */
    lrk_segment *segments = malloc((size_t)built->row_count * sizeof *segments);
    double *values = malloc((size_t)built->value_count * sizeof *values + (built->value_count == 0));
    require(segments != NULL && values != NULL, "memory");
    memcpy(segments, built->rows, (size_t)built->row_count * sizeof *segments);
    memcpy(values, built->values, (size_t)built->value_count * sizeof *values);
    const lrk_table table = {segments, values, rows};
    shown = segments;
    shown_rows = built->row_count;

    for (int level = 0; level < lrk_level_count(); ++level) {
        if (lrk_use_level(level) != 0) continue;
        check_around(&table, 0, 3);
        for (int64_t row = 1; row < rows && row < 4; ++row) check_around(&table, segments[row].first, 2);
        check_around(&table, INT64_C(1) << 30, 1);
        check_around(&table, INT64_C(1) << 53, 1);
        check_around(&table, LAST, 1);
        check_gather(&table, below(20) ? 1 + below(600) : 4500);
        check_fill(&table, below(1000), 1, 700 + below(1000), 1);
        check_fill(&table, LAST - 1999, 1, 2000, 1);
        check_fill(&table, 0, LAST, 2, 1);
        check_fill(&table, LAST, -LAST, 2, 2);
        check_fill(&table, 5, LAST / 40, 40, 1);
    }
    for (int k = 0; k < 40; ++k) { /* limits at any boundary, for the sanitiser's eyes */
        const int64_t whole = random_time();
        const double part = PICK(parts);
        if (whole > 0 || part > 0.0) (void)lrk_limit(&table, 0, rows, whole, part);
    }
    free(segments);
    free(values);
}

/* ---- deep nests, long fills, rows that break a rule ---- */

static int32_t shape_named(const char *name)
{
    for (int32_t shape = 0; shape < lrk_shape_count(); ++shape)
        if (is_named(shape, name)) return shape;
    require(0, name);
    return -1;
}

static void check_nests(void)
{
    static const char *const nodes[] = {"scale", "divide", "offset", "clip", "product", "repeat", "epoch", "skip"};
    for (int k = 0; k < 8; ++k) {
        table_builder b = {.row_count = 0};
        snprintf(what, sizeof what, "%d nested %s", LRK_MAX_DEPTH - 1, nodes[k]);
        for (int depth = 0; depth < LRK_MAX_DEPTH - 1; ++depth) {
            lrk_segment s = {.shape = shape_named(nodes[k]), .end_part = INFINITY, .start = 0.75, .stop = 0.75};
            s.every = k == 6 ? 1.5 : 1000.25;
            if (k == 3) s.start = -1.0;
            s.child[0] = depth + 1;
            s.child[1] = LRK_MAX_DEPTH; /* a product's other factor is flat, or the tree would have 2^16 leaves */
            s.count[0] = s.count[1] = 1;
            b.rows[depth] = s;
        }
        lrk_segment leaf = {.shape = shape_named("cosine"), .end = 70000, .end_part = 0.5, .start = 0.0, .stop = 0.3};
        lrk_segment factor = {.shape = shape_named("constant"), .end_part = INFINITY, .start = 0.999, .stop = 0.999};
        b.rows[LRK_MAX_DEPTH - 1] = leaf;
        b.rows[LRK_MAX_DEPTH] = factor;
        b.row_count = LRK_MAX_DEPTH + 1;
        for (int64_t row = 0; row < b.row_count; ++row) {
            const char *broken = lrk_prepare(&b.rows[row]);
            require(broken == NULL, broken);
        }
        check_table(&b, 1);
    }
}

/* Across runs of 2^30 steps, the 64 anchors of 256 steps that one pass holds, and the blocks of every buffer. */
static void check_long(void)
{
    for (int32_t shape = 0; shape < lrk_shape_count(); ++shape) {
        if (is_kind(shape, "node")) continue;
        table_builder b = {.row_count = 1, .value_count = 3, .values = {0.5, 0.25, 0.125}};
        b.rows[0] = (lrk_segment){
            .shape = shape, .end = UINT64_C(1) << 53, .start = 0.3, .stop = 0.1, .param = 0.7, .every = 777.7};
        b.rows[0].count[0] = 3;
        if (is_kind(shape, "called")) b.rows[0].param = keys[0];
        snprintf(what, sizeof what, "long %s", lrk_shape(shape)->name);
        const char *broken = lrk_prepare(&b.rows[0]);
        require(broken == NULL, broken);
        const lrk_table table = {b.rows, b.values, 1};
        shown = b.rows;
        shown_rows = 1;
        for (int level = 0; level < lrk_level_count(); ++level) {
            if (lrk_use_level(level) != 0) continue;
            check_fill(&table, 3, 1, 40001, 1);
            check_fill(&table, (INT64_C(1) << 30) - 20000, 1, 40001, 1);
            check_fill(&table, (INT64_C(1) << 53) - 20000, 1, 40001, 1);
            check_fill(&table, 1, 1, 5000, 2);
        }
    }
}

static void check_rules(void)
{
    snprintf(what, sizeof what, "lrk_prepare");
    const lrk_segment good = {.shape = shape_named("linear"), .end = 10, .start = 1.0, .stop = 0.0};
    lrk_segment s = good;
    require(lrk_prepare(&s) == NULL, "a good row is taken");
    const double wrong[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; ++k) {
        s = good;
        s.start = wrong[k];
        require(lrk_prepare(&s) != NULL, "start must be finite");
        s = good;
        s.stop = wrong[k];
        require(lrk_prepare(&s) != NULL, "stop must be finite");
        s = good;
        s.param = wrong[k];
        require(lrk_prepare(&s) != NULL, "param must be finite");
        s = good;
        s.begin_part = wrong[k];
        require(lrk_prepare(&s) != NULL, "begin must be finite");
        for (int32_t shape = 0; shape < lrk_shape_count(); ++shape) {
            if (!is_named(shape, "repeat") && !is_named(shape, "epoch") && !is_named(shape, "skip") &&
                !is_named(shape, "step"))
                continue;
            s = good;
            s.shape = shape;
            s.param = 1.0;
            s.every = wrong[k];
            require(lrk_prepare(&s) != NULL, "a period must be finite and > 0");
        }
    }
    s = good;
    s.shape = shape_named("custom");
    s.param = lrk_key("another");
    require(lrk_prepare(&s) != NULL, "a name must be registered");
    for (int k = 0; k < 5; ++k) {
        s = good;
        if (k == 0) s.shape = -1;
        if (k == 1) s.shape = lrk_shape_count();
        if (k == 2) s.begin = -1;
        if (k == 3) s.begin = 11;
        if (k == 4) s.end_part = -0.5;
        require(lrk_prepare(&s) != NULL, "ids and boundaries are checked");
    }
}

int main(int argc, char **argv)
{
    const int64_t tables = argc > 1 ? atoll(argv[1]) : 400;
    static table_builder b;
    int64_t checked = 0;

    register_shapes();
    check_rules();
    check_nests();
    check_long();
    for (int64_t k = 0; k < tables; ++k) {
        const int32_t shape = (int32_t)(k % lrk_shape_count());
        if (is_named(shape, "hold")) continue; /* ends a table, begins none */
        b = (table_builder){.row_count = 0};
        const int64_t rows = make_rows(&b, shape, 0);
        snprintf(what, sizeof what, "table %lld, a %s first", (long long)k, lrk_shape(shape)->name);
        require(k >= lrk_shape_count() || rows > 0, "no row of this shape could be drawn");
        if (rows == 0) continue;
        check_table(&b, rows);
        ++checked;
    }
    int levels = 0;
    for (int level = 0; level < lrk_level_count(); ++level) levels += lrk_level_runs(level);
    printf("%d shapes, %d levels, %lld random tables: all bits equal\n", lrk_shape_count(), levels, (long long)checked);
    return 0;
}
