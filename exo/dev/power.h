/* SPDX-License-Identifier: BSD-2-Clause */
/* Power: ACPI soft-off and reset, with the usual ways round them, and an emulator's exit device. */
#ifndef DEV_POWER_H
#define DEV_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/call.h>

/* A byte-wide register; address 0: not there. */
struct dev_register {
	uint64_t address; /* a port, or where the register is mapped */
	bool mapped;
};

/* What ACPI says about power; 0 in a port: not there. Set once, before dev_power is called. */
struct dev_power {
	uint16_t pm1a, pm1b;       /* PM1 control ports (ACPI 6.4, 4.8.3.2) */
	uint8_t sleep_a, sleep_b;  /* SLP_TYP values of \_S5 */
	struct dev_register sleep; /* hardware-reduced: sleep control (4.8.3.7) */
	struct dev_register reset; /* reset register (4.8.3.6) */
	uint8_t reset_value;
};
void dev_power_set(const struct dev_power *how);

enum {
	/* isa-debug-exit (`-device isa-debug-exit,iobase=0xf4,iosize=4`): QEMU exits with code
	   2 * value + 1. */
	DEV_POWER_EXIT_PORT = 0xf4,
};

/* Does it; returns only where nothing worked. EXIT falls back to OFF. */
void dev_power(enum exo_power what, uint32_t code);

#endif
