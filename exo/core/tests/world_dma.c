/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A NIC function behind an IOMMU: what arrives is written to where its slot leads, as of the last
 * flush, or is stopped. The mbufs that it fills are those of a pool that the packet path finds by
 * its name, as it does on the bare machine.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "../ledger.h"
#include "../machine.h"
#include "world.h"

enum { PORT = WORLD_PORTS - 1, SLOTS_MAX = 64 };
#define BASE (1ull << 47)

unsigned world_slots;
bool world_spare;
static uint64_t entered[SLOTS_MAX], active[SLOTS_MAX], stopped;
static struct rte_mempool *pool;

unsigned machine_dma_slots(unsigned port)
{
	return port == PORT ? world_slots : 0;
}

/* The last port's rules, where a test has any. */
__attribute__((weak)) bool machine_dma_spare(unsigned port)
{
	return false;
}

__attribute__((weak)) int machine_dma_steer(unsigned port, const struct flt_conjunction *flow,
                                            bool loose)
{
	return -EXO_ENOSYS;
}

__attribute__((weak)) void machine_dma_steer_end(unsigned port)
{
}

bool machine_dma_map(unsigned port, unsigned slot, uint64_t frame)
{
	assert(port == PORT && slot < world_slots);
	entered[slot] = frame;
	return true;
}

void machine_dma_flush(unsigned port)
{
	assert(port == PORT);
	memcpy(active, entered, sizeof(active));
}

/* Of ports that can't; a test may have its own. */
__attribute__((weak)) int machine_port_merge(unsigned port)
{
	return -EXO_ENOSYS;
}

uint64_t machine_dma_faults(void)
{
	return stopped;
}

int ledger_kernel_frames(uint32_t count, uint64_t *first)
{
	*first = world_frames(WORLD_KERNEL, count, 0);
	return 0;
}

static void point_to_slot(struct rte_mempool *mempool, void *argument, void *object, unsigned i)
{
	struct rte_mbuf *mbuf = object;

	mbuf->buf_addr = NULL;
	mbuf->buf_iova = BASE + i * 4096ull;
}

void world_make_slots(void)
{
	struct rte_pktmbuf_pool_private about = {.mbuf_data_room_size = 4096};
	char name[32];

	for (unsigned i = 0; i < SLOTS_MAX; i++)
		entered[i] = active[i] = MACHINE_SPACE_NONE;
	snprintf(name, sizeof(name), "%s-%u", world_spare ? "spare" : "function", PORT);
	pool = rte_mempool_create_empty(name, world_slots, sizeof(struct rte_mbuf), 0,
	                                sizeof(about), 0, 0);
	assert(pool);
	rte_pktmbuf_pool_init(pool, &about);
	assert(rte_mempool_populate_default(pool) == (int)world_slots);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	rte_mempool_obj_iter(pool, point_to_slot, NULL);
}

/* The NIC's write: it knows the slot's address alone. */
static void write_slot(const struct rte_mbuf *mbuf, const uint8_t *bytes, uint32_t length)
{
	uint64_t frame = active[(mbuf->buf_iova - BASE) / 4096];

	if (frame == MACHINE_SPACE_NONE)
		stopped++;
	else
		memcpy(world_memory(frame * 4096 + RTE_PKTMBUF_HEADROOM), bytes, length);
}

static struct rte_mbuf *take(uint32_t length)
{
	struct rte_mbuf *mbuf = rte_mbuf_raw_alloc(pool);

	if (mbuf) {
		mbuf->data_off = RTE_PKTMBUF_HEADROOM;
		mbuf->data_len = (uint16_t)length;
		mbuf->pkt_len = length;
		mbuf->ol_flags = 0;
	}
	return mbuf;
}

bool world_arrive_dma(const void *bytes, uint32_t length, uint32_t segment)
{
	const uint8_t *from = bytes;
	struct rte_mbuf *head = NULL;

	do {
		uint32_t part = segment && segment < length ? segment : length;
		struct rte_mbuf *mbuf = take(part);

		if (!mbuf) {
			rte_pktmbuf_free(head);
			return false;
		}
		write_slot(mbuf, from, part);
		from += part;
		length -= part;
		if (head)
			rte_pktmbuf_chain(head, mbuf);
		else
			head = mbuf;
	} while (length > 0);
	return world_offer_dma(PORT, &head, 1) == 1;
}
