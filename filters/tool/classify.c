/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt classify and flt explain: many expressions at once, through the merged structure.
 */
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include <flt/flowset.h>
#include <flt/table.h>

#include "flt.h"

struct rule {
	char *text;
	uint32_t line;
	struct flt_expression e;
	struct flt_program *program; /* where the flow alone does not say it */
	uint64_t packets, bytes;     /* all matches */
	uint64_t won_packets, won_bytes;
	uint64_t differs; /* packets on which libpcap says otherwise */
	bool matched;     /* the current packet */
	uint32_t accept;
};

struct rules {
	struct rule *all;
	uint32_t n;
	struct flt_table *table;
	uint64_t unmatched;
};

/* --- reading expressions --- */

static int add_rule(const struct tool *tool, struct rules *rules, const char *text, uint32_t line)
{
	struct flt_error error;
	if (!(rules->n & (rules->n - 1))) {
		struct rule *more =
		        realloc(rules->all, (rules->n ? 2 * rules->n : 1) * sizeof(*more));
		if (!more)
			return tool_complain("no memory");
		rules->all = more;
	}
	struct rule *rule = &rules->all[rules->n];
	memset(rule, 0, sizeof(*rule));
	rule->line = line;
	if (flt_compile_expression(text, &rule->e, &error)) {
		fprintf(stderr, "flt: %s:%u:\n", tool->list, line);
		return tool_refuse_expression(tool, text, &error);
	}
	rule->text = strdup(text);
	rules->n++;
	if (rule->e.extraction.exact)
		return rule->text ? 0 : tool_complain("no memory");
	if (flt_program_load_classic(rule->e.insns, rule->e.n_insns, text, 0, &rule->program,
	                             &error))
		return tool_refuse(tool, text, &error);
	return 0;
}

/* One expression a line; blank lines and lines that begin with # are left out. */
static int read_rules(const struct tool *tool, struct rules *rules)
{
	size_t size;
	uint32_t line = 0;
	int code = 0;
	char *bytes = (char *)tool_read_file(tool->list, &size), *at = bytes;
	while (at && *at && !code) {
		char *end = strchr(at, '\n');
		if (end)
			*end = '\0';
		line++;
		at[strcspn(at, "\r")] = '\0';
		if (*at && *at != '#')
			code = add_rule(tool, rules, at, line);
		at = end ? end + 1 : NULL;
	}
	free(bytes);
	return bytes ? code : TOOL_USAGE;
}

/* Inserted from the last to the first: nothing may depend on insertion's order but the age does. */
static int fill_table(const struct tool *tool, struct rules *rules)
{
	struct flt_error error;
	if (flt_table_create(&rules->table, &error))
		return tool_refuse(tool, tool->list, &error);
	for (uint32_t i = rules->n; i-- > 0;) {
		struct rule *rule = &rules->all[i];
		struct flt_entry *entry;
		struct flt_entry_spec spec = {
		        .owner = rule,
		        .flow = {rule->e.conjunctions, rule->e.extraction.n},
		        .program = rule->program,
		        .accept = rule->e.extraction.accept,
		        .age = i,
		};
		if (flt_table_insert(rules->table, &spec, &entry, &error))
			return tool_refuse(tool, rule->text, &error);
	}
	return 0;
}

static void free_rules(struct rules *rules)
{
	if (rules->table)
		flt_table_destroy(rules->table);
	for (uint32_t i = 0; i < rules->n; i++) {
		flt_program_free(rules->all[i].program);
		flt_expression_free(&rules->all[i].e);
		free(rules->all[i].text);
	}
	free(rules->all);
}

/* --- classifying --- */

static int note_match(void *arg, void *owner, uint32_t bits, uint32_t accept)
{
	struct rule *rule = owner;
	rule->matched = true;
	rule->accept = accept;
	return 0;
}

static uint32_t libpcap_verdict(const struct rule *rule, const struct flt_frame *frame)
{
	return bpf_filter((const struct bpf_insn *)rule->e.insns, frame->data, frame->wire_len,
	                  frame->len);
}

static void count_frame(const struct tool *tool, struct rules *rules, const struct flt_frame *frame)
{
	struct flt_verdict verdict;
	for (uint32_t i = 0; i < rules->n; i++)
		rules->all[i].matched = false;
	flt_table_match_all(rules->table, frame, note_match, NULL);
	flt_table_classify(rules->table, frame, 1, &verdict, NULL);
	struct rule *winner = verdict.owner;
	if (winner) {
		winner->won_packets++;
		winner->won_bytes += frame->len;
	} else {
		rules->unmatched++;
	}
	for (uint32_t i = 0; i < rules->n; i++) {
		struct rule *rule = &rules->all[i];
		rule->packets += rule->matched;
		rule->bytes += rule->matched ? frame->len : 0;
		if (tool->check)
			rule->differs +=
			        libpcap_verdict(rule, frame) != (rule->matched ? rule->accept : 0);
	}
	if (tool->check && winner && !winner->matched)
		winner->differs++;
}

