/* SPDX-License-Identifier: BSD-2-Clause */
/* machine.h's disk and screen on Linux: memory. Requests move their data when they finish. */
#include <host/host.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../core/boot_info.h"
#include "../core/machine.h"
#include "internal.h"

enum {
	SECTOR = 512,
};

static struct {
	uint8_t *disk;
	uint64_t sectors;
	unsigned finishes;
	int result;
	struct {
		uint32_t id, count;
		uint64_t sector, frame;
		bool write;
	} requests[MACHINE_DISK_REQUESTS];
	unsigned n;
	struct boot_framebuffer screen;
	uint8_t *pixels;
} devices;

void host_devices_init(const struct host_config *config)
{
	uint32_t width = config->screen_width, height = config->screen_height;

	free(devices.disk);
	free(devices.pixels);
	memset(&devices, 0, sizeof(devices));
	devices.finishes = UINT_MAX;
	devices.sectors = config->sectors;
	devices.disk = config->sectors ? calloc(config->sectors, SECTOR) : NULL;
	devices.screen = (struct boot_framebuffer){.base = width ? 0xe0000000 : 0,
	                                           .width = width,
	                                           .height = height,
	                                           .pitch = width * 4,
	                                           .bits_per_pixel = 32,
	                                           .red_shift = 16,
	                                           .green_shift = 8};
	devices.pixels = width ? calloc((size_t)width * height, 4) : NULL;
}

uint8_t *host_disk(void)
{
	return devices.disk;
}

void host_disk_finishes(unsigned requests, int result)
{
	devices.finishes = requests;
	devices.result = result;
}

const uint32_t *host_screen(void)
{
	return (const uint32_t *)devices.pixels;
}

uint64_t machine_disk_sectors(void)
{
	return devices.sectors;
}

int machine_disk_start(uint32_t id, bool write, uint64_t sector, uint64_t frame, uint32_t count)
{
	MACHINE_ASSERT(sector < devices.sectors && devices.sectors - sector >= count);
	MACHINE_ASSERT(devices.n < MACHINE_DISK_REQUESTS);
	devices.requests[devices.n].id = id;
	devices.requests[devices.n].write = write;
	devices.requests[devices.n].sector = sector;
	devices.requests[devices.n].frame = frame;
	devices.requests[devices.n].count = count;
	devices.n++;
	return 0;
}

static void move(unsigned i)
{
	uint8_t *at = devices.disk + devices.requests[i].sector * SECTOR;
	size_t left = (size_t)devices.requests[i].count * SECTOR;

	for (uint64_t frame = devices.requests[i].frame; left > 0; frame++) {
		size_t n = left < EXO_PAGE_SIZE ? left : EXO_PAGE_SIZE;

		if (devices.requests[i].write)
			memcpy(at, machine_frame(frame), n);
		else
			memcpy(machine_frame(frame), at, n);
		at += n;
		left -= n;
	}
}

bool machine_disk_done(uint32_t *id, int *result)
{
	if (devices.n == 0 || devices.finishes == 0)
		return false;
	devices.finishes--;
	devices.n--;
	if (devices.result == 0)
		move(devices.n);
	*id = devices.requests[devices.n].id;
	*result = devices.result;
	return true;
}

const struct boot_framebuffer *machine_screen(uint8_t **memory)
{
	if (memory)
		*memory = devices.pixels;
	return &devices.screen;
}
