/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Typed stubs of the kernel calls (exo/call.h), one instruction each.
 *
 * Results are the kernel's: zero or more, or the negative of an enum exo_error. Argument blocks
 * lie in the caller's memory and may be on its stack; a pointer must name mapped memory, for the
 * kernel faults nothing in on the caller's behalf (-EXO_EFAULT). A capability given as NULL means
 * "authority by ownership" where exo/call.h allows it. Callable from handlers and from the
 * program alike; no stub touches vector or thread-local state.
 */
#ifndef LIBEXO_CALL_H
#define LIBEXO_CALL_H

#include <stddef.h>
#include <stdint.h>

#include <exo/call.h>
#include <exo/fact.h>

/* The instruction itself: number and up to six arguments. The kernel may read and write memory. */
static inline int64_t exo_call(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"((uint64_t)number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return result;
}

static inline int64_t exo_call3(uint32_t number, uint64_t a, uint64_t b, uint64_t c)
{
	int64_t result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"((uint64_t)number), "D"(a), "S"(b), "d"(c)
	                 : "rcx", "r11", "memory");
	return result;
}

static inline int64_t exo_call2(uint32_t number, uint64_t a, uint64_t b)
{
	int64_t result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"((uint64_t)number), "D"(a), "S"(b)
	                 : "rcx", "r11", "memory");
	return result;
}

static inline int64_t exo_null(void)
{
	return exo_call3(EXO_CALL_NULL, 0, 0, 0);
}

/* ---- Console and machine ---- */

/* All of it: gives time away while the line is busy. → size, or why not. */
static inline int64_t exo_console_write(const struct exo_cap *console, const char *text,
                                        size_t size)
{
	for (size_t done = 0; done < size;) {
		int64_t n = exo_call3(EXO_CALL_CONSOLE_WRITE, (uintptr_t)console,
		                      (uintptr_t)(text + done), size - done);

		if (n < 0 && n != -EXO_EAGAIN)
			return n;
		if (n > 0)
			done += (size_t)n;
		else
			exo_call3(EXO_CALL_YIELD, 0, 0, 0);
	}
	return (int64_t)size;
}

static inline int64_t exo_console_read(const struct exo_cap *console, char *text, size_t size)
{
	return exo_call3(EXO_CALL_CONSOLE_READ, (uintptr_t)console, (uintptr_t)text, size);
}

/* Returns only where the capability is refused. */
static inline int exo_power(const struct exo_cap *machine, enum exo_power what, uint32_t code)
{
	return (int)exo_call3(EXO_CALL_POWER, (uintptr_t)machine, what, code);
}

/* ---- Time ---- */

static inline int exo_yield(uint32_t env)
{
	return (int)exo_call3(EXO_CALL_YIELD, env, 0, 0);
}

/* Gives the rest of the slot to an environment on this core, which wakes if it sleeps. */
static inline int exo_yield_wake(uint32_t env)
{
	return (int)exo_call3(EXO_CALL_YIELD, env, 1, 0);
}

/* Sleeps until `deadline` (TSC; 0: none) or an event. → enum exo_event bits, now cleared. */
static inline int64_t exo_wait(uint64_t deadline)
{
	return exo_call3(EXO_CALL_WAIT, deadline, 0, 0);
}

/* Likewise, but not where *word is not `value` (any more). */
static inline int64_t exo_wait_while(uint64_t deadline, const volatile uint32_t *word,
                                     uint32_t value)
{
	return exo_call3(EXO_CALL_WAIT, deadline, (uintptr_t)word, value);
}

static inline int exo_timer(uint64_t deadline)
{
	return (int)exo_call3(EXO_CALL_TIMER, deadline, 0, 0);
}

/* ---- Environments ---- */

static inline int exo_env_create(struct exo_env_create *block)
{
	return (int)exo_call3(EXO_CALL_ENV_CREATE, (uintptr_t)block, 0, 0);
}

static inline int exo_pe_set(const struct exo_cap *env, const struct exo_pe_setup *setup)
{
	return (int)exo_call3(EXO_CALL_PE_SET, (uintptr_t)env, (uintptr_t)setup, 0);
}

static inline int exo_env_start(const struct exo_cap *env)
{
	return (int)exo_call3(EXO_CALL_ENV_START, (uintptr_t)env, 0, 0);
}

