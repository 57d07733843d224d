/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which frames are fragments, and of what: RFC 791 section 3.2, RFC 8200 sections 4.1 and 4.5,
 * IEEE 802.1Q tags.
 */
#include <flt/fragment.h>

#include "internal.h"

enum {
	TYPE_OFFSET = 12,
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_SERVICE_VLAN = 0x88a8,
	TAGS_MAX = 2,
	NO_TAG = 0xffff,

	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	FRAGMENT_HEADER = 8,
	EXTENSIONS_MAX = 8,

	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_DESTINATION = 60,
};

static bool has(const struct flt_frame *frame, uint32_t at, uint32_t bytes)
{
	return at <= frame->len && frame->len - at >= bytes;
}

/* The type behind the tags; *at becomes the offset of what follows it. 0: none. */
static uint32_t find_type(const struct flt_frame *frame, uint16_t tags[TAGS_MAX], uint32_t *at)
{
	*at = TYPE_OFFSET;
	tags[0] = tags[1] = NO_TAG;
	for (uint32_t n = 0; has(frame, *at, 2); n++) {
		uint32_t type = flt_be16(frame->data + *at);
		*at += 2;
		if ((type != TYPE_VLAN && type != TYPE_SERVICE_VLAN) || n == TAGS_MAX)
			return type;
		if (!has(frame, *at, 2))
			return 0;
		tags[n] = flt_be16(frame->data + *at) & 0xfff;
		*at += 2;
	}
	return 0;
}

static enum flt_fragment_part part_of(uint32_t offset, bool more)
{
	if (offset)
		return FLT_FRAGMENT_LATER;
	return more ? FLT_FRAGMENT_FIRST : FLT_FRAGMENT_NONE;
}

static enum flt_fragment_part parse4(const struct flt_frame *frame, uint32_t at,
                                     struct flt_fragment *out)
{
	const uint8_t *ip = frame->data + at;
	if (!has(frame, at, IPV4_HEADER) || ip[0] >> 4 != 4)
		return FLT_FRAGMENT_NONE;
	uint32_t field = flt_be16(ip + 6);
	enum flt_fragment_part part = part_of(field & 0x1fff, field & 0x2000);
	if (part == FLT_FRAGMENT_NONE)
		return part;
	out->header = out->next = 0;
	out->id.version = 4;
	out->id.protocol = ip[9];
	out->id.identification = flt_be16(ip + 4);
	memcpy(out->id.source, ip + 12, 4);
	memcpy(out->id.target, ip + 16, 4);
	return part;
}

/* The fragment header's offset; 0: there is none. *next: what announced it. */
static uint32_t find_fragment_header(const struct flt_frame *frame, uint32_t ip, uint32_t *next)
{
	uint32_t at = ip + IPV6_HEADER;
	*next = ip + 6;
	for (uint32_t i = 0; i < EXTENSIONS_MAX; i++) {
		uint32_t type = frame->data[*next];
		if (type == NEXT_FRAGMENT)
			return has(frame, at, FRAGMENT_HEADER) ? at : 0;
		if ((type != NEXT_HOP_BY_HOP && type != NEXT_ROUTING && type != NEXT_DESTINATION) ||
		    !has(frame, at, 2))
			return 0;
		*next = at;
		at += 8 * (frame->data[at + 1] + 1u);
	}
	return 0;
}

static enum flt_fragment_part parse6(const struct flt_frame *frame, uint32_t at,
                                     struct flt_fragment *out)
{
	const uint8_t *ip = frame->data + at;
	if (!has(frame, at, IPV6_HEADER) || ip[0] >> 4 != 6)
		return FLT_FRAGMENT_NONE;
	out->header = find_fragment_header(frame, at, &out->next);
	if (!out->header)
		return FLT_FRAGMENT_NONE;
	const uint8_t *header = frame->data + out->header;
	uint32_t field = flt_be16(header + 2);
	out->id.version = 6;
	out->id.protocol = 0; /* RFC 8200: not part of what identifies the datagram */
	out->id.identification = flt_be32(header + 4);
	memcpy(out->id.source, ip + 8, 16);
	memcpy(out->id.target, ip + 24, 16);
	return part_of(field & 0xfff8, field & 1);
}

enum flt_fragment_part flt_fragment_parse(const struct flt_frame *frame, struct flt_fragment *out)
{
	uint16_t tags[TAGS_MAX];
	uint32_t at, type = find_type(frame, tags, &at);
	if (type != TYPE_IPV4 && type != TYPE_IPV6)
		return FLT_FRAGMENT_NONE;
	memset(&out->id, 0, sizeof(out->id));
	memcpy(out->id.tags, tags, sizeof(tags));
	out->id.port = (uint16_t)frame->port;
	return type == TYPE_IPV4 ? parse4(frame, at, out) : parse6(frame, at, out);
}

struct flt_frame flt_fragment_whole(const struct flt_frame *frame,
                                    const struct flt_fragment *fragment, void *room)
{
	struct flt_frame whole = *frame;
	uint8_t *bytes = room;
	if (!fragment->header)
		return whole;
	uint32_t behind = fragment->header + FRAGMENT_HEADER;
	uint8_t announced = frame->data[fragment->header];
	memmove(bytes, frame->data, fragment->header);
	memmove(bytes + fragment->header, frame->data + behind, frame->len - behind);
	bytes[fragment->next] = announced;
	whole.data = bytes;
	whole.len -= FRAGMENT_HEADER;
	whole.wire_len -= FRAGMENT_HEADER;
	return whole;
}
