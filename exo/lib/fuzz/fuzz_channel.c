/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the host channel's input. A valid authenticator can't be guessed, so the first byte
 * chooses whether the harness seals the frame itself.
 */
#include <stdint.h>
#include <string.h>

#include <exo/siphash.h>
#include <libexo/channel.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	HEADER_AT = EXO_CHANNEL_ETHERNET_BYTES,
	BODY_AT = HEADER_AT + sizeof(struct exo_channel_header),
};

static void seal(uint8_t *frame, uint32_t length, const uint64_t key[2])
{
	struct exo_channel_header header;

	memcpy(&header, frame + HEADER_AT, sizeof(header));
	header.magic = EXO_CHANNEL_MAGIC;
	header.version = EXO_CHANNEL_VERSION;
	if (header.size > length - BODY_AT)
		header.size = length - BODY_AT;
	header.mac = 0;
	memcpy(frame + HEADER_AT, &header, sizeof(header));
	header.mac = exo_siphash(key, frame + HEADER_AT, sizeof(header) + header.size);
	memcpy(frame + HEADER_AT, &header, sizeof(header));
	frame[12] = EXO_CHANNEL_ETHERTYPE >> 8;
	frame[13] = EXO_CHANNEL_ETHERTYPE & 0xff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exo_channel channel;
	static const uint64_t key[2] = {3, 4};
	static const uint8_t mac[6] = {2};
	uint8_t frame[EXO_CHANNEL_FRAME_MAX], out[EXO_CHANNEL_FRAME_MAX];
	struct exo_channel_message message;

	exo_channel_open(&channel, key, mac);
	exo_channel_send(&channel, EXO_CHANNEL_HELLO, "x", 1);
	while (size > 2) {
		uint32_t length = data[1] | (data[0] & 7u) << 8;
		int sealed = data[0] >> 7;

		data += 2;
		size -= 2;
		if (length > size)
			length = (uint32_t)size;
		if (length > sizeof(frame))
			length = sizeof(frame);
		memcpy(frame, data, length);
		data += length;
		size -= length;
		if (sealed && length >= BODY_AT)
			seal(frame, length, key);
		if (exo_channel_input(&channel, frame, length, &message) && message.size > 0)
			out[0] = message.body[message.size - 1];
		while (exo_channel_output(&channel, 1000, out) > 0)
			;
	}
	return 0;
}
