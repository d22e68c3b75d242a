/* gather.inc.c - steps in any order, and the memo that many of them share; included by lrk.c.

   Steps go through in tiles. Where all rows that a tile meets are lines and cosines, few of them, they lie side by side
   in vectors, and each step picks what is its row's, where its record is and the u of a line; then records are joined,
   lines as well as blocks. Else each row passes over the tile once: straight lines and constants compute a value for
   all steps and keep those of their own; other rows list their own first, unless most of the tile's extent is theirs.
   A row of blocks needs the anchors of the blocks: those of shuffled steps are in the memo, those of sorted steps
   follow each other and are computed as they come, in whole vectors. Several rows of cosines go through as one: each
   marks where its steps have their records, and these are joined once.

   Measured at x86-64-v3 with 512 KiB of L2, one thread, 1e7 shuffled int64 steps, best of many in ns per step (and
   instructions): copying them 0.7 to 0.9, a line 1.5 (12), wsd with lines 1.8 (22), with a cosine 2.7 (23), a cosine
   2.8 (25), warmup_cosine 3.2 (23), two lines and two cosines 2.7 (23; each row by itself 4.7 and 45), four of each 3.7
   (29; 7.6), five of each, one by one, 8.5. The two lines and two cosines take 2.2 where steps and records are in the
   cache; the streams of steps and values add 0.4, records from the third cache 0.2. Half of it waits for loads, six a
   step; no shuffle, sum or division left out made a difference.

   The floor of a cosine: a loop of its own for one row whose first step is 0, without a check, a row to find or an end,
   that loads the step, half a line of records and two doubles of the table, joins them and stores the value, takes 2.6
   to 2.8 (3.3 to 4.2 without asking ahead), and 1.8 to 2.0 where it only loads one double of the record: two and three
   times the copy. Rows of blocks reach three times the copy by that loop alone. Of 32 parts a step takes 23 ns, of 64,
   one by one, 41, of 10,000 120: there the tables, of 100 and 200 bytes a row, are what is waited for.

   What did not help: a table of all values, 80 MB, from which steps only pick (10.5 to 23 ns in that loop alone);
   AVX2's gathers of records (2.7 to 5.6 where scalar loads took 1.4 to 2.7); sorting the tile by row one by one (4.5
   where a list of one row takes 0.7 to 0.8), or into four lists at once in vectors (43 instructions and no less time
   for the two lines and two cosines, 26 for wsd); rows side by side picked by three blends for each number (5.4 ns,
   where one permutation takes 2.7) or with all numbers of a line instead of its record (3.6); minima in lanes of
   doubles as compilers do them (1.3 where those of integers took 0.2); records in huge pages (no difference); asking
   for the steps of the next tile before these are read (2.9 where after them takes 2.7); streaming stores, tiles of 128
   to 512 and loops unrolled twice (within 5 percent); a hashed memo, filled as steps come (cosine 7 to 12), which
   threads cannot share either. */

#define LRK_LINE_OF 64   /* bytes of a line of the cache */
#define LRK_FEW 4        /* steps, fewer of which are asked one by one */
#define LRK_MOST_ROWS 32 /* that pass over one tile; with more of them it is cut into runs of one row */
#define LRK_DENSE 4      /* distances of steps up to which those between them may be evaluated, too */

/* ---- blocks ---- */

typedef struct lrk_gather_state {
    lrk_fill_state fill;
    const lrk_tile_code *code;
    const lrk_memo *memo;
    lrk_blocks blocks;
    lrk_sides sides;
    const lrk_segment *beside; /* the rows that are side by side, NULL where none are */
    int count;
    int64_t low, high; /* the steps of theirs that they have records for */
} lrk_gather_state;

static void set_block(lrk_blocks *b, int32_t j, uint64_t steps)
{
    const lrk_steps from = split_steps(steps, 0.0, 1.0);
    b->high[j] = from.high;
    b->low[j] = from.low;
}

/* The anchors of `count` blocks, set before. */
static void make_anchors(
    const lrk_level_code *code, const lrk_segment *s, const lrk_place *place, lrk_blocks *b, int32_t count)
{
    const int32_t eighths = (count + 7) / 8;
    b->part = s->falling ? place->end_part : place->lead;
    for (int32_t j = count; j < 8 * eighths; ++j) {
        b->high[j] = b->high[0];
        b->low[j] = b->low[0];
    }
    code->shapes[s->shape].anchors(s, eighths, b);
}

/* Steps that are anchors of their own, those at the places `at`. */
static void gather_alone(
    lrk_gather_state *g, const lrk_segment *s, const lrk_place *place, const int64_t *steps, const int32_t *at,
    int32_t n, double *out)
{
    lrk_blocks *b = &g->blocks;
    for (int32_t done = 0; done < n; done += LRK_BLOCKS) {
        const int32_t count = n - done < LRK_BLOCKS ? n - done : LRK_BLOCKS;
        for (int32_t k = 0; k < count; ++k) {
            lrk_steps from;
            const double r = block_steps(s, place, steps[at[done + k]], &from);
            b->high[k] = from.high;
            b->low[k] = from.low + r;
        }
        make_anchors(g->fill.code, s, place, b, count);
        for (int32_t k = 0; k < count; ++k) out[at[done + k]] = lrk_rounded((lrk_dd){b->value[k], b->value_low[k]});
    }
}

