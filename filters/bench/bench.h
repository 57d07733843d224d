/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the demultiplexing benchmark share: rules and packets (rules.c), what is
 * measured and how it is told (demux.c), peers (peer_*.c).
 */
#ifndef FLT_BENCH_H
#define FLT_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <flt/flow.h>
#include <flt/program.h>

struct bpf_program;

enum {
	PACKETS = 4096, /* made; a capture may have others */
	PACKETS_MAX = 65536,
	BURST = 32,
	FRAME = 80, /* bytes of a made packet */
	RUNS = 15,
	LINEAR_MAX = 100, /* filters that are asked one after another */
	SHAPES_MAX = 16,
};

/* --- rules.c --- */

enum family { IPV4, IPV6, VLAN, FAMILIES };

/* Bytes before the IP header. */
static const uint32_t ip_offset[FAMILIES] = {14, 14, 18};

struct ports {
	uint16_t low, high; /* 0 … 65535: any */
};

/* A rule as a person would say it; everybody's form is made from this. Addresses are words in host
 * order, IPv4's the first; what a prefix leaves open is random in them. */
struct match {
	enum family family;
	int protocol; /* -1: any */
	uint32_t vlan;
	uint32_t source[4], target[4];
	uint32_t source_bits, target_bits;
	struct ports from, to;
};

struct rule {
	struct match match;
	struct flt_conjunction c;
};

/* Which fields the rules of a shape test: drawn from the seed. */
struct plan {
	enum family family;
	bool protocol;
	uint32_t source_bits, target_bits;
	uint32_t from, to; /* ports of a range; 0: any */
};

struct packets {
	uint32_t n; /* a multiple of BURST */
	struct flt_frame frames[PACKETS_MAX];
};

extern struct packets packets;

void random_seed(uint64_t seed);
uint32_t random_u32(void);

/* Terms of a plain rule's conjunction. */
enum { PLAIN_ADDRESS = 3, PLAIN_PORT = 4 };

/* `udp dst port P and dst host A`, as it is extracted from libpcap's program. */
void rule_plain(struct rule *rule, uint32_t address, uint32_t port);
void plan_draw(struct plan *plan);
void rule_draw(struct rule *rule, const struct plan *plan);
/* libpcap's program for a plain rule; the caller frees it. */
void rule_compile(const struct rule *rule, struct bpf_program *program);

/* Packets that match rules, picked uniformly or by Zipf's law (exponent 1), or that have other
 * addresses and nearly certainly match none. */
void packets_make(const struct rule *rules, uint32_t n, bool zipf, bool misses);
/* The packets of all captures in a folder, in the order of their names, until there are enough; how
 * many, 0 for none. Then rules_from_packets() makes plain rules that some of them match. */
uint32_t packets_read(const char *folder);
uint32_t rules_from_packets(struct rule *rules, uint32_t n);

/* --- demux.c --- */

double now_ns(void);
/* The median of the runs' values, of which it changes the order. */
void report(const char *subject, const char *params, uint32_t n, double *values, uint32_t runs,
            const char *metric, const char *unit);

/* --- peers; each reports, and says by its return how many packets of packets matched --- */

uint32_t peer_hash(const struct rule *rules, uint32_t n, const char *params);
uint32_t peer_acl(const struct rule *rules, uint32_t n, const char *params);
/* libpcap, rte_bpf, Linux and our own machine code, one filter after another; plain rules only. */
void peer_linear(const struct rule *rules, uint32_t n, const char *params);

/* --- peer_linux.c --- */

/* A program's descriptor, or -1. */
int linux_load(const void *insns, uint32_t n);
/* Nanoseconds of one run; *accepted: what it returned. Negative: it can't be run. */
double linux_run(int program, const struct flt_frame *frame, uint32_t *accepted);

#endif
