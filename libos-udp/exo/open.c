/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's memory and rings: everything that happens once. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <udp/neighbours.h>
#include <udp/wire.h>

#include "driver.h"

enum {
	RING_SIZE_DEFAULT = 64,
	RING_SIZE_MAX = 4096,
	ALIGNMENT = 64,
	ETHERNET_MTU = 1500, /* a port may take longer frames than the stations on its wire do */
	MTU_MAX = UDP_EXO_BUFFER_BYTES - UDP_HEADROOM - ETH_SIZE -
	          4, /* with a tag; what a buffer holds */
	FRAME_MAX = EXO_FRAME_BYTES_MAX - UDP_SEGMENTS_MAX * 2, /* the sums count */
	PORT_SEGMENTS = 1 << 5, /* RTE_ETH_TX_OFFLOAD_TCP_TSO, as DPDK numbers it */
	SHIFT_USUAL = 11,
};

_Static_assert(1 << SHIFT_USUAL == UDP_EXO_BUFFER_BYTES, "the usual buffer");

_Static_assert((int)UDP_EXO_ERROR_MAX >= (int)EXO_NET_ERROR_MAX, "the kernel's reason fits");

struct udp_exo_options udp_exo_options_default(void)
{
	return (struct udp_exo_options){.config = udp_config_default(),
	                                .ring_size = RING_SIZE_DEFAULT};
}

/* Keeps a reason that is there already (the kernel's), and says what was being done. */
static int failed(struct udp_exo *driver, const char *what, int result)
{
	char reason[UDP_EXO_ERROR_MAX];

	exo_text_copy(reason, sizeof reason, driver->error);
	exo_snprintf(driver->error, sizeof driver->error, "%s: %s%s%s", what,
	             exo_error_text(result), reason[0] == '\0' ? "" : ": ", reason);
	return result;
}

static size_t aligned(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static bool is_of_flow(const struct udp_exo *driver, const struct exo_start_bind *bind)
{
	return driver->flow != NULL &&
	       strncmp(bind->name, driver->flow->name, sizeof bind->name) == 0;
}

/* What the NIC ports of the flow make of buffers: a function's own queue has frames of its own, and
 * packets that are merged should lie in few. */
static void ask_ports(struct udp_exo *driver)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);

	driver->shift = SHIFT_USUAL;
	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX; i++) {
		const struct exo_start_address *address = exo_start_address(i);
		const struct exo_port_info *port =
		        address == NULL ? NULL : exo_port_info(address->port);

		if (port != NULL && (port->rx_offloads & EXO_PORT_MERGES) != 0)
			driver->shift = EXO_PAGE_SHIFT;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct exo_port_info *port = exo_port_info(binds[i].port);

		if (!is_of_flow(driver, &binds[i]) || (binds[i].flags & EXO_START_FUNCTION) == 0 ||
		    port == NULL || port->slots == 0)
			continue;
		driver->slots = port->slots;
		driver->shift = EXO_PAGE_SHIFT;
	}
}

/* The NIC's own are with the NIC. */
static void make_buffers(struct udp_exo *driver)
{
	uint8_t *bytes = driver->frames.address;

	for (uint32_t i = driver->slots; i < driver->n_buffers; i++)
		driver->free[driver->n_free++] = i;
	for (uint32_t i = 0; i < driver->n_buffers; i++)
		driver->buffers[i].data = bytes + ((size_t)i << driver->shift);
	driver_lend(driver);
}

/* One run of pages for all tables: struct udp_buffer[], free list, counters, then the stack. */
static int take_memory(struct udp_exo *driver, const struct udp_exo_options *options)
{
	uint32_t n = driver->slots + (driver->slots == 0 ? 2 : 1) * options->ring_size;
	size_t stack = udp_stack_bytes(&options->config);
	size_t buffers = aligned(n * sizeof(struct udp_buffer));
	size_t list = aligned(n * sizeof(uint32_t));
	size_t counters = aligned(UDP_EXO_BINDINGS_MAX * sizeof(struct exo_binding_counters));
	uint8_t *at;
	int result;

	if (stack == 0)
		return -EXO_EINVAL;
	result = exo_pages_alloc(&driver->frames, exo_pages_for((uint64_t)n << driver->shift));
	if (result == 0)
		result = exo_pages_alloc(&driver->memory,
		                         exo_pages_for(buffers + list + counters + stack));
	if (result != 0)
		return result;
	at = driver->memory.address;
	driver->n_buffers = n;
	driver->buffers = (struct udp_buffer *)(void *)at;
	driver->free = (uint32_t *)(void *)(at + buffers);
	driver->counters = (const struct exo_binding_counters *)(void *)(at + buffers + list);
	make_buffers(driver);
	driver->stack = udp_stack_create(at + buffers + list + counters, stack, &options->config,
	                                 &driver_ops, driver);
	return driver->stack != NULL ? 0 : -EXO_EINVAL;
}

