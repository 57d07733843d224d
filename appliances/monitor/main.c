/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's commands. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "monitor.h"

static void help(char *const *words);

static const struct command {
	const char *name, *arguments, *what;
	void (*run)(char *const *words);
} commands[] = {
        {"help", "[COMMAND]", "this, or one line of it", help},
        {"envs", "", "environments and their accounts", show_envs},
        {"frames", "[ENVIRONMENT]", "who owns page frames; which, of one", show_frames},
        {"slots", "", "the time slots of each core", show_slots},
        {"flows", "", "flow spaces", show_flows},
        {"bindings", "", "receive bindings", show_bindings},
        {"rings", "", "packet rings", show_rings},
        {"top", "", "handlers in the kernel: runs, cost, budget", show_top},
        {"ports", "", "NIC ports and their counters", show_ports},
        {"drops", "", "packets lost: where, and by whom", show_drops},
        {"disks", "", "disk extents", show_disks},
        {"screen", "", "parts of the screen", show_screen},
        {"machine", "", "version, cores, memory, polls", show_machine},
        {"kill", "ENVIRONMENT", "ends it; everything that it has is taken back", act_kill},
        {"take", "COUNT ENVIRONMENT", "asks it for frames, then takes them", act_take},
        {"replace", "OLD NEW [PORT]", "flows of one go to another; connections stay", act_replace},
        {"revoke", "FIRST COUNT", "ends all keys to these frames", act_revoke},
};

enum {
	N_COMMANDS = sizeof(commands) / sizeof(commands[0]),
};

static void help_line(const struct command *c)
{
	char usage[40];

	exo_snprintf(usage, sizeof(usage), "%s %s", c->name, c->arguments);
	exo_printf("  %-22s %s\n", usage, c->what);
}

/* The command that a word names or begins, if it begins just one. */
static const struct command *find(const char *word)
{
	const struct command *found = NULL;
	unsigned n = 0;

	for (const struct command *c = commands; c < commands + N_COMMANDS; c++) {
		if (strcmp(c->name, word) == 0)
			return c;
		if (strncmp(c->name, word, strlen(word)) == 0) {
			found = c;
			n++;
		}
	}
	if (n == 1)
		return found;
	exo_printf(n == 0 ? "there is no command '%s'; 'help' lists them\n"
	                  : "'%s' begins several commands; 'help' lists them\n",
	           word);
	return NULL;
}

static void help(char *const *words)
{
	const struct command *only = words[1] != NULL ? find(words[1]) : NULL;

	if (only != NULL)
		help_line(only);
	for (unsigned i = 0; i < N_COMMANDS && words[1] == NULL; i++)
		help_line(&commands[i]);
}

/* Cuts a line into words, in place. → how many, one more than fit: too many. */
static unsigned split(char *line, char *words[WORDS_MAX + 1])
{
	unsigned n = 0;

	while (n <= WORDS_MAX) {
		while (*line == ' ')
			*line++ = 0;
		if (*line == 0)
			break;
		words[n++] = line;
		while (*line != 0 && *line != ' ')
			line++;
	}
	words[n < WORDS_MAX ? n : WORDS_MAX] = NULL;
	return n;
}

static void run(const char *typed)
{
	char line[LINE_MAX];
	char *words[WORDS_MAX + 1];
	const struct command *command;
	unsigned n;

	exo_text_copy(line, sizeof(line), typed);
	n = split(line, words);
	if (n == 0)
		return;
	if (n > WORDS_MAX) {
		exo_printf("that is more than %d words\n", WORDS_MAX);
		return;
	}
	command = find(words[0]);
	if (command != NULL)
		command->run(words);
}

int exo_main(void)
{
	if (exo_start_cap(EXO_USE_CONSOLE) == NULL)
		return 2; /* there is nobody to talk to */
	exo_printf("this is the monitor; 'help' lists what it can do\n");
	for (;;)
		run(line_read("> "));
}
