/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console's text: lines of the form "name: text", before which the machine puts the time. Any
 * core, at any time; the console has a lock of its own, of last rank.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct env;

/* A line of the kernel's own part `name` ("core", "net"). At most 512 bytes; the newline is added.
 */
void log_line(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Text that an environment writes, `size` bytes of anything: control characters and bytes above
 * 0x7e come out as \xNN, so that nobody steers the terminal. A line that is left open goes on with
 * the same environment's next text; anybody else's text starts a line of its own. `raw`: it holds
 * the console, to read from as well, and its control characters go through as they are: a shell
 * edits lines with them. → how much the console takes now: nobody waits for a slow line here.
 */
size_t log_env_text(const struct env *env, const char *text, size_t size, bool raw);

/* A line about an environment, under its name. */
void log_env(const struct env *env, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
