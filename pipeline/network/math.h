/* Mathematics of the network, with the same bits on every machine whose doubles are those of IEEE 754.

   Square root, absolute value, copied sign and floor are exact everywhere, so they are the C library's. The others are
   our own: within two units in the last place of the right value (`sw_log10` four, `sw_log1p` three; of `sw_power` the
   error grows with its exponent times the base's logarithm); tests/test_mathematics.py measures it. The method of the
   tables is that of Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic",
   ACM Transactions on Mathematical Software 15 (1989), and of its sequel for the logarithm (1990).

   Least and most keep the first of two values where neither is smaller, or where one is no number, as Python does. */
#ifndef SW_MATH_H
#define SW_MATH_H

#include <math.h>
#include <stdint.h>

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

double sw_exp(double x);
double sw_log(double x);
double sw_log10(double x);

/* log(1 + x), for x that is not below 0. */
double sw_log1p(double x);

/* For a base that is not below 0. */
double sw_power(double base, double exponent);

/* For x that is not below 0. */
double sw_cube_root(double x);

/* The largest power of two that is not above x > 0; 0 where its inverse is no finite number. */
double sw_power_of_two_below(double x);

/* now - then, or the nearest there is. */
static inline int64_t sw_since(int64_t then_ns, int64_t now_ns)
{
    if (then_ns < 0 && now_ns > INT64_MAX + then_ns)
        return INT64_MAX;
    if (then_ns > 0 && now_ns < INT64_MIN + then_ns)
        return INT64_MIN;
    return now_ns - then_ns;
}

static inline double sw_least(double a, double b) { return b < a ? b : a; }

static inline double sw_most(double a, double b) { return b > a ? b : a; }

/* x between -most and most. */
static inline double sw_clip(double x, double most) { return sw_least(sw_most(x, -most), most); }

static inline double sw_square(double x) { return x * x; }

static inline double sw_cube(double x) { return x * (x * x); }

static inline double sw_fourth(double x) { return sw_square(sw_square(x)); }

static inline double sw_absolute(double x) { return fabs(x); }

static inline double sw_with_sign(double size, double sign) { return copysign(size, sign); }

static inline double sw_floor(double x) { return floor(x); }

static inline double sw_square_root(double x) { return sqrt(x); }

/* In the precision of what is kept, for the deviations of a covariance. */
static inline float sw_square_root32(float x) { return sqrtf(x); }

#endif
