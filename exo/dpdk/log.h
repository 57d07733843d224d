/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DPDK_LOG_H
#define DPDK_LOG_H

/* Sets the level of DPDK's log types: errors, and what dpdk.log= on the command line says. */
void dpdk_log_init(const char *command_line);

#endif
