/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a frame arrived by the NIC's own stamp, where its driver offers one for every frame and a
 * way to read the clock that made it. Elsewhere the time is that at which the driver handed the
 * frame over.
 */
#ifndef REPLAY_TOOL_DEVICE_STAMP_H
#define REPLAY_TOOL_DEVICE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf_dyn.h>

#include "device_clock.h"

struct device_stamp {
	bool on;
	uint16_t id;
	int field;
	uint64_t flag, read_ns; /* read: when the two clocks were last compared */
	struct device_clock clock;
};

/* Before the device starts: reserves the field and the flag that its driver will fill in. */
bool device_stamp_prepare(struct device_stamp *stamp, uint16_t id);
/* After it started; `on` says whether its clock can be read. */
void device_stamp_begin(struct device_stamp *stamp);
/* Compares the clocks, where that was long ago. now_ns: our time. */
void device_stamp_refresh(struct device_stamp *stamp, uint64_t now_ns);
/* Our time at which a frame came in; never later than now_ns. */
uint64_t device_stamp_time(const struct device_stamp *stamp, const struct rte_mbuf *buffer,
                           uint64_t now_ns);

#endif
