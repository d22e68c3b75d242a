/* bytes.c - tables out of the bytes that Schedule.to_bytes writes, which may come from anybody.

   Everything is little-endian: magic, version, rows of the root, all rows, values, bytes of labels; rows of 11 fields;
   values; labels; CRC-32 of all that. Numbers are put together from bytes, so that neither the byte order nor the
   alignment of the machine matters. A row is copied before it is checked, so that bytes which change meanwhile do no
   harm. */
#include "lrkernel.h"
#include "shapes.h"

#include <math.h> /* INFINITY */
#include <string.h>

#define LRK_MAGIC "LRKTABLE"
enum { LRK_VERSION = 1, MAGIC_BYTES = 8, HEADER_BYTES = 32, ROW_BYTES = 100, CHECKSUM_BYTES = 4 };

static uint64_t number_at(const unsigned char *p, int bytes)
{
    uint64_t x = 0;
    while (bytes-- > 0) x = x << 8 | p[bytes];
    return x;
}

static double real_at(const unsigned char *p)
{
    const uint64_t bits = number_at(p, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* CRC-32 as of zlib, eight bytes at a time by what each leaves some bytes later. The tables take 2 microseconds;
   without them, by four bits, 8 MB took 78 ms instead of 8. */
static uint32_t checksum_of(const unsigned char *p, size_t size)
{
    uint32_t later[8][256], crc = UINT32_MAX;
    for (uint32_t b = 0; b < 256; ++b) {
        later[0][b] = b;
        for (int bit = 0; bit < 8; ++bit) later[0][b] = later[0][b] >> 1 ^ (later[0][b] & 1 ? 0xedb88320 : 0);
    }
    for (int k = 1; k < 8; ++k)
        for (int b = 0; b < 256; ++b) later[k][b] = later[k - 1][b] >> 8 ^ later[0][later[k - 1][b] & 255];
    for (; size >= 8; size -= 8, p += 8) {
        const uint64_t x = number_at(p, 8) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; ++k) crc ^= later[7 - k][x >> 8 * k & 255];
    }
    for (; size > 0; --size, ++p) crc = crc >> 8 ^ later[0][(crc ^ *p) & 255];
    return ~crc;
}

const char *lrk_table_measure(const void *data, size_t size, int64_t *rows, int64_t *values)
{
    const unsigned char *p = data;
    *rows = *values = 0;
    if (size < MAGIC_BYTES || memcmp(p, LRK_MAGIC, MAGIC_BYTES) != 0) return "magic must be " LRK_MAGIC;
    if (size < HEADER_BYTES + CHECKSUM_BYTES) return "size must be at least that of a header and a checksum";
    if (number_at(p + 8, 4) != LRK_VERSION) return "version must be 1";
    const uint64_t left = size - HEADER_BYTES - CHECKSUM_BYTES;
    const uint64_t total = number_at(p + 16, 4), count = number_at(p + 20, 8), labels = number_at(p + 28, 4);
    if (count > left / 8 || total * ROW_BYTES + count * 8 + labels != left) return "size must be what the header says";
    *rows = (int64_t)total;
    *values = (int64_t)count;
    return NULL;
}

static lrk_segment row_from(const unsigned char *p)
{
    lrk_segment s = {0};
    s.begin = (int64_t)number_at(p, 8);
    s.begin_part = real_at(p + 8);
    s.end = number_at(p + 16, 8);
    s.end_part = real_at(p + 24);
    s.start = real_at(p + 32);
    s.stop = real_at(p + 40);
    s.param = real_at(p + 48);
    s.every = real_at(p + 56);
    s.child[0] = (int64_t)number_at(p + 64, 8);
    s.child[1] = (int64_t)number_at(p + 72, 8);
    s.count[0] = (int64_t)number_at(p + 80, 8);
    s.count[1] = (int64_t)number_at(p + 88, 8);
    s.shape = (int32_t)number_at(p + 96, 4);
    return s;
}

/* What is left of rows and values that were referred to. Each belongs to one table and lies right behind those before:
   so nothing is referred to twice, no table contains itself, and a step costs no more than all rows. */
typedef struct reading {
    lrk_segment *segments;
    int64_t rows, rows_read;
    int64_t values, values_read;
} reading;

static int needs_end(const lrk_segment *s)
{
    return kinds[s->shape] <= SERIES && s->shape != SHAPE_exponential && s->shape != SHAPE_inverse_sqrt;
}

/* Whether the row's formula goes on up to a boundary. */
static int reaches(const lrk_segment *s, int64_t whole, double part)
{
    return s->end > (uint64_t)whole || (s->end == (uint64_t)whole && s->end_part >= part);
}

/* A prepared row by itself and beside the next one, if any. */
static const char *check_row(const lrk_segment *s, const lrk_segment *next, int depth)
{
    const int open = s->end_part == INFINITY;
    if (s->shape == SHAPE_hold && next != NULL) return "a hold must be the last row";
    if (next != NULL && !(s->begin < next->begin || (s->begin == next->begin && s->begin_part < next->begin_part)))
        return "rows must begin one after the other";
    if (open ? s->end != 0 : s->end_part >= 1.0 && s->end != UINT64_MAX) return "end must be a whole number and a part";
    if (kinds[s->shape] != NODE && open == (needs_end(s) || s->shape == SHAPE_values))
        return "a row must have an end where its shape has one, and nowhere else";
    /* The last row of a sub-table may end where no step of its parent comes: growing cycles that were stretched. */
    if (needs_end(s) &&
        !(next != NULL ? reaches(s, next->begin, next->begin_part) : depth > 0 || reaches(s, INT64_MAX, 0.0)))
        return "a row must not end before the next one begins";
    return NULL;
}

static const char *check_table(reading *r, int64_t first, int64_t count, int depth)
{
    if (depth >= LRK_MAX_DEPTH) return "tables must not nest deeper than 16 levels";
    if (first != r->rows_read || count < 1 || count > r->rows - first)
        return "rows must be referred to in the order in which they lie";
    r->rows_read += count;
    lrk_segment *rows = r->segments + first;
    if (rows[0].begin != 0 || rows[0].begin_part != 0.0) return "the first row must begin at 0";
    for (int64_t j = 0; j < count; ++j) {
        lrk_segment *s = rows + j;
        const char *broken = lrk_prepare(s);
        if (broken == NULL) broken = check_row(s, j + 1 < count ? s + 1 : NULL, depth);
        if (broken == NULL && s->shape == SHAPE_hold && j == 0) broken = "a hold must not be the first row";
        if (broken == NULL && kinds[s->shape] == NODE) broken = check_table(r, s->child[0], s->count[0], depth + 1);
        if (broken == NULL && s->shape == SHAPE_product) broken = check_table(r, s->child[1], s->count[1], depth + 1);
        if (broken != NULL) return broken;
        if (s->shape == SHAPE_values) {
            if (s->child[0] != r->values_read || s->count[0] > r->values - r->values_read)
                return "values must be referred to in the order in which they lie";
            r->values_read += s->count[0];
        }
    }
    return NULL;
}

const char *lrk_table_load(
    const void *data, size_t size, lrk_segment *segments, int64_t rows, double *values, int64_t count, lrk_table *table)
{
    const unsigned char *p = data;
    reading r = {.segments = segments};
    *table = (lrk_table){NULL, NULL, 0};
    const char *broken = lrk_table_measure(data, size, &r.rows, &r.values);
    if (broken != NULL) return broken;
    if (r.rows > rows || r.values > count) return "buffers must be as large as lrk_table_measure says";
    if (checksum_of(p, size - CHECKSUM_BYTES) != number_at(p + size - CHECKSUM_BYTES, CHECKSUM_BYTES))
        return "checksum must be that of the content: it was changed or damaged";

    const int64_t root = (int64_t)number_at(p + 12, 4);
    p += HEADER_BYTES;
    for (int64_t j = 0; j < r.rows; ++j, p += ROW_BYTES) segments[j] = row_from(p);
    for (int64_t j = 0; j < r.values; ++j, p += 8) {
        values[j] = real_at(p);
        if (values[j] - values[j] != 0.0) return "values must be finite";
    }
    broken = check_table(&r, 0, root, 0);
    if (broken != NULL) return broken;
    if (r.rows_read != r.rows || r.values_read != r.values) return "every row and value must be referred to";
    *table = (lrk_table){segments, values, root};
    return NULL;
}
