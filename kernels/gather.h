/* gather.h - steps in any order for those who can lend memory: what the values of many steps share, computed once. */
#ifndef LRK_GATHER_H
#define LRK_GATHER_H

#include "lrkernel.h"

/* `count` integers of `size` bytes, 8 or 4. */
typedef struct lrk_order {
    const void *steps;
    int64_t count;
    int size;
} lrk_order;

/* A memo holds what the values of many steps share: the anchors of their blocks, the values of their stairs, the lines
   beside them; 8 bytes per step, 72 per row and 200 besides at most. It stays as it is once made, so that threads can
   share it, and belongs to the table. */
typedef struct lrk_memo lrk_memo;

/* Where the steps lie, looked at once: another thread may write to their array meanwhile. */
typedef struct lrk_extent {
    int64_t low, high;
} lrk_extent;

/* 0 where no memo helps these steps: they are few, a plain range, or no steps. */
int lrk_extent_of(const lrk_order *order, lrk_extent *extent);

/* What a memo of a table takes for `count` such steps; 0 where they do not gain by one. */
int64_t lrk_memo_bytes(const lrk_table *table, int64_t count, lrk_extent extent);

/* Makes it in so many bytes, aligned as a double. */
const lrk_memo *lrk_memo_make(const lrk_table *table, int64_t count, lrk_extent extent, void *bytes);

/* The values of all steps, with a memo of this table or NULL; it may be of other steps. Returns 1, or 0 where a step is
   negative: then some values may be written. */
int lrk_gather_with(const lrk_table *table, const lrk_memo *memo, const lrk_order *order, double *out);

#endif
