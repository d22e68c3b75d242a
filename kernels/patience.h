/* patience.h - how who waits for a long computation ends it. */
#ifndef LRK_PATIENCE_H
#define LRK_PATIENCE_H

typedef struct lrk_patience {
    /* Whether to end. It is asked by the thread that began alone, every few microseconds, and not again after a yes. */
    int (*lost)(struct lrk_patience *patience);
    double asked; /* for its use */
    struct lrk_patience *outer;
    int asks_outer;
    volatile int over;
} lrk_patience;

/* What the thread computes from here on may be ended, together with what workers do of it. Those of one thread nest. */
void lrk_patience_begin(lrk_patience *patience, int (*lost)(lrk_patience *patience));

/* 1 where it was ended: then nothing that was computed since means anything. */
int lrk_patience_end(lrk_patience *patience);

/* What a worker gets of the caller's patience, or NULL, and gives back to its own. */
lrk_patience *lrk_patience_now(void);
void lrk_patience_share(lrk_patience *patience);

/* Counts `work`, in about microseconds. 1: end soon, with whatever result. Without anybody who waits always 0. */
int lrk_over(int work);

#define LRK_ASK_NOW 4096 /* work after which to ask */

#endif
