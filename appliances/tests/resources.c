/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Misdeeds that the kernel's ledger, capabilities and transmit guard notice.
 */
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "misdeed.h"

/* Takes frames until none is given; the limit is where it must end. */
int deed_exhaust(void)
{
	struct exo_frame_alloc block = {.count = 1, .first = EXO_FRAME_ANY};
	int result;

	block.authority = *exo_start_cap(EXO_USE_FRAMES);
	do {
		block.first = EXO_FRAME_ANY;
		result = exo_frame_alloc(&block);
	} while (result == 0);
	exo_printf("%llu frames of at most %llu, then: %s\n",
	           (unsigned long long)exo_account()->frames,
	           (unsigned long long)exo_account()->frames_max, exo_error_text(result));
	return exo_account()->frames > exo_account()->frames_max;
}

/* Offers a mapping of every frame of the machine: only its own may be entered. */
int deed_map_others(void)
{
	struct exo_mapping mapping = {
	        .address = EXO_LIBOS_BASE, .count = 1, .rights = EXO_RIGHT_READ | EXO_RIGHT_WRITE};
	uint64_t own = exo_account()->frames, entered = 0, end = exo_info()->frame_end;

	for (uint64_t frame = exo_info()->frame_first; frame < end; frame++) {
		mapping.frame = frame;
		entered += exo_map(NULL, &mapping, 1) == 1;
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		mapping.frame = 1ull << bit;
		if (mapping.frame >= end || mapping.frame < exo_info()->frame_first)
			entered += exo_map(NULL, &mapping, 1) == 1;
	}
	exo_printf("%llu frames are its own, %llu were mapped\n", (unsigned long long)own,
	           (unsigned long long)entered);
	return entered > own;
}

/* Each field of a good capability, changed, must make it useless. */
static int forge_one(const char *what, const struct exo_cap *good, unsigned byte)
{
	struct exo_cap bad = *good;
	struct exo_grant grant = {.to = exo_account()->env, .rights = EXO_RIGHT_ALLOC, .count = 1};
	int result;

	((uint8_t *)&bad)[byte] ^= 1;
	grant.cap = bad;
	grant.first = bad.first;
	result = exo_grant(&grant);
	if (result < 0)
		return 0;
	exo_printf("%s with byte %u changed: GOT AWAY WITH IT\n", what, byte);
	return 1;
}

int deed_forge(void)
{
	const struct exo_start *start = exo_start_page();
	struct exo_cap all = {.kind = EXO_KIND_MACHINE,
	                      .rights = EXO_RIGHT_CONTROL,
	                      .holder = start->env,
	                      .count = 1};
	int escaped = 0;

	for (uint32_t i = 0; i < start->n_caps; i++)
		for (unsigned byte = 0; byte < sizeof(struct exo_cap); byte++)
			escaped += forge_one(start->caps[i].name, &start->caps[i].cap, byte);
	escaped += misdeed_refused("power-off with a made-up capability",
	                           exo_power(&all, EXO_POWER_OFF, 0));
	all.kind = EXO_KIND_ENV;
	all.first = 1;
	escaped += misdeed_refused("ending init with a made-up capability", exo_env_end(&all));
	return escaped != 0;
}

/* ---- Sending what was not granted ---- */

enum {
	ETHERNET_BYTES = 14,
	FRAME_BYTES = 60,
};

