/* threads.c - the pool, the values ahead and shapes that are registered under a checker of races: many callers, other
   sizes and roundings, forks.

   Every value of every call must have the bits of lrk_at, every piece must run once. Exit status 1 and one line on the first
   difference. Usage: threads [rounds [no forks]] */
#define _POSIX_C_SOURCE 200809L
#include "ahead.h"
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

static void count_pieces(const void *job, int64_t from, int64_t to)
{
    int *const *runs = job;
    for (; from < to; ++from) (*runs)[from] += 1;
}

static void check_pieces(int pieces, int threads)
{
    int runs[100] = {0}, *shared = runs;
    lrk_share(count_pieces, &shared, pieces, threads);
    for (int k = 0; k < 100; ++k) require(runs[k] == (k < pieces), "every piece runs once");
}

#ifndef LRK_WORTH_WAKING /* as shipped */
static void see_who(const void *caller, int64_t from, int64_t to)
{
    (void)from;
    (void)to;
    require(pthread_equal(pthread_self(), *(const pthread_t *)caller), "a short job wakes nobody");
}

static void check_short(void)
{
    const pthread_t self = pthread_self();
    lrk_share(see_who, &self, 4, 2);
}
#else
static void check_short(void)
{
}
#endif

/* As the compiled module asks; whether the value was there. */
static int ask(lrk_asked *asked, const lrk_table *table, int64_t step)
{
    double value;
    const int had = lrk_ahead_has(asked, step, &value);
    if (!had && lrk_ahead_wanted(asked, step)) lrk_ahead_fill(asked, table, step);
    require(!had || value == lrk_at(table, step), "a value ahead has the bits of lrk_at");
    return had;
}

/* Who asks alone: when a block is filled, and for how long. */
static void check_ahead(void)
{
    lrk_ahead block = {.turn = 0}, other = {.turn = 0};
    lrk_asked asked = {.since = 0};
    int had = 0;
    require(lrk_ahead_keep(&asked, &block) && !lrk_ahead_keep(&asked, &other), "a table keeps one block");
    for (int64_t j = 0; j < 1000; ++j) had += ask(&asked, tables, (j * 7919) % STEPS);
    require(had == 0 && block.turn == 0, "steps in any order fill nothing");
    for (int64_t j = 0; j < 17 + 3 * LRK_AHEAD_STEPS; ++j) had += ask(&asked, tables, 50 + j);
    require(had == 3 * LRK_AHEAD_STEPS - 3, "after 16 steps in a row every 256th is filled from");
    require(block.turn == 8 && block.patience == 0, "blocks that are used to their ends cost no patience");
    for (int k = 0; k < 20; ++k)
        for (int64_t j = 0; j < 1000; ++j) ask(&asked, tables, 30000 + 1000 * (k % 2) + j / 2 + 20000 * (j % 2));
    require(block.turn == 8, "two who ask in turn fill nothing");
    for (int k = 0; k < 20; ++k)
        for (int64_t j = 0; j < 100; ++j) ask(&asked, tables, 1000 * k + j);
    require(block.turn == 12 && block.patience == 128, "a block that is left early makes the next one wait");
    for (int64_t j = INT64_MAX - 1000; j < INT64_MAX; ++j) had += ask(&asked, tables, j);
    require(had > 1000 && ask(&asked, tables, INT64_MAX), "the last step is in the last block");
    had = 0;
    for (int j = 0; j < 1000; ++j) had += ask(&asked, tables, 7000);
    require(had > 500 && ask(&asked, tables, 7001), "a step that is asked for again and again is filled from");
}

static lrk_ahead shared_block;
static lrk_asked shared_asked;

static void check_shared_ahead(unsigned seed)
{
    for (int64_t j = 0; j < 3000; ++j) ask(&shared_asked, tables, 5000 * (seed % 3) + j);
    for (int64_t j = 0; j < 300; ++j) ask(&shared_asked, tables, (j * 7919 + seed) % STEPS);
}

static long rounds = 20;

static void check_all(unsigned seed, double *out)
{
    for (long k = 0; k < rounds; ++k) {
        fesetround(FE_TONEAREST); /* values ahead are of whoever filled them */
        check_shared_ahead(seed);
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

/* With a block that a thread of the parent was writing: it is not there to end that. */
static void fork_during_a_fill(void)
{
    lrk_ahead block = {.turn = 2 * 7 + 1};
    lrk_asked asked = {.since = 0};
    int had = 0, status;
    require(lrk_ahead_keep(&asked, &block), "a table keeps a block");
    for (int64_t j = 0; j < 300; ++j) had += ask(&asked, tables, j);
    require(had == 0 && block.turn == 2 * 7 + 1, "a block that is being written is left alone");
    const pid_t child = fork();
    require(child >= 0, "a process starts");
    if (child == 0) {
        for (int64_t j = 0; j < 1000; ++j) had += ask(&asked, tables, j);
        exit(had < 700);
    }
    require(waitpid(child, &status, 0) == child && status == 0, "a child fills the block anew");
}

static double down(double u)
{
    return 1.0 - u;
}

/* While others prepare rows: one that finds the name evaluates the function. */
static void *register_beside(void *unused)
{
    const lrk_function function = {.plain = down};
    char name[] = "down 000";
    for (int k = 0; k < 500; ++k) {
        name[5] = (char)('0' + k / 100);
        name[6] = (char)('0' + k / 10 % 10);
        name[7] = (char)('0' + k % 10);
        require(lrk_register(name, &function) == NULL, "a name is registered once");
    }
    return unused;
}

static void prepare_while_registered(void)
{
    pthread_t beside;
    int custom = 0;
    while (strcmp(lrk_shape(custom)->name, "custom") != 0) ++custom;
    lrk_segment row = {.shape = custom, .end = 4, .start = 1.0, .param = lrk_key("down 499")};
    require(pthread_create(&beside, NULL, register_beside, NULL) == 0, "a thread starts");
    while (lrk_prepare(&row) != NULL) continue;
    const lrk_table table = {&row, NULL, 1};
    require(lrk_at(&table, 1) == 0.75, "what was just registered is called");
    pthread_join(beside, NULL);
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
    check_ahead();
    check_short();
    prepare_while_registered();
    if (forks) fork_during_a_fill();
    require(lrk_ahead_keep(&shared_asked, &shared_block), "a table keeps a block");
    check_all(11, out);
    if (forks) fork_and_call(out);
    if (forks) require(pthread_create(&beside, NULL, fork_beside, out) == 0, "a thread starts");
    call_from_threads();
    if (forks) pthread_join(beside, NULL);
    require(shared_block.turn > 100, "blocks were filled");
    free(out);
    printf("%d callers, %ld rounds: all bits equal\n", CALLERS, rounds);
    return 0;
}
