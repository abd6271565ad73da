/* The device's program on a computer: rows of a CSV file from standard input are scored as the device would.

   Columns: Unix time in seconds, then a value per sensor, empty for none; a first line of names is passed over. Any
   other line that is not of numbers ends the program with its number.
   `--save FILE`: store what was learned in the end. `--golden`: compare with the golden vectors instead. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static int compare(void)
{
    struct golden found = golden_run(golden_rows, NULL, NULL);
    printf("rows %d alarms %d other_side %d apart_ppm %d farthest_ppm %d check %lu\n", (int)found.scored,
           (int)found.alarms, (int)found.other_side, (int)(found.most * 1e6f), (int)(found.farthest * 1e6f),
           (unsigned long)found.check);
    return found.scored > 0 && found.farthest <= GOLDEN_TOLERANCE && found.most <= GOLDEN_APART ? 0 : 1;
}

static void print(const struct sw_row *said, int rows)
{
    static const char *const severity[] = {"normal", "warning", "critical"};
    for (int i = 0; i < rows; i++)
        printf("%.3f,%.6f,%s,%s\n", (double)said[i].time_ns / 1e9, (double)said[i].score, severity[said[i].severity],
               machine_sensor[said[i].cause]);
}

#define MOST_S 9.2e9 /* what 64 bits of nanoseconds hold */

/* The number between two commas; NAN where there is none. `wrong`: there is something else. */
static double field(char **rest, bool *wrong)
{
    char *begin = *rest, *end = strpbrk(begin, ",\r\n");
    char *after;
    *rest = end != NULL && *end == ',' ? end + 1 : begin + strlen(begin);
    if (end != NULL)
        *end = '\0';
    double value = strtod(begin, &after);
    *wrong = *wrong || *after != '\0';
    return after == begin || *after != '\0' ? (double)NAN : value;
}

/* Score a line; false where it is not a row of numbers. */
static bool score(char *line)
{
    struct sw_row said[2];
    sw_real value[MACHINE_LINES];
    bool wrong = false;
    double time_s = field(&line, &wrong);
    for (int i = 0; i < MACHINE_LINES; i++)
        value[i] = (sw_real)field(&line, &wrong);
    if (wrong || !(fabs(time_s) <= MOST_S) || *line != '\0')
        return false;
    print(said, device_row((int64_t)(time_s * 1e9), value, said));
    return true;
}

static int save(const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(device_save(), MACHINE_BLOCK_BYTES, 1, file) != 1 || fclose(file) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

int main(int count, char **words)
{
    static char text[65536];
    struct sw_row said[2];
    const char *to = count == 3 && strcmp(words[1], "--save") == 0 ? words[2] : NULL;
    if (count == 2 && strcmp(words[1], "--golden") == 0)
        return compare();
    if (count > 1 && to == NULL) {
        fprintf(stderr, "usage: %s [--golden | --save FILE] < readings.csv\n", words[0]);
        return 2;
    }
    device_begin();
    puts("time,score,severity,cause");
    for (long number = 1; fgets(text, sizeof text, stdin) != NULL; number++)
        if (text[strspn(text, " \t\r\n")] != '\0' && !score(text) && number > 1) {
            fprintf(stderr, "line %ld: is not Unix time in seconds and %d values at most\n", number, MACHINE_LINES);
            return 1;
        }
    print(said, device_close(said));
    return to == NULL ? 0 : save(to);
}
