/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules and packets of the benchmark, all from one seed.
 */
#include <dirent.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct packets packets;
static uint64_t random_state;

void random_seed(uint64_t seed)
{
	random_state = seed * 2654435761u + 88172645463325252ull;
}

uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static uint32_t pick_of(const uint32_t *from, uint32_t n)
{
	return from[random_u32() % n];
}

#define PICK(array) pick_of(array, sizeof(array) / sizeof((array)[0]))

/* --- conjunctions --- */

static struct flt_term *add(struct flt_conjunction *c, uint32_t offset, uint32_t width)
{
	struct flt_term *t = &c->terms[c->n_terms++];
	*t = (struct flt_term){.width = (uint8_t)width, .offset = (uint16_t)offset};
	return t;
}

static void add_masked(struct flt_conjunction *c, uint32_t offset, uint32_t width, uint32_t mask,
                       uint32_t value)
{
	struct flt_term *t = add(c, offset, width);
	t->mask = mask;
	t->value = value & mask;
}

static void add_prefix(struct flt_conjunction *c, uint32_t offset, const uint32_t *words,
                       uint32_t bits)
{
	for (; bits; words++, offset += 4) {
		uint32_t here = bits < 32 ? bits : 32;
		add_masked(c, offset, 4, (uint32_t)(0xffffffffull << (32 - here)), *words);
		bits -= here;
	}
}

static bool is_any(struct ports ports)
{
	return !ports.low && ports.high == 0xffff;
}

static void add_ports(struct flt_conjunction *c, const struct match *m, uint32_t offset,
                      struct ports ports)
{
	if (is_any(ports))
		return;
	struct flt_term *t;
	if (m->family == IPV6) {
		t = add(c, 54 + offset, 2);
	} else {
		t = add(c, ip_offset[m->family] + offset, 2);
		t->base = FLT_BASE_MSH;
		t->msh = (uint16_t)ip_offset[m->family];
	}
	if (ports.low == ports.high) {
		t->mask = 0xffff;
		t->value = ports.low;
	} else {
		t->test = FLT_TEST_RANGE;
		t->low = ports.low;
		t->high = ports.high;
	}
}

/* In the order in which libpcap tests. */
static void make_conjunction(const struct match *m, struct flt_conjunction *c)
{
	uint32_t ip = ip_offset[m->family];
	memset(c, 0, sizeof(*c));
	if (m->family == VLAN) {
		add_masked(c, 12, 2, 0xffff, 0x8100);
		add_masked(c, 14, 2, 0xfff, m->vlan);
	}
	add_masked(c, ip - 2, 2, 0xffff, m->family == IPV6 ? 0x86dd : 0x0800);
	if (m->family == IPV6) {
		if (m->protocol >= 0)
			add_masked(c, 20, 1, 0xff, (uint32_t)m->protocol);
		add_prefix(c, 22, m->source, m->source_bits);
		add_prefix(c, 38, m->target, m->target_bits);
	} else {
		if (!is_any(m->from) || !is_any(m->to))
			add_masked(c, ip + 6, 2, 0x1fff, 0);
		if (m->protocol >= 0)
			add_masked(c, ip + 9, 1, 0xff, (uint32_t)m->protocol);
		add_prefix(c, ip + 12, m->source, m->source_bits);
		add_prefix(c, ip + 16, m->target, m->target_bits);
	}
	add_ports(c, m, 0, m->from);
	add_ports(c, m, 2, m->to);
}

/* --- rules --- */

static const struct ports any_port = {0, 0xffff};

static struct ports draw_ports(uint32_t n)
{
	uint32_t low = random_u32() & 0xffff;
	if (!n)
		return any_port;
	if (low > 0xffff - (n - 1))
		low = 0xffff - (n - 1);
	return (struct ports){(uint16_t)low, (uint16_t)(low + n - 1)};
}

void plan_draw(struct plan *plan)
{
	static const uint32_t families[] = {IPV4, IPV4, IPV6, VLAN};
	static const uint32_t targets4[] = {32, 32, 28, 24, 20, 16},
	                      sources4[] = {0, 0, 32, 24, 16};
	static const uint32_t targets6[] = {128, 128, 96, 64, 48}, sources6[] = {0, 0, 0, 128, 64};
	static const uint32_t ports[] = {1, 1, 1, 0, 20, 100}, sources[] = {0, 0, 0, 1};
	plan->family = (enum family)PICK(families);
	bool six = plan->family == IPV6;
	plan->protocol = random_u32() % 8 != 0;
	plan->target_bits = six ? PICK(targets6) : PICK(targets4);
	plan->source_bits = six ? PICK(sources6) : PICK(sources4);
	plan->to = PICK(ports);
	plan->from = PICK(sources);
}

void rule_draw(struct rule *rule, const struct plan *plan)
{
	struct match *m = &rule->match;
	*m = (struct match){.family = plan->family,
	                    .protocol = plan->protocol ? (random_u32() & 1 ? 17 : 6) : -1,
	                    .vlan = plan->family == VLAN ? 1 + random_u32() % 16 : 0,
	                    .source_bits = plan->source_bits,
	                    .target_bits = plan->target_bits,
	                    .from = draw_ports(plan->from),
	                    .to = draw_ports(plan->to)};
	for (uint32_t i = 0; i < 4; i++) {
		m->source[i] = random_u32();
		m->target[i] = random_u32();
	}
	make_conjunction(m, &rule->c);
}

