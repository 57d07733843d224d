/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine below the core: the only way in which exo/core reaches it. x86_64/ (with dpdk/ and
 * dev/) implements it on the bare machine, host/ as a Linux process for tests, benchmarks and
 * fuzzers.
 *
 * The kernel runs with interrupts off, from trap to return. It has one stack per core and is a
 * plain loop: core_run asks machine_run to run a PE in ring 3 until something happens, and handles
 * that. Nothing in the kernel blocks.
 */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exo/call.h>
#include <exo/fact.h>

struct boot_info;

/* ---- Running environments ---- */

enum machine_trap_kind {
	MACHINE_TRAP_CALL,      /* syscall instruction: number in regs.rax, arguments in regs */
	MACHINE_TRAP_EXCEPTION, /* vector, error (and address for #PF, which comes as
	                           MACHINE_TRAP_PAGE) */
	MACHINE_TRAP_PAGE,      /* page fault: address, error (SDM vol. 3A, 4.7) */
	MACHINE_TRAP_INTERRUPT, /* timer, NIC, or another core's nudge: look around */
};

struct machine_trap {
	struct machine_pe *pe; /* who trapped: not who was run, where control was transferred */
	enum machine_trap_kind kind;
	uint32_t vector;
	uint64_t error;
	uint64_t address;
};

struct machine_space; /* an address space: page tables, as a cache of what the core entered */

/* A way from one PE to another; it may be taken while `name` is the other's. What it points to is
 * never given back to the heap: perhaps stale, but readable. */
struct machine_gate {
	struct machine_pe *to;
	uint64_t name;
	volatile uint32_t *users; /* of the environment, as in struct machine_pe */
	uint32_t env;             /* its id */
	uint32_t here;            /* 1: on the PE's own core */
};

/*
 * The machine's part of a PE: its registers while it does not run, and what the machine needs to
 * enter handlers and to transfer control (exo/pe.h) without asking the core. It does so where all
 * is plain, and leaves no trace that the core would not have left (but `delivered`); anything else
 * comes to the core as a trap. Aligned: traps push registers straight into it. x86_64/entry.h
 * repeats the layout.
 */
struct machine_pe {
	struct exo_regs regs;
	void *vector; /* XSAVE area, machine_info()->vector_bytes long, 64-byte aligned */
	struct machine_space *space;
	struct exo_pe_setup setup;
	struct exo_pe *page; /* the kernel's alias of the shared page; NULL: no upcalls */
	uint64_t delivered;  /* faults that the machine handed to their handlers by itself */

	/* Transfers. A PE whose whole state lies in page->saved is parked. A PE that waits for a
	 * reply has a callee, which has it as caller; both are on one core. */
	volatile uint32_t *users; /* cores that have its environment current; bit 31: it ended */
	uint64_t name;            /* never used twice; a gate's must be the same */
	struct machine_pe *caller, *callee;
	uint32_t events; /* atomic: enum exo_event bits that came and were not delivered */
	uint32_t id;     /* of the environment */
	bool open;       /* parked, and the core need not see who transfers to it */
	bool parked;
	bool waiting;     /* in EXO_CALL_WAIT: not runnable before an event */
	bool plain;       /* what `open` becomes when the PE replies: its timer is off */
	uint64_t invoked; /* transfers that the machine made by itself for this PE */
	struct machine_gate gates[EXO_GATES];
} __attribute__((aligned(16)));

/* Gives `pe` its vector area in initial state, ring-3 selectors and flags; the rest is zero. 0 or
 * -EXO_ENOMEM. */
int machine_pe_init(struct machine_pe *pe);
void machine_pe_fini(struct machine_pe *pe);

/*
 * Runs `pe` in its space on this core until it, or who got control from it, traps; regs then hold
 * the state of trap->pe. Loads and saves
 * vector state as needed: lazily, so that running the same PE again costs nothing. FS and GS bases
 * are part of regs. A non-canonical rip, or flags that ring 3 must not have, are harmless (they
 * fault there, or are masked off).
 */
