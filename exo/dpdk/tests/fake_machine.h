/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine with one PCI device, in a Linux process: what ../pci_find.c and ../pci_bus.c ask
 * x86_64/ for. The device has an id, a class, two capabilities and 64 MiB of registers, which are
 * ordinary memory: they say what they were told to say, and what was written into them.
 */
#ifndef DPDK_TESTS_FAKE_MACHINE_H
#define DPDK_TESTS_FAKE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

enum fake_registers {
	FAKE_ZEROES, /* a controller that never gets ready */
	FAKE_ONES,   /* one that has been pulled out: reads end in nothing */
	FAKE_NOISE,  /* one that makes no sense */
	FAKE_KINDS,
};

struct fake_device {
	uint16_t vendor, device;
	enum fake_registers registers;
	bool narrow; /* BARs 0 and 1 of 32 bits; else 0, 2 and 4 of 64 bits, above 4 GiB */
	/* One register of BAR 0 that says something else; 0: none does. */
	uint32_t offset, value;
};

/* The only device from now on. Once in a process. */
void fake_machine_plug(const struct fake_device *device);

#endif
