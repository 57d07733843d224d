/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions: verified bytecode that environments download into the kernel.
 *
 * An *extension* is a domain made from an eBPF object (`clang -target bpf`): its functions, its
 * maps, its arenas. Its maker names it by a reference, an index into the maker's own table of at
 * most EXO_EXT_REFS (SPIN's externalised references: Bershad et al., SOSP 1995, section 3.1).
 *
 * A *handler* is a function of an extension that is bound to an event. The verifier proves what its
 * dearest path costs (flt_program_cost); a handler that could cost more than its budget is refused
 * when it is bound, so none runs that could.
 *
 * A packet handler (Aegis' ASH: Engler et al., SOSP 1995, section 3.2.1; Wallach et al., SIGCOMM
 * 1996) is an XDP program that runs when a binding gets a frame, on the core that polls, whether or
 * not its environment has time. Its result:
 *
 *     XDP_PASS           the frame, as it now is, goes to the binding's ring
 *     XDP_DROP           and any other number: that was all
 *     XDP_TX             the frame, as it now is, leaves by the port on which it came, if the flow
 *                        space given with the handler may send it: what is sent is what the
 *                        transmit guard saw. A refusal is counted, and told on the console
 *     XDP_REDIRECT       likewise, by the port that redirect() named
 *     + EXO_HANDLER_WAKE besides, the environment gets EXO_EVENT_HANDLER
 *     + EXO_HANDLER_SUMMED the transport checksum of what is sent is complete. Without that it is
 *                        filled in where the frame came with its checksum left open, as hosts send
 *                        them to each other, and what the handler made of it would be open, too
 *
 * Frames sent to the machine's own address come in as from rings (exo/ring.h), at most
 * EXO_HANDLER_HOPS times in a row: handlers that answer each other end there.
 *
 * Extensions are *domains* after SPIN: functions in sections "call…" are what one exports,
 * functions that its object calls and does not define are what it imports, both with the types that
 * the object's BTF gives (`clang -g`). Resolving links imports to exports of the same name and the
 * same types; afterwards a call is a direct call of native code. Who may name an extension is a
 * matter of keys: its maker makes one (KEY), grants it (EXO_CALL_GRANT), and the grantee opens it
 * (OPEN), which gives a reference by which it can resolve against the extension, combine and invoke
 * it, and nothing else. An extension whose exporter ends is unlinked: its handlers end, what was
 * resolved is unresolved again, and it may be resolved anew.
 *
 * Besides there are domains that no object defines. A *core domain* (CORE) exports the kernel's own
 * services, exo/service.h, with the authority of the keys that it was made with. An environment's
 * *module* (CREATE with EXO_EXT_MODULE, SPIN's CreateFromModule) is an object of which only names
 * and types count, for the code that goes with them runs in ring 3: a call of one of its exports is
 * a letter to its environment (as EXO_CALL_SEND: a remote call whose first argument is the number
 * of the function among the object's, then up to three of its own; the caller gets 0, or
 * -EXO_EAGAIN where no room was left); what it imports, once resolved, is invoked by the module's
 * reference.
 *
 * Nothing here waits for another program to be compiled: -EXO_EAGAIN says that an extension is
 * being built on another core, or that one that it is linked to is about to end.
 *
 * *Arenas* (maps of type 33 without key and value, and sections .bss.arena…) are frames of the
 * environment's own, given when the extension is made and pinned while it lives: helpers move parts
 * of messages to and from them; the variables of such a section lie in them, and programs read and
 * write these like any other.
 * Everything an extension holds goes when its maker ends.
 *
 * EXO_CALL_EXT takes an operation and the address of its block. Results are 0 or more, or -enum
 * exo_error; EXO_EVERIFY and EXO_EINVAL come with a reason where the block has room for one.
 */
#ifndef EXO_EXT_H
#define EXO_EXT_H

#include <stdint.h>

#include "cap.h"
#include "info.h"

enum exo_ext_op {
	EXO_EXT_CREATE = 0, /* struct exo_ext_create */
	EXO_EXT_DROP,    /* struct exo_ext_ref: gives the reference up; the extension ends with its
	                    maker's, if no handler uses it (EXO_EBUSY) */
	EXO_EXT_HANDLE,  /* struct exo_ext_handle */
	EXO_EXT_RELEASE, /* struct exo_ext_release: when it returns, no core runs the handler */
	EXO_EXT_MAP,     /* struct exo_ext_map */
	EXO_EXT_LIST,    /* struct exo_ext_listing */
	EXO_EXT_KEY,     /* struct exo_ext_key */
	EXO_EXT_OPEN,    /* struct exo_ext_open */
	EXO_EXT_RESOLVE, /* struct exo_ext_resolve */
	EXO_EXT_COMBINE, /* struct exo_ext_combine */
	EXO_EXT_ADMIT,   /* struct exo_ext_admit */
	EXO_EXT_INVOKE,  /* struct exo_ext_invoke: the function's result is in the block */
	EXO_EXT_CORE,    /* struct exo_ext_core */
	EXO_EXT_UNLOAD,  /* struct exo_ext_ref: ends an extension of the caller's own, whoever uses
	                    it: its handlers are released, who is linked to it is unlinked,
	                    everybody's references to it are gone, what was allocated on its behalf
	                    comes back. Calls that are under way end first */
	EXO_EXT_CONTEXT, /* struct exo_ext_context */
	EXO_EXT_OPS
};

enum {
	EXO_EXT_REFS = 64,            /* of one environment */
	EXO_EXT_OBJECT_MAX = 1 << 20, /* bytes of an object */
	EXO_EXT_MEMORY_MAX =
	        2 << 20, /* bytes of all objects and maps of an environment's extensions */
	EXO_EXT_HANDLERS_MAX = 256,       /* of one environment */
	EXO_HANDLER_BUDGET = 4096,        /* where none is asked for */
	EXO_HANDLER_BUDGET_MAX = 1 << 15, /* instructions: some ten microseconds */
	EXO_HANDLER_HOPS = 4,             /* see above */
	EXO_HANDLER_WAKE = 0x100,         /* the environment gets EXO_EVENT_HANDLER */
	EXO_HANDLER_STOP = 0x200,         /* events: handlers behind this one do not run */
	EXO_HANDLER_DONE = 0x400,   /* faults: mended, the access is tried again; EXO_EXT_DISK: the
	                               environment need not be told. Counts where the handler's maker
	                               is the event's environment, or controls it */
	EXO_HANDLER_SUMMED = 0x800, /* packets: see above */
	EXO_HANDLER_ACTION = 0xff,  /* the bits of a packet handler's result that are XDP's */
};

enum exo_ext_flags {
	EXO_EXT_MODULE = 1 << 0, /* names and types of code that runs in the caller's ring 3 */
};

struct exo_ext_create {
	char name[EXO_NAME_MAX]; /* for people; printable ASCII, NUL-terminated */
	uint64_t object;         /* address of the object's bytes */
	uint32_t size;           /* of them */
	uint32_t arena_count; /* frames for the object's arenas together, in the order of its maps,
	                         then of its sections; exactly as many as they have */
	uint64_t arena_first; /* the first one: contiguous, the caller's own */
	uint64_t error;       /* address for the reason of a refusal, as text; 0: none */
	uint32_t error_size;
	uint32_t ref;      /* written */
	uint32_t flags;    /* enum exo_ext_flags */
	uint32_t reserved; /* 0 */
};

/* Makes a core domain. Keys of kind EXO_KIND_NONE: what needs them fails. They are looked at again
 * whenever a service uses them. */
struct exo_ext_core {
	struct exo_cap frames; /* EXO_KIND_FRAME with ALLOC: for exo_phys_allocate */
	struct exo_cap envs;   /* EXO_KIND_ENV with ALLOC: for exo_context_create */
	uint32_t ref;          /* written */
	uint32_t reserved;     /* 0 */
};

/* A key to a context that exo_context_create made for the caller. */
struct exo_ext_context {
	uint32_t id;        /* its result */
	uint32_t reserved;  /* 0 */
	struct exo_cap out; /* written: as struct exo_env_create's */
};

/* A key to an extension of the caller's own, for EXO_CALL_GRANT. */
struct exo_ext_key {
	uint32_t ref;
	uint32_t reserved;  /* 0 */
	struct exo_cap out; /* written: EXO_KIND_EXTENSION with CALL and GRANT */
};

struct exo_ext_open {
	struct exo_cap cap; /* EXO_KIND_EXTENSION with CALL */
	uint32_t ref;       /* written */
	uint32_t reserved;  /* 0 */
};

/*
 * Links what `importer`, the caller's own, imports and has not resolved to exports of `exporter`.
 * Of a name that both have the types must be equal (EXO_EVERIFY). Circles can't be made, for who is
 * linked to must itself have nothing unresolved (EXO_EAGAIN).
 */
struct exo_ext_resolve {
	uint32_t importer, exporter;
	uint32_t resolved, missing; /* written: names linked now, names still without a function */
	uint64_t error;             /* as in struct exo_ext_create */
	uint32_t error_size;
	uint32_t reserved; /* 0 */
};

/* Makes an extension that exports what both do. EXO_EBUSY: both have a function of one name. */
struct exo_ext_combine {
	char name[EXO_NAME_MAX];
	uint32_t a, b;
	uint32_t ref;      /* written */
	uint32_t reserved; /* 0 */
};

/* Calls an exported function whose arguments are numbers. */
struct exo_ext_invoke {
	uint32_t ref;
	uint32_t reserved; /* 0 */
	char function[EXO_NAME_MAX];
	uint64_t arguments[5];
	uint64_t result; /* written */
};

struct exo_ext_ref {
	uint32_t ref;
	uint32_t reserved; /* 0 */
};

enum exo_ext_event {
	EXO_EXT_PACKET = 0, /* `target`: address of the struct exo_cap of a binding of the caller's
	                       with FREE, no tap; one handler each */
	/* Events of an environment. `target`: address of the struct exo_cap of the environment; 0:
	   the caller. Whoever has CONTROL over it may handle them; who has CALL may as far as the
	   environment lets others (EXO_EXT_ADMIT). Handlers are functions in sections "call…" with
	   up to five numbers as arguments: the environment's id, and what stands here; their
	   results count for EXO_HANDLER_WAKE and EXO_HANDLER_STOP. */
	EXO_EXT_FAULT, /* address, error code, instruction: page faults that the kernel sees, not
	                  those that the machine hands straight to a handler in ring 3 */
	EXO_EXT_EXCEPTION,  /* vector, error code, instruction: likewise */
	EXO_EXT_SLOT_BEGIN, /* core, TSC */
	EXO_EXT_SLOT_END,   /* core, TSC ticks that it ran */
	EXO_EXT_TIMER,      /* core, TSC: a PE's timer has passed */
	EXO_EXT_REVOKE,     /* kind, first unit, count: what is being taken from it */
	EXO_EXT_RING_FULL,  /* binding, ring: a frame found no room */
	EXO_EXT_START,      /* who created it */
	EXO_EXT_END,        /* enum exo_env_state, status: it has ended, and its bindings with it */
	EXO_EXT_INVOKED, /* `target`: reference of an extension of the caller's; arguments: those of
	                    the invocation (EXO_EXT_INVOKE), of which the function itself comes
	                    last: so a call by name is an event */
	/* SPIN's Translation events: a page fault (EXO_EXT_FAULT, with the same arguments) that no
	   handler of that event has done, by kind: nothing is mapped there; likewise, and the
	   environment has ranges of virtual addresses (exo_virt_allocate) but none there; what is
	   mapped does not allow it. */
	EXO_EXT_NOT_PRESENT,
	EXO_EXT_BAD_ADDRESS,
	EXO_EXT_PROTECTION,
	EXO_EXT_RECLAIM, /* frame, pins: it is taken by force (EXO_CALL_REPOSSESS), unless the
	                    handler nominates another one (exo_phys_nominate) */
	EXO_EXT_DISK,    /* first frame, result, write << 32 | sectors: a request of its is done */
	EXO_EXT_KEEP, /* core, TSC: housekeeping, every 10 ms at most, whether the environment has
	                 time or not; what it takes is taken off its account and its next slots.
	                 `target`: 0 */
	EXO_EXT_EVENTS
};

struct exo_ext_handle {
	uint32_t ref;
	uint32_t event;              /* enum exo_ext_event */
	char function[EXO_NAME_MAX]; /* of the extension; "": its only one */
	uint64_t target;             /* says the event */
	uint64_t space;  /* packets: address of the struct exo_cap of the binding's flow space with
	                    SEND; 0: it sends nothing */
	uint32_t budget; /* 0: EXO_HANDLER_BUDGET; at most EXO_HANDLER_BUDGET_MAX */
	uint32_t reserved; /* 0 */
	uint64_t error;    /* as in struct exo_ext_create */
	uint32_t error_size;
	uint32_t cost; /* written: what its dearest path costs */
	uint64_t id;   /* written: of the handler */
	/* Of events but packets: a function with the handler's arguments that is asked first, "":
	   none; and the order of handlers, higher first, then older. */
	char guard[EXO_NAME_MAX];
	int32_t priority;
	uint32_t reserved2; /* 0 */
};

/* What the caller lets others handle of its own events: at most n_max handlers of an event, none of
 * which may cost more than budget_max. Those that exceed it already stay. At first: none. */
struct exo_ext_admit {
	uint32_t event;
	uint32_t n_max;
	uint32_t budget_max;
	uint32_t reserved; /* 0 */
};

struct exo_ext_release {
	uint64_t id;
};

enum exo_ext_map_op {
	EXO_EXT_MAP_LOOKUP = 0, /* copies the value of `key` to `value`; per-core maps: of `core` */
	EXO_EXT_MAP_UPDATE,     /* flags: FLT_MAP_* */
	EXO_EXT_MAP_DELETE,
	EXO_EXT_MAP_NEXT, /* copies the key behind `key` (0: the first) to `value` */
	EXO_EXT_MAP_TAKE, /* the oldest record of a ring buffer to `value`: its length; EXO_EAGAIN:
	                     there is none */
};

/* EXO_ENOENT: no such map or key; EXO_EINVAL: sizes are not the map's; EXO_E2BIG: it is full. */
struct exo_ext_map {
	uint32_t ref;
	uint32_t op; /* enum exo_ext_map_op */
	char map[EXO_NAME_MAX];
	uint64_t key, value;           /* addresses */
	uint32_t key_size, value_size; /* bytes there */
	uint32_t core, flags;
};

/* A handler, for who may look. */
struct exo_ext_line {
	uint64_t id;
	uint32_t env;   /* whose */
	uint32_t event; /* enum exo_ext_event */
	char extension[EXO_NAME_MAX], function[EXO_NAME_MAX];
	uint32_t cost, budget;
	uint64_t target; /* packets: the binding's id, else the environment's or extension's; 0: it
	                    has ended */
	uint64_t runs;
	uint64_t answered, passed, woken; /* frames sent, delivered; wakes */
	uint64_t refused, lost; /* by the guard; frames that found no room in the NIC, or no copy */
	uint64_t ticks, timed;  /* TSC ticks of `timed` runs, one in EXO_EXT_SAMPLE */
};

enum { EXO_EXT_SAMPLE = 64 };

struct exo_ext_listing {
	struct exo_cap machine; /* EXO_KIND_MACHINE with READ: all; else the caller's own */
	uint64_t cursor;        /* 0 first; written: where to go on; 0: the end was reached */
	uint64_t lines;         /* address of struct exo_ext_line[room] */
	uint32_t room, n;       /* n: written */
};

#endif
