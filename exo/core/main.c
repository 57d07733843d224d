/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start and end of the core: builds the ledger, makes the information pages, starts the packet path
 * and init, and lets the cores into their loops.
 */
#include <string.h>

#include <exo/layout.h>

#include "boot_info.h"
#include "cap.h"
#include "core.h"
#include "env.h"
#include "extent.h"
#include "framebuffer.h"
#include "ledger.h"
#include "log.h"
#include "net.h"
#include "slots.h"
#include "space.h"

enum {
	RETRY_SECONDS = 15,
};

static void say_machine(void)
{
	uint64_t free, total = ledger_total(&free);

	log_line("core", "Sluice %s: %u cores, %u ports, %lu of %lu frames free", SLUICE_VERSION,
	         machine_cores(), machine_info()->n_ports, (unsigned long)free,
	         (unsigned long)total);
}

/* A payload that comes by network may come whole the next time. init reads the same word. */
static void retry(void)
{
	uint64_t start = machine_tsc(), ticks = RETRY_SECONDS * machine_info()->tsc_hz;

	log_line("core", "the machine starts again in %d s to load its payload once more",
	         RETRY_SECONDS);
	while (machine_tsc() - start < ticks)
		continue;
	machine_power(EXO_POWER_RESET, 0);
}

void core_start(const char *command_line)
{
	const char *wrong;

	cap_init();
	env_init();
	space_init();
	ledger_init();
	extent_init();
	framebuffer_init();
	info_init();
	slots_init();
	if (net_start() != 0)
		machine_panic("no memory for the packet path");
	info_update(); /* init reads the ports' addresses at once */
	say_machine();
	wrong = init_start(command_line);
	if (wrong) {
		log_line("core", "init does not start: %s", wrong);
		if (strstr(command_line, "retry=") != NULL)
			retry();
		machine_power(EXO_POWER_EXIT, CORE_EXIT_NO_INIT);
	}
}

void core_main(const struct boot_info *boot)
{
	core_start(boot->command_line);
	machine_release_cores();
	slots_run();
}

void core_secondary(void)
{
	slots_run();
}

void core_init_ended(enum exo_env_state state, int32_t status)
{
	uint32_t code = CORE_EXIT_INIT_FAULTED;

	if (state == EXO_ENV_EXITED) {
		log_line("core", "init ended with status %d", status);
		code = (uint32_t)status;
	} else {
		log_line("core", "init is gone (%s): nothing is left to run",
		         state == EXO_ENV_FAULTED ? "it faulted" : "it was killed");
	}
	machine_power(code == 0 ? EXO_POWER_OFF : EXO_POWER_EXIT, code);
}
