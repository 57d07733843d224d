/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the decision structure: inserts, removes and lookups interleaved, against asking every
 * entry one after another.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <flt/host.h>
#include <flt/table.h>

enum { ENTRIES = 48, FRAME = 24, BURST = 5 };

struct rule {
	struct flt_entry *entry;
	struct flt_conjunction conjunctions[3];
	uint32_t n;
	uint32_t priority;
	uint64_t age;
	uint64_t order;
	uint32_t flags;
	struct flt_program *program;
};

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* Few places and values, so that entries meet. */
static struct flt_term take_term(struct input *in)
{
	static const uint8_t widths[] = {1, 2, 4};
	static const uint32_t masks[] = {0xffffffff, 0xffffffff, 0xff, 0xf0f0f0f0,
	                                 0xffff0000, 1,          0};
	uint8_t a = take(in), b = take(in), c = take(in);
	struct flt_term t = {.width = widths[a % 3], .negate = (a >> 2) % 5 == 0};
	uint32_t all = t.width == 4 ? UINT32_MAX : (1u << 8 * t.width) - 1;
	if (a >> 5 == 7) {
		t = (struct flt_term){.base = FLT_BASE_LENGTH, .width = 4, .negate = t.negate};
		all = UINT32_MAX;
	} else if (a >> 5 == 6) {
		t.base = FLT_BASE_MSH;
		t.msh = b & 1;
	}
	if (t.base != FLT_BASE_LENGTH)
		t.offset = b % 8;
	if (b & 0x80) {
		uint32_t low = c & 7, high = low + (take(in) & 31);
		t.test = FLT_TEST_RANGE;
		t.low = low * (b & 0x40 ? 1 : 3) & all;
		t.high = high * (b & 0x40 ? 1 : 5) & all;
		if (t.low > t.high)
			t.low = t.high;
	} else {
		t.mask = masks[c % 7] & all;
		t.value = (c >> 4) * 0x01010101u & t.mask;
	}
	return t;
}

static void take_rule(struct input *in, struct rule *rule)
{
	uint8_t a = take(in);
	rule->n = 1 + a % 3;
	rule->priority = (a >> 2) % 3;
	rule->age = (a >> 4) % 4;
	rule->flags = a >> 6 == 3 ? FLT_TAP : 0;
	memset(rule->conjunctions, 0, sizeof(rule->conjunctions));
	for (uint32_t i = 0; i < rule->n; i++) {
		rule->conjunctions[i].n_terms = take(in) % 4;
		for (uint32_t j = 0; j < rule->conjunctions[i].n_terms; j++)
			rule->conjunctions[i].terms[j] = take_term(in);
	}
	rule->program = NULL;
	if (take(in) % 8 == 0) { /* accepts where bit 0 of a byte is set */
		struct flt_classic_insn insns[] = {
		        {.code = 0x30, .k = 9}, {.code = 0x54, .k = 1}, {.code = 0x16}};
		if (flt_program_load_classic(insns, 3, "odd", FLT_LOAD_INTERPRET, &rule->program,
		                             NULL))
			abort();
	}
}

static bool before(const struct rule *a, int a_bits, const struct rule *b, int b_bits)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a_bits != b_bits)
		return a_bits > b_bits;
	return a->age != b->age ? a->age < b->age : a->order < b->order;
}

static int bits_for(const struct rule *rule, const struct flt_frame *frame)
{
	if (!rule->entry || (rule->program && !flt_program_run(rule->program, frame)))
		return -1;
	return flt_flow_bits((struct flt_flow){rule->conjunctions, rule->n}, frame);
}

static const struct rule *model(const struct rule *rules, const struct flt_frame *frame)
{
	const struct rule *best = NULL;
	int best_bits = -1;
	for (uint32_t i = 0; i < ENTRIES; i++) {
		int bits = bits_for(&rules[i], frame);
		if (bits < 0 || rules[i].flags & FLT_TAP)
			continue;
		if (!best || before(&rules[i], bits, best, best_bits)) {
			best = &rules[i];
			best_bits = bits;
		}
	}
	return best;
}

struct seen {
	uint32_t count[BURST][ENTRIES];
	const struct rule *rules;
};

static void note_tap(void *arg, uint32_t index, void *owner, uint32_t accept)
{
	struct seen *seen = arg;
	seen->count[index][(struct rule *)owner - seen->rules]++;
}

static void look_up(const struct flt_table *table, const struct rule *rules, struct input *in)
{
	uint8_t bytes[BURST][FRAME];
	struct flt_frame frames[BURST];
	struct flt_verdict verdicts[BURST];
	struct seen seen = {.rules = rules};
	struct flt_tap_sink sink = {note_tap, &seen};
	for (uint32_t f = 0; f < BURST; f++) {
		for (uint32_t i = 0; i < FRAME; i++)
			bytes[f][i] = take(in) & 0x1f;
		uint32_t len = take(in) % 4 ? FRAME : take(in) % FRAME;
		frames[f] =
		        (struct flt_frame){.data = bytes[f], .len = len, .wire_len = take(in) & 31};
	}
	flt_table_classify(table, frames, BURST, verdicts, &sink);
	for (uint32_t f = 0; f < BURST; f++) {
		if (verdicts[f].owner != model(rules, &frames[f]))
			abort();
		for (uint32_t i = 0; i < ENTRIES; i++) {
			bool wants =
			        rules[i].flags & FLT_TAP && bits_for(&rules[i], &frames[f]) >= 0;
			if (seen.count[f][i] != wants)
				abort();
		}
	}
}

static void toggle(struct flt_table *table, struct rule *rule, struct input *in, uint64_t order)
{
	if (rule->entry) {
		flt_table_remove(table, rule->entry);
		flt_program_free(rule->program);
		rule->entry = NULL;
		rule->program = NULL;
		return;
	}
	take_rule(in, rule);
	rule->order = order;
	struct flt_entry_spec spec = {.owner = rule,
	                              .flow = {rule->conjunctions, rule->n},
	                              .program = rule->program,
	                              .priority = rule->priority,
	                              .age = rule->age,
	                              .flags = rule->flags};
	if (flt_flow_validate(spec.flow, NULL) ||
	    flt_table_insert(table, &spec, &rule->entry, NULL))
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	flt_host_init(true);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rule rules[ENTRIES];
	struct input in = {data, size};
	struct flt_table *table;
	uint64_t order = 0;
	memset(rules, 0, sizeof(rules));
	if (flt_table_create(&table, NULL))
		abort();
	while (in.size) {
		uint8_t what = take(&in);
		if (what & 1)
			look_up(table, rules, &in);
		else
			toggle(table, &rules[what / 2 % ENTRIES], &in, order++);
	}
	flt_table_destroy(table);
	for (uint32_t i = 0; i < ENTRIES; i++)
		flt_program_free(rules[i].program);
	return 0;
}
