/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The peer rte_hash: an exact-match table of the plain shape's keys, looked up in bulk.
 */
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include "bench.h"

struct flow_key {
	uint32_t address;
	uint16_t port;
	uint16_t protocol;
};

static struct rte_hash *make_hash(const struct rule *rules, uint32_t n)
{
	struct rte_hash_parameters parameters = {.name = "demux",
	                                         .entries = n < 8 ? 16 : 2 * n,
	                                         .key_len = sizeof(struct flow_key),
	                                         .hash_func = rte_hash_crc,
	                                         .socket_id = 0};
	struct rte_hash *hash = rte_hash_create(&parameters);
	for (uint32_t i = 0; hash && i < n; i++) {
		struct flow_key key = {rules[i].match.target[0], rules[i].match.to.low, 17};
		rte_hash_add_key_data(hash, &key, (void *)(uintptr_t)&rules[i]);
	}
	return hash;
}

static uint32_t look_up(const struct rte_hash *hash, const struct flt_frame *frames)
{
	struct flow_key keys[BURST];
	const void *pointers[BURST];
	void *data[BURST];
	uint64_t mask = 0;
	for (uint32_t k = 0; k < BURST; k++) {
		const uint8_t *p = frames[k].data;
		keys[k].address = (uint32_t)p[30] << 24 | (uint32_t)p[31] << 16 |
		                  (uint32_t)p[32] << 8 | p[33];
		keys[k].port = (uint16_t)(p[36] << 8 | p[37]);
		keys[k].protocol = p[23];
		pointers[k] = &keys[k];
	}
	return (uint32_t)rte_hash_lookup_bulk_data(hash, pointers, BURST, &mask, data);
}

uint32_t peer_hash(const struct rule *rules, uint32_t n, const char *params)
{
	struct rte_hash *hash = make_hash(rules, n);
	double values[RUNS];
	uint32_t hits = 0;
	for (uint32_t run = 0; hash && run < RUNS; run++) {
		uint32_t rounds = 30;
		double start = now_ns();
		hits = 0;
		for (uint32_t r = 0; r < rounds; r++)
			for (uint32_t i = 0; i < packets.n; i += BURST)
				hits += look_up(hash, &packets.frames[i]);
		values[run] = (now_ns() - start) / ((double)rounds * packets.n);
		hits /= rounds;
	}
	if (hash)
		report("rte_hash bulk", params, n, values, RUNS, "classify", "ns/packet");
	rte_hash_free(hash);
	return hits;
}
