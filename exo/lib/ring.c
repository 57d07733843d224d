/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet rings. The other side is the kernel, which the environment trusts, but its indices are
 * checked all the same: a damaged ring must not become a wild write.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/ring.h>

void exo_ring_layout(struct exo_ring *ring, void *memory, uint32_t size)
{
	ring->size = size;
	ring->request = memory;
	ring->response = (struct exo_queue *)((char *)memory + exo_queue_bytes(size));
	ring->counters =
	        (const struct exo_ring_counters *)((char *)memory + 2 * exo_queue_bytes(size));
	ring->request_head = 0;
	ring->response_tail = 0;
	ring->bad_index = 0;
}

static int open_ring(struct exo_ring *ring, struct exo_ring_create *block)
{
	const uint32_t size = block->size;
	int result;

	memset(ring, 0, sizeof(*ring));
	if (size < EXO_RING_SIZE_MIN || size > EXO_RING_SIZE_MAX || (size & (size - 1)) != 0)
		return -EXO_EINVAL;
	result = exo_pages_alloc(&ring->memory, exo_pages_for(exo_ring_bytes(size)));
	if (result < 0)
		return result;
	exo_ring_layout(ring, ring->memory.address, size);
	block->first_frame = ring->memory.frame;
	result = exo_ring_create(block);
	if (result < 0) {
		exo_pages_free(&ring->memory);
		memset(ring, 0, sizeof(*ring));
		return result;
	}
	ring->cap = block->out;
	return 0;
}

int exo_ring_open(struct exo_ring *ring, enum exo_ring_kind kind, enum exo_ring_mode mode,
                  uint32_t size, uint32_t core, const struct exo_cap *space)
{
	struct exo_ring_create block = {.kind = kind, .mode = mode, .size = size, .core = core};

	if (space != NULL)
		block.space = *space;
	return open_ring(ring, &block);
}

int exo_ring_open_exchange(struct exo_ring *ring, uint32_t size, uint32_t least, uint32_t core)
{
	struct exo_ring_create block = {.kind = EXO_RING_RECEIVE,
	                                .mode = EXO_RING_EXCHANGE,
	                                .size = size,
	                                .core = core,
	                                .exchange_least = least};

	return open_ring(ring, &block);
}

int exo_ring_open_queue(struct exo_ring *ring, uint32_t size, const struct exo_pages *buffers,
                        uint32_t core, const struct exo_cap *space)
{
	struct exo_ring_create block = {.kind = EXO_RING_RECEIVE,
	                                .mode = EXO_RING_QUEUE,
	                                .size = size,
	                                .core = core,
	                                .n_buffers = buffers->count,
	                                .first_buffer = buffers->frame,
	                                .space = *space};

	return open_ring(ring, &block);
}

int exo_ring_close(struct exo_ring *ring)
{
	int result;

	if (ring->cap.kind == EXO_KIND_RING) {
		result = exo_ring_destroy(&ring->cap);
		if (result < 0)
			return result;
		memset(&ring->cap, 0, sizeof(ring->cap));
	}
	result = exo_pages_free(&ring->memory);
	if (result == 0)
		memset(ring, 0, sizeof(*ring));
	return result;
}

uint32_t exo_ring_put(struct exo_ring *ring, const struct exo_desc *desc, uint32_t n)
{
	if (n == 0 || exo_ring_room(ring) < n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		*exo_ring_slot(ring, i) = desc[i];
	exo_ring_publish(ring, n);
	return n;
}

uint32_t exo_ring_get(struct exo_ring *ring, struct exo_desc *desc, uint32_t n)
{
	uint32_t there = exo_ring_there(ring);

	if (n > there)
		n = there;
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		desc[i] = *exo_ring_response(ring, i);
	exo_ring_taken(ring, n);
	return n;
}

int exo_ring_doorbell(const struct exo_ring *ring)
{
	return exo_ring_watched(ring) ? 0 : exo_doorbell(ring->cap.first);
}
