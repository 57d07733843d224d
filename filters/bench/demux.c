/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to find out whose packet it is, beside peers in the same run.
 *
 *     demux [--json FILE] [--shapes S] [--seed N] [--zipf] [--misses] [--insert]
 *
 * For N filters `udp dst port P and dst host A` (or S shapes drawn from a seed: prefixes, ranges,
 * wildcards, IPv6, VLAN) and 4,096 random packets: nanoseconds per packet of Sluice's table,
 * rte_hash in bulk, libpcap's interpreter and rte_bpf's machine code one filter after another
 * (while that ends). --insert: microseconds to install (verify, translate, extract, merge, publish)
 * and to remove one binding of a known shape, and the structure's bytes per binding.
 */
#include <getopt.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_bpf.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include <flt/expression.h>
#include <flt/extract.h>
#include <flt/host.h>
#include <flt/table.h>

enum { PACKETS = 4096, BURST = 32, FRAME = 80, RUNS = 15, LINEAR_MAX = 100 };

struct flow_key { /* of the plain shape */
	uint32_t address;
	uint16_t port;
	uint16_t protocol;
};

static uint64_t random_state;
static uint8_t bytes[PACKETS][FRAME];
static struct flt_frame frames[PACKETS];
static FILE *json;
static uint32_t records;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void report(const char *subject, const char *params, uint32_t n, double *values,
                   uint32_t runs, const char *metric, const char *unit)
{
	qsort(values, runs, sizeof(*values), compare_double);
	double median = values[runs / 2], spread = values[runs - 1] - values[0];
	printf("%-12s %-24s %-22s %7u  %10.2f %s\n", metric, subject, params, n, median, unit);
	fflush(stdout);
	if (json)
		fprintf(json,
		        "%s\n  {\"metric\": \"%s\", \"subject\": \"%s\", \"params\": {\"case\": "
		        "\"%s\", \"filters\": %u}, "
		        "\"value\": %.3f, \"unit\": \"%s\", \"where\": \"native\", \"runs\": %u, "
		        "\"spread\": %.3f}",
		        records++ ? "," : "[", metric, subject, params, n, median, unit, runs,
		        spread);
}

/* --- filters and packets --- */

struct rule {
	struct flt_conjunction c;
	uint32_t shape;
	uint8_t sample[FRAME]; /* a packet that matches */
};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static void add_term(struct rule *r, uint32_t base, uint32_t offset, uint32_t width, uint32_t mask,
                     uint32_t value)
{
	r->c.terms[r->c.n_terms++] = (struct flt_term){.base = (uint8_t)base,
	                                               .width = (uint8_t)width,
	                                               .offset = (uint16_t)offset,
	                                               .msh = base == FLT_BASE_MSH ? 14 : 0,
	                                               .mask = mask,
	                                               .value = value & mask};
}

static void add_range(struct rule *r, uint32_t base, uint32_t offset, uint32_t low, uint32_t high)
{
	r->c.terms[r->c.n_terms++] = (struct flt_term){.base = (uint8_t)base,
	                                               .width = 2,
	                                               .test = FLT_TEST_RANGE,
	                                               .offset = (uint16_t)offset,
	                                               .msh = base == FLT_BASE_MSH ? 14 : 0,
	                                               .low = low,
	                                               .high = high};
}

/* Terms of the plain shape. */
enum { PLAIN_ADDRESS = 3, PLAIN_PORT = 4 };

/* `udp dst port P and dst host A`, as it is extracted from libpcap's program. */
static void make_plain(struct rule *r, uint32_t address, uint32_t port)
{
	memset(r, 0, sizeof(*r));
	add_term(r, FLT_BASE_FRAME, 12, 2, 0xffff, 0x0800);
	add_term(r, FLT_BASE_FRAME, 20, 2, 0x1fff, 0);
	add_term(r, FLT_BASE_FRAME, 23, 1, 0xff, 17);
	add_term(r, FLT_BASE_FRAME, 30, 4, 0xffffffff, address);
	add_term(r, FLT_BASE_MSH, 16, 2, 0xffff, port);
	put16(r->sample + 12, 0x0800);
	r->sample[14] = 0x45;
	r->sample[23] = 17;
	put32(r->sample + 26, random_u32());
	put32(r->sample + 30, address);
	put16(r->sample + 34, random_u32());
	put16(r->sample + 36, port);
}

