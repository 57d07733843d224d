/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flow space, bindings, and the programs that environments download.
 *
 * A *flow-space object* (capability kind EXO_KIND_FLOW) says which frames its holder may receive
 * and which it may send: two bounded sets of conjunctions (flt/flow.h), a set of ports, and the
 * greatest priority that its bindings may have. exo_flow_grant makes a narrower one for another
 * environment.
 *
 * A *binding* joins a declared flow inside such an object, a downloaded program (or none), and
 * rings. The program can only narrow. Among the bindings that match a frame one total order
 * decides: priority (higher first), then constrained bits (more first), then age (older first).
 * Constrained bits: those of the largest conjunction of the declared flow that matches the frame;
 * an exact field counts its width in bits, a mask its set bits, a range of n values the width less
 * ceil(log2 n), a negation nothing. A program that declines passes the frame on to the next. Taps
 * get copies besides. Host bindings come after all others: they get what nobody else bound.
 */
#ifndef EXO_FLOW_H
#define EXO_FLOW_H

#include <stdint.h>

#include <flt/flow.h>

#include "cap.h"

enum {
	EXO_PORTS_MAX = 16,
	EXO_CORES_MAX = 64,
	EXO_PROGRAM_SIZE_MAX = 1 << 20, /* bytes of one downloaded program or object */
};

/* Argument of EXO_CALL_FLOW_GRANT: derive a flow-space object from `space` and give it to `to`. */
struct exo_flow_grant {
	struct exo_cap space; /* with EXO_RIGHT_GRANT; held by the caller */
	uint32_t to;          /* environment that will hold the new capability */
	uint16_t rights;      /* a subset of space.rights */
	uint16_t reserved;    /* 0 */
	int32_t priority_max; /* at most the parent's */
	uint32_t n_receive;   /* conjunctions at `receive`, at most FLT_FLOW_CONJUNCTIONS_MAX */
	uint32_t n_transmit;  /* likewise at `transmit` */
	uint32_t reserved2;   /* 0 */
	uint64_t ports;       /* bit set, a subset of the parent's */
	uint64_t receive;  /* address of struct flt_conjunction[n_receive], each inside the parent's
	                      receive set */
	uint64_t transmit; /* address of struct flt_conjunction[n_transmit], each inside the
	                      parent's transmit set */
	struct exo_cap out; /* written: the new capability */
};

enum exo_program_kind {
	EXO_PROGRAM_NONE = 0, /* the flow alone decides */
	EXO_PROGRAM_CBPF = 1, /* classic BPF: array of struct bpf_insn (8 bytes each) */
	EXO_PROGRAM_EBPF =
	        2, /* ELF object from `clang -target bpf`; XDP program, context after Linux's ABI */
};

enum exo_bind_flags {
	EXO_BIND_TAP =
	        1 << 0, /* copies of all that matches, whoever gets it; needs EXO_RIGHT_TAP */
	EXO_BIND_HOST = 1 << 1,  /* what nobody else bound; needs EXO_RIGHT_HOST */
	EXO_BIND_COUNT = 1 << 2, /* with TAP: count only, no rings */
	EXO_BIND_SENT = 1 << 3,  /* with TAP: besides, copies of all in the flow that other
	                            environments send by the space's ports; needs EXO_RIGHT_SENT */
};

/*
 * What the kernel counts for a binding, from its making on. It lies in a frame of the environment's
 * own, to which the kernel adds, and the environment reads; who writes there deceives itself alone.
 */
struct exo_binding_counters {
	uint64_t matched_packets,
	        matched_bytes; /* flow and program accepted (for a tap: copies due) */
	uint64_t delivered_packets, delivered_bytes; /* placed in a ring */
	uint64_t dropped_no_buffer; /* fill ring empty, or its buffers too small or not owned */
	uint64_t dropped_ring_full; /* receive ring full */
	uint64_t declined_packets;  /* flow matched, program declined */
	uint64_t outdone_packets;   /* matched, and left out (EXO_CALL_RING_OUTDO) */
};

/* Argument of EXO_CALL_BIND. */
struct exo_bind {
	struct exo_cap space;    /* with EXO_RIGHT_BIND, and TAP, SENT, SHARE, HOST as needed */
	uint32_t flags;          /* enum exo_bind_flags */
	int32_t priority;        /* at most the space's priority_max */
	uint32_t n_conjunctions; /* of the declared flow, 1 … FLT_FLOW_CONJUNCTIONS_MAX */
	uint32_t program_kind;   /* enum exo_program_kind */
	uint64_t conjunctions;   /* address of struct flt_conjunction[] */
	uint64_t program;        /* address of the program's bytes */
	uint32_t program_size;   /* bytes, at most EXO_PROGRAM_SIZE_MAX */
	uint32_t n_rings; /* receive rings at `rings`, at most one per core: a core that polls
	                     delivers to its own, or to the first */
	uint64_t rings;   /* address of struct exo_cap[n_rings], kind EXO_KIND_RING, owned by the
	                     caller */
	uint64_t program_name; /* address of the NUL-terminated section or function name in an
	                          object; 0: the first */
	uint64_t counters; /* physical address of a struct exo_binding_counters, 64-byte aligned; 0:
	                      none */
	uint64_t error;    /* address for the reason of a refusal, as text; 0: none */
	uint32_t error_size; /* bytes there */
	uint32_t reserved;   /* 0 */
	struct exo_cap out;  /* written: the binding's capability (rights FREE, GRANT) */
};

#endif
