/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The serial console: a 16550 (COM1, else COM2, else what ACPI's SPCR names), 115,200 baud, 8N1,
 * polled. Where there is none, writing costs nothing and reading finds nothing.
 */
#ifndef DEV_SERIAL_H
#define DEV_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looks for the UART and sets it up. Other functions do nothing before. */
void dev_serial_init(void);
/* Moves the console to the UART at this port, where one answers. */
bool dev_serial_use(uint16_t port);
/* Writes bytes as they are, except that a newline gets its carriage return: into a buffer, from
 * which dev_serial_poll sends what the UART takes at once. Only where 16 KiB wait already does
 * writing wait for the line (87 us a byte). Functions are not concurrent, but for _busy. */
void dev_serial_write(const char *text, size_t size);
bool dev_serial_busy(void); /* something waits to be sent */
void dev_serial_poll(void);
/* Bytes that find room in the buffer now. */
size_t dev_serial_room(void);
/* Sends everything that waits: before the end. A UART that is stuck is given up. */
void dev_serial_flush(void);
/* Takes what was received, at most `size` bytes; returns how many. */
size_t dev_serial_read(char *text, size_t size);

#endif
