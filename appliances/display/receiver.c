/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams in, pictures out; see receiver.h. */
#include "receiver.h"

static void show(struct receiver *receiver)
{
	if (!receiver->dirty)
		return;
	receiver->dirty = false;
	receiver->count.pictures++;
	receiver->show(receiver->context);
}

bool receiver_silent(struct receiver *receiver, uint64_t now_ms)
{
	if (!receiver->listens || now_ms - receiver->heard_ms < RECEIVER_SILENCE_MS)
		return false;
	show(receiver);
	receiver->listens = false;
	return true;
}

/* Whether the packet is of the source that is shown, or of a new one. */
static bool choose(struct receiver *receiver, const struct raw_packet *packet, uint64_t now_ms)
{
	(void)receiver_silent(receiver, now_ms);
	if (!receiver->listens) {
		receiver->listens = true;
		receiver->ssrc = packet->ssrc;
		receiver->timestamp = packet->timestamp;
		receiver->next = packet->sequence;
	}
	return receiver->ssrc == packet->ssrc;
}

/* Counts what is missing. false: the packet is of a picture that was shown already. */
static bool take_turn(struct receiver *receiver, const struct raw_packet *packet)
{
	int32_t ahead = (int32_t)(packet->sequence - receiver->next);
	int32_t later = (int32_t)(packet->timestamp - receiver->timestamp);

	if (ahead >= 0) {
		receiver->count.lost += (uint32_t)ahead;
		receiver->next = packet->sequence + 1;
	}
	if (later < 0)
		return false;
	if (later > 0)
		show(receiver);
	receiver->timestamp = packet->timestamp;
	return true;
}

static void draw(struct receiver *receiver, struct raw_packet *packet)
{
	struct raw_piece piece;

	while (raw_next(packet, &piece)) {
		if (picture_put(receiver->picture, &piece))
			receiver->dirty = true;
		else
			receiver->count.malformed++;
	}
	if (packet->marker)
		show(receiver);
}

void receiver_input(struct receiver *receiver, const uint8_t *bytes, size_t size, uint64_t now_ms)
{
	struct raw_packet packet;

	if (!raw_open(&packet, bytes, size)) {
		receiver->count.malformed++;
		return;
	}
	if (!choose(receiver, &packet, now_ms)) {
		receiver->count.foreign++;
		return;
	}
	receiver->heard_ms = now_ms;
	receiver->count.packets++;
	if (take_turn(receiver, &packet))
		draw(receiver, &packet);
	else
		receiver->count.late++;
}