/* Without a memo. Neighbours in one block share its anchor. */
static void gather_blocks(
    lrk_gather_state *g, const lrk_segment *s, const lrk_place *place, const int64_t *steps, int32_t n, double *out)
{
    const int in_table = kinds[s->shape] == TABLE;
    const uint64_t in_block = (uint64_t)s->k[LRK_WIDTH] - 1;
    lrk_blocks *b = &g->blocks;
    int32_t which[LRK_TILE], inside[LRK_TILE], alone[LRK_TILE], lone = 0;
    if (n < (in_table ? 16 : 4)) { /* as fill_blocks */
        for (int32_t j = 0; j < n; ++j) out[j] = row_at(g->fill.table, s, place, steps[j]);
        return;
    }
    const lrk_inside *table = in_table ? table_of(&g->fill, s) : NULL;
    for (int32_t done = 0, next; done < n; done = next) {
        uint64_t had = 0;
        int32_t count = 0;
        for (next = done; next < n; ++next) {
            double part;
            const uint64_t near = near_steps(s, place, steps[next], &part), begin = near & ~in_block;
            if (count == 0 || begin != had) {
                if (count == LRK_BLOCKS) break;
                set_block(b, count++, begin);
                had = begin;
            }
            which[next] = count - 1;
            inside[next] = (int32_t)(near - begin);
        }
        make_anchors(g->fill.code, s, place, b, count);
        for (int32_t j = done; j < next; ++j) {
            const int32_t i = which[j], r = inside[j];
            if (in_table) {
                const lrk_anchor a = {{b->value[i], b->value_low[i]}, b->c[0][i], b->c[1][i]};
                out[j] = lrk_join(&a, table->b0[LRK_CENTRE + r], table->b1[LRK_CENTRE + r]);
            } else if (b->terms[i] > 0.0) {
                const lrk_series e = lrk_series_of(b, i);
                out[j] = b->terms[i] == 4.0 ? lrk_sum4(&e, (double)r) : lrk_sum8(&e, (double)r);
            } else {
                alone[lone++] = j;
            }
        }
    }
    gather_alone(g, s, place, steps, alone, lone, out);
}

/* Whether all neighbours are equally far apart, and so little that those between them may be evaluated, too. */
static int are_even(const int64_t *steps, int32_t n)
{
    const int64_t apart = n > 1 ? steps[1] - steps[0] : 0;
    if (apart == 0 || apart < -LRK_DENSE || apart > LRK_DENSE || steps[n - 1] - steps[0] != (n - 1) * apart) return 0;
    for (int32_t j = 1; j < n; ++j)
        if (steps[j] - steps[j - 1] != apart) return 0;
    return 1;
}

/* Even steps: picked from the values of all between them. Backwards a cosine takes 3.5 ns a step instead of 5.4, a
   power 3.8 instead of 11; with a distance of 7 both ways take the same. */
static void gather_even(
    lrk_gather_state *g, const lrk_segment *s, const lrk_place *place, const int64_t *steps, int32_t n, double *out)
{
    const int64_t one = steps[0], other = steps[n - 1], low = one < other ? one : other;
    double values[LRK_DENSE * LRK_TILE];
    fill_blocks(&g->fill, s, place, low, (one < other ? other : one) - low + 1, values);
    for (int32_t j = 0; j < n; ++j) out[j] = values[steps[j] - low];
}

/* By calls of many, where the function takes them. */
static LRK_APART void gather_called(
    const lrk_segment *s, const lrk_place *place, const int64_t *steps, int32_t n, double *restrict out)
{
    double u[LRK_TILE];
    for (int32_t j = 0; j < n; ++j) {
        const lrk_steps past = past_steps(place, steps[j]);
        u[j] = lrk_custom_u(s, &past, 0.0);
    }
    custom_values(s, u, n, out);
}

/* The row of a memo, where it has the steps `low` to `high`. */
static const lrk_memo_row *remembered(const lrk_gather_state *g, const lrk_segment *s, int64_t low, int64_t high)
{
    const int64_t index = s - g->fill.table->segments;
    if (g->memo == NULL || index >= g->memo->count) return NULL;
    const lrk_memo_row *row = g->memo->rows + index;
    return row->low <= low && high <= row->high ? row : NULL;
}

