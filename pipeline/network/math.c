#include "pipeline/network/math.h"

#define ONE_OVER_LN10 0x1.bcb7b1526e50ep-2

sw_real sw_log10(sw_real x) { return sw_log(x) * ONE_OVER_LN10; }

/* What 1 + x loses in rounding is given back in first order. */
sw_real sw_log1p(sw_real x)
{
    sw_real sum = 1.0 + x;
    if (sum == 1.0 || !isfinite(sum))
        return x;
    sw_real lost = x < 1.0 ? x - (sum - 1.0) : 1.0 - (sum - x);
    return sw_log(sum) + lost / sum;
}

sw_real sw_power(sw_real base, sw_real exponent)
{
    if (exponent == 1.0)
        return base;
    return exponent == 0.0 || base == 1.0 ? 1.0 : sw_exp(exponent * sw_log(base));
}
