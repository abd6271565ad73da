/* Rhythm: is this reading usual for this hour, on this kind of day?

   A phase neuron for each hour of the day and each of two kinds of day (of work, of rest) keeps the level of the line
   in that phase: a rate code of the clock. It learns a visit as a whole when its hour is over, so that today never
   excuses itself, and counts days, not readings. With the local time t, the levels m(t) of the neurons, linear between
   the middles of their hours, a slow drift D that all share, and y, the value:

     low, high = the least and greatest of m(t - 1 h), m(t), m(t + 1 h)      a phase may come early or late
     outside   = distance of y - D from [low, high], with its sign, at most `cap` usual ones
     z, slow  -> outside / (usual distance at this hour + 0.01 sqrt(E0)), membranes of half an hour and of three
     level     = sqrt(the larger of |z| / limit and the lesser of |slow| and |2 z| / slow_limit) / allowance

   1 is an alarm. It lasts while the line is off, ends with it, and has a direction. A limit is at least `wide` times
   what z, or slow, usually is at most within an hour: some machines are often far off. Beside it, z is a voice in the
   dendrite, as the rarity of a population is. Only what the rhythm explains is asked:

     E  = mean of (y - D - m(t))^2, of an hour at most as much as E0's
     E0 = mean of (y - P)^2, P a plain mean of 1.5 days: a rival without a clock
     explained = 1 - E / E0;   heard from `proof` on, a lasting alarm from `sure` on and after some days

   always of visits that were predicted first. Of which kind an hour of the week is, all lines of a machine learn
   together (`taste`): of that whose levels are nearer. On a day that its calendar calls a holiday all are of rest.

   Phase neurons are an additive season, Holt (1957), Winters (1960), here of two kinds of day. The proof is the skill
   of a forecast against a rival, Murphy (1988). */
#ifndef SW_RHYTHM_H
#define SW_RHYTHM_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

enum {
    SW_HOURS = 24,    /* of a day */
    SW_KINDS = 2,     /* of days: of work, of rest */
    SW_WEEKDAYS = 7,  /* Monday is 0 */
    SW_PHASES = 4     /* hours whose levels are asked at a moment */
};

/* Times in hours, each of which is a visit of its phase neuron; distances in usual ones. */
struct sw_rhythm_params {
    sw_real memory;         /* visits that a phase neuron remembers */
    sw_real drift_hours;    /* memory of the level that all phases share */
    sw_real plain_hours;    /* memory of the rival without a clock */
    sw_real proof_hours;    /* memory of what both are off */
    sw_real proof;          /* share that a rhythm explains, to be heard in the dendrite ... */
    sw_real proof_young;    /* ... and more, divided by the days that were predicted */
    sw_real sure;           /* the same to raise a lasting alarm ... */
    sw_real stay;           /* ... and to go on doing so ... */
    sw_real sure_hours;     /* ... once so many hours were predicted */
    sw_real shrink;         /* visits that the usual distance at any hour weighs as much as */
    sw_real clip;           /* distance a visit teaches a level at most, and the drift */
    sw_real clip_size;      /* the same of usual distances */
    sw_real membrane_hours; /* of the distance ... */
    sw_real slow_hours;     /* ... and of the slow one */
    sw_real cap;            /* distance that counts at most */
    sw_real limit;          /* distance at which a line is off its rhythm ... */
    sw_real slow_limit;     /* ... and the slow one ... */
    sw_real wide;           /* ... or, if that is more, so many times what its largest of an hour usually are ... */
    sw_real lines;          /* ... and more for each decade of lines ... */
    sw_real young;          /* ... and more, divided by the days that were predicted */
    sw_real asked;          /* visits from which a phase neuron is asked */
    sw_real heard;          /* weight in the dendrite */
    sw_real rarity;         /* there, of a line that is off its rhythm by 1 ... */
    sw_real rarest;         /* ... and at most */
    sw_real taste;          /* of an hour of the week for a kind of day, learned in a visit by all lines */
};

