/* laws.h - what a schedule predicts: the loss by a multi-power law, the last-iterate bound. */
#ifndef LRK_LAWS_H
#define LRK_LAWS_H

#include "sums.h"

/* Of one schedule after one step: writes `out` from parameters. NaN where a value of the schedule is negative. */
typedef void lrk_functional(const lrk_table *table, int64_t step, const double *parameters, double *out);

enum { LRK_MULTI_POWER_PARAMETERS = 8, LRK_ANNEALING_PARAMETERS = 6, LRK_LAST_ITERATE_PARAMETERS = 2 };

/* The loss after `step`; parameters L0, A, alpha, B, C, beta, gamma and what the sum of the schedule begins with. */
void lrk_multi_power(const lrk_table *table, int64_t step, const double *parameters, double *out);

/* The same, and behind it the derivatives by the first seven parameters. */
void lrk_multi_power_slopes(const lrk_table *table, int64_t step, const double *parameters, double *out);

/* The loss after `step` by forward and annealing area; parameters L0, A, alpha, C, decay and what the sum of the
   schedule begins with. */
void lrk_annealing(const lrk_table *table, int64_t step, const double *parameters, double *out);

/* The two parts of the last-iterate bound after the steps 0 .. `step`: that of the distance, for a distance of 1, and
   that of the gradients, whose norms are scale (t + 1)^power; parameters scale, power. */
void lrk_last_iterate(const lrk_table *table, int64_t step, const double *parameters, double *out);

/* The same for norms[0] .. norms[step]. */
void lrk_last_iterate_each(const lrk_table *table, int64_t step, const double *norms, double *out);

/* As lrk_panels of the steps 0 .. stop - 1, smaller where kernels of the sum from a step on vary more: towards stop,
   and before the schedule falls. */
int64_t lrk_panels_back(const lrk_table *table, int64_t stop, lrk_panel *panels, int64_t room);

/* Every table after every step, `width` numbers of each, table by table, on at most `threads` threads. */
void lrk_functionals(
    lrk_functional *functional, const double *parameters, const lrk_table *tables, int64_t table_count,
    const int64_t *steps, int64_t step_count, int width, double *out, int threads);

#endif
