/* charts.h - a schedule's sums up to each of its panels, and from each one on, kept for who asks step by step.

   A step then costs a search and a polynomial. Values of a panel are within a factor of 4, so that sums are relative at
   both ends. A chart grows as far as it is asked for: what lies behind may be more panels than there is time for. One
   thread at a time makes it grow while others read it; who finds it growing makes another one. */
#ifndef LRK_CHARTS_H
#define LRK_CHARTS_H

#include "sums.h"

enum { LRK_MARK_SERIES, LRK_MARK_STEPS, LRK_MARK_FLAT, LRK_MARK_ROW };
#define LRK_ROW_MARKS 4096 /* panels of one row; what is behind them is summed anew each time, in pieces */
typedef struct lrk_mark {
    int64_t first, count, row;
    int32_t kind, nodes;
    lrk_dd before, after, total;
    double per, per2, a[LRK_NODES];
} lrk_mark;

#define LRK_FIRST_MARKS 32 /* in the first block; each further one has twice as many */
#define LRK_MARK_BLOCKS 40

typedef struct lrk_chart {
    lrk_table table;
    lrk_tree tree;                    /* no levels: none */
    int64_t end;                      /* the schedule's length in steps */
    volatile int64_t count, known;    /* marks, and up to where they go */
    volatile int backwards;           /* `after` is known */
    volatile int64_t growing;         /* 1: a thread is at it, of which a fork leaves nothing but this */
    lrk_mark *block[LRK_MARK_BLOCKS]; /* of marks; NULL from some on */
    /* behind it what the next mark follows from */
} lrk_chart;

/* Begins a chart with its table and tree in so many bytes that are all 0, where it stays. */
int64_t lrk_chart_bytes(void);
void lrk_chart_begin(lrk_chart *chart);

/* Whether it has what sums up to `step`, or with `back` those from any step to the length, follow from. */
int lrk_chart_reaches(const lrk_chart *chart, int64_t step, int back);

/* Makes it so. 1 where it is; 0 where it needs the next block first, of as many marks as lrk_chart_lacks says. */
int lrk_chart_grow(lrk_chart *chart, int64_t step, int back);
int64_t lrk_chart_lacks(const lrk_chart *chart);
void lrk_chart_give(lrk_chart *chart, void *block);

/* The sum of the steps 0 .. last, which it reaches; 0 where last is -1. */
double lrk_cumulative(const lrk_chart *chart, int64_t last);

/* 1 where the chart has all that this sum needs, so that it takes no longer than a search. */
int lrk_cumulative_is_kept(const lrk_chart *chart, int64_t last);

/* For each step t the sum of 0 .. t, of 0 .. t - 1, of t .. length - 1, which it reaches, or one with decay. */
enum { LRK_SUM_TO, LRK_SUM_BEFORE, LRK_SUM_FROM, LRK_SUM_DISCOUNTED, LRK_SUM_ANNEALING };
void lrk_sums_at(const lrk_chart *chart, int what, double decay, const int64_t *steps, int64_t count, double *out);

#endif
