/* SPDX-License-Identifier: BSD-2-Clause */
/* The interface: frames between exo rings and pbufs, after the shape of lwIP's own ethernetif. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>
#include <lwip_exo.h>

enum { BURST = 32 };

/* ---- Out ---- */

static err_t output(struct netif *netif, struct pbuf *packet)
{
	struct lwip_exo *port = netif->state;
	struct exo_tx_buffer buffer;

	if (packet->tot_len > port->net.tx.buffer_bytes ||
	    exo_tx_take(&port->net.tx, &buffer) != 0) {
		port->no_buffer++;
		return ERR_BUF;
	}
	pbuf_copy_partial(packet, buffer.data, packet->tot_len, 0);
	if (exo_tx_send(&port->net.tx, &buffer, packet->tot_len, port->port, 0) != 0) {
		exo_tx_drop(&port->net.tx, &buffer);
		port->no_buffer++;
		return ERR_BUF;
	}
	return ERR_OK;
}

/* ---- In ---- */

/* Frames that never were on a wire come with checksums that nobody has filled in; the kernel says
 * which need no check. lwIP asks the interface, so it is told anew for each frame. */
static void set_checks(struct netif *netif, uint16_t flags)
{
	u16_t checks = NETIF_CHECKSUM_ENABLE_ALL;

	if (flags & EXO_DESC_L4_SUM_OK)
		checks &= (u16_t) ~(NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_TCP);
	NETIF_SET_CHECKSUM_CTRL(netif, checks);
}

/* Notes where an IPv4 frame came from: its source, or the router where that is on another network.
 * An entry that is there already costs a look-up. */
static void learn(struct lwip_exo *port, const struct exo_rx_frame *frame)
{
	const struct eth_hdr *header = (const void *)frame->data;
	struct eth_addr mac, *known;
	const ip4_addr_t *found;
	ip4_addr_t from;

	if (frame->length < SIZEOF_ETH_HDR + 20 || header->type != PP_HTONS(ETHTYPE_IP))
		return;
	memcpy(&from.addr, (const uint8_t *)frame->data + SIZEOF_ETH_HDR + 12, sizeof from.addr);
	if (!ip4_addr_netcmp(&from, netif_ip4_addr(&port->netif), netif_ip4_netmask(&port->netif)))
		from = *netif_ip4_gw(&port->netif);
	mac = header->src;
	if (mac.addr[0] & 1)
		return;
	if (etharp_find_addr(&port->netif, &from, &known, &found) >= 0 && eth_addr_cmp(known, &mac))
		return;
	(void)etharp_add_static_entry(&from, &mac);
}

static void input(struct lwip_exo *port, const struct exo_rx_frame *frame)
{
	struct pbuf *packet;

	if (frame->flags & (EXO_DESC_CUT | EXO_DESC_MORE | EXO_DESC_SUM_BAD)) {
		port->damaged++;
		return;
	}
	packet = pbuf_alloc(PBUF_RAW, (u16_t)frame->length, PBUF_POOL);
	if (packet == NULL) {
		port->no_pbuf++;
		return;
	}
	pbuf_take(packet, frame->data, (u16_t)frame->length);
	set_checks(&port->netif, frame->flags);
	if (port->shared)
		learn(port, frame);
	if (port->netif.input(packet, &port->netif) != ERR_OK)
		pbuf_free(packet);
}

/* A poll, but that the kernel hears of what is sent later. */
static uint32_t turn(struct lwip_exo *port)
{
	static struct exo_rx_frame frames[BURST];
	uint32_t n = exo_rx_burst(&port->net.rx, frames, BURST);
	bool handing_over = exo_handover_active(&port->handover);

	for (uint32_t i = 0; i < n && handing_over; i++)
		exo_handover_frame(&port->handover, frames[i].data, frames[i].length);
	for (uint32_t i = 0; i < n; i++)
		input(port, &frames[i]);
	exo_rx_release(&port->net.rx, frames, n);
	sys_check_timeouts();
	port->due = handing_over ? exo_handover_run(&port->handover) : UINT64_MAX;
	return n;
}

