/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sample programs share: headers, and reading a packet with a cursor. */
#ifndef XDP_COMMON_H
#define XDP_COMMON_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifndef NULL
#define NULL ((void *)0)
#endif

/* linux/icmp.h wants a C library for the target, which has none. */
enum { ICMP_ECHOREPLY = 0, ICMP_ECHO = 8 };

struct icmphdr {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 id;
	__be16 sequence;
};

struct vlan_header {
	__be16 control;
	__be16 type;
};

struct cursor {
	void *at;
	void *end;
};

static __always_inline void cursor_open(struct cursor *c, struct xdp_md *context)
{
	c->at = (void *)(long)context->data;
	c->end = (void *)(long)context->data_end;
}

static __always_inline void *cursor_take(struct cursor *c, __u32 size)
{
	void *here = c->at;
	if (here + size > c->end)
		return NULL;
	c->at = here + size;
	return here;
}

#endif
