/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger as lines on the console: a line per range of units with one owner.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "init.h"

enum {
	ROOM = 32, /* entries asked for at a time */
};

static void print_entry(const char *kind, const struct exo_ledger_entry *entry)
{
	exo_printf("ledger: %s %llu+%llu: owner %u, %llu uses%s%.31s\n", kind,
	           (unsigned long long)entry->first, (unsigned long long)entry->count, entry->owner,
	           (unsigned long long)entry->uses, entry->note[0] == '\0' ? "" : ", ",
	           entry->note);
}

static void print_kind(const struct exo_cap *machine, uint32_t kind, const char *name)
{
	struct exo_ledger_entry entries[ROOM];
	struct exo_listing block = {
	        .machine = *machine,
	        .kind = kind,
	        .room = ROOM,
	        .entries = (uintptr_t)entries,
	};

	do {
		int result = exo_ledger(&block);

		if (result < 0) {
			exo_printf("ledger: %s: %s\n", name, exo_error_text(result));
			return;
		}
		for (uint32_t i = 0; i < block.n && i < ROOM; i++)
			print_entry(name, &entries[i]);
	} while (block.cursor != 0);
}

void listing_print(void)
{
	static const struct {
		uint32_t kind;
		const char *name;
	} kinds[] = {
	        {EXO_KIND_ENV, "environment"}, {EXO_KIND_FRAME, "frames"},
	        {EXO_KIND_SLOT, "slots"},      {EXO_KIND_FLOW, "flow space"},
	        {EXO_KIND_BINDING, "binding"}, {EXO_KIND_RING, "ring"},
	        {EXO_KIND_EXTENT, "sectors"},  {EXO_KIND_SCREEN, "rectangle"},
	};
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);

	if (machine == NULL) {
		exo_printf("ledger: reading it was not granted\n");
		return;
	}
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		print_kind(machine, kinds[i].kind, kinds[i].name);
	exo_printf("ledger: %llu of %llu frames free\n",
	           (unsigned long long)exo_info()->frames_free,
	           (unsigned long long)exo_info()->frames_total);
}
