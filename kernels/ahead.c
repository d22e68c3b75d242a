/* ahead.c - when a block of values is filled ahead, and how it is written while others read. */
#include "ahead.h"
#include "pool.h"

#include <string.h>

#ifdef _MSC_VER
#include <intrin.h>
#define LRK_SWAP(x, old, new) \
    (_InterlockedCompareExchange64((volatile long long *)&(x), (long long)(new), (long long)(old)) == (long long)(old))
#define LRK_SWAP_POINTER(x, old, new) \
    (_InterlockedCompareExchangePointer((void *volatile *)&(x), (new), (old)) == (old))
#else
#define LRK_SWAP(x, old, new) __sync_bool_compare_and_swap(&(x), (old), (new))
#define LRK_SWAP_POINTER LRK_SWAP
#endif

/* A fill takes the time of 25 steps, so it must not come before some were asked for. Who asks from two places in turn
   would waste a block each time; the more of them are wasted, the longer the wait. */
#define LRK_PATIENCE 16
#define LRK_MOST_PATIENCE 256

#define LRK_TURN_BITS 40 /* of the turn itself, below the number of forks */

int lrk_ahead_pays(lrk_asked *asked, int64_t step)
{
    lrk_ahead *block = LRK_ACQUIRE(asked->block);
    const int64_t first = block == NULL ? -1 : LRK_ACQUIRE(block->first);
    if (first >= 0 && step - first == LRK_AHEAD_STEPS) { /* used to its end */
        LRK_RELEASE(block->patience, 0);
        return 1;
    }
    const int64_t patience = block == NULL ? 0 : LRK_ACQUIRE(block->patience);
    const uint64_t asks = (uint64_t)step - (uint64_t)LRK_ACQUIRE(asked->since);
    if ((int64_t)asks < LRK_PATIENCE + patience) return 0;
    if (block != NULL && patience < LRK_MOST_PATIENCE) LRK_RELEASE(block->patience, patience + LRK_MOST_PATIENCE / 4);
    return 1;
}

int lrk_ahead_keep(lrk_asked *asked, lrk_ahead *block)
{
    block->first = INT64_MIN;
    return LRK_SWAP_POINTER(asked->block, NULL, block);
}

int lrk_keep(void *volatile *place, void *made)
{
    return LRK_SWAP_POINTER(*place, NULL, made);
}

int lrk_claim(volatile int64_t *claimed)
{
    return LRK_SWAP(*claimed, 0, 1);
}

void lrk_let_go(volatile int64_t *claimed)
{
    LRK_RELEASE(*claimed, 0);
}

void lrk_ahead_fill(lrk_asked *asked, const lrk_table *table, int64_t step)
{
    lrk_ahead *block = LRK_ACQUIRE(asked->block);
    double values[LRK_AHEAD_STEPS];
    const int64_t most = INT64_MAX - LRK_AHEAD_STEPS + 1, first = step < most ? step : most;
    const uint64_t turn = LRK_ACQUIRE(block->turn), forks = (uint64_t)lrk_forks() << LRK_TURN_BITS;
    const uint64_t mine = forks | (((turn & ((UINT64_C(1) << LRK_TURN_BITS) - 1)) + 1) | 1);
    if (turn % 2 != 0 && turn >> LRK_TURN_BITS == forks >> LRK_TURN_BITS) return;
    if (!LRK_SWAP(block->turn, turn, mine)) return;
    lrk_fill(table, first, 1, LRK_AHEAD_STEPS, values, 1);
    LRK_RELEASE(block->first, first);
    for (int j = 0; j < LRK_AHEAD_STEPS; ++j) {
        uint64_t bits;
        memcpy(&bits, values + j, sizeof bits);
        LRK_RELEASE(block->bits[j], bits);
    }
    LRK_RELEASE(block->turn, mine + 1);
    LRK_RELEASE(asked->next, (int64_t)((uint64_t)first + LRK_AHEAD_STEPS));
}
