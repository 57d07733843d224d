/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends every frame back to who sent it, from the very buffers that it came in: a long one lies in
 * several, and leaves as their list. Frames of EtherType 0x88b6 ask for a report, so that what lies
 * behind the header is attached and not copied; those of 0x88b7 don't. What is done with is
 * overwritten before the kernel gets it again: whoever sent too late would be seen to.
 *
 * Argument: bytes of a buffer (default 2048).
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

enum {
	RING = 256,
	BUFFERS = 128,
	BURST = 32,
	BUFFER_BYTES = 2048,
	POISON = 0xee,
	TYPE_AT = 12,
	ATTACHED = 0xb6, /* the EtherType's lower byte */
	NONE = 0xffff,
	LOOK_NS = 100000,
};

static struct exo_ring rx, tx;
static struct exo_pages buffers;
static uint32_t buffer_bytes = BUFFER_BYTES;

/* A packet's buffers in order, by their first. */
static uint16_t following[BUFFERS];

/* Packets without a report, in order: their first buffers, and where they end in the queue. */
static struct {
	uint32_t end;
	uint16_t first;
} copied[RING];
static uint32_t copied_head, copied_tail;

static uint8_t *data_of(uint64_t buffer)
{
	return (uint8_t *)buffers.address + buffer * buffer_bytes;
}

static void fill(uint16_t buffer)
{
	struct exo_desc desc = {.address = exo_pages_physical(&buffers, data_of(buffer)),
	                        .length = buffer_bytes,
	                        .cookie = buffer};

	if (buffer_bytes == BUFFER_BYTES) /* larger ones are for measuring */
		memset(data_of(buffer), POISON, buffer_bytes);
	if (exo_ring_put(&rx, &desc, 1) != 1)
		exo_printf("jumbo: no room to fill\n");
}

static void give_back(uint16_t buffer)
{
	while (buffer != NONE) {
		uint16_t next = following[buffer];

		fill(buffer);
		buffer = next;
	}
}

static void answer(struct exo_desc *desc, uint32_t n)
{
	uint8_t *frame = data_of(desc[0].cookie);
	bool attached = frame[TYPE_AT + 1] == ATTACHED;

	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, exo_port_info(desc[0].port)->mac, 6);
	for (uint32_t i = 0; i < n; i++) {
		following[desc[i].cookie] = i + 1 < n ? (uint16_t)desc[i + 1].cookie : NONE;
		desc[i].flags = (i + 1 < n ? EXO_DESC_MORE : 0) |
		                (attached && i == 0 ? EXO_DESC_REPORT : 0);
		desc[i].wire_length = 0;
	}
	if (exo_ring_put(&tx, desc, n) != n) {
		give_back((uint16_t)desc[0].cookie);
	} else if (!attached) {
		copied[copied_head % RING].end = tx.request_head;
		copied[copied_head++ % RING].first = (uint16_t)desc[0].cookie;
	}
}

/* Frames that have arrived whole. → descriptors taken. */
static uint32_t receive(void)
{
	static struct exo_desc desc[EXO_SEGMENTS_MAX];
	static uint32_t n;
	uint32_t taken = 0;

	for (; taken < BURST && exo_ring_get(&rx, &desc[n], 1) == 1; taken++) {
		bool more = (desc[n].flags & EXO_DESC_MORE) != 0;

		if (++n == EXO_SEGMENTS_MAX || !more) {
			answer(desc, n);
			n = 0;
		}
	}
	if (taken > 0)
		exo_ring_doorbell(&tx);
	return taken;
}

static uint32_t reclaim(void)
{
	uint32_t tail = __atomic_load_n(&tx.request->tail, __ATOMIC_ACQUIRE), n = 0;
	struct exo_desc done;

	for (; exo_ring_get(&tx, &done, 1) == 1; n++) {
		if (done.status != 0)
			exo_printf("jumbo: %s\n", exo_error_text(-done.status));
		give_back((uint16_t)done.cookie);
	}
	for (; copied_tail != copied_head && (int32_t)(tail - copied[copied_tail % RING].end) >= 0;
	     copied_tail++, n++)
		give_back(copied[copied_tail % RING].first);
	return n;
}

static int open_all(void)
{
	const struct exo_start_cap *flow = exo_start_find(EXO_USE_FLOW, NULL);
	char error[EXO_NET_ERROR_MAX] = "";
	uint32_t core = exo_start_page()->core;
	struct exo_cap binding;
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);
	int result = flow == NULL || n == 0 ? -EXO_ENOENT : 0;

	if (result == 0)
		result = exo_ring_open(&rx, EXO_RING_RECEIVE, EXO_RING_COPY, RING, core, NULL);
	if (result == 0)
		result = exo_ring_open(&tx, EXO_RING_TRANSMIT, EXO_RING_COPY, RING, core,
		                       &flow->cap);
	if (result == 0)
		result = exo_pages_alloc(&buffers, exo_pages_for((uint64_t)BUFFERS * buffer_bytes));
	if (result == 0)
		result = exo_net_bind(&binds[0], &flow->cap, &rx.cap, 1, 0, &binding, error);
	if (result < 0)
		exo_printf("jumbo: %s %s\n", exo_error_text(result), error);
	return result;
}

int exo_main(void)
{
	const char *size = exo_start_arg(1);

	if (size != NULL && strcmp(size, "16384") == 0)
		buffer_bytes = 16384;
	if (open_all() < 0)
		return 1;
	for (uint32_t i = 0; i < BUFFERS; i++)
		fill((uint16_t)i);
	exo_printf("ready: buffers of %u bytes\n", buffer_bytes);
	for (;;)
		if (receive() + reclaim() == 0) /* nobody says when what was copied is done with */
			exo_wait(copied_tail == copied_head ? 0
			                                    : exo_tsc() + exo_time_ticks(LOOK_NS));
}
