/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the commands share.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../report/words.h"
#include "command.h"
#include "trace_source.h"

static volatile sig_atomic_t interrupted;

int command_complain(int status, const char *format, ...)
{
	va_list arguments;

	fputs("sluice-replay: ", stderr);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return status;
}

int command_words(int argc, char **argv, const struct word *const *tables, unsigned n,
                  struct common_words *common, const char *usage)
{
	const struct word words[] = {
	        WORD("j", WORD_FLAG, &common->json),    WORD("q", WORD_FLAG, &common->quiet),
	        WORD("v", WORD_FLAG, &common->verbose), WORD("h", WORD_FLAG, &common->help),
	        WORD("help", WORD_FLAG, &common->help), WORDS_END};
	const struct word *all[4] = {words};
	char error[WORDS_REASON_MAX];

	for (unsigned i = 0; i < n; i++)
		all[1 + i] = tables[i];
	int plain = words_take(argc, argv, all, 1 + n, error);
	if (plain < 0)
		return command_complain(-1, "%s", error);
	if (!common->help)
		return plain;
	fputs(usage, stdout);
	return COMMAND_HELPED;
}

/* The second time, the shell's usual end. */
static void on_signal(int number)
{
	interrupted = 1;
	(void)signal(number, SIG_DFL);
}

void command_catch(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

bool command_interrupted(void)
{
	return interrupted;
}

static void explain_odd(const struct trace_account *account, const struct trace_odd *odd,
                        const char *what, const char *why)
{
	if (odd->n)
		(void)command_complain(0, "%s: %llu records %s: %s (the first: %llu)",
		                       account->name, (unsigned long long)odd->n, what, why,
		                       (unsigned long long)odd->numbers[0]);
}

void command_explain_trace(const struct trace_account *account)
{
	if (account->damaged)
		(void)command_complain(0, "%s: damaged %s; what is before is sent", account->name,
		                       account->damage);
	for (int fate = 1; fate < TRACE_FATES; fate++)
		explain_odd(account, &account->left_out[fate], "are left out",
		            trace_fate_text((enum trace_fate)fate));
	explain_odd(account, &account->snapped, "are sent shorter than they were",
	            "the capture did not keep their ends");
	explain_odd(account, &account->disordered, "are older than one before them",
	            "at original speed they go out together with that");
}

int command_write(const char *path, command_put *put, const void *what)
{
	if (!strcmp(path, "-")) {
		put(stdout, what);
		return STATUS_GOOD;
	}
	FILE *out = fopen(path, "we");
	if (!out)
		return command_complain(STATUS_BROKEN, "%s: %s", path, strerror(errno));
	put(out, what);
	bool failed = ferror(out) != 0;
	if (fclose(out) || failed)
		return command_complain(STATUS_BROKEN, "%s: it can't be written to its end", path);
	return STATUS_GOOD;
}

void command_put_json(FILE *out, const void *document)
{
	char *text = cJSON_PrintUnformatted(document);

	if (text)
		fprintf(out, "%s\n", text);
	free(text);
}
