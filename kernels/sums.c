/* sums.c - what is summed by panels, and what is faster than by them. */
#include "atomic.h"
#include "charts.h"
#include "shapes.h"
#include "walk.h"
#include "waves.h"

#include <math.h> /* INFINITY */

#include "panels.inc.c"

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
        for (; from < to && !(from % LRK_BRANCHES == 0 && lrk_over(1)); ++from) add(sum, term_of(terms, values[from]));
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

/* ---- rows ---- */

typedef struct lrk_rows {
    lrk_part part;
    const lrk_segment *next;
    int64_t left;
} lrk_rows;

static lrk_rows rows_of(lrk_part part, int64_t n)
{
    const lrk_segment *rows = part.table->segments + part.first;
    return (lrk_rows){part, rows + locate(rows, part.rows, part.clock), n};
}

/* The next one with steps of its own, and how many; 0 at the end. */
static int64_t next_row(lrk_rows *r, lrk_part *row)
{
    const lrk_segment *first = r->part.table->segments, *end = first + r->part.first + r->part.rows;
    while (r->left > 0 && !lrk_over(1)) {
        const lrk_segment *s = r->next++;
        int64_t run = r->left;
        if (s + 1 < end) {
            const int64_t own = place_row(s + 1, r->part.clock.part).first - r->part.clock.whole;
            if (own <= 0) continue;
            run = own < run ? own : run;
        }
        *row = (lrk_part){r->part.table, s - first, 1, r->part.clock};
        r->left -= run;
        if (r->left > 0) r->part.clock.whole += run;
        return run;
    }
    return 0;
}

/* ---- sums of terms ---- */

static lrk_dd sum_rows(const lrk_terms *terms, lrk_part part, int64_t n);

/* start + start ratio + ..., n terms, by log2 of the ratio; counted from the larger end. */
static double growth_sum(double first, double last, lrk_dd log2_ratio, double n)
{
    if (log2_ratio.hi == 0.0) return first * n;
    const double from = magnitude(first) >= magnitude(last) ? first : last;
    const lrk_dd rate = log2_ratio.hi < 0.0 ? log2_ratio : (lrk_dd){-log2_ratio.hi, -log2_ratio.lo};
    if (!(rate.hi > -1100.0)) return from; /* what follows is 0, also where the rate is beyond float64 */
    return from * (power_less_1(times(rate, n)) / power_less_1(rate));
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

/* After how many whole steps a repeat is where it was; 0 for lengths of no few halves, quarters, ... of a step. */
static int64_t period_in_steps(const lrk_segment *s)
{
    double steps = s->every;
    for (int k = 0; k < 10 && steps < 0x1p53 && steps != (double)(int64_t)steps; ++k) steps *= 2.0;
    return steps < 0x1p53 && steps == (double)(int64_t)steps ? (int64_t)steps : 0;
}

static void add_stairs(lrk_dd *sum, const lrk_terms *terms, lrk_part row, const lrk_segment *s, int64_t n)
{
    const int whole = is_in_whole_steps(s);
    const int64_t every = whole ? (int64_t)s->every : 1;
    while (n > 0 && !lrk_over(1)) {
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
            run =
                s->shape == SHAPE_epoch ? stairs_run(&row, s, clock, n).steps : stair_run(clock, s->every, k, rest, n);
        }
        add_times(sum, (lrk_dd){term_of(terms, value_at(&row, 0, 0.0)), 0.0}, (double)run);
        n -= run;
        if (n > 0) row.clock.whole += run;
    }
}

static void add_cycles(lrk_dd *sum, const lrk_terms *terms, const lrk_part *row, const lrk_segment *s, int64_t n)
{
    const int whole = is_in_whole_steps(s);
    const int64_t period = period_in_steps(s);
    const lrk_place place = place_row(s, row->clock.part);
    lrk_clock clock = local_clock(&place, row->clock.whole);
    if (!whole && period > 0 && n / period > 1) {
        lrk_dd cycles = {0.0, 0.0};
        add_cycles(&cycles, terms, row, s, period);
        add_times(sum, cycles, (double)(n / period));
        const int64_t past = n / period * period;
        n -= past;
        if (n > 0) clock.whole += past;
    }
    while (n > 0 && !lrk_over(1)) {
        lrk_clock rest;
        const lrk_stair k = divide_clock(clock, s->every, &rest);
        const int64_t run = stair_run(clock, s->every, k, rest, n);
        const int64_t cycles = whole && rest.whole == 0 && n >= (int64_t)s->every ? n / (int64_t)s->every : 1;
        add_times(sum, sum_rows(terms, child_of(row->table, s, 0, rest), run), (double)cycles);
        n -= cycles * run;
        if (n > 0) clock.whole += cycles * run;
    }
}

