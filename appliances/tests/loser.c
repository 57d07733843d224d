/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loses packets in one way, `loser WAY`, and sleeps: ci/tests/qemu/drops.py counts.
 *
 *     hoarder   its ring is larger than what it fills in, and it gives nothing back
 *     deaf      fills in all of its ring, and reads nothing
 *     liar      sends from a port that is not its own
 *     wild      sends from memory that is not its own
 *     mute      wants reports, and does not read them
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>

enum { RING = 8, FEW = 4, MANY = 13, BYTES = 60, SOURCE_PORT = 34 };

static struct exo_ring ring;
static struct exo_pages pages;

static bool is(const char *way)
{
	return strcmp(exo_start_arg(1), way) == 0;
}

static int receive(uint32_t buffers)
{
	static char error[EXO_NET_ERROR_MAX];
	const struct exo_start_bind *bind;
	struct exo_cap out;
	unsigned n;
	int result = exo_ring_open(&ring, EXO_RING_RECEIVE, EXO_RING_COPY, RING,
	                           exo_start_page()->core, NULL);

	for (uint32_t i = 0; result == 0 && i < buffers; i++) {
		struct exo_desc desc = {.address = (pages.frame + i) * EXO_PAGE_SIZE,
		                        .length = EXO_PAGE_SIZE};

		exo_ring_put(&ring, &desc, 1);
	}
	bind = exo_start_binds(&n);
	if (result == 0)
		result = exo_net_bind(bind, &exo_start_page()->caps[bind->space].cap, &ring.cap, 1,
		                      0, &out, error);
	if (error[0] != '\0')
		exo_printf("%s\n", error);
	return result;
}

/* UDP over IPv4 from the flow space's port, or, as a lie, from the next. */
static void make_frame(uint8_t *frame, bool lie)
{
	static const uint8_t begin[] = {0x08, 0,  0x45, 0, 0,  46, 0, 0, 0, 0, 64, 17, 0, 0,
	                                10,   51, 0,    2, 10, 51, 0, 1, 0, 0, 0,  9,  0, 26};
	const uint16_t own = 5000;

	memcpy(frame, (uint8_t[]){2, 0, 0, 0, 0, 0x51}, 6);
	memcpy(frame + 6, exo_port_info(0)->mac, 6);
	memcpy(frame + 12, begin, sizeof(begin));
	frame[SOURCE_PORT] = own >> 8;
	frame[SOURCE_PORT + 1] = (uint8_t)(own + lie);
}

static int send(void)
{
	const struct exo_start_cap *flow = exo_start_find(EXO_USE_FLOW, NULL);
	struct exo_desc desc = {.address = pages.frame * EXO_PAGE_SIZE, .length = BYTES};
	int result = exo_ring_open(&ring, EXO_RING_TRANSMIT, EXO_RING_COPY, RING,
	                           exo_start_page()->core, &flow->cap);

	make_frame(pages.address, is("liar"));
	if (is("wild"))
		desc.address = 0x1000; /* the kernel's, if anybody's */
	if (is("mute"))
		desc.flags = EXO_DESC_REPORT;
	/* Each is taken before the next one is there. */
	for (unsigned i = 0; result == 0 && i < (is("mute") ? MANY : FEW); i++) {
		if (exo_ring_put(&ring, &desc, 1) == 0)
			return -EXO_EAGAIN;
		result = exo_ring_doorbell(&ring);
		while (result == 0 && exo_ring_room(&ring) < RING)
			exo_yield(0);
	}
	return result;
}

int exo_main(void)
{
	int result = exo_pages_alloc(&pages, RING);

	if (result == 0)
		result = is("hoarder") ? receive(FEW) : is("deaf") ? receive(RING) : send();
	exo_printf("%s: %s\n", result == 0 ? "ready" : "failed", exo_error_text(result));
	for (;;)
		exo_wait(0);
}