static inline __attribute__((noreturn)) void exo_exit(int32_t status)
{
	for (;;)
		exo_call3(EXO_CALL_EXIT, (uint64_t)(int64_t)status, 0, 0);
}

static inline int exo_env_end(const struct exo_cap *env)
{
	return (int)exo_call3(EXO_CALL_ENV_END, (uintptr_t)env, 0, 0);
}

static inline int exo_env_status(struct exo_env_status *block)
{
	return (int)exo_call3(EXO_CALL_ENV_STATUS, (uintptr_t)block, 0, 0);
}

/* ---- Capabilities, frames, mappings, slots ---- */

static inline int exo_grant(struct exo_grant *block)
{
	return (int)exo_call3(EXO_CALL_GRANT, (uintptr_t)block, 0, 0);
}

static inline int exo_revoke(const struct exo_cap *cap)
{
	return (int)exo_call3(EXO_CALL_REVOKE, (uintptr_t)cap, 0, 0);
}

static inline int exo_frame_alloc(struct exo_frame_alloc *block)
{
	return (int)exo_call3(EXO_CALL_FRAME_ALLOC, (uintptr_t)block, 0, 0);
}

static inline int exo_frame_free(const struct exo_cap *frames)
{
	return (int)exo_call3(EXO_CALL_FRAME_FREE, (uintptr_t)frames, 0, 0);
}

/* Likewise, frames that the environment owns without a key for them: an exchange brought them. */
static inline int exo_frame_free_own(uint64_t first, uint64_t count)
{
	return (int)exo_call3(EXO_CALL_FRAME_FREE, 0, first, count);
}

/* → mappings entered; fewer than n: the one after them was refused. */
static inline int64_t exo_map(const struct exo_cap *env, const struct exo_mapping *mapping,
                              uint64_t n)
{
	return exo_call3(EXO_CALL_MAP, (uintptr_t)env, (uintptr_t)mapping, n);
}

static inline int64_t exo_unmap(const struct exo_cap *env, const struct exo_range *range,
                                uint64_t n)
{
	return exo_call3(EXO_CALL_UNMAP, (uintptr_t)env, (uintptr_t)range, n);
}

/* One page of the caller's own: `rights` of enum exo_rights, and EXO_MAP_PAGE_GUARANTEED. */
static inline int exo_map_page(uint64_t page, uint64_t frame, unsigned rights)
{
	return (int)exo_call2(EXO_CALL_MAP_PAGE, page | rights, frame);
}

static inline int exo_unmap_page(uint64_t page)
{
	return (int)exo_call2(EXO_CALL_UNMAP_PAGE, page, 0);
}

static inline int64_t exo_frame_uses(uint64_t frame)
{
	return exo_call3(EXO_CALL_FRAME_USES, frame, 0, 0);
}

static inline int exo_slot_take(const struct exo_cap *slots, uint32_t env, uint32_t first,
                                uint32_t count)
{
	return (int)exo_call(EXO_CALL_SLOT_TAKE, (uintptr_t)slots, env, first, count, 0, 0);
}

static inline int exo_slot_free(uint32_t first, uint32_t count)
{
	return (int)exo_call3(EXO_CALL_SLOT_FREE, first, count, 0);
}

/* ---- Flows and rings ---- */

static inline int exo_flow_grant(struct exo_flow_grant *block)
{
	return (int)exo_call3(EXO_CALL_FLOW_GRANT, (uintptr_t)block, 0, 0);
}

static inline int exo_bind(struct exo_bind *block)
{
	return (int)exo_call3(EXO_CALL_BIND, (uintptr_t)block, 0, 0);
}

static inline int exo_unbind(const struct exo_cap *binding)
{
	return (int)exo_call3(EXO_CALL_UNBIND, (uintptr_t)binding, 0, 0);
}

static inline int exo_ring_create(struct exo_ring_create *block)
{
	return (int)exo_call3(EXO_CALL_RING_CREATE, (uintptr_t)block, 0, 0);
}

static inline int exo_ring_destroy(const struct exo_cap *ring)
{
	return (int)exo_call3(EXO_CALL_RING_DESTROY, (uintptr_t)ring, 0, 0);
}

