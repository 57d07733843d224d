/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receives datagrams to its port and says how many it had: `receiver LEAST [check]`, packets of
 * LEAST bytes or more by exchange of frames, 0: all copied. With `check`: each datagram must be
 * full of this environment's own mark (the low byte of its port), and nothing of another's mark may
 * lie in the page around it.
 *
 * A datagram that begins with '?' is answered with four numbers of eight bytes, least significant
 * first: datagrams, those of them whose frame was exchanged, those that were wrong, and answers
 * that the kernel refused to send. What came with a VLAN tag is answered with it; but where it
 * begins with
 * '!', with the id after that, which the guard has to refuse. Its flow space may be a function's,
 * port 1: then the NIC's own buffers are looked at. With `steer` it asks besides for a queue that
 * port 0 has to spare; what comes there counts as exchanged.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>

enum {
	HEADERS = 42,
	TAG = 4,
	TAG_ID = 15,
	RUN = 8,
	MARKS = 0xa0,
	BURST = 16,
	RING = 64,
	FUNCTION = 1
};

static struct exo_net net;
static struct exo_rx steered; /* a queue that the port has to spare */
static struct {
	uint64_t datagrams, exchanged, wrong, refused;
} counts;

/* Bytes of a VLAN tag, which shift all headers behind the addresses. */
static uint32_t tag_of(const struct exo_rx_frame *frame)
{
	return frame->data[12] == 0x81 && frame->data[13] == 0 ? TAG : 0;
}

/* Whether a run of a mark that is not our own lies in the page. */
static bool shows_others(const uint8_t *page, uint8_t own)
{
	unsigned run = 0;

	for (unsigned i = 1; i < EXO_PAGE_SIZE; i++) {
		bool mark = (page[i] & 0xf0) == MARKS && page[i] != own && page[i] == page[i - 1];

		run = mark ? run + 1 : 0;
		if (run == RUN)
			return true;
	}
	return false;
}

static bool is_wrong(const struct exo_rx_frame *frame)
{
	const uint8_t *page =
	        (const uint8_t *)((uintptr_t)frame->data & ~(uintptr_t)(EXO_PAGE_SIZE - 1));
	uint32_t tag = tag_of(frame);
	uint8_t own = frame->data[37 + tag];

	for (uint32_t i = HEADERS + tag; i < frame->length; i++)
		if (frame->data[i] != own)
			return true;
	return shows_others(page, own);
}

static void swap_bytes(uint8_t *a, uint8_t *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

/* Ethernet, IPv4 without options, UDP without a checksum: turned round, with new lengths. */
static void answer(const struct exo_rx_frame *question)
{
	const uint32_t tag = tag_of(question), length = 8 + sizeof(counts);
	struct exo_tx_buffer buffer;
	uint8_t *frame;

	exo_tx_reclaim(&net.tx);
	counts.refused = net.tx.refused;
	if (exo_tx_take(&net.tx, &buffer) < 0)
		return;
	frame = buffer.data;
	memcpy(frame, question->data, HEADERS + tag);
	swap_bytes(frame, frame + 6, 6);
	frame[TAG_ID] += question->data[HEADERS + tag] == '!';
	frame += tag;
	swap_bytes(frame + 26, frame + 30, 4);
	swap_bytes(frame + 34, frame + 36, 2);
	frame[16] = 0;
	frame[17] = (uint8_t)(20 + length);
	frame[24] = frame[25] = 0; /* the header's sum is the kernel's */
	frame[38] = 0;
	frame[39] = (uint8_t)length;
	frame[40] = frame[41] = 0;
	memcpy(frame + HEADERS, &counts, sizeof(counts));
	if (exo_tx_send(&net.tx, &buffer, tag + HEADERS + sizeof(counts), question->port,
	                EXO_DESC_L3_SUM) < 0)
		exo_tx_drop(&net.tx, &buffer);
	exo_tx_flush(&net.tx);
}

static void take(const struct exo_rx_frame *frame, bool check)
{
	const uint32_t headers = HEADERS + tag_of(frame);

	if (frame->length <= headers)
		return;
	if (frame->data[headers] == '?' || frame->data[headers] == '!') {
		answer(frame);
		return;
	}
	counts.datagrams++;
	/* What is copied begins with its buffer; a driver leaves room before what it receives. */
	counts.exchanged += (uintptr_t)frame->data % EXO_PAGE_SIZE != 0;
	if (check)
		counts.wrong += is_wrong(frame);
}

static uint32_t serve(struct exo_rx *rx, bool check)
{
	struct exo_rx_frame frames[BURST];
	uint32_t n = exo_rx_burst(rx, frames, BURST);

	for (uint32_t i = 0; i < n; i++)
		take(&frames[i], check);
	exo_rx_release(rx, frames, n);
	return n;
}

/* The address of a function nobody else tells. */
static void say_ready(const struct exo_net_options *options)
{
	const uint8_t *mac = exo_port_info(net.binds[0] == NULL ? FUNCTION : 0)->mac;

	/* Two ways to one environment: what the NIC's rule leads here, and what it does not. */
	if (exo_start_arg(2) != NULL && strcmp(exo_start_arg(2), "steer") == 0) {
		int result = exo_rx_open_queue(&steered, exo_port_info(0)->slots,
		                               exo_start_page()->core, &net.flow->cap);

		exo_printf("queue: %s\n",
		           result == 0 ? "a rule leads to it" : exo_error_text(result));
	}
	exo_printf("ready: from %u bytes on, at %02x:%02x:%02x:%02x:%02x:%02x\n",
	           options->exchange_least, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

int exo_main(void)
{
	const char *least = exo_start_arg(1);
	const bool check = exo_start_arg(2) != NULL;
	struct exo_net_options options = {.rx_size = RING, .buffer_bytes = EXO_PAGE_SIZE};

	for (; least != NULL && *least >= '0' && *least <= '9'; least++)
		options.exchange_least = options.exchange_least * 10 + (uint32_t)(*least - '0');
	if (exo_net_open(&net, &options) < 0) {
		exo_printf("%s\n", net.error);
		return 1;
	}
	say_ready(&options);
	while (true) {
		uint32_t n = serve(&net.rx, check);

		if (steered.queue)
			n += serve(&steered, check);
		if (n == 0)
			exo_wait(0);
	}
}
