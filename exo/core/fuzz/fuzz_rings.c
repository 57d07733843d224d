/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzer of the rings: Mallory writes arbitrary bytes into her rings' memory, at any place and any
 * time, while traffic flows for her and for Bob. Whatever she writes:
 *
 *     Bob gets every frame of his, byte for byte, and nothing else of his memory changes;
 *     nothing leaves the ports that she was not granted to send, also where payload is sent from
 *     her frames and she changes them, gives them back or ends the ring before it has gone, nor
 *     does Bob's tap of what is sent, if he has one, hear anything else;
 *     at the end every pin and every mbuf is back.
 *
 * All that arrives lies in frames that could be exchanged; an input's first byte says whether her
 * receive ring does so, and whether Bob taps what she sends. The others are a list of steps: an
 * opcode byte and its operands.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/world.h"

enum { BOB = 2, MALLORY = 3, ADDRESS = 0x0a000002, PEER = 0x0a000001, BUFFERS = 8, SIZE = 8 };
enum { LONG_FRAMES = 8, LONG = 30000 }; /* a packet to be cut */
enum { LEAST = 100 };                   /* bytes of a packet that is exchanged */

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static struct world_ring bobs, receive, transmit, heard;
static struct exo_cap mallorys;
static bool exchanges, taps, inside; /* inside: of a packet in several buffers of the tap's */
static uint64_t long_frames;
static uint64_t secret, own; /* a frame of Bob's; Mallory's buffers */
static uint8_t sent[65536], frame[2048];

/* The input, read from the front; zeros behind its end. */
static const uint8_t *input;
static size_t left;

static uint8_t next(void)
{
	if (left == 0)
		return 0;
	left--;
	return *input++;
}

static uint32_t next32(void)
{
	uint32_t value = next();

	value = value << 8 | next();
	value = value << 8 | next();
	return value << 8 | next();
}

static void bind(uint32_t env, const struct exo_cap *space, const struct flt_conjunction *flow,
                 const struct world_ring *ring, uint32_t flags)
{
	struct exo_bind arg = {.flags = flags};

	MUST(world_bind(env, space, flow, ring, &arg) == 0);
}

/* Into those of her frames that are hers still: an exchange may have taken them. */
static void write_packets(void)
{
	for (unsigned i = 0; i < BUFFERS; i++)
		if (world_frame_owner(own + i) == MALLORY)
			(void)world_udp(world_memory((own + i) * 4096), ADDRESS, 9, PEER, 1, 100);
	for (unsigned i = 0; i < LONG_FRAMES; i++)
		if (world_frame_owner(long_frames + i) != MALLORY)
			return;
	(void)world_udp(world_memory(long_frames * 4096), ADDRESS, 9, PEER, 1, LONG - 42);
}

static void listen(const struct flt_conjunction *flow)
{
	const uint16_t rights = EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_SENT | EXO_RIGHT_SHARE;
	struct exo_cap space = world_grant_ports(BOB, rights, 3, flow, NULL);

	MUST(world_ring(BOB, EXO_RING_RECEIVE, 2 * SIZE, NULL, &heard) == 0);
	bind(BOB, &space, flow, &heard, EXO_BIND_TAP | EXO_BIND_SENT);
	world_fill(BOB, &heard, 2 * SIZE, 2048, 0);
	inside = false;
}

