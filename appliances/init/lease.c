/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One driver for each NIC port on which an address is asked for. Its flow space can send DHCP
 * questions and ARP from the port's MAC address. Two bindings receive: UDP to port 68, above all
 * that others may bind, for answers come to the very address that an environment has; and, while a
 * new address is being probed, copies of the ARP messages whose sender says that he has it.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/dhcp.h>
#include <udp/exo.h>

#include "init.h"
#include "lease.h"

#define PATIENCE_NS 15000000000ull /* for an address that has no fall-back */
#define WATCH_NS    10000000000ull /* how long claims to a new address are listened for */
enum {
	RING_SIZE = 16,
	PRIORITY = INT32_MAX,
	AT_SOURCE_MAC = 6,
	SILENT_LINES = 3, /* then only each SILENT_EACH-th is printed */
	SILENT_EACH = 10,
};

/* A NIC port on which addresses are asked for. */
struct uplink {
	uint16_t port;
	struct exo_cap space;
	struct udp_exo driver;
};

/* One address, by its number. */
struct lease {
	struct uplink *uplink; /* NULL: this address is not asked for */
	struct udp_dhcp client;
	struct exo_start_address fallback; /* family 0: none */
	enum udp_dhcp_state state;         /* when it was last looked at */
	uint32_t news;                     /* 1 << enum udp_dhcp_event: not acted on yet */
	uint32_t silences;
	bool watching; /* `claims` is bound, until watch_until */
	uint64_t watch_until;
	struct exo_cap claims;
};

static struct uplink uplinks[UDP_INTERFACES_MAX];
static unsigned n_uplinks;
static struct lease leases[EXO_START_ADDRESSES_MAX];

/* ---- Opening ---- */

static int make_space(struct uplink *uplink, const struct exo_port_info *info)
{
	static struct flt_conjunction receive[2], transmit[2];
	const struct exo_cap *root = exo_start_cap(EXO_USE_FLOW);
	struct exo_flow_grant block = {
	        .to = exo_start_page()->env,
	        .rights = EXO_RIGHT_BIND | EXO_RIGHT_SEND | EXO_RIGHT_SHARE | EXO_RIGHT_TAP,
	        .priority_max = PRIORITY,
	        .n_receive = 2,
	        .n_transmit = 2,
	        .ports = 1ull << uplink->port,
	        .receive = (uintptr_t)receive,
	        .transmit = (uintptr_t)transmit,
	};
	int result;

	if (root == NULL)
		return -EXO_EPERM;
	block.space = *root;
	exo_flow_any(&receive[0]);
	exo_flow_ipv4(&receive[0]);
	exo_flow_ipv4_protocol(&receive[0], 17);
	exo_flow_ipv4_first(&receive[0]);
	exo_flow_ipv4_destination_port(&receive[0], UDP_DHCP_CLIENT_PORT);
	exo_flow_any(&receive[1]);
	exo_flow_ethertype(&receive[1], 0x0806);
	exo_flow_any(&transmit[0]);
	exo_flow_mac(&transmit[0], AT_SOURCE_MAC, info->mac);
	exo_flow_ipv4(&transmit[0]);
	exo_flow_ipv4_protocol(&transmit[0], 17);
	exo_flow_ipv4_first(&transmit[0]);
	exo_flow_ipv4_source_port(&transmit[0], UDP_DHCP_CLIENT_PORT);
	exo_flow_ipv4_destination_port(&transmit[0], UDP_DHCP_SERVER_PORT);
	exo_flow_any(&transmit[1]);
	exo_flow_mac(&transmit[1], AT_SOURCE_MAC, info->mac);
	exo_flow_ethertype(&transmit[1], 0x0806);
	result = exo_flow_grant(&block);
	uplink->space = block.out;
	return result;
}

static int bind(struct uplink *uplink, struct flt_conjunction *flow, const char *name,
                uint32_t flags, struct exo_cap *binding)
{
	struct exo_start_bind what = {.flags = flags,
	                              .priority = PRIORITY,
	                              .conjunctions = (uintptr_t)flow,
	                              .n_conjunctions = 1};
	char error[EXO_NET_ERROR_MAX] = "";
	int result;

	exo_text_copy(what.name, sizeof(what.name), name);
	result = exo_net_bind(&what, &uplink->space, &uplink->driver.rx.cap, 1, 0, binding, error);
	if (result < 0)
		exo_printf("port %u: %s: %s%s%s\n", uplink->port, name, exo_error_text(result),
		           error[0] == '\0' ? "" : ": ", error);
	return result;
}

