/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the other cores; see smp.h. */
#include "start.h"

#include "apic.h"
#include "paging.h"
#include "space.h"
#include <string.h>

enum {
	START_PAGE = 0x8000, /* physical; ap.S is linked for it */
	COMMAND_INIT = 0x4500,
	COMMAND_START = 0x4600 | START_PAGE >> 12,
	ANSWER_US = 100000,
	STEP_US = 10,
};

struct start_words {
	uint64_t cr3, stack;
	void (*start)(void *);
	void *argument;
};

extern const uint8_t x86_ap_code[], x86_ap_code_end[], x86_ap_words[];

struct cpu x86_cpus[X86_CORES_MAX];
static unsigned n_named = 1; /* core 0 runs */
unsigned smp_cores = 1;
static unsigned n_left_out;
static volatile uint32_t released;

unsigned machine_cores(void)
{
	return smp_cores;
}

unsigned machine_core(void)
{
	return cpu_this()->number;
}

void machine_nudge(unsigned core)
{
	if (core < smp_cores)
		apic_send(x86_cpus[core].apic_id, VECTOR_NUDGE);
}

void smp_add(uint32_t id)
{
	if (id == x86_cpus[0].apic_id)
		return;
	if (n_named == X86_CORES_MAX) {
		n_left_out++;
		return;
	}
	x86_cpus[n_named++].apic_id = id;
}

/* First C code of another core, on its own stack. */
static void start_core(void *argument)
{
	struct cpu *cpu = argument;

	features_enable();
	paging_load();
	segments_name_core(cpu);
	segments_load();
	apic_enable();
	main_start_thread(cpu);
	__atomic_store_n(&cpu->started, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&released, __ATOMIC_ACQUIRE) == 0) {
		space_serve_flush();
		cpu_pause();
	}
	main_enter_secondary(cpu);
}

static bool wait_started(struct cpu *cpu, unsigned microseconds)
{
	for (unsigned waited = 0; waited < microseconds; waited += STEP_US) {
		if (__atomic_load_n(&cpu->started, __ATOMIC_ACQUIRE) != 0)
			return true;
		x86_delay_us(STEP_US);
	}
	return false;
}

/* INIT, then the start-up interrupt, twice if the first is not heard: today's CPUs need neither the
 * long pauses of the MultiProcessor Specification nor the second one. */
static bool start_one(struct cpu *cpu)
{
	apic_send(cpu->apic_id, COMMAND_INIT);
	x86_delay_us(200);
	apic_send(cpu->apic_id, COMMAND_START);
	if (wait_started(cpu, 1000))
		return true;
	apic_send(cpu->apic_id, COMMAND_START);
	return wait_started(cpu, ANSWER_US);
}

static void prepare(unsigned number)
{
	x86_cpus[number].number = number;
	x86_cpus[number].timer_deadline = UINT64_MAX;
	paging_make_stacks(&x86_cpus[number]);
	tls_make(&x86_cpus[number]);
}

static bool start_numbered(unsigned number, volatile struct start_words *words)
{
	struct cpu *cpu = &x86_cpus[number];

	prepare(number);
	words->stack = cpu->stack_top;
	words->start = start_core;
	words->argument = cpu;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return start_one(cpu);
}

void smp_count(void)
{
	smp_cores = n_named;
	x86_print("cores: %u\n", smp_cores);
}

void smp_start(void)
{
	volatile struct start_words *words =
	        x86_direct(START_PAGE + (uint64_t)(x86_ap_words - x86_ap_code));

	if (n_left_out > 0)
		x86_print("cores: %u beyond %u left out\n", n_left_out, X86_CORES_MAX);
	if (n_named == 1)
		return;
	memcpy(x86_direct(START_PAGE), x86_ap_code, (size_t)(x86_ap_code_end - x86_ap_code));
	words->cr3 = paging_make_trampoline();
	for (unsigned i = 1; i < n_named; i++) {
		if (!start_numbered(i, words)) {
			/* It might still come, late, on its stack: cores behind it stay out. */
			x86_print("cores: APIC id %u does not start; it and those after it are "
			          "left out\n",
			          x86_cpus[i].apic_id);
			smp_cores = i;
			return;
		}
	}
	paging_drop_trampoline();
}

void machine_release_cores(void)
{
	__atomic_store_n(&released, 1, __ATOMIC_RELEASE);
}
