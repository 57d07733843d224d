/* SPDX-License-Identifier: BSD-2-Clause */
/* What handlers find in their maps and arenas. */
#include <libexo/lib.h>
#include <libexo/start.h>

#include "ash.h"

/* neighbour.c: each address with its link address. */
static int prepare_neighbour(const struct exo_ext *ext)
{
	const struct exo_start_address *address;
	int result = 0;

	for (unsigned i = 0; (address = exo_start_address(i)) != NULL && result == 0; i++)
		result = exo_ext_update(ext, "addresses", address->address, 16, address->mac, 6);
	return result;
}

static const struct preparation {
	const char *handler;
	uint32_t frames; /* of its arenas */
	int (*prepare)(const struct exo_ext *ext);
} preparations[] = {
        {"neighbour", 0, prepare_neighbour},
};

static const struct preparation *find(const char *handler)
{
	for (unsigned i = 0; i < sizeof(preparations) / sizeof(preparations[0]); i++)
		if (strcmp(preparations[i].handler, handler) == 0)
			return &preparations[i];
	return NULL;
}

uint32_t ash_arena_frames(const char *handler)
{
	const struct preparation *found = find(handler);

	return found == NULL ? 0 : found->frames;
}

int ash_prepare(const char *handler, struct exo_ext *ext)
{
	const struct preparation *found = find(handler);

	return found == NULL ? 0 : found->prepare(ext);
}
