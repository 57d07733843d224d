/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames out of a network interface of the kernel's by AF_XDP
 * (Documentation/networking/af_xdp.rst), in the mode that every interface has: the kernel copies a
 * frame out of memory that both share and hands it to the driver at once, past queueing disciplines
 * and taps. That costs it about half of what af_packet's ring does. No program is attached: what
 * the interface receives stays the kernel's, unlike with DPDK's driver for AF_XDP, which takes all
 * of it.
 *
 *   xdp_sender_open → take, fill in, take … → send → … → close
 */
#ifndef REPLAY_TOOL_XDP_SENDER_H
#define REPLAY_TOOL_XDP_SENDER_H

#include <stdbool.h>
#include <stdint.h>

struct xdp_sender;

/* NULL where this kernel, this interface or our privileges don't allow it, where another process
 * has it, or frames of `longest` bytes don't fit into a page. */
struct xdp_sender *xdp_sender_open(const char *interface, uint32_t longest);
void xdp_sender_close(struct xdp_sender *sender); /* may be NULL */

/* Room for a frame of `length` bytes (at most `longest`); NULL where there is none now: PORT_BURST
 * are taken, or the interface still holds too many. */
uint8_t *xdp_sender_take(struct xdp_sender *sender, uint32_t length);

/* Hands what was taken to the kernel, oldest first; returns how many of them it took. The rest
 * stays taken. *dropped grows by those that the interface then refused; *accepts: it did not
 * refuse. */
unsigned xdp_sender_send(struct xdp_sender *sender, uint64_t *dropped, bool *accepts);

#endif
