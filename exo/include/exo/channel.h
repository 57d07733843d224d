/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host channel: how the person's own computer and init talk over a control port, in Ethernet
 * frames of EtherType 0x88B5 (IEEE 802 local experimental). It carries replay control and results,
 * captures, cores and test verdicts. It is an ordinary binding of init's; no driver of its own.
 *
 * Integers are little-endian. Each frame carries SipHash-2-4 over header (mac field zero) and body
 * under a 16-byte key that both sides got at boot (command line: channel=32 hexadecimal digits); a
 * frame with a wrong one is counted and ignored. Sequence numbers count up from 1 in each
 * direction; a receiver acknowledges the highest in order, the sender repeats what was not
 * acknowledged. Lost, repeated and reordered frames are thereby harmless.
 */
#ifndef EXO_CHANNEL_H
#define EXO_CHANNEL_H

#include <stdint.h>

enum {
	EXO_CHANNEL_ETHERTYPE = 0x88b5,
	EXO_CHANNEL_MAGIC = 0x43584c53, /* "SLXC" */
	EXO_CHANNEL_VERSION = 1,
	EXO_CHANNEL_BODY_MAX = 1400,
};

enum exo_channel_type {
	EXO_CHANNEL_ACK = 0,      /* no body, no sequence number of its own */
	EXO_CHANNEL_HELLO = 1,    /* machine → host: up and ready; body: text "NAME VERSION" */
	EXO_CHANNEL_LOG = 2,      /* machine → host: a console line */
	EXO_CHANNEL_START = 3,    /* host → machine: begin; meaning is the appliance's */
	EXO_CHANNEL_STOP = 4,     /* host → machine: no more input; report */
	EXO_CHANNEL_PROGRESS = 5, /* machine → host: struct exo_channel_progress: flow control */
	EXO_CHANNEL_RESULT = 6,   /* machine → host: one result record; the appliance's format */
	EXO_CHANNEL_DONE = 7, /* machine → host: all results were sent; body: int32_t status */
	EXO_CHANNEL_FILE =
	        8, /* machine → host: a piece of a file: offset (8 bytes), name with NUL, data */
	EXO_CHANNEL_POWER = 9,   /* host → machine: uint32_t enum exo_power, uint32_t code */
	EXO_CHANNEL_LEDGER = 10, /* host → machine: list the ledger on the console; no body */
};

struct exo_channel_header { /* behind the 14 bytes of the Ethernet header */
	uint32_t magic;
	uint16_t version;
	uint16_t type;     /* enum exo_channel_type */
	uint32_t sequence; /* of this frame; 0 for ACK */
	uint32_t ack;      /* highest received in order */
	uint32_t size;     /* bytes of body that follow */
	uint32_t reserved; /* 0 */
	uint64_t mac;
};

/* How far the machine has come with what arrived on its data ports. */
struct exo_channel_progress {
	uint64_t received; /* frames taken from the data port */
	uint64_t settled;  /* of them, those whose fate is known: delivered and read, unmatched, or
	                      dropped */
};

_Static_assert(sizeof(struct exo_channel_header) == 32, "exo_channel_header is a wire format");

#endif