/* ---- waves ---- */

/* sin and cos of pi x, |x| <= 1/2; the sine of small x relative. */
static void half_turn(lrk_dd x, double *sine, double *cosine)
{
    const double sign = x.hi < 0.0 ? -1.0 : 1.0;
    const lrk_dd half = {sign * x.hi, sign * x.lo};
    const double by_half = lrk_sine(half, 0).hi;
    *cosine = 1.0 - 2.0 * by_half * by_half;
    if (half.hi <= 0.25) {
        *sine = sign * lrk_sine((lrk_dd){2.0 * half.hi, 2.0 * half.lo}, 0).hi;
    } else {
        const double rest = lrk_sine(lrk_two_sum(0.5 - half.hi, -half.lo), 0).hi;
        *sine = sign * (1.0 - 2.0 * rest * rest);
    }
}

/* sin and cos of the k-fold phase at a step of the row's clock, `later` after it. */
static void phase_at(const lrk_segment *s, double k, int64_t whole, double later, double *sine, double *cosine)
{
    const int64_t low = whole & ((INT64_C(1) << 32) - 1);
    const lrk_dd t = lrk_two_sum((double)(whole - low), (double)low + later);
    const double turns = s->k[WAVE_TURNS];
    const lrk_dd times_k = lrk_two_product(k, t.hi, 0), passed = lrk_two_product(turns, times_k.hi, 0);
    const double nearest = lrk_round(passed.hi / s->span);
    const lrk_dd back = lrk_two_product(nearest, s->span, 0);
    const lrk_dd rest = lrk_two_sum(passed.hi - back.hi, passed.lo - back.lo);
    const lrk_dd left =
        lrk_two_sum(rest.hi, rest.lo + (turns * (times_k.lo + k * t.lo) - nearest * s->k[WAVE_SPAN_LOW]));
    half_turn(lrk_dd_divide(left, (lrk_dd){s->span, s->k[WAVE_SPAN_LOW]}), sine, cosine);
    if (nearest * 0.5 != lrk_round(nearest * 0.5)) {
        *sine = -*sine;
        *cosine = -*cosine;
    }
}

/* The sum over n steps of the cosine of the k-fold phase: Dirichlet's kernel. */
static double wave_sum(const lrk_segment *s, double k, lrk_clock clock, int64_t n)
{
    double whole, step, middle, unused;
    phase_at(s, k, 0, 0.5 * (double)n, &whole, &unused);
    phase_at(s, k, 0, 0.5, &step, &unused);
    phase_at(s, k, clock.whole + (n - 1) / 2, clock.part + (n % 2 == 0 ? 0.5 : 0.0), &unused, &middle);
    return middle * (whole / step);
}

/* Half waves from which on their sum is small beside that of the mean, so that nothing cancels. */
#define LRK_WAVES 16

/* n steps of a cosine with many cycles, to a low power; 0 where they are for panels. (M + A cos)^p is a sum of cosines
   of the phase's multiples, of which the highest must have two steps per wave at least. */
