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
	OUT_BYTES = 16384, /* powers of two */
	IN_BYTES = 1024,
};

static bool present;
static unsigned tries = SEND_TRIES; /* reads left until the UART is given up */

/* Free-running indices: bytes [tail, head) wait. */
static struct {
	uint32_t head, tail;
	uint8_t bytes[OUT_BYTES];
} out;
static struct {
	uint32_t head, tail;
	uint8_t bytes[IN_BYTES];
} in;

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

bool dev_serial_busy(void)
{
	return __atomic_load_n(&out.head, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&out.tail, __ATOMIC_RELAXED);
}

/* What was received moves on before the UART's 16 bytes overflow; what finds no room is lost. */
static void receive(void)
{
	while ((x86_in8(STATUS) & STATUS_RECEIVED) != 0) {
		uint8_t byte = x86_in8(DATA);

		if (in.head - in.tail < IN_BYTES)
			in.bytes[in.head++ % IN_BYTES] = byte;
	}
}

/* Fills the transmit FIFO, if it is empty. */
static bool send(void)
{
	if ((x86_in8(STATUS) & STATUS_CAN_SEND) == 0)
		return false;
	tries = SEND_TRIES;
	for (unsigned room = FIFO_BYTES; room > 0 && out.tail != out.head; room--)
		x86_out8(DATA, out.bytes[out.tail++ % OUT_BYTES]);
	return true;
}

void dev_serial_poll(void)
{
	if (!present)
		return;
	receive();
	while (out.tail != out.head && send())
		;
}

void dev_serial_flush(void)
{
	while (present && out.tail != out.head) {
		if (!send() && --tries == 0) {
			present = false;
			out.tail = out.head;
		}
	}
}

static void put(uint8_t byte)
{
	if (out.head - out.tail == OUT_BYTES)
		dev_serial_flush();
	out.bytes[out.head++ % OUT_BYTES] = byte;
}

void dev_serial_write(const char *text, size_t size)
{
	for (size_t i = 0; i < size && present; i++) {
		if (text[i] == '\n')
			put('\r');
		put((uint8_t)text[i]);
	}
	dev_serial_poll();
}

size_t dev_serial_read(char *text, size_t size)
{
	size_t n = 0;

	if (present)
		receive();
	while (n < size && in.tail != in.head)
		text[n++] = (char)in.bytes[in.tail++ % IN_BYTES];
	return n;
}
