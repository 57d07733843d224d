/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports by name: QEMU's sockets are ours, the others are DPDK's.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "port_internal.h"

enum {
	FRAME_HEADERS = PORT_ETHERNET + 4, /* with a VLAN tag */
	FRAME_MAX = 65000,                 /* and headroom, in one buffer of DPDK's */
	INTERFACE_MAX = 32000,             /* in a slot of af_packet's, which is a power of two */
};

uint64_t port_clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const char *qemu_path(const char *name)
{
	return strncmp(name, "qemu:", 5) ? NULL : name + 5;
}

static bool is_loop(const char *name)
{
	return !strcmp(name, "loop:");
}

uint32_t ports_longest(const char *name)
{
	const char *interface = strncmp(name, "af_xdp:", 7) ? name : name + 7;
	char path[160];
	unsigned mtu = 0;

	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", interface);
	FILE *file = strchr(interface, ':') ? NULL : fopen(path, "re");
	if (file) {
		if (fscanf(file, "%u", &mtu) != 1)
			mtu = 0;
		(void)fclose(file);
	}
	if (!mtu)
		return FRAME_MAX;
	return mtu < INTERFACE_MAX - FRAME_HEADERS ? mtu + FRAME_HEADERS : INTERFACE_MAX;
}

/* *at counts DPDK's ports. */
static struct ports_port *open_one(const char *name, unsigned *at,
                                   const struct ports_options *options, char *error)
{
	const char *path = qemu_path(name);

	if (path)
		return port_qemu_open(path, options, error);
	if (is_loop(name))
		return port_loop_open(options);
	return port_dpdk_open((*at)++, name, options, error);
}

int ports_open(const char *const *names, unsigned n, const struct ports_options *options,
               struct port **ports, char *error)
{
	const char *dpdk[PORTS_MAX];
	unsigned dpdk_n = 0, at = 0;

	for (unsigned i = 0; i < n; i++)
		if (!qemu_path(names[i]) && !is_loop(names[i]))
			dpdk[dpdk_n++] = names[i];
	if (dpdk_n && port_dpdk_begin(dpdk, dpdk_n, options, error))
		return -1;
	for (unsigned opened = 0; opened < n; opened++) {
		struct ports_port *port = open_one(names[opened], &at, options, error);
		if (!port) {
			ports_close(ports, opened);
			return -1;
		}
		ports[opened] = &port->port;
	}
	return 0;
}

void ports_close(struct port **ports, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct ports_port *port = (struct ports_port *)ports[i];
		port->close(port);
	}
	port_dpdk_end();
}

const char *ports_driver(const struct port *port)
{
	return ((const struct ports_port *)port)->driver;
}

const char *ports_stamps(const struct port *port)
{
	const char *stamps = ((const struct ports_port *)port)->stamps;

	return stamps ? stamps : "this computer's clock, when the driver handed the frame over";
}

bool ports_link_up(struct port *port)
{
	struct ports_port *own = (struct ports_port *)port;

	return own->link_up(own);
}

void ports_statistics(struct port *port, struct port_statistics *statistics)
{
	struct ports_port *own = (struct ports_port *)port;

	if (own->refresh)
		own->refresh(own);
	*statistics = own->statistics;
}
