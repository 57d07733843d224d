/* SPDX-License-Identifier: BSD-2-Clause */
#include <udp/checksum.h>
#include <udp/wire.h>

#include <string.h>

#include "segment.h"

uint8_t segment_scale(const uint8_t *at, const uint8_t *end)
{
	for (at += 20; at < end && *at != 0; at += *at == 1 ? 1 : at[1])
		if (*at == 3)
			return at[2];
	return 255;
}

void segment_forge(uint8_t *at, uint32_t size, const struct udp_ip *src, const struct udp_ip *dst,
                   uint64_t how)
{
	uint64_t sum;
	uint16_t check;

	if (how & 1)
		wire_put32(at + 4,
		           wire_get32(at + 4) + ((uint32_t)(how >> 32) & 0xfffffff) + 0x1000000);
	else
		wire_put32(at + 4,
		           wire_get32(at + 4) - ((uint32_t)(how >> 32) & 0xfffffff) - 0x1000000);
	if (how & 2)
		wire_put32(at + 8, wire_get32(at + 8) + 0x20000000u + (uint32_t)(how >> 20));
	at[13] = (uint8_t)(how >> 8);
	memset(at + 16, 0, 2);
	sum = udp_sum_pseudo(0, src, dst, PROTOCOL_TCP, size);
	check = udp_sum_finish(udp_sum_add(sum, at, size));
	memcpy(at + 16, &check, 2);
}
