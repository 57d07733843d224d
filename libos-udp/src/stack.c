/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack's life: memory, interfaces, addresses; and what runs through it: input and timers. */
#include "internal.h"

enum {
	ALIGNMENT = 16,
	REASSEMBLIES_MAX = 1024,
	NEIGHBOURS_MAX = 65536,
	BUCKETS_MAX = 65536,
	PATHS_MAX = 65536
};

static const char *const counter_names[] = {
#define UDP_COUNTER_NAME(name) #name,
        UDP_COUNTERS(UDP_COUNTER_NAME)
#undef UDP_COUNTER_NAME
};

_Static_assert(sizeof counter_names / sizeof counter_names[0] == UDP_COUNTERS_N,
               "one name for each counter");

const char *udp_counter_name(unsigned i)
{
	return i < UDP_COUNTERS_N ? counter_names[i] : NULL;
}

struct udp_config udp_config_default(void)
{
	return (struct udp_config){
	        .roles = UDP_ROLE_ALL,
	        .neighbours = 64,
	        .reassemblies = 4,
	        .socket_buckets = 64,
	        .paths = 64,
	        .port_first = 49152,
	        .port_last = 65535,
	        .error_rate = 1000,
	        .error_burst = 50,
	};
}

static bool config_valid(const struct udp_config *config)
{
	return config->neighbours >= 8 && config->neighbours <= NEIGHBOURS_MAX &&
	       config->reassemblies <= REASSEMBLIES_MAX && config->socket_buckets >= 1 &&
	       config->socket_buckets <= BUCKETS_MAX &&
	       (config->socket_buckets & (config->socket_buckets - 1)) == 0 &&
	       config->paths % 4 == 0 && config->paths <= PATHS_MAX && config->port_first >= 1 &&
	       config->port_first <= config->port_last && config->error_rate >= 1 &&
	       config->error_rate <= 1000000 && config->error_burst >= 1 &&
	       config->error_burst <= 1000000;
}

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

size_t udp_stack_bytes(const struct udp_config *config)
{
	if (!config_valid(config))
		return 0;
	return aligned(sizeof(struct udp_stack)) + aligned(neighbour_bytes(config)) +
	       aligned(reassembly_bytes(config)) + aligned(socket_bytes(config)) +
	       aligned(path_bytes(config));
}

struct udp_stack *udp_stack_create(void *memory, size_t size, const struct udp_config *config,
                                   const struct udp_ops *ops, void *context)
{
	struct udp_stack *stack = memory;
	uint8_t *at = memory;
	size_t bytes = udp_stack_bytes(config);

	if (bytes == 0 || size < bytes || (uintptr_t)memory % ALIGNMENT != 0)
		return NULL;
	memset(stack, 0, sizeof *stack);
	stack->ops = *ops;
	stack->context = context;
	stack->config = *config;
	stack->stirred = true;
	stack->era = 1;
	stack->era_ends = UINT64_MAX;
	stack->secret[0] = ops->random(context);
	stack->secret[1] = ops->random(context);
	for (unsigned i = 0; i < ID_BUCKETS; i++)
		stack->ip4_ids[i] = (uint16_t)ops->random(context);
	at += aligned(sizeof *stack);
	neighbour_init(stack, at);
	at += aligned(neighbour_bytes(config));
	reassembly_init(stack, at);
	at += aligned(reassembly_bytes(config));
	socket_init(stack, at);
	at += aligned(socket_bytes(config));
	path_init(stack, at);
	return stack;
}

void udp_stack_destroy(struct udp_stack *stack)
{
	loop_fini(stack);
	neighbour_fini(stack);
}

void udp_buffer_release(struct udp_stack *stack, struct udp_buffer *buffer)
{
	if (buffer->flags & UDP_BUFFER_OWNED)
		reassembly_release(stack, buffer);
	else
		stack->ops.release(stack->context, buffer);
}

void udp_stack_input(struct udp_stack *stack, struct udp_buffer *buffer)
{
	stack->count.frames_in++;
	if (flow_input(stack, buffer))
		return;
	stack_stir(stack);
	/* What we send to ourselves comes by loop_run: no driver has a frame for that interface. */
	if (buffer->interface >= stack->n_interfaces || (buffer->flags & UDP_BUFFER_BAD) ||
	    stack->interfaces[buffer->interface].loop) {
		stack->count.drop_bad_buffer++;
		udp_buffer_release(stack, buffer);
		return;
	}
	ethernet_input(stack, buffer);
}

/* The other transport's turn, and that of what it sends to itself. */
static uint64_t run_transport(struct udp_stack *stack, uint64_t now)
{
	uint64_t later;
	int turns = 8;

	do {
		loop_run(stack);
		later = transport_run(stack, now);
	} while (stack->loop.n > 0 && --turns > 0);
	return later;
}

uint64_t udp_stack_run(struct udp_stack *stack)
{
	uint64_t now = stack_now(stack), later, deadline;

	later = run_transport(stack, now);
	if (!stack->stirred && now < stack->deadline)
		return stack->loop.n > 0 ? now : earlier(stack->deadline, later);
	own_address_run(stack, now); /* first: it tells the DHCP client what became of an address */
	dhcp_run(stack, now);
	autoconf_run(stack, now);
	group_run(stack, now);
	neighbour_run(stack, now);
	reassembly_run(stack, now);
	flow_run(stack, now);
	later = run_transport(stack, now);
	stack->stirred = false;
	deadline = earlier(own_address_deadline(stack), dhcp_deadline(stack));
	deadline = earlier(deadline, autoconf_deadline(stack, now));
	deadline = earlier(deadline, group_deadline(stack));
	deadline = earlier(deadline, stack->neighbours.deadline);
	deadline = earlier(deadline, stack->era_ends);
	stack->deadline = earlier(deadline, stack->reassembly.deadline);
	return stack->loop.n > 0 ? now : earlier(stack->deadline, later);
}

bool udp_stack_rests(const struct udp_stack *stack)
{
	return !stack->stirred && stack->loop.n == 0 && transport_rests(stack);
}

const struct udp_counters *udp_stack_counters(const struct udp_stack *stack)
{
	return &stack->count;
}

int udp_interface_add(struct udp_stack *stack, const uint8_t *mac, uint32_t mtu)
{
	struct interface *interface = &stack->interfaces[stack->n_interfaces];

	if (mtu < UDP_MTU_MIN || mtu > UDP_MTU_MAX || (mac[0] & 1))
		return -UDP_EINVAL;
	if (stack->n_interfaces == UDP_INTERFACES_MAX)
		return -UDP_ENOSPC;
	memset(interface, 0, sizeof *interface);
	memcpy(interface->mac, mac, UDP_MAC_BYTES);
	interface->mtu = mtu;
	group_init(interface);
	stack_stir(stack);
	return (int)stack->n_interfaces++;
}

void udp_interface_offload(struct udp_stack *stack, unsigned interface,
                           const struct udp_offload *offload)
{
	if (interface < stack->n_interfaces)
		stack->interfaces[interface].offload = *offload;
}
