/* panels.inc.c - where a schedule's formula changes, and the panels of what lies between; part of sums.c. */

/* ---- where one formula ends ---- */

typedef struct lrk_run {
    int64_t steps;
    int flat;
} lrk_run;

static lrk_run run_of(const lrk_part *part, int64_t n);

/* What the values of steps lie between, not always close to them. */
typedef struct lrk_range {
    double low, high;
} lrk_range;

static lrk_range range_rows(lrk_part part, int64_t n);

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

/* The one that has a step; looking for it again and again took 4 % of a loss. */
static lrk_part row_of(const lrk_part *part, int64_t step)
{
    const lrk_clock clock = {part->clock.whole + step, part->clock.part};
    const int64_t row = locate(part->table->segments + part->first, part->rows, clock);
    return (lrk_part){part->table, part->first + row, 1, part->clock};
}

static lrk_part child_of(const lrk_table *t, const lrk_segment *s, int k, lrk_clock clock)
{
    return (lrk_part){t, s->child[k], s->count[k], clock};
}

/* What `lrk_gram_fit` makes of n steps, and whether the value is that polynomial: the last coefficients are the noise
   of the values' own rounding, and it holds at both ends, where a value that is 0 at all nodes may not be 0. What the
   first step changes by is told by the step before it, which so is one of the ends, but for sums. */
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
    return lrk_gram_resolves(c, LRK_NOISE * size + LRK_LEAST, only_sum ? LRK_SUM_NOISE * size : -1.0, tail);
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
        const int64_t at = end ? n - 1 : only_sum ? 0 : -1;
        const double z = (2.0 * (double)at + 1.0) * g->per - 1.0;
        const double value = value_at(part, step + at, 0.0);
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
    const lrk_range range = range_rows(*child, run.steps);
    if (side_of(range.low, s->start, s->stop) == side && side_of(range.high, s->start, s->stop) == side)
        return (lrk_run){run.steps, side != 0};
    ends[0] = run.steps;
    g.n = 0;
    while (depth > 0 && !lrk_over(1)) {
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
    if (s->shape == SHAPE_epoch) { /* epochs of one value, all but the last */
        const double most = (double)n / s->every + 2.0;
        const lrk_part child = child_of(part->table, s, 0, epoch_clock(k));
        const int64_t left = INT64_MAX - child.clock.whole;
        lrk_run run = {0, 0};
        if (left > 0) run = run_of(&child, most < (double)left * 0.5 ? (int64_t)most : left);
        const double steps = ((double)run.steps - 1.0) * s->every - ((double)rest.whole + rest.part);
        if (run.flat && steps >= (double)n) return (lrk_run){n, 1};
        if (run.flat && steps * (1.0 - 0x1p-50) > 1.0) return (lrk_run){(int64_t)(steps * (1.0 - 0x1p-50)), 1};
    }
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
    const lrk_dd r = lrk_exp2_minus_1(lrk_two_sum(cut - k, lrk_clamp(x.lo, -1.0, 1.0)), 0);
    return lrk_scale(1.0 + r.hi, k);
}

/* 2^x - 1, relative to its value. */
static double power_less_1(lrk_dd x)
{
    return magnitude(x.hi) <= 0.5 ? lrk_exp2_minus_1(x, 0).hi : power_of_2(x) - 1.0;
}

