/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neighbour table: which link address stands behind a network address, for ARP and ND alike
 * (states after RFC 4861, 7.3, which suits ARP as well: RFC 1122, 2.3.2.1).
 *
 *     ASKING    a packet wants to go there. A question each second, three in all; then what waits
 *               is dropped, its sockets hear of it, and the entry is freed.
 *     GOOD      answered a question within the last 30 s, or was entered by hand.
 *     STALE     known otherwise, or older. Used as it is; the first use starts CHECKING.
 *     CHECKING  in use while it is asked directly, three times; then freed.
 *
 * The table is bounded. Entries that nobody here asked for (somebody spoke to us) take at most half
 * of it, so that no flood of made-up senders drives out those in use; what goes is what has been
 * unused for longest.
 */
#include "internal.h"

#define ASK_INTERVAL  NS_PER_S /* between questions, to all or to one */
#define GOOD_TIME     (30 * NS_PER_S)
#define LOOK_INTERVAL (NS_PER_S / 50) /* between looks into another's table */
enum { TRIES_MAX = 3, LOOKS = 50 /* … for each question */ };

static uint32_t bucket_count(uint32_t entries)
{
	uint32_t n = 1;

	while (n < entries)
		n *= 2;
	return n;
}

size_t neighbour_bytes(const struct udp_config *config)
{
	return config->neighbours * sizeof(struct neighbour) +
	       bucket_count(config->neighbours) * sizeof(uint32_t);
}

void neighbour_init(struct udp_stack *stack, void *memory)
{
	struct neighbour_table *table = &stack->neighbours;
	uint32_t buckets = bucket_count(stack->config.neighbours);

	table->entries = memory;
	table->n = stack->config.neighbours;
	table->buckets = (uint32_t *)(table->entries + table->n);
	table->mask = buckets - 1;
	table->deadline = UINT64_MAX;
	memset(table->entries, 0, table->n * sizeof *table->entries);
	memset(table->buckets, 0xff, buckets * sizeof *table->buckets);
	for (uint32_t i = 0; i < table->n; i++)
		table->entries[i].next = i + 1 < table->n ? i + 1 : (uint32_t)NEIGHBOUR_NONE;
	table->free = 0;
}

static uint32_t *chain(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	return &stack->neighbours.buckets[hash_ip(stack, ip, interface) & stack->neighbours.mask];
}

static struct neighbour *find(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	uint32_t i = *chain(stack, interface, ip);

	while (i != (uint32_t)NEIGHBOUR_NONE) {
		struct neighbour *entry = &stack->neighbours.entries[i];

		if (entry->interface == interface && udp_ip_equal(&entry->ip, ip))
			return entry;
		i = entry->next;
	}
	return NULL;
}

static void drop_queue(struct udp_stack *stack, struct neighbour *entry)
{
	for (unsigned i = 0; i < entry->n_queue; i++)
		udp_buffer_release(stack, entry->queue[i]);
	entry->n_queue = 0;
}

void neighbour_fini(struct udp_stack *stack)
{
	for (uint32_t i = 0; i < stack->neighbours.n; i++)
		drop_queue(stack, &stack->neighbours.entries[i]);
}

static void set_passive(struct udp_stack *stack, struct neighbour *entry, bool passive)
{
	stack->neighbours.n_passive += (uint32_t)passive - (uint32_t)entry->passive;
	entry->passive = passive;
}

static void set_state(struct udp_stack *stack, struct neighbour *entry, enum neighbour_state state,
                      uint64_t deadline)
{
	entry->state = (uint8_t)state;
	entry->deadline = deadline;
	stack->neighbours.deadline = earlier(stack->neighbours.deadline, deadline);
	stack_stir(stack);
	if (state != NEIGHBOUR_ASKING)
		neighbours_write(stack, entry, true);
}

