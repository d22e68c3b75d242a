/* golden.c - the values behind the golden hashes, from the C core alone: built for other machines, run under an emulator.

   Reads tables from standard input, each as its size (8 bytes, little-endian) and the bytes of Schedule.to_bytes().
   Writes their values at the steps of all windows, little-endian, once per SIMD level that runs; whoever reads them
   hashes them. Usage: golden at|fill|float|gather FIRST:COUNT... */
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

static uint64_t number_at(const unsigned char *p, int bytes)
{
    uint64_t x = 0;
    while (bytes-- > 0) x = x << 8 | p[bytes];
    return x;
}

static void put_number(uint64_t x, int bytes)
{
    unsigned char out[8];
    for (int j = 0; j < bytes; ++j) out[j] = (unsigned char)(x >> 8 * j);
    require(fwrite(out, (size_t)bytes, 1, stdout) == 1, "standard output must take everything");
}

static void put_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_number(bits, 8);
}

static void put_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_number(bits, 4);
}

/* ---- tables ---- */

static double double_at(const unsigned char *p)
{
    const uint64_t bits = number_at(p, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void *allocated(size_t count, size_t size)
{
    void *block = calloc(count + (count == 0), size);
    require(block != NULL, "memory");
    return block;
}

static lrk_table table_of(const unsigned char *p, size_t size)
{
    require(size > 36 && memcmp(p, "LRKTABLE", 8) == 0 && number_at(p + 8, 4) == 1, "a table of version 1");
    const int64_t root = (int64_t)number_at(p + 12, 4), rows = (int64_t)number_at(p + 16, 4);
    const int64_t count = (int64_t)number_at(p + 20, 8);
    lrk_segment *segments = allocated((size_t)rows, sizeof *segments);
    double *values = allocated((size_t)count, sizeof *values);
    p += 32;
    for (int64_t j = 0; j < rows; ++j, p += 100) {
        lrk_segment *s = segments + j;
        s->begin = (int64_t)number_at(p, 8);
        s->begin_part = double_at(p + 8);
        s->end = number_at(p + 16, 8);
        s->end_part = double_at(p + 24);
        s->start = double_at(p + 32);
        s->stop = double_at(p + 40);
        s->param = double_at(p + 48);
        s->every = double_at(p + 56);
        for (int k = 0; k < 2; ++k) {
            s->child[k] = (int64_t)number_at(p + 64 + 8 * k, 8);
            s->count[k] = (int64_t)number_at(p + 80 + 8 * k, 8);
        }
        s->shape = (int32_t)number_at(p + 96, 4);
        require(lrk_prepare(s) == NULL, "a good row is taken");
    }
    for (int64_t j = 0; j < count; ++j, p += 8) values[j] = double_at(p);
    return (lrk_table){segments, values, root};
}

/* 0 at the end of the input. */
static int read_table(lrk_table *table)
{
    static unsigned char data[MAX_BYTES];
    unsigned char head[8];
    const size_t had = fread(head, 1, sizeof head, stdin);
    if (had == 0) return 0;
    const uint64_t size = number_at(head, 8);
    require(had == sizeof head && size <= sizeof data, "a table must have its size before it");
    require(fread(data, 1, size, stdin) == size, "a table must be as long as its size says");
    *table = table_of(data, size);
    return 1;
}

/* ---- values ---- */

static double doubles[MAX_COUNT];
static float floats[MAX_COUNT];

static void put_at(const lrk_table *table, int64_t first, int64_t count)
{
    for (int64_t j = 0; j < count; ++j) put_double(lrk_at(table, first + j));
}

static void put_fill(const lrk_table *table, int64_t first, int64_t count)
{
    lrk_fill(table, first, 1, count, doubles, 1);
    for (int64_t j = 0; j < count; ++j) put_double(doubles[j]);
}

static void put_fill_float(const lrk_table *table, int64_t first, int64_t count)
{
    lrk_fill_float(table, first, 1, count, floats, 1);
    for (int64_t j = 0; j < count; ++j) put_float(floats[j]);
}

static void put_gather(const lrk_table *table, int64_t first, int64_t count)
{
    static int64_t steps[MAX_COUNT];
    static double sorted[MAX_COUNT];
    for (int64_t j = 0; j < count; ++j) steps[j] = first + j * JUMP % count;
    lrk_gather(table, steps, count, doubles);
    for (int64_t j = 0; j < count; ++j) sorted[steps[j] - first] = doubles[j];
    for (int64_t j = 0; j < count; ++j) put_double(sorted[j]);
}

typedef void put_window(const lrk_table *table, int64_t first, int64_t count);

static put_window *route_named(const char *name)
{
    if (strcmp(name, "at") == 0) return put_at;
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
    static unsigned char buffer[1 << 20];
    setvbuf(stdout, (char *)buffer, _IOFBF, sizeof buffer);
    put_window *put = argc > 2 ? route_named(argv[1]) : NULL;
    require(put != NULL, "usage: golden at|fill|float|gather FIRST:COUNT...");
    lrk_table table;
    while (read_table(&table))
        for (int level = 0; level < lrk_level_count(); ++level)
            if (lrk_use_level(level) == 0) put_windows(&table, put, argv + 2);
    require(fflush(stdout) == 0, "standard output must take everything");
    return 0;
}
