/* SPDX-License-Identifier: BSD-2-Clause */
/* Transport stream packets; see ts.h. Sections are those of ISO/IEC 13818-1. */
#include "ts.h"

#include <udp/wire.h>

enum {
	HEADER = 4,
	STARTS = 0x40,
	HAS_FIELD = 0x20,
	HAS_PAYLOAD = 0x10,
	FIELD_FLAGS = HEADER + 1, /* of the adaptation field */
	FIELD_PCR = HEADER + 2,
	PCR_BYTES = 6,
	RANDOM_ACCESS = 0x40,
	PCR_FLAG = 0x10,
	PES_FLAGS = 7,
	PES_HEADER = 9, /* up to where the times begin */
	TIME_BYTES = 5,
	PTS_FLAG = 0x80,
	DTS_FLAG = 0x40,
};

static const uint64_t time_mask = (1ull << 33) - 1;

/* 2.4.3.5: 33 bits of base, 6 reserved, 9 of extension (which no shift of ours touches). */
static uint64_t get_pcr(const uint8_t *at)
{
	return (uint64_t)wire_get32(at) << 1 | at[4] >> 7;
}

static void put_pcr(uint8_t *at, uint64_t base)
{
	wire_put32(at, (uint32_t)(base >> 1));
	at[4] = (uint8_t)((at[4] & 0x7f) | (base & 1) << 7);
}

/* 2.4.3.7: 3, 15 and 15 bits, each with a marker bit behind it. */
static uint64_t get_time(const uint8_t *at)
{
	return (uint64_t)(at[0] >> 1 & 7) << 30 | (uint64_t)(wire_get16(at + 1) >> 1) << 15 |
	       wire_get16(at + 3) >> 1;
}

static void put_time(uint8_t *at, uint64_t time)
{
	at[0] = (uint8_t)((at[0] & 0xf1) | (time >> 30 & 7) << 1);
	wire_put16(at + 1, (uint16_t)((time >> 15 & 0x7fff) << 1 | 1));
	wire_put16(at + 3, (uint16_t)((time & 0x7fff) << 1 | 1));
}

/* 2.4.3.6: these streams have no flags and no times in their headers. */
static bool has_flags(uint8_t stream)
{
	switch (stream) {
	case 0xbc:
	case 0xbe:
	case 0xbf:
	case 0xf0:
	case 0xf1:
	case 0xf2:
	case 0xf8:
	case 0xff:
		return false;
	default:
		return true;
	}
}

/* Where the PTS lies, and in *n whether a DTS follows it; 0: there is none in this packet. */
static uint32_t find_times(const uint8_t *packet, const struct ts_packet *is, unsigned *n)
{
	const uint8_t *pes = packet + is->payload;
	uint32_t room = TS_BYTES - is->payload;

	if (!is->starts || room < PES_HEADER + TIME_BYTES || pes[0] != 0 || pes[1] != 0 ||
	    pes[2] != 1 || !has_flags(pes[3]) || (pes[PES_FLAGS] & PTS_FLAG) == 0)
		return 0;
	*n = (pes[PES_FLAGS] & DTS_FLAG) != 0 && room >= PES_HEADER + 2 * TIME_BYTES ? 2 : 1;
	return is->payload + PES_HEADER;
}

bool ts_read(const uint8_t *packet, struct ts_packet *is)
{
	uint32_t field = 0, at;
	unsigned n;

	*is = (struct ts_packet){.payload = TS_BYTES};
	if (packet[0] != TS_SYNC)
		return false;
	is->pid = wire_get16(packet + 1) & TS_PID_NULL;
	is->starts = (packet[1] & STARTS) != 0;
	if ((packet[3] & HAS_FIELD) != 0)
		field = 1u + packet[HEADER];
	if (field > TS_BYTES - HEADER)
		return false;
	if (field > 1) {
		is->random_access = (packet[FIELD_FLAGS] & RANDOM_ACCESS) != 0;
		is->has_pcr = (packet[FIELD_FLAGS] & PCR_FLAG) != 0 && field >= 2 + PCR_BYTES;
	}
	if (is->has_pcr)
		is->pcr = get_pcr(packet + FIELD_PCR);
	if ((packet[3] & HAS_PAYLOAD) == 0)
		return true;
	is->payload = (uint8_t)(HEADER + field);
	at = find_times(packet, is, &n);
	is->has_pts = at != 0;
	if (is->has_pts)
		is->pts = get_time(packet + at);
	return true;
}

void ts_shift(uint8_t *packet, uint64_t ticks)
{
	struct ts_packet is;
	uint32_t at;
	unsigned n = 0;

	if (!ts_read(packet, &is))
		return;
	if (is.has_pcr)
		put_pcr(packet + FIELD_PCR, (is.pcr + ticks) & time_mask);
	for (at = find_times(packet, &is, &n); n > 0; n--, at += TIME_BYTES)
		put_time(packet + at, (get_time(packet + at) + ticks) & time_mask);
}

/* 2.4.3.3: the counter of a PID grows with each packet that has a payload. */
void ts_count(struct ts_counters *counters, uint8_t *packet)
{
	struct ts_packet is;
	uint8_t grows;
	uint32_t i;

	if (!ts_read(packet, &is) || is.pid == TS_PID_NULL)
		return;
	for (i = 0; i < counters->n && counters->of[i].pid != is.pid; i++)
		;
	if (i == TS_COUNTERS_MAX)
		return;
	grows = (packet[3] & HAS_PAYLOAD) != 0;
	if (i == counters->n) {
		counters->of[i].pid = is.pid;
		counters->of[i].next = (uint8_t)((packet[3] & 0xf) + 1 - grows);
		counters->n++;
	}
	packet[3] = (uint8_t)((packet[3] & 0xf0) | ((counters->of[i].next - !grows) & 0xf));
	counters->of[i].next += grows;
}
