/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line, as far as it is init's:
 *
 *     ip=ADDR/LEN[,GATEWAY][@PORT[.VLAN]]
 *                                    an address of the machine, IPv4 or IPv6, on a NIC port
 *                                    (default 0), in a VLAN of it or untagged; repeatable: the
 *                                    manifest counts them from 0
 *     ip=dhcp[,ADDR/LEN[,GATEWAY]][@PORT]
 *                                    one that a DHCP server gives; ADDR where none answers.
 *                                    Without any ip= the addresses that the manifest wants are
 *                                    asked for
 *     ip=auto[@PORT]                 an IPv6 address formed from what routers announce
 *     dns=ADDR                       a name server, told to environments with addresses before
 *                                    those that DHCP and routers name; up to four
 *     stable=KEY                     32 hexadecimal digits: what formed addresses are made of
 *                                    besides prefix and MAC (RFC 7217)
 *     channel=KEY                    32 hexadecimal digits: the host channel's key
 *     cores=PORT                     send ELF cores of environments that fault by the host
 *                                    channel, on this NIC port where the manifest names none
 *     retry=SECONDS                  start the machine again, that long after a payload came
 *                                    damaged: whoever loads it may have better luck
 *     report=PORT, syslog=PORT, reboot=KEY
 *                                    report.h
 *     ledger                         list the ledger when everything has started, and before
 *                                    power-off
 *
 * Other words belong to the kernel or to nobody; they are left alone.
 */
#ifndef INIT_OPTIONS_H
#define INIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/start.h>

#include "report.h"

enum {
	OPTIONS_ERROR_MAX = 160,
};

struct options {
	unsigned n_addresses;
	struct exo_start_address addresses[EXO_START_ADDRESSES_MAX]; /* mac and mtu not filled in;
	                                                                family 0: not known */
	uint32_t by_dhcp; /* bit set: these are asked for; what is in `addresses` is a fall-back */
	uint32_t formed;  /* bit set: these are formed from router announcements */
	uint64_t stable[2];
	unsigned n_servers;
	struct exo_start_server servers[EXO_START_SERVERS_MAX];
	bool has_key, ledger, cores;
	uint32_t cores_port;
	struct report_options report;
	uint32_t retry; /* seconds; 0: a damaged payload is lived with */
	uint64_t key[2];
};

/* Takes one word in. 0, or -EXO_EINVAL (-EXO_E2BIG: too many addresses) with the reason, which
 * names the word. */
int options_take(struct options *options, const char *word, char error[OPTIONS_ERROR_MAX]);

/* Reads the address that `text` begins with. → its bytes, behind which anything may stand; 0: there
 * is none. */
unsigned options_address(const char *text, uint8_t *family, uint8_t address[16]);

#endif