/* By the records of a memo: something for the steps of other rows, too. */
static void gather_records(
    lrk_gather_state *g, const lrk_segment *s, const lrk_place *place, const lrk_memo_row *row, const int64_t *steps,
    int32_t n, double *out)
{
    lrk_spot spots[LRK_TILE + LRK_LOOKAHEAD];
    g->code->spots(g->memo, row, steps, n, spots);
    memset(spots + n, 0, LRK_LOOKAHEAD * sizeof *spots); /* to look ahead at */
    g->code->records[row->kind](g->memo->data, spots, n, out);
    if (!row->alone) return;
    int32_t alone[LRK_TILE], lone = 0;
    for (int32_t j = 0; j < n; ++j) {
        alone[lone] = j;
        lone += (out[j] != out[j]) & (steps[j] >= row->low) & (steps[j] <= row->high);
    }
    gather_alone(g, s, place, steps, alone, lone, out);
}

/* ---- stairs and nodes whose clock is whole ---- */

/* What divides such a clock into equal whole parts; 1 where nothing does, 0 where the parts are not whole. */
static int64_t whole_period(const lrk_segment *s)
{
    const int divided = kinds[s->shape] == STAIR || s->shape == SHAPE_repeat || s->shape == SHAPE_epoch;
    if (!divided && s->shape != SHAPE_skip) return 1;
    if (!(s->every >= 1.0 && s->every < 0x1p53 && s->every == (double)(int64_t)s->every)) return 0;
    return divided ? (int64_t)s->every : 1;
}

/* The clock of a row's stairs or sub-table, `later` steps after its beginning. */
static int64_t inner_clock(const lrk_segment *s, int64_t period, int64_t later)
{
    if (s->shape == SHAPE_skip) return later + (int64_t)s->every;
    if (period == 1 && s->shape != SHAPE_repeat) return later;
    return s->shape == SHAPE_repeat ? later % period : later / period;
}

static int gather_range(
    lrk_gather_state *g, int64_t first, int64_t rows, const int64_t *steps, int32_t n, double *restrict out);

static void gather_whole(
    lrk_gather_state *g, const lrk_segment *s, int64_t period, const int64_t *steps, int32_t n, double *values)
{
    const lrk_table *t = g->fill.table;
    int64_t inner[LRK_TILE];
    for (int32_t k = 0; k < n; ++k) inner[k] = inner_clock(s, period, steps[k] - s->first);
    if (s->shape == SHAPE_values) {
        for (int32_t k = 0; k < n; ++k) values[k] = values_stair(s, t->values, (lrk_stair){inner[k], 0.0});
    } else if (s->shape == SHAPE_step) {
        for (int32_t k = 0; k < n; ++k) {
            const lrk_memo_row *row = remembered(g, s, inner[k], inner[k]);
            values[k] = row != NULL                         ? row->records[inner[k] - row->low]
                        : k > 0 && inner[k] == inner[k - 1] ? values[k - 1]
                                                            : step_stair(s, t->values, (lrk_stair){inner[k], 0.0});
        }
    } else {
        double by[LRK_TILE];
        gather_range(g, s->child[0], s->count[0], inner, n, values);
        if (s->shape == SHAPE_product) gather_range(g, s->child[1], s->count[1], inner, n, by);
        g->fill.code->shapes[s->shape].node(s, by, n, values);
    }
}

/* ---- tiles ---- */

/* Where the row after this one begins; the last row ends beyond all steps. */
static int64_t end_of(const lrk_segment *row, int64_t k, int64_t rows)
{
    return k + 1 < rows ? row[k + 1].first : INT64_MAX;
}

/* Steps of one row. */
static void gather_own(
    lrk_gather_state *g, const lrk_segment *s, const lrk_place *place, const lrk_memo_row *row, const int64_t *steps,
    int32_t n, double *out)
{
    const enum kind kind = kinds[s->shape];
    const int64_t period = place->lead == 0.0 && kind >= STAIR ? whole_period(s) : 0;
    if (row != NULL) {
        gather_records(g, s, place, row, steps, n, out);
    } else if (kind == TABLE || kind == SERIES) {
        if (n >= 16 && are_even(steps, n)) { /* fewer are not worth a table, as in fill_blocks */
            gather_even(g, s, place, steps, n, out);
        } else {
            gather_blocks(g, s, place, steps, n, out);
        }
    } else if (period > 0) {
        gather_whole(g, s, period, steps, n, out);
    } else if (kind == CALLED) {
        gather_called(s, place, steps, n, out);
    } else {
        for (int32_t j = 0; j < n; ++j) out[j] = row_at(g->fill.table, s, place, steps[j]);
    }
    if (kind <= SERIES && place->lead == 0.0) g->code->begin(place->first, s->start, steps, n, out);
}

