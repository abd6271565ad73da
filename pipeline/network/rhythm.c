#include "pipeline/network/rhythm.h"

#include "pipeline/network/clock.h"
#include "pipeline/network/math.h"

#define MOST_NS INT64_C(9000000000000000000) /* of a time, so that offsets can be added */
#define LEAST_SHARE 0.01                     /* of the rival's error, which a usual distance counts for at least */
#define DAYS 24.0                            /* visits that are a day */
#define WEEKEND 0x60                         /* Saturday and Sunday, which are of rest until something else is known */
#define TASTE 32000                          /* the whole of a taste */
#define SURE 3200                            /* taste from which an hour of the week changes its kind */

static int64_t whole(int64_t x, int64_t unit) { return x / unit - (x % unit < 0); }

void sw_rhythm_init_line(struct sw_rhythm_line *line)
{
    *line = (struct sw_rhythm_line){0};
    for (int k = 0; k < SW_HOURS; k++)
        line->kinds[k] = WEEKEND;
}

void sw_rhythm_init_machine(struct sw_rhythm_machine *machine)
{
    *machine = (struct sw_rhythm_machine){0};
    for (int k = 0; k < SW_HOURS; k++)
        machine->kinds[k] = WEEKEND;
    for (int k = 0; k < SW_WEEKDAYS * SW_HOURS; k++)
        machine->taste[k] = WEEKEND >> k / SW_HOURS & 1 ? TASTE / 2 : -TASTE / 2;
}

