/* sums.c - panels, and what is summed by them or faster than by them. */
#include "shapes.h"
#include "walk.h"

#include <math.h> /* INFINITY */

/* ---- where one formula ends ---- */

typedef struct lrk_run {
    int64_t steps;
    int flat;
} lrk_run;

static lrk_run run_of(const lrk_part *part, int64_t n);

static double value_at(const lrk_part *p, int64_t step, double later)
{
    const int64_t whole = (int64_t)later;
    lrk_clock clock = {p->clock.whole + step + whole, p->clock.part + (later - (double)whole)};
    if (clock.part >= 1.0) {
        clock.part -= 1.0;
        clock.whole += 1;
    }
    return lrk_range_at(p->table, p->first, p->rows, clock);
}

static lrk_part later_part(lrk_part part, int64_t steps)
{
    part.clock.whole += steps;
    return part;
}

static lrk_part child_of(const lrk_table *t, const lrk_segment *s, int k, lrk_clock clock)
{
    return (lrk_part){t, s->child[k], s->count[k], clock};
}

/* What `lrk_gram_fit` makes of n steps, and whether the value is that polynomial: the last coefficients are the noise
   of the values' own rounding, and it holds at both ends, where a value that is 0 at all nodes may not be 0. */
typedef struct lrk_fit {
    double values[LRK_NODES], c[LRK_NODES], size;
    int smooth;
} lrk_fit;

#define LRK_NOISE 0x1p-46     /* values of an ulp or two leave 2^-48 */
#define LRK_SUM_NOISE 0x1p-55 /* of what the rule leaves of a sum: the coefficients of 32 and on */
#define LRK_END_NOISE 0x1p-42
#define LRK_LEAST \
    0x1p-1000 /* values below are not worth a panel: sums there are of the order of rounding to subnormals */

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

static double node_at(const lrk_gram *g, int i)
{
    return 0.5 * (g->node[i] * g->count + (g->count - 1.0));
}

/* Whether 16 coefficients are all there is, or for a sum alone the 32 that the rule is exact for. */
static int is_resolved(const double *c, double size, int only_sum, double *tail)
{
    double top = lrk_gram_top(LRK_NODES - 1), before = 0.0;
    *tail = 0.0;
    for (int k = LRK_NODES - 1; k >= LRK_NODES - 7; --k) {
        const double part = top * magnitude(c[k]);
        if (k >= LRK_NODES - 3) {
            *tail += part;
        } else if (k < LRK_NODES - 4) {
            before += part;
        }
        top *= (2.0 * k - 1.0) / k;
    }
    if (*tail <= LRK_NOISE * size + LRK_LEAST) return 1;
    if (!only_sum || !(*tail < before)) return 0;
    const double rate = (*tail / before) * (*tail / before); /* of eight coefficients; 17 more follow */
    return *tail * rate * rate <= LRK_SUM_NOISE * size;
}

static void fit_steps(lrk_gram *g, const lrk_part *part, int64_t step, int64_t n, int only_sum, lrk_fit *fit)
{
    double tail;
    lrk_gram_make(g, n);
    fit->size = 0.0;
    for (int i = 0; i < LRK_NODES; ++i) {
        fit->values[i] = value_at(part, step, node_at(g, i));
        const double size = magnitude(fit->values[i]);
        fit->size = size > fit->size ? size : fit->size;
    }
    lrk_gram_fit(g, fit->values, fit->c);
    fit->smooth = is_resolved(fit->c, fit->size, only_sum, &tail);
    if (!fit->smooth) return;
    for (int end = 0; end < 2; ++end) {
        const double z = end ? 1.0 - g->per : g->per - 1.0;
        const double value = value_at(part, step + (end ? n - 1 : 0), 0.0);
        const double off = magnitude(value - lrk_gram_value(fit->c, g->per2, z));
        if (!(off <= LRK_END_NOISE * fit->size + 64.0 * tail + LRK_LEAST)) fit->smooth = 0;
    }
    /* differences would show the noise many times enlarged */
    double top = lrk_gram_top(LRK_NODES - 1);
    for (int k = LRK_NODES - 1; k > 0 && top * magnitude(fit->c[k]) <= 0x1p-48 * fit->size; --k) {
        fit->c[k] = 0.0;
        top *= (2.0 * k - 1.0) / k;
    }
}

static int side_of(double value, double low, double high)
{
    return value < low ? -1 : value > high ? 1 : 0;
}

/* How many of n steps of a clip stay on the side of a bound that the first is on. Halves until a piece is on one side
   as a whole, by the coefficients of its polynomial, or has few steps. */
static lrk_run clip_run(const lrk_segment *s, const lrk_part *child, int64_t n)
{
    lrk_run run = run_of(child, n);
    int64_t ends[LRK_WALK_DEPTH], at = 1;
    int depth = 1;
    lrk_gram g;
    lrk_fit fit;
    if (run.flat) return run;
    const int side = side_of(value_at(child, 0, 0.0), s->start, s->stop);
    ends[0] = run.steps;
    g.n = 0;
    while (depth > 0) {
        const int64_t end = ends[depth - 1], count = end - at;
        if (count < 48) {
            while (at < end && side_of(value_at(child, at, 0.0), s->start, s->stop) == side) ++at;
            if (at < end) break;
            --depth;
            continue;
        }
        fit_steps(&g, child, at, count, 0, &fit);
        double reach = LRK_END_NOISE * fit.size, top = 1.0;
        for (int k = 1; k < LRK_NODES; ++k) {
            top *= k / (2.0 * k - 1.0);
            reach += top * magnitude(fit.c[k]);
        }
        if (fit.smooth && side_of(fit.c[0] - reach, s->start, s->stop) == side &&
            side_of(fit.c[0] + reach, s->start, s->stop) == side) {
            at = end;
            --depth;
        } else {
            ends[depth++] = at + count / 2;
        }
    }
    run.steps = at;
    run.flat = side != 0;
    return run;
}

/* Whether all stairs from here on have the value of this one. */
static int is_last_stair(const lrk_segment *s, lrk_stair k, double value)
{
    if (s->shape == SHAPE_values) return k.high > 0.0 || k.low >= s->count[0] - 1;
    if (s->shape != SHAPE_step) return 0;
    return s->param == 1.0 || (s->param < 1.0 ? value == 0.0 : value - value != 0.0);
}

static lrk_run stairs_run(const lrk_part *part, const lrk_segment *s, lrk_clock clock, int64_t n)
{
    lrk_clock rest;
    const lrk_stair k = divide_clock(clock, s->every, &rest);
    if (s->shape != SHAPE_epoch && is_last_stair(s, k, value_at(part, 0, 0.0))) return (lrk_run){n, 1};
    if (s->every == 1.0) return (lrk_run){n < LRK_NODES ? n : LRK_NODES, 0};
    return (lrk_run){stair_run(clock, s->every, k, rest, n), 1};
}

/* How many of the next n >= 1 steps have one formula, and whether it is one value; steps that have nothing to do with
   one another come 16 at a time. */
