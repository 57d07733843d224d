/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcapng's blocks: type, length, body, options, the length again. Numbers of blocks and options
 * are the draft's.
 */
#include <stdbool.h>
#include <string.h>

#include "pcapng.h"

enum {
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	STATISTICS = 5,
	PACKET = 6,
	ORDER = 0x1a2b3c4d,
	ETHERNET = 1, /* link type */

	END = 0,
	COMMENT = 1,
	SECTION_HARDWARE = 2,
	SECTION_SYSTEM = 3,
	SECTION_PROGRAM = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_MAC = 6,
	INTERFACE_SPEED = 8,
	INTERFACE_RESOLUTION = 9,
	INTERFACE_FILTER = 11,
	INTERFACE_HARDWARE = 15,
	PACKET_FLAGS = 2,
	PACKET_MISSED = 4,
	STATISTICS_START = 2,
	STATISTICS_END = 3,
	STATISTICS_DROPPED_BELOW = 5,
	STATISTICS_ACCEPTED = 6,
	STATISTICS_DROPPED_HERE = 7,
	STATISTICS_DELIVERED = 8,

	RESOLUTION_NS = 9, /* negative power of ten */
	FILTER_TEXT = 0,   /* a libpcap expression follows */
};

/* A block that grows; what finds no room makes it `full`. */
struct block {
	uint8_t *to;
	uint32_t room, used;
	bool full;
};

static void put(struct block *block, const void *bytes, uint32_t size)
{
	uint32_t padded = (size + 3) & ~3u;

	if (block->full || padded < size || block->room - block->used < padded) {
		block->full = true;
		return;
	}
	if (size > 0)
		memcpy(block->to + block->used, bytes, size);
	memset(block->to + block->used + size, 0, padded - size);
	block->used += padded;
}

static void put32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

/* Timestamps have their upper half first. */
static void put_time(struct block *block, uint64_t ns)
{
	put32(block, (uint32_t)(ns >> 32));
	put32(block, (uint32_t)ns);
}

static void put_option(struct block *block, uint16_t code, const void *value, uint16_t size)
{
	const uint16_t head[2] = {code, size};

	put(block, head, sizeof(head));
	put(block, value, size);
}

static uint16_t text_size(const char *text)
{
	return text == NULL ? 0 : (uint16_t)strnlen(text, PCAPNG_TEXT_MAX);
}

static void put_text(struct block *block, uint16_t code, const char *text)
{
	if (text_size(text) > 0)
		put_option(block, code, text, text_size(text));
}

static void put_count(struct block *block, uint16_t code, uint64_t count)
{
	put_option(block, code, &count, sizeof(count));
}

static void put_instant(struct block *block, uint16_t code, uint64_t ns)
{
	const uint32_t halves[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};

	put_option(block, code, halves, sizeof(halves));
}

static struct block begin(void *to, uint32_t room, uint32_t type)
{
	struct block block = {.to = to, .room = room};

	put32(&block, type);
	put32(&block, 0); /* the length, once it is known */
	return block;
}

static uint32_t end(struct block *block, bool options)
{
	uint32_t length;

	if (options)
		put32(block, END);
	length = block->used + (uint32_t)sizeof(length);
	put32(block, length);
	if (block->full)
		return 0;
	memcpy(block->to + 4, &length, sizeof(length));
	return length;
}

uint32_t pcapng_section(void *to, uint32_t room, const char *hardware, const char *system,
                        const char *program, const char *comment)
{
	static const uint16_t version[2] = {1, 0};
	static const int64_t unknown = -1; /* the section's length */
	struct block block = begin(to, room, SECTION);

	put32(&block, ORDER);
	put(&block, version, sizeof(version));
	put(&block, &unknown, sizeof(unknown));
	put_text(&block, COMMENT, comment);
	put_text(&block, SECTION_HARDWARE, hardware);
	put_text(&block, SECTION_SYSTEM, system);
	put_text(&block, SECTION_PROGRAM, program);
	return end(&block, true);
}

/* The expression, behind a byte that says what it is. */
static void put_filter(struct block *block, const char *filter)
{
	uint8_t value[1 + PCAPNG_TEXT_MAX] = {FILTER_TEXT};
	uint16_t size = text_size(filter);

	if (size == 0)
		return;
	memcpy(value + 1, filter, size);
	put_option(block, INTERFACE_FILTER, value, size + 1);
}

uint32_t pcapng_interface(void *to, uint32_t room, const struct pcapng_interface *interface)
{
	static const uint8_t resolution = RESOLUTION_NS;
	struct block block = begin(to, room, INTERFACE);

	put32(&block, ETHERNET);
	put32(&block, interface->snap);
	put_text(&block, COMMENT, interface->comment);
	put_text(&block, INTERFACE_NAME, interface->name);
	put_text(&block, INTERFACE_DESCRIPTION, interface->description);
	if (interface->mac != NULL)
		put_option(&block, INTERFACE_MAC, interface->mac, 6);
	if (interface->bits_per_second > 0)
		put_count(&block, INTERFACE_SPEED, interface->bits_per_second);
	put_option(&block, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	put_filter(&block, interface->filter);
	put_text(&block, INTERFACE_HARDWARE, interface->hardware);
	return end(&block, true);
}

uint32_t pcapng_packet(void *to, uint32_t room, const struct pcapng_packet *packet)
{
	struct block block = begin(to, room, PACKET);
	uint32_t flags = packet->direction;
	bool options = flags != 0 || packet->missed > 0 || text_size(packet->comment) > 0;

	put32(&block, packet->interface);
	put_time(&block, packet->time_ns);
	put32(&block, packet->captured);
	put32(&block, packet->length);
	put(&block, packet->data, packet->captured);
	put_text(&block, COMMENT, packet->comment);
	if (flags != 0)
		put_option(&block, PACKET_FLAGS, &flags, sizeof(flags));
	if (packet->missed > 0)
		put_count(&block, PACKET_MISSED, packet->missed);
	return end(&block, options);
}

uint32_t pcapng_statistics(void *to, uint32_t room, const struct pcapng_statistics *statistics)
{
	struct block block = begin(to, room, STATISTICS);

	put32(&block, statistics->interface);
	put_time(&block, statistics->time_ns);
	put_instant(&block, STATISTICS_START, statistics->start_ns);
	put_instant(&block, STATISTICS_END, statistics->time_ns);
	put_count(&block, STATISTICS_DROPPED_BELOW, statistics->dropped_below);
	put_count(&block, STATISTICS_ACCEPTED, statistics->received);
	put_count(&block, STATISTICS_DROPPED_HERE, statistics->dropped_here);
	put_count(&block, STATISTICS_DELIVERED, statistics->delivered);
	return end(&block, true);
}
