/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What machine code costs: the same programs made by Sluice, by rte_bpf and by Linux, in one run.
 *
 *     jit [--json FILE]
 *
 * Each program is a body that looks at 256 bytes behind r1. For Linux (BPF_PROG_TEST_RUN) and for
 * Sluice's xdp kind it stands behind the usual check against the packet's end; for rte_bpf and for
 * Sluice's raw kind r1 is the memory itself. Twenty rounds, the makers taking turns in each.
 */
#include <getopt.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <rte_bpf.h>
#include <rte_eal.h>

#include <flt/host.h>
#include <flt/program.h>

enum { BYTES = 256, INSNS_MAX = 600, ROUNDS = 20, REPEAT = 200000 };

struct code {
	struct flt_insn insns[INSNS_MAX];
	uint32_t n;
	uint32_t declines[64]; /* jumps to the end */
	uint32_t n_declines;
};

static uint8_t packet[BYTES];
static FILE *json;
static uint32_t records;

static void put(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int16_t offset, int32_t imm)
{
	c->insns[c->n++] = (struct flt_insn){
	        .code = code, .regs = (uint8_t)(dst | src << 4), .offset = offset, .imm = imm};
}

static void put_decline(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int32_t imm)
{
	c->declines[c->n_declines++] = c->n;
	put(c, code, dst, src, 0, imm);
}

/* --- bodies: r1 points to the bytes, the result goes to r0 --- */

/* `udp dst port 53 and dst host 10.0.0.1`, fields as they stand in memory. */
static void body_filter(struct code *c)
{
	put(c, 0x69, 2, 1, 12, 0);
	put_decline(c, 0x55, 2, 0, 0x0008);
	put(c, 0x71, 2, 1, 23, 0);
	put_decline(c, 0x55, 2, 0, 17);
	put(c, 0x61, 2, 1, 30, 0);
	put_decline(c, 0x55, 2, 0, 0x0100000a);
	put(c, 0x69, 2, 1, 36, 0);
	put_decline(c, 0x55, 2, 0, 0x3500);
	put(c, 0xb7, 0, 0, 0, 2);
}

/* The sum of all words. */
static void body_sum(struct code *c)
{
	put(c, 0xb7, 0, 0, 0, 0);
	for (int at = 0; at < BYTES; at += 4) {
		put(c, 0x61, 2, 1, (int16_t)at, 0);
		put(c, 0x0f, 0, 2, 0, 0);
	}
	put(c, 0x57, 0, 0, 0, 0x7fffffff);
}

/* Hashes the words: multiplications, shifts, exclusive ors. */
static void body_mix(struct code *c)
{
	put(c, 0xb7, 0, 0, 0, 17);
	for (int at = 0; at < BYTES; at += 8) {
		put(c, 0x61, 2, 1, (int16_t)at, 0);
		put(c, 0xaf, 0, 2, 0, 0);
		put(c, 0x27, 0, 0, 0, 0x19660d);
		put(c, 0xbf, 3, 0, 0, 0);
		put(c, 0x77, 3, 0, 0, 15);
		put(c, 0xaf, 0, 3, 0, 0);
	}
	put(c, 0x57, 0, 0, 0, 0x7fffffff);
}

/* A comparison for each fourth byte. */
static void body_branches(struct code *c)
{
	for (int at = 64; at < BYTES; at += 4) {
		put(c, 0x71, 2, 1, (int16_t)at, 0);
		put_decline(c, 0x25, 2, 0, 200);
	}
	put(c, 0xb7, 0, 0, 0, 2);
}

static const struct {
	const char *name;
	void (*body)(struct code *c);
} programs[] = {
        {"filter", body_filter}, {"sum", body_sum}, {"mix", body_mix}, {"branches", body_branches}};

static void finish(struct code *c)
{
	put(c, 0x95, 0, 0, 0, 0);
	for (uint32_t i = 0; i < c->n_declines; i++)
		c->insns[c->declines[i]].offset = (int16_t)(c->n - c->declines[i] - 1);
	if (c->n_declines) {
		put(c, 0xb7, 0, 0, 0, 1);
		put(c, 0x95, 0, 0, 0, 0);
	}
}

static void make_xdp(struct code *c, void (*body)(struct code *c))
{
	memset(c, 0, sizeof(*c));
	put(c, 0x61, 4, 1, 4, 0);
	put(c, 0x61, 1, 1, 0, 0);
	put(c, 0xbf, 3, 1, 0, 0);
	put(c, 0x07, 3, 0, 0, BYTES);
	put_decline(c, 0x2d, 3, 4, 0);
	body(c);
	finish(c);
}

static void make_raw(struct code *c, void (*body)(struct code *c), bool checks)
{
	memset(c, 0, sizeof(*c));
	if (checks)
		put_decline(c, 0xa5, 2, 0, BYTES);
	body(c);
	finish(c);
}

/* --- makers --- */

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct flt_program *load_sluice(const struct code *c, enum flt_kind kind)
{
	struct flt_program *program;
	struct flt_error error;
	if (flt_program_load_ebpf(c->insns, c->n, kind, "bench", FLT_LOAD_WRITES, &program,
	                          &error)) {
		fprintf(stderr, "jit: %d: %s\n", error.instruction, error.reason);
		exit(1);
	}
	return program;
}