static int bind_answers(struct uplink *uplink)
{
	static struct flt_conjunction flow;
	struct exo_cap binding;

	exo_flow_any(&flow);
	exo_flow_ipv4(&flow);
	exo_flow_ipv4_protocol(&flow, 17);
	exo_flow_ipv4_first(&flow);
	exo_flow_ipv4_destination_port(&flow, UDP_DHCP_CLIENT_PORT);
	return bind(uplink, &flow, "dhcp", 0, &binding);
}

static int open_uplink(struct uplink *uplink, const struct exo_port_info *info)
{
	struct udp_exo_options options = udp_exo_options_default();
	int result = make_space(uplink, info);

	options.ring_size = RING_SIZE;
	options.config.roles = UDP_ROLE_RESOLVE;
	options.config.neighbours = 8;
	options.config.reassemblies = 0;
	options.config.socket_buckets = 1;
	if (result >= 0)
		result = udp_exo_open_bare(&uplink->driver, &options, &uplink->space, uplink->port);
	if (result < 0) {
		exo_printf("port %u: no DHCP: %s\n", uplink->port,
		           uplink->driver.error[0] == '\0' ? exo_error_text(result)
		                                           : uplink->driver.error);
		return result;
	}
	return bind_answers(uplink);
}

static struct uplink *uplink_of(uint16_t port)
{
	const struct exo_port_info *info = exo_port_info(port);
	struct uplink *uplink = &uplinks[n_uplinks];

	for (unsigned i = 0; i < n_uplinks; i++)
		if (uplinks[i].port == port)
			return &uplinks[i];
	if (info == NULL) {
		exo_printf("no DHCP: there is no port %u\n", port);
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

/* ---- Asking ---- */

static void note(struct udp_dhcp *client, enum udp_dhcp_event event)
{
	struct lease *lease = client->context;

	lease->news |= 1u << event;
}

/* RFC 4361, 6.1: type 255, the number of the association, and a DUID of the link layer's kind. The
 * first client of a port goes by its MAC address, as its boot ROM did. */
static void identify(struct udp_dhcp *client, uint32_t number, const uint8_t mac[6])
{
	uint8_t id[] = {255, 0, 0, 0, (uint8_t)number, 0, 3, 0, 1};

	if (number == 0)
		return;
	memcpy(client->id, id, sizeof(id));
	memcpy(client->id + sizeof(id), mac, 6);
	client->id_size = sizeof(id) + 6;
}

static uint32_t number_on(const struct uplink *uplink)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		n += leases[i].uplink == uplink;
	return n;
}

static void start(struct lease *lease, struct exo_start_address *address)
{
	uint16_t port = address->port;
	struct uplink *uplink = uplink_of(port);

	if (uplink == NULL)
		return; /* a fall-back is all there is */
	lease->fallback = *address;
	*address = (struct exo_start_address){.port = port};
	lease->client = (struct udp_dhcp){.changed = note, .context = lease};
	identify(&lease->client, number_on(uplink), exo_port_info(port)->mac);
	exo_text_copy(lease->client.host, sizeof(lease->client.host),
	              exo_manifest_string(init.payload.manifest, init.payload.manifest->name));
	if (udp_dhcp_start(uplink->driver.stack, &lease->client) == 0)
		lease->uplink = uplink;
}

void lease_open(void)
{
	for (unsigned i = 0; i < init.options.n_addresses; i++)
		if (init.options.by_dhcp & 1u << i)
			start(&leases[i], &init.options.addresses[i]);
}

/* ---- What came of it ---- */

/* Listens whether somebody says that he has the address; the stack that probes it decides. */
static void watch_claims(struct lease *lease)
{
	static struct flt_conjunction flow;

	if (lease->watching)
		exo_unbind(&lease->claims);
	exo_flow_any(&flow);
	exo_flow_ethertype(&flow, 0x0806);
	exo_flow_arp_sender(&flow, lease->client.lease.ip.bytes);
	lease->watching = bind(lease->uplink, &flow, "claims", EXO_BIND_TAP, &lease->claims) >= 0;
	lease->watch_until = exo_time_now_ns() + WATCH_NS;
}

static void end_watch(struct lease *lease)
{
	exo_unbind(&lease->claims);
	lease->watching = false;
}

/* The address that environments get is `new` from now on. false: it was already. */
static bool replace(unsigned i, struct exo_start_address *new)
{
	struct exo_start_address *to = &init.options.addresses[i];

	flows_complete_address(new);
	if (memcmp(new, to, sizeof(*new)) == 0)
		return false;
	*to = *new;
	service_readdress(1u << i);
	return true;
}

static struct exo_start_address address_from(const struct lease *lease)
{
	const struct udp_lease *from = &lease->client.lease;
	struct exo_start_address to = {
	        .family = 4, .prefix = from->prefix, .port = lease->uplink->port};

