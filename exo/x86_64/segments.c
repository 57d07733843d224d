/* SPDX-License-Identifier: BSD-2-Clause */
/* GDT, TSS and IDT; see segments.h. */
#include "start.h"

enum {
	GATE_INTERRUPT = 0x8e00, /* present, interrupt gate: interrupts stay off */
	GATE_RING3 = 0x6000,
	VECTOR_NMI = 2,
	VECTOR_BREAKPOINT = 3,
	VECTOR_OVERFLOW = 4,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_MACHINE_CHECK = 18,
	STUB_BYTES = 16, /* distance of the entries in entry.S */
};

struct gate {
	uint16_t offset_low, selector, flags, offset_middle;
	uint32_t offset_high, reserved;
};

static struct gate idt[CPU_VECTORS];

extern const char x86_vectors[];

struct descriptor_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

void segments_name_core(struct cpu *cpu)
{
	cpu->self = cpu;
	cpu_write_msr(MSR_GS_BASE, (uint64_t)cpu);
	cpu_write_msr(MSR_KERNEL_GS_BASE, 0);
}

static uint16_t ist_of(unsigned vector)
{
	if (vector == VECTOR_DOUBLE_FAULT)
		return 1;
	if (vector == VECTOR_NMI)
		return 2;
	return vector == VECTOR_MACHINE_CHECK ? 3 : 0;
}

void segments_init(void)
{
	for (unsigned i = 0; i < CPU_VECTORS; i++) {
		uint64_t entry = (uint64_t)x86_vectors + (uint64_t)i * STUB_BYTES;

		idt[i] = (struct gate){
		        .offset_low = (uint16_t)entry,
		        .selector = SELECTOR_KERNEL_CODE,
		        .flags = (uint16_t)(GATE_INTERRUPT | ist_of(i) |
		                            (i == VECTOR_BREAKPOINT || i == VECTOR_OVERFLOW
		                                     ? GATE_RING3
		                                     : 0)),
		        .offset_middle = (uint16_t)(entry >> 16),
		        .offset_high = (uint32_t)(entry >> 32),
		};
	}
}

static void fill_gdt(struct cpu *cpu)
{
	uint64_t tss = (uint64_t)&cpu->tss;

	cpu->gdt[0] = 0;
	cpu->gdt[SELECTOR_KERNEL_CODE / 8] = 0x00af9b000000ffff;
	cpu->gdt[SELECTOR_KERNEL_DATA / 8] = 0x00cf93000000ffff;
	cpu->gdt[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff;
	cpu->gdt[SELECTOR_USER_CODE / 8] = 0x00affb000000ffff;
	cpu->gdt[SELECTOR_TSS / 8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 |
	                             0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	cpu->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
}

void segments_load(void)
{
	struct cpu *cpu = cpu_this();
	struct descriptor_pointer gdt_pointer = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
	struct descriptor_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};

	fill_gdt(cpu);
	cpu->tss.io_map = sizeof(struct tss); /* no port is ring 3's */
	__asm__ volatile("lgdt %0\n\t"
	                 "pushq %1\n\t"
	                 "leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "lretq\n"
	                 "1:\tlidt %2\n\t"
	                 "ltr %w3"
	                 :
	                 : "m"(gdt_pointer), "i"(SELECTOR_KERNEL_CODE), "m"(idt_pointer),
	                   "r"(SELECTOR_TSS)
	                 : "rax", "memory");
	/* SS may stay null in ring 0; DS and ES are ignored in 64-bit mode. */
}
