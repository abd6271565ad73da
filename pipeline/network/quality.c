#include "pipeline/network/quality.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"

/* What a value in one unit is in another: times the first, plus the second. */
static const struct unit {
    sw_real factor;
    sw_real plus;
} UNITS[SW_UNITS] = {
    {10.0, 0.0},
    {100.0, 0.0},
    {1000.0, 0.0},
    {1e6, 0.0},
    {60.0, 0.0},      /* per second, per minute */
    {3.6, 0.0},       /* m/s, km/h */
    {4.184, 0.0},     /* cal, J */
    {6.894757, 0.0},  /* psi, kPa */
    {14.50377, 0.0},  /* bar, psi */
    {25.4, 0.0},      /* in, mm */
    {1.8, 32.0},      /* degC, degF */
    {1.0, 273.15},    /* degC, K */
};

void sw_quality_init(struct sw_quality *line) { *line = (struct sw_quality){0}; }

/* What a value is in the line's own unit, if it is in this one. */
static sw_real in_unit(sw_real value, int64_t unit)
{
    const struct unit *other = &UNITS[(unit > 0 ? unit : -unit) - 1];
    return unit > 0 ? (value - other->plus) / other->factor : other->factor * value + other->plus;
}

/* The unit in which a value is nearest to what is expected. */
static int64_t nearest_unit(sw_real value, sw_real expected)
{
    int64_t found = 0;
    sw_real least = INFINITY;
    for (int64_t k = 1; k <= SW_UNITS; k++)
        for (int64_t unit = k; unit >= -k; unit -= 2 * k) {
            sw_real off = sw_absolute(in_unit(value, unit) - expected);
            if (off < least) {
                found = unit;
                least = off;
            }
        }
    return found;
}

/* Whether a line reads in another unit: it is where it is expected in that, wherever that is. A value that does not
   move with what is expected of it is in some unit by chance. */
static bool jumps(const struct sw_quality_params *params, struct sw_quality *line, sw_real value, sw_real expected,
                  sw_real usual)
{
    bool was = line->verdict == SW_UNIT_JUMP;
    bool elsewhere = sw_absolute(value - expected) > params->far * usual; /* false where nothing is expected */
    if (line->jumped == 0.0) {
        line->unit = elsewhere ? nearest_unit(value, expected) : 0;
        line->least = INFINITY;
        line->most = -INFINITY;
    }
    sw_real own = line->unit != 0 ? in_unit(value, line->unit) : INFINITY;
    if (elsewhere && sw_absolute(own - expected) <= params->near * usual) {
        line->least = sw_least(line->least, own);
        line->most = sw_most(line->most, own);
        line->jumped = sw_least(line->jumped + 1.0, 2.0 * params->again);
    } else { /* one that is only suspected is soon given up for another */
        line->jumped = was ? sw_most(line->jumped - 1.0, 0.0) : sw_floor(line->jumped / 2.0);
    }
    bool moved = line->most - line->least > 2.0 * params->near * usual;
    return line->jumped >= params->again && (moved || was);
}

/* Whether a line is at a rail again and again; widens what it has been at. */
static bool is_railed(const struct sw_quality_params *params, struct sw_quality *line, sw_real n, sw_real value,
                      bool same, bool *at_rail)
{
    if (n == 0.0 || value < line->low || value > line->high) {
        line->low = n == 0.0 ? value : sw_least(line->low, value);
        line->high = n == 0.0 ? value : sw_most(line->high, value);
        line->railed = 0.0; /* a rail that gives way is none */
    }
    *at_rail = value == line->low || value == line->high;
    sw_real share = *at_rail ? 1.0 : 0.0;
    line->railed += (share - line->railed) / params->recent;
    bool railed = line->railed > params->railed + 2.0 * line->usual + line->held;
    if (railed) {
        line->rests += 1.0;
    } else {
        if (line->sure == SW_DOUBTFUL) /* what was nonsense is no rest */
            line->rested = sw_most(line->rested, line->rests);
        line->rests = 0.0;
        line->usual += (share - line->usual) / sw_least(n + 1.0, params->usual);
        if (!*at_rail)
            line->held += ((same ? 1.0 : 0.0) - line->held) / sw_least(n + 1.0, params->usual);
    }
    return railed;
}

/* A hold has ended: how long was one at the value that is held the longest, and at any other? */
static void end_of_hold(struct sw_quality *line)
{
    if (line->value != line->rest) {
        line->elsewhere = sw_most(line->elsewhere, sw_least(line->run, line->longest));
        if (line->run > line->longest)
            line->rest = line->value;
    }
    line->longest = sw_most(line->longest, line->run);
}

