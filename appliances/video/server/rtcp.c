/* SPDX-License-Identifier: BSD-2-Clause */
/* RTCP; see rtcp.h. */
#include "rtcp.h"

#include <string.h>
#include <udp/wire.h>

enum {
	VERSION = 0x80,
	HEADER = 4,
	BLOCK = 24,
	SENDER_INFO = 20,
	SDES_CNAME = 1,
	NTP_1970 = 2208988800u, /* seconds from 1900 */
};

static size_t put_header(uint8_t *at, unsigned count, uint8_t type, size_t size)
{
	at[0] = (uint8_t)(VERSION | count);
	at[1] = type;
	wire_put16(at + 2, (uint16_t)(size / 4 - 1));
	return size;
}

static size_t put_sender(uint8_t *at, const struct rtcp_sender *sender)
{
	uint64_t s = sender->wall_ns / 1000000000, ns = sender->wall_ns % 1000000000;

	wire_put32(at + 4, sender->ssrc);
	wire_put32(at + 8, (uint32_t)(s + NTP_1970));
	wire_put32(at + 12, (uint32_t)((ns << 32) / 1000000000));
	wire_put32(at + 16, sender->timestamp);
	wire_put32(at + 20, sender->packets);
	wire_put32(at + 24, sender->octets);
	return put_header(at, 0, RTCP_SENDER_REPORT, 8 + SENDER_INFO);
}

static size_t put_name(uint8_t *at, const struct rtcp_sender *sender)
{
	size_t n = strlen(sender->name), size;

	n = n < 32 ? n : 32;
	size = (HEADER + 4 + 2 + n + 1 + 3) & ~(size_t)3; /* at least one zero ends the chunk */
	memset(at, 0, size);
	wire_put32(at + 4, sender->ssrc);
	at[8] = SDES_CNAME;
	at[9] = (uint8_t)n;
	memcpy(at + 10, sender->name, n);
	return put_header(at, 1, RTCP_DESCRIPTION, size);
}

size_t rtcp_write_report(uint8_t *to, const struct rtcp_sender *sender, bool bye)
{
	size_t size = put_sender(to, sender);

	size += put_name(to + size, sender);
	if (bye) {
		wire_put32(to + size + 4, sender->ssrc);
		size += put_header(to + size, 1, RTCP_BYE, 8);
	}
	return size;
}

static void read_block(const uint8_t *at, rtcp_block_fn *fn, void *context)
{
	struct rtcp_block block = {.ssrc = wire_get32(at),
	                           .fraction_lost = at[4],
	                           .highest = wire_get32(at + 8),
	                           .jitter = wire_get32(at + 12),
	                           .last_report = wire_get32(at + 16),
	                           .delay = wire_get32(at + 20)};
	uint32_t lost = wire_get32(at + 4) & 0xffffff;

	block.lost = lost & 0x800000 ? (int32_t)(lost | 0xff000000) : (int32_t)lost;
	fn(context, &block);
}

bool rtcp_read(const uint8_t *data, size_t size, rtcp_block_fn *fn, void *context)
{
	while (size > 0) {
		size_t length, at = HEADER + 4;
		unsigned blocks;

		if (size < HEADER + 4 || (data[0] & 0xc0) != VERSION)
			return false;
		length = ((size_t)wire_get16(data + 2) + 1) * 4;
		if (length < HEADER + 4 || length > size)
			return false;
		blocks = data[0] & 0x1f;
		if (data[1] == RTCP_SENDER_REPORT)
			at += SENDER_INFO;
		if (data[1] == RTCP_SENDER_REPORT || data[1] == RTCP_RECEIVER_REPORT) {
			if (at > length || (length - at) / BLOCK < blocks)
				return false;
			for (unsigned i = 0; i < blocks; i++)
				read_block(data + at + (size_t)i * BLOCK, fn, context);
		}
		data += length;
		size -= length;
	}
	return true;
}
