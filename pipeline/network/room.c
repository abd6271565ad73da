#include "pipeline/network/room.h"

static uint64_t cohorts(int64_t lines) { return ((uint64_t)lines + SW_COHORT - 1) / SW_COHORT; }

uint64_t sw_room_bytes(int64_t lines)
{
    return sizeof(struct sw_shared_room) + cohorts(lines) * sizeof(struct sw_cohort_room) +
           (uint64_t)lines * sizeof(struct sw_place_room);
}

struct sw_room sw_room_of(void *bytes, int64_t lines)
{
    char *cohort = (char *)bytes + sizeof(struct sw_shared_room);
    char *place = cohort + cohorts(lines) * sizeof(struct sw_cohort_room);
    return (struct sw_room){bytes, (void *)cohort, (void *)place};
}
