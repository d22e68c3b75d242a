/* batch.h - many schedules and a run of steps as one job for several threads. */
#ifndef LRK_BATCH_H
#define LRK_BATCH_H

#include "charts.h"
#include "gather.h"

#include <stddef.h>

typedef struct lrk_batch {
    const lrk_table *tables;
    int64_t table_count;
    const int64_t
        *first; /* table k is that of the rows rows[first[k]], ..., rows[first[k + 1] - 1] of the output, one at */
    const int64_t *rows;    /* least; both NULL: table k is that of row k */
    const lrk_order *order; /* the steps in any order, for which `size` is that of a double; or NULL: start, stride */
    const lrk_memo *const *memos; /* of each table, or NULL, and so may all be */
    int *negative;                /* becomes 1 where a step in any order is negative: then some values may be written */
    int64_t start, stride;
    int64_t count; /* of the steps */
    void *out;
    int64_t row_gap, gap; /* from row to row, from step to step, in values */
    size_t size;          /* of a value: a double or a float */
} lrk_batch;

/* Every value once, on at most `threads` threads; the rows of one table are copies of the first. */
void lrk_fill_batch(const lrk_batch *batch, int threads);

/* lrk_sums_at on at most `threads` threads. */
void lrk_sums_batch(
    const lrk_chart *chart, int what, double decay, const int64_t *steps, int64_t count, double *out, int threads);

#endif
