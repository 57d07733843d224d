/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts about the machine below the kernel, for who diagnoses it: EXO_CALL_FACT with a key of
 * EXO_KIND_MACHINE with READ. The kernel neither uses nor keeps them.
 */
#ifndef EXO_FACT_H
#define EXO_FACT_H

#include <stdint.h>

enum exo_fact_kind {
	/* index: bus << 20 | device << 15 | function << 12 | register (a multiple of 4). → the
	   register's 32 bits; what does not exist reads as all ones. Nothing is copied. */
	EXO_FACT_PCI = 0,
	/* The index-th range of the firmware's memory map: base, size, type (ACPI's numbers: 1 RAM,
	   2 reserved, 3 and 4 ACPI's, 5 bad). */
	EXO_FACT_MEMORY = 1,
	/* The index-th ACPI table: text (its signature), base, size. */
	EXO_FACT_TABLE = 2,
	/* How the kernel was started: text (the boot protocol), type (1: Secure Boot). Index 0. */
	EXO_FACT_BOOT = 3,
	/* What the console has shown, from byte `index` since the start on: text, size; base: the
	   byte with which text really begins, later than asked for where older text is gone. */
	EXO_FACT_CONSOLE = 4,
};

enum {
	EXO_FACT_TEXT_MAX = 1024,
};

struct exo_fact {
	uint64_t base, size;
	uint32_t type, reserved;
	char text[EXO_FACT_TEXT_MAX]; /* NUL-terminated, except of EXO_FACT_CONSOLE */
};

#endif
