/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel calls: numbers and argument blocks.
 *
 * `syscall` with rax = number, arguments in rdi, rsi, rdx, r10, r8, r9; the result comes in rax
 * (negative: -enum exo_error); rcx and r11 are lost, as the instruction demands. Numbers outside
 * [EXO_CALL_BASE, EXO_CALL_END) are the program's own calls: they go to the environment's
 * EXO_UPCALL_OWN_CALL entry (a Linux personality answers them), or return -EXO_ENOSYS where it has
 * none. Argument blocks lie in the caller's memory; the kernel copies them in once, checks them,
 * and copies the whole block back where a field is marked as written.
 *
 * A pointer to a capability may be 0 where the comment says so: authority then comes from the
 * ledger (the caller owns the unit). Every call that fails has changed nothing, unless the comment
 * says otherwise.
 */
#ifndef EXO_CALL_H
#define EXO_CALL_H

#include <stdint.h>

#include "cap.h"
#include "disk.h"
#include "error.h"
#include "flow.h"
#include "info.h"
#include "pe.h"
#include "ring.h"
#include "screen.h"

#define EXO_CALL_BASE 0x65780000u /* far from every number that Linux uses, x32's included */
#define EXO_CALL_END  0x65780100u

enum exo_call {
	/* () → 0. Costs what crossing the border costs. */
	EXO_CALL_NULL = EXO_CALL_BASE,
	/* (cap *console, const char *text, size) → bytes written, at most 1,024 a call and what the
	   console takes without waiting (EXO_EAGAIN: nothing; a serial line sends 11 a
	   millisecond); shown with time and name. Control characters come out as \xNN, but for who
	   may READ as well. */
	EXO_CALL_CONSOLE_WRITE,
	/* (cap *console, char *text, size) → bytes read, 0: nothing there. */
	EXO_CALL_CONSOLE_READ,
	/* (cap *machine, enum exo_power, code) → does not return. */
	EXO_CALL_POWER,

	/* (env, wake) Gives the rest of the slot to env's PE on this core, and, where `wake` is not
	   0, ends its sleep; 0: to whoever is next. → 0 when run again; EXO_EAGAIN: it sleeps, or
	   waits for a reply. */
	EXO_CALL_YIELD,
	/* (deadline TSC, address of a uint32_t or 0, value) Sleeps until an event is pending, a
	   ring of this PE has something, somebody gives it time, or the deadline passes (0: none);
	   not at all where the word at the address is another. Between that look and the sleep no
	   other PE of the core runs, so that who changes the word first and then gives time is
	   never missed. → the enum exo_event bits, which it clears; 0: none. */
	EXO_CALL_WAIT,
	/* (deadline TSC; 0: off) Arms the PE's timer: EXO_EVENT_TIMER. */
	EXO_CALL_TIMER,
	/* () Ends in the delivery of pe->pending over the saved state; only from the resume range.
	 */
	EXO_CALL_PENDING,
	/* () Unmasks and resumes pe->saved: for CPUs without FSGSBASE. Does not return. */
	EXO_CALL_RESUME,
	/* (fs base) Sets the running code's FS base: for CPUs without FSGSBASE. */
	EXO_CALL_SET_FS,

	/* (struct exo_env_create *) → 0; the new environment is empty and does not run. */
	EXO_CALL_ENV_CREATE,
	/* (cap *env; 0: self, struct exo_pe_setup *) Sets a PE up. EXO_EBUSY: it runs on another
	   core, or sleeps where it can be transferred to (exo/pe.h). */
	EXO_CALL_PE_SET,
	/* (cap *env) Starts all its PEs. */
	EXO_CALL_ENV_START,
	/* (status) Ends the caller. Does not return. */
	EXO_CALL_EXIT,
	/* (cap *env) Ends another environment; of one that has ended already, forgets the status.
	 */
	EXO_CALL_ENV_END,
	/* (struct exo_env_status *) State of an environment that the caller created, also after its
	   end: the kernel keeps the last 256 (EXO_ENOENT: forgotten). */
	EXO_CALL_ENV_STATUS,

