/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two clocks: one for durations, one to compare with the Engine's event times. */
#ifndef BULKHEAD_SYNCD_CLOCK_H
#define BULKHEAD_SYNCD_CLOCK_H

double monotonic_seconds(void);
long long wall_nanoseconds(void); /* since 1970 */

#endif
