/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host channel. A frame's fields are copied out before its authenticator is checked, and
 * nothing of it is used before. The authenticator covers the header with its own field zero, and
 * the body.
 */
#include <exo/error.h>
#include <exo/siphash.h>
#include <libexo/channel.h>
#include <libexo/lib.h>

#define HEADER_AT EXO_CHANNEL_ETHERNET_BYTES
#define BODY_AT   (HEADER_AT + sizeof(struct exo_channel_header))

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int exo_channel_key(uint64_t key[2], const char *text)
{
	uint8_t bytes[16];

	if (strlen(text) != 2 * sizeof(bytes))
		return -EXO_EINVAL;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EXO_EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(key, bytes, sizeof(bytes));
	return 0;
}

void exo_channel_open(struct exo_channel *channel, const uint64_t key[2], const uint8_t mac[6])
{
	memset(channel, 0, sizeof(*channel));
	channel->key[0] = key[0];
	channel->key[1] = key[1];
	memcpy(channel->mac, mac, sizeof(channel->mac));
	channel->first = channel->unsent = channel->next = 1;
	channel->repeat_at = UINT64_MAX;
}

bool exo_channel_room(const struct exo_channel *channel)
{
	return channel->next - channel->first < EXO_CHANNEL_WINDOW;
}

int exo_channel_send(struct exo_channel *channel, uint32_t type, const void *body, uint32_t size)
{
	unsigned slot = channel->next % EXO_CHANNEL_WINDOW;

	if (size > EXO_CHANNEL_BODY_MAX)
		return -EXO_E2BIG;
	if (!exo_channel_room(channel))
		return -EXO_EAGAIN;
	channel->window[slot].type = type;
	channel->window[slot].size = size;
	if (size > 0)
		memcpy(channel->window[slot].body, body, size);
	channel->next++;
	return 0;
}

/* ---- Input ---- */

/* The authenticator of the frame at `frame`, whose header is `header`. */
static uint64_t authenticate(const struct exo_channel *channel,
                             const struct exo_channel_header *header, const uint8_t *body)
{
	uint8_t text[sizeof(*header) + EXO_CHANNEL_BODY_MAX];
	struct exo_channel_header bare = *header;

	bare.mac = 0;
	memcpy(text, &bare, sizeof(bare));
	memcpy(text + sizeof(bare), body, header->size);
	return exo_siphash(channel->key, text, sizeof(bare) + header->size);
}

/* Copies the header of a frame that is ours and whole. Untrusted. */
static bool read_header(struct exo_channel *channel, const uint8_t *frame, uint32_t length,
                        struct exo_channel_header *header)
{
	if (length < BODY_AT || frame[12] != EXO_CHANNEL_ETHERTYPE >> 8 ||
	    frame[13] != (EXO_CHANNEL_ETHERTYPE & 0xff))
		goto malformed;
	memcpy(header, frame + HEADER_AT, sizeof(*header));
	if (header->magic != EXO_CHANNEL_MAGIC || header->version != EXO_CHANNEL_VERSION ||
	    header->size > EXO_CHANNEL_BODY_MAX || header->size > length - BODY_AT)
		goto malformed;
	if (authenticate(channel, header, frame + BODY_AT) != header->mac) {
		channel->forged++;
		return false;
	}
	return true;

malformed:
	channel->malformed++;
	return false;
}

/* The other side has everything up to `ack`. */
static void acknowledge(struct exo_channel *channel, uint32_t ack)
{
	uint32_t n = ack + 1 - channel->first;

	if (n == 0 || n > channel->next - channel->first)
		return;
	channel->first += n;
	if ((int32_t)(channel->unsent - channel->first) < 0)
		channel->unsent = channel->first;
	/* Progress: the rest gets its full time again; exo_channel_output sets the clock. */
	channel->repeat_at = channel->first == channel->unsent ? UINT64_MAX : 0;
}

bool exo_channel_input(struct exo_channel *channel, const void *frame, uint32_t length,
                       struct exo_channel_message *message)
{
	struct exo_channel_header header;

	if (!read_header(channel, frame, length, &header))
		return false;
	channel->frames_in++;
	acknowledge(channel, header.ack);
	if (header.type == EXO_CHANNEL_ACK)
		return false;
	channel->owes_ack = true;
	if (header.sequence != channel->received + 1) {
		channel->out_of_order++;
		return false;
	}
	channel->received++;
	message->type = header.type;
	message->size = header.size;
	message->body = (const uint8_t *)frame + BODY_AT;
	return true;
}

/* ---- Output ---- */

static uint32_t write_frame(struct exo_channel *channel, uint8_t *frame, uint32_t sequence,
                            uint32_t type, const uint8_t *body, uint32_t size)
{
	struct exo_channel_header header = {
	        .magic = EXO_CHANNEL_MAGIC,
	        .version = EXO_CHANNEL_VERSION,
	        .type = (uint16_t)type,
	        .sequence = sequence,
	        .ack = channel->received,
	        .size = size,
	};
	uint32_t length = (uint32_t)BODY_AT + size;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, channel->mac, 6);
	frame[12] = EXO_CHANNEL_ETHERTYPE >> 8;
	frame[13] = EXO_CHANNEL_ETHERTYPE & 0xff;
	if (size > 0)
		memcpy(frame + BODY_AT, body, size);
	header.mac = authenticate(channel, &header, frame + BODY_AT);
	memcpy(frame + HEADER_AT, &header, sizeof(header));
	if (length < EXO_CHANNEL_FRAME_MIN) {
		memset(frame + length, 0, EXO_CHANNEL_FRAME_MIN - length);
		length = EXO_CHANNEL_FRAME_MIN;
	}
	channel->owes_ack = false;
	channel->frames_out++;
	return length;
}

uint32_t exo_channel_output(struct exo_channel *channel, uint64_t now_ns, void *frame)
{
	if (channel->repeat_at == 0)
		channel->repeat_at = now_ns + EXO_CHANNEL_REPEAT_NS;
	if (channel->repeat_at <= now_ns) {
		channel->repeated += channel->unsent - channel->first;
		channel->unsent = channel->first;
		channel->repeat_at = UINT64_MAX;
	}
	if (channel->unsent != channel->next) {
		uint32_t sequence = channel->unsent++;
		unsigned slot = sequence % EXO_CHANNEL_WINDOW;

		if (channel->repeat_at == UINT64_MAX)
			channel->repeat_at = now_ns + EXO_CHANNEL_REPEAT_NS;
		return write_frame(channel, frame, sequence, channel->window[slot].type,
		                   channel->window[slot].body, channel->window[slot].size);
	}
	if (channel->owes_ack)
		return write_frame(channel, frame, 0, EXO_CHANNEL_ACK, NULL, 0);
	return 0;
}

uint64_t exo_channel_due(const struct exo_channel *channel)
{
	if (channel->owes_ack || channel->unsent != channel->next)
		return 0;
	return channel->repeat_at;
}

bool exo_channel_idle(const struct exo_channel *channel)
{
	return channel->first == channel->next;
}