static lrk_run run_of(const lrk_part *part, int64_t n)
{
    const lrk_table *t = part->table;
    const lrk_segment *rows = t->segments + part->first, *s = rows + locate(rows, part->rows, part->clock);
    if (s + 1 < rows + part->rows) {
        const int64_t left = place_row(s + 1, part->clock.part).first - part->clock.whole;
        if (left < n) n = left;
    }
    if (s->shape <= SHAPE_hold) return (lrk_run){n, 1};
    if (kinds[s->shape] == CALLED) return (lrk_run){n < LRK_NODES ? n : LRK_NODES, 0};
    if (kinds[s->shape] <= SERIES) return (lrk_run){n, s->end_part != INFINITY && s->start == s->stop};

    const lrk_place place = place_row(s, part->clock.part);
    const lrk_clock clock = local_clock(&place, part->clock.whole);
    if (kinds[s->shape] == STAIR || s->shape == SHAPE_epoch) {
        const lrk_part row = {t, s - t->segments, 1, part->clock};
        return stairs_run(&row, s, clock, n);
    }
    lrk_part child = child_of(t, s, 0, clock);
    if (s->shape == SHAPE_clip) return clip_run(s, &child, n);
    if (s->shape == SHAPE_repeat) {
        const lrk_stair k = divide_clock(clock, s->every, &child.clock);
        n = stair_run(clock, s->every, k, child.clock, n);
    } else if (s->shape == SHAPE_skip) {
        child.clock = later_clock(clock, s->every);
        const int64_t after = INT64_MAX - child.clock.whole;
        if (after == 0) return (lrk_run){n, 1};
        if (n - 1 > after) n = after + 1;
    }
    lrk_run run = run_of(&child, n);
    if (s->shape == SHAPE_product) {
        const lrk_part other = child_of(t, s, 1, clock);
        const lrk_run second = run_of(&other, run.steps);
        run = (lrk_run){second.steps, run.flat && second.flat};
    }
    return run;
}

/* ---- terms ---- */

/* What is summed over the steps: the value to a power, or the logarithm of 1 - `shrink` value where shrink is not 0.
   NaN where that is no number: a value < 0 under a power that is not whole, a factor <= 0. */
struct lrk_terms {
    double power, shrink;
    const lrk_tree *tree;
};

/* 2^(x y) for double-doubles x, relative to its value. */
static double power_of_2(lrk_dd x)
{
    const double cut = lrk_clamp(x.hi, -4000.0, 4000.0), k = lrk_round(cut);
    const lrk_dd r = lrk_exp2_minus_1(lrk_two_sum(cut - k, lrk_clamp(x.lo, -1.0, 1.0)));
    return lrk_scale(1.0 + r.hi, k);
}

/* 2^x - 1, relative to its value. */
static double power_less_1(lrk_dd x)
{
    return magnitude(x.hi) <= 0.5 ? lrk_exp2_minus_1(x).hi : power_of_2(x) - 1.0;
}

static lrk_dd times(lrk_dd x, double y)
{
    return lrk_dd_multiply(x, (lrk_dd){y, 0.0});
}

static int is_whole(double x)
{
    return magnitude(x) >= 0x1p52 || x == lrk_round(x);
}

/* Powers by multiplication. */
static int is_low(double power)
{
    return power <= 4.0 && is_whole(power);
}

/* log2 of x > 0 in two parts, the second one to 2^-54. */
static lrk_dd quick_log2(double x)
{
    double exponent, z = lrk_mantissa(x, &exponent);
    if (z > 0x1.6a09e667f3bcdp+0) { /* sqrt 2 */
        z *= 0.5;
        exponent += 1.0;
    }
    const double s = (z - 1.0) / (z + 1.0), square = s * s;
    double sum = 0.0;
    for (int k = 11; k > 0; --k) sum = square * (sum + lrk_odd_reciprocals[k].hi);
    return (lrk_dd){exponent, LRK_LOG2_S1_HI * (s + s * sum)};
}

static double to_power(double value, double power)
{
    const double size = magnitude(value);
    if (is_low(power)) {
        double product = value;
        for (int k = 1; k < (int)power; ++k) product *= value;
        return product;
    }
    if (value < 0.0 && !is_whole(power)) return NAN;
    if (size == 0.0 || size == INFINITY) return size;
    const lrk_dd log2 = power <= 4.0 ? quick_log2(size) : lrk_dd_log2(size);
    const lrk_dd whole = lrk_two_product(log2.hi, power);
    const double found = power_of_2(lrk_two_sum(whole.hi, whole.lo + log2.lo * power));
    return value < 0.0 && !is_whole(0.5 * power) ? -found : found;
}

/* ln(1 - x), relative to its value: by the series of artanh where x is small. */
static double log_of_rest(double x)
{
    const lrk_dd rest = lrk_two_sum(1.0, -x);
    if (!(rest.hi > 0.0)) return NAN;
    if (magnitude(x) > 0.25) {
        const lrk_dd log2 = lrk_dd_log2(rest.hi);
        return (log2.hi * LRK_LN2_HI + (log2.lo * LRK_LN2_HI + log2.hi * LRK_LN2_LO)) + rest.lo / rest.hi;
    }
    const double s = x / (2.0 - x), square = s * s;
    double sum = 0.0;
    for (int k = 11; k > 0; --k) sum = square * (sum + lrk_odd_reciprocals[k].hi);
    return -2.0 * (s + s * sum);
}

static double term_of(const lrk_terms *terms, double value)
{
    return terms->shrink == 0.0 ? to_power(value, terms->power) : log_of_rest(terms->shrink * value);
}

/* ---- panels ---- */

static void begin_walk(lrk_walk *w, const lrk_part *part, int64_t start, int64_t stop, int grade)
{
    w->part = *part;
    w->at = w->piece_end = start;
    w->stop = stop;
    w->grade = grade;
    w->terms = NULL;
    w->gram.n = 0;
    w->depth = 0;
}

void lrk_walk_begin(lrk_walk *walk, const lrk_table *table, int64_t start, int64_t stop, int grade)
{
    const lrk_part part = {table, 0, table->root, {0, 0.0}};
    begin_walk(walk, &part, start, stop, grade);
}

/* A panel whose nodes are its own steps. */
static void each_step(const lrk_walk *w, int64_t n, lrk_panel *p)
{
    double sum = 0.0;
    p->first = w->at;
    p->count = p->nodes = (int32_t)n;
    for (int j = 0; j < n; ++j) {
        p->at[j] = j;
        p->weight[j] = 1.0;
        p->value[j] = w->flat && j > 0 ? p->value[0] : value_at(&w->part, w->at + j, 0.0);
        p->before[j] = sum;
        sum += p->value[j];
        p->drop[j] = j > 0 ? p->value[j] - p->value[j - 1] : 0.0;
    }
    if (w->part.clock.whole + w->at > 0) p->drop[0] = p->value[0] - value_at(&w->part, w->at - 1, 0.0);
    p->sum = sum;
}

/* z' of a place in the window. */
static double hahn_place(const lrk_walk *w, double steps)
{
    return (2.0 * steps) * w->per - 1.0;
}