static uint64_t print_rules(const struct tool *tool, const struct rules *rules)
{
	uint64_t differs = 0;
	if (!tool->json)
		printf("%10s %12s%s%s  expression\n", "packets", "bytes",
		       tool->order ? "        won    won bytes" : "",
		       tool->check ? "    differs" : "");
	for (uint32_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->all[i];
		differs += r->differs;
		if (tool->json) {
			printf("%s{\"expression\": ", i ? ",\n " : "[");
			tool_json_string(stdout, r->text);
			printf(", \"packets\": %lu, \"bytes\": %lu, \"won_packets\": %lu, "
			       "\"won_bytes\": %lu",
			       r->packets, r->bytes, r->won_packets, r->won_bytes);
			if (tool->check)
				printf(", \"differs\": %lu", r->differs);
			printf("}");
			continue;
		}
		printf("%10lu %12lu", r->packets, r->bytes);
		if (tool->order)
			printf(" %10lu %12lu", r->won_packets, r->won_bytes);
		if (tool->check)
			printf(" %10lu", r->differs);
		printf("  %s\n", r->text);
	}
	if (tool->json)
		printf("%s]\n", rules->n ? "" : "[");
	else if (tool->order)
		printf("%10lu packets nobody wants\n", rules->unmatched);
	return differs;
}

static int classify_capture(const struct tool *tool, struct rules *rules, const char *path)
{
	struct tool_capture *capture = tool_open_capture(path);
	struct flt_frame frame;
	int code;
	if (!capture)
		return TOOL_USAGE;
	while ((code = tool_next_frame(capture, &frame)) == 1)
		count_frame(tool, rules, &frame);
	tool_close_capture(capture);
	return code ? TOOL_USAGE : TOOL_FINE;
}

int tool_classify(const struct tool *tool)
{
	struct rules rules = {0};
	if (!tool->list || tool->n_arguments != 1)
		return tool_complain(
		        "classify wants -f EXPRESSIONS TRACE; see flt classify --help");
	int code = read_rules(tool, &rules);
	if (!code)
		code = fill_table(tool, &rules);
	if (!code)
		code = classify_capture(tool, &rules, tool->arguments[0]);
	if (!code && print_rules(tool, &rules)) {
		fprintf(stderr, "flt: verdicts differ from libpcap's\n");
		code = TOOL_REFUSED;
	}
	free_rules(&rules);
	return code;
}

/* --- explaining --- */

/* Text in a Graphviz label. */
static void put_label(const char *text)
{
	for (; *text; text++) {
		if (strchr("\"\\{}|<>", *text))
			putchar('\\');
		putchar(*text);
	}
}

/* What a conjunction tests, without the values: equal texts, equal shapes. */
static void shape_text(const struct flt_conjunction *c, char *out, size_t size)
{
	size_t at = 0;
	out[0] = '\0';
	for (uint32_t i = 0; i < c->n_terms && at < size; i++) {
		const struct flt_term *t = &c->terms[i];
		static const char *const bases[] = {"frame", "behind", "length"};
		if (t->negate || t->base == FLT_BASE_LENGTH) {
			at += (size_t)snprintf(out + at, size - at, "+check ");
			continue;
		}
		uint32_t free_bits = 0;
		if (t->test == FLT_TEST_RANGE)
			while (free_bits < 32 &&
			       (1ull << free_bits) < (uint64_t)t->high - t->low + 1)
				free_bits++;
		uint32_t mask = t->test == FLT_TEST_MASKED
		                        ? t->mask
		                        : (uint32_t)(0xffffffffull >> (32 - 8 * t->width)) &
		                                  (uint32_t)(~0ull << free_bits);
		at += (size_t)snprintf(out + at, size - at, "%s[%u:%u]&%x ", bases[t->base],
		                       t->offset, t->width, mask);
	}
}

static void explain_rule(const struct rule *rule, uint32_t number)
{
	char text[1024];
	printf("  rule%u [shape=box, label=\"", number);
	put_label(rule->text);
	printf("%s\"];\n", rule->program ? "\\n(and its program)" : "");
	for (uint32_t i = 0; i < rule->e.extraction.n; i++) {
		struct flt_conjunction c = rule->e.conjunctions[i];
		flt_conjunction_normalise(&c);
		shape_text(&c, text, sizeof(text));
		printf("  \"");
		put_label(*text ? text : "any frame");
		printf("\" -> rule%u [label=\"", number);
		flt_conjunction_text(&c, text, sizeof(text));
		put_label(text);
		printf("\"];\n");
	}
}

int tool_explain(const struct tool *tool)
{
	struct rules rules = {0};
	if (!tool->list || tool->n_arguments)
		return tool_complain("explain wants -f EXPRESSIONS; see flt explain --help");
	int code = read_rules(tool, &rules);
	if (!code)
		code = fill_table(tool, &rules);
	if (!code) {
		struct flt_table_info info;
		flt_table_info(rules.table, &info);
		if (tool->json) {
			printf("{\"entries\": %u, \"conjunctions\": %u, \"shapes\": %u, "
			       "\"memory\": %zu, "
			       "\"code\": %u}\n",
			       info.entries, info.conjunctions, info.shapes, info.memory,
			       info.code_bytes);
		} else {
			printf("digraph filters {\n  rankdir=LR;\n  label=\"%u expressions, %u "
			       "conjunctions, "
			       "%u shapes, %zu bytes\";\n",
			       info.entries, info.conjunctions, info.shapes, info.memory);
			for (uint32_t i = 0; i < rules.n; i++)
				explain_rule(&rules.all[i], i);
			printf("}\n");
		}
	}
	free_rules(&rules);
	return code;
}