uint32_t lwip_exo_poll(struct lwip_exo *port)
{
	uint32_t n = turn(port);

	exo_tx_flush(&port->net.tx);
	return n;
}

void lwip_exo_wait(struct lwip_exo *port)
{
	u32_t ms = sys_timeouts_sleeptime();
	uint64_t due = port->due, now = exo_time_now_ns();

	if (ms != SYS_TIMEOUTS_SLEEPTIME_INFINITE && now + ms * 1000000ull < due)
		due = now + ms * 1000000ull;
	exo_tx_wait(&port->net.tx,
	            due == UINT64_MAX ? 0 : exo_info()->tsc_boot + exo_time_ticks(due));
}

_Noreturn void lwip_exo_serve(struct lwip_exo *port)
{
	for (;;) {
		turn(port);
		if (exo_ring_ready(&port->net.rx.ring))
			exo_tx_flush(&port->net.tx);
		else
			lwip_exo_wait(port);
	}
}

/* ---- Handing over ---- */

/* Those that have been accepted, and those on their way there. */
static void list_connections(void *context, exo_handover_each *each, void *with)
{
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
		struct exo_handover_peer peer = {.family = 4,
		                                 .local_port = pcb->local_port,
		                                 .remote_port = pcb->remote_port};

		memcpy(peer.local, &ip_2_ip4(&pcb->local_ip)->addr, 4);
		memcpy(peer.remote, &ip_2_ip4(&pcb->remote_ip)->addr, 4);
		each(with, &peer);
	}
}

/* ---- Opening ---- */

static const struct exo_start_address *first_address(void)
{
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++) {
		const struct exo_start_address *address = exo_start_address(i);

		if (address != NULL && address->family == 4)
			return address;
	}
	return NULL;
}

static err_t init(struct netif *netif)
{
	const struct exo_start_address *address = first_address();
	const struct lwip_exo *port = netif->state;

	netif->name[0] = 'e';
	netif->name[1] = 'x';
	netif->output = etharp_output;
	netif->linkoutput = output;
	netif->mtu = address->mtu;
	netif->hwaddr_len = ETH_HWADDR_LEN;
	memcpy(netif->hwaddr, address->mac, ETH_HWADDR_LEN);
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP |
	               (port->shared ? 0 : NETIF_FLAG_ETHARP);
	return ERR_OK;
}

static ip4_addr_t ip_of(const uint8_t *bytes)
{
	ip4_addr_t ip;

	memcpy(&ip.addr, bytes, sizeof ip.addr);
	return ip;
}

static int add_interface(struct lwip_exo *port, const struct exo_start_address *address)
{
	ip4_addr_t ip = ip_of(address->address), gateway = ip_of(address->gateway);
	ip4_addr_t mask = {.addr = lwip_htonl((u32_t)(0xffffffff00000000ull >> address->prefix))};

	lwip_init();
	if (netif_add(&port->netif, &ip, &mask, &gateway, port, init, ethernet_input) == NULL)
		return -EXO_ENOMEM;
	netif_set_default(&port->netif);
	/* An address that others share is announced by who answers for it, not here. */
	netif_set_up(&port->netif);
	port->netif.flags |= NETIF_FLAG_ETHARP;
	exo_tx_flush(&port->net.tx);
	return 0;
}

int lwip_exo_open(struct lwip_exo *port, const char *flow)
{
	struct exo_net_options options = {.flow = flow};
	const struct exo_start_address *address = first_address();
	int result;

	if (address == NULL) {
		exo_text_copy(port->error, sizeof port->error, "the start page has no address");
		return -EXO_ENOENT;
	}
	if (address->vlan != 0) {
		exo_text_copy(port->error, sizeof port->error,
		              "its address is in a VLAN: only libos-udp and libos-tcp know tags");
		return -EXO_EINVAL;
	}
	port->port = address->port;
	result = exo_net_open(&port->net, &options);
	if (result < 0) {
		exo_text_copy(port->error, sizeof port->error, port->net.error);
		return result;
	}
	exo_handover_open(&port->handover, port->net.flow->name, &port->net.rx.ring.cap,
	                  port->net.bindings, port->net.n_bindings, list_connections, port);
	port->due = UINT64_MAX;
	return add_interface(port, address);
}
