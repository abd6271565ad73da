/* What the network computes with: doubles; or floats (SW_SINGLE) on a microcontroller that has nothing wider.

   What a block keeps in bulk is a float either way, see block.h. A block of the one kind is not one of the other, as
   its other fields are half as long; pipeline/device translates. With SW_SINGLE the compiler has to take constants
   for floats, too (-fsingle-precision-constant), or all would be computed with doubles after all. */
#ifndef SW_REAL_H
#define SW_REAL_H

#include <float.h>

#ifdef SW_SINGLE

typedef float sw_real;
typedef char sw_constants_are_floats[sizeof(1.0) == sizeof(float) ? 1 : -1]; /* -fsingle-precision-constant */
#define SW_REAL_MOST FLT_MAX
#define SW_REAL_LARGE 1e30f          /* more than anything that is measured ... */
#define SW_REAL_LARGE_ROOT 1e15f     /* ... and its square root */
#define SW_REAL_LEAST_DIVISOR 1e-30f /* in place of 0, and less than anything that is measured */
#define SW_MOST_VALUE 1e15f          /* of a reading: values are squared, and the squares are summed */
#define SW_LAYOUT 0x100u             /* what a block's format has more than one of doubles */

#else

typedef double sw_real;
#define SW_REAL_MOST DBL_MAX
#define SW_REAL_LARGE 1e300
#define SW_REAL_LARGE_ROOT 1e150
#define SW_REAL_LEAST_DIVISOR 1e-300
#define SW_MOST_VALUE 1e100
#define SW_LAYOUT 0u

#endif

#endif