static void window_drops(const lrk_walk *w, lrk_panel *p)
{
    for (int i = 0; i < p->nodes; ++i) {
        const double z = hahn_place(w, (double)(p->first - w->window) + p->at[i]);
        p->drop[i] = 2.0 * w->per * lrk_gram_hahn(w->fall, w->per2, z);
    }
}

/* Takes a polynomial for the steps from here to `end`. */
static int open_window(lrk_walk *w, int64_t end)
{
    const int64_t n = end - w->at;
    lrk_fit fit;
    w->window = w->at;
    w->window_end = end;
    w->smooth = n >= 48;
    if (!w->smooth) return 1;
    if (w->flat) {
        lrk_gram_make(&w->gram, n);
        fit.values[0] = value_at(&w->part, w->at, 0.0);
        for (int k = 0; k < LRK_NODES; ++k) {
            fit.values[k] = fit.values[0];
            fit.c[k] = k == 0 ? fit.values[0] : 0.0;
        }
    } else {
        fit_steps(&w->gram, &w->part, w->at, n, w->grade & LRK_ONLY_SUM, &fit);
        if (!fit.smooth && fit.size < INFINITY) return 0;
    }
    for (int k = 0; k < LRK_NODES; ++k) {
        w->values[k] = fit.values[k];
        w->c[k] = fit.c[k];
        w->fall[k] = fit.c[k] * k;
    }
    w->per = w->gram.per;
    w->per2 = w->gram.per2;
    return 1;
}

/* The same for all steps that follow from here, whether they are asked for or not. */
static void open_widest(lrk_walk *w)
{
    int64_t end = w->limit;
    while (!open_window(w, end)) end = w->at + (end - w->at) / 2;
}

#define LRK_EVENNESS 4.0

static int is_even(const lrk_panel *p)
{
    double low = INFINITY, high = 0.0;
    for (int i = 0; i < p->nodes; ++i) {
        const double size = magnitude(p->value[i]);
        if ((p->value[i] < 0.0) != (p->value[0] < 0.0)) return 0;
        low = size < low ? size : low;
        high = size > high ? size : high;
    }
    return high <= LRK_EVENNESS * low + LRK_LEAST;
}

/* The terms of a panel, and whether its rule is exact for them. */
static int terms_are_resolved(lrk_walk *w, const lrk_panel *p)
{
    double c[LRK_NODES], size = 0.0, tail;
    for (int i = 0; i < LRK_NODES; ++i) {
        w->term[i] = term_of(w->terms, p->value[i]);
        if (!(magnitude(w->term[i]) < INFINITY)) return 1;
        size = magnitude(w->term[i]) > size ? magnitude(w->term[i]) : size;
    }
    lrk_gram_fit(&w->gram, w->term, c);
    return is_resolved(c, size, 1, &tail);
}

/* A panel of n >= 48 steps in a window; 0 where it is to be divided. */
static int gauss_panel(lrk_walk *w, int64_t n, lrk_panel *p)
{
    lrk_gram *g = &w->gram;
    double c[LRK_NODES], sum = 0.0;
    const int all = w->at == w->window && w->at + n == w->window_end;
    lrk_gram_make(g, n);
    p->first = w->at;
    p->count = n;
    p->nodes = LRK_NODES;
    for (int i = 0; i < LRK_NODES; ++i) {
        p->at[i] = node_at(g, i);
        p->weight[i] = g->weight[i] * g->count;
        p->value[i] = all || w->flat ? w->values[i] : value_at(&w->part, w->at, p->at[i]);
        sum += g->weight[i] * p->value[i];
    }
    if ((w->grade & LRK_EVEN) && !w->flat && !is_even(p)) return 0;
    if (w->terms != NULL && !w->flat && !terms_are_resolved(w, p)) return 0;
    p->sum = sum * g->count;
    if (w->grade & LRK_ONLY_SUM) return 1;
    if (all || w->flat) {
        for (int k = 0; k < LRK_NODES; ++k) c[k] = w->c[k];
    } else {
        lrk_gram_fit(g, p->value, c);
    }
    for (int k = 1; k < LRK_NODES; ++k) c[k] /= k + 1.0;
    for (int i = 0; i < LRK_NODES; ++i) {
        const double z = g->node[i] - g->per, left = g->count - p->at[i];
        p->before[i] = p->at[i] * (c[0] - 2.0 * left * g->per * lrk_gram_hahn(c, g->per2, z));
    }
    window_drops(w, p);
    return 1;
}

static int is_graded(const lrk_walk *w, int64_t end)
{
    const int64_t n = end - w->at, left = w->stop - end;
    if (w->grade & LRK_NEAR_STOP) return n <= left;
    return !(w->grade & LRK_TOWARDS_STOP) || n / 2 <= left;
}

int lrk_walk_next(lrk_walk *w, lrk_panel *p)
{
    if (w->at >= w->stop) return 0;
    if (w->at == w->piece_end) { /* the first step is apart: its value may not follow from the ones before */
        const lrk_part here = later_part(w->part, w->at);
        const lrk_run run = run_of(&here, (w->grade & LRK_WIDE ? INT64_MAX - w->part.clock.whole : w->stop) - w->at);
        const int once = run.flat && (w->grade & LRK_FLAT_ONCE);
        w->limit = w->at + run.steps;
        w->piece_end = w->limit < w->stop ? w->limit : w->stop;
        const int64_t steps = w->piece_end - w->at, n = run.steps <= LRK_NODES && !once ? steps : 1;
        w->flat = run.flat;
        each_step(w, n, p);
        if (once) {
            w->at = w->piece_end;
            p->count = steps;
            p->weight[0] = (double)steps;
            p->sum = p->value[0] * p->weight[0];
            return 1;
        }
        w->at += n;
        w->window_end = w->at;
        w->ends[0] = w->piece_end;
        w->depth = w->at < w->piece_end;
        return 1;
    }
    for (;;) {
        const int64_t end = w->ends[w->depth - 1], n = end - w->at;
        int64_t cut = w->at + n / 2;
        if (w->at >= w->window_end && (w->grade & LRK_WIDE)) open_widest(w);
        if (w->at >= w->window_end && !open_window(w, end)) {
            w->window_end = w->at;
        } else if (end > w->window_end) {
            cut = w->window_end;
        } else if (n <= LRK_NODES) {
            each_step(w, n, p);
            if (w->smooth) window_drops(w, p);
            break;
        } else if (n < 48) {
            cut = w->at + LRK_NODES;
        } else if (is_graded(w, end) && gauss_panel(w, n, p)) {
            break;
        }
        w->ends[w->depth++] = cut;
    }
    w->at += p->count;
    --w->depth;
    return 1;
}

int64_t lrk_panels(
    const lrk_table *table, int64_t start, int64_t stop, int towards_stop, lrk_panel *panels, int64_t room)
{
    lrk_walk walk;
    lrk_panel spare;
    int64_t count = 0;
    lrk_walk_begin(&walk, table, start, stop, towards_stop ? LRK_TOWARDS_STOP : LRK_PLAIN);
    while (lrk_walk_next(&walk, count < room ? panels + count : &spare)) ++count;
    return count;
}

