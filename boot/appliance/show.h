/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Printing a payload for people: what init will start and grant.
 */
#ifndef BOOT_SHOW_H
#define BOOT_SHOW_H

/* Prints the payload in the file; returns the program's exit status. */
int payload_show(const char *path);

#endif
