/* patience.c - which thread computes for whom, and when it asks whether to go on. */
#include "patience.h"

#include "atomic.h"

#include <stddef.h>

static LRK_THREAD struct {
    lrk_patience *held;
    int asks, work;
} mine;

void lrk_patience_begin(lrk_patience *patience, int (*lost)(lrk_patience *patience))
{
    *patience = (lrk_patience){.lost = lost, .outer = mine.held, .asks_outer = mine.asks};
    mine.held = patience;
    mine.asks = 1;
    mine.work = 0;
}

int lrk_patience_end(lrk_patience *patience)
{
    mine.held = patience->outer;
    mine.asks = patience->asks_outer;
    return LRK_ACQUIRE(patience->over);
}

lrk_patience *lrk_patience_now(void)
{
    return mine.held;
}

void lrk_patience_share(lrk_patience *patience)
{
    mine.held = patience;
    mine.asks = 0;
}

int lrk_over(int work)
{
    lrk_patience *patience = mine.held;
    if (patience == NULL) return 0;
    if (LRK_ACQUIRE(patience->over)) return 1;
    if (!mine.asks || (mine.work += work) < LRK_ASK_NOW) return 0;
    mine.work = 0;
    const int over = patience->lost(patience);
    if (over) LRK_RELEASE(patience->over, 1);
    return over;
}