static int is_plain(const lrk_terms *terms)
{
    return terms->power == 1.0 && terms->shrink == 0.0;
}

static void add(lrk_dd *sum, double x)
{
    const lrk_dd next = lrk_two_sum(sum->hi, x);
    *sum = (lrk_dd){next.hi, next.hi - next.hi == 0.0 ? sum->lo + next.lo : 0.0};
}

static void add_times(lrk_dd *sum, lrk_dd x, double k)
{
    add(sum, x.hi * k);
    if (magnitude(x.hi) < 0x1p900 && magnitude(k) < 0x1p60) add(sum, lrk_two_product(x.hi, k).lo + x.lo * k);
}

/* ---- arrays ---- */

int64_t lrk_tree_room(int64_t count)
{
    int64_t room = 0;
    while (count >= LRK_BRANCHES) room += count /= LRK_BRANCHES;
    return room;
}

void lrk_tree_make(lrk_tree *tree, const double *values, int64_t count, double *memory)
{
    tree->levels = 1;
    tree->level[0] = values;
    for (count /= LRK_BRANCHES; count > 0; count /= LRK_BRANCHES) {
        const double *below = tree->level[tree->levels - 1];
        for (int64_t j = 0; j < count; ++j) {
            lrk_dd sum = {0.0, 0.0};
            for (int k = 0; k < LRK_BRANCHES; ++k) add(&sum, below[j * LRK_BRANCHES + k]);
            memory[j] = sum.hi + sum.lo;
        }
        tree->level[tree->levels++] = memory;
        memory += count;
    }
}

static void add_values(lrk_dd *sum, const lrk_terms *terms, const double *values, int64_t from, int64_t to)
{
    if (terms->tree == NULL || !is_plain(terms)) {
        for (; from < to; ++from) add(sum, term_of(terms, values[from]));
        return;
    }
    for (int k = 0; from < to; ++k) {
        const double *level = terms->tree->level[k];
        const int top = k + 1 == terms->tree->levels;
        while (from < to && (top || from % LRK_BRANCHES != 0)) add(sum, level[from++]);
        while (from < to && to % LRK_BRANCHES != 0) add(sum, level[--to]);
        from /= LRK_BRANCHES;
        to /= LRK_BRANCHES;
    }
}

/* ---- sums of terms ---- */

static lrk_dd sum_rows(const lrk_terms *terms, lrk_part part, int64_t n);

/* start + start ratio + ..., n terms, by log2 of the ratio; counted from the larger end. */
static double growth_sum(double first, double last, lrk_dd log2_ratio, double n)
{
    if (log2_ratio.hi == 0.0) return first * n;
    const double from = log2_ratio.hi < 0.0 ? first : last;
    const lrk_dd rate = log2_ratio.hi < 0.0 ? log2_ratio : (lrk_dd){-log2_ratio.hi, -log2_ratio.lo};
    return from * (power_less_1(times(rate, n)) / power_less_1(rate));
}

/* log2 of what a step multiplies the value of an exponential or a geometric row by. */
static lrk_dd growth_rate(const lrk_segment *s)
{
    if (s->shape == SHAPE_exponential) return lrk_dd_divide(lrk_dd_log2(s->param), (lrk_dd){s->every, 0.0});
    const lrk_dd from = lrk_dd_log2(magnitude(s->start)), to = lrk_dd_log2(magnitude(s->stop));
    return lrk_dd_divide(lrk_dd_add(to, (lrk_dd){-from.hi, -from.lo}), (lrk_dd){s->span, 0.0});
}

/* n stairs, from the k-th on, that all last as many whole steps; their number is cut where others follow. */
static lrk_dd sum_stairs(const lrk_terms *terms, const lrk_part *row, const lrk_segment *s, lrk_stair k, int64_t *n)
{
    lrk_dd sum = {0.0, 0.0};
    if (s->shape == SHAPE_epoch) return sum_rows(terms, child_of(row->table, s, 0, epoch_clock(k)), *n);
    if (s->shape == SHAPE_values) {
        const int64_t left = s->count[0] - k.low;
        if (*n > left) *n = left;
        add_values(&sum, terms, row->table->values, s->child[0] + k.low, s->child[0] + k.low + *n);
        return sum;
    }
    const double first = value_at(row, 0, 0.0), last = value_at(row, (*n - 1) * (int64_t)s->every, 0.0);
    if (terms->shrink == 0.0) {
        const lrk_dd rate = times(lrk_dd_log2(s->param), terms->power);
        add(&sum, growth_sum(term_of(terms, first), term_of(terms, last), rate, (double)*n));
        return sum;
    }
    if (*n > LRK_NODES) *n = LRK_NODES;
    for (int64_t j = 0; j < *n; ++j) add(&sum, term_of(terms, value_at(row, j * (int64_t)s->every, 0.0)));
    return sum;
}

static int is_in_whole_steps(const lrk_segment *s)
{
    return s->every < 0x1p53 && s->every == (double)(int64_t)s->every;
}

static void add_stairs(lrk_dd *sum, const lrk_terms *terms, lrk_part row, const lrk_segment *s, int64_t n)
{
    const int whole = is_in_whole_steps(s);
    const int64_t every = whole ? (int64_t)s->every : 1;
    while (n > 0) {
        lrk_clock rest;
        const lrk_place place = place_row(s, row.clock.part);
        const lrk_clock clock = local_clock(&place, row.clock.whole);
        const lrk_stair k = divide_clock(clock, s->every, &rest);
        int64_t run = n;
        if (!is_last_stair(s, k, value_at(&row, 0, 0.0))) {
            if (whole && rest.whole == 0 && n / every > 1) {
                int64_t stairs = n / every;
                const lrk_dd found = sum_stairs(terms, &row, s, k, &stairs);
                add_times(sum, found, (double)every);
                n -= stairs * every;
                if (n > 0) row.clock.whole += stairs * every;
                continue;
            }
            run = stair_run(clock, s->every, k, rest, n);
        }
        add_times(sum, (lrk_dd){term_of(terms, value_at(&row, 0, 0.0)), 0.0}, (double)run);
        n -= run;
        if (n > 0) row.clock.whole += run;
    }
}

static void add_cycles(lrk_dd *sum, const lrk_terms *terms, const lrk_part *row, const lrk_segment *s, int64_t n)
{
    const int whole = is_in_whole_steps(s);
    const lrk_place place = place_row(s, row->clock.part);
    lrk_clock clock = local_clock(&place, row->clock.whole);
    while (n > 0) {
        lrk_clock rest;
        const lrk_stair k = divide_clock(clock, s->every, &rest);
        const int64_t run = stair_run(clock, s->every, k, rest, n);
        const int64_t cycles = whole && rest.whole == 0 && n >= (int64_t)s->every ? n / (int64_t)s->every : 1;
        add_times(sum, sum_rows(terms, child_of(row->table, s, 0, rest), run), (double)cycles);
        n -= cycles * run;
        if (n > 0) clock.whole += cycles * run;
    }
}

