/* golden.c - the values behind the golden hashes, from the C core alone: built for other machines, run under an emulator.

   Reads tables from standard input, each as its size (8 bytes, little-endian) and the bytes of Schedule.to_bytes().
   Writes their values at the steps of all windows, little-endian, once per SIMD level that runs; whoever reads them
   hashes them. Usage: golden at|cursor|fill|float|gather FIRST:COUNT... */
#include "lrkernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 100000
#define MAX_COUNT 100000
#define JUMP 7919 /* a gather takes every so many-th step, round and round: a prime, so that all have their turn */

static void require(int holds, const char *rule)
{
    if (holds) return;
    fprintf(stderr, "%s\n", rule);
    exit(1);
}

/* ---- bytes: whatever the order in this machine ---- */

static void put_doubles(const double *values, int64_t count)
{
    static unsigned char out[8 * MAX_COUNT];
    for (int64_t j = 0; j < count; ++j) {
        uint64_t bits;
        memcpy(&bits, values + j, sizeof bits);
        for (int k = 0; k < 8; ++k) out[8 * j + k] = (unsigned char)(bits >> 8 * k);
    }
    require(fwrite(out, 8, (size_t)count, stdout) == (size_t)count, "standard output must take everything");
}

static void put_floats(const float *values, int64_t count)
{
    static unsigned char out[4 * MAX_COUNT];
    for (int64_t j = 0; j < count; ++j) {
        uint32_t bits;
        memcpy(&bits, values + j, sizeof bits);
        for (int k = 0; k < 4; ++k) out[4 * j + k] = (unsigned char)(bits >> 8 * k);
    }
    require(fwrite(out, 4, (size_t)count, stdout) == (size_t)count, "standard output must take everything");
}

/* ---- tables ---- */

static void *allocated(int64_t count, size_t size)
{
    void *block = calloc((size_t)count + 1, size);
    require(block != NULL, "memory");
    return block;
}

static lrk_table table_of(const void *data, size_t size)
{
    int64_t rows, count;
    lrk_table table;
    const char *broken = lrk_table_measure(data, size, &rows, &count);
    require(broken == NULL, broken);
    lrk_segment *segments = allocated(rows, sizeof *segments);
    double *values = allocated(count, sizeof *values);
    broken = lrk_table_load(data, size, segments, rows, values, count, &table);
    require(broken == NULL, broken);
    return table;
}

/* 0 at the end of the input. */
static int read_table(lrk_table *table)
{
    static unsigned char data[MAX_BYTES];
    unsigned char head[8];
    const size_t had = fread(head, 1, sizeof head, stdin);
    if (had == 0) return 0;
    uint64_t size = 0;
    for (int j = 8; j-- > 0;) size = size << 8 | head[j];
    require(had == sizeof head && size <= sizeof data, "a table must have its size before it");
    require(fread(data, 1, size, stdin) == size, "a table must be as long as its size says");
    *table = table_of(data, size);
    return 1;
}

/* ---- values ---- */

static double doubles[MAX_COUNT];

static void put_at(const lrk_table *table, int64_t first, int64_t count)
{
    for (int64_t j = 0; j < count; ++j) doubles[j] = lrk_at(table, first + j);
    put_doubles(doubles, count);
}

static void put_cursor(const lrk_table *table, int64_t first, int64_t count)
{
    static lrk_cursor cursor;
    lrk_cursor_begin(&cursor, table);
    for (int64_t j = 0; j < count; ++j) doubles[j] = lrk_cursor_at(&cursor, first + j);
    put_doubles(doubles, count);
}

static void put_fill(const lrk_table *table, int64_t first, int64_t count)
{
    lrk_fill(table, first, 1, count, doubles, 1);
    put_doubles(doubles, count);
}

static void put_fill_float(const lrk_table *table, int64_t first, int64_t count)
{
    static float floats[MAX_COUNT];
    lrk_fill_float(table, first, 1, count, floats, 1);
    put_floats(floats, count);
}

static void put_gather(const lrk_table *table, int64_t first, int64_t count)
{
    static int64_t steps[MAX_COUNT];
    static double gathered[MAX_COUNT];
    for (int64_t j = 0; j < count; ++j) steps[j] = first + j * JUMP % count;
    lrk_gather(table, steps, count, gathered);
    for (int64_t j = 0; j < count; ++j) doubles[steps[j] - first] = gathered[j];
    put_doubles(doubles, count);
}

typedef void put_window(const lrk_table *table, int64_t first, int64_t count);

static put_window *route_named(const char *name)
{
    if (strcmp(name, "at") == 0) return put_at;
    if (strcmp(name, "cursor") == 0) return put_cursor;
    if (strcmp(name, "fill") == 0) return put_fill;
    if (strcmp(name, "float") == 0) return put_fill_float;
    if (strcmp(name, "gather") == 0) return put_gather;
    return NULL;
}

static void put_windows(const lrk_table *table, put_window *put, char **windows)
{
    for (; *windows != NULL; ++windows) {
        char *colon;
        const int64_t first = strtoll(*windows, &colon, 10);
        require(*colon == ':', "a window must be FIRST:COUNT");
        const int64_t count = strtoll(colon + 1, NULL, 10);
        require(count > 0 && count <= MAX_COUNT && count % JUMP != 0, "a window must have some steps");
        put(table, first, count);
    }
}

int main(int argc, char **argv)
{
    put_window *put = argc > 2 ? route_named(argv[1]) : NULL;
    require(put != NULL, "usage: golden at|cursor|fill|float|gather FIRST:COUNT...");
    lrk_table table;
    while (read_table(&table))
        for (int level = 0; level < lrk_level_count(); ++level)
            if (lrk_use_level(level) == 0) put_windows(&table, put, argv + 2);
    require(fflush(stdout) == 0, "standard output must take everything");
    return 0;
}
