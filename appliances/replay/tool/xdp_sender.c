/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One socket, one area of chunks, two rings: we produce into the transmit ring, the kernel into the
 * completion ring. It looks at the former only inside of our call of send, so that what it consumed
 * there is what left. Chunks are used again last in, first out: few of them stay in the caches.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../engine/port.h"
#include "xdp_sender.h"

enum {
	CHUNKS = 512, /* a power of two; as many descriptors has each ring */
	CHUNK_SMALL = 2048,
	CHUNK_LARGE = 4096, /* the most that the kernel takes without huge pages */
	UNSENT_MEMORY = 4 << 20,
	KICKS = 16, /* calls in a row before the caller gets its turn again */
};

struct ring {
	void *map; /* NULL: not mapped */
	size_t size;
	_Atomic uint32_t *producer, *consumer;
	void *entries;
};

struct xdp_sender {
	int socket;
	uint8_t *area;
	uint32_t chunk;
	struct ring transmit, completion;
	uint32_t produced, consumed, completed; /* our places in the rings */
	uint64_t idle[CHUNKS];                  /* offsets of chunks */
	uint32_t idle_n, taken_n;
	struct xdp_desc taken[PORT_BURST];
	uint32_t posted_n; /* of the taken ones: in the ring */
};

static int set(const struct xdp_sender *sender, int option, const void *value, socklen_t size)
{
	return setsockopt(sender->socket, SOL_XDP, option, value, size);
}

static bool map_ring(struct xdp_sender *sender, struct ring *ring,
                     const struct xdp_ring_offset *offset, size_t entry, off_t at)
{
	size_t size = offset->desc + CHUNKS * entry;
	uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	                    sender->socket, at);

	if (map == MAP_FAILED)
		return false;
	*ring = (struct ring){.map = map,
	                      .size = size,
	                      .producer = (void *)(map + offset->producer),
	                      .consumer = (void *)(map + offset->consumer),
	                      .entries = map + offset->desc};
	return true;
}

static bool make_area(struct xdp_sender *sender)
{
	struct xdp_umem_reg area = {.len = (uint64_t)CHUNKS * sender->chunk,
	                            .chunk_size = sender->chunk};
	void *map = mmap(NULL, area.len, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (map == MAP_FAILED)
		return false;
	sender->area = map;
	area.addr = (uintptr_t)map;
	for (uint32_t i = 0; i < CHUNKS; i++)
		sender->idle[sender->idle_n++] = (uint64_t)i * sender->chunk;
	return !set(sender, XDP_UMEM_REG, &area, sizeof(area));
}

/* The fill ring stays empty, but a socket can't be bound without one. */
static bool make_rings(struct xdp_sender *sender)
{
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	uint32_t n = CHUNKS;

	return !set(sender, XDP_UMEM_FILL_RING, &n, sizeof(n)) &&
	       !set(sender, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)) &&
	       !set(sender, XDP_TX_RING, &n, sizeof(n)) &&
	       !getsockopt(sender->socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) &&
	       size == sizeof(offsets) &&
	       map_ring(sender, &sender->transmit, &offsets.tx, sizeof(struct xdp_desc),
	                XDP_PGOFF_TX_RING) &&
	       map_ring(sender, &sender->completion, &offsets.cr, sizeof(uint64_t),
	                (off_t)XDP_UMEM_PGOFF_COMPLETION_RING);
}

static bool attach(struct xdp_sender *sender, const char *interface)
{
	struct sockaddr_xdp address = {.sxdp_family = AF_XDP,
	                               .sxdp_flags = XDP_COPY,
	                               .sxdp_ifindex = if_nametoindex(interface)};
	int memory = UNSENT_MEMORY;

	(void)setsockopt(sender->socket, SOL_SOCKET, SO_SNDBUFFORCE, &memory, sizeof(memory));
	return !bind(sender->socket, (struct sockaddr *)&address, sizeof(address));
}

struct xdp_sender *xdp_sender_open(const char *interface, uint32_t longest)
{
	struct xdp_sender *sender = longest <= CHUNK_LARGE ? calloc(1, sizeof(*sender)) : NULL;

	if (!sender)
		return NULL;
	sender->chunk = longest <= CHUNK_SMALL ? CHUNK_SMALL : CHUNK_LARGE;
	sender->socket = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sender->socket >= 0 && make_area(sender) && make_rings(sender) &&
	    attach(sender, interface))
		return sender;
	xdp_sender_close(sender);
	return NULL;
}

static void unmap_ring(const struct ring *ring)
{
	if (ring->map)
		(void)munmap(ring->map, ring->size);
}

void xdp_sender_close(struct xdp_sender *sender)
{
	if (!sender)
		return;
	unmap_ring(&sender->transmit);
	unmap_ring(&sender->completion);
	if (sender->socket >= 0)
		(void)close(sender->socket);
	if (sender->area)
		(void)munmap(sender->area, (size_t)CHUNKS * sender->chunk);
	free(sender);
}

/* Chunks whose frames have left the interface are idle again. */
static void complete(struct xdp_sender *sender)
{
	const uint64_t *entries = sender->completion.entries;
	uint32_t end = atomic_load_explicit(sender->completion.producer, memory_order_acquire);

	for (; sender->completed != end && sender->idle_n < CHUNKS; sender->completed++)
		sender->idle[sender->idle_n++] = entries[sender->completed % CHUNKS];
	atomic_store_explicit(sender->completion.consumer, sender->completed, memory_order_release);
}

uint8_t *xdp_sender_take(struct xdp_sender *sender, uint32_t length)
{
	if (sender->taken_n == PORT_BURST || length > sender->chunk)
		return NULL;
	if (!sender->idle_n)
		complete(sender);
	if (!sender->idle_n)
		return NULL;
	uint64_t at = sender->idle[--sender->idle_n];
	sender->taken[sender->taken_n++] = (struct xdp_desc){.addr = at, .len = length};
	return sender->area + at;
}

/* There is always room: no more descriptors than chunks. */
static void post(struct xdp_sender *sender)
{
	struct xdp_desc *entries = sender->transmit.entries;

	for (; sender->posted_n < sender->taken_n; sender->posted_n++)
		entries[sender->produced++ % CHUNKS] = sender->taken[sender->posted_n];
	atomic_store_explicit(sender->transmit.producer, sender->produced, memory_order_release);
}

/* How many more the kernel took. */
static uint32_t consume(struct xdp_sender *sender)
{
	uint32_t end = atomic_load_explicit(sender->transmit.consumer, memory_order_acquire);
	uint32_t n = end - sender->consumed;

	sender->consumed = end;
	return n < sender->posted_n ? n : sender->posted_n;
}

unsigned xdp_sender_send(struct xdp_sender *sender, uint64_t *dropped, bool *accepts)
{
	uint32_t sent = 0;

	post(sender);
	*accepts = true;
	for (int i = 0; i < KICKS && sent < sender->posted_n && *accepts; i++) {
		if (send(sender->socket, NULL, 0, MSG_DONTWAIT) < 0) {
			*accepts = errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
			*dropped += errno == EBUSY;
		}
		sent += consume(sender);
	}
	complete(sender);
	sender->posted_n -= sent;
	sender->taken_n -= sent;
	for (uint32_t i = 0; sent && i < sender->taken_n; i++)
		sender->taken[i] = sender->taken[i + sent];
	return sent;
}
