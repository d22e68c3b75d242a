/* custom.h - shapes of your own: functions of the process, found by the key of their name.

   A row has the key, never an address, so that its bytes mean the same in every process. */
#ifndef LRK_CUSTOM_H
#define LRK_CUSTOM_H

#include "atomic.h"
#include "shape_math.h"

#define LRK_CUSTOM_RUN 1024 /* doubles: the temporary of a run */

static struct {
    double key;
    lrk_function function;
} lrk_functions[LRK_MAX_FUNCTIONS];
static volatile int32_t lrk_function_count; /* raised when what it counts is written: rows may be prepared meanwhile */

double lrk_key(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a; 52 bits of it are whole in a double */
    for (; *name != '\0'; ++name) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return (double)(int64_t)(hash >> 12);
}

static int32_t lrk_function_of(double key)
{
    int32_t index = LRK_ACQUIRE(lrk_function_count);
    while (--index >= 0 && lrk_functions[index].key != key) continue;
    return index;
}

const char *lrk_register(const char *name, const lrk_function *function)
{
    const double key = lrk_key(name);
    if ((function->plain == NULL) == (function->with_data == NULL)) return "one function must be given";
    if (lrk_function_of(key) >= 0) return "name must not be registered already";
    const int32_t count = LRK_ACQUIRE(lrk_function_count);
    if (count == LRK_MAX_FUNCTIONS) return "no more functions can be registered";
    lrk_functions[count].key = key;
    lrk_functions[count].function = *function;
    LRK_RELEASE(lrk_function_count, count + 1);
    return NULL;
}

/* Straight lines between values at 0, 1/n, ... 1: `data` is n and these n + 1 values. */
double lrk_sampled(double u, void *data)
{
    const double *n = data, *values = n + 1, x = u * *n;
    const int64_t k = (int64_t)x;
    return (double)k < *n ? values[k] + (values[k + 1] - values[k]) * (x - (double)k) : values[k];
}

/* ---- custom ----
   The function is called with u = (t - begin) / (end - begin), each rounded to a double: to be measured from the end
   where the value is nearer to zero, as other rows are, it would have to be written for that. What it returns is a
   weight as any other, but for the clamp: it may leave 0 .. 1. */

enum { CUSTOM_FUNCTION, CUSTOM_CROSSES };

static const char *custom_prepare(lrk_segment *s, lrk_dd span)
{
    (void)span;
    const int32_t index = lrk_function_of(s->param);
    if (index < 0) return "shape must be registered in this process";
    s->k[CUSTOM_FUNCTION] = index;
    s->k[CUSTOM_CROSSES] = lrk_crosses_zero(s);
    return lrk_between(s, lrk_nears_zero(s));
}

LRK_INLINE double lrk_custom_u(const lrk_segment *s, const lrk_steps *past, double j)
{
    return lrk_clamp(((past->high + (past->low + j)) + past->part) / s->span, 0.0, 1.0);
}

LRK_INLINE double lrk_custom_value(const lrk_segment *s, double u, double g)
{
    const double w = s->falling ? g : 1.0 - g;
    const double value = s->base + s->gap * (s->k[CUSTOM_CROSSES] == 0.0 ? w : 2.0 * w - 1.0);
    return u < 1.0 ? value : s->stop;
}

static double lrk_custom_call(const lrk_function *f, double u)
{
    return f->plain != NULL ? f->plain(u) : f->with_data(u, f->data);
}

/* The value `past` the beginning of the row. */
static double custom_called(const lrk_segment *s, const lrk_steps *past)
{
    const double u = lrk_custom_u(s, past, 0.0);
    return lrk_custom_value(s, u, lrk_custom_call(&lrk_functions[(int32_t)s->k[CUSTOM_FUNCTION]].function, u));
}

/* Those of n steps. */
static void custom_values(const lrk_segment *segment, const double *restrict u, int32_t n, double *restrict out)
{
    const lrk_segment s = *segment;
    const lrk_function *f = &lrk_functions[(int32_t)s.k[CUSTOM_FUNCTION]].function;
    if (f->many != NULL) {
        f->many(u, n, out);
    } else {
        for (int32_t j = 0; j < n; ++j) out[j] = lrk_custom_call(f, u[j]);
    }
    for (int32_t j = 0; j < n; ++j) out[j] = lrk_custom_value(&s, u[j], out[j]);
}

/* Those of n <= LRK_CUSTOM_RUN steps in a row. */
static void custom_run(const lrk_segment *s, const lrk_steps *past, int32_t n, double *restrict out)
{
    double u[LRK_CUSTOM_RUN];
    for (int32_t j = 0; j < n; ++j) u[j] = lrk_custom_u(s, past, (double)j);
    custom_values(s, u, n, out);
}

#endif