	/* (struct exo_grant *) Derives a narrower capability for another environment. */
	EXO_CALL_GRANT,
	/* (cap *; written) Ends the epoch of the units: every capability and binding derived from
	   it is dead. Needs FREE. Of frames, their owner keeps its own mappings and the caller's
	   key is renewed, as it is for other units that live on; a flow space, binding or ring
	   ends. A key with ALLOC is an authority over the whole kind: it must cover all of it
	   (EXO_EPERM), and every such key but the caller's dies. */
	EXO_CALL_REVOKE,

	/* (struct exo_frame_alloc *) Takes free frames, at most 4,096 (EXO_E2BIG). They are zeroed.
	 */
	EXO_CALL_FRAME_ALLOC,
	/* (cap *) Gives frames back; they must be the caller's, and neither mapped elsewhere nor
	   pinned (EXO_EBUSY). Mappings of the caller's own go with them. (0, first, n) of the
	   caller's own frames, without a key. */
	EXO_CALL_FRAME_FREE,
	/* (cap *env; 0: self, struct exo_mapping *, n) Enters mappings, in order. → how many were
	   entered before the first error; an error at the first → that error. A call takes at most
	   4,096 pages (EXO_E2BIG). Where kernel memory runs out inside an entry (EXO_ENOMEM), its
	   range ends up unmapped. */
	EXO_CALL_MAP,
	/* (cap *env; 0: self, struct exo_range *, n) Removes mappings; pages that are not mapped do
	   no harm. → how many ranges were done, at most 256 a call, and none behind the 65,536th
	   page that had to be looked at; an error at the first → that error. */
	EXO_CALL_UNMAP,

	/* (cap *slots with ALLOC, env id, first, count) Gives free slots, or slots of the caller's,
	   to env. cap 0: only slots of the caller's. Units as in EXO_KIND_SLOT. EXO_EBUSY: somebody
	   else's. */
	EXO_CALL_SLOT_TAKE,
	/* (first, count) Gives slots back. */
	EXO_CALL_SLOT_FREE,

	/* (struct exo_flow_grant *) */
	EXO_CALL_FLOW_GRANT,
	/* (struct exo_bind *) */
	EXO_CALL_BIND,
	/* (cap *binding) */
	EXO_CALL_UNBIND,
	/* (struct exo_ring_create *) */
	EXO_CALL_RING_CREATE,
	/* (cap *ring) Waits for nothing: frames that the NIC still holds drain on their own. */
	EXO_CALL_RING_DESTROY,
	/* (ring id) Asks the polling core to look at the ring's request queue. */
	EXO_CALL_DOORBELL,

	/* (gate, -, a, b, c, d) Protected control transfer, synchronous (exo/pe.h): the callee's
	   PE on this core runs with the rest of the slot, and with the caller's slots to come,
	   until it replies; the argument registers and rsi are lost. → the reply. EXO_ENOENT: the
	   gate is closed, or its environment has ended (also before it replied); EXO_ESTALE: the
	   key that opened the gate was revoked; EXO_EAGAIN: the callee is in a handler, serves
	   somebody, or has no entry (give it time by YIELD, and try again), or the caller's timer
	   passed before the reply came; EXO_EBUSY: it is on another core. */
	EXO_CALL_INVOKE,
	/* (gate, -, a, b, c, d) Asynchronous: the callee's PE, on whichever core, gets a REMOTE
	   upcall when it next runs unmasked; nobody waits for a reply. → 0; EXO_EAGAIN: four wait
	   there already; else as INVOKE. */
	EXO_CALL_SEND,
	/* (value) Replies to who waits for this PE. In a handler it does not return: what was
	   interrupted goes on when the PE next has time. Outside it returns 0 then. EXO_ENOENT:
	   nobody waits (it ended, gave up, or had SENT). */
	EXO_CALL_REPLY,

	/* (struct exo_listing *) Lists units of a kind and their owners: the ledger. Needs
	   EXO_KIND_MACHINE with READ. */
	EXO_CALL_LEDGER,

