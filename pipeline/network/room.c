#include "pipeline/network/room.h"

static uint64_t cohorts(int64_t lines) { return ((uint64_t)lines + SW_COHORT - 1) / SW_COHORT; }

/* Features of the largest cohort of a machine of so many lines. */
static int64_t features(int64_t lines) { return (lines < SW_COHORT ? lines : SW_COHORT) * SW_FEATURES; }

uint64_t sw_room_bytes(int64_t lines)
{
    uint64_t square = (uint64_t)(features(lines) * features(lines)) * sizeof(sw_real);
    return sizeof(struct sw_shared_room) + cohorts(lines) * sizeof(struct sw_cohort_room) +
           (uint64_t)lines * sizeof(struct sw_place_room) + 2 * square;
}

struct sw_room sw_room_of(void *bytes, int64_t lines)
{
    char *cohort = (char *)bytes + sizeof(struct sw_shared_room);
    sw_real *matrix = (void *)(cohort + cohorts(lines) * sizeof(struct sw_cohort_room));
    int64_t stride = features(lines);
    sw_real *inverse = matrix + stride * stride;
    void *place = inverse + stride * stride; /* at the end, as nothing in it is as long as a number */
    return (struct sw_room){bytes, (void *)cohort, place, {matrix, inverse, stride}};
}
