/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transport stream packets (ISO/IEC 13818-1) as a sender of them has to know: what a packet says of
 * itself, and its clocks and counters moved, so that pieces put one behind the other are one stream
 * to a decoder. Times are ticks of 90 kHz, 33 bits that wrap. Nothing read is trusted.
 */
#ifndef VIDEO_TS_H
#define VIDEO_TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TS_BYTES = 188,
	TS_SYNC = 0x47,
	TS_HZ = 90000,
	TS_PID_NULL = 0x1fff,
	TS_COUNTERS_MAX = 8, /* PIDs whose packets are counted: more have no title of ours */
};

struct ts_packet {
	uint16_t pid;
	bool starts;        /* a PES packet or a table begins in it */
	bool random_access; /* decoding can begin here */
	bool has_pcr, has_pts;
	uint64_t pcr, pts; /* the PCR's base */
	uint8_t payload;   /* where it begins; TS_BYTES: there is none */
};

/* Reads one packet of TS_BYTES. false: it is none. */
bool ts_read(const uint8_t *packet, struct ts_packet *is);

/* Adds `ticks` to the packet's PCR, PTS and DTS, where it has them. */
void ts_shift(uint8_t *packet, uint64_t ticks);

/* The counter that the next packet of each PID will carry. */
struct ts_counters {
	uint32_t n;
	struct {
		uint16_t pid;
		uint8_t next;
	} of[TS_COUNTERS_MAX];
};

/* Gives the packet the number after that of the one before it of its PID; the first packet of a PID
 * keeps its own. */
void ts_count(struct ts_counters *counters, uint8_t *packet);

#endif
