/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses by DHCP. The client is libos-udp's, on the port's uplink; while a new address is being
 * probed that also gets copies of the ARP messages whose sender says that he has it.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/dhcp.h>

#include "init.h"
#include "lease.h"
#include "uplink.h"

#define PATIENCE_NS 15000000000ull /* for an address that has no fall-back */
#define WATCH_NS    10000000000ull /* how long claims to a new address are listened for */
enum {
	SILENT_LINES = 3, /* then only each SILENT_EACH-th is printed */
	SILENT_EACH = 10,
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

static struct lease leases[EXO_START_ADDRESSES_MAX];

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

/* How many addresses before number `i` are asked for on its port. */
static uint32_t number_of(unsigned i)
{
	const struct options *options = &init.options;
	uint32_t n = 0;

	for (unsigned k = 0; k < i; k++)
		n += (options->by_dhcp >> k & 1) != 0 &&
		     options->addresses[k].port == options->addresses[i].port;
	return n;
}

static void start(unsigned i)
{
	struct exo_start_address *address = &init.options.addresses[i];
	struct lease *lease = &leases[i];
	uint16_t port = address->port;
	struct uplink *uplink = uplink_of(port);

	if (uplink == NULL)
		return; /* a fall-back is all there is */
	lease->fallback = *address;
	*address = (struct exo_start_address){.port = port};
	lease->client = (struct udp_dhcp){.changed = note, .context = lease};
	identify(&lease->client, number_of(i), exo_port_info(port)->mac);
	exo_text_copy(lease->client.host, sizeof(lease->client.host),
	              exo_manifest_string(init.payload.manifest, init.payload.manifest->name));
	if (udp_dhcp_start(uplink->driver.stack, &lease->client) == 0)
		lease->uplink = uplink;
}

/* The last one first: a stack asks for who came last first, and where a server has one address for
 * all, it is to be the first one's. */
void lease_open(void)
{
	for (unsigned i = init.options.n_addresses; i-- > 0;)
		if (init.options.by_dhcp & 1u << i)
			start(i);
		else if (init.options.formed & 1u << i)
			formed_start(i, init.options.addresses[i].port);
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
	lease->watching =
	        uplink_bind(lease->uplink, &flow, 1, "claims", EXO_BIND_TAP, &lease->claims) >= 0;
	lease->watch_until = exo_time_now_ns() + WATCH_NS;
}

static void end_watch(struct lease *lease)
{
	exo_unbind(&lease->claims);
	lease->watching = false;
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
	if (uplink_replace(i, &new) || !renewed)
		say_lease(i);
}

static void lost(unsigned i)
{
	struct exo_start_address none = {.port = leases[i].uplink->port};

	exo_printf("address %u: the lease is lost\n", i);
	(void)uplink_replace(i, &none);
}

/* There is no lease yet: says why, ever more rarely, and falls back to what was given. */
static void none_yet(unsigned i, const char *why)
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
		exo_printf("address %u: %s%s\n", i, why, then);
	if (falls)
		(void)uplink_replace(i, &lease->fallback);
}

static void silent(unsigned i)
{
	char why[96];

	exo_snprintf(why, sizeof(why), "no DHCP server answers on port %u (asked %u times)",
	             leases[i].uplink->port, leases[i].client.tries);
	none_yet(i, why);
}

static void twice(unsigned i)
{
	char why[128], ip[UDP_IP_TEXT_MAX];

	exo_snprintf(why, sizeof(why),
	             "the DHCP server gives %s to port %u once more: it goes by MAC address alone",
	             udp_ip_format(&leases[i].client.lease.ip, ip), leases[i].uplink->port);
	none_yet(i, why);
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
	if (news & 1u << UDP_DHCP_TWICE)
		twice(i);
	if (lease->client.bound && news & (1u << UDP_DHCP_BOUND | 1u << UDP_DHCP_RENEWED))
		gained(i, (news & 1u << UDP_DHCP_BOUND) == 0);
}

/* ---- Name servers ---- */

void lease_add_server(struct exo_start *start, uint8_t family, const uint8_t *address)
{
	struct exo_start_server new = {.family = family};

	memcpy(new.address, address, family == 6 ? 16 : 4);
	for (uint32_t i = 0; i < start->n_name_servers; i++)
		if (memcmp(&start->name_servers[i], &new, sizeof(new)) == 0)
			return;
	if (start->n_name_servers < EXO_START_SERVERS_MAX)
		start->name_servers[start->n_name_servers++] = new;
}

void lease_servers(struct exo_start *start)
{
	for (unsigned i = 0; i < init.options.n_servers; i++)
		lease_add_server(start, init.options.servers[i].family,
		                 init.options.servers[i].address);
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		for (uint32_t n = 0; leases[i].client.bound && n < leases[i].client.lease.n_dns;
		     n++)
			lease_add_server(start, 4, leases[i].client.lease.dns[n].bytes);
	formed_servers(start);
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

	uplink_run();
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++)
		if (leases[i].uplink != NULL)
			run_lease(i, now);
	formed_run();
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
	while ((waiting() || formed_waiting()) && exo_time_now_ns() < until) {
		uint64_t due = uplink_due() < until ? uplink_due() : until;

		exo_wait(exo_info()->tsc_boot + exo_time_ticks(due) + 1);
		lease_run();
	}
}
