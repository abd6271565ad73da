/* Looking into a block: where its parts are. Made anew at every entrance, and never stored. */
#ifndef SW_VIEW_H
#define SW_VIEW_H

#include "pipeline/network/block.h"

struct sw_view {
    struct sw_header *header;
    struct sw_machine *machine;
    struct sw_line *line;
    int32_t *roster; /* numbers of the lines in order of their first readings: the lines' places */
    float *coupling; /* (lines, lines), by place: weights from the other lines */
    struct sw_context *context; /* of each line; NULL where they have none */
    int64_t lines;
};

/* Lines that expect each other, by place; see expectation.h. */
struct sw_cohort {
    int64_t number;
    int64_t first;     /* place */
    int64_t size;      /* lines of it that have had a reading */
    int64_t stride;    /* floats from one row of a matrix to the next */
    float *covariance; /* (features, features), line by line */
    float *precision;  /* the same shape; the inverse */
    float *drift;      /* (lines, features), weights from the features of the others to the residual */
    struct sw_line *member[SW_COHORT];
};

/* View of a block whose header is right. */
struct sw_view sw_view_of(void *block);

/* The cohort that begins at a place. */
struct sw_cohort sw_cohort_of(const struct sw_view *view, int64_t first);

/* Have memory brought near that is read soon; a machine's lines are larger than what a processor keeps nearest. */
static inline void sw_fetch(const void *begin, uint64_t bytes)
{
#if defined(__GNUC__)
    for (uint64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)begin + i);
#else
    (void)begin;
    (void)bytes;
#endif
}

/* The line in a place. */
static inline struct sw_line *sw_at(const struct sw_view *view, int64_t place)
{
    return &view->line[view->roster[place]];
}

/* The row of a cohort's matrix for a feature of the line in a place of it. */
static inline float *sw_row(float *matrix, const struct sw_cohort *cohort, int64_t place, int64_t feature)
{
    return matrix + (place * SW_FEATURES + feature) * cohort->stride;
}

#endif
