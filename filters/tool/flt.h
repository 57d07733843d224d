/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The `flt` tool, between its files.
 */
#ifndef FLT_TOOL_H
#define FLT_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <flt/expression.h>
#include <flt/program.h>

/* What all subcommands know from the command line. */
struct tool {
	bool json;
	bool jit;
	bool check;
	bool order;
	bool interpret;
	const char *expression; /* -e */
	const char *list;       /* -f */
	const char *output;     /* -o */
	const char *program;    /* --program */
	uint32_t budget;        /* --budget; 0: none */
	int n_arguments;
	char **arguments;
};

/* Exit statuses: 0 fine, 1 refused or different, 2 wrong use or no such file. */
enum { TOOL_FINE = 0, TOOL_REFUSED = 1, TOOL_USAGE = 2 };

int tool_compile(const struct tool *tool);
int tool_dump(const struct tool *tool);
int tool_verify(const struct tool *tool);
int tool_run(const struct tool *tool);
int tool_classify(const struct tool *tool);
int tool_explain(const struct tool *tool);
int tool_exec(const struct tool *tool);

/* Writes an error of a subcommand (to stderr, or as JSON to stdout) and returns TOOL_REFUSED. */
int tool_refuse(const struct tool *tool, const char *subject, const struct flt_error *error);
/* The same for an expression, with a caret under the place where it is known. */
int tool_refuse_expression(const struct tool *tool, const char *text,
                           const struct flt_error *error);
/* A plain complaint; returns TOOL_USAGE. As JSON to stdout once that was asked for. */
void tool_complain_in_json(void);
int tool_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A JSON string, quoted. */
void tool_json_string(FILE *out, const char *text);
/* A whole file, malloc'ed; NULL after a complaint. */
uint8_t *tool_read_file(const char *path, size_t *size);

/* A program file: an ELF object, or classic instructions as `flt compile` writes them. */
int tool_load(const struct tool *tool, const char *path, struct flt_program **program,
              struct flt_error *error);
bool tool_is_elf(const uint8_t *bytes, size_t size);
/* As flt_object_open; arenas are there. */
int tool_open(const uint8_t *bytes, size_t size, struct flt_object **object,
              struct flt_error *error);

/* Frames of a capture, one after another. */
struct tool_capture;
struct tool_capture *tool_open_capture(const char *path);
/* 1: a frame; 0: the end; -1: the file is broken (a complaint was written). */
int tool_next_frame(struct tool_capture *capture, struct flt_frame *frame);
void tool_close_capture(struct tool_capture *capture);

#endif
