/* waves.h - what rows of cosines keep, and the sine they are made of. */
#ifndef LRK_WAVES_H
#define LRK_WAVES_H

#include "doubledouble.h"

enum {
    WAVE_SPAN_LOW, /* what span leaves of end - begin */
    WAVE_UNIT,     /* a power of two near gap, so that no split of a product overflows */
    WAVE_TURNS,    /* half turns per span: 2 cycles */
    WAVE_PARITY,   /* of the half turns at which the value is `base` */
    WAVE_CROSSES   /* 1 where the row crosses zero */
};

#define LRK_QUARTER_HI 0x1.921fb54442d18p+0 /* pi / 2 */
#define LRK_QUARTER_LO 0x1.1a62633145c07p-54

/* sin(pi/2 x), x in [0, 1/2], relative; it carries the remainders of x and of its own sum, since squaring doubles every
   error. P: error 2^-57. */
LRK_INLINE lrk_dd lrk_sine(lrk_dd x, int fused)
{
    const lrk_dd lead = lrk_two_product(x.hi, LRK_QUARTER_HI, fused);
    const double v = x.hi * x.hi;
    double p = -0x1.6cc52bef4fa10p-31;
    p = p * v + 0x1.e8f035ebfe7b1p-25;
    p = p * v - 0x1.e3074d253f118p-19;
    p = p * v + 0x1.50783486fa66fp-13;
    p = p * v - 0x1.32d2cce62b870p-8;
    p = p * v + 0x1.466bc6775aae1p-4;
    p = p * v - 0x1.4abbce625be53p-1;
    return lrk_quick_sum(lead.hi, x.hi * v * p + (lead.lo + (x.hi * LRK_QUARTER_LO + x.lo * LRK_QUARTER_HI)));
}

#endif
