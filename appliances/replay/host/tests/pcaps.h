/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces made up in memory, for tests.
 */
#ifndef REPLAY_HOST_TESTS_PCAPS_H
#define REPLAY_HOST_TESTS_PCAPS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PCAP_BYTES_MAX = 1 << 20 };

/* A pcap file under construction. */
struct made {
	uint8_t bytes[PCAP_BYTES_MAX];
	size_t size;
};

/* Begins a file of that link type; nanoseconds or microseconds. */
void made_begin(struct made *made, uint32_t link, int nanoseconds);

/* Adds a record: `captured` bytes of a frame that had `length`. */
void made_add(struct made *made, uint32_t seconds, uint32_t fraction, const void *data,
              uint32_t captured, uint32_t length);

/* The bytes as a file to read. */
FILE *made_file(struct made *made);

/* Builds an Ethernet frame with IPv4 and UDP or TCP: its length. room: 64 bytes and payload. */
uint32_t made_ipv4(uint8_t *frame, uint8_t protocol, uint16_t source, uint16_t target,
                   uint32_t payload);

#endif
