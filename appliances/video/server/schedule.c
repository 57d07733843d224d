/* SPDX-License-Identifier: BSD-2-Clause */
/* The wheel: which viewers have packets due in which slot. One whose next packet is further away
 * than the wheel is long waits at its far end and is put in again. */
#include "internal.h"

/* How many slots from the last one served on its next packet is due. */
static inline int64_t slots_ahead(const struct video *video, const struct video_viewer *viewer)
{
	int64_t ahead = 1;

	if (viewer->next < viewer->end)
		ahead = viewer->start + viewer->packets[viewer->next].due_ms / MEDIA_SLOT_MS -
		        video->wheel.last;
	if (ahead < 1)
		return 1;
	return ahead < VIDEO_WHEEL_SLOTS ? ahead : VIDEO_WHEEL_SLOTS - 1;
}

static inline void add(struct video *video, struct video_viewer *viewer)
{
	struct video_wheel *wheel = &video->wheel;
	uint32_t i = (uint32_t)(wheel->last + slots_ahead(video, viewer)) % VIDEO_WHEEL_SLOTS;

	viewer->wheel_next = wheel->slots[i];
	wheel->slots[i] = viewer;
	wheel->used[i / 64] |= 1ull << i % 64;
}

void slots_add(struct video *video, struct video_viewer *viewer)
{
	add(video, viewer);
}

static bool unlink_from(struct video_viewer **at, const struct video_viewer *viewer)
{
	for (; *at != NULL; at = &(*at)->wheel_next)
		if (*at == viewer) {
			*at = viewer->wheel_next;
			return true;
		}
	return false;
}

void slots_remove(struct video *video, struct video_viewer *viewer)
{
	for (unsigned i = 0; i < VIDEO_WHEEL_SLOTS; i++)
		if (unlink_from(&video->wheel.slots[i], viewer))
			return;
}

static void serve_slot(struct video *video, int64_t slot)
{
	uint32_t i = (uint64_t)slot % VIDEO_WHEEL_SLOTS;
	struct video_viewer *viewer = video->wheel.slots[i], *next;
	uint64_t before = video->count.rtp_packets;

	video->wheel.last = slot;
	video->wheel.slots[i] = NULL;
	video->wheel.used[i / 64] &= ~(1ull << i % 64);
	for (; viewer != NULL; viewer = next) {
		next = viewer->wheel_next;
		rtp_send_due(video, viewer, slot);
		if (viewer->ended)
			viewer->state = VIDEO_READY;
		else
			add(video, viewer);
	}
	if (video->count.rtp_packets == before)
		return;
	if (video->ops.flush != NULL)
		video->ops.flush(video->context);
	rtp_count_jitter(video, slot, video->count.rtp_packets - before);
}

void slots_run(struct video *video)
{
	int64_t now = (int64_t)(video->now / NS_PER_SLOT);
	uint64_t before = video->count.rtp_packets, began = udp_transport_now(video->udp);

	if (now - video->wheel.last > VIDEO_WHEEL_SLOTS) {
		/* Once around serves everybody; what they missed comes in one go. */
		video->count.late_slots += (uint64_t)(now - video->wheel.last - VIDEO_WHEEL_SLOTS);
		video->wheel.last = now - VIDEO_WHEEL_SLOTS;
	}
	while (video->wheel.last < now) {
		uint32_t i = (uint64_t)(video->wheel.last + 1) % VIDEO_WHEEL_SLOTS;

		if (video->wheel.used[i / 64] >> i % 64 & 1)
			serve_slot(video, video->wheel.last + 1);
		else
			video->wheel.last++;
	}
	if (video->count.rtp_packets != before)
		video->count.send_ns += udp_transport_now(video->udp) - began;
}

uint64_t slots_deadline(const struct video *video)
{
	for (int64_t slot = video->wheel.last + 1; slot < video->wheel.last + VIDEO_WHEEL_SLOTS;) {
		uint32_t i = (uint64_t)slot % VIDEO_WHEEL_SLOTS;
		uint64_t word = video->wheel.used[i / 64] >> i % 64;

		if (word != 0)
			return (uint64_t)(slot + __builtin_ctzll(word)) * NS_PER_SLOT;
		slot += 64 - i % 64;
	}
	return UINT64_MAX;
}
