/* SPDX-License-Identifier: BSD-2-Clause */
/* The framebuffer behind machine_screen: the one that boot/ found, or Bochs VBE's. */
#ifndef DEV_SCREEN_H
#define DEV_SCREEN_H

struct boot_framebuffer;

/* Takes over what boot/ found; without, where the command line has screen=WIDTHxHEIGHT, sets such a
 * mode on a Bochs VBE display (QEMU's std-vga, bochs-display). Says what there is. */
void dev_screen_init(const struct boot_framebuffer *found, const char *command_line);

#endif