/* The steps of a tile, `low` to `high`, that are a row's own: those before `end`. */
static void gather_row(
    lrk_gather_state *g, const lrk_segment *s, int64_t end, int64_t low, int64_t high, const int64_t *steps,
    const double *x, int32_t n, double *restrict out)
{
    const lrk_place place = place_row(s, 0.0);
    const enum kind kind = kinds[s->shape];
    const int64_t least = low > s->first ? low : s->first, most = high < end ? high : end - 1;
    const lrk_memo_row *row = kind == TABLE || kind == SERIES ? remembered(g, s, least, most) : NULL;
    const lrk_ours ours = {(double)s->first, (double)end, place.lead == 0.0 ? (double)s->first : -1.0, s->start};
    double values[LRK_TILE];
    if (s->shape <= SHAPE_hold) {
        g->code->hold(&ours, x, n, out);
    } else if (kind == LANE && s->k[LINEAR_CROSSES] == 0.0 && place.end < (uint64_t)LRK_EXACT) {
        const double from = s->falling ? (double)place.end : (double)place.first, sign = s->falling ? -1.0 : 1.0;
        g->code->lanes[s->shape](s, &ours, x, n, from, sign, s->falling ? place.end_part : place.lead, out);
    } else if (least == low && most == high) {
        gather_own(g, s, &place, row, steps, n, out);
    } else if (row != NULL && most - least > (high - low) / 2) { /* a list takes longer */
        gather_records(g, s, &place, row, steps, n, values);
        g->code->give(&ours, x, n, values, out);
    } else {
        int64_t at[LRK_TILE], own[LRK_TILE];
        const int32_t count = g->code->own(steps, n, s->first, (uint64_t)(end - s->first), at, own);
        if (count == 0) return;
        gather_own(g, s, &place, row, own, count, values);
        for (int32_t j = 0; j < count; ++j) out[at[j]] = values[j];
    }
}

/* As locate, without branches: those of steps in any order cannot be foreseen. */
static int64_t locate_any(const lrk_segment *rows, int64_t count, int64_t step)
{
    int64_t k = 0;
    for (int64_t half; count > 1; count -= half) {
        half = count / 2;
        k += rows[k + half].first <= step ? half : 0;
    }
    return k;
}

/* One step of a row: a tile of steps of many rows has hardly two of any. */
static double gather_step(lrk_gather_state *g, const lrk_segment *s, int64_t step)
{
    const lrk_place place = place_row(s, 0.0);
    const enum kind kind = kinds[s->shape];
    const int64_t period = place.lead == 0.0 && kind >= STAIR && s->shape > SHAPE_hold ? whole_period(s) : 0;
    const lrk_memo_row *row = kind == TABLE || kind == SERIES ? remembered(g, s, step, step) : NULL;
    double value;
    if (row != NULL && !(step == place.first && place.lead == 0.0)) {
        const uint32_t near = (uint32_t)(int32_t)(row->sign * ((double)step - row->from)), block = near >> row->bits;
        const double *r = row->records + (size_t)lrk_record_size[row->kind] * block;
        if (r[0] == r[0]) return lrk_recorded(row->kind, r, row->inside, near - (block << row->bits));
    }
    if (period > 0 && kind == STAIR) {
        gather_whole(g, s, period, &step, 1, &value);
        return value;
    }
    if (period > 0) {
        double of[2] = {0.0, 0.0};
        const int64_t inner = inner_clock(s, period, step - s->first);
        for (int k = 0; k < (s->shape == SHAPE_product ? 2 : 1); ++k) {
            const lrk_segment *rows = g->fill.table->segments + s->child[k];
            of[k] = gather_step(g, rows + locate_any(rows, s->count[k], inner), inner);
        }
        return lrk_node(s->shape, s->start, s->stop, of[0], of[1]);
    }
    return row_at(g->fill.table, s, &place, step);
}

/* What the memo has of the rows of a tile, and which of them are blocks in a table, by bits. One between two steps has
   nothing. */
static unsigned joined_rows(
    const lrk_gather_state *g, const lrk_segment *rows, const int64_t *ends, int count, int64_t low, int64_t high,
    const lrk_memo_row **found)
{
    unsigned joined = 0;
    for (int k = 0; k < count; ++k) {
        const int64_t least = low > rows[k].first ? low : rows[k].first, most = high < ends[k] ? high : ends[k] - 1;
        found[k] = least <= most ? remembered(g, rows + k, least, most) : NULL;
        if (found[k] != NULL && found[k]->kind == LRK_JOINED) joined |= 1u << k;
    }
    return joined;
}

/* Puts rows side by side. Returns 0 where one is neither a line nor blocks in a table, or they are too many. */
static int set_sides(lrk_gather_state *g, const lrk_segment *rows, int count, const lrk_memo_row *const *found)
{
    if (g->code->sides[0] == NULL || count < 2 || count > LRK_SIDES) return 0;
    for (int k = 0; k < count; ++k)
        if (found[k] == NULL || (found[k]->kind != LRK_JOINED && found[k]->kind != LRK_STRAIGHT)) return 0;
    for (int k = 0; k < LRK_SIDES; ++k) {
        const int own = k < count ? k : 0;
        const lrk_memo_row *row = found[own];
        g->sides.first[k] = k < count ? (double)rows[k].first : INFINITY;
        g->sides.from[k] = row->from;
        g->sides.span[k] = rows[own].shape == SHAPE_linear ? rows[own].span : INFINITY;
        g->sides.whole[k] = row->kind == LRK_JOINED ? 1.0 : 0.0;
        g->sides.begin[k] = rows[own].lead == 0.0 ? (double)rows[own].first : -1.0;
        g->sides.spot[k].record = (uint32_t)(row->records - g->memo->data);
        g->sides.spot[k].entry = (uint32_t)(row->inside - g->memo->data);
    }
    g->beside = rows;
    g->count = count;
    g->low = found[0]->low;
    g->high = found[count - 1]->high;
    return 1;
}

