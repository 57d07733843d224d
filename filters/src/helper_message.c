/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers for messages: parts of a packet to and from memory that an environment has pinned (an
 * arena), one's complement sums (RFC 1071) on the way, ranges swapped. Offsets and sizes are the
 * program's and hostile: what does not fit returns -EINVAL (a packet) or -EFAULT (an arena), and
 * nothing has been changed then.
 */
#include "helper.h"

#include "map_internal.h"
#include "program_internal.h"

enum {
	HELP_EFAULT = -14,
	HELP_EINVAL = -22,
	SIZE_MAX_MESSAGE = 0xffff,
	SWAP_MAX = 64,
	ETHERNET_HEADER = 14, /* what must be left of a packet */
};

static uint64_t result(int value)
{
	return (uint64_t)(int64_t)value;
}

static void *pointer(uint64_t value)
{
	return (void *)(uintptr_t)value;
}

/* The packet's bytes [offset, offset + size); NULL: it has not so many. */
static uint8_t *packet_part(uint64_t context, uint64_t offset, uint64_t size)
{
	const struct flt_xdp_buff *buff = pointer(context);
	uint64_t length = (uint64_t)(buff->data_end - buff->data);
	if (size > SIZE_MAX_MESSAGE || size > length || offset > length - size)
		return NULL;
	return buff->data + offset;
}

/* The sum so far, less than 2^32 whatever the length, of bytes that begin at an even place. */
static uint64_t add_bytes(uint64_t sum, const uint8_t *p, uint64_t size)
{
	for (; size >= 8; p += 8, size -= 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		sum += (word >> 32) + (uint32_t)word;
	}
	for (; size >= 2; p += 2, size -= 2) {
		uint16_t word;
		memcpy(&word, p, 2);
		sum += word;
	}
	return size ? sum + *p : sum;
}

static uint64_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Copies between an arena and other memory, frame by frame; *sum is that of what was copied. */
static bool copy(struct flt_map *map, uint64_t offset, uint8_t *other, uint64_t size, bool in,
                 uint64_t *sum)
{
	if (!flt_map_arena_holds(map, offset, size))
		return false;
	for (bool odd = false; size;) {
		uint64_t part = FLT_MAP_FRAME - offset % FLT_MAP_FRAME, piece;
		uint8_t *here = flt_map_arena_at(map, offset);
		part = part < size ? part : size;
		memcpy(in ? here : other, in ? other : here, part);
		piece = fold(add_bytes(0, other, part));
		*sum += odd ? (piece >> 8 | (piece & 0xff) << 8) : piece;
		odd ^= part & 1;
		offset += part;
		other += part;
		size -= part;
	}
	return true;
}

/* Records: whole words, few of them. */
static inline void copy_words(uint8_t *to, const uint8_t *from, uint64_t size)
{
	for (; size >= 32; to += 32, from += 32, size -= 32)
		memcpy(to, from, 32);
	for (; size >= 8; to += 8, from += 8, size -= 8)
		memcpy(to, from, 8);
	for (; size; size--)
		*to++ = *from++;
}

uint64_t flt_help_arena_write(uint64_t map, uint64_t offset, uint64_t from, uint64_t size,
                              uint64_t r5)
{
	uint8_t *here = flt_map_arena_part(pointer(map), offset, size);
	uint64_t sum = 0;
	if (here) {
		copy_words(here, pointer(from), size);
		return 0;
	}
	return copy(pointer(map), offset, pointer(from), size, true, &sum) ? 0
	                                                                   : result(HELP_EFAULT);
}

uint64_t flt_help_arena_read(uint64_t map, uint64_t offset, uint64_t to, uint64_t size, uint64_t r5)
{
	const uint8_t *here = flt_map_arena_part(pointer(map), offset, size);
	uint64_t sum = 0;
	if (here) {
		copy_words(pointer(to), here, size);
		return 0;
	}
	if (copy(pointer(map), offset, pointer(to), size, false, &sum))
		return 0;
	memset(pointer(to), 0, size);
	return result(HELP_EFAULT);
}

uint64_t flt_help_arena_store(uint64_t map, uint64_t offset, uint64_t context, uint64_t at,
                              uint64_t size)
{
	uint8_t *part = packet_part(context, at, size);
	uint64_t sum = 0;
	if (!part)
		return result(HELP_EINVAL);
	return copy(pointer(map), offset, part, size, true, &sum) ? fold(sum) : result(HELP_EFAULT);
}

uint64_t flt_help_arena_load(uint64_t map, uint64_t offset, uint64_t context, uint64_t at,
                             uint64_t size)
{
	uint8_t *part = packet_part(context, at, size);
	uint64_t sum = 0;
	if (!part)
		return result(HELP_EINVAL);
	return copy(pointer(map), offset, part, size, false, &sum) ? fold(sum)
	                                                           : result(HELP_EFAULT);
}

/* Ends the packet behind its first `at` bytes and `size` bytes of the arena. Nobody sums them. */
uint64_t flt_help_arena_tail(uint64_t map, uint64_t offset, uint64_t context, uint64_t at,
                             uint64_t size)
{
	struct flt_xdp_buff *buff = pointer(context);
	uint8_t *to = packet_part(context, at, 0);
	if (!to || at < ETHERNET_HEADER || size > (uint64_t)(buff->hard_end - to))
		return result(HELP_EINVAL);
	if (!flt_map_arena_holds(pointer(map), offset, size))
		return result(HELP_EFAULT);
	buff->data_end = to + size;
	while (size) {
		uint64_t part = FLT_MAP_FRAME - offset % FLT_MAP_FRAME;
		part = part < size ? part : size;
		memcpy(to, flt_map_arena_at(pointer(map), offset), part);
		offset += part;
		to += part;
		size -= part;
	}
	return 0;
}

/* The one's complement sum of the packet's bytes, as they would be added to a checksum in the
 * machine's own order: 0 … 0xffff. */
uint64_t flt_help_sum(uint64_t context, uint64_t at, uint64_t size, uint64_t r4, uint64_t r5)
{
	const uint8_t *part = packet_part(context, at, size);
	return part ? fold(add_bytes(0, part, size)) : result(HELP_EINVAL);
}

/* Exchanges two ranges of the packet that do not overlap, of at most 64 bytes. */
uint64_t flt_help_swap(uint64_t context, uint64_t a, uint64_t b, uint64_t size, uint64_t r5)
{
	uint8_t *one = packet_part(context, a, size), *other = packet_part(context, b, size);
	uint8_t kept[SWAP_MAX];
	if (!one || !other || size > SWAP_MAX || (a < b ? b - a : a - b) < size)
		return result(HELP_EINVAL);
	memcpy(kept, one, size);
	memcpy(one, other, size);
	memcpy(other, kept, size);
	return 0;
}
