/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces made up in memory.
 */
#include <string.h>

#include "pcaps.h"

static void put(struct made *made, const void *data, size_t size)
{
	memcpy(made->bytes + made->size, data, size);
	made->size += size;
}

void made_begin(struct made *made, uint32_t link, int nanoseconds)
{
	uint32_t header[6] = {
	        nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 4u << 16 | 2, 0, 0, 262144, link};
	made->size = 0;
	put(made, header, sizeof(header));
}

void made_add(struct made *made, uint32_t seconds, uint32_t fraction, const void *data,
              uint32_t captured, uint32_t length)
{
	uint32_t header[4] = {seconds, fraction, captured, length};
	put(made, header, sizeof(header));
	put(made, data, captured);
}

FILE *made_file(struct made *made)
{
	return fmemopen(made->bytes, made->size, "rb");
}

uint32_t made_ipv4(uint8_t *frame, uint8_t protocol, uint16_t source, uint16_t target,
                   uint32_t payload)
{
	static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	static const uint8_t addresses[8] = {10, 0, 0, 1, 10, 0, 0, 2};
	uint32_t header = protocol == 6 ? 20 : 8, total = 20 + header + payload;
	memset(frame, 0, 14 + total);
	memcpy(frame, ethernet, sizeof(ethernet));
	frame[14] = 0x45;
	frame[16] = (uint8_t)(total >> 8);
	frame[17] = (uint8_t)total;
	frame[23] = protocol;
	memcpy(frame + 26, addresses, sizeof(addresses));
	frame[34] = (uint8_t)(source >> 8);
	frame[35] = (uint8_t)source;
	frame[36] = (uint8_t)(target >> 8);
	frame[37] = (uint8_t)target;
	return 14 + total;
}
