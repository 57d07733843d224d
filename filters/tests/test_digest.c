/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Digests: what is kept under one is what the tables say; held against them over random frames
 * while entries come and go. What can't be kept is not found.
 */
#include "common.h"

#include <flt/digest.h>

#include <stdlib.h>
#include <string.h>

enum { ROOM = 128, ROUNDS = 60000, TABLES = 2, FRAMES = 12 };

static const char *const expressions[] = {
        "ip and udp dst port 7 and dst host 10.0.0.2",
        "ip and udp dst port 9",
        "udp dst portrange 1000-1023",
        "tcp dst port 80 and dst net 10.0.0.0/8",
        "tcp port 80 and host 10.0.0.1",
        "icmp",
        "arp",
        "ip6 and udp port 7",
        "ip and not udp",
        "ip proto 17 and ip[6:2] & 0x1fff != 0",
        "vlan and ip",
        "ether src 02:00:00:00:00:01",
        "ip[0] & 0x10 = 0",      /* nothing */
        "udp[8:4] = 0xdeadbeef", /* payload */
        "ether[1000] = 1",       /* from here on without digests: too far behind, */
        "len <= 100 and tcp",    /* of a length */
};
enum { RULES = sizeof(expressions) / sizeof(expressions[0]), FIRST_NONE = RULES - 2 };

struct rule {
	struct flt_expression e;
	struct flt_program *program;
	struct flt_entry *entry;
};

static struct rule rules[RULES];
static struct flt_table *tables[TABLES];

static void set_up(void)
{
	struct flt_error error;
	for (int i = 0; i < RULES; i++) {
		if (flt_compile_expression(expressions[i], &rules[i].e, &error))
			fail_msg("\"%s\": %s", expressions[i], error.reason);
		if (!rules[i].e.extraction.exact)
			assert_int_equal(flt_program_load_classic(
			                         rules[i].e.insns, rules[i].e.n_insns,
			                         expressions[i], 0, &rules[i].program, &error),
			                 0);
	}
	for (int i = 0; i < TABLES; i++)
		assert_int_equal(flt_table_create(&tables[i], NULL), 0);
	flt_table_follow(tables[1], tables[0]);
}

static void tear_down(void)
{
	for (int i = 0; i < TABLES; i++)
		flt_table_destroy(tables[i]);
	for (int i = 0; i < RULES; i++) {
		rules[i].entry = NULL;
		flt_program_free(rules[i].program);
		rules[i].program = NULL;
		flt_expression_free(&rules[i].e);
	}
}

static void enter(struct rule *rule, uint32_t flags)
{
	struct flt_error error;
	struct flt_entry_spec spec = {.owner = rule,
	                              .flow = {rule->e.conjunctions, rule->e.extraction.n},
	                              .program = rule->program,
	                              .accept = rule->e.extraction.accept,
	                              .priority = test_random() % 2,
	                              .flags = flags};
	if (flt_table_insert(tables[(rule - rules) % TABLES], &spec, &rule->entry, &error))
		fail_msg("insert: %s", error.reason);
}

static void leave(struct rule *rule)
{
	flt_table_remove(tables[(rule - rules) % TABLES], rule->entry);
	rule->entry = NULL;
}