	/* (struct exo_extent_alloc *) Makes an extent of free sectors (EXO_EBUSY: some are not). */
	EXO_CALL_EXTENT_ALLOC,
	/* (cap *extent with FREE) Gives a whole extent back (EXO_EINVAL: a part; EXO_EBUSY:
	   requests are under way). */
	EXO_CALL_EXTENT_FREE,
	/* (struct exo_disk_request *) → 0: started. EXO_EAGAIN: too many are under way. */
	EXO_CALL_DISK,
	/* (struct exo_screen_create *) */
	EXO_CALL_SCREEN_CREATE,
	/* (cap *rectangle with FREE) Ends it and those made from it. */
	EXO_CALL_SCREEN_FREE,
	/* (struct exo_blit *) */
	EXO_CALL_SCREEN_BLIT,
	/* (frame number) → the mappings of a frame of the caller's, its own included. */
	EXO_CALL_FRAME_USES,
	/* (page address | enum exo_rights | EXO_MAP_PAGE_GUARANTEED, frame number) Offers one page
	   of the caller's own space without a block in memory; authority comes from the ledger. */
	EXO_CALL_MAP_PAGE,
	/* (page address) Removes its mapping; harmless where there is none. */
	EXO_CALL_UNMAP_PAGE,
	/* (cap *env with CALL; 0: closes it, gate) Opens a gate of this PE, 0 … EXO_GATES - 1, to
	   another environment: to its PE on this core if it has one, else (for SEND alone) to its
	   first. The authority is checked here, and not at INVOKE and SEND. */
	EXO_CALL_GATE,
	/* (struct exo_repossess *) Takes units back from an environment: it is told, has until the
	   deadline, and then loses what it kept. → 0; EXO_EBUSY: it is being asked already. */
	EXO_CALL_REPOSSESS,
	/* (struct exo_seed *) How the caller wants frames to be taken from it: by which choice,
	   and where they are saved before. */
	EXO_CALL_SEED,
	/* (struct exo_env_record *) What is known of an environment that ended by a fault. */
	EXO_CALL_ENV_RECORD,
	/* (cap *machine with READ, kind, index, struct exo_fact *; written) A fact about the
	   machine: exo/fact.h. → 0, or of PCI the register. EXO_ENOENT: no such index. */
	EXO_CALL_FACT,
	/* (enum exo_ext_op, struct * of that operation) Extensions: exo/ext.h. */
	EXO_CALL_EXT,
	/* (deadline TSC, ring id) DOORBELL, then a look at the network, then WAIT without a word to
	   look at. → as WAIT; as DOORBELL where that is refused, and then nothing was waited for.
	 */
	EXO_CALL_RING_WAIT,
	/* (cap *machine with CONTROL, port) From now on the port may merge segments of a TCP stream
	   into frames longer than its MTU (LRO). It starts anew for that: EXO_EBUSY where anybody
	   has a ring, EXO_ENOENT: no such port, EXO_ENOSYS: it can't. */
	EXO_CALL_PORT_MERGE,
	/* (struct exo_ring_outdo *) Says which frames need not come to a receive ring, because the
	   next one says all that they say, and more (exo/ring.h): once, for as long as the ring
	   lives. EXO_EBUSY: it has been said; EXO_EINVAL: a rule contradicts itself, or the ring is
	   a NIC's queue, whose frames nobody looks at. */
	EXO_CALL_RING_OUTDO,
	EXO_CALL_LAST
};

_Static_assert(EXO_CALL_LAST <= EXO_CALL_END, "calls keep to their range");

enum exo_power {
	EXO_POWER_OFF = 0,
	EXO_POWER_RESET = 1,
	EXO_POWER_EXIT = 2, /* leave an emulator with `code` where it offers that (isa-debug-exit),
	                       else off */
};

enum {
	EXO_MAPPINGS_SPARE = 2048, /* of others' frames, beyond one for each that it may own; and
	                              as many as the payload has pages */
};

