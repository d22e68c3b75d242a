/* sums.h - sums over steps in time that grows with the segments and not with the steps.

   Any functional of a schedule over whole steps is a sum over panels: runs of whole steps on which the value is one
   smooth formula of the step. A run of 16 steps or fewer has its own steps as nodes; a longer one the 16 of the Gauss
   rule for that many equidistant points (gram.h), as soon as the polynomial through its values is the value itself to
   the noise of its rounding. A node lies between steps: the value there is the kernel's own formula, so none is written
   a second time. */
#ifndef LRK_SUMS_H
#define LRK_SUMS_H

#include "lrkernel.h"

#include <stddef.h>

#define LRK_NODES 16

typedef struct lrk_panel {
    int64_t first, count;       /* whole steps of the schedule's own clock */
    int32_t nodes;              /* <= LRK_NODES */
    double at[LRK_NODES];       /* steps after `first`, real ... */
    double weight[LRK_NODES];   /* ... and for how many steps each one stands */
    double value[LRK_NODES];
    double before[LRK_NODES];   /* the sum over the panel's steps before the node, continued between steps */
    double drop[LRK_NODES];     /* value(t) - value(t - 1) at the node; 0 at step 0 */
    double sum;                 /* of the values of the panel's steps */
} lrk_panel;

/* Panels of the steps start .. stop - 1 in order, `towards_stop` 1: smaller and smaller towards stop. Returns their
   number; writes at most `room`. */
int64_t lrk_panels(
    const lrk_table *table, int64_t start, int64_t stop, int towards_stop, lrk_panel *panels, int64_t room);

/* The sum of the values of the steps start .. stop - 1, relative to that of their magnitudes; of a step for each stair
   of a schedule of real stairs, each cycle of real cycles and each step of `custom`. */
double lrk_sum(const lrk_table *table, int64_t start, int64_t stop);

#endif
