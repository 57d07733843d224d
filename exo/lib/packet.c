/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receivers and transmitters: rings with buffers. A buffer's number is its descriptor's cookie; a
 * cookie that comes back is checked against the number of buffers before it is used.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/packet.h>

#define BURST 32

static bool buffer_size_fits(uint32_t bytes)
{
	return bytes >= 64 && bytes <= 65536 &&
	       (EXO_PAGE_SIZE % bytes == 0 || bytes % EXO_PAGE_SIZE == 0);
}

static void *buffer_at(const struct exo_pages *buffers, uint32_t bytes, uint64_t index)
{
	return (char *)buffers->address + index * bytes;
}

/* ---- Receive ---- */

static void fill_one(struct exo_rx *rx, struct exo_desc *desc, uint32_t buffer)
{
	memset(desc, 0, sizeof(*desc));
	desc->address =
	        rx->frames != NULL
	                ? rx->frames[buffer] * EXO_PAGE_SIZE
	                : exo_pages_physical(&rx->buffers,
	                                     buffer_at(&rx->buffers, rx->buffer_bytes, buffer));
	desc->length = rx->buffer_bytes;
	desc->cookie = buffer;
}

static void fill_all(struct exo_rx *rx, uint32_t size)
{
	struct exo_desc desc;

	for (uint32_t i = 0; i < size; i++) {
		fill_one(rx, &desc, i);
		exo_ring_put(&rx->ring, &desc, 1);
	}
}

int exo_rx_open(struct exo_rx *rx, uint32_t size, uint32_t buffer_bytes, uint32_t core)
{
	int result;

	memset(rx, 0, sizeof(*rx));
	if (!buffer_size_fits(buffer_bytes))
		return -EXO_EINVAL;
	rx->buffer_bytes = buffer_bytes;
	result = exo_ring_open(&rx->ring, EXO_RING_RECEIVE, EXO_RING_COPY, size, core, NULL);
	if (result < 0)
		return result;
	result = exo_pages_alloc(&rx->buffers, exo_pages_for((uint64_t)size * buffer_bytes));
	if (result < 0) {
		exo_ring_close(&rx->ring);
		return result;
	}
	fill_all(rx, size);
	return 0;
}

static int make_frames(struct exo_rx *rx, uint32_t size)
{
	int result = exo_pages_alloc(&rx->buffers, size);

	if (result == 0)
		result = exo_pages_alloc(&rx->index,
		                         exo_pages_for((uint64_t)size * sizeof(*rx->frames)));
	if (result < 0) {
		exo_pages_free(&rx->buffers);
		return result;
	}
	rx->frames = rx->index.address;
	for (uint32_t i = 0; i < size; i++)
		rx->frames[i] = rx->buffers.frame + i;
	return 0;
}

int exo_rx_open_exchange(struct exo_rx *rx, uint32_t size, uint32_t least, uint32_t core)
{
	int result;

	memset(rx, 0, sizeof(*rx));
	rx->buffer_bytes = EXO_PAGE_SIZE;
	result = exo_ring_open_exchange(&rx->ring, size, least, core);
	if (result < 0)
		return result;
	result = make_frames(rx, size);
	if (result < 0) {
		exo_ring_close(&rx->ring);
		return result;
	}
	fill_all(rx, size);
	return 0;
}

int exo_rx_open_queue(struct exo_rx *rx, uint32_t slots, uint32_t core, const struct exo_cap *space)
{
	uint32_t size = EXO_RING_SIZE_MIN;
	int result;

	memset(rx, 0, sizeof(*rx));
	if (slots == 0 || slots > EXO_RING_SIZE_MAX)
		return -EXO_EINVAL;
	while (size < slots)
		size *= 2;
	rx->buffer_bytes = EXO_PAGE_SIZE;
	rx->queue = true;
	result = exo_pages_alloc(&rx->buffers, slots);
	if (result < 0)
		return result;
	result = exo_ring_open_queue(&rx->ring, size, &rx->buffers, core, space);
	if (result < 0)
		exo_pages_free(&rx->buffers);
	return result;
}

