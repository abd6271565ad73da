#include "pipeline/network/block.h"

#include <stddef.h>
#include <stdbool.h>
#include <string.h>

#include "pipeline/network/view.h"

/* The next whole number of 8 bytes. */
static uint64_t aligned(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

/* Lines of a cohort of a block. */
static int64_t members(int64_t lines, int64_t number)
{
    int64_t rest = lines - number * SW_COHORT;
    return rest < SW_COHORT ? rest : SW_COHORT;
}

/* Bytes of the matrices of a cohort of so many lines. */
static uint64_t cohort_bytes(int64_t size)
{
    uint64_t features = (uint64_t)size * SW_FEATURES;
    return aligned((2 * features * features + (uint64_t)size * features) * sizeof(float));
}

uint64_t sw_block_roster(int64_t lines)
{
    return sizeof(struct sw_header) + sizeof(struct sw_machine) + (uint64_t)lines * sizeof(struct sw_line);
}

uint64_t sw_block_coupling(int64_t lines)
{
    return sw_block_roster(lines) + aligned((uint64_t)lines * sizeof(int32_t));
}

uint64_t sw_block_cohort(int64_t lines, int64_t number)
{
    uint64_t begin = sw_block_coupling(lines) + aligned((uint64_t)lines * (uint64_t)lines * sizeof(float));
    return begin + (uint64_t)number * cohort_bytes(SW_COHORT);
}

uint64_t sw_block_context(int64_t lines)
{
    int64_t whole = lines / SW_COHORT;
    return sw_block_cohort(lines, whole) + cohort_bytes(lines - whole * SW_COHORT);
}

uint64_t sw_block_bytes(int64_t lines, bool context)
{
    if (lines < 1 || lines > SW_MOST_LINES)
        return 0;
    return sw_block_context(lines) + (context ? (uint64_t)lines * sizeof(struct sw_context) : 0);
}

struct sw_view sw_view_of(void *block)
{
    char *bytes = block;
    struct sw_header *header = block;
    int64_t lines = header->lines;
    size_t machine = sizeof(struct sw_header), line = machine + sizeof(struct sw_machine);
    return (struct sw_view){
        .header = header,
        .machine = (void *)(bytes + machine),
        .line = (void *)(bytes + line),
        .roster = (void *)(bytes + sw_block_roster(lines)),
        .coupling = (void *)(bytes + sw_block_coupling(lines)),
        .context = header->context ? (void *)(bytes + sw_block_context(lines)) : NULL,
        .lines = lines,
    };
}

struct sw_cohort sw_cohort_of(const struct sw_view *view, int64_t first)
{
    int64_t number = first / SW_COHORT, rest = view->machine->rows.size - first;
    struct sw_cohort cohort = {
        .number = number,
        .first = first,
        .size = rest < SW_COHORT ? rest : SW_COHORT,
        .stride = members(view->lines, number) * SW_FEATURES,
        .covariance = (void *)((char *)view->header + sw_block_cohort(view->lines, number)),
    };
    cohort.precision = cohort.covariance + cohort.stride * cohort.stride;
    cohort.drift = cohort.precision + cohort.stride * cohort.stride;
    for (int64_t p = 0; p < cohort.size; p++)
        cohort.member[p] = sw_at(view, first + p);
    return cohort;
}

/* CRC-32 of bytes after those that gave `check`: the polynomial of Ethernet and zip, four bits at a time. */
static uint32_t crc32(uint32_t check, const void *data, size_t bytes)
{
    static const uint32_t NIBBLE[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const unsigned char *byte = data;
    check = ~check;
    for (size_t i = 0; i < bytes; i++) {
        check ^= byte[i];
        check = (check >> 4) ^ NIBBLE[check & 15];
        check = (check >> 4) ^ NIBBLE[check & 15];
    }
    return ~check;
}

uint32_t sw_block_identity(const struct sw_params *params) { return crc32(0, params, sizeof *params); }

static void init_line(const struct sw_params *params, struct sw_line *line)
{
    memset(line, 0, sizeof *line);
    sw_clock_init(&line->clock);
    sw_delta_init(&line->delta);
    sw_value_init(&line->value);
    sw_activity_init(&line->activity);
    sw_traces_init(&line->traces);
    sw_persistence_init(&line->persistence);
    sw_coupling_init(&line->coupling);
    sw_resolution_init(&line->resolution);
    sw_kind_init(&line->kind);
    sw_expectation_init(&line->expectation);
    sw_evidence_init_line(&line->evidence);
    sw_drift_init_line(&line->drift);
    sw_wear_init(&line->wear);
    sw_quality_init(&line->quality);
    sw_rhythm_init_line(&line->rhythm);
    for (int k = 0; k < SW_CONTEXT; k++)
        sw_rank_init(&params->rank, params->innate[k], line->rank.tails[k]);
    sw_condition_init_line(&line->condition);
    sw_modes_init_line(&line->modes);
    sw_evolving_init(&params->evolving, &line->levels.common);
    sw_evolving_init(&params->evolving, &line->pattern.common);
    sw_evolving_init(&params->evolving, &line->changes.common);
}

void sw_block_begin_anew(const struct sw_params *params, const struct sw_view *view, int64_t number, sw_real seen)
{
    struct sw_line *line = &view->line[number];
    const struct sw_rows_line rows = line->rows;
    const struct sw_clock clock = line->clock;
    const struct sw_resolution resolution = line->resolution;
    const struct sw_quality quality = line->quality;
    const struct sw_kind kind = line->kind;
    init_line(params, line);
    line->rows = rows;
    line->clock = clock;
    line->resolution = resolution;
    line->quality = quality;
    line->kind = kind;
    line->kind.begun = seen;
    line->kind.pace = 0.0;
    if (view->context)
        sw_context_init(&params->context, &params->rank, params->innate + SW_CONTEXT, &view->context[number]);
}

void sw_block_init(const struct sw_params *params, void *block, int64_t lines)
{
    bool context = sw_params_context(params);
    uint64_t bytes = sw_block_bytes(lines, context);
    memset(block, 0, (size_t)bytes);
    *(struct sw_header *)block = (struct sw_header){
        .magic = SW_MAGIC,
        .format = SW_FORMAT + SW_LAYOUT,
        .bytes = bytes,
        .lines = (uint32_t)lines,
        .parameters = sw_block_identity(params),
        .context = context,
    };
    struct sw_view view = sw_view_of(block);
    sw_rows_init_machine(&view.machine->rows);
    sw_condition_init_machine(params, &view.machine->condition);
    sw_modes_init_machine(&params->modes, &view.machine->modes);
    sw_evidence_init_machine(&view.machine->evidence);
    sw_drift_init_machine(&view.machine->drift);
    sw_rhythm_init_machine(&view.machine->rhythm);
    sw_output_init(&view.machine->output);
    sw_scoring_init(&view.machine->scoring);
    for (int64_t i = 0; i < lines; i++)
        init_line(params, &view.line[i]);
    for (int64_t i = 0; context && i < lines; i++)
        sw_context_init(&params->context, &params->rank, params->innate + SW_CONTEXT, &view.context[i]);
}

/* Copy rows of floats into a matrix with longer ones. */
static void copy_rows(float *to, int64_t to_stride, const float *from, int64_t from_stride, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride, from + i * from_stride, (size_t)from_stride * sizeof(float));
}

void sw_block_grow(const struct sw_params *params, const void *old, void *block, int64_t lines)
{
    sw_block_init(params, block, lines);
    const struct sw_view from = sw_view_of((void *)old), to = sw_view_of(block);
    to.header->parameters = from.header->parameters;
    *to.machine = *from.machine;
    memcpy(to.line, from.line, (size_t)from.lines * sizeof(struct sw_line));
    if (from.context && to.context)
        memcpy(to.context, from.context, (size_t)from.lines * sizeof(struct sw_context));
    memcpy(to.roster, from.roster, (size_t)from.lines * sizeof(int32_t));
    copy_rows(to.coupling, to.lines, from.coupling, from.lines, from.lines);
    for (int64_t first = 0; first < from.lines; first += SW_COHORT) {
        struct sw_cohort have = sw_cohort_of(&from, first), want = sw_cohort_of(&to, first);
        copy_rows(want.covariance, want.stride, have.covariance, have.stride, have.stride);
        copy_rows(want.precision, want.stride, have.precision, have.stride, have.stride);
        copy_rows(want.drift, want.stride, have.drift, have.stride, have.stride / SW_FEATURES);
    }
}

/* Check sum of a block, but for the field that holds it. */
static uint32_t check_sum(const void *block, uint64_t bytes)
{
    const char *begin = block;
    size_t before = offsetof(struct sw_header, check), after = before + sizeof(uint32_t);
    return crc32(crc32(0, begin, before), begin + after, (size_t)bytes - after);
}

void sw_block_seal(void *block)
{
    struct sw_header *header = block;
    header->check = check_sum(block, header->bytes);
}

static bool from_to(int64_t x, int64_t least, int64_t most) { return x >= least && x <= most; }

static bool is_possible_competition(const struct sw_competition *competition, int64_t neurons)
{
    return from_to(competition->recruited, 0, neurons) && from_to(competition->winner, 0, neurons - 1);
}

/* Whether every number of a line that is used to look something up does so where there is something. */
static bool is_possible_line(const struct sw_line *line)
{
    return is_possible_competition(&line->levels.common.competition, SW_NEURONS) &&
           is_possible_competition(&line->pattern.common.competition, SW_NEURONS) &&
           is_possible_competition(&line->changes.common.competition, SW_NEURONS) &&
           from_to(line->modes.winner, 0, SW_MODES - 1) &&
           from_to(line->evidence.witness, 0, SW_MEMBRANES - 1) && from_to(line->quality.unit, -SW_UNITS, SW_UNITS) &&
           from_to(line->quality.sure, SW_DOUBTFUL, SW_CERTAIN) && from_to(line->kind.few, 0, SW_FEW + 1) &&
           from_to(line->kind.counts, 0, 1) && from_to(line->kind.odd, 0, 1);
}

/* Whether the lines that are in the roster are those that have had a reading: the others join it with their first. */
static bool is_possible_roster(const struct sw_view *view)
{
    int64_t size = view->machine->rows.size, joined = 0;
    if (!from_to(size, 0, view->lines))
        return false;
    for (int64_t i = 0; i < view->lines; i++) {
        sw_real seen = view->line[i].clock.seen;
        if (!from_to(view->roster[i], 0, view->lines - 1) || !(seen >= 0.0))
            return false;
        joined += seen > 0.0;
    }
    for (int64_t i = 0; i < size; i++)
        if (sw_at(view, i)->clock.seen <= 0.0)
            return false;
    return joined == size;
}

static bool is_possible(const struct sw_view *view)
{
    const struct sw_machine *machine = view->machine;
    for (int k = 0; k < SW_PHASES; k++)
        if (!from_to(machine->rhythm.phase[k], 0, SW_KINDS * SW_HOURS - 1))
            return false;
    if (!is_possible_roster(view) || !is_possible_competition(&machine->condition.competition, SW_CONDITION_NEURONS) ||
        !is_possible_competition(&machine->modes.competition, SW_MODES) || (machine->rows.open && machine->rows.size == 0))
        return false;
    for (int64_t i = 0; i < view->lines; i++)
        if (!is_possible_line(&view->line[i]))
            return false;
    for (int64_t i = 0; view->context && i < view->lines; i++)
        if (!(view->context[i].code.seen >= 0.0 && view->context[i].code.seen < 1e15))
            return false;
    return true;
}

int64_t sw_block_check(const struct sw_params *params, const void *block, uint64_t bytes)
{
    const struct sw_header *header = block;
    if ((uintptr_t)block % 8 != 0 || bytes < sizeof *header || header->magic != SW_MAGIC)
        return SW_NO_BLOCK;
    if (header->format != SW_FORMAT + SW_LAYOUT)
        return SW_OTHER_FORMAT;
    if (header->bytes != bytes || header->context > 1 ||
        sw_block_bytes(header->lines, header->context) != bytes)
        return SW_OTHER_SIZE;
    if (check_sum(block, bytes) != header->check)
        return SW_DAMAGED;
    struct sw_view view = sw_view_of((void *)block);
    if (!is_possible(&view))
        return SW_IMPOSSIBLE;
    return header->parameters == sw_block_identity(params) ? SW_FINE : SW_OTHER_PARAMETERS;
}
