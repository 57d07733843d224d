/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities: self-authenticating keys to ranges of physical resources.
 *
 * A capability is plain data that its holder keeps where it likes. It says: HOLDER may use units
 * FIRST … FIRST+COUNT-1 of KIND in the ways of RIGHTS, as long as those units' epoch is EPOCH. The
 * kernel seals it with SipHash-2-4 under a secret drawn at boot, so it can't be made up or widened;
 * and it is bound to its holder, so the same bits in another environment's hands are refused
 * (EXO_EPERM). exo_grant derives a narrower one for another environment; ending the epoch
 * (revocation, end of the owner) ends all that were derived. Mechanism: Engler et al., "Exokernel",
 * SOSP 1995, section 3.1 (secure bindings); SipHash: Aumasson and Bernstein, INDOCRYPT 2012.
 */
#ifndef EXO_CAP_H
#define EXO_CAP_H

#include <stdint.h>

/* What kind of resource; FIRST and COUNT then count in the unit named here. */
enum exo_kind {
	EXO_KIND_NONE = 0,
	EXO_KIND_FRAME = 1, /* page frames, by frame number (physical address / 4096) */
	EXO_KIND_ENV = 2,   /* environments, by id */
	EXO_KIND_SLOT = 3,  /* time slots: core * EXO_SLOTS_PER_CORE + index in the core's vector */
	EXO_KIND_FLOW = 4,  /* flow space, by the kernel's id of one flow-space object */
	EXO_KIND_BINDING = 5,    /* bindings, by id */
	EXO_KIND_RING = 6,       /* rings, by id */
	EXO_KIND_QUEUE = 7,      /* NIC queues: port << 16 | queue */
	EXO_KIND_EXTENT = 8,     /* disk sectors of 512 bytes */
	EXO_KIND_SCREEN = 9,     /* framebuffer rectangles, by id */
	EXO_KIND_CONSOLE = 10,   /* the console: unit 0 */
	EXO_KIND_MACHINE = 11,   /* the machine itself: power, reset: unit 0 */
	EXO_KIND_EXTENSION = 12, /* extensions, by id */
	EXO_KINDS
};

/* Rights; which apply depends on the kind. Unknown bits are refused. */
enum exo_rights {
	EXO_RIGHT_READ = 1 << 0,  /* frame: map readable; console: read */
	EXO_RIGHT_WRITE = 1 << 1, /* frame: map writable; console: write */
	EXO_RIGHT_EXEC =
	        1 << 2, /* frame: map executable (never together with a writable mapping) */
	EXO_RIGHT_GRANT = 1 << 3, /* derive narrower capabilities for others */
	EXO_RIGHT_ALLOC = 1 << 4, /* take free units: frames, slots, environments, extents */
	EXO_RIGHT_FREE = 1 << 5,  /* give units back, or take them back from an owner (revoke) */
	EXO_RIGHT_BIND = 1 << 6,  /* flow: bind receive flows inside it */
	EXO_RIGHT_SEND = 1 << 7,  /* flow: transmit inside it */
	EXO_RIGHT_TAP = 1 << 8,   /* flow: bind copies of what others receive */
	EXO_RIGHT_SHARE = 1 << 9, /* flow: bind flows that overlap somebody else's */
	EXO_RIGHT_HOST = 1 << 10, /* flow: be the host environment: receive what nobody bound */
	EXO_RIGHT_CONTROL =
	        1 << 11, /* env: map into, set up, start and end; machine: power and reset */
	EXO_RIGHT_CALL = 1 << 12, /* env: protected control transfer into it */
	EXO_RIGHT_SENT = 1 << 13, /* flow: with TAP: of what others send, too */
	EXO_RIGHTS_ALL = (1 << 14) - 1
};

/*
 * The capability itself. Callers copy it around and never change it: any change makes it EXO_EKEY.
 * `holder` is the environment that may present it; environment ids are never reused, so a dead
 * holder's keys are dead too.
 */
struct exo_cap {
	uint16_t kind;   /* enum exo_kind */
	uint16_t rights; /* enum exo_rights */
	uint32_t holder; /* environment id */
	uint64_t first;  /* physical name of the first unit */
	uint32_t count;  /* units; at least 1 */
	uint32_t epoch;  /* of the units when this was made */
	uint64_t mac;    /* SipHash-2-4 over the 24 bytes above */
};

_Static_assert(sizeof(struct exo_cap) == 32, "exo_cap is part of the ABI");

#endif
