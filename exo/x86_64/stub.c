/* SPDX-License-Identifier: BSD-2-Clause */
/* What an image without exo/core does: says so and leaves. Weak: the core takes precedence. */
#include "cpu.h"

__attribute__((weak)) void core_main(const struct boot_info *boot)
{
	x86_print("there is no core in this image\n");
	machine_power(EXO_POWER_EXIT, 0);
}

__attribute__((weak)) void core_secondary(void)
{
	for (;;)
		machine_idle(UINT64_MAX);
}
