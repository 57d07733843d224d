/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The serial console: the first 16550 (port 0x3f8), 115,200 baud, 8N1, polled. Where there is none,
 * writing costs nothing and reading finds nothing.
 */
#ifndef DEV_SERIAL_H
#define DEV_SERIAL_H

#include <stddef.h>

/* Looks for the UART and sets it up. Other functions do nothing before. */
void dev_serial_init(void);
/* Writes bytes as they are, except that a newline gets its carriage return. */
void dev_serial_write(const char *text, size_t size);
/* Takes what was received, at most `size` bytes; returns how many. */
size_t dev_serial_read(char *text, size_t size);

#endif