/* Argument of EXO_CALL_ENV_CREATE. */
struct exo_env_create {
	char name[EXO_NAME_MAX];  /* for people; printable ASCII, NUL-terminated */
	struct exo_cap authority; /* kind EXO_KIND_ENV with ALLOC */
	uint64_t frames_max; /* frames that it may own at most; taken off the creator's own limit,
	                        and given back to it at the environment's end. So many mappings it
	                        may have, too, and EXO_MAPPINGS_SPARE */
	uint32_t flags;      /* enum exo_env_flags */
	uint32_t id;         /* written */
	struct exo_cap out;  /* written: CONTROL, CALL, FREE and GRANT over it */
};

enum exo_env_flags {
	EXO_ENV_HOLD = 1 << 0, /* after a fatal fault its memory stays until its creator says
	                          ENV_END, to be looked at: EXO_CALL_ENV_RECORD */
};

enum {
	EXO_GATES = 16, /* of one PE */
	EXO_RECORD_FRAMES_MAX = 16,
};

enum exo_env_state {
	EXO_ENV_NEW = 0,
	EXO_ENV_RUNNING = 1,
	EXO_ENV_EXITED = 2, /* EXO_CALL_EXIT; status is its argument */
	EXO_ENV_FAULTED =
	        3, /* a fault that it did not handle; status is vector, address the fault's */
	EXO_ENV_KILLED = 4, /* EXO_CALL_ENV_END, or the abort protocol */
};

/* Argument of EXO_CALL_ENV_STATUS. */
struct exo_env_status {
	struct exo_cap env;
	uint32_t state;             /* written: enum exo_env_state */
	int32_t status;             /* written */
	uint64_t address;           /* written */
	uint64_t ip;                /* written: where it faulted */
	struct exo_account account; /* written: as it is, or as it was at its end */
};

/* Argument of EXO_CALL_GRANT. */
struct exo_grant {
	struct exo_cap cap; /* with EXO_RIGHT_GRANT; not EXO_KIND_FLOW, which has its own call */
	uint32_t to;        /* environment */
	uint16_t rights;    /* a subset of cap.rights */
	uint16_t reserved;  /* 0 */
	uint64_t first;     /* a range inside cap's */
	uint32_t count;
	uint32_t reserved2; /* 0 */
	struct exo_cap out; /* written; give it to the grantee as data */
};

/* Argument of EXO_CALL_FRAME_ALLOC. */
struct exo_frame_alloc {
	struct exo_cap authority; /* kind EXO_KIND_FRAME with ALLOC, covering what is asked for */
	uint32_t owner; /* environment that will own them: 0: the caller; or a child that the caller
	                   controls */
	uint32_t count; /* contiguous frames */
	uint64_t first; /* wanted frame number, or EXO_FRAME_ANY; written */
	uint64_t align; /* of the first frame number, a power of two; 0: any */
	struct exo_cap out; /* written: READ, WRITE, EXEC, GRANT and FREE, held by the caller: who
	                       loads a child maps the child's frames into itself with it as key, to
	                       fill them */
};

#define EXO_FRAME_ANY (~0ull)

enum exo_map_flags {
	EXO_MAP_GUARANTEED = 1 << 0, /* never dropped from the kernel's software TLB */
	EXO_MAP_LARGE = 1 << 1, /* 2 MiB pages: address, frame and count are multiples of 512 pages.
	                           A large page goes as a whole: where part of it is unmapped,
	                           mapped over, or loses its frame */
	EXO_MAP_SHARE = 1 << 2, /* `frame` is a page number of the caller's own space: each page
	                           gets the frame that the caller has mapped there, with rights that
	                           the caller has there; pages with nothing there are passed over;
	                           key 0, not with LARGE */
};

#define EXO_MAP_PAGE_GUARANTEED 8 /* of EXO_CALL_MAP_PAGE, beside rights */

/* One binding of virtual pages to frames (Aegis' TLB binding). Writable and executable together are
 * refused. */
struct exo_mapping {
	uint64_t address; /* page-aligned, outside the kernel's area */
	uint64_t frame;   /* first frame number */
	uint32_t count;   /* pages */
	uint16_t rights;  /* EXO_RIGHT_READ, which all need, WRITE, EXEC */
	uint16_t flags;   /* enum exo_map_flags */
	uint64_t key; /* address of the struct exo_cap for the frames, without ALLOC; 0: the address
	                 space's owner, the caller, or an environment that the caller created owns
	                 them */
};

