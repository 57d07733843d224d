/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack on exo rings: one flow space of the environment, one receive and one transmit ring, and
 * one pool of buffers between them. A buffer goes from the fill queue to the stack and from there
 * back, or out by the transmit queue and back: an answer leaves in the buffer that the question
 * came in, and nothing in here copies a frame.
 *
 * Its interfaces do all that enum udp_offload_flags names: the kernel makes checksums and segments,
 * or has the NIC make them; pieces of packets may lie in the buffers, and in memory of which
 * udp_exo_reach has told.
 *
 * Where the NIC merges segments of TCP (LRO), what came in one is taken apart again: each buffer's
 * part becomes a segment. A flow space that is all of a NIC's function is received from that
 * function's own queue, into the environment's frames, where the port has one (EXO_RING_QUEUE).
 *
 * Interface: udp_exo_open, then sockets, then udp_exo_serve (or a loop of one's own over
 * udp_exo_poll and udp_exo_wait).
 */
#ifndef UDP_EXO_H
#define UDP_EXO_H

#include <exo/flow.h>
#include <exo/start.h>
#include <libexo/handover.h>
#include <libexo/memory.h>
#include <libexo/ring.h>

#include "stack.h"

enum {
	UDP_EXO_BUFFER_BYTES = 2048, /* one frame of the usual MTU behind UDP_HEADROOM */
	UDP_EXO_BINDINGS_MAX = 8,
	UDP_EXO_REACHES_MAX = 16,
	UDP_EXO_ERROR_MAX = 160,
};

struct udp_exo;
/* As notice in struct udp_ops. */
typedef void udp_exo_notice_fn(struct udp_exo *driver, enum udp_notice notice,
                               const struct udp_ip *ip, const uint8_t *mac);

/* A packet whose parts are arriving (libos-udp/exo/merged.c). */
struct udp_exo_merged {
	bool inside;                 /* there are more parts to come */
	uint8_t interface;           /* where it came from */
	uint8_t l4;                  /* where TCP's header lies */
	uint8_t header;              /* bytes of all headers; 0: the packet can't be taken apart */
	uint32_t done, left;         /* bytes of payload in the parts before; yet to come */
	uint64_t lost;               /* packets that could not be taken apart */
	uint8_t bytes[UDP_HEADROOM]; /* its headers */
};

struct udp_exo_options {
	const char *flow;          /* name of the flow space; NULL: the first */
	uint8_t family;            /* 4 or 6: addresses of that family only; 0: all */
	struct udp_config config;  /* of the stack */
	uint32_t ring_size;        /* descriptors of each queue; a power of two, 8 … 4,096 */
	udp_exo_notice_fn *notice; /* NULL: conflicts and duplicates are printed */
};

