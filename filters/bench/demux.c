/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to find out whose packet it is, beside peers in the same run.
 *
 *     demux [--json FILE] [--shapes S] [--seed N] [--filters N] [--zipf] [--misses] [--insert]
 *           [--captures FOLDER] [--alone]
 *
 * For N filters `udp dst port P and dst host A`, or of S shapes drawn from the seed (prefixes,
 * ranges, wildcards, IPv6, VLAN), and 4,096 random packets: nanoseconds per packet of Sluice's
 * table, rte_hash in bulk, rte_acl, and libpcap's interpreter, rte_bpf's and Linux's machine code
 * one filter after another (while that ends). --insert: microseconds to install (verify, translate,
 * extract, merge, publish) and to remove one binding of a known shape, the structure's bytes per
 * binding, and the cost of a packet while filters come and go. --captures: the packets of captures
 * instead, and filters of which some match them. --alone: no peers. --filters: that many only.
 */
#include <getopt.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>

#include <flt/expression.h>
#include <flt/extract.h>
#include <flt/host.h>
#include <flt/table.h>

#include "bench.h"

static FILE *json;

double now_ns(void)
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

void report(const char *subject, const char *params, uint32_t n, double *values, uint32_t runs,
            const char *metric, const char *unit)
{
	static uint32_t records;
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

struct options {
	uint32_t shapes, filters;
	uint64_t seed;
	const char *captures;
	bool zipf, misses, insert, alone;
};

/* --- the table --- */

static struct flt_entry *insert(struct flt_table *table, const struct rule *rule, uint64_t age)
{
	struct flt_entry_spec spec = {
	        .owner = (void *)(uintptr_t)rule, .flow = {&rule->c, 1}, .age = age};
	struct flt_entry *entry;
	if (flt_table_insert(table, &spec, &entry, NULL))
		abort();
	return entry;
}

static struct flt_table *make_table(const struct rule *rules, uint32_t n)
{
	struct flt_table *table;
	if (flt_table_create(&table, NULL))
		abort();
	for (uint32_t i = 0; i < n; i++)
		insert(table, &rules[i], i);
	return table;
}

static uint32_t classify(const struct flt_table *table, uint32_t first)
{
	struct flt_verdict verdicts[BURST];
	uint32_t hits = 0;
	flt_table_classify(table, &packets.frames[first], BURST, verdicts, NULL);
	for (uint32_t k = 0; k < BURST; k++)
		hits += verdicts[k].owner != NULL;
	return hits;
}

/* → how many of the packets somebody wanted. */
static uint32_t measure_table(const struct rule *rules, uint32_t n, const char *params)
{
	struct flt_table *table = make_table(rules, n);
	double values[RUNS];
	uint32_t hits = 0, rounds = 30;
	for (uint32_t run = 0; run < RUNS; run++) {
		double start = now_ns();
		hits = 0;
		for (uint32_t r = 0; r < rounds; r++)
			for (uint32_t i = 0; i < packets.n; i += BURST)
				hits += classify(table, i);
		values[run] = (now_ns() - start) / ((double)rounds * packets.n);
		hits /= rounds;
	}
	report("sluice", params, n, values, RUNS, "classify", "ns/packet");
	flt_table_destroy(table);
	return hits;
}

/* A filter leaves and comes back after every burst; only the bursts are timed. */
static void measure_interleaved(const struct rule *rules, uint32_t n, const char *params)
{
	struct flt_table *table;
	struct flt_entry **entries = calloc(n, sizeof(struct flt_entry *));
	double values[RUNS];
	uint64_t age = 0;
	if (!entries || flt_table_create(&table, NULL))
		abort();
	for (uint32_t i = 0; i < n; i++)
		entries[i] = insert(table, &rules[i], age++);
	for (uint32_t run = 0; run < RUNS; run++) {
		values[run] = 0;
		for (uint32_t i = 0; i < packets.n; i += BURST) {
			uint32_t which = random_u32() % n;
			flt_table_remove(table, entries[which]);
			entries[which] = insert(table, &rules[which], age++);
			double start = now_ns();
			classify(table, i);
			values[run] += (now_ns() - start) / packets.n;
		}
	}
	report("sluice", params, n, values, RUNS, "interleaved", "ns/packet");
	free(entries);
	flt_table_destroy(table);
}

/* --- installing --- */

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
	rule_plain(&rule, random_u32(), random_u32() & 0xffff);
	rule_compile(&rule, &code);
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

static void measure_insert(const struct rule *rules, uint32_t n, const char *params)
{
	enum { TRIALS = 2000 };
	static double in[TRIALS], out[TRIALS];
	struct flt_table *nothing = make_table(NULL, 0), *table = make_table(rules, n);
	struct flt_table_info info, empty, with_known;
	struct binding known;
	flt_table_info(nothing, &empty);
	flt_table_info(table, &info);
	double each = (double)(info.memory - empty.memory) / n;
	install_plain(table, n, &known); /* so that the shape is a known one */
	flt_table_info(table, &with_known);
	if (!strcmp(params, "one shape") && with_known.shapes != info.shapes)
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
	flt_table_destroy(nothing);
}

/* --- all --- */

static void start_dpdk(void)
{
	char *arguments[] = {
	        "demux",       "--no-huge", "--no-pci",    "-m", "3072", "--no-telemetry",
	        "--log-level", "1",         "--no-shconf", "-l", "0",    NULL};
	if (rte_eal_init(11, arguments) < 0)
		abort();
}

static int usage(void)
{
	puts("usage: demux [--json FILE] [--shapes 1-16] [--seed N] [--filters N] [--zipf]\n"
	     "             [--misses] [--insert] [--captures FOLDER] [--alone]");
	return 1;
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
	        {"json", 1, NULL, 'j'},  {"shapes", 1, NULL, 's'},  {"seed", 1, NULL, 'r'},
	        {"zipf", 0, NULL, 'z'},  {"misses", 0, NULL, 'm'},  {"insert", 0, NULL, 'i'},
	        {"alone", 0, NULL, 'a'}, {"filters", 1, NULL, 'f'}, {"captures", 1, NULL, 'c'},
	        {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
	for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
		if (c == 'j')
			json = fopen(optarg, "w");
		else if (c == 's')
			o->shapes = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			o->seed = strtoull(optarg, NULL, 10);
		else if (c == 'f')
			o->filters = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'c')
			o->captures = optarg;
		else if (c == 'z')
			o->zipf = true;
		else if (c == 'm')
			o->misses = true;
		else if (c == 'i')
			o->insert = true;
		else if (c == 'a')
			o->alone = true;
		else
			return usage();
	}
	return o->shapes < 1 || o->shapes > SHAPES_MAX ? usage() : 0;
}

