/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550 UART: National Semiconductor PC16550D data sheet, section 8. */
#include "serial.h"

#include <stdbool.h>
#include <stdint.h>

#include "../x86_64/x86.h"

enum {
	COM1 = 0x3f8,
	COM2 = 0x2f8,
	DATA = 0,       /* divisor low byte while DLAB is set */
	INTERRUPTS = 1, /* divisor high byte while DLAB is set */
	FIFO = 2,
	LINE = 3,
	MODEM = 4,
	STATUS = 5,
	SCRATCH = 7,

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
static uint16_t base;

static void set(unsigned reg, uint8_t value)
{
	x86_out8((uint16_t)(base + reg), value);
}

static uint8_t get(unsigned reg)
{
	return x86_in8((uint16_t)(base + reg));
}

bool dev_serial_use(uint16_t port)
{
	uint16_t old = base;

	if (present && port == base)
		return true;
	dev_serial_flush();
	base = port;
	set(SCRATCH, 0x5a);
	if (get(SCRATCH) != 0x5a) {
		base = old;
		return false;
	}
	set(INTERRUPTS, 0);
	set(LINE, 0x80); /* DLAB */
	set(DATA, 1);
	set(INTERRUPTS, 0);
	set(LINE, 0x03);
	set(FIFO, 0x07);
	set(MODEM, 0x03);
	present = true;
	return true;
}

void dev_serial_init(void)
{
	if (!dev_serial_use(COM1))
		(void)dev_serial_use(COM2);
}

bool dev_serial_busy(void)
{
	return __atomic_load_n(&out.head, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&out.tail, __ATOMIC_RELAXED);
}

/* What was received moves on before the UART's 16 bytes overflow; what finds no room is lost. */
static void receive(void)
{
	while ((get(STATUS) & STATUS_RECEIVED) != 0) {
		uint8_t byte = get(DATA);

		if (in.head - in.tail < IN_BYTES)
			in.bytes[in.head++ % IN_BYTES] = byte;
	}
}

/* Fills the transmit FIFO, if it is empty. */
static bool send(void)
{
	if ((get(STATUS) & STATUS_CAN_SEND) == 0)
		return false;
	tries = SEND_TRIES;
	for (unsigned room = FIFO_BYTES; room > 0 && out.tail != out.head; room--)
		set(DATA, out.bytes[out.tail++ % OUT_BYTES]);
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

static void send_or_give_up(void)
{
	if (!send() && --tries == 0) {
		present = false;
		out.tail = out.head;
	}
}

size_t dev_serial_room(void)
{
	if (present && out.head - out.tail > OUT_BYTES / 2)
		send_or_give_up();
	dev_serial_poll();
	return present ? OUT_BYTES - (out.head - out.tail) : SIZE_MAX;
}

void dev_serial_flush(void)
{
	while (present && out.tail != out.head)
		send_or_give_up();
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
