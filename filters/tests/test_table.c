/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision structure: the total order, programs that decline, taps, removal; and agreement with
 * asking every entry one after another while entries come and go.
 */
#include "common.h"

#include <flt/table.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rule {
	struct flt_expression e;
	struct flt_program *program;
	struct flt_entry *entry;
	uint32_t priority;
	uint64_t age;
	uint32_t flags;
	uint64_t order; /* of insertion */
	uint32_t released;
};

static void release_rule(void *owner)
{
	((struct rule *)owner)->released++;
}

static void compile_rule(struct rule *rule, const char *text)
{
	struct flt_error error;
	memset(rule, 0, sizeof(*rule));
	if (flt_compile_expression(text, &rule->e, &error))
		fail_msg("\"%s\": %s", text, error.reason);
	if (!rule->e.extraction.exact)
		assert_int_equal(flt_program_load_classic(rule->e.insns, rule->e.n_insns, text, 0,
		                                          &rule->program, &error),
		                 0);
}

static void insert_rule(struct flt_table *table, struct rule *rule)
{
	static uint64_t order;
	struct flt_entry_spec spec = {
	        .owner = rule,
	        .flow = {rule->e.conjunctions, rule->e.extraction.n},
	        .program = rule->program,
	        .accept = rule->e.extraction.accept,
	        .priority = rule->priority,
	        .age = rule->age,
	        .flags = rule->flags,
	        .release = release_rule,
	};
	struct flt_error error;
	if (flt_table_insert(table, &spec, &rule->entry, &error))
		fail_msg("insert: %s", error.reason);
	rule->order = order++;
}

static void free_rule(struct rule *rule)
{
	flt_program_free(rule->program);
	flt_expression_free(&rule->e);
}

static void *winner(const struct flt_table *table, const struct flt_frame *frame)
{
	struct flt_verdict verdict;
	flt_table_classify(table, frame, 1, &verdict, NULL);
	return verdict.owner;
}

/* An IPv4 UDP frame. */
static struct flt_frame udp_frame(uint8_t bytes[60], uint32_t source, uint32_t destination,
                                  uint16_t source_port, uint16_t destination_port)
{
	memset(bytes, 0, 60);
	bytes[12] = 8;
	bytes[14] = 0x45;
	bytes[23] = 17;
	for (int i = 0; i < 4; i++) {
		bytes[26 + i] = (uint8_t)(source >> (24 - 8 * i));
		bytes[30 + i] = (uint8_t)(destination >> (24 - 8 * i));
	}
	bytes[34] = (uint8_t)(source_port >> 8);
	bytes[35] = (uint8_t)source_port;
	bytes[36] = (uint8_t)(destination_port >> 8);
	bytes[37] = (uint8_t)destination_port;
	return (struct flt_frame){.data = bytes, .len = 60, .wire_len = 60};
}

static void order_is_priority_bits_age(void **state)
{
	struct flt_table *table;
	struct rule rules[4];
	uint8_t bytes[60];
	struct flt_frame frame = udp_frame(bytes, 0x0a000001, 0x0a000002, 1000, 53);
	assert_int_equal(flt_table_create(&table, NULL), 0);
	assert_null(winner(table, &frame));
	compile_rule(&rules[0], "ip");
	compile_rule(&rules[1], "ip and udp dst port 53");
	compile_rule(&rules[2], "ip and udp dst port 53");
	compile_rule(&rules[3], "");
	rules[1].age = 20;
	rules[2].age = 10;
	rules[3].priority = 1;
	for (int i = 0; i < 4; i++) {
		insert_rule(table, &rules[i]);
		assert_ptr_equal(winner(table, &frame), &rules[i]);
	}
	flt_table_remove(table, rules[3].entry);
	assert_int_equal(rules[3].released, 1);
	assert_ptr_equal(winner(table, &frame), &rules[2]);
	flt_table_remove(table, rules[2].entry);
	assert_ptr_equal(winner(table, &frame), &rules[1]);
	flt_table_remove(table, rules[1].entry);
	assert_ptr_equal(winner(table, &frame), &rules[0]);
	flt_table_destroy(table);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rules[i].released, 1);
		free_rule(&rules[i]);
	}
}

static void declined_frames_go_on(void **state)
{
	struct flt_table *table;
	struct rule rules[2];
	uint8_t bytes[60];
	struct flt_frame frame = udp_frame(bytes, 1, 2, 1000, 53);
	assert_int_equal(flt_table_create(&table, NULL), 0);
	compile_rule(&rules[0],
	             "ip[2:2] = ip[4:2]"); /* needs its program: lengths 0, so it accepts */
	compile_rule(&rules[1], "ip");
	rules[0].priority = 5;
	insert_rule(table, &rules[0]);
	insert_rule(table, &rules[1]);
	assert_ptr_equal(winner(table, &frame), &rules[0]);
	bytes[16] = 1;
	assert_ptr_equal(winner(table, &frame), &rules[1]);
	flt_table_destroy(table);
	free_rule(&rules[0]);
	free_rule(&rules[1]);
}

