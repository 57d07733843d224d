/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's start, in order: memory, the CPU, page tables, traps, clocks, constructors, DPDK,
 * the other cores, the core.
 */
#include "start.h"

#include "../core/boot_info.h"
#include "../dev/acpi.h"
#include "../dev/disk.h"
#include "../dev/pci_assign.h"
#include "../dev/screen.h"
#include "../dev/serial.h"
#include "../dev/start.h"
#include "../dev/text.h"
#include "apic.h"
#include "heap.h"
#include "kernel.h"
#include "memory.h"
#include "paging.h"
#include "run.h"

/* exo/dpdk; absent in images that test the machine alone. */
extern int dpdk_init(const struct boot_info *boot, unsigned *n_ports) __attribute__((weak));
extern void dpdk_thread_init(unsigned core) __attribute__((weak));

static struct machine_info info;
static const struct boot_info *boot_info;

const struct boot_info *main_boot_info(void)
{
	return boot_info;
}

const struct machine_info *machine_info(void)
{
	return &info;
}

static void print_memory(void)
{
	struct machine_range range;
	uint64_t frames = 0;

	for (unsigned i = 0; machine_memory(i, &range); i++)
		frames += range.count;
	x86_print("memory: %lu KiB for environments, %lu KiB kernel heap, %lu KiB for the "
	          "network, %lu KiB image\n",
	          frames * 4, memory_heap_region().size >> 10, x86_dma_region().size >> 10,
	          (uint64_t)(kernel_end - kernel_start) >> 10);
}

/* What environments start with: RAM that firmware or a NIC could still write is not handed out. */
static void start_devices(void)
{
	apic_init();
	apic_enable();
	x86_cpus[0].apic_id = apic_id();
	acpi_init(boot_info->rsdp);
	time_init(acpi_pm_timer());
	info.tsc_hz = x86_tsc_hz();
	info.wall_boot_ns = time_wall();
	pci_init();
	vtd_init();
	dev_pci_assign();
}

static void run_constructors(void)
{
	if (dpdk_init != NULL && (cpu_id(1, 0).ecx >> 20 & 1) == 0)
		machine_panic("this CPU has no SSE4.2, which the network drivers need (in an "
		              "emulator, choose a CPU model that has it)");
	for (void (*const *constructor)(void) = kernel_constructors;
	     constructor < kernel_constructors_end; constructor++)
		(*constructor)();
}

void main_start_thread(struct cpu *cpu)
{
	cpu_write_msr(MSR_FS_BASE, (uint64_t)cpu->thread_pointer);
	if (cpu->number != 0 && dpdk_thread_init != NULL)
		dpdk_thread_init(cpu->number);
}

static void fill_info(void)
{
	info.features = cpu_features.exo;
	info.vector_bytes = cpu_features.vector_bytes;
	info.command_line = boot_info->command_line;
	info.payload = boot_info->payload;
	info.payload_size = boot_info->payload_size;
}

static void start_dpdk(void)
{
	int result;

	if (dpdk_init == NULL)
		return;
	result = dpdk_init(boot_info, &info.n_ports);
	if (result != 0)
		machine_panic("DPDK does not start: error %d", result);
}

static void start(void *unused)
{
	dev_text_init(&boot_info->framebuffer);
	x86_print("Sluice %s, started by %s: %s%s\n", SLUICE_VERSION, boot_info->loader,
	          boot_info->command_line, boot_info->command_line_cut ? " (cut)" : "");
	if (boot_info->secure_boot)
		x86_print("boot: Secure Boot is on; it vouches for the kernel, not for the "
		          "payload\n");
	print_memory();
	features_print();
	code_init();
	start_devices();
	random_init();
	fill_info();
	tls_make(&x86_cpus[0]);
	main_start_thread(&x86_cpus[0]);
	run_constructors();
	smp_count();
	start_dpdk();
	dev_disk_init();
	dev_screen_init(&boot_info->framebuffer, boot_info->command_line);
	smp_start();
	core_main(boot_info);
}

static void start_secondary(void *unused)
{
	core_secondary();
}

void main_enter_secondary(struct cpu *cpu)
{
	x86_start_on((void *)cpu->stack_top, start_secondary, NULL);
}

void x86_main(const struct boot_info *boot, uint64_t tsc)
{
	boot_info = boot;
	info.tsc_boot = tsc;
	segments_name_core(&x86_cpus[0]);
	x86_cpus[0].timer_deadline = UINT64_MAX;
	dev_serial_init();
	memory_init(boot);
	heap_init(memory_heap_region());
	features_init();
	features_enable();
	paging_init();
	paging_make_stacks(&x86_cpus[0]);
	segments_init();
	segments_load();
	x86_start_on((void *)x86_cpus[0].stack_top, start, NULL);
}
