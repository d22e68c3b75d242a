/* threads.c - the thread pool under a checker of races: many callers, other sizes and roundings, forks in between.

   Every value of every call must have the bits of lrk_at, every piece must run once. Exit status 1 and one line on the first
   difference. Usage: threads [rounds [no forks]] */
#define _POSIX_C_SOURCE 200809L
#include "batch.h"
#include "pool.h"

#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLERS 4
#define TABLES 5
#define ROWS 7
#define STEPS 70001

static void require(int holds, const char *rule)
{
    if (holds) return;
    printf("%s\n", rule);
    exit(1);
}

static lrk_segment segments[TABLES];
static lrk_table tables[TABLES];

/* Straight lines: where a piece begins shows in every value. */
static void make_tables(void)
{
    int line = 0;
    while (strcmp(lrk_shape(line)->name, "linear") != 0) ++line;
    for (int k = 0; k < TABLES; ++k) {
        segments[k] = (lrk_segment){.shape = line, .end = STEPS, .start = 1.0 + k, .stop = 0.25};
        require(lrk_prepare(segments + k) == NULL, "a good row is taken");
        tables[k] = (lrk_table){segments + k, NULL, 1};
    }
}

/* Rows 5 and 6 are those of tables 1 and 4 once more. */
static const int64_t first[TABLES + 1] = {0, 1, 3, 4, 5, 7}, rows[ROWS] = {0, 1, 5, 2, 3, 4, 6};
static const int table_of_row[ROWS] = {0, 1, 2, 3, 4, 1, 4};

static void check_batch(double *out, int64_t count, int threads)
{
    const lrk_batch batch = {
        .tables = tables,
        .table_count = TABLES,
        .first = first,
        .rows = rows,
        .start = 3,
        .stride = 1,
        .count = count,
        .out = out,
        .row_gap = count,
        .gap = 1,
        .size = sizeof(double)};
    memset(out, 0xff, (size_t)(ROWS * count) * sizeof(double));
    lrk_fill_batch(&batch, threads);
    for (int row = 0; row < ROWS; ++row)
        for (int64_t j = 0; j < count; j += 1 + j % 13)
            require(
                out[row * count + j] == lrk_at(tables + table_of_row[row], 3 + j), "a batch has the bits of lrk_at");
}

static void count_piece(const void *job, int64_t piece)
{
    int *const *runs = job;
    (*runs)[piece] += 1;
}

static void check_pieces(int pieces, int threads)
{
    int runs[100] = {0}, *shared = runs;
    lrk_share(count_piece, &shared, pieces, threads);
    for (int k = 0; k < 100; ++k) require(runs[k] == (k < pieces), "every piece runs once");
}

static long rounds = 20;

static void check_all(unsigned seed, double *out)
{
    for (long k = 0; k < rounds; ++k) {
        fesetround((seed + (unsigned)k) % 2 ? FE_UPWARD : FE_TONEAREST);
        check_pieces((int)(seed + 7 * k) % 100, (int)(seed + k) % 6 + 1);
        check_batch(out, k % 3 == 0 ? 100 : STEPS - (int64_t)seed % 10 - k, (int)k % 4 + 1);
    }
}

static void *call(void *number)
{
    double *out = malloc(ROWS * STEPS * sizeof(double));
    require(out != NULL, "memory");
    check_all(*(unsigned *)number, out);
    free(out);
    return NULL;
}

static void call_from_threads(void)
{
    pthread_t threads[CALLERS];
    unsigned numbers[CALLERS];
    for (unsigned k = 0; k < CALLERS; ++k) {
        numbers[k] = k;
        require(pthread_create(threads + k, NULL, call, numbers + k) == 0, "a thread starts");
    }
    for (int k = 0; k < CALLERS; ++k) pthread_join(threads[k], NULL);
}

/* While other threads use the pool and after. */
static void fork_and_call(double *out)
{
    const pid_t child = fork();
    require(child >= 0, "a process starts");
    if (child == 0) {
        check_all(5, out);
        exit(0);
    }
    int status;
    require(waitpid(child, &status, 0) == child && status == 0, "a child has a pool of its own");
}

static void *fork_beside(void *out)
{
    for (int k = 0; k < 3; ++k) fork_and_call(out);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1) rounds = atol(argv[1]);
    const int forks = argc < 3; /* which checkers of races do not support beside other threads */
    double *out = malloc(ROWS * STEPS * sizeof(double));
    pthread_t beside;
    require(out != NULL, "memory");
    make_tables();
    check_all(11, out);
    if (forks) fork_and_call(out);
    if (forks) require(pthread_create(&beside, NULL, fork_beside, out) == 0, "a thread starts");
    call_from_threads();
    if (forks) pthread_join(beside, NULL);
    free(out);
    printf("%d callers, %ld rounds: all bits equal\n", CALLERS, rounds);
    return 0;
}
