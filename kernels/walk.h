/* walk.h - the panels of a schedule one after the other, for those who sum over more of them than they keep. */
#ifndef LRK_WALK_H
#define LRK_WALK_H

#include "clock.h"
#include "gram.h"
#include "patience.h"
#include "sums.h"

/* How panels are made smaller where what is to be summed asks for it: towards the end of the steps, for factors that
   vary within a few steps there, and so that the values of one panel are within a factor of 4, for sums that must be
   relative at every step. Where only the sum of a panel is asked for, it may be larger than one polynomial can say of
   `before` and `drop`. A run of one value may come as one panel of one node, its first step, whose drop is that step's
   alone. Wide: drops come from all steps with the same formula, those behind `stop` too, and are relative to what the
   value changes by on all of them. */
enum {
    LRK_PLAIN = 0,
    LRK_TOWARDS_STOP = 1,
    LRK_NEAR_STOP = 2,
    LRK_EVEN = 4,
    LRK_ONLY_SUM = 8,
    LRK_FLAT_ONCE = 16,
    LRK_WIDE = 32
};

/* Rows of a table, and what their clock reads at the first step. */
typedef struct lrk_part {
    const lrk_table *table;
    int64_t first, rows;
    lrk_clock clock;
} lrk_part;

typedef struct lrk_terms lrk_terms;

#define LRK_WALK_DEPTH 128

/* Panels one after the other. */
typedef struct lrk_walk {
    lrk_part part, row;      /* row: the one that `at` is in */
    int64_t start, at, stop; /* `at`: the next step; of 2^63 steps the last one is left out */
    int grade;
    int64_t longest;        /* that a panel not of its own steps may be */
    const lrk_terms *terms; /* NULL, or what is summed: panels are as small as that asks for */
    double term[LRK_NODES];
    int64_t limit;     /* up to where there is one formula ... */
    int flat;          /* ... with one value */
    int64_t piece_end; /* the same or stop */
    int64_t ends[LRK_WALK_DEPTH];
    int depth;
    int64_t window, window_end; /* where one polynomial is the value, those of the panels inside being the same */
    int smooth;
    int singular; /* see singular_end; of the last polynomial that was none */
    double c[LRK_NODES], fall[LRK_NODES], values[LRK_NODES], per, per2;
    lrk_gram gram;
} lrk_walk;

void lrk_walk_begin(lrk_walk *walk, const lrk_table *table, int64_t start, int64_t stop, int grade);
/* 0 where no panel is left, or who waits has lost patience. */
int lrk_walk_next(lrk_walk *walk, lrk_panel *panel);

#endif
