/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program of the misdeeds: its argument names the one to commit. It prints what it is about to
 * do, and, if it is still there afterwards, how that went: "stopped" (exit status 0) or "GOT AWAY
 * WITH IT" (1).
 */
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "misdeed.h"

static const struct {
	const char *name;
	misdeed *commit;
} deeds[] = {
        {"divide", deed_divide},
        {"jump-kernel", deed_jump_kernel},
        {"jump-null", deed_jump_null},
        {"read-kernel", deed_read_kernel},
        {"write-kernel", deed_write_kernel},
        {"write-info", deed_write_info},
        {"write-start", deed_write_start},
        {"write-text", deed_write_text},
        {"execute-data", deed_execute_data},
        {"execute-stack", deed_execute_stack},
        {"privileged", deed_privileged},
        {"port-io", deed_port_io},
        {"sgdt", deed_sgdt},
        {"interrupt", deed_interrupt},
        {"breakpoint", deed_breakpoint},
        {"wild-stack", deed_wild_stack},
        {"stack-overflow", deed_stack_overflow},
        {"non-canonical", deed_non_canonical},
        {"fault-in-handler", deed_fault_in_handler},
        {"resume-nowhere", deed_resume_nowhere},
        {"spin", deed_spin},
        {"exhaust", deed_exhaust},
        {"map-others", deed_map_others},
        {"forge", deed_forge},
        {"send", deed_send},
        {"wild-calls", deed_wild_calls},
};

int misdeed_refused(const char *what, long result)
{
	if (result < 0) {
		exo_printf("%s: refused: %s\n", what, exo_error_text(result));
		return 0;
	}
	exo_printf("%s: GOT AWAY WITH IT: %ld\n", what, result);
	return 1;
}

int exo_main(void)
{
	const char *name = exo_start_arg(1);
	int result;

	for (unsigned i = 0; name != NULL && i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		if (strcmp(deeds[i].name, name) != 0)
			continue;
		exo_printf("about to %s\n", name);
		result = deeds[i].commit();
		exo_printf("%s: %s\n", name, result == 0 ? "stopped" : "GOT AWAY WITH IT");
		return result;
	}
	exo_printf("no such misdeed: %s\n", name == NULL ? "(none)" : name);
	return 2;
}