void machine_run(struct machine_pe *pe, struct machine_trap *trap);
/* Whether NICs may interrupt ring 3 on this core from the next machine_run on, which then asks for
 * a poll first (MACHINE_TRAP_INTERRUPT). At first they may not. */
void machine_listen(bool on);

/*
 * Leaf calls: calls that need neither the PE's registers nor vector state, switch nothing and end
 * nothing. The machine answers them straight from the syscall instruction, with the first three
 * arguments, without returning from machine_run; a handler may still decline, and the call then
 * comes as MACHINE_TRAP_CALL as if nothing had been. The table is the core's, by number less
 * EXO_CALL_BASE; NULL: not a leaf.
 */
enum {
	MACHINE_LEAF_CALLS = 64,
	MACHINE_NOT_LEAF = -0x40000000, /* a handler's answer: make it a trap */
};
typedef int64_t machine_leaf_call(struct machine_pe *pe, uint64_t a, uint64_t b, uint64_t c);
extern machine_leaf_call *const core_leaf_calls[MACHINE_LEAF_CALLS];
/* A handler that does what takes more (machine_vector_begin, machine_idle) puts vector state and FS
 * base away before, and takes them back when it is done, whether it declines or not. false: it
 * can't, and has to decline. */
bool machine_leaf_begin(struct machine_pe *pe);
void machine_leaf_end(struct machine_pe *pe);

/* ---- Address spaces. Rights are EXO_RIGHT_READ, WRITE, EXEC; writable and executable together
 * never happens. Calls for one space never overlap: the core holds the space's lock. ---- */

/* A new address space with nothing below the kernel. 0 or -EXO_ENOMEM. */
int machine_space_create(struct machine_space **space);
/* Frees the page tables, not what they map. The space runs on no core. */
void machine_space_destroy(struct machine_space *space);
/* With rights: one 2 MiB page instead; address and frame are multiples of it. */
#define MACHINE_SPACE_LARGE 0x100
#define MACHINE_SPACE_NONE  (~0ull)

/* Maps one page, replacing what was there (the caller flushes); *old, where `old` is given: the
 * frame that was there, or MACHINE_SPACE_NONE. 0; -EXO_ENOMEM (page tables' bound); -EXO_EBUSY (a
 * 4 KiB page inside a large one). Where a large page goes, no 4 KiB page is mapped. */
int machine_space_map(struct machine_space *space, uint64_t address, uint64_t frame,
                      unsigned rights, uint64_t *old);
/* Removes a page's mapping, or the large one that it is part of. The page's frame number in *frame.
 * 0 or MACHINE_SPACE_LARGE, or -EXO_ENOENT. The caller flushes. */
int machine_space_unmap(struct machine_space *space, uint64_t address, uint64_t *frame);
/* What is mapped at a page. 0 or MACHINE_SPACE_LARGE, or -EXO_ENOENT. */
int machine_space_query(struct machine_space *space, uint64_t address, uint64_t *frame,
                        unsigned *rights);
/* Makes removed or replaced mappings of [address, address + pages * 4096) unusable on every core,
 * before it returns. */
void machine_space_flush(struct machine_space *space, uint64_t address, uint64_t pages);

/* ---- User memory: the one pair of copiers. Addresses are those of the space that runs on this
 * core. ---- */

/* 0, or -EXO_EFAULT where any byte is not the environment's to read (write). What was copied before
 * a fault is undefined. */
int machine_copy_in(void *to, uint64_t from, size_t size);
int machine_copy_out(uint64_t to, const void *from, size_t size);

/* ---- Memory ---- */

struct machine_range {
	uint64_t first, count; /* frames */
};

/* Free physical memory for environments: the i-th range, ascending and apart. false: there are no
 * more. */
bool machine_memory(unsigned i, struct machine_range *range);
/* Frames of the kernel's, apart from those, in some of which packets arrive: such a frame may be
 * given to an environment for one of its own (ledger_frames_swap). count 0: there are none. */
void machine_receive_frames(struct machine_range *range);
/* The kernel's alias of a frame that machine_memory listed (or of the payload). Those of frames in
 * a row lie in a row. */