/* By panels, whatever the row is. */
static void add_panels(lrk_dd *sum, const lrk_terms *terms, const lrk_part *row, int64_t n)
{
    lrk_walk walk;
    lrk_panel panel;
    begin_walk(&walk, row, 0, n, LRK_FLAT_ONCE | (is_plain(terms) ? LRK_ONLY_SUM : LRK_PLAIN));
    if (!is_plain(terms)) walk.terms = terms;
    while (lrk_walk_next(&walk, &panel)) {
        const int gauss = panel.count > panel.nodes;
        if (is_plain(terms)) {
            add(sum, panel.sum);
        } else if (walk.flat) {
            add_times(sum, (lrk_dd){term_of(terms, panel.value[0]), 0.0}, (double)panel.count);
        } else {
            for (int i = 0; i < panel.nodes; ++i)
                add(sum, panel.weight[i] * (gauss ? walk.term[i] : term_of(terms, panel.value[i])));
        }
    }
}

/* The value in the middle of n steps. */
static double middle_of(const lrk_part *row, int64_t n)
{
    return value_at(row, (n - 1) / 2, n % 2 == 0 ? 0.5 : 0.0);
}

/* n steps of one row, `row` being that one. */
static void add_row(lrk_dd *sum, const lrk_terms *terms, const lrk_part *row, int64_t n)
{
    const lrk_table *t = row->table;
    const lrk_segment *s = t->segments + row->first;
    const int plain = is_plain(terms);
    if (s->shape <= SHAPE_hold) {
        add_times(sum, (lrk_dd){term_of(terms, s->start), 0.0}, (double)n);
        return;
    }
    if (kinds[s->shape] == STAIR || s->shape == SHAPE_epoch) {
        add_stairs(sum, terms, *row, s, n);
        return;
    }
    if (s->shape == SHAPE_repeat) {
        add_cycles(sum, terms, row, s, n);
        return;
    }
    if ((s->shape == SHAPE_exponential || s->shape == SHAPE_geometric) && terms->shrink == 0.0) {
        const double first = term_of(terms, value_at(row, 0, 0.0)), last = term_of(terms, value_at(row, n - 1, 0.0));
        add(sum, growth_sum(first, last, times(growth_rate(s), terms->power), (double)n));
        return;
    }
    if (s->shape == SHAPE_linear && plain) {
        add_times(sum, (lrk_dd){middle_of(row, n), 0.0}, (double)n);
        return;
    }
    if (kinds[s->shape] == NODE) {
        const lrk_place place = place_row(s, row->clock.part);
        lrk_part child = child_of(t, s, 0, local_clock(&place, row->clock.whole));
        const int scales = s->shape == SHAPE_scale || s->shape == SHAPE_divide;
        if (scales && terms->shrink == 0.0 && (s->stop > 0.0 || is_whole(terms->power))) {
            const double factor = to_power(s->stop, terms->power);
            const lrk_dd found = sum_rows(terms, child, n);
            if (s->shape == SHAPE_scale) {
                add_times(sum, found, factor);
            } else {
                add(sum, (found.hi + found.lo) / factor);
            }
            return;
        }
        if (s->shape == SHAPE_offset && plain) {
            const lrk_dd found = sum_rows(terms, child, n);
            add(sum, found.hi);
            add(sum, found.lo);
            add_times(sum, (lrk_dd){s->stop, 0.0}, (double)n);
            return;
        }
        if (s->shape == SHAPE_skip) {
            child.clock = later_clock(child.clock, s->every);
            const int64_t after = INT64_MAX - child.clock.whole, run = n - 1 < after ? n : after + 1;
            const lrk_dd found = sum_rows(terms, child, run);
            add(sum, found.hi);
            add(sum, found.lo);
            if (run < n) {
                child.clock.whole = INT64_MAX;
                add_times(sum, (lrk_dd){term_of(terms, value_at(&child, 0, 0.0)), 0.0}, (double)(n - run));
            }
            return;
        }
    }
    add_panels(sum, terms, row, n);
}

static lrk_dd sum_rows(const lrk_terms *terms, lrk_part part, int64_t n)
{
    const lrk_segment *rows = part.table->segments + part.first, *s = rows + locate(rows, part.rows, part.clock);
    lrk_dd sum = {0.0, 0.0};
    for (; n > 0; ++s) {
        int64_t run = n;
        if (s + 1 < rows + part.rows) {
            const int64_t left = place_row(s + 1, part.clock.part).first - part.clock.whole;
            if (left <= 0) continue;
            run = n < left ? n : left;
        }
        const lrk_part row = {part.table, s - part.table->segments, 1, part.clock};
        add_row(&sum, terms, &row, run);
        n -= run;
        if (n > 0) part.clock.whole += run;
    }
    return sum;
}

static lrk_part whole_table(const lrk_table *table, int64_t start)
{
    return (lrk_part){table, 0, table->root, {start, 0.0}};
}

static double rounded(lrk_dd sum)
{
    return sum.hi - sum.hi == 0.0 ? sum.hi + sum.lo : sum.hi;
}

double lrk_sum_with(const lrk_table *table, const lrk_tree *tree, int64_t start, int64_t count, double power)
{
    const lrk_terms terms = {power, 0.0, tree};
    return rounded(sum_rows(&terms, whole_table(table, start), count));
}

double lrk_sum(const lrk_table *table, int64_t start, int64_t stop)
{
    return lrk_sum_with(table, NULL, start, stop - start, 1.0);
}

double lrk_log_shrink(const lrk_table *table, int64_t start, int64_t count, double weight_decay)
{
    const lrk_terms terms = {1.0, weight_decay, NULL};
    return weight_decay == 0.0 ? 0.0 : rounded(sum_rows(&terms, whole_table(table, start), count));
}

/* ---- sums with a memory ---- */

/* Steps after which decay^k is nothing beside any float64. */
static int64_t forgotten(lrk_dd log2_decay, int64_t steps)
{
    const double most = -2200.0 / log2_decay.hi;
    return most < (double)steps ? (int64_t)most : steps;
}

/* decay^left + decay^(left - 1) + ..., n terms. */
static double decays(lrk_dd rate, double per, double left, double n)
{
    return power_of_2(times(rate, left - (n - 1.0))) * (power_less_1(times(rate, n)) * per);
}

double lrk_discounted(const lrk_table *table, int64_t last, double decay)
{
    const lrk_dd rate = lrk_dd_log2(decay);
    const double per = 1.0 / power_less_1(rate);
    const int64_t stop = last < INT64_MAX ? last + 1 : last;
    lrk_dd sum = {0.0, 0.0};
    lrk_walk walk;
    lrk_panel p;
    lrk_walk_begin(&walk, table, stop - forgotten(rate, stop), stop, LRK_NEAR_STOP | LRK_FLAT_ONCE);
    while (lrk_walk_next(&walk, &p)) {
        const double left = (double)(stop - 1 - p.first);
        if (walk.flat) {
            add(&sum, p.value[0] * decays(rate, per, left, (double)p.count));
            continue;
        }
        for (int i = 0; i < p.nodes; ++i) {
            add(&sum, p.weight[i] * p.value[i] * power_of_2(times(rate, left - p.at[i])));
        }
    }
    return rounded(sum);
}

