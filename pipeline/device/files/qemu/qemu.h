/* A bare Cortex-M in an emulator: text out, the end, and what was used. */
#ifndef SPIKEWATCH_QEMU_H
#define SPIKEWATCH_QEMU_H

#include <stdint.h>

void qemu_say(const char *text);
void qemu_number(int64_t value);
void qemu_end(int code);

/* Bytes of stack that have been used so far. */
uint32_t qemu_stack_bytes(void);

#endif