/* How many of these, in order, are not above x. */
static int64_t until(const int64_t *sorted, int64_t count, int64_t x)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (sorted[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Day of the week of a day since 1970-01-01, which was a Thursday. */
static int weekday(int64_t day) { return (int)(day + 3 - whole(day + 3, SW_WEEKDAYS) * SW_WEEKDAYS); }

static bool is_holiday(const struct sw_calendar *calendar, int64_t day)
{
    if (!calendar || calendar->rests == 0)
        return false;
    int64_t place = until(calendar->rest, calendar->rests, day);
    return place > 0 && calendar->rest[place - 1] == day;
}

/* Phase neuron of a local hour since 1970. */
static int phase_of(const struct sw_calendar *calendar, const struct sw_rhythm_machine *machine, int64_t hour)
{
    int64_t day = whole(hour, SW_HOURS);
    int of_day = (int)(hour - day * SW_HOURS);
    bool rest = machine->kinds[of_day] >> weekday(day) & 1 || is_holiday(calendar, day);
    return (rest ? SW_HOURS : 0) + of_day;
}

/* Work out the half hour of a time: nothing in it depends on more than the time and what the machine has learned. */
static void look_at_clock(const struct sw_calendar *calendar, struct sw_rhythm_machine *machine, int64_t time_ns)
{
    int64_t offset = 0, begin = -MOST_NS, end = MOST_NS;
    if (calendar && calendar->spans > 0) {
        int64_t next = until(calendar->begin_ns, calendar->spans, time_ns);
        offset = calendar->offset_ns[next > 0 ? next - 1 : 0];
        begin = next > 0 ? calendar->begin_ns[next - 1] : begin;
        end = next < calendar->spans ? calendar->begin_ns[next] : end;
    }
    int64_t half = whole(time_ns + offset, SW_HOUR_NS / 2), second = whole(half - 1, 2);
    int64_t first_ns = half * (SW_HOUR_NS / 2) - offset;
    machine->begin_ns = first_ns > begin ? first_ns : begin;
    machine->end_ns = first_ns + SW_HOUR_NS / 2 < end ? first_ns + SW_HOUR_NS / 2 : end;
    machine->middle_ns = second * SW_HOUR_NS + SW_HOUR_NS / 2 - offset;
    machine->hour = (int32_t)whole(half, 2);
    for (int k = 0; k < SW_PHASES; k++)
        machine->phase[k] = (uint8_t)phase_of(calendar, machine, second - 1 + k);
}

/* Usual distance at an hour of the day, drawn towards that of all hours. */
static sw_real usual(const struct sw_rhythm_params *params, const struct sw_rhythm_line *line, int hour)
{
    sw_real visits = (sw_real)line->visits[hour] + (sw_real)line->visits[SW_HOURS + hour];
    sw_real own = sw_most(sw_least(visits, params->memory) - 1.0, 0.0);
    return (params->shrink * (sw_real)line->common + own * (sw_real)line->size[hour]) / (params->shrink + own);
}

/* Let a machine learn of which kind the day of a visit is: the kind whose level is nearer. */
static void learn_kind(const struct sw_rhythm_params *params, struct sw_rhythm_machine *machine,
                       const struct sw_rhythm_line *line, int64_t day, int hour, sw_real mean, int64_t lines)
{
    if (line->visits[hour] == 0 || line->visits[SW_HOURS + hour] == 0)
        return;
    sw_real work = sw_absolute(mean - (sw_real)line->level[hour]);
    sw_real rest = sw_absolute(mean - (sw_real)line->level[SW_HOURS + hour]);
    if (!(work + rest > 0.0))
        return;
    int16_t *taste = &machine->taste[weekday(day) * SW_HOURS + hour];
    sw_real told = TASTE * (work - rest) / (work + rest);
    *taste = (int16_t)((sw_real)*taste + params->taste / (sw_real)lines * (told - (sw_real)*taste));
    uint8_t bit = (uint8_t)(1 << weekday(day));
    if (*taste > SURE)
        machine->kinds[hour] |= bit;
    if (*taste < -SURE)
        machine->kinds[hour] &= (uint8_t)~bit;
}

/* Where an hour of the week has changed its kind, forget what neurons of that which it was learned, it among others. */
static void forget(const struct sw_rhythm_machine *machine, struct sw_rhythm_line *line, int hour)
{
    uint8_t now = machine->kinds[hour], before = line->kinds[hour];
    if (now & ~before && line->visits[hour] > 1)
        line->visits[hour] = 1;
    if (before & ~now)
        line->visits[SW_HOURS + hour] = 0;
    line->kinds[hour] = now;
}

/* Let a line know how well the visit was predicted, and whether that is a rhythm. */
static void learn_skill(const struct sw_rhythm_params *params, struct sw_rhythm_line *line, int hour)
{
    sw_real far = line->far, size = usual(params, line, hour), before = line->predicted;
    bool young = before < DAYS;
    if (!young)
        far = sw_least(far, params->clip_size * sw_most(size, line->common));
    sw_real visits = (sw_real)line->visits[hour] + (sw_real)line->visits[SW_HOURS + hour];
    sw_real rate = line->size[hour] == 0.0f ? 1.0 : 1.0 / sw_least(sw_most(visits, 1.0), params->memory);
    line->size[hour] = (float)((sw_real)line->size[hour] + rate * (far - (sw_real)line->size[hour]));
    rate = 1.0 / sw_least(before + 1.0, DAYS * params->memory);
    line->common = (float)((sw_real)line->common + rate * (far - (sw_real)line->common));

    rate = 1.0 / sw_least(before + 1.0, DAYS * params->memory);
    sw_real slowest = sw_square(line->most_slow);
    if (!young)
        slowest = sw_least(slowest, 9.0 * (sw_real)line->wide_slow + 1.0);
    line->wide_slow = (float)((sw_real)line->wide_slow + rate * (slowest - (sw_real)line->wide_slow));
    sw_real widest = sw_square(line->most);
    if (!young)
        widest = sw_least(widest, 9.0 * (sw_real)line->wide + 1.0);
    line->wide = (float)((sw_real)line->wide + rate * (widest - (sw_real)line->wide));
    line->predicted = (float)sw_least(before + 1.0, 1e6);
    rate = 1.0 / sw_least(before + 1.0, params->proof_hours);
    sw_real most = young ? INFINITY : 9.0 * (sw_real)line->off_plain;
    sw_real plain = sw_least(line->square_plain, most); /* what both miss says nothing of either */
    line->off = (float)((sw_real)line->off + rate * (sw_least(line->square, plain) - (sw_real)line->off));
    line->off_plain = (float)((sw_real)line->off_plain + rate * (plain - (sw_real)line->off_plain));
    sw_real limit = params->proof + params->proof_young * DAYS / (sw_real)line->predicted;
    sw_real explained = 1.0 - (sw_real)line->off / ((sw_real)line->off_plain + SW_REAL_LEAST_DIVISOR);
    line->known = explained > limit;
    line->sure = before >= params->sure_hours && explained > (line->sure ? params->stay : params->sure);

    sw_real left = young ? (sw_real)line->left : sw_clip(line->left, params->clip * size);
    line->drift = (float)((sw_real)line->drift + left / params->drift_hours);
}

/* A visit is over: its phase neuron learns it. */
static void learn(const struct sw_rhythm_params *params, const struct sw_calendar *calendar,
                  struct sw_rhythm_machine *machine, struct sw_rhythm_line *line, int64_t lines)
{
    int phase = phase_of(calendar, machine, line->hour), hour = phase % SW_HOURS;
    sw_real mean = (sw_real)line->mean - (sw_real)line->drift;
    forget(machine, line, hour);
    learn_kind(params, machine, line, whole(line->hour, SW_HOURS), hour, mean, lines);
    sw_real size = usual(params, line, hour), error = mean - (sw_real)line->level[phase];
    sw_real visits = line->visits[phase];
    if (line->judged > 0)
        learn_skill(params, line, hour);
    if (visits >= 3.0)
        error = sw_clip(error, params->clip * size);
    sw_real rate = visits == 0.0 ? 1.0 : 1.0 / sw_least(visits + 1.0, params->memory);
    line->level[phase] = (float)((sw_real)line->level[phase] + rate * error);
    if (line->visits[phase] < UINT8_MAX)
        line->visits[phase]++;
    sw_real all = 0.0; /* the rival begins as a plain mean */
    for (int k = 0; k < SW_KINDS * SW_HOURS; k++)
        all += line->visits[k];
    rate = 1.0 / sw_least(all, params->plain_hours);
    line->plain = (float)((sw_real)line->plain + rate * ((sw_real)line->mean - (sw_real)line->plain));
}

/* `mean` with one more of `count` values. */
static float with(float mean, sw_real value, uint32_t count)
{
    return (float)((sw_real)mean + (value - (sw_real)mean) / (sw_real)count);
}

/* Hold a reading against its phase. */
static void judge(const struct sw_rhythm_params *params, const struct sw_rhythm_machine *machine,
                  struct sw_rhythm_line *line, bool frozen, int64_t time_ns, sw_real hours, sw_real y)
{
    sw_real level[SW_PHASES];
    line->asked = 1;
    for (int k = 0; k < SW_PHASES; k++) {
        if (line->visits[machine->phase[k]] == 0) {
            line->near = line->z = line->slow = line->usual = 0.0f;
            line->asked = 0;
            return;
        }
        if (line->visits[machine->phase[k]] < params->asked)
            line->asked = 0;
        level[k] = line->level[machine->phase[k]];
    }
    sw_real f = (sw_real)sw_since(machine->middle_ns, time_ns) / (sw_real)SW_HOUR_NS;
    sw_real low = INFINITY, high = -INFINITY, middle = 0.0;
    for (int k = 0; k < SW_PHASES - 1; k++) {
        sw_real at = level[k] + f * (level[k + 1] - level[k]);
        low = sw_least(low, at);
        high = sw_most(high, at);
        middle = k == 1 ? at : middle;
    }
    int hour = machine->hour - (int)whole(machine->hour, SW_HOURS) * SW_HOURS;
    sw_real without = y - (sw_real)line->drift, size = usual(params, line, hour);
    size += LEAST_SHARE * sw_square_root(line->off_plain);
    line->expected = (float)(middle + (sw_real)line->drift);
    line->usual = (float)size;
    sw_real outside = sw_most(without - high, 0.0) + sw_least(without - low, 0.0);
    if (line->predicted >= DAYS)
        outside = sw_clip(outside, params->cap * size);
    sw_real near = line->near;
    line->near = (float)(near + hours / (hours + params->membrane_hours) * (outside - near));
    line->z = size > 0.0 ? (float)((sw_real)line->near / size) : 0.0f;
    sw_real slow = size > 0.0 ? outside / size : 0.0;
    line->slow = (float)((sw_real)line->slow + hours / (hours + params->slow_hours) * (slow - (sw_real)line->slow));
    if (frozen)
        return;
    line->most_slow = (float)sw_most(line->most_slow, sw_absolute(line->slow));
    line->most = (float)sw_most(line->most, sw_absolute(line->z));
    sw_real left = without - middle;
    line->judged++;
    line->left = with(line->left, left, line->judged);
    line->square = with(line->square, left * left, line->judged);
    line->square_plain = with(line->square_plain, sw_square(y - (sw_real)line->plain), line->judged);
    line->far = with(line->far, sw_absolute(line->near), line->judged);
}

void sw_rhythm_step(const struct sw_rhythm_params *params, const struct sw_calendar *calendar,
                    struct sw_rhythm_machine *machine, struct sw_rhythm_line *line, bool frozen, int64_t time_ns,
                    sw_real hours, int64_t lines, sw_real value)
{
    time_ns = time_ns > MOST_NS ? MOST_NS : time_ns < -MOST_NS ? -MOST_NS : time_ns;
    if (time_ns < machine->begin_ns || time_ns >= machine->end_ns)
        look_at_clock(calendar, machine, time_ns);
    if (line->hour != machine->hour) {
        if (line->count > 0 && !frozen)
            learn(params, calendar, machine, line, lines);
        line->hour = machine->hour;
        line->count = line->judged = 0;
        line->mean = line->left = line->square = line->square_plain = line->far = line->most = line->most_slow = 0.0f;
    }
    judge(params, machine, line, frozen, time_ns, hours, value);
    if (!frozen) {
        line->count++;
        line->mean = with(line->mean, value, line->count);
    }
}

/* A distance in usual ones, of those at which a line is off its rhythm: at least `limit`, and more where it is often far.
   Square roots, so that twice as far is not twice as bad. */
static sw_real reach(const struct sw_rhythm_params *params, sw_real z, sw_real limit, sw_real square)
{
    return sw_absolute(z) / sw_most(limit, params->wide * sw_square_root(square));
}

/* What one of many lines, and a young one, must exceed. */
static sw_real allowed(const struct sw_rhythm_params *params, const struct sw_rhythm_line *line, int64_t lines)
{
    return 1.0 + params->young * DAYS / (sw_real)line->predicted + params->lines * sw_log10((sw_real)lines);
}

sw_real sw_rhythm_rarity(const struct sw_rhythm_params *params, const struct sw_rhythm_line *line, int64_t lines)
{
    if (!line->known || !line->asked)
        return NAN;
    sw_real fast = reach(params, line->z, params->limit, line->wide);
    return sw_least(params->rarity * sw_square_root(fast) / allowed(params, line, lines), params->rarest);
}

void sw_rhythm_accept(struct sw_rhythm_line *line)
{
    line->near = line->z = line->slow = line->predicted = 0.0f;
    line->known = line->sure = 0;
}

sw_real sw_rhythm_largest_step(const struct sw_rhythm_machine *machine, const struct sw_rhythm_line *line)
{
    if (!line->known || line->common == 0.0f)
        return 0.0;
    sw_real low = INFINITY, high = -INFINITY;
    for (int k = 0; k < SW_PHASES; k++) {
        int phase = machine->phase[k];
        if (line->visits[phase] == 0)
            continue;
        low = sw_least(low, (sw_real)line->level[phase]);
        high = sw_most(high, (sw_real)line->level[phase]);
    }
    return sw_most((high - low) / (sw_real)line->common, 0.0);
}

sw_real sw_rhythm_level(const struct sw_rhythm_params *params, const struct sw_rhythm_line *line, int64_t lines)
{
    if (!line->sure || !line->asked)
        return 0.0;
    sw_real fast = reach(params, line->z, params->limit, line->wide);
    sw_real slow = reach(params, line->slow, params->slow_limit, line->wide_slow);
    /* What has lasted counts for as long as the line is still off by half as much. */
    slow = sw_least(slow, reach(params, 2.0 * (sw_real)line->z, params->slow_limit, line->wide_slow));
    return sw_square_root(sw_most(fast, slow)) / allowed(params, line, lines);
}
