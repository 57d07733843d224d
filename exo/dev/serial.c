/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550 UART: National Semiconductor PC16550D data sheet, section 8. */
#include "serial.h"

#include <stdbool.h>
#include <stdint.h>

#include "../x86_64/x86.h"

enum {
	PORT = 0x3f8,
	DATA = PORT,           /* divisor low byte while DLAB is set */
	INTERRUPTS = PORT + 1, /* divisor high byte while DLAB is set */
	FIFO = PORT + 2,
	LINE = PORT + 3,
	MODEM = PORT + 4,
	STATUS = PORT + 5,
	SCRATCH = PORT + 7,

	STATUS_RECEIVED = 0x01,
	STATUS_CAN_SEND = 0x20,
	FIFO_BYTES = 16,
	/* A byte takes 87 us; a UART that has not sent one after this many reads is stuck. */
	SEND_TRIES = 100000,
};

static bool present;
static unsigned room; /* bytes that the transmit FIFO surely takes */

void dev_serial_init(void)
{
	x86_out8(SCRATCH, 0x5a);
	if (x86_in8(SCRATCH) != 0x5a)
		return;
	x86_out8(INTERRUPTS, 0);
	x86_out8(LINE, 0x80); /* DLAB */
	x86_out8(DATA, 1);
	x86_out8(INTERRUPTS, 0);
	x86_out8(LINE, 0x03);
	x86_out8(FIFO, 0x07);
	x86_out8(MODEM, 0x03);
	present = true;
}

static void put(uint8_t byte)
{
	unsigned tries = SEND_TRIES;

	while (room == 0) {
		if ((x86_in8(STATUS) & STATUS_CAN_SEND) != 0)
			room = FIFO_BYTES;
		else if (--tries == 0) {
			present = false;
			return;
		}
	}
	room--;
	x86_out8(DATA, byte);
}

void dev_serial_write(const char *text, size_t size)
{
	for (size_t i = 0; i < size && present; i++) {
		if (text[i] == '\n')
			put('\r');
		put((uint8_t)text[i]);
	}
}

size_t dev_serial_read(char *text, size_t size)
{
	size_t n = 0;

	while (n < size && present && (x86_in8(STATUS) & STATUS_RECEIVED) != 0)
		text[n++] = (char)x86_in8(DATA);
	return n;
}
