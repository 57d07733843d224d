/* SPDX-License-Identifier: BSD-2-Clause */
/* The table that others read: writing and reading its entries. */
#include "internal.h"

enum { READS = 4 }; /* tries to find an entry that nobody writes */

int udp_neighbours_publish(struct udp_stack *stack, unsigned interface,
                           struct udp_neighbours *table)
{
	if (interface >= stack->n_interfaces)
		return -UDP_EINVAL;
	stack->interfaces[interface].published = table;
	return 0;
}

int udp_neighbours_consult(struct udp_stack *stack, unsigned interface,
                           const struct udp_neighbours *table)
{
	if (interface >= stack->n_interfaces)
		return -UDP_EINVAL;
	stack->interfaces[interface].consulted = table;
	return 0;
}

void neighbours_write(struct udp_stack *stack, const struct neighbour *entry, bool used)
{
	struct udp_neighbours *table = stack->interfaces[entry->interface].published;
	uint32_t index = (uint32_t)(entry - stack->neighbours.entries), before;
	struct udp_neighbours_entry *to;

	if (table == NULL || index >= UDP_NEIGHBOURS_MAX)
		return;
	to = &table->entries[index];
	before = to->sequence & ~1u;
	__atomic_store_n(&to->sequence, before + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* readers see it odd before anything changes */
	to->used = used;
	memcpy(to->mac, entry->mac, UDP_MAC_BYTES);
	to->ip = entry->ip;
	__atomic_store_n(&to->sequence, before + 2, __ATOMIC_RELEASE);
}

/* A copy of an entry as it was at one moment. false: it was being written each time. */
static bool read_entry(const struct udp_neighbours_entry *from, struct udp_neighbours_entry *to)
{
	for (unsigned i = 0; i < READS; i++) {
		uint32_t sequence = __atomic_load_n(&from->sequence, __ATOMIC_ACQUIRE);

		memcpy(to, from, sizeof *to);
		__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the copy is made before it is checked */
		if (sequence % 2 == 0 &&
		    __atomic_load_n(&from->sequence, __ATOMIC_RELAXED) == sequence)
			return true;
	}
	return false;
}

bool neighbours_read(const struct udp_stack *stack, unsigned interface, const struct udp_ip *ip,
                     uint8_t mac[UDP_MAC_BYTES])
{
	const struct udp_neighbours *table = stack->interfaces[interface].consulted;

	for (unsigned i = 0; table != NULL && i < UDP_NEIGHBOURS_MAX; i++) {
		struct udp_neighbours_entry entry;

		if (!read_entry(&table->entries[i], &entry) || entry.used != 1 ||
		    !udp_ip_equal(&entry.ip, ip) || (entry.mac[0] & 1))
			continue;
		memcpy(mac, entry.mac, UDP_MAC_BYTES);
		return true;
	}
	return false;
}
