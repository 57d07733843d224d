/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot's random name and the time namespace's number, hashed.
 */
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "own_clock.h"

enum { WORDS = 128 };

static ssize_t read_words(char *words, size_t room)
{
	int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = file < 0 ? -1 : read(file, words, room);

	if (file >= 0)
		(void)close(file);
	return got;
}

uint16_t own_clock(void)
{
	char words[WORDS];
	ssize_t boot = read_words(words, WORDS / 2);
	ssize_t space = boot > 0 ? readlink("/proc/self/ns/time", words + boot, WORDS / 2) : 0;
	uint32_t hash = 0x811c9dc5u; /* FNV-1a */

	if (boot <= 0)
		return 0;
	for (ssize_t i = 0; i < boot + (space > 0 ? space : 0); i++)
		hash = (hash ^ (uint8_t)words[i]) * 0x01000193u;
	hash = (hash ^ hash >> 16) & 0xffff;
	return hash ? (uint16_t)hash : 1;
}

uint32_t own_clock_run(void)
{
	uint16_t chance = 0;

	if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
		chance = (uint16_t)getpid();
	return (uint32_t)chance << 16 | own_clock();
}
