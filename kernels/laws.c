/* laws.c - losses and bounds as sums over panels, from the last step back to the first.

   Each is a sum over k of something smooth in k and in the sum of the schedule from k on. That sum is added up from the
   end, so that it is relative where it goes to 0; as a difference of prefix sums it would be noise there. */
#include "laws.h"
#include "pool.h"
#include "shape_math.h"
#include "walk.h"

/* ---- panels from the end ---- */

#define LRK_ROOM 32 /* panels that are kept at once */

/* Values in a panel: powers of them have a singular point where they read 0. */
#define LRK_VARIETY 16.0

typedef struct lrk_back {
    const lrk_table *table;
    int64_t first, stop;    /* steps first .. stop - 1 */
    int64_t end;            /* those from here on are done */
    int64_t most;           /* steps to ask for, from what there was room for */
    int64_t reach;          /* of a panel, in distances from its end to a singular point behind that */
    int checked;            /* 1: by sums_terms */
    int from_first;         /* 1: something in the sum varies on the scale of the distance from step -1 too */
    lrk_dd tail;            /* sum of the steps behind the panel */
    double value, fall;     /* at the beginning of what is done, per step */
    const lrk_panel *given; /* NULL, or the one that counts as done with the next call */
    int64_t left, next;     /* panels that are left, the last of them before panels[next % LRK_ROOM] */
    lrk_walk walk;
    lrk_panel panels[LRK_ROOM];
} lrk_back;

