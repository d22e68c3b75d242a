/* gram.h - sums over n equidistant points by 16 of them: the Gauss rule of the discrete uniform measure, and what a
   smooth function's values at its nodes say of sums and differences in between.

   z = 2 y / n is the place of a point, y its distance from the middle of the points -(n - 1)/2, ..., (n - 1)/2. The
   monic Gram polynomials (Chebyshev's of a discrete variable) are p_0 = 1, p_1 = z, p_(k+1) = z p_k - b_k p_(k-1),
   b_k = k^2 (1 - k^2/n^2) / (4 k^2 - 1); those of Legendre for n = infinity. Sums of them and differences between
   neighbours are both multiples of one further family, Hahn's with parameters (1, 1): with r_0 = 1, r_1 = z, r_(k+1) =
   z r_k - d_k r_(k-1), d_k = k (k + 2) (1 - (k + 1)^2/n^2) / ((2 k + 1) (2 k + 3)), at z' = z - 1/n half a point before
   z,

       p_k(z) - p_k(z - 2/n) = (2/n) k r_(k-1)(z'),
       sum of p_k over all points before z = (n/2) (z'^2 - 1) r_(k-1)(z') / (k + 1), for k >= 1.

   The last one is 0 at both ends, so that sums from the first point on and up to the last one both come without the
   difference of two larger sums. */
#ifndef LRK_GRAM_H
#define LRK_GRAM_H

#include "doubledouble.h"
#include "sums.h"

#include <stdint.h>

#define LRK_HALF_NODES (LRK_NODES / 2)

typedef struct lrk_gram {
    int64_t n;
    double count, per, per2;             /* n, 1/n, 1/n^2 */
    double node[LRK_NODES];              /* z, rising */
    double weight[LRK_NODES];            /* adding to 1 */
    double p[LRK_NODES][LRK_HALF_NODES]; /* p_k at the nodes > 0 */
    double scale[LRK_NODES];             /* 1 / the mean of p_k^2 */
} lrk_gram;

/* Nodes > 0: the terms of 1, 1/n^2 and 1/n^4, by kernels/coefficients.py. */
static const double lrk_gram_nodes[LRK_HALF_NODES][3] = {
    {0x1.852bd6676a9f9p-4, -0x1.119e18a8779fbp+2, -0x1.458ce6ad6a2c4p+8},
    {0x1.205cae642337cp-2, -0x1.954019f34077bp+3, -0x1.ea02580077bc5p+9},
    {0x1.d50259a43a772p-2, -0x1.491fa4721746cp+4, -0x1.9c8e84ea1e9ffp+10},
    {0x1.3c5a466d5e8b8p-1, -0x1.bad60082ca413p+4, -0x1.28306e6214986p+11},
    {0x1.82c45dda4726bp-1, -0x1.0d44b4bf83645p+5, -0x1.92ea031772d2dp+11},
    {0x1.bb3403514e483p-1, -0x1.30ba320dab2e5p+5, -0x1.1369a1e976a3dp+12},
    {0x1.e39f56616f9b0p-1, -0x1.3f31eb8bf5285p+5, -0x1.6bbccae9d15ffp+12},
    {0x1.fa92c264d787ep-1, -0x1.d364328440571p+4, 0x1.5dcce98782e80p+13},
};

LRK_INLINE double lrk_gram_b(double k, double per2)
{
    return k * k * (1.0 - k * k * per2) / (4.0 * k * k - 1.0);
}

