/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trials of a NIC function that is an environment's (EXO_RING_QUEUE). Each child gets all of the
 * function's flow space, says its MAC address on the console, and lives on what whoever is at the
 * other end of the wire sends there: frames of TYPE, whose first byte of payload says what to do.
 *
 *     E   send it back         Q   end
 *     D   end by a fault       C   (the loser) see what has become of the frame that was taken
 */
#include "trial.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

enum {
	PORT = 1,
	TYPE = 0x88b6, /* for experiments: IEEE 802, 9.2.3 */
	HEADER = 14,
	FRAMES = 1024, /* that a child may own */
	TAKEN = 7,     /* the buffer that the loser loses */
	POISON = 0x5a,
	SLACK = 64, /* a NIC may write a little further than the packet: padding, checksum */
	LIMIT_NS = 2000000000,
};

static struct exo_rx rx;
static struct exo_tx tx;
static uint64_t wrong; /* bytes of buffers behind packets that somebody wrote to */

/* ---- Children ---- */

static bool open_function(const char *name)
{
	const struct exo_start_cap *flow = exo_start_find(EXO_USE_FLOW, NULL);
	const struct exo_port_info *port = exo_port_info(PORT);
	const uint32_t core = exo_start_page()->core;

	if (flow == NULL || exo_rx_open_queue(&rx, port->slots, core, &flow->cap) < 0 ||
	    exo_tx_open(&tx, 64, EXO_BUFFER_BYTES, core, &flow->cap) < 0)
		return false;
	memset(rx.buffers.address, POISON, (size_t)rx.buffers.count * EXO_PAGE_SIZE);
	exo_printf("function: %s %02x:%02x:%02x:%02x:%02x:%02x\n", name, port->mac[0], port->mac[1],
	           port->mac[2], port->mac[3], port->mac[4], port->mac[5]);
	return true;
}

static void send_back(const struct exo_rx_frame *frame)
{
	struct exo_tx_buffer buffer;

	if (frame->length > EXO_BUFFER_BYTES || exo_tx_take(&tx, &buffer) < 0)
		return;
	memcpy(buffer.data, frame->data + 6, 6);
	memcpy(buffer.data + 6, exo_port_info(PORT)->mac, 6);
	memcpy(buffer.data + 12, frame->data + 12, frame->length - 12);
	if (exo_tx_send(&tx, &buffer, frame->length, PORT, 0) < 0)
		exo_tx_drop(&tx, &buffer);
}

/* Looks at what lies behind the packet, and makes the buffer what it was. */
static void poison(const struct exo_rx_frame *frame)
{
	uint8_t *end = frame->data + frame->length + SLACK;
	uint8_t *page = (uint8_t *)((uintptr_t)frame->data & ~(uintptr_t)(EXO_PAGE_SIZE - 1));

	for (const uint8_t *at = end; at < page + EXO_PAGE_SIZE; at++)
		wrong += *at != POISON;
	memset(page, POISON, EXO_PAGE_SIZE);
}

/* Serves until somebody says what is no E. → that. */
static uint8_t serve(void)
{
	struct exo_rx_frame frame;
	uint8_t what = 'E';

	for (;;) {
		if (exo_rx_burst(&rx, &frame, 1) == 0) {
			exo_tx_flush(&tx);
			exo_wait(0);
			continue;
		}
		what = 'E';
		if (frame.length > HEADER && frame.data[12] == TYPE >> 8 &&
		    frame.data[13] == (TYPE & 0xff)) {
			what = frame.data[HEADER];
			send_back(&frame);
		}
		poison(&frame);
		exo_rx_release(&rx, &frame, 1);
		if (what != 'E')
			break;
	}
	exo_tx_flush(&tx);
	return what;
}

int role_function(void)
{
	if (!open_function("echo"))
		return 1;
	if (serve() == 'D')
		__builtin_trap();
	if (exo_rx_close(&rx) < 0 || exo_tx_close(&tx) < 0)
		return 2;
	return wrong == 0 ? 0 : 3;
}

