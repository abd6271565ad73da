/* What was learned, in flash with two slots: a write that is cut off, by a lost supply say, leaves the other one.

   A slot is the block and, behind it, a mark that is written last: which save it was, and a check of that number and of
   the export. Each save goes to the slot with the older one. What a program of another export has saved is not loaded:
   it knows less than the gateway did when it exported this one. */
#ifndef SPIKEWATCH_FLASH_H
#define SPIKEWATCH_FLASH_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"

enum { FLASH_SLOT_BYTES = MACHINE_BLOCK_BYTES + 8 };

/* Two areas of FLASH_SLOT_BYTES at least, 8-byte aligned, which the processor reads as memory. */
struct flash {
    const void *slot[2];
    bool (*erase)(int slot);
    bool (*write)(int slot, uint32_t offset, const void *bytes, uint32_t count); /* offset and count are multiples of 8 */
};

/* Save the machine; false where flash did not take it. Then the other slot holds what was saved before. */
bool flash_save(const struct flash *flash);

/* Begin with what was saved last, or before it where that is damaged; false, and nothing changed, where neither is
   whole and of this export. */
bool flash_load(const struct flash *flash);

#endif
