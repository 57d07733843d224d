/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers in the kernel: whose, what their dearest path costs and may cost, what they did. */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "monitor.h"

enum { ROOM = 8 };

static void show_line(const struct exo_ext_line *line)
{
	char name[EXO_NAME_MAX];
	uint64_t ns = line->timed == 0 ? 0 : exo_time_ns(line->ticks / line->timed);

	exo_printf("%4llu %-12s %-14s %6u %6u %9llu %7llu %9llu %9llu %7llu %7llu %6llu\n",
	           (unsigned long long)line->id, name_of(line->env, name), line->function,
	           line->cost, line->budget, (unsigned long long)line->runs, (unsigned long long)ns,
	           (unsigned long long)line->answered, (unsigned long long)line->passed,
	           (unsigned long long)line->woken, (unsigned long long)line->refused,
	           (unsigned long long)line->lost);
}

void show_top(char *const *words)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);
	struct exo_ext_line lines[ROOM];
	struct exo_ext_listing listing = {.lines = (uintptr_t)lines, .room = ROOM};
	int64_t result;

	if (machine != NULL)
		listing.machine = *machine;
	exo_printf("  id environment  handler          cost budget      runs      ns  answered    "
	           "passed   woken refused   lost\n");
	do {
		result = exo_ext_call(EXO_EXT_LIST, &listing);
		for (uint32_t i = 0; result == 0 && i < listing.n; i++)
			show_line(&lines[i]);
	} while (result == 0 && listing.cursor != 0);
	if (result < 0)
		exo_printf("handlers can't be listed: %s\n", exo_error_text((int)result));
}
