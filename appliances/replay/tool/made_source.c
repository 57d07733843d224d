/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Made-up frames.
 */
#include <string.h>

#include "../engine/checksum.h"
#include "../engine/layers.h"
#include "../engine/port.h"
#include "made_source.h"

enum {
	IPV4 = PORT_ETHERNET,
	UDP = IPV4 + 20,
	PAYLOAD = UDP + 8,
};

static const uint32_t imix[] = {64, 64, 594, 64, 594, 64, 1518, 64, 594, 64, 594, 64};

enum { IMIX = sizeof(imix) / sizeof(imix[0]) };

static void set_size(struct made_source *made, uint32_t size)
{
	uint8_t *ip = made->frame + IPV4;
	uint32_t length = size - MADE_CHECKSUM;

	layers_put16(ip + 2, (uint16_t)(length - IPV4));
	layers_put16(ip + 10, 0);
	layers_put16(ip + 10, checksum_of(ip, 20));
	layers_put16(made->frame + UDP + 4, (uint16_t)(length - UDP));
}

static enum source_state next(struct source *source, struct source_frame *frame)
{
	struct made_source *made = (struct made_source *)source;
	uint32_t size = made->size == MADE_IMIX ? imix[made->number % IMIX] : made->size;

	if (made->size == MADE_IMIX)
		set_size(made, size);
	made->number++;
	*frame = (struct source_frame){
	        .number = made->number, .data = made->frame, .length = size - MADE_CHECKSUM};
	return SOURCE_FRAME;
}

static void rewind_made(struct source *source)
{
	((struct made_source *)source)->number = 0;
}

void made_source_open(struct made_source *made, uint32_t size, const struct made_address *from,
                      const struct made_address *to)
{
	static const uint8_t ip[] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, PROTOCOL_UDP};

	*made = (struct made_source){.source = {.next = next, .rewind = rewind_made}, .size = size};
	memcpy(made->frame, to->mac, 6);
	memcpy(made->frame + 6, from->mac, 6);
	layers_put16(made->frame + 12, ETHERTYPE_IPV4);
	memcpy(made->frame + IPV4, ip, sizeof(ip));
	memcpy(made->frame + IPV4 + 12, from->ip, 4);
	memcpy(made->frame + IPV4 + 16, to->ip, 4);
	layers_put16(made->frame + UDP, from->port);
	layers_put16(made->frame + UDP + 2, to->port);
	for (uint32_t i = PAYLOAD; i < MADE_MAX; i++)
		made->frame[i] = (uint8_t)(i - PAYLOAD);
	set_size(made, size == MADE_IMIX ? imix[0] : size);
}

double made_source_wire_bytes(uint32_t size)
{
	double sum = 0;

	for (unsigned i = 0; i < IMIX; i++)
		sum += (size == MADE_IMIX ? imix[i] : size) + PORT_WIRE_OVERHEAD - MADE_CHECKSUM;
	return sum / IMIX;
}
