/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rewriting addresses on the way out, so that one trace stands for many hosts. Equal addresses
 * become equal ones, so flows stay flows; each further pass over the trace shifts within ranges, so
 * that it makes new flows. Checksums are adjusted (RFC 1624): right ones stay right, wrong ones
 * wrong.
 *
 * Rules, as people write them (KEY=VALUE, separated by blanks or commas, or one at a time):
 *
 *   src-mac= dst-mac=    an address, or FIRST-LAST
 *   vlan=                an id or FIRST-LAST (a tag is added where there is none), or `none`
 *   src-ip=  dst-ip=     NET/LEN (the prefix is replaced, the host's bits stay), an address, or
 *                        FIRST-LAST; one rule for IPv4 and one for IPv6; ARP's addresses follow
 *   src-port= dst-port=  of TCP and UDP: a port, or FIRST-LAST
 */
#ifndef REPLAY_ENGINE_REWRITE_H
#define REPLAY_ENGINE_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REWRITE_SOURCE = 0, /* indices of the arrays below */
	REWRITE_DESTINATION = 1,
	REWRITE_GROWTH = 4, /* bytes that a frame may grow by */
};

typedef unsigned __int128 rewrite_address; /* a number, low bits last; IPv4 in its low 32 */

/* new = first + (old & kept) where prefix; else first + (old + pass) mod count. */
struct rewrite_rule {
	bool on, prefix;
	rewrite_address first, kept;
	uint64_t count;
};

struct rewrite {
	bool any, strip_tags;
	struct rewrite_rule mac[2], ipv4[2], ipv6[2], port[2], vlan;
};

/* Adds the rules of a text. 0, or -1: error (a buffer of size) says what is wrong with which. */
int rewrite_parse(struct rewrite *rewrite, const char *text, char *error, size_t size);

/* Bytes that the frame will have. frame has at least an Ethernet header. */
uint32_t rewrite_size(const struct rewrite *rewrite, const uint8_t *frame, uint32_t length);

/* Writes the rewritten frame, rewrite_size bytes, to out; `pass` counts passes from 0. */
void rewrite_apply(const struct rewrite *rewrite, uint64_t pass, uint8_t *out, const uint8_t *frame,
                   uint32_t length);

#endif