static void begin_back(
    lrk_back *back, const lrk_table *table, int64_t first, int64_t stop, int64_t reach, int from_first)
{
    back->table = table;
    back->first = first;
    back->stop = back->end = stop;
    back->most = INT64_MAX;
    back->reach = reach;
    back->checked = 1;
    back->from_first = from_first;
    back->tail = (lrk_dd){0.0, 0.0};
    back->value = back->fall = 0.0;
    back->given = NULL;
    back->left = 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How many steps away the sum behind a panel reads 0, were the schedule to go on as a line: the smaller root of
   tail - value x + slope x^2 / 2, or its magnitude. Kernels of the sum have their singular point about there. */
static double root_behind(double tail, double value, double slope)
{
    const double ratio = tail / value, bend = slope > 0.0 ? slope / value * ratio : 0.0; /* squares may overflow */
    if (!(bend <= 0.5)) return sqrt(2.0 * (tail / slope));
    return 2.0 * ratio / (1.0 + sqrt(1.0 - 2.0 * bend));
}

static int64_t may_reach(const lrk_back *back)
{
    const int64_t all = back->end - back->first, far = back->stop - back->end;
    int64_t most = least(all, back->most);
    if (far < INT64_MAX / back->reach) most = least(most, back->reach * far);
    if (back->from_first) most = least(most, back->end - back->end / (back->reach + 1));
    const double reach = (double)back->reach * root_behind(back->tail.hi, back->value, back->fall);
    if (back->fall < 0.0) { /* towards 0 before these steps */
        const double most_there = (1.0 - 2.0 / LRK_VARIETY) * (back->value / -back->fall);
        if (most_there < (double)most) most = (int64_t)most_there;
    }
    const int nothing = back->tail.hi == 0.0 && back->value == 0.0; /* so far; smooth_steps sees where that ends */
    if (!nothing && !((double)most <= reach)) most = reach > 16.0 ? (int64_t)reach : 16;
    return most > 16 ? most : least(all, 16);
}

/* The panels before `end`, as many as there is room for. */
static void look_back(lrk_back *back)
{
    const int64_t steps = may_reach(back);
    lrk_walk_begin(&back->walk, back->table, back->end - steps, back->end, LRK_PLAIN);
    back->next = 0;
    while (lrk_walk_next(&back->walk, &back->panels[back->next % LRK_ROOM])) ++back->next;
    back->left = least(back->next, LRK_ROOM);
    if (back->next > LRK_ROOM) {
        back->most = back->end - back->panels[back->next % LRK_ROOM].first;
    } else if (back->most < INT64_MAX / 4) {
        back->most *= 4;
    }
}

/* As many steps as a panel that ends there may have: all it has, with 1.5 times what may_reach says, which knows the
   schedule behind that end alone. */
static int64_t smooth_steps(const lrk_back *back, const lrk_panel *panel)
{
    const double *value = panel->value;
    double low = value[0], high = low;
    for (int j = 1; j < panel->nodes; ++j) {
        low = value[j] < low ? value[j] : low;
        high = value[j] > high ? value[j] : high;
    }
    if (high == 0.0) return panel->count;
    if (back->tail.hi == 0.0) return 16;
    if (!(high <= LRK_VARIETY * low) && (!back->checked || value[0] < value[panel->nodes - 1]))
        return panel->count - panel->count / 8;
    const double end = value[panel->nodes - 1], fall = -panel->drop[panel->nodes - 1];
    const double reach = (double)back->reach * root_behind(back->tail.hi, end, fall);
    return (double)panel->count <= 1.5 * reach ? panel->count : (int64_t)reach;
}

static lrk_dd plus(lrk_dd sum, double x)
{
    const lrk_dd high = lrk_two_sum(sum.hi, x);
    if (!lrk_is_finite(high.hi)) return (lrk_dd){high.hi, 0.0};
    return lrk_quick_sum(high.hi, high.lo + sum.lo);
}

static void pass(lrk_back *back, const lrk_panel *panel)
{
    back->tail = plus(back->tail, panel->sum);
    back->end = panel->first;
    back->value = panel->value[0];
    if (panel->nodes > 1) back->fall = (panel->value[0] - panel->value[1]) / (panel->at[1] - panel->at[0]);
    back->given = NULL;
}

/* Asks for a panel of so many steps. */
static void shorten(lrk_back *back, int64_t steps)
{
    back->most = steps > LRK_NODES ? steps : LRK_NODES;
    back->left = 0;
    back->given = NULL;
}

/* The next panel towards the first step, or NULL; `tail` is then the sum of all steps behind it. */
static const lrk_panel *next_back(lrk_back *back)
{
    if (back->given != NULL) pass(back, back->given);
    for (;;) {
        if (back->left == 0) {
            if (back->end == back->first) return NULL;
            look_back(back);
            if (lrk_over(0)) return NULL;
        }
        const lrk_panel *panel = &back->panels[--back->next % LRK_ROOM];
        back->left -= 1;
        const int64_t steps = panel->nodes == panel->count ? panel->count : smooth_steps(back, panel);
        if (steps == panel->count) return back->given = panel;
        shorten(back, steps);
    }
}

/* Whether the rule sums these terms of the panel's nodes, per step, to what may be missed. */
static int sums_terms(lrk_back *back, const double *terms, double may_miss)
{
    const lrk_panel *panel = back->given;
    double c[LRK_NODES], tail;
    if (panel->nodes == panel->count) return 1;
    lrk_gram_make(&back->walk.gram, panel->count);
    lrk_gram_fit(&back->walk.gram, terms, c);
    const double noise = may_miss / (double)panel->count;
    return lrk_gram_resolves(c, noise, noise, &tail) || !lrk_is_finite(tail);
}

/* The next panel ends where the one given did, and is shorter. */
static void refuse(lrk_back *back)
{
    shorten(back, back->given->count / 2);
}

/* The sums of the steps behind each node; of panels that are single steps without a difference. */
static void sums_behind(const lrk_back *back, const lrk_panel *panel, double *behind)
{
    if (panel->nodes == panel->count) {
        double sum = back->tail.hi;
        for (int j = panel->nodes; j-- > 0;) {
            behind[j] = sum;
            sum += panel->value[j];
        }
    } else {
        for (int j = 0; j < panel->nodes; ++j)
            behind[j] = back->tail.hi + ((panel->sum - panel->before[j]) - panel->value[j]);
    }
}

int64_t lrk_panels_back(const lrk_table *table, int64_t stop, lrk_panel *panels, int64_t room)
{
    lrk_back back;
    int64_t count = 0;
    begin_back(&back, table, 0, stop, 2, 0); /* nothing is known of the kernel */
    back.checked = 0;
    for (const lrk_panel *panel; (panel = next_back(&back)) != NULL; ++count)
        if (count < room) panels[count] = *panel;
    for (int64_t j = 0; count <= room && j < count / 2; ++j) {
        const lrk_panel panel = panels[j];
        panels[j] = panels[count - 1 - j];
        panels[count - 1 - j] = panel;
    }
    return count;
}

/* ---- powers ----
   As in shape_math.h, without the second halves of double-doubles: errors of 2^-52 and that of the exponent. */

#define LRK_LOG2_S3 0x1.ec709dc3a03fdp-1 /* 2 / (3 ln 2) */

/* log2(x + low), x > 0 and finite; relative near 1. */
LRK_INLINE double log2_of(double x, double low)
{
    x = x < 0x1p-1022 ? 0x1p-1022 : x;
    const uint64_t bits = lrk_bits(x);
    const double mantissa = lrk_from_bits((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
    const double exponent = (lrk_from_bits((bits >> 52) | 0x4338000000000000u) - LRK_ROUNDER) - 1023.0;
    const double down = mantissa > 0x1.6a09e667f3bcdp+0 ? 1.0 : 0.0; /* sqrt 2 */
    const double m = mantissa * (1.0 - 0.5 * down), e = exponent + down;
    const double s = ((m - 1.0) + low * lrk_pow2(-e)) / (m + 1.0), v = s * s;
    return e + s * (LRK_LOG2_S1_HI + v * (LRK_LOG2_S3 + v * lrk_log2_tail(v)));
}

/* 2^f - 1 */
LRK_INLINE double exp2_minus_1(double f)
{
    return f * (LRK_LN2_HI + f * lrk_exp2_tail(f));
}

/* 1 - 2^x for x <= 0, relative. */
LRK_INLINE double one_minus_exp2(double x)
{
    x = x < -1000.0 ? -1000.0 : x;
    const double k = lrk_round(x), power = lrk_pow2(k);
    return (1.0 - power) - power * exp2_minus_1(x - k);
}

/* 2^x, cut off at 2^-1000 and 2^1000. */
LRK_INLINE double exp2_of(double x)
{
    x = lrk_clamp(x, -1000.0, 1000.0);
    const double k = lrk_round(x), power = lrk_pow2(k);
    return power + power * exp2_minus_1(x - k);
}

/* ---- the multi-power law ---- */

enum { L0, AREA_FACTOR, ALPHA, DROP_FACTOR, RATE, BETA, GAMMA, AREA_BEFORE };

/* S^-alpha, that of 0 being infinite */
static double area_power(const double *p, double area)
{
    if (p[AREA_FACTOR] == 0.0 || p[ALPHA] == 0.0) return 1.0;
    return area > 0.0 ? exp2_of(-p[ALPHA] * log2_of(area, 0.0)) : area == 0.0 ? INFINITY : NAN;
}

/* What a panel's sum may miss, beside the largest value. */
#define LRK_MISSED 0x1p-43

typedef struct lrk_losses {
    double value[LRK_NODES], log_lr[LRK_NODES], share[LRK_NODES], log_y[LRK_NODES];
} lrk_losses;

/* 1 - (1 + C lr^-gamma sum)^-beta of a panel's nodes, with the sums behind them. */
LRK_INLINE void factors_of(const lrk_panel *panel, const double *behind, const double *p, lrk_losses *out)
{
    const double rate = p[RATE], beta = p[BETA], gamma = p[GAMMA];
    const double no_lr = gamma > 0.0 ? 0.0 : -1.0; /* at lr = 0 the limit, in which no parameter matters */
    for (int j = 0; j < panel->nodes; ++j) {
        const double lr = panel->value[j], log_lr = log2_of(lr, 0.0);
        const double power = rate * (behind[j] + lr) * exp2_of(-gamma * log_lr);
        const double x = power < 0x1p1000 ? power : 0x1p1000;
        const lrk_dd y = lrk_two_sum(1.0, x);
        const double log_y = log2_of(y.hi, y.lo), here = one_minus_exp2(-beta * log_y);
        out->log_lr[j] = log_lr;
        out->log_y[j] = log_y;
        out->share[j] = x / y.hi;
        out->value[j] = lr == no_lr ? 1.0 : here;
    }
}

/* What the last three coefficients of the polynomial through these values add at most. */
static double tail_of(const lrk_gram *g, const double *values)
{
    double top = lrk_gram_top(LRK_NODES - 1), tail = 0.0;
    for (int k = LRK_NODES - 1; k >= LRK_NODES - 3; --k) {
        double sum = 0.0;
        for (int i = 0; i < LRK_HALF_NODES; ++i) {
            const double right = values[LRK_HALF_NODES + i], left = values[LRK_HALF_NODES - 1 - i];
            sum += g->weight[LRK_HALF_NODES + i] * g->p[k][i] * (k % 2 == 0 ? right + left : right - left);
        }
        sum *= top * g->scale[k];
        tail += sum < 0.0 ? -sum : sum;
        top *= (2.0 * k - 1.0) / k;
    }
    return tail;
}

/* Whether the rule sums drop (1 - y^-beta). Its singular points are those of log y and log lr, whose series show them,
   one as strong as the other; those of the terms end with what has hardly a part in them, and go on. What 16
   coefficients leave of a logarithm is about the root of what 32 do. */
static int sums_losses(lrk_back *back, const lrk_losses *found, const double *terms, const double *p, double may_miss)
{
    const lrk_panel *panel = back->given;
    if (panel->nodes == panel->count) return 1;
    if (!sums_terms(back, terms, may_miss)) return 0;
    const double of_y = tail_of(&back->walk.gram, found->log_y);
    const double of_lr = tail_of(&back->walk.gram, found->log_lr);
    double rest = 0.0;
    for (int j = 0; j < panel->nodes; ++j) {
        const double here = panel->drop[j] * (1.0 - found->value[j]);
        rest = rest < here ? here : rest < -here ? -here : rest;
    }
    const double miss = 0.0625 * p[BETA] * rest * (of_y * of_y + p[GAMMA] * of_lr * of_lr) * panel->count;
    return !(miss > may_miss);
}

LRK_INLINE void multi_power(const lrk_table *table, int64_t step, const double *p, double *out, int slopes)
{
    lrk_back back;
    lrk_losses found;
    lrk_dd total = {0.0, 0.0};
    const double start = lrk_at(table, 0);
    double by_rate = 0.0, by_beta = 0.0, by_gamma = 0.0, high = start;
    int negative = start < 0.0;
    for (int64_t at = step; at > step / 16; at /= 2) { /* a decay to 0 would begin with asking for far too much */
        const double value = lrk_at(table, at);
        high = value > high ? value : high;
    }
    begin_back(&back, table, 1, step + 1, 7, 0);
    for (const lrk_panel *panel; (panel = next_back(&back)) != NULL;) {
        double behind[LRK_NODES], terms[LRK_NODES];
        int falls = 0;
        for (int j = 0; j < panel->nodes; ++j) {
            falls |= panel->drop[j] != 0.0;
            negative |= panel->value[j] < 0.0;
            high = panel->value[j] > high ? panel->value[j] : high;
        }
        if (negative) break;
        if (!falls) continue;
        sums_behind(&back, panel, behind);
        factors_of(panel, behind, p, &found);
        for (int j = 0; j < panel->nodes; ++j) terms[j] = panel->drop[j] * found.value[j];
        if (!sums_losses(&back, &found, terms, p, LRK_MISSED * high)) {
            refuse(&back);
            continue;
        }
        for (int j = 0; j < panel->nodes; ++j) total = plus(total, panel->weight[j] * terms[j]);
        for (int j = 0; slopes && j < panel->nodes; ++j) {
            const double rest = panel->weight[j] * panel->drop[j] * (1.0 - found.value[j]);
            const double part = rest * p[BETA] * found.share[j];
            by_rate += part / p[RATE];
            by_beta += rest * (found.log_y[j] * LRK_LN2_HI);
            by_gamma -= part * (found.log_lr[j] * LRK_LN2_HI);
        }
    }
    const double area = plus(plus(back.tail, start), p[AREA_BEFORE]).hi, power = area_power(p, area);
    const double part = p[AREA_FACTOR] * power, losses = total.hi + total.lo;
    out[0] = negative ? NAN : p[L0] + part + p[DROP_FACTOR] * losses;
    if (slopes) {
        out[1] = 1.0;
        out[2] = power;
        out[3] = -part * (log2_of(area, 0.0) * LRK_LN2_HI);
        out[4] = losses;
        out[5] = p[DROP_FACTOR] * by_rate;
        out[6] = p[DROP_FACTOR] * by_beta;
        out[7] = p[DROP_FACTOR] * by_gamma;
    }
}

void lrk_multi_power(const lrk_table *table, int64_t step, const double *parameters, double *out)
{
    multi_power(table, step, parameters, out, 0);
}

void lrk_multi_power_slopes(const lrk_table *table, int64_t step, const double *parameters, double *out)
{
    multi_power(table, step, parameters, out, 1);
}

/* ---- learning rate annealing ---- */

enum { ANNEALING_FACTOR = 3, DECAY, ANNEALING_BEFORE };

void lrk_annealing(const lrk_table *table, int64_t step, const double *p, double *out)
{
    const double area = lrk_sum(table, 0, step + 1) + p[ANNEALING_BEFORE];
    const double annealing = lrk_annealing_area(table, step, p[DECAY]);
    out[0] = p[L0] + p[AREA_FACTOR] * area_power(p, area) - p[ANNEALING_FACTOR] * annealing;
}

/* ---- the last-iterate bound ----
   The published form, D^2 / (2 S_0) + Q_0 / (2 S_0) + 1/2 sum over k of lr_k Q_k / (S_(k+1) S_k) with the suffix sums S
   of lr and Q of lr^2 G^2, is a telescope: lr_k / (S_(k+1) S_k) = 1 / S_(k+1) - 1 / S_k, and what remains is
   D^2 / (2 S_0) + 1/2 (lr_last G_last^2 + sum over k < last of lr_k^2 G_k^2 / S_(k+1)), every term of which is >= 0. */

enum { SCALE, POWER };

LRK_INLINE double bound_term(double lr, double behind)
{
    return lr == 0.0 ? 0.0 : lr * (lr / behind); /* inf where nothing follows */
}

static void write_bound(lrk_dd sum, double noise, int negative, double *out)
{
    out[0] = negative ? NAN : 0.5 / sum.hi;
    out[1] = negative ? NAN : 0.5 * noise;
}

void lrk_last_iterate(const lrk_table *table, int64_t step, const double *p, double *out)
{
    lrk_back back;
    const double last = lrk_at(table, step), square = p[SCALE] * p[SCALE];
    const double weight = p[POWER] == 0.0 ? 1.0 : exp2_of(2.0 * p[POWER] * log2_of((double)step + 1.0, 0.0));
    lrk_dd noise = {last * weight, 0.0};
    int negative = last < 0.0;
    begin_back(&back, table, 0, step, 3, p[POWER] != 0.0);
    back.stop += 1;
    back.tail.hi = last;
    for (const lrk_panel *panel; (panel = next_back(&back)) != NULL;) {
        double behind[LRK_NODES], terms[LRK_NODES];
        sums_behind(&back, panel, behind);
        for (int j = 0; j < panel->nodes; ++j) {
            terms[j] = bound_term(panel->value[j], behind[j]);
            if (p[POWER] != 0.0) {
                const lrk_dd at = lrk_two_sum((double)panel->first, panel->at[j] + 1.0);
                terms[j] *= exp2_of(2.0 * p[POWER] * log2_of(at.hi, at.lo));
            }
            negative |= panel->value[j] < 0.0;
        }
        if (negative) break;
        if (!sums_terms(&back, terms, LRK_MISSED * noise.hi)) {
            refuse(&back);
            continue;
        }
        for (int j = 0; j < panel->nodes; ++j) noise = plus(noise, panel->weight[j] * terms[j]);
    }
    write_bound(back.tail, square == 0.0 ? 0.0 : square * noise.hi, negative, out);
}

#define LRK_EACH 1024 /* steps that are evaluated at once */

void lrk_last_iterate_each(const lrk_table *table, int64_t step, const double *norms, double *out)
{
    const double last = lrk_at(table, step);
    lrk_dd sum = {last, 0.0}, noise = {last * norms[step] * norms[step], 0.0};
    int negative = last < 0.0;
    for (int64_t end = step; end > 0 && !lrk_over(LRK_EACH / 16);) {
        double values[LRK_EACH];
        const int64_t n = least(end, LRK_EACH);
        end -= n;
        lrk_fill(table, end, 1, n, values, 1);
        for (int64_t j = n; j-- > 0;) {
            const double norm = norms[end + j];
            if (norm != 0.0) noise = plus(noise, bound_term(values[j], sum.hi) * norm * norm);
            sum = plus(sum, values[j]);
            negative |= values[j] < 0.0;
        }
    }
    write_bound(sum, noise.hi, negative, out);
}

/* ---- many schedules, many steps ---- */

typedef struct lrk_functional_job {
    lrk_functional *functional;
    const double *parameters;
    const lrk_table *tables;
    const int64_t *steps;
    double *out;
    int64_t step_count, count, run;
    int width;
} lrk_functional_job;

static void work_pieces(const void *shared, int64_t piece, int64_t end)
{
    const lrk_functional_job *job = shared;
    const int64_t from = piece * job->run, to = least(end * job->run, job->count);
    for (int64_t k = from; k < to && !lrk_over(0); ++k)
        job->functional(
            job->tables + k / job->step_count, job->steps[k % job->step_count], job->parameters,
            job->out + k * job->width);
}

void lrk_functionals(
    lrk_functional *functional, const double *parameters, const lrk_table *tables, int64_t table_count,
    const int64_t *steps, int64_t step_count, int width, double *out, int threads)
{
    const int64_t count = table_count * step_count, run = count / threads / 8 + 1; /* later steps take longer */
    if (count == 0) return;
    const lrk_functional_job job = {functional, parameters, tables, steps, out, step_count, count, run, width};
    lrk_share(work_pieces, &job, (count + run - 1) / run, threads);
}