/* d_k = even - odd / n^2: divisions took three quarters of the time of a sum. */
#define LRK_HAHN_D(k) (k * (k + 2.0) / ((2.0 * k + 1.0) * (2.0 * k + 3.0)))
#define LRK_HAHN(k) {LRK_HAHN_D(k), LRK_HAHN_D(k) * (k + 1.0) * (k + 1.0)}
static const double lrk_hahn[LRK_NODES - 1][2] = {
    {0.0, 0.0},     LRK_HAHN(1.0),  LRK_HAHN(2.0),  LRK_HAHN(3.0),  LRK_HAHN(4.0),
    LRK_HAHN(5.0),  LRK_HAHN(6.0),  LRK_HAHN(7.0),  LRK_HAHN(8.0),  LRK_HAHN(9.0),
    LRK_HAHN(10.0), LRK_HAHN(11.0), LRK_HAHN(12.0), LRK_HAHN(13.0), LRK_HAHN(14.0),
};

/* The largest magnitude of p_k, that at 1. */
LRK_INLINE double lrk_gram_top(int k)
{
    double top = 1.0;
    for (int j = 1; j <= k; ++j) top *= (double)j / (2.0 * j - 1.0);
    return top;
}

/* The rule for n >= 48 points; of 17 to 47 the nodes crowd onto points. The nodes begin 3e-4 off for n = 48, 7e-7 for
   128, 2e-10 for 512 and 1e-17 for 8192; a step of Newton's makes that about 50 times its square. */
static void lrk_gram_make(lrk_gram *g, int64_t n)
{
    double b[LRK_NODES + 1], before[LRK_HALF_NODES], slope[LRK_HALF_NODES], slope_before[LRK_HALF_NODES];
    double last[LRK_HALF_NODES], *z = g->node + LRK_HALF_NODES, *w = g->weight + LRK_HALF_NODES;
    const int steps = n < 128 ? 4 : n < 512 ? 2 : n < 8192 ? 1 : 0;
    if (g->n == n) return;
    g->n = n;
    g->count = (double)n;
    g->per = 1.0 / g->count;
    g->per2 = g->per * g->per;
    for (int k = 1; k <= LRK_NODES; ++k) b[k] = lrk_gram_b(k, g->per2);
    for (int i = 0; i < LRK_HALF_NODES; ++i) {
        const double *terms = lrk_gram_nodes[i];
        z[i] = terms[0] + g->per2 * (terms[1] + g->per2 * terms[2]);
    }
    for (int round = 0; round < steps; ++round) {
        for (int i = 0; i < LRK_HALF_NODES; ++i) {
            before[i] = 1.0;
            last[i] = z[i];
            slope_before[i] = 0.0;
            slope[i] = 1.0;
        }
        for (int k = 1; k < LRK_NODES; ++k) {
            for (int i = 0; i < LRK_HALF_NODES; ++i) {
                const double next = z[i] * last[i] - b[k] * before[i];
                const double next_slope = last[i] + z[i] * slope[i] - b[k] * slope_before[i];
                before[i] = last[i];
                last[i] = next;
                slope_before[i] = slope[i];
                slope[i] = next_slope;
            }
        }
        for (int i = 0; i < LRK_HALF_NODES; ++i) z[i] -= last[i] / slope[i];
    }
    double mean = 1.0, total[LRK_HALF_NODES];
    for (int i = 0; i < LRK_HALF_NODES; ++i) {
        g->p[0][i] = 1.0;
        g->p[1][i] = z[i];
    }
    for (int k = 1; k < LRK_NODES - 1; ++k)
        for (int i = 0; i < LRK_HALF_NODES; ++i) g->p[k + 1][i] = z[i] * g->p[k][i] - b[k] * g->p[k - 1][i];
    for (int i = 0; i < LRK_HALF_NODES; ++i) total[i] = 0.0;
    for (int k = 0; k < LRK_NODES; ++k) {
        if (k > 0) mean *= b[k];
        g->scale[k] = 1.0 / mean;
        for (int i = 0; i < LRK_HALF_NODES; ++i) total[i] += g->p[k][i] * g->p[k][i] * g->scale[k];
    }
    for (int i = 0; i < LRK_HALF_NODES; ++i) {
        w[i] = 1.0 / total[i];
        g->node[LRK_HALF_NODES - 1 - i] = -z[i];
        g->weight[LRK_HALF_NODES - 1 - i] = w[i];
    }
}

