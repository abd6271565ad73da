/* Quality: can a sensor's readings be believed? Those of one that cannot be are *masked* from the machine's score.

   A sensor is *missing* while its machine goes on and it has sent nothing for many of its own usual intervals and
   several of its longest pauses; *stuck* at exactly one value for far longer than it ever was, though it used to
   move; *saturated* where it comes back to exactly its highest or lowest value, or sits there, far more than it is
   usually at one or stays at any; it has a *unit jump* where it follows what is expected of it in another unit; its
   *clock* is wrong where its readings are not newer than those before, again and again. From judgement, all of it.

   A line that is bad is masked once it has raised an alarm, or is missing: it is judged as one without readings is,
   so the others say where it is, and nothing is learned of it. What is bad and raises no alarm does no harm, and the
   others may need to hear it. One that sent nonsense stays masked for a while after that has ended, as the end is
   sudden in itself. At least half of a machine's lines are always judged: where more than half seem bad, the fault is
   not theirs. */
#ifndef SW_QUALITY_H
#define SW_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_view;

/* What is the matter with a sensor. */
enum { SW_GOOD, SW_STUCK, SW_MISSING, SW_SATURATED, SW_CLOCK_WRONG, SW_UNIT_JUMP };

/* How much a verdict says: it may be the way the machine rests; it is nonsense where the others object; it is without. */
enum { SW_DOUBTFUL, SW_SURE, SW_CERTAIN };

enum { SW_UNITS = 12 }; /* that sensors may jump between */

/* In readings of the line, but for the first three. */
struct sw_quality_params {
    sw_real intervals; /* usual ones without a reading that a line is missing after ... */
    sw_real pauses;    /* ... if they are so many of its longest pauses ... */
    int64_t missed;    /* ... and so many rows of its machine */
    sw_real run;       /* equal values that are stuck ... */
    sw_real runs;      /* ... if they are so many times as many as ever before */
    sw_real often;     /* moves from which a line's longest hold says nothing of a value that it did not hold then */
    sw_real together;  /* share of a run by which two that began together may differ */
    sw_real moves;     /* readings from which a line may be said to move */
    sw_real recent;    /* memory of how often a line is at its rail now ... */
    sw_real usual;     /* ... and of how often it is in general */
    sw_real railed;    /* share of recent readings at a rail, above twice the usual one and that of equal ones */
    sw_real far;       /* usual distances from which a value may be in another unit ... */
    sw_real near;      /* ... if in that it is as near as so many to what is expected ... */
    sw_real again;     /* ... so often running, while it moves farther than chance would let it */
    sw_real late;      /* late readings, less the others, from which a clock is wrong */
    sw_real fade;      /* share of the longest pause that is forgotten with each reading */
    sw_real trust;     /* good readings running after which a line is believed again */
};

struct sw_quality {
    int64_t verdict;   /* never that the clock is wrong: that is not of a row */
    int64_t sure;      /* how much that says */
    int64_t newest_ns; /* time of the newest row with a reading */
    sw_real pause_ns;  /* longest one remembered between two of them */
    sw_real heard;     /* readings so far */
    sw_real value;     /* newest */
    sw_real run;       /* readings running that were equal to it */
    sw_real longest;   /* such a run before ... */
    sw_real rest;      /* ... which was at this value ... */
    sw_real elsewhere; /* ... and the longest one at any other */
    sw_real low;       /* least and largest value so far */
    sw_real high;
    sw_real railed;    /* share of readings at one of them, recently */
    sw_real usual;     /* and in general */
    sw_real rests;     /* readings running that it has been there more than that */
    sw_real rested;    /* the most of such before */
    sw_real held;      /* share of readings off the rails that are equal to the one before, in general */
    int64_t unit;      /* it reads in, from 1; negative for its inverse; 0 for none */
    sw_real jumped;    /* readings running that were in it */
    sw_real least;     /* of these, in the line's own unit */
    sw_real most;
    sw_real doubt;     /* good readings that are wanted before it is believed again */
    int64_t masked;    /* in the next row it is judged as if it had no reading */
};

void sw_quality_init(struct sw_quality *line);

/* Take in a line's reading of a row; returns its quality. `expected`, `usual`: where the reading was expected and how
   far it is usually off; NaN while the line is learning. `moved`: times the line has moved;
   0 of a counter, whose highest value is no rail, and which rests with its machine. */
int64_t sw_quality_hear(const struct sw_quality_params *params, struct sw_quality *line, int64_t time_ns,
                        sw_real value, sw_real expected, sw_real usual, sw_real moved);

/* A line that seems stuck or saturated may only rest with its machine: another one stands still for longer than it ever
   did, since about the same time. Then that is not sure. */
void sw_quality_compare(const struct sw_quality_params *params, const struct sw_view *view, int64_t place);

/* Whether what is the matter with a line is an alarm for as long as it lasts. */
bool sw_quality_alarms(const struct sw_quality *line);

/* A row had no reading of a line, the `missed`-th running; whether the line is missing since this row. */
bool sw_quality_miss(const struct sw_quality_params *params, struct sw_quality *line, int64_t time_ns,
                     sw_real usual_ns, int64_t missed);

/* Count after a row for how long each line of a machine is in doubt; whether these are few enough to be masked. */
bool sw_quality_doubt(const struct sw_quality_params *params, const struct sw_view *view);

/* A person says that this is how the line is: believe it. Of one that is missing nobody can say that. */
void sw_quality_trust(struct sw_quality *line);

#endif