int exo_rx_close(struct exo_rx *rx)
{
	int result = exo_ring_close(&rx->ring);

	if (result < 0)
		return result;
	if (rx->frames == NULL)
		return exo_pages_free(&rx->buffers);
	exo_pages_free_each(&rx->buffers, rx->frames);
	rx->frames = NULL;
	return exo_pages_free(&rx->index);
}

/* Where an exchange has put a packet: the buffer is that frame from now on. → its offset there, or
 * where a NIC has put it. */
static uint32_t note_frame(struct exo_rx *rx, const struct exo_desc *desc)
{
	if (rx->frames == NULL)
		return rx->queue ? desc->address % EXO_PAGE_SIZE : 0;
	rx->frames[desc->cookie] = desc->address / EXO_PAGE_SIZE;
	return desc->address % EXO_PAGE_SIZE;
}

static void frame_of(struct exo_rx *rx, const struct exo_desc *desc, uint32_t offset,
                     struct exo_rx_frame *frame)
{
	frame->buffer = (uint32_t)desc->cookie;
	frame->data = (uint8_t *)buffer_at(&rx->buffers, rx->buffer_bytes, frame->buffer) + offset;
	frame->length =
	        desc->length < rx->buffer_bytes - offset ? desc->length : rx->buffer_bytes - offset;
	frame->wire_length = desc->wire_length;
	frame->timestamp = desc->timestamp;
	frame->flags = desc->flags;
	frame->port = desc->port;
	frame->binding = desc->binding;
	frame->hash = desc->hash;
}

static void refill(struct exo_rx *rx, uint32_t buffer)
{
	struct exo_desc desc;

	fill_one(rx, &desc, buffer);
	/* There is room for all buffers that exist, so this can't be refused. */
	exo_ring_put(&rx->ring, &desc, 1);
}

/* One descriptor of the response queue. true: *frame is the begin of a frame. */
static bool take_one(struct exo_rx *rx, struct exo_desc *desc, struct exo_rx_frame *frame)
{
	bool goes_on = rx->inside;
	uint32_t offset;

	if (desc->cookie >= rx->ring.size)
		return false;
	offset = note_frame(rx, desc);
	if (desc->status != 0) {
		rx->rejected++;
		refill(rx, (uint32_t)desc->cookie);
		return false;
	}
	rx->inside = (desc->flags & EXO_DESC_MORE) != 0;
	if (goes_on) {
		refill(rx, (uint32_t)desc->cookie);
		return false;
	}
	if (rx->inside)
		desc->flags = (uint16_t)((desc->flags & ~EXO_DESC_MORE) | EXO_DESC_CUT);
	if ((desc->flags & EXO_DESC_CUT) != 0)
		rx->cut++;
	frame_of(rx, desc, offset, frame);
	return true;
}

uint32_t exo_rx_burst(struct exo_rx *rx, struct exo_rx_frame *frames, uint32_t n)
{
	struct exo_desc desc[BURST];
	uint32_t done = 0, want, got;

	do {
		want = n - done < BURST ? n - done : BURST;
		got = exo_ring_get(&rx->ring, desc, want);
		for (uint32_t i = 0; i < got; i++)
			done += take_one(rx, &desc[i], &frames[done]);
	} while (got == want && done < n);
	return done;
}

void exo_rx_release(struct exo_rx *rx, const struct exo_rx_frame *frames, uint32_t n)
{
	struct exo_desc desc[BURST];

	while (n > 0) {
		uint32_t part = n < BURST ? n : BURST;

		for (uint32_t i = 0; i < part; i++)
			fill_one(rx, &desc[i], frames[i].buffer);
		/* There is room for all buffers that exist, so this can't be refused. */
		exo_ring_put(&rx->ring, desc, part);
		frames += part;
		n -= part;
	}
}

/* ---- Transmit ---- */