struct seen {
	uint32_t n;
	uint32_t index[8];
	void *owner[8];
};

static void note_tap(void *arg, uint32_t index, void *owner, uint32_t accept)
{
	struct seen *seen = arg;
	assert_true(seen->n < 8 && accept);
	seen->index[seen->n] = index;
	seen->owner[seen->n++] = owner;
}

static void taps_get_copies_and_never_decide(void **state)
{
	struct flt_table *table;
	struct rule rules[3];
	uint8_t a[60], b[60];
	struct flt_frame frames[2] = {udp_frame(a, 1, 2, 3, 53), udp_frame(b, 1, 2, 3, 54)};
	struct flt_verdict verdicts[2];
	struct seen seen = {0};
	struct flt_tap_sink sink = {note_tap, &seen};
	assert_int_equal(flt_table_create(&table, NULL), 0);
	compile_rule(&rules[0], "ip");
	compile_rule(&rules[1], "udp dst port 54");
	compile_rule(&rules[2], "ip[2:2] = ip[4:2]");
	rules[1].flags = rules[2].flags = FLT_TAP;
	rules[1].priority = 9;
	for (int i = 0; i < 3; i++)
		insert_rule(table, &rules[i]);
	a[16] = 1;
	flt_table_classify(table, frames, 2, verdicts, &sink);
	assert_ptr_equal(verdicts[0].owner, &rules[0]);
	assert_ptr_equal(verdicts[1].owner, &rules[0]);
	assert_int_equal(verdicts[0].accept, FLT_EXPRESSION_SNAPLEN);
	assert_int_equal(seen.n, 2);
	assert_true(seen.index[0] == 1 && seen.index[1] == 1);
	assert_ptr_not_equal(seen.owner[0], seen.owner[1]);
	flt_table_classify(table, frames, 2, verdicts, NULL);
	assert_int_equal(seen.n, 2);
	flt_table_destroy(table);
	for (int i = 0; i < 3; i++)
		free_rule(&rules[i]);
}

/* --- against asking one after another --- */

static bool before(const struct rule *a, int a_bits, const struct rule *b, int b_bits)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a_bits != b_bits)
		return a_bits > b_bits;
	return a->age != b->age ? a->age < b->age : a->order < b->order;
}

static const struct rule *model(const struct rule *rules, uint32_t n, const struct flt_frame *frame)
{
	const struct rule *best = NULL;
	int best_bits = -1;
	for (uint32_t i = 0; i < n; i++) {
		const struct rule *r = &rules[i];
		if (!r->entry || !test_libpcap(&r->e, frame))
			continue;
		int bits = flt_flow_bits((struct flt_flow){r->e.conjunctions, r->e.extraction.n},
		                         frame);
		if (!best || before(r, bits, best, best_bits)) {
			best = r;
			best_bits = bits;
		}
	}
	return best;
}

static void compare_burst(const struct flt_table *table, const struct rule *rules, uint32_t n,
                          const struct test_frames *all)
{
	struct flt_frame frames[32];
	struct flt_verdict verdicts[32];
	uint32_t burst = 1 + test_random() % 32;
	for (uint32_t i = 0; i < burst; i++)
		frames[i] = all->frames[test_random() % all->n];
	flt_table_classify(table, frames, burst, verdicts, NULL);
	for (uint32_t i = 0; i < burst; i++)
		assert_ptr_equal(verdicts[i].owner, model(rules, n, &frames[i]));
}

static void toggle(struct flt_table *table, struct rule *rule)
{
	if (rule->entry) {
		flt_table_remove(table, rule->entry);
		rule->entry = NULL;
	} else {
		rule->priority = test_random() % 8 ? 0 : test_random() % 3;
		rule->age = test_random() % 4;
		insert_rule(table, rule);
	}
}

static void equals_asking_one_by_one(void **state)
{
	const struct test_frames *all = test_captures();
	struct flt_table *table;
	uint32_t n = 0;
	if (!all->n) {
		print_message("no captures at hand\n");
		skip();
	}
	while (test_expressions[n])
		n++;
	struct rule *rules = calloc(n, sizeof(*rules));
	assert_non_null(rules);
	for (uint32_t i = 0; i < n; i++)
		compile_rule(&rules[i], test_expressions[i]);
	assert_int_equal(flt_table_create(&table, NULL), 0);
	for (uint32_t round = 0; round < 600; round++) {
		toggle(table, &rules[test_random() % n]);
		compare_burst(table, rules, n, all);
	}
	flt_table_destroy(table);
	for (uint32_t i = 0; i < n; i++)
		free_rule(&rules[i]);
	free(rules);
}

static int set_up(void **state)
{
	flt_host_init(true);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(order_is_priority_bits_age),
	        cmocka_unit_test(declined_frames_go_on),
	        cmocka_unit_test(taps_get_copies_and_never_decide),
	        cmocka_unit_test(equals_asking_one_by_one),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
