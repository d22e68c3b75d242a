/* charts.inc.c - what charts.h says; part of sums.c. */

/* Whether the sum of a row multiplies stairs or cycles, of which there may be any number. */
static int multiplies(const lrk_table *t, const lrk_segment *s)
{
    if (s->shape <= SHAPE_hold || kinds[s->shape] < STAIR) return 0;
    if (s->shape == SHAPE_repeat) return period_in_steps(s) > 0;
    if (kinds[s->shape] == STAIR || s->shape == SHAPE_epoch) return is_in_whole_steps(s);
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

/* ---- the marks ---- */

/* What the next mark follows from. */
typedef struct lrk_making {
    int64_t row, from, at, to; /* the row, its first step, the next one, that behind its last one */
    int64_t panels, piece;     /* of the row so far; steps of a piece, 0: it is in panels */
    int grows;                 /* piece by piece */
    int settled;               /* the total of the last mark is in the sum */
    lrk_dd sum;
    lrk_walk walk;
} lrk_making;

typedef struct lrk_whole_chart {
    lrk_chart chart;
    lrk_making making;
} lrk_whole_chart;

int64_t lrk_chart_bytes(void)
{
    return (int64_t)sizeof(lrk_whole_chart);
}

static lrk_making *making_of(lrk_chart *chart)
{
    return &((lrk_whole_chart *)chart)->making;
}

/* In which block a mark is, and that block's first mark. */
static int block_of(int64_t index, int64_t *first)
{
    int block = 0;
    *first = 0;
    for (int64_t size = LRK_FIRST_MARKS; index - *first >= size; size *= 2) {
        *first += size;
        ++block;
    }
    return block;
}

static lrk_mark *mark_at(const lrk_chart *chart, int64_t index)
{
    int64_t first;
    lrk_mark *block = chart->block[block_of(index, &first)];
    return block == NULL ? NULL : block + (index - first);
}

int64_t lrk_chart_lacks(const lrk_chart *chart)
{
    int64_t first;
    return (int64_t)LRK_FIRST_MARKS << block_of(chart->count, &first);
}

void lrk_chart_give(lrk_chart *chart, void *block)
{
    int64_t first;
    chart->block[block_of(chart->count, &first)] = block;
}

/* The next row, in one piece where sums multiply; 0 where there is none. The steps of `custom` are summed in as many
   pieces as other rows have panels. */
static int begin_row(const lrk_chart *chart, lrk_making *m)
{
    const lrk_table *t = &chart->table;
    if (m->row + 1 == t->root) return 0;
    const lrk_segment *s = t->segments + ++m->row;
    const lrk_part part = {t, m->row, 1, {s->first, 0.0}};
    m->from = m->at = s->first;
    m->to = m->row + 1 < t->root ? s[1].first : INT64_MAX;
    m->panels = m->piece = m->grows = 0;
    const int64_t n = m->to - m->from;
    if (multiplies(t, s)) {
        m->piece = n;
    } else if (has_custom(t, s) && n < INT64_C(1) << 40) {
        m->piece = n / LRK_ROW_MARKS < LRK_NODES ? LRK_NODES : n / LRK_ROW_MARKS + 1;
    } else if (n > 0) {
        begin_walk(&m->walk, &part, 0, n, LRK_EVEN | LRK_FLAT_ONCE);
    }
    return 1;
}

/* Pieces of what is behind the panels have each a 64th of the steps before them, so that there are not too many however
   long the row is, and none costs more than what came before. */
#define LRK_SHARE 64

static int next_mark(const lrk_chart *chart, lrk_making *m, lrk_mark *mark)
{
    lrk_panel panel;
    while (m->at >= m->to)
        if (!begin_row(chart, m)) return 0;
    *mark = (lrk_mark){.first = m->at, .row = m->row, .kind = LRK_MARK_ROW};
    if (m->piece == 0 && m->panels < LRK_ROW_MARKS && lrk_walk_next(&m->walk, &panel)) {
        mark->count = panel.count;
        mark->total = m->walk.flat ? flat_sum(panel.value[0], (double)panel.count) : (lrk_dd){panel.sum, 0.0};
        keep_panel(&m->walk, &panel, mark);
        m->panels += 1;
    } else {
        const int64_t left = m->to - m->at;
        if (m->piece == 0) m->grows = 1;
        if (m->grows) m->piece = (m->at - m->from) / LRK_SHARE + 1;
        mark->count = m->piece < left ? m->piece : left;
    }
    m->at += mark->count;
    return 1;
}

static lrk_dd part_of_row(const lrk_chart *chart, const lrk_mark *m, int64_t from, int64_t to);

static void add_total(lrk_dd *sum, const lrk_mark *m)
{
    add(sum, m->total.hi);
    add(sum, m->total.lo);
}

/* Takes the last mark into the sum. */
static void settle(const lrk_chart *chart, lrk_making *m, lrk_mark *last)
{
    if (m->settled) return;
    if (last->kind == LRK_MARK_ROW) last->total = part_of_row(chart, last, 0, last->count);
    add_total(&m->sum, last);
    m->settled = 1;
}

void lrk_chart_begin(lrk_chart *chart)
{
    const lrk_table *t = &chart->table;
    const lrk_segment *last = t->segments + (t->root - 1);
    chart->end = last->shape == SHAPE_hold ? last->first : INT64_MAX;
    making_of(chart)->row = -1;
    making_of(chart)->settled = 1;
}

int lrk_chart_reaches(const lrk_chart *chart, int64_t step, int back)
{
    if (back) return LRK_ACQUIRE(chart->backwards);
    const int64_t known = LRK_ACQUIRE(chart->known);
    return step < known || known == INT64_MAX;
}

/* Of all marks before the end, which are made. */
static void sum_backwards(lrk_chart *chart, int64_t count)
{
    lrk_dd sum = {0.0, 0.0};
    while (count-- > 0) {
        lrk_mark *m = mark_at(chart, count);
        if (m->first >= chart->end) continue;
        m->after = sum;
        add_total(&sum, m);
    }
}

int lrk_chart_grow(lrk_chart *chart, int64_t step, int back)
{
    lrk_making m = *making_of(chart);
    lrk_mark *mark = NULL;
    int64_t count = chart->count;
    const int64_t stop = back ? chart->end : step < INT64_MAX ? step + 1 : step;
    while (m.at < stop || m.row < 0) {
        mark = mark_at(chart, count);
        if (mark == NULL) break;
        if (count > 0) settle(chart, &m, mark_at(chart, count - 1));
        if (!next_mark(chart, &m, mark)) break;
        mark->before = m.sum;
        m.settled = 0;
        ++count;
    }
    const int done = m.row >= 0 && m.at >= stop;
    if (done && back && count > 0) settle(chart, &m, mark_at(chart, count - 1));
    if (lrk_over(0)) return 1; /* nothing of it may be kept */
    *making_of(chart) = m;
    LRK_RELEASE(chart->count, count);
    LRK_RELEASE(chart->known, m.at);
    if (!done) return 0;
    if (back && !chart->backwards) {
        sum_backwards(chart, count);
        LRK_RELEASE(chart->backwards, 1);
    }
    return 1;
}

/* ---- sums from marks ---- */

/* The mark of a step, which is often that of the step asked for before. */
static const lrk_mark *mark_of(const lrk_chart *chart, int64_t step, const lrk_mark **hint)
{
    const lrk_mark *m = *hint;
    if (m != NULL && step >= m->first && step - m->first < m->count) return m;
    int64_t count = LRK_ACQUIRE(chart->count), size = LRK_FIRST_MARKS;
    int block = 0;
    for (; count > size && chart->block[block + 1][0].first <= step; ++block) {
        count -= size;
        size *= 2;
    }
    const lrk_mark *marks = chart->block[block];
    int64_t low = 0, high = count < size ? count : size;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (marks[middle].first <= step) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *hint = marks + low;
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

static double cumulative(const lrk_chart *chart, int64_t last, const lrk_mark **hint)
{
    if (last < 0) return 0.0;
    if (last == INT64_MAX) return cumulative(chart, last - 1, hint) + lrk_at(&chart->table, last);
    const lrk_mark *m = mark_of(chart, last, hint);
    return joined(m->before, first_steps(chart, m, last - m->first + 1));
}

static double remaining(const lrk_chart *chart, int64_t step, const lrk_mark **hint)
{
    if (step >= chart->end) return 0.0;
    const lrk_mark *m = mark_of(chart, step, hint);
    return joined(m->after, last_steps(chart, m, step - m->first));
}

double lrk_cumulative(const lrk_chart *chart, int64_t last)
{
    const lrk_mark *hint = NULL;
    return cumulative(chart, last, &hint);
}

int lrk_cumulative_is_kept(const lrk_chart *chart, int64_t last)
{
    const lrk_mark *hint = NULL;
    return last >= 0 && last < LRK_ACQUIRE(chart->known) && mark_of(chart, last, &hint)->kind != LRK_MARK_ROW;
}

#define LRK_LANES 8

/* LRK_LANES sums at once where all are of one polynomial, else 0 and nothing is done: alone each waits for 28
   operations one after the other, which took three times as long. They are those of first_steps and last_steps. */
static int lanes_of(const lrk_chart *chart, int what, const int64_t *steps, const lrk_mark **hint, double *out)
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
    const lrk_mark *hint = NULL;
    if (lrk_over(0)) return; /* what it needs was not made */
    for (int64_t j = 0; j < count; ++j) {
        const int64_t step = steps[j];
        if (what <= LRK_SUM_FROM && count - j >= LRK_LANES && lanes_of(chart, what, steps + j, &hint, out + j)) {
            j += LRK_LANES - 1;
        } else if (lrk_over(1)) {
            return;
        } else if (what == LRK_SUM_TO || what == LRK_SUM_BEFORE) {
            out[j] = cumulative(chart, step - (what == LRK_SUM_BEFORE), &hint);
        } else if (what == LRK_SUM_FROM) {
            out[j] = remaining(chart, step, &hint);
        } else {
            out[j] = (what == LRK_SUM_DISCOUNTED ? lrk_discounted : lrk_annealing_area)(t, step, decay);
        }
    }
}
