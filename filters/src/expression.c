/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expressions in libpcap's language. Host library only.
 */
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include <flt/expression.h>

#include "internal.h"

enum { SEARCH_MAX = 2000 }; /* characters of an expression in which a place is looked for */

/* libpcap does not say where an error stands, but often quotes the word: its column, or 0. */
static uint32_t find_column(const char *text, const char *reason)
{
	const char *open = strchr(reason, '\'');
	const char *close = open ? strchr(open + 1, '\'') : NULL;
	if (!close || close == open + 1)
		return 0;
	size_t length = (size_t)(close - open - 1);
	for (const char *p = text; *p; p++)
		if (!strncmp(p, open + 1, length))
			return (uint32_t)(p - text) + 1;
	return 0;
}

static bool is_expression(const char *text, size_t length)
{
	struct bpf_program program;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FLT_EXPRESSION_SNAPLEN);
	char *copy = strndup(text, length);
	bool fine = pcap && copy && !pcap_compile(pcap, &program, copy, 0, PCAP_NETMASK_UNKNOWN);
	if (fine)
		pcap_freecode(&program);
	if (pcap)
		pcap_close(pcap);
	free(copy);
	return fine;
}

/* libpcap does not say where: the word behind the longest beginning that is an expression. */
static uint32_t find_word(const char *text)
{
	size_t place = strspn(text, " \t"), length = strlen(text);
	if (length > SEARCH_MAX)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] != ' ' && text[i] != '\t') || !is_expression(text, i))
			continue;
		place = i + strspn(text + i, " \t");
	}
	return (uint32_t)place + 1;
}

static int fail_at(struct flt_error *error, const char *text, const char *reason)
{
	int code = flt_fail(error, FLT_E_INVALID, -1, "%s", reason);
	if (error)
		error->column = find_column(text, reason);
	if (error && !error->column)
		error->column = find_word(text);
	return code;
}

static int compile(const char *text, struct bpf_program *program, struct flt_error *error)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FLT_EXPRESSION_SNAPLEN);
	if (!pcap)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	int code = pcap_compile(pcap, program, text, 1, PCAP_NETMASK_UNKNOWN)
	                   ? fail_at(error, text, pcap_geterr(pcap))
	                   : 0;
	pcap_close(pcap);
	return code;
}

static int extract(struct flt_expression *expression, struct flt_error *error)
{
	struct flt_program *program;
	int code = flt_program_load_classic(expression->insns, expression->n_insns, "expression",
	                                    FLT_LOAD_INTERPRET, &program, error);
	if (code)
		return code;
	code = flt_extract(program, expression->conjunctions, &expression->extraction, error);
	flt_program_free(program);
	return code;
}

int flt_compile_expression(const char *text, struct flt_expression *expression,
                           struct flt_error *error)
{
	struct bpf_program compiled;
	memset(expression, 0, sizeof(*expression));
	int code = compile(text, &compiled, error);
	if (code)
		return code;
	expression->n_insns = compiled.bf_len;
	expression->insns = calloc(compiled.bf_len + 1, sizeof(*expression->insns));
	expression->conjunctions =
	        calloc(FLT_FLOW_CONJUNCTIONS_MAX, sizeof(*expression->conjunctions));
	if (!expression->insns || !expression->conjunctions) {
		code = flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	} else {
		memcpy(expression->insns, compiled.bf_insns,
		       compiled.bf_len * sizeof(*expression->insns));
		code = extract(expression, error);
	}
	pcap_freecode(&compiled);
	if (code)
		flt_expression_free(expression);
	return code;
}

void flt_expression_free(struct flt_expression *expression)
{
	free(expression->insns);
	free(expression->conjunctions);
	memset(expression, 0, sizeof(*expression));
}
