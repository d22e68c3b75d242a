/* doubledouble.h - sums of two float64 that carry about 105 bits, and the two functions that tables need in them.

   Error-free transformations after Dekker 1971 and Knuth. A multiply-add is fused only where that is proved to be the
   same (lrk_two_product), so that every level and compiler gives the same bits. Arguments are scaled by the callers so
   that the splitting cannot overflow. */
#ifndef LRK_DOUBLEDOUBLE_H
#define LRK_DOUBLEDOUBLE_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 1
#error "double must be evaluated as double; on 32-bit x86 compile with -msse2 -mfpmath=sse"
#endif
#if defined(__FAST_MATH__)
#error "-ffast-math changes the bits; compile without it"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__GNUC__)
#define LRK_INLINE static inline __attribute__((always_inline))
#define LRK_APART __attribute__((noinline))
#else
#define LRK_INLINE static inline
#define LRK_APART
#endif

typedef struct lrk_dd {
    double hi, lo;
} lrk_dd;

LRK_INLINE uint64_t lrk_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

LRK_INLINE double lrk_from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* a b + c rounded once, only for code in which LRK_FUSED says that the processor has it, and whose result is proved not
   to depend on it: elsewhere it would be a call of the C library. */
LRK_INLINE double lrk_fused(double a, double b, double c)
{
#if defined(__GNUC__)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

LRK_INLINE float lrk_fused_float(float a, float b, float c)
{
#if defined(__GNUC__)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* The integer nearest to x, |x| < 2^51: adding 1.5 * 2^52 leaves no bits behind the point. */
#define LRK_ROUNDER 0x1.8p52

LRK_INLINE double lrk_round(double x)
{
    return (x + LRK_ROUNDER) - LRK_ROUNDER;
}

/* 2^k for a whole k in [-1022, 1023], without a float -> int conversion: those of 64 bits need AVX-512. */
LRK_INLINE double lrk_pow2(double k)
{
    return lrk_from_bits(lrk_bits(k + (LRK_ROUNDER + 1023.0)) << 52);
}

LRK_INLINE double lrk_clamp(double x, double low, double high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* 2^k for any whole k in two factors, so that v * first * second loses nothing and does not overflow early for |v| in
   [0.25, 4) or 0. */
typedef struct lrk_factors {
    double first, second;
} lrk_factors;

LRK_INLINE lrk_factors lrk_factors_of(double k)
{
    const double whole = lrk_clamp(k, -2044.0, 2046.0);
    const double half = lrk_round(whole * 0.5);
    return (lrk_factors){lrk_pow2(half), lrk_pow2(whole - half)};
}

LRK_INLINE double lrk_scale(double v, double k)
{
    const lrk_factors factors = lrk_factors_of(k);
    return v * factors.first * factors.second;
}

LRK_INLINE lrk_dd lrk_two_sum(double a, double b)
{
    const double sum = a + b;
    const double shadow = sum - a;
    return (lrk_dd){sum, (a - (sum - shadow)) + (b - shadow)};
}

/* |a| >= |b| or a == 0 */
LRK_INLINE lrk_dd lrk_quick_sum(double a, double b)
{
    const double sum = a + b;
    return (lrk_dd){sum, b - (sum - a)};
}

/* With `fused` in 2 operations instead of 17. What the product leaves is exact either way, hence the same, unless
   splitting a factor overflows or what is left is too small for a float64: a product and factors that are 0 or of
   2^-900 to 2^900 exclude both. */
LRK_INLINE lrk_dd lrk_two_product(double a, double b, int fused)
{
    const double product = a * b;
#if defined(__OPTIMIZE__) /* else the compiler would keep the call of the other case */
    if (fused) return (lrk_dd){product, lrk_fused(a, b, -product)};
#else
    (void)fused;
#endif
    const double ta = 134217729.0 * a, ah = ta - (ta - a), al = a - ah;
    const double tb = 134217729.0 * b, bh = tb - (tb - b), bl = b - bh;
    return (lrk_dd){product, ((ah * bh - product) + ah * bl + al * bh) + al * bl};
}

LRK_INLINE lrk_dd lrk_dd_add(lrk_dd a, lrk_dd b)
{
    const lrk_dd high = lrk_two_sum(a.hi, b.hi), low = lrk_two_sum(a.lo, b.lo);
    const lrk_dd part = lrk_quick_sum(high.hi, high.lo + low.hi);
    return lrk_quick_sum(part.hi, part.lo + low.lo);
}

LRK_INLINE lrk_dd lrk_dd_multiply(lrk_dd a, lrk_dd b, int fused)
{
    const lrk_dd high = lrk_two_product(a.hi, b.hi, fused);
    return lrk_quick_sum(high.hi, high.lo + (a.hi * b.lo + a.lo * b.hi));
}

LRK_INLINE lrk_dd lrk_dd_divide(lrk_dd a, lrk_dd b)
{
    const double first = a.hi / b.hi;
    const lrk_dd one = lrk_dd_multiply(b, (lrk_dd){-first, 0.0}, 0);
    const lrk_dd rest = lrk_dd_add(a, one);
    const double second = rest.hi / b.hi;
    const lrk_dd two = lrk_dd_multiply(b, (lrk_dd){-second, 0.0}, 0);
    const double third = lrk_dd_add(rest, two).hi / b.hi;
    const lrk_dd sum = lrk_quick_sum(first, second);
    return lrk_quick_sum(sum.hi, sum.lo + third);
}

/* x = mantissa * 2^exponent with 1 <= mantissa < 2; x > 0 and finite, subnormals included. */
LRK_INLINE double lrk_mantissa(double x, double *exponent)
{
    double shift = 0.0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        shift = -54.0;
    }
    const uint64_t bits = lrk_bits(x);
    *exponent = (double)(int32_t)(bits >> 52) - 1023.0 + shift;
    return lrk_from_bits((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
}

/* kernels/coefficients.py prints the constants of this file and the polynomials of shape_math.h. */
#define LRK_LN2_HI 0x1.62e42fefa39efp-1
#define LRK_LN2_LO 0x1.abc9e3b39803fp-56
#define LRK_LOG2_S1_HI 0x1.71547652b82fep+1 /* 2 / ln 2 */
#define LRK_LOG2_S1_LO 0x1.777d0ffda0d24p-55

/* 1 / (2k + 1) */
static const lrk_dd lrk_odd_reciprocals[24] = {
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.5555555555555p-2, 0x1.5555555555555p-56},
    {0x1.999999999999ap-3, -0x1.999999999999ap-57},
    {0x1.2492492492492p-3, 0x1.2492492492492p-57},
    {0x1.c71c71c71c71cp-4, 0x1.c71c71c71c71cp-58},
    {0x1.745d1745d1746p-4, -0x1.745d1745d1746p-59},
    {0x1.3b13b13b13b14p-4, -0x1.3b13b13b13b14p-58},
    {0x1.1111111111111p-4, 0x1.1111111111111p-60},
    {0x1.e1e1e1e1e1e1ep-5, 0x1.e1e1e1e1e1e1ep-61},
    {0x1.af286bca1af28p-5, 0x1.af286bca1af28p-59},
    {0x1.8618618618618p-5, 0x1.8618618618618p-59},
    {0x1.642c8590b2164p-5, 0x1.642c8590b2164p-60},
    {0x1.47ae147ae147bp-5, -0x1.eb851eb851eb8p-61},
    {0x1.2f684bda12f68p-5, 0x1.2f684bda12f68p-59},
    {0x1.1a7b9611a7b96p-5, 0x1.1a7b9611a7b96p-61},
    {0x1.0842108421084p-5, 0x1.0842108421084p-60},
    {0x1.f07c1f07c1f08p-6, -0x1.f07c1f07c1f08p-61},
    {0x1.d41d41d41d41dp-6, 0x1.0750750750750p-60},
    {0x1.bacf914c1bad0p-6, -0x1.bacf914c1bad0p-60},
    {0x1.a41a41a41a41ap-6, 0x1.0690690690690p-60},
    {0x1.8f9c18f9c18fap-6, -0x1.f3831f3831f38p-61},
    {0x1.7d05f417d05f4p-6, 0x1.7d05f417d05f4p-62},
    {0x1.6c16c16c16c17p-6, -0x1.f49f49f49f49fp-61},
    {0x1.5c9882b931057p-6, 0x1.310572620ae4cp-61},
};

/* 1 / k! */
static const lrk_dd lrk_factorial_reciprocals[22] = {
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.0000000000000p-1, 0x0.0p+0},
    {0x1.5555555555555p-3, 0x1.5555555555555p-57},
    {0x1.5555555555555p-5, 0x1.5555555555555p-59},
    {0x1.1111111111111p-7, 0x1.1111111111111p-63},
    {0x1.6c16c16c16c17p-10, -0x1.f49f49f49f49fp-65},
    {0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-73},
    {0x1.a01a01a01a01ap-16, 0x1.a01a01a01a01ap-76},
    {0x1.71de3a556c734p-19, -0x1.c154f8ddc6c00p-73},
    {0x1.27e4fb7789f5cp-22, 0x1.cbbc05b4fa99ap-76},
    {0x1.ae64567f544e4p-26, -0x1.c062e06d1f209p-80},
    {0x1.1eed8eff8d898p-29, -0x1.2aec959e14c06p-83},
    {0x1.6124613a86d09p-33, 0x1.f28e0cc748ebep-87},
    {0x1.93974a8c07c9dp-37, 0x1.05d6f8a2efd1fp-92},
    {0x1.ae7f3e733b81fp-41, 0x1.1d8656b0ee8cbp-97},
    {0x1.ae7f3e733b81fp-45, 0x1.1d8656b0ee8cbp-101},
    {0x1.952c77030ad4ap-49, 0x1.ac981465ddc6cp-103},
    {0x1.6827863b97d97p-53, 0x1.eec01221a8b0bp-107},
    {0x1.2f49b46814157p-57, 0x1.2650f61dbdcb4p-112},
    {0x1.e542ba4020225p-62, 0x1.ea72b4afe3c2fp-120},
    {0x1.71b8ef6dcf572p-66, -0x1.d043ae40c4647p-120},
};

/* 2^f = 1 + f (ln 2 + f P(f)): P for |f| <= 0.501, error 2^-57 of the whole. */
LRK_INLINE double lrk_exp2_tail(double f)
{
    double p = 0x1.c4a378c357fb5p-36;
    p = p * f + 0x1.e9ed41bc2f328p-32;
    p = p * f + 0x1.e4cf105d577ffp-28;
    p = p * f + 0x1.b524eb2dd1f12p-24;
    p = p * f + 0x1.62c02242d1b01p-20;
    p = p * f + 0x1.ffcbfc6de698bp-17;
    p = p * f + 0x1.430912f86b79cp-13;
    p = p * f + 0x1.5d87fe78a3efcp-10;
    p = p * f + 0x1.3b2ab6fba4e79p-7;
    p = p * f + 0x1.c6b08d704a0c6p-5;
    p = p * f + 0x1.ebfbdff82c58fp-3;
    return p;
}

/* 2^f - 1 for |f| <= 0.501, f = hi + lo; relative, its own remainder to about 2^-56. */
LRK_INLINE lrk_dd lrk_exp2_minus_1(lrk_dd f, int fused)
{
    const lrk_dd lead = lrk_two_product(f.hi, LRK_LN2_HI, fused);
    const double low = f.lo * LRK_LN2_HI + f.hi * LRK_LN2_LO;
    return lrk_quick_sum(lead.hi, lead.lo + (f.hi * f.hi * lrk_exp2_tail(f.hi) + low));
}

/* log2(x), x > 0 and finite, to about 2^-95 absolute and, near x = 1, relative:
   x = 2^e z with z in [0.71, 1.42), s = (z - 1) / (z + 1), log2 z = 2 / ln 2 (s + s^3/3 + s^5/5 + ...). */
static inline lrk_dd lrk_dd_log2(double x)
{
    double exponent;
    double z = lrk_mantissa(x, &exponent);
    if (z > 0x1.6a09e667f3bcdp+0) { /* sqrt 2 */
        z *= 0.5;
        exponent += 1.0;
    }
    const lrk_dd s = lrk_dd_divide((lrk_dd){z - 1.0, 0.0}, lrk_two_sum(z, 1.0));
    const lrk_dd square = lrk_dd_multiply(s, s, 0);
    lrk_dd sum = lrk_odd_reciprocals[23];
    for (int k = 22; k >= 0; --k) sum = lrk_dd_add(lrk_dd_multiply(sum, square, 0), lrk_odd_reciprocals[k]);
    sum = lrk_dd_multiply(lrk_dd_multiply(sum, s, 0), (lrk_dd){LRK_LOG2_S1_HI, LRK_LOG2_S1_LO}, 0);
    return lrk_dd_add((lrk_dd){exponent, 0.0}, sum);
}

/* 2^x = result * 2^exponent with the result in [0.7, 1.42], to about 2^-88 relative; |x| is cut off at 4000. */
static inline lrk_dd lrk_dd_exp2(lrk_dd x, double *exponent)
{
    if (!(x.hi > -4000.0 && x.hi < 4000.0)) x = (lrk_dd){x.hi < 0.0 ? -4000.0 : 4000.0, 0.0};
    *exponent = lrk_round(x.hi);
    const lrk_dd fraction = lrk_dd_add((lrk_dd){-*exponent, 0.0}, x);
    const lrk_dd y = lrk_dd_multiply(fraction, (lrk_dd){LRK_LN2_HI, LRK_LN2_LO}, 0);
    double tail = lrk_factorial_reciprocals[21].hi;
    for (int k = 20; k > 9; --k) tail = tail * y.hi + lrk_factorial_reciprocals[k].hi; /* y^10 / 10! < 2^-37 */
    lrk_dd sum = {tail, 0.0};
    for (int k = 9; k >= 0; --k) sum = lrk_dd_add(lrk_dd_multiply(sum, y, 0), lrk_factorial_reciprocals[k]);
    return sum;
}

#endif
