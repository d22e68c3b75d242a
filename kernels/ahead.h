/* ahead.h - values filled in ahead for who asks step by step: a step of a fill costs a tenth of one by itself.

   A table that is asked for some steps in a row, or for one again and again, gets one block of values, which is
   overwritten from then on. Threads share it without a lock: who finds it being written does without, and no value is
   torn. A cursor (cursor.c) is the same for one thread, which needs no turns and so gets longer blocks. */
#ifndef LRK_AHEAD_H
#define LRK_AHEAD_H

#include "atomic.h"
#include "lrkernel.h"

#include <stddef.h>

#define LRK_AHEAD_STEPS 256

typedef struct lrk_ahead {
    volatile uint64_t turn;    /* odd while the block is being written; in its upper bits, after how many forks */
    volatile int64_t first;    /* its first step; negative: none yet */
    volatile int64_t patience; /* steps in a row to wait for besides, after blocks that were hardly used */
    volatile uint64_t bits[LRK_AHEAD_STEPS]; /* of the values */
} lrk_ahead;

/* What a table keeps of those who ask it: the last run of steps that no block had, by the one that would continue it or
   the block and by the one that is as many before it as were asked for; and the block. All zero at first. */
typedef struct lrk_asked {
    volatile int64_t since, next;
    lrk_ahead *volatile block;
} lrk_asked;

/* Whether a step is in the block, and its value: what is read between two equal turns was complete at both. */
static inline int lrk_ahead_has(const lrk_asked *asked, int64_t step, double *value)
{
    const lrk_ahead *block = LRK_ACQUIRE(asked->block);
    if (block == NULL) return 0;
    const uint64_t turn = LRK_ACQUIRE(block->turn);
    const uint64_t at = (uint64_t)step - (uint64_t)LRK_ACQUIRE(block->first);
    if (at >= LRK_AHEAD_STEPS) return 0;
    const union {
        uint64_t bits;
        double value;
    } found = {LRK_ACQUIRE(block->bits[at])};
    *value = found.value;
    return turn % 2 == 0 && LRK_ACQUIRE(block->turn) == turn;
}

/* Whether to fill a block from a step on that is in none and continues the last run. */
int lrk_ahead_pays(lrk_asked *asked, int64_t step);

/* The same of any step that is in no block. One that is asked for again is in the run as well: it counts as one more at
   its beginning. */
static inline int lrk_ahead_wanted(lrk_asked *asked, int64_t step)
{
    const uint64_t next = (uint64_t)LRK_ACQUIRE(asked->next), since = (uint64_t)LRK_ACQUIRE(asked->since);
    if ((uint64_t)step == next - 1) {
        LRK_RELEASE(asked->since, (int64_t)(since - 1));
        return lrk_ahead_pays(asked, step);
    }
    LRK_RELEASE(asked->next, (int64_t)((uint64_t)step + 1));
    if ((uint64_t)step == next) return lrk_ahead_pays(asked, step);
    LRK_RELEASE(asked->since, step);
    return 0;
}

static inline int lrk_ahead_kept(const lrk_asked *asked)
{
    return LRK_ACQUIRE(asked->block) != NULL;
}

/* Makes zeroed memory the block of a table; 0, and it is not, where another thread was first. */
int lrk_ahead_keep(lrk_asked *asked, lrk_ahead *block);

/* The same of anything that a table makes once and keeps. */
int lrk_keep(void *volatile *place, void *made);

/* Makes a 0 a 1, where it was one: then only this thread changes what goes with it, until it lets go. */
int lrk_claim(volatile int64_t *claimed);
void lrk_let_go(volatile int64_t *claimed);

/* Fills the block from a step on, unless another thread is at it; one that was when its process forked is not in the
   child. */
void lrk_ahead_fill(lrk_asked *asked, const lrk_table *table, int64_t step);

#endif
