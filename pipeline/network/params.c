#include "pipeline/network/params.h"

bool sw_params_context(const struct sw_params *params)
{
    for (int k = SW_CONTEXT; k < SW_POPULATIONS; k++)
        if (params->weights[k] != 0.0)
            return true;
    return false;
}
