/* charts.inc.c - sums up to each panel and from each panel on, kept for who asks step by step; part of sums.c. */

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
    return magnitude(value) < 0x1p900 ? lrk_two_product(value, steps, 0) : (lrk_dd){value * steps, 0.0};
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

/* LRK_LANES sums at once where all are of one polynomial, else 0 and nothing is done: alone each waits for 28
   operations one after the other, which took three times as long. They are those of first_steps and last_steps. */
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