static void free_entry(struct udp_stack *stack, struct neighbour *entry)
{
	struct neighbour_table *table = &stack->neighbours;
	uint32_t index = (uint32_t)(entry - table->entries);
	uint32_t *at = chain(stack, entry->interface, &entry->ip);

	while (*at != index)
		at = &table->entries[*at].next;
	*at = entry->next;
	drop_queue(stack, entry);
	set_passive(stack, entry, false);
	neighbours_write(stack, entry, false);
	entry->state = NEIGHBOUR_FREE;
	entry->deadline = UINT64_MAX;
	entry->next = table->free;
	table->free = index;
}

/* The entry unused for longest; among the passive ones only, if asked. Those with packets waiting
 * stay: a flood must not turn one question into many. And where these are half of the table, as
 * when answers are wanted by senders that do not exist, those that are known stay, too: it is the
 * next question that is not asked (RFC 6583, 7.1). */
static struct neighbour *oldest(struct udp_stack *stack, bool passive)
{
	struct neighbour *best = NULL;
	uint32_t n_asking = 0;

	for (uint32_t i = 0; i < stack->neighbours.n; i++) {
		struct neighbour *entry = &stack->neighbours.entries[i];

		n_asking += entry->state == NEIGHBOUR_ASKING;
		if (entry->state == NEIGHBOUR_FREE || entry->state == NEIGHBOUR_ASKING ||
		    (passive && !entry->passive))
			continue;
		if (best == NULL || entry->used < best->used)
			best = entry;
	}
	return passive || n_asking < stack->neighbours.n / 2 ? best : NULL;
}

static bool make_room(struct udp_stack *stack, bool passive)
{
	struct neighbour_table *table = &stack->neighbours;
	bool crowded = passive && table->n_passive >= table->n / 2;
	struct neighbour *victim;

	if (table->free != (uint32_t)NEIGHBOUR_NONE && !crowded)
		return true;
	victim = oldest(stack, crowded || (passive && table->n_passive > 0));
	if (victim == NULL)
		return false;
	free_entry(stack, victim);
	return true;
}

static struct neighbour *create(struct udp_stack *stack, unsigned interface,
                                const struct udp_ip *ip, bool passive)
{
	struct neighbour_table *table = &stack->neighbours;
	struct neighbour *entry;
	uint32_t index;
	uint32_t *at;

	if (!make_room(stack, passive)) {
		stack->count.neighbour_full++;
		return NULL;
	}
	index = table->free;
	entry = &table->entries[index];
	table->free = entry->next;
	at = chain(stack, interface, ip);
	*entry = (struct neighbour){.ip = *ip,
	                            .interface = (uint8_t)interface,
	                            .next = *at,
	                            .deadline = UINT64_MAX,
	                            .used = stack_now(stack)};
	*at = index;
	set_passive(stack, entry, passive);
	return entry;
}

static uint16_t ethertype(const struct udp_ip *ip)
{
	return ip->family == 6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4;
}

static void send_queue(struct udp_stack *stack, struct neighbour *entry)
{
	unsigned n = entry->n_queue;

	entry->n_queue = 0;
	for (unsigned i = 0; i < n; i++)
		ethernet_send(stack, entry->interface, entry->mac, ethertype(&entry->ip),
		              entry->queue[i]);
}

static bool may_ask(const struct udp_stack *stack)
{
	return (stack->config.roles & (UDP_ROLE_RESOLVE | UDP_ROLE_ASK)) != 0;
}

/* Whether somebody else hears the answers. */
static bool is_consulted(const struct udp_stack *stack, unsigned interface)
{
	return stack->interfaces[interface].consulted != NULL;
}

static void ask(struct udp_stack *stack, const struct neighbour *entry, bool directly)
{
	const uint8_t *mac = directly ? entry->mac : NULL;

	if (!may_ask(stack))
		return;
	if (entry->ip.family == 6)
		nd_solicit(stack, entry->interface, &entry->ip, mac);
	else
		arp_request(stack, entry->interface, &entry->ip, mac);
}

