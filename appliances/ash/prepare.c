/* SPDX-License-Identifier: BSD-2-Clause */
/* What handlers find in their maps and arenas. */
#include <libexo/lib.h>
#include <libexo/printf.h>
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

/* memcached.c: answers as they are sent, one behind the other in the arena. */
static int add_value(const struct exo_ext *ext, uint32_t *offset, const char *key, const char *data)
{
	struct {
		uint8_t length;
		char bytes[31];
	} name = {(uint8_t)strlen(key), ""};
	char *at = (char *)ext->arena.address + *offset;
	uint32_t place[2] = {*offset, 0};

	memcpy(name.bytes, key, strlen(key));
	place[1] = (uint32_t)exo_snprintf(at, EXO_PAGE_SIZE, "VALUE %s 0 %u\r\n%s\r\nEND\r\n", key,
	                                  (unsigned)strlen(data), data);
	*offset += place[1];
	return exo_ext_update(ext, "values", &name, sizeof(name), place, sizeof(place));
}

static int prepare_memcached(const struct exo_ext *ext)
{
	uint32_t offset = 0;
	int result = add_value(ext, &offset, "version", SLUICE_VERSION);

	return result < 0 ? result : add_value(ext, &offset, "greeting", "hello from the kernel");
}

/* http.c: the whole response, and what cookies are made from. */
static int prepare_http(const struct exo_ext *ext)
{
	static const char body[] =
	        "<!doctype html><title>Sluice</title><p>Answered in the kernel.\n";
	uint32_t zero = 0, length;
	int result;

	length = (uint32_t)exo_snprintf(ext->arena.address, EXO_PAGE_SIZE,
	                                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
	                                "Content-Length: %u\r\nConnection: close\r\n\r\n%s",
	                                (unsigned)sizeof(body) - 1, body);
	result = exo_ext_update(ext, "length", &zero, 4, &length, 4);
	return result < 0 ? result
	                  : exo_ext_update(ext, "secret", &zero, 4, exo_start_page()->seed, 16);
}

static int prepare_nothing(const struct exo_ext *ext)
{
	(void)ext;
	return 0;
}

static const struct preparation {
	const char *handler;
	uint32_t frames; /* of its arenas */
	int (*prepare)(const struct exo_ext *ext);
} preparations[] = {
        {"neighbour", 0, prepare_neighbour},
        {"memcached", 16, prepare_memcached},
        {"http", 1, prepare_http},
        {"active", 16, prepare_nothing},
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
