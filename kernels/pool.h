/* pool.h - a few threads that sleep until there is work to share. */
#ifndef LRK_POOL_H
#define LRK_POOL_H

#include <stdint.h>

typedef void lrk_work(const void *job, int64_t piece);

/* Calls work(job, 0), ..., work(job, pieces - 1), each once and in any order, on at most `threads` threads of which the
   caller is one, and returns when all are done. `work` must not come back here.

   The pool serves one caller at a time: others, from whatever thread, do their work alone meanwhile. Where the system
   gives no more threads, it is done by those there are. A forked child begins with an empty pool. */
void lrk_share(lrk_work *work, const void *job, int64_t pieces, int threads);

#endif
