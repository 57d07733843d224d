/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture environment: what its tap bindings bring leaves as pcapng, to a file on the host
 * (file.c) and to whoever connects by TCP (serve.c).
 *
 *     taps.c     binds what the start page lists with `tap`; frames and counts of each interface
 *     outlet.c   one reader's stream: section, interfaces before their first packet, packets,
 *                statistics; whole blocks or nothing
 *     file.c     the outlet that becomes messages of the host channel; one that can't follow holds
 *                up the ring, where the kernel counts what is lost
 *     serve.c    the outlets that are TCP connections; one that can't follow misses packets, and
 *                the next packet says how many (epb_dropcount)
 *     pcapng.c   blocks
 *
 * An interface of the file is a binding on a port of the machine. Its comment names the binding.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <libexo/packet.h>

#include "pcapng.h"

enum {
	CAPTURE_BINDINGS_MAX = 8,
	CAPTURE_INTERFACES_MAX = 16,
	CAPTURE_SNAP_MAX = 16384,
	CAPTURE_BLOCK_MAX = CAPTURE_SNAP_MAX + PCAPNG_HEAD_MAX,
	CAPTURE_TEXT_MAX = 256,
};

/* ---- taps.c ---- */

/* A binding on a port. */
struct interface {
	unsigned binding; /* index */
	uint16_t port;
	uint64_t packets; /* taken from the ring */
};

struct taps {
	struct exo_rx rx;
	unsigned n_bindings, n_interfaces;
	struct interface interfaces[CAPTURE_INTERFACES_MAX];
	uint64_t homeless; /* frames of more interfaces than there is room for */
};

extern struct taps taps;

/* Binds all taps of the start page to one ring. 0, or a negative enum exo_error; what went wrong
 * is on the console. */
int taps_open(uint32_t ring_size, uint32_t snap);
/* The interface of a frame, made where it is the first of it; NULL: there are too many, or the
 * frame was there when it left. */
struct interface *taps_interface(const struct exo_rx_frame *frame);
/* What the kernel and the port have counted for an interface. */
void taps_count(const struct interface *interface, struct pcapng_statistics *statistics);
void taps_describe(const struct interface *interface, struct pcapng_interface *description);

/* ---- outlet.c ---- */

struct outlet {
	/* All of it or nothing: false. */
	bool (*write)(struct outlet *outlet, const void *block, uint32_t size);
	unsigned announced; /* interfaces [0, announced) are in the stream */
	bool begun;
	uint64_t missed[CAPTURE_INTERFACES_MAX];  /* since the last packet written */
	uint64_t counted[CAPTURE_INTERFACES_MAX]; /* accepted and lost, when last told */
};

void outlet_open(struct outlet *outlet, bool (*write)(struct outlet *, const void *, uint32_t));
/* Section and interfaces, as far as there is room. Whether all are in the stream. */
bool outlet_begin(struct outlet *outlet);
/* false: it was missed. */
bool outlet_packet(struct outlet *outlet, const struct interface *interface,
                   const struct exo_rx_frame *frame);
/* Of each interface that has changed since it was last told. */
void outlet_statistics(struct outlet *outlet);

/* ---- file.c ---- */

/* `name`: of the file. 0, or a negative enum exo_error: there is no host channel. */
int file_open(const char *name);
/* Whether it takes a packet of any size now; true where there is no file. */
bool file_ready(void);
bool file_is_open(void);
struct outlet *file_outlet(void);
/* Hands over to the channel what it takes. → whether something is left. */
bool file_run(void);
/* The host asked to stop: all is handed over before this returns, and nothing follows. */
void file_close(void);
/* Whether the host has asked for the end. */
bool file_stop_wanted(void);

/* ---- serve.c ---- */

/* Listens at the port, on the flow space "serve". 0, or a negative enum exo_error, said on the
 * console. */
int serve_open(uint16_t port);
void serve_packet(const struct interface *interface, const struct exo_rx_frame *frame);
void serve_statistics(void);
/* → frames taken. */
uint32_t serve_run(void);
/* When serve_run has something to do again, of exo_time_now_ns; UINT64_MAX: at an event. */
uint64_t serve_due(void);

#endif
