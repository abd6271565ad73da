/* Account: what the network of a machine has done, in events and operations, since the machine began.

   Operations of a synapse are what a neuromorphic processor counts: a delay compared with the time of a spike, or a
   weight that takes part in a sum. A microcontroller stops at a neuron as soon as it is later than another one, so
   there they are the most that there can be. Products are the multiplications, each with its addition, of the
   statistics over all lines of a cohort. Not counted is the arithmetic of a line by itself (means, variances, counts),
   the same for every reading. What a dense network would do instead follows from the number of lines. */
#ifndef SW_ACCOUNT_H
#define SW_ACCOUNT_H

#include <stdint.h>

struct sw_params;
struct sw_room;
struct sw_view;

struct sw_account {
    int64_t readings;
    int64_t spikes;   /* that travelled */
    int64_t synapses; /* operations of synapses */
    int64_t products;
};

/* Add what judging a row will take, beside its readings; before anybody learns from it. */
void sw_account_row(const struct sw_params *params, const struct sw_view *view, const struct sw_room *room);

#endif
