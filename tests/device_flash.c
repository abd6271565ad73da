/* Two slots of flash in memory, whose supply fails after so many bytes: what is loaded then is what was saved last, or
   before it. Argument: bytes that are written before it fails. */
#include <stdlib.h>
#include <string.h>

#include "flash.h"
#include "pipeline/network/view.h"

static uint64_t slot[2][FLASH_SLOT_BYTES / 8];
static int64_t left; /* bytes until the supply fails */

static bool take(char *to, const char *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (left-- <= 0)
            return false;
        to[i] = bytes == NULL ? (char)0xff : bytes[i];
    }
    return true;
}

static bool erase(int which) { return take((char *)slot[which], NULL, FLASH_SLOT_BYTES); }

static bool write(int which, uint32_t offset, const void *bytes, uint32_t count)
{
    return take((char *)slot[which] + offset, bytes, count);
}

/* Mark a slot as the first save of a program whose image has the check sum 0. */
static void mark_as_of_another_export(int which)
{
    const uint32_t mark[2] = {1u, ~1u};
    memcpy((char *)slot[which] + MACHINE_BLOCK_BYTES, mark, sizeof mark);
}

static int64_t newest(void)
{
    return sw_view_of((void *)device_save()).machine->rows.time_ns;
}

static void live(int64_t rows)
{
    static int64_t row;
    struct sw_row said[2];
    sw_real value[MACHINE_LINES];
    for (int64_t end = row + rows; row < end; row++) {
        for (int i = 0; i < MACHINE_LINES; i++)
            value[i] = (sw_real)(100 + row % 7);
        device_row(INT64_C(1900000000000000000) + row * MACHINE_STEP_NS, value, said);
    }
}

int main(int count, char **words)
{
    const struct flash flash = {{slot[0], slot[1]}, erase, write};
    if (count != 2)
        return 2;
    memset(slot, 0xff, sizeof slot);
    device_begin();
    if (flash_load(&flash))
        return 3; /* nothing was saved */
    int64_t saved[4];
    for (int save = 0; save < 3; save++) {
        live(5);
        saved[save] = newest();
        left = INT64_MAX;
        if (!flash_save(&flash))
            return 4;
    }
    live(5);
    saved[3] = newest();
    left = atoll(words[1]);
    bool done = flash_save(&flash);
    live(5);
    if (!flash_load(&flash))
        return 5;
    int64_t loaded = newest();
    bool last = loaded == saved[3]; /* also where nothing but bytes that erasing leaves is missing */
    if (!last && (done || loaded != saved[2]))
        return 6;
    slot[last ? 1 : 0][3] ^= 1; /* the slot that was loaded goes bad */
    bool other = flash_load(&flash); /* after a save that was cut off there is one only if nothing was erased */
    if (last ? !other || newest() != saved[2] : other && newest() != saved[1])
        return 7;
    for (int which = 0; which < 2; which++) {
        memcpy(slot[which], device_save(), MACHINE_BLOCK_BYTES);
        mark_as_of_another_export(which);
    }
    if (flash_load(&flash))
        return 8;
    left = INT64_MAX;
    if (!flash_save(&flash) || !flash_load(&flash))
        return 9;
    static uint64_t foreign[MACHINE_BLOCK_BYTES / 8];
    memcpy(foreign, device_save(), sizeof foreign);
    sw_view_of(foreign).header->machine++;
    sw_block_seal(foreign);
    return device_load(foreign, sizeof foreign) ? 10 : 0;
}