static inline int exo_doorbell(uint64_t ring_id)
{
	return (int)exo_call3(EXO_CALL_DOORBELL, ring_id, 0, 0);
}

/* ---- Protected control transfer ---- */

/* Opens gate 0 … EXO_GATES - 1 to an environment; NULL closes it. */
static inline int exo_gate(const struct exo_cap *env, uint64_t gate)
{
	return (int)exo_call3(EXO_CALL_GATE, (uintptr_t)env, gate, 0);
}

/* → the reply, or the negative of an error: who is called keeps its replies apart from those. */
static inline int64_t exo_invoke(uint64_t gate, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = b;
	register uint64_t r8 __asm__("r8") = c;
	register uint64_t r9 __asm__("r9") = d;
	int64_t result = EXO_CALL_INVOKE;

	__asm__ volatile("syscall"
	                 : "+a"(result), "+D"(gate), "+d"(a), "+r"(r10), "+r"(r8), "+r"(r9)
	                 :
	                 : "rsi", "rcx", "r11", "memory");
	return result;
}

static inline int64_t exo_send(uint64_t gate, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return exo_call(EXO_CALL_SEND, gate, 0, a, b, c, d);
}

static inline int64_t exo_reply(uint64_t value)
{
	return exo_call3(EXO_CALL_REPLY, value, 0, 0);
}

/* ---- Taking back ---- */

static inline int exo_repossess(const struct exo_repossess *block)
{
	return (int)exo_call3(EXO_CALL_REPOSSESS, (uintptr_t)block, 0, 0);
}

static inline int exo_seed(const struct exo_seed *block)
{
	return (int)exo_call3(EXO_CALL_SEED, (uintptr_t)block, 0, 0);
}

static inline int exo_env_record(struct exo_env_record *block)
{
	return (int)exo_call3(EXO_CALL_ENV_RECORD, (uintptr_t)block, 0, 0);
}

static inline int exo_ledger(struct exo_listing *block)
{
	return (int)exo_call3(EXO_CALL_LEDGER, (uintptr_t)block, 0, 0);
}

/* Lets a port merge segments of TCP (EXO_CALL_PORT_MERGE). 0 or a negative enum exo_error. */
static inline int exo_port_merge(const struct exo_cap *machine, unsigned port)
{
	return (int)exo_call2(EXO_CALL_PORT_MERGE, (uintptr_t)machine, port);
}

/* Says which frames need not come to a receive ring (EXO_CALL_RING_OUTDO). 0 or a negative enum
 * exo_error. */
static inline int exo_ring_outdo(const struct exo_ring_outdo *block)
{
	return (int)exo_call3(EXO_CALL_RING_OUTDO, (uintptr_t)block, 0, 0);
}

/* → of EXO_FACT_PCI the register, else 0; or a negative enum exo_error. */
static inline int64_t exo_fact(const struct exo_cap *machine, enum exo_fact_kind kind,
                               uint64_t index, struct exo_fact *fact)
{
	return exo_call(EXO_CALL_FACT, (uintptr_t)machine, kind, index, (uintptr_t)fact, 0, 0);
}

/* ---- Disks and the screen ---- */

static inline int exo_extent_alloc(struct exo_extent_alloc *block)
{
	return (int)exo_call3(EXO_CALL_EXTENT_ALLOC, (uintptr_t)block, 0, 0);
}

static inline int exo_extent_free(const struct exo_cap *extent)
{
	return (int)exo_call3(EXO_CALL_EXTENT_FREE, (uintptr_t)extent, 0, 0);
}

static inline int exo_disk(const struct exo_disk_request *block)
{
	return (int)exo_call3(EXO_CALL_DISK, (uintptr_t)block, 0, 0);
}

static inline int exo_screen_create(struct exo_screen_create *block)
{
	return (int)exo_call3(EXO_CALL_SCREEN_CREATE, (uintptr_t)block, 0, 0);
}

static inline int exo_screen_free(const struct exo_cap *rectangle)
{
	return (int)exo_call3(EXO_CALL_SCREEN_FREE, (uintptr_t)rectangle, 0, 0);
}

static inline int exo_screen_blit(const struct exo_blit *block)
{
	return (int)exo_call3(EXO_CALL_SCREEN_BLIT, (uintptr_t)block, 0, 0);
}

#endif
