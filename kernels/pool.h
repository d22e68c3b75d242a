/* pool.h - a few threads that sleep until there is work to share. */
#ifndef LRK_POOL_H
#define LRK_POOL_H

#include <stdint.h>

/* The pieces `from` to before `to`. */
typedef void lrk_work(const void *job, int64_t from, int64_t to);

/* Has the pieces 0 to pieces - 1 done, each once and in any order, on at most `threads` threads of which the caller is
   one, and returns when all are. The caller begins alone, by some pieces at a time, and shares what is left only where
   the time that it took so far says that waking others pays. `work` must not come back here.

   The pool serves one caller at a time: others, from whatever thread, do their work alone meanwhile. Where the system
   gives no more threads, it is done by those there are. A forked child begins with an empty pool. */
void lrk_share(lrk_work *work, const void *job, int64_t pieces, int threads);

/* Since some time in the past. */
double lrk_nanoseconds(void);

/* How many forks lie between the process that loaded the library and this one; threads of those do nothing here. */
int64_t lrk_forks(void);

#endif
