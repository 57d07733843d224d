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
 *
 * Frames sent to the machine's own address come in as from rings (exo/ring.h), at most
 * EXO_HANDLER_HOPS times in a row: handlers that answer each other end there.
 *
 * *Arenas* (maps of type 33 without key and value) are frames of the environment's own, given when
 * the extension is made and pinned while it lives: helpers move parts of messages to and from them.
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
	EXO_EXT_OPS
};

enum {
	EXO_EXT_REFS = 64,                /* of one environment */
	EXO_EXT_OBJECT_MAX = 1 << 20,     /* bytes of an object */
	EXO_EXT_MEMORY_MAX = 8 << 20,     /* bytes of all maps of an environment's extensions */
	EXO_EXT_HANDLERS_MAX = 256,       /* of one environment */
	EXO_HANDLER_BUDGET = 4096,        /* where none is asked for */
	EXO_HANDLER_BUDGET_MAX = 1 << 15, /* instructions: some ten microseconds */
	EXO_HANDLER_HOPS = 4,
	EXO_HANDLER_WAKE = 0x100,
	EXO_HANDLER_ACTION = 0xff,
};

struct exo_ext_create {
	char name[EXO_NAME_MAX]; /* for people; printable ASCII, NUL-terminated */
	uint64_t object;         /* address of the object's bytes */
	uint32_t size;           /* of them */
	uint32_t arena_count; /* frames for the object's arenas together, in the order of its maps;
	                         exactly as many as they have */
	uint64_t arena_first; /* the first one: contiguous, the caller's own */
	uint64_t error;       /* address for the reason of a refusal, as text; 0: none */
	uint32_t error_size;
	uint32_t ref; /* written */
};

struct exo_ext_ref {
	uint32_t ref;
	uint32_t reserved; /* 0 */
};

enum exo_ext_event {
	EXO_EXT_PACKET = 0, /* `target`: address of the struct exo_cap of a binding of the caller's
	                       with FREE, no tap; one handler each */
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
	uint64_t target; /* packets: the binding's id; 0: it has ended */
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