/* The queue's frames are the first of all. */
static int open_queue(struct udp_exo *driver, const struct exo_cap *space)
{
	struct exo_pages slots = driver->frames;
	uint32_t size = EXO_RING_SIZE_MIN;

	while (size < driver->slots)
		size *= 2;
	slots.count = driver->slots;
	return exo_ring_open_queue(&driver->rx, size, &slots, exo_start_page()->core, space);
}

static int open_rings(struct udp_exo *driver, const struct exo_cap *space, uint32_t size)
{
	int result = driver->slots != 0
	                     ? open_queue(driver, space)
	                     : exo_ring_open(&driver->rx, EXO_RING_RECEIVE, EXO_RING_COPY, size,
	                                     exo_start_page()->core, NULL);

	if (result < 0)
		return failed(driver, "receive ring", result);
	result = exo_ring_open(&driver->tx, EXO_RING_TRANSMIT, EXO_RING_COPY, size,
	                       exo_sender_core(), space);
	return result < 0 ? failed(driver, "transmit ring", result) : 0;
}

static int bind_one(struct udp_exo *driver, const struct exo_start_bind *bind)
{
	unsigned i = driver->n_bindings;
	bool counts = (bind->flags & EXO_BIND_COUNT) != 0;
	int result;

	if (i == UDP_EXO_BINDINGS_MAX)
		return failed(driver, "too many bindings", -EXO_E2BIG);
	if (bind->space >= EXO_START_CAPS_MAX)
		return failed(driver, "its space is not on the start page", -EXO_EINVAL);
	result = exo_net_bind(bind, &exo_start_page()->caps[bind->space].cap, &driver->rx.cap,
	                      counts ? 0 : 1,
	                      exo_pages_physical(&driver->memory, &driver->counters[i]),
	                      &driver->bindings[i], driver->error);
	if (result < 0)
		return failed(driver, bind->text, result);
	driver->n_bindings++;
	return 0;
}

static int bind_all(struct udp_exo *driver)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);
	int result = 0;

	for (unsigned i = 0; i < n && result == 0; i++)
		if (is_of_flow(driver, &binds[i]) && driver->slots == 0 &&
		    (binds[i].flags & EXO_START_STANDBY) == 0)
			result = bind_one(driver, &binds[i]);
	return result;
}

/* The stack's interface for a NIC port and VLAN; made when the first address on it appears.
 * Negative: none could be made. */
static int interface_of(struct udp_exo *driver, const struct exo_start_address *address)
{
	const struct exo_port_info *info = exo_port_info(address->port);
	struct udp_offload offload = {.flags = UDP_OFFLOAD_SUM | UDP_OFFLOAD_PIECES |
	                                       UDP_OFFLOAD_SEGMENT,
	                              .size_max = FRAME_MAX - ETH_SIZE};
	uint32_t mtu = address->mtu < MTU_MAX ? address->mtu : MTU_MAX;
	int result;

	for (uint32_t i = 0; i < driver->n_interfaces; i++)
		if (driver->ports[i] == address->port && driver->vlans[i] == address->vlan)
			return (int)i;
	result = udp_interface_add(driver->stack, address->mac, mtu);
	if (result < 0)
		return result;
	driver->vlans[driver->n_interfaces] = address->vlan;
	driver->ports[driver->n_interfaces++] = address->port;
	driver->tagged = driver->tagged || address->vlan != 0;
	if (info != NULL && (info->tx_offloads & PORT_SEGMENTS) == 0)
		offload.flags |= UDP_OFFLOAD_SUMS;
	if (address->vlan == 0) /* the kernel sums up and cuts what has no tag */
		udp_interface_offload(driver->stack, (unsigned)result, &offload);
	return result;
}

static struct udp_ip ip_of(uint8_t family, const uint8_t *bytes)
{
	struct udp_ip ip = {.family = family};

	memcpy(ip.bytes, bytes, family == 6 ? 16 : 4);
	return ip;
}

/* Where the address is shared: its host's table of neighbours. */
static void share_neighbours(struct udp_exo *driver, unsigned interface,
                             const struct exo_start_address *address)
{
	if (address->publishes)
		(void)udp_neighbours_publish(driver->stack, interface,
		                             (struct udp_neighbours *)address->neighbours);
	else if (address->neighbours != 0)
		(void)udp_neighbours_consult(driver->stack, interface,
		                             (const struct udp_neighbours *)address->neighbours);
}

