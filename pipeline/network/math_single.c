/* Exponential function, logarithm and cube root in floats, without tables, for a microcontroller. Series after
   reduction of the argument: Muller, "Elementary Functions" (2016), chapters 3 and 11. */
#include "pipeline/network/math.h"

#ifdef SW_SINGLE

#include <string.h>

#define LN2_HIGH 0x1.62e4p-1f /* the natural logarithm of 2 in 15 bits, so that whole multiples are exact ... */
#define LN2_LOW 0x1.7f7d1cp-20f /* ... and what is missing */
#define ONE_OVER_LN2 0x1.715476p+0f
#define MANTISSA 0x007fffffu
#define LEAST_NORMAL 0x1p-126f
#define ROOT_HALF 0x3f3504f3u /* the bits of the square root of one half */

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2 to a power from -126 to 127. */
static float two_to(int32_t power) { return of_bits((uint32_t)(power + 127) << 23); }

/* exp(x) = 2^k exp(r), with r at most half of ln 2: seven terms of its series. */
float sw_exp(float x)
{
    if (!(x < 89.0f)) /* or no number */
        return x + INFINITY;
    if (x < -104.0f)
        return 0.0f;
    int32_t power = (int32_t)(x * ONE_OVER_LN2 + (x < 0.0f ? -0.5f : 0.5f));
    float whole = (float)power, r = (x - whole * LN2_HIGH) - whole * LN2_LOW, square = r * r;
    float beyond = 1.0f / 6.0f + r * (1.0f / 24.0f + r * (1.0f / 120.0f + r * (1.0f / 720.0f + r * (1.0f / 5040.0f))));
    float found = 1.0f + (r + (0.5f * square + r * square * beyond));
    if (power < -126) /* below what has all its bits: rounded once */
        return found * two_to(power + 126) * LEAST_NORMAL;
    return power > 127 ? found * 2.0f * two_to(power - 1) : found * two_to(power);
}

/* log(x) = k ln 2 + log(m), m between the roots of 1/2 and 2; with f = m - 1 and s = f / (2 + f),
   log(1 + f) = f - s (f - 2 (s^2 / 3 + s^4 / 5 + ...)): five terms. */
float sw_log(float x)
{
    uint32_t bits = bits_of(x);
    int32_t power = 0;
    if (bits - 0x00800000u >= 0x7f000000u) { /* no normal number above 0 */
        if (x == 0.0f)
            return -INFINITY;
        if (!(x > 0.0f && isfinite(x)))
            return x > 0.0f ? x : NAN;
        bits = bits_of(x * 0x1p25f);
        power = -25;
    }
    bits -= ROOT_HALF;
    power += (int32_t)bits >> 23;
    float f = of_bits((bits & MANTISSA) + ROOT_HALF) - 1.0f, s = f / (2.0f + f), square = s * s;
    float series = square * (2.0f / 3.0f + square * (2.0f / 5.0f + square * (2.0f / 7.0f + square * (2.0f / 9.0f))));
    float whole = (float)power;
    return whole * LN2_HIGH + (f - (s * (f - series) - whole * LN2_LOW));
}

/* A third of the exponent for a start, right to a twentieth, and two steps of Halley's method, each with three times as
   many digits. */
float sw_cube_root(float x)
{
    if (!(x > 0.0f && isfinite(x)))
        return x;
    if (x < LEAST_NORMAL)
        return sw_cube_root(x * 0x1p24f) * 0x1p-8f;
    if (x > 0x1p120f)
        return sw_cube_root(x * 0x1p-24f) * 0x1p8f;
    float root = of_bits(bits_of(x) / 3u + 0x2a5137a0u);
    for (int step = 0; step < 2; step++) {
        float cube = root * root * root;
        root -= root * ((cube - x) / (cube + cube + x));
    }
    return root;
}

float sw_power_of_two_below(float x)
{
    if (x >= LEAST_NORMAL)
        return of_bits(bits_of(x) & ~MANTISSA);
    return x >= 0x1p-127f ? 0x1p-127f : 0.0f;
}

float sw_floor(float x)
{
    if (!(sw_absolute(x) < 8388608.0f)) /* 2^23: whole already, or no number */
        return x;
    float whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}

#if defined(__ARM_FP) || !defined(__arm__)

float sw_square_root(float x) { return sqrtf(x); }

#else

/* Digit by digit, two bits of the mantissa each; the 25th says how to round. */
float sw_square_root(float x)
{
    if (!(x > 0.0f && isfinite(x)))
        return x < 0.0f ? NAN : x;
    int32_t half = 0;
    if (x < LEAST_NORMAL) {
        x *= 0x1p24f;
        half = -12;
    }
    uint32_t bits = bits_of(x);
    int32_t power = (int32_t)(bits >> 23) - 127;
    uint32_t mantissa = ((bits & MANTISSA) | 0x00800000u) << (1 + (power & 1)); /* 1 of a negative one, too */
    power -= power & 1;
    uint32_t root = 0, left = 0;
    for (int digit = 0; digit < 25; digit++) {
        left = left << 2 | (digit < 13 ? mantissa >> (24 - 2 * digit) & 3u : 0u);
        uint32_t trial = root << 2 | 1u;
        root <<= 1;
        if (left >= trial) {
            left -= trial;
            root |= 1u;
        }
    }
    uint32_t rounded = (root + 1u) >> 1; /* a root is never half way between two floats */
    return of_bits(rounded + ((uint32_t)(power / 2 + half + 126) << 23));
}

#endif

#endif
