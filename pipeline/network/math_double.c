/* Exponential function, logarithm and cube root in doubles. The method of the tables is that of Tang, "Table-driven
   implementation of the exponential function in IEEE floating-point arithmetic", ACM Transactions on Mathematical
   Software 15 (1989), and of its sequel for the logarithm (1990). */
#include "pipeline/network/math.h"

#ifndef SW_SINGLE

#include <string.h>

#include "pipeline/network/tables.h"

#define LN2_HIGH 0x1.62e42fefa3800p-1 /* the natural logarithm of 2 in 42 bits, so that whole multiples are exact ... */
#define LN2_LOW 0x1.ef35793c76730p-45 /* ... and what is missing */
#define STEP_HIGH 0x1.62e42fef80000p-7 /* the same of a 64th of it, in 34 bits */
#define STEP_LOW 0x1.1cf79abc9e3b4p-42
#define STEPS_IN_1 0x1.71547652b82fep+6 /* 64 / ln 2 */
#define FIRST 0x3fe6000000000000u /* the bits of 0.6875, where the table of logarithms begins */
#define TO_WHOLE 0x1.8p52 /* added and taken away again, it rounds to a whole number */
#define MANTISSA 0x000fffffffffffffu
#define LEAST_NORMAL 0x1p-1022

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2 to a power from -1022 to 1023. */
static double two_to(int64_t power) { return of_bits((uint64_t)(power + 1023) << 52); }

/* exp(x) = 2^k 2^(i/64) exp(r), with r at most half a 64th of ln 2: five terms of its series. */
double sw_exp(double x)
{
    if (!(x < 710.0)) /* or no number */
        return x + INFINITY;
    if (x < -746.0)
        return 0.0;
    double steps = (x * STEPS_IN_1 + TO_WHOLE) - TO_WHOLE;
    int64_t step = (int64_t)steps, cell = step & 63, power = (step - cell) / 64;
    double r = (x - steps * STEP_HIGH) - steps * STEP_LOW, square = r * r;
    double beyond = r + square * ((0.5 + r * (1.0 / 6.0)) + square * (1.0 / 24.0 + r * (1.0 / 120.0)));
    double found = EXPONENTIAL[cell] + EXPONENTIAL[cell] * beyond;
    if (power < -1022) /* below what has all its bits: rounded once */
        return found * two_to(power + 1022) * LEAST_NORMAL;
    return power > 1023 ? found * 2.0 * two_to(power - 1) : found * two_to(power);
}

/* log(x) = k ln 2 + log(middle) + log(1 + r), r = (m - middle) / middle, of which the difference is exact and the
   quotient small: eight terms of its series. */
double sw_log(double x)
{
    uint64_t bits = bits_of(x);
    double shift = 0.0;
    if (bits - 0x0010000000000000u >= 0x7fe0000000000000u) { /* no normal number above 0 */
        if (x == 0.0)
            return -INFINITY;
        if (!(x > 0.0 && isfinite(x)))
            return x > 0.0 ? x : NAN;
        bits = bits_of(x * 0x1p54);
        shift = -54.0;
    }
    uint64_t above = bits - FIRST, cell = (above >> 45) & 127;
    double power = (double)((int64_t)(above & ~MANTISSA) / ((int64_t)1 << 52)) + shift;
    double m = of_bits(bits - (above & ~MANTISSA));
    double r = (m - LOGARITHM[cell].middle) * LOGARITHM[cell].inverse, square = r * r;
    double first = -0.5 + r * (1.0 / 3.0), second = -0.25 + r * 0.2, third = -1.0 / 6.0 + r * (1.0 / 7.0);
    double series = first + square * (second + square * (third - square * 0.125));
    double whole = power * LN2_HIGH + LOGARITHM[cell].logarithm, near = whole + r;
    return near + (((whole - near) + r) + (power * LN2_LOW + square * series));
}

/* A third of the exponent for a start, right to a twentieth; six terms of the series of (1 + e)^(-1/3), to a millionth;
   and one step of Halley's method, which has three times as many digits. */
double sw_cube_root(double x)
{
    if (!(x > 0.0 && isfinite(x)))
        return x;
    if (x < LEAST_NORMAL)
        return sw_cube_root(x * 0x1p54) * 0x1p-18;
    if (x > 0x1p1000)
        return sw_cube_root(x * 0x1p-54) * 0x1p18;
    double root = of_bits(bits_of(x) / 3 + 0x2a9f7893782da1ceu);
    double e = root * root * root / x - 1.0, square = e * e;
    double even = 2.0 / 9.0 + square * (35.0 / 243.0);
    double odd = -1.0 / 3.0 - square * (14.0 / 81.0 + square * (91.0 / 729.0));
    root += root * (e * odd + square * even);
    double cube = root * root * root;
    return root - root * ((cube - x) / (cube + cube + x));
}

double sw_power_of_two_below(double x)
{
    if (x >= LEAST_NORMAL)
        return of_bits(bits_of(x) & ~MANTISSA);
    return x >= 0x1p-1023 ? 0x1p-1023 : 0.0;
}

#endif