static uint32_t one_of(const uint32_t *numbers, uint32_t n)
{
	return numbers[test_random() % n];
}
#define ONE_OF(...)                                                                                \
	one_of((const uint32_t[]){__VA_ARGS__},                                                    \
	       sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void put(uint8_t *at, uint32_t value, unsigned bytes)
{
	while (bytes--)
		*at++ = (uint8_t)(value >> 8 * bytes);
}

/* Mostly like what the rules speak of, with some of everything else. */
static struct flt_frame random_frame(uint8_t bytes[ROOM])
{
	uint32_t ip = 14, header, len = ONE_OF(60, 60, 64, 100, 128, 40, 15, 14);
	memset(bytes, 0, ROOM);
	put(bytes + 6, 0x02000000, 4);
	put(bytes + 10, ONE_OF(1, 2), 2);
	put(bytes + 12, ONE_OF(0x800, 0x800, 0x800, 0x806, 0x86dd, 0x8100), 2);
	if (bytes[12] == 0x81) {
		put(bytes + 16, 0x800, 2);
		ip = 18;
	}
	if (bytes[12] == 0x86) {
		put(bytes + ip, 0x60, 1);
		put(bytes + ip + 6, ONE_OF(17, 6, 44, 0, 58), 1);
		put(bytes + ip + 41, 7, 3);
		return (struct flt_frame){.data = bytes, .len = len, .wire_len = len};
	}
	put(bytes + ip, ONE_OF(0x45, 0x45, 0x45, 0x46, 0x49), 1);
	put(bytes + ip + 6, ONE_OF(0, 0, 0x4000, 0x2000, 100), 2);
	put(bytes + ip + 9, ONE_OF(17, 17, 6, 1, 50), 1);
	put(bytes + ip + 12, ONE_OF(0x0a000001, 0x0b000001), 4);
	put(bytes + ip + 16, ONE_OF(0x0a000002, 0x0a000003), 4);
	header = ip + 4 * (bytes[ip] & 15);
	put(bytes + header, ONE_OF(7, 80, 5000), 2);
	put(bytes + header + 2, ONE_OF(7, 9, 80, 1000, 1023, 1024), 2);
	return (struct flt_frame){.data = bytes, .len = len, .wire_len = len};
}

static struct flt_verdict ask(const struct flt_frame *frame)
{
	struct flt_verdict verdict, first;
	flt_table_classify(tables[0], frame, 1, &first, NULL);
	if (first.owner)
		return first;
	flt_table_classify(tables[1], frame, 1, &verdict, NULL);
	verdict.fixed &= first.fixed;
	return verdict;
}

/* One frame through the cache, which is asked and told as a poller does. → whether it was there. */
static bool check(struct flt_cache *cache, const struct flt_frame *frame)
{
	uint64_t generation = flt_table_generation(tables[0]);
	const struct flt_verdict *kept = flt_cache_find(cache, generation, frame->data, frame->len);
	struct flt_verdict verdict = ask(frame);
	struct flt_fragment fragment;
	bool whole = flt_fragment_parse(frame, &fragment) == FLT_FRAGMENT_NONE;
	if (kept) {
		assert_true(whole);
		assert_ptr_equal(kept->owner, verdict.owner);
		assert_int_equal(kept->accept, verdict.accept);
	} else if (whole) {
		flt_cache_keep(cache, (const struct flt_table *const *)tables, generation, frame,
		               &verdict);
	}
	return kept != NULL;
}

/* Rules come and go; those that allow no digests in the second half only. */
static void change_rules(bool all)
{
	struct rule *rule = &rules[test_random() % (all ? RULES : FIRST_NONE)];
	if (rule->entry)
		leave(rule);
	else
		enter(rule, test_random() % 64 == 0 ? FLT_TAP : 0);
}

static void kept_verdicts_are_the_tables(void **state)
{
	struct flt_cache *cache = aligned_alloc(64, sizeof(*cache));
	uint8_t bytes[FRAMES][ROOM];
	struct flt_frame frames[FRAMES];
	unsigned found = 0;
	flt_cache_begin(cache);
	set_up();
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t k = test_random() % FRAMES;
		if (i % 100 == 0)
			change_rules(i > ROUNDS / 2);
		if (i < FRAMES || test_random() % 16 == 0)
			frames[i % FRAMES] = random_frame(bytes[i % FRAMES]);
		k = i < FRAMES ? (uint32_t)i : k;
		if (test_random() % 4 == 0)
			bytes[k][test_random() % 64] ^= (uint8_t)(1 << test_random() % 8);
		found += check(cache, &frames[k]);
	}
	assert_true(found > ROUNDS / 8);
	tear_down();
	free(cache);
}

/* A verdict is kept before long. */
static bool settles(struct flt_cache *cache, const struct flt_frame *frame)
{
	unsigned n = 0;
	while (n < 8 && !check(cache, frame))
		n++;
	return n > 0 && n < 8;
}