#define LRK_FALLS_COUNT 64.0

/* By the definition, and in the falls lr_(k-1) - lr_k of single steps, which count 1 + decay + ... + decay^(t-k) times.
   The first one cancels where the curve has hardly fallen, the second one where it came back to where it began; the one
   whose terms are smaller is taken, differences counting for more, which come from the derivatives of polynomials. */
double lrk_annealing_area(const lrk_table *table, int64_t last, double decay)
{
    const lrk_dd rate = lrk_dd_log2(decay);
    const double per = 1.0 / power_less_1(rate), from = lrk_at(table, 0);
    const int64_t stop = last < INT64_MAX ? last + 1 : last;
    lrk_dd sum = {0.0, 0.0}, falls = {0.0, 0.0};
    double terms = 0.0, fall_terms = 0.0;
    lrk_walk walk;
    lrk_panel p;
    lrk_walk_begin(&walk, table, 0, stop, LRK_NEAR_STOP | LRK_FLAT_ONCE | LRK_WIDE);
    while (lrk_walk_next(&walk, &p)) {
        const double left = (double)(stop - 1 - p.first);
        for (int i = 0; i < p.nodes; ++i) {
            const double times_seen = walk.flat ? 1.0 : p.weight[i];
            const double weight = walk.flat ? decays(rate, per, left, p.weight[i])
                                            : p.weight[i] * power_of_2(times(rate, left - p.at[i]));
            add(&sum, weight * (from - p.value[i]));
            terms += weight * (magnitude(from) + magnitude(p.value[i]));
            if (p.drop[i] == 0.0) continue;
            const double fall = -times_seen * p.drop[i] * (power_less_1(times(rate, left + 1.0 - p.at[i])) * per);
            add(&falls, fall);
            fall_terms += magnitude(fall);
        }
    }
    return rounded(terms <= LRK_FALLS_COUNT * fall_terms ? sum : falls);
}

/* ---- the range of values ---- */

typedef struct lrk_range {
    double low, high;
} lrk_range;

static lrk_range range_rows(lrk_part part, int64_t n);

static void widen(lrk_range *r, double low, double high)
{
    r->low = low < r->low ? low : r->low;
    r->high = high > r->high ? high : r->high;
}

static lrk_range between(double a, double b)
{
    return a <= b ? (lrk_range){a, b} : (lrk_range){b, a};
}

static lrk_range panels_range(const lrk_part *row, int64_t n)
{
    lrk_range r = {INFINITY, -INFINITY};
    lrk_walk walk;
    lrk_panel p;
    begin_walk(&walk, row, 0, n, LRK_EVEN);
    while (lrk_walk_next(&walk, &p))
        for (int i = 0; i < p.nodes; ++i) widen(&r, p.value[i], p.value[i]);
    const double last = value_at(row, n - 1, 0.0);
    widen(&r, last, last);
    return r;
}

static lrk_range stairs_range(const lrk_part *row, const lrk_segment *s, lrk_clock clock, int64_t n)
{
    lrk_clock rest;
    const lrk_stair first = divide_clock(clock, s->every, &rest);
    clock.whole += n - 1;
    const lrk_stair last = divide_clock(clock, s->every, &rest);
    const double from = value_at(row, 0, 0.0), to = value_at(row, n - 1, 0.0);
    lrk_range r = between(from, to);
    if (s->shape == SHAPE_epoch) {
        const lrk_clock begin = epoch_clock(first), end = epoch_clock(last);
        const int64_t more = end.whole - begin.whole;
        return range_rows(child_of(row->table, s, 0, begin), more < INT64_MAX ? more + 1 : more);
    }
    for (int64_t k = first.low; s->shape == SHAPE_values && first.high == 0.0 && k < s->count[0]; ++k) {
        if (last.high == 0.0 && k > last.low) break;
        const double value = row->table->values[s->child[0] + k];
        widen(&r, value, value);
    }
    return r;
}

static lrk_range row_range(const lrk_part *row, int64_t n)
{
    const lrk_segment *s = row->table->segments + row->first;
    if (s->shape <= SHAPE_hold) return (lrk_range){s->start, s->start};
    if (kinds[s->shape] <= SERIES) {
        if (s->shape == SHAPE_custom || (s->shape == SHAPE_cosine_cycles && s->start * s->stop < 0.0))
            return panels_range(row, n);
        return s->shape == SHAPE_cosine_cycles ? between(s->start, s->stop)
                                               : between(value_at(row, 0, 0.0), value_at(row, n - 1, 0.0));
    }
    const lrk_place place = place_row(s, row->clock.part);
    lrk_part child = child_of(row->table, s, 0, local_clock(&place, row->clock.whole));
    if (kinds[s->shape] == STAIR || s->shape == SHAPE_epoch) return stairs_range(row, s, child.clock, n);
    if (s->shape == SHAPE_repeat && s->every < 0x1p62 && n > (int64_t)s->every) {
        child.clock = (lrk_clock){0, 0.0};
        return range_rows(child, (int64_t)s->every + ((double)(int64_t)s->every < s->every));
    }
    if (s->shape == SHAPE_repeat) {
        lrk_range r = {INFINITY, -INFINITY};
        while (n > 0) { /* two cycles at most */
            lrk_part cycle = child;
            const lrk_stair k = divide_clock(child.clock, s->every, &cycle.clock);
            const int64_t run = stair_run(child.clock, s->every, k, cycle.clock, n);
            const lrk_range found = range_rows(cycle, run);
            widen(&r, found.low, found.high);
            n -= run;
            if (n > 0) child.clock.whole += run;
        }
        return r;
    }
    if (s->shape == SHAPE_skip) {
        child.clock = later_clock(child.clock, s->every);
        const int64_t after = INT64_MAX - child.clock.whole;
        return range_rows(child, n - 1 < after ? n : after + 1);
    }
    lrk_range r = range_rows(child, n);
    if (s->shape == SHAPE_scale) return between(r.low * s->stop, r.high * s->stop);
    if (s->shape == SHAPE_divide) return between(r.low / s->stop, r.high / s->stop);
    if (s->shape == SHAPE_offset) return (lrk_range){r.low + s->stop, r.high + s->stop};
    if (s->shape == SHAPE_clip) {
        return (lrk_range){lrk_clamp(r.low, s->start, s->stop), lrk_clamp(r.high, s->start, s->stop)};
    }
    const lrk_range other = range_rows(child_of(row->table, s, 1, child.clock), n);
    if ((r.low < 0.0 && r.high > 0.0) || (other.low < 0.0 && other.high > 0.0)) return panels_range(row, n);
    lrk_range product = between(r.low * other.low, r.high * other.high);
    widen(&product, r.low * other.high, r.low * other.high);
    widen(&product, r.high * other.low, r.high * other.low);
    return product;
}