struct udp_exo {
	struct udp_stack *stack;
	udp_exo_notice_fn *notice;
	void *context; /* the application's own */
	const struct exo_start_cap *flow;
	struct exo_ring rx, tx;
	struct exo_pages frames; /* the buffers' bytes */
	struct exo_pages memory; /* struct udp_buffer[], free list, stack, binding counters */
	struct udp_buffer *buffers;
	uint32_t *free;
	uint32_t n_buffers, n_free;
	uint32_t shift; /* a buffer's bytes, as a power of two */
	uint32_t slots; /* the first buffers are a NIC's own (EXO_RING_QUEUE); 0: none */
	struct udp_exo_merged merged;
	uint32_t n_filled; /* in the fill queue, or on their way back from it */
	uint32_t n_low;    /* so few of them, and more are filled in */
	uint32_t tx_next;  /* behind the descriptors to send that the kernel was not told of */
	uint32_t tx_tail;  /* up to where quiet packets were reclaimed */
	bool unheard;      /* the doorbell is to be rung for what was published */
	uint64_t deadline; /* of the stack, in its nanoseconds */
	uint64_t due;      /* the same as a TSC */
	uint64_t stamp,
	        stamp_ns; /* the last that was asked for: a TSC, in the stack's nanoseconds */
	uint32_t n_bindings;
	struct exo_cap bindings[UDP_EXO_BINDINGS_MAX];
	const struct exo_binding_counters *counters; /* [n_bindings] */
	uint16_t ports[UDP_INTERFACES_MAX];          /* NIC port of each interface */
	uint16_t vlans[UDP_INTERFACES_MAX];          /* its tag; 0: frames without */
	bool tagged;                                 /* some interface has one */
	uint32_t n_interfaces;
	bool skims;         /* udp_exo_skim */
	uint32_t skim_next; /* in this burst: from where on it is worth another look */
	uint64_t skimmed;   /* frames that the stack did not get because of that; those that the
	                       kernel left out are counted with the bindings */
	/* How many frames who brings a TCP along would rather have at once than one by one, as long
	   as it is not due; NULL: nobody says. */
	const uint32_t *awaits;
	uint32_t wanted;               /* what the ring says of that */
	struct exo_handover *handover; /* NULL: flows neither come nor go; set by who opens it */
	uint64_t tx_drops;             /* the transmit ring was full */
	uint64_t tx_refused; /* completed with an error: outside the flow space, most likely */
	uint16_t tx_error;   /* the last one's enum exo_error */
	uint64_t strange;    /* descriptors that came back though nobody had put them in */
	uint64_t random[4];
	struct exo_pages reaches[UDP_EXO_REACHES_MAX]; /* memory that packets' pieces may lie in */
	uint32_t n_reaches;
	char error[UDP_EXO_ERROR_MAX]; /* after a failure: what and why, for people */
};

/* 64 descriptors, the stack's defaults. */
struct udp_exo_options udp_exo_options_default(void);

/*
 * Opens the flow space: rings, buffers, the bindings that the start page lists for it, and a stack
 * that has the start page's addresses, optimistic ones (enum udp_address_how). 0 or a negative enum
 * exo_error, with driver->error filled in; the environment is then best ended (what was taken goes
 * back with it).
 */
int udp_exo_open(struct udp_exo *driver, const struct udp_exo_options *options);
/*
 * The ephemeral ports that a flow space has: the widest range of destination ports in what the
 * start page lists for the flow space of that name (NULL: any). udp_exo_open takes them by itself.
 * false: there is no range, the stack's own stands.
 */
bool udp_exo_ports(const char *flow, uint16_t *first, uint16_t *last);
/*
 * Without the start page's part: rings that send inside `space`, and an interface on NIC port
 * `port` that has no address yet. What is to be received the caller binds to driver->rx.cap. For
 * who makes its own flow spaces, as init does to get an address.
 */
int udp_exo_open_bare(struct udp_exo *driver, const struct udp_exo_options *options,
                      const struct exo_cap *space, uint16_t port);
/* Lets packets have pieces in *pages, which the environment owns and keeps until the driver is done
 * with. 0, or -EXO_E2BIG: there are too many. */
int udp_exo_reach(struct udp_exo *driver, const struct exo_pages *pages);
/* From now on the stack gets the last one of TCP's acknowledgements in a row, for who brings a TCP
 * along that does not mind. The kernel leaves out what it can. */
void udp_exo_skim(struct udp_exo *driver);
/* Takes what has arrived, does what is due, sends. → frames taken; 0: there is time to wait. */
uint32_t udp_exo_poll(struct udp_exo *driver);
/* The same in two halves: all of it, but that the kernel does not hear yet of what is to be sent;
 * and telling it, which udp_exo_wait does, too, for one crossing of the border. */
uint32_t udp_exo_turn(struct udp_exo *driver);
void udp_exo_tell(struct udp_exo *driver);
/* Sleeps until something arrives, the stack's deadline, or at most `ns` nanoseconds (0: no such
 * bound). */
void udp_exo_wait(struct udp_exo *driver, uint64_t ns);
/* Likewise, at most until that time of the stack's clock. */
void udp_exo_wait_until(struct udp_exo *driver, uint64_t ns);
/* Serves for ever. */
_Noreturn void udp_exo_serve(struct udp_exo *driver);

#endif
