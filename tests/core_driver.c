/* Lives that are read from a file, in memory that is exactly as large as it must be, for the compiler's sanitizers.

   The file: numbers of machines and of readings, the parameters, lines of each machine, then slots, lines, times,
   values and ends of all readings. In between machines are copied, stored, restored, grown, frozen and confirmed,
   unless `plain` is given. Ends with the check sum of every machine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/network/network.h"

struct life {
    struct sw_params params;
    int64_t machines, readings;
    int64_t *lines, *slot, *line, *time_ns;
    sw_real *value;
    bool *ends;
    void **block;
    uint64_t dice;
};

static void *of_file(FILE *file, size_t count, size_t size)
{
    void *made = malloc(count * size + 1);
    if (!made || fread(made, size, count, file) != count)
        exit(2);
    return made;
}

static struct life opened(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct life life = {.dice = 1};
    if (!file || fread(&life.machines, 8, 1, file) != 1 || fread(&life.readings, 8, 1, file) != 1 ||
        fread(&life.params, sizeof life.params, 1, file) != 1)
        exit(2);
    size_t machines = (size_t)life.machines, readings = (size_t)life.readings;
    life.lines = of_file(file, machines, 8);
    life.slot = of_file(file, readings, 8);
    life.line = of_file(file, readings, 8);
    life.time_ns = of_file(file, readings, 8);
    life.value = of_file(file, readings, sizeof(sw_real));
    life.ends = of_file(file, readings, 1);
    fclose(file);
    life.block = malloc(machines * sizeof *life.block);
    for (size_t i = 0; i < machines; i++) {
        life.block[i] = malloc(sw_block_bytes(life.lines[i], sw_params_context(&life.params)));
        sw_block_init(&life.params, life.block[i], life.lines[i]);
    }
    return life;
}

static int64_t rolled(struct life *life, int64_t sides)
{
    life->dice = life->dice * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((life->dice >> 33) % (uint64_t)sides);
}

/* Store a machine, restore it, and give it room for more lines. */
static void handle(struct life *life, int64_t slot)
{
    const struct sw_header *header = life->block[slot];
    uint64_t bytes = header->bytes;
    sw_block_seal(life->block[slot]);
    void *copy = malloc(bytes);
    memcpy(copy, life->block[slot], bytes);
    if (sw_block_check(&life->params, copy, bytes) != SW_FINE)
        exit(3);
    free(life->block[slot]);
    int64_t more = life->lines[slot] + rolled(life, 2);
    life->block[slot] = malloc(sw_block_bytes(more, sw_params_context(&life->params)));
    sw_block_grow(&life->params, copy, life->block[slot], more);
    life->lines[slot] = more;
    free(copy);
}

static void operate(struct life *life)
{
    int64_t slot = rolled(life, life->machines), what = rolled(life, 4);
    char *machine = (char *)life->block[slot] + sizeof(struct sw_header);
    if (what == 0)
        ((struct sw_machine *)(void *)machine)->frozen ^= 1;
    else if (what == 1)
        sw_confirm(&life->params, life->block[slot]);
    else
        handle(life, slot);
}

/* Columns from a reading on, copied to where nothing lies behind them. */
static void *cut(const void *column, int64_t begin, int64_t count, size_t size)
{
    void *made = malloc((size_t)count * size);
    memcpy(made, (const char *)column + (size_t)begin * size, (size_t)count * size);
    return made;
}

/* Take in some readings; returns how many found a place. */
static int64_t step(struct life *life, bool plain, int64_t begin, int64_t count, int64_t most)
{
    struct sw_fleet fleet = {.block = life->block, .slots = life->machines,
                             .scoring = {10000000000, 60000000000}, .ageing_ns = 3600000000000};
    void *columns[] = {cut(life->slot, begin, count, 8), cut(life->line, begin, count, 8),
                       cut(life->time_ns, begin, count, 8), cut(life->value, begin, count, sizeof(sw_real)),
                       cut(life->ends, begin, count, 1)};
    int64_t closing = rolled(life, life->machines);
    struct sw_batch batch = {.readings = count, .slot = columns[0], .line = columns[1], .time_ns = columns[2],
                             .value = columns[3], .ends = columns[4],
                             .closings = !plain && rolled(life, 9) == 0, .closing = &closing};
    struct sw_said said = {.row_places = 2 + count / 8, .entry_places = 2 * most + count / 2, .lost_places = 2 * most,
                           .room_lines = most};
    said.row = malloc((size_t)said.row_places * sizeof *said.row);
    said.entry = malloc((size_t)said.entry_places * sizeof *said.entry);
    said.lost = malloc((size_t)said.lost_places * sizeof *said.lost);
    said.late = malloc((size_t)count * sizeof *said.late);
    said.arrival = malloc((size_t)count * sizeof *said.arrival);
    said.room = malloc(sw_room_bytes(most));
    if (sw_step(&life->params, &fleet, &batch, &said) != SW_DONE)
        exit(4);
    for (int64_t i = 0; i < said.rows; i++)
        if (!(said.row[i].score >= 0.0 && said.row[i].score <= 1.0))
            exit(5);
    for (int i = 0; i < 5; i++)
        free(columns[i]);
    free(said.row), free(said.entry), free(said.lost), free(said.late), free(said.arrival), free(said.room);
    return said.readings;
}

int main(int count, char **words)
{
    if (count < 2)
        return 2;
    struct life life = opened(words[1]);
    bool plain = count > 2 && strcmp(words[2], "plain") == 0;
    for (int64_t begin = 0; begin < life.readings;) {
        int64_t size = 1 + rolled(&life, 400), most = 1;
        for (int64_t i = 0; i < life.machines; i++)
            most = life.lines[i] > most ? life.lines[i] : most;
        size = size < life.readings - begin ? size : life.readings - begin;
        begin += step(&life, plain, begin, size, most);
        if (!plain && rolled(&life, 20) == 0)
            operate(&life);
    }
    for (int64_t i = 0; i < life.machines; i++) {
        const struct sw_header *header = life.block[i];
        sw_block_seal(life.block[i]);
        printf("%08" PRIx32 "\n", header->check);
        free(life.block[i]);
    }
    free(life.block), free(life.lines), free(life.slot), free(life.line), free(life.time_ns), free(life.value);
    free(life.ends);
    return 0;
}
