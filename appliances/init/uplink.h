/* SPDX-License-Identifier: BSD-2-Clause */
/* init's own stack on a NIC port: what lease.c and formed.c share. */
#ifndef INIT_UPLINK_H
#define INIT_UPLINK_H

#include <udp/exo.h>

struct uplink {
	uint16_t port;
	struct exo_cap space;
	struct udp_exo driver;
};

/* The stack on a port, made where there is none yet. NULL: it can't be had; that was said. */
struct uplink *uplink_of(uint16_t port);
/* Binds `n` conjunctions to its ring, above everybody else. 0 or an error, which was said. */
int uplink_bind(struct uplink *uplink, const struct flt_conjunction *flow, unsigned n,
                const char *name, uint32_t flags, struct exo_cap *binding);
/* All of them take what has arrived and do what is due. */
void uplink_run(void);
/* When uplink_run wants to run again, in nanoseconds since boot. */
uint64_t uplink_due(void);
/* Environments get `new` as address i from now on, MAC and MTU filled in; who used another is moved
 * (service_readdress). family 0: there is none any more. false: it was already. */
bool uplink_replace(unsigned i, struct exo_start_address *new);

/* ---- formed.c, for lease.c ---- */

/* Begins to form address i on a port. */
void formed_start(unsigned i, uint16_t port);
/* Looks what the stack has formed, and acts on it. */
void formed_run(void);
/* Whether one is not there yet and routers have had less than a few seconds to answer. */
bool formed_waiting(void);
/* Adds the name servers that routers announced. */
void formed_servers(struct exo_start *start);

#endif