void *machine_frame(uint64_t frame);
/* Frame number of an address inside such an alias. */
uint64_t machine_frame_of(const void *address);
/* Ports that an IOMMU watches: what such a port receives lands in slots of a page each, which lead
 * to the frames that are named here. How many slots; 0: it is another sort of port. */
unsigned machine_dma_slots(unsigned port);
/* From machine_dma_flush on the slot leads to `frame`; with MACHINE_SPACE_NONE nowhere: what
 * arrives for it is stopped and counted. false: no memory; never for a slot that led somewhere. */
bool machine_dma_map(unsigned port, unsigned slot, uint64_t frame);
void machine_dma_flush(unsigned port);
/* Whether that port is others', too: what lands there is what a rule leads to its queue behind all
 * others. The rule for a conjunction; `loose`: it may take what has a VLAN tag before it. → 0, 1:
 * it does, or -EXO_ENOSYS: there can be none. One at a time. */
bool machine_dma_spare(unsigned port);
int machine_dma_steer(unsigned port, const struct flt_conjunction *flow, bool loose);
void machine_dma_steer_end(unsigned port);
/* Starts a port anew that may merge segments of TCP from now on; nobody is in its queues. 0, or
 * -EXO_ENOSYS: it can't. */
int machine_port_merge(unsigned port);
/* Accesses of devices to memory that were stopped. */
uint64_t machine_dma_faults(void);
/* Kernel heap: zeroed, aligned to 64 bytes. NULL where its bound is reached. Any core, no vector
 * state needed. */
void *machine_alloc(size_t size);
void machine_free(void *memory);
/* Bytes of it that are free, in whole pages. */
size_t machine_memory_left(void);
/* Memory for compiled code: writable until sealed, then executable and never writable again. NULL:
 * none left. */
void *machine_code_alloc(size_t size);
int machine_code_seal(void *code, size_t size);
void machine_code_free(void *code, size_t size);

/* ---- Cores, time, randomness ---- */

unsigned machine_cores(void);
/* This core's number, 0 … machine_cores() - 1; equal to DPDK's lcore id. */
unsigned machine_core(void);
/* Makes another core leave ring 3 or its halt soon: it sees MACHINE_TRAP_INTERRUPT. */
void machine_nudge(unsigned core);
#ifdef SLUICE_KERNEL
static inline uint64_t machine_tsc(void)
{
	return __builtin_ia32_rdtsc();
}
#else /* tests have a time of their own */
uint64_t machine_tsc(void);
#endif
/* Interrupts ring 3 (or the halt) on this core at `deadline`, once; UINT64_MAX: not at all. */
void machine_timer(uint64_t deadline);
/* Halts this core until an interrupt, a nudge or `deadline`. A nudge that came before is not lost.
 */
void machine_idle(uint64_t deadline);
/* Does what other cores and drivers wait for, as ring 3 and halts do by themselves: for who goes on
 * looking for work where neither comes for long. */
void machine_serve(void);
void machine_random(void *to, size_t size);

/* What there is to know at start, filled in before core_main. */
struct machine_info {
	uint64_t tsc_hz, tsc_boot, wall_boot_ns;
	uint64_t features; /* enum exo_features */
	uint32_t vector_bytes;
	uint32_t n_ports; /* DPDK ports, started, one queue pair per port at least; ids 0 … n - 1 */
	const char *command_line;
	uint64_t payload, payload_size; /* physical; page-aligned, in frames that machine_memory
	                                   does not list */
};
const struct machine_info *machine_info(void);

/*
 * Code that uses vector registers in the kernel (PMDs, DPDK's inline functions) runs between these
 * two. The first saves the running PE's vector state, where it still is in the registers, and gives
 * DPDK its thread pointer; whoever runs next takes both back. They nest.
 */
void machine_vector_begin(void);
static inline void machine_vector_end(void)
{
}

/* ---- Disks and the screen. The caller sees to it that one core at a time is in here. ---- */

