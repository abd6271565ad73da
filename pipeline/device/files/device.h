/* One machine on a microcontroller: a row of readings in, what the network says of it out; and it goes on learning.

   All memory is static, and there is one machine. Nothing here knows an operating system, a heap or a clock: the
   caller says what time it is. What was learned outlives a restart if it is saved now and then, see flash.h. */
#ifndef SPIKEWATCH_DEVICE_H
#define SPIKEWATCH_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "machine.h"
#include "pipeline/network/network.h"

/* Begin as the machine was when it was exported. */
void device_begin(void);

/* Begin as it was saved, with a copy of so many bytes; false, and nothing changed, where these are not a whole block of
   this machine, with its sensors and parameters. */
bool device_load(const void *block, uint64_t bytes);

/* The machine as it is now, with its check sum: MACHINE_BLOCK_BYTES bytes, to be stored or sent to a gateway. */
const void *device_save(void);

/* Take in a row: a value per sensor, in the order of `machine_sensor`, NAN for one without a reading; `time_ns` is Unix
   time. Returns the rows that were judged with it, 0 to 2, in `said`; a row without a reading is none. Not newer than
   the last one, or not a number of at most 1e15: not learned from. */
int device_row(int64_t time_ns, const sw_real value[MACHINE_LINES], struct sw_row said[2]);

/* Judge the row that is still open, as where no further one comes; 0 or 1 rows. */
int device_close(struct sw_row said[2]);

/* What the network says of each sensor in the newest row of `device_row`; so many entries. */
const struct sw_entry *device_entries(int64_t *count);

/* A person says that what the machine does now is normal. */
void device_confirm(void);

/* Whether the machine learns; one that does not is scored as ever. */
void device_learn(bool learn);

#endif
