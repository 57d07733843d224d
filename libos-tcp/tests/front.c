/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>
#include <flt/map.h>
#include <flt/platform.h>
#include <flt/program.h>
#include <udp/checksum.h>
#include <udp/wire.h>

#include "front.h"

enum { BUFFER = 4096, HEADROOM = 256, HEADERS = 34, MTU = 1500, FRAME = 4096 };

struct front {
	struct flt_object *object;
	struct flt_program *program;
	struct tcp_stack *stack;
	struct udp_ip address;
	struct edge_arena *arena;
	void (*told)(const struct edge_rules *rules); /* or NULL */
};

static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
static uint64_t clock_now;

static uint64_t clock_ns(void)
{
	return clock_now;
}

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "front: %s: %s\n", what, why);
	abort();
}

static void load(struct front *front, const char *path, bool compiled)
{
	struct flt_error error = {0};
	uint32_t flags = FLT_LOAD_WRITES | (compiled ? 0 : FLT_LOAD_INTERPRET);
	struct flt_platform platform;

	flt_host_platform(&platform, true);
	platform.clock_ns = clock_ns;
	(void)flt_init(&platform);
	if (flt_host_object_open(path, &front->object, &error) != 0)
		die("the handler", error.reason);
	front->arena = calloc(EDGE_FRAMES, FRAME);
	for (uint32_t i = 0; i < EDGE_FRAMES; i++)
		flt_map_arena_give(flt_object_map(front->object, ".bss.arena"), i,
		                   (uint8_t *)front->arena + (size_t)i * FRAME);
	if (flt_program_load_object(front->object, "edge", flags, &front->program, &error) != 0)
		die("the handler", error.reason);
	if (flt_program_is_native(front->program) != compiled)
		die("the handler", "compiled, or not");
}

static bool update(void *context, const struct edge_rules *rules)
{
	static const uint32_t only;
	struct front *front = context;

	if (flt_map_update(flt_object_map(front->object, ".data.rules"), &only, rules,
	                   FLT_MAP_ANY) != 0)
		die("rules", "not updated");
	if (front->told != NULL)
		front->told(rules);
	return true;
}

struct front *front_open(struct tcp_stack *stack, const struct udp_ip *address, bool compiled)
{
	const char *path = getenv("EDGE");
	struct tcp_edge edge = {.address = *address, .mtu = MTU, .update = update};
	struct front *front;

	if (path == NULL)
		return NULL;
	front = edge.context = calloc(1, sizeof *front);
	memcpy(edge.mac, macs, sizeof edge.mac);
	front->stack = stack;
	front->address = *address;
	load(front, path, compiled);
	if (tcp_edge_open(stack, front->arena, &edge) == 0)
		return front;
	front->stack = NULL;
	front_close(front);
	return NULL;
}

void front_tell(struct front *front, void (*told)(const struct edge_rules *rules))
{
	front->told = told;
}

void front_close(struct front *front)
{
	if (front->stack != NULL)
		tcp_edge_close(front->stack);
	flt_program_free(front->program);
	flt_object_close(front->object);
	free(front->arena);
	free(front);
}

/* Headers of a frame to the address. */
static void wrap(const struct front *front, const struct udp_ip *from, uint8_t *frame,
                 uint32_t size)
{
	uint8_t *ip = frame + 14;
	uint16_t sum;

	memcpy(frame, macs, sizeof macs);
	wire_put16(frame + 12, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	wire_put16(ip + 2, (uint16_t)(20 + size));
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, from->bytes, 4);
	memcpy(ip + 16, front->address.bytes, 4);
	sum = udp_sum_finish(udp_sum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}

/* What it says is a frame back, with right checksums. */
static void check(const struct front *front, const struct udp_ip *from, const uint8_t *frame,
                  uint32_t size)
{
	uint64_t sum = udp_sum_pseudo(0, &front->address, from, 6, size - HEADERS);

	if (memcmp(frame, macs + 6, 6) != 0 || memcmp(frame + 6, macs, 6) != 0 ||
	    wire_get16(frame + 16) != size - 14 || memcmp(frame + 30, from->bytes, 4) != 0 ||
	    memcmp(frame + 26, front->address.bytes, 4) != 0)
		die("an answer", "goes elsewhere");
	if (udp_sum_finish(udp_sum_add(0, frame + 14, 20)) != 0 ||
	    udp_sum_finish(udp_sum_add(sum, frame + HEADERS, size - HEADERS)) != 0)
		die("an answer", "has a wrong checksum");
}

enum front_verdict front_input(struct front *front, const struct udp_ip *from, uint8_t *segment,
                               uint32_t *size, uint64_t now)
{
	uint8_t buffer[BUFFER];
	struct flt_xdp_buff buff = {.data = buffer + HEADROOM,
	                            .data_end = buffer + HEADROOM + HEADERS + *size,
	                            .hard_start = buffer,
	                            .hard_end = buffer + BUFFER};
	uint32_t action, length;

	clock_now = now;
	wrap(front, from, buff.data, *size);
	memcpy(buff.data + HEADERS, segment, *size);
	action = flt_program_run_xdp(front->program, &buff) & 0xff;
	length = (uint32_t)(buff.data_end - buff.data);
	if (action == FLT_XDP_PASS) {
		if (length != HEADERS + *size || memcmp(buff.data + HEADERS, segment, *size) != 0)
			die("a frame that was passed on", "is not as it was");
		return FRONT_PASS;
	}
	if (action != FLT_XDP_TX)
		return FRONT_TAKEN;
	check(front, from, buff.data, length);
	*size = length - HEADERS;
	memcpy(segment, buff.data + HEADERS, *size);
	return FRONT_ANSWER;
}

struct edge_counts front_counts(const struct front *front)
{
	static const uint32_t only;
	struct edge_counts counts;

	memcpy(&counts, flt_map_lookup(flt_object_map(front->object, ".bss.counts"), &only),
	       sizeof counts);
	return counts;
}

struct edge_arena *front_arena(const struct front *front)
{
	return front->arena;
}
