/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processing environments (PEs): how the kernel hands program discontinuities to an environment.
 *
 * A PE is one core's entry into an environment: entry points, one handler stack, and a save area
 * that the environment keeps in a frame of its own (struct exo_pe, one page). When something
 * happens the kernel
 *
 *   1. writes the interrupted registers to pe->saved and the reason to pe->upcall, through its own
 *      alias of the frame;
 *   2. sets pe->masked to 1;
 *   3. enters entry[kind] in ring 3, in the same address space, with rdi = address of the struct
 *      exo_pe, rsi = kind, rsp = handler stack top - 8 (as after a call), the library OS's FS
 *      base, direction flag clear. Vector registers are the interrupted code's: a handler saves
 *      those that it uses.
 *
 * While masked, further events pend: their bits are set in pe->pending. Exceptions and page faults
 * cannot pend: if one happens while masked, or has no entry point, the environment ends. Resuming
 * needs no call:
 *
 *     resume_begin:  pe->masked = 0
 *                    if (pe->pending) goto EXO_CALL_PENDING      (delivers at once; never returns)
 *                    restore the registers from pe->saved, popfq, jump through pe->saved.rip
 *                    (or rsp = &pe->saved.rip, iretq)
 *     resume_end:
 *
 * The range [resume_begin, resume_end) is registered with the PE. Code interrupted inside it has
 * not left the handler as far as anyone can tell, and pe->saved still holds the whole truth: the
 * kernel does not overwrite it, but delivers the new event over the same saved state, or, with
 * nothing to deliver, restarts at resume_begin with rdi = address of the struct exo_pe. Thus the
 * range may use every register. A CPU without FSGSBASE resumes by EXO_CALL_RESUME instead.
 *
 * Protected control transfer (Aegis' PCT: SOSP 1995, section 5.2) enters EXO_UPCALL_REMOTE with
 * rax = the caller's environment id, which nobody can forge, and the caller's rdx, r10, r8, r9 in
 * the same registers; every other register is zero or as above, upcall.kind and upcall.caller are
 * written, upcall.args is not. Vector registers are what the callee's interrupted code left; the
 * caller's are kept for it. The caller's slots are the callee's until EXO_CALL_REPLY, and it has no
 * other way to get at the caller; who does not trust it to reply arms the timer first: the call
 * then ends with -EXO_EAGAIN at the caller's next slot after that, and the reply finds nobody.
 * A PE that sleeps in EXO_CALL_WAIT and has this entry point waits with its state in pe->saved and
 * masked set, as between handler and resumption; a transfer ends its sleep with the result 0. An
 * environment that ends while it serves lets its caller go on with -EXO_ENOENT; one that ends while
 * it waits for a reply is forgotten, and the reply gets -EXO_ENOENT.
 *
 * An entry point of 0 means: not wanted. Interrupts are then handled without the environment
 * noticing (the kernel saves and restores at slot ends), events still show in pe->pending and as
 * result of EXO_CALL_WAIT. Model: Aegis' processing environments (Engler et al., SOSP 1995, section
 * 5) and scheduler activations.
 */
#ifndef EXO_PE_H
#define EXO_PE_H

#include <stdint.h>

/* The entry points. */
enum exo_upcall_kind {
	EXO_UPCALL_EXCEPTION = 0,  /* a fault of the running code: upcall.vector, .error */
	EXO_UPCALL_ADDRESSING = 1, /* page fault: upcall.address, .error (Intel SDM vol. 3A, 4.7) */
	EXO_UPCALL_INTERRUPT = 2,  /* upcall.events: enum exo_event bits */
	EXO_UPCALL_REMOTE = 3,     /* protected control transfer: see below */
	EXO_UPCALL_OWN_CALL =
	        4, /* a syscall instruction outside Sluice's number range: number in saved.rax */
	EXO_UPCALL_REVOKE = 5, /* upcall.caller takes back, until upcall.deadline: args[0] kind,
	                          args[1] first, args[2] count (struct exo_repossession) */
	EXO_UPCALLS
};

/* Events of EXO_UPCALL_INTERRUPT and of pe->pending. */
enum exo_event {
	EXO_EVENT_SLOT_BEGIN = 1 << 0,
	EXO_EVENT_SLOT_END = 1 << 1, /* save within upcall.deadline, then EXO_CALL_YIELD */
	EXO_EVENT_RING = 1 << 2,     /* a ring became non-empty (or completions arrived) */
	EXO_EVENT_TIMER = 1 << 3,    /* the PE's timer passed */
	EXO_EVENT_REMOTE = 1 << 4,   /* an asynchronous protected control transfer waits */
	EXO_EVENT_REVOKE = 1 << 5,   /* a repossession vector waits */
	EXO_EVENT_CHILD = 1 << 6,    /* an environment that this one created has ended, or runs no
	                                more because its last slot is gone */
	EXO_EVENT_LINK = 1 << 7,     /* a port's link changed */
	EXO_EVENT_DISK = 1 << 8,     /* a disk request is done */
	EXO_EVENT_TAKEN = 1 << 9,    /* a repossession that this one asked for is settled */
	EXO_EVENT_HANDLER = 1 << 10, /* a handler in the kernel asked for it: exo/ext.h */
};

/* Registers of interrupted code. The last five lie as iretq pops them (Intel SDM vol. 2A,
 * IRET). */
struct exo_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t fs_base, gs_base;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Why the handler was entered. */
struct exo_upcall {
	uint32_t kind;     /* enum exo_upcall_kind */
	uint32_t vector;   /* exception: x86 vector number */
	uint64_t error;    /* exception, addressing: x86 error code */
	uint64_t address;  /* addressing: faulting address */
	uint32_t events;   /* interrupt: enum exo_event */
	uint32_t caller;   /* remote, revoke: environment id; 0: the kernel */
	uint64_t deadline; /* TSC until which the handler has time; 0: none */
	uint64_t args[6];
};

/* The page that kernel and library OS share for one PE. The kernel trusts nothing in it: it costs
 * only its owner. */
struct exo_pe {
	uint32_t masked;  /* 1: in a handler. The kernel sets it, the resume range clears it */
	uint32_t pending; /* enum exo_event bits that wait; the kernel sets, delivery clears */
	uint64_t reserved[7];
	struct exo_regs saved;
	struct exo_upcall upcall;
	uint8_t libos[4096 - 64 - 22 * 8 - 88]; /* the library OS's own, e.g. saved vector state */
};

_Static_assert(sizeof(struct exo_regs) == 22 * sizeof(uint64_t), "exo_regs is part of the ABI");
_Static_assert(sizeof(struct exo_upcall) == 88, "exo_upcall is part of the ABI");
_Static_assert(sizeof(struct exo_pe) == 4096, "exo_pe is one page");

/* Argument of EXO_CALL_PE_SET. */
struct exo_pe_setup {
	uint32_t core;               /* the core that this PE is for */
	uint32_t flags;              /* 0 */
	uint64_t entry[EXO_UPCALLS]; /* entry points; 0: not wanted */
	uint64_t pe_addr;   /* page-aligned; mapped writable there from a frame that the environment
	                       owns */
	uint64_t stack_top; /* of the handler stack, 16-byte aligned */
	uint64_t resume_begin, resume_end;
	uint64_t libos_fs_base;      /* loaded when a handler is entered */
	uint64_t start_ip, start_sp; /* where the PE first runs, with rdi = EXO_START_ADDR; ignored
	                                once it runs */
};

#endif
