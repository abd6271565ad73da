/* What the lines of one machine say together, once a row is complete.

   Score first, then learn, in nearly every part. A frozen machine is judged as ever, and learns nothing. What has
   lasted longer than anybody should be alarmed is accepted here, and what an operator calls normal is, too. */
#ifndef SW_JUDGE_H
#define SW_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/params.h"

struct sw_entry;
struct sw_room;
struct sw_row;
struct sw_view;
struct sw_wear_measured;

/* Join the lines of a machine after a row: write what is said of it into `row`, and of each line with a reading into
   the next of `entries`. `room->place[place].judged` says which of these are believed. `elapsed`: usual intervals
   since the machine's previous row. */
void sw_judge(const struct sw_params *params, const struct sw_view *view, sw_real elapsed, struct sw_room *room,
              struct sw_row *row, struct sw_entry *entries);

/* Measure the ageing of the line in a place. */
void sw_judge_age(const struct sw_params *params, const struct sw_view *view, int64_t place, struct sw_room *room,
                  struct sw_wear_measured *out);

/* Measure the ageing of all lines of a machine, by place. */
void sw_judge_ages(const struct sw_params *params, const struct sw_view *view, struct sw_room *room,
                   struct sw_wear_measured *out);

/* A person says that what the machine does now is normal: nothing is left to be confirmed or doubted. */
void sw_judge_confirm(const struct sw_params *params, const struct sw_view *view);

#endif
