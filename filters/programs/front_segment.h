/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments as front.c sees them: what their headers say, whether that is right, and how they are
 * turned around. */
#ifndef FRONT_SEGMENT_H
#define FRONT_SEGMENT_H

#include "../include/handlers/front.h"
#include "tcp.h"

enum {
	NO_SCALE = 15,
	MSS_DEFAULT = 536,
	SCALE_MAX = 14,
};

struct front_rules rules SEC(".data.rules") = {.period = 0};

struct record;

/* A segment: its fields as they lie in the frame, and what they say. Whoever sends or moves nothing
 * but behind the TCP header has the frame's first bytes at `w` all the time. */
struct segment {
	__u16 *w;
	const __u8 *end;
	struct record *r;
	__u64 kept;    /* the record's `who` when the segment came */
	__u64 tag;     /* where the peer's stands in one */
	__u64 ends;    /* addresses, theirs first */
	__u64 numbers; /* theirs, the one that they acknowledge */
	__u64 next;    /* the record's, as `kept` */
	__u64 rest;    /* flags, window, checksum, urgent pointer */
	__u32 ports;   /* theirs first */
	__u32 n, header;
	__u32 place; /* the record's number */
	__u32 flags, state;
};

/* Behind a comparison with the packet's end: the pointer stays in the register in which it was
 * compared, whose loads and stores need no more care. */
#define STAY(pointer) asm volatile("" : "+r"(pointer))

static __always_inline __u64 *quad_at(__u16 *words, int i)
{
	return (__u64 *)(words + i);
}

static __always_inline __u32 first_of(__u64 numbers)
{
	return bpf_ntohl((__u32)numbers);
}

static __always_inline __u32 second_of(__u64 numbers)
{
	return bpf_ntohl((__u32)(numbers >> 32));
}

static __always_inline __u64 pair(__u32 first, __u32 second)
{
	return bpf_htonl(first) | (__u64)bpf_htonl(second) << 32;
}

/* The other way round: as our next segment has them. */
static __always_inline __u64 turned(__u64 numbers)
{
	return numbers >> 32 | numbers << 32;
}

static __always_inline int before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

/* ---- In ---- */

static __always_inline __u64 sum_of_ends(const struct segment *s)
{
	return (__u64)(__u32)s->ends + (s->ends >> 32);
}

/*
 * TCP's checksum is right, which covers all of the IP header that is looked at; or it is that of
 * the pseudo-header alone, as hosts leave it to a NIC that was never there. (Of frames that were
 * damaged on a wire, one in 2^16 passes by either rule.)
 */
static __always_inline int is_right(struct xdp_md *context, const struct segment *s)
{
	__u32 n = s->header + s->n;
	__u64 sum = sum_of_ends(s) + bpf_htons(TCP) + bpf_htons((__u16)n);
	if ((__u16)(s->rest >> 32) == fold_64(sum))
		return 1;
	if (n == HEADER_BYTES)
		sum += s->ports + (__u64)(__u32)s->numbers + (s->numbers >> 32) + (__u32)s->rest +
		       (s->rest >> 32);
	else
		sum += (__u64)exo_sum(context, AT_TCP, n);
	return fold_64(sum) == 0xffff;
}

/* An address that is some host's (RFC 1122, 3.2.1.3), and a frame that is for this one. */
static __always_inline int is_between_hosts(const struct segment *s)
{
	__u32 first = (__u8)s->ends;
	return first != 0 && first != 127 && first < 224 &&
	       (*quad_at(s->w, 0) ^ *(const __u64 *)rules.from) << 16 == 0;
}

struct options {
	__u32 mss, scale;
};

/* The options of a SYN in the layouts that hosts use, word by word. 0: another one. */
static __always_inline int walk_options(const struct segment *s, struct options *o)
{
	for (__u32 at = HEADER_BYTES; at < 60 && at < s->header; at += 4) {
		__u32 *option = (__u32 *)((__u8 *)s->w + AT_TCP + at), word;
		if ((__u8 *)(option + 1) > s->end)
			return 0;
		word = bpf_ntohl(*option);
		if (word >> 16 == 0x0204)
			o->mss = word & 0xffff;
		else if (word >> 8 == 0x010303)
			o->scale = word & 0xff;
		else if (word == 0x0402080a || word == 0x0101080a)
			at += 8; /* timestamps */
		else if (word == 0x04020000 || word == 0)
			return 1;
		else if (word != 0x01010402)
			return 0;
	}
	return 1;
}

static __always_inline int take_options(const struct segment *s, struct options *o)
{
	__u32 *option = (__u32 *)(s->w + T_OPTIONS);
	int known;
	/* Linux': size, selective acknowledgements and timestamps, scale. */
	if (s->header == 40 && (__u8 *)(option + 5) <= s->end) {
		STAY(option);
		if ((option[0] & 0xffff) == bpf_htons(0x0204) &&
		    option[1] == bpf_htonl(0x0402080a) && (option[4] & 0xffffff) == 0x030301) {
			o->mss = bpf_ntohl(option[0]) & 0xffff;
			o->scale = option[4] >> 24;
			o->scale = o->scale < SCALE_MAX ? o->scale : SCALE_MAX;
			return 1;
		}
	}
	o->mss = MSS_DEFAULT;
	o->scale = NO_SCALE;
	known = walk_options(s, o);
	if (o->scale != NO_SCALE && o->scale > SCALE_MAX)
		o->scale = SCALE_MAX;
	return known;
}

/* ---- Out ---- */

/* Turns the frame's headers around, with these numbers: `sum` is that of what stands behind the
 * first 20 bytes of TCP header. */
static __always_inline void turn(const struct segment *s, __u32 flags, __u64 numbers, __u32 header,
                                 __u32 n, __u64 sum)
{
	__u64 ends = sum_of_ends(s), length = bpf_htons((__u16)(20 + header + n)), ip;
	__u32 first = bpf_htons((__u16)(header >> 2 << 12 | flags)) | (__u32)bpf_htons(rules.window)
	                                                                      << 16;
	__u16 *w = s->w;
	*quad_at(w, 0) = *quad_at(w, 3); /* two bytes of which are overwritten */
	*quad_at(w, 3) = *(const __u64 *)rules.from;
	*quad_at(w, W_IP) = bpf_htons(0x4500) | length << 16 | (__u64)bpf_htons(0x4000) << 48;
	ip = ends + length + bpf_htons(0x4500) + bpf_htons(0x4000) + bpf_htons(64 << 8 | TCP);
	*quad_at(w, W_TTL) =
	        bpf_htons(64 << 8 | TCP) | (__u64)(__u16)~fold_64(ip) << 16 | s->ends >> 32 << 32;
	*quad_at(w, W_TARGET) =
	        (__u32)s->ends | (__u64)(s->ports >> 16) << 32 | (__u64)s->ports << 48;
	*quad_at(w, T_SEQUENCE) = numbers;
	sum += ends + s->ports + (__u32)numbers + (numbers >> 32) + first + bpf_htons(TCP) +
	       bpf_htons((__u16)(header + n));
	*quad_at(w, T_FLAGS) = first | (__u64)(__u16)~fold_64(sum) << 32;
}

#endif