struct exo_range {
	uint64_t address; /* page-aligned */
	uint64_t count;   /* pages */
};

/*
 * Argument of EXO_CALL_REPOSSESS: visible revocation (Engler et al., SOSP 1995, section 3.5). The
 * vector is what the environment finds in its account (struct exo_repossession, exo/info.h) when
 * the REVOKE upcall, or EXO_EVENT_REVOKE, comes. It gives back by the ordinary calls. What it still
 * has at the deadline is taken by force, the bindings that stand on it are broken, and each loss is
 * recorded in its account. The caller gets EXO_EVENT_TAKEN when all is settled.
 */
struct exo_repossess {
	struct exo_cap authority; /* FREE over `kind`. With ALLOC: any units inside its range, and
	                             what somebody took by a key without is settled first; without:
	                             those units, of an environment below the caller */
	uint32_t env;
	uint32_t kind;     /* frames, slots, flows, bindings, rings, extents, screens */
	uint64_t first;    /* first unit; EXO_UNITS_ANY: `count` units of the environment's choice
	                      (frames alone) */
	uint64_t count;    /* at most 4,096 */
	uint64_t deadline; /* TSC; at most 10 s ahead; in the past: at once */
};

#define EXO_UNITS_ANY (~0ull)

/*
 * Argument of EXO_CALL_SEED: replaces what was seeded before.
 *
 * `program` is eBPF (struct flt_insn[]) that is verified like a filter, kind raw: r1 points to a
 * struct exo_candidate, r2 is its size. It is asked for the environment's frames in turn when
 * EXO_UNITS_ANY frames are taken by force; those for which r0 is not 0 go first.
 */
struct exo_seed {
	uint64_t program;      /* address; 0: none */
	uint32_t program_size; /* bytes, at most EXO_SEED_PROGRAM_MAX */
	uint32_t n_extents;    /* at most EXO_SEED_EXTENTS */
	uint64_t extents;      /* address of struct exo_cap[]: EXTENT with WRITE; frames are saved
	                          to their sectors, eight each, in order, until they are full */
	uint64_t reason;       /* address of char[128]: why the program was refused; 0: unwanted */
};

enum { EXO_SEED_PROGRAM_MAX = 32768, EXO_SEED_EXTENTS = 8 };

/* What a seeded program is asked about. */
struct exo_candidate {
	uint64_t frame;
	uint64_t address; /* where the environment mapped it (the last place); 0: nowhere */
	uint32_t rights;  /* of that mapping */
	uint32_t uses;    /* mappings of anybody, and pins */
};

/* Argument of EXO_CALL_ENV_RECORD. */
struct exo_env_record {
	struct exo_cap env;      /* CONTROL */
	uint64_t cursor;         /* mappings to pass over; written: where to go on; 0: all given */
	uint64_t mappings;       /* address of struct exo_mapping[room]; empty after the end of an
	                            environment without EXO_ENV_HOLD; in no order */
	uint32_t room, n;        /* n: written */
	uint32_t vector, depth;  /* written: as struct exo_upcall; entries of `backtrace` */
	uint64_t error, address; /* written */
	struct exo_regs regs;    /* written */
	uint64_t backtrace[EXO_RECORD_FRAMES_MAX]; /* written: ip, then return addresses */
};

/* One line of the ledger. */
struct exo_ledger_entry {
	uint64_t first, count;
	uint32_t owner; /* environment id; 0: free or kernel's */
	uint32_t rights;
	uint64_t uses; /* mappings, pins or bindings that stand on it */
	char note[EXO_NAME_MAX];
};

/* Argument of EXO_CALL_LEDGER. */
struct exo_listing {
	struct exo_cap machine; /* EXO_KIND_MACHINE with READ */
	uint32_t kind;          /* enum exo_kind */
	uint32_t room;          /* entries at `entries` */
	uint64_t cursor;        /* 0 first; written: where to go on; 0: the end was reached */
	uint64_t entries;       /* address of struct exo_ledger_entry[room] */
	uint32_t n;             /* written */
	uint32_t reserved;      /* 0 */
};

#endif
