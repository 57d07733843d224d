/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's memory map, as it gave it; and what environments can have of it. */
#include <exo/error.h>
#include <libexo/call.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "probe.h"

static const char *type_name(uint32_t type)
{
	static const char *const names[] = {"",   "RAM", "reserved", "ACPI tables", "ACPI storage",
	                                    "bad"};

	return type >= 1 && type <= 5 ? names[type] : "reserved (unknown type)";
}

void probe_memory(const struct exo_cap *machine)
{
	static struct exo_fact fact;
	uint64_t ram = 0, above = 0;

	for (uint64_t i = 0; exo_fact(machine, EXO_FACT_MEMORY, i, &fact) == 0; i++) {
		exo_printf("memory: %012lx ... %012lx %s\n", (unsigned long)fact.base,
		           (unsigned long)(fact.base + fact.size - 1), type_name(fact.type));
		if (fact.type != 1)
			continue;
		ram += fact.size;
		above += fact.base >> 32 != 0 ? fact.size : 0;
	}
	exo_printf("memory: %lu MiB of RAM, %lu MiB of it above 4 GiB; %lu MiB for environments\n",
	           (unsigned long)(ram >> 20), (unsigned long)(above >> 20),
	           (unsigned long)(exo_info()->frames_total >> 8));
}
