/* cpu.h - which SIMD levels this processor and operating system can run.

   cpuid and xgetbv by hand: __builtin_cpu_supports needs a symbol of the compiler's run-time library that not every
   tool chain has. */
#ifndef LRK_CPU_H
#define LRK_CPU_H

#include <stdint.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define LRK_X86_LEVELS 1
#include <cpuid.h>

/* 0: baseline, 1: x86-64-v3, 2: x86-64-v4, as the x86-64 psABI defines them (cpuid leaves 1, 7, 0x80000001). */
static int lrk_cpu_level(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma = 1u << 12, movbe = 1u << 22, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    const unsigned v3 = fma | movbe | osxsave | avx | f16c;
    if ((c & v3) != v3) return 0;

    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0x06) != 0x06) return 0; /* the system saves xmm and ymm */

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;
    if ((b & (bmi1 | avx2 | bmi2)) != (bmi1 | avx2 | bmi2)) return 0;
    const unsigned leaf7 = b;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & (1u << 5))) return 0; /* lzcnt */

    const unsigned avx512 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31); /* f dq cd bw vl */
    return (leaf7 & avx512) == avx512 && (low & 0xe6) == 0xe6 ? 2 : 1; /* opmask and zmm saved too */
}
#else
static int lrk_cpu_level(void)
{
    return 0;
}
#endif

#endif