/* One of 16 shapes; bits of `shape` choose the family and what is tested. */
static void make_mixed(struct rule *r, uint32_t shape)
{
	static const uint32_t prefixes[] = {32, 24, 20, 16};
	uint32_t address = random_u32(), other = random_u32(), port = random_u32() & 0xffff;
	uint32_t mask = (uint32_t)(0xffffffffull << (32 - prefixes[shape % 4]));
	uint32_t low = port & 0xffe0;
	make_plain(r, address, port);
	r->shape = shape;
	r->c.n_terms = 0;
	if (shape >= 12) { /* VLAN: everything 4 bytes later */
		memmove(r->sample + 16, r->sample + 12, FRAME - 16);
		put16(r->sample + 12, 0x8100);
		put16(r->sample + 14, shape);
		add_term(r, FLT_BASE_FRAME, 12, 2, 0xffff, 0x8100);
		add_term(r, FLT_BASE_FRAME, 14, 2, 0xfff, shape);
		add_term(r, FLT_BASE_FRAME, 16, 2, 0xffff, 0x0800);
		add_term(r, FLT_BASE_FRAME, 34, 4, mask, address);
	} else if (shape >= 8) { /* IPv6 */
		put16(r->sample + 12, 0x86dd);
		r->sample[20] = 17;
		put32(r->sample + 38, address);
		put32(r->sample + 42, other);
		put32(r->sample + 46, 0);
		put32(r->sample + 50, address ^ other);
		put16(r->sample + 56, port);
		add_term(r, FLT_BASE_FRAME, 12, 2, 0xffff, 0x86dd);
		add_term(r, FLT_BASE_FRAME, 20, 1, 0xff, 17);
		add_term(r, FLT_BASE_FRAME, 38, 4, 0xffffffff, address);
		add_term(r, FLT_BASE_FRAME, 42, 4, shape & 1 ? 0xffff0000 : 0xffffffff, other);
		if (shape & 2)
			add_term(r, FLT_BASE_FRAME, 56, 2, 0xffff, port);
	} else { /* IPv4: prefixes, with a port, a range or none */
		add_term(r, FLT_BASE_FRAME, 12, 2, 0xffff, 0x0800);
		add_term(r, FLT_BASE_FRAME, 23, 1, 0xff, 17);
		add_term(r, FLT_BASE_FRAME, 20, 2, 0x1fff, 0);
		add_term(r, FLT_BASE_FRAME, 30, 4, mask, address);
		if (shape >= 4)
			add_range(r, FLT_BASE_MSH, 16, low, low + 19);
		else
			add_term(r, FLT_BASE_MSH, 16, 2, 0xffff, port);
		if (shape >= 4)
			put16(r->sample + 36, low + 7);
	}
}

static uint32_t pick(uint32_t n, bool zipf)
{
	if (!zipf)
		return random_u32() % n;
	/* Zipf with exponent 1 by inversion of the harmonic sum's logarithm. */
	double u = (random_u32() + 1.0) / 4294967297.0, x = 1;
	for (double left = u, total = 0; x < n; x *= 2) {
		total += 1;
		left -= 1.0 / (1 + __builtin_log2(n));
		if (left < 0 || total > 32)
			break;
	}
	uint32_t low = (uint32_t)x, span = low < n ? low : n - 1;
	uint32_t i = low - 1 + random_u32() % (span ? span : 1);
	return i < n ? i : n - 1;
}

static void make_packets(const struct rule *rules, uint32_t n, bool zipf, bool misses)
{
	for (uint32_t i = 0; i < PACKETS; i++) {
		memcpy(bytes[i], rules[pick(n, zipf)].sample, FRAME);
		if (misses) { /* another address: nearly certainly nobody's */
			put32(bytes[i] + 30, random_u32());
			put32(bytes[i] + 34, random_u32());
			put32(bytes[i] + 38, random_u32());
		}
		frames[i] = (struct flt_frame){.data = bytes[i], .len = FRAME, .wire_len = FRAME};
	}
}

/* --- Sluice --- */

static struct flt_entry *insert(struct flt_table *table, struct rule *rule, uint64_t age)
{
	struct flt_entry_spec spec = {.owner = rule, .flow = {&rule->c, 1}, .age = age};
	struct flt_entry *entry;
	if (flt_table_insert(table, &spec, &entry, NULL))
		abort();
	return entry;
}