int64_t sw_quality_hear(const struct sw_quality_params *params, struct sw_quality *line, int64_t time_ns,
                        sw_real value, sw_real expected, sw_real usual, sw_real moved)
{
    sw_real n = line->heard;
    line->heard = n + 1.0;
    if (n > 0.0) {
        sw_real pause = (sw_real)sw_since(line->newest_ns, time_ns);
        line->pause_ns = sw_most(line->pause_ns * (1.0 - params->fade), pause);
    }
    line->newest_ns = time_ns;
    bool same = n > 0.0 && value == line->value, at_rail;
    if (same) {
        line->run += 1.0;
    } else {
        end_of_hold(line); /* what ends by itself was one */
        line->run = 1.0;
        line->value = value;
    }
    bool railed = is_railed(params, line, n, value, same, &at_rail);
    bool moves = moved > 0.0 && line->heard > params->moves && line->high > line->low;
    sw_real longest = value == line->rest || moved < params->often ? line->longest : line->elsewhere;
    bool still = line->run > params->runs * longest + params->run;
    int64_t verdict = SW_GOOD;
    if (jumps(params, line, value, expected, usual))
        verdict = SW_UNIT_JUMP;
    else if (moves && (railed || (still && at_rail)))
        verdict = SW_SATURATED;
    else if (moves && still)
        verdict = SW_STUCK;
    line->verdict = verdict;
    /* What ended by itself was a rest, and this may be one. */
    sw_real rested = params->runs * sw_most(line->rested, line->longest > params->run ? line->longest : 0.0);
    line->sure = verdict == SW_GOOD ? SW_DOUBTFUL : SW_SURE;
    if ((verdict == SW_SATURATED && !still && line->rests <= rested) || line->heard - line->run < params->moves)
        line->sure = SW_DOUBTFUL; /* or it rests since before it was known how it moves */
    /* What holds no value for long, but where it rests, is not still by itself. */
    if (still && line->sure != SW_DOUBTFUL && moved >= params->often && longest <= params->run)
        line->sure = SW_CERTAIN;
    return verdict;
}

bool sw_quality_miss(const struct sw_quality_params *params, struct sw_quality *line, int64_t time_ns,
                     sw_real usual_ns, int64_t missed)
{
    if (line->verdict == SW_MISSING || usual_ns <= 0.0 || missed < params->missed)
        return false;
    sw_real gone = (sw_real)sw_since(line->newest_ns, time_ns);
    if (gone <= sw_most(params->intervals * usual_ns, params->pauses * line->pause_ns))
        return false;
    line->verdict = SW_MISSING;
    line->sure = SW_DOUBTFUL;
    return true;
}

void sw_quality_compare(const struct sw_quality_params *params, const struct sw_view *view, int64_t place)
{
    struct sw_quality *line = &sw_at(view, place)->quality;
    if (line->sure == SW_DOUBTFUL || line->verdict == SW_UNIT_JUMP)
        return;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        const struct sw_quality *other = &sw_at(view, i)->quality;
        bool still = i != place && other->run > other->longest + params->run;
        if (still && sw_absolute(other->run - line->run) < params->run + params->together * line->run)
            line->sure = SW_DOUBTFUL;
    }
}

bool sw_quality_doubt(const struct sw_quality_params *params, const struct sw_view *view)
{
    int64_t doubted = 0;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        const struct sw_line *other = sw_at(view, i);
        struct sw_quality *line = &sw_at(view, i)->quality;
        if (line->verdict == SW_MISSING) /* there is nothing wrong with what it will say */
            line->doubt = sw_most(line->doubt, 1.0);
        else if (line->verdict != SW_GOOD && (other->evidence.shut || line->doubt > 0.0 || sw_quality_alarms(line)))
            line->doubt = params->trust;
        else if (other->rows.missed == 0 && line->doubt > 0.0)
            line->doubt -= 1.0;
        doubted += line->doubt > 0.0;
    }
    return doubted <= view->machine->rows.size / 2;
}

bool sw_quality_alarms(const struct sw_quality *line)
{
    return line->sure == SW_CERTAIN || (line->sure == SW_SURE && line->masked);
}

void sw_quality_trust(struct sw_quality *line)
{
    if (line->verdict == SW_MISSING)
        return;
    line->verdict = SW_GOOD;
    line->sure = SW_DOUBTFUL;
    end_of_hold(line);
    line->usual = sw_most(line->usual, line->railed);
    line->rested = sw_most(line->rested, line->rests);
    line->jumped = line->doubt = 0.0;
    line->unit = 0;
    line->masked = 0;
}
