/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP segments as handlers see them (RFC 9293): what their headers say, whether that is right, and
 * how they are turned around; and a hash for what only we may know. */
#ifndef TCP_H
#define TCP_H

#include "handler.h"

#include "../include/flt/sip.h"

enum {
	TCP = 6,
	AT_TCP = 34,
	T_SEQUENCE = W_L4 + 2,
	T_ACK = W_L4 + 4,
	T_FLAGS = W_L4 + 6,
	T_WINDOW = W_L4 + 7,
	T_SUM = W_L4 + 8,
	T_URGENT = W_L4 + 9,
	T_OPTIONS = W_L4 + 10,
	FIN = 1,
	SYN = 2,
	RST = 4,
	PSH = 8,
	ACK = 16,
	ECE = 64,
	CWR = 128,
	HEADER_BYTES = 20,
	SCALE_MAX = 14,
};

/* SipHash of two words. */
static __always_inline __u64 sip(int each, int last, const __u64 key[2], __u64 one, __u64 two)
{
	return flt_sip_pair(each, last, key, one, two);
}

static __always_inline int header_bytes(const __u16 *w)
{
	return bpf_ntohs(w[T_FLAGS]) >> 12 << 2;
}

static __always_inline int flags_of(const __u16 *w)
{
	return bpf_ntohs(w[T_FLAGS]) & 0x3f;
}

/* Bytes of payload that the headers speak of; -1: they contradict each other. */
static __always_inline int segment_bytes(const __u16 *w)
{
	int header = header_bytes(w), n = bpf_ntohs(w[W_LENGTH]) - 20 - header;
	return header < HEADER_BYTES || n < 0 ? -1 : n;
}

static __always_inline long fit(struct xdp_md *context, __u32 header, __u32 n)
{
	return bpf_xdp_adjust_tail(context, (int)(AT_TCP + header + n - frame_bytes(context)));
}

/* A whole segment, without fragments and IP options, whose header lies in the frame. */
static __always_inline int is_segment(__u16 *w, const __u16 *end)
{
	return w + T_OPTIONS <= end && is_plain(w, TCP);
}

/* ---- Segments read once ---- */

/* A segment: its fields as they lie in the frame, and what they say. Whoever sends or moves nothing
 * but behind the TCP header has the frame's first bytes at `w` all the time. */
struct segment {
	__u16 *w;
	const __u8 *end;
	__u64 ends;    /* addresses, theirs first */
	__u64 numbers; /* theirs, the one that they acknowledge */
	__u64 rest;    /* flags, window, checksum, urgent pointer */
	__u32 ports;   /* theirs first */
	__u32 n, header, flags;
};

/* Behind a comparison with the packet's end: the pointer stays in the register in which it was
 * compared, whose loads and stores need no more care. */
#define STAY(pointer) asm volatile("" : "+r"(pointer))

/* Where paths meet: the verifier forgets what it knows of a number on each of them, and walks on
 * from there but once. `any` is a number of which it knows nothing. */
#define FORGET(number, any) asm volatile("%0 ^= %1; %0 ^= %1" : "+r"(number) : "r"((__u64)(any)))

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

static __always_inline __u64 halves(__u64 x)
{
	return (__u64)(__u32)x + (x >> 32);
}

/* Whether words of which that is the sum, not 0, are right (RFC 1071): it is a multiple of 0xffff,
 * of which the other factor is found by its inverse. */
static __always_inline int is_sum(__u64 sum)
{
	return sum * 0xfffefffefffeffff <= 0x0001000100010001;
}

/*
 * TCP's checksum is right, which covers all of the IP header that is looked at; or it is that of
 * the pseudo-header alone, as hosts leave it to a NIC that was never there. (Of frames that were
 * damaged on a wire, one in 2^16 passes by either rule.)
 */
static __always_inline int is_right(struct xdp_md *context, const struct segment *s)
{
	__u32 n = s->header + s->n;
	__u64 sum = halves(s->ends) + bpf_htons(TCP) + bpf_htons((__u16)n);
	if (is_sum(sum + (__u16) ~(s->rest >> 32)))
		return 1;
	if (n == HEADER_BYTES)
		sum += s->ports + halves(s->numbers) + halves(s->rest);
	else
		sum += (__u64)exo_sum(context, AT_TCP, n);
	return is_sum(sum);
}

/* An address that is some host's (RFC 1122, 3.2.1.3), and a frame that is for this MAC, of which
 * the upper two bytes may be anything. */
static __always_inline int is_between_hosts(const struct segment *s, __u64 mac)
{
	__u32 first = (__u8)s->ends;
	return first != 0 && first != 127 && first < 224 && (*quad_at(s->w, 0) ^ mac) << 16 == 0;
}

/* What a SYN offers. */
struct options {
	__u32 mss, scale; /* as they were where it says nothing; SCALE_MAX at most */
	__u32 stamp;
	__u32 seen; /* OPTION_STAMPS … */
};