static double run_table(const struct flt_table *table, bool want)
{
	struct flt_verdict verdicts[BURST];
	uint32_t hits = 0, rounds = 30;
	double start = now_ns();
	for (uint32_t r = 0; r < rounds; r++)
		for (uint32_t i = 0; i < PACKETS; i += BURST) {
			flt_table_classify(table, &frames[i], BURST, verdicts, NULL);
			for (uint32_t k = 0; k < BURST; k++)
				hits += verdicts[k].owner != NULL;
		}
	double each = (now_ns() - start) / ((double)rounds * PACKETS);
	if (want && hits != rounds * PACKETS)
		printf("only %u of %u packets hit\n", hits, rounds * PACKETS);
	return each;
}

static void measure_table(struct rule *rules, uint32_t n, const char *params, bool misses)
{
	struct flt_table *table;
	double values[RUNS];
	if (flt_table_create(&table, NULL))
		abort();
	for (uint32_t i = 0; i < n; i++)
		insert(table, &rules[i], i);
	for (uint32_t i = 0; i < RUNS; i++)
		values[i] = run_table(table, !misses);
	report("sluice", params, n, values, RUNS, "classify", "ns/packet");
	flt_table_destroy(table);
}

static void compile_plain(const struct rule *rule, struct bpf_program *program)
{
	char text[80];
	uint32_t a = rule->c.terms[PLAIN_ADDRESS].value;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	snprintf(text, sizeof(text), "udp dst port %u and dst host %u.%u.%u.%u",
	         rule->c.terms[PLAIN_PORT].value, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	if (pcap_compile(pcap, program, text, 1, 0))
		abort();
	pcap_close(pcap);
}

/* A binding as a program brings it: what owns the entry. */
struct binding {
	struct flt_program *program;
	struct flt_entry *entry;
};

/* All that stands between a downloaded program and its first packet. */
static void install(struct flt_table *table, const struct bpf_program *code, uint64_t age,
                    struct binding *b)
{
	static struct flt_conjunction found[FLT_FLOW_CONJUNCTIONS_MAX];
	struct flt_extraction extraction;
	if (flt_program_load_classic((const struct flt_classic_insn *)code->bf_insns, code->bf_len,
	                             "f", 0, &b->program, NULL) ||
	    flt_extract(b->program, found, &extraction, NULL))
		abort();
	struct flt_entry_spec spec = {.owner = b,
	                              .flow = {found, extraction.n},
	                              .program = extraction.exact ? NULL : b->program,
	                              .age = age};
	if (flt_table_insert(table, &spec, &b->entry, NULL))
		abort();
}

/* A random binding of the plain shape; returns the microseconds without libpcap's part. */
static double install_plain(struct flt_table *table, uint64_t age, struct binding *b)
{
	struct bpf_program code;
	struct rule rule;
	make_plain(&rule, random_u32(), random_u32() & 0xffff);
	compile_plain(&rule, &code);
	double start = now_ns();
	install(table, &code, age, b);
	double each = (now_ns() - start) / 1000;
	pcap_freecode(&code);
	return each;
}

static void uninstall(struct flt_table *table, struct binding *b)
{
	flt_table_remove(table, b->entry);
	flt_program_free(b->program);
}

/* Sorted by now; p99 of them. */
static void report_p99(const char *params, uint32_t n, const double *sorted, uint32_t count,
                       const char *metric)
{
	double value = sorted[count * 99 / 100];
	report("sluice", params, n, &value, 1, metric, "us");
}

static void measure_insert(struct rule *rules, uint32_t n, const char *params)
{
	enum { TRIALS = 2000 };
	static double in[TRIALS], out[TRIALS];
	struct flt_table *table;
	struct flt_table_info info, empty, with_known;
	struct binding known;
	if (flt_table_create(&table, NULL))
		abort();
	flt_table_info(table, &empty);
	for (uint32_t i = 0; i < n; i++)
		insert(table, &rules[i], i);
	flt_table_info(table, &info);
	double each = (double)(info.memory - empty.memory) / n;
	install_plain(table, n, &known); /* so that the shape is a known one */
	flt_table_info(table, &with_known);
	if (with_known.shapes != info.shapes)
		printf("the binding installed is of a shape of its own\n");
	for (uint32_t i = 0; i < TRIALS; i++) {
		struct binding binding;
		in[i] = install_plain(table, n + 1 + i, &binding);
		double start = now_ns();
		uninstall(table, &binding);
		out[i] = (now_ns() - start) / 1000;
	}
	report("sluice", params, n, in, TRIALS, "install", "us");
	report_p99(params, n, in, TRIALS, "install.p99");
	report("sluice", params, n, out, TRIALS, "remove", "us");
	report_p99(params, n, out, TRIALS, "remove.p99");
	report("sluice", params, n, &each, 1, "memory", "bytes/binding");
	uninstall(table, &known);
	flt_table_destroy(table);
}

/* --- peers --- */

static void measure_hash(const struct rule *rules, uint32_t n)
{
	struct rte_hash_parameters parameters = {.name = "demux",
	                                         .entries = n < 8 ? 16 : 2 * n,
	                                         .key_len = sizeof(struct flow_key),
	                                         .hash_func = rte_hash_crc,
	                                         .socket_id = 0};
	struct rte_hash *hash = rte_hash_create(&parameters);
	double values[RUNS];
	for (uint32_t i = 0; hash && i < n; i++) {
		struct flow_key key = {rules[i].c.terms[PLAIN_ADDRESS].value,
		                       (uint16_t)rules[i].c.terms[PLAIN_PORT].value, 17};
		rte_hash_add_key_data(hash, &key, (void *)(uintptr_t)&rules[i]);
	}
	for (uint32_t run = 0; hash && run < RUNS; run++) {
		uint32_t hits = 0, rounds = 30;
		double start = now_ns();
		for (uint32_t r = 0; r < rounds; r++)
			for (uint32_t i = 0; i < PACKETS; i += BURST) {
				struct flow_key keys[BURST];
				const void *pointers[BURST];
				void *data[BURST];
				uint64_t mask = 0;
				for (uint32_t k = 0; k < BURST; k++) {
					const uint8_t *p = frames[i + k].data;
					keys[k].address = (uint32_t)p[30] << 24 |
					                  (uint32_t)p[31] << 16 |
					                  (uint32_t)p[32] << 8 | p[33];
					keys[k].port = (uint16_t)(p[36] << 8 | p[37]);
					keys[k].protocol = p[23];
					pointers[k] = &keys[k];
				}
				hits += (uint32_t)rte_hash_lookup_bulk_data(hash, pointers, BURST,
				                                            &mask, data);
			}
		values[run] = (now_ns() - start) / ((double)rounds * PACKETS);
		if (!hits)
			printf("rte_hash: no hits\n");
	}
	if (hash)
		report("rte_hash bulk", "one shape", n, values, RUNS, "classify", "ns/packet");
	rte_hash_free(hash);
}

static void measure_linear(const struct rule *rules, uint32_t n)
{
	struct bpf_program *programs = calloc(n, sizeof(*programs));
	struct rte_bpf **loaded = calloc(n, sizeof(void *));
	struct flt_program **own = calloc(n, sizeof(void *));
	struct rte_bpf_jit *jits = calloc(n, sizeof(*jits));
	struct rte_mbuf mbuf = {.nb_segs = 1};
	uint32_t step = n >= 1000 ? 64 : n >= 100 ? 8 : 1, hits = 0;
	double libpcap[RUNS], dpdk[RUNS], ours[RUNS];
	for (uint32_t i = 0; i < n; i++) {
		compile_plain(&rules[i], &programs[i]);
		struct rte_bpf_prm *prm = rte_bpf_convert(&programs[i]);
		loaded[i] = prm ? rte_bpf_load(prm) : NULL;
		if (loaded[i])
			rte_bpf_get_jit(loaded[i], &jits[i]);
		rte_free(prm);
		if (flt_program_load_classic((const struct flt_classic_insn *)programs[i].bf_insns,
		                             programs[i].bf_len, "f", 0, &own[i], NULL))
			abort();
	}
	for (uint32_t run = 0; run < RUNS; run++) {
		double start = now_ns();
		for (uint32_t p = 0; p < PACKETS; p += step)
			for (uint32_t i = 0; i < n; i++)
				if (bpf_filter(programs[i].bf_insns, frames[p].data, FRAME,
				               FRAME)) {
					hits++;
					break;
				}
		libpcap[run] = (now_ns() - start) / ((double)PACKETS / step);
		start = now_ns();
		for (uint32_t p = 0; p < PACKETS; p += step) {
			mbuf.buf_addr = bytes[p];
			mbuf.data_len = FRAME;
			mbuf.pkt_len = FRAME;
			for (uint32_t i = 0; i < n; i++)
				if (jits[i].func && jits[i].func(&mbuf)) {
					hits++;
					break;
				}
		}
		dpdk[run] = (now_ns() - start) / ((double)PACKETS / step);
		start = now_ns();
		for (uint32_t p = 0; p < PACKETS; p += step)
			for (uint32_t i = 0; i < n; i++)
				if (flt_program_run(own[i], &frames[p])) {
					hits++;
					break;
				}
		ours[run] = (now_ns() - start) / ((double)PACKETS / step);
	}
	report("libpcap", "one shape", n, libpcap, RUNS, "classify", "ns/packet");
	report("rte_bpf jit", "one shape", n, dpdk, RUNS, "classify", "ns/packet");
	report("sluice jit, one by one", "one shape", n, ours, RUNS, "classify", "ns/packet");
	for (uint32_t i = 0; i < n; i++) {
		pcap_freecode(&programs[i]);
		rte_bpf_destroy(loaded[i]);
		flt_program_free(own[i]);
	}
	free(programs);
	free(loaded);
	free(jits);
	free(own);
	if (!hits)
		printf("no hits\n");
}

/* --- all --- */

struct options {
	uint32_t shapes;
	uint64_t seed;
	bool zipf, misses, insert;
};

static void start_dpdk(void)
{
	char *arguments[] = {
	        "demux",       "--no-huge", "--no-pci",    "-m", "1024", "--no-telemetry",
	        "--log-level", "1",         "--no-shconf", "-l", "0",    NULL};
	if (rte_eal_init(11, arguments) < 0)
		abort();
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {{"json", 1, NULL, 'j'},   {"shapes", 1, NULL, 's'},
	                                      {"seed", 1, NULL, 'r'},   {"zipf", 0, NULL, 'z'},
	                                      {"misses", 0, NULL, 'm'}, {"insert", 0, NULL, 'i'},
	                                      {"help", 0, NULL, 'h'},   {NULL, 0, NULL, 0}};
	for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
		if (c == 'j')
			json = fopen(optarg, "w");
		else if (c == 's')
			o->shapes = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			o->seed = strtoull(optarg, NULL, 10);
		else if (c == 'z')
			o->zipf = true;
		else if (c == 'm')
			o->misses = true;
		else if (c == 'i')
			o->insert = true;
		else
			return printf("usage: demux [--json FILE] [--shapes 1-16] [--seed N] "
			              "[--zipf] "
			              "[--misses] [--insert]\n"),
			       1;
	}
	if (o->shapes < 1 || o->shapes > 16)
		return printf("demux: --shapes wants 1 to 16\n"), 1;
	return 0;
}

