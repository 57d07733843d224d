/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams from anybody, onto a small picture of each sampling: the first byte chooses it, and how
 * the rest is cut into datagrams. */
#include <stdlib.h>

#include "../receiver.h"

enum { WIDTH = 32, HEIGHT = 8, SAMPLINGS = 5 };

static void show(void *context)
{
	const struct picture *picture = context;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < picture->width * picture->height; i++)
		sum |= picture->pixels[i];
	if (sum >> 24 != 0)
		abort(); /* a colour spilt */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char *name;
		unsigned depth;
	} samplings[SAMPLINGS] = {{"YCbCr-4:2:2", 8},
	                          {"YCbCr-4:2:2", 10},
	                          {"YCbCr-4:2:0", 8},
	                          {"RGB", 8},
	                          {"BGR", 8}};
	struct picture picture = {.width = WIDTH, .height = HEIGHT};
	struct receiver receiver = {.picture = &picture, .show = show, .context = &picture};
	uint64_t now = 0;
	size_t step;

	if (size < 2)
		return 0;
	picture.sampling = picture_sampling(samplings[data[0] % SAMPLINGS].name,
	                                    samplings[data[0] % SAMPLINGS].depth);
	picture.matrix = picture_matrix(data[0] & 128 ? "BT601-5" : "BT709-2");
	picture.pixels = calloc((size_t)WIDTH * HEIGHT, sizeof *picture.pixels);
	step = 20 + data[1];
	for (data += 2, size -= 2; size > 0; now += 300) {
		size_t n = size < step ? size : step;
		/* Of its own, so that a byte too far is noticed. */
		uint8_t *datagram = malloc(n);

		for (size_t i = 0; i < n; i++)
			datagram[i] = data[i];
		receiver_input(&receiver, datagram, n, now);
		free(datagram);
		data += n;
		size -= n;
	}
	free(picture.pixels);
	return 0;
}
