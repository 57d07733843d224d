/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * init: the first environment. It holds everything at first, gives away what the manifest says, and
 * watches.
 *
 *     main.c      the order of things, and the loop
 *     options.c   the command line
 *     payload.c   the archive: manifest, members, digests
 *     lease.c     addresses by DHCP
 *     formed.c    addresses formed from router announcements
 *     uplink.c    the stack on which both stand
 *     relocate.c  $addr, $net, $mac
 *     flows.c     flow spaces and binds of an environment
 *     start.c     an environment from its entry in the manifest
 *     watch.c     how environments ended, restarts, the end of everything
 *     control.c   the host channel and the environments' mailboxes
 *     backtrace.c names of functions that faulted
 *     core.c      ELF cores
 *     report.c    "I am up", the console's lines and remote reboot, by UDP
 *     listing.c   the ledger, for people
 */
#ifndef INIT_INIT_H
#define INIT_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libexo/child.h>
#include <libexo/mailbox.h>
#include <libexo/manifest.h>

#include "options.h"
#include "relocate.h"

/* A member of the payload, in the order of the manifest's files. */
struct member {
	const void *data;
	uint64_t size;
	bool verified; /* its digest is the manifest's */
};

struct payload {
	const struct exo_manifest *manifest;
	struct member *members;
	const char *base;   /* of the archive, in init's address space */
	struct exo_cap cap; /* for its frames */
};

enum service_state {
	SERVICE_OFF, /* could not be started, or has ended for good */
	SERVICE_RUNNING,
	SERVICE_WAITING,     /* will be started again at restart_at */
	SERVICE_UNADDRESSED, /* will be started when its addresses are there */
};

/* An environment of the manifest and what has become of it. */
struct service {
	const struct exo_manifest_env *entry;
	const char *name;
	enum service_state state;
	struct exo_child child;
	struct exo_pages mailbox_pages; /* count 0: it has no mailbox */
	struct exo_mailbox_end mailbox;
	uint32_t needs;   /* bit set of addresses that its flows speak of */
	bool moving;      /* was ended because an address of its changed */
	bool hello, done; /* it said so */
	int32_t result;   /* of its DONE, or why it could not give one */
	uint32_t restarts;
	uint64_t started_at, restart_at; /* nanoseconds since boot */
};

struct init {
	struct options options;
	struct payload payload;
	struct service *services;
	uint32_t n_services;
	uint32_t asked;         /* bit set of addresses that the network is asked for */
	uint64_t frames_before; /* free before the first environment started */
	bool damaged;           /* a file of the payload is not what the manifest says */
	bool failed;            /* something ended otherwise than by status 0 */
};

extern struct init init;

/* Says why on the console, and ends init: nothing works without what is missing. */
void init_give_up(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- payload.c: finds, checks and verifies ---- */

/* Finds and checks archive and manifest; gives up where it can't. */
void payload_open(struct payload *payload);
/* Whether the manifest's file `i` is there as it says. NULL, or what is wrong. Its digest is
 * computed when it is wanted for the first time: an environment need not wait for the images of
 * those that start behind it, and a damaged file stops only who uses it. */
const char *payload_verify(struct payload *payload, uint32_t i);

/* ---- start.c ---- */

/* Starts a service; says on the console what it got, or why it could not be started. */
bool service_start(struct service *service);
/* Addresses (bit set) have changed, come or gone: who uses them is ended, losing what it had bound,
 * and starts again when all that it needs is there. */
void service_readdress(uint32_t addresses);
/* Addresses that the service needs and that are not there (yet). */
uint32_t service_lacks(const struct service *service);

/* ---- flows.c ---- */

/* Gives a child its flow spaces, binds and addresses. 0 or error, in child->error. */
int flows_give(struct exo_child *child, const struct exo_manifest_env *entry);
/* Gives back what was shared with environments that have all ended. */
void flows_end(void);
/* What an address means to environments: MAC and MTU of its port filled in (a smaller MTU stays).
 * false: there is no such port. */
bool flows_complete_address(struct exo_start_address *address);
/* The addresses (bit set) that `n` flows' symbols stand for; in *six those of them that are IPv6
 * addresses. */
uint32_t flows_addresses(const struct exo_manifest_flow *flows, uint32_t n, uint32_t *six);

/* ---- watch.c ---- */

/* Looks at every running service; says how the ended ones ended. */
void watch_children(void);
/* Starts what waits for its restart and is due. */
void watch_restarts(uint64_t now_ns);
/* When the next restart is due; UINT64_MAX: none waits. */
uint64_t watch_due(void);
/* Powers off where everything has ended and the manifest asks for it. */
void watch_end(void);
/* How a service ended, in words. */
void watch_describe(const struct exo_env_status *status, char *text, size_t size);

/* ---- control.c ---- */

/* Binds the host channel, where the manifest names a control port and the command line a key. */
void control_open(void);
/* Whether environments have mailboxes to it: the manifest names a control port. */
bool control_serves(void);
/* Sends a piece of a file to the host; waits until there is room. 0, -EXO_ENOENT (there is no
 * channel), -EXO_EIO (the host has not answered for too long). */
int control_file(const char *name, uint64_t offset, const void *data, uint64_t size);
/* Everything has started. */
void control_hello(void);
/* Moves messages both ways. */
void control_run(uint64_t now_ns);
/* When control_run wants to run again at the latest. */
uint64_t control_due(uint64_t now_ns);

/* ---- backtrace.c ---- */

/* Says by name where a service faulted, if its image has symbols. */
void backtrace_print(const struct service *service);

/* ---- core.c ---- */

/* Sends the core of a service that ended by a fault, and that the kernel still holds. */
void core_send(const struct service *service);

/* ---- listing.c ---- */
void listing_print(void);

/* Ends the machine after what is owed to the host was sent. */
void init_power(enum exo_power what, uint32_t code) __attribute__((noreturn));

#endif
