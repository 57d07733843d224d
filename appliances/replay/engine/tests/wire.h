/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wire in virtual time: what is sent into the port comes back after a delay, unless the test's
 * `fate` says otherwise. Time moves when the engine rests, and by a little with each look at the
 * clock.
 */
#ifndef REPLAY_TEST_WIRE_H
#define REPLAY_TEST_WIRE_H

#include "../port.h"
#include "../source.h"

enum {
	WIRE_FRAME_MAX = 2048,
	WIRE_UNDER_WAY = 4096,
};

struct wire_frame {
	uint8_t data[WIRE_FRAME_MAX];
	uint32_t length;
	uint64_t at_ns;
};

struct wire {
	struct port port; /* first: the engine's pointer is ours */
	uint64_t now_ns, tick_ns, delay_ns, sent;
	struct wire_frame taken[PORT_BURST], *under_way;
	unsigned taken_n, under_way_n, first;
	struct wire_frame given[PORT_BURST];
	/* How often the frame of that number returns, and how much later than usual. */
	unsigned (*fate)(uint64_t number, uint64_t *later_ns);
	/* May change a frame on its way back. */
	void (*change)(struct wire_frame *frame);
	unsigned room; /* frames that one call of send takes; 0: all */
	bool stuck;    /* it takes none */
};

void wire_open(struct wire *wire);
void wire_close(struct wire *wire);

/* Frames made up by a test: UDP datagrams, `n` of them, gap_ns apart, with their number in the
 * payload unless they are all the same. */
struct made {
	struct source source;
	uint8_t frame[WIRE_FRAME_MAX];
	uint32_t length;
	uint64_t n, at, gap_ns;
	bool same;
};

void made_open(struct made *made, uint64_t n, uint64_t gap_ns, uint32_t length);

/* The internet checksum over bytes, with an initial sum: 0 where they hold a right one. */
uint16_t wire_checksum(const uint8_t *bytes, uint32_t size, uint32_t sum);
/* Whether the checksums of a frame (UDP or TCP over IPv4, without tags) are right. */
bool wire_checksums_right(const uint8_t *frame);

#endif
