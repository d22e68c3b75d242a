/* table.c - any bytes as a table: loaded or refused, the same bits by every route; for libFuzzer, or file by file.

   Built by `bash tests/fuzz/run table`. With LRK_REPLAY it is a program that takes the files of a corpus. The input is
   tried as it is and, since hardly a mutation leaves sizes and checksum right, once more with those corrected. */
#include "lrkernel.h"
#include "shapes.h"
#include "sums.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST INT64_MAX
enum { HEADER = 32, ROW = 100, CHECKSUM = 4, RUN = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds, const char *rule)
{
    if (holds) return;
    fprintf(stderr, "broken: %s\n", rule);
    abort();
}

static void put(uint8_t *p, uint64_t x, int bytes)
{
    for (int j = 0; j < bytes; ++j) p[j] = (uint8_t)(x >> 8 * j);
}

static uint64_t get(const uint8_t *p, int bytes)
{
    uint64_t x = 0;
    while (bytes-- > 0) x = x << 8 | p[bytes];
    return x;
}

/* Sizes that fit together and the checksum that the loader wants; one bit at a time, unlike the loader's. */
static void correct(uint8_t *data, size_t size)
{
    uint64_t left = size - HEADER - CHECKSUM, rows = get(data + 16, 4), values = get(data + 20, 8);
    uint32_t crc = UINT32_MAX;
    if (rows > left / ROW) rows = left / ROW;
    left -= rows * ROW;
    if (values > left / 8) values = left / 8;
    left -= values * 8;
    memcpy(data, "LRKTABLE\1\0\0", 12);
    put(data + 16, rows, 4);
    put(data + 20, values, 8);
    put(data + 28, left, 4);
    for (size_t j = 0; j < size - CHECKSUM; ++j) {
        crc ^= data[j];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    put(data + size - CHECKSUM, ~crc, CHECKSUM);
}

static int same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

/* Where a value may be none: infinity, which is growth beyond float64, times 0; and formulas far past their end, as the
   last row of a sub-table may be asked for in tables that nobody but an enemy writes. */
static int may_lack_values(const lrk_segment *segments, int64_t rows)
{
    for (int64_t j = 0; j < rows; ++j) {
        const lrk_segment *s = segments + j;
        if (s->shape == SHAPE_scale || s->shape == SHAPE_product) return 1;
        if (kinds[s->shape] != NODE || s->shape == SHAPE_repeat) continue; /* cycles end with their row */
        const lrk_segment *last = segments + s->child[0] + s->count[0] - 1;
        if (kinds[last->shape] <= SERIES && last->span < INFINITY && last->end <= (uint64_t)LAST) return 1;
    }
    return 0;
}

/* Single steps, runs, floats, the cursor and limits around a step. */
static void check_near(const lrk_table *table, lrk_cursor *cursor, int64_t step, int64_t most, int may_be_nan)
{
    double values[RUN], backwards[40];
    float narrow[RUN];
    int64_t steps[RUN];
    int64_t start = step < 3 ? 0 : step - 3, count = LAST - start < most - 1 ? LAST - start + 1 : most;
    lrk_fill(table, start, 1, count, values, 1);
    lrk_fill_float(table, start, 1, count, narrow, 1);
    for (int64_t j = 0; j < count; ++j) steps[j] = start + j;
    for (int64_t j = 0; j < count; ++j) {
        require(may_be_nan || !isnan(values[j]), "a value at every step");
        require(same(values[j], lrk_at(table, start + j)), "fill and at agree");
        require(same(values[j], lrk_cursor_at(cursor, start + j)), "cursor and at agree");
        if (fabs(values[j]) <= 3.4e38) require(narrow[j] == (float)values[j], "a float is the double rounded");
    }
    const int64_t back = count < 40 ? count : 40;
    lrk_fill(table, start + (back - 1), -1, back, backwards, 1);
    for (int64_t j = 0; j < back; ++j) require(same(backwards[j], values[back - 1 - j]), "backwards");
    lrk_gather(table, steps, count, values);
    for (int64_t j = 0; j < count; ++j) require(same(values[j], lrk_at(table, steps[j])), "gather and at agree");
    lrk_panel panels[4];
    (void)lrk_panels(table, start, start + (count - 1), 1, panels, 4);
    (void)lrk_sum(table, start, start + (count - 1));
    if (step > 0) (void)lrk_limit(table, 0, table->root, step, 0.0);
    (void)lrk_limit(table, 0, table->root, step, 0.5);
}

static void check(const uint8_t *data, size_t size)
{
    int64_t rows, count;
    lrk_table table;
    if (lrk_table_measure(data, size, &rows, &count) != NULL) return;
    require(rows >= 0 && count >= 0, "sizes are not negative");
    /* of exactly the right size, so that the sanitiser sees what is beyond */
    lrk_segment *segments = malloc((size_t)rows * sizeof *segments);
    double *values = malloc((size_t)count * sizeof *values);
    require((segments != NULL || rows == 0) && (values != NULL || count == 0), "memory");
    const char *broken = lrk_table_load(data, size, segments, rows, values, count, &table);
    if (rows > 0)
        require(
            lrk_table_load(data, size, segments, rows - 1, values, count, &table) != NULL, "buffers are not too small");
    if (broken == NULL) {
        lrk_cursor cursor;
        require(lrk_table_load(data, size, segments, rows, values, count, &table) == NULL, "the same again");
        lrk_cursor_begin(&cursor, &table);
        const int may_be_nan = may_lack_values(segments, rows);
        check_near(&table, &cursor, 0, RUN, may_be_nan);
        for (int64_t j = 0; j < rows && j < 8; ++j) check_near(&table, &cursor, segments[j].first, 40, may_be_nan);
        check_near(&table, &cursor, INT64_C(1) << 31, 40, may_be_nan);
        check_near(&table, &cursor, (INT64_C(1) << 53) + 1, 40, may_be_nan);
        check_near(&table, &cursor, LAST, 40, may_be_nan);
        require(
            isnan(lrk_cursor_at(&cursor, -1)) && isnan(lrk_cursor_at(&cursor, INT64_MIN)), "no value before step 0");
    } else {
        require(table.segments == NULL, "no table where a rule is broken");
    }
    free(segments);
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    check(data, size);
    if (size < HEADER + CHECKSUM || (copy = malloc(size)) == NULL) return 0;
    memcpy(copy, data, size);
    correct(copy, size);
    check(copy, size);
    free(copy);
    return 0;
}

#ifdef LRK_REPLAY
int main(int argc, char **argv)
{
    for (int k = 1; k < argc; ++k) {
        static uint8_t data[1 << 20];
        FILE *file = fopen(argv[k], "rb");
        require(file != NULL, argv[k]);
        const size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        uint8_t *exact = malloc(size + (size == 0));
        require(exact != NULL, "memory");
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    printf("%d files\n", argc - 1);
    return 0;
}
#endif
