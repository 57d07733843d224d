/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APIC; see apic.h. Register numbers are those of the memory page; x2APIC's MSRs are
 * 0x800 + number / 16 (SDM vol. 3A, table 11-6). */
#include "apic.h"

enum {
	REG_ID = 0x20,
	REG_TASK_PRIORITY = 0x80,
	REG_EOI = 0xb0,
	REG_SPURIOUS = 0xf0,
	REG_COMMAND = 0x300,
	REG_COMMAND_HIGH = 0x310,
	REG_LVT_TIMER = 0x320,
	REG_LVT_LINT0 = 0x350,
	REG_LVT_LINT1 = 0x360,
	REG_LVT_ERROR = 0x370,
	REG_TIMER_INITIAL = 0x380,
	REG_TIMER_CURRENT = 0x390,
	REG_TIMER_DIVIDE = 0x3e0,

	BASE_X2APIC = 1 << 10,
	BASE_ENABLE = 1 << 11,
	SPURIOUS_ENABLE = 1 << 8,
	LVT_MASKED = 1 << 16,
	LVT_NMI = 4 << 8,
	LVT_TSC_DEADLINE = 2 << 17,
	DIVIDE_BY_16 = 3,
	COMMAND_PENDING = 1 << 12,
	COMMAND_NMI_OTHERS = 0xc4400,
};

static volatile uint32_t *page;

static uint32_t read(unsigned reg)
{
	if (cpu_has(EXO_FEATURE_X2APIC))
		return (uint32_t)cpu_read_msr(MSR_X2APIC + reg / 16);
	return page[reg / 4];
}

static void write(unsigned reg, uint32_t value)
{
	if (cpu_has(EXO_FEATURE_X2APIC))
		cpu_write_msr(MSR_X2APIC + reg / 16, value);
	else
		page[reg / 4] = value;
}

/* The 8259s (Intel 8259A data sheet): moved out of the exceptions' way, then masked. */
static void mask_old_controllers(void)
{
	x86_out8(0x20, 0x11);
	x86_out8(0xa0, 0x11);
	x86_out8(0x21, 32);
	x86_out8(0xa1, 40);
	x86_out8(0x21, 4);
	x86_out8(0xa1, 2);
	x86_out8(0x21, 1);
	x86_out8(0xa1, 1);
	x86_out8(0x21, 0xff);
	x86_out8(0xa1, 0xff);
}

void apic_init(void)
{
	mask_old_controllers();
	if (cpu_has(EXO_FEATURE_X2APIC))
		return;
	page = x86_device_map(cpu_read_msr(MSR_APIC_BASE) & 0xffffff000ull, 4096);
	if (page == NULL)
		machine_panic("no room to map the local APIC");
}

void apic_enable(void)
{
	uint64_t base = cpu_read_msr(MSR_APIC_BASE) | BASE_ENABLE;

	cpu_write_msr(MSR_APIC_BASE, base);
	if (cpu_has(EXO_FEATURE_X2APIC))
		cpu_write_msr(MSR_APIC_BASE, base | BASE_X2APIC);
	write(REG_TASK_PRIORITY, 0);
	write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	write(REG_LVT_LINT0, LVT_MASKED);
	write(REG_LVT_LINT1, LVT_NMI);
	write(REG_LVT_ERROR, LVT_MASKED | VECTOR_ERROR);
	write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
}

uint32_t apic_id(void)
{
	uint32_t id = read(REG_ID);

	return cpu_has(EXO_FEATURE_X2APIC) ? id : id >> 24;
}

void apic_end_of_interrupt(void)
{
	write(REG_EOI, 0);
}

void apic_send(uint32_t to, uint32_t command)
{
	if (cpu_has(EXO_FEATURE_X2APIC)) {
		/* The MSR write is not ordered behind earlier stores (SDM 11.12.3). */
		__asm__ volatile("mfence; lfence" ::: "memory");
		cpu_write_msr(MSR_X2APIC + REG_COMMAND / 16, (uint64_t)to << 32 | command);
		return;
	}
	page[REG_COMMAND_HIGH / 4] = to << 24;
	page[REG_COMMAND / 4] = command;
	while ((page[REG_COMMAND / 4] & COMMAND_PENDING) != 0)
		cpu_pause();
}

void apic_stop_others(void)
{
	if (page != NULL || cpu_has(EXO_FEATURE_X2APIC))
		apic_send(0, COMMAND_NMI_OTHERS);
}

void apic_timer_measure(void)
{
	write(REG_TIMER_INITIAL, UINT32_MAX);
}

uint32_t apic_timer_elapsed(void)
{
	return UINT32_MAX - read(REG_TIMER_CURRENT);
}

void apic_timer_count(uint32_t ticks)
{
	if (ticks != 0)
		write(REG_LVT_TIMER, VECTOR_TIMER);
	write(REG_TIMER_INITIAL, ticks);
}

void apic_timer_deadline(uint64_t deadline)
{
	static bool set[X86_CORES_MAX];
	bool *mine = &set[machine_core()];

	if (!*mine) {
		*mine = true;
		write(REG_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* In xAPIC mode the store above must be seen before the MSR is (SDM 11.5.4.1). */
		__asm__ volatile("mfence" ::: "memory");
	}
	cpu_write_msr(MSR_TSC_DEADLINE, deadline);
}