	memcpy(to.address, from->ip.bytes, 4);
	if (from->gateway.family == 4)
		memcpy(to.gateway, from->gateway.bytes, 4);
	to.mtu = from->mtu;
	return to;
}

static void say_lease(unsigned i)
{
	const struct udp_lease *lease = &leases[i].client.lease;
	char ip[UDP_IP_TEXT_MAX], server[UDP_IP_TEXT_MAX], gateway[UDP_IP_TEXT_MAX] = "none";
	char time[24] = "ever";

	if (lease->gateway.family != 0)
		udp_ip_format(&lease->gateway, gateway);
	if (lease->seconds != UDP_DHCP_FOR_EVER)
		exo_snprintf(time, sizeof(time), "%u s", lease->seconds);
	exo_printf("address %u: %s/%u by DHCP from %s, gateway %s, for %s\n", i,
	           udp_ip_format(&lease->ip, ip), lease->prefix,
	           udp_ip_format(&lease->server, server), gateway, time);
}

static void gained(unsigned i, bool renewed)
{
	struct exo_start_address new = address_from(&leases[i]);

	leases[i].silences = 0;
	if (replace(i, &new) || !renewed)
		say_lease(i);
}

static void lost(unsigned i)
{
	struct exo_start_address none = {.port = leases[i].uplink->port};

	exo_printf("address %u: the lease is lost\n", i);
	(void)replace(i, &none);
}

/* Nobody answers: says so, ever more rarely, and falls back to what was given. */
static void silent(unsigned i)
{
	struct lease *lease = &leases[i];
	struct exo_start_address *to = &init.options.addresses[i];
	bool falls = to->family == 0 && lease->fallback.family != 0;
	const char *then = "";

	if (falls)
		then = ": taking the one given as fall-back";
	else if (to->family == 0)
		then = ": still asking; ip=ADDR/LEN gives one without";
	if (lease->silences++ < SILENT_LINES || lease->silences % SILENT_EACH == 0)
		exo_printf("address %u: no DHCP server answers on port %u (asked %u times)%s\n", i,
		           lease->uplink->port, lease->client.tries, then);
	if (falls)
		(void)replace(i, &lease->fallback);
}

static void act(unsigned i)
{
	struct lease *lease = &leases[i];
	uint32_t news = lease->news;

	lease->news = 0;
	if (news & 1u << UDP_DHCP_REFUSED)
		exo_printf("address %u: a DHCP server refused what was asked for\n", i);
	if (news & 1u << UDP_DHCP_CONFLICT)
		exo_printf("address %u: somebody uses what the DHCP server gave: declined\n", i);
	if (news & 1u << UDP_DHCP_LOST)
		lost(i);
	if (news & 1u << UDP_DHCP_SILENT)
		silent(i);
	if (lease->client.bound && news & (1u << UDP_DHCP_BOUND | 1u << UDP_DHCP_RENEWED))
		gained(i, (news & 1u << UDP_DHCP_BOUND) == 0);
}

/* ---- Running ---- */

static void run_lease(unsigned i, uint64_t now)
{
	struct lease *lease = &leases[i];
	enum udp_dhcp_state state = lease->client.state;

	/* Before the stack sends the first probe, so that no answer to it is missed. */
	if (state == UDP_DHCP_PROBING && lease->state != UDP_DHCP_PROBING)
		watch_claims(lease);
	else if (lease->watching && now >= lease->watch_until)
		end_watch(lease);
	lease->state = state;
	act(i);
}

void lease_run(void)
{
	uint64_t now = exo_time_now_ns();

	for (unsigned i = 0; i < n_uplinks; i++)
		while (udp_exo_poll(&uplinks[i].driver) > 0)
			;
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		if (leases[i].uplink != NULL)
			run_lease(i, now);
}

uint64_t lease_due(void)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < n_uplinks; i++)
		if (uplinks[i].driver.deadline < due)
			due = uplinks[i].driver.deadline;
	return due;
}

/* Whether there is an address to wait for: asked for, not there, and nobody has been silent yet. */
static bool waiting(void)
{
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		if (leases[i].uplink != NULL && init.options.addresses[i].family == 0 &&
		    leases[i].silences == 0)
			return true;
	return false;
}

void lease_await(void)
{
	uint64_t until = exo_time_now_ns() + PATIENCE_NS;

	lease_run();
	while (waiting() && exo_time_now_ns() < until) {
		uint64_t due = lease_due() < until ? lease_due() : until;

		exo_wait(exo_info()->tsc_boot + exo_time_ticks(due) + 1);
		lease_run();
	}
}
