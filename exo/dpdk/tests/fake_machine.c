/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_machine.h. Configuration space: PCI 3.0, chapter 6. */
#include "fake_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/machine.h"
#include "../../x86_64/x86.h"
#include "../internal.h"
#include "../pci.h"

enum {
	SLOT = 3, /* where the device is on bus 0 */
	STATUS = 0x06,
	STATUS_CAPABILITIES = 0x10,
	CAPABILITIES = 0x34,
	MSIX = 0x40,
	MSIX_TABLE_BAR = 4,
	EXPRESS = 0x60,
	BARS = 6,
	PATTERN = 1 << 20,
	COPIES = 64,
};
#define BAR_BYTES    ((uint64_t)PATTERN * COPIES)
#define WIDE_PLACE   0x4000000000ull
#define NARROW_PLACE 0x40000000ull

static struct fake_device plugged;
static uint8_t config[PCI_CONFIG_SIZE];
static int pattern = -1;
static void *bars[BARS]; /* as mapped */

static void put(unsigned offset, unsigned size, uint64_t value)
{
	memcpy(config + offset, &value, size);
}

/* A megabyte of what the registers say, to be seen again and again: a page that is written to
 * becomes the device's own. */
static void make_pattern(enum fake_registers registers)
{
	static uint32_t words[PATTERN / 4];
	uint32_t x = 2463534242;

	memset(words, registers == FAKE_ONES ? 0xff : 0, sizeof(words));
	for (unsigned i = 0; registers == FAKE_NOISE && i < PATTERN / 4; i++) {
		x ^= x << 13; /* Marsaglia, "Xorshift RNGs", 2003 */
		x ^= x >> 17;
		x ^= x << 5;
		words[i] = x;
	}
	pattern = memfd_create("registers", 0);
	if (pattern < 0 || write(pattern, words, sizeof(words)) != sizeof(words))
		abort();
}

static bool is_bar(unsigned i)
{
	return plugged.narrow ? i < 2 : i % 2 == 0;
}

static uint64_t bar_place(unsigned i)
{
	return (plugged.narrow ? NARROW_PLACE : WIDE_PLACE) + i * BAR_BYTES;
}

void fake_machine_plug(const struct fake_device *device)
{
	plugged = *device;
	put(PCI_VENDOR, 2, device->vendor);
	put(PCI_DEVICE, 2, device->device);
	put(STATUS, 2, STATUS_CAPABILITIES);
	put(PCI_CLASS, 4, 0x02000001); /* Ethernet, revision 1 */
	put(PCI_SUBSYSTEM_VENDOR, 2, device->vendor);
	put(CAPABILITIES, 1, MSIX);
	for (unsigned i = 0; i < BARS; i++)
		if (is_bar(i))
			put(PCI_BAR0 + 4 * i, device->narrow ? 4 : 8,
			    bar_place(i) | (device->narrow ? 0 : PCI_BAR_64BIT));
	put(MSIX, 4, 0x00030011 | EXPRESS << 8); /* four vectors */
	put(MSIX + 4, 4, MSIX_TABLE_BAR);
	put(MSIX + 8, 4, 0x1000 | MSIX_TABLE_BAR);
	put(EXPRESS, 4, 0x00020010); /* version 2, the last one */
	make_pattern(device->registers);
}

/* ---- What x86_64/ offers, and functions.c ---- */

void x86_dma_trust(unsigned bus, unsigned device, unsigned function)
{
}

uint16_t dpdk_functions_plan(const struct pci_function *f)
{
	return 0;
}

uint32_t x86_pci_read(unsigned bus, unsigned device, unsigned function, unsigned offset,
                      unsigned size)
{
	uint32_t value = UINT32_MAX;

	if (bus != 0 || device != SLOT || function != 0 || offset + size > sizeof(config))
		return size == 4 ? value : value >> (32 - 8 * size);
	value = 0;
	memcpy(&value, config + offset, size);
	return value;
}

/* Of a BAR, only the bits above its size can be written. */
static void write_bar(unsigned i, uint32_t value)
{
	if (is_bar(i))
		value = (uint32_t)(value & ~(BAR_BYTES - 1)) | (plugged.narrow ? 0 : PCI_BAR_64BIT);
	else if (plugged.narrow)
		value = 0;
	put(PCI_BAR0 + 4 * i, 4, value);
}

void x86_pci_write(unsigned bus, unsigned device, unsigned function, unsigned offset, unsigned size,
                   uint32_t value)
{
	if (bus != 0 || device != SLOT || function != 0 || offset + size > sizeof(config))
		return;
	if (offset >= PCI_BAR0 && offset < PCI_BAR0 + 4 * BARS)
		write_bar((offset - PCI_BAR0) / 4, value);
	else if (offset >= PCI_COMMAND)
		put(offset, size, value);
}

static void *map_pattern(void)
{
	char *at = mmap(NULL, BAR_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned copy = 0; at != MAP_FAILED && copy < COPIES; copy++)
		if (mmap(at + (size_t)copy * PATTERN, PATTERN, PROT_READ | PROT_WRITE,
		         MAP_PRIVATE | MAP_FIXED, pattern, 0) == MAP_FAILED)
			abort();
	return at == MAP_FAILED ? NULL : at;
}

void *x86_device_map(uint64_t physical, uint64_t size)
{
	for (unsigned i = 0; i < BARS; i++) {
		if (!is_bar(i) || physical != bar_place(i) || size != BAR_BYTES)
			continue;
		if (bars[i] == NULL)
			bars[i] = map_pattern();
		if (bars[0] != NULL && plugged.offset != 0)
			memcpy((char *)bars[0] + plugged.offset, &plugged.value, sizeof(uint32_t));
		return bars[i];
	}
	return NULL;
}

void x86_print(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
}

/* There is no command line. */
bool dpdk_option(const char **rest, const char *name, char *to, size_t size)
{
	return false;
}

void dpdk_spare_plan(const struct pci_function *f)
{
}