/* Has the frame taken from itself by force, and gets it again as an ordinary one. */
static bool lose(uint64_t frame, struct exo_pages *again)
{
	const uint64_t limit = exo_tsc() + exo_time_ticks(LIMIT_NS);
	const struct exo_account *account = exo_account();
	struct exo_repossess take = {.authority = exo_start_find(EXO_USE_FRAMES, "taker")->cap,
	                             .env = exo_start_page()->env,
	                             .kind = EXO_KIND_FRAME,
	                             .first = frame,
	                             .count = 1};

	if (exo_repossess(&take) < 0)
		return false;
	while (*(volatile const uint32_t *)&account->n_losses == 0 && exo_tsc() < limit)
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
	while (exo_tsc() < limit) {
		/* The frame may be any of those that are free: until it comes. */
		if (exo_pages_alloc(again, 1) < 0)
			return false;
		if (again->frame == frame)
			return true;
	}
	return false;
}

int role_loser(void)
{
	struct exo_pages again;
	const uint8_t *bytes;
	uint64_t before, n = 0;

	if (!open_function("loser-before") || !lose(rx.buffers.frame + TAKEN, &again))
		return 1;
	memset(again.address, POISON, EXO_PAGE_SIZE);
	before = *(volatile const uint64_t *)&exo_info()->dma_faults;
	exo_printf("function: loser 00:00:00:00:00:00\n");
	if (serve() != 'C')
		return 2;
	exo_wait(exo_tsc() + exo_time_ticks(LIMIT_NS / 4)); /* the count is brought up to date */
	bytes = again.address;
	for (unsigned i = 0; i < EXO_PAGE_SIZE; i++)
		n += bytes[i] != POISON;
	exo_printf("function: %llu bytes written, %llu stopped\n", (unsigned long long)n,
	           (unsigned long long)(exo_info()->dma_faults - before));
	if (n != 0 || exo_info()->dma_faults - before != 1)
		return 3;
	return wrong == 0 ? 0 : 4;
}

/* ---- The parent ---- */

static bool give_function(struct exo_child *child)
{
	static struct flt_conjunction all;
	const struct exo_cap *root = exo_start_cap(EXO_USE_FLOW);
	const struct exo_cap *frames = exo_start_cap(EXO_USE_FRAMES);
	struct flt_conjunction own;
	struct exo_flow_grant block = {.space = *root,
	                               .to = child->id,
	                               .rights = EXO_RIGHT_BIND | EXO_RIGHT_SEND,
	                               .n_receive = 1,
	                               .n_transmit = 1,
	                               .ports = 1 << PORT,
	                               .receive = (uintptr_t)&all,
	                               .transmit = (uintptr_t)&own};

	exo_flow_any(&own);
	exo_flow_mac(&own, 6, exo_port_info(PORT)->mac);
	return exo_flow_grant(&block) >= 0 &&
	       exo_child_give(child, EXO_USE_FLOW, "function", &block.out) >= 0 &&
	       exo_child_grant(child, EXO_USE_FRAMES, "taker", frames,
	                       EXO_RIGHT_ALLOC | EXO_RIGHT_FREE, frames->first, frames->count) >= 0;
}

static int play(const char *role)
{
	struct exo_child child;

	return trial_child_with(&child, role, 0, 4, FRAMES, give_function) ? trial_end(&child) : -1;
}

void trial_function_echo(void)
{
	TRIAL(play("function") == 0);
}

void trial_function_loser(void)
{
	TRIAL(play("loser") == 0);
}

void trial_function_death(void)
{
	TRIAL(play("function") == -1000 - EXO_ENV_FAULTED);
	TRIAL(play("function") == 0);
}

bool trial_function_there(void)
{
	const struct exo_port_info *port = exo_port_info(PORT);

	return port != NULL && port->slots != 0;
}
