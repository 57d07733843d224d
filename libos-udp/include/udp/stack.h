/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The datagram stack: frames in, frames out, datagrams to sockets.
 *
 * The stack is a passive object. It reads no clock, sleeps never and allocates nothing: a driver
 * gives it memory once, calls udp_stack_input for each frame that arrived and udp_stack_run when a
 * deadline passed, and answers a few function calls (struct udp_ops). Thus the same code runs on
 * exo rings, in unit tests, in a simulation under virtual time and in fuzzers. One stack is one
 * thread's; nothing in it locks. Functions of struct udp_ops must not call back into the stack.
 *
 * Errors: functions that can fail return 0 or a negative enum udp_error. What arrives is never
 * trusted and never an error: it is counted (struct udp_counters) and dropped.
 *
 * Interface: udp_stack_create, udp_interface_add, udp_address_add; then input and run for ever.
 * Sockets are in socket.h.
 */
#ifndef UDP_STACK_H
#define UDP_STACK_H

#include <stdbool.h>

#include "address.h"
#include "buffer.h"
#include "counters.h"

enum {
	UDP_INTERFACES_MAX = 8,
	UDP_ADDRESSES_MAX = 8, /* of one interface */
	UDP_GROUPS_MAX = 16,   /* multicast groups joined, of one interface */
	UDP_MTU_MIN = 576,     /* RFC 791: every host takes that */
	UDP_MTU_MAX = 65535,
};

enum udp_error {
	UDP_EINVAL = 1,       /* an argument makes no sense */
	UDP_ENOBUFS = 2,      /* the driver had no buffer */
	UDP_ENOSPC = 3,       /* a table is full */
	UDP_EINUSE = 4,       /* the port or address is taken */
	UDP_EUNREACHABLE = 5, /* no route, or no address to send from */
	UDP_EMSGSIZE = 6,     /* longer than a datagram, or than the path takes where it must not be
	                         fragmented */
	UDP_ENOTFOUND = 7,
};

/* What this stack does of an address that it may share with other environments. */
enum udp_roles {
	UDP_ROLE_RESOLVE = 1 << 0, /* ARP and ND: answers, asks, announces. Without it the stack
	                              sends only to neighbours that it has learned otherwise. */
	UDP_ROLE_ECHO = 1 << 1,    /* answers ICMP echo */
	UDP_ROLE_ERRORS = 1 << 2,  /* sends ICMP errors: unreachable, time exceeded */
	UDP_ROLE_LEARN = 1 << 3,   /* learns neighbours from the frames that arrive for it */
	UDP_ROLE_ASK = 1 << 4,     /* asks for neighbours though the answers go to the address's
	                              host, which publishes them (neighbours.h) */
	UDP_ROLE_ALL = UDP_ROLE_RESOLVE | UDP_ROLE_ECHO | UDP_ROLE_ERRORS,
};

/* How certain it is that an address is ours alone. Only a stack with UDP_ROLE_RESOLVE asks. */
enum udp_address_how {
	UDP_ADDRESS_SURE = 0,       /* nobody is asked */
	UDP_ADDRESS_PROBE = 1,      /* used when the first question got no answer */
	UDP_ADDRESS_OPTIMISTIC = 2, /* used at once, given up if somebody answers */
};

enum udp_notice {
	UDP_NOTICE_CONFLICT = 1,  /* somebody else uses one of our addresses (RFC 5227, 2.4) */
	UDP_NOTICE_DUPLICATE = 2, /* somebody else had it before us: it is not used */
	UDP_NOTICE_READY = 3,     /* nobody has it: it is used from now on; no `mac` */
	UDP_NOTICE_GONE = 4,      /* its lifetime has ended: it is used no more; no `mac` */
};

/* What an interface's driver does for a packet besides sending it. */
enum udp_offload_flags {
	UDP_OFFLOAD_SUM = 1 << 0,     /* UDP_BUFFER_SUM: the checksums of TCP and UDP */
	UDP_OFFLOAD_PIECES = 1 << 1,  /* struct udp_payload: payload from where it lies */
	UDP_OFFLOAD_SEGMENT = 1 << 2, /* its segment_size: TCP and UDP, IPv4 and IPv6 */
	UDP_OFFLOAD_SUMS = 1 << 3,    /* no NIC does that: it is cheaper where the segments' sums
	                                 are known */
};

struct udp_offload {
	uint32_t flags;
	uint32_t size_max; /* bytes of an IP packet that is to be cut */
};