static void write_header(uint8_t *frame, const uint8_t source[6], uint16_t type)
{
	memset(frame, 0, FRAME_BYTES);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, source, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

/* Sends one frame and waits for its completion. → its status, negative. */
static int send_one(struct exo_net *net, const uint8_t *frame, uint32_t length)
{
	uint64_t refused = net->tx.refused, until = exo_time_now_ns() + 1000000000;
	struct exo_tx_buffer buffer;
	int result = exo_tx_take(&net->tx, &buffer);

	if (result < 0)
		return result;
	memcpy(buffer.data, frame, length);
	result = exo_tx_send(&net->tx, &buffer, length, exo_start_address(0)->port, 0);
	if (result < 0)
		return result;
	exo_tx_flush(&net->tx);
	while (exo_tx_reclaim(&net->tx) == 0 && exo_time_now_ns() < until)
		exo_time_sleep_ns(1000000);
	return net->tx.refused > refused ? -net->tx.last_error : 0;
}

int deed_send(void)
{
	static struct exo_net net;
	static const uint8_t stranger[6] = {2, 0, 0, 0, 0, 99};
	const struct exo_start_address *address = exo_start_address(0);
	uint8_t frame[FRAME_BYTES];
	int escaped = 0;

	if (address == NULL || exo_net_open(&net, NULL) < 0) {
		exo_printf("no flow space: %s\n", net.error);
		return 2;
	}
	write_header(frame, address->mac, 0x0806);
	escaped += misdeed_refused("an ARP frame", send_one(&net, frame, sizeof(frame)));
	write_header(frame, stranger, 0x0800);
	escaped +=
	        misdeed_refused("another's Ethernet address", send_one(&net, frame, FRAME_BYTES));
	write_header(frame, address->mac, 0x0800);
	frame[ETHERNET_BYTES] = 0x45;
	frame[ETHERNET_BYTES + 12] = 10;
	escaped += misdeed_refused("another's IPv4 address", send_one(&net, frame, FRAME_BYTES));
	write_header(frame, address->mac, 0x88b5);
	escaped += misdeed_refused("the host channel's type", send_one(&net, frame, FRAME_BYTES));
	escaped += misdeed_refused("half a header", send_one(&net, frame, 7));
	return escaped != 0;
}

/* ---- Wild arguments ---- */

static const uint64_t WILD[] = {
        0,
        1,
        8,
        4095,
        0x1000,
        0xffffffff,
        1ull << 47,
        0x7ffffffffff8,
        EXO_INFO_ADDR,
        EXO_START_ADDR,
        0xffff800000000000,
        0xffffffff80200000,
        ~0ull,
        ~7ull,
};

enum {
	N_WILD = sizeof(WILD) / sizeof(WILD[0]),
};

/* Calls that end, block or never come back are not asked; nor may it give its own slot away, or
 * unmap its start page. */
static int is_tame(uint32_t number)
{
	return number != EXO_CALL_EXIT && number != EXO_CALL_WAIT && number != EXO_CALL_RESUME &&
	       number != EXO_CALL_PENDING && number != EXO_CALL_CONSOLE_WRITE &&
	       number != EXO_CALL_SET_FS && number != EXO_CALL_INVOKE &&
	       number != EXO_CALL_SLOT_FREE && number != EXO_CALL_UNMAP_PAGE;
}

/* A small generator: every run asks the same. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static uint64_t any_argument(uint64_t *random, uint64_t *block)
{
	uint64_t choice = next_random(random) % (N_WILD + 3);

	if (choice < N_WILD)
		return WILD[choice];
	if (choice == N_WILD)
		return next_random(random);
	return (uintptr_t)block;
}

int deed_wild_calls(void)
{
	static uint64_t block[512];
	uint64_t random = 1, refused = 0, accepted = 0;

	for (int round = 0; round < 400; round++) {
		for (uint32_t number = EXO_CALL_BASE; number < EXO_CALL_BASE + 64; number++) {
			uint64_t a[4];

			if (!is_tame(number))
				continue;
			for (unsigned i = 0; i < 512; i++)
				block[i] = WILD[next_random(&random) % N_WILD];
			/* Half of the time a good capability comes first. */
			if (round % 2 == 0)
				memcpy(block, &exo_start_page()->caps[round / 2 % 2].cap,
				       sizeof(struct exo_cap));
			for (int i = 0; i < 4; i++)
				a[i] = any_argument(&random, block);
			if (exo_call(number, a[0], a[1], a[2], a[3], a[0], a[1]) < 0)
				refused++;
			else
				accepted++;
		}
	}
	exo_printf("%llu wild calls were refused, %llu accepted\n", (unsigned long long)refused,
	           (unsigned long long)accepted);
	return refused == 0;
}