void rule_plain(struct rule *rule, uint32_t address, uint32_t port)
{
	struct ports to = {(uint16_t)port, (uint16_t)port};
	rule->match = (struct match){.family = IPV4,
	                             .protocol = 17,
	                             .source = {random_u32()},
	                             .target = {address},
	                             .target_bits = 32,
	                             .from = any_port,
	                             .to = to};
	make_conjunction(&rule->match, &rule->c);
}

void rule_compile(const struct rule *rule, struct bpf_program *program)
{
	char text[80];
	uint32_t a = rule->match.target[0];
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	snprintf(text, sizeof(text), "udp dst port %u and dst host %u.%u.%u.%u", rule->match.to.low,
	         a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
	if (!pcap || pcap_compile(pcap, program, text, 1, 0))
		abort();
	pcap_close(pcap);
}

/* --- packets --- */

static uint8_t bytes[PACKETS][FRAME];

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

static uint32_t in_range(struct ports ports)
{
	return ports.low + random_u32() % (ports.high - ports.low + 1u);
}

/* A packet that matches; with others' addresses one that hardly does. */
static void make_packet(const struct match *m, bool miss, uint8_t *p)
{
	uint8_t *ip = p + ip_offset[m->family];
	size_t words = m->family == IPV6 ? 4 : 1;
	uint32_t protocol = m->protocol < 0 ? 17 : m->protocol;
	uint8_t *source = ip + (m->family == IPV6 ? 8 : 12), *target = source + 4 * words;
	memset(p, 0, FRAME);
	if (m->family == VLAN) {
		put16(p + 12, 0x8100);
		put16(p + 14, m->vlan);
	}
	put16(ip - 2, m->family == IPV6 ? 0x86dd : 0x0800);
	ip[0] = m->family == IPV6 ? 0x60 : 0x45;
	ip[m->family == IPV6 ? 6 : 9] = (uint8_t)protocol;
	for (size_t i = 0; i < words; i++) {
		put32(source + 4 * i, miss ? random_u32() : m->source[i]);
		put32(target + 4 * i, miss ? random_u32() : m->target[i]);
	}
	put16(target + 4 * words, in_range(m->from));
	put16(target + 4 * words + 2, in_range(m->to));
}

/* Cumulated weights 1/1, 1/2, 1/3, … */
static double *zipf_weights(uint32_t n)
{
	double *sums = malloc(n * sizeof(*sums)), sum = 0;
	if (!sums)
		abort();
	for (uint32_t i = 0; i < n; i++)
		sums[i] = sum += 1.0 / (i + 1);
	return sums;
}

static uint32_t pick(const double *sums, uint32_t n)
{
	if (!sums)
		return random_u32() % n;
	double at = sums[n - 1] * random_u32() / 4294967296.0;
	uint32_t low = 0, high = n - 1;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (sums[middle] > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void packets_make(const struct rule *rules, uint32_t n, bool zipf, bool misses)
{
	double *sums = zipf ? zipf_weights(n) : NULL;
	packets.n = PACKETS;
	for (uint32_t i = 0; i < PACKETS; i++) {
		make_packet(&rules[pick(sums, n)].match, misses, bytes[i]);
		packets.frames[i] =
		        (struct flt_frame){.data = bytes[i], .len = FRAME, .wire_len = FRAME};
	}
	free(sums);
}

static void read_capture(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(path, error);
	while (pcap && pcap_datalink(pcap) == DLT_EN10MB && packets.n < PACKETS_MAX &&
	       pcap_next_ex(pcap, &header, &data) == 1) {
		uint8_t *copy = calloc(1, header->caplen + FRAME); /* rte_acl looks no lengths up */
		if (!copy)
			abort();
		memcpy(copy, data, header->caplen);
		packets.frames[packets.n++] = (struct flt_frame){
		        .data = copy, .len = header->caplen, .wire_len = header->len};
	}
	if (pcap)
		pcap_close(pcap);
}

uint32_t packets_read(const char *folder)
{
	struct dirent **names;
	char path[4096];
	int n = scandir(folder, &names, NULL, alphasort);
	packets.n = 0;
	for (int i = 0; i < n; i++) {
		if (strstr(names[i]->d_name, ".pcap") &&
		    snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name) <
		            (int)sizeof(path))
			read_capture(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	packets.n -= packets.n % BURST;
	return packets.n;
}

static bool is_udp4(const struct flt_frame *f)
{
	const uint8_t *p = f->data;
	return f->len >= 42 && p[12] == 8 && !p[13] && p[14] == 0x45 && p[23] == 17 &&
	       !(p[20] & 0x1f) && !p[21];
}

uint32_t rules_from_packets(struct rule *rules, uint32_t n)
{
	uint32_t made = 0;
	for (uint32_t i = 0; i < packets.n && made < n; i++) {
		const uint8_t *p = packets.frames[i].data;
		if (!is_udp4(&packets.frames[i]))
			continue;
		uint32_t address = (uint32_t)p[30] << 24 | (uint32_t)p[31] << 16 |
		                   (uint32_t)p[32] << 8 | p[33];
		uint32_t port = (uint32_t)p[36] << 8 | p[37], k = 0;
		while (k < made &&
		       (rules[k].match.target[0] != address || rules[k].match.to.low != port))
			k++;
		if (k == made)
			rule_plain(&rules[made++], address, port);
	}
	return made;
}
