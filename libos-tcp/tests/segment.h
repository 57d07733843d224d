/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments on the virtual wire: what one says, and one that nobody sent. */
#ifndef TCP_TEST_SEGMENT_H
#define TCP_TEST_SEGMENT_H

#include <udp/address.h>

/* The window scale option of a SYN; 255: there is none. */
uint8_t segment_scale(const uint8_t *at, const uint8_t *end);
/* Makes it one with fields that an attacker makes up, by `how`. */
void segment_forge(uint8_t *at, uint32_t size, const struct udp_ip *src, const struct udp_ip *dst,
                   uint64_t how);

#endif
