/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/event_lag.h"

void event_lag_reset(struct event_lag *lag, long long engine_ns, long long now_ns)
{
	*lag = (struct event_lag){.ahead_ns = now_ns - engine_ns};
}

/* After the last that was dropped a whole channel of late ones is read, so the last time that this is true comes after it. */
bool event_lag_add(struct event_lag *lag, long long event_ns, long long now_ns)
{
	if (now_ns - lag->ahead_ns - event_ns < EVENT_LAG_NS) {
		lag->late = 0;
		return false;
	}
	if (++lag->late < EVENT_LAG_ROW)
		return false;
	lag->late = 0;
	return true;
}