static int alloc_buffers(struct exo_tx *tx, uint32_t size)
{
	int result =
	        exo_pages_alloc(&tx->buffers, exo_pages_for((uint64_t)size * tx->buffer_bytes));

	if (result < 0)
		return result;
	result = exo_pages_alloc(&tx->index, exo_pages_for((uint64_t)size * sizeof(uint32_t)));
	if (result < 0) {
		exo_pages_free(&tx->buffers);
		return result;
	}
	tx->free = tx->index.address;
	for (uint32_t i = 0; i < size; i++)
		tx->free[i] = size - 1 - i;
	tx->n_free = tx->n_buffers = size;
	return 0;
}

int exo_tx_open(struct exo_tx *tx, uint32_t size, uint32_t buffer_bytes, uint32_t core,
                const struct exo_cap *space)
{
	int result;

	memset(tx, 0, sizeof(*tx));
	if (!buffer_size_fits(buffer_bytes))
		return -EXO_EINVAL;
	tx->buffer_bytes = buffer_bytes;
	result = exo_ring_open(&tx->ring, EXO_RING_TRANSMIT, EXO_RING_COPY, size, core, space);
	if (result < 0)
		return result;
	result = alloc_buffers(tx, size);
	if (result < 0)
		exo_ring_close(&tx->ring);
	return result;
}

int exo_tx_close(struct exo_tx *tx)
{
	int result = exo_ring_close(&tx->ring);

	if (result == 0)
		result = exo_pages_free(&tx->buffers);
	return result < 0 ? result : exo_pages_free(&tx->index);
}

uint32_t exo_tx_reclaim(struct exo_tx *tx)
{
	struct exo_desc desc[BURST];
	uint32_t total = 0, got;

	do {
		got = exo_ring_get(&tx->ring, desc, BURST);
		for (uint32_t i = 0; i < got; i++) {
			if (desc[i].status != 0) {
				tx->refused++;
				tx->last_error = desc[i].status;
			}
			if (desc[i].cookie < tx->n_buffers && tx->n_free < tx->n_buffers)
				tx->free[tx->n_free++] = (uint32_t)desc[i].cookie;
		}
		total += got;
	} while (got == BURST);
	return total;
}

int exo_tx_take(struct exo_tx *tx, struct exo_tx_buffer *buffer)
{
	if (tx->n_free == 0 && exo_tx_reclaim(tx) == 0)
		return -EXO_EAGAIN;
	if (tx->n_free == 0)
		return -EXO_EAGAIN;
	buffer->buffer = tx->free[--tx->n_free];
	buffer->data = buffer_at(&tx->buffers, tx->buffer_bytes, buffer->buffer);
	return 0;
}

void exo_tx_drop(struct exo_tx *tx, const struct exo_tx_buffer *buffer)
{
	tx->free[tx->n_free++] = buffer->buffer;
}

int exo_tx_send(struct exo_tx *tx, const struct exo_tx_buffer *buffer, uint32_t length,
                uint16_t port, uint16_t flags)
{
	struct exo_desc desc = {
	        .address = exo_pages_physical(&tx->buffers, buffer->data),
	        .length = length,
	        .flags = (uint16_t)(flags | EXO_DESC_REPORT), /* the buffer must come back */
	        .cookie = buffer->buffer,
	        .port = port,
	};

	if (length == 0 || length > tx->buffer_bytes)
		return -EXO_EINVAL;
	if (exo_ring_put(&tx->ring, &desc, 1) == 0)
		return -EXO_EAGAIN;
	tx->sent++;
	tx->unflushed = true;
	return 0;
}

void exo_tx_flush(struct exo_tx *tx)
{
	if (!tx->unflushed)
		return;
	tx->unflushed = false;
	exo_ring_doorbell(&tx->ring);
}

int64_t exo_tx_wait(struct exo_tx *tx, uint64_t deadline)
{
	bool unflushed = tx->unflushed;

	tx->unflushed = false;
	return unflushed ? exo_ring_wait(&tx->ring, deadline) : exo_wait(deadline);
}
