/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schedule. Products are of 128 bits, so that no rate and no length of trace overflows.
 */
#include "port.h"
#include "schedule.h"

enum { THOUSAND = 1000 };

static const uint64_t SECOND_NS = 1000000000;

static uint64_t scale(uint64_t value, uint64_t by, uint64_t over)
{
	return over ? (uint64_t)((unsigned __int128)value * by / over) : 0;
}

static uint64_t original(struct schedule *schedule, uint64_t time_ns)
{
	if (schedule->pass_frames == 0)
		schedule->first_ns = schedule->last_ns = time_ns;
	if (time_ns < schedule->last_ns)
		schedule->disordered++;
	else
		schedule->last_ns = time_ns;
	return scale(schedule->span_ns + (schedule->last_ns - schedule->first_ns), THOUSAND,
	             schedule->speed);
}

static uint64_t rated(const struct schedule *schedule)
{
	if (schedule->kind == SCHEDULE_PACKETS)
		return scale(schedule->frames, SECOND_NS * THOUSAND, schedule->rate);
	return scale(schedule->bits, SECOND_NS, schedule->rate);
}

uint64_t schedule_next(struct schedule *schedule, uint64_t time_ns, uint32_t length)
{
	uint64_t due;

	if (schedule->kind == SCHEDULE_TOP) {
		schedule->pass_frames++;
		return 0;
	}
	due = schedule->kind == SCHEDULE_ORIGINAL ? original(schedule, time_ns) : rated(schedule);
	if (schedule->burst > 1 && schedule->kind != SCHEDULE_ORIGINAL) {
		if (schedule->frames % schedule->burst == 0)
			schedule->burst_ns = due;
		due = schedule->burst_ns;
	}
	schedule->frames++;
	schedule->pass_frames++;
	schedule->bits += 8ull * (length + PORT_WIRE_OVERHEAD);
	if (due > schedule->due_ns)
		schedule->due_ns = due;
	return schedule->due_ns;
}

void schedule_again(struct schedule *schedule)
{
	uint64_t span = schedule->last_ns - schedule->first_ns;
	uint64_t gap = SECOND_NS / THOUSAND; /* of a trace of one frame, which has none */

	if (schedule->pass_frames > 1)
		gap = span / (schedule->pass_frames - 1);
	schedule->span_ns += span + gap;
	schedule->pass_frames = 0;
}

void schedule_reset(struct schedule *schedule)
{
	*schedule = (struct schedule){.kind = schedule->kind,
	                              .rate = schedule->rate,
	                              .speed = schedule->speed,
	                              .burst = schedule->burst};
}