static void make_rules(const struct options *o, struct rule *rules, uint32_t n)
{
	struct plan plans[SHAPES_MAX];
	uint32_t i = o->captures ? rules_from_packets(rules, n / 2 + 1) : 0;
	random_seed(o->seed);
	for (uint32_t s = 0; s < o->shapes; s++)
		plan_draw(&plans[s]);
	for (; i < n; i++) {
		if (o->shapes == 1)
			rule_plain(&rules[i], random_u32(), random_u32() & 0xffff);
		else
			rule_draw(&rules[i], &plans[i % o->shapes]);
	}
}

static void name_case(const struct options *o, char *text, size_t size)
{
	if (o->shapes == 1 && !o->zipf && !o->misses && !o->captures)
		snprintf(text, size, "one shape");
	else
		snprintf(text, size, "%u shape%s%s%s%s", o->shapes, o->shapes > 1 ? "s" : "",
		         o->zipf ? ", zipf" : "", o->misses ? ", misses" : "",
		         o->captures ? ", captures" : "");
}

static void measure_peers(const struct options *o, const struct rule *rules, uint32_t n,
                          const char *params, uint32_t hits)
{
	uint32_t others = peer_acl(rules, n, params);
	if (others && others != hits && !o->captures)
		printf("rte_acl matches %u packets, the table %u\n", others, hits);
	if (o->shapes > 1 || o->captures)
		return;
	others = peer_hash(rules, n, params);
	if (others != hits)
		printf("rte_hash matches %u packets, the table %u\n", others, hits);
	if (n <= LINEAR_MAX)
		peer_linear(rules, n, params);
}

static void measure_size(const struct options *o, uint32_t n)
{
	struct rule *rules = malloc(n * sizeof(*rules));
	char params[40];
	if (!rules)
		abort();
	name_case(o, params, sizeof(params));
	make_rules(o, rules, n);
	if (!o->captures)
		packets_make(rules, n, o->zipf, o->misses);
	uint32_t hits = measure_table(rules, n, params);
	if (!o->alone)
		measure_peers(o, rules, n, params, hits);
	if (o->insert) {
		measure_interleaved(rules, n, params);
		measure_insert(rules, n, params);
	}
	free(rules);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 10, 100, 1000, 10000, 100000};
	struct options o = {.shapes = 1, .seed = 1};
	if (read_options(argc, argv, &o))
		return 2;
	random_seed(o.seed);
	if (!o.alone)
		start_dpdk();
	flt_host_init(true);
	if (o.captures && !packets_read(o.captures)) {
		printf("no captures in %s: left out\n", o.captures);
		return 0;
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (!o.filters || o.filters == sizes[i])
			measure_size(&o, sizes[i]);
	if (json) {
		fprintf(json, "\n]\n");
		fclose(json);
	}
	return 0;
}