static void frames_of_one_flow_share_a_verdict(void **state)
{
	static struct flt_cache cache;
	uint8_t bytes[ROOM];
	struct flt_frame frame = random_frame(bytes);
	flt_cache_begin(&cache);
	set_up();
	enter(&rules[0], 0);
	enter(&rules[3], 0);
	memset(bytes, 0, ROOM);
	put(bytes + 12, 0x08004500, 4);
	bytes[23] = 17;
	put(bytes + 30, 0x0a000002, 4);
	bytes[37] = 7;
	frame.len = frame.wire_len = 60;
	assert_true(settles(&cache, &frame));
	put(bytes + 16, 0x12345678, 4); /* length, identification */
	put(bytes + 24, 0x9abc, 2);     /* checksum */
	put(bytes + 26, 0x0a0a0a0a, 4); /* source */
	put(bytes + 34, 4000, 2);
	frame.len = frame.wire_len = 100;
	assert_true(check(&cache, &frame));
	bytes[20] = 0x20; /* the first fragment of several */
	assert_false(check(&cache, &frame));
	bytes[20] = 0;
	bytes[37] = 8;
	assert_true(settles(&cache, &frame));
	bytes[37] = 7;
	assert_true(check(&cache, &frame));
	frame.len = frame.wire_len = 37; /* what decides is not there */
	assert_false(check(&cache, &frame));
	frame.len = frame.wire_len = 100;
	leave(&rules[0]);
	assert_true(settles(&cache, &frame)); /* another generation */
	bytes[23] = 1;                        /* what rules out UDP needs no ports */
	assert_true(settles(&cache, &frame));
	put(bytes + 34, 0x12345678, 4);
	assert_true(check(&cache, &frame));
	tear_down();
}

/* A conjunction that holds for a frame holds for all under its digest. */
static void conjunctions_hold_under_their_digest(void **state)
{
	uint8_t bytes[ROOM], others[ROOM];
	unsigned same = 0, n_brief = 0;
	set_up();
	for (int i = 0; i < ROUNDS; i++) {
		const struct rule *rule = &rules[test_random() % RULES];
		struct flt_frame frame = random_frame(bytes), other = random_frame(others);
		struct flt_digest digest;
		struct flt_digest_key key;
		struct flt_brief brief;
		flt_digest_begin(&digest);
		if (!flt_digest_conjunction(&digest, &rule->e.conjunctions[0], &frame))
			continue;
		flt_digest_key(&digest, &frame, &key);
		uint32_t first = ONE_OF(0, 12, 16);
		flt_brief_make(&brief, &digest, &key, first);
		if (brief.least == digest.least) {
			n_brief++;
			assert_int_equal(flt_brief_match(&brief, others, first),
			                 flt_digest_match(&digest.mask, &key, others));
			assert_true(flt_brief_match(&brief, bytes, first));
		}
		if (other.len < digest.least || !flt_digest_match(&digest.mask, &key, others))
			continue;
		same++;
		assert_int_equal(flt_conjunction_match(&rule->e.conjunctions[0], &frame),
		                 flt_conjunction_match(&rule->e.conjunctions[0], &other));
	}
	assert_true(same > ROUNDS / 100);
	assert_true(n_brief > ROUNDS / 100);
	tear_down();
}

/* A digest of any mask lies in two pieces, or is said not to. */
static void pieces_are_all_of_a_digest(void **state)
{
	unsigned n_brief = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct flt_digest digest = {.least = FLT_DIGEST_BYTES};
		struct flt_digest_key key;
		struct flt_brief brief;
		uint8_t bytes[FLT_DIGEST_BYTES], *mask = (uint8_t *)digest.mask.words;
		struct flt_frame frame = {
		        .data = bytes, .len = sizeof(bytes), .wire_len = sizeof(bytes)};
		for (uint32_t at = 0; at < sizeof(bytes); at++)
			bytes[at] = (uint8_t)test_random();
		for (unsigned n = (unsigned)test_random() % 5; n; n--)
			mask[test_random() % sizeof(bytes)] = (uint8_t)(1 << test_random() % 8);
		flt_digest_key(&digest, &frame, &key);
		uint32_t first = (uint32_t)test_random() % (FLT_DIGEST_BYTES - 15);
		flt_brief_make(&brief, &digest, &key, first);
		for (uint32_t at = 0; at < sizeof(bytes) && brief.least != UINT32_MAX; at++) {
			bytes[at] ^= 0xff;
			assert_int_equal(flt_brief_match(&brief, bytes, first), mask[at] == 0);
			bytes[at] ^= 0xff;
		}
		n_brief += brief.least != UINT32_MAX;
	}
	assert_true(n_brief > ROUNDS / 10 && n_brief < ROUNDS);
}

static int prepare(void **state)
{
	flt_host_init(true);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(kept_verdicts_are_the_tables),
	        cmocka_unit_test(frames_of_one_flow_share_a_verdict),
	        cmocka_unit_test(conjunctions_hold_under_their_digest),
	        cmocka_unit_test(pieces_are_all_of_a_digest),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
