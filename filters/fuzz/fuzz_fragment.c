/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes fragments: frames of any bytes through parsing and the table. Every packet comes back
 * exactly once, a decided datagram's owner is the one that its newest first fragment had, and the
 * whole of a first fragment is never longer than it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <flt/fragment.h>
#include <flt/host.h>

enum { FRAME = 96, STEPS = 4096 };

static uint8_t packets[STEPS]; /* how often each came back */

static void drop(void *packet, enum flt_fragment_drop cause)
{
	(*(uint8_t *)packet)++;
}

/* The newest first fragments, told plainly. */
static struct {
	struct flt_fragment_id id;
	uint64_t at;
	void *owner;
} firsts[STEPS];
static uint32_t n_firsts;

static void *newest(const struct flt_fragment_id *id, uint64_t now, uint64_t ticks)
{
	for (uint32_t i = n_firsts; i-- > 0;)
		if (!memcmp(&firsts[i].id, id, sizeof(*id)))
			return now - firsts[i].at > ticks ? NULL : firsts[i].owner;
	return NULL;
}

static void take(struct flt_fragments *t, const struct flt_frame *frame, uint32_t n, uint64_t now)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	struct flt_verdict verdict = {&packets[n], 1, 0};
	struct flt_fragment fragment;
	uint8_t room[FRAME];
	switch (flt_fragment_parse(frame, &fragment)) {
	case FLT_FRAGMENT_NONE:
		packets[n]++;
		return;
	case FLT_FRAGMENT_FIRST:
		if (flt_fragment_whole(frame, &fragment, room).len > frame->len)
			abort();
		firsts[n_firsts].id = fragment.id;
		firsts[n_firsts].at = now;
		firsts[n_firsts++].owner = &packets[n];
		for (uint32_t i = flt_fragments_first(t, &fragment.id, now, verdict, NULL, held); i;
		     i--)
			(*(uint8_t *)held[i - 1].packet)++;
		packets[n]++;
		return;
	case FLT_FRAGMENT_LATER:
		switch (flt_fragments_later(t, &fragment.id, now, &packets[n], &verdict)) {
		case FLT_FRAGMENT_FOLLOWS:
			if (verdict.owner != newest(&fragment.id, now, 1000))
				abort();
			packets[n]++;
			return;
		case FLT_FRAGMENT_REFUSED:
			packets[n]++;
			return;
		case FLT_FRAGMENT_HELD:
			return;
		}
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	flt_host_init(false);
	return 0;
}

/* A step: its kind and time, where in the previous frame bytes change, and to what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct flt_fragments_config config = {1000, 300, drop};
	static const uint8_t start4[] = {8, 0, 0x45, 0, 0, 40, 0, 1, 0x20, 0, 64, 17};
	static const uint8_t start6[] = {0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 44, 64};
	struct flt_fragments *t;
	uint8_t bytes[FRAME] = {0};
	uint32_t n = 0;
	uint64_t now = 1;
	if (flt_fragments_create(&t, &config, NULL))
		abort();
	memset(packets, 0, sizeof(packets));
	n_firsts = 0;
	memcpy(bytes + 12, start4, sizeof(start4));
	while (size >= 4 && n < STEPS) {
		uint32_t len = data[0] & 0x10 ? data[3] % FRAME : FRAME;
		if ((data[0] & 15) == 15)
			memcpy(bytes + 12, start4, sizeof(start4));
		if ((data[0] & 15) == 14)
			memcpy(bytes + 12, start6, sizeof(start6));
		bytes[data[1] % FRAME] = data[2];
		now += data[0] >> 5 == 7 ? data[3] : 0;
		/* A frame of exactly len bytes: reading behind it is found out. */
		uint8_t *exact = malloc(len ? len : 1);
		memcpy(exact, bytes, len);
		struct flt_frame frame = {.data = exact, .len = len, .wire_len = len};
		take(t, &frame, n++, now);
		flt_fragments_expire(t, now);
		free(exact);
		data += 4;
		size -= 4;
	}
	flt_fragments_destroy(t);
	for (uint32_t i = 0; i < n; i++)
		if (packets[i] != 1)
			abort();
	return 0;
}