/* Whether the steps of some rows, the lowest and the highest, are of all that are side by side. Sub-tables share no
   rows, so a row tells which it is of. */
static int are_beside(const lrk_gather_state *g, const lrk_segment *row, int64_t rows, int64_t low, int64_t high)
{
    const lrk_segment *beside = g->beside;
    return beside != NULL && beside >= row && beside + g->count <= row + rows && low >= g->low &&
           low < beside[1].first && high >= beside[g->count - 1].first && high <= g->high;
}

static void gather_sides(lrk_gather_state *g, const int64_t *steps, double *x, int32_t n, double *restrict out)
{
    const lrk_segment *rows = g->beside;
    if (!g->code->sides[g->count > LRK_SIDES / 2](&g->sides, g->memo->data, x, n, out)) return;
    for (int k = 0; k < g->count; ++k)
        if (rows[k].lead == 0.0) g->code->begin(rows[k].first, rows[k].start, steps, n, out);
}

/* All of these rows at once; the steps of others get something, too. */
static void gather_joined(
    lrk_gather_state *g, const lrk_segment *rows, const int64_t *ends, int count, unsigned joined,
    const lrk_memo_row *const *found, int64_t low, const int64_t *steps, const double *x, int32_t n,
    double *restrict out)
{
    lrk_spot spots[LRK_TILE + LRK_LOOKAHEAD] = {{0, 0}};
    for (int k = 0; k < count; ++k) {
        const lrk_memo_row *row = found[k];
        if (!(joined >> k & 1)) continue;
        const double one = row->sign * ((double)rows[k].first - row->from);
        const double other = row->sign * ((double)(ends[k] - 1) - row->from);
        const double least = one < other ? one : other, most = one < other ? other : one;
        g->code->join_spots(g->memo, row, least > 0.0 ? least : 0.0, most < row->last ? most : row->last, x, n, spots);
    }
    g->code->records[LRK_JOINED](g->memo->data, spots, n, out);
    for (int k = 0; k < count; ++k)
        if ((joined >> k & 1) && rows[k].lead == 0.0 && rows[k].first >= low)
            g->code->begin(rows[k].first, rows[k].start, steps, n, out);
}

/* A tile of steps of a table whose clock is whole. Returns 1, or 0 where a step is negative: nothing is written
   then. */
static int gather_range(
    lrk_gather_state *g, int64_t first, int64_t rows, const int64_t *steps, int32_t n, double *restrict out)
{
    const lrk_segment *row = g->fill.table->segments + first;
    double x[LRK_TILE];
    int64_t low, high;
    const int64_t bits = g->code->reals(steps, n, x, &low, &high);
    if (bits < 0) return 0;
    if (bits < LRK_EXACT && are_beside(g, row, rows, low, high)) { /* the rows of the last tile */
        gather_sides(g, steps, x, n, out);
        return 1;
    }
    if ((uint64_t)steps[n - 1] - (uint64_t)steps[0] == (uint64_t)n - 1 && g->code->consecutive(steps, n)) {
        fill_range(&g->fill, first, rows, (lrk_clock){steps[0], 0.0}, n, out);
        return 1;
    }
    if (bits >= LRK_EXACT || (n < LRK_FEW && g->memo == NULL)) {
        for (int32_t j = 0; j < n; ++j) out[j] = range_at(g->fill.table, first, rows, (lrk_clock){steps[j], 0.0});
        return 1;
    }
    const int64_t from = locate(row, rows, (lrk_clock){low, 0.0}), to = locate(row, rows, (lrk_clock){high, 0.0});
    if (to - from < LRK_MOST_ROWS) {
        int64_t ends[LRK_MOST_ROWS];
        for (int64_t k = from; k <= to; ++k) ends[k - from] = end_of(row, k, rows);
        const lrk_memo_row *found[LRK_MOST_ROWS];
        const int count = (int)(to - from) + 1;
        unsigned done = g->memo == NULL ? 0 : joined_rows(g, row + from, ends, count, low, high, found);
        if (done != 0 && set_sides(g, row + from, count, found)) {
            gather_sides(g, steps, x, n, out);
            return 1;
        }
        done &= (done & (done - 1)) == 0 ? 0 : done; /* one alone is as fast by itself */
        if (done != 0) gather_joined(g, row + from, ends, count, done, found, low, steps, x, n, out);
        for (int64_t k = from; k <= to; ++k)
            if (!(done >> (k - from) & 1)) gather_row(g, row + k, ends[k - from], low, high, steps, x, n, out);
        return 1;
    }
    for (int32_t j = 0, next; j < n; j = next) { /* runs of steps of one row */
        const int64_t k = locate_any(row, rows, steps[j]);
        const int64_t begin = row[k].first, end = end_of(row, k, rows);
        for (next = j + 1; next < n && steps[next] >= begin && steps[next] < end; ++next) continue;
        if (next - j < LRK_FEW) {
            for (; j < next; ++j) out[j] = gather_step(g, row + k, steps[j]);
        } else {
            gather_row(g, row + k, end, begin, end - 1, steps + j, x + j, next - j, out + j);
        }
    }
    return 1;
}

