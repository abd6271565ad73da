/* The main loop of a device. `board.h` is yours: sensors, time, an alarm, and flash. */
#include "board.h"

int main(void)
{
    board_begin();
    if (!flash_load(&board_flash))
        device_begin();
    for (uint32_t row = 1;; row++) {
        sw_real value[MACHINE_LINES];
        struct sw_row said[2];
        int64_t time_ns = board_wait(value); /* until the next row is due */
        int rows = device_row(time_ns, value, said);
        for (int i = 0; i < rows; i++)
            if (said[i].score >= MACHINE_WARNING)
                board_alarm(&said[i]);
        if (row % 3600 == 0)
            flash_save(&board_flash);
    }
}