static int add_waves(lrk_dd *sum, const lrk_terms *terms, const lrk_part *row, const lrk_segment *s, int64_t n)
{
    const double turns = s->k[WAVE_TURNS], mean = 0.5 * s->start + 0.5 * s->stop, half = 0.5 * s->start - 0.5 * s->stop;
    const double size = to_power(magnitude(mean) + magnitude(half), terms->power);
    double c[6] = {1.0};
    if (!(turns * (double)n >= LRK_WAVES * s->span) || terms->power * turns > s->span) return 0;
    if (!(size > 0x1p-900 && size < 0x1p900)) return 0;
    for (int p = 0; p < (int)terms->power; ++p) {
        double before = 0.0;
        for (int k = 0; k <= p + 1; ++k) {
            const double here = c[k];
            c[k] = mean * here + half * ((k == 1 ? 1.0 : 0.5) * before + 0.5 * c[k + 1]);
            before = here;
        }
    }
    const lrk_place place = place_row(s, row->clock.part);
    const lrk_clock clock = local_clock(&place, row->clock.whole);
    add_times(sum, (lrk_dd){c[0], 0.0}, (double)n);
    for (int k = 1; k <= (int)terms->power; ++k) add(sum, c[k] * wave_sum(s, k, clock, n));
    return 1;
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

/* After how many whole steps the values of n steps come again; 0 where they may not. */
static int64_t period_of(const lrk_part *part, int64_t n)
{
    const lrk_segment *rows = part->table->segments + part->first, *s = rows + locate(rows, part->rows, part->clock);
    if (s + 1 < rows + part->rows && place_row(s + 1, part->clock.part).first - part->clock.whole < n) return 0;
    if (s->shape <= SHAPE_hold) return 1;
    if (kinds[s->shape] != NODE || s->shape == SHAPE_epoch) return 0;
    if (s->shape == SHAPE_repeat) return period_in_steps(s);
    const lrk_place place = place_row(s, part->clock.part);
    lrk_part child = child_of(part->table, s, 0, local_clock(&place, part->clock.whole));
    if (s->shape == SHAPE_skip) child.clock = later_clock(child.clock, s->every);
    if (child.clock.whole > INT64_MAX - n) return 0;
    const int64_t period = period_of(&child, n);
    if (s->shape != SHAPE_product || period == 0) return period;
    child = child_of(part->table, s, 1, child.clock);
    const int64_t other = period_of(&child, n);
    if (other == 0) return 0;
    return period % other == 0 ? period : other % period == 0 ? other : 0;
}

/* The value in the middle of n steps. */
static double middle_of(const lrk_part *row, int64_t n)
{
    return value_at(row, (n - 1) / 2, n % 2 == 0 ? 0.5 : 0.0);
}

/* ---- cycles times a curve ---- */

/* Cycles of a panel of the curve from which on their rule takes fewer values than they do. */
#define LRK_CYCLES 64

/* `cycles` cycles of `count` steps, times a curve that on all of them is a polynomial of degree 15 to its noise. So it
   is for each step of a cycle as a function of the cycle, of which 16 stand for all. */
static void add_curved_cycles(lrk_dd *sum, const lrk_part *cycle, const lrk_part *curve, int64_t count, int64_t cycles)
{
    lrk_gram g;
    lrk_walk walk;
    lrk_panel p;
    g.n = 0;
    lrk_gram_make(&g, cycles);
    begin_walk(&walk, cycle, 0, count, LRK_PLAIN);
    while (lrk_walk_next(&walk, &p)) {
        for (int i = 0; i < p.nodes; ++i) {
            lrk_dd times_curve = {0.0, 0.0};
            for (int k = 0; k < LRK_NODES; ++k) {
                const lrk_dd steps = lrk_two_product(node_at(&g, k), (double)count, 0);
                const double whole = (double)(int64_t)steps.hi;
                const double later = ((steps.hi - whole) + steps.lo) + p.at[i];
                const int64_t down = later < 0.0;
                const double value = value_at(curve, p.first + (int64_t)whole - down, later + (double)down);
                add(&times_curve, g.weight[k] * value);
            }
            add(sum, (p.weight[i] * p.value[i]) * (times_curve.hi * g.count));
        }
    }
}

/* n steps of a product of which one factor is one value; 0 where none is. */
static int add_scaled(lrk_dd *sum, const lrk_terms *terms, const lrk_part *factors, int64_t n)
{
    for (int k = 0; k < 2; ++k) {
        const lrk_run run = run_of(factors + k, n);
        if (!run.flat || run.steps < n) continue;
        const double factor = value_at(factors + k, 0, 0.0);
        const lrk_dd found = sum_rows(terms, factors[1 - k], n);
        if (!(magnitude(found.hi * factor) < INFINITY)) return 0;
        add_times(sum, found, factor);
        return 1;
    }
    return 0;
}

/* n steps of a product of whole cycles and a curve; 0 where it is for panels, as all of it is that lies in panels of
   the curve with few cycles. */
static int add_product(lrk_dd *sum, const lrk_terms *terms, const lrk_part *row, const lrk_part *factors, int64_t n)
{
    for (int k = 0; k < 2; ++k) {
        const lrk_part *cycle = factors + k, *curve = factors + 1 - k;
        const int64_t period = period_of(cycle, n);
        if (period == 0 || n / period < LRK_CYCLES) continue;
        lrk_walk walk;
        lrk_panel p;
        int64_t done = 0;
        begin_walk(&walk, curve, 0, n, LRK_FLAT_ONCE);
        while (lrk_walk_next(&walk, &p)) {
            const int64_t cycles = p.count / period;
            if (cycles < LRK_CYCLES) continue;
            const lrk_part before = later_part(*row, done), here = later_part(*cycle, p.first);
            if (p.first > done) add_panels(sum, terms, &before, p.first - done);
            if (walk.flat) {
                add_times(sum, sum_rows(terms, here, p.count), p.value[0]);
                done = p.first + p.count;
            } else {
                const lrk_part there = later_part(*curve, p.first);
                add_curved_cycles(sum, &here, &there, period, cycles);
                done = p.first + cycles * period;
            }
        }
        if (done > 0 && done < n) {
            const lrk_part rest = later_part(*row, done);
            add_panels(sum, terms, &rest, n - done);
        }
        if (done > 0) return 1;
    }
    return 0;
}

/* Whether a factor comes out of n terms: not where it makes values or their powers more than float64 holds, or takes
   those back that were. */
static int comes_out(const lrk_terms *terms, const lrk_segment *s, const lrk_part *child, int64_t n)
{
    const double factor = to_power(s->stop, terms->power), size = magnitude(factor);
    if (terms->shrink != 0.0 || !(s->stop > 0.0 || is_whole(terms->power))) return 0;
    if (is_plain(terms) && (s->shape == SHAPE_scale ? size <= 1.0 : size >= 1.0)) return 1;
    const lrk_range r = range_rows(*child, n);
    const double most = magnitude(r.low) > magnitude(r.high) ? magnitude(r.low) : magnitude(r.high);
    const double term = to_power(most, terms->power), result = s->shape == SHAPE_scale ? term * size : term / size;
    return most == 0.0 || (size > 0.0 && size < INFINITY && term > 0x1p-900 && result < INFINITY);
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
        const lrk_dd rate = {s->k[GROWTH_RATE], s->k[GROWTH_RATE_LOW]};
        add(sum, growth_sum(first, last, times(rate, terms->power), (double)n));
        return;
    }
    if (s->shape == SHAPE_cosine_cycles && terms->shrink == 0.0 && is_low(terms->power)) {
        if (add_waves(sum, terms, row, s, n)) return;
    }
    if (s->shape == SHAPE_linear && plain) {
        add_times(sum, (lrk_dd){middle_of(row, n), 0.0}, (double)n);
        return;
    }
    if (kinds[s->shape] == NODE) {
        const lrk_place place = place_row(s, row->clock.part);
        lrk_part child = child_of(t, s, 0, local_clock(&place, row->clock.whole));
        const int scales = s->shape == SHAPE_scale || s->shape == SHAPE_divide;
        if (scales && comes_out(terms, s, &child, n)) {
            const double factor = to_power(s->stop, terms->power);
            const lrk_dd found = sum_rows(terms, child, n);
            if (s->shape == SHAPE_scale) {
                add_times(sum, found, factor);
            } else {
                add(sum, (found.hi + found.lo) / factor);
            }
            return;
        }
        if (s->shape == SHAPE_product && plain && period_of(row, n) == 0) {
            const lrk_part factors[2] = {child, child_of(t, s, 1, child.clock)};
            if (add_scaled(sum, terms, factors, n) || add_product(sum, terms, row, factors, n)) return;
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
    const int64_t period = kinds[s->shape] == NODE ? period_of(row, n) : 0, cycles = period > 0 ? n / period : 0;
    if (cycles > 1) {
        lrk_dd cycle = {0.0, 0.0};
        add_panels(&cycle, terms, row, period);
        add_times(sum, cycle, (double)cycles);
        if (n == cycles * period) return;
        const lrk_part rest = later_part(*row, cycles * period);
        add_panels(sum, terms, &rest, n - cycles * period);
        return;
    }
    add_panels(sum, terms, row, n);
}

static lrk_dd sum_rows(const lrk_terms *terms, lrk_part part, int64_t n)
{
    lrk_dd sum = {0.0, 0.0};
    lrk_rows rows = rows_of(part, n);
    lrk_part row;
    for (int64_t run; (run = next_row(&rows, &row)) > 0;) add_row(&sum, terms, &row, run);
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

/* A panel may end long before t, with nothing but zeros behind it: so many times it may halve what counts. */
#define LRK_FADING 12.0

double lrk_discounted(const lrk_table *table, int64_t last, double decay)
{
    const lrk_dd rate = lrk_dd_log2(decay);
    const double per = 1.0 / power_less_1(rate);
    const int64_t stop = last < INT64_MAX ? last + 1 : last;
    lrk_dd sum = {0.0, 0.0};
    lrk_walk walk;
    lrk_panel p;
    lrk_walk_begin(&walk, table, stop - forgotten(rate, stop), stop, LRK_NEAR_STOP | LRK_FLAT_ONCE);
    if (-rate.hi * 0x1p60 > LRK_FADING) walk.longest = (int64_t)(LRK_FADING / -rate.hi);
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

/* Of a fall from the polynomial through many steps, times their number, in units of a value's rounding; measured. */
#define LRK_FALL_NOISE 8192.0

/* By the definition, and in the falls lr_(k-1) - lr_k of single steps, which count 1 + decay + ... + decay^(t-k) times.
   The first one cancels where the curve has hardly fallen, the second one where it came back to where it began, and a
   fall is a difference itself: the one that the rounding of values moves less is taken. */
double lrk_annealing_area(const lrk_table *table, int64_t last, double decay)
{
    const lrk_dd rate = lrk_dd_log2(decay);
    const double per = 1.0 / power_less_1(rate), from = lrk_at(table, 0);
    const int64_t stop = last < INT64_MAX ? last + 1 : last;
    lrk_dd sum = {0.0, 0.0}, falls = {0.0, 0.0};
    double noise = 0.0, falls_noise = 0.0;
    lrk_walk walk;
    lrk_panel p;
    lrk_walk_begin(&walk, table, 0, stop, LRK_NEAR_STOP | LRK_FLAT_ONCE | LRK_WIDE);
    while (lrk_walk_next(&walk, &p)) {
        const double left = (double)(stop - 1 - p.first);
        const double apart = walk.smooth ? LRK_FALL_NOISE * walk.per : 1.0, fall_noise = apart < 1.0 ? apart : 1.0;
        for (int i = 0; i < p.nodes; ++i) {
            const double times_seen = walk.flat ? 1.0 : p.weight[i], size = magnitude(from) + magnitude(p.value[i]);
            const double weight = walk.flat ? decays(rate, per, left, p.weight[i])
                                            : p.weight[i] * power_of_2(times(rate, left - p.at[i]));
            add(&sum, weight * (from - p.value[i]));
            noise += weight * size;
            if (p.drop[i] == 0.0) continue;
            const double counts = times_seen * (power_less_1(times(rate, left + 1.0 - p.at[i])) * per);
            add(&falls, -counts * p.drop[i]);
            falls_noise += counts * size * fall_noise;
        }
    }
    return rounded(noise <= falls_noise ? sum : falls);
}

/* ---- the range of values ---- */

#define LRK_LARGEST 0x1.fffffffffffffp+1023

static void widen(lrk_range *r, double low, double high)
{
    r->low = low < r->low ? low : r->low;
    r->high = high > r->high ? high : r->high;
}

static lrk_range between(double a, double b)
{
    return a <= b ? (lrk_range){a, b} : (lrk_range){b, a};
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
        if (s->shape == SHAPE_custom) return (lrk_range){-LRK_LARGEST, LRK_LARGEST};
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
    lrk_range product = between(r.low * other.low, r.high * other.high);
    widen(&product, r.low * other.high, r.low * other.high);
    widen(&product, r.high * other.low, r.high * other.low);
    return product;
}

static lrk_range range_rows(lrk_part part, int64_t n)
{
    lrk_range r = {INFINITY, -INFINITY};
    lrk_rows rows = rows_of(part, n);
    lrk_part row;
    for (int64_t run; (run = next_row(&rows, &row)) > 0;) {
        const lrk_range found = row_range(&row, run);
        widen(&r, found.low, found.high);
    }
    return r;
}

double lrk_no_more_than(const lrk_table *table, int64_t start, int64_t count)
{
    return range_rows(whole_table(table, start), count).high;
}

/* Halves what may be below 0 down to single steps. */
static int64_t first_negative(lrk_part part, int64_t n)
{
    if (range_rows(part, n).low >= 0.0) return -1;
    if (n <= LRK_NODES) {
        for (int64_t j = 0; j < n; ++j)
            if (value_at(&part, j, 0.0) < 0.0) return j;
        return -1;
    }
    const int64_t found = first_negative(part, n / 2);
    if (found >= 0) return found;
    const int64_t behind = first_negative(later_part(part, n / 2), n - n / 2);
    return behind < 0 ? -1 : n / 2 + behind;
}

int64_t lrk_first_negative(const lrk_table *table, int64_t start, int64_t count)
{
    const lrk_part part = whole_table(table, start);
    const int64_t period = period_of(&part, count);
    const int64_t found = first_negative(part, period > 0 && period < count ? period : count);
    return found < 0 ? -1 : start + found;
}

#include "charts.inc.c"
