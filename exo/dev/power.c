/* SPDX-License-Identifier: BSD-2-Clause */
/* Turning the machine off: ACPI 6.4, chapters 4.8.3 and 7.4.2; reset: 4.8.3.6, then the keyboard
 * controller's line, then port 0xcf9 of PCI chipsets. */
#include "power.h"

#include "../x86_64/x86.h"

enum {
	SLP_EN = 1 << 13,
	SLP_TYP_SHIFT = 10,
	SLEEP_EN = 1 << 5, /* in the hardware-reduced register */
	SLEEP_TYP_SHIFT = 2,
	SETTLE_US = 10000,
};

static struct dev_power known;

void dev_power_set(const struct dev_power *how)
{
	known = *how;
}

static void write_register(const struct dev_register *reg, uint8_t value)
{
	if (reg->mapped)
		*(volatile uint8_t *)reg->address = value;
	else if (reg->address != 0)
		x86_out8((uint16_t)reg->address, value);
}

static void soft_off(void)
{
	write_register(&known.sleep, (uint8_t)(known.sleep_a << SLEEP_TYP_SHIFT | SLEEP_EN));
	if (known.pm1a != 0)
		x86_out16(known.pm1a, (uint16_t)(known.sleep_a << SLP_TYP_SHIFT | SLP_EN));
	if (known.pm1b != 0)
		x86_out16(known.pm1b, (uint16_t)(known.sleep_b << SLP_TYP_SHIFT | SLP_EN));
	x86_delay_us(SETTLE_US);
}

static void reset(void)
{
	write_register(&known.reset, known.reset_value);
	x86_delay_us(SETTLE_US);
	x86_out8(0xcf9, 0x02);
	x86_out8(0xcf9, 0x06);
	x86_delay_us(SETTLE_US);
	x86_out8(0x64, 0xfe);
	x86_delay_us(SETTLE_US);
}

void dev_power(enum exo_power what, uint32_t code)
{
	if (what == EXO_POWER_EXIT)
		x86_out32(DEV_POWER_EXIT_PORT, code);
	if (what == EXO_POWER_RESET)
		reset();
	else
		soft_off();
}
