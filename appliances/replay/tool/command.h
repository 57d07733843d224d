/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands of sluice-replay. Each takes the words behind its name and returns the exit status.
 */
#ifndef REPLAY_TOOL_COMMAND_H
#define REPLAY_TOOL_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

enum status {
	STATUS_GOOD = 0,
	STATUS_MISSED = 1, /* something that was required did not hold */
	STATUS_USAGE = 2,
	STATUS_BROKEN = 3, /* a file, a port or the trace failed */
};

/* The whole command line, for the report. */
struct command_line {
	int argc;
	char **argv;
};

int command_send(int argc, char **argv, const struct command_line *line);
int command_reflect(int argc, char **argv, const struct command_line *line);
int command_sink(int argc, char **argv, const struct command_line *line);
int command_rfc2544(int argc, char **argv, const struct command_line *line);
int command_pack(int argc, char **argv, const struct command_line *line);
int command_compare(int argc, char **argv, const struct command_line *line);

/* "sluice-replay: …" on standard error; returns status. */
int command_complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Words that all commands know: -j, -q, -v, and -h or --help. */
struct common_words {
	bool json, quiet, verbose, help;
};

enum { COMMAND_HELPED = -2 };

struct word;
/* Reads a command's words by its tables (report/words.h) and the common ones. How many arguments
 * are left at argv + 1; -1: something is wrong and was explained; COMMAND_HELPED: all is done. */
int command_words(int argc, char **argv, const struct word *const *tables, unsigned n,
                  struct common_words *common, const char *usage);

struct trace_account;
/* Says on standard error what of a trace is damaged or left out, and why. */
void command_explain_trace(const struct trace_account *account);

/* Whether Ctrl-C was pressed, or SIGTERM came; command_catch begins to listen for them. */
void command_catch(void);
bool command_interrupted(void);

/* Writes a file through `put`; 0 or STATUS_BROKEN, having complained. "-" is standard output. */
typedef void command_put(FILE *out, const void *what);
int command_write(const char *path, command_put *put, const void *what);
/* A document as JSON text. */
void command_put_json(FILE *out, const void *document);

#endif
