/* What `main.c` needs of a board, and only you know. */
#ifndef SPIKEWATCH_BOARD_H
#define SPIKEWATCH_BOARD_H

#include "flash.h"

void board_begin(void);

/* Wait until a row is due, read the sensors in the order of `machine_sensor`, NAN where one has no reading, and return
   Unix time in nanoseconds. Time must never go back: a row that is not newer than the last one is not learned from. */
int64_t board_wait(sw_real value[MACHINE_LINES]);

/* Tell somebody: `said->score`, and `machine_sensor[said->cause]`. */
void board_alarm(const struct sw_row *said);

extern const struct flash board_flash;

#endif
