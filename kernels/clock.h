/* clock.h - the clocks of rows and sub-tables: where a row lies in one, stairs and cycles, which row owns a step. */
#ifndef LRK_CLOCK_H
#define LRK_CLOCK_H

#include "doubledouble.h"
#include "lrkernel.h"

/* ---- clocks ----
   A sub-table reads a clock that may have a real offset: the step minus a real boundary. It is kept as `whole + part`,
   part in [0, 1), and never as one double, so that huge steps keep their last digit and neighbours share their part. */

typedef struct lrk_clock {
    int64_t whole;
    double part;
} lrk_clock;

/* The stair's number, low + 2^62 high; beyond int64 only for stairs of less than one step. */
typedef struct lrk_stair {
    int64_t low;
    double high;
} lrk_stair;

/* A row's place in such a clock: the first whole step it owns, how far past its beginning that is, and its end. */
typedef struct lrk_place {
    int64_t first;
    double lead;
    uint64_t end;
    double end_part;
} lrk_place;

static lrk_place place_row(const lrk_segment *s, double part)
{
    lrk_place place = {s->first, s->lead, s->end, s->end_part};
    if (part != 0.0) {
        const double late = s->begin_part - part;
        const int up = late > 0.0 && s->begin < INT64_MAX;
        place.first = s->begin + up;
        place.lead = up - late;
        place.end_part -= part;
        if (place.end_part < 0.0 && place.end > 0) {
            place.end -= 1;
            place.end_part += 1.0;
        }
    }
    return place;
}

/* The row's own clock at a whole step that it owns. */
static lrk_clock local_clock(const lrk_place *place, int64_t whole)
{
    const int carry = place->lead >= 1.0; /* 1 - tiny */
    return (lrk_clock){whole - place->first + carry, carry ? 0.0 : place->lead};
}

/* left 2^-shift + part as a clock; whole < 0 where that is negative. */
static lrk_clock clock_of(int64_t left, int shift, double part)
{
    if (shift > 62) return (lrk_clock){0, lrk_scale((double)left, -(double)shift) + part};
    const int64_t one = INT64_C(1) << shift;
    int64_t whole = left / one;
    if (whole * one > left) --whole;
    part += lrk_scale((double)(left - whole * one), -(double)shift);
    return part >= 1.0 ? (lrk_clock){whole + 1, part - 1.0} : (lrk_clock){whole, part};
}

/* floor(clock / every) and what is left of the clock; exact for every int64 step and every period, by long division
   where the period is no integer (x * (1 / period) and floor(x / period) miss exact multiples). What is left comes from
   the integers of that division, so that all steps of a stair or cycle agree on its part to the bit. */
static lrk_stair divide_clock(lrk_clock clock, double every, lrk_clock *rest)
{
    if (every >= 0x1p53) { /* more than any duration, and still in whole numbers */
        *rest = clock;
        return (lrk_stair){0, 0.0};
    }
    const int64_t period = (int64_t)every;
    if ((double)period == every) {
        const int64_t k = clock.whole / period;
        *rest = (lrk_clock){clock.whole - k * period, clock.part};
        return (lrk_stair){k, 0.0};
    }

    /* every = q 2^-shift with q < 2^53 */
    const int64_t low_bits = (INT64_C(1) << 62) - 1;
    double exponent;
    const double mantissa = lrk_mantissa(every, &exponent);
    const int64_t q = (int64_t)(mantissa * 0x1p52);
    const int shift = 52 - (int)exponent;
    int64_t left = clock.whole % q;
    lrk_stair k = {(clock.whole / q) & low_bits, (double)((clock.whole / q) >> 62)};
    for (int done = 0; done < shift;) {
        const int bits = shift - done < 10 ? shift - done : 10;
        left <<= bits;
        k.high = k.high * (double)(1 << bits) + (double)(k.low >> (62 - bits));
        k.low = (int64_t)((uint64_t)k.low << bits & (uint64_t)low_bits) + left / q;
        left %= q;
        done += bits;
    }

    /* the part may complete further periods */
    double more = 0.0;
    if (clock.part != 0.0) {
        more = (double)(int64_t)lrk_clamp((lrk_scale((double)left, -(double)shift) + clock.part) / every, 0.0, 0x1p62);
        if (shift <= 60) {
            int64_t count = (int64_t)more;
            while (count > 0 && clock_of(left - count * q, shift, clock.part).whole < 0) --count;
            while (clock_of(left - (count + 1) * q, shift, clock.part).whole >= 0) ++count;
            left -= count * q;
            more = (double)count;
            *rest = clock_of(left, shift, clock.part);
        } else { /* stairs of less than 1/256 of a step, each with its own step */
            const double over = lrk_scale((double)left, -(double)shift) + clock.part - more * every;
            *rest = (lrk_clock){0, lrk_clamp(over, 0.0, every)};
        }
    } else {
        *rest = clock_of(left, shift, 0.0);
    }
    k.low += (int64_t)more;
    if (k.low > low_bits) {
        k.low -= low_bits + 1;
        k.high += 1.0;
    }
    return k;
}

/* The clock of epochs; those of less than one step can number more than int64 holds. */
static lrk_clock epoch_clock(lrk_stair k)
{
    return (lrk_clock){k.high > 1.0 ? INT64_MAX : (int64_t)k.high * (INT64_C(1) << 62) + k.low, 0.0};
}

/* The clock `n` steps later, a real number of them in a schedule that was stretched; the last int64 step holds. */
static lrk_clock later_clock(lrk_clock clock, double n)
{
    int64_t steps = (int64_t)n;
    clock.part += n - (double)steps;
    if (clock.part >= 1.0) {
        clock.part -= 1.0;
        steps += 1;
    }
    clock.whole = clock.whole > INT64_MAX - steps ? INT64_MAX : clock.whole + steps;
    return clock;
}

static int in_stair(lrk_clock clock, int64_t later, double every, lrk_stair k)
{
    lrk_clock rest;
    clock.whole += later;
    const lrk_stair other = divide_clock(clock, every, &rest);
    return other.low == k.low && other.high == k.high;
}

/* How many of the next n >= 1 steps fall into the stair `k` that the clock is in. */
static int64_t stair_run(lrk_clock clock, double every, lrk_stair k, lrk_clock rest, int64_t n)
{
    const double real = every - ((double)rest.whole + rest.part);
    if (!(real < 0x1p53)) return n;
    int64_t run = (int64_t)real + ((double)(int64_t)real < real);
    if (run < 1) run = 1;
    if (run > n) run = n;
    if (every < 0x1p53 && every == (double)(int64_t)every) return run;
    /* a fractional period may round to one step too many or too few */
    while (run > 1 && !in_stair(clock, run - 1, every, k)) --run;
    while (run < n && in_stair(clock, run, every, k)) ++run;
    return run;
}

/* The last row that owns or precedes a whole step; the first row begins at 0. */
static int64_t locate(const lrk_segment *rows, int64_t count, lrk_clock clock)
{
    int64_t low = 0, high = count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        const lrk_segment *m = rows + middle;
        if ((clock.part == 0.0 ? m->first : place_row(m, clock.part).first) <= clock.whole) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The value at a clock, of the `rows` rows that begin with row `first`. */
double lrk_range_at(const lrk_table *table, int64_t first, int64_t rows, lrk_clock clock);

#endif