static void begin(void)
{
	uint8_t choice = next();
	struct flt_conjunction any, udp7, udp9, from9;
	struct exo_cap space;

	world_any(&any);
	world_udp_to(&udp7, ADDRESS, 7);
	world_udp_to(&udp9, ADDRESS, 9);
	world_udp_from(&from9, ADDRESS, 9);
	space = world_grant(BOB, EXO_RIGHT_BIND, &udp7, NULL);
	MUST(world_ring(BOB, EXO_RING_RECEIVE, SIZE, NULL, &bobs) == 0);
	bind(BOB, &space, &udp7, &bobs, 0);
	world_fill(BOB, &bobs, 4, 2048, 0);
	secret = world_frames(BOB, 1, 0x55);
	mallorys = space =
	        world_grant_ports(MALLORY, EXO_RIGHT_BIND | EXO_RIGHT_SEND, 3, &udp9, &from9);
	exchanges = choice & 1;
	taps = choice & 2;
	if (taps)
		listen(&from9);
	MUST((exchanges ? world_exchange_ring(MALLORY, SIZE, LEAST, &receive)
	                : world_ring(MALLORY, EXO_RING_RECEIVE, SIZE, NULL, &receive)) == 0);
	MUST(world_ring(MALLORY, EXO_RING_TRANSMIT, SIZE, &space, &transmit) == 0);
	bind(MALLORY, &space, &udp9, &receive, 0);
	own = world_frames(MALLORY, BUFFERS, 0x33);
	long_frames = world_frames(MALLORY, LONG_FRAMES, 0x33);
	write_packets();
	world_fill(MALLORY, &receive, 4, exchanges ? 4096 : 2048, 0);
}

/* The beginning of a frame that Mallory has sent. */
static void check_frame(const uint8_t *bytes, uint32_t length)
{
	static const struct {
		uint16_t at, value;
	} granted[] = {{12, 0x08}, {13, 0x00}, {23, 17}, {26, 10}, {27, 0}, {28, 0}, {29, 2}};
	uint32_t ports = 14 + 4 * (bytes[14] & 15);

	MUST(length >= 34 && ports + 2 <= length);
	for (unsigned i = 0; i < sizeof(granted) / sizeof(granted[0]); i++)
		MUST(bytes[granted[i].at] == granted[i].value);
	MUST((bytes[20] & 0x1f) == 0 && bytes[21] == 0);
	MUST(bytes[ports] == 0 && bytes[ports + 1] == 9);
}

static void check_heard(void)
{
	struct exo_desc desc;

	while (taps && world_get(&heard, &desc)) {
		if (!inside)
			check_frame(world_memory(desc.address), desc.length);
		inside = desc.flags & EXO_DESC_MORE;
		world_put(&heard, (struct exo_desc){.address = desc.address, .length = 2048});
	}
}

static void check_sent(void)
{
	uint32_t length, port = 0;

	while ((length = world_sent(port, sent, sizeof(sent))) || port++ == 0) {
		if (length == 0)
			continue;
		MUST(length <= (port ? 9022 : 1522));
		check_frame(sent, length);
	}
	check_heard();
}

static void poll(void)
{
	for (unsigned i = 0; i < 4; i++)
		net_poll(0, 64);
	check_sent();
}

static void bob_receives(void)
{
	uint32_t length = world_udp(frame, PEER, 1, ADDRESS, 7, 1 + next());
	struct exo_desc desc;

	world_arrive_framed(0, frame, length, 0);
	poll();
	MUST(world_get(&bobs, &desc) && desc.length == length);
	MUST(memcmp(world_memory(desc.address), frame, length) == 0);
	world_put(&bobs, (struct exo_desc){.address = desc.address, .length = 2048});
	for (unsigned i = 0; i < 4096; i++)
		MUST(((uint8_t *)world_memory(secret * 4096))[i] == 0x55);
}

static void mallory_receives(void)
{
	uint32_t segment = next();
	uint32_t length = world_udp(frame, PEER, 1, ADDRESS, 9, next() * 5);

	world_arrive_framed(0, frame, length, segment < 20 ? 0 : segment * 8);
	poll();
}

/* Bytes anywhere in a ring's memory. */
static void scribble(const struct world_ring *ring)
{
	uint32_t bytes = (uint32_t)exo_ring_bytes(ring->size), at = next32() % bytes;

	for (unsigned n = next() % 64; n > 0; n--)
		((uint8_t *)ring->request)[(at + n) % bytes] = next();
}

