/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile traces: every record that comes out must obey the limits, and its bytes be there to read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../trace.h"

static void check(const struct trace_frame *frame, const struct trace_limits *limits)
{
	static volatile uint8_t sum;
	if (frame->fate != TRACE_SENDABLE)
		return;
	if (frame->length < TRACE_FRAME_MIN || frame->length > limits->longest)
		abort();
	for (uint32_t i = 0; i < frame->length; i++)
		sum = (uint8_t)(sum + frame->data[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[TRACE_REASON_MAX] = "";
	struct trace_limits limits = {.longest = 9018, .padded = size % 2 ? 60 : 0};
	struct trace_frame frame;
	if (!size)
		return 0;
	FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
	if (!file)
		return 0;
	struct trace *trace = trace_open(file, limits, error);
	if (!trace)
		return 0;
	uint64_t n = 0;
	while (trace_next(trace, &frame, error) > 0) {
		if (frame.number != ++n)
			abort();
		check(&frame, &limits);
	}
	trace_close(trace);
	return 0;
}
