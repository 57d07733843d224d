/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One core's state, found through GS base while in the kernel, and the privileged instructions.
 */
#ifndef X86_CPU_H
#define X86_CPU_H

#include "../core/machine.h"
#include "entry.h"
#include "x86.h"

/* Segment selectors (GDT in segments.c). sysret takes user data and code from STAR in this order.
 */
enum {
	SELECTOR_KERNEL_CODE = 0x08,
	SELECTOR_KERNEL_DATA = 0x10,
	SELECTOR_USER_DATA = 0x18 | 3,
	SELECTOR_USER_CODE = 0x20 | 3,
	SELECTOR_TSS = 0x28,
};

/* Task state segment (SDM vol. 3A, 8.7). */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

enum {
	CPU_STACK_BYTES = 80 << 10, /* the kernel's stack: ci/tests/unit/stack.py */
	CPU_IST_BYTES = 8192,       /* double fault, NMI and machine check: one each */
	CPU_VECTORS = 256,
	CPU_PCIDS = 8,
};

struct cpu {
	/* Offsets of the first fields are known to entry.S (entry.h). */
	struct cpu *self;
	uint64_t user_rsp; /* scratch of the syscall entry */
	uint64_t run_rsp;  /* kernel stack where machine_run waits */
	uint64_t pe_top;   /* end of the running PE's registers */
	uint32_t number;   /* as machine_core says */
	struct tss tss;    /* lies here so that tss.rsp[0] is aligned */

	uint32_t apic_id;
	void *thread_pointer;
	uint64_t stack_top;

	/* What is loaded on this core. `space` is read by cores that flush. */
	struct machine_space *volatile space;
	struct machine_lock vector_lock;
	/* Whose vector state the registers hold, and whose FS base may be in force; NULL: the
	 * kernel's own. */
	struct machine_pe *vector_owner;
	bool listen; /* NICs may interrupt ring 3 */

	/* TLB requests: others raise `flush_wanted` and wait until `flush_done` has reached it. */
	volatile uint32_t flush_wanted, flush_done;

	uint64_t timer_deadline; /* what the timer is armed for; UINT64_MAX: nothing */
	volatile uint32_t started;
	uint64_t interrupts[CPU_VECTORS / 64]; /* vectors that arrived and wait to be served */

	/* Which spaces' translations this core keeps, by PCID - 1; space 0: none. */
	struct {
		uint64_t space, generation;
	} pcid[CPU_PCIDS];
	unsigned next_pcid;

	uint64_t gdt[8];
} __attribute__((aligned(512))); /* no TSS crosses a page */

extern struct cpu x86_cpus[X86_CORES_MAX];

static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	__asm__("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

enum {
	MSR_APIC_BASE = 0x1b,
	MSR_ARCH_CAPABILITIES = 0x10a,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC = 0x800,
};
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_FMASK          0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

static inline uint64_t cpu_read_msr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
	                 :
	                 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
	                 : "memory");
}

#define CPU_REGISTER(name)                                                                         \
	static inline uint64_t cpu_read_##name(void)                                               \
	{                                                                                          \
		uint64_t value;                                                                    \
		__asm__ volatile("movq %%" #name ", %0" : "=r"(value)::"memory");                  \
		return value;                                                                      \
	}                                                                                          \
	static inline void cpu_write_##name(uint64_t value)                                        \
	{                                                                                          \
		__asm__ volatile("movq %0, %%" #name ::"r"(value) : "memory");                     \
	}
CPU_REGISTER(cr0)
CPU_REGISTER(cr2)
CPU_REGISTER(cr3)
CPU_REGISTER(cr4)

struct cpu_id {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpu_id cpu_id(uint32_t leaf, uint32_t subleaf)
{
	struct cpu_id id;

	__asm__ volatile("cpuid"
	                 : "=a"(id.eax), "=b"(id.ebx), "=c"(id.ecx), "=d"(id.edx)
	                 : "a"(leaf), "c"(subleaf));
	return id;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* What the machine has and the kernel uses; filled in on the first core by features_init. */
struct cpu_features {
	uint64_t exo; /* enum exo_features */
	bool xsave, xsaveopt, pge, rdseed, intel, meltdown;
	uint64_t xcr0; /* vector state that is enabled */
	uint32_t vector_bytes;
	uint32_t max_leaf;
};
extern struct cpu_features cpu_features;

/* Reads CPUID into cpu_features and blanks instructions that this CPU lacks. First core, before
 * text is read-only. Panics where the CPU has no NX. */
void features_init(void);
/* Sets this core's control registers, EFER, XCR0 and syscall MSRs. */
void features_enable(void);
/* Says on the console what is used, what is missing, and what that leaves unprotected. */
void features_print(void);

static inline bool cpu_has(enum exo_features feature)
{
	return (cpu_features.exo & feature) != 0;
}

#endif