static lrk_dd times(lrk_dd x, double y)
{
    return lrk_dd_multiply(x, (lrk_dd){y, 0.0}, 0);
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
    const lrk_dd whole = lrk_two_product(log2.hi, power, 0);
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
    w->start = w->at = w->piece_end = start;
    w->stop = stop;
    w->grade = grade;
    w->longest = INT64_MAX;
    w->terms = NULL;
    w->smooth = w->singular = 0;
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
    const int whole = w->part.first == 0 && w->part.rows == w->part.table->root && w->part.clock.part == 0.0;
    double sum = 0.0;
    p->first = w->at;
    p->count = p->nodes = (int32_t)n;
    if (whole && n > 1) { /* the same bits in less time */
        lrk_fill(w->part.table, w->part.clock.whole + w->at, 1, n, p->value, 1);
    } else {
        for (int j = 0; j < n; ++j) p->value[j] = w->flat && j > 0 ? p->value[0] : value_at(&w->row, w->at + j, 0.0);
    }
    for (int j = 0; j < n; ++j) {
        p->at[j] = j;
        p->weight[j] = 1.0;
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
    double z[LRK_NODES];
    if (p->nodes < LRK_NODES) {
        for (int i = 0; i < p->nodes; ++i) {
            const double place = hahn_place(w, (double)(p->first - w->window) + p->at[i]);
            p->drop[i] = 2.0 * w->per * lrk_gram_hahn(w->fall, w->per2, place);
        }
        return;
    }
    for (int i = 0; i < LRK_NODES; ++i) z[i] = hahn_place(w, (double)(p->first - w->window) + p->at[i]);
    lrk_gram_hahn_all(w->fall, w->per2, z, p->drop);
    for (int i = 0; i < LRK_NODES; ++i) p->drop[i] *= 2.0 * w->per;
}

/* Where a singular point is that these coefficients hardly fall for: -1 at the first steps, 1 at the last ones; 0
   where they do fall. The last coefficient is half of what the series would go on with. */
static int singular_end(const double *c)
{
    int same = 1, other = 1;
    for (int k = LRK_NODES - 6; k < LRK_NODES - 1; ++k) {
        same &= c[k] * c[k + 1] > 0.0;
        other &= c[k] * c[k + 1] < 0.0;
    }
    const double late = lrk_gram_top(LRK_NODES - 2) * c[LRK_NODES - 2];
    if (magnitude(late) < 0.2 * magnitude(lrk_gram_top(LRK_NODES - 6) * c[LRK_NODES - 6])) return 0;
    return same ? 1 : other ? -1 : 0;
}

#define LRK_CUTS 6

/* Cuts towards a singular point, so that all pieces but the one at that point are one polynomial: in halves three
   quarters of them were not. */
static int64_t grade(lrk_walk *w, int64_t end)
{
    const int sums = w->grade & LRK_ONLY_SUM, cuts = sums ? 2 : LRK_CUTS;
    const double ratio = sums ? 1.0 / 3.0 : 1.0 / 1.5;
    int64_t cut[LRK_CUTS];
    double length = (double)(end - w->at);
    for (int k = 0; k < cuts; ++k) {
        length *= ratio;
        cut[k] = w->singular < 0 ? w->at + (int64_t)length : end - (int64_t)length;
    }
    /* the nearest one last */
    for (int k = 1; k < cuts; ++k) w->ends[w->depth++] = cut[w->singular < 0 ? k - 1 : cuts - k];
    return cut[w->singular < 0 ? cuts - 1 : 0];
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
        fit.values[0] = value_at(&w->row, w->at, 0.0);
        for (int k = 0; k < LRK_NODES; ++k) {
            fit.values[k] = fit.values[0];
            fit.c[k] = k == 0 ? fit.values[0] : 0.0;
        }
    } else {
        fit_steps(&w->gram, &w->row, w->at, n, w->grade & LRK_ONLY_SUM, &fit);
        if (!fit.smooth && fit.size < INFINITY) {
            w->singular = singular_end(fit.c);
            return 0;
        }
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

/* What no magnitude between the nodes exceeds. */
static double magnitude_between(const lrk_gram *g, const double *values)
{
    double c[LRK_NODES], reach, top = 1.0;
    lrk_gram_fit(g, values, c);
    reach = magnitude(c[0]);
    for (int k = 1; k < LRK_NODES; ++k) {
        top *= k / (2.0 * k - 1.0);
        reach += top * magnitude(c[k]);
    }
    return reach;
}

/* The terms of a panel, and whether its rule is exact for them. High powers may be nothing at all nodes and much
   between them. */
static int terms_are_resolved(lrk_walk *w, const lrk_panel *p)
{
    double c[LRK_NODES], size = 0.0, tail;
    for (int i = 0; i < LRK_NODES; ++i) {
        w->term[i] = term_of(w->terms, p->value[i]);
        if (!(magnitude(w->term[i]) < INFINITY)) return 1;
        size = magnitude(w->term[i]) > size ? magnitude(w->term[i]) : size;
    }
    if (size <= LRK_LEAST && !(magnitude(term_of(w->terms, magnitude_between(&w->gram, p->value))) <= LRK_LEAST))
        return 0;
    lrk_gram_fit(&w->gram, w->term, c);
    return is_resolved(c, size, 1, &tail);
}

/* A panel of n >= 48 steps in a window; 0 where it is to be divided. */
static int gauss_panel(lrk_walk *w, int64_t n, lrk_panel *p)
{
    lrk_gram *g = &w->gram;
    double c[LRK_NODES], z[LRK_NODES], sum = 0.0;
    const int all = w->at == w->window && w->at + n == w->window_end;
    lrk_gram_make(g, n);
    p->first = w->at;
    p->count = n;
    p->nodes = LRK_NODES;
    for (int i = 0; i < LRK_NODES; ++i) {
        p->at[i] = node_at(g, i);
        p->weight[i] = g->weight[i] * g->count;
        p->value[i] = all || w->flat ? w->values[i] : value_at(&w->row, w->at, p->at[i]);
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
    for (int i = 0; i < LRK_NODES; ++i) z[i] = g->node[i] - g->per;
    lrk_gram_hahn_all(c, g->per2, z, p->before);
    for (int i = 0; i < LRK_NODES; ++i) {
        const double left = g->count - p->at[i];
        p->before[i] = p->at[i] * (c[0] - 2.0 * left * g->per * p->before[i]);
    }
    window_drops(w, p);
    return 1;
}

static int is_graded(const lrk_walk *w, int64_t end)
{
    const int64_t n = end - w->at, left = w->stop - end;
    if (n > w->longest) return 0;
    if (w->grade & LRK_NEAR_STOP) return n <= left;
    return !(w->grade & LRK_TOWARDS_STOP) || n / 2 <= left;
}

/* How far one formula reaches from here; whether it is that of the step before, too. */
static int begin_piece(lrk_walk *w)
{
    const lrk_part here = later_part(w->part, w->at), before = later_part(w->part, w->at - 1);
    const int64_t n = (w->grade & LRK_WIDE ? INT64_MAX - w->part.clock.whole : w->stop) - w->at;
    lrk_run run = {0, 0};
    if (w->at == w->start && w->at > 0 && n < INT64_MAX) run = run_of(&before, n + 1);
    const int inside = run.steps > 1;
    if (inside) {
        run.steps -= 1;
    } else {
        run = run_of(&here, n);
    }
    w->flat = run.flat;
    w->row = row_of(&w->part, w->at);
    w->limit = w->at + run.steps;
    w->piece_end = w->limit < w->stop ? w->limit : w->stop;
    return inside;
}

int lrk_walk_next(lrk_walk *w, lrk_panel *p)
{
    if (w->at >= w->stop || lrk_over(1)) return 0;
    if (w->at == w->piece_end) {
        const int inside = begin_piece(w);
        const int once = w->flat && (w->grade & LRK_FLAT_ONCE);
        const int64_t steps = w->piece_end - w->at, n = w->limit - w->at <= LRK_NODES && !once ? steps : 1;
        w->window_end = w->at;
        w->ends[0] = w->piece_end;
        w->depth = 1;
        if (once || !inside) { /* the first step is apart: its value may not follow from the ones before */
            each_step(w, n, p);
            if (once) {
                p->count = steps;
                p->weight[0] = (double)steps;
                p->sum = p->value[0] * p->weight[0];
            }
            w->at += p->count;
            w->window_end = w->at;
            w->depth = w->at < w->piece_end;
            return 1;
        }
    }
    for (;;) {
        const int64_t end = w->ends[w->depth - 1], n = end - w->at;
        int64_t cut = w->at + n / 2;
        if (w->at >= w->window_end && (w->grade & LRK_WIDE)) open_widest(w);
        if (w->at >= w->window_end && !open_window(w, end)) {
            w->window_end = w->at;
            if (w->singular != 0 && n >= 1024) cut = grade(w, end);
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
    if (magnitude(x.hi) < 0x1p900 && magnitude(k) < 0x1p60) add(sum, lrk_two_product(x.hi, k, 0).lo + x.lo * k);
}