static void enqueue(struct udp_stack *stack, struct neighbour *entry, struct udp_buffer *buffer)
{
	if (entry->n_queue == NEIGHBOUR_QUEUE_MAX) {
		/* The oldest goes: its sender has probably sent it again. */
		udp_buffer_release(stack, entry->queue[0]);
		for (unsigned i = 1; i < NEIGHBOUR_QUEUE_MAX; i++)
			entry->queue[i - 1] = entry->queue[i];
		entry->n_queue--;
		stack->count.neighbour_queue_drops++;
	}
	entry->queue[entry->n_queue++] = buffer;
}

static void begin_asking(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                         struct udp_buffer *buffer)
{
	struct neighbour *entry = NULL;

	/* Who may not ask can only wait for what it learns; nothing would ever end that wait. */
	if (may_ask(stack))
		entry = create(stack, interface, ip, false);
	if (entry == NULL) {
		stack->count.drop_no_route++;
		udp_buffer_release(stack, buffer);
		return;
	}
	enqueue(stack, entry, buffer);
	entry->tries = 1;
	set_state(stack, entry, NEIGHBOUR_ASKING,
	          entry->used + (is_consulted(stack, interface) ? LOOK_INTERVAL : ASK_INTERVAL));
	ask(stack, entry, false);
}

void neighbour_send(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                    struct udp_buffer *buffer)
{
	struct neighbour *entry = find(stack, interface, ip);
	uint8_t mac[UDP_MAC_BYTES];

	if (entry == NULL && neighbours_read(stack, interface, ip, mac)) {
		ethernet_send(stack, interface, mac, ethertype(ip), buffer);
		return;
	}
	if (entry == NULL) {
		begin_asking(stack, interface, ip, buffer);
		return;
	}
	entry->used = stack_now(stack);
	set_passive(stack, entry, false);
	if (entry->state == NEIGHBOUR_ASKING) {
		enqueue(stack, entry, buffer);
		return;
	}
	if (entry->state == NEIGHBOUR_STALE && (stack->config.roles & UDP_ROLE_RESOLVE)) {
		entry->tries = 1;
		set_state(stack, entry, NEIGHBOUR_CHECKING, entry->used + ASK_INTERVAL);
		ask(stack, entry, true);
	}
	ethernet_send(stack, interface, entry->mac, ethertype(ip), buffer);
}

bool neighbour_may_reach(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip)
{
	uint8_t mac[UDP_MAC_BYTES];

	return may_ask(stack) || find(stack, interface, ip) != NULL ||
	       neighbours_read(stack, interface, ip, mac);
}

void neighbour_learn(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                     const uint8_t *mac, bool may_create, bool confirmed)
{
	struct neighbour *entry = find(stack, interface, ip);
	bool known, same;

	if (entry == NULL && may_create)
		entry = create(stack, interface, ip, true);
	if (entry == NULL)
		return;
	known = entry->state != NEIGHBOUR_FREE && entry->state != NEIGHBOUR_ASKING;
	same = known && memcmp(entry->mac, mac, UDP_MAC_BYTES) == 0;
	memcpy(entry->mac, mac, UDP_MAC_BYTES);
	if (confirmed || entry->state == NEIGHBOUR_ASKING)
		set_state(stack, entry, NEIGHBOUR_GOOD, stack_now(stack) + GOOD_TIME);
	else if (!same)
		set_state(stack, entry, NEIGHBOUR_STALE, UINT64_MAX);
	if (known && !same)
		flow_forget(stack);
	send_queue(stack, entry);
}

bool neighbour_is_published(const struct udp_stack *stack, unsigned interface)
{
	return stack->interfaces[interface].published != NULL;
}

void neighbour_advert(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                      const uint8_t *mac, bool solicited, bool override)
{
	struct neighbour *entry = find(stack, interface, ip);
	bool known = entry != NULL && entry->state != NEIGHBOUR_ASKING;

	if (known && mac == NULL && solicited) {
		set_state(stack, entry, NEIGHBOUR_GOOD, stack_now(stack) + GOOD_TIME);
	} else if (known && mac != NULL && !override &&
	           memcmp(entry->mac, mac, UDP_MAC_BYTES) != 0) {
		if (entry->state == NEIGHBOUR_GOOD)
			set_state(stack, entry, NEIGHBOUR_STALE, UINT64_MAX);
	} else if (mac != NULL) {
		neighbour_learn(stack, interface, ip, mac,
		                solicited && neighbour_is_published(stack, interface), solicited);
	}
}

