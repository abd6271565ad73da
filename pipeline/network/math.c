#include "pipeline/network/math.h"

double sw_exp(double x) { return exp(x); }

double sw_log(double x) { return log(x); }

double sw_log1p(double x) { return log1p(x); }

double sw_log2(double x) { return log2(x); }

double sw_log10(double x) { return log10(x); }

double sw_power(double base, double exponent) { return pow(base, exponent); }

double sw_cube_root(double x) { return cbrt(x); }

double sw_power_of_two_below(double x)
{
    double exponent = sw_floor(sw_log2(x));
    return exponent < -1023.0 ? 0.0 : ldexp(1.0, (int)exponent);
}
