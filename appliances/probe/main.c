/* SPDX-License-Identifier: BSD-2-Clause */
/* probe: prints what the machine is, then the links again when they have had time to come up. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "probe.h"

#define LINK_NS 5000000000ull /* negotiation takes seconds */

static void say_boot(const struct exo_cap *machine)
{
	static struct exo_fact fact;

	if (exo_fact(machine, EXO_FACT_BOOT, 0, &fact) == 0)
		exo_printf("Sluice %s, started by %s%s\n", exo_info()->version, fact.text,
		           fact.type != 0 ? ", Secure Boot" : "");
}

static void sleep_ns(uint64_t ns)
{
	uint64_t until = exo_time_now_ns() + ns;

	while (exo_time_now_ns() < until)
		exo_wait(exo_info()->tsc_boot + exo_time_ticks(until) + 1);
}

int exo_main(void)
{
	const struct exo_cap *machine = exo_start_cap(EXO_USE_MACHINE);
	unsigned undriven;

	if (machine == NULL) {
		exo_printf("the manifest must give it `ledger`\n");
		return 1;
	}
	say_boot(machine);
	probe_cpu();
	probe_memory(machine);
	probe_tables(machine);
	undriven = probe_devices(machine);
	sleep_ns(LINK_NS);
	probe_links();
	exo_printf("probe: done; %u ports, %u network controllers without a driver\n",
	           exo_info()->n_ports, undriven);
	for (;;)
		exo_wait(0);
}