int udp_neighbour_set(struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                      const uint8_t *mac)
{
	if (interface >= stack->n_interfaces || !udp_ip_is_source(ip) || (mac[0] & 1))
		return -UDP_EINVAL;
	neighbour_learn(stack, interface, ip, mac, true, true);
	return 0;
}

bool udp_frame_way(struct udp_stack *stack, const struct udp_ip *dst, struct udp_frame_way *way)
{
	const struct neighbour *entry;
	struct route route;

	if (route_find(stack, NULL, dst, &route) != 0 || route.broadcast)
		return false;
	way->interface = route.index;
	way->src = route.src;
	memcpy(way->from, route.interface->mac, UDP_MAC_BYTES);
	if (udp_ip_is_multicast(&route.next_hop)) {
		ip_multicast_mac(&route.next_hop, way->to);
		return true;
	}
	entry = find(stack, route.index, &route.next_hop);
	if (entry == NULL || entry->state == NEIGHBOUR_ASKING)
		return false;
	memcpy(way->to, entry->mac, UDP_MAC_BYTES);
	return true;
}

/* Tells the sockets whose datagrams wait that the next hop does not answer. */
static void fail_queue(struct udp_stack *stack, struct neighbour *entry)
{
	struct udp_buffer *waiting[NEIGHBOUR_QUEUE_MAX];
	unsigned n = entry->n_queue;

	/* Whoever hears of it may send again at once, to this very entry. */
	memcpy(waiting, entry->queue, sizeof waiting);
	entry->n_queue = 0;
	for (unsigned i = 0; i < n; i++) {
		ip_fail(stack, waiting[i]->data, waiting[i]->size, UDP_FAILURE_NEIGHBOUR, 0);
		udp_buffer_release(stack, waiting[i]);
	}
}

/* An entry that stands for a question to others: whether the host knows by now. */
static void look_again(struct udp_stack *stack, struct neighbour *entry, uint64_t now)
{
	if (neighbours_read(stack, entry->interface, &entry->ip, entry->mac)) {
		send_queue(stack, entry);
		free_entry(stack, entry);
	} else if (entry->tries < TRIES_MAX * LOOKS) {
		entry->tries++;
		set_state(stack, entry, NEIGHBOUR_ASKING, now + LOOK_INTERVAL);
		if (entry->tries % LOOKS == 0 && entry->tries < TRIES_MAX * LOOKS)
			ask(stack, entry, false);
	} else {
		stack->count.neighbour_failed++;
		fail_queue(stack, entry);
		free_entry(stack, entry);
	}
}

static void entry_due(struct udp_stack *stack, struct neighbour *entry, uint64_t now)
{
	bool asking = entry->state == NEIGHBOUR_ASKING;

	if (asking && is_consulted(stack, entry->interface)) {
		look_again(stack, entry, now);
		return;
	}
	if (entry->state == NEIGHBOUR_GOOD) {
		set_state(stack, entry, NEIGHBOUR_STALE, UINT64_MAX);
		return;
	}
	if (entry->tries < TRIES_MAX) {
		entry->tries++;
		set_state(stack, entry, (enum neighbour_state)entry->state, now + ASK_INTERVAL);
		ask(stack, entry, !asking);
		return;
	}
	stack->count.neighbour_failed++;
	fail_queue(stack, entry);
	free_entry(stack, entry);
}

void neighbour_run(struct udp_stack *stack, uint64_t now)
{
	struct neighbour_table *table = &stack->neighbours;

	if (now < table->deadline)
		return;
	table->deadline = UINT64_MAX;
	for (uint32_t i = 0; i < table->n; i++) {
		struct neighbour *entry = &table->entries[i];

		if (entry->state == NEIGHBOUR_FREE)
			continue;
		if (now >= entry->deadline)
			entry_due(stack, entry, now);
		else
			table->deadline = earlier(table->deadline, entry->deadline);
	}
}
