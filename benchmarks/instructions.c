/* instructions.c - what callgrind counts: a curve asked in every way that the core knows.

   Usage: instructions LEVEL FILE... A FILE is a curve as instructions.py writes it: five int64 (steps to fill, steps to
   ask for, root, rows, values), the rows, the values, the steps to ask for three times: shuffled, in runs, in order.
   Each count ends with a dump "FILE, way". Exit status 3 where the level does not run. */
#include "ahead.h"
#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

/* Compilers make calls of loops that copy or set; the C library's own functions depend on the processor and its caches.
   The barrier keeps these loops from becoming calls of themselves. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

#define EACH(unit, statement)                                          \
    for (; n >= sizeof(unit); n -= sizeof(unit), at += sizeof(unit)) { \
        statement;                                                     \
        __asm__ volatile("" ::: "memory");                             \
    }

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    size_t at = 0;
    EACH(word, *(word *)((char *)to + at) = *(const word *)((const char *)from + at))
    EACH(char, ((char *)to)[at] = ((const char *)from)[at])
    return to;
}

void *memset(void *to, int value, size_t n)
{
    size_t at = 0;
    EACH(word, *(word *)((char *)to + at) = (unsigned char)value * UINT64_C(0x0101010101010101))
    EACH(char, ((char *)to)[at] = (char)value)
    return to;
}

static void *block(FILE *file, int64_t count, size_t size)
{
    void *made = calloc((size_t)count + 1, size);
    if (made == NULL || (file != NULL && fread(made, size, (size_t)count, file) != (size_t)count)) {
        fprintf(stderr, "no memory, or a file that ends early\n");
        exit(1);
    }
    return made;
}

#define COUNTED(way, statement)                           \
    do {                                                  \
        char name[200];                                   \
        snprintf(name, sizeof name, "%s, %s", path, way); \
        CALLGRIND_TOGGLE_COLLECT;                         \
        statement;                                        \
        CALLGRIND_TOGGLE_COLLECT;                         \
        CALLGRIND_DUMP_STATS_AT(name);                    \
    } while (0)

/* Two tables, and a copy of each: four rows. */
static void fill_batch(const lrk_table *table, int64_t steps, double *out)
{
    const lrk_table tables[2] = {*table, *table};
    const int64_t first[3] = {0, 2, 4}, rows[4] = {0, 1, 2, 3};
    const lrk_batch batch = {
        .tables = tables,
        .table_count = 2,
        .first = first,
        .rows = rows,
        .stride = 1,
        .count = steps,
        .out = out,
        .row_gap = steps,
        .gap = 1,
        .size = sizeof *out,
    };
    lrk_fill_batch(&batch, 1);
}

/* The memo, made anew, lies behind the values. */
static void gather_with_memo(const lrk_table *table, const int64_t *steps, int64_t calls, double *out)
{
    const lrk_order order = {steps, calls, sizeof *steps};
    lrk_extent extent;
    const int made = lrk_extent_of(&order, &extent) && lrk_memo_bytes(table, calls, extent) != 0;
    lrk_gather_with(table, made ? lrk_memo_make(table, calls, extent, out + calls) : NULL, &order, out);
}

static void ask_cursor(const lrk_table *table, const int64_t *steps, int64_t calls, double *out)
{
    lrk_cursor cursor;
    lrk_cursor_begin(&cursor, table);
    for (int64_t j = 0; j < calls; ++j) out[j] = lrk_cursor_at(&cursor, steps == NULL ? j : steps[j]);
}

/* As the compiled module does. */
static void ask_ahead(const lrk_table *table, int64_t calls, double *out)
{
    static lrk_ahead ahead;
    lrk_asked asked = {.since = 0};
    lrk_ahead_keep(&asked, &ahead);
    for (int64_t j = 0; j < calls; ++j) {
        if (lrk_ahead_has(&asked, j, out + j)) continue;
        if (lrk_ahead_wanted(&asked, j)) lrk_ahead_fill(&asked, table, j);
        out[j] = lrk_at(table, j);
    }
}

static void count(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    int64_t *head = block(file, 5, sizeof(int64_t));
    const int64_t steps = head[0], calls = head[1], root = head[2], rows = head[3];
    lrk_segment *segments = block(file, rows, sizeof(lrk_segment));
    double *values = block(file, head[4], sizeof(double));
    int64_t *shuffled = block(file, calls, sizeof(int64_t));
    int64_t *runs = block(file, calls, sizeof(int64_t));
    int64_t *ordered = block(file, calls, sizeof(int64_t));
    double *out = block(NULL, 4 * steps, sizeof(double));
    fclose(file);

    for (int64_t row = 0; row < rows; ++row) {
        const char *broken = lrk_prepare(segments + row);
        if (broken != NULL) {
            fprintf(stderr, "%s: %s\n", path, broken);
            exit(1);
        }
    }
    const lrk_table table = {segments, values, root};
    COUNTED("float64", lrk_fill(&table, 0, 1, steps, out, 1));
    COUNTED("float32", lrk_fill_float(&table, 0, 1, steps, (float *)out, 1));
    COUNTED("strided output", lrk_fill(&table, 0, 1, steps, out, 2));
    COUNTED("strided steps", lrk_fill(&table, 0, steps / calls, calls, out, 1));
    COUNTED("backwards", lrk_fill(&table, steps - 1, -1, calls, out, 1));
    COUNTED("batch", fill_batch(&table, steps, out));
    COUNTED("shuffled", lrk_gather(&table, shuffled, calls, out));
    COUNTED("runs", lrk_gather(&table, runs, calls, out));
    COUNTED("in order", lrk_gather(&table, ordered, calls, out));
    COUNTED("memo", gather_with_memo(&table, shuffled, calls, out));
    COUNTED("cursor", ask_cursor(&table, NULL, calls, out));
    COUNTED("cursor jumping", ask_cursor(&table, shuffled, calls, out));
    COUNTED("ahead", ask_ahead(&table, calls, out));
    COUNTED("one by one", for (int64_t j = 0; j < calls; ++j) out[j] = lrk_at(&table, shuffled[j]));
    free(head);
    free(segments);
    free(values);
    free(shuffled);
    free(runs);
    free(ordered);
    free(out);
}

int main(int argc, char **argv)
{
    int level = 0;
    while (level < lrk_level_count() && (argc < 2 || strcmp(lrk_level_name(level), argv[1]) != 0)) ++level;
    if (level == lrk_level_count() || lrk_use_level(level) != 0) return 3;
    for (int j = 2; j < argc; ++j) count(argv[j]);
    return 0;
}