static lrk_range range_rows(lrk_part part, int64_t n)
{
    const lrk_segment *rows = part.table->segments + part.first, *s = rows + locate(rows, part.rows, part.clock);
    lrk_range r = {INFINITY, -INFINITY};
    for (; n > 0; ++s) {
        int64_t run = n;
        if (s + 1 < rows + part.rows) {
            const int64_t left = place_row(s + 1, part.clock.part).first - part.clock.whole;
            if (left <= 0) continue;
            run = n < left ? n : left;
        }
        const lrk_part row = {part.table, s - part.table->segments, 1, part.clock};
        const lrk_range found = row_range(&row, run);
        widen(&r, found.low, found.high);
        n -= run;
        if (n > 0) part.clock.whole += run;
    }
    return r;
}

void lrk_extremes(const lrk_table *table, int64_t start, int64_t count, double *low, double *high)
{
    const lrk_range r = range_rows(whole_table(table, start), count);
    *low = r.low;
    *high = r.high;
}

/* ---- charts ---- */

/* Whether the sum of a row multiplies stairs or cycles, of which there may be any number. */
static int multiplies(const lrk_table *t, const lrk_segment *s)
{
    if (s->shape <= SHAPE_hold || kinds[s->shape] < STAIR) return 0;
    if (kinds[s->shape] == STAIR || s->shape == SHAPE_epoch || s->shape == SHAPE_repeat) return is_in_whole_steps(s);
    if (s->shape == SHAPE_clip || s->shape == SHAPE_product) return 0;
    for (int64_t j = 0; j < s->count[0]; ++j)
        if (multiplies(t, t->segments + s->child[0] + j)) return 1;
    return 0;
}

static int has_custom(const lrk_table *t, const lrk_segment *s)
{
    if (kinds[s->shape] != NODE) return kinds[s->shape] == CALLED;
    for (int k = 0; k <= (s->shape == SHAPE_product); ++k)
        for (int64_t j = 0; j < s->count[k]; ++j)
            if (has_custom(t, t->segments + s->child[k] + j)) return 1;
    return 0;
}

static lrk_dd flat_sum(double value, double steps)
{
    return magnitude(value) < 0x1p900 ? lrk_two_product(value, steps) : (lrk_dd){value * steps, 0.0};
}

/* What a chart keeps of a panel. */
static void keep_panel(const lrk_walk *w, const lrk_panel *p, lrk_mark *m)
{
    m->nodes = p->nodes;
    if (w->flat) {
        m->kind = LRK_MARK_FLAT;
        m->a[0] = p->value[0];
        return;
    }
    m->kind = p->count == p->nodes ? LRK_MARK_STEPS : LRK_MARK_SERIES;
    if (m->kind == LRK_MARK_STEPS) {
        for (int i = 0; i < p->nodes; ++i) m->a[i] = p->value[i];
        return;
    }
    if (!(magnitude(p->sum) < INFINITY)) {
        m->kind = LRK_MARK_ROW;
        return;
    }
    m->per = w->gram.per;
    m->per2 = w->gram.per2;
    lrk_gram_fit(&w->gram, p->value, m->a);
    for (int k = 1; k < LRK_NODES; ++k) m->a[k] /= k + 1.0;
}

/* Where the marks of a row go: those without room are only counted. */
typedef struct lrk_marks {
    lrk_mark *next, spare;
    int64_t room, count;
} lrk_marks;

static lrk_mark *new_mark(lrk_marks *marks, int64_t first, int64_t count)
{
    lrk_mark *m = marks->count < marks->room ? marks->next + marks->count : &marks->spare;
    *m = (lrk_mark){.first = first, .count = count, .kind = LRK_MARK_ROW};
    ++marks->count;
    return m;
}

/* Pieces of `run` steps of a row that are summed anew each time. */
static void chart_pieces(int64_t row, int64_t from, int64_t to, int64_t run, lrk_marks *marks)
{
    for (; to - from > run; from += run) new_mark(marks, from, run)->row = row;
    new_mark(marks, from, to - from)->row = row;
}

/* Behind the panels of a row pieces of a 64th of their steps follow, up to so many times those. */
#define LRK_FURTHER 16

/* Marks of a row's panels as far as they are not too many to keep, and one of all the rest; that alone where sums
   multiply. The steps of `custom` are summed in as many pieces. */
static void chart_row(const lrk_table *t, int64_t row, int64_t from, int64_t to, lrk_marks *marks)
{
    const lrk_segment *s = t->segments + row;
    const int64_t n = to - from, most = marks->count + LRK_ROW_MARKS;
    lrk_part part = {t, row, 1, {from, 0.0}};
    lrk_walk walk;
    lrk_panel panel;
    int64_t done = 0;
    if (multiplies(t, s)) {
        new_mark(marks, from, n)->row = row;
        return;
    }
    if (has_custom(t, s) && n < INT64_C(1) << 40) {
        chart_pieces(row, from, to, n / LRK_ROW_MARKS < LRK_NODES ? LRK_NODES : n / LRK_ROW_MARKS + 1, marks);
        return;
    }
    begin_walk(&walk, &part, 0, n, LRK_EVEN | LRK_FLAT_ONCE);
    while (marks->count < most && lrk_walk_next(&walk, &panel)) {
        lrk_mark *m = new_mark(marks, from + panel.first, panel.count);
        m->row = row;
        m->total = walk.flat ? flat_sum(panel.value[0], (double)panel.count) : (lrk_dd){panel.sum, 0.0};
        keep_panel(&walk, &panel, m);
        done = panel.first + panel.count;
    }
    if (done == n) return;
    const int64_t further = (n - done) / LRK_FURTHER < done ? n - done : LRK_FURTHER * done;
    chart_pieces(row, from + done, from + done + further, done / 64 + 1, marks);
    if (done + further < n) new_mark(marks, from + done + further, n - done - further)->row = row;
}

int64_t lrk_chart_make(lrk_chart *chart, lrk_mark *marks, int64_t room)
{
    const lrk_table *t = &chart->table;
    const lrk_terms terms = {1.0, 0.0, chart->tree.levels > 0 ? &chart->tree : NULL};
    const int ends = t->segments[t->root - 1].shape == SHAPE_hold;
    lrk_dd sum = {0.0, 0.0};
    lrk_marks made = {.next = marks, .room = room};
    int64_t last = 0;
    for (int64_t row = 0; row < t->root; ++row) {
        const int64_t from = t->segments[row].first, to = row + 1 < t->root ? t->segments[row + 1].first : INT64_MAX;
        if (row + 1 == t->root) last = made.count;
        if (from < to) chart_row(t, row, from, to, &made);
    }
    const int64_t count = made.count;
    if (count > room) return count;
    chart->marks = marks;
    chart->count = count;
    for (int64_t j = 0; j < count; ++j) {
        lrk_mark *m = marks + j;
        if (m->kind == LRK_MARK_ROW && j < count - 1)
            m->total = sum_rows(&terms, (lrk_part){t, m->row, 1, {m->first, 0.0}}, m->count);
        m->before = sum;
        if (j < count - 1) {
            add(&sum, m->total.hi);
            add(&sum, m->total.lo);
        }
    }
    sum = (lrk_dd){0.0, 0.0};
    chart->end = ends && last < count ? marks[last].first : INT64_MAX;
    for (int64_t j = last - 1; ends && j >= 0; --j) {
        marks[j].after = sum;
        add(&sum, marks[j].total.hi);
        add(&sum, marks[j].total.lo);
    }
    return count;
}