static void gather_begin(lrk_gather_state *g, const lrk_table *table, const lrk_memo *memo)
{
    g->fill.table = table;
    g->fill.code = levels[lrk_level()].code;
    write_doubles(&g->fill);
    g->code = levels[lrk_level()].tile;
    g->memo = memo;
    g->beside = NULL;
}

int lrk_gather_with(const lrk_table *table, const lrk_memo *memo, const lrk_order *order, double *out)
{
    lrk_gather_state g;
    gather_begin(&g, table, memo);
    for (int64_t done = 0; done < order->count; done += LRK_TILE) {
        const int32_t n = (int32_t)(order->count - done < LRK_TILE ? order->count - done : LRK_TILE);
        int64_t tile[LRK_TILE]; /* read once: what another thread writes meanwhile must not pass for what was checked */
        if (order->size == (int)sizeof(int32_t)) {
            for (int32_t j = 0; j < n; ++j) tile[j] = ((const int32_t *)order->steps)[done + j];
        } else {
            const int64_t *steps = (const int64_t *)order->steps + done;
            const int32_t next = order->count - done >= 2 * LRK_TILE ? 2 * LRK_TILE : 0;
            memcpy(tile, steps, (size_t)n * sizeof *steps);
            for (int32_t j = LRK_TILE; j < next; j += LRK_LINE_OF / (int32_t)sizeof *steps) LRK_PREFETCH(steps + j);
        }
        if (!gather_range(&g, 0, table->root, tile, n, out + done)) return 0;
    }
    return 1;
}

void lrk_gather(const lrk_table *table, const int64_t *steps, int64_t count, double *out)
{
    const lrk_order order = {steps, count, sizeof(int64_t)};
    lrk_gather_with(table, NULL, &order, out);
}

/* `count` values of start, start + stride, ... to a contiguous block. */
static void gather_strided(lrk_fill_state *f, int64_t start, int64_t stride, int64_t count, void *out)
{
    lrk_gather_state g;
    gather_begin(&g, f->table, NULL);
    for (int64_t done = 0; done < count; done += LRK_TILE) {
        const int32_t n = (int32_t)(count - done < LRK_TILE ? count - done : LRK_TILE);
        int64_t steps[LRK_TILE];
        double values[LRK_TILE];
        for (int32_t j = 0; j < n; ++j) steps[j] = start + (done + j) * stride;
        gather_range(&g, 0, f->table->root, steps, n, values);
        f->to->copy(values, n, behind(f, out, done));
    }
}

/* ---- memos ---- */

#define LRK_SAMPLES 4096

/* A walk through the rows that some steps meet, which measures a memo and, where there is one, writes it. */
typedef struct lrk_plan {
    const lrk_table *table;
    const lrk_level_code *code;
    lrk_memo *memo;
    double *data;             /* of the memo, from a cache line on */
    int64_t used, most, rows; /* doubles, and their limit; rows up to the last one met */
    int worth;                /* whether there is more than lines */
    const lrk_segment *inside_of;
    double *inside;
} lrk_plan;

/* `count` doubles, from a cache line on; -1 where that is too much. */
static int64_t reserve(lrk_plan *p, int64_t count)
{
    const int64_t at = p->used;
    if (count > p->most - at) return -1;
    p->used += (count + 7) / 8 * 8;
    return at;
}

static int same_inside(const lrk_segment *a, const lrk_segment *b)
{
    return a->span == b->span && a->k[WAVE_SPAN_LOW] == b->k[WAVE_SPAN_LOW];
}

static void set_inside(const lrk_plan *p, const lrk_segment *s, double *to)
{
    lrk_inside inside;
    p->code->shapes[s->shape].inside(s, &inside);
    for (int32_t j = 0; j < LRK_TABLE_STEPS; ++j) {
        to[LRK_ENTRY * j] = to[LRK_ENTRY * j + 1] = 1.0;
        to[LRK_ENTRY * j + 2] = inside.b0[LRK_CENTRE + j];
        to[LRK_ENTRY * j + 3] = inside.b1[LRK_CENTRE + j];
    }
}

