/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers say when frames arrived in a field of DPDK's that is registered for that; their clock is
 * read raw (mlx5, cnxk), or as PTP's (ice, iavf).
 */
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "device_stamp.h"
#include "port_internal.h"

enum { EVERY_NS = 100000000, FIRST_MS = 20 };

bool device_stamp_prepare(struct device_stamp *stamp, uint16_t id)
{
	*stamp = (struct device_stamp){.id = id};
	return !rte_mbuf_dyn_rx_timestamp_register(&stamp->field, &stamp->flag);
}

static bool read_clock(uint16_t id, uint64_t *ticks)
{
	struct timespec time;

	if (!rte_eth_read_clock(id, ticks))
		return true;
	if (rte_eth_timesync_read_time(id, &time))
		return false;
	*ticks = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
	return true;
}

/* Our time is that of the middle of the reading. */
static bool compare(struct device_stamp *stamp)
{
	struct clock_pair pair;
	uint64_t before = port_clock_ns();

	if (!read_clock(stamp->id, &pair.device))
		return false;
	stamp->read_ns = port_clock_ns();
	pair.host_ns = before + (stamp->read_ns - before) / 2;
	device_clock_add(&stamp->clock, pair);
	return true;
}

void device_stamp_begin(struct device_stamp *stamp)
{
	uint64_t ticks;

	if (!read_clock(stamp->id, &ticks))
		(void)rte_eth_timesync_enable(stamp->id);
	stamp->on = compare(stamp);
	rte_delay_ms(FIRST_MS);
	stamp->on = stamp->on && compare(stamp);
}

void device_stamp_refresh(struct device_stamp *stamp, uint64_t now_ns)
{
	if (now_ns - stamp->read_ns >= EVERY_NS)
		stamp->on = compare(stamp);
}

uint64_t device_stamp_time(const struct device_stamp *stamp, const struct rte_mbuf *buffer,
                           uint64_t now_ns)
{
	uint64_t time_ns;

	if (!(buffer->ol_flags & stamp->flag) ||
	    !device_clock_time(&stamp->clock,
	                       *RTE_MBUF_DYNFIELD(buffer, stamp->field, rte_mbuf_timestamp_t *),
	                       &time_ns))
		return now_ns;
	return time_ns < now_ns ? time_ns : now_ns;
}
