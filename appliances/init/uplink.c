/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack that init runs on a NIC port where an address is asked for. Its flow space can send
 * DHCP questions, ARP and ICMPv6 from the port's MAC address, and receive their answers, above all
 * that others may bind: these come to the very addresses that environments have.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/dhcp.h>

#include "init.h"
#include "uplink.h"

enum {
	RING_SIZE = 16,
	PRIORITY = INT32_MAX,
	AT_SOURCE_MAC = 6,
	AT_IP6_NEXT = 14 + 6,
	ICMP6 = 58,
	SETS = 3,
};

static struct uplink uplinks[UDP_INTERFACES_MAX];
static unsigned n_uplinks;

static void dhcp_to(struct flt_conjunction *flow)
{
	exo_flow_any(flow);
	exo_flow_ipv4(flow);
	exo_flow_ipv4_protocol(flow, 17);
	exo_flow_ipv4_first(flow);
	exo_flow_ipv4_destination_port(flow, UDP_DHCP_CLIENT_PORT);
}

static void fill_sets(struct flt_conjunction *receive, struct flt_conjunction *transmit,
                      const uint8_t mac[6])
{
	dhcp_to(&receive[0]);
	exo_flow_any(&receive[1]);
	exo_flow_ethertype(&receive[1], 0x0806);
	exo_flow_any(&receive[2]);
	exo_flow_ethertype(&receive[2], 0x86dd);
	for (unsigned i = 0; i < SETS; i++) {
		exo_flow_any(&transmit[i]);
		exo_flow_mac(&transmit[i], AT_SOURCE_MAC, mac);
	}
	exo_flow_ipv4(&transmit[0]);
	exo_flow_ipv4_protocol(&transmit[0], 17);
	exo_flow_ipv4_first(&transmit[0]);
	exo_flow_ipv4_source_port(&transmit[0], UDP_DHCP_CLIENT_PORT);
	exo_flow_ipv4_destination_port(&transmit[0], UDP_DHCP_SERVER_PORT);
	exo_flow_ethertype(&transmit[1], 0x0806);
	exo_flow_ethertype(&transmit[2], 0x86dd);
	exo_flow_term(&transmit[2], AT_IP6_NEXT, 1, 0xff, ICMP6);
}

static int make_space(struct uplink *uplink, const struct exo_port_info *info)
{
	static struct flt_conjunction receive[SETS], transmit[SETS];
	const struct exo_cap *root = exo_start_cap(EXO_USE_FLOW);
	struct exo_flow_grant block = {
	        .to = exo_start_page()->env,
	        .rights = EXO_RIGHT_BIND | EXO_RIGHT_SEND | EXO_RIGHT_SHARE | EXO_RIGHT_TAP,
	        .priority_max = PRIORITY,
	        .n_receive = SETS,
	        .n_transmit = SETS,
	        .ports = 1ull << uplink->port,
	        .receive = (uintptr_t)receive,
	        .transmit = (uintptr_t)transmit,
	};
	int result;

	if (root == NULL)
		return -EXO_EPERM;
	block.space = *root;
	fill_sets(receive, transmit, info->mac);
	result = exo_flow_grant(&block);
	uplink->space = block.out;
	return result;
}

int uplink_bind(struct uplink *uplink, const struct flt_conjunction *flow, unsigned n,
                const char *name, uint32_t flags, struct exo_cap *binding)
{
	struct exo_start_bind what = {.flags = flags,
	                              .priority = PRIORITY,
	                              .conjunctions = (uintptr_t)flow,
	                              .n_conjunctions = n};
	char error[EXO_NET_ERROR_MAX] = "";
	int result;

	exo_text_copy(what.name, sizeof(what.name), name);
	result = exo_net_bind(&what, &uplink->space, &uplink->driver.rx.cap, 1, 0, binding, error);
	if (result < 0)
		exo_printf("port %u: %s: %s%s%s\n", uplink->port, name, exo_error_text(result),
		           error[0] == '\0' ? "" : ": ", error);
	return result;
}

static int open_uplink(struct uplink *uplink, const struct exo_port_info *info)
{
	static struct flt_conjunction answers;
	struct udp_exo_options options = udp_exo_options_default();
	struct exo_cap binding;
	int result = make_space(uplink, info);

	options.ring_size = RING_SIZE;
	options.config.roles = UDP_ROLE_RESOLVE;
	options.config.neighbours = 8;
	options.config.reassemblies = 0;
	options.config.socket_buckets = 1;
	options.config.paths = 0;
	if (result >= 0)
		result = udp_exo_open_bare(&uplink->driver, &options, &uplink->space, uplink->port);
	if (result < 0) {
		exo_printf("port %u: no address can be asked for: %s\n", uplink->port,
		           uplink->driver.error[0] == '\0' ? exo_error_text(result)
		                                           : uplink->driver.error);
		return result;
	}
	dhcp_to(&answers);
	return uplink_bind(uplink, &answers, 1, "dhcp", 0, &binding);
}

struct uplink *uplink_of(uint16_t port)
{
	const struct exo_port_info *info = exo_port_info(port);
	struct uplink *uplink = &uplinks[n_uplinks];

	for (unsigned i = 0; i < n_uplinks; i++)
		if (uplinks[i].port == port)
			return &uplinks[i];
	if (info == NULL) {
		exo_printf("there is no port %u to ask for an address on\n", port);
		return NULL;
	}
	if (n_uplinks == UDP_INTERFACES_MAX)
		return NULL;
	uplink->port = port;
	if (open_uplink(uplink, info) < 0)
		return NULL;
	n_uplinks++;
	return uplink;
}

void uplink_run(void)
{
	for (unsigned i = 0; i < n_uplinks; i++)
		while (udp_exo_poll(&uplinks[i].driver) > 0)
			;
}

uint64_t uplink_due(void)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < n_uplinks; i++)
		if (uplinks[i].driver.deadline < due)
			due = uplinks[i].driver.deadline;
	return due;
}

bool uplink_replace(unsigned i, struct exo_start_address *new)
{
	struct exo_start_address *to = &init.options.addresses[i];

	flows_complete_address(new);
	if (memcmp(new, to, sizeof(*new)) == 0)
		return false;
	*to = *new;
	service_readdress(1u << i);
	return true;
}