/* The records of `count` blocks, the first `begin` steps from where the row counts from. */
static void make_records(const lrk_plan *p, const lrk_segment *s, uint64_t begin, int64_t count, lrk_memo_row *row)
{
    const lrk_place place = place_row(s, 0.0);
    const int in_table = kinds[s->shape] == TABLE;
    double *r = row->records, most = 0.0;
    lrk_blocks b;
    for (int64_t done = 0; done < count; done += LRK_BLOCKS) {
        const int32_t some = (int32_t)(count - done < LRK_BLOCKS ? count - done : LRK_BLOCKS);
        for (int32_t j = 0; j < some; ++j) set_block(&b, j, begin + (uint64_t)(done + j) * (uint64_t)s->k[LRK_WIDTH]);
        make_anchors(p->code, s, &place, &b, some);
        for (int32_t j = 0; j < some; ++j) {
            const int alone = !in_table && b.terms[j] == 0.0, few = !in_table && b.terms[j] == 4.0;
            *r++ = alone ? NAN : b.value[j];
            *r++ = b.value_low[j];
            for (int k = 0; k < (in_table ? 2 : 8); ++k) *r++ = few && k >= 4 ? 0.0 : b.c[k][j];
            if (alone) row->alone = 1;
            if (!in_table && b.terms[j] > most) most = b.terms[j];
        }
    }
    row->kind = in_table ? LRK_JOINED : LRK_SUMMED_8;
    if (in_table || most > 4.0) return;
    row->kind = LRK_SUMMED_4;
    for (int64_t j = 1; j < count; ++j)
        for (int k = 0; k < 6; ++k)
            row->records[lrk_record_size[LRK_SUMMED_4] * j + k] = row->records[lrk_record_size[LRK_SUMMED_8] * j + k];
}

static int log2_of(double power_of_two)
{
    int bits = 0;
    while ((double)(INT64_C(1) << bits) < power_of_two) ++bits;
    return bits;
}

/* The blocks of the steps `low` to `high`. */
static void plan_blocks(lrk_plan *p, const lrk_segment *s, lrk_memo_row *row, int64_t low, int64_t high)
{
    const int in_table = kinds[s->shape] == TABLE;
    const lrk_place place = place_row(s, 0.0);
    const int64_t width = (int64_t)s->k[LRK_WIDTH];
    if (s->falling && (uint64_t)high > place.end) high = (int64_t)place.end;
    if (low > high) return;
    double part;
    const uint64_t one = near_steps(s, &place, low, &part), other = near_steps(s, &place, high, &part);
    const uint64_t begin = (one < other ? one : other) & ~((uint64_t)width - 1);
    const int64_t last = (int64_t)((one < other ? other : one) - begin), count = last / width + 1;
    if (last >= INT32_MAX || count > p->most) return;
    const int alike = in_table && p->inside_of != NULL && same_inside(p->inside_of, s);
    const int64_t inside = in_table && !alike ? LRK_ENTRY * LRK_TABLE_STEPS : 0;
    const int64_t at = reserve(p, inside + count * lrk_record_size[in_table ? LRK_JOINED : LRK_SUMMED_8]);
    if (at < 0) return;
    p->worth = 1;
    if (in_table) p->inside_of = s;
    if (p->memo == NULL) return;
    if (inside > 0) set_inside(p, s, p->inside = p->data + at);
    *row = (lrk_memo_row){
        .low = low,
        .high = high,
        .records = p->data + at + inside,
        .inside = p->inside,
        .from = s->falling ? (double)(place.end - begin) : (double)((uint64_t)place.first + begin),
        .sign = s->falling ? -1.0 : 1.0,
        .last = (double)last,
        .bits = log2_of(s->k[LRK_WIDTH])};
    make_records(p, s, begin, count, row);
}

static void plan_stairs(lrk_plan *p, const lrk_segment *s, lrk_memo_row *row, int64_t low, int64_t high)
{
    const int64_t at = high - low < p->most ? reserve(p, high - low + 1) : -1;
    if (at < 0) return;
    p->worth = 1;
    if (p->memo == NULL) return;
    double *records = p->data + at;
    for (int64_t k = low; k <= high; ++k) records[k - low] = step_stair(s, p->table->values, (lrk_stair){k, 0.0});
    *row = (lrk_memo_row){.low = low, .high = high, .records = records, .kind = LRK_STAIRS};
}

/* A constant, or a line whose steps are whole and whose end values clamp nothing: rounding is monotone, so nothing is
   clamped between them either. Adding -0 changes no bit. */
static void plan_line(lrk_plan *p, const lrk_segment *s, lrk_memo_row *row, int64_t end)
{
    const lrk_place place = place_row(s, 0.0);
    const int line = s->shape == SHAPE_linear;
    const double far = s->base + s->gap, part = s->falling ? place.end_part : place.lead;
    if (line && (s->k[LINEAR_CROSSES] != 0.0 || part != 0.0 || far < s->low || far > s->high)) return;
    if (line && ((uint64_t)(end - 1) > place.end || place.end >= (uint64_t)LRK_EXACT)) return;
    const int64_t at = reserve(p, lrk_record_size[LRK_STRAIGHT]);
    if (at < 0 || p->memo == NULL) return;
    const double record[] = {line ? s->base : s->start, -0.0, line ? s->gap : -0.0, -0.0};
    memcpy(p->data + at, record, sizeof record);
    *row = (lrk_memo_row){
        .low = s->first,
        .high = end - 1,
        .records = p->data + at,
        .inside = p->memo->data + LRK_ENTRY,
        .from = !line        ? 0.0
                : s->falling ? (double)place.end
                             : (double)place.first,
        .kind = LRK_STRAIGHT};
}