/* The coefficients of the p_k of the polynomial of degree 15 through the values at the nodes. */
static void lrk_gram_fit(const lrk_gram *g, const double *values, double *c)
{
    double even[LRK_HALF_NODES], odd[LRK_HALF_NODES];
    for (int i = 0; i < LRK_HALF_NODES; ++i) {
        const double right = values[LRK_HALF_NODES + i], left = values[LRK_HALF_NODES - 1 - i];
        even[i] = g->weight[LRK_HALF_NODES + i] * (right + left);
        odd[i] = g->weight[LRK_HALF_NODES + i] * (right - left);
    }
    for (int k = 0; k < LRK_NODES; ++k) {
        const double *f = k % 2 == 0 ? even : odd;
        double sum = 0.0;
        for (int i = 0; i < LRK_HALF_NODES; ++i) sum += g->p[k][i] * f[i];
        c[k] = sum * g->scale[k];
    }
}

/* Whether what 16 coefficients leave is below `noise`, or what follows 32 of them, which the rule is exact for, below
   `sum_noise`. The tail is that of the last three. */
static int lrk_gram_resolves(const double *c, double noise, double sum_noise, double *tail)
{
    double top = lrk_gram_top(LRK_NODES - 1), before = 0.0;
    *tail = 0.0;
    for (int k = LRK_NODES - 1; k >= LRK_NODES - 7; --k) {
        const double part = top * (c[k] < 0.0 ? -c[k] : c[k]);
        if (k >= LRK_NODES - 3) {
            *tail += part;
        } else if (k < LRK_NODES - 4) {
            before += part;
        }
        top *= (2.0 * k - 1.0) / k;
    }
    if (*tail <= noise) return 1;
    if (!(*tail < before)) return 0;
    const double rate = (*tail / before) * (*tail / before); /* of eight coefficients; 17 more follow */
    return *tail * rate * rate <= sum_noise;
}

/* The polynomial at z. */
static double lrk_gram_value(const double *c, double per2, double z)
{
    double next = 0.0, sum = c[LRK_NODES - 1];
    for (int k = LRK_NODES - 2; k >= 0; --k) {
        const double here = c[k] + z * sum - lrk_gram_b(k + 1, per2) * next;
        next = sum;
        sum = here;
    }
    return sum;
}

/* lrk_gram_hahn at LRK_NODES places, eight at once: alone each waits for its 28 operations one after the other. */
static void lrk_gram_hahn_all(const double *a, double per2, const double *z, double *out)
{
    for (int from = 0; from < LRK_NODES; from += 8) {
        double next[8], sum[8], place[8];
        for (int i = 0; i < 8; ++i) {
            next[i] = 0.0;
            sum[i] = a[LRK_NODES - 1];
            place[i] = z[from + i];
        }
        for (int k = LRK_NODES - 3; k >= 0; --k) {
            const double c = a[k + 1], d = lrk_hahn[k + 1][0] - lrk_hahn[k + 1][1] * per2;
            for (int i = 0; i < 8; ++i) {
                const double here = c + place[i] * sum[i] - d * next[i];
                next[i] = sum[i];
                sum[i] = here;
            }
        }
        for (int i = 0; i < 8; ++i) out[from + i] = sum[i];
    }
}

/* sum of a[k] r_(k-1)(z'), k >= 1: with c[k] k it gives differences, with c[k] / (k + 1) sums. */
LRK_INLINE double lrk_gram_hahn(const double *a, double per2, double z)
{
    double next = 0.0, sum = a[LRK_NODES - 1];
    for (int k = LRK_NODES - 3; k >= 0; --k) {
        const double here = a[k + 1] + z * sum - (lrk_hahn[k + 1][0] - lrk_hahn[k + 1][1] * per2) * next;
        next = sum;
        sum = here;
    }
    return sum;
}

#endif
