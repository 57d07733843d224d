/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The datagram stack below a net: libos-udp speaks Ethernet, so packets get a header in front on
 * their way in and lose it on their way out. One neighbour stands for the whole world.
 */
#include <stdlib.h>
#include <string.h>

#include <udp/wire.h>

#include "internal.h"

static const uint8_t own_mac[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, 1};
static const uint8_t world_mac[UDP_MAC_BYTES] = {2, 0, 0, 0, 0, 2};

static struct udp_buffer *op_allocate(void *context, uint32_t size)
{
	struct udp_buffer *buffer = malloc(sizeof(*buffer) + UDP_HEADROOM + size);

	if (buffer)
		*buffer = (struct udp_buffer){.data = (uint8_t *)(buffer + 1) + UDP_HEADROOM,
		                              .size = size,
		                              .head = UDP_HEADROOM};
	return buffer;
}

static void op_release(void *context, struct udp_buffer *buffer)
{
	free(buffer);
}

/* Questions for neighbours stay here: there is but one, and it is known. */
static void op_output(void *context, struct udp_buffer *buffer)
{
	uint16_t type = wire_get16(buffer->data + ETH_SIZE - 2);

	if (buffer->size > ETH_SIZE && (type == ETHERTYPE_IP4 || type == ETHERTYPE_IP6))
		packet_queue(context, buffer->data + ETH_SIZE, buffer->size - ETH_SIZE);
	free(buffer);
}

static uint64_t op_now(void *context)
{
	return ((struct sluice_net *)context)->now_ns;
}

static bool add_ours(struct sluice_net *net, const struct udp_ip *ip)
{
	return udp_address_add(net->udp, 0, ip, ip->family == 6 ? 128 : 32) == 0;
}

/* Every address is ours that somebody speaks to or from; the oldest but the first two gives way. */
static void make_ours(struct sluice_net *net, const struct udp_ip *ip)
{
	struct udp_ip *old = &net->others[net->next_other];
	struct udp_ip any = *ip;

	if (!udp_ip_is_source(ip) || udp_transport_path(net->udp, &net->world4, &any) ||
	    udp_transport_path(net->udp, &net->world6, &any))
		return;
	if (old->family)
		(void)udp_address_remove(net->udp, 0, old);
	*old = udp_ip_none();
	if (!add_ours(net, ip))
		return;
	*old = *ip;
	net->next_other = (net->next_other + 1) % OTHERS_MAX;
}

bool datagrams_open(struct sluice_net *net)
{
	static const struct udp_ops ops = {.allocate = op_allocate,
	                                   .release = op_release,
	                                   .output = op_output,
	                                   .now = op_now,
	                                   .random = net_random};
	struct udp_config config = udp_config_default();

	config.roles = UDP_ROLE_ECHO | UDP_ROLE_ERRORS;
	net->world4 = udp_ip4(0xc6120001); /* 198.18.0.1: of no script */
	net->world6 = (struct udp_ip){.family = 6, .bytes = {0x20, 1, 0, 2, [15] = 1}};
	net->udp_memory = aligned_alloc(64, (udp_stack_bytes(&config) + 63) & ~(size_t)63);
	if (!net->udp_memory)
		return false;
	net->udp = udp_stack_create(net->udp_memory, udp_stack_bytes(&config), &config, &ops, net);
	return net->udp && udp_interface_add(net->udp, own_mac, net->mtu) == 0 &&
	       udp_gateway_set(net->udp, 0, &net->world4) == 0 &&
	       udp_gateway_set(net->udp, 0, &net->world6) == 0 &&
	       udp_neighbour_set(net->udp, 0, &net->world4, world_mac) == 0 &&
	       udp_neighbour_set(net->udp, 0, &net->world6, world_mac) == 0 &&
	       add_ours(net, &net->address4) && add_ours(net, &net->address6);
}

void datagrams_close(struct sluice_net *net)
{
	if (net->udp)
		udp_stack_destroy(net->udp);
	free(net->udp_memory);
}

void datagrams_bind(struct sluice_net *net, const struct udp_ip *ip)
{
	if (ip->family)
		make_ours(net, ip);
}

void datagrams_in(struct sluice_net *net, const struct udp_ip *dst, const uint8_t *packet,
                  size_t size)
{
	struct udp_buffer *buffer = op_allocate(net, ETH_SIZE + (uint32_t)size);

	if (!buffer)
		return;
	make_ours(net, dst);
	memcpy(buffer->data, own_mac, UDP_MAC_BYTES);
	memcpy(buffer->data + UDP_MAC_BYTES, world_mac, UDP_MAC_BYTES);
	wire_put16(buffer->data + ETH_SIZE - 2, dst->family == 6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
	memcpy(buffer->data + ETH_SIZE, packet, size);
	udp_stack_input(net->udp, buffer);
}
