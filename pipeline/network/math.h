/* Mathematics of the network, with the same bits on every machine whose doubles are those of IEEE 754.

   Square root, absolute value, copied sign and floor are exact everywhere, so they are the C library's where there is
   one. The others are our own: within two units in the last place of the right value (`sw_log10` four, `sw_log1p`
   three; of `sw_power` the error grows with its exponent times the base's logarithm); tests/test_mathematics.py measures
   it. They exist twice: math_double.c, and math_single.c for a microcontroller, see real.h.

   Least and most keep the first of two values where neither is smaller, or where one is no number, as Python does. */
#ifndef SW_MATH_H
#define SW_MATH_H

#include <math.h>
#include <stdint.h>

#include "pipeline/network/real.h"

/* Before a function with long loops: compiled twice more for processors with wider registers (AVX2, AVX-512), and
   chosen when the program starts; 15 % of all. The bits are the same, as nothing is fused. Where compiler and C
   library do not know how, it is nothing. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && \
    !defined(__SANITIZE_ADDRESS__)
#define SW_WIDE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SW_WIDE
#endif

/* Part of whatever calls it, with its registers. */
#if defined(__GNUC__)
#define SW_INSIDE inline __attribute__((always_inline))
#else
#define SW_INSIDE inline
#endif

sw_real sw_exp(sw_real x);
sw_real sw_log(sw_real x);
sw_real sw_log10(sw_real x);

/* log(1 + x), for x that is not below 0. */
sw_real sw_log1p(sw_real x);

/* For a base that is not below 0. */
sw_real sw_power(sw_real base, sw_real exponent);

/* For x that is not below 0. */
sw_real sw_cube_root(sw_real x);

/* The largest power of two that is not above x > 0; 0 where its inverse is no finite number. */
sw_real sw_power_of_two_below(sw_real x);

/* now - then, or the nearest there is. */
static inline int64_t sw_since(int64_t then_ns, int64_t now_ns)
{
    if (then_ns < 0 && now_ns > INT64_MAX + then_ns)
        return INT64_MAX;
    if (then_ns > 0 && now_ns < INT64_MIN + then_ns)
        return INT64_MIN;
    return now_ns - then_ns;
}

static inline sw_real sw_least(sw_real a, sw_real b) { return b < a ? b : a; }

static inline sw_real sw_most(sw_real a, sw_real b) { return b > a ? b : a; }

/* x between -most and most. */
static inline sw_real sw_clip(sw_real x, sw_real most) { return sw_least(sw_most(x, -most), most); }

static inline sw_real sw_square(sw_real x) { return x * x; }

static inline sw_real sw_cube(sw_real x) { return x * (x * x); }

static inline sw_real sw_fourth(sw_real x) { return sw_square(sw_square(x)); }

#ifdef SW_SINGLE

static inline sw_real sw_absolute(sw_real x) { return fabsf(x); }

static inline sw_real sw_with_sign(sw_real size, sw_real sign) { return copysignf(size, sign); }

sw_real sw_floor(sw_real x);

/* Rounded as IEEE 754 says, by the processor where it can. */
sw_real sw_square_root(sw_real x);

static inline float sw_square_root32(float x) { return sw_square_root(x); }

#else

static inline sw_real sw_absolute(sw_real x) { return fabs(x); }

static inline sw_real sw_with_sign(sw_real size, sw_real sign) { return copysign(size, sign); }

static inline sw_real sw_floor(sw_real x) { return floor(x); }

static inline sw_real sw_square_root(sw_real x) { return sqrt(x); }

/* In the precision of what is kept, for the deviations of a covariance. */
static inline float sw_square_root32(float x) { return sqrtf(x); }

#endif

#endif