/* The mark of a step, which is often that of the step asked for before. */
static const lrk_mark *mark_of(const lrk_chart *chart, int64_t step, int64_t *hint)
{
    const lrk_mark *marks = chart->marks;
    if (step >= marks[*hint].first && step - marks[*hint].first < marks[*hint].count) return marks + *hint;
    int64_t low = 0, high = chart->count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (marks[middle].first <= step) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *hint = low;
    return marks + low;
}

static lrk_dd part_of_row(const lrk_chart *chart, const lrk_mark *m, int64_t from, int64_t to)
{
    const lrk_terms terms = {1.0, 0.0, chart->tree.levels > 0 ? &chart->tree : NULL};
    return sum_rows(&terms, (lrk_part){&chart->table, m->row, 1, {m->first + from, 0.0}}, to - from);
}

/* The sum of a mark's first x steps, x >= 1. */
static lrk_dd first_steps(const lrk_chart *chart, const lrk_mark *m, int64_t steps)
{
    const double x = (double)steps;
    double sum = 0.0;
    if (m->kind == LRK_MARK_SERIES) {
        const double h = lrk_gram_hahn(m->a, m->per2, 2.0 * x * m->per - 1.0);
        return (lrk_dd){x * (m->a[0] - 2.0 * (double)(m->count - steps) * m->per * h), 0.0};
    }
    if (m->kind == LRK_MARK_FLAT) return flat_sum(m->a[0], x);
    if (m->kind == LRK_MARK_ROW) return part_of_row(chart, m, 0, steps);
    for (int64_t j = 0; j < steps; ++j) sum += m->a[j];
    return (lrk_dd){sum, 0.0};
}

/* The sum of those but the first x, x < count. */
static lrk_dd last_steps(const lrk_chart *chart, const lrk_mark *m, int64_t steps)
{
    const double x = (double)steps, left = (double)(m->count - steps);
    double sum = 0.0;
    if (m->kind == LRK_MARK_SERIES) {
        const double h = lrk_gram_hahn(m->a, m->per2, 2.0 * x * m->per - 1.0);
        return (lrk_dd){left * (m->a[0] + 2.0 * x * m->per * h), 0.0};
    }
    if (m->kind == LRK_MARK_FLAT) return flat_sum(m->a[0], left);
    if (m->kind == LRK_MARK_ROW) return part_of_row(chart, m, steps, m->count);
    for (int64_t j = m->count; j > steps; --j) sum += m->a[j - 1];
    return (lrk_dd){sum, 0.0};
}

static double joined(lrk_dd a, lrk_dd b)
{
    const lrk_dd sum = lrk_two_sum(a.hi, b.hi);
    return sum.hi - sum.hi == 0.0 ? sum.hi + (sum.lo + (a.lo + b.lo)) : sum.hi;
}

static double cumulative(const lrk_chart *chart, int64_t last, int64_t *hint)
{
    if (last < 0) return 0.0;
    if (last == INT64_MAX) return cumulative(chart, last - 1, hint) + lrk_at(&chart->table, last);
    const lrk_mark *m = mark_of(chart, last, hint);
    return joined(m->before, first_steps(chart, m, last - m->first + 1));
}

static double remaining(const lrk_chart *chart, int64_t step, int64_t *hint)
{
    if (step >= chart->end) return 0.0;
    const lrk_mark *m = mark_of(chart, step, hint);
    return joined(m->after, last_steps(chart, m, step - m->first));
}

double lrk_cumulative(const lrk_chart *chart, int64_t last)
{
    int64_t hint = 0;
    return cumulative(chart, last, &hint);
}

#define LRK_LANES 8

/* LRK_LANES sums at once where all are of one polynomial, else 0 and nothing is done: alone each waits for 28 operations
   one after the other, which took three times as long. The operations are those of first_steps and last_steps. */
static int lanes_of(const lrk_chart *chart, int what, const int64_t *steps, int64_t *hint, double *out)
{
    const int64_t less = what == LRK_SUM_BEFORE, more = what != LRK_SUM_FROM;
    if (steps[0] < less || (what == LRK_SUM_FROM && steps[0] >= chart->end)) return 0;
    const lrk_mark *m = mark_of(chart, steps[0] - less, hint);
    int64_t passed[LRK_LANES];
    double x[LRK_LANES], z[LRK_LANES], next[LRK_LANES], sum[LRK_LANES];
    if (m->kind != LRK_MARK_SERIES) return 0;
    for (int i = 0; i < LRK_LANES; ++i) {
        const uint64_t later = (uint64_t)steps[i] - (uint64_t)(m->first + less);
        if (later >= (uint64_t)m->count) return 0;
        passed[i] = (int64_t)later + more;
        x[i] = (double)passed[i];
        z[i] = 2.0 * x[i] * m->per - 1.0;
        next[i] = 0.0;
        sum[i] = m->a[LRK_NODES - 1];
    }
    for (int k = LRK_NODES - 3; k >= 0; --k) {
        const double a = m->a[k + 1], d = lrk_hahn[k + 1][0] - lrk_hahn[k + 1][1] * m->per2;
        for (int i = 0; i < LRK_LANES; ++i) {
            const double here = a + z[i] * sum[i] - d * next[i];
            next[i] = sum[i];
            sum[i] = here;
        }
    }
    for (int i = 0; i < LRK_LANES; ++i) {
        const double left = (double)(m->count - passed[i]);
        out[i] = more ? joined(m->before, (lrk_dd){x[i] * (m->a[0] - 2.0 * left * m->per * sum[i]), 0.0})
                      : joined(m->after, (lrk_dd){left * (m->a[0] + 2.0 * x[i] * m->per * sum[i]), 0.0});
    }
    return 1;
}

void lrk_sums_at(const lrk_chart *chart, int what, double decay, const int64_t *steps, int64_t count, double *out)
{
    const lrk_table *t = &chart->table;
    int64_t hint = 0;
    for (int64_t j = 0; j < count; ++j) {
        const int64_t step = steps[j];
        if (what <= LRK_SUM_FROM && count - j >= LRK_LANES && lanes_of(chart, what, steps + j, &hint, out + j)) {
            j += LRK_LANES - 1;
        } else if (what == LRK_SUM_TO || what == LRK_SUM_BEFORE) {
            out[j] = cumulative(chart, step - (what == LRK_SUM_BEFORE), &hint);
        } else if (what == LRK_SUM_FROM) {
            out[j] = remaining(chart, step, &hint);
        } else {
            out[j] = (what == LRK_SUM_DISCOUNTED ? lrk_discounted : lrk_annealing_area)(t, step, decay);
        }
    }
}
