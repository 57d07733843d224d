/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams from anybody to a live title: sizes, sources and times are the input's as well. */
#include <stdlib.h>

#include "../server/live.h"

static uint8_t *ring;

static void on_piece(void *context, uint32_t offset, uint32_t size, uint32_t timestamp)
{
	uint64_t *sum = context;

	(void)timestamp;
	for (uint32_t i = 0; i < size; i++)
		*sum += ring[offset + i];
}

static void fetch_all(const struct live *live, uint64_t *sum)
{
	for (uint64_t i = live_first(live); i < live->n_segments; i++) {
		const struct live_segment *segment = live_segment(live, i);

		if (segment == NULL)
			abort(); /* a playlist would name what can't be had */
		for (uint32_t k = 0; k < segment->size; k++)
			*sum += ring[segment->offset + k];
	}
}

/* A datagram of as many transport packets as the input's two bytes say, each with its head from the
 * input. → bytes used. */
static size_t send(struct live *live, const uint8_t *data, size_t size, uint64_t *now)
{
	struct udp_endpoint from = {.ip = {.family = 4, .bytes = {1, 2, 3, data[0] >> 7}},
	                            .port = 9};
	uint32_t n = 1 + (data[0] & 15), head = 8 + data[1] % 32;
	size_t used = 2, bytes = (size_t)n * TS_BYTES;
	uint8_t *datagram = calloc(1, bytes);

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < head && used < size; k++)
			datagram[(size_t)i * TS_BYTES + k] =
			        k == 0 && (data[1] & 128) == 0 ? TS_SYNC : data[used++];
	*now += data[0] & 64 ? 700 : 40;
	live_input(live, datagram, bytes - (data[1] & 64 ? data[1] % 64 : 0), &from, *now);
	free(datagram);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = 0, sum = 0;
	struct live live;
	size_t used;

	ring = calloc(1, LIVE_RING_MIN);
	live_open(&live, ring, LIVE_RING_MIN, on_piece, &sum);
	for (; size >= 2; data += used, size -= used) {
		used = send(&live, data, size, &now);
		used = used < size ? used : size;
		fetch_all(&live, &sum);
	}
	free(ring);
	return 0;
}
