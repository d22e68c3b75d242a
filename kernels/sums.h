/* sums.h - sums over steps in time that grows with the segments and not with the steps.

   Any functional of a schedule over whole steps is a sum over panels: runs of whole steps on which the value is one
   smooth formula of the step. A run of 16 steps or fewer has its own steps as nodes; a longer one the 16 of the Gauss
   rule for that many equidistant points (gram.h), as soon as the polynomial through its values is the value itself to
   the noise of its rounding. A node lies between steps: the value there is the kernel's own formula, so none is written
   a second time. */
#ifndef LRK_SUMS_H
#define LRK_SUMS_H

#include "doubledouble.h"
#include "lrkernel.h"

#include <stddef.h>

#define LRK_NODES 16

typedef struct lrk_panel {
    int64_t first, count;     /* whole steps of the schedule's own clock */
    int32_t nodes;            /* <= LRK_NODES */
    double at[LRK_NODES];     /* steps after `first`, real ... */
    double weight[LRK_NODES]; /* ... and for how many steps each one stands */
    double value[LRK_NODES];
    double before[LRK_NODES]; /* the sum over the panel's steps before the node, continued between steps */
    double drop[LRK_NODES];   /* value(t) - value(t - 1) at the node; 0 at step 0 */
    double sum;               /* of the values of the panel's steps */
} lrk_panel;

/* Panels of the steps start .. stop - 1 in order, `towards_stop` 1: smaller and smaller towards stop. Returns their
   number; writes at most `room`. */
int64_t lrk_panels(
    const lrk_table *table, int64_t start, int64_t stop, int towards_stop, lrk_panel *panels, int64_t room);

/* The sum of the values of the steps start .. stop - 1, relative to that of their magnitudes. Stairs and epochs of
   whole steps are multiplied, as are cycles of k/1024 steps; others are added one by one, but epochs of one value, and
   so is every step of the shape `custom`. */
double lrk_sum(const lrk_table *table, int64_t start, int64_t stop);

/* Sums of the arrays of a table, by 64 values, 64 of these, ..., so that a sum adds a few hundred numbers, all of its
   own range. */
#define LRK_BRANCHES 64
typedef struct lrk_tree {
    int levels;
    const double *level[12];
} lrk_tree;
int64_t lrk_tree_room(int64_t count); /* in doubles */
void lrk_tree_make(lrk_tree *tree, const double *values, int64_t count, double *memory);

/* The same of `count` values to a power > 0, with the tree of the table's arrays or NULL; NaN where a value is < 0 and
   the power not whole. */
double lrk_sum_with(const lrk_table *table, const lrk_tree *tree, int64_t start, int64_t count, double power);

/* The sum of ln(1 - weight_decay value) over `count` steps; NaN where a factor is <= 0. */
double lrk_log_shrink(const lrk_table *table, int64_t start, int64_t count, double weight_decay);

/* Over the steps k = 0 .. t: the sum of decay^(t - k) value(k), and that of decay^(t - k) (value(0) - value(k));
   0 < decay < 1. Of t = 2^63 - 1 they are those of the step before. */
double lrk_discounted(const lrk_table *table, int64_t t, double decay);
double lrk_annealing_area(const lrk_table *table, int64_t t, double decay);

/* What none of `count` >= 1 values exceeds; they may stay well below it. */
double lrk_no_more_than(const lrk_table *table, int64_t start, int64_t count);

/* The first of `count` >= 1 steps whose value is below 0, or -1. */
int64_t lrk_first_negative(const lrk_table *table, int64_t start, int64_t count);

#endif
