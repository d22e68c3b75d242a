/* pool.c - the threads: how they sleep, take pieces of a job, and survive a fork. */
#ifdef __linux__
#define _GNU_SOURCE /* of SCHED_BATCH */
#else
#define _POSIX_C_SOURCE 200809L /* of signal.h, where the standard is C11 to the letter */
#endif
#include "pool.h"
#include "patience.h"

#include <fenv.h>

/* Nanoseconds of work that are worth sharing. Waking a thread that sleeps, waiting for its last piece and fetching what
   it wrote cost two threads 40 to 60 microseconds: of 100,000 values of any shape but powers they took 1.4 to 1.7 times
   the time of one, of 333,333 0.9 (a cosine) to 2.3 (a constant). How much work there is shows only as it is done: a
   constant takes 0.2 ns per value, a shuffled step 10, a function of the user's own anything. */
#ifndef LRK_WORTH_WAKING
#define LRK_WORTH_WAKING 200e3
#endif

/* Nanoseconds that the caller waits for its workers before it asks whether it shall wait on. */
#define LRK_SOME 50000000

/* ---- the system's threads behind a few functions ---- */

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <windows.h>

typedef SRWLOCK lrk_lock;
typedef CONDITION_VARIABLE lrk_signal;
#define LRK_LOCK_INIT SRWLOCK_INIT
#define LRK_SIGNAL_INIT CONDITION_VARIABLE_INIT

static void hold(lrk_lock *lock)
{
    AcquireSRWLockExclusive(lock);
}

static void release(lrk_lock *lock)
{
    ReleaseSRWLockExclusive(lock);
}

static void await(lrk_signal *signal, lrk_lock *lock)
{
    SleepConditionVariableSRW(signal, lock, INFINITE, 0);
}

static void await_some(lrk_signal *signal, lrk_lock *lock)
{
    SleepConditionVariableSRW(signal, lock, LRK_SOME / 1000000, 0);
}

static void wake_one(lrk_signal *signal)
{
    WakeConditionVariable(signal);
}

static void serve(void);

static unsigned __stdcall begin(void *unused)
{
    (void)unused;
    serve();
    return 0;
}

static int start_thread(void)
{
    const uintptr_t thread = _beginthreadex(NULL, 0, begin, NULL, 0, NULL);
    if (thread == 0) return 0;
    CloseHandle((HANDLE)thread);
    return 1;
}

static const int survives_fork = 1;

double lrk_nanoseconds(void)
{
    LARGE_INTEGER now, second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&second);
    return 1e9 * (double)now.QuadPart / (double)second.QuadPart;
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

typedef pthread_mutex_t lrk_lock;
typedef pthread_cond_t lrk_signal;
#define LRK_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define LRK_SIGNAL_INIT PTHREAD_COND_INITIALIZER
#define LRK_STACK (1 << 20) /* a fill needs 150 KB at the greatest depth; musl gives 128 */

static void hold(lrk_lock *lock)
{
    pthread_mutex_lock(lock);
}

static void release(lrk_lock *lock)
{
    pthread_mutex_unlock(lock);
}

static void await(lrk_signal *signal, lrk_lock *lock)
{
    pthread_cond_wait(signal, lock);
}

static void await_some(lrk_signal *signal, lrk_lock *lock)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LRK_SOME;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(signal, lock, &until);
}

static void wake_one(lrk_signal *signal)
{
    pthread_cond_signal(signal);
}

static void serve(void);

/* A worker that wakes on an idle core begins at once, but must not push the caller from its own: on a machine whose
   cores were all busy that cost each call 10 to 20 microseconds, as a batch thread it costs none. Tried instead:
   signalling outside the lock (6 microseconds), spinning for some microseconds before sleeping (up to 300, since the
   worker then spun on the caller's core). */
static void give_way(void)
{
#ifdef SCHED_BATCH
    const struct sched_param none = {0};
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
#endif
}

static void *begin(void *unused)
{
    (void)unused;
    give_way();
    serve();
    return NULL;
}

/* With all signals blocked: they are for the threads of the program. */
static int start_thread(void)
{
    pthread_t thread;
    pthread_attr_t as;
    sigset_t all, before;
    if (pthread_attr_init(&as) != 0) return 0;
    pthread_attr_setdetachstate(&as, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&as, LRK_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&thread, &as, begin, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&as);
    return !failed;
}

static void empty_pool(void);

static int survives_fork;

double lrk_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

/* When the library is loaded: at the first job another thread may fork before it is done, with the lock held for ever
   after. */
__attribute__((constructor)) static void expect_forks(void)
{
    survives_fork = pthread_atfork(NULL, NULL, empty_pool) == 0;
}

#endif

/* ---- the pool ---- */

