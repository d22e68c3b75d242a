/* batch.c - how a batch is cut into pieces, and what is done for one. */
#include "batch.h"
#include "patience.h"
#include "pool.h"

#include <string.h>

/* A piece is some tables by a run of their steps. It evaluates this many values unless the job is small: setting up a
   run costs 1 to 2 microseconds, as much as 4,000 values, but the first piece tells whether to share the others, and
   the last one is waited for. Rows that are copied count as work but not as values. */
#define LRK_PIECE 131072
#define LRK_LEAST_PIECE 8192
#define LRK_COPIED_PIECE 32768 /* what other rows are copied from must still be in the second cache ... */
#define LRK_LEAST_RUN 1024     /* ... and is evaluated in runs of this many steps at least */
#define LRK_PIECES 8           /* per thread at least, where that leaves pieces large enough: threads differ in speed */
#define LRK_LINE 64            /* bytes of a cache line */
#define LRK_BLOCK 256          /* steps of a block of the kernels */

typedef struct lrk_job {
    const lrk_batch *batch;
    int64_t tables, cuts; /* tables per piece; runs per table */
    int64_t run, skew;    /* steps per run; by how much the first one is shorter, to end with a cache line */
} lrk_job;

static char *row_of(const lrk_batch *b, int64_t row, int64_t step)
{
    return (char *)b->out + (row * b->row_gap + step * b->gap) * (int64_t)b->size;
}

/* By whichever threads meet a reason. */
static void raise_flag(int *flag)
{
#if defined(__GNUC__)
    __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
#else
    *(volatile int *)flag = 1;
#endif
}

static void fill_row(const lrk_batch *b, int64_t index, int64_t step, int64_t n, void *out)
{
    const lrk_table *table = b->tables + index;
    if (b->order != NULL) {
        const lrk_memo *memo = b->memos == NULL ? NULL : b->memos[index];
        const lrk_order part = {(const char *)b->order->steps + step * b->order->size, n, b->order->size};
        if (!lrk_gather_with(table, memo, &part, out)) raise_flag(b->negative);
    } else if (b->size == sizeof(double)) {
        lrk_fill(table, b->start + step * b->stride, b->stride, n, out, b->gap);
    } else {
        lrk_fill_float(table, b->start + step * b->stride, b->stride, n, out, b->gap);
    }
}

static void copy_row(const lrk_batch *b, const char *from, char *to, int64_t n)
{
    const int64_t gap = b->gap * (int64_t)b->size;
    if (b->gap == 1) {
        memcpy(to, from, (size_t)n * b->size);
    } else {
        for (int64_t j = 0; j < n; ++j) memcpy(to + j * gap, from + j * gap, b->size);
    }
}

static void fill_table(const lrk_batch *b, int64_t table, int64_t step, int64_t n)
{
    if (b->first == NULL) {
        fill_row(b, table, step, n, row_of(b, table, step));
        return;
    }
    const int64_t *row = b->rows + b->first[table], *end = b->rows + b->first[table + 1];
    const char *from = row_of(b, *row, step);
    fill_row(b, table, step, n, row_of(b, *row, step));
    while (++row < end) copy_row(b, from, row_of(b, *row, step), n);
}

/* Neighbours at once, but for copies, which the second cache would lose. */
static void fill_pieces(const void *shared, int64_t piece, int64_t end)
{
    const lrk_job *job = shared;
    const lrk_batch *b = job->batch;
    for (int64_t next; piece < end && !lrk_over(LRK_ASK_NOW); piece = next) {
        const int64_t cut = piece % job->cuts, table = piece / job->cuts * job->tables;
        const int64_t left = b->first != NULL ? 1 : job->cuts - cut, run = left < end - piece ? left : end - piece;
        const int64_t from = cut == 0 ? 0 : cut * job->run - job->skew;
        const int64_t to = cut + run == job->cuts ? b->count : (cut + run) * job->run - job->skew;
        const int64_t last = table + job->tables < b->table_count ? table + job->tables : b->table_count;
        for (int64_t k = table; k < last; ++k) fill_table(b, k, from, to - from);
        next = piece + run;
    }
}

static int64_t between(int64_t low, int64_t x, int64_t high)
{
    return x < low ? low : x < high ? x : high;
}

/* Values to evaluate per piece. */
static int64_t piece_size(const lrk_batch *b, int threads)
{
    const int64_t tables = b->table_count, steps = threads == 1 ? LRK_PIECE : b->count / threads / LRK_PIECES;
    const int64_t fair = (steps < LRK_PIECE ? tables * steps : LRK_PIECE) / LRK_BLOCK * LRK_BLOCK;
    if (b->first == NULL) return between(LRK_LEAST_PIECE, fair, LRK_PIECE);
    const int64_t least = LRK_LEAST_PIECE / ((b->first[tables] - b->first[0]) / tables);
    return between(least < LRK_LEAST_RUN ? LRK_LEAST_RUN : least, fair, LRK_COPIED_PIECE);
}

/* Runs of equal length, of about `size` steps. */
static void cut_steps(lrk_job *job, int64_t size)
{
    const lrk_batch *b = job->batch;
    if (b->gap == 1) job->skew = (int64_t)((uintptr_t)b->out % LRK_LINE / b->size);
    const int64_t steps = b->count + job->skew, cuts = (steps + size / 2) / size, even = (steps + cuts - 1) / cuts;
    job->run = (even + LRK_BLOCK - 1) / LRK_BLOCK * LRK_BLOCK;
    job->cuts = (steps + job->run - 1) / job->run;
}

void lrk_fill_batch(const lrk_batch *batch, int threads)
{
    lrk_job job = {.batch = batch, .tables = 1, .cuts = 1, .run = batch->count};
    if (batch->table_count == 0 || batch->count == 0) return;
    if (threads > 1 || batch->first != NULL) {
        const int64_t size = piece_size(batch, threads);
        if (batch->count > size) {
            cut_steps(&job, size);
        } else {
            job.tables = size / batch->count;
        }
    }
    lrk_share(fill_pieces, &job, (batch->table_count + job.tables - 1) / job.tables * job.cuts, threads);
}

typedef struct lrk_sums_job {
    const lrk_chart *chart;
    const int64_t *steps;
    double *out, decay;
    int64_t count, run;
    int what;
} lrk_sums_job;

static void sum_pieces(const void *shared, int64_t piece, int64_t end)
{
    const lrk_sums_job *job = shared;
    const int64_t from = piece * job->run, to = end * job->run < job->count ? end * job->run : job->count;
    lrk_sums_at(job->chart, job->what, job->decay, job->steps + from, to - from, job->out + from);
}

void lrk_sums_batch(
    const lrk_chart *chart, int what, double decay, const int64_t *steps, int64_t count, double *out, int threads)
{
    const int64_t run = what <= LRK_SUM_FROM ? LRK_LEAST_PIECE / 4 : 16;
    const lrk_sums_job job = {chart, steps, out, decay, count, run, what};
    lrk_share(sum_pieces, &job, (count + run - 1) / run, threads);
}
