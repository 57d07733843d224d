/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers that know one filter at a time: libpcap's interpreter, rte_bpf's and Linux's machine code,
 * and our own without merging. N filters are asked one after another until one accepts. Linux runs
 * what rte_bpf_convert() makes of libpcap's program.
 */
#include <pcap/pcap.h>
#include <rte_bpf.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

struct filters {
	uint32_t n;
	struct bpf_program *libpcap;
	struct rte_bpf **dpdk;
	struct rte_bpf_jit *jits;
	int *kernel;
	struct flt_program **own;
};

/* --- Linux --- */

/* One packet: all filters up to the one that accepts. */
static double pass_kernel(const struct filters *f, const struct flt_frame *frame)
{
	double sum = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t accepted = 0;
		double each = linux_run(f->kernel[i], frame, &accepted);
		if (each < 0)
			return each;
		sum += each;
		if (accepted)
			break;
	}
	return sum;
}

static void measure_kernel(const struct filters *f, const char *params)
{
	double values[RUNS];
	for (uint32_t run = 0; run < RUNS; run++) {
		values[run] = pass_kernel(f, &packets.frames[run * 64 % packets.n]);
		if (values[run] < 0) {
			printf("Linux's machine code: bpf(2) is not allowed here; left out\n");
			return;
		}
	}
	report("linux jit", params, f->n, values, RUNS, "classify", "ns/packet");
}

/* --- the others --- */

static bool libpcap_wants(const struct filters *f, uint32_t i, const struct flt_frame *frame)
{
	return bpf_filter(f->libpcap[i].bf_insns, frame->data, frame->wire_len, frame->len);
}

static bool dpdk_wants(const struct filters *f, uint32_t i, const struct flt_frame *frame)
{
	static struct rte_mbuf mbuf = {.nb_segs = 1};
	mbuf.buf_addr = (void *)(uintptr_t)frame->data;
	mbuf.data_len = (uint16_t)frame->len;
	mbuf.pkt_len = frame->len;
	return f->jits[i].func && f->jits[i].func(&mbuf);
}

static bool own_wants(const struct filters *f, uint32_t i, const struct flt_frame *frame)
{
	return flt_program_run(f->own[i], frame);
}

static inline __attribute__((always_inline)) double pass(
        const struct filters *f, uint32_t step,
        bool (*wants)(const struct filters *f, uint32_t i, const struct flt_frame *frame))
{
	uint32_t asked = 0;
	volatile uint32_t hits = 0;
	double start = now_ns();
	for (uint32_t p = 0; p < packets.n; p += step, asked++)
		for (uint32_t i = 0; i < f->n; i++)
			if (wants(f, i, &packets.frames[p])) {
				hits++;
				break;
			}
	return (now_ns() - start) / asked;
}

static void load(struct filters *f, const struct rule *rules)
{
	for (uint32_t i = 0; i < f->n; i++) {
		rule_compile(&rules[i], &f->libpcap[i]);
		struct rte_bpf_prm *prm = rte_bpf_convert(&f->libpcap[i]);
		f->dpdk[i] = prm ? rte_bpf_load(prm) : NULL;
		if (f->dpdk[i])
			rte_bpf_get_jit(f->dpdk[i], &f->jits[i]);
		f->kernel[i] = prm ? linux_load(prm->ins, prm->nb_ins) : -1;
		rte_free(prm);
		if (flt_program_load_classic(
		            (const struct flt_classic_insn *)f->libpcap[i].bf_insns,
		            f->libpcap[i].bf_len, "f", 0, &f->own[i], NULL))
			abort();
	}
}

static void unload(struct filters *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		pcap_freecode(&f->libpcap[i]);
		rte_bpf_destroy(f->dpdk[i]);
		if (f->kernel[i] >= 0)
			close(f->kernel[i]);
		flt_program_free(f->own[i]);
	}
	free(f->libpcap);
	free(f->dpdk);
	free(f->jits);
	free(f->kernel);
	free(f->own);
}

void peer_linear(const struct rule *rules, uint32_t n, const char *params)
{
	struct filters f = {.n = n,
	                    .libpcap = calloc(n, sizeof(struct bpf_program)),
	                    .dpdk = calloc(n, sizeof(struct rte_bpf *)),
	                    .jits = calloc(n, sizeof(struct rte_bpf_jit)),
	                    .kernel = calloc(n, sizeof(int)),
	                    .own = calloc(n, sizeof(struct flt_program *))};
	uint32_t step = n >= 100 ? 16 : 1;
	double libpcap[RUNS], dpdk[RUNS], own[RUNS];
	if (!f.libpcap || !f.dpdk || !f.jits || !f.kernel || !f.own)
		abort();
	load(&f, rules);
	for (uint32_t run = 0; run < RUNS; run++) {
		libpcap[run] = pass(&f, step, libpcap_wants);
		dpdk[run] = pass(&f, step, dpdk_wants);
		own[run] = pass(&f, step, own_wants);
	}
	report("libpcap", params, n, libpcap, RUNS, "classify", "ns/packet");
	report("rte_bpf jit", params, n, dpdk, RUNS, "classify", "ns/packet");
	report("sluice jit, one by one", params, n, own, RUNS, "classify", "ns/packet");
	measure_kernel(&f, params);
	unload(&f);
}
