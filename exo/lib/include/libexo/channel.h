/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host channel's two ends (exo/channel.h has the format): authenticated messages in order,
 * without loss or repetition, over Ethernet frames that may be lost, repeated, reordered or forged.
 * The same source serves init and the host's tools.
 *
 * It does no input and output and has no clock: frames go in by exo_channel_input, out by
 * exo_channel_output, which the owner calls after every input, after every send, and at the time
 * that exo_channel_due names. Go-back-N with a window of EXO_CHANNEL_WINDOW frames: a receiver
 * takes only the next frame in order; a sender repeats everything unacknowledged after
 * EXO_CHANNEL_REPEAT_NS.
 *
 * One channel serves one boot: sequence numbers start at 1 on both sides and never wrap.
 */
#ifndef LIBEXO_CHANNEL_H
#define LIBEXO_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/channel.h>

enum {
	EXO_CHANNEL_WINDOW = 32,
	EXO_CHANNEL_REPEAT_NS = 100000000,
	EXO_CHANNEL_ETHERNET_BYTES = 14,
	EXO_CHANNEL_FRAME_MAX = EXO_CHANNEL_ETHERNET_BYTES + sizeof(struct exo_channel_header) +
	                        EXO_CHANNEL_BODY_MAX,
	EXO_CHANNEL_FRAME_MIN = 60, /* shorter ones are padded with zeros */
};

struct exo_channel {
	uint64_t key[2];
	uint8_t mac[6]; /* ours */
	/* Sending: sequence numbers [first, next) are kept until acknowledged; from `unsent` on
	 * they wait to go out. */
	uint32_t first, unsent, next;
	uint64_t repeat_at; /* when to send again from `first`; UINT64_MAX: nothing waits */
	/* Receiving. */
	uint32_t received; /* highest in order */
	bool owes_ack;
	/* What happened, for people. */
	uint64_t frames_in, frames_out, repeated, forged, malformed, out_of_order;
	struct {
		uint32_t type, size;
		uint8_t body[EXO_CHANNEL_BODY_MAX];
	} window[EXO_CHANNEL_WINDOW];
};

/* A message that came in; body points into the frame that was given. */
struct exo_channel_message {
	uint32_t type; /* enum exo_channel_type */
	uint32_t size;
	const uint8_t *body;
};

/* Reads a key: 32 hexadecimal digits. 0 or -EXO_EINVAL. */
int exo_channel_key(uint64_t key[2], const char *text);

void exo_channel_open(struct exo_channel *channel, const uint64_t key[2], const uint8_t mac[6]);

/* Accepts a message for sending. 0, -EXO_EAGAIN (window full: after an acknowledgement),
 * -EXO_E2BIG. */
int exo_channel_send(struct exo_channel *channel, uint32_t type, const void *body, uint32_t size);

/* Room for one more message. */
bool exo_channel_room(const struct exo_channel *channel);

/* Takes in a frame (untrusted). true: `message` is the next one in order. */
bool exo_channel_input(struct exo_channel *channel, const void *frame, uint32_t length,
                       struct exo_channel_message *message);

/* Writes the next frame to go out to `frame` (EXO_CHANNEL_FRAME_MAX bytes). → its length, 0: none
 * now. `now_ns`: any clock that rises. */
uint32_t exo_channel_output(struct exo_channel *channel, uint64_t now_ns, void *frame);

/* When exo_channel_output will next have something, of the same clock; 0: now; UINT64_MAX: not
 * before an event. */
uint64_t exo_channel_due(const struct exo_channel *channel);

/* Everything sent was acknowledged. */
bool exo_channel_idle(const struct exo_channel *channel);

#endif