static void measure_size(const struct options *o, uint32_t n)
{
	struct rule *rules = malloc(n * sizeof(*rules));
	char params[40];
	if (!rules)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		if (o->shapes == 1)
			make_plain(&rules[i], random_u32(), random_u32() & 0xffff);
		else
			make_mixed(&rules[i], i % o->shapes);
	}
	make_packets(rules, n, o->zipf, o->misses);
	snprintf(params, sizeof(params), "%u shape%s%s%s", o->shapes, o->shapes > 1 ? "s" : "",
	         o->zipf ? ", zipf" : "", o->misses ? ", misses" : "");
	measure_table(rules, n, o->shapes == 1 && !o->zipf && !o->misses ? "one shape" : params,
	              o->misses);
	if (o->shapes == 1)
		measure_hash(rules, n);
	if (o->shapes == 1 && n <= LINEAR_MAX)
		measure_linear(rules, n);
	if (o->insert)
		measure_insert(rules, n, params);
	free(rules);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 10, 100, 1000, 10000, 100000};
	struct options o = {.shapes = 1, .seed = 1};
	if (read_options(argc, argv, &o))
		return 2;
	random_state = o.seed * 2654435761u + 88172645463325252ull;
	start_dpdk();
	flt_host_init(true);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		measure_size(&o, sizes[i]);
	if (json) {
		fprintf(json, "\n]\n");
		fclose(json);
	}
	return 0;
}