/* Local time and days of rest of a machine: configuration, in the caller's memory. */
struct sw_calendar {
    int64_t spans;            /* of time with one offset from UTC, in order; before the first its own holds */
    const int64_t *begin_ns;
    const int64_t *offset_ns;
    int64_t rests;
    const int64_t *rest;      /* local days since 1970 that are of rest, in order */
};

/* One line. Values are those of its expectation: in units, relative to its first. */
struct sw_rhythm_line {
    float level[SW_KINDS * SW_HOURS];  /* of each phase */
    float size[SW_HOURS];              /* usual distance */
    float common;                      /* the same at any hour */
    float drift;
    float plain;                       /* the rival */
    float off;                         /* E: mean square of what is left by the rhythm ... */
    float off_plain;                   /* ... and E0, by the rival */
    float predicted;                   /* visits so far that were */
    float near;                        /* membrane of the distance */
    float z;                           /* the same in usual ones ... */
    float slow;                        /* ... and a slower membrane */
    float wide;                        /* mean square of the largest z of a visit, and of the slow one */
    float wide_slow;
    float expected;                    /* value at this moment ... */
    float usual;                       /* ... and usual distance; 0 while its neurons have not met all hours */
    float mean;                        /* of the visit that goes on: value, ... */
    float left;                        /* ... and of its part that was predicted: what the rhythm leaves, ... */
    float square;                      /* ... its square, ... */
    float square_plain;                /* ... what the rival leaves, squared, ... */
    float far;                         /* ... distance, ... */
    float most;                        /* ... and the largest z and slow one */
    float most_slow;
    uint32_t count;                    /* readings of the visit */
    uint32_t judged;                   /* that were predicted */
    int32_t hour;                      /* of the visit, local, since 1970 */
    uint8_t known;                     /* there is a rhythm, to be heard ... */
    uint8_t sure;                      /* ... and to raise a lasting alarm */
    uint8_t asked;                     /* the neurons of this moment are */
    uint8_t kinds[SW_HOURS];           /* of the hours of the week, as its neurons have learned them */
    uint8_t visits[SW_KINDS * SW_HOURS];
    uint8_t spare;
};

/* What all lines share: the clock, worked out once for each half hour, and the kinds of the hours of the week. */
struct sw_rhythm_machine {
    int64_t begin_ns;              /* of the half hour worked out, in UTC ... */
    int64_t end_ns;                /* ... and its end */
    int64_t middle_ns;             /* middle of the hour of the second phase */
    int32_t hour;                  /* local, since 1970 */
    uint8_t phase[SW_PHASES];      /* neurons of the hours around */
    int16_t taste[SW_WEEKDAYS * SW_HOURS]; /* of each hour of the week: above 0 it is rather one of rest */
    uint8_t kinds[SW_HOURS];       /* of each hour, a bit for each day of the week on which it is one of rest */
};

void sw_rhythm_init_line(struct sw_rhythm_line *line);
void sw_rhythm_init_machine(struct sw_rhythm_machine *machine);

/* Feel a reading at a time. `calendar` may be NULL: UTC, and no holidays. `hours`: since the line's last reading;
   `lines`: of the machine. */
void sw_rhythm_step(const struct sw_rhythm_params *params, const struct sw_calendar *calendar,
                    struct sw_rhythm_machine *machine, struct sw_rhythm_line *line, bool frozen, int64_t time_ns,
                    sw_real hours, int64_t lines, sw_real value);

/* How rare that is in the dendrite; no number where there is no rhythm. */
sw_real sw_rhythm_rarity(const struct sw_rhythm_params *params, const struct sw_rhythm_line *line, int64_t lines);

/* What the line does now is normal for it: it has to prove anew that it has a rhythm, with what it does from now on. */
void sw_rhythm_accept(struct sw_rhythm_line *line);

/* The largest step of a known rhythm within the hours around this moment, in usual distances; 0 without a rhythm. */
sw_real sw_rhythm_largest_step(const struct sw_rhythm_machine *machine, const struct sw_rhythm_line *line);

/* How far a line of a machine of so many is off its rhythm; 1 is an alarm. */
sw_real sw_rhythm_level(const struct sw_rhythm_params *params, const struct sw_rhythm_line *line, int64_t lines);

#endif
