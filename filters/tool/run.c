/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt run and flt exec.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <flt/exec.h>

#include "flt.h"

/* --- run --- */

enum { HEADROOM = 256 };

/* xdp programs may change the frame, so they get a copy; their result is printed as it is. */
static uint32_t run_xdp(const struct flt_program *program, const struct flt_frame *frame)
{
	size_t size = HEADROOM + (size_t)frame->len + HEADROOM;
	uint8_t *bytes = calloc(1, size);
	if (!bytes)
		return FLT_XDP_ABORTED;
	memcpy(bytes + HEADROOM, frame->data, frame->len);
	struct flt_xdp_buff buff = {.data = bytes + HEADROOM,
	                            .data_end = bytes + HEADROOM + frame->len,
	                            .hard_start = bytes,
	                            .hard_end = bytes + size};
	uint32_t action = flt_program_run_xdp(program, &buff);
	free(bytes);
	return action;
}

static int run_capture(const struct tool *tool, const struct flt_program *program, const char *path)
{
	struct tool_capture *capture = tool_open_capture(path);
	struct flt_frame frame;
	const char *separator = "";
	int code = 0;
	if (!capture)
		return TOOL_USAGE;
	if (tool->json)
		printf("[");
	while ((code = tool_next_frame(capture, &frame)) == 1) {
		uint32_t verdict = flt_program_kind(program) == FLT_KIND_XDP
		                           ? run_xdp(program, &frame)
		                           : flt_program_run(program, &frame);
		printf(tool->json ? "%s%u" : "%s%u\n", separator, verdict);
		separator = tool->json ? ", " : "";
	}
	if (tool->json)
		printf("]\n");
	tool_close_capture(capture);
	return code ? TOOL_USAGE : TOOL_FINE;
}

static int run_expression(const struct tool *tool)
{
	struct flt_expression e;
	struct flt_program *program;
	struct flt_error error;
	if (flt_compile_expression(tool->expression, &e, &error))
		return tool_refuse_expression(tool, tool->expression, &error);
	int code = flt_program_load_classic(e.insns, e.n_insns, "expression", 0, &program, &error);
	flt_expression_free(&e);
	if (code)
		return tool_refuse(tool, tool->expression, &error);
	code = run_capture(tool, program, tool->arguments[0]);
	flt_program_free(program);
	return code;
}

int tool_run(const struct tool *tool)
{
	struct flt_program *program;
	struct flt_error error;
	if (tool->n_arguments != (tool->expression ? 1 : 2))
		return tool_complain(
		        "run wants FILE TRACE or -e EXPRESSION TRACE; see flt run --help");
	if (tool->expression)
		return run_expression(tool);
	if (tool_load(tool, tool->arguments[0], &program, &error))
		return tool_refuse(tool, tool->arguments[0], &error);
	int code = run_capture(tool, program, tool->arguments[1]);
	flt_program_free(program);
	return code;
}

/* --- exec --- */

/* Hex digits, blanks between bytes allowed; the number of bytes, or -1. */
static long parse_hex(const char *text, uint8_t *out)
{
	long n = 0;
	int high = -1;
	for (; *text; text++) {
		int digit;
		if (isspace((unsigned char)*text)) {
			if (high >= 0)
				return -1;
			continue;
		}
		if (!isxdigit((unsigned char)*text))
			return -1;
		digit = isdigit((unsigned char)*text) ? *text - '0' : (*text | 32) - 'a' + 10;
		if (high < 0) {
			high = digit;
		} else {
			out[n++] = (uint8_t)(high << 4 | digit);
			high = -1;
		}
	}
	return high < 0 ? n : -1;
}

/* Conformance suites read errors from standard output. */
static int exec_error(const struct tool *tool, const char *reason)
{
	if (tool->json) {
		printf("{\"error\": ");
		tool_json_string(stdout, reason);
		printf("}\n");
	} else {
		printf("Error: %s\n", reason);
	}
	return TOOL_REFUSED;
}

static int exec_insns(const struct tool *tool, const uint8_t *bytes, size_t size, uint8_t *memory,
                      size_t length)
{
	struct flt_error error;
	uint64_t result;
	char text[400];
	struct flt_insn *insns = malloc(size + 1);
	if (!insns)
		return TOOL_USAGE;
	memcpy(insns, bytes, size);
	int code = flt_exec(insns, (uint32_t)(size / sizeof(*insns)), memory, length, tool->jit,
	                    &result, &error);
	free(insns);
	if (code) {
		flt_error_text(&error, text, sizeof(text));
		return exec_error(tool, text);
	}
	printf(tool->json ? "{\"r0\": \"%" PRIx64 "\"}\n" : "%" PRIx64 "\n", result);
	return TOOL_FINE;
}

/* Suites may pass empty arguments. */
static const char *memory_argument(const struct tool *tool, bool *one)
{
	const char *found = NULL;
	*one = true;
	for (int i = 0; i < tool->n_arguments; i++) {
		if (!tool->arguments[i][0])
			continue;
		*one = !found;
		found = tool->arguments[i];
	}
	return found ? found : "";
}

int tool_exec(const struct tool *tool)
{
	bool one;
	const char *given = memory_argument(tool, &one);
	size_t size, room = strlen(given) / 2 + 1;
	uint8_t *text = tool_read_file("-", &size);
	uint8_t *program = malloc(size + 1), *memory = malloc(room);
	int status = TOOL_USAGE;
	if (!one || !text || !program || !memory) {
		(void)tool_complain("exec wants at most one argument; see flt exec --help");
	} else {
		long n = parse_hex((const char *)text, program);
		long length = parse_hex(given, memory);
		if (n < 0 || n % 8)
			status = exec_error(
			        tool, "the program is not made of 8-byte instructions in hex");
		else if (length < 0)
			status = exec_error(tool, "the memory is not made of hex bytes");
		else
			status = exec_insns(tool, program, (size_t)n, length ? memory : NULL,
			                    (size_t)length);
	}
	free(text);
	free(program);
	free(memory);
	return status;
}
