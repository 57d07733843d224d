/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What handlers share: Linux's context and helpers, Sluice's own helpers (flt/program.h says what a
 * handler is, exo/ext.h what becomes of its result), and a packet as 16-bit words in network order,
 * which compilers for BPF read without doubt about alignment.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* An arena: frames of the environment's own; max_entries of them. Variables in section ".bss.arena"
 * are another, which is read and written like others; its environment, and other cores, write it at
 * any time, so whatever is looked at twice may have changed. */
#define MAP_TYPE_ARENA 33

/* Copy between an arena and memory; 0, or -EFAULT where the arena has not so many bytes. */
static long (*exo_arena_write)(void *arena, __u64 offset, const void *from,
                               __u64 size) = (void *)0x7801;
static long (*exo_arena_read)(void *arena, __u64 offset, void *to, __u64 size) = (void *)0x7802;
/* Move `size` bytes of the packet to the arena, and back: the one's complement sum of them, or
 * -EFAULT, -EINVAL. */
static long (*exo_arena_store)(void *arena, __u64 offset, struct xdp_md *context, __u64 at,
                               __u64 size) = (void *)0x7803;
static long (*exo_arena_load)(void *arena, __u64 offset, struct xdp_md *context, __u64 at,
                              __u64 size) = (void *)0x7804;
/* The one's complement sum (RFC 1071) of part of the packet, in the packet's byte order. */
static long (*exo_sum)(struct xdp_md *context, __u64 at, __u64 size) = (void *)0x7805;
/* Ends the packet behind its first `at` bytes, 14 at least, and `size` bytes of the arena. 0,
 * -EINVAL, -EFAULT. */
static long (*exo_arena_tail)(void *arena, __u64 offset, struct xdp_md *context, __u64 at,
                              __u64 size) = (void *)0x7807;
/* Exchanges two parts of the packet of at most 64 bytes each. */
static long (*exo_swap)(struct xdp_md *context, __u64 a, __u64 b, __u64 size) = (void *)0x7806;

/* Added to a result: EXO_EVENT_HANDLER for the environment; the transport checksum of what is sent
 * is complete. */
enum { WAKE = 0x100, SUMMED = 0x800 };

/* Words of an Ethernet frame with IPv4 in it (RFC 791, header without options). */
enum {
	W_TYPE = 6,
	W_IP = 7,
	W_LENGTH = 8,
	W_FRAGMENT = 10,
	W_TTL = 11,
	W_IP_SUM = 12,
	W_SOURCE = 13,
	W_TARGET = 15,
	W_L4 = 17,
};

static __always_inline long frame_bytes(struct xdp_md *context)
{
	long n = (char *)(long)context->data_end - (char *)(long)context->data;
	/* A number from here on: the compiler would compute with negated pointers. */
	asm volatile("" : "+r"(n));
	return n;
}

static __always_inline __u32 *long_at(__u16 *words, int i)
{
	return (__u32 *)(words + i);
}

static __always_inline __u64 *quad_at(__u16 *words, int i)
{
	return (__u64 *)(words + i);
}

static __always_inline __u32 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Of less than 2^36: of words of four bytes, and a few more. */
static __always_inline __u16 fold_36(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)(sum + (sum >> 16));
}

/* RFC 1624: the checksum of what was summed up when one word of it has changed. */
static __always_inline __u16 change_sum(__u16 sum, __u16 from, __u16 to)
{
	return (__u16)~fold((__u16)~sum + (__u32)(__u16)~from + to);
}

static __always_inline void swap_ethernet(__u16 *w)
{
	__u32 four = *long_at(w, 0);
	__u16 two = w[2];
	*long_at(w, 0) = *long_at(w, 3);
	w[2] = w[5];
	*long_at(w, 3) = four;
	w[5] = two;
}

/* Back to where it came from, as new; the header's sum with it, where that is news. */
static __always_inline void swap_ip(__u16 *w)
{
	__u32 source = *long_at(w, W_SOURCE);
	__u16 ttl, fresh;
	*long_at(w, W_SOURCE) = *long_at(w, W_TARGET);
	*long_at(w, W_TARGET) = source;
	if (*(__u8 *)(w + W_TTL) == 64)
		return;
	ttl = w[W_TTL];
	fresh = (__u16)((ttl & bpf_htons(0xff)) | bpf_htons(64 << 8));
	w[W_IP_SUM] = change_sum(w[W_IP_SUM], ttl, fresh);
	w[W_TTL] = fresh;
}

/* Whether who speaks from that UDP port, as in a frame, is one of the old small services, which
 * answer whatever comes: two would never end (CERT CA-1996-01). */
static __always_inline int may_loop(__u16 port)
{
	__u32 number = bpf_ntohs(port), old = 1 << 7 | 1 << 13 | 1 << 17 | 1 << 19;
	return number < 20 && old >> number & 1;
}

/* A whole datagram of that protocol, in a header without options, to this machine alone: type and
 * version with length; offset and flags with protocol. */
static __always_inline int is_plain(__u16 *w, __u8 protocol)
{
	return (*long_at(w, W_TYPE) & bpf_htonl(0xffffff00)) == bpf_htonl(0x08004500) &&
	       (*long_at(w, W_FRAGMENT) & bpf_htonl(0x3fff00ff)) == bpf_htonl(protocol) &&
	       !(*long_at(w, 0) & bpf_htonl(0x01000000));
}

#endif