/* What the driver does for the stack. All have the context as first argument. */
struct udp_ops {
	/* A buffer of the caller's whose data has UDP_HEADROOM bytes in front and `size` bytes in
	   use; NULL: none left, or `size` is more than the driver's buffers hold. */
	struct udp_buffer *(*allocate)(void *context, uint32_t size);
	/* Takes a buffer back. */
	void (*release)(void *context, struct udp_buffer *buffer);
	/* Sends a frame on buffer->interface, and takes the buffer. It may drop (and counts that
	   itself). */
	void (*output)(void *context, struct udp_buffer *buffer);
	/* Nanoseconds, from any origin, never backwards. */
	uint64_t (*now)(void *context);
	/* The same of a buffer's time, which few ask for; NULL: it has them. */
	uint64_t (*when)(void *context, uint64_t time);
	/* Numbers that nobody can guess. */
	uint64_t (*random)(void *context);
	/* Something that a person may want to know; NULL: nobody does. `mac` is the other's, never
	   NULL. */
	void (*notice)(void *context, enum udp_notice notice, const struct udp_ip *ip,
	               const uint8_t *mac);
	/* Whether memory can be a piece of a packet (UDP_OFFLOAD_PIECES); NULL: none can. */
	bool (*reaches)(void *context, const void *data, uint32_t size);
};

struct udp_config {
	uint32_t roles;          /* enum udp_roles */
	uint32_t neighbours;     /* entries of the neighbour table, 8 … 65,536 */
	uint32_t reassemblies;   /* datagrams under reassembly at once, 0 … 1,024, 66 KiB each */
	uint32_t socket_buckets; /* of the port hash; a power of two, 1 … 65,536 */
	uint32_t paths; /* destinations whose MTU is remembered: a multiple of 4, 0 … 65,536 */
	uint16_t port_first; /* ephemeral ports: [first, last] */
	uint16_t port_last;
	uint32_t error_rate;  /* ICMP errors per second at most */
	uint32_t error_burst; /* and at once */
};

/* Good values for one small service: all roles, 64 neighbours, 4 reassemblies. */
struct udp_config udp_config_default(void);

struct udp_stack;

/* Bytes of memory that a stack of this configuration needs; 0: the configuration is not valid. */
size_t udp_stack_bytes(const struct udp_config *config);
/*
 * Makes a stack in `memory` (aligned to 16 bytes, udp_stack_bytes long, the caller's to free after
 * udp_stack_destroy). *ops and *config are copied. NULL: the configuration is not valid or the
 * memory too small.
 */
struct udp_stack *udp_stack_create(void *memory, size_t size, const struct udp_config *config,
                                   const struct udp_ops *ops, void *context);
/* Releases every buffer that the stack holds. Sockets must not be used afterwards. */
void udp_stack_destroy(struct udp_stack *stack);

/*
 * A frame arrived (from the Ethernet header on) on buffer->interface. The stack owns the buffer.
 * Whatever its bytes are, the stack stays sound.
 */
void udp_stack_input(struct udp_stack *stack, struct udp_buffer *buffer);
/* Does what is due. → when to call it again at the latest, in nanoseconds of the stack's clock;
 * UINT64_MAX: nothing waits. Any other call may bring the deadline forward: ask again after it. */
uint64_t udp_stack_run(struct udp_stack *stack);
/* Whether what the last udp_stack_run said still holds, and it need not be called before. */
bool udp_stack_rests(const struct udp_stack *stack);

const struct udp_counters *udp_stack_counters(const struct udp_stack *stack);
/* Gives a buffer back to whom it belongs. */
void udp_buffer_release(struct udp_stack *stack, struct udp_buffer *buffer);

/* Adds an interface. → its index, or -UDP_EINVAL, -UDP_ENOSPC. */
int udp_interface_add(struct udp_stack *stack, const uint8_t *mac, uint32_t mtu);
/* Adds an interface of 127.0.0.1/8 and ::1, from which packets go nowhere but to the stack itself,
 * by udp_stack_run: its sockets reach one another. Its index; -UDP_EINUSE, -UDP_ENOSPC. */
int udp_loopback_add(struct udp_stack *stack);
/* Says what the driver does for packets on an interface; nothing at first. */
void udp_interface_offload(struct udp_stack *stack, unsigned interface,
                           const struct udp_offload *offload);
/*
 * Gives an interface an address. With UDP_ROLE_RESOLVE it is announced (RFC 5227, 2.3).
 * 0, -UDP_EINVAL (no source address, prefix too long), -UDP_EINUSE, -UDP_ENOSPC.
 */
int udp_address_add(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                    unsigned prefix);
/* Likewise, first asking whether somebody else has it (RFC 5227; RFC 4862, 5.4): see
 * enum udp_address_how. */
int udp_address_add_how(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                        unsigned prefix, enum udp_address_how how);
int udp_address_remove(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);
/* Sets the router for what is not on the interface's networks; family 0 in `ip`: none, both. */
int udp_gateway_set(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip);
/* Enters a neighbour that somebody else resolved. 0 or -UDP_EINVAL. */
int udp_neighbour_set(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                      const uint8_t *mac);

/* How a frame to a destination begins: for who writes the frames of a long conversation itself. */
struct udp_frame_way {
	unsigned interface;
	uint8_t to[UDP_MAC_BYTES], from[UDP_MAC_BYTES];
	struct udp_ip src;
};

/* false: there is no route, or the next hop is not known (yet). It asks nobody and confirms
 * nothing: send a datagram by a socket now and then, once a second, and look again after it. */
bool udp_frame_way(struct udp_stack *stack, const struct udp_ip *dst, struct udp_frame_way *way);

#endif
