/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor: a small shell on the console, in an environment of its own. What it shows it reads
 * from the information pages and, with the right to, from the ledger; what it does it does with
 * keys that the manifest's "control" lets it derive.
 *
 *     main.c  commands and their words
 *     line.c  reading a line: editing, history
 *     show.c  envs, frames, slots, bindings, …
 *     top.c   handlers in the kernel
 *     act.c   kill, revoke, take, replace
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/call.h>

enum {
	LINE_MAX = 120, /* bytes typed, with the NUL */
	WORDS_MAX = 8,
};

/* ---- line.c ---- */

/* Writes to the console as it is. */
void line_put(const char *text);
/* Waits until a line was typed, and returns it; good until the next call. */
const char *line_read(const char *prompt);

/* ---- show.c. `words` are the command's, ended by NULL. ---- */

void show_envs(char *const *words);
void show_frames(char *const *words);
void show_slots(char *const *words);
void show_flows(char *const *words);
void show_bindings(char *const *words);
void show_rings(char *const *words);
void show_top(char *const *words);
void show_ports(char *const *words);
void show_drops(char *const *words);
void show_disks(char *const *words);
void show_screen(char *const *words);
void show_machine(char *const *words);

/* The name of an environment, by id. */
const char *name_of(uint32_t id, char name[EXO_NAME_MAX]);
/* The environment that a word names, by id or by name: its id, or 0 after saying why not. */
uint32_t find_env(const char *word);
/* How many bindings an environment has, by the ledger. */
uint32_t count_bindings(uint32_t env);
/* A number: true, or false after saying that `word` is none. */
bool parse_number(const char *word, uint64_t *number);

/* ---- act.c ---- */

void act_kill(char *const *words);
void act_revoke(char *const *words);
void act_take(char *const *words);
void act_replace(char *const *words);
/* A key with `rights` to one unit, derived from an authority of the start page. 0 or error. */
int derive_key(uint32_t use, uint64_t first, uint32_t count, unsigned rights, struct exo_cap *out);

#endif
