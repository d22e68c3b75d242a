/* lrkernel.h - a schedule as C sees it: a table of segments, one step, and a run of steps.

   Pure C11, no Python.h. Same bits in every language need the same arithmetic: compile the kernel and everything that
   is inlined from it with floating-point contraction off (-ffp-contract=off, /fp:precise) and without -ffast-math. */
#ifndef LRKERNEL_H
#define LRKERNEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever the layout below or the meaning of a field changes. */
#define LRK_ABI 1

/* Nodes (scale, product, repeat, ...) refer to sub-tables; this many levels at most, the root included. */
#define LRK_MAX_DEPTH 17

/* One row. Everything up to `shape` says what the row is; everything from `first` on is derived by lrk_prepare.

   A boundary is `whole + part`, so that integers are exact up to the last int64 step and real boundaries keep their
   fraction. The end may lie past the last step (a growing cycle): then `end_part` also carries what exceeds uint64. */
typedef struct lrk_segment {
    int64_t begin;     /* where the row's clock reads 0 ... */
    double begin_part; /* ... in [0, 1) */
    uint64_t end;      /* where its formula ends, u = 1 ... */
    double end_part;   /* ... INFINITY for an open-ended shape */
    double start;      /* value at u = 0 */
    double stop;       /* value at u = 1; the constant of scale, divide and offset, low and high of clip */
    double param;      /* power, cycles, gamma, timescale, number of repeats, key of a name */
    double every;      /* steps per stair, per gamma, per cycle, per epoch; of a skip */
    int64_t child[2];  /* first row of a sub-table; first value of an array */
    int64_t count[2];  /* rows of a sub-table; values of an array */
    int32_t shape;
    int32_t falling;  /* derived: the end nearer to zero is the end */
    int64_t first;    /* derived: first integer step owned, ceil(begin) */
    double lead;      /* derived: first - begin */
    double span;      /* derived: end - begin, INFINITY where open-ended */
    double base;      /* derived: the end value nearer to zero ... */
    double gap;       /* ... and how far the other one is from it */
    double low, high; /* derived: of a line, the range of the end values; of rows with blocks, shape_math.h says what */
    double k[8];      /* derived: what the shape's formula needs, named in shape_math.h */
} lrk_segment;

/* `root` rows from row 0 on are the schedule; the rows behind them are the sub-tables of nodes. */
typedef struct lrk_table {
    const lrk_segment *segments;
    const double *values;
    int64_t root;
} lrk_table;

/* Fills in the derived fields. NULL, or the rule that the row breaks ("gamma must be > 0"). */
const char *lrk_prepare(lrk_segment *segment);

/* The value at one step, 0 <= step. */
double lrk_at(const lrk_table *table, int64_t step);

/* The limit from the left at the boundary `whole + part` > 0 of the `rows` rows that begin with row `first`. */
double lrk_limit(const lrk_table *table, int64_t first, int64_t rows, int64_t whole, double part);

/* The values of the steps start, start + stride, ..., `count` of them, to out[0], out[gap], ... (gap in elements).
   Every step must be a non-negative int64. lrk_fill_float rounds each float64 result once. */
void lrk_fill(const lrk_table *table, int64_t start, int64_t stride, int64_t count, double *out, int64_t gap);
void lrk_fill_float(const lrk_table *table, int64_t start, int64_t stride, int64_t count, float *out, int64_t gap);

/* The values of `count` steps in any order, none negative. */
void lrk_gather(const lrk_table *table, const int64_t *steps, int64_t count, double *out);

/* A position that remembers values of steps ahead: going through the steps one by one costs a tenth of lrk_at. Any
   other order gives the same values, at a little more, and a negative step NaN. One per thread; what the table refers
   to must stay. */
#define LRK_AHEAD 1024
typedef struct lrk_cursor {
    lrk_table table;
    uint64_t first; /* step of ahead[0], ... */
    uint64_t count; /* ... of which so many are filled */
    double (*move)(struct lrk_cursor *cursor, int64_t step);
    double ahead[LRK_AHEAD];
} lrk_cursor;
void lrk_cursor_begin(lrk_cursor *cursor, const lrk_table *table);
static inline double lrk_cursor_at(lrk_cursor *cursor, int64_t step)
{
    const uint64_t j = (uint64_t)step - cursor->first;
    return j < cursor->count ? cursor->ahead[j] : cursor->move(cursor, step);
}

/* The table that Schedule.to_bytes() of Python wrote. Ask how many rows and values the bytes hold, allocate them
   (calloc guards the product), and load; the table then refers to both buffers and no longer to the bytes. NULL, or
   the rule that the bytes break. They may come from anybody: nothing beyond `size` or the buffers is touched, and
   what was loaded has a value at every step; it is NaN only where a scale or a product multiplies infinity by 0, or
   where bytes that Schedule.to_bytes() did not write ask for a formula far past its end. */
const char *lrk_table_measure(const void *data, size_t size, int64_t *rows, int64_t *values);
const char *lrk_table_load(
    const void *data, size_t size, lrk_segment *segments, int64_t rows, double *values, int64_t count,
    lrk_table *table);

/* A shape of your own: g(u) with g(0) = 1 and g(1) = 0, for u from 0 to 1, called from many threads. Register it
   before tables that have it are prepared or loaded; it stays. `param` of a row of the shape `custom` is the key of the
   name. */
#define LRK_MAX_FUNCTIONS 1024
typedef struct lrk_function {
    double (*plain)(double u); /* this one, or ... */
    double (*with_data)(double u, void *data);
    void *data;
    void (*many)(const double *u, int64_t n, double *g); /* NULL, or the same values with the same bits */
} lrk_function;
double lrk_key(const char *name);
/* NULL, or the rule that is broken ("name must not be registered already"); from one thread at a time, while others
   prepare, load and evaluate. */
const char *lrk_register(const char *name, const lrk_function *function);
/* One to register `with_data`: straight lines between values at 0, 1/n, ... 1; its data are n and the n + 1 values. */
double lrk_sampled(double u, void *data);

/* SIMD levels, lowest first. All give the same bits. lrk_use_level: 0, or -1 where this CPU cannot run it;
   a negative index picks the best level again. */
int lrk_level_count(void);
const char *lrk_level_name(int level);
int lrk_level_runs(int level);
int lrk_level(void);
int lrk_use_level(int level);

/* The rows of shapes.def. */
typedef struct lrk_shape_info {
    int32_t id;
    const char *name;
    const char *kind; /* "lane", "table", "series", "called", "stair" or "node" */
    double ulp;
    const char *call;
    const char *formula;
} lrk_shape_info;
int lrk_shape_count(void);
const lrk_shape_info *lrk_shape(int index);

#ifdef __cplusplus
}
#endif

#endif