/* One job at a time. A worker takes a seat, then piece after piece, each under the lock: a piece takes some ten
   microseconds, the lock a hundredth of one, and neither compilers without C11 atomics nor a checker of races has
   anything to object to. Seats are withdrawn when the caller finds no piece left, so that nobody waits for a worker
   that woke too late to help.

   A worker computes as the caller does: a thread begins with the rounding, and with the treatment of subnormal numbers
   (torch.set_flush_denormal), that the thread which started it had then, and the caller may be another one or have
   changed them since. */
typedef struct lrk_pool {
    lrk_lock lock;
    lrk_signal work_came, last_left;
    int busy;    /* has a caller */
    int workers; /* threads started */
    int seats;   /* for workers that may still join */
    int active;  /* workers that have joined */
    lrk_work *work;
    const void *job;
    int64_t next, pieces;
    fenv_t arithmetic;      /* the caller's ... */
    lrk_patience *patience; /* ... and whom it works for */
} lrk_pool;

static int64_t forks;

int64_t lrk_forks(void)
{
    return forks;
}

static lrk_pool pool = {.lock = LRK_LOCK_INIT, .work_came = LRK_SIGNAL_INIT, .last_left = LRK_SIGNAL_INIT};

#ifndef _WIN32
/* In the child of a fork, which has none of the threads, whatever they held. */
static void empty_pool(void)
{
    forks += 1;
    pool = (lrk_pool){.lock = LRK_LOCK_INIT, .work_came = LRK_SIGNAL_INIT, .last_left = LRK_SIGNAL_INIT};
}
#endif

/* Called and left with the lock held; what to do is the caller's to know, since who is asked whether to go on may fork,
   and the child's pool is empty. */
static void take_pieces(lrk_work *work, const void *job)
{
    while (pool.next < pool.pieces) {
        const int64_t piece = pool.next++;
        release(&pool.lock);
        if (!lrk_over(LRK_ASK_NOW)) work(job, piece, piece + 1);
        hold(&pool.lock);
    }
}

/* The life of a worker. */
static void serve(void)
{
    hold(&pool.lock);
    for (;;) {
        while (pool.seats == 0) await(&pool.work_came, &pool.lock);
        pool.seats -= 1;
        pool.active += 1;
        fesetenv(&pool.arithmetic);
        lrk_patience_share(pool.patience);
        take_pieces(pool.work, pool.job);
        lrk_patience_share(NULL);
        pool.active -= 1;
        if (pool.active == 0) wake_one(&pool.last_left);
    }
}

/* The caller's own, or busy with another's. */
static int claim(void)
{
    hold(&pool.lock);
    const int free = !pool.busy;
    pool.busy = 1;
    release(&pool.lock);
    return free;
}

static void share_out(lrk_work *work, const void *job, int64_t from, int64_t pieces, int helpers)
{
    const int64_t process = lrk_forks();
    hold(&pool.lock);
    while (pool.workers < helpers && survives_fork && start_thread()) pool.workers += 1;
    if (helpers > pool.workers) helpers = pool.workers;
    pool.work = work;
    pool.job = job;
    pool.next = from;
    pool.pieces = pieces;
    pool.seats = helpers;
    fegetenv(&pool.arithmetic);
    pool.patience = lrk_patience_now();
    for (int k = 0; k < helpers; ++k) wake_one(&pool.work_came);
    take_pieces(work, job);
    pool.seats = 0;
    while (pool.active > 0) {
        await_some(&pool.last_left, &pool.lock);
        release(&pool.lock); /* who is asked may run anything */
        lrk_over(LRK_ASK_NOW);
        hold(&pool.lock);
    }
    pool.busy = 0;
    release(&pool.lock);
    if (lrk_forks() != process) work(job, from, pieces); /* a child, without the workers and what they did */
}

/* How many pieces the caller does before the time that is left is worth sharing, all if it never is. One, then as many
   as make four times those done: a run of pieces is one call, and a job that is not shared shall cost as one that is
   not cut. */
static int64_t begin_alone(lrk_work *work, const void *job, int64_t pieces)
{
    const double begun = lrk_nanoseconds();
    int64_t done = 0;
    do {
        const int64_t to = done == 0 ? 1 : done < pieces / 4 ? 4 * done : pieces;
        work(job, done, to);
        done = to;
    } while (done < pieces && (lrk_nanoseconds() - begun) * (double)(pieces - done) < LRK_WORTH_WAKING * (double)done);
    return done;
}

void lrk_share(lrk_work *work, const void *job, int64_t pieces, int threads)
{
    int64_t done = 0;
    if (threads > 1 && pieces > 1) {
        done = begin_alone(work, job, pieces);
        if (threads > pieces - done) threads = (int)(pieces - done);
        if (threads > 1 && claim()) {
            share_out(work, job, done, pieces, threads - 1);
            return;
        }
    }
    if (done < pieces) work(job, done, pieces);
}