/* Sectors of 512 bytes of all disks, numbered through; 0: there is no disk. */
uint64_t machine_disk_sectors(void);
/*
 * Starts moving `count` sectors between `sector` and the frames from `frame` on. `id`, below
 * MACHINE_DISK_REQUESTS, names the request until machine_disk_done has given it back. 0;
 * -EXO_EAGAIN: the device's queue is full; -EXO_EIO: the disk has failed for good; -EXO_EINVAL: the
 * range ends on another disk; -EXO_EPERM: it can't be written.
 */
enum { MACHINE_DISK_REQUESTS = 64 };
int machine_disk_start(uint32_t id, bool write, uint64_t sector, uint64_t frame, uint32_t count);
/* The next finished request: true, *id and *result (0 or -EXO_EIO). */
bool machine_disk_done(uint32_t *id, int *result);
/* The framebuffer as boot/ or exo/dev found it; width 0: none. *memory: where it is mapped. */
struct boot_framebuffer;
const struct boot_framebuffer *machine_screen(uint8_t **memory);

/* ---- Locks ---- */

/* One step of waiting for another core, in which this one does what that may be waiting for. */
void machine_pause(void);

struct machine_lock {
	volatile uint32_t next,
	        owner; /* a ticket lock: fair, and never taken with a lock of later rank held */
};
/* Waits until `ticket` is served, and does meanwhile what other cores may be waiting for. */
void machine_lock_wait(struct machine_lock *lock, uint32_t ticket);

static inline void machine_lock(struct machine_lock *lock)
{
	uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	if (__builtin_expect(__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket, 0))
		machine_lock_wait(lock, ticket);
}

static inline void machine_unlock(struct machine_lock *lock)
{
	__atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
}

/* Takes the lock where nobody has it or waits for it. */
static inline bool machine_trylock(struct machine_lock *lock)
{
	uint32_t ticket = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);

	return __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false,
	                                   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* A lock in one byte, for objects of which there are very many: held for a few instructions. */
static inline void machine_bit_lock(volatile uint8_t *bit)
{
	while (__builtin_expect(__atomic_exchange_n(bit, 1, __ATOMIC_ACQUIRE) != 0, 0))
		machine_pause();
}

static inline void machine_bit_unlock(volatile uint8_t *bit)
{
	__atomic_store_n(bit, 0, __ATOMIC_RELEASE);
}

/* ---- Console and end ---- */

/* Shows text; each line gets "[seconds since kernel entry] " before it. */
void machine_console_write(const char *text, size_t size);
/* Bytes that it takes now without waiting for a slow line. */
size_t machine_console_room(void);
/* Bytes typed since the last call, at most `size`. */
size_t machine_console_read(char *text, size_t size);
/* A fact about the machine (exo/fact.h): written to *fact, all zero before. 0, of PCI the register,
 * or a negative enum exo_error. */
int64_t machine_fact(enum exo_fact_kind kind, uint64_t index, struct exo_fact *fact);
void machine_power(enum exo_power what, uint32_t code) __attribute__((noreturn));
/* Our own mistake: prints the reason, registers and a symbolised backtrace, stops all cores. */
void machine_panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define MACHINE_ASSERT(condition)                                                                  \
	do {                                                                                       \
		if (__builtin_expect(!(condition), 0))                                             \
			machine_panic("%s:%d: assertion failed: %s", __FILE__, __LINE__,           \
			              #condition);                                                 \
	} while (0)

/* ---- What the machine calls in the core ---- */

/* On the first core, once everything above works: builds the ledger, starts init, then core_run.
 * Does not return. */
void core_main(const struct boot_info *boot) __attribute__((noreturn));
/* On every other core, after core_main has set up what is shared (it lets them go with
 * machine_release_cores). */
void core_secondary(void) __attribute__((noreturn));
/* An environment that the machine has entered for a transfer, by its `users`, is left again. */
void core_leave(volatile uint32_t *users);
/* Called by core_main when the other cores may enter core_secondary. Implemented by the machine. */
void machine_release_cores(void);

#endif
