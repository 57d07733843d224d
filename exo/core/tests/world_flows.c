/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows, frames that match them, and bindings, for tests in the small world. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- Flows and frames ---- */

void world_any(struct flt_conjunction *flow)
{
	memset(flow, 0, sizeof(*flow));
}

void world_term(struct flt_conjunction *flow, uint16_t offset, uint8_t width, uint32_t mask,
                uint32_t value)
{
	struct flt_term *term = &flow->terms[flow->n_terms++];

	*term = (struct flt_term){.base = FLT_BASE_FRAME, .width = width, .offset = offset};
	term->mask = mask;
	term->value = value;
}

static void udp_flow(struct flt_conjunction *flow, uint16_t address_at, uint32_t address,
                     uint16_t port_at, uint16_t port)
{
	world_any(flow);
	world_term(flow, 12, 2, 0xffff, 0x0800);
	world_term(flow, 23, 1, 0xff, 17);
	world_term(flow, 20, 2, 0x1fff, 0);
	if (address)
		world_term(flow, address_at, 4, 0xffffffff, address);
	world_term(flow, (uint16_t)(14 + port_at), 2, 0xffff, port);
	flow->terms[flow->n_terms - 1].base = FLT_BASE_MSH;
	flow->terms[flow->n_terms - 1].msh = 14;
}

void world_udp_to(struct flt_conjunction *flow, uint32_t address, uint16_t port)
{
	udp_flow(flow, 30, address, 2, port);
}

void world_udp_from(struct flt_conjunction *flow, uint32_t address, uint16_t port)
{
	udp_flow(flow, 26, address, 0, port);
}

uint32_t world_sum(const uint8_t *bytes, uint32_t length, uint32_t sum)
{
	for (uint32_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
	put16(to, value >> 16);
	put16(to + 2, value & 0xffff);
}

uint32_t world_udp(uint8_t *frame, uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port,
                   uint32_t payload)
{
	static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	uint8_t *ip = frame + 14, *udp = ip + 20;
	uint32_t length = 8 + payload, sum;

	memcpy(frame, ethernet, sizeof(ethernet));
	memset(ip, 0, 28);
	ip[0] = 0x45;
	put16(ip + 2, 20 + length);
	ip[8] = 64;
	ip[9] = 17;
	put32(ip + 12, from);
	put32(ip + 16, to);
	put16(ip + 10, ~world_sum(ip, 20, 0) & 0xffff);
	put16(udp, from_port);
	put16(udp + 2, to_port);
	put16(udp + 4, length);
	for (uint32_t i = 0; i < payload; i++)
		udp[8 + i] = (uint8_t)(i * 7 + 1);
	sum = ~world_sum(udp, length, world_sum(ip + 12, 8, 17 + length)) & 0xffff;
	put16(udp + 6, sum ? sum : 0xffff);
	return 14 + 20 + length;
}

const struct exo_cap *world_root(void)
{
	static struct exo_cap root;

	world_env(1);
	if (root.kind == EXO_KIND_NONE)
		CHECK(net_flow_root(1, &root) == 0);
	return &root;
}

struct exo_cap world_grant_ports(uint32_t to, uint16_t rights, uint64_t ports,
                                 const struct flt_conjunction *receive,
                                 const struct flt_conjunction *transmit)
{
	struct exo_flow_grant grant = {
	        .space = *world_root(),
	        .to = to,
	        .rights = rights,
	        .priority_max = 10,
	        .n_receive = receive ? 1 : 0,
	        .n_transmit = transmit ? 1 : 0,
	        .ports = ports,
	        .receive = (uintptr_t)receive,
	        .transmit = (uintptr_t)transmit,
	};

	CHECK(net_call_flow_grant(world_env(1), &grant) == 0);
	return grant.out;
}

struct exo_cap world_grant(uint32_t to, uint16_t rights, const struct flt_conjunction *receive,
                           const struct flt_conjunction *transmit)
{
	return world_grant_ports(to, rights, 1, receive, transmit);
}

int64_t world_bind(uint32_t env, const struct exo_cap *space, const struct flt_conjunction *flow,
                   const struct world_ring *ring, struct exo_bind *arg)
{
	arg->space = *space;
	arg->n_conjunctions = 1;
	arg->conjunctions = (uintptr_t)flow;
	arg->n_rings = ring ? 1 : 0;
	arg->rings = ring ? (uintptr_t)&ring->cap : 0;
	return net_call_bind(world_env(env), arg);
}
