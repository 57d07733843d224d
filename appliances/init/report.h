/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a machine in a rack tells the network by itself, in UDP datagrams that are broadcast on a
 * NIC port, so that they need neither a route nor a neighbour:
 *
 *     report=PORT       "I am up": one line of JSON, at once, again a few times, then each 10 s
 *     syslog=PORT       the console's lines, each a message of RFC 5424
 *     reboot=KEY        32 hexadecimal digits: who knows them may reboot the machine
 *
 * A reboot is asked for by the datagram `reboot NONCE MAC` to REPORT_PORT of the machine: NONCE is
 * the one that its last report held, MAC the SipHash-2-4 of `reboot NONCE` under KEY, both 16
 * hexadecimal digits. The nonce is drawn at start, so that what was once heard is of no use later.
 */
#ifndef INIT_REPORT_H
#define INIT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/start.h>

enum {
	REPORT_PORT = 7516, /* where reports come from and commands go to */
};

struct report_options {
	uint16_t report, syslog; /* UDP ports; 0: not asked for */
	bool has_key;
	uint64_t key[2];
};

/* Takes what was asked for into use, on NIC port 0. Says what does not work. */
void report_open(void);
/* Everything has started: begins to report. */
void report_up(uint32_t running);
void report_run(uint64_t now_ns);
/* When report_run wants to run again at the latest. */
uint64_t report_due(uint64_t now_ns);

#endif
