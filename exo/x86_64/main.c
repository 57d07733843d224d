/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's start, in order. */
#include "../dev/power.h"
#include "../dev/serial.h"
#include "cpu.h"
#include "heap.h"
#include "memory.h"

struct cpu x86_cpus[X86_CORES_MAX];
static struct machine_info info;

const struct machine_info *machine_info(void)
{
	return &info;
}

uint64_t machine_tsc(void)
{
	return x86_tsc();
}

static void print_memory(const struct boot_info *boot)
{
	struct machine_range range;

	x86_print("sluice %s, started by %s: %s\n", SLUICE_VERSION, boot->loader,
	          boot->command_line);
	for (unsigned i = 0; machine_memory(i, &range); i++)
		x86_print("memory: %lx-%lx for environments\n", range.first << 12,
		          (range.first + range.count) << 12);
}

void x86_main(const struct boot_info *boot, uint64_t tsc)
{
	info.tsc_boot = tsc;
	dev_serial_init();
	memory_init(boot);
	heap_init(memory_heap_region());
	print_memory(boot);
	machine_power(EXO_POWER_EXIT, 0);
}

void space_serve_flush(void);
void space_serve_flush(void)
{
}
void x86_delay_us(uint64_t us)
{
}
void machine_panic(const char *f, ...)
{
	x86_print("panic %s\n", f);
	machine_power(EXO_POWER_EXIT, 1);
}
void machine_power(enum exo_power what, uint32_t code)
{
	dev_power(what, code);
	for (;;)
		__asm__ volatile("cli; hlt");
}
