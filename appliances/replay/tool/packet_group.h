/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DPDK's af_packet joins each interface to a fan-out group whose number it makes of the process's
 * and the interface's, so that two processes on two interfaces often want the same one; the kernel
 * then refuses the later. A child has another number.
 */
#ifndef REPLAY_TOOL_PACKET_GROUP_H
#define REPLAY_TOOL_PACKET_GROUP_H

/*
 * Returns where the groups that this process would want on the network interfaces among `names` are
 * free: in this process, or in a child of it. Then the parent never returns: it passes signals on
 * and ends as the child did. Call it before the process has threads or files of its own; a NULL
 * name is passed over.
 */
void packet_group_settle(const char *const *names, unsigned n);

#endif
