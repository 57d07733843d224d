/* SPDX-License-Identifier: BSD-2-Clause */
/* What machine_fact tells: exo/fact.h. */
#include <string.h>

#include <exo/error.h>
#include <exo/fact.h>

#include "../x86_64/cpu.h"
#include "../x86_64/start.h"
#include "acpi.h"
#include "console.h"

static void set_text(struct exo_fact *fact, const char *text, size_t size)
{
	memcpy(fact->text, text, size < EXO_FACT_TEXT_MAX - 1 ? size : EXO_FACT_TEXT_MAX - 1);
}

static int64_t memory_range(uint64_t index, struct exo_fact *fact)
{
	const struct boot_info *boot = main_boot_info();

	if (index >= boot->n_ranges)
		return -EXO_ENOENT;
	fact->base = boot->ranges[index].base;
	fact->size = boot->ranges[index].size;
	fact->type = boot->ranges[index].type;
	return 0;
}

static int64_t boot(struct exo_fact *fact)
{
	fact->type = main_boot_info()->secure_boot;
	set_text(fact, main_boot_info()->loader, strlen(main_boot_info()->loader));
	return 0;
}

int64_t machine_fact(enum exo_fact_kind kind, uint64_t index, struct exo_fact *fact)
{
	switch (kind) {
	case EXO_FACT_PCI:
		return x86_pci_read(index >> 20 & 255, index >> 15 & 31, index >> 12 & 7,
		                    index & 0xffc, 4);
	case EXO_FACT_MEMORY:
		return memory_range(index, fact);
	case EXO_FACT_TABLE:
		fact->base = acpi_table((unsigned)(index < UINT16_MAX ? index : UINT16_MAX),
		                        fact->text, &fact->size);
		return fact->base != 0 ? 0 : -EXO_ENOENT;
	case EXO_FACT_BOOT:
		return boot(fact);
	case EXO_FACT_CONSOLE:
		fact->base = index;
		fact->size = console_history(&fact->base, fact->text, EXO_FACT_TEXT_MAX);
		return 0;
	}
	return -EXO_EINVAL;
}
