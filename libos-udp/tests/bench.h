/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack on a bench: a driver with heap buffers (each a separate allocation, so that the address
 * sanitizer sees every byte out of bounds), a clock that the test sets, and a tray in which frames
 * that the stack sent lie until somebody looks. Unit tests, simulation and fuzzers share it.
 */
#ifndef BENCH_H
#define BENCH_H

#include <udp/checksum.h>
#include <udp/socket.h>
#include <udp/wire.h>

enum { BENCH_TRAY_MAX = 256 };

struct bench_frame {
	uint8_t *data; /* malloc'ed */
	uint32_t size;
};

struct bench {
	struct udp_stack *stack;
	void *memory;
	uint64_t now;
	uint64_t seed;
	long buffers;          /* out of the pool at this moment */
	long buffers_max;      /* allocate fails beyond */
	unsigned n_tray, lost; /* lost: sent while the tray was full */
	struct bench_frame tray[BENCH_TRAY_MAX];
	unsigned notices;
	uint8_t mac[UDP_MAC_BYTES];
	uint8_t interface; /* where frames arrive */
};

extern const uint8_t bench_mac[UDP_MAC_BYTES];  /* of the stack under test */
extern const uint8_t bench_peer[UDP_MAC_BYTES]; /* of whom it talks to */

/* 10.0.0.1/24 at bench_mac, gateway 10.0.0.254; no announcement waits. */
void bench_open(struct bench *bench, const struct udp_config *config);
/* Another stack: interface with `mac`, no address yet. */
void bench_open_bare(struct bench *bench, const struct udp_config *config, const uint8_t *mac,
                     uint64_t seed);
/* Fails the program where a buffer was lost. */
void bench_close(struct bench *bench);
/* A copy of the frame arrives. */
void bench_input(struct bench *bench, const void *frame, uint32_t size);
/* Likewise, with these flags of enum udp_buffer_flags. */
void bench_input_flags(struct bench *bench, const void *frame, uint32_t size, uint16_t flags);
void bench_empty_tray(struct bench *bench);
/* Time passes; timers run as they fall due. */
void bench_pass(struct bench *bench, uint64_t ns);
/* A pseudo-random number (splitmix64). */
uint64_t bench_random(uint64_t *seed);

/* ---- Frames, by hand. Each returns the frame's size. ---- */

struct bench_ip {
	uint32_t src, dst; /* host order */
	uint8_t protocol, ttl;
	uint16_t id, fragment; /* flags and offset word */
	const void *options;
	uint32_t options_size; /* a multiple of 4 */
};

uint32_t bench_ethernet(uint8_t *frame, const uint8_t *dst, const uint8_t *src, uint16_t type);
uint32_t bench_arp(uint8_t *frame, uint16_t op, const uint8_t *sha, uint32_t spa,
                   const uint8_t *tha, uint32_t tpa);
/* From bench_peer to bench_mac. */
uint32_t bench_ip4(uint8_t *frame, const struct bench_ip *ip, const void *payload, uint32_t size);
/* UDP with its checksum, as a transport packet (no IP header). */
uint32_t bench_udp(uint8_t *packet, const struct bench_ip *ip, uint16_t src, uint16_t dst,
                   const void *data, uint32_t size);
/* IPv6 from bench_peer to bench_mac; `next` names the payload. */
struct bench_ip6 {
	struct udp_ip src, dst;
	uint8_t next, hops; /* hops 0: 64 */
};
uint32_t bench_ip6(uint8_t *frame, const struct bench_ip6 *ip, const void *payload, uint32_t size);
/* Fills in the ICMPv6 checksum of a message from src to dst. */
void bench_icmp6_sum(uint8_t *message, uint32_t size, const struct bench_ip6 *ip);
/* UDP with its checksum, over either family. */
uint32_t bench_udp_between(uint8_t *packet, const struct udp_ip *from, const struct udp_ip *to,
                           uint16_t src, uint16_t dst, const void *data, uint32_t size);
uint32_t bench_echo(uint8_t *packet, uint16_t id, uint16_t sequence, const void *data,
                    uint32_t size);
/* "Fragmentation needed", from bench_peer to bench_mac: a router says that the path takes `mtu` and
 * quotes a UDP datagram of `length` bytes that `us` sent from `port` to `to`, port 9. */
uint32_t bench_too_big(uint8_t *frame, uint32_t us, uint16_t port, uint32_t to, uint16_t length,
                       uint16_t mtu);
/* The IP header's checksum again, after a test changed it. */
void bench_ip4_sum(uint8_t *frame);

#endif
