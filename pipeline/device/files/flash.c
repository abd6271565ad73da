#include "flash.h"

#include <string.h>

struct mark {
    uint32_t number; /* of the save, from 1 on */
    uint32_t check;  /* that this is a mark, and of this very export */
};

static uint32_t check_of(uint32_t number) { return ~number ^ ((const struct sw_header *)machine_image)->check; }

/* Number of the save in a slot; 0 where it was not finished, or is of another export. */
static uint32_t number_of(const struct flash *flash, int slot)
{
    struct mark mark;
    memcpy(&mark, (const char *)flash->slot[slot] + MACHINE_BLOCK_BYTES, sizeof mark);
    return mark.check == check_of(mark.number) ? mark.number : 0u;
}

/* The slot with the newer save; numbers may pass the largest and begin again. */
static int newer(const struct flash *flash)
{
    uint32_t first = number_of(flash, 0), second = number_of(flash, 1);
    if (first == 0u || second == 0u)
        return first == 0u ? 1 : 0;
    return (int32_t)(second - first) > 0 ? 1 : 0;
}

bool flash_save(const struct flash *flash)
{
    int last = newer(flash), slot = 1 - last;
    uint32_t number = number_of(flash, last) + 1u;
    struct mark mark = {.number = number == 0u ? 1u : number};
    mark.check = check_of(mark.number);
    const void *block = device_save();
    return flash->erase(slot) && flash->write(slot, 0, block, MACHINE_BLOCK_BYTES) &&
           memcmp(flash->slot[slot], block, MACHINE_BLOCK_BYTES) == 0 &&
           flash->write(slot, MACHINE_BLOCK_BYTES, &mark, sizeof mark);
}

bool flash_load(const struct flash *flash)
{
    int first = newer(flash);
    for (int turn = 0; turn < 2; turn++) {
        int slot = turn == 0 ? first : 1 - first;
        if (number_of(flash, slot) != 0u && device_load(flash->slot[slot], MACHINE_BLOCK_BYTES))
            return true;
    }
    return false;
}
