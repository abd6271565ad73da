#include "pipeline/network/account.h"

#include <stdbool.h>

#include "pipeline/network/params.h"
#include "pipeline/network/room.h"
#include "pipeline/network/view.h"

/* Products of a cohort of so many lines in a row. */
static int64_t products(const struct sw_params *params, int64_t lines, int64_t row, bool frozen)
{
    int64_t features = lines * SW_FEATURES, square = features * features;
    if (frozen)
        return square; /* what the others say */
    bool renewed = (row + 1) % params->expectation.renew == 0;
    int64_t inverse = renewed ? square * features / 2 : 0; /* factor, its inverse, and their product: a sixth each */
    return 2 * square + lines * features + inverse;
}

void sw_account_row(const struct sw_params *params, const struct sw_view *view, const struct sw_room *room)
{
    struct sw_machine *machine = view->machine;
    int64_t lines = machine->rows.size;
    machine->account.synapses += lines * machine->condition.competition.recruited;
    machine->account.synapses += lines * SW_PLACE * machine->modes.competition.recruited;
    for (int64_t i = 0; i < lines; i++)
        machine->account.synapses += room->place[i].judged ? lines - 1 : 0; /* weights of its coupling */
    for (int64_t first = 0; first < lines; first += SW_COHORT) {
        int64_t own = lines - first < SW_COHORT ? lines - first : SW_COHORT;
        machine->account.products += products(params, own, machine->rows.rows, machine->frozen);
    }
}