enum {
	OPTION_STAMPS = 1,
	OPTION_SACK = 2,
	OPTION_SCALE = 4,
	/* Options as words. */
	WORD_SIZE = 0x0204, /* and the size */
	WORD_SCALE = 0x010303,
	WORD_STAMPS = 0x0101080a, /* RFC 7323, appendix A */
	WORD_SACK_STAMPS = 0x0402080a,
	WORD_SACK = 0x01010402,
	WORD_SACK_END = 0x04020000,
};

/* One word of options, but for timestamps; 0: it is of another layout. */
static __always_inline int take_option(__u32 word, struct options *o)
{
	if (word >> 16 == WORD_SIZE) {
		o->mss = word & 0xffff;
	} else if (word >> 8 == WORD_SCALE) {
		o->scale = (word & 0xff) < SCALE_MAX ? word & 0xff : SCALE_MAX;
		o->seen |= OPTION_SCALE;
	} else if (word == WORD_SACK) {
		o->seen |= OPTION_SACK;
	} else {
		return 0;
	}
	return 1;
}

/* The options of a SYN in the layouts that hosts use, word by word. 0: another one. */
static __always_inline int walk_options(const struct segment *s, struct options *o)
{
	__u32 header = s->header; /* of which more will be known on each path */
	FORGET(header, s->ports);
	for (__u32 at = HEADER_BYTES; at < 60 && at < header; at += 4) {
		__u32 *option = (__u32 *)((__u8 *)s->w + AT_TCP + at), word;
		if ((__u8 *)(option + 1) > s->end)
			return 0;
		word = bpf_ntohl(*option);
		if (word == WORD_SACK_STAMPS || word == WORD_STAMPS) {
			if ((__u8 *)(option + 2) > s->end)
				return 0;
			o->stamp = bpf_ntohl(option[1]);
			o->seen |= OPTION_STAMPS;
			o->seen |= word == WORD_SACK_STAMPS ? OPTION_SACK : 0;
			at += 8;
		} else if (word == WORD_SACK_END || word == 0) {
			o->seen |= word == 0 ? 0 : OPTION_SACK;
			return 1;
		} else if (!take_option(word, o)) {
			return 0;
		}
	}
	return 1;
}

/* Linux': size, selective acknowledgements and timestamps, scale. 0: others. */
static __always_inline int take_usual(const struct segment *s, struct options *o)
{
	__u32 *option = (__u32 *)(s->w + T_OPTIONS);
	if (s->header != 40 || (__u8 *)(option + 5) > s->end)
		return 0;
	STAY(option);
	if ((option[0] & 0xffff) != bpf_htons(WORD_SIZE) ||
	    option[1] != bpf_htonl(WORD_SACK_STAMPS) ||
	    (option[4] & 0xffffff) != bpf_htonl(WORD_SCALE << 8))
		return 0;
	o->mss = bpf_ntohl(option[0]) & 0xffff;
	o->stamp = bpf_ntohl(option[2]);
	o->scale = option[4] >> 24;
	o->scale = o->scale < SCALE_MAX ? o->scale : SCALE_MAX;
	o->seen = OPTION_STAMPS | OPTION_SACK | OPTION_SCALE;
	return 1;
}

static __always_inline int take_options(const struct segment *s, struct options *o)
{
	int known = take_usual(s, o) || walk_options(s, o);
	FORGET(o->seen, s->ports);
	FORGET(o->scale, s->ports);
	return known;
}

/* Turns the frame's headers around: from the MAC in `from`, whose upper two bytes are IPv4's
 * EtherType, with these numbers. `sum` is that of what stands behind the first 20 bytes of TCP
 * header; flags and window stand in `first` as in a frame, with room for the header's size. */
static __always_inline void turn(const struct segment *s, __u64 from, __u32 first, __u64 numbers,
                                 __u32 header, __u32 n, __u64 sum)
{
	__u64 ends = halves(s->ends), length = bpf_htons((__u16)(20 + header + n)), ip;
	__u16 *w = s->w;
	first |= header << 2;
	*quad_at(w, 0) = *quad_at(w, 3); /* two bytes of which are overwritten */
	*quad_at(w, 3) = from;
	*quad_at(w, W_IP) = bpf_htons(0x4500) | length << 16 | (__u64)bpf_htons(0x4000) << 48;
	ip = ends + length + bpf_htons(0x4500) + bpf_htons(0x4000) + bpf_htons(64 << 8 | TCP);
	*quad_at(w, W_TTL) =
	        bpf_htons(64 << 8 | TCP) | (__u64)(__u16)~fold_36(ip) << 16 | s->ends >> 32 << 32;
	*quad_at(w, W_TARGET) =
	        (__u32)s->ends | (__u64)(s->ports >> 16) << 32 | (__u64)s->ports << 48;
	*quad_at(w, T_SEQUENCE) = numbers;
	sum += ends + s->ports + halves(numbers) + first + bpf_htons(TCP) +
	       bpf_htons((__u16)(header + n));
	*quad_at(w, T_FLAGS) = first | (__u64)(__u16)~fold_36(sum) << 32;
}

#endif