/* The steps `low` to `high` of a table whose clock is whole. */
static void plan_range(lrk_plan *p, int64_t first, int64_t rows, int64_t low, int64_t high)
{
    const lrk_segment *row = p->table->segments + first;
    if (high >= LRK_EXACT) return;
    const int64_t met = locate(row, rows, (lrk_clock){low, 0.0}), last = locate(row, rows, (lrk_clock){high, 0.0});
    for (int64_t k = met; k <= last; ++k) {
        const lrk_segment *s = row + k;
        const enum kind kind = kinds[s->shape];
        const int64_t end = end_of(row, k, rows), index = first + k;
        int64_t from = low > s->first ? low : s->first, to = high < end ? high : end - 1;
        lrk_memo_row *at = p->memo == NULL ? NULL : p->memo->rows + index;
        const int line = s->shape == SHAPE_linear || s->shape <= SHAPE_hold;
        if (from > to || kind == CALLED || s->shape == SHAPE_values || (kind == LANE && !line)) continue;
        if (index >= p->rows) p->rows = index + 1;
        if (line) {
            if (last - met < LRK_MOST_ROWS) plan_line(p, s, at, end); /* else hardly any tile meets few rows */
            continue;
        }
        if (kind == TABLE || kind == SERIES) {
            plan_blocks(p, s, at, from, to);
            continue;
        }
        const int64_t period = s->lead == 0.0 ? whole_period(s) : 0;
        if (period == 0) continue;
        from -= s->first;
        to -= s->first;
        if (s->shape == SHAPE_repeat && from / period != to / period) {
            from = 0;
            to = period - 1;
        } else {
            from = inner_clock(s, period, from);
            to = inner_clock(s, period, to);
        }
        if (kind == STAIR) {
            plan_stairs(p, s, at, from, to);
        } else {
            plan_range(p, s->child[0], s->count[0], from, to);
            if (s->shape == SHAPE_product) plan_range(p, s->child[1], s->count[1], from, to);
        }
    }
}

static int64_t step_of(const lrk_order *order, int64_t j)
{
    return order->size == (int)sizeof(int32_t) ? ((const int32_t *)order->steps)[j]
                                               : ((const int64_t *)order->steps)[j];
}

/* From some of them: those that lie elsewhere only take longer. */
int lrk_extent_of(const lrk_order *order, lrk_extent *extent)
{
    if (order->count < LRK_SAMPLES) return 0;
    int64_t low = step_of(order, order->count - 1), high = low;
    if ((uint64_t)low - (uint64_t)step_of(order, 0) == (uint64_t)order->count - 1) return 0; /* a plain range */
    for (int64_t j = 0; j < order->count; j += order->count / LRK_SAMPLES + 1) {
        const int64_t step = step_of(order, j);
        low = step < low ? step : low;
        high = step > high ? step : high;
    }
    if (low < 0 || high >= LRK_EXACT) return 0;
    const int64_t margin = (high - low) / (LRK_SAMPLES / 16);
    *extent = (lrk_extent){low > margin ? low - margin : 0, high + margin};
    return 1;
}

static void plan_extent(lrk_plan *p, int64_t count, lrk_extent extent)
{
    p->used = p->rows = p->worth = 0;
    p->most = count < INT32_MAX ? count : INT32_MAX;
    p->inside_of = NULL;
    plan_range(p, 0, p->table->root, extent.low, extent.high);
}

/* The rows of the memo, and a cache line for the steps of other rows; the doubles begin with the one behind it. */
static int64_t head_bytes(int64_t rows)
{
    return (int64_t)sizeof(lrk_memo) + rows * (int64_t)sizeof(lrk_memo_row) + 2 * LRK_LINE_OF;
}

int64_t lrk_memo_bytes(const lrk_table *table, int64_t count, lrk_extent extent)
{
    lrk_plan p = {.table = table};
    if (count < table->root) return 0;
    plan_extent(&p, count, extent);
    return p.worth ? head_bytes(p.rows) + p.used * (int64_t)sizeof(double) : 0;
}

const lrk_memo *lrk_memo_make(const lrk_table *table, int64_t count, lrk_extent extent, void *bytes)
{
    lrk_plan p = {.table = table, .code = levels[lrk_level()].code};
    plan_extent(&p, count, extent);
    p.memo = bytes;
    p.memo->count = p.rows;
    for (int64_t row = 0; row < p.rows; ++row) p.memo->rows[row] = (lrk_memo_row){.low = 1};
    const uintptr_t data = (uintptr_t)(p.memo->rows + p.rows) + LRK_LINE_OF - 1;
    p.memo->data = (double *)(data - data % LRK_LINE_OF);
    p.data = p.memo->data + LRK_LINE_OF / sizeof(double);
    for (int k = 0; k < LRK_LINE_OF / (int)sizeof(double); ++k) p.memo->data[k] = k < LRK_ENTRY ? 0.0 : 1.0;
    plan_extent(&p, count, extent);
    return p.memo;
}