/* Machine code as the others' is called: directly, with r1 and r2. */
typedef uint64_t code_fn(const void *r1, uint64_t r2);

static code_fn *code_of(const struct flt_program *program)
{
	size_t size;
	return (code_fn *)(uintptr_t)flt_program_code(program, &size);
}

static double time_xdp(const struct flt_program *program)
{
	struct flt_xdp_buff buff = {.data = packet,
	                            .data_end = packet + BYTES,
	                            .hard_start = packet,
	                            .hard_end = packet + BYTES};
	code_fn *code = code_of(program);
	double start = now_ns();
	for (uint32_t i = 0; i < REPEAT; i++)
		(void)code(&buff, 0);
	return (now_ns() - start) / REPEAT;
}

static double time_raw(const struct flt_program *program)
{
	code_fn *code = code_of(program);
	double start = now_ns();
	for (uint32_t i = 0; i < REPEAT; i++)
		(void)code(packet, BYTES);
	return (now_ns() - start) / REPEAT;
}

static struct rte_bpf *load_rte(const struct code *c)
{
	struct rte_bpf_prm prm = {.ins = (const struct ebpf_insn *)(const void *)c->insns,
	                          .nb_ins = c->n,
	                          .prog_arg = {.type = RTE_BPF_ARG_PTR, .size = BYTES}};
	return rte_bpf_load(&prm);
}

static double time_rte(const struct rte_bpf *bpf)
{
	struct rte_bpf_jit jit;
	if (rte_bpf_get_jit(bpf, &jit) || !jit.func)
		return 0;
	double start = now_ns();
	for (uint32_t i = 0; i < REPEAT; i++)
		(void)jit.func(packet);
	return (now_ns() - start) / REPEAT;
}

static int load_linux(const struct code *c)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (uint64_t)(uintptr_t)c->insns;
	attr.insn_cnt = c->n;
	attr.license = (uint64_t)(uintptr_t) "Dual BSD/GPL";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

/* Linux counts whole nanoseconds and its own loop. */
static double time_linux(int fd)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)fd;
	attr.test.data_in = (uint64_t)(uintptr_t)packet;
	attr.test.data_size_in = BYTES;
	attr.test.repeat = REPEAT;
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)))
		return 0;
	return attr.test.duration;
}

/* --- results --- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void report(const char *subject, const char *program, double *values)
{
	double sorted[ROUNDS];
	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(*sorted), compare);
	if (!sorted[0])
		return;
	printf("%-12s %-10s %8.1f ns\n", program, subject, sorted[ROUNDS / 2]);
	if (json)
		fprintf(json, "%s{\"subject\": \"%s\", \"program\": \"%s\", \"values\": [",
		        records++ ? ",\n " : "[", subject, program);
	for (uint32_t i = 0; json && i < ROUNDS; i++)
		fprintf(json, "%s%.2f", i ? ", " : "", values[i]);
	if (json)
		fprintf(json, "]}");
}

static void measure(const char *name, void (*body)(struct code *c))
{
	static struct code xdp, raw, bare;
	double values[4][ROUNDS] = {{0}};
	make_xdp(&xdp, body);
	make_raw(&raw, body, true);
	make_raw(&bare, body, false);
	struct flt_program *ours = load_sluice(&xdp, FLT_KIND_XDP);
	struct flt_program *ours_raw = load_sluice(&raw, FLT_KIND_RAW);
	struct rte_bpf *rte = load_rte(&bare);
	int fd = load_linux(&xdp);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		values[0][i] = time_xdp(ours);
		values[1][i] = fd < 0 ? 0 : time_linux(fd);
		values[2][i] = time_raw(ours_raw);
		values[3][i] = rte ? time_rte(rte) : 0;
	}
	report("sluice", name, values[0]);
	report("linux", name, values[1]);
	report("sluice raw", name, values[2]);
	report("rte_bpf", name, values[3]);
	flt_program_free(ours);
	flt_program_free(ours_raw);
	rte_bpf_destroy(rte);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'}, {0}};
	char *eal[] = {"jit", "--no-huge",      "--no-pci",          "-m",
	               "64",  "--no-telemetry", "--log-level=error", "--no-shconf",
	               NULL};
	for (int o; (o = getopt_long(argc, argv, "j:", options, NULL)) != -1;) {
		json = o == 'j' ? fopen(optarg, "w") : NULL;
		if (!json) {
			fprintf(stderr, "usage: jit [--json FILE]\n");
			return 2;
		}
	}
	flt_host_init(true);
	if (rte_eal_init(8, eal) < 0) {
		fprintf(stderr, "jit: EAL does not start\n");
		return 1;
	}
	for (uint32_t i = 0; i < BYTES; i++)
		packet[i] = (uint8_t)(i * 37 % 199);
	memcpy(packet + 12, (const uint8_t[]){8, 0}, 2);
	packet[23] = 17;
	memcpy(packet + 30, (const uint8_t[]){0xa, 0, 0, 1}, 4);
	memcpy(packet + 36, (const uint8_t[]){0, 0x35}, 2);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		measure(programs[i].name, programs[i].body);
	if (json) {
		fprintf(json, "%s\n", records ? "]" : "[]");
		return fclose(json) ? 1 : 0;
	}
	return 0;
}