/* A descriptor that is nearly right: what random bytes alone would never make. */
static void write_descriptor(struct world_ring *ring)
{
	static const uint32_t lengths[] = {0, 1, 14, 60, 142, 4096, LONG, 65535};
	uint8_t choice = next();
	uint8_t place = next() % (2 * BUFFERS);
	uint64_t base = choice & 1 ? secret : place < BUFFERS ? own + place : long_frames;
	struct exo_desc desc = {
	        .address = base * 4096 + (choice & 2 ? next() * 16u : 0),
	        .length = choice & 4 ? next32() : lengths[next() % 8],
	        .flags = (uint16_t)(choice & 8 ? next32() : next() << 6),
	        .port = choice & 16 ? next() : place & 1,
	        .cookie = choice,
	        .segment_size = (uint16_t)(next() * 16),
	};

	desc.flags |= choice & 32 ? EXO_DESC_MORE : 0;
	ring->request->desc[ring->head++ % SIZE] = desc;
	ring->request->head = choice & 64 ? next32() : ring->head;
}

/* Frames are sent, and wait for the wire; then she writes into all of hers. */
static void change_after_submission(void)
{
	(void)net_call_doorbell(world_env(MALLORY), transmit.cap.first);
	for (unsigned i = 0; i < 4; i++)
		net_poll(0, 64);
	for (unsigned i = 0; i < BUFFERS; i++)
		if (world_frame_owner(own + i) == MALLORY)
			memset(world_memory((own + i) * 4096), next(), 512);
	if (world_frame_owner(long_frames) == MALLORY)
		memset(world_memory(long_frames * 4096), next(), 512);
	check_sent();
	write_packets();
}

/* The ring ends while its frames are under way, and another begins. */
static void renew_ring(void)
{
	(void)net_call_doorbell(world_env(MALLORY), transmit.cap.first);
	net_poll(0, 64);
	MUST(net_call_ring_destroy(world_env(MALLORY), &transmit.cap) == 0);
	for (uint64_t i = 0; i < (exo_ring_bytes(SIZE) + 4095) / 4096; i++)
		(void)world_frame_drop(transmit.first_frame + i);
	MUST(world_ring(MALLORY, EXO_RING_TRANSMIT, SIZE, &mallorys, &transmit) == 0);
	poll();
}

/* One buffer in the fill queue twice, and one packet submitted twice while it is under way. */
static void give_twice(void)
{
	struct exo_desc buffer = {.address = (own + next() % BUFFERS) * 4096,
	                          .length = exchanges ? 4096 : 2048};
	struct exo_desc packet = {.address = long_frames * 4096,
	                          .length = LONG,
	                          .flags = EXO_DESC_REPORT | EXO_DESC_SEGMENT,
	                          .segment_size = 1400,
	                          .port = 1};

	for (unsigned i = 0; i < 2; i++) {
		world_put(&receive, buffer);
		world_put(&transmit, packet);
	}
	(void)net_call_doorbell(world_env(MALLORY), transmit.cap.first);
	net_poll(0, 64);
	mallory_receives();
	mallory_receives();
}

static void give_back(uint64_t number)
{
	if (world_frame_owner(number) == MALLORY)
		(void)world_frame_drop(number);
}

static void step(void)
{
	switch (next() % 13) {
	case 0:
		scribble(&receive);
		break;
	case 1:
		scribble(&transmit);
		break;
	case 2:
		write_descriptor(&receive);
		break;
	case 3:
	case 4:
		write_descriptor(&transmit);
		break;
	case 5:
		bob_receives();
		break;
	case 6:
		mallory_receives();
		break;
	case 7:
		(void)net_call_doorbell(world_env(MALLORY), transmit.cap.first);
		poll();
		break;
	case 8: /* she keeps up with what comes back */
		receive.response->tail = receive.response->head;
		transmit.response->tail = transmit.response->head;
		break;
	case 9:
		change_after_submission();
		break;
	case 10:
		renew_ring();
		break;
	case 11: /* a frame goes back to the kernel, if nothing holds it */
		give_back(own + next() % BUFFERS);
		break;
	case 12:
		give_twice();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;

	if (!started)
		world_start();
	started = true;
	input = data;
	left = size;
	begin();
	while (left > 0)
		step();
	bob_receives();
	poll();
	for (uint32_t id = BOB; id <= MALLORY; id++) {
		net_env_end(world_env(id));
		world_frames_free(id);
		world_env_reset(id);
	}
	MUST(world_pins() == 0);
	MUST(world_mbufs() == 0);
	return 0;
}
