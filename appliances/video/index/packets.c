/* SPDX-License-Identifier: BSD-2-Clause */
/* Packet records: sums, places, order; see index.h. */
#include <stdlib.h>
#include <string.h>
#include <udp/checksum.h>

#include "index.h"

uint64_t packet_place(struct draft *draft, const uint8_t *data, size_t size, int64_t position)
{
	if (position >= 0 && (uint64_t)position <= draft->mp4.size &&
	    size <= draft->mp4.size - (uint64_t)position &&
	    memcmp(draft->mp4.data + position, data, size) == 0)
		return (uint64_t)position;
	return DRAFT_EXTRA | bytes_add(&draft->extra, data, size);
}

uint32_t packet_due(int64_t us)
{
	return (uint32_t)(us / 1000 / MEDIA_SLOT_MS * MEDIA_SLOT_MS);
}

void packet_add(struct draft *draft, enum media_stream_kind kind, struct media_packet packet,
                const uint8_t *content)
{
	uint8_t whole[MEDIA_PAYLOAD_MAX];
	uint32_t size = packet.prefix_size + packet.size;

	if (size > sizeof whole)
		fail("a packet of %u bytes was made of it", size);
	memcpy(whole, packet.prefix, packet.prefix_size);
	memcpy(whole + packet.prefix_size, content, packet.size);
	packet.sum = (uint16_t)~udp_sum_finish(udp_sum_add(0, whole, size));
	bytes_add(&draft->packets[kind], &packet, sizeof packet);
}

/* The sort must keep the order of packets that are due together: their place decides. */
struct sortable {
	struct media_packet packet;
	size_t place;
};

static int by_due(const void *a, const void *b)
{
	const struct sortable *x = a, *y = b;

	if (x->packet.due_ms != y->packet.due_ms)
		return x->packet.due_ms < y->packet.due_ms ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static void sort(struct media_packet *packets, size_t n)
{
	struct sortable *copy = malloc(n * sizeof *copy);

	if (copy == NULL)
		fail("there is not enough memory for it");
	for (size_t i = 0; i < n; i++)
		copy[i] = (struct sortable){packets[i], i};
	qsort(copy, n, sizeof *copy, by_due);
	for (size_t i = 0; i < n; i++)
		packets[i] = copy[i].packet;
	free(copy);
}

void packets_order(struct draft *draft, enum media_stream_kind kind)
{
	struct media_packet *packets = (void *)draft->packets[kind].data;
	size_t n = draft->packets[kind].size / sizeof *packets;
	struct media_seek seek = {.packet = 0};

	if (n == 0 || n > INT32_MAX)
		fail("%zu packets were made of it", n);
	sort(packets, n);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && !(packets[i].flags & MEDIA_KEY))
			continue;
		seek = (struct media_seek){.time_ms = i == 0 ? 0 : packets[i].due_ms,
		                           .packet = (uint32_t)i};
		bytes_add(&draft->seeks[kind], &seek, sizeof seek);
	}
}
