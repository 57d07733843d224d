/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses that the network gives: init asks for them by DHCP, or forms them from what IPv6
 * routers announce, on rings of its own; everybody who uses one is started again when it changes.
 *
 * Where the command line has no `ip=`, each address that the manifest's flows count on is asked
 * for, on port 0. The first client is known by its MAC address, further ones on the same port by an
 * identifier after RFC 4361.
 */
#ifndef INIT_LEASE_H
#define INIT_LEASE_H

#include <exo/start.h>

/* Begins to ask. */
void lease_open(void);
/* Waits until each address is there, or nobody has answered for a few seconds: then what was given
 * as a fall-back counts, or the environments that need the address wait for it. */
void lease_await(void);
/* Takes what has arrived, and acts on it. */
void lease_run(void);
/* Fills in the name servers: those of the command line, of leases, of routers; each once. */
void lease_servers(struct exo_start *start);
/* One more, if it is not there yet and there is room. `address`: 4 or 16 bytes, by the family. */
void lease_add_server(struct exo_start *start, uint8_t family, const uint8_t *address);

#endif