static int add_address(struct udp_exo *driver, const struct exo_start_address *address)
{
	struct udp_ip ip = ip_of(address->family, address->address);
	struct udp_ip gateway = ip_of(address->family, address->gateway);
	int interface = interface_of(driver, address);

	if (interface < 0 || udp_address_add_how(driver->stack, (unsigned)interface, &ip,
	                                         address->prefix, UDP_ADDRESS_OPTIMISTIC) != 0)
		return failed(driver, "the start page's address", -EXO_EINVAL);
	share_neighbours(driver, (unsigned)interface, address);
	if (!udp_ip_is_unspecified(&gateway) &&
	    udp_gateway_set(driver->stack, (unsigned)interface, &gateway) != 0)
		return failed(driver, "the start page's gateway", -EXO_EINVAL);
	return 0;
}

static int add_addresses(struct udp_exo *driver, uint8_t family)
{
	const struct exo_start_address *address;
	int result = 0;

	for (unsigned i = 0; i < EXO_START_ADDRESSES_MAX && result == 0; i++) {
		address = exo_start_address(i);
		if (address != NULL && (family == 0 || address->family == family))
			result = add_address(driver, address);
	}
	return result == 0 && driver->n_interfaces == 0
	               ? failed(driver, "the start page has no address", -EXO_ENOENT)
	               : result;
}

/* Memory and rings, the latter for sending inside `space`. */
static int prepare(struct udp_exo *driver, const struct udp_exo_options *options,
                   const struct exo_cap *space)
{
	int result;

	if (options->ring_size > RING_SIZE_MAX)
		return failed(driver, "ring size", -EXO_EINVAL);
	driver->notice = options->notice;
	ask_ports(driver);
	result = take_memory(driver, options);
	if (result < 0)
		return failed(driver, "memory", result);
	return open_rings(driver, space, options->ring_size);
}

static void clear(struct udp_exo *driver)
{
	memset(driver, 0, sizeof *driver);
	memcpy(driver->random, exo_start_page()->seed, sizeof driver->random);
}

/* ---- Ports ---- */

/* A range of destination ports in a frame: behind IPv4's header, or IPv6's without extensions. */
static bool is_port_range(const struct flt_term *term)
{
	bool behind = term->base == FLT_BASE_MSH;
	uint16_t place = behind ? ETH_SIZE + 2 : ETH_SIZE + IP6_SIZE + 2;

	return term->offset == place && (!behind || term->msh == ETH_SIZE) &&
	       term->test == FLT_TEST_RANGE && !term->negate && term->width == 2 &&
	       term->high <= UINT16_MAX && term->low <= term->high;
}

/* The widest range in a set, if wider than what was found before. */
static void widen(const struct exo_start_bind *bind, uint16_t *first, uint16_t *last)
{
	const struct flt_conjunction *all = (const struct flt_conjunction *)bind->conjunctions;

	for (uint32_t i = 0; i < bind->n_conjunctions; i++) {
		for (uint32_t n = 0; n < all[i].n_terms && n < FLT_CONJUNCTION_TERMS_MAX; n++) {
			const struct flt_term *term = &all[i].terms[n];

			if (!is_port_range(term) ||
			    term->high - term->low <= (uint32_t)(*last - *first))
				continue;
			*first = (uint16_t)term->low;
			*last = (uint16_t)term->high;
		}
	}
}

bool udp_exo_ports(const char *flow, uint16_t *first, uint16_t *last)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);
	uint16_t from = 0, to = 0;

	for (unsigned i = 0; i < n; i++)
		if (flow == NULL || strncmp(binds[i].name, flow, sizeof binds[i].name) == 0)
			widen(&binds[i], &from, &to);
	if (from == to)
		return false;
	*first = from;
	*last = to;
	return true;
}

int udp_exo_open(struct udp_exo *driver, const struct udp_exo_options *options)
{
	struct udp_exo_options own = *options;
	int result;

	clear(driver);
	driver->flow = exo_start_find(EXO_USE_FLOW, options->flow);
	if (driver->flow == NULL)
		return failed(driver, "flow space", -EXO_ENOENT);
	(void)udp_exo_ports(driver->flow->name, &own.config.port_first, &own.config.port_last);
	result = prepare(driver, &own, &driver->flow->cap);
	if (result == 0)
		result = add_addresses(driver, options->family);
	if (result < 0)
		return result;
	driver_fill(driver);
	return bind_all(driver);
}

int udp_exo_open_bare(struct udp_exo *driver, const struct udp_exo_options *options,
                      const struct exo_cap *space, uint16_t port)
{
	const struct exo_port_info *info = exo_port_info(port);
	struct exo_start_address nowhere = {.port = port};
	int result;

	clear(driver);
	if (info == NULL)
		return failed(driver, "NIC port", -EXO_ENOENT);
	memcpy(nowhere.mac, info->mac, sizeof nowhere.mac);
	nowhere.mtu = info->mtu < ETHERNET_MTU ? (uint16_t)info->mtu : ETHERNET_MTU;
	result = prepare(driver, options, space);
	if (result == 0 && interface_of(driver, &nowhere) < 0)
		result = failed(driver, "interface", -EXO_EINVAL);
	if (result == 0)
		driver_fill(driver);
	return result;
}
